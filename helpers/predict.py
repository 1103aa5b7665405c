"""Let a fine-tuned model classify texts, from the command line or a notebook.

python -m helpers.predict --model my-model --data new.csv --output answers.csv

reads a file with a column of texts and writes one with a row for each: the id, the text, the
class and the probabilities; several labels, or a number, as the model has learned. A model for
pairs reads two columns, one for entities also the files that it learns from. Without --data it
answers to what you type, one text at a time, or to each line that comes through a pipe; the two
texts of a pair are parted by a tab.
"""

import argparse
import contextlib
import math
import os
import sys
from pathlib import Path

from helpers import (
    answers,
    batching,
    checkpoints,
    classifiers,
    command,
    markup,
    paths,
    tables,
    tasks,
    texts,
    training,
)
from helpers.entities import predicting
from helpers.errors import LearnerError

BAR, MOST_BARS = 30, 10  # the width of a bar, and how many a terminal shows
SHEET_ROWS = 1_048_576  # that a workbook's sheet has, its header among them
EPILOG = """output:
  .csv .tsv .jsonl .parquet .xlsx, by its ending. A row stands there for each row of --data, in
  the same order: id (from a column of that name, else the row's number), text, label,
  probability (of that label), and the probability of each class. A text that is empty gets no
  label. A pair has text and text_pair. Of several labels, labels has those of a text with ;
  between them, then comes the probability of each; of a number, only the number. The text stands
  there as in --data, also where HTML was taken out for the model; where the model was trained
  with --clean, that is done without being asked for.
  Of entities, .jsonl has a line for each text, with [start, end, type] and the probability of
  each; a table has a row for each entity: id, start, end, type, words and probability.
"""


def predictions(model, texts, *, max_length=None, batch_size=32, clean=False, keep=None,
                progress=False):
    """Return a DataFrame with a row for each text: text, label, probability, and every class's.

    `model` is a folder, a name on the Hub, or what `load` returned, which saves loading it again.
    A model of several labels gives text, labels (with ; between them) and the probability of
    each, one of a number text and number. Pairs of texts are tuples. An empty text has no label
    and no probabilities. `max_length` is the number of tokens at which texts are cut; without it,
    they are cut where the model ends. `keep` says what is read of longer texts, as in
    `batching.tokenize`; without it, what the training read. HTML is taken out of what the model
    reads with `clean`, and always where `helpers.finetune` trained it with --clean.

    Raises LearnerError for a model that cannot be loaded or is no classifier, and for pairs where
    the model reads single texts, or the other way round.
    """
    pair = load(model) if isinstance(model, str | os.PathLike) else model
    return _answered(*pair, list(texts), max_length, batch_size, clean, keep, progress)[0]


def load(asked):
    """Return the model and tokenizer of a folder or a name on the Hub, ready to predict.

    Raises LearnerError if they cannot be loaded, or the model has no head that answers.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    checkpoints.quiet()
    predicting.refuse(asked)
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
    """Raise LearnerError for a model whose answers would be worth nothing."""
    body = [key for key in missing if key.startswith(f"{model.base_model_prefix}.")]
    if body:
        raise LearnerError(f"The weights of {asked} are not whole: {len(missing)} tensors are "
                           f"missing, such as {body[0]}. Fetch or train it again.")
    if missing:
        raise LearnerError(
            f"{asked} is a pretrained model without a head for classes; a new one would answer by "
            f"chance. Fine-tune it: python -m helpers.finetune --model {asked} --data FILE …")
    config = model.config
    known = getattr(config, "vocab_size", len(tokenizer))
    if not known / 2 <= len(tokenizer) <= known:
        raise LearnerError(
            f"The tokenizer of {asked} knows {len(tokenizer):,} tokens, its model {known:,}: the "
            "tokenizer's files are missing, or another model's. Save both together.")


def _answered(model, tokenizer, texts, max_length, batch_size, clean, keep, progress):
    """Return the DataFrame of `predictions`, and the number of texts that were cut."""
    import torch
    from tqdm.auto import tqdm

    config, task = model.config, tasks.of_config(model.config)
    shown = _sides(texts, getattr(config, "text_pairs", None))
    sides = shown
    if clean or getattr(config, "cleaned_texts", False):
        sides = [list(map(markup.cleaned, side)) for side in sides]
    most = training.most_tokens(model, tokenizer, max_length)
    keep = keep or getattr(config, "long_texts", "head")
    found = torch.full((len(texts), config.num_labels), math.nan)
    rows = [i for i, text in enumerate(zip(*sides, strict=True)) if all(map(str.strip, text))]
    sizes = {}

    def part_of(rows):
        return [[side[i] for i in rows] for side in sides]

    with tqdm(total=len(rows), unit="text", disable=not progress) as bar:
        for start in range(0, len(rows), 1000):
            part = rows[start : start + 1000]
            read, _ = batching.encode(tokenizer, *part_of(part), max_length=most + 1)
            sizes |= dict(zip(part, map(len, read["input_ids"]), strict=True))
        rows.sort(key=sizes.__getitem__, reverse=True)  # little padding; what takes most, first
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            with command.enough_memory(batch_size, most):
                logits, owners = training.logits(model, tokenizer, *part_of(part),
                                                 batch_size=batch_size, max_length=most, keep=keep)
            found[part] = training.means(task.answers(logits), owners)
            bar.update(len(part))
    if rows and not found[rows].isfinite().all():
        raise LearnerError("The model answers with numbers that are none (nan). Its training has "
                           "diverged, or its weights are damaged: train it again.")
    names = dict(zip(("text", "text_pair"), shown, strict=False))
    return answers.table(task, found, names), sum(size > most for size in sizes.values())


def _sides(texts, pairs):
    """Return the texts, or first and second texts, as lists of strings; `pairs` is the config's.

    Raises LearnerError if they are not what the model reads.
    """
    given = {isinstance(text, tuple | list) for text in texts}
    if pairs is None:  # a model that somebody else has trained
        pairs = True in given
    if given and given != {pairs}:
        raise LearnerError("The model reads pairs of texts: give each as a tuple of two, or, of "
                           "a file, two columns: text='FIRST,SECOND'." if pairs else
                           "The model reads single texts, not pairs: give each as a string, or, "
                           "of a file, one column: text='COLUMN'.")
    if any(len(text) != 2 for text in texts if pairs):
        raise LearnerError("A pair of texts is a tuple of two.")
    sides = list(zip(*texts, strict=True)) if pairs and texts else [texts] * (1 + bool(pairs))
    # A half of a surrogate pair, as JSON may hold it, is no character that a tokenizer takes.
    return [["" if text is None else str(text).encode("utf-8", "replace").decode()
             for text in side] for side in sides]


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
    labels = answers.given(source, options.label, options.header) if options.label else None
    model, tokenizer = load(options.model)
    most = training.most_tokens(model, tokenizer, options.max_length)
    if options.max_length and most < options.max_length:
        raise LearnerError(f"--max-length {options.max_length}: {options.model} reads {most} "
                           "tokens at most.")
    table, cut = _answered(model, tokenizer, read, options.max_length, options.batch_size,
                           options.clean, options.long, progress)
    table.insert(0, "id", ids)
    with paths.replacing(output) as temporary:
        answers.WRITERS[output.suffix.lower()](table, temporary)
    keep = options.long or getattr(model.config, "long_texts", "head")
    task = tasks.of_config(model.config)
    return [*_counted(table, task, cut, most, keep, output),
            *(answers.scores(task, labels, table) if labels is not None else [])]


def _counted(table, task, cut, most, keep, output):
    """Return lines on what was written: empty texts, texts that were cut, rows of each class."""
    n, lines = len(table), []
    if blank := int(table[answers.column(task)].isna().sum()):
        lines.append(f"{blank:,} of {n:,} texts are empty: they get no label.")
    if cut:
        read = {"head": "only their beginning was read", "tail": "only their end was read",
                "ends": "only their beginning and their end were read",
                "windows": "they were read in windows, whose answers are averaged"}[keep]
        lines.append(f"{cut:,} of {n:,} texts are longer than {most} tokens: {read}.")
    return [*lines, f"{n:,} rows ({answers.counted(task, table)}); saved in {output}"]


def check_output(output, data, overwrite=False):
    """Return where the predictions go, as a path, before anything is loaded.

    Raises LearnerError if something is there that would be lost, or nothing can be written.
    """
    place, source = Path(output).expanduser().absolute(), Path(data).expanduser()
    if place.suffix.lower() not in answers.WRITERS:
        raise LearnerError(f"--output {tables.short(output, 80)}: give it one of these endings: "
                           f"{', '.join(answers.WRITERS)}")
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


# A terminal, and a pipe.


def converse(pair, ask=input, **options):
    """Answer to one text after the other with the classes as bars, until an empty one or Ctrl-D.

    `ask` asks for a text; `options` are those of `predictions`.
    """
    full = "█" if "█".encode(sys.stdout.encoding or "ascii", "ignore") else "#"
    task, pairs = tasks.of_config(pair[0].config), getattr(pair[0].config, "text_pairs", False)
    while True:
        try:
            text = ask("Your text: ")
            if text.strip() and pairs:
                text = text, ask("Its second text: ")
        except EOFError:
            print()
            return
        if not all(map(str.strip, text if pairs else [text])):
            return
        row = predictions(pair, [text], **options).iloc[0]
        if task.kind == "number":
            print(f"{row.index[-1]}  {row.iloc[-1]:.4g}")
            continue
        row = row.iloc[-len(task.names):]
        width = max(len(tables.short(name)) for name in row.index)
        order = sorted(row.items(), key=lambda item: -item[1])
        for name, share in order[:MOST_BARS]:
            print(f"{tables.short(name):<{width}}  {share:.3f}  {full * round(BAR * share)}")
        if len(order) > MOST_BARS:
            print(f"and {len(order) - MOST_BARS} more classes")


def answer_lines(pair, lines, **options):
    """Print a line for each line, at once: its class, a tab, its probability.

    Of several labels it is the labels; of a number, the number. The texts of a pair have a tab
    between them. For an empty line, an empty one.
    """
    task, pairs = tasks.of_config(pair[0].config), getattr(pair[0].config, "text_pairs", False)
    for line in lines:
        text = line.removeprefix("\ufeff").rstrip("\r\n")
        text = (*text.split("\t", 1), "")[:2] if pairs else text
        row = predictions(pair, [text], **options).iloc[0]
        print(answers.line(task, row), flush=True)


def main(arguments=None):
    """Run the command line; returns the exit status."""
    command.prepare_console()
    reader = parser()
    options = reader.parse_args(arguments)
    if (options.data is None) != (options.output is None):
        reader.error("--data and --output go together; without both, texts are typed in")
    reading = {name: getattr(options, name) for name in ("max_length", "batch_size", "clean")}
    reading["keep"] = options.long
    try:
        if predicting.is_recognizer(options.model) and sys.stdin is not None:
            predicting.run(options, check_output)
        elif options.data is not None:
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
    add("--long", choices=batching.KEEP, help="what is read of a text that is longer: its head, "
        "its tail, both ends, or windows (default: as the model was trained)")
    add("--batch-size", type=command.at_least(1), default=32, metavar="N",
        help="texts at once (default: %(default)s)")
    add("--overwrite", action="store_true", help="replace the file --output if it is there")
    return found


if __name__ == "__main__":
    sys.exit(main())
