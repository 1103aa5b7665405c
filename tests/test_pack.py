"""A class without a network: what is packed, what refuses, and a real installation offline."""

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path, PureWindowsPath

import pytest
import tiny_index

from helpers import checkpoints, paths, requirements
from helpers.errors import LearnerError
from tools import install, lock, pack

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
LOCK = (paths.ROOT / lock.FILE).read_text(encoding="utf-8")
TARGETS = [lock.Target(platform, python) for platform in lock.PLATFORMS.values()
           for python in requirements.PYTHONS]
GPU = lock.Target(lock.PLATFORMS["linux-x86_64"], "3.12", gpu=True)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A tiny index, a tiny repository and a pack of it, made once."""
    folder = tmp_path_factory.mktemp("original")
    (folder / "index").mkdir()
    for name, version in (("leaf", "1.0"), ("leaf", "2.0"), ("win-only", "1.0")):
        tiny_index.wheel(folder / "index", name, version)
    tiny_index.wheel(folder / "index", "tiny",
                     requires=["leaf>=1", "win-only; sys_platform == 'win32'"])
    tiny_index.pip_wheel(folder / "index")
    (folder / "repository" / "notebooks").mkdir(parents=True)
    for name in ("notebooks/00.ipynb", "notebooks/01.ipynb"):
        (folder / "repository" / name).write_text("as delivered\n")
    tiny_index.require(folder / "repository", ["tiny==1.0"],
                       ["leaf==1.0", "win-only==1.0 ; sys_platform == 'win32'"])
    with pytest.MonkeyPatch.context() as patch:
        use(folder, patch)
        pack.pack(folder / "pack")
    return folder


def use(folder, patch):
    """Let pip read the tiny index of a folder, and packing the tiny repository."""
    patch.setenv("PIP_NO_INDEX", "1")
    patch.setenv("PIP_FIND_LINKS", (folder / "index").as_uri())
    patch.setenv("PIP_CONFIG_FILE", os.devnull)
    patch.setattr(paths, "ROOT", folder / "repository")
    patch.setattr(requirements, "FILE", folder / "repository" / "requirements.txt")
    patch.setattr(checkpoints, "at_hand", lambda name, size: False)


@pytest.fixture
def repository(original, tmp_path, monkeypatch):
    """The tiny repository, in use, with the index beside it; both are this test's own."""
    for part in ("index", "repository"):
        shutil.copytree(original / part, tmp_path / part)
    use(tmp_path, monkeypatch)
    return tmp_path / "repository"


@pytest.fixture
def index(repository):
    return repository.parent / "index"


@pytest.fixture
def packed(original, tmp_path):
    """The tiny pack in a folder whose name has a space and an umlaut, this test's own."""
    return Path(shutil.copytree(original / "pack", tmp_path / "Stick für alle"))


def change_manifest(folder, **fields):
    """Change fields of a pack's manifest, or else of its only target."""
    manifest = install.read_manifest(folder)
    for field, value in fields.items():
        (manifest if field in manifest else manifest["targets"][0])[field] = value
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def wheels_of(folder):
    return sorted("-".join(path.name.split("-")[:2]) for path in (folder / "wheels").iterdir()
                  if not path.name.startswith("pip-"))


def installation(pack, folder):
    """Run the pack's own installer as a learner does."""
    return subprocess.run([sys.executable, str(pack / "install.py"), str(folder)],
                          capture_output=True, encoding="utf-8", check=False)


# The lock


def test_the_lock_has_every_pinned_version_and_nothing_else_but_installers_and_systems_own():
    pins = requirements.pinned() | requirements.pinned(paths.ROOT / "constraints.txt")
    assert lock.out_of_date(LOCK, pins) == []
    names = {lock.normalized(name) for name in pins}
    lines = [line for line in LOCK.splitlines() if not line.startswith("#")]
    others = [line for line in lines if line.partition("==")[0] not in names]
    assert [line.partition("==")[0] for line in others if ";" not in line] == ["pip", "setuptools"]


def test_everything_that_the_locked_packages_require_here_is_locked():
    from packaging.requirements import Requirement

    here = [t for t in TARGETS if (t.platform.name, t.python) == (install.this_platform(), PYTHON)]
    if not here:
        pytest.skip("nothing is packed for this kind of machine")
    names = {line.partition("==")[0] for line in lock.locked(here[0], LOCK)}
    for name in names - {"pip", "setuptools"}:
        for requirement in map(Requirement, metadata.requires(name) or ()):
            if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
                assert lock.normalized(requirement.name) in names, f"{name} needs {requirement}"


@pytest.mark.parametrize("target", [*TARGETS, GPU], ids=str)
def test_each_target_gets_its_own_packages_and_cuda_only_for_a_gpu(target):
    lines = lock.locked(target, LOCK)
    names = [line.partition("==")[0] for line in lines]
    assert len(set(names)) == len(lines) > 100
    assert {"torch", "pip", "setuptools"} <= set(names)
    system = target.platform.name.partition("-")[0]
    assert ("pywinpty" in names) == ("colorama" in names) == (system == "windows")
    assert ("appnope" in names) == (system == "macos")
    assert ("overrides" in names) == (target.python == "3.11")
    assert ("nvidia-cublas" in names) == ("triton" in names) == target.gpu
    build = "+cpu" if system == "linux" and not target.gpu else ""
    assert f"torch=={requirements.pinned()['torch']}{build}" in lines


FAKE_UV = """
import sys
file = [a for a in sys.argv if a.startswith("--output-file=")]
if file:
    open(file[0].partition("=")[2], "a").write(sys.stdin.read())
sys.exit("no such wheel" if "--python-version={fails}" in sys.argv else 0)
"""


def test_a_lock_is_replaced_only_if_all_its_wheels_exist(repository):
    before = (repository / lock.FILE).read_text()
    (repository / "uv.py").write_text(FAKE_UV.replace("{fails}", requirements.PYTHONS[-1]))
    with pytest.raises(LearnerError, match=r"stays as it was(?s:.*)no such wheel"):
        lock.make()
    assert (repository / lock.FILE).read_text() == before
    (repository / "uv.py").write_text(FAKE_UV)
    lock.make()
    assert (repository / lock.FILE).read_text() == f"{before}pip"


# Packing


def test_a_pack_holds_what_the_lock_names_and_nothing_that_its_manifest_does_not(original):
    packed = original / "pack"
    assert wheels_of(packed) == ["leaf-1.0", "tiny-1.0"]
    manifest = install.read_manifest(packed)
    assert manifest["complete"]
    everything = {p.relative_to(packed).as_posix(): p for p in packed.rglob("*") if p.is_file()}
    del everything["manifest.json"]
    assert {name: install.sha256(p) for name, p in everything.items()} == manifest["files"]
    assert f"Python {PYTHON}" in (packed / "README.txt").read_text(encoding="utf-8")


TAGS = {
    "linux-x86_64": "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "linux-aarch64": "cp39-abi3-manylinux_2_28_aarch64",
    "macos-arm64": "py3-none-macosx_10_9_universal2",
    "windows-x86_64": "cp312-cp312-win_amd64",
}
UNFIT = ["cp312-cp312-manylinux_2_39_x86_64", "cp313-cp313-win_amd64", "cp312-cp312-win32",
         "cp312-cp312-macosx_15_0_arm64"]


def test_each_machine_gets_the_wheel_that_it_can_run(index, repository, tmp_path):
    for tag in [*TAGS.values(), *UNFIT]:
        tiny_index.wheel(index, "compiled", tag=tag)
    tiny_index.require(repository, ["compiled==1.0"], ["win-only==1.0 ; os_name == 'nt'"])
    arguments = [str(tmp_path / "pack"), "--platform", *TAGS, "--python", "3.12"]
    assert pack.main(arguments) == 0
    for target in install.read_manifest(tmp_path / "pack")["targets"]:
        name = target["platform"]
        assert target["wheels"][0] == f"compiled-1.0-{TAGS[name]}.whl"
        assert (len(target["wheels"]) == 3) == (name == "windows-x86_64")
    assert wheels_of(tmp_path / "pack") == ["compiled-1.0"] * 4 + ["win_only-1.0"]


@pytest.mark.parametrize("tags", [[], UNFIT], ids=["no wheel", "none that fits"])
def test_a_wheel_that_does_not_exist_is_named(index, repository, tmp_path, tags):
    for tag in tags:
        tiny_index.wheel(index, "nowhere", tag=tag)
    tiny_index.require(repository, ["nowhere==1.0"])
    with pytest.raises(LearnerError, match=r"no wheel of nowhere==1.0 for linux-x86_64, Python 3"):
        pack.pack(tmp_path / "pack", ["linux-x86_64"], ["3.12"])


def test_torch_for_linux_is_the_cpu_build_unless_a_gpu_is_meant(index, repository, tmp_path):
    tag = "cp312-cp312-manylinux_2_28_x86_64"
    tiny_index.wheel(index, "nvidia-x")
    tiny_index.wheel(index, "torch", requires=["nvidia-x"], tag=tag)
    tiny_index.require(repository, ["torch==1.0"], ["nvidia-x==1.0 ; sys_platform == 'linux'"])
    with pytest.raises(LearnerError, match=r"torch==1.0\+cpu.*was not found.*--gpu"):
        pack.pack(tmp_path / "pack", ["linux-x86_64"], ["3.12"])
    pack.pack(tmp_path / "pack", ["linux-x86_64"], ["3.12"], gpu=True)
    assert wheels_of(tmp_path / "pack") == ["nvidia_x-1.0", "torch-1.0"]
    tiny_index.wheel(index, "torch", "1.0+cpu", tag=tag)
    pack.pack(tmp_path / "pack", ["linux-x86_64"], ["3.12"])
    assert wheels_of(tmp_path / "pack") == ["torch-1.0+cpu"]


@pytest.mark.parametrize("said", [
    "ERROR: Could not install: [Errno 28] No space left on device",
    "ERROR: [WinError 112] There is not enough space on the disk",
    "ChunkedEncodingError: ('Connection broken', OSError(28, 'No space left on device'))",
])
def test_a_disk_that_fills_up_while_pip_downloads_is_said(said):
    assert "the disk is full" in pack._explain(said, TARGETS[0])


@pytest.mark.parametrize(("arguments", "message"), [
    (["--platform", "amiga"], "'amiga'. Known: linux-x86_64"),
    (["--python", "3.9"], "'3.9'. Known: 3.11"),
    (["--platform", "windows-x86_64", "--gpu"], "linux-x86_64 alone"),
])
def test_an_unknown_target_is_refused_in_a_line(arguments, message, tmp_path, capsys):
    assert pack.main([str(tmp_path / "pack"), *arguments]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "pack").exists()


def test_a_damaged_pack_is_repaired_and_what_is_intact_is_not_downloaded_again(packed, index):
    (packed / "wheels" / "tiny-1.0-py3-none-any.whl").write_bytes(b"half a whe")
    (packed / "wheels" / "unknown-1.0-py3-none-any.whl").write_bytes(b"of a killed call")
    (index / "leaf-1.0-py3-none-any.whl").unlink()
    pack.pack(packed)
    assert wheels_of(packed) == ["leaf-1.0", "tiny-1.0"]
    assert install.read_manifest(packed)["complete"]


def test_an_interrupted_packing_goes_on_with_what_it_has(repository, index, tmp_path, monkeypatch):
    def interrupted(target, lines, incoming):
        if lines == ["leaf==1.0"]:
            raise KeyboardInterrupt
        pip(target, lines, incoming)

    pip = pack._run_pip
    monkeypatch.setattr(pack, "AT_ONCE", 1)
    with monkeypatch.context() as patch:
        patch.setattr(pack, "_run_pip", interrupted)
        assert pack.main([str(tmp_path / "pack")]) == 130
    assert not install.read_manifest(tmp_path / "pack")["complete"]
    (index / "tiny-1.0-py3-none-any.whl").unlink()
    assert pack.main([str(tmp_path / "pack")]) == 0
    assert wheels_of(tmp_path / "pack") == ["leaf-1.0", "tiny-1.0"]


def without_network(patch, folder):
    tiny_index.require(folder / "repository", ["not-at-hand==1.0"])
    patch.delenv("PIP_NO_INDEX")
    patch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nobody listens there
    patch.setenv("PIP_RETRIES", "1")


def with_a_small_disk(patch, folder):
    usage = shutil.disk_usage(folder)._replace(free=10**6)
    patch.setattr(shutil, "disk_usage", lambda path: usage)
    patch.setattr(pack, "_run_pip", lambda *_: pytest.fail("downloaded"))


def with_another_lock(patch, folder):
    (folder / "repository" / "requirements.txt").write_text("tiny==2.0\n")


HINDRANCES = {
    "no network": (without_network, "no connection to the package index"),
    "small disk": (with_a_small_disk, "GB are needed. Free some space"),
    "no pip": (lambda patch, folder: patch.setattr(pack, "find_spec", lambda name: None),
               "sudo apt install python3-pip"),
    "no git": (lambda patch, folder: patch.setenv("PATH", str(folder)),
               r"git failed .*https://git-scm.com"),
    "stale lock": (with_another_lock,
                   "lock.txt is out of date: it lacks tiny==2.0. Run python -m tools.lock"),
    "a file": (lambda patch, folder: (folder / "pack").write_text("dear"), "is a file"),
    "other things": (lambda patch, folder: shutil.copytree(folder / "index", folder / "pack"),
                     "not empty and not from an earlier call"),
}


@pytest.mark.parametrize("what", HINDRANCES)
def test_packing_says_what_hinders_it(repository, tmp_path, monkeypatch, what):
    hinder, message = HINDRANCES[what]
    hinder(monkeypatch, tmp_path)
    with pytest.raises(LearnerError, match=message):
        pack.pack(tmp_path / "pack")
    if what == "other things":
        assert os.listdir(tmp_path / "pack") == os.listdir(tmp_path / "index")


# Installing


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
        install.fitting_target(install.read_manifest(original / "pack"))


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
    monkeypatch.setattr(checkpoints, "at_hand", lambda name, size: name == "bert")
    monkeypatch.setattr(checkpoints, "find", lambda name, size: found)
    pack.pack(tmp_path / "pack")
    assert "openai-community/gpt2 is not in the Hub's cache" in capsys.readouterr().out
    manifest = install.read_manifest(tmp_path / "pack")

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
