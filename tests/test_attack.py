"""The helpers under attack: a right answer or a clear error, and nothing disturbed.

The inputs are what learners hand over when something went wrong: other shapes and
dtypes, NaN, nothing at all, one class, huge numbers, views, tensors that record
gradients, on every device of this machine. ``make accelerator`` adds a pretend one.
"""

import math
import random
import re
import warnings
from contextlib import contextmanager

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from helpers.device import available_devices, get_device, seed_everything
from helpers.plotting import (
    plot_decision_boundary,
    plot_loss_curves,
    plot_predictions,
)
from helpers.training import accuracy, evaluate, fit, train_step
from helpers.training import test_step as measure

settings.register_profile(
    "attack",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
attack = settings(settings.get_profile("attack"), max_examples=60)
few = settings(settings.get_profile("attack"), max_examples=15)

DEVICES = available_devices()
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
DTYPES = [*FLOATS, torch.bool, torch.uint8, torch.int32, torch.int64, torch.complex64]
NUMBERS = [0, 1, 2, -1, 0.5, 7, math.nan, math.inf, -math.inf, 1e30, -1e300]
LINE = torch.linspace(0, 1, 10).reshape(-1, 1)
POINTS = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
CLASSES = torch.tensor([0, 0, 1, 1])


any_shape = st.lists(st.integers(0, 4), max_size=3)


@st.composite
def tensors(draw, shapes=None, dtypes=DTYPES, numbers=NUMBERS, devices=DEVICES):
    """Draw a tensor: any device, now and then a strided view, or with a gradient."""
    shape = draw(any_shape if shapes is None else shapes)
    count = math.prod(shape)
    values = draw(st.lists(st.sampled_from(numbers), min_size=count, max_size=count))
    wide = torch.tensor(values, dtype=torch.float64).reshape(shape)
    dtype, device = draw(st.sampled_from(dtypes)), draw(st.sampled_from(devices))
    if dtype == torch.float64 and device.startswith(("mps", "pretend")):
        dtype = torch.float32
    if not dtype.is_floating_point:
        wide = wide.nan_to_num(0, 3, -3).clamp(-1000, 1000)
    tensor = wide.to(dtype).to(device)
    if tensor.ndim and draw(st.booleans()):
        tensor = torch.stack([tensor, tensor], dim=-1)[..., 1]  # not contiguous
    if dtype.is_floating_point and draw(st.booleans()):
        tensor.requires_grad_()
    return tensor


@contextmanager
def undisturbed(model=None):
    """Assert that no state of the process, or of the model, is another afterwards."""

    def state():
        modules = list(model.modules()) if model else []
        parts = [*model.parameters(), *model.buffers()] if model else []
        return {
            "modes": [module.training for module in modules],
            "devices": [part.device for part in parts],
            "requires_grad": [part.requires_grad for part in parts],
            "values": [part.detach().cpu().tolist() for part in parts],
            "grads": [part.grad is None for part in parts],
            "grad mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
            "torch": torch.get_rng_state().tolist(),
            "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002
            "python": random.getstate(),
            "dtype": torch.get_default_dtype(),
            "rcParams": dict(matplotlib.rcParams),
        }

    before = state()
    try:
        yield
    finally:
        after = state()
        assert {key for key in before if before[key] != after[key]} == set()


def answer(function, *arguments, names, **options):
    """Call a helper; give its result, or None after a clear error.

    Clear is an error that begins with the name of the argument at fault, says what it
    must be, and what came.
    """
    try:
        return function(*arguments, **options)
    except (TypeError, ValueError) as error:
        text = str(error)
        assert text.startswith(names), text
        assert re.search(r" must (?!not work)", text), text
        assert re.search(r", got |\bgot\b", text), text
        return None


def make_model(device):
    """Build a model with parts in different modes, one of them frozen."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2)
    )
    model[1].eval()
    for parameter in model[1].parameters():
        parameter.requires_grad_(False)
    return model.to(device)


def make_batches(samples, size, device="cpu"):
    generator = torch.Generator().manual_seed(0)
    wide = torch.randn(samples, 4, generator=generator).to(device)
    inputs = wide[:, ::2]  # not contiguous
    labels = (inputs[:, 0] > 0).long()
    return list(zip(inputs.split(size), labels.split(size), strict=True))


# Scores


def by_hand(logits, labels):
    """Count with Python alone what accuracy counts; None where it has no answer."""
    rows, truth = logits.tolist(), labels.tolist()
    classes = logits.shape[1] if logits.ndim == 2 else 2
    if logits.ndim == 2:
        predicted = [row.index(max(row)) for row in rows]
    else:
        predicted = [int(row > 0) for row in rows]
    assert all(label in range(classes) for label in truth)
    pairs = zip(predicted, truth, strict=True)
    return sum(guess == label for guess, label in pairs) / len(truth)


@attack
@given(tensors(), tensors())
def test_accuracy_of_any_two_tensors(logits, labels):
    with undisturbed():
        got = answer(accuracy, logits, labels, names=("logits", "labels"))
    if got is not None:
        assert got == pytest.approx(by_hand(logits, labels), abs=1e-6)


@attack
@given(
    st.integers(1, 6).flatmap(
        lambda n: st.tuples(
            tensors(
                st.sampled_from([(n,), (n, 2), (n, 3)]),
                FLOATS,
                [-1, 0, 1, 0.5, math.inf, 1e30],
                DEVICES[:1],
            ),
            tensors(st.just((n,)), [torch.int64, torch.bool], [0, 1], DEVICES[:1]),
        )
    )
)
def test_accuracy_has_an_answer_for_what_fits(pair):
    logits, labels = pair
    assert accuracy(logits, labels) == pytest.approx(by_hand(logits, labels), abs=1e-6)


@pytest.mark.parametrize("device", DEVICES)
def test_accuracy_of_a_single_class_and_of_huge_numbers(device):
    labels = torch.zeros(5, dtype=torch.long, device=device)
    logits = torch.full((5, 3), -3e38, device=device)
    assert accuracy(logits, labels) == 1
    assert accuracy(logits[:, 0], labels) == 1


@pytest.mark.parametrize("value", [None, 3, [1.0], np.ones(3), "abc"])
def test_accuracy_wants_tensors(value):
    assert answer(accuracy, value, torch.ones(1), names="logits") is None
    assert answer(accuracy, torch.ones(1), value, names="labels") is None


# Training and measuring


@few
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(DEVICES), st.booleans())
def test_measuring_is_right_and_disturbs_nothing(samples, size, device, mode):
    model, loss_fn = make_model(device), nn.CrossEntropyLoss()
    model[0].train(mode)
    batches = make_batches(samples, size)
    with undisturbed(model):
        scores = measure(model, batches, loss_fn, device=device)
        row = evaluate(model, batches, loss_fn, device=device)
    inputs, labels = (torch.cat(part) for part in zip(*batches, strict=True))
    model.cpu().eval()
    with torch.no_grad():
        logits = model(inputs)
    assert scores.loss == pytest.approx(loss_fn(logits, labels).item(), rel=1e-3)
    assert scores.metric == pytest.approx(accuracy(logits, labels))
    assert (row["loss"], row["accuracy"]) == scores


@pytest.mark.parametrize("device", DEVICES)
def test_training_keeps_modes_devices_and_what_is_frozen(device):
    model = make_model(device)
    frozen = {key: value.clone() for key, value in model[1].state_dict().items()}
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    batches = make_batches(20, 7)
    kinds = [part.device.type for part in model.parameters()]
    fit(
        model,
        batches,
        batches,
        nn.CrossEntropyLoss(),
        optimizer,
        epochs=2,
        device=device,
    )
    assert [module.training for module in model] == [True, False, True, True]
    assert [part.device.type for part in model.parameters()] == kinds
    assert torch.is_grad_enabled()
    pairs = zip(before, model.parameters(), strict=True)
    moved = [not torch.equal(old, new) for old, new in pairs]
    assert moved == [parameter.requires_grad for parameter in model.parameters()]
    for name in ("weight", "bias"):
        assert torch.equal(frozen[name], getattr(model[1], name))


class Breaks(nn.Module):
    """Raise at a chosen call."""

    def __init__(self, at):
        super().__init__()
        self.layers, self.at, self.calls = nn.Linear(2, 2), at, 0

    def forward(self, x):
        self.calls += 1
        if self.calls == self.at:
            raise ArithmeticError("this model raises")
        return self.layers(x)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("at", [1, 3])
def test_a_model_that_raises_is_given_back(device, at):
    model = Breaks(at).to(device).eval()
    model.layers.train()
    batches = make_batches(6, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    modes = [module.training for module in model.modules()]
    with pytest.raises(ArithmeticError, match="this model raises"):
        train_step(model, batches, nn.CrossEntropyLoss(), optimizer, device=device)
    assert [module.training for module in model.modules()] == modes
    model.calls = 0
    with undisturbed(model), pytest.raises(ArithmeticError):
        measure(model, batches, nn.CrossEntropyLoss(), device=device)


BAD_LOADERS = [
    [],
    [torch.ones(4, 2)],
    [(torch.ones(4, 2),)],
    [(torch.ones(4, 2), torch.ones(4), torch.ones(4))],
    [(torch.ones(4, 2), [0, 1, 0, 1])],
    [{"inputs": torch.ones(4, 2), "labels": torch.ones(4)}],
    [(torch.ones(4, 2), torch.tensor(1))],
    [(torch.ones(4, 2), torch.zeros(3).long())],
    [(torch.ones(0, 2), torch.zeros(0).long())],
    [None],
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("loader", BAD_LOADERS, ids=range(len(BAD_LOADERS)))
def test_batches_of_another_kind(loader, device):
    model, loss_fn = make_model(device), nn.CrossEntropyLoss()
    with undisturbed(model):
        got = answer(measure, model, loader, loss_fn, device=device, names="loader")
    assert got is None


@pytest.mark.parametrize(
    "loss",
    [
        lambda outputs, labels: 0.5,
        lambda outputs, labels: None,
        lambda outputs, labels: outputs,
        lambda outputs, labels: outputs.sum() * math.nan,
        lambda outputs, labels: (outputs * 3e38).abs().sum() + 3e38,
    ],
)
@pytest.mark.parametrize("device", DEVICES)
def test_a_loss_that_is_none(loss, device):
    model, batches = make_model(device), make_batches(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with undisturbed(model):
        got = answer(measure, model, batches, loss, device=device, names="loss_fn")
    assert got is None
    values = [parameter.tolist() for parameter in model.parameters()]
    options = {"device": device, "names": "loss_fn"}
    assert answer(train_step, model, batches, loss, optimizer, **options) is None
    assert [parameter.tolist() for parameter in model.parameters()] == values


def test_a_metric_that_would_hide_another_column():
    def loss(outputs, labels):
        return 0.0

    model, batches, loss_fn = (
        make_model("cpu"),
        make_batches(4, 2),
        nn.CrossEntropyLoss(),
    )
    options = {"metric": loss, "device": "cpu", "names": "metric"}
    assert answer(evaluate, model, batches, loss_fn, **options) is None


@pytest.mark.parametrize("where", ["meta", *DEVICES[:-1]])
def test_a_model_that_is_partly_elsewhere(where):
    model = make_model("cpu")
    model[3].to(where)
    with pytest.raises(ValueError, match=r"^model must be on device 'cpu'.*3\.weight"):
        measure(model, make_batches(4, 2), nn.CrossEntropyLoss(), device="cpu")


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "", None, [], "warp9:1"])
def test_a_device_that_there_is_not(device):
    arguments = make_model("cpu"), make_batches(4, 2), nn.CrossEntropyLoss()
    assert answer(measure, *arguments, device=device, names="device") is None


def test_a_function_is_no_model():
    arguments = torch.sin, make_batches(4, 2), nn.CrossEntropyLoss()
    assert answer(measure, *arguments, device="cpu", names="model") is None


# Figures


@contextmanager
def drawing():
    """Draw without warnings, disturb nothing, and leave no figure behind on errors."""
    figures = plt.get_fignums()
    with undisturbed(), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        for number in set(plt.get_fignums()) - set(figures):
            plt.figure(number).canvas.draw()
    plt.close("all")


columns = st.integers(0, 4).flatmap(
    lambda n: st.tuples(
        *[tensors(st.sampled_from([(n,), (n, 1), (n, 2)]), DTYPES) for _ in range(5)]
    )
)


@few
@given(columns)
def test_predictions_of_any_tensors(arrays):
    names = ("train_data", "train_labels", "test_data", "test_labels", "predictions")
    with drawing():
        ax = answer(plot_predictions, *arrays, names=names)
    if ax is not None:
        drawn = [len(points.get_offsets()) for points in ax.collections]
        assert drawn == [len(arrays[index]) for index in (0, 2, 2)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("factor", [1, 1e30, 1e-30, 0])
def test_predictions_of_views_that_record_gradients(device, factor):
    base = (torch.stack([LINE, LINE], dim=1) * factor).to(device).requires_grad_()
    view = base[:, 0]
    with drawing():
        ax = plot_predictions(view[:7], view[:7], view[7:], view[7:], view[7:] * 2)
    y = ax.collections[2].get_offsets()[:, 1]
    np.testing.assert_allclose(y, 2 * factor * LINE[7:, 0].numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    "values",
    [
        *(None, "abc", "7", ["a"] * 10, ["1"] * 10, [None] * 10, [1.0, None] * 5),
        *([[1], [2, 3]], {}, object(), np.ones(10) * 1j),
    ],
)
def test_predictions_of_what_is_no_array(values):
    arrays = LINE[:, 0], values, LINE, LINE
    with drawing():
        assert answer(plot_predictions, *arrays, names="train_labels") is None
    if not isinstance(values, np.ndarray):
        with pytest.raises(ValueError, match="^train_labels must be an array of num"):
            plot_predictions(*arrays)


@few
@given(
    tensors(st.sampled_from([(4, 2), (1, 2), (0, 2), (4, 3), (4,)]), FLOATS),
    tensors(st.sampled_from([(4,), (4, 1), (1,)]), DTYPES),
    st.sampled_from(DEVICES),
    st.sampled_from([1, 2, 3]),
)
def test_boundary_of_any_tensors(X, y, device, outputs):
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(), nn.Linear(2, outputs))
    model[1].eval()
    model.to(device)
    with drawing(), undisturbed(model):
        names, options = ("X", "y", "model"), {"resolution": 5}
        answer(plot_decision_boundary, model, X, y, names=names, **options)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shift", [0, 1e6, 1e12, -1e30])
def test_boundary_of_points_far_out_and_all_alike(device, shift):
    X = (torch.zeros(4, 2) + shift).to(device)
    model = nn.Linear(2, 3).to(device)
    with drawing():
        ax = plot_decision_boundary(model, X, CLASSES, resolution=4)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert left < shift < right
    assert bottom < shift < top


@pytest.mark.parametrize("kind", [torch.int64, torch.float32])
def test_boundary_of_one_class_with_a_huge_number(kind):
    y = torch.full((4,), 2.0**40).to(kind)
    with drawing():
        ax = plot_decision_boundary(
            lambda grid: grid[:, 0] > 0, POINTS, y, resolution=4
        )
    assert [part.get_label() for part in ax.collections[1:]] == [f"class {2**40}"]


@pytest.mark.parametrize(
    "model",
    [
        lambda grid: {"logits": grid},
        lambda grid: None,
        lambda grid: torch.full((len(grid),), -1),
        lambda grid: torch.zeros(len(grid), 0),
        lambda grid: grid.sum(),
        lambda grid: grid * math.nan,
    ],
)
def test_boundary_of_a_model_with_strange_answers(model):
    with drawing():
        options = {"names": "model", "resolution": 4}
        assert answer(plot_decision_boundary, model, POINTS, CLASSES, **options) is None


@pytest.mark.parametrize("resolution", [1, 0, -3, 2.5, None, "9", True])
def test_boundary_with_a_strange_resolution(resolution):
    arguments = nn.Linear(2, 1), POINTS, CLASSES
    options = {"resolution": resolution, "names": "resolution"}
    with drawing():
        assert answer(plot_decision_boundary, *arguments, **options) is None


@pytest.mark.parametrize("device", DEVICES)
def test_boundary_gives_a_raising_model_back(device):
    model = Breaks(1).to(device)
    model.layers.eval()
    with drawing(), undisturbed(model), pytest.raises(ArithmeticError):
        plot_decision_boundary(model, POINTS, CLASSES)


@few
@given(
    st.dictionaries(
        st.sampled_from(["train_loss", "test_loss", "train_accuracy", "other"]),
        st.lists(st.sampled_from([*NUMBERS, None, "x"]), max_size=4)
        | tensors(st.lists(st.integers(0, 4), max_size=2), FLOATS),
        max_size=4,
    )
)
def test_curves_of_any_history(history):
    with drawing():
        warnings.filterwarnings("ignore", "history has series that are not drawn")
        axes = answer(plot_loss_curves, history, names="history")
    if axes is not None:
        assert len(axes) == sum(key.startswith("train_") for key in history)


@pytest.mark.parametrize("history", [None, [], [1.0], "train_loss", 3, torch.ones(3)])
def test_curves_of_what_is_no_history(history):
    with drawing():
        assert answer(plot_loss_curves, history, names="history") is None


@pytest.mark.parametrize("kind", ["array", "list", "figure", "string"])
def test_axes_of_another_kind(kind):
    figure, axes = plt.subplots(1, 2)
    ax = {"array": axes, "list": list(axes), "figure": figure, "string": "left"}[kind]
    figures, options = plt.get_fignums(), {"ax": ax, "names": "ax"}
    line, model = [LINE] * 4, nn.Linear(2, 1)
    with undisturbed():
        assert answer(plot_predictions, *line, **options) is None
        assert answer(plot_decision_boundary, model, POINTS, CLASSES, **options) is None
        history = {"train_loss": [1.0]}
        assert answer(plot_loss_curves, history, **options) is None
    assert plt.get_fignums() == figures
    assert not any(one.has_data() for one in axes)
    plt.close("all")


# Devices and seeds


@attack
@given(
    st.text(max_size=8)
    | st.sampled_from(["cuda:99", "mps:7", "cuda:-1", "meta", "gpu", "cpu:0", "CPU"])
)
def test_any_name_of_a_device(name):
    with undisturbed():
        device = answer(get_device, name, names="name")
    assert device is None or (torch.ones(1, device=device) + 1).item() == 2


@attack
@given(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.integers(0, 2**32 - 1).map(np.int64)
)
def test_any_seed(seed):
    before = torch.get_rng_state()
    got = answer(seed_everything, seed, names=("seed", "the environment variable"))
    if got is None:
        assert torch.equal(torch.get_rng_state(), before)
    else:
        assert got in {42, seed}
