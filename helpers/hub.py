"""Models of the Hub: out of its client's cache if they are whole there, else downloaded.

The client, huggingface_hub, downloads, resumes and retries, in a process of its own (`python -m
helpers.hub MODEL_ID COMMIT FILE …`), which can be ended whatever it waits for. Here every file is
compared with its SHA-256 in `helpers.checkpoints.CATALOGUE`; an `entry` is a line of that.
"""

import _thread
import contextlib
import functools
import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from helpers import paths
from helpers.errors import LearnerError

PATIENCE = 180.0  # seconds without a new byte; the client writes 10 MB at a time
BUSY = ("the Hub is overloaded, has a fault, or answers no more requests from this network for a "
        "while (a class behind one router counts as one). Wait some minutes, then try again.")
BROKEN = ("the connection breaks off, or something on the way drops or changes bytes. Nothing "
          "damaged was kept. Try again, or on another network.")
REASONS = (  # what the client's errors and warnings look like, and what they mean
    (r"Errno (27|28|122)\]|No space left",
     "the disk of the cache folder {cache} is full. Free some space there, or set HF_HOME to a "
     "folder on another disk, and try again."),
    (r"\b429\b|Rate limited|(Server|HTTP) [Ee]rror '?5\d\d", BUSY),
    (r"Client [Ee]rror '?4\d\d|\b4\d\d Client Error|FileMetadataError:|\[SSL|CERTIFICATE",
     "the Hub refuses, or something answers in its place: most often the login page of this "
     "network or a company's proxy. Open any page in a browser, log in, and try again. If "
     "HF_ENDPOINT, HF_TOKEN or a proxy is set, check it."),
    (r"(Connect|Proxy)Error:|ConnectTimeout|UnsupportedProtocol:",
     "there is no connection to the Hub. Connect this machine to a network and try again. If "
     "HF_ENDPOINT or a proxy is set, check it."),
    (r"httpx|Error while downloading|Consistency check", BROKEN),
    (r"^\w+: \[(Errno|WinError) \d+\]",
     "the cache folder {cache} cannot be written. Set HF_HOME to a folder that can, and try "
     "again."),
)


def folder(entry):
    """Return where the client's cache has the files of a model's commit, there or not.

    https://huggingface.co/docs/huggingface_hub/guides/manage-cache describes the folders.
    """
    from huggingface_hub import constants

    storage = f"models--{entry.model_id.replace('/', '--')}"
    return Path(constants.HF_HUB_CACHE, storage, "snapshots", entry.revision)


def ready(entry):
    """Return the folder of a model's files, each with its pinned SHA-256, and its source.

    The source is "cache" or "Hub". A damaged file in the cache is removed, that file alone, and
    downloaded again. A download that breaks off or brings other bytes is tried once more.

    Raises LearnerError where a download is needed and fails, or brings nothing for PATIENCE
    seconds.
    """
    from huggingface_hub import is_offline_mode

    wrong = [path.name for path in _damaged(entry)]
    if not wrong and entry.path():
        return entry.path(), "cache"
    reason = ("HF_HUB_OFFLINE is set, which forbids downloads. Unset it, restart the kernel and "
              "try again.")
    if not is_offline_mode():
        _remove_damaged(entry)
        for _ in range(2):
            reason = _download(entry)
            _remove_damaged(entry)
            if entry.path():
                return entry.path(), "Hub"
            if reason not in (BUSY, BROKEN):
                break
    before = f"{' and '.join(wrong)} in the cache is damaged, and " if wrong else ""
    raise LearnerError(
        f"{entry.model_id} ({entry.megabytes} MB) could not be downloaded: {before}{reason} "
        "Or use the checkpoint that needs no network: size='small' (unset CHECKPOINT_SIZE)."
    )


def has_sha256(path, known):
    """Say whether a file has this SHA-256. It is read once a process, unless it changes."""
    try:
        status = path.stat()
        return _sha256(path, status.st_size, status.st_mtime_ns) == known
    except OSError:  # not there, or a disk that cannot read it back
        return False


@functools.lru_cache
def _sha256(path, size, modified):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(entry):
    """Yield the files in the cache whose content is not the pinned one."""
    for file, known in entry.files.items():
        path = folder(entry) / file
        if path.exists() and not has_sha256(path, known):
            yield path


def _remove_damaged(entry):
    """Remove the damaged files from the cache: each link, and the file that it points to."""
    for path in _damaged(entry):
        try:
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        except OSError as error:
            raise LearnerError(
                f"{path} is damaged and cannot be removed: {paths.reason(error)}. Remove it "
                "yourself, or set HF_HOME to another folder, and try again."
            ) from error


def _download(entry):
    """Bring the files that are not in the cache; return the reason, should they not come."""
    from huggingface_hub import constants
    from huggingface_hub.utils import tqdm

    files = [file for file in entry.files if not (folder(entry) / file).exists()]
    command = [sys.executable, "-m", "helpers.hub", entry.model_id, entry.revision, *files]
    # Over plain HTTP unless somebody asks for Xet, because that is what the tests break; and
    # nothing about this machine is sent along.
    environment = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"} | os.environ | {
        "HF_ENDPOINT": constants.ENDPOINT, "HF_HUB_CACHE": os.path.abspath(constants.HF_HUB_CACHE),
        "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    storage = folder(entry).parent.parent
    most, moved, lines = _bytes_in(storage), time.monotonic(), []
    bar = tqdm(desc=entry.model_id, total=entry.megabytes * 10**6, initial=most, unit="B",
               unit_scale=True)
    with bar, subprocess.Popen(
        command, env=environment, cwd=paths.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
    ) as process:
        reader = threading.Thread(target=lambda: lines.extend(process.stdout))
        reader.start()
        try:
            while process.poll() is None and time.monotonic() - moved < PATIENCE:
                time.sleep(0.1)
                if (now := _bytes_in(storage)) > most:
                    bar.update(now - most)
                    most, moved = now, time.monotonic()
            late = process.poll() is None
        finally:
            process.stdin.close()  # then it ends
            reader.join()
    lines = [line for line in lines if not line.startswith(" ")]  # those are a traceback's code
    reasons = (reason.format(cache=constants.HF_HUB_CACHE) for line in reversed(lines)
               for pattern, reason in REASONS if re.search(pattern, line))
    reason = next(reasons, f"{lines[-1].strip()[:200]} Try again." if lines else BROKEN)
    return f"nothing arrived for {PATIENCE:.0f} s: {reason}" if late else reason


def _bytes_in(folder):
    with contextlib.suppress(OSError):  # a file has just been renamed
        return sum(path.lstat().st_size for path in folder.rglob("*"))
    return 0


def _fetch(model_id, revision, *files):
    """Download files of a commit into the cache. What goes wrong ends in a traceback."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for file in files:
        # One question by itself says at once that there is no network; the download would try for
        # half a minute. What else goes wrong is left to the download.
        with contextlib.suppress(HfHubHTTPError):
            get_hf_file_metadata(hf_hub_url(model_id, file, revision=revision))
        hf_hub_download(model_id, file, revision=revision)


def _end_with_parent():
    """End this process when its input ends: a stopped notebook leaves no download behind."""
    os.read(0, 1)
    if os.name == "posix":
        os.kill(os.getpid(), signal.SIGINT)  # ends even a wait for the network
    else:
        _thread.interrupt_main()
    time.sleep(5)  # to remove what is unfinished
    os._exit(1)


if __name__ == "__main__":
    _fetch(*sys.argv[1:])
