"""Let chapters link to the terms of the glossary.

Jupyter Book loads this module as a Sphinx extension (`sphinx.local_extensions`).
"""

from docutils import nodes


def offer_terms(app, doctree):
    """Let ``[text](../appendix/glossary.md#term-tensor)`` link to a glossary's term.

    MyST resolves an anchor of another page among that page's headings only. A term
    is added to them under its id; a link to no term is a warning, as to no heading.
    """
    slugs = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for term in doctree.findall(nodes.term):
        for anchor in term["ids"]:
            slugs[anchor] = (term.line, anchor, term.astext())


def setup(app):
    """Register the hook."""
    app.connect("doctree-read", offer_terms)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
