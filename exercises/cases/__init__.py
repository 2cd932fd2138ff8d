"""What each checker is tried on: one module for each of checkers, of the same name.

`CASES` maps the label of an exercise to a `Case`.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Mutant:
    """A misconception: a passage of the solution, what stands there instead, the hint.

    `hint` is a part of the text with which the checker has to refuse the mutant.
    """

    old: str
    new: str
    hint: str


@dataclass(frozen=True)
class Case:
    """How to try one exercise.

    `needs` are ids of the chapter's cells that run before the stub, in order.
    `others` are right answers of other shapes, each without the call of `check`.
    """

    mutants: tuple[Mutant, ...]
    others: tuple[str, ...]
    needs: tuple[str, ...] = field(default=("imports",))
