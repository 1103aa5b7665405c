"""Find links within the project that lead nowhere: to no file, or to no heading in it.

`python -m tools.links` reads the pages and the notebooks, needs no network, and prints every dead
link; the exit status is 1 if there is one. Links to other sites are tried weekly by
.github/workflows/links.yml.
"""

import re
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mistune
import nbformat

from helpers import paths

GLOBS = ("*.md", "data/*/*.md", ".github/*.md", "notebooks/[0-9]*.ipynb")
ATTRIBUTES = ("href", "src", "srcset")  # of HTML, whose values are addresses


def pages():
    """Return the files whose links are checked."""
    return [path for pattern in GLOBS for path in sorted(paths.ROOT.glob(pattern))]


def dead(path):
    """Return a sentence for each link of a Markdown file or a notebook that leads nowhere."""
    problems = []
    for link in read(path)[0]:
        url = urlsplit(link)
        if url.scheme or url.netloc:
            continue
        target = path.parent / unquote(url.path) if url.path else path
        if url.path.startswith("/") or not target.exists():
            problems.append(f"a link leads nowhere: {link}")
        elif url.fragment and unquote(url.fragment) not in anchors(target):
            problems.append(f"a link leads to no heading of {target.name}: {link}")
    return problems


def anchors(path):
    """Return the names by which a link reaches the headings of a page.

    GitHub makes them for Markdown: small letters, hyphens for spaces, no punctuation, a number at
    the second of the same name. JupyterLab, and GitHub in a notebook, put hyphens for spaces.
    """
    if path.suffix not in (".md", ".ipynb"):
        return set()
    headings = read(path)[1]
    if path.suffix == ".ipynb":
        return {heading.replace(" ", "-") for heading in headings}
    seen, names = Counter(), set()
    for heading in headings:
        name = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        names.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names


def read(path):
    """Return the addresses of a page's links and pictures, and the texts of its headings."""
    text = path.read_text(encoding="utf-8")
    parts = [text]
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        parts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    links, headings = [], []
    for part in parts:
        for token in _tokens(mistune.create_markdown(renderer=None, plugins=["table"])(part)):
            if token["type"] in ("link", "image"):
                links.append(token["attrs"]["url"])
            elif token["type"] == "heading":
                inner = [t for t in _tokens(token["children"]) if t["type"] != "inline_html"]
                headings.append("".join(t.get("raw", "") for t in inner))
            elif token["type"] in ("block_html", "inline_html"):
                links += _addresses(token["raw"])
    return links, headings


def _tokens(tokens):
    for token in tokens:
        yield token
        yield from _tokens(token.get("children", []))


def _addresses(html):
    found, parser = [], HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.extend(
        value.split()[0] for name, value in attributes if name in ATTRIBUTES and value)
    parser.feed(html)
    return found


def main(files):
    """Print the dead links of these files, or of all pages; returns the exit status."""
    found = [f"{path}: {said}" for path in map(Path, files or pages()) for said in dead(path)]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
