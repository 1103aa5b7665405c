"""Play notebooks as other processors would compute them; print what moves, and by how much.

Where the stored outputs were made with newer libraries or older ones, play them `--as here` first:
what moves then is not the processor's doing. Exit status 0 says that nothing moved.
"""

import argparse
import contextlib
import difflib
import importlib.util
import io
import itertools
import platform
import re
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import coalesce_streams, transform_streams_for_comparison

from helpers import checkpoints, paths
from tools import run

# What keeps ATen, MKL, oneDNN and OpenBLAS from using instructions that this processor has. For
# AVX, the MKL in today's wheels of PyTorch takes its code for SSE4.2; ATen keeps its own here.
SETS = {
    "here": {},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2",
             "OPENBLAS_CORETYPE": "Haswell"},
    "avx": {"MKL_CBWR": "AVX"},
    "sse": {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "SSE4_2", "ONEDNN_MAX_CPU_ISA": "SSE41",
            "OPENBLAS_CORETYPE": "Nehalem"},
}
NUMBER = re.compile(r"(?:(?<!\w)-)?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?")
X86 = ("x86_64", "AMD64")


@dataclass(frozen=True)
class Move:
    """A line of a cell that came out otherwise; `stored` or `here` is None where it is missing."""

    cell: int  # as JupyterLab counts: the number in brackets
    stored: str | None
    here: str | None

    def __str__(self):
        number = f"    [{self.cell}] "
        said = [f"stored  {'(nothing)' if self.stored is None else self.stored}",
                f"here    {'(nothing)' if self.here is None else self.here}"]
        said += [f"{a} → {b}: by {distance:f}, {steps.normalize():f} in the last digit"
                 for a, b, distance, steps in distances(self.stored, self.here)]
        return number + ("\n" + " " * len(number)).join(said)


def play(names=(), sets=("avx2",), threads=(1,), keep=None):
    """Run notebooks in every one of `sets` with each number of threads; returns the exit status.

    Prints for each what moved. `keep` is a folder for the executed notebooks.
    """
    notebooks = run.chosen(names)
    if not notebooks:
        print(f"No notebook is called {' or '.join(names)}.", file=sys.stderr)
        return 2
    if platform.machine() not in X86 and set(sets) != {"here"}:
        print(f"Only an x86 processor can be played as another; this one is {platform.machine()}. "
              "--as here compares with the stored outputs.", file=sys.stderr)
        return 2
    moved = []
    for name, count in itertools.product(sets, threads):
        print(f"As {name}, {count} thread{'s' * (count > 1)}", flush=True)
        environment = {**SETS[name], "OMP_NUM_THREADS": str(count),
                       checkpoints.SIZE_VARIABLE: "small"}
        for path in notebooks:
            print(f"{path.stem:<28}", end="", flush=True)
            notebook, seconds, _, error = run.execute(path, environment)
            if keep:
                folder = Path(keep, f"{name}-{count}")
                folder.mkdir(parents=True, exist_ok=True)
                nbformat.write(notebook, folder / path.name)
            compared, moves = compare(path, notebook)
            cells = len({move.cell for move in moves})
            print(f"{seconds:7.1f} s   {compared} cells compared, {cells or 'none'} moved")
            for said in [*moves, *([f"    stopped with {error}"] if error else [])]:
                print(said, flush=True)
            if moves or error:
                moved.append(f"{path.stem[:2]} as {name} with {count}")
    print(f"Moved: {', '.join(moved)}" if moved else "Nothing moved.")
    return 1 if moved else 0


def compare(path, executed):
    """Return how many cells of a notebook nbval compares, and the `Move`s between the outputs
    stored in the file and those of the executed notebook.

    Cells that were not reached are not counted.
    """
    compared, moves = 0, []
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    for item, cell in zip(nbval_items(path), code, strict=True):
        reached = "execution" in cell.metadata  # nbclient's mark, which is never stored
        if not reached or not item.options["check"] or item.cell.execution_count is None:
            continue
        stored, here = (coalesce_streams(c.outputs) for c in (item.cell, cell))
        before, after = lines(item, stored), lines(item, here)
        compared += bool(before or after)
        if not item.compare_outputs(here, stored):
            moves += [Move(item.cell.execution_count, *pair) for pair in different(before, after)]
    return compared, moves


def nbval_items(path):
    """Return nbval's items of a notebook, one a code cell, made as for this project's tests."""
    spec = importlib.util.spec_from_file_location("root_conftest", paths.ROOT / "conftest.py")
    conftest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    collected = _Collected()
    arguments = ["-c", str(paths.ROOT / "pyproject.toml"), "--collect-only", "-qq", "--color=no",
                 "--noconftest", str(path)]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        status = pytest.main(arguments, plugins=[conftest, collected])
    if status != pytest.ExitCode.OK:
        raise RuntimeError(f"pytest does not collect {path}:\n{said.getvalue()}")
    return collected.items


class _Collected:
    def pytest_collection_finish(self, session):
        self.items = session.items


def lines(item, outputs):
    """Return the lines that nbval compares of a cell's outputs."""
    found = []
    for output in transform_streams_for_comparison(outputs):
        for key, value in {**output, **output.get("data", {})}.items():
            if key != "data" and key not in item.parent.skip_compare:
                found += item.sanitize(str(value)).splitlines()
    return found


def different(stored, here):
    """Return pairs of lines that differ, None where one has no partner."""
    matcher = difflib.SequenceMatcher(None, stored, here, autojunk=False)
    return [
        pair
        for kind, a, b, c, d in matcher.get_opcodes() if kind != "equal"
        for pair in itertools.zip_longest(stored[a:b], here[c:d])
    ]


def distances(stored, here):
    """Return what moved between two lines that are the same but for numbers.

    One entry a number that moved: both as printed, the distance, and the distance in units of
    the last digit of the one with fewer digits. Empty if the lines differ in words, too.
    """
    if stored is None or here is None:
        return []
    words = [" ".join(NUMBER.sub("0", line).split()) for line in (stored, here)]
    if words[0] != words[1]:
        return []
    moved = []
    for a, b in zip(NUMBER.findall(stored), NUMBER.findall(here), strict=True):
        one, other = (Decimal(x.replace(",", "")) for x in (a, b))
        if one != other:
            unit = Decimal(1).scaleb(max(x.as_tuple().exponent for x in (one, other)))
            moved.append((a, b, abs(one - other), abs(one - other) / unit))
    return moved


def main(arguments=None):
    """Play notebooks as the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.processors", description=__doc__)
    parser.add_argument("notebooks", nargs="*", help="only these, by number or name: 00 03")
    parser.add_argument("--as", dest="sets", nargs="+", choices=SETS, default=["avx2"],
                        metavar="SET", help=f"instruction sets: {', '.join(SETS)} (default avx2)")
    parser.add_argument("--threads", nargs="+", type=int, default=[1], metavar="N",
                        help="numbers of threads (default 1)")
    parser.add_argument("--keep", metavar="FOLDER", help="keep the executed notebooks there")
    options = parser.parse_args(arguments)
    return play(options.notebooks, options.sets, options.threads, options.keep)


if __name__ == "__main__":
    sys.exit(main())
