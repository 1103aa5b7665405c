"""The download from the Hub, in a process of its own: it can be stopped, whatever it waits for.

`helpers.hub` starts it as `python -m helpers.fetching JOB` and reads what it says: a JSON object a
line, {"ready"} once it has started, {"file", "etag", "size"} for each file as the Hub announces
it, {"note"} for what the Hub's client complains of, and {"error"} with a sentence for the reader.
It ends when its input closes, so that a stopped notebook leaves no download behind.
"""

import contextlib
import errno
import json
import logging
import os
import re
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from urllib.parse import urlsplit

CHECKSUM = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # git's SHA-1 of a file, or its SHA-256
CHUNK = 2**16  # bytes; the client's own are 10 MB, and what a broken one held is lost
MOST_WAIT = 30  # seconds that the Hub may ask for
WAITS = (1, 3)  # seconds before the second and the third try
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_TRANSIENT = {408, 429, 500, 502, 503, 504}


class NotTheHub(Exception):
    """What answered is not the Hub; its text says so, and what to do."""


def main(job):
    """Download `job["files"]` into the cache; return the exit status.

    `job` also has model_id, revision, cache (a folder) and endpoint (the Hub's address).
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    warnings.simplefilter("ignore")  # a full disk is said once it is full
    try:
        from huggingface_hub import constants

        constants.DOWNLOAD_CHUNK_SIZE = CHUNK
        _listen()
        _say(ready=True)
        announced = {file: _patiently(_announce, job, file) for file in job["files"]}
        for file in job["files"]:
            _patiently(_fetch, job, file, announced[file])
    except KeyboardInterrupt:
        return 130
    # The Hub's client raises errors of three libraries (its own, httpx, the file system).
    except Exception as error:
        _say(error=explain(error, job))
        return 1
    return 0


def _announce(job, file):
    """Ask the Hub for a file's checksum and size; pass them on and return them."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    host, endpoint = urlsplit(job["endpoint"]).netloc, job["endpoint"]
    url = hf_hub_url(job["model_id"], file, revision=job["revision"], endpoint=endpoint)
    announced = get_hf_file_metadata(url, endpoint=endpoint)
    if announced.commit_hash != job["revision"]:
        raise NotTheHub(
            f"what answered in the place of {host} is not the Hub. Most often it is the login "
            "page of this network: open any page in a browser, log in, and try again."
        )
    if not CHECKSUM.fullmatch(announced.etag or ""):
        raise NotTheHub(
            f"{host} announces no checksum for {file}, so the file could not be checked. Use the "
            "Hub itself (unset HF_ENDPOINT) or a complete mirror."
        )
    _say(file=file, etag=announced.etag, size=announced.size or 0)
    return announced


def _fetch(job, file, announced):
    from huggingface_hub import hf_hub_download

    blobs = Path(job["cache"], f"models--{job['model_id'].replace('/', '--')}", "blobs")
    unfinished = blobs / f"{announced.etag}.incomplete"  # older clients go on from it, always
    if unfinished.is_file() and unfinished.stat().st_size > (announced.size or 0):
        unfinished.unlink()
    hf_hub_download(job["model_id"], file, revision=job["revision"], cache_dir=job["cache"],
                    endpoint=job["endpoint"])


def _patiently(call, *arguments):
    """Call, and call again after an error that may pass."""
    for wait in (*WAITS, None):
        try:
            return call(*arguments)
        except Exception as error:
            asked = _asked_to_wait(error)
            if wait is None or not _may_pass(error) or asked > MOST_WAIT:
                raise
            time.sleep(max(wait, asked))


def _may_pass(error):
    status = _status(error)
    if status is not None:
        return status in _TRANSIENT
    if _from_network(error):
        return "ConnectError" not in type(error).__name__  # without a network, say so at once
    return isinstance(error, OSError) and error.errno is None  # a file of another length


def _asked_to_wait(error):
    headers = getattr(getattr(error, "response", None), "headers", {})
    asked = headers.get("Retry-After", "")
    return int(asked) if asked.isdigit() else 0


def _status(error):
    return getattr(getattr(error, "response", None), "status_code", None)


def _from_network(error):
    return type(error).__module__.partition(".")[0] in {"httpx", "httpx2"}


def explain(error, job):
    """Return what went wrong and what to do about it, in a sentence or two."""
    errors = list(_chain(error))
    statuses = [status for status in map(_status, errors) if status is not None]
    network = [e for e in errors if _from_network(e)]
    numbers = [e.errno for e in errors if isinstance(e, OSError) and e.errno]
    host = urlsplit(job["endpoint"]).netloc
    if isinstance(error, NotTheHub):
        return str(error)
    if statuses:
        return _about_status(statuses[0], max(map(_asked_to_wait, errors)), host, error)
    if network:
        return _about_network(network[0], host)
    if numbers and numbers[0] in _FULL:
        return (f"the disk of the cache folder {job['cache']} is full. Free some space there, or "
                "set HF_HOME to a folder on another disk, and try again.")
    if numbers:
        return (f"the cache folder {job['cache']} cannot be written ({os.strerror(numbers[0])}). "
                "Set HF_HOME to a folder that can, and try again.")
    if "Consistency check" in str(error):
        return ("a file arrived with another length than announced. The network drops parts of "
                "it: try again, or on another network.")
    return f"{first_line(error)} Try again."


def _about_status(status, asked, host, error):
    if status == 429:
        wait = f" for {asked} s" if asked else ""
        return (f"{host} answers no more requests from this network{wait} (429: too many; a class "
                "behind one router counts as one). Wait, then try again.")
    if status >= 500:
        return f"{host} has a fault of its own ({status}). Try again in a few minutes."
    return (f"{host} refuses a file: {first_line(error)} Is a token (HF_TOKEN), HF_ENDPOINT or a "
            "proxy set wrongly?")


def _about_network(error, host):
    kind, text = type(error).__name__, str(error)
    with contextlib.suppress(RuntimeError):  # no request is attached
        host = error.request.url.netloc.decode() or host
    if "SSL" in text or "CERTIFICATE" in text.upper():
        return (f"the connection to {host} is not secure ({text.rstrip('.')}). A login page or a "
                "company's proxy may be in between: open a page in a browser, then try again.")
    if "Connect" in kind or "Proxy" in kind:
        return (f"no connection to {host} ({text.rstrip('.')}). Connect this machine to a network "
                "and try again.")
    if "Timeout" in kind:
        return f"{host} did not answer in time. Try again, or on another network."
    return f"the connection to {host} broke off again and again. Try again, or on another network."


def _chain(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def first_line(error):
    """Return the first line of an error's text as a sentence."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line if line.endswith(".") else f"{line}."


class _Notes(logging.Handler):
    def emit(self, record):
        _say(note=re.sub(r"https?://([^/\s]+)\S*", r"\1", record.getMessage()).strip())


def _listen():
    """Pass on what the Hub's client logs: it says what is being waited for."""
    from huggingface_hub.utils import logging as hub_logging

    hub_logging.set_verbosity_info()
    logger = hub_logging.get_logger("huggingface_hub")
    logger.handlers[:], logger.propagate = [_Notes()], False


def _say(**message):
    print(json.dumps(message), flush=True)


def _stop_with_parent():
    while os.read(0, 1):
        pass
    if os.name == "posix":
        os.kill(os.getpid(), signal.SIGINT)  # ends even a wait for the network
    else:
        import _thread

        _thread.interrupt_main()
    time.sleep(3)  # the client removes its unfinished file
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
