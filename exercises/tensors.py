"""Checkers for the exercises: tensors."""

import random

import numpy as np
import torch

from helpers.exercises import call, call_as_is, exercise, explain, require


def _require_tensors(**answers):
    for name, answer in answers.items():
        require(
            isinstance(answer, torch.Tensor),
            f"`{name}` isn't a tensor: it's of the type {type(answer).__name__}.",
        )


@exercise(
    "ex-factories",
    title="More ways to make a tensor",
    hints=(
        "a matrix with ones on the diagonal is called an identity matrix. For the "
        "third, look for a function that takes the number of points instead of a step.",
        "the name of the first is said like the letter I. The second is filled with "
        "one value: `torch.full` takes the shape and that value. For the third, "
        "compare `arange` with `linspace`. And there are names that end in `_like`.",
    ),
    shown="`eye`, `full`, `linspace` and the functions ending in `_like` save you from "
    "filling tensors by hand.",
)
def factories(identity, sevens, quarters, noise):
    _require_tensors(identity=identity, sevens=sevens, quarters=quarters, noise=noise)
    require(identity.shape == (3, 3), "`identity` doesn't have the shape (3, 3).")
    require(
        not (identity == 1).all(),
        "`identity` has ones everywhere; they belong on the diagonal only.",
    )
    require(
        torch.equal(identity.cpu().double(), torch.eye(3).double()),
        "`identity` isn't one on the diagonal and zero elsewhere.",
    )
    require(sevens.shape == (2, 4), "`sevens` doesn't have the shape (2, 4).")
    require((sevens == 7).all(), "`sevens` has an entry that isn't 7.")
    require(
        sevens.is_floating_point(),
        "`sevens` holds integers: the dtype follows the number that you give, and "
        "7 isn't 7.0.",
    )
    require(
        quarters.numel() != 4,
        "`quarters` has four numbers: `arange` leaves the end out.",
    )
    require(quarters.shape == (5,), "`quarters` isn't a vector of five numbers.")
    expected = torch.arange(5) / 4
    require(
        torch.allclose(quarters.cpu().float(), expected),
        "`quarters` doesn't go from 0 to 1 in equal steps.",
    )
    require(
        noise.shape != (4, 2) and noise.shape == sevens.shape,
        "`noise` isn't shaped like `sevens`, which has two rows and four columns.",
    )
    require(
        noise.unique().numel() > 1,
        "`noise` holds one number over and over, so it isn't random.",
    )
    steps = noise.flatten().double().diff()
    require(
        not torch.allclose(steps, steps.mean()),
        "`noise` goes up in equal steps, so it isn't random.",
    )


@exercise(
    "ex-bytes",
    title="From floats to bytes",
    hints=(
        "bring the entries into the range, scale them, round them, and convert last. "
        "The conversion itself neither rounds nor complains.",
        "it's one chain of method calls: `clamp` to the range from 0 to 1, times 255, "
        "`round()`, and then `.to(torch.uint8)`. Check your brackets: the "
        "multiplication has to happen before `round()` is called.",
    ),
    shown="A conversion cuts off digits and mangles what doesn't fit, so `round` and "
    "`clamp` come before it.",
)
def to_bytes(function):
    for shape in [(3, 6, 8), (40,)]:
        # Not near a half, which can be rounded to either side.
        truth = torch.randint(1, 255, shape)
        inside = (truth + 0.8 * (torch.rand(shape) - 0.5)) / 255
        before = inside.clone()
        result = call_as_is(function, inside)
        _require_tensors(result=result)
        require(
            torch.equal(inside, before),
            "Your function writes into its argument: the caller's image has changed.",
        )
        require(
            result.dtype == torch.uint8,
            f"The result is {result.dtype}, not uint8.",
        )
        require(result.shape == shape, "The result has lost the image's shape.")
        require(
            result.max() > 1,
            "The numbers end at 1: scale them to the range from 0 to 255.",
        )
        require(
            not torch.equal(result, (inside * 255).to(torch.uint8)),
            "The digits after the point are cut off: round before you convert.",
        )
        require(
            torch.equal(result, truth.to(torch.uint8)),
            "An entry between 0 and 1 hasn't become 255 times the entry, rounded.",
        )
        wide = 4 * torch.rand(shape) - 1.5
        before = wide.clone()
        result = call_as_is(function, wide)
        require(
            torch.equal(wide, before),
            "Your function writes into its argument: the caller's image has changed.",
        )
        require(
            (result[wide < 0] == 0).all() and (result[wide > 1] == 255).all(),
            "An entry below 0 has to become 0 and one above 1 has to become 255; a "
            "byte can't hold what's outside of its range.",
        )
    ends = call(function, torch.tensor([0.0, 1.0])).tolist()
    require(ends == [0, 255], f"0.0 and 1.0 become {ends[0]} and {ends[1]}.")


@exercise(
    "ex-slices",
    title="Pieces of a batch",
    hints=(
        "the order is batch, channel, row, column. `...` stands for all dimensions "
        "that you don't name, and an index removes its dimension, where a slice keeps "
        "it.",
        "for `green`, `:` keeps all images and a plain number picks the channel. For "
        "`corners` and `coarse`, start with `...` and write one slice for the rows and "
        "one for the columns; a slice's third number is its step. For `green_kept`, "
        "use a slice that holds only channel 1.",
    ),
    shown="An index removes its dimension, a slice of length one keeps it, and `...` "
    "skips what comes before.",
)
def slices(first, green, corners, coarse, green_kept):
    _require_tensors(
        first=first, green=green, corners=corners, coarse=coarse, green_kept=green_kept
    )
    pieces = (first, green, corners, coarse, green_kept)
    first, green, corners, coarse, green_kept = (piece.cpu() for piece in pieces)
    images = torch.arange(8 * 3 * 28 * 28).reshape(8, 3, 28, 28)
    require(
        not torch.equal(first, images[:, 0]),
        "`first` is channel 0 of every image: the batch comes first, so the first "
        "image is index 0 of dimension 0.",
    )
    require(torch.equal(first, images[0]), "`first` isn't the first image.")
    require(
        not torch.equal(green, images[1]),
        "`green` is the second image: the channel is dimension 1, so dimension 0 "
        "needs a `:` before it.",
    )
    require(
        green.shape != (8, 1, 28, 28),
        "`green` still has a dimension of length 1: a slice keeps the dimension, an "
        "index takes it away.",
    )
    require(torch.equal(green, images[:, 1]), "`green` isn't channel 1.")
    require(
        not torch.equal(corners, images[:5, :5]),
        "`corners` cuts batch and channel: indices count from the left unless `...` "
        "comes first.",
    )
    require(
        torch.equal(corners, images[..., :5, :5]),
        "`corners` isn't the first five rows and columns of every channel.",
    )
    require(
        not torch.equal(coarse, images[::2, ::2]),
        "`coarse` skips images and channels: `::2` belongs to the last two dimensions.",
    )
    require(
        # From row 0 or 1, from column 0 or 1: all of them are every second.
        any(
            torch.equal(coarse, images[..., k // 2 :: 2, k % 2 :: 2]) for k in range(4)
        ),
        "`coarse` isn't every second row and column.",
    )
    require(
        green_kept.shape != (8, 28, 28),
        "`green_kept` has lost its channel dimension: index with a slice of length 1.",
    )
    require(
        torch.equal(green_kept, images[:, 1:2]),
        "`green_kept` isn't channel 1 with four dimensions.",
    )


@exercise(
    "ex-missing",
    title="Readings that are missing",
    hints=(
        "a comparison gives you a mask. It picks the readings that are there, and it "
        "also says which entries of a copy to fill.",
        "with `missing = readings == -999`, the readings that are there are "
        "`readings[~missing]`, and their `mean()` is what you need. Make the copy with "
        "`clone()`, and put the mask on the left of the `=`.",
    ),
    shown="One mask both picks entries and says where to write; `clone` keeps the "
    "original as it was.",
)
def fill_missing(function):
    for shape in [(12,), (3, 4), (2, 3, 5)]:
        readings = 15 + 5 * torch.randn(shape)
        there = torch.rand(shape) < 0.6
        there.view(-1)[:2], there.view(-1)[-2:] = True, False
        everything = readings.clone()
        readings[~there] = -999
        before = readings.clone()
        result = call_as_is(function, readings)
        _require_tensors(result=result)
        require(
            torch.equal(readings, before),
            "Your function writes into `readings` itself: fill a copy.",
        )
        require(
            result.shape == shape,
            f"Readings of shape {shape} come out with the shape {tuple(result.shape)}.",
        )
        require(
            torch.allclose(result[there], everything[there], atol=1e-4),
            "A reading that was there has changed: the mask has to be true where -999 "
            "is.",
        )
        require(not (result == -999).any(), "There are still entries of -999.")
        require(
            not torch.allclose(result[~there], before.mean(), atol=1e-2),
            "Every -999 has been counted in the mean: take it over the readings that "
            "are there.",
        )
        require(
            torch.allclose(result[~there], everything[there].mean(), atol=1e-2),
            "A missing reading hasn't become the mean of the others.",
        )
    complete = torch.randn(2, 3)
    require(
        torch.allclose(call(function, complete), complete, atol=1e-6),
        "Where no reading is missing, all of them stay as they are.",
    )


@exercise(
    "ex-array",
    title="Out of PyTorch, whatever happens",
    hints=(
        "gradients, the device, NumPy, memory of its own: there's a method for each.",
        "it's a chain of four calls. `detach()` comes first and `cpu()` second, since "
        "`numpy()` refuses a tensor that needs a gradient or is on another device. The "
        "last call belongs to the array: without it, tensor and array share their "
        "memory on the CPU.",
    ),
    shown="`detach`, `cpu`, `numpy` and a copy, in this order, work on any device, "
    "with or without gradients.",
)
def to_array(function):
    for tensor in [
        torch.randn(2, 3),
        torch.arange(4),
        torch.rand(3, dtype=torch.float64),
        torch.tensor(True),
    ]:
        array = call_as_is(function, tensor)
        require(
            isinstance(array, np.ndarray),
            f"The result isn't an array: it's of the type {type(array).__name__}.",
        )
        require(
            array.dtype == tensor.numpy().dtype,
            f"A tensor of {tensor.dtype} has become an array of {array.dtype}.",
        )
        require(
            array.shape == tensor.shape and (array == tensor.numpy()).all(),
            "The array's numbers or its shape differ from the tensor's.",
        )
        require(
            not np.shares_memory(array, tensor.numpy()),
            "The array shares its memory with the tensor: copy it.",
        )
    weights = torch.randn(3, requires_grad=True)
    with explain(
        RuntimeError,
        "It fails where gradients are recorded: NumPy can't record gradients, so "
        "`detach()` comes first.",
    ):
        array = call_as_is(function, weights)
    require(
        weights.requires_grad,
        "Your function has turned the recording of gradients off in its argument.",
    )
    require(
        (array == weights.detach().numpy()).all(),
        "With gradients, the array's numbers differ from the tensor's.",
    )
    require(
        not np.shares_memory(array, weights.detach().numpy()),
        "`detach()` shares memory, and so does the array: copy it.",
    )
    # There are no numbers to copy from this device, and an answer that tries is right.
    try:
        call(function, torch.ones(3, device="meta"))
    except TypeError as error:
        require(
            "device type tensor to numpy" not in str(error),
            "It fails for a tensor on another device: NumPy reads the CPU's memory "
            "only, so `cpu()` comes before it.",
        )
    except (NotImplementedError, RuntimeError):
        pass


def _states():
    """Return where the generators of PyTorch, NumPy and Python are."""
    kind, keys, *others = np.random.get_state()  # noqa: NPY002 - the one for all
    return (
        torch.get_rng_state().tolist(),
        (kind, keys.tolist(), *others),
        random.getstate(),
    )


@exercise(
    "ex-own-shuffle",
    title="A shuffle that leaves no trace",
    hints=(
        "make a generator, give it the seed, and let `randperm` draw from it. A tensor "
        "of positions can be used as an index.",
        "`torch.Generator().manual_seed(seed)` sets the seed of that one generator and "
        "returns it. Hand it to `torch.randperm(len(values), generator=…)`, and index "
        "`values` with the result.",
    ),
    shown="A generator of your own repeats your draws and leaves all others alone.",
)
def shuffled(function):
    rows = 3 * torch.arange(60).reshape(20, 3) + 1
    for values in (rows, rows[:, 0]):
        before = _states()
        result = call(function, values, 7)
        _require_tensors(result=result)
        require(
            result.shape == values.shape,
            f"Values of shape {tuple(values.shape)} come out with the shape "
            f"{tuple(result.shape)}.",
        )
        table, found = values.view(20, -1), result.reshape(20, -1)
        back = found[found[:, 0].argsort()]
        require(
            not torch.equal(found.flatten().sort().values, table.flatten())
            or torch.equal(back, table),
            "The rows have been torn apart: each row moves as a whole.",
        )
        require(
            torch.equal(back, table),
            "The result doesn't hold each row of `values` exactly once.",
        )
        require(
            _states() == before,
            "A generator that everyone shares isn't where it was, so what's drawn next "
            "has changed: give your function a generator of its own.",
        )
        require(
            torch.equal(call(function, values, 7), result),
            "The same seed has given two different orders.",
        )
        orders = [call(function, values, seed) for seed in range(5)]
        require(
            not all(torch.equal(one, values) for one in orders),
            "The rows are in their old order.",
        )
        require(
            not all(torch.equal(one, orders[0]) for one in orders),
            "Every seed gives the same order.",
        )
