"""A class without a network: what is locked, what is packed, and what refuses."""

import os
import shutil
from importlib import metadata

import pytest
import tiny_index
from tiny_pack import PYTHON, wheels_of

from helpers import paths, requirements
from helpers.errors import LearnerError
from tools import install, lock, pack

pytest_plugins = ["tiny_pack"]
LOCK = (paths.ROOT / lock.FILE).read_text(encoding="utf-8")
TARGETS = [lock.Target(platform, python) for platform in lock.PLATFORMS.values()
           for python in requirements.PYTHONS]
GPU = lock.Target(lock.PLATFORMS["linux-x86_64"], "3.12", gpu=True)


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


def test_of_what_has_no_wheel_one_is_built_that_serves_every_machine(
    index, repository, tmp_path, monkeypatch
):
    monkeypatch.setattr(lock, "SOURCES", ("written",))
    tiny_index.source(index, "written")
    tiny_index.require(repository, ["written==1.0"])
    pack.pack(tmp_path / "pack", list(lock.PLATFORMS), ["3.12"])
    targets = install.read_manifest(tmp_path / "pack")["targets"]
    assert [t["wheels"][0] for t in targets] == ["written-1.0-py3-none-any.whl"] * 4
    (index / "written-1.0.tar.gz").unlink()
    pack.pack(tmp_path / "pack", list(lock.PLATFORMS), ["3.12"])  # what is there is kept
    assert wheels_of(tmp_path / "pack") == ["written-1.0"]


def test_a_wheel_that_is_built_for_this_machine_alone_is_not_packed(
    index, repository, tmp_path, monkeypatch
):
    monkeypatch.setattr(lock, "SOURCES", ("written",))
    tiny_index.source(index, "written", tag="py3-none-linux_x86_64")
    tiny_index.require(repository, ["written==1.0"])
    with pytest.raises(LearnerError, match=r"written-1.0-py3-none-linux.* was built for this"):
        pack.pack(tmp_path / "pack", ["windows-x86_64"], ["3.12"])
    monkeypatch.setattr(lock, "SOURCES", ())
    with pytest.raises(LearnerError, match=r"no wheel of written==1.0"):
        pack.pack(tmp_path / "other", ["windows-x86_64"], ["3.12"])


def test_only_what_is_pinned_is_built_from_source():
    assert set(lock.SOURCES) <= set(requirements.pinned())


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


def test_installers_of_python_are_left_alone_and_asked_for(repository, tmp_path, capsys):
    pack.pack(tmp_path / "without")
    asked = f"put its installers into {tmp_path / 'without' / 'python'}"
    assert asked in capsys.readouterr().out
    installer = tmp_path / "pack" / "python" / "python-3.14.0-amd64.exe"
    installer.parent.mkdir(parents=True)
    installer.write_bytes(b"MZ" * 10**6)
    for _ in range(2):  # a first pack beside them, and a second call
        pack.pack(tmp_path / "pack")
        assert installer.stat().st_size == 2 * 10**6
        assert "put its installers" not in capsys.readouterr().out
    assert "the folder python" in (tmp_path / "pack" / "README.txt").read_text(encoding="utf-8")
    assert not [n for n in install.read_manifest(tmp_path / "pack")["files"] if "amd64" in n]


def test_installers_of_python_do_not_count_as_parts_of_the_pack_that_are_there(
    tmp_path, monkeypatch
):
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "installer").write_bytes(bytes(10**6))
    asked = []
    monkeypatch.setattr(install, "check_space", lambda folder, needed: asked.append(needed))
    pack._check_space(tmp_path, [GPU], {})
    assert asked == [requirements.SIZES["linux with CUDA"].download * 1e9]


@pytest.mark.parametrize("python", requirements.PYTHONS)
def test_every_tested_python_can_be_packed_for(python):
    assert [t.python for t in pack.targets_named(["macos-arm64"], [python])] == [python]
