"""How nbval compares: everything but the error stream, with time enough to read long outputs.

And how many processes test at once.
"""

import os
import sys

import psutil
import pytest

GIGABYTES = 4  # that one of them takes, with the kernel of its notebook

# Notebook 11 starts its processes in a way that only Linux has, and says so.
collect_ignore_glob = [] if sys.platform == "linux" else ["notebooks/11_*.ipynb"]


def pytest_collectstart(collector):
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr",)


def pytest_itemcollected(item):
    if hasattr(item, "output_timeout"):
        item.output_timeout = 60


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """As many as cores and memory allow, and four at most; they share the cores evenly."""
    cores = os.cpu_count() or 1
    workers = max(1, min(cores, 4, psutil.virtual_memory().total // (GIGABYTES * 2**30)))
    os.environ.setdefault("OMP_NUM_THREADS", str(cores // workers))
    return workers
