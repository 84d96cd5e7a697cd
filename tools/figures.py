"""The pictures of the landing page, drawn from the committed results: images/landing.png, and images/card.png for links to the site.

`python tools/figures.py` draws them anew; everything in them is read from nbs/results and ce_sce_rec/published.
"""
from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from ce_sce_rec.paper import paper_config, published_results
from ce_sce_rec.plots import FRAME_COLOUR, LOSS_COLOURS, LOSS_NAMES, save_figure, set_style

NBS = Path(__file__).resolve().parent.parent / "nbs"
METRIC = "test_ndcg@10"
LLM_COLOUR = "#8A8A8A"


def has_published_settings(run: dict) -> bool:
    "Whether a run of the results table was trained as its cell was published (tables also hold runs of sweeps)."
    config = paper_config(run["backbone"], run["loss"], run["dataset"])
    wanted = {"epochs": config.epochs, "batch_size": config.batch_size, "learning_rate": config.learning_rate, "weight_decay": config.weight_decay,
              **config.backbone_options, **config.loss_options}
    return all(run[name] == value for name, value in wanted.items() if name in run and pd.notna(run[name]))     # an option newer than the row was at its default


def rows() -> tuple[pd.DataFrame, dict[str, float]]:
    "What the picture shows: one row for each run (label, loss, value), and the floors."
    ours = pd.read_csv(NBS / "results" / "beauty.csv").query("backbone == 'sasrec' and loss in ['ce', 'sce', 'nce', 'bce', 'bpr']")
    ours = ours[[has_published_settings(run) for run in ours.to_dict("records")]]
    llm = published_results().query("kind == 'llm' and dataset == 'beauty'")
    table = pd.concat([pd.DataFrame({"label": "SASRec + " + ours.loss.map(LOSS_NAMES), "loss": ours.loss, "value": ours[METRIC]}),
                       pd.DataFrame({"label": llm.backbone, "loss": "llm", "value": llm[METRIC]})], ignore_index=True)
    floors = pd.read_csv(NBS / "results" / "floors.csv").query("dataset == 'beauty' and floor in ['popularity', 'Markov']").set_index("floor")[METRIC]
    return table, floors.to_dict()


def landing(ax: plt.Axes, title: str) -> None:
    "One line for each system, sorted: dots are runs, the bar is their mean; grey are the published rows of LLM-based systems."
    table, floors = rows()
    order = table.groupby("label").value.mean().sort_values().index
    for y, label in enumerate(order):
        runs = table[table.label == label]
        loss = runs.loss.iloc[0]
        colour = LOSS_COLOURS.get(loss, LLM_COLOUR)
        ax.hlines(y, 0, runs.value.mean(), color=colour, lw=9, alpha=0.28 if loss == "llm" else 0.32)
        ax.scatter(runs.value, [y] * len(runs), color=colour, s=34, zorder=3, marker="s" if loss == "llm" else "o")
        ax.annotate(f"{runs.value.mean():.4f}", (runs.value.max(), y), xytext=(7, 0), textcoords="offset points", va="center", fontsize=9, color="#333333",
                    bbox={"fc": "white", "ec": "none", "pad": 1})
    for name, value in floors.items():
        ax.axvline(value, color=FRAME_COLOUR, ls="--", lw=1, zorder=1)
        ax.annotate(f"{name} floor", (value, len(order) - 0.45), xytext=(3, 0), textcoords="offset points", fontsize=8, color=FRAME_COLOUR, va="bottom")
    ax.set(yticks=range(len(order)), yticklabels=order, xlim=(0, 0.066), ylim=(-0.6, len(order)), xlabel="NDCG@10 on the test part of Beauty", title=title)
    ax.grid(axis="y", visible=False)


def main() -> None:
    set_style()
    fig, ax = plt.subplots(figsize=(7.6, 4.3))
    landing(ax, "The loss decides whether SASRec lies below or above\nrecommenders built on language models")
    save_figure(fig, NBS / "images" / "landing.png")
    plt.rcParams.update({"savefig.bbox": None, "font.size": 15})
    fig, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")      # 1200 × 630 points at 150 dpi
    landing(ax, "ce_sce_rec: the loss decides")
    ax.title.set_fontsize(17)
    fig.get_layout_engine().set(w_pad=0.2, h_pad=0.2)
    save_figure(fig, NBS / "images" / "card.png")


if __name__ == "__main__":
    main()
