"""The training loop and its scores (written out in chapters 05 to 08)."""

import copy
import inspect
import random
import warnings
from contextlib import contextmanager
from itertools import chain, islice
from numbers import Integral
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.parameter import is_lazy
from torch.utils.data import DataLoader, IterableDataset
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
        or (N,) for two classes, where a logit above 0 predicts class 1. Probabilities
        of shape (N,) are a mistake, about which a warning is given if they look it.
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
        If an argument is no tensor, `logits` is not floating point, or `labels` are
        complex.
    ValueError
        If the shapes or devices do not fit, there is no sample, a logit is NaN, or a
        label is none of the classes.

    Notes
    -----
    Taught in chapter 06, Classification. For shape (N, C) it is the number that
    `torchmetrics.functional.accuracy` gives. For shape (N,) torchmetrics takes values
    that all lie in 0 ... 1 for probabilities and cuts them at 0.5; here the cut is
    at 0, whatever the values.
    """
    for name, value in [("logits", logits), ("labels", labels)]:
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    logits, labels = _plain(logits), _plain(labels)
    if labels.is_complex():
        raise TypeError(f"labels must be whole numbers, got {labels.dtype}")
    if not labels.is_floating_point():
        labels = labels.long()  # uint16 and wider cannot be compared
    _check_scores(logits, labels)
    if logits.ndim == 2:
        return _share(logits.argmax(dim=1) == labels)
    found = _share((logits > 0) == labels)
    if len(logits) >= 8 and looks_like_probabilities(logits):
        as_probabilities = _share((logits > 0.5) == labels)
        if as_probabilities > found:
            warnings.warn(
                "logits look like probabilities: all are from 0 to 1, so nearly every "
                f"prediction is class 1. Cut at 0.5 instead, {as_probabilities:.0%} "
                f"are right, not {found:.0%}. Pass the outputs before the sigmoid.",
                stacklevel=2,
            )
    return found


def _share(right):
    return right.sum().item() / len(right)


def looks_like_probabilities(values):
    """Tell whether all values are from 0 to 1, with some on both sides of 0.5."""
    if not values.is_floating_point():
        return False
    low, high = values.min(), values.max()
    return bool((low >= 0) & (low < 0.5) & (high > 0.5) & (high <= 1))


def _check_scores(logits, labels):
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
        Over the parameters of `model`, or some of them.
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
        If `model` is no module or does not return a tensor, `loader` gives something
        else than pairs of tensors, `loss_fn` or `metric` cannot be called or is a
        class, or `optimizer` is no optimizer or wants a closure.
    ValueError
        If `model` or a part of it is on another device, `optimizer` has nothing of
        `model` to train, `loader` or a batch is empty, or a loss is no finite scalar.
    RuntimeError
        If gradients are switched off.

    Notes
    -----
    An error in a batch, of the loss or of the metric, comes before that batch changes
    a parameter. The loss is measured while the parameters change, so it lags behind
    `test_step` on the same data. Taught in chapter 05 (the steps) and chapter 08 (over
    batches).
    """
    _check_call(model, loss_fn, metric, device)
    _check_optimizer(model, optimizer)
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
    Taught in chapter 05 (the steps) and chapter 08 (over batches).
    """
    _check_call(model, loss_fn, metric, device)
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
    Taught in chapter 08, Computer vision.
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
        Measured after each epoch, never trained on. Its first batch is tried before
        the training begins, so that a mistake shows then and not an epoch later.
    epochs : int
        At least 1. For more than one epoch the loaders must be such that one can go
        through them again: a list or a `DataLoader`, no iterator.

    Returns
    -------
    dict of str to list of float
        ``train_loss``, ``train_<metric>``, ``test_loss``, ``test_<metric>``, one entry
        an epoch. `helpers.plotting.plot_loss_curves` draws it.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        If `epochs` is no positive integer, `metric` is called "loss" or "model", a
        loader can be gone through only once, and as in `train_step`. Nothing has been
        trained then.

    Notes
    -----
    Taught in chapter 08, Computer vision. A progress bar is shown in JupyterLab, Colab
    or a terminal; ``COURSE_PROGRESS=0`` or ``1`` decides otherwise.
    """
    if isinstance(epochs, bool) or not isinstance(epochs, Integral) or epochs < 1:
        raise ValueError(f"epochs must be a positive integer, got {epochs!r}")
    name = _name_of(metric)
    _check_call(model, loss_fn, metric, device)
    _check_optimizer(model, optimizer)
    for which, loader in [("train_loader", train_loader), ("test_loader", test_loader)]:
        if epochs > 1 and _runs_out(loader):
            raise ValueError(
                f"{which} must give its batches anew in each of {epochs} epochs, got "
                f"{type(loader).__name__}, which runs out after the first; pass a list "
                "or a DataLoader"
            )
    test_loader = _tried(model, test_loader, loss_fn, device, metric)
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


def _one_pass(model, loader, loss_fn, device, metric, optimizer=None, *, name="loader"):
    loss_sum = metric_sum = 0.0
    samples = 0
    for batch in loader:
        inputs, labels = (part.to(device) for part in _checked(batch, name))
        outputs = model(inputs)
        if not isinstance(outputs, torch.Tensor):
            raise TypeError(
                f"model must return a tensor, got {type(outputs).__name__}; let its "
                "forward return only what loss_fn takes"
            )
        loss = loss_fn(outputs, labels)
        if not isinstance(loss, torch.Tensor):
            raise ValueError(f"loss_fn must give a scalar tensor, got {loss!r}")
        if loss.ndim != 0 or not torch.isfinite(loss):
            raise ValueError(
                "loss_fn must give a finite scalar, got "
                + (f"shape {tuple(loss.shape)}" if loss.ndim else f"{loss.item()}")
            )
        # Before the step, so that a metric that fails leaves the model as it was.
        score = _to_float(metric(outputs.detach(), labels))
        if optimizer is not None:
            if not loss.requires_grad:
                raise ValueError(
                    "loss_fn must give a loss with a gradient, got one without; it, or "
                    "model, detaches what it computes"
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        loss_sum += loss.item() * len(labels)
        metric_sum += score * len(labels)
        samples += len(labels)
    if samples == 0:
        raise ValueError(f"{name} must give at least one batch, got none")
    return Scores(loss_sum / samples, metric_sum / samples)


def _to_float(score):
    try:
        return float(score)
    except (TypeError, ValueError, RuntimeError) as error:
        message = f"metric must give one number, got {score!r}"
        raise TypeError(message) from error


def _checked(batch, name):
    """Return inputs and labels of a batch that has both, for at least one sample."""
    parts = list(batch) if isinstance(batch, (tuple, list)) else [batch]
    if len(parts) != 2 or not all(isinstance(part, torch.Tensor) for part in parts):
        got = type(batch).__name__
        if isinstance(batch, (tuple, list)):
            got += " of " + (", ".join(type(part).__name__ for part in parts) or "none")
        raise TypeError(
            f"{name} must give pairs of tensors (inputs, labels), got {got}"
        )
    inputs, labels = map(_plain, parts)
    if labels.ndim == 0 or len(labels) == 0 or inputs.shape[:1] != labels.shape[:1]:
        raise ValueError(
            f"{name} must give inputs (B, ...) and labels (B, ...) with the same "
            f"B >= 1, got {tuple(inputs.shape)} and {tuple(labels.shape)}"
        )
    return inputs, labels


def _plain(tensor):
    """Undress fastai's TensorImage and its kin, which PyTorch's losses refuse.

    A subclass that holds its values elsewhere, as a nested tensor does, stays.
    """
    kind = type(tensor)
    if kind is torch.Tensor:
        return tensor
    own = kind.__torch_dispatch__ is not torch.Tensor.__torch_dispatch__
    return tensor if own else tensor.as_subclass(torch.Tensor)


def _runs_out(loader):
    return hasattr(loader, "__next__") and iter(loader) is loader


def _tried(model, loader, loss_fn, device, metric):
    """Measure the first batch of a test loader, and return the loader as it was.

    The state of the model and of all random generators is the same afterwards.
    """
    if any(map(is_lazy, chain(model.parameters(), model.buffers()))):
        return loader  # its weights would be drawn here
    if isinstance(metric, torch.nn.Module):
        metric = copy.deepcopy(metric)  # one of torchmetrics, which adds up batches
    given = loader
    if isinstance(loader, DataLoader):
        if isinstance(loader.dataset, IterableDataset) or loader.worker_init_fn:
            return loader  # a stream could not be wound back
        # Read here, so that no worker is started.
        loader = DataLoader(
            loader.dataset,
            collate_fn=loader.collate_fn,
            **(
                {"batch_size": None, "sampler": loader.sampler}
                if loader.batch_sampler is None
                else {"batch_sampler": loader.batch_sampler}
            ),
        )
    with _random_states(given, device):
        iterator = iter(loader)
        first = list(islice(iterator, 1))
        buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
        try:
            with switched(model, training=False), torch.inference_mode():
                _one_pass(model, first, loss_fn, device, metric, name="test_loader")
        finally:
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)
    return chain(first, iterator) if _runs_out(given) else given


@contextmanager
def _random_states(loader, device):
    """Give the random generators back as they were, those of a loader included."""
    holders = [loader, getattr(loader, "sampler", None)]
    holders += [getattr(loader, "batch_sampler", None)]
    holders += [getattr(holders[-1], "sampler", None)]
    generators = {
        id(value): value
        for holder in holders
        for value in getattr(holder, "__dict__", {}).values()
        if isinstance(value, torch.Generator)
    }.values()
    states = [generator.get_state() for generator in generators]
    ours, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002
    device = torch.device(device)
    devices = [] if device.type == "cpu" else [device]
    kind = "cuda" if device.type == "cpu" else device.type
    try:
        with torch.random.fork_rng(devices, device_type=kind):
            yield
    finally:
        random.setstate(ours)
        np.random.set_state(numpys)  # noqa: NPY002
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


def _check_call(model, loss_fn, metric, device):
    _check_device(model, device)
    for name, value in [("loss_fn", loss_fn), ("metric", metric)]:
        if isinstance(value, type):
            made = f"{value.__name__}()"
            raise TypeError(
                f"{name} must be a function or an instance such as {made}, got the "
                f"class {value.__name__}; add the parentheses"
            )
        if not callable(value):
            raise TypeError(f"{name} must be callable, got {type(value).__name__}")


def _check_optimizer(model, optimizer):
    groups = getattr(optimizer, "param_groups", None)
    if groups is None or isinstance(optimizer, type):
        got = f"the class {optimizer.__name__}" if isinstance(optimizer, type) else ""
        raise TypeError(
            "optimizer must be an optimizer over the parameters of model, got "
            f"{got or type(optimizer).__name__}; test_step measures without one"
        )
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise TypeError(
            f"optimizer must not need a closure, got {type(optimizer).__name__}, which "
            "evaluates the model several times a step"
        )
    owned = {id(parameter) for parameter in model.parameters()}
    held = [parameter for group in groups for parameter in group["params"]]
    shared = [parameter for parameter in held if id(parameter) in owned]
    if not shared:
        raise ValueError(
            "optimizer must hold parameters of model, got one over "
            f"{len(held)} tensors that are none of its {len(owned)}; make it anew from "
            "model.parameters()"
        )
    if not any(parameter.requires_grad for parameter in shared):
        raise ValueError(
            "model must have a parameter to train among those of optimizer, got only "
            f"frozen ones ({len(shared)}); set requires_grad to True where it may learn"
        )
    if not torch.is_grad_enabled() or torch.is_inference_mode_enabled():
        mode = "inference_mode" if torch.is_inference_mode_enabled() else "no_grad"
        raise RuntimeError(
            f"model must be trained with gradients, got a call inside torch.{mode}()"
        )


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
    name = getattr(metric, "__name__", "metric").replace("<lambda>", "metric")
    if name in {"loss", "model"}:
        raise ValueError(f"metric must not be called as a column is, got {name!r}")
    return name
