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
    damaged: tuple = ()  # (file, how) of a full cache
    disk: int | None = None  # the size in bytes from which on a file does not fit
    in_the_way: str | None = None  # a file that stands where a folder of the cache should be
    processes: int = 0  # downloads in processes of their own: one is killed, two race


def once(kind, *where, times=1, error="", name="bert", **options):
    """Return a fault that happens once, or as often as said, at each (file, method, …)."""
    def fault(file, method="GET", at=0.5):
        return Fault(kind, file, method, times, at, **options)

    return [Case((fault(*place),), error, name) for place in where]


def always(kind, error, *where, **options):
    """Return a fault that stays, at each (file, method, …)."""
    return once(kind, *where, times=None, error=error, **options)


def places(kind, error, *, last=WEIGHTS, name="bert"):
    """Return a fault in the content in four places, once each, and one that stays."""
    where = [(WEIGHTS, 0.1), (WEIGHTS, 0.55), (WEIGHTS, 0.95), (TOKENIZER, 0.5)]
    passing = once(kind, *((file, "GET", at) for file, at in where), name=name)
    return [*passing, *always(kind, error, (last,), name=name)]


def before_the_first_byte(kind):
    """Return a fault instead of an answer, passing and staying."""
    where = [(file, method) for file in (WEIGHTS, VOCAB) for method in ("HEAD", "GET")]
    return [*once(kind, (CONFIG, "HEAD"), *where), *always(kind, BROKE, ANY)]


def answers(status, method):
    """Return an HTTP error at the announcement and at the content, passing and staying."""
    wait = {"Retry-After": "2"}
    return [
        *once("error", (CONFIG, "HEAD"), (VOCAB, "GET"), (WEIGHTS, "GET"), status=status),
        *once("error", (WEIGHTS, "HEAD"), times=2, status=status, headers=wait),
        *always("error", BUSY, (WEIGHTS, method), status=status),
    ]


def without_network(endpoint, error):
    """Return a Hub that cannot be reached, with different things in the cache."""
    return [
        Case(error=error, endpoint=endpoint), Case(error=error, endpoint=endpoint, name="gpt2"),
        Case(error=error, endpoint=endpoint, cached=(CONFIG, SETTINGS)),
        Case(error=error, endpoint=endpoint, cached=(CONFIG, TOKENIZER, SETTINGS, VOCAB)),
        Case(error=f"{VOCAB_AND}{error}", endpoint=endpoint, damaged=((VOCAB, "flipped"),)),
    ]


FILES, ANY = (CONFIG, TOKENIZER, SETTINGS, VOCAB, WEIGHTS), ("", "")
ANNOUNCED = [(file, "HEAD") for file in FILES]
VOCAB_AND = "vocab.txt in the cache is damaged.*"
KINDS = {
    "cut in the middle": places("cut", BROKE, name="gpt2"),
    "reset in the middle": places("reset", BROKE),
    "cut, and ranges are ignored": places(
        "cut_without_ranges", f"{NOTHING}.*{BROKE}", name="gpt2"
    ),
    "cut before the first byte": before_the_first_byte("gone"),
    "429, too many requests": [
        *answers(429, "HEAD"),
        *always("error", f"{NOTHING}.*{BUSY}", (WEIGHTS, "HEAD"), (WEIGHTS, "GET"), status=429,
                headers={"Retry-After": "300"}),
    ],
    "500, a fault of the Hub": answers(500, "HEAD"),
    "503, overloaded": answers(503, "GET"),
    "404, a file is not there": [
        *always("error", BETWEEN, *ANNOUNCED, status=404,
                headers={"X-Error-Code": "EntryNotFound"}),
        *always("error", BETWEEN, (WEIGHTS,), status=404),
    ],
    "other bytes of the same length": places("changed", BROKE),
    "truncated, its length too": places("truncated", BROKE),
    "truncated, announced so": [
        # three requests for a large file (asked, asked again, sent), five for a small one
        *once("truncated_everywhere", *((WEIGHTS, "", at) for at in (0.1, 0.5, 0.9)), times=3),
        *once("truncated_everywhere", (VOCAB, ""), times=5),
        *always("truncated_everywhere", BROKE, (WEIGHTS, "")),
    ],
    "Content-Length too large": places("too_long", BROKE, last=VOCAB),
    "Content-Length too small": [
        *once("short_announcement", *ANNOUNCED[:4], times=4),
        *always("short_announcement", BROKE, (VOCAB, "HEAD")),
    ],
    "no Content-Length": always(
        "no_length", "", ("",), (CONFIG,), (TOKENIZER,), (VOCAB,), (WEIGHTS,)
    ),
    "no Content-Length, and cut": places("no_length_cut", BROKE),
    "stall in the middle": places("stall", NOTHING),
    "stall before the first byte": before_the_first_byte("silence"),
    "a trickle of bytes": always(
        "trickle", NOTHING, (WEIGHTS, "GET", 0), (WEIGHTS, "GET", 0.3), (WEIGHTS, "GET", 0.9),
        (VOCAB,), (CONFIG, "GET", 0),
    ),
    "a redirect to nowhere": [
        *once("nowhere", (CONFIG, "HEAD"), (VOCAB, "HEAD"), (WEIGHTS, "HEAD")),
        *always("nowhere", NETWORK, (WEIGHTS, "HEAD"), (TOKENIZER, "HEAD")),
    ],
    "the login page of a network": [
        *always("portal", BETWEEN, ANY),
        *always("portal_redirect", BETWEEN, ANY),
        Case((Fault("portal", *ANY),), f"{VOCAB_AND}{BETWEEN}", damaged=((VOCAB, "flipped"),)),
        *always("portal", BROKE, (WEIGHTS,)),
        *always("portal_redirect", BROKE, (WEIGHTS,)),
    ],
    "garbage instead of an answer": [
        *always("garbage", BETWEEN, ANY, (CONFIG, "HEAD"), (WEIGHTS, "HEAD")),
        *once("garbage", (VOCAB,), (WEIGHTS,)),
    ],
    "no checksum": always("no_checksum", BETWEEN, *ANNOUNCED),
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
        Case(damaged=((WEIGHTS, "flipped"),)),
        Case(damaged=((WEIGHTS, "truncated"),)),
        Case(damaged=((VOCAB, "flipped"), (CONFIG, "emptied"))),
        Case(damaged=((TOKENIZER, "link_broken"),)),
        Case((Fault("error", WEIGHTS),), f"model.safetensors in the cache is damaged.*{BUSY}",
             damaged=((WEIGHTS, "flipped"),)),
    ],
    "the process is killed": [
        Case((Fault("stall", WEIGHTS, at=at),), "killed", processes=1)
        for at in (0.1, 0.3, 0.5, 0.7, 0.9)
    ],
    "two at once": [
        Case(processes=2), Case(processes=2, name="gpt2"),
        Case((Fault("stall", times=1),), processes=2),
        Case((Fault("changed", times=1),), processes=2),
        Case(damaged=((WEIGHTS, "flipped"),), processes=2),
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
    """Run a case, then without the fault; return its message, its seconds and what was wrong."""
    case = KINDS[kind][number]
    with tempfile.TemporaryDirectory() as folder, LocalHub(repositories) as hub:
        place = Place(case, hub, folder)
        place.fill(("*",) if case.damaged else case.cached)
        for file, how in case.damaged:
            place.damage(file, how)
        hub.faults += [dataclasses.replace(fault) for fault in case.faults]
        product.PATIENCE = 5.0 if NOTHING in case.error else LONG
        start = time.monotonic()
        with hindered(place):
            message = place.in_processes() if case.processes else place.download()
            seconds = time.monotonic() - start
            broken = place.broken()
        hub.faults.clear()
        place.point_to(hub.endpoint)
        product.PATIENCE = LONG
        second = place.download()
        wrong = {
            f"the wrong end: {message}": not re.search(case.error or "^$", message),
            "not a line or two": "\n" in message or len(message) > 520,
            f"took {seconds:.0f} s": seconds > SECONDS,
            "a broken cache": broken or place.broken(),
            "unfinished files": place.litter(),
            f"the second try failed: {second}": second,
        }
    return message, seconds, [f"{case}: {problem}" for problem, met in wrong.items() if met]


@contextlib.contextmanager
def outcomes(repositories, kinds=tuple(KINDS)):
    """Yield {kind: futures of its outcomes}, all cases of these kinds under way."""
    pool = ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn"))
    try:
        yield {kind: [pool.submit(run, repositories, kind, i) for i in range(len(KINDS[kind]))]
               for kind in kinds}
    finally:
        pool.shutdown(cancel_futures=True)


def main():
    """Run everything and print the table; return the exit status."""
    print(f"{'':<34}times  messages  longest")
    problems = []
    with tempfile.TemporaryDirectory() as folder, outcomes(
        hub_repositories.make(Path(folder) / "files")
    ) as futures:
        for kind, running in futures.items():
            messages, seconds, wrong = zip(*(future.result() for future in running), strict=True)
            print(f"{kind:<34}{len(seconds):>5}{sum(map(bool, messages)):>10}"
                  f"{max(seconds):>7.1f} s")
            problems += [problem for some in wrong for problem in some]
    print(*problems, sep="\n", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
