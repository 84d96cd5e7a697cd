"""One round of the grids on every GPU at hand: python tools/grid_round.py PLAN [--store runs] [--to round] [--seconds 1500] [--commit NAME]

PLAN is a text file with a paragraph for each GPU. Each line holds the arguments of one `ce-sce-rec grid`; they are carried out one after the other, for example:

    p1 --datasets ml1m --backbones caser --known --at-once 4

    p1 --datasets ml1m --backbones bert4rec --known
    alpha --datasets ml1m --known --at-once 3

Writes to the directory `--to`, every minute and at the end, what `ce-sce-rec export` writes, and grid_time.csv: for each GPU the seconds, the draw of power (nvidia-smi,
every two seconds) and the runs that were filed; and what each GPU's commands said (gpu0.log, …). After `--seconds` what is under way is stopped; the same command goes on from
its last checkpoint, which is at most half a minute old or one validation. Ends with 1 if a command failed.
"""
import argparse
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd

SAMPLE_SECONDS, EXPORT_SECONDS, GRACE_SECONDS = 2.0, 60.0, 60.0
GRID = """import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)      # a shell's background job is started with interruptions ignored
from ce_sce_rec.cli import main; sys.exit(main(['grid', *sys.argv[1:]]))"""


def read_plan(text):
    "For each GPU the arguments of its commands."
    paragraphs = [[shlex.split(line, comments=True) for line in part.splitlines()] for part in text.split("\n\n")]
    plan = [[line for line in part if line] for part in paragraphs]
    if not (plan := [part for part in plan if part]): sys.exit("the plan holds no command")
    return plan


class Card(threading.Thread):
    "Carries out the commands of one GPU."
    def __init__(self, number, commands, store, log):
        super().__init__()
        self.number, self.commands, self.store, self.log = number, commands, store, log
        self.failed, self.seconds, self.stopping, self.process, self.start_time = 0, 0.0, False, None, time.monotonic()

    def run(self):
        self.start_time, env = time.monotonic(), {**os.environ, "CUDA_VISIBLE_DEVICES": str(self.number)}
        with open(self.log, "w") as log:
            for command in self.commands:
                if self.stopping: break
                print("$ ce-sce-rec grid", *command, file=log, flush=True)
                self.process = subprocess.Popen([sys.executable, "-c", GRID, *command, "--store", self.store, "--quiet"], env=env, stdout=log, stderr=log)
                if self.process.wait() and not self.stopping: self.failed += 1
                self.seconds = time.monotonic() - self.start_time

    def stop(self):
        "Interrupt what is under way."
        self.stopping = True
        if self.process and self.process.poll() is None: self.process.send_signal(signal.SIGINT)


def sample_power(cards, watts, done):
    "Append the draw of power in watts of each GPU that is at work, until all is done; nothing where there is no nvidia-smi."
    while not done.wait(SAMPLE_SECONDS):
        try: said = subprocess.run(["nvidia-smi", "--query-gpu=index,power.draw,name", "--format=csv,noheader,nounits"], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError): return
        working = {card.number for card in cards if card.is_alive()}
        for line in said.splitlines():
            number, draw, name = (x.strip() for x in line.split(",", 2))
            if int(number) in working: watts.setdefault(int(number), (name, []))[1].append(float(draw))


def export(store, to, commit):
    "Write what is finished."
    from ce_sce_rec.exports import export_results
    from ce_sce_rec.grids import RunStore
    if Path(store).exists(): return sum(export_results(RunStore(store, create=False), to, commit, failures={}).values())
    return 0


def times(cards, watts, runs, to, commit):
    "Write what each GPU has taken so far."
    rows = []
    for card in cards:
        name, draws = watts.get(card.number, ("", []))
        mean, seconds = sum(draws) / len(draws) if draws else float("nan"), time.monotonic() - card.start_time if card.is_alive() else card.seconds
        rows.append({"gpu": card.number, "seconds": round(seconds), "mean_watts": round(mean, 1), "highest_watts": max(draws, default=float("nan")), "watt_hours": round(mean * seconds / 3600, 1),
                     "runs_finished": runs if card is cards[-1] else None, "device": name, "commit": commit})
    pd.DataFrame(rows).to_csv(to/"grid_time.csv", index=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan"); parser.add_argument("--store", default="runs"); parser.add_argument("--to", default="round")
    parser.add_argument("--seconds", type=float); parser.add_argument("--commit", default="")
    args = parser.parse_args()
    to = Path(args.to); to.mkdir(parents=True, exist_ok=True)
    cards = [Card(n, commands, args.store, to/f"gpu{n}.log") for n, commands in enumerate(read_plan(Path(args.plan).read_text()))]
    watts, done, start = {}, threading.Event(), time.monotonic()
    for card in cards: card.start()
    threading.Thread(target=sample_power, args=(cards, watts, done), daemon=True).start()
    exported = start
    while any(card.is_alive() for card in cards):
        for card in cards: card.join(0.2)
        now = time.monotonic()
        if args.seconds is not None and now - start >= args.seconds: break
        if now - exported >= EXPORT_SECONDS: times(cards, watts, export(args.store, to, args.commit), to, args.commit); exported = time.monotonic()
    for card in cards: card.stop()
    for card in cards:
        card.join(GRACE_SECONDS)
        if card.is_alive(): card.process.kill(); card.join()
    done.set()
    times(cards, watts, export(args.store, to, args.commit), to, args.commit)
    print((to/"grid_time.csv").read_text(), end="")
    for card in cards: print(f"gpu {card.number}: {card.failed} of {len(card.commands)} commands failed, see {card.log}")
    sys.exit(any(card.failed for card in cards))


if __name__ == "__main__": main()
