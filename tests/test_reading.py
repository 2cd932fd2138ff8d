"""Two whole chapters in each way of reading: unpacked, by keyboard, small, printed.

The parts are tested with small books (`test_reader.py`, `test_progress.py`); here is
what only a chapter shows. Nothing is found by its words, so `make pseudo` asks the same
of the book in a language that nobody speaks.
"""

import gzip
import json
from zlib import crc32

import pytest
from test_site import check

from tools.notebooks import ROOT

CHAPTERS = ["chapters/05_workflow", "chapters/06_classification"]

# Everything that folds is opened, every guess made, every question answered.
OPEN_ALL = """
() => {
  for (const one of document.querySelectorAll(
    ".choices li:last-child button, .guess button, .question summary, " +
    ".toggle-hidden button"
  )) one.click();
  for (const details of document.querySelectorAll("details")) details.open = true;
}
"""
# What a reader can press: a box is pressed by its label. Links in a line of text are as
# high as the line.
SMALL = """
() => [...document.querySelectorAll("button, summary, label, select, .btn")]
  .filter((element) => element.checkVisibility({visibilityProperty: true}))
  .filter((element) => !element.closest(".bd-header, .sidebar-primary-items__end"))
  .filter((element) => {
    const {width, height} = element.getBoundingClientRect();
    return width && (width < 24 || height < 24);
  })
  .map((element) => element.outerHTML.slice(0, 200))
"""
UNREADABLE = """
() => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const small = new Set();
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.closest("script, style, .katex"))
      continue;
    const {fontSize} = getComputedStyle(element);
    if (parseFloat(fontSize) < 10.5 && element.checkVisibility())
      small.add(`${fontSize}: ${element.outerHTML.slice(0, 120)}`);
  }
  return [...small];
}
"""
MOVING = """
() => [...document.querySelectorAll("*")].flatMap((element) =>
  ["", "::before", "::after"].flatMap((part) => {
    const style = getComputedStyle(element, part);
    const {transitionProperty, transitionDuration} = style;
    const moves =
      (transitionProperty !== "none" && !/^0s(, 0s)*$/.test(transitionDuration)) ||
      style.animationName !== "none" || style.scrollBehavior === "smooth";
    return moves ? [element.outerHTML.slice(0, 120) + part] : [];
  }))
"""
# Of each kind of what folds or waits, how much is seen, of how much.
SEEN = """
() => {
  const count = (selector) => {
    const all = [...document.querySelectorAll(selector)];
    return [all.filter((element) => element.checkVisibility()).length, all.length];
  };
  return {
    answers: count("[data-answer] > :not(details)"),
    choices: count(".predict .choices > li"),
    explanations: count(".choice .sd-summary-content"),
    proofs: count("details.proof pre"),
    solutions: count(".solution > section"),
    "for scripts": count(".guess, .guess-note, .score, .done-box, .all-answers"),
  };
}
"""


def has_all(found):
    seen, count = found
    return seen == count > 0


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_is_read_from_a_folder_by_keyboard(page, site, tmp_path, name):
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{site.as_uri()}/{name}.html")

    def press(locator, key="Enter"):
        locator.focus()
        assert locator.evaluate("element => element === document.activeElement")
        page.keyboard.press(key)

    kept = "kind => courseMemory.keys(kind).length"
    press(page.locator(".predict .choices button").first)
    assert page.evaluate(kept, "prediction") == 1
    key = page.evaluate("courseMemory.keys('prediction')[0]")
    assert page.locator(f'[data-answer="{key}"]').first.is_visible()
    press(page.locator(".question summary").first)
    assert page.evaluate(kept, "question") == 1
    assert page.locator(".choice .sd-summary-content").first.is_visible()
    proof = page.locator("details.proof:not([hidden] *)").first
    press(proof.locator("summary"))
    assert proof.locator("pre").first.is_visible()
    press(page.locator(".done-box input[data-kind=section]").first, "Space")
    assert page.evaluate(kept, "section") >= 1

    press(page.locator(".reading-progress summary"))
    with page.expect_download() as saving:
        press(page.locator("[data-act=save]"))
    saving.value.save_as(tmp_path / "saved.json")
    saved = json.loads((tmp_path / "saved.json").read_text("utf-8"))
    assert saved == page.evaluate("courseMemory.exported()")
    assert saved["prediction"]
    assert saved["question"]
    assert saved["section"]
    assert not errors


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_is_whole_without_scripts(new_context, site, name):
    context = new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.as_uri()}/{name}.html")
    found = page.evaluate(SEEN)
    assert has_all(found["answers"]), found
    assert has_all(found["choices"]), found
    assert has_all(found["solutions"]), found
    assert found["for scripts"][0] == 0 < found["for scripts"][1], found
    for folded in ("details.proof", "details.choice"):
        one = page.locator(folded).first
        one.locator("summary").press("Enter")
        assert one.get_attribute("open") is not None


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_is_whole_on_paper(page, site, name):
    page.goto(f"{site.as_uri()}/{name}.html")
    folded = page.evaluate(SEEN)
    assert folded["answers"][0] == folded["explanations"][0] == 0
    page.evaluate(
        f"addEventListener('beforeprint', () => {{ window.printed = ({SEEN})(); }})"
    )
    page.pdf()
    page.emulate_media(media="print")
    found = page.evaluate("window.printed") | {
        kind: count
        for kind, count in page.evaluate(SEEN).items()
        if kind in ("answers", "choices", "proofs", "for scripts")
    }
    for kind in ("answers", "choices", "explanations", "solutions"):
        assert has_all(found[kind]), (kind, found)
    for kind in ("proofs", "for scripts"):
        assert found[kind][0] == 0 < found[kind][1], (kind, found)


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_fits_a_phone_and_keeps_still(new_context, site, name):
    context = new_context(
        viewport={"width": 360, "height": 800}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(f"{site.as_uri()}/{name}.html")
    page.evaluate("delete document.documentElement.dataset.bySection")
    page.evaluate(OPEN_ALL)
    assert not page.evaluate(MOVING)
    assert page.evaluate("document.getAnimations().length") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert not page.evaluate(SMALL)
    assert not page.evaluate(UNREADABLE)


@pytest.mark.parametrize("name", ["index", *CHAPTERS])
def test_page_is_accessible_when_all_is_open(new_context, site, name):
    context = new_context(
        viewport={"width": 1280, "height": 800}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.add_init_script(f"addEventListener('load', {OPEN_ALL})")
    check(context, f"{site.as_uri()}/{name}.html")


RULES = """
.used, .unused .used { a: b }
.unused:hover, .used.unused { a: b }
.used:not(.unused)::after, :is(.unused, .used), p > a { a: b }
.bs-tooltip-auto { a: b }
@media print { .unused { a: b } .used { a: b } }
@media print { .unused { a: b } }
@font-face { font-family: used }
@page { margin: 1cm }
"""


def test_rules_that_nothing_needs_are_left_out(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "_ext"))
    from tinycss2 import parse_stylesheet
    from unused import needed

    rules = parse_stylesheet(RULES, skip_comments=True, skip_whitespace=True)
    left = needed(rules, {"used"})
    assert left.split("\n") == [
        ".used{a: b}",
        ".used:not(.unused)::after,:is(.unused, .used),p > a{a: b}",
        ".bs-tooltip-auto{a: b}",
        "@media print {.used{a: b}}",
        "@font-face { font-family: used }",
        "@page { margin: 1cm }",
    ]


def test_first_page_is_light(site):
    """Its styles are what most of it weighs, after its figures."""
    styles = (site / "_static" / "site.css").read_bytes()
    assert len(gzip.compress(styles)) < 40_000
    version = f"site.css?v={crc32(styles):08x}"
    for name in ("index", *CHAPTERS):
        assert version in (site / f"{name}.html").read_text("utf-8")
