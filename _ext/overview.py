"""Tables of the appendix that are written while the book is built.

``{source-map} 2`` says what the sections of chapter 2 teach of the documents behind the
course, from the ``covers`` metadata of its cells, and ``{source-map} documents`` which
chapters each document went into. ``{status} time`` and its relatives show what the last
run measured, from the file that ``make status`` writes.
"""

import csv
import json
import re
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

sys.path.append(str(Path(__file__).parents[1]))
from tools import notebooks

UNITS = "appendix/source_units.csv"
STATUS = "appendix/status.json"
VERSIONS = "appendix/versions.csv"
REAL = "appendix/real.csv"
# What the parts of the sources are, by the start of their units' names.
DOCUMENTS = {
    "S0": "An introduction to fastai in two parts, part one",
    "S1": "The same introduction, part two",
    "S2": "A short tour of PyTorch",
    "S3": "A chapter of a book, on fastai and Lightning",
    "S4-1-1": "Long notes on PyTorch: where to run notebooks",
    "S4-1-2": "Long notes on PyTorch: tensors",
    "S4-1-3": "Long notes on PyTorch: the workflow, on a straight line",
    "S4-1-4": "Long notes on PyTorch: classification",
    "S4-1-5": "Long notes on PyTorch: computer vision",
    "S4-1-6": "Long notes on PyTorch: your own data sets",
}
# Headings that share a cell with a summary and aren't what the cell is about.
TAIL = {"Key terms", "What comes next"}

read = cache(notebooks.read)


def title(path):
    """Return the title of a notebook."""
    return notebooks.headings(read(path).cells[0])[0][1]


def taught(path):
    """Map the headings and anchors of a notebook's sections to the units they teach.

    A cell that covers a unit and holds several headings stands for the first one of the
    lowest level; a cell without a heading belongs to the section before it.
    """
    found, section = defaultdict(list), None
    notebook = read(path)
    for cell, headings in zip(notebook.cells, notebooks.anchors(notebook), strict=True):
        own = [heading for heading in headings if heading[1] not in TAIL]
        opened = max(own, key=lambda found: found[0], default=section)
        for unit in cell.metadata.get("covers", []):
            if unit not in found[opened[1:]]:
                found[opened[1:]].append(unit)
        section = headings[-1] if headings else section
    return found


def link(text, target):
    """Return a link in Markdown, whatever brackets and bars the text holds."""
    escaped = re.sub(r"([][|])", r"\\\1", text)
    return f"[{escaped}]({target})"


def table(head, rows):
    """Return the lines of a Markdown table; columns of numbers end at the right."""
    numeric = [
        all(isinstance(row[i], int | float) for row in rows) for i in range(len(head))
    ]
    marks = ["---:" if number else "---" for number in numeric]
    return [f"| {' | '.join(map(str, row))} |" for row in (head, marks, *rows)]


class Overview(SphinxDirective):
    """What both directives share: files they read, Markdown they write."""

    required_arguments = 1
    final_argument_whitespace = True

    def read(self, name):
        """Return a file's path below the sources; a change of it renews the page."""
        path = Path(self.env.srcdir, name)
        self.env.note_dependency(str(path))
        return path

    def chapters(self):
        """Return the path of each chapter of the book, by its number."""
        names = sorted(name for name in self.env.found_docs if "chapters/" in name)
        return {int(Path(name).name[:2]): self.read(f"{name}.ipynb") for name in names}

    def run(self):
        """Write Markdown and have it read as if it stood on the page."""
        box = nodes.Element()
        source, line = self.get_source_info()
        try:
            lines = self.write(self.arguments[0])
        except (ValueError, FileNotFoundError) as error:
            raise self.error(f"{{{self.name}}} {self.arguments[0]}: {error}") from None
        self.state.nested_parse(StringList(lines, source), 0, box)
        for text in box.findall(nodes.paragraph):
            text.source, text.line = source, line
            # Translators get no numbers, no ids of units, no words of code.
            words = [
                part.astext()
                for part in text.findall(nodes.Text)
                if not isinstance(part.parent, nodes.literal)
            ]
            if not re.search(r"[^\W\d_]{2}", " ".join(words)):
                text["translatable"] = False
        return box.children


class SourceMap(Overview):
    """What a chapter teaches of the sources, or where the documents went."""

    def write(self, argument):
        """Return the list of a chapter's sections, or the table of documents."""
        with self.read(UNITS).open(encoding="utf-8", newline="") as file:
            units = {row["unit"]: row["title"] for row in csv.DictReader(file)}
        chapters = self.chapters()
        if argument == "documents":
            return self.documents(units, chapters)
        if not argument.isdecimal() or int(argument) not in chapters:
            raise ValueError("expected 'documents' or the number of a chapter")
        return self.sections(units, chapters[int(argument)])

    def sections(self, units, path):
        """Return a sentence that counts, and each section with the ideas it teaches."""
        found = taught(path)
        ideas = {unit for section in found.values() for unit in section}
        where = f"../chapters/{path.name}"
        lines = [f"{link(title(path), where)}: {len(ideas)} ideas.", ""]
        for (heading, slug), section in found.items():
            lines.append(f"- {link(heading, f'{where}#{slug}')}")
            lines += [f"  - {units.get(unit, '?')} `{unit}`" for unit in section]
        return lines

    def documents(self, units, chapters):
        """Return a row for each part of the sources: how many ideas, which chapters."""
        rows = []
        for part, name in DOCUMENTS.items():
            own = [unit for unit in units if re.match(rf"{part}[.-]", unit)]
            used = [
                link(str(number), f"../chapters/{path.name}")
                for number, path in chapters.items()
                if any(set(own) & set(section) for section in taught(path).values())
            ]
            rows.append((f"{name} `{part}`", len(own), ", ".join(used)))
        return table(("Document", "Ideas", "Chapters"), rows)


class Status(Overview):
    """One of the tables about the last run: ``{status} time``."""

    def write(self, name):
        """Return the table of that name."""
        tables = {
            "run": self.run_of,
            "time": self.time,
            "cells": self.cells,
            "exercises": self.exercises,
            "versions": self.versions,
            "real": self.real,
        }
        if name not in tables:
            raise ValueError(f"expected one of {', '.join(tables)}")
        return tables[name](json.loads(self.read(STATUS).read_text("utf-8")))

    def page(self, name):
        """Return the link to a notebook, with the number that a chapter has."""
        path = self.read(f"{name}.ipynb")
        number = f"{int(path.name[:2])}: " if name.startswith("chapters/") else ""
        return link(number + title(path), f"../{name}.ipynb")

    def by_notebook(self, status, head, *fields, total=True):
        """Return a table with a row for each notebook that has these fields.

        Heads are short: four columns have to fit on a phone.
        """
        rows = []
        for name, measured in status["notebooks"].items():
            if fields[0] in measured:
                numbers = (measured[field] for field in fields)
                # Not every system tells how much memory a process held.
                shown = ("-" if n is None else n for n in numbers)
                rows.append((self.page(name), *shown))
        if total:
            columns = list(zip(*rows, strict=True))[1:]
            rows.append(("All", *map(sum, columns)))
        return table(("Page", *head), rows)

    def run_of(self, status):
        """Say when, where and with what the notebooks ran."""
        dates = sorted(row["date"][:10] for row in status["notebooks"].values())
        days = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
        rows = [("Day (UTC)", days), ("Machine", status["machine"])]
        return table(("What", "Which"), [*rows, *status["versions"].items()])

    def time(self, status):
        """Return seconds by the clock, seconds of computing, and memory."""
        head = ("Clock, s", "CPU, s", "MB")
        fields = ("seconds", "cpu_seconds", "peak_rss_mb")
        return self.by_notebook(status, head, *fields, total=False)

    def cells(self, status):
        """Return how many code cells are compared, ignored, and hold an assert."""
        head = ("Strict", "Ignored", "Assert")
        fields = ("cells_compared", "cells_ignored", "cells_asserted")
        return self.by_notebook(status, head, *fields)

    def exercises(self, status):
        """Return how many exercises, wrong answers, and wrong answers named."""
        head = ("Exercises", "Wrong", "Named")
        return self.by_notebook(status, head, "exercises", "mutants", "refused")

    def versions(self, status):
        """Return what held on other versions, if that lane was run."""
        path = self.read(VERSIONS)
        if not path.exists():
            return ["No other versions have been tried so far."]
        with path.open(encoding="utf-8", newline="") as file:
            rows = [
                (
                    f"{row['python']}, {row['versions']}",
                    row["torch"] or "-",
                    f"{row['chapters_passed']} of {row['chapters_run']}"
                    if row["date"]
                    else "-",
                    f"{row['tests_passed']} of {row['tests_run']}"
                    if row["date"]
                    else "-",
                    row["date"] or "-",
                    row["failed"].replace("|", r"\|"),
                )
                for row in csv.DictReader(file)
            ]
        head = ("Python, set", "torch", "Notebooks", "Tests", "Date", "Failed")
        return table(head, rows)

    def real(self, status):
        """Return on which real data which notebooks held, and when that was tried."""
        path = self.read(REAL)
        if not path.exists():
            return ["No real data have been tried so far."]
        rows = []
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                sets = ", ".join(f"`{name}`" for name in row["sets"].split())
                rows.append(
                    (self.page(row["notebook"]), sets, row["held"], row["date"])
                )
        return table(("Page", "Data", "Held", "Date"), rows)


def setup(app):
    """Register the directives."""
    app.add_directive("source-map", SourceMap)
    app.add_directive("status", Status)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
