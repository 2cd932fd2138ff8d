"""Labs: models that a reader plays with, on the site and in JupyterLab alike.

`show_lab` puts the data of a lab among the outputs of the cell. The site makes a lab of
them (`_ext/labs.py`); in a notebook that a person runs, the same scripts run in the
cell's output. Chapter 3 shows the first lab.
"""

import base64
import json
import uuid
from pathlib import Path

import numpy as np

MIME = "application/vnd.first-tensor.lab+json"
ROOT = Path(__file__).resolve().parents[1]
SHARED = ("load", "page")  # scripts that are no lab
# The smallest one that holds all numbers is taken.
INTEGERS = ("uint8", "int8", "int16", "int32")


def pack(data):
    """Pack the tensors among a lab's data for a page, at any depth.

    A tensor becomes ``{"dtype", "shape", "base64"}``: its numbers in little-endian
    order. Floats are stored as float32 (float16 stays what it is), integers and
    booleans in the smallest type that holds them.

    Parameters
    ----------
    data : torch.Tensor, numpy.ndarray, dict, list, tuple, str, int, float, bool or None

    Raises
    ------
    TypeError
        If a number is complex, or an object is none of these.
    ValueError
        If an integer needs more than 32 bits.
    """
    if isinstance(data, dict):
        return {name: pack(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [pack(value) for value in data]
    if data is None or isinstance(data, str | int | float):
        return data
    if hasattr(data, "detach"):
        data = data.detach().cpu().numpy()
    if not isinstance(data, np.ndarray | np.generic) or data.dtype.kind not in "fiub":
        kind = getattr(data, "dtype", type(data).__name__)
        raise TypeError(f"data: a lab takes tensors of real numbers, got {kind}")
    if data.dtype.kind == "f":
        dtype = "float16" if data.dtype == np.float16 else "float32"
    else:
        ends = [int(data.min()), int(data.max())] if data.size else [0]
        fits = (
            name
            for name in INTEGERS
            if all(np.iinfo(name).min <= end <= np.iinfo(name).max for end in ends)
        )
        dtype = next(fits, None)
        if dtype is None:
            raise ValueError(
                f"data: expected integers of 32 bits, got up to {ends[-1]}"
            )
    stored = np.ascontiguousarray(data, np.dtype(dtype).newbyteorder("<"))
    text = base64.b64encode(stored.tobytes()).decode()
    return {"dtype": dtype, "shape": list(data.shape), "base64": text}


def unpack(data):
    """Return what `pack` packed, with tensors as arrays of NumPy.

    Parameters
    ----------
    data : dict, list, str, int, float, bool or None
        As `pack` gives it and a notebook stores it.
    """
    if isinstance(data, list):
        return [unpack(value) for value in data]
    if not isinstance(data, dict):
        return data
    if set(data) == {"dtype", "shape", "base64"}:
        numbers = base64.b64decode(data["base64"])
        dtype = np.dtype(data["dtype"]).newbyteorder("<")
        return np.frombuffer(numbers, dtype).reshape(data["shape"])
    return {name: unpack(value) for name, value in data.items()}


def lab_files(name):
    """Return the files that a lab needs, in the order in which they are loaded.

    A lab's own script says in its first line which others it uses besides those of
    its name: ``// With compute/convolution.js.``

    Parameters
    ----------
    name : str

    Returns
    -------
    scripts, styles : list of pathlib.Path
    """
    own = ROOT / "labs" / f"{name}.js"
    first = own.read_text("utf-8").partition("\n")[0]
    with_others = first.startswith("// With ")
    others = (
        first.removeprefix("// With ").rstrip(".").split(", ") if with_others else []
    )
    scripts = ["page.js", *others, f"compute/{name}.js"]
    scripts = [ROOT / "labs" / script for script in scripts]
    styles = [ROOT / "labs" / style for style in ("labs.css", f"{name}.css")]
    return (
        [path for path in (*scripts, own) if path.exists()],
        [path for path in styles if path.exists()],
    )


class Lab:
    """What `show_lab` displays: data for the site, and a live lab for a person.

    Parameters
    ----------
    name : str
    data : dict
        Already packed.
    live : bool
        Whether the lab runs in the output itself.
    """

    def __init__(self, name, data, live):
        self.name, self.data, self.live = name, data, live

    def _repr_mimebundle_(self, include=None, exclude=None):
        bundle = {
            MIME: {"lab": self.name, "data": self.data},
            "text/plain": f"The lab '{self.name}': run this cell to play with it here.",
        }
        # Only for a person: scripts in stored outputs would change with every repair.
        return bundle | {"text/html": self.html()} if self.live else bundle

    def html(self):
        """Return the lab as HTML that needs no other file."""
        from jinja2 import Environment, FileSystemLoader

        place = f"{self.name}-{uuid.uuid4().hex[:8]}"
        scripts, styles = lab_files(self.name)
        style = "\n".join(path.read_text("utf-8") for path in styles)
        script = "\n".join(path.read_text("utf-8") for path in scripts)
        # The end of an element inside of a string would end the script.
        data = json.dumps(self.data).replace("</", "<\\/")
        loader = FileSystemLoader(ROOT / "_templates", "utf-8")
        template = Environment(autoescape=True, loader=loader)
        markup = template.get_template(f"labs/{self.name}.html").render(id=place, _=str)
        return (
            f"<style>{style}</style>\n"
            f'<div class="lab" id="{place}" data-lab="{self.name}" data-open>'
            f"{markup}</div>\n<script>{script}\n"
            f"labs.start(document.getElementById({place!r}), {data});</script>"
        )


def show_lab(name, *, live=None, **data):
    """Show a lab: a model to play with. Chapter 3 shows the first one.

    Parameters
    ----------
    name : str
        Of a script in the folder ``labs``, such as "boundary".
    live : bool, optional
        Whether the lab also runs in the output itself; by default where a person runs
        the cell.
    **data
        What the script of that name reads. Tensors and arrays of any shape are packed,
        as `pack` says.

    Raises
    ------
    ValueError
        If there is no lab of that name, or an integer needs more than 32 bits.
    TypeError
        If the data hold what a page cannot read.
    """
    from IPython.display import display

    from helpers._progress import watched

    names = sorted(path.stem for path in (ROOT / "labs").glob("*.js"))
    names = [known for known in names if known not in SHARED]
    if name not in names:
        raise ValueError(f"name: expected one of {', '.join(names)}, got {name!r}")
    display(Lab(name, pack(data), watched() if live is None else live))
