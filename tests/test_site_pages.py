"""The pages of the built site: what is on them, where they lead, and that they are valid."""

import functools
import itertools
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import built_site
import pytest
from built_site import ADDRESS, HOME, LESSONS, names

from helpers import paths
from tools import stamp
from tools.site import build, documents, front, lessons, pages

import yaml  # isort: skip
from bs4 import BeautifulSoup  # isort: skip

VNU = build.MODULES / "vnu-jar" / "build" / "dist" / "vnu.jar"
WORDS = build.HERE / "words.txt"  # that codespell takes for misspelt


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return built_site.built_site(tmp_path_factory.mktemp("site") / "built")


@functools.cache
def soup(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def page(built, name):
    """Return a page of the site, parsed."""
    return soup(built / f"{name}.html")


def test_no_page_has_a_broken_link_or_loads_anything_from_elsewhere(built):
    pages.check(built, HOME)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.number)
def test_a_notebooks_page_has_all_that_one_needs_to_begin(lesson, built):
    article = page(built, lesson.page).select_one("article")
    assert article.h1.text.startswith(lesson.title)
    links = {a.text: a["href"] for a in article.select(".actions a")}
    assert links["Open in Colab"] == f"{ADDRESS.links[0]}notebooks/{lesson.path.name}"
    assert links["Open in Binder"].startswith(ADDRESS.links[1])
    downloaded = built / "notebooks" / links["Download the notebook"]
    assert downloaded.read_bytes() == lesson.path.read_bytes()
    assert "/edit/" in links["Edit this page"] and lesson.path.name in links["Edit this page"]
    text = article.get_text(" ", strip=True)
    assert f"{lesson.minutes} minutes to read" in text
    assert re.search(r"Last verified \d{4}-\d\d-\d\d with transformers [\d.]+, torch", text)
    before = next(p for p in article.find_all("p") if p.text.startswith("Before you start:"))
    for number in re.findall(r"\b(\d\d)\b", before.text):
        assert before.find("a", href=re.compile(rf"^{number}_.*\.html$")), number
    assert "This cell first: it fetches" not in text, "the cell for Colab"


def test_previous_and_next_lead_through_the_notebooks_in_order(built):
    for one, other in itertools.pairwise(LESSONS):
        after = page(built, one.page).select_one("a.right-next")["href"]
        before = page(built, other.page).select_one("a.left-prev")["href"]
        assert after == f"{other.path.stem}.html" and before == f"{one.path.stem}.html"


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.number)
def test_a_notebooks_page_shows_every_output_picture_and_fold_that_is_stored(lesson, built):
    article = page(built, lesson.page).select_one("article")
    cells = lessons.cells(lesson.path)
    code = [cell for cell in cells if cell["cell_type"] == "code" and cell["source"].strip()
            and stamp.TAG not in cell["metadata"].get("tags", [])]
    shown = article.select("div.cell")
    assert len(shown) == len(code)
    for cell, drawn in zip(code, shown, strict=True):
        stored = [output["metadata"]["image/png"] for output in cell["outputs"]
                  if "image/png" in output.get("data", {})]
        assert [img["alt"] for img in drawn.find_all("img")] == [one["alt"] for one in stored]
        printed = " ".join("".join(o["text"]) for o in cell["outputs"]
                           if o["output_type"] == "stream").split()
        assert set(printed) <= set(drawn.get_text(" ").split()) | set(
            "".join(drawn.strings).split()), cell["source"][:60]
    folds = sum(cell["source"].count("<details>") for cell in cells
                if cell["cell_type"] == "markdown")
    assert len(article.find_all("details")) == folds


def test_widgets_show_their_stored_view_without_a_script(built):
    view = page(built, "notebooks/02_tokenizing").select_one(".widget-still")
    assert "##box" in view.text and "[CLS]" in view.text
    assert page(built, "notebooks/02_tokenizing").select_one(".widget-play")["type"] == "button"


def test_the_front_page_says_for_whom_what_and_how_long_and_shows_a_curve_and_a_view(built):
    front_page = page(built, "index").select_one(".front")
    assert [strong.text for strong in front_page.select("p > strong")][:3] == [
        "For whom.", "What.", "How long."]
    commands = [block.text.strip() for block in front_page.find_all("pre")]
    assert commands == [f"git clone {ADDRESS.repository}", "python3 -m helpers lab"]
    assert front_page.img["alt"] and "##" in front_page.select_one(".widget-still").text
    linked = {a["href"] for a in page(built, "index").select("table a")}
    assert linked == {f"{lesson.page}.html" for lesson in LESSONS}


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.number)
def test_the_first_use_of_a_term_and_no_other_leads_to_the_glossary(lesson, built):
    article = page(built, lesson.page).select_one("article")
    links = article.select("a.term")
    assert len(links) > 5
    targets = [a["href"] for a in links]
    assert len(set(targets)) == len(targets)
    there = {tag["id"] for tag in page(built, "glossary").find_all(id=True)}
    for link in links:
        assert link["href"].partition("#")[2] in there and link["title"]
        assert not link.find_parent(["h1", "h2", "h3", "pre"])


def test_the_glossary_has_every_term_with_where_it_is_introduced(built):
    entries = page(built, "glossary").select("dl.glossary dt")
    assert len(entries) == len(lessons.glossary())
    said = page(built, "glossary").select("dl.glossary dd")
    assert all(dd.find("a", href=re.compile("^notebooks/")) for dd in said)


def forms():
    """Return {form: {field: its options, or None}}."""
    found = {}
    for file in (paths.ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        body = yaml.safe_load(file.read_text(encoding="utf-8")).get("body", [])
        found[file.name] = {field["id"]: field["attributes"].get("options")
                            for field in body if "id" in field}
    return found


def test_a_report_of_an_error_is_filled_in_with_its_place(built):
    known = forms()
    for lesson in LESSONS:
        article = page(built, lesson.page).select_one("article")
        links = [a["href"] for a in article.select(".report a, .actions a")
                 if "/issues/new" in a["href"]]
        assert len(links) == len(article.select("div.cell")) + 1
        for link in links:
            assert link.startswith(f"{ADDRESS.repository}/issues/new?")
            query = {key: value[0] for key, value in parse_qs(urlsplit(link).query).items()}
            fields = known[query.pop("template")]
            assert query.pop("title").startswith(f"{lesson.number}: ")
            assert set(query) <= set(fields)
            assert query["notebook"] in fields["notebook"]
    assert any(re.match(r"\[\d+\] \S", parse_qs(urlsplit(link).query).get("cell", [""])[0])
               for link in links)


@pytest.mark.skipif(not HOME, reason="the project is not stamped with an address on GitHub")
def test_addresses_for_others_are_the_stamped_ones(built):
    listed = set(re.findall(r"<loc>(.+?)</loc>", (built / "sitemap.xml").read_text()))
    for name in names(built):
        head = page(built, name).head
        here = f"{HOME}{name}.html"
        if name == "404":
            assert here not in listed
            continue
        assert head.find("link", rel="canonical")["href"] == here
        assert here in listed, name
        meta = {tag["property"]: tag["content"] for tag in head.find_all("meta", property=True)}
        assert meta["og:url"] == here and meta["og:title"] and meta["og:description"]
        picture = meta["og:image"]
        assert picture.startswith(HOME) and (built / picture.removeprefix(HOME)).is_file()


def test_without_an_address_nothing_names_one():
    assert documents.home(stamp.Address("https://git.example.org/x/y.git", "main")) == ""


def test_licences_of_what_the_pages_bring_along_are_kept(built):
    for name in build.VENDOR:
        [file] = (built / "_static" / "vendor" / name).glob("*LICENSE*")
        assert "icense" in file.read_text(encoding="utf-8")


def test_the_api_has_the_docstrings(built):
    text = page(built, "api/helpers.batching").select_one("article").get_text(" ")
    assert "tokenize" in text and "helpers.batching" in text
    assert page(built, "api/helpers.batching").find(id="helpers.batching.tokenize")


def test_the_book_holds_every_page_and_each_is_well_formed(built):
    with zipfile.ZipFile(built / front.BOOK) as book:
        inside = {name: book.read(name) for name in book.namelist()}
    assert {f"{lesson.page}.xhtml" for lesson in LESSONS} <= set(inside)
    for name, content in inside.items():
        if name.endswith((".xhtml", ".opf", ".ncx")):
            ElementTree.fromstring(content)
            assert b"<script" not in content, name
    for picture in re.findall(rb'<img[^>]*src="([^"]+)"', inside[f"{LESSONS[3].page}.xhtml"]):
        assert (Path("notebooks") / picture.decode()).as_posix().replace(
            "notebooks/../", "") in inside


def test_english_is_spelt_as_in_the_list_of_words(built, tmp_path):
    for name in names(built):
        main = BeautifulSoup((built / f"{name}.html").read_text(encoding="utf-8"),
                             "html.parser").select_one("article")
        for tag in main.find_all(["pre", "code"]):
            tag.decompose()
        (tmp_path / f"{name.replace('/', '_')}.txt").write_text(main.get_text("\n"), "utf-8")
    done = subprocess.run([sys.executable, "-m", "codespell_lib", "-I", str(WORDS),
                           str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout == "" and done.returncode == 0


@pytest.mark.skipif(shutil.which("java") is None or not VNU.is_file(), reason="no Java here")
def test_the_html_is_valid(built):
    done = subprocess.run(["java", "-Xss4m", "-jar", str(VNU), "--errors-only", "--format", "json",
                           "--skip-non-html", str(built)], capture_output=True, text=True,
                          check=False)
    messages = json.loads(done.stderr)["messages"]
    assert {(Path(urlsplit(m["url"]).path).name, m["message"]) for m in messages} == set()
