"""Chapter 08 quotes figures for the full FashionMNIST; here they are reproduced.

The models and loaders are those of the notebook's own cells. The tests run where the
full set is at hand, and skip with a message where it is not.
"""

import random
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
)
from torchvision import datasets, transforms

from helpers import data
from helpers.data import _sets
from helpers.training import train_step

pytestmark = pytest.mark.machinery

CHAPTERS = Path(__file__).parent.parent / "chapters"
NOTEBOOK = CHAPTERS / "08_computer_vision.ipynb"
NEXT = CHAPTERS / "09_convolutional_networks.ipynb"
CELLS = [
    "model-v0",
    "model-v1",
    "model-v1-without-output-relu",
    "model-tinyvgg",
    "fast-loader",
    "full-set-figures",
]
DRESS = 3


@pytest.fixture(scope="module")
def chapter():
    """Run the cells that define models, loaders and the quoted figures."""
    cells = nbformat.read(NOTEBOOK, as_version=nbformat.NO_CONVERT).cells
    source = {cell.id: cell.source for cell in cells}
    names = {"nn": nn, "pd": pd, "DataLoader": DataLoader, "BatchSampler": BatchSampler}
    names |= {"RandomSampler": RandomSampler, "SequentialSampler": SequentialSampler}
    names |= {"TensorDataset": TensorDataset, "data": data}
    for cell in CELLS:
        exec(source[cell], names)
    return SimpleNamespace(**names)


@pytest.fixture(scope="module")
def full():
    """Load the training and the test set, if the full set needs no download."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA", "full")
        states = {status.name: status.state for status in data.status()}
        packaged = len(list(_sets.DEBIAN_FASHION.glob("*-ubyte.gz"))) == 4
        if states["fashion_mnist"] != "ready" and not packaged:
            pytest.skip(
                "the full FashionMNIST is not here; install Debian's package "
                "dataset-fashion-mnist, or load it once with COURSE_DATA=full"
            )
        root = data.fashion_mnist()
    to_tensor = transforms.ToTensor()
    return [
        datasets.FashionMNIST(root, train=train, transform=to_tensor)
        for train in (True, False)
    ]


@pytest.fixture(scope="module")
def tensors(chapter, full):
    return [chapter.in_memory(dataset) for dataset in full]


@pytest.fixture(scope="module")
def train(chapter, tensors):
    """Train as the chapter does: SGD 0.1, batches of 32, three epochs, seed 42."""

    def run(build, *arguments, seed=42):
        state = torch.get_rng_state()
        loss_fn = nn.CrossEntropyLoss()
        torch.manual_seed(seed)
        # The order of a picture's numbers in memory is nothing but speed: convolutions
        # take two thirds of the time.
        model = build(*arguments).to(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        batches = chapter.fast_loader(tensors[0], shuffle=True, drop_last=True)
        unshuffled = chapter.fast_loader(tensors[1])
        torch.manual_seed(seed)
        for _ in range(3):
            scores = train_step(model, batches, loss_fn, optimizer, device="cpu")
            # A test after each epoch draws a number, so it belongs to the order of
            # batches; what it measures is asked for after the last one alone.
            testing = iter(unshuffled)
        model.eval()
        with torch.inference_mode():
            pairs = [(model(x), y) for x, y in testing]
        torch.set_rng_state(state)
        logits, labels = map(torch.cat, zip(*pairs, strict=True))
        right = logits.argmax(dim=1) == labels
        return SimpleNamespace(
            train_loss=scores.loss,
            loss=loss_fn(logits, labels).item(),
            accuracy=right.float().mean().item(),
            loss_of_batches=torch.stack([loss_fn(*pair) for pair in pairs]).mean(),
            accuracy_of_batches=torch.stack(
                [part.float().mean() for part in right.split(32)]
            ).mean(),
            predicted=logits.argmax(dim=1),
        )

    return run


def compare(chapter, name, run, *, loss=1e-3, accuracy=2e-3):
    quoted = chapter.full_set.loc[name]
    assert run.loss == pytest.approx(quoted["loss"], abs=loss)
    assert run.accuracy == pytest.approx(quoted["accuracy"], abs=accuracy)


def test_the_next_chapter_copies_cells_word_for_word():
    first, second = (
        {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}
        for path in (NOTEBOOK, NEXT)
    )
    for name in ("model-tinyvgg", "fast-loader"):
        assert second[name] == first[name]


def test_it_is_the_full_set(full):
    train_data, test_data = full
    assert (len(train_data), len(test_data)) == (60_000, 10_000)
    assert train_data[0][1] == 9
    assert train_data.classes[9] == "Ankle boot"
    nine = random.Random(42).sample(range(10_000), k=9)
    assert test_data.targets[nine].tolist() == [5, 1, 7, 4, 3, 0, 4, 7, 1]


def test_fast_batches_are_those_of_the_plain_loader(chapter, full, tensors):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(42)
        plain = DataLoader(full[0], batch_size=32, shuffle=True, drop_last=True)
        plain = list(plain)
        torch.manual_seed(42)
        fast = list(chapter.fast_loader(tensors[0], shuffle=True, drop_last=True))
    assert len(plain) == len(fast) == 1875
    for (x, y), (x_fast, y_fast) in zip(plain, fast, strict=True):
        assert torch.equal(x, x_fast)
        assert torch.equal(y, y_fast)


def test_v0(chapter, train):
    run = train(chapter.FashionV0, 784, 10, 10)
    compare(chapter, "V0, linear", run)
    assert run.train_loss == pytest.approx(0.45503, abs=5e-4)
    assert run.loss_of_batches == pytest.approx(0.476639, abs=1e-3)
    assert run.accuracy_of_batches == pytest.approx(0.834265, abs=2e-3)
    # The mean of batches overweights the last 16 pictures.
    assert run.accuracy_of_batches != pytest.approx(run.accuracy, abs=1e-6)


def test_v1_and_the_relu_at_its_output(chapter, train):
    run = train(chapter.FashionV1, 784, 10, 10)
    compare(chapter, "V1, ReLU", run)
    assert run.train_loss == pytest.approx(0.67027, abs=5e-4)
    assert run.loss_of_batches == pytest.approx(0.685001, abs=1e-3)
    assert run.accuracy_of_batches == pytest.approx(0.7502, abs=2e-3)
    assert (run.predicted != DRESS).all()

    mended = train(chapter.without_output_relu, 784, 10, 10)
    compare(chapter, "V1, no ReLU at the output", mended)
    assert mended.accuracy > run.accuracy + 0.08
    assert mended.predicted.unique().numel() == 10


def test_silence_is_a_matter_of_luck(chapter, train):
    silent = set()
    for seed in range(5):
        run = train(chapter.FashionV1, 784, 10, 10, seed=seed)
        silent.add(run.predicted.unique().numel() < 10)
        if len(silent) == 2:
            break  # both have been seen
    assert silent == {True, False}


def test_tinyvgg(chapter, train):
    # Convolutions are added up in an order that depends on threads and machine; three
    # epochs on, the runs seen here lie between 87.8 % and 88.4 %.
    run = train(chapter.TinyVGG, 1, 10, 10)
    compare(chapter, "TinyVGG", run, loss=0.02, accuracy=0.01)
    assert run.accuracy_of_batches == pytest.approx(0.8838, abs=0.012)
    assert run.loss_of_batches == pytest.approx(0.328570, abs=0.02)
