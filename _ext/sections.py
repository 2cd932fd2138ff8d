"""Which sections and exercises a chapter has, for readers who keep track.

What a reader has done is remembered by the ids of cells (`_static/memory.js`). Each
section right below a chapter's title gets a box to tick at its end, and each exercise
one in its frame; the section that holds the exercises has none, as they stand for it.
All are listed in ``_static/sections.js``, with the numbers and titles that the site
shows, for the sidebar and for the link to where the reader goes on.

A section whose opening cell carries the tag ``deeper`` can be skipped on a first
reading. A badge says so, after its heading and in the contents.

Exercises are numbered within their chapter, without its number, as JupyterLab and
`check` number them.
"""

import json
import re
from functools import cache
from pathlib import Path

import nbformat
from cells import cell_id
from docutils import nodes
from reader import markup
from sphinx_exercise.nodes import is_exercise_node

# The scripts, in the order in which they need each other, before those of the pages.
SCRIPTS = ("memory.js", "sections.js", "progress.js")
FIRST = 300
LINK = re.compile(r'(<a\b[^>]* href="#([^"]+)">)(.*?)(</a>)', re.S)


def topic(docname):
    """Return the name of a page without its folder and number."""
    return re.sub(r"^\d+_", "", docname.rpartition("/")[2])


@cache
def tags(path):
    """Map the ids of a notebook's cells to their tags."""
    cells = nbformat.read(path, nbformat.NO_CONVERT).cells
    return {cell.get("id"): set(cell.metadata.get("tags", [])) for cell in cells}


def chapter_section(docname, doctree):
    """Return the outermost section of a chapter that is a notebook, None elsewhere."""
    outermost = next(doctree.findall(nodes.section), None)
    return outermost if docname.startswith("chapters/") else None


def exercises(section, path):
    """List the exercises in a section as pairs of a node and the id of its cell."""
    found = []
    for node in section.findall(is_exercise_node):
        lines = (part for part in node.findall(nodes.Element) if part.line)
        if cell := next((cell_id(part, path) for part in lines), None):
            found.append((node, cell))
    return found


def note_sections(app, doctree):
    """Remember the sections of a chapter, and which of all its sections are deeper."""
    docname = app.env.docname
    path = str(app.env.doc2path(docname))
    chapter = chapter_section(docname, doctree)
    if chapter is None or not path.endswith(".ipynb"):
        return
    deeper, opened = [], set()
    for section in chapter.findall(nodes.section):
        # A cell may open a section and one below it: its tag is about the first.
        cell = cell_id(section, path)
        if cell not in opened and "deeper" in tags(path).get(cell, ()):
            deeper.append(section["ids"][0])
        opened.add(cell)
    app.env.metadata[docname]["deeper"] = deeper
    app.env.metadata[docname]["sections"] = [
        {
            "cell": cell_id(section, path),
            "anchor": section["ids"][0],
            "title": section.next_node(nodes.title).astext(),
            "exercises": [cell for _, cell in exercises(section, path)],
        }
        for section in chapter.children
        if isinstance(section, nodes.section) and cell_id(section, path)
    ]


def remember_numbers(app, env):
    """Hand Sphinx its own numbers of exercises, to compare with those it finds now."""
    env.toc_fignumbers = getattr(env, "numbers_by_sphinx", env.toc_fignumbers)
    return []


def number_within_chapter(app, env):
    """Count the exercises anew in each chapter, whatever Sphinx has done."""
    env.numbers_by_sphinx = env.toc_fignumbers
    env.toc_fignumbers = {
        docname: numbers
        | {
            "exercise": {
                name: (i,) for i, name in enumerate(numbers.get("exercise", {}), 1)
            }
        }
        for docname, numbers in env.toc_fignumbers.items()
    }
    return []


def number(env, docname, anchor):
    """Return the number that a section is shown with, such as "5.7", or none."""
    parts = env.toc_secnumbers.get(docname, {}).get(f"#{anchor}") or ()
    return ".".join(map(str, parts))


def add_boxes(app, doctree, docname):
    """Put boxes to tick and badges into a page of the site."""
    chapter = chapter_section(docname, doctree)
    known = app.env.metadata[docname].get("sections")
    if app.builder.format != "html" or not known:
        return
    path = str(app.env.doc2path(docname))

    def box(kind, cell, shown):
        values = {"kind": kind, "key": f"{topic(docname)}/{cell}", "number": shown}
        return markup(template="done.html", values=values)

    by_anchor = {section["anchor"]: section for section in known}
    for section in chapter.findall(nodes.section):
        anchor = next(iter(section["ids"]), None)
        if anchor in app.env.metadata[docname]["deeper"]:
            section.next_node(nodes.title).append(markup(template="deeper.html"))
        if anchor in by_anchor and not by_anchor[anchor]["exercises"]:
            shown = number(app.env, docname, anchor)
            section += box("section", by_anchor[anchor]["cell"], shown)
    numbers = app.env.toc_fignumbers.get(docname, {}).get("exercise", {})
    for node, cell in exercises(chapter, path):
        parts = numbers.get(next(iter(node["ids"]), None), ())
        node += box("exercise", cell, ".".join(map(str, parts)))


def listed(env):
    """List the chapters with their sections, as the scripts of the site need them."""
    chapters = []
    for docname in sorted(env.found_docs):
        sections = []
        for known in env.metadata[docname].get("sections", ()):
            shown = number(env, docname, known["anchor"])
            section = known | {"title": f"{shown} {known['title']}".strip()}
            section["deeper"] = known["anchor"] in env.metadata[docname]["deeper"]
            # What is false or empty is left out: this file goes to every reader.
            sections.append({key: value for key, value in section.items() if value})
        if sections:
            chapter = {"page": docname, "topic": topic(docname), "sections": sections}
            chapters.append(chapter)
    return chapters


def write_list(app, env):
    """Write the list before the pages, which name its version."""
    if app.builder.format == "html":
        file = Path(app.outdir, "_static", "sections.js")
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(listed(env), ensure_ascii=False, separators=(",", ":"))
        file.write_text(f"const courseSections = {text};\n", "utf-8")


def order_scripts(app, config):
    """Load the scripts in their order: Jupyter Book lists them as the disk does."""
    others = [name for name in config.html_js_files if name not in SCRIPTS]
    config.html_js_files = others + [
        (name, {"priority": FIRST + i}) for i, name in enumerate(SCRIPTS)
    ]


def tell_page(app, pagename, templatename, context, doctree):
    """Tell the templates the topic of a page, and the contents what is deeper."""
    context["topic"] = topic(pagename)
    deeper = app.env.metadata[pagename].get("deeper", ())
    if deeper and "toc" in context:
        badge = app.builder.templates.render("deeper.html", {})
        context["toc"] = LINK.sub(
            lambda link: link[1] + link[3] + badge * (link[2] in deeper) + link[4],
            context["toc"],
        )


def setup(app):
    """Register the hooks."""
    app.connect("config-inited", order_scripts, priority=700)
    app.connect("doctree-read", note_sections)
    app.connect("env-get-updated", remember_numbers, priority=100)
    app.connect("env-get-updated", number_within_chapter, priority=900)
    app.connect("env-check-consistency", write_list)
    app.connect("doctree-resolved", add_boxes)
    app.connect("html-page-context", tell_page)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
