"""The house is as its plan says: rooms, packages, and nothing in another's place."""

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch

from tools.notebooks import ROOT


def test_table_of_rooms_is_complete():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    table = re.search(r"^## Where things are\n(.*?)^## ", text, re.M | re.S)[1]
    named = set()
    for first_cell in re.findall(r"^\| (`.+?) \|", table, re.M):
        named |= {name.rstrip("/") for name in re.findall(r"`([^`]+)`", first_cell)}
    ignored = [*(ROOT / ".gitignore").read_text("utf-8").split(), ".git"]
    there = {
        path.name
        for path in ROOT.iterdir()
        if not any(fnmatch(path.name, pattern.strip("/")) for pattern in ignored)
    }
    assert named == there


def test_every_package_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    tool = project["tool"]["setuptools"]
    there = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in ROOT.glob("helpers/**/__init__.py")
    }
    (name,) = (key for key, room in tool["package-dir"].items() if room == "exercises")
    assert set(tool["packages"]) == there | {name}


def test_a_readers_folder_hides_no_checker(tmp_path):
    (tmp_path / "exercises").mkdir()
    (tmp_path / "exercises" / "__init__.py").write_text("raise ImportError('mine')")
    ask = "from helpers.exercises import check; check('ex-slices', ...)"
    told = subprocess.run(
        [sys.executable, "-c", ask], cwd=tmp_path, capture_output=True, text=True
    )
    assert told.stdout.startswith("Exercise 3 (Pieces of a batch): not"), told.stderr


def test_helpers_know_no_chapter():
    for path in ROOT.glob("helpers/**/*.py"):
        names = re.findall(r"\b\d\d_[a-z]\w+", path.read_text("utf-8"))
        assert not names, f"{path.name} names {names}"
