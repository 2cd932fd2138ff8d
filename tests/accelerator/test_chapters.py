"""Every chapter runs on a device that is not the CPU; what it asserts holds there."""

import pytest
from notebooks import ROOT, read, run

CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("*.ipynb"))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapter_runs_on_the_accelerator(chapter):
    failures = run(read(chapter), "pretend")
    first = "".join(f"\n\n{cell}:\n{text}" for cell, text in failures[:3])
    assert not failures, f"{len(failures)} cells of {chapter} differ, first:{first}"
