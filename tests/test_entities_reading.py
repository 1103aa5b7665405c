"""Files of other programs, ten and more awkward ones a format, each equal to a truth made by hand.

`cases_entities/FORMAT/truth.json` has, for each file, its sentences as they are to be read, with
the entities in brackets, or the words of the refusal.
"""

import json
import random
import shutil
from pathlib import Path

import pytest
from entity_markup import made

from helpers.entities import reading, spans
from helpers.errors import LearnerError

CASES = Path(__file__).with_name("cases_entities")
TRUTHS = {path.parent.name: json.loads(path.read_text(encoding="utf-8"))
          for path in sorted(CASES.glob("*/truth.json"))}
FILES = [(kind, name) for kind, truth in TRUTHS.items() for name in truth]


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_a_file_is_read_as_its_truth_says_or_refused_with_its_line(kind, name):
    truth = TRUTHS[kind][name]
    if isinstance(truth, dict):
        with pytest.raises(LearnerError) as raised:
            reading.read(CASES / kind / name)
        assert truth["refused"] in str(raised.value)
        assert len(str(raised.value).splitlines()) <= 2
        return
    found = reading.read(CASES / kind / name)
    assert [str(s) for s in found.sentences] == truth
    for sentence, markup in zip(found.sentences, truth, strict=True):
        assert sentence.entities == spans.sentence(sentence.text, sentence.entities)[0].entities
        assert made(markup).entities == sentence.entities
    assert reading.has_entities(CASES / kind / name)


def test_every_format_has_ten_files_or_more_and_refusals_among_them():
    assert len(TRUTHS) == 10
    for kind, truth in TRUTHS.items():
        assert len(truth) >= 10, kind
        assert any(isinstance(each, dict) for each in truth.values()), kind
        there = {path.name for path in (CASES / kind).iterdir() if path.suffix != ".json"
                 or path.name != "truth.json"}
        assert {name for name in there if not name.endswith(".txt") or kind != "brat"} == set(
            truth)


def notes_of(kind, name):
    return "\n".join(reading.read(CASES / kind / name).notes)


@pytest.mark.parametrize(("kind", "name", "said"), [
    ("spans", "02_emoji_counted_twice.jsonl", "offsets count units of UTF-16."),
    ("spans", "03_bytes.jsonl", "offsets count bytes of UTF-8."),
    ("spans", "04_end_included.jsonl", "offsets count characters, the end included."),
    ("spans", "05_counted_from_one.jsonl", "offsets count characters, from 1."),
    ("spans", "06_blanks_at_the_border.jsonl", "line 1: blanks around 'Anna Holt' are left out"),
    ("spacy", "07_unsorted_and_twice.json", "line 1: 'Ben' is marked twice as person"),
    ("prodigy", "02_rejected_and_ignored.jsonl", "its answer is 'reject': line 1."),
    ("prodigy", "06_an_empty_text.jsonl", "the text is empty: line 1."),
    ("doccano", "07_windows_encoding.jsonl", "read as cp1252"),
    ("label_studio", "03_skipped_and_empty.json", "nobody has marked it: 2 records (lines 1, 1)"),
    ("label_studio", "04_two_annotators.json", "another one has marked the same text before"),
    ("brat", "04_relations_and_notes.ann", "relations, attributes and notes are not read: 4"),
    ("brat", "05_in_two_parts.ann", "1 entity in several parts, such as line 1"),
    ("conll2", "04_iob1.txt", "columns of words and tags in column 2, IOB1; 1 sentence"),
    ("conll2", "07_types_alone.txt", "types in column 2, types; 1 sentence, 2 entities (PER 1"),
    ("conllu", "01_tags_in_misc.conllu", "tags in column 10, IOB2"),
])
def test_what_was_found_out_and_left_out_is_said(kind, name, said):
    assert said in notes_of(kind, name)


def test_a_folder_of_brat_is_read_whole_and_a_mark_file_alone_is_refused(tmp_path):
    for name in ("01_plain", "06_over_a_line_end"):
        for ending in (".txt", ".ann"):
            shutil.copy(CASES / "brat" / f"{name}{ending}", tmp_path)
    assert len(reading.read(tmp_path).sentences) == 4
    assert reading.read(tmp_path / "01_plain.txt").sentences == reading.read(
        tmp_path / "01_plain.ann").sentences
    (tmp_path / "01_plain.txt").unlink()
    with pytest.raises(LearnerError, match=r"01_plain.ann has no text beside it"):
        reading.read(tmp_path)


@pytest.mark.parametrize(("content", "said"), [
    ("text,label\nI like it,1\nI do not,0\n", "is of no format with entities"),
    ("Just a text.\nAnd another one, longer than that.\n", "is of no format with entities"),
    ('{"text": "I like it", "stars": 1}\n', "line 1: no record has marks"),
    ('{"stars": 1}\n', "line 1: the record has no text"),
    ('{"text": "Osk", "entities": {"0": 1}}\n', "no record has marks"),
    ("[1, 2]\n", "line 1: [1, 2] is no text with marks"),
    ('["Osk", {"entities": 5}]', "line 1: 5 is no list of marks"),
])
def test_a_file_of_another_kind_is_refused_with_what_is_known(tmp_path, content, said):
    (tmp_path / "mine.txt").write_text(content)
    with pytest.raises(LearnerError) as raised:
        reading.read(tmp_path / "mine.txt")
    assert said in str(raised.value)
    assert not reading.has_entities(tmp_path / "mine.txt")


def test_a_table_is_no_file_of_entities(tmp_path):
    import pandas as pd

    pd.DataFrame({"text": ["a"]}).to_parquet(tmp_path / "mine.parquet")
    with pytest.raises(LearnerError, match="is a table, and entities come in other files"):
        reading.read(tmp_path / "mine.parquet")
    assert not reading.has_entities(tmp_path / "mine.parquet")


def changed(content, generator):
    """Return bytes that are cut off, or in which a part is missing, doubled or another one."""
    start, end = sorted(generator.sample(range(len(content) + 1), 2))
    end = min(end, start + 12)
    return generator.choice([
        content[:start], content[:start] + content[end:], content[:end] + content[start:],
        content[:start] + generator.choice([b"\n", b"\t", b'"', b"]", b"0", b"\xff", b"null"])
        + content[end:]])


@pytest.mark.parametrize("kind", TRUTHS)
def test_a_damaged_file_is_read_or_refused_in_a_line_or_two_and_nothing_else(kind, tmp_path):
    generator = random.Random(kind)
    refused = 0
    for name in TRUTHS[kind]:
        for file in CASES.glob(f"{kind}/{Path(name).stem}.*"):
            shutil.copy(file, tmp_path)
        file = tmp_path / name
        for content in [changed(file.read_bytes(), generator) for _ in range(25)
                        if file.stat().st_size > 1]:
            file.write_bytes(content)
            try:
                found = reading.read(file)
            except LearnerError as error:
                refused += 1
                assert len(str(error).splitlines()) <= 2
                continue
            for sentence in found.sentences:  # what is read is right in itself
                assert spans.sentence(sentence.text, sentence.entities, id=sentence.id,
                                      kind=sentence.kind) == (sentence, [])
    assert refused > 10
