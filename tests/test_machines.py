"""What is promised about machines: the versions agree, and `make` says what to do."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from helpers import doctor

ROOT = Path(__file__).parent.parent
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
VERSIONS = [f"3.{minor}" for minor in range(doctor.PYTHONS[0][1], doctor.PYTHONS[1][1])]
needs_make = pytest.mark.skipif(
    shutil.which("make") is None or os.name == "nt", reason="make is not installed"
)


def test_everything_names_the_same_pythons():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    low, high = (".".join(map(str, pair)) for pair in doctor.PYTHONS)
    assert project["requires-python"] == f">={low},<{high}"
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"{doctor.PYTHONS[0]} <= sys.version_info < {doctor.PYTHONS[1]}" in makefile
    listed = ", ".join(VERSIONS[:-1]) + f" or {VERSIONS[-1]}"
    for name in ("Makefile", "README.md", "chapters/01_setup.ipynb"):
        assert listed in (ROOT / name).read_text("utf-8"), name
    assert listed in doctor.ADVICE["unsuitable Python"]
    assert f"python: {VERSIONS}".replace("'", '"') in WORKFLOW


def test_actions_are_pinned_to_a_commit_and_say_which_version_that_is():
    uses = re.findall(r"uses: (.+)", WORKFLOW)
    assert len(uses) >= 4
    for action in uses:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_commands_for_every_shell_stand_on_lines_of_their_own():
    pages = [ROOT / "README.md", ROOT / "index.md"]
    pages += [*ROOT.glob("appendix/*.md"), ROOT / "chapters" / "01_setup.ipynb"]
    for page in pages:
        text = page.read_text("utf-8")
        assert not re.search(r"(pip|venv|activate)[^\n`]* && ", text), page.name


# The Makefile, in a folder whose name has a space -------------------------------------


@pytest.fixture
def course(tmp_path):
    folder = tmp_path / "with space" / "course"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("requirements.txt", "pyproject.toml"):
        (folder / name).touch()
    return folder


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def make(folder, *arguments):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=inherited, capture_output=True, text=True
    )


OLD = 'case "$1" in --version) echo Python 3.9.1;; *) exit 1;; esac'


@needs_make
def test_make_refuses_a_wrong_python_and_names_another(course, tmp_path):
    old = program(tmp_path / "old" / "python", OLD)
    result = make(course, f"PYTHON={old}", ".venv/.installed")
    assert result.returncode
    assert f"{old} is Python 3.9.1. What to do: name another one" in result.stderr
    assert "make PYTHON=python3.13" in result.stderr
    assert not (course / ".venv").exists()


@needs_make
def test_make_looks_at_the_python_of_an_environment_that_is_there(course, tmp_path):
    program(course / ".venv" / "bin" / "python", OLD)
    result = make(course, f"PYTHON={sys.executable}", ".venv/.installed")
    assert result.returncode
    assert ".venv/bin/python is Python 3.9.1. What to do: delete" in result.stderr
    # And the other way round: then it does not matter what python3 is.
    program(course / ".venv" / "bin" / "python", "exit 0")
    old = program(tmp_path / "old" / "python", OLD)
    result = make(course, f"PYTHON={old}", ".venv/.installed")
    assert result.returncode == 0, result.stderr
    assert (course / ".venv" / ".installed").exists()


@needs_make
def test_lab_may_run_as_root_and_says_so_only_then(course):
    program(course / ".venv" / "bin" / "jupyter", 'echo "asked: $@"')
    result = make(course, "-o", ".venv/.installed", "lab")
    assert "asked: lab" in result.stdout, result.stderr
    assert result.stdout.count("asked: lab --allow-root") == (os.geteuid() == 0)


@needs_make
def test_accelerator_runs_in_a_folder_with_a_space(course):
    program(course / ".venv" / "bin" / "pytest", 'echo "path: $PYTHONPATH"')
    result = make(course, "-o", ".venv/.installed", "accelerator")
    assert f"path: {course}/tests/accelerator\n" in result.stdout, result.stderr
    # No other target names a folder by its whole path.
    whole = [
        line
        for line in (course / "Makefile").read_text().splitlines()
        if "CURDIR" in line
    ]
    assert [shlex.split(line)[0] for line in whole] == [
        "PYTHONPATH=$(CURDIR)/tests/accelerator"
    ]
