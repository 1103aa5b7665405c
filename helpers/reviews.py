"""The reviews in `data/reviews`, which the notebooks learn from."""

from helpers import paths, tasks, texts
from helpers.errors import LearnerError

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

    Fewer, where a class does not have as many. Raises LearnerError if a class would be empty.
    """
    mixed = train.shuffle(seed=seed, keep_in_memory=True)
    classes = range(train.features["label"].num_classes)
    by_class = [[i for i, label in enumerate(mixed["label"][:]) if label == c] for c in classes]
    each = count // len(classes)
    empty = [train.features["label"].names[c] for c in classes if not (each and by_class[c])]
    if empty:
        raise LearnerError(
            f"{count} labels drawn from {len(train)} reviews leave no review of the class "
            f"{' or '.join(empty)}. Ask for {len(classes)} or more, from reviews of every class."
        )
    return mixed.select(sorted(i for rows in by_class for i in rows[:each]))
