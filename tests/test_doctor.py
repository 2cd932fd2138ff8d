"""`python -m helpers.doctor`: a sound machine passes, each fault is named."""

import errno
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
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
    [((3, 10, 9), PROBLEM), ((3, 11, 0), OK), ((3, 14, 1), OK), ((3, 15, 0), PROBLEM)],
)
def test_python_versions(version, state):
    assert states(doctor.check_python(version)) == {"Python": state}


def machine(monkeypatch, system, kind, *, macos="", build=""):
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: kind)
    monkeypatch.setattr(platform, "mac_ver", lambda: (macos, ("", "", ""), kind))
    monkeypatch.setattr(sysconfig, "get_platform", lambda: build)


@pytest.mark.parametrize(
    ("where", "advice"),
    [
        (("Darwin", "x86_64", "15.1", "macosx"), "Intel Python on a Mac"),
        (("Darwin", "arm64", "13.6", "macosx"), "old macOS"),
        (("Windows", "ARM64", "", "win-arm64"), "ARM Python on Windows"),
        (("Darwin", "arm64", "14.0", "macosx"), ""),
        (("Darwin", "arm64", "26.1", "macosx"), ""),
        (("Darwin", "arm64", "10.16", "macosx"), ""),  # said to old programs
        (("Darwin", "arm64", "", "macosx"), ""),
        (("Windows", "ARM64", "", "win-amd64"), ""),  # x64 on an ARM processor
        (("Windows", "AMD64", "", "win-amd64"), ""),
        (("Linux", "aarch64", "", "linux-aarch64"), ""),
    ],
)
@pytest.mark.parametrize("torch_there", [True, False])
def test_machines_without_packages(monkeypatch, where, advice, torch_there):
    system, kind, macos, build = where
    machine(monkeypatch, system, kind, macos=macos, build=build)
    monkeypatch.setattr(
        doctor.importlib.util, "find_spec", lambda name: torch_there or None
    )
    [finding] = doctor.check_python((3, 12, 1))
    assert finding.advice == (doctor.ADVICE[advice] if advice else "")
    expected = (NOTE if torch_there else PROBLEM) if advice else OK
    assert finding.state == expected


def test_colab_is_told_only_what_it_lacks(monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    findings = doctor.check_packages(
        [
            "numpy>=1",
            "torch>=999",
            "no-such-package>=1",
            "none-such==0.1.0",
            "jupyterlab>=999",
            "ipywidgets>=999",
        ]
    )
    assert states(findings) == {"packages": PROBLEM, "torch": NOTE}
    advice = [finding.advice for finding in findings if finding.advice]
    assert advice[0] == "Run: pip install no-such-package none-such==0.1.0"
    assert "pip" not in advice[1]


def test_no_advice_on_colab_replaces_what_colab_runs_on(monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")

    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(doctor.importlib, "import_module", broken)

    def absent(name):
        raise doctor.metadata.PackageNotFoundError(name)

    findings = [*doctor.check_packages([]), *doctor.check_kernel()]
    monkeypatch.setattr(doctor.metadata, "requires", absent)
    findings += doctor.check_packages()
    bad = [finding for finding in findings if finding.state != OK]
    assert len(bad) == 5
    for finding in bad:
        assert "requirements.txt" not in finding.advice
        assert "ipykernel" not in finding.advice


def test_no_advice_joins_commands_in_a_way_that_powershell_refuses():
    assert not [text for text in doctor.ADVICE.values() if "&&" in text]


def test_course_that_is_not_installed_is_named_once(monkeypatch):
    monkeypatch.setattr(doctor, "DISTRIBUTION", "no-such-course")
    (finding,) = doctor.check_packages()
    assert finding.state == PROBLEM
    assert finding.text == "no-such-course is not installed"


def test_lines_of_the_report_fit_a_page(monkeypatch, capsys):
    long = ", ".join(f"no-such-package {i}.0" for i in range(40))
    place = "/" + "long-folder/" * 20
    monkeypatch.setattr(
        doctor,
        "diagnose",
        lambda: [
            doctor.Finding(OK, "packages", long),
            doctor.Finding(OK, "data", f"in {place}"),
        ],
    )
    assert doctor.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if place not in line) <= 78
    assert " ".join(line.strip() for line in lines).count("no-such-package") == 40
    assert any(line.strip() == place for line in lines)


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
    assert states(doctor.check_memory()) == {"memory": NOTE}
    asked = []
    monkeypatch.setattr(
        doctor.shutil, "disk_usage", lambda folder: asked.append(folder) or Disk(2**20)
    )
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "not" / "there" / "yet"))
    monkeypatch.chdir("/")
    assert states(doctor.check_disk()) == {"disk": PROBLEM}
    assert asked == [tmp_path]  # where the data go, not where we are
    assert not (tmp_path / "not").exists()


def refuse(*args, **options):
    raise OSError(errno.EROFS, "Read-only file system")


@pytest.mark.parametrize(
    ("kind", "expected"), [("ready", OK), ("not unpacked yet", PROBLEM)]
)
def test_a_folder_that_cannot_be_written(monkeypatch, tmp_path, kind, expected):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    sets = [data.Status("mnist", "embedded", kind, 1, tmp_path, "")]
    monkeypatch.setattr(data, "status", lambda: sets)
    [finding] = doctor.check_disk()
    assert finding.state == expected
    assert str(tmp_path) in finding.text


def test_a_file_in_the_place_of_the_folder(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "file" / "data"))
    [finding] = doctor.check_disk()
    assert (finding.state, finding.subject) == (PROBLEM, "disk")
    assert "cannot be written" in finding.text


def test_a_relative_folder_is_a_problem_and_said_once(monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", "data")
    findings = [*doctor.check_disk(), *doctor.check_data()]
    assert states(findings) == {"disk": PROBLEM}
    assert "COURSE_DATA_DIR must be a whole path" in findings[0].text
    assert findings[0].advice == doctor.ADVICE["no data folder"]


def test_one_failing_check_does_not_hide_the_others(monkeypatch):
    def check_devices():
        raise OSError("no driver")

    monkeypatch.setattr(doctor, "check_devices", check_devices)
    findings = doctor.diagnose()
    found = states(findings)
    assert found["devices"] == PROBLEM
    assert found["Python"] == OK
    assert "memory" in found
    # Nothing above is wrong, so nothing above is to be fixed.
    [failed] = [finding for finding in findings if finding.subject == "devices"]
    assert failed.advice == doctor.ADVICE["check failed alone"]

    monkeypatch.setattr(
        doctor, "check_python", lambda: [doctor.Finding(PROBLEM, "Python", "3.9")]
    )
    [failed] = [one for one in doctor.diagnose() if one.subject == "devices"]
    assert failed.advice == doctor.ADVICE["check failed"]


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
