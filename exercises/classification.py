"""Checkers for the exercises: classification."""

import copy
import random
from functools import cache
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from sklearn import datasets
from sklearn.model_selection import train_test_split
from torch import nn

from helpers.exercises import call, call_as_is, exercise, explain, require

from .behaviour import explain_sizes, operators, outputs_of


def split(points, labels):
    """Split as the chapter does: X, y, X, y."""
    parts = train_test_split(points, labels, test_size=0.2, random_state=42)
    return [parts[i] for i in (0, 2, 1, 3)]


def reference(data, sizes, activation, loss_fn, make_optimizer, epochs):
    """Train layers of these sizes from seed 42; return the model and its losses."""
    torch.manual_seed(42)
    layers = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    model = nn.Sequential(*layers[:-1])
    optimizer = make_optimizer(model.parameters())
    losses = []
    for _ in range(epochs):
        loss = loss_fn(model(data[0]).squeeze(dim=1), data[1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, losses


def sgd(lr):
    return lambda parameters: torch.optim.SGD(parameters, lr=lr)


def _rings():
    points, labels = datasets.make_circles(1000, noise=0.03, random_state=42)
    return split(torch.from_numpy(points).float(), torch.from_numpy(labels).float())


def one_number(value, name):
    with explain((TypeError, ValueError, RuntimeError), f"{name} is not one number."):
        return float(value)


@exercise(
    "ex-loss-by-hand",
    title="A loss by hand",
    hints=(
        "first make a probability from each logit. Then take minus the logarithm of "
        "the probability that was given to the true class.",
        "the probability of class 1 is `1 / (1 + torch.exp(-z))`, and that of class 0 "
        "is one minus it. As the labels are 0 and 1, `labels * … + (1 - labels) * …` "
        "picks the right logarithm for each sample, without an `if`.",
    ),
    shown="The loss of a sample is minus the logarithm of the probability of its true "
    "class, and the loss of a batch is the mean of that.",
)
def loss_by_hand(bce_by_hand):
    for positive in (1.0, 0.0, 0.4):
        z = (2 * torch.randn(random.randint(4, 30))).clamp(-6, 6)
        labels = (torch.rand(len(z)) < positive).float()
        if positive == 0.4:
            labels[:2] = torch.tensor([0.0, 1.0])  # there are both classes
        expected = F.binary_cross_entropy_with_logits(z, labels, reduction="none")
        with operators() as ran:
            result = call(bce_by_hand, z, labels)
        require(
            isinstance(result, (tuple, list)) and len(result) == 2,
            "The result isn't a pair: the loss of each sample, and their mean.",
        )
        each, mean = result
        require(
            isinstance(each, torch.Tensor) and each.shape == z.shape,
            "The first result doesn't have one loss per sample.",
        )
        each = each.detach().cpu().float()
        require(
            not each.isnan().any() and not torch.allclose(each, -labels * z.log()),
            "You take the logarithm of something that isn't a probability: a logit can "
            "be any number, and the sigmoid turns it into a probability.",
        )
        p = torch.sigmoid(z)
        require(
            not torch.allclose(each, -expected, atol=1e-5),
            "The losses are below zero: the logarithm of a probability is negative, "
            "and the loss is minus that.",
        )
        require(
            positive == 1 or not torch.allclose(each, -labels * p.log(), atol=1e-5),
            "Samples of class 0 cost nothing, whatever the model says: the second "
            "term of the formula is for them.",
        )
        twice = F.binary_cross_entropy_with_logits(p, labels, reduction="none")
        require(
            not torch.allclose(each, twice, atol=1e-5),
            "The sigmoid is applied twice.",
        )
        require(
            torch.allclose(each, expected, atol=1e-4),
            "The losses of the samples differ from binary cross-entropy.",
        )
        mean = one_number(mean, "The mean")
        require(
            abs(mean - expected.sum()) > 1e-3 or len(z) == 1,
            "The second result is the sum, which grows with the size of the batch.",
        )
        require(abs(mean - expected.mean()) < 1e-4, "The second isn't the mean.")
        ready = {name for name in ran if "sigmoid" in name or "entropy" in name}
        ready |= {name for name in ran if name.endswith("_loss")}
        require(
            not ready,
            "The numbers are right, but PyTorch's own sigmoid or loss computed them. "
            "Build them from exponentials and logarithms.",
        )


@exercise(
    "ex-collapse",
    title="Any number of linear layers",
    hints=(
        "the text does it for two layers. Begin with the first layer, or with the "
        "identity, and take in one layer after the other.",
        "keep a `weight` and a `bias` of the chain so far. A further layer turns them "
        "into `layer.weight @ weight` and `layer.weight @ bias + layer.bias`. At the "
        "end, make an `nn.Linear` from the first input to the last output, and `copy_` "
        "the two into it under `torch.no_grad()`.",
    ),
    shown="However many affine layers there are, one can do the same.",
)
def collapse(collapse):
    for count in (1, 2, 3, 5):
        widths = random.sample(range(2, 10), count + 1)
        layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
        before = copy.deepcopy(nn.Sequential(*layers))
        x = torch.randn(20, widths[0])
        with torch.no_grad():
            right = before(x)
            weight = torch.eye(widths[0])
            for layer in before:
                weight = layer.weight @ weight
            last = x @ weight.T + before[-1].bias
        with explain_sizes(
            f"It fails for layers of the widths {widths}: the weight of the later "
            "layer goes on the left of the product, as it's stored.",
        ):
            one = call_as_is(collapse, layers)
        require(isinstance(one, nn.Linear), "The result isn't an `nn.Linear`.")
        require(
            all(
                torch.equal(a, b)
                for one, kept in zip(layers, before, strict=True)
                for a, b in zip(one.parameters(), kept.parameters(), strict=True)
            ),
            "Your function changed the layers it was given.",
        )
        require(
            one.weight.shape == (widths[-1], widths[0]),
            f"For widths {widths} the weight has the shape {tuple(one.weight.shape)}.",
        )
        found = outputs_of(one, x)
        require(
            count == 1 or not torch.allclose(found, last, atol=1e-5),
            "Only the bias of the last layer is in the result: the earlier ones pass "
            "through the later weights.",
        )
        require(
            torch.allclose(one.weight.cpu().float(), weight, atol=1e-5),
            "The weight isn't the product of the weights.",
        )
        require(
            torch.allclose(found, right, atol=1e-4),
            "The weight is right and the bias is not"
            + (": it passes through the later weights." if count > 1 else "."),
        )


@cache
def _rare(**arguments):
    """Split the rare labels; count the ones in the training and the test set."""
    rare_y = np.array([0] * 980 + [1] * 20)
    parts = train_test_split(rare_y, test_size=0.2, **arguments)
    return [int(part.sum()) for part in parts]


@exercise(
    "ex-stratify",
    title="The other arguments of `train_test_split`",
    hints=(
        "`train_test_split(rare_y, …)` with one array returns two parts, the training "
        "part first.",
        "index 1 of the result is the test part, and its `sum()` is the number of "
        "ones. `stratify` takes the labels themselves, `stratify=rare_y`. In the third "
        "call leave out `stratify`, as it doesn't go together with `shuffle=False`.",
    ),
    shown="Without `stratify` the rare class is a matter of luck, and without "
    "shuffling the end of the data is the test set.",
)
def stratify(plain, stratified, unshuffled):
    for counts, name in [(plain, "plain"), (stratified, "stratified")]:
        require(
            len(counts) == 50,
            f"`{name}` has {len(counts)} entries; there are 50 seeds.",
        )
    plain, stratified = [int(n) for n in plain], [int(n) for n in stratified]
    by_seed = [_rare(random_state=seed) for seed in range(50)]
    require(
        plain != [train for train, _ in by_seed]
        and int(unshuffled) != _rare(shuffle=False)[0],
        "These ones are counted in the training set: the test set is the second part.",
    )
    require(
        len(set(stratified)) == 1,
        "`stratified` varies from seed to seed. The argument `stratify` takes the "
        "labels whose shares are to be kept.",
    )
    require(
        set(stratified) == {4},
        f"`stratified` counts {stratified[0]} ones in each test set; a fifth of 20 "
        "is another number.",
    )
    require(
        len(set(plain)) > 1,
        "`plain` has the same count for every seed: is `stratify` in there, or one "
        "seed for all?",
    )
    require(
        plain == [test for _, test in by_seed],
        "`plain` doesn't belong to the seeds 0 to 49: give each to `random_state`.",
    )
    require(
        int(unshuffled) == _rare(shuffle=False)[1],
        "`unshuffled` isn't the count for `shuffle=False`.",
    )


RATES = [
    (sgd(0.1), 3),
    (lambda p: torch.optim.Adam(p, lr=0.01), 40),
    (lambda p: torch.optim.SGD(p, lr=0.5, momentum=0.9), 25),
]


@cache
def _ring_run(make_optimizer, epochs):
    """Train the chapter's model on the rings; return losses and the test loss.

    The losses are one more than epochs: the last is that after the last step.
    """
    rings = _rings()
    what = (rings, (2, 10, 10, 1), nn.ReLU, nn.BCEWithLogitsLoss(), make_optimizer)
    _, losses = reference(*what, epochs + 1)
    model, _ = reference(*what, epochs)
    outputs = outputs_of(model, rings[2]).squeeze(dim=1)
    return losses, F.binary_cross_entropy_with_logits(outputs, rings[3]).item()


@exercise(
    "ex-rate",
    title="A faster way to the ring",
    hints=(
        "`make_optimizer` takes the parameters of the new model and returns an "
        "optimizer. `train_and_test` returns all losses.",
        "set the seed, make the model on `device`, then "
        "`make_optimizer(model.parameters())`, and then train with `epochs=epochs`. "
        'What `train_and_test` returns is a dictionary of lists, and `"train_loss"` is '
        "one of its keys.",
    ),
    shown="Your function trains the same model with any optimizer. Now let it run for "
    "1000 epochs with the four of them.",
)
def rate(last_loss):
    for make_optimizer, epochs in RATES:
        losses, test_loss = _ring_run(make_optimizer, epochs)
        found = one_number(call(last_loss, make_optimizer, epochs), "The result")
        again = one_number(call(last_loss, make_optimizer, epochs), "The result")
        require(
            abs(found - again) < 1e-5,
            "Two calls with the same optimizer give two losses: each call makes a new "
            "model, directly after seed 42.",
        )
        if min(abs(found - loss) for loss in losses[-2:]) < 2e-4:
            continue
        require(
            abs(found - losses[0]) > 1e-4,
            "The loss is still that of the new model. Is it the last entry of the "
            "record, and did the optimizer get the parameters of the model that is "
            "trained?",
        )
        require(abs(found - test_loss) > 2e-4, "This is the loss on the test set.")
        require(
            False,
            f"After {epochs} epochs the training loss of a `CircleModelV2` is "
            f"{losses[-2]:.4f}, not {found:.4f}.",
        )


def _straight(model, x):
    """Tell whether a model is affine at midpoints."""
    a, b = x.chunk(2)
    middle = outputs_of(model, (a + b) / 2)
    ends = (outputs_of(model, a) + outputs_of(model, b)) / 2
    return (middle - ends).abs().max() < 1e-3 * (1 + ends.abs().max())


def _called(outputs, name):
    """Return the predicted classes from logits (N,), (N, 1) or (N, C)."""
    if outputs.ndim == 2 and outputs.shape[1] > 1:
        return outputs.argmax(dim=1)
    outputs = outputs.reshape(len(outputs))
    require(
        outputs.min() < 0,
        f"`{name}` never answers below 0, so a threshold of 0 finds class 1 only: a "
        "model returns logits, without a sigmoid or a ReLU at its end.",
    )
    return (outputs > 0).long()


@exercise(
    "ex-radius",
    title="A straight cut that is a circle",
    hints=(
        "square both coordinates and add them up, row by row. The result has to be a "
        "column before it can go next to the other two.",
        "`points.square().sum(dim=1, keepdim=True)` is that column, and `torch.cat` "
        "with `dim=1` puts it there. The model can be a single `nn.Linear(3, 1)`. "
        "Train it on `rings` with `add_radius` applied to both the training and the "
        "test points; Adam with a learning rate of 0.1 gets there in a few hundred "
        "epochs.",
    ),
    shown="A straight cut is enough if a feature already measures what is round.",
)
def radius(add_radius, radius_model, radius_accuracy):
    for count in (1, 2, 3, 40):
        points = 2 * torch.randn(count, 2)
        with explain_sizes(f"It fails for points of shape ({count}, 2)."):
            found = call(add_radius, points)
        require(
            isinstance(found, torch.Tensor), "`add_radius` doesn't return a tensor."
        )
        require(
            found.shape == (count, 3),
            f"For {count} points `add_radius` returns the shape {tuple(found.shape)}, "
            f"not ({count}, 3).",
        )
        found = found.detach().cpu().float()
        require(
            torch.equal(found[:, :2], points),
            "The first two columns are not the coordinates.",
        )
        require(
            not torch.allclose(found[:, 2], points.norm(dim=1)),
            "The third feature is the distance from the centre; the exercise asks for "
            "its square.",
        )
        require(
            torch.allclose(found[:, 2], points.square().sum(dim=1), rtol=1e-4),
            "The third feature is not $x_1^2 + x_2^2$ of the same point.",
        )
    require(isinstance(radius_model, nn.Module), "`radius_model` isn't a model.")
    points, labels = datasets.make_circles(
        2000, noise=0.03, random_state=random.randint(1000, 9999)
    )
    x, y = torch.from_numpy(points).float(), torch.from_numpy(labels)
    x = torch.cat([x, x.square().sum(dim=1, keepdim=True)], dim=1)
    with explain_sizes("`radius_model` does not take three features, shape (N, 3)."):
        outputs = outputs_of(radius_model, x)
    require(
        _straight(radius_model, 3 * torch.randn(200, 3)),
        "`radius_model` is not affine: something bends in it.",
    )
    reached = (_called(outputs, "radius_model") == y).float().mean().item()
    claimed = one_number(radius_accuracy, "`radius_accuracy`")
    require(claimed <= 1, "An accuracy is a share, at most 1, not per cent.")
    require(
        reached > 0.95,
        f"On new rings the model reaches {reached:.2f}: train it for longer, or with "
        "larger steps.",
    )
    require(
        abs(claimed - reached) < 0.05,
        f"You say {claimed:.2f}; on new rings the model reaches {reached:.2f}. Do "
        "predictions and labels belong to the same points?",
    )


@exercise(
    "ex-moons",
    title="Two moons, from memory",
    hints=(
        "do as for the rings: floats, a split, one logit, `BCEWithLogitsLoss`, the "
        "five steps. The two models differ only in what is between their layers.",
        "scikit-learn's points are `float64` and its labels whole numbers, so make "
        "tensors of both and call `.float()` on each. If your logits have the shape "
        "`(N, 1)`, the labels need it too. If the ReLU model stops at about the "
        "accuracy of the linear one, it needs more epochs, or Adam with a learning "
        "rate of 0.01.",
    ),
    shown="Your models do on new moons what you said they do, and only one of them can "
    "bend.",
)
def moons(moon_linear, moon_relu, linear_accuracy, relu_accuracy):
    points, labels = datasets.make_moons(
        4000, noise=0.1, random_state=random.randint(1000, 9999)
    )
    x, y = torch.from_numpy(points).float(), torch.from_numpy(labels)
    require(
        isinstance(moon_linear, nn.Module) and isinstance(moon_relu, nn.Module),
        "The first two answers aren't models.",
    )
    reached = {}
    for model, name in [(moon_linear, "moon_linear"), (moon_relu, "moon_relu")]:
        with explain_sizes(f"`{name}` does not take points, shape (N, 2)."):
            outputs = outputs_of(model, x)
        reached[name] = (_called(outputs, name) == y).float().mean().item()
    require(
        _straight(moon_linear, x),
        "`moon_linear` is not affine: something bends between its layers.",
    )
    require(
        not _straight(moon_relu, x),
        "`moon_relu` is affine: nothing bends between its layers.",
    )
    claimed = {
        "moon_linear": one_number(linear_accuracy, "`linear_accuracy`"),
        "moon_relu": one_number(relu_accuracy, "`relu_accuracy`"),
    }
    require(
        max(claimed.values()) <= 1, "An accuracy is a share, at most 1, not per cent."
    )
    require(
        reached["moon_linear"] > 0.8 and reached["moon_relu"] > 0.95,
        f"On new moons the models reach {reached['moon_linear']:.2f} and "
        f"{reached['moon_relu']:.2f}: train them for longer.",
    )
    for name, value in claimed.items():
        require(
            abs(value - reached[name]) < 0.12,  # a test set may be small
            f"You say {value:.2f} for `{name}`; on new moons it reaches "
            f"{reached[name]:.2f}. Do predictions and labels belong to the same "
            "points?",
        )
