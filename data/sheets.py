"""Draw the contact sheet of each picture set: training on the left, test on the right.

``python data/sheets.py``; rows are classes, pictures are the first of their class.
"""

from itertools import islice
from pathlib import Path

import torch
from torchvision import datasets
from torchvision.transforms import v2
from torchvision.utils import make_grid

from helpers import data

HERE = Path(__file__).parent


def sheet(half, columns, side):
    """Lay out the first pictures of each class, a row a class."""
    half.transform = v2.Compose(
        [v2.ToImage(), v2.RGB(), v2.Resize(side), v2.CenterCrop(side)]
    )
    rows = []
    for label in range(len(half.classes)):
        indices = (index for index, other in enumerate(half.targets) if other == label)
        rows += [half[index][0] for index in islice(indices, columns)]
    return make_grid(torch.stack(rows), nrow=columns, padding=1, pad_value=255)


def save(name, train, test, side, scale):
    """Write both halves side by side."""
    halves = [sheet(train, 12, side), sheet(test, 6, side)]
    gap = torch.full((3, halves[0].shape[1], 8), 255, dtype=torch.uint8)
    whole = torch.cat([halves[0], gap, halves[1]], dim=2)
    picture = v2.functional.to_pil_image(whole)
    picture = picture.resize([scale * edge for edge in picture.size], 0)
    # Without loss where that is small: in grey.
    picture.save(HERE / name / "sheet.webp", lossless="mnist" in name, quality=75)


if __name__ == "__main__":
    for name, reader, root, scale in [
        ("fashion_mnist", datasets.FashionMNIST, data.fashion_mnist(), 1),
        ("mnist", datasets.MNIST, data.mnist(), 1),
        ("cifar10", data.CIFAR10, data.cifar10(), 2),
    ]:
        halves = [reader(root, train=train) for train in (True, False)]
        save(name, *halves, 28 if "mnist" in name else 32, scale)
    folder = data.pizza_steak_sushi()
    halves = [datasets.ImageFolder(folder / half) for half in ("train", "test")]
    save("pizza_steak_sushi", *halves, 72, 1)
