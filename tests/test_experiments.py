"""The main job through its three doors: papermill's own description, the command line, and again from the store."""
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT

from ce_sce_rec.paper import paper_config
from ce_sce_rec.runs import RunConfig

CLI = [str(Path(sys.executable).with_name("ce-sce-rec"))]


def run(*words, cwd):
    return subprocess.run([*CLI, *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    "A short run of the main job in a directory of its own."
    folder = tmp_path_factory.mktemp("job")
    done = run("run", "compare_losses", "-p", "epochs", 3, "-p", "seeds", 2, "-p", "eval_every", 1, "-p", "output", "out", "-p", "store", "runs", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_small_run_writes_everything(small_run):
    folder, done = small_run
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["compare_losses.ipynb", "curves.csv", "figure.png", "results.csv", "table.html"]
    for name in ("compare_losses.ipynb", "results.csv", "figure.png", "table.html"):
        assert f"out/{name}" in done.stdout            # it says where everything lies
    results = pd.read_csv(folder / "out" / "results.csv")
    assert results.groupby("loss").seed.apply(list).to_dict() == {loss: [0, 1] for loss in ("ce", "sce", "bce")}
    assert (results["test_ndcg@10"] > 0).all() and results["data_fingerprint"].nunique() == 1


def test_progress_is_shown_and_not_stored(small_run):
    folder, done = small_run
    assert "18/18 epochs" in done.stderr
    assert "epochs [" not in (folder / "out" / "compare_losses.ipynb").read_text()


def test_second_time_reads_the_store(small_run):
    folder, _ = small_run
    before = pd.read_csv(folder / "out" / "results.csv")
    again = run("run", "compare_losses", "-p", "epochs", 3, "-p", "seeds", 2, "-p", "eval_every", 1, "-p", "output", "again", "-p", "store", "runs", cwd=folder)
    assert again.returncode == 0, again.stderr
    pd.testing.assert_frame_equal(before, pd.read_csv(folder / "again" / "results.csv"))      # seconds included: nothing was trained


def test_an_error_inside_the_notebook_is_one_sentence(tmp_path):
    (tmp_path / "views.csv").write_text("user,item,time\n1,2,3\n1,3,soon\n")
    done = run("run", "compare_losses", "-p", "dataset", "views.csv", "-p", "output", "out", "-p", "store", "runs", "--quiet", cwd=tmp_path)
    assert done.returncode == 1 and "views.csv, line 3: 'soon' is no time" in done.stderr and "Traceback" not in done.stderr


def test_a_loss_that_fails_does_not_take_the_others_along(tmp_path):
    rows = ["100 " + " ".join(map(str, [*range(1, 13), 1, 2]))] + [f"{u} " + " ".join(str((u * k) % 12 + 1) for k in range(1, 7)) for u in (1, 5, 7, 11)]
    (tmp_path / "tiny.txt").write_text("\n".join(rows) + "\n")            # user 100 has every item, so BCE finds no unseen one to draw
    done = run("run", "compare_losses", "-p", "dataset", "tiny.txt", "-p", "losses", "ce", "bce", "sce", "-p", "epochs", 1, "-p", "seeds", 1, "-p", "device", "cpu",
               "-p", "output", "out", "-p", "store", "runs", "--quiet", cwd=tmp_path)
    assert done.returncode == 1 and "1 of 3 runs failed" in done.stderr and "Traceback" not in done.stderr
    assert pd.read_csv(tmp_path / "out" / "results.csv").loss.tolist() == ["ce", "sce"]
    assert {"curves.csv", "figure.png", "table.html"} <= {p.name for p in (tmp_path / "out").iterdir()}
    assert "FAILED tiny sasrec bce seed 0" in (tmp_path / "out" / "compare_losses.ipynb").read_text(encoding="utf-8")


def test_own_data_under_a_published_name_are_own_data(tmp_path):
    "Neither Beauty's settings nor the comparison with Beauty's published runs."
    (tmp_path / "beauty.csv").write_text("user,item,time\n" + "".join(f"{u},{(u * k) % 12},{k}\n" for u in range(1, 9) for k in range(1, 7)))
    done = run("run", "compare_losses", "-p", "dataset", "./beauty.csv", "-p", "losses", "ce", "-p", "epochs", 1, "-p", "seeds", 1, "-p", "device", "cpu", "-p", "output", "out", "-p", "store", "runs", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    row, own, theirs = pd.read_csv(tmp_path / "out" / "results.csv").iloc[0], RunConfig("sasrec", "ce", "beauty"), paper_config("sasrec", "ce", "beauty")
    assert own.learning_rate != theirs.learning_rate and own.backbone_options["dropout"] != theirs.backbone_options["dropout"]
    assert (row.learning_rate, row.dropout) == (own.learning_rate, own.backbone_options["dropout"])
    cells = json.loads((tmp_path / "out" / "compare_losses.ipynb").read_text(encoding="utf-8"))["cells"]
    said = "".join(line for c in cells for o in c.get("outputs", []) for line in o.get("text", []))
    assert "NOT the papers' data" in said and "no published runs to compare with" in said and "reproduced" not in said


def test_wrong_parameters_are_refused_before_anything_starts(tmp_path):
    for words, near in ((("sedes", 3), "seeds"), (("dataset", "beuaty"), "beauty"), (("losses", "ce", "scee"), "sce")):
        done = run("run", "compare_losses", "-p", *words, cwd=tmp_path)
        assert done.returncode == 2 and f"did you mean '{near}'?" in done.stderr and "Traceback" not in done.stderr and not list(tmp_path.iterdir())


def test_a_store_of_something_else_is_refused(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "thesis.tex").write_text("…")
    done = run("run", "compare_losses", "-p", "epochs", 1, "-p", "output", "out", "-p", "store", "runs", "--quiet", cwd=tmp_path)
    assert done.returncode == 1 and "is not a run store" in done.stderr
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["compare_losses.failed.ipynb"] and "out/compare_losses.failed.ipynb" in done.stderr
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["thesis.tex"]


def test_papermill_describes_the_parameters():
    done = subprocess.run([sys.executable, "-m", "papermill", "--help-notebook", str(ROOT / "nbs" / "experiments" / "compare_losses.ipynb")],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "dataset: str" in done.stdout and "number of seeds" in done.stdout


@pytest.mark.parametrize("name, parameter", [("compare_losses", "losses"), ("fig1a", "datasets"), ("reproduce_all", "experiments")])
def test_papermill_is_told_how_it_takes_a_list(name, parameter, tmp_path):
    done = subprocess.run([sys.executable, "-m", "papermill", str(ROOT / "nbs" / "experiments" / f"{name}.ipynb"), "out.ipynb", "--no-progress-bar", "-p", parameter, "['ce']", "-p", "output", "out"],
                          cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and f"""{parameter} must be a list, not the text "['ce']"; papermill takes a list as -y "{parameter}: [ce]\"""" in done.stderr


def test_a_round_carries_out_its_plan_and_says_what_failed(tmp_path):
    "Two processes on one new store; a command that fails stops neither its neighbours nor the other's."
    of = "p2 --datasets synthetic --backbones {} --losses {} --epochs 1 --seeds 1 --device cpu"
    (tmp_path / "plan.txt").write_text("\n".join([of.format("sasrec", "ce"), "", of.format("sasrek", "ce"), of.format("sasrec", "bce") + "   # after a failure"]))
    done = subprocess.run([sys.executable, str(ROOT / "tools" / "grid_round.py"), "plan.txt", "--store", "store", "--to", "round", "--seconds", "120", "--commit", "abc1234"],
                          cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "gpu 0: 0 of 1 commands failed" in done.stdout and "gpu 1: 1 of 2 commands failed" in done.stdout, done
    rows = pd.read_csv(tmp_path / "round" / "synthetic_ablations.csv", dtype={"commit": str})
    assert set(rows.loss) == {"ce", "bce"} and set(rows.commit) == {"abc1234"}
    times = pd.read_csv(tmp_path / "round" / "grid_time.csv")
    assert times.gpu.tolist() == [0, 1] and (times.seconds > 0).all() and times.runs_finished.iloc[-1] == 2
    assert "did you mean 'sasrec'" in (tmp_path / "round" / "gpu1.log").read_text()


def test_a_round_started_in_the_background_stops_what_is_under_way(tmp_path):
    "Such a process ignores SIGINT, and so would what it starts."
    (tmp_path / "plan.txt").write_text("p2 --datasets synthetic --backbones sasrec --losses ce --epochs 100000 --seeds 1 --device cpu")
    script = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    done = subprocess.run([sys.executable, "-c", script, str(ROOT / "tools" / "grid_round.py"), "plan.txt", "--store", "store", "--to", "round", "--seconds", "20"],
                          cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "gpu 0: 0 of 1 commands failed" in done.stdout, done
    assert "interrupted; finished runs are in the store" in (tmp_path / "round" / "gpu0.log").read_text()


def test_a_sweep_tries_every_change_and_leaves_the_settings_alone(monkeypatch):
    "What fails is left out, and the kernels see each change; times are made up, since none are worth taking without a GPU."
    monkeypatch.syspath_prepend(ROOT / "tools")
    import sweep_filters
    kernels, seen = sweep_filters.kernels, []
    before = kernels.SETTINGS, kernels.PROGRAMS, kernels.TILE
    def time(compute):
        seen.append((kernels.SETTINGS["feed"]["num_warps"], kernels.PROGRAMS["filter"], kernels.TILE))
        if kernels.TILE == 128: raise RuntimeError("out of resource: shared memory\nand more")
        return {kernel: 10.0 * len(seen) for _, kernel in sweep_filters.NAMES.values()}
    table = sweep_filters.sweep(None, time, [{}, {"num_warps": 16}, {"tile": 128}, {"programs": 3}])
    assert seen == [(4, 1, 64), (16, 1, 64), (4, 1, 128), (4, 3, 64)] and (kernels.SETTINGS, kernels.PROGRAMS, kernels.TILE) == before
    assert len(table) == 3 * 5 and set(table.microseconds) == {10.0, 20.0, 40.0} and table.tile.tolist()[:2] == ["", 64]
    assert sweep_filters.sweep(None, time, [{"tile": 128}]).empty
    published = pd.read_csv(ROOT / "nbs" / "results" / "long_filters.csv")
    assert set(table.columns) <= set(published.columns) and set(table.kernel) < set(published.kernel)
