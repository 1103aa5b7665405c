"""Check built pages: links, anchors, what they load, and how much that is."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from helpers.errors import LearnerError

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src",
          "audio": "src", "embed": "src", "object": "data"}
RELATIONS = {"stylesheet", "icon", "shortcut", "preload", "modulepreload", "preconnect",
             "dns-prefetch", "prefetch", "manifest"}  # of links that the browser follows itself
CSS_URL = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")
RELATIVE = re.compile(r"""(\s(?:href|src|action)=")(?![a-z]+:|[/#"])(?:\./)?""")
# The theme has every page load what searches; without search as one types, one page needs it.
SEARCHING = re.compile(r'\s*<script[^>]*src="[^"]*(?:searchtools|language_data|searchindex)\.js'
                       r'[^"]*"[^>]*></script>')
# What the theme names so that a screen reader says something else than is seen, or nothing.
NAMES = {' search-button__button pst-js-only" title="Search" aria-label="Search"':
         ' search-button__button pst-js-only" title="Search"',
         '<summary><span class="toctree-toggle"':
         '<summary aria-label="Its pages"><span class="toctree-toggle"'}
FRONT_PAGE = 500_000  # bytes that the front page may load


class Page(HTMLParser):
    """What a page holds: `ids`, the `links` that a reader follows, and what it `loads`."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loads = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Take note of a tag."""
        attributes = {name: value or "" for name, value in attrs}
        self.ids |= {attributes[name] for name in ("id", "name") if attributes.get(name)}
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        if tag == "link" and RELATIONS & set(attributes.get("rel", "").lower().split()):
            self.loads.append(attributes.get("href", ""))
        if tag in LOADED and attributes.get(LOADED[tag]):
            self.loads.append(attributes[LOADED[tag]])
        for candidate in attributes.get("srcset", "").split(","):
            self.loads += candidate.split()[:1]
        self.loads += addresses(attributes.get("style", ""))


def addresses(css):
    """Return what a style sheet loads."""
    return [first or second for first, second in CSS_URL.findall(css)]


def read(folder):
    """Return {name of the file: `Page`} of all pages in a built site."""
    return {path.relative_to(folder).as_posix(): Page(path.read_text(encoding="utf-8"))
            for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts}


def lighten(folder):
    """Take out what no reader needs, and scripts that search from all pages but the one for it.

    No reader needs the theme's templates, translations and source maps, and Sphinx's own notes.
    """
    for unneeded in (".buildinfo", "_static/*.html", "_static/**/*.map"):
        for path in folder.glob(unneeded):
            path.unlink()
    for unneeded in ("_sources", "_static/locales"):
        shutil.rmtree(folder / unneeded, ignore_errors=True)
    for path in folder.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for theirs, ours in NAMES.items():
            text = text.replace(theirs, ours)
        if path != folder / "search.html":
            text = SEARCHING.sub("", text)
        path.write_text(text, encoding="utf-8", newline="\n")


def make_absolute(page, home):
    """Let the links of a page lead from the site's root: it is shown at any address not found."""
    root = urlsplit(home).path or "/"
    text = RELATIVE.sub(rf"\g<1>{root}", page.read_text(encoding="utf-8"))
    text = text.replace('data-content_root="./"', f'data-content_root="{root}"')
    page.write_text(text, encoding="utf-8", newline="\n")


def check(folder, home=""):
    """Raise LearnerError for the first page with a broken link or anchor, or a foreign request.

    `home` is the address at which the site will stand: links that begin with it are its own.
    """
    pages = read(folder)
    root = urlsplit(home).path or "/"
    for name, page in pages.items():
        for link in page.loads:
            if said := foreign(link):
                raise LearnerError(f"{name}: it would load {said} from elsewhere.")
        for link in [*page.links, *page.loads]:
            if said := dead(link, name, pages, folder, root, home):
                raise LearnerError(f"{name}: {said}")
    for path in sorted(folder.rglob("*.css")):
        for link in addresses(path.read_text(encoding="utf-8")):
            if said := foreign(link):
                raise LearnerError(f"{path.relative_to(folder)}: it would load {said} from "
                                   "elsewhere.")


def foreign(link):
    """Return an address that leads to another host, or None."""
    url = urlsplit(link.strip())
    return link if url.netloc or url.scheme in ("http", "https") else None


def dead(link, name, pages, folder, root="/", home=""):
    """Return what is wrong with a link of a page within the site, or None."""
    if home and link.startswith(home):
        link = root + link.removeprefix(home)
    url = urlsplit(link)
    if url.scheme or url.netloc:
        return None
    path = unquote(url.path)
    if path.startswith("/"):
        target = Path(path.removeprefix(root).lstrip("/") or "index.html")
    else:
        target = Path(name).parent / path if path else Path(name)
    place = (folder / target).resolve()
    if place.is_dir():
        place /= "index.html"
    if not place.is_file() or not place.is_relative_to(folder.resolve()):
        return f"a link leads nowhere: {link}"
    known = pages.get(place.relative_to(folder.resolve()).as_posix())
    if known and url.fragment and unquote(url.fragment) not in known.ids:
        return f"a link leads to no such place of a page: {link}"
    return None
