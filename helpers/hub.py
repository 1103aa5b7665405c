"""Models of the Hub: out of its cache if they are whole there, else downloaded; always checked."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

from helpers import hub_cache, paths
from helpers.errors import LearnerError
from helpers.fetching import first_line

PATIENCE = 60.0  # seconds without a new byte; 64 kB a minute would take a BERT five days
STARTING = 120.0  # seconds until the process has started, on a slow disk
OTHERWISE = "Or use the checkpoint that needs no network: size='small' (unset CHECKPOINT_SIZE)."


def ready(entry):
    """Return the folder of a model's files, each with its announced content, and its source.

    `entry` has model_id, revision (a commit), megabytes and files. The source is "cache" or
    "Hub". A damaged file in the cache is removed, that file alone, and downloaded again; so is
    one that arrives with other bytes than announced, once.

    Raises LearnerError where a download is needed and fails, after PATIENCE seconds without a
    new byte at most.
    """
    from huggingface_hub import constants

    wrong = hub_cache.damaged(entry)
    folder = hub_cache.folder(entry)
    if folder is not None and not wrong:
        return folder, "cache"
    before = f"{' and '.join(wrong)} in the cache is damaged, and " if wrong else ""
    if constants.HF_HUB_OFFLINE:
        raise _failure(
            entry, f"{before}HF_HUB_OFFLINE is set, which forbids downloads. Unset it, restart "
            "the kernel and try again."
        )
    for _ in range(2):
        hub_cache.remove(entry, wrong)
        _download(entry, before)
        wrong = hub_cache.damaged(entry)
        folder = hub_cache.folder(entry)
        if folder is not None and not wrong:
            return folder, "Hub"
    hub_cache.remove(entry, wrong)
    raise _failure(
        entry, f"{' and '.join(wrong) or 'a file'} arrived twice with other bytes than the Hub "
        "announced, and was not kept. Something on the way changes it: try another network."
    )


def _download(entry, before):
    """Bring the files that are not in the cache; raise LearnerError if they do not come."""
    from huggingface_hub import constants
    from huggingface_hub.utils import tqdm

    hub_cache.remove_stale(entry)
    job = {"model_id": entry.model_id, "revision": entry.revision,
           "files": hub_cache.missing(entry), "cache": str(constants.HF_HUB_CACHE),
           "endpoint": constants.ENDPOINT}
    announced, note, failure, patience = {}, "", None, STARTING
    with _process(job) as (process, lines, complaints), tqdm(
        desc=entry.model_id, unit="B", unit_scale=True, name="huggingface_hub.download"
    ) as bar:
        start = most = hub_cache.bytes_of(entry)
        moved = time.monotonic()
        while (line := _next(lines)) is not None:
            message = json.loads(line) if line.startswith("{") else {}
            if message and "note" not in message:
                moved, patience = time.monotonic(), PATIENCE
            if "file" in message:
                announced[message["file"]] = message["etag"]
                bar.total = (bar.total or 0) + message["size"]
            note, failure = message.get("note", note), message.get("error", failure)
            if (now := hub_cache.bytes_of(entry)) > most:
                most, moved = now, time.monotonic()
                bar.update(min(most - start, bar.total or 0) - bar.n)
            if time.monotonic() - moved > patience:
                last = f" (last: {textwrap.shorten(note, 120)})" if note else ""
                raise _failure(entry, f"{before}nothing arrived for {patience:.0f} s{last}. Try "
                               "again, or on another network.")
        if process.wait() and not failure:
            complaints.seek(0)
            last = complaints.read().strip().rpartition("\n")[2]
            failure = first_line(last or f"the download stopped with exit status {process.poll()}")
    hub_cache.remember(entry, announced)
    if failure:
        raise _failure(entry, before + failure)


def _failure(entry, reason):
    return LearnerError(f"{entry.model_id} ({entry.megabytes} MB) could not be downloaded: "
                        f"{reason} {OTHERWISE}")


@contextlib.contextmanager
def _process(job):
    """Yield the downloading process, a queue of what it says, and a file of its complaints."""
    # Over plain HTTP unless somebody asks for Xet: that is the way that the tests break and mend.
    # And nothing about this machine is sent along.
    chosen = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", **os.environ}
    places = [str(paths.ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**chosen, "PYTHONPATH": os.pathsep.join(filter(None, places)),
                   "PYTHONUTF8": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    lines = queue.Queue()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
        process = subprocess.Popen(
            [sys.executable, "-m", "helpers.fetching", json.dumps(job)], env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, encoding="utf-8",
        )

        def read():
            for line in process.stdout:
                lines.put(line)
            lines.put(None)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            yield process, lines, complaints
        finally:
            process.stdin.close()  # it stops, and removes what is unfinished
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            reader.join()
            process.stdout.close()


def _next(lines):
    """Return what the download says next: "" if it says nothing for a while, None at its end."""
    try:
        return lines.get(timeout=0.1)
    except queue.Empty:
        return ""
