"""What the checkers are tried on: lightning."""

from . import Case, Mutant

TRAINER = ("imports", "quiet", "make-trainer")
MLP = ("imports", "ex-module-code")

CASES = {
    "ex-trainer-steps": Case(
        mutants=(
            Mutant("-(-4000 // batch_size)", "(4000 // batch_size)", "rounds down"),
            Mutant("epochs * -(-4000 //", "-(-epochs * 4000 //", "ends each epoch"),
            Mutant("-(-4000 // batch_size)", "(4000 / batch_size)", "part of a step"),
            Mutant(
                "-(-4000 // batch_size)",
                "(4000 // batch_size + 1)",
                "nothing remains for a smaller batch",
            ),
        ),
        others=(
            """
import math


def steps(epochs, batch_size):
    return torch.tensor(sum(math.ceil(4000 / batch_size) for _ in range(epochs)))
""",
        ),
    ),
    "ex-own-classifier": Case(
        mutants=(
            Mutant(
                "F.cross_entropy(self(inputs)",
                "F.cross_entropy(self(inputs).softmax(dim=1)",
                "softmax is applied twice",
            ),
            Mutant(
                "return self.model(x)",
                "return self.model(x).softmax(dim=1)",
                "`forward` returns probabilities",
            ),
            Mutant("return F.cross", "F.cross", "`training_step` returns nothing"),
            Mutant(
                "(self(inputs), targets)\n\n    def validation",
                "(self(inputs), targets).item()\n\n    def validation",
                "cannot be differentiated",
            ),
            Mutant("nn.Flatten(),", "", "one row of 784 numbers"),
            Mutant("nn.ReLU(),", "", "The network is linear"),
            Mutant(', average="micro"', "", "the mean over the classes"),
            Mutant('self.log("valid_accuracy", self.accuracy)', "pass", "`self.log`"),
            Mutant(
                "self.parameters(), lr",
                "self.model[-1].parameters(), lr",
                "did the optimizer get all",
            ),
            Mutant(
                "F.cross_entropy(self(inputs), targets)",
                'F.cross_entropy(self(inputs.to("cpu")), targets)',
                "names a device",
            ),
        ),
        others=(
            """
class LitMLP(L.LightningModule):
    def __init__(self, width=128):
        super().__init__()
        self.hidden, self.out = nn.Linear(28 * 28, width), nn.Linear(width, 10)
        self.train_accuracy = MulticlassAccuracy(10)

    def forward(self, x):
        return self.out(F.relu(self.hidden(x.view(len(x), -1))))

    def training_step(self, batch, batch_idx):
        logits = self.forward(batch[0])
        self.train_accuracy(logits, batch[1])
        self.log("train_accuracy", self.train_accuracy)
        return {"loss": nn.CrossEntropyLoss()(logits, batch[1])}

    def validation_step(self, batch, batch_idx):
        right = self(batch[0]).argmax(dim=1) == batch[1]
        self.log("valid_accuracy", right.float().mean(), prog_bar=True)

    def configure_optimizers(self):
        return [torch.optim.AdamW(self.parameters(), lr=2e-3)]
""",
        ),
    ),
    "ex-schedule": Case(
        needs=MLP,
        mutants=(
            Mutant('"interval": "step"', '"interval": "epoch"', "once an epoch"),
            Mutant(', "lr_scheduler": config', "", "was given no schedule"),
            Mutant(
                "on_train_batch_start(self, batch, batch_idx)",
                "on_train_batch_end(self, outputs, batch, batch_idx)",
                "the one of the step after",
            ),
            Mutant("max_lr=0.01", "max_lr=0.1", "The largest rate is"),
            Mutant("total_steps=60", "total_steps=30", "stops before"),
            Mutant("total_steps=60", "total_steps=120", "made for more steps"),
        ),
        others=(
            """
class Scheduled(LitMLP):
    def __init__(self):
        super().__init__()
        self.rates = []

    def configure_optimizers(self):
        adam = torch.optim.Adam(self.parameters())
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            adam, 0.01, total_steps=self.trainer.estimated_stepping_batches
        )
        return [adam], [{"scheduler": cycle, "interval": "step"}]

    def training_step(self, batch, batch_idx):
        self.rates.append(self.lr_schedulers().get_last_lr()[0])
        return super().training_step(batch, batch_idx)
""",
        ),
    ),
    "ex-count-samples": Case(
        mutants=(
            Mutant("+= len(batch[1])", "+= 1", "these are the batches"),
            Mutant("+= len(batch[1])", "+= len(batch)", "a batch is a pair"),
            Mutant(
                "+= len(batch[1])",
                "+= trainer.train_dataloader.batch_size",
                "is smaller",
            ),
            Mutant("on_fit_start(", "on_train_epoch_start(", "starts again"),
            Mutant(
                "+= len(batch[1])\n",
                "+= len(batch[1])\n    on_validation_batch_end = on_train_batch_end\n",
                "validation pictures are counted too",
            ),
        ),
        others=(
            """
class CountSamples(L.Callback):
    def __init__(self):
        self.sizes = []

    @property
    def seen(self):
        return sum(self.sizes)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.sizes.append(batch[0].shape[0])
""",
        ),
    ),
    "ex-continue": Case(
        needs=TRAINER,
        mutants=(
            Mutant(", ckpt_path=path", "", "the file was never read"),
            Mutant(
                "    trainer.fit(model, loader, ckpt_path=path)",
                '    model.load_state_dict(torch.load(path)["state_dict"])\n'
                "    trainer.fit(model, loader)",
                "nor the optimizer's memory",
            ),
            Mutant('"resumed", epochs', '"resumed", epochs + 2', "counts all epochs"),
            Mutant("return trainer", "return model", "not a trainer"),
        ),
        others=(
            """
def continue_from(path, model, loader, epochs):
    trainer = L.Trainer(
        max_epochs=epochs,
        accelerator=device.type,
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, train_dataloaders=loader, ckpt_path=str(path))
    return trainer
""",
        ),
    ),
    "ex-order": Case(
        needs=("imports", "tiny-trainer"),
        mutants=(
            Mutant(
                """        for _ in range(self.max_epochs):
            model.on_train_epoch_start()
""",
                """        model.on_train_epoch_start()
        for _ in range(self.max_epochs):
""",
                "once in all",
            ),
            Mutant(
                "            model.on_train_epoch_end()",
                "                model.on_train_epoch_end()",
                "not to each batch",
            ),
            Mutant(
                """            for batch_idx, batch in enumerate(loader):
                batch = [part.to(device) for part in batch]
                loss = model.training_step(batch, batch_idx)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            model.on_train_epoch_end()
""",
                """            model.on_train_epoch_end()
            for batch_idx, batch in enumerate(loader):
                batch = [part.to(device) for part in batch]
                loss = model.training_step(batch, batch_idx)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
""",
                "is another one",
            ),
            Mutant("            model.on_train_epoch_end()\n", "", "is never called"),
            Mutant(
                """        optimizer = model.configure_optimizers()
        for _ in range(self.max_epochs):
""",
                """        for _ in range(self.max_epochs):
            optimizer = model.configure_optimizers()
""",
                "has forgotten the steps before",
            ),
            Mutant("optimizer.zero_grad()\n", "pass\n", "gradients of the batch"),
        ),
        others=(
            """
class HookedTrainer(TinyTrainer):
    def fit(self, model, loader):
        model.to(device)
        optimizer = model.configure_optimizers()
        for batch_idx, batch in [*enumerate(loader)] * self.max_epochs:
            if batch_idx == 0:
                model.on_train_epoch_start()
            inputs, targets = batch
            model.zero_grad()
            batch = inputs.to(device), targets.to(device)
            model.training_step(batch, batch_idx).backward()
            optimizer.step()
            if batch_idx == len(loader) - 1:
                model.on_train_epoch_end()
""",
        ),
    ),
}

SETUP = """
import logging
import tempfile
import warnings
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="lightning|torch")
quiet = {"accelerator": "cpu", "devices": 1, "enable_progress_bar": False,
         "enable_model_summary": False, "log_every_n_steps": 1}
loader = DataLoader(torch.ones(8, 1), 4)


class Module(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def training_step(self, batch, batch_idx):
        return (self.weight * batch).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.25)
"""

FACTS = {
    "Question 1": SETUP
    + """
bare = {"logger": False, "enable_checkpointing": False}
module, trainer = Module(), L.Trainer(max_epochs=2, **bare, **quiet)
trainer.fit(module, loader)
assert module.weight.item() == 0.0  # four steps of 0.25
assert not trainer.logged_metrics and not trainer.callback_metrics
Module.training_step = lambda self, batch, batch_idx: None
module = Module()
L.Trainer(max_epochs=2, **bare, **quiet).fit(module, loader)
assert module.weight.item() == 1.0
""",
    "Question 2": """
import torch
from torch.nn import functional as F

logits = torch.randn(6, 4, requires_grad=True)
truth = torch.randint(4, (6,))


def gradient(loss):
    return torch.autograd.grad(loss, logits)[0]


right = gradient(F.cross_entropy(logits, truth))
log_probs = F.log_softmax(logits, dim=1)
torch.testing.assert_close(gradient(F.nll_loss(log_probs, truth)), right)
log_probs = F.log_softmax(logits, dim=1)
torch.testing.assert_close(gradient(F.cross_entropy(log_probs, truth)), right)
probs = F.log_softmax(logits, dim=1).exp()
assert not torch.allclose(gradient(F.cross_entropy(probs, truth)), right, atol=1e-3)
""",
    "Question 3": SETUP
    + """
class Watched(Module):
    # Best after the second of four epochs: |1.0 - 0.5 * epochs|
    def validation_step(self, batch, batch_idx):
        self.log("valid_loss", self.weight.abs().squeeze())

    def test_step(self, batch, batch_idx):
        self.log("weight", self.weight.squeeze())


with tempfile.TemporaryDirectory() as folder:
    best = ModelCheckpoint(folder, monitor="valid_loss")
    trainer = L.Trainer(max_epochs=4, logger=False, callbacks=[best], **quiet)
    module = Watched()
    trainer.fit(module, loader, loader)

    def tested(*model, **options):
        (result,) = trainer.test(*model, loader, verbose=False, **options)
        return result["weight"]

    last, chosen = -1.0, 0.0
    assert trainer.test(module, loader, verbose=False)[0]["weight"] == last
    for model, options in [(module, {"ckpt_path": "best"}), (None, {})]:
        (result,) = trainer.test(model, loader, verbose=False, **options)
        assert result["weight"] == chosen
""",
    "Question 4": """
from torch.utils.data import DataLoader, DistributedSampler

data = list(range(4000))
alone = len(DataLoader(data, 32))
shares = [DistributedSampler(data, num_replicas=4, rank=rank) for rank in range(4)]
loaders = [DataLoader(data, 32, sampler=share) for share in shares]
assert {len(loader) for loader in loaders} == {32}
assert abs(alone / 4 - 32) < 1
first = [next(iter(loader)).tolist() for loader in loaders]
assert len({sample for part in first for sample in part}) == 4 * 32
""",
    "Question 5": SETUP
    + """
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


class Logging(Module):
    name = "loss"

    def training_step(self, batch, batch_idx):
        self.log(self.name, 0.5)
        return super().training_step(batch, batch_idx)


with tempfile.TemporaryDirectory() as folder:
    for name in ("loss", "accuracy"):
        logger = TensorBoardLogger(folder, name, "0", default_hp_metric=False)
        module = Logging()
        module.name = name
        L.Trainer(
            max_epochs=1, logger=logger, enable_checkpointing=False, **quiet
        ).fit(module, loader)
        events = EventAccumulator(logger.log_dir).Reload()
        assert set(events.Tags()["scalars"]) == {"epoch", name}
""",
}
