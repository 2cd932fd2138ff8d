"""Draw the stand-in for CIFAR-10: ten classes, 32 x 32 pixels."""

import numpy as np

from helpers.data import _drawing

CLASSES = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
]
COUNTS = {"train": 10_000, "test": 2_000}
SEEDS = {"train": 0, "test": 1}
# Every drawing of these sets is kept for the test half.
HELD_OUT = {"twemoji", "noto-v1"}
SIDE = 32
BATCH = 500

# Upper and lower colour of a scene, drawn without regard to what stands in it.
SCENES = np.array(
    [
        [(150, 200, 235), (215, 235, 250)],  # sky
        [(160, 205, 235), (40, 100, 150)],  # sea
        [(175, 190, 200), (95, 95, 100)],  # road
        [(170, 210, 230), (80, 135, 60)],  # grass
        [(215, 200, 180), (140, 105, 75)],  # room
        [(190, 205, 220), (240, 243, 248)],  # snow
    ],
    np.float32,
) / np.float32(255)


def load(folder, half):
    """Read the drawings of one half, ``"train"`` or ``"test"``, by class."""
    held = half == "test"
    return _drawing.load_drawings(
        folder, lambda origin, _: (origin in HELD_OUT) == held
    )


def draw(drawings, count, seed, *, advance=lambda done: None):
    """Draw so many pictures, equally many of each class, in random order.

    Parameters
    ----------
    drawings : dict of str to Drawings
    count : int
        A multiple of the number of classes.
    seed : int
    advance : callable
        Called with the number of pictures after each batch.

    Returns
    -------
    pictures : numpy.ndarray of uint8
        Shape (count, 32, 32, 3).
    labels : numpy.ndarray of int
        Shape (count,).
    """
    dice = _drawing.Dice(seed)
    labels = dice.shuffle(np.arange(count) % len(CLASSES))
    pixels = np.concatenate([drawings[name].pixels for name in CLASSES])
    sizes = np.array([len(drawings[name].pixels) for name in CLASSES])
    first = np.cumsum(sizes) - sizes
    pictures = np.empty((count, SIDE, SIDE, 3), np.uint8)
    for start in range(0, count, BATCH):
        batch = labels[start : start + BATCH]
        which = first[batch] + dice.below(sizes[batch], len(batch))
        pictures[start : start + BATCH] = _batch(dice, pixels, which)
        advance(len(batch))
    return pictures, labels


def _batch(dice, pixels, which):
    count = len(which)
    x, y = _drawing.grid(SIDE, SIDE)
    canvas = _background(dice, count, x, y)

    across = dice.uniform(0.75, 1.1, count)
    tall = dice.uniform(0.88, 1.14, count)
    mirrored = np.where(dice.chance(0.5, count), np.float32(-1), np.float32(1))
    shift_x, shift_y = dice.uniform(-0.1, 0.1, 2, count)
    tilt = dice.uniform(-0.09, 0.09, count)  # half of ten degrees, as a tangent
    each = (-1, 1, 1)
    half = np.float32(0.5)
    right = x - half - shift_x.reshape(each)
    down = y - half - shift_y.reshape(each)
    right, down = _drawing.turned(right, down, tilt.reshape(each))
    right = right * (mirrored / across).reshape(each) + half
    down = down / (across * tall).reshape(each) + half
    drawn = _drawing.sample(pixels, right, down, which)

    strength = dice.uniform(0.5, 1.2, count)
    strength[dice.chance(0.03, count)] = 0
    colours = _drawing.toned(
        drawn[..., :3],
        drawn[..., 3:],
        hue=dice.bell(0.105, count),
        strength=strength,
        contrast=dice.uniform(0.6, 1.1, count),
        brightness=dice.uniform(-0.18, 0.14, count),
    )
    canvas = canvas * (1 - drawn[..., 3:]) + colours
    single = (-1, 1, 1, 1)
    light = dice.uniform(0.75, 1.1, count).reshape(single)
    canvas = canvas * light + dice.uniform(-0.06, 0.06, count).reshape(single)
    canvas = _drawing.softened(np.clip(canvas, 0, 1), dice.uniform(0, 0.5, count))
    noise = dice.uniform(0, 0.045, count).reshape(single)
    return _drawing.to_bytes(canvas + dice.grain(*canvas.shape) * noise)


def _background(dice, count, x, y):
    """Draw a scene with a horizon (nearly always), a gradient or clouds of colour."""
    single = (-1, 1, 1, 1)
    pair = SCENES[dice.below(len(SCENES), count)]
    wild = dice.chance(0.15, count).reshape(single)
    gradient = dice.uniform(0, 1, count, 2, 3)
    pair = np.where(wild.reshape(-1, 1, 1), gradient, pair)
    height = dice.uniform(0.25, 0.8, count).reshape(-1, 1, 1)
    slope = dice.uniform(-0.15, 0.15, count).reshape(-1, 1, 1)
    sharp = dice.uniform(4, 15, count).reshape(-1, 1, 1)
    ramp = (y - height - slope * (x - np.float32(0.5))) * sharp + np.float32(0.5)
    across = dice.chance(0.5, count).reshape(single)
    plain = np.where(across, x[..., None], y[..., None])
    lower = np.where(wild, plain, np.clip(ramp, 0, 1)[..., None])
    upper_colour, lower_colour = pair[:, None, None, 0], pair[:, None, None, 1]
    canvas = upper_colour * (1 - lower) + lower_colour * lower
    canvas = canvas + dice.bell(0.07, count, 1, 1, 3)

    coarse = _drawing.clouds(dice, x, y, dice.uniform(2, 4, count))
    cloudy = dice.chance(0.05, count).reshape(single)
    canvas = np.where(cloudy, coarse, canvas)
    fine = _drawing.clouds(dice, x, y, dice.uniform(4, 8, count))
    weight = dice.uniform(0, 0.15, count).reshape(single)
    return canvas * (1 - weight) + fine * weight
