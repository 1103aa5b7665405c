"""The texts to learn from: the reviews that ship, your own CSV, or a data set on the Hub.

Whatever the source, the result is a `DatasetDict` with the splits train, validation and test and
the columns id, text, label (0 negative, 1 positive), domain and phenomenon. It is held in memory:
nothing is written to a cache.
"""

import csv
import difflib
from pathlib import Path

from helpers import paths
from helpers.errors import LearnerError

LABELS = ("negative", "positive")
SPLITS = ("train", "validation", "test")
MAX_WORDS = 20_000
_OPTIONAL = ("id", "domain", "phenomenon")


def load(path=None, *, text="text", label="label", seed=0):
    """Return the reviews as a `DatasetDict` of train, validation and test.

    Without a path: the reviews in `data/reviews`. With the path of a CSV file: your own texts,
    split 70 : 10 : 20 with the labels in equal shares, from the columns `text` and `label`.

    Raises LearnerError for anything in the file that would train a wrong model (`read_csv`).
    """
    from datasets import DatasetDict

    if path is None:
        return DatasetDict(
            {
                split: _dataset(_read_rows(paths.data_file("reviews", f"{split}.csv")))
                for split in SPLITS
            }
        )
    return _split(read_csv(path, text=text, label=label), seed)


def read_csv(path, *, text="text", label="label"):
    """Return one CSV file as a `Dataset`, after looking at every row.

    The separator may be a comma, a semicolon or a tab. Rows are counted as a spreadsheet does:
    the header is row 1.

    Raises LearnerError if the file is missing, empty or not UTF-8, lacks a column, holds a label
    other than 0 and 1, a text that is empty, a bare number or longer than 20,000 words, or only
    one class.
    """
    return _dataset(_read_rows(Path(path), text=text, label=label))


def from_hub(name, *, revision, text="text", label="label", splits=SPLITS):
    """Return a data set of the Hub with the same columns and checks as a CSV file.

    `revision` pins the commit, so that the same words give the same data next year. `splits`
    names the Hub's splits for train, validation and test.
    """
    from datasets import DatasetDict, load_dataset

    try:
        raw = load_dataset(name, revision=revision)
    # The client raises errors of several libraries; the learner needs the first line of any.
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise LearnerError(
            f"The data set {name!r} could not be loaded: {reason} "
            "The reviews that ship need no network: reviews.load()."
        ) from error
    result = {}
    for ours, theirs in zip(SPLITS, splits, strict=True):
        if theirs not in raw:
            raise LearnerError(f"{name} has no split {theirs!r}, only: {', '.join(raw)}.")
        _require_columns(name, raw[theirs].column_names, (text, label))
        rows = [
            {"text": t, "label": str(y)}
            for t, y in zip(raw[theirs][text][:], raw[theirs][label][:], strict=True)
        ]
        result[ours] = _dataset(_checked(f"{name}, {theirs}", rows, first_row=0))
    return DatasetDict(result)


def _dataset(rows):
    from datasets import ClassLabel, Dataset, Features, Value, disable_progress_bars

    disable_progress_bars()  # everything is in memory and takes under a second

    features = Features(
        {
            "id": Value("string"),
            "text": Value("string"),
            "label": ClassLabel(names=list(LABELS)),
            "domain": Value("string"),
            "phenomenon": Value("string"),
        }
    )
    return Dataset.from_list(rows, features=features)


def _split(dataset, seed):
    from datasets import DatasetDict

    smallest = min(dataset["label"][:].count(0), dataset["label"][:].count(1))
    if smallest < 10:
        raise LearnerError(
            f"Only {smallest} of the {len(dataset)} texts are in the smaller class. "
            "At least 10 of each are needed to train, choose and test."
        )
    options = {"stratify_by_column": "label", "seed": seed}
    rest = dataset.train_test_split(test_size=0.2, **options)
    parts = rest["train"].train_test_split(test_size=0.125, **options)
    return DatasetDict(train=parts["train"], validation=parts["test"], test=rest["test"])


def _read_rows(path, text="text", label="label"):
    """Read and check one CSV file; return its rows as dictionaries with our five columns."""
    content = _read_text(path)
    if not content.strip():
        raise LearnerError(f"{path.name} is empty. It needs a header and a row for each text.")
    header_line = content.splitlines()[0]
    separator = max(",;\t", key=header_line.count)
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(content.splitlines(keepends=True), delimiter=separator)
    header = [name.strip() for name in next(reader)]
    _require_columns(path.name, header, (text, label))
    rows = []
    for number, cells in enumerate(reader, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            advice = (
                f"Put quotation marks around a text that holds the separator {separator!r}."
                if len(cells) > len(header)
                else "Is a label missing, or a quotation mark left open?"
            )
            raise LearnerError(
                f"{path.name}, row {number}: {len(cells)} fields, but the header has "
                f"{len(header)}. {advice}"
            )
        row = dict(zip(header, cells, strict=True))
        optional = {name: row[name] for name in _OPTIONAL if name in row}
        rows.append({**optional, "text": row[text], "label": row[label], "row": number})
    return _checked(path.name, rows)


def _read_text(path):
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        where = path if path.is_absolute() else f"{path} (looked for in {Path.cwd()})"
        raise LearnerError(f"There is no file {where}. Check the name and the folder.") from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise LearnerError(
            f"{path.name}, line {line}: not UTF-8 text. Save it again with the encoding UTF-8 "
            "(in a spreadsheet: 'CSV UTF-8')."
        ) from None
    except OSError as error:
        raise LearnerError(f"{path.name} cannot be read: {error.strerror}.") from error


def _require_columns(name, columns, wanted):
    for column in wanted:
        if column in columns:
            continue
        close = difflib.get_close_matches(column, columns, n=1, cutoff=0.5)
        option = "text" if column == wanted[0] else "label"
        advice = (
            f"Did you mean {option}={close[0]!r}?"
            if close
            else f"Name the right one with {option}=…"
        )
        raise LearnerError(
            f"{name} has no column {column!r}, only: {', '.join(columns)}. {advice}"
        )


def _checked(name, rows, first_row=2):
    """Return rows with our five columns, or raise LearnerError at the first that is wrong."""
    checked = []
    for number, row in enumerate(rows, start=first_row):
        where = f"{name}, row {row.get('row', number)}"
        checked.append(
            {
                "id": row.get("id", str(number)),
                "text": _checked_text(where, row["text"]),
                "label": _checked_label(where, row["label"]),
                "domain": row.get("domain", "yours"),
                "phenomenon": row.get("phenomenon", "unknown"),
            }
        )
    if not checked:
        raise LearnerError(f"{name} has a header but no rows. Add a row for each text.")
    classes = {row["label"] for row in checked}
    if len(classes) == 1:
        raise LearnerError(
            f"{name}: every label is {classes.pop()}. A classifier needs texts of both classes."
        )
    return checked


def _checked_text(where, text):
    if not isinstance(text, str) or not text.strip():
        raise LearnerError(f"{where}: the text is empty. Delete the row or fill it in.")
    try:
        float(text)
    except ValueError:
        pass
    else:
        raise LearnerError(
            f"{where}: the text is the number {text.strip()}. Is the right column named?"
        )
    words = len(text.split())
    if words > MAX_WORDS:
        raise LearnerError(
            f"{where}: a text of {words:,} words, of which BERT would read the first 500 at "
            "most. Is a quotation mark left open? If it really is one text, cut it into "
            "parts with a label each."
        )
    return text


def _checked_label(where, label):
    label = label.strip()
    if label not in ("0", "1"):
        raise LearnerError(
            f"{where}: label {label!r} is neither 0 nor 1. Write 0 for negative and 1 for "
            "positive in every row."
        )
    return int(label)
