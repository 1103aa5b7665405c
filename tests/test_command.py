"""What commands share: options that say how to read a file, and their words."""

import argparse
import time

import pytest

from helpers import command


@pytest.mark.parametrize(("written", "said"), [
    ("leave such rows out with drop_empty=True.", "leave such rows out with --drop-empty."),
    ("or say header=False if", "or say --no-header if"),
    ("clean=True takes it out", "--clean takes it out"),
    ("Then say text='a', label='b c'.", "Then say --text a --label 'b c'."),
    ('Say text="it\'s".', """Say --text 'it'"'"'s'."""),
    ("name the encoding: encoding=…", "name the encoding: --encoding …"),
    ("such as encoding='cp1252'.", "such as --encoding cp1252."),
    ("Take a part with share=0.1.", "Take a part with --share 0.1."),
    ("max_length=512 cuts none, but", "--max-length 512 cuts none, but"),
    ("task='number' predicts", "--task number predicts"),
    ("keep='tail' reads", "--long tail reads"),
    ("Leave task=… out", "Leave --task … out"), ("label='a,b'", "--label a,b"),
    ("The text is empty in row 7.", "The text is empty in row 7."),
    ("context=5 and texts='a'", "context=5 and texts='a'"),
])
def test_the_words_of_a_notebook_become_those_of_the_command_line(written, said):
    assert command.said(written) == said


def test_what_a_block_prints_comes_in_those_words_also_if_it_fails(capsys):
    with pytest.raises(KeyError), command.printed_as_options():
        print("Left out with drop_empty=True: row 7.")
        raise KeyError
    assert capsys.readouterr().out == "Left out with --drop-empty: row 7.\n"


def read(*given):
    parser = argparse.ArgumentParser()
    command.data_options(parser)
    return parser.parse_args(given)


def test_the_options_are_those_of_texts_load():
    assert command.reading(read()) == {
        "text": None, "label": None, "task": None, "header": True, "encoding": None,
        "drop_empty": False, "clean": False, "share": 1.0,
    }
    given = read("--data", "a.csv", "--text", "t", "--label", "l", "--task", "class",
                 "--no-header", "--encoding", "cp1252", "--drop-empty", "--clean", "--share",
                 "0.5")
    assert given.data == "a.csv"
    assert command.reading(given) == {
        "text": "t", "label": "l", "task": "class", "header": False, "encoding": "cp1252",
        "drop_empty": True, "clean": True, "share": 0.5,
    }


@pytest.mark.parametrize("share", ["0", "1.5", "-1", "nan", "half"])
def test_a_share_is_above_0_and_at_most_1(share, capsys):
    with pytest.raises(SystemExit):
        read("--share", share)
    assert "is not a number above 0, up to 1" in capsys.readouterr().err


def test_a_stage_is_shown_while_it_lasts_and_leaves_no_line(capsys):
    with command.stage("reading"):
        assert "reading … 00:00" in capsys.readouterr().err
        time.sleep(1.2)
        assert "reading … 00:01" in capsys.readouterr().err
    assert "\n" not in capsys.readouterr().err
    with command.stage("reading", progress=False):
        pass
    assert not capsys.readouterr().err
