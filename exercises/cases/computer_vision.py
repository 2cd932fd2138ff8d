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
            Mutant("[rest] if rest and not drop_last else []", "[]", "in any batch"),
            Mutant(
                "[batch_size] * full + ([rest] if rest and not drop_last else [])",
                "full + bool(rest and not drop_last)",
                "a list with one",
            ),
            Mutant(
                "    full, rest = divmod(n, batch_size)\n"
                "    return [batch_size] * full + ([rest] if rest and not "
                "drop_last else [])",
                "    loader = DataLoader(range(n), batch_size, "
                "drop_last=drop_last)\n"
                "    return [len(batch) for batch in loader]",
                "You made a loader",
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
            """
def batch_sizes(n, batch_size, drop_last=False):
    sizes = []
    left = n
    while left >= batch_size:
        sizes.append(batch_size)
        left -= batch_size
    if drop_last or left == 0:
        return sizes
    sizes.append(left)
    return sizes
""",
            """
def batch_sizes(n, batch_size, drop_last=False):
    '''Return the sizes of all batches of an epoch.'''
    sizes = []
    left = n
    while left >= batch_size:
        sizes.append(batch_size)
        left -= batch_size
    if drop_last or left == 0:
        return sizes
    sizes.append(left)
    return sizes


loader = DataLoader(range(70), batch_size=32)
assert batch_sizes(70, 32) == [len(batch) for batch in loader]
""",
        ),
    ),
    "ex-which-mean": Case(
        mutants=(
            Mutant(
                "right / sum(sizes), right",
                "sum(accuracies) / len(accuracies), right",
                "the mean of the batches",
            ),
            Mutant("round(size * accuracy)", "int(size * accuracy)", "`int` cuts off"),
            Mutant("right / sum(sizes), right", "right, right", "first number is"),
            Mutant("return right /", "return 100 * right /", "in per cent"),
            Mutant(
                "right / sum(sizes), right",
                "right / (sizes[0] * len(sizes)), right",
                "the accuracy is",
            ),
            Mutant(
                "right / sum(sizes), right",
                "right / sum(sizes)",
                "a pair, the accuracy",
            ),
        ),
        others=(
            """
def overall(sizes, accuracies):
    sizes = torch.tensor(sizes, dtype=torch.float64)
    right = (sizes * torch.tensor(accuracies, dtype=torch.float64)).round().sum()
    return right / sizes.sum(), int(right)
""",
            """
def overall(sizes, accuracies):
    right = 0
    for i in range(len(sizes)):
        right += sizes[i] * accuracies[i]
    score = right / sum(sizes)
    return [score, round(right)]
""",
            """
import numpy as np


def overall(sizes, accuracies):
    score = np.average(accuracies, weights=sizes)
    return score, int(score * sum(sizes) + 0.5)
""",
        ),
    ),
    "ex-rule": Case(
        needs=DATA,
        mutants=(
            Mutant(" & (gap < 0.1)", "", "of its finds are trousers"),
            Mutant("> 0.3", "> 0.7", "of the trousers. Print"),
            Mutant("(left > 0.3)", "(left > left.mean())", "other images of"),
            Mutant(
                "return (left > 0.3) & (right > 0.3) & (gap < 0.1) & (beside < 0.05)",
                "return ((left > 0.3) & (right > 0.3) & (gap < 0.1)).float()",
                "becomes boolean",
            ),
            Mutant("dim=(1, 2))", "dim=(1, 2), keepdim=True)", "one answer per image"),
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
            """
def is_trouser(pictures):
    grey = pictures.squeeze(1)
    gap = grey[:, 16:25, 13:16].amin(dim=2).mean(dim=1)
    legs = grey[:, 16:25, [11, 12, 16, 17]].mean(dim=(1, 2))
    outside = grey[:, 10:22, [5, 6, 22, 23]].mean(dim=(1, 2))
    belt = grey[:, 2:6, 12:17].mean(dim=(1, 2))
    return (gap < 0.25) & (legs > 0.3) & (outside < 0.08) & (belt > 0.3)
""",
            """
def looks_like_trousers(rows):
    for row in (10, 14, 18, 22):
        if max(rows[row][5], rows[row][6], rows[row][23]) > 0.15:
            return False
    for row in (3, 5):
        if rows[row][14] < 0.2:
            return False
    split = [row for row in (18, 20, 22, 24) if min(rows[row][13:16]) < 0.3]
    if len(split) < 3:
        return False
    legs = [rows[row][c] for row in (14, 18, 22) for c in (11, 12, 16, 17)]
    return sum(grey > 0.2 for grey in legs) >= 8


def is_trouser(pictures):
    answers = []
    for picture in pictures:
        answers.append(looks_like_trousers(picture[0].tolist()))
    return torch.tensor(answers, dtype=torch.bool)
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
            Mutant("zero = False", "zero = True", "being sure is punished"),
            Mutant(
                "    log_probabilities = logits.log_softmax(dim=1)\n"
                "    return -log_probabilities[torch.arange(len(targets)), "
                "targets].mean()",
                "    return nn.CrossEntropyLoss()(logits, targets)",
                "PyTorch's own loss",
            ),
            Mutant(
                "    log_probabilities = logits.log_softmax(dim=1)\n"
                "    return -log_probabilities[torch.arange(len(targets)), "
                "targets].mean()",
                "    return F.nll_loss(logits.log_softmax(dim=1), targets)",
                "PyTorch's own loss",
            ),
            Mutant(
                "    log_probabilities =",
                "    logits.zero_()\n    log_probabilities =",
                "should be",
            ),
        ),
        others=(
            """
def cross_entropy(logits, targets):
    losses = [row.logsumexp(0) - row[t] for row, t in zip(logits, targets)]
    return sum(losses).item() / len(losses)


smoothed_reaches_zero = False
""",
            """
def cross_entropy(logits, targets):
    total = 0.0
    for row, target in zip(logits, targets, strict=True):
        total -= F.log_softmax(row, dim=-1)[int(target)]
    return total / len(targets)


smoothed_reaches_zero = torch.tensor(False)
""",
            """
def cross_entropy(logits, targets):
    picked = logits.log_softmax(1).gather(1, targets[:, None])
    return picked.neg().mean().item()


smoothed_reaches_zero = False
""",
        ),
    ),
    "ex-silent": Case(
        mutants=(
            Mutant("minlength=logits.shape[1]", "", "by `minlength`"),
            Mutant("counts == 0", "counts > 0", "that *are* predicted"),
            Mutant("argmax(dim=1)", "argmax(dim=0)", "which sample is best"),
            Mutant(
                "    predicted = logits.argmax(dim=1)\n"
                "    counts = predicted.bincount(minlength=logits.shape[1])\n"
                "    return (counts == 0)",
                "    return (logits <= 0).all(dim=0)",
                "whatever the sign",
            ),
            Mutant(".tolist()", ".tolist()[::-1]", "sort it"),
            Mutant(
                "(counts == 0).nonzero().flatten().tolist()",
                "counts == 0",
                "whatever the sign",
            ),
        ),
        others=(
            """
def silent_classes(logits):
    said = set(logits.argmax(dim=1).tolist())
    return [index for index in range(logits.shape[1]) if index not in said]
""",
            """
def silent_classes(logits):
    n, classes = logits.shape
    best = logits.max(dim=1, keepdim=True).values
    return torch.arange(classes)[~(logits == best).any(dim=0)]
""",
            """
def silent_classes(logits):
    everything = set(range(logits.size(1)))
    predicted = {row.argmax().item() for row in logits.softmax(dim=-1)}
    return sorted(everything - predicted)
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
            Mutant(", shuffle=True", "", "Shuffle them"),
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
            """
def train_with(dataset, size):
    pictures, labels = (part.to(device) for part in dataset.tensors)
    seed_everything(42)
    net = FashionV0(inputs=784, hidden=10, outputs=10)
    net.to(device).train()
    sgd = torch.optim.SGD(net.parameters(), lr=0.1)
    shuffled = torch.randperm(len(labels))
    steps = 0
    for batch in shuffled.split(size):
        if len(batch) < size:
            break
        sgd.zero_grad()
        F.cross_entropy(net(pictures[batch]), labels[batch]).backward()
        sgd.step()
        steps += 1
    net.eval()
    with torch.no_grad():
        return steps, F.cross_entropy(net(pictures), labels).item()
""",
            """
def train_with(dataset, size):
    pictures, labels = dataset[:]
    torch.manual_seed(42)
    model = FashionV0(784, 10, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    order = torch.randperm(len(dataset))
    steps = len(dataset) // size
    for rows in order[: steps * size].reshape(steps, size):
        loss = F.cross_entropy(model(pictures[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scores = [F.cross_entropy(model(x[None]), y[None]) for x, y in dataset]
    return torch.tensor(steps), torch.stack(scores).mean()
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
import torch.nn.functional as F

kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])[None, None]
grey = torch.full((1, 6, 6), 0.8)
assert (F.conv2d(grey, kernel).abs() < 1e-6).all()
assert (F.conv2d(grey, kernel.abs()) > 1).all()
padded = F.conv2d(grey, kernel, padding=1)[0]
assert (padded[:, 0] > 1).all() and (padded[:, -1] < -1).all()
assert (padded[:, 1:-1].abs() < 1e-6).all()
""",
    "Question 3": """
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
    "Question 4": """
import torch
from torch import nn

torch.manual_seed(0)
layer = nn.Linear(784, 10)
turned = nn.Linear(784, 10)
order = torch.arange(784).reshape(28, 28).flip(0).flatten()
with torch.no_grad():
    turned.weight.copy_(layer.weight[:, order])
    turned.bias.copy_(layer.bias)
images, labels = torch.rand(64, 1, 28, 28), torch.randint(10, (64,))
upside_down = images.flip(2)
assert not torch.equal(images, upside_down)
for _ in range(20):  # the same training from the same place, seen another way
    losses = []
    for model, x in ((layer, images), (turned, upside_down)):
        loss = nn.functional.cross_entropy(model(x.flatten(1)), labels)
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
        losses.append(loss)
    torch.testing.assert_close(*losses, atol=1e-4, rtol=1e-4)
""",
    "Question 5": """
import torch
from torch import nn

torch.manual_seed(0)
things = torch.zeros(2, 1, 12, 12)
things[0, 0, 3:9, 5:7] = 1  # a post
things[1, 0, 5:7, 3:9] = 1  # a beam
labels = torch.arange(2).repeat(200)
centred = things.repeat(200, 1, 1, 1) + 0.3 * torch.randn(400, 1, 12, 12)
test = (things.repeat(200, 1, 1, 1) + 0.3 * torch.randn(400, 1, 12, 12)).roll(4, 3)


def right_after(images, epochs):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(144, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(epochs):
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (model(test).argmax(1) == labels).float().mean()


augmented = torch.cat([c.roll(int(s), 2)[None] for c, s in zip(
    centred, torch.randint(-4, 5, (400,)))])
assert right_after(augmented, 200) > right_after(centred, 200) + 0.05
assert right_after(centred, 1000) < right_after(augmented, 200)
order = torch.randperm(400)
model = nn.Sequential(nn.Flatten(), nn.Linear(144, 2))
assert torch.equal(model(test)[order].argmax(1), model(test[order]).argmax(1))
""",
    "Question 6": """
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
