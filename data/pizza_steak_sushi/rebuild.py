"""Rebuild pizza_steak_sushi.zip and ../photo/pizza.jpg from the drawings beside it.

``python data/pizza_steak_sushi/rebuild.py``, with Pillow 13.0.0, which compresses the
pictures; what is drawn does not depend on versions.
"""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.data import _drawing

HERE = Path(__file__).parent
CLASSES = ["pizza", "steak", "sushi"]
PER_CLASS = {"train": 75, "test": 25}
SEEDS = {"train": 10, "test": 11, "photo": 12}
LONG_EDGE, SHORT_EDGES = 256, (160, 256)
QUALITY = 82
# Designs that only the test half shows, and one that only the photo shows.
TEST_ORIGINS = {"twemoji", "noto-v1"}
TEST_NAMES = {"pizza_pepperoni", "meats_and_eggs/steak-v0.1"}
PHOTO = ("emojione", "pizza")

TABLES = (
    np.array(
        [
            (150, 105, 65),
            (200, 195, 188),
            (70, 72, 78),
            (225, 220, 210),
            (110, 130, 115),
        ],
        np.float32,
    )
    / 255
)
PLATES = np.array([0.96, 0.96, 0.9, 0.9, 0.24, 0.7], np.float32)


def part_of(origin, name):
    """Say which part of the set shows a design: train, test or photo."""
    if (origin, name) == PHOTO:
        return "photo"
    return "test" if origin in TEST_ORIGINS or name in TEST_NAMES else "train"


def load(part):
    """Read the drawings of one part, by class."""
    return _drawing.load_drawings(HERE, lambda *drawing: part_of(*drawing) == part)


def picture(dice, drawings, height, width):
    """Draw one picture: a table, now and then a plate, one to three times a drawing.

    Nothing but the drawing depends on the class.

    Parameters
    ----------
    dice : Dice
    drawings : Drawings
        Of one class; one of them is chosen.
    height, width : int
        Pixels.

    Returns
    -------
    numpy.ndarray of uint8
        Shape (height, width, 3).
    """
    x, y = _drawing.grid(height, width)
    # One unit is the short edge, the origin is the middle.
    short = min(height, width)
    x = (x - np.float32(0.5)) * np.float32(width / short)
    y = (y - np.float32(0.5)) * np.float32(height / short)
    canvas = _table(dice, x, y)
    centre = dice.uniform(-0.06, 0.06, 2)
    if dice.chance(0.4, 1)[0]:
        canvas = _plate(dice, canvas, x - centre[0], y - centre[1])
    pixels = drawings.pixels[dice.below(len(drawings.pixels), 1)]
    for place in _places(dice):
        canvas = _put(dice, canvas, pixels, x - centre[0], y - centre[1], place)
    return _photographed(dice, canvas, x, y, short)


def _table(dice, x, y):
    base = TABLES[dice.below(len(TABLES), 1)][0] + dice.bell(0.055, 3)
    u, v = _drawing.turned(x, y, dice.uniform(-1, 1, 1)[0])
    u, v = u + 2, v + 2  # no negative numbers
    kind = dice.below(20, 1)[0]
    boards, squares, waves, depth, seams = (
        dice.uniform(low, high, 1)[0]
        for low, high in [(2.5, 6), (5, 14), (15, 30), (0.01, 0.035), (0.08, 0.18)]
    )
    shades = dice.bell(0.055, 64)
    if kind < 9:  # boards with grain
        board = np.floor(u * boards)
        grain = u * waves + v * np.float32(0.7)
        grain = np.abs(grain - np.floor(grain) - np.float32(0.5))
        pattern = shades[board.astype(int)] + grain * depth * 2
        pattern = pattern - ((u * boards - board) < np.float32(0.03)) * seams
    elif kind < 14:  # chequered cloth
        odd = (np.floor(u * squares) + np.floor(v * squares)).astype(int) % 2
        pattern = odd * np.float32(0.08) - np.float32(0.04)
    else:  # stone
        veins = _drawing.clouds(dice, x * 2 + 2, y * 2 + 2, dice.uniform(1.5, 2, 1))
        pattern = (veins[..., 0] - np.float32(0.5)) * np.float32(0.2)
    rough = dice.grain(*pattern.shape) * np.float32(0.03)
    return base + (pattern + rough)[..., None]


def _plate(dice, canvas, x, y):
    radius, flat, inner = (
        dice.uniform(low, high, 1)[0]
        for low, high in [(0.38, 0.56), (0.8, 1), (0.62, 0.72)]
    )
    colour = PLATES[dice.below(len(PLATES), 1)][0] + dice.bell(0.03, 3)
    rim = dice.uniform(0.03, 0.1, 1)[0]

    def disc(edge, softness, shift=0.0):
        right, down = x - np.float32(shift), (y - np.float32(shift * 1.5)) / flat
        squared = (right * right + down * down) / (edge * edge)
        return np.clip((1 - squared) / np.float32(softness) + np.float32(0.5), 0, 1)

    shadow = disc(radius, 0.2, 0.02)[..., None] * np.float32(0.45)
    canvas = canvas * (1 - shadow)
    whole = disc(radius, 0.02)[..., None]
    ring = (disc(radius * inner, 0.04) - disc(radius * (inner - 0.02), 0.04))[..., None]
    return canvas * (1 - whole) + (colour - ring * rim) * whole


def _places(dice):
    """Say how large the drawings are, where, and how they are turned."""
    throw = dice.uniform(0, 1, 1)[0]
    count = 1 + int(throw > 0.85) + int(throw > 0.95)
    low, high = {1: (0.75, 1.3), 2: (0.55, 0.8), 3: (0.45, 0.65)}[count]
    size = dice.uniform(low, high, 1)[0]
    turn = dice.uniform(-1, 1, 1)[0]
    start = (
        np.array(
            {1: [(0, 0)], 2: [(-1, 0), (1, 0)]}.get(
                count, [(0, -1), (-0.87, 0.5), (0.87, 0.5)]
            ),
            np.float32,
        )
        * size
        * np.float32(0.5)
    )
    right, down = _drawing.turned(start[:, 0], start[:, 1], turn)
    jitter = dice.uniform(-0.08, 0.08, 2, count)
    tangents = dice.uniform(-0.36, 0.36, count)  # of half of 40 degrees
    sizes = size * dice.uniform(0.9, 1.1, count)
    return list(zip(right + jitter[0], down + jitter[1], tangents, sizes, strict=True))


def _put(dice, canvas, pixels, x, y, place):
    right, down, tangent, size = place
    mirrored = np.float32(-1 if dice.chance(0.5, 1)[0] else 1)
    tall = dice.uniform(0.8, 1.1, 1)[0]

    def read(source, shift):
        u, v = _drawing.turned(x - right - shift, y - down - shift * 3 / 2, tangent)
        half = np.float32(0.5)
        u, v = u * mirrored / size + half, v / (size * tall) + half
        return _drawing.sample(source, u, v)

    # The shadow is the opacity at a tenth of the detail, which makes its edge soft.
    side = pixels.shape[1]
    coarse = sum(
        pixels[:, row::10, column::10, 3:] for row in range(10) for column in range(10)
    )
    padded = np.zeros((1, side // 10 + 4, side // 10 + 4, 1), np.float32)
    padded[:, 2:-2, 2:-2] = coarse / np.float32(100)
    ratio = np.float32(padded.shape[1] / (side // 10))
    plain, size = size, size * ratio
    shadow = read(padded, np.float32(0.012)) * np.float32(0.5)
    size = plain
    drawn = read(pixels, np.float32(0))
    one = np.ones(1, np.float32)
    colours = _drawing.toned(
        drawn[..., :3],
        drawn[..., 3:],
        hue=dice.bell(0.035, 1),
        strength=dice.uniform(0.5, 1.2, 1),
        contrast=dice.uniform(0.6, 1.1, 1),
        brightness=one * dice.uniform(-0.15, 0.12, 1),
    )
    return canvas * (1 - shadow) * (1 - drawn[..., 3:]) + colours


def _photographed(dice, canvas, x, y, short):
    """Add uneven light, a tint, blur and grain."""
    slope = dice.uniform(-0.3, 0.3, 2)
    light = dice.uniform(0.9, 1.1, 1)[0] * (1 + slope[0] * x + slope[1] * y)
    canvas = canvas * light[..., None] * (1 + dice.bell(0.05, 3))
    canvas = np.clip(canvas, 0, 1)
    weight = dice.uniform(0, 1, 1)
    for _ in range(max(1, short // 128)):
        canvas = _drawing.softened(canvas, weight)
    grain = dice.grain(*canvas.shape[:3], 1) * dice.uniform(0, 0.03, 1)[0]
    return _drawing.to_bytes(canvas + grain)[0]


def pictures(part, drawings):
    """Draw one half; classes take turns.

    Parameters
    ----------
    part : {"train", "test"}
    drawings : dict of str to Drawings
        By class.

    Yields
    ------
    label : str
    picture : numpy.ndarray of uint8
        Shape (H, W, 3).
    """
    dice = _drawing.Dice(SEEDS[part])
    for index in range(PER_CLASS[part] * len(CLASSES)):
        label = CLASSES[index % len(CLASSES)]
        low, high = SHORT_EDGES
        edges = [LONG_EDGE, low + int(dice.below(high - low + 1, 1)[0])]
        if dice.chance(0.5, 1)[0]:
            edges.reverse()
        yield label, picture(dice, drawings[label], *edges)


def jpeg(pixels):
    """Compress a picture."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=QUALITY, optimize=True)
    return stream.getvalue()


def rebuild():
    """Draw all pictures and pack them into a zip file, without times of this day."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for part, per_class in PER_CLASS.items():
            files = {label: [] for label in CLASSES}
            for label, pixels in pictures(part, load(part)):
                files[label].append(jpeg(pixels))
            for label in CLASSES:
                for index in range(per_class):
                    member = zipfile.ZipInfo(f"{part}/{label}/{index:03d}.jpg")
                    member.external_attr = 0o644 << 16
                    member.create_system = 3
                    archive.writestr(member, files[label][index])
    return stream.getvalue()


def rebuild_photo():
    """Draw the one picture for inference."""
    dice = _drawing.Dice(SEEDS["photo"])
    return jpeg(picture(dice, load("photo")["pizza"], 480, 640))


if __name__ == "__main__":
    (HERE / "pizza_steak_sushi.zip").write_bytes(rebuild())
    (HERE.parent / "photo" / "pizza.jpg").write_bytes(rebuild_photo())
    sys.exit()
