"""Each code cell twice, each section again after the next: ``make twice``."""

import pytest

from tools.notebooks import notebooks, read, run, twice


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_asserts_hold_when_cells_and_sections_run_again(path):
    problems = run(read(path), path.parent, twice)
    assert not problems, "\n\n".join(text for _, text in problems)
