"""Notebooks on the real data sets of this machine, asserts only: ``make real``.

Nothing is downloaded here. Run a chapter with ``COURSE_DATA=full`` once, and the sets
that it uses are at hand from then on.
"""

import os
import re
from functools import cache
from unittest.mock import patch

import pytest

from helpers import data
from helpers.data import _sets
from tools.notebooks import code_cells, notebooks, read, run

# What gives a set under another name.
ALSO = {
    "fastai_home": "mnist_png",
    "pizza_steak_sushi_zip": "pizza_steak_sushi",
    "pizza_steak_sushi_sha256": "pizza_steak_sushi",
}


def used(path):
    """Name the sets of a notebook that are other ones with ``COURSE_DATA=full``."""
    code = "\n".join(cell.source for cell in code_cells(read(path)))
    called = {ALSO.get(name, name) for name in re.findall(r"\bdata\.(\w+)\(", code)}
    return {
        name
        for name in called & _sets.SETS.keys()
        if _sets.SETS[name].embedded != _sets.SETS[name].full
    }


@cache
def at_hand():
    """Name the sets whose real data are unpacked and whole."""
    with patch.dict(os.environ, COURSE_DATA="full"):
        return {row.name for row in data.status() if row.state == "ready"}


PATHS = [path for path in notebooks() if used(path)]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_asserts_hold_on_real_data(path):
    if missing := used(path) - at_hand():
        pytest.skip(f"not on this machine: {', '.join(sorted(missing))}")
    problems = run(read(path), path.parent, COURSE_DATA="full")
    assert not problems, "\n\n".join(text for _, text in problems)
