"""A notebook is played as another processor, and what moves is printed with its distance."""

import nbformat
import pytest
from notebook_lint import IGNORED

from tools import processors, run

# The variable stands for the processor, and moves what these cells print.
CELLS = [
    "import os\nimport sys\nshift = float(os.environ.get('SHIFT', 0))",
    "print('1,600 reviews, accuracy 0.920')",
    "print(f'loss {0.352 + shift:.3f}')",
    "print('kept: checkpoint-' + ('21' if shift else '28'), 'worse' if shift else 'better')",
    "if not shift:\n    print('the last line')",
    "round(1600.25 + 1000 * shift, 2)",
    "print(shift, file=sys.stderr)",
    "print(shift)",
]
COMPARED = 5  # the others print nothing that is compared


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a notebook, stored with its outputs."""
    folder = tmp_path_factory.mktemp("notebooks")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    notebook.cells[-1].metadata["tags"] = [IGNORED]
    nbformat.write(notebook, folder / "42_tiny.ipynb")
    notebook, _, _, error = run.execute(folder / "42_tiny.ipynb")
    assert error is None
    nbformat.write(run.tidy(notebook), folder / "42_tiny.ipynb")
    return folder


@pytest.fixture
def play(folder, monkeypatch, capsys):
    """A function that plays the notebook; returns the exit status and what was printed."""
    monkeypatch.setattr(run, "NOTEBOOKS", folder)
    monkeypatch.setitem(processors.SETS, "shifted", {"SHIFT": "0.001"})

    def played(*arguments):
        return processors.main([*arguments]), capsys.readouterr().out

    return played


def test_where_all_is_equal_nothing_moved(play):
    status, said = play("42", "--as", "here")
    assert status == 0
    assert f"{COMPARED} cells compared, none moved\nNothing moved." in said


def test_what_moved_is_printed_with_its_cell_its_lines_and_its_distance(play, folder, tmp_path):
    status, said = play("--as", "shifted", "--threads", "1", "--keep", str(tmp_path))
    assert status == 1
    assert f"{COMPARED} cells compared, 4 moved" in said
    said = [line.strip() for line in said.splitlines()]
    assert said[2:-1] == [
        "[3] stored  loss 0.352",
        "here    loss 0.353",
        "0.352 → 0.353: by 0.001, 1 in the last digit",
        "[4] stored  kept: checkpoint-28 better",
        "here    kept: checkpoint-21 worse",
        "[5] stored  the last line",
        "here    (nothing)",
        "[6] stored  1600.25",
        "here    1601.25",
        "1600.25 → 1601.25: by 1.00, 100 in the last digit",
    ]
    assert said[-1] == "Moved: 42 as shifted with 1"
    kept = nbformat.read(tmp_path / "shifted-1" / "42_tiny.ipynb", as_version=4)
    assert kept.cells[2].outputs[0].text == "loss 0.353\n"
    stored = nbformat.read(folder / "42_tiny.ipynb", as_version=4)
    assert stored.cells[2].outputs[0].text == "loss 0.352\n"


def test_the_kernel_gets_the_number_of_threads_and_the_small_checkpoints(
    play, folder, monkeypatch, tmp_path
):
    code = "import os\nprint(os.environ['OMP_NUM_THREADS'], os.environ['CHECKPOINT_SIZE'])"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(notebook, tmp_path / "42_threads.ipynb")
    monkeypatch.setattr(run, "NOTEBOOKS", tmp_path)
    monkeypatch.setenv("CHECKPOINT_SIZE", "full")
    play("--as", "here", "--threads", "3", "--keep", str(tmp_path))
    kept = nbformat.read(tmp_path / "here-3" / "42_threads.ipynb", as_version=4)
    assert kept.cells[0].outputs[0].text == "3 small\n"


def test_a_notebook_that_stops_is_no_agreement_and_what_it_did_not_reach_is_not_compared(
    play, folder, monkeypatch, tmp_path
):
    notebook = nbformat.read(folder / "42_tiny.ipynb", as_version=4)
    notebook.cells[3].source = "1 / 0"
    notebook.cells[3].metadata["tags"] = [IGNORED]
    nbformat.write(notebook, tmp_path / "42_tiny.ipynb")
    monkeypatch.setattr(run, "NOTEBOOKS", tmp_path)
    status, said = play("--as", "here")
    assert status == 1
    assert "2 cells compared, none moved\n    stopped with ZeroDivisionError" in said


@pytest.mark.parametrize(("stored", "here", "moved"), [
    ("loss 0.3520, 1,600 texts", "loss 0.3521, 1,599 texts",
     [("0.3520", "0.3521", "0.0001", 1), ("1,600", "1,599", "1", 1)]),
    ("logits -0.0849", "logits  0.0849", [("-0.0849", "0.0849", "0.1698", 1698)]),
    ("padding 84.1%", "padding  9.1%", [("84.1", "9.1", "75.0", 750)]),
    ("[0.8 0.71]", "[0.81 0.71]", [("0.8", "0.81", "0.01", "0.1")]),
    ("6.7e+13 operations", "6.8e+13 operations", [("6.7e+13", "6.8e+13", "1e12", 1)]),
    ("gpt2 loss 0.5", "gpt2 loss nan", []),
    ("is negative: 1", "is positive: 2", []),
    (None, "1", []),
])
def test_a_distance_is_counted_in_the_last_digit_where_only_numbers_moved(stored, here, moved):
    found = processors.distances(stored, here)
    assert [(a, b, distance, steps) for a, b, distance, steps in found] == [
        (a, b, processors.Decimal(distance), processors.Decimal(steps))
        for a, b, distance, steps in moved
    ]


def test_what_cannot_be_played_is_said(play, monkeypatch, capsys):
    assert processors.main(["77"]) == 2
    monkeypatch.setattr(processors.platform, "machine", lambda: "arm64")
    assert processors.main(["42", "--as", "sse"]) == 2
    assert "this one is arm64" in capsys.readouterr().err
