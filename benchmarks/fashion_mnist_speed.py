"""Plain training loop against the fast one of chapters 08 and 09, in one run: a table.

Run ``python benchmarks/fashion_mnist_speed.py`` on an otherwise idle machine. It takes
the full FashionMNIST unless ``COURSE_DATA`` says otherwise.
"""

import argparse
import os
import platform
from time import perf_counter

import pandas as pd
import torch
from notebook_cells import run_cells
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from helpers import data
from helpers.device import get_device
from helpers.training import test_step, train_step

CELLS = ["imports", "model-v0", "model-tinyvgg", "fast-loader"]
GOAL = 0.7
LAST = {"memory_format": torch.channels_last}


def same_batches(plain, fast):
    """Tell whether two loaders give the same batches from the same seed."""
    torch.manual_seed(42)
    expected = list(plain)
    torch.manual_seed(42)
    return all(
        torch.equal(x, x_fast) and torch.equal(y, y_fast)
        for (x, y), (x_fast, y_fast) in zip(expected, fast, strict=True)
    )


def train(build, loaders, device, epochs, *, fused=False, compiled=False, **options):
    """Train and test as chapter 08 does; give seconds and the scores of the test."""
    loss_fn = nn.CrossEntropyLoss()
    torch.manual_seed(42)
    model = build().to(device, **options)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=fused)
    warm_up = 0.0
    if compiled:
        model = torch.compile(model)
        start = perf_counter()
        inputs, labels = next(iter(loaders[0]))
        loss_fn(model(inputs.to(device)), labels.to(device)).backward()
        optimizer.zero_grad()
        warm_up = perf_counter() - start
    torch.manual_seed(42)
    start = perf_counter()
    for _ in range(epochs):
        train_step(model, loaders[0], loss_fn, optimizer, device=device)
        # It reads each loss, so the device has finished when it returns.
        scores = test_step(model, loaders[1], loss_fn, device=device)
    seconds = perf_counter() - start
    return {
        "seconds": seconds,
        "test loss": scores.loss,
        "test accuracy": scores.metric,
        "compilation, s": warm_up,
    }


def gelu(x):
    """Apply the tanh form of GELU, written as many element-wise operations."""
    return 0.5 * x * (1 + torch.tanh(0.7978845608 * (x + 0.044715 * x**3)))


def time_gelu(device, repeats=50):
    """Time a chain of element-wise operations, eager and compiled."""
    x = torch.randn(4_000_000, device=device)
    rows = {}
    for name, function in {"eager": gelu, "compiled": torch.compile(gelu)}.items():
        start = perf_counter()
        with torch.inference_mode():
            function(x).sum().item()
            first = perf_counter() - start
            start = perf_counter()
            for _ in range(repeats):
                function(x).sum().item()
        mean = 1000 * (perf_counter() - start) / repeats
        rows[name] = {"first call, s": first, "later calls, ms": mean}
    return pd.DataFrame(rows).T


def main():
    """Train both models in all variants and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument(
        "--compile", action="store_true", help="also torch.compile, which needs C++"
    )
    arguments = parser.parse_args()
    os.environ.setdefault("COURSE_DATA", "full")
    device, root = get_device(), data.fashion_mnist()
    chapter = run_cells("08_computer_vision", CELLS)
    in_memory, fast_loader = chapter["in_memory"], chapter["fast_loader"]

    to_tensor = transforms.ToTensor()
    train_data, test_data = (
        datasets.FashionMNIST(root, train=part, transform=to_tensor)
        for part in (True, False)
    )
    plain = (
        DataLoader(train_data, batch_size=32, shuffle=True, drop_last=True),
        DataLoader(test_data, batch_size=32),
    )
    start = perf_counter()
    tensors = in_memory(train_data), in_memory(test_data)
    decoding = perf_counter() - start
    fast = (
        fast_loader(tensors[0], shuffle=True, drop_last=True),
        fast_loader(tensors[1], batch_size=1000),
    )
    print(
        f"{len(train_data):,} + {len(test_data):,} images, {arguments.epochs} epochs,"
        f" {device}, {torch.get_num_threads()} thread(s), {platform.machine()},"
        f" PyTorch {torch.__version__}"
    )
    print(f"identical batches: {same_batches(plain[0], fast[0])}")
    print(f"decoding all images once: {decoding:.1f} s, counted in the fast rows\n")

    def v0():
        return chapter["FashionV0"](784, 10, 10)

    def tiny():
        return chapter["TinyVGG"](1, 10, 10)

    variants = {
        "V0": [
            ("plain loop", v0, plain, {}),
            ("in memory", v0, fast, {}),
        ],
        "TinyVGG": [
            ("plain loop", tiny, plain, {}),
            ("in memory", tiny, fast, {}),
            ("+ channels_last", tiny, fast, LAST),
            ("+ fused SGD", tiny, fast, {**LAST, "fused": True}),
        ],
    }
    if arguments.compile:
        compiled = {**LAST, "fused": True, "compiled": True}
        variants["TinyVGG"].append(("+ torch.compile", tiny, fast, compiled))
    rows = []
    for model, runs in variants.items():
        for name, build, loaders, options in runs:
            row = train(build, loaders, device, arguments.epochs, **options)
            row["seconds"] += 0 if loaders is plain else decoding
            rows.append({"model": model, "loop": name, **row})
    table = pd.DataFrame(rows)
    plain_seconds = table.groupby("model")["seconds"].transform("first")
    table.insert(3, "ratio", table["seconds"] / plain_seconds)
    if not arguments.compile:
        table = table.drop(columns="compilation, s")
    print(table.to_markdown(index=False, floatfmt=("", "", ".1f", ".2f", ".4f", ".4f")))

    best = table.groupby("model")["ratio"].min()
    for model, ratio in best.items():
        verdict = "met" if ratio <= GOAL else "not met"
        print(f"\n{model}: best ratio {ratio:.2f}, goal {GOAL}: {verdict}")
    if arguments.compile:
        print("\nA chain of element-wise operations, 4 million numbers:\n")
        print(time_gelu(device).to_markdown(floatfmt=".2f"))


if __name__ == "__main__":
    main()
