"""Everything that goes wrong with a download, each kind five times in different places.

    python tests/hub_faults.py

prints the table: how often each kind was met, and how it ended. A download ends well if it is
finished or if a `LearnerError` says what to do; then the fault is taken away, a second try has to
finish, and every byte in the cache has to be right. `tests/test_hub.py` asserts it.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import hub_repositories
from hub import Fault, LocalHub, closed_port

from helpers import hub as product
from helpers import paths
from helpers.errors import LearnerError

WORKERS = 8  # most of the time is waiting
SECONDS = 90  # no case may take longer, whatever else the machine does
LONG = 60.0
WEIGHTS, CONFIG, TOKENIZER, SETTINGS, VOCAB = (
    "model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"
)
BETWEEN, NETWORK = "answers in its place.*login page.*browser", "no connection to the Hub"
BROKE, BUSY = "breaks off.*changes bytes", "overloaded.*answers no more requests"
NOTHING = "nothing arrived for"


@dataclass(frozen=True)
class Case:
    """One download with something wrong, and what it has to end in."""

    faults: tuple = ()
    error: str = ""  # what the message has to say; "" for a finished download
    name: str = "bert"
    endpoint: str = "{hub}"
    cached: tuple = ()  # files that are in the cache beforehand
    damaged: tuple = ()  # (file, how) of those that are then damaged there
    disk: int | None = None  # the size in bytes from which on a file does not fit
    in_the_way: str | None = None  # a file that stands where a folder of the cache should be
    processes: int = 0  # downloads in processes of their own: one is killed, two race


@dataclass
class Outcome:
    """How a case ended, the first time and the second."""

    case: Case
    message: str = ""  # of the LearnerError; "" for a finished download
    seconds: float = 0.0
    broken: int = 0  # files in the cache that are not what they should be, after either try
    litter: int = 0  # unfinished files that stay behind
    second: str | None = None

    def problems(self):
        """Return what is wrong with this outcome, as sentences."""
        wrong = {
            f"the wrong end: {self.message}": not re.search(self.case.error or "^$", self.message),
            "not a line or two": "\n" in self.message or len(self.message) > 520,
            f"took {self.seconds:.0f} s": self.seconds > SECONDS,
            f"{self.broken} broken, {self.litter} unfinished files": self.broken + self.litter,
            f"the second try failed: {self.second}": self.second,
        }
        return [problem for problem, met in wrong.items() if met]


def places(kind, error, *, last=WEIGHTS, name="bert"):
    """Return a fault in four places, once each, and one that stays."""
    where = [(WEIGHTS, 0.1), (WEIGHTS, 0.55), (WEIGHTS, 0.95), (TOKENIZER, 0.5)]
    passing = [Case((Fault(kind, file, times=1, at=at),), name=name) for file, at in where]
    return [*passing, Case((Fault(kind, last),), error, name)]


def answers(status, error, method):
    """Return an HTTP error at the announcement and at the content, passing and staying."""
    def case(file, method, times=1, error="", headers=()):
        fault = Fault("error", file, method, times, status=status, headers=dict(headers))
        return Case((fault,), error)

    return [
        case(CONFIG, "HEAD"), case(WEIGHTS, "HEAD", 2, headers={"Retry-After": "2"}),
        case(VOCAB, "GET"), case(WEIGHTS, "GET"), case(WEIGHTS, method, None, error),
    ]


def without_network(endpoint, error):
    """Return a Hub that cannot be reached, with different things in the cache."""
    return [
        Case(error=error, endpoint=endpoint), Case(error=error, endpoint=endpoint, name="gpt2"),
        Case(error=error, endpoint=endpoint, cached=(CONFIG, SETTINGS)),
        Case(error=error, endpoint=endpoint, cached=(CONFIG, TOKENIZER, SETTINGS, VOCAB)),
        Case(error=f"vocab.txt in the cache is damaged.*{error}", endpoint=endpoint,
             cached=("*",), damaged=((VOCAB, "flipped"),)),
    ]


def every_time(kind, error, *files, method="HEAD", **options):
    """Return a fault that stays, at each of several files."""
    return [Case((Fault(kind, file, method, **options),), error) for file in files]


KINDS = {
    "cut in the middle": places("cut", BROKE, name="gpt2"),
    "reset in the middle": places("reset", BROKE),
    "cut, and ranges are ignored": places(
        "cut_without_ranges", f"{NOTHING}.*{BROKE}", name="gpt2"
    ),
    "cut before the first byte": [
        Case((Fault("gone", CONFIG, "HEAD", 1),)), Case((Fault("gone", WEIGHTS, "HEAD", 1),)),
        Case((Fault("gone", WEIGHTS, "GET", 1),)), Case((Fault("gone", VOCAB, "GET", 1),)),
        Case((Fault("gone", "", ""),), BROKE),
    ],
    "429, too many requests": [
        *answers(429, BUSY, "HEAD"),
        *every_time("error", f"{NOTHING}.*{BUSY}", WEIGHTS, status=429,
                    headers={"Retry-After": "300"}),
        *every_time("error", f"{NOTHING}.*{BUSY}", WEIGHTS, method="GET", status=429,
                    headers={"Retry-After": "300"}),
    ],
    "500, a fault of the Hub": answers(500, BUSY, "HEAD"),
    "503, overloaded": answers(503, BUSY, "GET"),
    "404, a file is not there": [
        *every_time("error", BETWEEN, CONFIG, WEIGHTS, VOCAB, TOKENIZER, status=404,
                    headers={"X-Error-Code": "EntryNotFound"}),
        *every_time("error", BETWEEN, WEIGHTS, method="GET", status=404),
    ],
    "other bytes of the same length": places("changed", BROKE),
    "truncated, its length too": places("truncated", BROKE),
    "truncated, announced so": [
        # three requests for a large file (asked, asked again, sent), five for a small one
        *(Case((Fault("truncated_everywhere", WEIGHTS, "", 3, at),)) for at in (0.1, 0.5, 0.9)),
        Case((Fault("truncated_everywhere", VOCAB, "", 5),)),
        Case((Fault("truncated_everywhere", WEIGHTS, ""),), BROKE),
    ],
    "Content-Length too large": places("too_long", BROKE, last=VOCAB),
    "Content-Length too small": [
        *(Case((Fault("short_announcement", file, "HEAD", 4),))
          for file in (CONFIG, TOKENIZER, SETTINGS, VOCAB)),
        *every_time("short_announcement", BROKE, VOCAB),
    ],
    "no Content-Length": [
        Case((Fault("no_length", file),)) for file in ("", CONFIG, TOKENIZER, VOCAB, WEIGHTS)
    ],
    "no Content-Length, and cut": places("no_length_cut", BROKE),
    "stall in the middle": places("stall", NOTHING),
    "stall before the first byte": [
        Case((Fault("silence", CONFIG, "HEAD", 1),)), Case((Fault("silence", VOCAB, "HEAD", 1),)),
        Case((Fault("silence", WEIGHTS, "GET", 1),)), Case((Fault("silence", VOCAB, "GET", 1),)),
        Case((Fault("silence", "", ""),), BROKE),
    ],
    "a trickle of bytes": [
        Case((Fault("trickle", file, at=at),), NOTHING)
        for file, at in [(WEIGHTS, 0), (WEIGHTS, 0.3), (WEIGHTS, 0.9), (VOCAB, 0.5), (CONFIG, 0)]
    ],
    "a redirect to nowhere": [
        *(Case((Fault("nowhere", file, "HEAD", 1),)) for file in (CONFIG, VOCAB, WEIGHTS)),
        *every_time("nowhere", NETWORK, WEIGHTS, TOKENIZER),
    ],
    "the login page of a network": [
        *every_time("portal", BETWEEN, "", method=""),
        *every_time("portal_redirect", BETWEEN, "", method=""),
        Case((Fault("portal", "", ""),), f"vocab.txt in the cache is damaged.*{BETWEEN}",
             cached=("*",), damaged=((VOCAB, "flipped"),)),
        *every_time("portal", BROKE, WEIGHTS, method="GET"),
        *every_time("portal_redirect", BROKE, WEIGHTS, method="GET"),
    ],
    "garbage instead of an answer": [
        *every_time("garbage", BETWEEN, "", method=""),
        *every_time("garbage", BETWEEN, CONFIG, WEIGHTS),
        Case((Fault("garbage", VOCAB, "GET", 1),)), Case((Fault("garbage", WEIGHTS, "GET", 1),)),
    ],
    "no checksum": every_time("no_checksum", BETWEEN, CONFIG, TOKENIZER, SETTINGS, VOCAB, WEIGHTS),
    "connection refused": without_network("http://127.0.0.1:{closed}", NETWORK),
    "name not found": without_network("http://hub.invalid", NETWORK),
    "no address at all": without_network("hub.invalid", f"{NETWORK}.*HF_ENDPOINT"),
    "no secure connection": without_network("https://127.0.0.1:{port}", BETWEEN),
    "a full disk": [
        Case(error="disk of the cache folder .* is full.*HF_HOME", disk=size)
        for size in (400, 200_000, 400_000, 600_000, 1_000_000)
    ],
    "a cache that cannot be written": [
        Case(error="cannot be written.*HF_HOME", in_the_way=place)
        for place in ("", ".locks", "{model}", "{model}/blobs", "{model}/snapshots")
    ],
    "damaged in the cache": [
        Case(cached=("*",), damaged=((WEIGHTS, "flipped"),)),
        Case(cached=("*",), damaged=((WEIGHTS, "truncated"),)),
        Case(cached=("*",), damaged=((VOCAB, "flipped"), (CONFIG, "emptied"))),
        Case(cached=("*",), damaged=((TOKENIZER, "link_broken"),)),
        Case(cached=("*",), damaged=((WEIGHTS, "flipped"),),
             faults=(Fault("error", WEIGHTS, status=500),),
             error=f"model.safetensors in the cache is damaged.*{BUSY}"),
    ],
    "the process is killed": [
        Case((Fault("stall", WEIGHTS, at=at),), "killed", processes=1)
        for at in (0.1, 0.3, 0.5, 0.7, 0.9)
    ],
    "two at once": [
        Case(processes=2), Case(processes=2, name="gpt2"),
        Case((Fault("stall", WEIGHTS, "GET", 1),), processes=2),
        Case((Fault("changed", WEIGHTS, "GET", 1),), processes=2),
        Case(processes=2, cached=("*",), damaged=((WEIGHTS, "flipped"),)),
    ],
}
if os.name != "posix":
    del KINDS["a full disk"]  # the limit on a file's size is POSIX's


class Place:
    """A cache and a Hub for one case, with the client's settings pointing to them."""

    def __init__(self, case, hub, folder):
        from huggingface_hub import constants, utils

        utils.disable_progress_bars()
        self.case, self.hub, self.cache = case, hub, Path(folder) / "cache"
        self.entry = hub_repositories.entries(hub.repositories)[case.name, "full"]
        self.constants = constants
        port = hub.server_port
        self.point_to(case.endpoint.format(hub=hub.endpoint, port=port, closed=closed_port()))
        self.storage = product.folder(self.entry).parent.parent
        files = hub.repositories[self.entry.model_id].folder.iterdir()
        self.blobs = {path: self.storage / "blobs" / hub.checksums[path] for path in files}

    def point_to(self, endpoint):
        """Set the client's address and cache."""
        os.environ |= {"HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1", "NO_PROXY": "*"}
        self.constants.HF_HUB_OFFLINE = False
        self.constants.ENDPOINT = endpoint
        self.constants.HF_HUB_CACHE = str(self.cache)

    def snapshot(self, file):
        """Return where the client puts a file."""
        return product.folder(self.entry) / file

    def fill(self, files):
        """Put files into the cache, as the client would."""
        for path, blob in self.blobs.items():
            if path.name in files or files == ("*",):
                link = self.snapshot(path.name)
                blob.parent.mkdir(parents=True, exist_ok=True)
                link.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, blob)
                try:
                    link.symlink_to(Path("..", "..", "blobs", blob.name))
                except OSError:  # Windows allows links to few
                    blob.rename(link)

    def damage(self, file, how):
        """Spoil a file that is in the cache."""
        path = self.snapshot(file).resolve()
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        if how == "link_broken":
            path.unlink()
        else:
            spoilt = {"flipped": content, "truncated": content[:1000], "emptied": b""}[how]
            path.write_bytes(spoilt)

    def broken(self):
        """Count the files in the cache that are not what they should be."""
        known = {name: path.read_bytes() for path, blob in self.blobs.items()
                 for name in (path.name, blob.name)}
        found = [*self.storage.glob("blobs/*"), *self.storage.glob("snapshots/*/*")]
        return sum(not p.exists() or p.read_bytes() != known.get(p.name) for p in found
                   if p.suffix != ".incomplete")

    def litter(self):
        """Count the unfinished files."""
        return len(list(self.cache.rglob("*.incomplete")))

    def download(self):
        """Download as a notebook does; return the message of a LearnerError, or ""."""
        try:
            folder, _ = product.ready(self.entry)
        except LearnerError as error:
            return str(error)
        assert set(self.entry.files) <= {path.name for path in folder.iterdir()}
        return ""

    def client(self, before=""):
        """Start a download in a process of its own, with what a Python program does before it."""
        program = (f"{before}\nfrom helpers import hub; from helpers.checkpoints import Entry\n"
                   f"hub.ready({self.entry!r})")
        settings = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": self.hub.endpoint,
                    "HF_HUB_CACHE": str(self.cache)}
        return subprocess.Popen([sys.executable, "-c", program], env=os.environ | settings,
                                stderr=subprocess.PIPE, text=True, cwd=paths.ROOT)

    def stopped(self, client, stop):
        """Stop a client when the weights are on their way; return what it said."""
        until(lambda: self.litter() and any(
            method == "GET" and path.endswith(WEIGHTS) for method, path, _ in self.hub.log
        ))
        stop()
        said = client.communicate(timeout=SECONDS)[1]
        until(lambda: not self.litter())  # what it had started, cleans up
        return said

    def in_processes(self):
        """Download in processes of their own: kill the one in the middle, or let two race."""
        running = [self.client() for _ in range(self.case.processes)]
        if len(running) == 1:
            self.stopped(running[0], running[0].kill)
            return "killed"
        complaints = [process.communicate(timeout=SECONDS)[1] for process in running]
        assert not any(process.returncode for process in running), complaints
        return ""


def until(condition):
    """Wait for something, but not for ever."""
    due = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < due
        time.sleep(0.02)


@contextlib.contextmanager
def hindered(place):
    """Let no file grow above a size, as on a full disk, or put one where a folder should be."""
    case, in_the_way = place.case, None
    if case.in_the_way is not None:
        in_the_way = place.cache / case.in_the_way.format(model=place.storage.name)
        in_the_way.parent.mkdir(parents=True, exist_ok=True)
        in_the_way.write_text("in the way")
    if case.disk:
        import resource

        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (case.disk, before[1]))
    try:
        yield
    finally:
        if case.disk:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        if in_the_way:
            in_the_way.unlink()


def run(repositories, kind, number):
    """Run one case: with the fault, then without; return its `Outcome`."""
    case = KINDS[kind][number]
    with tempfile.TemporaryDirectory() as folder, LocalHub(repositories) as hub:
        place, outcome = Place(case, hub, folder), Outcome(case)
        place.fill(case.cached)
        for file, how in case.damaged:
            place.damage(file, how)
        hub.faults += [dataclasses.replace(fault) for fault in case.faults]
        product.PATIENCE = 5.0 if NOTHING in case.error else LONG
        start = time.monotonic()
        with hindered(place):
            outcome.message = place.in_processes() if case.processes else place.download()
            outcome.seconds = time.monotonic() - start
            outcome.broken = place.broken()
        hub.faults.clear()
        place.point_to(hub.endpoint)
        product.PATIENCE = LONG
        outcome.second = place.download()
        outcome.broken += place.broken()
        outcome.litter = place.litter()
    return outcome


@contextlib.contextmanager
def outcomes(repositories):
    """Yield {kind: futures of its outcomes}, all cases under way."""
    pool = ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn"))
    try:
        yield {kind: [pool.submit(run, repositories, kind, i) for i in range(len(cases))]
               for kind, cases in KINDS.items()}
    finally:
        pool.shutdown(cancel_futures=True)


def main():
    """Run everything and print the table; return the exit status."""
    print(f"{'':<34}times  message  broken caches  longest")
    failed = False
    with tempfile.TemporaryDirectory() as folder, outcomes(
        hub_repositories.make(Path(folder) / "files")
    ) as futures:
        for kind, running in futures.items():
            found = [future.result() for future in running]
            print(f"{kind:<34}{len(found):>5}{sum(bool(o.message) for o in found):>9}"
                  f"{sum(o.broken > 0 for o in found):>15}{max(o.seconds for o in found):>7.1f} s")
            for problem in [(o.case, o.problems()) for o in found if o.problems()]:
                failed = True
                print(*problem, sep="\n    ", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
