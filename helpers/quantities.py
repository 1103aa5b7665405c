"""Numbers as people write them: 4.5, "4,5", "12 %", "€ 3", "1,200 km"."""

import math
import re

_WRITTEN = re.compile(r"\s*(?P<before>[^\d\s+.,-]{0,3})\s*(?P<number>[+-]?(?:\d[\d.,]*|[.,]\d+))"
                      r"(?P<exponent>e[+-]?\d+)?\s*(?P<after>[^\d+.,-]{0,20}?)\s*", re.IGNORECASE)
_GROUPS = {",": re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?"),
           ".": re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?")}


def read(values):
    """Return values as floats, None for each that is none, and why: a list of the same length.

    Reasons are "" where a number was read, "no number", "another unit" than most have, or "4.5
    or 4,500?" where a comma may part thousands or decimals, and no other value tells which.
    """
    found = [_WRITTEN.fullmatch(str(value)) if not isinstance(value, float) else None
             for value in values]
    units = [" ".join(filter(None, (match["before"], match["after"]))).casefold()
             if match else None for match in found]
    usual = max({*units} - {None, ""}, key=units.count, default="")
    comma = _comma([match["number"] for match in found if match])
    numbers, reasons = [], []
    for value, match, unit in zip(values, found, units, strict=True):
        number, reason = None, "no number"
        if isinstance(value, int | float):
            number = float(value)
        elif match and unit not in ("", usual):
            reason = "another unit"
        elif match:
            number = _float(match["number"], comma)
            if number is None:
                reason = "thousands or decimals?" if "," in match["number"] else "no number"
            elif match["exponent"]:
                number *= 10.0 ** int(match["exponent"][1:])
        finite = number is not None and math.isfinite(number)
        numbers.append(number if finite else None)
        reasons.append("" if finite else reason)
    return numbers, reasons


def _comma(numbers):
    """Return what a comma parts: "decimals", "thousands", or None where nothing tells."""
    for number in numbers:
        if "," not in number:
            continue
        if "." in number:
            return "decimals" if number.rindex(",") > number.rindex(".") else "thousands"
        if number.count(",") > 1:
            return "thousands"
        if not _GROUPS[","].fullmatch(number):
            return "decimals"
    if any("." in number for number in numbers):
        return "thousands"
    return None


def _float(number, comma):
    """Return a written number as a float, None if it cannot be read or its comma is in doubt."""
    if "," in number:
        if comma is None or (comma == "thousands" and not _GROUPS[","].fullmatch(number)):
            return None
        if comma == "thousands":
            number = number.replace(",", "")
        else:
            whole = number.rpartition(",")[0]
            if "." in whole and not _GROUPS["."].fullmatch(number):
                return None
            number = number.replace(".", "").replace(",", ".")
    elif comma == "decimals" and _GROUPS["."].fullmatch(number):
        number = number.replace(".", "")
    try:
        return float(number)
    except ValueError:
        return None
