"""The project's commands: install, then open, run or test the notebooks.

python -m helpers lab     install and open JupyterLab on the notebooks
python -m helpers run     install and run every notebook from top to bottom, without a browser
python -m helpers test    install and run all tests

Only the standard library is imported until the requirements are in place, so that each of them
works in an empty virtual environment.
"""

import argparse
import os
import subprocess
import sys

from helpers import paths, requirements


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
    commands.add_parser("test", help="run all tests; more arguments are passed on to pytest")
    options, for_pytest = parser.parse_known_args(arguments)
    if for_pytest and options.command != "test":
        parser.error(f"unknown arguments: {' '.join(for_pytest)}")

    status = install()
    if status:
        return status
    if options.command == "lab":
        return call("jupyter", "lab", "notebooks")
    if options.command == "run":
        from helpers import headless

        return headless.run(options.notebooks, save=options.save)
    return call("pytest", *for_pytest)


def install():
    """Install requirements.txt unless all of it is there already; returns pip's exit status.

    Looking first means that a second start needs no network.
    """
    missing = requirements.missing()
    if not missing:
        return 0
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
