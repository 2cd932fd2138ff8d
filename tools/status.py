"""Write what the last run measured to appendix/status.json: ``make status``.

What each notebook took is read from the record that ``make test`` and ``make changed``
keep. The answers to exercises are tried here: the model solution of each, and each
wrong answer that its checker has to name.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import psutil

from tools.notebooks import ROOT, chapters, labels, notebooks, read

RECORD = ROOT / "_build" / "status" / "run.json"
STATUS = ROOT / "appendix" / "status.json"
MUTANT = re.compile(r"test_misconception_is_named\[(ex-[\w-]+)-\d+\]")
MEASURED = ("seconds", "cpu_seconds", "peak_rss_mb", "date")
COUNTED = ("cells_compared", "cells_ignored", "cells_asserted")


def try_wrong_answers():
    """Count the wrong answers by chapter, and those that were refused with their hint.

    Returns
    -------
    tuple of Counter
        By the name of a chapter: how many were tried, how many were named.
    """
    chapter_of = {
        label: path.stem for path in chapters() for label in labels(read(path))
    }
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "--quiet", "-n", "2"]
        command += [f"--junit-xml={report}", "tests/test_exercises.py"]
        ended = subprocess.run(
            [*command, "-k", "test_misconception_is_named"],
            cwd=ROOT,
            env={"OMP_NUM_THREADS": "1"} | os.environ,
            stdout=sys.stderr,
        )
        if ended.returncode > 1:  # 1: some were not named, which is a result
            sys.exit(f"the exercises were not tried: {' '.join(command)} failed")
        tried, named = Counter(), Counter()
        for case in ET.parse(report).iter("testcase"):
            chapter = chapter_of[MUTANT.match(case.get("name"))[1]]
            tried[chapter] += 1
            named[chapter] += (
                case.find("failure") is None and case.find("error") is None
            )
    return tried, named


def machine():
    """Say on what kind of machine this runs."""
    cores = psutil.cpu_count()
    memory = round(psutil.virtual_memory().total / 2**30)
    kind = f"{platform.system()} on {platform.machine()}"
    return f"{kind}, {cores} CPU cores, {memory} GB of memory"


def main():
    """Gather, refuse what is not proven, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", type=Path, default=RECORD)
    file = parser.parse_args().record
    if not file.exists():
        sys.exit(f"{file.name} is missing: `make test` writes it")
    record = json.loads(file.read_text(encoding="utf-8"))
    failed = [
        path.stem
        for path in notebooks()
        if not record["chapters"].get(path.stem, {}).get("passed")
    ]
    if failed:
        sys.exit(f"not run, failed, or edited during the run: {', '.join(failed)}")

    tried, named = try_wrong_answers()
    status = {"machine": machine(), "versions": record["versions"], "notebooks": {}}
    for path in notebooks():
        took = record["chapters"][path.stem]
        row = {field: took[field] for field in (*MEASURED, *COUNTED)}
        if path in chapters():
            row |= {
                "exercises": len(labels(read(path))),
                "mutants": tried[path.stem],
                "refused": named[path.stem],
            }
        status["notebooks"][f"{path.parent.name}/{path.stem}"] = row
    STATUS.write_text(json.dumps(status, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
