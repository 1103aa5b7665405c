"""What the local Hub answers besides files: listings of a repository, and uploads into one.

As on the real one: a token may write only into its own name's space, a private repository is
shown to its owner alone, and large files go to a place of their own before the commit names them.
"""

import base64
import hashlib
import json
import re
from typing import NamedTuple
from urllib.parse import parse_qs

import yaml

LARGE = (".safetensors", ".parquet")  # stored in LFS, by the .gitattributes of a new repository
OWNER = "me"
TOKENS = {"hf_write": "write", "hf_read": "read"}  # both are OWNER's


class Repository(NamedTuple):
    """One commit of a model or data set: a folder of files."""

    revision: str
    folder: object
    private: bool = False

    def files(self):
        """Return {path within the repository: file}."""
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path for path in found}


def checksum(path):
    """Return what the Hub announces: SHA-256 of a large file, git's SHA-1 of a small one."""
    content = path.read_bytes()
    if path.suffix in LARGE:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Refused(Exception):
    """An answer that is an error: status, code and words, as the client looks for them."""


class Api:
    """The half of the server's handler for everything but files."""

    def answer(self):
        """Answer a question about a repository, or take what is sent; as JSON."""
        a_repository = r"/api/(?P<kind>models|datasets)/(?P<name>[^/]+/[^/]+)"
        routes = {
            rf"GET {a_repository}(/revision/(?P<revision>[^/]+))?": self.info,
            rf"GET {a_repository}/tree/(?P<revision>[^/]+)(/(?P<below>.+))?": self.tree,
            rf"POST {a_repository}/paths-info/(?P<revision>[^/]+)": self.paths_info,
            r"GET /api/whoami-v2": self.whoami,
            r"POST /api/repos/create": self.create,
            r"POST /api/validate-yaml": self.validate,
            rf"POST {a_repository}/preupload/main": self.preupload,
            r"POST /(?P<name>[^/]+/[^/]+)\.git/info/lfs/objects/batch": self.batch,
            r"PUT /lfs/(?P<known>\w+)": self.store,
            rf"POST {a_repository}/commit/main": self.commit,
        }
        for pattern, method in routes.items():
            if found := re.fullmatch(pattern, f"{self.command} {self.asked}"):
                try:
                    return self.as_json(method(**found.groupdict()))
                except Refused as refused:
                    return self.refuse(refused)
        return self.refuse(Refused(404, None, "Not Found"))

    def refuse(self, refused):
        status, code, words = refused.args
        headers = {"X-Error-Message": words} | ({"X-Error-Code": code} if code else {})
        self.as_json({"error": words}, status, headers)

    def as_json(self, content, status=200, headers=None):
        if isinstance(content, tuple):
            status, content = content
        written = json.dumps(content).encode()
        self.head(status, {"Content-Type": "application/json"} | (headers or {}), len(written))
        if self.command != "HEAD":
            self.wfile.write(written)

    def body(self):
        """Return what the client sent, all of it: the connection is used again."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    # Who asks, and for what.

    def may(self):
        """Return "write", "read" or None, for the token that came along."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in TOKENS:
            raise Refused(401, None, "Invalid credentials in Authorization header")
        return TOKENS.get(token)

    def may_write(self, owner):
        may = self.may()
        if may is None:
            raise Refused(401, None, "Invalid username or password.")
        if may == "read" or owner != OWNER:
            raise Refused(403, None, "You don't have the rights to create a model under the "
                          f'namespace "{owner}"')

    def repository(self, kind, name, revision=None):
        """Return a repository that this client may see."""
        key = name if kind == "models" else f"{kind}/{name}"
        found = self.server.repositories.get(key)
        if found is None or (found.private and not self.may()):
            raise Refused(404 if self.may() else 401, "RepoNotFound", "Repository not found")
        if revision not in (None, "main", found.revision):
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return found

    # Answers.

    def info(self, kind, name, revision):
        found = self.repository(kind, name, revision)
        return {"id": name, "sha": found.revision, "private": found.private, "tags": [],
                "siblings": [{"rfilename": path} for path in found.files()]}

    def entry(self, path, file):
        known, size = self.server.checksums[file], file.stat().st_size
        large = {"lfs": {"oid": known, "size": size, "pointerSize": 130}}
        return {"type": "file", "path": path, "oid": known[:40], "size": size} | (
            large if file.suffix in LARGE else {})

    def tree(self, kind, name, revision, below):
        files = self.repository(kind, name, revision).files()
        below = f"{below}/" if below else ""
        inside = {path: file for path, file in files.items() if path.startswith(below)}
        if below and not inside:
            raise Refused(404, "EntryNotFound", f"{below} does not exist")
        if "recursive=true" not in self.path.lower():
            folders = {below + path.removeprefix(below).partition("/")[0] for path in inside
                       if "/" in path.removeprefix(below)}
            inside = {p: f for p, f in inside.items() if "/" not in p.removeprefix(below)}
        else:
            folders = {path.rpartition("/")[0] for path in inside if "/" in path}
        return [*({"type": "directory", "path": path, "oid": "0" * 40, "size": 0}
                  for path in sorted(folders)),
                *(self.entry(path, file) for path, file in inside.items())]

    def paths_info(self, kind, name, revision):
        files = self.repository(kind, name, revision).files()
        asked = parse_qs(self.sent.decode())["paths"]
        return [self.entry(path, files[path]) for path in asked if path in files]

    # Uploads.

    def whoami(self):
        if self.may() is None:
            raise Refused(401, None, "Invalid username or password.")
        return {"type": "user", "name": OWNER, "orgs": [],
                "auth": {"accessToken": {"role": self.may()}}}

    def create(self):
        asked = json.loads(self.sent)
        owner, name = asked.get("organization") or OWNER, asked["name"]
        self.may_write(owner)
        key = f"{owner}/{name}"
        url = {"url": f"{self.server.endpoint}/{key}"}
        if key in self.server.repositories:
            return 409, url | {"error": "You already created this model repo"}
        folder = self.server.uploads / key
        folder.mkdir(parents=True)
        private = asked.get("visibility") == "private" or asked.get("private", False)
        self.server.repositories[key] = Repository("0" * 40, folder, private)
        return url

    def validate(self):
        content = json.loads(self.sent)["content"]
        front = content.split("---")[1] if content.startswith("---") else ""
        known = isinstance(yaml.safe_load(front), dict)
        errors = [] if known else [{"message": "the front matter is no mapping"}]
        return (200 if known else 400), {"errors": errors, "warnings": []}

    def preupload(self, kind, name):
        self.may_write(name.partition("/")[0])
        self.repository(kind, name)
        return {"files": [
            {"path": file["path"], "shouldIgnore": False,
             "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular"}
            for file in json.loads(self.sent)["files"]
        ]}

    def batch(self, name):
        self.may_write(name.partition("/")[0])
        place = f"{self.server.endpoint}/lfs"
        return {"transfer": "basic", "objects": [
            {**thing, "actions": {"upload": {"href": f"{place}/{thing['oid']}"}}}
            for thing in json.loads(self.sent)["objects"]
        ]}

    def store(self, known):
        assert hashlib.sha256(self.sent).hexdigest() == known
        self.server.stored[known] = self.sent
        return {}

    def commit(self, kind, name):
        self.may_write(name.partition("/")[0])
        before = self.repository(kind, name)
        for line in self.sent.splitlines():
            key, value = json.loads(line).values()
            if key == "header":
                continue
            file = before.folder / value["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.server.stored[value["oid"]] if key == "lfsFile"
                             else base64.b64decode(value["content"]))
            self.server.checksums[file] = checksum(file)
        revision = hashlib.sha1(self.sent).hexdigest()
        self.server.repositories[name] = before._replace(revision=revision)
        return {"commitOid": revision,
                "commitUrl": f"{self.server.endpoint}/{name}/commit/{revision}"}
