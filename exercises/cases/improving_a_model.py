"""What the checkers are tried on: improving a model, and transfer learning."""

from . import Case, Mutant

CASES = {
    "ex-one-batch": Case(
        mutants=(
            Mutant(".unsqueeze(0)", "", "without a batch axis"),
            Mutant(".unsqueeze(0)", ".unsqueeze(-1)", "in front"),
            Mutant("    model.eval()\n", "", "in training mode"),
            Mutant("with torch.inference_mode():", "if True:", "Gradients"),
            Mutant("softmax(dim=1)", "softmax(dim=0)", "which axis"),
            Mutant("logits.softmax(dim=1)[0]", "logits[0]", "is a logit"),
            Mutant("argmax", "argmin", "smallest probability"),
        ),
        others=(
            """
@torch.no_grad()
def predict_one(model, image):
    model = model.train(False)
    scores = model(image[None].to(next(model.parameters()).device)).cpu()
    top = torch.nn.functional.softmax(scores, dim=-1).max(dim=-1)
    return [top.indices, top.values]
""",
            """
def predict_one(model, image):
    model.eval()
    with torch.inference_mode():
        probabilities = model(image[None].to(device)).softmax(dim=1)[0]
    probability, number = probabilities.max(dim=0)
    return number.item(), probability.item()
""",
            """
@torch.no_grad()
def predict_one(model, image):
    mode = model.training
    model.train(mode=False)
    try:
        batch = DataLoader([image], batch_size=1)
        (logits,) = torch.cat([model(x.to(device)) for x in batch])
    finally:
        model.train(mode)
    values = nn.Softmax(dim=0)(logits).tolist()
    best = values.index(max(values))
    return best, float(values[best])
""",
        ),
    ),
    "ex-longer": Case(
        mutants=(
            Mutant(
                "            start = 0\n        elif",
                "            pass\n        elif",
                "the first dip",
            ),
            Mutant("chance - margin", "chance", "ignores the margin"),
            Mutant(
                "            start = epoch", "            start = epoch - 1", "early"
            ),
            Mutant("    return start", "    return losses.idxmin()", "smallest loss"),
            Mutant("    return start", "    return start or None", "returns nothing"),
            Mutant(
                "    return start", "    return start or len(losses)", "return 0 if"
            ),
            Mutant(
                "for epoch, loss in losses.items():",
                "for epoch in range(len(losses)):\n        loss = losses[epoch]",
                "begin with 1",
            ),
        ),
        others=(
            """
import numpy as np


def starts(losses, chance, margin=0.05):
    above = np.flatnonzero(np.asarray(losses) >= chance - margin)
    start = above[-1] + 2 if len(above) else 1
    return 0 if start > len(losses) else start
""",
            """
def starts(losses, chance, margin=0.05):
    below = losses < chance - margin
    failures = below.index[~below]
    if failures.empty:
        return 1
    last = int(failures.max())
    return last + 1 if last < len(losses) else 0
""",
            """
def starts(losses, chance, margin=0.05):
    first = 0
    for epoch in reversed(losses.index):
        if not losses[epoch] < chance - margin:
            break
        first = epoch
    return first
""",
        ),
        needs=("imports", "data-again", "tensors-again", "compare-input", "split"),
    ),
    "ex-technique": Case(
        mutants=(
            Mutant("image.clone()", "image", "Work on a copy"),
            Mutant("result[:, row", "result[0, row", "The channels have different"),
            Mutant("result[:, row", "result[row", "has its channels first"),
            Mutant(
                "random.randint(0, height - side)  # includes both ends",
                "torch.randint(height - side, ()).item()",
                "the last row",
            ),
            Mutant(
                "random.randint(0, width - side)",
                "random.randint(0, width - 1)",
                "outside the image",
            ),
            Mutant(
                "random.randint(0, width - side)",
                "min(row, width - side)",
                "Some places are never",
            ),
            Mutant(
                "    height, width = image.shape[1:]\n",
                "    height = width = min(image.shape[1:])\n",
                "the last row",
            ),
            Mutant(
                "    row = random.randint(0, height - side)  # includes both ends\n"
                "    column = random.randint(0, width - side)\n",
                "    row = column = random.randint(0, min(height, width) - side)\n",
                "moves along",
            ),
            Mutant(
                "    height, width = image.shape[1:]\n",
                "    height, width = image.shape[1:]\n    random.seed(0)\n",
                "same place every time",
            ),
            Mutant(
                "column : column + side]",
                "column : column + side + 1]",
                "the hole is up to",
            ),
            Mutant("] = 0", "] = image.max()", "not filled with 0"),
        ),
        others=(
            """
def cutout(image, side):
    _, height, width = image.shape
    top = torch.randint(0, height - side + 1, (1,))
    left = torch.randint(0, width - side + 1, (1,))
    rows, columns = torch.arange(height), torch.arange(width)
    inside = ((rows >= top) & (rows < top + side))[:, None]
    inside = inside & (columns >= left) & (columns < left + side)
    return image.masked_fill(inside, 0)
""",
            """
def cutout(image, side):
    copied = image.clone()
    height, width = image.shape[-2:]
    top = torch.randint(height - side + 1, ()).item()
    left = torch.randint(width - side + 1, ()).item()
    copied[:, top : top + side, left : left + side] = 0
    return copied
""",
            """
def cutout(image, side):
    _, height, width = image.shape
    rows, columns = torch.arange(height), torch.arange(width)
    top = random.randint(0, height - side)
    left = random.randint(0, width - side)
    in_rows = (rows >= top) & (rows < top + side)
    in_columns = (columns >= left) & (columns < left + side)
    square = in_rows[:, None] & in_columns[None, :]
    return image.masked_fill(square.to(image.device), 0)
""",
        ),
    ),
    "ex-any-file": Case(
        mutants=(
            Mutant('.convert("RGB")', "", "ask for RGB"),
            Mutant("ImageOps.exif_transpose(opened)", "opened.copy()", "on its side"),
            Mutant('convert("RGB"))', 'convert("RGB")) / 255', "whole numbers"),
            Mutant(
                'convert("RGB"))',
                'convert("RGB")).unsqueeze(0)',
                "without a batch axis",
            ),
            Mutant(
                'convert("RGB"))',
                'convert("RGB")).permute(1, 2, 0)',
                "channels come last",
            ),
            Mutant('convert("RGB"))', 'convert("RGB")).numpy()', "not a tensor"),
            Mutant('convert("RGB"))', 'convert("RGB")).flip(0)', "as a different one"),
        ),
        others=(
            """
import numpy as np
from PIL import ImageOps
def load_any(path):
    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    return torch.from_numpy(np.array(upright)).permute(2, 0, 1)
""",
            """
from torchvision.io import ImageReadMode, decode_image


def load_any(path):
    image = decode_image(str(path), mode=ImageReadMode.RGB, apply_exif_orientation=True)
    if image.dtype != torch.uint8:
        image = v2.functional.to_dtype(image, torch.uint8, scale=True)
    return image
""",
            """
import numpy as np
from PIL import ImageOps


def load_any(path):
    with Image.open(path) as file:
        upright = ImageOps.exif_transpose(file)
    if upright.mode.startswith("I"):
        numbers = np.asarray(upright).astype(np.int64) // 257
        upright = Image.fromarray(numbers.astype(np.uint8))
    if upright.mode == "P":
        upright = upright.convert("RGBA")
    numbers = np.array(upright.convert("RGB"), dtype=np.uint8)
    return torch.from_numpy(numbers).permute(2, 0, 1).contiguous()
""",
        ),
    ),
    "ex-many-files": Case(
        needs=("imports", "data-again", "ex-any-file-solution"),
        mutants=(
            Mutant(".to(device).eval()", ".to(device)", "dropout is still at work"),
            Mutant("with torch.inference_mode():", "if True:", "Gradients"),
            Mutant(".softmax(dim=1)", "", "hold logits"),
            Mutant(".softmax(dim=1)", ".softmax(dim=0)", "which axis"),
            Mutant(".softmax(dim=1)", ".softmax(dim=1).softmax(dim=1)", "twice"),
            Mutant("len(paths), 25", "len(paths) - 24, 25", "the last batch"),
            Mutant("25", "5", "in batches of"),
            Mutant("path.name for path in paths", "str(p) for p in paths", "machine"),
            Mutant(
                "[path.name for path in paths]",
                "sorted(path.name for path in paths)",
                "in the order of",
            ),
            Mutant("idxmax", "idxmin", "the largest probability"),
            Mutant(
                "frame[class_names].idxmax(axis=1)",
                "torch.cat(parts).argmax(dim=1).numpy()",
                "numbers of the classes",
            ),
            Mutant(
                "columns=class_names",
                "columns=class_names[::-1]",
                "order of `class_names`",
            ),
        ),
        others=(
            """
from torchvision.io import decode_image


def predict_files(model, paths, transform):
    images = [transform(decode_image(str(p), mode="RGB")) for p in paths]
    model = model.to(device).eval()
    with torch.no_grad():
        scores = [model(x.to(device)) for x in torch.stack(images).split(25)]
    probabilities = torch.cat(scores).softmax(1).cpu()
    table = {"file": [p.name for p in paths]}
    table |= {c: probabilities[:, i].numpy() for i, c in enumerate(class_names)}
    best = [class_names[i] for i in probabilities.argmax(1)]
    return pd.DataFrame(table | {"predicted": best})
""",
            """
from torchvision.io import decode_image


def predict_files(model, paths, transform):
    model.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(paths), 25):
            batch = torch.stack(
                [transform(decode_image(p)) for p in paths[start : start + 25]]
            )
            parts.append(model(batch.to(device)).softmax(dim=1).cpu())
    table = pd.DataFrame(torch.cat(parts).numpy(), columns=class_names)
    table.insert(0, "file", [p.name for p in paths])
    return table.assign(predicted=table[class_names].idxmax(axis=1))
""",
            """
from torchvision.io import decode_image


class _Files(Dataset):
    def __init__(self, paths, transform):
        self.paths = [Path(path) for path in paths]
        self.transform = transform

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        path = self.paths[index]
        return path.name, self.transform(decode_image(str(path)))


@torch.no_grad()
def predict_files(model, paths, transform):
    was_training = model.training
    model.train(False)
    rows = []
    for names, images in DataLoader(_Files(paths, transform), batch_size=25):
        probabilities = torch.softmax(model(images.to(device)), dim=-1).tolist()
        for name, row in zip(names, probabilities, strict=True):
            record = {"file": name}
            record.update(zip(class_names, row, strict=True))
            record["predicted"] = max(class_names, key=record.get)
            rows.append(record)
    model.train(was_training)
    return pd.DataFrame(rows, columns=["file", *class_names, "predicted"])
""",
        ),
    ),
    "ex-own-model": Case(
        mutants=(
            Mutant(
                "test_step(model, valid_loader",
                "test_step(model, test_loader",
                "made by the test set",
            ),
            Mutant(
                "device=device).loss\n",
                "device=device).metric * -1\n",
                "validation accuracy",
            ),
            Mutant("min(losses", "max(losses", "the highest loss"),
            Mutant(
                "scores = test_step(models[chosen], test_loader, loss_fn, "
                "device=device)",
                "scores = {\n"
                "        name: test_step(model, test_loader, loss_fn, device=device)\n"
                "        for name, model in models.items()\n"
                "    }[chosen]",
                "then measure only the chosen one",
            ),
            Mutant(
                "models[chosen], test_loader", "models[chosen], valid_loader", "flat"
            ),
            Mutant("scores.metric", "scores.loss", "is a loss"),
            Mutant("scores.metric", "100 * scores.metric", "percentage"),
            Mutant(
                "scores.metric",
                "pd.Series([test_step(models[chosen], [batch], loss_fn, "
                "device=device).metric for batch in test_loader]).mean()",
                "mean of the batch accuracies",
            ),
            Mutant(
                "    loss_fn = nn.CrossEntropyLoss()\n",
                "    loss_fn = nn.CrossEntropyLoss()\n"
                "    for x, y in valid_loader:\n"
                "        for model in models.values():\n"
                "            model.train()\n"
                "            loss_fn(model(x.to(device)), y.to(device))\n",
                "in training mode",
            ),
            Mutant(
                "    chosen = min(losses",
                "    with torch.no_grad():\n"
                "        for one in models.values():\n"
                "            one.logits.zero_()\n"
                "    chosen = min(losses",
                "The accuracy on the test set is",
            ),
        ),
        others=(
            """
def choose_and_test(models, valid_loader, test_loader):
    def scores(name, loader):
        model = models[name].eval()
        with torch.no_grad():
            logits = torch.cat([model(x.to(device)).cpu() for x, _ in loader])
        labels = torch.cat([y for _, y in loader])
        loss = nn.functional.cross_entropy(logits, labels)
        return loss, (logits.argmax(1) == labels).double().mean()
    ranked = sorted(models, key=lambda name: scores(name, valid_loader)[0].item())
    return [ranked[0], scores(ranked[0], test_loader)[1]]
""",
            """
def _outputs(model, loader):
    model.eval()
    with torch.inference_mode():
        pairs = [(model(x.to(device)).cpu(), y.cpu()) for x, y in loader]
    logits, labels = zip(*pairs, strict=True)
    return torch.cat(logits), torch.cat(labels)


def choose_and_test(models, valid_loader, test_loader):
    losses = {
        name: nn.functional.cross_entropy(*_outputs(model, valid_loader)).item()
        for name, model in models.items()
    }
    best = min(losses, key=losses.get)
    logits, labels = _outputs(models[best], test_loader)
    return best, (logits.argmax(dim=1) == labels).float().mean().item()
""",
            """
def choose_and_test(models, valid_loader, test_loader):
    total_loss = nn.CrossEntropyLoss(reduction="sum")
    best_name, best_loss = None, float("inf")
    for name in models:
        model = models[name].eval()
        loss, count = 0.0, 0
        for images, labels in valid_loader:
            with torch.no_grad():
                logits = model(images.to(device))
                loss += total_loss(logits, labels.to(device)).item()
            count += len(labels)
        if best_name is None or loss / count < best_loss:
            best_name, best_loss = name, loss / count
    chosen = models[best_name]
    right, count = 0, 0
    for images, labels in test_loader:
        with torch.no_grad():
            guesses = chosen(images.to(device)).argmax(dim=1).tolist()
        for guess, label in zip(guesses, labels.tolist(), strict=True):
            right += guess == label
            count += 1
    return best_name, right / count
""",
        ),
    ),
}

FACTS = {
    "Question 2": """
import torch
from torch import nn

# Dropout makes fitting harder; a far too large step keeps the loss high.
torch.manual_seed(0)
x, y = torch.randn(60, 20), torch.arange(60) % 3


def fitted(p, lr):
    torch.manual_seed(0)
    layers = nn.Linear(20, 64), nn.ReLU(), nn.Dropout(p), nn.Linear(64, 3)
    model = nn.Sequential(*layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    return nn.functional.cross_entropy(model.eval()(x), y).item()


assert fitted(0.8, 0.01) > 2 * fitted(0, 0.01)
assert fitted(0, 1e-6) > 1.0
""",
    "Question 3": """
import torch


def moved(kind, decay):
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    weight.grad = torch.zeros_like(weight)
    kind([weight], lr=0.001, weight_decay=decay).step()
    return 1 - weight.item()


assert abs(moved(torch.optim.Adam, 0.01) - 0.001) < 1e-6
assert abs(moved(torch.optim.Adam, 0.0001) - 0.001) < 1e-6
assert abs(moved(torch.optim.AdamW, 0.01) - 0.00001) < 1e-9
""",
    "Question 4": """
import torch
from torch import nn

norm = nn.BatchNorm2d(3)
x = 5 + 2 * torch.randn(32, 3, 8, 8)
for _ in range(3):
    norm(x)
assert norm.eval()(x).mean() > 1
norm.train().reset_running_stats()
norm.momentum = None
norm(x)
assert norm.eval()(x).mean().abs() < 0.1
dropout = nn.Dropout(0.5).eval()
assert torch.equal(dropout(x), x)
""",
    "Question 5": """
import torch

layer = torch.nn.Conv2d(3, 4, 3)
image = torch.randint(256, (1, 3, 8, 8), dtype=torch.uint8)
assert layer(image.float()).abs().max() > 10 * layer(image / 255).abs().max()
try:
    layer(image)
except RuntimeError:
    pass
else:
    raise AssertionError("uint8 was accepted")
""",
}
