"""A pytest plugin that adds to nbval what the proof of the course needs.

nbval runs notebooks under ``--nbval`` and compares the texts of outputs. Added here:

- Figures are compared too, and so is each error's traceback, as a page shows it. Both
  depend on versions of packages: see `STORED_WITH`.
- ``tests/nbval_sanitize.cfg`` is in force wherever pytest is called from.
- Every complete run of a notebook enters a record: seconds, peak memory, cells, and a
  digest of all that the result depends on. With ``--changed`` a notebook whose digest
  is still that of its last success is not run again.
- Under pytest-random-order the cells of a notebook stay in order.
- A kernel that dies at its start is started once more, and the clock judges nothing.
"""

import hashlib
import json
import os
import platform
import re
from base64 import b64decode
from collections import defaultdict
from datetime import UTC, datetime
from functools import cache, wraps
from importlib.metadata import distributions, version
from io import BytesIO
from pathlib import Path

import nbval.kernel
import psutil
import pytest
from nbval.plugin import IPyNbCell
from PIL import Image

from tools.execute import shrink, trim
from tools.notebooks import ASSERT, ROOT, code_cells, notebooks, plain, read, tags

RECORD = ROOT / "_build" / "status" / "run.json"
FIGURES = ROOT / "_build" / "figures"
SANITIZE = ROOT / "tests" / "nbval_sanitize.cfg"
# What every notebook reads, or what decides whether its outputs count as the same.
SHARED = (
    "exercises",
    "helpers",
    "data",
    "requirements.txt",
    "pyproject.toml",
    "conftest.py",
    "tests/nbval_sanitize.cfg",
    "tools/execute.py",
    "tools/notebooks.py",
    "tools/pytest_course.py",
)
SETTINGS = re.compile(r"COURSE_|OMP_|MKL_|CUDA_|PYTORCH_|PYTHON(PATH|HASHSEED)")
NAMED = ("torch", "torchvision", "fastai", "lightning")
# What draws a figure, or words a traceback. Another version of it may do so otherwise.
STORED_WITH = {
    "figures": ("torch", "matplotlib"),
    "tracebacks": ("python", "torch", "ipython"),
}
# The root mean square of the differences between two pictures, of 255. Drawn again, a
# figure differs by 0.0; with another letter in its legend by 1.6, with another digit in
# its title by 2.5, with one point moved by 5 % by 3.8.
TOLERANCE = 1


def patient(start):
    """Let a function that starts a kernel bear what happens on a busy machine.

    A kernel that dies at once is started once more. Its ports are free when they are
    chosen, and now and then somebody else has one of them before the kernel does; see
    issue 487 of jupyter_client. And a slow answer to an exercise counts as no endless
    one.
    """

    @wraps(start)
    def start_kernel(*args, **options):
        given = options.get("env", os.environ)
        options["env"] = {"COURSE_CHECK_SECONDS": "3600"} | dict(given)
        try:
            return start(*args, **options)
        except RuntimeError:
            return start(*args, **options)

    return start_kernel


nbval.kernel.start_new_kernel = patient(nbval.kernel.start_new_kernel)


def pytest_addoption(parser):
    """Add the options ``--changed`` and ``--record``."""
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


def pytest_configure(config):
    """Name the file of masks by its full path; keep the record where reports arrive."""
    if config.option.nbval_sanitize_with is None:
        config.option.nbval_sanitize_with = str(SANITIZE)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config), "course-recorder")


# --- figures and tracebacks ----------------------------------------------------------


@cache
def others():
    """Return, by what is compared, the packages that are others than it was made with.

    Returns
    -------
    dict of str to list of str
        As ``{"figures": [], "tracebacks": ["python 3.12 for 3.11"]}``.
    """
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    made = dict(re.findall(r"^([\w-]+)==([\d.]+)", text, re.M))
    language = read(notebooks()[0]).metadata.language_info.version
    made["python"] = ".".join(language.split(".")[:2])

    def here(name):
        if name == "python":
            return ".".join(platform.python_version_tuple()[:2])
        return version(name).split("+")[0]

    return {
        what: [f"{n} {here(n)} for {made[n]}" for n in names if here(n) != made[n]]
        for what, names in STORED_WITH.items()
    }


def pytest_terminal_summary(terminalreporter, config):
    """Say what was not compared, and why."""
    left_out = {what: reasons for what, reasons in others().items() if reasons}
    if config.option.nbval and left_out:
        told = (f"{what} ({', '.join(why)})" for what, why in left_out.items())
        terminalreporter.line(f"not compared, for versions: {'; '.join(told)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """After nbval has compared texts, compare what it leaves out."""
    result = yield
    if isinstance(item, IPyNbCell) and item.config.option.nbval:
        compare_figures(item)
        if item.options["check"] and not others()["tracebacks"]:
            compare_tracebacks(item)
    return result


def compare_figures(item):
    """Compare a cell's figures, those of ignored outputs too, with the stored ones.

    Where a figure need not be the same (tag ``figure-varies``, other versions), as many
    figures as are stored must be drawn.
    """
    stored, fresh = pictures(item.cell.outputs), pictures(item.test_outputs, shrink)
    problems = []
    if len(stored) != len(fresh):
        problems.append(f"{len(stored)} stored, {len(fresh)} drawn")
    elif "figure-varies" not in tags(item.cell) and not others()["figures"]:
        for number, pair in enumerate(zip(stored, fresh, strict=True), 1):
            if problem := difference(*pair):
                problems.append(f"figure {number}: {problem}")
    if problems:
        FIGURES.mkdir(parents=True, exist_ok=True)
        name = f"{item.path.stem}-{item.cell.id}"
        for kind, found in (("stored", stored), ("drawn", fresh)):
            for number, picture in enumerate(found, 1):
                picture.save(FIGURES / f"{name}-{number}-{kind}.png")
        problems.append(f"see {FIGURES / name}-*.png")
        item.raise_cell_error(f"Figures of {item.cell.id} differ", "\n".join(problems))


def pictures(outputs, store=lambda png: png):
    """Open the pictures of outputs, a PNG as `store` stores it."""
    return [
        Image.open(BytesIO(b64decode(store(data) if kind == "image/png" else data)))
        for output in outputs
        for kind, data in output.get("data", {}).items()
        if kind in ("image/png", "image/jpeg")
    ]


def difference(stored, fresh):
    """Say how two pictures differ, in words; an empty text says that they do not."""
    import numpy as np
    from matplotlib.testing.compare import calculate_rms

    if stored.size != fresh.size:
        return "{}x{} pixels stored, {}x{} drawn".format(*stored.size, *fresh.size)
    both = (np.asarray(each.convert("RGB"), dtype="int16") for each in (stored, fresh))
    rms = calculate_rms(*both)
    return "" if rms <= TOLERANCE else f"RMS {rms:.1f}, above {TOLERANCE}"


def compare_tracebacks(item):
    """Compare a cell's tracebacks with the stored ones, in what a page shows of them.

    nbval's kernels keep no history, so that every cell is In[1] there.
    """
    stored = [o.traceback for o in item.cell.outputs if o.output_type == "error"]
    fresh = [trim(o.traceback) for o in item.test_outputs if o.output_type == "error"]
    for pair in zip(stored, fresh, strict=True):
        texts = (item.sanitize(plain(traceback)) for traceback in pair)
        before, now = (re.sub(r"Cell In\[\d+\]", "Cell In[]", t) for t in texts)
        if before != now:
            item.comparison_traceback = []
            item.format_output_compare("traceback", before, now)
            text = "\n".join(item.comparison_traceback)
            item.raise_cell_error(f"Traceback of {item.cell.id} differs", text)


# --- what a notebook took, and what may be left out ----------------------------------


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
    """Read the record, which is empty before the first run; a damaged one counts so."""
    try:
        record = json.loads(config.option.record.read_text(encoding="utf-8"))
        return {**record, "chapters": dict(record["chapters"])}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {"chapters": {}}


def is_unchanged(notebook, record):
    """Say whether a notebook passed, and all it depends on is what it was then."""
    known = record["chapters"].get(notebook.stem, {})
    return known.get("passed", False) and known["digest"] == digest(notebook)


def pytest_report_header(config):
    """Print what ``--changed`` leaves out."""
    if config.option.changed:
        record = read_record(config)
        same = [path.stem for path in notebooks() if is_unchanged(path, record)]
        return f"unchanged since they passed: {', '.join(same) or 'none'}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Keep each notebook's cells in order; leave out notebooks that are unchanged."""
    cells = [item for item in items if isinstance(item, IPyNbCell)]
    for cell in cells:
        cell.add_marker(pytest.mark.random_order(disabled=True))
        # On a busy machine an output may come more than nbval's 5 s after the reply.
        cell.output_timeout = 600
    if config.option.changed:
        record = read_record(config)
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
            self.digests = {notebook: digest(notebook) for notebook in notebooks()}

    def pytest_runtest_logreport(self, report):
        """Keep the reports of cells, by notebook."""
        if "ipynb::" in report.nodeid:
            self.reports[self.config.rootpath / report.fspath].append(report)

    def pytest_sessionfinish(self):
        """Write what was learned, at once or not at all."""
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
        file = self.config.option.record
        file.parent.mkdir(parents=True, exist_ok=True)
        half = file.with_name(f"{file.name}.{os.getpid()}")
        half.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        os.replace(half, file)

    def enter(self, notebook, chapters):
        """Enter a notebook that ran whole, or that failed."""
        reports = self.reports[notebook]
        code = code_cells(read(notebook))
        passed = {r.nodeid for r in reports if r.when == "call" and r.passed}
        failed = any(report.failed for report in reports)
        complete = len(passed) == len(code) and not failed
        if not complete and not failed:
            return  # a part of the notebook ran, and says nothing about the whole
        ignored = sum("nbval-ignore-output" in tags(cell) for cell in code)
        used = {}
        for report in reports:
            used |= dict(report.user_properties)
        chapters[notebook.stem] = {
            "passed": complete and self.digests[notebook] == digest(notebook),
            "seconds": round(sum(report.duration for report in reports), 1),
            "cpu_seconds": used.get("cpu_seconds"),
            "peak_rss_mb": used.get("peak_rss_mb"),
            "cells_compared": len(code) - ignored,
            "cells_ignored": ignored,
            "cells_asserted": sum(bool(ASSERT.search(cell.source)) for cell in code),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "digest": self.digests[notebook],
        }
