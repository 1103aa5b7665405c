"""Files of every kind, written by other programs than ours, are read as the frame they came from.

Separators, encodings, quoting, headers, line ends, labels and shapes are crossed by seed. The
writers are those of csv, pandas and json, or a join by hand, never anything of the project's.
"""

import csv
import io
import itertools
import json
import random
from collections import Counter

import pandas as pd
import pytest

from helpers import tables
from helpers.errors import LearnerError

COUNT = 2400
WORDS = {
    "English": "the room was clean and staff helped us twice but breakfast came late",
    "French": "très cher le café était déçu où l’hôtel côté garçon naïf élève à çà",
    "Polish": "bardzo dobra książka żółty świetny źle łatwo ćma pięć był się też dość",
    "Turkish": "çok güzel değil ışık şimdi iyi ağaç kötü oldu için başka şey yağmur",
    "Russian": "очень хорошая книга не понравилось совсем долго ждали номер чистый был",
    "Chinese": "价格便宜 质量也好 房间干净 服务热情 收到的时候 已经坏了 再也不来 电影又长",
    "Japanese": "とても良いです 部屋がきれい スタッフが親切 もう行きません 値段が高い",
}
FACTORS = {
    "separator": [",", ";", "\t", "|"],
    "encoding": [
        ("utf-8", "English"), ("utf-8", "Turkish"), ("utf-8-sig", "Chinese"), ("utf-8", "Russian"),
        ("utf-16", "Polish"), ("utf-16-le", "French"), ("utf-16-be", "English"),
        ("utf-32", "French"), ("cp1252", "French"), ("latin-1", "English"), ("cp1250", "Polish"),
        ("cp1254", "Turkish"), ("cp1251", "Russian"), ("koi8-r", "Russian"),
        ("gb18030", "Chinese"), ("shift_jis", "Japanese"),
    ],
    "quoting": ["minimal", "all", "nonnumeric", "backslash", "pandas", "single", "none",
                "escaped"],
    "header": [True, False],
    "line end": ["\n", "\r\n", "\r"],
    "labels": [["0", "1"], ["bad", "good"], ["1", "2", "4", "5"], ["0.0", "1.0"],
               ["True", "False"]],
    "shape": ["plain", "extra columns", "index", "trailing", "several lines", "blank lines",
              "quotes at the start", "quotes within", "separator within", "line separators",
              "numbers", "NaN", "label first", "apostrophes", "long", "empty texts",
              "texts only", "long names", "quotes rows apart"],
}
TYPED = ["records", "columns", "pandas", "split", "lines", "parquet", "workbook"]
# These cannot be written: a separator or a line end without quotes; and in a single column there
# is no separator to escape.
NEVER = {("none", "several lines"), ("none", "separator within"), ("escaped", "texts only")}


LOOK_LIKE = {
    "numbers": ["645", "3.0", "-1", "007", "1e5"], "empty texts": [""],
    "NaN": ["NaN", "null", "NA", "None", "N/A", "nan", "True"],
}


def texts_of(chance, words, shape, separator, line_end, without):
    """Yield texts of a language and a shape, without end; nowhere one of the signs `without`."""
    signs = [sign for sign in (",", ";", "!", " -", " |", "'", ":", " (x)", ", ' &") if not
             set(sign) & set(without)]
    while True:
        chosen = chance.choices(words, k=chance.randint(2, 12))
        if chance.random() < 0.5:
            chosen[0] += chance.choice(signs)
        text = " ".join(chosen).capitalize() + chance.choice([".", ".", "!", ""])
        odd = chance.random() < 0.3
        if shape == "long":
            text = " ".join([text] * 40)
        elif shape == "several lines" and odd:
            text = line_end.join([text, words[0] + separator + " " + words[1], words[2]])
        elif shape == "quotes at the start" and odd:
            ending = chance.choice(['" ' + words[0], "", '" "' + words[1] + '"'])
            text = '"' + text + ending
        elif shape == "quotes rows apart" and odd:
            text = chance.choice(['"' + text, text + '"'])
        elif shape == "quotes within" and odd:
            text = f'{words[0]} "{text}" {words[1]} 5" {words[2]}'
        elif shape == "separator within" and odd:
            text = f"{words[0]}{separator} {text}{separator}{words[1]}"
        elif shape == "line separators" and odd:
            text = chance.choice(["\u2028", "\x85", "\f", "\x0b", "\x1c"]).join([words[0], text])
        elif shape in LOOK_LIKE and odd:
            text = chance.choice(LOOK_LIKE[shape])
        elif shape == "apostrophes" and odd:
            text = f"'{words[0]} {text} rock 'n' roll it's"
        yield text


def frame_of(chance, language, labels, shape, separator=",", line_end="\n", without=""):
    """Return the truth: names, and rows of strings."""
    rows = chance.choice([4, 8, 12, 20, 40])
    texts = itertools.islice(
        texts_of(chance, WORDS[language].split(), shape, separator, line_end, without), rows)
    columns = {"text": list(texts), "label": [chance.choice(labels) for _ in range(rows)]}
    if shape == "extra columns":
        columns = {"id": [str(900 + i) for i in range(rows)], **columns,
                   "site": [chance.choice(["north", "south", ""]) for _ in range(rows)]}
    elif shape == "index":
        columns = {"": [str(i) for i in range(rows)], **columns}
    elif shape == "trailing":
        columns[""] = [""] * rows
    elif shape == "texts only":
        del columns["label"]
    elif shape == "long names":
        columns = dict(zip((f"What they said{separator * (not without)} in full, in short; or so",
                            "Label (0 = bad)"), columns.values(), strict=True))
        if separator in without + "".join(columns):
            columns = dict(zip(("What they said", "Label"), columns.values(), strict=True))
    elif shape == "label first":
        columns = {"label": columns["label"], "text": columns["text"]}
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]


def write_delimited(names, rows, drawn):
    """Return the bytes of a delimited file, or None if these cells cannot be written so."""
    separator, quoting, end = drawn["separator"], drawn["quoting"], drawn["line end"]
    lines = [names, *rows] if drawn["header"] else rows
    if (quoting, drawn["shape"]) in NEVER:
        return None
    if quoting == "none":
        content = end.join(separator.join(row) for row in lines) + end
    elif quoting == "pandas":
        out = io.StringIO(newline="")
        pd.DataFrame(rows, columns=names).to_csv(
            out, sep=separator, index=False, header=drawn["header"], lineterminator=end)
        content = out.getvalue()
    else:
        options = {
            "minimal": {}, "all": {"quoting": csv.QUOTE_ALL},
            "nonnumeric": {"quoting": csv.QUOTE_NONNUMERIC},
            "backslash": {"doublequote": False, "escapechar": "\\", "quoting": csv.QUOTE_ALL},
            "escaped": {"quoting": csv.QUOTE_NONE, "escapechar": "\\"},
            "single": {"quotechar": "'", "quoting": csv.QUOTE_ALL},
        }[quoting]
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=separator, lineterminator=end, **options).writerows(lines)
        content = out.getvalue()
    if drawn["shape"] == "blank lines":
        content = content.replace(end, end + end, 3) + end
    try:
        return content.encode(drawn["encoding"][0])
    except UnicodeEncodeError:
        return None


def expected(names, rows, header):
    """Return names and rows as they should be read."""
    if not header:
        names = [str(place + 1) for place in range(len(names))]
    elif names[-1] == "":
        names, rows = names[:-1], [row[:-1] for row in rows]
    elif names[0] == "":
        names = ["column 1", *names[1:]]
    return names, rows


def outcome_of(path, names, rows, header):
    """Return "equal", "refused" or "different", and the notes."""
    try:
        table = tables.read(path, "the table", header=header)
    except LearnerError as error:
        assert path.name in str(error) and len(str(error)) <= 400
        return "refused", [str(error)]
    if table.problems:
        assert all(path.name in line and "row" in line for line in table.problems)
        return "refused", table.problems
    if list(table.cells) == names and table.cells.values.tolist() == rows:
        return "equal", table.notes
    return "different", table.notes


def drawn_files(seed, count):
    """Yield drawn combinations that can be written, with the bytes and the truth."""
    chance = random.Random(seed)
    while count:
        drawn = {factor: chance.choice(values) for factor, values in FACTORS.items()}
        names, rows = frame_of(chance, drawn["encoding"][1], drawn["labels"], drawn["shape"],
                               drawn["separator"], drawn["line end"],
                               drawn["separator"] if drawn["quoting"] == "none" else "")
        content = write_delimited(names, rows, drawn)
        if content is not None:
            count -= 1
            yield drawn, content, *expected(names, rows, drawn["header"])


def is_said(notes):
    """Say whether notes warn that letters or quotation marks may have been read otherwise."""
    return any("encoding='…'" in note or "are taken off" in note for note in notes)


def test_delimited_files_are_read_as_their_frame_or_refused_and_none_differs_without_a_word(
    tmp_path
):
    outcomes, pairs, different = Counter(), set(), []
    for number, (drawn, content, names, rows) in enumerate(drawn_files(0, COUNT)):
        path = tmp_path / f"mine{number % 7}.{'tsv' if drawn['separator'] == chr(9) else 'csv'}"
        path.write_bytes(content)
        outcome, notes = outcome_of(path, names, rows, drawn["header"])
        if outcome == "different":
            outcome = "different, said" if is_said(notes) else outcome
            different.append((number, drawn, notes))
        outcomes[outcome] += 1
        items = [(factor, str(value)) for factor, value in drawn.items()]
        pairs |= set(itertools.combinations(items, 2))
    wanted = {((a, str(x)), (b, str(y))) for a, b in itertools.combinations(FACTORS, 2)
              for x in FACTORS[a] for y in FACTORS[b]}
    impossible = {(("quoting", quoting), ("shape", shape)) for quoting, shape in NEVER}
    assert {pair for pair in wanted - pairs if "encoding" not in pair[0]} <= impossible
    assert not outcomes["different"], different[:3]
    assert outcomes["refused"] < 0.1 * COUNT, outcomes
    assert outcomes["different, said"] < 0.02 * COUNT, (outcomes, different[:3])


def typed(value):
    """Return a label's text as the value that a typed file holds."""
    if value in ("True", "False"):
        return value == "True"
    with_point = value.replace(".", "", 1)
    if with_point.isdigit():
        return float(value) if "." in value else int(value)
    return value


def write_typed(kind, frame, path):
    if kind in ("records", "columns"):
        content = frame.to_dict("records" if kind == "records" else "list")
        path.write_text(json.dumps(content, ensure_ascii=False, indent=kind == "columns" or None),
                        encoding="utf-8")
    elif kind in ("pandas", "split"):
        frame.to_json(path, orient="columns" if kind == "pandas" else "split")
    elif kind == "lines":
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    elif kind == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_excel(path, index=False)


@pytest.mark.parametrize("kind", TYPED)
def test_files_with_types_are_read_as_their_frame(tmp_path, kind):
    chance = random.Random(1)
    shapes = [shape for shape in FACTORS["shape"] if shape not in (
        "index", "trailing", "blank lines", "texts only", "long names")]
    languages = list(WORDS)
    cases = list(itertools.product(shapes, FACTORS["labels"]))
    for number, (shape, labels) in enumerate(cases[::3] if kind == "workbook" else cases):
        if kind == "workbook" and shape == "line separators":
            continue  # a workbook cannot hold control characters
        names, rows = frame_of(chance, languages[number % len(languages)], labels, shape)
        label = names.index("label")
        rows = [[typed(value) if place == label else value for place, value in enumerate(row)]
                for row in rows]
        if kind == "workbook":
            rows = [[int(value) if isinstance(value, float) else value for value in row]
                    for row in rows]
            rows = [[value if value != "" else None for value in row] for row in rows]
        path = tmp_path / f"mine.{'csv' if number % 2 else 'data'}"
        write_typed(kind, pd.DataFrame(rows, columns=names), path)
        table = tables.read(path, "the table")
        assert (list(table.cells), table.problems) == (names, [])
        read = table.cells.values.tolist()
        assert read == rows
        if kind not in ("pandas", "split", "lines"):  # these write 1.0 as 1.0 or 1
            assert [list(map(type, row)) for row in read] == [list(map(type, row)) for row in rows]
