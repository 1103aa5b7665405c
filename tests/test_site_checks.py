"""What is done to pages that Sphinx has made, and what is found wrong with them."""

import base64
import io
import re
import shutil

import pytest

from helpers.errors import LearnerError
from tools.site import build, front, icons, pages, styles


@pytest.fixture
def built(tmp_path):
    """A small built site of two pages."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text('<h1 id="here">x</h1><a href="sub/page.html#there">x</a>')
    (tmp_path / "sub" / "page.html").write_text('<p id="there"></p><a href="../">x</a>')
    (tmp_path / "one.css").write_text("a {background: url('data:x'), url(two.png)}")
    return tmp_path


@pytest.mark.parametrize("markup", [
    '<a href="https://example.org/gone">x</a>', '<a href="#here">x</a>',
    '<a href="sub/page.html">', '<a href="mailto:a@example.org">',
    '<script src="one.css?v=1"></script>', '<img src="data:image/png;base64,x">',
    '<link rel="canonical" href="https://a.b/">',
    '<a href="https://example.org/book/sub/page.html#there">', '<a href="/book/index.html">',
    '<meta property="og:image" content="https://example.org/x.png">',
])
def test_what_is_right_on_a_page_is_let_through(markup, built):
    (built / "new.html").write_text(f'<p id="here"></p>{markup}')
    pages.check(built, "https://example.org/book/")


@pytest.mark.parametrize(("markup", "said"), [
    ('<a href="gone.html">x</a>', "leads nowhere: gone.html"),
    ('<a href="../one.css">x</a>', "leads nowhere"),
    ('<a href="#gone">x</a>', "no such place of a page: #gone"),
    ('<a href="sub/page.html#gone">x</a>', "no such place"),
    ('<a href="https://example.org/book/gone.html">', "leads nowhere"),
    ('<img src="gone.png">', "leads nowhere: gone.png"),
    ('<script src="https://cdn.example.org/x.js"></script>', "load https://cdn.example.org/x.js"),
    ('<script src="//cdn.example.org/x.js"></script>', "load //cdn.example.org"),
    ('<link rel="preconnect stylesheet" href="https://x.org/x.css">', "load https://x.org/x.css"),
    ('<img srcset="index.html, https://x.org/2.png 2x">', "load https://x.org/2.png"),
    ('<p style="background: url(https://x.org/1.png)">', "load https://x.org/1.png"),
    ('<iframe src="http://x.org">', "load http://x.org"),
])
def test_what_is_wrong_on_a_page_is_found_and_the_page_is_named(markup, said, built):
    (built / "new.html").write_text(markup)
    with pytest.raises(LearnerError, match=re.escape(said)) as error:
        pages.check(built, "https://example.org/book/")
    assert str(error.value).startswith("new.html: ")


def test_the_page_for_what_is_not_found_leads_everywhere_from_anywhere(built):
    page = built / "404.html"
    page.write_text('<html data-content_root="./"><a href="sub/page.html">x</a><a href="#it">x</a>'
                    '<script src="./one.js"></script><a href="https://a.b">x</a>'
                    '<form action="search.html"><link href="/here">')
    pages.make_absolute(page, "https://example.org/book/")
    assert page.read_text() == (
        '<html data-content_root="/book/"><a href="/book/sub/page.html">x</a><a href="#it">x</a>'
        '<script src="/book/one.js"></script><a href="https://a.b">x</a>'
        '<form action="/book/search.html"><link href="/here">')


@pytest.mark.parametrize("css", [
    '@import "https://x.org/x.css";', "a {src: url(//x.org/x.woff2)}",
])
def test_a_style_sheet_that_loads_from_elsewhere_is_found(css, built):
    (built / "one.css").write_text(css)
    with pytest.raises(LearnerError, match=r"one.css: it would load"):
        pages.check(built)


def test_icons_are_drawn_into_the_pages_and_their_script_is_gone(built, tmp_path):
    drawings = tmp_path / "svgs"
    (drawings / "solid").mkdir(parents=True)
    (drawings / "solid" / "sun.svg").write_text(
        '<svg xmlns="x" viewBox="0 0 5 5"><!--! free --><path d="M1"/></svg>')
    script = '<script src="_static/scripts/fontawesome.js?digest=1"></script>'
    (built / "fontawesome.js").touch()
    (built / "new.html").write_text(
        f'{script}<i class="theme fa-solid fa-lg fa-sun" aria-hidden="true" data-mode="light"></i>'
        '<i>it</i><span class="fa-solid fa-sun"></span><span>it</span>')
    icons.draw(built, drawings)
    assert (built / "new.html").read_text() == (
        '<svg class="svg-inline--fa theme fa-solid fa-lg fa-sun" viewBox="0 0 5 5" '
        'aria-hidden="true" data-mode="light"><path d="M1"/></svg><i>it</i>'
        '<svg class="svg-inline--fa fa-solid fa-sun" viewBox="0 0 5 5" aria-hidden="true" >'
        '<path d="M1"/></svg><span>it</span>')
    assert not (built / "fontawesome.js").exists()


def test_only_the_page_that_searches_loads_what_searches(built):
    script = '<script src="../searchindex.js?v=1" defer="defer"></script>'
    for name in ("search.html", "sub/page.html"):
        (built / name).write_text(f"<p>{script}<script src='one.js'></script>")
    pages.lighten(built)
    assert (built / "search.html").read_text().count("<script") == 2
    assert (built / "sub" / "page.html").read_text() == "<p><script src='one.js'></script>"


def test_what_no_reader_needs_is_not_in_the_site(built):
    for name in ("_sources/x.ipynb", "_static/a.html", "_static/x/a.js.map", "_static/x/a.js",
                 "_static/locales/de/x.po", ".buildinfo"):
        (built / name).parent.mkdir(parents=True, exist_ok=True)
        (built / name).touch()
    pages.lighten(built)
    assert [path.name for path in built.rglob("*") if path.is_file()
            and path.parent.name != "sub" and path.parent != built] == ["a.js"]
    assert {path.name for path in built.iterdir() if path.is_file()} == {"index.html", "one.css"}


@pytest.mark.skipif(not (build.MODULES / "purgecss").is_dir() or shutil.which("node") is None,
                    reason=f"no PurgeCSS here: {build.FETCH}")
def test_rules_stay_in_the_style_sheets_if_a_page_or_a_script_uses_them(built):
    (built / "_static" / "styles").mkdir(parents=True)
    sheet = built / "_static" / "styles" / "theme.css"
    sheet.write_text("h1, .gone {top: 0} .gone {top: 1px} .made {top: 2px} .tooltip {top: 3px}\n"
                     "html[data-theme=dark] p {top: 4px} @media print {.gone {top: 5px}}\n"
                     "/*# sourceMappingURL=theme.css.map */")
    (built / "_static" / "site.js").write_text("element.classList.add('made')")
    styles.reduce(built)
    kept = "".join(sheet.read_text().split())
    assert kept == "h1{top:0}.made{top:2px}.tooltip{top:3px}html[data-theme=dark]p{top:4px}"


def test_a_site_without_node_js_is_not_built(monkeypatch, tmp_path):
    monkeypatch.setattr(styles.shutil, "which", lambda name: None)
    with pytest.raises(LearnerError, match=r"https://nodejs\.org"):
        styles.reduce(tmp_path)


def test_a_drawing_is_stored_with_no_more_colours_than_it_needs():
    from PIL import Image

    picture = base64.b64decode(front.output(*front.CURVE)[0])
    small = io.BytesIO()
    front.shrink(picture).save(small, "PNG", optimize=True)
    assert len(small.getvalue()) < len(picture) / 2
    there, here = (Image.open(io.BytesIO(one)).convert("RGB").resize((54, 25))
                   for one in (picture, small.getvalue()))
    assert max(abs(a - b) for one, other in zip(there.getdata(), here.getdata(), strict=True)
               for a, b in zip(one, other, strict=True)) < 12


def test_a_warning_of_sphinx_names_the_file_of_the_project(tmp_path):
    said = f"{tmp_path}/source/setup.md:12: WARNING: no such place [x]\nand more\n"
    assert build.first_of(said, tmp_path) == "SETUP.md, line 12: no such place [x]"
    said = f"{tmp_path}/source/notebooks/02_tokenizing.ipynb:50003: WARNING: what\n" * 2
    assert build.first_of(said, tmp_path).startswith(
        "notebooks/02_tokenizing.ipynb, cell 5: what (and 1 more: ")
    assert build.first_of("\nthe last word", tmp_path) == "Sphinx stopped: the last word"
