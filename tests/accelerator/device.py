"""Run a notebook on a device of choice."""

from tools.notebooks import ROOT, code_cells, run

# Both libraries know the accelerators that there are from a closed list.
TEACH = "import torch, pretend_accelerator as p; p.teach_{}()"


def run_on(device, notebook):
    """Run a notebook with COURSE_DEVICE set, and list its problems.

    The kernel inherits PYTHONPATH and thereby the pretend device.
    """
    code = "\n".join(cell.source for cell in code_cells(notebook))
    known = [name for name in ("lightning", "fastai") if f"import {name}" in code]
    known += [name for name in ("lightning", "fastai") if f"from {name}" in code]
    lines = [TEACH.format(name) for name in dict.fromkeys(known)]
    first = "\n".join(lines) if device == "pretend" else ""
    return run(notebook, ROOT / "chapters", first=first, COURSE_DEVICE=device)
