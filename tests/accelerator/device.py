"""Run a notebook on a device of choice."""

from tools.notebooks import ROOT, code_cells, run

# Lightning's Trainer takes names of devices from a closed list.
TEACH_LIGHTNING = "import torch, pretend_accelerator as p; p.teach_lightning()"


def run_on(device, notebook):
    """Run a notebook with COURSE_DEVICE set, and list its problems.

    The kernel inherits PYTHONPATH and thereby the pretend device.
    """
    lightning = any("lightning" in cell.source for cell in code_cells(notebook))
    first = TEACH_LIGHTNING if device == "pretend" and lightning else ""
    return run(notebook, ROOT / "chapters", first=first, COURSE_DEVICE=device)
