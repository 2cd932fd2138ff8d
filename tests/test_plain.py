"""The plain flavour: no directive is left, nothing is given away, and it runs."""

import importlib.metadata
import importlib.util
import re
import subprocess
import zipfile
from functools import cache
from itertools import pairwise
from urllib.parse import quote

import nbformat
import nbformat.v4 as nbf
import pytest

from tools.notebooks import ROOT, chapters, code_cells, notebooks, read, tags
from tools.plain import BRANCH, Course, heading_anchor, make_parser

pytestmark = pytest.mark.machinery

REPOSITORY = "https://github.com/someone/first-tensor"
SITE = "https://someone.example/first-tensor"
FOLDED = re.compile(r"<details>.*?</details>", re.S)
PARSER = make_parser(ROOT)


@pytest.fixture(scope="session")
def course():
    return Course(ROOT, REPOSITORY, SITE)


@pytest.fixture(scope="session")
def nowhere():
    """Return the course as it is where neither it nor its site is published."""
    return Course()


@pytest.fixture(scope="session")
def folder(nowhere, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    nowhere.write(folder)
    return folder


def tokens(text):
    """List the tokens of Markdown, those within a line too."""
    for token in PARSER.parse(text):
        yield token
        yield from token.children or ()


def markdown(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def leftovers(notebook):
    """List what only the site and jupyterlab-myst understand."""
    found = []
    for cell in markdown(notebook):
        for token in tokens(cell.source):
            info = token.info.strip()
            if token.type in ("colon_fence", "myst_role", "myst_target") or (
                token.type == "fence" and info.startswith("{")
            ):
                found.append(f"{cell.id}: {token.type} {info} {token.content[:60]}")
            elif token.type == "text" and ":::" in token.content:
                found.append(f"{cell.id}: {token.content}")
    return found


def jumps(notebook):
    """List the headings that skip a level, or are a second title."""
    levels = [
        (int(token.tag[1]), cell.id)
        for cell in markdown(notebook)
        for token in tokens(cell.source)
        if token.type == "heading_open"
    ]
    wrong = [cell for level, cell in levels[1:] if level == 1]
    pairs = pairwise(levels)
    return wrong + [cell for (above, _), (level, cell) in pairs if level > above + 1]


def links(notebook):
    for cell in markdown(notebook):
        for token in tokens(cell.source):
            if token.type == "link_open":
                yield token.attrGet("href")
            elif token.type == "image":
                yield token.attrGet("src")


def heading_texts(notebook):
    for cell in markdown(notebook):
        parsed = PARSER.parse(cell.source)
        for opening, inline in pairwise(parsed):
            if opening.type == "heading_open":
                yield "".join(part.content for part in inline.children)


def broken(file, known):
    """List the links of a notebook in a folder that lead nowhere."""
    found = []
    anchors_of = cache(lambda file: {*map(heading_anchor, heading_texts(known[file]))})
    for href in links(known[file]):
        if re.match(r"https?://", href):
            continue
        address, _, anchor = href.partition("#")
        target = (file.parent / address).resolve() if address else file
        named = anchors_of(target) if anchor else {""}
        if not target.is_file() or quote(anchor, safe="%-.,:!?'*~") not in named:
            found.append(href)
    return found


@pytest.fixture(scope="session")
def known(folder):
    files = sorted(folder.rglob("*.ipynb"))
    return {file.resolve(): nbformat.read(file, nbformat.NO_CONVERT) for file in files}


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_any_reader_shows_it(path, folder, known):
    file = (folder / path.relative_to(ROOT)).resolve()
    nbformat.validate(known[file])
    assert leftovers(known[file]) == []
    assert jumps(known[file]) == []
    assert broken(file, known) == []


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_links_lead_to_what_is_published(path, course):
    made = course.written(path)
    assert leftovers(made) == []
    pages = [href for href in links(made) if "glossary" in href]
    assert all(href.startswith(f"{SITE}/appendix/glossary.html#") for href in pages)
    drawings = [href for href in links(made) if href.endswith(".svg")]
    assert all(href.startswith(f"{REPOSITORY}/raw/{BRANCH}/") for href in drawings)
    assert not [href for href in links(made) if ".md" in href]
    known = {href.partition("#")[0] for href in links(made) if "://" not in href}
    assert all(name in {"", *map(name_from(path), notebooks())} for name in known)


def name_from(path):
    """Return a function that says how a notebook is linked from another."""

    def name(other):
        same = other.parent == path.parent
        return other.name if same else f"../{other.relative_to(ROOT).as_posix()}"

    return name


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_gives_nothing_away(path, nowhere):
    cells = [cell for cell in nowhere.notebooks[path].cells if "lab" not in tags(cell)]
    source, made = nbf.new_notebook(cells=cells), nowhere.written(path)
    shown = {cell.id for cell in code_cells(made)}
    inside, folded = False, 0
    for cell in source.cells:
        if cell.cell_type == "markdown" and "{solution-" in cell.source:
            inside = "{solution-start}" in cell.source
        elif inside:
            assert cell.id not in shown
            folded += cell.cell_type == "code"
        elif cell.cell_type == "code":
            assert cell.id in shown
    in_view = "\n".join(FOLDED.sub("", cell.source) for cell in markdown(made))
    hidden = "\n".join(
        part for cell in markdown(made) for part in FOLDED.findall(cell.source)
    )
    assert hidden.count("```python") >= folded
    assert "Not this one." not in in_view
    for answer in answers(source):
        assert answer in hidden
        assert answer not in in_view


def answers(notebook):
    """List the first lines of explanations, less those that hold a link."""
    for cell in markdown(notebook):
        for token in tokens(cell.source):
            if token.type == "colon_fence" and "{dropdown}" in token.info:
                lines = [row for row in token.content.split("\n") if row[:1] != ":"]
                if lines and len(lines[0]) > 20 and not re.search(r"[\[{]", lines[0]):
                    yield lines[0]


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_a_prediction_has_no_output(path, nowhere):
    waits, counted = False, 0
    for cell in nowhere.written(path).cells:
        if cell.cell_type == "code":
            counted += waits
            assert not (waits and cell.outputs), cell.id
            continue
        for token in tokens(cell.source):
            if token.type == "heading_open":
                waits = False
            elif token.type == "text" and token.content == "Predict, then run":
                waits = True
    asked = [c for c in nowhere.notebooks[path].cells if "Predict, then" in c.source]
    assert counted >= len(asked)


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_labs_stay_on_the_site(path, nowhere):
    source = [cell.id for cell in read(path).cells if "lab" in tags(cell)]
    made = nowhere.written(path)
    assert not [cell.id for cell in made.cells if cell.id in source]
    assert not [cell.id for cell in code_cells(made) if "show_lab(" in cell.source]


def test_exercises_are_numbered_within_their_chapter(nowhere):
    made = nowhere.written(ROOT / "chapters" / "05_workflow.ipynb")
    shown = [text for text in heading_texts(made) if text.startswith("Exercise ")]
    own = [one for one in nowhere.exercises.values() if one.path.name[:2] == "05"]
    assert shown == [one.heading for one in own]
    numbers = [f"Exercise {i}" for i in range(1, len(own) + 1)]
    assert [one.name for one in own] == numbers


# --- one notebook of each thing ------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    """Return a function that makes a course of one chapter of these cells."""
    (tmp_path / "_config.yml").write_text((ROOT / "_config.yml").read_text("utf-8"))
    (tmp_path / "chapters").mkdir()
    (tmp_path / "page.md").write_text("# A page\n")

    def small(*cells, **addresses):
        made = [
            nbf.new_markdown_cell(cell) if isinstance(cell, str) else cell
            for cell in ("# A title", *cells)
        ]
        path = tmp_path / "chapters" / "07_small.ipynb"
        nbformat.write(nbf.new_notebook(cells=made), path)
        return Course(tmp_path, **addresses).written(path).cells[3:]

    return small


EXERCISE = ":::{exercise} Sum with `sum`\n:label: ex-sum\n\nAdd.\n:::"
START, END = (
    ":::{solution-start} ex-sum\n:class: dropdown\n:::",
    ":::{solution-end}\n:::",
)


def code(source, *marks, output=None):
    outputs = [nbf.new_output("stream", text=output)] if output else []
    return nbf.new_code_cell(source, metadata={"tags": [*marks]}, outputs=outputs)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (":::{note}\nOne.\n\nTwo.\n:::", "> **Note**\n>\n> One.\n>\n> Two."),
        (
            "Before.\n:::{admonition} Look\n:class: tip\n- `a`\n:::\nAfter.",
            "Before.\n\n> **Look**\n>\n> - `a`\n\nAfter.",
        ),
        (
            ":::{dropdown} Is `a < b`?\nIt is: $x^2$.\n:::",
            "<details>\n<summary>Is <code>a &lt; b</code>?</summary>\n\n"
            "It is: $x^2$.\n\n</details>",
        ),
        (
            "::::{tab-set}\n:::{tab-item} Linux\n```console\n$ ls\n```\n:::\n::::",
            "<details>\n<summary>Linux</summary>\n\n"
            "```console\n$ ls\n```\n\n</details>",
        ),
        ("```python\n:::{note}\n{ref}`x`\n:::\n```", None),
        ("`{ref}` and `[a](b.md)` are code, `:::` too", None),
        ("[here](https://docs.example/a?b=c#d)", None),
        ("[a page](../page.md#term-x)", "a page"),
        ("| a |\n|---|\n| [a *page*](../page.md) |", "| a |\n|---|\n| a *page* |"),
    ],
)
def test_forms(small, typed, shown):
    (cell,) = small(typed)
    assert cell.source == (typed if shown is None else shown)


def test_question_says_which_choice_is_right(small):
    (cell,) = small(
        "**Question 1.** Which?\n\n:::{dropdown} A. This\n:class-container: right\n"
        "So it is.\n:::\n\n:::{dropdown} B. That\nIt isn't.\n:::\n\nAnd more.\n\n"
        ":::{dropdown} Elsewhere\nOther.\n:::"
    )
    first, second, third = FOLDED.findall(cell.source)
    assert "**Right.**\n\nSo it is." in first
    assert "**Not this one.**\n\nIt isn't." in second
    assert "Right" not in third
    assert "Not this" not in third


def test_solution_becomes_one_cell(small):
    stub = code("total = ...", output="a hint")
    solution = code("total = 6\n'''\n```\n'''", output="right")
    cells = small(f"## Exercises\n\n{EXERCISE}", stub, START, solution, "Why.", END)
    statement, kept, folded = cells
    assert statement.source.endswith("### Exercise 1 (Sum with `sum`)\n\nAdd.")
    assert kept.source == "total = ..."
    assert folded.source == (
        "<details>\n<summary>Solution</summary>\n\n"
        "````python\ntotal = 6\n'''\n```\n'''\n````\n\n"
        "It prints:\n\n```text\nright\n```\n\nWhy.\n\n</details>"
    )


def test_exercise_is_linked_by_its_number(small):
    text, _ = small("As {ref}`ex-sum` shows.", EXERCISE)
    assert text.source == "As [Exercise 1](#Exercise-1-%28Sum-with-sum%29) shows."


def test_exercise_of_another_chapter_needs_a_text(small, tmp_path):
    other = nbf.new_notebook(cells=[nbf.new_markdown_cell(f"# B\n\n{EXERCISE}")])
    nbformat.write(other, tmp_path / "chapters" / "08_other.ipynb")
    with pytest.raises(ValueError, match="another chapter, so write a link that says"):
        small("As {ref}`ex-sum` shows.")


@pytest.mark.parametrize(
    ("addresses", "shown"),
    [
        ({"site": SITE}, f"[a]({SITE}/page.html#term-x)"),
        ({"site": SITE, "repository": REPOSITORY}, f"[a]({SITE}/page.html#term-x)"),
        ({"repository": REPOSITORY}, f"[a]({REPOSITORY}/blob/main/page.md)"),
    ],
)
def test_page_is_linked_where_it_is_published(small, addresses, shown):
    (cell,) = small("[a](../page.md#term-x)", **addresses)
    assert cell.source == shown


def test_prediction_waits_until_the_next_heading(small):
    ask = ":::{admonition} Guess\n:class: predict\nHow many?\n:::"
    run = [code("1", output="one") for _ in range(4)]
    cells = small(run[0], ask, run[1], "Prose.", run[2], "## Next", run[3])
    counts = [len(cell.outputs) for cell in cells if cell.cell_type == "code"]
    assert counts == [1, 0, 0, 1]


def test_proof_folds_and_failure_is_marked(small):
    proof, failing = small(code("assert 1", "proof"), code("1 / 0", "raises-exception"))
    assert proof.source == "# @title Checked\nassert 1"
    assert proof.metadata.jupyter.source_hidden
    assert proof.metadata.cellView == "form"
    assert proof.metadata["_kg_hide-input"]
    assert "tags" not in proof.metadata
    assert failing.metadata == {"tags": ["raises-exception"]}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([":::{margin}\nA word.\n:::"], "no form for margin"),
        (["```{code-cell}\n1\n```"], "no form for code-cell"),
        (["- :::{note}\n  A word.\n  :::"], "stands inside of something"),
        (["See {doc}`page`."], "no form for {doc}`page`"),
        (["See {ref}`ex-none`."], "no form for {ref}`ex-none`"),
        (["[a](../none.md)"], "leads to no file"),
        (["[a](#nowhere)"], "leads to no heading"),
        (
            [EXERCISE, START, code("lost = 6"), END, code("print(lost)")],
            "uses lost, which only the solution",
        ),
    ],
)
def test_what_has_no_form_is_refused(small, cells, message):
    with pytest.raises(ValueError, match=r"07_small\.ipynb, cell") as error:
        small(*cells)
    assert message in str(error.value)


def test_folder_has_to_be_empty(nowhere, tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="has to be empty"):
        nowhere.write(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_the_same_course_gives_the_same_files(nowhere, folder, tmp_path):
    nowhere.write(tmp_path)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > len(notebooks())
    for file in files:
        there = folder / file.relative_to(tmp_path)
        assert file.read_bytes() == there.read_bytes()


# --- it gets the course and runs -----------------------------------------------------


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """Pretend that the course isn't here, and note which commands are run."""
    find, commands = importlib.util.find_spec, []
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "helpers" else find(name, *rest),
    )
    monkeypatch.setattr(subprocess, "run", lambda args, check: commands.append(args))
    monkeypatch.chdir(tmp_path)
    return commands


def get(course):
    path = next(iter(course.notebooks))
    about, cell = course.first_cells(path, course.notebooks[path])
    assert about.source.startswith("**What this notebook needs:**")
    exec(compile(cell.source, "get-the-course", "exec"), {})


def test_course_is_cloned_and_installed_where_it_is_missing(
    course, elsewhere, tmp_path, monkeypatch
):
    needed = ["torch>=2", "no-such-package>=1", "jupyterlab>=4"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: needed)
    get(course)
    clone, install, more = elsewhere
    place = str(tmp_path / "first-tensor")
    assert clone[:2] == ["git", "clone"]
    assert clone[-2:] == [REPOSITORY, place]
    assert install[-3:] == ["--no-deps", "--editable", place]
    assert more[-2:] == ["--quiet", "no-such-package>=1"]


def test_zip_is_asked_for_and_used_where_no_repository_is_named(
    nowhere, elsewhere, tmp_path
):
    with pytest.raises(FileNotFoundError, match="“Get the course” of its site has it"):
        get(nowhere)
    assert elsewhere == []
    with zipfile.ZipFile("first-tensor.zip", "w") as archive:
        archive.writestr("first-tensor/pyproject.toml", "")
    get(nowhere)
    assert elsewhere[0][-1] == str(tmp_path / "first-tensor")
    assert (tmp_path / "first-tensor" / "pyproject.toml").is_file()


def test_nothing_is_fetched_where_the_course_is(course, monkeypatch):
    monkeypatch.setattr(subprocess, "run", None)
    get(course)
