"""`helpers.plotting`: what is drawn, what stays untouched, what is refused."""

import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from helpers.plotting import (
    draw_table,
    plot_decision_boundary,
    plot_loss_curves,
    plot_predictions,
)

mpl.use("agg")


@pytest.fixture(autouse=True)
def untouched_state():
    before = mpl.rcParams.copy()
    yield
    assert mpl.rcParams == before
    plt.close("all")


LINE = torch.linspace(0, 1, 10).unsqueeze(1)
POINTS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
CLASSES = torch.tensor([0, 0, 1, 1])


def offsets(ax):
    return [np.asarray(part.get_offsets()) for part in ax.collections]


@pytest.mark.parametrize("shape", [(-1, 1), (-1,)])
@pytest.mark.parametrize("kind", [torch.Tensor.clone, torch.Tensor.numpy])
def test_predictions_are_drawn_at_the_test_inputs(shape, kind):
    x = kind(LINE.reshape(shape))
    ax = plot_predictions(x[:7], 2 * x[:7], x[7:], 2 * x[7:], 3 * x[7:])
    train, test, predicted = offsets(ax)
    np.testing.assert_allclose(train[:, 1], 2 * train[:, 0])
    np.testing.assert_allclose(test[:, 1], 2 * test[:, 0])
    np.testing.assert_allclose(predicted[:, 1], 3 * predicted[:, 0])
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["training data", "test data", "predictions"]


def test_training_and_test_and_predictions_differ_in_colour_and_marker():
    ax = plot_predictions(LINE[:7], LINE[:7], LINE[7:], LINE[7:], LINE[7:])
    colours = {tuple(part.get_facecolor()[0]) for part in ax.collections}
    shapes = {part.get_paths()[0].vertices.tobytes() for part in ax.collections}
    assert len(colours) == len(shapes) == 3
    legend = [mark.get_facecolor()[0] for mark in ax.get_legend().legend_handles]
    for part, colour in zip(ax.collections, legend, strict=True):
        np.testing.assert_array_equal(part.get_facecolor()[0], colour)


def test_predictions_take_gradients_and_reuse_the_axes():
    ax = plt.subplots()[1]
    with_grad = LINE[7:].clone().requires_grad_()
    got = plot_predictions(LINE[:7], LINE[:7], LINE[7:], LINE[7:], with_grad, ax=ax)
    assert got is ax
    assert len(ax.collections) == 3
    assert with_grad.requires_grad


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: torch.zeros(3, 2)}, r"train_data must have shape .* got \(3, 2\)"),
        ({1: LINE[:3]}, "train_labels must be as long as train_data, got 3 and 7"),
        ({4: LINE[:2]}, "predictions must be as long as test_data, got 2 and 3"),
        ({3: LINE[7:] * float("nan")}, "test_labels must be finite"),
        ({2: torch.zeros(0), 3: torch.zeros(0), 4: torch.zeros(0)}, "N >= 1"),
    ],
)
def test_predictions_refuse_bad_input_and_draw_nothing(change, message):
    arguments = [LINE[:7], LINE[:7], LINE[7:], LINE[7:], LINE[7:]]
    for index, value in change.items():
        arguments[index] = value
    figures = plt.get_fignums()
    with pytest.raises(ValueError, match=message):
        plot_predictions(*arguments)
    assert plt.get_fignums() == figures


def predicted_mesh(ax):
    return np.asarray(ax.collections[0].get_array()).reshape(200, 200)


@pytest.mark.parametrize(
    "model",
    [
        lambda grid: grid[:, 1] - 0.5,
        lambda grid: grid[:, 1:] - 0.5,
        lambda grid: (grid[:, 1] > 0.5).long(),
        lambda grid: grid[:, 1] > 0.5,
        lambda grid: torch.stack([0.5 - grid[:, 1], grid[:, 1] - 0.5], dim=1),
        lambda grid: (grid[:, 1] > 0.5).numpy(),
    ],
)
def test_boundary_is_the_same_for_every_kind_of_answer(model):
    mesh = predicted_mesh(plot_decision_boundary(model, POINTS, CLASSES))
    assert (mesh[:100] == 0).all()
    assert (mesh[100:] == 1).all()


@pytest.mark.parametrize("count", [2, 5, 8, 10])
def test_points_have_the_colour_of_their_area(count):
    X = torch.stack([torch.arange(count) + 0.5, torch.zeros(count)], dim=1)

    def model(grid):
        return grid[:, 0].floor().clamp(0, count - 1).long()

    ax = plot_decision_boundary(model, X, torch.arange(count))
    mesh, *parts = ax.collections
    areas = np.asarray(mesh.get_array()).reshape(200, 200)
    seen = set()
    for index, (points, x) in enumerate(zip(parts, X[:, 0].tolist(), strict=True)):
        assert points.get_label() == f"class {index}"
        left, right = ax.get_xlim()
        area = areas[100, round((x - left) / (right - left) * 199)]
        expected = mesh.cmap(mesh.norm(area))
        np.testing.assert_allclose(points.get_facecolor()[0], expected)
        seen.add(tuple(points.get_facecolor()[0]))
    assert len(seen) == min(count, 8)


def sloping(grid):
    return 8 * (grid[:, 1] - 0.5)


def test_probabilities_get_a_warning():
    y = (POINTS[:, 1] > 0.5).long()
    with pytest.warns(UserWarning, match="^model gives numbers .* as class 1"):
        ax = plot_decision_boundary(lambda x: sloping(x).sigmoid(), POINTS, y)
    assert (predicted_mesh(ax) == 1).all()


@pytest.mark.parametrize(
    "model",
    [
        sloping,
        lambda x: sloping(x).sigmoid() > 0.5,
        lambda x: (sloping(x).sigmoid() > 0.5).float(),
        lambda x: (sloping(x) > 0).long(),
        lambda x: torch.stack([-sloping(x), sloping(x)], dim=1).softmax(dim=1),
        lambda x: 0.2 + 0.1 * x[:, 1],  # small logits of an untrained model
        lambda x: 0.5 + 0.1 * (0.5 - x[:, 1]),
    ],
)
def test_logits_and_classes_get_no_warning(model):
    y = (POINTS[:, 1] > 0.5).long()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_decision_boundary(model, POINTS, y)


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 8), st.integers(1, 40), st.integers(0, 1000))
def test_boundary_mesh_is_the_models_argmax(classes, samples, seed):
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(samples, 2, generator=generator)
    y = torch.randint(classes, (samples,), generator=generator)
    weight = torch.randn(2, classes, generator=generator)
    ax = plot_decision_boundary(lambda grid: grid @ weight, X, y, resolution=8)
    mesh = ax.collections[0]
    centres = torch.tensor(np.asarray(mesh.get_coordinates()), dtype=torch.float64)
    centres = (centres[1:, 1:] + centres[:-1, :-1]) / 2
    expected = (centres @ weight.double()).topk(2).values
    sure = (expected[..., 0] - expected[..., 1]) > 1e-3
    winner = (centres @ weight.double()).argmax(-1)
    drawn = torch.tensor(np.asarray(mesh.get_array()).reshape(8, 8).astype(int))
    assert torch.equal(drawn[sure], winner[sure])
    plt.close("all")


@pytest.mark.parametrize("mode", [True, False])
def test_boundary_leaves_the_model_as_it_was(mode):
    model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)).train(
        mode
    )
    model[1].eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    plot_decision_boundary(model, POINTS.requires_grad_(), CLASSES)
    assert [module.training for module in model] == [mode, False, mode]
    assert all(
        torch.equal(before[key], value) for key, value in model.state_dict().items()
    )
    assert all(parameter.grad is None for parameter in model.parameters())


def test_boundary_follows_the_models_dtype():
    model = nn.Linear(2, 1).to(torch.bfloat16)
    plot_decision_boundary(model, POINTS, CLASSES)
    assert model.weight.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("X", "y", "model", "message"),
    [
        (torch.zeros(4, 3), CLASSES, len, r"X must have shape \(N, 2\).*\(4, 3\)"),
        (torch.zeros(0, 2), CLASSES, len, "N >= 1"),
        (POINTS, CLASSES[:3], len, "y must be as long as X, got 3 and 4"),
        (POINTS, CLASSES - 1, len, "y must hold classes"),
        (POINTS, CLASSES + 0.5, len, "y must hold classes"),
        (POINTS * float("inf"), CLASSES, len, "X must be finite"),
        (POINTS, CLASSES, lambda grid: grid[:7], r"model must map \(40000, 2\)"),
        (POINTS, CLASSES, lambda grid: grid * float("nan"), "NaN"),
    ],
)
def test_boundary_refuses_bad_input_and_draws_nothing(X, y, model, message):
    figures = plt.get_fignums()
    with pytest.raises(ValueError, match=message):
        plot_decision_boundary(model, X, y)
    assert plt.get_fignums() == figures


def test_boundary_wants_a_model():
    with pytest.raises(TypeError, match="model must be callable, got int"):
        plot_decision_boundary(3, POINTS, CLASSES)


def test_boundary_restores_the_mode_of_a_model_that_fails():
    model = nn.Linear(3, 1).train()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        plot_decision_boundary(model, POINTS, CLASSES)
    assert model.training


HISTORY = {
    "train_loss": [3.0, 2.0],
    "test_loss": [3.0, 2.5],
    "train_accuracy": [0.4, 0.6],
    "test_accuracy": [0.4, 0.5],
}


def test_curves_have_a_panel_for_each_quantity():
    axes = plot_loss_curves(HISTORY)
    assert [ax.get_ylabel() for ax in axes] == ["loss", "accuracy"]
    drawn = [[list(line.get_ydata()) for line in ax.get_lines()] for ax in axes]
    assert drawn == [[[3.0, 2.0], [3.0, 2.5]], [[0.4, 0.6], [0.4, 0.5]]]
    assert list(axes[0].get_lines()[0].get_xdata()) == [1, 2]


def test_curves_on_given_axes_and_without_a_test_set():
    ax = plt.subplots()[1]
    (got,) = plot_loss_curves({"train_loss": [1.0]}, ax=ax)
    assert got is ax
    assert len(ax.get_lines()) == 1


@pytest.mark.parametrize("kind", [np.asarray, list, tuple])
def test_curves_on_two_given_axes(kind):
    axes = plt.subplots(2, 1)[1]
    got = plot_loss_curves(HISTORY, ax=kind(axes))
    assert list(got) == list(axes)
    assert [ax.get_ylabel() for ax in axes] == ["loss", "accuracy"]
    assert len(plt.get_fignums()) == 1


def test_curves_say_what_they_leave_out():
    history = HISTORY | {"test_f1": [0.1, 0.2], "seconds": ["long", "longer"]}
    with pytest.warns(UserWarning, match="not drawn: test_f1, seconds; a panel"):
        axes = plot_loss_curves(history)
    assert len(axes) == 2


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ({"loss": [1.0]}, "key such as 'train_loss', got"),
        ({"train_loss": []}, "equally many epochs"),
        ({"train_loss": [1.0], "test_loss": [1.0, 2.0]}, "equally many epochs"),
    ],
)
def test_curves_refuse_a_bad_history(history, message):
    with pytest.raises(ValueError, match=message):
        plot_loss_curves(history)


def test_curves_want_an_axes_for_each_panel():
    ax = plt.subplots()[1]
    with pytest.raises(ValueError, match="ax must hold one Axes for each .* got 1"):
        plot_loss_curves(HISTORY, ax=ax)
    assert not ax.has_data()


def test_nothing_is_drawn_from_the_random_generator():
    before = torch.get_rng_state()
    plot_predictions(LINE[:7], LINE[:7], LINE[7:], LINE[7:])
    plot_decision_boundary(lambda grid: grid[:, 0], POINTS, CLASSES)
    plot_loss_curves(HISTORY)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_table_has_a_square_and_a_number_for_each_entry():
    table = torch.tensor([[1, 2, 3], [4, 5, 6]])
    ax = plt.subplots()[1]
    assert draw_table(ax, table, x=10, y=20) is ax
    places = {text.get_text(): text.get_position() for text in ax.texts}
    assert list(places) == ["1", "2", "3", "4", "5", "6"]
    assert places["2"] == (11.5, 20.5)
    assert places["4"] == (10.5, 21.5)
    corners = [square.get_xy() for square in ax.patches]
    assert set(corners) == {(10 + j, 20 + i) for i in (0, 1) for j in (0, 1, 2)}
    assert ax.get_aspect() == 1
    assert not ax.axison


def test_a_table_has_a_colour_for_each_number():
    ax = plt.subplots()[1]
    draw_table(ax, torch.zeros(2, 2), [["red"], ["blue"]], alpha=0.5)
    colours = [square.get_facecolor() for square in ax.patches[1::2]]
    assert colours == [(1, 0, 0, 0.5)] * 2 + [(0, 0, 1, 0.5)] * 2


def test_a_table_has_numbers_that_record_gradients():
    ax = plt.subplots()[1]
    draw_table(ax, torch.ones(1, 1, requires_grad=True))
    assert [text.get_text() for text in ax.texts] == ["1.0"]


@pytest.mark.parametrize(
    ("table", "colors", "error", "message"),
    [
        ([[1]], "C0", TypeError, "table must be a tensor, got list"),
        (
            torch.ones(3),
            "C0",
            ValueError,
            r"table must have two dimensions, got \(3,\)",
        ),
        (torch.ones(2, 3), ["C0"] * 2, ValueError, r"colors must fit .* got \(2,\)"),
        (torch.ones(2, 3), "no colour", ValueError, "no colour"),
    ],
)
def test_a_table_refuses_bad_input_and_draws_nothing(table, colors, error, message):
    ax = plt.subplots()[1]
    with pytest.raises(error, match=message):
        draw_table(ax, table, colors)
    assert not ax.has_data()
    assert ax.axison


@pytest.mark.parametrize("ax", [None, "here"])
def test_a_table_wants_an_axes(ax):
    with pytest.raises(TypeError, match="ax must be a matplotlib Axes"):
        draw_table(ax, torch.ones(1, 1))
