"""A Hub on this machine, for the unmodified `huggingface_hub`, with faults to order.

    with LocalHub({"google-bert/bert-base-uncased": repository}) as hub:
        hub.faults.append(Fault("cut", at=0.5, times=1))
        …  # with HF_ENDPOINT=hub.endpoint

As on the real one, a small file is answered after a redirect on the same host, and a large one
(weights) after a redirect to another, the CDN. `hub.log` holds every request.
"""

import contextlib
import hashlib
import json
import random
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

HTML = b"<!doctype html><title>Welcome</title><form>Room number <input></form>" * 20
PIECE = 2**18


@dataclass(frozen=True)
class Repository:
    """One commit of a model: a folder of files."""

    revision: str
    folder: Path

    def files(self):
        """Return the paths of all files."""
        return sorted(path for path in Path(self.folder).iterdir() if path.is_file())


@dataclass
class Fault:
    """Something that goes wrong with the requests for one file.

    `kind` is a method of `_Answer` (`cut`, `stall`, …). `at` is where in the file, as a share.
    `times` is how often it happens, None for always. `method` is HEAD (asked first, for the
    checksum) or GET. `file` "" is every request.
    """

    kind: str
    file: str = "model.safetensors"
    method: str = "GET"
    times: int | None = None
    at: float = 0.5
    status: int = 500
    headers: dict = field(default_factory=dict)

    def takes(self, method, file):
        """Say whether this request meets the fault, and count it."""
        if self.times == 0 or self.file not in ("", file) or self.method not in ("", method):
            return False
        if self.times is not None:
            self.times -= 1
        return True


def is_large(path):
    """Say whether a file is kept outside git, as weights are."""
    return path.suffix == ".safetensors"


def checksum(path):
    """Return what the Hub announces: SHA-256 of a large file, git's SHA-1 of a small one."""
    if is_large(path):
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class LocalHub:
    """The server; `endpoint` is its address. A context manager."""

    def __init__(self, repositories, *, xet=False):
        self.repositories = repositories
        self.xet = xet  # announce large files as stored in Xet, too, as the real one does
        self.faults = []
        self.log = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.checksums = {
            path: checksum(path) for repo in repositories.values() for path in repo.files()
        }
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.hub = self
        self.port = self.server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.cdn = f"http://localhost:{self.port}"

    def __enter__(self):
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def __exit__(self, *error):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def fault(self, method, file):
        """Return the first fault that this request meets, or None."""
        with self.lock:
            return next((fault for fault in self.faults if fault.takes(method, file)), None)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        pass  # a client that hangs up, as one does that expects TLS


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.answer()

    def do_HEAD(self):
        self.answer()

    def log_message(self, *args):
        pass

    def answer(self):
        hub, path = self.server.hub, unquote(urlsplit(self.path).path)
        hub.log.append((self.command, path, self.headers.get("Range")))
        # A client that has gone away is no fault of ours.
        with contextlib.suppress(ConnectionError):
            fault = hub.fault(self.command, path.rpartition("/")[2])
            answer = _Answer(self, hub, path, fault)
            if fault and fault.kind in _INSTEAD:
                getattr(answer, fault.kind)()
            else:
                answer.route()


_INSTEAD = {"gone", "silence", "error", "portal", "portal_redirect", "garbage"}


@dataclass
class _Answer:
    """One answer: `route` finds what was asked for; the other methods are the faults."""

    handler: _Handler
    hub: LocalHub
    path: str
    fault: Fault | None

    def meets(self, *kinds):
        return self.fault is not None and self.fault.kind in kinds

    # What the real one answers.

    def route(self):
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?", self.path):
            self.with_repository(self.info, *match.groups())
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", self.path):
            self.with_repository(self.tree, *match.groups())
        elif match := re.fullmatch(
            r"(/api/resolve-cache/models)?/([^/]+/[^/]+)/(?:resolve/)?([^/]+)/([^/]+)", self.path
        ):
            cached, model_id, revision, name = match.groups()
            self.with_repository(self.resolve, model_id, revision, name, bool(cached))
        elif match := re.fullmatch(r"/cdn/([0-9a-f]{64})/[^/]+", self.path):
            path = next((p for p, c in self.hub.checksums.items() if c == match[1]), None)
            self.content(path, {}) if path else self.refuse("EntryNotFound")
        else:
            self.refuse("NotFound")

    def with_repository(self, answer, model_id, revision, *more):
        repository = self.hub.repositories.get(model_id)
        if repository is None:
            self.refuse("RepoNotFound", status=401)
        elif revision not in (None, "main", repository.revision):
            self.refuse("RevisionNotFound")
        else:
            answer(model_id, repository, *more)

    def info(self, model_id, repository):
        files = [{"rfilename": path.name} for path in repository.files()]
        self.json({"_id": "0" * 24, "id": model_id, "modelId": model_id, "private": False,
                   "gated": False, "disabled": False, "tags": [], "downloads": 0, "likes": 0,
                   "sha": repository.revision, "siblings": files})

    def tree(self, model_id, repository):
        self.json([self.entry(path) for path in repository.files()])

    def entry(self, path):
        size, known = path.stat().st_size, self.hub.checksums[path]
        if not is_large(path):
            return {"type": "file", "oid": known, "size": size, "path": path.name}
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{known}\nsize {size}\n"
        oid = hashlib.sha1(b"blob %d\0" % len(pointer) + pointer.encode()).hexdigest()
        return {"type": "file", "oid": oid, "size": size, "path": path.name,
                "lfs": {"oid": known, "size": size, "pointerSize": len(pointer)}}

    def resolve(self, model_id, repository, name, cached):
        path = Path(repository.folder) / name
        if not path.is_file():
            self.refuse("EntryNotFound", {"X-Repo-Commit": repository.revision})
            return
        known, size = self.hub.checksums[path], path.stat().st_size
        headers = {"X-Repo-Commit": repository.revision, "ETag": f'"{known}"'}
        if self.meets("no_checksum"):
            del headers["ETag"]
        if self.meets("truncated_everywhere"):
            size = int(size * self.fault.at)
        if self.meets("nowhere"):
            headers |= {"Location": f"http://localhost:{closed_port()}/gone/{name}",
                        "X-Linked-Size": str(size), "X-Linked-ETag": headers["ETag"]}
            self.head(302, headers, 0)
        elif is_large(path):
            linked = {"X-Linked-Size": str(size)}
            if "ETag" in headers:
                linked["X-Linked-ETag"] = headers.pop("ETag")
            if self.hub.xet:
                linked["X-Xet-Hash"] = known
                linked["X-Xet-Refresh-Route"] = f"{self.hub.endpoint}/api/models/{model_id}/xet"
            headers["Location"] = f"{self.hub.cdn}/cdn/{known}/{name}"
            self.head(302, headers | linked, 0)
        elif cached:
            self.content(path, headers)
        else:
            place = f"/api/resolve-cache/models/{model_id}/{repository.revision}/{name}"
            self.head(307, headers | {"Location": place}, 0)

    def content(self, path, headers):
        """Send a file, or the range of it that was asked for, or what a fault makes of it."""
        size = path.stat().st_size
        first, last = self.range(size)
        if first > last:
            self.head(416, {"Content-Range": f"bytes */{size}"}, 0)
            return
        length = last - first + 1
        headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"} | headers
        partial = self.handler.headers.get("Range") and not self.meets("cut_without_ranges")
        if self.meets("cut_without_ranges"):
            first, length = 0, size
        if partial:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        sent = length  # how much of it really goes out
        at = int(size * self.fault.at) if self.fault else size
        if self.meets("truncated", "truncated_everywhere"):
            length = sent = min(length, max(at - first, 0))
        elif self.meets("too_long"):
            length += 1000
        elif self.meets("cut", "reset", "cut_without_ranges", "no_length_cut", "stall", "trickle"):
            sent = min(length, max(at - first, 0))
        without = self.meets("no_length", "no_length_cut")
        self.head(206 if partial else 200, headers, None if without else length)
        if self.handler.command == "GET":
            self.pour(path, first, sent, at)
            if self.meets("stall"):
                self.wait()
            if self.meets("trickle"):
                self.trickle(path, first + sent)
        if without or sent != length:
            self.hang_up()

    def range(self, size):
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.handler.headers.get("Range") or "")
        if not match:
            return 0, size - 1
        return int(match[1]), min(int(match[2] or size - 1), size - 1)

    def pour(self, path, first, length, at):
        with open(path, "rb") as file:
            file.seek(first)
            while length > 0 and (piece := file.read(min(PIECE, length))):
                if self.meets("changed") and first <= at < first + len(piece):
                    piece = bytearray(piece)
                    piece[at - first] ^= 1
                self.handler.wfile.write(piece)
                first, length = first + len(piece), length - len(piece)

    def head(self, status, headers, length):
        if self.meets("short_announcement") and length:
            length //= 2
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name, value)
        if length is None:
            self.handler.send_header("Connection", "close")
            self.handler.close_connection = True
        else:
            self.handler.send_header("Content-Length", str(length))
        self.handler.end_headers()

    def body(self, status, content, kind, headers=()):
        self.head(status, {"Content-Type": kind, **dict(headers)}, len(content))
        if self.handler.command == "GET":
            self.handler.wfile.write(content)

    def json(self, content):
        self.body(200, json.dumps(content).encode(), "application/json")

    def refuse(self, code, headers=(), status=404):
        content = json.dumps({"error": code}).encode()
        self.body(status, content, "application/json", {"X-Error-Code": code, **dict(headers)})

    # What goes wrong instead.

    def hang_up(self):
        """Close the connection: politely, or with a reset, as some routers do."""
        self.handler.close_connection = True
        with contextlib.suppress(OSError):
            if self.meets("reset"):
                self.handler.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                socket.close(self.handler.connection.detach())
            else:
                self.handler.connection.shutdown(socket.SHUT_RDWR)

    def gone(self):
        self.hang_up()

    def silence(self):
        self.wait()
        self.hang_up()

    def wait(self):
        self.hub.closing.wait(120)

    def trickle(self, path, first):
        with open(path, "rb") as file:
            file.seek(first)
            while not self.hub.closing.wait(0.2) and (byte := file.read(1)):
                self.handler.wfile.write(byte)

    def error(self):
        self.body(self.fault.status, b"{}", "application/json", self.fault.headers)

    def portal(self):
        self.body(200, HTML, "text/html")

    def portal_redirect(self):
        if self.path.startswith("/login"):
            self.portal()
        else:
            self.head(302, {"Location": f"{self.hub.cdn}/login/{self.path.rpartition('/')[2]}"}, 0)

    def garbage(self):
        noise = random.Random(len(self.hub.log)).randbytes(500)
        self.body(200, b'{"id": ' + noise, "application/json")


def closed_port():
    """Return the number of a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]

