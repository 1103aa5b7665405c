"""Take the rules that no page uses out of the theme's style sheets, by PurgeCSS."""

import json
import re
import shutil
import subprocess

from helpers.errors import LearnerError

MAP = re.compile(r"\s*/\*# sourceMappingURL=.*?\*/", re.S)


def reduce(folder, program, config):
    """Write the style sheets of a built site anew, with the rules alone that its pages use.

    `program` is the script of PurgeCSS and `config` its settings. Raises LearnerError without
    Node.js, and with PurgeCSS's own words if it stops.
    """
    node = shutil.which("node")
    if node is None:
        raise LearnerError("The style sheets are made smaller by a program for Node.js, which is "
                           "not here. Install it from https://nodejs.org")
    done = subprocess.run([node, str(program), "--config", str(config)], cwd=folder,
                          capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise LearnerError(f"PurgeCSS stopped: {done.stderr.strip().splitlines()[-1]}")
    for sheet in json.loads(done.stdout):
        text = MAP.sub("", sheet["css"]).strip() + "\n"
        (folder / sheet["file"]).write_text(text, encoding="utf-8", newline="\n")
