"""Classic device bugs, planted one at a time: the CPU sees none, the lane sees all.

A bug in a chapter is planted in a copy that ends with the last cell that has to do with
it. A bug in a helper is planted in a copy of the package, and the property tests of
the helpers, `tests/test_attack.py`, that use it run against that copy.
"""

import os
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest
from device import run_on

from tools.notebooks import ROOT, read, tags

SGD = "optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)\n"


class Bug(NamedTuple):
    """Replacements of text; the last cell named is the last that runs."""

    place: str
    cells: dict[str, tuple[str, str]]
    tests: str = ""


CHAPTERS = {
    "batch left behind": Bug(
        "04_autograd",
        {
            "lenet-shapes-table": (
                "image = torch.randn(1, 1, 32, 32).to(device)",
                "image = torch.randn(1, 1, 32, 32)",
            )
        },
    ),
    "model left behind": Bug(
        "04_autograd",
        {
            "lenet-class": ("net = LeNet().to(device)", "net = LeNet()"),
            "lenet-shapes-table": ("", ""),
        },
    ),
    "target left behind": Bug(
        "04_autograd",
        {
            "lenet-gradients-before-after": (
                ".view(1, -1).to(device)",
                ".view(1, -1)",
            )
        },
    ),
    ".numpy() without .cpu()": Bug(
        "04_autograd",
        {"lenet-gradients-before-after": (".grad.cpu().numpy()", ".grad.numpy()")},
    ),
    "float64 sent to the device": Bug(
        "04_autograd",
        {
            "lenet-shapes-table": (
                "torch.randn(1, 1, 32, 32).to(device)",
                "torch.randn(1, 1, 32, 32).double().to(device).float()",
            )
        },
    ),
    "tensor made in forward on the CPU": Bug(
        "04_autograd",
        {
            "lenet-class": (
                "return self.fc3(x)",
                "return self.fc3(x) + torch.zeros(len(x), 10)",
            ),
            "lenet-shapes-table": ("", ""),
        },
    ),
    "constant that is no buffer": Bug(
        "04_autograd",
        {
            "lenet-class": (
                "        self.fc3 = nn.Linear(84, 10)",
                "        self.scale = torch.ones(10)\n"
                "        self.fc3 = nn.Linear(84, 10)",
            ),
            "lenet-shapes-table": (
                "image = torch.randn(1, 1, 32, 32).to(device)",
                "image = torch.randn(1, 1, 32, 32).to(device)\nnet(image) * net.scale",
            ),
        },
    ),
    "optimizer stepped before the model moved": Bug(
        "04_autograd",
        {
            "resnet-signed-sum": (
                SGD,
                SGD + "model.cpu()\n"
                "model(noise.cpu()).sum().backward()\n"
                "optimizer.step()\n"
                "model.to(device)\n",
            )
        },
    ),
    "checkpoint of the CPU without map_location": Bug(
        "05_workflow",
        {
            "save-again-code": (
                "torch.save(model_1.state_dict(), path_1)",
                "state = {k: v.cpu() for k, v in model_1.state_dict().items()}\n"
                "torch.save(state, path_1)",
            ),
            "load-again-code": (
                "state = torch.load(path_1, map_location=device, weights_only=True)\n"
                "loaded_model_1.load_state_dict(state)",
                "state = torch.load(path_1, weights_only=True)\n"
                "loaded_model_1.load_state_dict(state, assign=True)",
            ),
        },
    ),
}
HELPERS = {
    "model left on the CPU after measuring": Bug(
        "training.py",
        {
            "test_step": (
                "        return _one_pass(model, loader, loss_fn, device, metric)\n",
                "        scores = _one_pass(model, loader, loss_fn, device, metric)\n"
                "    model.cpu()\n"
                "    return scores\n",
            )
        },
        "measuring_is_right or training_keeps",
    ),
    "metric on labels left behind": Bug(
        "training.py",
        {
            "_one_pass": (
                "metric(outputs.detach(), labels)",
                "metric(outputs.detach(), labels.cpu())",
            )
        },
        "measuring_is_right or training_keeps",
    ),
    "plot without .cpu()": Bug(
        "plotting.py",
        {
            "_to_array": (
                "values = values.detach().cpu()\n",
                "values = values.detach()\n",
            )
        },
        "views_that_record_gradients",
    ),
}


def end(notebook, name):
    """Return the number of the first cell after one that is named and its proofs."""
    ids = [cell.id for cell in notebook.cells]
    following = ids.index(name) + 1
    while following < len(ids) and "proof" in tags(notebook.cells[following]):
        following += 1
    return following


def plant(bug):
    """Return the chapter with the bug in it, up to the last cell that is named."""
    notebook = read(ROOT / "chapters" / f"{bug.place}.ipynb")
    ids = [cell.id for cell in notebook.cells]
    for name, (old, new) in bug.cells.items():
        cell = notebook.cells[ids.index(name)]
        assert old in cell.source, f"{name} has changed: plant the bug anew"
        cell.source = cell.source.replace(old, new, 1)
    notebook.cells = notebook.cells[: end(notebook, list(bug.cells)[-1])]
    return notebook


@pytest.mark.parametrize("name", CHAPTERS)
def test_bug_in_a_chapter(name):
    bug = CHAPTERS[name]
    planted = plant(bug)
    assert run_on("cpu", planted) == []
    failures = run_on("pretend", planted)
    assert failures, "the lane has not seen it"
    ids = [cell.id for cell in planted.cells]
    found = ids.index(failures[0].cell)
    assert any(ids.index(cell) <= found < end(planted, cell) for cell in bug.cells)


def attack(folder, path, tests):
    """Run property tests of the helpers against the helpers in the folder."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-x", "--rootdir", folder, "-c", os.devnull, "-k", tests]
    return subprocess.run(
        [*command, folder / "test_attack.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", HELPERS)
def test_bug_in_a_helper(name, tmp_path):
    bug = HELPERS[name]
    shutil.copytree(ROOT / "helpers", tmp_path / "helpers")
    shutil.copy(ROOT / "tests" / "test_attack.py", tmp_path)
    file = tmp_path / "helpers" / bug.place
    ((old, new),) = bug.cells.values()
    assert file.read_text().count(old) == 1, f"{file.name} has changed: plant anew"
    file.write_text(file.read_text().replace(old, new))
    plain = attack(tmp_path, [tmp_path], bug.tests)
    assert plain.returncode == 0, plain.stdout
    path = [tmp_path, os.environ["PYTHONPATH"]]
    seen = attack(tmp_path, path, bug.tests)
    assert seen.returncode == 1, f"the lane has not seen it: {seen.stdout}"
    assert "pretend" in seen.stdout
