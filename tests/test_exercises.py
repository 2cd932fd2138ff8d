"""Each checker knows a stub, a solution, another solution, and each misconception."""

import ast
import importlib
import linecache
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest

import helpers.exercises
from helpers.device import seed_everything
from helpers.exercises import check

ROOT = Path(__file__).parent.parent
LABEL = re.compile(r"\{exercise\}[^\n]*\n:label: (\S+)")
START = re.compile(r"\{solution-start\} (\S+)")
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))


@cache
def cells(chapter):
    return nbformat.read(chapter, nbformat.NO_CONVERT).cells


@cache
def exercises(chapter):
    """Map labels to the sources of the stub and of the solution's first code cell."""
    found, label, part = {}, None, None
    for cell in cells(chapter):
        if cell.cell_type == "markdown":
            if stated := LABEL.search(cell.source):
                label, part = stated[1], 0
            elif started := START.search(cell.source):
                label, part = started[1], 1
        elif label and len(found.setdefault(label, [])) == part:
            found[label].append(cell.source)
    return found


def module_of(chapter):
    return importlib.import_module(
        f"{helpers.exercises.CHECKERS}.cases.{chapter.stem[3:]}"
    )


def cases(chapter):
    return module_of(chapter).CASES


def facts(chapter):
    """Map the titles of questions to code that proves their answers."""
    return getattr(module_of(chapter), "FACTS", {})


ALL = [(chapter, label) for chapter in NOTEBOOKS for label in cases(chapter)]
MUTANTS = [
    pytest.param(chapter, label, mutant, id=f"{label}-{number}")
    for chapter, label in ALL
    for number, mutant in enumerate(cases(chapter)[label].mutants, start=1)
]
OTHERS = [
    pytest.param(chapter, label, other, id=f"{label}-{number}")
    for chapter, label in ALL
    for number, other in enumerate(cases(chapter)[label].others, start=1)
]
every_exercise = pytest.mark.parametrize(
    ("chapter", "label"), ALL, ids=[label for _, label in ALL]
)


def run(source, namespace, name):
    # So that inspect.getsource finds the lines.
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    exec(compile(source, name, "exec"), namespace)


@cache
def prepared(chapter, needs):
    namespace = {"__name__": "__main__"}
    sources = {cell.id: cell.source for cell in cells(chapter)}
    for name in needs:
        run(sources[name], namespace, f"<{chapter.stem}:{name}>")
    return namespace


def output_of(chapter, label, answer, capsys):
    """Run what the exercise needs, its stub, and an answer; return the last verdict."""
    namespace = dict(prepared(chapter, cases(chapter)[label].needs), check=check)
    stub = exercises(chapter)[label][0]
    seed_everything()  # what checkers draw follows COURSE_SEED: `make seeds`
    for number, source in enumerate([stub, *answer]):
        capsys.readouterr()
        run(source, namespace, f"<{label}:{number}>")
    return " ".join(capsys.readouterr().out.split()).rpartition(f"{label}: ")[2]


def call_of_check(chapter, label):
    """Return the last line of the stub, which must be the call of `check`."""
    last = ast.parse(exercises(chapter)[label][0]).body[-1]
    source = ast.unparse(last)
    assert source.startswith(f"check({label!r}"), "the stub ends with another line"
    return source


@every_exercise
def test_stub_is_not_solved(chapter, label, capsys):
    call_of_check(chapter, label)
    said = output_of(chapter, label, [], capsys)
    assert said.startswith("not solved yet. Hint: ")


@every_exercise
def test_solution_is_right(chapter, label, capsys):
    solution = exercises(chapter)[label][1]
    assert ast.unparse(ast.parse(solution).body[-1]) == call_of_check(chapter, label)
    assert output_of(chapter, label, [solution], capsys).startswith("right. ")


@pytest.mark.parametrize(("chapter", "label", "other"), OTHERS)
def test_another_solution_is_right(chapter, label, other, capsys):
    answer = f"{other}\n{call_of_check(chapter, label)}"
    assert output_of(chapter, label, [answer], capsys).startswith("right. ")


@pytest.mark.parametrize(("chapter", "label", "mutant"), MUTANTS)
def test_misconception_is_named(chapter, label, mutant, capsys):
    solution = exercises(chapter)[label][1]
    assert mutant.old in solution
    mutated = solution.replace(mutant.old, mutant.new)
    said = output_of(chapter, label, [mutated], capsys)
    assert said.startswith("not yet. ")
    assert mutant.hint in said


@pytest.mark.parametrize("chapter", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_exercise_has_checker_and_misconceptions(chapter):
    stated = set(exercises(chapter))
    assert stated == set(cases(chapter))
    name = f"{helpers.exercises.CHECKERS}.{chapter.stem[3:]}"
    importlib.import_module(name)
    registered = helpers.exercises.EXERCISES
    assert stated == {
        label for label, one in registered.items() if one.checker.__module__ == name
    }
    modules = helpers.exercises._modules()
    assert stated == {label for label in modules if modules[label] == name}
    assert len(stated) >= 6
    assert all(len(case.mutants) >= 2 for case in cases(chapter).values())


FACTS = [
    pytest.param(chapter, title, id=f"{chapter.stem}-{title}")
    for chapter in NOTEBOOKS
    for title in facts(chapter)
]


@pytest.mark.parametrize(("chapter", "title"), FACTS)
def test_answer_to_a_question_is_true(chapter, title):
    text = "\n".join(cell.source for cell in cells(chapter))
    assert f"**{title}.**" in text
    run(facts(chapter)[title], {"__name__": "__main__"}, f"<{chapter.stem}:{title}>")


def verdict_on(source, capsys):
    run(source, {"__name__": "__main__", "check": check}, "<a reader's cell>")
    return " ".join(capsys.readouterr().out.split())


def test_forgotten_return_is_no_missing_answer(capsys):
    said = verdict_on(
        "def batch_sizes(n, batch_size, drop_last=False):\n"
        "    sizes = [batch_size] * (n // batch_size)\n"
        "check('ex-batches', batch_sizes)\n",
        capsys,
    )
    assert "not yet. `batch_sizes` gives None back: where is its `return`?" in said


def test_error_in_an_answer_names_the_line_and_the_cell_above(capsys):
    said = verdict_on(
        "def batch_sizes(n, batch_size, drop_last=False):\n"
        "    full = n // batch_size\n"
        "    return full_batches(full)\n"
        "check('ex-batches', batch_sizes)\n",
        capsys,
    )
    assert "stopped at `return full_batches(full)` with NameError" in said
    assert said.endswith("If a cell above defines it, run that cell first.")


def test_error_outside_of_an_answer_is_not_blamed_on_its_code(capsys):
    said = verdict_on(
        "def batch_sizes(n):\n    return [n]\ncheck('ex-batches', batch_sizes)\n",
        capsys,
    )
    assert "The check cannot use your answer: TypeError: batch_sizes()" in said


@pytest.mark.parametrize("chapter", NOTEBOOKS, ids=lambda path: path.stem)
def test_folded_prose_begins_with_a_label(chapter):
    # JupyterLab shows the first line of a folded cell.
    inside = False
    for cell in cells(chapter):
        if "{solution-" in cell.source:
            inside = "{solution-start}" in cell.source
        elif inside and cell.cell_type == "markdown":
            first = cell.source.splitlines()[0]
            assert len(first) <= 60, first
            assert not first.endswith("."), first
