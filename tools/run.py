"""Run notebooks from top to bottom without a browser, time them, and store their outputs."""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from helpers import checkpoints, paths, preflight
from helpers.measure import Measured

NOTEBOOKS = paths.ROOT / "notebooks"
TIMINGS = paths.REFERENCE / "timings.json"
TIMEOUT = 1800  # seconds that one cell may take
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
            nbformat.write(tidy(notebook), path)
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
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3",
    }
    notebook.metadata["language_info"] = {"name": "python"}
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
