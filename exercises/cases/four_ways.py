"""What the checkers are tried on: four ways."""

from . import Case, Mutant

WAYS = ("imports", "recording-loss")

CASES = {
    "ex-global-batch": Case(
        mutants=(
            Mutant("return processes * batch", "return batch", "of one process; all"),
            Mutant("ceil(samples / processes)", "samples // processes", "left out"),
            Mutant("ceil(share / batch)", "share // batch", "it is a step too"),
            Mutant("ceil(share / batch)", "share / batch", "no part of a step"),
            Mutant("ceil(samples / processes)", "samples", "that has all samples"),
            Mutant("ceil(share / batch)", "share // batch + 1", "nothing remains"),
        ),
        others=(
            """
def global_batch(processes, batch):
    return sum(batch for _ in range(processes))


def steps_per_epoch(samples, processes, batch):
    return torch.tensor(-(-samples // global_batch(processes, batch)))
""",
        ),
    ),
    "ex-accumulate": Case(
        mutants=(
            Mutant("(loss * len(y) / len(targets))", "loss", "the sum of the"),
            Mutant(
                "loss * len(y) / len(targets)",
                "loss / len(inputs.split(size))",
                "Every part weighs the same",
            ),
            Mutant("len(y) / len", "size / len", "the last one is smaller"),
            Mutant(" / len(targets)", "", "not of their mean"),
            Mutant(
                "        loss = F",
                "        model.zero_grad()\n        loss = F",
                "alone",
            ),
            Mutant(".split(size)", ".chunk(size)", "`chunk` takes the number"),
            Mutant(
                "zip(inputs.split(size), targets.split(size), strict=True)",
                "[(inputs, targets)]",
                "all at once",
            ),
            Mutant(
                """        loss = F.cross_entropy(model(x), y)
        (loss * len(y) / len(targets)).backward()
""",
                """        loss = F.cross_entropy(model(x), y) * len(y) / len(targets)
        total = locals().get("total", 0) + loss
    total.backward()
""",
                "before the first went backward",
            ),
        ),
        others=(
            """
def accumulate(model, inputs, targets, size):
    model.zero_grad()
    for first in range(0, len(inputs), size):
        part = slice(first, first + size)
        logits = model(inputs[part].to(device))
        loss = F.cross_entropy(logits, targets[part].to(device), reduction="sum")
        loss.div(len(inputs)).backward()
""",
        ),
    ),
    "ex-shares": Case(
        mutants=(
            Mutant(
                "gradients) / len(shares)",
                "len(y) * one for one, y in zip(gradients, targets.split(shares))"
                ") / sum(shares)",
                "weighted by its samples",
            ),
            Mutant("sum(gradients) / len(shares)", "sum(gradients)", "are added up"),
            Mutant(
                "        model.zero_grad()\n", "        pass\n", "adds up until it is"
            ),
            Mutant("torch.cat(parts)", "torch.cat(parts).mean()", "one vector"),
            Mutant("ratio = 48 / 16", "ratio = 16 / 48", "the other way round"),
            Mutant("ratio = 48 / 16", "ratio = 1", "shared out"),
        ),
        others=(
            """
def ddp_gradient(model, inputs, targets, shares):
    vectors, first = [], 0
    for share in shares:
        part = slice(first, first + share)
        first += share
        loss = F.cross_entropy(model(inputs[part]), targets[part])
        found = torch.autograd.grad(loss, list(model.parameters()))
        vectors.append(torch.cat([one.reshape(-1) for one in found]))
    return torch.stack(vectors).mean(dim=0)


ratio = torch.tensor(3)
""",
        ),
    ),
    "ex-shuffle": Case(
        mutants=(
            Mutant("self.epoch += 1", "pass", "Two epochs have the same order"),
            Mutant(", generator=generator", "", "global generator"),
            Mutant(
                "generator = torch.Generator().manual_seed",
                "generator = torch.manual_seed",
                "global generator",
            ),
            Mutant(
                "torch.randperm(self.size, ",
                "torch.randint(self.size, (self.size,), ",
                "some come twice",
            ),
            Mutant(
                """        self.epoch += 1
        return iter(torch.randperm(self.size, generator=generator).tolist())
""",
                """        order = torch.randperm(self.size, generator=generator)
        yield from order.tolist()
        self.epoch += 1
""",
                "read to its end",
            ),
            Mutant(
                "return iter(torch.randperm(self.size, generator=generator).tolist())",
                "return torch.randperm(self.size, generator=generator).tolist()",
                "has to return an iterator",
            ),
            Mutant("def __len__", "def size_of_epoch", "without `__len__`"),
            Mutant("self.seed + self.epoch", "self.epoch", "does not depend on `seed`"),
        ),
        others=(
            """
class EpochSampler(torch.utils.data.Sampler):
    def __init__(self, size, seed):
        self.indices = torch.arange(size)
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self):
        return len(self.indices)

    def __iter__(self):
        drawn = torch.rand(len(self), generator=self.generator)
        return (int(index) for index in self.indices[drawn.argsort()])
""",
        ),
    ),
    "ex-gradient-norms": Case(
        mutants=(
            Mutant("after_backward", "after_batch", "of them are zero"),
            Mutant("after_backward", "after_loss", "`.grad` is None"),
            Mutant("before_fit", "before_epoch", "starts again with each epoch"),
            Mutant(
                "torch.cat(gradients).norm().item()",
                "sum(g.norm() for g in gradients).item()",
                "are added up",
            ),
            Mutant("p.grad.flatten()", "p.flatten()", "norms of the weights"),
            Mutant(".norm()", ".abs().sum()", "sums of absolute values"),
            Mutant("after_backward", "after_gradients", "it noted 0 norms"),
        ),
        others=(
            """
class GradientNorms(Callback):
    def __init__(self):
        self.norms = []

    def before_step(self):
        tensors = [p.grad for p in self.model.parameters()]
        self.norms.append(torch.nn.utils.get_total_norm(tensors))
""",
        ),
    ),
    "ex-fifth": Case(
        needs=WAYS,
        mutants=(
            Mutant("p.sub_(b, alpha=RATE)", "p.sub_(g, alpha=RATE)", "without moment"),
            Mutant("add_(g)", "add_(g, alpha=1 - MOMENTUM)", "enters whole"),
            Mutant("p.sub_", "p.add_", "The loss climbs"),
            Mutant(
                """    buffers = [torch.zeros_like(p) for p in parameters]
    for _ in range(EPOCHS):
""",
                """    for _ in range(EPOCHS):
        buffers = [torch.zeros_like(p) for p in parameters]
""",
                "begin anew with each epoch",
            ),
            Mutant("with torch.no_grad():", "if True:", "under `torch.no_grad()`"),
            Mutant("p.sub_(b, alpha=RATE)", "p = p - RATE * b", "keeps the old one"),
            Mutant(
                "p.sub_(b, alpha=RATE)\n",
                "p.sub_(b, alpha=RATE)\n        model.eval()\n",
                "in evaluation mode",
            ),
            Mutant(
                "def functional_way(model, train_loader, valid_loader, loss_fn):",
                """def functional_way(model, train_loader, valid_loader, loss_fn):
    optimizer = make_optimizer(model.parameters())
    for _ in range(EPOCHS):
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x.to(device)), y.to(device)).backward()
            optimizer.step()
    return


def unused(model, train_loader, valid_loader, loss_fn):""",
                "optimizer object",
            ),
        ),
        others=(
            """
def functional_way(model, train_loader, valid_loader, loss_fn):
    memory = {}
    for _ in range(2):
        model.train()
        for x, y in train_loader:
            model.zero_grad()
            loss_fn(model(x.to(device)), y.to(device)).backward()
            for name, weight in model.named_parameters():
                old = memory.get(name)
                new = weight.grad if old is None else 0.9 * old + weight.grad
                memory[name] = new.clone()
                weight.data = weight.data - 0.05 * memory[name]
        model.eval()
        with torch.inference_mode():
            for x, y in valid_loader:
                loss_fn(model(x.to(device)), y.to(device))
""",
        ),
    ),
    "ex-project": Case(
        mutants=(
            Mutant(
                """    for way in ways:
        torch.manual_seed(0)
""",
                """    torch.manual_seed(0)
    for way in ways:
""",
                "seed before each is built",
            ),
            Mutant(
                """    for way in ways:
        torch.manual_seed(0)
        model, loader = make_model(), make_loader()
""",
                """    model = make_model()
    for way in ways:
        torch.manual_seed(0)
        loader = make_loader()
""",
                "share one model",
            ),
            Mutant(
                """    for way in ways:
        torch.manual_seed(0)
        model, loader = make_model(), make_loader()
""",
                """    loader = make_loader()
    for way in ways:
        torch.manual_seed(0)
        model = make_model()
""",
                "share one loader",
            ),
            Mutant(
                """    for way in ways:
        torch.manual_seed(0)
        model, loader = make_model(), make_loader()
""",
                """    first = make_model()
    for way in ways:
        model, loader = make_model(), make_loader()
        model.load_state_dict(first.state_dict())
""",
                "different states of the generator",
            ),
            Mutant(".abs()", "", "without their signs"),
            Mutant("finals[1:]", "finals[1:2]", "every way counts"),
            Mutant(".max()", ".mean()", "every weight of every way"),
        ),
        others=(
            """
import copy


def farthest(make_model, make_loader, ways):
    start, ends = make_model(), []
    for way in ways:
        model = copy.deepcopy(start)
        loader = make_loader()
        torch.manual_seed(17)
        way(model, loader)
        ends.append([p.detach().cpu() for p in model.parameters()])
    return max(
        float((a - b).abs().max())
        for end in ends
        for a, b in zip(end, ends[0], strict=True)
    )
""",
        ),
    ),
}

FACTS = {
    "Question 1": """
from itertools import islice

import torch
from torch.utils.data import DataLoader


def epochs_of(count):
    own = torch.Generator().manual_seed(3)
    loader = DataLoader(torch.arange(40), 4, shuffle=True, generator=own)
    epochs = []
    for _ in range(2):
        batches = islice(loader, len(loader)) if count else loader
        epochs.append(torch.cat(list(batches)).tolist())
    return epochs


to_the_end, counted = epochs_of(False), epochs_of(True)
assert to_the_end[0] == counted[0]
assert to_the_end[1] != counted[1]
""",
    "Question 2": """
import torch
from torch import nn
from torch.nn import functional as F

inputs, targets = torch.randn(64, 5), torch.randint(3, (64,))


def gradient(model, part):
    loss = F.cross_entropy(model(inputs[part]), targets[part])
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    return torch.cat([one.flatten() for one in gradients])


def shares(model):
    return sum(gradient(model, slice(rank, None, 4)) for rank in range(4)) / 4


plain = nn.Linear(5, 3)
torch.testing.assert_close(shares(plain), gradient(plain, slice(None)))
for batch in (4, 16):
    assert not torch.allclose(shares(plain), gradient(plain, slice(batch)), atol=1e-3)
norm = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
assert not torch.allclose(shares(norm), gradient(norm, slice(None)), atol=1e-4)
""",
    "Question 3": """
import torch
from torch import nn
from torch.nn import functional as F

inputs, targets = torch.randn(64, 5), torch.randint(3, (64,))


def stepped(rate, divide):
    torch.manual_seed(0)
    model = nn.Linear(5, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    for x, y in zip(inputs.chunk(8), targets.chunk(8), strict=True):
        (F.cross_entropy(model(x), y) / divide).backward()
    optimizer.step()
    return model.weight.detach()


torch.testing.assert_close(stepped(0.1, divide=1), stepped(0.8, divide=8))
assert not torch.allclose(stepped(0.1, divide=1), stepped(0.1, divide=8))
""",
    "Question 4": """
import torch
from torch import nn
from torch.utils.data import DataLoader


def draws(loader):
    before = torch.get_rng_state()
    iter(loader)
    return not torch.equal(before, torch.get_rng_state())


data = torch.randn(12, 4)
assert draws(DataLoader(data, 4))
assert not draws(DataLoader(data, 4, generator=torch.Generator()))
norm = nn.BatchNorm1d(4)
with torch.inference_mode():
    norm.eval()(data)
    assert norm.running_mean.eq(0).all()
    norm.train()(data)
assert not norm.running_mean.eq(0).any()
""",
    "Question 5": """
import warnings

warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated")

import torch
from fastai.optimizer import Adam
from torch import nn

inputs = torch.randn(64, 5)


def trained(make):
    torch.manual_seed(0)
    model = nn.Linear(5, 3)
    optimizer = make(list(model.parameters()))
    for _ in range(20):
        model(inputs).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.weight.detach()


def distance(**options):
    own = trained(lambda parameters: Adam(parameters, lr=0.01, **options))
    return (own - plain).abs().max()


plain = trained(lambda parameters: torch.optim.Adam(parameters, lr=0.01))
assert distance(mom=0.9, sqr_mom=0.999, eps=1e-8, wd=0) < 1e-5
assert distance() > 1e-3
assert distance(decouple_wd=False) > 1e-3
""",
}
