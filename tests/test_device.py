"""`helpers.device`: what is there, what was asked for, what is seeded."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.device import available_devices, get_device, seed_everything


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    monkeypatch.delenv("COURSE_DEVICE", raising=False)
    monkeypatch.delenv("COURSE_SEED", raising=False)


def fake_machine(monkeypatch, *, cuda=0, mps=False):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    kind = torch.device("cuda") if cuda else torch.device("mps") if mps else None
    monkeypatch.setattr(
        torch.accelerator, "current_accelerator", lambda check_available: kind
    )


def test_every_available_device_computes():
    for name in available_devices():
        assert (torch.ones(3, device=name) + 1).sum().item() == 6


@pytest.mark.parametrize(
    ("machine", "listed", "chosen"),
    [
        ({}, ["cpu"], "cpu"),
        ({"mps": True}, ["mps", "cpu"], "mps"),
        ({"cuda": 2}, ["cuda:0", "cuda:1", "cpu"], "cuda"),
        ({"cuda": 1, "mps": True}, ["cuda:0", "mps", "cpu"], "cuda"),
    ],
)
def test_order_of_preference(monkeypatch, machine, listed, chosen):
    fake_machine(monkeypatch, **machine)
    assert available_devices() == listed
    assert get_device() == torch.device(chosen)


def test_environment_overrides_and_name_overrides_both(monkeypatch):
    fake_machine(monkeypatch, cuda=2)
    monkeypatch.setenv("COURSE_DEVICE", "cuda:1")
    assert get_device() == torch.device("cuda:1")
    assert get_device("cpu") == torch.device("cpu")
    monkeypatch.setenv("COURSE_DEVICE", " ")
    assert get_device() == torch.device("cuda")


@pytest.mark.parametrize("name", ["cpu", "cpu:0"])
def test_cpu_under_its_two_names(name):
    assert get_device(name) == torch.device("cpu")


@pytest.mark.parametrize("wanted", ["cuda", "cuda:7", "mps", "warp9", "cuda:x"])
def test_absent_or_unknown_device_lists_what_is_there(monkeypatch, wanted):
    fake_machine(monkeypatch)
    with pytest.raises(ValueError, match=rf"^name must be.*\(cpu\), got '{wanted}'"):
        get_device(wanted)
    monkeypatch.setenv("COURSE_DEVICE", wanted)
    with pytest.raises(ValueError, match="COURSE_DEVICE must be a device of this"):
        get_device()


def test_second_gpu_is_refused_where_there_is_one(monkeypatch):
    fake_machine(monkeypatch, cuda=1)
    assert get_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(ValueError, match="cuda:0, cpu.*got 'cuda:1'$"):
        get_device("cuda:1")


def draws():
    np_draw = np.random.rand()  # noqa: NPY002 - the global generator is the subject
    return random.random(), np_draw, torch.rand(1).item()


@given(seed=st.integers(0, 2**32 - 1))
def test_same_seed_same_numbers(seed):
    assert seed_everything(seed) == seed
    first = draws()
    seed_everything(seed)
    assert draws() == first


def test_seed_from_the_environment(monkeypatch):
    assert seed_everything() == 42
    default = draws()
    monkeypatch.setenv("COURSE_SEED", "7")
    assert seed_everything() == 7
    assert draws() != default
    assert seed_everything(3) == 3


@pytest.mark.parametrize(
    ("seed", "error"),
    [(-1, ValueError), (2**32, ValueError), (1.0, TypeError), (True, TypeError)],
)
def test_bad_seed_touches_no_generator(seed, error):
    seed_everything(1)
    expected = draws()
    seed_everything(1)
    with pytest.raises(error, match="seed"):
        seed_everything(seed)
    assert draws() == expected


def test_bad_seed_in_the_environment(monkeypatch):
    monkeypatch.setenv("COURSE_SEED", "forty-two")
    with pytest.raises(ValueError, match="COURSE_SEED must be an integer.*forty-two"):
        seed_everything()
