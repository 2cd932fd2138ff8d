"""How an answer behaves: what it computes with, what it makes, how it fails.

A statement may set a condition, such as "without a loader". These see whether an answer
keeps it, however it is spelled.
"""

import contextlib
import re

from torch.utils._python_dispatch import TorchDispatchMode

from helpers.exercises import WrongAnswerError

# What PyTorch says about tensors whose sizes do not go together.
SIZES = re.compile(r"\b(shapes?|sizes?|dimensions?|channels?)\b", re.I)


class _Operators(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))


@contextlib.contextmanager
def operators():
    """Yield a set that holds the names of PyTorch's operators that ran in the block.

    They are the same however the code reached them: `torch.sigmoid`, `z.sigmoid()` and
    `nn.Sigmoid` are all "sigmoid".
    """
    with _Operators() as recorded:
        yield recorded.names


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
