"""The lanes that prove the course again see what they are there for."""

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import offline
from tools.notebooks import notebooks, once, read, run, twice

ROOT = Path(__file__).parent.parent


def problems(path, order=once, **environment):
    return [text for _, text in run(read(path), path.parent, order, **environment)]


def write(path, *cells):
    """Write a notebook of cells, of which a text that starts with # is a heading."""
    made = [
        cell
        if not isinstance(cell, str)
        else new_markdown_cell(cell)
        if cell.startswith("# ")
        else new_code_cell(cell)
        for cell in cells
    ]
    for number, cell in enumerate(made):
        cell.id = f"cell-{number}"
    nbformat.write(new_notebook(cells=made), path)
    return path


@pytest.fixture
def notebook(tmp_path):
    return lambda *cells: write(tmp_path / "planted.ipynb", *cells)


def raising(source, name):
    cell = new_code_cell(source, metadata={"tags": ["raises-exception"]})
    cell.outputs = [new_output("error", ename=name, evalue="", traceback=[])]
    return cell


def test_a_sound_notebook_runs_once_and_twice(notebook):
    path = notebook(
        "# One",
        "x = 1",
        "assert x == 1",
        "# Two",
        raising("1 / 0", "ZeroDivisionError"),
    )
    assert problems(path) == []
    assert problems(path, twice) == []


def test_a_cell_that_cannot_run_twice_is_seen(notebook):
    path = notebook("# One", "x = 0", "x += 1", "assert x == 1")
    assert problems(path) == []
    told = "\n".join(problems(path, twice))
    assert "cell-3 (second time)" in told
    assert "x = 2" in told, "the measured value is not told"


def test_a_section_that_spoils_the_one_before_is_seen(notebook):
    path = notebook(
        "# One", "x = [1]", "# Two", "y = x", "# Three", "x = None", "z = len(y)"
    )
    assert problems(path) == []
    spoilt = notebook(
        "# One", "x = [1]", "# Two", "assert x == [1]", "# Three", "x = None"
    )
    (problem,) = problems(spoilt, twice)
    assert "cell-3 (again after the next section)" in problem
    assert "x = None" in problem


def test_a_cell_with_a_reason_runs_once(notebook):
    counter = new_code_cell("x += 1", metadata={"twice": "it counts the epochs so far"})
    path = notebook(
        "# One", "count = 0", "# Two", counter.copy(), "# Three", "assert x == 1"
    )
    path = notebook("# One", "if 'x' not in dir(): x = 0", counter, "assert x == 1")
    assert problems(path, twice) == []


def test_an_error_that_stays_away_or_changes_is_seen(notebook):
    path = notebook("# One", raising("1", "ValueError"), raising("1 / 0", "ValueError"))
    first, second = problems(path)
    assert "must raise ['ValueError'], raised []" in first
    assert "raised ['ZeroDivisionError']" in second


def test_a_narrower_error_is_the_stored_one_and_a_wider_one_is_not(notebook):
    narrower = raising("raise NotImplementedError", "RuntimeError")
    wider = raising("raise RuntimeError", "NotImplementedError")
    (problem,) = problems(notebook("# One", narrower, wider))
    assert "must raise ['NotImplementedError'], raised ['RuntimeError']" in problem


def test_a_claim_of_one_seed_is_seen_from_another(notebook):
    path = notebook(
        "# One",
        "from helpers.device import seed_everything; import torch",
        "seed_everything(); share = torch.rand(1).item()",
        "assert share > 0.8, 'as it happens for 42'",
    )
    assert problems(path, COURSE_SEED="42") == []
    (problem,) = problems(path, COURSE_SEED="1")
    assert re.search(r"share = 0\.\d+", problem)


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_cell_that_runs_once_says_why(path):
    for cell in read(path).cells:
        reason = cell.metadata.get("twice", "a reason of some words")
        assert len(str(reason).split()) >= 4, f"{cell.id}: {reason!r} is no reason"


@pytest.fixture
def course(tmp_path):
    """A course of two short notebooks, and its strict validation as a function."""
    for name in ("conftest.py", "requirements.txt", "tests/nbval_sanitize.cfg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    settings = settings.replace('testpaths = ["tests", "chapters", "appendix"]', "")
    (tmp_path / "pyproject.toml").write_text(settings, encoding="utf-8")
    for name in ("helpers", "data", "chapters"):
        (tmp_path / name).mkdir()
    (tmp_path / "helpers" / "shared.py").write_text("ONE = 1\n")
    for name in ("a", "b"):
        cell = new_code_cell("0 + 1", execution_count=1)
        cell.outputs = [
            new_output("execute_result", {"text/plain": "1"}, execution_count=1)
        ]
        write(tmp_path / "chapters" / f"{name}.ipynb", cell, "assert 'here'")

    def validate(*options):
        """Return the exit status and the notebooks of which a cell ran."""
        command = [sys.executable, "-m", "pytest", "--nbval", "-v", *options]
        result = subprocess.run(
            [*command, "chapters"], cwd=tmp_path, capture_output=True, text=True
        )
        output = result.stdout + result.stderr
        ran = re.findall(r"chapters/(\w)\W+ipynb.* (?:PASSED|FAILED)", output)
        return result.returncode, "".join(sorted(set(ran))), output

    validate.folder = tmp_path
    return validate


def test_only_what_changed_is_validated_again(course):
    def edit(name, old, new):
        path = course.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    nothing = 5  # pytest's status when no test is left
    assert course("--changed")[:2] == (0, "ab")
    assert course("--changed")[:2] == (nothing, "")
    edit("chapters/a.ipynb", "'here'", "'here, edited'")
    assert course("--changed")[:2] == (0, "a")
    edit("helpers/shared.py", "1", "2")
    # A part of a notebook is no proof of the whole.
    left_out = ("--deselect=chapters/a.ipynb::Cell 1", "--deselect=chapters/b.ipynb")
    assert course("--changed", *left_out)[:2] == (0, "a")
    assert course("--changed")[:2] == (0, "ab")
    # A wrong stored output is red, and is red again.
    edit("chapters/b.ipynb", '"1"', '"2"')
    assert course("--changed")[:2] == (1, "b")
    assert course("--changed")[:2] == (1, "b")
    edit("tests/nbval_sanitize.cfg", "replace: DATE", "replace: TIME")
    assert course("--changed")[:2] == (1, "ab")


def test_the_record_tells_what_a_notebook_took(course):
    status, _, output = course("--record", "took.json", "--shuffle", "random")
    assert status == 0
    assert re.search(r"order: --shuffle \d+", output)
    record = json.loads((course.folder / "took.json").read_text())
    assert {"torch", "fastai", "python"} <= set(record["versions"])
    assert set(record["chapters"]) == {"a", "b"}
    took = record["chapters"]["a"]
    assert took["passed"]
    assert 0 < took["cpu_seconds"] < took["seconds"] + 1 < 60
    assert (took["cells_compared"], took["cells_ignored"]) == (2, 0)
    assert took["cells_asserted"] == 1
    if sys.platform == "linux":
        assert 20 < took["peak_rss_mb"] < 2000


def test_a_kernel_that_dies_at_its_start_is_started_again(course, monkeypatch):
    (course.folder / "sitecustomize.py").write_text(
        "import os, pathlib, sys\n"
        "died = pathlib.Path(__file__).with_name('died')\n"
        "if any('ipykernel' in word for word in sys.orig_argv):\n"
        "    if len(died.read_text()) < int(os.environ['DEATHS']):\n"
        "        died.write_text(died.read_text() + '+')\n"
        "        os._exit(1)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(course.folder))
    for deaths, expected in ((1, 0), (2, 1)):
        monkeypatch.setenv("DEATHS", str(deaths))
        (course.folder / "died").write_text("")
        status, _, output = course()
        assert status == expected, output
        assert (course.folder / "died").read_text() == deaths * "+"


def test_workers_share_a_random_order(course):
    for name in "cde":
        folder = course.folder / "chapters"
        shutil.copy(folder / "a.ipynb", folder / f"{name}.ipynb")
    status, _, output = course("-n", "2", "--shuffle", "random")
    assert status == 0, output


SERVE = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(socket.create_connection(server.getsockname(), 5).getpeername())
"""


def test_offline_cuts_the_network_and_keeps_loopback(tmp_path):
    if offline.find_way() is None:
        pytest.skip("this system lets nobody make a network namespace (unshare)")
    tool = [sys.executable, ROOT / "tools" / "offline.py", sys.executable, "-c"]
    inside = subprocess.run([*tool, SERVE], capture_output=True, text=True)
    assert inside.returncode == 0, inside.stderr
    # A server outside stands for the network: reached from here, not from inside.
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = f"import socket; socket.create_connection({server.getsockname()}, 5)"
        here = subprocess.run([sys.executable, "-c", client], capture_output=True)
        there = subprocess.run([*tool, client], capture_output=True, text=True)
    assert here.returncode == 0
    assert "ConnectionRefusedError" in there.stderr


def test_offline_says_when_it_cannot_and_runs_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(offline, "WAYS", (["false"],))
    with pytest.raises(SystemExit) as stopped:
        offline.main(["touch", str(tmp_path / "ran")])
    assert stopped.value.code == offline.REFUSED
    assert "nothing was run" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()
