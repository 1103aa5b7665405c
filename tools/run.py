"""Run notebooks from top to bottom without a browser, time them, and store their outputs."""

import argparse
import datetime
import json
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from helpers import checkpoints, paths, preflight, requirements
from helpers.measure import Measured
from tools import stamp

NOTEBOOKS = paths.ROOT / "notebooks"
TIMINGS = paths.REFERENCE / "timings.json"
TIMEOUT = 1800  # seconds that one cell may take
# In a notebook's head: the paragraph on its time, and the one that follows it once it is stored.
TIME = re.compile(r"^\*\*Time:\*\* .*$", re.MULTILINE)
VERIFIED = ("\n\n<small>Last verified {date} with transformers {transformers}, torch {torch} and "
            "datasets {datasets} on Python {python}.</small>")
LAST_VERIFIED = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[\\w.-]+)", re.escape(VERIFIED)))
# Together they import what most notebooks import.
IMPORTS = """import transformers
from helpers import batching, curves, plots, reviews, training, widgets
transformers.AutoModelForSequenceClassification, transformers.AutoTokenizer"""


def run(names=(), *, save=False):
    """Run notebooks by number or name (all without any); returns the exit status.

    Prints seconds and peak memory of each. With `save` the outputs are stored in the files, the
    seconds in `data/reference/timings.json`, and the run that a notebook records becomes its
    reference run; if that changed it, the notebook is run again, so as to agree with it.
    """
    notebooks = chosen(names)
    if not notebooks:
        print(f"No notebook is called {' or '.join(names)}.", file=sys.stderr)
        return 2
    if save and checkpoints.current_size() != "small":
        print(f"Stored outputs are those of the small checkpoints: unset "
              f"{checkpoints.SIZE_VARIABLE}.", file=sys.stderr)
        return 2
    before = preflight.speeds() if save else None
    seconds, failed = {}, []
    for path in notebooks:
        print(f"{path.stem:<28}", end="", flush=True)
        recorded = NOTEBOOKS / "runs" / path.with_suffix(".json").name
        recorded.unlink(missing_ok=True)
        notebook, spent, peak, error = execute(path)
        if save and error is None and promote(recorded):
            print(" (new reference run) ", end="", flush=True)
            notebook, spent, peak, error = execute(path)
        print(f"{spent:6.1f} s   {peak / 2**30:.2f} GB", flush=True)
        if error is not None:
            failed.append(path.stem)
            print(f"    stopped with {error}", file=sys.stderr)
            continue
        seconds[path.stem] = round(spent, 1)
        if save:
            nbformat.write(verified(tidy(notebook), datetime.date.today()), path)
    print(f"{'together':<28}{sum(seconds.values()):6.1f} s")
    if save and seconds:
        after = preflight.speeds()
        save_timings(seconds, startup(), {k: (before[k] + after[k]) / 2 for k in before})
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def promote(recorded):
    """Make a recorded run the reference run; say whether that changed the reference."""
    if not recorded.is_file():
        return False
    reference = paths.REFERENCE / f"{recorded.stem}.small.json"
    run = recorded.read_text(encoding="utf-8")
    if reference.is_file() and reference.read_text(encoding="utf-8") == run:
        return False
    with paths.replacing(reference) as fresh:
        fresh.write_text(run, encoding="utf-8")
    return True


def chosen(names=()):
    """Return the notebooks whose file name starts with one of `names`, in order; all without."""
    every = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    wanted = [Path(name).name for name in names]
    return [p for p in every if not wanted or any(p.name.startswith(w) for w in wanted)]


def execute(path, environment=None):
    """Run one notebook in a fresh kernel, in its own folder.

    `environment` holds variables for the kernel, beside those of this process. Returns the
    executed notebook, seconds, peak memory of the kernel in bytes, and the error that stopped it
    or None.
    """
    notebook, error, number = nbformat.read(path, as_version=4), None, 0
    client = NotebookClient(
        notebook, timeout=TIMEOUT, kernel_name="python3", coalesce_streams=True,
        resources={"metadata": {"path": str(Path(path).parent)}},
        # Kernels warn that they are reached over TCP; nobody reads that here.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )

    def watch(cell_index, **_):
        nonlocal number
        number = cell_index + 1
        if cost.pid is None:
            cost.pid, cost.peak = client.km.provisioner.pid, 0

    client.on_cell_start = watch
    with Measured() as cost:
        try:
            client.execute(env=os.environ | (environment or {}))
        except CellExecutionError as stopped:
            error = f"{stopped.ename}: {stopped.evalue}"
        except CellTimeoutError:
            error = f"a timeout: cell {number} ran for more than {TIMEOUT} s"
        except DeadKernelError:
            error = "a dead kernel; most often the memory was used up"
    return notebook, cost.seconds, cost.peak, error


def tidy(notebook):
    """Take out of a notebook what differs from run to run and says nothing; returns it."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        cell.metadata["slideshow"] = {"slide_type": slide(cell)}
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3",
    }
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def slide(cell):
    """Return what a cell is on slides: those of `jupyter nbconvert --to slides`.

    A heading begins a slide, other prose a slide below it, and code stays on the slide of the
    prose before it. Colab's cell and the exercises are left out.
    """
    exercise = re.search(r"^check\(|^<details><summary>Solution|^## Exercises", cell.source, re.M)
    goes_on = re.search(r"^## (?!Exercises)", cell.source.rpartition("</details>")[2], re.M)
    if stamp.TAG in cell.metadata.get("tags", []) or (exercise and not goes_on):
        return "skip"
    if cell.cell_type == "code":
        return "-"
    return "slide" if cell.source.startswith("#") else "subslide"


def verified(notebook, date):
    """Write into a notebook's head that it ran on this date with what is installed; returns it.

    What an earlier run wrote there is replaced.
    """
    said = VERIFIED.format(
        date=date, python="{}.{}".format(*sys.version_info),
        **{name: requirements.installed(name) for name in ("transformers", "torch", "datasets")})
    head = notebook.cells[0]
    source = LAST_VERIFIED.sub("", head.source)
    head.source = TIME.sub(lambda time: time[0] + said, source, count=1)
    return notebook


def startup():
    """Return the seconds until a kernel has started and has imported what notebooks import."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(IMPORTS)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "startup.ipynb"
        nbformat.write(notebook, path)
        return execute(path)[1]


def save_timings(seconds, startup, speeds):
    """Add the seconds of these notebooks to the record, as if all ran at these speeds."""
    record = {"seconds": {}}
    if TIMINGS.is_file():
        older = preflight.rescaled(json.loads(TIMINGS.read_text(encoding="utf-8")), speeds)
        record["seconds"] = {name: round(spent, 1) for name, spent in older.items()}
    record["seconds"] |= seconds
    record["startup"] = round(startup, 1)
    record["speeds"] = {kind: round(speed, 2) for kind, speed in speeds.items()}
    TIMINGS.parent.mkdir(parents=True, exist_ok=True)
    with paths.replacing(TIMINGS) as fresh:
        fresh.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main(arguments=None):
    """Run notebooks as the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m helpers run", description=__doc__)
    parser.add_argument("notebooks", nargs="*", help="only these, by number or name: 00 03")
    parser.add_argument("--save", action="store_true",
                        help="store the new outputs, reference runs and times")
    options = parser.parse_args(arguments)
    return run(options.notebooks, save=options.save)


if __name__ == "__main__":
    sys.exit(main())
