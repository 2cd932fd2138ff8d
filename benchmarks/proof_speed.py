"""What it costs to validate the course: a table by notebook.

``python benchmarks/proof_speed.py [NOTEBOOK...]`` runs ``pytest --nbval`` as
``make test`` does, on two processes of one thread each, and prints for each notebook
its time and the peak memory of its kernel. The exit status is 1 where a notebook takes
more than 60 s or all of them more than 5 minutes. Run it on an idle machine with two
cores.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROCESSES = 2
CHAPTER_LIMIT = 60
COURSE_LIMIT = 300


def validate(notebooks, record):
    """Run the notebooks strictly and return the seconds by the clock."""
    start = time.perf_counter()
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--nbval", "--quiet", "--no-summary"),
            *("-n", str(PROCESSES), "--dist", "loadfile", "--record", str(record)),
            *notebooks,
        ],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=sys.stderr,
        check=True,
    )
    return time.perf_counter() - start


def main():
    """Measure, print a table, judge."""
    notebooks = sys.argv[1:] or ["chapters", "appendix"]
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.json"
        total = validate(notebooks, record)
        chapters = json.loads(record.read_text(encoding="utf-8"))["chapters"]
    print("| notebook | seconds | CPU | memory in MB | cells compared | ignored |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, took in chapters.items():
        cells = f"{took['cells_compared']} | {took['cells_ignored']}"
        times = f"{took['seconds']} | {took['cpu_seconds']}"
        print(f"| {name} | {times} | {took['peak_rss_mb']} | {cells} |")
    print(f"\nall on {PROCESSES} processes: {total:.0f} s")
    slow = [n for n, took in chapters.items() if took["seconds"] > CHAPTER_LIMIT]
    if slow:
        sys.exit(f"more than {CHAPTER_LIMIT} s: {', '.join(slow)}")
    if total > COURSE_LIMIT:
        sys.exit(f"more than {COURSE_LIMIT} s in all")


if __name__ == "__main__":
    main()
