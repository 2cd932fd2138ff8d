"""What the landing page shows of the chapters: figures, times, and where to go on."""

import base64
import hashlib
import json
import os
import sys
from functools import cache
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst.directives.images import Figure
from reader import markup
from sphinx.util.docutils import SphinxDirective, SphinxRole

sys.path.append(str(Path(__file__).parents[1]))
from tools.notebooks import read
from tools.times import times

PICTURES = {"image/png": ".png", "image/svg+xml": ".svg", "image/jpeg": ".jpeg"}


@cache
def read_notebook(path):
    """Return the notebook in a file as nbformat's JSON has it."""
    return json.loads(path.read_text("utf-8"))


@cache
def chapter_times(path):
    """Return how many minutes the chapter in a file takes."""
    return times(read(path))


class Time(SphinxRole):
    """The time that chapters take, added up: ``{time}`chapters/*```.

    It is that of a first reading; ``{time-with-everything}`` adds the exercises and
    what is deeper.
    """

    def __init__(self, part):
        super().__init__()
        self.part = part

    def run(self):
        """Compute it from the chapters, so that no page repeats what they say."""
        paths = sorted(Path(self.env.srcdir).glob(f"{self.text}.ipynb"))
        try:
            if not paths:
                raise ValueError(f"no notebook is called {self.text}.ipynb")
            total = sum(getattr(chapter_times(path), self.part) for path in paths)
        except ValueError as error:
            message = self.inliner.reporter.error(
                f"{{{self.name}}}`{self.text}`: {error}", line=self.lineno
            )
            return [], [message]
        for path in paths:
            self.env.note_dependency(str(path))
        short = f"{total} min" if total < 120 else f"{total / 60:.0f} h"
        return [nodes.Text(short.replace(" ", "\N{NO-BREAK SPACE}"))], []


class ContinueReading(SphinxDirective):
    """A link to the section where the reader goes on, once there is one."""

    def run(self):
        """Leave the words to the template: they are the site's, not the page's."""
        return [markup(template="continue.html")]


class ChapterFigure(Figure, SphinxDirective):
    """A figure that a chapter drew: ``chapters/04_autograd.ipynb#id-of-the-cell``.

    The picture is the first one among the stored outputs of that cell, and its
    alternative text is the one that the cell gives it. Options are those of `figure`.
    """

    def run(self):
        """Write the picture where MyST-NB writes it, and show it from there."""
        name, _, cell_id = self.arguments[0].partition("#")
        notebook = Path(self.env.srcdir, name)
        try:
            cell = next(
                cell
                for cell in read_notebook(notebook)["cells"]
                if cell["id"] == cell_id
            )
            mime, data = next(
                (mime, output["data"][mime])
                for output in cell["outputs"]
                for mime in PICTURES
                if mime in output.get("data", {})
            )
        except (FileNotFoundError, StopIteration, KeyError):
            raise self.error(
                f"{self.arguments[0]}: no such notebook, or no cell of that id in it "
                "whose stored outputs hold a picture"
            ) from None
        text = "".join(data)
        content = text.encode() if mime == "image/svg+xml" else base64.b64decode(text)

        # The same name as MyST-NB's: the page shares the file with the chapter.
        folder = Path(self.env.app.outdir).parent / "jupyter_execute"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / (hashlib.sha256(content).hexdigest() + PICTURES[mime])
        file.write_bytes(content)
        self.env.note_dependency(str(notebook))
        self.arguments[0] = "/" + os.path.relpath(file, self.env.srcdir)
        self.options.setdefault("alt", cell["metadata"]["mystnb"]["image"]["alt"])
        return super().run()


def setup(app):
    """Register the directive and the role."""
    app.add_directive("chapter-figure", ChapterFigure)
    app.add_directive("continue-reading", ContinueReading)
    app.add_role("time", Time("core"))
    app.add_role("time-with-everything", Time("everything"))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
