"""The status page tells of the notebooks that stand, not of earlier ones.

Times and memory were measured once, and are not measured again here.
"""

import csv
import json
import re
from datetime import datetime

import pytest
from bs4 import BeautifulSoup
from test_exercises import cases

from tools.notebooks import ASSERT, ROOT, code_cells, labels, notebooks, read, tags

NOTEBOOKS = {f"{path.parent.name}/{path.stem}": path for path in notebooks()}
CHAPTERS = [name for name in NOTEBOOKS if name.startswith("chapters/")]
AGAIN = "the file tells of another state: run `make status`"


@pytest.fixture(scope="module")
def status():
    return json.loads((ROOT / "appendix" / "status.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tables(site):
    """Return the rows of the page's tables as texts, without their heads."""
    page = site / "appendix" / "status.html"
    html = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    return [
        [[cell.get_text(strip=True) for cell in row("td")] for row in table("tr")[1:]]
        for table in html.find("article")("table")
    ]


def test_every_notebook_of_the_book_is_there(status):
    assert list(status["notebooks"]) == list(NOTEBOOKS), AGAIN


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_cells_are_those_of_the_notebook(status, name):
    code = code_cells(read(NOTEBOOKS[name]))
    ignored = [cell for cell in code if "nbval-ignore-output" in tags(cell)]
    counted = {
        "cells_compared": len(code) - len(ignored),
        "cells_ignored": len(ignored),
        "cells_asserted": sum(bool(ASSERT.search(cell.source)) for cell in code),
    }
    known = status["notebooks"][name]
    assert {field: known[field] for field in counted} == counted, AGAIN


@pytest.mark.parametrize("name", CHAPTERS)
def test_exercises_are_those_of_the_chapter(status, name):
    path = NOTEBOOKS[name]
    stated = labels(read(path))
    mutants = sum(len(case.mutants) for case in cases(path).values())
    known = status["notebooks"][name]
    assert (known["exercises"], known["mutants"]) == (len(stated), mutants), AGAIN
    assert known["refused"] == mutants


def test_measures_are_of_a_real_run(status):
    for name, row in status["notebooks"].items():
        assert 0 < row["cpu_seconds"] < 1000, name
        assert 0 < row["seconds"] < 10_000, name
        assert 50 < row["peak_rss_mb"] < 100_000, name
        assert datetime.fromisoformat(row["date"]).tzinfo, name
    assert set(status["versions"]) >= {"python", "torch", "fastai", "lightning"}
    assert re.fullmatch(
        r"\w+ on \w+, \d+ CPU cores, \d+ GB of memory", status["machine"]
    )


def test_no_number_of_a_run_is_typed():
    text = (ROOT / "appendix/status.md").read_text("utf-8")
    runs, _, machines = text.partition("## Other machines")
    assert machines
    assert not re.search(r"\d", runs)


def test_page_shows_what_the_file_says(status, tables):
    run, time, cells, exercises = tables[:4]
    shown = dict(run)
    assert shown["Machine"] == status["machine"]
    assert shown["torch"] == status["versions"]["torch"]
    rows = list(status["notebooks"].values())
    for table, fields in (
        (time, ("seconds", "cpu_seconds", "peak_rss_mb")),
        (cells, ("cells_compared", "cells_ignored", "cells_asserted")),
        (exercises, ("exercises", "mutants", "refused")),
    ):
        told = [[str(row[f]) for f in fields] for row in rows if fields[0] in row]
        assert [row[1:] for row in table[: len(told)]] == told
        if table is not time:
            sums = [sum(int(row[i]) for row in told) for i in range(3)]
            assert [int(number) for number in table[-1][1:]] == sums


def test_page_shows_what_held_on_real_data(tables):
    path = ROOT / "appendix" / "real.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert {row["notebook"] for row in rows} <= set(NOTEBOOKS), AGAIN
    assert all(datetime.fromisoformat(row["date"]) for row in rows)
    assert [row["notebook"] for row in rows if row["held"] != "yes"] == []
    told = [[row["held"], row["date"]] for row in rows]
    assert [row[2:] for row in tables[-2]] == told
