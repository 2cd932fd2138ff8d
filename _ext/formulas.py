r"""Formulas are set while the book is built: a page needs no script to show them.

KaTeX (`_vendor/katex`) runs in the V8 that mini-racer brings, so that a build needs no
Node, which sphinxcontrib-katex would. Only pages in HTML are set: translators and LaTeX
get what was typed. Where a title stands alone (tab of the browser, contents, search),
its formulas stay the words that were typed, ``x^2``.
"""

import json
import re
from functools import cache
from pathlib import Path

from docutils import nodes
from py_mini_racer import MiniRacer
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number, wrap_displaymath

logger = logging.getLogger(__name__)

# It returns what went wrong and raises nothing: an engine whose error Python still
# holds keeps the process from ending.
SET = """
function setFormula(tex, displayMode) {
  try {
    return [katex.renderToString(tex, {displayMode, strict: "error"}), null];
  } catch (error) {
    return [null, error.message];
  }
}
"""

RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
FONT = {"font-family": "KaTeX_Main", "font-style": "normal", "font-weight": "400"}
FONT_FILE = re.compile(r"fonts/([\w-]+\.woff2)")


def keep_end(markup):
    """Keep the end of an inline formula and the full stop behind it on one line.

    A line may end after each of KaTeX's bases. The last one goes into an element whose
    end is no such place (`course.css`).
    """
    before, base, last = markup.rpartition('<span class="katex-base">')
    if not base:  # an empty formula
        return markup
    ends = "</span></span>"  # of .katex-html and .katex
    last = last.removesuffix(ends)
    return f'{before}<span class="katex-end">{base}{last}</span>{ends}'


class Formulas:
    """KaTeX, and the formulas that it has set in this build."""

    def __init__(self, script):
        self.script = script
        self.engine = None
        self.known = {}

    def set(self, tex, display):
        """Return a formula's HTML, and what KaTeX says against it: one of them is None.

        A formula that occurs again is not set again.
        """
        if (tex, display) not in self.known:
            if self.engine is None:
                self.engine = MiniRacer()
                self.engine.eval(self.script.read_text("utf-8") + SET)
            markup, fault = self.engine.call("setFormula", tex, display)
            if markup:
                # An empty spacing of columns, which KaTeX writes: Firefox objects.
                markup = markup.replace(' columnspacing=""', "")
                markup = markup if display else keep_end(markup)
            self.known[tex, display] = markup, fault
        return self.known[tex, display]

    def close(self):
        """End the engine."""
        if self.engine is not None:
            self.engine.close()
            self.engine = None


def add(translator, node, tex, display):
    """Add a formula to the page; one that KaTeX rejects is a warning at its place."""
    markup, fault = translator.builder.app.course_formulas.set(tex, display)
    if fault:
        logger.warning(
            "this formula cannot be set: %s", fault, location=node, type="formulas"
        )
        markup = translator.encode(tex)
    translator.body.append(markup)


def visit_inline(translator, node):
    """Set a formula in a line of text."""
    if translator.document["source"] == "<partial node>":  # a title, a contents list
        translator.body.append(translator.encode(node.astext()))
    else:
        start = translator.starttag(node, "span", "", CLASS="math notranslate")
        translator.body.append(start)
        add(translator, node, node.astext(), display=False)
        translator.body.append("</span>")
    raise nodes.SkipNode


def visit_display(translator, node):
    """Set a formula in a line of its own, with its number if it has one."""
    tex = node.astext()
    # As in LaTeX: an empty line parts formulas, two backslashes the lines of one.
    if not node.get("nowrap") and ("\n\n" in tex.strip() or r"\\" in tex):
        tex = wrap_displaymath(tex, None, numbering=False)
    translator.body.append(translator.starttag(node, "div", CLASS="math notranslate"))
    if node.get("number"):
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, _("Link to this equation"))
        translator.body.append("</span>")
    add(translator, node, tex, display=True)
    translator.body.append("</div>\n")
    raise nodes.SkipNode


@cache
def font_rules(style):
    """Return KaTeX's fonts and where they are used, as its style sheet has it.

    Returns
    -------
    tuple
        The name of each font's file by its properties, and pairs of an element's
        classes and the properties that they set.
    """
    files, rules = {}, []
    for selectors, body in RULE.findall(style.read_text("utf-8")):
        declared = dict(part.split(":", 1) for part in body.split(";") if ":" in part)
        font = {name: declared[name].strip('"') for name in FONT if name in declared}
        if selectors == "@font-face":
            files[tuple(font.values())] = FONT_FILE.search(body)[1]
        elif font:
            # Of the elements that a rule names, the last with classes shows the font.
            for selector in selectors.split(","):
                classes = re.findall(r"\S*\.\S+", selector)[-1].split(">")[0]
                rules.append((set(classes.split(".")[1:]), font))
    return files, rules


def fonts_of(html, style):
    """Map the fonts of a page's formulas, as CSS asks for them, to their files."""
    files, rules = font_rules(style)
    found = {}
    if 'class="katex"' in html:
        for names in set(re.findall(r'class="([^"]*)"', html)):
            font, known = dict(FONT), set(names.split())
            for classes, properties in rules:
                if classes <= known:
                    font |= properties
            family, slope, weight = font.values()
            if file := files.get((family, slope, weight)):
                found[f"{slope} {weight} 1em {family}"] = file
    return found


def load_fonts(app, pagename, templatename, context, doctree):
    """Load the fonts of all formulas once a page is there.

    A browser asks for a font when it lays out the first text in it. Paper shows at once
    what nobody has scrolled to or unfolded, and would lack what is not there yet.
    """
    fonts = fonts_of(context.get("body", ""), app.course_formulas_style)
    if fonts:
        load = (
            f"for (const font of {json.dumps(sorted(fonts))}) document.fonts.load(font)"
        )
        app.add_js_file(None, body=f'addEventListener("load", () => {{ {load} }})')


def drop_fonts(app, error):
    """Delete the fonts that no page of the site needs."""
    if error or app.builder.format != "html":
        return
    used = set()
    for page in Path(app.outdir).rglob("*.html"):
        used |= set(
            fonts_of(page.read_text("utf-8"), app.course_formulas_style).values()
        )
    for file in Path(app.outdir, "_static", "katex", "fonts").glob("*"):
        if file.name not in used:
            file.unlink()


def start(app):
    """Have one engine a build."""
    folder = Path(app.srcdir, "_vendor", "katex")
    app.course_formulas = Formulas(folder / "katex.min.js")
    app.course_formulas_style = folder / "katex.min.css"


def end(app, error):
    """End the engine, which would keep the process from ending."""
    app.course_formulas.close()


def setup(app):
    """Register the math renderer (`html_math_renderer: katex`) and the hooks."""
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_display, None))
    app.connect("builder-inited", start)
    app.connect("html-page-context", load_fonts)
    app.connect("build-finished", end)
    app.connect("build-finished", drop_fonts)
    # V8 does not survive a fork.
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
