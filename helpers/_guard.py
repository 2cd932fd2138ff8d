"""What surrounds the check of an exercise: a limit of time, and all put back after it.

Python, PyTorch and NumPy keep much of their state for the whole process. What an answer
does to it must reach neither the checker, which judges with the same functions, nor the
cells that follow.
"""

import contextlib
import copy
import ctypes
import dis
import functools
import math
import os
import queue
import random
import signal
import sys
import threading
import time
import warnings

import numpy as np
import torch

# A cell may replace `time.sleep`.
SLEEP = time.sleep


def guarded(run, seconds):
    """Return what `run()` returns, and leave the process as it was.

    Raises
    ------
    TimeUpError
        If it takes more than `seconds`.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_originals())
        _keep_settings(stack)
        _keep_random_states(stack)
        return _within(seconds, run)


class TimeUpError(BaseException):
    """The limit has passed. No `except Exception` of the reader catches this."""


class TimeUpForGoodError(TimeUpError):
    """The same for code that has caught it: the next loops there end with it.

    A bare `except` in a loop catches all that is raised in its `try`. The jump back to
    the loop's beginning stands outside of it.
    """

    def __init__(self):
        frame = sys._getframe(1)
        while frame:
            if frame.f_globals.get("__name__") == "__main__":
                frame.f_trace_opcodes = True
                frame.f_trace = _leave_loop
            frame = frame.f_back
        sys.settrace(_leave_loop)


# Jumps at which it was raised in vain: those of loops within the `try`.
_IN_VAIN = set()


def _leave_loop(frame, event, argument):
    """Raise `TimeUpError` where a loop of the reader's begins again (for tracing)."""
    if frame.f_globals.get("__name__") != "__main__":
        return None
    frame.f_trace_opcodes = True
    code, place = frame.f_code, frame.f_lasti
    if event == "opcode":
        while dis.opname[code.co_code[place]] == "EXTENDED_ARG":
            place += 2
        jump = "JUMP_BACKWARD" in dis.opname[code.co_code[place]]
        if jump and (code, place) not in _IN_VAIN:
            _IN_VAIN.add((code, place))
            raise TimeUpError
    return _leave_loop


def _raise_in(thread, error):
    """Raise an error in a thread when it next runs Python code; None takes it back."""
    error = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), error)


def _within(seconds, run):
    """Return what `run()` returns; raise `TimeUpError` after `seconds`.

    Signals would be simpler, but Windows has no alarm. So another thread watches.
    """
    _IN_VAIN.clear()
    thread, traced = threading.get_ident(), sys.gettrace()
    stop, ended = queue.SimpleQueue(), []

    def watch():
        wait, error = seconds, TimeUpError
        while True:
            try:
                stop.get(timeout=wait)
                break
            except queue.Empty:
                _raise_in(thread, error)
                # Time to leave blocks that tidy up; then by force.
                wait, error = min(2, seconds), TimeUpForGoodError
        ended.append(True)

    def end():
        """Stop the watcher; afterwards nothing is raised any more."""
        while True:
            try:
                if sys.gettrace() is not traced:
                    sys.settrace(traced)
                stop.put(None)
                while not ended:
                    SLEEP(1e-4)
                _raise_in(thread, None)
                break
            except TimeUpError:
                continue
        watcher.join()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        try:
            return run()
        finally:
            end()
    except TimeUpError:
        end()
        raise


@contextlib.contextmanager
def interrupts():
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

OWNERS = [torch, torch.Tensor, torch.accelerator, torch.autograd, torch.cuda]
OWNERS += [torch.linalg, torch.optim, torch.random, torch.testing]
OWNERS += [torch.nn, torch.nn.functional, torch.nn.init, torch.nn.utils]
OWNERS += [one for one in vars(torch.nn).values() if isinstance(one, type)]
OWNERS += [np, np.linalg, np.random, np.testing, copy, math, random, time]
# Of each owner all names, and what can be called: what checkers and answers rely on.
ORIGINALS = [
    (
        owner,
        set(vars(owner)),
        [item for item in vars(owner).items() if callable(item[1])],
    )
    for owner in OWNERS
]
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


@contextlib.contextmanager
def patches_undone():
    """Undo what the block has replaced; what a checker replaced before it stays so."""
    before = {(owner, name): now for owner, name, now, _ in _replaced()}
    try:
        yield
    finally:
        for owner, name, now, original in _replaced():
            was = before.pop((owner, name), original)
            if now is not was:
                _put(owner, name, was)
        for (owner, name), was in before.items():  # the block has put originals there
            _put(owner, name, was)


def _put(owner, name, value):
    if value is _GONE:
        delattr(owner, name)
    else:
        setattr(owner, name, value)


def _replaced():
    """List owner, name, what is there now, and the original of what was replaced."""
    found = []
    for owner, names, originals in ORIGINALS:
        present = vars(owner)
        found += [
            (owner, name, present.get(name, _GONE), original)
            for name, original in originals
            if present.get(name, _GONE) is not original
        ]
        if isinstance(owner, type):
            # What a class inherited is replaced by what it has of its own.
            added = present.keys() - names
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


def _keep_settings(stack):
    """Set the defaults, and let the stack put back what they were."""
    for get, put in SETTINGS:
        stack.callback(_restore, get, put, get())
    stack.enter_context(torch.inference_mode(False))
    stack.enter_context(torch.enable_grad())
    if torch.get_default_device().type != "cpu":
        stack.enter_context(torch.device("cpu"))
    torch.set_default_dtype(torch.float32)


def _restore(get, put, value):
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


def _keep_random_states(stack):
    for get, put in _generators():
        stack.callback(put, get())
