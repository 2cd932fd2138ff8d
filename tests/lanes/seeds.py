"""Every notebook from other seeds, the asserts unchanged: ``make seeds``."""

import os

import pytest
import runner

SEEDS = os.environ.get("SEEDS", "1 2 3").split()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("path", runner.NOTEBOOKS, ids=lambda path: path.stem)
def test_asserts_hold_from_another_seed(path, seed):
    problems = runner.run(path, COURSE_SEED=seed)
    assert not problems, "\n\n".join(problems)
