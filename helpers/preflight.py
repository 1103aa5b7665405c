"""Is this machine ready, what will run on it, and how long will it take?

In a notebook: `preflight.report()`. In a terminal: `python -m helpers.preflight`, with exit
status 0 if everything that the notebooks need is there, else 1. With `--json` it prints the same
for a program, such as one that collects the answers of a class.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict

from helpers import findings, paths


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


def calibration(seconds=1.0):
    """Return how many training steps of a small encoder layer this machine does in a second."""
    import torch

    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(384, 12, 1536, batch_first=True)
    inputs = torch.randn(16, 24, 384, generator=generator)
    for _ in range(3):
        layer(inputs).sum().backward()
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        layer(inputs).sum().backward()
        steps += 1
    return steps / (time.perf_counter() - start)


def predicted_seconds():
    """Return the seconds that each notebook will take here: a dictionary from name to seconds.

    Scales the times of the recorded run by the speed of this machine, measured now; empty if
    there is no recorded run.
    """
    timings = paths.DATA / "reference" / "timings.json"
    if not timings.is_file():  # as before the notebooks have been stored for the first time
        return {}
    recorded = json.loads(timings.read_text(encoding="utf-8"))
    ratio = recorded["calibration"] / calibration()
    return {name: round(entry * ratio) for name, entry in recorded["seconds"].items()}


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
