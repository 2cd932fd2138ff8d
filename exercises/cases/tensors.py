"""What the checkers are tried on: tensors."""

from . import Case, Mutant

CASES = {
    "ex-factories": Case(
        mutants=(
            Mutant("torch.eye(3)", "torch.ones(3, 3)", "ones everywhere"),
            Mutant("7.0)", "7)", "holds integers"),
            Mutant("linspace(0, 1, steps=5)", "arange(0, 1, 0.25)", "leaves the end"),
            Mutant("linspace(0, 1, steps=5)", "arange(0, 1, 0.2)", "equal steps"),
            Mutant("rand(sevens.shape)", "rand(4, 2)", "isn't shaped like"),
            Mutant("rand(sevens.shape)", "zeros(sevens.shape)", "isn't random"),
            Mutant("rand(sevens.shape)", "arange(8.0).reshape(2, 4)", "in equal steps"),
            Mutant("torch.eye(3)", "np.eye(3)", "`identity` isn't a tensor"),
        ),
        others=(
            """
identity = torch.diag(torch.ones(3, dtype=torch.int64))
sevens = 7 * torch.ones(2, 4, dtype=torch.float64)
quarters = torch.tensor([0, 0.25, 0.5, 0.75, 1])
noise = torch.normal(5, 2, size=(2, 4))
""",
            """
identity = torch.eye(n=3, m=3)
sevens = torch.full(size=[2, 4], fill_value=7, dtype=torch.float64)
quarters = torch.arange(0, 1.1, 0.25)
noise = torch.randint_like(sevens, 100)
""",
            """
identity = torch.eye(3)
sevens = torch.full((2, 4), 7.0)
quarters = torch.linspace(0, 1, 5)
noise = torch.rand_like(sevens)
""",
        ),
    ),
    "ex-bytes": Case(
        mutants=(
            Mutant(".round()", "", "are cut off"),
            Mutant(".clamp(0, 1)", "", "outside of its range"),
            Mutant(".clamp(0, 1)", ".clamp_(0, 1)", "writes into its argument"),
            Mutant(" * 255", "", "The numbers end at 1"),
            Mutant(" * 255", " * 254", "255 times the entry"),
            Mutant("torch.uint8", "torch.int32", "not uint8"),
            Mutant("image.clamp", "image.flatten().clamp", "lost the image's shape"),
        ),
        others=(
            """
def to_bytes(image):
    return image.mul(255).add(0.5).floor().clamp(0, 255).to(torch.uint8)
""",
            """
def to_bytes(image):
    return torch.from_numpy(np.rint(np.clip(image.numpy(), 0, 1) * 255).astype("uint8"))
""",
            """
def to_bytes(image):
    scaled = 255 * image
    scaled[scaled < 0] = 0
    scaled[scaled > 255] = 255
    return torch.round(scaled).type(torch.uint8)
""",
        ),
    ),
    "ex-slices": Case(
        mutants=(
            Mutant("images[0]", "images[:, 0]", "the batch comes first"),
            Mutant("images[:, 1]\n", "images[1]\n", "the second image"),
            Mutant("images[:, 1]\n", "images[:, 1:2]\n", "a slice keeps"),
            Mutant("[..., :5, :5]", "[:5, :5]", "count from the left"),
            Mutant("[..., ::2, ::2]", "[::2, ::2]", "skips images"),
            Mutant("[:, 1:2]", "[:, 1]", "lost its channel dimension"),
            Mutant("images[0]", "images[0].tolist()", "`first` isn't a tensor"),
        ),
        others=(
            """
first = images.select(0, 0)
green = images.unbind(dim=1)[1]
corners = images[:, :, 0:5, 0:5]
coarse = images[:, :, range(0, 28, 2)][..., range(0, 28, 2)]
green_kept = images.narrow(1, 1, 1)
""",
            """
every, second, five = slice(None), slice(1, 28, 2), slice(0, 5)
first = images[-8, :, :, :]
green = images[every, -2, every, every]
corners = images[every, every, five, five]
coarse = images[every, every, second, second]
green_kept = images[:, [1]]
""",
            """
images = torch.arange(8 * 3 * 28 * 28).reshape(8, 3, 28, 28)
_all, _second, _five = slice(None), slice(0, 28, 2), slice(0, 5)
first = images[-8, :, :, :]
green = images[_all, -2, _all, _all]
corners = images[_all, _all, _five, _five]
coarse = images[_all, _all, _second, _second]
green_kept = images[:, 1, None]
""",
        ),
    ),
    "ex-missing": Case(
        mutants=(
            Mutant("readings.clone()", "readings", "writes into `readings`"),
            Mutant("readings[~missing].mean()", "readings.mean()", "counted in the"),
            Mutant("filled[missing]", "filled[~missing]", "that was there has changed"),
            Mutant("readings[~missing].mean()", "0.0", "the mean of the others"),
            Mutant("return filled", "return filled[~missing]", "come out with"),
            Mutant("= readings[~missing]", "= -readings[missing]", "the mean of the"),
            Mutant("return filled", "return readings", "still entries of -999"),
        ),
        others=(
            """
def fill_missing(readings):
    there = readings != -999
    return torch.where(there, readings, readings[there].mean())
""",
            """
def fill_missing(readings):
    there = (readings != -999).float()
    mean = (readings * there).sum() / there.sum()
    return readings * there + mean * (1 - there)
""",
            """
def fill_missing(readings):
    numbers = readings.flatten().tolist()
    there = [number for number in numbers if number != -999]
    mean = sum(there) / len(there)
    filled = [mean if number == -999 else number for number in numbers]
    return torch.tensor(filled).reshape(readings.shape)
""",
        ),
    ),
    "ex-array": Case(
        mutants=(
            Mutant(".detach()", "", "`detach()` comes first"),
            Mutant(".detach()", ".requires_grad_(False)", "has turned the recording"),
            Mutant(".cpu()", "", "on another device"),
            Mutant(".copy()", "", "shares its memory"),
            Mutant(".numpy().copy()", ".clone()", "isn't an array"),
            Mutant(".cpu()", ".cpu().float()", "has become an array of"),
            Mutant(".copy()", ".copy().T", "differ from the tensor"),
        ),
        others=(
            """
def to_array(tensor):
    return np.array(tensor.detach().cpu().numpy())
""",
            """
def to_array(tensor):
    return tensor.clone().detach().to("cpu").numpy()
""",
            """
def to_array(tensor):
    copied = torch.empty(tensor.shape, dtype=tensor.dtype)
    with torch.no_grad():
        copied.copy_(tensor)
    return copied.numpy()
""",
        ),
    ),
    "ex-own-shuffle": Case(
        mutants=(
            Mutant(
                "torch.Generator().manual_seed", "torch.manual_seed", "everyone shares"
            ),
            Mutant(", generator=generator", "", "everyone shares"),
            Mutant("manual_seed(seed)", "manual_seed(42)", "Every seed gives"),
            Mutant(".manual_seed(seed)", "", "Every seed gives"),
            Mutant(".manual_seed(seed)", "; generator.seed()", "two different"),
            Mutant("return values[order]", "return order", "come out with the shape"),
            Mutant(
                "randperm(len(values), generator=generator)",
                "randint(len(values), (len(values),), generator=generator)",
                "hold each row of `values` exactly once",
            ),
            Mutant(
                """    order = torch.randperm(len(values), generator=generator)
    return values[order]
""",
                """    order = torch.randperm(values.numel(), generator=generator)
    return values.flatten()[order].reshape(values.shape)
""",
                "torn apart",
            ),
            Mutant("values[order]", "values[order.sort().values]", "their old order"),
        ),
        others=(
            """
def shuffled(values, seed):
    generator = torch.Generator().manual_seed(seed)
    return values[torch.rand(len(values), generator=generator).argsort()]
""",
            """
def shuffled(values, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return values[torch.randperm(len(values))]
""",
            """
def shuffled(values, seed):
    rows = list(values)
    random.Random(seed).shuffle(rows)
    return torch.stack(rows)
""",
        ),
    ),
}

FACTS = {
    "Question 1": """
import torch
assert torch.tensor([1.9, -1.9]).to(torch.int64).tolist() == [1, -1]
""",
    "Question 2": """
import torch
x = torch.arange(72).reshape(8, 3, 3)
assert x[:, 1, 1].shape == (8,)
assert all(x[:, 1, 1][k] == x[k, 1, 1] for k in range(8))
assert x[0, 1, 1].shape == ()
assert x[:, 1:2, 1:2].shape == (8, 1, 1)
""",
    "Question 3": """
import torch
x = torch.tensor([1.0, 2.0, 3.0])
x[x > 1] + 10
x[[1, 2]].add_(10)
assert x.tolist() == [1, 2, 3]
x[1:].add_(10)
assert x.tolist() == [1, 12, 13]
""",
    "Question 4": """
import numpy as np
import torch
array = np.ones(3)
tensor, copy = torch.from_numpy(array), torch.tensor(array)
kept = array
array = array * 2
assert tensor.tolist() == [1, 1, 1]
kept *= 2
assert tensor.tolist() == [2, 2, 2]
assert copy.tolist() == [1, 1, 1]
""",
    "Question 5": """
import torch
torch.manual_seed(42)
first = torch.rand(3)
torch.manual_seed(42)
assert torch.equal(torch.rand(3), first)
""",
    "Question 6": """
import torch
tensor = torch.ones(3)
moved = tensor.to("meta")
assert (tensor.device.type, moved.device.type) == ("cpu", "meta")
""",
}
