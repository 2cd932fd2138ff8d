"""The schedules of chapter 14's lab are the libraries', and so is its training."""

import copy
from functools import cache, partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from fastai.vision.all import (
    SGD,
    Callback,
    DataLoader,
    DataLoaders,
    Learner,
    ParamScheduler,
    ProgressCallback,
    Recorder,
    params,
)
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

SCHEDULERS = {
    "constant": lambda opt, s: lr_scheduler.LambdaLR(opt, lambda step: 1),
    "StepLR": lambda opt, s: lr_scheduler.StepLR(opt, s["stepSize"], s["gamma"]),
    "CosineAnnealingLR": lambda opt, s: lr_scheduler.CosineAnnealingLR(
        opt, s["tMax"], s["etaMin"]
    ),
    "OneCycleLR": lambda opt, s: lr_scheduler.OneCycleLR(
        opt,
        s["lr"],
        total_steps=s["epochs"] * s["batches"],
        pct_start=s["pctStart"],
        div_factor=s["div"],
        final_div_factor=s["divFinal"],
        max_momentum=s["moms"][0],
        base_momentum=s["moms"][1],
    ),
}
FITS = {
    "fit_one_cycle": lambda learn, s: learn.fit_one_cycle(
        s["epochs"],
        s["lr"],
        div=s["div"],
        div_final=s["divFinal"],
        pct_start=s["pctStart"],
        moms=s["moms"],
    ),
    "fine_tune": lambda learn, s: learn.fine_tune(
        s["epochs"] - s["freezeEpochs"],
        s["lr"],
        freeze_epochs=s["freezeEpochs"],
        lr_mult=s["lrMult"],
        pct_start=s["pctStart"],
        div=s["div"],
        div_final=s["divFinal"],
        moms=s["moms"],
    ),
}
KINDS = [*SCHEDULERS, *FITS]
# The settings that each function has by itself.
DEFAULTS = {
    "constant": {"mom": 0.9},
    "StepLR": {"stepSize": 16, "gamma": 0.1, "mom": 0.9},
    "CosineAnnealingLR": {"tMax": 64, "etaMin": 0, "mom": 0.9},
    "fit_one_cycle": {
        "pctStart": 0.25,
        "div": 25,
        "divFinal": 1e5,
        "moms": [0.95, 0.85, 0.95],
    },
    "OneCycleLR": {
        "pctStart": 0.3,
        "div": 25,
        "divFinal": 1e4,
        "moms": [0.95, 0.85, 0.95],
    },
    "fine_tune": {
        "pctStart": 0.3,
        "div": 5,
        "divFinal": 1e5,
        "moms": [0.95, 0.85, 0.95],
        "freezeEpochs": 1,
        "lrMult": 100,
    },
}


def settings_of(kind, lr=0.5, epochs=8, batches=8, **others):
    return {"lr": lr, "epochs": epochs, "batches": batches} | DEFAULTS[kind] | others


def random_settings(kind, number):
    """Draw settings, those of the lab's controls and some beyond."""
    draw = np.random.default_rng([number, len(kind)])
    epochs, batches = int(draw.integers(2, 13)), int(draw.integers(5, 12))
    high, low, end = (round(float(mom), 2) for mom in draw.uniform(0, 0.99, 3))
    known = {
        "mom": high,
        "stepSize": int(draw.integers(1, 40)),
        "gamma": round(float(draw.uniform(0.05, 1)), 2),
        "tMax": int(draw.integers(1, 80)),
        "etaMin": float(draw.choice([0, 10 ** draw.uniform(-6, -3)])),
        "pctStart": round(float(draw.uniform(0.25, 0.95)), 2),
        "div": float(draw.uniform(1, 100)),
        "divFinal": 10 ** float(draw.uniform(0, 6)),
        "moms": [high, low, high if kind == "OneCycleLR" else end],
        "freezeEpochs": int(draw.integers(1, epochs)),
        "lrMult": 10 ** float(draw.uniform(0, 3)),
    }
    own = {name: known[name] for name in DEFAULTS[kind]}
    return settings_of(kind, 10 ** float(draw.uniform(-4, 0.5)), epochs, batches, **own)


class Given(DataLoader):
    """Load the samples in an order that is given, epoch by epoch."""

    def get_idxs(self):
        return next(self.orders)


class Notes(Callback):
    """Note rates, momentum and losses at each training step."""

    order = ParamScheduler.order + 1

    def before_batch(self):
        if not self.training:
            return
        self.plan["lrs"].append([hyper["lr"] for hyper in self.opt.hypers])
        self.plan["moms"].append(self.opt.hypers[-1]["mom"])
        self.valid.append(judge(self.model, self.task)[0])

    def after_loss(self):
        if self.training:
            self.losses.append(self.loss.item())


def tiny_task(epochs, batches, seed=0, size=8, widths=(6, 5, 4, 3)):
    """Draw a task: a model of three layers, samples, and the order of the batches."""
    torch.manual_seed(seed)
    layers = [nn.Linear(n, m) for n, m in pairwise(widths)]
    model = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    n = size * batches
    x = torch.rand(n + 20, widths[0], dtype=torch.float64)
    y = torch.randint(widths[-1], (n + 20,))
    order = torch.stack([torch.randperm(n) for _ in range(epochs)])
    return {
        "model": model.double(),
        "x": x[:n],
        "y": y[:n],
        "validX": x[n:],
        "validY": y[n:],
        "order": order,
        "size": size,
    }


def judge(model, task):
    with torch.no_grad():
        logits = model(task["validX"])
    right = (logits.argmax(1) == task["validY"]).double().mean()
    return F.cross_entropy(logits, task["validY"]).item(), right.item()


def train_with_torch(kind, settings, task):
    """Train with a scheduler of PyTorch; return what was noted."""
    model = copy.deepcopy(task["model"])
    groups = [{"params": layer.parameters()} for layer in model[::2]]
    opt = torch.optim.SGD(groups, settings["lr"], settings.get("mom", 0.9))
    scheduler = SCHEDULERS[kind](opt, settings)
    plan, valid, losses = {"lrs": [], "moms": []}, [], []
    for batch in task["order"].view(-1, task["size"]):
        plan["lrs"].append([group["lr"] for group in opt.param_groups])
        plan["moms"].append(opt.param_groups[0]["momentum"])
        valid.append(judge(model, task)[0])
        opt.zero_grad()
        loss = F.cross_entropy(model(task["x"][batch]), task["y"][batch])
        loss.backward()
        opt.step()
        losses.append(loss.item())
        if len(losses) < task["order"].numel() // task["size"]:
            scheduler.step()
    return finish(model, task, plan, valid, losses)


def train_with_fastai(kind, settings, task):
    """Train with a Learner; return what was noted."""
    model = copy.deepcopy(task["model"])
    pairs = list(zip(task["x"], task["y"], strict=True))
    loaders = [
        Given(pairs, bs=task["size"], num_workers=0, device="cpu") for _ in range(2)
    ]
    loaders[0].orders = iter(task["order"].tolist())
    loaders[1].get_idxs = lambda: range(1)
    notes = Notes()
    notes.task, notes.plan = task, {"lrs": [], "moms": []}
    notes.valid, notes.losses = [], []
    learn = Learner(
        DataLoaders(*loaders, device="cpu"),
        model,
        loss_func=F.cross_entropy,
        opt_func=partial(SGD, mom=0.9),
        splitter=lambda model: [params(layer) for layer in model[::2]],
        cbs=notes,
    )
    # The recorder averages in float32, and nobody looks at the progress.
    learn.remove_cbs([Recorder, ProgressCallback])
    with learn.no_logging():
        FITS[kind](learn, settings)
    return finish(model, task, notes.plan, notes.valid, notes.losses)


def finish(model, task, plan, valid, losses):
    last, right = judge(model, task)
    plan["lrs"] = np.transpose(plan["lrs"])
    # The page keeps weights by input.
    weights = torch.cat([p.detach().t().flatten() for p in model.parameters()]).numpy()
    return plan, {
        "valid": [*valid, last],
        "losses": losses,
        "right": right,
        "weights": weights,
    }


@cache
def trained(kind, number=None):
    """Train with default or random settings in the library."""
    settings = settings_of(kind) if number is None else random_settings(kind, number)
    task = tiny_task(settings["epochs"], settings["batches"], number or 0)
    train = train_with_torch if kind in SCHEDULERS else train_with_fastai
    return settings, task, *train(kind, settings, task)


PLAN = "([kind, settings]) => labs.compute.schedule.plan(kind, settings)"
TRAIN = """([kind, settings, task]) => {
  const {plan, train} = labs.compute.schedule;
  const numbers = (name) => Float64Array.from(task[name]);
  const {model, ...there} = train(
    {...task, x: numbers("x"), validX: numbers("validX")}, plan(kind, settings));
  return {...there, weights: model.flatMap(({weight, bias}) => [...weight, ...bias])};
}"""


def for_the_page(task):
    layers = [
        {name: numbers.flatten().tolist() for name, numbers in layer.named_parameters()}
        for layer in task["model"][::2]
    ]
    names = {"x": "x", "labels": "y", "validX": "validX", "validLabels": "validY"}
    names["order"] = "order"
    tensors = {name: task[own].flatten().tolist() for name, own in names.items()}
    return {"layers": layers, "size": task["size"], **tensors}


def plan_gap(page, kind, number=None):
    """Return the largest relative difference of a rate or a momentum."""
    settings, _, plan, _ = trained(kind, number)
    there = page.evaluate(PLAN, [kind, settings])
    gaps = [
        np.abs(np.array(there[name]) - plan[name])
        / np.maximum(np.abs(plan[name]), 1e-300)
        for name in plan
    ]
    return max(gap.max() for gap in gaps)


def train_gap(page, kind, number=None):
    """Return the largest difference of a loss, a weight or the final accuracy."""
    settings, task, _, known = trained(kind, number)
    there = page.evaluate(TRAIN, [kind, settings, for_the_page(task)])
    return max(
        np.abs(np.array(there[name]) - np.array(known[name])).max() for name in known
    )


def largest(gap, page, kind, numbers=(None, *range(20))):
    # np.max, because Python's max may pass over NaN.
    return np.max([gap(page, kind, number) for number in numbers])


@pytest.mark.parametrize("kind", KINDS)
def test_rates_and_momenta_are_the_librarys(kind, compute):
    assert largest(plan_gap, compute("schedule"), kind) < 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_the_training_is_the_librarys(kind, compute):
    assert largest(train_gap, compute("schedule"), kind) < 1e-10


# Each of them has to be caught by one of the two checks above.
SLIPS = {
    "place in float64": ("at = fround(time)", "at = time", "fit_one_cycle"),
    "times multiplied": (
        "time += 1 / (batches * epochs)",
        "time += 1 / batches",
        "fit_one_cycle",
    ),
    "linear": ("(1 + cos(PI * (1 - at)))", "2 * at", "fit_one_cycle"),
    "end of the other library": ("lr / div / divFinal", "lr / divFinal", "OneCycleLR"),
    "peak a step late": ("pctStart * steps - 1;", "pctStart * steps;", "OneCycleLR"),
    "last step not at the end": ("(steps - 1 - top)", "(steps - top)", "OneCycleLR"),
    "step late": ("step % stepSize ?", "(step - 1) % stepSize ?", "StepLR"),
    "no way up again": (
        "(step - 1 - tMax) % (2 * tMax) === 0",
        "false",
        "CosineAnnealingLR",
    ),
    "no lowest rate": ("(last - etaMin) + etaMin", "last", "CosineAnnealingLR"),
    "rate not halved": ("lr / 2 / lrMult, lr / 2", "lr / lrMult, lr", "fine_tune"),
    "others at the full rate": ("fill(stop / 10)", "fill(stop)", "fine_tune"),
    "equal differences": (
        "start * by ** i",
        "start + ((stop - start) * i) / 2",
        "fine_tune",
    ),
    "own pct_start while frozen": ("pctStart: 0.99, ", "", "fine_tune"),
    "own div while frozen": ("0.99, div: 25,", "0.99,", "fine_tune"),
    "nothing frozen": ("step < frozen", "false", "fine_tune"),
    "velocity kept": ("if (step === frozen) velocity = [];", "", "fine_tune"),
    "momentum left out": ("mom * speed[i] +", "", "constant"),
    "dampened": (
        "mom * speed[i] + slope[i]",
        "mom * speed[i] + (1 - mom) * slope[i]",
        "constant",
    ),
    "slope of ReLU": (
        "dBelow[p * inputs + i] = slope;",
        "dBelow[p * inputs + i] = slope * (value > 0.5);",
        "constant",
    ),
    "too much skipped": (
        "if (value === 0) continue;\n          const",
        "if (value < 0.01) continue;\n          const",
        "constant",
    ),
    "bias stays": ("dBias[o] += error[row + o];", "", "constant"),
    "sum of the batch": ("/= sum * n", "/= sum", "constant"),
    "rate a step late": ("lrs[at][step]", "lrs[at][Math.max(step - 1, 0)]", "StepLR"),
    "judged after the step": ("valid.push(judge().loss);", "", "constant"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_caught(slip, compute):
    right, wrong, kind = SLIPS[slip]
    page = compute("schedule", replace=(right, wrong))
    numbers = [None, *range(5)]
    rates = largest(plan_gap, page, kind, numbers)
    try:
        losses = largest(train_gap, page, kind, numbers)
    except ValueError:  # arrays of another length
        losses = np.inf
    assert not (rates < 1e-12 and losses < 1e-10)
