"""The table of notebook 13: what it lists was run, and has changed since."""

import pytest

from helpers import requirements, then_and_now
from making import then_and_now as making

HABITS = then_and_now.load()
as_recorded = pytest.mark.skipif(
    any(requirements.installed(name) != requirements.pinned()[name]
        for name in ("transformers", "datasets", "torch")),
    reason="what has changed by now is said of the pinned versions",
)


def test_what_the_command_lists_is_what_is_recorded():
    assert [(h.name, h.version, h.code, h.instead) for h in HABITS] == list(making.HABITS)


def test_with_the_old_version_every_line_ran():
    assert not [h for h in HABITS if "Error" in h.then]
    assert {h.version for h in HABITS} == set(making.OLD)


@as_recorded
@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.name)
def test_today_the_line_says_something_else(habit):
    assert then_and_now.run(habit.code) != habit.then


def test_of_an_error_the_first_sentence_is_kept_and_no_path():
    error = ImportError("cannot import name 'A' from 'b' (/x/site-packages/b/__init__.py)")
    assert then_and_now.sentence(error) == "ImportError: cannot import name 'A' from 'b'"
    assert then_and_now.sentence(ValueError("One. Two.\nThree.")) == "ValueError: One."
    assert then_and_now.sentence(KeyError("x.y")) == "KeyError: 'x.y'"
    assert then_and_now.sentence(AssertionError()) == "AssertionError:"


def test_code_runs_in_a_folder_of_its_own_and_prints_nothing(capsys):
    assert then_and_now.run("print('x')\nopen(folder + '/a', 'w').write('abc')") == "3"
    assert then_and_now.run("import os\nos.path.isdir(bert)") == "True"
    assert capsys.readouterr() == ("", "")
