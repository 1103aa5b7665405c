"""The repository's address and branch, written from one place into everything that names them.

The one place is the table `[tool.fine-tuning-bert-notebooks]` of pyproject.toml. From it follow
each notebook's link to Colab and the cell that fetches the project there, and the badges and
links in the Markdown files. The standard library suffices.
"""

import json
import re
import tomllib
from dataclasses import asdict, dataclass
from urllib.parse import quote, urlencode, urlsplit

from helpers import paths
from helpers.errors import LearnerError

TABLE = "tool.fine-tuning-bert-notebooks"
DOCUMENTS = ("README.md", "INSTRUCTORS.md")  # as far as they are there
TAG = "colab"
CELL = '''\
# On Colab, this cell fetches the rest of the project. Elsewhere it does nothing.
from importlib.util import find_spec

if find_spec("google") and find_spec("google.colab"):
    import os
    import subprocess
    import sys

    places = [p for p in ("..", ".", "NAME") if os.path.isfile(p + "/helpers/colab.py")]
    if not places:
        repository = "REPOSITORY"
        clone = ["git", "clone", "--quiet", "--depth=1", "--branch=BRANCH", repository]
        git = subprocess.run(clone, check=False, stderr=subprocess.PIPE, text=True)
        if git.returncode:
            sys.exit(f"{git.stderr}The project was not fetched. Try again with a network.")
    sys.path.insert(0, os.path.abspath([*places, "NAME"][0]))
    from helpers import colab

    colab.prepare()'''

_COLAB = "https://colab.research.google.com"
_BINDER = "https://mybinder.org"
_ANY_HUB = "https://YOUR-HUB"
_START = "notebooks/00_start_here.ipynb"
_LINK = re.compile(r"^\[Open in Colab\]\([^)\n]*\)\n\n", re.MULTILINE)
_ROW = re.compile(r"^(\| \[\d\d\]\((notebooks/[^)\n]+)\) .*\|)([^|\n]*)\|$", re.MULTILINE)
_SCP = re.compile(r"[\w.-]+@([\w.-]+):(?!//)(.+)")  # git@github.com:owner/name.git
_ADDRESS = re.compile(r"(https?|ssh|git|file)://[\w./~%:@+-]+")
_BRANCH = re.compile(r"(?![-/.])[\w./#=,@+-]+(?<![/.])")


@dataclass(frozen=True)
class Address:
    """Where the project lives: the repository, the branch, and perhaps a JupyterHub."""

    repository: str
    branch: str
    hub: str = ""

    @property
    def name(self):
        """The folder that `git clone` makes."""
        return self.repository.rstrip("/").rpartition("/")[2].removesuffix(".git")

    @property
    def on_github(self):
        """Return "owner/name" of a repository on GitHub, else None."""
        parts = urlsplit(self.repository)
        return parts.path.strip("/") if parts.hostname == "github.com" else None

    def colab(self, notebook):
        """Return the address that opens a notebook (`notebooks/…`) on Colab; None off GitHub."""
        if self.on_github:
            return f"{_COLAB}/github/{self.on_github}/blob/{quote(self.branch)}/{quote(notebook)}"
        return None

    def binder(self):
        """Return the address that starts the project on mybinder.org; None off GitHub."""
        if self.on_github:
            where = f"{self.on_github}/{quote(self.branch, safe='')}"
            return f"{_BINDER}/v2/gh/{where}?{urlencode({'urlpath': f'lab/tree/{_START}'})}"
        return None

    def nbgitpuller(self):
        """Return the address that brings the project to every learner of a JupyterHub."""
        query = {
            "repo": self.repository,
            "branch": self.branch,
            "urlpath": f"lab/tree/{self.name}/{_START}",
        }
        return f"{self.hub or _ANY_HUB}/hub/user-redirect/git-pull?{urlencode(query)}"


def address():
    """Return the `Address` that pyproject.toml states."""
    table = tomllib.loads((paths.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for part in TABLE.split("."):
        table = table[part]
    return Address(**table)


def checked(repository, branch, hub=""):
    """Return an `Address`, with a repository on GitHub in its https form.

    Raises LearnerError for what is no address of a repository, no branch, or no address of a hub.
    """
    repository = repository.strip().rstrip("/")
    scp = _SCP.fullmatch(repository)
    if scp:
        repository = f"ssh://git@{scp[1]}/{scp[2]}"
    if not _ADDRESS.fullmatch(repository) or not urlsplit(repository).path.strip("/"):
        raise LearnerError(
            f"{repository!r} is no address of a repository. Give one that `git clone` takes, "
            "such as https://github.com/OWNER/NAME."
        )
    if urlsplit(repository).hostname in ("github.com", "www.github.com"):
        parts = urlsplit(repository).path.strip("/").removesuffix(".git").split("/")
        if len(parts) != 2:
            raise LearnerError(
                f"{repository} is no repository on GitHub: those end with OWNER/NAME. "
                "Give a branch by --branch."
            )
        repository = f"https://github.com/{'/'.join(parts)}"
    if not _BRANCH.fullmatch(branch) or re.search(r"\.\.|//|/\.|@\{|\.lock(/|$)", branch):
        raise LearnerError(f"{branch!r} is no name of a branch. See what `git branch` lists.")
    if hub and not re.fullmatch(r"https?://[\w.:/~-]+", hub):
        raise LearnerError(
            f"{hub!r} is no address of a JupyterHub, such as https://hub.example.org."
        )
    return Address(repository, branch, hub.rstrip("/"))


def outdated(address):
    """Return what stamping would change: a dictionary from path to new text; empty if nothing."""
    texts = {}
    pyproject = paths.ROOT / "pyproject.toml"
    texts[pyproject] = stamped_table(pyproject.read_text(encoding="utf-8"), address)
    for path in sorted((paths.ROOT / "notebooks").glob("[0-9]*.ipynb")):
        texts[path] = stamped_notebook(path.read_text(encoding="utf-8"), path.name, address)
    for path in (paths.ROOT / name for name in DOCUMENTS):
        if path.is_file():
            texts[path] = stamped_document(path.read_text(encoding="utf-8"), address)
    return {path: text for path, text in texts.items() if path.read_text(encoding="utf-8") != text}


def stamp(address):
    """Write an address into every file that names it; returns the paths that this changed."""
    changes = outdated(address)
    for path, text in changes.items():
        with paths.replacing(path) as fresh:
            fresh.write_text(text, encoding="utf-8", newline="\n")
    return list(changes)


def stamped_table(text, address):
    """Return the text of pyproject.toml with an address in its one place."""
    before, header, rest = text.partition(f"[{TABLE}]\n")
    values, break_, after = rest.partition("\n[")
    for key, value in asdict(address).items():
        line = f'{key} = "{value}"'
        values = re.sub(rf'^{key} = ".*"$', lambda _, line=line: line, values, flags=re.M)
    return before + header + values + break_ + after


def stamped_notebook(text, name, address):
    """Return the JSON text of a notebook with its link to Colab and its first code cell.

    Everything else in it stays as it is: outputs, execution counts, metadata, ids.
    """
    notebook = json.loads(text)
    cells = notebook["cells"]
    title, break_, rest = _LINK.sub("", "".join(cells[0]["source"])).partition("\n\n")
    target = address.colab(f"notebooks/{name}")
    link = f"[Open in Colab]({target})\n\n" if target else ""
    cells[0]["source"] = f"{title}{break_}{link}{rest}".splitlines(keepends=True)

    cell = next((c for c in cells if TAG in c["metadata"].get("tags", [])), None)
    if cell is None:
        first = next(i for i, c in enumerate(cells) if c["cell_type"] == "code")
        cell = {"cell_type": "code", "execution_count": None, "id": TAG,
                "metadata": {"tags": [TAG]}, "outputs": []}
        cells.insert(first, cell)
    cell["source"] = cell_source(address).splitlines(keepends=True)
    # As nbformat writes it.
    return json.dumps(
        notebook, indent=1, sort_keys=True, ensure_ascii=False, separators=(",", ": ")
    ) + "\n"


def cell_source(address):
    """Return the code of the cell that fetches the project on Colab."""
    values = {"REPOSITORY": address.repository, "BRANCH": address.branch, "NAME": address.name}
    return re.sub("|".join(values), lambda word: values[word[0]], CELL)


def stamped_document(text, address):
    """Return a Markdown text with a badge in each row on a notebook, and with its marked links.

    A marked link stands between `<!-- binder -->` or `<!-- hub -->` and `<!-- end -->`.
    """
    def row(match):
        target = address.colab(match[2])
        badge = badge_of("Open in Colab", f"{_COLAB}/assets/colab-badge.svg", target)
        return f"{match[1]} {badge} |" if badge else f"{match[1]} |"

    links = {
        "binder": badge_of("Open in Binder", f"{_BINDER}/badge_logo.svg", address.binder())
        or "(not offered: the repository is not on GitHub)",
        "hub": f"<{address.nbgitpuller()}>" if address.hub else f"`{address.nbgitpuller()}`",
    }
    text = _ROW.sub(row, text)
    for name, link in links.items():
        text = re.sub(
            rf"<!-- {name} -->.*?<!-- end -->",
            lambda _, marked=f"<!-- {name} -->{link}<!-- end -->": marked, text, flags=re.S,
        )
    return text


def badge_of(words, picture, target):
    """Return a badge in Markdown, or nothing without a target."""
    return f"[![{words}]({picture})]({target})" if target else ""
