"""`helpers.training`: scores weighted by sample, modes restored, bad input refused."""

import copy
import random
import warnings

import numpy as np
import pytest
import torch
import torchmetrics
from fastai.vision.all import TensorCategory, TensorImage
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, RandomSampler, TensorDataset
from torchmetrics.functional import accuracy as reference_accuracy
from tqdm.auto import tqdm

from helpers.training import accuracy, evaluate, fit, train_step
from helpers.training import test_step as measure

CPU = torch.device("cpu")


def make_data(samples=20, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, 2, generator=generator)
    return TensorDataset(inputs, (inputs[:, 0] > 0).long())


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))


def state(model):
    return copy.deepcopy(model.state_dict())


def same(first, second):
    return all(torch.equal(first[key], second[key]) for key in first)


@given(st.integers(1, 30), st.integers(2, 6), st.integers(0, 2**32 - 1), st.booleans())
def test_accuracy_agrees_with_torchmetrics(samples, classes, seed, as_float):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(samples, classes, generator=generator)
    labels = torch.randint(classes, (samples,), generator=generator)
    expected = reference_accuracy(
        logits, labels, task="multiclass", num_classes=classes
    )
    got = accuracy(logits, labels.float() if as_float else labels)
    assert got == pytest.approx(expected.item())


@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_binary_accuracy_thresholds_the_logit_at_zero(samples, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(samples, generator=generator)
    labels = torch.randint(2, (samples,), generator=generator)
    right = [
        (x > 0) == y for x, y in zip(logits.tolist(), labels.tolist(), strict=True)
    ]
    assert accuracy(logits, labels) == sum(right) / samples
    # torchmetrics agrees as soon as one value shows that these are logits.
    logits = torch.cat([logits, torch.tensor([-3.0])])
    labels = torch.cat([labels, torch.tensor([0])])
    expected = reference_accuracy(logits, labels, task="binary")
    assert accuracy(logits, labels) == pytest.approx(expected.item())


def test_small_logits_are_cut_at_zero_where_torchmetrics_sees_probabilities():
    logits, labels = torch.tensor([0.2, 0.3, 0.9]), torch.tensor([0, 0, 1])
    assert reference_accuracy(logits, labels, task="binary") == 1
    assert accuracy(logits, labels) == 1 / 3


def test_accuracy_is_an_exact_quotient():
    labels = torch.tensor([1] * 625 + [0] * 375)
    assert accuracy(torch.ones(1000), labels) == 0.625


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.uint8, torch.uint16, torch.uint32, torch.int16]
)
def test_labels_of_any_whole_dtype(dtype):
    labels = torch.tensor([1, 0, 1]).to(dtype)
    assert accuracy(torch.tensor([3.0, 3.0, -3.0]), labels) == 1 / 3


def test_probabilities_get_a_warning():
    labels = torch.tensor([0, 1] * 10)
    logits = (4.0 * labels - 2) + torch.linspace(-0.5, 0.5, 20)
    assert accuracy(logits, labels) == 1
    with pytest.warns(UserWarning, match="logits look like probabilities.*sigmoid"):
        assert accuracy(logits.sigmoid(), labels) == 0.5


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        # Few samples, or an untrained model: small values near one another.
        (torch.tensor([0.2, 0.3, 0.9]), torch.tensor([0, 0, 1])),
        (torch.linspace(0.1, 0.4, 100), torch.arange(100) % 2),
        # All of class 1, and all seen as that.
        (torch.linspace(0.1, 0.9, 100), torch.ones(100)),
        (torch.linspace(-0.1, 1.0, 100), (torch.arange(100) > 50).long()),
        # Of several classes argmax takes the same from either.
        (torch.eye(3)[torch.arange(30) % 3], torch.arange(30) % 3),
    ],
)
def test_logits_get_no_warning(logits, labels):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        accuracy(logits, labels)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        ((4, 1), (4,), r"squeeze"),
        ((4, 1), (4, 1), r"squeeze"),
        ((4, 3), (4, 1), r"\(4, 3\) and labels \(4, 1\)"),
        ((4, 3), (5,), r"same N"),
        ((4, 3, 2), (4,), r"\(4, 3, 2\)"),
        ((), (), r"same N"),
        ((0, 3), (0,), r"at least one sample"),
    ],
)
def test_accuracy_refuses_other_shapes(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        accuracy(torch.zeros(logits), torch.zeros(labels))


def test_accuracy_refuses_nan():
    with pytest.raises(ValueError, match="NaN"):
        accuracy(torch.tensor([1.0, float("nan")]), torch.tensor([1, 0]))


@given(st.integers(1, 25), st.integers(1, 9))
def test_scores_do_not_depend_on_the_batch_size(samples, batch_size):
    data, model, loss_fn = make_data(samples), make_model(), nn.CrossEntropyLoss()
    model.eval()
    inputs, labels = data.tensors
    with torch.inference_mode():
        logits = model(inputs)
    scores = measure(model, DataLoader(data, batch_size), loss_fn, device=CPU)
    assert scores.loss == pytest.approx(loss_fn(logits, labels).item(), rel=1e-5)
    assert scores.metric == pytest.approx(accuracy(logits, labels))


def test_train_step_is_the_loop_written_out():
    data, loss_fn = make_data(), nn.CrossEntropyLoss()
    ours, theirs = make_model(), make_model()
    loader = DataLoader(data, 8)
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.1, momentum=0.9)
    scores = train_step(ours, loader, loss_fn, optimizer, device=CPU)
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    total = 0.0
    for inputs, labels in loader:
        loss = loss_fn(theirs(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
    assert same(ours.state_dict(), theirs.state_dict())
    assert scores.loss == pytest.approx(total / len(data))


@pytest.mark.parametrize("mode", [True, False])
def test_mode_is_restored_and_measuring_changes_nothing(mode):
    model, loader = make_model().train(mode), DataLoader(make_data(), 8)
    before = state(model)
    measure(model, loader, nn.CrossEntropyLoss(), device=CPU)
    assert model.training is mode
    assert same(before, model.state_dict())
    assert all(parameter.grad is None for parameter in model.parameters())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_step(model, loader, nn.CrossEntropyLoss(), optimizer, device=CPU)
    assert model.training is mode
    assert not same(before, model.state_dict())


def test_dropout_is_on_in_training_and_off_in_measuring():
    seen = []
    model = make_model().eval()
    model[2].register_forward_hook(lambda module, *_: seen.append(module.training))
    loader = DataLoader(make_data(4), 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_step(model, loader, nn.CrossEntropyLoss(), optimizer, device=CPU)
    measure(model.train(), loader, nn.CrossEntropyLoss(), device=CPU)
    assert seen == [True, False]


def test_mode_is_restored_when_the_model_fails():
    model = make_model().eval()
    loader = DataLoader(TensorDataset(torch.zeros(4, 3), torch.zeros(4).long()), 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        train_step(model, loader, nn.CrossEntropyLoss(), optimizer, device=CPU)
    assert not model.training


def test_a_bad_loss_changes_no_parameter():
    model, loader = make_model(), DataLoader(make_data(), 8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = state(model)
    for loss_fn, message in [
        (
            lambda outputs, labels: outputs.sum() * float("nan"),
            "finite scalar, got nan",
        ),
        (nn.CrossEntropyLoss(reduction="none"), r"got shape \(8,\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            train_step(model, loader, loss_fn, optimizer, device=CPU)
        assert same(before, model.state_dict())


def test_empty_loader():
    with pytest.raises(ValueError, match="at least one batch"):
        measure(make_model(), [], nn.CrossEntropyLoss(), device=CPU)


def test_model_on_another_device():
    model, loader = make_model().to("meta"), DataLoader(make_data(), 8)
    with pytest.raises(ValueError, match="'cpu'.*on 'meta'.*model.to"):
        measure(model, loader, nn.CrossEntropyLoss(), device=CPU)


def run_fit(epochs=3):
    model, data = make_model(), make_data()
    loaders = DataLoader(data, 8), DataLoader(make_data(seed=1), 8)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    loss_fn = nn.CrossEntropyLoss()
    history = fit(model, *loaders, loss_fn, optimizer, epochs=epochs, device=CPU)
    return model, loaders, history


def test_fit_learns_and_its_last_row_is_what_evaluate_finds(capsys):
    model, loaders, history = run_fit(epochs=30)
    printed = capsys.readouterr()
    assert list(history) == [
        "train_loss",
        "train_accuracy",
        "test_loss",
        "test_accuracy",
    ]
    assert {len(series) for series in history.values()} == {30}
    assert history["train_loss"][-1] < 0.5 * history["train_loss"][0]
    row = evaluate(model, loaders[1], nn.CrossEntropyLoss(), device=CPU)
    assert row == {
        "model": "Sequential",
        "loss": history["test_loss"][-1],
        "accuracy": history["test_accuracy"][-1],
    }
    assert len(printed.out.splitlines()) == 31
    assert printed.err == ""


def test_progress_bar_is_asked_for(capsys, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", "1")
    run_fit(epochs=1)
    assert "epoch 1/1" in capsys.readouterr().err


@pytest.mark.parametrize("epochs", [0, -1, 1.5, True])
def test_epochs_must_be_positive_integers(epochs):
    with pytest.raises(ValueError, match="epochs must be a positive integer"):
        run_fit(epochs)


def test_epochs_may_be_numpys():
    _, _, history = run_fit(np.int64(2))
    assert len(history["train_loss"]) == 2


# Refused before anything is changed --------------------------------------------------


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1)


def frozen(model):
    return model.requires_grad_(False)


class Pair(nn.Module):
    """Return a tuple, as models with a second output do."""

    def __init__(self):
        super().__init__()
        self.layers = make_model()

    def forward(self, x):
        return self.layers(x), x


def fails(outputs, labels):
    raise ArithmeticError("this metric raises")


def batches():
    return list(DataLoader(make_data(), 8))


# What is wrong, by the argument that must be named.
FAULTS = {
    "optimizer of another model": (
        {"optimizer": lambda model: sgd(make_model())},
        ValueError,
        "^optimizer must hold parameters of model, got one over 4 tensors",
    ),
    "no optimizer": (
        {"optimizer": lambda model: None},
        TypeError,
        "^optimizer must be an optimizer.*got NoneType; test_step measures without one",
    ),
    "class of an optimizer": (
        {"optimizer": lambda model: torch.optim.SGD},
        TypeError,
        "^optimizer must be an optimizer.*got the class SGD",
    ),
    "closure": (
        {"optimizer": lambda model: torch.optim.LBFGS(model.parameters())},
        TypeError,
        "^optimizer must not need a closure, got LBFGS",
    ),
    "all frozen": (
        {"model": lambda: frozen(make_model())},
        ValueError,
        "^model must have a parameter to train.*frozen",
    ),
    "class of a loss": (
        {"loss_fn": nn.CrossEntropyLoss},
        TypeError,
        r"^loss_fn must be .* as CrossEntropyLoss\(\), got the class Cross",
    ),
    "no loss": ({"loss_fn": "mse"}, TypeError, "^loss_fn must be callable, got str"),
    "class of a metric": (
        {"metric": torchmetrics.MeanMetric},
        TypeError,
        "^metric must be .* got the class MeanMetric",
    ),
    "metric that raises": ({"metric": fails}, ArithmeticError, "this metric raises"),
    "metric of no number": (
        {"metric": lambda outputs, labels: outputs},
        TypeError,
        "^metric must give one number, got tensor",
    ),
    "tuple": (
        {"model": Pair},
        TypeError,
        "^model must return a tensor, got tuple",
    ),
    "loss without a gradient": (
        {"loss_fn": lambda outputs, labels: outputs.detach().sum()},
        ValueError,
        "^loss_fn must give a loss with a gradient",
    ),
}


@pytest.mark.parametrize("what", FAULTS)
@pytest.mark.parametrize("call", [train_step, fit])
def test_faults_are_refused_before_anything_is_changed(call, what, capsys):
    change, error, message = FAULTS[what]
    model = change.get("model", make_model)().eval()
    optimizer = change.get("optimizer", sgd)(model)
    loss_fn = change.get("loss_fn", nn.CrossEntropyLoss())
    options = {"metric": change.get("metric", accuracy), "device": CPU}
    if call is fit:
        options["epochs"] = 1
    loaders = [batches()] * (2 if call is fit else 1)
    before, drawn = state(model), torch.get_rng_state()
    with pytest.raises(error, match=message):
        call(model, *loaders, loss_fn, optimizer, **options)
    assert same(before, model.state_dict())
    assert not any(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    if what != "loss without a gradient":  # found in the first batch of the training
        assert torch.equal(drawn, torch.get_rng_state()) or call is train_step
        assert capsys.readouterr().out == ""


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_training_without_gradients_is_refused(mode):
    model = make_model()
    optimizer = sgd(model)
    with mode(), pytest.raises(RuntimeError, match=rf"inside torch\.{mode.__name__}\("):
        train_step(model, batches(), nn.CrossEntropyLoss(), optimizer, device=CPU)
    measure(model, batches(), nn.CrossEntropyLoss(), device=CPU)


def test_an_optimizer_over_a_part_of_the_model_trains_that_part():
    model = make_model()
    before = state(model)
    optimizer = torch.optim.SGD(model[3].parameters(), lr=0.1)
    train_step(model, batches(), nn.CrossEntropyLoss(), optimizer, device=CPU)
    changed = {
        key for key, value in model.state_dict().items() if (value != before[key]).any()
    }
    assert changed == {"3.weight", "3.bias"}


@pytest.mark.parametrize("which", ["train_loader", "test_loader"])
def test_fit_refuses_an_iterator_for_several_epochs(which, capsys):
    model, loaders = make_model(), {"train_loader": batches(), "test_loader": batches()}
    loaders[which] = iter(loaders[which])
    arguments = model, *loaders.values(), nn.CrossEntropyLoss(), sgd(model)
    with pytest.raises(ValueError, match=f"^{which} must give its batches anew"):
        fit(*arguments, epochs=2, device=CPU)
    assert capsys.readouterr().out == ""
    history = fit(*arguments, epochs=1, device=CPU)
    model = make_model()
    loaders = [batches(), batches()]
    expected = fit(
        model, *loaders, nn.CrossEntropyLoss(), sgd(model), epochs=1, device=CPU
    )
    assert history["test_loss"] == expected["test_loss"]


BAD_TESTS = {
    "at least one batch": [],
    "pairs of tensors": [torch.ones(4, 2)],
    "same B": [(torch.ones(4, 2), torch.ones(3))],
}


@pytest.mark.parametrize("message", BAD_TESTS)
def test_fit_finds_a_bad_test_loader_before_it_trains(message, capsys):
    model = make_model()
    before = state(model)
    with pytest.raises((TypeError, ValueError), match=f"^test_loader must .*{message}"):
        fit(
            model,
            batches(),
            BAD_TESTS[message],
            nn.CrossEntropyLoss(),
            sgd(model),
            epochs=1,
            device=CPU,
        )
    assert same(before, model.state_dict())
    assert capsys.readouterr().out == ""


class Noisy(torch.utils.data.Dataset):
    """Draw from every random generator with each sample."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        noise = random.random() + np.random.rand() + torch.rand(1).item()  # noqa: NPY002
        return torch.full((2,), noise), torch.tensor(index % 2)


def noisy_loaders():
    own = torch.Generator().manual_seed(5)
    other = torch.Generator().manual_seed(6)
    sampler = RandomSampler(Noisy(), generator=other)
    yield DataLoader(Noisy(), 4, shuffle=True)
    yield DataLoader(Noisy(), 4, shuffle=True, generator=own)
    yield DataLoader(Noisy(), 4, sampler=sampler)


@pytest.mark.parametrize("kind", range(3))
def test_fit_is_train_step_and_test_step_to_the_last_bit(kind):
    """Trying the first batch moves no random generator and no buffer."""

    def start():
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        layers = make_model()
        model = nn.Sequential(layers[0], nn.BatchNorm1d(8), *layers[2:])
        model[1].momentum = None
        torch.manual_seed(1)
        loader = list(noisy_loaders())[kind]
        return model, loader, nn.CrossEntropyLoss(), sgd(model)

    model, loader, loss_fn, optimizer = start()
    history = fit(model, loader, loader, loss_fn, optimizer, epochs=2, device=CPU)
    rows = zip(*history.values(), strict=True)
    end = state(model), random.random(), torch.rand(1)

    model, loader, loss_fn, optimizer = start()
    for row in rows:
        bar = tqdm(loader, disable=True)  # making it starts, and drops, one iterator
        trained = train_step(model, bar, loss_fn, optimizer, device=CPU)
        assert row == (*trained, *measure(model, loader, loss_fn, device=CPU))
    assert same(end[0], model.state_dict())
    assert end[1:] == (random.random(), torch.rand(1))


def test_the_try_restores_what_a_model_counts_in_buffers():
    class Counts(nn.Linear):
        def __init__(self):
            super().__init__(2, 2)
            self.register_buffer("calls", torch.tensor(0))

        def forward(self, x):
            self.calls += 1
            return super().forward(x)

    model, metric = Counts(), torchmetrics.MeanMetric()
    fit(
        model,
        batches(),
        batches(),
        nn.CrossEntropyLoss(),
        sgd(model),
        epochs=1,
        device=CPU,
        metric=lambda outputs, labels: metric(outputs.mean()),
    )
    assert model.calls == 6


def test_lazy_layers_and_streams_are_not_tried():
    class Stream(torch.utils.data.IterableDataset):
        def __init__(self):
            self.rows = iter(make_data(6))

        def __iter__(self):
            return self.rows

    model = nn.Sequential(nn.LazyLinear(2))
    stream = DataLoader(Stream(), 3)
    history = fit(
        model,
        batches(),
        stream,
        nn.CrossEntropyLoss(),
        sgd(model),
        epochs=1,
        device=CPU,
    )
    assert len(history["test_loss"]) == 1
    assert list(stream) == []


def test_a_metric_gets_outputs_without_a_graph():
    seen = []

    def metric(outputs, labels):
        seen.append((outputs.requires_grad, outputs.grad_fn))
        return 0.0

    model = make_model()
    train_step(
        model, batches(), nn.CrossEntropyLoss(), sgd(model), device=CPU, metric=metric
    )
    assert seen == [(False, None)] * 3


def test_a_lambda_is_called_metric():
    model = make_model()
    row = evaluate(
        model, batches(), nn.CrossEntropyLoss(), device=CPU, metric=lambda *_: 0.5
    )
    assert row["metric"] == 0.5


def test_batches_of_fastai():
    plain = batches()
    dressed = [(TensorImage(x), TensorCategory(y)) for x, y in plain]
    first, second = make_model(), make_model()
    loss_fn = nn.CrossEntropyLoss()
    torch.manual_seed(0)
    expected = train_step(first, plain, loss_fn, sgd(first), device=CPU)
    torch.manual_seed(0)
    assert train_step(second, dressed, loss_fn, sgd(second), device=CPU) == expected
    assert measure(second, dressed, loss_fn, device=CPU) == measure(
        first, plain, loss_fn, device=CPU
    )
    logits = TensorImage(torch.eye(2))
    assert accuracy(logits, TensorCategory(torch.tensor([0, 0]))) == 0.5
