"""Rules that every notebook of the course obeys (see CONTRIBUTING.md)."""

import re
from itertools import pairwise

import nbformat
import pytest

from tools.notebooks import (
    ASSERT,
    LABEL,
    SOLUTION,
    code_cells,
    headings,
    labels,
    notebooks,
    read,
    sections,
    tags,
)

UNIT = re.compile(r"S[0-4](-1-[1-6]-\d\d)?\.\d+")
# Roots of machines' file systems, as a path that starts a word.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|work|tmp|usr|opt|Users)/\S+")


def has_error(cell):
    return any(output.output_type == "error" for output in cell.outputs)


@pytest.fixture(params=notebooks(), ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return read(path)


@pytest.fixture
def code(notebook):
    return code_cells(notebook)


def test_is_valid_and_carries_no_foreign_metadata(notebook):
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"


def test_ids_are_slugs_and_unique(notebook):
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    generated = [cell for cell in ids if re.fullmatch(r"[0-9a-f]{8}(-.*)?", cell)]
    assert not generated, f"give these cells an id that says what they are: {generated}"


def test_was_run_from_top_to_bottom(code):
    assert all(cell.source.strip() for cell in code), "there is an empty code cell"
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


def test_no_cell_is_skipped(code):
    skipping = {"nbval-skip", "nbval-check-output", "skip-execution"}
    assert not [cell.id for cell in code if tags(cell) & skipping]


def test_errors_are_those_that_are_announced(code):
    announced = {cell.id for cell in code if "raises-exception" in tags(cell)}
    assert {cell.id for cell in code if has_error(cell)} == announced


def test_an_ignored_output_has_an_assert_in_its_section(notebook):
    for group in sections(notebook):
        cells = [cell for cell in group if cell.cell_type == "code"]
        ignored = [cell.id for cell in cells if "nbval-ignore-output" in tags(cell)]
        asserted = any(ASSERT.search(cell.source) for cell in cells)
        assert asserted or not ignored, f"nothing is asserted beside {ignored}"


def test_no_noise_on_stderr(code):
    noisy = [
        cell.id
        for cell in code
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]
    assert not noisy


def test_figures_have_alt_text(code):
    mute = [
        cell.id
        for cell in code
        if any("image/png" in output.get("data", {}) for output in cell.outputs)
        and len(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")) < 20
    ]
    assert not mute


def test_pictures_in_prose_have_alt_text(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert "![](" not in cell.source, cell.id
            assert not re.search(r"<img (?![^>]*alt=)", cell.source), cell.id


def test_one_title_and_no_skipped_heading_level(notebook):
    levels = [level for cell in notebook.cells for level, _ in headings(cell)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


def test_covers_names_source_units(notebook):
    for cell in notebook.cells:
        for unit in cell.metadata.get("covers", []):
            assert UNIT.fullmatch(unit), f"{cell.id} covers {unit!r}"


def test_names_no_path_of_a_machine(path):
    text = path.read_text(encoding="utf-8")
    assert not MACHINE_PATH.findall(re.sub(r"\\u001b\[[0-9;]*m", " ", text))


def test_code_fits_the_column(code):
    wide = [
        (cell.id, line)
        for cell in code
        for line in cell.source.splitlines()
        if len(line) > 88
    ]
    assert not wide


def test_every_exercise_has_a_solution_that_runs(notebook):
    exercises, solved, inside = [], {}, None
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            exercises += LABEL.findall(cell.source)
            if match := SOLUTION.search(cell.source):
                solved[match[1]] = 0
                inside = match[1] if "{solution-start}" in cell.source else None
            if "{solution-end}" in cell.source:
                inside = None
        elif inside:
            solved[inside] += 1
            hidden = cell.metadata.get("jupyter", {})
            assert hidden.get("source_hidden"), f"{cell.id} shows the answer in Lab"
    assert sorted(exercises) == sorted(solved)
    assert len(set(exercises)) == len(exercises)
    assert sum(count > 0 for count in solved.values()) >= len(solved) / 2


def test_a_chapter_has_its_parts(path, notebook):
    if path.parent.name != "chapters":
        pytest.skip("only chapters have the anatomy of a chapter")
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    assert "After this chapter you can" in prose
    parts = {text for cell in notebook.cells for _, text in headings(cell)}
    assert parts >= {
        *("Common mistakes", "Exercises", "Check your understanding", "Summary")
    }
    assert len(labels(notebook)) >= 6
    questions = prose[prose.index("## Check your understanding") :]
    assert len(re.findall(r"^\*\*Question \d+\.\*\*", questions, re.M)) >= 5


def test_size(path):
    assert path.stat().st_size < 1.5e6


def test_exercise_labels_are_unique_in_the_book():
    everywhere = [label for path in notebooks() for label in labels(read(path))]
    assert len(everywhere) == len(set(everywhere))
