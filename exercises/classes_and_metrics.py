"""Checkers for the exercises: classes and metrics."""

import random
from functools import cache
from itertools import permutations

import numpy as np
import torch
import torch.nn.functional as F
from sklearn import datasets
from torch import nn

from helpers.exercises import call, exercise, explain, require

from .behaviour import explain_sizes, outputs_of
from .classification import one_number, reference, sgd, split


@cache
def _blobs(spread=1.5):
    points, labels = datasets.make_blobs(
        1000, 2, centers=4, cluster_std=spread, random_state=42
    )
    return split(torch.from_numpy(points).float(), torch.from_numpy(labels).long())


@cache
def _blob_run(spread=1.5, lr=0.1, units=8, activation=nn.Identity, epochs=100):
    """Train the chapter's model on its blobs: losses, accuracies on both parts."""
    data, sizes = _blobs(spread), (2, units, units, 4)
    model, losses = reference(
        data, sizes, activation, nn.CrossEntropyLoss(), sgd(lr), epochs
    )
    accuracies = [
        (outputs_of(model, X).argmax(dim=1) == y).float().mean().item()
        for X, y in (data[:2], data[2:])
    ]
    return losses, *accuracies


@exercise(
    "ex-scores",
    title="Precision and recall for every class",
    hints=(
        "the right predictions are on the diagonal. There's one row per true class and "
        "one column per predicted class.",
        "`matrix.diagonal()` holds the right predictions. Precision asks about "
        "everything that was *predicted* as a class, which is the sum of a column; "
        "recall asks about everything that *is* of a class, the sum of a row. "
        "`sum(dim=0)` adds up the rows, so it gives you one sum per column.",
    ),
    shown="Precision divides the diagonal by the sums of the columns, and recall "
    "divides it by the sums of the rows.",
)
def scores(scores):
    for classes in (2, 3, random.randint(4, 7)):
        matrix = torch.randint(1, 40, (classes, classes))
        matrix += torch.diag(torch.randint(40, 90, (classes,)))
        matrix[0, 1:] += 50  # so that rows and columns have different sums
        right, rows, columns = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
        result = call(scores, matrix.clone())
        require(
            isinstance(result, (tuple, list, torch.Tensor)) and len(result) == 2,
            "The result isn't a pair: return precision and recall.",
        )
        precision, recall = (torch.as_tensor(part) for part in result)
        require(
            precision.shape == recall.shape == (classes,),
            f"For {classes} classes the shapes are {tuple(precision.shape)} and "
            f"{tuple(recall.shape)}: return one score per class, not an average.",
        )
        require(
            not (precision.eq(0).all() or recall.eq(0).all()),
            "All scores are 0: `//` cuts off what comes after the decimal point, so "
            "divide with `/`.",
        )
        require(
            not torch.allclose(precision.float(), right / rows),
            "Precision and recall have changed places: precision asks about everything "
            "that was *called* a class, and that's a column.",
        )
        require(
            not torch.allclose(precision.float(), right / matrix.sum()),
            "You divide the diagonal by the number of all samples; divide it by the "
            "number in each column, or in each row.",
        )
        require(
            torch.allclose(precision.float(), right / columns, atol=1e-4),
            "The first result isn't the precision of each class.",
        )
        require(
            torch.allclose(recall.float(), right / rows, atol=1e-4),
            "The second result isn't the recall of each class.",
        )


@exercise(
    "ex-spread",
    title="Tighter and wider blobs",
    hints=(
        "put the lines that make the blobs, split them and train on them into the "
        "function, and use `spread` where the spread is given.",
        "`train_test_split` returns both parts of the points first and then both parts "
        "of the labels, so put them into the order that `train_and_test` wants: "
        "training points, training labels, test points, test labels. The labels are "
        "`long` here. Set the seed right before you make the model, and return the "
        'last entry of `"test_accuracy"`.',
    ),
    shown="Where blobs overlap, points of two classes are in the same place, and no "
    "boundary can tell them apart.",
)
def spread(blob_accuracy):
    for width in (1.0, 4.0):
        *_, expected = _blob_run(width)
        found = one_number(call(blob_accuracy, width), "The result")
        if abs(found - expected) < 0.011:
            continue
        require(
            abs(found - _blob_run()[2]) > 0.001,
            f"A spread of {width} gives the accuracy of 1.5: does the argument reach "
            "`make_blobs`?",
        )
        for epochs in (100, 99):  # a record has its training score before the step
            require(
                abs(found - _blob_run(width, epochs=epochs)[1]) > 0.004,
                "This is the accuracy on the training set.",
            )
        require(
            False,
            f"With a spread of {width}, the test accuracy should be {expected:.3f} "
            f"after 100 epochs, and yours is {found:.3f}. Do the data, the split and "
            "the model all use seed 42?",
        )


@exercise(
    "ex-blob-relu",
    title="Blobs with a bend",
    hints=(
        "`BlobModel` has an argument for it, and takes the class, without brackets.",
        "make it with `BlobModel(NUM_FEATURES, NUM_CLASSES, activation=nn.ReLU)`, "
        "right after the seed, and move it to `device`. Make a new optimizer, from the "
        "parameters of *this* model.",
    ),
    shown="These points don't need a bend: with ReLU the loss takes longer to fall, "
    "and the accuracy isn't better.",
)
def blob_relu(record_relu):
    with explain((TypeError, KeyError), "`record_relu` has no `train_loss`."):
        losses = torch.tensor([float(loss) for loss in record_relu["train_loss"]])
    require(len(losses) == 100, f"The record has {len(losses)} epochs, not 100.")
    expected = {
        activation: torch.tensor(_blob_run(activation=activation)[0])
        for activation in (nn.ReLU, nn.Identity)
    }
    require(
        not torch.allclose(losses, expected[nn.Identity], atol=1e-3),
        "This is the record of the model without a bend: pass `activation=nn.ReLU`.",
    )
    require(
        abs(losses[0] - expected[nn.ReLU][0]) < 1e-3,
        f"Your training begins with a loss of {losses[0]:.4f}, and a `BlobModel` with "
        f"ReLU from seed 42 begins with {expected[nn.ReLU][0]:.4f}. Do you set the "
        "seed right before you make the model, and is the activation `nn.ReLU`?",
    )
    require(
        torch.allclose(losses, expected[nn.ReLU], atol=0.02),
        "It begins as it should and then goes on differently: this chapter's settings "
        "are SGD with a learning rate of 0.1, and `loss_fn_4`.",
    )


@exercise(
    "ex-blob-rate",
    title="Learning rates and widths",
    hints=(
        "set the seed, make a model of that width and an optimizer with that learning "
        "rate, train, and take the last entry of `train_loss`.",
        "the width is the third argument of `BlobModel`, `hidden_units`, and there's "
        "no activation. If your function works for the other rates and fails for 0.5, "
        "pass `metric=None` to `train_and_test`.",
    ),
    shown="Your function works for any rate and width. Now call it with the four rates "
    "and the three widths.",
)
def blob_rate(last_blob_loss):
    for lr, units in [(0.05, 8), (0.1, 3), (0.02, 16)]:
        losses, bent = (
            _blob_run(lr=lr, units=units, activation=activation, epochs=101)[0]
            for activation in (nn.Identity, nn.ReLU)
        )
        found = one_number(call(last_blob_loss, lr, units), "The result")
        again = one_number(call(last_blob_loss, lr, units), "The result")
        require(
            abs(found - again) < 1e-5,
            "Two calls with the same arguments give two losses: set the seed in the "
            "function, directly before the model is made.",
        )
        asked = f"With a learning rate of {lr} and {units} hidden units"
        if min(abs(found - loss) for loss in losses[-2:]) < 1e-3:
            continue
        require(abs(found - losses[0]) > 1e-4, f"{asked}, this is the loss of epoch 0.")
        require(
            min(abs(found - loss) for loss in bent[-2:]) > 1e-3,
            f"{asked}, this is the loss of a model with ReLU; leave the activation "
            "out.",
        )
        require(
            False,
            f"{asked}, the last training loss is {losses[-2]:.4f}, not {found:.4f}. "
            "Does the function use both arguments, and train for 100 epochs?",
        )


@exercise(
    "ex-multi-label",
    title="Two labels at once",
    hints=(
        "these are two yes-or-no questions at once, with one logit and one float label "
        "for each. The accuracy is a mean over the samples, column by column.",
        "use the loss of binary problems, `nn.BCEWithLogitsLoss()`; it takes logits "
        "and labels of shape (N, 2) as they are. The edge of the second region is a "
        "circle, so the model needs ReLU. Predict a label where its logit is above 0, "
        "compare that with the labels, and take the mean over `dim=0`.",
    ),
    shown="Each label has a sigmoid of its own, so both may be true, and each has an "
    "accuracy of its own.",
)
def multi_label(tag_model, per_label):
    require(isinstance(tag_model, nn.Module), "`tag_model` isn't a model.")
    with explain((TypeError, ValueError), "`per_label` isn't two numbers."):
        found = torch.as_tensor(per_label).detach().cpu().float()
    require(
        found.ndim > 0,
        "`per_label` is one number, a mean over both labels: return one for each.",
    )
    require(
        found.shape == (2,),
        f"`per_label` has the shape {tuple(found.shape)}: the mean goes over samples, "
        "`dim=0`.",
    )
    points = 2 * torch.rand(2000, 2) - 1
    labels = torch.stack([points[:, 1] > 0, points.norm(dim=1) < 0.8], dim=1)
    with explain_sizes("`tag_model` doesn't take points of shape (N, 2)."):
        outputs = outputs_of(tag_model, points)
    require(
        outputs.shape == (2000, 2),
        f"For 2000 points the outputs have the shape {tuple(outputs.shape)}; there "
        "should be two logits for each.",
    )
    require(
        not torch.allclose(outputs.sum(dim=1), torch.ones(2000), atol=1e-3),
        "The two outputs always sum to 1, so they compete, and the model can't be sure "
        "of both labels at once.",
    )
    require(
        outputs.min() < 0,
        "No output is below 0, so these aren't logits; the loss has its own sigmoid.",
    )
    right = ((outputs > 0) == labels).float().mean(dim=0)
    one = labels[:, 0] != labels[:, 1]
    ordered = ((outputs[:, 0] > outputs[:, 1]) == labels[:, 0])[one].float().mean()
    reached = f"On new points the two accuracies are {right[0]:.2f} and {right[1]:.2f}"
    require(
        right.min() > 0.88 or ordered < 0.95,
        f"{reached}, and yet the model knows which of the two is likelier. A "
        "loss with a softmax in it makes them compete, so the model never learns "
        "whether both are true, or neither.",
    )
    require(
        right.min() > 0.88,
        f"{reached}: train for longer.",
    )
    generator = torch.Generator().manual_seed(42)  # the points of the stub
    points = (2 * torch.rand(1000, 2, generator=generator) - 1)[800:]
    labels = torch.stack([points[:, 1] > 0, points.norm(dim=1) < 0.8], dim=1)
    right = ((outputs_of(tag_model, points) > 0) == labels).float().mean(dim=0)
    require(
        (found - right).abs().max() < 0.0051,
        f"`per_label` is {found.tolist()}; on the last 200 points the model reaches "
        f"{right.tolist()}. The threshold of a logit is 0.",
    )


@exercise(
    "ex-real",
    title="Real data",
    hints=(
        "take the mean and the standard deviation of each column, `dim=0`, from the "
        "first argument alone, and use them for both.",
        "for both trainings, a `BlobModel` with 30 inputs, 1 output and ReLU will do, "
        "with `loss_fn` and 300 epochs with `metric=None`. For the recall, predict "
        "malignant where the logit is above 0, and ask: of the samples that *are* "
        "malignant, what share was found?",
    ),
    shown="Standardised features make the difference, and `standardise` takes all its "
    "numbers from the training set.",
)
def real(standardise, raw_accuracy, scaled_accuracy, scaled_recall):
    size = torch.tensor([1000.0, 1.0, 0.01])
    train = size * (torch.randn(60, 3) + 2)
    test = size * (3 * torch.randn(25, 3) - 1)
    result = call(standardise, train, test)
    require(
        isinstance(result, (tuple, list)) and len(result) == 2,
        "`standardise` doesn't return two tensors.",
    )
    with explain((TypeError, ValueError), "`standardise` doesn't return two tensors."):
        new_train, new_test = (torch.as_tensor(part).cpu().float() for part in result)
    require(
        new_train.shape == train.shape and new_test.shape == test.shape,
        "`standardise` changes the shapes.",
    )
    everything = torch.cat([train, test])
    require(
        not torch.allclose(
            new_train, (train - everything.mean(0)) / everything.std(0), atol=0.02
        ),
        "You take the mean and the standard deviation of all samples, so the test set "
        "leaks into the training.",
    )
    require(
        not torch.allclose(new_test, (test - test.mean(0)) / test.std(0), atol=0.05),
        "You standardise the test set by its own mean and standard deviation. A single "
        "new sample has none, so use those of the training set.",
    )
    require(
        new_train.mean(dim=0).abs().max() < 1e-3,
        "The columns of the training set don't have the mean 0.",
    )
    require(
        (new_train.std(dim=0) - 1).abs().max() < 0.02,
        "The columns of the training set don't have the standard deviation 1.",
    )
    right = (test - train.mean(0)) / train.std(0)
    require(
        torch.allclose(new_test, right, rtol=0.02, atol=0.02),
        "The test set isn't scaled with the numbers of the training set.",
    )
    raw = one_number(raw_accuracy, "`raw_accuracy`")
    scaled = one_number(scaled_accuracy, "`scaled_accuracy`")
    recall = one_number(scaled_recall, "`scaled_recall`")
    require(max(raw, scaled, recall) <= 1, "A score is a share, so it's at most 1.")
    require(
        scaled > 0.9,
        f"`scaled_accuracy` is {scaled:.2f}; you can get above 0.9.",
    )
    require(
        raw < 0.85,
        f"`raw_accuracy` is {raw:.2f}. With SGD at 0.1, you don't get that far with "
        "the features as they are; did you train on the standardised ones both times?",
    )
    require(
        abs(recall - scaled) > 1e-6 or recall == 1,
        "`scaled_recall` is the accuracy: recall asks only about the malignant "
        "samples.",
    )
    require(
        recall > 0.8,
        f"`scaled_recall` is {recall:.2f}: is malignant the positive class, and do you "
        "compare with the labels of the test set?",
    )


def _wide_parts(model):
    """Return the parameters of a wide model: three weights, three biases, in order.

    They are told apart by their shapes, so a model may name and order them as it likes.
    """
    of_shape = {}
    for parameter in model.parameters():
        of_shape.setdefault(tuple(parameter.shape), []).append(parameter)
    weights, biases = [(64, 2), (64, 64), (1, 64)], [(64,), (64,), (1,)]
    found = sorted((shape for shape in of_shape for _ in of_shape[shape]), key=str)
    require(
        found == sorted(weights + biases, key=str),
        f"The parameters have the shapes {found}; three `nn.Linear` with two hidden "
        "layers of 64 have weights of (64, 2), (64, 64) and (1, 64), and their biases.",
    )
    weights = [of_shape[shape][0] for shape in weights]
    points = torch.randn(50, 2)
    answers = outputs_of(model, points).reshape(-1)
    require(
        torch.equal(answers, outputs_of(model, points).reshape(-1)),
        "Even in evaluation mode a point gets a different answer each time: pass "
        "`training=self.training` to `F.dropout`.",
    )
    for hidden in permutations(of_shape[(64,)]):
        biases = [*hidden, of_shape[(1,)][0]]
        x = points
        for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            x = F.linear(x.relu() if number else x, weight.cpu(), bias.cpu())
        if torch.allclose(x.reshape(-1), answers, atol=1e-4):
            return weights, biases
        require(
            not torch.allclose(x.relu().reshape(-1), answers, atol=1e-4),
            "There is a ReLU on the output, but a logit can be any number.",
        )
        require(
            not torch.allclose(x.sigmoid().reshape(-1), answers, atol=1e-4),
            "There is a sigmoid on the output; return the logit, the loss has its own.",
        )
    require(
        False,
        "In evaluation mode it doesn't compute linear, ReLU, linear, ReLU, linear.",
    )


def _dropped(model, parts, cut):
    """Return what 4000 equal points give in training mode.

    The weights are set so that only zeros and factors of dropout show: everything from
    layer `cut` on carries the number of unit 0, and, at a tenth of it, of unit 1.
    """
    weights, biases = parts
    with torch.no_grad():
        for parameter in (*weights, *biases):
            parameter.zero_()
        for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            if number == cut - 1:
                bias.fill_(1)  # what dropout behind this layer gets
            elif number >= cut:
                size = min(2, *weight.shape)
                weight[:size, :size] = torch.eye(size)
        if 0 < cut < 3:
            weights[2][0, 1] = 0.1
        model.train()
        points = torch.ones(4000, 2).to(weights[0].device)
        return model(points).reshape(-1).cpu().double()


def _require_dropout(model, share):
    """Refuse a model that does not drop this share behind each ReLU, and only there."""
    parts = _wide_parts(model)
    output, second, first, inputs = (_dropped(model, parts, n) for n in (3, 2, 1, 0))
    kept = 1 / (1 - share)  # by which dropout multiplies what it lets through
    require(
        output.unique().tolist() == [1.0],
        "There is dropout on the output: it would set logits to 0, and they're the "
        "answer.",
    )
    drops = [len(one.unique()) > 1 for one in (first, second)]
    require(
        all(drops) or share == 0,
        f"In training mode {'no' if not any(drops) else 'only one'} hidden layer drops "
        "anything; put dropout after both ReLUs.",
    )
    for drawn, factor in ((second, kept), (first, kept**2)):
        largest = drawn.max().item()
        require(
            share == 0 or abs(largest - 1.1 * factor) < 1e-3,
            f"For a share of {share}, the numbers that stay should become "
            f"{kept:.2f} times as large at each ReLU. Does each drop the share that "
            "the argument gives?",
        )
        require(
            share > 0 or drawn.unique().numel() == 1,
            "For a share of 0 something is dropped: use the argument.",
        )
        # Both units, the first one alone, the second one alone, none.
        seen = {round(10 * value / factor) for value in drawn.unique().tolist()}
        require(
            share == 0 or seen == {0, 1, 10, 11},
            "Units are dropped together, not each by itself: do you use `nn.Dropout`, "
            "on the hidden units?",
        )
    require(
        abs(inputs.max() - kept**2) < 1e-3,
        "The points themselves are dropped too; put dropout after the ReLUs only.",
    )


@exercise(
    "ex-overfit",
    title="Overfit, and then regularise",
    hints=(
        "`nn.Dropout` is a layer, and goes into `nn.Sequential` like any other. For "
        "the score, think of what `eval()` is for.",
        "you need `nn.Linear`, `nn.ReLU()` and `nn.Dropout(share)` twice, and then "
        "`nn.Linear(64, 1)`. In `score`, call `model.eval()` before you predict, use "
        "inference mode, and bring logits and labels to the same shape, for example "
        "with `squeeze(dim=1)`, before you compute loss and accuracy.",
    ),
    shown="Dropout is on in training only, so the score is the same each time. Now "
    "train with it and without it.",
)
def overfit(wide_model, score):
    for share in (0.5, 0.2, 0.0):
        model = call(wide_model, share)
        require(isinstance(model, nn.Module), "`wide_model` doesn't return a model.")
        with explain_sizes("`wide_model`'s model doesn't take points of shape (N, 2)."):
            outputs = outputs_of(model, torch.randn(5, 2))
        require(
            outputs.shape == (5, 1),
            f"For 5 points the model gives {tuple(outputs.shape)}; one logit each, in "
            "the shape that `train_step` squeezes, is (5, 1).",
        )
        _require_dropout(model, share)
        model = call(wide_model, share)
        points = 4 * torch.randn(400, 2)
        logits = outputs_of(model, points).reshape(-1)
        device = next(model.parameters()).device
        of_shape = {tuple(part.shape): part for part in model.parameters()}
        with torch.no_grad():  # so that there are logits of either sign
            of_shape[1, 64] *= 2 / logits.std().to(device)
            middle = outputs_of(model, points).median().to(device)
            of_shape[1,] -= middle - 0.1
        logits = outputs_of(model, points).reshape(-1)
        y = (torch.rand(400) < 0.5).float()
        y[(logits > 0) & (logits < 0.5)] = 1  # a threshold of 0.5 misses these
        model.train()
        scores = [call(score, model, points.to(device), y.to(device)) for _ in range(2)]
        with explain(
            (TypeError, KeyError, IndexError), "The score has no accuracy or loss."
        ):
            first, second = (
                [float(one["accuracy"]), float(one["loss"])] for one in scores
            )
        require(
            share == 0 or np.allclose(first, second, rtol=0, atol=1e-6),
            "Two scores of one model on the same points differ: dropout is still on, "
            "so evaluation mode was forgotten.",
        )
        right = ((logits > 0) == y).float().mean().item()
        half = ((logits > 0.5) == y).float().mean().item()
        require(
            abs(first[0] - right) < 1e-5 or abs(first[0] - half) > 1e-5,
            "The threshold 0.5 belongs to the probability; that of the logit is 0.",
        )
        require(
            abs(first[0] - right) < 1e-5, "The accuracy isn't the share of right ones."
        )
        twice = F.binary_cross_entropy_with_logits(torch.sigmoid(logits), y)
        require(
            abs(first[1] - twice) > 1e-4,
            "The loss gets probabilities, and applies a sigmoid a second time.",
        )
        loss = F.binary_cross_entropy_with_logits(logits, y)
        require(
            abs(first[1] - loss) < 1e-3 * (1 + loss), "The loss isn't the mean BCE."
        )
