"""Say whether the answer to an exercise is right: `check`, and what checkers build on.

The checkers themselves are in the package `first_tensor_exercises`, each under its
exercise's label; nothing here knows a chapter.
"""

import contextlib
import dis
import importlib
import importlib.resources
import inspect
import random
import re
import textwrap
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

import numpy as np
import torch


CHECKERS = "first_tensor_exercises"
# How a module of checkers registers one.
REGISTERED = re.compile(r"^@exercise\(\s*\"([\w-]+)\"", re.M)


class NotSolvedError(Exception):
    """The reader has not written an answer yet."""


class WrongAnswerError(Exception):
    """An answer that is not right; the message names the misconception."""


@dataclass(frozen=True)
class Exercise:
    """A checker, the first hint, and what a right answer has shown."""

    checker: Callable
    hint: str
    shown: str


EXERCISES: dict[str, Exercise] = {}


def exercise(label, *, hint, shown):
    """Register the decorated function as the checker of an exercise.

    The checker takes the answers in the order of the stub's `check` call, and raises
    through `require`, `explain` and `call`. It is never called while an answer is
    still a stub.

    Parameters
    ----------
    label : str
        The label of the exercise in its chapter, such as ``"ex-02-slices"``.
    hint : str
        The first hint: what to try, without the answer.
    shown : str
        What a right answer has shown: a fact worth remembering.

    Returns
    -------
    callable
        A decorator that returns its function unchanged.

    Raises
    ------
    ValueError
        If the label is taken.
    """

    def register(checker):
        if label in EXERCISES:
            raise ValueError(f"label {label!r} has a checker already")
        EXERCISES[label] = Exercise(checker, hint, shown)
        return checker

    return register


def require(condition, misconception):
    """Refuse the answer with the text `misconception` unless `condition` holds."""
    if not condition:
        raise WrongAnswerError(misconception)


@contextlib.contextmanager
def explain(error, misconception):
    """Refuse the answer with `misconception` if the block raises `error`."""
    try:
        yield
    except error as reason:
        raise WrongAnswerError(misconception) from reason


def call(function, *args, **kwargs):
    """Call the reader's function; the result ``...`` counts as not solved.

    A function that is a stub is never called, so one that gives None lacks a `return`.
    """
    result = function(*args, **kwargs)
    if result is ...:
        raise NotSolvedError
    name = getattr(function, "__name__", "Your function")
    require(result is not None, f"`{name}` gives None back: where is its `return`?")
    return result


def check(label, *answers):
    """Say whether an answer is right, what is wrong with it, or give a first hint.

    Prints one paragraph. Never raises, and leaves random states, the grad mode and the
    default dtype as they were. Chapter 01 uses it first.

    Parameters
    ----------
    label : str
        The label of the exercise, such as ``"ex-02-slices"``.
    *answers
        What the reader wrote: values, functions or classes. ``...``, None, an empty
        container and a function or class without a body are not solved yet.
    """
    cell = inspect.currentframe().f_back.f_code.co_filename
    said = f"{label}: {_verdict(label, answers, cell)}"
    print(textwrap.fill(said, width=76, break_on_hyphens=False))


def _verdict(label, answers, cell):
    this = _find(label)
    if this is None:
        alike = " or ".join(get_close_matches(str(label), _modules(), n=2))
        meant = f" Did you mean {alike}?" if alike else ""
        return f"there is no exercise of this name.{meant}"
    try:
        if any(_is_stub(answer) for answer in answers):
            raise NotSolvedError
        with _states_kept():
            this.checker(*answers)
    except NotSolvedError:
        return f"not solved yet. Hint: {this.hint}"
    except WrongAnswerError as wrong:
        return f"not yet. {wrong}"
    except Exception as error:
        return f"not yet. {_stop(error, cell)}"
    return f"right. {this.shown}"


def _stop(error, cell):
    """Say which error stopped the check, and where in the reader's cell, if there."""
    reason = f"{type(error).__name__}: {str(error).strip().split(chr(10))[0]}"
    steps = traceback.extract_tb(error.__traceback__)
    own = [step for step in steps if step.filename == cell]
    if not own:
        return f"The check cannot use your answer: {reason}"
    where = f" at `{own[-1].line}`" if own[-1].line else ""
    said = f"Your code stopped{where} with {reason}"
    if isinstance(error, NameError):
        said += ". If a cell above defines it, run that cell first."
    return said


@cache
def _modules():
    """Map each label to the module that registers it, without importing any.

    Some checkers need libraries that take seconds to import, and that no reader of
    another chapter has asked for.
    """
    modules = {}
    for file in importlib.resources.files(CHECKERS).iterdir():
        if file.name.endswith(".py"):
            name = f"{CHECKERS}.{file.name.removesuffix('.py')}"
            modules |= dict.fromkeys(REGISTERED.findall(file.read_text("utf-8")), name)
    return modules


def _find(label):
    """Return the exercise of a label, or None; its module is imported now."""
    if label not in EXERCISES and label in _modules():
        importlib.import_module(_modules()[label])
    return EXERCISES.get(label)


def _is_stub(answer):
    """Tell whether an answer is still what the stub had."""
    if answer is None or answer is ...:
        return True
    if isinstance(answer, (str, list, tuple, dict, set)):
        inner = answer.values() if isinstance(answer, dict) else answer
        return not answer or any(value is ... for value in inner)
    if inspect.isfunction(answer):
        return _returns_nothing(answer)
    if inspect.isclass(answer):
        methods = [one for one in vars(answer).values() if inspect.isfunction(one)]
        return not methods or any(map(_returns_nothing, methods))
    return False


def _returns_nothing(function):
    """Tell whether a body is empty, or no more than ``return ...``."""
    code = list(dis.get_instructions(function))
    trivial = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
    constants = [step.argval for step in code if step.opname.endswith("_CONST")]
    return {step.opname for step in code} <= trivial and constants[-1] in (None, ...)


@contextlib.contextmanager
def _states_kept():
    python, dtype = random.getstate(), torch.get_default_dtype()
    numpy = np.random.get_state()  # noqa: NPY002  (readers' code may draw from it)
    with torch.random.fork_rng(), torch.enable_grad():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
            torch.set_default_dtype(dtype)
