"""What the pages need beyond what Sphinx and MyST-NB do: a Sphinx extension.

Pictures get the alt text that the notebook stores, cells an anchor and a link to report an error,
the first use of a term a link to the glossary, and a page the links that lead out of it.
"""

import re
from html import escape
from pathlib import Path
from urllib.parse import urlencode

from docutils import nodes

from helpers import paths
from helpers.errors import short
from tools import stamp
from tools.site import documents, lessons

# On these pages a word such as "step" or "token" means what the lessons mean by it.
SPOKEN = ("notebooks/", "data/", "models/", "instructors")
UNLINKED = (nodes.reference, nodes.title, nodes.literal_block, nodes.raw, nodes.caption,
            nodes.image, nodes.math)
VOID = re.compile(r"<(area|br|col|hr|img|input|source|wbr)\b([^>]*?)\s*/?>")
ONLINE = re.compile(r'<script\b.*?</script>|<button\b.*?</button>|<p class="book">.*?</p>', re.S)
INSIDE = re.compile(r'(href="(?![a-z]+:)[^"]+)\.html')  # a link to another page
ENTITIES = {"&nbsp;": "&#160;", "&middot;": "&#183;", "&hellip;": "&#8230;",
            "&rarr;": "&#8594;", "&times;": "&#215;", "&minus;": "&#8722;"}


def describe_pictures(app, doctree):
    """Give each picture of a cell its alt text and width, and each cell an anchor."""
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix != ".ipynb":
        return
    cells = lessons.cells(path)
    for container in code_cells(doctree):
        number = container["cell_index"]
        container["ids"].append(f"cell-{number + 1}")
        stored = [output["metadata"].get("image/png", {}) for output in cells[number]["outputs"]
                  if "image/png" in output.get("data", {})]
        pictures = list(container.findall(nodes.image))
        for picture, metadata in zip(pictures, stored, strict=True):
            picture["alt"] = metadata.get("alt", "")
            picture["loading"] = "lazy"
            if "width" in metadata:
                picture["width"] = f"{metadata['width']}px"


def code_cells(doctree):
    """Return the containers in which MyST-NB puts code cells with their outputs."""
    return [node for node in doctree.findall(nodes.container)
            if node.get("nb_element") == "cell_code"]


def finish(app, doctree, page):
    """Add to a page what depends on the other pages, and on whether it is HTML or an ePub."""
    if page.startswith(SPOKEN):
        link_terms(app, doctree, page)
    if app.builder.name == "epub":
        for node in doctree.findall(nodes.raw):
            if "html" in node["format"]:
                node.children = [nodes.Text(as_xml(node.astext()))]
        return
    links = page_links(page, app.config.site_address)
    title = next(doctree.findall(nodes.title), None)
    if links and title is not None:
        title.parent.insert(title.parent.index(title) + 1, raw(actions(links)))
    if page.startswith("notebooks/"):
        cells = lessons.cells(Path(app.env.doc2path(page)))
        for container in code_cells(doctree):
            number = container["cell_index"]
            if link := report(page, app.config.site_address, cells[number]):
                said = f"Report an error in cell {number + 1}"
                container += raw(f'<p class="report"><a href="{escape(link)}" title="{said}">'
                                 f'<span>{said}</span></a></p>')


def raw(markup):
    """Return a node of HTML."""
    return nodes.raw("", markup, format="html")


def as_xml(markup):
    """Return stored HTML as an ePub takes it: well-formed, without scripts and buttons."""
    markup = VOID.sub(r"<\1\2/>", INSIDE.sub(r"\1.xhtml", ONLINE.sub("", markup)))
    for entity, number in ENTITIES.items():
        markup = markup.replace(entity, number)
    return markup


def link_terms(app, doctree, page):
    """Link each term's first use to the glossary: in a notebook, of terms known by then."""
    number = re.match(r"notebooks/(\d\d)", page)
    terms = {term: (lessons.pattern(term), said)
             for term, (introduced, said) in lessons.glossary().items()
             if number is None or introduced <= number[1]}
    places = {name.lower(): anchor for (kind, name), (_, anchor)
              in app.env.domains.standard_domain.objects.items() if kind == "term"}
    home = app.builder.get_relative_uri(page, "glossary")
    for text in list(doctree.findall(nodes.Text)):
        if terms and linkable(text):
            replace(text, terms, places, home)


def linkable(text):
    """Say whether a text is prose that may hold a link, or a piece of code that is a term."""
    parent, inside = text.parent, False
    while parent is not None:
        if isinstance(parent, UNLINKED):
            return False
        if isinstance(parent, nodes.container) and parent.get("nb_element"):
            return False
        inside = inside or isinstance(parent, nodes.paragraph)
        parent = parent.parent
    return inside


def replace(text, terms, places, home):
    """Link the first use of each term in a text; what was linked leaves `terms`."""
    words, pieces = text.astext(), []
    code = isinstance(text.parent, nodes.literal)
    while True:
        small = words.lower()
        uses = [(match.start(), -len(term), term, match) for term, (pattern, _) in terms.items()
                if term.split()[0].lower() in small  # quick, and mostly false
                and (match := pattern.search(words)) and (not code or match[0] == words)]
        if not uses:
            break
        *_, term, match = min(uses, key=lambda use: use[:2])
        anchor = places[term.lower()]
        reference = nodes.reference("", "", nodes.Text(match[0]), internal=True,
                                    refuri=f"{home}#{anchor}", classes=["term"],
                                    reftitle=plain(terms.pop(term)[1]))
        pieces += [nodes.Text(words[: match.start()]), reference]
        words = words[match.end():]
    if pieces:
        parent = text.parent
        place = parent.index(text)
        pieces = [piece for piece in [*pieces, nodes.Text(words)] if piece.astext()]
        parent[place:place + 1] = pieces


def plain(markdown):
    """Return a definition without its marks, for a tooltip."""
    return re.sub(r"[`*]", "", markdown)


def page_links(page, address):
    """Return {words: (address, whether it is a file to download)} of what leads out of a page."""
    file = next((file for file, made in documents.documents().items() if made == page), None)
    if page.startswith("api/helpers"):
        name = page.removeprefix("api/").replace(".", "/")
        there = [f"{name}.py", f"{name}/__init__.py"]
        file = next((f for f in there if (paths.ROOT / f).is_file()), None)
    if file is None or file == documents.FRONT:
        return {}
    colab, binder, _, repository = address.links
    links = {}
    if page.startswith("notebooks/"):
        name = file.removeprefix("notebooks/")
        query = urlencode({"urlpath": f"lab/tree/{file}"})
        links = {"Open in Colab": colab + file, "Open in Binder": binder + query,
                 "Download the notebook": f"../files/{name}"}
    if "//github.com/" in repository:
        links["Edit this page"] = documents.in_repository(file, address).replace(
            "/blob/", "/edit/", 1)
        links["Report an error"] = issue(address, "text_error", page, sentence="")
    return links


def actions(links):
    """Return HTML of a page's links, in one line."""
    items = "".join(
        f'<a href="{escape(link)}"{" download" if words.startswith("Download") else ""}>'
        f"{words}</a>" for words, link in links.items())
    return f'<p class="actions">{items}</p>'


def report(page, address, cell):
    """Return the address of a form that is filled in with the place of a cell, or None."""
    if "//github.com/" not in address.repository:
        return None
    first = next(filter(None, cell["source"].splitlines()), "")
    return issue(address, "cell_fails", page,
                 cell=f"[{cell['execution_count']}] {short(first, 80)}")


def issue(address, form, page, **filled):
    """Return the address of a form for issues, filled in as far as the page says."""
    name = page.removeprefix("notebooks/")
    number = name[:2] if page.startswith("notebooks/") else page
    said = {"cell_fails": "a cell fails", "text_error": ""}[form]
    notebook = name if page.startswith("notebooks/") else "another page"
    query = {"template": f"{form}.yml", "title": f"{number}: {said}", "notebook": notebook}
    return f"{address.repository}/issues/new?" + urlencode(query | {
        key: value for key, value in filled.items() if value})


def setup(app):
    """Register it with Sphinx."""
    app.add_config_value("site_address", stamp.Address("", ""), "html", types=(stamp.Address,))
    app.connect("doctree-read", describe_pictures)
    app.connect("doctree-resolved", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
