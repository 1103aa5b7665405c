"""What several tests share: the bundled model and a few tokenized reviews."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.pop("CHECKPOINT_SIZE", None)

import pytest
import torch
import transformers

from helpers import batching, checkpoints, reviews, training

transformers.logging.set_verbosity_error()


@pytest.fixture(scope="session")
def checkpoint():
    return checkpoints.find("bert")


@pytest.fixture(scope="session")
def tokenizer(checkpoint):
    return transformers.AutoTokenizer.from_pretrained(checkpoint.path)


@pytest.fixture(scope="session")
def data():
    return reviews.load()


@pytest.fixture(scope="session")
def encoded(data, tokenizer):
    return batching.tokenize(data["train"].select(range(96)), tokenizer)


@pytest.fixture
def new_model(checkpoint):
    """A function that builds the classifier as notebook 03 does."""

    def build(seed=0):
        transformers.set_seed(seed)
        return transformers.AutoModelForSequenceClassification.from_pretrained(
            checkpoint.path, num_labels=2, dtype=torch.float32, **training.NO_DROPOUT
        )

    return build


@pytest.fixture(scope="session")
def tiny(tokenizer, tmp_path_factory):
    """A folder with a BERT of three narrow layers, for runs that have nothing to learn."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny") / "model"
    training.save(transformers.BertForSequenceClassification(transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=32, initializer_range=0.5)), tokenizer, folder)
    return folder


def csv_of(rows, folder):
    """Write texts and labels into a file as a learner brings it; return its path."""
    file = folder / "mine.csv"
    rows.to_pandas()[["text", "label"]].to_csv(file, index=False)
    return file
