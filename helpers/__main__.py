"""The project's commands.

python -m helpers lab        open JupyterLab on the notebooks
python -m helpers run        run every notebook from top to bottom, without a browser
python -m helpers test       run the tests
python -m helpers stamp      write the repository's address into everything that names it
python -m helpers pack       put all that a class without a network needs into a folder
python -m helpers benchmark  time several training recipes against each other on this machine
python -m helpers pretrain   pretrain a small GPT-2 on a folder of texts

The first three install what is missing. What follows a command is passed on: `pack --help` says
what `pack` takes; behind `lab` stand JupyterLab's arguments, behind `test` those of pytest.
"""

import os
import subprocess
import sys

from helpers import paths, requirements
from helpers.errors import LearnerError

PROGRAMS = {
    "lab": ["jupyter", "lab", "notebooks"],
    "run": ["tools.run"],
    "test": ["pytest", "--numprocesses=auto", "--dist=loadfile", "--no-loadscope-reorder"],
    "stamp": ["tools.stamp"],
    "pack": ["tools.pack"],
    "benchmark": ["making.benchmark"],
    "pretrain": ["making.pretraining"],
}
INSTALLING = ("lab", "run", "test")  # and working in the project's folder


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
    program = [*PROGRAMS[command], *rest]
    if command not in INSTALLING:
        return start(*program)
    try:
        if wants_help and requirements.missing():
            print(__doc__)
            return 0
        return install(command) or start(*program, folder=paths.ROOT)
    except LearnerError as error:
        print(error, file=sys.stderr)
        return 2


def install(command="lab"):
    """Install what is missing of requirements.txt, if it may; returns an exit status."""
    missing = ", ".join(requirements.missing())
    if not missing:
        return 0
    owner = requirements.owner_of_python()
    if requirements.as_installed():
        problem = f"Missing or too old: {missing}. VERSIONS is set, so nothing was installed."
    elif owner:
        problem = (f"This Python belongs to {owner}, so nothing was installed into it. Make an "
                   f"environment for the notebooks: {requirements.environment_for(command)}")
    else:
        print(f"Installing {missing}", flush=True)
        return start("pip", "install", "-r", "requirements.txt", folder=paths.ROOT)
    print(problem, file=sys.stderr)
    return 1


def start(module, *arguments, folder=None):
    """Run `python -m module` in a folder (by default the current one); returns its exit status.

    Modules of the repository go before those in that folder.
    """
    path = os.pathsep.join(filter(None, [str(paths.ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-P", "-m", module, *arguments]
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": path})
    interrupted = False
    while process.poll() is None:
        try:
            process.wait()
        except KeyboardInterrupt:  # reaches the program, too, which ends in its own way
            interrupted = True
    killed = process.returncode < 0  # by a signal, which a shell reports as 128 and its number
    return 130 if interrupted else 128 - process.returncode if killed else process.returncode


if __name__ == "__main__":
    sys.exit(main())
