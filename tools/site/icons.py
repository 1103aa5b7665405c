"""Put the theme's icons into the pages, in the place of a script of all icons there are.

The theme marks an icon as `<i class="fa-solid fa-sun"></i>` or as such a `<span>`, and loads Font
Awesome to draw it: more than a megabyte for the first kind, a font for the second. Here the same
drawing stands in the page.
"""

import functools
import re

SCRIPT = re.compile(r'\s*<script[^>]*src="[^"]*scripts/fontawesome\.js[^"]*"[^>]*></script>')
MARK = re.compile(r'<(?P<tag>i|span)\b(?P<before>[^>]*?)\sclass="(?P<classes>[^"]*\bfa-[^"]*)"'
                  r"(?P<after>[^>]*)>\s*</(?P=tag)>")
NOT_SVG = re.compile(r'\s*(?:aria-hidden|title)="[^"]*"')  # said anew, and not allowed
KINDS = {"fa-solid": "solid", "fas": "solid", "fa-regular": "regular", "far": "regular",
         "fa-brands": "brands", "fab": "brands"}


def draw(folder, drawings):
    """Draw the icons of all pages in `folder`; `drawings` is the folder of Font Awesome's SVGs."""
    for path in folder.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        drawn = MARK.sub(functools.partial(_drawn, drawings=drawings), SCRIPT.sub("", text))
        if drawn != text:
            path.write_text(drawn, encoding="utf-8", newline="\n")
    for path in folder.rglob("fontawesome.js*"):
        path.unlink()


def _drawn(match, drawings):
    classes = match["classes"].split()
    kind = next((KINDS[name] for name in classes if name in KINDS), "solid")
    for name in classes:
        file = drawings / kind / f"{name.removeprefix('fa-')}.svg"
        if name.startswith("fa-") and file.is_file():
            box, shape = re.search(r'viewBox="([^"]+)".*?(<path.*/>)',
                                   file.read_text(encoding="utf-8"), re.S).groups()
            others = NOT_SVG.sub("", f"{match['before']}{match['after']}").strip()
            return (f'<svg class="svg-inline--fa {match["classes"]}" viewBox="{box}" '
                    f'aria-hidden="true" {others}>{shape}</svg>')
    return match[0]
