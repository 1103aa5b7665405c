"""Notebooks 01 to 05 and 07 run with the full-size checkpoints, downloaded from a local Hub.

Every cell is executed as it stands, in a copy of the notebook that is made shorter in two ways:
a first cell keeps only a few of the reviews, and where a cell itself takes a fixed number of
them, the number is replaced. The models have their real sizes; their weights are random, so that
no result is compared, only that every cell does what it should.
"""

import os
import shutil

import hub_repositories
import nbformat
import pytest
from hub import LocalHub
from test_faults import replaced

from helpers import checkpoints, paths
from tools import run

pytestmark = pytest.mark.slow

REVIEWS = {  # how many of train, validation and test
    "01": (40, 16, 8), "02": (48, 8, 8), "03": (16, 8, 16), "04": (16, 8, 8), "05": (8, 4, 4),
    "07": (16, 8, 8),
}
SHORTER = {  # what stands in a cell once, and what stands there instead
    "04": {
        "per_device_train_batch_size=16, seed=0": "per_device_train_batch_size=4, seed=0",
        "share, tokenizer, 16, train=True": "share, tokenizer, 4, train=True",
    },
    "05": {
        'blocks_of(books["read"])': 'blocks_of(books["read"][:4])',
        "for part in (held_out, books[\"held_out\"])]":
            "for part in (held_out, books[\"held_out\"][:3])]",
    },
    "07": {
        "for _ in range(20):": "for _ in range(2):",
        "hundred, base_rate, epochs=12,": "hundred, base_rate, epochs=3,",
    },
}
# Every Python process runs this first, the ones that a notebook starts, too.
PINNED = """
from helpers import checkpoints

checkpoints.CATALOGUE |= eval({entries!r}, vars(checkpoints))
"""
FIRST_CELL = """
from helpers import reviews

_all = reviews.load


def _few(*arguments, **options):
    data = _all(*arguments, **options)
    for split, n in zip(("train", "validation", "test"), {counts}):
        data[split] = data[split].select(range(n))
    return data


reviews.load = _few
"""


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    yield hub_repositories.make(folder / "files", full=True)
    shutil.rmtree(folder)  # a gigabyte


@pytest.fixture(scope="module")
def hub(repositories):
    with LocalHub(repositories) as local:
        yield local


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def full_size(hub, cache, tmp_path, monkeypatch):
    """The settings of a learner who chose the full size, with the local Hub for the real one."""
    entries = repr(hub_repositories.entries(hub.repositories))
    (tmp_path / "sitecustomize.py").write_text(PINNED.format(entries=entries), encoding="utf-8")
    for name, value in {"CHECKPOINT_SIZE": "full", "HF_ENDPOINT": hub.endpoint, "NO_PROXY": "*",
                        "HF_HUB_CACHE": str(cache),
                        "PYTHONPATH": f"{tmp_path}{os.pathsep}{paths.ROOT}"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


def test_the_weights_have_their_real_sizes(repositories):
    sizes = [
        (repository.folder / "model.safetensors").stat().st_size
        for repository in repositories.values()
    ]
    megabytes = [checkpoints.CATALOGUE[name, "full"].megabytes for name in ("bert", "gpt2")]
    # the catalogue counts all files of a model
    assert [size < mb * 1e6 < size + 4e6 for size, mb in zip(sizes, megabytes, strict=True)] == [
        True, True,
    ]


def shortened(path):
    """Return a notebook with few reviews, otherwise as it stands."""
    number = path.name[:2]
    notebook = nbformat.read(path, as_version=4)
    for old, new in SHORTER.get(number, {}).items():
        notebook = replaced(notebook, old, new)
    first = nbformat.v4.new_code_cell(FIRST_CELL.format(counts=REVIEWS[number]))
    notebook.cells.insert(0, first)
    return notebook


@pytest.mark.parametrize("number", REVIEWS)
def test_every_cell_of_a_notebook_runs_in_full_size(number, full_size, hub, cache, tmp_path):
    path = next(p for p in run.chosen() if p.name.startswith(number))
    nbformat.write(shortened(path), tmp_path / path.name)
    names = ["bert", "gpt2"] if number == "05" else ["bert"]
    here = [cache / f"models--{checkpoints.CATALOGUE[n, 'full'].model_id.replace('/', '--')}"
            for n in names]
    complete = all(folder.is_dir() for folder in here)
    hub.log.clear()
    _, seconds, peak, error = run.execute(tmp_path / path.name)
    shutil.rmtree(tmp_path / "runs", ignore_errors=True)  # models of half a gigabyte
    print(f"{path.stem}: {seconds:.0f} s, {peak / 2**30:.1f} GB")
    assert error is None
    if complete:
        assert hub.log == [], "a second notebook asks nothing"
