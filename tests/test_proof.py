"""The strict validation of notebooks sees each fault it is there for."""

import json
import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tools import pytest_course
from tools.execute import execute
from tools.notebooks import ROOT, code_cells, notebooks, plain, read, tags

pytestmark = pytest.mark.machinery

COPIED = (
    *("conftest.py", "requirements.txt", "tests/nbval_sanitize.cfg"),
    *("tools/execute.py", "tools/notebooks.py", "tools/pytest_course.py"),
)


class Course:
    """A course of its own in a folder, and its strict validation."""

    def __init__(self, folder):
        self.folder = folder
        for name in COPIED:
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        settings = settings.replace('testpaths = ["tests", "chapters", "appendix"]', "")
        (folder / "pyproject.toml").write_text(settings, encoding="utf-8")
        for name in ("helpers", "data", "exercises", "chapters"):
            (folder / name).mkdir()
        (folder / "helpers" / "shared.py").write_text("ONE = 1\n")

    def write(self, name, *cells):
        """Write a notebook of code cells and store their outputs."""
        path = self.folder / "chapters" / f"{name}.ipynb"
        notebook = new_notebook(cells=list(cells))
        notebook.metadata.kernelspec = {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        }
        for number, cell in enumerate(cells):
            cell.id = cell.metadata.pop("id", f"cell-{number}")
        nbformat.write(notebook, path)
        execute(path)
        return path

    def edit(self, name, old, new):
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def validate(self, *options, where=".", what="chapters"):
        """Return the exit status, the notebooks of which a cell ran, and the output."""
        command = [sys.executable, "-m", "pytest", "--nbval", "-v", "--color=no"]
        # On CI pytest doesn't cut the lines of its summary, so each message is told
        # twice.
        local = {k: v for k, v in os.environ.items() if k not in ("CI", "BUILD_NUMBER")}
        result = subprocess.run(
            [*command, *options, what],
            cwd=self.folder / where,
            env=local,
            capture_output=True,
            text=True,
        )
        output = result.stdout + result.stderr
        # With workers the outcome stands before the name of the cell.
        lines = re.findall(r".*(?:PASSED|FAILED).*", output)
        ran = [name for line in lines for name in re.findall(r"(\w)\W+ipynb", line)]
        return result.returncode, "".join(sorted(set(ran))), output


@pytest.fixture
def course(tmp_path):
    """A course of two short notebooks."""
    course = Course(tmp_path)
    for name in ("a", "b"):
        course.write(name, new_code_cell("0 + 1"), new_code_cell("assert 'here'"))
    return course


# --- figures and tracebacks ----------------------------------------------------------

DRAW = """import matplotlib.pyplot as plt
plt.figure(figsize=({width}, 3))
plt.plot([0, 1, {y}])
plt.title("{word} and error")
plt.show()"""
FAIL = """def divide(by):
    part = 1
    return part / by

divide(0)"""


def figure(name, *tags, **changed):
    values = {"width": 4, "y": 2, "word": "loss"} | changed
    cell = new_code_cell(DRAW.format(**values), metadata={"id": name, "tags": [*tags]})
    return cell


def failing(name, *tags):
    tags = ["raises-exception", *tags]
    return new_code_cell(FAIL, metadata={"id": name, "tags": tags})


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A notebook of figures and errors whose stored outputs are right."""
    course = Course(tmp_path_factory.mktemp("course"))
    course.write(
        "faults",
        figure("sound"),
        *(figure("swapped-1"), figure("swapped-2", y=4)),
        *(figure("point"), figure("word")),
        figure("size", "nbval-ignore-output"),
        figure("extra", "nbval-ignore-output"),
        figure("missing", "nbval-ignore-output"),
        figure("ignored", "nbval-ignore-output"),
        *(figure("varies", "figure-varies"), figure("varies-missing", "figure-varies")),
        *(failing("failing"), failing("frame"), failing("colours")),
        failing("failing-ignored", "nbval-ignore-output"),
        new_code_cell("object()", metadata={"id": "address"}),
    )
    return course


FIGURES = ["swapped-1", "swapped-2", "point", "word", "size", "ignored"]
COUNTS = ["extra", "missing", "varies-missing"]


@pytest.fixture
def planted(stored):
    """The same notebook with each fault that a page would show, until the test ends."""
    kept = ("chapters/faults.ipynb", "requirements.txt")
    sound = {name: (stored.folder / name).read_bytes() for name in kept}
    plant(stored.folder / "chapters" / "faults.ipynb")
    yield stored
    for name, content in sound.items():
        (stored.folder / name).write_bytes(content)


def plant(path):
    notebook = read(path)
    cell = {cell.id: cell for cell in notebook.cells}

    def pictures(name):
        return [o for o in cell[name].outputs if "image/png" in o.get("data", {})]

    one, two = pictures("swapped-1")[0].data, pictures("swapped-2")[0].data
    one["image/png"], two["image/png"] = two["image/png"], one["image/png"]
    for name, old, new in (
        ("point", "1, 2]", "1, 1.95]"),
        ("word", "loss", "cost"),
        ("size", "(4, 3)", "(4, 4)"),
        ("ignored", "1, 2]", "1, 1.95]"),
        ("varies", "1, 2]", "1, 1.95]"),
    ):
        assert old in cell[name].source
        cell[name].source = cell[name].source.replace(old, new)
    cell["extra"].outputs += pictures("extra")
    for name in ("missing", "varies-missing"):
        del pictures(name)[0].data["image/png"]
    for name in ("frame", "failing-ignored"):
        lines = cell[name].outputs[0].traceback
        assert any("part = " in plain([line]) for line in lines)
        lines[:] = [plain([line]).replace("part = 1", "part = 2") for line in lines]
    lines = cell["colours"].outputs[0].traceback
    lines[:] = [plain([line]) for line in lines]
    nbformat.write(notebook, path)


def test_sound_figures_and_tracebacks_pass(stored):
    status, _, output = stored.validate()
    assert status == 0, output
    assert "not compared" not in output


def test_faults_in_figures_and_tracebacks_are_found(planted):
    path = planted.folder / "chapters" / "faults.ipynb"
    _, _, output = planted.validate()
    assert re.findall(r"Figures of (\S+) differ", output) == sorted(
        FIGURES + COUNTS, key=[cell.id for cell in read(path).cells].index
    )
    assert re.findall(r"Traceback of (\S+) differs", output) == ["frame"]
    assert len(re.findall(r"^FAILED", output, re.M)) == 10
    assert re.search(r"figure 1: RMS \d+\.\d, above 1", output)
    assert re.search(r"figure 1: \d+x\d+ pixels stored, \d+x\d+ drawn", output)
    assert "2 stored, 1 drawn" in output
    assert "0 stored, 1 drawn" in output
    there = {p.name for p in (planted.folder / "_build" / "figures").iterdir()}
    assert {f"faults-word-1-{which}.png" for which in ("stored", "drawn")} <= there


def test_other_versions_are_said_and_only_figures_are_counted(planted):
    pinned = planted.folder / "requirements.txt"
    versions = pinned.read_text(encoding="utf-8")
    pinned.write_text(
        re.sub(r"^(matplotlib|ipython)==.*", r"\1==1.2.3", versions, flags=re.M),
        encoding="utf-8",
    )
    _, _, output = planted.validate("-q")
    assert sorted(re.findall(r"Figures of (\S+) differ", output)) == sorted(COUNTS)
    assert "Traceback of" not in output
    told = r"not compared, for versions: figures \(matplotlib \S+ for 1\.2\.3\); "
    told += r"tracebacks \(ipython \S+ for 1\.2\.3\)\n"
    assert len(re.findall(told, output)) == 1, output[-2000:]


# --- masks ---------------------------------------------------------------------------


def masks():
    text = (ROOT / "tests" / "nbval_sanitize.cfg").read_text(encoding="ascii")
    return dict(re.findall(r"^\[(\w+)\]\nregex: (.+)\nreplace: .+$", text, re.M))


@pytest.mark.parametrize("mask", masks())
def test_a_mask_matches_something_that_is_compared(mask):
    compared = [
        text
        for path in notebooks()
        for cell in code_cells(read(path))
        if "nbval-ignore-output" not in tags(cell)
        for output in cell.outputs
        for text in (
            output.get("text", ""),
            output.get("evalue", ""),
            *(v for k, v in output.get("data", {}).items() if "image/" not in k),
        )
        if isinstance(text, str)  # the data of a lab are compared as they are
    ]
    assert any(re.search(masks()[mask], text) for text in compared), "it hides faults"


def test_every_mask_is_known():
    text = (ROOT / "tests" / "nbval_sanitize.cfg").read_text(encoding="ascii")
    assert len(masks()) == text.count("\nregex:")


def test_masks_are_in_force_from_another_folder(course):
    course.write("c", new_code_cell("object()"))
    status, ran, output = course.validate(where="chapters", what="c.ipynb")
    assert (status, ran) == (0, "c"), output
    course.edit("tests/nbval_sanitize.cfg", "at 0x", "at 0y")
    assert course.validate(where="chapters", what="c.ipynb")[0] == 1


# --- what may be left out ------------------------------------------------------------


def test_only_what_changed_is_validated_again(course):
    validate, edit = course.validate, course.edit
    nothing = 5  # pytest's status when no test is left
    assert validate("--changed")[:2] == (0, "ab")
    assert validate("--changed")[:2] == (nothing, "")
    edit("chapters/a.ipynb", "'here'", "'here, edited'")
    assert validate("--changed")[:2] == (0, "a")
    edit("helpers/shared.py", "1", "2")
    # A part of a notebook is no proof of the whole.
    left_out = ("--deselect=chapters/a.ipynb::Cell 1", "--deselect=chapters/b.ipynb")
    assert validate("--changed", *left_out)[:2] == (0, "a")
    assert validate("--changed")[:2] == (0, "ab")
    # A wrong stored output is red, and is red again.
    edit("chapters/b.ipynb", '"1"', '"2"')
    assert validate("--changed")[:2] == (1, "b")
    assert validate("--changed")[:2] == (1, "b")
    edit("tools/execute.py", "import argparse", "import argparse  # edited")
    assert validate("--changed")[:2] == (1, "ab")


@pytest.mark.parametrize("text", ["", '{"chapters"', "[]", "{}", '{"chapters": 1}'])
def test_a_damaged_record_reads_as_empty(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    config = SimpleNamespace(option=SimpleNamespace(record=tmp_path / "run.json"))
    assert pytest_course.read_record(config) == {"chapters": {}}


def test_a_damaged_record_costs_no_run(course):
    record = course.folder / "_build" / "status" / "run.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"chapters": {"a"')
    status, ran, output = course.validate("--changed")
    assert (status, ran) == (0, "ab"), output
    assert set(json.loads(record.read_text())["chapters"]) == {"a", "b"}
    assert [file.name for file in record.parent.iterdir()] == ["run.json"]


def test_the_record_tells_what_a_notebook_took(course):
    options = ("--record", "took.json", "--random-order", "--random-order-seed=7")
    status, _, output = course.validate(*options)
    assert status == 0, output
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


def test_no_answer_is_endless_for_being_slow(course):
    source = "import os\nprint(os.environ['COURSE_CHECK_SECONDS'])"
    path = course.write("c", new_code_cell("print(3600)"))
    notebook = read(path)
    notebook.cells[0].source = source
    nbformat.write(notebook, path)
    status, _, output = course.validate("-k", "c.ipynb")
    assert status == 0, output


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
        status, _, output = course.validate()
        assert status == expected, output
        assert (course.folder / "died").read_text() == deaths * "+"


# --- a random order ------------------------------------------------------------------


def test_a_random_order_keeps_the_cells_of_a_notebook_in_order(tmp_path):
    course = Course(tmp_path)
    path = course.write("a", *(new_code_cell(f"{number}") for number in range(3)))
    for name in "bcd":
        shutil.copy(path, path.with_stem(name))
    options = ("--random-order", "--random-order-seed=2")
    _, _, output = course.validate(*options, "--collect-only", "-qq")
    found = re.findall(r"(\w)\W+ipynb::Cell (\d)", output)
    assert [int(number) for _, number in found] == [0, 1, 2] * 4
    assert [name for name, _ in found[::3]] != list("abcd")
    status, ran, output = course.validate("-n2", "--dist=loadfile", *options)
    assert (status, ran) == (0, "abcd"), output
