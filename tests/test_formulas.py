"""Formulas are set when the book is built: on screens, on paper, without scripts."""

import json
import re
import shutil
import zlib
from pathlib import Path

import nbformat
import nbformat.v4 as nbf
import pytest
from bs4 import BeautifulSoup
from nbformat import write as write_notebook
from sphinx_external_toc.parsing import parse_toc_yaml

pytestmark = pytest.mark.machinery

ROOT = Path(__file__).parent.parent
PAGES = list(parse_toc_yaml(ROOT / "_toc.yml"))
CHAPTERS = [name for name in PAGES if name.startswith("chapters/")]
ENGINE = Path("_vendor", "katex", "katex.min.js")
FIRST = r"""
# The square $a^2$

How far is $a$ from $b$ ($c$)? See the equation {eq}`far`, and {term}`norm`.${}$

$$
\hat y = \frac{1}{n} \sum_i x_i
$$ (far)

\begin{align}
x &= 1 < 2 \\
y &= 2
\end{align}

$$
p = 3 \\
q = 4

r = 5
$$

| what | formula |
|---|---|
| ReLU | $\max(0, x)$ |

:::{admonition} Why $e^x$
It is $\exp(x)$.
:::

:::{dropdown} A. It is $\sigma$
The set $\mathbb{R}$.
:::

:::{glossary}
norm
  The root of $x \cdot x$.
:::

## Sums $\sum_i$ of all

Text.
"""
KINDS = ("h1", "p", "td", ".admonition-title", ".sd-card-title, summary", "dd", "h2")


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """Write a book with a formula in every place that may hold one."""
    source = tmp_path_factory.mktemp("formulas")
    for name in ("_ext", "_static", "_templates", "_vendor", "tools"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, source)
    (source / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nchapters:\n  - file: long\n  - file: plain\n"
    )
    (source / "index.md").write_text(FIRST)
    (source / "plain.md").write_text("# Plain\n\nNo formula.\n\n```python\n1\n```\n")
    # Long enough to be laid out section by section, formulas out of sight or folded.
    prose = "\n\n".join(["Some words about nothing in particular. " * 60] * 30)
    cells = [
        nbf.new_markdown_cell(f"# Long\n\n{prose}"),
        nbf.new_markdown_cell(
            "## Late\n\nHere $\\hat w + 1$.\n\n$$\\sum_i \\mathbf{w}_i$$\n\n" + prose
        ),
        nbf.new_markdown_cell(":::{dropdown} Folded\n$\\mathcal{L}$\n:::\n"),
        nbf.new_code_cell(
            "latex()",
            outputs=[
                nbf.new_output("display_data", {"text/latex": r"$\displaystyle z^3$"}),
                nbf.new_output("display_data", {"text/markdown": "**So** $q_4$"}),
            ],
        ),
    ]
    language = {"name": "python", "pygments_lexer": "ipython3"}
    write_notebook(
        nbf.new_notebook(metadata={"language_info": language}, cells=cells),
        source / "long.ipynb",
    )
    return source


@pytest.fixture(scope="session")
def book(build, source, tmp_path_factory):
    """Return the folder of the book's HTML."""
    return build(source, tmp_path_factory.mktemp("formulas_built")) / "html"


def read(path):
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


def fonts(pdf):
    """Return the names of the fonts that a PDF holds."""
    parts = [pdf]
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.S):
        # What is no deflated stream is the data of a picture.
        try:
            parts.append(zlib.decompress(stream))
        except zlib.error:
            continue
    names = re.findall(rb"/BaseFont ?/(?:[A-Z]{6}\+)?([\w-]+)", b"\n".join(parts))
    return {name.decode() for name in names}


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "none"])
def test_formulas_are_there_without_a_script(new_context, serve, book, scripts):
    context = new_context(java_script_enabled=scripts)
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for name, at_least in (("index", 13), ("long", 4)):
        page.goto(f"{serve(book)}/{name}.html")
        formulas = page.locator(".math")
        assert formulas.count() >= at_least
        for formula in formulas.all():
            assert formula.locator(".katex math").count() == 1
            assert formula.locator(".katex-html[aria-hidden=true]").count() == 1
        assert page.locator("p .katex-html").first.bounding_box()["width"] > 5
    assert any(url.endswith(".woff2") for url in asked)
    assert not [url for url in asked if "katex" in url and url.endswith(".js")]


def test_every_kind_of_place_may_hold_a_formula(book):
    index = read(book / "index.html")
    for place in KINDS:
        assert index.select_one(f"article :is({place}) .math .katex"), place
    numbered = index.select("article div.math .eqno")
    assert [number.get_text()[:3] for number in numbered] == ["(1)", "(2)"]
    assert index.select_one('article p a[href="#equation-far"]').get_text() == "(1)"
    # An empty line parts two formulas; "<" is no tag.
    inner = "mtr:not(:has(mtr))"
    lines = [block.select(inner) for block in index.select("article div.math")]
    assert [len(found) for found in lines] == [0, 2, 3]
    typed = index.select_one("article div.amsmath annotation").get_text()
    assert "x &= 1 < 2" in typed
    outputs = read(book / "long.html").select(".cell_output .math annotation")
    typed = [output.get_text() for output in outputs]
    assert typed == [r"\displaystyle z^3", "q_4"]


def test_titles_hold_the_typed_formula_once(book):
    index, plain = read(book / "index.html"), read(book / "long.html")
    title = "The square a^2"
    assert index.title.get_text().startswith(f"{title} ")
    assert index.find("meta", property="og:title")["content"] == title
    assert index.select_one("#pst-page-toc-nav a, .page-toc a").get_text() == (
        r"Sums \sum_i of all"
    )
    assert plain.find("link", rel="prev")["title"] == title
    assert plain.select_one(".prev-next-title").get_text() == title
    index = (book / "searchindex.js").read_text("utf-8")
    index = json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))
    sections = index["pages"]["index"]["sections"]
    assert sections[0]["title"] == title
    assert r"Sums \sum_i of all" in [section["title"] for section in sections]
    listed = json.dumps(index["pages"]).lower()
    assert not [name for name in ("katex", "annotation", "<span") if name in listed]


def test_search_quotes_a_formula_once(page, serve, book):
    page.goto(f"{serve(book)}/search.html?q=equation")
    quoted = page.locator("#search-results p.context").first
    quoted.wait_for()
    assert quoted.inner_text().count(r"\frac{1}{n}") == 1
    assert "∑" not in quoted.inner_text()


def test_selected_text_holds_a_formula_once(page, book):
    page.goto(f"{book.as_uri()}/index.html")
    copied = page.evaluate(
        """() => {
          const cell = document.querySelector("article td:last-child");
          getSelection().selectAllChildren(cell);
          return getSelection().toString();
        }"""
    )
    assert re.sub(r"[\s\u200b\u2061]", "", copied) == "max(0,x)"


@pytest.mark.parametrize("width", [360, 1280])
def test_formulas_are_accessible(new_context, serve, book, width):
    from axe_playwright_python.sync_playwright import Axe

    context = new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    for name in ("index", "long"):
        page.goto(f"{serve(book)}/{name}.html")
        found = Axe().run(page, None, {"resultTypes": ["violations"]})
        assert not found.violations_count, found.generate_report()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "none"])
def test_paper_shows_formulas_nobody_scrolled_to(new_context, serve, book, scripts):
    context = new_context(java_script_enabled=scripts)
    page = context.new_page()
    page.goto(f"{serve(book)}/long.html")
    by_section = page.locator("html[data-by-section]").count()
    assert by_section == scripts, "the page is not laid out section by section"
    top = page.locator(".math").first.bounding_box()["y"]
    assert top > page.viewport_size["height"]
    printed = fonts(page.pdf())
    assert {"KaTeX_Main-Regular", "KaTeX_Math-Italic", "KaTeX_Size2-Regular"} <= printed
    assert "KaTeX_Main-Bold" in printed
    # What is folded opens on paper, which takes a script.
    assert ("KaTeX_Caligraphic-Regular" in printed) == scripts


# Lays out the whole page, as paper does, and names the fonts that its formulas show.
SHOW_ALL = """
async () => {
  delete document.documentElement.dataset.bySection;
  dispatchEvent(new Event("beforeprint"));
  document.body.getBoundingClientRect();
  await document.fonts.ready;
  return [...document.fonts]
    .filter((font) => font.status === "loaded" && font.family.includes("KaTeX"))
    .map(({family, weight, style}) => {
      const kind = (weight > 400 ? "Bold" : "") + (style === "italic" ? "Italic" : "");
      return `${family.replaceAll('"', "")}-${kind || "Regular"}`;
    });
}
"""


def test_paper_shows_every_font_of_a_chapter(browser, serve, site):
    def kinds(name):
        formulas = read(site / f"{name}.html").select(".katex-html [class]")
        return len({" ".join(tag["class"]) for tag in formulas})

    address = f"{serve(site)}/{max(CHAPTERS, key=kinds)}.html"
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(address)
    expected = set(page.evaluate(SHOW_ALL))
    assert len(expected) > 2
    context.close()
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(address)
    assert page.locator("html[data-by-section]").count() == 1
    page.evaluate("document.fonts.ready.then(() => null)")
    assert fonts(page.pdf()) >= expected
    context.close()


@pytest.mark.parametrize(
    ("builder", "typed"),
    [
        (
            "gettext",
            {
                "index.pot": [r"$\\max(0, x)$", r"Why $e^x$", r"\\sum_i x_i"],
                "long.pot": [r"Here $\\hat w + 1$.", r"\\mathbf{w}_i"],
            },
        ),
        ("latex", {"*.tex": [r"\(\max(0, x)\)", r"\frac{1}{n} \sum_i x_i", r"\hat w"]}),
    ],
)
def test_other_builders_see_what_was_typed(build, source, tmp_path, builder, typed):
    options = ("--builder", "custom", "--custom-builder", builder)
    written = build(source, tmp_path, *options) / builder
    for name, formulas in typed.items():
        (file,) = written.glob(name)
        text = file.read_text("utf-8")
        assert "katex" not in text.lower()
        for formula in formulas:
            assert formula in text


# What KaTeX says of formulas that it rejects.
REJECTED = {r"\frac{a": "Unexpected end of input", r"\nosuch": "Undefined control seq"}


def test_formula_that_katex_rejects_fails_the_build(build, source, tmp_path):
    copy = tmp_path / "book"
    shutil.copytree(source, copy)
    plain = (copy / "plain.md").read_text()
    late = nbf.new_markdown_cell("\n\n".join(f"${formula}$" for formula in REJECTED))
    (copy / "plain.md").write_text(plain + "".join(f"\n${one}$\n" for one in REJECTED))
    notebook = nbformat.read(copy / "long.ipynb", as_version=4)
    notebook.cells.insert(2, late)
    write_notebook(notebook, copy / "long.ipynb")
    with pytest.raises(AssertionError) as caught:
        build(copy, tmp_path / "built")
    told = str(caught.value)
    # In a notebook, the 30,000 stand for its cell 3.
    for number, message in enumerate(REJECTED.values()):
        line = plain.count("\n") + 2 + 2 * number
        for place in (rf"plain\.md:{line}", r"long\.ipynb:3000\d"):
            assert re.search(rf"{place}: WARNING.*: .*{message}", told), message


def test_the_course_ships_no_engine(site):
    assert (ROOT / ENGINE).exists()
    shipped = {file.suffix for file in site.glob("_static/katex/**/*.*")}
    assert shipped == {".css", ".woff2"}
    formulas = 0
    for name in PAGES:
        page = read(site / f"{name}.html")
        scripts = [tag["src"] for tag in page.select("script[src]")]
        assert not [address for address in scripts if "katex" in address]
        formulas += len(page.select(".math .katex"))
        assert len(page.select(".math")) == len(page.select(".math .katex"))
    assert formulas > 100


def test_no_line_begins_with_the_stop_after_a_formula(page, book):
    page.goto(f"{book.as_uri()}/index.html")
    apart = page.evaluate(
        """() => {
          const apart = [];
          for (const formula of document.querySelectorAll("article :is(p, dd) .math")) {
            const after = formula.nextSibling;
            if (!formula.checkVisibility()) continue; // folded
            if (!/^[.,?)]/.test(after?.textContent ?? "")) continue;
            formula.parentElement.style.width = 0;
            const [end] = [...formula.querySelectorAll(".katex-base")].slice(-1);
            const stop = document.createRange();
            stop.setEnd(after, 1);
            stop.setStart(after, 0);
            const below =
              stop.getBoundingClientRect().top > end.getBoundingClientRect().bottom - 2;
            apart.push([after.textContent, below]);
          }
          return apart;
        }"""
    )
    assert len(apart) >= 3
    assert not [text for text, below in apart if below]
