"""JupyterLab in a real browser: every notebook opens, shows what is stored, can be played with.

All cells are executed and compared elsewhere, by nbval. Here run the first ones of each notebook,
and those that a widget needs. Skipped where there is no Chromium; `tools/browsers.py` says how it
is found.
"""

import shutil
import subprocess
import tarfile
import time

import browser
import marking
import nbformat
import pytest
from nbconvert import HTMLExporter
from notebook_lint import COLAB, WIDGET_VIEW, tags

from tools import browsers, run

pytest.importorskip("playwright", reason="playwright is not installed")
CHROMIUM = browsers.chromium()
pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no Chromium here, so no browser tests: install it, or set CHROMIUM to its path",
)
NOTEBOOKS = {path.name[:2]: path for path in run.chosen()}
ALWAYS = ("01", "02")  # the others are opened with -m slow
OPENING = 4  # so many code cells of each notebook are run
WIDGETS = {}  # notebook: the cells that show one
for _number, _path in NOTEBOOKS.items():
    for _index, _cell in enumerate(nbformat.read(_path, as_version=4).cells):
        if any(WIDGET_VIEW in output.get("data", {}) for output in _cell.get("outputs", [])):
            WIDGETS.setdefault(_number, []).append(_index)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with browser.jupyterlab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="module")
def chromium():
    with browsers.running() as running:
        yield running


@pytest.fixture
def page(chromium):
    page = chromium.new_page(viewport=browser.VIEWPORT)
    page.set_default_timeout(30_000)
    yield page
    page.close()


def pictures(cell):
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def test_the_code_that_fetches_the_project_on_colab_is_folded_away(lab, page):
    notebook = browser.Notebook(page, lab, NOTEBOOKS["02"].name)
    hidden = [i for i, cell in enumerate(notebook.cells()) if cell["hidden"]]
    stored = nbformat.read(NOTEBOOKS["02"], as_version=4).cells
    assert hidden == [i for i, cell in enumerate(stored) if COLAB in tags(cell)]


def red(cell):
    """How many outputs JupyterLab shows on red ground: errors, and the error stream."""
    return sum(o.output_type == "error" or o.get("name") == "stderr" for o in cell.outputs)


@marking.each(NOTEBOOKS.values(), ALWAYS)
def test_a_notebook_opened_in_the_browser_shows_what_is_stored_and_starts(path, lab, page):
    notebook = browser.Notebook(page, lab, path.name)
    stored = nbformat.read(path, as_version=4).cells
    code = [n for n, cell in enumerate(stored) if cell.cell_type == "code"]

    def shows(cell, number):
        where = f"{path.stem}, cell {number}"
        assert len(cell["images"]) == pictures(stored[number]), where
        assert all(cell["images"]), f"{where}: a picture is not drawn"
        assert cell["red"] == red(stored[number]), f"{where}: {cell['text'][-300:]}"
        assert bool(cell["outputs"]) == bool(stored[number].outputs), where

    notebook.photograph()
    cells = notebook.cells()
    for number in code:
        shows(cells[number], number)
    notebook.clear()
    for number in [n for n in code if COLAB not in tags(stored[n])][:OPENING]:
        shows(notebook.run_cell(number), number)
    assert notebook.problems == []


@pytest.mark.parametrize(("number", "index"), [
    pytest.param(number, index, marks=[] if number in ALWAYS else pytest.mark.slow)
    for number, cells in WIDGETS.items() for index in cells])
def test_a_widget_run_in_the_browser_is_drawn(number, index, lab, page):
    notebook = browser.Notebook(page, lab, NOTEBOOKS[number].name)
    play(notebook, index)
    assert notebook.problems == []


def widget(number, name):
    """Return the index of the cell of a notebook that makes a widget by this name."""
    cells = nbformat.read(NOTEBOOKS[number], as_version=4).cells
    return next(i for i in WIDGETS[number] if name in cells[i].source)


def play(notebook, index):
    """Run a cell with a widget and what it needs; return it and a function that returns its view.
    """
    stored = nbformat.read(notebook.path, as_version=4).cells
    notebook.clear()
    for needed in browser.needed(stored, index):
        ran = notebook.run_cell(needed)
        assert ran["red"] == red(stored[needed]), ran["text"][-300:]
    assert notebook.cells()[index]["widgets"]
    cell = notebook.panel.locator(".jp-Cell").nth(index)
    cell.scroll_into_view_if_needed()
    content = cell.locator(".widget-html-content")  # a progress bar has none
    view = (content if content.count() else cell.locator(".jupyter-widgets")).first.inner_html
    drawn = cell.locator(".jupyter-widgets").first.inner_html
    assert browser.wait_for(drawn, 30, "the widget to be drawn")
    return cell, view


def changed(view, before):
    browser.wait_for(lambda: view() != before, 30, "the widget's view to change")


def test_a_text_typed_into_the_token_explorer_is_tokenized(lab, page):
    notebook = browser.Notebook(page, lab, NOTEBOOKS["02"].name)
    cell, view = play(notebook, widget("02", "token_explorer"))
    before = view()
    cell.locator(".widget-text input").fill("unbelievably tokenizable")
    changed(view, before)
    for piece in ("token", "##iza", "##ble"):
        assert piece in view()


def test_a_lower_max_length_loses_more_of_the_review_and_its_verdict(lab, page):
    notebook = browser.Notebook(page, lab, NOTEBOOKS["02"].name)
    cell, view = play(notebook, WIDGETS["02"][1])
    assert "40 of 82 tokens kept, 42 lost." in view()
    assert ">negative</b>" in view()
    for key, kept in (("Home", "3 of 82 tokens kept, 79 lost."), ("End", "82 of 82 tokens kept")):
        before = view()
        cell.locator(".noUi-handle").first.focus()
        page.keyboard.press(key)
        changed(view, before)
        assert kept in view()
    assert ">positive</b>" in view()


def test_a_moved_slider_shows_another_layer_and_a_restarted_kernel_goes_on(lab, page):
    notebook = browser.Notebook(page, lab, NOTEBOOKS["01"].name)
    cell, view = play(notebook, widget("01", "attention_explorer"))
    before = view()
    cell.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    changed(view, before)

    notebook.restart()
    cells = enumerate(notebook.cells())
    first = next(i for i, cell in cells if cell["code"] and not cell["hidden"])
    started = time.monotonic()
    assert notebook.run_cell(first)["red"] == 0
    assert time.monotonic() - started < 120
    assert play(notebook, widget("01", "attention_explorer"))[1]() == before


def test_what_a_cell_needs_are_the_cells_that_give_it_its_names_and_files():
    cells = [nbformat.v4.new_code_cell(source) for source in (
        "import pathlib", "a = 1", "b = 2", "a.train()", "save(a, 'runs/mine')",
        "del b", "c = load('runs/mine')", "print(c, pathlib)",
    )]
    assert browser.needed(cells, 7) == [0, 1, 4, 6, 7]
    assert browser.needed(cells, 5) == [2, 5]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """What an exported page asks a content network for, from npm: a path for each file name."""
    npm, folder = shutil.which("npm"), tmp_path_factory.mktemp("scripts")
    found = {}
    for package, inside, asked in (
        ("@jupyter-widgets/html-manager@1", "package/dist/embed-amd.js", "embed-amd.js"),
        ("requirejs@2", "package/require.js", "require.min.js"),
    ):
        packed = npm and subprocess.run(
            [npm, "pack", "--silent", package], cwd=folder, text=True, capture_output=True,
            check=False,
        )
        if not packed or packed.returncode:
            pytest.skip("the scripts that draw widgets in a page come from npm: not reached")
        with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
            (folder / asked).write_bytes(archive.extractfile(inside).read())
        found[asked] = folder / asked
    return found


@pytest.mark.parametrize("path", NOTEBOOKS.values(), ids=lambda path: path.stem)
def test_an_exported_page_shows_pictures_and_the_widgets_last_state(
    path, page, scripts, tmp_path
):
    def answer(route):
        name = route.request.url.partition("?")[0].rsplit("/", 1)[-1]
        if route.request.url.startswith("file:"):
            route.continue_()
        elif name in scripts:
            route.fulfill(path=scripts[name], content_type="text/javascript")
        else:  # fonts of formulas, and what else a page can do without
            route.abort()

    page.route("**/*", answer)
    html, _ = HTMLExporter().from_filename(path)
    exported = tmp_path / f"{path.stem}.html"
    exported.write_text(html, encoding="utf-8")
    page.goto(exported.as_uri())

    code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    images = page.locator(".jp-OutputArea img")
    assert images.count() == sum(map(pictures, code))
    for image in images.all():
        image.scroll_into_view_if_needed()
        assert image.evaluate("image => image.naturalWidth") > 0
    shown = sum(WIDGET_VIEW in o.get("data", {}) for cell in code for o in cell.outputs)
    widgets = page.locator(".widget-subarea:has(.widget-box)")
    browser.wait_for(lambda: widgets.count() >= shown, 30, "the widgets of the page")
    for widget in widgets.all():
        assert widget.inner_text().strip()
    browser.photograph_page(page, path.stem)
