"""No link within the project leads nowhere, and those that would are found."""

import nbformat
import pytest

from helpers import paths
from tools import links


@pytest.mark.parametrize("path", links.pages(), ids=lambda path: path.name)
def test_every_link_leads_to_a_file_and_a_heading(path):
    assert links.dead(path) == []


def test_pages_notebooks_and_pictures_are_read():
    names = {path.name for path in links.pages()}
    assert {"README.md", "CONTRIBUTING.md", "03_manual_training_loop.ipynb"} <= names
    found = links.read(paths.ROOT / "README.md")[0]
    assert {"docs/picture-dark.webp", "docs/picture-light.webp", "LICENSE",  # HTML, prose,
            "notebooks/00_start_here.ipynb", "data/gpt2-mini/README.md"} <= set(found)  # tables


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "other.md").write_text(
        "# Is it *ready*? `run --save`\n\n## Twice\n\n## Twice\n\n```\n# no heading\n```\n")
    cells = [nbformat.v4.new_code_cell("# no heading"),
             nbformat.v4.new_markdown_cell("# 42 · A title\n\n<details>\n\n[x](gone.md)\n")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "42_new.ipynb")
    (tmp_path / "a file.txt").touch()
    return tmp_path


@pytest.mark.parametrize("link", [
    "[x](other.md)", "[x](other.md#is-it-ready-run---save)", "[x](other.md#twice-1)", "[x](#here)",
    "![x](a%20file.txt)", "[x](42_new.ipynb#42-·-A-title)", "[x](42_new.ipynb#42-%C2%B7-A-title)",
    "[x](https://example.org/gone.md)", "[x](mailto:a@example.org)", "`[x](gone.md)`",
    '<img src="other.md">', "```\n[x](gone.md)\n```",
])
def test_a_link_that_leads_somewhere_is_let_through(link, folder):
    (folder / "page.md").write_text(f"# Here\n\n{link}\n", encoding="utf-8")
    assert links.dead(folder / "page.md") == []


@pytest.mark.parametrize(("link", "said"), [
    ("[x](gone.md)", "leads nowhere: gone.md"),
    ("[x](other.md#gone)", "no heading of other.md: other.md#gone"),
    ("[x](other.md#no-heading)", "no heading of other.md"),
    ("[x](#there)", "no heading of page.md: #there"),
    ("[x](42_new.ipynb#no-heading)", "no heading of 42_new.ipynb"),
    ("[x](/etc)", "leads nowhere: /etc"),
    ("| a |\n| --- |\n| ![x](gone.png) |", "leads nowhere: gone.png"),
    ('<picture><source srcset="gone.png 2x"></picture>', "leads nowhere: gone.png"),
    ('and <a href="gone.md">this</a>', "leads nowhere: gone.md"),
    ("[x][1]\n\n[1]: gone.md", "leads nowhere: gone.md"),
])
def test_a_dead_link_is_found(link, said, folder, capsys):
    (folder / "page.md").write_text(f"# Here\n\n{link}\n", encoding="utf-8")
    assert links.main([str(folder / "page.md")]) == 1
    assert said in capsys.readouterr().out


def test_a_dead_link_in_a_notebook_is_found(folder):
    assert links.dead(folder / "42_new.ipynb") == ["a link leads nowhere: gone.md"]
