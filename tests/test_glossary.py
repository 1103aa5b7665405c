"""Each term of GLOSSARY.md is defined where it first appears, and is not used before."""

import re

import nbformat
import pytest
from lesson_lint import FOLDED

from helpers import paths
from tools import run

ENTRY = re.compile(r"^- \*\*(.+?)\*\* \((\d\d)\): (.+)$", re.M)
NOTEBOOKS = {path.name[:2]: path for path in run.chosen()}


def glossary(text):
    """Return {term: (notebook, definition)}."""
    return {term: (number, said) for term, number, said in ENTRY.findall(text)}


PAGE = (paths.ROOT / "GLOSSARY.md").read_text(encoding="utf-8")
TERMS = glossary(PAGE)


def forms(term):
    """Return a pattern for a term and its plural, at the start of a sentence, too."""
    words = re.escape(term).replace(r"\ ", r"\s+")
    return re.compile(rf"(?<![\w-]){words}(?:s|es)?(?![\w-])", re.IGNORECASE)


def lesson(cells):
    """Return the prose of a lesson: no first cell, no code, nothing that is folded or links on."""
    text = "\n\n".join(c.source for c in cells[1:] if c.cell_type == "markdown")
    text = re.sub(r"^Next: .*$", "", text, flags=re.M)
    text = FOLDED.sub("", text).partition("\n## The notebooks\n")[0]
    text = re.sub(r"\*\*`([^`]*)`\*\*", r"**\1**", text)  # a term that is code, too
    text = re.sub(r"```.*?```|`[^`]*`", " ", text, flags=re.S)
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)


def used_before(terms, lessons):
    """Yield a sentence for each term that is used before it is in bold, in the order of reading.

    `lessons` is {number: prose}.
    """
    order = list(lessons)
    for term, (number, _) in terms.items():
        if number not in lessons:
            continue
        for earlier in order[: order.index(number)]:
            if forms(term).search(lessons[earlier]):
                yield f"{term} is introduced in {number}, but {earlier} uses it"
        bold = re.search(rf"\*\*[^*]*{forms(term).pattern}[^*]*\*\*", lessons[number], re.I)
        if not bold:
            yield f"{number} never defines {term}: it is nowhere in bold"
        elif forms(term).search(lessons[number]).start() < bold.start():
            yield f"{number} uses {term} before it defines it"


LESSONS = {n: lesson(nbformat.read(path, as_version=4).cells) for n, path in NOTEBOOKS.items()}


def test_no_term_is_used_before_it_is_defined():
    assert list(used_before(TERMS, LESSONS)) == []


@pytest.mark.parametrize(("lessons", "problem"), [
    ({"00": "A head.", "01": "A **head** is new."}, "but 00 uses it"),
    ({"00": "", "01": "Heads first. A **head** is new."}, "01 uses head before"),
    ({"00": "", "01": "Nothing."}, "nowhere in bold"),
])
def test_a_term_used_too_early_is_found(lessons, problem):
    found = list(used_before({"head": ("01", "")}, lessons))
    assert any(problem in line for line in found), found


def test_the_glossary_is_sorted_and_every_line_of_it_is_an_entry():
    lines = [line for line in PAGE.splitlines() if line.startswith("- ")]
    assert len(lines) == len(TERMS)
    assert list(TERMS) == sorted(TERMS, key=lambda t: re.sub(r"[^a-z ]", "", t.lower()).strip())
    assert {number for number, _ in TERMS.values()} <= set(NOTEBOOKS)
    assert all(said.endswith(".") for _, said in TERMS.values())
