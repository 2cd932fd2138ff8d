"""What the checkers are tried on: classification."""

from . import Case, Mutant

RINGS = (
    "imports",
    "make-circles",
    "tensors-make",
    "split-make",
    "split-device",
    "model-0-class",
    "untrained-print",
    "accuracy-by-hand",
    "accuracy-import",
    "make-loss-code",
    "functions-steps",
    "functions-repeat",
)

# For mutants that are refused however well their models were trained.
QUICK = """long = train_and_test


def train_and_test(*args, epochs, **how):
    return long(*args, epochs=5, **how)


"""

CASES = {
    "ex-loss-by-hand": Case(
        mutants=(
            Mutant(
                "1 / (1 + torch.exp(-z))", "z", "something that isn't a probability"
            ),
            Mutant("= -(labels", "= (labels", "below zero"),
            Mutant(" + (1 - labels) * torch.log(1 - p)", "", "Samples of class 0"),
            Mutant("each.mean()", "each.sum()", "the sum, which grows"),
            Mutant(
                "p = 1 / (1 + torch.exp(-z))",
                "p = torch.sigmoid(torch.sigmoid(z))",
                "applied twice",
            ),
            Mutant(
                "    p = 1 / (1 + torch.exp(-z))",
                "    p = z.sigmoid()",
                "own sigmoid or loss",
            ),
            Mutant(
                "    p = 1 / (1 + torch.exp(-z))\n"
                "    each = -(labels * torch.log(p) + (1 - labels) * "
                "torch.log(1 - p))",
                "    each = F.binary_cross_entropy_with_logits(z, labels, "
                'reduction="none")',
                "own sigmoid or loss",
            ),
        ),
        others=(
            """
def bce_by_hand(z, labels):
    each = z.clamp(min=0) - z * labels + torch.log1p(torch.exp(-z.abs()))
    return [each, sum(each.tolist()) / len(each)]
""",
            """
def bce_by_hand(z, labels):
    each = torch.logaddexp(z, torch.zeros_like(z)) - labels * z
    return each, each.mean()
""",
            """
def bce_by_hand(z, labels):
    probability = 1 / (1 + torch.exp(-z))
    of_the_truth = torch.where(labels == 1, probability, 1 - probability)
    losses = -torch.log(of_the_truth)
    return losses, losses.sum() / len(losses)
""",
        ),
    ),
    "ex-collapse": Case(
        mutants=(
            Mutant("layer.weight @ weight", "weight @ layer.weight", "on the left"),
            Mutant(
                "bias = layer.weight @ bias + layer.bias",
                "bias = layer.bias",
                "Only the bias of the last layer",
            ),
            Mutant("    one.bias.copy_(bias)\n", "", "the bias is not"),
            Mutant("    one.weight.copy_(weight)\n", "", "product of the weights"),
            Mutant(
                "    one = nn.Linear(layers[0].in_features, layers[-1].out_features)\n",
                "    one = layers[-1]\n    weight, bias = one.weight, one.bias\n",
                "the weight has the shape",
            ),
            Mutant("@torch.no_grad()\n", "", "in-place"),
            Mutant(
                "    weight = torch.eye(",
                "    for layer in layers:\n"
                "        layer.weight.zero_()\n"
                "    weight = torch.eye(",
                "changed the layers",
            ),
        ),
        others=(
            """
def collapse(layers):
    chain = nn.Sequential(*layers)
    inputs = layers[0].in_features
    with torch.no_grad():
        bias = chain(torch.zeros(1, inputs))[0]
        columns = chain(torch.eye(inputs)) - bias
    one = nn.Linear(inputs, len(bias))
    one.weight.data, one.bias.data = columns.T.contiguous(), bias
    return one
""",
            """
from functools import reduce


@torch.no_grad()
def collapse(layers):

    def join(first, second):
        weight, bias = first
        bias = second.weight @ bias
        if second.bias is not None:
            bias = bias + second.bias
        return second.weight @ weight, bias

    start = layers[0].in_features
    like = {"dtype": layers[0].weight.dtype, "device": layers[0].weight.device}
    weight, bias = reduce(
        join, layers, (torch.eye(start, **like), torch.zeros(start, **like))
    )
    one = nn.Linear(start, layers[-1].out_features, **like)
    one.weight.copy_(weight)
    one.bias.copy_(bias)
    return one
""",
            """
def collapse(layers):
    chain = nn.Sequential(*layers)
    probe = layers[0].weight.detach()
    with torch.inference_mode(False), torch.no_grad():
        unit = torch.eye(probe.shape[1]).to(probe)
        shift = chain(torch.zeros_like(unit[:1]))[0]
        columns = chain(unit) - shift
    result = nn.Linear(columns.shape[0], columns.shape[1])
    result.weight = nn.Parameter(columns.T.contiguous())
    result.bias = nn.Parameter(shift.clone())
    return result
""",
        ),
    ),
    "ex-stratify": Case(
        mutants=(
            Mutant("[1].sum()", "[0].sum()", "counted in the training set"),
            Mutant(", stratify=rare_y)", ")", "varies from seed to seed"),
            Mutant("ones_in_test(random_state=s) for", "ones_in_test() for", "0 to 49"),
            Mutant("shuffle=False", "random_state=0", "count for `shuffle=False`"),
        ),
        others=(
            """
plain, stratified = [], []
for seed in range(50):
    plain.append(train_test_split(rare_y, test_size=200, random_state=seed)[1].sum())
    both = train_test_split(
        np.arange(1000), rare_y, train_size=0.8, random_state=seed, stratify=rare_y
    )
    stratified.append((both[3] == 1).sum())
unshuffled = rare_y[-200:].sum()
""",
            """
plain, stratified = [], []
for state in range(50):
    for counts, by in ((plain, None), (stratified, rare_y)):
        _, rows = train_test_split(
            np.arange(len(rare_y)), test_size=0.2, random_state=state, stratify=by
        )
        counts.append(np.count_nonzero(rare_y[rows] == 1))
unshuffled = rare_y[-200:].sum()
""",
            """
both = torch.zeros(2, 50, dtype=torch.int16)
for row, kept in enumerate((None, rare_y)):
    for seed in range(50):
        how = {"random_state": seed, "stratify": kept}
        both[row, seed] = int(train_test_split(rare_y, test_size=0.2, **how)[1].sum())
plain, stratified = both
unshuffled = np.float64(sum(train_test_split(rare_y, train_size=800, shuffle=False)[1]))
""",
        ),
    ),
    "ex-rate": Case(
        needs=(*RINGS, "v2-class"),
        mutants=(
            Mutant("    torch.manual_seed(42)\n", "", "after seed 42"),
            Mutant(
                "make_optimizer(model.parameters())",
                "make_optimizer(CircleModelV2().to(device).parameters())",
                "still that of the new model",
            ),
            Mutant('["train_loss"][-1]', '["train_loss"][0]', "the last entry"),
            Mutant('["train_loss"][-1]', '["test_loss"][-1]', "loss on the test set"),
            Mutant("epochs=epochs)", "epochs=10)", "the training loss of"),
        ),
        others=(
            """
def last_loss(make_optimizer, epochs=1000):
    torch.manual_seed(42)
    net = CircleModelV2().to(device).train()
    optimizer = make_optimizer(list(net.parameters()))
    for _ in range(epochs):
        net.zero_grad()
        loss_fn(net(X_train).flatten(), y_train).backward()
        optimizer.step()
    with torch.no_grad():
        return loss_fn(net(X_train).flatten(), y_train)
""",
            """
def last_loss(make_optimizer, epochs=1000):
    torch.manual_seed(42)
    model = CircleModelV2().to(device)
    return train_and_test(
        model,
        rings,
        nn.BCEWithLogitsLoss(),
        make_optimizer(model.parameters()),
        epochs=epochs,
    )["train_loss"][-1]
""",
            """
def last_loss(make_optimizer, epochs=1000):
    points, classes, *_ = rings
    seed_everything(42)
    net = CircleModelV2()
    net.to(points.device)
    optimizer = make_optimizer(net.parameters())

    def closure():
        optimizer.zero_grad()
        z = net(points)
        loss = F.binary_cross_entropy_with_logits(z, classes[:, None])
        loss.backward()
        return loss

    for _ in range(epochs):
        loss = optimizer.step(closure)
    return float(loss.detach())
""",
        ),
    ),
    "ex-radius": Case(
        needs=RINGS,
        mutants=(
            Mutant(
                "points.square().sum(dim=1, keepdim=True)",
                "points.norm(dim=1, keepdim=True)",
                "asks for its square",
            ),
            Mutant(
                "points.square().sum(dim=1, keepdim=True)",
                "points.square().sum().expand(len(points), 1)",
                "of the same point",
            ),
            Mutant("[points, squared]", "[squared, points]", "not the coordinates"),
            Mutant(
                "radius_accuracy = record",
                "def add_radius(points):\n"
                "    return points.square().sum(dim=1)\n\n\n"
                "radius_accuracy = record",
                "returns the shape",
            ),
            Mutant(
                "nn.Linear(3, 1).to",
                "nn.Sequential(nn.Linear(3, 9), nn.ReLU(), nn.Linear(9, 1)).to",
                "something bends in it",
            ),
            Mutant(
                "radius_accuracy = record",
                "radius_model = nn.Linear(2, 1)\nradius_accuracy = record",
                "does not take three features",
            ),
            Mutant("epochs=500", "epochs=2", "for longer"),
            Mutant(
                'record["test_accuracy"][-1]',
                "accuracy(radius_model(with_radius[2])[:, 0].detach(), y[:200])",
                "belong to the same points",
            ),
            Mutant('record["test_accuracy"][-1]', "98.5", "not per cent"),
        ),
        others=(
            """
def add_radius(points):
    x, y = points.unbind(dim=1)
    return torch.stack([x, y, x**2 + y**2], dim=1)


radius_model = nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 1)).to(device)
optimizer = torch.optim.SGD(radius_model.parameters(), lr=0.5, momentum=0.9)
three, three_test = add_radius(X_train), add_radius(X_test)
for _ in range(2000):
    optimizer.zero_grad()
    loss_fn(radius_model(three)[:, 0], y_train).backward()
    optimizer.step()
with torch.no_grad():
    hits = (radius_model(three_test)[:, 0] > 0) == y_test.bool()
radius_accuracy = hits.float().mean()
""",
            """
def add_radius(points):
    return F.pad(points, (0, 1)) + F.pad(points.pow(2).sum(1)[:, None], (2, 0))


class Straight(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return x @ self.weight + self.bias


radius_model = Straight().to(device)
lbfgs = torch.optim.LBFGS(radius_model.parameters(), max_iter=200)


def closure():
    lbfgs.zero_grad()
    loss = loss_fn(radius_model(add_radius(X_train)), y_train)
    loss.backward()
    return loss


lbfgs.step(closure)
test_logits = radius_model(add_radius(X_test)).detach()
radius_accuracy = accuracy(test_logits, y_test)
""",
            """
def add_radius(points):
    squares = [float(a) ** 2 + float(b) ** 2 for a, b in points]
    return torch.column_stack([points, torch.tensor(squares, device=points.device)])


three = add_radius(X_train)
best = LogisticRegression(C=1e5).fit(three.cpu(), y_train.cpu())
radius_model = nn.Linear(3, 1)
with torch.no_grad():
    radius_model.weight.copy_(torch.from_numpy(best.coef_))
    radius_model.bias.copy_(torch.from_numpy(best.intercept_))
radius_accuracy = best.score(add_radius(X_test).cpu(), y_test.cpu())
""",
        ),
    ),
    "ex-moons": Case(
        needs=(*RINGS, "v1-class", "v2-class"),
        mutants=(
            Mutant(
                "for model_class in (CircleModelV1, CircleModelV2)",
                QUICK + "for model_class in (CircleModelV1, CircleModelV1)",
                "is affine",
            ),
            Mutant(
                "for model_class in (CircleModelV1, CircleModelV2)",
                QUICK + "for model_class in (CircleModelV2, CircleModelV2)",
                "is not affine",
            ),
            Mutant("epochs=500", "epochs=3", "train them for longer"),
            Mutant(
                "for model_class in (CircleModelV1, CircleModelV2):",
                QUICK + "def sure(kind):\n"
                "    return lambda: nn.Sequential(kind(), nn.Sigmoid())\n\n\n"
                "for model_class in (sure(CircleModelV1), sure(CircleModelV2)):",
                "never answers below 0",
            ),
            Mutant(
                'record["test_accuracy"][-1]',
                "accuracy(test_step(model, *moons[2:], loss_fn)[0], moons[1][:200])",
                "belong to the same points",
            ),
        ),
        others=(
            """
points, labels = datasets.make_moons(1000, noise=0.1, random_state=42)
points, labels = torch.tensor(points).float(), torch.tensor(labels)
torch.manual_seed(1)
order = torch.randperm(1000)
train, test = order[:800], order[800:]
answers = []
for layers in (
    [nn.Linear(2, 2)],
    [nn.Linear(2, 20), nn.Tanh(), nn.Linear(20, 2)],
):
    net = nn.Sequential(*layers)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        F.cross_entropy(net(points[train]), labels[train]).backward()
        optimizer.step()
    right = net(points[test]).argmax(dim=1) == labels[test]
    answers.append((net, right.float().mean()))
(moon_linear, linear_accuracy), (moon_relu, relu_accuracy) = answers
""",
            """
moon_X, moon_y = datasets.make_moons(1000, noise=0.1, random_state=42)
moon_X = torch.tensor(moon_X, dtype=torch.float32)
moon_y = torch.tensor(moon_y, dtype=torch.float32)
A, B, a, b = train_test_split(moon_X, moon_y, test_size=0.2, random_state=42)


def fit_moons(model, epochs=200):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    criterion = nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        optimizer.zero_grad()
        criterion(model(A).squeeze(1), a).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        return ((model(B).squeeze(1) > 0) == b.bool()).float().mean().item()


torch.manual_seed(42)
moon_linear = nn.Linear(2, 1)
moon_relu = nn.Sequential(
    nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1)
)
linear_accuracy, relu_accuracy = fit_moons(moon_linear), fit_moons(moon_relu)
""",
            """
class Moons(nn.Module):
    def __init__(self, *widths, bend):
        super().__init__()
        self.layers = nn.ModuleList(
            (nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        )
        self.bend = bend

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.bend(layer(x))
        return self.layers[-1](x)[:, 0]


def moons_everything(bend):
    points, classes = datasets.make_moons(1000, noise=0.1, random_state=42)
    order = np.random.default_rng(7).permutation(1000)
    points = torch.from_numpy(points[order]).to(device, torch.float32)
    classes = torch.from_numpy(classes[order]).to(device, torch.float32)
    learn, test = slice(0, 750), slice(750, None)
    torch.manual_seed(0)
    model = Moons(2, 32, 32, 1, bend=bend).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for epoch in range(300):
        loss = F.binary_cross_entropy_with_logits(model(points[learn]), classes[learn])
        model.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        predicted = torch.sigmoid(model(points[test])).round()
        hits = (predicted == classes[test]).sum().item()
    return model, hits / 250


moon_linear, linear_accuracy = moons_everything(lambda x: x)
moon_relu, relu_accuracy = moons_everything(torch.relu)
""",
            """
points, labels = datasets.make_moons(1000, noise=0.1, random_state=42)
parts = train_test_split(points, labels[:, None], test_size=100, random_state=0)
(A, B), (a, b) = (map(torch.from_numpy, parts[i : i + 2]) for i in (0, 2))
torch.manual_seed(0)
moon_linear = nn.Sequential(nn.Linear(2, 8), nn.Linear(8, 1)).double()
moon_relu = nn.Sequential(nn.Linear(2, 30), nn.ReLU(), nn.Linear(30, 1)).double()
reached = []
for net in (moon_linear, moon_relu):
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(net(A), a.double()).backward()
        optimizer.step()
    reached.append(((net(B) > 0) == b).sum() / 100)
linear_accuracy, relu_accuracy = reached
""",
        ),
    ),
}

START = """
import math
import torch
import torch.nn.functional as F
from torch import nn
"""

FACTS = {
    "Question 1": START
    + """
torch.manual_seed(0)
sizes = [2] + [100] * 9 + [1]
ten = nn.Sequential(*(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])))
assert len(ten) == 10
ten = ten.double()
a, b = torch.randn(50, 2).double(), torch.randn(50, 2).double()
torch.testing.assert_close(ten((a + b) / 2), (ten(a) + ten(b)) / 2)
from sklearn.datasets import make_circles
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
X, y = make_circles(1000, noise=0.03, random_state=42)
best = LogisticRegression(C=1e9).fit(X, y)
assert best.coef_.size + best.intercept_.size == 3
assert abs(log_loss(y, best.predict_proba(X)) - math.log(2)) < 1e-3
""",
    "Question 2": START
    + """
y = torch.tensor([0.0, 1.0]).repeat(500)
half = F.binary_cross_entropy_with_logits(torch.zeros(1000), y).item()
assert abs(half - math.log(2)) < 1e-6 and abs(half - 0.693) < 5e-4
right = torch.where(torch.arange(1000) < 693, 1.0, -1.0) * (2 * y - 1)
for size in (0.01, 10.0):  # 69.3 % right, and any loss
    assert abs(((size * right > 0) == y).float().mean() - 0.693) < 1e-6
    loss = F.binary_cross_entropy_with_logits(size * right, y)
    assert abs(loss - math.log(2)) < 0.01 or loss > 2
""",
    "Question 3": START
    + """
p = torch.sigmoid(torch.tensor(-1.2))
assert p < 0.5 and abs(-1.2) > 0.5
batch = torch.tensor([-1.2, 50.0, -50.0])
assert torch.sigmoid(batch)[0] == p
row = torch.tensor([[-1.2, -3.0], [-1.2, 3.0]])
assert row.argmax(dim=1).tolist() == [0, 1]
""",
    "Question 4": START
    + """
z = torch.tensor([20.0], requires_grad=True)
p = torch.sigmoid(z)
assert p.item() == 1 and torch.log(1 - p).isinf().all()
(slope,) = torch.autograd.grad(F.binary_cross_entropy(p, torch.zeros(1)), z)
assert slope.item() == 0
z = torch.tensor([20.0], requires_grad=True)
(slope,) = torch.autograd.grad(
    F.binary_cross_entropy_with_logits(z, torch.zeros(1)), z
)
assert abs(slope.item() - 1) < 1e-6
for at in (-3.0, 0.0, 3.0):
    z = torch.tensor([at], requires_grad=True)
    (slope,) = torch.autograd.grad(torch.sigmoid(z).sum(), z)
    assert slope.item() > 0
""",
    "Question 5": START
    + """
def bends(*layers):
    torch.manual_seed(0)
    model = nn.Sequential(*layers)
    a, b = torch.randn(200, 2), torch.randn(200, 2)
    with torch.no_grad():
        gap = model((a + b) / 2) - (model(a) + model(b)) / 2
    return gap.abs().max().item() > 1e-4


assert not bends(nn.Linear(2, 9), nn.Linear(9, 1))
assert not bends(nn.Linear(2, 9), nn.Linear(9, 9), nn.Linear(9, 9), nn.Linear(9, 1))
assert bends(nn.Linear(2, 9), nn.ReLU(), nn.Linear(9, 1))
angle = torch.rand(500) * 7
ring = torch.stack([angle.cos(), angle.sin()], dim=1)
assert (0.8 * ring).square().sum(1).max() < 0.81 < ring.square().sum(1).min()
""",
}
