"""Checkers for the exercises: improving a model, and transfer learning."""

import math
import random
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers.device import get_device
from helpers.exercises import call, call_as_is, exercise, explain, require

from .custom_datasets import _folder, _number


def _pair(value, what):
    """Return the two parts of a pair."""
    with explain(TypeError, f"The result is not a pair: {what}."):
        parts = list(value)
    require(len(parts) == 2, f"The result is not a pair: {what}.")
    return parts


class _Watched(nn.Module):
    """A classifier that notes how it is called."""

    def __init__(self, height, width, classes):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Flatten(),
            nn.Linear(4 * height * width, classes),
        )
        self.training_seen = self.grad_seen = False

    def forward(self, x):
        require(
            isinstance(x, torch.Tensor) and x.ndim != 3,
            "The model got one image without a batch axis. It expects "
            "(N, C, H, W), and N may be 1.",
        )
        require(
            x.ndim == 4 and x.shape[0] == 1,
            f"The model got a batch of shape {tuple(x.shape)}; the new axis belongs "
            "in front.",
        )
        self.training_seen |= self.training
        self.grad_seen |= torch.is_grad_enabled()
        return 3 * self.layers(x)


@exercise(
    "ex-one-batch",
    title="One image, one answer",
    hints=(
        "`unsqueeze(0)` makes a batch of one, and the batch goes to `device`. Then "
        "take the softmax, and find the largest probability.",
        "call `model.eval()`, and run the model under `torch.inference_mode()`. The "
        "logits have the shape `(1, classes)`, so the softmax goes along `dim=1`; "
        "along `dim=0` every probability would be 1. `argmax` names the class, and "
        "`.item()` makes plain numbers.",
    ),
    shown="One image is a batch of one. Now see how sure an untrained model is of "
    "its answers, whatever you show it.",
)
def one_picture(predict_one):
    device = get_device()
    for _ in range(6):
        height, width = random.sample(range(6, 10), 2)
        classes = random.randint(3, 5)
        image = torch.rand(3, height, width)
        while True:
            model = _Watched(height, width, classes).to(device).eval()
            with torch.inference_mode():
                logits = model(image.unsqueeze(0).to(device))[0].cpu()
            expected = logits.softmax(dim=0)
            top = logits.max().item()
            if (
                expected.max() < 0.95
                and min(abs(top - expected.max()), abs(top - 1)) > 0.01
            ):
                break
        model.train()
        model.training_seen = model.grad_seen = False
        given = image.clone()
        answer = call_as_is(predict_one, model, image)
        require(torch.equal(image, given), "The image that came in was changed.")
        require(
            not model.training_seen,
            "The model answers in training mode, where dropout is at work: the same "
            "image gets a different answer each time. Call `model.eval()` first.",
        )
        require(
            not model.grad_seen,
            "Gradients are recorded, which costs time and memory, and you don't need "
            "them here: use `torch.inference_mode()`.",
        )
        parts = _pair(answer, "number of the class, probability")
        best, probability = (
            _number(x, "One of the two is not a single number.") for x in parts
        )
        require(
            abs(probability - 1) > 1e-3,
            "The probability is 1: which axis did softmax go along? In a batch of one, "
            "each class is alone along the first axis.",
        )
        require(
            abs(probability - logits.max().item()) > 1e-3,
            "The second number is a logit; softmax turns logits into probabilities.",
        )
        require(
            best != expected.argmin(),
            "That is the class with the smallest probability.",
        )
        require(
            best == expected.argmax(),
            f"The largest probability is that of class {expected.argmax()}, not of "
            f"{best:g}.",
        )
        require(
            abs(probability - expected.max().item()) < 1e-3,
            f"The probability of the class should be {expected.max():.4f}, not "
            f"{probability:.4f}.",
        )


@exercise(
    "ex-longer",
    title="Only longer",
    hints=(
        "go through the epochs and remember where the losses went below the line. When "
        "one of them comes back up, forget it again.",
        "`losses.items()` yields pairs of an epoch and its loss. One variable is "
        "enough, and it begins with 0: a loss at or above `chance - margin` sets it "
        "back to 0, and a loss below sets it to the epoch, but only if it's still 0.",
    ),
    shown="A dip isn't learning yet: learning starts where the loss leaves chance for "
    "good.",
)
def longer(starts):
    for trial in range(12):
        chance = math.log(random.randint(2, 10))
        margin = random.choice([0.05, 0.1, 0.2])
        flat, dip = random.randint(3, 8), random.randint(2, 4)
        losses = [chance + random.uniform(0, 0.05) for _ in range(flat)]
        losses += [chance - margin * random.uniform(1.1, 1.4) for _ in range(dip)]
        losses += [chance + random.uniform(0, 0.05) for _ in range(dip)]
        losses += [chance - margin * random.uniform(0.2, 0.8) for _ in range(dip)]
        expected = len(losses) + 1
        losses += [
            chance - margin * random.uniform(1.5, 4)
            for _ in range(random.randint(4, 9))
        ]
        losses.append(chance - 5 * margin)
        if trial % 3 == 1:  # learns from the first epoch on
            losses, expected = losses[expected - 1 :], 1
        if trial % 3 == 2:  # does not learn
            losses, expected = losses[: expected - 1], 0
        run = pd.Series(losses, index=range(1, len(losses) + 1))
        given = run.copy()
        with explain(
            KeyError,
            "You look up a loss by a number that the index doesn't have: it holds the "
            "epochs, which begin with 1.",
        ):
            found = starts(run, chance, margin)
        require(given.equals(run), "The losses that came in were changed.")
        asked = f"With chance {chance:.2f}, margin {margin} and the losses "
        asked += ", ".join(f"{loss:.2f}" for loss in losses)
        require(
            found is not None,
            f"{asked} it returns nothing. Where the loss doesn't stay below, return 0.",
        )
        found = _number(found, "The result is not the number of an epoch.")
        below = [loss < chance - margin for loss in losses]
        require(
            not (expected == 0 and found == len(losses)),
            f"{asked} you return the last epoch, and its loss isn't below the line; "
            "return 0 if the loss doesn't stay below.",
        )
        first = below.index(True) + 1 if True in below else 0
        require(
            found != first or first == expected,
            f"{asked} you take the first dip. Later epochs are back at chance, so "
            "learning hasn't begun there.",
        )
        # The first epoch from which on all losses are below chance, by any amount.
        above = [i for i, loss in enumerate(losses, start=1) if loss >= chance]
        loose = above[-1] + 1 if above else 1
        require(
            found != loose or loose == expected,
            f"{asked} your answer ignores the margin: a loss a little below chance "
            "may be noise.",
        )
        require(
            found != expected - 1 or expected == 0,
            f"{asked} your answer is one epoch early: the index of the losses "
            "begins with 1.",
        )
        require(
            found != losses.index(min(losses)) + 1 or expected == 0,
            f"{asked} you return the epoch with the smallest loss, not the one in "
            "which learning begins.",
        )
        require(
            found == expected,
            f"{asked} the answer should be {expected}, not {found:g}.",
        )


@exercise(
    "ex-technique",
    title="Your own technique",
    hints=(
        "copy the image, draw a row and a column for the upper left corner, and set "
        "`[:, row : row + side, column : column + side]` of the copy to 0.",
        "`image.clone()` makes the copy. The corner may be in any row from 0 to the "
        "height minus `side`, that one included: `random.randint` can draw its upper "
        "end, `torch.randint` can't. Draw row and column separately; the height is "
        "`image.shape[1]`, because the channels come first.",
    ),
    shown="With a square missing, the label is still true, and the model can't rely "
    "on any single spot of an image.",
)
def technique(cutout):
    for channels, height, width in ((3, 8, 6), (1, 6, 8), (4, 7, 7)):
        side = random.randint(3, 4)
        dtype = random.choice([torch.uint8, torch.float32])
        masks, kept, painted = [], True, True
        for _ in range(400):
            image = torch.randint(1, 200, (channels, height, width)).to(dtype)
            given = image.clone()
            found = call_as_is(cutout, image, side)
            require(
                isinstance(found, torch.Tensor) and found.shape == given.shape,
                "The result isn't a tensor of the shape of the image.",
            )
            require(
                found.dtype == dtype,
                f"An image of {dtype} comes back as {found.dtype}.",
            )
            kept &= torch.equal(image, given)
            mask = found != given
            painted &= not found[mask].any().item()
            masks.append(mask)
        masks = torch.stack(masks)  # (draws, C, H, W)
        require(
            kept,
            "The image that came in has a hole, too: the next epoch would cut another "
            "one into it. Work on a copy.",
        )
        require(masks.any().item(), "Nothing is painted over.")
        require(painted, "The hole is not filled with 0.")
        require(
            not masks.all(dim=3).any().item(),
            "Whole rows are painted over: an image as a tensor has its channels "
            "first, so the square is in the second and third axis.",
        )
        require(
            bool((masks == masks[:, :1]).all()),
            "The channels have different holes: a spot is gone only if it is gone in "
            "all of them.",
        )
        spots = masks[:, 0]
        rows, columns = spots.any(dim=2), spots.any(dim=1)  # (draws, H), (draws, W)
        corners = {
            (row.int().argmax().item(), column.int().argmax().item())
            for row, column in zip(rows, columns, strict=True)
        }
        last = height - side, width - side
        require(
            len(corners) > 1,
            "The hole is in the same place every time: do you set a seed inside?",
        )
        require(
            any(row != column for row, column in corners),
            "Row and column are the same number in every draw, so the hole only moves "
            "along the diagonal. Draw two.",
        )
        sizes = torch.stack([rows.sum(dim=1), columns.sum(dim=1)])
        require(
            sizes.max() <= side,
            f"For a side of {side} the hole is up to {sizes.max()} long.",
        )
        require(
            sizes.min() >= side and bool((spots.sum(dim=(1, 2)) == side**2).all()),
            f"For a side of {side} some holes are only {sizes.min()} long: a corner "
            "drawn too far out leaves a part of the square outside the image.",
        )
        reached = max(row for row, _ in corners), max(column for _, column in corners)
        require(
            reached[0] >= last[0] and reached[1] >= last[1],
            f"In images of {height} by {width} the hole never touches the last row "
            "or the last column: how far may the corner go, and does your draw "
            "include its end?",
        )
        require(
            len(corners) == (last[0] + 1) * (last[1] + 1),
            "Some places are never painted over.",
        )


@exercise(
    "ex-any-file",
    title="Any image at all",
    hints=(
        "open the file with Pillow. One of its functions turns an image upright, one "
        "of its methods settles the channels, and torchvision makes the tensor.",
        "`ImageOps.exif_transpose` gives you the image upright, "
        '`convert("RGB")` makes three channels of grey, transparent and palette files '
        "alike, and `pil_to_tensor` puts the channels first. Turn the image first: "
        "`convert` may leave the note behind.",
    ),
    shown="Files differ in channels, type and orientation; what comes out of this "
    "function doesn't.",
)
def any_file(load_any):
    colours = torch.tensor(
        [[240, 20, 20], [20, 240, 20], [20, 20, 240], [220, 220, 40]], dtype=torch.uint8
    )
    colours = colours[torch.randperm(4)].reshape(2, 2, 3)
    high, wide = random.sample([16, 24, 32, 40], 2)  # of a quarter, multiples of 8
    upright = colours.repeat_interleave(high, 0).repeat_interleave(wide, 1)
    image = Image.fromarray(upright.numpy())
    # What a camera stores, so that the tag turns it upright again.
    turns = {
        1: image,
        3: image.transpose(Image.Transpose.ROTATE_180),
        6: image.transpose(Image.Transpose.ROTATE_90),
        8: image.transpose(Image.Transpose.ROTATE_270),
    }
    with _folder() as folder:
        files = [(image, "plain.png", "", {})]
        files += [(image.convert("L"), "grey.png", "grey", {})]
        files += [(image.convert("RGBA"), "clear.png", "transparent", {})]
        files += [(image.convert("P"), "palette.png", "palette", {})]
        for tag, stored in turns.items():
            exif = Image.Exif()
            exif[0x0112] = tag
            options = {"exif": exif, "quality": 95, "subsampling": 0}
            files.append((stored, f"phone{tag}.jpg", "phone", options))
        for stored, name, kind, options in files:
            path = Path(folder, name)
            stored.save(path, **options)
            found = call(load_any, path)
            require(
                isinstance(found, torch.Tensor),
                f"The result is of the type {type(found).__name__}, not a tensor.",
            )
            require(
                not (found.ndim == 3 and found.shape[2] in (1, 3, 4)),
                "The channels come last, as in Pillow and NumPy; a model expects "
                "them first.",
            )
            require(
                found.ndim == 3,
                f"The result has the shape {tuple(found.shape)}; one image without a "
                "batch axis is (3, H, W).",
            )
            require(
                found.shape[0] == 3,
                f"A {kind} file comes out with {found.shape[0]} channels: ask for RGB.",
            )
            require(
                found.dtype == torch.uint8,
                f"The result is of {found.dtype}. Return whole numbers, `torch.uint8`; "
                "the transform turns them into floats.",
            )
            wanted = stored if kind == "palette" else image
            if kind == "grey":
                wanted = stored
            wanted = torch.tensor(np.asarray(wanted.convert("RGB"))).permute(2, 0, 1)
            right = found.shape == wanted.shape
            right = right and (found.cpu().int() - wanted.int()).abs().max() <= 12
            require(
                right or kind != "phone",
                "A photo is on its side or upside down: a phone stores it as the "
                "sensor saw it, with a note that says which way is up.",
            )
            require(
                right,
                f"The image in a {kind or 'plain'} file comes out as a different one.",
            )


class _Mean(nn.Module):
    """Score three classes by the means of the channels; dropout tells the mode."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(4.0))
        self.dropout = nn.Dropout(0.5)
        self.sizes = []

    def forward(self, x):
        require(
            x.ndim == 4,
            f"The model got the shape {tuple(x.shape)}; it expects (N, C, H, W).",
        )
        self.sizes.append(len(x))
        require(
            not torch.is_grad_enabled(),
            "Gradients are recorded, which costs memory for every image: use "
            "`torch.inference_mode()`.",
        )
        return self.dropout(x.mean(dim=(2, 3)) * self.scale)


@exercise(
    "ex-many-files",
    title="Many images, one table",
    hints=(
        "take 25 paths at a time: stack their transformed images and collect the "
        "probabilities. Build the table when you have them all.",
        "`paths[start : start + 25]` is one batch, and the last one may be shorter. "
        "Join all probabilities with `torch.cat`, and turn them into a `pd.DataFrame` "
        "with `columns=class_names`. In it, `idxmax(axis=1)` names the largest column "
        'of each row, and `insert(0, "file", …)` puts the names in front.',
    ),
    shown="A table of probabilities keeps what a list of names throws away: how sure "
    "each answer is.",
)
def many(predict_files):
    def transform(image):
        return image[:, :4, :4].to(torch.float32) / 255

    number = random.randint(27, 49)
    model = _Mean().to(get_device()).train()
    with _folder() as folder:
        paths, means = [], []
        for position in random.sample(range(90), number):
            colour = tuple(random.sample(range(0, 256, 15), k=3))
            paths.append(Path(folder, f"{position:02d}.png"))
            Image.new("RGB", (5 + position, 6), colour).save(paths[-1])
            means.append(colour)
        with explain(
            ValueError,
            "Two columns have different lengths: is there a row for the images of "
            "the last batch, which is smaller?",
        ):
            frame = call_as_is(predict_files, model, list(paths), transform)
    require(isinstance(frame, pd.DataFrame), "The result is not a data frame.")
    require(
        len(frame) == number,
        f"{number} files went in and {len(frame)} rows came out: one row per file.",
    )
    require(
        model.sizes == [25, number - 25],
        f"The model saw batches of {model.sizes[:4]}; {number} images in batches of "
        f"25 are one of 25 and one of {number - 25}.",
    )
    columns = list(frame.columns)
    require(
        columns == ["file", "pizza", "steak", "sushi", "predicted"],
        f"The columns are {columns}; they should be `file`, one for each class in "
        "the order of `class_names`, and `predicted`.",
    )
    require(
        list(map(str, frame["file"])) != list(map(str, paths)),
        "The column `file` holds whole paths, which exist only on this machine; the "
        "name of the file is enough.",
    )
    require(
        list(frame["file"]) == [path.name for path in paths],
        "The column `file` does not hold the names of the files in the order of "
        "`paths`.",
    )
    found = frame[columns[1:-1]].to_numpy(dtype=float)
    logits = torch.tensor(means, dtype=torch.float64) / 255 * 4
    expected = logits.softmax(dim=1)
    require(
        not np.allclose(found, logits, atol=1e-3),
        "The columns hold logits; softmax turns them into probabilities.",
    )
    require(
        np.allclose(found.sum(axis=1), 1, atol=1e-3),
        "The probabilities of a row do not add up to 1: which axis did softmax go "
        "along?",
    )
    require(
        not np.allclose(found, expected.softmax(dim=1), atol=1e-3),
        "Softmax was applied twice, which makes every answer look unsure.",
    )
    require(
        np.allclose(found, expected, atol=1e-3),
        "The probabilities are not those of the model in evaluation mode: dropout is "
        "still at work.",
    )
    best = [columns[1 + i] for i in expected.argmax(dim=1)]
    require(
        not any(isinstance(name, (int, np.integer)) for name in frame["predicted"]),
        "`predicted` holds the numbers of the classes; it should hold their names.",
    )
    require(
        list(frame["predicted"]) == best,
        "`predicted` isn't the name of the class with the largest probability.",
    )


class _Answering(nn.Module):
    """A model whose answers are a table; in training mode they are the opposite."""

    def __init__(self, labels, right, sure):
        super().__init__()
        said = torch.where(right, labels, (labels + 1) % 3)
        self.logits = nn.Parameter(sure * nn.functional.one_hot(said, 3).float())
        self.tests, self.training_seen = 0, False

    def forward(self, x):
        rows = x[:, 0].long()
        self.tests += bool((rows >= 1000).any())
        self.training_seen |= self.training
        logits = self.logits[rows % 1000 + 100 * (rows >= 1000)]
        return -logits if self.training else logits


def _candidate(labels, valid, test, sure):
    """Return a model with these shares of right answers, in that order of samples."""
    right = torch.zeros(len(labels), dtype=torch.bool)
    right[:100] = torch.rand(100).argsort() < valid * 100
    # The images of the small last batch come out wrong.
    right[100:] = torch.arange(len(labels) - 100) < round(test * (len(labels) - 100))
    return _Answering(labels, right, sure)


@exercise(
    "ex-own-model",
    title="Your model",
    hints=(
        "`test_step` on the validation loader gives you each model's loss. `min` over "
        "the dictionary, by its values, names the model.",
        "put the losses into a dictionary under the same names, then ask `min` for the "
        "smallest, with the dictionary's `get` as `key`: that returns a name. After "
        "that, call `test_step` once more, with this model and the test loader. It "
        "returns loss and accuracy, and you want the second.",
    ),
    shown="The validation set did the choosing, so the choice doesn't flatter the "
    "test score.",
)
def model(choose_and_test):
    device = get_device()
    for _ in range(3):
        n = random.randint(66, 79)
        labels = torch.randint(3, (100 + n,))
        numbers = torch.cat([torch.arange(100), 1000 + torch.arange(n)]).float()
        samples = TensorDataset(numbers[:, None].expand(-1, 2), labels)
        valid = torch.utils.data.Subset(samples, range(100))
        test = torch.utils.data.Subset(samples, range(100, 100 + n))
        valid, test = DataLoader(valid, batch_size=32), DataLoader(test, batch_size=32)
        shares = {
            "best": (0.80, 0.55, 1.0),  # the lowest validation loss
            "bold": (0.90, 0.50, 30.0),  # the highest validation accuracy
            "late": (0.30, 0.95, 1.0),  # the best on the test set, by both scores
            "poor": (0.10, 0.20, 30.0),  # the highest loss
        }
        names = random.sample(["a", "b", "c", "d"], 4)
        role = dict(zip(names, shares, strict=True))
        models = {
            name: _candidate(labels, *shares[role[name]]).to(device)
            for name in random.sample(names, 4)
        }
        given = dict(models)
        answers = {
            key: one.logits.detach().cpu().clone() for key, one in models.items()
        }
        answer = call_as_is(choose_and_test, models, valid, test)
        require(models == given, "The dictionary that came in was changed.")
        name, accuracy = _pair(answer, "name of the model, its test accuracy")
        require(
            not any(one.training_seen for one in models.values()),
            "The models answer in training mode: call `eval()` first, as `test_step` "
            "does.",
        )
        require(
            name in models,
            "The first of the pair isn't one of the names in the dictionary.",
        )
        require(
            role[name] != "late",
            "The choice was made by the test set. Then its score is the best of "
            "several, which is partly luck, and nothing is left to measure with.",
        )
        require(
            role[name] != "bold",
            "The choice was made by the validation accuracy. This model is wrong less "
            "often and very sure of it when it is: its loss is higher.",
        )
        require(role[name] != "poor", "That is the model with the highest loss.")
        seen = {role[key] for key, one in models.items() if one.tests}
        require(
            seen <= {"best"},
            "Models that weren't chosen have seen the test images. Choose first, "
            "then measure only the chosen one.",
        )
        accuracy = _number(accuracy, "The accuracy is not a number.")
        logits = answers[name]
        hits = (logits.argmax(dim=1) == labels).float()
        expected = hits[100:].mean().item()
        loss = nn.functional.cross_entropy(logits[100:], labels[100:]).item()
        of_batches = [part.mean().item() for part in hits[100:].split(32)]
        for wrong, text in (
            (
                100 * expected,
                "The accuracy is a percentage; return a number from 0 to 1.",
            ),
            (loss, "The second of the pair is a loss, not an accuracy."),
            (
                hits[:100].mean().item(),
                "This is the accuracy on the validation set, which has flattered the "
                "model that it chose.",
            ),
            (
                sum(of_batches) / len(of_batches),
                "This is the mean of the batch accuracies, in which an image of the "
                "small last batch counts more.",
            ),
        ):
            require(abs(accuracy - wrong) > 1e-4, text)
        require(
            abs(accuracy - expected) < 1e-4,
            f"The accuracy on the test set is {expected:.4f}, not {accuracy:.4f}.",
        )
