"""Build the site: check its sources, let Sphinx make the pages, check what came out."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from helpers import paths
from helpers.errors import LearnerError
from tools import stamp
from tools.site import documents, front, icons, pages, staging, styles

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
MODULES = HERE / "node_modules"  # where npm puts what package.json names
FETCH = "python -m helpers site --fetch"
READING = ("mistune", "nbformat")  # what reads the sources, and then what makes pages of them
PACKAGES = (*READING, "PIL", "sphinx", "myst_nb", "sphinx_book_theme", "sphinx_sitemap",
            "sphinxext")
# Scripts that are served with the pages, each with its licence.
VENDOR = {
    "html-manager": ("@jupyter-widgets/html-manager",
                     ["dist/embed.js", "dist/*.woff2", "dist/embed.js.LICENSE.txt"]),
    "mathjax": ("mathjax", ["es5/tex-svg.js", "LICENSE"]),
    "icons": ("@fortawesome/fontawesome-free", ["LICENSE.txt"]),  # drawn into the pages
}
SCRIPTS = (*(package for package, _ in VENDOR.values()), "purgecss")
# Where a script would fetch the rest of its package from, were it not told where that is here.
ELSEWHERE = re.compile(rb'"https://(?:cdn\.jsdelivr\.net/npm|unpkg\.com)/'
                       rb'@jupyter-widgets/html-manager@[^"]*"')
HERE_INSTEAD = b"window.__jupyter_widgets_assets_path__"  # site.js says it
WARNING = re.compile(r"^(?P<file>[^:\n]+)(?::(?P<line>\d+))?: (?:WARNING|ERROR|CRITICAL): "
                     r"(?P<said>.+)$", re.M)


def fetch():
    """Install the pinned packages and scripts; returns the exit status."""
    pip = [sys.executable, "-m", "pip", "install", "-r", str(REQUIREMENTS)]
    npm = shutil.which("npm")
    if npm is None:
        raise LearnerError("The scripts of the pages come with npm, which is not here. Install "
                           f"Node.js from https://nodejs.org, then run: {FETCH}")
    done = subprocess.run(pip, check=False).returncode
    return done or subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
                                  cwd=HERE, check=False).returncode


def check_tools(packages=PACKAGES, scripts=SCRIPTS):
    """Raise LearnerError if a package or a script is missing that building needs."""
    missing = [package for package in packages if find_spec(package) is None]
    missing += [script for script in scripts if not (MODULES / script).is_dir()]
    if missing:
        raise LearnerError(f"The site needs {', '.join(missing)}. Run, with a network: {FETCH}")


def check_stamped(repository):
    """Raise LearnerError unless the project is stamped with this repository's address."""
    address = stamp.address()
    if stamp.checked(repository, address.branch).repository != address.repository:
        raise LearnerError(
            f"The project is stamped with {address.repository}, and this is {repository}: its "
            f"links would lead there. Run: python -m helpers stamp --repository {repository}")


def build(output, *, home=None, book=True):
    """Build the site into the folder `output`, which is replaced as a whole.

    `home` is the address under which it will stand; by default that of GitHub Pages. Without
    `book` there is no ePub.

    Raises LearnerError for anything that the pages could not be made of, and for a page with a
    broken link or a request to another host; an older site is then left as it was.
    """
    address = stamp.address()
    check_tools(READING, ())
    staging.check(address)
    check_tools()
    paths.check_replaceable(output)
    home = documents.home(address) if home is None else home
    work = Path(output).resolve().parent / f".{Path(output).name}-work"
    shutil.rmtree(work, ignore_errors=True)
    staging.stage(work / "source", work / "extra", address, book=book)
    bring(work / "static")
    environment = {"SITE_WORK": str(work), "SITE_ADDRESS": home}
    sphinx("html", work, environment)
    if book:
        sphinx("epub", work, environment)
        shutil.copy(work / "epub" / front.BOOK, work / "html")
    icons.draw(work / "html", MODULES / VENDOR["icons"][0] / "svgs")
    pages.lighten(work / "html")
    styles.reduce(work / "html")
    pages.make_absolute(work / "html" / "404.html", home)
    pages.check(work / "html", home)
    with paths.replacing_folder(output) as fresh:
        shutil.copytree(work / "html", fresh, dirs_exist_ok=True)
    shutil.rmtree(work)


def bring(static):
    """Copy what the pages load into the folder `static`."""
    for name, (package, files) in VENDOR.items():
        (static / "vendor" / name).mkdir(parents=True)
        for file in (path for pattern in files for path in (MODULES / package).glob(pattern)):
            content = ELSEWHERE.sub(HERE_INSTEAD, file.read_bytes())
            (static / "vendor" / name / file.name).write_bytes(content)
    shutil.copy(paths.ROOT / "docs" / "picture-light.webp", static)


def sphinx(builder, work, environment):
    """Run Sphinx with one builder; raises LearnerError with its first warning, and where."""
    warnings = work / f"{builder}.txt"
    command = [sys.executable, "-m", "sphinx", "-b", builder, "-j", "auto", "-q", "-c", str(HERE),
               "-d", str(work / "doctrees"), "-w", str(warnings), *(["-t", "book"] * (
                   builder == "epub")), str(work / "source"), str(work / builder)]
    path = paths.python_path()
    done = subprocess.run(command, env={**os.environ, **environment, "PYTHONPATH": path},
                          capture_output=True, encoding="utf-8", errors="replace", check=False)
    said = warnings.read_text(encoding="utf-8") if warnings.exists() else ""
    said = re.sub(r"\x1b\[[\d;]*m", "", said).strip()
    if done.returncode or said:
        raise LearnerError(first_of(said or done.stderr.strip() or done.stdout.strip(), work))


def first_of(said, work):
    """Return the first warning of Sphinx with the project's file that it is about."""
    match = WARNING.search(said)
    if not match:
        return f"Sphinx stopped: {said.splitlines()[-1] if said else 'without a word'}"
    files = {page: file for file, page in documents.documents().items()}
    staged = match["file"].removeprefix(f"{work / 'source'}{os.sep}").replace(os.sep, "/")
    file = files.get(re.sub(r"\.(md|ipynb)$", "", staged), staged)
    place = ""
    if line := int(match["line"] or 0):  # MyST-NB numbers lines of a notebook by 10,000 a cell
        place = f", line {line}" if line < 10_000 else f", cell {line // 10_000}"
    more = len(WARNING.findall(said)) - 1
    rest = f" (and {more} more: {work / 'html.txt'})" if more else ""
    return f"{file}{place}: {match['said']}{rest}"
