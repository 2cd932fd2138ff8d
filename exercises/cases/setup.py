"""What the checkers are tried on: setup."""

from . import Case, Mutant

CASES = {
    "ex-verdict": Case(
        mutants=(
            Mutant(
                "    if available and not built:\n"
                '        raise ValueError("available, but not built")\n',
                "",
                "raise a ValueError",
            ),
            Mutant("    if available:", "    if built:", "isn't ready before"),
            Mutant("if built else", "if not built else", "the build is right"),
        ),
        others=(
            """
def verdict(built, available):
    answers = {
        (1, 1): "ready",
        (1, 0): "no hardware or driver",
        (0, 0): "wrong build",
    }
    if (built, available) not in answers:
        raise ValueError("impossible")
    return answers[built, available]
""",
            """
class ImpossibleError(ValueError):
    pass


def verdict(built: bool, available: bool) -> str:
    match built, available:
        case True, True:
            return "ready"
        case True, False:
            return "no hardware or driver"
        case False, False:
            return "wrong build"
    raise ImpossibleError
""",
            """
_MEANINGS = {
    (True, True): "ready",
    (True, False): "no hardware or driver",
    (False, False): "wrong build",
}


def verdict(built: bool, available: bool) -> str:
    '''Say what the two answers about a kind of GPU mean together.'''
    try:
        return _MEANINGS[bool(built), bool(available)]
    except KeyError as error:
        raise ValueError(f"impossible pair {error}") from error
""",
        ),
    ),
    "ex-double": Case(
        mutants=(
            Mutant(".cpu()", "", "can't read a GPU"),
            Mutant(", device=device", "", "don't use the argument"),
            Mutant("dtype=torch.float32", "dtype=None", "integers"),
            Mutant("dtype=torch.float32", "dtype=torch.float64", "has no float64"),
            Mutant(".numpy()", "", "not a NumPy array"),
            Mutant(
                "(2 * tensor).cpu().numpy()",
                "2 * tensor.cpu().numpy()",
                "between the two",
            ),
        ),
        others=(
            """
def double_on(values, device):
    tensor = torch.Tensor(values).to(device)
    tensor *= 2
    return np.array(tensor.tolist(), dtype=np.float32)
""",
            """
def double_on(values: list, device) -> np.ndarray:
    host = torch.from_numpy(np.array(values, dtype=np.float32))
    there = torch.empty_like(host, device=device)
    there.copy_(host)
    there += there.clone()
    return np.asarray(there.to("cpu"))
""",
            """
def double_on(values: list, device) -> np.ndarray:
    '''Double the values on the device; return them as a NumPy array.'''
    host = torch.from_numpy(np.array(values, dtype=np.float32))
    there = torch.empty_like(host, device=device)
    there.copy_(host)
    there += there.clone()
    back = there.to("cpu")
    return np.asarray(back)
""",
        ),
    ),
    "ex-move": Case(
        mutants=(
            Mutant(
                "type(batch)(move(part, device) for part in batch)",
                "[move(part, device) for part in batch]",
                "comes back as a list",
            ),
            Mutant(
                "return {key: move(value, device) for key, value in batch.items()}",
                "batch.update({k: move(v, device) for k, v in batch.items()})\n"
                "        return batch",
                "The original has changed",
            ),
            Mutant("(list, tuple))", "list)", "stays behind"),
            Mutant(
                "key: move(value, device)",
                "key: value.to(device)",
                "isn't a tensor: go",
            ),
            Mutant(
                "        return batch.to(device)",
                "        batch.to(device)\n        return batch",
                "returns the moved one",
            ),
        ),
        others=(
            """
from torch.utils._pytree import tree_map


def move(batch, device):
    def one(leaf):
        return leaf.to(device) if torch.is_tensor(leaf) else leaf

    return tree_map(one, batch)
""",
            """
def move(batch, device):
    match batch:
        case torch.Tensor():
            return batch.to(device)
        case dict():
            return type(batch)((key, move(batch[key], device)) for key in batch)
        case list():
            return [move(part, device) for part in batch]
        case tuple():
            parts = [move(part, device) for part in batch]
            if hasattr(batch, "_fields"):  # a named tuple
                return type(batch)(*parts)
            return tuple(parts)
        case _:
            return batch
""",
            """
def move(batch, device):
    '''Return the batch with all its tensors on the device.'''
    match batch:
        case torch.Tensor():
            return batch.to(device)
        case dict():
            moved = {}
            for key in batch:
                moved[key] = move(batch[key], device)
            return moved
        case list():
            moved = []
            for part in batch:
                moved.append(move(part, device))
            return moved
        case tuple():
            parts = [move(part, device) for part in batch]
            if hasattr(batch, "_fields"):  # a named tuple
                return type(batch)(*parts)
            return tuple(parts)
        case _:
            return batch
""",
        ),
    ),
    "ex-your-gpu": Case(
        mutants=(
            Mutant("        train(name)  # warm-up\n", "", "train only once"),
            Mutant(
                "        train(name)  # warm-up\n        start = time.perf_counter()\n",
                "        start = time.perf_counter()\n        train(name)\n",
                "start the clock after it",
            ),
            Mutant("losses[-1].item()", "losses[-1]", "still a tensor"),
            Mutant("losses[-1]", "losses[0]", "the first loss"),
            Mutant(
                "        _, _, _, losses = train(name)\n"
                "        seconds = time.perf_counter() - start\n",
                "        seconds = time.perf_counter() - start\n"
                "        _, _, _, losses = train(name)\n",
                "aren't the seconds of one",
            ),
            Mutant("time.perf_counter()", "0.0", "hasn't seen you look at a clock"),
        ),
        others=(
            """
def race(train, names):
    def timed(name):
        begin = time.monotonic()
        loss = float(train(name)[3][-1])
        return [loss, time.monotonic() - begin]

    for name in names:
        train(name, steps=5)
    return {name: timed(name) for name in names}
""",
            """
from time import perf_counter_ns


class Runner:
    def __init__(self, train, name):
        self.train, self.name = train, name

    def warm_up(self):
        self.train(self.name)
        return self

    def measure(self):
        begin = perf_counter_ns()
        *_, losses = self.train(self.name)
        seconds = (perf_counter_ns() - begin) / 1e9
        return losses.tolist()[-1], seconds


def race(train, names):
    runners = [Runner(train, name).warm_up() for name in names]
    return {runner.name: runner.measure() for runner in runners}
""",
            """
import timeit


def race(train, names):
    for name in names:
        train(name)  # all warm before the first is timed
    table = {}
    for name in names:
        start = timeit.default_timer()
        losses = train(name)[-1]
        table[name] = (losses[-1:].sum().item(), timeit.default_timer() - start)
    return table
""",
        ),
    ),
    "ex-seconds": Case(
        mutants=(
            Mutant("    synchronize(device)\n    start", "    start", "still running"),
            Mutant("    synchronize(device)\n    return", "    return", "the orders"),
            Mutant("in range(warmup)", "in range(0)", "is called 8 times"),
            Mutant(" / repeats", "", "time of all calls together"),
            Mutant("return (", "return 1000 * (", "milliseconds"),
            Mutant("perf_counter", "process_time", "the time that passes"),
            Mutant("time.perf_counter()", "0.0", "hasn't seen you look at a clock"),
            Mutant(
                "synchronize(device)",
                "torch.accelerator.synchronize(device)",
                "without a GPU",
            ),
        ),
        others=(
            """
def seconds_per_call(function, device, repeats=20, warmup=3):
    times = []
    for number in range(warmup + repeats):
        if device.type != "cpu":
            torch.accelerator.synchronize()
        start = time.time()
        function()
        synchronize(device)
        if number >= warmup:
            times.append(time.time() - start)
    return sum(times) / len(times)
""",
            """
from timeit import default_timer


def seconds_per_call(function, device, repeats=20, warmup=3):
    def run_and_wait(times):
        while times > 0:
            function()
            times -= 1
        if torch.device(device).type != "cpu":
            torch.accelerator.synchronize(device)
        return default_timer()

    before = run_and_wait(warmup)
    after = run_and_wait(repeats)
    return (after - before) / repeats
""",
            """
import timeit


def seconds_per_call(function, device, repeats=20, warmup=3):
    def run(times):
        for _ in range(times):
            function()
        synchronize(device)

    run(warmup)
    return timeit.timeit(lambda: run(repeats), number=1) / repeats
""",
            """
def seconds_per_call(function, device, repeats=20, warmup=3):
    for number in range(-warmup, repeats):
        if number == 0:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            begin = time.monotonic_ns()
        function()
    if torch.accelerator.is_available():
        torch.accelerator.synchronize(torch.accelerator.current_accelerator())
    return (time.monotonic_ns() - begin) / repeats / 1e9
""",
            """
def seconds_per_call(function, device, repeats=20, warmup=3):
    from time import perf_counter_ns as now

    for _ in range(warmup):
        function()
    synchronize(device)
    begin = now()
    for _ in range(repeats):
        function()
    synchronize(device)
    return (now() - begin) / 1e9 / repeats
""",
            """
from time import monotonic


def seconds_per_call(function, device, repeats=20, warmup=3, clock=monotonic):
    def wait():
        if device.type == "cuda":
            torch.cuda.synchronize(device=device)

    [function() for _ in range(warmup)]
    wait()
    begin = clock()
    [function() for _ in range(repeats)]
    wait()
    return (clock() - begin) / repeats
""",
            """
import time as clocks


class Watch:
    def __enter__(self):
        self.begin = clocks.time_ns()
        return self

    def __exit__(self, *_):
        self.seconds = (clocks.time_ns() - self.begin) / 1e9


def seconds_per_call(function, device, repeats=20, warmup=3):
    for _ in range(warmup):
        function()
    torch.get_device_module(device).synchronize()
    with Watch() as watch:
        for _ in range(repeats):
            function()
        torch.get_device_module(device).synchronize()
    return watch.seconds / repeats
""",
            """
from datetime import datetime


def seconds_per_call(function, device, repeats=20, warmup=3):
    for _ in range(warmup):
        function()
    synchronize(device)
    begin = datetime.now()
    for _ in range(repeats):
        function()
    synchronize(device)
    return (datetime.now() - begin).total_seconds() / repeats
""",
        ),
        needs=("imports", "choose-import", "timing-stopwatch"),
    ),
    "ex-report": Case(
        mutants=(
            Mutant('["kernel", "doctor", ', '["build", ', "The build is right"),
            Mutant('"kernel", "doctor", "driver"', '"driver", "kernel"', "comes first"),
            Mutant('"doctor", ', "", "ask the doctor again"),
            Mutant('"driver"', '"insist"', "nothing is fixed"),
        ),
        others=(
            """
steps = ("kernel", "doctor", "driver", "doctor")
""",
            """
steps = []
steps.append("kernel")
steps += ["doctor", "driver"]
""",
            """
steps = "kernel doctor driver".split()
""",
        ),
    ),
}

FACTS = {
    "Question 1": """
import torch
try:
    torch.ones(1, device="cuda:99")
except (RuntimeError, AssertionError):
    pass
else:
    raise AssertionError
""",
    "Question 3": """
import torch
model, batch = torch.nn.Linear(3, 1), torch.ones(2, 3)
model.to("meta")
batch.to("meta")
assert model.weight.is_meta and not batch.is_meta
try:
    model(batch)
except RuntimeError as error:
    assert "device" in str(error)
else:
    raise AssertionError
assert model(batch.to("meta")).is_meta
""",
    "Question 4": """
assert 8000 * 8000 == 64_000_000
""",
}
