"""The full-size path against a Hub on this machine: what it brings, and everything going wrong."""

import os
import signal
import subprocess

import hub_faults
import hub_repositories
import pytest
from hub import Fault, LocalHub
from hub_faults import CONFIG, KINDS, SETTINGS, TOKENIZER, VOCAB, WEIGHTS, Case, Place

from helpers import checkpoints, hub
from helpers.errors import LearnerError


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    return hub_repositories.make(tmp_path_factory.mktemp("hub") / "files")


ALWAYS = ("cut in the middle", "cut, and ranges are ignored", "404, a file is not there",
          "truncated, its length too", "no Content-Length", "the login page of a network",
          "connection refused", "damaged in the cache")  # the other kinds with -m slow


@pytest.fixture(scope="module")
def outcomes(repositories, request):
    asked = {item.callspec.params.get("kind") for item in request.session.items
             if hasattr(item, "callspec")}
    with hub_faults.outcomes(repositories, [kind for kind in KINDS if kind in asked]) as futures:
        yield futures


@pytest.mark.parametrize("kind", [
    pytest.param(kind, marks=[] if kind in ALWAYS else pytest.mark.slow) for kind in KINDS])
def test_a_fault_ends_in_a_download_or_a_clear_message(kind, outcomes):
    found = [future.result() for future in outcomes[kind]]
    assert len(found) >= 5
    assert [problem for *_, wrong in found for problem in wrong] == []


def test_the_files_that_can_be_rebuilt_here_have_the_pinned_checksums(repositories):
    of_bert = {CONFIG, TOKENIZER, SETTINGS, VOCAB}
    rebuilt = {"bert": of_bert, "bert-mlm": of_bert, "gpt2": {CONFIG, SETTINGS}}
    for key, entry in hub_repositories.entries(repositories).items():
        pinned = checkpoints.CATALOGUE[key].files
        assert all(len(known) == 64 for known in pinned.values())
        assert {file for file in pinned if entry.files[file] == pinned[file]} == rebuilt[key[0]]


@pytest.fixture
def local(repositories):
    with LocalHub(repositories) as server:
        yield server


@pytest.fixture
def at(tmp_path, monkeypatch):
    """A function that makes a fresh cache for a Hub, for this test only."""
    from huggingface_hub import constants

    def place_at(server, name="bert"):
        for variable in ["HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT", "NO_PROXY"]:
            monkeypatch.setenv(variable, "")
        for constant in ["HF_HUB_OFFLINE", "ENDPOINT", "HF_HUB_CACHE"]:
            monkeypatch.setattr(constants, constant, getattr(constants, constant))
        place = Place(Case(name=name), server, tmp_path)
        monkeypatch.setitem(checkpoints.CATALOGUE, (name, "full"), place.entry)
        return place

    return place_at


@pytest.fixture
def place(local, at):
    return at(local)


def source():
    return checkpoints.find("bert", "full").source


def sent(server):
    return {path.rpartition("/")[2] for method, path, _ in server.log if method == "GET"}


def test_after_the_first_run_nothing_is_asked_any_more(local, place):
    assert not checkpoints.at_hand("bert", "full")
    assert source() == "Hub"
    local.log.clear()
    assert checkpoints.at_hand("bert", "full")
    before = hub._sha256.cache_info().misses
    assert source() == "cache"
    assert hub._sha256.cache_info().misses == before, "a large file is read once a process"
    assert local.log == []


def test_offline_is_respected_and_named(local, place):
    place.constants.HF_HUB_OFFLINE = True
    with pytest.raises(LearnerError, match=r"HF_HUB_OFFLINE is set.*Unset it"):
        source()
    place.fill(("*",))
    assert source() == "cache"
    place.damage(WEIGHTS, "flipped")
    with pytest.raises(LearnerError, match=r"model\.safetensors in the cache is damaged.*OFFLINE"):
        source()
    assert place.snapshot(WEIGHTS).exists(), "without a network nothing is removed"
    assert local.log == []


@pytest.mark.parametrize("links", [True, False])  # Windows allows them to few
def test_only_the_damaged_file_is_fetched_again(links, local, place, monkeypatch):
    monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "" if links else "1")
    assert source() == "Hub"
    assert place.snapshot(WEIGHTS).is_symlink() == links
    assert source() == "cache"
    place.damage(WEIGHTS, "flipped")
    local.log.clear()
    assert source() == "Hub"
    assert sent(local) == {WEIGHTS}
    assert place.broken() == 0


def test_a_broken_connection_goes_on_where_it_was(local, at):
    at(local, "gpt2")
    local.faults.append(Fault("cut", at=0.5, times=1))
    checkpoints.find("gpt2", "full")
    assert [asked for *_, asked in local.log if asked] == ["bytes=10485760-"]


def test_a_model_stored_in_xet_comes_over_http(repositories, at):
    with LocalHub(repositories, xet=True) as server:
        at(server)
        assert source() == "Hub"
    assert any(path.startswith("/cdn/") for _, path, _ in server.log)


@pytest.mark.skipif(os.name != "posix", reason="a POSIX system's own")
def test_an_interrupted_download_leaves_nothing_unfinished(local, place):
    local.faults.append(Fault("stall"))
    client = place.client("import signal; signal.signal(2, signal.default_int_handler)")
    said = place.stopped(client, lambda: client.send_signal(signal.SIGINT))
    assert "KeyboardInterrupt" in said


@pytest.fixture
def mount(place):
    """A function that mounts something as the cache; skips where that is not allowed."""
    mounted = []

    def over_the_cache(*arguments):
        place.cache.mkdir(exist_ok=True)
        try:
            subprocess.run(["mount", *arguments, place.cache], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"this machine does not mount: {error}")
        mounted.append(place.cache)  # it may be mounted anew, with other options

    yield over_the_cache
    for folder in set(mounted):
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def read_only(place, mount):
    """A function that makes the cache read-only."""
    def protect():
        mount("--bind", "-o", "ro", place.cache)
        mount("-o", "remount,ro,bind")
        with pytest.raises(OSError, match="Read-only"):
            (place.cache / "x").write_text("x")

    return protect


def test_a_complete_cache_may_be_read_only(local, place, read_only):
    place.fill(("*",))
    read_only()
    assert source() == "cache"
    assert local.log == []


def test_a_read_only_cache_says_what_it_cannot_do(place, read_only):
    place.fill(("*",))
    place.damage(VOCAB, "flipped")
    place.snapshot(CONFIG).unlink()
    read_only()
    with pytest.raises(LearnerError, match=r"vocab\.txt is damaged and cannot be removed: Read-o"):
        source()


@pytest.mark.parametrize("files", [(), (CONFIG, TOKENIZER)])
def test_a_disk_that_is_really_full(files, place, mount):
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs")
    place.fill(files)
    with pytest.raises(LearnerError, match=r"is full.*HF_HOME"):
        source()
    assert place.broken() == place.litter() == 0
    mount("-o", "remount,size=8m")
    assert source() == "Hub"
    assert place.broken() == 0
