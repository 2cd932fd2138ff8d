"""What the checkers are tried on: convolutional networks."""

from . import Case, Mutant

STEPS = ("imports", "fast-loader")

CASES = {
    "ex-output-size": Case(
        mutants=(
            Mutant("(kernel - 1) // 2", "kernel - 1", "at *both* ends"),
            Mutant("(kernel - 1) // 2", "(kernel - 1) / 2", "divide by `//`"),
            Mutant("(kernel - 1) // 2", "1", "makes 28 pixels"),
            Mutant("(kernel - 1) // 2", "kernel // 2 - 1", "none can be below 0"),
            Mutant('"same"', '"Same"', "in small letters"),
            Mutant("str(error)", '"ValueError"', "isn't what PyTorch says"),
        ),
        others=(
            """
def same_padding(kernel):
    return kernel // 2


try:
    torch.nn.Conv2d(2, 2, (3, 3), 2, "same")
except Exception as reason:
    refusal = reason
""",
            """
def same_padding(kernel):
    side = kernel + 21
    padding = 0
    while side + 2 * padding - kernel + 1 != side:
        padding += 1
    return padding


refusal = ""
try:
    F.conv2d(torch.zeros(1, 1, 28, 28), torch.zeros(1, 1, 3, 3), None, 2, "same")
except Exception as problem:
    refusal = problem.args[0]
""",
            """
def same_padding(kernel):
    '''Return the padding that keeps the size for an odd kernel.'''
    side = kernel + 21
    padding = 0
    while side + 2 * padding - kernel + 1 != side:
        padding += 1
    return padding


image = torch.zeros(1, 1, 28, 28)
for k in (3, 5, 7):
    for word in ("valid", "same"):
        print(k, word, nn.Conv2d(1, 1, k, padding=word)(image).shape)

refusal = ""
try:
    F.conv2d(image, torch.zeros(1, 1, 3, 3), stride=2, padding="same")
except Exception as problem:
    refusal = problem.args[0]
""",
        ),
    ),
    "ex-settings": Case(
        mutants=(
            Mutant("// s + 1", "// s", "the first window counts"),
            Mutant("// s + 1", "/ s + 1", "divide by `//`"),
            Mutant("n + 2 * p - k", "n + p - k", "added at both ends"),
            Mutant("layer.out_channels", "layer.in_channels", "filters gives one"),
            Mutant(
                "[(n + 2 * p - k) // s + 1 for n, k, s, p in settings]",
                "[(n + 2 * layer.padding[0] - layer.kernel_size[0])"
                " // layer.stride[0] + 1 for n in shape[2:]]",
                "second number of each pair",
            ),
            Mutant(
                "return (shape[0], layer.out_channels, *sides)",
                "return tuple(layer(torch.zeros(shape)).shape)",
                "You ran the layer",
            ),
            Mutant("*sides)", "*sides[::-1])", "changed places"),
            Mutant(
                "return (shape[0], layer.out_channels, *sides)",
                'where = {"stride": layer.stride, "padding": layer.padding}\n'
                "    found = F.conv2d(torch.zeros(shape), layer.weight, **where)\n"
                "    return tuple(found.shape)",
                "You ran the layer",
            ),
        ),
        others=(
            """
def conv_shape(layer, shape):
    n, _, h, w = shape
    (k, l), (s, t), (p, q) = layer.kernel_size, layer.stride, layer.padding
    height = len(range(0, h + 2 * p - k + 1, s))
    width = len(range(0, w + 2 * q - l + 1, t))
    return torch.Size([n, len(layer.weight), height, width])
""",
            """
def conv_shape(layer, shape):
    sides = (
        (side + 2 * p - d * (k - 1) - 1) // s + 1
        for side, p, d, k, s in zip(
            shape[2:], layer.padding, layer.dilation, layer.kernel_size, layer.stride
        )
    )
    return shape[0], layer.out_channels, *sides
""",
            """
def conv_shape(layer, shape):

    def places(axis):
        reach = layer.dilation[axis] * (layer.kernel_size[axis] - 1)
        padded = shape[2 + axis] + 2 * layer.padding[axis]
        return len(range(0, padded - reach, layer.stride[axis]))

    images = int(shape[0])
    height = places(0)
    width = places(1)
    return images, layer.weight.shape[0], height, width
""",
            """
def conv_shape(layer, shape):
    import numpy as np

    k, s, p = map(np.array, (layer.kernel_size, layer.stride, layer.padding))
    sides = np.floor((np.array(shape[2:]) + 2 * p - k) / s).astype(int) + 1
    return np.array([shape[0], layer.out_channels, *sides])
""",
        ),
    ),
    "ex-avgpool": Case(
        mutants=(
            Mutant(
                "(n, c, h // 2, 2, w // 2, 2).mean(dim=(3, 5))",
                "(n, c, 2, h // 2, 2, w // 2).mean(dim=(2, 4))",
                "*after* the axis",
            ),
            Mutant(".mean(dim=(3, 5))", ".amax(dim=(3, 5))", "the largest number"),
            Mutant(".mean(dim=(3, 5))", ".sum(dim=(3, 5))", "four times the mean"),
            Mutant("0.25", "1.0", "four times the mean"),
            Mutant("stride=2, ", "", "the windows overlap"),
            Mutant(", groups=channels", "", "stops for 3 channels"),
            Mutant(
                "weights = torch.full((channels, 1, 2, 2), 0.25, device=x.device)\n"
                "    return F.conv2d(x, weights, stride=2, groups=channels)",
                "weights = torch.full((channels, channels, 2, 2), 0.25)\n"
                "    return F.conv2d(x, weights, stride=2)",
                "mixes the channels",
            ),
            Mutant(
                "x.reshape(n, c, h // 2, 2, w // 2, 2).mean(dim=(3, 5))",
                "F.avg_pool2d(x, 2)",
                "`average_pool` is right, but a pooling",
            ),
            Mutant(
                "F.conv2d(x, weights, stride=2, groups=channels)",
                "F.avg_pool2d(x, 2)",
                "`average_by_convolution` is right, but a pooling",
            ),
            Mutant(
                "F.conv2d(x, weights, stride=2, groups=channels)",
                "average_pool(x)",
                "no convolution in it",
            ),
            Mutant(
                "x.reshape(n, c, h // 2, 2, w // 2, 2).mean(dim=(3, 5))",
                "average_by_convolution(x)",
                "a convolution computed it",
            ),
            Mutant(
                "(n, c, h // 2, 2, w // 2, 2)",
                "(n, c, h, 2, w, 2)",
                "multiply to as many",
            ),
        ),
        others=(
            """
def average_pool(x):
    rows = x.reshape(*x.shape[:2], -1, 2, x.shape[3]).mean(3)
    return rows.reshape(*rows.shape[:3], -1, 2).mean(4)


def average_by_convolution(x):
    layer = nn.Conv2d(1, 1, 2, stride=2, bias=False)
    nn.init.constant_(layer.weight, 1 / 4)
    return torch.cat([layer(x[:, [c]]) for c in range(x.shape[1])], dim=1)
""",
            """
def average_pool(x):
    pairs = x.reshape(*x.shape[:3], -1, 2).mean(-1)
    half = pairs.transpose(2, 3)
    half = half.reshape(*half.shape[:3], -1, 2).mean(-1)
    return half.transpose(2, 3)


def average_by_convolution(x):
    count, channels, height, width = x.shape
    greys = x.reshape(count * channels, 1, height, width)
    window = (torch.ones(1, 1, 2, 2) / 4).to(x)
    everywhere = F.conv2d(greys, window)
    wanted = everywhere[..., ::2, ::2]
    return wanted.reshape(count, channels, height // 2, width // 2)
""",
            """
def average_pool(x):
    halves = x.reshape(*x.shape[:2], x.shape[2] // 2, 2, -1, 2)
    return halves.flatten(4).unflatten(4, (-1, 2)).mean(dim=[3, 5])


def average_by_convolution(x):
    size = x.shape[1]
    weight = torch.eye(size)[:, :, None, None].expand(-1, -1, 2, 2) / 4
    return nn.functional.conv2d(x, weight, stride=(2, 2))
""",
        ),
    ),
    "ex-no-padding": Case(
        mutants=(
            Mutant("side - 2 - 2", "side", "right *with* padding 1"),
            Mutant("side - 2 - 2", "side - 2", "counts one convolution"),
            Mutant(
                "side = side // 2  # a pooling\n    return hidden * side * side",
                "side = side / 2\n    return int(hidden * side * side)",
                "from half pixels",
            ),
            Mutant("hidden * side * side", "hidden * side", "one side only"),
            Mutant("hidden * side * side", "side * side", "size of one map"),
            Mutant(
                "nn.Conv2d(inputs, outputs, 3),",
                "nn.Conv2d(inputs, outputs, 3, padding=1),",
                "compare what arrives",
            ),
            Mutant("nn.Flatten(), head]", "nn.Flatten(), head, nn.ReLU()]", "is ever"),
            Mutant(
                "nn.Flatten(), head]",
                "nn.Flatten(), head, nn.Softmax(dim=1)]",
                "ends in a softmax",
            ),
            Mutant(
                "        nn.Conv2d(outputs, outputs, 3),\n        nn.ReLU(),\n",
                "        nn.Conv2d(outputs, outputs, 1),\n        nn.ReLU(),\n"
                "        nn.Conv2d(outputs, outputs, 3),\n        nn.ReLU(),\n",
                "four convolutions",
            ),
            Mutant(
                "        nn.Conv2d(outputs, outputs, 3),\n        nn.ReLU(),\n",
                "        nn.Conv2d(outputs, outputs, 3),\n",
                "something else than TinyVGG",
            ),
            Mutant("nn.MaxPool2d(2)", "nn.AvgPool2d(2)", "something else than TinyVGG"),
        ),
        others=(
            """
def flat_size(side, hidden):
    blocks = []
    for inputs in (1, hidden):
        blocks += [nn.Conv2d(inputs, hidden, 3), nn.Conv2d(hidden, hidden, 3)]
        blocks += [nn.AvgPool2d(2)]
    return nn.Sequential(*blocks)(torch.zeros(1, 1, side, side)).numel()


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 10, 3), nn.Conv2d(10, 10, 3, padding="valid")
        self.c, self.d = nn.Conv2d(10, 10, (3, 3)), nn.Conv2d(10, 10, 3, padding=0)
        self.last = nn.LazyLinear(10)

    def forward(self, x):
        x = F.max_pool2d(self.b(self.a(x).relu()).relu(), 2)
        x = F.max_pool2d(self.d(self.c(x).relu()).relu(), 2)
        return self.last(x.flatten(1))


unpadded = Bare()
""",
            """
def flat_size(side, hidden):
    side = (side - 4) // 2
    return ((side - 4) // 2) ** 2 * hidden


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        shapes = [(10, 1, 3, 3)] + 3 * [(10, 10, 3, 3)] + [(10, flat_size(28, 10))]
        self.filters = nn.ParameterList(torch.randn(shape) / 9 for shape in shapes)
        self.offsets = nn.ParameterList(torch.randn(10) / 9 for _ in shapes)
        self.relu = nn.ReLU()

    def forward(self, x):
        *pairs, last = zip(self.filters, self.offsets, strict=True)
        for number, pair in enumerate(pairs):
            x = self.relu(F.conv2d(x, *pair))
            x = F.max_pool2d(x, 2) if number % 2 else x
        return F.linear(x.flatten(1), *last)


unpadded = Functional()
""",
            """
def flat_size(side, hidden):
    return hidden * (((side - 4) // 2 - 4) // 2) ** 2


unpadded = nn.Sequential(
    nn.Conv2d(1, 10, 3),
    nn.ReLU(),
    nn.Conv2d(10, 10, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(10, 10, 3),
    nn.ReLU(),
    nn.Conv2d(10, 10, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(flat_size(28, 10), 10),
)
""",
            """
def flat_size(side, hidden):
    for layer in ["conv", "conv", "pool"] * 2:
        if layer == "conv":
            side -= 2
        else:
            side //= 2
    return side * side * hidden


class Unpadded(nn.Module):
    def __init__(self, channels=1, hidden=10, classes=10, side=28):
        super().__init__()
        self.conv_1a = nn.Conv2d(channels, hidden, kernel_size=(3, 3))
        self.conv_1b = nn.Conv2d(hidden, hidden, kernel_size=(3, 3))
        self.conv_2a = nn.Conv2d(hidden, hidden, kernel_size=(3, 3))
        self.conv_2b = nn.Conv2d(hidden, hidden, kernel_size=(3, 3))
        self.out = nn.Linear(flat_size(side, hidden), classes)

    def forward(self, x):
        x = F.relu(self.conv_1b(F.relu(self.conv_1a(x))))
        x = F.max_pool2d(x, 2)
        x = F.relu(self.conv_2b(F.relu(self.conv_2a(x))))
        x = F.max_pool2d(x, 2)
        return self.out(torch.flatten(x, 1))


unpadded = Unpadded()
""",
        ),
    ),
    "ex-similar": Case(
        mutants=(
            Mutant(".sqrt()", "", "the root is missing"),
            Mutant(
                ".square().mean(dim=(1, 2, 3))",
                ".square().sum(dim=(1, 2, 3))",
                "added up",
            ),
            Mutant(
                ".square().mean(dim=(1, 2, 3)).sqrt()",
                ".abs().mean(dim=(1, 2, 3))",
                "mean absolute",
            ),
            Mutant(
                ".square().mean(dim=(1, 2, 3)).sqrt()",
                ".mean(dim=(1, 2, 3)).square().sqrt()",
                "cancel",
            ),
            Mutant(".mean(dim=(1, 2, 3))", ".mean(dim=0)", "one number per class"),
            Mutant("means[reference]", "means[0]", "to itself"),
            Mutant(
                "    return (means - means[reference]).square()"
                ".mean(dim=(1, 2, 3)).sqrt()",
                "    far = [(one - means[reference]).square().mean(dim=(1, 2, 3))"
                ".sqrt().mean() for one in by_class]\n    return torch.stack(far)",
                "of the *single* images",
            ),
        ),
        others=(
            """
def mean_distances(images, labels, reference):
    one_hot = F.one_hot(labels).float()
    means = one_hot.T @ images.flatten(1) / one_hot.sum(0)[:, None]
    size = images[0].numel()
    return torch.cdist(means, means[reference][None])[:, 0] / size**0.5
""",
            """
def mean_distances(images, labels, reference):
    means = torch.stack(
        [images[labels == c].mean(dim=0) for c in range(labels.max() + 1)]
    )
    return (means - means[reference]).square().mean(dim=(1, 2, 3)).sqrt()
""",
            """
def mean_distances(images, labels, reference):
    flat = images.flatten(start_dim=1).double()
    belongs = F.one_hot(labels).double()
    means = belongs.T @ flat / belongs.sum(dim=0)[:, None]
    pixels = flat.shape[1]
    gap = torch.cdist(means, means[reference : reference + 1]).squeeze(1)
    return (gap / pixels**0.5).float()
""",
        ),
    ),
    "ex-improve": Case(
        needs=(*STEPS, "model-tinyvgg"),
        mutants=(
            Mutant(
                "            nn.BatchNorm2d(outputs),\n", "", "what TinyVGG computes"
            ),
            Mutant(
                "    return NormedVGG(1, 10, 10)",
                "    class Dropped(TinyVGG):\n"
                "        def forward(self, x):\n"
                "            x = F.dropout(self.block_1(x), 0.2)\n"
                "            return self.classifier(self.block_2(x))\n\n"
                "    return Dropped(1, 10, 10)",
                "`training=self.training`",
            ),
            Mutant("    torch.manual_seed(42)\n", "", "different weights"),
            Mutant("fast_loader(valid, 500)", "fast_loader(learn, 500)", "on `learn`"),
            Mutant(
                "fast_loader(learn, shuffle",
                "fast_loader(valid, shuffle",
                "to judge it",
            ),
            Mutant(
                "    return test_step(model, judge, loss_fn, device=device)[0]",
                "    with torch.inference_mode():\n"
                "        x, y = valid.tensors\n"
                "        return loss_fn(model(x.to(device)), y.to(device)).item()",
                "measured in training mode",
            ),
            Mutant(
                "    return test_step(model, judge, loss_fn, device=device)[0]",
                "    model.eval()\n"
                "    with torch.inference_mode():\n"
                "        scores = [loss_fn(model(x.to(device)), y.to(device)).item()\n"
                "                  for x, y in judge]\n"
                "    return sum(scores) / len(scores)",
                "weighted by its size",
            ),
            Mutant(
                "    model = build()",
                "    build()\n    model = build()",
                "one new model",
            ),
            Mutant(
                "    train_step(model,",
                "    for _ in range(3): train_step(model,",
                "In one epoch",
            ),
            Mutant(
                "    train_step(model, loader, loss_fn, optimizer, device=device)\n",
                "    for x, y in loader:\n"
                "        loss_fn(model(x.to(device)), y.to(device)).backward()\n"
                "        optimizer.step()\n",
                "`zero_grad` is missing",
            ),
            Mutant("lr=0.1", "lr=0.01", "learning rate of 0.1 on"),
            Mutant(
                "    judge =",
                "    with torch.no_grad():\n"
                "        for parameter in model.parameters():\n"
                "            parameter.zero_()\n"
                "    judge =",
                "wasn't trained by SGD",
            ),
            Mutant(
                "    judge =",
                "    valid.tensors[0].zero_()\n    judge =",
                "weighted by its size",
            ),
        ),
        others=(
            """
build_improved = lambda: TinyVGG(1, 20, 10)


def validation_loss(build, learn, valid):
    torch.manual_seed(42)
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()
    for x, y in DataLoader(learn, 32, shuffle=True, drop_last=True):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    x, y = valid.tensors
    with torch.no_grad():
        return F.cross_entropy(model.eval()(x), y)
""",
            """
class ThreeBlocks(nn.Module):
    def __init__(self, hidden=10):
        super().__init__()
        self.blocks = nn.Sequential(
            TinyVGG.block(1, hidden),
            TinyVGG.block(hidden, hidden),
            TinyVGG.block(hidden, hidden),
        )
        self.head = nn.Linear(hidden * 3 * 3, 10)

    def forward(self, x):
        return self.head(self.blocks(x).flatten(start_dim=1))


build_improved = ThreeBlocks


def validation_loss(build, learn, valid):
    seed_everything(42)
    net = build()
    net = net.to(device)
    sgd = torch.optim.SGD(net.parameters(), lr=0.1)
    net.train()
    for x, y in DataLoader(learn, batch_size=32, shuffle=True):
        loss = F.cross_entropy(net(x.to(device)), y.to(device))
        sgd.zero_grad(set_to_none=True)
        loss.backward()
        sgd.step()
    net.eval()
    total = torch.zeros((), device=device)
    with torch.no_grad():
        for x, y in DataLoader(valid, batch_size=500):
            total += F.cross_entropy(net(x.to(device)), y.to(device), reduction="sum")
    return total.item() / len(valid)
""",
            """
class Dropped(TinyVGG):
    def forward(self, x):
        x = self.block_2(F.dropout(self.block_1(x), 0.2, training=self.training))
        return self.classifier(x)


def build_improved():
    return Dropped(1, 10, 10)


def validation_loss(build, learn, valid):
    seed_everything(42)
    model = build()
    model = model.to(device)
    rows = torch.randperm(len(learn)).split(32)
    for x, y in ((learn.tensors[0][some], learn.tensors[1][some]) for some in rows):
        for parameter in model.parameters():
            parameter.grad = None
        F.cross_entropy(model.train()(x.to(device)), y.to(device)).backward()
        for parameter in model.parameters():
            parameter.data -= 0.1 * parameter.grad
    loss = 0
    for x, y in valid:
        with torch.inference_mode():
            logits = model.eval()(x[None].to(device))
        loss += F.cross_entropy(logits, y[None].to(device)).item() / len(valid)
    return loss
""",
            """
class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.again = nn.Conv2d(1, 10, 3, padding=1), nn.Conv2d(
            10, 10, 3, padding=1
        )
        self.relu, self.pool, self.drop = nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.1)
        self.last = nn.Linear(490, 10)

    def forward(self, x):
        x = self.drop(self.pool(self.relu(self.again(self.relu(self.first(x))))))
        x = self.pool(self.relu(self.again(self.relu(self.again(x)))))
        return self.last(x.flatten(1))


def build_improved():
    return Shared()


def validation_loss(build, learn, valid):
    torch.manual_seed(42)
    model = build().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(learn, batch_size=32, shuffle=True)
    train_step(model, loader, nn.CrossEntropyLoss(), optimizer, device=device)
    return test_step(model, [valid.tensors], nn.CrossEntropyLoss(), device=device)[0]
""",
            """
class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.drop = TinyVGG(1, 10, 10), nn.Dropout(0.1)

    def forward(self, x):
        x = self.drop(self.net.block_1(x))
        return self.net.classifier(self.drop(self.net.block_2(x)))


build_improved = Twice


def validation_loss(build, learn, valid):
    torch.manual_seed(42)
    model = build().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(learn, batch_size=64, drop_last=True)
    train_step(model, loader, nn.CrossEntropyLoss(), optimizer, device=device)
    return test_step(model, [valid.tensors], nn.CrossEntropyLoss(), device=device)[0]
""",
        ),
    ),
}

FACTS = {
    "Question 1": """
import torch

layer = torch.nn.Conv2d(3, 16, kernel_size=5, stride=2, padding=2)
assert layer(torch.zeros(1, 3, 32, 32)).shape == (1, 16, 16, 16)
assert (32 + 4 - 5) // 2 == 15
""",
    "Question 2": """
import torch

layer = torch.nn.Conv2d(3, 16, kernel_size=5, stride=2, padding=2)
assert layer.weight.shape == (16, 3, 5, 5) and layer.bias.shape == (16,)
assert sum(p.numel() for p in layer.parameters()) == 16 * 3 * 5 * 5 + 16 == 1_216
assert 16 * 5 * 5 + 16 == 416
layer(torch.zeros(1, 3, 32, 32)), layer(torch.zeros(1, 3, 90, 50))
""",
    "Question 3": """
import torch

torch.manual_seed(0)
# Five models that are all right in 80 % of all cases, tried on 500 images each.
scores = (torch.rand(2000, 5, 500) < 0.8).float().mean(dim=2)
best_of = [scores[:, :k].amax(dim=1).mean() for k in (1, 3, 5)]
assert abs(best_of[0] - 0.8) < 0.002
assert best_of[0] + 0.01 < best_of[1] < best_of[2]
""",
    "Question 4": """
import torch
from torchmetrics.functional import precision, recall

truth = torch.tensor([1] * 100 + [0] * 200)
predicted = torch.tensor([1] * 60 + [0] * 40 + [1] * 20 + [0] * 180)
assert abs(recall(predicted, truth, task="binary") - 60 / 100) < 1e-6
assert abs(precision(predicted, truth, task="binary") - 60 / 80) < 1e-6
""",
}
