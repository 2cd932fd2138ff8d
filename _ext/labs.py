"""Labs: models that a reader plays with inside a page.

A cell shows one by `helpers.labs.show_lab`, and its data are among the cell's stored
outputs. Here they become a script beside the page, and the place in the page where
`labs/load.js` opens the lab once it comes near. Other formats leave it out: the figure
before it says the same on paper.
"""

import json
import posixpath
import sys
from functools import cache
from pathlib import Path
from typing import ClassVar
from zlib import crc32

from docutils import nodes
from landing import read_notebook
from rjsmin import jsmin
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

sys.path.append(str(Path(__file__).parents[1]))
from helpers._lab_output import lab
from helpers.labs import MIME, ROOT, lab_files

FOLDER = "_static/labs"


@cache
def checksum(path):
    """Return what changes in a file's address when the file does."""
    return f"{crc32(path.read_bytes()):08x}"


def addresses(paths, start):
    """Return where a page finds the files of labs."""
    for path in paths:
        name = path.relative_to(ROOT / "labs").as_posix()
        yield f"{start}/{name}?v={checksum(path)}"


def visit_lab(self, node):
    """Write the data as a script, and the markup as a template, inert until opened."""
    name, data = node["name"], node["data"]
    try:
        scripts, styles = lab_files(name)
    except FileNotFoundError as error:
        raise ExtensionError(f"no lab is called {name!r}: {error}") from None
    label = f"{name}-{crc32(data.encode()):08x}"
    script = Path(self.builder.outdir, FOLDER, f"{label}.js")
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f"labs.give({json.dumps(label)}, {data});\n", "utf-8")

    page = posixpath.dirname(self.builder.get_target_uri(self.builder.current_docname))
    start = posixpath.relpath(FOLDER, page or ".")
    kind = node.get("template", name)
    markup = self.builder.templates.render(f"labs/{kind}.html", {"id": label})
    self.body.append(
        self.starttag(
            node,
            "div",
            "",
            CLASS="lab" if kind == name else f"lab lab-{kind.replace('_', '-')}",
            ids=[label],
            role="group",
            **{
                "aria-labelledby": f"{label}-title",
                "data-lab": name,
                "data-styles": " ".join(addresses(styles, start)),
                "data-scripts": " ".join(
                    [*addresses(scripts, start), f"{start}/{label}.js"]
                ),
            },
        )
        + f"<template>{markup}</template>"
    )


def depart_lab(self, node):
    """Close the place."""
    self.body.append("</div>\n")


class ChapterLab(SphinxDirective):
    """A chapter's lab on another page: ``chapters/04_autograd.ipynb#id-of-the-cell``.

    The option ``template`` names markup that shows less of it, in ``_templates/labs``.
    """

    required_arguments = 1
    option_spec: ClassVar = {"template": str}

    def run(self):
        """Take the data from the cell's stored output."""
        name, _, cell_id = self.arguments[0].partition("#")
        notebook = Path(self.env.srcdir, name)
        try:
            given = next(
                output["data"][MIME]
                for cell in read_notebook(notebook)["cells"]
                if cell["id"] == cell_id
                for output in cell["outputs"]
                if MIME in output.get("data", {})
            )
        except (FileNotFoundError, StopIteration, KeyError):
            raise self.error(
                f"{self.arguments[0]}: no such notebook, or no cell of that id in it "
                "whose stored outputs hold a lab"
            ) from None
        self.env.note_dependency(str(notebook))
        data = json.dumps(given["data"], separators=(",", ":"))
        template = self.options.get("template", given["lab"])
        return [lab(name=given["lab"], data=data, template=template)]


def skip(self, node):
    """Leave the lab out of formats that are no page of a site."""
    raise nodes.SkipNode


def load(app, pagename, templatename, context, doctree):
    """Give a page with labs the script that opens them."""
    if doctree is not None and next(doctree.findall(lab), None) is not None:
        app.add_js_file("labs/load.js", loading_method="defer")


def copy(app):
    """Put scripts and styles where pages find them, before Sphinx looks for them."""
    if app.builder.format != "html":
        return
    for path in (ROOT / "labs").rglob("*.[jc]s*"):
        to = Path(app.outdir, FOLDER, path.relative_to(ROOT / "labs"))
        to.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text("utf-8")
        # A quarter of a script is for those who read it here.
        to.write_text(jsmin(text) if path.suffix == ".js" else text, "utf-8")


def setup(app):
    """Register the node and the hooks."""
    other = {kind: (skip, None) for kind in ("latex", "text", "man", "texinfo")}
    app.add_node(lab, html=(visit_lab, depart_lab), **other)
    app.add_directive("chapter-lab", ChapterLab)
    app.connect("html-page-context", load)
    app.connect("builder-inited", copy)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
