"""Times the fused losses and rank counting on whatever device is there: python tools/bench_kernels.py [OUT.csv] [--largest 10000000] [--only peers crossing …]

Peers are measured where they are installed (pip install "ce_sce_rec[peers]"): Liger, cut-cross-entropy, and torch's own chunked loss where torch has it.

On a GPU each figure is the median of seven replays of a captured graph (large catalogues and ranks: of plain calls), on a CPU the best of three.
`extra_mb` is the device's peak memory beside parameters, states and their gradients."""
import argparse
import csv
import time

import torch
import torch.nn.functional as F

from ce_sce_rec.kernels import linear_cross_entropy, linear_logistic_terms, multiplicities, ranks_of
from ce_sce_rec.kernels.gather import gathered_scores
from ce_sce_rec.losses import scaled_cross_entropy

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
T = 3000
ROWS = []


def data(N, d=64, kind=torch.float32):
    g = torch.Generator(DEVICE).manual_seed(N + d)
    h, E = (torch.empty(n, d, device=DEVICE).normal_(0, scale, generator=g).to(kind).requires_grad_() for n, scale in ((T, 1), (N, .1)))
    return h, E, torch.randint(N, (T,), generator=g, device=DEVICE)


def microseconds(f, repeats, graph):
    if DEVICE == "cpu":
        times = []
        for _ in range(3): start = time.perf_counter(); f(); times.append(1e6 * (time.perf_counter() - start))
        return min(times), max(times) - min(times)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream): f(); f()
    torch.cuda.synchronize()
    run = lambda: [f() for _ in range(repeats)]
    if graph:
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured): run()
        run = captured.replay
    run()
    times = []
    for _ in range(7):
        a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        a.record(); run(); b.record(); b.synchronize(); times.append(1e3 * a.elapsed_time(b) / repeats)
    return sorted(times)[3], max(times) - min(times)


def record(what, f, repeats=10, graph=True, **about):
    us, spread = microseconds(f, repeats, graph)
    ROWS.append({"what": what, **about, "microseconds": round(us, 1), "spread": round(spread, 1)})
    print(ROWS[-1], flush=True)


def step(loss, *leaves): return lambda: torch.autograd.grad(loss(), leaves)


def extra_memory(loss, *leaves):
    if DEVICE == "cpu": return ""
    torch.cuda.synchronize(); before = torch.cuda.memory_allocated(); torch.cuda.reset_peak_memory_stats()
    gradients = torch.autograd.grad(loss(), leaves); torch.cuda.synchronize()
    return round((torch.cuda.max_memory_allocated() - before - sum(g.nbytes for g in gradients)) / 2**20, 1)


def losses(N, d):
    h, E, t = data(N, d)
    draws = multiplicities(torch.randint(N, (T, 500), device=DEVICE), N)
    for what, loss in {"CE": lambda: linear_cross_entropy(h, E, t), "CE-eta": lambda: linear_cross_entropy(h, E, t, eta=.7), "SCE": lambda: linear_cross_entropy(h, E, t, counts=draws, alpha=100.),
                       "NCE": lambda: linear_logistic_terms(h, E, draws, shift=2.)}.items(): record(what, step(loss, h, E), items=N, width=d, way="auto")


def crossing(N, K):
    h, E, t = data(N)
    drawn = lambda: torch.randint(N, (T, K), device=DEVICE)
    def gather(): return scaled_cross_entropy((h * E[t]).sum(1), torch.einsum("td,tkd->tk", h, E[drawn()]), 100.).mean()
    def fused_gather():
        own, others = gathered_scores(h, E, torch.cat([t.unsqueeze(1), drawn()], 1)).split([1, K], 1)
        return scaled_cross_entropy(own.squeeze(1), others, 100.).mean()
    record("SCE", step(lambda: linear_cross_entropy(h, E, t, counts=multiplicities(drawn(), N), alpha=100.), h, E), 3, items=N, width=64, negatives=K, way="counts")
    record("SCE", step(fused_gather, h, E), 3, items=N, width=64, negatives=K, way="fused gather")
    if T * K * 64 < 2**28: record("SCE", step(gather, h, E), 3, items=N, width=64, negatives=K, way="gather")


def peers(N):
    "The same exact cross-entropy by other libraries, each in the precision it supports; a synchronising one cannot be recorded."
    ways = {}
    for kind, name in ((torch.float32, ""), (torch.bfloat16, " bf16")):
        h, E, t = data(N, kind=kind)
        ways[f"ours{name}"] = h, E, lambda h=h, E=E, t=t: linear_cross_entropy(h, E, t), True
        if N <= 10**6: ways[f"torch, dense{name}"] = h, E, lambda h=h, E=E, t=t: F.cross_entropy(h @ E.T, t), True
        if hasattr(F, "linear_cross_entropy"):
            from torch.nn import LinearCrossEntropyOptions
            ways[f"torch, linear_cross_entropy in chunks of 512{name}"] = h, E, lambda h=h, E=E, t=t: F.linear_cross_entropy(h, E, t, options=LinearCrossEntropyOptions(batch_chunk_size=512, chunking_method=None)), False
        try:
            from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss
            liger = LigerFusedLinearCrossEntropyLoss()
            ways[f"Liger{name}"] = h, E, lambda h=h, E=E, t=t: liger(E, h, t), False
        except ImportError as e: print("Liger:", e)
        try:
            from cut_cross_entropy import linear_cross_entropy as cut
            if kind == torch.bfloat16: ways["cut-cross-entropy, exact bf16"] = h, E, lambda h=h, E=E, t=t: cut(h, E, t, filter_eps=None), False      # its backward pass is written for 16 bits
        except ImportError as e: print("cut-cross-entropy:", e)
    for way, (h, E, loss, graph) in ways.items():
        try: extra = extra_memory(loss, h, E); record("CE peers", step(loss, h, E), 10 if N < 10**5 else 2, graph and N <= 10**5, items=N, width=64, way=way, extra_mb=extra)
        except Exception as e: print(f"{way} at {N:,} items: {type(e).__name__}: {str(e).splitlines()[0]}")      # a peer that fails says why and is left out


def against_items(N, way):
    h, E, t = data(N, kind=torch.bfloat16 if "bf16" in way else torch.float32)
    loss = (lambda: F.cross_entropy(h @ E.T, t)) if way == "dense" else (lambda: linear_cross_entropy(h, E, t, method=way.split()[0]))
    extra = extra_memory(loss, h, E)
    record("CE against N", step(loss, h, E), 10 if N < 10**5 else 2, N <= 10**5, items=N, width=64, way=way, extra_mb=extra)


PARTS = {}
def part(function): PARTS[function.__name__.removeprefix("part_")] = function; return function

@part
def part_losses(largest):
    for N, d in ((12_101, 64), (20_033, 64), (12_101, 128)): losses(N, d)

@part
def part_crossing(largest):
    for N in (12_101, 20_033, 100_000):
        for K in (1, 10, 50, 100, 200, 500, 1000):
            if DEVICE == "cuda" or N < 10**5 and K <= 200: crossing(N, K)

@part
def part_sweep(largest):
    for N in (10**3, 10**4, 10**5, 10**6, 10**7):
        for way in ("triton", "triton bf16", "chunked", "dense") if DEVICE == "cuda" else ("chunked", "dense"):
            if N <= (largest if "triton" in way else min(10**6, largest)): against_items(N, way)

@part
def part_peers(largest):
    for N in (12_101, 10**5, 10**6):
        if N <= largest: peers(N)

@part
def part_ranks(largest):
    for N, users in ((12_101, 22_363), (20_033, 30_431)):
        states, table, targets = torch.randn(users, 64, device=DEVICE), torch.randn(N, 64, device=DEVICE), torch.randint(N, (users,), device=DEVICE)
        seen = torch.randint(users, (8 * users,), device=DEVICE), torch.randint(N, (8 * users,), device=DEVICE)
        record("ranks", lambda: ranks_of(states, table, targets, seen=seen), 3, False, items=N, width=64, way="chunked")


def main():
    parser = argparse.ArgumentParser(); parser.add_argument("out", nargs="?", default="bench_kernels.csv"); parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--largest", type=int, default=10**7 if DEVICE == "cuda" else 10**5, help="largest catalogue")
    options = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    for name in options.only: PARTS[name](options.largest)
    name = torch.cuda.get_device_name() if DEVICE == "cuda" else "CPU"
    with open(options.out, "w", newline="") as file:
        table = csv.DictWriter(file, ["what", "way", "items", "width", "negatives", "microseconds", "spread", "extra_mb", "device", "torch"], restval="")
        table.writeheader(); table.writerows({**row, "device": name, "torch": torch.__version__.split("+")[0]} for row in ROWS)


if __name__ == "__main__":
    main()
