"""`python -m helpers.predict` with a model that finds entities: files, a terminal, a pipe."""

import json
import os
import sys
from pathlib import Path

from helpers import answers, checkpoints, classifiers, command, paths, tables, texts
from helpers.entities import reading, recognizer, scores, spans
from helpers.errors import LearnerError, number_of

COLUMNS = ("id", "start", "end", "type", "words", "probability")
COLOURS = (44, 42, 45, 46, 43, 41)  # of a terminal's background, for one type after the other


def is_recognizer(asked):
    """Say whether a folder, or a name on the Hub, is that of a model that labels tokens."""
    folder = Path(asked).expanduser()
    try:
        if folder.is_dir():
            file = folder / "config.json"
        elif str(asked).count("/") == 1 and not folder.is_absolute():
            from transformers.utils import cached_file

            file = cached_file(str(asked), "config.json")
        else:
            return False
        config = json.loads(Path(file).read_text(encoding="utf-8"))
        return any(name.endswith("ForTokenClassification") for name in config["architectures"])
    except (OSError, ValueError, TypeError, KeyError):  # whoever loads it says what is wrong
        return False


def refuse(asked):
    """Raise LearnerError for a model that labels tokens, where one is wanted for whole texts."""
    if is_recognizer(asked):
        raise LearnerError(f"{asked} finds entities, and gives no class to a text. Use the "
                           "command helpers.predict, or helpers.entities.recognizer.find.")


def load(asked):
    """Return model and tokenizer of a folder or a name on the Hub, ready to find entities.

    Raises LearnerError if they cannot be loaded, or the model's labels are not IOB2.
    """
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    checkpoints.quiet()
    with classifiers.loading(asked, "a folder that helpers.finetune made, or a token classifier's "
                                    "name on the Hub"):
        model, report = AutoModelForTokenClassification.from_pretrained(
            asked, dtype=torch.float32, output_loading_info=True, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(asked, trust_remote_code=False)
    if report["missing_keys"]:
        raise LearnerError(f"The weights of {asked} are not whole: {min(report['missing_keys'])} "
                           "is missing. Fetch or train it again.")
    recognizer.types_of(model.config)
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer


def run(options, check_output):
    """Do what the command line says with a model that finds entities.

    `check_output` returns where the answers go. Raises LearnerError for an option that is not for
    entities, and for what the model, the file or the place has against it.
    """
    for name in ("label", "clean", "long"):
        if getattr(options, name):
            raise LearnerError(f"--{name} is not for a model that finds entities. Leave it out.")
    reads = {"batch_size": options.batch_size, "max_length": options.max_length}
    if options.data is not None:
        print(*predict_file(options, check_output, **reads), sep="\n")
    elif sys.stdin.isatty():
        converse(load(options.model), **reads)
    else:
        if hasattr(sys.stdin, "reconfigure"):
            sys.stdin.reconfigure(encoding="utf-8", errors="replace")
        answer_lines(load(options.model), sys.stdin, **reads)


def predict_file(options, check_output, **reads):
    """Write the entities of a file's texts; return lines to be said."""
    output = check_output(options.output, options.data, options.overwrite)
    sentences = None
    if reading.has_entities(options.data, options.encoding):
        read = reading.read(options.data, options.encoding)
        sentences, notes = read.sentences, read.notes
        ids, given = [s.id or i for i, s in enumerate(sentences, 1)], [s.text for s in sentences]
    else:
        table = tables.read(options.data, "the table", options.header, options.encoding)
        _, ids, given, notes = texts.unlabelled(table, options.data, options.text, options.header)
        if given and isinstance(given[0], tuple):
            raise LearnerError("The model reads single texts, not pairs: name one column, --text.")
    for note in notes:
        print(command.said(note))
    given = ["" if text is None else str(text) for text in given]
    model, tokenizer = load(options.model)
    found = recognizer.find_probable(model, tokenizer, given, progress=sys.stderr.isatty(),
                                     **reads)
    with paths.replacing(output) as temporary:
        if output.suffix.lower() == ".jsonl":
            temporary.write_text("".join(f"{line}\n" for line in map(_line, ids, given, found)),
                                 encoding="utf-8")
        else:
            answers.WRITERS[output.suffix.lower()](table_of(ids, given, found), temporary)
    kinds = recognizer.types_of(model.config)
    each = ", ".join(f"{kind} {sum(e.type == kind for row in found for e, _ in row):,}"
                     for kind in kinds)
    lines = [f"{number_of(sum(map(len, found)), 'entity')} ({each}) in "
             f"{number_of(len(given), 'text')}; saved in {output}"]
    if sentences and any(s.entities for s in sentences):
        lines.append(str(scores.scores(sentences, [tuple(e for e, _ in row) for row in found])))
    return lines


def _line(number, text, found):
    """Return a text and its entities as a line of JSON, which `reading.read` reads."""
    return json.dumps({
        "id": str(number), "text": text, "entities": [[e.start, e.end, e.type] for e, _ in found],
        "probabilities": [round(probability, 6) for _, probability in found],
    }, ensure_ascii=False).encode("utf-8", "replace").decode()


def table_of(ids, texts, found):
    """Return a DataFrame with a row for each entity of `found`, (entity, probability) by text.

    A text without entities has no row.
    """
    import pandas as pd

    return pd.DataFrame([
        (number, e.start, e.end, e.type, text[e.start : e.end], round(probability, 6))
        for number, text, row in zip(ids, texts, found, strict=True) for e, probability in row
    ], columns=list(COLUMNS))


def shown(text, entities, types, coloured):
    """Return a text for a terminal: its entities in colour with their types, or in brackets."""
    if not coloured:
        return spans.marked(text, entities)
    parts, done = [], 0
    for entity in entities:
        colour = COLOURS[types.index(entity.type) % len(COLOURS)]
        parts += [text[done : entity.start], f"\033[30;{colour}m{text[entity.start : entity.end]}"
                  f"\033[0m\033[2m {entity.type}\033[0m"]
        done = entity.end
    return "".join([*parts, text[done:]])


def converse(pair, ask=input, **reads):
    """Show the entities of one text after the other, until an empty one or Ctrl-D.

    In colours, unless the environment variable NO_COLOR is set (https://no-color.org).
    """
    model, tokenizer = pair
    types = recognizer.types_of(model.config)
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    while True:
        try:
            text = ask("Your text: ")
        except EOFError:
            print()
            return
        if not text.strip():
            return
        entities, = recognizer.find(model, tokenizer, [text], **reads)
        print(shown(text, entities, types, coloured))


def answer_lines(pair, lines, **reads):
    """Print a line of JSON for each line, at once: the text and its entities."""
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix("\ufeff").rstrip("\r\n")
        found, = recognizer.find_probable(*pair, [text], **reads)
        print(_line(number, text, found), flush=True)
