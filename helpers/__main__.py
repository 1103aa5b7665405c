"""The project's commands: install, then open, run or test the notebooks.

python -m helpers lab     install and open JupyterLab on the notebooks
python -m helpers run     install and run every notebook from top to bottom, without a browser
python -m helpers test    install and run the tests
python -m helpers stamp   write the repository's address into everything that names it
python -m helpers pack    put all that a class without a network needs into a folder

Only the standard library is imported until the requirements are in place, so that each of them
works in an empty virtual environment. `pack` installs nothing.
"""

import argparse
import os
import subprocess
import sys

from helpers import paths, requirements
from tools import pack, stamp, wheels
from helpers.errors import LearnerError


def main(arguments=None):
    """Run one command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers",
        description="Install what the notebooks need, then open, run or test them.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("lab", help="open JupyterLab on the notebooks")
    run = commands.add_parser("run", help="run every notebook from top to bottom")
    run.add_argument("notebooks", nargs="*", help="only these, by number or name: 00 03")
    run.add_argument(
        "--save", action="store_true", help="store the new outputs in the notebooks"
    )
    commands.add_parser("test", help="run the tests; more arguments are passed on to pytest")
    address = commands.add_parser("stamp", help="write the repository's address everywhere")
    address.add_argument("--repository", metavar="URL", help="of your fork, for example")
    address.add_argument("--branch", metavar="NAME", help="the branch that learners get")
    address.add_argument("--hub", metavar="URL", help="a JupyterHub that has nbgitpuller")
    pack = commands.add_parser(
        "pack", help="pack wheels, notebooks and checkpoints for machines without a network"
    )
    pack.add_argument("folder", help="where to, such as a USB stick; new, empty or an older pack")
    pack.add_argument("--platform", nargs="+", default=[], metavar="NAME",
                      help=f"{', '.join(wheels.PLATFORMS)} (default: like this machine)")
    pack.add_argument("--python", nargs="+", default=[], metavar="VERSION",
                      help=f"{', '.join(wheels.PYTHONS)} (default: like this one)")
    pack.add_argument("--gpu", action="store_true", help="PyTorch for NVIDIA cards, on Linux")
    options, for_pytest = parser.parse_known_args(arguments)
    if for_pytest and options.command != "test":
        parser.error(f"unknown arguments: {' '.join(for_pytest)}")

    try:
        if options.command == "stamp":
            return stamp(options.repository, options.branch, options.hub)
        if options.command == "pack":
            return pack.pack(
                options.folder, options.platform, options.python, gpu=options.gpu
            )
        status = install()
    except LearnerError as error:
        print(error, file=sys.stderr)
        return 2
    if status:
        return status
    if options.command == "lab":
        return call("jupyter", "lab", "notebooks")
    if options.command == "run":
        from tools import run

        return run.run(options.notebooks, save=options.save)
    return call("pytest", *for_pytest)


def stamp(repository=None, branch=None, hub=None):
    """Stamp an address, what is not given being as pyproject.toml has it; returns 0.

    Raises LearnerError for what is no address or no branch.
    """
    now = stamp.address()
    address = stamp.checked(
        now.repository if repository is None else repository,
        now.branch if branch is None else branch,
        now.hub if hub is None else hub,
    )
    changed = stamp.stamp(address)
    for path in changed:
        print(path.relative_to(paths.ROOT).as_posix())
    print(f"{len(changed)} files changed: {address.repository}, branch {address.branch}.")
    if not address.on_github:
        print("No badges: Colab and Binder open repositories on GitHub. The cell for Colab works.")
    return 0


def install():
    """Install requirements.txt unless all of it is there already; returns pip's exit status.

    Looking first means that a second start needs no network. With the environment variable
    VERSIONS set to `installed`, the versions that are there are used, and nothing is installed.
    """
    missing = requirements.missing()
    if not missing:
        return 0
    if requirements.as_installed():
        print(f"Not there, or too old: {', '.join(missing)}. Nothing was installed, because "
              f"{requirements.VERSIONS_VARIABLE} is set.", file=sys.stderr)
        return 1
    print(f"Installing {len(missing)} packages: {', '.join(missing)}", flush=True)
    status = call("pip", "install", "-r", "requirements.txt")
    if status:
        print(
            "\nThe installation failed; the lines above say why. Behind 'externally-managed-"
            "environment' stands a Python of the operating system: make a virtual environment "
            "with `python -m venv .venv`, activate it, and give the command again.",
            file=sys.stderr,
        )
    return status


def call(module, *arguments):
    """Run `python -m module` in the repository and return its exit status."""
    environment = {**os.environ, "PYTHONPATH": ""}
    command = [sys.executable, "-m", module, *arguments]
    try:
        return subprocess.call(command, cwd=paths.ROOT, env=environment)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
