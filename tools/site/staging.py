"""Write what Sphinx reads: notebooks and documents with links as they lead on the site."""

import json
import re
import shutil
from html import escape

from helpers import paths
from helpers.errors import LearnerError
from tools import stamp
from tools.site import api, documents, front, lessons
from tools.site.lessons import WIDGET, WIDGETS, joined

BEFORE = re.compile(r"^\*\*Before you start:\*\*.*$", re.M)
NUMBER = re.compile(r"\b(notebook )?(\d\d)\b(?!\.?\d)")
SCROLLS = "pst-scrollable-table-container"  # what has it can be scrolled by keyboard, by the theme
OBSOLETE = re.compile(r'(<t(?:able|r|h|d)\b[^>]*?) (?:border="\d+"|style="text-align: right;")')


def check(address):
    """Stop at the first thing that the site could not be made of: LearnerError says where."""
    if not address.repository:
        raise LearnerError("pyproject.toml states no address. Run: python -m helpers stamp "
                           "--repository https://github.com/OWNER/NAME")
    stamp.checked(*address)
    terms = lessons.glossary()
    for path in lessons.found():
        lessons.check_outputs(path)
        lessons.check_address(path, address)
        lessons.check_terms(path, terms)
    documents.check_links()


def stage(source, extra, address, *, book=True):
    """Write the sources of all pages into the folder `source`, files beside them into `extra`."""
    known = lessons.lessons()
    pages = {"glossary": front.glossary(lessons.glossary(), known),
             "references": front.references(address), "404": front.not_found(), **api.pages()}
    for file, page in documents.documents().items():
        if file.endswith(".md") and page not in pages and file != documents.FRONT:
            text = (paths.ROOT / file).read_text(encoding="utf-8")
            pages[page] = documents.moved(text, file, address)
    for lesson in known:
        notebook, widgets = page_of(lesson.path, known, address)
        write(source / f"{lesson.page}.ipynb", json.dumps(notebook, ensure_ascii=False))
        # The notebook itself, to be downloaded, and the state of its widgets, to be loaded.
        (extra / "files").mkdir(parents=True, exist_ok=True)
        shutil.copy(lesson.path, extra / "files")
        if widgets:
            write(extra / "widgets" / f"{lesson.path.stem}.js",
                  f"window.widgetState = {json.dumps(widgets)};\n")
    write(source / "index.md", front.front(known, address, source, book=book))
    for page, text in pages.items():
        write(source / f"{page}.md", text)


def write(path, text):
    """Write a text into a file; makes the folders around it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def page_of(path, known, address):
    """Return a notebook as Sphinx is to read it, and the state of its widgets, or None."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    file = f"notebooks/{path.name}"
    for number, cell in enumerate(notebook["cells"]):
        tags = cell["metadata"].setdefault("tags", [])
        if cell["cell_type"] == "markdown":
            text = joined(cell["source"])
            text = head(text, known, path) if number == 0 else text
            cell["source"] = documents.moved(text, file, address)
        if stamp.TAG in tags:
            tags.append("remove-cell")  # it is for Colab alone, and does nothing elsewhere
        for output in cell.get("outputs", []):
            show(output, path.stem)
    widgets = notebook["metadata"].pop("widgets", {}).get(WIDGETS)
    return notebook, widgets


def head(text, known, path):
    """Return a first cell without its link to Colab, with links to the notebooks it names."""
    text = re.sub(r"^\[Open in Colab\]\(.*\)$\n*", "", text, flags=re.M)
    files = {lesson.number: lesson.path.name for lesson in known}

    def linked(match):
        name = files.get(match[2])
        return f"[{match[0]}]({name})" if name and name != path.name else match[0]

    return BEFORE.sub(lambda match: NUMBER.sub(linked, match[0]), text)


def show(output, stem):
    """Change an output so that it can be read without JavaScript: a widget shows a still view."""
    data = output.get("data", {})
    markup = joined(data.get("text/html", ""))
    if WIDGET in data:
        view = json.dumps(data.pop(WIDGET))
        still = markup or f"<pre>{escape(joined(data.get('text/plain', '')))}</pre>"
        markup = (
            f'<div class="widget" data-notebook="{stem}">'
            f'<div class="widget-still {SCROLLS}">{still}</div>'
            '<p class="widget-note">This is its last state, as stored. In the notebook it answers '
            'to what you do. <button type="button" class="widget-play" hidden>Show its controls'
            f'</button></p><script type="{WIDGET}">{view}</script></div>')
    markup = re.sub(r"<p>\s*$", "", markup)  # the Trainer's table ends so
    if markup:
        data["text/html"] = OBSOLETE.sub(r"\1", OBSOLETE.sub(r"\1", markup))
