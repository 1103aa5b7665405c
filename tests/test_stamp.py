"""One address, from one place, in everything that names it."""

import json
import shutil
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest
from notebook_lint import COLAB, tags

import helpers.__main__ as commands
from helpers import paths
from tools import run, stamp
from helpers.errors import LearnerError
from tools.stamp import Address

FORK = Address("https://github.com/someone/their-fork", "try/this")


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of what is stamped; commands work on it."""
    shutil.copytree(paths.ROOT / "notebooks", tmp_path / "notebooks",
                    ignore=shutil.ignore_patterns("runs", ".*"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(paths.ROOT / name, tmp_path)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    return tmp_path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_is_stamped_with_the_address_in_pyproject():
    assert list(stamp.outdated(stamp.address())) == []


@pytest.mark.parametrize("repository", [
    "https://github.com/owner/name", "https://github.com/owner/name/",
    "https://github.com/owner/name.git", "http://github.com/owner/name",
    "https://www.github.com/owner/name", "git@github.com:owner/name.git",
    "git@github.com:owner/name", "ssh://git@github.com/owner/name.git",
])
def test_each_form_of_a_github_address_is_the_same_repository(repository):
    address = stamp.checked(repository, "main")
    assert address == Address("https://github.com/owner/name", "main")
    assert (address.on_github, address.name) == ("owner/name", "name")


@pytest.mark.parametrize(("repository", "name"), [
    ("https://gitlab.example.org/group/part/name.git", "name"),
    ("git@codeberg.org:owner/name.git", "name"),
    ("file:///srv/git/name.git", "name"),
])
def test_another_host_is_kept_as_it_is_and_has_no_badges(repository, name):
    address = stamp.checked(repository, "main")
    assert address.name == name
    assert address.on_github is address.binder() is address.colab("notebooks/x.ipynb") is None
    assert f'"{address.repository}"' in stamp.cell_source(address)


@pytest.mark.parametrize(("repository", "branch", "hub", "said"), [
    ("", "main", "", "'' is no address of a repository"),
    ("owner/name", "main", "", "such as https://github.com/OWNER/NAME"),
    ("https://github.com", "main", "", "no address of a repository"),
    ("https://github.com/owner", "main", "", "OWNER/NAME"),
    ("https://github.com/o/n/tree/main", "main", "", "Give a branch by --branch"),
    ('https://example.org/"; import os', "main", "", "no address"),
    ("--upload-pack=touch", "main", "", "no address"),
    ("https://github.com/o/n", "", "", "'' is no name of a branch"),
    ("https://github.com/o/n", "a b", "", "no name of a branch"),
    ("https://github.com/o/n", "-b", "", "no name of a branch"),
    ("https://github.com/o/n", "a..b", "", "no name of a branch"),
    ("https://github.com/o/n", "a/", "", "no name of a branch"),
    ("https://github.com/o/n", 'a"b', "", "no name of a branch"),
    ("https://github.com/o/n", "main", "hub", "no address of a JupyterHub"),
])
def test_a_wrong_address_is_refused_in_a_line(repository, branch, hub, said):
    with pytest.raises(LearnerError) as error:
        stamp.checked(repository, branch, hub)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_the_command_stamps_a_fork_and_a_second_run_changes_nothing(copy, capsys):
    command = ["stamp", "--repository", "git@github.com:someone/their-fork.git",
               "--branch", "try/this"]
    assert commands.main(command) == 0
    assert f"{len(run.chosen()) + 2} files changed" in capsys.readouterr().out
    assert stamp.address() == FORK
    after = contents(copy)
    readme = after["README.md"].decode()
    assert "/github/someone/their-fork/blob/try/this/notebooks/00_start_here.ipynb)" in readme
    assert "fine-tuning-bert/" not in readme
    assert commands.main(["stamp"]) == 0
    assert "0 files changed" in capsys.readouterr().out
    assert contents(copy) == after


@pytest.mark.parametrize("elsewhere", [FORK, Address("https://example.org/x.git", "v2")])
def test_stamping_there_and_back_leaves_every_byte_as_it_was(copy, elsewhere):
    before, here = contents(copy), stamp.address()
    stamp.stamp(elsewhere)
    assert contents(copy) != before
    stamp.stamp(here)
    assert contents(copy) == before


def test_a_wrong_address_stops_the_command_and_changes_nothing(copy, capsys):
    before = contents(copy)
    assert commands.main(["stamp", "--branch", "a b"]) == 2
    assert "no name of a branch" in capsys.readouterr().err
    assert contents(copy) == before


def test_off_github_the_command_says_that_there_are_no_badges(copy, capsys):
    assert commands.main(["stamp", "--repository", "https://example.org/x.git"]) == 0
    assert "No badges" in capsys.readouterr().out
    for name, content in contents(copy).items():
        assert b"Open in Colab" not in content, name
        if name.endswith(".ipynb"):
            assert b'\\"https://example.org/x.git\\"' in content


def test_a_new_notebook_gets_link_and_cell_and_keeps_the_rest(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[
        nbformat.v4.new_markdown_cell("# 42 · New\n\nA question.\n\n**Time:** none"),
        nbformat.v4.new_code_cell("1 + 1", execution_count=1, metadata={"tags": ["loop"]},
                                  outputs=[nbformat.v4.new_output("stream", text="é\n")]),
    ])
    path = tmp_path / "42_new.ipynb"
    nbformat.write(notebook, path)
    before = path.read_text(encoding="utf-8")
    after = stamp.stamped_notebook(before, path.name, FORK)
    read = nbformat.reads(after, as_version=4)
    nbformat.validate(read)
    assert read.cells[0].source == (
        "# 42 · New\n\n[Open in Colab](https://colab.research.google.com/github/someone/"
        "their-fork/blob/try/this/notebooks/42_new.ipynb)\n\nA question.\n\n**Time:** none"
    )
    assert tags(read.cells[1]) == {COLAB}
    assert read.cells[1].execution_count is None
    assert json.loads(after)["cells"][2] == json.loads(before)["cells"][1]
    nbformat.write(read, path)
    assert path.read_text(encoding="utf-8") == after, "not as nbformat writes it"
    assert stamp.stamped_notebook(after, path.name, FORK) == after


def test_a_cell_that_has_been_run_keeps_its_count():
    path = run.chosen()[0]
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cell = next(c for c in notebook["cells"] if COLAB in c["metadata"].get("tags", []))
    cell["execution_count"] = 1
    again = json.loads(stamp.stamped_notebook(json.dumps(notebook), path.name, FORK))
    kept = next(c for c in again["cells"] if COLAB in c["metadata"].get("tags", []))
    assert kept["execution_count"] == 1


def test_the_links_of_binder_and_nbgitpuller_lead_to_the_first_notebook():
    hub = stamp.checked(FORK.repository, FORK.branch, "https://hub.example.org/")
    link = urlsplit(hub.nbgitpuller())
    assert (link.hostname, link.path) == ("hub.example.org", "/hub/user-redirect/git-pull")
    query = {key: values[0] for key, values in parse_qs(link.query).items()}
    assert query == {
        "repo": FORK.repository, "branch": "try/this",
        "urlpath": "lab/tree/their-fork/notebooks/00_start_here.ipynb",
    }
    binder = urlsplit(FORK.binder())
    assert binder.path == "/v2/gh/someone/their-fork/try%2Fthis"
    opened = parse_qs(binder.query)["urlpath"][0].removeprefix("lab/tree/")
    assert (paths.ROOT / opened).is_file()


def test_every_notebook_has_its_badge_in_the_readme():
    readme = (paths.ROOT / "README.md").read_text(encoding="utf-8")
    for path in run.chosen():
        assert f"({stamp.address().colab(f'notebooks/{path.name}')})" in readme
    assert stamp.address().nbgitpuller() in readme
    assert f"({stamp.address().binder()})" in readme


def test_the_cell_does_nothing_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = {}
    exec(stamp.cell_source(stamp.address()), space)
    assert set(space) - {"__builtins__"} == {"find_spec"}
    assert list(tmp_path.iterdir()) == []
