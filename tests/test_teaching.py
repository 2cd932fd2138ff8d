"""What the pages for switchers and teachers say of chapters and exercises is true."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.notebooks import LABEL, ROOT, chapters, read

TEACHERS = (ROOT / "appendix/for_teachers.md").read_text("utf-8")
SWITCHERS = (ROOT / "appendix/coming_from.md").read_text("utf-8")
WEEKS = re.split(
    r"^\d+\. ", re.search(r"^1\. (.*?)^Only nine", TEACHERS, re.M | re.S)[1], flags=re.M
)
TITLE = re.compile(r"^:{3,}\{exercise\} (.+)$", re.M)
LINK = re.compile(r"\[([^\]]+)\]\(#(ex-[\w-]+)\)")


def exercises():
    """Map the label of each exercise to its title and the minutes that it takes."""
    return {
        LABEL.search(cell.source)[1]: (
            TITLE.search(cell.source)[1],
            cell.metadata["exercise"]["minutes"],
        )
        for path in chapters()
        for cell in read(path).cells
        if "exercise" in cell.metadata
    }


@pytest.mark.parametrize("page", [TEACHERS, SWITCHERS], ids=["teachers", "switchers"])
def test_exercises_are_called_what_their_chapters_call_them(page):
    links = LINK.findall(page)
    titles = {label: title for label, (title, _) in exercises().items()}
    assert len(links) >= 5
    assert [(titles[label], label) for _, label in links] == links


def test_twelve_weeks_go_through_all_chapters_in_order():
    names = [path.name for path in chapters()]
    assert len(WEEKS) == 12
    linked = [re.findall(r"\(\.\./chapters/(\S+?)\)", week) for week in WEEKS]
    assert [name for week in linked for name in week] == names
    for week, read_in_it in zip(WEEKS, linked, strict=True):
        (pattern,) = re.findall(r"\{time\}`chapters/(.+?)`", week)
        timed = sorted((ROOT / "chapters").glob(f"{pattern}.ipynb"))
        assert [path.name for path in timed] == read_in_it


@pytest.mark.parametrize("week", WEEKS, ids=range(1, 13))
def test_exercises_of_a_week_take_half_an_hour_to_an_hour(week):
    known = exercises()
    assert 30 <= sum(known[label][1] for _, label in LINK.findall(week)) <= 60


def test_paragraph_of_a_check_is_what_the_chapter_shows():
    (said,) = re.findall(r"^```text\n(.*?)^```", TEACHERS, re.M | re.S)
    (stub,) = [
        cell
        for cell in read(ROOT / "chapters/05_workflow.ipynb").cells
        if cell.id == "ex-plane-stub"
    ]
    assert said == stub.outputs[0].text


def test_script_lists_what_check_says_outside_of_solutions(tmp_path):
    (script,) = re.findall(r"^```python\n(.*?)^```", TEACHERS, re.M | re.S)
    Path(tmp_path, "results.py").write_text(script, "utf-8")
    notebook = new_notebook(
        cells=[
            new_code_cell("from helpers.exercises import check\n\n1 / 0"),
            new_code_cell("print('So far')\n\ncheck('ex-double', ...)"),
            new_markdown_cell(":::{solution-start} ex-double\n:::"),
            new_code_cell("check('ex-double', ...)"),
            new_markdown_cell("In words"),
            new_code_cell("check('ex-double', ...)"),
            new_markdown_cell(":::{solution-end}\n:::"),
            new_code_cell("check('ex-double', lambda x: 'nothing')"),
            new_code_cell("check('ex-double', hint=1)"),
        ]
    )
    nbformat.write(notebook, tmp_path / "anna.ipynb")
    run = subprocess.run(
        [sys.executable, "results.py", "."],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        text=True,
    )
    assert run.stdout.splitlines() == [
        "anna Exercise 2 (There and back): not solved",
        "anna Exercise 2 (There and back): not yet",
    ]
