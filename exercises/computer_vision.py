"""Checkers for the exercises: computer vision."""

import operator
import random

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from helpers.exercises import call, exercise, explain, require

from .behaviour import made, number_of, operators, tensor_of


@exercise(
    "ex-batches",
    title="Batches",
    hints=(
        "how many full batches are there, and how many samples are left over?",
        "`divmod(n, batch_size)` gives you both numbers. A list of equal entries is "
        "`[batch_size] * full`. Add the rest to it only if there is one and "
        "`drop_last` is false: a batch of 0 samples doesn't exist.",
    ),
    shown="All batches are full, except perhaps the last one, and `drop_last` drops it "
    "only if it isn't full.",
)
def batches(batch_sizes):
    cases = [(64, 32), (31, 32), (70, 32)]
    cases += [(random.randint(1, 300), random.randint(2, 64)) for _ in range(20)]
    for n, size in cases:
        full, rest = divmod(n, size)
        for drop_last in (False, True):
            with made(DataLoader) as loaders:
                found = call(batch_sizes, n, size, drop_last=drop_last)
            require(
                not loaders,
                "You made a loader. That's a good way to check the answer; here, "
                "compute the sizes from `n` and `batch_size`.",
            )
            require(
                isinstance(found, (list, tuple)),
                "The result isn't a list with one number for each batch.",
            )
            found = list(found)
            expected = [size] * full + ([rest] if rest and not drop_last else [])
            asked = f"For {n} samples in batches of {size}, drop_last={drop_last}"
            require(
                0 not in found,
                f"{asked}, there's a batch without a sample: nothing is left over, so "
                "there are no more batches.",
            )
            require(
                found == expected or not drop_last or sum(found) <= full * size,
                f"{asked}, the incomplete batch is still there.",
            )
            require(
                found == expected or not drop_last or rest,
                f"{asked}, a full batch is dropped, and `drop_last` only drops an "
                "incomplete one.",
            )
            require(
                found == expected or sum(found) >= sum(expected),
                f"{asked}, {n - sum(found)} samples aren't in any batch.",
            )
            require(
                found == expected, f"{asked}, the sizes are not {found[:3]} and so on."
            )


@exercise(
    "ex-which-mean",
    title="A score from batches",
    hints=(
        "how many samples of a batch were right? That's its size times its accuracy, "
        "and it's a whole number.",
        "use `round`, not `int`, for the right samples of each batch: `int(0.29 * "
        "100)` is 28. Add them up over `zip(sizes, accuracies)`, divide by "
        "`sum(sizes)`, and return the share first.",
    ),
    shown="If you count the right samples, each batch weighs as much as its size, and "
    "the count is a whole number, whatever floating point makes of a product.",
)
def which_mean(overall):
    for trial in range(8):
        # 29 of 100, and its kin: a float a little too small for `int`.
        right = [29] if trial == 0 else []
        sizes = [100] if trial == 0 else []
        sizes += [32] * random.randint(2, 5) + [random.randint(5, 9)]
        right += [random.randint(0, size // 2) for size in sizes[len(right) : -1]]
        right += [sizes[-1]]
        scores = [hits / size for hits, size in zip(right, sizes, strict=True)]
        found = call(overall, list(sizes), list(scores))
        with explain(TypeError, "The result isn't a pair, the accuracy and the count."):
            pair = list(found)
        require(len(pair) == 2, "The result isn't a pair, the accuracy and the count.")
        score, count = (number_of(one, "A number of the pair") for one in pair)
        asked = f"For {len(sizes)} batches, the last of {sizes[-1]} samples"
        expected = sum(right) / sum(sizes)
        require(
            abs(score - sum(scores) / len(scores)) > 1e-6,
            f"{asked}, this is the mean of the batches, in which a sample of the "
            "last one counts more than the others. Weight each batch by its size.",
        )
        require(
            abs(score - sum(right)) > 1e-6,
            f"{asked}, the first number is the count; divide it by the number of "
            "samples.",
        )
        require(
            abs(score - 100 * expected) > 1e-4,
            f"{asked}, the accuracy is in per cent; return the share, from 0 to 1.",
        )
        require(
            count
            != sum(int(size * one) for size, one in zip(sizes, scores, strict=True))
            or count == sum(right),
            f"{asked}, {sum(right)} are right, not {count:g}: `int` cuts off what "
            "floating point has left a little too small. Round.",
        )
        require(
            count == sum(right),
            f"{asked}, {sum(right)} are right, not {count!r}: round to a whole number.",
        )
        require(
            abs(score - expected) < 1e-6,
            f"{asked}, the accuracy is {expected:.4f}, not {score:.4f}.",
        )


@exercise(
    "ex-rule",
    title="A program of rules",
    hints=(
        "look at the rows of the legs. What is bright there, what is dark, and what is "
        "to the left and right of them? Combine conditions with `&`.",
        "take the lower half, such as `images[:, 0, 16:26]`, and look at the columns "
        "of the left leg (about 7 to 11), of the gap (12 to 15), of the right leg (16 "
        "to 20), and at the outermost four on each side. Legs aren't in the same place "
        "in every image, so in each row take the brightest pixel of a leg, "
        "`amax(dim=2)`, and the darkest of the gap, `amin(dim=2)`, before you average "
        "over the rows. And put round brackets around each comparison, as `&` binds "
        "more tightly than `>`.",
    ),
    shown="For the class that stands out, a rule works, and that's one class of ten.",
)
def rule(is_trouser, train_data):
    picks = torch.randperm(len(train_data.data))[:5000]
    pictures = train_data.data[picks][:, None] / 255
    truth = torch.as_tensor(train_data.targets)[picks] == 1
    found = tensor_of(call(is_trouser, pictures), "The result")
    require(
        found.shape == truth.shape,
        f"For {len(truth)} images the result has the shape {tuple(found.shape)}; "
        "one answer per image is a shape of (N,).",
    )
    require(
        found.dtype == torch.bool,
        f"The result has the dtype {found.dtype}: compare with a threshold, and it "
        "becomes boolean.",
    )
    alone = tensor_of(call(is_trouser, pictures[truth]), "The result")
    require(
        torch.equal(alone, found[truth]),
        "The answer for an image depends on the other images of the batch. Take "
        "means along the axes of the pixels, not along the first one.",
    )
    hits = (found & truth).sum().item()
    recall, finds = hits / truth.sum().item(), found.sum().item()
    require(
        finds,
        "The rule doesn't recognise a single image: are the thresholds too strict?",
    )
    require(
        recall >= 0.8,
        f"The rule finds only {recall:.0%} of the trousers. Print the numbers that you "
        "compare for some trousers, and relax the threshold that rejects most.",
    )
    labels = torch.as_tensor(train_data.targets)[picks][found & ~truth]
    taken = train_data.classes[labels.bincount(minlength=10).argmax()]
    require(
        hits / finds >= 0.8,
        f"Only {hits / finds:.0%} of its finds are trousers; most of the others are of "
        f"the class {taken!r}. What do they have that trousers don't?",
    )


def _mistaken_losses(logits, targets):
    """List what mistakes make of the cross-entropy, each with its text."""
    rows = torch.arange(len(targets))
    picked = logits[rows, targets]
    logs, columns = logits.log_softmax(dim=1), logits.log_softmax(dim=0)
    twice = F.cross_entropy(logits.softmax(dim=1), targets)
    return [
        (
            -F.cross_entropy(logits, targets),
            "The sign is missing: logarithms of probabilities are below 0.",
        ),
        (
            -picked.mean(),
            "The logits were taken for log-probabilities: the `log_softmax` is "
            "missing.",
        ),
        (
            F.cross_entropy(logits, targets, reduction="sum"),
            "This is the sum over the samples; `nn.CrossEntropyLoss()` takes the mean.",
        ),
        (
            -columns[rows, targets].mean(),
            "The softmax runs along the samples (`dim=0`), so that images "
            "compete with each other.",
        ),
        (
            -logs[:, targets].mean(),
            "`[:, targets]` takes the columns of all targets for each sample. Pair "
            "each row with its own target.",
        ),
        (
            -logits.softmax(dim=1)[rows, targets].mean(),
            "This is the mean probability; its logarithm is missing.",
        ),
        (twice, "Softmax was applied twice."),
    ]


@exercise(
    "ex-cross-entropy",
    title="Cross-entropy by hand",
    hints=(
        "the loss of a sample is minus the log-probability of its right class. How do "
        "you take one entry from each row, each from another column?",
        "`logits.log_softmax(dim=1)` gives you the log-probabilities, and "
        "`[torch.arange(len(targets)), targets]` takes from each row the entry of the "
        "right class. Mind the minus and the mean. With label smoothing, a bit of the "
        "target is on the wrong classes: try logits of `[50, 0, 0]`.",
    ),
    shown="Cross-entropy is log-softmax followed by the negative log-likelihood, and "
    "label smoothing keeps it above zero.",
)
def cross_entropy(cross_entropy, smoothed_reaches_zero):
    for scale in (1, 3, 300):
        while True:
            classes, n = random.randint(3, 8), random.randint(10, 30)
            logits = scale * torch.randn(n, classes)
            targets = torch.randint(classes, (n,))
            expected = F.cross_entropy(logits, targets)
            named = _mistaken_losses(logits, targets)
            losses = torch.stack([expected, *(value for value, _ in named)])
            # The first two draws tell each mistake from the others.
            if scale == 300 or losses.sort().values.diff().min() > 0.01:
                break

        def is_(value, found, expected=expected):
            return torch.allclose(found, value, rtol=1e-4, atol=1e-5) and not (
                torch.allclose(expected, value, rtol=1e-3, atol=1e-4)
            )

        with operators() as ran:
            found = call(cross_entropy, logits, targets)
        found = torch.tensor(number_of(found, "The result"))
        require(
            scale != 300 or found.isfinite(),
            f"For logits in the hundreds the result is {found.item()}: softmax gives a "
            "probability of exactly 0 there, and its logarithm is infinite. "
            "`log_softmax` computes both in one.",
        )
        for value, misconception in named:
            require(not is_(value, found), misconception)
        require(
            torch.allclose(found, expected, rtol=1e-4, atol=1e-5),
            f"The loss of {n} samples is {found.item():.4f} and should be "
            f"{expected.item():.4f}.",
        )
    require(
        not {name for name in ran if "nll_loss" in name or "entropy" in name},
        "The loss is right, but PyTorch's own loss computed it. Take the entries of "
        "the right classes from the log-probabilities yourself.",
    )
    require(
        smoothed_reaches_zero in (True, False),
        "`smoothed_reaches_zero` is `True` or `False`.",
    )
    require(
        not smoothed_reaches_zero,
        "Try logits such as `[50, 0, 0]` for class 0: with label smoothing some of the "
        "target is on the wrong classes, and being sure is punished.",
    )


@exercise(
    "ex-silent",
    title="Silent classes",
    hints=(
        "count how often each class is predicted. Which classes does your count have "
        "to list, even if they're never predicted?",
        "`logits.argmax(dim=1)` gives you the predictions, and `bincount(minlength=…)` "
        "counts them; without `minlength`, a silent class at the end is missing from "
        "the count. `(counts == 0).nonzero()` finds the zeros, and "
        "`flatten().tolist()` makes a list of them.",
    ),
    shown="An accuracy hides a class that is never predicted; a count shows it.",
)
def silent(silent_classes):
    for trial in range(12):
        n, classes = random.randint(20, 60), random.randint(5, 9)
        logits = torch.randn(n, classes)
        # The last class among them in some trials; none in one.
        gone = random.sample(range(classes - 1), random.randint(1, 3))
        gone += [classes - 1] if trial % 2 else []
        gone = [] if trial == 4 else gone
        logits[:, gone] -= 20
        for one in range(classes):  # each of the others is predicted at least once
            if one not in gone:
                logits[one, one] += 30
        logits += random.choice([-40, 0, 40])
        expected = sorted(gone)
        found = call(silent_classes, logits)
        with explain(TypeError, "The result isn't a list of whole numbers."):
            found = list(found)
        with explain(
            (TypeError, RuntimeError, ValueError),
            "The result isn't a list of whole numbers: one index for each class.",
        ):
            found = [operator.index(one) for one in found]
        asked = f"For {classes} classes, of which {expected or 'none'} are silent"
        spoken = [one for one in range(classes) if one not in gone]
        last = max(spoken)
        require(
            found != spoken or found == expected,
            f"{asked}, the result is {found}: these are the classes that *are* "
            "predicted.",
        )
        require(
            found == expected or found != [one for one in expected if one < last],
            f"{asked}, the result is {found}: `bincount` stops at the largest class "
            "that occurs. Ask for more by `minlength`.",
        )
        require(
            sorted(found) != expected or found == expected,
            f"{asked}, the result is {found}: sort it.",
        )
        require(
            not found or max(found) < classes,
            f"{asked}, the result ends in {found[-1:]}: `argmax(dim=0)` asks which "
            "sample is best for a class. A prediction is the best class of a sample.",
        )
        require(
            found == expected,
            f"{asked}, the result is {found}. A class is silent if its logit isn't "
            "the largest one for any sample, whatever the sign of its logits.",
        )


def _one_epoch(picture, label, steps, zero_grad=True):
    """Train V0 from seed 42 on one picture; return the losses before each step."""
    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(784, 10), nn.Linear(10, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(steps + 1):
        loss = F.cross_entropy(model(picture.reshape(1, 784)), label)
        losses.append(loss.item())
        if zero_grad:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


def _in_order(pictures, labels, size):
    """Train V0 from seed 42 for an epoch, not shuffled; return the loss after it."""
    torch.manual_seed(42)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Linear(10, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in zip(pictures.split(size), labels.split(size), strict=True):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return F.cross_entropy(model(pictures), labels).item()


@exercise(
    "ex-batch-size",
    title="Other batch sizes",
    hints=(
        "make the model, the optimizer and a loader with `drop_last=True` in each "
        "call, all new. After `train_step`, run `test_step` over all of `dataset`.",
        "`fast_loader(dataset, size, shuffle=True, drop_last=True)` makes the batches, "
        "and its `len` is the number of steps. For the loss you need a *second* "
        "loader, one that leaves nothing out. `test_step` returns the loss first.",
    ),
    shown="Larger batches mean fewer steps at the same learning rate. A fair "
    "comparison gives each size a learning rate of its own.",
)
def batch_size(train_with):
    # All pictures alike: then the order of the batches makes no difference.
    for n, size in [(70, 8), (96, 32), (50, 4)]:
        picture, label = 0.15 * torch.rand(1, 28, 28), torch.randint(10, (1,))
        dataset = TensorDataset(picture.repeat(n, 1, 1, 1), label.repeat(n))
        torch.manual_seed(random.randint(10**7, 10**8))
        found = call(train_with, dataset, size)
        with explain(TypeError, "The result isn't a pair, the steps and the loss."):
            pair = list(found)
        require(len(pair) == 2, "The result isn't a pair, the steps and the loss.")
        steps, loss = (number_of(value, "A number of the pair") for value in pair)
        require(
            steps != -(-n // size) or n % size == 0,
            f"{n} samples in batches of {size}: {steps:g} steps are one too many, "
            "because the last batch is incomplete. Drop it.",
        )
        require(
            steps == n // size,
            f"{n} samples in batches of {size} are {n // size} steps, not {steps:g}.",
        )
        losses = _one_epoch(picture, label, n // size)
        if abs(loss - losses[-1]) < 1e-3:
            continue
        with explain((TypeError, ValueError), "The result isn't a pair of numbers."):
            again = float(list(call(train_with, dataset, size))[1])
        require(
            abs(loss - again) < 1e-3,
            "Two calls with the same arguments give two losses: each call makes a new "
            "model, from seed 42.",
        )
        require(
            abs(loss - sum(losses[:-1]) / (n // size)) > 1e-3,
            "This is the mean loss *while* the model was trained. Measure after the "
            "epoch, with the trained model.",
        )
        require(
            abs(loss - losses[0]) > 1e-3,
            "This is the loss of the untrained model: is `optimizer.step()` called, "
            "and does the optimizer have the parameters of this model?",
        )
        piled = _one_epoch(picture, label, n // size, zero_grad=False)
        require(
            abs(loss - piled[-1]) > 1e-3,
            "The gradients of all batches add up: `zero_grad` is missing in the loop.",
        )
        require(
            False,
            f"After {n // size} steps from seed 42 the loss should be "
            f"{losses[-1]:.3f}, not {loss:.3f}: one epoch, a learning rate of 0.1, the "
            "mean over all samples?",
        )
    # Sorted by class: in this order the last class is all that the model knows.
    labels = torch.arange(8).repeat_interleave(10)
    pictures = 0.3 * (torch.rand(8, 1, 28, 28)[labels] + torch.rand(80, 1, 28, 28))
    expected = _in_order(pictures, labels, 10)
    _, loss = call(train_with, TensorDataset(pictures.clone(), labels.clone()), 10)
    require(
        abs(number_of(loss, "A number of the pair") - expected) > 1e-3,
        "The batches come in the order of the dataset. Shuffle them; otherwise, if the "
        "dataset is sorted, each of them holds a single class.",
    )
