"""Every chapter runs on a device that is not the CPU; what it asserts holds there."""

import pytest
from device import run_on

from tools.notebooks import chapters, read


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_chapter_runs_on_the_accelerator(chapter):
    failures = run_on("pretend", read(chapter))
    first = "".join(f"\n\n{text}" for _, text in failures[:3])
    assert not failures, f"{len(failures)} cells differ, first:{first}"
