"""What the checkers are tried on: custom datasets."""

from . import Case, Mutant

FOLDERS = ("imports", "which-data-code", "walk-code-2")
CLASSES = (
    *FOLDERS,
    "random-picture-code",
    "transforms-code",
    "imagefolder-code",
    "imagefolder-classes-code",
)

CASES = {
    "ex-last-batch": Case(
        mutants=(
            Mutant(
                "[min(batch_size, n - start) for start in range(0, n, batch_size)]",
                "[batch_size] * (n // batch_size) + [n % batch_size]",
                "an empty batch",
            ),
            Mutant(
                "[min(batch_size, n - start) for start in range(0, n, batch_size)]",
                "[batch_size] * (n // batch_size)",
                "are in no batch",
            ),
            Mutant(
                "min(batch_size, n - start)", "batch_size", "more than what is left"
            ),
            Mutant(
                "[min(batch_size, n - start) for start in range(0, n, batch_size)]",
                "[len(part) for part in torch.arange(n).chunk(-(-n // batch_size))]",
                "fills one batch after",
            ),
            Mutant("range(0, n, ", "range(batch_size, n, ", "samples are lost"),
            Mutant(
                "    return [min(batch_size, n - start) for start in range(0, "
                "n, batch_size)]",
                "    return [len(one) for one in DataLoader(range(n), batch_size)]",
                "You made a DataLoader",
            ),
        ),
        others=(
            """
def batch_sizes(n, batch_size):
    return tuple(len(part) for part in torch.arange(n).split(batch_size))
""",
            """
def batch_sizes(n, batch_size):
    full, rest = divmod(n, batch_size)
    sizes = [batch_size] * full
    if rest == 0:
        return sizes
    return [*sizes, rest]
""",
            """
def batch_sizes(n, batch_size):
    batches = torch.utils.data.BatchSampler(range(n), batch_size, False)
    return list(map(len, batches))
""",
        ),
    ),
    "ex-random": Case(
        mutants=(
            Mutant("sorted(paths)", "list(paths)", "in another order"),
            Mutant("random.Random(seed)", "random.Random(seed or None)", "seed 0"),
            Mutant("random.Random(seed)", "random.Random()", "differ."),
            Mutant("random.Random(seed)", "random.Random(42)", "nothing is drawn"),
            Mutant(
                "    chosen = random.Random(seed)",
                "    random.seed(seed)\n    chosen = random",
                "a generator of its own",
            ),
            Mutant(
                ".sample(ordered, min(n, len(ordered)))",
                ".choices(ordered, k=min(n, len(ordered)))",
                "drawn twice",
            ),
            Mutant("min(n, len(ordered))", "n", "no more than there are"),
            Mutant("parent.name", "parent.stem", "at its last dot"),
            Mutant(
                "ordered = sorted(paths)", "paths.sort()\n    ordered = paths", "was"
            ),
        ),
        others=(
            """
def pick(paths, n, seed):
    order = np.random.default_rng(seed).permutation(len(paths))[:n]
    ordered = sorted(paths, key=str)
    return tuple([ordered[i], ordered[i].parts[-2]] for i in order)
""",
            """
def pick(paths, n, seed):
    ordered = list(paths)
    ordered.sort(key=lambda path: path.as_posix())
    generator = torch.Generator()
    generator.manual_seed(seed)
    pairs = []
    for position in torch.randperm(len(ordered), generator=generator).tolist():
        if len(pairs) == n:
            break
        path = ordered[position]
        pairs.append((path, path.parts[-2]))
    return pairs
""",
            """
def pick(paths, n, seed):
    chosen = set(random.Random(seed).sample(sorted(paths), len(paths))[:n])
    return [(path, path.parent.name) for path in paths if path in chosen]
""",
        ),
    ),
    "ex-transforms": Case(
        mutants=(
            Mutant(
                "list(transform.transforms)", "transform.transforms", "gets shorter"
            ),
            Mutant("    del steps[step]\n", "", "Nothing is left out"),
            Mutant("del steps[step]", "steps = [steps[step]]", "the only one applied"),
            Mutant("del steps[step]", "steps = steps[:step]", "those after it"),
            Mutant("del steps[step]", "steps = steps[step + 1 :]", "are missing"),
            Mutant("del steps[step]", "del steps[step - 1]", "counted from 0"),
            Mutant("kept(result)", "kept(picture)", "only the last one counts"),
            Mutant("return result", "return type(result).__name__", "is text"),
        ),
        others=(
            """
def without(transform, step, picture):
    kept = [one for i, one in enumerate(transform.transforms) if i != step]
    return v2.Compose(kept)(picture)
""",
            """
def without(transform, step, picture):
    for position, operation in enumerate(transform.transforms):
        if position != step:
            picture = operation(picture)
    return picture
""",
            """
from functools import reduce


def without(transform, step, picture):
    rest = [*transform.transforms]
    rest.pop(step)
    return reduce(lambda value, operation: operation(value), rest, picture)
""",
        ),
    ),
    "ex-one-batch": Case(
        mutants=(
            Mutant(".unsqueeze(0)", "", "without a batch axis"),
            Mutant(".unsqueeze(0)", ".unsqueeze(-1)", "comes in front"),
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
    values = nn.Softmax(dim=0)(logits).cpu().numpy()
    best = int(np.argmax(values))
    return best, float(values[best])
""",
        ),
    ),
    "ex-mean": Case(
        mutants=(
            Mutant(
                "np.average(scores, weights=sizes)", "np.mean(scores)", "same weight"
            ),
            Mutant(
                "np.average(scores, weights=sizes)",
                "sum(scores) / sum(sizes)",
                "added as they are",
            ),
            Mutant(
                "np.average(scores, weights=sizes)",
                "np.dot(scores, sizes) / len(sizes)",
                "number of batches",
            ),
            Mutant(
                "np.average(scores, weights=sizes)",
                "np.dot(scores, sizes)",
                "not which share",
            ),
            Mutant(
                "np.average(scores, weights=sizes)",
                "np.mean(scores[:-1])",
                "last batch is left out",
            ),
        ),
        others=(
            """
def mean_accuracy(scores, sizes):
    right = sum(score * size for score, size in zip(scores, sizes))
    return torch.tensor(right / sum(sizes), dtype=torch.float64)
""",
            """
def mean_accuracy(scores, sizes):
    right, total = 0, 0
    for score, size in zip(scores, sizes, strict=True):
        right += score * size
        total += size
    return right / total
""",
            """
def mean_accuracy(scores, sizes):
    shares = torch.tensor(sizes, dtype=torch.float64) / sum(sizes)
    return shares @ torch.tensor(scores, dtype=torch.float64)
""",
        ),
    ),
    "ex-workers": Case(
        mutants=(
            Mutant("range(most + 1)", "range(most)", "ends before"),
            Mutant("range(most + 1)", "range(1, most + 1)", "often best"),
            Mutant("range(3)", "range(1)", "at the mercy"),
            Mutant("np.median(", "min(", "may be luck"),
            Mutant("np.median(", "np.mean(", "disturbed measurement"),
            Mutant("return min(", "return max(", "That is the slowest"),
            Mutant(
                "min(medians, key=medians.get)", "min(medians.values())", "is a time"
            ),
            Mutant(
                "min(medians, key=medians.get)",
                "min(reversed(medians), key=medians.get)",
                "equally fast",
            ),
            Mutant("min(medians, key=medians.get)", "most", "have a median of"),
        ),
        others=(
            """
def best_workers(measure, most):
    seconds = np.array([[measure(k) for k in range(most + 1)] for _ in range(3)])
    return np.argmin(np.median(seconds, axis=0))
""",
            """
from statistics import median


def best_workers(measure, most):
    medians = [median(measure(w) for _ in range(3)) for w in range(most + 1)]
    return medians.index(min(medians))
""",
            """
def best_workers(measure, most):
    rows = []
    for _ in range(3):
        for workers in range(most + 1):
            rows.append({"workers": workers, "seconds": measure(workers)})
    medians = pd.DataFrame(rows).groupby("workers")["seconds"].median()
    return int(medians.idxmin())
""",
            """
def best_workers(measure, most):
    best, least = most, float("inf")
    for number in range(most, -1, -1):
        middle = sorted(measure(number) for _ in range(3))[1]
        if middle <= least:
            best, least = number, middle
    return torch.tensor(best)
""",
        ),
    ),
    "ex-augment": Case(
        mutants=(
            Mutant("return unchanged / draws", "return unchanged", "divided by the"),
            Mutant(
                "return unchanged / draws",
                "return 1 - unchanged / draws",
                "that were changed",
            ),
            Mutant(
                "torch.equal(augment(picture), picture)",
                "augment(picture) is picture",
                "the same object",
            ),
            Mutant(
                "torch.equal(augment(picture), picture)",
                "(augment(picture).sum() == picture.sum()).item()",
                "the same sum",
            ),
            Mutant(
                "torch.equal(augment(picture), picture)",
                "(augment(picture) == picture).any().item()",
                "all have to",
            ),
            Mutant(
                "        unchanged += torch.equal(augment(picture), picture)\n",
                "        if augment(picture) == picture:\n            unchanged += 1\n",
                "one answer for the whole",
            ),
            Mutant(
                "    for _ in range(draws):\n"
                "        unchanged += torch.equal(augment(picture), picture)",
                "    drawn = augment(picture)\n"
                "    for _ in range(draws):\n"
                "        unchanged += torch.equal(drawn, picture)",
                "drawn anew",
            ),
            Mutant(
                "        unchanged +=",
                "        torch.manual_seed(42)\n        unchanged +=",
                "the same draw",
            ),
        ),
        others=(
            """
def unchanged_share(augment, picture, draws):
    results = torch.stack([augment(picture) for _ in range(draws)])
    return (results == picture).flatten(1).all(dim=1).float().mean()
""",
            """
def unchanged_share(augment, picture, draws):
    return sum(torch.equal(augment(picture), picture) for _ in range(draws)) / draws
""",
            """
def unchanged_share(augment, picture, draws):
    original = picture.numpy().copy()
    flags = pd.Series(False, index=range(draws))
    for draw in flags.index:
        result = np.asarray(augment(picture.clone()))
        if result.shape != original.shape:
            continue
        if (result != original).any():
            continue
        flags[draw] = True
    return float(flags.mean())
""",
        ),
    ),
    "ex-table": Case(
        needs=FOLDERS,
        mutants=(
            Mutant(
                'sorted(frame["label"].unique())',
                'list(frame["label"].unique())',
                "the sorted list of labels",
            ),
            Mutant('.convert("RGB")', "", "to RGB"),
            Mutant("Path(folder) / name", "Path(name)", "relative to `folder`"),
            Mutant(
                "image = self.transform(image)", "self.transform(image)", "not applied"
            ),
            Mutant(
                '[index[name] for name in frame["label"]]',
                'frame["label"].map(index)',
                "need not run from",
            ),
            Mutant(
                '[index[name] for name in frame["label"]]',
                '[index[name] for name in frame.sort_index()["label"]]',
                "that of another row",
            ),
            Mutant(
                '[index[name] for name in frame["label"]]',
                'list(frame["label"])',
                "The label is text",
            ),
            Mutant(
                'image = Image.open(self.files[index]).convert("RGB")',
                'image = decode_image(str(self.files[index]), mode="RGB")',
                "as Pillow opens",
            ),
        ),
        others=(
            """
class TableDataset(Dataset):
    def __init__(self, frame, folder, transform=None):
        self.frame, self.folder = frame, Path(folder)
        self.transform = transform or (lambda image: image)
        self.classes = sorted(set(frame["label"]))
    def __len__(self):
        return len(self.frame)
    def __getitem__(self, i):
        row = self.frame.iloc[i]
        with Image.open(self.folder / row["file"]) as picture:
            image = picture.convert("RGB")
        return self.transform(image), torch.tensor(self.classes.index(row["label"]))
""",
            """
class TableDataset(datasets.VisionDataset):
    def __init__(self, frame, folder, transform=None):
        super().__init__(str(folder), transform=transform)
        codes, names = pd.factorize(frame["label"].to_numpy(), sort=True)
        self.classes = [str(name) for name in names]
        self.samples = [
            (os.path.join(self.root, name), int(code))
            for name, code in zip(frame["file"], codes, strict=True)
        ]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        file, number = self.samples[index]
        image = datasets.folder.default_loader(file)
        if self.transforms is None:
            return image, number
        return self.transforms(image, number)
""",
            """
class TableDataset(Dataset):
    def __init__(self, frame, folder, transform=None):
        self.classes = sorted(frame.label.unique())
        codes = pd.Categorical(frame.label, categories=self.classes).codes
        self.rows = [(folder / file, code) for file, code in zip(frame.file, codes)]
        self.transform = transform
    def __len__(self):
        return len(self.rows)
    def __getitem__(self, i):
        picture, code = Image.open(self.rows[i][0]).convert("RGB"), self.rows[i][1]
        return [picture if self.transform is None else self.transform(picture), code]
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
            Mutant("    return start", "    return start or len(losses)", "0 is asked"),
            Mutant(
                "for epoch, loss in losses.items():",
                "for epoch in range(len(losses)):\n        loss = losses[epoch]",
                "begin with 1",
            ),
        ),
        others=(
            """
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
                "outside the picture",
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
            Mutant(', mode="RGB"', "", "ask for RGB"),
            Mutant(", apply_exif_orientation=True", "", "on its side"),
            Mutant(
                "apply_exif_orientation=True)",
                "apply_exif_orientation=True) / 255",
                "whole numbers",
            ),
            Mutant(
                "apply_exif_orientation=True)",
                "apply_exif_orientation=True).unsqueeze(0)",
                "without a batch axis",
            ),
            Mutant(
                "apply_exif_orientation=True)",
                "apply_exif_orientation=True).permute(1, 2, 0)",
                "channels come last",
            ),
            Mutant(
                "apply_exif_orientation=True)",
                "apply_exif_orientation=True).numpy()",
                "not a tensor",
            ),
            Mutant(
                "apply_exif_orientation=True)",
                "apply_exif_orientation=True).flip(0)",
                "as another one",
            ),
        ),
        others=(
            """
from PIL import ImageOps
def load_any(path):
    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    return torch.from_numpy(np.array(upright)).permute(2, 0, 1)
""",
            """
from torchvision.io import ImageReadMode


def load_any(path):
    image = decode_image(str(path), mode=ImageReadMode.RGB, apply_exif_orientation=True)
    if image.dtype != torch.uint8:
        image = v2.functional.to_dtype(image, torch.uint8, scale=True)
    return image
""",
            """
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
        needs=CLASSES,
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
                "numbers of classes",
            ),
            Mutant(
                "columns=class_names",
                "columns=class_names[::-1]",
                "order of `class_names`",
            ),
        ),
        others=(
            """
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
                "then measure the chosen one",
            ),
            Mutant(
                "models[chosen], test_loader", "models[chosen], valid_loader", "flat"
            ),
            Mutant("scores.metric", "scores.loss", "is a loss"),
            Mutant("scores.metric", "100 * scores.metric", "percentage"),
            Mutant(
                "scores.metric",
                "np.mean([test_step(models[chosen], [batch], loss_fn, "
                "device=device).metric for batch in test_loader])",
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
    "Question 1": """
import torch

assert [len(b) for b in torch.arange(225).split(32)] == [32] * 7 + [1]
right = torch.zeros(225)
right[-1] = 1
weights = torch.stack([batch.mean() for batch in right.split(32)]).mean()
assert weights == 1 / 8
order = torch.randperm(225)
assert [len(b) for b in order.split(32)] == [32] * 7 + [1]
""",
    "Question 2": """
import os
import torch
from torch.utils.data import DataLoader, get_worker_info


class Where(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        info = get_worker_info()
        return os.getpid(), -1 if info is None else info.id


def seen(workers):
    loader = DataLoader(
        Where(),
        num_workers=workers,
        multiprocessing_context="fork" if workers else None,
    )
    return {(pid.item(), worker.item()) for pid, worker in loader}


assert seen(0) == {(os.getpid(), -1)}
helped = seen(2)
assert len(helped) == 2 and {worker for _, worker in helped} == {0, 1}
assert os.getpid() not in {pid for pid, _ in helped}
""",
    "Question 4": """
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
    "Question 5": """
import torch
from torchvision.transforms import v2

torch.manual_seed(0)
picture = torch.randint(256, (3, 16, 16), dtype=torch.uint8)
results = [v2.TrivialAugmentWide()(picture) for _ in range(60)]
assert any(torch.equal(one, picture) for one in results)
assert len({one.numpy().tobytes() for one in results}) > 5
assert len(v2.TrivialAugmentWide._AUGMENTATION_SPACE) == 14
assert v2.RandAugment().num_ops == 2
""",
    "Question 6": """
import torch

layer = torch.nn.Conv2d(3, 4, 3)
picture = torch.randint(256, (1, 3, 8, 8), dtype=torch.uint8)
assert layer(picture.float()).abs().max() > 10 * layer(picture / 255).abs().max()
try:
    layer(picture)
except RuntimeError:
    pass
else:
    raise AssertionError("uint8 was accepted")
""",
    "Question 7": """
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
}
