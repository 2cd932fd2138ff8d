"""Every notebook by itself in a fresh checkout, strictly: ``make alone``."""

import os
import shutil
import subprocess
import sys

import pytest

from tools.notebooks import ROOT, notebooks

OWN = {"_build", "__pycache__", ".pytest_cache", ".ipynb_checkpoints"}


def files(folder):
    found = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return {file for file in found if not OWN & set(file.parts)}


@pytest.fixture
def checkout(tmp_path):
    """Copy what git would check out of the working tree, and nothing else."""
    if not (ROOT / ".git").exists():
        pytest.skip("a fresh checkout can only be made of a git repository")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / "course" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / "course" / name)
    return tmp_path / "course"


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_passes_alone_in_a_fresh_checkout(path, checkout):
    there = files(checkout)
    home = checkout.parent / "home"
    home.mkdir()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}
    environment = inherited | {"HOME": str(home), "PYTHONPATH": str(checkout)}

    def python(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True
        )

    used = python("-c", "import helpers; print(helpers.__file__)").stdout.strip()
    assert used == str(checkout / "helpers" / "__init__.py"), "not this checkout's"
    result = python("-m", "pytest", "--nbval", "-q", path.relative_to(ROOT))
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-2000:]
    assert files(checkout) == there, "the notebook leaves these behind"
