"""Things to play with: type, choose, and see what tokenizer and model make of it.

Each function returns an ipywidget. Without a kernel it shows its last state: as a widget where
the page brings the scripts for one (exported HTML), as plain HTML where it does not (GitHub).
"""

import functools
import html

import ipywidgets
import torch

from helpers import generation, plots
from helpers.errors import LearnerError

_WORDS = ("#CFE3F3", "#FBE0CC")  # the colours of words, in turn
_MONO = "font-family:monospace"
_WRAPPED = ipywidgets.Layout(flex_flow="row wrap", align_items="center")
_WHOLE = {"description_width": "initial"}  # no description is cut off


class Playable(ipywidgets.VBox):
    """A column of controls and views that is stored with a still picture of itself in HTML."""

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        return bundle | {"text/html": still_html(self)}


def still_html(widget):
    """Return HTML of what a widget shows now: of a control its value, of a box all in it."""
    if isinstance(widget, ipywidgets.Box):
        return "".join(map(still_html, widget.children))
    if isinstance(widget, ipywidgets.HTML):
        return f"<div>{widget.value}</div>"
    if not hasattr(widget, "value"):  # a button, an empty place for pictures
        return ""
    return f"<div>{widget.description}: <b>{html.escape(str(widget.value))}</b></div>"


def _text_field(text, description, live=False):
    return ipywidgets.Text(value=text, description=description, continuous_update=live,
                           layout=ipywidgets.Layout(width="98%"))


def _view(show, controls, button=None):
    """Return HTML of `show(*values)`, renewed when a control changes or the button is pressed."""
    view = ipywidgets.HTML()

    def update(_=None):
        try:
            view.value = show(*(control.value for control in controls))
        except LearnerError as error:
            view.value = html.escape(str(error))

    if button:
        button.on_click(update)
    else:
        for control in controls:
            control.observe(update, names="value")
    update()
    return view


def chooser(show, **choices):
    """Return a slider for each of `choices`, {name: values}, and the HTML of `show(*values)`."""
    sliders = [ipywidgets.SelectionSlider(options=[*values], description=name, style=_WHOLE)
               for name, values in choices.items()]
    return Playable([ipywidgets.HBox(sliders, layout=_WRAPPED), _view(show, sliders)])


def typed(show, text, live=False):
    """Return a text field and the HTML of `show(text)`, renewed at each key if it is `live`."""
    field = _text_field(text, "Text", live)
    return Playable([field, _view(show, [field])])


def token_explorer(tokenizer, text):
    """Return a text field and, below it, the pieces that the tokenizer makes of the text."""
    return typed(functools.partial(tokens_html, tokenizer), text, live=True)


def tokens_html(tokenizer, text):
    """Return HTML with a box per token: the piece above its id, in the colour of its word.

    Special tokens are grey, unknown ones red.
    """
    encoding = tokenizer(text)
    ids, words = encoding["input_ids"], encoding.word_ids()
    boxes = []
    for token, number, word in zip(encoding.tokens(), ids, words, strict=True):
        colour = "#F3C6C6" if token == tokenizer.unk_token else _WORDS[(word or 0) % 2]
        if word is None or token in (tokenizer.eos_token, tokenizer.bos_token):
            colour = "#E3E5E8"
        boxes.append(
            f'<span style="display:inline-block;margin:2px;padding:2px 7px;border-radius:5px;'
            f"background:{colour};color:{plots.INK};text-align:center;line-height:1.35;"
            f'{_MONO}">{html.escape(token)}'
            f'<br><small style="opacity:.65">{number}</small></span>'
        )
    count = len({word for word in words if word is not None})
    summary = f"{len(ids)} tokens, {count} words and punctuation marks"
    return f'<div style="line-height:1.2">{"".join(boxes)}</div><div>{summary}</div>'


def truncation_slider(tokenizer, positive, text, max_length=32):
    """Return a text field, a slider for `max_length`, and below what is kept, lost and predicted.

    `positive(text, max_length)` returns the probability, 0 to 1, that the text is positive, read
    no further than the limit.
    """
    field = _text_field(text, "Text")
    most = min(128, tokenizer.model_max_length)
    limit = ipywidgets.IntSlider(max_length, 3, most, description="max_length", style=_WHOLE,
                                 layout=ipywidgets.Layout(width="60%"))

    def show(text, max_length):
        return truncation_html(tokenizer, text, max_length, positive(text, max_length))

    return Playable([field, limit, _view(show, [field, limit])])


def truncation_html(tokenizer, text, max_length, positive):
    """Return HTML of a text, struck through from where it is cut, above what is predicted.

    `positive` is the probability, 0 to 1, that the part before the cut is positive.
    """
    cut = tokenizer(text, truncation=True, max_length=max_length, return_offsets_mapping=True)
    every = len(tokenizer(text)["input_ids"])
    end = len(text)  # a space behind the last token is not lost
    if len(cut["input_ids"]) < every:
        end = max(end for _, end in cut["offset_mapping"])
    verdict, colour = ("positive", plots.BLUE) if positive > 0.5 else ("negative", plots.ORANGE)
    return (
        f'<div style="line-height:1.6;max-width:62em">{html.escape(text[:end])}'
        f'<s style="color:{plots.GREY}">{html.escape(text[end:])}</s></div>'
        f"<div>{len(cut['input_ids'])} of {every} tokens kept, {every - len(cut['input_ids'])} "
        f'lost. Prediction: <b style="color:{colour}">{verdict}</b>, probability of positive '
        f"<b>{positive:.2f}</b></div>"
    )


def mask_explorer(model, tokenizer, text):
    """Return a text field and bars of the pieces that the model guesses for each `[MASK]` in it.

    `model` is one for masked language modelling.
    """
    return typed(functools.partial(guesses_html, model, tokenizer), text)


@torch.inference_mode()
def guesses(model, tokenizer, text, count=8):
    """Return a list for each mask in a text: its likeliest pieces as (piece, probability).

    Raises LearnerError if there is no mask in the text.
    """
    model.eval()
    inputs = tokenizer(text, truncation=True, return_tensors="pt").to(model.device)
    masked = inputs["input_ids"][0] == tokenizer.mask_token_id
    if not masked.any():
        raise LearnerError(
            f"There is no {tokenizer.mask_token} in this text. Write {tokenizer.mask_token} for "
            "the word that the model should guess."
        )
    chances, ids = model(**inputs).logits[0, masked].softmax(-1).topk(count)
    return [list(zip(tokenizer.convert_ids_to_tokens(row), shares, strict=True))
            for row, shares in zip(ids.tolist(), chances.tolist(), strict=True)]


def guesses_html(model, tokenizer, text):
    """Return HTML of what the model guesses for each mask: bars, the likeliest piece on top."""
    columns = []
    for found in guesses(model, tokenizer, text):
        rows = "".join(
            f'<div style="display:flex;align-items:center;gap:8px;line-height:1.5"><code '
            f'style="width:110px;text-align:right">{html.escape(piece)}</code>'
            f'<div style="width:{260 * share:.0f}px;min-width:2px;height:12px;'
            f'background:{plots.BLUE}"></div><small>{share:.2f}</small></div>'
            for piece, share in found
        )
        columns.append(f"<div>{rows}</div>")
    return f'<div style="display:flex;flex-wrap:wrap;gap:24px">{"".join(columns)}</div>'


def attention_explorer(model, tokenizer, text, layer=1, head=1):
    """Return sliders for layer and head (from 1) and a grid of who attends to whom.

    `model` has to run with `attn_implementation="eager"`, the one that returns attentions.
    """
    field = _text_field(text, "Text")
    layers = ipywidgets.IntSlider(layer, 1, model.config.num_hidden_layers, description="Layer")
    heads = ipywidgets.IntSlider(head, 1, model.config.num_attention_heads, description="Head")
    seen = functools.lru_cache(maxsize=1)(functools.partial(attentions, model, tokenizer))

    def show(text, layer, head):
        tokens, weights = seen(text)
        return attention_html(tokens, weights[layer - 1, head - 1])

    sliders = [layers, heads]
    return Playable([field, ipywidgets.HBox(sliders), _view(show, [field, *sliders])])


@torch.inference_mode()
def attentions(model, tokenizer, text, max_tokens=32):
    """Return the tokens of a text and the attention weights, (layers, heads, tokens, tokens)."""
    model.eval()
    inputs = tokenizer(text, truncation=True, max_length=max_tokens, return_tensors="pt")
    output = model(**inputs.to(model.device), output_attentions=True)
    tokens = tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
    return tokens, torch.cat(output.attentions).cpu()


def attention_html(tokens, weights):
    """Return HTML of the weights of a head, (tokens, tokens): a row per token that looks."""
    label = f"{_MONO};font-size:12px"
    head = "".join(
        '<th style="height:74px;vertical-align:bottom;padding:0;font-weight:normal">'
        '<div style="writing-mode:vertical-rl;transform:rotate(180deg);'
        f'{label}">{html.escape(token)}</div></th>'
        for token in tokens
    )
    rows = []
    for token, row in zip(tokens, weights.tolist(), strict=True):
        cells = "".join(
            '<td style="width:26px;height:22px;border:1px solid #fff;padding:0;'
            f'background:rgba(0,114,178,{weight:.2f})" '
            f'title="{html.escape(token)} looks at {html.escape(seen)}: {weight:.2f}"></td>'
            for seen, weight in zip(tokens, row, strict=True)
        )
        rows.append(
            f'<tr><td style="text-align:right;padding:0 8px 0 0;{label}">'
            f"{html.escape(token)}</td>{cells}</tr>"
        )
    return (
        f'<table style="border-collapse:collapse;background:#fff;color:{plots.INK}">'
        f'<tr><th></th>{head}</tr>{"".join(rows)}</table>'
        "<div>Each row is a token and shows where it looks; the darker, the more.</div>"
    )


def classifier(predict, text, classes):
    """Return a text field and a bar with the probabilities of the classes of the text.

    `predict` takes a list of texts and returns probabilities of shape (texts, classes).
    """
    return classifiers({"": predict}, text, classes)


def classifiers(models, text, classes):
    """Return a text field and what several models make of the text, {name: predict}, in bars."""
    field, classes = _text_field(text, "Review"), [*classes]

    def bars(text):
        return "".join(_bar(name, [float(p) for p in predict([text])[0]], classes)
                       for name, predict in models.items())

    return Playable([field, _view(bars, [field])])


def _bar(name, probabilities, classes):
    """Return HTML of a model's name and its probabilities, of which one is also in words.

    Of two classes that is the second one, of more the most probable one.
    """
    label = f'<span style="width:150px">{html.escape(name)}</span>' if name else ""
    two = len(classes) == 2
    told = 1 if two else probabilities.index(max(probabilities))
    left = f"<span>{html.escape(classes[0])}</span>" if two else ""
    other = plots.ORANGE if two else plots.GREY
    parts = "".join(
        f'<div title="{html.escape(classes[k])}" style="width:{p:.1%};'
        f'background:{plots.BLUE if k == told else other}"></div>'
        for k, p in enumerate(probabilities))
    return (
        f'<div style="display:flex;align-items:center;gap:10px">{label}{left}'
        '<div style="width:320px;height:18px;border-radius:9px;overflow:hidden;display:flex">'
        f"{parts}</div><span>{html.escape(classes[told])}: "
        f"<b>{probabilities[told]:.3f}</b></span></div>"
    )


def predictions_explorer(table, right):
    """Return controls and, below them, a classifier's answers: by word, length and probability.

    `table` is what `predict.predictions` returns for classes, `right` the texts' true classes.
    """
    rows = [row for row in zip(table["text"], table["label"], table["probability"], right,
                               strict=True) if row[1] is not None]
    longest = max((len(text.split()) for text, *_ in rows), default=1)
    wide = ipywidgets.Layout(width="46%")
    word = _text_field("", "Word", live=True)
    words = ipywidgets.IntRangeSlider(value=(1, longest), min=1, max=longest, layout=wide,
                                      description="Words", style=_WHOLE)
    sure = ipywidgets.FloatRangeSlider(value=(0, 1), min=0, max=1, step=0.05, layout=wide,
                                       description="Probability", style=_WHOLE)
    mistakes = ipywidgets.Checkbox(value=True, description="mistakes only", indent=False)
    controls = [word, words, sure, mistakes]
    return Playable([word, ipywidgets.HBox([words, sure], layout=_WRAPPED), mistakes,
                     _view(functools.partial(predictions_html, rows), controls)])


def predictions_html(rows, word, words, probability, mistakes, most=10):
    """Return HTML of the rows that are asked for, (text, class, probability, true class).

    `words` and `probability` are the lowest and the highest, `word` stands anywhere in the text;
    the surest come first, `most` of them.
    """
    fewest, longest = words
    low, high = probability
    found = [row for row in rows if word.casefold() in row[0].casefold()
             and fewest <= len(row[0].split()) <= longest and low <= row[2] <= high]
    wrong = sum(label != true for _, label, _, true in found)
    shown = sorted((row for row in found if row[1] != row[3] or not mistakes),
                   key=lambda row: -row[2])[:most]
    lines = []
    for text, label, share, true in shown:
        colour = plots.BLUE if label == true else plots.ORANGE
        said = f'<b style="color:{colour}">{html.escape(label)}</b>'
        if label != true:
            said += f", not {html.escape(true)}"
        lines.append(f'<div style="line-height:1.5;max-width:62em">{share:.2f} {said}: '
                     f"{html.escape(text)}</div>")
    count = f"<div>{len(found)} of {len(rows)} texts, {wrong} of them wrong</div>"
    return count + "".join(lines)


def generation_explorer(model, tokenizer, prompt, max_new_tokens=30):
    """Return a prompt, the settings of sampling, bars of the next token and a written text."""
    field = _text_field(prompt, "Prompt")
    greedy = ipywidgets.Checkbox(value=False, description="greedy", indent=False)
    temperature = ipywidgets.FloatSlider(1, min=0.1, max=2, step=0.1, description="temperature")
    top_k = ipywidgets.IntSlider(0, 0, 50, description="top-k (0: all)", style=_WHOLE)
    top_p = ipywidgets.FloatSlider(1, min=0.05, max=1, step=0.05, description="top-p")
    seed = ipywidgets.BoundedIntText(0, min=0, max=9999, description="Seed")
    button = ipywidgets.Button(description="Write", button_style="primary", icon="pencil")
    sliders = [temperature, top_k, top_p]
    for slider in sliders:
        ipywidgets.dlink((greedy, "value"), (slider, "disabled"))

    def choose(prompt, greedy, *settings):
        sampling = None if greedy else generation.Sampling(*settings)
        found = generation.next_tokens(model, tokenizer, prompt, sampling)
        rows = "".join(
            '<div style="display:flex;align-items:center;gap:8px;line-height:1.5"><code '
            f'style="width:110px;text-align:right;white-space:pre">{html.escape(token)}</code>'
            f'<div style="width:{260 * share:.0f}px;min-width:2px;height:12px;'
            f'background:{plots.BLUE}"></div><small>{share:.3f}</small></div>'
            for token, share in (found[:1] if greedy else found)
        )
        return f"<div>{rows}</div>"

    def write(seed, prompt, greedy, *settings):
        sampling = None if greedy else generation.Sampling(*settings)
        text = generation.generate(model, tokenizer, prompt, sampling, seed=seed,
                                   max_new_tokens=max_new_tokens)
        return f"<p>{html.escape(prompt)}<b>{html.escape(text[len(prompt):])}</b></p>"

    controls = [field, greedy, *sliders]
    return Playable([
        field, ipywidgets.HBox(sliders, layout=_WRAPPED),
        ipywidgets.HBox([greedy, seed, button], layout=_WRAPPED),
        _view(choose, controls), _view(write, [seed, *controls], button),
    ])


def training_panel(run, learning_rate=1e-4, epochs=1, batch_size=16):
    """Return controls for three hyperparameters, a button that trains, and the newest curves.

    `run(learning_rate=…, epochs=…, batch_size=…)` returns `LossCurve` and validation accuracy.
    """
    rate = ipywidgets.FloatLogSlider(learning_rate, min=-6, max=-2, step=0.25, style=_WHOLE,
                                     description="Learning rate", readout_format=".1e")
    passes = ipywidgets.IntSlider(epochs, 1, 4, description="Epochs")
    size = ipywidgets.ToggleButtons(options=[4, 8, 16, 32], value=batch_size,
                                    description="Batch size", style={"button_width": "50px"})
    button = ipywidgets.Button(description="Train", button_style="primary", icon="play")
    said, view, runs = ipywidgets.HTML(), ipywidgets.Output(), {}

    def train(_):
        button.disabled, said.value = True, "Training …"
        try:
            curve, accuracy = run(learning_rate=rate.value, epochs=passes.value,
                                  batch_size=size.value)
        except Exception as error:  # whatever stops a run, the panel stays usable
            said.value = f"{type(error).__name__}: {html.escape(str(error))}"
        else:
            name = f"{rate.value:.1e}, {passes.value} ep., {size.value} a batch"
            runs.pop(name, None)
            runs[name] = curve
            said.value = f"{name}: validation accuracy <b>{accuracy:.3f}</b>"
            with view:
                view.clear_output(wait=True)
                plots.loss_curves(dict(list(runs.items())[-4:]), title="The newest runs")
        finally:
            button.disabled = False

    button.on_click(train)
    sliders = ipywidgets.HBox([rate, passes], layout=_WRAPPED)
    return Playable([sliders, ipywidgets.HBox([size, button]), said, view])
