"""The project's commands.

python -m helpers lab        open JupyterLab on the notebooks
python -m helpers run        run every notebook from top to bottom, without a browser
python -m helpers test       run the tests
python -m helpers preflight  say what this machine has and what it lacks
python -m helpers finetune   fine-tune a model on your own texts
python -m helpers predict    let a fine-tuned model answer to texts
python -m helpers stamp      write the repository's address into everything that names it
python -m helpers site       build the site of the series from notebooks and documents
python -m helpers pack       put all that a class without a network needs into a folder
python -m helpers benchmark  time several training recipes against each other on this machine
python -m helpers pretrain   pretrain a small GPT-2 on a folder of texts

The first three, `finetune` and `predict` install what is missing: into the active environment, or
else into the folder .venv, which they make. On Linux, --cpu or --gpu behind one of them says which
build of torch is installed: the small one, or the one for NVIDIA cards. Whatever else follows a
command is passed on: `pack --help` says what `pack` takes; behind `lab` stand JupyterLab's
arguments, behind `test` those of pytest, which runs in several processes (`-n 0`: in one).
"""

import contextlib
import os
import signal
import subprocess
import sys

from helpers import environment, paths, requirements
from helpers.errors import LearnerError

PROGRAMS = {
    "lab": ["jupyter", "lab", "notebooks"],
    "run": ["tools.run"],
    "test": ["pytest", "--numprocesses=auto", "--dist=loadfile", "--no-loadscope-reorder"],
    "preflight": ["helpers.preflight"],
    "finetune": ["helpers.finetune"],
    "predict": ["helpers.predict"],
    "stamp": ["tools.stamp"],
    "site": ["tools.site"],
    "pack": ["tools.pack"],
    "benchmark": ["making.benchmark"],
    "pretrain": ["making.pretraining"],
}
INSTALLING = ("lab", "run", "test", "finetune", "predict")
IN_THE_PROJECT = ("lab", "run", "test")  # wherever they are called from
INTERRUPTED = 130  # as a shell reports Ctrl+C


def main(arguments=None):
    """Run one command; returns its exit status."""
    command, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    wants_help = bool({"-h", "--help"} & {command, *rest})
    if command not in PROGRAMS:
        print(__doc__ if wants_help else f"No command is called {command}.\n\n{__doc__}")
        return 0 if wants_help else 2
    if not (paths.ROOT / "tools" / "run.py").is_file():  # the package alone
        print(f"`{command}` needs the project's repository, not the package alone: clone it, and "
              "give the command in its folder.", file=sys.stderr)
        return 2
    try:
        installing = command in INSTALLING and not wants_help
        if python := environment.other(make=installing):
            return start("helpers", command, *rest, python=python)
        if command not in INSTALLING:
            return start(*PROGRAMS[command], *rest)
        if wants_help and requirements.missing():
            print(__doc__)
            return 0
        build, rest = build_of_torch(rest)
        folder = paths.ROOT if command in IN_THE_PROJECT else None
        return install(build) or start(*PROGRAMS[command], *rest, folder=folder)
    except LearnerError as error:
        print(error, file=sys.stderr)
        return 2


def build_of_torch(arguments):
    """Return the build of torch that arguments wish for, "cpu", "gpu" or None, and the others."""
    wishes = [word for word in arguments if word in ("--cpu", "--gpu")]
    others = [word for word in arguments if word not in wishes]
    return (wishes[-1][2:] if wishes else None), others


def install(build=None):
    """Install what is missing of requirements.txt, if it may; returns an exit status.

    Raises LearnerError where that cannot be done.
    """
    missing = requirements.missing()
    if not missing:
        return note_build(build)
    if requirements.as_installed():
        print(f"Missing or too old: {', '.join(missing)}. VERSIONS is set, so nothing was "
              "installed.", file=sys.stderr)
        return 1
    environment.check_machine()
    environment.check_pip()
    print(f"Installing {', '.join(missing)}", flush=True)
    index = environment.torch_index(build) if "torch" in missing else None
    if requirements.installed("torch") is None:
        sizes = environment.sizes(index)
        environment.check_room(sizes)
        print(f"About {' or '.join(f'{size.download} GB' for size in sizes)} to download; with "
              f"it, {' or '.join(f'{size.disk:.1f} GB' for size in sizes)} of disk", flush=True)
    extra = ["--extra-index-url", index] if index else []
    status = start("pip", "install", "-r", "requirements.txt", *extra, folder=paths.ROOT)
    if status and status != INTERRUPTED:
        print("\nThe installation did not end well. SETUP.md lists what pip says, and what to do."
              f"{environment.doubt()}", file=sys.stderr)
    return status


def note_build(build):
    """Say so if torch is there in another build than the one wished for; returns 0."""
    if build and sys.platform == "linux" and (build == "cpu") != requirements.is_for_cpu():
        print(f"--{build} came too late: torch is installed in its other build. To have this one, "
              f"delete the folder {sys.prefix} and give the command again.")
    return 0


def start(module, *arguments, folder=None, python=sys.executable):
    """Run `python -m module` in a folder (by default the current one); returns its exit status.

    Modules of the repository go before those in that folder. A request to terminate is passed on.
    """
    command = [python, "-P", "-m", module, *arguments]
    process = subprocess.Popen(command, cwd=folder,
                               env={**os.environ, "PYTHONPATH": paths.python_path()})
    interrupted = False
    with contextlib.suppress(ValueError):  # not in the main thread, which alone gets signals
        signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number))
    while process.poll() is None:
        try:
            process.wait()
        except KeyboardInterrupt:  # reaches the program, too, which ends in its own way
            interrupted = True
    if interrupted:
        return INTERRUPTED
    killed = process.returncode < 0  # by a signal, which a shell reports as 128 and its number
    return 128 - process.returncode if killed else process.returncode


if __name__ == "__main__":
    sys.exit(main())
