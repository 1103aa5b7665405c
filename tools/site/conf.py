"""How Sphinx builds the site. Everything in it comes from the project's own files."""

import os
from pathlib import Path

from helpers import requirements
from tools import stamp
from tools.site import front

address = stamp.address()
home = os.environ["SITE_ADDRESS"]  # these two are set by tools/site/build.py
work = Path(os.environ["SITE_WORK"])

project = front.TITLE
author = "The authors of fine-tuning-bert-notebooks"
version = release = requirements.pyproject()["project"]["version"]
copyright = f"{author}. Apache 2.0"
language = "en"
html_title = front.TITLE
html_baseurl = home  # without one there are no canonical links, no sitemap, no OpenGraph
site_address = address

extensions = ["myst_nb", "tools.site.extension"]
if home:
    extensions += ["sphinx_sitemap", "sphinxext.opengraph"]
exclude_patterns = []
# Code that is no Python, and what an ePub has no room for, is no reason to stop.
suppress_warnings = ["misc.highlighting_failure", "epub.unknown_project_files",
                     "epub.duplicated_toc_entry"]

nb_execution_mode = "off"
nb_ipywidgets_js = {}
nb_render_text_lexer = "none"
myst_enable_extensions = ["colon_fence", "dollarmath", "amsmath"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

html_theme = "sphinx_book_theme"
html_static_path = ["static", str(work / "static")]
# What can be downloaded is not in the ePub.
html_extra_path = [] if tags.has("book") else [str(work / "extra")]  # noqa: F821
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_copy_source = False
html_domain_indices = False  # api/index lists the modules
html_show_sourcelink = False
html_show_sphinx = False
html_favicon = "static/favicon.svg"
html_context = {"default_mode": "auto"}  # without it the theme complains in the console
html_theme_options = {
    "logo": {"text": front.TITLE},
    "use_download_button": False,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "navbar_persistent": [],  # or a second search button stands above the first
    "collapse_navbar": True,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "back_to_top_button": False,
    "extra_footer": f'<p><a href="{address.repository}">The repository</a></p>',
    "search_as_you_type": False,  # tools/site/pages.py counts on it
}
mathjax_path = "vendor/mathjax/tex-svg.js"

sitemap_url_scheme = "{link}"
sitemap_excludes = ["404.html", "search.html", "genindex.html"]
ogp_site_url = home
ogp_site_name = front.TITLE
ogp_image = f"{home}_static/picture-light.webp"
ogp_image_alt = "A loss curve over the reference run, a sentence in coloured tokens"
ogp_use_first_image = True
ogp_social_cards = {"enable": False}

epub_title = html_title
epub_author = author
epub_description = "Notebooks that fine-tune a real pretrained BERT, with their outputs."
epub_publisher = address.repository
epub_identifier = address.repository
epub_scheme = "URL"
epub_basename = front.BOOK.removesuffix(".epub")
epub_show_urls = "no"
epub_tocdup = False
epub_exclude_files = ["search.html", "404.xhtml"]
