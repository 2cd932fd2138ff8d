"""Figures that several chapters draw; each takes `ax`, returns it, changes no state."""

import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from itertools import chain

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgba_array
from matplotlib.patches import Rectangle

from helpers.training import looks_like_probabilities, switched

STYLE = "helpers.course"


def plot_predictions(
    train_data, train_labels, test_data, test_labels, predictions=None, *, ax=None
):
    """Scatter a training set, a test set and predictions for the test set.

    Parameters
    ----------
    train_data, train_labels, test_data, test_labels : torch.Tensor or array_like
        Shape (N,) or (N, 1), on any device; data and labels of a set are equally long.
    predictions : torch.Tensor or array_like, optional
        As long as `test_data`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If an argument has another shape, differs in length from its partner, or holds
        something else than finite real numbers. Nothing is drawn then.
    TypeError
        If `ax` is no Axes.

    Notes
    -----
    Written out in chapter 05, Workflow.
    """
    _check_ax(ax)
    names = ["train_data", "train_labels", "test_data", "test_labels", "predictions"]
    given = [train_data, train_labels, test_data, test_labels, predictions]
    column = {
        name: _to_column(values, name)
        for name, values in zip(names, given, strict=True)
        if name != "predictions" or values is not None
    }
    pairs = [("train_data", "train_labels"), ("test_data", "test_labels")]
    if predictions is not None:
        pairs.append(("test_data", "predictions"))
    for first, second in pairs:
        if len(column[first]) != len(column[second]):
            raise ValueError(
                f"{second} must be as long as {first}, got {len(column[second])} and "
                f"{len(column[first])}"
            )
    with plt.style.context(STYLE):
        ax = plt.subplots()[1] if ax is None else ax
        kinds = [("training data", "o", "C0"), ("test data", "s", "C2")]
        if predictions is not None:
            kinds.append(("predictions", "X", "C1"))
        for (x, y), (label, marker, color) in zip(pairs, kinds, strict=True):
            ax.scatter(column[x], column[y], s=22, c=color, marker=marker, label=label)
        ax.set(xlabel="x", ylabel="y")
        ax.legend()
    return ax


def plot_decision_boundary(model, X, y, *, ax=None, resolution=200):
    """Colour the plane by what a classifier predicts, with the samples on top.

    Parameters
    ----------
    model : callable
        Maps a float tensor (M, 2) to logits (M, C) with C >= 2, to one logit a row of
        shape (M,) or (M, 1), where above 0 means class 1, or to integer or boolean
        labels (M,). A `torch.nn.Module` is asked in evaluation mode on its own device;
        its mode is restored.
    X : torch.Tensor or array_like
        Samples, shape (N, 2), finite, on any device.
    y : torch.Tensor or array_like
        Classes 0, 1, 2 ... of the samples, shape (N,) or (N, 1).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.
    resolution : int, optional
        Points of the grid a side; an integer of at least 2.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If a shape does not fit, a value is no finite real number (of `X`: no float32),
        or `model` answers with another shape, NaN or a negative class.
    TypeError
        If `model` cannot be called, or `ax` is no Axes.

    Notes
    -----
    Written out in chapter 06, Classification. Eight classes at most can be told apart
    by colour. A warning is given if the one output a row looks like a probability:
    those are all above 0, so the whole plane would be class 1.
    """
    _check_ax(ax)
    if not callable(model):
        raise TypeError(f"model must be callable, got {type(model).__name__}")
    points = _to_array(X, "X")
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise ValueError(f"X must have shape (N, 2) with N >= 1, got {points.shape}")
    classes = _to_column(y, "y")
    if len(classes) != len(points):
        raise ValueError(
            f"y must be as long as X, got {len(classes)} and {len(points)}"
        )
    # Beyond 2**53 a float no longer counts in ones.
    wrong = (classes != np.floor(classes)) | (classes < 0) | (classes > 2**53)
    if wrong.any():
        raise ValueError(
            f"y must hold classes 0, 1, 2 ..., got {classes[wrong][0]:g} among others"
        )
    classes = classes.astype(np.int64)
    whole = isinstance(resolution, (int, np.integer))
    if not whole or isinstance(resolution, bool) or resolution < 2:
        raise ValueError(f"resolution must be at least 2, got {resolution!r}")

    low, high = points.min(axis=0), points.max(axis=0)
    largest = np.maximum(abs(low), abs(high))
    if largest.max() > 1e37:  # so that the margin is a float32 too
        raise ValueError(
            f"X must lie within -1e37 ... 1e37, as float32 does, got {largest.max():g}"
        )
    # Points on a line, or all alike, get a plane that a float can resolve.
    margin = 0.08 * np.maximum(high - low, 1e-6 * np.maximum(1, largest))
    xs, ys = np.linspace(low - margin, high + margin, resolution).T
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    outputs = _outputs(model, torch.from_numpy(grid).float())
    predicted = _to_classes(outputs).reshape(resolution, resolution)
    if outputs.ndim == 1 and looks_like_probabilities(outputs):
        # What the grid says where the samples are; 0.5 as the cut must fit better.
        steps = np.array([xs[1] - xs[0], ys[1] - ys[0]])
        columns, rows = np.rint((points - [xs[0], ys[0]]) / steps).astype(int).T
        cut = (outputs > 0.5).numpy().reshape(resolution, resolution)[rows, columns]
        if (cut == classes).sum() > (predicted[rows, columns] == classes).sum():
            warnings.warn(
                "model gives numbers from 0 to 1 only, as if they were probabilities. "
                "A logit above 0 means class 1, so the whole plane is coloured as "
                "class 1. Leave the sigmoid out of model, or pass a function that "
                "gives classes: lambda x: model(x) > 0.5.",
                stacklevel=2,
            )

    with plt.style.context(STYLE):
        ax = plt.subplots(figsize=(4.8, 4.2))[1] if ax is None else ax
        cycle = plt.rcParams["axes.prop_cycle"].by_key()["color"]
        count = len(cycle)
        shade = {"cmap": ListedColormap(cycle), "vmin": -0.5, "vmax": count - 0.5}
        ax.pcolormesh(xs, ys, predicted % count, alpha=0.3, rasterized=True, **shade)
        markers = "osD^vP*X"
        for index in np.unique(classes):
            chosen = points[classes == index]
            ax.scatter(
                *chosen.T,
                s=16,
                color=cycle[index % count],
                marker=markers[index % len(markers)],
                edgecolor="white",
                linewidth=0.4,
                label=f"class {index}",
            )
        ax.set(xlabel="$x_1$", ylabel="$x_2$", xlim=xs[[0, -1]], ylim=ys[[0, -1]])
        ax.grid(False)
    return ax


def plot_loss_curves(history, *, ax=None):
    """Draw loss and metric over epochs, training and test in one panel each.

    Parameters
    ----------
    history : dict of str to sequence of float
        As `helpers.training.fit` returns it: keys ``train_<name>`` and, optionally,
        ``test_<name>``, each with one number (or tensor of one number) an epoch. NaN
        leaves a gap. Other keys are left out, with a warning that names them.
    ax : matplotlib.axes.Axes or sequence of them, optional
        One for each ``<name>``; a new figure without it.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `history` is no dictionary, or `ax` holds something else than Axes.
    ValueError
        If `history` has no ``train_`` key, its series are empty, of unequal length or
        hold no numbers, or `ax` has another length than there are names. Nothing is
        drawn then.

    Notes
    -----
    Written out in chapter 05, Workflow; how to read the curves: chapter 12.
    """
    if not isinstance(history, Mapping):
        raise TypeError(f"history must be a dictionary, got {type(history).__name__}")
    other = [key for key in history if not isinstance(key, str)]
    if other:
        raise ValueError(f"history must have strings as keys, got {other[0]!r}")
    names = [key.removeprefix("train_") for key in history if key.startswith("train_")]
    if not names:
        raise ValueError(
            f"history must have a key such as 'train_loss', got {sorted(history)}"
        )
    drawn = {f"{part}_{name}" for name in names for part in ("train", "test")}
    left_out = [key for key in history if key not in drawn]
    history = {
        key: _to_floats(values, key) for key, values in history.items() if key in drawn
    }
    lengths = {key: len(values) for key, values in history.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(
            f"history must have equally many epochs in each series, got {lengths}"
        )
    if ax is not None:
        axes = np.ravel(np.asarray(ax, dtype=object))
        for one in axes:
            _check_ax(one)
        if len(axes) != len(names):
            raise ValueError(
                f"ax must hold one Axes for each of {names}, got {len(axes)}"
            )
    if left_out:
        warnings.warn(
            f"history has series that are not drawn: {', '.join(left_out)}; a panel "
            "is made for each key that begins with 'train_', and its 'test_' is added",
            stacklevel=2,
        )
    with plt.style.context(STYLE):
        if ax is None:
            figsize = (3.2 * len(names), 3) if len(names) > 1 else None
            axes = plt.subplots(1, len(names), figsize=figsize, squeeze=False)[1][0]
        epochs = range(1, max(lengths.values()) + 1)
        for one, name in zip(axes, names, strict=True):
            for part, line in [("train", "-"), ("test", "--")]:
                if f"{part}_{name}" in history:
                    one.plot(epochs, history[f"{part}_{name}"], line, label=part)
            one.set(xlabel="epoch", ylabel=name)
            one.xaxis.get_major_locator().set_params(integer=True)
            one.legend()
    return axes


def draw_table(ax, table, colors="C5", *, x=0, y=0, alpha=0.45, z=1):
    """Draw a matrix as coloured squares with its numbers, a unit each.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw. It loses its frame, and its units become equally long; what it
        shows is for the caller to say, as in ``ax.set(xlim=(0, 3), ylim=(2, 0))``.
    table : torch.Tensor
        Shape (rows, columns), on any device.
    colors : str or array_like of str
        A colour for each number, or fewer that broadcast to the table's shape.
    x, y : float
        The top left corner, on a y axis that points downwards.
    alpha : float
        How strong the colours are, from 0 to 1.
    z : float
        What has a higher one covers what has a lower one.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `ax` is no Axes, or `table` is no tensor.
    ValueError
        If `table` does not have two dimensions, or `colors` do not fit it, or one is no
        colour. Nothing is drawn then.

    Notes
    -----
    Used in chapter 02, Tensors, and chapter 03, Tensor operations.
    """
    if ax is None:
        raise TypeError("ax must be a matplotlib Axes, got None")
    _check_ax(ax)
    if not isinstance(table, torch.Tensor):
        raise TypeError(f"table must be a tensor, got {type(table).__name__}")
    if table.ndim != 2:
        raise ValueError(f"table must have two dimensions, got {tuple(table.shape)}")
    shape, given = tuple(table.shape), np.shape(colors)
    try:
        colors = np.broadcast_to(colors, shape)
    except ValueError as error:
        raise ValueError(f"colors must fit the shape {shape}, got {given}") from error
    with plt.style.context(STYLE):
        to_rgba_array(colors.ravel())  # raises if one is no colour
        for row, numbers in enumerate(table.tolist()):
            for column, number in enumerate(numbers):
                corner = (x + column, y + row)
                ax.add_patch(Rectangle(corner, 1, 1, color="white", zorder=z))
                style = {"facecolor": colors[row, column], "edgecolor": "white"}
                style |= {"alpha": alpha, "linewidth": 2, "zorder": z}
                ax.add_patch(Rectangle(corner, 1, 1, **style))
                style = {"ha": "center", "va": "center", "fontsize": 13, "zorder": z}
                ax.text(x + column + 0.5, y + row + 0.5, number, **style)
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def _check_ax(ax):
    if ax is None or isinstance(ax, Axes):
        return
    got = type(ax).__name__
    if isinstance(ax, (np.ndarray, list, tuple)):
        got += f" of {np.size(ax)}; pass one of them, such as axes[0]"
    raise TypeError(f"ax must be a matplotlib Axes, got {got}")


def _to_array(values, name):
    complex_numbers = f"{name} must be real numbers, got complex ones"
    try:
        if isinstance(values, torch.Tensor):
            values = values.detach().cpu()
            if values.is_complex():
                raise ValueError(complex_numbers)
            values = values.to(torch.float64)  # NumPy has no bfloat16
        array = np.asarray(values)
        if np.iscomplexobj(array):
            raise ValueError(complex_numbers)
        # float() would make NaN of None, and a number of "3".
        if array.dtype.kind not in "biufO" or any(
            isinstance(value, (str, bytes, type(None)))
            for value in (array.flat if array.dtype.kind == "O" else [])
        ):
            raise TypeError
        array = array.astype(float)
    except (TypeError, ValueError, RuntimeError) as error:
        if str(error) == complex_numbers:
            raise
        kind = type(values).__name__
        raise ValueError(f"{name} must be an array of numbers, got {kind}") from error
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return array


def _to_floats(values, key):
    try:
        if any(isinstance(value, str) for value in values):
            raise TypeError
        return [
            value.item() if isinstance(value, torch.Tensor) else float(value)
            for value in values
        ]
    except (TypeError, ValueError, RuntimeError) as error:
        message = f"history must hold a sequence of numbers for {key!r}, got {values!r}"
        raise ValueError(message) from error


def _to_column(values, name):
    array = _to_array(values, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(
            f"{name} must have shape (N,) or (N, 1) with N >= 1, got {array.shape}"
        )
    return array


def _outputs(model, grid):
    """Ask a model about each point, and check the shape of what it answers."""
    mode = nullcontext()
    if isinstance(model, torch.nn.Module):
        mode = switched(model, training=False)
        for tensor in chain(model.parameters(), model.buffers()):
            if tensor.is_floating_point():
                grid = grid.to(tensor.device, tensor.dtype)
                break
    with mode, torch.inference_mode():
        output = model(grid)
    try:
        output = torch.as_tensor(output)
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(output).__name__
        raise ValueError(f"model must give a tensor or an array, got {kind}") from error
    if output.ndim == 2 and output.shape[1] == 1:
        output = output[:, 0]
    if output.ndim not in {1, 2} or len(output) != len(grid) or 0 in output.shape:
        raise ValueError(
            f"model must map ({len(grid)}, 2) to ({len(grid)}, C) or ({len(grid)},), "
            f"got {tuple(output.shape)}"
        )
    output = output.cpu()
    if output.isnan().any():
        raise ValueError("model must give numbers, got NaN")
    return output


def _to_classes(output):
    if output.ndim == 2:
        output = output.float().argmax(dim=1)
    elif output.is_floating_point():
        output = output > 0
    elif (output < 0).any():
        raise ValueError(f"model must give classes 0, 1, 2 ..., got {output.min()}")
    return output.numpy().astype(np.int64)
