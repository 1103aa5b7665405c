"""Pictures and widgets: every figure has alt text, every control changes what is shown."""

import pytest
import torch
from IPython.display import Image
from transformers import AutoModel

from helpers import curves, plots, widgets


@pytest.fixture
def shown(monkeypatch):
    images = []

    class Handle:
        def update(self, image):
            images.append(image)

    def display(image, display_id=None):
        images.append(image)
        return Handle()

    monkeypatch.setattr(plots, "display", display)
    return images


RUN = curves.LossCurve(loss=[0.7, 0.5, 0.3], learning_rate=[0, 1e-5, 0], accuracy=[0.5] * 3,
                       validation=[{"step": 3, "loss": 0.4, "accuracy": 0.8}])
MASK = torch.tensor([[1, 1, 0], [1, 1, 1]])
FIGURES = {
    "loss": (lambda: plots.loss_curves({"mine": RUN}, RUN), "mine ends at 0.50"),
    "bars": (lambda: plots.accuracy_bars({"bag": (0.8, 0.7, 0.9)}, "Bars"), "bag 0.800"),
    "shares": (lambda: plots.shares_right({"irony": (3, 9)}, "Shares"), "irony 3 of 9"),
    "parameters": (
        lambda: plots.parameter_bars({"small": {"embeddings": 9e6, "encoder": 1e7}}),
        "embeddings 9.0 million",
    ),
    "lengths": (lambda: plots.length_histogram([5, 9, 9], {"mean": 7.7}), "mean 8"),
    "masks": (lambda: plots.mask_grids({"to 3": MASK, "to 128": MASK}), "to 3 17%"),
    "times": (lambda: plots.times({"slow": 2.0, "fast": 1.0}, "Times", "s"), "fast 1 s"),
    "rates": (lambda: plots.learning_rates(RUN), "learning rate"),
    "confusion": (
        lambda: plots.confusion_matrix([0, 0, 0, 1, 1], [0, 0, 1, 1, 1], ["no", "yes"]),
        "of 3 no, 2 right; of 2 yes, 2 right",
    ),
    "sweep": (lambda: plots.sweep({1e-4: (0.3, 0.9), 1e-2: (0.7, 0.5)}), "1e-04: accuracy 0.90"),
    "band": (lambda: plots.band({"seed 0": RUN, "seed 1": RUN}, "Band"), "seed 1 0.50"),
    "seeds": (
        lambda: plots.accuracy_bars({"bag": (0.8, 0.7, 0.9)}, "Bars", seeds={"bag": [0.7, 0.9]}),
        "bag 0.800",
    ),
    "last tokens": (
        lambda: plots.last_tokens([["Fine", "!", "PAD"], ["Not", " so", " bad"]], "Ends", "PAD"),
        "label: !, bad",
    ),
    "attention": (
        lambda: plots.attention_pair({
            "both ways": (["a", "b"], torch.tensor([[0.5, 0.5], [0.5, 0.5]]).numpy()),
            "back only": (["a", "b"], torch.tensor([[1.0, 0.0], [0.5, 0.5]]).numpy()),
        }, "Attention"),
        "in both ways 25% of the attention goes to later tokens; in back only 0%",
    ),
    "next tokens": (
        lambda: plots.next_tokens({"hot": [(" a", 0.6), (" b", 0.4)], "cold": [(" a", 1.0)]},
                                  "Next"),
        "hot: a 0.60, b 0.40; cold: a 1.00",
    ),
    "same curve": (lambda: plots.same_curve({"one": RUN, "two": RUN}, "Same"), "two at 0.30"),
    "ladder": (lambda: plots.ladder({"slow": 2.0, "fast": 8.0}, "Ladder"), "slow 2, fast 8"),
    "roofline": (
        lambda: plots.roofline({16: 5e9, 64: 8e9}, {"small": (20, 2e9)}, 1e10, "Roof"),
        "small 20%",
    ),
    "accuracy over time": (
        lambda: plots.accuracy_over_time({"fast": [(1.0, 0.7), (2.0, 0.9)]}, 0.9, "Time"),
        "fast 0.90 after 2 s",
    ),
    "power law": (
        lambda: plots.power_law({"more": {512: 1.0, 1024: 2.0}}, {"more": 1.0}, "Cost", "tokens"),
        "more 1.00",
    ),
    "efficiency": (lambda: plots.efficiency([1, 2], {"wire": [1.0, 0.5]}), "wire 50% with 2"),
    "diagram": (plots.transfer_diagram, "keeps that encoder frozen"),
}


@pytest.mark.parametrize(("draw", "alt"), FIGURES.values(), ids=FIGURES)
def test_a_figure_is_shown_with_alt_text(shown, draw, alt):
    draw()
    assert isinstance(shown[0], Image)
    assert alt in shown[0].alt
    assert shown[0].data.startswith(b"\x89PNG")


def test_drawing_leaves_the_learners_own_plots_alone(shown):
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.learning_rates(RUN)
    assert dict(matplotlib.rcParams) == before


def test_the_live_loss_redraws_in_place_and_at_the_last_step(shown):
    live = plots.LiveLoss(steps=7, every=3)
    curve = curves.LossCurve()
    for _ in range(7):
        curve.record(0.5, 1e-5, 1.0)
        live(curve)
    assert [image.alt.split("step ")[1] for image in shown] == ["3 of 7.", "6 of 7.", "7 of 7."]


def test_typing_changes_the_pieces(tokenizer):
    explorer = widgets.token_explorer(tokenizer, "plain")
    field, view = explorer.children
    assert "2 " not in view.value.split("<div>")[-1]
    field.value = "unputdownable <b>"
    assert "##down" in view.value
    assert "&lt;" in view.value
    assert "<b>" not in view.value
    field.value = ""
    assert "2 tokens, 0 words" in view.value


def test_a_page_that_draws_no_widgets_shows_the_last_state_instead(tokenizer):
    explorer = widgets.token_explorer(tokenizer, "plain")
    explorer.children[0].value = "<b> unputdownable"
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "##down" in bundle["text/html"]
    assert "Text: <b>&lt;b&gt; unputdownable</b>" in bundle["text/html"]


def test_the_sliders_change_layer_and_head(checkpoint, tokenizer):
    model = AutoModel.from_pretrained(checkpoint.path, attn_implementation="eager")
    explorer = widgets.attention_explorer(model, tokenizer, "Cold food, lovely staff.")
    field, sliders, view = explorer.children
    seen = {view.value}
    sliders.children[0].value = 3
    seen.add(view.value)
    sliders.children[1].value = 5
    seen.add(view.value)
    field.value = "Another text."
    seen.add(view.value)
    assert len(seen) == 4
    assert sliders.children[0].max == 6
    assert sliders.children[1].max == 12


def test_attention_weights_of_a_row_add_up_to_one(checkpoint, tokenizer):
    model = AutoModel.from_pretrained(checkpoint.path, attn_implementation="eager")
    tokens, weights = widgets.attentions(model, tokenizer, "word " * 100)
    assert weights.shape == (6, 12, 32, 32)
    assert len(tokens) == 32
    assert torch.allclose(weights.sum(-1), torch.ones(6, 12, 32), atol=1e-5)


def test_typing_a_review_asks_the_model():
    asked = []

    def predict(texts):
        asked.extend(texts)
        return torch.tensor([[0.25, 0.75]])

    field, view = widgets.classifier(predict, "first").children
    field.value = "second"
    assert asked == ["first", "second"]
    assert "0.750" in view.value


@pytest.fixture
def panel():
    asked = []

    def run(**settings):
        asked.append(settings)
        if settings["batch_size"] == 4:
            raise ValueError("too <small>")
        return RUN, 0.8

    view = widgets.training_panel(run, learning_rate=1e-3)
    (rate, epochs), (size, button) = view.children[0].children, view.children[1].children
    return asked, rate, epochs, size, button, view.children[2]


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
