"""The comparison bites: a mistake planted in a copy of notebook 03 turns nbval red.

The copy is cut short (two epochs over 128 reviews, without the step by hand, up to the figures of
each epoch) and run once to store its outputs. Then it is compared several times over, one after
the other in one kernel: unchanged it passes, with each mistake it fails.
"""

import os
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import nbformat
import pytest

from helpers import paths
from tools import run

MISTAKES = {
    "zero_grad_dropped": ("        optimizer.zero_grad()\n", ""),
    "mask_left_out": (
        "        output = model(**batch.to(device))\n",
        '        batch.pop("attention_mask")\n        output = model(**batch.to(device))\n',
    ),
    "labels_flipped": (
        "        batch = batch.to(device)\n",
        '        batch = batch.to(device)\n        batch["labels"] = 1 - batch["labels"]\n',
    ),
    "another_seed": ("seed = 0\n", "seed = 1\n"),
    "learning_rate_of_0": (
        'learning_rate = {"small": 1e-4, "full": 3e-5}[checkpoint.size]\n', "learning_rate = 0.0\n"
    ),
}
SHORTER = {
    "data = reviews.load()\n": (
        "data = reviews.load()\n"
        "for split, n in {'train': 128, 'validation': 32, 'test': 8}.items():\n"
        "    data[split] = data[split].select(range(n))\n"
    ),
    "epochs = 3\n": "epochs = 2\n",
}


# Cells that the loop needs, from the sections that are left out.
FUNCTIONS = ("def parameter_groups(", "def new_optimizer(", "def validate(")


def replaced(notebook, old, new):
    """Return a copy of a notebook with one passage of code replaced; it must stand there once."""
    copy = nbformat.from_dict(notebook)
    cells = [c for c in copy.cells if c.cell_type == "code" and old in c.source + "\n"]
    assert len(cells) == 1, f"{old!r} stands in {len(cells)} cells"
    source = cells[0].source + "\n"
    assert source.count(old) == 1
    cells[0].source = source.replace(old, new).removesuffix("\n")
    return copy


def cut_to_the_loop(notebook):
    """Return the cells that the loop needs, the loop, and those that print its figures."""

    def where(passage, start=0):
        return next(i for i in range(start, len(notebook.cells))
                    if passage in notebook.cells[i].source)

    by_hand, loop = where("## One step by hand"), where("for epoch in range(epochs):")
    end = where("enumerate(curve.validation)", loop)
    copy = nbformat.from_dict(notebook)
    needed = [copy.cells[where(passage)] for passage in (*FUNCTIONS, "settings = {")]
    copy.cells = [*copy.cells[:by_hand], *needed, *copy.cells[loop : end + 1]]
    return copy


def one_after_another(notebooks):
    """Return one notebook with the cells of several."""
    whole = nbformat.from_dict(notebooks[0])
    whole.cells = [
        nbformat.from_dict({**cell, "id": f"part{part}-{i}"})
        for part, notebook in enumerate(notebooks) for i, cell in enumerate(notebook.cells)
    ]
    return whole


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Run nbval over the copies; return {name: number of failed cells}."""
    folder = tmp_path_factory.mktemp("faults")
    shutil.copy(paths.ROOT / "conftest.py", folder)
    original = next(p for p in run.chosen() if p.name.startswith("03"))
    short = cut_to_the_loop(nbformat.read(original, as_version=4))
    for old, new in SHORTER.items():
        short = replaced(short, old, new)
    nbformat.write(short, folder / "unchanged.ipynb")
    executed, _, _, error = run.execute(folder / "unchanged.ipynb")
    assert error is None
    copies = {"unchanged": executed} | {
        name: replaced(executed, old, new) for name, (old, new) in MISTAKES.items()
    }
    names = list(copies)
    halves = [names[0::2], names[1::2]]
    for i, half in enumerate(halves):
        nbformat.write(one_after_another([copies[n] for n in half]), folder / f"half{i}.ipynb")
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q",
             "-p", "no:cacheprovider", f"--junitxml=half{i}.xml", f"--rootdir={folder}",
             f"half{i}.ipynb"],
            # Two at a time with one thread each: threads that wait for each other are slow.
            env={**os.environ, "OMP_NUM_THREADS": "1"}, cwd=folder,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for i in range(len(halves))
    ]
    printed = [process.communicate()[0] for process in running]
    cells = sum(cell.cell_type == "code" for cell in executed.cells)
    failed = {}
    for i, half in enumerate(halves):
        report = folder / f"half{i}.xml"
        assert report.is_file(), printed[i]
        cases = list(ElementTree.parse(report).iter("testcase"))
        assert len(cases) == cells * len(half), printed[i]
        for part, name in enumerate(half):
            failed[name] = sum(
                case.find("failure") is not None or case.find("error") is not None
                for case in cases[cells * part : cells * (part + 1)]
            )
    return failed


def test_the_unchanged_copy_passes(outcomes):
    assert outcomes["unchanged"] == 0


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_turns_the_comparison_red(outcomes, mistake):
    assert outcomes[mistake] >= 1


def test_the_loop_in_the_notebook_is_the_one_in_helpers(new_model, encoded, tokenizer):
    """Written by hand once, imported from then on: the losses are identical."""
    import copy
    import math

    import torch
    from transformers import get_linear_schedule_with_warmup

    from helpers import batching, curves, training

    original = next(p for p in run.chosen() if p.name.startswith("03"))
    cells = nbformat.read(original, as_version=4).cells
    loop = next(c.source for c in cells if "loop" in c.metadata.get("tags", []))
    functions = [next(c.source for c in cells if passage in c.source) for passage in FUNCTIONS]

    encoded = encoded.select(range(48))
    few = batching.loader(encoded.select(range(16)), tokenizer)
    space = {
        "batching": batching, "copy": copy, "curves": curves, "math": math, "torch": torch,
        "get_linear_schedule_with_warmup": get_linear_schedule_with_warmup,
        "new_model": new_model, "tokenizer": tokenizer, "encoded": {"train": encoded},
        "sample_loader": few, "validation_loader": few, "settings": {}, "reference": None,
        "epochs": 2, "batch_size": 8, "learning_rate": 5e-5, "seed": 0,
        "device": torch.device("cpu"),
        "plots": type("Plots", (), {"LiveLoss": lambda steps, reference: lambda curve: None}),
    }
    for source in (*functions, loop):
        exec(source, space)
    theirs = training.train(
        new_model(), batching.loader(encoded, tokenizer, 8, train=True), epochs=2,
        learning_rate=5e-5, validation_loader=few,
    )
    mine = space["curve"]
    assert mine.loss == theirs.loss
    assert mine.learning_rate == theirs.learning_rate
    assert mine.accuracy == pytest.approx(theirs.accuracy)
    assert mine.validation == theirs.validation
