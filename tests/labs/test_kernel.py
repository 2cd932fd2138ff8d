"""Lab `kernel` of chapter 9: the window it shows is a window of `F.conv2d`."""

import re
from functools import cache
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision import datasets, transforms

from helpers import data

CHAPTER = Path(__file__).parents[2] / "chapters" / "09_convolutional_networks.ipynb"

NAMES = ("stride", "padding", "dilation")
SETTINGS = [
    dict(zip(NAMES, values, strict=True))
    for values in product((1, 2, 3), (0, 1, 2), (1, 2, 3))
]
MINUS = "\N{MINUS SIGN}"
TOY = torch.tensor([[0.0, 0, 1, 1, 1]] * 5)


# ---- the arithmetic
def windows(page, image, weights, settings, sides):
    """Return the nine terms of every window: pixel, product, y, x, inside."""
    height, width = image.shape
    return torch.tensor(
        page.evaluate(
            """([image, shape, weights, settings, [rows, columns]]) =>
              Array.from({length: rows * columns}, (_, at) =>
                labs.compute.kernel.terms(image, shape, weights, settings,
                  Math.floor(at / columns), at % columns)
                .map(({pixel, product, y, x, inside}) =>
                  [pixel, product, y, x, Number(inside)]))""",
            [
                image.flatten().tolist(),
                {"height": height, "width": width},
                weights.flatten().tolist(),
                settings,
                sides,
            ],
        ),
        dtype=torch.float64,
    )


def window_gap(page, settings, shape=(9, 11)):
    """Compare every window of a random image with those of PyTorch."""
    image = torch.randn(shape, dtype=torch.float64)
    weights = torch.randn(3, 3, dtype=torch.float64)
    here = F.conv2d(image[None], weights[None, None], **settings)[0]
    there = windows(page, image, weights, settings, list(here.shape))
    pixels = F.unfold(image[None, None], 3, **settings)[0].T
    gaps = [there[..., 0] - pixels, there[..., 1].sum(1) - here.flatten()]
    # Where a pixel comes from, if it's inside
    y, x, inside = there[..., 2:].long().unbind(-1)
    named = image[y.clamp(0, shape[0] - 1), x.clamp(0, shape[1] - 1)] * inside
    gaps.append(named - pixels)
    return max(gap.abs().max().item() for gap in gaps)


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_window_is_one_of_pytorchs(compute, settings):
    torch.manual_seed(0)
    assert window_gap(compute("convolution", "kernel"), settings) < 1e-12


def window_faults(page):
    """Return the gap in windows that hang over every border, if there is one."""
    gap = window_gap(page, {"stride": 2, "padding": 2, "dilation": 2})
    if gap > 1e-12:
        yield gap


def nearest_faults(page):
    """Return where the window of a pixel isn't the one whose middle is nearest."""
    for settings in SETTINGS:
        stride, padding, dilation = settings.values()
        places = F.conv2d(torch.zeros(1, 28, 28), torch.zeros(1, 1, 3, 3), **settings)
        places = places.shape[-1]
        middles = np.arange(places) * stride - padding + dilation
        for pixel in range(-padding, 28 + padding):
            there = page.evaluate(
                "([pixel, places, settings]) => {"
                "const {nearest, middle} = labs.compute.kernel;"
                "const place = nearest(pixel, places, settings);"
                "return [place, middle(place, settings)]}",
                [pixel, places, settings],
            )
            best = abs(middles - pixel).min()
            place, middle = there
            if middles[place] != middle or abs(middle - pixel) != best:
                yield settings, pixel


def test_a_press_on_a_pixel_finds_the_window_around_it(compute):
    assert not list(nearest_faults(compute("convolution", "kernel")))


def worked_out(formula):
    """Return what a formula for the size gives, as it's written."""
    signs = {"⌊": "", "⌋": "", "/": "//", "·": "*", MINUS: "-"}
    return eval(formula.translate(str.maketrans(signs)))


def formula_faults(page):
    """Return settings whose formula isn't the size that PyTorch gives."""
    for settings, side in product(SETTINGS, (5, 28)):
        text, known = page.evaluate(
            """([side, settings]) => [labs.compute.kernel.formula(side, settings),
              labs.compute.convolution.outputSize(side, 3, settings)]""",
            [side, settings],
        )
        image, kernel = torch.zeros(1, side, side), torch.zeros(1, 1, 3, 3)
        if worked_out(text) < 1:
            with pytest.raises(RuntimeError, match="can't be greater"):
                F.conv2d(image, kernel, **settings)
        elif F.conv2d(image, kernel, **settings).shape[-1] != worked_out(text):
            yield settings, side
        if known != worked_out(text):
            yield settings, side


def test_the_formula_gives_pytorchs_size(compute):
    assert not list(formula_faults(compute("convolution", "kernel")))


def test_a_run_begins_slowly_and_ends_soon(compute):
    page = compute("convolution", "kernel")
    at = page.evaluate(
        "Array.from({length: 200}, (_, i) => labs.compute.kernel.pace(i / 10))"
    )
    assert at == sorted(at)
    assert at[0] == 0
    assert at[10] <= 4  # after a second
    assert at[30] <= 10  # after three
    assert at[100] > 26 * 26  # after ten


SLIPS = {
    "window turned": (
        "Math.floor(at / 3) * dilation",
        "(at % 3) * dilation",
        window_faults,
    ),
    "padding forgotten": (
        "column * stride - padding",
        "column * stride",
        window_faults,
    ),
    "stride forgotten": ("row * stride - padding +", "row - padding +", window_faults),
    "dilation forgotten": ("(at % 3) * dilation;", "(at % 3);", window_faults),
    "padding copies the border": (
        "inside ? image[y * width + x] : 0",
        "image[Math.min(Math.max(y, 0), height - 1) * width"
        " + Math.min(Math.max(x, 0), width - 1)]",
        window_faults,
    ),
    "weight added": ("pixel * weight", "pixel + weight", window_faults),
    "wrong middle": ("- padding + dilation;", "- padding + 1;", nearest_faults),
    "window of a corner": (
        "(pixel + padding - dilation)",
        "(pixel + padding)",
        nearest_faults,
    ),
    "reach of two": ("2 * dilation + 1", "2 * dilation", formula_faults),
    "padding once": (
        "+ 2 · ${settings.padding}",
        "+ 1 · ${settings.padding}",
        formula_faults,
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_slips_are_caught(compute, slip):
    *slipped, where = SLIPS[slip]
    page = compute("convolution", "kernel", replace=slipped)
    torch.manual_seed(0)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        assert not list(where(page))


# ---- what the chapter stores
CELLS = "load-images", "model-tinyvgg", "fast-loader", "loaders", "train-tinyvgg"


@pytest.fixture(scope="module")
def chapter():
    """Run the chapter's cells that lead to the trained TinyVGG."""
    notebook = nbformat.read(CHAPTER, nbformat.NO_CONVERT)
    source = {cell.id: cell.source for cell in notebook.cells}
    lines = [line for line in source["imports"].splitlines() if "plt" not in line]
    names = {}
    exec("\n".join(lines), names)
    for cell in CELLS:
        exec(source[cell], names)
    return SimpleNamespace(**names)


def test_the_images_are_the_chapters(stored, chapter):
    there = stored("kernel")
    for pixels, index, name in zip(
        there["images"], there["picked"], there["names"], strict=True
    ):
        image, label = chapter.train_data[index]
        assert chapter.class_names[label] == name
        assert (100 * image[0]).round().int().tolist() == pixels.tolist()
    assert there["toy"].tolist() == TOY.tolist()


def test_the_kernels_do_what_their_names_say(stored):
    kernels = stored("kernel")["kernels"]
    assert kernels["vertical"].tolist() == [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    assert (kernels["horizontal"] == kernels["vertical"].T).all()
    assert kernels["blur"].sum() == pytest.approx(1)
    assert kernels["blur"].min() > 0
    assert kernels["sharpen"].sum() == 1
    assert kernels["sharpen"][1, 1] == kernels["sharpen"].max() > 1
    # Two decimals each, so that the products are shown without rounding
    for kernel in kernels.values():
        np.testing.assert_allclose(kernel, kernel.round(2), atol=1e-7)


def test_the_trained_kernel_is_number_3_of_the_trained_network(stored, chapter):
    """Machines round differently, and training makes it more: about equal will do."""

    def likeness(kernel):
        return np.corrcoef(kernel.flatten(), known.flatten())[0, 1]

    known = stored("kernel")["kernels"]["trained"]
    before, after = (
        model.block_1[0].weight[:, 0].detach().cpu().numpy()
        for model in (chapter.untrained, chapter.network)
    )
    assert abs(after[3] - known).max() < 0.25
    assert likeness(after[3]) > likeness(before[3])
    assert max(likeness(kernel) for kernel in np.delete(after, 3, 0)) < 0.7


# ---- the lab
def choose(page, **settings):
    for name, value in settings.items():
        page.locator(f"input[name$='-{name}'][value='{value}']").click(force=True)


def part(page, name):
    return page.locator(f"[data-part={name}]")


def numbers(text):
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", text.replace(MINUS, "-"))]


def weigh(page, weights):
    fields = page.locator(".kernel-sum input")
    for i, weight in enumerate(weights):
        fields.nth(i).fill(str(weight))


def press(page, row, column):
    """Press on a number of the output."""
    canvas = part(page, "output")
    size = int(numbers(part(page, "output-size").inner_text())[0])
    side = int(numbers(part(page, "input-size").inner_text())[0])
    padding = int(page.locator("[name$='-padding']:checked").get_attribute("value"))
    width = canvas.evaluate("canvas => canvas.clientWidth")
    cell = width / (side + 2 * padding)
    left = (width - size * cell) / 2
    x, y = (1 + left + (at + 0.5) * cell for at in (column, row))
    canvas.click(position={"x": x, "y": y})


def total(page):
    return numbers(part(page, "total").inner_text())[0]


def by_pytorch(page):
    """Run the cell that the lab shows."""
    code = part(page, "code").text_content().splitlines()
    names = {"torch": torch, "F": F, "toy": TOY, "train_data": train_data()}
    exec("\n".join([*code[:-1], f"out = {code[-1]}"]), names)
    return names["out"][0]


@cache
def train_data():
    """Load the chapter's training images."""
    return datasets.FashionMNIST(
        data.fashion_mnist(), train=True, transform=transforms.ToTensor()
    )


def check_window(page):
    """Compare the window that the lab shows with what its PyTorch cell gives."""
    out = by_pytorch(page)
    rows = len(out)
    assert numbers(part(page, "output-size").inner_text()) == [rows, rows]
    formula, size = re.fullmatch(
        ".*: (.*) = (.*)", part(page, "formula").inner_text()
    ).groups()
    assert worked_out(formula) == int(size) == rows
    at, count = map(int, numbers(part(page, "where").inner_text()))
    assert count == rows**2
    assert part(page, "at").get_attribute("max") == str(count - 1)
    assert total(page) == pytest.approx(out.flatten()[at - 1].item(), abs=6e-5)
    # What stands there adds up, to the last digit.
    texts = page.locator(".kernel-sum td").all_inner_texts()
    products = [text.split()[-1] for text in texts]
    shown = sum(numbers(text)[0] for text in products)
    assert shown == pytest.approx(total(page), abs=1e-9)
    pixels = [numbers(text.split()[0])[0] for text in texts]
    fields = page.locator(".kernel-sum input")
    weights = [float(field.input_value()) for field in fields.all()]
    for pixel, weight, text in zip(pixels, weights, products, strict=True):
        assert pixel * weight == pytest.approx(numbers(text)[0], abs=1e-9)
    label = part(page, "output").get_attribute("aria-label")
    low, high, now = numbers(label)[-3:]
    assert low == pytest.approx(out.min().item(), abs=6e-5)
    assert high == pytest.approx(out.max().item(), abs=6e-5)
    assert now == total(page)


KERNELS = ("vertical", "horizontal", "blur", "sharpen", "trained", "random")


def test_what_the_lab_shows_is_its_pytorch_cell(lab):
    page = lab("kernel")
    check_window(page)
    page.locator("summary").click()
    for i, settings in enumerate(SETTINGS):
        image = (0, 1, 2, "toy")[i % 4]
        choose(page, image=image, kernel=KERNELS[i % 6], **settings)
        if image == "toy" and settings["padding"] == 0 and settings["dilation"] == 3:
            continue
        check_window(page)


def test_typing_a_weight_takes_effect_at_once(lab):
    page = lab("kernel")
    weigh(page, [0, 0, 0, 0, 2, 0, 0, 0, -1])
    assert page.locator("[name$='-kernel']:checked").count() == 0
    check_window(page)
    before = total(page)
    page.locator(".kernel-sum input").nth(4).fill("")
    assert total(page) == before  # nothing yet
    page.locator(".kernel-sum input").nth(4).fill("2.5")
    check_window(page)


@pytest.mark.parametrize("weight", ["1e9", "-100", "99999"])
def test_a_weight_that_does_not_fit_is_marked_and_not_taken(lab, weight):
    page = lab("kernel")
    before = total(page)
    field = page.locator(".kernel-sum input").nth(4)
    field.fill(weight)
    assert total(page) == before
    assert field.evaluate("field => field.matches(':invalid')")
    check = "it => it.scrollWidth <= it.clientWidth"
    for largest in ("-98.99", "99"):
        field.fill(largest)
        assert page.locator(".kernel-sum td").evaluate_all(f"all => all.every({check})")
        check_window(page)


def test_random_draws_again_at_each_press(lab):
    page = lab("kernel")
    drawn = set()
    for _ in range(3):
        choose(page, kernel="random")
        fields = page.locator(".kernel-sum input").all()
        drawn.add(tuple(field.input_value() for field in fields))
        check_window(page)
    assert len(drawn) == 3


def test_press_step_and_slider_move_the_window(lab):
    page = lab("kernel")
    choose(page, padding=1)
    press(page, 27, 3)
    assert numbers(part(page, "where").inner_text()) == [27 * 28 + 4, 784]
    check_window(page)
    part(page, "step").click()
    assert numbers(part(page, "where").inner_text())[0] == 27 * 28 + 5
    part(page, "at").press("Home")
    assert numbers(part(page, "where").inner_text())[0] == 1
    assert "1" in part(page, "told").text_content()
    check_window(page)
    # On the image: its last pixel is the middle of the last window.
    width = part(page, "input").evaluate("canvas => canvas.clientWidth")
    part(page, "input").click(position={"x": width - 8, "y": width - 8})
    assert numbers(part(page, "where").inner_text())[0] == 784


def test_a_run_ends_at_the_last_window(lab):
    page = lab("kernel")
    choose(page, stride=3, image="toy", padding=2)  # 3 by 3
    part(page, "play").click()
    assert part(page, "play").inner_text() == "Pause"
    page.wait_for_function(
        "document.querySelector('[data-part=play]').textContent === 'Play'"
    )
    assert numbers(part(page, "where").inner_text()) == [9, 9]
    assert numbers(part(page, "told").text_content())[:2] == [9, 9]
    check_window(page)


# ---- what the tasks say
def output(page):
    """Return the output of the cell that the lab shows, if the lab agrees with it."""
    check_window(page)
    return by_pytorch(page)


def test_task_shift(lab):
    """A 1 to the right of the centre moves everything to the left."""
    page = lab("kernel")
    choose(page, padding=1)
    weigh(page, [0, 0, 0, 0, 0, 1, 0, 0, 0])
    image = (100 * train_data()[18][0][0]).round() / 100
    moved = output(page)
    assert moved.shape == (28, 28)
    assert (moved[:, :-1] == image[:, 1:]).all()
    assert (moved[:, -1] == 0).all()


def test_task_flat(lab):
    """On a flat area the sum is the sum of the weights, times the shade."""
    page = lab("kernel")
    choose(page, image="toy", kernel="vertical")
    press(page, 1, 2)
    assert total(page) == 0
    assert numbers(part(page, "weights").inner_text()) == [0]
    choose(page, kernel="blur")
    assert total(page) == 1
    assert numbers(part(page, "weights").inner_text()) == [1]


def test_task_sizes(lab):
    page = lab("kernel")
    choose(page, padding=1)
    assert output(page).shape == (28, 28)
    choose(page, dilation=2, padding=2)
    assert output(page).shape == (28, 28)
    assert numbers(part(page, "gaps").inner_text())[-1] == 5
    for padding in (0, 1):
        choose(page, padding=padding)
        assert output(page).shape != (28, 28)
    halved = []
    for settings in SETTINGS:
        choose(page, **settings)
        if output(page).shape == (14, 14):
            halved.append(settings)
    assert halved == [
        {"stride": 2, "padding": same, "dilation": same} for same in (1, 2)
    ]


def test_task_nothing_fits(lab):
    """The only settings with which nothing fits; the lab says so, as PyTorch does."""
    page = lab("kernel")
    choose(page, image="toy")
    refused = []
    for settings in SETTINGS:
        choose(page, **settings)
        if part(page, "play").is_disabled():
            refused.append(settings)
            with pytest.raises(RuntimeError) as error:
                by_pytorch(page)
            said = part(page, "formula").inner_text()
            assert str(error.value).rpartition(". ")[2] in said
            assert said == part(page, "told").text_content()
            assert numbers(said)[0] == 5
            assert numbers(part(page, "gaps").inner_text())[-1] == 7
    assert refused == [{"stride": s, "padding": 0, "dilation": 3} for s in (1, 2, 3)]
    choose(page, stride=1, dilation=3, padding=1)
    assert output(page).shape == (1, 1)
