"""What the checkers are tried on: computer vision."""

from . import Case, Mutant

STEPS = ("imports", "fast-loader", "the-loop-as-functions-code")
STEPS = (*STEPS, "the-loop-as-functions-code-2")
DATA = (
    "imports",
    "what-is-computer-vision-code",
    "where-do-the-pictures-come-from-code",
)

CASES = {
    "ex-batches": Case(
        mutants=(
            Mutant("if rest and not", "if not", "a batch without a sample"),
            Mutant("rest and not drop_last", "rest", "still there"),
            Mutant(
                "    return [batch_size] * full + ([rest] if rest and not drop_last "
                "else [])",
                "    sizes = [batch_size] * full + ([rest] if rest else [])\n"
                "    return sizes[:-1] if drop_last else sizes",
                "a full batch is dropped",
            ),
            Mutant("[rest] if rest and not drop_last else []", "[]", "in no batch"),
            Mutant(
                "[batch_size] * full + ([rest] if rest and not drop_last else [])",
                "full + bool(rest and not drop_last)",
                "not a list",
            ),
        ),
        others=(
            """
def batch_sizes(n, batch_size, drop_last=False):
    sizes = [min(batch_size, n - start) for start in range(0, n, batch_size)]
    if drop_last:
        sizes = [size for size in sizes if size == batch_size]
    return tuple(sizes)
""",
        ),
    ),
    "ex-rule": Case(
        needs=DATA,
        mutants=(
            Mutant(" & (gap < 0.1)", "", "of its finds are trousers"),
            Mutant("> 0.3", "> 0.7", "of the trousers. Print"),
            Mutant("(left > 0.3)", "(left > left.mean())", "other pictures of"),
            Mutant(
                "return (left > 0.3) & (right > 0.3) & (gap < 0.1) & (beside < 0.05)",
                "return ((left > 0.3) & (right > 0.3) & (gap < 0.1)).float()",
                "becomes boolean",
            ),
            Mutant("dim=(1, 2))", "dim=(1, 2), keepdim=True)", "one answer a picture"),
        ),
        others=(
            """
def is_trouser(pictures):
    answers = []
    for picture in pictures[:, 0]:
        rows = picture[16:26]
        legs = min(rows[:, 7:12].amax(1).mean(), rows[:, 16:21].amax(1).mean())
        gap = rows[:, 12:16].amin(1).mean()
        arms = rows[:, :4].mean() + rows[:, -4:].mean()
        answers.append(legs > 3 * gap and legs > 0.35 and gap < 0.1 and arms < 0.1)
    return torch.tensor([bool(answer) for answer in answers])
""",
        ),
    ),
    "ex-cross-entropy": Case(
        mutants=(
            Mutant("(dim=1)", "(dim=0)", "along the samples"),
            Mutant("return -log", "return log", "sign is missing"),
            Mutant(".mean()", ".sum()", "the sum over the samples"),
            Mutant("[torch.arange(len(targets)), targets]", "[:, targets]", "columns"),
            Mutant("logits.log_softmax(dim=1)", "logits", "`log_softmax` is missing"),
            Mutant("log_softmax(dim=1)", "softmax(dim=1).log()", "exactly 0 there"),
            Mutant("log_softmax(dim=1)", "softmax(dim=1)", "logarithm is missing"),
            Mutant("= logits.log", "= logits.softmax(dim=1).log", "applied twice"),
            Mutant('"log-probabilities"', '"logits"', "contains no softmax"),
            Mutant('"log-probabilities"', '"probabilities"', "takes no logarithm"),
            Mutant("zero = False", "zero = True", "being sure is punished"),
        ),
        others=(
            """
def cross_entropy(logits, targets):
    losses = [row.logsumexp(0) - row[t] for row, t in zip(logits, targets)]
    return sum(losses).item() / len(losses)


nll_wants, smoothed_reaches_zero = "log-probabilities", False
""",
        ),
    ),
    "ex-output-size": Case(
        mutants=(
            Mutant("(kernel - 1) // 2", "kernel - 1", "at *both* ends"),
            Mutant("(kernel - 1) // 2", "(kernel - 1) / 2", "divide by `//`"),
            Mutant("(kernel - 1) // 2", "1", "makes 28 pixels"),
            Mutant("(kernel - 1) // 2", "kernel // 2 - 1", "none can be below 0"),
            Mutant('"same"', '"Same"', "in small letters"),
            Mutant("str(error)", '"ValueError"', "is not what PyTorch says"),
        ),
        others=(
            """
def same_padding(kernel):
    return kernel // 2


try:
    torch.nn.Conv2d(2, 2, (3, 3), 2, "same")
except Exception as reason:
    refusal = reason
""",
        ),
    ),
    "ex-settings": Case(
        mutants=(
            Mutant("// s + 1", "// s", "the first window counts"),
            Mutant("// s + 1", "/ s + 1", "divide by `//`"),
            Mutant("n + 2 * p - k", "n + p - k", "added at both ends"),
            Mutant("layer.out_channels", "layer.in_channels", "filters gives one"),
            Mutant(
                "[(n + 2 * p - k) // s + 1 for n, k, s, p in settings]",
                "[(n + 2 * layer.padding[0] - layer.kernel_size[0])"
                " // layer.stride[0] + 1 for n in shape[2:]]",
                "second number of each pair",
            ),
            Mutant(
                "return (shape[0], layer.out_channels, *sides)",
                "return tuple(layer(torch.zeros(shape)).shape)",
                "You ran the layer",
            ),
            Mutant("*sides)", "*sides[::-1])", "changed places"),
        ),
        others=(
            """
def conv_shape(layer, shape):
    n, _, h, w = shape
    (k, l), (s, t), (p, q) = layer.kernel_size, layer.stride, layer.padding
    height = len(range(0, h + 2 * p - k + 1, s))
    width = len(range(0, w + 2 * q - l + 1, t))
    return torch.Size([n, len(layer.weight), height, width])
""",
        ),
    ),
    "ex-avgpool": Case(
        mutants=(
            Mutant(
                "(n, c, h // 2, 2, w // 2, 2).mean(dim=(3, 5))",
                "(n, c, 2, h // 2, 2, w // 2).mean(dim=(2, 4))",
                "*behind* the axis",
            ),
            Mutant(".mean(dim=(3, 5))", ".amax(dim=(3, 5))", "the largest number"),
            Mutant(".mean(dim=(3, 5))", ".sum(dim=(3, 5))", "four times the mean"),
            Mutant("0.25", "1.0", "four times the mean"),
            Mutant("stride=2, ", "", "the windows overlap"),
            Mutant(", groups=channels", "", "stops for 3 channels"),
            Mutant(
                "weights = torch.full((channels, 1, 2, 2), 0.25, device=x.device)\n"
                "    return F.conv2d(x, weights, stride=2, groups=channels)",
                "weights = torch.full((channels, channels, 2, 2), 0.25)\n"
                "    return F.conv2d(x, weights, stride=2)",
                "mixes the channels",
            ),
        ),
        others=(
            """
def average_pool(x):
    rows = x.reshape(*x.shape[:2], -1, 2, x.shape[3]).mean(3)
    return rows.reshape(*rows.shape[:3], -1, 2).mean(4)


def average_by_convolution(x):
    layer = nn.Conv2d(1, 1, 2, stride=2, bias=False)
    nn.init.constant_(layer.weight, 1 / 4)
    return torch.cat([layer(x[:, [c]]) for c in range(x.shape[1])], dim=1)
""",
        ),
    ),
    "ex-no-padding": Case(
        mutants=(
            Mutant("side - 2 - 2", "side", "right *with* padding 1"),
            Mutant("side - 2 - 2", "side - 2", "counts one convolution"),
            Mutant(
                "side = side // 2  # a pooling\n    return hidden * side * side",
                "side = side / 2\n    return int(hidden * side * side)",
                "from half pixels",
            ),
            Mutant("hidden * side * side", "hidden * side", "one side only"),
            Mutant("hidden * side * side", "side * side", "size of one map"),
            Mutant(
                "nn.Conv2d(inputs, outputs, 3),",
                "nn.Conv2d(inputs, outputs, 3, padding=1),",
                "compare what arrives",
            ),
            Mutant("nn.Flatten(), head]", "nn.Flatten(), head, nn.ReLU()]", "is ever"),
            Mutant(
                "nn.Flatten(), head]",
                "nn.Flatten(), head, nn.Softmax(dim=1)]",
                "ends in a softmax",
            ),
            Mutant(
                "        nn.Conv2d(outputs, outputs, 3),\n        nn.ReLU(),\n",
                "        nn.Conv2d(outputs, outputs, 1),\n        nn.ReLU(),\n"
                "        nn.Conv2d(outputs, outputs, 3),\n        nn.ReLU(),\n",
                "four convolutions",
            ),
        ),
        others=(
            """
def flat_size(side, hidden):
    blocks = []
    for inputs in (1, hidden):
        blocks += [nn.Conv2d(inputs, hidden, 3), nn.Conv2d(hidden, hidden, 3)]
        blocks += [nn.AvgPool2d(2)]
    return nn.Sequential(*blocks)(torch.zeros(1, 1, side, side)).numel()


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 10, 3), nn.Conv2d(10, 10, 3, padding="valid")
        self.c, self.d = nn.Conv2d(10, 10, (3, 3)), nn.Conv2d(10, 10, 3, padding=0)
        self.last = nn.LazyLinear(10)

    def forward(self, x):
        x = F.max_pool2d(self.b(self.a(x).relu()).relu(), 2)
        x = F.max_pool2d(self.d(self.c(x).relu()).relu(), 2)
        return self.last(x.flatten(1))


unpadded = Bare()
""",
        ),
    ),
    "ex-batch-size": Case(
        needs=(*STEPS, "model-v0"),
        mutants=(
            Mutant(", drop_last=True", "", "one too many"),
            Mutant("    torch.manual_seed(42)\n", "", "from seed 42"),
            Mutant(
                "    train_step(model, loader, loss_fn, optimizer, device=device)\n",
                "    during, _ = train_step(model, loader, loss_fn, optimizer, device)"
                "\n    return len(loader), during\n",
                "*while* the model was trained",
            ),
            Mutant(
                "    train_step(model, loader, loss_fn, optimizer, device=device)\n",
                "    for x, y in loader:\n"
                "        loss_fn(model(x.to(device)), y.to(device)).backward()\n"
                "        optimizer.step()\n",
                "`zero_grad` is missing",
            ),
            Mutant(
                "torch.optim.SGD(model.parameters()",
                "torch.optim.SGD(FashionV0(784, 10, 10).parameters()",
                "of the untrained model",
            ),
            Mutant("lr=0.1", "lr=0.05", "a learning rate of 0.1"),
            Mutant(
                "return len(loader), loss", "return len(dataset), loss", "steps, not"
            ),
        ),
        others=(
            """
def train_with(dataset, size):
    torch.manual_seed(42)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Linear(10, 10))
    steps = 0
    for x, y in DataLoader(dataset, size, shuffle=True, drop_last=True):
        net.zero_grad()
        F.cross_entropy(net(x), y).backward()
        with torch.no_grad():
            for p in net.parameters():
                p -= 0.1 * p.grad
        steps += 1
    return [steps, F.cross_entropy(net(dataset.tensors[0]), dataset.tensors[1])]
""",
        ),
    ),
    "ex-similar": Case(
        mutants=(
            Mutant(".sqrt()", "", "the root is missing"),
            Mutant(
                ".square().mean(dim=(1, 2, 3))",
                ".square().sum(dim=(1, 2, 3))",
                "added up",
            ),
            Mutant(
                ".square().mean(dim=(1, 2, 3)).sqrt()",
                ".abs().mean(dim=(1, 2, 3))",
                "mean absolute",
            ),
            Mutant(
                ".square().mean(dim=(1, 2, 3)).sqrt()",
                ".mean(dim=(1, 2, 3)).square().sqrt()",
                "cancel",
            ),
            Mutant(".mean(dim=(1, 2, 3))", ".mean(dim=0)", "one number a class"),
            Mutant("means[reference]", "means[0]", "to itself"),
            Mutant(
                "    return (means - means[reference]).square()"
                ".mean(dim=(1, 2, 3)).sqrt()",
                "    far = [(one - means[reference]).square().mean(dim=(1, 2, 3))"
                ".sqrt().mean() for one in by_class]\n    return torch.stack(far)",
                "of the *single* pictures",
            ),
        ),
        others=(
            """
def mean_distances(pictures, labels, reference):
    one_hot = F.one_hot(labels).float()
    means = one_hot.T @ pictures.flatten(1) / one_hot.sum(0)[:, None]
    size = pictures[0].numel()
    return torch.cdist(means, means[reference][None])[:, 0] / size**0.5
""",
        ),
    ),
    "ex-improve": Case(
        needs=(*STEPS, "model-tinyvgg"),
        mutants=(
            Mutant(
                "            nn.BatchNorm2d(outputs),\n", "", "same layers as TinyVGG"
            ),
            Mutant("    torch.manual_seed(42)\n", "", "different weights"),
            Mutant("fast_loader(valid, 500)", "fast_loader(learn, 500)", "on `learn`"),
            Mutant(
                "fast_loader(learn, shuffle",
                "fast_loader(valid, shuffle",
                "to judge it",
            ),
            Mutant(
                "    return test_step(model, judge, loss_fn, device=device)[0]",
                "    with torch.inference_mode():\n"
                "        x, y = valid.tensors\n"
                "        return loss_fn(model(x.to(device)), y.to(device)).item()",
                "measured in training mode",
            ),
            Mutant(
                "    return test_step(model, judge, loss_fn, device=device)[0]",
                "    model.eval()\n"
                "    with torch.inference_mode():\n"
                "        scores = [loss_fn(model(x.to(device)), y.to(device)).item()\n"
                "                  for x, y in judge]\n"
                "    return sum(scores) / len(scores)",
                "weighted by its size",
            ),
            Mutant(
                "torch.optim.SGD(model.parameters()",
                "torch.optim.SGD(build().parameters()",
                "one new model",
            ),
            Mutant(
                "    train_step(model,",
                "    for _ in range(3): train_step(model,",
                "In one epoch",
            ),
        ),
        others=(
            """
build_improved = lambda: TinyVGG(1, 20, 10)


def validation_loss(build, learn, valid):
    torch.manual_seed(42)
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()
    for x, y in DataLoader(learn, 32, shuffle=True, drop_last=True):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    x, y = valid.tensors
    with torch.no_grad():
        return F.cross_entropy(model.eval()(x), y)
""",
        ),
    ),
}

FACTS = {
    "Question 1": """
import numpy as np
import torch
from torchvision import transforms

photo = np.zeros((32, 48, 3), dtype=np.uint8)  # height, width, channels
batch = torch.stack([transforms.ToTensor()(photo)] * 8)
assert batch.shape == (8, 3, 32, 48)
assert torch.nn.Conv2d(3, 4, 3)(batch).shape == (8, 4, 30, 46)
try:
    torch.nn.Conv2d(3, 4, 3)(batch.permute(0, 2, 3, 1))
except RuntimeError as error:
    assert "to have 3 channels" in str(error)
else:
    raise AssertionError("channels last were accepted")
""",
    "Question 2": """
import torch
from torch.utils.data import DataLoader, TensorDataset

from helpers.training import accuracy, test_step

logits = torch.eye(2)[torch.zeros(33, dtype=torch.long)]
labels = torch.tensor([0] * 32 + [1])
loader = DataLoader(TensorDataset(logits, labels), 32)
by_batch = [accuracy(x, y) for x, y in loader]
assert sum(by_batch) / len(by_batch) == 0.5
model = torch.nn.Identity()
found = test_step(model, loader, torch.nn.CrossEntropyLoss(), device="cpu").metric
assert abs(found - 32 / 33) < 1e-6 and round(100 * found) == 97
dropped = DataLoader(TensorDataset(logits, labels), 32, drop_last=True)
assert [accuracy(x, y) for x, y in dropped] == [1.0]
""",
    "Question 3": """
import torch

layer = torch.nn.Conv2d(3, 16, kernel_size=5, stride=2, padding=2)
assert layer(torch.zeros(1, 3, 32, 32)).shape == (1, 16, 16, 16)
assert (32 + 4 - 5) // 2 == 15
""",
    "Question 4": """
import torch

layer = torch.nn.Conv2d(3, 16, kernel_size=5, stride=2, padding=2)
assert layer.weight.shape == (16, 3, 5, 5) and layer.bias.shape == (16,)
assert sum(p.numel() for p in layer.parameters()) == 16 * 3 * 5 * 5 + 16 == 1_216
assert 16 * 5 * 5 + 16 == 416
layer(torch.zeros(1, 3, 32, 32)), layer(torch.zeros(1, 3, 90, 50))
""",
    "Question 5": """
import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(200, 64), torch.randint(10, (200,))
layer = nn.Linear(64, 10)
raw = layer(x)
raw.retain_grad()
nn.functional.cross_entropy(raw.relu(), y).backward()
assert (raw.grad[raw < 0] == 0).all() and (raw.grad[raw > 0] != 0).all()
sizes = []
for outputs in (layer(x), layer(x).softmax(dim=1)):
    layer.zero_grad()
    nn.functional.cross_entropy(outputs, y).backward()
    sizes.append(layer.weight.grad.norm())
assert sizes[1] < sizes[0] / 3
by_hand = -layer(x).log_softmax(dim=1)[torch.arange(200), y].mean()
torch.testing.assert_close(nn.functional.cross_entropy(layer(x), y), by_hand)
""",
    "Question 7": """
import torch

torch.manual_seed(0)
# Five models that are all right in 80 % of all cases, tried on 500 pictures each.
scores = (torch.rand(2000, 5, 500) < 0.8).float().mean(dim=2)
best_of = [scores[:, :k].amax(dim=1).mean() for k in (1, 3, 5)]
assert abs(best_of[0] - 0.8) < 0.002
assert best_of[0] + 0.01 < best_of[1] < best_of[2]
""",
    "Question 8": """
import torch
from torch.utils.data import (
    BatchSampler, DataLoader, RandomSampler, TensorDataset
)

from helpers.training import train_step

torch.manual_seed(0)
dataset = TensorDataset(torch.randn(200, 1, 8, 8), torch.randint(4, (200,)))


def loss_with(make_loader, scale=1.0):
    torch.manual_seed(42)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.manual_seed(7)
    batches = ((scale * x, y) for x, y in make_loader())
    loss_fn = torch.nn.CrossEntropyLoss()
    return train_step(model, batches, loss_fn, optimizer, device="cpu").loss


def plain():
    return DataLoader(dataset, 32, shuffle=True)


def quick():
    batches = BatchSampler(RandomSampler(dataset), 32, False)
    return DataLoader(dataset, sampler=batches, batch_size=None)


def lossy():
    return DataLoader(dataset, 32, shuffle=True, drop_last=True)


def unshuffled():
    return DataLoader(dataset, 32)


same = loss_with(plain)
assert abs(loss_with(quick) - same) < 1e-6
for other in (loss_with(lossy), loss_with(unshuffled), loss_with(plain, 0.999)):
    assert abs(other - same) > 1e-5
""",
}
