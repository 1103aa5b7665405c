"""The pages that are in no file: the front page, the glossary, the references, and "not found"."""

import base64
import html
import io
import re
from string import Template

from helpers import paths
from helpers.errors import LearnerError
from tools.site import documents, lessons
from tools.site.lessons import joined

TITLE = "Fine-tuning BERT"
# What the front page shows: the notebook, what the cell says, the kind of output.
CURVE = ("03", "live = plots.LiveLoss(steps, reference=reference)", "image/png")
VIEW = ("02", "widgets.token_explorer(", "text/html")
TEMPLATE = paths.ROOT / "tools" / "site" / "front.md"
BOOK = "fine-tuning-bert.epub"
URL = re.compile(r"https?://[^\s)>\]\"'`,]+[^\s)>\]\"'`,.;:]")
NAMED = re.compile(r"(?<!!)\[([^\]]+)\]\((https?://[^)\s]+)\)")
NO_REFERENCE = ("https://colab.research.google.com/", "https://mybinder.org/", "https://YOUR-HUB",
                "https://hub.example.org", "https://keepachangelog.com")


def output(number, words, kind):
    """Return a stored output and its metadata: of the one cell of a notebook with these words.

    Raises LearnerError if there is no such cell, more than one, or no such output.
    """
    found = [(cell, path) for path in lessons.found() if path.name.startswith(number)
             for cell in lessons.cells(path)
             if cell["cell_type"] == "code" and words in cell["source"]]
    if len(found) == 1:
        for output in found[0][0]["outputs"]:
            if kind in output.get("data", {}):
                return joined(output["data"][kind]), output["metadata"].get(kind, {})
    raise LearnerError(f"Notebook {number}: the front page shows the {kind} of the cell with "
                       f"`{words}`, and there is none. Store the notebook anew (python -m helpers "
                       f"run --save {number}), or change what tools/site/front.py looks for.")


def front(lessons_, address, folder, *, book):
    """Return the Markdown of the front page; writes its picture into `folder`."""
    picture, metadata = output(*CURVE)
    shrink(base64.b64decode(picture)).save(folder / "curve.png", optimize=True)
    core = [lesson for lesson in lessons_ if lesson.core]
    beyond = [lesson for lesson in lessons_ if not lesson.core]
    by_number = {lesson.number: lesson for lesson in lessons_}
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title="Fine-tuning BERT, from an empty folder to a model of your own",
        count=len(lessons_), core=lessons.CORE, first=lessons_[0].path.stem,
        reading=hours(sum(lesson.minutes for lesson in core)),
        running=hours(sum(lesson.seconds for lesson in core) / 60),
        exercises=hours(sum(lesson.exercises for lesson in core)),
        repository=address.repository, alt=metadata.get("alt", ""),
        curve_link=link(by_number[CURVE[0]]), widget_link=link(by_number[VIEW[0]]),
        still=in_a_line(output(*VIEW)[0]), core_table=table(core), beyond_table=table(beyond),
        book=f'<p class="book">To take along: <a href="{BOOK}">all of it as an ePub</a>.</p>'
             if book else "",
        toctrees=toctrees(core, beyond))


def shrink(picture):
    """Return a drawing, from the bytes of a PNG, with 64 colours, which is all that it needs."""
    from PIL import Image

    return Image.open(io.BytesIO(picture)).convert("RGB").quantize(64)


def hours(minutes):
    """Return a length of time in words: minutes, or from an hour and a half on in half hours."""
    if minutes < 1.5:
        return "a minute"
    if minutes < 90:
        return f"{round(minutes)} minutes"
    halves = round(minutes / 30)
    return f"{halves // 2}{'½' if halves % 2 else ''} hours"


def in_a_line(markup):
    """Return HTML without line ends: in Markdown an empty line would end it."""
    return re.sub(r"\s*\n\s*", " ", markup.strip())


def link(lesson):
    """Return HTML of a link to a notebook's page from the front page."""
    return f'<a href="{lesson.page}.html">{html.escape(lesson.title)}</a>'


def table(lessons_):
    """Return a table of notebooks in Markdown, to be read on the front page."""
    rows = [f"| [{lesson.title}]({lesson.page}.ipynb) | {lesson.about} | {lesson.minutes} min | "
            f"{brief(lesson.seconds)} |" for lesson in lessons_]
    return "\n".join(["| notebook | in it | to read | to run |",
                      "| --- | --- | ---: | ---: |", *rows])


def brief(seconds):
    """Return a length of time as a table has room for it."""
    return f"{round(seconds / 10) * 10} s" if seconds < 115 else f"{round(seconds / 60)} min"


def toctrees(core, beyond):
    """Return the parts of the site, as Sphinx takes them."""
    parts = {"The core": [lesson.page for lesson in core],
             "Beyond the core": [lesson.page for lesson in beyond]}
    for part, pages in documents.PARTS.items():
        parts[part] = list(pages.values())
    parts["Behind it"] += ["references", "api/index"]
    return "\n\n".join("```{toctree}\n:hidden:\n:caption: " + part + "\n\n" + "\n".join(pages)
                       + "\n```" for part, pages in parts.items() if pages)


def glossary(terms, lessons_):
    """Return the Markdown of the glossary, each term with a link to where it is introduced."""
    titles = {lesson.number: lesson for lesson in lessons_}
    entries = []
    for term, (number, said) in terms.items():
        if number not in titles:
            raise LearnerError(f"GLOSSARY.md: {term!r} is said to be introduced in {number}, and "
                               "there is no such notebook.")
        page = titles[number]
        entries.append(f"{term}\n  {said} *Introduced in [{page.title}]({page.page}.ipynb).*")
    return ("# Glossary\n\nEvery term that the lessons define. In them, the first use of a term "
            "leads here.\n\n:::{glossary}\n" + "\n\n".join(entries) + "\n:::\n")


def references(address):
    """Return the Markdown of what the notebooks and the pages on the data refer to elsewhere."""
    cited = {}
    pages = documents.documents()
    files = [file for file in pages if file.endswith(".ipynb") or file.startswith("data/")]
    for file in files:
        path = paths.ROOT / file
        parts = ([cell["source"] for cell in lessons.cells(path)
                  if cell["cell_type"] == "markdown"]
                 if file.endswith(".ipynb") else [path.read_text(encoding="utf-8")])
        for part in parts:
            text = re.sub(r"```.*?```", "", part, flags=re.S)
            words = {url: name for name, url in NAMED.findall(text)}
            for url in URL.findall(text):
                if not url.startswith((*NO_REFERENCE, address.repository)):
                    _, where = cited.setdefault(url, (words.get(url, ""), {}))
                    where[file] = None  # each once, in order
    lines = []
    for url, (words, where) in sorted(cited.items(), key=lambda item: item[0].lower()):
        said = ", ".join(f"[{label(file)}]({page_file(pages, file)})" for file in where)
        title = f", as “{words.strip('`')}”" if words and words not in url else ""
        lines.append(f"- <{url}>{title}, in {said}")
    cite = (paths.ROOT / "CITATION.cff").read_text(encoding="utf-8")
    return ("# References\n\nPapers, posts and documentation that the lessons and the datasheets "
            "refer to, with the places that do.\n\n" + "\n".join(lines)
            + "\n\n## Citing the series\n\n```yaml\n" + cite + "```\n")


def label(file):
    """Return how a page is called where it is cited."""
    return file.split("/")[1][:2] if file.endswith(".ipynb") else file.split("/")[1]


def page_file(pages, file):
    """Return the staged file of a page, as pages at the top link to it."""
    return pages[file] + (".ipynb" if file.endswith(".ipynb") else ".md")


def not_found():
    """Return the Markdown of the page for an address that leads nowhere."""
    return ("---\norphan: true\nnosearch: true\nogp_disable: true\n---\n"
            "# There is no such page\n\nThe address may be old or mistyped. The "
            "[front page](index.md) lists all notebooks; the search finds words in them, and the "
            "[glossary](glossary.md) every term.\n")
