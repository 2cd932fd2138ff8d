"""Run a notebook on a device of choice and tell where it differs from what it says."""

import os
import re
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent.parent
ANSI = re.compile(r"\x1b\[[0-9;]*m")
# Lightning's Trainer takes names of devices from a closed list.
PREPARE = "import torch, pretend_accelerator as p; p.teach_lightning()"


class Failure(NamedTuple):
    """A cell that failed though it should not, or the reverse."""

    cell: str
    text: str


def read(chapter):
    return nbformat.read(ROOT / "chapters" / f"{chapter}.ipynb", nbformat.NO_CONVERT)


def errors(cell):
    outputs = cell.get("outputs", [])
    return [output for output in outputs if output.output_type == "error"]


def run(notebook, device, *, first=()):
    """Execute the cells in a kernel and return the failures.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        As stored; a cell that has stored an error has to fail with the same one.
    device : str
        What COURSE_DEVICE is to say.
    first : sequence of str or Path, optional
        Folders that are searched for modules before all others.

    Returns
    -------
    list of Failure
    """
    expected = {
        cell.id: [error.ename for error in errors(cell)] for cell in notebook.cells
    }
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    if device == "pretend" and any("lightning" in source for source in sources):
        prepare = nbformat.v4.new_code_cell(PREPARE, id="prepare")
        notebook.cells.insert(0, prepare)
        expected["prepare"] = []
    # The kernel inherits PYTHONPATH and thereby the device.
    path = [*map(str, first), os.environ["PYTHONPATH"]]
    settings = {"COURSE_DEVICE": device, "PYTHONPATH": os.pathsep.join(path)}
    NotebookClient(
        notebook,
        timeout=600,
        allow_errors=True,
        kernel_name="python3",
        resources={"metadata": {"path": str(ROOT / "chapters")}},
    ).execute(env=os.environ | settings)
    failures = []
    for cell in notebook.cells:
        found = errors(cell)
        if [error.ename for error in found] != expected[cell.id]:
            text = f"expected {expected[cell.id] or 'no error'}, got {found or 'none'}"
            if found:
                text = ANSI.sub("", "\n".join(found[0].traceback))[-2000:]
            failures.append(Failure(cell.id, text))
    return failures
