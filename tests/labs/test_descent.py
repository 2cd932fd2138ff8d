"""Lab `descent` of chapter 4: what the page computes is what `torch.optim` computes."""

import math

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
