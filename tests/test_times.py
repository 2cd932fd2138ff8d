"""How long a chapter takes: computed by one rule, and written into its head."""

import copy
import subprocess
import sys

import nbformat.v4 as nbf
import pytest
from nbformat import NotebookNode
from nbformat import write as write_notebook

from tools.notebooks import ROOT, chapters, read
from tools.times import EXERCISE, FIGURE, LINE, OUTPUT, WORD, in_words, times, written

HEAD = "# Title\n\n**Time:** about two hours to read; the cells run in a second."
PICTURE = {"image/png": "…", "text/plain": "<Figure>"}
FOLDED = {"source_hidden": True, "outputs_hidden": True}


def prose(source, *tags, name=None, **metadata):
    if tags:
        metadata["tags"] = list(tags)
    named = {"id": name} if name else {}
    return nbf.new_markdown_cell(source, metadata=metadata, **named)


def code(source="x\n\ny", *tags, outputs=(), **metadata):
    metadata["tags"] = list(tags)
    return nbf.new_code_cell(source, metadata=metadata, outputs=list(outputs))


def minutes(*cells):
    """Compute the times of a title and a hundred times the cells."""
    return times(NotebookNode(cells=[prose("# Title"), *cells * 100]))


def shown(seconds):
    """Give the core's minutes for what takes so many seconds, a hundred times."""
    return max(5, 5 * round((seconds * 100 + WORD) / 300))


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        (prose("One two, three: `four` / [five six](there.md#x) **seven**."), 7 * WORD),
        (prose(":::{note}\n:class: tip\nOne two.\n:::"), 2 * WORD),
        (prose("One.\n\n```python\na = 1\n\nb = 2\n```"), WORD + 2 * LINE),
        (prose("One.\n\n:::{dropdown} Two three\nFour.\n:::"), WORD),
        (prose("One.\n\n::::{note}\n:class: dropdown\n:::{tip}\nX\n:::\n::::"), WORD),
        (
            prose("One.\n\n**Question 1.** A b?\n\n:::{dropdown} A. C\nD.\n:::"),
            60 + WORD,
        ),
        (prose("**Question 1.** A b?\n\n**Question 2.** C?"), 120),
        (code(), 2 * LINE),
        (code("x", outputs=[nbf.new_output("stream", text="1\n2")]), LINE + OUTPUT),
        (code("x", outputs=[nbf.new_output("display_data", PICTURE)]), LINE + FIGURE),
        (
            code(
                "x",
                "hide-input",
                outputs=[
                    nbf.new_output("display_data", PICTURE),
                    nbf.new_output("stream", text="1"),
                    nbf.new_output("error", ename="E"),
                ],
            ),
            FIGURE + OUTPUT,
        ),
        (code("x", "proof", outputs=[nbf.new_output("stream", text="1")]), 0),
        (code("x", jupyter=FOLDED, outputs=[nbf.new_output("stream")]), 0),
    ],
)
def test_rule(cell, seconds):
    core, everything = minutes(cell)
    assert core == everything == shown(seconds)


def test_exercises_take_what_they_state_with_stub_and_solution():
    exercise = prose(
        ":::{exercise} A title\n:label: ex-a\n\n" + "word " * 900 + "\n:::",
        name="ex-a",
        exercise={"minutes": 30, "difficulty": 2},
    )
    after = [
        code("stub\n" * 900),
        prose(":::{solution-start} ex-a\n:class: dropdown\n:::"),
        code("solution\n" * 900),
        prose("Why. " * 900),
        prose(":::{solution-end}\n:::"),
    ]
    rest = prose("word " * 1000)
    book = nbf.new_notebook(cells=[prose("# Title"), exercise, *after, rest])
    assert times(book) == (5, 35)
    del exercise.metadata["exercise"]
    assert times(book) == (5, 5 + EXERCISE)
    # A solution in prose ends an exercise, too, and so does a heading.
    solved = prose(":::{solution} ex-a\n:class: dropdown\nSo.\n:::")
    for end in (solved, prose("## On")):
        book = nbf.new_notebook(cells=[prose("# T"), exercise, after[0], end, rest])
        assert times(book) == (5, 5 + EXERCISE)


def test_deeper_sections_are_not_of_the_core():
    words = "word " * 3000  # 15 minutes
    cells = [
        prose("# Title\n\n" + words),
        prose("## Skip\n\n" + words, "deeper"),
        prose("### Below\n\n" + words),
        prose(words),
        prose("## Read\n\n" + words),
        prose("### Skip this\n\n" + words, "deeper"),
        prose("### Read this\n\n" + words),
    ]
    assert times(nbf.new_notebook(cells=cells)) == (45, 105)
    lost = [*cells, prose("No heading.", "deeper", name="lost")]
    with pytest.raises(ValueError, match="cell lost is tagged deeper, and has no h"):
        times(nbf.new_notebook(cells=lost))


@pytest.mark.parametrize(
    "stated",
    [
        {"minutes": 10},
        {"minutes": 0, "difficulty": 1},
        {"minutes": "10", "difficulty": 1},
        {"minutes": 10, "difficulty": 4},
        {"minutes": 10, "difficulty": 1, "stars": 2},
    ],
)
def test_exercise_that_states_nonsense(stated):
    source = ":::{exercise} A\n:label: ex-a\n\nDo.\n:::"
    book = nbf.new_notebook(cells=[prose(source, name="here", exercise=stated)])
    with pytest.raises(ValueError, match="cell here: .* expected .*1, 2 or 3"):
        times(book)
    elsewhere = {"minutes": 10, "difficulty": 1}
    book = nbf.new_notebook(cells=[prose("Words.", name="here", exercise=elsewhere)])
    with pytest.raises(ValueError, match="cell here .* has to hold one exercise"):
        written(nbf.new_notebook(cells=[prose(HEAD), *book.cells]))


@pytest.mark.parametrize(
    ("line", "tail"),
    [
        ("**Time:** about 75 minutes.", "."),
        ("**Time**: about two hours to read; the cells run.", "; the cells run."),
        ("**Time:** about 5 minutes for the core, 1 with; it runs.", "; it runs."),
    ],
)
def test_line_is_written_into_the_head(line, tail):
    book = nbf.new_notebook(cells=[prose(f"# Title\n\n{line}\nThe code is quick.\n")])
    (source,) = written(book)
    assert source == (
        "# Title\n\n**Time:** about 5 minutes for the core, 5 minutes with the "
        f"exercises and everything deeper{tail}\nThe code is quick.\n"
    )
    book.cells[0].source = source
    assert written(book) == [source]
    for wrong in ("# Title", f"{line}\n\n{line}"):
        book.cells[0].source = wrong
        with pytest.raises(ValueError, match="has to hold one line that begins with"):
            written(book)


def test_minutes_of_an_exercise_are_written_into_it():
    stated = {"minutes": 10, "difficulty": 3}
    source = "## Exercises\n\n:::{exercise} A\n:label: ex-a\n\nDo it.\n\nAll.\n:::"
    book = nbf.new_notebook(cells=[prose(HEAD), prose(source, exercise=stated)])
    expected = source.replace("Do it", "*About 10 minutes, hard.*\n\nDo it")
    assert written(book)[1] == expected
    book.cells[1].source = expected
    assert written(book)[1] == expected
    stated |= {"minutes": 1, "difficulty": 1}
    book.cells[1].metadata["exercise"] = stated
    expected = source.replace("Do it", "*About 1 minute, easy.*\n\nDo it")
    assert written(book)[1] == expected


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (5, "5 minutes"),
        (115, "115 minutes"),
        (120, "2 hours"),
        (140, "2½ hours"),
        (170, "3 hours"),
    ],
)
def test_words(number, words):
    assert in_words(number) == words


def test_tool_rewrites_only_what_it_must(tmp_path):
    file = tmp_path / "one.ipynb"
    write_notebook(nbf.new_notebook(cells=[prose(HEAD), code()]), file)
    before = read(file)
    command = [sys.executable, "-m", "tools.times", str(file)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout.split() == ["one", "5", "5", "minutes"]
    after = read(file)
    assert after.cells[0].source.endswith(
        "everything deeper; the cells run in a second."
    )
    expected = copy.deepcopy(before)
    expected.cells[0].source = after.cells[0].source
    assert after == expected
    stamp = file.stat().st_mtime_ns
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert file.stat().st_mtime_ns == stamp

    write_notebook(nbf.new_notebook(cells=[prose("# No time")]), file)
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "one.ipynb: the first cell has to hold one line" in ended.stderr


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_chapters_say_what_the_rule_gives(path):
    """Run `make times` when this fails."""
    notebook = read(path)
    for cell, source in zip(notebook.cells, written(notebook), strict=True):
        assert cell.source == source


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_core_is_one_sitting(path):
    assert times(read(path)).core <= 75
