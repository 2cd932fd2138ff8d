"""Checkers for the exercises: fastai in practice."""

import copy
import math
import random
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
import timm
import torch
from fastai.vision.all import CategoryBlock, DataBlock, ImageBlock, Learner, resnet18
from torch import nn

from helpers.device import get_device
from helpers.exercises import call, call_as_is, exercise, explain, require


@exercise(
    "ex-expect",
    title="How many images?",
    hints=(
        "the chance that n answers in a row are right is `accuracy**n`. What's left is "
        "the chance of at least one mistake.",
        "you want the smallest n for which `1 - accuracy**n` is at least `chance`. "
        "Start with n = 1 and count up in a `while` loop until it is.",
    ),
    shown="To be almost certain of seeing a mistake, you need about three times as "
    "many images as for one mistake on average.",
)
def expect(needed):
    for _ in range(6):
        _check_needed(needed, random.uniform(0.97, 0.99), random.uniform(0.8, 0.9))
    # Exactly this chance is enough.
    _check_needed(needed, 0.5, 1 - 0.5 ** random.randint(3, 6))


def _check_needed(needed, accuracy, chance):
    exact = math.log(1 - chance) / math.log(accuracy)
    expected = math.ceil(round(exact, 9))
    found = call(needed, accuracy, chance)
    with explain((TypeError, ValueError), "The result isn't a number."):
        found = float(found)
    asked = f"For an accuracy of {accuracy:.4g} and a chance of {chance:.4g} you need"
    if found == expected:
        return
    require(
        found == int(found),
        f"{asked} {found:.2f}, and but images come in whole numbers.",
    )
    wrong = {
        round(1 / (1 - accuracy)): "that many contain one mistake on average, and you "
        "may well see fewer",
        math.ceil(chance / (1 - accuracy)): "the chances of single mistakes don't "
        "add up, since a sample may have two of them",
        math.ceil(math.log(chance) / math.log(accuracy)): "with this chance, these "
        "hold no mistake at all, and you want at least one",
        math.ceil(math.log(1 - chance) / math.log(1 - accuracy)): "that's for "
        "not all of them being wrong, and you asked for not all of them being right",
        expected - 1: "one more is needed to reach the chance",
        expected + 1: "one fewer is enough, since exactly this chance will do",
    }
    reason = wrong.get(int(found), f"in fact it is {expected}")
    require(False, f"{asked} {found:.0f}: {reason}.")


@exercise(
    "ex-steep",
    title="The steepest descent",
    hints=(
        "`np.diff` gives the differences between neighbours, of the losses and of "
        "`np.log(lrs)`. Where the loss falls, the slope is negative.",
        "divide the one by the other and you have a slope for each pair of neighbours. "
        "The steepest fall is the *smallest* of them: `argmin` gives its position, and "
        "you want the rate at that position.",
    ),
    shown="On a logarithmic axis equal factors are equal steps, so the slope by the "
    "logarithm is what you see in the figure.",
)
def steep(steepest):
    for _ in range(5):
        # Three falls: an early one, a long and gentle one that has few points, the
        # steepest one; then the training diverges.
        shift = random.uniform(-0.5, 0.5)
        early, gentle, steepest_at, end = shift + np.array([-12.0, -7.5, -4.0, -1.0])
        grid = [
            np.arange(-14, gentle - 1.05, 0.08),
            np.arange(gentle - 1, gentle + 0.75, 0.5),
            np.arange(gentle + 1, 0, 0.05),
        ]
        logs = np.concatenate(grid)
        falls = [(early, 0.4, 0.3), (gentle, 1.0, 0.6), (steepest_at, 0.7, 0.15)]
        losses = 5 - sum(a / (1 + np.exp(-(logs - x) / w)) for x, a, w in falls)
        losses = losses + 6 / (1 + np.exp(-(logs - end) / 0.2))
        _check_steepest(steepest, logs, losses, steepest_at)


def _check_steepest(steepest, logs, losses, expected):
    lrs = np.exp(logs)
    found = call(steepest, lrs.copy(), losses.copy())
    with explain((TypeError, ValueError), "The result isn't a single rate."):
        found = float(found)

    def near(log):
        return found > 0 and abs(math.log(found) - log) < 0.15

    by_rate = logs[(np.diff(losses) / np.diff(lrs)).argmin()]
    largest_step = logs[np.diff(losses).argmin()]
    rising = logs[(np.diff(losses) / np.diff(logs)).argmax()]
    require(
        found not in range(len(logs)),
        f"The result is {found:.0f}, a position; return the rate at that position.",
    )
    require(
        not near(by_rate),
        "Divided by differences of the rate, tiny rates look steep, because they're so "
        "close together: divide by differences of the logarithm.",
    )
    require(
        not near(largest_step),
        "That's where the loss falls most from one point to the next. The points may "
        "be further apart there: divide by their distance.",
    )
    require(
        not near(logs[losses.argmin()]),
        "That's where the loss is smallest, not where it falls fastest.",
    )
    require(
        not near(rising),
        "That's where the loss rises fastest, because the training diverges. A fall is "
        "negative.",
    )
    require(
        near(expected),
        f"The result is a rate of {found:.1e}; the loss falls fastest at "
        f"{math.exp(expected):.1e}.",
    )


@exercise(
    "ex-confused",
    title="Most confused, by hand",
    hints=(
        "rows are true classes, columns are predictions. `np.argwhere` lists the "
        "places that aren't zero.",
        "loop over `np.argwhere(matrix).tolist()`: each entry is a row and a column, "
        "and the diagonal is still among them. The key of a dictionary has to be a "
        "tuple, such as `(row, column)`, because a list can't be one.",
    ),
    shown="The matrix without its diagonal is the list of all errors, and each pair "
    "has a direction.",
)
def confused(confused_pairs):
    for _ in range(4):
        n = random.randint(4, 8)
        matrix = np.random.default_rng().integers(1, 30, (n, n))
        # No count is that of the other direction, some are 1, some pairs never occur.
        matrix = np.where(np.tri(n, k=-1) > 0, 2 * matrix, 2 * matrix + 1)
        matrix[0, 1], matrix[n - 1, 0] = 1, 1
        zeros = random.sample([(0, n - 1), (n - 1, 1), (1, 2), (2, 1)], 3)
        for row, column in zeros:
            matrix[row, column] = 0
        expected = {
            (row, column): matrix[row, column]
            for row in range(n)
            for column in range(n)
            if row != column and matrix[row, column]
        }
        found = call(confused_pairs, matrix.copy())
        with explain(
            (TypeError, ValueError),
            "The result isn't a dictionary with pairs of positions as keys.",
        ):
            found = {(int(a), int(b)): int(c) for (a, b), c in dict(found).items()}
        require(
            not any(row == column for row, column in found),
            "The diagonal is among them: those are the right answers.",
        )
        require(
            0 not in found.values(),
            "Pairs that never occur are among them, with a count of 0.",
        )
        swapped = {(column, row): count for (row, column), count in expected.items()}
        require(
            found != swapped,
            "Each pair is the wrong way round: the true class, the row, comes first.",
        )
        missing = set(expected) - set(found)
        require(
            not missing or any(expected[pair] > 1 for pair in missing),
            "Pairs that occur only once are missing.",
        )
        require(
            not missing,
            f"{len(missing)} pairs are missing, such as {min(missing, default=None)}: "
            "a 4 called 9 and a 9 called 4 are two pairs.",
        )
        require(set(found) == set(expected), "Some pairs aren't in the matrix.")
        require(
            any(
                count != expected[pair] + matrix[pair[::-1]]
                for pair, count in found.items()
            ),
            "Each count contains the other direction too.",
        )
        require(found == expected, "Some counts aren't those of the matrix.")


@exercise(
    "ex-parity",
    title="A classifier of your own in ten lines",
    hints=(
        "use the ten statements of this chapter with another label function. "
        "`top_losses(9, items=True)` returns losses, positions and files.",
        "in the label function, `parent_label(file)` is text, so make it an `int` "
        "before you ask whether it's odd. Take every tenth file with `[::10]`, of the "
        'sorted files below `path / "training"`. For `wrong`, call `parent_label` on '
        "the files that come back from `top_losses`.",
    ),
    shown="Only the label function is new, and it alone decides what is learned.",
)
def parity(parity, wrong):
    require(isinstance(parity, Learner), "`parity` isn't a `Learner`.")
    train, valid = parity.dls.train_ds, parity.dls.valid_ds
    vocab = sorted(map(str, parity.dls.vocab))
    require(
        len(vocab) == 2,
        f"There are {len(vocab)} classes, such as {vocab[0]!r}: the label function has "
        "to turn a digit into one of two words.",
    )
    require(vocab == ["even", "odd"], f"The classes are called {' and '.join(vocab)}.")
    files = [Path(file) for file in (*train.items, *valid.items)]
    require(
        not any(file.parent.parent.name == "testing" for file in files),
        "It uses files of `testing`, and that folder is for the very end.",
    )
    require(
        not set(train.items) & set(valid.items),
        "Some images are in both the training set and the validation set.",
    )
    truth = [
        (int(Path(items[i]).parent.name) % 2, str(parity.dls.vocab[int(dataset[i][1])]))
        for dataset in (train, valid)
        for items in [dataset.items]
        for i in random.sample(range(len(items)), min(20, len(items)))
    ]
    right = [("even", "odd")[odd] == label for odd, label in truth]
    require(any(right), "The two words are the wrong way round.")
    require(
        all(right),
        f"{len(right) - sum(right)} of {len(right)} labels are wrong: the digit is the "
        "name of the file's folder.",
    )
    with parity.no_bar():
        # The losses are the learner's own, whatever its loss function is.
        outputs, targets, losses = parity.get_preds(with_loss=True)
    share = (outputs.argmax(dim=1) == targets).float().mean().item()
    # The optimizer is made when a training begins.
    require(
        share > 0.6 or parity.opt is not None,
        "`parity` has not been trained yet.",
    )
    require(
        share > 0.6,
        f"{share:.0%} of the validation images are right, hardly more than by luck.",
    )
    _check_wrong(wrong, losses.flatten(), valid.items)


def _check_wrong(wrong, losses, files):
    digits = [str(int(one)) if hasattr(one, "item") else str(one) for one in wrong]
    require(
        not set(digits) & {"odd", "even"},
        "`wrong` has names of the two classes; you want to know which digits they are.",
    )
    other = [text for text in digits if text not in set("0123456789")]
    require(
        not other,
        f"`wrong` holds {', '.join(other[:1])}, which isn't a digit: with `items=True` "
        "`top_losses` returns the files too, and a file's folder is its digit.",
    )
    require(len(digits) == 9, f"`wrong` has {len(digits)} entries, not 9.")
    found = Counter(digits)
    order = losses.argsort(descending=True)
    best, largest = (
        Counter(Path(files[i]).parent.name for i in order[part].tolist())
        for part in (slice(-9, None), slice(9))
    )
    # Which of two equal losses comes first is a matter of the last bits.
    last = losses[order[8]]
    near = (losses - last).abs() <= 1e-3 * last
    sure, possible = (
        Counter(Path(files[i]).parent.name for i in some.nonzero().flatten().tolist())
        for some in ((losses > last) & ~near, (losses > last) | near)
    )
    require(
        found != best or found == largest,
        "These are the nine best answers, the ones with the smallest losses.",
    )
    require(
        sure <= found <= possible,
        "`wrong` doesn't list the digits of the nine validation images with the "
        "largest losses.",
    )


def _images(size):
    """Make loaders of coloured noise, so that nothing has to be read."""
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_x=lambda _: np.random.default_rng().integers(0, 255, (size, size, 3), "u1"),
        get_y=lambda item: item % 2,
    )
    options = {"bs": 4, "num_workers": 0, "device": get_device()}
    return block.dataloaders(list(range(10)), **options)


@exercise(
    "ex-architecture",
    title="Another architecture",
    hints=(
        "`learner.model` has two parts, body and head. `dls.one_batch()` gives you "
        "images to try the first one on.",
        "`vision_learner(dls, arch, pretrained=False)` builds the network, and "
        "`learner.model[0]` is its body. Move it to `device`, where the batch is, run "
        "it on the images without gradients, and drop the first number of the shape "
        "that comes out.",
    ),
    shown="The number of channels comes from the architecture, height and width from "
    "the images: most networks for photos halve them five times.",
)
def architecture(features):
    sizes = {size: _images(size) for size in random.sample([40, 64, 96], 2)}
    channels = {"test_resnet": None, "test_efficientnet": None, resnet18: 512}
    asked = [(size, random.choice(list(channels)[:2])) for size in sizes]
    asked.append((asked[0][0], resnet18))
    if asked[1][1] == "test_resnet":
        asked[0] = (asked[0][0], "test_efficientnet")
    found = {}
    for size, arch in asked:
        try:
            shape = call(features, sizes[size], arch)
        except (ValueError, AssertionError, IndexError, RuntimeError) as error:
            where = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
            require(
                not {"torch", "timm", "torchvision"} & set(where.parts),
                "The body can't take what you gave it: it wants a batch of images, "
                "even if there's only one.",
            )
            raise
        with explain(TypeError, "The result isn't a tuple of numbers."):
            found[size, arch] = tuple(int(number) for number in shape)
    for (size, arch), shape in found.items():
        name = getattr(arch, "__name__", arch)
        text = f"For {name} and images of {size} by {size} the result is {shape}"
        wide = channels[arch] or timm.create_model(arch, num_classes=0).num_features
        expected = wide, -(-size // 32), -(-size // 32)
        require(len(shape) != 4, f"{text}: the number of images in the batch is in it.")
        require(
            shape != (2,),
            f"{text}: that's what the whole network returns, head included.",
        )
        require(
            shape != expected[1:], f"{text}: the number of feature maps is missing."
        )
        require(len(shape) == 3, f"{text}, and not three numbers.")
        require(
            shape[0] == wide,
            f"{text}, but its body has {wide} feature maps: is the network the one "
            "that came as the argument `arch`?",
        )
        require(
            shape == expected,
            f"{text}, not {expected}: do the images come from `dls`?",
        )


class _Classifier(nn.Sequential):
    """A body and a head, as `vision_learner` builds them."""

    def __init__(self):
        body = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.Tanh())
        pool = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.5))
        head = nn.Sequential(*pool, nn.Linear(24, 8), nn.Tanh(), nn.Linear(8, 4))
        super().__init__(body, head)


@exercise(
    "ex-cam",
    title="Where does it look, by gradient",
    hints=(
        "inside the `with` of the hook, run the model once. Then differentiate the "
        "largest logit with respect to `hook.stored`.",
        "`hook_output(model[0], detach=False)` keeps the maps in the graph. "
        "`torch.autograd.grad(score, maps)` returns a tuple with a single gradient in "
        "it. Its mean over height and width is one weight per map; with `keepdim=True` "
        "you can multiply it with the maps directly, and add up over the channels.",
    ),
    shown="A hook and one gradient are all it takes, for any convolutional network, "
    "and no hook is left behind.",
)
def cam(grad_cam):
    for _ in range(3):
        model, x = _case()
        own, given = copy.deepcopy(model), x.clone()
        model.train()
        try:
            found = call_as_is(grad_cam, model, given)
        except RuntimeError as error:
            require(
                not any(text in str(error) for text in CUT),
                "There's no gradient with respect to the feature maps: they were cut "
                "off from the graph. fastai's hook detaches unless you tell it not to.",
            )
            raise
        hooks = [
            len(getattr(part, kind))
            for part in model.modules()
            for kind in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
        ]
        require(
            not any(hooks),
            f"Hooks left in the model: {sum(hooks)}. Every later call runs them.",
        )
        require(isinstance(found, torch.Tensor), "The result isn't a tensor.")
        require(
            not found.requires_grad,
            "The map is still part of the graph: detach it, or it can't be drawn.",
        )
        _check_map(found.cpu(), own, x, training=model.training)


# What PyTorch says where there is no way back from the logits to the maps.
CUT = "does not require grad", "not have been used", "unreachable"


def _case():
    """Draw a model whose maps tell the misconceptions apart."""
    while True:
        model = _Classifier().to(get_device()).eval()
        x = torch.randn(1, 3, *random.sample(range(14, 24), 2)).to(get_device())
        maps = model[0](x).detach()
        right = _map(model, maps, torch.max)
        clear = 0.2 * right.abs().max()
        both_signs = (right > clear).any() and (right < -clear).any()
        if model(x).argmax() != 0 and both_signs:
            return model, x


def _map(model, maps, choose, *, local=False):
    """Weigh the feature maps by the gradient of a score of the logits."""
    maps = maps.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(choose(model[1](maps)), maps)
    weights = gradient if local else gradient.mean(dim=(2, 3), keepdim=True)
    return (weights * maps).sum(dim=1).detach().cpu()


def _check_map(found, model, x, training):
    maps = model[0](x).detach()
    right = _map(model, maps, torch.max)
    require(
        found.shape == right.shape,
        f"From feature maps of shape {tuple(maps.shape)} the result has the shape "
        f"{tuple(found.shape)}, not {tuple(right.shape)}.",
    )
    require(
        (found >= 0).all(),
        "Some numbers are negative. Set to 0 what speaks against the answer.",
    )

    def same(other):
        return torch.allclose(found, other.relu(), atol=1e-5, rtol=1e-3)

    if same(right):
        return
    require(
        not same(_map(model, maps, torch.max, local=True)),
        "Each place has a weight of its own. Each feature map gets one, the mean of "
        "its gradient.",
    )
    require(
        not same(right / maps.shape[1]),
        "The maps are averaged over the channels, not added up.",
    )
    require(
        not same(_map(model, maps, lambda logits: logits.softmax(dim=1).max())),
        "That's the gradient of a probability, which fades where an answer is sure. "
        "Take the logit.",
    )
    require(
        not same(_map(model, maps, torch.sum)),
        "That's the gradient of the sum of all logits; take only the largest one.",
    )
    require(
        not same(_map(model, maps, lambda logits: logits[0, 0])),
        "That's the gradient of the first logit, whichever class wins.",
    )
    require(
        not training,
        "The model is in training mode, so dropout was at work: another call gives "
        "another map.",
    )
    require(False, "The numbers aren't those of Grad-CAM.")


REASONS = {
    "A": "`fine_tune(1)` trains two epochs, a frozen one and another one",
    "B": "the two differ in what was trained, and a random body that stays frozen "
    "stays random",
    "C": "what goes into the two networks differs as well",
    "D": "many images that neither has seen, the same for both, are what a comparison "
    "needs",
    "E": "the two were measured on different images, and on few of them",
    "F": "the rates differ as well",
    "G": "the same order of the batches favours neither of them",
    "H": "with thirteen images, that much can be luck",
}


@exercise(
    "ex-plan",
    title="Plan a comparison",
    hints=(
        "a comparison is fair if only one thing differs. In which of these is there a "
        "second difference, or a gap that could be luck?",
        "go through them one by one: what did the two networks get, and was it the "
        "same? Two of the eight say that something was done well.",
    ),
    shown="Budget, frozen layers, normalisation, images, rate and luck: six doubts, "
    "each of which you can settle with another run.",
)
def plan(doubts):
    named = {str(letter).strip().upper() for letter in doubts}
    require(
        named <= set(REASONS),
        f"{min(named - set(REASONS), default='')!r} isn't one of the letters.",
    )
    sound = {"D", "G"}
    for letter in sorted(named & sound):
        require(False, f"{letter} isn't a reason for doubt: {REASONS[letter]}.")
    for letter in sorted(set(REASONS) - sound - named):
        require(False, f"{letter} leaves another explanation: {REASONS[letter]}.")
