"""Checkers for the exercises: autograd."""

import contextlib
from unittest import mock

import torch
import torch.nn.functional as F

from helpers.exercises import call, call_as_is, exercise, explain, require

from .behaviour import made, operators


def _close(value, expected, tolerance=1e-5):
    """Compare numbers or tensors, wherever and of whatever dtype they are."""
    value, expected = (
        torch.as_tensor(one).detach().cpu().double() for one in (value, expected)
    )
    return value.shape == expected.shape and torch.allclose(
        value, expected, rtol=tolerance, atol=tolerance
    )


@contextlib.contextmanager
def _by_hand(name):
    """Refuse the answer if a loss or autograd of PyTorch works for it in the block."""

    def refuse(*_, **__):
        require(
            False, f"`{name}` lets autograd work out the derivative: write it yourself."
        )

    with (
        mock.patch.object(torch.autograd, "backward", refuse),
        mock.patch.object(torch.autograd, "grad", refuse),
        operators() as used,
    ):
        yield
    require(
        not any(one.endswith("_loss") for one in used),
        f"`{name}` calls a loss function of PyTorch: write the arithmetic yourself.",
    )


@exercise(
    "ex-pencil",
    title="Two steps with a pencil",
    hints=(
        "for each point write down the prediction, the error and the error times x. "
        "Everything else is made from these three columns.",
        "with the MSE, dw is 2/3 of the sum of the third column and db 2/3 of the sum "
        "of the errors. With the MAE each error counts as its sign, -1 or 1, and the "
        "factor is 1/3. Both parameters then move by -0.01 times their derivative.",
    ),
    shown="This is what `backward()` and `step()` do for you: derivatives at the place "
    "where you are, then a short step against them.",
)
def pencil(mse_step, mae_step):
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    _one_step("mse_step", mse_step, x, 1.5 + 0.2 / 3, -0.47)
    _one_step("mae_step", mae_step, x, 1.5, -0.5)


def _one_step(name, given, x, w, b):
    """Judge the loss, both derivatives and both new parameters of one step."""
    given = [float(number) for number in given]
    require(
        len(given) == 5,
        f"`{name}` needs five numbers: loss, dw, db, new w, new b. It has "
        f"{len(given)}.",
    )
    loss, dw, db, new_w, new_b = given
    error = w * x + b - 2 * x
    squares, distances, signs = error.square(), error.abs(), error.sign()
    start = 1.5 * x - 0.5 - 2 * x
    of_mse = name == "mse_step"
    # What each error contributes to the loss, and the slope of that.
    parts, slopes = (squares, 2 * error) if of_mse else (distances, signs)

    def near(value, wrong, margin=0.01):  # what is worked out with three decimals
        return abs(value - float(wrong)) <= margin

    def refuse(value, wrongs):
        for misconception, wrong in wrongs:
            require(not near(value, wrong), f"`{name}`: {misconception}")

    refuse(
        loss,
        [
            (
                "the loss is the sum over the three points. Divide by 3 for the mean.",
                parts.sum(),
            ),
            (
                "this loss belongs to the first step. Step 2 begins where step 1 "
                "ended, so work out new predictions.",
                start.square().mean() if of_mse else torch.nan,
            ),
            (
                "this is the mean absolute error. Square each error first."
                if of_mse
                else "this is the mean squared error. The MAE averages the distances, "
                "without squares.",
                (distances if of_mse else squares).mean(),
            ),
            (
                "the errors have cancelled each other, or the loss has kept their "
                "sign. A loss can't be negative here.",
                error.mean(),
            ),
        ],
    )
    require(
        near(loss, parts.mean()),
        f"`{name}`: the loss isn't right yet. Check the three predictions first: "
        "w times x, plus b.",
    )
    for letter, value, factor in (("w", dw, x), ("b", db, torch.ones(3))):
        right = (slopes * factor).mean()
        wrongs = [
            (
                f"the derivative with respect to {letter} has the wrong sign. All "
                "three errors (prediction minus truth) are negative, and so is "
                "their sum.",
                -right,
            ),
            (
                f"the derivative with respect to {letter} isn't divided by the number "
                "of points.",
                3 * right,
            ),
        ]
        if of_mse:
            wrongs += [
                (
                    f"the derivative with respect to {letter} has lost the factor 2 of "
                    "the square.",
                    right / 2,
                ),
                (
                    f"the derivative with respect to {letter} is the one of step 1. "
                    "Use the new errors.",
                    (2 * start * factor).mean(),
                ),
            ]
        else:
            wrongs += [
                (
                    f"the derivative with respect to {letter} uses the errors "
                    "themselves. With the MAE, each error contributes only its sign.",
                    (share * error * factor).mean(),
                )
                for share in (1, 2)
            ]
        if letter == "w":
            wrongs.append(
                (
                    "in the derivative with respect to w, each error is multiplied by "
                    "its own x; yours is the derivative with respect to b.",
                    slopes.mean(),
                )
            )
        refuse(value, wrongs)
        require(
            near(value, right),
            f"`{name}`: the derivative with respect to {letter} isn't right yet. The "
            "loss is, so your errors are fine.",
        )
    for letter, value, old, slope in (("w", new_w, w, dw), ("b", new_b, b, db)):
        for misconception, wrong in [
            (
                f"{letter} has gone uphill. Subtract the derivative times 0.01.",
                old + 0.01 * slope,
            ),
            (
                f"{letter} has moved by the whole derivative. Multiply it by the "
                "learning rate, 0.01.",
                old - slope,
            ),
            (f"{letter} hasn't moved.", old),
            (
                f"this is by how much {letter} moves. Take it from where {letter} was.",
                0.01 * slope,
            ),
            (
                f"this is by how much {letter} moves. Take it from where {letter} was.",
                -0.01 * slope,
            ),
        ]:
            require(not near(value, wrong, 0.001), f"`{name}`: {misconception}")
        require(
            near(value, old - 0.01 * slope, 0.001),
            f"`{name}`: the new {letter} isn't {old:.5g} minus 0.01 times its "
            "derivative.",
        )


@exercise(
    "ex-mse",
    title="Mean squared error from its formula",
    hints=(
        "read the formula from the inside: subtract, square, add up, divide. Each "
        "square contributes 2e to the derivative, and the division stays.",
        "adding up and dividing by n is `mean()`. For the gradient, don't add up: you "
        "want one number for each prediction, twice its error divided by n, and "
        "`numel()` counts the predictions in a tensor of any shape. The error is "
        "predicted minus true, in this order, or the sign is wrong.",
    ),
    shown="The gradient of the MSE is 2/n times the error, so it shrinks as the error "
    "does.",
)
def mse(loss_of, gradient_of):
    for shape in [(5,), (1,), (7, 1)]:
        predicted, true = torch.randn(2, *shape, dtype=torch.float64)
        predicted.requires_grad_()
        error = predicted.detach() - true
        n = error.numel()
        with _by_hand("mse"):
            loss = call(loss_of, predicted, true)
        if n > 1:
            for misconception, wrong in {
                "`mse` adds up the squares and doesn't divide by their number.": (
                    error.square().sum()
                ),
                "Without a square, errors of opposite sign cancel in `mse`.": (
                    error.mean()
                ),
                "`mse` is the mean absolute error: nothing is squared.": (
                    error.abs().mean()
                ),
                "`mse` takes a root that isn't in the formula.": (
                    error.square().mean().sqrt()
                ),
            }.items():
                require(not _close(loss, wrong), misconception)
        require(
            torch.as_tensor(loss).numel() == 1,
            "`mse` returns one square per point; the loss is their mean.",
        )
        require(
            _close(torch.as_tensor(loss).reshape(()), error.square().mean()),
            "`mse` differs from the mean of the squared errors.",
        )
        with _by_hand("mse_gradient"):
            gradient = call(gradient_of, predicted, true)
        right = 2 * error / n
        require(
            torch.as_tensor(gradient).shape == error.shape,
            "`mse_gradient` needs one derivative for each prediction, in its shape.",
        )
        require(
            not _close(gradient, -right),
            "`mse_gradient` has the wrong sign: a prediction that is too high has to "
            "get a positive derivative.",
        )
        require(
            not _close(gradient, right / 2),
            "`mse_gradient` has lost the factor 2 of the square.",
        )
        require(
            n == 1 or not _close(gradient, 2 * error),
            "`mse_gradient` lacks the division by the number of points.",
        )
        require(
            _close(gradient, right),
            "`mse_gradient` differs from the derivative of the mean squared error.",
        )


@exercise(
    "ex-numerical",
    title="A gradient checker",
    hints=(
        "move one component up and down by h, leave the others, and divide the change "
        "of f by the distance between the two places.",
        "the distance between the two places is `2 * h`. To move only one component, "
        "add a vector of zeros with one h in it: the rows of `h * torch.eye(len(x), "
        "dtype=x.dtype)` are all of these. Write `x + move`, not `+=`, so that `x` "
        "stays as it was, and collect the results with `torch.stack`.",
    ),
    shown="Two evaluations per component are enough to check a gradient, wherever the "
    "function is smooth; PyTorch's own checker is `torch.autograd.gradcheck`.",
)
def numerical(numerical_gradient):
    def cubes(x):
        return (x**3).sum() + x[0] * x[-1]

    for size in (2, 4):
        x = torch.rand(size, dtype=torch.float64) + 0.5
        before = x.clone()
        found = torch.as_tensor(call_as_is(numerical_gradient, cubes, x))
        require(
            torch.allclose(x, before, rtol=0, atol=1e-12),
            "`x` has changed: move a copy, or the next component starts elsewhere.",
        )
        require(
            found.shape == x.shape,
            f"For a vector of {size} numbers the result has the shape "
            f"{tuple(found.shape)}. Return one derivative per number.",
        )
        exact = 3 * x**2
        exact[0] += x[-1]
        exact[-1] += x[0]
        require(
            not _close(found, 2 * exact, 1e-4),
            "All derivatives are twice as large as they should be: from x - h to "
            "x + h is 2h.",
        )
        require(
            not _close(found, exact.sum().expand(size), 1e-4),
            "All components move at once, so each result is the sum of all "
            "derivatives: move one at a time.",
        )
        off = (found - exact).abs().max()
        require(
            not 1e-6 < off < 1e-3,
            "The derivatives are off by about h, as with a one-sided difference. "
            "Go as far down as up.",
        )
        require(off < 1e-6, "The derivatives differ from the exact ones.")
        coarse = torch.as_tensor(call_as_is(numerical_gradient, cubes, x, h=0.1))
        # From x - h to x + h, or a distance of h in all: both are central.
        require(
            any(_close(coarse, exact + part**2, 1e-6) for part in (0.1, 0.05)),
            "With h=0.1 the result isn't the central difference for that h: do you use "
            "`h`?",
        )


@exercise(
    "ex-decay",
    title="Weight decay",
    hints=(
        "copy `step` from `SGD`, and change the gradient that it uses.",
        "`__init__` calls `super().__init__(parameters, lr)` and keeps `weight_decay`. "
        "In `step`, use `parameter.grad + self.weight_decay * parameter` in place of "
        "`parameter.grad`, and keep the `@torch.no_grad()` above it.",
    ),
    shown="Weight decay is one more term in the gradient, and `torch.optim.SGD` adds "
    "it in the same place.",
)
def decay(optimizer_class):
    def joined(tensors):
        return torch.cat([one.detach().flatten() for one in tensors])

    starts = [torch.randn(shape, dtype=torch.float64) + 2 for shape in [(4,), (2, 3)]]
    mine, theirs = ([one.clone().requires_grad_() for one in starts] for _ in range(2))
    settings = {"lr": 0.1, "weight_decay": 0.2}
    reference = torch.optim.SGD(theirs, **settings)
    with made(torch.optim.Optimizer) as finished:
        optimizer = optimizer_class(mine, **settings)
        require(
            not finished,
            "PyTorch's optimizer does the work: build on the chapter's own `SGD`.",
        )
    for _ in range(3):
        for parameters, one in ((mine, optimizer), (theirs, reference)):
            one.zero_grad()
            sum(parameter.sin().sum() for parameter in parameters).backward()
        before, gradient = joined(mine), joined(one.grad for one in mine)
        with explain(
            RuntimeError,
            "`step` is recorded by autograd, which refuses to have a parameter "
            "overwritten: update under `torch.no_grad()`.",
        ):
            optimizer.step()
        reference.step()
        moved = before - joined(mine)
        require(
            all((one != old).any() for one, old in zip(mine, starts, strict=True))
            or not moved.any(),
            "`step` moves only some of the parameters.",
        )
        require(
            moved.any(),
            "`step` leaves the parameter as it was: `parameter = …` only moves a name, "
            "`parameter -= …` writes into the tensor.",
        )
        require(
            not _close(moved, 0.1 * gradient),
            "There is no decay: the step is that of plain SGD.",
        )
        require(
            not _close(moved, 0.1 * (gradient - 0.2 * before)),
            "The decay pushes away from zero: it has the wrong sign.",
        )
        require(
            not _close(moved, 0.1 * gradient + 0.2 * before),
            "The decay isn't scaled by the learning rate: add it to the gradient "
            "before the step.",
        )
        require(
            not _close(moved, 0.1 * (gradient + 0.2)),
            "The decay is the same for all parameters: it has to be proportional to "
            "the parameter.",
        )
        require(
            _close(joined(mine), joined(theirs), 1e-9),
            "The step differs from that of `torch.optim.SGD` with the same settings.",
        )


@exercise(
    "ex-limit",
    title="The largest learning rate",
    hints=(
        "halve the interval between 0.1 and 0.2 again and again. Does the path of the "
        "rate in the middle end nearer to (2, 0) than it began?",
        "`descent_path(rate, steps=400)` returns all positions. Subtract the goal, and "
        "compare the `norm()` of the last with that of the first. If "
        "the path got nearer, the middle becomes the new lower end of your interval, "
        "and otherwise the new upper end. Go on until the interval is shorter than "
        "0.0005.",
    ),
    shown="The direction in which the slope changes fastest sets the limit: 2 divided "
    "by the largest eigenvalue of the Hessian, the matrix of second derivatives.",
)
def limit(largest_rate):
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    inputs = torch.stack([x, torch.ones_like(x)])
    second = 2 / 3 * inputs @ inputs.T

    def flies_apart(rate):
        """Tell whether 5,000 steps take the start further from the minimum."""
        step = torch.eye(2, dtype=torch.float64) - rate * second
        start = torch.full((2,), -0.5, dtype=torch.float64)
        end = torch.linalg.matrix_power(step, 5000) @ start
        return not end.norm() < start.norm()

    rate = float(largest_rate)
    require(
        not abs(rate * torch.linalg.eigvalsh(second).max() - 1) < 1e-2,
        "At this rate a step lands right on the floor of the valley. It may be "
        "larger and overshoot, as long as it lands lower than it began.",
    )
    require(
        0 < rate < 1 and not flies_apart(rate - 1e-3),
        f"{rate:.4g} is too large: descent flies apart at a smaller rate already.",
    )
    require(
        flies_apart(rate + 1e-3),
        f"{rate:.4g} is too small: with a rate larger by 0.001 the descent still "
        "arrives.",
    )


@exercise(
    "ex-freeze",
    title="Freeze the convolutions",
    hints=(
        "freeze first, clone the parameters, take the step, then compare.",
        "`net.state_dict()` gives you names and tensors, but the tensors themselves, "
        "which the step changes. So take a `copy.deepcopy` of it before the step, and "
        "afterwards collect the names for which `torch.equal` says no. "
        "`net.conv1.requires_grad_(False)` freezes a whole layer.",
    ),
    shown="Nothing before `fc1` needs a gradient now, so the backward pass ends there.",
)
def freeze(train_head, network):
    net = network()
    start = {name: one.detach().clone() for name, one in net.named_parameters()}
    twin = network()
    twin.load_state_dict(start)
    image, target = torch.randn(2, 1, 32, 32), torch.randn(2, 10)
    F.mse_loss(twin(image), target).backward()
    stepped = {n: one - 0.01 * one.grad for n, one in twin.named_parameters()}
    names = call_as_is(train_head, net, image, target)
    changed = {n for n, one in net.named_parameters() if not torch.equal(one, start[n])}
    require(
        changed,
        "No parameter has changed: `step` needs gradients, and gradients need "
        "`backward`.",
    )
    convolutions = sorted(name for name in changed if name.startswith("conv"))
    require(not convolutions, f"A convolution has changed: {', '.join(convolutions)}.")
    require(
        not any(
            one.requires_grad
            for one in [*net.conv1.parameters(), *net.conv2.parameters()]
        ),
        "The convolutions stayed as they were, but autograd still computes gradients "
        "for them: freeze them with `requires_grad_(False)`.",
    )
    require(
        all(
            _close(one, stepped[name])
            for name, one in net.named_parameters()
            if not name.startswith("conv")
        ),
        "The parameters that aren't frozen haven't made one step of SGD on the MSE, "
        "with the learning rate 0.01.",
    )
    require(
        set(names),
        "Six tensors have changed, and your set is empty: `state_dict()` and "
        "`parameters()` hand out the tensors themselves, so keep copies.",
    )
    require(
        set(names) == changed,
        "Your set doesn't hold the names of the parameters that have changed.",
    )


@exercise(
    "ex-tiny-autograd",
    title="Your own autograd",
    hints=(
        "let each result remember its inputs, and its derivative with respect to each "
        "of them. `backward` visits results before their inputs.",
        "a sum has the derivatives 1 and 1, a product has the *other* factor for each "
        "of its two. For the order, write a function that visits a value's inputs "
        "first and appends the value to a list afterwards, each value once. Then go "
        "through that list in reverse, and *add* the derivative times `value.grad` to "
        "each input's `grad`, with `self.grad = 1.0` at the start.",
    ),
    shown="Autograd is a record of operations, walked once in reverse, adding as it "
    "goes.",
    methods=("__add__", "__mul__", "backward"),
)
def tiny_autograd(value):
    def numbers(count):
        data = (torch.rand(count, dtype=torch.float64) + 0.5).tolist()
        recorded = [
            torch.tensor(one, dtype=torch.float64, requires_grad=True) for one in data
        ]
        return [value(one) for one in data], recorded

    def compare(formula, count, misconception):
        mine, theirs = numbers(count)
        result, expected = formula(*mine), formula(*theirs)
        require(
            hasattr(result, "data") and _close(result.data, expected),
            "A sum or a product holds a wrong number.",
        )
        result.backward()
        expected.backward()
        for one, other in zip(mine, theirs, strict=True):
            require(_close(one.grad, other.grad), misconception)

    compare(
        lambda a, b: a + b,
        2,
        "In `a + b` both gradients are 1: `backward` starts with 1 at the result.",
    )
    compare(
        lambda a, b: a * b,
        2,
        "In `a * b` the derivative with respect to `a` is the value of `b`, and the "
        "other way round.",
    )
    compare(
        lambda a, b, c: (a + b) * c,
        3,
        "In `(a + b) * c` a value far back gets a wrong gradient: begin at the result, "
        "and visit each value before its inputs.",
    )
    compare(
        lambda a, b: a * a + b,
        2,
        "A value that's used twice gets only one of its contributions: add each new "
        "gradient to what's there.",
    )

    def diamond(a, b):
        inner = a * b
        middle = inner * inner
        return middle * inner + middle * a

    compare(
        diamond,
        2,
        "A value passes its gradient on more than once, or before it's complete: "
        "visit each once, after all the results that it went into.",
    )

    class Counted(float):
        """A number that counts the products it is in."""

        products = 0

        def __mul__(self, other):
            Counted.products += 1
            return Counted(float(self) * float(other))

        __rmul__ = __mul__

    def products(squares):
        result = value(Counted(1.0))
        for _ in range(squares):
            result = result * result
        before = Counted.products
        result.backward()
        return Counted.products - before

    require(
        products(10) <= 8 * products(5),
        "The gradients are right, but a value passes on each contribution separately: "
        "if ten values are each the square of the one before, the first is visited "
        "1,024 times. Let a value wait until its gradient is complete, and pass it on "
        "once.",
    )
