"""Tell whether the course can run here: ``python -m helpers.doctor`` (chapter 01)."""

import importlib
import os
import platform
import shutil
import sys
import warnings
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

DISTRIBUTION = "first-tensor"
ENOUGH_MEMORY = 3 * 2**30
ENOUGH_DISK = 2**30
PYTHONS = ((3, 11), (3, 14))

OK, NOTE, PROBLEM = "ok", "note", "problem"

INSTALL = "Run: pip install -r requirements.txt && pip install --no-deps -e ."
# What to do about each kind of note and problem. The page appendix/troubleshooting.md
# has one entry for each, under this name.
ADVICE = {
    "unsuitable Python": (
        "Install Python 3.11, 3.12 or 3.13 and make a new environment with it."
    ),
    "course not installed": INSTALL,
    "package not installed": INSTALL,
    "package too old": INSTALL,
    "package does not import": f"Reinstall it. {INSTALL}",
    "MPS without fallback": (
        "Set PYTORCH_ENABLE_MPS_FALLBACK=1 before you start Jupyter."
    ),
    "Intel Python on a Mac": "On Apple Silicon install an arm64 Python.",
    "CUDA without a GPU": (
        "Fine on a machine without one; else see what nvidia-smi says."
    ),
    "device does not compute": "Unset COURSE_DEVICE, or set COURSE_DEVICE=cpu.",
    "little memory": "Close other programs; a chapter needs up to 3 GiB.",
    "little disk": "Make room, or point COURSE_DATA_DIR to another disk.",
    "Jupyter not installed": "Run: pip install -r requirements.txt",
    "data missing": "Clone the project again, or copy its data folder.",
    "data damaged": "Nothing: it is made again at its next use.",
    "unknown data mode": "Unset COURSE_DATA, or set it to embedded or full.",
    "no kernel": "Run: python -m ipykernel install --sys-prefix",
    "another kernel": "Run: python -m ipykernel install --sys-prefix",
    "check failed": "Mend what is above first.",
}


class Finding(NamedTuple):
    """One line of the report; a `PROBLEM` means that the course cannot run."""

    state: str
    subject: str
    text: str
    advice: str = ""


def check_python(version=sys.version_info):
    """Check that this Python is one that the course is tested with."""
    text = f"{'.'.join(map(str, version[:3]))} on {platform.platform()}"
    if PYTHONS[0] <= tuple(version[:2]) < PYTHONS[1]:
        return [Finding(OK, "Python", text)]
    return [Finding(PROBLEM, "Python", text, ADVICE["unsuitable Python"])]


def check_packages(requirements=None):
    """Check each package that the course needs: there, new enough, importable."""
    try:
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name

        if requirements is None:
            requirements = metadata.requires(DISTRIBUTION) or []
    except ImportError as error:  # PackageNotFoundError is one
        text = f"{error} is not installed"
        return [Finding(PROBLEM, "packages", text, ADVICE["course not installed"])]
    findings, good = [], []
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        name = canonicalize_name(requirement.name)
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            advice = ADVICE["package not installed"]
            findings.append(Finding(PROBLEM, name, "is not installed", advice))
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            text = f"{version} is installed, the course needs {requirement.specifier}"
            findings.append(Finding(PROBLEM, name, text, ADVICE["package too old"]))
        else:
            good.append(f"{name} {version}")
    if good:
        findings.insert(0, Finding(OK, "packages", ", ".join(good)))
    for name in ("torch", "torchvision", "fastai.vision.all", "lightning"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # their news is not the reader's
                importlib.import_module(name)
        except Exception as error:
            # A broken binary may raise anything at import.
            text = f"import fails with {type(error).__name__}: {error}"
            advice = ADVICE["package does not import"]
            findings.append(Finding(PROBLEM, name, text, advice))
    return findings


def check_devices():
    """Check which devices are there and that the chosen one computes."""
    import torch

    from helpers.device import available_devices, get_device

    findings = [Finding(OK, "devices", ", ".join(available_devices()))]
    if torch.backends.mps.is_available():
        fallback = os.environ.get("PYTORCH_ENABLE_MPS_FALLBACK") == "1"
        if not fallback:
            text = "operations that MPS lacks will raise an error"
            findings.append(Finding(NOTE, "MPS", text, ADVICE["MPS without fallback"]))
    elif platform.system() == "Darwin" and platform.machine() != "arm64":
        text = "this Python is built for Intel, so Apple's GPU is out of reach"
        findings.append(Finding(NOTE, "MPS", text, ADVICE["Intel Python on a Mac"]))
    if torch.version.cuda and not torch.cuda.is_available():
        text = "PyTorch is built for CUDA, but no NVIDIA GPU answers"
        findings.append(Finding(NOTE, "CUDA", text, ADVICE["CUDA without a GPU"]))
    try:
        device = get_device()
        left = torch.ones(64, 64, device=device)
        total = (left @ left).sum().item()
        if total != 64.0**3:
            raise ArithmeticError(f"ones(64, 64) @ ones(64, 64) sums to {total}")
    except (ValueError, RuntimeError, ArithmeticError) as error:
        advice = ADVICE["device does not compute"]
        return [*findings, Finding(PROBLEM, "device", str(error), advice)]
    threads = torch.get_num_threads()
    threads = "1 CPU thread" if threads == 1 else f"{threads} CPU threads"
    text = f"chapters compute on {device}, with {threads}"
    return [*findings, Finding(OK, "device", text)]


def check_room(folder=None):
    """Check free memory, and free disk where the data are kept."""
    import psutil

    memory = psutil.virtual_memory().available
    text = f"{memory / 2**30:.1f} GiB free"
    findings = [Finding(OK, "memory", text)]
    if memory < ENOUGH_MEMORY:
        findings = [Finding(NOTE, "memory", text, ADVICE["little memory"])]
    folder = Path(folder or Path.cwd()).absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / 2**30:.1f} GiB free"
    if free < ENOUGH_DISK:
        return [*findings, Finding(PROBLEM, "disk", text, ADVICE["little disk"])]
    return [*findings, Finding(OK, "disk", text)]


def check_data():
    """Check that each data set is there, or can be made."""
    from helpers import data

    try:
        found = data.status()
    except ValueError as error:
        advice = ADVICE["unknown data mode"]
        return [Finding(PROBLEM, "data", str(error), advice)]
    findings = []
    for one in found:
        text = f"{one.state}, {one.mode}"
        if one.state == "missing":
            text += f": {one.advice}"
            findings.append(Finding(PROBLEM, one.name, text, ADVICE["data missing"]))
        elif one.state == "damaged":
            findings.append(Finding(NOTE, one.name, text, ADVICE["data damaged"]))
        else:
            findings.append(Finding(OK, one.name, text))
    return findings


def check_kernel():
    """Check that Jupyter's `python3` kernel runs this very environment."""
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ImportError:
        advice = ADVICE["Jupyter not installed"]
        return [Finding(PROBLEM, "Jupyter", "is not installed", advice)]
    try:
        argv = KernelSpecManager().get_kernel_spec("python3").argv
    except NoSuchKernel:
        advice = ADVICE["no kernel"]
        return [Finding(PROBLEM, "Jupyter", "has no python3 kernel", advice)]
    # A bare "python" is replaced by the interpreter that runs Jupyter.
    bare = not Path(argv[0]).is_absolute()
    if bare or Path(argv[0]).parent == Path(sys.executable).parent:
        return [Finding(OK, "Jupyter", "its kernel is this environment")]
    text = f"its python3 kernel runs another Python, {argv[0]}"
    return [Finding(NOTE, "Jupyter", text, ADVICE["another kernel"])]


def diagnose():
    """Run all checks, each shielded from the failure of another.

    Returns
    -------
    list of Finding
    """
    findings = []
    checks = [
        check_python,
        check_packages,
        check_devices,
        check_room,
        check_data,
        check_kernel,
    ]
    for check in checks:
        try:
            findings += check()
        except Exception as error:
            # The doctor reports; it never dies of what it finds.
            subject = check.__name__.removeprefix("check_")
            text = f"the check failed with {type(error).__name__}: {error}"
            findings.append(Finding(PROBLEM, subject, text, ADVICE["check failed"]))
    return findings


def main():
    """Print the report; the exit status is 1 if the course cannot run."""
    findings = diagnose()
    for state, subject, text, advice in findings:
        print(f"[{state}] {subject}: {text}")
        if advice:
            print(f"    What to do: {advice}")
    problems = sum(finding.state == PROBLEM for finding in findings)
    if problems:
        print(f"The course cannot run here yet: {problems} problem(s) above.")
        print("Each of them is explained in appendix/troubleshooting.md.")
    else:
        print("The course can run here.")
    return int(problems > 0)


if __name__ == "__main__":
    raise SystemExit(main())
