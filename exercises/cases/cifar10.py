"""What the checkers are tried on: CIFAR-10."""

from . import Case, Mutant

CASES = {
    "ex-count-parameters": Case(
        mutants=(
            Mutant("first * (3 * 25 + 1)", "first * (25 + 1)", "three colours"),
            Mutant("(first * 25 + 1)", "(6 * 25 + 1)", "still takes 6 channels"),
            Mutant("120 * (second * 25 + 1)", "120 * 401", "still takes 400 numbers"),
            Mutant(
                "120 * (second * 25 + 1)", "120 * (second + 1)", "one number from each"
            ),
            Mutant(" + 1)", ")", "the biases are missing"),
            Mutant("84 * (120 + 1)", "84 * (84 + 1)", "parameters, not"),
            Mutant(
                "    convolutions = first",
                "    layers = [nn.Conv2d(3, first, 5), nn.Conv2d(first, "
                "second, 5)]\n"
                "    layers += [nn.Linear(25 * second, 120), nn.Linear(120, "
                "84), nn.Linear(84, 10)]\n"
                "    return sum(p.numel() for layer in layers for p in "
                "layer.parameters())\n"
                "    convolutions = first",
                "You built layers",
            ),
        ),
        others=(
            """
def count(first, second):
    sizes = torch.tensor([3 * 25, first * 25, second * 25, 120, 84]) + 1
    return sizes @ torch.tensor([first, second, 120, 84, 10])
""",
            """
def count(first, second):
    return (
        (3 * 5 * 5 + 1) * first
        + (first * 5 * 5 + 1) * second
        + (second * 5 * 5 + 1) * 120
        + (120 + 1) * 84
        + (84 + 1) * 10
    )
""",
            """
import math


def count(first, second):
    weights = {
        "conv1": (first, 3, 5, 5),
        "conv2": (second, first, 5, 5),
        "fc1": (120, second * 5 * 5),
        "fc2": (84, 120),
        "fc3": (10, 84),
    }
    total = 0
    for shape in weights.values():
        total += math.prod(shape)
        total += shape[0]
    return total
""",
        ),
    ),
    "ex-undo": Case(
        mutants=(
            Mutant(".round()", "", "cut off at the point"),
            Mutant(" * 255", "", "multiply by 255"),
            Mutant(".permute(0, 2, 3, 1)", "", "channels still come second"),
            Mutant(".permute(0, 2, 3, 1)", ".permute(0, 3, 2, 1)", "changed places"),
            Mutant(
                "return scaled.round().to(torch.uint8).permute(0, 2, 3, 1)",
                "n, c, h, w = images.shape\n"
                "    return scaled.round().to(torch.uint8).reshape(n, h, w, c)",
                "`permute` moves axes",
            ),
            Mutant(
                "images * factor + offset", "(images + offset) * factor", "comes first"
            ),
            Mutant(".to(torch.uint8)", "", "bytes are `torch.uint8`"),
            Mutant("[:, None, None]", "", "second axis of"),
            Mutant(
                "scaled = (images * factor + offset) * 255",
                "scaled = images.mul_(factor).add_(offset) * 255",
                "changes the images",
            ),
            Mutant(".round()", ".ceil()", "aren't the original ones"),
        ),
        others=(
            """
def undo(images, mean, std):
    last = images.permute(0, 2, 3, 1).cpu().numpy()
    scaled = (last * np.array(std) + np.array(mean)) * 255
    return (scaled + 0.5).astype(np.uint8)
""",
            """
def undo(images, mean, std):
    mean = torch.tensor(mean, device=images.device).view(3, 1, 1)
    std = torch.tensor(std, device=images.device).view(3, 1, 1)
    bytes_ = ((images * std + mean) * 255).round().clamp(0, 255)
    return bytes_.to(torch.uint8).permute(0, 2, 3, 1)
""",
            """
def undo(images, mean, std):
    channels = []
    for c in range(3):
        values = images[:, c].detach().cpu().numpy().astype(np.float64)
        values *= std[c]
        values += mean[c]
        channels.append(np.rint(values * 255).astype(np.uint8))
    return torch.from_numpy(np.stack(channels, axis=-1))
""",
        ),
    ),
    "ex-reports": Case(
        mutants=(
            Mutant(
                "len(losses), every)", "len(losses) - every + 1, every)", "newest state"
            ),
            Mutant(
                "sum(part) / len(part)", "sum(part) / every", "the last part has only"
            ),
            Mutant("sum(part) / len(part)", "sum(part)", "added up, not averaged"),
            Mutant(
                "sum(part) / len(part)",
                "sum(losses[: start + every]) / (start + len(part))",
                "back to the first batch",
            ),
            Mutant(
                "sum(part) / len(part)",
                "sum(losses[: start + every]) / len(part)",
                "set back to 0",
            ),
            Mutant("(start + len(part),", "(start + len(part) - 1,", "is an index"),
            Mutant(
                "    return pairs",
                "    pairs.append((len(losses), sum(part) / len(part)))\n"
                "    return pairs",
                "reported twice",
            ),
        ),
        others=(
            """
def running_means(losses, every):
    pairs, total, count = [], 0.0, 0
    for step, loss in enumerate(losses, start=1):
        total, count = total + loss, count + 1
        if step % every == 0 or step == len(losses):
            pairs.append([step, torch.tensor(total / count)])
            total, count = 0.0, 0
    return tuple(pairs)
""",
            """
def running_means(losses, every):
    parts = [losses[i : i + every] for i in range(0, len(losses), every)]
    return [
        (i * every + len(part), sum(part) / len(part)) for i, part in enumerate(parts)
    ]
""",
            """
def running_means(losses, every):

    def reports():
        total, waiting, done = 0.0, 0, 0
        for loss in losses:
            total += float(loss)
            waiting += 1
            done += 1
            if waiting == every:
                yield (done, total / waiting)
                total, waiting = 0.0, 0
        if waiting:
            yield (done, total / waiting)

    return list(reports())
""",
        ),
    ),
    "ex-per-class": Case(
        mutants=(
            Mutant("/ truth.bincount", "/ predicted.bincount", "that's precision"),
            Mutant(
                "hits / truth.bincount(minlength=classes)",
                "hits / truth.bincount(minlength=classes).clamp(min=1)",
                "0 of 0 is NaN",
            ),
            Mutant(
                "hits / truth.bincount(minlength=classes)", "hits / len(truth)", "class"
            ),
            Mutant(" / truth", " // truth", "`//` cuts off"),
            Mutant("(minlength=classes)", "()", "`minlength`"),
            Mutant(
                "    hits = truth[predicted == truth].bincount(minlength=classes)\n"
                "    return hits / truth.bincount(minlength=classes)",
                "    rows = [(predicted == c) == (truth == c) for c in "
                "range(classes)]\n    return torch.stack(rows).float().mean(dim=1)",
                "count as right",
            ),
        ),
        others=(
            """
def class_accuracy(predicted, truth, classes):
    right = (predicted == truth).double()
    return torch.stack([right[truth == c].mean() for c in range(classes)])
""",
            """
def class_accuracy(predicted, truth, classes):
    cells = truth * classes + predicted
    table = cells.bincount(minlength=classes * classes).view(classes, classes)
    result = torch.full((classes,), float("nan"))
    for c, row in enumerate(table.tolist()):
        if sum(row) == 0:
            continue
        result[c] = row[c] / sum(row)
    return result
""",
            """
def class_accuracy(predicted, truth, classes):
    there = F.one_hot(truth, classes).double()
    return (there * predicted.eq(truth)[:, None]).sum(0) / there.sum(0)
""",
        ),
    ),
    "ex-split": Case(
        mutants=(
            Mutant(
                "round(share * len(members))",
                "int(share * len(members))",
                "cutting it off",
            ),
            Mutant("members[cut:]", "members[: len(members) - cut]", "in both parts"),
            Mutant(", generator=generator", "", "draws use `generator`"),
            Mutant(
                "        members = members[torch.randperm(len(members), "
                "generator=generator)]\n",
                "",
                "nothing is drawn",
            ),
            Mutant(
                "members = members[torch.randperm(len(members), generator=generator)]",
                "members = torch.randperm(len(members), generator=generator)",
                "places within a class",
            ),
            Mutant(
                "    return torch.cat(first), torch.cat(second)",
                "    order = torch.randperm(len(labels), generator=generator)\n"
                "    return order.tensor_split([round(share * len(labels))])",
                "not a share of each class",
            ),
            Mutant(
                "torch.cat(first), torch.cat(second)",
                "torch.cat(second), torch.cat(first)",
                "share of the second",
            ),
            Mutant("torch.cat(second)", "torch.cat(second)[:-1]", "are in no part"),
            Mutant(
                "torch.cat(first), torch.cat(second)",
                "[torch.isin(torch.arange(len(labels)), torch.cat(part)) for "
                "part in (first, second)]",
                "which are whole numbers",
            ),
        ),
        others=(
            """
def stratified_split(labels, share, generator):
    order = torch.randperm(len(labels), generator=generator)
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(int(labels.max()) + 1):
        members = order[labels[order] == label]
        chosen[members[: round(share * len(members))]] = True
    return chosen.nonzero()[:, 0], (~chosen).nonzero()[:, 0]
""",
            """
def stratified_split(labels, share, generator):
    labels = torch.as_tensor(labels).cpu()
    noise = torch.rand(len(labels), generator=generator)
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    for c, size in zip(*labels.unique(return_counts=True)):
        wanted = round(share * size.item())
        height = noise.masked_fill(labels != c, -1)
        chosen[height.topk(wanted).indices] = True
    everything = torch.arange(len(labels))
    return everything[chosen], everything[~chosen]
""",
            """
def stratified_split(labels, share, generator):
    first, second = [], []
    order = torch.rand(len(labels), generator=generator).argsort().tolist()
    counts = labels.bincount().tolist()
    left = [int(share * number + 0.5) for number in counts]
    for index in order:
        part = first if left[labels[index]] > 0 else second
        left[labels[index]] -= 1
        part.append(index)
    return first, second
""",
            """
def stratified_split(labels, share, generator):
    draw = np.random.default_rng(generator.initial_seed())
    first = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels.numpy() == label)
        first += list(draw.choice(members, round(share * len(members)), replace=False))
    first = np.array(first, dtype=np.int32)
    return first, np.setdiff1d(np.arange(len(labels)), first)
""",
        ),
    ),
    "ex-patience": Case(
        mutants=(
            Mutant("loss < losses", "loss <= losses", "counts as better"),
            Mutant("losses[best - 1]", "losses[epoch - 2]", "the one before it"),
            Mutant("best == patience", "best > patience", "one epoch late"),
            Mutant("best == patience", "best == patience - 1", "one epoch early"),
            Mutant(
                "return best, epoch\n",
                "return losses.index(min(losses)) + 1, epoch\n",
                "never trained",
            ),
            Mutant(
                "    best = 1\n",
                "    return losses.index(min(losses)) + 1, len(losses)\n    best = 1\n",
                "it never stops",
            ),
            Mutant("best, epoch\n", "epoch, best\n", "changed places"),
            Mutant(
                "    return best, len(losses)",
                "    return best - 1, len(losses) - 1",
                "counted from 0",
            ),
            Mutant(
                "    best = 1\n",
                "    best, bad = 1, 0\n"
                "    for epoch, loss in enumerate(losses, start=1):\n"
                "        if loss < losses[best - 1]:\n"
                "            best = epoch\n"
                "        elif epoch > 1:\n"
                "            bad += 1\n"
                "        if bad == patience:\n"
                "            return best, epoch\n"
                "    return best, len(losses)\n",
                "have to be in a row",
            ),
        ),
        others=(
            """
def stopping(losses, patience):
    best_loss, best_epoch, waited, epoch = float("inf"), 0, 0, 0
    while epoch < len(losses) and waited < patience:
        epoch += 1
        waited += 1
        if losses[epoch - 1] < best_loss:
            best_loss, best_epoch, waited = losses[epoch - 1], epoch, 0
    return [best_epoch, torch.tensor(epoch)]
""",
            """
def stopping(losses, patience):
    values = np.asarray(losses, dtype=float)
    last = len(values)
    for epoch in range(1, len(values) + 1):
        best = int(values[:epoch].argmin()) + 1
        if epoch - best >= patience:
            last = epoch
            break
    return int(values[:last].argmin()) + 1, last
""",
            """
def stopping(losses, patience):
    stops = [
        n
        for n in range(1, len(losses) + 1)
        if n - 1 - losses.index(min(losses[:n])) == patience
    ]
    last = min(stops, default=len(losses))
    return losses.index(min(losses[:last])) + 1, last
""",
        ),
    ),
    "ex-devices": Case(
        needs=("imports", "net"),
        mutants=(
            Mutant(
                "    model.load_state_dict(parameters)\n", "", "until you load them"
            ),
            Mutant("Net().to(name)", "Net()", "end up on two devices"),
            Mutant("images.to(name)", "images", "end up on two devices"),
            Mutant(".cpu()", "", "bring them back"),
            Mutant("name)", '"cpu")', "whatever `name` says"),
            Mutant("images.to(name))", "images.to(name)).softmax(dim=1)", "the logits"),
            Mutant(
                "    model = Net()",
                "    images.zero_()\n    model = Net()",
                "that it's given",
            ),
        ),
        others=(
            """
def logits_on(name, parameters, images):
    with torch.device(name):
        model = Net()
    there = {key: value.to(name) for key, value in parameters.items()}
    model.load_state_dict(there)
    return model(images.to(name)).detach().to("cpu")
""",
            """
@torch.no_grad()
def logits_on(name, parameters, images):
    place = torch.device(name)
    with place:
        net = Net()
    own = net.state_dict()
    assert own.keys() == parameters.keys()
    for key, value in own.items():
        value.copy_(parameters[key])
    copies = images.detach().to(place, copy=True)
    logits = net.train(False)(copies)
    return torch.empty(logits.shape, dtype=logits.dtype).copy_(logits)
""",
            """
def logits_on(name, parameters, images):
    model = Net()
    model.load_state_dict({key: value.clone() for key, value in parameters.items()})
    with torch.inference_mode():
        rows = model.to(name)(images.to(name))
    return torch.stack([torch.tensor([one.item() for one in row]) for row in rows])
""",
        ),
    ),
    "ex-ensemble": Case(
        mutants=(
            Mutant(
                "each = [model.eval()(x).softmax(dim=1) for model in members]\n"
                "        joint = torch.stack(each).mean(dim=0)",
                "each = [model.eval()(x) for model in members]\n"
                "        joint = torch.stack(each).mean(dim=0).softmax(dim=1)",
                "The logits are averaged",
            ),
            Mutant("F.nll_loss(joint.log(), y)", "F.cross_entropy(joint, y)", "twice"),
            Mutant(
                "F.nll_loss(joint.log(), y)", "F.nll_loss(joint, y)", "lacks the log"
            ),
            Mutant(".mean(dim=0)", ".sum(dim=0)", "are added up"),
            Mutant("model.eval()(x)", "model(x)", "call `eval()` on each"),
            Mutant("softmax(dim=1)", "softmax(dim=0)", "along the images"),
            Mutant(
                "F.nll_loss(joint.log(), y).item()",
                "sum(F.nll_loss(one.log(), y) for one in each).item() / len(each)",
                "mean of the losses",
            ),
            Mutant(
                ".float().mean().item()", ".float().mean().item() * 100", "percentage"
            ),
            Mutant(
                "(joint.argmax(dim=1) == y)",
                "(torch.stack(each).argmax(dim=2) == y)",
                "mean of the accuracies",
            ),
            Mutant(".log(), y).item()", ".log(), y).item() / 2", "The loss should be"),
        ),
        others=(
            """
def ensemble(members, x, y):
    total = torch.zeros(())
    for model in members:
        model.eval()
        total = total + model(x).log_softmax(dim=1).exp() / len(members)
    picked = total.gather(1, y[:, None])[:, 0]
    hits = (total.max(1).indices == y).float()
    return torch.stack([-picked.log().mean(), hits.mean()])
""",
            """
@torch.no_grad()
def ensemble(members, x, y):
    logs = torch.stack([m.eval()(x).log_softmax(dim=1) for m in members])
    mixed = logs.logsumexp(dim=0) - math.log(len(members))
    right = mixed.argmax(dim=1) == y
    return F.nll_loss(mixed, y).item(), right.float().mean().item()
""",
            """
def ensemble(members, x, y):
    total = 0
    for network in members:
        before = network.training
        network.eval()
        with torch.inference_mode():
            total = total + F.softmax(network(x), dim=-1)
        network.train(before)
    average = (total / len(members)).cpu().numpy()
    truth = y.cpu().numpy()
    of_truth = average[np.arange(len(truth)), truth]
    loss = -np.log(of_truth).mean()
    accuracy = (average.argmax(axis=1) == truth).mean()
    return float(loss), float(accuracy)
""",
        ),
    ),
}

FACTS = {
    "Question 1": """
import torch
from torchvision.transforms.v2.functional import normalize

torch.manual_seed(0)
train, test = torch.rand(200, 3, 8, 8), 0.8 * torch.rand(50, 3, 8, 8)


def numbers(images):
    return images.mean((0, 2, 3)).tolist(), images.std((0, 2, 3)).tolist()


image = train[0]
apart = normalize(image, *numbers(train)), normalize(image, *numbers(test))
assert (apart[0] - apart[1]).abs().max() > 0.1  # one image, two inputs
together = normalize(image, *numbers(torch.cat([train, test])))
assert 0 < (apart[0] - together).abs().max() < 0.2  # the effect is small
""",
    "Question 2": """
import torch
from torch import nn

x, sides = torch.zeros(1, 3, 32, 32), [32]
pool = nn.MaxPool2d(2)
for layer in (nn.Conv2d(3, 6, 3), pool, nn.Conv2d(6, 16, 3), pool):
    x = layer(x)
    sides.append(x.shape[-1])
assert sides == [32, 30, 15, 13, 6]
assert x.flatten(1).shape == (1, 16 * 6 * 6)
try:
    nn.Linear(16 * 5 * 5, 120)(x.flatten(1))
except RuntimeError as error:
    assert "1x576 and 400x120" in str(error)
else:
    raise AssertionError("fc1 took more numbers than it was built for")
""",
    "Question 3": """
import math
import torch
from torch import nn
from torch.nn.functional import cross_entropy

for seed in range(5):
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5)]
    layers += [nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120)]
    model = nn.Sequential(*layers, nn.ReLU(), nn.Linear(120, 10))
    images, labels = torch.rand(200, 3, 32, 32), torch.randint(10, (200,))
    assert abs(cross_entropy(model(images), labels) - math.log(10)) < 0.1
    assert cross_entropy(model(255 * images), labels) > 5
""",
    "Question 4": """
import math
import torch

error = math.sqrt(0.61 * 0.39 / 2000)
assert round(100 * error, 1) == 1.1
torch.manual_seed(0)
# Two networks that are equally good: how often do they look 0.8 points apart?
scores = (torch.rand(2, 1000, 2000) < 0.614).float().mean(dim=2)
assert ((scores[0] - scores[1]).abs() >= 0.008).float().mean() > 0.4
""",
    "Question 5": """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
for _ in range(50):
    model(torch.rand(64, 3, 8, 8))
ships, cats = 0.5 * torch.rand(50, 3, 8, 8) + 0.5, 0.5 * torch.rand(50, 3, 8, 8)
before = model[1].running_mean.clone()
with torch.inference_mode():
    alone = model(ships)[0]
    mixed = model(torch.cat([ships, cats]))[0]
    moved = (model[1].running_mean - before).abs().max()
    assert (alone - mixed).abs().max() > 0.1 and moved > 0.01
    model.eval()
    torch.testing.assert_close(model(ships)[0], model(torch.cat([ships, cats]))[0])
norm = nn.BatchNorm1d(4)
norm(torch.rand(2, 4))
try:
    norm(torch.rand(1, 4))
except ValueError as error:
    assert "more than 1 value per channel" in str(error)
else:
    raise AssertionError("a single value was accepted")
""",
    "Question 6": """
import numpy as np
from sklearn.model_selection import GroupShuffleSplit, train_test_split

birds = np.repeat(np.arange(500), 10)
at_random = train_test_split(birds, test_size=0.2, random_state=0)
assert len(set(at_random[1]) - set(at_random[0])) < 5
photos = np.arange(5000) % 10
assert set(birds[photos < 8]) == set(birds[photos >= 8])
splitter = GroupShuffleSplit(n_splits=1, test_size=0.2, random_state=0)
train, validation = next(splitter.split(birds, groups=birds))
assert len(set(birds[train])) == 400 and len(set(birds[validation])) == 100
assert not set(birds[train]) & set(birds[validation])
""",
    "Question 8": """
import torch
from torch.optim.lr_scheduler import OneCycleLR

from helpers import data

optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], momentum=0.9)
plan = OneCycleLR(optimizer, max_lr=0.016, total_steps=250)
rates = []
for _ in range(250):
    rates.append(optimizer.param_groups[0]["lr"])
    optimizer.step()
    plan.step()
assert 0.45 < sum(rates) / 250 / 0.016 < 0.55
results = data.recorded("cifar10_schedules")["results"]
means = {name: row["mean"] for name, row in results.items()}
assert means["one cycle to 0.016"] < means["constant 0.016"] - 0.1
assert means["one cycle to 0.05"] > means["constant 0.05"] > means["constant 0.016"]
assert abs(means["one cycle to 0.05"] - means["one cycle to 0.05, momentum 0.9"]) < 0.02
""",
}
