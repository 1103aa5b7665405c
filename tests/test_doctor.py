"""The doctor tells the field's failures, each raised here, from others that sound like them."""

import io
import itertools
import json
import re
import subprocess
import sys
import time
import traceback
import tracemalloc

import failures
import pytest
import torch
import transformers
from IPython.core.interactiveshell import InteractiveShell

from helpers import ailments, doctor, paths
from tools import run

transformers.logging.set_verbosity_error()
# What no test can raise here: it takes a GPU, the Hub's anger, or versions that are gone.
ONLY_TOLD = {
    "cuda-assert": """\
RuntimeError: CUDA error: device-side assert triggered
CUDA kernel errors might be asynchronously reported at some other API call.""",
    "too-many-requests": """\
huggingface_hub.errors.HfHubHTTPError: 429 Client Error: Too Many Requests for url: https://x""",
    "half-precision-without-a-gpu": """\
ValueError: fp16 mixed precision requires a GPU (not 'cpu').""",
}
OTHER_WORDS = [  # of failures that are raised here, too
    ("devices-differ", "RuntimeError: Expected all tensors to be on the same device, but found at "
     "least two devices, cuda:0 and cpu! (when checking argument for argument index in method "
     "wrapper_CUDA__index_select)"),
    ("out-of-memory", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 96.00 MiB. "
     "GPU 0 has a total capacity of 14.74 GiB of which 38.12 MiB is free."),
    ("shadowed-module", "AttributeError: module 'transformers' has no attribute 'pipeline' "
     "(consider renaming '/home/me/transformers.py' if it has the same name as a library you "
     "intended to import)"),
    ("encode-plus", "AttributeError: 'RobertaTokenizerFast' object has no attribute "
     "'encode_plus'"),
]
CASES = [(name, function) for name, functions in failures.FAILURES.items()
         for function in functions]
IDS = [f"{name}-{number}" for name, functions in failures.FAILURES.items()
       for number in range(1, len(functions) + 1)]


ON_A_CPU = ("no-cuda", "saved-on-a-gpu")  # a GPU does what they ask for


def raised_by(function, folder):
    """Return the exception of a function, which has to raise one, or the text that it printed."""
    try:
        function(folder)
    except failures.Printed as printed:
        return str(printed)
    except Exception as error:
        return error
    pytest.fail("nothing was raised")


def name_of(found):
    return found and found.ailment and found.ailment.name


def as_text(error):
    return error if isinstance(error, str) else "".join(traceback.format_exception(error))


@pytest.mark.parametrize(("name", "function"), CASES, ids=IDS)
def test_a_failure_is_recognised_as_an_exception_and_from_its_text(name, function, tmp_path):
    if name in ON_A_CPU and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    error = raised_by(function, tmp_path)
    for form in (error, as_text(error)):
        found = doctor.diagnose(form)
        assert name_of(found) == name, str(found)
    first, *others = found.lines
    assert len(others) == 2
    assert re.fullmatch(r"Cause:  \S.*\.|Cause:  \S.*\)", first)
    assert not re.search(r"[{}]|\bthat\b \w+\.$", first)


def test_more_than_thirty_failures_are_raised_and_every_ailment_is_raised_or_only_told():
    names = [ailment.name for ailment in ailments.ALL]
    assert len(names) == len(set(names))
    assert len(failures.FAILURES) >= 30
    assert set(names) == set(failures.FAILURES) | set(ONLY_TOLD)
    assert not set(failures.FAILURES) & set(ONLY_TOLD)


@pytest.mark.parametrize(("name", "text"), [*ONLY_TOLD.items(), *OTHER_WORDS])
def test_what_no_test_can_raise_is_recognised_by_its_words(name, text):
    assert name_of(doctor.diagnose(text)) == name


@pytest.mark.parametrize("function", failures.NEAR.values(), ids=failures.NEAR)
def test_the_same_words_from_another_cause_are_not_mistaken(function, tmp_path):
    error = raised_by(function, tmp_path)
    for form in (error, as_text(error)):
        found = doctor.diagnose(form)
        assert found is not None
        assert name_of(found) is None, str(found)
        assert found.lines[0].startswith("Unknown: I do not know this one. ")


def test_twenty_near_misses_are_tried():
    assert len(failures.NEAR) >= 20


def test_every_ailment_names_a_notebook_by_its_title():
    titles = {path.name[:2]: re.search(r"# \d\d · (.+?)\\n", path.read_text(encoding="utf-8"))[1]
              for path in run.chosen()}
    for ailment in ailments.ALL:
        assert ailments.TITLES[ailment.notebook] == titles[ailment.notebook]


def test_every_replacement_of_an_argument_is_one_that_training_arguments_has():
    known = transformers.TrainingArguments.__dataclass_fields__
    table = next(a for a in ailments.ALL if a.name == "training-argument-gone").instead
    for old, words in table.items():
        new = re.search(r"(?:Write|called) (\w+)", words)
        assert old == "" or old not in known or requirements_are_lower()
        assert not new or new[1] in known or requirements_are_lower()


def requirements_are_lower():
    return transformers.__version__.startswith("5.0.")


# Forms of a traceback

PLAIN = """\
Traceback (most recent call last):
  File "/home/me/train.py", line 12, in <module>
    output = model(**batch)
             ^^^^^^^^^^^^^^
  File "/home/me/lib/python3.12/site-packages/torch/nn/functional.py", line 2546, in embedding
    return torch.embedding(weight, input, padding_idx)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
IndexError: index out of range in self
"""
IPYTHON = """\
---------------------------------------------------------------------------
IndexError                                Traceback (most recent call last)
Cell In[7], line 2
      1 batch = next(iter(loader))
----> 2 output = model(**batch)

File ~/lib/python3.12/site-packages/torch/nn/functional.py:2546, in embedding(input, weight)
   2540     # a comment
-> 2546 return torch.embedding(weight, input, padding_idx)

IndexError: index out of range in self
"""
OLD_IPYTHON = """\
---------------------------------------------------------------------------
IndexError                                Traceback (most recent call last)
<ipython-input-7-0a1b2c3d4e5f> in <module>()
      1 batch = next(iter(loader))
----> 2 output = model(**batch)

/usr/local/lib/python3.7/dist-packages/torch/nn/functional.py in embedding(input, weight)
   2540     # a comment
-> 2546     return torch.embedding(weight, input, padding_idx)

IndexError: index out of range in self
"""
PYTEST = """\
    def test_training():
>       train(3)

tests/test_train.py:5:
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _

    def embedding(input, weight):
>       return torch.embedding(weight, input, padding_idx)
E       IndexError: index out of range in self

/home/me/lib/python3.12/site-packages/torch/nn/functional.py:2546: IndexError
=========================== short test summary info ============================
FAILED tests/test_train.py::test_training - IndexError: index out of range in self
"""
ESCAPED = PLAIN.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
RED = "\x1b[0;31m"


def each_line(text, before, after=""):
    return "".join(f"{before(i) if callable(before) else before}{line}{after}\n"
                   for i, line in enumerate(text.splitlines()))


def translated(**words):
    text = PLAIN
    for old, new in words.values():
        assert old in text
        text = text.replace(old, new)
    return text


FORMS = {
    "Python": PLAIN,
    "IPython": IPYTHON,
    "an older IPython": OLD_IPYTHON,
    "pytest": PYTEST,
    "Windows": PLAIN.replace("/home/me/lib/python3.12/", "C:\\Users\\Zoë\\venv\\Lib\\").replace(
        "torch/nn/", "torch\\nn\\").replace("/home/me/", "D:\\my work\\").replace("\n", "\r\n"),
    "IPython on Windows": IPYTHON.replace("~/lib/python3.12/", "C:\\venv\\Lib\\").replace(
        "torch/nn/", "torch\\nn\\"),
    "coloured": each_line(IPYTHON, RED, "\x1b[0m"),
    "colours without their escape": each_line(IPYTHON, "[0;31m", "[0m"),
    "colours as a notebook file has them": json.dumps(each_line(PLAIN, RED, "\x1b[0m")),
    "time and level before each line": each_line(
        PLAIN, lambda i: f"2026-11-26 06:00:{i:02d},123 | ERROR | worker 3 | "),
    "rank before each line": each_line(PLAIN, "[rank0]: "),
    "a container's name before each line": each_line(PLAIN, "trainer-1  | "),
    "time before the first line": f"2026-11-26 06:00:00 ERROR it failed: {PLAIN}2026-11-26 x y\n",
    "behind a progress bar": "  3%|▎    | 1/40 [00:00<00:09,  4.1it/s]" + PLAIN,
    "German": translated(a=("Traceback (most recent call last)", "Rückverfolgung (letzter Aufruf "
                            "zuletzt)"), b=('File "', 'Datei "'), c=(", line ", ", Zeile ")),
    "French, coloured": each_line(translated(
        a=("Traceback (most recent call last)", "Trace (dernier appel en dernier)"),
        b=('File "', 'Fichier "'), c=(", line ", ", ligne "), d=(", in ", ", dans ")), RED),
    "Chinese": translated(
        a=("Traceback (most recent call last):", "回溯（最近一次调用最后）："),
        b=('File "', '文件 "'), c=('", line ', '"，第 '), d=(", in ", " 行，在 ")),
    "a web page": f"<!doctype html><html><body><h1>Error</h1><pre>{ESCAPED}</pre></body></html>",
    "a web page in one line": "<html><body><div>{}</div></body></html>".format(
        ESCAPED.replace("\n", "<br>")),
    "a page with marked code": "<html><pre>{}</pre></html>".format(
        ESCAPED.replace("IndexError", '<span class="ansi-red-fg">IndexError</span>')),
    "JSON": json.dumps({"level": "error", "exc_info": PLAIN}),
    "a question": f"Hello, this came up, what do I do?\n\n{PLAIN}\nThanks, Bo",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_traceback_is_read_in_the_form(form):
    found = doctor.diagnose(FORMS[form])
    assert name_of(found) == "id-outside-the-vocabulary"
    assert found.raised.message == "index out of range in self"


STORED = {"cells": [{"outputs": [{"output_type": "error", "traceback": each_line(
    IPYTHON, RED, "\x1b[0m").split("\n")}]}]}
GROUP = each_line("-" * 20 + " 1 " + "-" * 20 + "\n" + PLAIN, "    | ")


def test_a_notebook_file_with_a_stored_error_and_a_group_of_exceptions_are_read():
    for text in (json.dumps(STORED, indent=1), GROUP):
        assert name_of(doctor.diagnose(text)) == "id-outside-the-vocabulary"


@pytest.mark.parametrize("form", ["Python", "IPython", "an older IPython", "pytest"])
def test_in_every_form_the_frames_decide(form):
    text = FORMS[form].replace("torch/nn/functional.py", "mine/lookup.py")
    assert name_of(doctor.diagnose(text)) is None


def test_the_message_alone_is_enough_where_no_frame_is_needed():
    assert name_of(doctor.diagnose("IndexError: Target 2 is out of bounds.")) == (
        "label-out-of-range")
    assert name_of(doctor.diagnose("IndexError: index out of range in self")) is None


CHAIN = """\
Traceback (most recent call last):
  File "/x/site-packages/transformers/tokenization_utils_base.py", line 1, in as_tensor
    return torch.tensor(value)
ValueError: too many dimensions 'str'

{}

Traceback (most recent call last):
  File "/x/train.py", line 3, in <module>
    collate(rows)
ValueError: Unable to create tensor, you should probably activate truncation and/or padding.
"""


@pytest.mark.parametrize("sentence", [
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
    "Die obige Ausnahme war die direkte Ursache der folgenden Ausnahme:",
    "上述异常是以下异常的直接原因：",
])
def test_of_a_chain_the_cause_is_found_and_not_the_last_line(sentence):
    found = doctor.diagnose(CHAIN.format(sentence))
    assert name_of(found) == "labels-as-strings"
    assert "the last line followed from it" in found.lines[0]


@pytest.mark.parametrize("before", [
    "trainer-1  | ", "> ", "    ", "[rank0]: ", lambda i: f"2026-11-26T06:00:{i:02d}.123Z   ",
    lambda i: f"Nov 26 06:00:{i:02d} host app[{i}]: ",
])
def test_of_a_chain_with_something_before_each_line_the_cause_is_found(before):
    sentence = "The above exception was the direct cause of the following exception:"
    found = doctor.diagnose(each_line(CHAIN.format(sentence), before))
    assert name_of(found) == "labels-as-strings"


def test_two_tracebacks_that_are_no_chain_are_two_and_the_last_one_counts():
    text = CHAIN.format("2026-11-26 06:00:00 the next try:")
    assert name_of(doctor.diagnose(text)) == "rows-of-different-lengths"
    assert name_of(doctor.diagnose(PLAIN + "\n" + CHAIN.format("x"))) == (
        "rows-of-different-lengths")


def test_the_cause_is_found_below_an_error_of_ones_own():
    def load():
        try:
            failures.gpt2_tokenizer()(failures.ROWS["text"], padding=True)
        except ValueError as error:
            raise RuntimeError("my training failed") from error

    for form in (raised_by(lambda _: load(), None), as_text(raised_by(lambda _: load(), None))):
        assert name_of(doctor.diagnose(form)) == "no-pad-token"


def test_a_worker_s_traceback_within_a_message_is_read():
    inner = PLAIN.replace("Traceback", "Original Traceback")
    text = ('Traceback (most recent call last):\n  File "/x/train.py", line 3, in <module>\n'
            "    next(rows)\nIndexError: Caught IndexError in DataLoader worker process 0.\n"
            + inner)
    assert name_of(doctor.diagnose(text)) == "id-outside-the-vocabulary"


def test_exceptions_that_are_each_other_s_cause_end():
    first, second = ValueError("a"), TypeError("b")
    first.__cause__, second.__cause__ = second, first
    assert name_of(doctor.diagnose(first)) is None


# Bad input


@pytest.mark.parametrize("text", [
    "", "\n\n", "Hello.", "<html><body>Nothing here</body></html>", "\0" * 5000, "é" * 70_000,
    "Note: the file is new\nTime: 06:00", "Traceback (most recent call last):\n",
    'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n',
    "FutureWarning: this will change",
])
def test_a_text_without_a_traceback_is_said_to_have_none(text, capsys):
    assert doctor.diagnose(text) is None
    doctor.explain(text or None)


def test_every_beginning_of_a_traceback_is_survived():
    for text in (PLAIN, IPYTHON, PYTEST, CHAIN, FORMS["a web page"]):
        for end in range(0, len(text), 7):
            doctor.diagnose(text[:end])


class Log(io.TextIOBase):
    """A text file of any size that is made while it is read."""

    def __init__(self, *parts):
        self.parts, self.rest = itertools.chain(*parts), ""

    def read(self, size=-1):
        while len(self.rest) < size:
            part = next(self.parts, None)
            if part is None:
                break
            self.rest += part
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken


STEPS = "2026-11-26 06:00:00,123 INFO step 12: loss 0.6931, rate 1e-05, file by file\n" * 13_000
ROWS = json.dumps({"step": 12, "loss": 0.6931, "tokens": ["a", "b"], "file": "x.py"}) * 10 + "\n"


@pytest.mark.parametrize(("before", "after"), [
    ([STEPS] * 50, [STEPS] * 50), ([], [STEPS] * 100), (["x" * 1_000_000] * 100, ["\n"]),
    ([ROWS * 1000] * 50, [ROWS * 1000] * 50),
], ids=["in the middle", "at the start", "after one line", "in JSON lines"])
def test_a_log_of_100_mb_takes_seconds_and_little_memory(before, after):
    tracemalloc.start()
    start = time.process_time()
    found = doctor.diagnose(Log(before, ["\n" + PLAIN], after))
    took, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert name_of(found) == "id-outside-the-vocabulary"
    assert took < 15
    assert peak < 60e6


def test_of_many_tracebacks_the_last_one_counts():
    found = doctor.diagnose(Log([PLAIN * 1000] * 20, [CHAIN.format("x")]))
    assert name_of(found) == "rows-of-different-lengths"


# Doors


def command(*arguments, text=b""):
    done = subprocess.run([sys.executable, "-m", "helpers.doctor", *arguments], input=text,
                          cwd=paths.ROOT, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize(("encoding", "newline"), [
    ("utf-8", "\n"), ("utf-8-sig", "\r\n"), ("utf-16", "\r\n"), ("utf-16-le", "\n")])
def test_the_command_reads_what_is_piped_in_and_files_in_the_encodings_of_shells(
    encoding, newline, tmp_path
):
    text = PLAIN.replace("\n", newline).encode(encoding)
    (tmp_path / "x.log").write_bytes(text)
    for status, out, err in (command(text=text), command(str(tmp_path / "x.log"))):
        assert (status, err) == (0, "")
        assert [line.partition(":")[0] for line in out.splitlines()] == [
            "Cause", "Repair", "Taught"]


def test_the_status_says_whether_the_failure_is_known_and_there_is_one(tmp_path):
    assert command(text=b"KeyError: 3")[0] == 1
    assert command(text=b"")[0] == 2
    assert command(text=bytes(range(256)) * 50)[0] == 2
    status, out, err = command(str(tmp_path / "nothing.log"))
    assert (status, out) == (2, "")
    assert "nothing.log cannot be read: No such file" in err


def test_the_command_needs_nothing_that_is_not_python_s_own():
    program = (f"import sys; sys.path.insert(0, {str(paths.ROOT)!r}); "
               "from helpers import doctor; print(doctor.diagnose('KeyError: 3'))")
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True,
                          capture_output=True, text=True)
    assert "KeyError: 3" in done.stdout


def test_explain_takes_the_exception_that_is_being_handled_or_the_last_one(monkeypatch, capsys):
    for name in ("last_exc", "last_value"):
        monkeypatch.setattr(sys, name, None, raising=False)
    doctor.explain()
    assert "No exception has been raised here yet" in capsys.readouterr().out
    monkeypatch.setattr(sys, "last_value", IndexError("Target 2 is out of bounds."), raising=False)
    doctor.explain()
    assert "num_labels" in capsys.readouterr().out
    try:
        int("four")
    except ValueError:
        doctor.explain()
    assert "I do not know this one" in capsys.readouterr().out
    doctor.explain(PLAIN)
    assert "embedding table" in capsys.readouterr().out


def test_in_ipython_explain_and_the_magic_speak_of_the_cell_that_failed(capsys):
    shell = InteractiveShell()
    shell.run_cell("import torch\ntorch.tensor([1, None])")
    shell.run_cell("from helpers import doctor\ndoctor.explain()")
    assert "Cause:  There is None among the numbers" in capsys.readouterr().out
    shell.run_line_magic("load_ext", "helpers.doctor")
    shell.run_line_magic("doctor", "")
    assert "Cause:  There is None among the numbers" in capsys.readouterr().out
