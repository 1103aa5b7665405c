"""The built site for its tests: where it is, what belongs to it, and how a browser opens it.

Without what `python -m helpers site --fetch` brings, tests that import this are skipped. The
environment variable SITE names a site that is built already.
"""

import contextlib
import http.server
import os
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import folder_server
import pytest

from helpers import paths
from tools import stamp
from tools.site import build, documents, lessons, pages

if any(find_spec(name) is None for name in ("sphinx", "myst_nb", "bs4", "codespell_lib")):
    pytest.skip(f"nothing to build a site with here: {build.FETCH}", allow_module_level=True)

ADDRESS = stamp.address()
HOME = documents.home(ADDRESS)
LESSONS = lessons.lessons()


def built_site(folder):
    """Return the folder of a built site, which is built into `folder` if there is none."""
    if there := os.environ.get("SITE"):
        return (paths.ROOT / there).resolve()
    build.build(folder)
    return folder


def names(built):
    """Return the names of all pages, without the ones that Sphinx makes to search in."""
    return sorted(name.removesuffix(".html") for name in pages.read(built)
                  if name not in ("search.html", "genindex.html"))


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def translate_path(self, path):
        return super().translate_path("/" + path.removeprefix(urlsplit(HOME).path or "/"))

    def send_error(self, code, *_, **__):  # as GitHub Pages does
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write((Path(self.directory) / "404.html").read_bytes())


@contextlib.contextmanager
def serving(built):
    """Serve a built site on this machine; yields its address."""
    with folder_server.serving(built, Quiet) as root:
        yield root + (urlsplit(HOME).path or "/")


@contextlib.contextmanager
def opened(chromium, address, **options):
    """Open a page; yields it and what went wrong: errors, and requests to other hosts."""
    tab = chromium.new_page(**{"viewport": {"width": 1280, "height": 800}} | options)
    problems = []
    tab.on("pageerror", lambda error: problems.append(f"error: {error}"))
    tab.on("console", lambda said: said.type == "error" and problems.append(said.text))
    tab.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    host = "http://" + urlsplit(address).netloc
    tab.on("request", lambda request: request.url.startswith((host, "data:", "blob:"))
           or problems.append(f"foreign: {request.url}"))
    try:
        tab.goto(address, wait_until="load")
        yield tab, problems
    finally:
        tab.close()
