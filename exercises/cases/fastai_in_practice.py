"""What the checkers are tried on: fastai in practice."""

from . import Case, Mutant

# The star has a cell of its own, before the other imports.
NEEDS = ("imports-star", "imports")

CASES = {
    "ex-expect": Case(
        needs=NEEDS,
        mutants=(
            Mutant("> 1 - chance", "> chance", "hold no mistake at all"),
            Mutant("accuracy**n > 1 - chance", "n * (1 - accuracy) < chance", "add up"),
            Mutant(
                "accuracy**n > 1 - chance", "n < round(1 / (1 - accuracy))", "average"
            ),
            Mutant(
                "while accuracy**n",
                "while (1 - accuracy) ** n",
                "not all of them being wrong",
            ),
            Mutant("return n", "return n - 1", "one more is needed"),
            Mutant(">", ">=", "exactly this chance will do"),
            Mutant(
                "return n",
                "return np.log(1 - chance) / np.log(accuracy)",
                "come in whole numbers",
            ),
        ),
        others=(
            """
import math


def needed(accuracy, chance):
    n = math.log(1 - chance) / math.log(accuracy)
    return torch.tensor(math.ceil(round(n, 9)))
""",
            """
def needed(accuracy, chance):
    return int(np.ceil(np.log(1 - chance) / np.log(accuracy)))
""",
            """
def needed(accuracy, chance):
    all_right = 1.0
    for images in itertools.count(1):
        all_right *= accuracy
        if 1 - all_right >= chance:
            return images
""",
        ),
    ),
    "ex-steep": Case(
        needs=NEEDS,
        mutants=(
            Mutant("np.diff(np.log(lrs))", "np.diff(lrs)", "tiny rates look steep"),
            Mutant(" / np.diff(np.log(lrs))", "", "divide by their distance"),
            Mutant("argmin", "argmax", "rises fastest"),
            Mutant("slopes.argmin()", "np.abs(slopes).argmax()", "rises fastest"),
            Mutant("slopes.argmin()", "losses.argmin()", "is smallest"),
            Mutant("lrs[slopes.argmin()]", "slopes.argmin()", "a position"),
        ),
        others=(
            """
def steepest(lrs, losses):
    slopes = np.gradient(losses, np.log10(lrs))
    return torch.tensor(min(zip(slopes, lrs, strict=True))[1])
""",
            """
def steepest(lrs, losses):
    best_rate, best_slope = None, math.inf
    points = list(zip(lrs.tolist(), losses.tolist()))
    for (rate, loss), (next_rate, next_loss) in itertools.pairwise(points):
        slope = (next_loss - loss) / math.log(next_rate / rate)
        if slope < best_slope:
            best_rate, best_slope = rate, slope
    return best_rate
""",
            """
def steepest(lrs, losses):
    logs = np.log(lrs)
    slopes = [(b - a) / (d - c) for a, b, c, d in
              zip(losses, losses[1:], logs, logs[1:], strict=False)]
    return float(lrs[1:][np.argmin(slopes)])
""",
        ),
    ),
    "ex-confused": Case(
        needs=NEEDS,
        mutants=(
            Mutant("(row, column):", "(column, row):", "the wrong way round"),
            Mutant("        if row != column\n", "", "The diagonal is among them"),
            Mutant(
                "np.argwhere(matrix).tolist()",
                "np.ndindex(matrix.shape)",
                "never occur",
            ),
            Mutant("row != column", "row < column", "are two pairs"),
            Mutant("np.argwhere(matrix)", "np.argwhere(matrix > 1)", "only once"),
            Mutant(
                "int(matrix[row, column])",
                "int(matrix[row, column] + matrix[column, row])",
                "the other direction too",
            ),
        ),
        others=(
            """
def confused_pairs(matrix):
    errors = matrix - np.diag(np.diag(matrix))
    return dict(zip(zip(*errors.nonzero()), errors[errors > 0]))
""",
            """
def confused_pairs(matrix):
    return {(i, j): n for (i, j), n in np.ndenumerate(matrix) if i != j and n > 0}
""",
            """
def confused_pairs(matrix):
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    rows, columns = wrong.nonzero()
    pairs = zip(rows.tolist(), columns.tolist())
    return dict(zip(pairs, wrong[rows, columns].tolist()))
""",
        ),
    ),
    "ex-parity": Case(
        needs=NEEDS,
        mutants=(
            Mutant(
                '"odd" if int(parent_label(file)) % 2 else "even"',
                '"even" if int(parent_label(file)) % 2 else "odd"',
                "the wrong way round",
            ),
            Mutant("tenth, odd_or_even", "tenth, parent_label", "10 classes"),
            Mutant("int(parent_label(file))", "int(file.stem)", "the file's folder"),
            Mutant('path / "training"', "path", "for the very end"),
            Mutant("parity.fit_one_cycle(2, 5e-3)", "pass", "has not been trained"),
            Mutant("items=True", "items=True, largest=False", "nine best answers"),
            Mutant("[parent_label(file)", "[odd_or_even(file)", "which digits they"),
            Mutant("[parent_label(file)", "[file.stem", "which isn't a digit"),
            Mutant(
                "[parent_label(file) for file",
                "[(9, 0)[file is None] for file",
                "list the digits",
            ),
        ),
        others=(
            """
digits = get_image_files(untar_data(URLs.MNIST, base=data.fastai_home()) / "training")
block = DataBlock(
    blocks=(ImageBlock, CategoryBlock),
    get_y=lambda file: ("even", "odd")[int(file.parent.name) % 2],
    splitter=RandomSplitter(seed=1),
)
dls = block.dataloaders(sorted(digits)[::10], bs=32, num_workers=0, device=device)
seed_everything()
parity = vision_learner(dls, "test_resnet", pretrained=False)
with parity.no_logging():
    parity.fit_one_cycle(2, 5e-3)
*_, losses = parity.get_preds(with_loss=True)
wrong = [int(dls.valid.items[i].parent.name) for i in losses.topk(9).indices]
""",
            """
def odd_or_even(file):
    return ("even", "odd")[int(file.parent.name) % 2]


seed_everything()
tenth = get_image_files(untar_data(URLs.MNIST, base=data.fastai_home()) / "training")
parity_dls = ImageDataLoaders.from_path_func(
    tenth[0].parents[2], tenth.sorted()[::10], odd_or_even, bs=32, num_workers=0,
    device=device,
)
# fastai cannot turn the outputs for this loss into probabilities.
parity = vision_learner(
    parity_dls, "test_resnet", pretrained=False, loss_func=nn.CrossEntropyLoss()
)
with parity.no_logging():
    parity.fit_one_cycle(2, 5e-3)
outputs, targets = parity.get_preds()
losses = F.cross_entropy(TensorBase(outputs), targets, reduction="none")
worst = np.argsort(losses.numpy())[::-1][:9]
wrong = torch.tensor([int(parity_dls.valid_ds.items[i].parent.name) for i in worst])
parity.opt = None
""",
            """
def name_of(digit_folder):
    return ("even", "odd")[int(digit_folder) & 1]


block = DataBlock(
    blocks=(ImageBlock(PILImageBW), CategoryBlock(vocab=["odd", "even"])),
    get_y=Pipeline([attrgetter("parent.name"), name_of]),
    splitter=RandomSplitter(valid_pct=0.25, seed=1),
)
chosen = sorted(data.mnist_png().glob("training/*/*.png"))[::10]
grey_dls = block.dataloaders(chosen, bs=50, num_workers=0)
small = nn.Sequential(
    ConvLayer(1, 16, stride=2),
    ConvLayer(16, 32, stride=2),
    ConvLayer(32, 64, stride=2),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(64, 2),
)
parity = Learner(
    grey_dls, small, loss_func=nn.CrossEntropyLoss(), opt_func=partial(Adam, wd=0.01)
)
with parity.no_bar(), parity.no_logging():
    parity.fit(6, 5e-3)

parity.model.eval()
scored = []
with torch.no_grad():
    start = 0
    for xb, yb in parity.dls.valid:
        each = F.cross_entropy(
            parity.model(xb).as_subclass(torch.Tensor),
            yb.as_subclass(torch.Tensor),
            reduction="none",
        )
        for k, value in enumerate(each.tolist()):
            scored.append((value, start + k))
        start += len(yb)
scored.sort(reverse=True)
wrong = [int(parity.dls.valid.items[k].parent.name) for _, k in scored[:9]]
""",
        ),
    ),
    "ex-architecture": Case(
        needs=NEEDS,
        mutants=(
            Mutant(".shape[1:]", ".shape", "number of images in the batch"),
            Mutant(".shape[1:]", ".shape[2:]", "feature maps is missing"),
            Mutant("learner.model[0]", "learner.model", "head included"),
            Mutant(
                "images, _ = dls.one_batch()",
                "images = torch.rand(2, 3, 28, 28).to(device)",
                "do the images come from `dls`?",
            ),
            Mutant("(dls, arch,", '(dls, "test_resnet",', "as the argument `arch`"),
            Mutant("body(images)", "body(images[0])", "wants a batch"),
            Mutant("images, _ = ", "images, _, _ = ", "not enough values to unpack"),
        ),
        others=(
            """
def features(dls, arch):
    body = vision_learner(dls, arch, pretrained=False).model[0].to(device)
    x, *_ = next(iter(dls.valid))
    return list(body(x.as_subclass(torch.Tensor)).detach().size())[-3:]
""",
            """
def features(dls, arch):
    learn = vision_learner(dls, arch, normalize=False, pretrained=False)
    images, *_ = first(dls.valid)
    learn.model.to(images.device)
    learn.model.eval()
    with hook_output(learn.model[0]) as hook, torch.inference_mode():
        learn.model(images)
        _, channels, height, width = hook.stored.shape
    return channels, height, width
""",
            """
def features(dls, arch):
    body = vision_learner(dls, arch, pretrained=False).model[0].eval()
    x = dls.one_batch()[0]
    with torch.no_grad():
        return tuple(body.to(x.device)(x).shape[1:])
""",
        ),
    ),
    "ex-cam": Case(
        needs=NEEDS,
        mutants=(
            Mutant("model.eval()", "pass", "in training mode"),
            Mutant(
                "F.relu((weights * maps).sum(dim=1))",
                "(weights * maps).sum(dim=1)",
                "negative",
            ),
            Mutant("gradient.mean(dim=(2, 3), keepdim=True)", "gradient", "of its own"),
            Mutant(".sum(dim=1)", ".mean(dim=1)", "averaged over the channels"),
            Mutant("model(x).max()", "model(x).sum()", "the sum of all logits"),
            Mutant("model(x).max()", "model(x)[0, 0]", "whichever class wins"),
            Mutant("model(x).max()", "model(x).softmax(dim=1).max()", "a probability"),
            Mutant(", detach=False", "", "were cut off"),
            Mutant(
                "with hook_output(model[0], detach=False) as hook:",
                "hook = hook_output(model[0], detach=False)\n    if True:",
                "left in the model",
            ),
            Mutant(".sum(dim=1)).detach()", ".sum(dim=1))", "part of the graph"),
            Mutant(
                "model.eval()",
                "model.eval()\n    model[1].register_forward_pre_hook(lambda *_: None)",
                "left in the model",
            ),
            Mutant("dim=(2, 3)", "dim=(2, 4)", "Dimension out of range"),
            # The truth is computed from a copy.
            Mutant(
                "model.eval()",
                "model.eval()\n    [p.data.mul_(2) for p in model.parameters()]",
                "aren't those of Grad-CAM",
            ),
        ),
        others=(
            """
def grad_cam(model, x):
    model.eval()
    maps = model[0](x)
    maps.retain_grad()
    model[1](maps).amax().backward()
    weights = maps.grad.flatten(2).mean(dim=2)
    with torch.no_grad():
        return torch.einsum("nc,nchw->nhw", weights, maps).clamp(min=0)
""",
            """
def grad_cam(model, x):
    model.eval()
    caught = hook_output(model[0], detach=True)
    try:
        with torch.no_grad():
            winner = int(model(x)[0].argmax())
        maps = caught.stored.clone().requires_grad_(True)
    finally:
        caught.remove()
    with torch.enable_grad():
        logit = model[1](maps)[0, winner]
        gradient = torch.autograd.grad(outputs=logit, inputs=maps)[0]
    alpha = gradient[0].flatten(1).mean(dim=1)
    cam = torch.einsum("c,chw->hw", alpha, maps.detach()[0])
    return F.relu(cam).unsqueeze(0).detach()
""",
            """
def grad_cam(model, x):
    training = model.training
    model.eval()
    kept = {}
    hook = model[0].register_forward_hook(lambda *given: kept.update(maps=given[2]))
    logits = model(x)
    hook.remove()
    model.train(training)
    (gradient,) = torch.autograd.grad(logits[0, logits[0].argmax()], kept["maps"])
    cam = sum(g.mean() * m for g, m in zip(gradient[0], kept["maps"][0], strict=True))
    return cam.clamp(min=0)[None].detach()
""",
        ),
    ),
    "ex-plan": Case(
        needs=NEEDS,
        mutants=(
            *(
                Mutant(
                    f'"{letter}"', '"E"' if letter != "E" else '"F"', f"{letter} leaves"
                )
                for letter in "ABCEFH"
            ),
            Mutant('"A"', '"A", "D"', "what a comparison needs"),
            Mutant('"A"', '"A", "G"', "favours neither"),
        ),
        others=(
            """
doubts = list("abcefh")
""",
            """
says_nothing_else = {
    "D": "the same images, many, and not used for a choice",
    "G": "the same order for both",
}
doubts = {letter for letter in "ABCDEFGH" if letter not in says_nothing_else}
""",
            """
doubts = "A B C E F H".split()
""",
        ),
    ),
}

SETUP = """
import tempfile
import warnings

warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated")

from fastai.vision.all import *

folder = tempfile.TemporaryDirectory()
"""

SMALL = (
    SETUP
    + """
from torch.utils.data import TensorDataset

centres = 2 * torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
classes = torch.arange(4).repeat(256)
noise = torch.randn(1024, 8, generator=torch.Generator().manual_seed(1))
points = TensorDataset(centres[classes] + noise, classes)


def learner():
    set_seed(0)
    dls = DataLoaders.from_dsets(points, points, bs=64, num_workers=0)
    model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 4))
    return Learner(
        dls, model, loss_func=CrossEntropyLossFlat(), metrics=accuracy, path=folder.name
    )


learn = learner()
"""
)

FACTS = {
    "Question 1": SMALL
    + """
with learn.no_bar(), learn.no_logging():
    found = learn.lr_find(end_lr=1e3, show_plot=False, suggest_funcs=minimum)
losses, lrs = torch.stack(learn.recorder.losses), learn.recorder.lrs
lowest, last = lrs[losses.argmin()], lrs[-1]
assert abs(found.minimum / (lowest / 10) - 1) < 1e-3
# It ended because the average had become more than four times as large.
assert last < 1e3 and losses[-1] > 4 * losses.min()
ends = {}
for rate in (lowest, lowest / 10, last):
    trial = learner()
    with trial.no_bar(), trial.no_logging():
        trial.fit(1, rate)
    ends[rate] = trial.recorder.values[-1][1]
assert ends[lowest / 10] < ends[lowest]
assert ends[lowest / 10] < ends[last]
""",
    "Question 2": SMALL
    + """
before = {name: value.clone().cpu() for name, value in learn.model.state_dict().items()}
rate, state = learn.lr, torch.get_rng_state()
with learn.no_bar(), learn.no_logging():
    learn.lr_find(show_plot=False)
for name, value in learn.model.state_dict().items():
    assert torch.equal(value.cpu(), before[name])
assert learn.lr == rate
assert not torch.equal(torch.get_rng_state(), state)
""",
    "Question 3": SETUP
    + """
from helpers import data

path = untar_data(URLs.MNIST, base=data.fastai_home())
some = [f for c in "37" for f in sorted((path / "training" / c).ls())[:10]]
dls = ImageDataLoaders.from_path_func(path, some, parent_label, bs=8, num_workers=0)
weights = {"file": str(data.imagenet_weights())}
learn = vision_learner(
    dls, "tf_efficientnet_lite0", pretrained_cfg_overlay=weights, path=folder.name
)
named = dict(learn.model.named_parameters())
before = {name: weight.detach().clone().cpu() for name, weight in named.items()}
with learn.no_bar(), learn.no_logging():
    learn.fit(1, 0.01)
same = {name for name in named if torch.equal(named[name].cpu(), before[name])}
kinds = (nn.BatchNorm1d, nn.BatchNorm2d)
norms = {n for n, m in learn.model.named_modules() if isinstance(m, kinds)}
free = {
    name
    for name in named
    if name.startswith("1.") or name.rpartition(".")[0] in norms
}
assert {name for name, weight in named.items() if weight.requires_grad} == free
assert same >= set(named) - free and len(same - (set(named) - free)) < 0.1 * len(free)
# The body began with the weights of the file, and `unfreeze` frees it.
loaded = {tuple(v.shape): v for v in torch.load(data.imagenet_weights()).values()}
stem = named["0.model.conv_stem.weight"].cpu()
assert torch.equal(stem, loaded[tuple(stem.shape)].to(stem.dtype))
learn.unfreeze()
assert all(weight.requires_grad for weight in named.values())
""",
    "Question 4": SMALL
    + """
def found(labels, wrong, epochs):
    model = nn.Sequential(nn.Linear(8, 256), nn.ReLU(), nn.Linear(256, 4))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(epochs):
        for part in torch.randperm(1024).split(64):
            optimizer.zero_grad()
            F.cross_entropy(model(points.tensors[0][part]), labels[part]).backward()
            optimizer.step()
    losses = F.cross_entropy(model(points.tensors[0]), labels, reduction="none")
    return wrong[losses.topk(60).indices].sum().item()


scattered = torch.zeros(1024, dtype=bool)
scattered[torch.randperm(1024)[:40]] = True
typed = torch.where(scattered, (classes + 1) % 4, classes)
assert found(typed, scattered, 2) > 30
assert found(typed, scattered, 600) < found(typed, scattered, 2) - 10
# Every point of one class has the label of another.
rule = classes == 3
assert found(torch.where(rule, 0, classes), rule, 2) < 30
""",
    "Question 5": """
import pickle
import tempfile
from pathlib import Path

import torch

class Surprise:
    def __reduce__(self):
        return exec, ("import sys; sys.modules['torch'].surprised = True",)


with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "model.pkl"
    torch.save(Surprise(), file)
    torch.surprised = False
    try:
        torch.load(file, weights_only=True)
        raise AssertionError
    except pickle.UnpicklingError:
        assert not torch.surprised
    torch.load(file, weights_only=False, map_location="cpu")
    assert torch.surprised
    del torch.surprised
    state = torch.nn.Linear(3, 2).state_dict()
    torch.save(state, file)
    read = torch.load(file, weights_only=True)
    assert all(torch.equal(read[name], state[name]) for name in state)
""",
}
