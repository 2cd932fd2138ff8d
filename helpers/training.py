"""The training loop and its scores (written out in chapters 04 to 06)."""

from contextlib import contextmanager
from itertools import chain
from typing import NamedTuple

import torch
from tqdm.auto import tqdm

from helpers._progress import watched


class Scores(NamedTuple):
    """Loss and metric of one pass, each a mean over samples."""

    loss: float
    metric: float


def accuracy(logits, labels):
    """Fraction of predictions that are right.

    Parameters
    ----------
    logits : torch.Tensor
        Raw outputs of a model, floating point: shape (N, C) with C >= 2 for C classes,
        or (N,) for two classes, where a logit above 0 predicts class 1.
    labels : torch.Tensor
        True classes, shape (N,), any dtype that holds 0 ... C - 1; on the device of the
        logits.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TypeError
        If an argument is no tensor, or `logits` is not floating point.
    ValueError
        If the shapes or devices do not fit, there is no sample, a logit is NaN, or a
        label is none of the classes.

    Notes
    -----
    Taught in chapter 05, Classification; the same number as
    `torchmetrics.functional.accuracy` gives.
    """
    _check_scores(logits, labels)
    predicted = logits > 0 if logits.ndim == 1 else logits.argmax(dim=1)
    return (predicted == labels).float().mean().item()


def _check_scores(logits, labels):
    for name, value in [("logits", logits), ("labels", labels)]:
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if not logits.is_floating_point():
        raise TypeError(
            f"logits must be the raw outputs of a model, floating point, got "
            f"{logits.dtype}; predicted classes are no logits"
        )
    shapes = f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)}"
    if logits.ndim == 2 and logits.shape[1] == 1:
        raise ValueError(
            f"logits must have shape (N,) for two classes or (N, C) for C >= 2, got "
            f"{shapes}; squeeze the last dimension: logits.squeeze(1)"
        )
    if logits.ndim not in {1, 2} or labels.shape != logits.shape[:1]:
        raise ValueError(
            "logits must be (N,) or (N, C) and labels (N,) with the same N, "
            f"got {shapes}"
        )
    if len(labels) == 0:
        raise ValueError(
            f"logits and labels must hold at least one sample, got {shapes}"
        )
    if logits.device != labels.device:
        raise ValueError(
            "logits and labels must be on the same device, got "
            f"{str(logits.device)!r} and {str(labels.device)!r}"
        )
    if logits.isnan().any():
        raise ValueError("logits must not be NaN, got NaN for at least one sample")
    classes = 2 if logits.ndim == 1 else logits.shape[1]
    known = (labels >= 0) & (labels < classes)
    if labels.is_floating_point():
        known &= labels == labels.trunc()
    if not known.all():
        raise ValueError(
            f"labels must be classes 0 ... {classes - 1} for {shapes}, got "
            f"{labels[~known][0].item()}"
        )


def train_step(model, loader, loss_fn, optimizer, *, device, metric=accuracy):
    """Train for one epoch: forward, loss, zero the gradients, backward, step.

    Parameters
    ----------
    model : torch.nn.Module
        On `device` already. Put into training mode for the pass; each of its modules
        has its own mode again afterwards.
    loader : iterable of (inputs, labels)
        Batches, inputs (B, ...) and labels (B, ...); moved to `device` here.
    loss_fn : callable
        ``loss_fn(outputs, labels)`` gives the mean loss of the batch, a scalar tensor.
    optimizer : torch.optim.Optimizer
        Over the parameters of `model`.
    device : torch.device or str
    metric : callable, optional
        ``metric(outputs, labels)`` gives a float for the batch.

    Returns
    -------
    Scores
        Loss and metric, averaged over samples (not over batches, which may be unequal).

    Raises
    ------
    TypeError
        If `model` is no module, or `loader` gives something else than pairs of
        tensors.
    ValueError
        If `model` or a part of it is on another device, `loader` or a batch is empty,
        or a loss is no finite scalar. A batch with a bad loss changes no parameter.

    Notes
    -----
    The loss is measured while the parameters change, so it lags behind `test_step` on
    the same data. Taught in chapter 04 (the steps) and chapter 06 (over batches).
    """
    _check_device(model, device)
    with switched(model, training=True):
        return _one_pass(model, loader, loss_fn, device, metric, optimizer)


def test_step(model, loader, loss_fn, *, device, metric=accuracy):
    """Measure a model on a data loader without changing it.

    Parameters and errors are those of `train_step`, less the optimizer. The model is in
    evaluation mode and no gradient is recorded during the pass.

    Returns
    -------
    Scores
        Loss and metric, averaged over samples.

    Notes
    -----
    Taught in chapter 04 (the steps) and chapter 06 (over batches).
    """
    _check_device(model, device)
    with switched(model, training=False), torch.inference_mode():
        return _one_pass(model, loader, loss_fn, device, metric)


test_step.__test__ = False  # the name is the field's, not pytest's


def evaluate(model, loader, loss_fn, *, device, metric=accuracy):
    """Measure a model and name it: one row of a table that compares models.

    Parameters and errors are those of `test_step`.

    Returns
    -------
    dict
        ``{"model": class name, "loss": float, <name of metric>: float}``.

    Notes
    -----
    Taught in chapter 06, Computer vision.
    """
    name = _name_of(metric)
    scores = test_step(model, loader, loss_fn, device=device, metric=metric)
    return {"model": type(model).__name__, "loss": scores.loss, name: scores.metric}


def fit(
    model,
    train_loader,
    test_loader,
    loss_fn,
    optimizer,
    *,
    epochs,
    device,
    metric=accuracy,
):
    """Train for some epochs and measure after each; print a row an epoch.

    Parameters
    ----------
    model, train_loader, loss_fn, optimizer, device, metric
        As in `train_step`.
    test_loader : iterable of (inputs, labels)
        Measured after each epoch, never trained on.
    epochs : int
        At least 1.

    Returns
    -------
    dict of str to list of float
        ``train_loss``, ``train_<metric>``, ``test_loss``, ``test_<metric>``, one entry
        an epoch. `helpers.plotting.plot_loss_curves` draws it.

    Raises
    ------
    ValueError
        If `epochs` is no positive integer, `metric` is called "loss" or "model", and as
        in `train_step`.

    Notes
    -----
    Taught in chapter 06, Computer vision. A progress bar is shown in JupyterLab, Colab
    or a terminal; ``COURSE_PROGRESS=0`` or ``1`` decides otherwise.
    """
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        raise ValueError(f"epochs must be a positive integer, got {epochs!r}")
    name = _name_of(metric)
    columns = ["train_loss", f"train_{name}", "test_loss", f"test_{name}"]
    history = {column: [] for column in columns}
    width = max(map(len, columns))
    print("epoch", *(f"{column:>{width}}" for column in columns))
    for epoch in range(1, epochs + 1):
        bar = tqdm(
            train_loader,
            desc=f"epoch {epoch}/{epochs}",
            leave=False,
            disable=not watched(),
        )
        row = [
            *train_step(model, bar, loss_fn, optimizer, device=device, metric=metric),
            *test_step(model, test_loader, loss_fn, device=device, metric=metric),
        ]
        for column, value in zip(columns, row, strict=True):
            history[column].append(value)
        print(f"{epoch:>5}", *(f"{value:>{width}.4f}" for value in row))
    return history


@contextmanager
def switched(model, *, training):
    """Put a model into training or evaluation mode for a while.

    Afterwards each module has its own mode again, also when something was raised:
    a frozen BatchNorm stays in evaluation mode while the rest goes on training.

    Parameters
    ----------
    model : torch.nn.Module
    training : bool
    """
    modes = {module: module.training for module in model.modules()}
    try:
        model.train(training)
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _one_pass(model, loader, loss_fn, device, metric, optimizer=None):
    loss_sum = metric_sum = 0.0
    samples = 0
    for batch in loader:
        inputs, labels = (part.to(device) for part in _checked(batch))
        outputs = model(inputs)
        loss = loss_fn(outputs, labels)
        if not isinstance(loss, torch.Tensor):
            raise ValueError(f"loss_fn must give a scalar tensor, got {loss!r}")
        if loss.ndim != 0 or not torch.isfinite(loss):
            raise ValueError(
                "loss_fn must give a finite scalar, got "
                + (f"shape {tuple(loss.shape)}" if loss.ndim else f"{loss.item()}")
            )
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        loss_sum += loss.item() * len(labels)
        metric_sum += float(metric(outputs.detach(), labels)) * len(labels)
        samples += len(labels)
    if samples == 0:
        raise ValueError("loader must give at least one batch, got none")
    return Scores(loss_sum / samples, metric_sum / samples)


def _checked(batch):
    """Return inputs and labels of a batch that has both, for at least one sample."""
    parts = list(batch) if isinstance(batch, (tuple, list)) else [batch]
    if len(parts) != 2 or not all(isinstance(part, torch.Tensor) for part in parts):
        got = type(batch).__name__
        if isinstance(batch, (tuple, list)):
            got += " of " + (", ".join(type(part).__name__ for part in parts) or "none")
        raise TypeError(
            f"loader must give pairs of tensors (inputs, labels), got {got}"
        )
    inputs, labels = parts
    if labels.ndim == 0 or len(labels) == 0 or inputs.shape[:1] != labels.shape[:1]:
        raise ValueError(
            "loader must give inputs (B, ...) and labels (B, ...) with the same "
            f"B >= 1, got {tuple(inputs.shape)} and {tuple(labels.shape)}"
        )
    return parts


def _check_device(model, device):
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    try:
        wanted = torch.device(device)
    except (RuntimeError, TypeError) as error:
        message = f"device must be one that PyTorch knows, got {device!r}"
        raise ValueError(message) from error
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        found = tensor.device
        same_index = wanted.index is None or found.index in {None, wanted.index}
        if found.type != wanted.type or not same_index:
            raise ValueError(
                f"model must be on device {str(wanted)!r}, its {name} is on "
                f"{str(found)!r}; move it first: model.to(device)"
            )


def _name_of(metric):
    name = getattr(metric, "__name__", "metric")
    if name in {"loss", "model"}:
        raise ValueError(f"metric must not be called as a column is, got {name!r}")
    return name
