"""Checkers for the exercises: fastai under the hood."""

import math
import random
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from helpers.exercises import call, exercise, explain, require

from .behaviour import explain_sizes


class _Spy:
    """A callback for the chapter's learner that calls a function at one event."""

    def __init__(self, event, work, order):
        self.event, self.work, self.order = event, work, order

    def __call__(self, event):
        if event == self.event:
            self.work(self.learn)


def _batches(centres, sizes):
    """Draw batches of points around centres: a linear layer can tell them, in part."""
    batches = []
    for size in sizes:
        labels = torch.randint(len(centres), (size,))
        batches.append((centres[labels] + torch.randn(size, 5), labels))
    return batches


def _train(learner_class, cbs, epochs, lr=0.02, seed=0, sizes=(8, 8, 3)):
    """Train the chapter's learner on drawn points; the same seed, the same training."""
    torch.manual_seed(seed)
    centres = torch.randn(3, 5)
    train, valid = _batches(centres, [16] * 6), _batches(centres, sizes)
    dls = SimpleNamespace(train=train, valid=valid)
    learn = learner_class(dls, nn.Linear(5, 3), F.cross_entropy, cbs=cbs)
    learn.epochs = epochs
    learn.set_hyper([lr])
    learn.around("fit", learn.all_epochs)
    return learn


@exercise(
    "ex-grey",
    title="Any image, as a network wants it",
    hints=(
        "`PILImageBW` opens an image as grey, and `[None]` adds a dimension.",
        "`np.array(PILImageBW.create(file))` has the shape `(H, W)` and holds bytes. "
        "Turn it into a float tensor, divide by what white is in every file, and add "
        "two dimensions in front: one for the channel, one for the batch.",
    ),
    shown="Whatever is in the file, the network gets one channel of numbers from 0 to "
    "1, in a batch of one.",
)
def grey(as_input):
    modes = ["L", "RGB", random.choice(["L", "RGB"])]
    with tempfile.TemporaryDirectory() as folder:
        for mode in modes:
            height, width = random.sample(range(5, 40), 2)
            shape = (height, width) if mode == "L" else (height, width, 3)
            pixels = np.random.default_rng().integers(0, 180, shape, dtype=np.uint8)
            image, path = Image.fromarray(pixels), Path(folder) / f"{mode}.png"
            image.save(path)
            found = call(as_input, path)
            require(isinstance(found, torch.Tensor), "The result isn't a tensor.")
            asked = f"For a file of {height} rows and {width} columns, mode {mode},"
            require(
                found.ndim < 5 and (found.ndim < 2 or found.shape[1:2] != (3,)),
                f"{asked} the shape is {tuple(found.shape)}: there are three numbers "
                "per pixel, and grey needs one.",
            )
            require(
                found.ndim == 4,
                f"{asked} the shape is {tuple(found.shape)}: a network wants four "
                "dimensions, the batch and the channel first.",
            )
            require(
                found.shape[-1] not in (1, 3) or width in (1, 3),
                f"{asked} the shape is {tuple(found.shape)}: the channel is last, as "
                "in NumPy's images. PyTorch wants it before height and width, with "
                "one number per pixel: (1, 1, H, W).",
            )
            require(
                found.shape[0] == 1,
                f"{asked} the shape is {tuple(found.shape)}: the first dimension "
                "counts images, and there's one.",
            )
            require(
                found.shape != (1, 1, width, height),
                f"{asked} the shape is {tuple(found.shape)}: height comes before "
                "width.",
            )
            require(
                found.shape == (1, 1, height, width),
                f"{asked} the shape is {tuple(found.shape)}, not (1, 1, {height}, "
                f"{width}).",
            )
            require(
                found.dtype == torch.float32,
                f"The dtype is {found.dtype}; the weights of a network are float32.",
            )
            values = found[0, 0].detach().cpu().as_subclass(torch.Tensor)
            require(values.max() <= 1, "The numbers still go up to 255.")
            expected = torch.tensor(np.array(image.convert("L"))).float()
            require(
                not torch.allclose(values, expected / expected.max(), atol=1e-4),
                "Each image is divided by its own brightest pixel, so that a dark "
                "image looks like a bright one. White is 255 in every file.",
            )
            mean = torch.tensor(pixels.reshape(height, width, -1)).float().mean(dim=2)
            require(
                mode == "L" or not torch.allclose(values, mean / 255, atol=2 / 255),
                "This is the mean of red, green and blue, with equal weights. "
                "`PILImageBW` weighs them as our eyes do, green most.",
            )
            # Some convert without rounding to whole numbers.
            require(
                torch.allclose(values, expected / 255, atol=1.1 / 255),
                "The numbers aren't the grey pixels divided by 255.",
            )


@exercise(
    "ex-absolute",
    title="Another distance",
    hints=(
        "`mae` is `mse` with another function of the difference. The second function "
        "compares two distances for each image.",
        "for the images of one digit, `distance(some, templates[3]) < distance(some, "
        "templates[7])` says which of them are called a 3. For the threes that's "
        "right; for the sevens it's wrong, and `~` turns it around. Join the answers "
        "for both digits before you take the mean: the digits may not have equally "
        "many images.",
    ),
    shown="A distance is an argument like any other, and the share is one over all "
    "images, however many each digit has.",
)
def absolute(mae, accuracy_3_or_7):
    n, height, width = random.sample(range(3, 12), 3)
    images, template = torch.rand(n, height, width), torch.rand(height, width)
    found = call(mae, images, template)
    require(isinstance(found, torch.Tensor), "`mae` does not return a tensor.")
    require(
        found.ndim,
        "`mae` returns one number for all images; each image has a distance of "
        "its own.",
    )
    require(
        found.shape == (n,),
        f"For {n} images of {height} x {width} pixels `mae` returns the shape "
        f"{tuple(found.shape)}: average over the pixels, not over the images.",
    )
    signed = (images - template).mean(dim=(1, 2))
    require(
        not torch.allclose(found, signed, atol=1e-5),
        "`mae` averages differences with their signs, so that too bright and too dark "
        "cancel.",
    )
    require(
        torch.allclose(found, (images - template).abs().mean(dim=(1, 2)), atol=1e-5),
        "`mae` is not the mean of the absolute differences.",
    )
    templates = {3: torch.rand(4, 6), 7: torch.rand(4, 6)}
    while True:
        held = {
            digit: templates[digit] + 0.8 * torch.randn(size, 4, 6)
            for digit, size in ((3, 60), (7, 15))
        }
        near, right = _answers(_largest, held, templates)
        shares = [part.mean().item() for part in right]
        expected = torch.cat(right).mean().item()
        others = {
            torch.cat(_answers(other, held, templates)[1]).mean().item()
            for other in (_squares, _absolutes)
        }
        clear = all(abs(expected - other) > 1e-3 for other in others)
        if clear and abs(shares[0] - shares[1]) > 0.05 and abs(expected - 0.5) > 0.05:
            break
    with explain((TypeError, ValueError), "`accuracy_3_or_7` returns no number."):
        found = float(call(accuracy_3_or_7, _largest, held, templates))
    asked = f"With {expected:.3f} of the images right, `accuracy_3_or_7` says"
    wrong_way = (75 - 75 * expected) / 75
    require(
        abs(found - wrong_way) > 1e-4,
        f"{asked} {found:.3f}: the smaller distance wins, not the larger.",
    )
    require(
        abs(found - sum(shares) / 2) > 1e-4,
        f"{asked} {found:.3f}, the mean of two accuracies; there are 60 threes and "
        "only 15 sevens.",
    )
    require(
        abs(found - (near[3].sum() + near[7].sum()).item() / 75) > 1e-4,
        f"{asked} {found:.3f}, the share of images that are called a 3; for a seven "
        "that is a mistake.",
    )
    require(
        all(abs(found - other) > 1e-4 for other in others),
        f"{asked} {found:.3f}, which another distance gives: ask the one that comes as "
        "the argument `distance`.",
    )
    require(abs(found - expected) < 1e-4, f"{asked} {found:.3f}.")


def _squares(images, template):
    return ((images - template) ** 2).mean(dim=(1, 2))


def _absolutes(images, template):
    return (images - template).abs().mean(dim=(1, 2))


def _largest(images, template):
    """Return the largest difference: a distance that the chapter does not have."""
    return (images - template).abs().amax(dim=(1, 2))


def _answers(distance, held, templates):
    """Say which images are called a 3, by digit, and which answers are right."""
    near = {
        digit: distance(images, templates[3]) < distance(images, templates[7])
        for digit, images in held.items()
    }
    return near, [near[3].float(), (~near[7]).float()]


@exercise(
    "ex-flattened-size",
    title="How many numbers reach the linear layer?",
    hints=(
        "follow the side of the image through the blocks. Of the filters, only the "
        "last number is left at the end.",
        "the convolution keeps the side, because of its padding, and the pooling "
        "halves it and rounds down: once for each entry of `channels`. The last block "
        "leaves `channels[-1]` maps, each with height *and* width.",
    ),
    shown="Padding keeps the side, each pooling halves it and drops the odd row.",
)
def shapes(flattened):
    cases = [(28, [16, 32, 64]), (33, [8, 4])]
    cases += [
        (random.randint(17, 70), random.choices(range(2, 9), k=random.randint(1, 4)))
        for _ in range(6)
    ]
    for side, channels in cases:
        layers, n_in = [], 1
        for n_out in channels:
            layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.MaxPool2d(2)]
            n_in = n_out
        with torch.no_grad():
            last = nn.Sequential(*layers)(torch.zeros(1, 1, side, side))
        with explain((TypeError, ValueError), "The result is not a number."):
            found = float(call(flattened, side, list(channels)))
        asked = f"For {side} pixels and the channels {channels}"
        require(
            found == last.numel()
            or found != channels[-1] * (side / 2 ** len(channels)) ** 2,
            f"{asked} the result is {found:g}: pooling leaves whole rows only.",
        )
        left = last.shape[-1]
        require(
            found != channels[-1] * left or left == 1,
            f"{asked} you count one row; the last maps have {left} of them.",
        )
        require(
            found != sum(channels) * left**2 or len(channels) == 1,
            f"{asked} the filters of all blocks are added up; only the last maps reach "
            "the linear layer.",
        )
        for _ in channels:
            side = -(-side // 2)
        require(
            found != channels[-1] * side**2 or found == last.numel(),
            f"{asked} an odd side was rounded up; pooling drops the last row.",
        )
        require(
            found == last.numel(),
            f"{asked} there are {last.numel()} numbers, not {found:.0f}.",
        )


@exercise(
    "ex-stop",
    title="Stop when it is good enough",
    hints=(
        "the event is `after_epoch`. The recorder writes its row at the same event, "
        "and callbacks are called in the order of their `order`.",
        "give your class an `order` above `TinyRecorder.order`, and keep `limit` in "
        "`__init__`. From a callback, `self.learn.recorder.values[-1]` is the newest "
        "row, and the validation loss is its last entry.",
    ),
    shown="A callback that comes after the recorder may use its row and end the "
    "training.",
)
def stop(StopBelow, TinyLearner):
    epochs, number = 5, random.randint(1, 3)
    for _ in range(100):
        seed = random.randint(1, 10**6)
        table = _train(TinyLearner, [], epochs, seed=seed).recorder.values
        losses = [row[-1] for row in table]
        # The training loss must lead to another epoch, or it could not be told.
        apart = all(row[0] > losses[number] + 1e-3 for row in table[: number + 1])
        if apart and losses == sorted(losses, reverse=True):
            break
    for epoch in (number, 0):
        limit = losses[epoch] + 1e-4
        expected = 1 + next(i for i, loss in enumerate(losses) if loss < limit)
        cb = StopBelow(limit)
        try:
            learn = _train(TinyLearner, [cb], epochs, seed=seed)
        except IndexError as error:
            learn = error
        except Exception as error:
            require(
                type(error).__name__ != "Cancel",
                f"Your `Cancel` names {error.args}, which is over already when an "
                "epoch has ended; the part that should end is another one.",
            )
            raise
        require(
            not isinstance(learn, IndexError),
            "When your callback looks, the recorder has not written its row yet: see "
            "`order`.",
        )
        done = len(learn.recorder.values)
        asked = (
            f"With validation losses {', '.join(f'{loss:.3f}' for loss in losses)} and "
            f"the limit {limit:.3f}"
        )
        if done != expected:
            # A limit which the training loss passes before the last epoch.
            passed = table[-2][0] + 1e-4
            ended = len(
                _train(
                    TinyLearner, [StopBelow(passed)], epochs, seed=seed
                ).recorder.values
            )
            by_training, by_validation = (
                next((i for i, row in enumerate(table, 1) if row[column] < passed), 0)
                for column in (0, -1)
            )
            require(
                ended != by_training or ended == by_validation,
                f"With the limit {passed:.3f} the training ended after epoch {ended}, "
                "as the training loss would have it. The validation loss is the last "
                "of the row.",
            )
        require(
            done <= expected,
            f"{asked}, the training went on for {done} epochs, not {expected}.",
        )
        require(
            done == expected,
            f"{asked}, the training ended after epoch {done}: that loss is not below "
            "the limit.",
        )
    never = _train(TinyLearner, [StopBelow(0.0)], epochs, seed=seed)
    require(
        len(never.recorder.values) == epochs,
        "With the limit 0, which no loss is below, the training ended all the same.",
    )


@exercise(
    "ex-clip",
    title="Clip the gradient",
    hints=(
        "the gradient is there after `backward`, and the step uses it. `self.learn` "
        "leads you to the model.",
        "write a method `before_step`, which takes nothing but `self`. "
        "`nn.utils.clip_grad_norm_` wants all parameters of the model in one call, so "
        "that the limit holds for the whole gradient; it changes the gradients in "
        "place.",
    ),
    shown="All gradients together got the length `max_norm` where they were longer, "
    "and kept their direction.",
)
def clip(Clip, TinyLearner):
    raw, used = [], []

    def note(notes):
        def work(learn):
            notes.append([p.grad.detach().clone() for p in learn.model.parameters()])

        return work

    def length(gradients):
        return torch.cat([g.flatten() for g in gradients]).norm()

    def train_with(limit):
        raw.clear()
        used.clear()
        spies = [
            _Spy("after_backward", note(raw), -math.inf),
            _Spy("before_step", note(used), math.inf),
        ]
        _train(TinyLearner, [Clip(limit), *spies], 2, seed=seed)

    seed = random.randint(1, 10**6)
    _train(TinyLearner, [_Spy("after_backward", note(raw), -math.inf)], 2, seed=seed)
    max_norm = torch.stack([length(one) for one in raw]).median().item() * 0.9
    # With a limit below every number, cutting off leaves them all equally large.
    train_with(max_norm / 1000)
    sizes = torch.cat([g.flatten().abs() for g in used[0]])
    require(
        sizes.max() - sizes.median() > 1e-3 * sizes.max(),
        "With a very low limit, all numbers of the gradient get the same size: each "
        "number was cut off by itself, as `clip_grad_value_` does. `max_norm` is the "
        "longest that the whole gradient may be, and its direction stays.",
    )
    train_with(max_norm)
    changed = [not all(map(torch.equal, a, b)) for a, b in zip(raw, used, strict=True)]
    require(
        any(changed),
        "The steps were taken with the gradients of `backward`, unchanged: your "
        "callback acts too early or too late, or not at all.",
    )
    for before, after in zip(raw, used, strict=True):
        was, now = length(before).item(), length(after).item()
        asked = f"A gradient of length {was:.3f} became {now:.3f}, with the limit "
        asked += f"{max_norm:.3f}"
        ratio = [(b / a).flatten() for a, b in zip(before, after, strict=True)]
        within = all((part - part[0]).abs().max() < 1e-3 for part in ratio)
        require(
            within,
            f"{asked}, and changed its direction: each number was cut off by itself.",
        )
        require(
            abs(ratio[0][0] - ratio[1][0]) < 1e-3,
            f"{asked}, and changed its direction: each tensor was shortened by itself. "
            "The limit is for the whole model.",
        )
        require(
            was > max_norm or abs(now - was) < 1e-4,
            f"{asked}: a short gradient stays as it is.",
        )
        require(
            abs(now - min(was, max_norm)) < 1e-3,
            f"{asked}; it should be {min(was, max_norm):.3f}.",
        )


@exercise(
    "ex-flat",
    title="Another schedule",
    hints=(
        "`one_cycle` has its peak at `pct_start`, and nothing says that it has to "
        "start below the peak.",
        "half a cosine from a number to the same number is flat. So call `one_cycle` "
        "with a start that equals its top. Besides `t`, two arguments are left: which "
        "are they, and what does the exercise say about them?",
    ),
    shown="A flat start is a cycle that does not rise.",
)
def flat(flat_cosine):
    for _ in range(20):
        top = 10 ** random.uniform(-4, 0)
        t = random.random()
        with explain((TypeError, ValueError), "The result is not a number."):
            start, at, end, found = (
                float(call(flat_cosine, when, top)) / top
                for when in (0.0, 0.75, 1.0, t)
            )
        require(abs(start - 1) < 1e-6, "The rate does not start at `top`.")
        require(
            abs(at - 1) < 1e-6,
            "At t = 0.75 the rate has fallen already: it is flat until there.",
        )
        require(
            abs(end - 1e-5) < 1e-6,
            f"At t = 1 the rate is {end:g} of `top`, not 0.00001.",
        )
        s = max(t - 0.75, 0) / 0.25
        expected = 1 + (1e-5 - 1) * (1 - math.cos(math.pi * s)) / 2
        require(
            abs(found - (1 + (1e-5 - 1) * s)) > 1e-6 or abs(found - expected) < 2e-6,
            f"At t = {t:.2f} the rate is on a straight line, not on a cosine.",
        )
        require(
            abs(found - expected) < 2e-6,
            f"At t = {t:.2f} the rate is {found:.5f} of `top`, not {expected:.5f}.",
        )


@exercise(
    "ex-all-digits",
    title="Your learner, the whole task",
    hints=(
        "start a list when the validation begins, add to it after each of its batches, "
        "and divide when it's over.",
        "you need three events: `before_validate`, `after_batch` and `after_validate`. "
        "`after_batch` comes in training as well, so look at `self.learn.training` "
        "first. Keep one True or False per image and join the batches before you "
        "take the mean, because the last batch may be smaller.",
    ),
    shown="In your learner, a metric can be a callback: it collects while the learner "
    "validates.",
)
def all_digits(Accuracy, TinyLearner):
    def ask(learn):
        with torch.no_grad():
            right.append([learn.model(x).argmax(1) == y for x, y in learn.dls.valid])

    for epochs in (1, 2):
        sizes = [20, 20, random.randint(4, 7)]
        for _ in range(100):
            measured, seed, right = Accuracy(), random.randint(1, 10**6), []
            cbs = [measured, _Spy("after_epoch", ask, 0)]
            with explain_sizes(
                "Predictions and labels don't fit together: the scores of one sample "
                "are in one row."
            ):
                try:
                    _train(TinyLearner, cbs, epochs, seed=seed, sizes=sizes)
                except AttributeError as error:
                    require(
                        error.obj is not measured,
                        "Your callback is called after the batches of the training "
                        f"too, and has no attribute `{error.name}` by then.",
                    )
                    raise
            newest = torch.cat(right[-1])
            both = torch.cat([part for epoch in right for part in epoch])
            expected, pooled = newest.float().mean(), both.float().mean()
            by_batch = sum(part.float().mean() for part in right[-1]) / len(sizes)
            # Wrong answers must be told from the right one, and from each other.
            others = torch.stack([by_batch, pooled][:epochs])
            if min((others - expected).abs()) > 5e-3 and abs(by_batch - pooled) > 5e-3:
                break
        with explain(AttributeError, "The callback has no attribute `value`."):
            value = measured.value
        with explain((TypeError, ValueError), "`value` is not one number."):
            value = float(value)
        asked = f"The share of right answers is {expected:.3f}; `value` is {value:.3f}"
        require(value <= 1, f"{asked}: a number of answers, not a share.")
        require(
            abs(value - by_batch) > 1e-4,
            f"{asked}, the mean over the batches, of which the last is smaller.",
        )
        require(
            epochs == 1 or abs(value - pooled) > 1e-4,
            f"{asked}: after the second epoch, does the first one still count?",
        )
        require(
            abs(value - expected) < 1e-4,
            f"{asked}: does each image of the validation count once, and none of "
            "the training?",
        )
