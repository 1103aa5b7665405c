"""Notebooks 01 to 05 and 07 run with the full-size checkpoints, downloaded from a local Hub.

Every cell is executed as it stands, in a copy of the notebook that is made shorter in two ways:
a first cell keeps only a few of the reviews, and where a cell itself takes a fixed number of
them, the number is replaced. The models have their real sizes; their weights are random, so that
no result is compared, only that every cell does what it should.
"""

import shutil

import hub_repositories
import nbformat
import pytest
from hub import LocalHub
from test_faults import replaced

from helpers import checkpoints
from tools import run

pytestmark = pytest.mark.slow

REVIEWS = {  # how many of train, validation and test
    "01": (40, 16, 8), "02": (48, 8, 8), "03": (16, 8, 16), "04": (16, 8, 8), "05": (8, 4, 4),
    "07": (16, 8, 8),
}
SHORTER = {  # what stands in a cell once, and what stands there instead
    "02": {"step = len(batches) // 10": "step = len(batches) // 3"},
    "04": {
        'share = encoded["train"].select(range(480))': 'share = encoded["train"]',
        # as many steps, with a sixteenth of the reviews in each
        'reviews.load()["train"].select(range(128))': 'reviews.load()["train"].select(range(8))',
        "num_train_epochs=2, per_device_train_batch_size=16,":
            "num_train_epochs=2, per_device_train_batch_size=1,",
    },
    "05": {
        'train_dataset=encoded["train"].select(range(300))':
            'train_dataset=encoded["train"]',
        '"runs/gpt2", num_train_epochs=3,': '"runs/gpt2", num_train_epochs=1,',
        'few, tested = data["train"].select(range(300))': 'few, tested = data["train"]',
    },
    "07": {
        'encoded["train"].select(range(100)), base_rate, epochs=12,':
            'encoded["train"].select(range(8)), base_rate, epochs=3,',
        'few = encoded["train"].select(range(200))': 'few = encoded["train"].select(range(8))',
    },
}
FIRST_CELL = """
from helpers import checkpoints, reviews

checkpoints.CATALOGUE |= eval({entries!r}, vars(checkpoints))

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
def full_size(hub, cache, monkeypatch):
    """The settings of a learner who chose the full size, with the local Hub for the real one."""
    for name, value in {"CHECKPOINT_SIZE": "full", "HF_ENDPOINT": hub.endpoint, "NO_PROXY": "*",
                        "HF_HUB_CACHE": str(cache)}.items():
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


def shortened(path, repositories):
    """Return a notebook with few reviews and these files' checksums, otherwise as it stands."""
    number = path.name[:2]
    notebook = nbformat.read(path, as_version=4)
    for old, new in SHORTER.get(number, {}).items():
        notebook = replaced(notebook, old, new)
    first = FIRST_CELL.format(
        counts=REVIEWS[number], entries=repr(hub_repositories.entries(repositories))
    )
    notebook.cells.insert(0, nbformat.v4.new_code_cell(first))
    return notebook


@pytest.mark.parametrize("number", REVIEWS)
def test_every_cell_of_a_notebook_runs_in_full_size(number, full_size, hub, cache, tmp_path):
    path = next(p for p in run.chosen() if p.name.startswith(number))
    nbformat.write(shortened(path, hub.repositories), tmp_path / path.name)
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
