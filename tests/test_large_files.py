"""A file as large as people's: read, reported and trained on within a laptop's memory."""

import random
import sys
import textwrap

import psutil
import pytest

from helpers import paths
from helpers.measure import Measured

pytestmark = pytest.mark.slow
GB = 1e9


def write(file, count, data):
    """Write so many different texts of about 1.2 kB, made of the project's reviews."""
    draw, reviews = random.Random(0), data["train"]["text"][:]
    with file.open("w", encoding="utf-8") as opened:
        opened.write("text,label\n")
        for number in range(count):
            text, length = [f"Number {number}."], 0
            while length < 1_150:
                text.append(draw.choice(reviews).replace('"', "'"))
                length += len(text[-1]) + 1
            opened.write(f'"{" ".join(text)}",{draw.choice(("bad", "good"))}\n')
    return file


def measured(program, *arguments):
    """Run a program in a process of its own; returns its seconds, its peak in GB and its words."""
    command = [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)]
    with Measured() as cost:
        started = psutil.Popen(command, cwd=paths.ROOT, stdout=-1, text=True)
        cost.pid, cost.peak = started.pid, 0
        said, _ = started.communicate()
    assert started.returncode == 0
    return cost.seconds, cost.peak / GB, said


def test_fifty_thousand_texts_are_read_and_reported_in_seconds(data, tmp_path, record_property):
    file = write(tmp_path / "large.csv", 50_000, data)
    assert 55e6 < file.stat().st_size < 70e6
    seconds, peak, said = measured("""
        import sys
        from transformers import AutoTokenizer
        from helpers import checkpoints, texts

        tokenizer = AutoTokenizer.from_pretrained(checkpoints.find("bert").path)
        print(texts.report(texts.load(sys.argv[1]), tokenizer))
    """, file)
    record_property("seconds", round(seconds, 1))
    record_property("GB", round(peak, 2))
    print(f"{seconds:.1f} s, {peak:.2f} GB")
    assert "50,000 texts, 2 classes" in said
    assert peak < 1.5
    assert seconds < 90  # on two quiet cores below 20


def test_the_first_steps_on_a_large_file_stay_below_four_gigabytes(data, tmp_path):
    file = write(tmp_path / "large.csv", 20_000, data)  # frozen outputs of all: 3.4 GB
    _, peak, said = measured("""
        import sys
        from helpers import finetune

        def stop(curve):
            if len(curve.loss) == 20:
                print("twenty steps")
                sys.exit()

        options = finetune.parser().parse_args(
            ["--data", sys.argv[1], "--output", sys.argv[2], "--precision", "fp32"])
        finetune.finetune(options, progress=False, on_step=stop)
    """, file, tmp_path / "model")
    print(f"{peak:.2f} GB")
    assert said.endswith("twenty steps\n")
    assert peak < 4
