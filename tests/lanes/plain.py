"""The plain flavour of every notebook, each by itself in a folder: ``make plain``."""

import pytest

from tools.notebooks import notebooks, run
from tools.plain import Course


@pytest.fixture(scope="session")
def course():
    return Course()


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_runs_in_a_folder_of_its_own(path, course, tmp_path):
    problems = run(course.written(path), tmp_path)
    assert not problems, "\n\n".join(text for _, text in problems)
