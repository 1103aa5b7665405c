"""The reviews in `data/reviews`, which the notebooks learn from."""

from helpers import paths, tasks, texts

LABELS = ("negative", "positive")
SPLITS = texts.SPLITS


def load():
    """Return the reviews as `texts.Texts` with the splits train, validation and test.

    The columns are id, text, label (0 negative, 1 positive), domain (what the review is about)
    and phenomenon (what carries its verdict). Texts of your own: `texts.load`.

    Raises LearnerError if the files are not there.
    """
    data = texts.load({split: paths.data_file("reviews", f"{split}.csv") for split in SPLITS})
    return texts.Texts({split: texts.dataset(part.to_pandas(), tasks.Classes(LABELS))
                        for split, part in data.items()}, data.notes)


def drawn(train, count, seed):
    """Return `count` of the training reviews, as many of each class, drawn by a seed.

    Fewer, where a class does not have as many.
    """
    mixed = train.shuffle(seed=seed, keep_in_memory=True)
    classes = range(train.features["label"].num_classes)
    by_class = [[i for i, label in enumerate(mixed["label"][:]) if label == c] for c in classes]
    each = count // len(classes)
    return mixed.select(sorted(i for rows in by_class for i in rows[:each]))
