"""Checkers for the exercises: convolutional networks."""

import math
import operator
import random
from itertools import permutations

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import TensorDataset

from helpers.exercises import call, exercise, explain, require

from .behaviour import explain_sizes, number_of, operators, outputs_of, tensor_of


def _layers(model):
    """Return weights, and their biases in the same order, whatever they are called."""
    values = [one.detach().cpu() for one in model.parameters()]
    return (
        [one for one in values if one.ndim > 1],
        [one for one in values if one.ndim == 1],
    )


def _is_tiny_vgg(model, padding, modes=(False,)):
    """Tell whether a model of 10 channels computes what TinyVGG does, in these modes.

    Its layers may have been registered in any order.
    """
    weights, biases = _layers(model)
    first = [one for one in weights if one.shape == (10, 1, 3, 3)]
    rest = [one for one in weights if one.shape == (10, 10, 3, 3)]
    last = [one for one in weights if one.ndim == 2]
    counts = [len(part) for part in (first, rest, last, weights, biases)]
    if counts != [1, 3, 1, 5, 5] or any(one.shape != (10,) for one in biases):
        return False
    pairs = dict(zip(map(id, weights), biases, strict=True))
    x = torch.rand(4, 1, 28, 28)
    before = model.training
    found = []
    for mode in modes:
        model.train(mode)
        with torch.no_grad():
            found.append(model(x.to(next(model.parameters()).device)).cpu())
    model.train(before)
    for convolutions in permutations(rest):
        y = x
        for number, weight in enumerate([*first, *convolutions]):
            y = F.conv2d(y, weight, pairs[id(weight)], padding=padding).relu()
            y = F.max_pool2d(y, 2) if number % 2 else y
        y = F.linear(y.flatten(1), last[0], pairs[id(last[0])])
        if all(torch.allclose(one, y, atol=1e-4) for one in found):
            return True
    return False


def _require_free_logits(name, model):
    """Refuse a classifier that ends in a softmax or a ReLU."""
    logits = outputs_of(model, 10 * torch.randn(64, 1, 28, 28))
    require(
        (logits.sum(dim=1) - 1).abs().max() > 1e-4,
        f"{name} ends in a softmax. The loss contains it; the last layer of a "
        "classifier is linear.",
    )
    require(
        (logits < 0).any(),
        f"No logit of {name} is ever below zero: is there a ReLU after the last layer?",
    )


def _require_one_answer(name, model):
    """Refuse a model that is not sure of its answer in evaluation mode."""
    x = torch.randn(8, 1, 28, 28)
    require(
        torch.allclose(outputs_of(model, x), outputs_of(model, x), atol=1e-4),
        f"{name} gives two different answers for the same images, in evaluation mode "
        "too. A function such as `F.dropout` doesn't know the mode by itself: pass "
        "`training=self.training`.",
    )


@exercise(
    "ex-output-size",
    title="Valid and same",
    hints=(
        "with stride 1 the output has n + 2p - k + 1 places per side. For which p is "
        "that n? And to catch a message, write `try: … except … as error:`.",
        "set n + 2p - k + 1 equal to n, solve for p, and divide by `//`, so that the "
        "result is a whole number. For `refusal`, build a `Conv2d` with `stride=2` and "
        '`padding="same"` inside the `try`: it raises a `ValueError` right away, and '
        "`str(error)` is its message.",
    ),
    shown="For an odd kernel, `'same'` means half the kernel, rounded down, at each "
    "end; with a stride above 1 PyTorch refuses the word.",
)
def output_size(same_padding, refusal):
    for kernel in (1, 3, 5, 7, 2 * random.randint(4, 8) + 1):
        found = call(same_padding, kernel)
        require(
            not isinstance(found, float),
            f"For a kernel of {kernel} the result is {found!r}, and a layer wants a "
            "whole number: divide by `//`.",
        )
        with explain((TypeError, ValueError), "The result isn't one whole number."):
            found = int(found)
        require(
            kernel == 1 or found != kernel - 1,
            f"{kernel - 1} is what a kernel of {kernel} loses in all; padding is added "
            "at *both* ends.",
        )
        require(found != -1, "A kernel of 1 needs no padding, and none can be below 0.")
        side = 28 + 2 * found - kernel + 1
        require(
            side == 28,
            f"A padding of {found} for a kernel of {kernel} makes 28 pixels {side}.",
        )
    try:
        nn.Conv2d(1, 1, 3, stride=2, padding="same")
    except ValueError as error:
        said = str(error)
    try:
        nn.Conv2d(1, 1, 3, padding="Same")
    except ValueError as error:
        other = str(error)
    refusal = str(refusal).strip()
    require(
        refusal != other and "Invalid padding" not in refusal,
        "PyTorch doesn't know that word: it's `'same'`, in small letters.",
    )
    require(
        len(refusal) > 15 and refusal in f"ValueError: {said}",
        "`refusal` isn't what PyTorch says to `padding='same'` with `stride=2`. Make "
        "such a layer, and catch the error as `error`: its message is `str(error)`.",
    )


@exercise(
    "ex-settings",
    title="Other settings",
    hints=(
        "use the formula from the section on the size of the output twice: for the "
        "height, with the first number of each pair, and for the width, with the "
        "second.",
        "start from `n, c, h, w = shape`. N stays, and C becomes `layer.out_channels`. "
        "For the height, call `output_size` from that section with h and with the "
        "numbers at index 0 of `layer.kernel_size`, `layer.stride` and "
        "`layer.padding`; the width works the same with index 1.",
    ),
    shown="The number of images stays the same, each filter gives a channel, and "
    "each side follows the same formula with its own numbers.",
)
def settings(conv_shape):
    wrong, tried = None, []
    for trial in range(30):
        kernel = [random.randint(1, 5) for _ in range(2)]
        stride = [random.randint(1, 3) for _ in range(2)]
        padding = [random.randint(0, 2) for _ in range(2)]
        if trial < 3:
            kernel, stride, padding = kernel[0], stride[0], padding[0]
        inputs, outputs = random.randint(1, 3), random.randint(4, 6)
        layer = nn.Conv2d(inputs, outputs, kernel, stride, padding)
        x = torch.zeros(random.randint(1, 3), inputs, *random.sample(range(8, 20), 2))
        expected = tuple(layer(x).shape)
        with operators() as ran:
            found = call(conv_shape, layer, x.shape)
        require(
            not any("conv" in name for name in ran),
            "You ran the layer. That's a good way to check the answer; here, compute "
            "the shape from the settings.",
        )
        with explain(TypeError, "The result isn't a tuple of four numbers."):
            found = tuple(found)
        require(len(found) == 4, "The result isn't a tuple of four numbers.")
        with explain(
            TypeError,
            f"The result {found} has something in it that isn't a whole number: "
            "divide by `//`.",
        ):
            found = tuple(operator.index(side) for side in found)
        said = (
            f"`kernel_size={layer.kernel_size}, stride={layer.stride}, "
            f"padding={layer.padding}` and an input of {tuple(x.shape)}"
        )
        require(found[0] == expected[0], f"For {said}, the number of images changed.")
        require(
            found[1] == expected[1],
            f"For {said}, there are {found[1]} channels; each of the {outputs} filters "
            "gives one.",
        )
        sizes = (x.shape[2:], layer.kernel_size, layer.stride, layer.padding)
        rows = list(zip(*sizes, strict=True))
        first = [(n, *rows[0][1:]) for n, *_ in rows]
        mistakes = {
            "each side is one too small: the first window counts, too.": [
                (n + 2 * p - k) // s for n, k, s, p in rows
            ],
            "height and width have changed places.": expected[:1:-1],
            "the height is right and the width isn't: it has its own kernel size, "
            "stride and padding, the second number of each pair.": [
                (n + 2 * p - k) // s + 1 for n, k, s, p in first
            ],
            "the padding is counted once, but it's added at both ends.": [
                (n + p - k) // s + 1 for n, k, s, p in rows
            ],
        }
        tried.append({m for m, sides in mistakes.items() if found[2:] == tuple(sides)})
        if found != expected and not wrong:
            wrong = f"For {said}, the sides are not {found[2]} and {found[3]}"
    # One layer fits several mistakes; all thirty fit one at most.
    for mistake in set.intersection(*tried):
        require(not wrong, f"{wrong}: {mistake}")
    require(not wrong, f"{wrong}. Is it rounded down, and after the division?")


@exercise(
    "ex-avgpool",
    title="Average pooling",
    hints=(
        "split each side of the image into two axes: `h // 2` windows, and 2 rows in "
        "each. For the convolution, use four equal weights, and look up `groups`.",
        "in the `reshape`, each new axis of length 2 comes right after the axis that "
        "you cut it from: `(n, c, h // 2, 2, …)`. Take the mean over both of them. For "
        "the convolution, with as many `groups` as channels each filter sees one "
        "channel, so the weights have the shape `(c, 1, 2, 2)`; and windows that don't "
        "overlap need a stride as long as the window.",
    ),
    shown="Average pooling is a convolution with fixed weights, a stride as long as "
    "its window, and each channel by itself.",
)
def avgpool(average_pool, average_by_convolution):
    names = ("`average_pool`", "`average_by_convolution`")
    for name, function in zip(
        names, (average_pool, average_by_convolution), strict=True
    ):
        for channels in (1, 3, random.randint(4, 6)):
            n, h, w = (random.randint(2, 5) for _ in range(3))
            x = torch.randn(n, channels, 2 * h, 2 * w + 2)
            expected = F.avg_pool2d(x, 2)
            stops = (
                f"{name} stops for {channels} channels. The weight of a convolution "
                "has the shape (filters, channels that each filter sees, 2, 2), and "
                "with `groups=channels` each filter sees one."
            )
            if function is average_pool:
                stops = (
                    f"{name} stops for an input of shape {tuple(x.shape)}: the sizes "
                    "in a `reshape` multiply to as many numbers as there are."
                )
            with explain_sizes(stops), operators() as ran:
                found = call(function, x)
            found = tensor_of(found, f"What {name} returns")
            asked = f"For an input of shape {tuple(x.shape)}, {name}"
            require(
                found.shape != F.avg_pool2d(x, 2, stride=1).shape,
                f"{asked} gives {tuple(found.shape)}: the windows overlap. The stride "
                "of a pooling is as long as its window.",
            )
            require(
                found.shape == expected.shape,
                f"{asked} gives {tuple(found.shape)}, not {tuple(expected.shape)}.",
            )
            convolved = any("conv" in name for name in ran)
            if torch.allclose(found, expected, atol=1e-5):
                require(
                    not any("pool" in name or "upsample" in name for name in ran),
                    f"{name} is right, but a pooling of PyTorch computed it. Build it "
                    "yourself.",
                )
                require(
                    convolved or function is average_pool,
                    f"{name} is right, but there is no convolution in it.",
                )
                require(
                    not convolved or function is average_by_convolution,
                    f"{name} is right, but a convolution computed it; that is the "
                    "second function.",
                )
                continue
            require(
                not torch.allclose(found, F.max_pool2d(x, 2), atol=1e-5),
                f"{name} gives the largest number of each window, not the mean.",
            )
            require(
                not torch.allclose(found, 4 * expected, atol=1e-4),
                f"{name} gives four times the mean, the sum of each window.",
            )
            mixed = expected.mean(dim=1, keepdim=True).expand_as(expected)
            require(
                not torch.allclose(found, mixed, atol=1e-5)
                and not torch.allclose(found, channels * mixed, atol=1e-4),
                f"{name} mixes the channels: all maps are alike. Pooling treats each "
                "channel on its own.",
            )
            require(
                False,
                f"{asked} averages numbers that are not neighbours. In a `reshape` the "
                "new axis of length 2 comes right *after* the axis it was cut from.",
            )


@exercise(
    "ex-no-padding",
    title="TinyVGG without padding",
    hints=(
        "an unpadded convolution with a kernel of 3 makes each side two pixels "
        "shorter, and a block has two of them. The pooling after them halves the side "
        "and rounds down.",
        "follow `side` through one block, two convolutions and then a pooling, and do "
        "the same again for the second block. What reaches the linear layer is "
        "`hidden` maps, each with height *and* width. For `unpadded`, write the blocks "
        "of `TinyVGG` again without `padding=1`, and give the last layer "
        "`flat_size(28, 10)` inputs.",
    ),
    shown="Without padding 28 pixels become 4, so the linear layer gets 160 numbers "
    "where TinyVGG with padding has 490.",
)
def no_padding(flat_size, unpadded):
    # Sides that no pooling of the network divides, and one that both do.
    for side in (*random.sample(range(19, 80, 4), 6), 28):
        last = ((side - 4) // 2 - 4) // 2
        # More channels than a map has rows, so that neither is taken for the other.
        hidden = last + random.randint(2, 9)
        found = call(flat_size, side, hidden)
        expected = hidden * last**2
        asked = f"For images of {side} by {side} and {hidden} channels"
        found = number_of(found, "The result of `flat_size`")
        if found == expected:
            continue
        require(
            found != hidden * (side // 4) ** 2,
            f"{asked}, {found:g} is right *with* padding 1.",
        )
        require(
            found != hidden * (((side - 2) // 2 - 2) // 2) ** 2,
            f"{asked}, {found:g} counts one convolution per block, and there are two.",
        )
        require(
            found != last**2,
            f"{asked}, {found:g} is the size of one map; there are {hidden} of them.",
        )
        require(
            found != hidden * last,
            f"{asked}, {found:g} counts one side only; a map has height and width.",
        )
        require(
            int(found) != int(hidden * (((side - 4) / 2 - 4) / 2) ** 2),
            f"{asked}, {found:g} comes from half pixels: a pooling rounds an odd side "
            "down.",
        )
        require(False, f"{asked}, {expected} numbers arrive, not {found:g}.")
    require(isinstance(unpadded, nn.Module), "`unpadded` isn't a module.")
    with explain_sizes(
        "`unpadded` stops at grey images of shape (N, 1, 28, 28). The error names "
        "two shapes: compare what arrives at the linear layer with `flat_size(28, "
        "10)`.",
    ):
        logits = outputs_of(unpadded, torch.rand(3, 1, 28, 28))
    require(
        logits.shape == (3, 10),
        f"For 3 images `unpadded` gives the shape {tuple(logits.shape)}; ten logits "
        "per image are (3, 10).",
    )
    _require_one_answer("`unpadded`", unpadded)
    _require_free_logits("`unpadded`", unpadded)
    # What it computes decides; its modules only tell what to say when that is wrong.
    if _is_tiny_vgg(unpadded, padding=0, modes=(False, True)):
        return
    layers = list(unpadded.modules())
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    require(
        all(layer.padding in {(0, 0), "valid"} for layer in convolutions),
        "A convolution of `unpadded` has padding.",
    )
    require(
        len(convolutions) == 4
        and all(layer.kernel_size == (3, 3) for layer in convolutions),
        "TinyVGG has four convolutions with kernels of 3, two in each block.",
    )
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    require(
        len(linear) == 1 and linear[0].in_features == 160,
        "TinyVGG has one linear layer, and `flat_size(28, 10)` numbers arrive at it.",
    )
    require(
        False,
        "The layers have the right sizes, and yet `unpadded` computes something else "
        "than TinyVGG without padding: twice convolution, ReLU, convolution, ReLU, "
        "max pooling; then the linear layer.",
    )


@exercise(
    "ex-similar",
    title="The model, or the images?",
    hints=(
        "`images[labels == index].mean(dim=0)` is the mean image of one class. "
        "Stack these, and only then subtract.",
        "once the means are stacked, `means - means[reference]` has the shape "
        "`(classes, 1, H, W)`. Square it, take the mean over every axis but the first, "
        "and the root at the very end.",
    ),
    shown="Your function measures likeness without any model. Now see which classes "
    "are nearest to shirts, and whether the model mixes up the same ones.",
)
def similar(mean_distances):
    for _ in range(4):
        classes, n = random.randint(3, 9), random.randint(60, 90)
        h, w = random.randint(3, 6), random.randint(7, 9)
        labels = torch.cat([torch.arange(classes), torch.randint(classes, (n,))])
        labels = labels[torch.randperm(len(labels))]
        images = torch.rand(classes, 1, h, w)[labels] + torch.rand(len(labels), 1, h, w)
        one = random.randrange(classes)
        groups = [images[labels == index] for index in range(classes)]
        means = torch.stack([group.mean(dim=0) for group in groups])
        difference = (means - means[one]).flatten(1)
        square = difference.square()
        expected = square.mean(dim=1).sqrt()
        found = tensor_of(call(mean_distances, images, labels, one), "The result")
        require(
            found.shape == (classes,),
            f"For {classes} classes the result has the shape {tuple(found.shape)}; one "
            "number per class is a shape of (C,).",
        )
        found = found.float()
        if torch.allclose(found, expected, atol=1e-4):
            continue
        target = means[one]
        each = [
            (group - target).square().mean((1, 2, 3)).sqrt().mean() for group in groups
        ]
        named = [
            (
                square.mean(dim=1),
                "These are mean squares: the root is missing.",
            ),
            (
                square.sum(dim=1).sqrt(),
                "The squares are added up; take their mean, which doesn't grow with "
                "the number of pixels.",
            ),
            (
                difference.abs().mean(dim=1),
                "This is the mean absolute difference, not the root of the mean "
                "square.",
            ),
            (
                difference.mean(dim=1).abs(),
                "The differences are averaged before they're squared, so brighter and "
                "darker pixels cancel.",
            ),
            (
                torch.stack(each),
                "This is the mean distance of the *single* images. Average the "
                "images of a class first.",
            ),
        ]
        for value, misconception in named:
            require(not torch.allclose(found, value, atol=1e-4), misconception)
        require(
            abs(found[one]) < 1e-4,
            f"The distance of class {one} to itself is {found[one].item():.3f}: do you "
            "use `reference`?",
        )
        require(False, f"The distances to class {one} aren't right.")


class _Witness(nn.Module):
    """A small model that notes which samples it sees in which mode.

    The first pixel of a sample is its mark: below 1 for training, else validation.
    Its dropout follows a generator of its own, so that a training can be repeated.
    """

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 3, 5, stride=5), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten()
        )
        self.last = nn.Linear(3 * 5 * 5, 10)
        self.first = {name: one.clone() for name, one in self.state_dict().items()}
        self.generator = torch.Generator().manual_seed(0)
        self.seen, self.careless = [], 0

    def forward(self, x):
        hidden = self.layers(x)
        if self.training:
            of_valid = int((x[:, 0, 0, 0] >= 1).sum())
            self.seen.append((x.detach().cpu().clone(), torch.is_grad_enabled()))
            self.careless += of_valid * (not torch.is_grad_enabled())
            kept = torch.rand(hidden.shape, generator=self.generator) < 0.5
            hidden = 2 * hidden * kept.to(x.device)
        return self.last(hidden)


def _repeated(witness, learn, zero_grad=True):
    """Train a twin of a witness on the same batches of `learn`, by SGD at 0.1."""
    twin = _Witness()
    twin.load_state_dict(witness.first)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    images, labels = learn
    for x, with_gradients in witness.seen:
        same = x[:, 0, 0, 0, None] == images[:, 0, 0, 0]
        if not (with_gradients and same.any(dim=1).all()):
            with torch.no_grad():
                twin(x)
            continue
        if zero_grad:
            optimizer.zero_grad()
        F.cross_entropy(twin(x), labels[same.int().argmax(dim=1)]).backward()
        optimizer.step()
    return twin


def _alike(model, other):
    """Tell whether two models have the same parameters, up to rounding."""
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    return all(torch.allclose(a.cpu(), b.cpu(), atol=1e-4) for a, b in pairs)


def _marked(n, low):
    images, labels = torch.rand(n, 1, 28, 28), torch.randint(10, (n,))
    images[torch.arange(n), 0, 0, 0] = low + torch.rand(n) / 2
    return TensorDataset(images + labels[:, None, None, None] / 100, labels)


@exercise(
    "ex-improve",
    title="A change, measured",
    hints=(
        "your version can be a subclass of `TinyVGG` that replaces `block` and nothing "
        "else. And `validation_loss` is almost `train_at` from this chapter, with "
        "`build()` for the model and one epoch instead of three.",
        "in `validation_loss` the order matters: first `torch.manual_seed(42)`, then "
        "`build()`, then the optimizer, which needs the parameters of that model. One "
        "call of `train_step` is one epoch. `test_step` on `valid` returns the loss "
        "first and the metric second.",
    ),
    shown="Same seed, same training, and judged by images that took no part in it, so "
    "you can compare the two losses, whichever is lower.",
)
def improve(build_improved, validation_loss):
    model = call(build_improved)
    require(isinstance(model, nn.Module), "`build_improved()` doesn't return a model.")
    with explain_sizes(
        "The model of `build_improved` stops at images of shape (N, 1, 28, 28). "
        "Compare what arrives at the linear layer with what it was built for.",
    ):
        logits = outputs_of(model, torch.rand(4, 1, 28, 28))
    require(
        logits.shape == (4, 10),
        f"For 4 images the model of `build_improved` gives {tuple(logits.shape)}, "
        "not ten logits per image.",
    )
    _require_one_answer("The model of `build_improved`", model)
    _require_free_logits("the model of `build_improved`", model)
    require(
        not _is_tiny_vgg(model, padding=1, modes=(False, True)),
        "With the same weights, the model of `build_improved` computes what TinyVGG "
        "computes, so nothing has changed.",
    )
    require(
        call(build_improved) is not model,
        "`build_improved` returns the same model twice, and it has to make a new one.",
    )

    built = []

    def build():
        built.append(_Witness())
        return built[-1]

    learn, valid = _marked(130, 0.0), _marked(530, 1.0)
    # Brighter at the end: a short last batch has another loss than the others.
    valid.tensors[0][500:] *= 10
    kept = [[one.clone() for one in part.tensors] for part in (learn, valid)]
    losses = []
    for _ in range(2):
        torch.manual_seed(random.randint(10**7, 10**8))
        loss = call(validation_loss, build, learn, valid)
        losses.append(number_of(loss, "What `validation_loss` returns"))
    require(
        len(built) == 2,
        f"In two calls of `validation_loss`, `build` was called {len(built)} times: a "
        "call trains one new model, the one that `build` returns.",
    )
    first, second = built
    require(
        all(torch.equal(one, second.first[name]) for name, one in first.first.items()),
        "Two calls start from different weights, so the comparison is partly luck: set "
        "the seed in the function, before `build()`.",
    )
    twin = _repeated(first, kept[0])
    marks = [x[:, 0, 0, 0] for x, with_gradients in first.seen if with_gradients]
    marks = torch.cat([torch.empty(0), *marks])
    leaked = bool((marks >= 1).any())
    trained = marks[marks < 1]
    require(
        not leaked or _alike(first, twin),
        "The model was trained on images of `valid`, which are there to judge it.",
    )
    require(
        len(trained),
        "The model wasn't trained in training mode.",
    )
    require(
        65 <= len(trained) <= 130 and len(trained.unique()) == len(trained),
        f"In one epoch on {len(learn)} images, the model was trained on "
        f"{len(trained)}.",
    )
    require(
        max(
            (first.first[name] - one.detach().cpu()).abs().max()
            for name, one in first.named_parameters()
        )
        > 1e-6,
        "The parameters didn't change: are they the ones that the optimizer got?",
    )
    require(
        not leaked and not first.careless,
        "The loss is measured in training mode, where BatchNorm and Dropout make the "
        "answer for an image depend on luck and on its neighbours. Call `eval()`.",
    )
    require(
        _alike(first, twin) or not _alike(first, _repeated(first, kept[0], False)),
        "The gradients of all batches add up: `zero_grad` is missing in the loop.",
    )
    require(
        _alike(first, twin),
        "The model wasn't trained by SGD with a learning rate of 0.1 on the mean "
        "cross-entropy of each batch.",
    )
    scores = [F.cross_entropy(outputs_of(twin, x), y).item() for x, y in kept]
    found = losses[0]
    require(
        abs(found - scores[1]) < 2e-3 or abs(found - scores[0]) > 2e-3,
        "This is the loss on `learn`, the images that the model was trained on.",
    )
    require(
        abs(found - scores[1]) < 2e-3,
        f"The trained model has a mean loss of {scores[1]:.3f} on `valid`, and the "
        f"function returned {found:.3f}. Is each batch weighted by its size?",
    )
    require(
        math.isclose(*losses, rel_tol=0.02, abs_tol=0.02),
        "Two calls give two losses: set the seed before the batches are drawn.",
    )
