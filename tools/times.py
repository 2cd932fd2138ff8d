"""Say in the head of each chapter how long it takes: ``make times``.

The time is computed from what there is to read, by the rule below, which
CONTRIBUTING.md explains. How long an exercise takes, and how hard it is, is in the
metadata of its cell, ``"exercise": {"minutes": 10, "difficulty": 2}``; the line that
readers see of it is written from there, too.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat

from tools.notebooks import LABEL, chapters, headings, read, tags

# Seconds for what there is to read: a word of prose, a line of code, a printed output,
# a figure, a question of the quiz with its choices.
WORD, LINE, OUTPUT, FIGURE, QUESTION = 60 / 200, 3, 10, 20, 60
# Minutes for an exercise that doesn't say how long it takes.
EXERCISE = 10
DIFFICULTIES = {1: "easy", 2: "medium", 3: "hard"}

# A cell with one of these tags, or folded in JupyterLab, shows no code at first sight.
# An output that is folded alone is to be predicted: it is read later.
FOLDED_CODE = {"proof", "hide-cell", "hide-input", "remove-cell", "remove-input"}
FOLDED_OUTPUT = {"proof", "hide-cell", "hide-output", "remove-cell", "remove-output"}

DIRECTIVE = re.compile(r"^(:{3,})\{([\w-]+)\}.*?^\1(?!:)[^\n]*$", re.M | re.S)
CODE_BLOCK = re.compile(r"^(`{3,})[^\n]*\n(.*?)^\1[^\n]*$", re.M | re.S)
IS_FOLDED = re.compile(r"^:class: (?:.* )?dropdown\b", re.M)
MARKUP = re.compile(r"^:{3,}.*$|^:[\w-]+:.*$|\]\([^)]*\)", re.M)
ASKED = re.compile(r"^\*\*Question \d+\.\*\*", re.M)
SOLVED = re.compile(r"^:{3,}\{solution(?:-end)?\}", re.M)

TIME = re.compile(r"^\*\*Time:?\*\*:?[^;\n]*?(;[^\n]*|\.?)$", re.M)
OF_EXERCISE = re.compile(
    r"(^:{3,}\{exercise\}[^\n]*\n(?::[\w-]+:[^\n]*\n)+)\n?(?:\*About [^\n]*\.\*\n\n?)?",
    re.M,
)


class Times(NamedTuple):
    """Minutes that a chapter takes, to the nearest five."""

    core: int
    everything: int


def seconds_of_prose(source):
    """Return how long the text of a Markdown cell takes, less what is folded in it.

    Exercises are not counted here, nor what follows the first question of a quiz.
    """
    asked = len(ASKED.findall(source))
    source = ASKED.split(source)[0]

    def unfold(directive):
        folded = directive[2] in {"dropdown", "exercise", "solution"}
        return "" if folded or IS_FOLDED.search(directive[0]) else directive[0]

    source = DIRECTIVE.sub(unfold, source)
    code = "\n".join(block[1] for block in CODE_BLOCK.findall(source))
    words = MARKUP.sub(" ", CODE_BLOCK.sub("", source)).split()
    words = [word for word in words if any(map(str.isalnum, word))]
    return len(words) * WORD + count_lines(code) * LINE + asked * QUESTION


def count_lines(code):
    """Count the lines of code that are not empty."""
    return sum(bool(line.strip()) for line in code.splitlines())


def seconds_of_code(cell):
    """Return how long a code cell and its outputs take, less what is folded."""
    hidden = cell.metadata.get("jupyter", {})
    seconds = 0
    if not (tags(cell) & FOLDED_CODE or hidden.get("source_hidden")):
        seconds += count_lines(cell.source) * LINE
    folded = hidden.get("source_hidden") and hidden.get("outputs_hidden")
    if not (tags(cell) & FOLDED_OUTPUT or folded):
        data = [output.get("data", {}) for output in cell.outputs]
        figures = sum(any(mime.startswith("image/") for mime in part) for part in data)
        seconds += figures * FIGURE + (len(data) > figures) * OUTPUT
    return seconds


def of_exercise(cell):
    """Return the minutes and the difficulty that an exercise states, None for neither.

    Raises
    ------
    ValueError
        If the metadata hold anything else, or the cell does not hold one exercise.
    """
    stated = cell.metadata.get("exercise")
    if stated is None:
        return None
    if len(LABEL.findall(cell.source)) != 1:
        raise ValueError(
            f'cell {cell.id} has "exercise" in its metadata, and has to hold one '
            "exercise with a label"
        )
    minutes, difficulty = stated.get("minutes"), stated.get("difficulty")
    if (
        set(stated) != {"minutes", "difficulty"}
        or type(minutes) is not int
        or not 1 <= minutes <= 60
        or difficulty not in DIFFICULTIES
    ):
        raise ValueError(
            f'cell {cell.id}: "exercise" is {dict(stated)}, expected '
            '{"minutes": 1 to 60, "difficulty": 1, 2 or 3}'
        )
    return minutes, difficulty


def times(notebook):
    """Compute how many minutes a chapter takes.

    Parameters
    ----------
    notebook : nbformat.NotebookNode

    Returns
    -------
    Times
        The core is what a first reading reads, and the quiz; everything is that, the
        sections marked as deeper, and the exercises.

    Raises
    ------
    ValueError
        If an exercise states no sensible time, or a cell tagged ``deeper`` opens no
        section.
    """
    core = everything = 0
    deeper = None  # the level of the deeper section that we are in
    in_exercise = False
    for cell in notebook.cells:
        level = min((level for level, _ in headings(cell)), default=None)
        if level is not None:
            in_exercise = False
            if deeper is not None and level <= deeper:
                deeper = None
        if "deeper" in tags(cell):
            if level is None:
                raise ValueError(f"cell {cell.id} is tagged deeper, and has no heading")
            deeper = level if deeper is None else deeper
        stated = LABEL.findall(cell.source) if cell.cell_type == "markdown" else []
        if stated:
            minutes, _ = of_exercise(cell) or (EXERCISE * len(stated), None)
            everything += minutes * 60
        if cell.cell_type == "markdown" and (stated or not in_exercise):
            seconds = seconds_of_prose(cell.source)
        elif cell.cell_type == "code" and not in_exercise:
            seconds = seconds_of_code(cell)
        else:
            seconds = 0
        everything += seconds
        core += seconds if deeper is None else 0
        # Stub and solution belong to the exercise.
        in_exercise = (in_exercise or bool(stated)) and not SOLVED.search(cell.source)
    return Times(*(max(5, 5 * round(total / 300)) for total in (core, everything)))


def in_words(minutes):
    """Say a number of minutes: from two hours on, in half hours."""
    if minutes < 120:
        return f"{minutes} minutes"
    hours, half = divmod(round(minutes / 30), 2)
    return f"{hours}{'½' * half} hours"


def written(notebook):
    """Return the sources of a chapter's cells as the times want them.

    Raises
    ------
    ValueError
        If the first cell does not hold one line that begins with ``**Time:**``.
    """
    found = times(notebook)
    sources = [cell.source for cell in notebook.cells]
    sources[0], count = TIME.subn(
        f"**Time:** about {in_words(found.core)} for the core, "
        f"{in_words(found.everything)} with the exercises and everything deeper"
        + r"\1",
        sources[0],
    )
    if count != 1:
        raise ValueError(
            "the first cell has to hold one line that begins with **Time:**, and has "
            f"{count}"
        )
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and (stated := of_exercise(cell)):
            minutes, difficulty = stated
            line = f"*About {minutes} minutes, {DIFFICULTIES[difficulty]}.*"
            line = line.replace("About 1 minutes", "About 1 minute")
            sources[i] = OF_EXERCISE.sub(rf"\1\n{line}\n\n", sources[i])
    return sources


def main():
    """Write the times into the chapters that the command line names, or into all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, default=chapters())
    for path in parser.parse_args().notebooks:
        notebook = read(path)
        try:
            sources = written(notebook)
        except ValueError as error:
            sys.exit(f"{path}: {error}")
        core, everything = times(notebook)
        print(f"{path.stem:28} {core:4} {everything:4} minutes")
        if sources != [cell.source for cell in notebook.cells]:
            for cell, source in zip(notebook.cells, sources, strict=True):
                cell.source = source
            nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
