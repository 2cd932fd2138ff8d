"""Checkers for the exercises: lightning."""

import contextlib
import copy
import inspect
import logging
import random
import tempfile
import warnings
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import MulticlassAccuracy

from helpers.exercises import call, call_as_is, exercise, explain, require


@contextlib.contextmanager
def _quietly():
    """Keep what trainers announce away from the reader's page."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _trainer(max_epochs, **options):
    return L.Trainer(
        max_epochs=max_epochs,
        **options,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _weights(module):
    """Return all parameters as one vector on the CPU."""
    return nn.utils.parameters_to_vector(module.parameters()).detach().cpu()


class _Small(L.LightningModule):
    """A linear layer that notes what a trainer calls."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.calls, self.optimizers_made = [], 0

    def training_step(self, batch, batch_idx):
        self.calls.append(f"step {batch_idx}")
        inputs, targets = batch
        return F.mse_loss(self.layer(inputs), targets)

    def validation_step(self, batch, batch_idx):
        pass

    def on_train_epoch_start(self):
        self.calls.append("start")

    def on_train_epoch_end(self):
        self.calls.append("end")

    def configure_optimizers(self):
        self.optimizers_made += 1
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)


def _small_loader(samples, batch_size):
    data = TensorDataset(torch.randn(samples, 3), torch.randn(samples, 2))
    return DataLoader(data, batch_size)


def _easy_digits(samples):
    """Draw images that are easy to tell apart: ten patterns and a little noise."""
    patterns, labels = torch.rand(10, 1, 28, 28), torch.randint(10, (samples,))
    return 0.8 * patterns[labels] + 0.2 * torch.rand(samples, 1, 28, 28), labels


@exercise(
    "ex-trainer-steps",
    title="How many steps?",
    hints=(
        "how many batches does a loader of 4,000 images have? Try batch sizes of "
        "4,000, 3,999 and 32.",
        "one epoch has 4,000 divided by `batch_size` steps, rounded up. Should you "
        "multiply by the epochs before you round, or after? Each epoch ends with a "
        "smaller batch of its own.",
    ),
    shown="Every epoch has its own last batch, so round up first, then multiply.",
)
def steps(steps):
    sizes = [3999, 32, 64, 4000, 5000, *random.sample(range(2, 2000), 10)]
    for batch_size in sizes:
        epochs = random.randint(3, 6)
        expected = epochs * len(DataLoader(range(4000), batch_size))
        with explain((TypeError, ValueError), "The result is not a number."):
            found = float(call(steps, epochs, batch_size))
        asked = f"For {epochs} epochs of batches of {batch_size}"
        require(
            found == int(found),
            f"{asked} the result is {found:.6g}, but a step is taken or it isn't: the "
            "number has to be whole.",
        )
        require(
            found != epochs * (4000 // batch_size) or found == expected,
            f"{asked} the last, smaller batch of each epoch is missing: `//` rounds "
            "down.",
        )
        require(
            found * epochs != expected,
            f"{asked} your result is the number of steps in one epoch.",
        )
        require(
            found != -(-epochs * 4000 // batch_size) or found == expected,
            f"{asked} there are {expected} steps, not {found:.0f}: a smaller batch "
            "ends each epoch, not only the last one.",
        )
        require(
            found <= expected or 4000 % batch_size,
            f"{asked} nothing is left over for a smaller batch: {expected} steps, not "
            f"{found:.0f}.",
        )
        require(
            found == expected,
            f"{asked} there are {expected} steps, not {found:.0f}.",
        )


@exercise(
    "ex-own-classifier",
    title="A digit classifier of your own",
    hints=(
        "besides `__init__` you need four methods: `forward`, `training_step`, "
        "`validation_step` and `configure_optimizers`. `LitDigits` has all of them.",
        "build the network in `__init__`; the images have 28 by 28 pixels, which makes "
        "784 numbers. `training_step` unpacks `inputs, targets = batch` and has to "
        "*return* the loss. For `valid_accuracy`, `MulticlassAccuracy(10, "
        'average="micro")` is the fraction of right answers, and it only shows up '
        "if you pass it to `self.log` under that name.",
    ),
    shown="The class names no device and computes wherever its batch is, so it runs on "
    "whatever the trainer finds.",
)
@_quietly()
def own(LitMLP):
    module = LitMLP()
    require(
        isinstance(module, L.LightningModule), "`LitMLP` isn't a `LightningModule`."
    )
    module.eval()
    inputs, labels = _easy_digits(205)
    with (
        explain(
            RuntimeError,
            "`forward` doesn't take a batch of shape (N, 1, 28, 28): a linear layer "
            "needs one row of 784 numbers per image.",
        ),
        explain(NotImplementedError, "`LitMLP` has no method `forward`."),
        torch.no_grad(),
    ):
        outputs = module(inputs)
    require(
        outputs.shape == (205, 10),
        f"For 205 images `forward` returns the shape {tuple(outputs.shape)}, not "
        "(205, 10).",
    )
    require(
        (outputs.sum(dim=1) - 1).abs().max() > 1e-3,
        "`forward` returns probabilities. `F.cross_entropy` needs logits, because it "
        "applies a softmax of its own.",
    )
    with torch.no_grad():
        first, second, zero = inputs[:1], inputs[1:2], torch.zeros(1, 1, 28, 28)
        bent = module(first) + module(second) - module(first + second) - module(zero)
    require(
        bent.abs().max() > 1e-4,
        "The network is linear: without an activation between them, two linear layers "
        "do no more than one.",
    )
    counted = sum(p.numel() for p in module.parameters())
    require(
        counted == 784 * 128 + 128 + 128 * 10 + 10,
        f"The network has {counted:,} parameters; 784 inputs, 128 hidden units and 10 "
        "outputs make 101,770.",
    )
    _check_relu(module)
    _check_loss(module, inputs, labels, outputs)
    _check_accuracy(module, inputs, outputs)
    _check_training(module)


def _check_relu(module):
    """Refuse a network that is curved; with ReLU it is straight, piece by piece."""
    exact = copy.deepcopy(module).double()
    start, way = torch.rand(2, 1, 28, 28, dtype=torch.double)
    times = torch.linspace(0, 1, 2001, dtype=torch.double).reshape(-1, 1, 1, 1)
    try:
        with torch.no_grad():
            along = exact(start + times * way)
    except RuntimeError:
        return  # it insists on float32, and then rounding hides a curve
    curved = along.diff(n=2, dim=0).abs().median()
    require(
        curved < 1e-11,
        "The activation is not ReLU: between its kinks, a network with ReLU is linear, "
        "and yours is curved.",
    )


def _training_step(module, *batch):
    """Call `training_step` as a trainer does, with a number of the batch or without."""
    try:
        inspect.signature(module.training_step).bind(batch, 0)
    except TypeError:
        return module.training_step(batch)
    return module.training_step(batch, 0)


def _check_loss(module, inputs, labels, outputs):
    loss = _training_step(module, inputs, labels)
    loss = loss["loss"] if isinstance(loss, dict) else loss
    require(
        loss is not None,
        "`training_step` returns nothing, so the trainer can't compute any gradients.",
    )
    require(
        isinstance(loss, torch.Tensor) and loss.requires_grad,
        "`training_step` returns a loss that cannot be differentiated: return the "
        "tensor itself, without `.item()` or `.detach()`.",
    )
    loss = loss.detach()
    twice = F.cross_entropy(outputs.softmax(dim=1), labels)
    require(
        not torch.isclose(loss, twice, atol=1e-6),
        "The softmax is applied twice: once by you, once inside `F.cross_entropy`.",
    )
    require(
        torch.isclose(loss, F.cross_entropy(outputs, labels), atol=1e-4),
        "`training_step` doesn't return the mean cross-entropy of the batch.",
    )
    # What is moved to a device by name cannot be moved back from one without data.
    named, elsewhere = False, (inputs.to("meta"), labels.to("meta"))
    try:
        _training_step(copy.deepcopy(module).to("meta"), *elsewhere)
    except Exception as error:
        named = "copy out of meta" in str(error)
    require(
        not named,
        "`training_step` names a device. The trainer has already moved the model and "
        "the batch to the right one, and the class doesn't need to know which.",
    )


def _check_accuracy(module, inputs, outputs):
    # Classes of different sizes, of which two thirds are right.
    guessed = outputs.argmax(dim=1)
    wrong = torch.arange(len(guessed)) % 3 == 0
    labels = (guessed + wrong) % 10
    loader = DataLoader(TensorDataset(inputs, labels), 50)
    with explain(MisconfigurationException, "`LitMLP` has no `validation_step`."):
        trainer = _trainer(1)
        trainer.validate(module, loader, verbose=False)
    logged = trainer.callback_metrics
    require(
        "valid_accuracy" in logged,
        "Nothing is logged as `valid_accuracy`. A number only appears in the log if "
        "you pass it to `self.log`.",
    )
    found, expected = float(logged["valid_accuracy"]), (~wrong).float().mean().item()
    by_class = MulticlassAccuracy(10)(guessed, labels).item()
    require(
        abs(found - by_class) > 1e-4 or abs(found - expected) < 1e-4,
        "`valid_accuracy` is the mean over the classes, however many images each "
        "has; that's torchmetrics' default. The fraction of right answers is "
        '`average="micro"`.',
    )
    require(
        abs(found - expected) < 1e-4,
        f"Of the answers, {expected:.4f} are right, and {found:.4f} is logged.",
    )


def _check_training(module):
    inputs, labels = _easy_digits(2200)
    train_set = TensorDataset(inputs[:2000], labels[:2000])
    valid_set = TensorDataset(inputs[2000:], labels[2000:])
    before = [weight.detach().clone() for weight in module.parameters()]
    trainer = _trainer(2)
    trainer.fit(
        module, DataLoader(train_set, 32, shuffle=True), DataLoader(valid_set, 100)
    )
    require(
        trainer.optimizers and isinstance(trainer.optimizers[0], torch.optim.Adam),
        "The optimizer isn't Adam.",
    )
    require(
        not any(map(torch.equal, before, module.parameters())),
        "After training, some layers still have the weights they began with: did the "
        "optimizer get all parameters?",
    )
    reached = trainer.callback_metrics["valid_accuracy"].item()
    require(
        reached > 0.85,
        "On made-up images that are easy to tell apart, two epochs get only "
        f"{reached:.0%} right: look at the learning rate.",
    )


@exercise(
    "ex-schedule",
    title="A schedule for the learning rate",
    hints=(
        "`scheduler` and `interval` are keys of an inner dictionary, which is the "
        'value of `"lr_scheduler"`.',
        "`super().configure_optimizers()` gives you Adam, and `OneCycleLR` needs it, "
        'along with `max_lr` and `total_steps`; the `interval` is `"step"`. Note the '
        'rate in `on_train_batch_start`, before the schedule moves, as the `"lr"` in '
        "`self.optimizers().param_groups[0]`.",
    ),
    shown="The rate rose for 30 % of the steps, the default of `OneCycleLR`, and fell "
    "for the rest.",
)
@_quietly()
def schedule(Scheduled):
    inputs, labels = _easy_digits(240)
    loader = DataLoader(TensorDataset(inputs, labels), 4)
    module, trainer = Scheduled(), _trainer(1)
    try:
        trainer.fit(module, loader)
    except ValueError as error:
        require(
            "Tried to step" not in str(error),
            "The run has 60 steps, but the schedule stops before that: look at "
            "`total_steps`.",
        )
        raise
    with explain(AttributeError, "The module has no list `rates`."):
        rates = [float(rate) for rate in module.rates]
    require(
        trainer.lr_scheduler_configs,
        "The trainer has no schedule: `configure_optimizers` has to return it "
        "together with the optimizer.",
    )
    require(
        len(rates) == 60,
        f"After a run of 60 steps, `rates` has {len(rates)} entries.",
    )
    require(
        max(rates) > min(rates),
        "The rate is the same at all 60 steps: Lightning moves a schedule once per "
        "epoch, unless you set another interval.",
    )
    require(
        getattr(Scheduled(), "rates", None) is not module.rates,
        "All modules share one list `rates`, because it belongs to the class. Create "
        "it in a method.",
    )
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))])
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.01, total_steps=60
    )
    expected = []
    for _ in range(60):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(expected) < 60:
            reference.step()
    expected = torch.tensor(expected)
    found = torch.tensor(rates)
    require(
        not torch.allclose(found[:-1], expected[1:], rtol=1e-4),
        "Each rate is the one of the step after: when a batch ends, the schedule has "
        "already moved. Note the rate earlier.",
    )
    require(
        abs(found.max() - 0.01) < 1e-4,
        f"The largest rate is {found.max():.4f}, not 0.01.",
    )
    require(
        found[-1] < found[0],
        "After 60 steps, the rate is still high: the schedule was made for more steps.",
    )
    require(
        torch.allclose(found, expected, rtol=1e-3, atol=1e-7),
        f"The rate peaks at step {found.argmax()}; with the defaults of `OneCycleLR`, "
        f"it would at step {expected.argmax()}.",
    )


@exercise(
    "ex-count-samples",
    title="A callback",
    hints=(
        "`on_train_batch_end` gets the batch, a pair of images and labels.",
        "set `seen` to 0 once, in `on_fit_start`, so that it doesn't start again with "
        "each epoch. In `on_train_batch_end`, `len(batch)` is 2, because a batch is a "
        "pair; take the length of one of its parts. Both methods get the trainer and "
        "the module first; `on_train_batch_end` also gets `outputs`, `batch` and "
        "`batch_idx`.",
    ),
    shown="You can use it in any training run, without changing a line of the module.",
)
@_quietly()
def callback(CountSamples):
    for stopped in (False, True):
        # Of at least 8: twice the batches of three epochs are fewer than the samples.
        batch_size, epochs = random.randint(8, 10), random.randint(2, 3)
        batches = random.randint(4, 6)
        samples = batches * batch_size - random.randint(1, 4)
        limit = {"limit_train_batches": batches - 1} if stopped else {}
        counter, trainer = CountSamples(), _trainer(epochs, **limit)
        require(isinstance(counter, L.Callback), "`CountSamples` isn't a callback.")
        trainer.callbacks.append(counter)
        trainer.fit(_Small(), _small_loader(samples, batch_size), _small_loader(11, 3))
        with explain(
            (AttributeError, TypeError, ValueError),
            "After training, the callback has no number `seen`.",
        ):
            seen = int(counter.seen)
        asked = (
            f"In {epochs} epochs with {samples} training images in batches of "
            f"{batch_size}, you counted {seen}"
        )
        if stopped:
            require(
                seen == (batches - 1) * batch_size * epochs,
                f"{asked}, although the trainer takes only {batches - 1} batches per "
                "epoch here: count what goes through the network.",
            )
            break
        require(seen != batches * epochs, f"{asked}: that's the number of batches.")
        require(
            seen != 2 * batches * epochs,
            f"{asked}: `len(batch)` is 2, because a batch is a pair.",
        )
        require(
            seen != batches * batch_size * epochs,
            f"{asked}: the last batch of an epoch is smaller.",
        )
        require(seen != samples, f"{asked}: the count starts again with each epoch.")
        require(
            seen <= samples * epochs,
            f"{asked}: you've counted the validation images, too.",
        )
        require(seen == samples * epochs, f"{asked}, not {samples * epochs}.")


@exercise(
    "ex-continue",
    title="Resume",
    hints=(
        "`fit` has an argument for the file, and `max_epochs` counts from the very "
        "first epoch.",
        "the argument is `ckpt_path`, and then `fit` restores the weights, the "
        "counters and the state of the optimizer together. `load_from_checkpoint` "
        "would bring back the weights alone. Give the new trainer all `epochs`, not "
        "only those that are left.",
    ),
    shown="The weights, the step counter and the optimizer's memory came from the "
    "file, and the run ended with the same weights as an uninterrupted one.",
)
@_quietly()
def resume(continue_from):
    samples, batch_size = random.randint(20, 30), random.randint(4, 6)
    loader = _small_loader(samples, batch_size)
    early, more = random.randint(2, 3), random.randint(1, 2)
    straight = _Small()
    begun, fresh = copy.deepcopy(straight), _Small()
    scratch = copy.deepcopy(fresh)
    total = early + more
    _trainer(total).fit(straight, loader)
    _trainer(total).fit(scratch, loader)
    ends = _weights(straight), _weights(scratch)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "begun.ckpt"
        trainer = _trainer(early)
        trainer.fit(begun, loader)
        trainer.save_checkpoint(path)
        for source, kind in (loader, "a loader"), (_Data(loader), "a data module"):
            model = copy.deepcopy(fresh)
            resumed = call_as_is(continue_from, path, model, source, total)
            asked = f"Continued with {kind} after {early} epochs, up to {total}"
            _check_resumed(resumed, model, loader, total, *ends, asked)


class _Data(L.LightningDataModule):
    """A data module around a loader."""

    def __init__(self, loader):
        super().__init__()
        self.loader = loader

    def train_dataloader(self):
        return self.loader


def _check_resumed(resumed, fresh, loader, total, straight, scratch, asked):
    require(isinstance(resumed, L.Trainer), "The result is not a trainer.")
    taken = sum(name.startswith("step") for name in fresh.calls)
    require(
        not torch.allclose(_weights(fresh), scratch, atol=1e-5),
        f"{asked}, the model has the weights of a run that started from scratch: "
        "the file was never read.",
    )
    require(
        resumed.current_epoch == total,
        f"{asked}, the trainer stopped at epoch {resumed.current_epoch}: `max_epochs` "
        "counts all epochs, including those before the file was saved.",
    )
    require(
        taken != total * len(loader),
        f"{asked}, the model went through {total} more epochs. The weights came from "
        "the file, but neither the epoch counter nor the optimizer's memory.",
    )
    require(
        resumed.global_step == total * len(loader),
        f"{asked}, the step counter says {resumed.global_step}, not "
        f"{total * len(loader)}.",
    )
    require(
        torch.allclose(_weights(fresh), straight, atol=1e-4),
        f"{asked}, the weights aren't those of an uninterrupted run.",
    )


@exercise(
    "ex-order",
    title="In which order?",
    hints=(
        "write `fit` of `TinyTrainer` again. The two new calls go around the loop over "
        "the batches.",
        "both calls are inside the loop over the epochs, one right before the loop "
        "over the batches and one right after it. The optimizer is still made once, "
        "before all of that, or it forgets its earlier steps.",
    ),
    shown="The calls, their order and the weights are the same as with `L.Trainer`.",
)
@_quietly()
def order(HookedTrainer):
    epochs, batches = random.randint(2, 3), random.randint(2, 4)
    loader = _small_loader(batches * 4, 4)
    theirs = _Small()
    ours = copy.deepcopy(theirs)
    _trainer(epochs).fit(theirs, loader)
    HookedTrainer(epochs).fit(ours, loader)
    asked = f"In {epochs} epochs of {batches} batches"
    for name in ("start", "end"):
        times = ours.calls.count(name)
        require(times, f"{asked} `on_train_epoch_{name}` is never called.")
        require(
            times > 1,
            f"{asked} `on_train_epoch_{name}` is called once in all, but it belongs to "
            "each epoch.",
        )
        require(
            times <= epochs,
            f"{asked} `on_train_epoch_{name}` is called {times} times: it belongs "
            "to the epoch, not to each batch.",
        )
    require(
        ours.calls == theirs.calls,
        f"{asked} your order is {', '.join(ours.calls)}, and `L.Trainer` has a "
        "different one.",
    )
    same = torch.allclose(_weights(ours), _weights(theirs), atol=1e-4)
    require(
        same or ours.optimizers_made == 1,
        "The order is right, but the weights aren't: each epoch makes a new optimizer, "
        "which has forgotten the steps before.",
    )
    require(
        same,
        "The order is right, but the weights aren't those of `L.Trainer`: what happens "
        "to the gradients of the batch before?",
    )
