"""Checkers for the exercises: one module a chapter, one small engine.

The last line of an exercise's stub calls `check` with the exercise's label and the
reader's answers. `check` says whether they are right, and never raises.
"""

from ._engine import check

__all__ = ["check"]
