"""A class without a network: installing from a pack, and what stops it."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PureWindowsPath

import pytest
import tiny_index
from tiny_pack import PYTHON, change_manifest, installation, wheels_of

from helpers import checkpoints
from helpers.errors import LearnerError
from tools import install, pack

pytest_plugins = ["tiny_pack"]


def test_a_tiny_pack_installs_and_a_second_run_keeps_what_the_learner_changed(packed, tmp_path):
    folder = tmp_path / "Käthes Kurs"
    before = {p: p.stat().st_mtime_ns for p in packed.rglob("*")}
    done = installation(packed, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ready." in done.stdout
    assert f'cd "{folder}"' in done.stdout
    assert {p: p.stat().st_mtime_ns for p in packed.rglob("*")} == before

    (folder / "notebooks" / "00.ipynb").write_text("my notes")
    (folder / "requirements.txt").unlink()
    # As pip leaves a package when it is killed: metadata, some files, the wheel's own RECORD;
    # and as venv leaves an environment.
    site = next((folder / ".venv").glob("**/site-packages"))
    (site / "tiny.py").unlink()
    (site / "tiny-1.0.dist-info" / "RECORD").write_text("tiny.py,,\n")
    done = installation(packed, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kept as you changed it: notebooks/00.ipynb" in done.stdout
    assert (folder / "notebooks" / "00.ipynb").read_text() == "my notes"
    assert (folder / "requirements.txt").is_file()
    assert (site / "tiny.py").is_file()

    (folder / ".venv" / "pyvenv.cfg").unlink()
    install.python_of(folder).unlink()
    assert installation(packed, folder).returncode == 0
    assert install.python_of(folder).is_file()


def test_a_newer_commit_replaces_only_what_the_learner_left_alone(
    tmp_path, packed, repository, capsys
):
    folder = tmp_path / "folder"
    install.unpack(packed / "repository.zip", folder)
    (folder / "notebooks" / "00.ipynb").write_text("my notes")
    for name in ("00.ipynb", "01.ipynb"):
        (repository / "notebooks" / name).write_text("second edition")
    tiny_index.require(repository, ["leaf==2.0"])
    (repository / "notebooks" / "01.ipynb").write_text("not committed")
    pack.pack(packed)
    assert wheels_of(packed) == ["leaf-2.0"]
    assert "commit it: notebooks/01.ipynb" in capsys.readouterr().out
    assert install.unpack(packed / "repository.zip", folder) == ["notebooks/00.ipynb"]
    assert (folder / "notebooks" / "00.ipynb").read_text() == "my notes"
    assert (folder / "notebooks" / "01.ipynb").read_text() == "second edition"


def test_an_interruption_says_how_to_go_on(packed, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(install, "make_environment", interrupted)
    assert install.main([str(tmp_path / "folder")], pack=packed) == 130
    assert "goes on" in capsys.readouterr().err
    assert installation(packed, tmp_path / "folder").returncode == 0


FAULTS = {  # what is done to a pack, or which fields of its manifest are changed; and what is said
    "damaged wheel": (lambda p: (p / "wheels" / "tiny-1.0-py3-none-any.whl").write_bytes(b"PK"),
                      "tiny-1.0-py3-none-any.whl is missing in the pack or damaged"),
    "missing wheel": (lambda p: (p / "wheels" / "leaf-1.0-py3-none-any.whl").unlink(),
                      "leaf-1.0-py3-none-any.whl is missing in the pack or damaged"),
    "half a pack": ({"complete": False}, "`python -m helpers pack` again"),
    "half a copy": (lambda p: (p / "manifest.json").unlink(), "copy the whole folder"),
    "half a manifest": (lambda p: (p / "manifest.json").write_text('{"form'), "n is damaged"),
    "no manifest": (lambda p: (p / "manifest.json").write_text("[1]"), "n is damaged"),
    "another format": ({"format": 0}, "of another version"),
    "another platform": ({"platform": "amiga-68k"}, "this pack is for amiga-68k"),
    "another Python": ({"python": "3.99"}, "this pack is for Python 3.99"),
    "old system": ({"needs": {"glibc": "9.99", "macOS": "99.0"}}, "or newer; this system has"),
    "other folder": (lambda p: shutil.copytree(p / "wheels", p.parent / "folder"),
                     "not empty and not from an earlier call"),
    "full disk": ({"installed_bytes": 10**18}, "GB are needed"),
    "file outside": ({"files": {"../../secret": ""}}, "outside of its folder"),
    "wheel outside": ({"wheels": ["/tmp/pip-1-py3-none-any.whl"]}, "outside of its folder"),
    "checkpoint outside": (
        {"checkpoints": [{"model_id": "a/b", "revision": "../../..", "files": []}]},
        "outside of its folder",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_pack_stops_with_one_line_and_installs_nothing(packed, tmp_path, fault):
    change, message = FAULTS[fault]
    if fault == "old system" and os.name == "nt":
        pytest.skip("Windows has no such limit")
    if callable(change):
        change(packed)
    else:
        change_manifest(packed, **change)
    before = sorted(tmp_path.rglob("*"))
    done = installation(packed, tmp_path / "folder")
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["../up", "a/../../up", "/etc/x", "C:/x", "C:x", "..\\up",
                                  "\\\\server\\share\\x", "x:stream", ""])
def test_no_name_leads_out_of_its_folder(name):
    with pytest.raises(install.Stop, match="outside of its folder"):
        install.refuse_outside(["notebooks/00.ipynb", "..hidden/a..b", name], "the zip")


def test_a_zip_that_leads_out_of_its_folder_is_refused_whole_and_a_link_is_plain_text(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "repository.zip", "w") as archive:
        archive.writestr(link, "../elsewhere")
    install.unpack(tmp_path / "repository.zip", tmp_path / "folder")
    assert not (tmp_path / "folder" / "link").is_symlink()
    with zipfile.ZipFile(tmp_path / "repository.zip", "a") as archive:
        archive.writestr("../up.txt", "bad")
    with pytest.raises(install.Stop, match=r"repository.zip .*Nothing of it was used"):
        install.unpack(tmp_path / "repository.zip", tmp_path / "deep" / "other")
    assert {path.name for path in tmp_path.iterdir()} == {"repository.zip", "folder"}


@pytest.mark.parametrize("path", [r"E:\bert", "E:\\", "E:bert", r"\\server\share\bert"])
def test_a_drive_that_is_not_there_is_named(path, monkeypatch):
    monkeypatch.setattr(PureWindowsPath, "exists", lambda path: False, raising=False)
    with pytest.raises(install.Stop, match=r"there is no drive (E:|\\\\server\\share)\. Name"):
        install.check_space(PureWindowsPath(path), 0)


@pytest.mark.parametrize("minor", [6, 8, 10])
def test_a_python_too_old_can_read_the_installer(minor):
    ast.parse(Path(install.__file__).read_text(encoding="utf-8"), feature_version=(3, minor))


def test_an_old_python_is_told_which_one_it_takes(original, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 8, 18, "final", 0))
    monkeypatch.setattr(install.platform, "python_version", lambda: "3.8.18")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(install.Stop, match=f"this is Python 3.8.18.*python{PYTHON} inst"):
        install.fitting_target(install.read_manifest(original / "pack"), original / "pack")


def test_a_machine_without_a_fitting_python_is_sent_to_the_installers_of_the_pack(
    packed, monkeypatch
):
    change_manifest(packed, python="3.99")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for source in ("https://www.python.org/downloads/.", f"{packed / 'python'}."):
        with pytest.raises(install.Stop) as stop:
            install.fitting_target(install.read_manifest(packed), packed)
        assert str(stop.value).endswith(f"Python 3.99 from {source}")
        (packed / "python").mkdir(exist_ok=True)


def test_a_python_without_venv_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "venv", None)
    with pytest.raises(install.Stop, match="sudo apt install python3-venv"):
        install.make_environment(tmp_path, tmp_path / "python")


def test_what_pip_says_went_wrong_is_passed_on(packed, tmp_path):
    wheel = tiny_index.wheel(packed / "wheels", "tiny", requires=["forgotten"])
    files = install.read_manifest(packed)["files"]
    change_manifest(packed, files={**files, f"wheels/{wheel.name}": install.sha256(wheel)})
    done = installation(packed, tmp_path / "folder")
    assert done.returncode == 1
    assert "No matching distribution found for forgotten" in done.stderr


def test_a_path_too_long_for_windows_is_said_before(monkeypatch, tmp_path):
    stops = pytest.raises(install.Stop, match=r"py install.py C:\\bert")
    with monkeypatch.context() as patch, stops:
        patch.setattr(install.os, "name", "nt")
        install.check_length(tmp_path / ("deep" * 20), {"longest_path": 200})


# Checkpoints


def test_checkpoints_are_carried_from_cache_to_cache(tmp_path, repository, monkeypatch, capsys):
    from huggingface_hub import try_to_load_from_cache

    entry = checkpoints.CATALOGUE["bert", "full"]
    snapshot = tmp_path / "mine"
    (snapshot / "blobs").mkdir(parents=True)
    for name in entry.files:  # with links, as the Hub's client keeps them
        (snapshot / "blobs" / name).write_text(f"content of {name}")
        os.symlink(f"blobs/{name}", snapshot / name)
    found = checkpoints.Checkpoint("bert", "full", snapshot, "cache", entry.model_id,
                                   entry.revision)
    monkeypatch.setattr(checkpoints, "at_hand", lambda name, size: name in ("bert", "bert-mlm"))
    monkeypatch.setattr(checkpoints, "find", lambda name, size: found)
    pack.pack(tmp_path / "pack")
    assert "openai-community/gpt2 is not in the Hub's cache" in capsys.readouterr().out
    manifest = install.read_manifest(tmp_path / "pack")
    # "bert" and "bert-mlm" are one model
    assert [model["model_id"] for model in manifest["checkpoints"]] == [entry.model_id]

    theirs = tmp_path / "theirs"
    monkeypatch.setenv("HF_HUB_CACHE", str(theirs))
    for _ in range(2):
        install.copy_checkpoints(tmp_path / "pack", manifest, Path(sys.executable))
        for name in entry.files:
            path = try_to_load_from_cache(
                entry.model_id, name, revision=entry.revision, cache_dir=theirs
            )
            assert Path(path).read_text() == f"content of {name}"
    assert capsys.readouterr().out.count(f"Copying {entry.model_id}") == 1

    monkeypatch.setattr(checkpoints, "at_hand", lambda name, size: False)
    pack.pack(tmp_path / "pack")  # once more, without it
    assert not [p for p in tmp_path.glob("pack/checkpoints/**/*") if p.is_file()]


# The real thing

ISOLATED = """
import fcntl, os, socket, struct, subprocess, sys
with socket.socket() as lo:  # SIOCSIFFLAGS, up and running: Jupyter's kernels talk over it
    fcntl.ioctl(lo, 0x8914, struct.pack("16sh", b"lo", 0x41))
pack = sys.argv[1]
subprocess.run(["mount", "--bind", pack, pack], check=True)
subprocess.run(["mount", "-o", "remount,bind,ro", pack], check=True)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def isolated(pack, *command, **options):
    """Run a command without a network and with the pack read-only."""
    return subprocess.run(
        ["unshare", "-rnm", sys.executable, "-c", ISOLATED, str(pack), *command],
        capture_output=True, encoding="utf-8", check=False, **options,
    )


@pytest.mark.slow
def test_the_real_pack_installs_without_a_network_and_trains(tmp_path, monkeypatch):
    if not shutil.which("unshare") or isolated(tmp_path, "true").returncode:
        pytest.skip("this system gives no network namespace (Linux: unshare -rnm)")
    stick, home = tmp_path / "Stick für alle", tmp_path / "Zuhause von Käthe"
    try:
        pack.pack(stick)
    except LearnerError as error:
        if "no connection" in str(error) or "cannot be reached" in str(error):
            pytest.skip(f"packing needs the package indexes: {error}")
        raise
    home.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "PYTHON"))}
    environment |= {"HOME": str(home), "PYTHONUTF8": "1"}
    network = "import socket; socket.create_connection(('pypi.org', 443), timeout=5)"
    assert isolated(stick, sys.executable, "-c", network).returncode
    done = isolated(stick, sys.executable, str(stick / "install.py"), env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ready." in done.stdout
    folder = home / install.FOLDER_NAME
    done = isolated(stick, str(install.python_of(folder)), "-m", "helpers", "run", "03",
                    env=environment, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
