"""Find a Chromium: the tests use notebooks in it, and the README's picture is made by it."""

import contextlib
import os
import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
         "msedge")


def chromium():
    """Return the path of a Chromium or a browser built on it, or None.

    The environment variable CHROMIUM names one that is not on the path.
    """
    chosen = os.environ.get("CHROMIUM")
    if chosen:
        return chosen
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found:
        return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:  # what `playwright install chromium` brings
        own = Path(playwright.chromium.executable_path)
    return str(own) if own.is_file() else None


@contextlib.contextmanager
def running():
    """Run that browser without a window; yields Playwright's handle of it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(),
                                             args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
