"""What the checkers are tried on: classes and metrics."""

from . import Case, Mutant

NEEDED = (
    "imports",
    "blobs-make",
    "blobs-split-code",
    "blob-model-class",
    "blob-forward-code",
    "blob-loss-code",
    "functions-steps",
    "functions-repeat",
    "rare-loss",
)
TAGS_ASKED = """, metric=None)
outputs, _ = test_step(tag_model, *parts[2:], loss_fn)
per_label = ((outputs > 0) == parts[3].bool()).float()."""
TAGS_TRAINED = """
optimizer = torch.optim.Adam(tag_model.parameters(), lr=0.01)
train_and_test(tag_model, parts, loss_fn, optimizer, epochs="""

CASES = {
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
                "not an average",
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
            """
def scores(matrix):
    rows = matrix.tolist()
    classes = range(len(rows))
    precision, recall = [], []
    for c in classes:
        right = rows[c][c]
        predicted = sum((rows[true][c] for true in classes))
        occurred = sum(rows[c])
        precision.append(right / predicted if predicted else 0.0)
        recall.append(right / occurred if occurred else 0.0)
    return torch.tensor(precision), torch.tensor(recall)
""",
            """
def scores(matrix):
    right, shape = matrix.diag().double(), (2, len(matrix))
    sums = torch.einsum("tp->p", matrix), torch.einsum("tp->t", matrix)
    return right.expand(shape) / torch.stack(sums)
""",
        ),
    ),
    "ex-spread": Case(
        needs=NEEDED,
        mutants=(
            Mutant("cluster_std=spread", "cluster_std=1.5", "reach `make_blobs`"),
            Mutant(
                "cluster_std=spread, random_state=42",
                "cluster_std=spread, random_state=0",
                "all use seed 42",
            ),
            Mutant('"test_accuracy"', '"train_accuracy"', "on the training set"),
            Mutant("epochs=100", "epochs=1", "should be"),
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
            """
import functools

spread_blobs = functools.partial(
    datasets.make_blobs, 1000, 2, centers=4, random_state=42
)


@functools.lru_cache
def blob_accuracy(spread):
    points, classes = spread_blobs(cluster_std=spread)
    learn, test = train_test_split(np.arange(1000), test_size=0.2, random_state=42)
    points = torch.tensor(points, dtype=torch.float, device=device)
    classes = torch.tensor(classes, dtype=torch.long, device=device)
    seed_everything(42)
    model = BlobModel(2, 4)
    model = model.to(device)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()
    for _ in range(100):
        loss = F.cross_entropy(model(points[learn]), classes[learn])
        sgd.zero_grad()
        loss.backward()
        sgd.step()
    model.eval()
    with torch.no_grad():
        right = model(points[test]).argmax(1).eq(classes[test]).sum()
    return int(right) / len(test)
""",
            """
def blob_accuracy(spread):
    X, y = datasets.make_blobs(1000, centers=4, cluster_std=spread, random_state=42)
    X, y = torch.tensor(X).float().to(device), torch.tensor(y).long().to(device)
    index = train_test_split(range(1000), test_size=0.2, random_state=42)
    data = [part[rows] for rows in index for part in (X, y)]
    torch.manual_seed(42)
    model = BlobModel(2, 4).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(100):
        train_step(model, *data[:2], F.cross_entropy, optimizer)
    logits, _ = test_step(model, *data[2:], F.cross_entropy)
    return torch.tensor(accuracy(logits, data[3]))
""",
        ),
    ),
    "ex-blob-relu": Case(
        needs=NEEDED,
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
            """
torch.manual_seed(42)
relu_model = BlobModel(
    NUM_FEATURES, NUM_CLASSES, hidden_units=8, activation=nn.ReLU
).to(device)
record_relu = train_and_test(
    relu_model,
    blobs,
    loss_fn_4,
    torch.optim.SGD(relu_model.parameters(), lr=0.1),
    epochs=100,
)
""",
            """
def train_blobs(activation, seed=42, lr=0.1, epochs=100):
    seed_everything(seed)
    model = BlobModel(2, 4, activation=activation)
    model.to(device)
    return train_and_test(
        model=model,
        data=(X_blob_train, y_blob_train, X_blob_test, y_blob_test),
        loss_fn=F.cross_entropy,
        optimizer=torch.optim.SGD(model.parameters(), lr),
        epochs=epochs,
        metric=lambda logits, y: (logits.argmax(1) == y).float().mean().item(),
    )


record_relu = train_blobs(nn.ReLU)
""",
        ),
    ),
    "ex-blob-rate": Case(
        needs=NEEDED,
        mutants=(
            Mutant("    torch.manual_seed(42)\n", "", "directly before the model"),
            Mutant("lr=lr", "lr=0.1", "use both arguments"),
            Mutant("NUM_CLASSES, hidden_units)", "NUM_CLASSES)", "use both arguments"),
            Mutant('["train_loss"][-1]', '["train_loss"][0]', "the loss of epoch 0"),
            Mutant(
                "NUM_CLASSES, hidden_units)",
                "NUM_CLASSES, hidden_units, nn.ReLU)",
                "leave the activation",
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
            """
def last_blob_loss(lr, hidden_units):
    torch.manual_seed(42)
    model = BlobModel(NUM_FEATURES, NUM_CLASSES, hidden_units).to(device)
    record = train_and_test(
        model,
        blobs,
        nn.CrossEntropyLoss(),
        torch.optim.SGD(model.parameters(), lr=lr),
        epochs=100,
        metric=None,
    )
    return record["train_loss"][-1]
""",
            """
def last_blob_loss(lr, hidden_units):
    with torch.random.fork_rng():
        torch.manual_seed(42)
        network = BlobModel(
            input_features=NUM_FEATURES,
            output_features=NUM_CLASSES,
            hidden_units=hidden_units,
            activation=nn.Identity,
        )
    network = network.to(device)
    sgd = torch.optim.SGD([{"params": list(network.parameters()), "lr": lr}])
    last = None
    for _ in range(100):
        [last] = train_and_test(
            network, blobs, F.cross_entropy, sgd, epochs=1, metric=None
        )["train_loss"]
    return last
""",
        ),
    ),
    "ex-real": Case(
        needs=NEEDED,
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
            Mutant(
                "(train - centre) / spread, ",
                "train - centre, ",
                "standard deviation 1",
            ),
            Mutant(
                "accuracy(cancer_logits(parts), parts[3])",
                "accuracy(cancer_logits(scaled), parts[3])",
                "don't get that far",
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
            """
def standardise(train, test):
    mean, std = train.mean(dim=0), train.std(dim=0)
    return (train - mean) / std, (test - mean) / std


F_train, F_test, m_train, m_test = train_test_split(
    features, malignant, test_size=0.2, random_state=42
)


def fit_cancer(train, test, epochs=300):
    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(epochs):
        train_step(model, train, m_train, nn.BCEWithLogitsLoss(), optimizer)
    return test_step(model, test, m_test, nn.BCEWithLogitsLoss())[0] > 0


found = fit_cancer(F_train, F_test)
raw_accuracy = (found == m_test).float().mean().item()
found = fit_cancer(*standardise(F_train, F_test))
scaled_accuracy = (found == m_test).float().mean().item()
scaled_recall = found[m_test == 1].float().mean().item()
""",
            """
from sklearn.preprocessing import StandardScaler
from sklearn.metrics import recall_score


def standardise(train, test):
    scaler = StandardScaler().fit(train.numpy())
    scaled = (scaler.transform(part.numpy()) for part in (train, test))
    return tuple((torch.as_tensor(part, dtype=torch.float32) for part in scaled))


class Doctor(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(30, 32)
        self.b = nn.Linear(32, 32)
        self.c = nn.Linear(32, 1)

    def forward(self, x):
        x = self.a(x).relu_()
        x = self.b(x).relu_()
        return self.c(x).squeeze(-1)


def predictions(train_X, train_y, test_X):
    torch.manual_seed(3)
    doctor = Doctor()
    sgd = torch.optim.SGD(doctor.parameters(), 0.1)
    for epoch in range(300):
        sgd.zero_grad(set_to_none=True)
        p = doctor(train_X)
        F.binary_cross_entropy_with_logits(p, train_y).backward()
        sgd.step()
    doctor.eval()
    with torch.inference_mode():
        return doctor(test_X).gt(0).numpy()


a, b, c, d = train_test_split(
    features, malignant, test_size=0.25, random_state=0, stratify=malignant
)
truth = d.numpy().astype(bool)
raw_accuracy = float(np.mean(predictions(a, c, b) == truth))
scaled_a, scaled_b = standardise(a, b)
answer = predictions(scaled_a, c, scaled_b)
scaled_accuracy = float(np.mean(answer == truth))
scaled_recall = recall_score(truth, answer)
""",
            """
def standardise(train, test):
    low, size = train.double().mean(0), train.double().std(0, unbiased=False)
    return [(part.double() - low) / size for part in (train, test)]


rows = train_test_split(range(569), test_size=0.2, random_state=42)
scores = {}
for name in ("raw", "scaled"):
    A, B = (features[part].double() for part in rows)
    if name == "scaled":
        A, B = standardise(A, B)
    a, b = (malignant[part].double() for part in rows)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 1)).double()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        loss_fn(net(A)[:, 0], a).backward()
        optimizer.step()
    called = net(B)[:, 0] > 0
    scores[name] = (called == b).double().mean(), called[b == 1].double().mean()
raw_accuracy = scores["raw"][0]
scaled_accuracy, scaled_recall = scores["scaled"]
""",
        ),
    ),
    "ex-overfit": Case(
        needs=NEEDED,
        mutants=(
            Mutant("    model.eval()\n", "", "evaluation mode was forgotten"),
            Mutant(
                "nn.Linear(64, 1))",
                "nn.Linear(64, 1), nn.Dropout(share))",
                "on the output",
            ),
            Mutant(
                "    layers += [nn.Linear(64, 64), nn.ReLU(), nn.Dropout(share)]\n",
                "    layers += [nn.Linear(64, 64), nn.ReLU()]\n",
                "only one hidden layer drops",
            ),
            Mutant(
                "nn.Linear(64, 1)).to",
                "nn.Linear(64, 1), nn.Flatten(0)).to",
                "`train_step` squeezes",
            ),
            Mutant("nn.Dropout(share)", "nn.Dropout(0.5)", "that the argument gives"),
            Mutant("loss_fn(logits, y)", "loss_fn(logits.sigmoid(), y)", "second time"),
            Mutant(
                "accuracy(logits, y)",
                "((logits > 0.5) == y).float().mean().item()",
                "The threshold 0.5",
            ),
            Mutant(
                "nn.Linear(64, 1)).to",
                "nn.Linear(64, 1), nn.ReLU()).to",
                "ReLU on the output",
            ),
            Mutant(
                "nn.Linear(64, 1)).to",
                "nn.Linear(64, 1), nn.Sigmoid()).to",
                "sigmoid on the output",
            ),
            Mutant(
                "layers = [nn.Linear(2, 64), nn.ReLU(), ",
                "layers = [nn.Linear(2, 64), ",
                "doesn't compute linear, ReLU",
            ),
            Mutant(
                "layers = [nn.Linear(2, 64)",
                "layers = [nn.Dropout(share), nn.Linear(2, 64)",
                "points themselves",
            ),
            Mutant("nn.Dropout(share)", "nn.Dropout(1 - share)", "Does each drop"),
            Mutant("nn.Dropout(share)", "nn.Dropout1d(share)", "dropped together"),
            Mutant(
                "nn.Linear(64, 64)", "nn.Linear(64, 64, bias=False)", "and their biases"
            ),
            Mutant(
                "    return nn.Sequential(*layers, nn.Linear(64, 1)).to(device)",
                "    class Always(nn.Module):\n"
                "        def forward(self, x):\n"
                "            return F.dropout(x, share)\n"
                "\n"
                "    layers = [Always() if isinstance(one, nn.Dropout) else "
                "one for one in layers]\n"
                "    return nn.Sequential(*layers, nn.Linear(64, 1)).to(device)",
                "training=self.training",
            ),
            Mutant(
                "    with torch.inference_mode():\n        logits",
                "    with torch.inference_mode():\n"
                "        for parameter in model.parameters():\n"
                "            parameter.zero_()\n"
                "        logits",
                "share of right ones",
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
            """
def wide_model(share):
    return nn.Sequential(
        nn.Linear(2, 64),
        nn.ReLU(),
        nn.Dropout(share),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Dropout(share),
        nn.Linear(64, 1),
    )


def score(model, X, y):
    logits, loss = test_step(model, X, y, nn.BCEWithLogitsLoss())
    return {"accuracy": ((logits > 0) == y).float().mean(), "loss": loss}
""",
            """
class Wide(nn.Module):
    def __init__(self, share):
        super().__init__()
        self.enter, self.middle = nn.Linear(2, 64), nn.Linear(64, 64)
        self.leave = nn.Linear(64, 1)
        self.drop = nn.Dropout(share)

    def forward(self, x):
        for layer in (self.enter, self.middle):
            x = self.drop(F.relu(layer(x)))
        return self.leave(x)


wide_model = Wide


def score(model, X, y):
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            z = model(X).flatten()
    finally:
        model.train(was_training)
    y = y.float()
    wrong = ((z > 0).float() - y).abs()
    losses = F.softplus(z) - y * z
    return dict(accuracy=1 - float(wrong.mean()), loss=float(losses.mean()))
""",
            """
class Functional(nn.Module):
    def __init__(self, share):
        super().__init__()
        self.share = share
        self.last = nn.Linear(64, 1)
        self.second, self.first = nn.Linear(64, 64), nn.Linear(2, 64)
    def forward(self, x):
        for layer in (self.first, self.second):
            x = layer(x).clamp(min=0)
            x = F.dropout(x, self.share, training=self.training)
        return self.last(x)


def wide_model(share):
    return Functional(share)


def score(model, X, y):
    model.eval()
    with torch.no_grad():
        z = model(X)[:, 0]
    right = torch.eq(z > 0, y > 0.5)
    losses = torch.logaddexp(z, torch.zeros(())) - y * z
    return {"loss": losses.mean(), "accuracy": right.float().mean(), "points": len(X)}
""",
            """
def wide_model(share):
    layers = []
    for inputs in (2, 64):  # dropping before or after a ReLU is the same
        layers += [nn.Linear(inputs, 64), nn.Dropout(share), nn.LeakyReLU(0)]
    return nn.Sequential(*layers, nn.LazyLinear(1))


def score(model, X, y):
    was, _ = model.training, model.eval()
    with torch.inference_mode():
        z = model(X).flatten()
    model.train(was)
    hits = torch.where(z > 0, 1, 0) == y
    return {
        "accuracy": hits.sum().item() / len(y),
        "loss": F.binary_cross_entropy(z.sigmoid(), y).item(),
    }
""",
        ),
    ),
    "ex-multi-label": Case(
        needs=NEEDED,
        mutants=(
            Mutant(
                "epochs=1000" + TAGS_ASKED + "mean(dim=0)",
                "epochs=5" + TAGS_ASKED + "mean()",
                "one number",
            ),
            Mutant(
                "epochs=1000" + TAGS_ASKED + "mean(dim=0)",
                "epochs=5" + TAGS_ASKED + "mean(dim=1)",
                "goes over samples",
            ),
            Mutant(
                TAGS_TRAINED + "1000",
                "\ntag_model = nn.Sequential(tag_model, nn.Softmax(dim=1))"
                + TAGS_TRAINED
                + "5",
                "so they compete",
            ),
            Mutant(
                "parts, loss_fn, optimizer, epochs=1000",
                "parts, nn.CrossEntropyLoss(), optimizer, epochs=500",
                "makes them compete",
            ),
            Mutant("epochs=1000", "epochs=5", "train for longer"),
            Mutant("(outputs > 0)", "(outputs > 9)", "threshold of a logit"),
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
            """
torch.manual_seed(42)
tag_model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
tag_optimizer = torch.optim.Adam(tag_model.parameters(), lr=0.02)
for _ in range(500):
    tag_optimizer.zero_grad()
    F.binary_cross_entropy_with_logits(tag_model(points[:800]), labels[:800]).backward()
    tag_optimizer.step()
with torch.inference_mode():
    tags = tag_model(points[800:]) > 0
per_label = (tags == labels[800:].bool()).float().mean(dim=0)
""",
            """
class TwoTags(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.body_1 = nn.Linear(2, width)
        self.body_2 = nn.Linear(width, width)
        self.head_upper = nn.Linear(width, 1)
        self.head_central = nn.Linear(width, 1)

    def forward(self, x):
        x = torch.tanh(self.body_2(torch.tanh(self.body_1(x))))
        return torch.cat([self.head_upper(x), self.head_central(x)], dim=1)


seed_everything(1)
tag_model = TwoTags().to(device)
sgd = torch.optim.SGD(tag_model.parameters(), lr=0.1, momentum=0.9)
for epoch in range(40):
    for rows in torch.randperm(800).split(50):
        z = tag_model(points[rows].to(device))
        target = labels[rows].to(device)
        loss = sum(
            (
                nn.functional.binary_cross_entropy(z[:, i].sigmoid(), target[:, i])
                for i in range(2)
            )
        )
        sgd.zero_grad()
        loss.backward()
        sgd.step()
per_label = torch.zeros(2)
with torch.no_grad():
    probabilities = tag_model(points[800:].to(device)).sigmoid().cpu()
    for column in range(2):
        for p, t in zip(probabilities[:, column], labels[800:, column]):
            if (p >= 0.5) == (t == 1):
                per_label[column] += 1
per_label /= 200
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
for truth in range(4):
    t = torch.tensor([truth])
    about_even = 0.01 * torch.tensor([[1.0, -1.0, 0.5, 0.0]])
    assert abs(F.cross_entropy(about_even, t) - math.log(4)) < 0.02
assert abs(math.log(4) - 1.39) < 0.005
sure_and_wrong = torch.tensor([[20.0, 0.0, 0.0, 0.0]])
assert F.cross_entropy(sure_and_wrong, torch.tensor([1])) > 10
labels = torch.arange(4).repeat(50)
for right in (0.0, 0.25, 1.0):  # about the same loss, and any accuracy
    called = labels if right == 1 else (labels + 1) % 4 if right == 0 else labels * 0
    logits = 0.01 * F.one_hot(called, 4)
    assert abs(F.cross_entropy(logits, labels) - math.log(4)) < 0.02
    assert (logits.argmax(dim=1) == labels).float().mean() == right
""",
    "Question 3": START
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
    "Question 4": START
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
    "Question 5": START
    + """
torch.manual_seed(0)
fell = {"recall": 0, "precision": 0, "accuracy": 0}
for _ in range(200):
    truth = torch.rand(50) < 0.3
    p = (0.5 * truth + torch.rand(50)) / 1.5
    score = {}
    for threshold in (0.5, 0.2):
        called = p > threshold
        hits = (called & truth).sum()
        score[threshold] = {
            "recall": hits / truth.sum(),
            "precision": hits / called.sum(),
            "accuracy": (called == truth).float().mean(),
        }
    for name in fell:
        fell[name] += int(score[0.2][name] < score[0.5][name])
assert fell["recall"] == 0 and fell["precision"] > 0 and fell["accuracy"] > 0
""",
    "Question 6": START
    + """
# Such numbers go together: six frequent animals, and four that it hardly ever finds.
counts, shares = [2400] * 6 + [100] * 4, [0.99] * 6 + [0.015] * 4
micro = sum(n * s for n, s in zip(counts, shares)) / sum(counts)
macro = sum(shares) / 10
assert abs(micro - 0.95) < 0.02 and abs(macro - 0.60) < 0.005
""",
}
