"""The full-size path against a Hub on this machine: what it brings, and everything going wrong."""

import os
import shutil
import signal
import subprocess
import sys
import time

import hub_faults
import hub_repositories
import pytest
from hub import Fault, LocalHub
from hub_faults import CLIENT, CONFIG, KINDS, TOKENIZER, VOCAB, WEIGHTS, Case, Place

from helpers import checkpoints, hub_cache, paths
from helpers.errors import LearnerError

posix = pytest.mark.skipif(os.name != "posix", reason="a POSIX system's own")


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    return hub_repositories.make(tmp_path_factory.mktemp("hub") / "files")


@pytest.fixture(scope="module")
def outcomes(repositories):
    with hub_faults.outcomes(repositories) as futures:
        yield futures


@pytest.mark.parametrize("kind", hub_faults.kinds())
def test_a_fault_ends_in_a_download_or_a_clear_message(kind, outcomes):
    found = [future.result() for future in outcomes[kind]]
    assert [(o.case, p) for o in found for p in o.problems()] == []


def test_no_fault_breaks_a_cache(outcomes):
    results = {k: [future.result() for future in found] for k, found in outcomes.items()}
    print(hub_faults.table(results))
    assert len(results) >= 12
    assert min(len(found) for found in results.values()) >= 5
    assert sum(outcome.broken for found in results.values() for outcome in found) == 0


def test_some_of_each_end_well_and_some_do_not():
    """The faults bite: without them the expected errors would not come."""
    expected = [case.error for cases in KINDS.values() for case in cases]
    assert expected.count("") >= 40
    assert len(expected) - expected.count("") >= 40


@pytest.fixture
def hub(repositories):
    with LocalHub(repositories) as local:
        yield local


@pytest.fixture
def place(hub, tmp_path, monkeypatch):
    """A fresh cache whose Hub is the local one, for this test only."""
    from huggingface_hub import constants

    for name in ["HF_ENDPOINT", "HF_HUB_CACHE", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT",
                 "HF_HUB_DISABLE_PROGRESS_BARS", "HF_HUB_OFFLINE", "NO_PROXY"]:
        monkeypatch.setenv(name, os.environ.get(name, ""))
    for name in ["HF_HUB_OFFLINE", "ENDPOINT", "HF_HUB_CACHE"]:
        monkeypatch.setattr(constants, name, getattr(constants, name))
    return Place(Case(), hub, tmp_path)


@pytest.mark.parametrize("name", checkpoints.NAMES)
def test_the_unmodified_client_gets_along_with_the_local_hub(name, hub, tmp_path):
    entry = checkpoints.CATALOGUE[name, "full"]
    program = f"""
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
api, name = HfApi(), {entry.model_id!r}
print(api.model_info(name).sha == api.model_info(name, revision={entry.revision!r}).sha)
print(*sorted(file.path for file in api.list_repo_tree(name, revision={entry.revision!r})))
print(snapshot_download(name, cache_dir={str(tmp_path / "cache")!r}))
"""
    environment = {k: v for k, v in os.environ.items() if k != "HF_HUB_OFFLINE"}
    environment |= {"HF_ENDPOINT": hub.endpoint, "NO_PROXY": "*", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=True,
                          stdout=subprocess.PIPE, text=True)
    same, files, folder = done.stdout.splitlines()
    assert same == "True"
    assert files.split() == sorted(entry.files)
    for path in hub.repositories[entry.model_id].files():
        assert (paths.Path(folder) / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", checkpoints.NAMES)
def test_after_the_first_run_nothing_is_asked_any_more(name, hub, place):
    assert checkpoints.find(name, "full").source == "Hub"
    hub.log.clear()
    assert checkpoints.find(name, "full").source == "cache"
    assert hub.log == []


def test_offline_is_respected_and_named(hub, place):
    place.constants.HF_HUB_OFFLINE = True
    with pytest.raises(LearnerError, match=r"HF_HUB_OFFLINE is set.*Unset it"):
        checkpoints.find("bert", "full")
    place.fill(("*",))
    assert checkpoints.find("bert", "full").source == "cache"
    place.damage(WEIGHTS, "flipped")
    with pytest.raises(LearnerError, match=r"model\.safetensors in the cache is damaged.*OFFLINE"):
        checkpoints.find("bert", "full")
    assert place.snapshot(WEIGHTS).exists(), "without a network nothing is removed"
    assert hub.log == []


def sent(hub):
    return {path.rpartition("/")[2] for method, path, _ in hub.log if method == "GET"}


def test_only_the_damaged_file_is_fetched_again(hub, place):
    place.fill(("*",))
    place.damage(VOCAB, "flipped")
    checkpoints.find("bert", "full")
    assert sent(hub) == {VOCAB}
    assert place.broken() == 0


def test_a_broken_connection_goes_on_where_it_was(hub, place):
    hub.faults.append(Fault("cut", at=0.5, times=1))
    checkpoints.find("bert", "full")
    ranges = [asked for _, path, asked in hub.log if path.endswith(WEIGHTS) and asked]
    assert [int(asked.removeprefix("bytes=").rstrip("-")) > 400_000 for asked in ranges] == [True]


def test_a_large_file_is_read_once_a_process(hub, place):
    place.fill(("*",))
    checkpoints.find("bert", "full")
    before = hub_cache._checksum.cache_info().misses
    checkpoints.find("bert", "full")
    assert hub_cache._checksum.cache_info().misses == before


def test_a_model_stored_in_xet_comes_over_http(repositories, place):
    with LocalHub(repositories, xet=True) as hub:
        place.point_to(hub.endpoint)
        checkpoints.find("bert", "full")
    assert any(path.startswith("/cdn/") for _, path, _ in hub.log)


def test_without_links_the_files_are_checked_against_a_record(hub, place, monkeypatch):
    """As on Windows, where the cache holds the files themselves."""
    monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    checkpoints.find("bert", "full")
    assert not place.snapshot(WEIGHTS).is_symlink()
    assert checkpoints.find("bert", "full").source == "cache"
    place.damage(WEIGHTS, "flipped")
    hub.log.clear()
    assert checkpoints.find("bert", "full").source == "Hub"
    assert sent(hub) == {WEIGHTS}
    assert place.broken() == 0


def test_a_cache_that_others_made_without_links_is_taken_as_it_is(place):
    place.snapshot(CONFIG).parent.mkdir(parents=True)
    for path in place.repository.files():
        shutil.copy(path, place.snapshot(path.name))
    assert checkpoints.find("bert", "full").source == "cache"


def test_what_a_killed_download_left_is_removed_when_it_is_old(place):
    blobs = place.cache / place.model / "blobs"
    blobs.mkdir(parents=True)
    stale, fresh, resumable = (
        blobs / f"{'0' * 40}{part}.incomplete" for part in (".0123abcd", ".4567cdef", "")
    )
    for path in (stale, fresh, resumable):
        path.write_bytes(b"half")
    for path in (stale, resumable):
        os.utime(path, (time.time() - 4000,) * 2)
    checkpoints.find("bert", "full")
    assert not stale.exists()
    assert fresh.exists(), "another notebook may be writing it"
    assert resumable.exists(), "older clients go on from it"


@posix
def test_an_interrupted_download_leaves_nothing_unfinished(hub, place):
    hub.faults.append(Fault("stall"))
    program = "import signal; signal.signal(2, signal.default_int_handler); "
    client = subprocess.Popen([sys.executable, "-c", program + CLIENT.format(name="bert")],
                              cwd=paths.ROOT, stderr=subprocess.PIPE, text=True)
    while not place.litter():
        assert client.poll() is None
        time.sleep(0.02)
    client.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in client.communicate(timeout=30)[1]
    assert place.litter() == 0


@pytest.fixture
def mounted(tmp_path):
    """A function that mounts something for this test; skips where that is not allowed."""
    mounts = []

    def mount(*arguments):
        if os.name != "posix" or os.geteuid() != 0 or shutil.which("mount") is None:
            pytest.skip("needs the right to mount")
        if subprocess.call(["mount", *map(str, arguments)], stderr=subprocess.DEVNULL):
            pytest.skip("this machine does not mount")
        if arguments[-1] not in mounts:  # it may be mounted anew, with other options
            mounts.append(arguments[-1])

    yield mount
    for folder in reversed(mounts):
        subprocess.run(["umount", str(folder)], check=True)


def test_a_complete_cache_may_be_read_only(hub, place, mounted):
    place.fill(("*",))
    mounted("--bind", "-o", "ro", place.cache, place.cache)
    mounted("-o", "remount,ro,bind", place.cache)
    with pytest.raises(OSError, match="Read-only"):
        (place.cache / "x").write_text("x")
    assert checkpoints.find("bert", "full").source == "cache"
    assert hub.log == []


def test_a_read_only_cache_says_what_it_cannot_do(place, mounted):
    place.fill(("*",))
    place.damage(VOCAB, "flipped")
    place.snapshot(CONFIG).unlink()
    mounted("--bind", "-o", "ro", place.cache, place.cache)
    mounted("-o", "remount,ro,bind", place.cache)
    with pytest.raises(LearnerError, match=r"vocab\.txt is damaged and cannot be removed: Read-o"):
        checkpoints.find("bert", "full")


@pytest.mark.parametrize("files", [(), (CONFIG, TOKENIZER)])
def test_a_disk_that_is_really_full(files, place, mounted):
    place.cache.mkdir(parents=True)
    mounted("-t", "tmpfs", "-o", "size=1m", "tmpfs", place.cache)
    place.fill(files)
    with pytest.raises(LearnerError, match=r"is full.*HF_HOME"):
        checkpoints.find("bert", "full")
    assert place.broken() == place.litter() == 0
    subprocess.run(["mount", "-o", "remount,size=8m", place.cache], check=True)
    checkpoints.find("bert", "full")
    assert place.broken() == 0
