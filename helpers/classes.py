"""From labels as people write them to classes: which are the same, and their order."""

import numbers
import re
import unicodedata

# Scales that everybody knows, from the low end to the high one.
SCALES = [scale.split(", ") for scale in (
    "extremely negative, very negative, negative, somewhat negative, neutral, somewhat positive, "
    "positive, very positive, extremely positive",
    "negative, mixed, positive",
    "neg, neu, pos",
    "very low, low, medium, high, very high",
    "low, moderate, high, critical",
    "small, medium, large",
    "easy, medium, hard",
    "no, maybe, yes",
    "n, y",
    "-, +",
    "false, true",
    "terrible, bad, ok, good, excellent",
    "very bad, bad, neutral, good, very good",
    "very unsatisfied, unsatisfied, neutral, satisfied, very satisfied",
    "very dissatisfied, dissatisfied, neutral, satisfied, very satisfied",
    "strongly disagree, disagree, neutral, agree, strongly agree",
    "never, rarely, sometimes, often, always",
    "one, two, three, four, five",
    "negativ, neutral, positiv",
    "nein, vielleicht, ja",
    "schlecht, mittel, gut",
    "niedrig, mittel, hoch",
    "negativo, neutral, positivo",
    "negativo, neutro, positivo",
    "no, sí",
    "malo, regular, bueno",
    "bajo, medio, alto",
    "négatif, neutre, positif",
    "non, oui",
    "mauvais, moyen, bon",
    "olumsuz, nötr, olumlu",
)]
_WHOLE = re.compile(r"([+-]?\d+)\.0*")
_UNSEEN = "\u200b\u200e\u200f\u2060\ufeff\xad "  # signs of no width that copying leaves
_NUMBER = re.compile(r"(?:(?<!\w)[+-])?\d+(?:[.,]\d+)?")


def written(value):
    """Return a label as a class is called: "1" for 1, 1.0 and "1.0", "True" for True."""
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return str(int(value))
    if isinstance(value, numbers.Real) and float(value).is_integer() and (
            not isinstance(value, bool)):
        return str(int(value))
    value = " ".join(str(value).split()).strip(_UNSEEN)
    whole = _WHOLE.fullmatch(value)
    return whole[1] if whole else value


def key(value):
    """Return what labels of one class have in common."""
    return unicodedata.normalize("NFKC", written(value)).casefold()


def merged(counts):
    """Return {label: class} for {label: how often it is there}.

    Labels that differ only in capitals, spaces or a ".0" are one class, spelled as most often.
    """
    spellings = {}
    for value, count in counts.items():
        name = written(value)
        spelled = spellings.setdefault(key(value), {})
        spelled[name] = spelled.get(name, 0) + count
    names = {same: min(spelled, key=lambda name: (-spelled[name], name))
             for same, spelled in spellings.items()}
    return {value: names[key(value)] for value in counts}


def ordered(names):
    """Return classes in the order of their numbers, of a scale that everybody knows, or by letter.

    "4 stars" comes after "1 star".
    """
    names = sorted(names, key=lambda name: (name.casefold(), name))
    numbered = [_NUMBER.search(name) for name in names]
    if all(numbered) and len({_without_number(name) for name in names}) == 1:
        return sorted(names, key=lambda name: float(_NUMBER.search(name)[0].replace(",", ".")))
    plain = [" ".join(re.split(r"[\s_-]+", name.casefold())).strip() or name for name in names]
    for scale in SCALES:
        if set(plain) <= set(scale):
            return [name for _, name in sorted(zip(map(scale.index, plain), names, strict=True))]
    return names


def as_number(name):
    """Return the number that a class is, or None."""
    if not _NUMBER.fullmatch(name):
        return None
    return float(name.replace(",", "."))


def _without_number(name):
    return re.sub(r"s$", "", _NUMBER.sub("#", name, count=1).casefold().strip())
