"""The plan of the house: what imports what, what importing costs, what the commands do."""

import ast
import subprocess
import sys

import pytest

import helpers.__main__ as commands
from helpers import paths, preflight, requirements
from tools import run

# From the bottom up: a module may import those above its line, never those below.
LAYERS = [
    "errors", "workshop_install", "paths", "requirements", "colab", "stamping", "wheels",
    "measure", "fetching", "hub_cache", "hub", "checkpoints", "reviews", "batching", "curves",
    "training", "speed", "frozen", "parallel", "finetune", "benchmark", "plots", "trainers",
    "from_bert", "generation", "pretraining", "widgets", "exercises", "findings", "preflight",
    "headless", "workshop", "__main__",
]


def imported_by(module):
    tree = ast.parse((paths.ROOT / "helpers" / f"{module}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "helpers":
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("helpers."):
            yield node.module.removeprefix("helpers.")


def test_every_module_has_its_layer():
    modules = {path.stem for path in (paths.ROOT / "helpers").glob("*.py")} - {"__init__"}
    assert modules == set(LAYERS)


@pytest.mark.parametrize("module", LAYERS)
def test_a_module_imports_only_from_those_below_it(module):
    below = LAYERS[: LAYERS.index(module)]
    assert set(imported_by(module)) <= set(below)


def test_importing_helpers_costs_next_to_nothing():
    program = (
        "import sys, time; start = time.perf_counter(); import helpers; "
        "print(time.perf_counter() - start, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=True)
    seconds, torch_loaded = done.stdout.split()
    assert float(seconds) < 0.1
    assert torch_loaded == "False"


def test_the_commands_need_only_the_standard_library_at_first():
    # -I -S: no site-packages, as in an empty environment.
    program = f"import sys; sys.path.insert(0, {str(paths.ROOT)!r}); import helpers.__main__"
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True)


def test_what_is_missing_is_found(monkeypatch, tmp_path):
    (tmp_path / "requirements.txt").write_text(
        "# a comment\n-c constraints.txt\n\npytest==0.0.1\nno-such-package==1.0\n-e .\n"
    )
    monkeypatch.setattr(requirements, "FILE", tmp_path / "requirements.txt")
    assert requirements.missing() == ["pytest", "no-such-package"]
    monkeypatch.setattr(requirements, "PROJECT", "no-such-project")
    assert requirements.missing() == ["pytest", "no-such-package", "no-such-project"]


def test_nothing_is_missing_here_and_nothing_is_installed_again(monkeypatch):
    assert requirements.missing() == []
    monkeypatch.setattr(commands, "call", lambda *a: pytest.fail(f"called {a}"))
    assert commands.install() == 0


def test_a_failed_installation_says_what_to_try(monkeypatch, capsys):
    monkeypatch.setattr(requirements, "missing", lambda: ["torch"])
    monkeypatch.setattr(commands, "call", lambda *a: 1)
    assert commands.main(["lab"]) == 1
    assert "python -m venv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "called"),
    [(["lab"], ("jupyter", "lab", "notebooks")), (["test", "-k", "x"], ("pytest", "-k", "x"))],
)
def test_a_command_calls_its_program(monkeypatch, arguments, called):
    calls = []
    monkeypatch.setattr(commands, "install", lambda: 0)
    monkeypatch.setattr(commands, "call", lambda *a: calls.append(a) or 0)
    assert commands.main(arguments) == 0
    assert calls == [called]


def test_the_requirements_are_pinned_exactly():
    for line in (paths.ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        assert not line or line.startswith(("#", "-c ", "-e .")) or "==" in line, line


def test_notebooks_are_chosen_by_number_or_name():
    assert [p.name[:2] for p in run.chosen(["03", "notebooks/00_start_here.ipynb"])] == [
        "00", "03",
    ]
    assert run.run(["77"]) == 2


def test_a_notebook_that_stops_is_reported(tmp_path, capsys, monkeypatch):
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    nbformat.write(notebook, tmp_path / "42_broken.ipynb")
    monkeypatch.setattr(run, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(preflight, "speeds", lambda: {"training": 10.0, "python": 10.0})
    assert run.run() == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_recorded_run_becomes_the_reference_once(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "REFERENCE", tmp_path / "reference")
    recorded = tmp_path / "03_loop.json"
    assert not run.promoted(recorded)
    recorded.write_text("{}")
    assert run.promoted(recorded)
    assert not run.promoted(recorded)
    assert (tmp_path / "reference" / "03_loop.small.json").read_text() == "{}"


def test_outputs_of_the_full_size_are_not_stored(monkeypatch, capsys):
    monkeypatch.setenv("CHECKPOINT_SIZE", "full")
    assert run.run(["00"], save=True) == 2
    assert "unset CHECKPOINT_SIZE" in capsys.readouterr().err


def test_timings_of_another_speed_are_brought_to_one(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "TIMINGS", tmp_path / "timings.json")
    slow, fast = {"training": 10.0, "python": 5.0}, {"training": 20.0, "python": 5.0}
    run.save_timings({"a": 30.0, "b": 10.0}, 10.0, slow)
    run.save_timings({"b": 4.0}, 9.0, fast)
    assert run.json.loads((tmp_path / "timings.json").read_text()) == {
        "speeds": fast, "seconds": {"a": 20.0, "b": 4.0}, "startup": 9.0,
    }


def test_what_starting_up_takes_is_measured_with_the_imports_of_the_notebooks(monkeypatch):
    monkeypatch.setattr(run, "execute", lambda path: (None, path.read_text(), 0, None))
    assert "transformers" in run.startup()
    exec(run.IMPORTS, {})
