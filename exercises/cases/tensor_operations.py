"""What the checkers are tried on: tensor operations."""

from . import Case, Mutant

CASES = {
    "ex-shapes": Case(
        mutants=(
            Mutant("a @ b", "a", "the inner sizes meet"),
            Mutant("a + c", "c + b[:4, :1]", "are stretched"),
            Mutant("a.mean(dim=1),", "a.mean(dim=2),", "used up"),
            Mutant("keepdim=True", "keepdim=False", "in place, with size 1"),
            Mutant("torch.stack(", "torch.cat(", "makes a new dimension"),
            Mutant("torch.cat(", "torch.stack(", "that is already there"),
            Mutant("(1, 2, 0)", "(2, 0, 1)", "lists the old positions"),
        ),
        others=(
            """
shapes = {
    "matmul": [5, 4, 2],
    "plus": torch.Size([5, 4, 6]),
    "mean": (5, 6),
    "kept": (5, 1, 6),
    "stacked": (6, 3, 2),
    "joined": (6, 6),
    "turned": (4, 6, 5),
}
""",
            """
a, b, c = torch.empty(5, 4, 6), torch.empty(6, 2), torch.empty(4, 1)
shapes = {
    name: result.shape
    for name, result in dict(
        turned=a.permute(1, 2, 0),
        joined=torch.cat([b] * 3, dim=1),
        stacked=torch.stack([b] * 3, dim=1),
        kept=a.mean(dim=1, keepdim=True),
        mean=a.mean(dim=1),
        plus=a + c,
        matmul=a @ b,
    ).items()
}
""",
            """
_a, _b, _c = torch.empty(5, 4, 6), torch.empty(6, 2), torch.empty(4, 1)
shapes = {}
for _name, _result in dict(
    turned=_a.permute(1, 2, 0),
    joined=torch.cat([_b] * 3, dim=1),
    stacked=torch.stack([_b] * 3, dim=1),
    kept=_a.mean(dim=1, keepdim=True),
    mean=_a.mean(dim=1),
    plus=_a + _c,
    matmul=_a @ _b,
).items():
    shapes[_name] = _result.shape  # torch.Size is a tuple
""",
        ),
    ),
    "ex-standardise": Case(
        mutants=(
            Mutant("dim=0", "dim=1, keepdim=True", "The rows have been"),
            Mutant("dim=0", "dim=1", "doesn't fit the columns"),
            Mutant("dim=0", "", "share one mean"),
            Mutant(" / table.std(dim=0)", "", "aren't divided"),
            Mutant("table.std", "table.var", "the variance is its square"),
            Mutant(
                "    return (table - table.mean(dim=0))",
                "    table -= table.mean(dim=0)\n    return table",
                "writes into its argument",
            ),
            Mutant(
                "(table - table.mean(dim=0)) / table.std(dim=0)",
                "torch.stack([(c - c.mean()) / c.std() for c in table.T], dim=1)",
                "you loop over the columns",
            ),
            Mutant(
                "(table - table.mean(dim=0)) / table.std(dim=0)",
                "torch.stack(list(map(lambda row: (row - table.mean(dim=0))"
                " / table.std(dim=0), table)))",
                "you loop over the rows",
            ),
        ),
        others=(
            """
def standardise(table):
    std, mean = torch.std_mean(table, dim=0, keepdim=True)
    return (table - mean) / std
""",
            """
def standardise(table):
    centred = table - table.sum(dim=0) / table.shape[0]
    centred /= (centred * centred).mean(dim=0).sqrt()
    return centred
""",
            """
def standardise(table):
    centred = table - table.sum(dim=0) / table.shape[0]
    variance = (centred * centred).mean(dim=0)  # the population's, as in NumPy
    centred /= variance.sqrt()
    return centred
""",
        ),
    ),
    "ex-films": Case(
        mutants=(
            Mutant("films.T", "films", "has to be transposed"),
            Mutant("argmax(dim=1)", "argmax(dim=0)", "one answer per film"),
            Mutant("argmax(dim=1)", "amax(dim=1)", "not positions"),
            Mutant("argmax(dim=1)", "max(dim=1)", "values and positions"),
            Mutant("argmax(dim=1)", "argmin(dim=1)", "lowest scores"),
            Mutant("argmax(dim=1)", "argmax()", "has the shape ()"),
            Mutant(
                "argmax(dim=1)", "argsort(dim=1)[:, 1 % len(films)]", "highest score"
            ),
            Mutant(
                "tastes @ films.T", "-torch.cdist(tastes, films)", "not the distance"
            ),
            Mutant(
                """    scores = tastes @ films.T
    return scores.argmax(dim=1)
""",
                """    best = [(films @ taste).argmax() for taste in tastes]
    return torch.stack(best)
""",
                "you loop over the users",
            ),
            Mutant(
                "tastes @ films.T",
                "torch.stack([tastes @ film for film in films], dim=1)",
                "you loop over the films",
            ),
        ),
        others=(
            """
def best_films(films, tastes):
    return (films @ tastes.T).argmax(dim=0)
""",
            """
def best_films(films, tastes):
    scores = (films.unsqueeze(0) * tastes.unsqueeze(1)).sum(dim=2)
    return scores.max(dim=1).indices.int()
""",
            """
def best_films(films, tastes):
    return torch.einsum("fk,uk->uf", films, tastes).topk(1).indices.squeeze(1)
""",
        ),
    ),
    "ex-pictures": Case(
        mutants=(
            Mutant(
                "permute(0, 3, 1, 2).contiguous()",
                "reshape(len(images), 3, *images.shape[1:3])",
                "are scrambled",
            ),
            Mutant("(0, 3, 1, 2)", "(0, 3, 2, 1)", "changed places"),
            Mutant(".contiguous()", "", "leaves the memory"),
            Mutant(" / 255", "", "run up to 255"),
            Mutant(" / 255", " // 255", "divided by 255"),
            Mutant("torch.float32", "torch.float64", "layers want float32"),
        ),
        others=(
            """
def to_model_input(images):
    scaled = [images[..., k].float().div(255) for k in range(3)]
    return torch.stack(scaled, dim=1)
""",
            """
def to_model_input(images: torch.Tensor) -> torch.Tensor:
    n, height, width, channels = images.shape
    result = torch.empty(n, channels, height, width)
    for channel in range(channels):
        result[:, channel] = images[..., channel]
    return result.mul_(1 / 255).clamp_(max=1.0)
""",
            """
def to_model_input(images):
    return images.permute(0, 3, 1, 2).contiguous().float() / 255
""",
        ),
    ),
    "ex-memory": Case(
        mutants=(
            Mutant(
                "a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()",
                "a.data_ptr() == b.data_ptr()",
                "starts later in it",
            ),
            Mutant(
                "a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()",
                "a is b",
                "compares the objects",
            ),
            Mutant(
                "a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()",
                "set(a.flatten().tolist()) >= set(b.flatten().tolist())",
                "a clone has its own",
            ),
            Mutant(
                '"x.T.reshape(3, 4)": False',
                '"x.T.reshape(3, 4)": True',
                "has to copy",
            ),
            Mutant(
                '"x.to(torch.int64)": True',
                '"x.to(torch.int64)": False',
                "this dtype already",
            ),
            Mutant('"x[x > 3]": False', '"x[x > 3]": True', "can be anywhere"),
        ),
        others=(
            """
def shares_memory(a, b):
    return np.shares_memory(a.numpy(), b.numpy())


x = torch.arange(12).reshape(3, 4)
shared = {name: shares_memory(x, eval(name)) for name in shared}
""",
            """
def span(tensor):
    storage = tensor.untyped_storage()
    first = storage.data_ptr()
    return range(first, first + storage.nbytes())


def shares_memory(a, b):
    one, other = span(a), span(b)
    return max(one.start, other.start) < min(one.stop, other.stop)


copies = {"x.T.reshape(3, 4)", "x[[0, 1]]", "x[x > 3]", "x.float()", "x.clone()"}
shared = {name: name not in copies for name in shared}
""",
            """
def _span(tensor):
    storage = tensor.untyped_storage()
    first = storage.data_ptr()
    return range(first, first + storage.nbytes())


def shares_memory(a, b):
    '''Do the pieces of memory behind the two overlap?'''
    one, other = _span(a), _span(b)
    return max(one.start, other.start) < min(one.stop, other.stop)


_copies = {"x.T.reshape(3, 4)", "x[[0, 1]]", "x[x > 3]", "x.float()", "x.clone()"}
shared = dict.fromkeys(
    ["x.T", "x.reshape(4, 3)", "x[:, 1:3]", "x.unsqueeze(0)", "x.to(torch.int64)"], True
) | dict.fromkeys(_copies, False)
""",
        ),
    ),
    "ex-nearest": Case(
        mutants=(
            Mutant("argmin(dim=1)", "argmin(dim=0)", "one answer for each centroid"),
            Mutant("argmin(dim=1)", "argmax(dim=1)", "furthest away"),
            Mutant("argmin(dim=1)", "amin(dim=1)", "not positions"),
            Mutant("argmin(dim=1)", "min(dim=1)", "values and positions"),
            Mutant(".square()", "", "opposite sign cancel"),
            Mutant(".unsqueeze(1)", "", "need a new dimension each"),
            Mutant(".sum(dim=2)", ".sum(dim=1)", "used up the centroids"),
            Mutant(
                """    differences = points.unsqueeze(1) - centroids.unsqueeze(0)
    return differences.square().sum(dim=2).argmin(dim=1)
""",
                """    found = [(centroids - p).norm(dim=1).argmin() for p in points]
    return torch.tensor(found, dtype=torch.int32)
""",
                "you loop over the points",
            ),
            Mutant(
                "differences.square().sum(dim=2)",
                "sum(differences[..., d] ** 2 for d in range(points.shape[1]))",
                "you loop over the coordinates",
            ),
            Mutant(
                """    differences = points.unsqueeze(1) - centroids.unsqueeze(0)
    return differences.square().sum(dim=2).argmin(dim=1)
""",
                """    squares = [(points - c).square().sum(dim=1) for c in centroids]
    return torch.stack(squares).argmin(dim=0)
""",
                "you loop over the centroids",
            ),
        ),
        others=(
            """
def nearest(points, centroids):
    def of_one(point):
        difference = centroids - point
        return torch.einsum("kd,kd->k", difference, difference).argmin()

    return torch.vmap(of_one)(points)
""",
            """
def nearest(points, centroids):
    products = points @ centroids.T
    squares = (points**2).sum(1, keepdim=True) - 2 * products + (centroids**2).sum(1)
    return squares.topk(1, largest=False).indices.squeeze(1).int()
""",
            """
def nearest(points, centroids):
    squares = np.square(points.numpy()[:, None] - centroids.numpy()[None]).sum(axis=-1)
    return torch.from_numpy(squares.argmin(axis=-1))
""",
        ),
    ),
}

FACTS = {
    "Question 1": """
import torch
layer = torch.nn.Linear(10, 3)
assert layer.weight.shape == (3, 10)
assert layer(torch.rand(32, 10)).shape == (32, 3)
""",
    "Question 2": """
import torch
difference = torch.zeros(32, 1) - torch.zeros(32)
assert difference.numel() == 1024
""",
    "Question 3": """
import torch
tensors = [torch.zeros(4, 6)] * 5
assert torch.stack(tensors, dim=1).shape == (4, 5, 6)
assert torch.stack(tensors, dim=0).shape == (5, 4, 6)
assert torch.cat(tensors, dim=1).shape == (4, 30)
""",
    "Question 4": """
import torch
grid = torch.arange(6).reshape(2, 3)
assert grid.reshape(3, 2).data_ptr() == grid.data_ptr()
assert grid.T.reshape(2, 3).data_ptr() != grid.data_ptr()
""",
    "Question 5": """
import warnings
import torch
image = torch.rand(200, 300, 3)
turned = image.permute(2, 0, 1)
assert turned.shape == (3, 200, 300)
assert torch.equal(turned[:, 10, 20], image[10, 20])
assert not torch.equal(image.reshape(3, 200, 300), turned)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    reversed_ = image.T
assert "deprecated" in str(caught[0].message)
assert torch.equal(reversed_[:, 20, 10], image[10, 20])
""",
}
