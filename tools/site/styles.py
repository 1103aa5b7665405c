"""Take the rules that no page uses out of the theme's style sheets, by PurgeCSS."""

import json
import re
import shutil
import subprocess
from pathlib import Path

from helpers.errors import LearnerError, short

PROGRAM = Path(__file__).with_name("purge.mjs")
MAP = re.compile(r"\s*/\*# sourceMappingURL=.*?\*/", re.S)


def reduce(folder):
    """Write the style sheets of a built site anew, with the rules alone that its pages use.

    Raises LearnerError without Node.js, and with PurgeCSS's own words if it stops.
    """
    node = shutil.which("node")
    if node is None:
        raise LearnerError("The style sheets are made smaller by a program for Node.js, which is "
                           "not here. Install it from https://nodejs.org")
    done = subprocess.run([node, str(PROGRAM)], cwd=folder,
                          capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise LearnerError(f"PurgeCSS stopped: {short(done.stderr, 300)}")
    for sheet in json.loads(done.stdout):
        text = MAP.sub("", sheet["css"]).strip() + "\n"
        (folder / sheet["file"]).write_text(text, encoding="utf-8", newline="\n")
