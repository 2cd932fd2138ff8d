"""Every notebook from other seeds, the asserts unchanged: ``make seeds``."""

import os
import subprocess
import sys

import pytest

from tools.notebooks import ROOT, notebooks, read, run

SEEDS = os.environ.get("SEEDS", "1 2 3").split()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_asserts_hold_from_another_seed(path, seed):
    problems = run(read(path), path.parent, COURSE_SEED=seed)
    assert not problems, "\n\n".join(text for _, text in problems)


@pytest.mark.parametrize("seed", SEEDS)
def test_exercises_tell_misconceptions_apart_with_other_examples(seed):
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/test_exercises.py"],
        cwd=ROOT,
        env=os.environ | {"COURSE_SEED": seed},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-2000:]
