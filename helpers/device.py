"""Where computation happens, and from which seed (chapter 01)."""

import logging
import os
import random

import numpy as np
import torch

DEFAULT_SEED = 42

# `torch.utils.benchmark` looks for the compiler of CUDA when it's imported. On a
# computer with that compiler and no GPU, it warns that "No CUDA runtime is found".
logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)


def available_devices():
    """List the devices that this process can compute on, the fastest kind first.

    Returns
    -------
    list of str
        ``"cuda:0"``, ``"cuda:1"`` ..., then ``"mps"``, any other accelerator that
        PyTorch knows, and always ``"cpu"``.

    Notes
    -----
    Taught in chapter 01, Setup.
    """
    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    other = torch.accelerator.current_accelerator(check_available=True)
    if other is not None and other.type not in {"cuda", "mps"}:
        devices.append(other.type)
    return [*devices, "cpu"]


def get_device(name=None):
    """Choose the device to compute on: CUDA, else Apple's MPS, else the CPU.

    Parameters
    ----------
    name : str, optional
        A device by name, such as ``"cpu"`` or ``"cuda:1"``. Without it the environment
        variable ``COURSE_DEVICE`` decides, and without that the order above.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If the device asked for is unknown to PyTorch or absent from this machine. The
        message lists what is there.

    Notes
    -----
    Taught in chapter 01, Setup.
    """
    source = "name" if name is not None else "the environment variable COURSE_DEVICE"
    wanted = name if name is not None else os.environ.get("COURSE_DEVICE", "").strip()
    there = available_devices()
    if name is None and not wanted:
        return torch.device(there[0].removesuffix(":0"))
    expected = f"{source} must be a device of this machine ({', '.join(there)})"
    try:
        device = torch.device(wanted)
    except (RuntimeError, TypeError) as error:
        unknown = f"{expected}, got {wanted!r}, which PyTorch does not know"
        raise ValueError(unknown) from error
    present = {torch.device(known) for known in there}
    if device not in present | {torch.device(known.type) for known in present}:
        # "cpu:0" is the CPU under another name.
        if device.type == "cpu":
            return torch.device("cpu")
        raise ValueError(f"{expected}, got {wanted!r}")
    return device


def seed_everything(seed=None):
    """Seed the random generators of Python, NumPy and PyTorch (all devices).

    Parameters
    ----------
    seed : int, optional
        From 0 to 2**32 - 1, the range that NumPy takes. Without it the environment
        variable ``COURSE_SEED`` decides, and without that it is 42.

    Returns
    -------
    int
        The seed that was set.

    Raises
    ------
    TypeError
        If `seed` is no integer.
    ValueError
        If the seed is out of range, or ``COURSE_SEED`` is no integer. No generator has
        been touched then.

    Notes
    -----
    The same seed gives the same numbers on one machine with one version of PyTorch;
    across versions and devices it need not. Taught in chapter 02, Tensors.
    """
    source = "seed"
    if seed is None:
        source = "the environment variable COURSE_SEED"
        text = os.environ.get("COURSE_SEED", "").strip() or str(DEFAULT_SEED)
        try:
            seed = int(text)
        except ValueError:
            raise ValueError(f"{source} must be an integer, got {text!r}") from None
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"{source} must be an integer, got {seed!r}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"{source} must lie in 0 ... 2**32 - 1, got {seed}")
    seed = int(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - scikit-learn and fastai draw from it
    torch.manual_seed(seed)
    return seed
