"""How far a reader is: what is remembered, ticked, counted, and where to go on.

And, apart from that, progress bars in notebooks: they are for people who watch.
"""

import json
import shutil
import sys
from pathlib import Path

import nbformat.v4 as nbf
import pytest
from bs4 import BeautifulSoup
from nbformat import write as write_notebook

from helpers._progress import watched
from tools.notebooks import LABEL, chapters, headings, read, tags

ROOT = Path(__file__).parent.parent
KEY, OLD_KEY = "first-tensor", "first-tensor:finished"
NONE, ONE = "0 of 2 chapters finished", "1 of 2 chapters finished"
ASK = """
## *Ask* `me`

:::{admonition} Guess
:class: predict
What comes?
:::

This.

### Again

:::{dropdown} A. One
:class-container: right
It is.
:::

:::{dropdown} B. Two
It isn't.
:::
"""
EXERCISE = ":::{{exercise}} {0}\n:label: ex-{0}\n\nDo it.\n:::"


def cell(source, name, *tags):
    metadata = {"tags": list(tags)} if tags else {}
    return nbf.new_markdown_cell(source, id=name, metadata=metadata)


LANGUAGE = {"name": "python", "version": "3.12.1", "pygments_lexer": "ipython3"}


# Two chapters; the one has each kind of section.
FIRST = [
    cell("# The first\n\nWords.", "title"),
    cell("## Begin\n\nWords.", "begin"),
    cell("### Below\n\nWords.", "below"),
    cell(ASK, "ask"),
    cell("## Skip it\n\n*You can skip this.*\n\n### And this", "skip", "deeper"),
    cell("### Only this", "only", "deeper"),
    cell("## Exercises\n\n" + EXERCISE.format("one"), "exercises"),
    cell(EXERCISE.format("two"), "two"),
    cell("## Summary\n\nWords.", "summary"),
]
SECOND = [cell("# The second\n\nWords.", "title"), cell("## Go on\n\nWords.", "go-on")]


@pytest.fixture(scope="session")
def book_source(tmp_path_factory):
    """Write a book of two chapters with the settings of the course."""
    source = tmp_path_factory.mktemp("progress")
    for name in ("_config.yml", "_ext", "_static", "_templates", "_vendor", "tools"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    (source / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nparts:\n  - numbered: 2\n    chapters:\n"
        "      - file: chapters/01_first\n      - file: chapters/02_second\n"
    )
    (source / "index.md").write_text(
        "# A book\n\n:::{continue-reading}\n:::\n\n::::{div} learning-path\n"
        "1. [](chapters/01_first.ipynb)\n2. [](chapters/02_second.ipynb)\n::::\n"
    )
    (source / "chapters").mkdir()
    for name, cells in {"01_first": FIRST, "02_second": SECOND}.items():
        notebook = nbf.new_notebook(cells=cells, metadata={"language_info": LANGUAGE})
        write_notebook(notebook, source / "chapters" / f"{name}.ipynb")
    return source


@pytest.fixture(scope="session")
def book(build, book_source, tmp_path_factory):
    """Return the folder of the book's HTML."""
    return build(book_source, tmp_path_factory.mktemp("progress_built")) / "html"


@pytest.fixture
def errors(page):
    """List what goes wrong on the page; a test ends with none."""
    found = []
    page.on("pageerror", lambda error: found.append(str(error)))
    yield found
    assert not found


@pytest.fixture
def base(page, errors, serve, book):
    """Return the address of the book, where a page has nothing remembered."""
    return serve(book)


def first(page, base):
    page.goto(f"{base}/chapters/01_first.html")


def stored(page):
    return json.loads(page.evaluate("key => localStorage.getItem(key)", KEY) or "null")


def keep(page, key, value):
    page.evaluate("([key, value]) => localStorage.setItem(key, value)", [key, value])


def box(page, key, kind="section"):
    return page.locator(f"input[data-kind={kind}][data-key='{key}']")


def state(page):
    """Return what a page says: words, bar, and by link what stands behind it."""
    return page.evaluate(
        """() => {
          const marks = (links) => Object.fromEntries(
            [...document.querySelectorAll(links)].map((a) => [
              a.href.split(/[/#]/).at(-1).replace(".html", ""),
              getComputedStyle(a, "::after").content,
            ]).filter(([, mark]) => mark !== "none")
              .map(([name, mark]) => [name, JSON.parse(mark.split(" / ")[0]).trim()]));
          const way = document.querySelector(".continue-reading:not([hidden]) a");
          return {
            words: document.querySelector(".reading-progress p").textContent,
            bar: Number(document.querySelector(".reading-progress progress")
              .value.toFixed(2)),
            chapters: marks(".bd-links a[href$='.html'], .bd-links .current > a"),
            sections: marks(".bd-sidebar-secondary a"),
            way: way && [way.textContent, way.href.split("/").at(-1)],
          };
        }"""
    )


# --- what is remembered ---------------------------------------------------------------


GOOD = [
    ("section", "first/begin", True),
    ("section", "first/summary", False),
    ("exercise", "first/two", True),
    ("chapter", "first", True),
    ("prediction", "first/ask", {"guess": "„7“ </script>", "choice": None}),
    ("prediction", "first/ask:1", {"guess": None, "choice": 0}),
    ("question", "first/ask", {"choice": 2, "right": False}),
    ("place", "last", "first"),
]


def test_memory_keeps_each_kind(page, base):
    page.goto(f"{base}/index.html")
    for kind, key, value in GOOD:
        page.evaluate("entry => courseMemory.set(...entry)", [kind, key, value])
    page.reload()
    for kind, key, value in GOOD:
        asked = page.evaluate("entry => courseMemory.get(...entry)", [kind, key])
        assert asked == value
    assert page.evaluate("courseMemory.keys('prediction')") == [
        "first/ask",
        "first/ask:1",
    ]
    page.evaluate("courseMemory.remove('section', 'first/begin')")
    assert page.evaluate("courseMemory.get('section', 'first/begin') === undefined")
    assert stored(page)["section"] == {"first/summary": False}
    assert stored(page)["version"] == 1
    page.evaluate("courseMemory.clear()")
    page.reload()
    assert page.evaluate("courseMemory.keys('question')") == []


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("sections", True, "kind is sections, expected one of section,exercise"),
        ("section", 1, "section: expected true or false, got 1"),
        ("exercise", False, "exercise: expected true, got false"),
        ("prediction", "7", "prediction: expected {guess: text or null"),
        ("prediction", {"guess": "7"}, "choice: number or null}, got"),
        ("question", {"choice": -1, "right": True}, "question: expected {choice"),
        ("place", None, "place: expected text, got null"),
    ],
)
def test_memory_refuses_what_it_could_not_read(page, base, kind, value, message):
    page.goto(f"{base}/index.html")
    page.evaluate("courseMemory.set('section', 'a/b', true)")
    before = stored(page)
    said = page.evaluate(
        """([kind, value]) => {
          try { courseMemory.set(kind, "a/b", value); } catch (e) { return e.message; }
        }""",
        [kind, value],
    )
    assert message in said
    assert stored(page) == before


@pytest.mark.parametrize(
    "garbage",
    [
        "{",
        "7",
        "null",
        "[5]",
        '{"version": 1, "section": [1], "chapter": null}',
        '{"version": 1, "section": {"first/begin": "yes"}, "question": {"q": {}}}',
    ],
)
def test_memory_survives_garbage(page, base, garbage):
    first(page, base)
    keep(page, KEY, garbage)
    page.reload()
    assert state(page)["bar"] == 0
    box(page, "first/begin").check()
    page.reload()
    assert box(page, "first/begin").is_checked()
    # What could be read beside garbage is still there.
    keep(page, KEY, '{"section": {"first/begin": true, "first/ask": 7}, "extra": 1}')
    page.reload()
    assert page.evaluate("courseMemory.keys('section')") == ["first/begin"]


def test_memory_takes_over_what_was_kept_before(page, base):
    page.goto(f"{base}/index.html")
    page.evaluate("localStorage.clear()")
    keep(page, OLD_KEY, '["chapters/07_first", 5, "chapters/gone"]')
    first(page, base)
    assert state(page)["words"] == ONE
    assert stored(page)["chapter"] == {"first": True, "gone": True}
    assert page.evaluate("key => localStorage.getItem(key)", OLD_KEY) is None
    # Once: what is forgotten then stays so.
    page.evaluate("courseMemory.clear()")
    keep(page, OLD_KEY, '["chapters/01_first"]')
    page.reload()
    assert state(page)["words"] == NONE


def test_page_works_where_a_browser_keeps_nothing(page, serve, book):
    # Reading the property itself raises an error where storage is forbidden, which
    # scripts of the theme do not expect.
    page.add_init_script(
        """Object.defineProperty(window, "localStorage", {
          get() { throw new DOMException("forbidden", "SecurityError"); }
        });"""
    )
    first(page, serve(book))
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    box(page, "first", "chapter").check()
    assert state(page)["bar"] == 1


def test_other_tabs_hear_of_it_and_keep_theirs(page, base):
    page.goto(f"{base}/index.html")
    other = page.context.new_page()
    first(other, base)
    box(other, "first/begin").check()
    page.wait_for_function("document.querySelector('progress').value > 0")
    assert state(page)["chapters"] == {"01_first": "1/3"}
    assert state(page)["way"][0].startswith("Continue with 1.2")
    # A tab that has not heard of a change does not undo it.
    page.evaluate(
        """() => {
          const kept = JSON.parse(localStorage.getItem("first-tensor"));
          kept.section["first/summary"] = true;
          localStorage.setItem("first-tensor", JSON.stringify(kept));
          courseMemory.set("exercise", "first/two", true);
        }"""
    )
    assert set(stored(page)["section"]) == {"first/begin", "first/summary"}


@pytest.mark.parametrize("served", [True, False], ids=["server", "file"])
def test_progress_moves_as_a_file(
    page, new_context, serve, book, errors, tmp_path, served
):
    base = serve(book) if served else book.as_uri()
    first(page, base)
    box(page, "first/begin").check()
    page.get_by_text("Save, move or start over").press("Enter")
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save to a file").press("Enter")
    file = tmp_path / saving.value.suggested_filename
    saving.value.save_as(file)
    assert file.name == "first-tensor-progress.json"
    assert json.loads(file.read_text("utf-8")) == stored(page)
    told = ".reading-progress details [role=status]"
    assert page.locator(told).inner_text() == "Saved as first-tensor-progress.json."

    context = new_context()
    new = context.new_page()
    new.goto(f"{base}/chapters/02_second.html")
    box(new, "second/go-on").check()
    new.get_by_text("Save, move or start over").click()

    def load(file):
        new.evaluate("told => document.querySelector(told).textContent = ''", told)
        with new.expect_file_chooser() as choosing:
            new.get_by_role("button", name="Load a file").press("Enter")
        choosing.value.set_files(file)
        answer = "told => document.querySelector(told).textContent"
        return new.wait_for_function(answer, arg=told).json_value()

    before = stored(new)
    for wrong in (
        "{",
        "[]",
        '{"version": 2}',
        '{"version": 1, "section": {"first/begin": 1}}',
        '{"version": 1, "section": {"first/begin": true}, "question": {"q": 1}}',
        '{"version": 1, "sections": {}}',
    ):
        bad = tmp_path / "other.json"
        bad.write_text(wrong)
        refused = (
            "other.json is not a file that this page has saved. Nothing was changed."
        )
        assert load(bad) == refused
        assert stored(new) == before
    assert load(file) == "Loaded. What you had done here is still there."
    assert set(stored(new)["section"]) == {"first/begin", "second/go-on"}
    assert state(new)["chapters"] == {"01_first": "1/3", "": "✓"}


def test_import_says_what_it_expects(page, base):
    page.goto(f"{base}/index.html")
    said = page.evaluate(
        """() => [
          null,
          {version: 2},
          {version: 1, section: []},
          {version: 1, other: {}},
          {version: 1, question: {q: {choice: "A", right: true}}},
        ].map((bad) => {
          try { courseMemory.imported(bad); } catch (error) { return error.message; }
        })"""
    )
    assert said == [
        "expected an object whose version is 1",
        "expected an object whose version is 1",
        "section: expected an object",
        "kind is other, expected one of section,exercise,chapter,prediction,"
        "question,place",
        'question: expected {choice: number, right: true or false}, got {"choice":"A",'
        '"right":true}',
    ]


# --- sections, exercises, chapters ----------------------------------------------------


@pytest.mark.parametrize("served", [True, False], ids=["server", "file"])
def test_progress_is_kept_and_can_be_forgotten(page, errors, serve, book, served):
    base = serve(book) if served else book.as_uri()
    page.goto(f"{base}/index.html")
    assert state(page) == {
        "words": NONE,
        "bar": 0,
        "chapters": {},
        "sections": {},
        "way": None,
    }
    first(page, base)
    page.get_by_text("Save, move or start over").click()
    start_over = page.get_by_role("button", name="Start over")
    assert not start_over.is_visible()
    assert not page.get_by_role("button", name="Save to a file").is_visible()

    page.get_by_role("checkbox", name="Done with 1.1").focus()
    page.keyboard.press("Space")
    page.get_by_role("checkbox", name="Done with exercise 2").press("Space")
    expected = {
        "words": NONE,
        "bar": 0.33,
        "chapters": {"": "1/3"},
        "sections": {"begin": "✓", "exercises": "1/2"},
        "way": None,
    }
    assert state(page) == expected
    page.reload()
    assert state(page) == expected
    assert box(page, "first/begin").is_checked()
    page.get_by_role("checkbox", name="I have finished this chapter").press("Space")
    page.goto(f"{base}/chapters/02_second.html")
    expected |= {"words": ONE, "bar": 1, "chapters": {"01_first": "✓"}, "sections": {}}
    assert state(page) == expected
    assert not page.get_by_role("checkbox").first.is_checked()
    page.goto(f"{base}/index.html")
    expected["way"] = ["Continue with 2.1 Go on", "02_second.html#go-on"]
    assert state(page) == expected
    assert page.get_by_role("progressbar", name=ONE).count() == 1
    ticked = page.locator(".learning-path a").first
    assert "✓" in ticked.evaluate("a => getComputedStyle(a, '::after').content")

    page.get_by_text("Save, move or start over").click()
    page.once("dialog", lambda dialog: dialog.dismiss())
    start_over.press("Enter")
    assert state(page)["bar"] == 1
    page.once("dialog", lambda dialog: dialog.accept())
    start_over.press("Enter")
    assert not stored(page)["chapter"]
    assert state(page) == expected | {
        "words": NONE,
        "bar": 0,
        "chapters": {},
        "way": None,
    }
    assert page.evaluate("document.activeElement.className") == (
        "reading-progress pst-js-only"
    )
    first(page, base)
    assert page.locator("input:checked").count() == 0


def answer_of(page, kind, right=True):
    """Give the one guess, or the one answer, of the section that asks."""
    value = {"guess": "7", "choice": None}
    if kind == "question":
        value = {"choice": 1, "right": right}
    page.evaluate(
        "([kind, value]) => courseMemory.set(kind, 'first/ask', value)", [kind, value]
    )


def laid_out(page):
    """Wait until the page has told what is in view, and that has been dealt with."""
    page.evaluate(
        """async () => {
          const frame = () => new Promise((next) => requestAnimationFrame(next));
          await frame();
          await frame();
          await new Promise((next) => setTimeout(next));
        }"""
    )


def test_section_is_done_once_all_its_questions_are(page, base):
    first(page, base)
    box(page, "first/ask").scroll_into_view_if_needed()
    answer_of(page, "prediction")
    laid_out(page)
    assert state(page)["sections"] == {}
    answer_of(page, "question", right=False)
    laid_out(page)
    assert box(page, "first/ask").is_checked()
    assert state(page)["sections"] == {"ask-me": "✓"}
    # What the reader unticks stays so, though the answers are there.
    box(page, "first/ask").uncheck()
    page.reload()
    box(page, "first/ask").scroll_into_view_if_needed()
    laid_out(page)
    assert not box(page, "first/ask").is_checked()
    answer_of(page, "question")
    laid_out(page)
    assert not box(page, "first/ask").is_checked()


@pytest.mark.parametrize("later", [False, True], ids=["at-once", "another-day"])
def test_section_is_done_once_its_end_is_reached(page, base, later):
    """Also if its end was in view before there was an answer that moved it away."""
    page.add_init_script(
        """addEventListener("DOMContentLoaded", () => {
          const rule = "[data-answer]:not([hidden]) { min-height: 5000px }";
          document.head.append(Object.assign(document.createElement("style"), {
            textContent: rule,
          }));
        });"""
    )
    first(page, base)
    box(page, "first/ask").scroll_into_view_if_needed()
    answer_of(page, "question")
    laid_out(page)
    guess = page.locator("[data-prediction='first/ask'] button").first
    guess.evaluate("button => button.click()")
    laid_out(page)
    assert state(page)["sections"] == {}
    if later:
        page.reload()
    page.evaluate("scrollTo(0, 0)")
    laid_out(page)
    assert state(page)["sections"] == {}
    box(page, "first/ask").scroll_into_view_if_needed()
    laid_out(page)
    assert state(page)["sections"] == {"ask-me": "✓"}


def test_chapter_is_finished_once_its_core_is_done(page, base):
    first(page, base)
    chapter = box(page, "first", "chapter")
    for key in ("begin", "ask"):
        box(page, f"first/{key}").check()
    assert not chapter.is_checked()
    box(page, "first/summary").check()
    assert chapter.is_checked()
    assert state(page)["words"] == ONE
    # The reader's word counts, either way.
    chapter.uncheck()
    page.reload()
    assert not chapter.is_checked()
    box(page, "first/skip").check()
    assert not chapter.is_checked()
    assert state(page)["chapters"] == {"": "3/3"}
    page.goto(f"{base}/index.html")
    assert state(page)["way"] == [
        "Continue with 1.4 Exercises",
        "01_first.html#exercises",
    ]


@pytest.mark.parametrize(
    ("visited", "done", "way"),
    [
        ("first", [], "1.1 Begin"),
        ("first", ["section first/begin"], "1.2 Ask me"),
        # What is deeper is passed by, also right behind the last tick.
        ("first", ["section first/ask"], "1.4 Exercises"),
        ("first", ["section first/ask", "exercise first/two"], "1.4 Exercises"),
        (
            "first",
            ["exercise first/exercises", "exercise first/two"],
            "1.5 Summary",
        ),
        # At the end, what was left out.
        ("first", ["section first/summary"], "1.1 Begin"),
        ("first", ["chapter first"], "2.1 Go on"),
        ("second", ["chapter first"], "2.1 Go on"),
        ("second", ["section second/go-on"], None),
        ("gone", [], None),
    ],
)
def test_way_leads_to_the_next_section(page, base, visited, done, way):
    page.goto(f"{base}/index.html")
    page.evaluate("topic => courseMemory.set('place', 'last', topic)", visited)
    for entry in done:
        page.evaluate("entry => courseMemory.set(...entry, true)", entry.split())
    if done == ["section second/go-on"]:  # on its page, the chapter would be finished
        page.evaluate("courseMemory.set('chapter', 'second', true)")
    page.reload()
    found = state(page)["way"]
    assert (found and found[0]) == (way and f"Continue with {way}")
    if way:
        page.locator(".continue-reading a").click()
        page.wait_for_url("**/chapters/*.html#*")
        anchor = page.url.split("#")[1]
        title = page.locator(f"section#{anchor} > h2")
        assert title.evaluate("h2 => h2.innerText").startswith(way.split()[0])


def test_progress_is_painted_with_the_page(page, base):
    page.add_init_script(
        """
        document.addEventListener("readystatechange", () => {
          if (document.readyState !== "interactive") return;
          const after = (a) => getComputedStyle(document.querySelector(a), "::after");
          window.early = [
            document.querySelector(".reading-progress p").textContent,
            document.querySelector(".done-box input").checked,
            document.querySelector(".chapter-finished input").checked,
            after(".bd-links .current > a").content,
            after(".bd-sidebar-secondary a[href='#begin']").content,
          ];
        });
        """
    )
    first(page, base)
    box(page, "first", "chapter").check()
    box(page, "first/begin").check()
    page.reload()
    text, section, chapter, tick, contents = page.evaluate("window.early")
    assert text == ONE
    assert section
    assert chapter
    assert "✓" in tick
    assert "✓" in contents


def test_way_is_painted_with_the_page(page, base):
    page.add_init_script(
        """
        document.addEventListener("readystatechange", () => {
          if (document.readyState !== "interactive") return;
          window.early = document.querySelector(".continue-reading")?.innerText;
        });
        """
    )
    first(page, base)
    page.goto(f"{base}/index.html")
    assert page.evaluate("window.early") == "Continue with 1.1 Begin"


def test_nothing_is_dead_without_a_script(new_context, base):
    context = new_context(java_script_enabled=False)
    page = context.new_page()
    for name in ("index", "chapters/01_first"):
        page.goto(f"{base}/{name}.html")
        for dead in (".reading-progress", ".done-box", ".chapter-finished"):
            assert page.locator(f"{dead} >> visible=true").count() == 0
        assert page.locator(".continue-reading >> visible=true").count() == 0
    assert page.locator("h2 .deeper").is_visible()


def test_nothing_to_tick_is_printed(page, base):
    first(page, base)
    page.emulate_media(media="print")
    boxes = page.locator("input, .done-box, .reading-progress")
    assert boxes.count() > 8
    assert page.locator(":is(input, .done-box) >> visible=true").count() == 0
    page.goto(f"{base}/index.html")
    assert not page.locator(".continue-reading").is_visible()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_progress_is_accessible(new_context, base, width, mode):
    from axe_playwright_python.sync_playwright import Axe

    context = new_context(
        viewport={"width": width, "height": 800},
        color_scheme=mode,
        reduced_motion="reduce",
    )
    page = context.new_page()
    first(page, base)
    for key in ("begin", "ask"):
        box(page, f"first/{key}").check()
    for name in ("chapters/01_first", "index"):
        page.goto(f"{base}/{name}.html")
        page.evaluate("document.querySelector('.reading-progress details').open = true")
        found = Axe().run(page, None, {"resultTypes": ["violations"]})
        assert not found.violations_count, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# --- what is built --------------------------------------------------------------------


def parsed(book, name):
    return BeautifulSoup((book / f"{name}.html").read_text("utf-8"), "html.parser")


def sections(html):
    text = (html / "_static" / "sections.js").read_text("utf-8")
    return json.loads(text.removeprefix("const courseSections = ").rstrip(";\n"))


def test_list_of_sections_is_what_the_site_shows(book):
    one, two = sections(book)
    assert (one["page"], one["topic"]) == ("chapters/01_first", "first")
    assert two["sections"] == [
        {"cell": "go-on", "anchor": "go-on", "title": "2.1 Go on"}
    ]
    assert one["sections"] == [
        {"cell": "begin", "anchor": "begin", "title": "1.1 Begin"},
        {"cell": "ask", "anchor": "ask-me", "title": "1.2 Ask me"},
        {"cell": "skip", "anchor": "skip-it", "title": "1.3 Skip it", "deeper": True},
        {
            "cell": "exercises",
            "anchor": "exercises",
            "title": "1.4 Exercises",
            "exercises": ["exercises", "two"],
        },
        {"cell": "summary", "anchor": "summary", "title": "1.5 Summary"},
    ]


def test_deeper_is_a_badge_and_nothing_else(book):
    page = parsed(book, "chapters/01_first")
    marked = {badge.find_parent("section")["id"] for badge in page.select("h2 .deeper")}
    below = {badge.find_parent("section")["id"] for badge in page.select("h3 .deeper")}
    assert (marked, below) == ({"skip-it"}, {"only-this"})
    heading = page.select_one("#skip-it > h2").get_text(" ", strip=True)
    assert heading == "1.3. Skip it Deeper #"
    listed = page.select(".bd-sidebar-secondary a:has(.deeper)")
    assert [link["href"] for link in listed] == ["#skip-it", "#only-this"]
    # Neither the search nor the catalogs for translators hear of it.
    index = (book / "searchindex.js").read_text("utf-8")
    assert '"Skip it"' in index
    assert "deeper" not in index.lower()
    assert "done with" not in index.lower()


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_sections_can_be_remembered(path):
    """No two begin in one cell, and what is deeper says what that means."""
    topics = [other.stem.partition("_")[2] for other in chapters()]
    assert len(set(topics)) == len(topics)
    for cell in read(path).cells:
        levels = [level for level, _ in headings(cell)]
        assert levels.count(2) <= 1, f"{cell.id} opens two sections"
        assert len(LABEL.findall(cell.source)) <= 1, f"{cell.id} holds two exercises"
        if "deeper" in tags(cell):
            assert levels, f"{cell.id} is tagged deeper, and opens no section"
            line = "*You can skip this on a first reading.*"
            assert line in cell.source, f"{cell.id} is deeper, and does not say: {line}"


# --- bars in notebooks ----------------------------------------------------------------


@pytest.mark.parametrize(("asked", "shown"), [("0", False), ("1", True)])
def test_progress_on_demand(monkeypatch, asked, shown):
    monkeypatch.setenv("COURSE_PROGRESS", asked)
    assert watched() is shown


def test_progress_where_a_person_watches(monkeypatch):
    for name in ("COURSE_PROGRESS", "JPY_SESSION_NAME", "COLAB_RELEASE_TAG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert not watched()
    monkeypatch.setenv("JPY_SESSION_NAME", "chapter.ipynb")
    assert watched()
