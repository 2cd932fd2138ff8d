"""Rebuild drawings.webp and drawings.json from eight npm icon packages.

In the root of the repository: ``npm install --prefix data``, then ``python
data/cifar10/rebuild.py``; with Pillow 13.0.0 and resvg-py 0.5.0.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
import emoji  # noqa: E402

SIDE = 40
WANTED = {
    "airplane": "airplane airplane-arrival airplane-departure small-airplane",
    "automobile": "automobile oncoming-automobile taxi oncoming-taxi police-car "
    "oncoming-police-car sport-utility-vehicle racing-car",
    "bird": "bird black-bird eagle duck dove owl parrot penguin rooster flamingo swan "
    "goose turkey peacock baby-chick dodo bird-1 bird-2 penguin-1",
    "cat": "cat cat-face black-cat grinning-cat grinning-cat-face pouting-cat "
    "pouting-cat-face",
    "deer": "deer moose",
    "dog": "dog dog-face poodle guide-dog service-dog",
    "frog": "frog frog-face",
    "horse": "horse horse-face",
    "ship": "ship passenger-ship ferry sailboat motor-boat",
    "truck": "delivery-truck articulated-lorry pickup-truck fire-engine",
}
# What these show is something else, or cannot be recognised.
SKIP = {
    ("streamline-emojis", "turkey"),
    ("fxemoji", "bird"),
    ("streamline-emojis", "ship"),
}


def rebuild(node_modules=emoji.NODE_MODULES):
    """Render the drawings of the ten classes."""
    wanted = {label: names.split() for label, names in WANTED.items()}
    return emoji.draw(node_modules, wanted, SIDE, SKIP)


if __name__ == "__main__":
    drawings = rebuild()
    emoji.save(drawings, HERE)
    print(len(drawings), "drawings")
