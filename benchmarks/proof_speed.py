"""What it costs to validate the course: tables by notebook and by file of tests.

``python benchmarks/proof_speed.py [FILE...]`` runs pytest as ``make test`` does, on
three processes of one thread each. It prints for each notebook its time and the peak
memory of its kernel, and for each file of tests its time. The exit status is 1 where a
notebook takes more than 60 s or all of it more than 8 minutes. Run it on an idle
machine with two cores.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROCESSES = 3
CHAPTER_LIMIT = 60
LIMIT = 480


def validate(files, record, report):
    """Run strictly and return the seconds by the clock."""
    start = time.perf_counter()
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--nbval", "--quiet", "--no-summary"),
            *("-n", str(PROCESSES), "--dist", "loadfile", "--no-loadscope-reorder"),
            *("-m", "not machinery"),
            *("--record", str(record), "--junit-xml", str(report)),
            *files,
        ],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=sys.stderr,
        check=True,
    )
    return time.perf_counter() - start


def seconds_of_tests(report):
    """Return the seconds of each test, by file."""
    files = defaultdict(list)
    for test in ET.parse(report).iter("testcase"):
        files[test.get("classname")].append(float(test.get("time")))
    return {name: took for name, took in files.items() if ".ipynb" not in name}


def main():
    """Measure, print the tables, judge."""
    with tempfile.TemporaryDirectory() as folder:
        record, report = Path(folder) / "record.json", Path(folder) / "report.xml"
        total = validate(sys.argv[1:], record, report)
        tests = seconds_of_tests(report)
        chapters = {}
        if record.exists():
            chapters = json.loads(record.read_text(encoding="utf-8"))["chapters"]
    if chapters:
        print("| notebook | seconds | CPU | memory in MB | cells compared | ignored |")
        print("|---|---:|---:|---:|---:|---:|")
    for name, took in chapters.items():
        cells = f"{took['cells_compared']} | {took['cells_ignored']}"
        times = f"{took['seconds']} | {took['cpu_seconds']}"
        print(f"| {name} | {times} | {took['peak_rss_mb']} | {cells} |")
    if tests:
        print("\n| tests | seconds | number | slowest |\n|---|---:|---:|---:|")
    for name, took in sorted(tests.items(), key=lambda item: -sum(item[1])):
        print(f"| {name} | {sum(took):.1f} | {len(took)} | {max(took):.1f} |")
    print(f"\nall on {PROCESSES} processes: {total:.0f} s")
    slow = [n for n, took in chapters.items() if took["seconds"] > CHAPTER_LIMIT]
    if slow:
        sys.exit(f"more than {CHAPTER_LIMIT} s: {', '.join(slow)}")
    if total > LIMIT:
        sys.exit(f"more than {LIMIT} s in all")


if __name__ == "__main__":
    main()
