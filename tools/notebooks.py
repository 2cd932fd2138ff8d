"""What tools, tests and extensions share about the notebooks of the course.

Which there are, how a notebook is divided, what marks an assert, an exercise or a
solution, what anchors its headings get, and how its cells are run.
"""

import ast
import builtins
import linecache
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import nbformat

ROOT = Path(__file__).parent.parent

# A line that holds the page to a fact; torch and NumPy have asserts of their own.
ASSERT = re.compile(r"^\s*assert |assert_close\(|assert_allclose\(", re.M)
LABEL = re.compile(r"^:{3,}\{exercise\}[^\n]*\n:label: (ex-[\w-]+)", re.M)
# In prose that holds a solution, and before cells that do.
SOLUTION = re.compile(r"^:{3,}\{solution(?:-start)?\} (\S+)", re.M)
# A box that asks the reader to guess.
PREDICTION = re.compile(r"^:{3,}\{admonition\}[^\n]*\n:class: predict$", re.M)
HEADING = re.compile(r"^(#+) (.+)$", re.M)
# Blocks of code and directives, whose lines are no headings.
FENCED = re.compile(r"^(`{3,}|:{3,}).*?^\1", re.M | re.S)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def chapters():
    """List the paths of the chapters in reading order."""
    return sorted(ROOT.glob("chapters/*.ipynb"))


def notebooks():
    """List the paths of all notebooks: the chapters, then those of the appendix."""
    return [*chapters(), *sorted(ROOT.glob("appendix/*.ipynb"))]


def read(path):
    """Read a notebook as it is stored, in no other version of the format."""
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def tags(cell):
    """Return the set of a cell's tags."""
    return set(cell.metadata.get("tags", []))


def code_cells(notebook):
    """List the code cells of a notebook."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def headings(cell):
    """List the headings of a cell as pairs of level and text."""
    if cell.cell_type != "markdown":
        return []
    found = HEADING.findall(FENCED.sub("", cell.source))
    return [(len(marks), text) for marks, text in found]


def sections(notebook):
    """Split the cells of a notebook before each cell that holds a heading."""
    groups = [[]]
    for cell in notebook.cells:
        if headings(cell):
            groups.append([])
        groups[-1].append(cell)
    return [group for group in groups if group]


def predicted(notebook):
    """List the code cells whose outputs readers are to predict.

    They come after a prediction and before the prose that talks about them, and hold no
    proofs. `_ext/reader.py` and `lab/chapters.js` find the same ones.
    """
    found, asked, ran = [], False, False
    for cell in notebook.cells:
        if cell.cell_type == "code":
            ran = ran or asked
            found += [cell] if asked and "proof" not in tags(cell) else []
        elif PREDICTION.search(cell.source):
            asked, ran = True, False
        elif ran or headings(cell):
            asked, ran = False, False
    return found


def fold_predicted(notebook):
    """Fold the outputs that readers are to predict, where JupyterLab looks for it."""
    for cell in predicted(notebook):
        cell.metadata.setdefault("jupyter", {})["outputs_hidden"] = True


def anchors(notebook):
    """List, for each cell, its headings as (level, text, anchor).

    Anchors are those that MyST gives, unique within the notebook.
    """
    from myst_parser.mdit_to_docutils.base import default_slugify

    taken, found = set(), []
    for cell in notebook.cells:
        found.append([])
        for level, text in headings(cell):
            anchor = default_slugify(text.replace("`", ""))
            while anchor in taken:
                anchor += "-1"
            taken.add(anchor)
            found[-1].append((level, text, anchor))
    return found


def slugs(notebook):
    """Return the set of anchors of a notebook's headings."""
    return {anchor for cell in anchors(notebook) for _, _, anchor in cell}


def labels(notebook):
    """List the labels of a notebook's exercises."""
    return [label for cell in notebook.cells for label in LABEL.findall(cell.source)]


def plain(traceback):
    """Join the lines of a stored traceback, without colours."""
    return ANSI.sub("", "\n".join(traceback))


# --- running -------------------------------------------------------------------------


def run_source(source, namespace, name):
    """Execute a cell's source in this process; `name` stands for its file.

    Tracebacks and `inspect.getsource` find its lines.
    """
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    exec(compile(source, name, "exec"), namespace)


class Problem(NamedTuple):
    """A run of a cell that did not end as the cell says."""

    cell: str
    text: str


def once(notebook) -> Iterator[tuple[str, nbformat.NotebookNode]]:
    """Go from top to bottom."""
    for cell in code_cells(notebook):
        yield "", cell


def twice(notebook) -> Iterator[tuple[str, nbformat.NotebookNode]]:
    """Run each cell twice, and each section again after the next one.

    A cell whose metadata give a reason under ``"twice"`` runs only once.
    """
    before = []
    for section in sections(notebook):
        cells = [cell for cell in section if cell.cell_type == "code"]
        if not cells:
            continue
        for cell in cells:
            yield "", cell
            if "twice" not in cell.metadata:
                yield " (second time)", cell
        for cell in before:
            if "twice" not in cell.metadata:
                yield " (again after the next section)", cell
        before = cells


def run(notebook, folder, order=once, first="", **environment):
    """Run a notebook in a kernel of its own and list what did not hold.

    Outputs are not compared. A cell must end as it says: with an error of the stored
    type, or of a kind of it, where it carries the tag ``raises-exception``, and without
    one elsewhere.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
    folder : pathlib.Path
        The working directory of its kernel.
    order : callable
        Takes the notebook and yields pairs: a remark on this run, a code cell.
    first : str
        Code that runs before the first cell.
    **environment : str
        Variables for the kernel, beside those of this process.

    Returns
    -------
    list of Problem
        The cells after one that fails run too, so that one pass finds them all.
    """
    problems = []
    with _kernel(folder, environment) as client:
        if first and _execute(client, first)["status"] == "error":
            raise RuntimeError(f"the code before the first cell fails: {first}")
        for remark, cell in order(notebook):
            stored = [o.ename for o in cell.outputs if o.output_type == "error"]
            announced = "raises-exception" in tags(cell)
            reply = _execute(client, cell.source)
            raised = [reply["ename"]] if reply["status"] == "error" else []
            if raised and not announced:
                problem = _account(client, cell.source, reply)
            elif announced and not (
                raised and stored and _is_kind_of(*raised, *stored)
            ):
                problem = f"must raise {stored}, raised {raised}"
            else:
                continue
            problems.append(Problem(cell.id, f"{cell.id}{remark}:\n    {problem}"))
    return problems


@contextmanager
def _kernel(folder, environment):
    """Start a kernel of this very Python in a folder; it ends with the block."""
    import nbval.kernel

    manager, client = nbval.kernel.start_new_kernel(
        startup_timeout=120,
        kernel_name=nbval.kernel.CURRENT_ENV_KERNEL_NAME,
        cwd=str(folder),
        env={**os.environ, **environment},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _execute(client, source, **options):
    """Run code in a kernel, drop what it prints, and return its reply."""
    return client.execute_interactive(
        source,
        allow_stdin=False,
        stop_on_error=False,
        timeout=600,
        output_hook=lambda message: None,
        **options,
    )["content"]


def _is_kind_of(raised, stored):
    """Tell whether an error's type is the stored one or derived from it.

    torch 2.15 raises NotImplementedError, a kind of RuntimeError, where 2.14 raised
    RuntimeError with the same message.
    """
    types = [getattr(builtins, name, object) for name in (raised, stored)]
    return raised == stored or (object not in types and issubclass(*types))


def _compared(source):
    """List the expressions that the asserts of a cell compare."""
    sides = [
        ast.unparse(side)
        for statement in ast.walk(ast.parse(source))
        if isinstance(statement, ast.Assert)
        for part in ast.walk(statement.test)
        if isinstance(part, ast.Compare)
        for side in (part.left, *part.comparators)
        if not isinstance(side, ast.Constant)
    ]
    return list(dict.fromkeys(sides))


def _account(client, source, reply):
    """Say how a cell failed and, where an assert did, what its sides are worth."""
    lines = [f"{reply['ename']}: {reply['evalue']}"]
    if frames := [ANSI.sub("", f) for f in reply["traceback"] if "Cell In" in f]:
        lines += [line for line in frames[-1].splitlines() if line.startswith("--")]
    if reply["ename"] == "AssertionError":
        names = _compared(source)
        answer = _execute(
            client, "", silent=True, user_expressions={name: name for name in names}
        )
        for name, value in answer["user_expressions"].items():
            if value["status"] == "ok":
                text = " ".join(value["data"]["text/plain"].split())
                lines.append(f"{name} = {text[:150]}")
    return "\n    ".join(lines)
