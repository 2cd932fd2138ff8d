"""Checkers for the exercises: CIFAR-10."""

import random
import warnings

import torch
import torch.nn.functional as F
from torch import nn

from helpers.device import available_devices
from helpers.exercises import call, call_as_is, exercise, explain, require

from .behaviour import explain_sizes, made


def _tensor(value, what):
    """Return a tensor without its graph, on the CPU."""
    require(isinstance(value, torch.Tensor), f"{what} is not a tensor.")
    return value.detach().cpu()


def _pair(value, what):
    """Return the two parts of a pair."""
    with explain(TypeError, f"The result is not a pair: {what}."):
        parts = list(value)
    require(len(parts) == 2, f"The result is not a pair: {what}.")
    return parts


def _parameters(first, second, bias=1, colours=3, between=None, flat=None):
    """Count the parameters of Net; the later arguments are for mistakes."""
    between, flat = between or first, flat or second * 25
    convolutions = first * (colours * 25 + bias) + second * (between * 25 + bias)
    return convolutions + 120 * (flat + bias) + 84 * (120 + bias) + 10 * (84 + bias)


@exercise(
    "ex-count-parameters",
    title="Count before you build",
    hints=(
        "start from the five lines of the chapter that count the parameters for 6 and "
        "16, and find out where each 3, 6, 16 and 400 in them comes from.",
        "`first` has two roles: the filters of the first convolution, and the channels "
        "that the second one takes. So has `second`: the filters of the second "
        "convolution, and a part of the 400 inputs of the first linear layer, which "
        "are 16 maps of 5 by 5. The last two lines stay as they are.",
    ),
    shown="Two numbers change three layers: each layer's outputs are the next one's "
    "inputs.",
)
def count(count):
    cases = [(6, 16), (12, 32), (1, 1)]
    cases += [(random.randint(2, 40), random.randint(2, 40)) for _ in range(8)]
    for first, second in random.sample(cases, len(cases)):
        expected = _parameters(first, second)
        with made(nn.Module) as modules:
            found = call(count, first, second)
        require(
            not modules,
            "You built layers and counted their parameters. That's a good way to check "
            "the answer; now compute it from `first` and `second`.",
        )
        with explain((TypeError, ValueError), "The result is not one number."):
            found = float(found)
        if found == expected:
            continue
        asked = f"For {first} and {second} filters"
        named = [
            ({"bias": 0}, "the biases are missing: one for each output of a layer."),
            ({"colours": 1}, "the three colours are missing in the first convolution."),
            (
                {"between": 6},
                "the second convolution still takes 6 channels; it gets as many as the "
                "first one has filters.",
            ),
            (
                {"flat": 400},
                "the first linear layer still takes 400 numbers, and now there are "
                "more or fewer maps of 5 by 5.",
            ),
            (
                {"flat": second},
                "the first linear layer takes only one number from each map; a map has "
                "5 by 5.",
            ),
        ]
        for mistake, misconception in named:
            # For some numbers a mistake makes no difference.
            wrong = _parameters(first, second, **mistake)
            require(found != wrong, f"{asked}, {misconception}")
        require(False, f"{asked} there are {expected:,} parameters, not {found:,.0f}.")


@exercise(
    "ex-undo",
    title="And back again",
    hints=(
        "take the steps of the transform in reverse order, and undo each of them: from "
        "normalised back to 0 … 1, then to 0 … 255, then to whole numbers, and in the "
        "end to channels last.",
        "`torch.tensor(std)[:, None, None]` has the shape `(3, 1, 1)`, which fits the "
        "channels; the same goes for `mean`. Normalising subtracts and then divides, "
        "so you multiply and then add. Before a float becomes `torch.uint8` it needs "
        "`round()`, or 41.99998 ends up as 41.",
    ),
    shown="Normalising loses nothing, as long as you keep the six numbers, and round "
    "the bytes instead of cutting them off.",
)
def undo(undo):
    for _ in range(3):
        n, h, w = random.randint(2, 4), random.randint(9, 12), random.randint(13, 16)
        original = torch.randint(256, (n, h, w, 3), dtype=torch.uint8)
        mean = [random.uniform(0.3, 0.6) for _ in range(3)]
        std = [random.uniform(0.15, 0.3) for _ in range(3)]
        images = original.permute(0, 3, 1, 2) / 255
        images = images - torch.tensor(mean)[:, None, None]
        images = (images / torch.tensor(std)[:, None, None]).contiguous()
        given = images.clone()
        with explain_sizes(
            "The six numbers don't fit the images. They belong to the channels, the "
            "second axis of (N, 3, H, W): give them the shape (3, 1, 1).",
        ):
            found = call_as_is(undo, given, list(mean), list(std))
        with explain(
            (TypeError, ValueError, RuntimeError), "The result is not a tensor."
        ):
            found = torch.as_tensor(found).detach().cpu()
        require(
            torch.equal(given, images),
            "`undo` changes the images that it's given; compute new ones.",
        )
        require(
            found.shape != images.shape,
            "The channels still come second. `permute` puts them last.",
        )
        require(
            found.shape != (n, w, h, 3),
            "Height and width have changed places: that is what `.T` or `transpose` of "
            "two axes does. `permute` names the new order of all axes.",
        )
        require(
            found.shape == original.shape,
            f"Images of shape {tuple(images.shape)} become {tuple(found.shape)}; they "
            f"should be {tuple(original.shape)}.",
        )
        require(
            found.dtype == torch.uint8,
            f"The result has the dtype {found.dtype}; bytes are `torch.uint8`.",
        )
        missing = original.int() - found.int()
        off = missing.abs()
        require(
            found.max() > 1,
            "All bytes are 0 or 1: multiply by 255 before you turn floats from 0 to 1 "
            "into bytes.",
        )
        axes = found.reshape(n, 3, h, w).permute(0, 2, 3, 1).int() - original.int()
        require(
            axes.abs().max() > 1,
            "The shape is right, but the pixels aren't: `reshape` and `view` keep the "
            "numbers in the order they have in memory. `permute` moves axes.",
        )
        require(
            off.max() != 1 or missing.min() < 0,
            f"{(off > 0).float().mean():.0%} of the bytes are one too small: a float "
            "such as 41.99998 is cut off at the point when it becomes a byte. Round it "
            "first.",
        )
        require(
            off.max() == 0,
            "The bytes aren't the original ones. `Normalize` first subtracts the mean "
            "and then divides by the standard deviation; which comes first on the way "
            "back?",
        )


@exercise(
    "ex-reports",
    title="Nothing left out",
    hints=(
        "`range(0, len(losses), every)` gives you the start of each part, and a slice "
        "may reach beyond the end of the list.",
        "from each start, cut `losses[start : start + every]`. The last part may be "
        "shorter than `every`, so use its `len` for both numbers of the pair: for how "
        "many batches have passed, and for what you divide the sum by.",
    ),
    shown="Every batch is in exactly one report, and each mean is divided by the "
    "number of its own batches.",
)
def reports(running_means):
    cases = [(5, 2), (8, 4), (3, 7), (12, 1)]
    cases += [(random.randint(9, 40), random.randint(2, 8)) for _ in range(10)]
    for n, every in cases:
        losses = [random.uniform(0.5, 3) for _ in range(n)]
        found = call(running_means, list(losses), every)
        with explain(
            (TypeError, ValueError),
            "The result is not a list of pairs: batches so far, mean.",
        ):
            found = [(int(batches), float(mean)) for batches, mean in found]
        parts = [losses[start : start + every] for start in range(0, n, every)]
        ends = [min(start + every, n) for start in range(0, n, every)]
        asked = f"For {n} batches and a report every {every}"
        positions = [batches for batches, _ in found]
        require(
            positions != ends[:-1],
            f"{asked}, the last {n - (ends[:-1] or [0])[-1]} batches aren't in any "
            "report, and they're the ones that describe the newest state.",
        )
        require(
            positions != [end - 1 for end in ends],
            f"{asked}, the first number of a pair is an index; it should be how "
            "many batches have passed.",
        )
        require(
            positions != [*ends, n],
            f"{asked}, the last batch is reported twice.",
        )
        require(
            positions == ends,
            f"{asked}, the reports should come after {ends[:4]} …, not after "
            f"{positions[:4]}.",
        )
        means = torch.tensor([mean for _, mean in found])
        sums = torch.tensor([sum(part) for part in parts])
        lengths = torch.tensor([float(len(part)) for part in parts])

        def are(values, means=means):
            return torch.allclose(means, values, atol=1e-4)

        if are(sums / lengths):
            continue
        require(not are(sums), f"{asked}, the losses are added up, not averaged.")
        require(
            not are(sums / every),
            f"{asked}, the last mean is divided by {every}, and the last part has only "
            f"{len(parts[-1])} of them.",
        )
        require(
            not are(sums.cumsum(0) / lengths.cumsum(0)),
            f"{asked}, each mean reaches back to the first batch. Start again "
            "after each report, or the running loss lags behind.",
        )
        require(
            not are(sums.cumsum(0) / lengths),
            f"{asked}, the sum isn't set back to 0 after a report.",
        )
        require(False, f"{asked}, the means aren't those since the last report.")


@exercise(
    "ex-per-class",
    title="Accuracy by class, by hand",
    hints=(
        "you need two numbers for each class: how many images it has, and how many "
        "of those were answered right. `bincount` counts classes; which classes do you "
        "hand it?",
        "`truth[predicted == truth]` holds the classes of the right answers. Count "
        "those, and count all of `truth`. With `minlength=classes` both counts have "
        "the same length, and 0 / 0 gives NaN without any help.",
    ),
    shown="For each class, you count the right answers among its images. A class "
    "without images has no accuracy, and NaN says so.",
)
def per_class(class_accuracy):
    for trial in range(5):
        classes, n = random.randint(4, 9), random.randint(80, 120)
        # From the second trial on, the last class occurs in neither or in one.
        truth = torch.randint(classes - (trial > 0), (n,))
        truth[: classes - 1] = torch.arange(classes - 1)
        predicted = torch.randint(classes - (trial % 2), (n,))
        predicted = torch.where(torch.rand(n) < 0.5, truth, predicted)
        with explain_sizes(
            "Two counts of different lengths met: `bincount` stops at the largest "
            "number that occurs. `minlength` makes it longer.",
        ):
            found = call(class_accuracy, predicted, truth, classes)
        found = _tensor(found, "The result").float()
        require(
            found.shape == (classes,),
            f"For {classes} classes the result has the shape {tuple(found.shape)}. "
            "`bincount` stops at the largest number that occurs, unless `minlength` "
            "says otherwise.",
        )
        right = torch.stack(
            [(truth[predicted == truth] == c).sum() for c in range(classes)]
        )
        there = torch.stack([(truth == c).sum() for c in range(classes)])
        said = torch.stack([(predicted == c).sum() for c in range(classes)])
        expected = right / there

        def is_(value, found=found):
            return torch.allclose(found, value, atol=1e-5, equal_nan=True)

        if is_(expected):
            continue
        require(
            not is_(expected.nan_to_num(0)),
            "A class without images gets 0, as if all its images were wrong. "
            "0 of 0 is NaN.",
        )
        require(
            not is_(right / said) and not is_((right / said).nan_to_num(0)),
            "You divide by how often each class was *predicted*: that's precision. "
            "You want to know how many of its images were recognised.",
        )
        require(
            not is_(right / n),
            "You divide by the number of all images, not by those of the class.",
        )
        require(
            not is_((right // there.clamp(min=1)).float()),
            "`//` cuts off what follows the point, so nearly all accuracies are 0.",
        )
        require(
            not is_((right + n - there - said + right) / n),
            "Images of other classes that weren't taken for this one count as right, "
            "too. Look only at the images of the class.",
        )
        require(False, f"The accuracies should be {expected}, not {found}.")


@exercise(
    "ex-split",
    title="Equal shares",
    hints=(
        "go through the classes one at a time: `(labels == label).nonzero().flatten()` "
        "holds the indices of one class. Shuffle them with the generator, then cut.",
        "`torch.randperm(len(members), generator=generator)` gives you a random order "
        "in which to index `members`, the indices of one class. Cut at the rounded "
        "share of `len(members)`. Collect the pieces in two lists and join each list "
        "with `torch.cat` after the loop.",
    ),
    shown="Both parts have the same mixture of classes, share no index and lose none, "
    "and the seed of the generator decides who goes where.",
)
def split(stratified_split):
    for _ in range(4):
        classes = random.randint(5, 8)
        share = random.choice([0.2, 0.3, 0.37, 0.6])
        sizes = random.sample(range(40, 200), classes)
        while all(share * size % 1 < 0.55 for size in sizes):  # one is rounded up
            sizes = random.sample(range(40, 200), classes)
        labels = torch.arange(classes).repeat_interleave(torch.tensor(sizes))
        labels = labels[torch.randperm(len(labels))]
        seed = random.randrange(1000)

        def split_by(seed, labels=labels, share=share):
            torch.manual_seed(random.randint(10**7, 10**8))
            generator = torch.Generator().manual_seed(seed)
            parts = call(stratified_split, labels, share, generator)
            parts = _pair(parts, "two tensors of indices")
            with explain(
                (TypeError, ValueError, RuntimeError), "A part is not a tensor."
            ):
                parts = [torch.as_tensor(part).detach().cpu() for part in parts]
            require(
                all(part.ndim == 1 for part in parts),
                "The parts are not tensors of indices, of shape (M,).",
            )
            require(
                not any(
                    part.dtype == torch.bool or part.is_floating_point()
                    for part in parts
                ),
                "The parts are not indices, which are whole numbers.",
            )
            return [part.long() for part in parts]

        parts = split_by(seed)
        first, second = (part.tolist() for part in parts)
        everything = sorted(first + second)
        require(
            all(len(set(part)) == len(part) for part in (first, second)),
            "Some indices occur twice in a part. Are they indices into `labels`, not "
            "places within a class?",
        )
        require(
            not set(first) & set(second),
            "Some indices are in both parts: a validation set that shares images "
            "with the training set measures memory.",
        )
        require(
            everything == list(range(len(labels))),
            f"{len(labels) - len(everything)} of {len(labels)} samples are in no part, "
            "or an index does not exist.",
        )
        sizes = torch.tensor(sizes)
        counts = labels[parts[0]].bincount(minlength=classes)
        off = (counts - share * sizes).abs()
        worst = int(off.argmax())
        asked = (
            f"Class {worst} has {sizes[worst]} samples; with a share of {share}, "
            f"{counts[worst]} of them are in the first part"
        )
        require(
            ((sizes - counts - share * sizes).abs() >= 1).any(),
            f"{asked}, which is the share of the second.",
        )
        require(
            off[worst] < 1,
            f"{asked}. A share of all samples is not a share of each class.",
        )
        require(
            off[worst] <= 0.5 + 1e-4,
            f"{asked}. The nearest whole number is {round(share * int(sizes[worst]))}: "
            "round instead of cutting it off. (`train_test_split` may give another "
            "number, because it fixes the size of the whole part.)",
        )
        again, other = split_by(seed), split_by(seed + 1)
        require(
            all(map(torch.equal, parts, again)),
            "The same seed of the generator gives two different splits: do all draws "
            "use `generator`?",
        )
        require(
            set(other[0].tolist()) != set(first),
            "Another seed of the generator gives the same split: nothing is drawn at "
            "random, and the first samples of each class always go to the first part.",
        )


def _stopping(losses, patience):
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        elif epoch - best == patience:
            break
    return best + 1, epoch + 1


@exercise(
    "ex-patience",
    title="Patience",
    hints=(
        "go through the epochs and remember the best one so far. How many epochs ago "
        "was it?",
        "compare each loss with the *best* one so far, not with the one before. If "
        "it's smaller, this epoch is the new best. If not, and `epoch - best` has "
        "reached `patience`, you know both numbers and can return. Don't forget the "
        "case in which the list ends first.",
    ),
    shown="Patience counts epochs since the best one, not since the last bump. You "
    "never find out what would have come after the stop.",
)
def patience(stopping):
    cases = [
        (
            [3.0, 2.0, 1.0, 0.5],
            2,
            (3, 3),
            "the epochs are counted from 0; count from 1.",
        ),
        (
            [1.0, 2.0, 3.0, 4.0, 5.0],
            2,
            (1, 4),
            "it stops one epoch late: after epochs 2 and 3, two in a row were no "
            "better.",
        ),
        (
            [1.0, 2.0, 3.0, 4.0, 5.0],
            2,
            (1, 2),
            "it stops one epoch early: only one epoch was no better.",
        ),
        (
            [2.0, 1.0, 1.0, 1.0, 1.0],
            2,
            (5, 5),
            "a loss that equals the best one counts as better.",
        ),
        (
            [2.0, 1.0, 3.0, 3.0, 0.5],
            2,
            (5, 4),
            "the best epoch comes after the end of the training. What follows the stop "
            "was never trained.",
        ),
        (
            [2.0, 1.0, 3.0, 3.0, 3.0, 0.5],
            2,
            (6, 6),
            "it never stops: it takes the best epoch of the whole list. After epoch 4, "
            "two in a row were no better than epoch 2.",
        ),
        (
            [2.0, 1.0, 1.5, 1.2, 1.1, 0.5],
            3,
            (6, 6),
            "each epoch is compared with the one before it. Compare with the best.",
        ),
        (
            [2.0, 3.0, 1.0, 2.0, 0.5, 0.4],
            2,
            (3, 4),
            "the bad epochs are counted together, although a better one came between "
            "them; they have to be in a row.",
        ),
        ([1.0, 2.0], 5, None, ""),
    ]
    for _ in range(30):
        losses = [random.randint(1, 12) / 4 for _ in range(random.randint(2, 12))]
        cases.append((losses, random.randint(1, 4), None, ""))
    answers = []
    for losses, wait, wrong, misconception in cases:
        found = call(stopping, list(losses), wait)
        pair = _pair(found, "the best epoch, the last epoch")
        with explain((TypeError, ValueError), "The result is not a pair of numbers."):
            answers.append(tuple(int(epoch) for epoch in pair))
        asked = f"For the losses {losses} and a patience of {wait}"
        require(answers[-1] != wrong, f"{asked}, {misconception}")
    for (losses, wait, *_), found in zip(cases, answers, strict=True):
        expected = _stopping(losses, wait)
        asked = f"For the losses {losses} and a patience of {wait}"
        require(
            found != expected[::-1] or found == expected,
            f"{asked}, best and last epoch have changed places.",
        )
        require(found == expected, f"{asked}, it should be {expected}, not {found}.")


def _net():
    """Return the layers of the chapter's Net, by the names of its parameters."""
    return nn.ModuleDict(
        {
            "conv1": nn.Conv2d(3, 6, 5),
            "conv2": nn.Conv2d(6, 16, 5),
            "fc1": nn.Linear(400, 120),
            "fc2": nn.Linear(120, 84),
            "fc3": nn.Linear(84, 10),
        }
    )


def _logits(net, x):
    for name in ("conv1", "conv2"):
        x = F.max_pool2d(net[name](x).relu(), 2)
    x = net["fc2"](net["fc1"](x.flatten(1)).relu()).relu()
    return net["fc3"](x)


@exercise(
    "ex-devices",
    title="Every device you have",
    hints=(
        "the network and the images both go to the device `name`, and the logits come "
        "back with `.cpu()`.",
        "make a new `Net()`, move it with `.to(name)`, and call `load_state_dict`, "
        "which copies the numbers to wherever the network is. `images.to(name)` gives "
        "you the images on that device and leaves the originals where they are, so "
        "hand that to the model.",
    ),
    shown="The device is one argument, and nothing else in the code depends on it.",
)
def devices(logits_on):
    for name in available_devices() * 2:
        net, images = _net(), torch.randn(random.randint(2, 6), 3, 32, 32)
        parameters = {key: 3 * value for key, value in net.state_dict().items()}
        net.load_state_dict(parameters)
        with torch.inference_mode():
            expected = _logits(net, images)
        kept = {key: value.clone() for key, value in parameters.items()}
        pictures = images.clone()
        found = call_as_is(logits_on, name, parameters, images)
        require(
            torch.equal(images, pictures),
            "Your function changes the images that it's given.",
        )
        require(isinstance(found, torch.Tensor), "The result is not a tensor.")
        require(
            found.device.type == "cpu",
            f"On {name!r} the logits stay on the device; bring them back by `.cpu()`.",
        )
        require(
            found.shape == expected.shape,
            f"For {len(images)} images the result has the shape {tuple(found.shape)}, "
            f"not {tuple(expected.shape)}: one row of ten logits per image.",
        )
        probabilities = expected.softmax(dim=1)
        require(
            not torch.allclose(found.detach(), probabilities, atol=0.01),
            "These are probabilities; return the logits.",
        )
        require(
            torch.allclose(found.detach(), expected, atol=0.05, rtol=0.05),
            f"On {name!r} these aren't the logits of a `Net` with these parameters. A "
            "new network is random until you load them.",
        )
        require(
            all(torch.equal(parameters[key], kept[key]) for key in kept),
            "Your function changes the parameters that it's given.",
        )
    # A device that every machine has, and that is not the CPU: it holds no numbers.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = logits_on("meta", parameters, images)
        except NotImplementedError:  # there is nothing to bring back from it
            return
        except RuntimeError as error:
            require(
                "device" not in str(error) or "called on meta" in str(error),
                "With the device `meta`, network and images end up on two devices: "
                "both have to go to `name`, and `images.to(name)` is a copy.",
            )
            require(
                "called on meta" in str(error),
                f"On the device `meta` it stops with: {error}",
            )
            return
    require(
        not found.is_meta,
        "The logits stay on the device, as you would see with a GPU; bring them back "
        "by `.cpu()`.",
    )
    require(
        False,
        "On the device `meta`, which holds no numbers, your function still returns "
        "numbers: it computes somewhere else, whatever `name` says.",
    )


def _member():
    """Return a small network whose answers depend on its mode."""
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * 36, 5))
    nn.init.normal_(model[-1].weight, std=0.3)
    nn.init.uniform_(model[1].running_mean, -0.5, 0.5)
    return model


def _noting(modes):
    """Return a hook that notes whether a model is called in training mode."""
    return lambda model, *_: modes.append(model.training)


@exercise(
    "ex-ensemble",
    title="Two heads",
    hints=(
        "put each network into evaluation mode, take the softmax of its logits, and "
        "average over the networks. The loss is the negative logarithm of the "
        "probability that the right class gets, averaged over the images.",
        "`torch.stack` puts the probabilities of all networks into one tensor, and "
        "`mean(dim=0)` averages over the networks. `F.nll_loss` then computes the "
        "loss, but it expects logarithms, so take `log()` of the average first. "
        "`F.cross_entropy` would apply a second softmax.",
    ),
    shown="The loss of the averaged probabilities is never above the mean of the "
    "losses. For the accuracy, there's no such law.",
)
def ensemble(ensemble):
    for size in (2, 3):
        members = [_member() for _ in range(size)]
        n = random.randint(150, 200)
        x, y = torch.randn(n, 3, 8, 8), torch.randint(5, (n,))
        with torch.inference_mode():
            logits = torch.stack([model.eval()(x) for model in members])
        modes = []
        for model in members:
            model.train()
            model.register_forward_hook(_noting(modes))
        joint = logits.softmax(dim=2).mean(dim=0)
        right = joint[torch.arange(n), y]
        expected = [-right.log().mean(), (joint.argmax(dim=1) == y).float().mean()]
        result = call(ensemble, members, x, y)
        result = _pair(result, "the loss, the accuracy")
        with explain((TypeError, ValueError), "The result is not a pair of numbers."):
            loss, accuracy = (
                float(value.detach() if isinstance(value, torch.Tensor) else value)
                for value in result
            )
        fits = abs(loss - expected[0]) < 1e-3
        if fits and abs(accuracy - expected[1]) < 1e-4:
            continue
        each = torch.stack([F.cross_entropy(one, y) for one in logits])
        across = logits.softmax(dim=1).mean(dim=0)[torch.arange(n), y]
        named = [
            (
                F.cross_entropy(logits.mean(dim=0), y),
                "The logits are averaged. Take the softmax of each network first, and "
                "average the probabilities.",
            ),
            (
                F.cross_entropy(joint, y),
                "Softmax is applied twice: `F.cross_entropy` contains one, and the "
                "averaged probabilities have had theirs. `F.nll_loss` wants "
                "logarithms.",
            ),
            (
                each.mean(),
                "This is the mean of the losses of the networks, not the loss of their "
                "joint answer.",
            ),
            (
                -(size * right).log().mean(),
                "The probabilities are added up, so they sum to "
                f"{size}; an average sums to 1.",
            ),
            (
                -right.mean(),
                "The loss lacks the logarithm: `F.nll_loss` takes none itself.",
            ),
            (
                -across.log().mean(),
                "The softmax runs along the images (`dim=0`), so that they compete "
                "with each other.",
            ),
        ]
        for value, misconception in named:
            require(abs(loss - value) > 1e-3, misconception)
        require(
            fits or not any(modes),
            "The networks are in training mode, where Dropout draws and "
            "BatchNorm looks at the whole batch: call `eval()` on each.",
        )
        require(fits, f"The loss should be {expected[0]:.4f}, not {loss:.4f}.")
        require(
            abs(accuracy - 100 * expected[1]) > 1e-2,
            "The accuracy is a percentage; return a number from 0 to 1.",
        )
        alone = (logits.argmax(dim=2) == y).float().mean()
        require(
            abs(accuracy - alone) > 1e-4,
            "This is the mean of the accuracies of the networks, not the accuracy of "
            "their joint answer.",
        )
        require(False, f"The accuracy should be {expected[1]:.4f}, not {accuracy:.4f}.")
