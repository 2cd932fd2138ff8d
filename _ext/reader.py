"""What readers do inside a page: guess, answer questions, unfold proofs.

In the source all of it is Markdown and tags that read well without this module. It is
recognised by classes and tags, never by words:

- a code cell tagged ``proof`` folds away; cells in a row fold into one line;
- an admonition of the class ``predict`` hides what follows, up to the next heading or
  prediction, until the reader has guessed; a list at its end holds choices;
- dropdowns in a row, one of which has the class ``right``, are a question.

`reader.js` does the rest. What readers did is remembered under the ids of cells
(`cells.py`). Words that a page shows for this are in ``_templates/reader.html``.
"""

import re
from collections import Counter
from itertools import takewhile
from pathlib import PurePosixPath

from cells import cell_id
from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)


class element(nodes.General, nodes.Element):
    """An element of HTML with attributes that docutils cannot write."""


class markup(nodes.General, nodes.Element):
    """What a template, or a macro in it, writes: no words for the search to find."""


def visit_element(self, node):
    """Open the element."""
    self.body.append(self.starttag(node, node["tag"], **node["attributes"]))


def depart_element(self, node):
    """Close the element."""
    self.body.append(f"</{node['tag']}>\n")


def visit_markup(self, node):
    """Write it, in the language of the site."""
    template = self.builder.templates.environment.get_template(node["template"])
    macro = node.get("macro")
    write = getattr(template.module, macro) if macro else template.render
    self.body.append(str(write(**node.get("values", {}))))
    raise nodes.SkipNode


def wrap(tag, inside, classes=(), **attributes):
    """Put an element around nodes that stand in a row, in their place."""
    names = {name.replace("_", "-"): value for name, value in attributes.items()}
    around = element(tag=tag, attributes=names, classes=list(classes))
    parent = inside[0].parent
    parent.insert(parent.index(inside[0]), around)
    for node in inside:
        parent.remove(node)
    around.extend(inside)
    return around


def part(kind):
    """Return a test for parts of notebooks: ``cell_code``, ``cell_code_output``."""
    return lambda node: (
        isinstance(node, nodes.container) and node.get("nb_element") == kind
    )


is_cell, is_output = part("cell_code"), part("cell_code_output")


def is_dropdown(node):
    """Tell whether a node is a dropdown that sphinx-design has not folded yet."""
    return isinstance(node, nodes.Element) and (
        node.get("design_component") == "dropdown"
    )


def is_prediction(node):
    """Tell whether a node asks the reader to guess."""
    return isinstance(node, nodes.admonition) and "predict" in node["classes"]


class ForReaders(SphinxPostTransform):
    """What both steps share: keys under which is remembered, and words."""

    formats = ("html",)

    def markup(self, macro, **values):
        """Return a node for what a macro of the template writes."""
        return markup(template="reader.html", macro=macro, values=values)

    def keys(self, marked):
        """Return the key of each node: the page's topic and the id of the cell.

        Several in one cell are numbered.
        """
        path = str(self.env.doc2path(self.env.docname))
        topic = re.sub(r"^\d+_", "", PurePosixPath(self.env.docname).name)
        ids = [cell_id(node, path) or "page" for node in marked]
        several, seen = Counter(ids), Counter()
        for cell in ids:
            seen[cell] += 1
            place = f":{seen[cell]}" if several[cell] > 1 else ""
            yield f"{topic}/{cell}{place}"


class Questions(ForReaders):
    """Make a question of dropdowns in a row."""

    default_priority = 190  # before sphinx-design makes them HTML, which is at 199

    def run(self, **kwargs):
        """Find the rows by their right choice."""
        rows = []
        for choice in self.document.findall(is_dropdown):
            if "right" in choice["container_classes"]:
                siblings = choice.parent.children
                here = siblings.index(choice)
                before = [*takewhile(is_dropdown, reversed(siblings[:here]))]
                row = [*before[::-1], *takewhile(is_dropdown, siblings[here:])]
                if before and any(row[0] is other[0] for other in rows):
                    logger.warning("a question has two right choices", location=choice)
                else:
                    rows.append(row)
        firsts = [row[0] for row in rows]
        for number, (row, key) in enumerate(zip(rows, self.keys(firsts), strict=True)):
            self.ask(row, key, number)
        if rows:
            last = rows[-1][0].parent
            last.parent.insert(last.parent.index(last) + 1, self.markup("score"))

    def ask(self, row, key, number):
        """Tell the choices whether they are right, and what their question is."""
        for choice in row:
            right = "right" in choice["container_classes"]
            choice["container_classes"] += ["choice"]
            choice[0] += self.markup("verdict", right=right)
        question = wrap("div", row, ["question"], data_question=key, role="group")
        asked = question.parent[question.parent.index(question) - 1]
        if isinstance(asked, nodes.paragraph):
            asked["ids"] = asked["ids"] or [f"question-{number + 1}"]
            question["attributes"]["aria-labelledby"] = asked["ids"][0]


class Predictions(ForReaders):
    """Fold proofs, and hide what the reader is to guess."""

    default_priority = 205  # after MyST-NB has folded cells, which is at 199

    def run(self, **kwargs):
        """Proofs first: they are part of what a prediction hides."""
        for cell in list(self.document.findall(is_cell)):
            if "tag_proof" in cell["classes"]:
                self.fold(cell)
        predictions = list(self.document.findall(is_prediction))
        for box, key in zip(predictions, self.keys(predictions), strict=True):
            self.pose(box, key)
        asks = any(
            "question" in part["classes"] for part in self.document.findall(element)
        )
        if predictions or asks:
            title = self.document.next_node(nodes.title)
            title.parent.insert(1, self.markup("open_all"))

    def fold(self, cell):
        """Fold a proof, together with the one right before it."""
        row = cell.parent
        before = row[row.index(cell) - 1] if row.index(cell) else None
        if isinstance(before, element) and "proof" in before["classes"]:
            row.remove(cell)
            before += cell
        else:
            wrap("details", [cell], ["proof"]).insert(0, self.markup("proof"))

    def pose(self, box, key):
        """Let a box take a guess, and wrap what answers it."""
        row = box.parent
        following = takewhile(
            lambda node: not (isinstance(node, nodes.section) or is_prediction(node)),
            row[row.index(box) + 1 :],
        )
        hidden = self.find_hidden(list(following))
        if not hidden:
            logger.warning("nothing follows that this could predict", location=box)
            return
        answers = [wrap("div", part, ["answer"], data_answer=key) for part in hidden]
        first = answers[0]
        first.parent.insert(first.parent.index(first), self.markup("note", key=key))

        asking = wrap("div", box[1:], data_prediction=key)
        if isinstance(asking[-1], nodes.bullet_list):
            asking[-1]["classes"].append("choices")
            if asking[-1].next_node(nodes.reference):
                logger.warning("a choice is a button: no links in it", location=box)
        else:
            asking += self.markup("guess", key=key)

    def find_hidden(self, following):
        """Group the nodes that give an answer away; each group stands in a row.

        The code right after the question stays in view, without its outputs. Once it
        has been talked about, further code is part of the answer.
        """
        groups, together, ran, told = [], [], False, False
        for node in following:
            if is_cell(node) and not told:
                ran, together = True, []
                groups += [[output] for output in node.findall(is_output)]
                continue
            is_proof = isinstance(node, element) and "proof" in node["classes"]
            told = told or (ran and not is_proof)
            if not together:
                groups.append(together)
            together.append(node)
        return groups


def load(app, pagename, templatename, context, doctree):
    """Keep the script to pages that need it."""
    body = context.get("body", "")
    if "data-prediction=" not in body and "data-question=" not in body:
        # In place: the list is the builder's own.
        context["script_files"][:] = [
            script
            for script in context["script_files"]
            if not str(script.filename).endswith("reader.js")
        ]


def setup(app):
    """Register the nodes and the steps."""
    app.add_node(element, html=(visit_element, depart_element))
    app.add_node(markup, html=(visit_markup, None))
    app.add_post_transform(Questions)
    app.add_post_transform(Predictions)
    app.connect("html-page-context", load)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
