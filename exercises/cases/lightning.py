"""What the checkers are tried on: lightning."""

from . import Case, Mutant

TRAINER = ("imports", "quiet", "make-trainer")
MLP = ("imports", "ex-module-code")

CASES = {
    "ex-trainer-steps": Case(
        mutants=(
            Mutant("-(-4000 // batch_size)", "(4000 // batch_size)", "rounds down"),
            Mutant("epochs * -(-4000 //", "-(-epochs * 4000 //", "ends each epoch"),
            Mutant("-(-4000 // batch_size)", "(4000 / batch_size)", "has to be whole"),
            Mutant(
                "-(-4000 // batch_size)",
                "(4000 // batch_size + 1)",
                "nothing is left over for a smaller batch",
            ),
            Mutant("epochs * -(", "1 * -(", "the number of steps in one epoch"),
        ),
        others=(
            """
import math


def steps(epochs, batch_size):
    return torch.tensor(sum(math.ceil(4000 / batch_size) for _ in range(epochs)))
""",
            """
def steps(epochs, batch_size):
    '''Count them, batch by batch.'''
    count = 0
    for _ in range(epochs):
        left = 4_000
        while left > 0:
            left -= batch_size
            count += 1
    return count
""",
            """
def steps(epochs, batch_size):
    images = torch.empty(4000, 0)
    return epochs * len(DataLoader(images, batch_size=batch_size))
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
            Mutant("nn.ReLU()", "nn.Tanh()", "is not ReLU"),
            Mutant("nn.ReLU()", "nn.GELU()", "is not ReLU"),
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
            """
class LitMLP(L.LightningModule):
    '''Two layers as attributes; a metric gathers the right answers.'''

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(in_features=784, out_features=128)
        self.output = nn.Linear(in_features=128, out_features=10)
        self.valid_accuracy = MulticlassAccuracy(num_classes=10, average="micro")

    def forward(self, images):
        flat = images.reshape(images.shape[0], -1)
        return self.output(self.hidden(flat).clamp(min=0))

    def training_step(self, batch):
        log_probabilities = F.log_softmax(self(batch[0]), dim=1)
        return F.nll_loss(log_probabilities, batch[1])

    def validation_step(self, batch):
        logits = self(batch[0])
        self.valid_accuracy.update(logits, batch[1])
        self.log(
            "valid_accuracy", self.valid_accuracy, on_step=False, on_epoch=True
        )

    def configure_optimizers(self):
        groups = [
            {"params": self.hidden.parameters()},
            {"params": self.output.parameters()},
        ]
        return {"optimizer": torch.optim.Adam(groups, lr=2e-3)}
""",
            """
class LitMLP(L.LightningModule):
    def __init__(self, hidden=128):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(28 * 28, hidden), nn.ReLU(), nn.Linear(hidden, 10)
        )
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.net(x)

    def on_train_start(self):
        pass

    def on_validation_epoch_end(self): ...

    def training_step(self, batch, batch_idx):
        x, y = batch
        return self.loss(self(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        right = self(x).argmax(dim=1) == y
        self.log("valid_accuracy", right.float().mean(), batch_size=len(y))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())
""",
            """
class LitMLP(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.first = nn.LazyLinear(128)
        self.last = nn.Linear(128, 10)
        self(torch.zeros(1, 1, 28, 28))

    def forward(self, images):
        return self.last(torch.relu(self.first(images.flatten(1))))

    def training_step(self, batch):
        return F.cross_entropy(self(batch[0]), batch[1])

    def on_validation_epoch_start(self):
        self.right = self.seen = 0

    def validation_step(self, batch, batch_idx):
        self.right += (self(batch[0]).argmax(dim=1) == batch[1]).sum().item()
        self.seen += len(batch[1])

    def on_validation_epoch_end(self):
        self.log("valid_accuracy", self.right / self.seen)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-3, betas=(0.9, 0.99))
""",
        ),
    ),
    "ex-schedule": Case(
        needs=MLP,
        mutants=(
            Mutant('"interval": "step"', '"interval": "epoch"', "once per epoch"),
            Mutant(', "lr_scheduler": config', "", "has no schedule"),
            Mutant(
                "on_train_batch_start(self, batch, batch_idx)",
                "on_train_batch_end(self, outputs, batch, batch_idx)",
                "the one of the step after",
            ),
            Mutant("max_lr=0.01", "max_lr=0.1", "The largest rate is"),
            Mutant("total_steps=60", "total_steps=30", "stops before that"),
            Mutant("total_steps=60", "total_steps=120", "made for more steps"),
            Mutant(
                "    def configure_optimizers(self):\n        self.rates = []\n",
                "    rates = []\n\n    def configure_optimizers(self):\n",
                "belongs to the class",
            ),
            Mutant(
                "scheduler = one_cycle",
                "int('a')\n        scheduler = one_cycle",
                "Your code stopped at `int('a')`",
            ),
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
            """
class Scheduled(LitMLP):
    def __init__(self):
        super().__init__()
        self.rates = []

    def on_before_optimizer_step(self, optimizer):
        self.rates.append(optimizer.param_groups[0]["lr"])

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.01, total_steps=60
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }
""",
            """
from torch.optim.lr_scheduler import OneCycleLR


class Scheduled(LitMLP):
    '''The rate is read while the step's loss is computed.'''

    def __init__(self, *args, peak=0.01, steps=60, **kwargs):
        super().__init__(*args, **kwargs)
        self.peak, self.steps = peak, steps
        self.rates = list()

    def training_step(self, batch, batch_idx):
        scheduler = self.lr_schedulers()
        (rate,) = scheduler.get_last_lr()
        self.rates.append(float(rate))
        return super().training_step(batch, batch_idx)

    def configure_optimizers(self):
        adam = torch.optim.Adam(self.parameters(), lr=1e-4)
        cycle = OneCycleLR(adam, self.peak, epochs=1, steps_per_epoch=self.steps)
        config = dict(scheduler=cycle, interval="step", frequency=1, name="cycle")
        return dict(optimizer=adam, lr_scheduler=config)
""",
        ),
    ),
    "ex-count-samples": Case(
        mutants=(
            Mutant("+= len(batch[1])", "+= 1", "the number of batches"),
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
                "the validation images, too",
            ),
            Mutant(
                "def on_train_batch_end(self, trainer, module, outputs, batch, "
                "batch_idx):\n        self.seen += len(batch[1])",
                "def on_train_epoch_end(self, trainer, module):\n"
                "        self.seen += len(trainer.train_dataloader.dataset)",
                "what goes through the network",
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
            """
class CountSamples(L.Callback):
    '''Note the size of each training batch; `seen` adds them up.'''

    def __init__(self):
        super().__init__()
        self.sizes = []

    @property
    def seen(self):
        return sum(self.sizes)

    def setup(self, trainer, pl_module, stage):
        if stage == "fit":
            self.sizes.clear()

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.sizes.append(batch[0].shape[0])
""",
            """
class CountSamples(L.Callback):
    seen = 0

    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        self.seen += self.now

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.now = torch.tensor(batch[0].size(0))
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
            Mutant(
                "model, loader, ckpt", "model, datamodule=loader, ckpt", "Attribute"
            ),
            Mutant(
                "trainer.fit(",
                "assert len(loader)\n    trainer.fit(",
                "Your code stopped at `assert len(loader)`",
            ),
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
            """
def continue_from(path, model, loader, epochs):
    '''Resume from a file, with a trainer that writes nothing.'''
    trainer = L.Trainer(
        max_epochs=epochs,
        accelerator="auto",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    if isinstance(loader, L.LightningDataModule):
        source = {"datamodule": loader}
    else:
        source = {"train_dataloaders": loader}
    trainer.fit(model=model, ckpt_path=str(path), **source)
    return trainer
""",
            """
def continue_from(path, model, loader, epochs):
    trainer = make_trainer("again", max_epochs=-1, enable_checkpointing=False)
    trainer.fit_loop.max_epochs = epochs
    trainer.fit(model, loader, ckpt_path=path)
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
                "has a different one",
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
            """
class _Announced:
    '''A loader that tells a model when an epoch begins and ends.'''

    def __init__(self, model, loader):
        self.model, self.loader = model, loader

    def __iter__(self):
        self.model.on_train_epoch_start()
        yield from self.loader
        self.model.on_train_epoch_end()


class HookedTrainer(TinyTrainer):
    def fit(self, model, loader):
        return super().fit(model, _Announced(model, loader))
""",
            """
class HookedTrainer(TinyTrainer):
    def fit(self, model, loader):
        model.to(device)
        self.optimizer = model.configure_optimizers()
        while self.max_epochs > 0:
            self.max_epochs -= 1
            model.on_train_epoch_start()
            for number, batch in enumerate(loader):
                loss = model.training_step([one.to(device) for one in batch], number)
                grads = torch.autograd.grad(loss, list(model.parameters()))
                for p, grad in zip(model.parameters(), grads, strict=True):
                    p.grad = grad
                self.optimizer.step()
            model.on_train_epoch_end()
""",
            """
class HookedTrainer(TinyTrainer):
    def fit(self, model, loader):
        kept, make = model.to(device).configure_optimizers(), model.configure_optimizers
        epochs, self.max_epochs = self.max_epochs, 1
        for _ in range(epochs):
            model.on_train_epoch_start()
            make().zero_grad()
            model.configure_optimizers = lambda: kept
            super().fit(model, loader)
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
