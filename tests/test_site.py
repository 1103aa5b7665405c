"""The sources of the site: what becomes a page, where links lead, and what stops the build."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from helpers import paths
from helpers.errors import LearnerError
from tools import stamp
from tools.site import __main__ as site
from tools.site import api, build, documents, front, lessons, staging

HERE = stamp.address()
CHANGED = ("notebooks", "pyproject.toml", "data")  # in a copy, real files and no links to ours


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the project in which faults are planted; commands work on it."""
    for path in paths.ROOT.iterdir():
        if path.name in CHANGED or path.suffix == ".md":
            continue
        if not path.name.startswith((".git", ".venv")) or path.name == ".github":
            (tmp_path / path.name).symlink_to(path)
    for path in paths.ROOT.glob("*.md"):
        shutil.copy(path, tmp_path)
    shutil.copytree(paths.ROOT / "notebooks", tmp_path / "notebooks",
                    ignore=shutil.ignore_patterns("runs", ".*"))
    shutil.copytree(paths.ROOT / "data", tmp_path / "data",
                    ignore=shutil.ignore_patterns("*.safetensors"))
    for weights in (paths.ROOT / "data").glob("*/*.safetensors"):
        (tmp_path / weights.relative_to(paths.ROOT)).touch()
    shutil.copy(paths.ROOT / "pyproject.toml", tmp_path)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    return tmp_path


def edit(path, change):
    """Change a notebook's JSON by a function that gets the notebook."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    change(notebook)
    path.write_text(json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n",
                    encoding="utf-8")


def code(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def without_outputs(notebook):
    for cell in code(notebook):
        cell["outputs"] = []


def not_run(notebook):
    code(notebook)[3] |= {"outputs": [], "execution_count": None}


def with_an_error(notebook):
    code(notebook)[3]["outputs"] = [{"output_type": "error", "ename": "NameError",
                                     "evalue": "no x", "traceback": []}]


def with_prose(text):
    def change(notebook):
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
        cells[2]["source"] = [*cells[2]["source"], "\n\n", text]
    return change


def test_the_project_as_it_is_passes_every_check(copy):
    staging.check(HERE)
    assert len(lessons.lessons()) == len(lessons.found()) >= 10


@pytest.mark.parametrize(("change", "said"), [
    (without_outputs, "no cell has an output"),
    (not_run, r"cell \d+: it has not been run.*run --save 02"),
    (with_an_error, r"cell \d+: it stores an error \(NameError: no x\)"),
    (with_prose("See [there](gone.md)."), "a link leads nowhere: gone.md"),
    (with_prose("See [there](01_loading_bert.ipynb#gone)."), "leads to no heading of 01_"),
    (with_prose("This is called **frobnication**."), "the glossary lacks 'frobnication'"),
    (with_prose("It is **uncased**, and **frobnicated** too."), "lacks 'frobnicated'"),
])
def test_a_fault_in_a_notebook_stops_the_build_and_says_where(change, said, copy, capsys):
    edit(copy / "notebooks" / "02_tokenizing.ipynb", change)
    stops(said, "notebooks/02_tokenizing.ipynb", copy, capsys)


@pytest.mark.parametrize(("file", "old", "new", "said"), [
    ("SETUP.md", "# Setting up\n", "# Setting up\n\n[x](gone.md)\n", "leads nowhere: gone.md"),
    ("SETUP.md", "(#windows)", "(#windoze)", "no heading of SETUP.md: #windoze"),
    ("GLOSSARY.md", "- **Batch** (00)", "- **Batch**", "line 15: not of the form"),
    ("data/reviews/README.md", "# Reviews", "# [Reviews](../gone)", "leads nowhere: ../gone"),
    ("pyproject.toml", f'repository = "{HERE.repository}"', 'repository = ""', "no address"),
    ("pyproject.toml", HERE.repository, "https://github.com/someone/theirs",
     "are not those of https://github.com/someone/theirs. Run: python -m helpers stamp"),
    ("pyproject.toml", f'repository = "{HERE.repository}"', 'repository = "here"',
     "--repository: 'here' is not"),
])
def test_a_fault_in_a_document_stops_the_build_and_says_where(
    file, old, new, said, copy, capsys
):
    text = (copy / file).read_text(encoding="utf-8")
    assert old in text
    (copy / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    where = "" if file == "pyproject.toml" else file
    stops(re.escape(said).replace("line\\ 15", r"line\ \d+"), where, copy, capsys)


def stops(said, where, folder, capsys):
    """Fail unless the command prints one line that says this, and leaves no site behind."""
    assert site.main(["--output", str(folder / "new")]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(where) and printed.count("\n") == 1
    assert re.search(said, printed), printed
    assert not (folder / "new").exists()


@pytest.mark.parametrize(("old", "new", "said"), [
    (r"\*\*Time:\*\*", "**When:**", "lacks `**Time:**"), ("^# 02", "02", "lacks a title"),
    ("35 more with the exercises", "", "lacks `**Time:**"),
])
def test_a_first_cell_without_what_a_page_shows_is_named(old, new, said, copy):
    def change(notebook):
        text = "".join(notebook["cells"][0]["source"])
        notebook["cells"][0]["source"] = re.sub(old, new, text)

    edit(copy / "notebooks" / "02_tokenizing.ipynb", change)
    with pytest.raises(LearnerError, match=re.escape(said)):
        lessons.lessons()


@pytest.mark.parametrize(("file", "old", "said"), [
    ("README.md", "notebooks/02_tokenizing.ipynb", "README.md: its table of notebooks has no row"),
    ("data/reference/timings.json", '"02_tokenizing"', "timings.json does not say how long"),
])
def test_a_notebook_that_is_listed_nowhere_is_named(file, old, said, copy):
    text = (copy / file).read_text(encoding="utf-8")
    (copy / file).write_text(text.replace(old, old.replace("02_", "77_")), encoding="utf-8")
    with pytest.raises(LearnerError, match=said):
        lessons.lessons()


def test_a_term_introduced_in_no_notebook_is_named():
    with pytest.raises(LearnerError, match="'Head' is said to be introduced in 77"):
        front.glossary({"Head": ("77", "It.")}, lessons.lessons())


def test_bold_that_opens_a_paragraph_is_a_heading_and_folded_text_is_no_definition(copy):
    edit(copy / "notebooks" / "02_tokenizing.ipynb", with_prose(
        "**Play.** Now.\n\n- **Nothing new.** It is `**code**`.\n\n<details><summary>A</summary>"
        "\n\nThis is **wrong**.\n\n</details>"))
    staging.check(HERE)


def test_what_the_front_page_shows_has_to_be_stored(copy):
    edit(copy / "notebooks" / "03_manual_training_loop.ipynb", without_outputs)
    with pytest.raises(LearnerError, match="Notebook 03: the front page shows the image/png"):
        front.output(*front.CURVE)


def test_the_command_stops_for_a_repository_that_is_not_the_stamped_one(capsys):
    build.check_stamped(f"{HERE.repository}.git")
    assert site.main(["--for", "https://github.com/someone/theirs"]) == 2
    printed = capsys.readouterr().err
    assert f"stamped with {HERE.repository}" in printed
    assert "python -m helpers stamp --repository https://github.com/someone/theirs" in printed


def test_the_command_starts_with_the_standard_library_alone():
    program = f"import sys; sys.path.insert(0, {str(paths.ROOT)!r}); import tools.site.__main__"
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True)


def test_what_building_needs_is_named_with_the_command_that_brings_it(monkeypatch, capsys):
    monkeypatch.setattr(build, "find_spec", lambda name: None)
    with pytest.raises(LearnerError, match=r"needs mistune, .*Run, with a network: .*--fetch"):
        build.check_tools()
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    assert site.main(["--fetch"]) == 2
    assert "Node.js" in capsys.readouterr().err


@pytest.mark.parametrize(("repository", "home"), [
    ("https://github.com/Some-One/Their-Fork", "https://some-one.github.io/Their-Fork/"),
    ("https://github.com/someone/someone.github.io", "https://someone.github.io/"),
    ("https://git.example.org/group/x.git", ""),
])
def test_the_address_of_the_site_follows_from_the_stamped_one(repository, home):
    assert documents.home(stamp.Address(repository, "main")) == home


FORK = stamp.Address("https://github.com/someone/fork", "try/this")


@pytest.mark.parametrize(("file", "link", "there"), [
    ("notebooks/00_start_here.ipynb", "01_loading_bert.ipynb", "01_loading_bert.ipynb"),
    ("notebooks/00_start_here.ipynb", "../README.md#the-notebooks", "../index.md#the-notebooks"),
    ("SETUP.md", "README.md#small-and-full",
     "https://github.com/someone/fork/blob/try/this/README.md#small-and-full"),
    ("notebooks/00_start_here.ipynb", "../data/reviews/README.md", "../data/reviews.md"),
    ("data/reviews/README.md", "../../notebooks/00_start_here.ipynb",
     "../notebooks/00_start_here.ipynb"),
    ("SETUP.md", "notebooks/01_loading_bert.ipynb#02-·-A-title",
     "notebooks/01_loading_bert.ipynb#02--a-title"),
    ("SETUP.md", "#windows", "#windows"),
    ("SETUP.md", "https://example.org/x.md", "https://example.org/x.md"),
    ("SETUP.md", "LICENSE", "https://github.com/someone/fork/blob/try/this/LICENSE"),
    ("data/reviews/README.md", "measure.py",
     "https://github.com/someone/fork/blob/try/this/data/reviews/measure.py"),
    ("CONTRIBUTING.md", ".github/ISSUE_TEMPLATE",
     "https://github.com/someone/fork/tree/try/this/.github/ISSUE_TEMPLATE"),
])
def test_a_link_leads_to_the_page_made_of_its_file_or_into_the_repository(file, link, there):
    assert documents.moved(f"[x]({link})", file, FORK) == f"[x]({there})"
    assert documents.moved(f"`[x]({link})`", file, FORK) == f"`[x]({link})`"


def test_a_first_cell_links_the_notebooks_that_one_should_have_read():
    known = lessons.lessons()
    text = ("# 05 · It\n\n[Open in Colab](x)\n\n**Before you start:** masks (notebook 02), heads "
            "(01), and 77; 512 tokens, version 03.1, this one, 05, and 00.\n\n"
            "**Time:** notebook 02")
    assert staging.head(text, known, paths.ROOT / "notebooks" / "05_gpt2.ipynb") == (
        "# 05 · It\n\n**Before you start:** masks ([notebook 02](02_tokenizing.ipynb)), heads "
        "([01](01_loading_bert.ipynb)), and 77; 512 tokens, version 03.1, this one, 05, and "
        "[00](00_start_here.ipynb).\n\n"
        "**Time:** notebook 02")


@pytest.mark.parametrize(("minutes", "said"), [
    (0.2, "a minute"), (12.4, "12 minutes"), (89, "89 minutes"), (90, "1½ hours"),
    (150, "2½ hours"), (182, "3 hours"),
])
def test_long_times_are_said_in_half_hours(minutes, said):
    assert front.hours(minutes) == said


def test_every_public_function_of_helpers_is_on_a_page_and_nothing_is_imported():
    program = ("import sys; from tools.site import api; made = api.pages(); "
               "assert not {'torch', 'transformers', 'pandas'} & set(sys.modules); "
               "print(len(made))")
    done = subprocess.run([sys.executable, "-c", program], cwd=paths.ROOT, check=True,
                          capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(paths.ROOT)})
    made = api.pages()
    assert int(done.stdout) == len(made) > 40
    assert "{py:function} tokenize(dataset" in made["api/helpers.batching"]
    assert "{py:class} LossCurve(" in made["api/helpers.curves"]
    assert "helpers.checks.nb" not in made["api/index"], "the answers to exercises"
