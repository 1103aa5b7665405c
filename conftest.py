"""How nbval compares: everything but the error stream, with time enough to read long outputs."""


def pytest_collectstart(collector):
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr",)


def pytest_itemcollected(item):
    if hasattr(item, "output_timeout"):
        item.output_timeout = 60
