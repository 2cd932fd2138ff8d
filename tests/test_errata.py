"""The errata are complete, each is shown or told once, and each leads to a chapter."""

import re
from collections import Counter
from functools import cache

import pytest

from tools.notebooks import ASSERT, ROOT, read, slugs

APPENDIX = ROOT / "appendix"
# How far the numbers of each of the five lists go, and those never given.
LISTS = {
    "m0": ("{:02}", 17, {}),
    "m1": ("{:02}", 20, {4}),
    "m2": ("{:02}", 27, {20, 25}),
    "m3": ("{:02}", 24, {}),
    "m4": (
        "{:03}",
        222,
        {*range(26, 30), *range(64, 70), 83, *range(117, 130)}
        | {142, 152, 156, *range(164, 170), 178},
    ),
}
LINK = re.compile(r"\]\((\.\./chapters/[^)#]+\.ipynb)(?:#([^)]+))?\)")
ROW = re.compile(r"^\| \[(m\d-\d+)\]\{#(m\d-\d+)\} (.+) \| (.+) \|$", re.M)


def expected():
    return {
        f"{name}-{pattern.format(number)}"
        for name, (pattern, last, absent) in LISTS.items()
        for number in range(1, last + 1)
        if number not in absent
    }


@cache
def anchors_of(path):
    return slugs(read(path))


def broken_links(text):
    """Return what a text links to in vain; a text without a link is itself broken."""
    links = LINK.findall(text)
    return [
        (path, anchor)
        for path, anchor in links
        if not (file := (APPENDIX / path).resolve()).exists()
        or (anchor and anchor not in anchors_of(file))
    ] + ([] if links else [text])


@pytest.fixture(scope="module")
def severe():
    """Return the entries of the notebook as {label: cells}."""
    entries, current = {}, None
    notebook = read(APPENDIX / "errata.ipynb")
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            label = re.match(r"\((m\d-\d+)\)=\n### .+\?\n", cell.source)
            if label:
                assert label[1] not in entries
                current = entries.setdefault(label[1], [])
            elif cell.source.startswith("## ") or not cell.id.endswith("-true"):
                current = None
        if current is not None:
            current.append(cell)
    return entries


@pytest.fixture(scope="module")
def smaller():
    """Return the rows of the tables as [(label, claimed, true)]."""
    text = (APPENDIX / "errata_table.md").read_text("utf-8")
    rows = ROW.findall(text)
    ruled = [line for line in text.splitlines() if line.startswith("| ")]
    headings = [line for line in ruled if line.startswith("| Claimed ")]
    assert len(rows) == len(ruled) - len(headings)
    assert all(label == anchor for label, anchor, *_ in rows)
    return [(label, claimed, true) for label, _, claimed, true in rows]


def test_each_mistake_has_one_entry(severe, smaller):
    counts = Counter([*severe, *(label for label, *_ in smaller)])
    assert len(expected()) == 273
    assert set(counts) == expected()
    assert max(counts.values()) == 1
    assert len(severe) == 66


def test_each_severe_mistake_is_shown(severe):
    for label, (title, *code, true) in severe.items():
        assert f"**Claimed** ({label}): " in title.source
        assert true.source.startswith("**True:** "), label
        assert code, label
        assert all(cell.cell_type == "code" for cell in code), label
        assert any(
            "raises-exception" in cell.metadata.get("tags", [])
            or ASSERT.search(cell.source)
            for cell in code
        ), label
        assert not broken_links(true.source), label


def test_each_smaller_mistake_is_put_right(smaller):
    for label, claimed, true in smaller:
        assert claimed.endswith("."), label
        assert claimed.strip(".") != LINK.sub("", true).strip("."), label
        assert not broken_links(true), label


def test_rows_are_short_enough_for_a_phone(smaller):
    for label, claimed, true in smaller:
        told = re.sub(r"\]\([^)]*\)", "]", true)
        assert len(claimed) <= 110, label
        assert len(told) <= 170, label


def test_labels_are_anchors(site):
    from bs4 import BeautifulSoup

    found = Counter()
    for page in ("errata", "errata_table"):
        html = (site / "appendix" / f"{page}.html").read_text("utf-8")
        soup = BeautifulSoup(html, "html.parser")
        found.update(tag["id"] for tag in soup.find_all(id=re.compile(r"^m\d-\d+$")))
    assert set(found) == expected()
    assert max(found.values()) == 1
