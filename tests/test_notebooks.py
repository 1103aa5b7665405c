"""Every notebook keeps the rules, and the rules find what breaks them."""

import copy
import datetime
import json
import re

import nbformat
import notebook_lint
import pytest
from notebook_lint import COLAB, IGNORED, WIDGET_STATE, problems, tags

from helpers import preflight, requirements
from tools import run

NOTEBOOKS = run.chosen()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_keeps_the_rules(path):
    assert problems(path) == []


def test_the_spine_is_there():
    assert [path.name[:2] for path in NOTEBOOKS][:5] == ["00", "01", "02", "03", "04"]


def strip_alt(notebook):
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("metadata", {}).pop("image/png", None)


def first_code(notebook):
    """Return the first code cell of the lesson."""
    return next(c for c in notebook.cells if c.cell_type == "code" and COLAB not in tags(c))


def colab_cell(notebook):
    return next(cell for cell in notebook.cells if COLAB in tags(cell))


def ignore_all(notebook):
    for cell in notebook.cells:
        cell.metadata["tags"] = [IGNORED]


def no_outputs(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []


def head_with(pattern, replacement):
    """Return a function that writes something else into a notebook's first cell."""
    return lambda n: n.cells[0].update(source=re.sub(pattern, replacement, n.cells[0].source))


FAULTS = {
    "its title is not": lambda n: n.cells[0].update(source="# Tokenizing"),
    "lacks '**Time:**'": lambda n: n.cells[0].update(
        source=n.cells[0].source.replace("**Time:**", "")
    ),
    "does not say when it was verified": head_with("<small>.*</small>", ""),
    "say when it was verified: run": head_with(r"(\n\n<small>.*</small>)", r"\1\1"),
    "with torch 1.0, but pinned": head_with(r"torch [\d.]+\d", "torch 1.0"),
    "on Python 3.1, which": head_with(r"Python [\d.]+\d", "Python 3.1"),
    "on 2026-11, which is no date": head_with(r"verified \S+", "verified 2026-11"),
    "its summary": lambda n: n.cells[-1].update(source="## Summary\n- one line"),
    "a passage is unfinished": lambda n: n.cells[-1].update(source="PLACEHOLDER"),
    "a link leads nowhere": lambda n: n.cells[-1].update(source="[x](99_gone.ipynb)"),
    "not run in order": lambda n: first_code(n).update(execution_count=7),
    "only that, is not the one for Colab": lambda n: n.cells.remove(colab_cell(n)),
    "not stamped": lambda n: colab_cell(n).update(source="import os"),
    "stores an error": lambda n: first_code(n).update(
        outputs=[nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])]
    ),
    "has a magic": lambda n: first_code(n).update(source="!false"),
    "by a comment": lambda n: first_code(n).update(source="x = 1  # NBVAL_IGNORE_OUTPUT"),
    "unknown tags": lambda n: first_code(n).metadata.update(tags=["nbval-ignore-ouput"]),
    "code cells compare": ignore_all,
    "only 0 of": no_outputs,
    "an error stream": lambda n: first_code(n).update(
        outputs=[nbformat.v4.new_output("stream", name="stderr", text="warning")]
    ),
    "memory address": lambda n: first_code(n).update(
        outputs=[nbformat.v4.new_output("stream", text="<object at 0x7f2d4c0>")]
    ),
    "cut it up": lambda n: first_code(n).update(source="x = 1\n" * 30),
    "an absolute path": lambda n: first_code(n).update(source="open('/home/me/x')"),
    "without alt text": strip_alt,
    "no state": lambda n: n.metadata.update(widgets={WIDGET_STATE: {}}),
    "state is not stored": lambda n: n.metadata.update(widgets={WIDGET_STATE: {"state": {}}}),
}


@pytest.mark.parametrize(("problem", "plant"), FAULTS.items(), ids=FAULTS)
def test_the_lint_finds_a_planted_fault(problem, plant, tmp_path):
    original = next(path for path in NOTEBOOKS if path.name.startswith("02"))
    notebook = copy.deepcopy(nbformat.read(original, as_version=4))
    plant(notebook)
    path = tmp_path / original.name
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert any(problem in found for found in problems(path)), problems(path)


def test_the_lint_as_a_command_prints_what_is_broken_and_ends_with_1(tmp_path, capsys):
    path = tmp_path / "02_tokenizing.ipynb"
    notebook = nbformat.read(run.chosen(["02"])[0], as_version=4)
    nbformat.write(notebook, path)
    before = notebook_lint.main([path]), capsys.readouterr().out
    FAULTS["has a magic"](notebook)
    nbformat.write(notebook, path)
    assert notebook_lint.main([path]) == 1
    new = set(capsys.readouterr().out.splitlines()) - set(before[1].splitlines())
    assert [line.partition(": ")[0] for line in new] == [str(path)] and "a magic" in new.pop()
    assert before[0] == bool(before[1])


def test_storing_writes_when_and_with_what_and_storing_again_replaces_it(tmp_path, monkeypatch):
    cells = [nbformat.v4.new_markdown_cell("# 42 · New\n\n**Time:** none.\n\n## A beginning"),
             nbformat.v4.new_code_cell("1 + 1")]
    path = tmp_path / "42_new.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    monkeypatch.setattr(run, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(preflight, "speeds", dict)
    monkeypatch.setattr(run, "startup", lambda: 1)
    monkeypatch.setattr(run, "save_timings", lambda *_: None)

    def head():
        return nbformat.read(path, as_version=4).cells[0].source

    run.main(["42"])
    assert head() == cells[0].source, "written without --save"
    for version in ("9.8.7", "9.8.8"):
        monkeypatch.setattr(requirements, "installed", lambda name, version=version: version)
        today = datetime.date.today()
        assert run.main(["--save", "42"]) == 0
        said = run.LAST_VERIFIED.search(head())
        assert today <= datetime.date.fromisoformat(said["date"]) <= datetime.date.today()
        assert {said[name] for name in ("transformers", "torch", "datasets")} == {version}
        assert head().replace(said[0], "") == cells[0].source
        assert head().startswith(f"# 42 · New\n\n**Time:** none.{said[0]}\n\n## A beginning")
