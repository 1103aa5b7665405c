"""The rules for a notebook. `problems(path)` returns a sentence for each that is broken.

    python -m tests.notebook_lint notebooks/03_manual_training_loop.ipynb

prints them; without a file, those of all notebooks. The exit status is 1 if there are any.
"""

import re
import statistics
import sys
from pathlib import Path

import nbformat

from helpers import requirements
from tools import links, run, stamp

IGNORED = "nbval-ignore-output"
COLAB = stamp.TAG  # the first code cell, which is no part of the lesson
TAGS = {IGNORED, COLAB, "loop"}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
ABSOLUTE = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|Users|usr|opt|work|content)/|[A-Z]:\\\\|"
                      r"site-packages")
ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")


def problems(path):
    """Return the list of what is wrong with one notebook file."""
    path = Path(path)
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [
        *_frame(path, notebook),
        *_verified(notebook),
        *_stamp(path, code),
        *links.dead(path),
        *_execution(code),
        *_comparison([cell for cell in code if COLAB not in tags(cell)]),
        *_size(notebook, code),
        *_paths(notebook),
        *_pictures(code),
        *_widgets(notebook, code),
    ]


def tags(cell):
    """Return the tags of a cell."""
    return set(cell.metadata.get("tags", []))


def text_of(output):
    """Return what a comparison sees of an output: streams, errors and text, no pictures."""
    if output.output_type == "stream":
        return "" if output.name == "stderr" else output.text
    if output.output_type == "error":
        return output.ename
    parts = (v for k, v in output.data.items() if k.startswith("text/"))
    return "".join("".join(part) for part in parts)


def main(paths):
    """Print the broken rules of these notebooks, or of all; returns the exit status."""
    found = [f"{path}: {problem}." for path in paths or run.chosen() for problem in problems(path)]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


def _frame(path, notebook):
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    if notebook.cells[0].cell_type != "markdown":
        yield "it does not begin with a title"
        return
    first = prose[0]
    if not re.match(rf"# {path.name[:2]} · \S", first):
        yield f"its title is not '# {path.name[:2]} · …'"
    for wanted in ("**You will be able to**\n- ", "**Before you start:** ", "**Time:** "):
        if wanted not in first:
            yield f"its first cell lacks {wanted.strip()!r}"
    time = first.partition("**Time:**")[2]
    if not re.search(r"minutes? to read", time) or not re.search(r"to run", time):
        yield "its time to read and to run is not stated"
    whole = "\n".join(prose)
    summary = whole.partition("\n## Summary\n")[2]
    if len(re.findall(r"^- ", summary, re.M)) != 3:
        yield "its summary does not have three lines"
    if not re.search(r"^\*\*\d\d\.\d · ", whole, re.M):
        yield "it has no exercise"
    if "PLACEHOLDER" in whole or "TODO" in whole:
        yield "a passage is unfinished"


def _verified(notebook):
    head = notebook.cells[0].source
    time, said = run.TIME.search(head), list(run.LAST_VERIFIED.finditer(head))
    if not time or [verified.start() for verified in said] != [time.end()]:
        yield "below its time it does not say when it was verified: run it with --save"
        return
    pins = requirements.pinned()
    for name, version in said[0].groupdict().items():
        if name == "date" and not re.fullmatch(r"20\d\d-[01]\d-[0-3]\d", version):
            yield f"it was verified on {version}, which is no date"
        elif name == "python" and version not in requirements.PYTHONS:
            yield f"it was verified on Python {version}, which is not among those tested"
        elif name in pins and version != pins[name]:
            yield (f"it was verified with {name} {version}, but pinned is {pins[name]}: run it "
                   "with --save")


def _stamp(path, code):
    if [COLAB in tags(cell) for cell in code] != [True] + [False] * (len(code) - 1):
        yield "its first code cell, and only that, is not the one for Colab"
    text = path.read_text(encoding="utf-8")
    if stamp.stamped_notebook(text, path.name, stamp.address()) != text:
        yield "it is not stamped with the address in pyproject.toml: run python -m helpers stamp"


def _execution(code):
    counts = [cell.execution_count for cell in code]
    if code and COLAB in tags(code[0]) and counts[0] is None:  # stamped since the last run
        counts = counts[1:]
    if counts != list(range(1, len(counts) + 1)):
        yield f"its cells were not run in order from a fresh kernel: {counts}"
    for i, cell in enumerate(code, 1):
        if any(output.output_type == "error" for output in cell.outputs):
            yield f"cell {i} stores an error, at which \"Run all\" stops: catch and print it"
        if re.search(r"^\s*[%!]", cell.source, re.M):
            yield f"cell {i} has a magic or a shell command, which nbval does not check"
        if "NBVAL_" in cell.source:
            yield f"cell {i} steers nbval by a comment; use a tag"
        unknown = tags(cell) - TAGS
        if unknown:
            yield f"cell {i} has unknown tags: {sorted(unknown)}"


def _comparison(code):
    compared = [
        cell for cell in code
        if IGNORED not in tags(cell) and any(text_of(o).strip() for o in cell.outputs)
    ]
    if len(compared) < 8 or len(compared) < 0.4 * len(code):
        yield f"only {len(compared)} of {len(code)} code cells compare an output"
    for i, cell in enumerate(code, 1):
        if IGNORED in tags(cell):
            continue
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                yield f"cell {i} stores an error stream, which is not compared: tag or silence it"
            if ADDRESS.search(text_of(output)):
                yield f"cell {i} prints a memory address"


def _size(notebook, code):
    lengths = [len(cell.source.splitlines()) for cell in code]
    median = statistics.median(lengths[1:])  # without the cell for Colab
    if median > 6:
        yield f"its code cells have a median of {median} lines; aim at 6"
    for i, length in enumerate(lengths, 1):
        if length > 24:
            yield f"cell {i} has {length} lines; cut it up"
    # One of them is the cell for Colab.
    if not 16 <= len(notebook.cells) <= 76:
        yield f"it has {len(notebook.cells)} cells"


def _paths(notebook):
    for i, cell in enumerate(notebook.cells, 1):
        texts = [cell.source]
        if cell.cell_type == "code":
            texts += [text_of(o) for o in cell.outputs]
            texts += [o.text for o in cell.outputs if o.output_type == "stream"]
        for text in texts:
            found = ABSOLUTE.search(text)
            if found:
                yield f"cell {i} (of all) holds an absolute path: {found.group()}"
                break


def _pictures(code):
    for i, cell in enumerate(code, 1):
        for output in cell.outputs:
            if "image/png" not in output.get("data", {}):
                continue
            alt = output.metadata.get("image/png", {}).get("alt", "")
            if len(alt) < 20:
                yield f"cell {i} shows a picture without alt text"


def _widgets(notebook, code):
    metadata = notebook.metadata.get("widgets")
    views = [
        output.data[WIDGET_VIEW]["model_id"]
        for cell in code for output in cell.outputs
        if WIDGET_VIEW in output.get("data", {})
    ]
    if metadata is not None and "state" not in metadata.get(WIDGET_STATE, {}):
        yield "its widget metadata has no state, which breaks the page on GitHub"
        return
    known = (metadata or {}).get(WIDGET_STATE, {}).get("state", {})
    for view in views:
        if view not in known:
            yield "a widget is shown whose state is not stored"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
