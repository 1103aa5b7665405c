"""The data set in data/reviews: what its datasheet says of it holds."""

import re
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from transformers import AutoModel

from helpers import paths, training


@pytest.fixture(scope="module")
def rows(data):
    """The rows of all four files, extra.csv too."""
    extra = pd.read_csv(paths.data_file("reviews", "extra.csv")).to_dict("records")
    return [row for part in (*data.values(), extra) for row in part]


def words(text):
    return re.findall(r"[a-z0-9']+", text.lower())


def test_the_splits_are_large_enough(data):
    sizes = {split: len(part) for split, part in data.items()}
    assert sizes["train"] >= 1000
    assert sizes["validation"] >= 200
    assert sizes["test"] >= 400


def test_ids_are_unique(rows):
    assert len({row["id"] for row in rows}) == len(rows)


def test_there_are_eight_domains_or_more_and_both_labels_as_often_in_each(data):
    for split, part in data.items():
        count = Counter(zip(part["domain"][:], part["label"][:], strict=True))
        domains = {domain for domain, _ in count}
        assert len(domains) >= 8
        for domain in domains:
            assert abs(count[domain, 0] - count[domain, 1]) <= 1, (split, domain)


def test_every_phenomenon_occurs_with_both_labels_in_train_and_test(data):
    for split in ("train", "test"):
        part = data[split]
        count = Counter(zip(part["phenomenon"][:], part["label"][:], strict=True))
        names = {name for name, _ in count}
        assert names == {
            "plain", "fact", "negation", "contrast", "comparison", "understatement", "irony",
        }
        for name in names:
            assert 0.3 < count[name, 1] / (count[name, 0] + count[name, 1]) < 0.7, (split, name)


def test_reviews_have_one_to_three_sentences_and_no_stray_spaces(rows):
    for row in rows:
        assert 2 <= len(row["text"].split()) <= 60, row["id"]
        assert row["text"] == " ".join(row["text"].split()), row["id"]


def test_no_review_occurs_twice_or_nearly_so(rows):
    # Two reviews are near duplicates if they share more than half of their distinct words.
    counter = CountVectorizer(analyzer=lambda row: words(row["text"]), binary=True)
    present = counter.fit_transform(rows).astype("float32")
    sizes = np.asarray(present.sum(1)).ravel()
    shared = (present @ present.T).toarray()
    jaccard = shared / (sizes[:, None] + sizes[None, :] - shared)
    np.fill_diagonal(jaccard, 0)
    i, j = np.unravel_index(jaccard.argmax(), jaccard.shape)
    assert jaccard[i, j] <= 0.5, (rows[i]["text"], rows[j]["text"])


def test_no_phrase_gives_a_label_away(rows):
    # No run of two to four words may stand in many reviews of one label only.
    for n in (2, 3, 4):
        seen = defaultdict(Counter)
        for row in rows:
            tokens = words(row["text"])
            for gram in set(zip(*(tokens[k:] for k in range(n)), strict=False)):
                seen[gram][row["label"]] += 1
        for gram, count in seen.items():
            total = sum(count.values())
            purity = max(count.values()) / total
            assert total < 0.012 * len(rows) or purity < 0.9, (" ".join(gram), dict(count))


def test_openings_are_varied(rows):
    openings = Counter(tuple(words(row["text"])[:3]) for row in rows)
    opening, times = openings.most_common(1)[0]
    assert times <= 0.01 * len(rows), opening


def test_the_baselines_stand_in_the_order_that_the_datasheet_gives(data, checkpoint, tokenizer):
    # Texts of similar length beside each other are embedded in half the time.
    train, test = (sorted(data[split], key=lambda row: len(row["text"]))
                   for split in ("train", "test"))
    texts = [[row["text"] for row in part] for part in (train, test)]
    labels = [[row["label"] for row in part] for part in (train, test)]
    bag = make_pipeline(CountVectorizer(), LogisticRegression(max_iter=1000))
    counted = bag.fit(texts[0], labels[0]).score(texts[1], labels[1])
    encoder = AutoModel.from_pretrained(checkpoint.path, dtype=torch.float32)
    vectors = [training.embed(encoder, tokenizer, part) for part in texts]
    frozen = LogisticRegression(C=10, max_iter=1000).fit(vectors[0], labels[0])
    assert 0.65 <= counted <= 0.84
    assert counted < frozen.score(vectors[1], labels[1])
