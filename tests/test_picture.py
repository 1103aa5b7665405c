"""The README's picture shows what the notebooks store today."""

import re

import pytest
from PIL import Image

from helpers import paths
from tools import browsers, picture

README = (paths.ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sources():
    return picture.sources()


def test_the_picture_was_made_from_the_stored_outputs(sources):
    for theme in picture.THEMES:
        with Image.open(picture.FOLDER / f"picture-{theme}.webp") as image:
            assert image.info["xmp"].decode() == picture.mark(sources), (
                "outputs have changed since: run python -m tools.picture, look at it, commit it")


def test_the_readme_shows_it_in_both_themes_and_its_alt_text_says_the_same_numbers(sources):
    first_screen = README.partition("## Start")[0]
    for theme in picture.THEMES:
        assert f'="docs/picture-{theme}.webp"' in first_screen
        assert (picture.FOLDER / f"picture-{theme}.webp").stat().st_size < 250_000
    alt = re.search(r'alt="([^"]+)"', first_screen)[1]
    [bars] = [o for o in picture.cell(*picture.OUTPUTS["answers"][:2]).outputs
              if "image/png" in o.get("data", {})]
    # The chart's own alt text: "Bar chart of test accuracy: majority class 0.500, …".
    for answer in bars.metadata["image/png"]["alt"].partition(": ")[2].rstrip(".").split(", "):
        assert answer in alt


def test_the_wrong_answer_gets_the_hint_for_its_mistake(sources):
    assert "zero_grad" not in sources["code"]
    assert re.fullmatch(r"Exercise 03.1: not yet. The first step is right, .*zero_grad.*",
                        sources["hint"])


@pytest.mark.parametrize(("words", "kind", "said"), [
    ("no cell says this", "stream", "0 cells have `no cell says this` in them"),
    ("plots.accuracy_bars(", "text/html", "with `plots.accuracy_bars(` stores no text/html"),
])
def test_an_output_that_has_moved_stops_the_command_in_a_line(
    words, kind, said, monkeypatch, capsys
):
    monkeypatch.setitem(picture.OUTPUTS, "answers", ("00", words, kind))
    monkeypatch.setattr(picture, "chromium", lambda: "chromium")
    assert picture.main([]) == 1
    assert said in capsys.readouterr().err


def test_without_a_browser_the_command_says_so(monkeypatch, capsys):
    monkeypatch.setattr(picture, "chromium", lambda: None)
    assert picture.main([]) == 2
    assert "No Chromium" in capsys.readouterr().err


@pytest.mark.skipif(browsers.chromium() is None, reason="no Chromium here, so no picture")
def test_the_command_makes_it_as_wide_as_a_readme_in_each_theme(tmp_path, sources):
    grounds = []
    for file in picture.photograph(sources, tmp_path):
        with Image.open(file) as image:
            assert image.width == 830 * picture.SCALE
            assert image.getpixel((0, 0))[3] == 0, "the page does not shine through at the corner"
            shades = image.convert("L").getextrema()
            assert shades[1] - shades[0] > 150, "hardly anything is drawn"
            grounds.append(image.convert("L").getpixel((60, 100)))
    assert grounds[0] == 255 and grounds[1] < 50
