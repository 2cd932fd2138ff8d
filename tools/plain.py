"""Write every notebook once more, in Markdown that any reader shows: ``make plain``.

    python -m tools.plain FOLDER

Colab, Kaggle, VS Code and GitHub know none of the directives that the site and
JupyterLab do. In the plain flavour solutions and answers to questions fold as
``<details>``, boxes are quotations, exercises are headings, and what a reader is to
predict has no output. Its first two cells say what it needs, and get it. It is made
from the notebooks, never by hand, and nothing is run for it.

``COURSE_REPOSITORY_URL`` and ``COURSE_SITE_URL`` say where the course and its site are
published. Without them a link to a page that is no notebook becomes its text.
"""

import argparse
import json
import os
import posixpath
import re
import shutil
import symtable
import textwrap
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import quote, unquote

import nbformat
import yaml
from IPython.core.inputtransformer2 import TransformerManager
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from tools.documentation import link_prose
from tools.notebooks import ROOT, anchors, labels, plain, read, tags

BRANCH = "notebooks"
DIRECTIVE = re.compile(r"\{([\w-]+)\}\s*(.*)")
OPTION = re.compile(r":([\w-]+):\s*(.*)")
# A name that links can use for the heading below it.
TARGET = re.compile(r"^\(([\w-]+)\)=\n+#+ (.+)$", re.M)
# Boxes, and what heads them unless they bring a title.
BOXES = {"note": "Note", "tip": "Tip", "warning": "Warning"}
WITH_TEXT = ("link_open", "image", "myst_role")
# What is folded on the site: Colab shows these titles in place of the code.
FOLDED = {"proof": "Checked", "hide-input": "The code"}
KEPT = {"raises-exception"}  # of a cell's tags; nbclient and JupyterLab go by it

NEEDS = """\
**What this notebook needs:** the course that it belongs to, *First Tensor*, with its \
small package, its data sets and what checks your answers.
If they aren't here, the next cell {gets}.

This is the plain flavour of [{title}]({page}), for places that don't know the \
directives of the site.
Solutions and answers are folded: click on one to open it.
Where you are asked to predict, the output is left out: guess first, then run the cell.
"""
FAILS = """\
Some cells fail on purpose.
If *Run all* stops at one of them, go on from the cell below it.
"""
GETS = """\
installs them, which takes a minute or two; on Kaggle, turn on *Internet* in the \
settings of the notebook first"""
ASKS = "says where to get them"

GET = '''\
# @title Get the course, if it isn't here
import importlib.util


def get_the_course():
    """Install the course, and those of its packages that are missing."""
    import importlib
    import shutil
    import site
    import subprocess
    import sys
    import sysconfig
    from importlib import metadata
    from pathlib import Path

    def pip(*packages):
        command = [sys.executable, "-m", "pip", "install", "--quiet", *packages]
        subprocess.run(command, check=True)

    course = Path("first-tensor").resolve()
    if not course.exists():
        FETCH
    pip("--no-deps", "--editable", str(course))
    site.addsitedir(sysconfig.get_path("purelib"))  # so that this session finds it
    importlib.invalidate_caches()

    from helpers.doctor import NOT_ON_COLAB
    from packaging.requirements import Requirement

    missing = []
    for requirement in map(Requirement, metadata.requires("first-tensor")):
        try:
            metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            if requirement.name not in NOT_ON_COLAB:
                missing.append(str(requirement))
    if missing:
        pip(*missing)


if importlib.util.find_spec("helpers") is None:
    get_the_course()
'''
CLONE = """\
clone = ["git", "clone", "--quiet", "--depth", "1", {url}]
subprocess.run([*clone, str(course)], check=True)"""
UNPACK = """\
if not Path("first-tensor.zip").exists():
    raise FileNotFoundError(
        "This notebook needs the course. The page “Get the course”"
        {page}
        " has it as a zip: put first-tensor.zip next to this notebook "
        "(on Colab, drop it into the panel of files) and run this cell again."
    )
shutil.unpack_archive("first-tensor.zip")"""

README = """\
# First Tensor: the plain notebooks

The chapters of the course for Colab, Kaggle, VS Code and GitHub.
`python -m tools.plain` writes them from the notebooks of the course.
Don't edit them here.
The first cell of each says what it needs.
"""


class Exercise(NamedTuple):
    """Where an exercise stands, and its heading."""

    path: Path
    heading: str

    @property
    def name(self):
        """What a sentence calls it, "Exercise 2"."""
        return self.heading.partition(" (")[0]


def keep_raw(rule):
    """Let a rule for inline Markdown note what was typed on the token it makes."""

    def noting(state, silent):
        start, index = state.pos, len(state.tokens)
        if not rule(state, silent):
            return False
        if not silent:
            # Text that was pending becomes a token of its own, ahead of it.
            made = next(t for t in state.tokens[index:] if t.type in WITH_TEXT)
            made.meta["raw"] = state.src[start : state.pos]
        return True

    return noting


def make_parser(root):
    """Return the site's parser, whose links, pictures and roles know their text."""
    config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
    extensions = set(config["parse"]["myst_enable_extensions"])
    parser = create_md_parser(
        MdParserConfig(enable_extensions=extensions), RendererHTML
    )
    for rule in parser.inline.ruler.__rules__:
        if rule.name in ("link", "image", "myst_role"):
            parser.inline.ruler.at(rule.name, keep_raw(rule.fn))
    return parser


def heading_anchor(text):
    """Return the anchor that Jupyter gives a heading, as a link spells it."""
    return quote(text.replace(" ", "-"), safe="-.,:!?'*~")


def names(cell):
    """Return the names that a code cell gives values, and the others that it uses."""
    python = TransformerManager().transform_cell(cell.source)
    try:
        table = symtable.symtable(python, cell.id, "exec")
    except SyntaxError:  # shown on purpose
        return set(), set()
    given = {
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_assigned() or symbol.is_imported()
    }
    used, scopes = set(), [table]
    for scope in scopes:
        scopes += scope.get_children()
        for symbol in scope.get_symbols():
            if symbol.is_referenced() and (scope is table or symbol.is_global()):
                used.add(symbol.get_name())
    return given, used - given


def fence(code, language):
    """Return code as a fenced block."""
    runs = re.findall(r"`{3,}", code)
    marks = "`" * (max(map(len, runs), default=2) + 1)
    return f"{marks}{language}\n{code}\n{marks}"


def details(summary, inside):
    """Return Markdown that unfolds; blank lines keep it Markdown within HTML."""
    return f"<details>\n<summary>{summary}</summary>\n\n{inside.strip()}\n\n</details>"


def box(title, inside):
    """Return Markdown as a quotation with a title."""
    lines = [f"**{title}**", "", *inside.strip().split("\n")]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def printed(cell):
    """Return what a cell of a solution printed, without pictures."""
    texts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            texts.append(output.text)
        elif output.output_type == "error":
            texts.append(f"{output.ename}: {output.evalue}")
        elif "image/png" not in output.data:
            texts.append(output.data.get("text/plain", ""))
    return plain([text.rstrip() for text in texts if text.strip()])


class Course:
    """The notebooks of a course, and how their links are to be written.

    Parameters
    ----------
    root : pathlib.Path
        The folder of the course.
    repository, site : str
        Where it and its site are published; empty if nowhere.
    branch : str
        The branch of the repository that holds the course.
    """

    def __init__(self, root=ROOT, repository="", site="", branch="main"):
        self.root = root
        self.repository, self.site = repository.rstrip("/"), site.rstrip("/")
        self.branch = branch
        self.parser = make_parser(root)
        found = [*root.glob("chapters/*.ipynb"), *root.glob("appendix/*.ipynb")]
        self.notebooks = {path: read(path) for path in sorted(found)}
        self.figures = set()
        self.exercises = {}
        for path, notebook in self.notebooks.items():
            for number, label in enumerate(labels(notebook), 1):
                title = self.exercise_title(notebook, label)
                self.exercises[label] = Exercise(path, f"Exercise {number} ({title})")
        self.headings = {
            path: self.anchors(notebook) for path, notebook in self.notebooks.items()
        }

    def anchors(self, notebook):
        """Map what links name, slugs and targets such as ``(x)=``, to anchors."""
        found = {}
        for cell, headings in zip(notebook.cells, anchors(notebook), strict=True):
            for _, heading, slug in headings:
                found[slug] = heading_anchor(self.text(heading))
            for target, heading in TARGET.findall(cell.source) if headings else ():
                found[target] = heading_anchor(self.text(heading))
        return found

    @staticmethod
    def exercise_title(notebook, label):
        """Return the title of an exercise as it was typed."""
        stated = re.compile(rf"\{{exercise\}}(.*)\n:label: {re.escape(label)}$", re.M)
        return next(
            found[1].strip()
            for cell in notebook.cells
            if (found := stated.search(cell.source))
        )

    def text(self, markdown):
        """Return inline Markdown as the text that a reader sees."""
        (inline,) = self.parser.parseInline(markdown)
        return "".join(token.content for token in inline.children)

    def html(self, markdown):
        """Return inline Markdown as HTML; formulas stay as they are typed."""
        (inline,) = self.parser.parseInline(markdown)
        for token in inline.children:
            if token.type == "math_inline":
                token.type, token.content = "text", f"${token.content}$"
        renderer, options = self.parser.renderer, self.parser.options
        return renderer.renderInline(inline.children, options, {})

    def page(self, name):
        """Return the address of a page of the site, or of its file, or nothing.

        Parameters
        ----------
        name : str
            Its path in the course, with a fragment or without.
        """
        path, mark, fragment = name.partition("#")
        if self.site:
            page = PurePosixPath(path).with_suffix(".html")
            return f"{self.site}/{page}{mark}{fragment}"
        if self.repository:
            return f"{self.repository}/blob/{self.branch}/{path}"
        return ""

    def inside(self, path, address):
        """Return the path in the course of what a notebook names."""
        folder = path.parent.relative_to(self.root).as_posix()
        return posixpath.normpath(posixpath.join(folder, address))

    def target(self, path, href):
        """Return where a link of a notebook leads in the plain flavour, or nothing.

        Raises
        ------
        ValueError
            If it leads nowhere in the course.
        """
        if re.match(r"\w+:", href):
            return href
        address, _, fragment = unquote(href).partition("#")
        inside = self.inside(path, address)
        file = self.root / inside if address else path
        if file not in self.notebooks:
            if not file.is_file():
                raise ValueError(f"{href} leads to no file of the course")
            return self.page(f"{inside}#{fragment}" if fragment else inside)
        if not fragment:
            return address
        if fragment in self.exercises:
            anchor = self.exercise_anchor(fragment)
        elif fragment in self.headings[file]:
            anchor = self.headings[file][fragment]
        else:
            raise ValueError(f"{href} leads to no heading of {file.name}")
        return f"{address}#{anchor}"

    def exercise_anchor(self, label):
        """Return the anchor of an exercise's heading."""
        return heading_anchor(self.text(self.exercises[label].heading))

    def picture(self, path, href):
        """Return where a drawing is found from the plain flavour."""
        inside = self.inside(path, unquote(href))
        self.figures.add(inside)
        # Colab and Kaggle see no file but the notebook.
        if self.repository:
            return f"{self.repository}/raw/{BRANCH}/{inside}"
        if self.site:
            return f"{self.site}/_images/{posixpath.basename(inside)}"
        return href

    def inline(self, path, token):
        """Return what takes the place of a link, a picture or a role."""
        raw = token.meta["raw"]
        if token.type == "myst_role":
            known = self.exercises.get(token.content)
            if token.meta["name"] != "ref" or known is None:
                raise ValueError(f"the plain flavour has no form for {raw}")
            if known.path != path:
                raise ValueError(
                    f"{raw} leads to another chapter, so write a link that says which: "
                    f"[exercise … of chapter …]({known.path.name}#exercises)"
                )
            return f"[{known.name}](#{self.exercise_anchor(token.content)})"
        shown, mark, _ = raw.rpartition("](")
        if not mark:
            return raw  # an address between angle brackets
        if token.type == "image":
            return f"{shown}]({self.picture(path, token.attrGet('src'))})"
        target = self.target(path, token.attrGet("href"))
        return f"{shown}]({target})" if target else shown.removeprefix("[")

    def directive(self, name, title, options, body, level):
        """Return the Markdown that stands for a directive with a converted body."""
        if name == "exercise":
            heading = self.exercises[options["label"]].heading
            return f"{'#' * (level + 1)} {heading}\n\n{body.strip()}"
        if name == "solution":
            return details("Solution", body)
        if name in ("dropdown", "tab-item"):
            return details(self.html(title), body)
        if name == "tab-set":
            return body.strip()
        if name == "admonition":
            return box(title, body)
        if name in BOXES:
            return box(BOXES[name], f"{title}\n{body}" if title else body)
        raise ValueError(f"the plain flavour has no form for {name}")

    def convert(self, path, text, level=1):
        """Convert the Markdown of a cell.

        Parameters
        ----------
        path : pathlib.Path
            Its notebook.
        text : str
        level : int
            That of the last heading before it.

        Returns
        -------
        text : str
        level : int
            That of the last heading in it.
        waits : bool or None
            Whether a prediction comes last; None where there is neither a heading nor
            a prediction.

        Raises
        ------
        ValueError
            If it holds a directive or a role that has no form here, or a link that
            leads nowhere.
        """
        lines, found, waits = text.split("\n"), [], None
        for token in self.parser.parse(text):
            if token.type == "heading_open":
                level, waits = int(token.tag[1]), False
            elif token.type == "myst_target":
                found.append((token.map, "target", "", {}, "", level))
            elif token.type == "inline":
                self.rewrite(path, token, lines)
            elif token.type in ("fence", "colon_fence"):
                if not (match := DIRECTIVE.match(token.info.strip())):
                    continue
                if token.level:
                    raise ValueError(f"{match[0]} stands inside of something else")
                found.append((token.map, *self.parts(match, token.content), level))
                if match[1] == "admonition":
                    classes = found[-1][3].get("class", "").split()
                    waits = True if "predict" in classes else waits
        verdicts = self.verdicts(found, lines)
        for place, name, title, options, body, depth in reversed(found):
            first, last = place
            if name == "target":
                del lines[first:last]
                continue
            body, _, _ = self.convert(path, body, depth)
            if verdict := verdicts.get(first):
                body = f"**{verdict}.**\n\n{body}"
            made = self.directive(name, title, options, body, depth).split("\n")
            before = [""] if first and lines[first - 1].strip() else []
            after = [""] if last < len(lines) and lines[last].strip() else []
            lines[first:last] = [*before, *made, *after]
        return "\n".join(lines), level, waits

    def rewrite(self, path, token, lines):
        """Rewrite the links, pictures and roles of a block in its lines."""
        first, last = token.map
        source = "\n".join(lines[first:last])
        for part in token.children:
            if raw := part.meta.get("raw"):
                if raw not in source:
                    raise ValueError(f"{raw!r} isn't typed in one piece")
                source = source.replace(raw, self.inline(path, part), 1)
        lines[first:last] = source.split("\n")

    @staticmethod
    def parts(match, content):
        """Split a directive into name, title, options and body."""
        rows, options = content.split("\n"), {}
        while rows and (option := OPTION.fullmatch(rows[0])):
            options[option[1]] = option[2]
            del rows[0]
        return match[1], match[2].strip(), options, "\n".join(rows)

    @staticmethod
    def verdicts(found, lines):
        """Say of dropdowns in a row, one of which is right, which one that is."""
        rows, end = [], None
        for (first, last), name, _, options, *_ in found:
            if name == "dropdown":
                if end is None or "".join(lines[end:first]).strip():
                    rows.append({})
                rows[-1][first] = "right" in options.get("class-container", "").split()
            end = last if name == "dropdown" else None
        return {
            first: "Right" if right else "Not this one"
            for row in rows
            if any(row.values())
            for first, right in row.items()
        }

    def solution(self, path, cells):
        """Return a solution of several cells as one that unfolds."""
        parts = []
        for cell in cells:
            if cell.cell_type == "markdown":
                parts.append(self.convert(path, cell.source)[0])
                continue
            parts.append(fence(cell.source, "python"))
            if text := printed(cell):
                parts += ["It prints:", fence(text, "text")]
        return details("Solution", "\n\n".join(parts))

    def first_cells(self, path, notebook):
        """Return the two cells that say what a notebook needs, and get it."""
        inside = path.relative_to(self.root).as_posix()
        headings = (text for cell in anchors(notebook) for _, text, _ in cell)
        shown = next(headings, path.stem)
        needs = NEEDS.format(
            gets=GETS if self.repository else ASKS,
            title=shown,
            page=self.page(inside),
        )
        needs = needs if self.page(inside) else needs.replace(f"[{shown}]()", shown)
        if any("raises-exception" in tags(cell) for cell in notebook.cells):
            needs += FAILS
        how = CLONE.format(url=json.dumps(self.repository))
        if not self.repository:
            page = self.page("get_the_course.md")
            page = f" at {page}" if page else " of its site"
            how = UNPACK.format(page=json.dumps(page, ensure_ascii=False))
        code = GET.replace("FETCH", textwrap.indent(how, " " * 8).lstrip())
        get = nbformat.v4.new_code_cell(code.strip(), id="get-the-course")
        get.metadata.update(fold_marks())
        about = nbformat.v4.new_markdown_cell(needs.strip(), id="about-this-notebook")
        return [about, get]

    def written(self, path):
        """Return a notebook in its plain flavour.

        Raises
        ------
        ValueError
            If a cell can't be converted, or if one needs a solution that folds away.
        """
        notebook = self.notebooks[path]
        made = nbformat.from_dict(notebook)
        made.cells, level, waits = self.first_cells(path, notebook), 1, False
        solution, from_solutions, known = None, {}, set()
        prose = link_prose(notebook) if path.parent.name == "chapters" else {}
        for cell in notebook.cells:
            if "lab" in tags(cell):  # it runs on the site and in JupyterLab
                continue
            cell = nbformat.from_dict(cell)
            try:
                if cell.source.startswith(":::{solution-start}"):
                    solution, cells = cell, []
                elif cell.source.startswith(":::{solution-end}"):
                    solution.source = self.solution(path, cells)
                    solution.metadata.clear()
                    made.cells.append(solution)
                    solution = None
                elif solution:
                    cells.append(cell)
                    if cell.cell_type == "code":
                        given, _ = names(cell)
                        from_solutions.update(dict.fromkeys(given - known, cell.id))
                elif cell.cell_type == "markdown":
                    text = prose.get(cell.id, cell.source)
                    cell.source, level, ended = self.convert(path, text, level)
                    waits = waits if ended is None else ended
                    cell.metadata.clear()
                    made.cells.append(cell)
                else:
                    given, used = names(cell)
                    known |= given
                    if lost := used & from_solutions.keys() - known:
                        name = min(lost)
                        raise ValueError(
                            f"it uses {name}, which only the solution "
                            f"{from_solutions[name]} defines: the plain flavour folds "
                            "solutions away, so define it outside of them"
                        )
                    made.cells.append(plain_code(cell, waits))
            except ValueError as error:
                raise ValueError(f"{path.name}, cell {cell.id}: {error}") from error
        return made

    def write(self, folder):
        """Write all notebooks, and the drawings that they show, into a folder.

        Raises
        ------
        FileExistsError
            If the folder isn't empty.
        """
        if folder.exists() and any(folder.iterdir()):
            raise FileExistsError(f"{folder} has to be empty, and isn't")
        for path in self.notebooks:
            file = folder / path.relative_to(self.root)
            file.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(self.written(path), file)
        for figure in sorted(self.figures):
            (folder / figure).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.root / figure, folder / figure)
        (folder / "README.md").write_text(README, "utf-8")


def fold_marks():
    """Return metadata that fold a cell's code: JupyterLab, Kaggle and Colab.

    VS Code and GitHub know no such mark, and show the code.
    """
    return {
        "jupyter": {"source_hidden": True},
        "_kg_hide-input": True,
        "cellView": "form",
    }


def plain_code(cell, waits):
    """Return a code cell with the metadata that other readers go by."""
    marks = tags(cell)
    cell.metadata = nbformat.from_dict({})
    if kept := sorted(marks & KEPT):
        cell.metadata.tags = kept
    folded = [title for tag, title in FOLDED.items() if tag in marks]
    if folded and not cell.source.startswith("%%"):
        cell.metadata.update(fold_marks())
        cell.source = f"# @title {folded[0]}\n{cell.source}"
    if waits:
        cell.outputs, cell.execution_count = [], None
    return cell


def configured(root=ROOT):
    """Return the course, with the addresses that the environment names."""
    return Course(
        root,
        os.environ.get("COURSE_REPOSITORY_URL", ""),
        os.environ.get("COURSE_SITE_URL", ""),
        os.environ.get("COURSE_REPOSITORY_BRANCH", "main"),
    )


def main():
    """Write the plain flavour of all notebooks into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder that is new or empty")
    folder = parser.parse_args().folder
    course = configured()
    course.write(folder)
    print(f"{folder} holds the plain flavour of {len(course.notebooks)} notebooks")


if __name__ == "__main__":
    main()
