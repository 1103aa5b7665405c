"""What the notebooks use and do not teach: files, data, drawing, checking.

Import the modules, not their contents: `from helpers import checkpoints, reviews`. Every module,
and so every command, is reached through this file, which any Python can read.
"""

import sys

OLDEST_PYTHON = (3, 11)

if sys.version_info < OLDEST_PYTHON:
    raise SystemExit(
        "These notebooks need Python {}.{} or newer, and this is Python {}.{}: install a newer "
        "one (from https://www.python.org/downloads/, or with apt, brew or winget) and give the "
        "command again with it.".format(*OLDEST_PYTHON + sys.version_info[:2])
    )
