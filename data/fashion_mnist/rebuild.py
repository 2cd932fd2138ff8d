"""Rebuild fashion_mnist.tar.xz from Debian's package dataset-fashion-mnist.

Version 0.0~git20200523.55506a9-1 was used: ``python data/fashion_mnist/rebuild.py``.
"""

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from packing import idx, tar, xz  # noqa: E402

PACKAGE = Path("/", "usr", "share", "datasets", "fashion-mnist")
PER_CLASS = {"train": 1_000, "t10k": 200}


def read(path, header):
    """Read an idx file, gzipped, without its header of so many bytes."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8)[header:]


def rebuild(folder=PACKAGE):
    """Choose so many pictures of each class: those whose SHA-256 comes first.

    A picture that the set holds twice is taken once, and none that is in the training
    half is taken for the test half. The order of the full set is kept.
    """
    files, seen = {}, set()
    for half, count in PER_CLASS.items():
        pictures = read(folder / f"{half}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
        labels = read(folder / f"{half}-labels-idx1-ubyte.gz", 8)
        digests = [hashlib.sha256(picture.tobytes()).digest() for picture in pictures]
        ranked = sorted(range(len(labels)), key=digests.__getitem__)
        half_seen, chosen = set(), {label: [] for label in range(10)}
        for index in ranked:
            members = chosen[labels[index]]
            if len(members) < count and digests[index] not in seen | half_seen:
                members.append(index)
                half_seen.add(digests[index])
        # Every digest of the full training half is barred from the test half.
        seen.update(digests)
        kept = sorted(index for members in chosen.values() for index in members)
        raw = f"FashionMNIST/raw/{half}"
        files[f"{raw}-images-idx3-ubyte"] = idx(pictures[kept])
        files[f"{raw}-labels-idx1-ubyte"] = idx(labels[kept])
    return tar(files)


if __name__ == "__main__":
    content = xz(rebuild())
    (HERE / "fashion_mnist.tar.xz").write_bytes(content)
    print(hashlib.sha256(content).hexdigest(), len(content), "bytes")
