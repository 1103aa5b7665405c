"""Pictures and widgets: every figure has alt text, every control changes what is shown."""

from dataclasses import replace
from types import SimpleNamespace

import matplotlib
import pytest
import torch
from matplotlib.colors import to_hex
from transformers import AutoModel

from helpers import curves, plots, widgets
from helpers.entities import scores
from helpers.entities.spans import Entity, Sentence
from helpers.paired import Paired
from helpers.plots import (
    nb01,
    nb02,
    nb03,
    nb04,
    nb05,
    nb06,
    nb07,
    nb08,
    nb09,
    nb10,
    nb11,
    nb12,
)


class Shown(list):
    """The images shown so far, and the figures that they were made of."""

    def __init__(self):
        self.figures = []

    def update(self, image):
        self.append(image)

    def title(self):
        return self.figures[-1].axes[0].get_title(loc="left")


@pytest.fixture
def shown(monkeypatch):
    found, show = Shown(), plots.show
    monkeypatch.setattr(plots, "display", lambda image, display_id: found.append(image) or found)
    monkeypatch.setattr(plots, "show", lambda figure, *more: (
        found.figures.append(figure) or show(figure, *more)))
    return found


def rates(*values):
    return curves.LossCurve(loss=[0.5] * len(values), learning_rate=list(values))


RUN = curves.LossCurve(loss=[0.7, 0.5, 0.3], learning_rate=[0, 1e-5, 0], accuracy=[0.5] * 3,
                       validation=[{"step": 3, "loss": 0.4, "accuracy": 0.8}])
OTHER = curves.LossCurve(loss=[0.7, 0.5, 0.4], learning_rate=[0, 1e-5, 0])
FINE = replace(RUN, settings={"one batch": [0.7, 0.02]})
LOST = curves.LossCurve(
    settings={"one batch": [0.7, float("nan")]}, loss=[0.7, 9.0, float("nan")],
    validation=[{"step": 3, "loss": float("nan"), "accuracy": 0.5}])
MASK = torch.tensor([[1, 1, 0], [1, 1, 1]])
EVEN, BACK = torch.tensor([[0.5, 0.5], [0.5, 0.5]]), torch.tensor([[1.0, 0.0], [0.5, 0.5]])
SIMILAR = torch.tensor([
    [[1.0, 0.9, 0.9], [0.9, 1.0, 0.9], [0.9, 0.9, 1.0]],
    [[1.0, 0.8, 0.4], [0.8, 1.0, 0.6], [0.4, 0.6, 1.0]],
])
TYPES = ("person", "place")
NAMED = Sentence("Ann left Osk.", (Entity(0, 3, "person"), Entity(9, 12, "place")))
FOUND = scores.scores([NAMED], [(Entity(0, 3, "person"), Entity(4, 8, "place"))])
BAG = {"bag": (0.8, 0.7, 0.9)}
FIGURES = [
    (plots.loss_curves, ({"mine": RUN}, RUN), "mine ends at 0.50; the reference run ends"),
    (plots.accuracy_bars, ({**BAG, "all": (1.0, 0.9, 1 - 1e-16)}, "Bars"), "bag 0.800, all 1.0"),
    (plots.accuracy_bars, (BAG, "Bars", 0.5, {"bag": [0.7]}), "bag 0.800"),
    (nb01.parameter_bars, ({"small": {"embeddings": 9e6, "encoder": 1e7}},),
     "small: embeddings 9.0 million, encoder 10.0 million"),
    (nb01.senses, (SIMILAR, ["She sat.", "He sat.", "It paid."], ["river", "river", "money"]),
     "within a sense 0.80 on average, across 0.50. Line chart by layer. Gap: 0.00 at layer 0, "
     "0.30 after layer 1"),
    (nb01.transfer_diagram, ("small",), "pretraining on a larger model's outputs, then pairs of"),
    (nb01.transfer_diagram, ("full",), "pretraining on masked words in books and Wikipedia"),
    (nb02.length_histogram, ([5, 9, 9], {"mean": 7.7}), "mean 8"),
    (nb02.mask_grids, ({"to 3": MASK, "to 128": MASK},), "to 3 17%, to 128 17%"),
    (nb03.pace, (RUN, [0.5, 2.0, 1.5]), "2 of 3 gradients are longer than 1. The learning rate "
     "is highest at step 2 of 3: 1e-05; at step 1 it is 0, at the last step 0."),
    (nb03.beside, ({"A": ([0.7] * 3, [1.0] * 3)}, ([0.7, 0.5, 0.3], [1.0] * 3), "Which?"),
     "The loss goes: A from 0.7 to 0.7; in the complete loop to 0.5."),
    (nb03.shares_right, ({"irony": (3, 9), "plain": (8, 9)}, "Shares"),
     "plain 8 of 9, irony 3 of 9"),
    (nb04.resumed, (RUN, {"whole": RUN}, 1, 2),
     "Checkpoint at step 1, killed at step 2. In the loss, whole it is off by at most 0.000."),
    (nb04.memory, ({"at once": {"weights": 9e7, "activations": 4e7}},),
     "at once: weights 90, activations 40"),
    (nb05.last_tokens, ([["Fine", "!", "PAD"], ["Not", " so", " bad"]], "Ends", "PAD"),
     "label: !, bad"),
    (nb05.attention_pair, ({"both ways": (["a", "b"], EVEN), "back only": (["a", "b"], BACK)},
                           "Attention"),
     "in both ways 25% of the attention goes to later tokens; in back only 0%"),
    (nb05.next_tokens, ({"hot": [(" b", 0.4), (" a", 0.6)], "cold": [(" a", 1.0)]}, "Next"),
     "the likeliest first. hot: a 0.60, b 0.40; cold: a 1.00"),
    (nb06.probes, ({"mean": [0.7, 0.8, 0.75], "random weights, mean": [0.7, 0.6, 0.4]}, "Probes"),
     "mean 0.70 on the embeddings, 0.80 at best, 0.75 at the top, random weights, mean 0.70"),
    (nb06.trained_parts, ({"low": ("classifier.",), "two": ("classifier.", "bert.pooler."),
                           "all": ("",)}, 2),
     "low: head; two: pooler, head; all: embeddings, 1, 2, pooler, head."),
    (nb06.ladder, ({"pretrained": {"head": [0.7, 0.8], "all": [0.9, 0.9]},
                    "random": {"head": [0.5, 0.6], "all": [0.6, 0.6]}}, "Ladder"),
     "pretrained: head 0.750, all 0.900. random: head 0.550, all 0.600."),
    (nb06.lora, (384, 1536, 8, 16), "W of 384 × 1536 = 589,824 numbers and, beside it, through A "
     "of 8 × 1536 and B of 384 × 8, 15,360 numbers, which are trained"),
    (nb07.small_curves, ({"fine": FINE, "lost": LOST},), "fine: training 0.70, 0.30; validation "
     "0.40, one batch → 0.02; validation accuracy 0.80. lost: training 0.70, 9.00; validation no "
     "number, one batch → nan, up to 9.0, no number from step 3"),
    (nb07.early_stopping, (RUN, 3), "validation 0.40 at step 3; kept: step 3"),
    (nb07.sweep, ({1e-4: [0.9, 0.8], 1e-2: [0.5, 0.5]}, 200), "1e-04 0.850, 1e-02 0.500"),
    (plots.differences, ({"seed 0": Paired(10, 34, 400)}, "Pairs"), "seed 0 +6.0 (+2.8 to +9.2)"),
    (nb07.confusions, ({"plain": [[19, 0], [1, 0]]},), "of 1 positive 0 found, of 19 negative 0"),
    (nb08.curve, ({"bag": {16: [0.5, 0.6], 64: [0.7]}}, "Curve", 0.5, [(0.6, "no label")]),
     "bag: 16 0.55, 64 0.70"),
    (nb08.matrix, ([[0.9, 0.7], [0.6, 0.8]], ["films", "books"], "Grid"),
     "films: 0.90, 0.70; books: 0.60, 0.80"),
    (nb08.cosines, ({"before": [0.9, 0.1, 0.8], "after": [0.5, 0.4, 0.3]}, [1, 0, 1], "Spread"),
     "before: mean 0.85 and 0.10; after: mean 0.40 and 0.40"),
    (nb08.kept, ({"all": [0.8, 0.7], "LoRA": [0.6]}, {"all": [0.5, 0.6], "LoRA": [0.9]}, "Kept",
                 0.9, 0.8), "all 0.75 and 0.55, LoRA 0.60 and 0.90. Before it was 0.90"),
    (nb08.planted, ({"bag": {"right": {50: 0.7, 100: 0.9}, "wrong": {50: 0.7, 100: 0.1},
                             "none": {50: 0.7, 100: 0.6}}}, "Planted"),
     "bag, right: 50 % 0.70, 100 % 0.90; bag, wrong: 50 % 0.70, 100 % 0.10"),
    (nb05.surprise, (["So", "it", "goes"], [0.5, 0.25], "Costs"),
     "in nats: it 0.7, goes 1.4. The mean is 1.04."),
    (nb05.kept_tokens, ({"sure": [9.0, 0, 0, 0], "unsure": [0.0, 0, 0, 0]}, (0.5, 1, 9), 2, 0.8),
     "after “sure” 1 at temperature 0.5, 1 at temperature 1, 3 at temperature 9; after “unsure”"),
    (nb05.by_seed, ({"BERT": [0.8, 0.9], "bag": [0.6, 0.7]}, "Seeds"), "BERT 0.850, bag 0.650"),
    (nb05.forgetting, ({"before": (2.2, 1.7), "after": (2.0, 1.9)},),
     "arrows from the first. before: 2.20 on reviews, 1.70 on prose; after: 2.00 on reviews, 1."),
    (nb09.marked, ([NAMED], TYPES, "Names"), "names: [Ann](person) left [Osk](place)."),
    (nb09.way, (NAMED, ["[CLS]", "ann", "left", "os", "##k", ".", "[SEP]"],
                [(0, 0), (0, 3), (4, 8), (9, 11), (11, 12), (12, 13), (0, 0)],
                [(0, 3), (4, 8), (9, 12), (12, 13)], ["B-person", "O", "B-place", "O"],
                [-100, 1, 0, 3, -100, 0, -100], TYPES), "ann 1; left 0; os 3; ##k -100; . 0"),
    (nb09.f1_bars, ({"list": {"test": FOUND}}, "Names"), "list: test 0.500"),
    (nb09.kinds, (FOUND, "Mistakes"), "place: missed 1, invented 1, wrong type 0, wrong border 0"),
    (nb09.loss, (RUN, RUN, 0.7), "loss over 3 steps: from 0.70 to 0.50"),
    (nb10.ladder, ({"slow": 2.0, "fast": 8.0}, {"fast": 6.0}, "Ladder"),
     "slow 2, fast 8 (predicted 6)"),
    (nb10.accuracy_over_seconds, (
        [{"recipe": "one_epoch", "seconds": s, "looks": [[s, 200, 400], [s, 360, 400]]}
         for s in (2.0, 8.0)], (0.88,), "Both"), "one epoch 0.900 after 4 s"),
    (nb10.few_labels, ({"pairs": {8: [0.6, 0.8], 64: [0.9]}}, "Few"),
     "pairs 0.70 with 8, 0.90 with 64"),
    (nb10.ideas, ([{"name": "base", "accuracy": [0.90, 0.92]},
                   {"name": "other", "accuracy": [0.95, 0.95]},
                   {"name": "alike", "accuracy": [0.89, 0.91]}], 0.02, "Ideas"),
     "base 0.910, other 0.950, alike 0.900. 1 stand clear"),
    (nb10.roofline, ({4: (2.0, 2e9)}, {"small": (20.0, 2e9)}, 1e10, 1e9, "Roof"), "small 20%"),
    (nb11.same_curve, (RUN, {"averaged": RUN, "not": OTHER}), "averaged ends at 0.30"),
    (nb11.sharding, (4,), "ZeRO stage 2 7 bytes"),
    (nb12.confusion, ([[8, 2, 0], [1, 3, 0], [0, 0, 5]], ["late", "broken", "thanks"]),
     "Right: late 8 of 10, broken 3 of 4, thanks 5 of 5. Most often confused: 2 of 10"),
    (nb12.confusion, ([[8, 0], [0, 0]], ["late", "broken"]), "No text is taken for another"),
]


@pytest.mark.parametrize(("draw", "arguments", "alt"), FIGURES)
def test_a_figure_is_shown_with_alt_text_and_leaves_the_learners_own_plots_alone(
    shown, draw, arguments, alt
):
    before = dict(matplotlib.rcParams)
    draw(*arguments)
    assert alt in shown[0].alt
    assert shown[0].data.startswith(b"\x89PNG")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(("draw", "arguments", "title"), [
    (nb02.length_histogram, ([3] * 19 + [90], {}), "95% of the texts have at most 3 tokens"),
    (nb02.length_histogram, ([3] * 18 + [90] * 2, {}), "100% of the texts have at most 90 tok"),
    (nb01.parameter_bars, ({"a": {"embeddings": 1, "encoder": 3}, "b": {"embeddings": 1,
     "encoder": 1}},), "The table holds 25% of a, 50% of b"),
    (nb03.pace, (rates(0, 1e-4, 0), [2.0, 3.0, 0.5]), "2 of 3 gradients are longer than 1"),
    (nb03.pace, (rates(0, 1e-4), [0.5, 1.0]), "0 of 2 gradients are longer than 1"),
    (nb04.resumed, (RUN, {"with all": RUN, "without one": OTHER}, 1, 2),
     "Without one, it is another run"),
    (nb04.resumed, (RUN, {"with all": RUN, "without one": RUN}, 1, 2), "What came after"),
    (nb04.resumed, (RUN, {"with all": OTHER, "without one": OTHER}, 1, 2), "What came after"),
    (nb04.memory, ({"a": {"weights": 9, "rest": 4}, "b": {"weights": 9, "rest": 2}},),
     "Only the rest differ"),
    (nb04.memory, ({"a": {"weights": 9, "rest": 4}, "b": {"weights": 8, "rest": 2}},), "Memory"),
    (nb07.early_stopping, (RUN, 3), "Validation is lowest at step 3; the run stops at step 3"),
    (nb07.sweep, ({1e-6: [0.6], 1e-4: [0.9], 1e-2: [0.5]}, 200), "Highest at 1e-04: 0.900"),
    (nb07.sweep, ({1e-5: [0.6], 1e-4: [0.8, 0.9], 3e-4: [0.84]}, 200), "2 rates are within two"),
    (nb05.forgetting, ({"before": (2.2, 1.7), "on a": (2.0, 1.9)},),
     "Fine-tuned on a: -0.20 bits on reviews, +0.20 on prose"),
])
def test_a_title_that_a_picture_brings_along_is_true_of_the_data(shown, draw, arguments, title):
    draw(*arguments)
    assert shown.title().startswith(title)
    if draw in (nb02.length_histogram, nb03.pace):
        assert title in shown[0].alt


def test_the_pairs_of_one_sense_are_framed_and_no_others(shown):
    nb01.senses(SIMILAR, ["She sat.", "He sat.", "It paid."], ["river", "river", "money"])
    frames = [patch.get_center().round().tolist() for patch in shown.figures[-1].axes[0].patches]
    assert frames == [[1, 0], [0, 1]]


def test_what_stands_out_in_a_picture_is_what_the_data_say(shown):
    nb10.ladder({"start": 8.0, "a step back": 2.0}, {}, "Ladder")
    colours = [to_hex(bar.get_facecolor()) for bar in shown.figures[-1].axes[0].patches]
    assert colours == [plots.BLUE.lower(), plots.MUTED.lower()]
    nb07.sweep({1e-6: [0.9], 1e-2: [0.2]}, 200)
    assert shown.figures[-1].axes[0].get_ylim()[0] <= 0.2, "an accuracy is cut off"


def test_no_label_runs_out_of_the_histogram_and_its_bars_fill_it(shown):
    lengths = [5, 20, 20, 34, 52]
    nb02.length_histogram(lengths, {"half": 20, "most": 34, "longest": 52})
    axes = shown.figures[-1].axes[0]
    frame = axes.get_window_extent()
    for label in axes.texts:
        box = label.get_window_extent()
        assert frame.x0 <= box.x0, label.get_text()
        assert box.x1 <= frame.x1, label.get_text()
    assert axes.get_xlim()[1] < 1.2 * max(lengths)
    assert sum(bar.get_height() for bar in axes.patches) == len(lengths)


def test_the_lines_of_a_loss_are_explained_and_none_is_left_out(shown):
    plots.loss_curves({f"run {i}": RUN for i in range(7)})
    assert "faint: each batch; strong: mean of 9 steps" in shown.figures[-1].axes[0].get_xlabel()
    assert len(shown.figures[-1].legends[0].get_texts()) == 14


def test_the_live_loss_redraws_in_place_and_at_the_last_step(shown):
    live = plots.LiveLoss(steps=7, every=3)
    curve = curves.LossCurve()
    for _ in range(7):
        curve.record(0.5, 1e-5, 1.0)
        live(curve)
    assert [image.alt.split("step ")[1] for image in shown] == ["3 of 7.", "6 of 7.", "7 of 7."]


def test_typing_changes_the_pieces_and_a_page_without_widgets_shows_the_last(tokenizer):
    explorer = widgets.token_explorer(tokenizer, "plain")
    field, view = explorer.children
    field.value = ""
    assert "2 tokens, 0 words" in view.value
    field.value = "<b> unputdownable"
    assert "##down" in view.value
    assert "&lt;" in view.value
    assert "<b>" not in view.value
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "##down" in bundle["text/html"]
    assert "Text: <b>&lt;b&gt; unputdownable</b>" in bundle["text/html"]


def test_a_lower_max_length_strikes_the_end_out_and_asks_again_about_the_rest(tokenizer):
    asked = []

    def positive(text, max_length):
        asked.append((text, max_length))
        return max_length / 10

    slider = widgets.truncation_slider(tokenizer, positive, "Slow <but> lovely 🤩 ", max_length=9)
    field, limit, view = slider.children
    assert "8 of 8 tokens kept, 0 lost" in view.value
    assert "<s style=\"color:#8A8F98\"></s>" in view.value, "a space at the end is no loss"
    assert ">positive</b>, probability of positive <b>0.90</b>" in view.value
    limit.value = 5
    assert 'Slow &lt;but<s style="color:#8A8F98">&gt; lovely 🤩 </s>' in view.value
    assert "5 of 8 tokens kept, 3 lost" in view.value
    assert ">negative</b>, probability of positive <b>0.50</b>" in view.value
    field.value = "Lovely"
    assert "3 of 3 tokens kept" in view.value
    assert asked == [("Slow <but> lovely 🤩 ", 9), ("Slow <but> lovely 🤩 ", 5), ("Lovely", 5)]
    assert "max_length: <b>5</b>" in slider._repr_mimebundle_()["text/html"]


def test_what_the_slider_shows_as_kept_is_what_the_tokenizer_keeps(tokenizer):
    text = "An unputdownable thriller, très chic!"
    whole = tokenizer(text)["input_ids"]
    for limit in range(3, len(whole) + 2):
        cut = tokenizer(text, truncation=True, max_length=limit)["input_ids"]
        kept = widgets.truncation_html(tokenizer, text, limit, 0.5).partition("<s ")[0]
        kept = kept.partition(">")[2]
        pieces = "".join(tokenizer.convert_ids_to_tokens(cut[1:-1])).replace("##", "")
        assert kept.lower().replace(" ", "").replace("è", "e") == pieces


@pytest.fixture(scope="module")
def eager(checkpoint):
    return AutoModel.from_pretrained(checkpoint.path, attn_implementation="eager")


def test_the_sliders_change_layer_and_head(eager, tokenizer):
    explorer = widgets.attention_explorer(eager, tokenizer, "Cold food, lovely staff.")
    field, sliders, view = explorer.children
    seen = {view.value}
    for control, value in zip((*sliders.children, field), (3, 5, "Another text."), strict=True):
        control.value = value
        seen.add(view.value)
    assert len(seen) == 4
    assert [slider.max for slider in sliders.children] == [6, 12]


def test_attention_weights_of_a_row_add_up_to_one(eager, tokenizer):
    tokens, weights = widgets.attentions(eager, tokenizer, "word " * 100)
    assert weights.shape == (6, 12, 32, 32)
    assert len(tokens) == 32
    assert torch.allclose(weights.sum(-1), torch.ones(6, 12, 32), atol=1e-5)


class KnowsOneWord(torch.nn.Module):
    """A stand-in for masked language modelling: the word is likeliest wherever there is text."""

    device = "cpu"

    def __init__(self, word, vocabulary):
        super().__init__()
        self.word, self.vocabulary = word, vocabulary

    def forward(self, input_ids, **others):
        logits = torch.zeros(*input_ids.shape, self.vocabulary)
        logits[..., self.word] = 20
        return SimpleNamespace(logits=logits)


def test_typing_a_text_with_masks_shows_guesses_for_each(tokenizer):
    word = tokenizer.convert_tokens_to_ids("warm")
    model = KnowsOneWord(word, len(tokenizer))
    explorer = widgets.mask_explorer(model, tokenizer, "A [MASK] room.")
    field, view = explorer.children
    assert view.value.count("warm") == 1
    field.value = "A [MASK] and [MASK] <b>room</b>."
    assert view.value.count("warm") == 2
    first, second = widgets.guesses(model, tokenizer, field.value)
    assert first[0][0] == second[0][0] == "warm"
    field.value = "A warm room."
    assert "There is no [MASK] in this text. Write [MASK] for the word" in view.value


def test_typing_a_review_asks_the_model():
    asked = []
    answer = torch.tensor([[0.25, 0.75]])
    field, view = widgets.classifier(lambda texts: asked.extend(texts) or answer, "first",
                                     ["bad", "good"]).children
    field.value = "second"
    assert asked == ["first", "second"]
    assert "good: <b>0.750</b>" in view.value and "<span>bad</span>" in view.value


def test_of_more_than_two_classes_the_most_probable_one_is_told():
    _, view = widgets.classifier(lambda texts: [[0.2, 0.7, 0.1]], "Fine.", "abc").children
    assert "b: <b>0.700</b>" in view.value
    assert [f"width:{share}%" in view.value for share in (20.0, 70.0, 10.0)] == [True] * 3


def test_a_review_is_put_to_several_models_by_name():
    models = {"bag <b>": lambda texts: [[0.9, 0.1]], "BERT": lambda texts: [[0.2, 0.8]]}
    _, view = widgets.classifiers(models, "Fine.", ["bad", "good"]).children
    assert view.value.index("bag &lt;b&gt;") < view.value.index("0.100") < view.value.index("BERT")
    assert "0.800" in view.value


def test_choosing_what_is_trained_and_for_how_many_tasks_shows_what_that_costs():
    prices = {"head": (1_000, 0), "all": (1_000_000, 2_000_000)}
    sliders, view = widgets.chooser(
        lambda name, tasks: nb06.price_html(prices, name, tasks, 0.75),
        trained=[*prices], tasks=range(1, 51)).children
    trained, tasks = sliders.children
    tasks.value = 10
    assert "4 MB" in view.value and "width:10.1%" in view.value  # one base and ten heads
    assert "1,000 parameters" in view.value and "<b>0.750</b>" in view.value
    trained.value = "all"
    assert "40 MB" in view.value and "14 MB" in view.value and "width:100.0%" in view.value
    tasks.value = 1
    assert "4 MB" in view.value and "40 MB" not in view.value


@pytest.fixture
def panel():
    asked = []

    def run(**settings):
        asked.append(settings)
        if settings["batch_size"] == 4:
            raise ValueError("too <small>")
        return RUN, 0.8

    sliders, below, said, _ = widgets.training_panel(run, learning_rate=1e-3).children
    return asked, *sliders.children, *below.children, said


def test_the_panel_trains_with_the_settings_chosen(panel, shown):
    asked, rate, epochs, size, button, said = panel
    assert asked == [], "nothing is trained before the button is pressed"
    button.click()
    rate.value, epochs.value, size.value = 1e-4, 3, 32
    button.click()
    assert asked == [
        {"learning_rate": 1e-3, "epochs": 1, "batch_size": 16},
        {"learning_rate": 1e-4, "epochs": 3, "batch_size": 32},
    ]
    assert "0.800" in said.value
    assert "1.0e-03, 1 ep., 16 a batch" in shown[-1].alt
    assert "1.0e-04, 3 ep., 32 a batch" in shown[-1].alt


def test_a_run_that_stops_leaves_the_panel_usable(panel, shown):
    *_, size, button, said = panel
    size.value = 4
    button.click()
    assert said.value == "ValueError: too &lt;small&gt;"
    assert not button.disabled
    size.value = 8
    button.click()
    assert "0.800" in said.value


def test_answers_are_looked_through_by_word_length_and_probability():
    table = {"text": ["Late <b>again</b>.", "A late lamp came.", "Thanks.", "Lamp broken."],
             "label": ["late", "late", "thanks", "late"],
             "probability": [0.9, 0.6, 0.8, 0.95]}
    explorer = widgets.predictions_explorer(table, ["broken", "late", "thanks", "broken"])
    word, sliders, mistakes, view = explorer.children
    words, sure = sliders.children
    assert "4 of 4 texts, 2 of them wrong" in view.value
    assert view.value.index("Lamp broken.") < view.value.index("Late &lt;b&gt;again")
    assert "A late lamp came." not in view.value
    mistakes.value = False
    assert "A late lamp came." in view.value
    word.value = "LAMP"
    assert "2 of 4 texts, 1 of them wrong" in view.value
    words.value = (3, 4)
    assert "1 of 4 texts, 0 of them wrong" in view.value
    word.value, words.value, sure.value = "", (1, 4), (0.85, 1)
    assert "2 of 4 texts, 2 of them wrong" in view.value


def test_the_pair_that_is_most_often_confused_is_framed(shown):
    nb12.confusion([[8, 1, 0], [0, 3, 3], [0, 0, 5]], ["late", "broken", "thanks"])
    frame, = shown.figures[-1].axes[0].patches
    assert frame.get_xy() == (1.5, 0.5)


def test_names_are_shaded_where_they_stand_also_over_the_end_of_a_line(shown):
    long = Sentence("word " * 16 + "Osk Bay " + "word " * 4, (Entity(80, 87, "place"),))
    nb09.marked([NAMED, long], TYPES, "Names")
    assert [(p.get_x(), p.get_width()) for p in shown.figures[-1].axes[0].patches] == [
        (0, 3), (9, 3), (80, 3), (0, 3)]


def test_typing_a_sentence_shades_the_names_that_are_found_in_it():
    def find(texts):
        return [[(Entity(t.index("Osk"), t.index("Osk") + 3, "place"), 0.97)] if "Osk" in t else []
                for t in texts]

    field, view = nb09.explorer(find, "Near Osk.", TYPES).children
    assert "Near <mark" in view.value and "Osk <small" in view.value
    assert "place 0.97" in view.value and nb09.shades(TYPES)["place"] in view.value
    field.value = "<b>hope</b>"
    assert "<mark" not in view.value and "&lt;b&gt;hope" in view.value
