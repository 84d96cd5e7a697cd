"""Every chapter runs from top to bottom: its cells are its tests."""
import subprocess
import sys

import pytest
from conftest import ROOT, pages

# papermill templates and executed experiments are covered by test_experiments.py; the generated reference holds no code cells
CHAPTERS = [p for p in pages() if p.parent.name != "experiments" and not p.stem.startswith("compare_losses") and "reference" not in p.parts]
RUN = "import sys; from nbdev.test import nbdev_test; nbdev_test(sys.argv[1], n_workers=0)"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: str(p.relative_to(ROOT / "nbs").with_suffix("")))
def test_chapter(path):
    run = subprocess.run([sys.executable, "-c", RUN, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0 and "Success" in run.stdout, run.stdout + run.stderr
