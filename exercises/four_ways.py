"""Checkers for the exercises: four ways."""

import contextlib
import copy
import random
import weakref
from functools import partial

import fastai.callback.progress  # noqa: F401 - adds Learner.no_bar
import torch
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import SGD
from fastai.optimizer import Optimizer as FastaiOptimizer
from torch import nn
from torch.nn import functional as F
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from helpers.device import get_device
from helpers.exercises import WrongAnswerError, call, exercise, explain, require

from .behaviour import made


class _Loaders(DataLoaders):
    """PyTorch's loaders, whose device fastai can't choose."""

    @property
    def device(self):
        return get_device()


def _network(*last):
    """Build a small network for points of 5 numbers and 4 classes."""
    return nn.Sequential(nn.Linear(5, 6), *last, nn.ReLU(), nn.Linear(6, 4))


def _points(samples):
    """Draw points and their classes, on the device of the course."""
    device = get_device()
    inputs, targets = torch.randn(samples, 5), torch.randint(4, (samples,))
    return inputs.to(device), targets.to(device)


def _gradient(model, inputs, targets):
    """Return the gradient of the mean loss as one vector, leaving `.grad` alone."""
    loss = F.cross_entropy(model(inputs), targets)
    return nn.utils.parameters_to_vector(
        torch.autograd.grad(loss, list(model.parameters()))
    ).cpu()


@contextlib.contextmanager
def _explain_text(error, texts, misconception):
    """Refuse the answer if the block raises `error` with one of the texts in it."""
    try:
        yield
    except error as reason:
        if any(text in str(reason) for text in texts):
            raise WrongAnswerError(misconception) from reason
        raise


def _close(found, expected):
    return torch.allclose(found, expected, atol=1e-6, rtol=1e-3)


@exercise(
    "ex-global-batch",
    title="Count the steps",
    hints=(
        "in one step, each of the processes uses a batch. Share the samples out first, "
        "then cut one share into batches.",
        "all processes step together, so count the steps of one of them. Round up: "
        "the shares are padded until they're equally long, and a smaller last batch is "
        "still a step. `ceil` is imported in this chapter.",
    ),
    shown="Padding a share rounds up, and so does a smaller last batch, which is a "
    "step too. Dividing by the global batch and rounding up once gives the same.",
)
def steps(global_batch, steps_per_epoch):
    for _ in range(4):
        processes, batch = random.randint(2, 9), random.randint(11, 70)
        found = call(global_batch, processes, batch)
        asked = f"For {processes} processes with batches of {batch} samples,"
        require(
            found != batch,
            f"{asked} `global_batch` is {found}. That's the batch of one process, and "
            "all of them take part in a step.",
        )
        require(found == processes * batch, f"{asked} `global_batch` can't be {found}.")
    for _ in range(8):
        processes, batch = random.randint(2, 9), random.randint(11, 70)
        full = random.randint(3, 20)
        even = processes * batch * full
        # A smaller batch at the end, then a share that only its padding makes longer.
        smaller = even + processes * random.randint(2, batch - 1)
        padded = even + random.randint(1, processes - 1)
        for samples in (smaller, padded, even):
            _check_steps(steps_per_epoch, samples, processes, batch)


def _check_steps(steps_per_epoch, samples, processes, batch):
    sampler = DistributedSampler(range(samples), num_replicas=processes, rank=0)
    expected = len(DataLoader(range(samples), batch, sampler=sampler))
    found = call(steps_per_epoch, samples, processes, batch)
    asked = (
        f"For {samples} samples, {processes} processes and batches of {batch} you "
        f"count {found} steps"
    )
    with explain((TypeError, ValueError), "The number of steps isn't a number."):
        found = float(found)
    require(
        found == int(found),
        f"{asked}, and there's no such thing as part of a step.",
    )
    alone = -(-samples // batch)
    require(
        found not in (alone, samples // batch),
        f"{asked}: that's what one process would need for all the samples.",
    )
    require(
        found >= expected or samples // processes % batch,
        f"{asked}: the last {samples % processes} samples are left out. The shares are "
        "padded, so that every sample is in one of them.",
    )
    require(
        found >= expected,
        f"{asked}: the smaller batch at the end of a share is missing, and it's a step "
        "too.",
    )
    require(
        found <= expected,
        f"{asked}, not {expected}: there are no samples left for another batch.",
    )


@exercise(
    "ex-accumulate",
    title="Accumulate over unequal parts",
    hints=(
        "the mean over all samples is a sum over samples, divided once by their "
        "number. What do you have to multiply the mean of one part by?",
        "`inputs.split(size)` and `targets.split(size)` give you the parts, and `zip` "
        "pairs them. Weight the loss of each part by the share of all samples that it "
        "holds, and call `backward` inside the loop: the gradients add up in `.grad` "
        "by themselves.",
    ),
    shown="Weighted by their samples, parts of any sizes give the gradient of the "
    "whole batch, and no more than one of them is in memory.",
)
def accumulate(accumulate):
    for _ in range(3):
        size, full = random.randint(3, 5), random.randint(6, 9)
        samples = size * full + random.randint(1, size - 1)
        # One class is rare at the start: the parts have different gradients.
        inputs, targets = _points(samples)
        targets[: samples // 2] = 0
        model = _network().to(get_device())
        whole = _gradient(model, inputs, targets)
        parts = [
            _gradient(model, x, y)
            for x, y in zip(inputs.split(size), targets.split(size), strict=True)
        ]
        chunks = [len(part) for part in inputs.chunk(size)]
        sizes, waiting, open_graphs = [], [], _OpenGraphs()

        def before(layer, arguments, sizes=sizes, waiting=waiting, graphs=open_graphs):
            if torch.is_grad_enabled():
                sizes.append(_samples(arguments[0]))
                waiting.append(len(graphs))

        def after(layer, arguments, output, graphs=open_graphs):
            graphs.watch(output)

        # Layers are called, however the model is: `model(x)` or `model.forward(x)`.
        with (
            model[0].register_forward_pre_hook(before),
            model[-1].register_forward_hook(after),
        ):
            accumulate(model, inputs, targets, size)
        _check_parts(sizes, samples, size, chunks)
        gradients = [p.grad for p in model.parameters()]
        require(
            all(gradient is not None for gradient in gradients),
            "When it's done, some parameters have no gradient in `.grad`.",
        )
        found = torch.cat([gradient.flatten() for gradient in gradients]).cpu()
        _check_accumulated(found, whole, torch.stack(parts), sizes, samples, size)
        require(
            not any(waiting),
            "The gradient is right, but a part went forward before the one before it "
            "went backward: so the intermediate results of all parts are in memory "
            "together.",
        )


class _OpenGraphs:
    """Outputs of a network whose graph is in memory and hasn't gone backward yet."""

    def __init__(self):
        self._tokens = weakref.WeakSet()

    def watch(self, output):
        if output.requires_grad:
            # The hook keeps the token, and both go if the graph is dropped unused.
            token = _Token()
            self._tokens.add(token)
            output.register_hook(lambda gradient: self._tokens.discard(token))

    def __len__(self):
        return len(self._tokens)


class _Token:
    """An object that a weak reference can follow."""


def _samples(inputs):
    """Count the samples of an input, one alone or under `vmap` included."""
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(inputs):
        inputs = functorch.get_unwrapped(inputs)
    return inputs.numel() // 5


def _check_parts(sizes, samples, size, chunks):
    asked = f"From {samples} samples in parts of {size} the model"
    require(sizes, f"{asked} got nothing, with gradients recorded.")
    require(
        sizes != [samples],
        f"{asked} got all of them at once, and there's no memory for that.",
    )
    seen = f"{asked} got parts of {', '.join(map(str, sizes))}"
    require(
        sizes != chunks,
        f"{seen}: `chunk` takes the number of parts, `split` their size.",
    )
    require(max(sizes) <= size, f"{seen}, and some are larger than {size}.")


def _check_accumulated(found, whole, parts, sizes, samples, size):
    if _close(found, whole):
        return
    require(
        sum(sizes) == samples,
        f"Of {samples} samples, {sum(sizes)} went through the model.",
    )
    weights = torch.full((len(parts), 1), float(size))
    weights[-1] = samples % size or size
    require(
        not _close(found, parts.sum(dim=0)),
        f"The gradient is the sum of {len(parts)} means, so it's about {len(parts)} "
        "times too large.",
    )
    require(
        not _close(found, parts.mean(dim=0)),
        "Every part weighs the same, so a sample of the smaller last part counts more "
        "than another.",
    )
    require(
        not _close(found, (size / samples * parts).sum(dim=0)),
        f"Every part is weighted as if it had {size} samples; the last one is smaller.",
    )
    require(
        not _close(found, (weights * parts).sum(dim=0)),
        "It's the gradient of the sum over all samples, not of their mean.",
    )
    require(
        F.cosine_similarity(found, parts[-1], dim=0) < 0.9999,
        "What's in `.grad` comes from the last part alone, so something has emptied it "
        "in between.",
    )
    raise WrongAnswerError(
        "What's in `.grad` isn't the gradient of the mean loss over all samples."
    )


@exercise(
    "ex-shares",
    title="Unequal shares",
    hints=(
        "compute the gradient of the mean loss of each share by itself, as each "
        "process does. DDP doesn't know how many samples are behind a gradient.",
        "empty the gradients before each share, or the new ones are added to the old. "
        "Flatten the `.grad` of every parameter and join them into one vector per "
        "share; what DDP holds is the plain mean of these vectors. For `ratio`: each "
        "process has half the say, and splits it among its own samples.",
    ),
    shown="DDP takes the plain average over processes, so with unequal shares the "
    "samples of the smaller one count more.",
)
def shares(ddp_gradient, ratio):
    for _ in range(3):
        small = random.randint(4, 9)
        sizes = [small, 3 * small, small + random.randint(1, 5)]
        sizes = random.sample(sizes, random.choice([2, 3]))
        inputs, targets = _points(sum(sizes))
        targets[: sizes[0]] = 0
        model = _network().to(get_device())
        parts = torch.stack(
            [
                _gradient(model, x, y)
                for x, y in zip(inputs.split(sizes), targets.split(sizes), strict=True)
            ]
        )
        whole = _gradient(model, inputs, targets)
        found = call(ddp_gradient, model, inputs, targets, sizes)
        require(
            isinstance(found, torch.Tensor) and found.shape == whole.shape,
            "`ddp_gradient` has to return one vector, with a number for each of the "
            f"{len(whole)} weights.",
        )
        found = found.detach().cpu()
        require(
            not _close(found, whole),
            "This is the gradient of all samples together: each share is weighted by "
            "its number of samples. DDP doesn't do that.",
        )
        require(
            not _close(found, parts.sum(dim=0)),
            "You add the gradients up, and DDP averages them.",
        )
        cumulated = torch.stack([parts[: k + 1].sum(dim=0) for k in range(len(parts))])
        require(
            not _close(found, cumulated.mean(dim=0)),
            "The gradient of a share contains those of the shares before it: `.grad` "
            "adds up until you empty it.",
        )
        require(
            _close(found, parts.mean(dim=0)),
            f"For shares of {sizes} samples, it isn't the plain average of the "
            "gradients that the processes compute.",
        )
    with explain((TypeError, ValueError), "`ratio` isn't a number."):
        ratio = float(ratio)
    require(
        abs(ratio - 1 / 3) > 1e-6,
        "`ratio` is the other way round: process 1 has fewer samples, so each of them "
        "counts more.",
    )
    require(
        ratio != 1,
        "DDP gives each process the same weight, and a process divides it among its "
        "own samples: 48 of them get smaller pieces than 16.",
    )
    require(abs(ratio - 3) < 1e-6, f"`ratio` can't be {ratio:.2f}.")


@exercise(
    "ex-shuffle",
    title="Shuffle, and stay equal",
    hints=(
        "`__iter__` is called once per epoch. Make a `torch.Generator` in it, from the "
        "seed and a number that you count up.",
        "keep an epoch counter in `__init__` and raise it in `__iter__`, at the start "
        "of the epoch: then it doesn't matter how far anyone reads. Seed the new "
        "generator with the sum of seed and counter, and hand it to `torch.randperm`. "
        "`__iter__` has to return an iterator, which `iter` makes of a list.",
    ),
    shown="The order depends on the seed and the epoch, not on who reads how far, so "
    "every engine gets the same batches.",
)
def shuffle(EpochSampler):
    size, seed = random.randint(30, 60), random.randint(0, 1000)
    sampler = EpochSampler(size, seed)
    with _explain_text(
        TypeError,
        ["has no len()"],
        "`len` of the sampler fails: without `__len__`, an engine can't know how many "
        "batches there are.",
    ):
        length = len(sampler)
    require(length == size, f"For {size} samples `len` says {length}.")
    before = torch.get_rng_state()
    with _explain_text(
        TypeError,
        ["non-iterator", "not iterable"],
        "`for` can't go through the sampler: `__iter__` has to return an iterator, for "
        "instance what `iter` makes of a list.",
    ):
        first = [int(index) for index in sampler]
    touched = not torch.equal(before, torch.get_rng_state())
    require(
        not touched,
        "It draws from PyTorch's global generator, or seeds it. Then other draws in "
        "the program change the order, or the order changes them.",
    )
    require(
        sorted(first) == list(range(size)),
        f"In one epoch of {size} samples, some come twice and others never: an order "
        "has to be a permutation.",
    )
    require(
        first != sorted(first), "The samples come in order, from 0 on. Shuffle them."
    )
    second = [int(index) for index in sampler]
    require(first != second, "Two epochs have the same order.")
    torch.manual_seed(seed + 1)  # another program, which was seeded in another way
    again = EpochSampler(size, seed)
    require(
        [int(index) for index in again] == first,
        "Two samplers with the same seed have different orders, or PyTorch's own seed "
        "changes the order.",
    )
    half = EpochSampler(size, seed)
    iterator = iter(half)
    for _ in range(size // 2):
        next(iterator)
    require(
        [int(index) for index in half] == second,
        "The order of an epoch depends on whether the epoch before was read to its "
        "end. Lightning counts the batches and doesn't read on, so it would get "
        "different ones.",
    )
    other = EpochSampler(size, seed + 12_345)
    require(
        [int(index) for index in other] != first, "The order doesn't depend on `seed`."
    )
    loader = DataLoader(range(size), 8, sampler=EpochSampler(size, seed))
    require(
        torch.cat(list(loader)).tolist() == first,
        "In a `DataLoader`, the order is a different one. Count the loops in "
        "`__iter__`, which is all that a loader calls.",
    )


def _gradient_norms(model, loader, epochs, lr):
    """Train by hand; return what `GradientNorms` and its mistakes would note."""
    noted = {"right": [], "added": [], "absolute": [], "weights": []}
    for _ in range(epochs):
        for inputs, targets in loader:
            inputs, targets = inputs.to(get_device()), targets.to(get_device())
            gradients = torch.autograd.grad(
                F.cross_entropy(model(inputs), targets), list(model.parameters())
            )
            flat = torch.cat([one.flatten() for one in gradients])
            weights = nn.utils.parameters_to_vector(model.parameters()).detach()
            noted["right"].append(flat.norm())
            noted["added"].append(sum(one.norm() for one in gradients))
            noted["absolute"].append(flat.abs().sum())
            noted["weights"].append(weights.norm())
            with torch.no_grad():
                for p, g in zip(model.parameters(), gradients, strict=True):
                    p.sub_(g, alpha=lr)
    return {name: torch.tensor(values) for name, values in noted.items()}


@exercise(
    "ex-gradient-norms",
    title="Look inside fastai's loop",
    hints=(
        "chapter 14 lists fastai's events. Which of them comes between `backward` and "
        "the step of the optimizer?",
        "`after_backward` is the event, and each parameter of `self.learn.model` has "
        "its `.grad` by then. Join the flattened gradients with `torch.cat` and take "
        "the norm of that one vector: the norms of the single tensors don't add up to "
        "it. Start the list in `before_fit`, not in `before_epoch`.",
    ),
    shown="One norm per step, and none of them is zero: gradients live from the "
    "backward pass to `zero_grad`, and a callback sees them in between.",
)
def callback(GradientNorms):
    epochs, batches = random.randint(2, 3), random.randint(3, 6)
    inputs, targets = (part.cpu() for part in _points(8 * batches))
    loader = DataLoader(TensorDataset(inputs, targets), 8)
    model = _network().to(get_device())
    noted = _gradient_norms(copy.deepcopy(model), loader, epochs, 0.1)
    watcher = GradientNorms()
    require(isinstance(watcher, Callback), "`GradientNorms` isn't a fastai callback.")
    learn = Learner(
        _Loaders(loader, loader),
        model,
        loss_func=F.cross_entropy,
        opt_func=SGD,
        cbs=watcher,
    )
    with (
        _explain_text(
            (AttributeError, TypeError),
            ["None"],
            "It asks for gradients too early: before the first backward pass, the "
            "parameters have none, and `.grad` is None.",
        ),
        learn.no_bar(),
        learn.no_logging(),
    ):
        learn.fit(epochs, lr=0.1)
    with explain(
        (AttributeError, TypeError, ValueError),
        "After a training run, the callback should have a list `norms` of numbers.",
    ):
        norms = torch.tensor([float(norm) for norm in watcher.norms])
    steps = epochs * batches
    asked = f"In {epochs} epochs of {batches} steps it noted {len(norms)} norms"
    require(
        not (norms == 0).any(),
        f"{asked}, and {(norms == 0).sum()} of them are zero: by then fastai has "
        "emptied the gradients.",
    )
    require(
        len(norms) != batches,
        f"{asked}: the list starts again with each epoch.",
    )
    require(
        len(norms) <= steps,
        f"{asked}: does it note something during validation too, or several norms per "
        "step?",
    )
    require(len(norms) == steps, f"{asked}, not {steps}.")
    texts = {
        "added": "You add up the norms of the single tensors; the norm of all "
        "gradients together is that of one long vector.",
        "absolute": "The numbers are sums of absolute values; the norm is the root of "
        "the sum of squares.",
        "weights": "These are the norms of the weights, not of their gradients.",
    }
    for name, text in texts.items():
        require(not torch.allclose(norms, noted[name].cpu(), rtol=1e-3), text)
    require(
        torch.allclose(norms, noted["right"].cpu(), rtol=1e-2),
        "The numbers aren't the norms of the gradients.",
    )


class _Recording:
    """Cross-entropy that keeps the losses that go backward, in their order."""

    def __init__(self):
        self.steps = []

    def __call__(self, outputs, targets):
        loss = F.cross_entropy(outputs, targets)
        if loss.requires_grad:
            value = loss.item()
            loss.register_hook(lambda _: self.steps.append(value))
        return loss


def _momentum_sgd(
    model, loader, *, momentum=0.9, gain=1.0, sign=-1, forget=False, freeze=False
):
    """Train two epochs; the options are what can go wrong."""
    losses, parameters = _Recording(), list(model.parameters())
    buffers = [torch.zeros_like(p) for p in parameters]
    for _ in range(2):
        if forget:
            buffers = [torch.zeros_like(p) for p in parameters]
        for inputs, targets in loader:
            outputs = model(inputs.to(get_device()))
            loss = losses(outputs, targets.to(get_device()))
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                for p, b, g in zip(parameters, buffers, gradients, strict=True):
                    b.mul_(momentum).add_(g, alpha=gain)
                    p.add_(b, alpha=sign * 0.05)
        if freeze:
            model.eval()
    return torch.tensor(losses.steps)


WRONG_RULES = {
    "The weights are those of SGD without momentum: the buffers aren't used.": {
        "momentum": 0.0
    },
    "The buffers are averages: a gradient enters them with a factor of 0.1. In "
    "PyTorch's rule it enters whole.": {"gain": 0.1},
    "The loss climbs: the step goes along the gradient, not against it.": {"sign": 1},
    "The buffers start from zero in each epoch; `torch.optim.SGD` keeps them.": {
        "forget": True
    },
    "The first epoch is right. From the second on the network is in evaluation mode.": {
        "freeze": True
    },
}


@exercise(
    "ex-fifth",
    title="A fifth way",
    hints=(
        "keep a list with one buffer for each parameter, made once, before the first "
        "epoch. `torch.autograd.grad` returns gradients without storing them.",
        "let the buffers start as zeros, and the first one becomes the first gradient "
        "by itself. Under `torch.no_grad()`, change buffers and weights in place, with "
        "`mul_`, `add_` and `sub_`: after `p = p - …` the model would still have its "
        "old weights.",
    ),
    shown="This optimizer is a buffer for each weight and two lines of arithmetic; the "
    "loss of every step is that of `torch.optim.SGD`.",
)
def fifth(functional_way):
    device = get_device()
    inputs, targets = (part.cpu() for part in _points(random.randint(34, 40)))
    loader = DataLoader(TensorDataset(inputs, targets), 8)
    start = _network(nn.BatchNorm1d(6)).to(device)
    model, losses, used = copy.deepcopy(start), _Recording(), []
    reference = copy.deepcopy(start)
    expected = _momentum_sgd(reference, loader)
    wrong_ways = {
        text: _momentum_sgd(copy.deepcopy(start), loader, **options)
        for text, options in WRONG_RULES.items()
    }
    hook = register_optimizer_step_post_hook(lambda *_: used.append(1))
    try:
        with (
            made(FastaiOptimizer) as of_fastai,
            _explain_text(
                RuntimeError,
                ["leaf Variable that requires grad"],
                "PyTorch refuses to change a weight in place while it records "
                "gradients: do that under `torch.no_grad()`.",
            ),
        ):
            functional_way(model, loader, loader, losses)
    finally:
        hook.remove()
    require(
        not used and not of_fastai,
        "It uses an optimizer object of PyTorch or fastai. Do its work yourself.",
    )
    found = torch.tensor(losses.steps)
    require(
        not all(map(torch.equal, start.parameters(), model.parameters())),
        "The weights of the model haven't changed: `p = p - ...` gives a name to a new "
        "tensor, and the model keeps the old one.",
    )
    require(
        len(found) == len(expected),
        f"In two epochs of {len(loader)} batches, {len(found)} losses went backward.",
    )
    for text, wrong in wrong_ways.items():
        require(not torch.allclose(found, wrong, atol=1e-5), text)
    step = (found - expected).abs().argmax()
    require(
        torch.allclose(found, expected, atol=1e-5),
        f"The losses aren't those of `torch.optim.SGD`: at step {step} it's "
        f"{found[step]:.4f} instead of {expected[step]:.4f}.",
    )
    ends = [
        nn.utils.parameters_to_vector(one.parameters()).cpu()
        for one in (reference, model)
    ]
    require(
        torch.allclose(*ends, atol=1e-5),
        "All losses are right, but the weights after the last step aren't.",
    )


@exercise(
    "ex-project",
    title="Parity in your own project",
    hints=(
        "of the five things that must be equal, your function is responsible for "
        "three: the first weights, the batches and the random numbers. Set them up "
        "again for each way.",
        "inside the loop over `ways`, call `torch.manual_seed` with the same number, "
        "and after it `make_model()` and `make_loader()`. Keep the final weights of "
        "each way as one vector, with `nn.utils.parameters_to_vector`, and compare the "
        "others with the first by the largest *absolute* difference.",
    ),
    shown="With these three things set up again for each way, whatever distance is "
    "left comes from the ways themselves. It works for any project.",
)
def project(farthest):
    seen = []

    def make_model():
        return nn.Linear(3, 2).to(get_device())

    def make_loader(own=True):
        data = torch.arange(60.0).reshape(20, 3)
        own = torch.Generator().manual_seed(1) if own else None
        return DataLoader(data, 5, shuffle=True, generator=own)

    def moved_by(*steps):
        """Make a way that moves the weights by known amounts, whatever the data."""

        def way(model, loader):
            weights = nn.utils.parameters_to_vector(model.parameters()).detach()
            state = torch.get_rng_state()
            batches = torch.cat(list(loader))
            seen.append((model, weights.cpu().clone(), loader, state, batches))
            torch.rand(len(seen))
            with torch.no_grad():
                moved = weights.clone()
                moved[: len(steps)] += torch.tensor(steps, device=weights.device)
                nn.utils.vector_to_parameters(moved, model.parameters())

        return way

    small, large = 1 + random.random(), 3 + random.random()
    middle = 2 + random.random() / 2
    asked = [
        [moved_by(small, -large), moved_by(), moved_by(large)],
        [moved_by(), moved_by(small, -middle), moved_by(small)],
        [moved_by(), moved_by(middle), moved_by(small, -large)],
        [moved_by(large), moved_by(large)],
    ]
    expected = [large, middle, large, 0.0]
    for i, (ways, distance) in enumerate(zip(asked, expected, strict=True)):
        seen.clear()
        loaders = partial(make_loader, own=i != 1)
        found = call(farthest, make_model, loaders, ways)
        with explain(
            (TypeError, ValueError, RuntimeError), "The result isn't a number."
        ):
            found = float(found)
        _check_starts(seen, len(ways))
        text = f"the result is {found:.3f}, the largest difference {distance:.3f}"
        require(
            abs(found - small) > 1e-4,
            f"With {len(ways)} ways, {text}: some weights went down. Compare the "
            "differences without their signs.",
        )
        require(
            abs(found - distance) < 1e-4,
            f"With {len(ways)} ways, {text}: every weight of every way counts.",
        )


def _check_starts(seen, ways):
    require(
        len(seen) == ways,
        f"Of {ways} ways, {len(seen)} trained: call each of them once.",
    )
    models, weights, loaders, states, batches = zip(*seen, strict=True)

    def alike(tensors):
        return all(torch.equal(tensors[0], other) for other in tensors)

    # One object for all of them isn't a fault in itself: it may have been put back.
    require(
        alike(weights) or len({id(model) for model in models}) == ways,
        "The ways share one model, so each goes on where the one before stopped.",
    )
    require(
        alike(weights),
        "The models don't start with the same weights: set the seed before you build "
        "each of them.",
    )
    require(
        alike(batches)
        or not alike(states)
        or len({id(one) for one in loaders}) == ways,
        "The ways share one loader. Its generator moves on with each epoch, so the "
        "later ways get different batches.",
    )
    require(
        alike(states),
        "The ways start with different states of the generator, so dropout and "
        "everything else that's drawn would differ.",
    )
    require(alike(batches), "The ways don't get the same batches.")
