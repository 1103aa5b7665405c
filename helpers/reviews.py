"""The reviews in `data/reviews`, which the notebooks learn from."""

from helpers import paths, texts

LABELS = texts.LABELS
SPLITS = texts.SPLITS


def load():
    """Return the reviews as a `DatasetDict` with the splits train, validation and test.

    The columns are id, text, label (0 negative, 1 positive), domain (what the review is about)
    and phenomenon (what carries its verdict). Texts of your own: `texts.load`.

    Raises LearnerError if the files are not there.
    """
    return texts.load(
        {split: paths.data_file("reviews", f"{split}.csv") for split in SPLITS}
    )


def drawn(train, count, seed):
    """Return `count` of the training reviews, as many of each class, drawn by a seed.

    Fewer, where a class does not have as many.
    """
    mixed = train.shuffle(seed=seed, keep_in_memory=True)
    by_class = [[i for i, label in enumerate(mixed["label"][:]) if label == c]
                for c in range(len(LABELS))]
    each = count // len(LABELS)
    return mixed.select(sorted(i for rows in by_class for i in rows[:each]))
