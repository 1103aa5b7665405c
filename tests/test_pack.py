"""A class without a network: what is packed, what refuses, and a real installation offline."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny_index

import helpers.__main__ as commands
from helpers import checkpoints, paths, requirements
from tools import install, pack, wheels
from helpers.errors import LearnerError

HERE = install.this_platform()
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A tiny index, a tiny repository and a pack of it, made once."""
    folder = tmp_path_factory.mktemp("original")
    index = folder / "index"
    index.mkdir()
    tiny_index.wheel(index, "tiny", requires=["leaf>=1", "win-only; sys_platform == 'win32'"])
    tiny_index.wheel(index, "leaf", "1.0")
    tiny_index.wheel(index, "leaf", "2.0")
    tiny_index.pip_wheel(index)
    tiny_index.repository(folder / "repository", "tiny==1.0\n", "leaf==1.0\n")
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
def packed(original, repository, tmp_path):
    """The tiny pack in a folder whose name has a space and an umlaut, this test's own."""
    return Path(shutil.copytree(original / "pack", tmp_path / "Stick für alle"))


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def wheels_of(folder):
    return sorted(path.name.split("-")[0] for path in (folder / "wheels").glob("*.whl"))


def changed(folder, **fields):
    """Change fields of a pack's manifest and of its only target."""
    manifest = manifest_of(folder)
    for field, value in fields.items():
        (manifest if field in manifest else manifest["targets"][0])[field] = value
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def install(pack, folder):
    """Run the pack's own installer as a learner does."""
    return subprocess.run([sys.executable, str(pack / "install.py"), str(folder)],
                          capture_output=True, encoding="utf-8", check=False)


# Packing


def test_a_pack_holds_what_the_requirements_need_at_the_pinned_versions(packed):
    assert wheels_of(packed) == ["leaf", "pip", "tiny"]
    assert (packed / "wheels" / "leaf-1.0-py3-none-any.whl").is_file()
    manifest = manifest_of(packed)
    assert manifest["complete"]
    for name, known in manifest["files"].items():
        assert install.sha256(packed / name) == known["sha256"]
    everything = {p.relative_to(packed).as_posix() for p in packed.rglob("*") if p.is_file()}
    assert everything == {*manifest["files"], "manifest.json"}
    assert f"Python {PYTHON}" in (packed / "README.txt").read_text(encoding="utf-8")


def test_the_markers_asked_are_the_target_s_and_not_this_machine_s(index, tmp_path):
    tiny_index.wheel(index, "win-only")
    pool = tmp_path / "pool"
    pool.mkdir()
    found = {
        name: set(wheels.collect(wheels.Target(platform, "3.12"), ["tiny"], {}, pool))
        for name, platform in wheels.PLATFORMS.items()
    }
    assert found.pop("windows-x86_64") == {"tiny", "leaf", "win-only"}
    assert all(names == {"tiny", "leaf"} for names in found.values())


@pytest.mark.parametrize(
    ("tag", "fits"),
    [
        ("cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64", {"linux-x86_64"}),
        ("cp39-abi3-manylinux_2_28_aarch64", {"linux-aarch64"}),
        ("cp312-cp312-manylinux_2_39_x86_64", set()),
        ("cp312-cp312-macosx_11_0_arm64", {"macos-arm64"}),
        ("py3-none-macosx_10_9_universal2", {"macos-arm64"}),
        ("cp312-cp312-win_amd64", {"windows-x86_64"}),
        ("cp313-cp313-win_amd64", set()),
        ("py2.py3-none-any", set(wheels.PLATFORMS)),
    ],
)
def test_a_wheel_is_taken_for_the_machines_that_can_run_it(tmp_path, tag, fits):
    tiny_index.wheel(tmp_path, "compiled", tag=tag)
    targets = [wheels.Target(platform, "3.12") for platform in wheels.PLATFORMS.values()]
    found = {t.platform.name for t in targets if wheels._sorted_wheels(t, tmp_path)}
    assert found == fits


@pytest.mark.parametrize("platform", wheels.PLATFORMS)
def test_pip_finds_for_a_machine_the_wheel_that_is_chosen(index, tmp_path, platform):
    for i, tag in enumerate(("manylinux_2_28_x86_64", "manylinux2014_aarch64", "win_amd64",
                             "macosx_14_0_arm64", "macosx_11_0_universal2", "win32")):
        tiny_index.wheel(index, "compiled", f"1.{i}", tag=f"cp312-cp312-{tag}")
    (tmp_path / "pool").mkdir()
    target = wheels.Target(wheels.PLATFORMS[platform], "3.12")
    found = wheels.collect(target, ["compiled"], {}, tmp_path / "pool")
    assert list((tmp_path / "pool").iterdir()) == [found["compiled"]]


def test_requirements_of_an_extra_come_along(index, tmp_path):
    tiny_index.wheel(index, "whole", requires=["tiny[more]", "leaf<2"])
    tiny_index.wheel(index, "tiny", "3.0", requires=["other; extra == 'more'"])
    tiny_index.wheel(index, "other")
    target = wheels.Target(wheels.PLATFORMS["linux-x86_64"], "3.11")
    (tmp_path / "pool").mkdir()
    found = wheels.collect(target, ["leaf", "whole"], {}, tmp_path / "pool")
    assert set(found) == {"whole", "tiny", "other", "leaf"}
    assert found["leaf"].name.startswith("leaf-1.0")


def test_torch_for_linux_is_the_cpu_build_unless_a_gpu_is_meant(index, tmp_path, monkeypatch):
    monkeypatch.setattr(wheels, "CPU_INDEX", (tmp_path / "no-index").as_uri())
    target = wheels.Target(wheels.PLATFORMS["linux-x86_64"], "3.12")
    tag = "cp312-cp312-manylinux_2_28_x86_64"
    tiny_index.wheel(index, "nvidia-x")
    tiny_index.wheel(index, "later", requires=["torch>=0.5"])
    tiny_index.wheel(index, "torch", requires=["nvidia-x"], tag=tag)
    (tmp_path / "pool").mkdir()
    with pytest.raises(LearnerError, match=r"torch==1.0\+cpu.*was not found.*--gpu"):
        wheels.collect(target, ["torch", "later"], {"torch": "1.0"}, tmp_path / "pool")
    assert not list((tmp_path / "pool").glob("nvidia*"))
    gpu = wheels.Target(target.platform, "3.12", gpu=True)
    assert set(wheels.collect(gpu, ["torch"], {"torch": "1.0"}, tmp_path / "pool")) == {
        "torch", "nvidia-x",
    }
    tiny_index.wheel(index, "torch", "1.0+cpu", tag=tag)
    found = wheels.collect(target, ["torch", "later"], {"torch": "1.0"}, tmp_path / "pool")
    assert found["torch"].name.startswith("torch-1.0+cpu")
    assert set(found) == {"torch", "later"}


def test_torch_for_windows_is_taken_though_its_metadata_names_cuda_on_linux(index, tmp_path):
    target = wheels.Target(wheels.PLATFORMS["windows-x86_64"], "3.12")
    tiny_index.wheel(index, "torch", requires=["nvidia-x; platform_system == 'Linux'"],
                     tag="cp312-cp312-win_amd64")
    (tmp_path / "pool").mkdir()
    assert set(wheels.collect(target, ["torch"], {"torch": "1.0"}, tmp_path / "pool")) == {"torch"}


def test_every_wheel_that_does_not_exist_is_named(repository, tmp_path):
    (repository / "requirements.txt").write_text("tiny==1.0\nnowhere==2.0\nabsent==3.0\n")
    with pytest.raises(LearnerError, match=r"absent==3.0, nowhere==2.0.*Leave that platform"):
        pack.pack(tmp_path / "pack")


def test_without_a_network_packing_says_so(repository, tmp_path, monkeypatch):
    (repository / "requirements.txt").write_text("not-at-hand==1.0\n")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nobody listens there
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(LearnerError, match="no connection to the package index"):
        pack.pack(tmp_path / "pack")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--platform", "amiga"], "'amiga'. Known: linux-x86_64"),
        (["--python", "3.9"], "'3.9'. Known: 3.11"),
        (["--platform", "windows-x86_64", "--gpu"], "linux-x86_64 alone"),
    ],
)
def test_an_unknown_target_is_refused_in_a_line(arguments, message, tmp_path, capsys):
    assert commands.main(["pack", str(tmp_path / "pack"), *arguments]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "pack").exists()


def test_a_folder_with_something_else_in_it_is_kept(repository, tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "holiday.jpg").write_bytes(b"beach")
    with pytest.raises(LearnerError, match="not empty"):
        pack.pack(tmp_path / "pack")
    assert [p.name for p in (tmp_path / "pack").iterdir()] == ["holiday.jpg"]
    with pytest.raises(LearnerError, match="is a file"):
        pack.pack(tmp_path / "pack" / "holiday.jpg")


def test_an_older_pack_is_brought_up_to_date(packed, repository, monkeypatch):
    (repository / "requirements.txt").write_text("-c constraints.txt\nleaf==2.0\n")
    (repository / "constraints.txt").write_text("")
    tiny_index.commit(repository)
    pack.pack(packed)
    assert wheels_of(packed) == ["leaf", "pip"]
    assert (packed / "wheels" / "leaf-2.0-py3-none-any.whl").is_file()


def test_an_interrupted_packing_goes_on_and_repairs_what_was_damaged(packed, index, monkeypatch):
    (packed / "wheels" / "tiny-1.0-py3-none-any.whl").write_bytes(b"half a whe")
    (packed / "wheels" / "unknown-1.0-py3-none-any.whl").write_bytes(b"of an earlier call")
    changed(packed, complete=False)
    assert "python -m helpers pack" in install(packed, packed.parent / "x").stderr
    asked, real = [], wheels._download

    def noted(lines, *others):
        asked.append(lines)
        return real(lines, *others)

    monkeypatch.setattr(wheels, "_download", noted)
    pack.pack(packed)
    assert asked == [["tiny==1.0"]]
    assert wheels_of(packed) == ["leaf", "pip", "tiny"]
    assert manifest_of(packed)["complete"]


def test_too_small_a_disk_is_said_before_anything_is_downloaded(repository, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(wheels, "collect", lambda *a, **k: pytest.fail("downloaded"))
    with pytest.raises(LearnerError, match="GB free, which is not enough"):
        pack.pack(tmp_path / "pack")


def test_a_disk_that_fills_up_while_pip_downloads_is_said():
    with pytest.raises(LearnerError, match="The disk is full"):
        wheels._absent("ERROR: Could not install: [Errno 28] No space left on device", [])


def test_without_pip_packing_says_what_to_install(repository, tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "find_spec", lambda name: None)
    with pytest.raises(LearnerError, match="sudo apt install python3-pip"):
        pack.pack(tmp_path / "pack")


def test_without_git_packing_says_what_to_install(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LearnerError, match=r"git failed .*https://git-scm.com"):
        pack.pack(tmp_path / "pack")


def test_changes_that_are_not_committed_are_said_and_left_out(repository, tmp_path, capsys):
    (repository / "notebooks" / "00_start.ipynb").write_text("half a thought")
    pack.pack(tmp_path / "pack")
    assert "without your 1 changes since: notebooks/00_start.ipynb" in capsys.readouterr().out
    install.unpack(tmp_path / "pack" / "repository.zip", tmp_path / "unpacked")
    unpacked = tmp_path / "unpacked" / "notebooks" / "00_start.ipynb"
    assert unpacked.read_text() == "as delivered\n"


# Installing


def test_a_tiny_pack_installs_and_a_second_run_keeps_what_the_learner_changed(packed, tmp_path):
    folder = tmp_path / "Käthes Kurs"
    before = {p: p.stat().st_mtime_ns for p in packed.rglob("*")}
    done = install(packed, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ready." in done.stdout
    assert f'cd "{folder}"' in done.stdout
    assert {p: p.stat().st_mtime_ns for p in packed.rglob("*")} == before

    (folder / "notebooks" / "00_start.ipynb").write_text("my notes")
    (folder / "requirements.txt").unlink()
    done = install(packed, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kept as you changed it: notebooks/00_start.ipynb" in done.stdout
    assert (folder / "notebooks" / "00_start.ipynb").read_text() == "my notes"
    assert (folder / "requirements.txt").is_file()


def test_a_newer_pack_replaces_only_what_the_learner_left_alone(tmp_path, packed, repository):
    folder = tmp_path / "folder"
    install.unpack(packed / "repository.zip", folder)
    (folder / "notebooks" / "00_start.ipynb").write_text("my notes")
    (repository / "notebooks" / "00_start.ipynb").write_text("second edition\n")
    (repository / "helpers" / "__init__.py").write_text("# second edition\n")
    tiny_index.commit(repository)
    pack.pack(packed)
    kept = install.unpack(packed / "repository.zip", folder)
    assert kept == ["notebooks/00_start.ipynb"]
    assert (folder / "notebooks" / "00_start.ipynb").read_text() == "my notes"
    assert (folder / "helpers" / "__init__.py").read_text() == "# second edition\n"


def test_an_installation_cut_off_in_the_middle_of_a_package_is_completed(packed, tmp_path):
    folder = tmp_path / "folder"
    assert install(packed, folder).returncode == 0
    site = next((folder / ".venv").glob("**/site-packages"))
    # As pip leaves a package when it is killed: metadata, some files, the wheel's own RECORD.
    (site / "tiny.py").unlink()
    record = site / "tiny-1.0.dist-info" / "RECORD"
    record.write_text("tiny.py,,\n")
    done = install(packed, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (site / "tiny.py").is_file()
    (folder / ".venv" / "pyvenv.cfg").unlink()
    python = install.python_of(folder)
    python.unlink()  # and as venv leaves an environment
    assert install(packed, folder).returncode == 0
    assert python.is_file()


def test_an_interruption_says_how_to_go_on(packed, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(install, "make_environment", interrupted)
    assert install.main([str(tmp_path / "folder")], pack=packed) == 130
    assert "goes on" in capsys.readouterr().err
    assert install(packed, tmp_path / "folder").returncode == 0


def damage(packed):
    wheel = packed / "wheels" / "tiny-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes()[:-1] + b"x")


FAULTS = {
    "damaged wheel": (damage, "tiny-1.0-py3-none-any.whl is damaged"),
    "missing wheel": (
        lambda p: (p / "wheels" / "leaf-1.0-py3-none-any.whl").unlink(),
        "leaf-1.0-py3-none-any.whl is missing in the pack",
    ),
    "half a copy": (lambda p: (p / "manifest.json").unlink(), "copy the whole folder"),
    "damaged manifest": (
        lambda p: (p / "manifest.json").write_text('{"form'), "manifest.json is damaged",
    ),
    "another format": (lambda p: changed(p, format=0), "of another version"),
    "another platform": (lambda p: changed(p, platform="amiga-68k"), "this pack is for amiga-68k"),
    "another Python": (lambda p: changed(p, python="3.99"), "this pack is for Python 3.99"),
    "old system": (
        lambda p: changed(p, needs={"glibc": "9.99", "macOS": "99.0"}),
        "or newer; this system has",
    ),
    "full disk": (lambda p: changed(p, installed_bytes=10**18), "GB are needed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_pack_stops_with_one_line_and_installs_nothing(packed, tmp_path, fault):
    break_it, message = FAULTS[fault]
    if fault == "old system" and os.name == "nt":
        pytest.skip("Windows has no such limit")
    break_it(packed)
    done = install(packed, tmp_path / "folder")
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("version", ["3.6", "3.8", "3.10"])
def test_a_python_too_old_can_read_the_installer(version):
    import ast

    major, minor = map(int, version.split("."))
    text = Path(install.__file__).read_text(encoding="utf-8")
    ast.parse(text, feature_version=(major, minor))


def test_an_old_python_is_told_which_one_it_takes(packed, monkeypatch, tmp_path):
    fake = (3, 8, 18, "final", 0)
    monkeypatch.setattr(sys, "version_info", fake)
    monkeypatch.setattr(install.platform, "python_version", lambda: "3.8.18")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(install.Stop, match=f"this is Python 3.8.18.*python{PYTHON} inst"):
        install.fitting_target(manifest_of(packed))


def test_a_python_without_venv_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "venv", None)
    with pytest.raises(install.Stop, match="sudo apt install python3-venv"):
        install.make_environment(tmp_path, tmp_path / "python")


def test_a_folder_that_is_not_ours_is_left_alone(packed, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "letter.txt").write_text("dear")
    done = install(packed, tmp_path / "folder")
    assert done.returncode == 1
    assert "not from an earlier installation" in done.stderr
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["letter.txt"]


def test_what_pip_says_went_wrong_is_passed_on(packed, tmp_path):
    wheel = packed / "wheels" / "tiny-1.0-py3-none-any.whl"
    tiny_index.wheel(packed / "wheels", "tiny", requires=["forgotten"])
    manifest = manifest_of(packed)
    manifest["files"][f"wheels/{wheel.name}"] = pack._entry(wheel)
    (packed / "manifest.json").write_text(json.dumps(manifest))
    done = install(packed, tmp_path / "folder")
    assert done.returncode == 1
    assert "No matching distribution found for forgotten" in done.stderr
    (tmp_path / "folder" / install.LOG).write_text("OSError: [Errno 28] No space left")
    assert "disk is full" in install.pip_problem(tmp_path / "folder")


def test_a_path_too_long_for_windows_is_said_before(monkeypatch, tmp_path):
    monkeypatch.setattr(install, "long_paths_allowed", lambda: False)
    target = {"longest_path": 200}
    folder = tmp_path / ("deep" * 20)
    stops = pytest.raises(install.Stop, match=r"py install.py C:\\bert")
    with monkeypatch.context() as patch, stops:
        patch.setattr(install.os, "name", "nt")
        install.check_folder(folder, target)


# Checkpoints


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_checkpoints_are_carried_from_cache_to_cache(
    tmp_path, repository, monkeypatch, links, capsys
):
    """In the Hub's own layout; where links are impossible, as plain files, as its client does."""
    from huggingface_hub import try_to_load_from_cache

    entry = checkpoints.CATALOGUE["bert", "full"]
    snapshot = cached(tmp_path / "mine", entry)
    found = checkpoints.Checkpoint("bert", "full", snapshot, "cache", entry.model_id,
                                   entry.revision)
    monkeypatch.setattr(checkpoints, "at_hand", lambda name, size: name == "bert")
    monkeypatch.setattr(checkpoints, "find", lambda name, size: found)
    pack.pack(tmp_path / "pack")
    assert "openai-community/gpt2 is not in the Hub's cache" in capsys.readouterr().out
    manifest = manifest_of(tmp_path / "pack")

    theirs = tmp_path / "theirs"
    monkeypatch.setenv("HF_HUB_CACHE", str(theirs))
    if not links:
        monkeypatch.setattr(os, "symlink", refused)
    for _ in range(2):
        install.place_checkpoints(tmp_path / "pack", manifest, Path(sys.executable))
        for name in entry.files:
            path = try_to_load_from_cache(
                entry.model_id, name, revision=entry.revision, cache_dir=theirs
            )
            assert Path(path).read_text() == f"content of {name}"
            assert Path(path).is_symlink() == links
    printed = capsys.readouterr().out
    assert printed.count(f"Copying {entry.model_id}") == 1


def refused(*_):
    raise OSError("not allowed")


def cached(cache, entry):
    """Lay out a checkpoint as the Hub's client does; returns the folder of its snapshot."""
    model = cache / f"models--{entry.model_id.replace('/', '--')}"
    snapshot = model / "snapshots" / entry.revision
    snapshot.mkdir(parents=True)
    (model / "blobs").mkdir()
    for i, name in enumerate(entry.files):
        (model / "blobs" / f"{i:040x}").write_text(f"content of {name}")
        os.symlink(f"../../blobs/{i:040x}", snapshot / name)
    return snapshot


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
FIRST_PREDICTION = """
import socket, transformers
from helpers import batching, checkpoints, reviews, training
try:
    socket.create_connection(("pypi.org", 443), timeout=5)
    raise SystemExit("there is a network")
except OSError:
    pass
path = checkpoints.find("bert").path
data, tokenizer = reviews.load(), transformers.AutoTokenizer.from_pretrained(path)
model = transformers.AutoModelForSequenceClassification.from_pretrained(path, num_labels=2)
encoded = batching.tokenize(data["train"].select(range(96)), tokenizer)
training.train(model, batching.loader(encoded, tokenizer, 16, train=True), epochs=2,
               learning_rate=1e-4)
batch = tokenizer(["What a lovely little place."], return_tensors="pt")
print("predicted", int(model.eval()(**batch).logits.argmax()))
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
    pack, home = tmp_path / "Stick für alle", tmp_path / "Zuhause von Käthe"
    start = time.monotonic()
    try:
        pack.pack(pack)
    except LearnerError as error:
        if "no connection" in str(error):
            pytest.skip("packing needs the package index, which does not answer")
        raise
    print(f"packed in {time.monotonic() - start:.0f} s")
    home.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "PYTHON"))}
    environment |= {"HOME": str(home), "PYTHONUTF8": "1"}
    start = time.monotonic()
    done = isolated(pack, sys.executable, str(pack / "install.py"), env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ready." in done.stdout
    print(f"installed in {time.monotonic() - start:.0f} s")

    folder = home / install.FOLDER_NAME
    python = str(install.python_of(folder))
    start = time.monotonic()
    done = isolated(pack, python, "-c", FIRST_PREDICTION, env=environment, cwd=folder)
    assert "predicted 1" in done.stdout, done.stdout + done.stderr
    print(f"first fine-tuned prediction after {time.monotonic() - start:.0f} s")
    done = isolated(pack, python, "-m", "helpers", "run", "01", env=environment, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
