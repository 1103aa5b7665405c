"""Change the address of the repository, and the links to it, in every file that git tracks.

pyproject.toml states the address. Each notebook gets its link and its cell for Colab.
"""

import argparse
import json
import re
import subprocess
from typing import NamedTuple
from urllib.parse import quote, urlencode

from helpers import paths, requirements
from helpers.errors import LearnerError

TAG = "colab"
METADATA = {"cellView": "form", "jupyter": {"source_hidden": True},  # its code is folded
            "slideshow": {"slide_type": "skip"}, "tags": [TAG]}
CELL = """\
# @title On Colab, run this cell first: it fetches the project. Elsewhere it does nothing.
import os
import sys

if "google.colab" in sys.modules:
    if not os.path.exists("../helpers"):
        git = "git clone -q --depth 1 -b BRANCH REPOSITORY fine-tuning-bert"
        if not os.path.exists("fine-tuning-bert/helpers") and os.system(git):
            sys.exit(f"The project was not fetched: `{git}` failed. Try again with a network.")
        os.chdir("fine-tuning-bert/notebooks")
    sys.path.insert(0, os.path.abspath(".."))
    from helpers import colab

    colab.prepare()"""
GITHUB = re.compile(r"^(?:https?://(?:www\.)?|(?:ssh://)?git@)github\.com[:/](.+?)(?:\.git)?$")
FORMS = {  # what each may be, and in words
    "repository": (r"https://github\.com/[\w.-]+/[\w.-]+|"
                   r"(?:https?|file)://(?!github\.com)[\w.:-]*(?:/[\w.~%+-]+)+",
                   "an address that everybody can clone, such as https://github.com/OWNER/NAME"),
    "branch": (r"\w+(?:(?:[./+]|-+)\w+)*", "a branch, as `git branch` lists it"),
    "hub": (r"(?:https?://[\w.:/~-]+)?", "a JupyterHub, such as https://hub.example.org"),
}


class Address(NamedTuple):
    """Where the project lives: the repository, the branch, and perhaps a JupyterHub."""

    repository: str
    branch: str
    hub: str = ""

    @property
    def links(self):
        """Return how links to Colab, to Binder, and for nbgitpuller begin; the repository."""
        name = self.repository.partition("https://github.com/")[2]
        # Colab opens notebooks from GitHub alone; for others the link leads to its start page.
        colab = f"github/{name}/blob/{quote(self.branch)}/" if name else "#"
        binder = f"gh/{name}" if name else f"git/{quote(self.repository, safe='')}"
        folder = self.repository.rpartition("/")[2].removesuffix(".git")
        query = {"repo": self.repository, "branch": self.branch, "urlpath": f"lab/tree/{folder}/"}
        return [f"https://colab.research.google.com/{colab}",
                f"https://mybinder.org/v2/{binder}/{quote(self.branch, safe='')}?",
                f"{self.hub or 'https://YOUR-HUB'}/hub/user-redirect/git-pull?{urlencode(query)}",
                self.repository]


def address():
    """Return the `Address` that pyproject.toml states."""
    return Address(**requirements.pyproject()["tool"][requirements.PROJECT])


def checked(repository, branch, hub=""):
    """Return an `Address`, with a repository on GitHub in its https form.

    Raises LearnerError for what is not an address of a repository, a branch, or a hub.
    """
    repository = GITHUB.sub(r"https://github.com/\1", repository.rstrip("/"))
    new = Address(repository, branch, hub.rstrip("/"))
    for key, (form, words) in FORMS.items():
        value = getattr(new, key)
        if not re.fullmatch(form, value):
            raise LearnerError(f"--{key}: {value!r} is not {words}.")
    return new


def stamped_notebook(text, name, address):
    """Return a notebook's JSON text with its link to Colab and its cell for Colab.

    A notebook that has neither gets both. Everything else in it stays as it is.
    """
    notebook = json.loads(text)
    cells = notebook["cells"]
    title, _, rest = "".join(cells[0]["source"]).partition("\n\n")
    rest = re.sub(r"^\[Open in Colab\]\(.*\)\n\n", "", rest)
    link = f"[Open in Colab]({address.links[0]}notebooks/{name})"
    cells[0]["source"] = f"{title}\n\n{link}\n\n{rest}".splitlines(keepends=True)
    cell = next((c for c in cells if TAG in c["metadata"].get("tags", [])), None)
    if cell is None:
        cell = {"cell_type": "code", "execution_count": None, "id": TAG, "outputs": []}
        cells.insert([c["cell_type"] for c in cells].index("code"), cell)
    code = CELL.replace("BRANCH", address.branch).replace("REPOSITORY", address.repository)
    cell |= {"metadata": METADATA, "source": code.splitlines(keepends=True)}
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def stamp(new):
    """Write an address into every file that names the old one; returns the paths that changed."""
    old = address()
    change = {f'\n{key} = "{value}"': f'\n{key} = "{getattr(new, key)}"'  # in pyproject.toml
              for key, value in old._asdict().items()}
    change |= zip(old.links, new.links, strict=True)
    # The repository is the last: it may be the beginning of another one's name.
    pattern = re.compile("|".join(map(re.escape, change)) + r"(?![\w-])")
    git = ["git", "grep", "-lzIF", *(word for link in old.links for word in ("-e", link))]
    found = subprocess.run(git, cwd=paths.ROOT, capture_output=True, text=True, check=False)
    notebooks = {*(paths.ROOT / "notebooks").glob("[0-9]*.ipynb")}
    others = {paths.ROOT / name for name in ["pyproject.toml", *found.stdout.split("\0")[:-1]]}
    changed = []
    for path in sorted(others | notebooks):
        before = path.read_text(encoding="utf-8")
        text = pattern.sub(lambda match: change[match[0]], before)
        if path in notebooks:
            text = stamped_notebook(text, path.name, new)
        if text != before:
            changed.append(path)
            with paths.replacing(path) as fresh:
                fresh.write_text(text, encoding="utf-8", newline="\n")
    return changed


def main(arguments=None):
    """Stamp an address, with what is not given as pyproject.toml has it."""
    parser = argparse.ArgumentParser(prog="python -m helpers stamp", description=__doc__)
    parser.add_argument("--repository", metavar="URL", help="of your fork, for example")
    parser.add_argument("--branch", metavar="NAME", help="the branch that learners get")
    parser.add_argument("--hub", metavar="URL", help="a JupyterHub that has nbgitpuller")
    parser.set_defaults(**address()._asdict())
    try:
        new = checked(**vars(parser.parse_args(arguments)))
    except LearnerError as error:
        parser.error(str(error))
    changed = stamp(new)
    print(*(path.relative_to(paths.ROOT).as_posix() for path in changed), sep="\n")
    print(f"{len(changed)} files changed: {new.repository}, branch {new.branch}.")
    if "github.com" not in new.repository:
        print("Colab opens notebooks from GitHub only: the links now lead to its start page. "
              "Upload a notebook there, and its first cell fetches the project.")


if __name__ == "__main__":
    main()
