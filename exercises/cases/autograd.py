"""What the checkers are tried on: autograd."""

from . import Case, Mutant

CASES = {
    "ex-mse": Case(
        mutants=(
            Mutant(".mean()", ".sum()", "does not divide"),
            Mutant(" ** 2).mean()", ").mean()", "opposite sign cancel"),
            Mutant(" ** 2).mean()", ").abs().mean()", "mean absolute error"),
            Mutant("2 * (predicted - true)", "(predicted - true)", "lost the factor 2"),
            Mutant(" / predicted.numel()", "", "lacks the division"),
            Mutant("2 * (predicted - true)", "2 * (true - predicted)", "wrong sign"),
            Mutant("2 * (predicted - true)", "2 * (predicted - true).sum()", "shape"),
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
        ),
    ),
    "ex-slope": Case(
        mutants=(
            Mutant(".sum()", "", "added up"),
            Mutant(".sum()", ".mean()", "averaged"),
            Mutant("(gradient * move).sum()", "-(gradient * move).sum()", "uphill"),
            Mutant(
                "(gradient * move).sum()",
                "gradient.norm() * move.norm()",
                "right angle",
            ),
        ),
        others=(
            """
def predicted_change(gradient, move):
    return sum(g * m for g, m in zip(gradient.tolist(), move.tolist()))
""",
        ),
    ),
    "ex-huber": Case(
        mutants=(
            Mutant("max(-1, min(1, e))", "e", "its slope is its sign"),
            Mutant("abs(e) - half for", "abs(e) for", "jumps where the pieces meet"),
            Mutant("half * e**2", "e**2", "the loss should be"),
            Mutant("loss / 3", "loss", "not their mean"),
            Mutant("loss / 3", "loss // 3", "rounds down"),
            Mutant("slope * x for", "slope for", "lacks the factor x"),
        ),
        others=(
            """
def huber_by_hand(w, b):
    loss = dw = db = Fraction(0)
    for x in (1, 2, 3):
        e = w * x + b - 2 * x
        slope = e if -1 < e < 1 else Fraction(1 if e > 0 else -1)
        loss += e * e / 2 if -1 < e < 1 else abs(e) - Fraction(1, 2)
        dw += slope * x
        db += slope
    return [float(loss / 3), float(dw / 3), float(db / 3)]
""",
        ),
        needs=("imports", "mse-by-hand"),
    ),
    "ex-numerical": Case(
        mutants=(
            Mutant(
                "(f(x + m) - f(x - m)) / (2 * h)", "(f(x + m) - f(x)) / h", "about h"
            ),
            Mutant("(2 * h)", "h", "twice too large"),
            Mutant("torch.eye(len(x),", "torch.ones(len(x), len(x),", "at once"),
            Mutant("f(x + m)", "f(x.add_(m))", "`x` has changed"),
            Mutant("h * torch.eye", "1e-5 * torch.eye", "is `h` used"),
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
        ),
    ),
    "ex-decay": Case(
        mutants=(
            Mutant("grad + self", "grad - self", "wrong sign"),
            Mutant(" + self.weight_decay * parameter", "", "no decay"),
            Mutant("weight_decay * parameter\n", "weight_decay\n", "in proportion"),
            Mutant(
                "self.lr * gradient",
                "self.lr * parameter.grad + self.weight_decay * parameter",
                "not scaled by the learning rate",
            ),
            Mutant("    @torch.no_grad()\n", "", "recorded by autograd"),
            Mutant("parameter -= ", "parameter = parameter - ", "only moves a name"),
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
        ),
        needs=("imports", "own-sgd"),
    ),
    "ex-limit": Case(
        mutants=(
            Mutant("largest_rate = low", "largest_rate = low / 2", "1 / λ"),
            Mutant("largest_rate = low", "largest_rate = 0.2", "is too large"),
            Mutant("last.norm() < first", "last.norm() > first", "is too small"),
            Mutant("> 1e-4", "> 0.03", "is too small"),
        ),
        others=(
            """
x = torch.stack([torch.tensor([1.0, 2.0, 3.0]), torch.ones(3)])
largest_rate = 2 / torch.linalg.eigvalsh(2 / 3 * x @ x.T)[-1]
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
    before = copy.deepcopy(net.state_dict())
    trainable = [p for p in net.parameters() if p.requires_grad]
""",
                """    before = copy.deepcopy(net.state_dict())
    trainable = list(net.parameters())[4:]
""",
                "still computes gradients",
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
        ),
        needs=("imports", "lenet-class"),
    ),
    "ex-tiny-autograd": Case(
        mutants=(
            Mutant("parent.grad += ", "parent.grad = ", "one contribution only"),
            Mutant(
                "((self, other.data), (other, self.data))",
                "((self, self.data), (other, other.data))",
                "the other way round",
            ),
            Mutant("in reversed(order)", "in order", "begin at the result"),
            Mutant("self.grad = 1.0\n", "self.grad = 0.0\n", "starts with 1"),
            Mutant("if value not in order", "if True", "visit each once"),
        ),
        others=(
            """
class Value:
    def __init__(self, data):
        self.data, self.grad, self.edges = data, 0, []

    def __add__(self, other):
        result = Value(self.data + other.data)
        result.edges = [(self, 1), (other, 1)]
        return result

    def __mul__(self, other):
        result = Value(self.data * other.data)
        result.edges = [(self, other.data), (other, self.data)]
        return result

    def backward(self, gradient=1):
        # Every path adds its own product, so nothing has to be complete.
        self.grad += gradient
        for value, slope in self.edges:
            value.backward(gradient * slope)
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
w = torch.tensor(2.0, requires_grad=True)
(w**2).backward()
assert w.grad == 4
(w**2).backward()
assert w.grad == 8
""",
    "Question 3": """
import torch
layer = torch.nn.Linear(2, 1)
layer(torch.ones(1, 2)).sum().backward()
layer.zero_grad(set_to_none=False)
assert layer.weight.grad.tolist() == [[0, 0]]
layer.zero_grad()
assert layer.weight.grad is None
""",
    "Question 4": """
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
    "Question 5": """
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
    "Question 6": """
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
    "Question 7": """
import torch
try:
    torch.nn.Linear(3, 1).to("meta")(torch.ones(2, 3))
except RuntimeError as error:
    assert "device" in str(error)
else:
    raise AssertionError
""",
}
