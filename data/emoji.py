"""Render drawings from the npm icon packages @iconify-json/* with resvg-py.

Needed only to rebuild the drawings; the course itself reads the committed ones.
"""

import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import resvg_py
from PIL import Image

HERE = Path(__file__).parent
NODE_MODULES = HERE / "node_modules"
# Sets that allow sharing without a share-alike condition; data/package.json says
# which version of each.
SETS = (
    "noto",
    "noto-v1",
    "twemoji",
    "fluent-emoji",
    "fluent-emoji-flat",
    "emojione",
    "fxemoji",
    "streamline-emojis",
)
# Where a package names another licence than the set's own LICENSE.md: Mozilla's has
# Apache 2.0 for the code only, and CC BY 4.0 for the drawings.
LICENCES = {"fxemoji": "CC-BY-4.0"}
COLUMNS = 20


class Drawing(NamedTuple):
    """A drawing, its class and where it comes from."""

    label: str
    origin: str
    name: str
    licence: str
    picture: Image.Image


def find(node_modules, wanted):
    """Yield each wanted icon of each set as SVG text.

    Parameters
    ----------
    node_modules : path
        Folder with the installed packages.
    wanted : dict of str to list of str
        Names of icons by class.

    Yields
    ------
    label, origin, name, licence, svg : str
    """
    versions = json.loads((HERE / "package.json").read_text(encoding="utf-8"))
    for origin in SETS:
        version = versions["dependencies"][f"@iconify-json/{origin}"]
        folder = Path(node_modules) / "@iconify-json" / origin
        about, info, icons = (
            json.loads((folder / f"{part}.json").read_text(encoding="utf-8"))
            for part in ("package", "info", "icons")
        )
        if about["version"] != version:
            raise SystemExit(f"{origin} must be {version}, got {about['version']}")
        for label, names in wanted.items():
            for name in names:
                alias = icons.get("aliases", {}).get(name, {})
                icon = icons["icons"].get(name) or icons["icons"].get(
                    alias.get("parent")
                )
                if icon is None or "rotate" in alias:
                    continue
                box = [
                    icon.get(key, icons.get(key, default))
                    for key, default in [
                        ("left", 0),
                        ("top", 0),
                        ("width", 16),
                        ("height", 16),
                    ]
                ]
                svg = (
                    '<svg xmlns="http://www.w3.org/2000/svg" '
                    'xmlns:xlink="http://www.w3.org/1999/xlink" '
                    f'viewBox="{" ".join(map(str, box))}">{icon["body"]}</svg>'
                )
                licence = LICENCES.get(origin, info["license"]["spdx"])
                yield label, origin, name, licence, svg


def render(svg, side):
    """Render SVG text, crop it to what is drawn, centre it in a square.

    Returns
    -------
    PIL.Image.Image or None
        RGBA, `side` x `side` pixels; None where (nearly) nothing is drawn.
    """
    png = resvg_py.svg_to_bytes(
        svg_string=svg, width=4 * side, dpi=96, skip_system_fonts=True
    )
    picture = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    alpha = np.asarray(picture)[..., 3]
    if (alpha > 40).mean() < 0.03:
        return None
    rows, columns = np.nonzero(alpha > 20)
    picture = picture.crop(
        (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    )
    square = Image.new("RGBA", (max(picture.size),) * 2)
    square.paste(picture, tuple((square.width - edge) // 2 for edge in picture.size))
    return square.resize((side, side), Image.Resampling.LANCZOS)


def draw(node_modules, wanted, side, skip=()):
    """Render every wanted icon that exists, each picture once a class.

    Parameters
    ----------
    node_modules, wanted
        As in `find`.
    side : int
        Pixels of the square.
    skip : collection of (str, str)
        Origin and name of icons that show something else.

    Returns
    -------
    list of Drawing
    """
    drawings, seen = [], set()
    for label, origin, name, licence, svg in find(node_modules, wanted):
        if (origin, name) in skip:
            continue
        picture = render(svg, side)
        if picture is None or (label, picture.tobytes()) in seen:
            continue
        seen.add((label, picture.tobytes()))
        drawings.append(Drawing(label, origin, name, licence, picture))
    return drawings


def save(drawings, folder):
    """Write drawings.webp, one sheet of all, and drawings.json, what they are."""
    side = drawings[0].picture.width
    rows = -(-len(drawings) // COLUMNS)
    sheet = Image.new("RGBA", (COLUMNS * side, rows * side))
    for index, drawing in enumerate(drawings):
        row, column = divmod(index, COLUMNS)
        sheet.paste(drawing.picture, (column * side, row * side))
    # Lossless: the pixels are what was drawn.
    sheet.save(folder / "drawings.webp", lossless=True, exact=True, method=6)
    lines = ",\n".join(json.dumps(drawing[:4]) for drawing in drawings)
    text = f'{{"side": {side}, "drawings": [\n{lines}\n]}}\n'
    (folder / "drawings.json").write_bytes(text.encode())
