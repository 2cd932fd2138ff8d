"""Say whether the answer to an exercise is right: `check`, and what checkers build on.

The checkers themselves are in the package `first_tensor_exercises`, each under its
exercise's label; nothing here knows a chapter.
"""

import ast
import contextlib
import copy
import ctypes
import dis
import functools
import importlib
import importlib.resources
import inspect
import linecache
import math
import os
import queue
import random
import re
import signal
import sys
import textwrap
import threading
import time
import traceback
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

import numpy as np
import torch

CHECKERS = "first_tensor_exercises"
# How a module of checkers registers one.
REGISTERED = re.compile(r"^@exercise\(\s*\"([\w-]+)\"", re.M)
# Several times what the slowest right answer takes on a slow, busy machine.
SECONDS = 60


class NotSolvedError(Exception):
    """The reader has not written an answer yet."""


class WrongAnswerError(Exception):
    """An answer that is not right; the message names the misconception."""


@dataclass(frozen=True)
class Exercise:
    """A checker, the first hint, what a right answer has shown, and its settings."""

    checker: Callable
    hint: str
    shown: str
    methods: tuple[str, ...]
    seconds: float


EXERCISES: dict[str, Exercise] = {}


def exercise(label, *, hint, shown, methods=(), seconds=SECONDS):
    """Register the decorated function as the checker of an exercise.

    The checker takes the answers in the order of the stub's `check` call, and raises
    through `require`, `explain` and `call`. It is never called while an answer is
    still a stub; where the stub has another form than those that `check` knows, such
    as an empty list, it raises `NotSolvedError` itself.

    Parameters
    ----------
    label : str
        The label of the exercise in its chapter, such as ``"ex-slices"``.
    hint : str
        The first hint: what to try, without the answer.
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
        If the label is taken.
    """

    def register(checker):
        if label in EXERCISES:
            raise ValueError(f"label {label!r} has a checker already")
        EXERCISES[label] = Exercise(checker, hint, shown, tuple(methods), seconds)
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


def check(label, *answers):
    """Say whether an answer is right, what is wrong with it, or give a first hint.

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
        more than ``...``, `pass` or a docstring, and a class whose body, whose methods
        are all ``...``, or where the stub's open methods are.
    """
    cell = inspect.currentframe().f_back.f_code.co_filename
    try:
        with _interrupts() as interrupts:
            said = _verdict(label, answers, cell)
    except BaseException as error:
        said = f"not yet. {_stop(error, {cell})}"
    if interrupts:
        said = "you stopped the check, so this was not judged."
    named = label if type(label) is str else "check"
    print(textwrap.fill(f"{named}: {said}", width=76, break_on_hyphens=False))
    if interrupts:
        raise KeyboardInterrupt


def _verdict(label, answers, cell):
    if type(label) is not str:
        return (
            "the first argument is the label of an exercise, a string such as "
            f'"ex-slices"; this is of the type {type(label).__name__}.'
        )
    this = _find(label)
    if this is None:
        alike = " or ".join(get_close_matches(label, _modules(), n=2))
        meant = f" Did you mean {alike}?" if alike else ""
        return f"there is no exercise of this name.{meant}"
    given = os.environ.get("COURSE_CHECK_SECONDS") or this.seconds
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

    def judge():
        if any(_is_stub(answer, cell, this.methods) for answer in answers):
            raise NotSolvedError
        this.checker(*answers)

    try:
        with _originals(), _settings_kept(), _random_states_kept():
            _within(seconds, judge)
    except NotSolvedError:
        return f"not solved yet. Hint: {this.hint}"
    except WrongAnswerError as wrong:
        return f"not yet. {wrong}"
    except _TimeUpError:
        return (
            f"not finished after {seconds:g} s, so this was not judged. Is there a "
            "loop in your code that never ends? If it is only slow, set the "
            "environment variable COURSE_CHECK_SECONDS to more seconds."
        )
    except BaseException as error:
        own = {cell, *map(_file_of, answers)}
        said = _stop(error, own)
        if any(answer is None for answer in answers):
            said += ". One of your answers is None."
        return f"not yet. {said}"
    return f"right. {this.shown}"


def _stop(error, own):
    """Say which error stopped the check, and where in the reader's cells, if there."""
    try:
        text = str(error).strip().partition("\n")[0]
    except BaseException:
        text = ""  # an error of the reader's own, whose text is an error too
    reason = f"{type(error).__name__}: {text}".removesuffix(": ")
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
    code = list(dis.get_instructions(_plain(function)))
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


# The limit of time.


class _TimeUpError(BaseException):
    """The limit has passed. No `except Exception` of the reader catches this."""


class _TimeUpForGoodError(_TimeUpError):
    """The same for code that has caught it: every line there raises it from now on.

    A bare `except` in a loop catches all that is raised in the `try`; in the lines
    outside of it, it cannot.
    """

    def __init__(self):
        frame = sys._getframe(1)
        while frame:
            if frame.f_globals.get("__name__") == "__main__":
                frame.f_trace = _raise_here
            frame = frame.f_back
        sys.settrace(_raise_here)


def _raise_here(frame, event, argument):
    """Raise `_TimeUpError` soon in a line of the reader's (a function for tracing)."""
    if frame.f_globals.get("__name__") != "__main__":
        return None
    _raise_in(threading.get_ident(), _TimeUpError)
    return _raise_here


def _raise_in(thread, error):
    """Raise an error in a thread when it next runs Python code; None takes it back."""
    error = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), error)


def _within(seconds, run):
    """Call `run()`, and raise `_TimeUpError` if it takes more than `seconds`.

    Signals would be simpler, but Windows has no alarm. So another thread watches.
    """
    thread, traced = threading.get_ident(), sys.gettrace()
    stop, ended = queue.SimpleQueue(), []

    def watch():
        wait, error = seconds, _TimeUpError
        while True:
            try:
                stop.get(timeout=wait)
                break
            except queue.Empty:
                _raise_in(thread, error)
                # Time to leave blocks that tidy up; then by force.
                wait, error = min(2, seconds), _TimeUpForGoodError
        ended.append(True)

    def end():
        """Stop the watcher; afterwards nothing is raised any more."""
        while True:
            try:
                sys.settrace(traced)
                stop.put(None)
                while not ended:
                    time.sleep(1e-4)
                _raise_in(thread, None)
                return
            except _TimeUpError:
                continue

    threading.Thread(target=watch, daemon=True).start()
    try:
        try:
            run()
        finally:
            end()
    except _TimeUpError:
        end()
        raise


@contextlib.contextmanager
def _interrupts():
    """Yield a list that is empty as long as nobody interrupts the kernel.

    An answer can raise `KeyboardInterrupt` too; only a signal is a person's wish.
    """
    seen = []
    before = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not (main and callable(before)):
        yield seen
        return

    def note(number, frame):
        seen.append(number)
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


# What a check leaves as it was.

OWNERS = (
    *(torch, torch.Tensor, torch.accelerator, torch.autograd, torch.cuda),
    *(torch.linalg, torch.optim, torch.random, torch.testing),
    *(torch.nn, torch.nn.functional, torch.nn.init, torch.nn.utils),
    *(one for one in vars(torch.nn).values() if isinstance(one, type)),
    *(np, np.linalg, np.random, np.testing, copy, math, random, time),
)
ORIGINALS = [(owner, dict(vars(owner))) for owner in OWNERS]
_GONE = object()


@contextlib.contextmanager
def _originals():
    """Put back what was replaced in PyTorch, NumPy and others, and then replace again.

    A checker that asks `torch.allclose` wants PyTorch's, whatever a cell above has put
    in its place.
    """
    replaced = _replaced()
    for owner, name, _, original in replaced:
        _put(owner, name, original)
    try:
        yield
    finally:
        for owner, name, _, original in _replaced():
            _put(owner, name, original)
        for owner, name, now, _ in replaced:
            _put(owner, name, now)


def _put(owner, name, value):
    if value is _GONE:
        delattr(owner, name)
    else:
        setattr(owner, name, value)


def _replaced():
    """List owner, name, what is there now, and the original of what was replaced."""
    found = []
    for owner, originals in ORIGINALS:
        present = vars(owner)
        for name, original in originals.items():
            now = present.get(name, _GONE)
            if now is not original and callable(original):
                found.append((owner, name, now, original))
        if isinstance(owner, type):
            # What a class inherited is replaced by what it has of its own.
            added = present.keys() - originals.keys()
            found += [
                (owner, name, present[name], _GONE)
                for name in added
                if hasattr(super(owner, owner), name)
            ]
    return [one for one in found if not _by_library(*one[2:])]


def _by_library(function, original):
    """Tell whether a library has put this in place: torch wraps some when in use."""
    module = getattr(function, "__globals__", {}).get("__name__")
    if original is _GONE:
        return module not in ("__main__", None)
    names = "__module__", "__qualname__", "__name__"
    return module != "__main__" and all(
        getattr(function, name, None) == getattr(original, name, None) for name in names
    )


def _attributes(owner, *names):
    """Return functions that get and set attributes of an object."""

    def get():
        values = {}
        for name in names:
            # PyTorch refuses to read an old flag after a new one was set.
            with contextlib.suppress(AttributeError, RuntimeError):
                values[name] = getattr(owner, name)
        return values

    def put(values):
        for name, value in values.items():
            setattr(owner, name, value)

    return get, put


def _working_directory():
    try:
        return os.getcwd()
    except OSError:  # deleted
        return None


def _set_environment(values):
    os.environ.clear()
    os.environ.update(values)


def _set_filters(filters):
    warnings.resetwarnings()
    warnings.filters[:] = filters


SETTINGS = [
    (torch.get_default_dtype, torch.set_default_dtype),
    (
        torch.get_default_device,
        lambda one: torch.set_default_device(None if one.type == "cpu" else one),
    ),
    (
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        lambda values: torch.use_deterministic_algorithms(
            values[0], warn_only=values[1]
        ),
    ),
    _attributes(torch.utils.deterministic, "fill_uninitialized_memory"),
    _attributes(
        torch.backends.cudnn, "enabled", "benchmark", "deterministic", "allow_tf32"
    ),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.get_num_threads, torch.set_num_threads),
    (
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda values: torch.set_anomaly_enabled(*values),
    ),
    (
        lambda: {kind: torch.is_autocast_enabled(kind) for kind in _kinds()},
        lambda values: [torch.set_autocast_enabled(*one) for one in values.items()],
    ),
    (torch.is_warn_always_enabled, torch.set_warn_always),
    (
        lambda: dict(vars(torch._tensor_str.PRINT_OPTS)),
        lambda values: vars(torch._tensor_str.PRINT_OPTS).update(values),
    ),
    (np.geterr, lambda values: np.seterr(**values)),
    (np.get_printoptions, lambda values: np.set_printoptions(**values)),
    (lambda: list(warnings.filters), _set_filters),
    _attributes(warnings, "showwarning"),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    _attributes(sys, "stdin", "stdout", "stderr"),
    (_working_directory, lambda folder: folder and os.chdir(folder)),
    (lambda: dict(os.environ), _set_environment),
]


@contextlib.contextmanager
def _settings_kept():
    before = [get() for get, _ in SETTINGS]
    with contextlib.ExitStack() as defaults:
        defaults.enter_context(torch.inference_mode(False))
        defaults.enter_context(torch.enable_grad())
        if torch.get_default_device().type != "cpu":
            defaults.enter_context(torch.device("cpu"))
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            defaults.close()
            for (get, put), value in zip(SETTINGS, before, strict=True):
                if get() != value:
                    put(value)


def _kinds():
    """List the types of devices of this machine."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return ["cpu"] if accelerator is None else ["cpu", accelerator.type]


def _generators():
    """Return pairs of functions that get and set each random state there is."""
    pairs = [
        (random.getstate, random.setstate),
        # Readers' code may draw from it.
        (np.random.get_state, np.random.set_state),
        (torch.get_rng_state, torch.set_rng_state),
    ]
    for kind in _kinds()[1:]:
        module = torch.get_device_module(kind)
        for index in range(module.device_count()):
            device = torch.device(kind, index)
            pairs.append(
                (
                    functools.partial(module.get_rng_state, device),
                    functools.partial(module.set_rng_state, device=device),
                )
            )
    return pairs


@contextlib.contextmanager
def _random_states_kept():
    states = [(put, get()) for get, put in _generators()]
    try:
        yield
    finally:
        for put, state in states:
            put(state)
