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

# For mutants that are refused however well their models were trained.
QUICK = """long = train_and_test


def train_and_test(*args, epochs, **how):
    return long(*args, epochs=5, **how)


"""
TAGS_ASKED = """, metric=None)
outputs, _ = test_step(tag_model, *parts[2:], loss_fn)
per_label = ((outputs > 0) == parts[3].bool()).float()."""
TAGS_TRAINED = """
optimizer = torch.optim.Adam(tag_model.parameters(), lr=0.01)
train_and_test(tag_model, parts, loss_fn, optimizer, epochs="""

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
            Mutant(
                "    p = 1 / (1 + torch.exp(-z))",
                "    p = z.sigmoid()",
                "own sigmoid or loss",
            ),
            Mutant(
                "    p = 1 / (1 + torch.exp(-z))\n"
                "    each = -(labels * torch.log(p) + (1 - labels) * "
                "torch.log(1 - p))",
                "    each = F.binary_cross_entropy_with_logits(z, labels, "
                'reduction="none")',
                "own sigmoid or loss",
            ),
        ),
        others=(
            """
def bce_by_hand(z, labels):
    each = z.clamp(min=0) - z * labels + torch.log1p(torch.exp(-z.abs()))
    return [each, sum(each.tolist()) / len(each)]
""",
            """
def bce_by_hand(z, labels):
    each = torch.logaddexp(z, torch.zeros_like(z)) - labels * z
    return each, each.mean()
""",
            """
def bce_by_hand(z, labels):
    probability = 1 / (1 + torch.exp(-z))
    of_the_truth = torch.where(labels == 1, probability, 1 - probability)
    losses = -torch.log(of_the_truth)
    return losses, losses.sum() / len(losses)
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
            Mutant("@torch.no_grad()\n", "", "in-place"),
            Mutant(
                "    weight = torch.eye(",
                "    for layer in layers:\n"
                "        layer.weight.zero_()\n"
                "    weight = torch.eye(",
                "layers have been changed",
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
            """
from functools import reduce


@torch.no_grad()
def collapse(layers):

    def join(first, second):
        weight, bias = first
        bias = second.weight @ bias
        if second.bias is not None:
            bias = bias + second.bias
        return second.weight @ weight, bias

    start = layers[0].in_features
    like = {"dtype": layers[0].weight.dtype, "device": layers[0].weight.device}
    weight, bias = reduce(
        join, layers, (torch.eye(start, **like), torch.zeros(start, **like))
    )
    one = nn.Linear(start, layers[-1].out_features, **like)
    one.weight.copy_(weight)
    one.bias.copy_(bias)
    return one
""",
            """
def collapse(layers):
    chain = nn.Sequential(*layers)
    probe = layers[0].weight.detach()
    with torch.inference_mode(False), torch.no_grad():
        unit = torch.eye(probe.shape[1]).to(probe)
        shift = chain(torch.zeros_like(unit[:1]))[0]
        columns = chain(unit) - shift
    result = nn.Linear(columns.shape[0], columns.shape[1])
    result.weight = nn.Parameter(columns.T.contiguous())
    result.bias = nn.Parameter(shift.clone())
    return result
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
            """
plain, stratified = [], []
for state in range(50):
    for counts, by in ((plain, None), (stratified, rare_y)):
        _, rows = train_test_split(
            np.arange(len(rare_y)), test_size=0.2, random_state=state, stratify=by
        )
        counts.append(np.count_nonzero(rare_y[rows] == 1))
unshuffled = rare_y[-200:].sum()
""",
            """
both = torch.zeros(2, 50, dtype=torch.int16)
for row, kept in enumerate((None, rare_y)):
    for seed in range(50):
        how = {"random_state": seed, "stratify": kept}
        both[row, seed] = int(train_test_split(rare_y, test_size=0.2, **how)[1].sum())
plain, stratified = both
unshuffled = np.float64(sum(train_test_split(rare_y, train_size=800, shuffle=False)[1]))
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
            """
def last_loss(make_optimizer, epochs=1000):
    torch.manual_seed(42)
    model = CircleModelV2().to(device)
    return train_and_test(
        model,
        rings,
        nn.BCEWithLogitsLoss(),
        make_optimizer(model.parameters()),
        epochs=epochs,
    )["train_loss"][-1]
""",
            """
def last_loss(make_optimizer, epochs=1000):
    points, classes, *_ = rings
    seed_everything(42)
    net = CircleModelV2()
    net.to(points.device)
    optimizer = make_optimizer(net.parameters())

    def closure():
        optimizer.zero_grad()
        z = net(points)
        loss = F.binary_cross_entropy_with_logits(z, classes[:, None])
        loss.backward()
        return loss

    for _ in range(epochs):
        loss = optimizer.step(closure)
    return float(loss.detach())
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
        metric=share_correct,
    )


record_relu = train_blobs(nn.ReLU)
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
    "ex-moons": Case(
        needs=(*RINGS, "blobs-make", "blob-model-class"),
        mutants=(
            Mutant(
                "for activation in (nn.Identity, nn.ReLU)",
                QUICK + "for activation in (nn.Identity, nn.Identity)",
                "is affine",
            ),
            Mutant(
                "for activation in (nn.Identity, nn.ReLU)",
                QUICK + "for activation in (nn.ReLU, nn.ReLU)",
                "is not affine",
            ),
            Mutant("epochs=500", "epochs=3", "train them for longer"),
            Mutant(
                "for activation in (nn.Identity, nn.ReLU):",
                QUICK + "def BlobModel(*sizes, linear=BlobModel):\n"
                "    return nn.Sequential(linear(*sizes), nn.Sigmoid())\n\n\n"
                "for activation in (nn.Identity, nn.ReLU):",
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
            """
moon_X, moon_y = datasets.make_moons(1000, noise=0.1, random_state=42)
moon_X = torch.tensor(moon_X, dtype=torch.float32)
moon_y = torch.tensor(moon_y, dtype=torch.float32)
A, B, a, b = train_test_split(moon_X, moon_y, test_size=0.2, random_state=42)


def fit_moons(model, epochs=200):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    criterion = nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        optimizer.zero_grad()
        criterion(model(A).squeeze(1), a).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        return ((model(B).squeeze(1) > 0) == b.bool()).float().mean().item()


torch.manual_seed(42)
moon_linear = nn.Linear(2, 1)
moon_relu = nn.Sequential(
    nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1)
)
linear_accuracy, relu_accuracy = fit_moons(moon_linear), fit_moons(moon_relu)
""",
            """
class Moons(nn.Module):
    def __init__(self, *widths, bend):
        super().__init__()
        self.layers = nn.ModuleList(
            (nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        )
        self.bend = bend

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.bend(layer(x))
        return self.layers[-1](x)[:, 0]


def moons_everything(bend):
    points, classes = datasets.make_moons(1000, noise=0.1, random_state=42)
    order = np.random.default_rng(7).permutation(1000)
    points = torch.from_numpy(points[order]).to(device, torch.float32)
    classes = torch.from_numpy(classes[order]).to(device, torch.float32)
    learn, test = slice(0, 750), slice(750, None)
    torch.manual_seed(0)
    model = Moons(2, 32, 32, 1, bend=bend).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for epoch in range(300):
        loss = F.binary_cross_entropy_with_logits(model(points[learn]), classes[learn])
        model.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        predicted = torch.sigmoid(model(points[test])).round()
        hits = (predicted == classes[test]).sum().item()
    return model, hits / 250


moon_linear, linear_accuracy = moons_everything(lambda x: x)
moon_relu, relu_accuracy = moons_everything(torch.relu)
""",
            """
points, labels = datasets.make_moons(1000, noise=0.1, random_state=42)
parts = train_test_split(points, labels[:, None], test_size=100, random_state=0)
(A, B), (a, b) = (map(torch.from_numpy, parts[i : i + 2]) for i in (0, 2))
torch.manual_seed(0)
moon_linear = nn.Sequential(nn.Linear(2, 8), nn.Linear(8, 1)).double()
moon_relu = nn.Sequential(nn.Linear(2, 30), nn.ReLU(), nn.Linear(30, 1)).double()
reached = []
for net in (moon_linear, moon_relu):
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(net(A), a.double()).backward()
        optimizer.step()
    reached.append(((net(B) > 0) == b).sum() / 100)
linear_accuracy, relu_accuracy = reached
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
        needs=RINGS,
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
                "does not compute linear, ReLU",
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
    return {"accuracy": share_correct(logits, y), "loss": loss}
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
        return self.last(x)[:, 0]


def wide_model(share):
    return Functional(share)


def score(model, X, y):
    model.eval()
    with torch.no_grad():
        z = model(X)
    right = torch.eq(z > 0, y > 0.5)
    losses = torch.logaddexp(z, torch.zeros(())) - y * z
    return {"loss": losses.mean(), "accuracy": right.float().mean(), "points": len(X)}
""",
            """
def wide_model(share):
    layers = []
    for inputs in (2, 64):  # dropping before or after a ReLU is the same
        layers += [nn.Linear(inputs, 64), nn.Dropout(share), nn.LeakyReLU(0)]
    return nn.Sequential(*layers, nn.LazyLinear(1), nn.Flatten(0))


def score(model, X, y):
    was, _ = model.training, model.eval()
    with torch.inference_mode():
        z = model(X)
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
        needs=(*RINGS, "blobs-make", "blob-model-class"),
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
