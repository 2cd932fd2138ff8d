"""The schedules of chapter 14's lab are the libraries', and so is its training."""

import copy
import re
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


def train_with_torch(make, task):
    """Train with what makes an optimizer and a scheduler; return what was noted."""
    model = copy.deepcopy(task["model"])
    opt, scheduler = make(
        [{"params": list(layer.parameters())} for layer in model[::2]]
    )
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


def train_with_fastai(fit, task):
    """Train with what fits a Learner; return what was noted."""
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
        fit(learn)
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


def train_by_name(kind, settings, task):
    if kind in FITS:
        return train_with_fastai(lambda learn: FITS[kind](learn, settings), task)

    def make(groups):
        opt = torch.optim.SGD(groups, settings["lr"], settings.get("mom", 0.9))
        return opt, SCHEDULERS[kind](opt, settings)

    return train_with_torch(make, task)


def train_by_code(code, task):
    """Run the lines that the lab shows, and train by what they say."""
    if code.startswith("learn"):
        return train_with_fastai(lambda learn: exec(code, {"learn": learn}), task)
    *first, last = code.splitlines()

    def make(groups):
        # An optimizer writes its settings into the groups it gets.
        opt = torch.optim.SGD([dict(group) for group in groups])
        names = {"SGD": torch.optim.SGD, "params": groups, "opt": opt}
        names |= {name: getattr(lr_scheduler, name, None) for name in SCHEDULERS}
        exec("\n".join([*first, f"made = {last}"]), names)
        made = names["made"]
        if isinstance(made, torch.optim.Optimizer):
            return made, SCHEDULERS["constant"](made, {})
        return names["opt"], made

    return train_with_torch(make, task)


@cache
def trained(kind, number=None):
    """Train with default or random settings in the library."""
    settings = settings_of(kind) if number is None else random_settings(kind, number)
    task = tiny_task(settings["epochs"], settings["batches"], number or 0)
    return settings, task, *train_by_name(kind, settings, task)


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


# ---- the chapter's data


def images(pair):
    pixels, labels = (torch.tensor(part) for part in pair)
    return pixels.double() / 255, labels.long()


def chapters_task(data, number, epochs):
    """Return the lab's own task: the model of a seed, the images and their order."""
    seed = data["seeds"][number]
    layers = []
    for part in (*data["body"], seed["head"]):
        state = {name: torch.tensor(numbers) for name, numbers in part.items()}
        layers += [nn.Linear(*reversed(state["weight"].shape)), nn.ReLU()]
        layers[-2].load_state_dict(state)
    (x, y), (valid_x, valid_y) = images(data["train"]), images(data["valid"])
    return {
        "model": nn.Sequential(*layers[:-1]).double(),
        "x": x,
        "y": y,
        "validX": valid_x,
        "validY": valid_y,
        "order": torch.tensor(seed["order"][:epochs]).long(),
        "size": 64,
    }


def test_the_chapters_losses_are_fastais_and_the_labs(stored, compute):
    data = stored("schedule")
    lr, epochs = data["known"]["lr"], data["known"]["epochs"]
    settings = settings_of("fit_one_cycle", lr, epochs)
    task = chapters_task(data, 0, epochs)
    _, fresh = train_by_name("fit_one_cycle", settings, task)
    there = compute("schedule").evaluate(
        TRAIN, ["fit_one_cycle", settings, for_the_page(task)]
    )
    for losses in fresh["valid"], there["valid"]:
        np.testing.assert_allclose(losses, data["known"]["losses"], rtol=0, atol=1e-10)


def test_the_cells_network_learns_from_the_chapters_images(stored):
    data = stored("schedule")
    for part, count in (("train", 512), ("valid", 256)):
        pixels, labels = data[part]
        assert pixels.shape == (count, 49)
        assert sorted(set(labels.tolist())) == [0, 1, 2, 3, 4]
    for seed in data["seeds"]:
        assert (np.sort(seed["order"]) == np.arange(512)).all()


# ---- the page


def choose(page, **chosen):
    """Press a choice, or move a slider to the place of a number."""
    for name, value in chosen.items():
        radio = page.locator(f".lab input[name$='-{name}'][value='{value}']")
        if radio.count():
            radio.check(force=True)
            continue
        page.evaluate(
            """([name, value]) => {
              const slider = document.querySelector(`[data-part=${name}]`);
              const list = slider.dataset.list?.split(" ").map(Number);
              slider.value = list ? list.indexOf(value) : value;
              slider.dispatchEvent(new Event("input", {bubbles: true}));
            }""",
            [name, value],
        )
    # The lab draws once per frame.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => done()))")


def says(page, name):
    return page.locator(f"[data-part='{name}']").inner_text()


def numbers_in(text):
    return [float(number) for number in re.findall(r"\d[\d.e+-]*\d|\d", text)]


CHOICES = [
    {"kind": "constant", "lr": 0.3, "mom": 0.85, "epochs": 5},
    {"kind": "StepLR", "lr": 0.4, "stepSize": 7, "gamma": 0.7, "seed": 2},
    {"kind": "CosineAnnealingLR", "tMax": 20, "epochs": 6},
    {"kind": "CosineAnnealingLR", "epochs": 6, "lr": 0.2},
    {"kind": "OneCycleLR", "lr": 0.25},
    {"kind": "OneCycleLR", "div": 10, "divFinal": 100, "high": 0.9, "low": 0.8},
    {"kind": "OneCycleLR", "pctStart": 0.6, "epochs": 3, "seed": 1},
    {"kind": "fit_one_cycle", "epochs": 10, "lr": 0.2},
    {"kind": "fit_one_cycle", "pctStart": 0.5, "div": 5, "divFinal": 1000},
    {"kind": "fit_one_cycle", "high": 0.9, "low": 0.7, "lr": 0.3},
    {"kind": "fine_tune", "lr": 0.7, "seed": 1},
    {"kind": "fine_tune", "freezeEpochs": 3, "lrMult": 5, "div": 25, "low": 0.8},
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_the_code_that_is_shown_gives_what_is_shown(choice, lab, stored):
    page = lab("schedule")
    choose(page, **choice)
    epochs, seed = choice.get("epochs", 8), choice.get("seed", 0)
    task = chapters_task(stored("schedule"), seed, epochs)
    plan, known = train_by_code(says(page, "now-code"), task)
    count, right, loss = numbers_in(says(page, "now"))
    assert count == 8 * epochs
    assert right == round(100 * known["right"])
    assert loss == pytest.approx(known["valid"][-1], abs=0.0051)
    for step in (0, 9, count // 2, count - 1):
        choose(page, time=int(step))
        said, *rates, mom, loss = numbers_in(says(page, "here"))
        assert said == step
        # "… in the head, … in layer 2, … in layer 1", or of the head alone
        assert rates[0] == pytest.approx(plan["lrs"][2, int(step)], rel=0.05)
        if len(rates) == 5:
            assert rates[1::2] == pytest.approx(
                plan["lrs"][[1, 0], int(step)], rel=0.05
            )
        assert mom == pytest.approx(plan["moms"][int(step)], abs=6e-4)
        assert loss == pytest.approx(known["valid"][int(step)], rel=6e-3)


def test_only_a_schedules_own_settings_are_there(lab):
    page = lab("schedule")
    every = {"lr", "epochs"}
    cycle = {"pctStart", "div", "divFinal", "high", "low"}
    own = {
        "constant": {"mom"},
        "StepLR": {"stepSize", "gamma", "mom"},
        "CosineAnnealingLR": {"tMax", "mom"},
        "OneCycleLR": cycle,
        "fit_one_cycle": cycle,
        "fine_tune": cycle | {"freezeEpochs", "lrMult"},
    }
    page.locator(".lab details").evaluate("(details) => details.open = true")
    for kind, names in own.items():
        choose(page, kind=kind)
        there = page.evaluate(
            "[...document.querySelectorAll('[data-slider] input')]"
            ".filter((one) => one.checkVisibility()).map((one) => one.dataset.part)"
        )
        assert set(there) == every | names, kind
        usual = {name: DEFAULTS[kind][name] for name in DEFAULTS[kind]}
        high, low, _ = usual.pop("moms", (None, None, None))
        usual |= {"high": high, "low": low, "gamma": 0.5}
        for name in names:
            text = page.locator(f"[data-slider={name}] b").inner_text()
            assert float(text) == usual[name], (kind, name)


def test_the_rings_are_there_where_the_cells_setting_is(lab):
    page = lab("schedule")
    rings = page.locator("[data-part=losses] .dots")
    assert rings.count() == 17
    assert numbers_in(says(page, "same"))[0] < 1e-10
    for other in ({"lr": 0.4}, {"lr": 0.5, "seed": 1}, {"seed": 0, "low": 0.8}):
        choose(page, **other)
        assert rings.count() == 0
        assert not page.locator("[data-part=same]").is_visible()
    choose(page, low=0.85)
    assert rings.count() == 17


def test_a_run_that_is_kept_stays(lab):
    page = lab("schedule")
    assert says(page, "kept-code") == "SGD(params, lr=0.5, momentum=0.9)"
    choose(page, kind="fine_tune", lrMult=10)
    now = says(page, "now").partition(": ")[2]
    page.locator("[data-part=keep]").click()
    choose(page, kind="constant", epochs=10, lr=0.05)
    assert now in says(page, "kept")
    assert says(page, "kept-code") == "learn.fine_tune(7, 0.5, lr_mult=10)"
    assert says(page, "now-code") == "SGD(params, lr=0.05, momentum=0.9)"
    # It starts where the other one does.
    choose(page, seed=1)
    assert now not in says(page, "kept")


def test_t_max_and_frozen_epochs_keep_up_with_the_epochs(lab):
    page = lab("schedule")
    choose(page, kind="CosineAnnealingLR", epochs=5)
    assert says(page, "now-code").endswith("T_max=40)")
    choose(page, tMax=30)
    choose(page, epochs=6)
    assert says(page, "now-code").endswith("T_max=30)")
    choose(page, kind="fine_tune", freezeEpochs=5)
    choose(page, epochs=3)
    assert says(page, "now-code") == "learn.fine_tune(1, 0.5, freeze_epochs=2)"


@pytest.mark.parametrize("width", [1280, 360])
def test_a_choice_moves_nothing_above_the_sliders(width, lab):
    page = lab("schedule", width=width)
    places = set()
    for kind in DEFAULTS:
        choose(page, kind=kind)
        boxes = [
            page.locator(f".lab [data-part={part}]").bounding_box()
            for part in ("now", "losses", "rates", "time", "lr")
        ]
        places.add(tuple(round(box["y"], 1) for box in boxes))
    assert len(places) == 1, places


def test_a_phone_shows_the_choice_and_its_result_together(lab):
    page = lab("schedule", width=360)
    top = page.locator(".schedule-kinds").bounding_box()["y"]
    losses, lr = (
        page.locator(f".lab [data-part={part}]").bounding_box()
        for part in ("losses", "lr")
    )
    # What a phone shows below the bar of the site.
    assert losses["y"] + losses["height"] - top < 660
    assert lr["y"] + lr["height"] - losses["y"] < 660


def test_high_losses_are_drawn_in_full(lab):
    page = lab("schedule")
    for lr in (0.5, 0.8, 1, 1.5, 2):
        choose(page, kind="constant", lr=lr)
        label = page.get_attribute("[data-part=losses]", "aria-label")
        highest = numbers_in(label)[1]
        top = float(page.locator("[data-part=losses] text").nth(4).text_content())
        # The axis grows with the losses, but the small ones stay in sight.
        assert top <= 20
        assert top < 2.5 * highest
        line = page.locator("[data-part=losses] .line").get_attribute("points")
        lowest = min(float(point.split(",")[1]) for point in line.split())
        assert lowest >= 10, (lr, highest, top)


def test_the_cursor_stays_within_the_training(lab):
    page = lab("schedule")
    choose(page, time=63)
    assert numbers_in(says(page, "here"))[0] == 63
    choose(page, epochs=2)
    assert numbers_in(says(page, "here"))[0] == 15
    for name in ("rates", "losses", "moms"):
        assert page.locator(f"[data-part={name}] .here").count() == 1
    choose(page, axis="log")
    assert page.locator("[data-part=rates] .here").count() == 1


# ---- what the chapter says about the lab


def results(page, **chosen):
    """Return the share of right answers, in percent, and the loss, for each seed."""
    choose(page, **chosen)
    rows = []
    for seed in range(3):
        choose(page, seed=seed)
        rows.append(numbers_in(says(page, "now"))[1:])
    return [list(column) for column in zip(*rows, strict=True)]


def test_task_constant_or_one_cycle(lab):
    page = lab("schedule")
    assert results(page, kind="constant", lr=0.1)[1] == [0.44, 0.48, 0.40]
    assert results(page, kind="fit_one_cycle")[1] == [0.57, 0.54, 0.59]
    assert results(page, lr=0.5)[1] == [0.36, 0.82, 0.39]
    assert results(page, kind="constant")[1] == [0.58, 1.06, 0.43]
    assert results(page, kind="CosineAnnealingLR")[1] == [0.35, 0.33, 0.32]


def test_task_two_cycles(lab, compute):
    page = lab("schedule")
    choose(page, pctStart=0.3, time=63)
    assert numbers_in(says(page, "other"))[-1] == 0.0233
    assert numbers_in(says(page, "here"))[1] == pytest.approx(0.000619, abs=2e-6)
    choose(page, kind="OneCycleLR")
    assert numbers_in(says(page, "here"))[1] == 0.000002
    peaks = {
        kind: np.argmax(
            compute("schedule").evaluate(PLAN, [kind, settings_of(kind, pctStart=0.3)])[
                "lrs"
            ][2]
        )
        for kind in ("fit_one_cycle", "OneCycleLR")
    }
    assert peaks == {"fit_one_cycle": 19, "OneCycleLR": 18}


def test_task_t_max(lab, compute):
    settings = settings_of("CosineAnnealingLR", tMax=8)
    plan = compute("schedule").evaluate(PLAN, ["CosineAnnealingLR", settings])
    assert [step for step, lr in enumerate(plan["lrs"][2]) if lr < 1e-9] == [
        8,
        24,
        40,
        56,
    ]
    page = lab("schedule")
    assert results(page, kind="CosineAnnealingLR")[0] == [90, 89, 89]
    assert results(page, tMax=8)[0] == [86, 79, 75]


def test_task_lr_mult(lab):
    page = lab("schedule")
    right = results(page, kind="fine_tune")[0]
    assert right == [70, 73, 72]
    assert results(page, lrMult=1)[0] == [90, 88, 85]
    # No other slider does it.
    choose(page, lrMult=100)
    for other in (
        {"pctStart": 0.9},
        {"pctStart": 0.1},
        {"freezeEpochs": 7},
        {"div": 1},
        {"div": 100},
        {"divFinal": 1},
        {"low": 0.99},
        {"low": 0},
        {"high": 0.99},
        {"high": 0},
        {"epochs": 10},
    ):
        [name] = other
        before = float(page.locator(f"[data-slider={name}] b").text_content())
        assert min(results(page, **other)[0]) < 85, other
        choose(page, **{name: before})
