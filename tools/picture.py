"""Make the picture at the top of the README from what the notebooks store.

`python -m tools.picture` writes docs/picture-light.webp and docs/picture-dark.webp. It needs
Chromium or Chrome, on the path or in the environment variable CHROMIUM. Run it after notebooks
were stored anew, and look at what came out.
"""

import argparse
import contextlib
import hashlib
import html
import io
import json
import sys
from pathlib import Path
from string import Template

import nbformat
from PIL import Image
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from helpers import paths
from helpers.checks import check
from helpers.errors import LearnerError
from tools import run
from tools.browsers import chromium

FOLDER = paths.ROOT / "docs"
PAGE = Path(__file__).with_suffix(".html")
THEMES = ("light", "dark")
SCALE = 2  # pixels of the file for one on a screen, whose README is 830 wide
# What is in the picture: the notebook, what the cell says, the kind of output.
OUTPUTS = {
    "loss": ("03", "live = plots.LiveLoss(steps, reference=reference)", "image/png"),
    "verdict": ("03", "print(curves.compare(curve, reference))", "stream"),
    "tokens": ("02", "widgets.token_explorer(", "text/html"),
    "answers": ("00", "plots.accuracy_bars(", "image/png"),
}
STUB = ("03", 'check("03.1"')
# An answer as people give it: without zero_grad.
ANSWER = """\
    losses = []
    for batch in loader:
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses"""


def cell(number, words):
    """Return the code cell of a notebook that has these words in it.

    Raises LearnerError if there is none, or more than one.
    """
    [path] = run.chosen([number])
    cells = nbformat.read(path, as_version=4).cells
    found = [cell for cell in cells if cell.cell_type == "code" and words in cell.source]
    if len(found) != 1:
        raise LearnerError(f"{path.name}: {len(found)} cells have `{words}` in them, where one is "
                           "wanted. Change what tools/picture.py looks for.")
    return found[0]


def output(number, words, kind):
    """Return the text of a stored output, or of a picture its base64.

    Raises LearnerError if the cell has no output of this kind.
    """
    for output in cell(number, words).outputs:
        if output.output_type == kind:
            return output.text
        if kind in output.get("data", {}):
            return output.data[kind]
    raise LearnerError(f"Notebook {number}: the cell with `{words}` stores no {kind}. Store the "
                       f"notebook anew (python -m helpers run --save {number}), or change what "
                       "tools/picture.py looks for.")


def answered():
    """Return a stub with the wrong answer in it, and what its check prints."""
    code = cell(*STUB).source.replace("    ...", ANSWER)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {"check": check})
    return code, printed.getvalue().strip()


def sources():
    """Return all that the picture shows, as text by name."""
    code, hint = answered()
    return {name: output(*place) for name, place in OUTPUTS.items()} | {"code": code, "hint": hint}


def mark(sources):
    """Return what a picture carries in its metadata, to tell whether it shows these sources."""
    page = PAGE.read_text(encoding="utf-8")
    return hashlib.sha256(json.dumps([page, sources], sort_keys=True).encode()).hexdigest()


def page(sources, theme):
    """Return the HTML of the page that is photographed."""
    formatter = HtmlFormatter(nobackground=True)
    code = highlight(sources["code"].replace("\n\n\n", "\n\n"), PythonLexer(), formatter)
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        sources, code=code, theme=theme, styles=formatter.get_style_defs(".highlight"),
        verdict=html.escape(sources["verdict"].strip()), hint=html.escape(sources["hint"]))


def photograph(sources, folder):
    """Write the pictures into a folder; returns their paths."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        tab = browser.new_page(device_scale_factor=SCALE)
        for theme in THEMES:
            tab.set_content(page(sources, theme))
            shot = tab.locator("main").screenshot(omit_background=True)
            files.append(folder / f"picture-{theme}.webp")
            Image.open(io.BytesIO(shot)).save(files[-1], lossless=True, method=6,
                                              xmp=mark(sources).encode())
        browser.close()
    return files


def main(arguments=None):
    """Make the pictures; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.picture", description=__doc__)
    parser.parse_args(arguments)
    if chromium() is None:
        print("No Chromium: install it or Chrome, or name one in CHROMIUM.", file=sys.stderr)
        return 2
    try:
        files = photograph(sources(), FOLDER)
    except LearnerError as error:
        print(error, file=sys.stderr)
        return 1
    for file in files:
        print(f"{file.relative_to(paths.ROOT).as_posix()}, {file.stat().st_size / 1000:.0f} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
