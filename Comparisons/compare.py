#!/usr/bin/env python3
# Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

"""Times an EM iteration of swift-mixtures and of other programs: same observations, same start, in alternation.

README.md beside this file says what is timed and how to run it.
"""

import argparse
import csv
import datetime
import json
import os
import platform
import re
import select
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# The judge of all programs has one thread; OpenBLAS reads this when numpy is imported. The programs are told otherwise.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from peers import PEERS
from works import WORKS, Mixture, make

HERE = Path(__file__).resolve().parent
OURS = "swift-mixtures"
AGREEMENT = 1e-8  # relative difference of log-likelihoods that passes as equal


# ---------------------------------------------------------------------------------------- the programs


class Ours:
    """`gmm fit`; the time of an iteration is taken from its trace, which begins after reading and the first E-step."""

    title = OURS

    def __init__(self, options, folder, work, start):
        self.folder, self.iterations, self.times = folder, work.iterations, []
        diagonal = start.covariances.ndim == 2
        model = {
            "format": "swift-mixtures/model",
            "version": 1,
            "structure": "VVI" if diagonal else "VVV",
            "features": [f"x{i + 1}" for i in range(work.d)],
            "weights": start.weights.tolist(),
            "means": start.means.tolist(),
            "covariances": [(np.diag(c) if diagonal else c).tolist() for c in start.covariances],
        }
        (folder / "start.json").write_text(json.dumps(model))
        self.command = [
            options.gmm, "fit", "data.npy", "--start", "model=start.json", "--tolerance", "0", "--floor", "0",
            "--acceleration", "none",
            "--iterations", str(work.iterations), "--threads", str(options.threads),
            "--trace", "trace.csv", "-o", "fitted.json", "--quiet",
        ]

    def measure(self):
        subprocess.run(self.command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        with open(self.folder / "trace.csv") as file:
            self.trace = list(csv.DictReader(file))
        assert len(self.trace) == self.iterations + 1
        self.times.append((float(self.trace[0]["seconds"]), float(self.trace[-1]["seconds"])))

    def seconds(self):
        return statistics.median(last - first for first, last in self.times) / self.iterations

    def result(self):
        model = json.loads((self.folder / "fitted.json").read_text())
        covariances = np.array(model["covariances"])
        if model["structure"] == "VVI":
            covariances = np.diagonal(covariances, axis1=1, axis2=2)
        return Mixture(np.array(model["weights"]), np.array(model["means"]), covariances)


class Peer:
    """A worker process; an iteration is the difference of a long and a short fit, so what is done once cancels."""

    def __init__(self, options, folder, work, name):
        self.title, self.folder, self.times, self.spent = PEERS[name].title, folder, [], 0.0
        self.patience = options.patience
        variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        self.process = subprocess.Popen(
            [sys.executable, HERE / "peers.py", name, folder / "data.npy", folder / "start.npz",
             str(int(work.covariance == "diagonal")), str(options.threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {v: str(options.threads) for v in variables})
        # The warm-up also tells how long this will take; slow programs make fewer iterations.
        self.first = self.ask(1)
        if self.first:
            self.iterations = min(work.iterations, max(2, int(2 * options.patience / self.first)))

    def ask(self, request):
        """The answer; None if it does not come in five times the patience, which ends it."""
        self.process.stdin.write(f"{request}\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], 5 * self.patience)[0]:
            self.close()  # or it would slow down the others
            return None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.title} ended with status {self.process.wait()}")
        return json.loads(line)

    def measure(self):
        if self.first is None or self.spent > self.patience:
            return
        short = self.ask(1)
        long = short and self.ask(self.iterations)
        if long is None:
            self.first = None
        else:
            self.times.append((short, long))
            self.spent += short + long

    def seconds(self):
        short, long = (statistics.median(times) for times in zip(*self.times))
        return (long - short) / (self.iterations - 1)

    def result(self):
        path = self.folder / "result.npz"
        self.ask(path)
        return Mixture(**np.load(path))

    def close(self):
        self.process.kill()
        self.process.wait()


# ---------------------------------------------------------------------------------------- measuring


def compare(options, work, folder):
    """One row for each program: its time for an iteration, and how far its log-likelihood is from ours."""
    x, start = make(work)
    np.save(folder / "data.npy", x)
    np.savez(folder / "start.npz", **vars(start))
    ours, peers, rows = Ours(options, folder, work, start), [], []
    try:
        for name in options.peers:
            peers.append(Peer(options, folder, work, name))
        for _ in range(work.repeats):
            for program in (ours, *peers):
                time.sleep(0.02)  # threads of the one before that still spin go to sleep
                program.measure()
        for program in (ours, *peers):
            if program is not ours and program.first is None:
                print(f"  {program.title:<15} left out: a fit took more than {5 * options.patience:.0f} s", flush=True)
                rows.append(dict(program=program.title, times=[]))
                continue
            # Ours is the log-likelihood that it reports, so that it is judged like the others.
            reported = float(ours.trace[program.iterations]["log_likelihood"]) / work.n
            value = program.result().mean_log_likelihood(x)
            row = dict(program=program.title, iterations=program.iterations, times=program.times,
                       seconds=program.seconds(), log_likelihood=value, difference=abs(value / reported - 1))
            rows.append(row)
            print(f"  {program.title:<15} {duration(row['seconds']):>8}  {len(program.times):>2} times "
                  f"{program.iterations:>3} iterations, mean log-likelihood {value:.10f}"
                  f"{'' if row['difference'] <= AGREEMENT else '  DIFFERS'}", flush=True)
    finally:
        for program in peers:
            program.close()
    return rows


# ---------------------------------------------------------------------------------------- the record of a run


def duration(seconds):
    for unit, scale in (("s", 1), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def output(*command):
    try:
        return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def taken_by_others():
    """How many processors are busy in a second in which we do nothing; None where that cannot be read."""
    def ticks():
        fields = [int(v) for v in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]
    try:
        (all0, idle0), _, (all1, idle1) = ticks(), time.sleep(1), ticks()
    except OSError:
        return None
    return (1 - (idle1 - idle0) / (all1 - all0)) * os.cpu_count()


def processor():
    names = re.findall(r"^(?:Model name|BIOS Model name):\s*(.*)", output("lscpu"), re.MULTILINE)
    return names[0] if names else platform.processor() or platform.machine()


def cell(row, ours):
    if not row["times"]:
        return "–"
    mark = "" if row["difference"] <= AGREEMENT else " ≠"
    return f"{duration(row['seconds'])} ({row['seconds'] / ours:.1f} ×){mark}"


def table(results):
    titles = [row["program"] for row in results[0][1]]
    lines = ["| work | " + " | ".join(titles) + " | fastest other / ours |", "|---" * (len(titles) + 2) + "|"]
    for work, (first, *others) in results:
        ours = first["seconds"]
        cells = [duration(ours), *(cell(row, ours) for row in others)]
        least = min((row["seconds"] for row in others if row["times"]), default=None)
        cells.append(f"{least / ours:.1f} ×" if least else "–")
        lines.append(f"| {work.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write_run(options, results, began, loads):
    cpu = re.sub(r"[^A-Za-z0-9]+", "-", processor()).strip("-").lower()
    folder = options.output or HERE / "runs" / f"{began:%Y-%m-%d}-{cpu}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "results.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow("work n d K covariance program iterations repeat short_seconds long_seconds "
                        "mean_log_likelihood relative_difference".split())
        for work, rows in results:
            for row in rows:
                for repeat, (short, long) in enumerate(row["times"]):
                    writer.writerow([work.name, work.n, work.d, work.k, work.covariance, row["program"],
                                     row["iterations"], repeat, f"{short:.6g}", f"{long:.6g}",
                                     repr(float(row["log_likelihood"])), f"{row['difference']:.2g}"])
    peers = "\n".join(f"| {PEERS[p].title} | {PEERS[p].version()} |" for p in options.peers)
    different = [f"{row['program']} in \"{work.title}\"" for work, rows in results for row in rows
                 if row["times"] and row["difference"] > AGREEMENT]
    verdict = ("All programs reached the same mean log-likelihood, to a relative difference of 10⁻⁸."
               if not different else
               "≠ marks a mean log-likelihood that differs from ours by more than 10⁻⁸ of it: "
               + "; ".join(different) + ".")
    (folder / "README.md").write_text(f"""# Time of one EM iteration, {began:%Y-%m-%d}

Medians, {options.threads} threads, float64, same observations and same start; in brackets how many times as long as
swift-mixtures. – marks programs of which a fit of one or two iterations took more than {5 * options.patience:.0f} s.

{table(results)}
{verdict}

| | |
|---|---|
| begun | {began:%Y-%m-%d %H:%M} UTC |
| processor | {processor()}, {os.cpu_count()} processors |
| kernels | {output(options.gmm, "kernels").splitlines()[0]} |
| processors that others kept busy before each work | {", ".join("?" if load is None else f"{load:.1f}" for load in loads)} |
| system | {platform.system()} {platform.release()}, {platform.libc_ver()[0]} {platform.libc_ver()[1]} |
| commit | {options.commit} |
| Swift | {output("swift", "--version").splitlines()[0]} |
| Python, NumPy | {platform.python_version()}, {np.__version__} |
{peers}
| command | `python {" ".join(["compare.py", *sys.argv[1:]])}` |

`results.csv` holds every measurement. How they are taken is said in [Comparisons/README.md](../../README.md).
""")
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gmm", default=HERE.parent / ".build/release/gmm", type=lambda p: Path(p).resolve())
    parser.add_argument("--works", default=",".join(w.name for w in WORKS), help="names, separated by commas")
    parser.add_argument("--peers", default="sklearn,onedal,armadillo", help=f"of {', '.join(PEERS)}")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--patience", type=float, default=8,
                        help="seconds to spend on each program and work, about; slower ones are left out")
    parser.add_argument("--output", type=Path, help="folder for the record (default: runs/DATE-PROCESSOR)")
    options = parser.parse_args()
    options.peers = options.peers.split(",") if options.peers else []
    engine = ("--", "../Sources", "../Package.swift")
    options.commit = output("git", "log", "-1", "--format=%h", *engine) + ", the last that changed the engine"
    if output("git", "status", "--porcelain", *engine):
        options.commit += ", with changes"
    began = datetime.datetime.now(datetime.timezone.utc)
    chosen, results, loads = options.works.split(","), [], []
    for work in (w for w in WORKS if w.name in chosen):
        print(work.title, flush=True)
        loads.append(taken_by_others())
        with tempfile.TemporaryDirectory() as folder:
            results.append((work, compare(options, work, Path(folder))))
    print(table(results))
    print(f"Wrote {write_run(options, results, began, loads)}.")


if __name__ == "__main__":
    main()
