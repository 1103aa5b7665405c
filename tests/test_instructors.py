"""What INSTRUCTORS.md promises a class is what the notebooks say, count and took."""

import itertools
import json
import re

import nbformat
import pytest
from lesson_lint import reading_minutes

from helpers import paths
from tools import run

PAGE = (paths.ROOT / "INSTRUCTORS.md").read_text(encoding="utf-8")
SHEET = {
    number: (int(read), float(run) / (60 if unit == "s" else 1), int(exercises))
    for number, read, run, unit, exercises in re.findall(
        r"^\| (\d\d) [^|]+\| (\d+) min \| ([\d.]+) (min|s) \| (\d+) min \|", PAGE, re.M
    )
}
NOTEBOOKS = {path.name[:2]: path for path in run.chosen()}


def test_the_run_sheet_lists_every_notebook():
    assert list(SHEET) == list(NOTEBOOKS)


@pytest.fixture(params=NOTEBOOKS)
def number(request):
    return request.param


@pytest.fixture
def notebook(number):
    return nbformat.read(NOTEBOOKS[number], as_version=4)


def prose(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_the_run_sheet_says_what_the_notebook_says(number, notebook):
    read, more = re.search(
        r"\*\*Time:\*\* (\d+) minutes to read, (\d+) more with the exercises", prose(notebook)
    ).groups()
    assert SHEET[number][0] == int(read)
    assert SHEET[number][2] == int(more)


def test_the_exercises_of_a_notebook_add_up_to_what_it_says(number, notebook):
    each = re.findall(r"^\*\*\d\d\.\d · [^*]+\*\* \((\d+) minutes\)", prose(notebook), re.M)
    assert sum(map(int, each)) == SHEET[number][2]


def test_the_time_to_read_is_near_a_count(number, notebook):
    counted = reading_minutes(notebook)
    assert counted / 1.5 < SHEET[number][0] < counted * 1.5, f"counted {counted:.0f} minutes"


def test_the_time_to_run_is_near_the_recorded_one(number):
    recorded = json.loads((paths.REFERENCE / "timings.json").read_text(encoding="utf-8"))
    minutes = recorded["seconds"][NOTEBOOKS[number].stem] / 60
    assert minutes / 2 < SHEET[number][1] < minutes * 2, f"recorded {minutes:.1f} minutes"


def test_the_timetable_has_no_gap():
    day = re.findall(r"^\| (\d+):(\d\d) \| (\d+) \|", PAGE, re.M)
    times = [(int(hour) * 60 + int(minute), int(length)) for hour, minute, length in day]
    for (start, length), (following, _) in itertools.pairwise(times):
        assert start + length == following
