"""Run notebooks from top to bottom without a browser, time them, and store their outputs."""

import json
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from helpers import checkpoints, paths, preflight
from helpers.measure import Measured

NOTEBOOKS = paths.ROOT / "notebooks"
TIMINGS = paths.REFERENCE / "timings.json"
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
    before = preflight.speeds()
    seconds, failed = {}, []
    for path in notebooks:
        print(f"{path.stem:<28}", end="", flush=True)
        recorded = NOTEBOOKS / "runs" / path.with_suffix(".json").name
        recorded.unlink(missing_ok=True)
        notebook, spent, peak, error = execute(path)
        if save and error is None and promoted(recorded):
            print(" (new reference run) ", end="", flush=True)
            notebook, spent, peak, error = execute(path)
        print(f"{spent:6.1f} s   {peak / 2**30:.2f} GB", flush=True)
        if error is not None:
            failed.append(path.stem)
            print(f"    stopped with {error}", file=sys.stderr)
            continue
        seconds[path.stem] = round(spent, 1)
        if save:
            nbformat.write(tidied(notebook), path)
    print(f"{'together':<28}{sum(seconds.values()):6.1f} s")
    if save and seconds:
        after = preflight.speeds()
        speeds = {kind: (before[kind] + after[kind]) / 2 for kind in before}
        save_timings(seconds, startup(), speeds)
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def promoted(recorded):
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


def execute(path):
    """Run one notebook in a fresh kernel, in its own folder.

    Returns the executed notebook, seconds, peak memory of the kernel in bytes, and the error
    that stopped it or None.
    """
    notebook = nbformat.read(path, as_version=4)
    folder = {"metadata": {"path": str(Path(path).parent)}}
    client = NotebookClient(
        notebook, timeout=1800, kernel_name="python3", resources=folder,
        # Kernels warn that they are reached over TCP; nobody reads that here.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    error = None

    async def watch_kernel(**_):
        cost.pid, cost.peak = client.km.provisioner.pid, 0

    client.on_notebook_start = watch_kernel
    with Measured() as cost:
        try:
            client.execute()
        except CellExecutionError as stopped:
            error = f"{stopped.ename}: {stopped.evalue}"
        except DeadKernelError:
            error = "a dead kernel; most often the memory was used up"
    return notebook, cost.seconds, cost.peak, error


def tidied(notebook):
    """Return the notebook without what changes from run to run and says nothing."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [short(output) for output in merged_streams(cell.outputs)]
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3",
    }
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def merged_streams(outputs):
    """Return the outputs with neighbouring pieces of the same stream joined into one."""
    merged = []
    for output in outputs:
        last = merged[-1] if merged else None
        same = (
            last is not None
            and output.output_type == last.output_type == "stream"
            and output.name == last.name
        )
        if same:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def short(output):
    """Return an output; a traceback keeps the cell and the error, not the libraries between.

    Their lines name folders of this machine, and nobody reads them in a lesson.
    """
    if output.output_type == "error":
        files = [
            i for i, part in enumerate(output.traceback)
            if re.sub(r"\x1b\[[\d;]*m", "", part).startswith("File ")
        ]
        if files:
            calls = "call" if len(files) == 1 else "calls"
            kept = [part for i, part in enumerate(output.traceback) if i not in files]
            output.traceback = [
                *kept[:-1], f"    ({len(files)} {calls} inside the libraries left out)\n", kept[-1]
            ]
    return output


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
