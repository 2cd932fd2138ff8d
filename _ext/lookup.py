"""Let readers look things up: terms by links, error messages by the search box.

Jupyter Book loads this module as a Sphinx extension (`sphinx.local_extensions`).
"""

from pathlib import Path

from docutils import nodes

# Not in `_static`, whose scripts Jupyter Book loads on every page.
FIND_MESSAGES = Path(__file__).with_name("search_messages.js")


def offer_terms(app, doctree):
    """Let ``[text](../appendix/glossary.md#term-tensor)`` link to a glossary's term.

    MyST resolves an anchor of another page among that page's headings only. A term
    is added to them under its id; a link to no term is a warning, as to no heading.
    """
    slugs = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for term in doctree.findall(nodes.term):
        for anchor in term["ids"]:
            slugs[anchor] = (term.line, anchor, term.astext())


def find_messages(app, pagename, templatename, context, doctree):
    """Let the search page answer a pasted error message with its section."""
    if pagename == "search":
        script = FIND_MESSAGES.read_text(encoding="utf-8")
        app.add_js_file(None, body=script, priority=900)


def setup(app):
    """Register the hooks."""
    app.connect("doctree-read", offer_terms)
    app.connect("html-page-context", find_messages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
