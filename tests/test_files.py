"""What people bring as a file, or in memory, becomes the table that it is, or is refused clearly.

tests/cases holds one small file of each kind, EXPECTED.md there what should come of it.
"""

import bz2
import csv
import datetime
import gzip
import io
import json
import lzma
import time
import unicodedata
import zipfile
from pathlib import Path

import datasets
import numpy as np
import openpyxl
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers import encodings, files, measure, tables
from helpers.errors import LearnerError

CASES = Path(__file__).parent / "cases"
ROWS = [[f"Text number {i}.", str(i % 2)] for i in range(60)]
CSV = "text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS)
RECORDS = [{"text": text, "label": int(label)} for text, label in ROWS]
TYPED = [[text, int(label)] for text, label in ROWS]


@pytest.fixture
def write(tmp_path):
    def write(content, name="mine.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def cells(table):
    return table.cells.values.tolist()


def said(table):
    return "\n".join(table.notes)


def read(source, **options):
    table = tables.read(source, "the table", **options)
    assert table.problems == []
    return table


def refused(source, **options):
    with pytest.raises(LearnerError) as caught:
        tables.read(source, "the table", **options)
    assert len(str(caught.value)) <= 400
    assert "\n" not in str(caught.value)
    return str(caught.value)


SHAPES = {  # rows, columns
    "EXPECTED.md": None, "arabic.csv": (200, 2), "blank_labels.csv": (120, 2),
    "blank_texts.csv": (120, 2), "chinese.csv": (200, 2), "contradicting_duplicates.csv": (156, 2),
    "duplicates_random_labels.csv": (400, 2), "imbalanced_95_5.csv": (314, 2),
    "line_separators.csv": (60, 2), "no_header.csv": (79, 2), "no_header_label_last.tsv": (79, 2),
    "one_line.json": (400, 2), "one_number.csv": (150, 2), "pairs.csv": (60, 3),
    "rare_noise.csv": (400, 2), "rows.json": (80, 3), "several_labels_columns.csv": (150, 4),
    "several_labels_lists.jsonl": (150, 2), "small_own.csv": (60, 2), "stars.csv": (120, 2),
    "stars_in_words.csv": (120, 2), "test_without_labels.csv": (40, 3), "tiny_own.csv": (20, 2),
    "three_classes.csv": (120, 2), "three_words.tsv": (120, 3), "twice_named.csv": (80, 3),
    "verdict_at_end.csv": (200, 2),
}


@pytest.mark.parametrize("path", sorted(CASES.iterdir()), ids=lambda path: path.name)
def test_every_case_has_as_many_rows_and_columns_as_it_should(path):
    shape = SHAPES.get(path.name, (80, 2))
    if shape:
        assert read(path).cells.shape == shape


def test_a_table_has_the_rows_of_a_spreadsheet_and_says_what_was_found_out():
    table = read(CASES / "sep_line.csv")
    assert list(table.cells.index[:2]) == [2, 3]
    assert "first line says which separator" in said(table)
    bare = read(CASES / "no_header.csv", header=False)
    assert (list(bare.cells), bare.cells.index[0], len(bare.cells)) == (["1", "2"], 1, 80)
    assert list(read(CASES / "capital_header.csv").cells) == ["Review", "Liked"]
    assert "single quotation marks" in said(read(CASES / "single_quotes.csv"))
    assert "vertical bars" in said(read(CASES / "pipe.csv"))
    assert list(read(CASES / "semicolon_commas.csv").cells) == [
        "comment, shortened, cleaned", "rating"]


def test_encodings_are_found_out_by_the_whole_file_and_said():
    table = read(CASES / "latin1_accents.csv")
    assert "Très cher, 20 £…" in table.cells.iloc[0, 1]
    assert "read as cp1252 (Western European)" in said(table)
    assert "£5 a day…" in read(CASES / "unnamed_columns.csv").cells.iloc[0, 1]
    assert list(read(CASES / "utf16.csv").cells) == ["Görüş", "Durum"]
    mixed = read(CASES / "mixed_encodings.csv")
    assert mixed.cells["text"].str.contains("Très cher café").sum() == 20
    assert "10 rows (62, 63, 64, …)" in said(mixed)


LINES = {
    "cp1252": ["Très cher, déjà vu: 20 €", "Größe schön, „gut“", "¿Qué tal, niño?"],
    "iso8859_15": ["Cœur brisé à 20 €, déjà"], "mac_roman": ["Déjà vu, très cher", "L’été"],
    "cp1250": ["Żółty, świetny, źle, łatwo", "Książka była dobra, też"],
    "iso8859_2": ["Příliš žluťoučký kůň", "Pěkné město, ďábelské ódy"],
    "cp1254": ["Çok güzel, değil", "Işık şimdi kötü oldu, ağaç"],
    "cp1251": ["Очень хорошая книга", "Не понравилось"], "koi8_r": ["Очень хорошая", "Не надо"],
    "cp1253": ["Πολύ καλό δωμάτιο", "Δεν μου άρεσε"], "cp1255": ["חדר נקי ושירות טוב"],
    "cp1256": ["الغرفة نظيفة والخدمة جيدة", "لم يعجبني المكان"],
    "gb18030": ["价格便宜，质量也好", "收到的时候已经坏了"],
    "big5": ["價格便宜質量也好", "房間乾淨"],
    "shift_jis": ["とても良いです", "部屋がきれい"],
    "euc_kr": ["방이 깨끗하고 좋았어요", "직원이 친절"],
}


@pytest.mark.parametrize("encoding", LINES)
def test_letters_of_other_encodings_come_out_right_and_the_way_out_is_said(write, encoding):
    rows = [[line, "1"] for line in LINES[encoding] * 4] + ROWS
    out = io.StringIO()
    csv.writer(out).writerows([["text", "label"], *rows])
    table = read(write(out.getvalue().encode(encoding)))
    assert cells(table) == rows
    assert "name the encoding: encoding='…'" in said(table)


@pytest.mark.parametrize("encoding", [
    "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be",
])
def test_utf_with_a_mark_or_without_needs_no_option(write, encoding):
    content = CSV + "Très bon – 很好,1\n"
    table = read(write(content.encode(encoding)))
    assert cells(table) == [*ROWS, ["Très bon – 很好", "1"]]
    assert "encoding='…'" not in said(table)


def test_an_encoding_is_taken_as_told_or_refused(write):
    path = write((CSV + "Дорого,1\n").encode("koi8-r"))
    table = read(path, encoding="koi8-r")
    assert (cells(table)[-1], table.notes) == (["Дорого", "1"], [])
    assert "not text in utf-8. Save it again" in refused(path, encoding="utf-8")
    assert "no encoding has that name" in refused(path, encoding="hex")
    assert cells(read(write("\ufeff" + CSV), encoding="utf-8")) == ROWS


def test_what_is_lost_or_encoded_twice_is_said_by_row(write):
    broken = (CSV + "Déjà vu,1\n" * 5).encode("cp1252") + b"Caf\x81,1\n"
    table = read(write(broken))
    assert "stands as �: row 67." in said(table)
    assert cells(table)[-2:] == [["Déjà vu", "1"], ["Caf�", "1"]]
    table = read(write(CSV + "TrÃ¨s cher,1\nDonâ€™t,0\nSÃO PAULO,1\n"))
    assert "encoded twice before it was saved ('Ã©' for 'é'), and left so: 2 rows (62, 63)." in (
        said(table))
    one_bad_byte = (CSV + "Très cher,1\n" * 9).encode() + "é,1\n".encode("cp1252")
    table = read(write(one_bad_byte))
    assert (cells(table)[-1], "UTF-8 as the rest is: row 71." in said(table)) == (["é", "1"], True)


@pytest.mark.parametrize("separator", [
    ",", ";", "\t", "|", "||", "|||", "::", "^", "~", "\x01", "\x1f",
])
def test_separators_are_found_out(write, separator):
    table = read(write(CSV.replace(",", separator)))
    assert (list(table.cells), cells(table)) == (["text", "label"], ROWS)
    assert bool(table.notes) == (separator != ",")


def test_the_separator_is_not_decided_by_the_first_line(write):
    rows = [[f"Cheap; {text}", label] for text, label in ROWS]
    lines = ["title; short, label", *(",".join(row) for row in rows)]
    assert cells(read(write("\n".join(lines)))) == rows
    odd = "comment; with all, kinds\tlabel\n" + "".join("\t".join(row) + "\n" for row in ROWS)
    assert list(read(write(odd)).cells) == ["comment; with all, kinds", "label"]


QUOTED = {
    "doubled": ('"He said ""no"", twice",1\n', 'He said "no", twice'),
    "backslash": (r'"He said \"no\", twice",1' + "\n", 'He said "no", twice'),
    "backslash that is one": (r'"Path C:\temp, \"no\"",1' + "\n", 'Path C:\\temp, "no"'),
    "several lines": ('"Good.\nCheap, too.\n\n1, 2",1\n', "Good.\nCheap, too.\n\n1, 2"),
    "in the middle": ('A 5" screen,1\n', 'A 5" screen'),
    "apostrophe": ("'Tis good,1\n", "'Tis good"),
}


@pytest.mark.parametrize(("written", "text"), QUOTED.values(), ids=QUOTED)
def test_quoted_texts_come_out_as_they_were_meant(write, written, text):
    table = read(write(CSV + written * 3))
    assert cells(table) == [*ROWS, *[[text, "1"]] * 3]


def test_texts_that_begin_with_a_quotation_mark_swallow_no_rows(write):
    table = read(CASES / "quotes_merge.tsv")
    assert cells(table)[10][0].startswith('"Well, The waitress')
    assert "quotation marks are ordinary characters here" in said(table)
    for stray in ('"Fine.', '"Great" phone', '"'):
        table = read(write(CSV.replace("Text number 5.", stray) + '"Good, cheap",1\n'))
        assert (len(table.cells), cells(table)[5]) == (61, [stray, "1"])
        assert cells(table)[-1] == ["Good, cheap", "1"]
        assert "is part of the text in row 7." in said(table)


def test_a_quotation_mark_left_open_is_named_by_row_whether_all_texts_are_quoted_or_few(write):
    quoted = CSV.replace("Text", '"Text').replace(".,", '.",')
    table = read(write(quoted.replace('5.",', "5.,", 1)))
    assert [row for row in cells(table) if row not in ROWS] == [['"Text number 5.', "1"]]
    assert "in row 7." in said(table)
    table = tables.read(write(CSV + '"Good, cheap,1\nMore of it.\n'), "the table")
    assert cells(table) == ROWS
    assert "not the 2 fields of the first row in 2 rows (62, 63)" in table.problems[0]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_only_line_ends_end_a_row(write, end):
    texts = ["Two\u2028lines", "Next\x85line", "A\fpage", "A\x0bcolumn", "One\x1cmore"]
    rows = [*ROWS, *[[text, "1"] for text in texts]]
    content = "".join(f"{text},{label}{end}" for text, label in [["text", "label"], *rows])
    assert cells(read(write(content))) == rows


def test_mixed_line_ends_and_carriage_returns_within_texts_are_told_apart(write):
    mixed = CSV.replace("\n", "\r\n", 20).replace("5.,1\n", "5.,1\r", 1)
    assert cells(read(write(mixed))) == ROWS
    table = read(write(CSV + "Good\rand cheap.,1\n"))
    assert cells(table)[-1] == ["Good\rand cheap.", "1"]
    assert "carriage returns" in said(table)


def test_blank_lines_count_as_rows_and_lines_before_the_header_are_left_out_and_said(write):
    assert list(read(write("\n" + CSV.replace("\n", "\n\n", 2))).cells.index[:3]) == [4, 6, 7]
    table = read(write("# exported\n# by me, today\n" + CSV))
    assert (list(table.cells), table.cells.index[0]) == (["text", "label"], 4)
    assert "left out before the header: 2 rows (1, 2)." in said(table)
    table = read(write("Reviews of 2024\n\n" + CSV))
    assert (list(table.cells), table.cells.index[0]) == (["text", "label"], 4)


def test_a_header_with_too_few_names_is_not_taken_for_a_remark(write):
    table = tables.read(write(CSV.replace("text,label", "text")), "the table")
    assert list(table.cells) == ["text"]
    assert "one field in the first row, more in 60 rows (2, 3, 4, …)" in table.problems[0]


def test_columns_without_a_name_are_dropped_if_empty_and_named_by_place_otherwise(write):
    trailing = CSV.replace("\n", ",,\n")
    assert (list(read(write(trailing)).cells)) == ["text", "label"]
    assert cells(read(write(CSV.replace("\n", ",\n").replace("label,", "label", 1)))) == ROWS
    index = pd.DataFrame(ROWS, columns=["text", "label"]).to_csv()
    assert list(read(write(index)).cells) == ["column 1", "text", "label"]
    from_r = '"text","label"\n' + "".join(f'"{i}","{t}",{n}\n' for i, (t, n) in enumerate(ROWS))
    assert list(read(write(from_r)).cells) == ["column 1", "text", "label"]
    assert list(read(CASES / "twice_named.csv").cells) == ["text", "label", "label"]


def test_rows_of_another_width_are_named_at_once(write):
    rows = "Good, cheap,1\nNo label\nGood, cheap, nice,1\n"
    table = tables.read(write(CSV + rows), "the table")
    assert cells(table) == ROWS
    assert len(table.problems) == 1
    assert "not the 2 fields of the first row in 3 rows (62, 63, 64)." in table.problems[0]
    moved = "text,label,site\n" + "".join(f"{text},{n},\n" for text, n in ROWS) + "Good, well,1,\n"
    assert "row 62." in tables.read(write(moved), "the table").problems[0]
    moved = CSV.replace("label", "label,", 1) + "Good, well,1\n"
    assert "row 62." in tables.read(write(moved), "the table").problems[0]
    many = [[f"{text} and, so" if i % 3 else text, n] for i, (text, n) in enumerate(ROWS)]
    table = tables.read(write("text,label\n" + "\n".join(map(",".join, many))), "the table")
    assert "in 40 rows (3, 4, 6, …)" in table.problems[0]


def test_a_file_of_one_column_is_one(write):
    texts = [f"Number {i}" + ", cheap" * (i % 3) for i in range(40)]
    table = read(write("text\n" + "\n".join(texts)))
    assert (list(table.cells), [row[0] for row in cells(table)]) == (["text"], texts)
    assert [row[0] for row in cells(read(write("\n".join(texts)), header=False))] == texts
    quoted = "text\n" + "".join(f'"{text}"\n' for text in texts)
    assert [row[0] for row in cells(read(write(quoted)))] == texts


def test_numbers_and_words_for_nothing_stay_texts(write):
    rows = [[text, "1"] for text in ("645", "1.0", "NaN", "null", "NA", "", "None", "007")]
    assert cells(read(write(CSV + "".join(f"{t},1\n" for t, _ in rows)))) == ROWS + rows


def test_nul_characters_are_named_by_row(write):
    table = tables.read(write(CSV.replace("number 5.", "num\0ber 5.")), "the table")
    assert "NUL characters" in said(table)
    assert "row 7." in said(table)


def test_half_a_million_columns_are_refused_in_seconds(write):
    start = time.perf_counter()
    assert "500,000 columns" in refused(write(",".join(["c"] * 500_000) + "\n" + ",1" * 499_999))
    rows = [{f"c{i}": 1 for i in range(500_000)}]
    assert "500,000 columns" in refused(write(json.dumps(rows), "mine.json"))
    assert "20,000 columns" in refused(pd.DataFrame([range(20_000)]))
    assert time.perf_counter() - start < 20


def test_a_text_of_ten_million_characters_is_read(write):
    table = read(write(CSV + '"' + "word, " * 1_666_667 + '",1\n'))
    assert len(table.cells["text"].iloc[-1]) == 10_000_002


def test_a_share_is_drawn_by_seed_while_reading_whatever_the_kind(write):
    frame = pd.DataFrame(ROWS * 20, columns=["text", "label"])
    frame.to_parquet(write("", "mine.parquet"))
    frame.to_json(write("", "mine.jsonl"), orient="records", lines=True)
    frame.to_json(write("", "mine.json"), orient="records")
    frame.to_csv(write(""), index=False)
    for name in ("mine.csv", "mine.parquet", "mine.jsonl", "mine.json"):
        path = write("").with_name(name)
        if name == "mine.csv":
            frame.to_csv(path, index=False)
        first, again, other = (
            read(path, share=0.1, seed=seed).cells.index.tolist() for seed in (3, 3, 4))
        assert first == again != other
        assert 80 < len(first) < 160
        table = read(path, share=0.1, seed=3)
        offset = 2 if name == "mine.csv" else 1
        assert cells(table) == [ROWS[(row - offset) % 60] for row in table.cells.index]
        assert "a share of 0.1" in said(table)
    assert len(read(frame, share=0.1).cells) < 160
    assert "no part of the rows" in refused(frame, share=0)


def test_a_file_too_large_for_the_memory_is_refused_before_it_is_read(write, monkeypatch):
    path = write(CSV)
    monkeypatch.setattr(encodings, "find", lambda *_: pytest.fail("it was read"))
    with path.open("r+b") as stream:
        stream.truncate(10 * 10**9)
    monkeypatch.setattr(files, "free_memory", lambda: 8 * 10**9)
    message = refused(path)
    assert "has 10.0 GB" in message
    assert "at most 0.8 GB of such a file" in message
    assert message.endswith("share=0.05.")
    monkeypatch.setattr(files, "free_memory", lambda: 16 * 10**9)
    assert refused(path).endswith("share=0.1.")
    monkeypatch.setattr(files, "free_memory", lambda: 10**8)
    assert refused(path).endswith("share=0.001.")


def test_sixty_megabytes_are_read_in_seconds_and_in_less_than_five_times_their_size(tmp_path):
    path = tmp_path / "mine.csv"
    words = "The room was clean, and “breakfast” came late. 😀 Twice they helped us. " * 17
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [["text", "label"], *([f"{i} {words}", str(i % 2)] for i in range(50_000))])
    assert path.stat().st_size > 60e6
    before, started = psutil.Process().memory_info().rss, time.process_time()
    with measure.Measured() as cost:
        table = read(path)
    assert len(table.cells) == 50_000
    assert time.process_time() - started < 6
    assert cost.peak - before < files.FACTORS["text"] * path.stat().st_size


def test_a_share_of_a_file_too_large_is_read(write, monkeypatch):
    monkeypatch.setattr(files, "free_memory", lambda: 5 * len(CSV))
    assert "Take a share" in refused(write(CSV))
    assert len(read(write(CSV), share=0.5).cells) < 60


def test_a_compressed_file_or_an_archive_of_one_is_read(write):
    for name, pack in (("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)):
        assert cells(read(write(pack(CSV.encode()), f"mine.csv.{name}"))) == ROWS
    assert "damaged" in refused(write(gzip.compress(CSV.encode())[:-20], "mine.csv.gz"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("folder/mine.csv", CSV)
        archive.writestr("__MACOSX/folder/._mine.csv", "x")
    assert cells(read(write(packed.getvalue(), "mine.zip"))) == ROWS
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("other.csv", CSV)
    assert "2 files. Unpack it and name the one you want: folder/mine.csv, other.csv" in refused(
        write(packed.getvalue(), "mine.zip"))


JSON = {
    "records": json.dumps(RECORDS), "indented": json.dumps(RECORDS, indent=2),
    "byte order mark": "\ufeff" + json.dumps(RECORDS),
    "in a key": json.dumps({"version": 1, "by": {"name": "me"}, "data": RECORDS}),
    "deeper": json.dumps({"response": {"items": RECORDS}}),
    "columns": json.dumps(pd.DataFrame(RECORDS).to_dict("list")),
    **{orient: pd.DataFrame(RECORDS).to_json(orient=orient)
       for orient in ("columns", "index", "split")},
    "lines": "\n".join(map(json.dumps, RECORDS)),
    "several lines each": "\n".join(json.dumps(row, indent=1) for row in RECORDS),
}


@pytest.mark.parametrize("name", ["mine.json", "mine.csv"])
@pytest.mark.parametrize("content", JSON.values(), ids=JSON)
def test_json_of_all_usual_shapes_is_read_whatever_it_is_called(write, content, name):
    table = read(write(content, name))
    assert (list(table.cells), cells(table)) == (["text", "label"], TYPED)
    assert table.cells.index.tolist() == list(range(1, 61))


def test_lists_in_json_are_rows(write):
    assert cells(read(write(json.dumps([["text", "label"], *ROWS]), "mine.json"))) == ROWS
    assert cells(read(write(json.dumps(TYPED), "mine.json"), header=False)) == TYPED
    lines = "\n".join(map(json.dumps, TYPED))
    assert cells(read(write(lines, "mine.jsonl"))) == TYPED
    assert cells(read(write('["Good.", "Bad."]', "mine.json"))) == [["Good."], ["Bad."]]


def test_json_keeps_its_values_and_a_missing_key_is_none(write):
    rows = [{"text": "a", "n": 1, "l": ["x"]}, {"text": None, "n": 2.5}, {"text": "c", "b": True}]
    for content in (json.dumps(rows), "\n".join(map(json.dumps, rows))):
        table = read(write(content, "mine.json"))
        assert cells(table) == [["a", 1, ["x"], None], [None, 2.5, None, None],
                                ["c", None, None, True]]
        assert type(table.cells["n"].iloc[0]) is int


def test_json_in_other_encodings_is_read_as_text_files_are(write):
    rows = [{"text": "Très cher, déjà"}] * 8
    content = json.dumps(rows, ensure_ascii=False)
    for name in ("utf-16", "cp1252"):
        assert cells(read(write(content.encode(name), "mine.json"))) == [["Très cher, déjà"]] * 8
    mixed = b"\n".join(json.dumps(rows[0], ensure_ascii=False).encode(name)
                       for name in ("utf-8", "cp1252", "utf-8", "cp1252"))
    for content in (mixed, b"[" + mixed.replace(b"\n", b",\n") + b"]"):
        table = read(write(content, "mine.json"))
        assert cells(table) == [["Très cher, déjà"]] * 4
        assert "where it is not UTF-8" in said(table)


def test_what_is_wrong_in_json_is_named_by_place(write):
    assert "line 1, column 15" in refused(write('[{"text": "a",}]', "mine.json"))
    assert "not a table" in refused(write('{"a": 1}', "mine.json"))
    assert "is empty" in refused(write("[]", "mine.json"))
    assert "not JSON" in refused(write("[" * 100_000, "mine.json"))
    lines = "\n".join(map(json.dumps, RECORDS)) + '\n{"text": "cut\n\n5\n'
    table = tables.read(write(lines, "mine.jsonl"), "the table")
    assert cells(table) == TYPED
    assert "no JSON object in 2 rows (61, 63)." in table.problems[0]


def test_a_text_file_may_begin_like_json(write):
    assert cells(read(write("[a] text,label\n{b} x,1\n"))) == [["{b} x", "1"]]


FRAME = pd.DataFrame({
    "text": pd.Series(["a", None, "c"], dtype="string"),
    "kind": pd.Categorical(["x", "y", None]),
    "count": pd.array([1, None, 3], dtype="Int64"),
    "day": pd.to_datetime(["2024-01-01", None, "2024-02-03"]),
    "score": [1.0, np.nan, 2.5],
    "flag": [True, False, True],
    "tags": [["p", "q"], np.array(["r"]), None],
})
VALUES = [
    ["a", "x", 1, datetime.datetime(2024, 1, 1), 1.0, True, ["p", "q"]],
    [None, "y", None, None, None, False, ["r"]],
    ["c", None, 3, datetime.datetime(2024, 2, 3), 2.5, True, None],
]


def test_values_of_tables_in_memory_and_parquet_are_pythons_own(write):
    FRAME.to_parquet(write("", "mine.csv"))
    for source in (FRAME, write("", "x").with_name("mine.csv"), FRAME.to_dict("records"),
                   datasets.Dataset.from_pandas(FRAME.assign(kind=["x", "y", None]))):
        table = read(source)
        assert cells(table) == VALUES
        for row, expected in zip(cells(table), VALUES, strict=True):
            assert list(map(type, row)) == list(map(type, expected))
    assert read(FRAME).cells.index.tolist() == [0, 1, 2]
    odd = pd.DataFrame({"text": [np.str_("a")], "n": [np.int64(5)]}, dtype=object)
    assert [type(value) for value in cells(read(odd))[0]] == [str, int]


def test_other_tables_in_memory_are_taken_too():
    frame = pd.DataFrame(RECORDS)
    for source in (frame.set_index("text", drop=False), RECORDS, pa.Table.from_pandas(frame),
                   datasets.Dataset.from_list(RECORDS).with_format("torch")):
        assert cells(read(source)) == TYPED
    assert cells(read(["Good.", "Bad."])) == [["Good."], ["Bad."]]
    assert list(read(pd.DataFrame([["a", 1]], columns=[" text ", np.nan])).cells) == [
        "text", "column 2"]
    assert "not from a value of type int" in refused(5)
    assert "streamed" in refused(datasets.Dataset.from_list(RECORDS).to_iterable_dataset())


def test_parquet_leaves_an_index_out_and_names_damage(write):
    frame = pd.DataFrame(ROWS, columns=["text", "label"], index=range(5, 65))
    frame.to_parquet(write("", "mine.parquet"))
    table = read(write("", "x").with_name("mine.parquet"))
    assert (cells(table), table.cells.index[0]) == (ROWS, 1)
    assert "begins like Parquet" in refused(write(b"PAR1 and no more", "mine.parquet"))
    pq.write_table(pa.table({f"c{i}": [1] for i in range(20_000)}), write("", "wide.parquet"))
    assert "20,000 columns" in refused(write("", "x").with_name("wide.parquet"))


@pytest.fixture
def workbook(tmp_path):
    def workbook(*sheets, name="mine.xlsx"):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for number, rows in enumerate(sheets):
            sheet = book.create_sheet(f"Sheet {number}")
            for row in rows:
                sheet.append(row)
        book.save(tmp_path / name)
        return tmp_path / name

    return workbook


def test_a_workbook_is_read_from_its_first_sheet_that_holds_something(workbook):
    rows = [["Text", "Day", "Flag", "Number"], ["a", datetime.datetime(2024, 1, 2), True, 1.0],
            ["b", None, False, 2.5]]
    for name in ("mine.xlsx", "mine.csv"):
        table = read(workbook([], [[], ["Report"], *rows], name=name))
        assert list(table.cells) == rows[0]
        assert cells(table) == [["a", datetime.datetime(2024, 1, 2), True, 1],
                                ["b", None, False, 2.5]]
        assert type(table.cells["Number"].iloc[0]) is int
        assert table.cells.index.tolist() == [4, 5]
        assert "the sheet 'Sheet 1' is read" in said(table)
        assert "before the header: row 2." in said(table)
    assert cells(read(workbook(rows[1:]), header=False))[0][0] == "a"
    assert "is empty" in refused(workbook([], []))


def test_formulas_without_values_and_errors_of_a_workbook_are_said(workbook):
    table = read(workbook([["text", "label"], ["a", "=1+1"], ["b", "=2"]]))
    assert "the column label has formulas without values" in said(table)
    table = read(workbook([["text", "label"], ["a", 1], ["#N/A", 2]]))
    assert cells(table) == [["a", 1], [None, 2]]
    assert "counts as empty in row 3." in said(table)


def test_a_damaged_workbook_is_refused(workbook, write):
    content = bytearray(workbook([["text", "label"], ["a", 1]]).read_bytes())
    assert "damaged" in refused(write(bytes(content[:-300]), "cut.xlsx"))
    content[300:1500] = bytes(1200)
    assert "cannot be read" in refused(write(bytes(content), "holes.xlsx"))


KINDS = {
    "PDF": (b"%PDF-1.7 x", "a PDF"), "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(9), "an image"),
    "old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "save it as .xlsx"),
    "HTML": (b"\n<!DOCTYPE html><html>", "an HTML page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
    "binary": (bytes(range(256)) * 20, "not text but a binary file"),
    "pickle": (b"\x80\x04\x95abc", "a binary file"), "zip": (b"PK\x03\x04\x8d", "damaged"),
    "nothing": (b"", "mine.csv is empty"), "blank": (b"\xef\xbb\xbf \r\n\n", "mine.csv is empty"),
}


@pytest.mark.parametrize(("content", "message"), KINDS.values(), ids=KINDS)
def test_what_holds_no_table_is_called_what_it_is(write, content, message):
    assert message in refused(write(content))


def test_a_document_is_told_from_a_workbook(write):
    for member, message in (("word/document.xml", "Word"), ("content.xml", "another kind")):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(member, "x")
        assert message in refused(write(packed.getvalue()))


def test_a_path_that_leads_to_no_file_is_told_apart(write, monkeypatch, tmp_path):
    path = write(CSV)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert cells(read("~/mine.csv")) == ROWS
    assert cells(read(path.as_uri())) == ROWS
    assert "Did you mean mine.csv?" in refused(tmp_path / "mien.csv")
    assert "looked for in" in refused("nowhere.csv")
    assert "is a folder. Name the file in it: mine.csv" in refused(tmp_path)
    assert "cannot be read" in refused("x" * 5000)


def test_for_an_address_the_command_that_fetches_it_is_said():
    assert refused("https://example.com/a%20b/c.csv?x=1&y=2").endswith(
        "curl -L -o c.csv 'https://example.com/a%20b/c.csv?x=1&y=2'")
    assert "curl -L -o c.csv https://example.com/c.csv" in refused(Path("https://example.com/c.csv"))
    assert "https://github.com/me/it/raw/main/c.csv" in refused(
        "https://github.com/me/it/blob/main/c.csv")
    assert "an address, not a file" in refused("https://example.com/" + "x" * 5000)
    assert "an address, not a file" in refused("s3://bucket/c.csv")


def test_no_message_holds_a_whole_line_of_the_file(write):
    long = "word " * 5000
    table = tables.read(write(f"{long},{long}\n{long}\n{long},1\n"), long)
    assert all(len(line) <= 400 for line in table.notes + table.problems)
    assert len(refused(write(b"%PDF", "x" * 200 + ".csv"))) <= 400


# What an adversary tried: files of well-known data sets and of programs that people export from.


@pytest.mark.parametrize("content", [
    CSV.replace("\n", "\r\n") + "\x1a",  # the end of a file of DOS
    "\ufeff\ufeff" + CSV,
    "".join("\ufeff" + line for line in CSV.splitlines(True)),
    "text:label\n" + "".join(f"{text}:{label}\n" for text, label in ROWS),
    "text@label\n" + "".join(f"{text}@{label}\n" for text, label in ROWS),
    '"text" "label"\n' + "".join(f'"{i}" "{t}" "{n}"\n' for i, (t, n) in enumerate(ROWS)),
    "| text | label |\n|---|---|\n" + "".join(f"| {t} | {n} |\n" for t, n in ROWS),
    "text,label\n" + "".join(f'"{text},{label}"\n' for text, label in ROWS),
    '"text,label"\n' + "".join(f'"""{text}"",{label}"\n' for text, label in ROWS),
])
def test_unusual_exports_are_read_as_their_rows(write, content):
    table = read(write(content))
    found = table.cells[["text", "label"]].map(str.strip)
    assert found.values.tolist() == ROWS


def test_tweets_and_times_are_not_cut_at_their_signs(write):
    texts = [f"@someone{i} at 10:{i:02d}" for i in range(60)]
    table = read(write("\n".join(texts)), header=False)
    assert cells(table) == [[text] for text in texts]


def test_a_column_of_quoted_texts_keeps_its_commas(write):
    texts = [f"Good, number {i}" for i in range(60)]
    table = read(write("text\n" + "".join(f'"{text}"\n' for text in texts)))
    assert cells(table) == [[text] for text in texts]


def test_a_header_that_stands_again_between_rows_is_left_out_and_said(write):
    table = read(write(CSV + "\ufeff" + CSV))
    assert cells(table) == ROWS + ROWS
    assert "the header stands there again: row 62." in said(table)


def test_a_text_that_is_the_header_of_its_only_column_stays(write):
    assert cells(read(write("text\nGood.\ntext\nBad.\n"))) == [["Good."], ["text"], ["Bad."]]


def test_a_file_of_fasttext_is_read_as_labels_and_texts(write):
    table = read(write("".join(f"__label__{label} {text}\n" for text, label in ROWS), "train.txt"))
    assert table.cells[["text", "label"]].values.tolist() == ROWS
    assert list(table.cells.index)[:2] == [1, 2]
    table = read(write("__label__a __label__b Both.\n__label__a One.\n", "train.txt"))
    assert table.cells["label"].tolist() == [["a", "b"], ["a"]]


def test_few_signs_beyond_ascii_are_western_whatever_stands_beside_them(write):
    lines = [f"Win å£{i}00 now, Ì_ or ÛÒ and some more words in this line" for i in range(60)]
    table = read(write("".join(f"{line}\t1\n" for line in lines).encode("cp1252")), header=False)
    assert table.cells["1"].tolist() == lines
    table = read(write("text,label\n" + "Won£100 or 5£,1\n" * 3))
    assert table.cells["text"].tolist() == ["Won£100 or 5£"] * 3
    table = read(write(("text,label\n" + "Won£100 or 5£,1\n" * 3).encode("cp1252")))
    assert table.cells["text"].tolist() == ["Won£100 or 5£"] * 3


def test_texts_as_bytes_are_read_as_texts(tmp_path):
    path = tmp_path / "mine.parquet"
    pd.DataFrame({"text": [t.encode() for t, _ in ROWS], "label": 1}).to_parquet(path)
    assert cells(read(path)) == [[text, 1] for text, _ in ROWS]


def test_the_first_sheet_with_a_table_is_read_not_one_of_remarks(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["About this workbook"])
    sheet = book.create_sheet("Data")
    for row in [["text", "label"], *TYPED]:
        sheet.append(row)
    book.save(tmp_path / "mine.xlsx")
    table = read(tmp_path / "mine.xlsx")
    assert cells(table) == TYPED
    assert "'Data'" in said(table)


@pytest.mark.parametrize(("content", "words"), [
    (b"@relation r\n@attribute text string\n@data\n'good, I think',pos\n", "Weka"),
    (b"$FL2@(#) SPSS DATA FILE" + bytes(200), "SPSS"),
    (b"\x1f\x8b\x08\x00" + b"\xfe" * 300, "damaged"),
    (gzip.compress(b"X\n\0\0\0\x03" + bytes(99), mtime=0), "R"),
])
def test_files_of_other_programs_are_refused_by_their_name(write, content, words):
    assert words in refused(write(content))


def test_a_folder_says_what_to_do_with_what_is_in_it(tmp_path):
    (tmp_path / "reviews" / "pos").mkdir(parents=True)
    assert "rglob('*.txt')" in refused(tmp_path / "reviews")
    assert "pos" in refused(tmp_path / "reviews")
    assert "empty" in refused(tmp_path / "reviews" / "pos")
    (tmp_path / "reviews" / "state.json").write_text("{}")
    assert "load_from_disk" in refused(tmp_path / "reviews")


@pytest.mark.parametrize(("address", "words"), [
    ("https://docs.google.com/spreadsheets/d/1Ab-C/edit?usp=sharing#gid=7",
     "/d/1Ab-C/export?format=csv&gid=7'"),
    ("https://docs.google.com/spreadsheets/d/1Ab-C/edit", "/d/1Ab-C/export?format=csv'"),
    ("https://drive.google.com/file/d/1Ab-C/view?usp=sharing", "uc?export=download&id=1Ab-C'"),
    ("https://www.dropbox.com/s/x/a.csv?dl=0", "dl=1"),
    ("https://www.kaggle.com/datasets/a/b", "signed in"),
    ("https://huggingface.co/datasets/some/set", "from_hub('some/set'"),
    ("https://huggingface.co/datasets/some/set/blob/main/a.csv", "/some/set/resolve/main/a.csv"),
])
def test_an_address_of_a_page_becomes_one_of_the_file_or_says_the_way(address, words):
    assert words in refused(address)


def test_a_path_is_found_in_quotes_with_variables_and_in_either_form_of_its_letters(
        write, monkeypatch):
    path = write(CSV, "görüş.csv")
    monkeypatch.setenv("MINE", str(path.parent))
    for form in (f'"{path}"', f" {path} ", "$MINE/görüş.csv",
                 unicodedata.normalize("NFD", str(path))):
        assert cells(read(form)) == ROWS


def test_a_link_to_nothing_and_an_empty_path_are_said(tmp_path):
    (tmp_path / "mine.csv").symlink_to(tmp_path / "gone.csv")
    assert "link to a file that is not there" in refused(tmp_path / "mine.csv")
    assert "path is empty" in refused("")
    assert "from_hub" in refused("some/set")


def test_half_an_emoji_in_json_is_said(write):
    rows = "".join(f'{{"text": "{t} \\ud83d", "label": {n}}}\n' for t, n in ROWS)
    table = read(write(rows, "mine.jsonl"))
    assert table.cells["text"].iloc[0] == "Text number 0. \ufffd"
    assert "half of a character was lost" in said(table)


def test_json_with_several_splits_is_refused_with_the_way_out(write):
    content = json.dumps({"train": RECORDS[:40], "test": RECORDS[40:]})
    assert "several tables: train, test" in refused(write(content, "mine.json"))
