"""Names of functions and classes lead to their documentation.

In each section of a chapter, the first name in prose becomes a link. What only the code
of a section names is linked there, where it comes first. What is folded away is left
alone. `tools/documentation.py` knows what a name stands for, and where its page is.
"""

import sys
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_exercise.nodes import is_solution_node

sys.path.append(str(Path(__file__).parents[1]))
from tools import documentation
from tools.notebooks import read

# Kinds of cells whose code is folded.
FOLDED = {"tag_proof", "tag_hide-input", "tag_hide-cell"}


@cache
def chapter(path):
    """Return what the names of a notebook stand for."""
    return documentation.Chapter(read(path), documentation.load().get)


def is_part(node, kind):
    """Tell whether a node is a part of a notebook, such as ``cell_code``."""
    return isinstance(node, nodes.container) and node.get("nb_element") == kind


def is_code(node):
    """Tell whether a node is the source of a code cell."""
    return isinstance(node, nodes.literal_block) and is_part(
        node.parent, "cell_code_source"
    )


def is_hidden(node):
    """Tell whether a reader of the page does not see a node, or must not press it."""
    if isinstance(node, nodes.section | nodes.title | nodes.raw):
        return True
    if is_part(node, "cell_code_output") or is_solution_node(node):
        return True
    if is_part(node, "cell_code") and FOLDED & set(node["classes"]):
        return True
    if node.get("design_component") == "dropdown":
        return True
    # Choices of a prediction are buttons.
    parent = node.parent
    return isinstance(node, nodes.bullet_list) and "predict" in parent["classes"]


def in_view(node):
    """Yield what a section holds itself, in order: links, names in prose, code."""
    for child in node.children:
        if isinstance(child, nodes.Element) and not is_hidden(child):
            if isinstance(child, nodes.reference | nodes.literal) or is_code(child):
                yield child
            else:
                yield from in_view(child)


class LinkNames(SphinxPostTransform):
    """Link what a chapter names to what documents it."""

    formats = ("html",)
    default_priority = 150  # before MyST-NB and sphinx-design fold, which is at 199

    def run(self, **kwargs):
        """Go from section to section."""
        path = str(self.env.doc2path(self.env.docname))
        if Path(path).parent.name == "chapters" and path.endswith(".ipynb"):
            for section in list(self.document.findall(nodes.section)):
                self.link(section, chapter(path))

    def link(self, section, names):
        """Link the first use of each name in a section."""
        all_code = [
            node for node in section.findall(is_code) if self.section(node) is section
        ]
        here = names.by_end(
            use for node in all_code for use in names.uses(node.astext())
        )
        parts = list(in_view(section))
        linked = {part.get("refuri") for part in parts}
        for literal in parts:
            if isinstance(literal, nodes.literal):
                name = names.meant(literal.astext(), here)
                page = names.known(name).page if name else None
                if page and page not in linked:
                    linked.add(page)
                    link = nodes.reference(
                        "", "", refuri=page, classes=[documentation.LINK]
                    )
                    literal.replace_self(link)
                    link += literal
        for code in filter(is_code, parts):
            code["documentation"] = []
            for use in names.uses(code.astext()):
                page = names.known(use.name).page
                if page not in linked:
                    linked.add(page)
                    code["documentation"].append((page, use.start, use.end))

    @staticmethod
    def section(node):
        """Return the section that a node is in."""
        while not isinstance(node, nodes.section):
            node = node.parent
        return node


def visit_code(self, node):
    """Write code as ever, and its links."""
    start = len(self.body)
    try:
        type(self).visit_literal_block(self, node)
    except nodes.SkipNode:
        if node.get("documentation"):
            before, pre, code = "".join(self.body[start:]).partition("<pre>")
            self.body[start:] = [
                before,
                pre,
                documentation.link_code(code, node["documentation"]),
            ]
        raise


def depart_code(self, node):
    """End code that was not highlighted."""
    type(self).depart_literal_block(self, node)


def setup(app):
    """Register the step, and how code is written."""
    app.add_node(nodes.literal_block, override=True, html=(visit_code, depart_code))
    app.add_post_transform(LinkNames)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
