"""Models of the Hub: out of its client's cache if they are whole there, else downloaded.

The client, huggingface_hub, downloads, resumes and retries, in a process of its own (`python -m
helpers.hub MODEL_ID COMMIT FILE …`), which can be ended whatever it waits for. Here every file is
compared with its SHA-256 in `helpers.checkpoints.CATALOGUE`; an `entry` is a line of that.
"""

import contextlib
import functools
import hashlib
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

from helpers import paths
from helpers.errors import LearnerError

PATIENCE = 180.0  # seconds without a new byte; the client writes 10 MB at a time
OTHERWISE = "Or use the checkpoint that needs no network: size='small' (unset CHECKPOINT_SIZE)."
CHANGED = ("a file arrived with other bytes than the known ones, and was not kept. Something on "
           "the way changes it: try another network.")
BROKEN_OFF = "the connection breaks off or drops bytes. Try again, or on another network."
FAULTY = "the Hub has a fault of its own. Try again in a few minutes."
REASONS = (  # what the client's errors and warnings look like, and what they mean
    (r"Errno (27|28|122)\]|No space left",
     "the disk of the cache folder {cache} is full. Free some space there, or set HF_HOME to a "
     "folder on another disk, and try again."),
    (r"\b429\b|Rate limited",
     "the Hub answers no more requests from this network for a while (429: too many; a class "
     "behind one router counts as one). Wait some minutes, then try again."),
    (r"(Server|HTTP) [Ee]rror '?5\d\d", FAULTY),
    (r"Client [Ee]rror '?4\d\d|\b4\d\d Client Error",
     "the Hub refuses a file. Is a token (HF_TOKEN), HF_ENDPOINT or a proxy set wrongly?"),
    (r"FileMetadataError:",
     "what answers in the place of the Hub is not the Hub. Most often it is the login page of "
     "this network: open any page in a browser, log in, and try again. If HF_ENDPOINT is set, "
     "unset it."),
    (r"\[SSL|CERTIFICATE",
     "the connection to the Hub is not secure. A login page or a company's proxy may be in "
     "between: open a page in a browser, then try again."),
    (r"(Connect|Proxy)Error:|ConnectTimeout|UnsupportedProtocol:",
     "there is no connection to the Hub. Connect this machine to a network and try again. If "
     "HF_ENDPOINT is set, unset it."),
    (r"httpx|Error while downloading|Consistency check", BROKEN_OFF),
    (r"^\w+: \[(Errno|WinError) \d+\]",
     "the cache folder {cache} cannot be written. Set HF_HOME to a folder that can, and try "
     "again."),
)


def ready(entry):
    """Return the folder of a model's files, each with its pinned SHA-256, and its source.

    The source is "cache" or "Hub". A damaged file in the cache is removed, that file alone, and
    downloaded again. A download that breaks off or brings other bytes is tried once more.

    Raises LearnerError where a download is needed and fails, or brings nothing for PATIENCE
    seconds.
    """
    from huggingface_hub import is_offline_mode

    wrong = _damaged(entry)
    if not wrong and (folder := cached(entry)):
        return folder, "cache"
    before = f"{' and '.join(wrong)} in the cache is damaged, and " if wrong else ""
    if is_offline_mode():
        raise _failure(entry, f"{before}HF_HUB_OFFLINE is set, which forbids downloads. Unset it, "
                              "restart the kernel and try again.")
    for _ in range(2):
        _remove_damaged(entry)
        reason = _download(entry, before)
        if not _damaged(entry) and (folder := cached(entry)):
            return folder, "Hub"
        if reason not in (CHANGED, BROKEN_OFF, FAULTY):
            break
    _remove_damaged(entry)
    raise _failure(entry, before + reason)


def cached(entry):
    """Return the folder in the cache if every file is in it, else None. Compares nothing."""
    found = [_path(entry, file) for file in entry.files]
    return found[0].parent if all(found) else None


def has_sha256(path, known):
    """Say whether a file has this SHA-256. It is read once a process, unless it changes."""
    try:
        status = path.stat()
        return _sha256(path, status.st_size, status.st_mtime_ns) == known
    except OSError:  # a disk that cannot read it back
        return False


@functools.lru_cache
def _sha256(path, size, modified):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _path(entry, file):
    """Return where a file is in the cache, or None if it is not there."""
    from huggingface_hub import constants, hf_hub_download

    with contextlib.suppress(OSError):  # the client's LocalEntryNotFoundError is one, too
        return Path(hf_hub_download(entry.model_id, file, revision=entry.revision,
                                    cache_dir=constants.HF_HUB_CACHE, local_files_only=True))


def _damaged(entry):
    """Return the names of the files in the cache whose content is not the pinned one."""
    return [file for file, known in entry.files.items()
            if (path := _path(entry, file)) and not has_sha256(path, known)]


def _remove_damaged(entry):
    """Remove the damaged files from the cache: each link, and the file that it points to."""
    for file, known in entry.files.items():
        path = _path(entry, file)
        if path is None or has_sha256(path, known):  # another notebook may be faster
            continue
        try:
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        except OSError as error:
            raise LearnerError(
                f"{path} is damaged and cannot be removed: {paths.reason(error)}. Remove it "
                "yourself, or set HF_HOME to another folder, and try again."
            ) from error


def _failure(entry, reason):
    return LearnerError(f"{entry.model_id} ({entry.megabytes} MB) could not be downloaded: "
                        f"{reason} {OTHERWISE}")


def _download(entry, before):
    """Bring the files that are not in the cache; return the reason if they do not come."""
    from huggingface_hub import constants
    from huggingface_hub.utils import tqdm

    files = [file for file in entry.files if not _path(entry, file)]
    command = [sys.executable, "-m", "helpers.hub", entry.model_id, entry.revision, *files]
    # Over plain HTTP unless somebody asks for Xet, because that is what the tests break; and
    # nothing about this machine is sent along.
    environment = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"} | os.environ | {
        "HF_ENDPOINT": constants.ENDPOINT, "HF_HUB_CACHE": str(constants.HF_HUB_CACHE),
        "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONUTF8": "1",
        "PYTHONPATH": os.pathsep.join([str(paths.ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    # https://huggingface.co/docs/huggingface_hub/guides/manage-cache names this folder.
    storage = Path(constants.HF_HUB_CACHE, f"models--{entry.model_id.replace('/', '--')}")
    most, moved = _bytes_in(storage), time.monotonic()
    total = max(entry.megabytes * 10**6 - most, 0) or None
    with _running(command, environment) as (process, lines), tqdm(
        desc=entry.model_id, total=total, unit="B", unit_scale=True
    ) as bar:
        while process.poll() is None:
            time.sleep(0.1)
            if (now := _bytes_in(storage)) > most:
                bar.update(now - most)
                most, moved = now, time.monotonic()
            if time.monotonic() - moved > PATIENCE:
                raise _failure(entry, f"{before}nothing arrived for {PATIENCE:.0f} s: "
                                      f"{_explain(lines)}")
    return _explain(lines) if process.returncode else CHANGED


@contextlib.contextmanager
def _running(command, environment):
    """Start a process and yield it with a list of its lines; it ends when the block does."""
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", start_new_session=True,
    )
    lines = []
    reader = threading.Thread(target=lambda: [lines.append(line) for line in process.stdout])
    reader.start()
    try:
        yield process, lines
    finally:
        process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        process.stdout.close()


def _bytes_in(folder):
    with contextlib.suppress(OSError):  # a file has just been renamed
        return sum(path.lstat().st_size for path in folder.rglob("*"))
    return 0


def _explain(lines):
    """Return what went wrong, from the last line of the client's output that tells."""
    from huggingface_hub import constants

    lines = [line for line in lines if not line.startswith(" ")]  # those are a traceback's code
    for line in reversed(lines):
        for pattern, reason in REASONS:
            if re.search(pattern, line):
                return reason.format(cache=constants.HF_HUB_CACHE)
    return textwrap.shorten(f"{lines[-1]} Try again.", 200) if lines else BROKEN_OFF


def _fetch(model_id, revision, *files):
    """Download files of a commit into the cache. What goes wrong ends in a traceback."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    for file in files:
        # One question by itself says at once that there is no network; the download would try for
        # half a minute. What else goes wrong is left to the download.
        with contextlib.suppress(HfHubHTTPError):
            get_hf_file_metadata(hf_hub_url(model_id, file, revision=revision))
        hf_hub_download(model_id, file, revision=revision)


def _stop_with_parent():
    """Interrupt this process when its input ends: a stopped notebook leaves no download behind."""
    os.read(0, 1)
    if os.name == "posix":
        os.kill(os.getpid(), signal.SIGINT)  # ends even a wait for the network
    else:
        import _thread

        _thread.interrupt_main()


if __name__ == "__main__":
    _fetch(*sys.argv[1:])
