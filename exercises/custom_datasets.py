"""Checkers for the exercises: custom datasets."""

import math
import random
import statistics
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

from helpers.device import get_device
from helpers.exercises import call, call_as_is, exercise, explain, require

from .behaviour import made


def _number(value, text):
    """Return a result as a float; refuse it with `text` if it is none."""
    with explain((TypeError, ValueError, RuntimeError), text):
        return float(value)


def _pair(value, what):
    """Return the two parts of a pair."""
    with explain(TypeError, f"The result is not a pair: {what}."):
        parts = list(value)
    require(len(parts) == 2, f"The result is not a pair: {what}.")
    return parts


def _folder():
    """Return a temporary folder; a file that is still open there does no harm."""
    return tempfile.TemporaryDirectory(ignore_cleanup_errors=True)


@exercise(
    "ex-last-batch",
    hint="where does each batch begin, and how many samples are left from there on?",
    shown="All batches are full but the last, which has what is left; it may be a "
    "single sample, and it is never empty.",
)
def batches(batch_sizes):
    cases = [(225, 32), (64, 32), (10, 32), (7, 1), (33, 32)]
    cases += [(random.randint(1, 300), random.randint(2, 64)) for _ in range(10)]
    for n, size in cases:
        with made(DataLoader) as loaders:
            found = call(batch_sizes, n, size)
        require(
            not loaders,
            "You made a DataLoader. That is how to check the answer; compute the sizes "
            "from `n` and `batch_size`.",
        )
        with explain(
            (TypeError, ValueError), "The result is not a list of whole numbers."
        ):
            found = [int(one) for one in found]
        rest = n % size
        full = [size] * (n // size)
        expected = full + [rest] * (rest > 0)
        asked = f"For {n} samples in batches of {size}"
        if found == expected:
            continue
        require(
            0 not in found,
            f"{asked} there is an empty batch: where the division leaves nothing, no "
            "further batch comes.",
        )
        require(
            found != full,
            f"{asked}, the last {rest} samples are in no batch. A DataLoader keeps the "
            "smaller batch at the end unless you say `drop_last=True`.",
        )
        require(
            sum(found) <= n,
            f"{asked}, the batches together have {sum(found)} samples: the last one "
            "cannot have more than what is left.",
        )
        require(
            sum(found) != n,
            f"{asked} the sizes are {found[:4]} …: a DataLoader does not share the "
            "samples out evenly, it fills one batch after the other.",
        )
        require(False, f"{asked}, samples are lost: {n - sum(found)} of them.")


@exercise(
    "ex-random",
    hint="sort the paths first, and let `random.Random(seed)` do the drawing.",
    shown="A seed repeats a draw only where it is drawn from the same order, and a "
    "generator of its own leaves all other draws alone.",
)
def draw(pick):
    names = random.sample(["pizza", "steak", "no.5", "fish.and.chips"], 3)
    names = sorted({*names, "no.5"})
    paths = [Path("set", name, f"{i:03d}.jpg") for name in names for i in range(15)]
    random.shuffle(paths)

    def ask(n, seed, paths=paths):
        given = list(paths)
        before = random.getstate(), torch.get_rng_state()
        numpy = np.random.get_state()[1:3]  # noqa: NPY002  (a reader may draw from it)
        with explain(
            ValueError,
            f"It fails when {n} of {len(paths)} pictures are asked for: draw no more "
            "than there are.",
        ):
            found = call_as_is(pick, given, n, seed)
        with explain((TypeError, ValueError), "The result is not a list of pairs."):
            found = [(path, label) for path, label in found]
            set(found)  # each of them can be looked up
        require(given == paths, "The list of paths that came in was changed.")
        require(
            len({path for path, _ in found}) == len(found),
            "Some picture was drawn twice: draw without putting back.",
        )
        after = np.random.get_state()[1:3]  # noqa: NPY002
        require(
            random.getstate() == before[0]
            and torch.equal(torch.get_rng_state(), before[1])
            and after[1] == numpy[1]
            and (after[0] == numpy[0]).all(),
            "It draws from a generator that the whole notebook shares, so it disturbs "
            "later draws and they disturb it. Give it a generator of its own.",
        )
        return found

    for seed in [random.randint(1, 10**6), 0, *random.sample(range(10**6), 3)]:
        n = random.randint(8, 12)
        found = ask(n, seed)
        again = ask(n, seed)
        same = set(found) == set(again)
        require(
            same or seed != 0,
            "Two calls with the seed 0 draw different pictures: 0 counts as false, so "
            "`if seed` and `seed or …` lose it.",
        )
        require(same, f"Two calls with the seed {seed} differ.")
        require(
            set(found) == set(ask(n, seed, random.sample(paths, len(paths)))),
            "The same files in another order give other pictures, as `glob` may on "
            "another machine.",
        )
        chosen = [path for path, _ in found]
        require(
            all(path in paths for path in chosen),
            "The first of each pair is not one of the paths.",
        )
        require(
            len(chosen) == n, f"{n} pictures were asked for, {len(chosen)} came back."
        )
    others = [ask(10, seed) for seed in random.sample(range(10**6), 4)]
    require(
        any(set(other) != set(others[0]) for other in others),
        "Every seed gives the same pictures: nothing is drawn.",
    )
    everything = ask(len(paths) + 10, 1)
    require(
        len(everything) == len(paths),
        f"{len(paths) + 10} of {len(paths)} pictures were asked for: all of them "
        f"should come back, not {len(everything)}.",
    )
    require(
        all(str(label) != path.stem for path, label in everything),
        "The label is not the name of the file: it is that of the folder above.",
    )
    require(
        any(label != path.parent.stem for path, label in everything),
        "A folder `no.5` becomes the class `no`: `stem` cuts a name at its last dot.",
    )
    require(
        all(label == path.parent.name for path, label in everything),
        "The label of a picture is the name of the folder above it, as text.",
    )


def _same(one, other):
    """Tell whether two results of transforms are alike in type and content."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        alike = one.dtype == other.dtype and one.shape == other.shape
        return alike and torch.allclose(one.float(), other.float(), atol=1e-4)
    return type(one) is type(other) and one == other


def _applied(steps, picture):
    for step in steps:
        picture = step(picture)
    return picture


@exercise(
    "ex-transforms",
    hint="`list(transform.transforms)` is a list of the steps that you may change; "
    "apply what remains to the picture, one after the other.",
    shown="Without `Resize` the file keeps its size, without `ToImage` there is no "
    "tensor, without `ToDtype` there are whole numbers from 0 to 255.",
)
def transforms(without):
    for _ in range(3):
        height, width = random.sample(range(8, 20), 2)
        steps = [v2.Resize((height, width)), v2.ToImage()]
        steps.append(v2.ToDtype(torch.float32, scale=True))
        steps.insert(1, v2.RandomHorizontalFlip(p=1))
        transform = v2.Compose(list(steps))
        pixels = torch.randint(256, (random.randint(21, 30), 33, 3), dtype=torch.uint8)
        picture = Image.fromarray(pixels.numpy())
        found = []
        for step in range(len(steps)):
            with explain(
                IndexError,
                "A step is gone when the next one is asked for: work on a copy of the "
                "list, or `transform` itself gets shorter with each call.",
            ):
                found.append(call_as_is(without, transform, step, picture))
            require(
                list(transform.transforms) == steps,
                "Afterwards `transform` has other steps: work on a copy of the list, "
                "or `transform` itself gets shorter with each call.",
            )
        require(
            not any(isinstance(one, str) for one in found),
            "The result is text; asked is what the steps make of the picture.",
        )
        kept = [[s for s in steps if s is not left] for left in steps]
        numbers = range(len(steps))
        wrong = {
            "Nothing is left out: all steps are applied.": [steps] * len(steps),
            "The step is the only one applied; asked are all the others.": [
                [step] for step in steps
            ],
            "It stops at the step that is left out: those after it come too.": [
                steps[:i] for i in numbers
            ],
            "The steps before the one that is left out are missing.": [
                steps[i + 1 :] for i in numbers
            ],
            "Each step begins with the picture anew, so only the last one counts: hand "
            "each the result of the one before.": [rest[-1:] for rest in kept],
            "Steps are counted from 0; it leaves out the one before.": [
                kept[i - 1] for i in numbers
            ],
        }
        for text, plan in wrong.items():
            results = [_applied(some, picture) for some in plan]
            require(not all(map(_same, found, results)), text)
        for step, one in enumerate(found):
            require(
                _same(one, _applied(kept[step], picture)),
                f"Without step {step} of {len(steps)} the result is another one. Are "
                "the others applied in their order?",
            )


@exercise(
    "ex-workers",
    hint="for each number of workers collect three measurements, take their median, "
    "and let `min` find the number with the smallest.",
    shown="How many workers pay is measured, not known: the answer depends on the "
    "data, on the machine and on what else runs on it.",
)
def workers(best_workers):
    for trial in range(6):
        most = random.randint(4, 8)
        # On the last trial two numbers of workers are equally fast.
        tie = trial == 5
        right, lucky, even, slow = random.sample(range(most), 4)
        series = {number: [5.0, 6.0, 7.0] for number in range(most + 1)}
        series[right] = [1.0, 1.1, 30.0]  # the smallest median, spoiled by one
        series[lucky] = [0.5, 4.0, 4.5]  # the smallest single measurement
        series[even] = [2.0, 2.1, 2.2]  # the smallest mean
        series[slow] = [50.0, 51.0, 52.0]
        if tie:
            right, second = sorted(random.sample(range(most + 1), 2))
            series = {number: [5.0, 6.0, 7.0] for number in range(most + 1)}
            series[right] = series[second] = [1.0, 1.1, 1.2]
        calls, noisy = [], {k: random.sample(v, 3) for k, v in series.items()}

        def measure(number, calls=calls, noisy=noisy, most=most):
            require(
                number in noisy,
                f"It measures {number} workers; asked is from 0 to {most}.",
            )
            calls.append(number)
            return noisy[number][(calls.count(number) - 1) % 3]

        found = call(best_workers, measure, most)
        require(0 in calls, "0 workers were not measured, and that is often best.")
        require(
            most in calls,
            f"{most} workers were not measured: `range({most})` ends before.",
        )
        missing = [number for number in range(most + 1) if number not in calls]
        require(not missing, f"Not measured: {missing}. All numbers up to {most} are.")
        require(
            all(calls.count(number) == 3 for number in noisy),
            f"With {most // 2} workers it measures {calls.count(most // 2)} times; "
            "three times each, since a single measurement is at the mercy of whatever "
            "else the machine does.",
        )
        found = _number(found, "The result is not a number of workers.")
        require(
            not found.is_integer() or 0 <= found <= most,
            f"The result is {found}, and no such number of workers was measured.",
        )
        medians = {k: statistics.median(v) for k, v in noisy.items()}
        require(
            found.is_integer() and found not in set(medians.values()) - set(medians),
            "The result is a time; asked is the number of workers that needs it.",
        )
        if tie:
            require(
                found != second,
                f"{right} and {second} workers are equally fast: take fewer, they cost "
                "less memory.",
            )
        else:
            require(
                found != lucky,
                "It goes by the smallest single measurement, which may be luck. Take "
                "the median of the three.",
            )
            require(
                found != even,
                "It goes by the mean, which one disturbed measurement spoils. Take the "
                "median of the three.",
            )
            require(found != slow, "That is the slowest.")
        require(
            found == right,
            f"{int(found)} workers have a median of {medians[found]}, and {right} have "
            f"one of {medians[right]}.",
        )


class _Changing:
    """A transform that follows a script, and draws each time as a real one does."""

    def __init__(self, kinds):
        self.kinds, self.drawn = list(kinds), []

    def __call__(self, picture):
        self.drawn.append(torch.rand(()).item())
        kind = self.kinds[(len(self.drawn) - 1) % len(self.kinds)]
        if kind == "same":
            return picture
        if kind == "mirrored":
            return picture.flip(-1)
        changed = picture.clone()
        if kind == "pixel":
            changed[-1, -1, -1] += 1
        return changed


@exercise(
    "ex-augment",
    hint="draw once, and compare with `torch.equal`; do so `draws` times and count.",
    shown="Identity is one of fourteen operations, and others change nothing at their "
    "weakest, so more draws than every fourteenth are the picture itself.",
)
def augment(unchanged_share):
    for _ in range(4):
        answers = [0, 0]
        while len(set(answers)) < len(answers):  # each mistake has its own answer
            same, copied, mirrored, pixel = random.sample(range(2, 12), 4)
            expected, total = same + copied, same + copied + mirrored + pixel
            answers = [expected, mirrored + pixel, same, total]
            answers += [expected + mirrored, expected + pixel]
        kinds = ["same"] * same + ["copy"] * copied + ["mirrored"] * mirrored
        kinds += ["pixel"] * pixel
        random.shuffle(kinds)
        # Each row is the same numbers in a mirrored order, but no mirror image.
        picture = torch.arange(3 * 5 * 8, dtype=torch.uint8).reshape(3, 5, 8)
        picture = picture + random.randint(1, 50)
        change, given = _Changing(kinds), picture.clone()
        with explain(
            RuntimeError,
            "`==` compares two tensors number by number, and an `if` needs one answer "
            "for the whole picture.",
        ):
            found = call_as_is(unchanged_share, change, picture, total)
        require(torch.equal(picture, given), "The picture that came in was changed.")
        require(
            len(change.drawn) != 1 and len(change.drawn) != 2,
            f"Of {total} draws it makes {len(change.drawn)}: each result has to be "
            "drawn anew.",
        )
        require(
            len(change.drawn) == total,
            f"It draws {len(change.drawn)} times; {total} was asked.",
        )
        require(
            len(set(change.drawn)) > 1,
            "All draws are the same draw: a seed that is set before each of them "
            "repeats it.",
        )
        found = _number(found, "The result is not one number.")
        shown = f"Of {total} draws {expected} left the picture as it was"

        def is_(value, found=found):
            return math.isclose(found, value, abs_tol=1e-4)

        require(
            not is_(expected),
            f"{shown}, and it returns that number. A share is divided by the draws.",
        )
        require(
            not is_((total - expected) / total),
            f"{shown}; it returns the share of those that were changed.",
        )
        require(
            not is_(same / total),
            f"{shown}, {copied} of them as a copy. `is` asks for the same object, not "
            "for the same numbers.",
        )
        require(
            not is_((expected + mirrored) / total),
            f"{shown}. A mirror image has the same sum and the same mean, and is "
            "another picture.",
        )
        require(
            not is_((expected + pixel) / total) and not is_(1),
            f"{shown}. If one number agrees the picture may still be another: all "
            "have to.",
        )
        require(is_(expected / total), f"{shown}; it returns {found:.4f}.")


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
            "The model got one picture without a batch axis. It expects "
            "(N, C, H, W), and N may be 1.",
        )
        require(
            x.ndim == 4 and x.shape[0] == 1,
            f"The model got a batch of shape {tuple(x.shape)}; the new axis comes in "
            "front.",
        )
        self.training_seen |= self.training
        self.grad_seen |= torch.is_grad_enabled()
        return 3 * self.layers(x)


@exercise(
    "ex-one-batch",
    hint="`unsqueeze(0)` makes a batch of one, and the batch goes to the device; then "
    "softmax, and the largest.",
    shown="One picture is a batch of one. Now see how sure an untrained model is of "
    "its answers, whatever it is shown.",
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
        require(torch.equal(image, given), "The picture that came in was changed.")
        require(
            not model.training_seen,
            "The model is asked in training mode, where dropout is at work: the same "
            "picture gets another answer each time.",
        )
        require(
            not model.grad_seen,
            "Gradients are recorded, which costs time and memory and is of no use "
            "here: `torch.inference_mode()`.",
        )
        parts = _pair(answer, "number of the class, probability")
        best, probability = (_number(x, "A part is not one number.") for x in parts)
        require(
            abs(probability - 1) > 1e-3,
            "Its probability is 1: over which axis did softmax go? In a batch of one, "
            "each class stands alone along the first axis.",
        )
        require(
            abs(probability - logits.max().item()) > 1e-3,
            "The second number is a logit; softmax makes probabilities of logits.",
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
    "ex-mean",
    hint="how many pictures of each batch are right? Add these, and divide by all "
    "pictures.",
    shown="Weighted by size, the mean over batches is the accuracy over pictures, "
    "however the pictures were cut into batches.",
)
def mean(mean_accuracy):
    for _ in range(10):
        size, number = random.randint(16, 64), random.randint(2, 5)
        sizes = [size] * number + [random.randint(1, 8)]
        right = [random.randint(1, one) for one in sizes]
        right[0], right[-1] = size // 3, sizes[-1]
        scores = [one / size for one, size in zip(right, sizes, strict=True)]
        given = list(scores), list(sizes)
        found = call_as_is(mean_accuracy, *given)
        found = _number(found, "The result is not a number.")
        expected = sum(right) / sum(sizes)
        require(given == (scores, sizes), "The lists that came in were changed.")
        for wrong, text in (
            (
                sum(scores) / len(scores),
                "Each batch has the same weight, so a picture of the small last batch "
                "counts more than one of the others.",
            ),
            (
                sum(scores) / sum(sizes),
                "The shares are added as they are: multiply each by the size of its "
                "batch first, which gives a number of pictures.",
            ),
            (
                sum(right) / len(sizes),
                "The right answers are divided by the number of batches, not by the "
                "number of pictures.",
            ),
            (sum(right), "That is how many are right, not which share."),
            (
                sum(right[:-1]) / sum(sizes[:-1]),
                "The last batch is left out. Its pictures count as all others do.",
            ),
        ):
            require(abs(found - wrong) > 1e-6, text)
        require(
            abs(found - expected) < 1e-6,
            f"It returns {found:.4f} where {sum(right)} of {sum(sizes)} are right.",
        )


@exercise(
    "ex-table",
    hint="keep the paths and the numbers of the classes in two lists in `__init__`; "
    "the picture is opened in `__getitem__`.",
    shown="A Dataset is a length and an access by position; where names and labels "
    "come from is your own affair.",
    methods=("__init__",),
)
def table(TableDataset):
    classes = random.sample(["waffle", "pizza", "steak", "sushi", "bagel"], 3)
    classes.sort(reverse=True)
    labels = classes + random.choices(classes, k=random.randint(3, 6))
    labels.append(classes[1])  # so that they read otherwise backwards
    with _folder() as folder:
        rows = []
        for position, label in enumerate(labels):
            mode = ("L", "RGBA", "RGB")[position % 3]
            name = f"{position:03d}.png"
            Image.new(mode, (6 + position, 5)).save(Path(folder, name))
            rows.append({"file": name, "label": label})
        frame = pd.DataFrame(rows)
        frame.index = range(len(frame), 0, -1)  # as after sorting or filtering
        before = frame.copy()
        seen = []

        def transform(image):
            seen.append(image)
            return "transformed", image.size

        with explain(
            FileNotFoundError,
            "A file is not found: the names in the table are relative to `folder`.",
        ):
            folder = Path(folder)
            dataset = TableDataset(frame, folder, transform)
            require(len(dataset) == len(rows), "Its length is not that of the table.")
            with explain(
                KeyError,
                "Rows are looked up by the index of the frame, which need not run from "
                "0: count positions.",
            ):
                samples = [dataset[i] for i in range(len(rows))]
            plain = TableDataset(frame, folder)[0]
        require(frame.equals(before), "The table that came in was changed.")
        require(
            all(
                isinstance(one, (tuple, list)) and len(one) == 2
                for one in [*samples, plain]
            ),
            "A sample is a pair: picture and number of the class.",
        )
        require(
            isinstance(plain[0], Image.Image),
            "Without a transform the sample holds the picture itself, as Pillow opens "
            "it.",
        )
        require(
            all(isinstance(one[0], tuple) for one in samples),
            "The transform is not applied, or its result is not used.",
        )
        require(
            all(image.mode == "RGB" for image in seen) and plain[0].mode == "RGB",
            "Grey and transparent files come with one and four channels: convert each "
            "picture to RGB.",
        )
    wanted = sorted(set(labels))
    require(
        list(getattr(dataset, "classes", [])) == wanted,
        "`classes` is not the sorted list of labels; in the order of the table, two "
        "tables would number the same classes differently.",
    )
    require(
        [one[0][1][0] for one in samples] == [6 + i for i in range(len(rows))],
        "The pictures are not in the order of the table.",
    )
    require(
        not any(isinstance(one[1], str) for one in samples),
        "The label is text; a loss function needs the number of the class.",
    )
    require(
        [int(one[1]) for one in samples] == [wanted.index(one) for one in labels],
        "The label of a picture is that of another row. Rows are counted by position; "
        "the index of the frame need not run from 0.",
    )


@exercise(
    "ex-longer",
    hint="go through the epochs and remember where the losses went below the line; "
    "forget it when one of them comes back.",
    shown="A dip is not yet learning: the start is where the loss leaves chance for "
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
            "The losses are looked up by a number that their index does not have: it "
            "holds the epochs, which begin with 1.",
        ):
            found = starts(run, chance, margin)
        require(given.equals(run), "The losses that came in were changed.")
        asked = f"With chance {chance:.2f}, margin {margin} and the losses "
        asked += ", ".join(f"{loss:.2f}" for loss in losses)
        require(
            found is not None,
            f"{asked} it returns nothing. Where the loss does not stay below, asked is "
            "0.",
        )
        found = _number(found, "The result is not the number of an epoch.")
        below = [loss < chance - margin for loss in losses]
        require(
            not (expected == 0 and found == len(losses)),
            f"{asked} the last epoch is not below the line, and it is the answer; 0 is "
            "asked if the loss does not stay below.",
        )
        first = below.index(True) + 1 if True in below else 0
        require(
            found != first or first == expected,
            f"{asked} it takes the first dip. Later epochs are back at chance, so "
            "learning has not begun there.",
        )
        # The first epoch from which on all losses are below chance, by any amount.
        above = [i for i, loss in enumerate(losses, start=1) if loss >= chance]
        loose = above[-1] + 1 if above else 1
        require(
            found != loose or loose == expected,
            f"{asked} it ignores the margin: a loss a little below chance "
            "may be noise.",
        )
        require(
            found != expected - 1 or expected == 0,
            f"{asked} it is one epoch early: the index of the losses begins with 1.",
        )
        require(
            found != losses.index(min(losses)) + 1 or expected == 0,
            f"{asked} it names the epoch with the smallest loss, not the one in which "
            "learning begins.",
        )
        require(
            found == expected,
            f"{asked} the answer should be {expected}, not {found:g}.",
        )


@exercise(
    "ex-technique",
    hint="copy the picture, draw a row and a column for the upper left corner, and "
    "paint `[:, row : row + side, column : column + side]`.",
    shown="A missing corner leaves the label true, and no single spot of a picture can "
    "be learned by heart.",
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
                "The result is not a tensor of the shape of the picture.",
            )
            require(
                found.dtype == dtype,
                f"A picture of {dtype} comes back as {found.dtype}.",
            )
            kept &= torch.equal(image, given)
            mask = found != given
            painted &= not found[mask].any().item()
            masks.append(mask)
        masks = torch.stack(masks)  # (draws, C, H, W)
        require(
            kept,
            "The picture that came in has a hole too: the next epoch would cut another "
            "one into it. Work on a copy.",
        )
        require(masks.any().item(), "Nothing is painted over.")
        require(painted, "The hole is not filled with 0.")
        require(
            not masks.all(dim=3).any().item(),
            "Whole rows are painted over: a picture as a tensor has its channels "
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
            "The hole is in the same place every time: has a seed been set inside?",
        )
        require(
            any(row != column for row, column in corners),
            "Row and column are the same number in every draw, so the hole moves along "
            "the diagonal alone. Draw two.",
        )
        sizes = torch.stack([rows.sum(dim=1), columns.sum(dim=1)])
        require(
            sizes.max() <= side,
            f"For a side of {side} the hole is up to {sizes.max()} long.",
        )
        require(
            sizes.min() >= side and bool((spots.sum(dim=(1, 2)) == side**2).all()),
            f"For a side of {side} some holes are only {sizes.min()} long: a corner "
            "drawn too far out leaves a part of the square outside the picture.",
        )
        reached = max(row for row, _ in corners), max(column for _, column in corners)
        require(
            reached[0] >= last[0] and reached[1] >= last[1],
            f"In pictures of {height} by {width} the hole never touches the last row "
            "or the last column: how far may the corner go, and does your draw "
            "include its end?",
        )
        require(
            len(corners) == (last[0] + 1) * (last[1] + 1),
            "Some places are never painted over.",
        )


@exercise(
    "ex-any-file",
    hint="`mode` settles the channels; `apply_exif_orientation` is the argument that "
    "turns a picture upright.",
    shown="Channels, type and orientation are a property of the file; after this one "
    "function a model no longer meets them.",
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
                "The channels come last, as Pillow and NumPy have them; a model wants "
                "them first.",
            )
            require(
                found.ndim == 3,
                f"The result has the shape {tuple(found.shape)}; one picture without a "
                "batch axis is (3, H, W).",
            )
            require(
                found.shape[0] == 3,
                f"A {kind} file comes as {found.shape[0]} channels: ask for RGB.",
            )
            require(
                found.dtype == torch.uint8,
                f"The result is of {found.dtype}; whole numbers, `torch.uint8`, are "
                "asked, and the transform makes floats of them.",
            )
            wanted = stored if kind == "palette" else image
            if kind == "grey":
                wanted = stored
            wanted = torch.tensor(np.asarray(wanted.convert("RGB"))).permute(2, 0, 1)
            right = found.shape == wanted.shape
            right = right and (found.cpu().int() - wanted.int()).abs().max() <= 12
            require(
                right or kind != "phone",
                "A photo lies on its side or stands on its head: a phone stores it as "
                "the sensor saw it, with a note which way is up.",
            )
            require(
                right,
                f"The picture in a {kind or 'plain'} file comes out as another one.",
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
            "Gradients are recorded, which costs memory for every picture: "
            "`torch.inference_mode()`.",
        )
        return self.dropout(x.mean(dim=(2, 3)) * self.scale)


@exercise(
    "ex-many-files",
    hint="stack the transformed pictures of 25 paths, collect the probabilities, and "
    "make the table when all are there.",
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
            "Two columns of different lengths met: is there a row for the pictures of "
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
        f"The model saw batches of {model.sizes[:4]}; {number} pictures in batches of "
        f"25 are one of 25 and one of {number - 25}.",
    )
    columns = list(frame.columns)
    require(
        columns == ["file", "pizza", "steak", "sushi", "predicted"],
        f"The columns are {columns}; wanted are `file`, one for each class in the "
        "order of `class_names`, and `predicted`.",
    )
    require(
        list(map(str, frame["file"])) != list(map(str, paths)),
        "The column `file` holds whole paths, which exist on this machine alone; its "
        "name is enough.",
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
        "The columns hold logits; softmax makes probabilities of them.",
    )
    require(
        np.allclose(found.sum(axis=1), 1, atol=1e-3),
        "The probabilities of a row do not add up to 1: over which axis did softmax "
        "go?",
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
        "`predicted` holds numbers of classes; their names are asked.",
    )
    require(
        list(frame["predicted"]) == best,
        "`predicted` is not the name of the class with the largest probability.",
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
    # The pictures of the small last batch come out wrong.
    right[100:] = torch.arange(len(labels) - 100) < round(test * (len(labels) - 100))
    return _Answering(labels, right, sure)


@exercise(
    "ex-own-model",
    hint="`test_step` on the validation loader gives each loss; `min` over the "
    "dictionary, by its values, names the model.",
    shown="The validation set did the choosing, so the test set has flattered no "
    "model.",
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
            "The models are asked in training mode: call `eval()` before, as "
            "`test_step` does.",
        )
        require(
            name in models,
            "The first of the pair is not one of the names in the dictionary.",
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
            "Models that were not chosen have seen the test pictures. Choose first, "
            "then measure the chosen one alone.",
        )
        accuracy = _number(accuracy, "The accuracy is not a number.")
        logits = answers[name]
        hits = (logits.argmax(dim=1) == labels).float()
        expected = hits[100:].mean().item()
        loss = nn.functional.cross_entropy(logits[100:], labels[100:]).item()
        of_batches = [part.mean().item() for part in hits[100:].split(32)]
        for wrong, text in (
            (100 * expected, "The accuracy is a percentage; asked is from 0 to 1."),
            (loss, "The second of the pair is a loss, not an accuracy."),
            (
                hits[:100].mean().item(),
                "This is the accuracy on the validation set, which has flattered the "
                "model that it chose.",
            ),
            (
                sum(of_batches) / len(of_batches),
                "This is the mean of the batch accuracies, in which a picture of the "
                "small last batch counts more.",
            ),
        ):
            require(abs(accuracy - wrong) > 1e-4, text)
        require(
            abs(accuracy - expected) < 1e-4,
            f"The accuracy on the test set is {expected:.4f}, not {accuracy:.4f}.",
        )
