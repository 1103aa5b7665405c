"""JupyterLab in a real browser: every notebook runs, shows what is stored, and can be played with.

Skipped where there is no Chromium; `tools/browsers.py` says how it is found.
"""

import shutil
import subprocess
import tarfile
import time

import browser
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
SECONDS = 900  # for one notebook, on a slow day
LONG = {"10", "11"}  # minutes each, and nothing in them to play with


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with browser.jupyterlab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield running
        running.close()


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


@pytest.mark.parametrize("path", [
    pytest.param(path, id=path.stem, marks=pytest.mark.slow if number in LONG else ())
    for number, path in NOTEBOOKS.items()
])
def test_a_notebook_run_in_the_browser_shows_what_is_stored(path, lab, page):
    notebook = browser.Notebook(page, lab, path.name)
    notebook.run_all(SECONDS)
    notebook.photograph()
    seen = notebook.cells()
    stored = nbformat.read(path, as_version=4).cells
    for number, (cell, stored_cell) in enumerate(zip(seen, stored, strict=True)):
        if stored_cell.cell_type != "code":
            continue
        where = f"{path.stem}, cell {number}"
        assert len(cell["images"]) == pictures(stored_cell), where
        assert all(cell["images"]), f"{where}: a picture is not drawn"
        assert cell["red"] == red(stored_cell), f"{where}: {cell['text'][-300:]}"
        assert bool(cell["outputs"]) == bool(stored_cell.outputs), where
    assert notebook.problems == []


def played(notebook):
    """Return the cell that holds a widget, and a function that returns its view as it is now."""
    index = next(i for i, cell in enumerate(notebook.cells()) if cell["widgets"])
    cell = notebook.panel.locator(".jp-Cell").nth(index)
    cell.scroll_into_view_if_needed()
    return cell, cell.locator(".widget-html-content").first.inner_html


def changed(view, before):
    browser.wait_for(lambda: view() != before, 30, "the widget's view to change")


def test_a_text_typed_into_the_token_explorer_is_tokenized(lab, page):
    notebook = browser.Notebook(page, lab, NOTEBOOKS["02"].name)
    notebook.run_all(SECONDS)
    cell, view = played(notebook)
    before = view()
    cell.locator(".widget-text input").fill("unbelievably tokenizable")
    changed(view, before)
    for piece in ("token", "##iza", "##ble"):
        assert piece in view()


def test_a_moved_slider_shows_another_layer_and_a_restarted_kernel_goes_on(lab, page):
    notebook = browser.Notebook(page, lab, NOTEBOOKS["01"].name)
    notebook.run_all(SECONDS)
    cell, view = played(notebook)
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
    notebook.run_all(SECONDS)
    assert played(notebook)[1]() == before


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
