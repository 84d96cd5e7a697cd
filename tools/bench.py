"""Seconds for a training epoch and for a full ranking, on whatever device is there: median, lowest and highest of five after one warm-up.

Beauty where its file is at hand (CE_SCE_REC_DATA) and a GPU is there, else the synthetic world. Prints a table.
"""
import statistics
import time

import torch

from ce_sce_rec.datasets import load_dataset
from ce_sce_rec.errors import DatasetError
from ce_sce_rec.losses import LOSSES, make_loss
from ce_sce_rec.paper import settings_for
from ce_sce_rec.runs import describe_machine, seeded_backbone
from ce_sce_rec.samples import resolve_device
from ce_sce_rec.training import Trainer


def measure(function, device, repeats=5):
    "Median, lowest and highest seconds of `function`, after one warm-up."
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
    print(f"{'loss':6} {'training epoch, s':>28} {'full ranking, s':>28} {'peak memory, GiB':>18}")
    for loss in [name for name in LOSSES if name in ("ce", "sce", "bce")]:
        config = settings_for("sasrec", loss, data.name)
        trainer = Trainer(seeded_backbone(config, data.num_items), make_loss(loss, **config.loss_options), data, batch_size=config.batch_size,
                          learning_rate=config.learning_rate, weight_decay=config.weight_decay, device=device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        epoch = measure(trainer.train_epoch, device)
        memory = f"{torch.cuda.max_memory_allocated() / 2**30:.2f}" if device.type == "cuda" else "–"
        print(f"{loss:6} {epoch:>28} {measure(trainer.validate, device):>28} {memory:>18}", flush=True)


if __name__ == "__main__":
    main()
