"""The built site in a real browser: every page, wide and narrow, light and dark.

Two books are built: the course, and a small sample that holds one of each thing a
chapter may hold, with a repository named.
"""

import shutil
import uuid
from functools import cache
from io import BytesIO
from pathlib import Path
from urllib.parse import quote, unquote, urldefrag, urlsplit

import nbformat.v4 as nbf
import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from bs4 import BeautifulSoup
from nbformat import read as read_notebook
from nbformat import write as write_notebook
from PIL import Image
from sphinx_external_toc.parsing import parse_toc_yaml

from helpers import exercises
from tools import plain
from tools.notebooks import labels

ROOT = Path(__file__).parent.parent
PAGES = [*parse_toc_yaml(ROOT / "_toc.yml"), "search", "genindex"]
CHAPTERS = [name for name in PAGES if name.startswith("chapters/")]
SAMPLE_PAGES = ["index", "chapters/sample"]
WIDTHS = (360, 1280)
TABLET = 768
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
SCROLLING_RULE = "scrollable-region-focusable"
REPOSITORY = "https://github.com/someone/first-tensor"

# Every colour that the chapters' code has.
KINDS_OF_WORDS = '''
@decorator
class Net(nn.Module):
    """A docstring."""

    def forward(self, x: int = 0x1F, *args) -> None:
        if x is None and not args or x in [1, 2.5e-3]:
            raise ValueError(f"got {x!r:>10}\\n" r"raw" b"bytes")
        return super().forward(lambda y: y ** 2 // ~x % 3 != print(__name__))
%timeit x
!ls
'''

# What a page must hold whatever its content is; gives the problems as sentences.
INSPECT = """
async () => {
  const problems = [];
  delete document.documentElement.dataset.bySection; // the whole page at once
  for (const image of document.images) image.loading = "eager";
  await Promise.all([...document.images].map((image) => image.decode().catch(() => 0)));
  await document.fonts.ready;
  // Page.js hears of what is laid out now with a frame, and of fonts with the next.
  for (let i = 0; i < 3; i++) await new Promise((next) => requestAnimationFrame(next));
  const page = document.documentElement;
  if (page.scrollWidth > window.innerWidth)
    problems.push(`page is ${page.scrollWidth} px wide, window ${window.innerWidth}`);

  for (const image of document.images) {
    const isContent = image.closest("article") !== null;
    if (!image.hasAttribute("alt") || (isContent && !image.alt.trim()))
      problems.push(`no alt text: ${image.src}`);
    if (image.naturalWidth === 0) problems.push(`not a picture: ${image.src}`);
    if (isContent && !(image.hasAttribute("width") && image.hasAttribute("height")))
      problems.push(`no place is kept for: ${image.src}`);
  }

  const isSeen = (element) => element.getClientRects().length > 0;
  const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")]
    .filter((heading) => isSeen(heading));
  const levels = headings.map((heading) => Number(heading.tagName[1]));
  const tops = levels.filter((level) => level === 1).length;
  if (tops !== 1) problems.push(`${tops} headings of level 1`);
  levels.forEach((level, i) => {
    if (i > 0 && level > levels[i - 1] + 1)
      problems.push(`level skipped before: ${headings[i].textContent}`);
  });

  const ids = [...document.querySelectorAll("[id]")].map(({id}) => id);
  const shared = new Set(ids.filter((id, i) => ids.indexOf(id) < i));
  for (const id of shared) problems.push(`several elements have the id ${id}`);

  for (const formula of document.querySelectorAll(".math")) {
    if (!formula.querySelector(".katex") || formula.querySelector(".katex-error"))
      problems.push(`not typeset: ${formula.textContent}`);
  }

  for (const link of document.querySelectorAll(".prev-next-area a"))
    if (link.scrollWidth > link.clientWidth)
      problems.push(`cut off: ${link.textContent}`);
  return problems;
}
"""


@cache
def parsed(path):
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


VERDICT = "Exercise 1 (Sum): right. It is a sum. " + "And so on. " * 20


@pytest.fixture(scope="session")
def sample_source(tmp_path_factory):
    """Write a book with the course's settings and one of each thing."""
    source = tmp_path_factory.mktemp("sample")
    needed = "_config.yml _ext _static _templates _vendor figures tools"
    for name in needed.split():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name)
        else:
            shutil.copy(ROOT / name, source)
    (source / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nchapters:\n  - file: chapters/sample\n"
    )
    (source / "index.md").write_text(
        "# A sample\n\n[The page](chapters/sample.ipynb)\n"
    )
    hidden = {"jupyter": {"source_hidden": True, "outputs_hidden": True}}
    wide = "\\quad".join(["\\frac{a_1 + b_1}{c_1}"] * 20)
    figure = '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="40"/>'
    notebook = nbf.new_notebook(
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": "python", "pygments_lexer": "ipython3"},
        },
        cells=[
            nbf.new_markdown_cell(
                f"# One of each\n\nInline $x^2$.\n\n$$\n{wide}\n$$\n\n"
                "Call `torch.use_deterministic_algorithms_and_more(True)`.\n\n"
                "[Two parameters](https://example.org/#a=1&b=2)\n\n"
                "| | bytes |\n|---|--:|\n| `int8` | 1 |\n\n"
                "## A section\n\n:::{note}\nA note.\n:::\n\n"
                "![Five steps in a circle.](../figures/training_loop.svg)\n\n"
                ":::{dropdown} A. The first choice\nAn explanation.\n:::\n\n"
                "::::{tab-set}\n:::{tab-item} Linux\nOne.\n:::\n"
                ":::{tab-item} macOS\nTwo.\n:::\n::::\n"
            ),
            nbf.new_code_cell(
                "figure  # shown in code only\n" + KINDS_OF_WORDS,
                metadata={"mystnb": {"image": {"alt": "A flat rectangle."}}},
                outputs=[nbf.new_output("display_data", {"image/svg+xml": figure})],
            ),
            nbf.new_code_cell(
                "print(row)",
                outputs=[nbf.new_output("stream", name="stdout", text="0123  " * 99)],
            ),
            nbf.new_code_cell(
                "print(verdict)",
                outputs=[nbf.new_output("stream", name="stdout", text=VERDICT)],
            ),
            nbf.new_code_cell(
                "frame",
                outputs=[
                    nbf.new_output(
                        "display_data",
                        {
                            "text/html": '<table class="dataframe"><thead><tr>'
                            + "<th></th>"
                            + "<th>column</th>" * 30
                            + "</tr></thead><tbody><tr><th>0</th>"
                            + "<td>1.2345</td>" * 30
                            + "</tr></tbody></table>"
                        },
                    )
                ],
            ),
            nbf.new_code_cell("print(1)", metadata={"tags": ["hide-input"]}),
            nbf.new_code_cell(
                "1 / 0",
                metadata={"tags": ["raises-exception"]},
                outputs=[
                    nbf.new_output(
                        "error",
                        ename="ZeroDivisionError",
                        evalue="division by zero",
                        traceback=["\x1b[31mZeroDivisionError\x1b[39m: by zero"],
                    )
                ],
            ),
            nbf.new_markdown_cell(
                ":::{exercise} Sum with `sum`\n:label: ex-sample\n\nAdd them.\n:::"
            ),
            nbf.new_markdown_cell(
                ":::{solution-start} ex-sample\n:class: dropdown\n:::"
            ),
            nbf.new_code_cell("# One way\nanswer = 6", metadata=hidden),
            nbf.new_markdown_cell(":::{solution-end}\n:::"),
        ],
    )
    (source / "chapters").mkdir()
    write_notebook(notebook, source / "chapters" / "sample.ipynb")
    return source


@pytest.fixture(scope="session")
def sample(build, sample_source, tmp_path_factory):
    """Return the folder of the sample's HTML, built with a repository named."""
    output = tmp_path_factory.mktemp("sample_built")
    return build(sample_source, output, COURSE_REPOSITORY_URL=REPOSITORY) / "html"


# Notes what receives the focus, and whether one can see that it did.
WATCH_FOCUS = """
() => {
  window.reached = new Set();
  window.unseen = [];
  document.addEventListener("focusin", ({target}) => {
    reached.add(target);
    const {outlineStyle, outlineWidth} = getComputedStyle(target);
    if (outlineStyle === "none" || parseFloat(outlineWidth) === 0)
      unseen.push(target.outerHTML.slice(0, 200));
  });
}
"""

# What a mouse can use, less what is not shown and what shares its group's one stop.
NOT_REACHED = """
() => [...document.querySelectorAll(
  "a[href], button, input, select, summary, textarea, [onclick], [role=button]"
)]
  .filter((element) => element.checkVisibility({visibilityProperty: true}))
  .filter((element) => !element.disabled && !element.matches("input[type=radio]"))
  .filter((element) => !reached.has(element))
  .map((element) => element.outerHTML.slice(0, 200))
"""


# Rules on anything but colours see code as its text and its links, and buttons without
# the lines of their icons, which are more than half of a chapter's elements. The boxes
# and what they scroll stay as they are.
CODE_IS_TEXT = """
() => {
  for (const line of document.querySelectorAll("button svg > :not(title)"))
    line.remove();
  const isToken = ({tagName, attributes}) =>
    tagName === "SPAN" && [...attributes].every(({name}) => name === "class");
  const isCode = (node) => node.nodeType === Node.TEXT_NODE || isToken(node) &&
    [...node.querySelectorAll("*")].every(isToken);
  for (const pre of document.querySelectorAll("pre")) {
    pre.tokens = [...pre.childNodes];
    pre.replaceChildren(...pre.tokens.map(
      (node) => isCode(node) ? node.textContent : node.cloneNode(true)
    ));
    pre.normalize();
  }
}
"""
LEAVE_WHAT_STANDS_AROUND = """
() => {
  for (const part of document.querySelectorAll("article > section > :not(h1)"))
    part.remove();
}
"""
# What stands in the same elements, with the same classes, attributes and styles, has
# the same colours, but for the stripes of tables. Two texts, buttons and formulas of
# each kind are left for axe, which takes seconds for the thousands of a chapter.
# What other pages of the site have shown counts.
LEAVE_TWO_OF_A_KIND = """
(seen) => {
  for (const pre of document.querySelectorAll("pre"))
    if (pre.tokens) pre.replaceChildren(...pre.tokens);
  const visit = (element, above) => {
    const {tagName, type, style, rowIndex} = element;
    const names = element.getAttributeNames().sort().join();
    // Of a section, they name the cell that opens it.
    const classes = tagName === "SECTION" ? "" : [...element.classList].sort().join();
    const kind = [above, tagName, names, classes, type, style.cssText, rowIndex % 2]
      .join("|");
    const whole = element.matches("button, .katex");
    const texts = [...element.childNodes]
      .filter(({nodeType, data}) => nodeType === Node.TEXT_NODE && data.trim());
    if (whole || texts.length > 0) seen[kind] = (seen[kind] ?? 0) + 1;
    if (seen[kind] > 2) {
      if (whole) return element.remove();
      for (const text of texts) text.remove();
    }
    const before = element.childElementCount;
    for (const child of [...element.children]) visit(child, kind);
    const emptied = element.childElementCount < before || texts.length > 0;
    const empty = !element.childElementCount && !element.textContent.trim();
    if (empty && (emptied || tagName === "SPAN")) element.remove();
  };
  // Where axe sees a gradient it gives up; the shadows of code are at its edges.
  for (const {style} of document.querySelectorAll("pre"))
    style.backgroundImage = "none";
  const sheets = [...document.querySelectorAll("link[rel=stylesheet]")];
  visit(document.body, sheets.map(({href}) => href.split("/").at(-1)).join());
  return seen;
}
"""


@pytest.fixture(scope="session")
def contexts(browser):
    """Return a function that gives one browsing context for each width."""
    made = {}

    def context(width):
        if width not in made:
            made[width] = browser.new_context(
                viewport={"width": width, "height": 800},
                color_scheme="light",
                reduced_motion="reduce",  # else colours are read half-way
            )
        return made[width]

    return context


@pytest.fixture(scope="session")
def shown():
    """Keep how often the pages of the course have shown each kind of text."""
    return {}


def visit(context, address):
    """Open a page and return it with the list of what goes wrong, as sentences.

    All pages of a context are opened in one tab, the last one that it has: to start
    another takes longer than to open them.
    """
    page = context.pages[-1] if context.pages else context.new_page()
    page.goto("about:blank")
    problems = []
    origin = urlsplit(address)[:2]

    def ask(request):
        url = urlsplit(request.url)
        if url[:2] != origin and url.scheme not in ("data", "blob"):
            problems.append(f"request off the machine: {request.url}")

    def answer(response):
        if response.status >= 400:
            problems.append(f"{response.status}: {response.url}")

    def say(message):
        if message.type == "error":
            problems.append(f"console: {message.text}")

    listeners = {
        "request": ask,
        "requestfailed": lambda request: problems.append(f"failed: {request.url}"),
        "response": answer,
        "console": say,
        "pageerror": lambda error: problems.append(f"script: {error}"),
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    page.goto(address)
    problems += page.evaluate(INSPECT)
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    return page, problems


def check(context, address, again=False, shown=None):
    """Assert that a page is sound and accessible.

    The rules of axe on colours are applied to the light page and to the dark one, all
    others once. A wide page is narrowed to a tablet's, too. What has been looked at
    needs no second look, which takes axe seconds: with `again`, when the page has
    passed in another width, only what depends on the width; and of texts that other
    pages have shown, which `shown` counts by their kind, no colours.
    """
    page, problems = visit(context, address)
    size = page.viewport_size
    if size["width"] > TABLET:
        page.set_viewport_size(size | {"width": TABLET})
        problems += page.evaluate(INSPECT)
        page.set_viewport_size(size)

    def look(which, options):
        # Without a list of all that is well, which takes axe as long as the rest.
        options = options | {"resultTypes": ["violations"]}
        found = AxeResults(page.evaluate("how => axe.run(document, how)", options))
        if found.violations_count:
            problems.append(f"{which}: {found.generate_report()}")

    page.evaluate(AXE_SCRIPT)
    page.evaluate(CODE_IS_TEXT)
    if again:
        look("access", {"runOnly": [SCROLLING_RULE]})
        page.evaluate(LEAVE_WHAT_STANDS_AROUND)
    look("access", {"rules": {rule: {"enabled": False} for rule in COLOUR_RULES}})
    if not again:
        shown = {} if shown is None else shown
        shown |= page.evaluate(LEAVE_TWO_OF_A_KIND, shown)
        for mode in ("light", "dark"):
            page.emulate_media(color_scheme=mode)
            page.wait_for_function(
                "mode => document.documentElement.dataset.theme === mode", arg=mode
            )
            look(mode, {"runOnly": COLOUR_RULES})
        page.emulate_media(color_scheme="light")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound(contexts, serve, site, shown, name, width):
    # Phones read from a server; a wide page is as sound where it was unpacked.
    base = serve(site) if width < TABLET else site.as_uri()
    # A wide page shows all that an article holds; the sample is looked at in both.
    address = f"{base}/{name}.html"
    check(contexts(width), address, again=width < TABLET, shown=shown)


def test_address_of_a_link_arrives(page, serve, sample):
    page.goto(f"{serve(sample)}/chapters/sample.html")
    link = page.get_by_role("link", name="Two parameters")
    assert link.evaluate("link => link.href") == "https://example.org/#a=1&b=2"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", SAMPLE_PAGES)
def test_sample_is_sound(contexts, serve, sample, name, width):
    check(contexts(width), f"{serve(sample)}/{name}.html")


def test_faults_are_found(contexts, serve, tmp_path):
    (tmp_path / "bad.html").write_text(
        """<html lang="en"><title>bad</title><body><article>
        <h1>One</h1><h1>Two</h1><h3>Skipped</h3>
        <div style="width: 2000px">wide</div><img src="data:,"><img src="gone.png">
        <span class="math">\\(x\\)</span><i id="one"></i><i id="one"></i>
        <script src="https://cdn.example/x.js"></script>
        <script>console.error("oops"); undefinedFunction()</script>
        </article></body></html>"""
    )
    _, problems = visit(contexts(360), f"{serve(tmp_path)}/bad.html")
    for fault in (
        "request off the machine: https://cdn.example/x.js",
        "failed: https://cdn.example/x.js",
        "console: oops",
        "script: undefinedFunction is not defined",
        "404: ",
        "wide, window 360",
        "no alt text: ",
        "not a picture: ",
        "no place is kept for: ",
        "2 headings of level 1",
        "level skipped before: Skipped",
        "several elements have the id one",
        "not typeset: ",
    ):
        assert any(fault in problem for problem in problems), fault


# A page that follows the system's mode, and its grey, which dark pages lack.
FOLLOWING = """<html lang="en"><title>bad</title>
<style>@media (prefers-color-scheme: dark) { p { color: #ccc } }</style>
<script>
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.onchange = () =>
    document.documentElement.dataset.theme = dark.matches ? "dark" : "light";
  dark.onchange();
</script>
<main><article><section><h1>One</h1>"""


def faults_of_access(context, serve, folder, *parts, **options):
    (folder / "bad.html").write_text("".join([FOLLOWING, *parts]))
    # Under its old address, the browser may show what was there a moment ago.
    address = f"{serve(folder)}/bad.html?{uuid.uuid4()}"
    with pytest.raises(AssertionError) as caught:
        check(context, address, **options)
    return str(caught.value)


def test_faults_of_access_are_found(contexts, serve, tmp_path):
    found = faults_of_access(
        contexts(360), serve, tmp_path, "<button></button><p>grey in the dark</p>"
    )
    access, dark = found.split("dark: ")
    assert "button-name" in access
    assert "color-contrast" not in access
    assert "color-contrast" in dark


def test_a_second_look_finds_what_depends_on_the_width(contexts, serve, tmp_path):
    wide = f"<pre style='overflow: auto'><span>{'wide ' * 99}</span></pre>"
    found = faults_of_access(
        contexts(360), serve, tmp_path, wide, "</main><button></button>", again=True
    )
    assert "scrollable-region-focusable" in found
    assert "button-name" in found


def test_colours_of_a_kind_are_looked_at_once(contexts, serve, tmp_path):
    shown = {}
    grey = "<p>grey in the dark</p>"
    first = faults_of_access(contexts(360), serve, tmp_path, grey * 2, shown=shown)
    assert "color-contrast" in first
    check(contexts(360), f"{serve(tmp_path)}/bad.html", shown=shown)
    for other in ("<div><p>grey</p></div>", "<p><b>grey</b></p>"):
        found = faults_of_access(
            contexts(360), serve, tmp_path, grey, other, shown=shown
        )
        assert "color-contrast" in found


@pytest.mark.parametrize("name", ["index", "chapters/sample", "search"])
def test_keyboard_reaches_everything(page, serve, sample, name):
    page.goto(f"{serve(sample)}/{name}.html", wait_until="networkidle")
    page.evaluate(WATCH_FOCUS)
    left = page.evaluate(NOT_REACHED)
    assert left, "nothing to reach"
    for _ in range(2 * len(left)):
        page.keyboard.press("Tab")
    assert not page.evaluate(NOT_REACHED)
    assert not page.evaluate("unseen")


def test_faults_of_focus_are_found(page):
    page.set_content(
        """<a href="#" style="outline: none">a</a><b onclick="0">b</b><button>c"""
    )
    page.evaluate(WATCH_FOCUS)
    for _ in range(4):
        page.keyboard.press("Tab")
    assert [text[:2] for text in page.evaluate("unseen")][:1] == ["<a"]
    assert [text[:2] for text in page.evaluate(NOT_REACHED)] == ["<b"]


def test_code_is_copied_as_it_was_typed(page, serve, site):
    """Every code cell of a chapter, and of consoles what was typed in them."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    def copies(address, blocks):
        page.goto(address)
        page.locator("button.copybtn").first.wait_for(state="attached")
        for button in page.locator(f"{blocks} button.copybtn").all():
            button.evaluate("(button) => button.click()")
            yield page.evaluate("navigator.clipboard.readText()")

    cells = read_notebook(ROOT / "chapters" / "02_tensors.ipynb", 4).cells
    typed = [cell.source for cell in cells if cell.cell_type == "code"]
    address = f"{serve(site)}/chapters/02_tensors.html"
    assert list(copies(address, ".cell_input")) == typed
    console = copies(f"{serve(site)}/index.html", ".highlight-console")
    assert next(console) == "make book\nmake test"


def test_links_lead_somewhere(site):
    pages = {
        path: parsed(path)
        for path in site.rglob("*.html")
        if "_static" not in path.parts
    }
    anchors = {
        path: {tag["id"] for tag in soup.find_all(id=True)}
        for path, soup in pages.items()
    }
    broken = []
    for path, soup in pages.items():
        for tag in soup.find_all(["a", "link", "script", "img"]):
            link = tag.get("href") or tag.get("src") or ""
            if urlsplit(link).scheme or not link:
                assert tag.name == "a" or not link.startswith("http"), (path.name, link)
                continue
            target, anchor = urldefrag(link)
            target = urlsplit(unquote(target)).path
            # 404.html is shown at any depth: its links begin at the root.
            start = site if target.startswith("/") else path.parent
            other = (start / target.lstrip("/")).resolve() if target else path
            if not other.is_file() or (anchor and anchor not in anchors.get(other, ())):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert not broken


@pytest.mark.parametrize("served", [True, False], ids=["server", "file"])
def test_search_page_shows_what_is_found(page, serve, site, search, served):
    base = serve(site) if served else site.as_uri()
    page.goto(f"{base}/search.html?q={quote('learning rate')}")
    more = page.get_by_role("button", name="Show more")
    while more.is_visible():
        more.click()
    links = page.locator("#search-results li a").evaluate_all(
        "links => links.map(a => a.getAttribute('href').replace('.html', ''))"
    )
    assert links == search("learning rate", served=served)


@pytest.mark.parametrize("served", [True, False], ids=["server", "file"])
@pytest.mark.parametrize("name", list(parse_toc_yaml(ROOT / "_toc.yml")))
def test_search_finds_every_page(search, site, name, served):
    html = parsed(site / f"{name}.html")
    title = html.select_one("article h1").find(string=True, recursive=False) or ""
    word = max((word for word in title.split() if word.isalpha()), key=len)
    assert name in [hit.partition("#")[0] for hit in search(word, served=served)]


@pytest.mark.parametrize("name", CHAPTERS)
def test_search_finds_a_term_and_an_error_of_each_chapter(search, site, name):
    html = parsed(site / f"{name}.html")
    term = html.select_one("#key-terms strong").get_text(" ", strip=True)
    assert name in [hit.partition("#")[0] for hit in search(term)]
    message = html.select_one(".cell_output .traceback").get_text().strip()
    hits = search(message.splitlines()[-1])
    assert name in [hit.partition("#")[0] for hit in hits]


@pytest.mark.parametrize("name", CHAPTERS)
def test_exercises_have_the_names_that_check_gives(site, name):
    titles = parsed(site / f"{name}.html").select("div.exercise > .admonition-title")
    shown = [" ".join(title.get_text().split()) for title in titles]
    notebook = read_notebook(ROOT / f"{name}.ipynb", as_version=4)
    given = [exercises._find(label).name for label in labels(notebook)]
    # Sphinx sets code in its own type, and curls what is typed as a straight quote.
    assert shown == [
        name.replace("`", "").replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")
        for name in given
    ]


def test_mode_is_remembered(page, serve, site):
    dataset = "document.documentElement.dataset"
    page.goto(f"{serve(site)}/index.html")
    for _ in range(3):
        if page.evaluate(f"{dataset}.mode") == "dark":
            break
        page.locator(".theme-switch-button:visible").first.click()
    assert page.evaluate(f"[{dataset}.mode, {dataset}.theme]") == ["dark", "dark"]
    page.reload()
    assert page.evaluate(f"{dataset}.theme") == "dark"
    page.goto(f"{serve(site)}/search.html")
    assert page.evaluate(f"{dataset}.theme") == "dark"


def test_drawing_stands_on_its_own_ground(page, serve, sample):
    """In dark pages the theme lays white under pictures; its corners would show."""
    page.emulate_media(color_scheme="dark")
    page.goto(f"{serve(sample)}/chapters/sample.html")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    ground = "image => getComputedStyle(image).backgroundColor"
    drawing = page.locator("article img[src*=training_loop]")
    assert drawing.evaluate(ground) == "rgba(0, 0, 0, 0)"
    figure = page.locator("article .cell_output img").first
    assert figure.evaluate(ground) == "rgb(255, 255, 255)"


def test_solution_opens_and_closes_by_keyboard(page, serve, sample):
    page.goto(f"{serve(sample)}/chapters/sample.html")
    answer = page.get_by_text("answer = 6")
    button = page.locator(".solution .toggle-button")
    button.wait_for()
    assert not answer.is_visible()
    button.focus()
    page.keyboard.press("Enter")
    answer.wait_for(state="visible")
    page.keyboard.press("Enter")
    answer.wait_for(state="hidden")


def test_wide_things_scroll_in_their_box(new_context, serve, sample):
    context = new_context(viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.goto(f"{serve(sample)}/chapters/sample.html", wait_until="networkidle")
    for selector in ("div.math", ".cell_output pre", ".cell_output:has(table)"):
        scrolls = page.locator(selector).first.evaluate(
            """(box) => [box, ...box.querySelectorAll("*")].some((element) => {
              element.scrollLeft = 50;
              return element.scrollLeft === 50;
            })"""
        )
        assert scrolls, selector


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_code_shows_where_it_goes_on(page, serve, sample, mode):
    page.set_viewport_size({"width": 360, "height": 800})
    page.emulate_media(color_scheme=mode)
    page.goto(f"{serve(sample)}/chapters/sample.html")
    pre = page.locator(".cell_input pre").first

    def shadows(place):
        """Tell whether the left and the right edge are darker or lighter than it."""
        pre.evaluate("(pre, place) => pre.scrollTo(place, 0)", place)
        picture = Image.open(BytesIO(pre.screenshot())).convert("L")
        row = picture.height - 6  # below the last line
        ground = picture.getpixel((picture.width // 2, row))
        edges = [picture.getpixel((x, row)) for x in (2, picture.width - 3)]
        return [abs(edge - ground) > 20 for edge in edges]

    assert shadows(0) == [False, True]
    assert shadows(40) == [True, True]
    assert shadows(9999) == [True, False]
    pre.evaluate("pre => pre.textContent = 'short'")
    assert shadows(0) == [False, False]


def test_printed_sentences_wrap_and_columns_scroll(page, serve, sample):
    page.set_viewport_size({"width": 320, "height": 800})
    page.goto(f"{serve(sample)}/chapters/sample.html")
    wide = "pre => pre.scrollWidth > pre.clientWidth"
    printed = page.locator(".cell_output .stream pre")
    assert not printed.filter(has_text="Exercise 1").evaluate(wide)
    assert printed.filter(has_text="0123").evaluate(wide)


@pytest.mark.parametrize("selector", ["div.math", ".cell_output > .output:has(table)"])
def test_what_scrolls_fades_where_it_goes_on(page, serve, sample, selector):
    page.set_viewport_size({"width": 320, "height": 800})
    page.goto(f"{serve(sample)}/chapters/sample.html")
    box = page.locator(selector).first.element_handle()

    def fades(place):
        """Tell whether the left and the right end are masked."""
        return box.evaluate(
            """async (box, place) => {
              box.scrollTo(place, 0);
              const frame = () => new Promise((next) => requestAnimationFrame(next));
              for (let i = 0; i < 3; i++) await frame();
              const mask = getComputedStyle(box).maskImage;
              return ["to right", "to left"].map((side) => mask.includes(side));
            }""",
            place,
        )

    assert fades(0) == [False, True]
    assert fades(40) == [True, True]
    assert fades(9999) == [True, False]
    box.evaluate("box => box.replaceChildren('short')")
    assert fades(0) == [False, False]


def test_long_page_is_laid_out_as_it_is_read(page, serve, site):
    is_laid_out = "box => box.checkVisibility({contentVisibilityAuto: true})"
    address = f"{serve(site)}/chapters/06_classification.html"
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(address)
    # Proofs are folded, and answers to predictions hidden, wherever they are.
    shown = "#common-mistakes pre:not([hidden] *, details *)"
    code = page.locator(shown).first
    assert not code.evaluate(is_laid_out)
    assert code.get_attribute("tabindex") is None

    # A tall section above the place must not push it away.
    page.goto(f"{address}#common-mistakes")
    page.wait_for_function(is_laid_out, arg=code.element_handle())
    page.wait_for_function(
        "() => Math.abs("
        "document.querySelector('#common-mistakes h2').getBoundingClientRect().y"
        ") < 200"
    )
    page.locator("#common-mistakes pre[tabindex='0']").first.wait_for()
    page.wait_for_function(
        """(shown) => [...document.querySelectorAll(shown)].every(
          (pre) => (pre.tabIndex === 0) === (pre.scrollWidth > pre.clientWidth)
        )""",
        arg=shown,
    )

    # The browser returns to where the reader was, so all has its true height.
    page.reload()
    assert page.locator("#summary p").first.evaluate(is_laid_out)


def test_download_is_the_plain_notebook(site, sample, sample_source):
    books = [(sample, sample_source, REPOSITORY, SAMPLE_PAGES, 1)]
    books += [(site, ROOT, "", PAGES, len(CHAPTERS) + 1)]
    for html, source, repository, names, at_least in books:
        course = plain.Course(source, repository)
        notebooks = [name for name in names if (source / f"{name}.ipynb").exists()]
        assert len(notebooks) >= at_least
        for name in notebooks:
            page = parsed(html / f"{name}.html")
            link = page.select_one(".dropdown-download-buttons a[href$='.ipynb']")
            offered = (html / name).parent / unquote(link["href"])
            made = course.written(source / f"{name}.ipynb")
            assert offered.read_text("utf-8").rstrip() == nbf.writes(made).rstrip()


def test_repository_buttons_appear_only_where_one_is_named(site, sample):
    def links(path):
        links = parsed(path).select(".article-header-buttons a[href]")
        return [tag["href"] for tag in links]

    chapter = "chapters/sample.ipynb"
    expected = {
        REPOSITORY,
        f"{REPOSITORY}/edit/main/{chapter}",
        f"https://colab.research.google.com/github/someone/first-tensor/blob/notebooks/{chapter}",
        f"{REPOSITORY}/blob/notebooks/{chapter}",
        f"https://kaggle.com/kernels/welcome?src={REPOSITORY}/blob/notebooks/{chapter}",
        f"https://mybinder.org/v2/gh/someone/first-tensor/main?urlpath=lab/tree/{chapter}",
    }
    found = links(sample / "chapters" / "sample.html")
    assert expected <= set(found)
    assert any(link.startswith(f"{REPOSITORY}/issues/new") for link in found)
    for name in PAGES:
        assert not [link for link in links(site / f"{name}.html") if "://" in link]


def test_prose_is_translated_and_code_is_not(build, sample_source, tmp_path):
    options = ("--builder", "custom", "--custom-builder", "gettext")
    built = build(sample_source, tmp_path, *options)
    catalog = (built / "gettext" / "chapters" / "sample.pot").read_text("utf-8")
    for text in (
        "One of each",
        "A note.",
        "A. The first choice",
        "macOS",
        "Sum with `sum`",
        "Add them.",
        "A flat rectangle.",
    ):
        assert f'msgid "{text}"' in catalog
    assert "shown in code only" not in catalog
