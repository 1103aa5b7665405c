"""How nbval compares: everything but the error stream, with time enough to read long outputs."""

import sys

# Notebook 11 starts its processes in a way that only Linux has, and says so.
collect_ignore_glob = [] if sys.platform == "linux" else ["notebooks/11_*.ipynb"]


def pytest_collectstart(collector):
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr",)


def pytest_itemcollected(item):
    if hasattr(item, "output_timeout"):
        item.output_timeout = 60
