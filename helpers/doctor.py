"""Tell whether the course can run here: ``python -m helpers.doctor`` (chapter 01)."""

import importlib
import importlib.util
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
import textwrap
import warnings
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

DISTRIBUTION = "first-tensor"
ENOUGH_MEMORY = 3 * 2**30
ENOUGH_DISK = 2**30
PYTHONS = ((3, 11), (3, 15))
# Colab shows notebooks itself; installing these would replace what its kernel runs on.
NOT_ON_COLAB = {"jupyterlab", "jupyterlab-myst", "ipywidgets"}

OK, NOTE, PROBLEM = "ok", "note", "problem"

# Two commands, for a shell that has no &&: PowerShell 5.1.
INSTALL = (
    "Run: pip install -r requirements.txt, and then: pip install --no-deps -e . ./lab"
)
# What to do about each kind of note and problem. The page appendix/troubleshooting.md
# has one entry for each, under this name.
ADVICE = {
    "unsuitable Python": (
        "Install Python 3.11, 3.12, 3.13 or 3.14 and make a new environment with it."
    ),
    "Intel Python on a Mac": (
        "On Apple Silicon install an arm64 Python; on an Intel Mac use Colab."
    ),
    "old macOS": "Update to macOS 14 or later, or use Colab.",
    "ARM Python on Windows": (
        "Install the Python for Intel and AMD (x64); Windows on ARM runs it as well."
    ),
    "course not installed": INSTALL,
    "course not installed on Colab": "Run: pip install --no-deps -e .",
    "package not installed": INSTALL,
    "packages missing on Colab": "Run: pip install",
    "package too old": INSTALL,
    "another version on Colab": "Leave it. If a chapter fails with it, report that.",
    "package does not import": f"Reinstall it. {INSTALL}",
    "import fails on Colab": "Choose Runtime, Restart session, and ask again.",
    "MPS without fallback": (
        "Set PYTORCH_ENABLE_MPS_FALLBACK=1 before you start Jupyter."
    ),
    "CUDA without a GPU": (
        "Fine on a machine without one; else see what nvidia-smi says."
    ),
    "device does not compute": "Unset COURSE_DEVICE, or set COURSE_DEVICE=cpu.",
    "little memory": "Close other programs; a chapter needs up to 3 GiB.",
    "little disk": "Make room, or point COURSE_DATA_DIR to another disk.",
    "no data folder": (
        "Set COURSE_DATA_DIR to a folder that you can write, as a whole path."
    ),
    "data folder not writable": (
        "Set COURSE_DATA_DIR to a folder that you can write, or let its owner run: "
        "python -m helpers.data"
    ),
    "Jupyter not installed": "Run: pip install -r requirements.txt",
    "data missing": "Clone the project again, or copy its data folder.",
    "data damaged": "Nothing: it is made again at its next use.",
    "unknown data mode": "Unset COURSE_DATA, or set it to embedded or full.",
    "no kernel": "Run: python -m ipykernel install --sys-prefix",
    "another kernel": "Run: python -m ipykernel install --sys-prefix",
    "check failed": "Fix what is above first.",
    "check failed alone": "Report it, with the whole of this output.",
}


class Finding(NamedTuple):
    """One line of the report; a `PROBLEM` means that the course cannot run."""

    state: str
    subject: str
    text: str
    advice: str = ""


def on_colab():
    """Tell whether this is a kernel of Google Colab."""
    return "COLAB_RELEASE_TAG" in os.environ


def check_python(version=sys.version_info):
    """Check that the course's packages exist for this Python and this machine."""
    text = f"{'.'.join(map(str, version[:3]))} on {platform.platform()}"
    if not PYTHONS[0] <= tuple(version[:2]) < PYTHONS[1]:
        return [Finding(PROBLEM, "Python", text, ADVICE["unsuitable Python"])]
    # Whoever has a torch from elsewhere, such as conda, may go on with it.
    state = NOTE if importlib.util.find_spec("torch") else PROBLEM
    if platform.system() == "Darwin":
        if platform.machine() == "x86_64":
            text += ": PyTorch no longer has packages for Intel Macs"
            return [Finding(state, "Python", text, ADVICE["Intel Python on a Mac"])]
        if 11 <= int(platform.mac_ver()[0].partition(".")[0] or 0) < 14:
            text += ": PyTorch's packages need macOS 14"
            return [Finding(state, "Python", text, ADVICE["old macOS"])]
    if sysconfig.get_platform() == "win-arm64":
        text += ": some packages do not exist for Windows on ARM"
        return [Finding(state, "Python", text, ADVICE["ARM Python on Windows"])]
    return [Finding(OK, "Python", text)]


def check_packages(requirements=None):
    """Check each package that the course needs: there, new enough, importable."""
    try:
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name

        if requirements is None:
            requirements = metadata.requires(DISTRIBUTION) or []
    except ImportError as error:  # PackageNotFoundError is one
        text = f"{error.name} is not installed"
        advice = ADVICE["course not installed"]
        if on_colab():
            advice = ADVICE["course not installed on Colab"]
        return [Finding(PROBLEM, "packages", text, advice)]
    findings, good, missing = [], [], []
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        name = canonicalize_name(requirement.name)
        if on_colab() and name in NOT_ON_COLAB:
            continue
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            pinned = str(requirement.specifier).startswith("==")
            missing.append(f"{name}{requirement.specifier if pinned else ''}")
            if not on_colab():
                advice = ADVICE["package not installed"]
                findings.append(Finding(PROBLEM, name, "is not installed", advice))
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            text = f"{version} is installed, the course needs {requirement.specifier}"
            state, advice = PROBLEM, ADVICE["package too old"]
            if on_colab():
                state, advice = NOTE, ADVICE["another version on Colab"]
            findings.append(Finding(state, name, text, advice))
        else:
            good.append(f"{name} {version}")
    if missing and on_colab():
        text = f"Colab does not bring {', '.join(missing)}"
        advice = f"{ADVICE['packages missing on Colab']} {' '.join(missing)}"
        findings.insert(0, Finding(PROBLEM, "packages", text, advice))
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
            if on_colab():
                advice = ADVICE["import fails on Colab"]
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


def check_memory():
    """Check the free memory."""
    import psutil

    memory = psutil.virtual_memory().available
    text = f"{memory / 2**30:.1f} GiB free"
    if memory < ENOUGH_MEMORY:
        return [Finding(NOTE, "memory", text, ADVICE["little memory"])]
    return [Finding(OK, "memory", text)]


def check_disk():
    """Check that the folder of the data sets has room and can be written."""
    from helpers import data

    try:
        folder = data.cache_dir()
    except data.DataError as error:
        return [Finding(PROBLEM, "disk", str(error), ADVICE["no data folder"])]
    there = folder
    while not os.path.exists(there):
        there = there.parent
    free = shutil.disk_usage(there).free
    text = f"{free / 2**30:.1f} GiB free"
    if free < ENOUGH_DISK:
        text += f" in {folder}"
        return [Finding(PROBLEM, "disk", text, ADVICE["little disk"])]
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        if all(one.state == "ready" for one in data.status()):
            text = f"{folder} is read-only, and has all data sets"
            return [Finding(OK, "disk", text)]
        text = f"{folder} cannot be written ({error.strerror}), and lacks data sets"
        return [Finding(PROBLEM, "disk", text, ADVICE["data folder not writable"])]
    return [Finding(OK, "disk", text)]


def check_data():
    """Check that each data set is there, or can be made."""
    from helpers import data

    try:
        found = data.status()
    except ValueError as error:
        advice = ADVICE["unknown data mode"]
        return [Finding(PROBLEM, "data", str(error), advice)]
    try:
        data.cache_dir()
    except data.DataError:
        return []  # check_disk says it
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
    if on_colab():
        return [Finding(OK, "Jupyter", "Colab runs the cells")]
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
        check_memory,
        check_disk,
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
            advice = ADVICE["check failed alone"]
            if any(finding.state == PROBLEM for finding in findings):
                advice = ADVICE["check failed"]
            findings.append(Finding(PROBLEM, subject, text, advice))
    return findings


def main():
    """Print the report; the exit status is 1 if the course cannot run."""
    findings = diagnose()
    for state, subject, text, advice in findings:
        # A page or a phone cuts long lines off. Paths and versions stay in one piece.
        print(
            textwrap.fill(
                f"[{state}] {subject}: {text}",
                subsequent_indent="    ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
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
