"""Chapter 3's lab on shapes says what PyTorch says, strides and messages included."""

import random
import re
from functools import cache
from math import prod

import pytest
import torch

from helpers.labs import ROOT

PIN = re.search(r"^torch==(\S+)", (ROOT / "requirements.txt").read_text(), re.M)[1]
same_version = pytest.mark.skipif(
    torch.__version__.partition("+")[0] != PIN,
    reason=f"the messages are those of torch {PIN}",
)
OPERATIONS = {
    "+": lambda a, b: a + b,
    "@": lambda a, b: a @ b,
    "cat": lambda a, b, dim: torch.cat([a, b], dim),
    "stack": lambda a, b, dim: torch.stack([a, b], dim),
    "reshape": torch.Tensor.reshape,
    "view": torch.Tensor.view,
    "permute": torch.Tensor.permute,
    "transpose": torch.Tensor.transpose,
    "unsqueeze": torch.Tensor.unsqueeze,
    "squeeze": torch.Tensor.squeeze,
    "expand": torch.Tensor.expand,
}
CASES = 2000  # of each operation
# Results of the lab, each with the entries of the result in order.
RUN = """(cases) => {
  const {run, unravel, place, compact, product} = labs.compute.shapes;
  return cases.map(([name, tensors, options, entries]) => {
    const {from, ...result} = run(name, tensors, options);
    if (result.error) return result;
    const entry = ([which, at]) =>
      entries[which][place(at, compact(tensors[which].shape).stride)];
    const values = Array.from({length: product(result.shape)}, (_, position) => {
      const there = from(unravel(position, result.shape)).map(entry);
      return name === "@"
        ? there.reduce((sum, x, i) => (i % 2 ? sum : sum + x * there[i + 1]), 0)
        : there.reduce((x, y) => x + y);
    });
    return {...result, values};
  });
}"""


def count_up(shape, start=0):
    return torch.arange(start, start + prod(shape)).reshape(shape)


class Chance:
    """Random tensors and options, many of which fit and many of which don't."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def often(self, share):
        return self.random.random() < share

    def order(self, count):
        return self.random.sample(range(count), count)

    def dim(self, dims):
        return (
            self.random.randint(-dims - 1, dims)
            if self.often(0.9)
            else self.random.choice([-7, 7])
        )

    def shape(self, dims=(0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5)):
        sizes = [0, 1, 1, 1, 2, 2, 3, 3, 4]
        return self.random.choices(sizes, k=self.random.choice(dims))

    def tensor(self):
        """Return a tensor that is permuted, has gaps, or is stretched, or none of it."""
        tensor = count_up(self.shape())
        chance = self.random.random()
        if chance < 0.1 and tensor.dim():
            tensor = tensor[..., ::2]
        elif chance < 0.2 and tensor.dim():
            tensor = tensor[::2]
        elif chance < 0.3:
            tensor = tensor.expand([s if s != 1 else 3 for s in tensor.shape])
        elif chance < 0.35:
            tensor = tensor.expand(self.random.randint(0, 3), *tensor.shape)
        elif chance < 0.4 and tensor.dim() == 4:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        return tensor.permute(self.order(tensor.dim())) if self.often(0.4) else tensor

    def changed(self, shape):
        """Return a shape that differs here and there."""
        shape = list(shape)
        if shape and self.often(0.5):
            at = self.random.randrange(len(shape))
            shape[at] = self.random.choice([0, 1, 2, 3])
        return shape

    def second(self, operation, a):
        """Return another tensor for an operation on two."""
        shape = list(a.shape)
        if self.often(0.07):
            shape = self.shape()
        elif operation == "+":
            shape = [s if self.often(0.75) else self.random.choice([1, 1, 0, 2]) for s in shape]
            shape = shape[self.random.randint(0, len(shape)) :] if self.often(0.3) else shape
            shape = [self.random.randint(1, 3), *shape] if self.often(0.2) else shape
        elif operation == "@":
            inner = shape[-1] if shape and self.often(0.85) else self.random.randint(0, 3)
            batch = [s if self.often(0.75) else 1 for s in shape[:-2]]
            batch = self.changed(batch) if self.often(0.2) else batch
            batch = batch[self.random.randint(0, len(batch)) :]
            columns = self.random.randint(0, 3)
            shape = [inner] if self.often(0.25) else [*batch, inner, columns]
        else:
            shape = [0] if self.often(0.1) else self.changed(shape)
        return count_up(shape, a.numel() if operation in ("cat", "stack") else 0)

    def target(self, entries):
        """Return a new shape, most often with as many entries."""
        shape = []
        while entries > 1 and len(shape) < 4:
            factor = self.random.choice([d for d in range(1, entries + 1) if entries % d == 0])
            shape.append(factor)
            entries //= factor
        shape.append(entries)
        self.random.shuffle(shape)
        while self.often(0.3):
            shape.insert(self.random.randint(0, len(shape)), 1)
        for wrong, share in ((-1, 0.4), (-1, 0.15), (5, 0.1), (-2, 0.05), (0, 0.05)):
            if self.often(share):
                shape[self.random.randrange(len(shape))] = wrong
        return shape if self.often(0.95) else []

    def options(self, operation, a):
        dims = a.dim()
        if operation in ("+", "@"):
            return []
        if operation in ("reshape", "view"):
            return [self.target(a.numel())]
        if operation == "permute":
            order = [d - dims if self.often(0.2) else d for d in self.order(dims)]
            if order and self.often(0.3):
                order[0] = self.random.randint(-4, 4)
            return [order + [0] * self.often(0.1)]
        if operation == "expand":
            sizes = [self.random.choice([0, 1, 2, 3, -1]) if s == 1 else s for s in a.shape]
            if sizes and self.often(0.2):
                sizes[self.random.randrange(dims)] = self.random.choice([-1, 1, 2])
            before = self.random.choices([0, 1, 2, -1], [1, 3, 3, 1], k=2)
            sizes = [*before[: self.random.randint(0, 2)], *sizes]
            return [sizes[1:] if self.often(0.1) else sizes]
        count = {"transpose": 2, "squeeze": int(self.often(0.7))}.get(operation, 1)
        return [self.dim(dims) for _ in range(count)]


def torch_says(operation, tensors, options):
    """Return what PyTorch gives, in the words of the lab."""
    try:
        result = OPERATIONS[operation](*tensors, *options)
    except (RuntimeError, IndexError) as error:
        return {"error": {"name": type(error).__name__, "message": str(error)}}
    first, own = (t.untyped_storage() for t in (tensors[0], result))
    return {
        "shape": list(result.shape),
        "stride": list(result.stride()),
        "contiguous": result.is_contiguous(),
        # Empty storages have no address to compare.
        "view": first.data_ptr() == own.data_ptr() if first.nbytes() else None,
        "values": result.flatten().tolist(),
    }


@cache
def cases(operation):
    """Return random cases for the lab, and what PyTorch says to each."""
    chance = Chance(operation)
    asked, answers = [], []
    for _ in range(CASES):
        tensors = [chance.tensor()]
        if operation in ("+", "@", "cat", "stack"):
            tensors.append(chance.second(operation, tensors[0]))
        options = chance.options(operation, tensors[0])
        parts = [{"shape": list(t.shape), "stride": list(t.stride())} for t in tensors]
        entries = [t.flatten().tolist() for t in tensors]
        asked.append([operation, parts, options, entries])
        answers.append(torch_says(operation, tensors, options))
    return asked, answers


def wrong_results(page, operation):
    """Return the cases in which the lab differs from PyTorch, messages aside."""
    asked, answers = cases(operation)
    wrong = []
    for case, here, there in zip(asked, answers, page.evaluate(RUN, asked), strict=True):
        if "error" in here:
            here, there = here["error"]["name"], there.get("error", {}).get("name")
        elif here["view"] is None:
            there |= {"view": None}
        if here != there:
            wrong.append((case, here, there))
    return wrong


def wrong_messages(page, operation):
    """Return the messages in which the lab differs from PyTorch."""
    asked, answers = cases(operation)
    pairs = zip(answers, page.evaluate(RUN, asked), strict=True)
    return [(here, there) for here, there in pairs if here.get("error") != there.get("error")]


each_operation = pytest.mark.parametrize("operation", OPERATIONS)


@each_operation
def test_results_are_those_of_torch(operation, compute):
    assert not wrong_results(compute("shapes"), operation)[:3]


@same_version
@each_operation
def test_messages_are_those_of_torch(operation, compute):
    assert not wrong_messages(compute("shapes"), operation)[:3]


def test_the_random_cases_cover_much():
    messages, empty, copies = set(), 0, 0
    for operation in OPERATIONS:
        asked, answers = cases(operation)
        good = [answer for answer in answers if "error" not in answer]
        assert 0.25 * CASES < len(good) < 0.95 * CASES, operation
        assert sum(not answer["contiguous"] for answer in good) > (
            20 if operation in ("+", "view", "permute", "expand") else -1
        )
        empty += sum(not answer["values"] for answer in good)
        if operation == "reshape":
            copies += sum(answer["view"] is False for answer in good)
        messages |= {
            re.sub(r"-?\d+|\[[^]]*\]", "#", answer["error"]["message"])
            for answer in answers
            if "error" in answer
        }
    assert empty > 1000
    assert copies > 100
    assert len(messages) >= 22, sorted(messages)


def test_the_messages_are_those_of_the_pinned_version(compute):
    assert compute("shapes").evaluate("labs.compute.shapes.TORCH") == PIN


SLIPS = {
    "a missing size on the left": ("+", "a[i + a.length - dims] ?? 1", "a[i] ?? 1"),
    "the memory of a sum": ("+", "if (says < 0) break;", "break;"),
    "empty sizes in the strides of a sum": ("+", "? compact(shape).stride : stride", "? stride : stride"),
    "the larger size wins": ("+", "one === 1 ? other : one", "Math.max(one, other)"),
    "a chunk of a view": ("view", "stride[d - 1] === here * step", "stride[d - 1] === here"),
    "a view's size of 1": ("view", "(here > there || sizes[view] === 1)", "here > there"),
    "a copy is no view": ("reshape", "copies: !stride", "copies: false"),
    "the size that a -1 stands for": ("reshape", "entries / known", "entries % known"),
    "the order read backwards": ("permute", "dims.map((d) => stride[d])", "dims.map((_, d) => stride[dims[dims[d]]])"),
    "where an entry was": ("permute", "at[dims.indexOf(d)]", "at[dims[d]]"),
    "from the right": ("transpose", "dim < 0 ? dim + high + 1 : dim", "dim < 0 ? dim + high : dim"),
    "the new dimension's stride": ("unsqueeze", "shape[at] * stride[at]", "stride[at]"),
    "a size that isn't 1 stays": ("squeeze", "shape[d] !== 1 || ", ""),
    "a stretched stride": ("expand", "same ? own : 0", "own"),
    "a size in front": ("expand", "size < 0 ? 2 ** 64 : size", "size"),
    "an empty vector counts": ("cat", "!equal(shape, [0])", "true"),
    "the second tensor's entries": ("cat", "index[at] - sizes[0]", "index[at]"),
    "which tensor it was": ("stack", "[[index[at], without", "[[0, without"),
    "the inner sizes": ("@", "[...right, i, ...column]", "[...right, ...column, i]"),
    "a batch of one": ("@", "stretched(batchA,", "((_, index) => index)(batchA,"),
}  # fmt: skip
MESSAGE_SLIPS = {
    "which dimension": ("+", "non-singleton dimension ${i}`);\n      shape", "non-singleton dimension ${dims - i}`);\n      shape"),
    "folded rows": ("@", "const tall = (n) => product([...batch, ...n]);", "const tall = (n) => product(n);"),
    "whether it folds": ("@", "!== 1);\n    return shape.includes(0)", "!== 0);\n    return shape.includes(0)"),
    "which comes first": ("cat", "Expected size ${size} but", "Expected size ${shape[d]} but"),
}  # fmt: skip


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_caught(name, compute):
    operation, right, wrong = SLIPS[name]
    assert wrong_results(compute("shapes", replace=(right, wrong)), operation)


@same_version
@pytest.mark.parametrize("name", MESSAGE_SLIPS)
def test_a_slip_in_a_message_is_caught(name, compute):
    operation, right, wrong = MESSAGE_SLIPS[name]
    page = compute("shapes", replace=(right, wrong))
    assert not wrong_results(page, operation)
    assert wrong_messages(page, operation)
