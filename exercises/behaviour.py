"""How an answer behaves: what it computes with, what it makes, how it fails.

A statement may set a condition, such as "without a loader". These see whether an answer
keeps it, however it is spelled.
"""

import contextlib
import re
import timeit
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from helpers.exercises import WrongAnswerError, explain, require

# What PyTorch says about tensors whose sizes do not go together.
SIZES = re.compile(r"\b(shapes?|sizes?|dimensions?|channels?)\b", re.I)


class _Operators(TorchDispatchMode):
    def __init__(self, device=None):
        super().__init__()
        self.device, self.names, self.count = device, set(), 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        tensors = [one for one in tree_leaves(args) if isinstance(one, torch.Tensor)]
        if self.device in (None, *(one.device.type for one in tensors)):
            self.names.add(function.overloadpacket.__name__)
            self.count += 1
        return function(*args, **(kwargs or {}))


@contextlib.contextmanager
def operators(device=None):
    """Yield a set that holds the names of PyTorch's operators that ran in the block.

    They are the same however the code reached them: `torch.sigmoid`, `z.sigmoid()` and
    `nn.Sigmoid` are all "sigmoid". With a type of `device`, only those count that got a
    tensor on such a device.
    """
    with _Operators(device) as recorded:
        yield recorded.names


def effort(function, *args):
    """Count the operators of PyTorch that a call runs.

    With a loop over rows the number grows with them, whether the loop is written as
    `for`, as a comprehension or as `map`. One operation on all rows counts once.
    """
    with _Operators() as recorded:
        function(*args)
    return recorded.count


@contextlib.contextmanager
def replaced(answer, *fakes):
    """Put fakes in place of functions, by whatever name the answer calls them.

    Parameters
    ----------
    answer : callable
        The reader's function. Where its cells have imported the original by name, that
        name stands for the fake too.
    *fakes : tuple
        Owner, name and fake of each.
    """
    swapped = {id(getattr(owner, name)): fake for owner, name, fake in fakes}
    scope = getattr(answer, "__globals__", {})
    aliases = {name: value for name, value in scope.items() if id(value) in swapped}
    with contextlib.ExitStack() as stack:
        for owner, name, fake in fakes:
            stack.enter_context(mock.patch.object(owner, name, fake))
        # What a function has as a default was fixed when it was defined.
        for one in (answer, timeit.timeit, timeit.repeat, timeit.Timer.__init__):
            if defaults := getattr(one, "__defaults__", None):
                defaults = tuple(swapped.get(id(value), value) for value in defaults)
                stack.enter_context(mock.patch.object(one, "__defaults__", defaults))
        stack.callback(scope.update, aliases)
        scope.update({name: swapped[id(value)] for name, value in aliases.items()})
        yield


@contextlib.contextmanager
def made(kind):
    """Yield a list that gets every object of a class that is made in the block."""
    objects, original = [], kind.__init__

    def init(self, *args, **kwargs):
        objects.append(self)
        original(self, *args, **kwargs)

    kind.__init__ = init
    try:
        yield objects
    finally:
        kind.__init__ = original


@contextlib.contextmanager
def explain_sizes(misconception):
    """Refuse the answer with the text if in the block sizes do not go together."""
    try:
        yield
    except RuntimeError as error:
        if SIZES.search(str(error)):
            raise WrongAnswerError(misconception) from error
        raise


def outputs_of(model, x):
    """Return the outputs of a model in evaluation mode, on the CPU, as float32.

    The model is in its modes again afterwards.
    """
    parameter = next(model.parameters(), x)
    x = x.clone().to(parameter.device, parameter.dtype)
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            return model(x).cpu().float()
    finally:
        for module, mode in modes.items():
            module.training = mode


def number_of(value, what):
    """Return a number, or a tensor with one entry, as a float; else refuse `what`."""
    with explain((TypeError, ValueError, RuntimeError), f"{what} is not one number."):
        return float(value.detach() if isinstance(value, torch.Tensor) else value)


def tensor_of(value, what):
    """Return a tensor without its graph, on the CPU; else refuse `what`."""
    require(isinstance(value, torch.Tensor), f"{what} is not a tensor.")
    return value.detach().cpu()
