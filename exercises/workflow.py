"""Checkers for the exercises: workflow."""

import pickle
import random
from numbers import Real
from pathlib import Path

import torch
from torch import nn

from helpers.exercises import NotSolvedError, call, exercise, explain, require


def _line():
    """Return the features and labels of the chapter's line."""
    x = torch.arange(0, 1, 0.02).unsqueeze(dim=1)
    return x, 0.7 * x + 0.3


def _asked(model, x):
    """Return the predictions of a model, on the CPU and without gradients."""
    parameter = next(model.parameters(), x)
    with torch.inference_mode():
        return model(x.to(parameter.device)).cpu()


def _trajectory(x, y, loss_fn, lr, epochs, momentum=0.0):
    """Train a line from seed 42; return weight and bias after each epoch."""
    torch.manual_seed(42)
    weight, bias = torch.randn(1).requires_grad_(), torch.randn(1).requires_grad_()
    optimizer = torch.optim.SGD([weight, bias], lr=lr, momentum=momentum)
    path = []
    for _ in range(epochs):
        optimizer.zero_grad()
        loss_fn(weight * x + bias, y).backward()
        optimizer.step()
        path.append([weight.item(), bias.item()])
    return torch.tensor(path)


@exercise(
    "ex-three-sets",
    title="Three sets",
    hints=(
        "compute two positions, the end of the training set and the end of the "
        "validation set, and cut `X` and `y` with the same slices.",
        "the first position is `round(train * len(X))`, and the second is that plus "
        "`round(validation * len(X))`. The test set is everything from there on, "
        "`X[second:]`. Return features, labels, features, labels, features, labels.",
    ),
    shown="Each row is in exactly one of the three sets, and each label is still "
    "with its features.",
)
def three_sets(three_way_split):
    percents = [(60, 20), (29, 28), (57, 14)]
    percents += [(random.randint(30, 60), random.randint(10, 30)) for _ in range(3)]
    for train, validation in percents:
        rows = 100 * random.randint(1, 3)
        X, y = torch.rand(rows, random.randint(1, 3)), torch.rand(rows, 1)
        parts = call(three_way_split, X, y, train / 100, validation / 100)
        require(
            isinstance(parts, (list, tuple)) and len(parts) == 6,
            "The result is not six tensors in one list or tuple.",
        )
        with explain((AttributeError, TypeError), "The six parts are not tensors."):
            lengths = [(part.shape[0], part.ndim) for part in parts]
        found = [length for length, _ in lengths[::2]]
        require(
            found == [length for length, _ in lengths[1::2]]
            and all(part.shape[1:] == X.shape[1:] for part in parts[::2]),
            "Features and labels of a set do not belong together: return them in "
            "pairs, first both of the training set, then both of the validation set, "
            "then both of the test set.",
        )
        asked = f"With shares of {train / 100} and {validation / 100} of {rows} rows"
        require(
            sum(found) >= rows,
            f"{asked}, {rows - sum(found)} rows are in no set: the test set takes "
            "whatever remains.",
        )
        require(
            sum(found) <= rows,
            f"{asked}, some rows are in two sets: a test set that shares rows with "
            "another set measures memory.",
        )
        first, second = train * rows // 100, validation * rows // 100
        require(
            found[:2] == [first, second],
            f"{asked}, the sets have {found} rows. Remember that 0.29 * 100 is a "
            "little less than 29, and that `int` cuts off what follows the point.",
        )
        require(
            torch.equal(torch.cat(list(parts[::2])), X),
            "The rows are no longer in their order.",
        )
        require(
            torch.equal(torch.cat(list(parts[1::2])), y),
            "The labels aren't those of the features next to them.",
        )


@exercise(
    "ex-no-seed",
    title="Without a seed",
    hints=(
        "everything that belongs to one model goes into the loop: make it, note its "
        "two numbers, make its optimizer, train, note the numbers again.",
        "in this class the parameters are `model.linear_layer.weight` and "
        "`model.linear_layer.bias`. Note them with `.item()`, which takes a copy, once "
        "before and once after `train_and_test(model, data, nn.L1Loss(), optimizer, "
        "epochs=1000)`.",
    ),
    shown="From three different starts, all three models end close to 0.7 and 0.3: "
    "the data decides where, and the start hardly matters.",
)
def no_seed(starts, finishes):
    if starts == finishes == []:
        raise NotSolvedError
    require(
        len(starts) == len(finishes) == 3,
        "Each list holds three pairs, one for each model; these hold "
        f"{len(starts)} and {len(finishes)}.",
    )
    pairs = [*starts, *finishes]
    with explain(TypeError, "An entry is not a pair of weight and bias."):
        values = [value for pair in pairs for value in pair]
    require(
        not any(isinstance(value, nn.Parameter) for value in values),
        "You kept the parameters themselves, and training changed them, so the starts "
        "now show the finishes; `.item()` keeps a number.",
    )
    with explain((TypeError, ValueError), "An entry is not a pair of numbers."):
        start = torch.tensor([[float(w), float(b)] for w, b in starts])
        finish = torch.tensor([[float(w), float(b)] for w, b in finishes])
    require(
        not torch.allclose(start, finish, atol=1e-4),
        "The starts are the finishes: note the numbers before the training too.",
    )
    require(
        not torch.allclose(start[1:], finish[:-1], atol=1e-4),
        "Each model starts where the one before it stopped: make a new model in each "
        "round.",
    )
    require(
        not torch.equal(start[0], start[1]) and not torch.equal(start[1], start[2]),
        "All models start from the same numbers, so a seed is set before each of them. "
        "Leave it out.",
    )
    require(
        start.abs().max() <= 1,
        "A start lies outside the range from which `nn.Linear(1, 1)` draws, -1 to 1.",
    )
    require(
        (finish - torch.tensor([0.7, 0.3])).abs().max() < 0.06,
        "A finish is far from 0.7 and 0.3: was the model trained for 1000 epochs, and "
        "did its own optimizer get its parameters?",
    )
    # A sign that rounding has turned leads into another cycle, so one may differ a bit.
    off = (finish - _finishes(start)).abs().amax(dim=1).sort().values
    require(
        off[1] < 1e-3 and off[2] < 0.03,
        "From these starts, 1000 epochs with `L1Loss` and SGD at 0.01 end elsewhere. "
        "Keep the numbers as `.item()` gives them, unrounded, and train as the "
        "exercise says.",
    )


def _finishes(starts):
    """Train from each start, all at once; return weight and bias after 1000 epochs."""
    x, y = _line()
    x, y = x[:40, 0], y[:40, 0]
    weight, bias = starts[:, :1], starts[:, 1:]
    for _ in range(1000):
        slopes = (weight * x + bias - y).sign()
        weight = weight - 0.01 * (slopes * x).mean(dim=1, keepdim=True)
        bias = bias - 0.01 * slopes.mean(dim=1, keepdim=True)
    return torch.cat([weight, bias], dim=1)


@exercise(
    "ex-plane",
    title="Two features",
    hints=(
        "two features go in and one number comes out. The loop is the one that you "
        "used for the line.",
        "the layer is `nn.Linear(in_features=2, out_features=1)`. `train_and_test` "
        "needs four tensors: split `points` and `heights` as you like, such as 80 and "
        "20 rows. A few hundred epochs with the suggested loss and learning rate are "
        "enough.",
    ),
    shown="One more feature is one more weight, and all three numbers of your plane "
    "are within 0.01 of the truth.",
)
def plane(plane):
    require(isinstance(plane, nn.Module), "`plane` is not a module.")
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    with explain(
        RuntimeError, "`plane` does not take samples of two features, shape (N, 2)."
    ):
        heights = _asked(plane, corners)
    require(
        heights.shape == (3, 1),
        f"For 3 points the output has the shape {tuple(heights.shape)}; one number per "
        "point is (3, 1).",
    )
    origin, right, up = heights[:, 0].tolist()
    found = torch.tensor([right - origin, up - origin, origin])
    require(
        len(list(plane.parameters())) > 1,
        "The plane has no bias, so it is forced through 0 at the origin, where the "
        "truth is 0.3.",
    )
    require(
        found[:2].abs().max() > 0.02 or abs(origin - 0.55) > 0.1,
        "It predicts the mean height everywhere. That is what happens when labels of "
        "shape (N,) meet predictions of shape (N, 1) and each is compared with all.",
    )
    error = (found - torch.tensor([0.7, -0.2, 0.3])).abs().max().item()
    require(
        error < 0.01,
        f"The worst of weights and bias is off by {error:.3f}. Train for longer; if "
        "it stays away from 0, look for a loss whose steps get shorter near the goal.",
    )


@exercise(
    "ex-resting-loss",
    title="A loss that comes to rest",
    hints=(
        "train with the loss function that you're given. The measure at the end is the "
        "mean absolute error, whatever you trained with.",
        "the order is seed, model, optimizer, `train_and_test` with `loss_fn` and "
        "`epochs`. After that, compute `nn.L1Loss()(model(data[2]), data[3])` in "
        "inference mode, since `data[2]` and `data[3]` are the test set, and return it "
        "with `.item()`.",
    ),
    shown="With MSE the steps shrink with the error, and the model comes to rest at "
    "the truth; with MAE they don't, and it keeps jumping across.",
)
def mse(mae_after):
    x, y = _line()
    cases = [(nn.L1Loss(), 0.01, 5), (nn.MSELoss(), 0.5, 3), (nn.MSELoss(), 0.1, 12)]
    for loss_fn, lr, epochs in cases:
        weight, bias = _trajectory(x[:40], y[:40], loss_fn, lr, epochs)[-1]
        error = weight * x + bias - y
        expected = error[40:].abs().mean().item()
        found = call(mae_after, loss_fn, lr, epochs)
        with explain((TypeError, ValueError), "The result is not one number."):
            found = float(found)
        name = type(loss_fn).__name__
        asked = f"After {epochs} epochs with {name} and a learning rate of {lr}"
        if abs(found - expected) < 1e-4:
            continue
        with explain((TypeError, ValueError), "The result is not one number."):
            again = float(mae_after(loss_fn, lr, epochs))
        require(
            abs(found - again) < 1e-6,
            "Two calls with the same arguments give two results: each call makes a "
            "new model, from seed 42.",
        )
        require(
            abs(found - error[40:].square().mean()) > 1e-4,
            f"{asked}, this is the mean of the squares. Errors of two trainings can "
            "be compared only by the same measure, here the mean of the absolute "
            "errors.",
        )
        require(
            abs(found - error[:40].abs().mean()) > 1e-4,
            f"{asked}, this is the error on the training set.",
        )
        require(
            False,
            f"{asked}, the error on the test set is {expected:.4f}, not {found:.4f}: "
            "do all arguments arrive in the loop?",
        )


@exercise(
    "ex-best",
    title="Keep the best",
    hints=(
        "after each epoch, compare the validation loss with `best_loss`. When it's "
        "smaller, note all three, and remember what `state_dict()` does not do.",
        "write the loop out, as `train_and_test` can't tell you about single epochs: "
        "one training step on `X[:30]`, then the loss on `X[30:40]` in inference mode. "
        "`state_dict()` holds the tensors that are still being trained, so keep "
        "`copy.deepcopy(model.state_dict())`.",
    ),
    shown="The best epoch was not the last one, and its parameters were kept as a "
    "copy.",
)
def best(best_loss, best_epoch, best_state, best_model):
    x, y = _line()
    with explain(
        (TypeError, KeyError, AttributeError, RuntimeError, ValueError),
        "`best_state` is not the `state_dict` of a `LinearRegressionModel`, or "
        "`best_loss` and `best_epoch` are not numbers.",
    ):
        kept = torch.cat([best_state["weight"], best_state["bias"]]).detach().cpu()
        best_loss, best_epoch = float(best_loss), int(best_epoch)
    require(0 <= best_epoch < 300, f"There's no epoch {best_epoch}: count from 0.")
    errors = (kept[0] * x + kept[1] - y).abs()
    path = _trajectory(x[:30], y[:30], nn.L1Loss(), 0.01, 300)
    every = (path[:, :1] * x.T + path[:, 1:] - y.T).abs()
    reached = every[:, 30:40].mean(dim=1)
    require(
        abs(every[:, 40:].mean(dim=1).min() - best_loss) > 2e-4,
        "The best epoch was chosen by the last ten points. They are the test set, and "
        "can't tell you anything once you've chosen by them.",
    )
    require(
        abs(every[:, :30].mean(dim=1).min() - best_loss) > 2e-4,
        "This is the best loss on the training points. Choose by points that took no "
        "part in the training.",
    )
    leaked = _trajectory(x[:40], y[:40], nn.L1Loss(), 0.01, 300)
    require(
        (leaked - kept).abs().sum(dim=1).min() > 1e-4
        or (path - kept).abs().sum(dim=1).min() < 1e-4,
        "The model was trained on the first 40 points, so on the validation set too.",
    )
    found = errors[30:40].mean().item()
    require(
        abs(found - best_loss) < 1e-4 or not torch.allclose(kept, path[-1], atol=1e-4),
        "`best_state` holds the parameters of the last epoch: `state_dict()` gives you "
        "the tensors themselves, and training went on changing them. Copy them.",
    )
    require(
        abs(found - best_loss) < 1e-4,
        f"`best_state` has a validation loss of {found:.5f}, and "
        f"`best_loss` says {best_loss:.5f}: they aren't from the same moment.",
    )
    require(
        best_loss < reached.min() + 5e-4,
        f"There was an epoch with a validation loss below {reached.min() + 1e-5:.5f}; "
        f"yours is {best_loss:.5f}.",
    )
    require(
        abs(reached[best_epoch] - best_loss) < 5e-4,
        f"Epoch {best_epoch} ended with a loss that isn't `best_loss`: count epochs "
        "from 0, and measure after the step.",
    )
    require(isinstance(best_model, nn.Module), "`best_model` is not a model.")
    require(
        torch.allclose(_asked(best_model, x), kept[0] * x + kept[1], atol=1e-6),
        "`best_model` does not predict with `best_state`: load it.",
    )


@exercise(
    "ex-resume",
    title="Go on tomorrow",
    hints=(
        "make model and optimizer with the same lines, at the start and on the next "
        "day. Then load a state dict into each of the two.",
        "a small function that sets the seed and returns a new model and its optimizer "
        "saves you from writing this three times. The second part needs both "
        "`resumed.load_state_dict(…)` and `optimizer.load_state_dict(…)`, before the "
        "50 epochs and with the *new* optimizer in `train_and_test`.",
    ),
    shown="With both states in the file, the interrupted training ends where the "
    "uninterrupted one does, to the last bit.",
)
def resume(resumed, straight, path):
    require(
        isinstance(resumed, nn.Module) and isinstance(straight, nn.Module),
        "`resumed` and `straight` are not two models.",
    )
    require(
        resumed is not straight,
        "`resumed` and `straight` are the same model, so they're equal whatever "
        "happened.",
    )
    path = Path(path)
    require(path.exists(), f"There is no file `{path.name}`.")
    with explain(
        pickle.UnpicklingError,
        f"`torch.load` does not trust the file `{path.name}`: save numbers and state "
        "dicts only, not the model itself.",
    ):
        saved = torch.load(path, map_location="cpu", weights_only=True)
    require(isinstance(saved, dict), "The file does not hold a dictionary.")
    optimizers = [
        part
        for part in saved.values()
        if isinstance(part, dict) and "param_groups" in part
    ]
    require(
        optimizers,
        "The file has no state of the optimizer, so it can't remember the direction "
        "of its last steps.",
    )
    remembered = [
        entry
        for state in optimizers[0]["state"].values()
        for entry in state.values()
        if isinstance(entry, torch.Tensor)
    ]
    require(
        remembered,
        "The saved optimizer remembers nothing. Was it used before it was saved, "
        "and with `momentum=0.9`?",
    )
    models = [part for part in saved.values() if isinstance(part, dict)]
    models = [part for part in models if "weight" in part and "bias" in part]
    require(models, "The file has no state of the model.")
    require(
        any(
            isinstance(part, (Real, torch.Tensor))
            and any(torch.as_tensor(part == done).all() for done in (50, 49))
            for part in saved.values()
        ),
        "The file does not say that 50 epochs are done.",
    )
    x, y = _line()
    expected = _trajectory(x[:40], y[:40], nn.L1Loss(), 0.01, 100, momentum=0.9)
    half = torch.cat([models[0]["weight"], models[0]["bias"]])
    require(
        torch.allclose(half, expected[49], atol=5e-3),
        "The model in the file is not the one after 50 epochs from seed 42.",
    )
    require(
        torch.allclose(_asked(straight, x), _at(expected[99], x), atol=0.01),
        "`straight` is not the model after 100 epochs from seed 42 with SGD, a "
        "learning rate of 0.01 and a momentum of 0.9.",
    )
    require(
        not torch.equal(_asked(resumed, x), _at(half, x)),
        "`resumed` is the model of the file: 50 more epochs are still to come.",
    )
    require(
        torch.equal(_asked(resumed, x), _asked(straight, x)),
        "`resumed` doesn't end where `straight` does. Did the new optimizer get its "
        "state, and did you train for exactly 50 more epochs?",
    )


def _at(parameters, x):
    return parameters[0] * x + parameters[1]


@exercise(
    "ex-from-memory",
    title="From memory",
    hints=(
        "there are six parts: data, model, loss and optimizer, loop, prediction, "
        "saving and loading. Write the names of the parts as comments first.",
        "most people get stuck at one of three places. Features need the shape (100, "
        "1): `unsqueeze(dim=1)`. The five steps are prediction, loss, `zero_grad`, "
        "`backward`, `step`. And a model is saved as `my_model.state_dict()`, and "
        "loaded into a *new* `nn.Linear` with `load_state_dict(torch.load(…))`.",
    ),
    shown="Your line falls as it should, and the loaded model has the same numbers in "
    "memory of its own.",
)
def from_memory(my_model, my_loaded_model):
    for model in (my_model, my_loaded_model):
        require(isinstance(model, nn.Module), "One of the two isn't a model.")
    require(
        my_model is not my_loaded_model,
        "Both names stand for one model, so nothing was loaded: make a new one and "
        "load the file into it.",
    )
    x = torch.linspace(0, 1, 21).unsqueeze(dim=1)
    with explain(RuntimeError, "The model does not take samples of one feature."):
        first, second = _asked(my_model, x), _asked(my_loaded_model, x)
    require(
        first.shape == (21, 1), f"For 21 inputs the output is {tuple(first.shape)}."
    )
    slope = (first[-1] - first[0]).item()
    require(
        slope < 0.25, "The line of your model rises; a weight of -0.5 makes it fall."
    )
    require(
        abs(slope) > 0.1,
        "Your model predicts nearly the same for every input. Do labels and "
        "predictions have the same shape, (N, 1)?",
    )
    worst = (first - (-0.5 * x + 0.9)).abs().max().item()
    require(
        worst < 0.06,
        f"The predictions are off by up to {worst:.2f}. Count the five steps and "
        "their order: gradients are cleared before the backward pass, and the step "
        "follows it.",
    )
    require(
        torch.equal(first, second),
        "The loaded model predicts something else: are the saved values copied into "
        "it?",
    )
    mine = {one.data_ptr() for one in my_model.parameters()}
    require(
        not any(one.data_ptr() in mine for one in my_loaded_model.parameters()),
        "The two models share their parameters, so nothing was loaded: the values come "
        "from the file.",
    )
