"""What is to be known about texts before a model is trained on them."""

import math
import random
import re
from collections import Counter
from dataclasses import dataclass, field

from helpers import markup, tables
from helpers.errors import LearnerError

SPLITS = ("train", "validation", "test")
SAMPLE = 2_000  # texts whose tokens are counted in a large data set
LONGEST = 512  # tokens that BERT reads at most
WIDTH, LINES = 99, 25
MULTILINGUAL = "google-bert/bert-base-multilingual-cased or intfloat/multilingual-e5-small"


def report():
    pass
