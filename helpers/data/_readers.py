"""torchvision's reader for CIFAR-10, taught to read the drawn stand-in as well."""

import pickle
from pathlib import Path

from torchvision import datasets

STAND_IN = "drawn-stand-in-batches-py"


class CIFAR10(datasets.CIFAR10):
    """`torchvision.datasets.CIFAR10`, for the real set and for the drawn stand-in.

    Parameters
    ----------
    root : str or pathlib.Path
        As `helpers.data.cifar10` returns it.
    train, transform, target_transform, download
        As in the parent class.

    Notes
    -----
    torchvision compares the files of CIFAR-10 with their checksums, and would refuse
    any others. `helpers.data.cifar10` has checked the stand-in already, so here these
    comparisons are left out for it; everything else is torchvision's own code. Taught
    in chapter 10, CIFAR-10.
    """

    def __init__(
        self,
        root,
        train=True,
        transform=None,
        target_transform=None,
        download=False,
    ):
        self.is_stand_in = (Path(root) / STAND_IN).is_dir()
        if self.is_stand_in:
            self.base_folder = STAND_IN
            self.train_list = [["data_batch_1", None]]
            self.test_list = [["test_batch", None]]
            self.meta = {**self.meta, "md5": None}
        super().__init__(root, train, transform, target_transform, download)

    def extra_repr(self):
        """Add to torchvision's description what the pictures are."""
        kind = "drawn stand-in, not CIFAR-10" if self.is_stand_in else "CIFAR-10"
        return f"{super().extra_repr()}\nPictures: {kind}"


def write_batch(path, pictures, labels):
    """Write pictures in the layout of CIFAR-10's batches.

    Parameters
    ----------
    path : pathlib.Path
    pictures : numpy.ndarray of uint8
        Shape (N, 32, 32, 3).
    labels : sequence of int
        Shape (N,).
    """
    rows = pictures.transpose(0, 3, 1, 2).reshape(len(pictures), -1)
    content = {"data": rows, "labels": [int(label) for label in labels]}
    path.write_bytes(pickle.dumps(content, protocol=4))


def write_names(path, names):
    """Write the names of the classes in the layout of CIFAR-10's `batches.meta`."""
    path.write_bytes(pickle.dumps({"label_names": list(names)}, protocol=4))
