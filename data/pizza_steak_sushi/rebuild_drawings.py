"""Rebuild drawings.webp and drawings.json from npm icon packages and Debian's clip art.

In the root of the repository: ``npm install --prefix data``, install Debian's
openclipart-svg 1:0.18+dfsg-19, then ``python
data/pizza_steak_sushi/rebuild_drawings.py``; with Pillow 13.0.0 and resvg-py 0.5.0.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
import emoji  # noqa: E402

SIDE = 160
WANTED = {
    "pizza": ["pizza", "pizza-1", "pizza-2"],
    "steak": ["cut-of-meat", "meat-on-bone"],
    "sushi": ["sushi"],
}
PACKAGE = Path("/", "usr", "share", "openclipart", "svg")
# Public domain.
CLIPART = {
    "pizza": [
        "pizza_4_stagioni_archite_01",
        "pizza_cheese",
        "pizza_pepperoni",
        "pizza_rectangular__geral_01",
        "pizza_slice_fco._andrade_01",
    ],
    "steak": ["meats_and_eggs/steak-v0.1"],
}


def rebuild(node_modules=emoji.NODE_MODULES, clipart=PACKAGE):
    """Render the drawings of the three classes, emoji before clip art."""
    drawings = emoji.draw(node_modules, WANTED, SIDE)
    for label, names in CLIPART.items():
        for name in names:
            svg = (Path(clipart) / "food" / f"{name}.svg").read_text(encoding="utf-8")
            picture = emoji.render(svg, SIDE)
            drawings.append(
                emoji.Drawing(label, "openclipart", name, "public domain", picture)
            )
    return drawings


if __name__ == "__main__":
    drawings = rebuild()
    emoji.save(drawings, HERE)
    print(len(drawings), "drawings")
