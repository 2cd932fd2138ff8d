"""The lane of the pretend accelerator; ``make accelerator`` puts it on PYTHONPATH."""

import os
import re
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
if str(HERE) not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
    # `make test` leaves this folder out: the device is registered at `import torch`.
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(autouse=True, scope="session")
def accelerator():
    """Skip where PyTorch is another than ours and its private hooks differ."""
    pinned = re.search(
        r"^torch==([\d.]+)", (ROOT / "requirements.txt").read_text(), re.M
    )
    try:
        layer = torch.nn.Linear(2, 1).to("pretend")
        layer(torch.ones(3, 2, device="pretend")).sum().backward()
        assert layer.weight.grad.cpu().tolist() == [[3, 3]]
    except (RuntimeError, AssertionError, AttributeError, TypeError) as error:
        if torch.__version__.split("+")[0] == pinned[1]:
            raise
        message = f"torch {torch.__version__}: private hooks of PrivateUse1 differ"
        pytest.skip(f"{message} ({str(error).splitlines()[0]})")
