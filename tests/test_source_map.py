"""Every unit of the sources is taught, and the source map says where."""

import csv
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from tools.notebooks import ROOT, chapters, notebooks, read

PARTS = {
    **{"S0": 14, "S1": 25, "S2": 37, "S3": 24},
    **{"S4-1-1": 2, "S4-1-2": 66, "S4-1-3": 57},
    **{"S4-1-4": 72, "S4-1-5": 61, "S4-1-6": 69},
}


@pytest.fixture(scope="module")
def units():
    """Return the titles of all units by their ids."""
    file = ROOT / "appendix" / "source_units.csv"
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len({row["unit"] for row in rows}) == len(rows)
    return {row["unit"]: row["title"] for row in rows}


@pytest.fixture(scope="module")
def covered():
    """Return the notebooks of the book that say they cover a unit, by its id."""
    found = {}
    for path in notebooks():
        for cell in read(path).cells:
            for unit in cell.metadata.get("covers", []):
                found.setdefault(unit, set()).add(path.stem)
    return found


def test_units_are_numbered_without_a_gap(units):
    assert sum(PARTS.values()) == len(units) == 427
    for part, count in PARTS.items():
        assert (
            sum(re.match(rf"{part}[.-]", unit) is not None for unit in units) == count
        )
    groups = {}
    for unit in units:
        group, _, number = unit.rpartition(".")
        groups.setdefault(group, []).append(int(number))
    for group, numbers in groups.items():
        assert numbers == list(range(1, len(numbers) + 1)), group


def test_units_have_short_titles(units):
    for unit, title in units.items():
        assert 4 <= len(title) <= 100, unit
        assert "|" not in title, unit


def test_every_unit_is_taught(units, covered):
    assert sorted(set(units) - set(covered)) == []


def test_no_section_covers_an_unknown_unit(units, covered):
    unknown = {unit: covered[unit] for unit in set(covered) - set(units)}
    assert unknown == {}


@pytest.fixture(scope="module")
def article(site):
    """Return the page."""
    page = site / "appendix" / "source_map.html"
    return BeautifulSoup(page.read_text("utf-8"), "html.parser").find("article")


@pytest.fixture(scope="module")
def listed(article):
    """Return what the page lists: chapter, link to a section, unit and its title."""
    found = []
    for idea in article.select("section li li"):
        unit = idea.find_all("code")[-1].extract().get_text()
        section = idea.find_parent("li").a
        page, _, anchor = section["href"].partition("#")
        place = Path(page).stem, section.get_text(), anchor
        found.append((*place, unit, idea.get_text().strip()))
    return found


def test_each_chapter_has_a_list(article):
    heads = [head.get_text() for head in article.select("h2")]
    numbers = [int(head[8:].rstrip("#")) for head in heads if head[:8] == "Chapter "]
    assert numbers == [int(path.stem[:2]) for path in chapters()]


def test_page_lists_each_unit_where_it_is_taught(listed, units, covered):
    places = {}
    for chapter, _, anchor, unit, title in listed:
        places.setdefault(unit, set()).add(chapter)
        assert anchor, unit
        # Quotes and code marks look different on the page.
        shown, stored = (re.findall(r"\w+", text) for text in (title, units[unit]))
        assert shown == stored, unit
    assert places == covered


def test_documents_are_counted(article):
    rows = [row.select("td") for row in article.select("table tbody tr")]
    assert {row[0].code.get_text(): int(row[1].get_text()) for row in rows} == PARTS


def test_titles_speak_for_themselves(units):
    """They stand without the text around them, in words of the course."""
    for unit, title in units.items():
        assert title.split()[0] not in {"Its", "It", "They", "Them"}, unit
        assert not re.search(r"\b(picture|pictures|mend|anew|beside)\b", title), unit
    assert len(set(units.values())) == len(units)


def test_a_link_leads_to_the_very_section_that_covers_the_unit(site, listed):
    """Follow the links to one chapter and look for the headings they name."""
    page = site / "chapters" / "11_custom_datasets.html"
    target = BeautifulSoup(page.read_text("utf-8"), "html.parser")
    links = {place[1:3] for place in listed if place[0] == page.stem}
    assert len(links) >= 30
    for named, anchor in links:
        title = target.find(id=anchor).find(re.compile("h[1-4]"))
        for badge in title.select(".deeper"):
            badge.extract()
        heading = title.get_text().strip().removesuffix("#")
        assert named == re.sub(r"^\d+\. ", "", heading.strip())
