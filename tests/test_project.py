"""The frame: notebooks clean and exported, README in step, links whole, nothing in the outputs that does not belong there."""
import ast
import configparser
import functools
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT, pages

IDS = {"ids": lambda p: str(p.relative_to(ROOT / "nbs").with_suffix(""))}


def cells(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell):
    return "".join(cell["source"])


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    "A copy of the sources in which nbdev may write."
    target = tmp_path_factory.mktemp("copy") / "ce_sce_rec"
    for name in ("nbs", "ce_sce_rec"):
        shutil.copytree(ROOT / name, target / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "output", "runs"))
    for name in ("settings.ini", "setup.py", "pyproject.toml", "_quarto.yml", "README.md", "MANIFEST.in", "LICENSE", "constraints.txt", "CITATION.cff", "CHANGELOG.md"):
        shutil.copy(ROOT / name, target / name)
    return target


def nbdev(command, copy):
    return subprocess.run([sys.executable, "-c", f"import nbdev.{command[0]} as m; m.{command[1]}()"], cwd=copy, capture_output=True, text=True, check=True)


def test_modules_are_exported(copy):
    before = {p.relative_to(copy): p.read_text() for p in (copy / "ce_sce_rec").rglob("*.py")}
    nbdev(("doclinks", "nbdev_export"), copy)
    after = {p.relative_to(copy): p.read_text() for p in (copy / "ce_sce_rec").rglob("*.py")}
    assert before == after, "the package is not in step with its notebooks: run make export"


def test_notebooks_are_clean(copy):
    before = {p: p.read_text() for p in (copy / "nbs").rglob("*.ipynb")}
    nbdev(("clean", "nbdev_clean"), copy)
    unclean = [str(p.relative_to(copy)) for p, text in before.items() if p.read_text() != text]
    assert not unclean, f"run nbdev_clean: {unclean}"


def test_the_oldest_versions_are_the_lower_bounds():
    pinned = dict(line.split("==") for line in (ROOT / "constraints-oldest.txt").read_text().splitlines() if not line.startswith("#"))
    parser = configparser.ConfigParser(delimiters=["="]); parser.read(ROOT / "settings.ini", encoding="utf-8")
    assert pinned == {r.split(">=")[0]: r.split(">=")[1].split(",")[0] for r in parser["DEFAULT"]["requirements"].split()}


def test_readme_is_in_step():
    run = subprocess.run([sys.executable, str(ROOT / "tools" / "readme.py"), "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("path", pages(), **IDS)
def test_page(path):
    first = source(cells(path)[0])
    assert re.match(r"# \S.*\n\n> \S", first), "a page begins with a title and a one-line purpose, in a cell of their own"
    outputs = json.dumps([c.get("outputs", []) for c in cells(path)])
    assert not re.search(r"(?<![\w.:/])/(?:home|root|Users|tmp|work|usr)/", outputs), "an absolute path in an output"
    assert not re.search(r"[\w.]+@[\w-]+\.(?:com|org|net|edu|cn)", outputs), "an e-mail address in an output"
    assert not any(o.get("output_type") == "error" for c in cells(path) for o in c.get("outputs", [])), "a stored error"
    assert path.stat().st_size < 2**20, "a page above 1 MB"
    for alt in re.findall(r"!\[([^\]]*)\]\(", "".join(source(c) for c in cells(path) if c["cell_type"] == "markdown")):
        assert len(alt) > 10, "an image without alternative text"
    assert not any("TODO" in source(c) for c in cells(path))      # not in the whole text: a picture's letters may spell it


@pytest.mark.parametrize("path", pages(), **IDS)
def test_links(path):
    missing = []
    for cell in cells(path):
        if cell["cell_type"] != "markdown":
            continue
        prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", source(cell), flags=re.MULTILINE | re.DOTALL)
        for link in re.findall(r"\]\((?!https?://|#|mailto:)([^)\s#]+)", prose):
            if not (path.parent / link).exists():
                missing.append(link)
    assert not missing, missing


def test_readme_links():
    for link in re.findall(r"\]\((?!https?://|#)([^)\s#]+)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert (ROOT / link).exists(), link


def test_experiments_keep_their_parameters_tag():
    # without the tag papermill runs the defaults in silence
    for path in (ROOT / "nbs" / "experiments").glob("*.ipynb"):
        tagged = [c for c in cells(path) if "parameters" in c["metadata"].get("tags", [])]
        assert len(tagged) == 1, path.name
        for line in source(tagged[0]).splitlines():
            assert re.match(r"\w+: [\w\[\]]+ = .+  # \S", line), f"{path.name}: a parameter needs a type and a description: {line}"


def test_public_names_are_documented():
    undocumented = []
    script = "import importlib, inspect, json, sys\n" \
             "bad = []\n" \
             "for name in sys.argv[1:]:\n" \
             "    try: m = importlib.import_module(name)\n" \
             "    except ModuleNotFoundError as e:\n" \
             "        if e.name != 'triton': raise\n" \
             "        continue    # Triton comes with torch's CUDA builds only; these modules are imported where it is\n" \
             "    for n in getattr(m, '__all__', []):\n" \
             "        o = getattr(m, n)\n" \
             "        if (inspect.isfunction(o) or inspect.isclass(o)) and not (o.__doc__ or '').strip(): bad.append(f'{name}.{n}')\n" \
             "print(json.dumps(bad))"
    modules = [".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in (ROOT / "ce_sce_rec").rglob("*.py") if p.name != "_modidx.py"]
    undocumented = json.loads(subprocess.run([sys.executable, "-c", script, *modules], capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    assert not undocumented


def imported_stations(path):
    "Stations of this package that a module imports, inside functions too; nbdev writes them as relative imports."
    package = list(path.relative_to(ROOT / "ce_sce_rec").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (".".join(a.name.split(".")[1:]) for a in node.names if a.name.split(".")[0] == "ce_sce_rec")
        if isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".") if node.module else []
            if node.level:
                module = package[:len(package) - node.level + 1] + module
            elif module[:1] == ["ce_sce_rec"]:
                module = module[1:]
            else:
                continue
            yield from (".".join(module),) if module else (a.name for a in node.names if a.name in stations())      # from the package itself: a station, or its version


@functools.cache
def stations():
    "Every module of the package by its name, with its file."
    named = {".".join(p.relative_to(ROOT / "ce_sce_rec").with_suffix("").parts).removesuffix(".__init__"): p for p in (ROOT / "ce_sce_rec").rglob("*.py")}
    return {name: p for name, p in named.items() if name not in ("__init__", "__main__", "_modidx")}


def test_stations_import_only_earlier_ones():
    order = ["errors", "files", "plots", "metrics", "triton_randomness", "randomness", "kernel_checks", "precision", "negatives",
             "kernels.triton_linear", "kernels.linear", "kernels.ranks", "kernels.triton_ranks", "kernels.triton_gather", "kernels.gather", "kernels.triton_blocks", "kernels.blocks", "kernels.triton_attention", "kernels.triton_filters", "kernels.triton_long_filters",
             "kernels",
             "losses", "bounds", "datasets.interactions", "datasets.worlds", "datasets.convert", "datasets.tables", "datasets.readers", "datasets.cache", "datasets.fetch", "datasets",
             "samples", "layers", "backbones.base", "backbones.sasrec", "backbones.gru4rec", "backbones.caser", "backbones.fmlprec", "backbones.bert4rec",
             "backbones.sasrec_plus", "backbones", "evaluation", "floors", "external", "audit", "recommend", "model_files", "training", "runs", "paper",
             "inference", "report", "grids", "exports", "claims", "experiments", "cli"]
    seen = 0
    for name, path in stations().items():
        for station in filter(None, imported_stations(path)):
            seen += 1
            assert order.index(station) < order.index(name), f"{name} imports {station}, a later station"
    assert seen > 50


DATA, TRAINS = {"datasets", "samples"}, {"training", "runs", "grids"}
LATER = {"experiments", "cli", "grids", "report", "exports", "claims"}
MUST_NOT_KNOW = {  # what a part must not import, nor anything that it imports; "paper" may know training through runs
    "losses": DATA | {"backbones", "layers", "evaluation"} | TRAINS,
    "bounds": DATA | {"backbones"} | TRAINS,
    "datasets": {"backbones", "layers", "losses", "kernels"} | TRAINS,
    "negatives": {"backbones", "layers", "losses"} | TRAINS,
    "backbones": {"losses", "evaluation"} | TRAINS,
    "kernels": DATA | {"backbones", "losses"} | TRAINS,
    "evaluation": TRAINS,
    "training": LATER | {"plots"},
    "runs": LATER | {"plots"},
}
ALONE = {"metrics": set(), "plots": {"files"}}         # parts that know of nothing else, but for how a file is written


def parts_known(name, through):
    "The parts that a module imports; `through` also what those import."
    known, left = set(), [name]
    while left:
        for station in filter(None, imported_stations(stations()[left.pop()])):
            if station not in known:
                known.add(station)
                left += [station] * through
    return {station.split(".")[0] for station in known} - {name.split(".")[0]}


@pytest.mark.parametrize("part", [*MUST_NOT_KNOW, *ALONE, "paper"])
def test_parts_do_not_know_what_they_must_not(part):
    own = [name for name in stations() if name.split(".")[0] == part]
    assert own
    for name in own:
        known = parts_known(name, through=part != "paper")
        wrong = known - ALONE[part] if part in ALONE else known & MUST_NOT_KNOW.get(part, {"training"})
        assert not wrong, f"{name} knows of {', '.join(sorted(wrong))}"


def test_make_docs_without_quarto():
    if shutil.which("quarto"):
        pytest.skip("Quarto is installed here")
    before = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout
    run = subprocess.run(["make", "--no-print-directory", "docs"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode != 0 and run.stdout.count("\n") == 1 and "quarto.org" in run.stdout
    assert subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout == before


def test_wheel_carries_templates_and_published_numbers(copy, tmp_path):
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(copy)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in ("ce_sce_rec/experiments/compare_losses.ipynb", "ce_sce_rec/published/authors_runs.csv", "ce_sce_rec/published/README.md", "ce_sce_rec/losses.py"):
        assert wanted in names
    assert not [n for n in names if n.endswith(".gz")]


@pytest.mark.parametrize("dataset", ["beauty", "yelp", "ml1m"])
def test_committed_results_have_their_columns(dataset):
    import pandas as pd
    table = pd.read_csv(ROOT / "nbs" / "results" / f"{dataset}.csv")
    metrics = [f"test_{m}@{k}" for k in (1, 5, 10) for m in ("hr", "ndcg", "mrr")]
    for column in ["backbone", "loss", "dataset", "seed", "best_epoch", "valid_ndcg@10", *metrics, "seconds", "device", "torch", "commit"]:
        assert column in table and table[column].notna().all(), column
    assert not table.duplicated(["backbone", "loss", "dataset", "seed"]).any()


@pytest.mark.parametrize("dataset", ["beauty", "yelp", "ml1m"])
def test_committed_results_tell_one_story(dataset):
    "A run's row, its users' ranks and its curve come from one training, its evaluation under both policies from that or from the second of a run that was made twice."
    import numpy as np
    import pandas as pd
    from ce_sce_rec.grids import committed_evidence
    from ce_sce_rec.inference import RANK_CAP
    results = ROOT / "nbs" / "results"
    both = {name: pd.concat([pd.read_csv(results / f"{dataset}{part}{name}.csv") for part in ("", "_ablations") if (results / f"{dataset}{part}.csv").exists()], ignore_index=True) for name in ("", "_curves")}
    rows, curves = both[""].set_index("run"), both["_curves"]
    assert rows.index.is_unique and not curves.duplicated(["run", "epoch"]).any() and set(curves.run) == set(rows.index)
    peak = curves.loc[curves.groupby("run")["valid_ndcg@10"].idxmax()].set_index("run").loc[rows.index]
    rounding = 1.01e-6                  # two numbers of six digits
    assert (peak["valid_ndcg@10"] - rows["valid_ndcg@10"]).abs().max() < rounding and (peak["epoch"] == rows["best_epoch"]).all()
    users = committed_evidence(dataset)
    assert set(users.runs) == set(rows.index)
    ranks = np.asarray(users.ranks)
    gain = np.where(ranks < RANK_CAP, 1 / np.log2(1 + ranks.astype(float)), 0).mean(1)          # a rank beyond 10 is capped at 11 and gains nothing
    assert np.abs(gain - rows.loc[list(users.runs), "test_ndcg@10"]).max() < rounding
    masking = pd.read_csv(results / "masking.csv").query("dataset == @dataset and part == 'all'").set_index("run")
    published = masking[masking.masked == (dataset != "yelp")]                                # the papers' policy
    again = pd.read_csv(results / "repeated.csv").drop_duplicates("run").set_index("run").reindex(published.index)          # the second time, where a run was made three times
    distances = [(published["test_ndcg@10"] - table["test_ndcg@10"]).abs() for table in (rows.loc[published.index], again)]
    assert len(published) and pd.concat(distances, axis=1).min(axis=1).max() < rounding


def test_nothing_personal_in_the_tree():
    # interaction data may not be shipped; absolute paths of a machine have no place in the sources
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    if not files:
        pytest.skip("not a git checkout")
    assert not [f for f in files if re.search(r"\.(txt\.gz|inter|parquet|pt|pkl|ckpt)$", f)]
    text = "".join(Path(ROOT / f).read_text(encoding="utf-8", errors="ignore") for f in files if f.endswith((".py", ".md", ".yml", ".yaml", ".ini", ".toml")))
    assert not re.search(r"(?<![\w.:/])/(?:home|Users)/\w", text)


@pytest.mark.parametrize("tool", ["ruff", "codespell"])
def test_lint(tool):
    command = {"ruff": ["ruff", "check", "--quiet", "ce_sce_rec", "tests", "tools", "setup.py"], "codespell": ["codespell", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "ce_sce_rec"]}[tool]
    run = subprocess.run([str(Path(sys.executable).with_name(command[0])), *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
