"""Let a fine-tuned model classify texts, from the command line or a notebook.

python -m helpers.predict --model my-model --data new.csv --output answers.csv

reads a file with a column of texts and writes one with a row for each: the id, the text, the
class and the probabilities. Without --data it answers to what you type, one text at a time, or to
each line that comes through a pipe.
"""

import argparse
import contextlib
import csv
import functools
import math
import os
import sys
from pathlib import Path

from helpers import (
    checkpoints,
    classes,
    classifiers,
    command,
    markup,
    paths,
    tables,
    texts,
    training,
)
from helpers.errors import LearnerError

FIXED = ("id", "text", "label", "probability")  # the first columns of what is written
OTHER_PROBLEMS = {"multi_label_classification": "any number of labels", "regression": "a number"}
BAR, MOST_BARS = 30, 10  # the width of a bar, and how many a terminal shows
SHEET_ROWS = 1_048_576  # that a workbook's sheet has, its header among them
EPILOG = """output:
  .csv .tsv .jsonl .parquet .xlsx, by its ending. A row stands there for each row of --data, in
  the same order: id (from a column of that name, else the row's number), text, label,
  probability (of that label), and the probability of each class. A text that is empty gets no
  label. The text stands there as in --data, also where HTML was taken out for the model; where
  the model was trained with --clean, that is done without being asked for.
"""


def predictions(model, texts, *, max_length=None, batch_size=32, clean=False, progress=False):
    """Return a DataFrame with a row for each text: text, label, probability, and every class's.

    `model` is a folder, a name on the Hub, or what `load` returned, which saves loading it again.
    An empty text has no label and no probabilities. `max_length` is the number of tokens at which
    texts are cut; without it, they are cut where the model ends. HTML is taken out of what the
    model reads with `clean`, and always where `helpers.finetune` trained it with --clean.

    Raises LearnerError for a model that cannot be loaded or is no classifier.
    """
    pair = load(model) if isinstance(model, str | os.PathLike) else model
    return _classified(*pair, list(texts), max_length, batch_size, clean, progress)[0]


def load(asked):
    """Return the model and tokenizer of a folder or a name on the Hub, ready to predict.

    Raises LearnerError if they cannot be loaded, or the model is none that tells classes apart.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    checkpoints.quiet()
    place = _place(asked)
    with classifiers.loading(asked, "a folder that helpers.finetune made, or a text classifier's "
                                    "name on the Hub"):
        model, report = AutoModelForSequenceClassification.from_pretrained(
            place, dtype=torch.float32, output_loading_info=True, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    _check(asked, model, tokenizer, report["missing_keys"])
    # GPT-2 looks for the last token of a text: the one before the padding.
    pad = getattr(model.config, "pad_token_id", None)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = (tokenizer.eos_token if pad is None
                               else tokenizer.convert_ids_to_tokens(pad))
    if pad is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    tokenizer.padding_side = "right"
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer


def _place(asked):
    """Return what `from_pretrained` takes: an existing folder, else a name on the Hub."""
    folder = Path(asked).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise LearnerError(f"{folder} holds no finished model: it has no config.json. --model "
                               "is the folder that was --output of helpers.finetune.")
        return folder
    if asked in checkpoints.NAMES:
        raise LearnerError(f"{asked} has not learned to tell classes apart yet. Fine-tune it: "
                           f"python -m helpers.finetune --model {asked} --data FILE --output DIR")
    if folder.exists():
        raise LearnerError(f"{folder} is a file. --model is the folder that it lies in.")
    name = str(asked)
    looks_like_a_path = name.startswith((".", "~")) or folder.is_absolute()
    if looks_like_a_path or name.count("/") != 1 or folder.parent.is_dir():
        where = "" if folder.is_absolute() else f" (looked for in {Path.cwd()})"
        raise LearnerError(f"There is no folder {asked}{where}. --model is the folder that was "
                           "--output of helpers.finetune, or owner/name on the Hub.")
    return name


def _check(asked, model, tokenizer, missing):
    """Raise LearnerError for a model whose answers would be worth nothing, or are no classes."""
    body = [key for key in missing if key.startswith(f"{model.base_model_prefix}.")]
    if body:
        raise LearnerError(f"The weights of {asked} are not whole: {len(missing)} tensors are "
                           f"missing, such as {body[0]}. Fetch or train it again.")
    if missing:
        raise LearnerError(
            f"{asked} is a pretrained model without a head for classes; a new one would answer by "
            f"chance. Fine-tune it: python -m helpers.finetune --model {asked} --data FILE …")
    config = model.config
    if config.num_labels < 2 or config.problem_type in OTHER_PROBLEMS:
        raise LearnerError(f"{asked} does not give a text one of several classes, but "
                           f"{OTHER_PROBLEMS.get(config.problem_type, 'a number')}, which this "
                           "command cannot write.")
    known = getattr(config, "vocab_size", len(tokenizer))
    if not known / 2 <= len(tokenizer) <= known:
        raise LearnerError(
            f"The tokenizer of {asked} knows {len(tokenizer):,} tokens, its model {known:,}: the "
            "tokenizer's files are missing, or another model's. Save both together.")


def _classified(model, tokenizer, texts, max_length, batch_size, clean, progress):
    """Return the DataFrame of `predictions`, and the number of texts that were cut."""
    import pandas as pd
    import torch
    from tqdm.auto import tqdm

    # A half of a surrogate pair, as JSON may hold it, is no character that a tokenizer takes.
    texts = ["" if text is None else str(text).encode("utf-8", "replace").decode()
             for text in texts]
    shown = texts
    if clean or getattr(model.config, "cleaned_texts", False):
        texts = [markup.cleaned(text) for text in texts]
    most = training.most_tokens(model, tokenizer, max_length)
    names = [str(model.config.id2label[i]) for i in range(model.config.num_labels)]
    found = torch.full((len(texts), len(names)), math.nan)
    rows = [i for i, text in enumerate(texts) if text.strip()]
    sizes = {}
    with tqdm(total=len(rows), unit="text", disable=not progress) as bar:
        for start in range(0, len(rows), 1000):
            part = rows[start : start + 1000]
            ids = tokenizer([texts[i] for i in part], truncation=True, max_length=most + 1)
            sizes |= dict(zip(part, map(len, ids["input_ids"]), strict=True))
        rows.sort(key=sizes.__getitem__, reverse=True)  # little padding; what takes most, first
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            with command.enough_memory(batch_size, most):
                found[part] = training.predict(model, tokenizer, [texts[i] for i in part],
                                               batch_size, most)
            bar.update(len(part))
    if rows and not found[rows].isfinite().all():
        raise LearnerError("The model answers with numbers that are none (nan). Its training has "
                           "diverged, or its weights are damaged: train it again.")
    probabilities = pd.DataFrame(found.double().numpy().round(6), columns=_columns(names))
    labels = [None if share.isnan() else names[i] for share, i in zip(*found.max(-1), strict=True)]
    table = pd.DataFrame({"text": shown, "label": pd.Series(labels, dtype=object),
                          "probability": probabilities.max(axis=1)})
    return table.join(probabilities), sum(size > most for size in sizes.values())


def _columns(names):
    """Return a column's name for each class: its own, unless something is called so already."""
    taken, columns = set(FIXED), []
    for number, name in enumerate(names):
        choices = (name, f"class {name}", f"class {number}: {name}")
        columns.append(next((c for c in choices if c.casefold() not in taken), choices[-1]))
        taken.add(columns[-1].casefold())
    return columns


# A file.


def predict_file(options, *, progress=True):
    """Write the predictions for a file as the command line says; return lines to be said.

    Raises LearnerError for a file that cannot be read, a place that would be overwritten or
    cannot be written, and what `load` refuses.
    """
    output = check_output(options.output, options.data, options.overwrite)
    source = tables.read(options.data, "the table", options.header, options.encoding)
    name, ids, read, notes = texts.unlabelled(source, options.data, options.text, options.header)
    if output.suffix.lower() == ".xlsx" and len(read) >= SHEET_ROWS:
        raise LearnerError(f"{name} has {len(read):,} rows, a sheet only {SHEET_ROWS:,}. Choose "
                           "an --output that ends in .csv.")
    for note in notes:
        print(command.said(note))
    labels = _labels(source, options.label) if options.label else None
    model, tokenizer = load(options.model)
    most = training.most_tokens(model, tokenizer, options.max_length)
    if options.max_length and most < options.max_length:
        raise LearnerError(f"--max-length {options.max_length}: {options.model} reads {most} "
                           "tokens at most.")
    table, cut = _classified(model, tokenizer, read, options.max_length, options.batch_size,
                             options.clean, progress)
    table.insert(0, "id", ids)
    with paths.replacing(output) as temporary:
        WRITERS[output.suffix.lower()](table, temporary)
    return [*_counted(table, cut, most, output),
            *(_scores(labels, table["label"], model.config) if labels else [])]


def _counted(table, cut, most, output):
    """Return lines on what was written: empty texts, texts that were cut, rows of each class."""
    n, lines = len(table), []
    if blank := int(table["label"].isna().sum()):
        lines.append(f"{blank:,} of {n:,} texts are empty: they get no label.")
    if cut:
        lines.append(f"{cut:,} of {n:,} texts are longer than {most} tokens: only their beginning "
                     "was read.")
    counts = table["label"].value_counts()
    each = ", ".join(f"{tables.short(label)} {k:,}" for label, k in counts[:8].items())
    more = f" and {len(counts) - 8} more classes" if len(counts) > 8 else ""
    return [*lines, f"{n:,} rows ({each}{more}); saved in {output}"]


def check_output(output, data, overwrite=False):
    """Return where the predictions go, as a path, before anything is loaded.

    Raises LearnerError if something is there that would be lost, or nothing can be written.
    """
    place, source = Path(output).expanduser().absolute(), Path(data).expanduser()
    if place.suffix.lower() not in WRITERS:
        raise LearnerError(f"--output {tables.short(output, 80)}: give it one of these endings: "
                           f"{', '.join(WRITERS)}")
    with command.writable(output, place):  # better now than after predicting
        if place.is_dir():
            raise LearnerError(f"{output} is a folder. --output is a file in it.")
        if place.exists() and source.exists() and place.samefile(source):
            raise LearnerError(f"{output} is the file of the texts itself. It is kept: choose "
                               "another --output.")
        if place.exists() and not overwrite:
            raise LearnerError(f"{output} is there already. It is kept: choose another --output, "
                               "or replace it with --overwrite.")
    return place


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


def _labels(source, label):
    """Return the labels of the rows of a table, as they are written there."""
    cells = source.cells
    same = [column for column in cells if column == label]
    if len(same) != 1:
        raise LearnerError(f"{source.name} has {len(same) or 'no'} column {label!r}, only: "
                           f"{tables.listed(cells)}. Name the right one with --label, or leave it "
                           "out if there are no labels.")
    return ["" if value is None else str(value).strip() for value in cells[label]]


def _scores(labels, predicted, config):
    """Return lines on how well predictions match the labels that the file has."""
    from helpers import scores

    names = [str(config.id2label[i]) for i in range(config.num_labels)]
    numbers = {classes.key(name): number for number, name in enumerate(names)}
    pairs = [(numbers[classes.key(label)], names.index(answer))
             for label, answer in zip(labels, predicted, strict=True)
             if answer and classes.key(label) in numbers]
    if not pairs:
        return [f"No label of the file is a class of the model ({tables.listed(names)}), so there "
                "is nothing to score."]
    found = scores.scores(*map(list, zip(*pairs, strict=True)), names)
    left = len(labels) - len(pairs)
    low, high = found.interval
    return [
        *([f"Not scored: {left:,} rows without a text, or with a label that is no class of the "
           "model."] if left else []),
        f"accuracy {found.accuracy:.3f} (95 %: {low:.2f} to {high:.2f}, n = {found.n})",
        str(found), *found.warnings(),
    ]


# A terminal, and a pipe.


def converse(pair, ask=input, **options):
    """Answer to one text after the other with the classes as bars, until an empty one or Ctrl-D.

    `ask` asks for a text; `options` are those of `predictions`.
    """
    full = "█" if "█".encode(sys.stdout.encoding or "ascii", "ignore") else "#"
    while True:
        try:
            text = ask("Your text: ")
        except EOFError:
            print()
            return
        if not text.strip():
            return
        row = predictions(pair, [text], **options).iloc[0, len(FIXED) - 1 :]
        width = max(len(tables.short(name)) for name in row.index)
        order = sorted(row.items(), key=lambda item: -item[1])
        for name, share in order[:MOST_BARS]:
            print(f"{tables.short(name):<{width}}  {share:.3f}  {full * round(BAR * share)}")
        if len(order) > MOST_BARS:
            print(f"and {len(order) - MOST_BARS} more classes")


def answer_lines(pair, lines, **options):
    """Print a line for each line, at once: its class, a tab, its probability.

    For an empty line, an empty one.
    """
    for line in lines:
        row = predictions(pair, [line.removeprefix("\ufeff")], **options).iloc[0]
        print(f"{row['label']}\t{row['probability']:.6f}" if row["label"] else "", flush=True)


def main(arguments=None):
    """Run the command line; returns the exit status."""
    command.prepare_console()
    reader = parser()
    options = reader.parse_args(arguments)
    if (options.data is None) != (options.output is None):
        reader.error("--data and --output go together; without both, texts are typed in")
    reading = {name: getattr(options, name) for name in ("max_length", "batch_size", "clean")}
    try:
        if options.data is not None:
            print(*predict_file(options), sep="\n")
        elif sys.stdin is None:
            reader.error("there is nobody to ask for texts: name a file with --data and --output")
        elif sys.stdin.isatty():
            with contextlib.suppress(ImportError):  # Windows has these keys without it
                import readline  # noqa: F401

            converse(load(options.model), **reading)
        else:
            if hasattr(sys.stdin, "reconfigure"):
                sys.stdin.reconfigure(encoding="utf-8", errors="replace")
            answer_lines(load(options.model), sys.stdin, **reading)
    except LearnerError as error:
        print(command.said(str(error)), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped." + (" Nothing was written." if options.data else ""), file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever reads the answers has enough of them
        return command.pipe_closed()
    return 0


def parser():
    """Return what reads the command line."""
    found = argparse.ArgumentParser(
        prog="python -m helpers.predict", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = found.add_argument
    add("--model", required=True, metavar="DIR", help="the --output of helpers.finetune, another "
        "folder with a text classifier, or the name of one on the Hub")
    command.file_options(found, data="a table with a column of texts", label="a column with the "
                         "right labels: the answers are compared with it")
    add("--output", metavar="FILE", help="where the answers go, a new file; see below")
    add("--max-length", type=command.at_least(3), metavar="N",
        help="tokens after which a text is cut (default: as the model was trained)")
    add("--batch-size", type=command.at_least(1), default=32, metavar="N",
        help="texts at once (default: %(default)s)")
    add("--overwrite", action="store_true", help="replace the file --output if it is there")
    return found


if __name__ == "__main__":
    sys.exit(main())
