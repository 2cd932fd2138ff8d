"""An index of sections for the search page, in the place of Sphinx's index of pages.

Sphinx asks for it page by page, keeps it in ``searchindex.js`` and takes up what is
there when it builds again. Each section is listed with its heading, its prose, the
words of its code, and other names under which readers look for it. A term of a glossary
counts as a section, and so does an exercise.

Those names come from the glossary: what is written there in italics ("Also called
*backprop*."), and the Chinese term that an entry opens with. They lead to the entry,
and to the section that the entry links to. Where a paragraph opens with a line in bold,
that is a heading, too; it is found where its section begins. `search.js` searches.
"""

import posixpath
import re

from docutils import nodes
from sphinx import addnodes
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.search import IndexBuilder
from sphinx_exercise.nodes import is_exercise_node, is_solution_node

# Loaded by the template of the search page, and by no other.
OWN_SCRIPT = "search.js"
# What Sphinx's own search needs.
NEVER_LOADED = ("searchtools.js",)

# A hit is worth less where words of everything are: a pasted message leads to the error
# atlas by its own way (`search.js`), a list of sources or corrections is rarely meant.
WEIGHTS = {
    "appendix/error_atlas": 0.4,
    "appendix/errata": 0.4,
    "appendix/errata_table": 0.3,
    "appendix/source_map": 0.3,
    "appendix/status": 0.3,
}
WEIGHT_OF_TERM = 0.8
WEIGHT_OF_EXERCISE = 0.4

CODE_WORD = re.compile(r"[^\W\d][\w.]*\w|[^\W\d]")
LONGEST_WORD = 40
FIRST_SENTENCE = re.compile(r"\s*([^.。]+)[.。]")
HAN = re.compile(r"[\u3400-\u9fff]")
TAG = re.compile(r"<(style|script)\b.*?</\1>|<[^>]+>", re.S | re.I)


def one_line(text):
    """Return a text with single spaces."""
    return " ".join(text.split())


def names_of_term(definition):
    """Return the other names of a term, as its entry in the glossary gives them."""
    names = [part.astext() for part in definition.findall(nodes.emphasis)]
    opening = FIRST_SENTENCE.match(definition.astext())
    if opening and HAN.search(opening[1]):
        names.append(opening[1])
    return [one_line(name) for name in names]


def is_answer(node):
    """Tell whether a node shows its content only to those who ask for it."""
    classes = {"answer", "dropdown", "sd-dropdown", "toggle"}
    return is_solution_node(node) or bool(classes & set(node.get("classes", ())))


class Collector:
    """The sections of one page."""

    def __init__(self, docname, doctree):
        self.weight = WEIGHTS.get(docname, 1)
        self.folder = posixpath.dirname(docname)
        self.sections = []
        self.visit(doctree, None, 0, shown=True)

    def open(self, level, anchor, title, weight=1, names=(), teaches=None):
        """Begin a section; the first is the page itself."""
        section = {
            "weight": self.weight * weight,
            "level": level,
            "anchor": anchor if self.sections else "",
            "title": one_line(title),
            "shown": [],
            "more": [],
            "code": {},
            "names": list(names),
            "teaches": teaches,
        }
        self.sections.append(section)
        return section

    def place(self, node):
        """Return the page and the anchor that the first link in a node leads to."""
        for link in node.findall(nodes.reference):
            path, _, anchor = link.get("refuri", "").partition("#")
            if path.endswith(".html") and "://" not in path and anchor:
                path = posixpath.normpath(posixpath.join(self.folder, path))
                return [path.removesuffix(".html"), anchor]
        return None

    def visit(self, node, section, level, shown):
        """Collect what a node holds."""
        for child in node.children:
            # An exercise's content is a section of its own, without a title.
            title = (
                child[0] if len(child) and isinstance(child[0], nodes.title) else None
            )
            if title and (isinstance(child, nodes.section) or is_exercise_node(child)):
                weight = WEIGHT_OF_EXERCISE if is_exercise_node(child) else 1
                opened = self.open(level + 1, child["ids"][0], title.astext(), weight)
                self.visit(child, opened, level + 1, shown=True)
            elif section is None or isinstance(
                child, (nodes.title, nodes.comment, addnodes.toctree)
            ):
                continue
            elif isinstance(child, nodes.definition_list_item) and child[0].get("ids"):
                term, definition = child[0], child[-1]
                # Right below the page: the letter that it is under says nothing.
                opened = self.open(
                    2,
                    term["ids"][0],
                    term.astext(),
                    WEIGHT_OF_TERM,
                    names_of_term(definition),
                    self.place(definition),
                )
                self.visit(definition, opened, 2, shown=True)
            else:
                if isinstance(node, nodes.section) and (bold := heading(child)):
                    section = self.open(level + 1, section["anchor"], bold)
                self.take(child, section, level, shown)

    def take(self, node, section, level, shown):
        """Add a node to a section: its prose as a text, its code as a list of words."""
        if isinstance(node, nodes.literal_block):
            self.take_words(section, node.astext())
        elif isinstance(node, nodes.raw):
            if "html" in node.get("format", "").split():
                self.take_words(section, TAG.sub(" ", node.astext()))
        elif isinstance(node, nodes.image):
            self.take_words(section, node.get("alt", ""))
        elif isinstance(node, nodes.Text) or is_block(node):
            if text := one_line(node.astext()):
                section["shown" if shown else "more"].append(text)
        elif isinstance(node, nodes.Element):
            self.visit(node, section, level, shown and not is_answer(node))

    def take_words(self, section, text):
        """Add each word of a text once: tables and logs repeat theirs."""
        words = (word for word in CODE_WORD.findall(text) if len(word) <= LONGEST_WORD)
        section["code"] |= dict.fromkeys(words)


def heading(node):
    """Return the first line of a paragraph if it is all in bold, None otherwise."""
    if not isinstance(node, nodes.paragraph):
        return None
    parts = [part for part in node if part.astext()]
    is_bold = parts and isinstance(parts[0], nodes.strong)
    if not is_bold or len(parts) < 2 or not parts[1].astext().startswith("\n"):
        return None
    return parts[0].astext()


def is_block(node):
    """Tell whether a node is a paragraph or the like, whose text is read in one."""
    return isinstance(node, (nodes.TextElement, nodes.math_block)) and not isinstance(
        node, nodes.literal_block
    )


def listed(section):
    """Return what the index holds of a section: nothing twice, and nothing empty."""
    prose = {name: " ".join(section[name]) for name in ("shown", "more")}
    read = set(CODE_WORD.findall(f"{section['title']} {' '.join(prose.values())}"))
    code = " ".join(word for word in section["code"] if word not in read)
    kept = section | prose | {"code": code}
    return {name: value for name, value in kept.items() if value}


class SectionIndex(IndexBuilder):
    """What ``searchindex.js`` holds."""

    def __init__(self, env, lang, options, scoring):
        super().__init__(env, lang, options, scoring)
        self.pages = {}

    def feed(self, docname, filename, title, doctree):
        """Take up a page; the builder calls this when it writes it."""
        number = (self.env.toc_secnumbers.get(docname) or {}).get("") or ()
        self.pages[docname] = {
            "number": ".".join(map(str, number)),
            "sections": [listed(part) for part in Collector(docname, doctree).sections],
        }

    def prune(self, docnames):
        """Forget all pages but these."""
        self.pages = {name: self.pages[name] for name in docnames if name in self.pages}

    def load(self, stream, format):
        """Take up what an earlier build has written."""
        frozen = format.load(stream)
        if frozen.get("envversion") != self.env.version or "pages" not in frozen:
            raise ValueError("another format")
        self.pages = frozen["pages"]

    def freeze(self):
        """Return what is written."""
        pages = dict(sorted(self.pages.items()))
        return {"envversion": self.env.version, "pages": pages}


class SectionHTMLBuilder(StandaloneHTMLBuilder):
    """The builder of the site, with our index."""

    def load_indexer(self, docnames):
        """Put our index into the place of Sphinx's, which has just been made."""
        config = self.config
        self.indexer = SectionIndex(
            self.env,
            config.html_search_language or config.language,
            config.html_search_options,
            config.html_search_scorer,
        )
        super().load_indexer(docnames)


def leave_to_search_page(app, pagename, templatename, context, doctree):
    """Take our script from all pages; the template of the search page names it."""
    # In place: the list is the builder's own.
    context["script_files"][:] = [
        script
        for script in context["script_files"]
        if not str(script.filename).endswith(f"/{OWN_SCRIPT}")
    ]


def drop_unused(app, error):
    """Delete what Sphinx's search would load."""
    if not error and app.builder.format == "html":
        for name in NEVER_LOADED:
            (app.outdir / "_static" / name).unlink(missing_ok=True)


def setup(app):
    """Register the builder and the hooks."""
    app.add_builder(SectionHTMLBuilder, override=True)
    app.connect("html-page-context", leave_to_search_page)
    app.connect("build-finished", drop_unused)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
