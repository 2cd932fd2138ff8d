"""A pytest plugin: what the validation of each notebook took, and what may be left out.

Every complete run of a notebook under ``--nbval`` is written to a record: seconds, peak
memory, cells, and a digest of all that the result depends on. With ``--changed`` a
notebook whose digest is still that of its last success is not run again.
"""

import hashlib
import json
import os
import platform
import random
import re
from collections import defaultdict
from datetime import UTC, datetime
from functools import cache, wraps
from importlib.metadata import distributions, version
from pathlib import Path

import nbval.kernel
import psutil
import pytest
from nbval.plugin import IPyNbCell

ROOT = Path(__file__).parent
RECORD = ROOT / "_build" / "status" / "run.json"
# What every notebook reads, or what decides whether its outputs count as the same.
SHARED = (
    "exercises",
    "helpers",
    "data",
    "requirements.txt",
    "pyproject.toml",
    "conftest.py",
    "tests/nbval_sanitize.cfg",
)
SETTINGS = re.compile(r"COURSE_|OMP_|MKL_|CUDA_|PYTORCH_|PYTHON(PATH|HASHSEED)")
ASSERT = re.compile(r"^\s*assert |assert_close\(|assert_allclose\(", re.M)
NAMED = ("torch", "torchvision", "fastai", "lightning")


def once_more(start):
    """Let a function that starts a kernel try again if that kernel dies at once.

    A kernel's ports are free when they are chosen; now and then somebody else has one
    of them before the kernel does. See issue 487 of jupyter_client.
    """

    @wraps(start)
    def start_kernel(*args, **options):
        try:
            return start(*args, **options)
        except RuntimeError:
            return start(*args, **options)

    return start_kernel


nbval.kernel.start_new_kernel = once_more(nbval.kernel.start_new_kernel)


def pytest_addoption(parser):
    """Add the options ``--changed``, ``--record`` and ``--shuffle``."""
    group = parser.getgroup("course")
    group.addoption(
        "--changed",
        action="store_true",
        help="leave out notebooks that passed and that nothing has changed for since",
    )
    group.addoption(
        "--record",
        type=Path,
        default=RECORD,
        help="the file that keeps what each notebook took (default: %(default)s)",
    )
    group.addoption(
        "--shuffle",
        metavar="SEED",
        help="run notebooks in the random order of a seed, or of a random one: random",
    )


@cache
def shared_digest():
    """Digest what all notebooks depend on: files, packages, platform, settings."""
    digest = hashlib.sha256()
    for name in SHARED:
        place = ROOT / name
        files = [place] if place.is_file() else place.rglob("*")
        for file in sorted(files):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(str(file.relative_to(ROOT)).encode() + b"\0")
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    packages = sorted(f"{d.metadata['Name']}=={d.version}" for d in distributions())
    settings = sorted(item for item in os.environ.items() if SETTINGS.match(item[0]))
    machine = (platform.python_version(), platform.platform(), platform.processor())
    digest.update(repr((packages, settings, machine)).encode())
    return digest.digest()


def digest(notebook):
    """Digest a notebook, its stored outputs included, and all that it depends on."""
    return hashlib.sha256(shared_digest() + notebook.read_bytes()).hexdigest()


def read_record(config):
    """Read the record, which is empty before the first run."""
    try:
        return json.loads(config.option.record.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"chapters": {}}


def is_unchanged(notebook, record):
    """Say whether a notebook passed, and all it depends on is what it was then."""
    known = record["chapters"].get(notebook.stem, {})
    return known.get("passed", False) and known["digest"] == digest(notebook)


def pytest_configure(config):
    """Choose an order; a worker of xdist takes the one that was chosen for all."""
    if hasattr(config, "workerinput"):
        config.option.shuffle = config.workerinput["shuffle"]
        return
    if config.option.shuffle == "random":
        config.option.shuffle = str(random.randrange(10_000))
    config.pluginmanager.register(Recorder(config), "course-recorder")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """Tell a worker of xdist the order."""
    node.workerinput["shuffle"] = node.config.option.shuffle


def all_notebooks():
    """List the notebooks of the course."""
    return sorted([*ROOT.glob("chapters/*.ipynb"), *ROOT.glob("appendix/*.ipynb")])


def pytest_report_header(config):
    """Print the seed of the order, and what ``--changed`` leaves out."""
    lines = []
    if config.option.shuffle:
        lines.append(f"order: --shuffle {config.option.shuffle}")
    if config.option.changed:
        record = read_record(config)
        same = [path.stem for path in all_notebooks() if is_unchanged(path, record)]
        lines.append(f"unchanged since they passed: {', '.join(same) or 'none'}")
    return lines


def pytest_collection_modifyitems(config, items):
    """Leave out what is unchanged, shuffle what is left."""
    if config.option.shuffle:
        groups = defaultdict(list)
        for item in items:
            # The cells of a notebook stay in order; tests of other files are alone.
            alone = None if isinstance(item, IPyNbCell) else item.nodeid
            groups[item.path, alone].append(item)
        order = list(groups.values())
        random.Random(config.option.shuffle).shuffle(order)
        items[:] = [item for group in order for item in group]
    if config.option.changed:
        record = read_record(config)
        cells = [item for item in items if isinstance(item, IPyNbCell)]
        same = {n for n in {cell.path for cell in cells} if is_unchanged(n, record)}
        left_out = [cell for cell in cells if cell.path in same]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item not in set(left_out)]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item, nextitem):
    """Before nbval ends the kernel, ask the system what it used."""
    if isinstance(item, IPyNbCell) and getattr(nextitem, "parent", None) != item.parent:
        kernel = item.parent.kernel
        if kernel is not None and kernel.is_alive():
            pid = kernel.km.provisioner.pid
            used = psutil.Process(pid).cpu_times()
            own, children = used.user + used.system, 0
            if hasattr(used, "children_user"):  # not on Windows
                children = used.children_user + used.children_system
            item.user_properties.append(("cpu_seconds", round(own + children, 1)))
            status = Path(f"/proc/{pid}/status")
            if status.exists():  # Linux
                peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
                item.user_properties.append(("peak_rss_mb", int(peak[1]) // 1024))


class Recorder:
    """Gathers what pytest reports, here or from its workers, and writes the record."""

    def __init__(self, config):
        self.config = config
        self.reports = defaultdict(list)
        self.digests = {}

    def pytest_sessionstart(self):
        """Digest first: what is edited during the run does not count as proven."""
        if self.config.option.nbval:
            self.digests = {notebook: digest(notebook) for notebook in all_notebooks()}

    def pytest_runtest_logreport(self, report):
        """Keep the reports of cells, by notebook."""
        if "ipynb::" in report.nodeid:
            self.reports[self.config.rootpath / report.fspath].append(report)

    def pytest_sessionfinish(self):
        """Write what was learned."""
        ran = [notebook for notebook in self.digests if notebook in self.reports]
        if not ran:
            return
        record = read_record(self.config)
        shared_digest.cache_clear()
        for notebook in ran:
            self.enter(notebook, record["chapters"])
        record["versions"] = {name: version(name) for name in NAMED}
        record["versions"]["python"] = platform.python_version()
        record["date"] = datetime.now(UTC).isoformat(timespec="seconds")
        record["chapters"] = dict(sorted(record["chapters"].items()))
        self.config.option.record.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(record, indent=1) + "\n"
        self.config.option.record.write_text(text, encoding="utf-8")

    def enter(self, notebook, chapters):
        """Enter a notebook that ran whole, or that failed."""
        reports = self.reports[notebook]
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        passed = {r.nodeid for r in reports if r.when == "call" and r.passed}
        failed = any(report.failed for report in reports)
        complete = len(passed) == len(code) and not failed
        if not complete and not failed:
            return  # a part of the notebook ran, and says nothing about the whole
        ignored = [
            "nbval-ignore-output" in cell["metadata"].get("tags", []) for cell in code
        ]
        used = {}
        for report in reports:
            used |= dict(report.user_properties)
        chapters[notebook.stem] = {
            "passed": complete and self.digests[notebook] == digest(notebook),
            "seconds": round(sum(report.duration for report in reports), 1),
            "cpu_seconds": used.get("cpu_seconds"),
            "peak_rss_mb": used.get("peak_rss_mb"),
            "cells_compared": len(code) - sum(ignored),
            "cells_ignored": sum(ignored),
            "cells_asserted": sum(
                bool(ASSERT.search("".join(cell["source"]))) for cell in code
            ),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "digest": self.digests[notebook],
        }
