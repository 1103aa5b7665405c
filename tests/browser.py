"""JupyterLab in a headless Chromium, used as a reader uses it: menus, cells, sliders, text."""

import ast
import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from helpers import paths
from tools import stamp

SCREENSHOTS = paths.ROOT / "screenshots"
VIEWPORT = {"width": 1280, "height": 1000}
CELL = 600  # seconds that a cell may take, on a slow day
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"
CELLS = """panel => [...panel.querySelectorAll('.jp-Cell')].map(cell => ({
    code: cell.classList.contains('jp-CodeCell'),
    hidden: cell.querySelector('.jp-InputPlaceholder') !== null,
    prompt: cell.querySelector('.jp-InputPrompt')?.textContent ?? '',
    outputs: cell.querySelectorAll('.jp-OutputArea-child').length,
    text: cell.querySelector('.jp-OutputArea')?.textContent ?? '',
    images: [...cell.querySelectorAll('.jp-OutputArea img')]
        .map(i => i.complete && i.naturalWidth),
    red: cell.querySelectorAll('[data-mime-type="application/vnd.jupyter.stderr"]').length,
    widgets: cell.querySelectorAll('.jupyter-widgets').length,
}))"""


@dataclass
class Lab:
    """A running JupyterLab: its address with the token, and the folder that it serves."""

    address: str
    token: str
    folder: Path

    def url(self, notebook):
        """Return the address that opens one notebook alone in a fresh workspace."""
        return f"{self.address}/lab/tree/{notebook}?reset&token={self.token}"


@contextlib.contextmanager
def jupyterlab(folder):
    """Run JupyterLab on copies of the notebooks in `folder`; yields a `Lab`."""
    folder = Path(folder)
    for path in sorted((paths.ROOT / "notebooks").glob("*.ipynb")):
        shutil.copy(path, folder)
    quiet = folder / ".settings" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
        "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1", f"--notebook-dir={folder}",
        f"--IdentityProvider.token={token}",
    ]
    environment = {
        **os.environ, "PYTHONPATH": str(paths.ROOT), "JUPYTER_CONFIG_DIR": str(folder / ".config"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / ".workspaces"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / ".settings"),
        "JUPYTER_RUNTIME_DIR": str(folder / ".runtime"),
    }
    with (folder / "jupyterlab.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    lab = Lab(f"http://127.0.0.1:{port}", token, folder)
    try:
        wait_for(lambda: answers(lab) or server.poll() is not None, 60, "JupyterLab to answer")
        assert server.poll() is None, (folder / "jupyterlab.log").read_text()
        yield lab
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)
        server.kill()


def answers(lab):
    """Say whether the server is there."""
    try:
        with urllib.request.urlopen(f"{lab.address}/api?token={lab.token}", timeout=5) as reply:
            return "version" in json.load(reply)
    except (urllib.error.URLError, OSError):
        return False


def wait_for(condition, seconds, what):
    """Return the first true value of `condition()`; fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.5)
    raise AssertionError(f"waited {seconds} s for {what}")


def needed(cells, index):
    """Return the indices of the cells that have to run for one of them, itself included.

    A cell needs those that bind what it names, and those that name the same file under runs/.
    """
    wanted, found = _names(cells[index].source)[0], [index]
    for number in range(index - 1, -1, -1):
        cell = cells[number]
        if cell.cell_type != "code" or stamp.TAG in cell.metadata.get("tags", []):
            continue
        used, bound = _names(cell.source)
        if bound & wanted:
            wanted = (wanted - bound) | used
            found.insert(0, number)
    return found


def _names(code):
    used, bound = set(), set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name):
            (bound if isinstance(node.ctx, ast.Store) else used).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Constant) and str(node.value).startswith("runs/"):
            used.add(node.value)
            bound.add(node.value)
    return used, bound


class Notebook:
    """One notebook in JupyterLab, open in a Playwright page."""

    def __init__(self, page, lab, name):
        self.page, self.name, self.path = page, name, lab.folder / name
        self.problems = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.goto(lab.url(name))
        self.panel = page.locator(PANEL).first
        self.panel.wait_for(timeout=60_000)
        stored = json.loads((lab.folder / name).read_text(encoding="utf-8"))["cells"]
        wait_for(lambda: len(self.cells()) == len(stored), 60, f"the cells of {name}")
        self.wait_idle(60)

    def cells(self):
        """Return what is seen of each cell, in order: a list of dictionaries."""
        return self.panel.evaluate(CELLS)

    def kernel(self):
        """Return what the kernel does, as the notebook's toolbar says it."""
        return self.panel.locator(".jp-Notebook-ExecutionIndicator").get_attribute("data-status")

    def wait_idle(self, seconds):
        """Wait until the kernel does nothing."""
        wait_for(lambda: self.kernel() == "idle", seconds, f"the kernel of {self.name}")

    def menu(self, name, command):
        """Choose from the menu bar."""
        self.page.locator(".lm-MenuBar-item", has_text=name).first.click()
        self.page.locator(f'.lm-Menu-item[data-command="{command}"]').click()

    def clear(self):
        """Clear all stored outputs."""
        self.menu("Edit", "editmenu:clear-all")
        wait_for(lambda: not any(c["outputs"] for c in self.cells()), 30, "empty cells")

    def restart(self):
        """Restart the kernel through the menu and its question."""
        self.menu("Kernel", "kernelmenu:restart")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.page.locator(".jp-Dialog").wait_for(state="detached")
        self.wait_idle(60)

    def run_cell(self, index):
        """Click into a cell and press Shift and Enter; returns the cell as seen afterwards."""
        cell = self.panel.locator(".jp-Cell").nth(index)
        cell.scroll_into_view_if_needed()
        cell.locator(".jp-InputArea-editor").first.click()
        self.page.keyboard.press("Shift+Enter")

        def run():
            return self.cells()[index]["prompt"][1:-2].isdigit()

        wait_for(run, CELL, f"cell {index} of {self.name}")
        self.wait_idle(CELL)
        return self.cells()[index]

    def photograph(self):
        """Store what is seen, screen by screen, under screenshots/."""
        SCREENSHOTS.mkdir(exist_ok=True)
        notebook = self.panel.locator(".jp-WindowedPanel-outer").first
        place, number = 0, 0
        while True:
            notebook.evaluate("(element, y) => element.scrollTo(0, y)", place)
            self.page.wait_for_timeout(300)
            number += 1
            stem = Path(self.name).stem
            self.page.screenshot(path=SCREENSHOTS / f"{stem}-{number:02d}.png")
            height, seen = notebook.evaluate("e => [e.scrollHeight, e.clientHeight]")
            place += seen - 40
            if place >= height - 40:
                return number


def photograph_page(page, stem):
    """Store a whole exported page as one picture under screenshots/."""
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{stem}-exported.png", full_page=True)
