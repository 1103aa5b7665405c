"""One kind of error for what a learner can put right, and how messages name rows and values."""


class LearnerError(ValueError):
    """Something that the reader can mend: says what is wrong, where, and what to do next.

    In a notebook it shows as that message alone, without the stack of calls that led there.
    """

    def _render_traceback_(self):
        # The hook that IPython asks for before it prints a traceback.
        return [f"{type(self).__name__}: {self}"]


def where(rows):
    """Return row numbers in words: of one its own, of several how many and the first three."""
    if len(rows) == 1:
        return f"row {rows[0]}"
    return f"{len(rows):,} rows ({', '.join(map(str, rows[:3]))}{', …' if len(rows) > 3 else ''})"


def number_of(count, what):
    """Return how many there are of something, such as "1 entity" or "2,300 entities"."""
    more = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{count:,} {what if count == 1 else more}"


def listed(values):
    """Return the first five of several values, as short as a message needs them."""
    values = [short(value) for value in values]
    return ", ".join(values[:5]) + (", …" if len(values) > 5 else "")


def short(value, length=30):
    """Return a value in one line of at most `length` characters."""
    value = " ".join(str(value)[:10_000].split())
    return value if len(value) <= length else value[: length - 1] + "…"
