"""What the site reads of a notebook: its first cell, its cells, and whether they can be shown."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from helpers import paths
from helpers.errors import LearnerError, short
from tools import stamp

CORE = "05"  # the last notebook of the core; each later one stands on the core alone
ENTRY = re.compile(r"^- \*\*(?P<term>.+?)\*\* \((?P<number>\d\d)\): (?P<said>.+)$", re.M)
ROW = re.compile(r"^\| \[\d\d\]\(notebooks/(\S+?)\) \| [^|]+ \| ([^|]+?) \|", re.M)  # of README
FOLDED = re.compile(r"<details>.*?</details>", re.S)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.S)
BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
OPENING = re.compile(r"^(?:[-*] |\d+\. )?\*\*[^*\n]+\*\*", re.M)  # bold that opens a paragraph
WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGETS = "application/vnd.jupyter.widget-state+json"


@dataclass(frozen=True)
class Lesson:
    """A notebook as the site knows it.

    It takes `minutes` to read, `exercises` more minutes to solve, and `seconds` to run.
    """

    path: Path
    title: str
    about: str
    minutes: int
    exercises: int
    seconds: float

    @property
    def number(self):
        """Its two digits."""
        return self.path.name[:2]

    @property
    def core(self):
        """Whether it belongs to the core."""
        return self.number <= CORE

    @property
    def page(self):
        """The name of its page, as Sphinx calls it."""
        return f"notebooks/{self.path.stem}"


def found():
    """Return the paths of the notebooks, in order."""
    return sorted((paths.ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def cells(path):
    """Return the cells of a notebook, each source as one text."""
    read = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": joined(cell["source"])} for cell in read]


def joined(text):
    """Return a text that a notebook stores as one, or as its lines."""
    return text if isinstance(text, str) else "".join(text)


def lessons():
    """Return a `Lesson` for each notebook, in order.

    Raises LearnerError where a first cell has no title or time, README no row for a notebook, or
    the record of times no entry.
    """
    timings = paths.ROOT / "data" / "reference" / "timings.json"
    seconds = json.loads(timings.read_text(encoding="utf-8"))["seconds"]
    rows = dict(ROW.findall((paths.ROOT / "README.md").read_text(encoding="utf-8")))
    return [_lesson(path, rows.get(path.name), seconds.get(path.stem)) for path in found()]


def _lesson(path, about, seconds):
    head = cells(path)[0]["source"]
    title = re.match(r"# (.+)", head)
    time = re.search(r"^\*\*Time:\*\* (\d+) minutes to read, (\d+) more with the exercises", head,
                     re.M)
    for what, there in (("a title", title), ("`**Time:** … minutes to read, … more`", time)):
        if not there:
            raise LearnerError(f"notebooks/{path.name}: its first cell lacks {what}.")
    if about is None:
        raise LearnerError(f"README.md: its table of notebooks has no row for {path.name}.")
    if seconds is None:
        raise LearnerError(f"notebooks/{path.name}: data/reference/timings.json does not say how "
                           f"long it runs. Run: python -m helpers run --save {path.name[:2]}")
    return Lesson(path, title[1].strip(), about, int(time[1]), int(time[2]), seconds)


def check_outputs(path):
    """Raise LearnerError for a notebook that has not been run, or that stores an error."""
    name, again = f"notebooks/{path.name}", f"python -m helpers run --save {path.name[:2]}"
    code = [(n, c) for n, c in enumerate(cells(path), 1) if c["cell_type"] == "code"]
    for number, cell in code:
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                said = short(f"{output.get('ename')}: {output.get('evalue')}", 80)
                raise LearnerError(f"{name}, cell {number}: it stores an error ({said}). Mend the "
                                   f"cell, then run: {again}")
        if cell["source"].strip() and cell["execution_count"] is None:
            raise LearnerError(f"{name}, cell {number}: it has not been run, so it has no output. "
                               f"Run: {again}")
    if not any(cell["outputs"] for _, cell in code):
        raise LearnerError(f"{name}: no cell has an output. Run: {again}")


def check_address(path, address):
    """Raise LearnerError for a notebook that does not carry the stamped address."""
    text = path.read_text(encoding="utf-8")
    if stamp.stamped_notebook(text, path.name, address) != text:
        raise LearnerError(f"notebooks/{path.name}: its links and its cell for Colab are not "
                           f"those of {address.repository}. Run: python -m helpers stamp")


def glossary():
    """Return {term: (number of the notebook that introduces it, definition)}.

    Raises LearnerError where a line of GLOSSARY.md is no entry.
    """
    text = (paths.ROOT / "GLOSSARY.md").read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("- ") and not ENTRY.match(line):
            raise LearnerError(f"GLOSSARY.md, line {number}: not of the form "
                               f"`- **Term** (NN): What it is.`: {short(line, 60)}")
    return {term: (number, said) for term, number, said in ENTRY.findall(text)}


def pattern(term):
    """Return what finds a term, its plural too, small or at the start of a sentence."""
    words = re.escape(term).replace(r"\ ", r"\s+")
    return re.compile(rf"(?<![\w-]){words}(?:s|es)?(?![\w-])", re.IGNORECASE)


def check_terms(path, terms):
    """Raise LearnerError for what a notebook defines, in bold, and the glossary lacks.

    Bold type that opens a paragraph is a heading of it, not a term; a notebook of which the
    glossary has no term at all is not yet written so.
    """
    number = path.name[:2]
    if number not in {introduced for introduced, _ in terms.values()}:
        return
    patterns = [pattern(term) for term in terms]
    for place, cell in enumerate(cells(path)[1:], 2):
        if cell["cell_type"] != "markdown":
            continue
        text = CODE.sub(" ", OPENING.sub("", FOLDED.sub("", cell["source"])))
        for bold in BOLD.findall(text):
            if bold.strip() and not any(known.search(bold) for known in patterns):
                raise LearnerError(f"notebooks/{path.name}, cell {place}: the glossary lacks "
                                   f"{short(bold)!r}, which is in bold. Define it in GLOSSARY.md, "
                                   "or take the bold away.")
