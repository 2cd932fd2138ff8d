"""Lab `descent` of chapter 4: what the page computes is what `torch.optim` computes."""

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

X = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
Y = torch.tensor([2.0, 4.0, 6.0], dtype=torch.float64)
STEPS = 200
CELL = [1.5, -0.5]  # where the chapter's descents start
RATES = {"SGD": 0.01, "momentum": 0.01, "Adam": 0.05}  # and their learning rates


def descend(rule, settings, start, steps=STEPS, x=X, y=Y):
    """Descend with torch.optim: positions, losses, and the slopes at each step."""
    w, b = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in start)
    make = torch.optim.Adam if rule == "Adam" else torch.optim.SGD
    optimizer = make([w, b], **settings)
    rows = []
    for _ in range(steps + 1):
        loss = F.mse_loss(w * x + b, y)
        optimizer.zero_grad()
        loss.backward()
        rows.append([v.item() for v in (w, b, loss, w.grad, b.grad)])
        optimizer.step()
    return torch.tensor(rows, dtype=torch.float64)


def follow(page, rule, settings, start, steps=STEPS, x=X, y=Y):
    """Descend in the page: the same rows."""
    rows = page.evaluate(
        """([rule, settings, start, steps, x, y]) =>
          labs.compute.descent.follow(rule, settings, start, steps, x, y)
            .map(({at, loss, moves}) => [...at, loss, ...moves.map((m) => m.slope)])""",
        [rule, settings, start, steps, x.tolist(), y.tolist()],
    )
    return torch.tensor(rows, dtype=torch.float64)


def gap(page, rule, settings, *where, **data):
    """Return the largest difference; of a number above 1, its share of that number."""
    theirs = descend(rule, settings, *where, **data)
    mine = follow(page, rule, settings, *where, **data)
    assert theirs.isfinite().all()
    return ((mine - theirs).abs() / theirs.abs().clamp(min=1)).max().item()


STARTS = [CELL, [1.0, 1.0], [2.55, -0.95], [2.0, 0.0]]
SETTINGS = [
    ("SGD", {"lr": 0.001}),
    ("SGD", {"lr": 0.01}),
    ("SGD", {"lr": 0.17}),
    ("SGD", {"lr": 0.2}),  # runs away
    ("momentum", {"lr": 0.01, "momentum": 0.0}),
    ("momentum", {"lr": 0.01, "momentum": 0.9}),
    ("momentum", {"lr": 0.03, "momentum": 0.99}),
    ("momentum", {"lr": 0.4, "momentum": 0.9}),  # runs away
    ("Adam", {"lr": 0.001}),
    ("Adam", {"lr": 0.05}),
    ("Adam", {"lr": 1.0}),
]


@pytest.mark.parametrize("start", STARTS, ids=str)
@pytest.mark.parametrize(("rule", "settings"), SETTINGS, ids=str)
def test_every_step_is_that_of_torch(compute, rule, settings, start):
    assert gap(compute("descent"), rule, settings, start) < 1e-12


def test_other_points_too(compute):
    page = compute("descent")
    generator = torch.Generator().manual_seed(0)
    for rule, lr in RATES.items():
        x, y = torch.randn(2, 7, dtype=torch.float64, generator=generator)
        settings = {"lr": lr} | ({"momentum": 0.9} if rule == "momentum" else {})
        assert gap(page, rule, settings, CELL, x=x, y=y) < 1e-12


def valley_gap(page):
    """Compare the lowest point and the contour lines of the map with torch."""
    x = torch.tensor([0.5, 2.0, 3.0, -1.0], dtype=torch.float64)
    y = torch.tensor([1.0, 0.0, 4.0, -2.0], dtype=torch.float64)
    level = 3.0
    lowest, ring = page.evaluate(
        """([x, y, level]) => {
          const {lowest, angle, ellipse} = labs.compute.descent.valley(x, y);
          const [steep, flat] = ellipse(level);
          return [lowest, [0, 1, 2, 3, 4, 5].map((turn) => {
            const [along, across] = [steep * Math.cos(turn), flat * Math.sin(turn)];
            return [
              lowest[0] + along * Math.cos(angle) - across * Math.sin(angle),
              lowest[1] + along * Math.sin(angle) + across * Math.cos(angle),
            ];
          })];
        }""",
        [x.tolist(), y.tolist(), level],
    )
    line = torch.stack([x, torch.ones_like(x)], dim=1)
    best = torch.linalg.lstsq(line, y[:, None]).solution[:, 0]
    losses = [F.mse_loss(w * x + b, y).item() for w, b in ring]
    gaps = [
        *(best - torch.tensor(lowest, dtype=torch.float64)).tolist(),
        *(loss - level for loss in losses),
    ]
    return max(map(abs, gaps))


def test_the_map_is_that_of_the_loss(compute):
    assert valley_gap(compute("descent")) < 1e-12


def runs_away(page, rule, lr, momentum=0.9, start=CELL):
    return page.evaluate(
        """([rule, settings, start]) => {
          const {follow, runsAway} = labs.compute.descent;
          return runsAway(follow(rule, settings, start, 200, [1, 2, 3], [2, 4, 6]));
        }""",
        [rule, {"lr": lr, "momentum": momentum}, start],
    )


def test_what_runs_away_is_what_the_theory_says(compute):
    page = compute("descent")
    hessian = torch.tensor([[28.0, 12.0], [12.0, 6.0]]) / 3
    steepest = torch.linalg.eigvalsh(hessian).max().item()
    for start in [CELL, [1.0, 1.0], [2.9, 0.4]]:
        for momentum in [0.0, 0.5, 0.9]:
            limit = 2 * (1 + momentum) / steepest
            rule = "momentum" if momentum else "SGD"
            for share in [0.1, 0.5, 0.9, 0.99]:
                assert not runs_away(page, rule, share * limit, momentum, start)
            for share in [1.02, 1.2, 5]:  # the last beyond what float64 can hold
                assert runs_away(page, rule, share * limit, momentum, start)


# A check that nothing can fail proves nothing.
SLIPS = {
    "mean left out of the slope": ("slope / x.length", "slope"),
    "factor 2 lost": ("slopes[1] += 2 * error", "slopes[1] += error"),
    "uphill": ("by: -lr * slope", "by: lr * slope"),
    "averaged velocity": ("before + slope", "before + (1 - momentum) * slope"),
    "velocity not kept": ("(velocities[i] = momentum", "(velocities[1 - i] = momentum"),
    "steps of Adam not counted": ("t += 1;", "t = 1;"),
    "mean not corrected": ("means[i] / (1 - beta1 ** t)", "means[i]"),
    "square root of the correction": ("Math.sqrt(1 - beta2 ** t)", "(1 - beta2 ** t)"),
    "epsilon left out": (" + eps;", ";"),
    "other betas": ("[0.9, 0.999]", "[0.9, 0.99]"),
    "one parameter stays": ("value + moves[i].by", "value + moves[0].by"),
    "map turned": ("Math.atan2(2 * q, p - 1)", "Math.atan2(p - 1, 2 * q)"),
    "map too wide": ("level - floor, 0", "level, 0"),
}


def largest_gap(page):
    runs = [*SETTINGS[1::3], ("momentum", SETTINGS[5][1]), ("Adam", {"lr": 0.05})]
    # The lowest point of the last start has no slope: there epsilon alone divides.
    gaps = [gap(page, rule, s, start, 20) for rule, s in runs for start in STARTS]
    return max(*gaps, valley_gap(page), key=lambda g: math.inf if math.isnan(g) else g)


def test_the_check_of_slips_passes_without_one(compute):
    assert largest_gap(compute("descent")) < 1e-12


@pytest.mark.parametrize("slip", SLIPS)
def test_slips_are_caught(compute, slip):
    assert not largest_gap(compute("descent", replace=SLIPS[slip])) < 1e-6


# ---- the chapter's data, and the lab itself


def test_the_chapter_stores_what_torch_computes(stored):
    data = stored("descent")
    assert data["x"].tolist() == X.tolist()
    assert data["y"].tolist() == Y.tolist()
    assert data["start"] == CELL
    assert {rule: s["lr"] for rule, s in data["settings"].items()} == RATES
    for rule, settings in data["settings"].items():
        rings = torch.tensor(data["rings"][rule], dtype=torch.float64)
        fresh = descend(rule, settings, CELL, steps=100)[::10, :2]
        torch.testing.assert_close(rings, fresh, rtol=0, atol=1e-12)


def choose(page, rule):
    page.get_by_role("radio", name=rule).check(force=True)


def put(page, part, value):
    """Move a slider, as a hand does."""
    page.locator(f"[data-part={part}]").evaluate(
        """(slider, value) => {
          slider.value = value;
          slider.dispatchEvent(new Event("input", {bubbles: true}));
        }""",
        value,
    )


def put_rate(page, rate):
    """Move the slider of the learning rate to a rate."""
    for rung in range(int(page.get_attribute("[data-part=lr]", "max")) + 1):
        put(page, "lr", rung)
        if float(page.inner_text("[data-part=lr-is]")) == rate:
            return
    pytest.fail(f"no rung for {rate}")


def state(page):
    return page.inner_text("[data-part=state]")


def test_it_opens_with_the_descents_of_the_cell(lab):
    page = lab("descent")
    assert state(page) == "SGD, step 100: 0.202 from the minimum, loss 0.00488"
    for rule in RATES:
        choose(page, rule)
        told = page.inner_text("[data-part=same]")
        assert page.locator("svg .dots").count() == 11
        if not told.endswith("are exactly PyTorch's."):
            by = told.split()[-1].rstrip(".").replace("\N{MINUS SIGN}", "-")
            assert 0 < float(by) < 1e-12
    put(page, "b", -0.45)
    assert page.locator("svg .dots").count() == 0
    assert "aren't" in page.inner_text("[data-part=same]")
    page.click("[data-part=cell]")
    assert page.locator("svg .dots").count() == 11
    assert page.is_disabled("[data-part=cell]")


def test_the_first_descent_begins_at_the_start(lab):
    page = lab("descent")
    page.evaluate("window.requestAnimationFrame = (act) => setTimeout(act, 50)")
    page.click("[data-part=run]")
    page.wait_for_function(
        "!document.querySelector('[data-part=state]').textContent.includes('100')"
    )
    page.click("[data-part=run]")
    step = int(page.inner_text("[data-part=time-is]"))
    assert step < 100
    page.click("[data-part=run]")  # and goes on after a pause
    page.wait_for_function(
        "(step) => document.querySelector('[data-part=time]').value > step", arg=step
    )
    page.click("[data-part=run]")
    put(page, "time", 150)
    page.click("[data-part=run]")
    page.wait_for_function("document.querySelector('[data-part=time]').value > 150")


def test_keys_raise_the_rate_bit_by_bit(lab):
    page = lab("descent")
    slider = page.locator("[data-part=lr]")

    def rates(key, ends):
        met = []
        while not met or met[-1] != ends:
            slider.press(key)
            met.append(float(page.inner_text("[data-part=lr-is]")))
            assert len(met) < 60
            told = slider.get_attribute("aria-valuetext")
            assert float(told) == met[-1]
        return met

    up = rates("ArrowRight", 1)
    assert up == sorted({*up})  # no press without a change
    assert {0.015, 0.03, 0.1, 0.15, 0.17, 0.18, 0.2} <= {*up}
    assert all(after / before < 1.4 for before, after in pairwise(up))
    assert rates("ArrowLeft", 0.001)[: len(up)] == [*up[-2::-1], 0.01]
    page.click("[data-part=cell]")
    assert page.inner_text("[data-part=lr-is]") == "0.01"


def test_a_loss_that_leaves_the_chart_spares_the_others(lab):
    page = lab("descent")
    scale = page.locator("[data-part=losses] text").all_inner_texts()
    put_rate(page, 0.2)
    put(page, "time", 200)
    assert page.locator("[data-part=losses] text").all_inner_texts() == scale
    assert page.locator("[data-part=losses] .here").count() == 0
    ends = page.locator("[data-part=losses] .is-sgd").evaluate(
        "(line) => Array.from(line.points, ({x}) => x)"
    )
    assert max(ends) < 80  # of 340: no flat line along the top
    assert len(ends) < 20
    put(page, "time", 3)
    assert page.locator("[data-part=losses] .here").count() == 1


def test_where_a_press_ends_a_descent_begins(lab):
    page = lab("descent", reduced_motion="reduce")
    map_ = page.locator("[data-part=map]")
    side = map_.bounding_box()["width"]
    map_.click(position={"x": side / 4, "y": side / 10})
    page.wait_for_function(
        "document.querySelector('[data-part=told]').textContent.includes('step 200')"
    )
    assert page.inner_text("[data-part=w-is]") == "1.5"
    assert page.inner_text("[data-part=b-is]") == "0.8"
    rest = follow(page, "SGD", {"lr": 0.01}, [1.5, 0.8])[-1, :2] - torch.tensor([2, 0])
    assert f"{rest.norm():.3g} from" in state(page)


def test_a_swipe_that_scrolls_leaves_the_start(lab):
    page = lab("descent")
    map_ = page.locator("[data-part=map]")
    map_.dispatch_event("pointerdown", {"pointerId": 1})
    assert page.inner_text("[data-part=w-is]") != "1.5"
    map_.dispatch_event("pointercancel")
    assert page.inner_text("[data-part=w-is]") == "1.5"


def test_keys_move_the_start_and_steps(lab):
    page = lab("descent")
    page.focus("[data-part=w]")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("[data-part=w-is]") == "1.55"
    assert "started at w 1.55" in page.get_attribute("[data-part=map]", "aria-label")
    page.focus("[data-part=back]")
    page.keyboard.press("Enter")
    page.focus("[data-part=one]")
    page.keyboard.press("Enter")
    assert state(page).startswith("SGD, step 1:")
    assert page.inner_text("[data-part=told]") == state(page)


def test_it_says_when_one_runs_away(lab):
    page = lab("descent")
    put_rate(page, 0.2)
    for step in [30, 200]:
        put(page, "time", step)
        rows = follow(page, "SGD", {"lr": 0.2}, CELL)
        times = (rows[step, 2] / rows[0, 2]).item()
        told = state(page).partition("running away. Its loss is ")[2]
        assert float(told.split()[0]) == pytest.approx(times, rel=0.05)
    put_rate(page, 1)  # beyond what float64 can hold
    assert "running away. Its loss is ∞ times" in state(page)
    choose(page, "Adam")
    assert "running" not in state(page)


@pytest.mark.parametrize("rule", RATES)
def test_the_next_step_is_shown_in_numbers(rule, lab):
    page = lab("descent")
    choose(page, rule)
    for step in [0, 1, 37, 199]:
        put(page, "time", step)
        settings = {"lr": RATES[rule]}
        if rule == "momentum":
            settings["momentum"] = 0.9
        rows = descend(rule, settings, CELL)
        for i, name in enumerate("wb"):
            text = page.inner_text(f"[data-part=next-{name}]")
            text = text.replace("\N{MINUS SIGN}", "-").replace("·", "*")
            for line in text.splitlines():
                shown, result = line.split("← ")[1].split(" = ")
                assert eval(shown) == pytest.approx(float(result), abs=2e-3)
            assert float(shown.split(" - ")[0]) == round(rows[step, i].item(), 5)
            assert float(result) == round(rows[step + 1, i].item(), 5)


# ---- what the chapter's answers say


def left_after(page, rule, settings, start=CELL, steps=200):
    """Return the distance to the minimum after so many steps."""
    w, b = follow(page, rule, settings, start, steps)[-1, :2].tolist()
    return math.hypot(w - 2, b)


def test_task_fast_sgd(compute):
    page = compute("descent")
    rates = [0.01, 0.03, 0.1, 0.15, 0.17]
    gaps = [left_after(page, "SGD", {"lr": lr}) for lr in rates]
    assert gaps == sorted(gaps, reverse=True)
    assert left_after(page, "SGD", {"lr": 0.17}) < 0.0001
    # Each step jumps across the valley: the slope changes its sign from step to step.
    slopes = follow(page, "SGD", {"lr": 0.17}, CELL, 20)[:, 3]
    assert (slopes[1:] * slopes[:-1] < 0).all()
    assert 0.8 < -slopes[1] / slopes[0] < 0.9  # nearly as steep on the other side


def test_task_momentum_is_patient(compute):
    page = compute("descent")
    assert runs_away(page, "SGD", 0.2)
    assert left_after(page, "momentum", {"lr": 0.2, "momentum": 0.9}) < 0.0001
    swinging = follow(page, "momentum", {"lr": 0.2, "momentum": 0.99}, CELL, 200)
    far = (swinging[150:, :2] - torch.tensor([2.0, 0.0])).norm(dim=1)
    assert far.max() > 0.4
    assert (swinging[150:, 0] > 2).any()
    assert (swinging[150:, 0] < 2).any()


def test_task_where_sgd_wins(compute):
    page = compute("descent")

    def end(rule, start):
        return left_after(page, rule, {"lr": RATES[rule]}, start, 100)

    assert (
        f"{end('SGD', [1.5, -0.2]):.3f} {end('Adam', [1.5, -0.2]):.3f}" == "0.014 0.048"
    )
    assert f"{end('SGD', [1.6, 0.9]):.2f}" == "0.77"
    assert end("Adam", [1.6, 0.9]) < 0.001
    grid = [[1 + 0.2 * i, -1 + 0.2 * j] for i in range(11) for j in range(11)]
    wins = [end("SGD", start) < end("Adam", start) for start in grid if start != [2, 0]]
    assert 0.05 < sum(wins) / len(wins) < 0.2
    # A wedge on each side: at the edges it's wider than close to the minimum.
    for side in (-1, 1):
        wide = [
            sum(
                end("SGD", [2 + side * away, b / 20])
                < end("Adam", [2 + side * away, b / 20])
                for b in range(-20, 21)
            )
            for away in (0.5, 1.0)
        ]
        assert 0 < wide[0] < wide[1] < 20


def test_task_adam_stays(compute):
    page = compute("descent")
    for lr in [0.01, 0.1, 0.5, 1.0]:
        for start in [CELL, [1.0, 1.0], [3.0, 0.2], [1.0, -1.0]]:
            assert not runs_away(page, "Adam", lr, start=start)
            path = follow(page, "Adam", {"lr": lr}, start)[:, :2]
            assert (path[1:] - path[:-1]).abs().max() < 1.01 * lr
            if lr == 1.0:
                off = (path - torch.tensor([2.0, 0.0])).norm(dim=1)
                assert off[10:40].max() > 0.3
                assert off[150:].max() < 0.001
