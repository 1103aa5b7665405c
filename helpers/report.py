"""What is to be known about texts before a model is trained on them."""

import math
import random
import re
import textwrap
from collections import Counter
from dataclasses import dataclass, field

from helpers import batching, markup, tables, tasks
from helpers.errors import LearnerError

SAMPLE = 3_000  # texts whose tokens are counted in a large data set,
SAMPLED_CHARACTERS = 3_000_000  # or fewer, where they are long
LONGEST = 512  # tokens that BERT reads at most
WIDTH, LINES, CLASSES = 99, 25, 8
MULTILINGUAL = "google-bert/bert-base-multilingual-cased or intfloat/multilingual-e5-small"
# Measured with BERT's and GPT-2's small tokenizers: 1.06 and 1.16 pieces a word in this project's
# reviews, 1.55 and 1.83 in sentences of clinical and technical English, 2.02 and 2.72 in German
# ones, 2.8 and 3.8 in Turkish, 4 and 9 in Arabic and Russian, which BERT's cuts into letters.
# Unknown to BERT's: 0.02 % of the reviews' tokens, 2 % with an emoji in each second one, 7 % in
# Korean, 71 % in Chinese.
MANY_PIECES, MANY_UNKNOWN = 1.95, 0.05
# An accuracy of 0.9 on 140 texts has an interval of 0.05 to either side.
WIDE = 0.05
_HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # written without spaces
_WORD = re.compile(rf"[{_HAN}]|[^\W{_HAN}]+|[^\w\s]")


@dataclass(repr=False)
class Report:
    """What `report` found out; `print` shows it, `draw` draws it in a notebook."""

    kind: str  # the task: "class", "labels" or "number"
    sizes: dict  # {split: texts}
    counts: dict  # {split: {class: texts}}; of labels too, of a number by ranges
    majority: str  # the largest class of the training texts
    baseline: float  # the share of test texts that are right if it is always the answer
    always: str  # in a line, what the simplest of all answers gets right
    copies: int  # texts that are there before
    shared: int  # different texts that stand in several splits
    contradicting: int  # different texts that have several labels
    lengths: list  # tokens of each text, or of a sample
    sampled: bool
    longest: int
    max_length: int
    keep: str  # what is read of a text that is longer: one of batching.KEEP
    cut: float  # the share of texts with more tokens than that
    enough: int | None  # a length that cuts none; None if that is more than the model reads
    limit: int  # tokens that the model reads at most
    pieces_per_word: float
    single_letters: float  # the share of pieces that are one letter
    unknown: float  # the share of unknown tokens
    html: float  # the share of texts with tags or entities
    links: float
    giveaways: dict  # {class: a word that is in all of its texts and in no other}
    margin: float  # of a test accuracy of 0.9: half of its 95 % interval
    notes: list = field(default_factory=list)  # what was left out or changed, and why

    def __str__(self):
        return "\n".join(self.lines())

    __repr__ = __str__  # as a notebook shows it

    def draw(self):
        """Draw the classes by split, and the lengths with the cut."""
        from helpers.plots.report import data_report

        data_report(self)

    @property
    def texts(self):
        """The number of texts of all splits."""
        return sum(self.sizes.values())

    @property
    def warnings(self):
        """Return a sentence or two on each thing that may train a wrong model."""
        said = [*self._on_classes(), *self._on_copies(), *self._on_lengths(),
                *self._on_words()]
        if self.margin > WIDE and self.kind == "class":
            n = self.sizes.get("test", 0)
            said.append(f"With {n} test texts, an accuracy of 0.90 is known to about "
                        f"±{self.margin:.2f} only.")
        if self.html > 0.05:
            said.append(f"HTML stands in {self.html:.0%} of the texts; clean=True takes it out.")
        return said

    def _on_classes(self):
        if self.kind == "number":
            return
        train = self.counts["train"]
        share = train[self.majority] / self.sizes["train"]
        rare = min(train, key=train.get)
        short = tables.short
        if self.kind == "labels":
            pass
        elif share > 2 / 3:
            yield (f"{share:.0%} of the training texts are {short(self.majority)!r}. A model that "
                   f"always says so has a test accuracy of {self.baseline:.2f}: look at recall "
                   "and F1 of each class too. Class weights help the rare ones.")
        elif train[self.majority] >= 10 * train[rare]:
            yield (f"The classes have from {train[rare]} ({short(rare)!r}) to "
                   f"{train[self.majority]:,} training texts. Look at recall and F1 of each.")
        if train[rare] < 10:
            few = [short(c) for c, n in train.items() if n < 10]
            yield (f"Fewer than ten training texts: {tables.listed(few)}. A "
                   f"{'label' if self.kind == 'labels' else 'class'} needs some dozens to be "
                   "learnt.")
        for c, word in self.giveaways.items():
            yield (f"{short(word)!r} stands in all texts of {short(c)!r} and in no others. Does "
                   "it give the answer away?")

    def _on_copies(self):
        if self.shared:
            yield (f"{self.shared:,} texts stand in several splits, so the test accuracy will be "
                   "too high. texts.load keeps copies together.")
        if self.contradicting:
            yield f"{self.contradicting:,} texts are there with different labels."

    def _on_lengths(self):
        if self.cut < 0.01:
            return
        cut = f"{self.cut:.0%} of the texts are cut after {self.max_length} tokens"
        if self.keep == "windows":
            yield (f"{self.cut:.0%} of the texts have more than {self.max_length} tokens and are "
                   "read in windows, whose answers are averaged.")
            return
        lost = {"head": "what comes later", "tail": "what comes before the end",
                "ends": "what is in the middle"}[self.keep]
        if self.keep != "head":
            cut = f"{self.cut:.0%} of the texts have more than {self.max_length} tokens"
        others = ("keep='tail' or keep='windows' reads" if self.keep == "head" else
                  "keep='windows' reads") + " the end, too."
        if self.enough:
            yield (f"{cut}, and {lost} is not read. max_length={self.enough} cuts none, but takes "
                   f"more time and memory; {others}")
            return
        over = sum(length > self.limit for length in self.lengths) / len(self.lengths)
        over = f"{over:.0%}" if over >= 0.01 else "some"
        more = (f"max_length={self.limit}, the most that the model reads, still cuts {over}"
                if self.max_length < self.limit else "the model cannot read more")
        yield f"{cut}, and {lost} is not read; {more}. Does the end matter? {others}"

    def _on_words(self):
        try_ = (f"Try one that has, such as {MULTILINGUAL}; a bag of words (texts.baseline) "
                "needs none.")
        if self.unknown > MANY_UNKNOWN:
            yield (f"{self.unknown:.0%} of the tokens are unknown to the tokenizer, so the model "
                   f"does not see them. It has not read this script or language. {try_}")
        elif self.pieces_per_word > MANY_PIECES:
            into = ("single letters" if self.single_letters > 0.6 else
                    f"{self.pieces_per_word:.1f} pieces on average")
            yield (f"Words are cut into {into}, English ones into about 1.1 pieces: the "
                   f"checkpoint has hardly read this language or script. {try_}")

    def lines(self):
        """Return the report as at most 25 lines of at most 99 characters."""
        head = [*self._table(), *self._figures()]
        warnings = [line for warning in self.warnings for line in textwrap.wrap(
            f"Look at: {warning}", WIDTH, subsequent_indent="  ", break_on_hyphens=False)]
        room = LINES - len(head)
        if len(warnings) > room:
            warnings = [*warnings[: room - 1], "  … and more"]
        room -= len(warnings)
        notes = [tables.short(note, WIDTH) for note in self.notes]
        if len(notes) > room:
            notes = [*notes[: room - 1], f"… {len(notes) - room + 1} more notes"] if room else []
        return [*head, *notes, *warnings]

    def _table(self):
        train = self.counts["train"]
        shown = list(train)
        if len(shown) > CLASSES:
            largest = sorted(train, key=train.get, reverse=True)[: CLASSES - 1]
            shown = [c for c in train if c in largest]
        names = {c: tables.short(c) for c in shown}
        width = max(16, *(len(name) + 4 for name in names.values()))
        what = {"class": f"{len(train)} classes", "labels": f"{len(train)} labels",
                "number": "a number"}[self.kind]
        yield f"{self.texts:,} texts, {what}".ljust(width) + "".join(
            f"{split:>18}" for split in self.counts)
        totals = self.sizes
        yield "  all".ljust(width) + "".join(f"{n:>11,}       " for n in totals.values()).rstrip()
        for c in shown:
            yield f"  {names[c]}".ljust(width) + "".join(
                f"{counts.get(c, 0):>11,} ({counts.get(c, 0) / max(1, totals[split]):4.0%})"
                for split, counts in self.counts.items())
        others = [n for c, n in train.items() if c not in names]
        if others:
            yield (f"  … and {len(others)} more classes, with {min(others):,} to {max(others):,} "
                   "training texts each")

    def _figures(self):
        ordered = sorted(self.lengths)
        middle, most = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.95))
        n = round(self.cut * self.texts)
        yield self.always
        where = f" (of a sample of {len(self.lengths):,} texts)" if self.sampled else ""
        yield f"Tokens a text{where}: median {middle}, 95% at most {most}, longest {self.longest}."
        about = "about " if self.sampled and n else ""
        enough = (f"{self.enough} cuts none." if self.enough else
                  f"Even {self.limit} cuts some.") if self.cut else ""
        yield (f"Cut at {self.max_length} tokens: {about}{n:,} texts ({self.cut:.1%}). "
               f"{enough}").rstrip()
        yield (f"Pieces a word {self.pieces_per_word:.2f}; unknown tokens {self.unknown:.1%}; "
               f"with HTML {self.html:.0%}, with links {self.links:.0%} of the texts.")
        if self.copies:
            yield f"Copies of another text: {self.copies:,}."


def report(data, tokenizer, max_length=128, keep="head", limit=None):
    """Return a `Report` on a `DatasetDict` with the columns text and label.

    `max_length` is the number of tokens at which the training is going to cut, `keep` what it
    reads of longer texts, as in `batching.tokenize`, `limit` what the model reads at most; without
    it, that is the tokenizer's. Copies and contradictions are counted in all texts, tokens in a
    sample if there are more than 3,000.

    Raises LearnerError if the training texts or the columns are missing.
    """
    for split in ("train", *data):
        if split not in data or not {"text", "label"} <= set(data[split].column_names):
            raise LearnerError(f"A report needs the split train, and the columns text and label "
                               f"in each; {split} does not have them. See texts.load.")
    given, data = data, {split: part.with_format(None) for split, part in data.items()}
    texts = {split: _texts(part) for split, part in data.items()}
    labels = {split: part["label"][:] for split, part in data.items()}
    task, labels = _task(data, labels)
    counts = {split: task.counts(found) for split, found in labels.items()}
    majority = max(counts["train"], key=counts["train"].get)
    tested = "test" if labels.get("test") else "train"
    everything = [(text, label) for split in data
                  for text, label in zip(texts[split], labels[split], strict=True)]
    only = [text for text, _ in everything]
    rows, sampled = _drawn(only)
    lengths, pieces_per_word, single, unknown = _counted([only[i] for i in rows], tokenizer)
    longest = max(lengths)
    if sampled:
        giants = sorted(range(len(only)), key=lambda i: _characters(only[i]))[-3:]
        longest = max(longest, *_tokens([only[i] for i in giants], tokenizer)[0])
    limit = min(LONGEST, limit or tokenizer.model_max_length)
    enough = math.ceil(longest / 8) * 8
    return Report(
        kind=task.kind, sizes={split: len(found) for split, found in labels.items()},
        counts=counts, majority=majority,
        baseline=counts[tested][majority] / len(labels[tested]),
        always=task.always(labels["train"], labels[tested]),
        **_copies(texts, labels if task.kind != "number" else None), lengths=lengths,
        sampled=sampled, longest=longest,
        max_length=max_length, keep=keep, cut=sum(n > max_length for n in lengths) / len(lengths),
        enough=enough if enough <= limit else None, limit=limit, pieces_per_word=pieces_per_word,
        single_letters=single, unknown=unknown,
        html=sum(any(map(markup.has_html, _sides(text))) for text in only) / len(only),
        links=sum(any(map(markup.has_link, _sides(text))) for text in only) / len(only),
        giveaways=_giveaways([everything[i] for i in rows], task.names)
        if task.kind == "class" else {}, margin=_margin(len(labels[tested])),
        notes=list(getattr(given, "notes", [])),
    )


def _texts(part):
    """Return the texts of a split, pairs as tuples."""
    if "text_pair" not in part.column_names:
        return part["text"][:]
    return list(zip(part["text"][:], part["text_pair"][:], strict=True))


def _sides(text):
    return (text,) if isinstance(text, str) else text


def _task(data, labels):
    """Return the task, and the labels as it has them: those that are none yet become classes."""
    try:
        return tasks.of_data(data), labels
    except LearnerError:
        names = sorted({str(label) for found in labels.values() for label in found})
        return tasks.Classes(tuple(names)), {
            split: [names.index(str(label)) for label in found] for split, found in labels.items()}


def _drawn(texts):
    """Return the numbers of the texts whose tokens are counted, and whether they are a sample."""
    mean = sum(map(_characters, texts)) / len(texts)
    most = max(100, min(SAMPLE, int(SAMPLED_CHARACTERS / max(1, mean))))
    if len(texts) <= most:
        return range(len(texts)), False
    return random.Random(0).sample(range(len(texts)), most), True


def _characters(text):
    return sum(map(len, _sides(text)))


def _tokens(texts, tokenizer):
    """Return how many tokens each text has, and how often each token is there."""
    lengths, seen = [], Counter()
    for start in range(0, len(texts), 100):
        sides = map(list, zip(*map(_sides, texts[start : start + 100]), strict=True))
        batch = tokenizer(*batching.sides(tokenizer, *sides), truncation=False, padding=False,
                          return_attention_mask=False, verbose=False)["input_ids"]
        lengths += map(len, batch)
        for ids in batch:
            seen.update(ids)
    return lengths, seen


def _counted(texts, tokenizer):
    """Return the texts' lengths, pieces a word, and the shares of single letters and unknowns."""
    lengths, seen = _tokens(texts, tokenizer)
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    seen = {token: n for token, n in seen.items() if token not in special}
    pieces = max(1, sum(seen.values()))
    words = max(1, sum(len(_WORD.findall(side)) for text in texts for side in _sides(text)))
    written = tokenizer.convert_ids_to_tokens(list(seen))
    single = sum(n for piece, n in zip(written, seen.values(), strict=True)
                 if len(piece.removeprefix("##").lstrip("Ġ▁")) <= 1)
    return lengths, pieces / words, single / pieces, seen.get(tokenizer.unk_token_id, 0) / pieces


def _copies(texts, labels):
    """Count texts that are there before, in several splits, and with several labels."""
    splits, found, copies = {}, {}, 0
    for split in texts:
        known = texts[split] if labels is None else labels[split]  # numbers contradict nothing
        for text, label in zip(texts[split], known, strict=True):
            same, label = hash(tuple(map(markup.folded, _sides(text)))), str(label)
            copies += same in splits
            splits.setdefault(same, set()).add(split)
            found.setdefault(same, set()).add(label if labels else None)
    return {"copies": copies, "shared": sum(len(found) > 1 for found in splits.values()),
            "contradicting": sum(len(labels) > 1 for labels in found.values())}


def _giveaways(rows, names):
    """Return {class: word} where a word is in every text of one class and in no other text.

    Only for classes of twenty different texts or more, with as many of the others.
    """
    words = {}
    for text, label in rows:
        words.setdefault(label, {})[markup.folded(" ".join(_sides(text)))] = None
    words = {label: [set(text.split()) for text in found] for label, found in words.items()}
    found = {}
    for label, own in words.items():
        others = [of_text for other, texts in words.items() if other != label
                  for of_text in texts]
        if len(own) >= 20 and len(others) >= 20:
            always = set.intersection(*own).difference(*others)
            if always:
                found[names[label]] = min(always)
    return found


def _margin(n):
    """Return half of the 95 % interval of an accuracy of 0.9 on `n` texts."""
    from helpers.training import interval

    low, high = interval(round(0.9 * n), n)
    return (high - low) / 2
