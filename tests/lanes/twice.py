"""Each code cell twice, each section again after the next: ``make twice``."""

import pytest
import runner


@pytest.mark.parametrize("path", runner.NOTEBOOKS, ids=lambda path: path.stem)
def test_asserts_hold_when_cells_and_sections_run_again(path):
    problems = runner.run(path, runner.twice)
    assert not problems, "\n\n".join(problems)
