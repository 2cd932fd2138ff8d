"""TinyVGG in the page against PyTorch, with the chapter's class and stored weights."""

import base64
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import Error
from torch import nn
from torchvision import datasets

from helpers import data
from helpers.labs import pack
from tools.notebooks import read

CHAPTER = Path(__file__).parents[2] / "chapters" / "09_convolutional_networks.ipynb"
SOME = slice(0, 2000, 20)
START = 4  # the image that the lab shows first
RUN = """([state, images]) => {
  const {readState, tinyVgg} = labs.compute.network;
  const layers = readState(labs.unpack(state));
  const pixels = labs.unpack(images);
  const given = {maps: [], logits: [], probabilities: []};
  for (let i = 0; i < pixels.shape[0]; i++) {
    const image = Float64Array.from(pixels.subarray(784 * i, 784 * (i + 1)));
    const {stages, logits, probabilities} = tinyVgg(image, layers);
    given.maps.push(...stages.flatMap(({maps}) => [...maps]));
    given.logits.push(...logits);
    given.probabilities.push(...probabilities);
  }
  const write = (numbers) => {
    const bytes = new Uint8Array(Float32Array.from(numbers).buffer);
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  };
  return Object.fromEntries(
    Object.entries(given).map(([name, numbers]) => [name, write(numbers)]));
}"""
CALL = "([name, ...given]) => labs.compute.network[name](...given)"


@cache
def tiny_vgg():
    """Return the chapter's class."""
    sources = {cell.id: cell.source for cell in read(CHAPTER).cells}
    names = {"nn": nn}
    exec(sources["model-tinyvgg"], names)
    return names["TinyVGG"]


def network(state):
    """Return the chapter's network with stored weights."""
    model = tiny_vgg()(1, 10, 10)
    model.load_state_dict(
        {
            name: torch.tensor(np.asarray(value, np.float32))
            for name, value in state.items()
        }
    )
    return model.eval()


@cache
def test_set():
    """Return the test images, (N, 1, 28, 28) from 0 to 1, and their labels."""
    test = datasets.FashionMNIST(data.fashion_mnist(), train=False)
    return test.data[:, None] / 255, test.targets


test_set.__test__ = False


@torch.inference_mode()
def stages(model, images):
    """Return what each convolution (after its ReLU) and each pooling hands on."""
    found = []
    for layer in (*model.block_1, *model.block_2):
        images = layer(images)
        if not isinstance(layer, nn.Conv2d):
            found.append(images)
    return found


def in_page(page, state, images):
    """Run images through the page's network; return maps, logits, probabilities."""
    given = page.evaluate(RUN, [pack(state), pack(images)])
    maps, logits, probabilities = (
        torch.from_numpy(np.frombuffer(base64.b64decode(text), np.float32).copy())
        for text in given.values()
    )
    count = len(images)
    sizes = [10 * side**2 for side in (28, 28, 14, 14, 14, 7)]
    maps = maps.reshape(count, -1).split(sizes, 1)
    return maps, logits.reshape(count, -1), probabilities.reshape(count, -1)


def check_parity(page, model, images, state=None):
    """Compare everything that the page computes with PyTorch; return the gaps."""
    here = stages(model, images)
    with torch.inference_mode():
        logits = model(images)
    maps, there, probabilities = in_page(page, state or model.state_dict(), images)
    gaps = [
        *((a - b.flatten(1)).abs().max() for a, b in zip(maps, here, strict=True)),
        (there - logits).abs().max(),
        (probabilities - logits.softmax(1)).abs().max(),
    ]
    assert max(gaps[:6]) < 1e-5
    assert gaps[6] < 1e-4
    assert gaps[7] < 1e-6
    return [gap.item() for gap in gaps]


@pytest.fixture
def tiny(compute):
    """Return a page with the network's arithmetic."""
    return compute("convolution", "network")


# ---- the same numbers


def test_trained_network_on_a_hundred_images(tiny, stored):
    images, _ = test_set()
    state = stored("network")["snapshots"][-1]["state"]
    check_parity(tiny, network(state), images[SOME], state)


def test_every_moment_on_the_stored_images(tiny, stored):
    known = stored("network")
    images = torch.tensor(known["images"])[:, None] / 255
    for snapshot in known["snapshots"]:
        check_parity(tiny, network(snapshot["state"]), images)


@pytest.mark.parametrize("seed", range(3))
def test_random_weights_and_inputs(tiny, seed):
    torch.manual_seed(seed)
    check_parity(tiny, tiny_vgg()(1, 10, 10), torch.rand(4, 1, 28, 28))


def push(images, down, right):
    """Push images as the chapter does: a black margin, and a window cut out of it."""
    reach = max(abs(down), abs(right), 1)
    padded = F.pad(images, (reach,) * 4)
    top, left = reach - down, reach - right
    return padded[..., top : top + 28, left : left + 28]


@pytest.mark.parametrize(
    ("down", "right"), [(0, 0), (1, 0), (-3, 0), (0, 4), (0, -2), (5, -7), (30, 1)]
)
def test_push(tiny, down, right):
    torch.manual_seed(0)
    image = torch.rand(28, 28)
    there = tiny.evaluate(CALL, ["push", image.flatten().tolist(), down, right])
    assert torch.equal(torch.tensor(there), push(image, down, right).flatten())


def test_every_map_is_made_as_told(tiny, stored):
    """Each map of each stage, from the maps and kernels that the page names."""
    known = stored("network")
    state = known["snapshots"][-1]["state"]
    image = torch.tensor(known["images"][4])[None, None] / 255
    before = image
    for stage, maps in enumerate(stages(network(state), image)):
        for number in range(10):
            origin = tiny.evaluate(
                """([state, stage, number]) => {
                  const {readState, madeFrom, active} = labs.compute.network;
                  const made = madeFrom(readState(labs.unpack(state)), stage, number);
                  return {...made, kernels: made.kernels.map((kernel) => [...kernel])};
                }""",
                [pack(state), stage, number],
            )
            sources = before[:, origin["from"]]
            if origin["kernels"]:
                kernels = torch.tensor(origin["kernels"]).reshape(1, -1, 3, 3)
                bias = torch.tensor([origin["bias"]])
                made = F.conv2d(sources, kernels, bias, padding=1).relu()
            else:
                made = F.max_pool2d(sources, 2)
            torch.testing.assert_close(made[0, 0], maps[0, number], atol=1e-5, rtol=0)
        before = maps


def test_active(tiny):
    torch.manual_seed(1)
    values = torch.randn(50).relu()
    there = tiny.evaluate(CALL, ["active", values.tolist()])
    assert there == pytest.approx((values > 0).double().mean().item(), abs=1e-12)


# A check that nothing can fail is none: each slip has to be caught.
SLIPS = {
    "no padding": ("{padding: 1}", "{padding: 0}"),
    "ReLU left out": ("now.maps = relu(now.maps);", ""),
    "the third layer's kernels in the fourth": (
        "now, layers[name], {padding",
        "now, layers[name === 'block_2.2' ? 'block_2.0' : name], {padding",
    ),
    "kernel flipped": (
        "j * dilation - padding",
        "(kernel - 1 - j) * dilation - padding",
    ),
    "bias left out": ("out.fill(bias[o],", "out.fill(0,"),
    "corner for maximum": (
        "most = Math.max(most, maps[from + j])",
        "most = maps[from]",
    ),
    "softmax of other logits": ("softmax(logits)}", "softmax(now.maps)}"),
    "half's exponent off by one": ("2 ** (exponent - 15)", "2 ** (exponent - 14)"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_slips_are_caught(compute, stored, slip):
    page = compute("convolution", "network", replace=SLIPS[slip])
    state = stored("network")["snapshots"][-1]["state"]
    images, _ = test_set()
    with pytest.raises((AssertionError, RuntimeError, Error)):
        check_parity(page, network(state), images[:2], state)


# ---- what the chapter stores


def test_stored_answers_are_pytorchs(stored):
    known = stored("network")
    images = torch.tensor(known["images"])[:, None] / 255
    for snapshot in known["snapshots"]:
        with torch.inference_mode():
            logits = network(snapshot["state"])(images)
        difference = (logits - torch.tensor(snapshot["logits"])).abs().max()
        assert difference < 1e-5, snapshot["batches"]


def test_stored_accuracies_are_pytorchs(stored):
    images, labels = test_set()
    for snapshot in stored("network")["snapshots"]:
        with torch.inference_mode():
            right = network(snapshot["state"])(images).argmax(1) == labels
        assert right.float().mean() == pytest.approx(snapshot["accuracy"], abs=1e-3)


def test_stored_images_are_the_first_two_of_each_class(stored):
    known = stored("network")
    images, labels = test_set()
    first = torch.cat([(labels == k).nonzero()[:2, 0] for k in range(10)])
    assert known["labels"].tolist() == labels[first].tolist()
    assert np.array_equal(known["images"], (images[first, 0] * 255).round().byte())
    assert known["classes"] == datasets.FashionMNIST.classes
    assert first[START] == 0  # the figure of the maps shows this image, too


def test_stored_moments_come_one_after_the_other(stored, raw):
    snapshots = stored("network")["snapshots"]
    batches = [snapshot["batches"] for snapshot in snapshots]
    assert batches[0] == 0
    assert all(a < b for a, b in pairwise(batches))
    assert snapshots[-1]["accuracy"] > 0.75
    for snapshot in raw("network")["snapshots"]:
        assert {t["dtype"] for t in snapshot["state"].values()} == {"float16"}


# ---- what a reader can do


def percent(probability):
    """Return a probability as the lab writes it."""
    return f"{100 * probability:.1f}\u00a0%"


def part(page, name):
    return page.locator(f"[data-part={name}]")


def press(page, label):
    """Press a button, an image or a map by its name."""
    page.locator(f"[aria-label='{label}']").first.click(force=True)


def go_to(page, moment):
    """Move the slider."""
    part(page, "time").evaluate(
        "(slider, at) => { slider.value = at;"
        " for (const kind of ['input', 'change'])"
        " slider.dispatchEvent(new Event(kind, {bubbles: true})); }",
        moment,
    )


def pixels(page, name="pad"):
    """Return what a canvas shows, from 0 to 255."""
    grey = part(page, name).evaluate(
        "(canvas) => [...canvas.getContext('2d')"
        ".getImageData(0, 0, canvas.width, canvas.height).data]"
        ".filter((_, i) => i % 4 === 0)"
    )
    return torch.tensor(grey)


@torch.inference_mode()
def answer(state, image):
    """Return the class that PyTorch answers for an image, and its probability."""
    best = network(state)(image.reshape(1, 1, 28, 28)).softmax(1).max(1)
    return datasets.FashionMNIST.classes[best.indices.item()], best.values.item()


def check_answer(page, state, image):
    """Compare what the lab says with PyTorch's answer."""
    name, probability = answer(state, image)
    assert part(page, "answer").inner_text() == f"{name}, {percent(probability)}"
    return name, probability


@pytest.fixture
def known(stored):
    """Return the stored data, with images as the network takes them."""
    known = dict(stored("network"))
    known["images"] = torch.tensor(known["images"]) / 255
    known["last"] = known["snapshots"][-1]["state"]
    return known


def test_the_lab_opens_with_the_figures_image(lab, known):
    page = lab("network")
    check_answer(page, known["last"], known["images"][START])
    difference = float(part(page, "same").inner_text().split()[-1].rstrip("."))
    assert difference < 1e-5
    assert part(page, "truth").inner_text() == "right"


def test_every_image_at_every_moment(lab, known):
    page = lab("network")
    for number, (label, image) in enumerate(
        zip(known["labels"], known["images"], strict=True)
    ):
        press(page, f"{known['classes'][label]} {number % 2 + 1}")
        moment = number % len(known["snapshots"])
        go_to(page, moment)
        snapshot = known["snapshots"][moment]
        check_answer(page, snapshot["state"], image)
        when = part(page, "when").inner_text()
        assert str(snapshot["batches"]) in when
        assert percent(snapshot["accuracy"]) in when
        assert float(part(page, "same").inner_text().split()[-1].rstrip(".")) < 1e-5


def test_pushing_by_button(lab, known):
    page = lab("network")
    for direction in ("down", "right", "right", "up", "up", "up", "left"):
        press(page, f"Push {direction}")
    moved = push(known["images"][START], -2, 1)
    assert torch.equal(pixels(page), (moved * 255).round().int().flatten())
    check_answer(page, known["last"], moved)
    assert "logits" not in part(page, "same").inner_text()
    for direction in ("down", "down", "left"):  # what was pushed out comes back
        press(page, f"Push {direction}")
    check_answer(page, known["last"], known["images"][START])


def draw(page, *places):
    """Draw a line through places in units of the image's pixels."""
    box = part(page, "pad").bounding_box()
    x, y = box["x"], box["y"]
    unit = box["width"] / 28
    page.mouse.move(x + unit * places[0][0], y + unit * places[0][1])
    page.mouse.down()
    for right, down in places[1:]:
        page.mouse.move(x + unit * right, y + unit * down, steps=4)
    page.mouse.up()


def test_drawing_erasing_and_clearing(lab, known):
    page = lab("network")
    before = pixels(page)
    page.locator("input[value=erase]").check(force=True)
    draw(page, (14, 2), (14, 26))
    erased = pixels(page)
    assert (erased <= before).all()
    assert erased.reshape(28, 28)[4:24, 13:15].max() == 0
    assert torch.equal(erased.reshape(28, 28)[:, :10], before.reshape(28, 28)[:, :10])
    name, probability = answer(known["last"], erased / 255)
    said = part(page, "answer").inner_text()
    assert said.startswith(f"{name}, ")
    share = float(said.removeprefix(f"{name}, ").rstrip("\u00a0%")) / 100
    assert share == pytest.approx(probability, abs=0.01)  # pixels shown are rounded
    assert page.locator("input[name$=-image]:checked").count() == 0

    part(page, "clear").click()
    assert pixels(page).max() == 0
    check_answer(page, known["last"], torch.zeros(28, 28))
    draw(page, (8, 8), (20, 8), (20, 20))
    drawn = pixels(page).reshape(28, 28)
    assert drawn[8, 9:19].min() > 200
    assert drawn[20:, :10].max() == 0
    name, _ = answer(known["last"], drawn / 255)
    assert part(page, "answer").inner_text().startswith(name)


def test_an_image_comes_back_after_drawing(lab, known):
    page = lab("network")
    draw(page, (5, 5), (20, 20))
    press(page, "Pullover 1")
    check_answer(page, known["last"], known["images"][START])
    press(page, "Push down")
    press(page, "Pullover 1")  # also where it's chosen already
    check_answer(page, known["last"], known["images"][START])


def test_a_map_shows_what_made_it(lab, known):
    page = lab("network")
    found = stages(network(known["last"]), known["images"][START][None, None])
    names = ["conv 1", "conv 2", "pool 1", "conv 3", "conv 4", "pool 2"]
    for name, maps in zip(names, found, strict=True):
        press(page, f"{name}, map 7")
        assert part(page, "made").inner_text() == f"{name}, map 7."
        sources = part(page, "from").locator("canvas").count()
        assert sources == (20 if name in ("conv 2", "conv 3", "conv 4") else 1)
        share = (maps[0, 7] > 0).double().mean().item()
        assert percent(share) in part(page, "numbers").inner_text()
        grey = (255 * maps[0, 7] / maps.max()).flatten()
        assert (pixels(page, "large") - grey).abs().max() <= 1
        assert part(page, "large").get_attribute("aria-label").startswith(name)
    page.locator(".network-maps label > canvas").nth(2).click()  # a kernel
    assert part(page, "made").inner_text() == "conv 1, map 2."
    weights = page.locator(".network-weights > span").all_inner_texts()
    own = known["last"]["block_1.0.weight"][2].flatten()
    assert [float(text.replace("\u2212", "-")) for text in weights] == [
        pytest.approx(weight, abs=0.0051) for weight in own.tolist()
    ]
    bias = known["last"]["block_1.0.bias"][2]
    assert f"{float(bias):.2g}".replace("-", "\u2212") in part(page, "how").inner_text()


# How far apart two words in a row have to be, in pixels
AIR = 2
BOXES = """(words) => words.filter((word) => word.checkVisibility()).map((word) => {
  const range = document.createRange();
  range.selectNodeContents(word);
  const {left, right, top} = range.getBoundingClientRect();
  return {left, right, top};
})"""


@pytest.mark.parametrize("width", [320, 688, 1280])
def test_no_word_runs_into_the_next(lab, width):
    """At 688 pixels the lab is as wide as in the site on a screen of 1280."""
    page = lab("network", width)
    right = page.locator(".network").evaluate("it => it.getBoundingClientRect().right")
    for row in (
        ".network-maps > .network-head:nth-child(-n+8)",
        "[data-part=moments] > span",
        *(f".network-answers li:nth-child({k}) > span" for k in range(1, 11)),
    ):
        boxes = page.locator(row).evaluate_all(BOXES)
        assert len(boxes) > 1
        for one, other in pairwise(boxes):
            assert one["right"] + AIR <= other["left"], row
        assert boxes[-1]["right"] <= right + 1
    bars = page.locator(".network-answers li > i").all()
    assert min(bar.bounding_box()["width"] for bar in bars) >= 100


def test_keys_walk_through_the_maps(lab):
    page = lab("network")
    page.locator("input[name$=-map]:checked").focus()
    page.keyboard.press("ArrowRight")
    assert part(page, "made").inner_text() == "pool 1, map 7."
    assert "pool 1, map 7." in part(page, "told").inner_text()
    page.locator("input[name$=-image]:checked").focus()
    page.keyboard.press("ArrowRight")
    assert "Pullover" in part(page, "told").inner_text()


# ---- the tasks of the prose


@pytest.fixture
def answers(tiny):
    """Return a function that gives the page's probabilities, (N, 10)."""
    return lambda state, images: in_page(tiny, state, images.reshape(-1, 1, 28, 28))[2]


def test_task_what_training_learns_first(answers, known):
    untrained, _, _, later = (
        answers(snapshot["state"], known["images"])
        for snapshot in known["snapshots"][:4]
    )
    assert {known["classes"][k] for k in untrained.argmax(1)} == {"Pullover"}
    assert len(untrained) == 20
    assert untrained.max() < 11 / 100
    assert known["snapshots"][3]["batches"] == 100
    shoes = torch.tensor(
        ["Sandal Sneaker Ankle boot".find(name) >= 0 for name in known["classes"]]
    )
    labels = torch.tensor(known["labels"]).long()
    assert shoes[labels].sum() == 6
    assert torch.equal(shoes[later.argmax(1)], shoes[labels])
    assert (later.argmax(1) == labels).sum() == 9


def test_task_faint_or_dead(tiny, lab, known):
    maps = in_page(tiny, known["last"], known["images"][[START]])[0][0].reshape(10, -1)
    assert (maps[2] > 0).float().mean() == pytest.approx(3 / 10, abs=0.02)
    assert maps[2].max() < 0.1 * maps.max()
    assert maps[9].max() == pytest.approx(0.0045, abs=0.00005)
    for snapshot in known["snapshots"]:
        maps = in_page(tiny, snapshot["state"], known["images"])[0][0]
        active = (maps.reshape(20, 10, -1)[:, 9] > 0).sum(1)
        assert active[START] == 1
        assert active.sum() == 1  # none in the other nineteen
    page = lab("network")
    for number, is_there in ((2, True), (9, False)):
        press(page, f"conv 1, map {number}")
        assert pixels(page, "large").max() < 25
        part(page, "stretch").check()
        assert pixels(page, "large").max() == 255
        assert ((pixels(page, "large") > 0).sum() > 1) == is_there
        part(page, "stretch").uncheck()


def test_task_push_a_dress(answers, known):
    for number in (6, 7):
        dress = known["images"][number]
        assert known["classes"][known["labels"][number]] == "Dress"
        pushed = torch.stack([push(dress, 0, pixels) for pixels in range(5)])
        found = answers(known["last"], pushed)
        says = [known["classes"][k] for k in found.argmax(1)]
        assert says[:4] == ["Dress"] * 4
        assert says[4] == "Ankle boot"
        assert found[4].max() > 75 / 100


def test_task_erase_and_draw(answers, known):
    pullover = known["images"][START].clone()
    pullover[10:, :8] = pullover[10:, 20:] = 0
    shoulders = pullover.clone()
    shoulders[3:, :10] = shoulders[3:, 18:] = 0
    empty = torch.zeros(28, 28)
    square = torch.zeros(28, 28)
    square[12:24, 4:24] = 0.9
    found = answers(known["last"], torch.stack([pullover, empty, square, shoulders]))
    says = [known["classes"][k] for k in found.argmax(1)]
    assert says == ["T-shirt/top", "Sandal", "Bag", "Dress"]
    assert found[1].max() == pytest.approx(97 / 100, abs=0.005)
    assert found[2].max() == pytest.approx(99 / 100, abs=0.005)


@pytest.mark.parametrize(("stage", "apart"), [(0, 1), (1, 1), (2, 2), (4, 2), (5, 4)])
def test_the_maps_move_along_with_the_image(tiny, known, stage, apart):
    """Before a pooling pixel by pixel, then by every second, then by every fourth."""
    dress = known["images"][6]
    images = torch.stack([push(dress, 0, pixels) for pixels in range(5)])
    maps = in_page(tiny, known["last"], images)[0][stage]
    side = int((maps.shape[1] / 10) ** 0.5)
    maps = maps.reshape(5, 10, side, side)
    inside = slice(3 * side // 7, 5 * side // 7)  # what the border cannot reach
    for pixels in range(1, 5):
        moved = push(maps[:1], 0, pixels // apart)[..., :side, :side]
        gap = (moved[0] - maps[pixels])[..., inside].abs().max()
        assert (gap < 1e-5) == (pixels % apart == 0), pixels
