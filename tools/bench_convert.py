"""Seconds and peak memory of converting a CSV of 1, 5 and 20 million interactions; writes nbs/results/convert_bench.csv.

The files have the shape of MovieLens-20M (138,493 users, 27,000 items, half-star ratings, times in random order) and lie in a temporary
folder that is removed. Each conversion, 5-core included, runs in a process of its own, so that its peak memory is its own.

    python tools/bench_convert.py                     # all
    python tools/bench_convert.py --millions 1 5      # only these
"""
import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

RESULT = Path(__file__).resolve().parents[1] / "nbs" / "results" / "convert_bench.csv"
USERS, ITEMS, BATCH = 138_493, 27_000, 1_000_000


def generate(path, rows, text):
    "A CSV of `rows` interactions; `text`: ids of ten characters instead of numbers."
    rng = np.random.default_rng(0)
    with open(path, "w") as file:
        file.write("userId,movieId,rating,timestamp\n")
        for start in range(0, rows, BATCH):
            n = min(BATCH, rows - start)
            users, items = rng.integers(1, USERS + 1, n), (ITEMS * rng.random(n) ** 3).astype(int) + 1      # few items are very popular
            frame = pd.DataFrame({"u": users, "i": items, "r": rng.integers(1, 11, n) / 2, "t": rng.integers(789_652_009, 1_427_784_002, n)})
            if text:
                frame = frame.assign(u=[f"A{u * 7919:09x}" for u in users.tolist()], i=[f"B{i * 104729:09x}" for i in items.tolist()])
            frame.to_csv(file, header=False, index=False)


def convert_once(path):
    "In a process of its own: read, convert, and print what it took."
    from ce_sce_rec.datasets.convert import convert
    from ce_sce_rec.datasets.tables import read_csv

    started = time.perf_counter()
    data = convert(read_csv(path), core=5)
    print(json.dumps({"seconds": time.perf_counter() - started, "interactions": data.num_interactions}))


def measure(path):
    "Seconds of the conversion and peak GB of the process; ru_maxrss is that of the largest child, so the files come in rising order."
    out = subprocess.run([sys.executable, __file__, "--convert", str(path)], check=True, capture_output=True, text=True).stdout
    return json.loads(out) | {"peak GB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--millions", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--ids", choices=["integer", "text"], help="one kind of ids, in this process")
    parser.add_argument("--convert", metavar="CSV", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.convert:
        return convert_once(args.convert)
    if args.ids is None:        # each kind in a child, because the largest child's memory cannot be reset
        parts = [subprocess.run([sys.executable, __file__, "--ids", ids, "--millions", *map(str, args.millions)], check=True, capture_output=True, text=True).stdout for ids in ("integer", "text")]
        rows = [json.loads(line) for part in parts for line in part.splitlines()]
        table = pd.DataFrame(rows)
        table.to_csv(RESULT, index=False)
        return print(table.to_string(index=False))
    with tempfile.TemporaryDirectory() as folder:
        for millions in sorted(args.millions):
            path = Path(folder) / "bench.csv"
            generate(path, millions * BATCH, args.ids == "text")
            found = measure(path)
            print(json.dumps({"ids": args.ids, "rows": millions * BATCH, "file MB": round(path.stat().st_size / 1e6), "seconds": round(found["seconds"], 1), "peak GB": round(found["peak GB"], 2)}), flush=True)


if __name__ == "__main__":
    main()
