"""Checkers for the exercises: first fastai model."""

import operator
import random
import tempfile
from pathlib import Path

import pandas as pd
import torch
from fastai.data.external import URLs, untar_data
from torch import nn

from helpers import data
from helpers.exercises import call, call_as_is, exercise, explain, require


def _whole(number, text):
    """Return a result as an int; refuse it with `text` if it is none."""
    with explain((TypeError, ValueError, RuntimeError), text):
        return operator.index(number)


def _count(number, text):
    """Return a whole number of any kind as an int; refuse the result with `text`."""
    with explain((TypeError, ValueError, RuntimeError), text):
        number = float(number)
    require(number.is_integer(), text)
    return int(number)


def _files(dataset):
    """Return the paths of the images of a set, from a list or from a table."""
    items = dataset.items
    names = items.iloc[:, 0] if hasattr(items, "iloc") else items
    return [Path(str(name)) for name in names]


def _sample():
    """Return the folder of the chapter's digits."""
    return untar_data(URLs.MNIST_SAMPLE, base=data.fastai_home())


def _sets(dls, name):
    """Return the training and the validation set of a `DataLoaders`."""
    with explain(AttributeError, f"`{name}` is not a `DataLoaders`."):
        return dls.train_ds, dls.valid_ds


@exercise(
    "ex-count-images",
    title="Count",
    hints=(
        "`get_image_files` finds the images below a folder. The last two folders in "
        "the path of each are its set and its class.",
        "`file.parent.name` is the class and `file.parent.parent.name` is the set, and "
        "the two make the key. `counts.get(key, 0)` gives you the count so far, also "
        "when the key isn't there yet.",
    ),
    shown="An image's folder is its label, and the folder above is its set; you can "
    "ignore everything else in the tree.",
)
def count(count_images):
    for _ in range(3):
        sets = random.sample(["train", "valid", "test"], random.randint(2, 3))
        # Never both digits: so the keys of the chapter's own folder do not all fit.
        classes = random.sample(["cat", "dog"], random.randint(1, 2))
        classes.append(random.choice(["3", "7"]))
        pairs = [(one, other) for one in sets for other in classes]
        expected = {f"{a}/{b}": random.randint(1, 5) for a, b in pairs}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sample"
            for name, number in expected.items():
                (path / name).mkdir(parents=True)
                (path / name / "notes.txt").touch()
                for position in range(number):
                    (path / name / f"{position}.png").touch()
            (path / "labels.csv").touch()
            # A folder without images may be in the dictionary or not.
            (path / sets[0] / "none").mkdir()
            with explain(
                FileNotFoundError,
                "It looks for a folder that isn't there: elsewhere, sets and classes "
                "have other names.",
            ):
                found = call(count_images, path)
        with explain((TypeError, ValueError), "The result isn't a dictionary."):
            found = dict(found)
        if not found.get(f"{sets[0]}/none", True):
            del found[f"{sets[0]}/none"]
        wanted = sorted(expected)
        require(
            not set(found) & set(classes),
            "A key has only the class in it, so the sets are counted together; a key "
            f"should look like {wanted[0]!r}.",
        )
        require(
            set(found) <= set(expected),
            f"In a folder with {', '.join(wanted)} it returns a key "
            f"{next((key for key in found if key not in expected), '')!r}: count only "
            "in the folder that comes as the argument.",
        )
        missing = sorted(set(expected) - set(found))
        require(not missing, f"{', '.join(missing)} is missing: all sets count.")
        require(
            any(found[name] != expected[name] + 1 for name in expected),
            "Each number is one too large: do you count a file that isn't an image, "
            "or begin to count at 1?",
        )
        require(found == expected, "The numbers differ from those of the images.")


@exercise(
    "ex-label",
    title="A label function",
    hints=(
        "the folder of a file is `file.parent`, and its `name` is text. A dictionary "
        "leads from there to the word.",
        'the dictionary has the keys `"3"` and `"7"`, in quotes. `from_path_func` '
        "takes a folder, the list of files that `get_image_files` finds below `path / "
        '"train"`, and your function itself, without parentheses.',
    ),
    shown="With a label function, you can read any layout in which the path holds the "
    "label. fastai sorts the labels that it finds, so it makes seven class 0.",
)
def label(spell, dls_words):
    words = {"3": "three", "7": "seven"}
    train, valid = _sets(dls_words, "dls_words")
    require(
        len(train) > 0 and len(valid) > 0, "One of the two sets has no image in it."
    )
    files, root = _files(train) + _files(valid), _sample()
    for digit, word in words.items():
        other = "7" if digit == "3" else "3"
        for file in root.glob(f"*/{digit}/*{other}*.png"):
            found = call(spell, file)
            require(
                isinstance(found, str),
                f"For a {digit} it returns {found!r}; it should be a word, as text.",
            )
            require(
                found not in words,
                f"For a {digit} it returns the digit, not the word.",
            )
            require(
                found == word,
                f"For {file.relative_to(root.parent).as_posix()} it returns "
                f"{found!r}. There may be a 3 or a 7 elsewhere in the path: only "
                "the file's own folder is the label.",
            )
    require(
        all(file.parent.parent.name == "train" for file in files),
        "Images of `valid` are among them, so you might train on what you want to "
        'measure with. Take the files of `path / "train"`.',
    )
    vocab = list(dls_words.vocab)
    require(
        sorted(map(str, vocab)) == ["seven", "three"],
        f"The vocabulary is {vocab}: the labels don't come from `spell`.",
    )
    total = len(list((root / "train").glob("*/*.png")))
    require(
        len(set(files)) == total,
        f"It has {len(set(files))} of the {total} images of `train`.",
    )
    for part in (train, valid):
        names = _files(part)
        for position in random.sample(range(len(part)), min(8, len(part))):
            digit = names[position].parent.name
            found = str(vocab[int(part[position][1])])
            require(
                found == words[digit],
                f"In `dls_words` an image of a {digit} has the label {found!r}.",
            )


@exercise(
    "ex-epochs",
    title="How many epochs?",
    hints=(
        "look at the two tables under `fine_tune(1)`: which argument sets the number "
        "of rows in each?",
        "`fine_tune` trains in two phases, and each argument is the length of one of "
        "them. The answer is the number of rows in both tables together. "
        "`freeze_epochs` is 1 unless you say otherwise.",
    ),
    shown="Both phases train: one number is for the frozen epochs, the other for those "
    "in which everything is free.",
)
def epochs(epochs_run):
    pairs = [(1, 1), (3, 0), (2, 3), (random.randint(4, 9), random.randint(4, 9))]
    answers = [
        _count(
            call(epochs_run, one, freeze_epochs=frozen),
            "The number of epochs isn't a whole number.",
        )
        for one, frozen in pairs
    ]
    require(
        answers != [one for one, _ in pairs],
        "The frozen epochs are missing: they train the head, so they count.",
    )
    require(
        answers != [one + 1 for one, _ in pairs],
        "One frozen epoch is only the default: `freeze_epochs` can be another number.",
    )
    require(
        answers != [2 * one for one, _ in pairs],
        "The two phases needn't be equally long: the frozen one has its own number.",
    )
    for (one, frozen), answer in zip(pairs, answers, strict=True):
        require(
            answer == one + frozen,
            f"For {one} epochs after {frozen} frozen ones it returns {answer}.",
        )
    again = call(epochs_run, 5)
    require(again == 6, f"`epochs_run(5)` is {again}: one frozen epoch is the default.")


@exercise(
    "ex-how-many-batches",
    title="How many batches?",
    hints=(
        "how many full batches are there, and does what remains make one more?",
        "`//` rounds down, which is what `drop_last=True` needs. For the other case "
        "you have to round up, with `math.ceil`, or by dividing the negative number: "
        "`-(-7 // 2)` is 4. Adding 1 every time is wrong: 64 items in batches of 32 "
        "are two batches either way.",
    ),
    shown="Dropping the last batch rounds down, and keeping it rounds up. If the "
    "division leaves nothing, the two agree.",
)
def batches(batches):
    cases = [(64, 32), (65, 32), (63, 32), (10, 32), (96, 1)]
    cases += [(random.randint(1, 2000), random.randint(2, 64)) for _ in range(20)]
    down, up = [[], []], [[], []]
    for items, bs in cases:
        for drop, (answers, truth) in ((True, down), (False, up)):
            answers.append(
                _whole(
                    call(batches, items, bs, drop),
                    "The number of batches is not an integer: `/` gives a float, and a "
                    "part of a batch is either dropped or a batch.",
                )
            )
            truth.append(items // bs if drop else (items + bs - 1) // bs)
    require(
        not (down[0] == up[1] and up[0] == down[1]),
        "The two cases are the wrong way round: a dropped batch doesn't count.",
    )
    require(
        up[0] != down[1],
        "With `drop_last=False`, the last batch is kept, however small it is; you "
        "don't count it.",
    )
    require(
        down[0] != up[1], "With `drop_last=True`, you still count the incomplete batch."
    )
    require(
        up[0][0] != 3,
        "64 items in batches of 32 are two batches: if the division leaves nothing, "
        "there's no smaller batch at the end.",
    )
    for drop, (answers, truth) in ((True, down), (False, up)):
        for (items, bs), answer, right in zip(cases, answers, truth, strict=True):
            require(
                answer == right,
                f"{items} items in batches of {bs} with `drop_last={drop}` aren't "
                f"{answer} batches. How many items are in the last one?",
            )


@exercise(
    "ex-worst",
    title="The worst answer",
    hints=(
        "from each row, pick the entry in the column that `truth` names, which gives "
        "you one number per image. Then find the smallest.",
        "if you index with two tensors of the same length, as in `table[rows, "
        "columns]`, you get one entry for each pair. Here the rows count from 0 to N - "
        "1, and the columns are `truth`. And you want to know *where* the smallest "
        "entry is, so `argmin`, not `min`.",
    ),
    shown="The image with the smallest probability for its true class is the one with "
    "the largest loss. fastai calls such images the top losses.",
)
def worst(worst_answer):
    found, alternatives = [], {"right": [], "best": [], "unsure": [], "surest": []}
    for classes in (2, 3, 5, random.randint(4, 9), 10):
        rows = random.randint(20, 60)
        probabilities = torch.randn(rows, classes).mul(2).softmax(dim=1)
        truth = torch.randint(classes, (rows,))
        answer = call(worst_answer, probabilities, truth)
        number = _whole(
            answer,
            f"It returns {answer!r}, which isn't a position. `argmin` tells you "
            "where the smallest number is, and `min` how small it is.",
        )
        asked = f"Of {rows} images, it returns number {number}"
        require(
            number < rows or number != probabilities[:, truth].argmin(),
            f"{asked}: you look up the probabilities of each image for the labels of "
            "all the others, too. Take one column from each row.",
        )
        require(
            number < rows or number != probabilities.argmin(),
            f"{asked}: that's a place in the whole table, counted row by row, and for "
            "any class. Pick the column of the true class first.",
        )
        require(0 <= number < rows, f"{asked}, and there's no such image.")
        found.append(number)
        own = probabilities.gather(1, truth.unsqueeze(1)).squeeze(1)
        highest = probabilities.max(dim=1).values
        alternatives["right"].append(own.argmin().item())
        alternatives["best"].append(own.argmax().item())
        alternatives["unsure"].append(highest.argmin().item())
        alternatives["surest"].append(highest.argmax().item())
    require(found != alternatives["best"], "That's the best answer, not the worst.")
    require(
        found != alternatives["unsure"],
        "That's the image of which the model is least sure. An unsure answer may be "
        "right; look at the probability of the true class.",
    )
    require(
        found != alternatives["surest"],
        "That's the image of which the model is most sure. `truth` tells you whether "
        "it's right.",
    )
    require(
        found == alternatives["right"],
        "Another image has a smaller probability for its true class.",
    )


@exercise(
    "ex-trust-table",
    title="Trust the table instead",
    hints=(
        "`from_df` takes the table and the folder that its names belong to. The share "
        "to hold out is `valid_pct`.",
        "`from_df` takes file names from the first column and labels from the second, "
        "so `valid_pct` and `seed` are all that you have to add. For `digits`, find a "
        "row with label 0 and look at the folder in its file name.",
    ),
    shown="The table has the same labels as the folders under other names: class 0 is "
    "the 3, class 1 the 7.",
)
def labels_in_table(dls_table, digits):
    train, valid = _sets(dls_table, "dls_table")
    vocab = list(dls_table.vocab)
    require(
        len(vocab) < 100,
        f"There are {len(vocab)} classes: each file became a class of its own. The "
        "labels are in the second column.",
    )
    require(
        [str(name) for name in vocab] == ["0", "1"],
        f"The vocabulary is {vocab}; the table has the labels 0 and 1.",
    )
    names = [_files(train), _files(valid)]
    total = sum(map(len, names))
    folders = {file.parent.parent.name for part in names for file in part}
    require(
        folders >= {"train", "valid"},
        "The table lists all images, and these are only some of them.",
    )
    require(
        len(valid) == total // 5,
        f"{len(valid)} of {total} images are held out, and that isn't a fifth.",
    )
    table = pd.read_csv(_sample() / "labels.csv")
    everything = {file.as_posix() for part in names for file in part}
    require(
        len(everything) == total == len(table),
        "Each image of the table belongs in one of the two sets, and only in one.",
    )
    # What fastai draws with the seed that the exercise names. That is no number by
    # which a course is likely to be seeded: then a split without a seed is the same.
    generator = torch.Generator().manual_seed(4321)
    held_out = torch.randperm(total, generator=generator)[: total // 5].tolist()
    require(
        {"/".join(file.parts[-3:]) for file in names[1]}
        == set(table["name"].iloc[held_out]),
        "The images held out aren't those that `seed=4321` picks from the rows of the "
        "file. Without a seed, each run holds out others, and you can't compare the "
        "numbers of two runs.",
    )
    for part, files in zip((train, valid), names, strict=True):
        for position in random.sample(range(len(part)), 10):
            number = int(part[position][1])
            require(
                files[position].parent.name == "37"[number],
                f"The image {files[position].as_posix()} has the class {number}.",
            )
    with explain((TypeError, ValueError), "`digits` isn't a list of two digits."):
        found = [str(int(digit)) for digit in digits]
    require(
        sorted(found) != ["0", "1"],
        "0 and 1 are the numbers of the classes; which digit is in the images?",
    )
    require(
        found != ["7", "3"],
        "It's the other way round: look at the folder of an image whose label is 0.",
    )
    require(found == ["3", "7"], "`digits` should be two digits, class 0 first.")


@exercise(
    "ex-residual",
    title="A block that adds",
    hints=(
        "`torch.nn.Sequential` keeps the layers and applies them in turn. The input is "
        "still there afterwards, so you can add it.",
        "keep `torch.nn.Sequential(*layers)` as an attribute, or the module won't know "
        "the parameters of its layers. In `forward`, add first and take the ReLU of "
        "the sum, not of what the layers return.",
    ),
    shown="If the layers of a block compute zero, it passes on its input, where that "
    "isn't negative. So a deeper network needn't be worse than a shallower one.",
    methods=("forward",),
)
def residual(Residual):
    for _ in range(3):
        channels, size = random.randint(2, 5), random.randint(4, 7)
        layers = [
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.Sigmoid(),
            nn.Conv2d(channels, channels, 1),
        ]
        plain = nn.Sequential(*layers)
        x = torch.randn(2, channels, size, size)
        before = x.clone()
        with torch.no_grad():  # what the layers add has both signs in each channel
            layers[-1].bias -= plain(x).mean(dim=(0, 2, 3))
            inner = plain(x)
        block = Residual(*layers)
        require(isinstance(block, nn.Module), "`Residual(...)` isn't a module.")
        require(
            {id(p) for p in block.parameters()} >= {id(p) for p in plain.parameters()},
            "The block doesn't know the parameters of its layers: an optimizer that "
            "gets `block.parameters()` wouldn't train them. A module finds layers "
            "that are attributes, or in a `Sequential` or a `ModuleList`.",
        )
        with torch.no_grad():
            found = call_as_is(block, x)
        require(
            torch.equal(x, before),
            "The block changes its input in place, and other code may still need it.",
        )
        require(
            isinstance(found, torch.Tensor) and found.shape == x.shape,
            "The block should return a tensor with the shape of its input.",
        )
        x = before
        for wrong, text in (
            (inner.relu(), "The input isn't in the output: add it."),
            (inner, "The input isn't in the output: add it."),
            (
                inner.relu() + x,
                "The ReLU comes before the sum, so the layers can add and never take "
                "away. First the sum, then the ReLU.",
            ),
            (inner + x, "The sum is right; the ReLU after it is missing."),
        ):
            require(not torch.allclose(found, wrong, atol=1e-5), text)
        require(
            torch.allclose(found, (inner + x).relu(), atol=1e-5),
            "The output isn't the ReLU of the sum of the layers' output and the "
            "input. Do you apply all layers, in their order?",
        )


def _body():
    """Return a body with normalisation of two kinds, and nothing to go by in names."""
    width = random.randint(3, 6)
    inner = nn.Sequential(
        nn.Conv2d(width, width, 1),
        nn.Sequential(nn.BatchNorm2d(width), nn.Conv2d(width, 4, 3, bias=False)),
        nn.GroupNorm(2, 4),
    )
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), inner)


@exercise(
    "ex-freeze-body",
    title="Freeze by hand",
    hints=(
        "`body.modules()` visits every layer, at any depth, and `isinstance` tells you "
        "its kind. `requires_grad_` switches a parameter on or off.",
        "a layer's own parameters are `module.parameters(recurse=False)`; without that "
        "argument you'd also get those of the layers inside it. `isinstance` returns "
        "True or False, and you can pass that to `requires_grad_`. A parameter has "
        "`p.numel()` numbers.",
    ),
    shown="Freezing is a switch on each parameter, and fastai leaves the normalisation "
    "layers switched on, which here are BatchNorm.",
)
def freeze(freeze_body):
    for frozen_before in (False, True):
        body = _body()
        body.requires_grad_(not frozen_before)
        norm, rest = [], []
        for module in body.modules():
            kind = norm if isinstance(module, nn.BatchNorm2d) else rest
            kind.extend(module.parameters(recurse=False))
        found = call_as_is(freeze_body, body)
        free = [p.requires_grad for p in norm]
        require(
            frozen_before or any(free),
            "The BatchNorm layers are frozen too; fastai leaves them free.",
        )
        require(
            all(free) or not frozen_before or any(p.requires_grad for p in rest),
            "In a body that was frozen before, BatchNorm layers stay frozen: they have "
            "to be switched on, not left as they are.",
        )
        require(all(free), "Only some of the BatchNorm layers are free.")
        require(
            not any(p.requires_grad for p in rest if p.ndim > 1),
            "Convolutions are still free: have you reached the layers inside other "
            "layers?",
        )
        require(
            not any(p.requires_grad for p in rest),
            "Parameters of other layers are free, such as the biases of convolutions: "
            "go by the kind of layer, not by the shape or name of a parameter.",
        )
        number = _count(found, "The result isn't a whole number.")
        require(
            number != len(norm),
            "It returns how many tensors are free; each of them has many numbers.",
        )
        require(
            number == sum(p.numel() for p in norm),
            f"It returns {number}, which isn't how many numbers are free now.",
        )
