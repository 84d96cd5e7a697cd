"""Every table and figure of the papers: each notebook runs from the committed results in seconds, and one of them trains."""
import ast
import json
import subprocess
import sys

import pandas as pd
import pytest
from conftest import ROOT

from ce_sce_rec.experiments import parameters_of

RESULTS = str(ROOT / "nbs" / "results")
TEMPLATES = sorted(p.stem for p in (ROOT / "nbs" / "experiments").glob("*.ipynb") if p.stem not in ("compare_losses", "reproduce_all"))
ITEMS = ["table1", "table2", "table3", "table4", "fig1a", "fig1b", "fig2", "fig3", "fig4", "p1_table1", "p1_table2", "p1_fig1", "p1_fig3", "p1_fig4", "p1_fig5", "p1_fig6"]
# smaller than the defaults where the defaults compute something
SMALL = {"fig1b": ["-p", "epochs", 1, "-p", "num_targets", 200], "fig2": ["-p", "max_rank", 200, "-p", "max_negatives", 100]}


def run(*words, cwd):
    command = [sys.executable, "-c", "import sys; from ce_sce_rec.cli import main; sys.exit(main(sys.argv[1:]))"]
    return subprocess.run([*command, *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=600)


def test_there_is_a_notebook_for_each_item():
    assert TEMPLATES == sorted(ITEMS)


@pytest.mark.parametrize("name", [*TEMPLATES, "compare_losses", "reproduce_all"])
def test_every_parameter_can_be_set(name):
    "papermill passes over a line that it cannot read, one with a second equals sign in its comment for instance."
    (cell,) = [c for c in json.loads((ROOT / "nbs" / "experiments" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"] if "parameters" in c["metadata"].get("tags", [])]
    assigned = [node.target.id for node in ast.parse("".join(cell["source"])).body]
    known = parameters_of(name)
    assert assigned == list(known) and all(p.help for p in known.values())


@pytest.mark.parametrize("name", TEMPLATES)
def test_from_committed_results(name, tmp_path):
    takes_results = name not in ("table1", "table2", "table4", "fig1b", "fig2", "p1_table1")
    done = run("run", name, "--quiet", "-p", "output", "out", *(["-p", "results", RESULTS] if takes_results else []), *SMALL.get(name, []), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "results.csv").exists() and (tmp_path / "out" / f"{name}.ipynb").exists()
    assert "fig" not in name or (tmp_path / "out" / "figure.png").exists()
    if takes_results:
        assert " runs are there" in (tmp_path / "out" / f"{name}.ipynb").read_text(encoding="utf-8")      # it says what it found and what is missing
    assert [p.name for p in tmp_path.iterdir()] == ["out"]                      # no store is made for reading


def test_a_table_says_missing_and_never_fills(tmp_path):
    (tmp_path / "results").mkdir()
    one = pd.read_csv(ROOT / "nbs" / "results" / "beauty.csv").query("backbone == 'sasrec' and loss == 'ce'")[:1]
    one.to_csv(tmp_path / "results" / "beauty.csv", index=False)
    (tmp_path / "results" / "floors.csv").write_bytes((ROOT / "nbs" / "results" / "floors.csv").read_bytes())
    done = run("run", "table3", "--quiet", "-p", "results", "results", "-p", "datasets", "beauty", "-p", "output", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    numbers = pd.read_csv(tmp_path / "out" / "table_beauty.csv")
    trained = numbers[~numbers.block.isin(["floors", "LLM"])]
    there = (trained.block == "CE") & (trained["name"] == "SASRec")
    assert (trained.ours.notna() == there).all() and trained.printed.notna().all() and trained.authors.notna().all()
    assert (tmp_path / "out" / "table_beauty.html").read_text().count("missing") == len(trained) - there.sum()
    code = (tmp_path / "out" / "table_beauty.tex").read_text(encoding="utf-8")
    assert r"\toprule" in code and code.index("the authors do not say whether seen items were masked") > code.index(r"\end{tabular}")
    assert set(numbers[numbers.kind == "LLM row as published"].block) == {"LLM"}


@pytest.mark.parametrize("name", ["fig1a", "table3", "p1_table2"])
def test_what_was_never_committed_is_an_error_that_names_the_remedy(name, tmp_path):
    done = run("run", name, "--quiet", "-p", "results", RESULTS, "-p", "datasets", "synthetic", "-p", "output", "out", cwd=tmp_path)
    assert done.returncode == 1 and "no committed runs of synthetic: train them with -p source runs" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "results.csv").exists()


def test_training_what_the_store_lacks(tmp_path):
    words = ["run", "fig1a", "--quiet", "-p", "source", "runs", "-p", "datasets", "synthetic", "-p", "values", "0.0", "0.7", "-p", "seeds", 2, "-p", "epochs", 1,
             "-p", "device", "cpu", "-p", "store", "runs", "-p", "results", RESULTS, "-p", "output"]
    for output in ("first", "again"):
        done = run(*words, output, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    first, again = (pd.read_csv(tmp_path / output / "results.csv") for output in ("first", "again"))
    assert len(first) == 6 and first.groupby("loss").seed.count().to_dict() == {"ce": 2, "ce-eta": 4}
    pd.testing.assert_frame_equal(first, again)             # seconds included: nothing was trained twice


def test_a_damaged_run_is_named_and_the_others_are_shown(tmp_path):
    words = ["run", "fig1a", "--quiet", "-p", "datasets", "synthetic", "-p", "values", "0.7", "-p", "seeds", 2, "-p", "epochs", 1, "-p", "device", "cpu", "-p", "store", "runs", "-p", "results", RESULTS]
    assert run(*words, "-p", "source", "runs", "-p", "output", "out", cwd=tmp_path).returncode == 0
    damaged = sorted(p.parent for p in (tmp_path / "runs").glob("*-ce-eta-seed1-*/config.json"))[0]
    (damaged / "config.json").write_text("{")
    done = run(*words, "-p", "source", "store", "-p", "output", "again", cwd=tmp_path)
    assert done.returncode == 1 and f"1 failure, the other runs are in the store: {damaged.name}: StoreError" in done.stderr
    assert len(pd.read_csv(tmp_path / "again" / "results.csv")) == 3 and (tmp_path / "again" / "figure.png").exists()
    done = run("run", "reproduce_all", "--quiet", "-p", "experiments", "table1", "-p", "source", "store", "-p", "store", "nosuch", "-p", "results", RESULTS, "-p", "output", "all", cwd=tmp_path)
    assert done.returncode == 1 and "the verdicts: StoreError: there is no run store nosuch" in done.stderr and not (tmp_path / "nosuch").exists()


@pytest.mark.parametrize("words, message, code", [
    (["-p", "datasets", "beuty"], "did you mean 'beauty'?", 2),
    (["-p", "metrics", "ndcg@7"], "unknown metric 'ndcg@7'", 2),
    (["-p", "source", "runs", "-p", "datasets", "synthetic", "-p", "results", "."], "has no floors.csv", 1),
])
def test_what_cannot_be_right_is_refused_before_anything_is_trained(words, message, code, tmp_path):
    done = run("run", "table3", "--quiet", *words, "-p", "output", "out", "-p", "store", "runs", cwd=tmp_path)
    assert done.returncode == code and message in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists() and not (tmp_path / "out" / "results.csv").exists() and (code == 1 or not (tmp_path / "out").exists())


def test_reproduce_all_reports_a_failure_and_goes_on(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "thesis.tex").write_text("…")      # not a run store: the experiment that wants one fails
    done = run("run", "reproduce_all", "--quiet", "-p", "experiments", "table1", "fig1a", "p1_table1", "-p", "source", "committed", "-p", "results", RESULTS, "-p", "output", "good", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    verdicts = pd.read_csv(tmp_path / "good" / "verdicts.csv")
    assert len(verdicts) >= 20 and set(verdicts.verdict) <= {"holds", "holds in part", "does not hold", "cannot be told from this data"}
    done = run("run", "fig1a", "--quiet", "-p", "source", "runs", "-p", "datasets", "synthetic", "-p", "store", "runs", "-p", "output", "bad", cwd=tmp_path)
    assert done.returncode == 1 and "is not a run store" in done.stderr
    done = run("run", "reproduce_all", "--quiet", "-p", "experiments", "fig3", "table1", "-p", "results", "nowhere", "-p", "output", "bad_all", cwd=tmp_path)
    assert done.returncode == 1 and "there is no directory of results" in done.stderr
    assert (tmp_path / "bad_all" / "table1" / "results.csv").exists()             # the one after the failure ran


def test_list_shows_them_all(tmp_path):
    done = run("list", cwd=tmp_path)
    assert done.returncode == 0
    for name in [*TEMPLATES, "reproduce_all"]:
        assert f"\n{name}: " in f"\n{done.stdout}"
    assert "list[float]" in done.stdout


def test_a_list_of_numbers_is_checked_before_anything_starts(tmp_path):
    done = run("run", "fig1a", "-p", "values", "0.1", "much", cwd=tmp_path)
    assert done.returncode == 2 and "must be of type float" in done.stderr and not list(tmp_path.iterdir())
