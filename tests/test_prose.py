"""A number in a chapter's prose stands in the code or the outputs of its section.

Counted are decimals, percentages, whole numbers of three digits or more and those with
a unit. ``prose_numbers.toml`` lists the ones that no section shows, with the reason.
"""

import ast
import html
import math
import re
import tomllib
from functools import cache
from typing import NamedTuple

import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers import data
from tools.notebooks import (
    ASSERT,
    FENCED,
    HEADING,
    ROOT,
    chapters,
    code_cells,
    plain,
    read,
    tags,
)

LISTED = tomllib.loads((ROOT / "tests/prose_numbers.toml").read_text("utf-8"))
# They retell the chapter, so all of it is their section.
RETELLING = {"Check your understanding", "Summary", "Key terms", "What comes next"}
# How far an assert's bound may be from a number that the reader's run may change.
BOUND = 0.25

UNITS = """
    s ms µs seconds? minutes? hours? kB MB GB bytes epochs? steps batch(?:es)? times
    points parameters weights pictures images pixels rows passes
"""
MINUS = "\N{MINUS SIGN}"
SCALE = {"thousand": 1e3, "million": 1e6, "billion": 1e9}
DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?"
NUMBER = re.compile(
    rf"""
    (?<![\w.,]) (?P<sign>-?) (?P<digits>{DIGITS}) (?!\w|\.\d|,\d{{3}}\b)
    (?P<cut>…)?
    (?P<percent>\s?\\?%|\s(?:percent|per\ cent)\b)?
    (?:\s(?P<scale>{"|".join(SCALE)})\b)?
    (?P<unit>[- ](?:{"|".join(UNITS.split())})\b)?
    """,
    re.VERBOSE,
)
# In code and outputs: 1_000, 1., .5 and 1e-3 too, next to whatever letters.
SHOWN = re.compile(
    r"(?<![^\Wx])(?<!\.)(?:(?<![)\]])-)?"
    r"(?:(?:\d{1,3}(?:[,_]\d{3})+|\d+)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
)
CODE_BLOCK = re.compile(r"^`{3}.*?^`{3}", re.M | re.S)
NAMES = r"(?:Python|[Tt]orch\w*|PyTorch|fastai|NumPy|Lightning|CUDA|macOS|CC\ BY)"
VERSION = r"\d+(?:\.\d+)*"
NOT_RESULTS = re.compile(
    rf"""
      \]\([^)]*\)                              # where a link leads
    | ^:[\w-]+:.*$                             # an option of a directive
    | ^\*\*Time:.*$                            # an estimate of the reader's time
    | ^\*About\ \d+\ minutes?,\ \w+\.\*$         # the same, of an exercise
    | ^\#+\ [\d.]+                             # the number of a section
    | \b(?:{NAMES}|[Vv]ersions?(?:\ from)?)\ {VERSION}(?:(?:,|\ or|\ and)\ {VERSION})*
    | \bpy\ -{VERSION}                         # the same, as an option
    | \bCVE-\d+-\d+                            # the name of a hole
    | \b404\ not\ found\b                      # and of an answer
    | \b(?:[Ii]n|since|of)\ (?:19\d\d|20(?!00)\d\d)\b(?!,\d|\ [a-z]+s\b)  # a year
    """,
    re.VERBOSE | re.MULTILINE,
)


QUESTION = re.compile(
    r"^\*\*Question \d+\.\*\*(.*?)(?=^:{3,}\{dropdown\})", re.M | re.S
)
CHOICE = re.compile(r"^:{3,}\{dropdown\} [A-Z]\..*$", re.M)
# A question may quote the chapter; then its numbers are claims like any other.
QUOTES = re.compile(r"\b(?:chapters?|above|page)\b")


def premises(source):
    """Return what the questions of a quiz suppose: "A network gets 61 % right"."""
    stated = QUESTION.findall(source)
    return "\n".join(text for text in stated if not QUOTES.search(text))


def without_choices(source):
    """Drop what the reader is offered or asked to suppose; explanations stay."""
    source = QUESTION.sub(lambda m: m[0] if QUOTES.search(m[1]) else "", source)
    source = CHOICE.sub("", source)
    prediction = r"^(:{3,})\{admonition\} Predict, then run.*?^\1$"
    return re.sub(prediction, "", source, flags=re.M | re.S)


class Number(NamedTuple):
    """A number as prose writes it, and what it may be a rounding of."""

    written: str
    value: float
    margin: float
    factors: tuple  # what is shown may be a share of one, or counted in millions

    def rounds(self, shown):
        """Tell whether one of the numbers shown, rounded as written, is this one."""
        return any(
            abs(value * factor - self.value) <= self.margin
            for value in shown
            for factor in self.factors
        )


def numbers(source):
    """List the numbers in a cell of prose that the rule counts."""
    source = CODE_BLOCK.sub("", source).replace(MINUS, "-").replace("{,}", ",")
    source = NOT_RESULTS.sub(" ", without_choices(source))
    found = []
    for match in NUMBER.finditer(source):
        digits = match["digits"].replace(",", "")
        epoch = len(digits) > 1 and re.search(
            r"\b[Ee]pochs? $", source[: match.start()]
        )
        if not (
            match["percent"]
            or match["unit"]
            or match["scale"]
            or epoch
            or len(digits) > 2
        ):
            continue
        mantissa, _, exponent = digits.partition("e")
        last = int(exponent or 0) - len(mantissa.partition(".")[2])
        scale = SCALE.get(match["scale"], 1)
        sign = "-" if match["sign"] else ""
        found.append(
            Number(
                sign + match["digits"] + (" %" if match["percent"] else ""),
                float(sign + digits) * scale,
                # One unit of the last digit where digits are cut off, else half of it.
                (1 if match["cut"] else 0.5) * 10.0**last * scale * (1 + 1e-9),
                (1, 100 if match["percent"] else scale),
            )
        )
    return found


def values(text):
    """Return the set of numbers in code or in an output."""
    found = SHOWN.findall(text.replace(MINUS, "-"))
    return {float(re.sub("[,_]", "", number)) for number in found}


def output_text(cell):
    """Join what a cell printed, returned or raised; pictures say nothing."""
    texts = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            texts.append(output.text)
        elif output.output_type == "error":
            texts.append(plain(output.traceback))
        else:
            for kind, text in output.data.items():
                if kind == "text/html":
                    text = re.sub(r"<style.*?</style>|<[^>]*>", " ", text, flags=re.S)
                if kind.startswith("text/"):
                    texts.append(html.unescape(text))
    return "\n".join(texts)


@cache
def asserted(source):
    """Return the numbers that the asserts of a cell compare with."""
    if not ASSERT.search(source):
        return set()
    tree = ast.parse(TransformerManager().transform_cell(source))  # "!ls" too
    return {
        abs(float(leaf.value))
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
        or (isinstance(node, ast.Call) and "assert_" in ast.unparse(node.func))
        for leaf in ast.walk(node)
        if isinstance(leaf, ast.Constant) and type(leaf.value) in (int, float)
    }


class Shown(NamedTuple):
    """The numbers that cells show."""

    certain: set  # in code, and in outputs that are compared
    ignored: set  # in outputs that another machine may not repeat
    asserted: set

    def holds(self, number):
        """Tell whether a number of the prose may stand there."""
        if number.rounds(self.certain):
            return True
        return number.rounds(self.ignored) and any(
            abs(abs(number.value) - bound * factor) <= BOUND * abs(number.value)
            for bound in self.asserted
            for factor in number.factors
        )


def shown(cells):
    """Collect the numbers in code and outputs of cells."""
    certain, ignored, bounds = set(), set(), set()
    for cell in cells:
        if cell.cell_type == "code":
            certain |= values(cell.source)
            bounds |= asserted(cell.source)
            portable = "nbval-ignore-output" not in tags(cell)
            (certain if portable else ignored).update(values(output_text(cell)))
        else:
            certain |= values("\n".join(CODE_BLOCK.findall(cell.source)))
            certain |= values(premises(cell.source))
    return Shown(certain, ignored, bounds)


class Section(NamedTuple):
    """What stands between two headings, also where these are inside a cell."""

    level: int
    title: str
    cells: list


def divide(notebook):
    """Divide a notebook at its headings; a cell that holds one is cut in two."""
    parts = [Section(1, "", [])]
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            parts[-1].cells.append(cell)
            continue
        # Lines within a block are no headings; blanks keep the positions.
        visible = FENCED.sub(lambda block: " " * len(block[0]), cell.source)
        cuts = list(HEADING.finditer(visible))
        ends = [cut.start() for cut in cuts] + [len(cell.source)]
        parts[-1].cells.append(new_markdown_cell(cell.source[: ends[0]], id=cell.id))
        for cut, end in zip(cuts, ends[1:], strict=True):
            piece = new_markdown_cell(cell.source[cut.start() : end], id=cell.id)
            parts.append(Section(len(cut[1]), cut[2], [piece]))
    return parts


def audit(notebook):
    """Yield each counted number of the prose: its cell's id, itself, is it shown?

    What stands under the headings above a section, before their first subsection,
    belongs to it. The opening of a chapter and the parts that retell it have the whole
    chapter.
    """
    above = []
    for section in divide(notebook):
        above = [part for part in above if part.level < section.level] + [section]
        if section.level == 1 or RETELLING & {part.title for part in above}:
            evidence = shown(notebook.cells)
        else:
            evidence = shown(c for part in above if part.level > 1 for c in part.cells)
        for cell in section.cells:
            if cell.cell_type == "markdown":
                for number in numbers(cell.source):
                    yield cell.id, number, evidence.holds(number)


def unfounded(notebook):
    """Map (cell id, number as written) to each number that nothing holds."""
    return {
        (cell, number.written): number
        for cell, number, held in audit(notebook)
        if not held
    }


def page_text(path):
    """Return the text of a Markdown page with what it includes."""
    return re.sub(
        r"^```\{include\} (\S+)$",
        lambda found: page_text(path.parent / found[1]),
        path.read_text(encoding="utf-8"),
        flags=re.M,
    )


def calculate(expression):
    """Work out the arithmetic of an entry."""
    return eval(expression, {"__builtins__": {}}, vars(math) | {"round": round})


def lab_task(lab, test):
    """Return the numbers in a test of what the prose says about a lab."""
    path = ROOT / "tests" / "labs" / f"test_{lab}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    [function] = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == test
    )
    assert test.startswith("test_task_")
    assert any(isinstance(node, ast.Assert) for node in ast.walk(function))
    return values(ast.unparse(function))


def faults(number, entry, notebook):
    """List what is wrong with an entry of ``prose_numbers.toml``."""
    if isinstance(entry, str):
        return [] if len(entry.split()) > 2 else ["say why"]
    [(kind, text)] = entry.items()
    if kind == "shown_in" and text.endswith(".md"):
        held = number.rounds(values(page_text(ROOT / text)))
        return [] if held else [f"{text} does not show it"]
    if kind == "asserted_in":
        cells = [cell for cell in notebook.cells if cell.id == text]
        held = number.rounds({v for v in shown(cells).asserted for v in (v, -v)})
        return [] if held else [f"no assert of {text} compares with it"]
    if kind == "lab":
        held = number.rounds(lab_task(*text.split(": ")))
        return [] if held else [f"{text} does not hold it"]
    if kind == "shown_in":
        chapter, _, wanted = text.rpartition("/")
        there = read(ROOT / f"chapters/{chapter}.ipynb") if chapter else notebook
        cells = [cell for cell in there.cells if cell.id == wanted]
        evidence = shown(cells)
        held = number.rounds(evidence.certain | evidence.ignored)
        return [] if held else [f"{text} does not show it"]
    assert kind == "equals", f"no entry is of the kind {kind!r}"
    problems = []
    if not number.rounds({calculate(text)}):
        problems.append(f"{text} is {calculate(text)}")
    everything = shown(notebook.cells)
    for operand in numbers(text):
        if not operand.rounds(everything.certain | everything.ignored):
            problems.append(f"the chapter does not show {operand.written}")
    return problems


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_numbers_in_prose_are_shown_or_listed(path):
    notebook = read(path)
    found = unfounded(notebook)
    listed = {
        (cell, written): entry
        for cell, entries in LISTED.get(path.stem, {}).items()
        for written, entry in entries.items()
    }
    missing = sorted(found.keys() - listed)
    assert not missing, f"neither shown in the section nor listed: {missing}"
    stale = sorted(listed.keys() - found)
    assert not stale, f"no longer needed in prose_numbers.toml: {stale}"
    for key, entry in listed.items():
        assert not faults(found[key], entry, notebook), (key, entry)


def test_few_numbers_are_only_explained():
    only_explained = [
        (chapter, cell, number)
        for chapter, cells in LISTED.items()
        for cell, numbers_ in cells.items()
        for number, entry in numbers_.items()
        if isinstance(entry, str)
    ]
    assert len(only_explained) < 20, only_explained


def test_the_list_names_chapters():
    assert LISTED.keys() <= {path.stem for path in chapters()}


def test_a_recorded_result_says_where_it_is_from():
    records = tomllib.loads((ROOT / "data/recorded.toml").read_text("utf-8"))
    code = "".join(c.source for path in chapters() for c in code_cells(read(path)))
    for name, record in records.items():
        assert record.keys() == {"how", "device", "versions", "date", "results"}, name
        assert all(record.values()), name
        assert f'data.recorded("{name}")' in code, f"no chapter shows {name}"
        assert data.recorded(name) == record


def test_an_unknown_record_is_named():
    with pytest.raises(ValueError, match=r"name must be one of .*did you mean 'fash"):
        data.recorded("fashion_mnist_ful")


# --- planted faults ------------------------------------------------------------------


def page(prose, source="", outputs=(), tags=()):
    """Make a notebook of one section: a code cell, then prose about it."""
    code = new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})
    heading = new_markdown_cell("## A section", id="heading")
    text = new_markdown_cell(prose, id="prose")
    return new_notebook(cells=[heading, code, text])


def printed(text):
    return [new_output("stream", name="stdout", text=text)]


SCORES = "accuracy 0.7731, loss 0.69302, change -0.25, 12.4 s, 11,689,512 in all\n"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("It is right for 0.773 of them.", "It is right for 0.873 of them."),
        ("It is right for 77 % of them.", "It is right for 79 % of them."),
        ("That is 77.3 percent.", "That is 78.3 percent."),
        ("That is 77 per cent.", "That is 87 per cent."),
        ("A loss of 0.6930.", "A loss of 0.6931."),
        ("It changes by -0.25.", "It changes by 0.25."),
        ("It changes by \N{MINUS SIGN}0.25.", "It is at \N{MINUS SIGN}0.77."),
        ("It took 12 s.", "It took 99 s."),
        ("It took 12 seconds.", "It took 21 seconds."),
        ("A number like `0.773`.", "A number like `0.775`."),
        ("It is $p = 0.77$.", "It is $p = 0.78$."),
        ("It has 11,689,512 weights.", "It has 11,698,512 weights."),
        ("It has 11.7 million weights.", "It has 11.6 million weights."),
        ("It begins with 0.693…", "It begins with 0.692…"),
        ("> ### 0.77\n\ntext", "> ### 0.78\n\ntext"),
        (":::{note}\nIt is 0.77.\n:::", ":::{note}\nIt is 0.87.\n:::"),
        (
            ":::{dropdown} A. 0.1\nNo, it is 0.77.\n:::",
            ":::{dropdown} A. 0.77\nNo, it is 0.1.\n:::",
        ),
    ],
)
def test_a_wrong_number_is_found(right, wrong):
    assert not unfounded(page(right, outputs=printed(SCORES)))
    assert unfounded(page(wrong, outputs=printed(SCORES)))


@pytest.mark.parametrize(
    "prose",
    [
        "torch 2.14 and Python 3.11, 3.12 or 3.13, under CC BY 4.0; version 1.12.3",
        "[see](https://example.org/0.5/123)",
        ":::{figure} x.png\n:width: 250\n:::",
        "In 2017 they published it.",
        "```text\n0.123\n```\n",
        "**Time:** about 75 minutes.",
        "*About 10 minutes, medium.*",
        ":::{admonition} Predict, then run\n:class: tip\nIs it 0.5 or 0.9?\n:::",
        ":::{dropdown} A. Above 0.5\nNo.\n:::",
    ],
)
def test_what_is_no_result_is_left_alone(prose):
    assert not unfounded(page(prose))


def test_a_number_is_sought_in_its_own_section_and_those_above():
    notebook = page("0.5", "a = 0.5")
    assert not unfounded(notebook)
    notebook.cells += [new_markdown_cell("0.5\n### Below\n0.5", id="below")]
    assert not unfounded(notebook)
    notebook.cells += [new_markdown_cell("0.5\n## Next\n0.5\n", id="next")]
    assert unfounded(notebook).keys() == {("next", "0.5")}
    notebook.cells += [new_markdown_cell("## Summary\n0.5\n0.6", id="summary")]
    assert unfounded(notebook).keys() == {("next", "0.5"), ("summary", "0.6")}


@pytest.mark.parametrize(
    "outputs",
    [
        printed("0.7731"),
        [new_output("execute_result", data={"text/plain": "tensor(0.7731)"})],
        [
            new_output(
                "display_data",
                data={"text/html": "<style>p {top: 0.9}</style><td>0.7731</td>"},
            )
        ],
        [
            new_output(
                "error", ename="E", evalue="", traceback=["\x1b[31mE\x1b[0m: 0.7731"]
            )
        ],
    ],
)
def test_every_kind_of_output_counts(outputs):
    assert not unfounded(page("0.773", outputs=outputs))
    assert unfounded(page("0.9", outputs=outputs))


def test_an_ignored_output_needs_an_assert_near_the_number():
    def ignored(source):
        cell = page("0.773", source, printed("0.7731"), ["nbval-ignore-output"])
        return unfounded(cell)

    assert ignored("")
    assert ignored("assert score > 0.1")
    assert not ignored("assert score > 0.7")
    assert not ignored("torch.testing.assert_close(score, 0.8, atol=0.1, rtol=0)")


def test_entries_are_checked():
    notebook = page("0.5 and 400 pictures", "a = 0.25, 200")
    half, many = numbers(notebook.cells[-1].source)
    assert faults(half, "todo", notebook)
    assert not faults(half, "the definition of half", notebook)
    assert not faults(half, {"equals": "2 * 0.25"}, notebook)
    assert faults(half, {"equals": "3 * 0.25"}, notebook)
    assert faults(half, {"equals": "0.35 + 0.15"}, notebook)
    assert not faults(many, {"equals": "2 * 200"}, notebook)
    code = notebook.cells[1].id
    assert faults(half, {"shown_in": code}, notebook)
    quarter = numbers("0.25")[0]
    assert not faults(quarter, {"shown_in": code}, notebook)
    assert faults(quarter, {"shown_in": "elsewhere"}, notebook)
    assert not faults(numbers("60,000")[0], {"shown_in": "appendix/data.md"}, notebook)
    assert faults(quarter, {"shown_in": "appendix/data.md"}, notebook)
    notebook.cells[1].source += "\nassert abs(a[0] - 0.26) < 0.1"
    assert not faults(numbers("-0.26")[0], {"asserted_in": code}, notebook)
    assert faults(half, {"asserted_in": code}, notebook)


QUESTION_OF_A_QUIZ = """**Question 1.** {} Is it better?

:::{{dropdown}} A. Yes
It's {}.
:::
"""


@pytest.mark.parametrize(
    ("question", "answer", "wrong"),
    [
        ("One gets 61.5 % right.", "61.5 %", False),
        ("One gets 61.5 % right.", "62.5 %", True),
        ("The chapter's network gets 61.5 % right.", "better", True),
    ],
)
def test_a_question_may_suppose_but_not_quote(question, answer, wrong):
    assert bool(unfounded(page(QUESTION_OF_A_QUIZ.format(question, answer)))) is wrong
