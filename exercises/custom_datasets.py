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
from torchvision.transforms import v2

from helpers.exercises import call, call_as_is, exercise, explain, require


def _number(value, text):
    """Return a result as a float; refuse it with `text` if it is none."""
    with explain((TypeError, ValueError, RuntimeError), text):
        return float(value)


def _folder():
    """Return a temporary folder; a file that is still open there does no harm."""
    return tempfile.TemporaryDirectory(ignore_cleanup_errors=True)


def _samples(number):
    """Return images of unequal sizes, none of whose numbers is 0, and labels."""
    sizes = [random.sample(range(3, 9), 2) for _ in range(number)]
    sizes[0], sizes[1] = (9, random.randint(3, 8)), (random.randint(3, 8), 10)
    random.shuffle(sizes)
    return [
        (torch.rand(3, height, width) * 0.9 + 0.1, random.randint(0, 4))
        for height, width in sizes
    ]


@exercise(
    "ex-collate",
    title="Images of unequal sizes",
    hints=(
        "find the largest height and the largest width first. Then make a tensor of "
        "zeros that all images fit into, and copy them into it one by one.",
        "`max(image.shape[1] for image, _ in samples)` is the largest height. If "
        "`batch` is the tensor of zeros, `batch[i, :, :h, :w] = image` copies image "
        "number `i`, of height `h` and width `w`, into its top left corner.",
    ),
    shown="Nothing was squeezed. The model still has to cope with the zeros, and "
    "with batches whose sizes differ.",
)
def collate(pad_collate):
    for number in (4, 2, random.randint(3, 6)):
        samples = _samples(number)
        given = [(image.clone(), label) for image, label in samples]
        with explain(
            RuntimeError,
            "It fails where the images differ in size: `torch.stack` and `torch.cat` "
            "need equal ones. Copy each image into a tensor of zeros.",
        ):
            found = call_as_is(pad_collate, list(samples))
        require(
            all(
                torch.equal(image, before)
                for (image, _), (before, _) in zip(samples, given, strict=True)
            ),
            "The images that came in were changed: make a new tensor for the batch.",
        )
        require(
            isinstance(found, (tuple, list)) and len(found) == 2,
            "The result isn't a pair: return the tensor of images and the tensor of "
            "labels.",
        )
        batch, labels = found
        require(
            isinstance(batch, torch.Tensor),
            "The images come back as a "
            f"{type(batch).__name__}; make one tensor for all of them.",
        )
        heights, widths = zip(*(image.shape[1:] for image, _ in samples), strict=True)
        shape = (number, 3, max(heights), max(widths))
        side = max(heights + widths)
        require(
            tuple(batch.shape) == shape or batch.shape[2:] != (side, side),
            f"The batch is a square of {side} by {side}; height and width have their "
            f"own maximum, which are {shape[2]} and {shape[3]} here.",
        )
        require(
            tuple(batch.shape) != (number, 3, min(heights), min(widths)),
            "The images are cut down to the smallest one. Fill up the small ones "
            "instead.",
        )
        require(
            tuple(batch.shape) == shape,
            f"The batch has the shape {tuple(batch.shape)}; with {number} images, at "
            f"most {shape[2]} high and {shape[3]} wide, it should be {shape}.",
        )
        require(
            batch.is_floating_point(),
            f"The batch has the dtype {batch.dtype}, and the images are floats: all "
            "their numbers have become 0 or 1.",
        )
        wanted = torch.zeros(shape)
        middle, right = torch.zeros(shape), torch.zeros(shape)
        for i, (image, _) in enumerate(samples):
            _, height, width = image.shape
            top, left = (shape[2] - height) // 2, (shape[3] - width) // 2
            wanted[i, :, :height, :width] = image
            middle[i, :, top : top + height, left : left + width] = image
            right[i, :, shape[2] - height :, shape[3] - width :] = image
        require(
            not torch.equal(batch.float(), middle),
            "The images are in the middle; they should start in the top left corner.",
        )
        require(
            not torch.equal(batch.float(), right),
            "The images are at the bottom right; they should start in the top left "
            "corner.",
        )
        places = {one.numpy().tobytes() for one in batch.float()}
        require(
            torch.allclose(batch.float(), wanted, atol=1e-6)
            or not all(one.numpy().tobytes() in places for one in wanted),
            "The images are right, but not in the order of the samples.",
        )
        filled = wanted == 0
        require(
            not batch[filled].any(),
            "Around the images, there are numbers other than 0.",
        )
        require(
            torch.allclose(batch.float(), wanted, atol=1e-6),
            "The numbers of the images aren't those that came in. Is each image "
            "copied as it is, to its own place in the batch?",
        )
        require(
            isinstance(labels, torch.Tensor),
            f"The labels come back as a {type(labels).__name__}; a loss function "
            "needs a tensor.",
        )
        require(
            tuple(labels.shape) == (number,),
            f"The labels have the shape {tuple(labels.shape)}; one number per image "
            f"is {(number,)}.",
        )
        require(
            labels.tolist() == [label for _, label in samples],
            "The labels aren't those of the samples, in their order.",
        )
        require(
            not labels.is_floating_point(),
            "The labels are floats. As numbers of classes they should be integers, "
            "or `CrossEntropyLoss` refuses them.",
        )


@exercise(
    "ex-random",
    title="The same few again",
    hints=(
        "draw from a generator of your own, made from the seed, and let it see the "
        "paths in an order that doesn't depend on how they came in.",
        "`random.Random(seed)` is such a generator, and its method `sample` draws "
        "without putting back. Give it the sorted paths, and ask for no more of them "
        "than there are. The label is the name of the folder that a path is in.",
    ),
    shown="A seed repeats a draw only if the order is the same, and a generator of its "
    "own leaves all other draws alone.",
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
            f"It fails if you ask for {n} of {len(paths)} images: draw no more "
            "than there are.",
        ):
            found = call_as_is(pick, given, n, seed)
        with explain((TypeError, ValueError), "The result is not a list of pairs."):
            found = [(path, label) for path, label in found]
            set(found)  # each of them can be looked up
        require(given == paths, "The list of paths that came in was changed.")
        require(
            len({path for path, _ in found}) == len(found),
            "An image was drawn twice: draw without putting back.",
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
            "Two calls with the seed 0 draw different images: 0 counts as false, so "
            "`if seed` and `seed or …` lose it.",
        )
        require(same, f"Two calls with the seed {seed} differ.")
        require(
            set(found) == set(ask(n, seed, random.sample(paths, len(paths)))),
            "The same files in another order give different images, and `glob` may "
            "list them in another order on another machine.",
        )
        chosen = [path for path, _ in found]
        require(
            all(path in paths for path in chosen),
            "The first of each pair is not one of the paths.",
        )
        require(
            len(chosen) == n,
            f"You were to draw {n} images, and {len(chosen)} came back.",
        )
    others = [ask(10, seed) for seed in random.sample(range(10**6), 4)]
    require(
        any(set(other) != set(others[0]) for other in others),
        "Every seed gives the same images: nothing is drawn.",
    )
    everything = ask(len(paths) + 10, 1)
    require(
        len(everything) == len(paths),
        f"Of {len(paths)} images, {len(paths) + 10} were to be drawn: all of them "
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
        "The label of an image is the name of the folder above it, as text.",
    )


def _same(one, other):
    """Tell whether two results of transforms are alike in type and content."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        alike = one.dtype == other.dtype and one.shape == other.shape
        return alike and torch.allclose(one.float(), other.float(), atol=1e-4)
    return type(one) is type(other) and one == other


def _applied(steps, image):
    for step in steps:
        image = step(image)
    return image


@exercise(
    "ex-transforms",
    title="One step less",
    hints=(
        "`list(transform.transforms)` is a list of the steps that you may change "
        "without changing `transform`. Apply those that remain to the image, one "
        "after the other.",
        "take one step out of that list, for example with `del`. Then go through the "
        "rest in a loop, and hand each step what the one before returned: only the "
        "first of them gets the image itself.",
    ),
    shown="Without `Resize`, the image keeps its size; without `ToImage`, you don't "
    "get a tensor; and without `ToDtype`, you get whole numbers from 0 to 255.",
)
def transforms(without):
    for _ in range(3):
        height, width = random.sample(range(8, 20), 2)
        steps = [v2.Resize((height, width)), v2.ToImage()]
        steps.append(v2.ToDtype(torch.float32, scale=True))
        steps.insert(1, v2.RandomHorizontalFlip(p=1))
        transform = v2.Compose(list(steps))
        pixels = torch.randint(256, (random.randint(21, 30), 33, 3), dtype=torch.uint8)
        image = Image.fromarray(pixels.numpy())
        found = []
        for step in range(len(steps)):
            with explain(
                IndexError,
                "A step is gone when the next one is asked for: work on a copy of the "
                "list, or `transform` itself gets shorter with each call.",
            ):
                found.append(call_as_is(without, transform, step, image))
            require(
                list(transform.transforms) == steps,
                "Afterwards `transform` has other steps: work on a copy of the list, "
                "or `transform` itself gets shorter with each call.",
            )
        require(
            not any(isinstance(one, str) for one in found),
            "The result is text; return what the steps make of the image.",
        )
        kept = [[s for s in steps if s is not left] for left in steps]
        numbers = range(len(steps))
        wrong = {
            "Nothing is left out: all steps are applied.": [steps] * len(steps),
            "The step is the only one applied; apply all the others instead.": [
                [step] for step in steps
            ],
            "It stops at the step that is left out; apply those after it, too.": [
                steps[:i] for i in numbers
            ],
            "The steps before the one that is left out are missing.": [
                steps[i + 1 :] for i in numbers
            ],
            "Each step begins with the image again, so only the last one counts: hand "
            "each the result of the one before.": [rest[-1:] for rest in kept],
            "Steps are counted from 0; it leaves out the one before.": [
                kept[i - 1] for i in numbers
            ],
        }
        for text, plan in wrong.items():
            results = [_applied(some, image) for some in plan]
            require(not all(map(_same, found, results)), text)
        for step, one in enumerate(found):
            require(
                _same(one, _applied(kept[step], image)),
                f"Without step {step} of {len(steps)} the result is different. Are "
                "the others applied in their order?",
            )


@exercise(
    "ex-augment",
    title="How often does nothing change?",
    hints=(
        "draw once, and compare with `torch.equal`. Do that `draws` times, and count.",
        "call `augment(image)` inside the loop, so that each result is a new draw. "
        "`torch.equal` gives one answer for the whole image, where `==` gives one "
        "for each number. And a share is a count divided by `draws`.",
    ),
    shown="Identity is one of fourteen operations, and others change nothing at their "
    "weakest, so more than one draw in fourteen is the image itself.",
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
        image = torch.arange(3 * 5 * 8, dtype=torch.uint8).reshape(3, 5, 8)
        image = image + random.randint(1, 50)
        change, given = _Changing(kinds), image.clone()
        with explain(
            RuntimeError,
            "`==` compares two tensors number by number, and an `if` needs one answer "
            "for the whole image.",
        ):
            found = call_as_is(unchanged_share, change, image, total)
        require(torch.equal(image, given), "The image that came in was changed.")
        require(
            len(change.drawn) != 1 and len(change.drawn) != 2,
            f"Of {total} draws it makes {len(change.drawn)}: each result has to be "
            "a new draw.",
        )
        require(
            len(change.drawn) == total,
            f"It draws {len(change.drawn)} times; it should draw {total} times.",
        )
        require(
            len(set(change.drawn)) > 1,
            "All draws are the same draw: a seed that is set before each of them "
            "repeats it.",
        )
        found = _number(found, "The result is not one number.")
        shown = f"Of {total} draws, {expected} left the image as it was"

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
            f"{shown}. A mirror image has the same sum and the same mean, and "
            "it's a different image.",
        )
        require(
            not is_((expected + pixel) / total) and not is_(1),
            f"{shown}. If one number agrees, the image may still be different: all "
            "have to agree.",
        )
        require(is_(expected / total), f"{shown}; it returns {found:.4f}.")


@exercise(
    "ex-mean",
    title="An honest average",
    hints=(
        "how many images of each batch are right? Add these up, and divide by the "
        "number of all images.",
        "a score times the size of its batch is the number of right answers in it: "
        "7/32 of 32 images are 7. `zip` pairs the two lists, and `np.average` can "
        "even do it all, with the argument `weights`.",
    ),
    shown="Weighted by size, the mean over batches is the accuracy over images, "
    "however the images were cut into batches.",
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
                "Each batch has the same weight, so an image of the small last batch "
                "counts more than one of the others.",
            ),
            (
                sum(scores) / sum(sizes),
                "The shares are added as they are: multiply each by the size of its "
                "batch first, which gives a number of images.",
            ),
            (
                sum(right) / len(sizes),
                "The right answers are divided by the number of batches, not by the "
                "number of images.",
            ),
            (sum(right), "That's how many are right, not what share of them."),
            (
                sum(right[:-1]) / sum(sizes[:-1]),
                "The last batch is left out. Its images count like all others.",
            ),
        ):
            require(abs(found - wrong) > 1e-6, text)
        require(
            abs(found - expected) < 1e-6,
            f"It returns {found:.4f} where {sum(right)} of {sum(sizes)} are right.",
        )


@exercise(
    "ex-workers",
    title="As many workers as cores?",
    hints=(
        "for each number of workers, collect three measurements and take their median. "
        "Then let `min` find the number with the smallest one.",
        "`range(most + 1)` ends with `most`. Put the medians into a dictionary whose "
        "keys are the numbers of workers: `min` with `key=medians.get` then returns a "
        "number of workers rather than a time, and the first one if two are equal.",
    ),
    shown="You can't tell beforehand how many workers pay off, so you measure: the "
    "answer depends on the data, on the machine and on what else runs on it.",
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
                f"It measures {number} workers; measure from 0 to {most}.",
            )
            calls.append(number)
            return noisy[number][(calls.count(number) - 1) % 3]

        found = call(best_workers, measure, most)
        require(0 in calls, "0 workers were not measured, and that is often best.")
        require(
            most in calls,
            f"{most} workers were not measured: `range({most})` ends before it.",
        )
        missing = [number for number in range(most + 1) if number not in calls]
        require(not missing, f"Not measured: {missing}. All numbers up to {most} are.")
        require(
            all(calls.count(number) == 3 for number in noisy),
            f"With {most // 2} workers it measures {calls.count(most // 2)} times; "
            "do it three times each, since a single measurement depends on whatever "
            "else the machine is doing.",
        )
        found = _number(found, "The result is not a number of workers.")
        require(
            not found.is_integer() or 0 <= found <= most,
            f"The result is {found}, and no such number of workers was measured.",
        )
        medians = {k: statistics.median(v) for k, v in noisy.items()}
        require(
            found.is_integer() and found not in set(medians.values()) - set(medians),
            "The result is a time; return the number of workers that needed it.",
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

    def __call__(self, image):
        self.drawn.append(torch.rand(()).item())
        kind = self.kinds[(len(self.drawn) - 1) % len(self.kinds)]
        if kind == "same":
            return image
        if kind == "mirrored":
            return image.flip(-1)
        changed = image.clone()
        if kind == "pixel":
            changed[-1, -1, -1] += 1
        return changed


@exercise(
    "ex-table",
    title="Labels in a table",
    hints=(
        "in `__init__`, keep the paths and the class numbers in two lists. The image "
        "itself is opened in `__getitem__`.",
        'a loop over `frame["label"]` yields the labels row by row, whatever the index '
        'says, and so does one over `frame["file"]`. For the numbers, make a '
        "dictionary from each name in `classes` to its position. Call "
        '`.convert("RGB")` before the transform, and give the class a `__len__` too.',
    ),
    shown="A Dataset is a length and an access by position; where names and labels "
    "come from is up to you.",
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
                "Rows are looked up by the index of the frame, which needn't run "
                "from 0: count positions, for example with `iloc`.",
            ):
                samples = [dataset[i] for i in range(len(rows))]
            plain = TableDataset(frame, folder)[0]
        require(frame.equals(before), "The table that came in was changed.")
        require(
            all(
                isinstance(one, (tuple, list)) and len(one) == 2
                for one in [*samples, plain]
            ),
            "A sample is a pair: the image, and the number of its class.",
        )
        require(
            not isinstance(plain[0], torch.Tensor),
            "Without a transform, the image comes back as a tensor, as from "
            "`decode_image` or `pil_to_tensor`. Open it with Pillow's `Image.open`: "
            "the sample should hold a Pillow image.",
        )
        require(
            isinstance(plain[0], Image.Image),
            f"Without a transform, the image comes back as {type(plain[0]).__name__}. "
            "The sample should hold a Pillow image, as `Image.open` returns it.",
        )
        require(
            all(isinstance(one[0], tuple) for one in samples),
            "The transform is not applied, or its result is not used.",
        )
        require(
            all(image.mode == "RGB" for image in seen) and plain[0].mode == "RGB",
            "Grey and transparent files come with one and four channels: convert each "
            "image to RGB.",
        )
    wanted = sorted(set(labels))
    require(
        list(getattr(dataset, "classes", [])) == wanted,
        "`classes` isn't the sorted list of labels; in the order of the table, two "
        "tables would number the same classes differently.",
    )
    require(
        [one[0][1][0] for one in samples] == [6 + i for i in range(len(rows))],
        "The images aren't in the order of the table.",
    )
    require(
        not any(isinstance(one[1], str) for one in samples),
        "The label is text; a loss function needs the number of the class.",
    )
    require(
        [int(one[1]) for one in samples] == [wanted.index(one) for one in labels],
        "The label of an image is that of another row. Rows are counted by position; "
        "the index of the frame doesn't have to run from 0.",
    )
