"""Each erratum is shown or told once, in its group, and leads to a chapter."""

import re
from collections import Counter
from functools import cache
from itertools import pairwise

import pytest

from tools.notebooks import ASSERT, ROOT, read, slugs

APPENDIX = ROOT / "appendix"
# How far the numbers of each of the five lists go, and those never given.
LISTS = {
    "m0": ("{:02}", 17, set()),
    "m1": ("{:02}", 20, {4}),
    "m2": ("{:02}", 27, {20, 25}),
    "m3": ("{:02}", 24, set()),
    "m4": (
        "{:03}",
        222,
        {*range(26, 30), *range(64, 70), 83, *range(117, 130)}
        | {142, 152, 156, *range(164, 170), 178},
    ),
}
# Dropped at a second reading: read kindly, the text is right, or no reader is misled.
WITHDRAWN = {
    "m0": {1, 4, 7, 13},
    "m1": {14},
    "m2": {11, 26},
    "m3": {13, 21},
    "m4": {88, 90, 94, 107, 112, 131, 141, 147, 155, 162, 171, 172, 182, 196, 198}
    | {202, 205, 210, 212, 217},
}
LINK = re.compile(r"\]\((\.\./chapters/[^)#]+\.ipynb)(?:#([^)]+))?\)")
ROW = re.compile(r"^\| \[(m\d-\d+)\]\{#(m\d-\d+)\} (.+) \| (.+) \|$", re.M)
GROUPS = ("False", "Left out", "Slips")
SAYS = re.compile(r"^\*\*The text (says|leaves out)\*\* \((m\d-\d+)\) ", re.M)


def expected():
    return {
        f"{name}-{pattern.format(number)}"
        for name, (pattern, last, absent) in LISTS.items()
        for number in range(1, last + 1)
        if number not in absent | WITHDRAWN[name]
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
    """Return the rows of the tables as {group: [(label, said, true)]}."""
    text = (APPENDIX / "errata_table.md").read_text("utf-8")
    headings = [*re.finditer(r"^## (.+)$", text, re.M), re.search(r"\Z", text)]
    assert tuple(found[1] for found in headings[:-1]) == GROUPS
    groups = {}
    for heading, following in pairwise(headings):
        part = text[heading.end() : following.start()]
        rows = ROW.findall(part)
        assert len(rows) == len(re.findall(r"^\| \[", part, re.M)) > 0
        assert all(label == anchor for label, anchor, *_ in rows)
        groups[heading[1]] = [(label, *told) for label, _, *told in rows]
    return groups


@pytest.fixture(scope="module")
def explained(smaller):
    """Return the rows that explain something; a slip needs no explanation."""
    return [row for group in GROUPS[:2] for row in smaller[group]]


def group_of(entry):
    """Return "says" if the text is wrong, "leaves out" if something is missing."""
    return SAYS.search(entry[0].source)[1]


def test_each_mistake_has_one_entry(severe, smaller):
    counts = Counter([*severe, *(row[0] for rows in smaller.values() for row in rows)])
    assert set(counts) == expected()
    assert max(counts.values()) == 1


def test_the_pages_count_their_entries_by_group(severe, smaller):
    opening = read(APPENDIX / "errata.ipynb").cells[0].source
    by_group = Counter(group_of(entry) for entry in severe.values())
    stated = re.search(
        r"has (\d+) of these .*: (\d+) are \*\*false\*\*, and in (\d+) cases", opening
    )
    assert [int(number) for number in stated.groups()] == [
        len(severe),
        by_group["says"],
        by_group["leaves out"],
    ]
    text = (APPENDIX / "errata_table.md").read_text("utf-8")
    stated = re.search(
        r"are (\d+) statements that are false, (\d+) places .*, and (\d+) slips", text
    )
    assert [int(number) for number in stated.groups()] == [
        len(smaller[group]) for group in GROUPS
    ]


def test_each_severe_mistake_is_shown(severe):
    for label, (title, *code, true) in severe.items():
        assert SAYS.search(title.source)[2] == label
        assert true.source.startswith("**No.** "), label
        assert code, label
        assert all(cell.cell_type == "code" for cell in code), label
        assert any(
            "raises-exception" in cell.metadata.get("tags", [])
            or ASSERT.search(cell.source)
            for cell in code
        ), label
        assert not broken_links(true.source), label


def test_only_entries_show_their_code():
    for cell in read(APPENDIX / "errata.ipynb").cells:
        if cell.cell_type == "code":
            of_entry = re.match(r"m\d-\d+-run", cell.id)
            folded = "hide-input" in cell.metadata.get("tags", [])
            assert bool(of_entry) != folded, cell.id


def test_each_smaller_mistake_is_put_right(explained):
    for label, said, true in explained:
        assert said.endswith("."), label
        assert said.strip(".") != LINK.sub("", true).strip("."), label
        assert not broken_links(true), label


def test_rows_are_short_enough_for_a_phone(smaller):
    for rows in smaller.values():
        for label, said, true in rows:
            told = re.sub(r"\]\([^)]*\)", "]", true)
            assert len(said) <= 110, label
            assert len(told) <= 170, label
    for label, said, true in smaller["Slips"]:
        assert max(len(said), len(true)) <= 70, label


def test_labels_are_anchors(site):
    from bs4 import BeautifulSoup

    found = Counter()
    for page in ("errata", "errata_table"):
        html = (site / "appendix" / f"{page}.html").read_text("utf-8")
        soup = BeautifulSoup(html, "html.parser")
        found.update(tag["id"] for tag in soup.find_all(id=re.compile(r"^m\d-\d+$")))
    assert set(found) == expected()
    assert max(found.values()) == 1
