"""The cell of notebook 09 that trains a cased checkpoint at full size, with one from a local Hub.

The checkpoint is a stand-in: it has the name and the revision of the one in the notebook, a
vocabulary of letters and some words with capitals, and a tiny BERT.
"""

import re
import string

import hub_repositories
import nbformat
import pytest
from hub import LocalHub
from hub_api import Repository
from test_multilingual import python

from tools import run

SETUP = """
from types import SimpleNamespace

from helpers import checkpoints
from helpers.entities import data

checkpoints.find = lambda name: SimpleNamespace(path="", size={size!r})
every = data.load()
data.load = lambda: {{"train": every["train"][:16], "test": every["test"][:8]}}
epochs, batch_size, learning_rate, head_rate = 1, 8, 1e-3, 1
"""
LINES = ("sentences = data.load()", "types = ", "tag_names = ", "checkpoint = ", "tested = ")


@pytest.fixture(scope="module")
def source():
    """The notebook's imports, the few lines that the cell needs, its new_model, and the cell."""
    cells = [c.source for c in nbformat.read(*run.chosen(["09"]), as_version=4).cells
             if c.cell_type == "code"]
    imports = cells[1].partition("checkpoints.quiet()")[0]
    lines = [line for cell in cells for line in cell.splitlines() if line.startswith(LINES)]
    model, = (cell for cell in cells if "def new_model(" in cell)
    last, = (cell for cell in cells if "bert-base-cased" in cell)
    return "\n".join([imports, *lines, model, last])


@pytest.fixture(scope="module")
def hub(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cased")
    letters = [prefix + c for prefix in ("", "##") for c in string.ascii_letters + string.digits]
    hub_repositories.cased_bert(folder, [*letters, *string.punctuation])
    name, revision = re.search(r'CASED, REVISION = "(\S+)", "([0-9a-f]{40})"', source).groups()
    with LocalHub({name: Repository(revision, folder)}) as local:
        yield local


def test_at_full_size_the_cell_trains_a_cased_checkpoint_and_prints_its_f1(hub, source, tmp_path):
    said = python(hub, tmp_path, "-c", SETUP.format(size="full") + source)
    assert re.fullmatch(r"test cased 0\.\d\d\n", said)


def test_with_the_small_checkpoints_it_asks_nothing_of_the_hub(hub, source, tmp_path):
    hub.log.clear()
    assert python(hub, tmp_path, "-c", SETUP.format(size="small") + source) == ""
    assert hub.log == []
