"""Every unit of the sources is taught, and the source map says where."""

import csv
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from tools.notebooks import ROOT, notebooks, read

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


def test_page_links_each_unit_to_the_sections_that_teach_it(site, units, covered):
    page = site / "appendix" / "source_map.html"
    html = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    body = html.find("article")
    rows = {row.td.get_text(strip=True): row for row in body.select("tbody tr")}
    assert list(rows) == list(units)
    for unit, row in rows.items():
        links = [link["href"].partition("#") for link in row.select("td")[2]("a")]
        assert {Path(page).stem for page, _, _ in links} == covered[unit], unit
        assert all(anchor for _, _, anchor in links), unit
    for count in PARTS.values():
        assert f"{count} units, taught in" in body.get_text()


def test_a_link_leads_to_the_very_section_that_covers_the_unit(site, covered):
    """Follow the links of one chapter and look for the headings they name."""
    page = site / "appendix" / "source_map.html"
    html = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    chapter = site / "chapters" / "11_custom_datasets.html"
    target = BeautifulSoup(chapter.read_text(encoding="utf-8"), "html.parser")
    links = html.find("article").select('td a[href*="11_custom_datasets.html#"]')
    assert len(links) >= 40
    for link in links:
        section = target.find(id=link["href"].partition("#")[2])
        title = section.find(re.compile("h[1-4]"))
        for badge in title.select(".deeper"):
            badge.extract()
        heading = title.get_text().strip().removesuffix("#")
        named = link.get_text().partition(": ")[2]
        assert named == re.sub(r"^\d+\. ", "", heading.strip())
