"""`python -m helpers.doctor`: a sound machine passes, each fault is named."""

import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from helpers import data, doctor
from helpers.doctor import NOTE, OK, PROBLEM


def states(findings):
    return {finding.subject: finding.state for finding in findings}


def test_this_machine_can_run_the_course():
    run = subprocess.run(
        [sys.executable, "-m", "helpers.doctor"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "The course can run here." in run.stdout
    for subject in (
        "Python",
        "packages",
        "devices",
        "device",
        "disk",
        "cifar10",
        "Jupyter",
    ):
        assert f"] {subject}: " in run.stdout
    assert "problem]" not in run.stdout
    assert run.stderr == ""


def test_absent_device_is_a_problem_with_advice():
    environment = os.environ | {"COURSE_DEVICE": "warp9"}
    run = subprocess.run(
        [sys.executable, "-m", "helpers.doctor"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert run.returncode == 1
    assert "[problem] device: the environment variable COURSE_DEVICE" in run.stdout
    assert "What to do: Unset COURSE_DEVICE" in run.stdout


@pytest.mark.parametrize(
    ("version", "state"),
    [((3, 10, 9), PROBLEM), ((3, 11, 0), OK), ((3, 13, 1), OK), ((3, 14, 0), PROBLEM)],
)
def test_python_versions(version, state):
    assert states(doctor.check_python(version)) == {"Python": state}


def test_missing_and_old_packages():
    findings = states(
        doctor.check_packages(
            [
                "numpy>=1",
                "pandas>=999",
                "no-such-package-here>=1",
                "ignored>=1; python_version < '3'",
            ]
        )
    )
    assert findings == {
        "packages": OK,
        "pandas": PROBLEM,
        "no-such-package-here": PROBLEM,
    }


def test_package_that_does_not_import(monkeypatch):
    real = doctor.importlib.import_module

    def broken(name):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")
        return real(name)

    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    findings = doctor.check_packages([])
    assert states(findings) == {"torchvision": PROBLEM}
    assert "nms does not exist" in findings[0].text


def test_little_memory_is_a_note_and_little_disk_a_problem(monkeypatch, tmp_path):
    import psutil

    Memory = namedtuple("Memory", "available")
    Disk = namedtuple("Disk", "free")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(2**30))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: Disk(2**20))
    findings = doctor.check_room(tmp_path / "not" / "there" / "yet")
    assert states(findings) == {"memory": NOTE, "disk": PROBLEM}


def test_one_failing_check_does_not_hide_the_others(monkeypatch):
    def check_devices():
        raise OSError("no driver")

    monkeypatch.setattr(doctor, "check_devices", check_devices)
    found = states(doctor.diagnose())
    assert found["devices"] == PROBLEM
    assert found["Python"] == OK
    assert "memory" in found


@pytest.mark.parametrize(
    ("state", "expected"),
    [("ready", OK), ("not unpacked yet", OK), ("damaged", NOTE), ("missing", PROBLEM)],
)
def test_each_data_set_is_reported(monkeypatch, state, expected):
    one = data.Status("mnist", "embedded", state, 1, Path("here"), "what happened")
    monkeypatch.setattr(data, "status", lambda: [one])
    [finding] = doctor.check_data()
    assert (finding.state, finding.subject) == (expected, "mnist")
    assert state in finding.text
    assert bool(finding.advice) == (expected != OK)


def test_unknown_data_mode(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "some")
    [finding] = doctor.check_data()
    assert finding.state == PROBLEM
    assert "COURSE_DATA" in finding.text + finding.advice
