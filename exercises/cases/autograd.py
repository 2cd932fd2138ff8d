"""What the checkers are tried on: autograd."""

from . import Case, Mutant

CASES = {
    "ex-pencil": Case(
        mutants=(
            Mutant(
                "mse_step = error.square().mean()",
                "mse_step = error.square().sum()",
                "sum over the three points",
            ),
            Mutant(
                "mse_step = error.square()",
                "mse_step = error.abs()",
                "Square each error first",
            ),
            Mutant("w, b = 1.56667, -0.47", "w, b = 1.5, -0.5", "to the first step"),
            Mutant("mse_step = error.square()", "mse_step = error", "kept their sign"),
            Mutant(
                "w, b = 1.56667, -0.47", "w, b = 1.65667, -0.47", "three predictions"
            ),
            Mutant("2 * (error * x).mean()", "(error * x).mean()", "factor 2"),
            Mutant("2 * error.mean()", "error.mean()", "b has lost the factor 2"),
            Mutant("2 * (error * x).mean()", "2 * (error * x).sum()", "isn't divided"),
            Mutant("2 * (error * x).mean()", "2 * error.mean()", "by its own x"),
            Mutant("2 * (error * x).mean()", "-2 * (error * x).mean()", "wrong sign"),
            Mutant(
                "db, w - 0.01 * dw, b - 0.01 * db\n\nw, b = 1.5",
                "db, w + 0.01 * dw, b + 0.01 * db\n\nw, b = 1.5",
                "uphill",
            ),
            Mutant(
                "db, w - 0.01 * dw, b - 0.01 * db\n\nw, b = 1.5",
                "db, w - dw, b - db\n\nw, b = 1.5",
                "whole derivative",
            ),
            Mutant(
                "db, w - 0.01 * dw, b - 0.01 * db\n\nw, b = 1.5",
                "db, w - 0.01 * dw, b\n\nw, b = 1.5",
                "b hasn't moved",
            ),
            Mutant(
                "mae_step = error.abs()", "mae_step = error.square()", "without squares"
            ),
            Mutant("(error.sign() * x)", "(error * x)", "only its sign"),
            Mutant("error.sign().mean()", "error.sign().sum()", "isn't divided"),
            Mutant("(error.sign() * x).mean()", "error.sign().mean()", "by its own x"),
            Mutant(
                "mae_step = error.abs().mean(), dw, db,",
                "mae_step = error.abs().mean(), dw,",
                "five numbers",
            ),
        ),
        others=(
            """
mse_step = 1.912, -5.924, -2.673, 1.626, -0.443
mae_step = 1.5, -2, -1, 1.52, -0.49
""",
            """
def pencil_step(w, b, of_square):
    errors = [w * a + b - 2 * a for a in (1, 2, 3)]
    if of_square:
        loss = sum(e**2 for e in errors) / 3
        slopes = [2 * e for e in errors]
    else:
        loss = sum(map(abs, errors)) / 3
        slopes = [Fraction(1 if e > 0 else -1) for e in errors]
    dw = sum(slope * a for slope, a in zip(slopes, (1, 2, 3))) / 3
    db = sum(slopes) / 3
    return [loss, dw, db, w - dw / 100, b - db / 100]


mse_step = pencil_step(Fraction(47, 30), Fraction(-47, 100), True)
mae_step = pencil_step(Fraction(3, 2), Fraction(-1, 2), False)
""",
            """
_slope = torch.tensor([1.56667, -0.47], requires_grad=True)
_loss = F.mse_loss(_slope[0] * x + _slope[1], y)
_loss.backward()
mse_step = [_loss, *_slope.grad, *(_slope - 0.01 * _slope.grad)]
# Each error is negative: the loss is minus their mean.
mae_step = np.array([4.5 / 3, -6 / 3, -3 / 3, 1.5 + 0.02, -0.5 + 0.01])
""",
        ),
        needs=("imports", "line-loss"),
    ),
    "ex-mse": Case(
        mutants=(
            Mutant(".mean()", ".sum()", "doesn't divide"),
            Mutant(" ** 2).mean()", ").mean()", "opposite sign cancel"),
            Mutant(" ** 2).mean()", ").abs().mean()", "mean absolute error"),
            Mutant("2 * (predicted - true)", "(predicted - true)", "lost the factor 2"),
            Mutant(" / predicted.numel()", "", "lacks the division"),
            Mutant("2 * (predicted - true)", "2 * (true - predicted)", "wrong sign"),
            Mutant("2 * (predicted - true)", "2 * (predicted - true).sum()", "shape"),
            Mutant(
                "((predicted - true) ** 2).mean()",
                "F.mse_loss(predicted, true)",
                "calls a loss function",
            ),
            Mutant(
                "((predicted - true) ** 2).mean()",
                "nn.MSELoss()(predicted, true)",
                "calls a loss function",
            ),
            Mutant(
                "    return 2 * (predicted - true) / predicted.numel()",
                "    predicted = predicted.detach().requires_grad_()\n"
                "    mse(predicted, true).backward()\n"
                "    return predicted.grad",
                "lets autograd work",
            ),
            Mutant(
                "2 * (predicted - true) / predicted.numel()",
                "torch.func.grad(mse)(predicted, true)",
                "lets autograd work",
            ),
        ),
        others=(
            """
def mse(predicted, true):
    total = 0.0
    for p, t in zip(predicted.flatten(), true.flatten()):
        total += (p - t).item() ** 2
    return total / predicted.numel()


def mse_gradient(predicted, true):
    return (predicted - true).mul(2).div(len(true))
""",
            """
def mse(predicted, true):
    error = torch.flatten(true - predicted)
    return torch.dot(error, error) / len(error)


def mse_gradient(predicted, true):
    gradient = predicted.detach().clone()
    gradient.sub_(true).mul_(2.0).div_(predicted.shape.numel())
    return gradient
""",
            """
def mse(predicted: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    '''Mean squared error, a tensor without dimensions.'''
    error = torch.flatten(true - predicted)
    return torch.dot(error, error) / len(error)


def mse_gradient(predicted: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    '''Its derivative with respect to each prediction.'''
    n = 1
    for size in predicted.shape:
        n *= size
    gradient = predicted.detach().clone()
    gradient.sub_(true).mul_(2.0).div_(n)
    return gradient
""",
        ),
    ),
    "ex-numerical": Case(
        mutants=(
            Mutant(
                "(f(x + m) - f(x - m)) / (2 * h)", "(f(x + m) - f(x)) / h", "about h"
            ),
            Mutant("(2 * h)", "h", "twice as large"),
            Mutant("torch.eye(len(x),", "torch.ones(len(x), len(x),", "at once"),
            Mutant("f(x + m)", "f(x.add_(m))", "`x` has changed"),
            Mutant("h * torch.eye", "1e-5 * torch.eye", "do you use"),
        ),
        others=(
            """
def numerical_gradient(f, x, h=1e-5):
    gradient = torch.zeros_like(x)
    for i in range(len(x)):
        up, down = x.clone(), x.clone()
        up[i] += h
        down[i] -= h
        gradient[i] = (f(up) - f(down)) / (2 * h)
    return gradient
""",
            """
@torch.no_grad()
def numerical_gradient(f, x, h=1e-5):
    gradient = []
    for i in range(x.numel()):
        kept = x[i].item()
        x[i] = kept + h
        above = float(f(x))
        x[i] = kept - h
        below = float(f(x))
        x[i] = kept
        gradient.append((above - below) / (2 * h))
    return torch.tensor(gradient)
""",
            """
def numerical_gradient(f, x, h=1e-5):
    def slope(direction):
        return (f(x + direction * h / 2) - f(x - direction * h / 2)) / h

    return torch.vmap(slope)(torch.eye(len(x), dtype=x.dtype))
""",
        ),
    ),
    "ex-decay": Case(
        mutants=(
            Mutant("grad + self", "grad - self", "wrong sign"),
            Mutant(" + self.weight_decay * parameter", "", "no decay"),
            Mutant("weight_decay * parameter\n", "weight_decay\n", "proportional"),
            Mutant(
                "self.lr * gradient",
                "self.lr * parameter.grad + self.weight_decay * parameter",
                "isn't scaled by the learning rate",
            ),
            Mutant("    @torch.no_grad()\n", "", "recorded by autograd"),
            Mutant("parameter -= ", "parameter = parameter - ", "only moves a name"),
            Mutant(
                "class SGDWithDecay(SGD):",
                "class SGDWithDecay(torch.optim.SGD):",
                "own `SGD`",
            ),
            Mutant(
                "for parameter in self.parameters:",
                "for parameter in self.parameters[:1]:",
                "some of the parameters",
            ),
        ),
        others=(
            """
class SGDWithDecay(SGD):
    def __init__(self, parameters, lr, weight_decay=0.0):
        self.decay = weight_decay
        super().__init__(parameters, lr)

    def step(self):
        with torch.no_grad():
            for p in self.parameters:
                p.mul_(1 - self.lr * self.decay).sub_(self.lr * p.grad)
""",
            """
class SGDWithDecay(SGD):
    def __init__(self, parameters, lr, weight_decay):
        super().__init__(parameters, lr)
        self.weight_decay = weight_decay

    @torch.no_grad()
    def step(self):
        for parameter in self.parameters:
            parameter.grad += self.weight_decay * parameter
        super().step()
""",
            """
class SGDWithDecay(SGD):
    '''SGD that pulls each parameter towards zero.'''

    def __init__(self, parameters, lr: float, weight_decay: float):
        SGD.__init__(self, parameters, lr)
        self.shrink = 1 - lr * weight_decay

    def step(self):
        with torch.no_grad():
            for p in self.parameters:
                if p.grad is None:
                    continue
                p.mul_(self.shrink).add_(p.grad, alpha=-self.lr)
""",
        ),
        needs=("imports", "own-sgd"),
    ),
    "ex-limit": Case(
        mutants=(
            Mutant(
                "largest_rate = low", "largest_rate = low / 2", "right on the floor"
            ),
            Mutant("largest_rate = low", "largest_rate = 0.2", "is too large"),
            Mutant("last.norm() < first", "last.norm() > first", "is too small"),
            Mutant("> 1e-4", "> 0.03", "is too small"),
        ),
        others=(
            """
x = torch.stack([torch.tensor([1.0, 2.0, 3.0]), torch.ones(3)])
largest_rate = 2 / torch.linalg.eigvalsh(2 / 3 * x @ x.T)[-1]
""",
            """
from bisect import bisect_right


def flies_apart(thousandths):
    last = descent_path(thousandths / 1000, 400)[-1]
    return bool(last.abs().max() > 3)


thousandths = bisect_right(range(200), False, lo=100, key=flies_apart) - 1
largest_rate = Fraction(thousandths, 1000)
""",
            """
def _holds(rate):
    '''Does the descent at this rate stay with us?'''
    last = descent_path(float(rate), 2000)[-1]
    return bool(torch.isfinite(last).all() and last.abs().max() < 10)


_thousandths = 100
for _stride in (10, 1):
    while _holds(Fraction(_thousandths + _stride, 1000)):
        _thousandths += _stride
largest_rate = _thousandths / 1000
""",
        ),
        needs=("imports", "descend-path"),
    ),
    "ex-freeze": Case(
        mutants=(
            Mutant("    net.conv2.requires_grad_(False)\n", "", "conv2.weight"),
            Mutant(
                "copy.deepcopy(net.state_dict())", "net.state_dict()", "keep copies"
            ),
            Mutant("    loss.backward()\n", "", "`backward`"),
            Mutant("lr=0.01", "lr=0.1", "learning rate 0.01"),
            Mutant(
                """    net.conv1.requires_grad_(False)
    net.conv2.requires_grad_(False)
    before = copy.deepcopy(net.state_dict())  # all tensors, by name
    trainable = [p for p in net.parameters() if p.requires_grad]
""",
                """    before = copy.deepcopy(net.state_dict())  # all tensors, by name
    trainable = list(net.parameters())[4:]
""",
                "still computes gradients",
            ),
            Mutant(
                "torch.optim.SGD(trainable, lr=0.01)",
                "torch.optim.SGD(net.fc3.parameters(), lr=0.01)",
                "one step of SGD",
            ),
            Mutant(
                "conv2.requires_grad_(False)",
                "conv2.weight.requires_grad_(False)",
                "A convolution has changed",
            ),
        ),
        others=(
            """
def train_head(net, image, target):
    before = {}
    for name, parameter in net.named_parameters():
        if "conv" in name:
            parameter.requires_grad = False
        before[name] = parameter.detach().clone()
    loss = (net(image) - target).square().mean()
    loss.backward()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.grad is not None:
                parameter -= 0.01 * parameter.grad
    return [n for n, p in net.named_parameters() if (p != before[n]).any()]
""",
            """
def train_head(net, image, target):
    for layer in net.children():
        if isinstance(layer, nn.Conv2d):
            layer.requires_grad_(False)
    old = {name: one.detach().clone() for name, one in net.named_parameters()}
    trainable = [one for one in net.parameters() if one.requires_grad]
    gradients = torch.autograd.grad(nn.MSELoss()(net(image), target), trainable)
    with torch.no_grad():
        for parameter, gradient in zip(trainable, gradients):
            parameter -= 0.01 * gradient
    return {n for n, one in net.named_parameters() if (one != old[n]).any()}
""",
            """
def train_head(net: nn.Module, image: torch.Tensor, target: torch.Tensor) -> set[str]:
    '''Return the names of the parameters that one step changes.'''
    for layer in net.children():
        if isinstance(layer, nn.Conv2d):
            layer.requires_grad_(False)
    old = {name: one.detach().clone() for name, one in net.named_parameters()}

    trainable = [parameter for parameter in net.parameters() if parameter.requires_grad]
    loss = nn.MSELoss()(net(image), target)
    gradients = torch.autograd.grad(loss, trainable)
    with torch.no_grad():  # SGD, written out
        for parameter, gradient in zip(trainable, gradients):
            parameter -= 0.01 * gradient

    changed = set()
    for name, parameter in net.named_parameters():
        if (parameter != old[name]).any():
            changed.add(name)
    return changed
""",
        ),
        needs=("imports", "lenet-class"),
    ),
    "ex-tiny-autograd": Case(
        mutants=(
            Mutant("source.grad += ", "source.grad = ", "only one of its"),
            Mutant(
                "((self, other.data), (other, self.data))",
                "((self, self.data), (other, other.data))",
                "the other way round",
            ),
            Mutant("in reversed(order)", "in order", "begin at the result"),
            Mutant("self.grad = 1.0\n", "self.grad = 0.0\n", "starts with 1"),
            Mutant("if value not in order", "if True", "visit each once"),
            Mutant(
                """        order = []  # inputs before results

        def visit(value):
            if value not in order:
                for source, _ in value.inputs:
                    visit(source)
                order.append(value)

        visit(self)
        self.grad = 1.0
        for value in reversed(order):
            for source, derivative in value.inputs:
                source.grad += derivative * value.grad
""",
                """        def visit(value, share):
            value.grad += share
            for source, derivative in value.inputs:
                visit(source, derivative * share)

        visit(self, 1.0)
""",
                "pass it on once",
            ),
        ),
        others=(
            """
from collections import Counter


class Value:
    def __init__(self, data):
        self.data, self.grad = data, 0.0
        self.sources, self.rule = (), None

    @classmethod
    def made(cls, data, sources, rule):
        value = cls(data)
        value.sources, value.rule = sources, rule
        return value

    def __add__(self, other):
        return Value.made(self.data + other.data, (self, other), lambda g: (g, g))

    def __mul__(self, other):
        a, b = self.data, other.data
        return Value.made(a * b, (self, other), lambda g: (g * b, g * a))

    def backward(self):
        # How many contributions does each value wait for?
        waiting, found, todo = Counter(), {id(self)}, [self]
        while todo:
            for source in todo.pop().sources:
                waiting[id(source)] += 1
                if id(source) not in found:
                    found.add(id(source))
                    todo.append(source)
        # A value goes on only when it waits for no more.
        self.grad += 1.0
        ready = [self]
        while ready:
            value = ready.pop()
            if value.rule is None:
                continue
            for source, share in zip(value.sources, value.rule(value.grad)):
                source.grad += share
                waiting[id(source)] -= 1
                if waiting[id(source)] == 0:
                    ready.append(source)
""",
            """
from itertools import count

ages = count()


class Value:
    def __init__(self, data):
        self.data, self.grad = data, 0
        self.age, self.edges = next(ages), {}

    def __add__(self, other):
        return self.result(self.data + other.data, other, 1, 1)

    def __mul__(self, other):
        return self.result(self.data * other.data, other, other.data, self.data)

    def result(self, data, other, by_self, by_other):
        made = Value(data)
        made.edges[self] = by_self
        made.edges[other] = made.edges.get(other, 0) + by_other
        return made

    def backward(self):
        self.grad, waiting = 1, {self}
        while waiting:
            value = max(waiting, key=lambda one: one.age)  # the youngest is complete
            waiting.remove(value)
            for source, slope in value.edges.items():
                source.grad += slope * value.grad
                waiting.add(source)
""",
            """
class Value:
    def __init__(self, data, parents=()):
        self.data, self.grad = data, 0.0
        self.parents = parents  # pairs of a value and the local derivative

    def __add__(self, other):
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if node not in seen:
                seen.add(node)
                for parent, _ in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            for parent, slope in node.parents:
                parent.grad += slope * node.grad
""",
        ),
    ),
}

FACTS = {
    "Question 1": """
import torch
from torch import nn
model, x = nn.Linear(3, 1), torch.ones(2, 3)
weight, prediction = model.weight.detach().clone(), model(x).detach()
assert model.weight.grad is None
model(x).sum().backward()
assert model.weight.grad is not None
assert torch.equal(model.weight, weight)
assert torch.equal(model(x), prediction)
""",
    "Question 2": """
import torch
from torch import nn
errors = {}
for loss_fn in (nn.L1Loss(), nn.MSELoss()):
    x = torch.tensor([0.001, 100.0], requires_grad=True)
    loss_fn(x, torch.zeros(2)).backward()
    errors[type(loss_fn)] = x.grad
assert errors[nn.L1Loss].tolist() == [0.5, 0.5]
ratio = errors[nn.MSELoss][1] / errors[nn.MSELoss][0]
assert abs(ratio - 100_000) < 1
""",
    "Question 3": """
import torch
from torch import nn
model, second_model, x = nn.Linear(3, 1), nn.Linear(3, 1), torch.ones(2, 3)
with torch.no_grad():
    targets = second_model(x)
(model(x) * targets).sum().backward()
assert model.weight.grad is not None
assert second_model.weight.grad is None
with torch.inference_mode():
    targets = second_model(x)
try:
    (model(x) * targets).sum().backward()
except RuntimeError as error:
    assert "cannot be saved for backward" in str(error)
else:
    raise AssertionError
second_model.eval()
(model(x) * second_model(x)).sum().backward()
assert second_model.weight.grad is not None
""",
    "Question 4": """
import torch


def train(*calls, steps=30):
    w = torch.tensor(0.0, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    for _ in range(steps):
        loss = (w - 2) ** 2
        do = {
            "backward": loss.backward,
            "zero": optimizer.zero_grad,
            "step": optimizer.step,
        }
        for call in calls:
            do[call]()
    return w.item()


assert train("backward", "zero", "step") == 0
right = train("zero", "backward", "step")
assert train("backward", "step", "zero") == right
assert abs(right - 2) < 0.01
assert max(abs(train("step", "backward", steps=n) - 2) for n in range(25, 31)) > 1
""",
    "Question 5": """
import torch


def f(x):
    return 5 * x if x > 0 else 0.1 * x


x = torch.tensor(-2.0, requires_grad=True)
f(x).backward()
assert abs(x.grad - 0.1) < 1e-6
""",
}
