"""Seconds for a training epoch, a full ranking and a whole run, on whatever device is there: python tools/bench.py [OUT.csv] [--only epochs seeds scheme whole]

epochs   every backbone with CE, SASRec with three losses: median, lowest and highest of five after two warm-ups; on a GPU five seeds together, and one alone
seeds    SASRec and FMLP-Rec with CE for 1, 2, 5 and 10 seeds together (on a GPU)
scheme   an epoch of SASRec with CE as the authors' code computes it (50 padded places, scores at all of them, one operation after the other), beside ours, in one run
whole    SASRec with CE, 200 epochs, 41 validations and the test: one seed, and five together (on a GPU; elsewhere it would take half an hour)

Beauty where its file is at hand (CE_SCE_REC_DATA), else the synthetic world. Seconds of several seeds are those of all of them. Prints a table and writes it.
"""
import argparse
import csv
import statistics
import time

import torch
import torch.nn.functional as F

from ce_sce_rec.backbones import SASRec
from ce_sce_rec.datasets import load_dataset
from ce_sce_rec.errors import DatasetError
from ce_sce_rec.losses import make_loss
from ce_sce_rec.paper import settings_for
from ce_sce_rec.runs import describe_machine, seeded_backbone
from ce_sce_rec.samples import DeviceData, EveryPosition, resolve_device
from ce_sce_rec.training import Trainer

ROWS = []
DEVICE = resolve_device()
MANY = 5 if DEVICE.type == "cuda" else 1


def clock():
    if DEVICE.type == "cuda": torch.cuda.synchronize()
    return time.perf_counter()


def seconds_of(function, repeats=5, warm=2):
    "Seconds of each call, after warm-ups (shapes are met, then recorded)."
    for _ in range(warm): function()
    seconds = []
    for _ in range(repeats): start = clock(); function(); seconds.append(clock() - start)
    return seconds


def enter(what, backbone, loss, seeds, seconds, evaluation=None, note=""):
    low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
    memory = torch.cuda.max_memory_allocated() / 2**30 if DEVICE.type == "cuda" else float("nan")
    ROWS.append({"what": what, "backbone": backbone, "loss": loss, "seeds": seeds, "seconds": round(middle, 5), "low": round(low, 5), "high": round(high, 5),
                 "evaluation": "" if evaluation is None else round(statistics.median(evaluation), 5), "memory_gib": "" if memory != memory else round(memory, 2), "note": note})
    print(f"{what:22} {backbone:9} {loss:4} {seeds:3} seeds {middle:9.4f} s ({low:.4f} – {high:.4f})" + ("" if evaluation is None else f"  ranking {statistics.median(evaluation):.4f} s")
          + ("" if memory != memory else f"  peak {memory:.2f} GiB") + f"  {note}", flush=True)


def trainer_of(split, backbone, loss, seeds, **more):
    c = settings_for(backbone, loss, split.interactions.name)
    if DEVICE.type == "cuda": torch.cuda.reset_peak_memory_stats()
    return Trainer([seeded_backbone(c.with_options(seed=s), split) for s in range(seeds)], make_loss(loss, **c.loss_options), split, batch_size=c.batch_size,
                   learning_rate=c.learning_rate, weight_decay=c.weight_decay, seed=list(range(seeds)), device=DEVICE, **{"epochs": 10**6, **more})


def epochs(split):
    for backbone, loss, seeds in [("sasrec", "ce", 1)] * (MANY > 1) + [("sasrec", loss, MANY) for loss in ("ce", "sce", "bce")] + [(b, "ce", MANY) for b in ("gru4rec", "caser", "bert4rec", "fmlprec")]:
        trainer = trainer_of(split, backbone, loss, seeds)
        enter("epoch", backbone, loss, seeds, seconds_of(trainer.train_epoch), seconds_of(trainer.validate, 3, 1))


def seeds(split):
    if DEVICE.type == "cpu": return print("seeds together: left out, a CPU trains them one after the other")
    for backbone in ("sasrec", "fmlprec"):
        for number in (1, 2, 5, 10): enter("seeds together", backbone, "ce", number, seconds_of(trainer_of(split, backbone, "ce", number).train_epoch, 3))


def authors_epoch(split, model, batch_size):
    "A function that trains one epoch on padded rows, with scores at every place, padding included."
    data = DeviceData(split, DEVICE); scheme = EveryPosition(data, model.max_length)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-4, weight_decay=1e-8)
    def epoch():
        model.train()
        for rows in torch.randperm(len(scheme), device=DEVICE).split(batch_size):
            batch = scheme.batch(rows)
            targets = torch.full(batch.sequences.shape, -100, device=DEVICE)
            targets.view(-1)[batch.cells] = batch.targets
            loss = F.cross_entropy(model.scores(model(batch.sequences)).flatten(0, 1), targets.flatten())
            optimiser.zero_grad(); loss.backward(); optimiser.step()
    return epoch


def scheme(split):
    c = settings_for("sasrec", "ce", split.interactions.name)
    once = DEVICE.type == "cpu"
    torch.manual_seed(0); model = SASRec(split.interactions.num_items, **{k: v for k, v in c.backbone_options.items()}).to(DEVICE)
    ours = trainer_of(split, "sasrec", "ce", 1)
    fast = seconds_of(ours.train_epoch, 2 if once else 5, 1 if once else 2)
    enter("epoch, as we do it", "sasrec", "ce", 1, fast)
    if DEVICE.type == "cuda": torch.cuda.reset_peak_memory_stats()
    slow = seconds_of(authors_epoch(split, model, c.batch_size), 1 if once else 3, 0 if once else 1)
    enter("epoch, authors' scheme", "sasrec", "ce", 1, slow, note=f"{statistics.median(slow) / statistics.median(fast):.1f} times ours")


def whole(split):
    if DEVICE.type == "cpu": return print("whole runs: left out on a CPU")
    trainer_of(split, "sasrec", "ce", 1).train_epoch()          # kernels are compiled before the clock starts
    trainer_of(split, "sasrec", "ce", 5).train_epoch()
    for number in (1, 5):
        for _ in range(3 if number == 1 else 2):
            start = clock(); trainer = trainer_of(split, "sasrec", "ce", number, epochs=200); results = trainer.fit(); seconds = clock() - start
            test = statistics.mean(r.test.metrics["ndcg@10"] for r in results)
            enter("whole run", "sasrec", "ce", number, [seconds], note=f"NDCG@10 {test:.4f}; training {trainer.train_seconds:.2f} s, {len([1 for r in trainer.rows[0] if 'valid_ndcg@10' in r])} validations and test {trainer.eval_seconds:.2f} s")


PARTS = {f.__name__: f for f in (epochs, seeds, scheme, whole)}


def main():
    parser = argparse.ArgumentParser(); parser.add_argument("out", nargs="?", default="bench.csv"); parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    try: data = load_dataset("beauty")
    except DatasetError: data = load_dataset("synthetic")
    machine = describe_machine(DEVICE)
    print(f"{data!r}; {', '.join(f'{k} {v}' for k, v in machine.items())}")
    split = data.leave_one_out()
    for name in options.only: PARTS[name](split)
    with open(options.out, "w", newline="") as file:
        table = csv.DictWriter(file, [*ROWS[0], "data", "device", "torch"]); table.writeheader()
        table.writerows({**row, "data": data.name, "device": machine["device"], "torch": machine["torch"].split("+")[0]} for row in ROWS)


if __name__ == "__main__":
    main()
