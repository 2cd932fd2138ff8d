"""What the checkers are tried on: fastai under the hood."""

from . import Case, Mutant

TINY = (
    "imports",
    "tiny-events-code",
    "tiny-loop-code",
    "tiny-callbacks-code",
    "tiny-learner-code",
)
CLIP = "nn.utils.clip_grad_norm_(self.learn.model.parameters(), self.max_norm)"

CASES = {
    "ex-grey": Case(
        mutants=(
            Mutant("PILImageBW", "PILImage", "three numbers per pixel"),
            Mutant(" / 255", "", "still go up to 255"),
            Mutant("[None, None]", "[None]", "four dimensions"),
            Mutant("torch.tensor(grey)", "torch.tensor(grey.T)", "height comes before"),
            Mutant("[None, None]", "[None, ..., None]", "the channel is last"),
            Mutant(
                "torch.tensor(grey).float()[None, None]",
                "torch.tensor(np.array(PILImage.create(file))).float()[None]",
                "the channel is last",
            ),
            Mutant(
                "[None, None]", "[None, None].expand(3, 1, -1, -1)", "counts images"
            ),
            Mutant("/ 255", "/ grey.max()", "its own brightest pixel"),
            Mutant("torch.tensor(grey).float()", "torch.tensor(grey * 1.0)", "float32"),
            Mutant(
                "np.array(PILImageBW.create(file))",
                "np.asarray(PILImage.create(file)).mean(axis=2)",
                "weighs them as our eyes do",
            ),
        ),
        others=(
            """
def as_input(file):
    from PIL import Image
    from torchvision.transforms.functional import to_tensor
    return to_tensor(Image.open(file).convert("L")).unsqueeze(0).to(device)
""",
            """
from torchvision.transforms import functional as tvf


def as_input(file):
    with open(file, "rb") as stream:
        image = PILImageBW.create(io.BytesIO(stream.read()))
    return tvf.to_tensor(image.convert("L")).unsqueeze(0)
""",
            """
def as_input(file):
    colours = torch.tensor(np.array(PILImage.create(file))).float()
    grey = colours @ torch.tensor([0.299, 0.587, 0.114])  # not rounded
    return grey.div(255)[None, None]
""",
            """
def as_input(file):
    return ToTensor()(PILImageBW.create(file)).unsqueeze(0).float() / 255.0
""",
        ),
    ),
    "ex-absolute": Case(
        mutants=(
            Mutant(".mean(dim=(1, 2))", ".mean()", "one number for all images"),
            Mutant(".abs()", "", "with their signs"),
            Mutant("dim=(1, 2)", "dim=0", "not over the images"),
            Mutant(") < distance", ") > distance", "the smaller distance wins"),
            Mutant(
                "torch.cat([is3[3], ~is3[7]]).float().mean().item()",
                "(is3[3].float().mean() + (~is3[7]).float().mean()).item() / 2",
                "the mean of two accuracies",
            ),
            Mutant("~is3[7]", "is3[7]", "that are called a 3"),
            Mutant(
                "distance(some, templates[3]) < distance(some, templates[7])",
                "mae(some, templates[3]) < mae(some, templates[7])",
                "which another distance gives",
            ),
        ),
        others=(
            """
def mae(images, template):
    flat = images.flatten(1)
    return torch.cdist(flat, template.reshape(1, -1), p=1)[:, 0] / template.numel()


def accuracy_3_or_7(distance, images, templates):
    right = 0
    for digit, other in ((3, 7), (7, 3)):
        near = distance(images[digit], templates[digit])
        right += (near < distance(images[digit], templates[other])).sum()
    return right / sum(map(len, images.values()))
""",
            """
def mae(images, template):
    length = torch.linalg.vector_norm(images - template, ord=1, dim=(-2, -1))
    return length / template.numel()


def accuracy_3_or_7(distance, images, templates):
    names = torch.tensor(list(templates))
    right = total = 0
    for digit in images:
        far = torch.stack([distance(images[digit], t) for t in templates.values()])
        guesses = names[far.argmin(dim=0).cpu()]
        right += int((guesses == digit).sum())
        total += len(guesses)
    return right / total
""",
            """
def mae(images, template):
    return (images - template).abs().mean((-1, -2))


def accuracy_3_or_7(distance, images, templates):
    hits = []
    for digit, batch in images.items():
        is_3 = distance(batch, templates[3]) < distance(batch, templates[7])
        hits.append(is_3 if digit == 3 else ~is_3)
    return torch.cat(hits).float().mean().item()
""",
        ),
    ),
    "ex-flattened-size": Case(
        mutants=(
            Mutant("side //= 2", "side /= 2", "whole rows only"),
            Mutant("side //= 2", "side = -(-side // 2)", "was rounded up"),
            Mutant("* side**2", "* side", "you count one row"),
            Mutant("channels[-1] *", "sum(channels) *", "only the last maps"),
        ),
        others=(
            """
def flattened(side, channels):
    body, n_in = nn.Sequential(), 1
    for n_out in channels:
        body.extend([nn.Conv2d(n_in, n_out, 3, padding=1), nn.MaxPool2d(2)])
        n_in = n_out
    return torch.tensor(body(torch.zeros(1, 1, side, side)).numel())
""",
            """
def flattened(side, channels):
    image = torch.zeros(1, 1, side, side, device="meta")
    before = 1
    for after in channels:
        conv = nn.Conv2d(before, after, 3, padding=1, device="meta")
        image = F.max_pool2d(conv(image), 2)
        before = after
    return image.flatten(1).shape[1]
""",
            """
def flattened(side, channels):
    return channels[-1] * (side >> len(channels)) ** 2
""",
        ),
    ),
    "ex-stop": Case(
        needs=TINY,
        mutants=(
            Mutant("order = TinyRecorder.order + 1", "order = 0", "see `order`"),
            Mutant('Cancel("fit")', 'Cancel("epoch")', "which is over already"),
            Mutant("values[-1][-1]", "values[-1][0]", "as the training loss"),
            Mutant("values[-1][-1] <", "values[-1][-1] >", "not below the limit"),
            Mutant('raise Cancel("fit")', 'Cancel("fit")', "the training went on for"),
        ),
        others=(
            """
class StopBelow(TinyCallback):
    order = 1000

    def __init__(self, value):
        self.value = value

    def after_epoch(self):
        rows = self.learn.recorder.values
        if len(rows) and min(row[1] for row in rows) < self.value:
            raise Cancel("fit")
""",
            """
class StopBelow(TinyCallback):
    def __init__(self, limit):
        self.limit = limit
        self.order = TinyRecorder.order + 1

    def __call__(self, event):
        super().__call__(event)
        if event != "after_epoch":
            return
        *_, (_train_loss, valid_loss) = self.learn.recorder.values
        if valid_loss >= self.limit:
            return
        raise Cancel("fit")
""",
            """
class StopBelow(TinyCallback):
    order = TinyRecorder.order

    def __init__(self, limit):
        self.limit = limit

    def after_epoch(self):
        validation = self.learn.recorder.total / self.learn.recorder.samples
        if validation < self.limit:
            raise Cancel("fit")
""",
        ),
    ),
    "ex-clip": Case(
        needs=TINY,
        mutants=(
            Mutant("before_step", "after_step", "too early or too late"),
            Mutant("before_step", "before_backward", "too early or too late"),
            Mutant("clip_grad_norm_", "clip_grad_value_", "cut off by itself"),
            Mutant(
                CLIP,
                CLIP.replace("clip_grad_norm_", "clip_grad_value_").replace(
                    "self.max_norm", "self.max_norm / 5"
                ),
                "each number was cut off by itself",
            ),
            Mutant(
                CLIP,
                "[nn.utils.clip_grad_norm_(p, self.max_norm / 2)\n"
                "         for p in self.learn.model.parameters()]",
                "by itself",
            ),
            Mutant(
                CLIP,
                CLIP.replace("clip_grad_norm_", "get_total_norm").replace(
                    "self.learn.model.parameters(), self.max_norm",
                    "[p.grad for p in self.learn.model.parameters()]",
                )
                + "\n        norm = nn.utils.get_total_norm("
                "[p.grad for p in self.learn.model.parameters()])\n"
                "        for p in self.learn.model.parameters():\n"
                "            p.grad *= self.max_norm / norm",
                "a short gradient stays as it is",
            ),
        ),
        others=(
            """
class Clip(TinyCallback):
    def __init__(self, max_norm):
        self.most = max_norm

    def after_backward(self):
        gradients = [p.grad for p in self.learn.model.parameters()]
        norm = sum(g.square().sum() for g in gradients).sqrt()
        for gradient in gradients:
            gradient.mul_((self.most / norm).clamp(max=1))
""",
            """
class Clip(TinyCallback):
    order = 5

    def __init__(self, max_norm):
        super().__init__()
        self.limit = float(max_norm)

    def after_backward(self):
        groups = self.learn.opt.param_groups
        grads = [p.grad for g in groups for p in g["params"] if p.grad is not None]
        length = torch.sqrt(sum((grad**2).sum() for grad in grads))
        if length <= self.limit:
            return
        with torch.no_grad():
            for grad in grads:
                grad *= self.limit / (length + 1e-6)
""",
            """
class Clip(TinyCallback):
    def __init__(self, max_norm):
        self.max_norm = max_norm

    def after_backward(self):
        parameters = [p for p in self.learn.model.parameters() if p.grad is not None]
        flat = nn.utils.parameters_to_vector([p.grad for p in parameters])
        if flat.norm() > self.max_norm:
            for p in parameters:
                p.grad = nn.functional.normalize(flat, dim=0, eps=1e-9)[
                    : p.numel()
                ].view_as(p) * self.max_norm
                flat = flat.roll(-p.numel())
""",
        ),
    ),
    "ex-flat": Case(
        needs=("imports", "one-cycle-code"),
        mutants=(
            Mutant("0.75)", "0.25)", "it is flat until there"),
            Mutant("one_cycle(t, top, top,", "one_cycle(t, top / 25, top,", "start at"),
            Mutant("top / 1e5", "0.0", "not 0.00001"),
            Mutant(
                "one_cycle(t, top, top, top / 1e5, 0.75)",
                "top * (1 + (1e-5 - 1) * max(t - 0.75, 0) / 0.25)",
                "on a straight line",
            ),
        ),
        others=(
            """
def flat_cosine(t, top):
    phase = min(max((t - 0.75) * 4, 0), 1) * torch.pi
    weight = (1 + np.cos(phase)) / 2
    return torch.tensor(weight * top + (1 - weight) * top / 100_000).double()
""",
            """
def flat_cosine(t, top):
    if t <= 3 / 4:
        return top
    angle = math.pi * (4 * t - 3)
    bottom = top * 1e-5
    share = 0.5 + 0.5 * math.cos(angle)
    return share * top + (1 - share) * bottom
""",
            """
def flat_cosine(t, top):
    t, top = torch.as_tensor(t), torch.as_tensor(top)
    fallen = (1 - torch.cos(torch.pi * ((t - 0.75) / 0.25).clamp(0, 1))) / 2
    return torch.lerp(top, top / 1e5, fallen)
""",
        ),
    ),
    "ex-all-digits": Case(
        needs=TINY,
        mutants=(
            Mutant(
                "torch.cat(self.right).float().mean().item()",
                "sum(part.float().mean().item() for part in self.right)\n"
                "        self.value /= len(self.right)",
                "the mean over the batches",
            ),
            Mutant(".mean()", ".sum()", "a number of answers"),
            Mutant("before_validate", "before_fit", "does the first one still count"),
            Mutant("before_validate", "before_batch", "validation count once"),
            Mutant("if not self.learn.training:", "if True:", "of the training too"),
            Mutant("argmax(dim=1)", "argmax(dim=0)", "are in one row"),
            Mutant("self.learn.yb)", "self.learn.labels)", "no attribute 'labels'"),
        ),
        others=(
            """
class Accuracy(TinyCallback):
    right = total = 0

    def before_validate(self):
        self.right, self.total = 0, 0

    def after_loss(self):
        if not self.learn.model.training:
            predicted = self.learn.pred.softmax(dim=1).max(dim=1).indices
            self.right += (predicted == self.learn.yb).sum()
            self.total += self.learn.yb.numel()
            self.value = self.right / self.total
""",
            """
class Accuracy(TinyCallback):
    def before_validate(self):
        self.preds, self.targets = [], []

    def after_batch(self):
        if not self.learn.training:
            self.preds.append(self.learn.pred)
            self.targets.append(self.learn.yb)

    def after_epoch(self):
        preds, targets = torch.cat(self.preds), torch.cat(self.targets)
        self.value = (preds.argmax(1) == targets).float().mean().item()
""",
            """
class Accuracy(TinyCallback):
    order = 20

    def __init__(self):
        self.value = float("nan")
        self.hits = np.array([], dtype=bool)

    def __call__(self, event):
        learn = self.learn
        match event:
            case "before_validate":
                self.hits = np.array([], dtype=bool)
            case "after_pred" if not learn.model.training:
                guess = learn.pred.detach().cpu().numpy().argmax(axis=-1)
                truth = learn.yb.detach().cpu().numpy()
                self.hits = np.concatenate([self.hits, guess == truth])
            case "after_validate":
                self.value = float(np.mean(self.hits))
""",
        ),
    ),
}

FASTAI = """
import warnings

warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated")
import torch
from fastai.vision.all import *

from torch.utils.data import TensorDataset

defaults.callbacks = [cb for cb in defaults.callbacks if cb is not ProgressCallback]
torch.manual_seed(0)
data = TensorDataset(torch.randn(32, 1, 4, 4), torch.arange(32) % 3)
dls = DataLoaders.from_dsets(data, data, bs=8, device="cpu")
body = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2))
model = nn.Sequential(body, nn.Sequential(nn.Flatten(), nn.Linear(32, 3)))


def parts(model):
    return [list(part.parameters()) for part in model]
"""

FACTS = {
    "Question 1": FASTAI
    + """
import tempfile

import numpy as np
from PIL import Image

with tempfile.TemporaryDirectory() as folder:
    file = f"{folder}/grey.png"
    PILImageBW.create(np.arange(784, dtype=np.uint8).reshape(28, 28)).save(file)
    assert Image.open(file).mode == "L"
    colour = np.array(PILImage.create(file))
    assert colour.shape == (28, 28, 3)
    assert np.array(PILImageBW.create(file)).shape == (28, 28)
    assert (colour[..., 0] == colour[..., 1]).all()
""",
    "Question 2": """
import torch

images = torch.rand(50, 16)
mean = images.mean(dim=0)
for i, image in enumerate(images):
    others = torch.cat([images[:i], images[i + 1 :]]).mean(dim=0)
    assert (image - mean).square().mean() < (image - others).square().mean()
""",
    "Question 3": FASTAI
    + """
plain = Learner(dls, model, loss_func=nn.CrossEntropyLoss())
flat = Learner(dls, model, loss_func=CrossEntropyLossFlat())
torch.testing.assert_close(plain.validate()[0], flat.validate()[0])
ones = torch.ones(32)
torch.testing.assert_close(flat.get_preds()[0].sum(dim=1), ones)
assert not torch.allclose(plain.get_preds()[0].sum(dim=1), ones, atol=1e-2)
assert not hasattr(plain.loss_func, "decodes") and hasattr(flat.loss_func, "decodes")
""",
    "Question 4": FASTAI
    + """
class Hypers(Callback):
    order = ParamScheduler.order + 1

    def before_batch(self):
        if self.training:
            self.rows.append([dict(hyper) for hyper in self.opt.hypers])


hypers = Hypers()
hypers.rows = []
learn = Learner(dls, model, loss_func=F.cross_entropy, splitter=parts, cbs=hypers)
with learn.no_logging():
    learn.fine_tune(2, 0.02)
for first, last in hypers.rows[4:]:
    assert abs(last["lr"] / first["lr"] - 100) < 1e-2
    assert first["mom"] == last["mom"]
    assert last["lr"] < 0.0101
""",
    "Question 5": FASTAI
    + """
learn = Learner(dls, model, loss_func=F.cross_entropy, splitter=parts)
start = {name: value.clone() for name, value in body.state_dict().items()}
with learn.no_logging():
    learn.freeze()
    learn.fit(1)
moved = {name for name, value in body.state_dict().items()
         if not torch.equal(value, start[name])}
assert moved == {"1.weight", "1.bias", "1.running_mean", "1.running_var",
                 "1.num_batches_tracked"}
""",
}
