"""What the checkers are tried on: workflow."""

from . import Case, Mutant

LINE = ("imports", "make-line", "split-80-20", "linear-regression-model")
TRAINED = (*LINE, "train-and-test")

CASES = {
    "ex-three-sets": Case(
        needs=("imports", "make-line"),
        mutants=(
            Mutant("round(train * len(X))", "int(train * len(X))", "`int` cuts off"),
            Mutant("(second, len(X))", "(second, 2 * second - first)", "in no set"),
            Mutant("(second, len(X))", "(first, len(X))", "in two sets"),
            Mutant("return parts", "return parts[::2] + parts[1::2]", "in pairs"),
            Mutant(
                "    parts = []",
                "    X = X[torch.randperm(len(X))]\n    parts = []",
                "no longer in their order",
            ),
        ),
        others=(
            """
def three_way_split(X, y, train, validation):
    sizes = [round(share * X.shape[0]) for share in (train, validation)]
    sizes.append(X.shape[0] - sum(sizes))
    pairs = zip(X.split(sizes), y.split(sizes))
    return tuple(part for pair in pairs for part in pair)
""",
            """
from itertools import chain


def three_way_split(X, y, train, validation):
    rows = np.rint(np.array([train, validation]) * X.shape[0]).astype(int)
    ends = np.cumsum(rows).tolist()
    sets = zip(X.tensor_split(ends), y.tensor_split(ends))
    return list(chain.from_iterable(sets))
""",
            """
def three_way_split(X, y, train, validation):
    a = round(train * len(X))
    b = a + round(validation * len(X))
    return X[:a], y[:a], X[a:b], y[a:b], X[b:], y[b:]
""",
        ),
    ),
    "ex-no-seed": Case(
        needs=(*TRAINED, "linear-model"),
        mutants=(
            Mutant(
                "    model = LinearRegressionModelV2()",
                "    torch.manual_seed(42)\n    model = LinearRegressionModelV2()",
                "a seed is set",
            ),
            Mutant(
                "for _ in range(3):\n    model = LinearRegressionModelV2()\n",
                "model = LinearRegressionModelV2()\nfor _ in range(3):\n",
                "a new model in each",
            ),
            Mutant("epochs=1000", "epochs=20", "trained for 1000 epochs"),
            Mutant(
                "starts.append([layer.weight.item(), layer.bias.item()])",
                "starts.append([layer.weight, layer.bias])",
                "training changed them",
            ),
            Mutant(
                "finishes.append([layer.weight.item(), layer.bias.item()])",
                "finishes.append([0.694, 0.299])",
                "end elsewhere",
            ),
            Mutant("lr=0.01", "lr=0.02", "end elsewhere"),
        ),
        others=(
            """
models = [LinearRegressionModelV2() for _ in range(3)]
def both(model):
    return tuple(p.detach().flatten()[0].clone() for p in model.parameters())
starts = [both(model) for model in models]
for model in models:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(1000):
        optimizer.zero_grad()
        (model(X_train) - y_train).abs().mean().backward()
        optimizer.step()
finishes = [both(model) for model in models]
""",
            """
starts, finishes = [], []
for _ in range(3):
    model = LinearRegressionModelV2()
    starts.append(nn.utils.parameters_to_vector(model.parameters()).tolist())
    for _ in range(1000):
        gradients = torch.autograd.grad(
            nn.functional.l1_loss(model(X_train), y_train), list(model.parameters())
        )
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients):
                parameter.sub_(gradient, alpha=0.01)
    finishes.append(nn.utils.parameters_to_vector(model.parameters()).tolist())
""",
            """
def pair(model):
    return tuple(p.detach().flatten()[0].tolist() for p in model.state_dict().values())


def one_life():
    model = LinearRegressionModelV2().cpu()
    birth = pair(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(1000):
        optimizer.zero_grad()
        (model(X_train) - y_train).abs().mean().backward()
        optimizer.step()
    return birth, pair(model)


starts, finishes = zip(*[one_life() for _ in range(3)])
""",
        ),
    ),
    "ex-plane": Case(
        needs=TRAINED,
        mutants=(
            Mutant("out_features=1)", "out_features=1, bias=False)", "has no bias"),
            Mutant("epochs=500", "epochs=5", "Train for longer"),
            Mutant("nn.MSELoss()", "nn.L1Loss()", "steps get shorter"),
            Mutant(
                "heights[:80], points[80:], heights[80:]",
                "heights[:80, 0], points[80:], heights[80:, 0]",
                "the mean height everywhere",
            ),
            Mutant(
                "nn.Linear(in_features=2, out_features=1)\n",
                "nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))\n"
                "heights = heights[:, 0]\n",
                "one number per point is (3, 1)",
            ),
        ),
        others=(
            """
plane = nn.Linear(2, 1)
optimizer = torch.optim.Adam(plane.parameters(), lr=0.05)
for _ in range(500):
    optimizer.zero_grad()
    (plane(points) - heights).square().mean().backward()
    optimizer.step()
""",
            """
plane = nn.Sequential(nn.Linear(in_features=2, out_features=1))
lbfgs = torch.optim.LBFGS(plane.parameters(), line_search_fn="strong_wolfe")


def closure():
    lbfgs.zero_grad()
    error = (plane(points) - heights).pow(2).sum()
    error.backward()
    return error


for _ in range(10):
    lbfgs.step(closure)
plane.requires_grad_(False).eval()
""",
            """
class Plane(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x):
        return self.layer(x)


plane = Plane()
weight, bias = plane.layer.parameters()
for _ in range(100):
    for batch, goal in zip(points.split(10), heights.split(10)):
        error = plane(batch) - goal
        dw, db = torch.autograd.grad(error.square().mean(), [weight, bias])
        with torch.no_grad():
            weight -= 0.5 * dw
            bias -= 0.5 * db
""",
        ),
    ),
    "ex-resting-loss": Case(
        needs=TRAINED,
        mutants=(
            Mutant("nn.L1Loss()(model", "loss_fn(model", "the mean of the squares"),
            Mutant("(data[2]), data[3]", "(data[0]), data[1]", "on the training set"),
            Mutant("    torch.manual_seed(42)\n", "", "from seed 42"),
            Mutant("data, loss_fn,", "data, nn.L1Loss(),", "arguments arrive"),
            Mutant("epochs=epochs)", "epochs=400)", "arguments arrive"),
        ),
        others=(
            """
def mae_after(loss_fn, lr, epochs=400):
    torch.manual_seed(42)
    model = LinearRegressionModel()
    optimizer = torch.optim.SGD(model.parameters(), lr)
    for _ in range(epochs):
        optimizer.zero_grad()
        loss_fn(model(X_train), y_train).backward()
        optimizer.step()
    with torch.no_grad():
        return (y_test - model(X_test)).abs().mean()
""",
            """
def mae_after(loss_fn, lr, epochs=400):
    torch.manual_seed(42)
    line = LinearRegressionModel()
    parameters = tuple(line.parameters())
    for _ in range(epochs):
        gradients = torch.autograd.grad(loss_fn(line(X_train), y_train), parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients):
                parameter.sub_(lr * gradient)
    return float(np.abs(line(X_test).detach().numpy() - y_test.numpy()).mean())
""",
            """
def mae_after(loss_fn, lr, epochs=400):
    torch.manual_seed(42)
    model = LinearRegressionModel()
    state = {name: value.detach() for name, value in model.named_parameters()}

    def loss(state):
        return loss_fn(torch.func.functional_call(model, state, X_train), y_train)

    for _ in range(epochs):
        slopes = torch.func.grad(loss)(state)
        state = {name: value - lr * slopes[name] for name, value in state.items()}
    predicted = torch.func.functional_call(model, state, X_test)
    return nn.functional.l1_loss(predicted, y_test)
""",
        ),
    ),
    "ex-best": Case(
        needs=LINE,
        mutants=(
            Mutant(
                "copy.deepcopy(model.state_dict())",
                "model.state_dict()",
                "training went on changing them",
            ),
            Mutant(
                "loss_fn(model(X[30:40]), y[30:40])",
                "loss_fn(model(X[40:]), y[40:])",
                "chosen by the last ten points",
            ),
            Mutant(
                "loss_fn(model(X[30:40]), y[30:40])",
                "loss_fn(model(X[:30]), y[:30])",
                "on the training points",
            ),
            Mutant(
                "loss_fn(model(X[:30]), y[:30])",
                "loss_fn(model(X[:40]), y[:40])",
                "on the validation set too",
            ),
            Mutant(
                "best_loss, best_epoch = validation_loss, epoch\n",
                "best_loss, best_epoch = validation_loss, epoch + 1\n",
                "count epochs from 0",
            ),
            Mutant("best_model.load_state_dict(best_state)\n", "", "load it"),
        ),
        others=(
            """
torch.manual_seed(42)
model = LinearRegressionModel()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
log = []
for epoch in range(300):
    optimizer.zero_grad()
    (model(X[:30]) - y[:30]).abs().mean().backward()
    optimizer.step()
    with torch.no_grad():
        loss = (model(X[30:40]) - y[30:40]).abs().mean()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    log.append((loss, epoch, state))
best_loss, best_epoch, best_state = min(log, key=lambda row: row[0])
best_model = LinearRegressionModel()
best_model.load_state_dict(best_state)
""",
            """
from typing import NamedTuple


class Record(NamedTuple):
    loss: float
    epoch: int
    state: dict


def records(epochs):
    torch.manual_seed(42)
    line = LinearRegressionModel()
    sgd = torch.optim.SGD(line.parameters(), lr=0.01)
    for epoch in range(epochs):
        sgd.zero_grad()
        nn.functional.l1_loss(line(X[:30]), y[:30]).backward()
        sgd.step()
        loss = nn.functional.l1_loss(line(X[30:40]), y[30:40]).item()
        yield Record(loss, epoch, copy.deepcopy(line).state_dict())


best_loss, best_epoch, best_state = min(records(300), key=lambda record: record.loss)
best_model = LinearRegressionModel()
best_model.load_state_dict(best_state)
best_model.eval()
""",
            """
torch.manual_seed(42)
models_so_far = [LinearRegressionModel()]
for _ in range(300):
    model = copy.deepcopy(models_so_far[-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    nn.L1Loss()(model(X[:30]), y[:30]).backward()
    optimizer.step()
    optimizer.zero_grad()
    models_so_far.append(model)
del models_so_far[0]
with torch.inference_mode():
    losses = [nn.L1Loss()(model(X[30:40]), y[30:40]) for model in models_so_far]
best_loss, best_epoch = torch.stack(losses).min(dim=0)
best_state = models_so_far[best_epoch].state_dict()
best_model = LinearRegressionModel()
with torch.no_grad():
    best_model.weight.copy_(best_state["weight"])
    best_model.bias.copy_(best_state["bias"])
""",
        ),
    ),
    "ex-resume": Case(
        needs=(*TRAINED, "model-0", "save-state"),
        mutants=(
            Mutant(
                'optimizer.load_state_dict(loaded["optimizer"])\n',
                "",
                "Did the new optimizer get its state",
            ),
            Mutant(
                """    "optimizer": optimizer.state_dict(),
}
path = models / "checkpoint.pth"
torch.save(checkpoint, path)

loaded = torch.load(path, map_location="cpu", weights_only=True)
resumed, optimizer = start_training()
resumed.load_state_dict(loaded["model"])
optimizer.load_state_dict(loaded["optimizer"])
""",
                """}
path = models / "checkpoint.pth"
torch.save(checkpoint, path)

loaded = torch.load(path, map_location="cpu", weights_only=True)
resumed, optimizer = start_training()
resumed.load_state_dict(loaded["model"])
""",
                "no state of the optimizer",
            ),
            Mutant("lr=0.01, momentum=0.9)", "lr=0.01)", "remembers nothing"),
            Mutant('"epochs": 50', '"epochs": 0', "50 epochs are done"),
            Mutant(
                "train_and_test(resumed, data, loss_fn, optimizer, epochs=50)\n",
                "resumed = straight\n",
                "the same model",
            ),
            Mutant(
                "train_and_test(resumed, data, loss_fn, optimizer, epochs=50)\n",
                "",
                "50 more epochs are still to come",
            ),
            Mutant(
                'path, map_location="cpu", weights_only=True)\n',
                "path, weights_only=True)\n"
                'torch.save({**checkpoint, "all": nn.Linear(1, 1)}, path)\n',
                "not the model itself",
            ),
        ),
        others=(
            """
def advance(model, optimizer, epochs):
    for _ in range(epochs):
        optimizer.zero_grad()
        nn.functional.l1_loss(model(X_train), y_train).backward()
        optimizer.step()


def fresh():
    torch.manual_seed(42)
    model = LinearRegressionModel()
    return model, torch.optim.SGD(model.parameters(), 0.01, 0.9)


straight, first = fresh()
advance(straight, first, 100)
early, second = fresh()
advance(early, second, 50)
together = {"net": early.state_dict(), "sgd": second.state_dict(), "done": 50}
torch.save(together, models / "checkpoint.pth")
resumed, third = fresh()
together = torch.load(models / "checkpoint.pth", weights_only=True)
resumed.load_state_dict(together["net"])
third.load_state_dict(together["sgd"])
advance(resumed, third, 100 - together["done"])
""",
            """
class Session:
    file = models / "checkpoint.pth"

    def __init__(self, seed=None):
        if seed is not None:
            torch.manual_seed(seed)
        self.network = LinearRegressionModel()
        self.sgd = torch.optim.SGD(self.network.parameters(), lr=0.01, momentum=0.9)
        self.done = torch.tensor(0)

    def train_until(self, epochs):
        while self.done < epochs:
            self.sgd.zero_grad()
            nn.L1Loss()(self.network(X_train), y_train).backward()
            self.sgd.step()
            self.done += 1
        return self

    def save(self):
        torch.save(
            dict(
                epochs_done=self.done,
                network_state_dict=self.network.state_dict(),
                sgd_state_dict=self.sgd.state_dict(),
            ),
            self.file,
        )

    @classmethod
    def load(cls):
        session, saved = cls(), torch.load(cls.file)
        session.done = saved["epochs_done"]
        session.network.load_state_dict(saved["network_state_dict"])
        session.sgd.load_state_dict(saved["sgd_state_dict"])
        return session


Session(seed=42).train_until(50).save()
resumed = Session.load().train_until(100).network
straight = Session(seed=42).train_until(100).network
""",
            """
def train(model, optimizer, epochs):
    history = train_and_test(model, data, nn.L1Loss(), optimizer, epochs=epochs)
    return len(history["train_loss"])


def make():
    model = LinearRegressionModel()
    return model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


torch.manual_seed(42)
early = make()
straight, optimizer = copy.deepcopy(early)
train(straight, optimizer, 100)
done = train(*early, epochs=50)
with open(models / "checkpoint.pth", "wb") as file:
    torch.save(dict(enumerate([done, *(one.state_dict() for one in early)])), file)

late = make()
done, *states = torch.load(models / "checkpoint.pth").values()
for one, state in zip(late, states):
    one.load_state_dict(state)
train(*late, epochs=100 - done)
resumed = late[0]
""",
        ),
    ),
    "ex-from-memory": Case(
        needs=(*LINE, "model-0", "save-state"),
        mutants=(
            Mutant(
                "my_loaded_model = nn.Linear(in_features=1, out_features=1).to(device)",
                "my_loaded_model = my_model",
                "one model",
            ),
            Mutant("my_loaded_model.load_state_dict(state)\n", "", "copied into it"),
            Mutant("    optimizer.zero_grad()\n", "", "gradients are cleared"),
            Mutant(
                "    optimizer.step()\n",
                "    optimizer.zero_grad()\n    optimizer.step()\n",
                "off by up to",
            ),
            Mutant("-0.5 * features", "0.5 * features", "makes it fall"),
            Mutant(
                "train_y, test_y = labels[:split], labels[split:]",
                "train_y, test_y = labels[:split, 0], labels[split:, 0]",
                "the same shape, (N, 1)",
            ),
            Mutant(
                "my_loaded_model.load_state_dict(state)\n",
                "my_loaded_model.load_state_dict(my_model.state_dict(), assign=True)\n",
                "share their parameters",
            ),
        ),
        others=(
            """
x = torch.arange(100).unsqueeze(1)[torch.randperm(100)] / 100
t = 0.9 - x / 2
class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)
    def forward(self, x):
        return self.layer(x)
my_model = Line()
optimizer = torch.optim.SGD(my_model.parameters(), lr=0.01)
for _ in range(1000):
    my_model.zero_grad()
    nn.functional.l1_loss(my_model(x[:80]), t[:80]).backward()
    optimizer.step()
torch.save(my_model.state_dict(), models / "mine.pt")
my_loaded_model = Line()
my_loaded_model.load_state_dict(torch.load(models / "mine.pt"))
""",
            """
def run(where):
    rows = [i / 100 for i in range(100)]
    np.random.shuffle(rows)
    x = torch.tensor(rows, device=where).view(-1, 1)
    labels = 0.9 - 0.5 * x
    network = nn.Linear(1, 1).to(where)
    descent = torch.optim.SGD(network.parameters(), lr=1e-2)
    for _ in range(1000):
        network.train()
        loss = nn.L1Loss()(network(x[:80]), labels[:80])
        descent.zero_grad(set_to_none=False)
        loss.backward()
        descent.step()
    return network.eval()


my_model = run(device)
with tempfile.TemporaryFile() as file:
    torch.save(my_model.state_dict(), file)
    file.seek(0)
    state = torch.load(file, map_location="cpu")
my_loaded_model = nn.Linear(1, 1)
my_loaded_model.load_state_dict(state, assign=True)
""",
            """
import random


class MyLine(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(in_features=1, out_features=1)

    def forward(self, x):
        return self.layer(x)


rows = [i / 100 for i in range(100)]
random.shuffle(rows)
x = torch.tensor(rows, device=device).view(-1, 1)
(x_train, x_test), (y_train_, y_test_) = x.split(80), (0.9 - 0.5 * x).split(80)
my_model = MyLine().to(device)
descent = torch.optim.SGD(my_model.parameters(), lr=1e-2)
epoch = 0
while epoch < 1000:
    loss = nn.functional.l1_loss(my_model(x_train), y_train_)
    descent.zero_grad()
    loss.backward()
    descent.step()
    epoch += 1
with tempfile.NamedTemporaryFile(suffix=".pt") as file:
    torch.save(my_model.state_dict(), file)
    file.seek(0)
    state = torch.load(file, map_location=device)
my_loaded_model = MyLine().to(device)
my_loaded_model.load_state_dict(state)
my_loaded_model.eval()
""",
        ),
    ),
}

SETUP = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(1, 1)
X, y = torch.rand(20, 1), torch.rand(20, 1)
"""

FACTS = {
    "Question 1": SETUP
    + """
optimizer = torch.optim.SGD([model.weight], lr=0.1)  # not the bias
nn.functional.mse_loss(model(X), y).backward()
before = [p.detach().clone() for p in model.parameters()]
gradients = [p.grad.clone() for p in model.parameters()]
optimizer.step()
assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), gradients))
torch.testing.assert_close(model.weight.detach(), before[0] - 0.1 * gradients[0])
assert torch.equal(model.bias, before[1]) and gradients[1] != 0
assert optimizer.param_groups[0]["lr"] == 0.1
optimizer.zero_grad()
assert model.weight.grad is None
""",
    "Question 2": SETUP
    + """
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
losses = []
for _ in range(5):
    loss = nn.functional.mse_loss(model(X), y)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    losses.append(loss.item())
    assert model.weight.grad is None
assert len(set(losses)) == 1
""",
    "Question 3": SETUP
    + """
dropout, ones = nn.Dropout(), torch.ones(100)
assert not torch.equal(dropout(ones), ones)
assert torch.equal(dropout.eval()(ones), ones)
same = model(X)
assert torch.equal(model.eval()(X), same)
assert model(X).requires_grad
with torch.inference_mode():
    assert not model(X).requires_grad
with torch.no_grad():
    assert not model(X).requires_grad
""",
    "Question 4": SETUP
    + """
try:
    model.to("meta")(X)
except RuntimeError as error:
    assert "meta" in str(error) and "cpu" in str(error)
else:
    raise AssertionError("two devices met without an error")
assert X.device.type == "cpu"
X.to("meta")
assert X.device.type == "cpu"
assert model(X.to("meta")).device.type == "meta"
""",
    "Question 5": """
import torch

x = torch.linspace(0, 1, 50, dtype=torch.float64)
for truth, far_is_worse in [(x**2, True), (0.7 * x + 0.1 * torch.sin(40 * x), False)]:
    table = torch.stack([x, torch.ones_like(x)], dim=1)
    w, b = torch.linalg.lstsq(table, truth).solution
    inside = (w * x + b - truth).abs().mean()
    beyond = 4.0 if far_is_worse else 1.4
    outside = (w * 2 + b - beyond).abs()
    assert 0.03 < inside < 0.1
    assert (outside > 3 * inside) == far_is_worse
""",
    "Question 6": """
import builtins
import pickle
import tempfile
import torch


class Surprise:
    def __reduce__(self):
        return exec, ("import builtins; builtins.course_surprise = True",)


with tempfile.TemporaryDirectory() as folder:
    bad, good = f"{folder}/bad.pth", f"{folder}/good.pth"
    torch.save({"weight": Surprise()}, bad)
    torch.save(torch.nn.Linear(1, 1).state_dict(), good)
    try:
        torch.load(bad, weights_only=True)
    except pickle.UnpicklingError as error:
        assert "`weights_only` set to `False`" in str(error)
    else:
        raise AssertionError("the file was not refused")
    assert not hasattr(builtins, "course_surprise")
    torch.load(bad, map_location="cpu", weights_only=False)
    assert builtins.course_surprise
    del builtins.course_surprise
    assert list(torch.load(good, weights_only=True)) == ["weight", "bias"]
""",
    "Question 7": """
import torch

layer = torch.nn.Linear(in_features=3, out_features=2)
assert layer(torch.zeros(8, 50, 3)).shape == (8, 50, 2)
assert layer(torch.zeros(50, 3)).shape == (50, 2)
assert layer(torch.zeros(3, 50).T).shape == (50, 2)
try:
    layer(torch.zeros(3, 50))
except RuntimeError as error:
    assert "shapes cannot be multiplied" in str(error)
else:
    raise AssertionError("the wrong last dimension was accepted")
""",
    "Question 8": """
import torch

torch.manual_seed(42)
w, b = torch.randn(1).requires_grad_(), torch.randn(1).requires_grad_()
optimizer = torch.optim.SGD([w, b], lr=0.01)
x = torch.arange(0, 0.8, 0.02)
y = 0.7 * x + 0.3
losses = []
for _ in range(1000):
    loss = (w * x + b - y).abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
shown = losses[200::100]
assert max(shown) - min(shown) < 1e-5
assert max(losses[200:]) > 2 * min(losses[200:]) > 1e-4
assert (0.7 * x + 0.3 - y).abs().mean() == 0
""",
    "Question 9": """
import torch

torch.manual_seed(0)
x = torch.linspace(0, 1, 200, dtype=torch.float64)
measured = 0.7 * x + 0.3 + 0.05 * torch.randn(len(x), dtype=torch.float64)
new = 0.7 * x + 0.3 + 0.05 * torch.randn(len(x), dtype=torch.float64)


def fitted(rows, powers):
    table = torch.stack([x**n for n in range(powers)], dim=1)
    solution = torch.linalg.lstsq(table[rows], measured[rows]).solution
    off = (table @ solution - measured).abs(), (table @ solution - new).abs()
    return solution, off[0][rows].mean(), off[1][rows].mean()


few = torch.arange(0, 200, 20)
line, on_few, on_new = fitted(few, 2)
_, bendy_on_few, bendy_on_new = fitted(few, 10)
assert bendy_on_few < on_few and bendy_on_new > on_new  # more parameters
truth = torch.tensor([0.3, 0.7], dtype=torch.float64)
more = fitted(torch.arange(200), 2)[0]
assert (more - truth).abs().max() < (line - truth).abs().max()  # more measurements
""",
}
