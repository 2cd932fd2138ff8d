"""Run the cells of a notebook as people do, and hold its asserts.

Outputs are not compared here. A cell must end as it says: with an error of the stored
type, or of a kind of it, where it carries the tag ``raises-exception``, and without one
elsewhere.
"""

import ast
import builtins
import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path

import nbformat
import nbval.kernel

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted([*ROOT.glob("chapters/*.ipynb"), *ROOT.glob("appendix/*.ipynb")])
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def sections(notebook):
    """Split the code cells at each heading; sections without code are left out."""
    groups = [[]]
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.search(r"^#+ ", cell.source, re.M):
            groups.append([])
        elif cell.cell_type == "code":
            groups[-1].append(cell)
    return [group for group in groups if group]


def once(notebook):
    """Go from top to bottom."""
    for cells in sections(notebook):
        for cell in cells:
            yield "", cell


def twice(notebook):
    """Run each cell twice, and each section again after the next one.

    A cell whose metadata give a reason under ``"twice"`` runs only once.
    """
    before = []
    for cells in sections(notebook):
        for cell in cells:
            yield "", cell
            if "twice" not in cell.metadata:
                yield " (second time)", cell
        for cell in before:
            if "twice" not in cell.metadata:
                yield " (again after the next section)", cell
        before = cells


@contextmanager
def kernel(folder, environment):
    """Start a kernel of this very Python in a folder; it ends with the block."""
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


def execute(client, source, **options):
    """Run code in a kernel, drop what it prints, and return its reply."""
    return client.execute_interactive(
        source,
        allow_stdin=False,
        stop_on_error=False,
        timeout=180,
        output_hook=lambda message: None,
        **options,
    )["content"]


def is_kind_of(raised, stored):
    """Tell whether an error's type is the stored one or derived from it.

    torch 2.15 raises NotImplementedError, a kind of RuntimeError, where 2.14 raised
    RuntimeError with the same message.
    """
    types = [getattr(builtins, name, object) for name in (raised, stored)]
    return raised == stored or (object not in types and issubclass(*types))


def compared(source):
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


def account(client, source, reply):
    """Say how a cell failed and, where an assert did, what its sides are worth."""
    lines = [f"{reply['ename']}: {reply['evalue']}"]
    if frames := [ANSI.sub("", f) for f in reply["traceback"] if "Cell In" in f]:
        lines += [line for line in frames[-1].splitlines() if line.startswith("--")]
    if reply["ename"] == "AssertionError":
        names = compared(source)
        answer = execute(
            client, "", silent=True, user_expressions={name: name for name in names}
        )
        for name, value in answer["user_expressions"].items():
            if value["status"] == "ok":
                text = " ".join(value["data"]["text/plain"].split())
                lines.append(f"{name} = {text[:150]}")
    return "\n    ".join(lines)


def run(path, order=once, **environment):
    """Run a notebook and list what did not hold.

    Parameters
    ----------
    path : pathlib.Path
    order : callable
        Takes the notebook and yields pairs: a remark on this run, a code cell.
    **environment : str
        Variables for the kernel, beside those of this process.

    Returns
    -------
    list of str
        One text for each run of a cell that did not end as the cell says; the cells
        after it run nevertheless, so that one pass finds them all.
    """
    notebook = nbformat.read(path, nbformat.NO_CONVERT)
    problems = []
    with kernel(path.parent, environment) as client:
        for remark, cell in order(notebook):
            stored = [o.ename for o in cell.outputs if o.output_type == "error"]
            announced = "raises-exception" in cell.metadata.get("tags", [])
            reply = execute(client, cell.source)
            raised = [reply["ename"]] if reply["status"] == "error" else []
            if raised and not announced:
                problem = account(client, cell.source, reply)
            elif announced and not (raised and stored and is_kind_of(*raised, *stored)):
                problem = f"must raise {stored}, raised {raised}"
            else:
                continue
            problems.append(f"{path.stem}: {cell.id}{remark}:\n    {problem}")
    return problems
