"""Say whether the answer to an exercise is right: `check`, and what checkers build on.

The checkers themselves are in the package `first_tensor_exercises`, each under its
exercise's label; nothing here knows a chapter.
"""

import ast
import contextlib
import copy
import dis
import importlib
import importlib.resources
import inspect
import linecache
import os
import re
import reprlib
import textwrap
import threading
import traceback
import types
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

import numpy as np
import torch

from helpers._guard import TimeUpError, guarded, interrupts, patches_undone

CHECKERS = "first_tensor_exercises"
# How a module of checkers registers one.
REGISTERED = re.compile(r"^@exercise\(\s*\"([\w-]+)\"", re.M)
# Several times what the slowest right answer takes on a slow, busy machine.
SECONDS = 60
# Holds a call together that readers are told to type; printed as an ordinary space.
NO_BREAK = "\N{NO-BREAK SPACE}"


class NotSolvedError(Exception):
    """The reader has not written an answer yet."""


class WrongAnswerError(Exception):
    """An answer that is not right; the message names the misconception."""


@dataclass(frozen=True)
class Exercise:
    """A checker, what it says besides its verdict, and its settings."""

    checker: Callable
    title: str
    number: int
    hints: tuple[str, str]
    shown: str
    methods: tuple[str, ...]
    seconds: float

    @property
    def name(self):
        """What the chapter calls it, such as "Exercise 2 (Seeds)"."""
        return f"Exercise {self.number} ({self.title})"


EXERCISES: dict[str, Exercise] = {}


def exercise(label, *, title, hints, shown, methods=(), seconds=SECONDS):
    """Register the decorated function as the checker of an exercise.

    The checkers of a chapter stand in one file, in the order of its exercises: that
    gives the number under which `check` speaks of one.

    The checker takes the answers in the order of the stub's `check` call, and raises
    through `require`, `explain` and `call`. It is never called while an answer is
    still a stub; where the stub has another form than those that `check` knows, such
    as an empty list, it raises `NotSolvedError` itself.

    Parameters
    ----------
    label : str
        The label of the exercise in its chapter, such as ``"ex-slices"``.
    title : str
        Its title, as in the chapter.
    hints : tuple of str
        What to try, without the answer; then the function, or the step, at which people
        get stuck. Sentences that can follow "Hint:".
    shown : str
        What a right answer has shown: a fact worth remembering.
    methods : tuple of str, optional
        Methods that the stub leaves open in a class that is otherwise written.
    seconds : float, optional
        How long the checker may take, several times what a right answer takes on a
        slow machine.

    Returns
    -------
    callable
        A decorator that returns its function unchanged.

    Raises
    ------
    ValueError
        If the label is taken, or the hints are not two strings.
    """
    if type(hints) is not tuple or [type(hint) for hint in hints] != [str, str]:
        raise ValueError(f"hints must be two strings in a tuple, got {hints!r}")

    def register(checker):
        if label in EXERCISES:
            raise ValueError(f"label {label!r} has a checker already")
        modules = [one.checker.__module__ for one in EXERCISES.values()]
        EXERCISES[label] = Exercise(
            checker=checker,
            title=title,
            number=modules.count(checker.__module__) + 1,
            hints=hints,
            shown=shown,
            methods=tuple(methods),
            seconds=seconds,
        )
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
    """Call the reader's function with copies of the arguments; return its result.

    Tensors, arrays, modules, and lists, tuples, sets and dicts of them are copied, with
    dtype, device and `requires_grad`, parameters without their `grad`. Tensors that
    share memory do so still, unless they have a history in autograd. All else is
    handed over as it is. So nothing that the function does to its arguments reaches
    the numbers from which the checker computes the truth.

    The result ``...`` counts as not solved, and None is refused.
    """
    memo = {}
    args, kwargs = (_copied(given, memo) for given in (args, kwargs))
    return call_as_is(function, *args, **kwargs)


def call_as_is(function, *args, **kwargs):
    """Call the reader's function with the arguments themselves; return its result.

    For an exercise that is about what happens to the arguments: a model is trained, a
    list has to stay as it was. The function can change anything, so compute what you
    expect before. The result is treated as `call` does.
    """
    with patches_undone():
        result = function(*args, **kwargs)
    if result is ...:
        raise NotSolvedError
    if result is None:
        name = getattr(function, "__name__", "Your function")
        require(
            _returns_value(function),
            f"`{name}` gives None back: where is its `return`?",
        )
        raise WrongAnswerError(
            f"`{name}` returned None: either what stands after its `return` is None, "
            "or this call ended without reaching one."
        )
    return result


def check(label, *answers, hint=None):
    """Say whether an answer is right, what is wrong with it, or give a hint.

    Prints one paragraph, whatever the answer does. Only an interrupt of the kernel
    during the check is raised again, after the paragraph. Chapter 01 uses it first.

    The check runs under PyTorch's defaults (device, dtype, autograd on) and with the
    functions of PyTorch, NumPy, `random`, `math`, `time` and `copy` as they were when
    this module was imported. Afterwards what was replaced in those is as before, and
    so are: random states of Python, NumPy and PyTorch on all devices; default device
    and dtype; modes of autograd, autocast, determinism and precision; the number of
    threads; print options; NumPy's treatment of errors; warning filters; recursion
    limit; standard streams; working directory and environment variables. Files, and
    objects of yours that your code changes when it is called, stay changed.

    A check that takes longer than a minute is stopped and not judged; the environment
    variable COURSE_CHECK_SECONDS sets another limit. One call into C code that never
    returns is beyond it: interrupt the kernel.

    Parameters
    ----------
    label : str
        The label of the exercise, such as ``"ex-slices"``.
    *answers
        What the reader wrote: values, functions or classes. These are not solved yet:
        ``...``, a list, tuple, set or dict that holds one, a function whose body is no
        more than ``...``, `pass` or a docstring, and a class whose body is ``...``, or
        one of whose methods that the stub leaves open has such a body.
    hint : {1, 2}, optional
        Give this hint instead of a verdict; then no answers are needed.
    """
    cell = inspect.currentframe().f_back.f_code.co_filename
    with interrupts() as interrupted:
        try:
            if unknown := _unknown(label):
                said = f": {unknown}"
            elif hint is None:
                said = f": {_verdict(label, answers, cell)}"
            else:
                said = _hint_asked(label, hint)
        except BaseException as error:
            said = f": the check itself has failed, with {_text(error)}"
    if interrupted:
        said = ": you stopped the check, so this was not judged."
    if type(label) is not str:
        named = "check"
    else:
        named = EXERCISES[label].name if label in EXERCISES else label
    filled = textwrap.fill(f"{named}{said}", width=76, break_on_hyphens=False)
    print(filled.replace(NO_BREAK, " "))
    if interrupted:
        raise KeyboardInterrupt


def _verdict(label, answers, cell):
    """Judge the answers to an exercise that there is; return what to say of them."""
    given = os.environ.get("COURSE_CHECK_SECONDS") or EXERCISES[label].seconds
    try:
        seconds = float(given)
        valid = 0 < seconds <= threading.TIMEOUT_MAX
    except ValueError:
        valid = False
    if not valid:
        return (
            f"COURSE_CHECK_SECONDS is {given!r}, and has to be a number of seconds "
            "above 0."
        )

    try:
        return guarded(lambda: _judged(label, answers, cell), seconds)
    except TimeUpError:
        return (
            f"not finished after {seconds:g} s, so this was not judged. Is there a "
            "loop in your code that never ends? If it is only slow, set the "
            "environment variable COURSE_CHECK_SECONDS to more seconds."
        )


def _unknown(label):
    """Say what is wrong with a label, or return nothing."""
    if type(label) is not str:
        return (
            "the first argument is the label of an exercise, a string such as "
            f'"ex-slices"; this is of the type {type(label).__name__}.'
        )
    if _find(label):
        return ""
    alike = " or ".join(get_close_matches(label, _modules(), n=2))
    meant = f" Did you mean {alike}?" if alike else ""
    return f"there is no exercise of this name.{meant}"


def _hint_asked(label, hint):
    """Return what follows the exercise's name when a reader asks for a hint."""
    if type(hint) is not int or hint not in (1, 2):
        return (
            f": `hint` has to be 1 or 2, and is {reprlib.repr(hint)}. Leave it out to "
            "have your answer checked."
        )
    return f", hint {hint}: {_hint(label, hint)}"


def _hint(label, number):
    """Return a hint, and after the first how to ask for the second."""
    said = EXERCISES[label].hints[number - 1]
    if number == 1:
        said += f' For more, ask check("{label}",{NO_BREAK}hint=2).'
    return said


def _judged(label, answers, cell):
    this = EXERCISES[label]
    try:
        if any(_is_stub(answer, cell, this.methods) for answer in answers):
            raise NotSolvedError
        this.checker(*answers)
    except NotSolvedError:
        return f"not solved yet. Hint: {_hint(label, 1)}"
    except WrongAnswerError as wrong:
        return f"not yet. {wrong}"
    except TimeUpError:
        raise
    except BaseException as error:
        said = _stop(error, {cell, *map(_file_of, answers)})
        if any(answer is None for answer in answers):
            said += ". One of your answers is None."
        return f"not yet. {said}"
    return f"right. {this.shown}"


def _text(error):
    """Return the type of an error and the first line of its text."""
    try:
        text = str(error).strip().partition("\n")[0]
    except TimeUpError:
        raise
    except BaseException:
        text = ""  # an error of the reader's own, whose text is an error too
    return f"{type(error).__name__}: {text}".removesuffix(": ")


def _stop(error, own):
    """Say which error stopped the check, and where in the reader's cells, if there."""
    reason = _text(error)
    steps = traceback.extract_tb(error.__traceback__)
    steps = [step for step in steps if step.filename in own]
    if not steps:
        return f"The check cannot use your answer: {reason}"
    where = f" at `{steps[-1].line}`" if steps[-1].line else ""
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


# Is it still the stub? What answers do when they are asked is not to be trusted, so
# this looks at types and code only.


def _is_stub(answer, cell, methods):
    """Tell whether an answer is still what the stub in the `cell` had."""
    kind = type(answer)
    if answer is ...:
        return True
    if kind in (list, tuple, set):
        return any(value is ... for value in answer)
    if kind is dict:
        return any(value is ... for value in answer.values())
    if kind is types.FunctionType:
        return _is_empty(answer)
    if issubclass(kind, type):
        open_ = [vars(answer).get(name) for name in methods]
        return _body_is_open(answer.__name__, cell) or any(
            type(method) is types.FunctionType and _is_empty(method) for method in open_
        )
    return False


def _is_empty(function):
    """Tell whether a body is a docstring, ``...``, `pass` or ``return ...`` at most."""
    function = _plain(function)
    if type(function) is not types.FunctionType:
        return False
    code = list(dis.get_instructions(function))
    trivial = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
    if not {step.opname for step in code} <= trivial:
        return False
    constants = [step.argval for step in code if step.opname.endswith("_CONST")]
    return constants[-1] is ... or (
        constants[-1] is None and not _returns_value(function)
    )


def _body_is_open(name, cell):
    """Tell whether the cell defines a class whose body is ``...``.

    A class does not know its source in a notebook, and its dictionary is the same for
    ``...`` as for `pass`, which can be all that a subclass needs.
    """
    try:
        tree = ast.parse("".join(linecache.getlines(cell)))
    except SyntaxError:
        return False
    bodies = [
        [getattr(getattr(one, "value", None), "value", None) for one in node.body]
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name == name
    ]
    return bool(bodies) and bodies[-1][-1] is ... and len(bodies[-1]) <= 2


def _plain(function):
    """Return the function behind a method or a decorator."""
    function = getattr(function, "__func__", function)
    with contextlib.suppress(ValueError):  # a circle of wrappers
        function = inspect.unwrap(function)
    return function


def _returns_value(function):
    """Tell whether a `return` with a value stands in a function, or may stand there."""
    function = _plain(function)
    if type(function) is not types.FunctionType or function.__name__ == "<lambda>":
        return True
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):
        return True
    inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
    nodes = list(tree.body[0].body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Return) and node.value is not None:
            return True
        if not isinstance(node, inner):
            nodes.extend(ast.iter_child_nodes(node))
    return False


def _file_of(answer):
    """Return the file, or the cell, in which a function or a class was written."""
    functions = vars(answer).values() if issubclass(type(answer), type) else [answer]
    for function in functions:
        if type(function) is types.FunctionType:
            return _plain(function).__code__.co_filename
    return None


def _copied(value, memo):
    """Copy the tensors, arrays and modules in a value; `memo` is that of `deepcopy`."""
    if isinstance(value, torch.Tensor) and value.grad_fn is not None:
        return value.clone()  # `deepcopy` refuses it: its history cannot be copied
    if isinstance(value, (torch.Tensor, np.ndarray, torch.nn.Module)):
        return copy.deepcopy(value, memo)
    if type(value) in (list, tuple, set):
        return type(value)(_copied(part, memo) for part in value)
    if isinstance(value, dict):
        copied = copy.copy(value)
        copied.update({key: _copied(part, memo) for key, part in value.items()})
        return copied
    return value
