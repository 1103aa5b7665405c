"""A model's answers as a table: the columns of each task, what they count, how well they score."""

import csv
import functools

from helpers import classes, columns, labels, quantities, rows, tables
from helpers.tasks import Number

FIXED = ("id", "text", "text_pair", "label", "labels", "probability")  # columns of another meaning


def column(task):
    """Return the column that has the answer itself."""
    return {"class": "label", "labels": "labels", "number": _columns(task)[0]}[task.kind]


def table(task, found, texts):
    """Return a DataFrame of texts, {column: texts}, and answers, (texts, outputs); nan for none.

    Of classes it has the columns label, probability and one for each class, of several labels
    the column labels and one for each, of a number only that.
    """
    import pandas as pd

    each = pd.DataFrame(found.double().numpy().round(6), columns=_columns(task))
    none = each.isna().all(axis=1)
    made = pd.DataFrame(texts)
    if task.kind == "class":
        best = found.nan_to_num(-1).argmax(-1).tolist()
        made["label"] = pd.Series([task.names[i] for i in best], dtype=object)
        made["probability"] = each.max(axis=1)
    elif task.kind == "labels":
        given = task.predicted(found.numpy())
        made["labels"] = pd.Series([";".join(task.names[i] for i in row.nonzero()[0])
                                    for row in given], dtype=object)
    if task.kind != "number":
        made[column(task)] = made[column(task)].where(~none, None)
    return made.join(each)


def _columns(task):
    """Return a column's name for each class: its own, unless something is called so already."""
    taken, found = set(FIXED), []
    what = "number" if isinstance(task, Number) else "class"
    for number, name in enumerate(task.names):
        choices = (name, f"{what} {name}", f"{what} {number}: {name}")
        found.append(next((c for c in choices if c.casefold() not in taken), choices[-1]))
        taken.add(found[-1].casefold())
    return found


def counted(task, made):
    """Return in words how often each class or label is in a table, or between what numbers lie."""
    if task.kind == "number":
        numbers = made[column(task)].dropna()
        return f"{numbers.min():.4g} to {numbers.max():.4g}" if len(numbers) else "none"
    found = made[column(task)].dropna()
    if task.kind == "labels":
        found = found.str.split(";").explode().replace("", "none")
    counts = found.value_counts()
    each = ", ".join(f"{tables.short(label)} {k:,}" for label, k in counts[:8].items())
    more = f" and {len(counts) - 8} more classes" if len(counts) > 8 else ""
    return each + more


def line(task, row):
    """Return a row of a table in one line, "" where there is no answer."""
    answer = row[column(task)]
    if answer is None or answer != answer:  # noqa: PLR0124  nan is not itself
        return ""
    if task.kind == "class":
        return f"{answer}\t{row['probability']:.6f}"
    return answer if task.kind == "labels" else f"{answer:.6g}"


def given(source, label, header=True):
    """Return the labels that the rows of a table have, read as for a training.

    `label` names a column, or several with commas between them. Raises LearnerError if it names
    none.
    """
    column = columns.named(source.name, source.cells, header, "label", label)
    return list(rows.labels_of(source.name, source.cells, (), column, None))


def scores(task, written, made):
    """Return lines on how well the answers of a table match the labels that the file has."""
    pairs = [(known, place) for place, known in enumerate(_known(task, written))
             if known is not None and made[column(task)].notna().iloc[place]]
    if not pairs:
        return [f"No label of the file is one of the model's ({tables.listed(task.names)}), so "
                "there is nothing to score."]
    known, places = map(list, zip(*pairs, strict=True))
    answers = made[_columns(task)].to_numpy()[places]
    found = task.scores(answers, task.targets(known), known)
    left = len(written) - len(pairs)
    return [
        *([f"Not scored: {left:,} rows without a text, or with a label that is no class of the "
           "model."] if left else []),
        *found.headlines(), str(found), *found.warnings(),
    ]


def _known(task, written):
    """Return the labels as the task has them, None for what is none of its own."""
    if task.kind == "number":
        return quantities.read(written)[0]
    numbers = {classes.key(name): number for number, name in enumerate(task.names)}
    if task.kind == "class":
        return [numbers.get(classes.key(label)) for label in written]
    separator = labels.separator(written)
    return [None if label == "" else [numbers[classes.key(one)]
                                      for one in labels.parted(label, separator)
                                      if classes.key(one) in numbers] for label in written]


def _delimited(table, path, separator=","):
    """Write UTF-8 with every text quoted, for it may hold any kind of line end."""
    table.to_csv(path, sep=separator, index=False, encoding="utf-8", lineterminator="\n",
                 quoting=csv.QUOTE_NONNUMERIC)


def _workbook(table, path):
    """Write a workbook in which a text that begins with = is a text, and no formula."""
    import pandas as pd
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    def allowed(cell):
        return ILLEGAL_CHARACTERS_RE.sub(" ", cell) if isinstance(cell, str) else cell

    table = table.map(allowed).rename(columns=allowed)
    with pd.ExcelWriter(path, engine="openpyxl") as writer:
        table.to_excel(writer, index=False)
        for row in writer.book.active.iter_rows():
            for cell in row:
                if cell.data_type == "f":
                    cell.data_type = "s"


WRITERS = {
    ".csv": _delimited, ".tsv": functools.partial(_delimited, separator="\t"),
    ".jsonl": lambda table, path: table.to_json(path, orient="records", lines=True,
                                                force_ascii=False),
    ".parquet": lambda table, path: table.to_parquet(path, index=False), ".xlsx": _workbook,
}
