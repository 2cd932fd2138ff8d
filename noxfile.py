"""The course on other versions: ``make versions`` writes appendix/versions.csv.

Each session runs the tests of the helpers and every notebook, whose asserts must hold;
outputs are compared on the pinned versions only (``make test``). Options of pytest go
after ``--``: ``nox -- -k 05_workflow``.
"""

import csv
import json
import re
import shutil
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

import nox

ROOT = Path(__file__).parent
TABLE = ROOT / "appendix" / "versions.csv"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# What each set puts in the place of the pinned torch. torch 2.11 wants an older
# setuptools than the pinned one.
SETS = {
    "oldest": ("torch==2.11.*", "torchvision==0.26.*", "setuptools"),
    "pinned": (),
    "newest": None,  # nothing is pinned
}
# Tests of the site and of files: no version of torch changes what they find.
OTHERS = (
    *("site", "appendix", "formulas", "publish", "progress", "house", "machines"),
    *("notebooks", "lanes", "proof", "prose", "errata", "source_map", "status"),
)
PACKAGES = ("torch", "torchvision", "fastai", "lightning")
FIELDS = (
    *("python", "versions", *PACKAGES, "date"),
    *("tests_run", "tests_passed", "chapters_run", "chapters_passed", "failed"),
)
ASK = (
    "import json, platform; from importlib.metadata import version; "
    f"print(json.dumps({{'python': platform.python_version()}} "
    f"| {{name: version(name) for name in {PACKAGES}}}))"
)

nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
# Where uv is installed, it links an environment in half a minute.
nox.options.default_venv_backend = "uv|virtualenv"


def install(session, versions):
    """Install the course's requirements with another torch."""
    # pyproject.toml holds uv to one torch, for `make requirements`.
    session.env["UV_NO_CONFIG"] = "1"
    if SETS[versions] is None:
        # Whatever the bounds of pyproject.toml allow today.
        groups = nox.project.load_toml("pyproject.toml")["dependency-groups"]
        session.install("--upgrade", "--editable", ".", *groups["test"])
        return
    replaced = {re.split(r"\W", requirement)[0] for requirement in SETS[versions]}
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    kept = [line for line in lines if line.partition("==")[0] not in replaced]
    requirements = Path(session.create_tmp()) / "requirements.txt"
    requirements.write_text("\n".join([*kept, *SETS[versions], ""]))
    session.install("--requirement", requirements)
    session.install("--no-deps", "--editable", ".")


def read_results(report):
    """Count what a JUnit report holds, tests of helpers and notebooks apart."""
    row = dict.fromkeys(("tests_run", "tests_passed"), 0)
    row |= dict.fromkeys(("chapters_run", "chapters_passed"), 0)
    failed = []
    for case in ET.parse(report).iter("testcase"):
        if case.find("skipped") is not None:
            continue
        # test_...[05_workflow-42] is the notebook 05_workflow.
        notebook = re.fullmatch(r".*\[(.+)-42\]", case.get("name"))
        kind = "chapters" if notebook else "tests"
        passed = case.find("failure") is None and case.find("error") is None
        row[f"{kind}_run"] += 1
        row[f"{kind}_passed"] += passed
        if not passed:
            failed.append(notebook[1] if notebook else case.get("name"))
    return row | {"failed": " ".join(failed)}


def enter(row):
    """Put a row into the table, in the place of the one it renews."""
    rows = {}
    if TABLE.exists():
        with TABLE.open(newline="", encoding="utf-8") as file:
            rows = {key(known): known for known in csv.DictReader(file)}
    for python in PYTHONS:
        for versions in SETS:
            why = "not run"
            if shutil.which(f"python{python}") is None:
                why += f": no Python {python} on this machine"
            empty = {"python": python, "versions": versions, "failed": why}
            if not rows.get((python, versions), {}).get("date"):
                rows[python, versions] = empty
    rows[key(row)] = row
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS, restval="", lineterminator="\n")
        writer.writeheader()
        order = [(python, versions) for python in PYTHONS for versions in SETS]
        writer.writerows(rows[place] for place in order)


def key(row):
    """Return what a row of the table stands for: a minor Python, a set."""
    return ".".join(row["python"].split(".")[:2]), row["versions"]


@nox.session(python=PYTHONS)
@nox.parametrize("versions", list(SETS), ids=list(SETS))
def proof(session, versions):
    """Run the tests of the helpers and every notebook on one set of versions."""
    install(session, versions)
    report = Path(session.create_tmp()).resolve() / "report.xml"
    report.unlink(missing_ok=True)
    tests = [
        test
        for test in sorted(Path("tests").glob("test_*.py"))
        if not any(test.stem == f"test_{other}" for other in OTHERS)
    ]
    session.run(
        *("pytest", "-q", "-n", "2", "--dist", "worksteal"),
        *("--junit-xml", report, *tests, "tests/lanes/seeds.py", *session.posargs),
        env={"SEEDS": "42", "OMP_NUM_THREADS": "1"},
        success_codes=[0, 1],
    )
    there = session.run("python", "-c", ASK, silent=True)
    if there is None:
        return  # nox --install-only
    date = datetime.now(UTC).date().isoformat()
    row = json.loads(there) | {"versions": versions, "date": date}
    row |= read_results(report)
    enter(row)
    if row["failed"]:
        session.error(f"failed: {row['failed']}")
