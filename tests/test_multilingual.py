"""A checkpoint of many languages, from a Hub on this machine: its pieces, and a model made of it.

The checkpoint is a stand-in: it has the name and the revision of the one in notebook 12, a
vocabulary that knows the words of these texts, and a tiny BERT.
"""

import os
import re
import subprocess
import sys

import hub_repositories
import nbformat
import pandas as pd
import pytest
from hub import LocalHub
from hub_api import Repository

from helpers import paths
from tools import run

NAME = "google-bert/bert-base-multilingual-cased"
GOOD = ("Oda temiz ve sessizdi", "Kargo hızlı geldi", "Yemekler çok lezzetliydi")
BAD = ("Oda kirli ve gürültülüydü", "Kargo çok geç geldi", "Yemekler soğuk geldi")
TEXTS = [(f"{a}. {b}.", label) for label, said in (("iyi", GOOD), ("kötü", BAD))
         for a in said for b in said]
SETUP = """
from types import SimpleNamespace

from transformers import AutoTokenizer

checkpoint = SimpleNamespace(size="full")
sentences = {"Turkish": "Oda temiz ve sessizdi."}
"""


@pytest.fixture(scope="module")
def cell():
    """The cell of notebook 12 that loads the tokenizer of the multilingual checkpoint."""
    notebook = nbformat.read(*run.chosen(["12"]), as_version=4)
    found, = (c.source for c in notebook.cells
              if c.cell_type == "code" and "bert-base-multilingual-cased" in c.source)
    return found


@pytest.fixture(scope="module")
def hub(cell, tmp_path_factory):
    folder = tmp_path_factory.mktemp("multilingual")
    words = sorted(set(re.findall(r"\w+|\.", " ".join(text for text, _ in TEXTS))))
    hub_repositories.cased_bert(folder, words)
    revision = re.search(r'"revision": "([0-9a-f]{40})"', cell)[1]
    with LocalHub({NAME: Repository(revision, folder)}) as local:
        yield local


def python(hub, home, *arguments):
    """Run Python in a process of its own, for the client reads its settings when it is imported.

    Returns what it printed.
    """
    settings = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0",
                "NO_PROXY": "*"}
    done = subprocess.run([sys.executable, *map(str, arguments)], text=True, cwd=paths.ROOT,
                          env=os.environ | settings, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_cell_of_the_notebook_shows_its_words_at_full_size(hub, cell, tmp_path):
    assert python(hub, tmp_path, "-c", SETUP + cell) == "Turkish  Oda temiz ve sessizdi .\n"
    assert python(hub, tmp_path, "-c", SETUP.replace("full", "small") + cell) == ""


def test_its_name_is_all_that_changes_and_the_report_has_nothing_to_say_of_the_language(
    hub, tmp_path
):
    pd.DataFrame(TEXTS, columns=["text", "label"]).to_csv(tmp_path / "mine.csv", index=False)
    said = python(hub, tmp_path, "-m", "helpers.finetune", "--model", NAME, "--data",
                  tmp_path / "mine.csv", "--output", tmp_path / "model", "--epochs", "1",
                  "--precision", "fp32")
    said = " ".join(said.split())  # lines are wrapped
    assert "unknown tokens 0.0%" in said
    assert "Pieces a word 1.00" in said
    assert "Try one that has" not in said
    (tmp_path / "new.csv").write_text("text\nOda temiz ve sessizdi.\n", encoding="utf-8")
    python(hub, tmp_path, "-m", "helpers.predict", "--model", tmp_path / "model", "--data",
           tmp_path / "new.csv", "--output", tmp_path / "answers.csv")
    assert pd.read_csv(tmp_path / "answers.csv")["label"].isin(["iyi", "kötü"]).all()
