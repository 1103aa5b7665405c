"""Exercises of notebook 12: copies across splits, what errors cost, two kinds of F1, windows."""

from helpers.checks import Exercise


def _folded(text):
    return " ".join(text.split()).casefold()


def _found(train, test, fold):
    known = set(map(fold, train))
    return sum(fold(text) in known for text in test) / len(test)


def _leaked(train, test):
    return _found(train, test, _folded)


def _different(train, test):
    known, asked = ({*map(_folded, texts)} for texts in (train, test))
    return len(known & asked) / len(asked)


def _f1(right, missed, alarms):
    return 2 * right / (2 * right + missed + alarms)


def _micro(*counts):
    return _f1(*map(sum, counts))


def _macro(*counts, weights=None):
    each = [_f1(*of_label) for of_label in zip(*counts, strict=True)]
    weights = weights or [1] * len(each)
    return sum(w * f1 for w, f1 in zip(weights, each, strict=True)) / sum(weights)


def _macro_of_means(right, missed, alarms):
    """F1 of the mean precision and the mean recall, which is another number."""
    n = len(right)
    precision = sum(r / (r + a) for r, a in zip(right, alarms, strict=True)) / n
    recall = sum(r / (r + m) for r, m in zip(right, missed, strict=True)) / n
    return 2 * precision * recall / (precision + recall)


def _starts(tokens, length, overlap):
    return list(range(0, max(1, tokens - overlap), length - overlap))


EXERCISES = {
    "12.1": Exercise(
        _leaked,
        cases=[(["Late again.", "Thank you!", "Broken."],
                ["late  again.", "Fine.", "Broken.", "broken."]),
               (["a b", "c"], ["c", "C ", "d", "a  b"]), (["x"], ["y"]),
               (["One two", "three"], ["ONE TWO"])],
        wrong={
            "Capitals and spaces still tell copies apart. Compare \" \".join(text.split()) in "
            "small letters.": lambda train, test: _found(train, test, str),
            "Two spaces, or one at the end, still tell copies apart: \" \".join(text.split()).":
                lambda train, test: _found(train, test, str.casefold),
            "Capitals still tell copies apart: compare in small letters.":
                lambda train, test: _found(train, test, lambda text: " ".join(text.split())),
            "That is the share of the training texts. Ask it of the test texts.":
                lambda train, test: _leaked(test, train),
            "A test text that stands there twice counts twice: do not make a set of them.":
                _different,
            "That is how many. Divide by the number of test texts.":
                lambda train, test: round(_leaked(train, test) * len(test)),
        },
        praise="Ask this of any split that somebody hands you.",
        advice="How many of the test texts are in train, folded in the same way, divided by all "
               "test texts.",
    ),
    "12.2": Exercise(
        lambda missed, alarm: alarm / (alarm + missed),
        cases=[(20, 1), (1, 1), (3, 2), (1, 4)],
        wrong={
            "The other way round: the dearer a miss is, the lower the threshold.":
                lambda missed, alarm: missed / (alarm + missed),
            "Nearly. At p, a miss costs p · missed, but an alarm only (1 - p) · alarm.":
                lambda missed, alarm: alarm / missed,
            "One half is right only where both cost the same.": lambda missed, alarm: 0.5,
        },
        praise="It takes probabilities that can be believed, so train without class weights.",
        advice="Silence costs p · missed, raising the alarm costs (1 - p) · alarm. Where are both "
               "equal?",
    ),
    "12.3": Exercise(
        lambda right, missed, alarms: [_micro(right, missed, alarms),
                                       _macro(right, missed, alarms)],
        cases=[([8, 1], [2, 3], [0, 4]), ([5, 5, 1], [1, 2, 4], [0, 3, 1]),
               ([10, 1], [0, 9], [0, 0])],
        wrong={
            "The other way round: micro first, then macro.":
                lambda *counts: [_macro(*counts), _micro(*counts)],
            "Both are the mean of the labels' F1. For micro, add up the counts first.":
                lambda *counts: [_macro(*counts)] * 2,
            "Both are from the counts added up. For macro, take the F1 of each label and then "
            "their mean.": lambda *counts: [_micro(*counts)] * 2,
            "Your macro F1 weighs a label by its texts. Each counts the same.":
                lambda right, missed, alarms: [_micro(right, missed, alarms), _macro(
                    right, missed, alarms,
                    weights=[r + m for r, m in zip(right, missed, strict=True)])],
            "Macro F1 is the mean of the labels' F1, not the F1 of mean precision and recall.":
                lambda *counts: [_micro(*counts), _macro_of_means(*counts)],
        },
        praise="Micro follows the frequent labels, macro shows the rare ones.",
        advice="F1 is 2 · right / (2 · right + missed + alarms).",
    ),
    "12.4": Exercise(
        _starts,
        cases=[(10, 4, 1), (9, 4, 2), (3, 4, 1), (8, 4, 0), (7, 3, 1), (230, 62, 32)],
        wrong={
            "Your last window has nothing that the one before has not. Stop as soon as one "
            "reaches the end.": lambda tokens, length, overlap:
                list(range(0, tokens, length - overlap)),
            "They do not overlap. The next begins `overlap` tokens before the end of one.":
                lambda tokens, length, overlap: list(range(0, tokens, length)),
            "The end of the text is not read. The last window may be shorter.":
                lambda tokens, length, overlap:
                    list(range(0, max(1, tokens - length + 1), length - overlap)),
            "From one start to the next it is `length - overlap`, not `overlap`.":
                lambda tokens, length, overlap:
                    list(range(0, max(1, tokens - overlap), overlap or length)),
        },
        praise="That is how the tokenizer cuts, with return_overflowing_tokens.",
        advice="Begin at 0, go on by length - overlap, and stop when a window reaches the end.",
    ),
}
