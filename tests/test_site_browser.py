"""The built site in a real browser: small, quick, to be used by everybody, from one host alone."""

import importlib.util
import itertools
import re
from pathlib import Path

import built_site
import pytest
from built_site import LESSONS, names, opened

from tools import browsers
from tools.site import build, lessons, pages

pytest.importorskip("playwright", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(browsers.chromium() is None, reason="no Chromium here")
AXE = build.MODULES / "axe-core" / "axe.min.js"
WIDTHS = {"phone": 390, "desktop": 1280}
# What axe looks at in each theme: of its rules, two depend on colours. On a phone it looks at the
# documents, whose menus and bars the lessons and the pages of the code share.
THEMES = {"light": (), "dark": ("color-contrast", "link-in-text-block")}
STILL = "*, ::before, ::after {transition: none !important}"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return built_site.built_site(tmp_path_factory.mktemp("site") / "built")


@pytest.fixture(scope="module")
def served(built):
    with built_site.serving(built) as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    with browsers.running() as running:
        yield running


def serious(tab, rules=()):
    """Return what axe finds that is serious or critical, by some rules or all: (rule, where)."""
    found = tab.evaluate("rules => axe.run(document, {resultTypes: ['violations'], "
                         "...(rules.length && {runOnly: rules})})", list(rules))["violations"]
    return [(one["id"], node["target"], node["failureSummary"][:200]) for one in found
            if one["impact"] in ("serious", "critical") for node in one["nodes"][:3]]


@pytest.mark.parametrize(
    "kind", [pytest.param("lessons", marks=pytest.mark.slow), "documents", "api"])
def test_on_no_page_is_a_serious_finding_of_axe_an_error_or_a_foreign_request(
    kind, built, served, chromium
):
    kinds = {"lessons": lambda name: name.startswith("notebooks/"),
             "api": lambda name: name.startswith("api/"),
             "documents": lambda name: not name.startswith(("notebooks/", "api/"))}
    found = {}
    chosen = [*filter(kinds[kind], names(built)), *(["search"] * (kind == "documents"))]
    for name in chosen:
        with opened(chromium, f"{served}{name}.html",
                    viewport={"width": min(WIDTHS.values()), "height": 800}) as (tab, problems):
            tab.add_script_tag(path=AXE)
            tab.add_style_tag(content=STILL)
            for width, (theme, rules) in itertools.product(WIDTHS.values(), THEMES.items()):
                tab.set_viewport_size({"width": width, "height": 800})
                tab.evaluate("t => {document.documentElement.dataset.theme = t; "
                             "document.documentElement.dataset.mode = t}", theme)
                alike = kind != "documents" and width == WIDTHS["phone"]
                for one in [] if alike else serious(tab, rules):
                    found.setdefault(str(one[:1] + one[2:]), (name, width, theme, one[1]))
                scrolls = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
                if scrolls > 0:
                    found[f"wider than the screen: {name}"] = (width, scrolls)
            for problem in problems:
                found[f"{name}: {problem}"] = ()
    assert found == {}


def test_the_front_page_is_small_quick_and_says_it_all_on_one_screen(served, chromium):
    sizes, paints = {}, []
    for _ in range(3):
        with opened(chromium, "about:blank") as (tab, _):
            tab.on("response", lambda reply: sizes.update({reply.url: len(reply.body())}))
            tab.goto(served, wait_until="load")
            tab.wait_for_function(
                "performance.getEntriesByName('first-contentful-paint').length > 0")
            paints.append(tab.evaluate("performance.getEntriesByName('first-contentful-paint')"
                                       "[0].startTime"))
            bottom = tab.locator(".front").bounding_box()
            assert bottom["y"] + bottom["height"] < 800, "more than a screen"
    print(f"{sum(sizes.values()) / 1000:.0f} kB, drawn in {min(paints):.0f} ms")
    assert sum(sizes.values()) < pages.FRONT_PAGE, sorted(sizes.items(), key=lambda s: -s[1])
    assert min(paints) < 1000


# How a page is drawn: the first element of each kind, with what stands before and after it.
DRAWN = """() => {
  const kind = element => element && `${element.tagName} ${element.getAttribute('class')}`;
  const first = {};
  for (const element of document.querySelectorAll('body, body *'))
    first[kind(element) + kind(element.parentElement)] ??= element;
  return Object.values(first).flatMap(element =>
    [null, '::before', '::after'].map(part => [part, getComputedStyle(element, part)])
        .filter(([part, style]) => part === null || style.content !== 'none')
        .map(([part, style]) => {
            let sum = 0;
            const said = style.cssText;
            for (let i = 0; i < said.length; i++) sum = (sum * 31 + said.charCodeAt(i)) | 0;
            return `${kind(element)} ${part} ${sum}`;
        }));
}"""


def whole(package, sheet):
    """Return the path of a style sheet as a package of the theme has it."""
    [folder] = importlib.util.find_spec(package).submodule_search_locations
    [path] = Path(folder).rglob(sheet)
    return path


@pytest.mark.parametrize("name", ["index", LESSONS[2].page, "glossary", "api/helpers.batching"])
def test_a_page_is_drawn_as_with_the_whole_style_sheets_of_the_theme(name, served, chromium):
    sheets = {"pydata-sphinx-theme.css": whole("pydata_sphinx_theme", "pydata-sphinx-theme.css"),
              "sphinx-book-theme.css": whole("sphinx_book_theme", "sphinx-book-theme.css"),
              "mystnb.": whole("myst_nb", "mystnb.css")}
    drawn = {}
    for kind in ("built", "whole"):
        with opened(chromium, "about:blank") as (tab, _):
            for sheet, path in sheets.items() if kind == "whole" else ():
                tab.route(re.compile(f"/{re.escape(sheet)}"),
                          lambda route, _, path=path: route.fulfill(path=path))
            tab.goto(f"{served}{name}.html")
            tab.add_style_tag(content=STILL)
            for width, theme in itertools.product(WIDTHS.values(), ("light", "dark")):
                tab.set_viewport_size({"width": width, "height": 800})
                tab.evaluate("t => {document.documentElement.dataset.theme = t}", theme)
                drawn[kind, width, theme] = tab.evaluate(DRAWN)
            tab.locator(".theme-switch-button:visible").hover()  # a tooltip
            tab.locator(".tooltip.show").wait_for()
            drawn[kind, "tooltip"] = tab.evaluate(DRAWN)
            tab.locator(".search-button__button:visible").first.click()  # a dialog
            tab.mouse.move(640, 790)
            tab.wait_for_function("!document.querySelector('.tooltip')")
            drawn[kind, "dialog"] = tab.evaluate(DRAWN)
    for (_, *where), those in [item for item in drawn.items() if item[0][0] == "built"]:
        others = drawn["whole", *where]
        assert len(those) == len(others)
        assert [pair for pair in zip(those, others, strict=True) if pair[0] != pair[1]] == []


def test_everything_can_be_read_without_javascript(served, chromium):
    address = f"{served}notebooks/02_tokenizing.html"
    with opened(chromium, address, java_script_enabled=False) as (tab, _):
        assert tab.locator(".widget-still").first.is_visible()
        assert not tab.locator(".widget-play").first.is_visible()
        fold = tab.locator("details", has_text="Solution").first
        fold.locator("summary").click()
        assert fold.locator("pre").is_visible()


@pytest.mark.parametrize("lesson", [lesson for lesson in LESSONS if lessons.WIDGET in
                                    lesson.path.read_text(encoding="utf-8")],
                         ids=lambda lesson: lesson.number)
def test_widgets_come_alive_when_asked_without_a_foreign_request(lesson, served, chromium):
    with opened(chromium, f"{served}{lesson.page}.html") as (tab, problems):
        count = tab.locator(".widget").count()
        assert count
        tab.locator(".widget-play").first.click()
        tab.wait_for_function("n => document.querySelectorAll('.widget-live').length === n",
                              arg=count, timeout=30_000)
        assert tab.locator(".widget-subarea").count() == count, "drawn twice"
        assert not tab.locator(".widget-still").first.is_visible()
        tab.wait_for_load_state("networkidle")
        assert problems == []


def test_a_search_finds_the_lesson(served, chromium):
    with opened(chromium, f"{served}search.html?q=WordPiece") as (tab, problems):
        result = tab.locator("#search-results li a", has_text="02 · Tokenizing").first
        result.wait_for(timeout=10_000)
        assert "notebooks/02_tokenizing.html" in result.get_attribute("href")
        assert problems == []


def test_an_address_that_leads_nowhere_gets_a_page_that_leads_back(served, chromium):
    with opened(chromium, f"{served}notebooks/deep/gone.html") as (tab, _):
        assert tab.locator("article h1").inner_text().startswith("There is no such page")
        tab.locator("article a", has_text="front page").click()
        assert tab.locator(".front").is_visible()


@pytest.mark.parametrize("name", ["index", "setup", "glossary", "instructors", "api/index",
                                  *(lesson.page for lesson in LESSONS[:5])])
def test_a_page_can_be_used_by_keyboard_alone(name, served, chromium):
    with opened(chromium, f"{served}{name}.html") as (tab, _):
        seen, folded = [], "document.activeElement.closest('details').open"
        turned = False
        for _ in range(200):  # on the pages of the API the sidebar has every module
            tab.keyboard.press("Tab")
            focus = tab.evaluate("""() => {
                const e = document.activeElement, box = e.getBoundingClientRect();
                return {tag: e.tagName, text: e.outerHTML.slice(0, 150), drawn: box.width > 0,
                        main: e.closest('article') !== null};}""")
            if focus["tag"] == "BODY":
                break
            assert focus["drawn"], focus["text"]
            seen.append(focus)
            if focus["tag"] == "SUMMARY" and not turned:
                before = tab.evaluate(folded)
                tab.keyboard.press("Enter")
                turned = tab.evaluate(folded) != before
                assert turned, "a fold neither opens nor closes by Enter"
        assert any(focus["main"] for focus in seen), "the keyboard does not reach the text"
        assert len({focus["text"] for focus in seen}) > 10
