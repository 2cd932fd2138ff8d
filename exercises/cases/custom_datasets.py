"""What the checkers are tried on: custom datasets."""

from . import Case, Mutant

FOLDERS = ("imports", "which-data-code", "walk-code-2")

CASES = {
    "ex-collate": Case(
        mutants=(
            Mutant("batch = torch.zeros", "batch = torch.ones", "numbers other than"),
            Mutant("batch = torch.zeros", "batch = torch.rand", "numbers other than"),
            Mutant(
                "height, width)",
                "max(height, width), max(height, width))",
                "have their own maximum",
            ),
            Mutant(
                ", : image.shape[1], : image.shape[2]] =",
                ", -image.shape[1] :, -image.shape[2] :] =",
                "at the bottom right",
            ),
            Mutant(
                "        place[:, : image.shape[1], : image.shape[2]] = image",
                "        top = (height - image.shape[1]) // 2\n"
                "        left = (width - image.shape[2]) // 2\n"
                "        _, h, w = image.shape\n"
                "        place[:, top : top + h, left : left + w] = image",
                "in the middle",
            ),
            Mutant(
                "    batch = torch.zeros(len(samples), 3, height, width)",
                "    return torch.stack([image for image, _ in samples]), None\n"
                "    batch = None",
                "need equal ones",
            ),
            Mutant(
                "    batch = torch.zeros(len(samples), 3, height, width)",
                "    height = min(image.shape[1] for image, _ in samples)\n"
                "    width = min(image.shape[2] for image, _ in samples)\n"
                "    samples = [(x[:, :height, :width], y) for x, y in samples]\n"
                "    batch = torch.zeros(len(samples), 3, height, width)",
                "cut down to the smallest",
            ),
            Mutant(
                "height, width)", "height, width, dtype=torch.uint8)", "floats: all"
            ),
            Mutant(
                "in zip(batch, samples",
                "in zip(batch, samples[::-1]",
                "not in the order",
            ),
            Mutant(
                "torch.tensor([label for _, label in samples])",
                "[label for _, label in samples]",
                "needs a tensor",
            ),
            Mutant(
                "torch.tensor([label for _, label in samples])",
                "torch.tensor([[label] for _, label in samples])",
                "one number per image",
            ),
            Mutant(
                "torch.tensor([label for _, label in samples])",
                "torch.tensor([float(label) for _, label in samples])",
                "labels are floats",
            ),
            Mutant(
                "return batch, torch.tensor([label for _, label in samples])",
                "return batch",
                "isn't a pair",
            ),
            Mutant("return batch, ", "return list(batch), ", "one tensor for all"),
        ),
        others=(
            """
from torch.nn.functional import pad


def pad_collate(samples):
    images, labels = zip(*samples)
    h, w = (max(image.shape[axis] for image in images) for axis in (1, 2))
    padded = [pad(x, (0, w - x.shape[2], 0, h - x.shape[1])) for x in images]
    return default_collate(list(zip(padded, labels)))
""",
            """
def pad_collate(samples):
    sizes = torch.tensor([image.shape for image, _ in samples])
    batch = torch.zeros(len(samples), *sizes.amax(dim=0).tolist())
    labels = []
    for i in range(len(samples)):
        image, label = samples[i]
        batch[i, :, : image.size(1), : image.size(2)].copy_(image)
        labels.append(label)
    return [batch, torch.as_tensor(labels)]
""",
            """
from torch.nn.utils.rnn import pad_sequence


def pad_collate(samples):
    width = max(image.shape[-1] for image, _ in samples)
    fill = torch.nn.functional.pad
    tall = [fill(x, (0, width - x.shape[-1])).transpose(0, 1) for x, _ in samples]
    batch = pad_sequence(tall, batch_first=True).transpose(1, 2)
    return batch, torch.LongTensor([int(label) for _, label in samples])
""",
        ),
        needs=FOLDERS,
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
            Mutant("kept(result)", "kept(image)", "only the last one counts"),
            Mutant("return result", "return type(result).__name__", "is text"),
        ),
        others=(
            """
def without(transform, step, image):
    kept = [one for i, one in enumerate(transform.transforms) if i != step]
    return v2.Compose(kept)(image)
""",
            """
def without(transform, step, image):
    for position, operation in enumerate(transform.transforms):
        if position != step:
            image = operation(image)
    return image
""",
            """
from functools import reduce


def without(transform, step, image):
    rest = [*transform.transforms]
    rest.pop(step)
    return reduce(lambda value, operation: operation(value), rest, image)
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
                "torch.equal(augment(image), image)",
                "augment(image) is image",
                "the same object",
            ),
            Mutant(
                "torch.equal(augment(image), image)",
                "(augment(image).sum() == image.sum()).item()",
                "the same sum",
            ),
            Mutant(
                "torch.equal(augment(image), image)",
                "(augment(image) == image).any().item()",
                "all have to",
            ),
            Mutant(
                "        unchanged += torch.equal(augment(image), image)\n",
                "        if augment(image) == image:\n            unchanged += 1\n",
                "one answer for the whole",
            ),
            Mutant(
                "    for _ in range(draws):\n"
                "        unchanged += torch.equal(augment(image), image)",
                "    drawn = augment(image)\n"
                "    for _ in range(draws):\n"
                "        unchanged += torch.equal(drawn, image)",
                "a new draw",
            ),
            Mutant(
                "        unchanged +=",
                "        torch.manual_seed(42)\n        unchanged +=",
                "the same draw",
            ),
        ),
        others=(
            """
def unchanged_share(augment, image, draws):
    results = torch.stack([augment(image) for _ in range(draws)])
    return (results == image).flatten(1).all(dim=1).float().mean()
""",
            """
def unchanged_share(augment, image, draws):
    return sum(torch.equal(augment(image), image) for _ in range(draws)) / draws
""",
            """
def unchanged_share(augment, image, draws):
    original = image.numpy().copy()
    flags = pd.Series(False, index=range(draws))
    for draw in flags.index:
        result = np.asarray(augment(image.clone()))
        if result.shape != original.shape:
            continue
        if (result != original).any():
            continue
        flags[draw] = True
    return float(flags.mean())
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
                "not what share",
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
            Mutant("range(3)", "range(1)", "three times each"),
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
                "needn't run",
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
                "image = v2.functional.pil_to_tensor(Image.open(self.files[index]))",
                "`decode_image` or",
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
        with Image.open(self.folder / row["file"]) as opened:
            image = opened.convert("RGB")
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
        image, code = Image.open(self.rows[i][0]).convert("RGB"), self.rows[i][1]
        return [image if self.transform is None else self.transform(image), code]
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
    "Question 3": """
import torch
from torchvision.transforms import v2

torch.manual_seed(0)
image = torch.randint(256, (3, 16, 16), dtype=torch.uint8)
results = [v2.TrivialAugmentWide()(image) for _ in range(60)]
assert any(torch.equal(one, image) for one in results)
assert len({one.numpy().tobytes() for one in results}) > 5
assert len(v2.TrivialAugmentWide._AUGMENTATION_SPACE) == 14
assert v2.RandAugment().num_ops == 2
""",
    "Question 5": """
import torch
from torchvision.transforms import v2

flip = v2.RandomHorizontalFlip()
image = torch.arange(12.0).reshape(1, 3, 4)
assert len({tuple(flip(image).flatten().tolist()) for _ in range(60)}) == 2
try:
    torch.stack([torch.zeros(3, 5, 6), torch.zeros(3, 6, 5)])
except RuntimeError:
    pass
else:
    raise AssertionError("unequal sizes were stacked")
""",
    "Question 6": """
from io import BytesIO

from PIL import Image, ImageOps

note, file = Image.Exif(), BytesIO()
note[0x0112] = 6
Image.new("RGB", (4, 2)).save(file, "JPEG", exif=note)
opened = Image.open(file)
assert opened.convert("RGB").size == (4, 2)
assert ImageOps.exif_transpose(opened).size == (2, 4)
""",
}
