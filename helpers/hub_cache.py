"""The cache of the Hub's client on this disk: what is in it, and whether it is what it should be.

The Hub announces a checksum of every file, and its client names the file in the cache after it
(https://huggingface.co/docs/huggingface_hub/guides/manage-cache) but compares sizes only. Here
the content is compared. An `entry` has model_id, revision (a commit) and files (their names).
"""

import contextlib
import functools
import hashlib
import json
import os
import time
from pathlib import Path

from helpers import paths
from helpers.errors import LearnerError
from helpers.fetching import CHECKSUM

STALE = 3600.0  # seconds after which an unfinished file is nobody's any more


def folder(entry):
    """Return the folder in the cache if every file is in it, else None. Compares nothing."""
    return None if missing(entry) else _path(entry, entry.files[0]).parent


def missing(entry):
    """Return the names of the files that are not in the cache."""
    return [file for file in entry.files if _path(entry, file) is None]


def damaged(entry):
    """Return the names of the cached files whose content is not the announced one."""
    return [
        file for file in entry.files
        if (path := _path(entry, file)) is not None and not _whole(entry, path)
    ]


def remove(entry, files):
    """Remove these files from the cache, unless they are whole by now.

    Raises LearnerError where the cache cannot be written.
    """
    for file in files:
        path = _path(entry, file)
        if path is None or _whole(entry, path):
            continue  # another notebook was faster
        try:
            if path.is_symlink():
                (path.parent / os.readlink(path)).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        except OSError as error:
            raise LearnerError(
                f"{path} is damaged and cannot be removed: {paths.reason(error)}. Remove it "
                "yourself, or set HF_HOME to another folder, and try again."
            ) from error


def remove_stale(entry):
    """Remove what a killed download left behind long ago; the client never would."""
    for path in _storage(entry).glob("blobs/*.????????.incomplete"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE:
                path.unlink()


def bytes_of(entry):
    """Return how many bytes of a model are in the cache, the unfinished ones among them."""
    total = 0
    for path in _storage(entry).rglob("*"):
        with contextlib.suppress(OSError):  # it may just have been renamed
            total += 0 if path.is_symlink() or path.is_dir() else path.stat().st_size
    return total


def remember(entry, announced):
    """Keep the checksums that the Hub announced, {file: checksum}, where the cache has no links.

    That is so on Windows, and in a copy of a cache on a stick.
    """
    known = _remembered(entry)
    if known | announced != known:
        with contextlib.suppress(LearnerError), paths.replacing(_record(entry)) as fresh:
            fresh.write_text(json.dumps(known | announced, indent=1), encoding="utf-8")


def _remembered(entry):
    try:
        return dict(json.loads(_record(entry).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _record(entry):
    return _storage(entry) / "announced" / f"{entry.revision}.json"


def _storage(entry):
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{entry.model_id.replace('/', '--')}"


def _path(entry, file):
    """Return where a file is in the cache, or None if it is not there."""
    from huggingface_hub import constants, try_to_load_from_cache

    try:
        path = try_to_load_from_cache(
            entry.model_id, file, cache_dir=constants.HF_HUB_CACHE, revision=entry.revision
        )
    except OSError:  # no folder, or one that may not be read: the download will say so
        return None
    return Path(path) if isinstance(path, str) else None


def _announced(entry, path):
    """Return the checksum that the Hub announced for a cached file, or None if nobody knows."""
    if path.is_symlink():  # to a file that is named after its checksum
        name = Path(os.readlink(path)).name
        return name if CHECKSUM.fullmatch(name) else None
    return _remembered(entry).get(path.name)


def _whole(entry, path):
    announced = _announced(entry, path)
    try:
        return announced is None or checksum(path, len(announced)) == announced
    except OSError:  # a disk that cannot read it back
        return False


def checksum(path, digits=64):
    """Return a file's SHA-256, or with `digits=40` the SHA-1 that git gives it.

    A file is read once a process, and again only if it has changed.
    """
    status = path.stat()
    return _checksum(path, digits, status.st_size, status.st_mtime_ns)


@functools.lru_cache
def _checksum(path, digits, size, modified):
    def as_git():
        return hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)

    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256" if digits == 64 else as_git).hexdigest()
