"""Seconds for a training epoch and for a full ranking, on whatever device is there: median, lowest and highest of five after two warm-ups.

On a GPU five seeds are trained together (and one alone, for comparison); the seconds are those of all of them.

Beauty where its file is at hand (CE_SCE_REC_DATA) and a GPU is there, else the synthetic world. Prints a table.
"""
import statistics
import time

import torch

from ce_sce_rec.datasets import load_dataset
from ce_sce_rec.errors import DatasetError
from ce_sce_rec.losses import make_loss
from ce_sce_rec.paper import settings_for
from ce_sce_rec.runs import describe_machine, seeded_backbone
from ce_sce_rec.samples import resolve_device
from ce_sce_rec.training import Trainer


def measure(function, device, repeats=5):
    "Median, lowest and highest seconds of `function`, after two warm-ups (shapes are met, then recorded)."
    function()
    function()
    seconds = []
    for _ in range(repeats):
        if device.type == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        function()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return f"{statistics.median(seconds):8.3f} ({min(seconds):.3f} – {max(seconds):.3f})"


def main():
    device = resolve_device()
    try:
        data = load_dataset("beauty" if device.type == "cuda" else "synthetic")
    except DatasetError:
        data = load_dataset("synthetic")
    print(f"{data!r}; {', '.join(f'{k} {v}' for k, v in describe_machine(device).items())}")
    split, many = data.leave_one_out(), 5 if device.type == "cuda" else 1
    print(f"{'backbone':9} {'loss':5} {'seeds':>5} {'training epoch, s':>28} {'full ranking, s':>28} {'peak memory, GiB':>18}")
    for backbone, loss, seeds in [("sasrec", "ce", 1)] * (many > 1) + [("sasrec", loss, many) for loss in ("ce", "sce", "bce")] + [(b, "ce", many) for b in ("gru4rec", "caser", "bert4rec", "fmlprec")]:
        config = settings_for(backbone, loss, data.name)
        models = [seeded_backbone(config.with_options(seed=s), split) for s in range(seeds)]
        trainer = Trainer(models, make_loss(loss, **config.loss_options), split, batch_size=config.batch_size, learning_rate=config.learning_rate,
                          weight_decay=config.weight_decay, seed=list(range(seeds)), device=device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        epoch = measure(trainer.train_epoch, device)
        memory = f"{torch.cuda.max_memory_allocated() / 2**30:.2f}" if device.type == "cuda" else "–"
        print(f"{backbone:9} {loss:5} {seeds:5} {epoch:>28} {measure(trainer.validate, device):>28} {memory:>18}", flush=True)


if __name__ == "__main__":
    main()
