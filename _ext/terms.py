"""Links to terms of the glossary say what the term means, where they are.

A page carries the definition of each term that it links to, once, out of sight. Its
links name it as their description, so that a screen reader knows it, and `terms.js`
shows it to those who point at the link or come to it by keyboard.

The definitions are those of the glossary, in the language of the book.
"""

import posixpath
import re
from html import unescape

from docutils import nodes
from sphinx.addnodes import pending_xref

GLOSSARY = "appendix/glossary"
LINKS = (nodes.reference, pending_xref)
LINK = re.compile(r'<a (?=[^>]*\bhref="(?P<page>[^"#]*)#(?P<term>term-[^"]+)")')
# What an entry opens with: the Chinese term.
CHINESE = re.compile(r"^[^.。<]*[\u3400-\u9fff][^.。<]*[.。] (?=\S)")


def define(app):
    """Return the definitions of the glossary as HTML, by the anchors of its terms.

    The links at its end, to where the term is taught, are left out.
    """
    if not hasattr(app, "course_definitions"):
        found = {}
        for entry in app.env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
            words = entry[-1][0].deepcopy()
            while not words[-1].astext().strip() or isinstance(words[-1], LINKS):
                words.pop()
            for link in list(words.findall(lambda node: isinstance(node, LINKS))):
                link.replace_self(link.children)
            # What stands alone, as a title does, would keep formulas as they are typed.
            for math in list(words.findall(nodes.math)):
                formula, _ = app.course_formulas.set(math.astext(), display=False)
                html = f'<span class="math notranslate">{formula}</span>'
                math.replace_self(nodes.raw("", html, format="html"))
            html = app.builder.render_partial(words)["fragment"]
            html = " ".join(html.removeprefix("<p>").removesuffix("</p>\n").split())
            html = CHINESE.sub("", html)
            for term in entry.findall(nodes.term):
                found |= dict.fromkeys(term["ids"], html)
        app.course_definitions = found
    return app.course_definitions


def describe(app, pagename, templatename, context, doctree):
    """Add to a page the definitions of the terms that it links to."""
    described = []

    def name(link):
        page = posixpath.normpath(posixpath.join(pagename, "..", link["page"]))
        term = unescape(link["term"])
        if page != f"{GLOSSARY}.html" or term not in define(app):
            return link[0]
        if term not in described:
            described.append(term)
        return f'{link[0]}aria-describedby="{term}-defined" '

    body = LINK.sub(name, context.get("body", ""))
    if described:
        meanings = define(app)
        told = "".join(
            f'<div id="{term}-defined" role="tooltip" hidden>{meanings[term]}</div>\n'
            for term in described
        )
        context["body"] = f'{body}<div class="definitions">\n{told}</div>\n'
    else:
        # In place: the list is the builder's own.
        context["script_files"][:] = [
            script
            for script in context["script_files"]
            if not str(script.filename).endswith("terms.js")
        ]


def setup(app):
    """Register the hook."""
    app.connect("html-page-context", describe)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
