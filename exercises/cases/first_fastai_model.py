"""What the checkers are tried on: first fastai model."""

from . import Case, Mutant

SAMPLE = ("imports", "untar")

CASES = {
    "ex-count-images": Case(
        needs=SAMPLE,
        mutants=(
            Mutant(
                'f"{file.parent.parent.name}/{file.parent.name}"',
                "file.parent.name",
                "the sets are counted together",
            ),
            Mutant(
                "get_image_files(path)",
                'get_image_files(path / "train")',
                "all sets count",
            ),
            Mutant(
                "get_image_files(path)",
                'path.glob("*/*/*")',
                "a file that isn't an image",
            ),
            Mutant("counts.get(name, 0)", "counts.get(name, 1)", "count at 1"),
            Mutant(
                "def count_images(path):",
                "def count_images(folder):",
                "comes as the argument",
            ),
        ),
        others=(
            """
from collections import Counter
def count_images(path):
    found = Path(path).rglob("*.png")
    return Counter(file.parent.relative_to(path).as_posix() for file in found)
""",
            """
def count_images(path):
    return {
        f"{d.parent.name}/{d.name}": sum(f.name.endswith(".png") for f in d.iterdir())
        for d in sorted(Path(path).glob("*/*"))
        if d.is_dir()
    }
""",
            """
def count_images(path):
    counts = {}
    root = str(path)
    for set_name in os.listdir(root):
        set_folder = os.path.join(root, set_name)
        if not os.path.isdir(set_folder):
            continue
        with os.scandir(set_folder) as entries:
            for entry in entries:
                if not entry.is_dir():
                    continue
                key = "/".join((set_name, entry.name))
                counts[key] = 0
                for file in os.listdir(entry.path):
                    if os.path.splitext(file)[1] == ".png":
                        counts[key] += 1
    return counts
""",
        ),
    ),
    "ex-label": Case(
        needs=SAMPLE,
        mutants=(
            Mutant(
                '{"3": "three", "7": "seven"}[file.parent.name]',
                '"three" if "3" in str(file) else "seven"',
                "elsewhere in the path",
            ),
            Mutant(
                '{"3": "three", "7": "seven"}',
                '{"3": 3, "7": 7}',
                "should be a word",
            ),
            Mutant(
                'return {"3": "three", "7": "seven"}[file.parent.name]',
                "return file.parent.name",
                "the digit, not the word",
            ),
            Mutant('path / "train"', "path", "Images of `valid`"),
            Mutant("files, spell", "files, parent_label", "come from `spell`"),
            Mutant(
                "dls_words = ImageDataLoaders",
                "files = files[::2]\ndls_words = ImageDataLoaders",
                "images of `train`",
            ),
            Mutant(
                "files, spell",
                "files, lambda f: spell(Path('73'[int(f.parent.name) // 4], 'a'))",
                "has the label",
            ),
        ),
        others=(
            """
def spell(file):
    return "three" if Path(file).parts[-2] == "3" else "seven"
block = DataBlock(
    blocks=(ImageBlock, CategoryBlock),
    get_items=get_image_files,
    get_y=spell,
    splitter=RandomSplitter(0.2, seed=1),
)
dls_words = block.dataloaders(path / "train", num_workers=0)
""",
            """
def spell(file):
    *_, digit, _name = str(file).replace("\\\\", "/").split("/")
    if digit == "3":
        return "three"
    if digit == "7":
        return "seven"
    raise ValueError(f"no 3 and no 7: {file}")


train_files = sorted((path / "train").rglob("*.png"))
dls_words = ImageDataLoaders.from_path_func(
    path=path / "train",
    fnames=train_files,
    label_func=lambda file: spell(file),
    valid_pct=0.3,
    seed=7,
    bs=32,
    num_workers=0,
)
""",
            """
def spell(file):
    folder = file.relative_to(path).parts[1]
    return "three" if folder == "3" else "seven"
dls_words = ImageDataLoaders.from_path_func(
    path, get_image_files(path / "train"), spell, num_workers=0
)
""",
        ),
    ),
    "ex-epochs": Case(
        mutants=(
            Mutant("epochs + freeze_epochs", "epochs", "frozen epochs are missing"),
            Mutant("epochs + freeze_epochs", "epochs + 1", "only the default"),
            Mutant("epochs + freeze_epochs", "2 * epochs", "its own number"),
            Mutant("freeze_epochs=1", "freeze_epochs=0", "is the default"),
            Mutant("+ freeze_epochs", "+ freeze_epochs / 2", "isn't a whole"),
        ),
        others=(
            """
def epochs_run(epochs, freeze_epochs=1):
    return sum([epochs, freeze_epochs])
""",
            """
class Counting:
    '''Looks enough like a learner for `fine_tune`, and only counts.'''

    def __init__(self):
        self.trained = 0

    def freeze(self):
        pass

    unfreeze = freeze

    def fit_one_cycle(self, n_epoch, *args, **kwargs):
        self.trained += n_epoch


def epochs_run(epochs, freeze_epochs=1):
    counter = Counting()
    Learner.fine_tune(counter, epochs, freeze_epochs=freeze_epochs)
    return counter.trained
""",
            """
def epochs_run(epochs, freeze_epochs=1):
    return np.add(epochs, freeze_epochs, dtype=float)
""",
        ),
    ),
    "ex-how-many-batches": Case(
        mutants=(
            Mutant("-(-items // bs)", "items // bs + 1", "leaves nothing"),
            Mutant("if drop_last", "if not drop_last", "wrong way round"),
            Mutant("-(-items // bs)", "items / bs", "gives a float"),
            Mutant(" if drop_last else -(-items // bs)", "", "however small"),
            Mutant("-(-items // bs)", "round(items / bs)", "in the last one"),
        ),
        others=(
            """
import math
def batches(items, bs, drop_last):
    return (math.floor if drop_last else math.ceil)(items / bs)
""",
            """
from torch.utils.data import BatchSampler


def batches(items, bs, drop_last):
    return len(BatchSampler(range(items), batch_size=bs, drop_last=bool(drop_last)))
""",
            """
def batches(items, bs, drop_last):
    full, rest = divmod(items, bs)
    return full + (rest > 0 and not drop_last)
""",
        ),
    ),
    "ex-worst": Case(
        mutants=(
            Mutant(".argmin()", ".argmax()", "the best answer"),
            Mutant(
                "probabilities[torch.arange(len(truth)), truth]",
                "probabilities.max(dim=1).values",
                "least sure",
            ),
            Mutant("torch.arange(len(truth))", ":", "all the others"),
            Mutant(".argmin()", ".min()", "isn't a position"),
            Mutant(
                "probabilities[torch.arange(len(truth)), truth]",
                "probabilities[:, 0]",
                "Another image",
            ),
            Mutant(
                "probabilities[torch.arange(len(truth)), truth]",
                "probabilities",
                "in the whole table",
            ),
        ),
        others=(
            """
def worst_answer(probabilities, truth):
    losses = torch.nn.functional.nll_loss(
        probabilities.log(), truth, reduction="none"
    )
    return losses.topk(1).indices[0]
""",
            """
def worst_answer(probabilities, truth):
    worst, smallest = None, float("inf")
    for position, (row, cls) in enumerate(zip(probabilities.tolist(), truth.tolist())):
        if row[cls] < smallest:
            worst, smallest = position, row[cls]
    return worst
""",
            """
def worst_answer(probabilities, truth):
    return probabilities.gather(1, truth[:, None]).squeeze(1).argmin().item()
""",
        ),
    ),
    "ex-trust-table": Case(
        needs=(*SAMPLE, "read-labels"),
        mutants=(
            Mutant("[3, 7]", "[7, 3]", "the other way round"),
            Mutant("[3, 7]", "[0, 1]", "numbers of the classes"),
            Mutant('"seed": 4321, ', "", "aren't those that `seed=4321`"),
            Mutant('"valid_pct": 0.2', '"valid_pct": 0.02', "isn't a fifth"),
            Mutant("**options", "label_col=0, **options", "a class of its own"),
            Mutant(
                "from_df(table, path",
                'from_df(table[table["name"].str.startswith("train")], path',
                "only some of them",
            ),
            Mutant("[3, 7]", "['three', 'seven']", "two digits"),
        ),
        others=(
            """
dls_table = ImageDataLoaders.from_csv(path, valid_pct=0.2, seed=4321, num_workers=0)
digits = ("3", "7")
""",
            """
labels = pd.read_csv(path / "labels.csv")
dls_table = ImageDataLoaders.from_df(
    df=labels,
    path=path.parent,
    folder=path.name,
    fn_col="name",
    label_col="label",
    seed=4321,
    bs=32,
    num_workers=0,
)
by_class = labels.assign(digit=[Path(name).parent.name for name in labels["name"]])
digits = by_class.groupby("label")["digit"].agg(lambda names: names.mode()[0]).tolist()
""",
            """
block = DataBlock(
    blocks=(ImageBlock(), CategoryBlock()),
    get_x=lambda row: path / row["name"],
    get_y=ColReader("label"),
    splitter=RandomSplitter(valid_pct=0.2, seed=4321),
)
dls_table = block.dataloaders(table, num_workers=0)
digits = torch.tensor([3, 7])
""",
        ),
    ),
    "ex-residual": Case(
        mutants=(
            Mutant("self.layers(x) + x", "self.layers(x)", "input isn't in the output"),
            Mutant(
                "torch.relu(self.layers(x) + x)",
                "torch.relu(self.layers(x)) + x",
                "comes before the sum",
            ),
            Mutant(
                "torch.relu(self.layers(x) + x)", "self.layers(x) + x", "ReLU after it"
            ),
            Mutant(
                "= torch.nn.Sequential(*layers)",
                "= lambda x: torch.nn.Sequential(*layers)(x)",
                "doesn't know the parameters",
            ),
            Mutant("self.layers(x) + x", "x.add_(self.layers(x))", "in place"),
            Mutant("Sequential(*layers)", "Sequential(*layers[:1])", "doesn't know"),
            # The truth is computed before the answer can change the layers.
            Mutant(
                "self.layers(x)",
                "self.layers.apply(\n            lambda one: [p.data.zero_() for p in "
                "one.parameters()]\n        )(x)",
                "isn't the ReLU",
            ),
        ),
        others=(
            """
class Residual(torch.nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.steps = torch.nn.ModuleList(layers)
    def forward(self, x):
        new = x
        for step in self.steps:
            new = step(new)
        return (x + new).clamp(min=0)
""",
            """
class Residual(torch.nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.names = []
        for number, layer in enumerate(layers):
            self.add_module(f"step{number}", layer)
            self.names.append(f"step{number}")

    def forward(self, x):
        out = x.clone()
        for name in self.names:
            out = getattr(self, name)(out)
        total = torch.add(out, x)
        return total.clamp(min=0)
""",
            """
class Residual(torch.nn.Sequential):
    def forward(self, x):
        return torch.nn.functional.relu(super().forward(x.clone()).add(x))
""",
        ),
    ),
    "ex-freeze-body": Case(
        mutants=(
            Mutant(
                "p.requires_grad_(isinstance(module, torch.nn.BatchNorm2d))",
                "p.requires_grad_(False)",
                "frozen too",
            ),
            Mutant(
                "p.requires_grad_(isinstance(module, torch.nn.BatchNorm2d))",
                "if not isinstance(module, torch.nn.BatchNorm2d):\n"
                "                p.requires_grad_(False)",
                "was frozen before",
            ),
            Mutant(
                "isinstance(module, torch.nn.BatchNorm2d)",
                "p.ndim == 1",
                "the kind of layer",
            ),
            Mutant(
                "p.numel() * p.requires_grad", "p.requires_grad", "how many tensors"
            ),
            Mutant("body.modules()", "body.children()", "inside other"),
        ),
        others=(
            """
def freeze_body(body):
    body.requires_grad_(False)
    norms = [m for m in body.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.requires_grad_(True)
    return sum(p.numel() for p in body.parameters() if p.requires_grad)
""",
            """
def norm_parameters(module):
    '''Collect what belongs to a BatchNorm2d, going down through the children.'''
    if isinstance(module, torch.nn.BatchNorm2d):
        return {id(p) for p in (module.weight, module.bias) if p is not None}
    found = set()
    for child in module.children():
        found |= norm_parameters(child)
    return found


def freeze_body(body):
    free = norm_parameters(body)
    numbers = 0
    for parameter in body.parameters():
        parameter.requires_grad = id(parameter) in free
        if parameter.requires_grad:
            numbers += math.prod(parameter.shape)
    return numbers
""",
            """
def freeze_body(body):
    for name, p in body.named_parameters():
        owner = body.get_submodule(name.rpartition(".")[0])
        p.requires_grad = isinstance(owner, torch.nn.BatchNorm2d)
    free = [p for p in body.parameters() if p.requires_grad]
    return torch.nn.utils.parameters_to_vector(free).numel()
""",
        ),
    ),
}

SETUP = """
import inspect
import warnings
from unittest import mock

warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated")

from fastai.vision.all import *

from helpers import data

path = untar_data(URLs.MNIST_SAMPLE, base=data.fastai_home())
"""

FEW = (
    SETUP
    + """
some = [f for c in "37" for f in sorted((path / "train" / c).ls())[:10]]
few = ImageDataLoaders.from_path_func(
    path, some, parent_label, valid_pct=0.2, seed=0, bs=8, num_workers=0
)
torch.manual_seed(0)
learn = vision_learner(few, resnet18, pretrained=False)
"""
)

FACTS = {
    "Question 1": FEW
    + """
calls = []


def noted(self, n_epoch, lr, **_):
    calls.append((n_epoch, all(p.requires_grad for p in self.model.parameters())))


with mock.patch.object(Learner, "fit_one_cycle", noted):
    learn.fine_tune(3)
    learn.fine_tune(3, freeze_epochs=3)
assert calls == [(1, False), (3, True), (3, False), (3, True)]
""",
    "Question 2": FEW
    + """
learn.freeze()
body = learn.model[0]
before = {name: value.clone().cpu() for name, value in body.state_dict().items()}
with learn.no_bar(), learn.no_logging():
    learn.fit(1, 0.01)
norms = {n for n, m in body.named_modules() if isinstance(m, nn.BatchNorm2d)}
moved = {
    name
    for name, value in body.state_dict().items()
    if not torch.equal(value.cpu(), before[name])
}
assert {name.rpartition(".")[0] for name in moved} == norms
kinds = {name.rpartition(".")[2] for name in moved}
assert {"weight", "bias", "running_mean", "running_var"} <= kinds
last = [name for name in before if name.startswith("7.") and "conv" in name]
assert last and not moved & set(last)
""",
    "Question 3": SETUP
    + """
table = pd.read_csv(path / "labels.csv")
digits = table["name"].str.split("/").str[1]
assert set(digits[table["label"] == 1]) == {"7"}
assert set(digits[table["label"] == 0]) == {"3"}
assert set(digits) == {"3", "7"}
""",
    "Question 4": FEW
    + """
rates = []
with (
    mock.patch.object(Learner, "lr_find", side_effect=AssertionError),
    mock.patch.object(Learner, "fit_one_cycle", lambda s, n, lr, **_: rates.append(lr)),
):
    learn.fine_tune(1)
assert (rates[0].start, rates[0].stop) == (None, 0.002)
assert rates[1].stop == 0.001
""",
    "Question 5": """
assert round(0.9925 * 400) - round(0.9900 * 400) == 1

import torch

# Two learners with the same share of right answers on new digits, 99 %.
generator = torch.Generator().manual_seed(0)
right = (torch.rand(1000, 2, 400, generator=generator) < 0.99).sum(dim=2)
differ = (right[:, 0] - right[:, 1]).abs() >= 1
assert differ.float().mean() > 0.5
""",
    "Question 6": SETUP
    + """
dls = ImageDataLoaders.from_folder(path, valid="val", num_workers=0)
assert len(dls.valid_ds) == 0
assert len(dls.train_ds) == len(get_image_files(path / "train"))
assert all(f.parent.parent.name == "train" for f in dls.train_ds.items)
dls = ImageDataLoaders.from_folder(path, valid_pct=0.2, num_workers=0)
assert len(dls.valid_ds) == len(get_image_files(path)) // 5
""",
}
