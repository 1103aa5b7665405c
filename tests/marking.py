"""Which of a test's notebooks are looked at always, and which only with -m slow."""

import pytest


def each(paths, always=(), name="path"):
    """Parametrize a test by notebooks, slow for those whose number is not in `always`."""
    return pytest.mark.parametrize(name, [
        pytest.param(path, id=path.stem,
                     marks=[] if path.name[:2] in always else pytest.mark.slow)
        for path in paths])
