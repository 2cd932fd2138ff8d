"""The lanes that prove the course again see what they are there for."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import offline
from tools.notebooks import notebooks, once, read, run, twice

pytestmark = pytest.mark.machinery

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


SERVE = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(socket.create_connection(server.getsockname()).getpeername())
"""


def test_offline_cuts_the_network_and_keeps_loopback(tmp_path):
    if offline.find_way() is None:
        pytest.skip("this system lets nobody make a network namespace (unshare)")
    tool = [sys.executable, ROOT / "tools" / "offline.py", sys.executable, "-c"]
    inside = subprocess.run([*tool, SERVE], capture_output=True, text=True)
    assert inside.returncode == 0, inside.stderr
    # A server outside stands for the network: reached from here, not from inside.
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = f"import socket; socket.create_connection({server.getsockname()})"
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
