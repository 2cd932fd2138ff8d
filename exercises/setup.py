"""Checkers for the exercises: setup."""

import contextlib
import datetime
import time
import timeit
from types import SimpleNamespace

import numpy as np
import torch

from helpers.device import available_devices
from helpers.exercises import call, call_as_is, exercise, explain, require

from .behaviour import operators, replaced

# Operators that bring numbers to another place and leave them as they are.
MOVES = {"_to_copy", "copy_", "clone", "detach", "empty_like", "_local_scalar_dense"}


@contextlib.contextmanager
def _clock(answer):
    """Yield a clock that the checker sets, in place of the computer's.

    So no machine's speed decides about the answer. `now` is what it shows, in seconds;
    `asked` tells how often it was read, `processor` whether the time of the processor
    was asked for instead.
    """
    clock = SimpleNamespace(now=1000.0, asked=0, processor=False)

    def wall():
        clock.asked += 1
        return clock.now

    def processor():
        clock.processor = True
        return 0

    class Calendar(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(wall(), tz)

    fakes = [(timeit, "default_timer", wall), (datetime, "datetime", Calendar)]
    for name in ("perf_counter", "monotonic", "time"):
        fakes.append((time, name, wall))
        fakes.append((time, f"{name}_ns", lambda: round(1e9 * wall())))
    for name in ("process_time", "thread_time"):
        if hasattr(time, name):  # not every system counts the time of threads
            fakes += [(time, name, processor), (time, f"{name}_ns", processor)]
    with replaced(answer, *fakes):
        yield clock


def _require_asked(clock):
    require(
        clock.asked or not clock.processor,
        "`time.process_time` and `time.thread_time` count how long the processor "
        "worked, and leave out all waiting: `time.perf_counter` shows the time that "
        "passes.",
    )
    require(
        clock.asked,
        "The check hasn't seen you look at a clock: call `time.perf_counter()` before "
        "and after.",
    )


@exercise(
    "ex-verdict",
    title="Read the pair",
    hints=(
        "begin with the pair that can't occur. Then ask which pair each of the three "
        "strings describes.",
        "a PyTorch that isn't built for a kind of GPU can't find one, so the pair that "
        "can't occur is available without built: `raise` there. After that, "
        '`available` alone decides `"ready"`, and `built` tells the other two strings '
        "apart.",
    ),
    shown='"Built" is about the software, "available" about the machine.',
)
def verdict(function):
    said = {
        pair: call(function, built=pair[0], available=pair[1])
        for pair in [(True, True), (True, False), (False, False)]
    }
    require(
        said[True, False] != "ready",
        "A PyTorch that's built for a GPU isn't ready before it finds one.",
    )
    require(
        said[True, False] != "wrong build",
        "If PyTorch is built for a GPU and finds none, the build is right; what's "
        "missing is outside of PyTorch.",
    )
    right = {
        (True, True): "ready",
        (True, False): "no hardware or driver",
        (False, False): "wrong build",
    }
    for (built, available), expected in right.items():
        got = said[built, available]
        require(
            got == expected,
            f"For built={built} and available={available} it returns {got!r}.",
        )
    try:
        answer = function(built=False, available=True)
    except ValueError:
        return
    require(
        False,
        f"For the pair that can't occur you return {answer!r}: raise a ValueError, so "
        "that someone notices.",
    )


@exercise(
    "ex-double",
    title="There and back",
    hints=(
        "make the tensor with `dtype=` and `device=`. On the way to NumPy, it has to "
        "come back to main memory.",
        "`torch.tensor(values, dtype=…, device=device)` makes it right where it's "
        "needed. NumPy can't read a GPU's memory, so call `.cpu()` on the doubled "
        "tensor before `.numpy()`.",
    ),
    shown="`.cpu()` before NumPy costs nothing on the CPU, and you need it elsewhere.",
)
def double(double_on):
    for device in [*available_devices(), torch.device(available_devices()[0])]:
        for values in ([1, 2.5], [3, 4], torch.randn(7).tolist()):
            result = call(double_on, values, device)
            require(
                isinstance(result, np.ndarray),
                f"The result is a {type(result).__name__}, not a NumPy array.",
            )
            require(
                result.dtype == np.float32,
                f"From {values} you get {result.dtype}: say `dtype=torch.float32`, as "
                "whole numbers become integers and MPS has no float64.",
            )
            require(
                np.allclose(result, 2 * np.array(values)), "The values aren't doubled."
            )
    # A meta tensor has no numbers to fetch, so what happens to it tells the way.
    fetched = False
    with (
        explain(
            TypeError,
            "NumPy can't read a GPU's memory: call `.cpu()` first.",
        ),
        operators(device="meta") as there,
    ):
        try:
            double_on([1.0, 2.0], "meta")
        except (RuntimeError, NotImplementedError):
            fetched = True
    require(fetched, "The tensor was never on the device: you don't use the argument.")
    require(
        there - MOVES,
        "The numbers travel to the device, but nothing is computed there: double them "
        "between the two moves.",
    )


@exercise(
    "ex-move",
    title="Move a batch",
    hints=(
        "a batch can hold batches, so let the function call itself for the parts of a "
        "list, a tuple or a dict.",
        "ask for the type with `isinstance`: a tensor is moved with `.to(device)`, a "
        "dict becomes `{key: move(value, device) for …}`, a list or a tuple is built "
        "again with `type(batch)(…)`. Anything else is returned as it is.",
    ),
    shown="A function that calls itself handles a batch of any form.",
)
def move(function):
    def make():
        pair = (torch.ones(2), [torch.zeros(1), 5])
        return {"image": torch.ones(2, 3), "pair": pair, "name": "cat.png"}

    def tensors(batch):
        if isinstance(batch, torch.Tensor):
            return [batch]
        if isinstance(batch, dict):
            batch = list(batch.values())
        parts = batch if isinstance(batch, (list, tuple)) else []
        return [one for part in parts for one in tensors(part)]

    require(
        call(function, torch.ones(2), "meta").is_meta,
        "A single tensor stays where it is: `.to` returns the moved one.",
    )
    for batch in (make(), [torch.ones(1), make()], (torch.ones(1), "a.png")):
        before = tensors(batch)
        with explain(
            AttributeError,
            "You call `.to` on something that isn't a tensor: go into containers, and "
            "leave the rest as it is.",
        ):
            moved = call_as_is(function, batch, "meta")
        after = tensors(batch)
        require(
            all(one is two for one, two in zip(before, after, strict=True)),
            "The original has changed: build a new container.",
        )
        require(
            type(moved) is type(batch),
            f"A {type(batch).__name__} comes back as a {type(moved).__name__}.",
        )
        found = tensors(moved)
        require(
            len(found) == len(before) and all(one.is_meta for one in found),
            "A tensor inside a container stays behind: what about lists, tuples and "
            "dicts inside one another?",
        )
    moved = function(make(), "meta")
    require(
        type(moved["pair"]) is tuple and type(moved["pair"][1]) is list,
        "An inner container has changed its type: a tuple should come back as a tuple.",
    )
    require(
        moved["name"] == "cat.png" and moved["pair"][1][1] == 5,
        "Anything that isn't a tensor has to stay what it is.",
    )


@exercise(
    "ex-your-gpu",
    title="Practise on a GPU of your own",
    hints=(
        "for each name, train once without a clock, and then once with it.",
        "`time.perf_counter()` before and after the second call gives you the seconds. "
        "`train` returns four things, the losses last, and `losses[-1].item()` makes a "
        "Python number of the last one.",
    ),
    shown="The first run pays for what happens only once; the second run is the "
    "measurement.",
)
def race(function):
    durations = {}

    def train(name, steps=500):
        runs = durations.setdefault(str(name), [])
        runs.append(0.02 if runs else 0.2)
        clock.now += runs[-1]
        losses = torch.linspace(9, 1, 5) / len(str(name)) + len(runs)
        return torch.zeros(1), torch.zeros(1), torch.nn.Identity(), losses

    names = ["first", "second one"]
    with _clock(function) as clock:
        results = call(function, train, names)
    require(
        isinstance(results, dict) and list(results) == names,
        "The dictionary needs one entry per name.",
    )
    for name, result in results.items():
        require(
            isinstance(result, (tuple, list)) and len(result) == 2,
            "Each entry is a pair: last loss and seconds.",
        )
        loss, seconds = result
        warm, *counted = durations[name]
        require(
            counted,
            "You train only once on each device, so the clock includes the warm-up.",
        )
        require(
            not isinstance(loss, torch.Tensor),
            "The loss is still a tensor: `.item()` fetches the number.",
        )
        require(
            isinstance(loss, (int, float)) and isinstance(seconds, (int, float)),
            "Each entry is a pair of Python numbers.",
        )
        first = 9 / len(name) + len(durations[name])
        require(
            abs(loss - first) > 1e-4,
            "That's the first loss of the training, not the last.",
        )
        require(
            any(
                abs(loss - 1 / len(name) - run) < 1e-4
                for run in range(2, 2 + len(counted))
            ),
            "That's not the last loss of the training that was timed.",
        )
        _require_asked(clock)
        require(
            seconds < warm + min(counted) - 1e-6,
            "The seconds include the warm-up: start the clock after it.",
        )
        require(
            min(counted) - 1e-6 < seconds < max(counted) + 1e-6,
            "Those aren't the seconds of one training.",
        )


@exercise(
    "ex-seconds",
    title="A stopwatch without traps",
    hints=(
        "start the clock when the warm-up is really over, and stop it when the work is "
        "really done.",
        "call `synchronize(device)` once between the warm-up and the first "
        "`time.perf_counter()`, and once between the last call and the second one. "
        "Divide the difference by `repeats` only.",
    ),
    shown="One wait keeps the warm-up out of the measurement, the other keeps the work "
    "in.",
)
def seconds(seconds_per_call):
    gpu = torch.device("cuda")
    queue, calls = 0.0, 0

    def work():
        """Put work on the list of an imagined GPU, and return at once."""
        nonlocal queue, calls
        clock.now += 1e-5
        queue += 0.5 if calls == 0 else 0.01
        calls += 1

    def wait(*_, **__):
        nonlocal queue
        clock.now, queue = clock.now + queue, 0.0

    imagined = replaced(
        seconds_per_call,
        (torch.accelerator, "synchronize", wait),
        (torch.accelerator, "is_available", lambda: True),
        (torch.accelerator, "current_accelerator", lambda *_, **__: gpu),
        (torch.cuda, "synchronize", wait),
        (torch.cuda, "is_available", lambda: True),
    )
    with imagined, _clock(seconds_per_call) as clock:
        took = float(call(seconds_per_call, work, gpu, 8, 2))
    require(
        calls == 10,
        f"With 8 repeats and 2 calls as a warm-up, `function` is called {calls} times.",
    )
    _require_asked(clock)
    right = 0.01 + 1e-5
    require(
        took > 2e-5 * 8,
        "You've measured how long it takes to give the orders: wait for the device "
        "before you stop the clock.",
    )
    require(
        abs(took - 8 * right) > 1e-4,
        "That's the time of all calls together, not the mean of one.",
    )
    require(abs(took - 1000 * right) > 1e-1, "That's in milliseconds, not in seconds.")
    require(
        took < 0.05,
        "The warm-up is in the measurement: its work is still running when the clock "
        "starts.",
    )
    require(
        abs(took - right) < 1e-4,
        f"A call of 10 ms is measured as {1000 * took:.1f} ms.",
    )

    def work_at_once():
        clock.now += 0.01

    def refuse(*_, **__):
        raise _NothingToWaitForError("no accelerator")

    imagined = replaced(
        seconds_per_call,
        (torch.accelerator, "synchronize", refuse),
        (torch.accelerator, "is_available", lambda: False),
        (torch.accelerator, "current_accelerator", lambda *_, **__: None),
        (torch.cuda, "synchronize", refuse),
        (torch.cuda, "is_available", lambda: False),
    )
    with (
        explain(
            _NothingToWaitForError,
            "On a computer without a GPU, `torch.accelerator.synchronize` raises an "
            "error: wait only if `device.type` isn't `cpu`.",
        ),
        imagined,
        _clock(seconds_per_call) as clock,
    ):
        took = float(call(seconds_per_call, work_at_once, torch.device("cpu")))
    require(
        abs(took - 0.01) < 1e-4,
        f"On the CPU, a call of 10 ms is measured as {1000 * took:.1f} ms.",
    )


class _NothingToWaitForError(RuntimeError):
    """What waiting for an accelerator raises where there is none."""


@exercise(
    "ex-report",
    title="Read a report",
    hints=(
        "which of the two notes makes you doubt what the other one says?",
        "the report may be about a different Python from the one that trains. What do "
        "you fix first, how do you find out whether that was all, and what's left to "
        "do if it wasn't? Two of the five names don't help at all: read once more what "
        "PyTorch is built for.",
    ),
    shown="First make sure that the report is about the Python that trains, then "
    "believe it.",
)
def report(steps):
    steps = list(steps)
    known = {"driver", "build", "kernel", "doctor", "insist"}
    require(set(steps) <= known, f"Use these names only: {', '.join(sorted(known))}.")
    require(
        "build" not in steps,
        "The build is right: the report says that it's made for CUDA.",
    )
    require(
        "insist" not in steps,
        "If you insist on a device that PyTorch can't find, you get an error, and "
        "nothing is fixed.",
    )
    require("kernel" in steps, "The notebooks still run in another Python.")
    require("driver" in steps, "PyTorch still finds no GPU.")
    require(
        steps.index("kernel") < steps.index("driver"),
        "The doctor examined one Python and the training runs in another: what it says "
        "about CUDA may not be true there, and it's too early to work on the driver. "
        "So the kernel comes first.",
    )
    require(
        "doctor" in steps[steps.index("kernel") : steps.index("driver")],
        "Between the two, ask the doctor again, in a notebook: only then is the note "
        "about CUDA about the Python that trains.",
    )
