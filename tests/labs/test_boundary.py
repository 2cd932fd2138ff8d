"""The lab of chapter 6 trains the chapter's network: its numbers against torch's."""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import make_circles
from sklearn.model_selection import train_test_split
from torch import nn

from helpers.labs import ROOT, lab_files
from helpers.training import accuracy
from tools.notebooks import read

ACTIVATIONS = {
    "none": nn.Identity,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
CHAPTER = ([2, 10, 10, 1], "relu", 0.1, 42)
RUNS = [  # sizes, activation, learning rate, seed
    CHAPTER,
    ([2, 5, 1], "none", 0.1, 42),
    ([2, 10, 10, 1], "tanh", 0.1, 42),
    ([2, 10, 10, 1], "sigmoid", 0.5, 42),
    ([2, 12, 12, 12, 1], "tanh", 0.05, 2**40 + 5),
    ([2, 16, 16, 1], "relu", 0.3, 7),
    ([2, 8, 1], "relu", 1.0, 1),
]
TRAIN = """([sizes, activation, lr, seed, kind, inputs, labels, epochs]) => {
  const {Network} = labs.compute.boundary;
  const Numbers = kind === "float32" ? Float32Array : Float64Array;
  const net = new Network(sizes, activation, seed, Numbers);
  const columns = inputs.map((column) => Numbers.from(column));
  const losses = [], accuracies = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    const {loss, accuracy} = net.step(columns, labels, lr);
    losses.push(loss);
    accuracies.push(accuracy);
  }
  return {losses, accuracies, parameters: [...net.parameters]};
}"""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small tensors: more threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(stored):
    """Return what the chapter stores for the lab."""
    return stored("boundary")


@pytest.fixture(scope="module")
def rings(data):
    """Return the training points and labels that the chapter stores for the lab."""
    return [torch.tensor(part) for part in data["rings"][:2]]


def build(sizes, activation, seed):
    """Build the chapter's network of any size."""
    torch.manual_seed(seed)
    layers = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


def flat(model):
    """Return all parameters of a model in one tensor."""
    parameters = [part.detach().double().flatten() for part in model.parameters()]
    return torch.cat(parameters)


def gap(here, there):
    """Return the largest difference between numbers."""
    here, there = (torch.as_tensor(part, dtype=torch.float64) for part in (here, there))
    assert here.shape == there.shape
    return (here - there).abs().max().item()


def train_in_torch(run, rings, dtype, epochs):
    """Train as the chapter does; return the model, losses and accuracies."""
    sizes, activation, lr, seed = run
    X, y = (part.to(dtype) for part in rings)
    model = build(sizes, activation, seed).to(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses, accuracies = [], []
    for _ in range(epochs):
        outputs = model(X).squeeze(dim=1)
        loss = F.binary_cross_entropy_with_logits(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        accuracies.append(((outputs > 0) == y.bool()).double().mean().item())
    return model, losses, accuracies


def train_gaps(page, run, rings, dtype=torch.float64, epochs=1000):
    """Return how far losses, accuracies and parameters of the page are from torch's."""
    model, losses, accuracies = train_in_torch(run, rings, dtype, epochs)
    X, y = rings
    kind = str(dtype).removeprefix("torch.")
    there = page.evaluate(TRAIN, [*run, kind, X.T.tolist(), y.tolist(), epochs])
    return {
        "losses": gap(losses, there["losses"]),
        "accuracies": gap(accuracies, there["accuracies"]),
        "parameters": gap(flat(model), there["parameters"]),
    }


def initial_gap(page, sizes, seed):
    """Return how far the page's first parameters are from those of the seed."""
    there = page.evaluate(
        "([sizes, seed]) =>"
        " [...new labs.compute.boundary.Network(sizes, 'none', seed).parameters]",
        [sizes, seed],
    )
    return gap(flat(build(sizes, "none", seed)), there)


@pytest.mark.parametrize("seed", [0, 1, 42, 123456789, 2**32 - 1, 2**40 + 5])
def test_a_seed_gives_the_same_weights(compute, seed):
    page = compute("boundary")
    for sizes in ([2, 5, 1], [2, 1, 1], [2, 16, 16, 16, 1], [2, 3, 7, 1]):
        # The last bit depends on how torch was compiled (a fused multiply-add).
        assert initial_gap(page, sizes, seed) < 6e-8


@pytest.mark.parametrize("run", RUNS, ids=str)
def test_training_is_the_same_computation(compute, rings, run):
    gaps = train_gaps(compute("boundary"), run, rings)
    assert max(gaps.values()) < 1e-10


@pytest.mark.parametrize("run", RUNS[:5], ids=str)
def test_training_in_float32_follows_torch(compute, rings, run):
    gaps = train_gaps(compute("boundary"), run, rings, torch.float32)
    assert gaps["losses"] < 1e-4
    assert gaps["accuracies"] < 0.01


def test_every_layer_answers_as_in_torch(compute, rings):
    """The maps of the units show these numbers."""
    sizes, activation, _, seed = CHAPTER
    X, _ = rings
    model = build(sizes, activation, seed)
    there = compute("boundary").evaluate(
        """([sizes, activation, seed, inputs]) => {
          const net = new labs.compute.boundary.Network(sizes, activation, seed);
          return net.forward(inputs).map((layer) => layer.map((unit) => [...unit]));
        }""",
        [sizes, activation, seed, X.T.tolist()],
    )
    with torch.inference_mode():
        for at, layer in enumerate(there):
            # A layer ends with its activation; the last one has none.
            assert gap(model[: 2 * at + 2](X).T, layer) < 1e-6


# ---- what the chapter stores


def test_the_lab_has_the_points_of_the_chapter(data):
    X, y = make_circles(n_samples=1000, noise=0.03, random_state=42)
    parts = train_test_split(X, y, test_size=0.2, random_state=42)
    for stored, made in zip(
        data["rings"], np.take([*range(4)], [0, 2, 1, 3]), strict=True
    ):
        np.testing.assert_array_equal(stored, parts[made].astype("float32"))


def test_the_lab_has_the_losses_of_the_chapter(data, rings):
    sizes, activation, lr, seed = CHAPTER
    settings = [data[name] for name in ("hidden", "activation", "lr", "seed")]
    assert settings == [sizes[1:-1], activation, lr, seed]
    _, losses, _ = train_in_torch(CHAPTER, rings, torch.float32, len(data["losses"]))
    assert len(losses) == 1000
    assert gap(losses, data["losses"].copy()) < 1e-4


# ---- what the page does with it


def ends(page):
    """Return what the lab shows: epoch, loss and both accuracies."""
    names = ("epoch", "loss", "train", "test")
    return [page.inner_text(f".lab [data-part={name}]") for name in names]


def set_value(page, part, value):
    """Set a slider or a number, as a reader does."""
    page.evaluate(
        """([part, value]) => {
          const control = document.querySelector(`.lab [data-part=${part}]`);
          control.value = value;
          for (const name of ["input", "change"])
            control.dispatchEvent(new Event(name, {bubbles: true}));
        }""",
        [part, value],
    )


def rungs(page):
    """Return the learning rates that the slider offers."""
    slider = page.locator(".lab [data-part=lr]")
    return [float(rate) for rate in slider.get_attribute("data-list").split()]


def choose(page, value):
    """Choose one of several, as a reader does."""
    page.locator(f".lab input[value={value}]").check(force=True)


def wait_for_epoch(page, epoch):
    """Wait until so many epochs are done and the training has stopped."""
    page.wait_for_function(
        """(epoch) => {
          const part = (name) => document.querySelector(`.lab [data-part=${name}]`);
          return part("epoch").textContent === epoch &&
            part("run").textContent === part("run").dataset.start;
        }""",
        arg=epoch,
    )


@pytest.fixture(scope="module")
def chapter(data):
    """Return the names of the chapter that the lab's cell needs."""
    names = {
        "torch": torch,
        "nn": nn,
        "device": "cpu",
        "accuracy": accuracy,
        "loss_fn": nn.BCEWithLogitsLoss(),
        "rings": [torch.tensor(part) for part in data["rings"]],
    }
    names["X_train"], names["y_train"] = names["rings"][:2]
    for cell in read(ROOT / "chapters" / "06_classification.ipynb").cells:
        if cell.id in ("functions-steps", "functions-repeat"):
            exec(cell.source, names)
    return names


@pytest.mark.parametrize(
    ("activation", "layers", "units", "lr", "seed"),
    [
        ("relu", 2, 10, 0.1, 42),
        ("tanh", 1, 7, 0.25, 7),
        ("none", 3, 4, 1.5, 2**40 + 5),
        ("sigmoid", 2, 12, 2, 123),
    ],
)
def test_the_cell_in_the_page_gives_its_loss(
    lab, chapter, activation, layers, units, lr, seed
):
    page = lab("boundary", reduced_motion="reduce")
    for part, value in {
        "layers": layers,
        "units": units,
        "lr": rungs(page).index(lr),
        "seed": seed,
    }.items():
        set_value(page, part, value)
    choose(page, activation)
    for _ in range(10):
        page.click(".lab [data-part=step]")
    code = page.text_content(".lab [data-part=code]")
    assert f"manual_seed({seed})" in code
    assert f"lr={lr})" in code
    assert "epochs=100)" in code
    *lines, last = code.splitlines()
    exec("\n".join(lines), chapter)
    loss = eval(last, chapter)
    epoch, shown, right, _ = ends(page)
    assert (epoch, shown) == ("100", f"{loss:.4f}")
    assert last.endswith(f"# {loss:.4f}")
    assert right == f"{100 * accuracy(chapter['outputs'], chapter['y_train']):.1f}"


def test_the_page_compares_itself_with_the_chapter(lab):
    page = lab("boundary")
    same = page.locator(".lab [data-part=same]")
    circles = page.locator(".lab [data-part=curve] .dots")
    for _ in range(20):
        page.click(".lab [data-part=step]")
    assert float(re.search(r": ([\d.]+)\.$", same.inner_text())[1]) < 1e-4
    assert circles.count() == 20
    set_value(page, "units", 9)
    assert same.inner_text() == same.get_attribute("data-other")
    assert circles.count() == 0


def test_a_setting_trains_as_far_as_the_one_before(lab):
    page = lab("boundary", reduced_motion="reduce")
    page.click(".lab [data-part=run]")
    page.wait_for_function(
        "document.querySelector('.lab [data-part=time]').value >= 300"
    )
    page.click(".lab [data-part=run]")
    before = ends(page)
    choose(page, "tanh")
    wait_for_epoch(page, before[0])
    assert ends(page)[1] != before[1]
    choose(page, "relu")
    wait_for_epoch(page, before[0])
    assert ends(page) == before
    page.click(".lab [data-part=reset]")
    assert ends(page)[0] == "0"


def test_going_back_and_on_gives_the_same_numbers(lab):
    page = lab("boundary")
    seen = [ends(page)]
    for _ in range(3):
        page.click(".lab [data-part=step]")
        seen.append(ends(page))
    page.focus(".lab [data-part=time]")
    page.keyboard.press("Home")
    assert ends(page) == seen[0]
    assert seen[0][1] in page.text_content(".lab [data-part=told]")
    set_value(page, "time", 10)
    assert ends(page) == seen[1]
    page.click(".lab [data-part=step]")
    assert ends(page) == seen[2]
    assert page.get_attribute(".lab [data-part=time]", "max") == "20"


def test_each_press_of_a_key_is_another_rate(lab):
    page = lab("boundary")
    offered = rungs(page)
    rate = page.locator(".lab [data-part=lr-is]")
    assert float(rate.inner_text()) == CHAPTER[2]
    page.focus(".lab [data-part=lr]")
    for _ in offered:
        page.keyboard.press("ArrowLeft")
    for expected in offered:
        assert float(rate.inner_text()) == expected
        page.keyboard.press("ArrowRight")
    assert len(offered) < 30
    # The tasks ask for these.
    assert {0.1, 1, 3} < set(offered)


@pytest.mark.parametrize("wrong", ["", "-1", "1.5", "1e40"])
def test_what_is_no_seed_changes_nothing(lab, wrong):
    page = lab("boundary")
    page.click(".lab [data-part=step]")
    before = ends(page)
    page.fill(".lab [data-part=seed]", wrong)
    assert ends(page) == before
    box = page.locator(".lab [data-part=seed]")
    assert box.get_attribute("aria-invalid") == "true"
    box.press("Tab")
    assert ends(page) == before
    assert page.input_value(".lab [data-part=seed]") == "42"
    assert box.get_attribute("aria-invalid") == "false"
    word = page.locator(".lab [data-part=seed-word]")
    assert word.inner_text().endswith("It's still 42.")
    assert page.text_content(".lab [data-part=told]") == word.inner_text()
    page.click(".lab [data-part=next]")
    assert word.inner_text() == ""
    assert page.input_value(".lab [data-part=seed]") == "43"
    assert ends(page) != before


@pytest.mark.parametrize(
    "markup",
    [
        "",
        '<canvas data-part="ground"></canvas><canvas data-part="plane"></canvas>'
        '<button data-part="run" data-start="Go" data-stop="Wait">Go</button>'
        '<p data-part="state" data-say="{epoch}"></p>',
    ],
    ids=["nothing", "a small one"],
)
def test_parts_may_be_missing(page, raw, markup):
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto("about:blank")
    page.set_content(f'<div class="lab" data-lab="boundary" data-open>{markup}</div>')
    for path in lab_files("boundary")[0]:
        page.add_script_tag(path=path)
    page.evaluate(
        "(data) => labs.start(document.querySelector('.lab'), data)", raw("boundary")
    )
    if markup:
        page.click("button")
        page.wait_for_function("document.querySelector('p').textContent > 20")
        assert page.inner_text("button") == "Wait"
    assert not problems


# ---- what the tasks below the lab claim


TASK = """([sizes, activation, lr, seed, inputs, labels, epochs]) => {
  const {Network, measure} = labs.compute.boundary;
  const net = new Network(sizes, activation, seed);
  const columns = inputs.map((column) => Float32Array.from(column));
  const losses = [];
  for (let epoch = 0; epoch < epochs; epoch++)
    losses.push(net.step(columns, labels, lr).loss);
  const answers = net.forward(columns);
  return {
    losses,
    ...measure(answers.at(-1)[0], labels),
    silent: answers.slice(0, -1).map((layer) =>
      layer.filter((unit) => unit.every((answer) => answer === 0)).length),
  };
}"""


@pytest.fixture
def train(compute, rings):
    """Return a function that trains in the lab's JavaScript."""
    X, y = (part.tolist() for part in (rings[0].T, rings[1]))
    page = compute("boundary")

    def train(hidden, activation, lr, seed, epochs):
        sizes = [2, *hidden, 1]
        return page.evaluate(TASK, [sizes, activation, lr, seed, X, y, epochs])

    return train


def test_task_units(train):
    def right(units, *seeds):
        return [train([units], "relu", 1, s, 2000)["accuracy"] for s in seeds]

    assert max(right(3, 42, 43, 44, 45)) < 79 / 100
    assert min(right(6, 42, 43, 44, 45)) > 99 / 100
    for units in (4, 5):
        one, other = sorted(right(units, 43, 44))
        assert one < 79 / 100 < 99 / 100 < other


def test_three_folds_would_be_enough(rings):
    X, y = rings
    model = build([2, 3, 1], "relu", 0)
    angles = torch.arange(3) * 2 * torch.pi / 3
    with torch.no_grad():
        model[0].weight.copy_(torch.stack([angles.cos(), angles.sin()], 1))
        model[0].bias.zero_()
        model[2].weight.fill_(-1)
        model[2].bias.fill_(0.85)
        assert accuracy(model(X).squeeze(dim=1), y) > 98 / 100


def test_little_arrives_through_sigmoids(rings):
    X, y = rings
    first = {}
    for activation in ("relu", "sigmoid"):
        model = build([2, 10, 10, 1], activation, 42)
        F.binary_cross_entropy_with_logits(model(X).squeeze(dim=1), y).backward()
        first[activation] = model[0].weight.grad.norm()
    assert 0 < first["sigmoid"] < first["relu"] / 50


def test_task_sigmoid(train):
    stuck = train([10, 10], "sigmoid", 0.1, 42, 1000)
    assert max(stuck["losses"][100:]) - np.log(2) < 0.001
    assert abs(stuck["loss"] - np.log(2)) < 0.001
    loose = train([10, 10], "sigmoid", 3, 42, 5000)
    assert abs(loose["losses"][1000] - np.log(2)) < 0.001
    assert loose["losses"][2000] < 0.6
    assert loose["accuracy"] == 1
    assert train([10, 10], "tanh", 0.1, 42, 2000)["accuracy"] > 99 / 100


def test_task_rate(train):
    for seed in (42, 43, 44, 45, 46):
        run = train([10, 10], "relu", 3, seed, 1000)
        # All ten units of the second layer, and some of the first
        assert run["silent"][1] == 10
        assert round(run["loss"], 3) == 0.693
        # It had learned something before.
        assert min(run["losses"]) < 0.65


# ---- A check that nothing can fail proves nothing: each slip has to be caught.
SLIPS = {
    "another generator": ("1812433253", "1812433254", "weights"),
    "numbers twisted otherwise": ("0x9908b0df", "0x9908b0de", "weights"),
    "the second 32 bits of a seed": (
        "state[0] = seed;",
        "state[0] = Math.min(seed, 2 ** 32 - 1);",
        "weights",
    ),
    "all 32 bits": ("& 0xffffff) * 2 ** -24", ">>> 0) * 2 ** -32", "weights"),
    "another range of biases": (
        "uniform(layer.bias, 1 / Math.sqrt(inputs), draw)",
        "uniform(layer.bias, 1 / inputs, draw)",
        "weights",
    ),
    "no mean": ("- labels[p]) / count)", "- labels[p]))", "relu"),
    "slope of ReLU": ("(a > 0 ? 1 : 0)", "1", "relu"),
    "slope of tanh": ("1 - a * a", "1 - a", "tanh"),
    "slope of sigmoid": ("a * (1 - a)", "a * (1 + a)", "sigmoid"),
    "biases not trained": ("dBias[o] = error", "dWeight[o] = error", "relu"),
    "an activation after the last layer": (
        "at < this.layers.length - 1 ? this.activate : (z) => z",
        "this.activate",
        "relu",
    ),
    "the loss of the other class": ("- z * labels[p]", "+ z * labels[p]", "relu"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_caught(compute, rings, slip):
    right, wrong, where = SLIPS[slip]
    page = compute("boundary", replace=(right, wrong))
    if where == "weights":
        assert initial_gap(page, [2, 3, 7, 1], 2**40 + 5) > 1e-4
    else:
        run = ([2, 10, 10, 1], where, 0.5, 42)
        assert max(train_gaps(page, run, rings, epochs=5).values()) > 1e-6
