"""What the checkers are tried on: classification."""

from . import Case, Mutant

RINGS = (
    "imports",
    "make-circles",
    "tensors-make",
    "split-make",
    "split-device",
    "model-0-class",
    "untrained-print",
    "accuracy-by-hand",
    "accuracy-import",
    "make-loss-code",
    "functions-steps",
    "functions-repeat",
)
BLOBS = (*RINGS, "blobs-make", "blobs-split-code", "blob-model-class", "blob-loss-code")

CASES = {
    "ex-loss-by-hand": Case(
        mutants=(
            Mutant("1 / (1 + torch.exp(-z))", "z", "something that is no probability"),
            Mutant("= -(labels", "= (labels", "below zero"),
            Mutant(" + (1 - labels) * torch.log(1 - p)", "", "Samples of class 0"),
            Mutant("each.mean()", "each.sum()", "the sum, which grows"),
            Mutant(
                "p = 1 / (1 + torch.exp(-z))",
                "p = torch.sigmoid(torch.sigmoid(z))",
                "applied twice",
            ),
        ),
        others=(
            """
def bce_by_hand(z, labels):
    each = z.clamp(min=0) - z * labels + torch.log1p(torch.exp(-z.abs()))
    return [each, sum(each.tolist()) / len(each)]
""",
        ),
    ),
    "ex-collapse": Case(
        mutants=(
            Mutant("layer.weight @ weight", "weight @ layer.weight", "on the left"),
            Mutant(
                "bias = layer.weight @ bias + layer.bias",
                "bias = layer.bias",
                "Only the bias of the last layer",
            ),
            Mutant("    one.bias.copy_(bias)\n", "", "the bias is not"),
            Mutant("    one.weight.copy_(weight)\n", "", "product of the weights"),
            Mutant(
                "    one = nn.Linear(layers[0].in_features, layers[-1].out_features)\n",
                "    one = layers[-1]\n    weight, bias = one.weight, one.bias\n",
                "the weight has the shape",
            ),
        ),
        others=(
            """
def collapse(layers):
    chain = nn.Sequential(*layers)
    inputs = layers[0].in_features
    with torch.no_grad():
        bias = chain(torch.zeros(1, inputs))[0]
        columns = chain(torch.eye(inputs)) - bias
    one = nn.Linear(inputs, len(bias))
    one.weight.data, one.bias.data = columns.T.contiguous(), bias
    return one
""",
        ),
    ),
    "ex-stratify": Case(
        mutants=(
            Mutant("[1].sum()", "[0].sum()", "counted in the training set"),
            Mutant(", stratify=rare_y)", ")", "varies from seed to seed"),
            Mutant("ones_in_test(random_state=s) for", "ones_in_test() for", "0 to 49"),
            Mutant("shuffle=False", "random_state=0", "count for `shuffle=False`"),
        ),
        others=(
            """
plain, stratified = [], []
for seed in range(50):
    plain.append(train_test_split(rare_y, test_size=200, random_state=seed)[1].sum())
    both = train_test_split(
        np.arange(1000), rare_y, train_size=0.8, random_state=seed, stratify=rare_y
    )
    stratified.append((both[3] == 1).sum())
unshuffled = rare_y[-200:].sum()
""",
        ),
    ),
    "ex-scores": Case(
        mutants=(
            Mutant(
                "right / matrix.sum(dim=0), right / matrix.sum(dim=1)",
                "right / matrix.sum(dim=1), right / matrix.sum(dim=0)",
                "changed places",
            ),
            Mutant("right / matrix.sum(dim=0)", "right // matrix.sum(dim=0)", "`//`"),
            Mutant(
                "right / matrix.sum(dim=0)", "right / matrix.sum()", "of all samples"
            ),
            Mutant(
                "right / matrix.sum(dim=0)",
                "(right / matrix.sum(dim=0)).mean()",
                "no average",
            ),
        ),
        others=(
            """
def scores(matrix):
    classes = range(len(matrix))
    precision = [matrix[c, c] / sum(matrix[t, c] for t in classes) for c in classes]
    recall = [matrix[c, c] / sum(matrix[c, p] for p in classes) for c in classes]
    return torch.stack(precision), torch.stack(recall)
""",
        ),
    ),
    "ex-rate": Case(
        needs=(*RINGS, "v2-class"),
        mutants=(
            Mutant("    torch.manual_seed(42)\n", "", "after seed 42"),
            Mutant(
                "make_optimizer(model.parameters())",
                "make_optimizer(CircleModelV2().to(device).parameters())",
                "still that of the new model",
            ),
            Mutant('["train_loss"][-1]', '["train_loss"][0]', "the last entry"),
            Mutant('["train_loss"][-1]', '["test_loss"][-1]', "loss on the test set"),
            Mutant("epochs=epochs)", "epochs=10)", "the training loss of"),
        ),
        others=(
            """
def last_loss(make_optimizer, epochs=1000):
    torch.manual_seed(42)
    net = CircleModelV2().to(device).train()
    optimizer = make_optimizer(list(net.parameters()))
    for _ in range(epochs):
        net.zero_grad()
        loss_fn(net(X_train).flatten(), y_train).backward()
        optimizer.step()
    with torch.no_grad():
        return loss_fn(net(X_train).flatten(), y_train)
""",
        ),
    ),
    "ex-spread": Case(
        needs=BLOBS,
        mutants=(
            Mutant("cluster_std=spread", "cluster_std=1.5", "reach `make_blobs`"),
            Mutant(
                "cluster_std=spread, random_state=42",
                "cluster_std=spread, random_state=0",
                "have the seed 42",
            ),
            Mutant('"test_accuracy"', '"train_accuracy"', "on the training set"),
            Mutant("epochs=100", "epochs=1", "is to be expected"),
        ),
        others=(
            """
def blob_accuracy(spread):
    points, labels = datasets.make_blobs(
        n_samples=1000, centers=4, cluster_std=spread, random_state=42
    )
    a, c, b, d = train_test_split(points, labels, test_size=200, random_state=42)
    a, b = torch.from_numpy(a).float().to(device), torch.from_numpy(b).to(device)
    c = torch.from_numpy(c).float().to(device)
    torch.manual_seed(42)
    net = BlobModel(2, 4).to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        F.cross_entropy(net(a), b).backward()
        optimizer.step()
    with torch.no_grad():
        return (net(c).argmax(1).cpu().numpy() == d).mean()
""",
        ),
    ),
    "ex-blob-relu": Case(
        needs=BLOBS,
        mutants=(
            Mutant(", activation=nn.ReLU", "", "without a bend"),
            Mutant("nn.ReLU", "nn.Sigmoid", "is the activation `nn.ReLU`"),
            Mutant("torch.manual_seed(42)", "torch.manual_seed(0)", "from seed 42"),
            Mutant("lr=0.1", "lr=0.01", "goes on differently"),
            Mutant("epochs=100", "epochs=50", "50 epochs, not 100"),
        ),
        others=(
            """
torch.manual_seed(42)
net = nn.Sequential(
    nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4)
).to(device)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
record_relu = {"train_loss": []}
for _ in range(100):
    loss = F.cross_entropy(net(X_blob_train), y_blob_train)
    net.zero_grad()
    loss.backward()
    optimizer.step()
    record_relu["train_loss"].append(loss.detach())
""",
        ),
    ),
    "ex-blob-rate": Case(
        needs=BLOBS,
        mutants=(
            Mutant("    torch.manual_seed(42)\n", "", "directly before the model"),
            Mutant("lr=lr", "lr=0.1", "Do both arguments arrive"),
            Mutant(
                "NUM_CLASSES, hidden_units)", "NUM_CLASSES)", "Do both arguments arrive"
            ),
            Mutant('["train_loss"][-1]', '["train_loss"][0]', "the loss of epoch 0"),
            Mutant(
                "NUM_CLASSES, hidden_units)",
                "NUM_CLASSES, hidden_units, nn.ReLU)",
                "the linear one is meant",
            ),
        ),
        others=(
            """
def last_blob_loss(lr, hidden_units):
    sizes = [2, hidden_units, hidden_units, 4]
    torch.manual_seed(42)
    net = nn.Sequential(*(nn.Linear(sizes[i], sizes[i + 1]) for i in range(3)))
    net = net.to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr)
    for _ in range(100):
        loss = F.cross_entropy(net(X_blob_train), y_blob_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss
""",
        ),
    ),
    "ex-moons": Case(
        needs=(*RINGS, "blobs-make", "blob-model-class"),
        mutants=(
            Mutant("(nn.Identity, nn.ReLU)", "(nn.Identity, nn.Identity)", "is affine"),
            Mutant("(nn.Identity, nn.ReLU)", "(nn.ReLU, nn.ReLU)", "is not affine"),
            Mutant("epochs=500", "epochs=3", "train them for longer"),
            Mutant(
                "BlobModel(2, 1, 10, activation)",
                "nn.Sequential(BlobModel(2, 1, 10, activation), nn.Sigmoid())",
                "never answers below 0",
            ),
            Mutant(
                'record["test_accuracy"][-1]',
                "accuracy(test_step(model, *moons[2:], loss_fn)[0], moons[1][:200])",
                "belong to the same points",
            ),
        ),
        others=(
            """
points, labels = datasets.make_moons(1000, noise=0.1, random_state=42)
points, labels = torch.tensor(points).float(), torch.tensor(labels)
torch.manual_seed(1)
order = torch.randperm(1000)
train, test = order[:800], order[800:]
answers = []
for layers in (
    [nn.Linear(2, 2)],
    [nn.Linear(2, 20), nn.Tanh(), nn.Linear(20, 2)],
):
    net = nn.Sequential(*layers)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        F.cross_entropy(net(points[train]), labels[train]).backward()
        optimizer.step()
    right = net(points[test]).argmax(dim=1) == labels[test]
    answers.append((net, right.float().mean()))
(moon_linear, linear_accuracy), (moon_relu, relu_accuracy) = answers
""",
        ),
    ),
    "ex-real": Case(
        needs=(*RINGS, "blobs-make", "blob-model-class"),
        mutants=(
            Mutant(
                "train.mean(dim=0), train.std(dim=0)",
                "torch.cat([train, test]).mean(0), torch.cat([train, test]).std(0)",
                "leaks into the training",
            ),
            Mutant(
                "(test - centre) / spread",
                "(test - test.mean(dim=0)) / test.std(dim=0)",
                "by its own mean",
            ),
            Mutant("(train - centre) / spread, ", "train - centre, ", "deviation 1"),
            Mutant(
                "accuracy(cancer_logits(parts), parts[3])",
                "accuracy(cancer_logits(scaled), parts[3])",
                "do not get there",
            ),
            Mutant("Recall(task=", "Accuracy(task=", "`scaled_recall` is the accuracy"),
        ),
        others=(
            """
from sklearn.metrics import recall_score
from sklearn.preprocessing import StandardScaler


def standardise(train, test):
    scaler = StandardScaler().fit(train.numpy())
    return [torch.from_numpy(scaler.transform(x.numpy())) for x in (train, test)]


a, b, c, d = train_test_split(features, malignant, test_size=0.25, random_state=3)
answers = []
for train, test in [(a, b), standardise(a, b)]:
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        loss_fn(net(train.float()).squeeze(1), c).backward()
        optimizer.step()
    answers.append((net(test.float()).squeeze(1) > 0).float())
raw_accuracy, scaled_accuracy = ((one == d).float().mean() for one in answers)
scaled_recall = recall_score(d, answers[1])
""",
        ),
    ),
    "ex-overfit": Case(
        needs=RINGS,
        mutants=(
            Mutant("    model.eval()\n", "", "evaluation mode was forgotten"),
            Mutant(
                "nn.Linear(64, 1))", "nn.Linear(64, 1), nn.Dropout(share))", "on the"
            ),
            Mutant(
                "    layers += [nn.Linear(64, 64), nn.ReLU(), nn.Dropout(share)]\n",
                "    layers += [nn.Linear(64, 64), nn.ReLU()]\n",
                "There are 1 dropout layers",
            ),
            Mutant("nn.Dropout(share)", "nn.Dropout(0.5)", "use the argument"),
            Mutant("loss_fn(logits, y)", "loss_fn(logits.sigmoid(), y)", "second time"),
            Mutant(
                "accuracy(logits, y)",
                "((logits > 0.5) == y).float().mean().item()",
                "The threshold 0.5",
            ),
        ),
        others=(
            """
class Wide(nn.Module):
    def __init__(self, share):
        super().__init__()
        self.one, self.bend, self.drop = nn.Linear(2, 64), nn.ReLU(), nn.Dropout(share)
        self.two, self.kink, self.lose = nn.Linear(64, 64), nn.ReLU(), nn.Dropout(share)
        self.out = nn.Linear(64, 1)
    def forward(self, x):
        x = self.drop(self.bend(self.one(x)))
        return self.out(self.lose(self.kink(self.two(x))))


def wide_model(share):
    return Wide(share)


def score(model, X, y):
    was = model.training
    with torch.no_grad():
        z = model.eval()(X)[:, 0]
    model.train(was)
    right = (torch.sigmoid(z).round() == y).float().mean()
    return {"accuracy": right, "loss": F.binary_cross_entropy_with_logits(z, y)}
""",
        ),
    ),
    "ex-multi-label": Case(
        needs=(*RINGS, "blobs-make", "blob-model-class"),
        mutants=(
            Mutant("mean(dim=0)", "mean()", "one number"),
            Mutant("mean(dim=0)", "mean(dim=1)", "goes over samples"),
            Mutant(
                "activation=nn.ReLU).to(device)",
                "activation=nn.ReLU).to(device)\n"
                "tag_model = nn.Sequential(tag_model, nn.Softmax(dim=1))",
                "so they compete",
            ),
            Mutant(
                "parts, loss_fn,",
                "parts, nn.CrossEntropyLoss(),",
                "makes them compete",
            ),
            Mutant("epochs=1000", "epochs=5", "train for longer"),
        ),
        others=(
            """
torch.manual_seed(5)
tag_model = nn.Sequential(nn.Linear(2, 40), nn.Tanh(), nn.Linear(40, 2)).to(device)
optimizer = torch.optim.Adam(tag_model.parameters(), lr=0.03)
X_tag, y_tag = points.to(device), labels.to(device)
for _ in range(500):
    optimizer.zero_grad()
    outputs = tag_model(X_tag[:800])
    losses = [loss_fn(outputs[:, i], y_tag[:800, i]) for i in range(2)]
    sum(losses).backward()
    optimizer.step()
with torch.inference_mode():
    hits = (tag_model(X_tag[800:]).sigmoid().round() == y_tag[800:]).float()
per_label = [hits[:, 0].mean().item(), hits[:, 1].mean().item()]
""",
        ),
    ),
}

START = """
import math
import torch
import torch.nn.functional as F
from torch import nn
"""

FACTS = {
    "Question 1": START
    + """
torch.manual_seed(0)
logits = torch.full((1, 8), -5.0)
logits[0, :2] = 20.0  # two tags, sure
labels = (logits > 0).float()
assert F.binary_cross_entropy_with_logits(logits, labels) < 0.01
assert torch.sigmoid(logits)[0, :2].min() > 0.99
assert torch.softmax(logits, dim=1).max() <= 0.5
assert F.binary_cross_entropy(torch.softmax(logits, dim=1), labels) > 0.1
stable = torch.full((1, 8), -200.0).requires_grad_()
F.binary_cross_entropy_with_logits(stable, torch.ones(1, 8)).backward()
lost = torch.full((1, 8), -200.0).requires_grad_()
F.binary_cross_entropy(torch.sigmoid(lost), torch.ones(1, 8)).backward()
assert stable.grad.abs().min() > 0.1 and lost.grad.abs().max() == 0
""",
    "Question 2": START
    + """
torch.manual_seed(0)
sizes = [2] + [100] * 9 + [1]
ten = nn.Sequential(*(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])))
assert len(ten) == 10
ten = ten.double()
a, b = torch.randn(50, 2).double(), torch.randn(50, 2).double()
torch.testing.assert_close(ten((a + b) / 2), (ten(a) + ten(b)) / 2)
from sklearn.datasets import make_circles
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
X, y = make_circles(1000, noise=0.03, random_state=42)
best = LogisticRegression(C=1e9).fit(X, y)
assert best.coef_.size + best.intercept_.size == 3
assert abs(log_loss(y, best.predict_proba(X)) - math.log(2)) < 1e-3
""",
    "Question 3": START
    + """
y = torch.tensor([0.0, 1.0]).repeat(500)
half = F.binary_cross_entropy_with_logits(torch.zeros(1000), y).item()
assert abs(half - math.log(2)) < 1e-6 and abs(half - 0.693) < 5e-4
right = torch.where(torch.arange(1000) < 693, 1.0, -1.0) * (2 * y - 1)
for size in (0.01, 10.0):  # 69.3 % right, and any loss
    assert abs(((size * right > 0) == y).float().mean() - 0.693) < 1e-6
    loss = F.binary_cross_entropy_with_logits(size * right, y)
    assert abs(loss - math.log(2)) < 0.01 or loss > 2
""",
    "Question 4": START
    + """
p = torch.sigmoid(torch.tensor(-1.2))
assert p < 0.5 and abs(-1.2) > 0.5
batch = torch.tensor([-1.2, 50.0, -50.0])
assert torch.sigmoid(batch)[0] == p
row = torch.tensor([[-1.2, -3.0], [-1.2, 3.0]])
assert row.argmax(dim=1).tolist() == [0, 1]
""",
    "Question 5": START
    + """
z = torch.tensor([20.0], requires_grad=True)
p = torch.sigmoid(z)
assert p.item() == 1 and torch.log(1 - p).isinf().all()
(slope,) = torch.autograd.grad(F.binary_cross_entropy(p, torch.zeros(1)), z)
assert slope.item() == 0
z = torch.tensor([20.0], requires_grad=True)
(slope,) = torch.autograd.grad(
    F.binary_cross_entropy_with_logits(z, torch.zeros(1)), z
)
assert abs(slope.item() - 1) < 1e-6
for at in (-3.0, 0.0, 3.0):
    z = torch.tensor([at], requires_grad=True)
    (slope,) = torch.autograd.grad(torch.sigmoid(z).sum(), z)
    assert slope.item() > 0
""",
    "Question 6": START
    + """
truth = torch.tensor([1] * 100 + [0] * 9900)
passes_all = torch.zeros(10_000).long()
finds_99 = truth.clone()
finds_99[0] = 0
finds_99[100:199] = 1
for predicted, recall in [(passes_all, 0.0), (finds_99, 0.99)]:
    assert abs((predicted == truth).float().mean() - 0.99) < 1e-6
    found = (predicted[truth == 1] == 1).float().mean().item()
    assert abs(found - recall) < 1e-6
""",
    "Question 7": START
    + """
def bends(*layers):
    torch.manual_seed(0)
    model = nn.Sequential(*layers)
    a, b = torch.randn(200, 2), torch.randn(200, 2)
    with torch.no_grad():
        gap = model((a + b) / 2) - (model(a) + model(b)) / 2
    return gap.abs().max().item() > 1e-4


assert not bends(nn.Linear(2, 9), nn.Linear(9, 1))
assert not bends(nn.Linear(2, 9), nn.Linear(9, 9), nn.Linear(9, 9), nn.Linear(9, 1))
assert bends(nn.Linear(2, 9), nn.ReLU(), nn.Linear(9, 1))
angle = torch.rand(500) * 7
ring = torch.stack([angle.cos(), angle.sin()], dim=1)
assert (0.8 * ring).square().sum(1).max() < 0.81 < ring.square().sum(1).min()
""",
    "Question 8": START
    + """
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 50), nn.BatchNorm1d(50), nn.Dropout(0.5))
X = torch.randn(30, 2)
assert not torch.equal(model(X), model(X))
model.eval()
assert torch.equal(model(X), model(X))
torch.testing.assert_close(model(X)[:1], model(X[:1]))
assert model(X).requires_grad
with torch.inference_mode():
    assert not model(X).requires_grad
before = model[0].weight.detach().clone()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model(X).square().mean().backward()
optimizer.step()
assert not torch.equal(before, model[0].weight)
""",
}
