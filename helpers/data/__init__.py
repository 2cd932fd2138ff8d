"""The data sets of the course, ready for the libraries' own loaders.

Each function returns the folder or file that a loader of torchvision, fastai or timm
reads. Without a network and without settings these are small embedded sets: real
subsets where the licence allows sharing them, else drawn stand-ins. With
``COURSE_DATA=full`` the real sets are downloaded. `describe` says in words which of
them you have.

All functions that return a folder or file raise `DataError` if the data cannot be
unpacked or downloaded, or if there is no folder to keep them in, and ValueError if
``COURSE_DATA`` is neither ``embedded`` nor ``full``.
"""

import atexit
import difflib
import errno
import functools
import hashlib
import os
import re
import shutil
import tempfile
import textwrap
import time
import tomllib
from pathlib import Path
from typing import NamedTuple

from helpers.data import _cache, _sets
from helpers.data._cache import DataError, cache_dir
from helpers.data._readers import CIFAR10

__all__ = [
    "CIFAR10",
    "DataError",
    "Status",
    "cache_dir",
    "cifar10",
    "describe",
    "fashion_mnist",
    "fastai_home",
    "imagenet_weights",
    "mnist",
    "mnist_png",
    "mnist_sample",
    "mode",
    "photo",
    "pizza_steak_sushi",
    "pizza_steak_sushi_sha256",
    "pizza_steak_sushi_zip",
    "recorded",
    "status",
]

MODES = ("embedded", "full")
# Seconds to wait before a download is tried again.
PAUSES = (1, 4)
# Errors of this machine, which another try does not mend.
LOCAL_ERRORS = {errno.ENOSPC, errno.EACCES, errno.EPERM, errno.EROFS}


def mode():
    """Return which data are used: ``"embedded"`` or ``"full"``.

    The environment variable ``COURSE_DATA`` decides; without it, ``"embedded"``.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If ``COURSE_DATA`` is anything else.
    """
    wanted = os.environ.get("COURSE_DATA", "").strip() or "embedded"
    if wanted not in MODES:
        raise ValueError(
            "the environment variable COURSE_DATA must be 'embedded' or 'full', "
            f"got {wanted!r}"
        )
    return wanted


def fashion_mnist():
    """Return the root folder for `torchvision.datasets.FashionMNIST`.

    Returns
    -------
    pathlib.Path
        Pass it as ``root``; ``download=True`` and ``download=False`` both work without
        a network.

    Notes
    -----
    Embedded: a real subset of 10,000 training and 2,000 test images. Full: taken from
    Debian's package ``dataset-fashion-mnist`` where that is installed, else downloaded.
    Used in chapters 8 and 9.
    """
    return _ready("fashion_mnist")


def mnist():
    """Return the root folder for `torchvision.datasets.MNIST`.

    Returns
    -------
    pathlib.Path
        Pass it as ``root``, with either value of ``download``.

    Notes
    -----
    Embedded: a real subset of 8,000 training and 2,000 test images. Used in chapters
    16 and 17.
    """
    return _ready("mnist")


def fastai_home():
    """Return the folder in which fastai's `untar_data` finds MNIST without a network.

    Returns
    -------
    pathlib.Path
        Pass it as ``base``: ``untar_data(URLs.MNIST_SAMPLE, base=data.fastai_home())``
        returns what `mnist_sample` does, ``URLs.MNIST`` what `mnist_png` does. It is a
        temporary folder with fastai's settings, in which fastai leaves its locks; the
        data are elsewhere, and nothing is written beside them or to your home.
    """
    return _fastai_settings(_ready("fastai"))


@functools.cache
def _fastai_settings(store):
    """Make a folder for fastai's settings that name the data in a store."""
    folder = Path(tempfile.mkdtemp(prefix="first-tensor-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    place = str(store / "data").replace("%", "%%")
    text = f"[DEFAULT]\ndata = {place}\narchive = archive\n"
    (folder / "config.ini").write_text(text, encoding="utf-8")
    return folder


def mnist_png():
    """Return MNIST as fastai lays it out: folders ``training`` and ``testing``.

    Returns
    -------
    pathlib.Path
        In each of the two, a folder a digit, ``0`` to ``9``, of PNG files.

    Notes
    -----
    Embedded: the images of `mnist`. Used in chapters 14 and 15.
    """
    return _ready("fastai") / "data" / "mnist_png"


def mnist_sample():
    """Return fastai's sample of MNIST, only 3 and 7: folders ``train`` and ``valid``.

    Returns
    -------
    pathlib.Path
        In each of the two, the folders ``3`` and ``7`` of PNG files; ``labels.csv``
        lists all of them with label 0 for a 3 and 1 for a 7.

    Notes
    -----
    Embedded: those images of `mnist`, 1,702 and 400 of them. Used in chapters 13
    and 14.
    """
    return _ready("fastai") / "data" / "mnist_sample"


def cifar10():
    """Return the root folder for `CIFAR10`, the reader in this package.

    Returns
    -------
    pathlib.Path
        Pass it as ``root``: ``data.CIFAR10(data.cifar10(), train=True,
        download=True)``. With the real set `torchvision.datasets.CIFAR10` reads it as
        well.

    Notes
    -----
    Embedded: a drawn stand-in of 10,000 training and 2,000 test images with the
    classes, shapes and files of CIFAR-10. Accuracies on it say nothing about CIFAR-10.
    Used in chapter 10, CIFAR-10.
    """
    return _ready("cifar10")


def pizza_steak_sushi():
    """Return a folder with ``train`` and ``test``, each with a folder a class.

    Returns
    -------
    pathlib.Path
        Either half suits `torchvision.datasets.ImageFolder`: 225 and 75 JPEG files of
        unequal sizes, in the classes pizza, steak and sushi.

    Notes
    -----
    Embedded: a drawn stand-in. Used in chapters 11, 12, 13 and 15.
    """
    return _ready("pizza_steak_sushi") / "pizza_steak_sushi"


def pizza_steak_sushi_zip():
    """Return the zip file from which `pizza_steak_sushi` was unpacked.

    Returns
    -------
    pathlib.Path

    Notes
    -----
    `pooch.retrieve` finds it and downloads nothing, if told its folder, its name and
    its checksum, `pizza_steak_sushi_sha256`. Used in chapter 11, Custom datasets.
    """
    return _ready("pizza_steak_sushi") / "pizza_steak_sushi.zip"


def pizza_steak_sushi_sha256():
    """Return the SHA-256 that the file of `pizza_steak_sushi_zip` must have.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    if mode() == "full":
        return _sets.PIZZA_SHA256
    return _checksum("pizza_steak_sushi/pizza_steak_sushi.zip")


def photo():
    """Return one image of a pizza to predict on, larger than those of the set.

    Returns
    -------
    pathlib.Path
        A JPEG file.

    Notes
    -----
    Embedded: a drawn stand-in of a design that `pizza_steak_sushi` does not show. Full:
    the first of the test photos. Used in chapters 12 and 15.
    """
    if mode() == "full":
        return min((pizza_steak_sushi() / "test" / "pizza").glob("*.jpg"))
    return _embedded("photo/pizza.jpg")


def imagenet_weights():
    """Return a state dict of timm's ``tf_efficientnet_lite0``, trained on ImageNet.

    Returns
    -------
    pathlib.Path
        A file that `torch.load` reads with ``weights_only=True``.

    Notes
    -----
    timm and fastai take the file by its path and then need no network:

    >>> weights = {"file": str(data.imagenet_weights())}
    >>> model = timm.create_model(
    ...     "tf_efficientnet_lite0", pretrained=True, pretrained_cfg_overlay=weights
    ... )
    >>> learn = vision_learner(
    ...     dls, "tf_efficientnet_lite0", pretrained_cfg_overlay=weights
    ... )

    The model expects images normalised with mean 0.5 and standard deviation 0.5;
    `vision_learner` sees to that itself. Used in chapters 4, 12, 13 and 15.
    """
    return _ready("imagenet_weights") / f"{_sets.IMAGENET_MODEL}.pth"


def describe(name=None, *, where=False):
    """Print in words what is loaded, and how many examples.

    Parameters
    ----------
    name : str, optional
        A data set by the name of its function, such as ``"cifar10"``; all of them
        without it.
    where : bool
        Print the folder as well, which differs from machine to machine.

    Raises
    ------
    ValueError
        If `name` is unknown, or ``COURSE_DATA`` is neither ``embedded`` nor ``full``.

    Notes
    -----
    Taught in chapter 08, Computer vision.
    """
    if name is not None:
        _check_name(name, _sets.SETS)
    current = mode()
    for key in _sets.SETS if name is None else [name]:
        described = _sets.SETS[key]
        words = f"{described.title}: {getattr(described, current)}."
        print(textwrap.fill(words, 78, subsequent_indent="    "))
        if where:
            print(f"    in {_place(key, current)}")


def recorded(name):
    """Return results of a run that takes more than a chapter's time or machine.

    Parameters
    ----------
    name : str
        A table of the file ``data/recorded.toml``.

    Returns
    -------
    dict
        The numbers under ``"results"``; how they came about under ``"how"``,
        ``"device"``, ``"versions"`` and ``"date"``.

    Raises
    ------
    ValueError
        If `name` is unknown.

    Examples
    --------
    >>> from helpers import data
    >>> data.recorded("fashion_mnist_full")["results"]["V0, linear"]["accuracy"]
    0.8341

    Used in chapter 08, Computer vision.
    """
    records = tomllib.loads((_sets.EMBEDDED / "recorded.toml").read_text("utf-8"))
    _check_name(name, records)
    return records[name]


class Status(NamedTuple):
    """State of one data set; `size` is in bytes, `advice` is empty if all is well."""

    name: str
    mode: str
    state: str
    size: int
    where: Path
    advice: str


def status():
    """Tell the state of each data set; nothing is unpacked, downloaded or written.

    Returns
    -------
    list of Status
        `state` is ``"ready"``, ``"not unpacked yet"``, ``"not downloaded yet"``,
        ``"damaged"`` or ``"missing"``. The last two come with an advice.

    Raises
    ------
    ValueError
        If ``COURSE_DATA`` is neither ``embedded`` nor ``full``.
    """
    current = mode()
    return [_state(name, current) for name in _sets.SETS]


def _check_name(name, known):
    """Raise ValueError unless a name is one of those known."""
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"name must be one of {', '.join(known)}, got {name!r}{hint}")


def _ready(name):
    """Return the folder of a store, made or downloaded if need be."""
    current, store = mode(), _sets.STORES[name]
    fetch = current == "full" and store.fetch is not None
    return _cache.materialise(
        _folder(name, current),
        lambda folder: (_download if fetch else _build)(store, folder),
        title=store.title,
        size=store.full_size if fetch else store.embedded_size,
    )


def _folder(name, current):
    """Name the folder of a store after what it is made from.

    So two versions of the course do not undo each other's data.
    """
    store = _sets.STORES[name]
    if current == "full" and store.fetch is not None:
        return cache_dir() / f"{name}-full"
    key = " ".join([str(store.version), *map(_checksum, store.sources)])
    return cache_dir() / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _build(store, folder):
    for source in store.sources:
        _embedded(source)
    store.build(folder)


def _download(store, folder):
    for pause in (*PAUSES, None):
        try:
            return store.fetch(folder)
        except Exception as error:
            # Each library has errors of its own for a download that fails.
            if getattr(error, "errno", None) in LOCAL_ERRORS:
                raise
            if pause is None:
                raise DataError(
                    f"{store.title} could not be downloaded from {store.host}; the "
                    f"last of {len(PAUSES) + 1} tries ended with "
                    f"{type(error).__name__}: {error}. Without a network use the "
                    "embedded set: start Jupyter with COURSE_DATA=embedded."
                ) from error
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        time.sleep(pause)


def _checksums():
    """Read the SHA-256 of each embedded file."""
    path = _sets.EMBEDDED / "SHA256SUMS"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(
            f"the embedded data sets are not in {_sets.EMBEDDED}, next to the package; "
            "open a terminal in the course's folder, first-tensor, and install it from "
            "there: pip install --no-deps -e ."
        ) from error
    except ValueError:
        lines = ["no text"]
    found = [re.fullmatch(r"([0-9a-f]{64})  (\S+)", line) for line in lines]
    if not all(found):
        raise DataError(f"{path} is damaged; {_restore('SHA256SUMS')}")
    return {line[2]: line[1] for line in found}


def _checksum(source):
    try:
        return _checksums()[source]
    except KeyError:
        path = _sets.EMBEDDED / "SHA256SUMS"
        cure = _restore("SHA256SUMS")
        raise DataError(f"{path} has no line for {source}; {cure}") from None


def _restore(source):
    # Most readers have the course from its zip, and no Git.
    return (
        f"restore data/{source} from the course's zip, or in a clone with: "
        f"git checkout -- data/{source}"
    )


def _embedded(source):
    """Return an embedded file, its checksum compared."""
    path = _sets.EMBEDDED / source
    try:
        found = _cache.sha256(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read; {_restore(source)}") from error
    if found != _checksum(source):
        raise DataError(f"{path} is damaged; {_restore(source)}")
    return path


def _place(name, current):
    """Return where a data set is, or belongs."""
    if name == "photo" and current == "embedded":
        return _sets.EMBEDDED / "photo" / "pizza.jpg"
    return _folder(_sets.SETS[name].store, current)


def _state(name, current):
    try:
        place = _place(name, current)
        if name == "photo" and current == "embedded":
            return Status(name, current, "ready", photo().stat().st_size, place, "")
    except DataError as error:
        return Status(name, current, "missing", 0, _sets.EMBEDDED, str(error))
    store = _sets.STORES[_sets.SETS[name].store]
    fetch = current == "full" and store.fetch is not None
    size = store.full_size if fetch else store.embedded_size
    if place.exists():
        problem = _cache.fault(place)
        if problem is None:
            return Status(name, current, "ready", size, place, "")
        advice = f"{problem}; it is made again at its next use."
        return Status(name, current, "damaged", size, place, advice)
    if fetch:
        return Status(name, current, "not downloaded yet", size, place, "")
    try:
        for source in store.sources:
            _embedded(source)
        if name == "imagenet_weights":
            _sets.imagenet_file()
    except DataError as error:
        return Status(name, current, "missing", size, place, str(error))
    return Status(name, current, "not unpacked yet", size, place, "")
