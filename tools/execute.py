"""Run notebooks in place and store their outputs: ``make execute CHAPTER=...``.

As ``jupyter nbconvert --execute --inplace``, less what ties a notebook to the machine
that ran it (times of cells, and in tracebacks the frames of libraries with their paths)
and with figures of fewer bytes. Outputs that readers are to predict are stored folded.
"""

import argparse
import re
import sys
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image, ImageChops, ImageStat

from tools.notebooks import ANSI, fold_predicted, read

# IPython heads a frame of the notebook with "Cell In[3], line 1", others with "File".
OWN_FRAME = re.compile(r"^(Cell |-{20,}|[\w.]+(Error|Exception|Warning|Interrupt)\b)")


def trim(traceback):
    """Keep of a traceback its rule, the frames of the notebook and the message."""
    frames = traceback[:-1]
    kept = [
        frame for frame in frames if OWN_FRAME.match(ANSI.sub("", frame).lstrip("\n"))
    ]
    return [*kept, traceback[-1]]


def shrink(png):
    """Store a picture with 256 colours where nobody sees the difference."""
    picture = Image.open(BytesIO(b64decode(png))).convert("RGB")
    small = picture.quantize(256, dither=Image.Dither.NONE)
    difference = ImageStat.Stat(ImageChops.difference(picture, small.convert("RGB")))
    file = BytesIO()
    small.save(file, "PNG", optimize=True)
    shorter = b64encode(file.getvalue()).decode() + "\n"
    unseen = max(difference.mean) < 1 and max(difference.stddev) < 2
    return shorter if unseen and len(shorter) < len(png) else png


def execute(path):
    """Run the notebook at `path` from top to bottom and store its outputs there."""
    notebook = read(path)
    NotebookClient(
        notebook,
        timeout=180,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                output.traceback = trim(output.traceback)
            elif "image/png" in output.get("data", {}):
                output.data["image/png"] = shrink(output.data["image/png"])
    fold_predicted(notebook)
    nbformat.write(notebook, path)


def main():
    """Run each notebook that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="+", type=Path)
    for path in parser.parse_args().notebooks:
        print(path, file=sys.stderr)
        execute(path)


if __name__ == "__main__":
    main()
