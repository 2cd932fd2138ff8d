"""The search leads to sections, from a server and from a disk, in any spelling."""

import json
import re
import tomllib
from urllib.parse import quote

import pytest

from tools.notebooks import ROOT, chapters

QUERIES = {
    query: [finds] if isinstance(finds, str) else finds
    for group in tomllib.loads(
        (ROOT / "tests" / "search_queries.toml").read_text("utf-8")
    ).values()
    for query, finds in group.items()
}

FIND = """
(queries) => queries.map((query) =>
  Search.find(query).map(({page, anchor}) => page + (anchor && `#${anchor}`)))
"""

# A course that fits in here: which of its sections comes first is easy to say.
SMALL = {
    "one": {
        "number": "1",
        "sections": [
            {"level": 1, "title": "First", "shown": "All about nothing."},
            {"level": 2, "anchor": "dropout", "title": "Dropout", "shown": "It drops."},
            {
                "level": 2,
                "anchor": "body",
                "title": "Elsewhere",
                "shown": "We use dropout and normalisation, and label colours.",
            },
            {
                "level": 2,
                "anchor": "taught",
                "title": "How do you tune it?",
                "shown": "We use a weight and a net.",
            },
            {"level": 2, "anchor": "code", "title": "Code", "code": "nn.BatchNorm2d"},
            {
                "level": 2,
                "anchor": "zh",
                "title": "怎样训练",
                "shown": "模型的梯度下降。",
            },
            {"level": 2, "anchor": "use", "title": "Use", "shown": "We use it."},
        ],
    },
    "words": {
        "number": "",
        "sections": [
            {"level": 1, "title": "Words"},
            {
                "level": 2,
                "anchor": "term",
                "title": "fine-tuning",
                "shown": "Going on.",
                "names": ["adaptation", "微调"],
                "teaches": ["one", "taught"],
            },
        ],
    },
}


@pytest.fixture(scope="module")
def opened(browser, site):
    """Return a function that opens the search page from a disk."""
    context = browser.new_context()

    def open_page():
        page = context.new_page()
        page.goto(f"{site.as_uri()}/search.html")
        page.wait_for_function("Search.hasIndex()")
        return page

    yield open_page
    context.close()


@pytest.fixture(scope="module")
def search_page(opened):
    """Return the search page."""
    return opened()


@pytest.fixture(scope="module")
def small_page(opened):
    """Return the search page with the index of the small course."""
    page = opened()
    page.evaluate("(pages) => Search.setIndex({pages})", SMALL)
    return page


def test_queries_are_about_everything():
    assert len(QUERIES) >= 60
    pages = {place.partition("#")[0] for finds in QUERIES.values() for place in finds}
    names = ["glossary", "error_atlas", "cheat_sheet", "troubleshooting"]
    expected = {f"chapters/{path.stem}" for path in chapters()}
    assert expected | {f"appendix/{name}" for name in names} <= pages


def test_each_query_finds_its_section_first(search_page, site):
    text = (site / "searchindex.js").read_text("utf-8")
    pages = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))["pages"]
    there = {
        f"{name}#{part['anchor']}" if "anchor" in part else name
        for name, page in pages.items()
        for part in page["sections"]
    }
    gone = {place for finds in QUERIES.values() for place in finds} - there
    assert not gone, "these sections are no longer there"
    found = search_page.evaluate(FIND, list(QUERIES))
    missed = {
        query: hits[:3]
        for (query, finds), hits in zip(QUERIES.items(), found, strict=True)
        if not hits or hits[0] not in finds
    }
    assert not missed


def test_other_names_find_their_term(search_page):
    text = (ROOT / "appendix" / "glossary.md").read_text("utf-8")
    terms = re.findall(r"^(\S.*)\n: ([^.]+)\.\n((?:  .+\n)+)", text, re.M)
    names = [
        (term, name.strip("`"))
        for term, chinese, rest in terms
        for name in [chinese, *re.findall(r"\*(.+?)\*", rest)]
    ]
    assert len(names) > len(terms)
    found = search_page.evaluate(FIND, [name for _, name in names])
    lost = []
    for (term, name), hits in zip(names, found, strict=True):
        anchor = "term-" + re.sub(r"[^\w.]+", "-", term.strip("`")).strip("-")
        if f"appendix/glossary#{anchor}" not in hits[:5]:
            lost.append((term, name, hits[:5]))
    assert not lost


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("dropout", "one#dropout"),  # a title before a text
        ("how do I use dropout", "one#dropout"),  # common words weigh nothing
        ("dropout xylophone", "one#dropout"),  # a word that is nowhere
        ("droput", "one#dropout"),
        ("drop", "one#dropout"),
        ("fine tuning", "words#term"),
        ("finetuning", "words#term"),
        ("fine_tuned", "words#term"),
        ("adaptations", "words#term"),
        ("微调", "words#term"),
        ("Normalization", "one#body"),
        ("labelling color", "one#body"),
        ("batchnorm2d", "one#code"),
        ("batch norm", "one#code"),
        ("下降", "one#zh"),
        ("训练", "one#zh"),
        ("use", "one#use"),  # nothing but common words
        ("First", "one"),
    ],
)
def test_words_in_any_spelling(small_page, query, first):
    assert small_page.evaluate(FIND, [query])[0][0] == first


def test_section_that_teaches_a_term_is_found_under_its_names(small_page):
    for hits in small_page.evaluate(FIND, ["adaptation", "微调", "fine tuning"]):
        assert hits[:2] == ["words#term", "one#taught"]


def test_a_hit_is_marked_on_its_page_and_back_leads_back(page, site):
    page.goto(f"{site.as_uri()}/search.html?q={quote('backprop')}")
    link = page.locator("#search-results li a").first
    place = link.get_attribute("href")
    title = link.inner_text()
    assert title == "Glossary > back-propagation"
    assert page.locator("#search-results [role=status]").inner_text()
    snippet = page.locator("#search-results li .context").first
    assert "the chain rule" in snippet.inner_text()
    assert "backprop" in snippet.locator("mark").all_inner_texts()
    link.click()
    page.wait_for_url(f"**/{place}")
    page.locator(".highlighted").first.wait_for()
    page.go_back()
    page.get_by_role("link", name=title).wait_for()
    assert page.locator("input[name=q]").last.input_value() == "backprop"


def test_nothing_found_says_so(page, site):
    page.goto(f"{site.as_uri()}/search.html?q=xylophonic+zyzzyva")
    page.locator("#search-results [role=status]", has_text=" ").wait_for()
    assert page.locator("#search-results li").count() == 0
    assert not page.locator("#search-results button").is_visible()


@pytest.mark.parametrize(("width", "mode"), [(360, "light"), (1280, "dark")])
def test_results_are_accessible(new_context, serve, site, width, mode):
    from axe_playwright_python.sync_playwright import Axe

    context = new_context(
        viewport={"width": width, "height": 800},
        color_scheme=mode,
        reduced_motion="reduce",
    )
    page = context.new_page()
    failed = []
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.goto(f"{serve(site)}/search.html?q={quote('nn.CrossEntropyLoss dtype')}")
    links = page.locator("#search-results li a")
    links.first.wait_for()
    page.keyboard.press("Tab")
    assert links.first.evaluate("link => link === document.activeElement")
    shown = links.count()
    more = page.locator("#search-results button")
    more.focus()
    page.keyboard.press("Enter")
    assert links.count() > shown
    assert links.nth(shown).evaluate("link => link === document.activeElement")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = Axe().run(page, None, {"resultTypes": ["violations"]})
    assert not found.violations_count, found.generate_report()
    assert not failed


def test_only_the_search_page_loads_the_index(site):
    needed = ("searchindex.js", "search.js", "minisearch.js", "language_data.js")
    for path in site.rglob("*.html"):
        if "_static" not in path.parts:
            text = path.read_text("utf-8")
            loaded = [name for name in needed if name in text]
            assert loaded == (list(needed) if path.name == "search.html" else []), path
