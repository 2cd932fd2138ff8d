"""From which cell of its notebook a part of a page comes.

What readers do on a page is remembered by the ids of cells, which outlive titles,
numbers and languages. Every section of a page carries the id of the cell that opens it
as a class, ``cell-`` before it.
"""

from functools import cache

import nbformat
from docutils import nodes

# MyST-NB numbers the lines of a notebook's page: those of the first cell from 10000.
LINES_OF_A_CELL = 10_000


@cache
def ids(path):
    """List the ids of a notebook's cells; of another file, none."""
    if not str(path).endswith(".ipynb"):
        return []
    return [cell.get("id") for cell in nbformat.read(path, nbformat.NO_CONVERT).cells]


def cell_id(node, path):
    """Return the id of the cell that holds a node of a page, None if there is none."""
    index = (node.line or 0) // LINES_OF_A_CELL - 1
    known = ids(path)
    return known[index] if 0 <= index < len(known) else None


def name_sections(app, doctree):
    """Give each section the id of the cell that opens it, as a class."""
    path = str(app.env.doc2path(app.env.docname))
    for section in doctree.findall(nodes.section):
        if cell := cell_id(section, path):
            section["classes"].append(f"cell-{cell}")


def setup(app):
    """Register the hook."""
    app.connect("doctree-read", name_sections)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
