"""What the commands that train a model on a corpus share."""

import json
import re
import sys
from pathlib import Path

from jinja2 import Template

from helpers.errors import LearnerError
from making import corpus


def add_corpus(parser):
    """Add the options that say which text to train on."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--corpus", help="a folder of .txt files, one paragraph per line")
    source.add_argument("--dataset", help="a data set of the Hub, such as Salesforce/wikitext")
    parser.add_argument("--config", help="the configuration of the data set")
    parser.add_argument("--revision", help="the commit of the data set")


def read_corpus(options):
    """Return the works that the options name: {name: list of paragraphs}."""
    if options.corpus:
        return corpus.read_folder(options.corpus)
    return corpus.read_dataset(options.dataset, options.config, revision=options.revision)


def run(work):
    """Call `work`; return the exit status, and say in a line what went wrong."""
    try:
        work()
    except LearnerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    return 0


def render(template, figures, **values):
    """Return a model card, in Markdown, from a template beside this file."""
    text = Path(__file__).with_name(template).read_text(encoding="utf-8")
    return Template(text, keep_trailing_newline=True).render(figures, **values)


def write_json(content, path):
    """Write JSON for people, too: a list of plain values stays on its line."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    text = re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text)
    path.write_text(text + "\n", encoding="utf-8")
