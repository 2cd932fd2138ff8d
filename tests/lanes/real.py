"""Notebooks on the real data sets of this machine, asserts only: ``make real``.

Nothing is downloaded here. Run a chapter with ``COURSE_DATA=full`` once, and the sets
that it uses are at hand from then on. What held is written to appendix/real.csv, which
the status page shows; a notebook whose sets are missing keeps its line.
"""

import csv
import os
import re
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from filelock import FileLock

from helpers import data
from helpers.data import _sets
from tools.notebooks import ROOT, code_cells, notebooks, read, run

TABLE = ROOT / "appendix" / "real.csv"
LOCK = Path(tempfile.gettempdir()) / "first-tensor-real.lock"
COLUMNS = ("notebook", "sets", "date", "torch", "held")

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


def note(path, held):
    """Write to the table whether the asserts of a notebook held."""
    name = f"{path.parent.name}/{path.stem}"
    day = datetime.now(UTC).date().isoformat()
    row = (name, " ".join(sorted(used(path))), day, torch.__version__, held)
    with FileLock(LOCK):  # several notebooks run at once
        rows = {}
        if TABLE.exists():
            with TABLE.open(encoding="utf-8", newline="") as file:
                rows = {line["notebook"]: line for line in csv.DictReader(file)}
        rows[name] = dict(zip(COLUMNS, row, strict=True))
        with TABLE.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(rows[key] for key in sorted(rows))


PATHS = [path for path in notebooks() if used(path)]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_asserts_hold_on_real_data(path):
    if missing := used(path) - at_hand():
        pytest.skip(f"not on this machine: {', '.join(sorted(missing))}")
    problems = run(read(path), path.parent, COURSE_DATA="full")
    note(path, "no" if problems else "yes")
    assert not problems, "\n\n".join(text for _, text in problems)
