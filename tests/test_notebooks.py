"""Rules that every notebook of the course obeys (see CONTRIBUTING.md)."""

import ast
import re
from itertools import pairwise

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from tools.notebooks import (
    ASSERT,
    LABEL,
    SOLUTION,
    code_cells,
    headings,
    labels,
    notebooks,
    plain,
    read,
    sections,
    tags,
)

NOT_COMPARED = {"nbval-ignore-output", "figure-varies"}
TOLERANCES = {"atol", "rtol", "abs_tol", "rel_tol", "abs", "rel"}
BELOW = (ast.Lt, ast.LtE)
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


def test_an_output_that_is_not_compared_has_an_assert_in_its_section(notebook):
    for group in sections(notebook):
        cells = [cell for cell in group if cell.cell_type == "code"]
        ignored = [cell.id for cell in cells if tags(cell) & NOT_COMPARED]
        asserted = any(ASSERT.search(cell.source) for cell in cells)
        assert asserted or not ignored, f"nothing is asserted beside {ignored}"


def test_only_a_figure_varies_as_a_figure(code):
    for cell in code:
        drawn = any("image/png" in output.get("data", {}) for output in cell.outputs)
        assert drawn or "figure-varies" not in tags(cell), cell.id


def test_tracebacks_quote_the_cells_they_name(code):
    numbered = {cell.execution_count: cell for cell in code}
    for cell in code:
        for output in cell.outputs:
            if output.output_type == "error":
                text = plain(output.traceback)
                frames = re.split(r"^ *Cell In\[(\d+)\], ", text, flags=re.M)[1:]
                assert int(frames[0]) == cell.execution_count, cell.id
                for number, frame in zip(frames[::2], frames[1::2], strict=True):
                    lines = numbered[int(number)].source.splitlines()
                    for line, quoted in re.findall(r"^-+> (\d+) (.*)$", frame, re.M):
                        assert lines[int(line) - 1].rstrip() == quoted, cell.id


def tolerances(source):
    """List the literals that the asserts of a cell give as tolerances."""
    python = TransformerManager().transform_cell(source)  # of a cell with a magic
    for node in ast.walk(ast.parse(python)):
        given = []
        if isinstance(node, ast.keyword) and node.arg in TOLERANCES:
            given = [node.value]
        elif isinstance(node, ast.Compare) and "abs(" in ast.unparse(node.left):
            given = node.comparators[:1] if isinstance(node.ops[0], BELOW) else []
        yield from (one.value for one in given if isinstance(one, ast.Constant))


def test_no_upper_bound_lets_anything_pass(code):
    for cell in code:
        python = TransformerManager().transform_cell(cell.source)
        bounds = [
            bound.value
            for node in ast.walk(ast.parse(python))
            if isinstance(node, ast.Assert)
            for part in ast.walk(node.test)
            if isinstance(part, ast.Compare)
            for op, bound in zip(part.ops, part.comparators, strict=True)
            if isinstance(op, BELOW) and isinstance(bound, ast.Constant)
        ]
        # Ten million is a bound on parameters, and on nothing else here.
        assert all(type(bound) is not float or bound <= 1e7 for bound in bounds), (
            cell.id
        )


def test_tolerances_are_small(code):
    for cell in code:
        if ASSERT.search(cell.source) and not has_error(cell):
            for tolerance in tolerances(cell.source):
                # Pixels are compared in whole steps, of 255.
                most = 3 if isinstance(tolerance, int) else 0.25
                assert tolerance <= most, f"{cell.id}: {tolerance} lets anything pass"


def test_no_noise_on_stderr(code):
    noisy = [
        cell.id
        for cell in code
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]
    assert not noisy


def test_a_seed_is_set_and_not_shown(code):
    # `seed_everything` returns the seed, which a reader would wonder about.
    shown = [cell.id for cell in code if cell.source.endswith("\nseed_everything()")]
    assert not shown


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


def test_a_statement_names_what_its_stub_defines(notebook):
    cells = iter(notebook.cells)
    for cell in cells:
        if LABEL.search(cell.source) and cell.cell_type == "markdown":
            stub = ast.parse(next(c for c in cells if c.cell_type == "code").source)
            kinds = (ast.FunctionDef, ast.ClassDef)
            for name in (node.name for node in stub.body if isinstance(node, kinds)):
                assert re.search(rf"\b{name}\b", cell.source), (
                    f"{cell.id} does not name {name}"
                )


def test_a_section_says_something_of_what_it_covers(notebook):
    for group in sections(notebook):
        units = {u for cell in group for u in cell.metadata.get("covers", [])}
        words = re.findall(r"\w+", " ".join(cell.source for cell in group))
        assert len(words) >= 12 * len(units), f"{group[0].id}: where is its text?"


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
