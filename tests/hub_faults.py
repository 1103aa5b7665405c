"""Everything that goes wrong with a download, each kind five times in different places.

    python tests/hub_faults.py

prints the table: how often each kind was met, how it ended, and how many caches it broke. A
download ends well if it is finished or if a `LearnerError` says what to do; then the fault is
taken away, a second try has to finish, and every byte in the cache has to be right.
`tests/test_hub.py` asserts it.
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

from hub import Fault, LocalHub, closed_port

from helpers import checkpoints, hub_cache, paths
from helpers import hub as product
from helpers.errors import LearnerError

WORKERS = 4  # most of the time is waiting
SECONDS = 60  # no case may take longer, whatever else the machine does
LONG = 30.0
WEIGHTS = "model.safetensors"
CONFIG, TOKENIZER, SETTINGS, VOCAB = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"
)
LOGIN, LENGTH = "login page.*browser", "another length than announced"
BROKE, NOTHING = "broke off again and again", "nothing arrived for"
OTHER = "other bytes than the Hub announced"
CLIENT = (
    "from helpers import checkpoints, hub; hub.ready(checkpoints.CATALOGUE['{name}', 'full'])"
)


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
    in_the_way: str = ""  # a file that stands where a folder of the cache should be
    processes: int = 0  # downloads in processes of their own: one is killed, two race
    patience: float = 0.0  # seconds; short where nothing is to arrive, else long

    def __post_init__(self):
        if not self.patience:
            object.__setattr__(self, "patience", 5.0 if NOTHING in self.error else LONG)


@dataclass
class Outcome:
    """How a case ended, the first time and the second."""

    kind: str
    case: Case
    message: str | None = None  # of the LearnerError; None for a finished download
    seconds: float = 0.0
    broken: int = 0  # files in the cache that are not what they should be, after either try
    litter: int = 0  # unfinished files that stay behind
    second: str | None = None
    requests: int = 0  # that the second try made

    def problems(self):
        """Return what is wrong with this outcome, as sentences."""
        found = []
        if self.case.error and self.message is None:
            found.append("finished, where an error was expected")
        if self.message is not None and not re.search(self.case.error or "$^", self.message):
            found.append(f"the wrong error: {self.message}")
        if self.message is not None and ("\n" in self.message or len(self.message) > 520):
            found.append(f"not a line or two: {self.message}")
        if self.seconds > SECONDS:
            found.append(f"took {self.seconds:.0f} s")
        if self.broken or self.litter:
            found.append(f"{self.broken} broken and {self.litter} unfinished files in the cache")
        if self.second is not None:
            found.append(f"the second try failed: {self.second}")
        return found


def places(kind, error, *, method="GET", last=WEIGHTS, **options):
    """Return a fault in four places, once each, and one that stays."""
    where = [(WEIGHTS, 0.1), (WEIGHTS, 0.55), (WEIGHTS, 0.95), (TOKENIZER, 0.5)]
    passing = [Case((Fault(kind, file, method, 1, at, **options),)) for file, at in where]
    return [*passing, Case((Fault(kind, last, method, **options),), error)]


def answers(status, error):
    """Return an HTTP error at the announcement and at the content, passing and staying."""
    def case(file, method, times=1, error="", wait=None):
        headers = {} if wait is None else {"Retry-After": str(wait)}
        return Case((Fault("error", file, method, times, status=status, headers=headers),), error)

    return [
        case(CONFIG, "HEAD"), case(WEIGHTS, "HEAD", wait=2), case(VOCAB, "GET"),
        case(WEIGHTS, "GET", times=2), case(WEIGHTS, "HEAD", None, error),
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
    "cut in the middle": places("cut", f"{BROKE}|{NOTHING}"),
    "reset in the middle": places("reset", BROKE),
    "cut, and ranges are ignored": places("cut_without_ranges", f"{BROKE}|{NOTHING}"),
    "cut before the first byte": [
        Case((Fault("gone", CONFIG, "HEAD", 1),)), Case((Fault("gone", WEIGHTS, "HEAD", 1),)),
        Case((Fault("gone", WEIGHTS, "GET", 1),)), Case((Fault("gone", VOCAB, "GET", 1),)),
        Case((Fault("gone", "", ""),), BROKE),
    ],
    "429, too many requests": [
        *answers(429, "answers no more requests from this network")[:-1],
        Case((Fault("error", WEIGHTS, "HEAD", status=429, headers={"Retry-After": "300"}),),
             r"no more requests.*for 300 s \(429"),
        Case((Fault("error", WEIGHTS, "GET", status=429, headers={"Retry-After": "300"}),),
             f"{NOTHING}.*(Rate limited|429|Retrying)|for 300 s", patience=10.0),
    ],
    "500, a fault of the Hub": answers(500, r"a fault of its own \(500\)"),
    "503, overloaded": answers(503, r"a fault of its own \(503\)"),
    "404, a file is not there": [
        *every_time("error", "refuses a file", CONFIG, WEIGHTS, VOCAB, TOKENIZER, status=404,
                    headers={"X-Error-Code": "EntryNotFound"}),
        *every_time("error", "refuses a file", WEIGHTS, method="GET", status=404),
    ],
    "other bytes of the same length": places("changed", f"twice with {OTHER}"),
    "truncated, its length too": places("truncated", LENGTH),
    "truncated, announced so": [
        # three requests for a large file (asked, asked again, sent), five for a small one
        *(Case((Fault("truncated_everywhere", WEIGHTS, "", 3, at),)) for at in (0.1, 0.5, 0.9)),
        Case((Fault("truncated_everywhere", VOCAB, "", 5),)),
        Case((Fault("truncated_everywhere", WEIGHTS, ""),), OTHER),
    ],
    "Content-Length too large": places("too_long", f"{BROKE}|{NOTHING}", last=VOCAB),
    "Content-Length too small": [
        *(Case((Fault("short_announcement", file, "HEAD", 4),))
          for file in (CONFIG, TOKENIZER, SETTINGS, VOCAB)),
        *every_time("short_announcement", LENGTH, VOCAB),
    ],
    "no Content-Length": [
        Case((Fault("no_length", file),)) for file in ("", CONFIG, TOKENIZER, VOCAB, WEIGHTS)
    ],
    "no Content-Length, and cut": places("no_length_cut", LENGTH),
    "stall in the middle": places("stall", NOTHING),
    "stall before the first byte": [
        Case((Fault("silence", CONFIG, "HEAD", 1),)), Case((Fault("silence", VOCAB, "HEAD", 1),)),
        Case((Fault("silence", WEIGHTS, "GET", 1),)), Case((Fault("silence", VOCAB, "GET", 1),)),
        Case((Fault("silence", "", ""),), f"{NOTHING}|did not answer"),
    ],
    "a trickle of bytes": [
        Case((Fault("trickle", file, at=at),), NOTHING, patience=3.0)
        for file, at in [(WEIGHTS, 0), (WEIGHTS, 0.3), (WEIGHTS, 0.9), (VOCAB, 0.5), (CONFIG, 0)]
    ],
    "a redirect to nowhere": [
        *(Case((Fault("nowhere", file, "HEAD", 1),)) for file in (CONFIG, VOCAB, WEIGHTS)),
        *every_time("nowhere", "no connection to localhost", WEIGHTS),
        *every_time("nowhere", "no connection to localhost", TOKENIZER),
    ],
    "the login page of a network": [
        Case((Fault("portal", "", ""),), LOGIN), Case((Fault("portal_redirect", "", ""),), LOGIN),
        Case((Fault("portal", "", ""),), f"vocab.txt in the cache is damaged.*{LOGIN}",
             cached=("*",), damaged=((VOCAB, "flipped"),)),
        *every_time("portal", LENGTH, WEIGHTS, method="GET"),
        *every_time("portal_redirect", LENGTH, WEIGHTS, method="GET"),
    ],
    "garbage instead of an answer": [
        Case((Fault("garbage", "", ""),), LOGIN), *every_time("garbage", LOGIN, CONFIG, WEIGHTS),
        Case((Fault("garbage", VOCAB, "GET", 1),)), Case((Fault("garbage", WEIGHTS, "GET", 1),)),
    ],
    "no checksum": every_time(
        "no_checksum", "announces no checksum", CONFIG, TOKENIZER, SETTINGS, VOCAB, WEIGHTS
    ),
    "connection refused": without_network("http://127.0.0.1:{closed}", "no connection to 127"),
    "name not found": without_network("http://hub.invalid", "no connection to hub.invalid"),
    "no secure connection": without_network("https://127.0.0.1:{port}", "is not secure"),
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
             faults=(Fault("error", WEIGHTS, "HEAD", status=500),),
             error="model.safetensors in the cache is damaged.*of its own"),
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
POSIX_ONLY = {"a full disk"}  # the limit on a file's size is POSIX's


def kinds():
    """Return the names of the kinds that this machine can show."""
    return [kind for kind in KINDS if os.name == "posix" or kind not in POSIX_ONLY]


class Place:
    """A cache and a Hub for one case, with the client's settings pointing to them."""

    def __init__(self, case, hub, folder):
        from huggingface_hub import constants

        self.case, self.hub, self.cache = case, hub, Path(folder) / "cache"
        self.entry = checkpoints.CATALOGUE[case.name, "full"]
        self.repository = hub.repositories[self.entry.model_id]
        self.model = f"models--{self.entry.model_id.replace('/', '--')}"
        self.constants = constants
        self.point_to(case.endpoint.format(hub=hub.endpoint, port=hub.port, closed=closed_port()))

    def point_to(self, endpoint):
        """Set the client's address and cache, here and in the processes that start from here."""
        os.environ.pop("HF_HUB_OFFLINE", None)
        os.environ |= {"HF_ENDPOINT": endpoint, "HF_HUB_CACHE": str(self.cache),
                       "HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1",
                       "HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_PROXY": "*"}
        self.constants.HF_HUB_OFFLINE = False
        self.constants.ENDPOINT = endpoint
        self.constants.HF_HUB_CACHE = str(self.cache)

    def snapshot(self, file):
        """Return where the client puts a file."""
        return self.cache / self.model / "snapshots" / self.entry.revision / file

    def fill(self, files):
        """Put files into the cache, as the client would."""
        for path in self.repository.files():
            if path.name in files or files == ("*",):
                blob = self.cache / self.model / "blobs" / self.hub.checksums[path]
                blob.parent.mkdir(parents=True, exist_ok=True)
                self.snapshot(path.name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, blob)
                try:
                    self.snapshot(path.name).symlink_to(Path("..", "..", "blobs", blob.name))
                except OSError:  # Windows allows links to few
                    blob.rename(self.snapshot(path.name))
                    hub_cache.remember(self.entry, {path.name: blob.name})

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

    def put_in_the_way(self):
        """Put a file where a folder of the cache should be; return what takes it away."""
        place = self.cache / self.case.in_the_way.format(model=self.model)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("in the way")
        return place.unlink

    def broken(self):
        """Count the files in the cache that are not what they should be."""
        blobs = self.cache / self.model / "blobs"
        known = {self.hub.checksums[path]: path for path in self.repository.files()}
        wrong = [
            path for path in (blobs.iterdir() if blobs.is_dir() else ())
            if path.suffix != ".incomplete"
            and (path.name not in known or path.read_bytes() != known[path.name].read_bytes())
        ]
        wrong += [
            path for path in self.snapshot(CONFIG).parent.glob("*")
            if not path.exists()
            or path.read_bytes() != (self.repository.folder / path.name).read_bytes()
        ]
        return len(wrong)

    def litter(self):
        """Count the unfinished files from which nobody goes on."""
        return len(list(self.cache.rglob("*.????????.incomplete")))


def download(case):
    """Download as a notebook does."""
    found = checkpoints.find(case.name, "full")
    missing = set(checkpoints.CATALOGUE[case.name, "full"].files) - set(os.listdir(found.path))
    assert not missing, missing


def in_processes(place):
    """Download in processes of their own: kill the one in the middle, or let two race."""
    program = CLIENT.format(name=place.case.name)
    running = [
        subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True,
                         cwd=paths.ROOT)
        for _ in range(place.case.processes)
    ]
    if place.case.processes == 1:
        due = time.monotonic() + SECONDS
        while not list(place.cache.rglob("*.incomplete")) or not any(
            method == "GET" and path.endswith(WEIGHTS) for method, path, _ in place.hub.log
        ):
            assert running[0].poll() is None, running[0].communicate()[1]
            assert time.monotonic() < due
            time.sleep(0.02)
        time.sleep(0.1)
        running[0].kill()
        running[0].communicate()
        while place.litter() and time.monotonic() < due:  # what it had started, cleans up
            time.sleep(0.05)
        raise LearnerError("killed")
    complaints = [process.communicate(timeout=SECONDS)[1] for process in running]
    assert not any(process.returncode for process in running), complaints


@contextlib.contextmanager
def limited(size):
    """Let no file grow above `size` bytes: a disk that is full."""
    if size is None:
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def run(kind, case, hub, folder):
    """Run one case: with the fault, then without; return its `Outcome`."""
    place, outcome = Place(case, hub, folder), Outcome(kind, case)
    if case.cached:
        place.fill(case.cached)
    for file, how in case.damaged:
        place.damage(file, how)
    clear = place.put_in_the_way() if kind == "a cache that cannot be written" else None
    hub.faults[:] = [dataclasses.replace(fault) for fault in case.faults]
    hub.log.clear()
    product.PATIENCE = case.patience
    start = time.monotonic()
    try:
        with limited(case.disk):
            in_processes(place) if case.processes else download(case)
    except LearnerError as error:
        outcome.message = str(error)
    outcome.seconds = time.monotonic() - start
    outcome.broken = place.broken()
    hub.faults.clear()
    hub.log.clear()
    if clear:
        clear()
    place.point_to(hub.endpoint)
    product.PATIENCE = LONG
    try:
        download(case)
    except LearnerError as error:
        outcome.second = str(error)
    outcome.requests = len(hub.log)
    outcome.broken += place.broken()
    outcome.litter = place.litter()
    return outcome


_worker = {}


def _start_worker(repositories):
    _worker["hub"] = LocalHub(repositories).__enter__()


def _work(kind, number):
    with tempfile.TemporaryDirectory() as folder:
        try:
            return run(kind, KINDS[kind][number], _worker["hub"], folder)
        except Exception as error:  # a case that breaks in another way is a result, too
            return Outcome(kind, KINDS[kind][number], second=f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def outcomes(repositories):
    """Yield {kind: futures of its outcomes}, all cases under way."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(WORKERS, context, _start_worker, (repositories,))
    try:
        yield {
            kind: [pool.submit(_work, kind, number) for number in range(len(KINDS[kind]))]
            for kind in kinds()
        }
    finally:
        pool.shutdown(cancel_futures=True)


def table(results):
    """Return the table of kinds, with how often and how each ended."""
    lines = [f"{'':<34}times  finished  message  broken caches  longest"]
    for kind, found in results.items():
        messages = sum(outcome.message is not None for outcome in found)
        lines.append(
            f"{kind:<34}{len(found):>5}{len(found) - messages:>10}{messages:>9}"
            f"{sum(o.broken > 0 for o in found):>15}{max(o.seconds for o in found):>7.1f} s"
        )
    every = [outcome for found in results.values() for outcome in found]
    lines.append(f"{len(results)} kinds, {len(every)} downloads, "
                 f"{sum(o.broken > 0 for o in every)} broken caches")
    return "\n".join(lines)


def main():
    """Run everything and print the table; return the exit status."""
    import hub_repositories

    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        repositories = hub_repositories.make(Path(folder))
        with outcomes(repositories) as futures:
            results = {k: [f.result() for f in found] for k, found in futures.items()}
    print(table(results))
    print(f"{time.monotonic() - start:.0f} s")
    problems = [(o.kind, o.case, p) for found in results.values() for o in found
                for p in o.problems()]
    for kind, case, problem in problems:
        print(f"\n{kind}: {case}\n    {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
