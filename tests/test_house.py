"""The plan of the house, and its door: what imports what, what the commands start."""

import ast
import json
import os
import signal
import subprocess
import sys
import textwrap
from graphlib import TopologicalSorter

import nbformat
import pytest

import helpers.__main__ as commands
from helpers import paths, requirements
from tools import run

FILES = {
    ".".join(path.relative_to(paths.ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (paths.ROOT / "helpers").rglob("*.py")
}


def imported(code):
    """Return the names that code imports, anywhere in it: of modules and of what is in them."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import: give the whole name"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def imports_of(module):
    return imported(FILES[module].read_text(encoding="utf-8"))


def circle_in(graph):
    """Return the modules of a circle of imports, or None."""
    try:
        TopologicalSorter(graph).prepare()
    except ValueError as error:
        return error.args[1]


@pytest.mark.parametrize("module", FILES)
def test_helpers_import_neither_tools_nor_making(module):
    assert not {name.partition(".")[0] for name in imports_of(module)} & {"tools", "making"}


def test_no_module_of_helpers_imports_itself_by_way_of_others():
    graph = {module: (imports_of(module) & set(FILES)) - {module, "helpers"} for module in FILES}
    assert circle_in(graph) is None
    graph["helpers.paths"].add("helpers.requirements")
    assert set(circle_in(graph)) == {"helpers.paths", "helpers.requirements"}


def test_nothing_is_in_helpers_but_what_a_cell_imports_or_a_learner_starts():
    reached = {"helpers.__main__", "helpers.preflight", "helpers.finetune", "helpers.predict"}
    for path in run.chosen():
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                reached |= imported(cell.source)
    # A package loads its module for a notebook by name.
    numbers = {path.name[:2] for path in run.chosen()}
    by_name = {m for m in FILES if m[-2:] in numbers and m.endswith(f".nb{m[-2:]}")}
    before = set()
    while reached != before:
        before = set(reached)
        reached |= {module for module in by_name if module.rpartition(".")[0] in reached}
        reached |= {name for module in reached & set(FILES) for name in imports_of(module)}
    assert set(FILES) - {"helpers"} <= reached


def test_the_commands_need_only_the_standard_library_at_first():
    # -I -S: no site-packages, as in an empty environment.
    program = f"import sys; sys.path.insert(0, {str(paths.ROOT)!r}); import helpers.__main__"
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True)


@pytest.fixture
def started(monkeypatch):
    """The programs that commands start, as a list; none is really started."""
    calls = []
    monkeypatch.setattr(commands, "start", lambda *a, folder=None: calls.append((*a, folder)) or 7)
    return calls


@pytest.mark.parametrize(("arguments", "program"), [
    (["lab", "--port", "9"], ("jupyter", "lab", "notebooks", "--port", "9", paths.ROOT)),
    (["run", "--save", "03"], ("tools.run", "--save", "03", paths.ROOT)),
    (["test", "-k", "x"], (*commands.PROGRAMS["test"], "-k", "x", paths.ROOT)),
    (["pack", "here", "--gpu"], ("tools.pack", "here", "--gpu", None)),
    (["site", "--no-book"], ("tools.site", "--no-book", None)),
    (["stamp", "--help"], ("tools.stamp", "--help", None)),
    (["benchmark"], ("making.benchmark", None)),
    (["preflight", "--json"], ("helpers.preflight", "--json", None)),
    (["finetune", "--output", "x"], ("helpers.finetune", "--output", "x", None)),
    (["predict", "--model", "x"], ("helpers.predict", "--model", "x", None)),
    (["pretrain", "--corpus", "x"], ("making.pretraining", "--corpus", "x", None)),
])
def test_where_nothing_is_missing_a_command_starts_its_program_and_passes_on_arguments_and_status(
    started, arguments, program
):
    assert commands.main(arguments) == 7
    assert started == [program]


def test_without_the_repository_a_command_says_that_it_needs_it(
    started, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    for command in commands.PROGRAMS:
        assert commands.main([command]) == 2
        assert f"`{command}` needs the project's repository" in capsys.readouterr().err
    assert started == []


def test_help_installs_nothing_and_an_unknown_command_gets_it_too(started, monkeypatch, capsys):
    monkeypatch.setattr(requirements, "missing", lambda: ["torch"])
    assert (commands.main([]), commands.main(["run", "--help"]), commands.main(["x"])) == (0, 0, 2)
    assert started == []
    assert capsys.readouterr().out.count("python -m helpers pretrain") == 3


@pytest.fixture
def probe(tmp_path, monkeypatch):
    """A function that makes the code of a module `probe` of a project, for `start` to run."""
    (tmp_path / "project").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "probe.py").write_text("raise SystemExit('mine')")
    monkeypatch.setattr(paths, "ROOT", tmp_path / "project")
    monkeypatch.chdir(tmp_path / "mine")
    return lambda code: (tmp_path / "project" / "probe.py").write_text(textwrap.dedent(code))


def test_a_program_runs_in_the_users_folder_with_the_modules_of_the_project(probe, capfd):
    probe("import os, sys; print(os.path.basename(os.getcwd()), sys.argv[1:]); sys.exit(3)")
    assert commands.start("probe", "a folder") == 3
    assert capfd.readouterr().out == "mine ['a folder']\n"


def started_probe():
    """Return a process that has started the probe, as a door; both in a session of their own."""
    program = (f"import pathlib; from helpers import paths, __main__ as commands; "
               f"paths.ROOT = pathlib.Path({str(paths.ROOT)!r}); "
               "raise SystemExit(commands.start('probe'))")
    door = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True,
                            start_new_session=True)
    assert door.stdout.readline() == "started\n"
    return door


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise on Windows")
def test_an_interrupted_program_ends_in_its_own_way_and_the_status_says_so(probe):
    probe("""
        import time
        try:
            print("started", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            time.sleep(1)
            print("tidied up")
    """)
    door = started_probe()
    os.killpg(door.pid, signal.SIGINT)  # as Ctrl+C in a terminal
    assert door.communicate() == ("tidied up\n", None)
    assert door.returncode == 130


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise on Windows")
def test_a_request_to_terminate_reaches_the_program_and_what_killed_it_is_the_status(probe):
    probe("""
        import os, signal, time
        signal.signal(signal.SIGTERM, lambda *_: os._exit(5))
        print("started", flush=True)
        time.sleep(60)
    """)
    door = started_probe()
    door.terminate()
    assert door.wait(timeout=30) == 5
    probe("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert commands.start("probe") == 128 + 9


def test_notebooks_are_chosen_by_number_or_name():
    chosen = run.chosen(["03", "notebooks/00_start_here.ipynb"])
    assert [p.name[:2] for p in chosen] == ["00", "03"]
    assert run.main(["77"]) == 2


@pytest.mark.parametrize(("code", "said"), [
    ("1 / 0", "stopped with ZeroDivisionError: division by zero"),
    ("import time; time.sleep(60)", "stopped with a timeout: cell 2 ran for more than 1 s"),
    ("import os; os._exit(1)", "stopped with a dead kernel"),
])
def test_a_notebook_that_stops_is_reported(code, said, tmp_path, capsys, monkeypatch):
    cells = [nbformat.v4.new_markdown_cell("# Broken"), nbformat.v4.new_code_cell(code)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "42_broken.ipynb")
    monkeypatch.setattr(run, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(run, "TIMEOUT", 1)
    assert run.main([]) == 1
    assert said in capsys.readouterr().err


def test_a_recorded_run_becomes_the_reference_once(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "REFERENCE", tmp_path / "reference")
    recorded = tmp_path / "03_loop.json"
    assert not run.promote(recorded)
    recorded.write_text("{}")
    assert [run.promote(recorded), run.promote(recorded)] == [True, False]
    assert (tmp_path / "reference" / "03_loop.small.json").read_text() == "{}"


def test_outputs_of_the_full_size_are_not_stored(monkeypatch, capsys):
    monkeypatch.setenv("CHECKPOINT_SIZE", "full")
    assert run.main(["--save", "00"]) == 2
    assert "unset CHECKPOINT_SIZE" in capsys.readouterr().err


def test_timings_of_another_speed_are_brought_to_one(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "TIMINGS", tmp_path / "timings.json")
    slow, fast = {"training": 10.0, "python": 5.0}, {"training": 20.0, "python": 5.0}
    run.save_timings({"a": 30.0, "b": 10.0}, 10.0, slow)
    run.save_timings({"b": 4.0}, 9.0, fast)
    assert json.loads((tmp_path / "timings.json").read_text()) == {
        "speeds": fast, "seconds": {"a": 20.0, "b": 4.0}, "startup": 9.0,
    }


def test_the_imports_by_which_starting_up_is_measured_work():
    exec(run.IMPORTS, {})
