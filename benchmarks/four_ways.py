"""Lines, time and overhead a step of chapter 17's four ways: a table.

Run ``python benchmarks/four_ways.py`` on an otherwise idle machine.
"""

import argparse
from statistics import median
from time import perf_counter

import pandas as pd
import torch
from notebook_cells import run_cells
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

CELLS = [
    "imports",
    "quiet-and-deterministic",
    "digits",
    "fresh-model-and-loaders",
    "recording-loss",
    "way-bare-loop",
    "way-helpers",
    "way-fastai",
    "way-lightning",
    "run-four-ways",
    "count-lines",
]


def main():
    """Time every way on the chapter's network and on one of ten parameters."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="runs after a warm-up")
    repeats = parser.parse_args().repeats
    chapter = run_cells("17_four_ways", CELLS)
    device = chapter["device"]
    tiny_set = TensorDataset(torch.randn(12_800, 4), torch.randint(2, (12_800,)))
    problems = {
        "chapter's network": (chapter["fresh_model"], chapter["train_set"]),
        "ten parameters": (lambda: nn.Linear(4, 2).to(device), tiny_set),
    }
    table = pd.DataFrame(
        {
            "lines": {
                name: chapter["count_lines"](sources)
                for name, sources in chapter["SOURCES"].items()
            }
        }
    )
    for title, (make_model, dataset) in problems.items():
        times = {name: [] for name in chapter["WAYS"]}
        for repeat in range(repeats + 1):
            # One after the other, so that a slow moment hits all of them.
            for name, way in chapter["WAYS"].items():
                loss_fn = chapter["RecordingLoss"]()
                loaders = DataLoader(dataset, 64), DataLoader(dataset, 2048)
                start = perf_counter()
                way(make_model(), *loaders, loss_fn)
                elapsed = perf_counter() - start
                if repeat:  # the first one warms up
                    times[name].append(1000 * elapsed / len(loss_fn.steps))
        medians = pd.Series({name: median(values) for name, values in times.items()})
        table[f"{title}: ms a step"] = medians
        table[f"{title}: overhead"] = medians - medians["bare loop"]
    print(table.round(3).to_markdown())


if __name__ == "__main__":
    main()
