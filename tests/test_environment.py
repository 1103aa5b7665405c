"""Where the commands install and start: which Python they take, make, mend or refuse."""

import importlib.util
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import folder_server
import pytest
import tiny_index

import helpers.__main__ as commands
from helpers import environment, network, paths, requirements
from helpers.errors import LearnerError

HERE = sys.version_info[:2]
STUB = "import json, os, sys; print(json.dumps([sys.prefix, sys.argv[1:], os.getcwd()]))"
DIRECTED = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_PROXY")


# Real environments, of a project that needs two tiny packages


@pytest.fixture(scope="session")
def bare_python():
    """A Python outside of all environments, as a learner has who has just installed it."""
    python = getattr(sys, "_base_executable", sys.executable)
    program = "from helpers import environment as e; print(e.is_active() or e.is_base())"
    done = subprocess.run([python, "-c", program], cwd=paths.ROOT, capture_output=True, text=True,
                          check=True, env={**os.environ, "PYTHONPATH": ""})
    if done.stdout.strip() == "True":
        pytest.skip("this Python comes from conda")
    return python


@pytest.fixture(scope="session")
def made(tmp_path_factory, bare_python):
    """A project whose `run` prints where it runs, an index of what it needs, and its first run."""
    folder = tmp_path_factory.mktemp("made")
    project, index = folder / "Käthes Kurs", folder / "index"
    index.mkdir()
    shutil.copytree(paths.ROOT / "helpers", project / "helpers",
                    ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(paths.ROOT / "pyproject.toml", project)
    (project / "tools").mkdir()
    (project / "tools" / "run.py").write_text(STUB)
    for name in ("tiny", requirements.PROJECT):
        tiny_index.wheel(index, name)
    (project / "requirements.txt").write_text(f"tiny==1.0\n{requirements.PROJECT}\n")
    return folder, run(bare_python, project, "00", "--save")


@pytest.fixture
def project(made, tmp_path):
    """A copy of that project, with its environment, and of the index; this test's own."""
    shutil.copytree(made[0], tmp_path / "copy", symlinks=True)
    return tmp_path / "copy" / "Käthes Kurs"


def run(python, project, *arguments, **variables):
    """Give the command `run` as a learner does; returns the process that has ended."""
    kept = {k: v for k, v in os.environ.items()
            if not k.startswith(("PIP_", "PYTHON")) and k != "VERSIONS"}
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(project.parent / "index"),
           "PIP_CONFIG_FILE": os.devnull, "PYTHONUTF8": "1"}
    return subprocess.run([python, "-m", "helpers", "run", *arguments], cwd=project, check=False,
                          capture_output=True, encoding="utf-8", env=kept | pip | variables)


def where(done):
    """Return what the stub printed: prefix, arguments, current folder."""
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_bare_python_makes_an_environment_once_installs_into_it_and_starts_in_it(
    made, project, bare_python
):
    _, first = made
    assert [Path(p).name for p in where(first)[::2]] == [".venv", "Käthes Kurs"]
    assert where(first)[1] == ["00", "--save"]
    assert "Making an environment for the notebooks: " in first.stdout
    assert f"Installing tiny, {requirements.PROJECT}\n" in first.stdout
    again = run(bare_python, project)
    assert where(again)[0] == str(project / ".venv")
    assert again.stdout.count("\n") == 1, "nothing is made or installed a second time"
    inside = run(environment.python_of(project / ".venv"), project)
    assert inside.stdout == again.stdout


def test_an_installation_that_was_cut_off_is_completed(project, bare_python):
    site = next((project / ".venv").glob("**/site-packages"))
    shutil.rmtree(site / "pip" / "_internal")
    for record in [*site.glob("pip-*.dist-info"), *site.glob("tiny-*.dist-info")]:
        shutil.rmtree(record)
    done = run(bare_python, project)
    assert where(done)[0] == str(project / ".venv")
    assert "Installing tiny\n" in done.stdout


def test_with_the_installed_versions_nothing_is_made(project, bare_python):
    shutil.rmtree(project / ".venv")
    done = run(bare_python, project, VERSIONS="installed")
    assert done.returncode == 1
    assert "VERSIONS is set, so nothing was installed." in done.stderr
    assert not (project / ".venv").exists()


def test_what_pip_says_is_followed_by_where_to_look_it_up(project, bare_python):
    (project.parent / "index" / "tiny-1.0-py3-none-any.whl").unlink()
    shutil.rmtree(next((project / ".venv").glob("**/tiny-*.dist-info")))
    done = run(bare_python, project)
    assert done.returncode == 1
    assert "No matching distribution found for tiny==1.0" in done.stderr
    assert "SETUP.md lists what pip says" in done.stderr.splitlines()[-1]


# Which Python, and what is refused


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """This Python plays a bare one that lacks torch, in a project of its own."""
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "run.py").touch()
    monkeypatch.setattr(requirements, "missing", lambda: ["torch"])
    monkeypatch.setattr(environment, "is_active", lambda: False)
    monkeypatch.setattr(environment, "is_base", lambda: False)
    monkeypatch.delenv("VERSIONS", raising=False)
    return monkeypatch


@pytest.fixture
def started(bare):
    """What the commands start: (module, the options of `start`)."""
    calls = []
    bare.setattr(commands, "start", lambda *a, **options: calls.append((a, options)) or 7)
    return calls


def of_version(bare, version):
    bare.setattr(environment, "version_of", lambda python: version)


def test_every_command_starts_in_an_environment_that_is_there(started, bare):
    of_version(bare, HERE)
    python = environment.python_of(paths.ROOT / ".venv")
    for command in commands.PROGRAMS:
        assert commands.main([command, "word"]) == 7
        assert started.pop() == (("helpers", command, "word"), {"python": python})


@pytest.mark.parametrize("fact", ["is_active", "as_installed", "missing"])
def test_an_active_environment_or_a_complete_python_is_used_as_it_is(fact, started, bare):
    of_version(bare, HERE)
    holder = environment if fact == "is_active" else requirements
    bare.setattr(holder, fact, lambda: fact != "missing" or [])
    assert environment.other(make=True) is None


def test_what_needs_no_packages_and_help_make_no_environment(started):
    assert commands.main(["stamp"]) == 7
    assert started == [(("tools.stamp",), {})]
    assert commands.main(["lab", "--help"]) == 0
    assert not (paths.ROOT / ".venv").exists()


def base(bare):
    bare.setattr(environment, "is_base", lambda: True)
    return (f"conda create -n bert python={requirements.PYTHONS[-1]}", "conda activate bert",
            "python -m helpers lab")


def debian(bare):
    real = importlib.util.find_spec
    bare.setattr(importlib.util, "find_spec",
                 lambda name: None if name == "ensurepip" else real(name))
    return "lacks its module ensurepip", "sudo apt install python{}.{}-venv".format(*HERE)


def of_an_old_python(bare):
    of_version(bare, (3, 9))
    return "of Python 3.9", f"one of 3.11 to {requirements.PYTHONS[-1]}: delete that folder"


def something_else(bare):
    (paths.ROOT / ".venv").mkdir()
    (paths.ROOT / ".venv" / "diary.txt").touch()
    return ".venv is there and is no environment of Python: move it away",


def a_file(bare):
    (paths.ROOT / ".venv").touch()
    return ".venv is there and is no environment of Python",


def unwritable(bare):
    bare.setattr(environment, "folder", lambda: paths.ROOT / "tools" / "run.py" / ".venv")
    return "could not be made: ", "into a folder of your own"


@pytest.mark.parametrize("what", [base, debian, of_an_old_python, something_else, a_file,
                                  unwritable])
def test_where_no_environment_can_be_had_one_sentence_says_what_to_type(
    what, started, bare, capsys
):
    expected = what(bare)
    before = sorted(paths.ROOT.rglob("*"))
    assert commands.main(["lab"]) == 2
    said = capsys.readouterr().err
    for words in expected:
        assert words in said
    assert said.count("\n") == 1
    assert started == []
    assert sorted(paths.ROOT.rglob("*")) == before


def test_an_environment_whose_python_is_gone_is_made_anew(bare, capsys):
    python = environment.other(make=True)
    assert environment.version_of(python) == HERE
    (paths.ROOT / ".venv" / "leftover").touch()
    python.unlink()
    assert environment.other(make=False) is None
    assert environment.version_of(environment.other(make=True)) == HERE
    assert not (paths.ROOT / ".venv" / "leftover").exists()
    assert "anew, since its Python does not start" in capsys.readouterr().out


def test_a_newer_python_than_tested_keeps_the_environment_that_it_made(bare):
    of_version(bare, (3, 99))
    with pytest.raises(LearnerError, match=r"of Python 3\.99"):
        environment.other(make=True)
    bare.setattr(sys, "version_info", (3, 99, 0))
    assert environment.other(make=True)
    assert environment.doubt().endswith(f"newer than tested: take {requirements.PYTHONS[-1]}.")


@pytest.mark.parametrize(("file", "venv", "state"), [
    ("condabin/conda", False, "base"), ("condabin/conda", True, "active"),
    ("conda-meta/history", False, "active"),  # another environment of conda's
    ("EXTERNALLY-MANAGED", False, "bare"), ("EXTERNALLY-MANAGED", True, "active"),
    ("python", False, "bare"),  # a Python of one's own
])
def test_environments_are_told_apart(file, venv, state, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", "elsewhere" if venv else str(tmp_path))
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    (tmp_path / "conda-meta").mkdir(exist_ok=True) if "conda" in file else None
    assert environment.is_base() == (state == "base")
    assert environment.is_active() == (state == "active")


# What is installed


def test_an_environment_whose_pip_cannot_be_mended_is_to_be_deleted(monkeypatch):
    failed = subprocess.CompletedProcess([], 1)
    monkeypatch.setattr(subprocess, "run", lambda *a, **_: failed)
    with pytest.raises(LearnerError, match="has no pip that works: delete that folder"):
        environment.check_pip()


@pytest.mark.parametrize(("build", "machine", "named"), [
    ("macosx-10.9-universal2", "x86_64", "macosx-x86_64"), ("win-arm64", "ARM64", "win-arm64"),
    ("win32", "AMD64", "win32"), ("linux-armv7l", "armv7l", "linux-armv7l"),
    ("linux-x86_64", "x86_64", None), ("linux-aarch64", "aarch64", None),
    ("macosx-11.0-arm64", "arm64", None), ("macosx-10.9-universal2", "arm64", None),
    ("win-amd64", "ARM64", None),  # which Windows on ARM emulates
])
def test_a_machine_for_which_there_is_no_torch_is_named_with_where_to_read_on(
    build, machine, named, monkeypatch
):
    monkeypatch.setattr(sysconfig, "get_platform", lambda: build)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    if named is None:
        environment.check_machine()
        return
    with pytest.raises(LearnerError, match=rf"\({named}\): SETUP.md .* under \"What cannot work"):
        environment.check_machine()


@pytest.fixture
def undirected(monkeypatch, tmp_path):
    """A Linux without NVIDIA's driver, whose pip looks on PyPI."""
    for name in DIRECTED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(environment, "has_driver", lambda: False)
    monkeypatch.setattr(requirements, "CPU_INDEX", "https://index.invalid/whl/cpu")
    return monkeypatch


@pytest.fixture
def served(tmp_path, undirected):
    """A folder that a server on this machine serves, as PyPI and as PyTorch's index."""
    for place in ("simple/torch", "whl/cpu/torch"):
        (tmp_path / "served" / place).mkdir(parents=True)
    with folder_server.serving(tmp_path / "served") as root:
        undirected.setattr(requirements, "CPU_INDEX", f"{root}/whl/cpu")
        yield tmp_path / "served", root


@pytest.mark.parametrize("build", [None, "cpu", "gpu"])
def test_pip_takes_the_build_for_cpus_from_its_index_unless_the_other_is_wanted(
    build, served, tmp_path
):
    folder, root = served
    tiny_index.wheel(folder / "simple" / "torch", "torch")
    tiny_index.wheel(folder / "whl" / "cpu" / "torch", "torch", "1.0+cpu")
    index = environment.torch_index(build)
    extra = ["--extra-index-url", index] if index else []
    command = [sys.executable, "-m", "pip", "download", "-q", "torch==1.0", "--dest", tmp_path,
               "--index-url", f"{root}/simple", *extra]
    subprocess.run(command, check=True)
    found = [path.name for path in tmp_path.glob("*.whl")]
    assert found == [f"torch-1.0{'' if build == 'gpu' else '+cpu'}-py3-none-any.whl"]
    expected = requirements.SIZES["linux with CUDA" if build == "gpu" else "linux"]
    assert environment.sizes(index) == [expected]


def card(patch):
    patch.setattr(environment, "has_driver", lambda: True)


def variable(patch):
    patch.setenv("PIP_EXTRA_INDEX_URL", "https://mirror.example.org/simple")


def configuration(patch):
    file = Path(os.environ["HOME"]) / "pip.ini"
    file.write_text("[global]\nindex-url = https://mirror.example.org/simple\n")
    patch.setenv("PIP_CONFIG_FILE", str(file))


@pytest.mark.parametrize("reason", [card, variable, configuration])
def test_nobody_is_asked_where_there_is_a_card_or_pip_has_been_told_where_to_look(
    reason, served, undirected
):
    reason(undirected)
    with undirected.context() as patch:
        patch.setattr(network, "problem", lambda *_: pytest.fail("asked"))
        assert environment.torch_index() is None
    assert len(environment.sizes()) == 1 + (reason is not card)
    assert environment.torch_index("cpu") == requirements.CPU_INDEX


def test_the_driver_of_a_card_is_seen(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(environment, "DRIVER", (str(tmp_path / "nvidia"),))
    assert not environment.has_driver()
    (tmp_path / "nvidia").mkdir()
    assert environment.has_driver()
    monkeypatch.setattr(environment, "DRIVER", ())
    monkeypatch.setattr(shutil, "which", lambda name: name)
    assert environment.has_driver()


def hanging_server(patch):
    silent = socket.create_server(("127.0.0.1", 0))
    patch.setattr(requirements, "CPU_INDEX", f"http://127.0.0.1:{silent.getsockname()[1]}")
    return silent  # which lives as long as somebody holds it


def hanging_names(patch):
    patch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(60))


def nobody(patch):
    patch.setattr(requirements, "CPU_INDEX", "http://127.0.0.1:9/whl/cpu")


@pytest.mark.parametrize("fault", [hanging_server, hanging_names, nobody])
def test_an_index_that_does_not_answer_costs_no_more_than_its_seconds(fault, undirected):
    undirected.setattr(environment, "INDEX_SECONDS", 0.2)
    undirected.setattr(environment, "pip_is_directed", lambda: False)
    held = fault(undirected)
    before = time.monotonic()
    assert environment.torch_index() is None
    with pytest.raises(LearnerError, match=r"does not answer: .*leave --cpu out"):
        environment.torch_index("cpu")
    assert time.monotonic() - before < 3
    del held


def test_elsewhere_than_on_linux_there_is_one_build(undirected):
    undirected.setattr(sys, "platform", "darwin")
    assert environment.torch_index() is environment.torch_index("cpu") is None
    with pytest.raises(LearnerError, match="--gpu is for Linux"):
        environment.torch_index("gpu")
    assert environment.sizes() == [environment.size(cuda=True)]


@pytest.fixture
def installing(started, bare):
    """An environment that lacks torch and has a pip that works; nothing is really installed."""
    bare.setattr(environment, "is_active", lambda: True)
    bare.setattr(environment, "check_pip", lambda: None)
    bare.setattr(environment, "torch_index", lambda build: f"index for {build}")
    bare.setattr(requirements, "installed", lambda name: None)
    return started


def test_download_and_disk_are_told_before_anything_is_installed(installing, capsys):
    assert commands.main(["lab", "--no-browser", "--gpu", "--cpu"]) == 7
    assert installing == [(("pip", "install", "-r", "requirements.txt", "--extra-index-url",
                            "index for cpu"), {"folder": paths.ROOT})]
    size = environment.size(cuda=False)
    assert (f"About {size.download} GB to download; with it, {size.disk:.1f} GB of disk"
            in capsys.readouterr().out)


def test_an_index_is_asked_for_torch_alone(installing, bare):
    bare.setattr(requirements, "missing", lambda: ["ruff"])
    commands.main(["test"])
    assert installing == [(("pip", "install", "-r", "requirements.txt"), {"folder": paths.ROOT})]


def test_too_small_a_disk_is_told_before_anything_is_downloaded(installing, bare, capsys):
    usage = shutil.disk_usage(paths.ROOT)._replace(free=1.5e9)
    bare.setattr(shutil, "disk_usage", lambda path: usage)
    assert commands.main(["lab"]) == 2
    said = capsys.readouterr().err
    assert f"needs {environment.size(cuda=False).disk:.1f} GB of disk" in said
    assert "there are 1.5 GB free" in said
    assert installing == []


@pytest.mark.parametrize(("wish", "version", "said"), [
    ("--gpu", "1.0+cpu", True), ("--cpu", "1.0", True), ("--cpu", "1.0+cpu", False),
    ("--gpu", "1.0", False),
])
def test_a_wish_that_comes_too_late_is_said_and_none_is_passed_on(
    wish, version, said, installing, undirected, capsys
):
    undirected.setattr(requirements, "missing", list)
    undirected.setattr(requirements.metadata, "version", lambda name: version)
    assert commands.main(["lab", "--no-browser", wish]) == 7
    assert installing == [(("jupyter", "lab", "notebooks", "--no-browser"),
                           {"folder": paths.ROOT})]
    assert ("came too late" in capsys.readouterr().out) == said
