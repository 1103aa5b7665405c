"""One address, from one place, in everything that names it."""

import json
import shutil
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest
from notebook_lint import COLAB, tags

from helpers import paths
from helpers.errors import LearnerError
from tools import run, stamp
from tools.stamp import Address

FORK = Address("https://github.com/someone/their-fork", "try/this")
ELSEWHERE = Address("https://git.example.org/group/x.git", "v2", "https://hub.example.org")
PAGES = ("pyproject.toml", "README.md", "CITATION.cff", "CODE_OF_CONDUCT.md",
         ".github/ISSUE_TEMPLATE/config.yml")
LONGER = "and its {repository}-data, {repository}/issues, pulled by {links[2]}."


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of what is stamped, and a page that names the address; commands work on it."""
    here = stamp.address()
    shutil.copytree(paths.ROOT / "notebooks", tmp_path / "notebooks",
                    ignore=shutil.ignore_patterns("runs", ".*"))
    for name in PAGES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(paths.ROOT / name, tmp_path / name)
    (tmp_path / "docs").mkdir()
    page = LONGER.format(repository=here.repository, links=here.links)
    (tmp_path / "docs" / "page.txt").write_text(page)
    (tmp_path / "binary").write_bytes(b"\0\xff" + here.repository.encode())
    for git in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *git], cwd=tmp_path, check=True)
    (tmp_path / "untracked.txt").write_text(page)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    stamp.stamp(here)
    return tmp_path


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts}


@pytest.mark.parametrize("repository", [
    "https://github.com/owner/name", "https://github.com/owner/name/",
    "https://github.com/owner/name.git", "http://github.com/owner/name",
    "https://www.github.com/owner/name", "git@github.com:owner/name.git",
    "git@github.com:owner/name", "ssh://git@github.com/owner/name.git",
])
def test_each_form_of_a_github_address_is_the_same_repository(repository):
    address = stamp.checked(repository, "main")
    assert address == Address("https://github.com/owner/name", "main")
    assert address.links[1] == "https://mybinder.org/v2/gh/owner/name/main?"


@pytest.mark.parametrize(("option", "value"), [
    *(("repository", value) for value in (
        "", "owner/name", "https://github.com", "https://github.com/owner",
        "https://github.com/o/n/tree/main", 'https://example.org/"; import os',
        "https://user:secret@example.org/x.git", "git@example.org:owner/name.git",
        "--upload-pack=touch")),
    *(("branch", value) for value in ("", "a b", "-b", "a..b", "a/", 'a"b', "a;b", "$(a)")),
    ("hub", "hub"),
])
def test_a_wrong_address_is_refused_in_a_line(option, value):
    with pytest.raises(LearnerError) as error:
        stamp.checked(**FORK._asdict() | {option: value})
    assert f"--{option}: {value!r} is not a" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_command_stamps_a_fork_and_a_second_run_changes_nothing(copy, capsys):
    here = stamp.address()
    command = ["--repository", "git@github.com:someone/their-fork.git", "--branch", "try/this"]
    stamp.main(command)
    assert f"{len(run.chosen()) + len(PAGES) + 1} files changed" in capsys.readouterr().out
    assert stamp.address() == FORK
    after = contents(copy)
    readme = after["README.md"].decode()
    assert "/github/someone/their-fork/blob/try/this/notebooks/00_start_here.ipynb)" in readme
    assert FORK.links[1] in readme and FORK.links[2] in readme
    assert after["docs/page.txt"].decode() == LONGER.format(
        repository=FORK.repository, links=FORK.links
    ).replace(f"{FORK.repository}-data", f"{here.repository}-data"), "another repository changed"
    for name, content in after.items():
        if name not in ("docs/page.txt", "untracked.txt", "binary"):
            assert here.repository.encode() not in content, name
        if name.endswith(".ipynb"):
            assert b"git clone -q --depth 1 -b try/this https://github.com/someone/" in content
    stamp.main([])
    assert "0 files changed" in capsys.readouterr().out
    assert contents(copy) == after


@pytest.mark.parametrize("elsewhere", [FORK, ELSEWHERE])
def test_stamping_there_and_back_leaves_every_byte_as_it_was(copy, elsewhere):
    before, here = contents(copy), stamp.address()
    stamp.stamp(elsewhere)
    assert stamp.address() == elsewhere
    assert contents(copy) != before
    stamp.stamp(here)
    assert contents(copy) == before


def test_a_wrong_address_stops_the_command_and_changes_nothing(copy, capsys):
    before = contents(copy)
    with pytest.raises(SystemExit, match="2"):
        stamp.main(["--branch", "a b"])
    assert "is not a branch" in capsys.readouterr().err
    assert contents(copy) == before


def test_off_github_the_links_lead_to_colabs_start_page_and_the_command_says_so(copy, capsys):
    stamp.main(["--repository", ELSEWHERE.repository])
    assert "Colab opens notebooks from GitHub only" in capsys.readouterr().out
    for path in run.chosen():
        text = (copy / "notebooks" / path.name).read_text(encoding="utf-8")
        assert f"(https://colab.research.google.com/#notebooks/{path.name})" in text
        assert f"-b main {ELSEWHERE.repository} fine-tuning-bert" in text
    readme = (copy / "README.md").read_text(encoding="utf-8")
    assert "/v2/git/https%3A%2F%2Fgit.example.org%2Fgroup%2Fx.git/main?" in readme


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
    assert read.cells[1].metadata.cellView == "form"
    assert read.cells[1].metadata.jupyter.source_hidden
    assert json.loads(after)["cells"][2] == json.loads(before)["cells"][1]
    nbformat.write(read, path)
    assert path.read_text(encoding="utf-8") == after, "not as nbformat writes it"
    assert stamp.stamped_notebook(after, path.name, FORK) == after
    read.cells[1].execution_count = 1  # it has been run
    again = stamp.stamped_notebook(nbformat.writes(read), "43_renamed.ipynb", FORK)
    assert nbformat.reads(again, as_version=4).cells[1].execution_count == 1
    assert "/notebooks/43_renamed.ipynb" in again and "/notebooks/42_new.ipynb" not in again


def test_the_links_of_binder_and_nbgitpuller_lead_to_the_first_notebook():
    readme = (paths.ROOT / "README.md").read_text(encoding="utf-8")
    for link, folder in zip(stamp.address().links[1:3], ("", "fine-tuning-bert-notebooks/"),
                            strict=True):
        whole = readme[readme.index(link):].split(")")[0].split("`")[0].split(">")[0]
        opened = parse_qs(urlsplit(whole).query)["urlpath"][0].removeprefix("lab/tree/")
        assert (paths.ROOT / opened.removeprefix(folder)).is_file()
    assert FORK.links[1] == "https://mybinder.org/v2/gh/someone/their-fork/try%2Fthis?"
    query = parse_qs(urlsplit(ELSEWHERE.links[2]).query)
    assert query == {"repo": [ELSEWHERE.repository], "branch": ["v2"], "urlpath": ["lab/tree/x/"]}


def test_everything_is_stamped_with_the_address_in_pyproject():
    readme = (paths.ROOT / "README.md").read_text(encoding="utf-8")
    for path in run.chosen():
        text = path.read_text(encoding="utf-8")
        assert text == stamp.stamped_notebook(text, path.name, stamp.address())
        assert f"({stamp.address().links[0]}notebooks/{path.name})" in readme


def test_the_cell_does_nothing_elsewhere(tmp_path):
    assert len(stamp.CELL.splitlines()) <= 14
    program = f"import sys\nbefore = sys.path[:]\n{stamp.CELL}\nsys.exit(sys.path != before)"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert list(tmp_path.iterdir()) == []
