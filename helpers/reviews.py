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
