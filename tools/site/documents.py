"""Which files become pages, and where the links in them lead on the site."""

import os
import re
from urllib.parse import quote, unquote, urlsplit

from helpers import paths
from helpers.errors import LearnerError
from tools.site import lessons

# The part of the site, its pages in order: the file in the project, the name of the page.
PARTS = {
    "For you and your class": {"SETUP.md": "setup", "INSTRUCTORS.md": "instructors",
                               "GLOSSARY.md": "glossary"},
    "Data and models": {
        "data/reviews/README.md": "data/reviews", "data/messages/README.md": "data/messages",
        "data/questions/README.md": "data/questions",
        "data/entities/README.md": "data/entities", "data/prose/README.md": "data/prose",
        "data/reference/README.md": "data/reference",
        "data/bert-mini-mlm/README.md": "models/bert-mini-mlm",
        "data/gpt2-mini/README.md": "models/gpt2-mini"},
    "Behind it": {"CONTRIBUTING.md": "contributing", "CHANGELOG.md": "changelog",
                  "CODE_OF_CONDUCT.md": "code-of-conduct"},
}
FRONT = "README.md"  # what it says stands on the front page, in another form
LINK = re.compile(r"(?P<open>\]\()(?P<to>[^()\s]+(?:\([^()\s]*\)[^()\s]*)*)(?P<close>\))|"
                  r"(?P<code>```.*?```|`[^`\n]*`)", re.S)


def documents():
    """Return {file in the project: page} of everything that becomes a page, notebooks included."""
    files = {file: page for part in PARTS.values() for file, page in part.items()}
    files |= {f"notebooks/{path.name}": f"notebooks/{path.stem}" for path in lessons.found()}
    return files | {FRONT: "index"}


def check_links():
    """Raise LearnerError for a page with a link within the project that leads nowhere."""
    from tools import links  # what it reads Markdown with is not there before --fetch

    for file in documents():
        for said in links.dead(paths.ROOT / file):
            raise LearnerError(f"{file}: {said}")


def moved(text, file, address):
    """Return Markdown of a file with its links as they lead from that file's page.

    What is a page is linked there; what is only in the project, in its repository.
    """
    pages = documents()

    def change(match):
        if match["code"]:
            return match["code"]
        return match["open"] + target(match["to"], file, pages, address) + match["close"]

    return LINK.sub(change, text)


def target(link, file, pages, address):
    """Return where a link in a file of the project leads on the site."""
    url = urlsplit(link)
    if url.scheme or url.netloc or not url.path:
        return link
    whole = os.path.normpath(os.path.join(os.path.dirname(file), unquote(url.path)))
    whole = whole.replace(os.sep, "/")
    anchor = f"#{url.fragment}" if url.fragment else ""
    if whole == FRONT and url.fragment not in ("", "the-notebooks"):
        return in_repository(whole, address) + anchor  # the front page has no such heading
    if whole in pages:
        here = os.path.dirname(pages[file])
        suffix = ".ipynb" if whole.endswith(".ipynb") else ".md"
        if suffix == ".ipynb" and anchor:
            anchor = f"#{slug(unquote(url.fragment))}"
        return os.path.relpath(pages[whole] + suffix, here or ".").replace(os.sep, "/") + anchor
    return in_repository(whole, address) + anchor


def slug(heading):
    """Return the anchor that MyST gives a heading, from the one that Jupyter gives it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def in_repository(file, address):
    """Return the address of a file or a folder of the project in its repository."""
    if "//github.com/" not in address.repository:
        return address.repository
    kind = "tree" if (paths.ROOT / file).is_dir() else "blob"
    return f"{address.repository}/{kind}/{quote(address.branch)}/{quote(file)}"


def home(address):
    """Return the address of the site that GitHub Pages makes of a repository; "" elsewhere."""
    match = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+)", address.repository)
    if not match:
        return ""
    owner, name = match[1].lower(), match[2]
    return f"https://{owner}.github.io/" + ("" if name.lower() == f"{owner}.github.io"
                                            else f"{name}/")
