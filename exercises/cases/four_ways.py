"""What the checkers are tried on: four ways."""

from . import Case, Mutant

WAYS = ("imports", "recording-loss")

CASES = {
    "ex-global-batch": Case(
        mutants=(
            Mutant(
                "return processes * batch", "return batch", "the batch of one process"
            ),
            Mutant("ceil(samples / processes)", "samples // processes", "are left out"),
            Mutant("ceil(share / batch)", "share // batch", "it's a step "),
            Mutant("ceil(share / batch)", "share / batch", "part of a step"),
            Mutant("ceil(samples / processes)", "samples", "one process would need"),
            Mutant("ceil(share / batch)", "share // batch + 1", "no samples left"),
        ),
        others=(
            """
def global_batch(processes, batch):
    return sum(batch for _ in range(processes))


def steps_per_epoch(samples, processes, batch):
    return torch.tensor(-(-samples // global_batch(processes, batch)))
""",
            """
import operator

global_batch = operator.mul


def _rounded_up(whole, part):
    quotient, rest = divmod(whole, part)
    if rest:
        return quotient + 1
    return quotient


def steps_per_epoch(samples, processes, batch):
    missing = -samples % processes  # samples that are repeated
    return _rounded_up((samples + missing) // processes, batch)
""",
            """
global_batch = lambda processes, batch: len(range(processes * batch))


def steps_per_epoch(samples, processes, batch):
    sampler = DistributedSampler(range(samples), num_replicas=processes, rank=0)
    return len(DataLoader(range(samples), batch, sampler=sampler))
""",
        ),
    ),
    "ex-accumulate": Case(
        mutants=(
            Mutant("(loss * len(y) / len(targets))", "loss", "is the sum of"),
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
                "at once",
            ),
            Mutant(
                """        loss = F.cross_entropy(model(x), y)
        (loss * len(y) / len(targets)).backward()
""",
                """        loss = F.cross_entropy(model(x), y) * len(y) / len(targets)
        total = locals().get("total", 0) + loss
    total.backward()
""",
                "before the one before it",
            ),
            Mutant(".split(size)", ".split(size + 1)", "are larger than"),
            Mutant(
                "zip(inputs.split(size), targets.split(size), strict=True)",
                "zip(inputs.split(size)[:-1], targets.split(size))",
                "went through the model",
            ),
            # Stored at the end, and yet all parts were in memory together.
            Mutant(
                """        loss = F.cross_entropy(model(x), y)
        (loss * len(y) / len(targets)).backward()
""",
                """        loss = F.cross_entropy(model(x), y) * len(y) / len(targets)
        total = locals().get("total", 0) + loss
    weights = list(model.parameters())
    for p, grad in zip(weights, torch.autograd.grad(total, weights), strict=True):
        p.grad = grad
""",
                "went backward",
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
            """
def accumulate(model, inputs, targets, size):
    '''Gather sums part by part; divide once, at the end.'''
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    sums = [torch.zeros_like(weight) for weight in weights]
    start = 0
    while start < len(inputs):
        stop = min(start + size, len(inputs))
        loss = F.cross_entropy(model(inputs[start:stop]), targets[start:stop])
        gradients = torch.autograd.grad(loss, weights)
        for total, gradient in zip(sums, gradients, strict=True):
            total += gradient * (stop - start)
        start = stop
    for weight, total in zip(weights, sums, strict=True):
        weight.grad = total / len(inputs)
""",
            """
def accumulate(model, inputs, targets, size):
    for x, y in zip(inputs.split(size), targets.split(size), strict=True):
        F.cross_entropy(model.forward(x), y).mul(len(x) / len(inputs)).backward()
""",
            """
def accumulate(model, inputs, targets, size):
    weights = {name: p.detach() for name, p in model.named_parameters()}

    def summed(weights, x, y):
        logits = torch.func.functional_call(model, weights, (x,))
        return F.cross_entropy(logits, y, reduction="sum") / len(inputs)

    for x, y in zip(inputs.split(size), targets.split(size), strict=True):
        gradients = torch.func.grad(summed)(weights, x, y)
        for name, p in model.named_parameters():
            p.grad = gradients[name] + (0 if p.grad is None else p.grad)
""",
            # One sample at a time, without a dimension for the batch.
            """
def accumulate(model, inputs, targets, size):
    for x, y in zip(inputs, targets, strict=True):
        (F.cross_entropy(model(x), y) / len(inputs)).backward()
""",
            # An accuracy on the side, and a graph that's dropped unused.
            """
def accumulate(model, inputs, targets, size):
    for x, y in zip(inputs.split(size), targets.split(size), strict=True):
        correct = (model(x).argmax(dim=1) == y).sum()
        (F.cross_entropy(model(x), y) * len(y) / len(targets)).backward()
        with torch.no_grad():
            correct = (model(x).argmax(dim=1) == y).sum() - correct
""",
            # The gradient of each sample, all samples of a part at once.
            """
from torch.func import functional_call, grad, vmap


def accumulate(model, inputs, targets, size):
    weights = {name: p.detach() for name, p in model.named_parameters()}

    def loss(weights, x, y):
        return F.cross_entropy(functional_call(model, weights, (x,)), y)

    per_sample = vmap(grad(loss), in_dims=(None, 0, 0))
    for x, y in zip(inputs.split(size), targets.split(size), strict=True):
        for name, gradients in per_sample(weights, x, y).items():
            p, share = model.get_parameter(name), gradients.sum(0) / len(inputs)
            p.grad = share if p.grad is None else p.grad + share
""",
            # From the logits backward by hand.
            """
def accumulate(model, inputs, targets, size):
    for x, y in zip(inputs.split(size), targets.split(size), strict=True):
        logits = model(x)
        slopes = logits.detach().softmax(dim=1)
        slopes[range(len(y)), y] -= 1
        logits.backward(slopes / len(inputs))
""",
        ),
    ),
    "ex-shares": Case(
        mutants=(
            Mutant(
                "gradients) / len(shares)",
                "len(y) * one for one, y in zip(gradients, targets.split(shares))"
                ") / sum(shares)",
                "by its number of samples",
            ),
            Mutant(
                "sum(gradients) / len(shares)",
                "sum(gradients)",
                "You add the gradients up",
            ),
            Mutant(
                "        model.zero_grad()\n", "        pass\n", "adds up until you"
            ),
            Mutant("torch.cat(parts)", "torch.cat(parts).mean()", "one vector"),
            Mutant("ratio = 48 / 16", "ratio = 16 / 48", "the other way round"),
            Mutant("ratio = 48 / 16", "ratio = 1", "get smaller pieces"),
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
            """
from copy import deepcopy


def ddp_gradient(model, inputs, targets, shares):
    '''Give every process a replica, as DDP does; average their gradients.'''
    total = 0
    start = 0
    for share in shares:
        replica = deepcopy(model)
        replica.zero_grad(set_to_none=True)
        part = slice(start, start + share)
        nn.CrossEntropyLoss()(replica(inputs[part]), targets[part]).backward()
        gradients = [weight.grad for weight in replica.parameters()]
        total = total + nn.utils.parameters_to_vector(gradients)
        start += share
    return total / len(shares)


ratio = (1 / 16) / (1 / 48)
""",
            """
def ddp_gradient(model, inputs, targets, shares):
    weights = list(model.parameters())
    losses = [
        F.cross_entropy(model(x), y)
        for x, y in zip(inputs.split(shares), targets.split(shares), strict=True)
    ]
    loss = torch.stack(losses).mean()
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])


ratio = 3
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
            Mutant("self.seed + self.epoch", "self.epoch", "doesn't depend on `seed`"),
            Mutant(
                "self.seed + self.epoch",
                "self.seed + self.epoch + torch.initial_seed()",
                "PyTorch's own seed",
            ),
            Mutant(
                "        self.epoch += 1",
                '        self.epoch += "1"',
                "Your code stopped at `self.epoch +=",
            ),
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
            """
import random


class EpochSampler(torch.utils.data.Sampler):
    '''Each start shuffles once more with the same private generator.'''

    def __init__(self, size, seed):
        super().__init__()
        self.numbers = range(size)
        self.private = random.Random(seed)

    def __len__(self):
        return len(self.numbers)

    def __iter__(self):
        order = self.private.sample(self.numbers, k=len(self))
        return iter(order)
""",
            """
import itertools

import numpy as np


class EpochSampler(torch.utils.data.Sampler):
    def __init__(self, size, seed):
        self.size, self.generators = size, itertools.count(seed)

    def __len__(self):
        return self.size

    def __iter__(self):
        order = np.random.default_rng(next(self.generators)).permutation(self.size)
        yield from order
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
                "You add up the norms",
            ),
            Mutant("p.grad.flatten()", "p.flatten()", "norms of the weights"),
            Mutant(".norm()", ".abs().sum()", "sums of absolute values"),
            Mutant("after_backward", "after_gradients", "it noted 0 norms"),
            Mutant("self.learn.model.", "self.learn.net.", "with AttributeError"),
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
            """
class GradientNorms(Callback):
    '''One long vector of all gradients, and its length.'''

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norms = list()

    def after_backward(self):
        grads = (weight.grad for weight in self.learn.model.parameters())
        flat = [g.detach().flatten().cpu() for g in grads if g is not None]
        vector = torch.cat(flat)
        self.norms += [float(torch.linalg.vector_norm(vector))]
""",
            """
class GradientNorms(Callback):
    order = 20

    def before_fit(self):
        self.squares = []

    @property
    def norms(self):
        return torch.tensor(self.squares).sqrt()

    def after_backward(self):
        gradients = [p.grad for p in self.learn.model.parameters()]
        self.squares.append(sum(float((one * one).sum()) for one in gradients))
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
                "start from zero in each epoch",
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
                "uses an optimizer object",
            ),
            Mutant(
                "    for _ in range(EPOCHS):",
                "    from fastai.optimizer import SGD\n    SGD(parameters, lr=RATE)\n"
                "    for _ in range(EPOCHS):",
                "uses an optimizer object",
            ),
            Mutant(
                "loss_fn(model(x.to(device)), y.to(device))",
                "loss_fn(model(x.to(device)), y.to(device)[:-1])",
                "Your code stopped at",
            ),
            # The truth is computed before the answer can change the data.
            Mutant(
                "        for x, y in train_loader:\n",
                "        for x, y in train_loader:\n"
                "            train_loader.dataset.tensors[0].zero_()\n",
                "The losses aren't those",
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
            """
def functional_way(model, train_loader, valid_loader, loss_fn):
    model.to(device).train()
    weights = list(model.parameters())
    buffers = [None] * len(weights)
    for _ in range(EPOCHS):
        for inputs, labels in train_loader:
            model.zero_grad()
            loss_fn(model(inputs.to(device)), labels.to(device)).backward()
            with torch.no_grad():
                for i, weight in enumerate(weights):
                    if weight.grad is None:
                        continue
                    if buffers[i] is None:
                        buffers[i] = weight.grad.clone()
                    else:
                        buffers[i].mul_(MOMENTUM).add_(weight.grad)
                    weight.add_(buffers[i], alpha=-RATE)
""",
            """
from torch.func import functional_call


def functional_way(model, train_loader, valid_loader, loss_fn):
    '''Keep weights and buffers in dictionaries; write them back at the end.'''
    model.to(device)
    model.train()
    weights = {
        name: weight.detach().clone().requires_grad_()
        for name, weight in model.named_parameters()
    }
    velocity = {}
    for _ in range(EPOCHS):
        for inputs, labels in train_loader:
            outputs = functional_call(model, weights, (inputs.to(device),))
            loss = loss_fn(outputs, labels.to(device))
            gradients = torch.autograd.grad(loss, list(weights.values()))
            with torch.no_grad():
                for name, gradient in zip(weights, gradients, strict=True):
                    if name in velocity:
                        gradient = MOMENTUM * velocity[name] + gradient
                    velocity[name] = gradient
                    moved = weights[name] - RATE * gradient
                    weights[name] = moved.requires_grad_()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(weights[name])
""",
            """
def functional_way(model, train_loader, valid_loader, loss_fn):
    momenta = [0] * len(list(model.parameters()))
    results = []
    for _ in range(EPOCHS):
        for x, y in train_loader:
            loss = loss_fn(model.train()(x.to(device)), y.to(device))
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            momenta = [MOMENTUM * m + g for m, g in zip(momenta, gradients)]
            with torch.no_grad():
                torch._foreach_add_(list(model.parameters()), momenta, alpha=-RATE)
        model.eval()
        # Nothing goes backward here, so nothing is trained.
        losses = [loss_fn(model(x.to(device)), y.to(device)) for x, y in valid_loader]
        results.append(sum(losses).item() / len(losses))
    return results
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
                "set the seed before you build",
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
            Mutant(
                "        way(model, loader)",
                "        torch.manual_seed(len(finals))\n        way(model, loader)",
                "different states of the generator",
            ),
            Mutant(
                "        way(model, loader)",
                "        list(loader) if finals else None\n"
                "        torch.manual_seed(0)\n        way(model, loader)",
                "get the same batches",
            ),
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
            """
def farthest(make_model, make_loader, ways):
    reached = []
    for way in ways:
        seed_everything(SEED)
        model = make_model()
        loader = make_loader()
        way(model, loader)
        reached.append([p.detach().cpu().clone() for p in model.parameters()])
    first, *others = reached
    return max(
        (
            (a - b).abs().max().item()
            for other in others
            for a, b in zip(first, other, strict=True)
        ),
        default=0.0,
    )
""",
            """
from copy import deepcopy


def _vector(model):
    flat = nn.utils.parameters_to_vector(model.cpu().parameters())
    return flat.detach().double()


def farthest(make_model, make_loader, ways):
    '''Copy one untrained model, and rewind the generator for every way.'''
    fresh = make_model()
    state = torch.get_rng_state()
    first, largest = None, 0.0
    for way in ways:
        torch.set_rng_state(state)
        model = deepcopy(fresh)
        way(model, make_loader())
        vector = _vector(model)
        if first is None:
            first = vector
            continue
        distance = torch.dist(first, vector, p=float("inf")).item()
        largest = max(largest, distance)
    return largest
""",
            """
import copy


def farthest(make_model, make_loader, ways):
    # One model, which gets its first weights again before each way.
    model = make_model()
    first = copy.deepcopy(model.state_dict())
    ends = []
    for way in ways:
        model.load_state_dict(first)
        with torch.random.fork_rng():
            way(model, make_loader())
        ends.append(copy.deepcopy(model.state_dict()))
    differences = [ends[0][name] - end[name] for end in ends[1:] for name in first]
    return max(difference.abs().max() for difference in differences)
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
