"""Draw pictures that are equal to the last bit on every machine.

The pictures of a drawn stand-in are made when they are first wanted, and their checksum
is known beforehand. So this module uses only what is fixed exactly: the integers of
PCG64, whose stream NumPy guarantees, and additions, multiplications, divisions and
comparisons, which IEEE 754 fixes to the last bit. There is no sine, no exponential, no
matrix product, no sum over an axis and no resampling by Pillow: their last bits differ
between versions and processors.
"""

import json
import math
from typing import NamedTuple

import numpy as np
from PIL import Image


class Drawings(NamedTuple):
    """Drawings of one class: who made them, and RGBA pixels.

    `pixels` has shape (K, side, side, 4), float32 from 0 to 1, and its colours are
    multiplied by its last channel, the opacity.
    """

    names: list
    pixels: np.ndarray


def load_drawings(folder, keep):
    """Read a sheet of drawings and keep some.

    Parameters
    ----------
    folder : pathlib.Path
        Holds drawings.webp and drawings.json.
    keep : callable
        Called with the origin and the name of a drawing.

    Returns
    -------
    dict of str to Drawings
        By class, in the order of the sheet.
    """
    index = json.loads((folder / "drawings.json").read_text(encoding="utf-8"))
    with Image.open(folder / "drawings.webp") as picture:
        sheet = np.asarray(picture.convert("RGBA"))
    side = index["side"]
    tiles = sheet.reshape(sheet.shape[0] // side, side, -1, side, 4).swapaxes(1, 2)
    tiles = tiles.reshape(-1, side, side, 4)
    chosen = {}
    for tile, (label, origin, name, _) in zip(tiles, index["drawings"], strict=False):
        if keep(origin, name):
            chosen.setdefault(label, []).append((f"{origin}/{name}", tile))
    return {label: _drawings(members) for label, members in chosen.items()}


def _drawings(members):
    names, tiles = zip(*members, strict=True)
    pixels = np.stack(tiles).astype(np.float32) / np.float32(255)
    pixels[..., :3] *= pixels[..., 3:]
    return Drawings(list(names), pixels)


class Dice:
    """Random numbers whose every bit is the same with every version of NumPy."""

    def __init__(self, seed):
        self._bits = np.random.PCG64(seed)

    def uniform(self, low, high, *shape):
        """Draw float32 numbers between `low` and `high`."""
        raw = self._bits.random_raw(int(np.prod(shape)))
        unit = (raw >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)
        return (np.float32(low) + np.float32(high - low) * unit).reshape(shape)

    def below(self, limit, *shape):
        """Draw integers from 0 to `limit` - 1; `limit` is a number or an array."""
        raw = self._bits.random_raw(int(np.prod(shape)))
        # 32 random bits times the limit, divided by 2**32: no modulo, no division.
        scaled = (raw >> np.uint64(32)) * np.asarray(limit, np.uint64)
        return (scaled >> np.uint64(32)).astype(np.int64).reshape(shape)

    def bell(self, spread, *shape):
        """Draw float32 numbers around 0: the sum of four uniform ones, scaled."""
        spread = np.float32(spread * math.sqrt(3))
        four = self.uniform(-0.5, 0.5, 4, *shape)
        return (four[0] + four[1] + four[2] + four[3]) * spread

    def grain(self, *shape):
        """Draw float32 noise for pixels, triangular between -1 and 1."""
        count = int(np.prod(shape))
        raw = self._bits.random_raw(-(-count // 4)).astype("<u8").view(np.uint8)
        raw = raw[: 2 * count].reshape(2, *shape).astype(np.int16)
        return (raw[0] - raw[1]).astype(np.float32) * np.float32(1 / 255)

    def chance(self, probability, *shape):
        """Draw True with a probability."""
        return self.uniform(0, 1, *shape) < np.float32(probability)

    def shuffle(self, values):
        """Return the values of an array in random order."""
        return values[np.argsort(self._bits.random_raw(len(values)), kind="stable")]


def grid(height, width):
    """Return the x and y of each pixel's middle, from 0 to 1, shape (1, H, W)."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    half, rows, columns = np.float32(0.5), np.float32(height), np.float32(width)
    return ((x + half) / columns)[None], ((y + half) / rows)[None]


def turned(x, y, tangent):
    """Turn coordinates by the angle whose half has this tangent.

    (1 - t^2) / (1 + t^2) and 2 t / (1 + t^2) are its cosine and sine.
    """
    scale = 1 + tangent * tangent
    cosine, sine = (1 - tangent * tangent) / scale, 2 * tangent / scale
    return cosine * x - sine * y, sine * x + cosine * y


def sample(pictures, x, y, which=None, smooth=False):
    """Read pictures between their pixels, bilinearly; outside they are 0.

    Parameters
    ----------
    pictures : numpy.ndarray of float32
        Shape (K, h, w, C).
    x, y : numpy.ndarray of float32
        Where to read, from 0 to 1 across the picture, shape (N, H, W).
    which : numpy.ndarray of int, optional
        The picture that each of the N reads, shape (N,); its own without it.
    smooth : bool
        Ease in and out of each pixel, so that no corner shows.

    Returns
    -------
    numpy.ndarray of float32
        Shape (N, H, W, C).
    """
    count, height, width, channels = pictures.shape
    which = np.arange(count) if which is None else which
    # Zeros all around, so that what is outside needs no case of its own.
    wide, high = width + 3, height + 3
    bordered = np.zeros((count, high, wide, channels), np.float32)
    bordered[:, 1:-2, 1:-2] = pictures
    bordered = bordered.reshape(-1, channels)
    column = np.clip(x * np.float32(width) + np.float32(0.5), 0, width + 1)
    row = np.clip(y * np.float32(height) + np.float32(0.5), 0, height + 1)
    left, top = np.floor(column), np.floor(row)
    across, down = (column - left)[..., None], (row - top)[..., None]
    if smooth:
        across = across * across * (3 - 2 * across)
        down = down * down * (3 - 2 * down)
    corner = which.reshape(-1, 1, 1) * (high * wide)
    corner = corner + top.astype(np.int64) * wide + left.astype(np.int64)
    upper = bordered[corner] * (1 - across) + bordered[corner + 1] * across
    corner += wide
    lower = bordered[corner] * (1 - across) + bordered[corner + 1] * across
    return upper * (1 - down) + lower * down


def clouds(dice, x, y, cells):
    """Draw smooth random colours, `cells` patches across, from 0 to 1.

    Parameters
    ----------
    dice : Dice
    x, y : numpy.ndarray of float32
        Shape (1, H, W), from 0 to 1.
    cells : numpy.ndarray of float32
        Shape (N,), at most 8.

    Returns
    -------
    numpy.ndarray of float32
        Shape (N, H, W, 3).
    """
    patches = dice.uniform(0, 1, len(cells), 10, 10, 3)
    zoom = (cells / np.float32(10)).reshape(-1, 1, 1)
    half_patch = np.float32(0.05)
    return sample(patches, half_patch + x * zoom, half_patch + y * zoom, smooth=True)


def toned(colours, opacity, hue, strength, contrast, brightness):
    """Turn hues, then change strength of colour, contrast and brightness.

    Parameters
    ----------
    colours : numpy.ndarray of float32
        Shape (N, H, W, 3), multiplied by the opacity.
    opacity : numpy.ndarray of float32
        Shape (N, H, W, 1).
    hue, strength, contrast, brightness : numpy.ndarray of float32
        Shape (N,). `hue` is the tangent of half the angle around the grey axis.

    Returns
    -------
    numpy.ndarray of float32
        Shape (N, H, W, 3), multiplied by the opacity.
    """
    hue, strength, contrast, brightness = (
        value.reshape(-1, 1, 1) for value in (hue, strength, contrast, brightness)
    )
    # A rotation around (1, 1, 1) in three numbers.
    cosine, sine = turned(np.float32(1), np.float32(0), hue)
    third = (1 - cosine) / np.float32(3)
    lean = sine * np.float32(1 / math.sqrt(3))
    own, next_, last = cosine + third, third - lean, third + lean
    red, green, blue = (colours[..., index] for index in range(3))
    alpha = opacity[..., 0]
    rotated = [
        own * red + next_ * green + last * blue,
        last * red + own * green + next_ * blue,
        next_ * red + last * green + own * blue,
    ]
    grey = (rotated[0] + rotated[1] + rotated[2]) / np.float32(3)
    middle = (np.float32(0.5) - np.float32(0.5) * contrast + brightness) * alpha
    channels = [
        (grey + (channel - grey) * strength) * contrast + middle for channel in rotated
    ]
    return np.stack(channels, axis=-1)


def softened(pictures, weight):
    """Blend pictures with their blurred copies; `weight` has shape (N,), 0 to 1."""
    blurred = pictures
    for axis in (1, 2):
        last = blurred.shape[axis] - 1
        index = np.arange(last + 1)
        before = blurred.take(np.maximum(index - 1, 0), axis)
        after = blurred.take(np.minimum(index + 1, last), axis)
        blurred = (before + after) * np.float32(0.25) + blurred * np.float32(0.5)
    return pictures + (blurred - pictures) * weight.reshape(-1, 1, 1, 1)


def to_bytes(pictures):
    """Turn colours from 0 to 1 into uint8, what is beyond cut off."""
    return np.rint(np.clip(pictures, 0, 1) * np.float32(255)).astype(np.uint8)
