"""`helpers.training`: scores weighted by sample, modes restored, bad input refused."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.functional import accuracy as reference_accuracy

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
    # torchmetrics takes probabilities; sigmoid(0) is 0.5.
    expected = reference_accuracy(logits.sigmoid(), labels, task="binary")
    assert accuracy(logits, labels) == pytest.approx(expected.item())


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
