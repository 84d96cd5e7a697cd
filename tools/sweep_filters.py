"""Tries the settings of FMLP-Rec's kernels for long rows on this GPU: python tools/sweep_filters.py [OUT.csv] [--members 5 1 2 3 4] [--rows 512] [--length 200] [--width 64] [--commit NAME]

Each setting (warps of a program, loads under way, programs for each multiprocessor, places at a time) is changed while the others stay as they are, for all five kernels at once, since
none waits for another's setting. Prints the quickest of each kernel beside the present one, and writes the microseconds by torch's profiler as `nbs/results/long_filters.csv` has them.
Of several numbers of members the first is swept, the others are timed under the present settings. A setting that needs more than the GPU has is said to fail, and the others go on.
To try what was found in a training, change `SETTINGS`, `PROGRAMS` and `TILE` of `ce_sce_rec.kernels.triton_long_filters`.
"""
import argparse
import sys

import pandas as pd
import torch

from ce_sce_rec.kernels import triton_long_filters as kernels
from ce_sce_rec.kernels.triton_filters import filters_fit

NAMES = {"filter": ("filter", "_filter_kernel"), "feed": ("feed-forward", "_feed_kernel"), "feed_back": ("feed-forward, back", "_feed_backward_kernel"),
         "filter_back": ("filter, back", "_filter_backward_kernel"), "weights": ("weights' gradients", "_block_weights_kernel")}
CHANGES = [{}, *[{"num_warps": n} for n in (4, 8, 16)], *[{"num_stages": n} for n in (1, 2, 3, 4)], *[{"programs": n} for n in (1, 2, 3, 4)], *[{"tile": n} for n in (32, 128)]]


def block(members, rows, length, width, device, p=0.3):
    "A function that computes a block forwards and backwards on random numbers."
    draw = torch.Generator(device).manual_seed(0)
    def normal(*shape): return torch.randn(*shape, generator=draw, device=device)
    scale, shift, hidden = 1 + normal(members, width) / 10, normal(members, width) / 10, 4 * width
    inputs = [normal(members, rows, length, width), normal(members, 2, length // 2 + 1, width) / 10, scale, shift, normal(members, hidden, width) / 10, normal(members, hidden) / 10,
              normal(members, width, hidden) / 10, shift.clone(), scale.clone(), shift.clone()]
    inputs, up = [x.requires_grad_() for x in inputs], normal(members, rows, length, width)
    keys = [torch.randint(-2**62, 2**62, (members,), generator=draw, device=device) for _ in range(2)]
    def compute(): return torch.autograd.grad(kernels.LongFilterBlock.apply(*inputs, 1e-12, 1e-12, p, *keys), inputs, up)
    return compute


def microseconds(compute, repeats=5):
    "The mean time of each kernel."
    compute(); torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA], acc_events=True) as profile:
        for _ in range(repeats): compute()
        torch.cuda.synchronize()
    return {e.key: e.device_time_total / e.count for e in profile.key_averages()}


def changed(change):
    "Settings, programs and tile with one change, for every kernel."
    settings = {k: {**v, **{n: c for n, c in change.items() if n in ("num_warps", "num_stages")}} for k, v in kernels.SETTINGS.items()}
    return settings, {k: change.get("programs", n) for k, n in kernels.PROGRAMS.items()}, change.get("tile", kernels.TILE)


def sweep(compute, time, changes=CHANGES):
    "A row for each kernel and change; the module's settings are as before at the end."
    before, rows = (kernels.SETTINGS, kernels.PROGRAMS, kernels.TILE), []
    try:
        for change in changes:
            said = ", ".join(f"{k} {v}" for k, v in change.items()) or "present settings"
            settings, programs, tile = kernels.SETTINGS, kernels.PROGRAMS, kernels.TILE = changed(change)
            try: found = time(compute)
            except Exception as e: print(f"{said}: fails, {str(e).splitlines()[0][:160]}", flush=True); continue        # out of shared memory, for example: the other settings go on
            finally: kernels.SETTINGS, kernels.PROGRAMS, kernels.TILE = before
            print(f"{said}: " + ", ".join(f"{name} {found[kernel]:.0f}" for name, kernel in NAMES.values()) + " µs", flush=True)
            rows += [{"kernel": name, "tile": "" if "filter" in key else tile, "num_warps": settings[key]["num_warps"], "num_stages": settings[key].get("num_stages", ""), "programs_each_multiprocessor": programs[key],
                      "microseconds": round(found[kernel], 1)} for key, (name, kernel) in NAMES.items()]
    finally: kernels.SETTINGS, kernels.PROGRAMS, kernels.TILE = before
    columns = ["kernel", "tile", "num_warps", "num_stages", "programs_each_multiprocessor"]
    return pd.DataFrame(rows, columns=[*columns, "microseconds"]).drop_duplicates(columns)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", default="long_filters.csv"); parser.add_argument("--commit", default="")
    parser.add_argument("--members", type=int, nargs="+", default=[5])
    for name, default in (("rows", 512), ("length", 200), ("width", 64)): parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    if not torch.cuda.is_available(): sys.exit("times are those of a GPU, and there is none")
    if not 65 <= args.length <= 255 or not filters_fit(torch.empty(1, args.width, device="cuda"), args.length): sys.exit("these kernels serve rows of 65 to 255 places, at most 64 wide, on a GPU with 164 kB of shared memory")
    tables = [sweep(block(members, args.rows, args.length, args.width, "cuda"), microseconds, CHANGES[:1 if i else None]).assign(members=members) for i, members in enumerate(args.members)]
    if tables[0].empty: sys.exit("no setting runs here")
    table = pd.concat(tables).assign(device=torch.cuda.get_device_name(), commit=args.commit)
    for kernel, rows in tables[0].groupby("kernel", sort=False):
        best = rows.loc[rows.microseconds.idxmin()]
        print(f"{kernel}: {rows.microseconds.iloc[0]:.0f} µs; quickest {best.microseconds:.0f} with {best.num_warps} warps, num_stages {best.num_stages or 'as the GPU allows'}, {best.programs_each_multiprocessor} programs for each multiprocessor" + (f", {best.tile} places" if best.tile else ""))
    table.to_csv(args.out, index=False); print(args.out)


if __name__ == "__main__": main()
