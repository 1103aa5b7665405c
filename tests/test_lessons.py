"""The lessons keep their form, any cell can be run twice, and they take a learner's texts."""

import copy
import functools
import json

import lesson_lint
import marking
import nbformat
import pytest
from bs4 import BeautifulSoup
from nbconvert import SlidesExporter
from notebook_lint import COLAB, IGNORED, tags, text_of

from helpers import paths
from tools import run

LESSONS = run.chosen()
# Run twice as they are; the others train for long, and run twice with sixty texts instead.
SHORT = ("00", "01", "02")
# The one line to change in a notebook that does not begin with the reviews, and what a learner
# writes there.
ONE_LINE = {
    "09": ("data.load()", "_named"),
    "12": ('texts.load("runs/messages.csv", label="queue", drop_empty=True)', "_mine"),
}
named = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


@named
def test_a_lesson_keeps_its_form(path):
    assert lesson_lint.problems(path) == []


def question(notebook):
    return next(c for c in notebook.cells if lesson_lint.QUESTION in tags(c))


def replace_in(cell, old, new, count=-1):
    assert old in cell.source
    cell.source = cell.source.replace(old, new, count)


def task(notebook):
    return next(c for c in notebook.cells
                if c.cell_type == "markdown" and lesson_lint.TASK.search(c.source))


def append_code(notebook, *sources):
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in sources]


FAULTS = {
    "instead of three": lambda n: n.cells.remove(question(n)),
    "does not begin with its number": lambda n: replace_in(question(n), "**Question", "**Quiz"),
    "exactly one right": lambda n: replace_in(question(n), "**No.**", "**Right.**", 1),
    "not explained": lambda n: question(n).update(source=(
        question(n).source.rpartition("**Right.**")[0] + "**Right.** Yes.\n\n</details>")),
    "Markdown in a <summary>": lambda n: replace_in(question(n), "<summary>A. ", "<summary>A. *"),
    "not lettered in order": lambda n: replace_in(question(n), "<summary>B. ", "<summary>X. "),
    "answers; three or four": lambda n: question(n).update(
        source=question(n).source.partition("<details><summary>C.")[0]),
    "names no question": lambda n: replace_in(n.cells[0], " *(", " *(99.z, "),
    "cannot be observed": lambda n: replace_in(
        n.cells[0], "able to**\n- ", "able to**\n- see and "),
    "in no objective": lambda n: replace_in(question(n), "**Question ", "**Question 99.z** "),
    "minutes to read;": lambda n: append_code(n, *["print(1)\n" * 20] * 2),
    "minutes for exercises": lambda n: replace_in(
        n.cells[0], " more with the exercises", "1 more with the exercises"),
    " minutes; ": lambda n: replace_in(task(n), " minutes)", "5 minutes)"),
    "exercises; four": lambda n: [
        n.cells.remove(c) for c in list(n.cells)
        if c.cell_type == "code" and lesson_lint._is_stub(c)],
    "made from itself": lambda n: append_code(n, "fresh = 1\nother = 2", "late = late + 1"),
    "is given in 2 cells": lambda n: append_code(n, "plant = 1", "with open('x') as plant: pass"),
}


@pytest.mark.parametrize(("problem", "plant"), FAULTS.items(), ids=FAULTS)
def test_the_lint_of_lessons_finds_a_planted_fault(problem, plant, tmp_path):
    notebook = copy.deepcopy(nbformat.read(LESSONS[-1], as_version=4))
    plant(notebook)
    path = tmp_path / LESSONS[-1].name
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert any(problem in found for found in lesson_lint.problems(path)), problem


def outputs(cell):
    """What is compared of a cell's outputs: texts, those of pictures and widgets by their kind."""
    return [sorted((kind, text) for kind, text in output.data.items() if kind.startswith("text/"))
            if "data" in output else text_of(output) for output in cell.outputs]


@pytest.fixture(scope="module")
def with_sixty_texts(data, tmp_path_factory):
    """Run a notebook whose reviews are sixty texts of a learner's file, in three classes, and
    whose entities are those of sixty sentences in another; each only once.

    Returns a function of the notebook's path, which returns the cell that brings the texts, and
    the notebook's own cells afterwards.
    """
    folder = tmp_path_factory.mktemp("sixty")
    rows = data["train"].select(range(60)).to_pandas()
    rows["label"] = [("poor", "fine", "mixed")[y if n % 3 else 2]
                     for n, y in enumerate(rows["label"])]
    mine = folder / "mine.csv"
    rows[["text", "label"]].to_csv(mine, index=False)
    lines = paths.data_file("entities", "train.jsonl").read_text(encoding="utf-8").splitlines()
    named = folder / "named.jsonl"
    named.write_text("\n".join(lines[:60]), encoding="utf-8")
    first = nbformat.v4.new_code_cell(
        "from dataclasses import replace\n\nfrom helpers import recipes, reviews, texts\n"
        "from helpers.entities import data, reading\n\n"
        f"_mine = texts.load({str(mine)!r})\nreviews.load = lambda: _mine\n"
        f"_named, _ = data.split(reading.read({str(named)!r}).sentences)\n"
        "recipes.RECIPES['fast'] = replace(recipes.RECIPES['fast'], least_steps=0)")

    @functools.cache
    def ran(path):
        notebook = nbformat.read(path, as_version=4)
        notebook.cells = [first, *code_cells(notebook)]
        if path.name[:2] in ONE_LINE:
            line, mine = ONE_LINE[path.name[:2]]
            cell, = (c for c in notebook.cells if line in c.source)
            cell.source = cell.source.replace(line, mine)
        return first, executed(notebook, folder)[1:]

    return ran


def code_cells(notebook):
    return [c for c in notebook.cells if c.cell_type == "code" and COLAB not in tags(c)]


@marking.each(LESSONS, always=("01", "02"))
def test_every_cell_can_be_run_twice(path, with_sixty_texts, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    first, stored = [], code_cells(notebook)
    if path.name[:2] not in SHORT:
        texts, stored = with_sixty_texts(path)
        first = [texts]
    twice = [nbformat.v4.new_code_cell(c.source) for c in stored for _ in range(2)]
    notebook.cells = [*first, *twice]
    again = executed(notebook, tmp_path)[len(first):]
    for number, cell in enumerate(stored):
        if IGNORED not in tags(cell):
            assert outputs(again[2 * number + 1]) == outputs(cell), cell.source


@marking.each(LESSONS, always=("01", "03", "06", "09", "12"))
def test_a_lesson_runs_to_its_end_with_sixty_texts_in_three_classes(path, with_sixty_texts):
    _, cells = with_sixty_texts(path)
    said = "".join(text_of(o) for c in cells for o in c.outputs)
    if any("curves.compare" in c.source for c in cells):
        assert "other data than the reference run" in said


def executed(notebook, folder):
    """Run cells in a kernel, in a folder; return the code cells afterwards."""
    nbformat.write(notebook, folder / "copy.ipynb")
    ran, _, _, error = run.execute(folder / "copy.ipynb")
    assert error is None, error
    return [cell for cell in ran.cells if cell.cell_type == "code"]


@named
def test_as_slides_a_lesson_shows_its_sections_and_not_its_exercises(path):
    page, _ = SlidesExporter().from_filename(path)
    notebook = nbformat.read(path, as_version=4)
    markdown = [c.source for c in notebook.cells if c.cell_type == "markdown"]
    sections = sum(line.startswith("## ") for source in markdown for line in source.splitlines())
    assert page.count("<section>") > 2 * sections
    assert "google.colab" not in page
    assert 'check(' not in BeautifulSoup(page, "html.parser").get_text()


def test_a_heading_begins_a_slide_and_exercises_are_left_out():
    markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    solution = "<details><summary>Solution</summary>\n\nx\n\n</details>"
    for cell, kind in (
        (markdown("## A part"), "slide"), (markdown("A sentence."), "subslide"),
        (code("print(1)"), "-"), (code('def f():\n    ...\n\n\ncheck("02.1", f)'), "skip"),
        (markdown(solution), "skip"), (markdown(f"{solution}\n\n## A part"), "subslide"),
        (markdown("## Exercises\n\n**02.1 · x**"), "skip"),
        (code("import os", metadata={"tags": [COLAB]}), "skip"),
    ):
        assert run.slide(cell) == kind, cell.source
