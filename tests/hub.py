"""A Hub on this machine, for the unmodified `huggingface_hub`, with faults to order.

    with LocalHub({"google-bert/bert-base-uncased": repository}) as hub:
        hub.faults.append(Fault("cut", at=0.5, times=1))
        …  # with HF_ENDPOINT=hub.endpoint

As on the real one, a small file is answered after a redirect on the same host, and a large one
(weights) after a redirect to another, the CDN. A data set is called "datasets/owner/name". What
is uploaded (`hub_api`) becomes a repository below the folder `uploads`. `hub.log` holds every
request.
"""

import contextlib
import random
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from hub_api import LARGE, Api, Refused, checksum

HTML = b"<!doctype html><title>Welcome</title><form>Room number <input></form>" * 20
CUT = {"cut", "reset", "cut_without_ranges", "no_length_cut", "stall", "trickle"}  # at `at`
INSTEAD = {"gone", "silence", "error", "portal", "portal_redirect", "garbage"}  # of an answer


@dataclass
class Fault:
    """Something that goes wrong with the requests for one file.

    `kind` is in CUT or INSTEAD, or a name that `_Handler` asks for. `at` is where in the file, as
    a share. `times` is how often it happens, None for always. `method` is HEAD (asked first, for
    the checksum) or GET. `file` "" is every request.
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


def closed_port():
    """Return the number of a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class LocalHub(ThreadingHTTPServer):
    """The server; `endpoint` is its address. A context manager."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, repositories, *, xet=False, uploads=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories = repositories
        self.uploads = uploads
        self.stored = {}  # large files on their way into a commit, by SHA-256
        self.xet = xet  # announce large files as stored in Xet, too, as the real one does
        self.faults = []
        self.log = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.checksums = {
            path: checksum(path) for r in repositories.values() for path in r.files().values()
        }
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        self.cdn = f"http://localhost:{self.server_port}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass  # a client that hangs up, as one does that expects TLS


class _Handler(Api, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def do_GET(self):
        hub, path = self.server, unquote(urlsplit(self.path).path)
        hub.log.append((self.command, path, self.headers.get("Range")))
        self.asked, self.name, self.sent = path, path.rpartition("/")[2], self.body()
        with hub.lock:
            self.fault = next((f for f in hub.faults if f.takes(self.command, self.name)), None)
        # A client that has gone away is no fault of ours.
        with contextlib.suppress(ConnectionError):
            if self.meets(*INSTEAD):
                getattr(self, self.fault.kind)()
            elif path.startswith("/cdn/"):
                known = path.split("/")[2]
                self.content(next(p for p, c in hub.checksums.items() if c == known), {})
            elif "/resolve" in path:
                try:
                    self.resolve()
                except Refused as refused:
                    self.refuse(refused)
            else:
                self.answer()

    do_HEAD = do_POST = do_PUT = do_GET

    def meets(self, *kinds):
        return self.fault is not None and self.fault.kind in kinds

    # What the real one answers.

    def resolve(self):
        """Answer the question for a file of a repository, at a commit or on main."""
        hub, cached = self.server, "/api/resolve-cache/"
        place = self.asked.removeprefix(cached if cached in self.asked else "/")
        if cached not in self.asked:
            place = place.replace("/resolve/", "/", 1)
            place = place if place.startswith("datasets/") else f"models/{place}"
        kind, owner, name, revision, path = place.split("/", 4)
        repository = self.repository(kind, f"{owner}/{name}", revision)
        where = f"{kind}/{owner}/{name}"
        if path not in repository.files():
            raise Refused(404, "EntryNotFound", "Entry not found")
        path = repository.folder / path
        known, size = hub.checksums[path], path.stat().st_size
        if self.meets("truncated_everywhere"):
            size = int(size * self.fault.at)
        headers = {"X-Repo-Commit": repository.revision}
        tag = {} if self.meets("no_checksum") else {"ETag": f'"{known}"'}
        linked = {"X-Linked-Size": str(size)} | {f"X-Linked-{k}": v for k, v in tag.items()}
        if self.meets("nowhere"):
            gone = f"http://localhost:{closed_port()}/gone/{self.name}"
            self.head(302, headers | tag | linked | {"Location": gone}, 0)
        elif path.suffix in LARGE:
            if hub.xet:
                linked["X-Xet-Hash"] = known
                linked["X-Xet-Refresh-Route"] = f"{hub.endpoint}/api/{where}/xet"
            place = f"{hub.cdn}/cdn/{known}/{self.name}"
            self.head(302, headers | linked | {"Location": place}, 0)
        elif cached in self.asked:
            self.content(path, headers | tag)
        else:
            within = path.relative_to(repository.folder).as_posix()
            self.head(307, headers | tag | {
                "Location": f"{cached}{where}/{repository.revision}/{within}"}, 0)

    def content(self, path, headers):
        """Send a file, or the range of it that was asked for, or what a fault makes of it."""
        content = bytearray(path.read_bytes())
        size = len(content)
        asked = self.headers.get("Range")
        partial = asked is not None and not self.meets("cut_without_ranges")
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if partial else 0
        length = sent = size - first  # `sent` is how much of it really goes out
        headers = {"Content-Type": "application/octet-stream"} | headers
        if partial:
            headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
        at = int(size * self.fault.at) if self.fault else size
        if self.meets("truncated", "truncated_everywhere"):
            length = sent = max(at - first, 0)
        elif self.meets("too_long"):
            length += 1000
        elif self.meets("changed"):
            content[at] ^= 1
        elif self.meets(*CUT):
            sent = max(at - first, 0)
        without = self.meets("no_length", "no_length_cut")
        self.head(206 if partial else 200, headers, None if without else length)
        if self.command == "GET":
            self.wfile.write(memoryview(content)[first : first + sent])
            if self.meets("stall"):
                self.server.closing.wait(120)
            if self.meets("trickle"):
                for byte in content[first + sent :]:
                    self.wfile.write(bytes([byte]))
                    if self.server.closing.wait(0.2):
                        break
        if without or sent != length:
            self.gone()

    def head(self, status, headers, length):
        if self.meets("short_announcement") and length:
            length //= 2
        last = {"Connection": "close"} if length is None else {"Content-Length": str(length)}
        self.send_response(status)
        for name, value in (headers | last).items():
            self.send_header(name, value)
        self.end_headers()

    # What goes wrong instead.

    def gone(self):
        """Close the connection: politely, or with a reset, as some routers do."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            if self.meets("reset"):
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                socket.close(self.connection.detach())
            else:
                self.connection.shutdown(socket.SHUT_RDWR)

    def silence(self):
        self.server.closing.wait(120)
        self.gone()

    def error(self, status=None, content=b"{}", kind="application/json"):
        headers = {"Content-Type": kind} | self.fault.headers
        self.head(status or self.fault.status, headers, len(content))
        if self.command != "HEAD":
            self.wfile.write(content)

    def portal(self):
        self.error(200, HTML, "text/html")

    def portal_redirect(self):
        if self.path.startswith("/login"):
            self.portal()
        else:
            self.head(302, {"Location": f"{self.server.cdn}/login/{self.name}"}, 0)

    def garbage(self):
        self.error(200, b'{"id": ' + random.Random(len(self.server.log)).randbytes(500))
