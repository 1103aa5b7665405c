"""What exercises return, in whatever form: made plain, compared and written out."""

import math
from numbers import Real

LONG = 20  # results of more numbers are not written out


def plain(value):
    """Return tensors, arrays and tuples as lists, and their numbers as Python's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (list, tuple, range)):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return None if value is ... else value


def same(wanted, got, tolerance):
    """Say whether two plain values or errors agree, numbers within a relative tolerance."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        wanted, got = list(wanted.items()), list(got.items())
    if isinstance(wanted, (list, tuple)) and isinstance(got, (list, tuple)):
        return len(wanted) == len(got) and all(map(same, wanted, got, [tolerance] * len(got)))
    if isinstance(got, list) and len(got) == 1:  # a tensor that holds one number
        got = got[0]
    if isinstance(wanted, Real) and isinstance(got, Real):
        both_nan = math.isnan(wanted) and math.isnan(got)
        return both_nan or math.isclose(wanted, got, rel_tol=tolerance, abs_tol=1e-6)
    if isinstance(wanted, Exception):
        return repr(wanted) == repr(got)
    return wanted == got


def shape(value):
    """Return the shape of a plain value, as far as all of its rows share one."""
    if not isinstance(value, list):
        return ()
    inner = {shape(part) for part in value}
    return (len(value), *(inner.pop() if len(inner) == 1 else ()))


def leaves(value):
    """Return all that is in nested lists, in order."""
    if not isinstance(value, list):
        return [value]
    return [leaf for part in value for leaf in leaves(part)]


def text(value, digits=3):
    """Write a plain value with that many digits, or say the shape of a long one."""
    if isinstance(value, list):
        if len(leaves(value)) > LONG:
            return f"numbers of shape {shape(value)}"
        return f"[{', '.join(text(part, digits) for part in value)}]"
    if isinstance(value, Real) and value == value // 1:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def difference(wanted, got, tolerance):
    """Write "it is …; yours is …", of long results the first numbers that differ."""
    it, pair = "it", (wanted, got)
    if len(leaves(wanted)) > LONG:
        pairs = zip(leaves(wanted), leaves(got), strict=True)
        it, pair = "the first number that differs", next(
            pair for pair in pairs if not same(*pair, tolerance))
    for digits in range(3, 18):  # as few as tell them apart
        right, yours = (text(value, digits) for value in pair)
        if right != yours:
            break
    return f"{it} is {right}; yours is {yours}."
