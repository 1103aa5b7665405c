"""Is this machine ready, what will run on it, and how long will it take?

In a notebook: `preflight.report()`. In a terminal: `python -m helpers.preflight`, with exit
status 0 if everything that the notebooks need is there, else 1. With `--json` it prints the same
for a program, such as one that collects the answers of a class.
"""

import argparse
import json
import statistics
import sys
import time
from dataclasses import asdict

from helpers import findings, paths

PAGE = "def double(numbers):\n    return [2 * n for n in numbers if n > 0]\n" * 40


def report(calibrate=True):
    """Print what was found, what is missing, and the seconds that each notebook will take.

    Returns True if everything that the notebooks need is there.
    """
    found = findings.look()
    for finding in found:
        print(finding)
    ready = not any(finding.missing for finding in found)
    if ready and calibrate:
        print(_predicted_times())
    print("Ready." if ready else "Not ready: see the lines marked NO.")
    return ready


def as_json(calibrate=True):
    """Return what `report` prints as a dictionary: `ready`, `findings`, `seconds`."""
    found = findings.look()
    ready = not any(finding.missing for finding in found)
    return {
        "ready": ready,
        "findings": [asdict(f) | {"missing": f.missing} for f in found],
        "seconds": predicted_seconds() if ready and calibrate else {},
    }


def speeds():
    """Measure this machine for a second; returns {"training": …, "python": …}, times a second.

    `training` are steps of a small encoder layer, on the device that the notebooks train on;
    `python` is compiling a page of code, which a second core speeds up as little as importing.
    """
    return {
        "training": _times_a_second(_training_step(), 0.7),
        "python": _times_a_second(lambda: compile(PAGE, "page", "exec"), 0.3),
    }


def _training_step():
    """Return a function that takes one training step of a small encoder layer."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(384, 12, 1536, batch_first=True).to(device)
    inputs = torch.randn(16, 24, 384, generator=generator).to(device)

    def step():
        loss = layer(inputs).sum()
        loss.backward()
        loss.item()  # waits until a GPU is done

    for _ in range(3):
        step()
    return step


def _times_a_second(function, seconds):
    """Call a function for so long; what else the machine does for a moment is not to count."""
    spent, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or not spent:
        start = time.perf_counter()
        function()
        spent.append(time.perf_counter() - start)
    return 1 / statistics.median(spent)


def rescaled(record, here):
    """Return the seconds of a recorded run, by notebook, as if it had been made at speeds `here`.

    Starting up (importing, above all) goes with the speed of Python, the rest with that of
    training: a GPU or sixteen cores shorten that alone.
    """
    ratio = {kind: record["speeds"][kind] / speed for kind, speed in here.items()}
    seconds = {}
    for name, spent in record["seconds"].items():
        startup = min(record["startup"], spent)
        seconds[name] = startup * ratio["python"] + (spent - startup) * ratio["training"]
    return seconds


def predicted_seconds():
    """Return the seconds that each notebook will take here: a dictionary from name to seconds.

    Scales the times of the recorded run by the speeds of this machine, measured now; empty if
    there is no recorded run.
    """
    timings = paths.REFERENCE / "timings.json"
    if not timings.is_file():  # as before the notebooks have been stored for the first time
        return {}
    record = json.loads(timings.read_text(encoding="utf-8"))
    return {name: round(spent) for name, spent in rescaled(record, speeds()).items()}


def _predicted_times():
    lines = ["", "Seconds that each notebook takes here, with the small checkpoints:"]
    lines += [f"    {name:<28}{seconds:>4}" for name, seconds in predicted_seconds().items()]
    return "\n".join(lines)


def main(arguments=None):
    """Print the report, or with `--json` the same for programs; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m helpers.preflight", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    if not parser.parse_args(arguments).json:
        return 0 if report() else 1
    answer = as_json()
    print(json.dumps(answer, indent=1))
    return 0 if answer["ready"] else 1


if __name__ == "__main__":
    sys.exit(main())
