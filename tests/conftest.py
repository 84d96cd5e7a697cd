"""Shared paths, and the closing line that counts all tests."""
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# every chapter runs in a process of its own; one thread each keeps several of them from waiting for one another
os.environ.setdefault("OMP_NUM_THREADS", "1")
COUNTS = {"passed": 0, "failed": 0, "skipped": 0}


def pages():
    "All notebooks of the site, in reading order."
    def written(part): return part.startswith((".", "_")) or part in ("output", "runs")       # what a notebook that was run in place has left there
    return [p for p in sorted((ROOT / "nbs").rglob("*.ipynb")) if not any(map(written, p.relative_to(ROOT).parts))]


@pytest.fixture(scope="session")
def root():
    return ROOT


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        COUNTS[report.outcome] += 1


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    if hasattr(config, "workerinput"):
        return
    skipped = f", {COUNTS['skipped']} skipped" if COUNTS["skipped"] else ""
    print(f"\n{COUNTS['passed']} passed, {COUNTS['failed']} failed{skipped}")
