"""Build the site of the series from the notebooks, the documents and the docstrings.

It needs no network once --fetch has brought what it is made with. It stops, and says where, at a
notebook without outputs or with an error, at a broken link, at a term that the glossary lacks,
and at an address that is not stamped.
"""

import argparse
import sys
import time
from pathlib import Path

from helpers import command, paths
from helpers.errors import LearnerError
from tools.site import build


def main(arguments=None):
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m helpers site", description=__doc__)
    add = parser.add_argument
    add("--output", metavar="FOLDER", type=Path, default=paths.ROOT / "build" / "site",
        help="where it goes (default: build/site)")
    add("--fetch", action="store_true",
        help="install the pinned packages and scripts that building needs, and build nothing")
    add("--address", metavar="URL",
        help="under which it will stand (default: GitHub Pages of the stamped repository)")
    add("--for", dest="repository", metavar="URL",
        help="stop unless the project is stamped with this repository's address")
    add("--no-book", dest="book", action="store_false", help="without the ePub")
    options = parser.parse_args(arguments)
    try:
        if options.fetch:
            return build.fetch()
        if options.repository:
            build.check_stamped(options.repository)
        started = time.monotonic()
        home = options.address and options.address.rstrip("/") + "/"
        build.build(options.output, home=home, book=options.book)
    except LearnerError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Built in {time.monotonic() - started:.0f} s: {options.output / 'index.html'}")
    return 0


if __name__ == "__main__":
    command.prepare_console()
    sys.exit(main())
