"""Columns that belong together: two texts of a pair, and labels that have a column each."""

import itertools
import re

from helpers import tables
from helpers.errors import LearnerError

# Two columns that are read together: the names of the first and of the second.
_PAIRS = [("premise", "hypothesis"), ("question", "answer"), ("question", "sentence"),
          ("question", "passage"), ("query", "passage"), ("query", "document"),
          ("query", "title"), ("text", "text pair"), ("context", "response"),
          ("claim", "evidence"), ("first", "second"), ("left", "right")]
# How a column is written that says of each text whether it has a label.
NO_YES = [{"0": 0, "1": 1}, {"0.0": 0, "1.0": 1}, {"false": 0, "true": 1}, {"no": 0, "yes": 1}]


def plain(name):
    """Return a column's name in small letters and words: "Airline_Sentiment" as two."""
    words = re.sub(r"(?<=[a-zß-ÿ])(?=[A-Z])", " ", str(name))
    return " ".join(re.sub(r"[\W_]+", " ", words).casefold().split())


def pair(name, texts):
    """Return the two of some columns of texts that are read together, or None.

    Raises LearnerError if it may be one pair or another.
    """
    found = [both for both in itertools.combinations(texts, 2) if _is_pair(*map(plain, both))]
    if len(found) > 1:
        first, second = found[0]
        raise LearnerError(f"{name} looks like pairs of texts, but which columns are one? Say "
                           f"text={tables.short(f'{first},{second}', 60)!r}, or one column.")
    if not found:
        return None
    first, second = found[0]
    wrong_way = (plain(second), plain(first)) in _PAIRS
    return (second, first) if wrong_way else (first, second)


def _is_pair(*names):
    bare = {re.sub(r"^\d |^(?:first|second) | ?(?:\d|\b[ab])$", "", words) for words in names}
    return (len(bare) == 1 and bare != {""}) or names in _PAIRS or names[::-1] in _PAIRS


def several_labels(cells, binary, fitting):
    """Return the columns that say yes or no to a label each, or None.

    `binary` are those with two values, `fitting` all that can be labels. There have to be three
    or more, or two and no other, all with the same two values, such as 0 and 1.
    """
    alike = {}
    for column in binary:
        written = cells[column].dropna().astype(str).unique()
        values = frozenset(value.strip().casefold() for value in written) - {""}
        if any(values <= set(kind) for kind in NO_YES):
            alike.setdefault(values, []).append(column)
    most = max(alike.values(), key=len, default=[])
    return tuple(most) if len(most) >= 3 or 1 < len(most) == len(fitting) else None
