#!/usr/bin/env python3
"""How many iterations acceleration saves, and where it ends.

Draws twenty overlapping mixtures (1 to 8 features, 2 to 10 components, 2,000 to 20,000 rows, all structures in turn),
fits each from the same start with --acceleration none and with the default, and prints the iterations, which count
every pass over the data, also those of steps that were taken back, the log-likelihoods at the end, and the time of an
iteration. The draws depend on the seeds only.

    swift build -c release --product gmm
    python3 Comparisons/acceleration.py [--gmm PATH] [--mixtures 20] [--first-seed 0] [--tolerance 1e-6]
"""

import argparse
import datetime
import json
import math
import pathlib
import platform
import subprocess
import tempfile

import numpy as np

STRUCTURES = ["EII", "VII", "EEI", "VVI", "EEE", "VVV"]


def mixture(seed):
    """Rows of an overlapping mixture, and its shape."""
    random = np.random.default_rng(seed)
    d = int(random.integers(1, 9))
    count = int(random.integers(2, 11))
    n = int(np.exp(random.uniform(np.log(2_000), np.log(20_000))))
    structure = STRUCTURES[seed % len(STRUCTURES)]
    separation = random.uniform(0.8, 2.2)
    weights = 0.2 + random.random(count)
    means = separation * random.standard_normal((count, d))
    labels = random.choice(count, n, p=weights / weights.sum())
    factors = []
    for _ in range(count):
        a = random.standard_normal((d, d)) / np.sqrt(d)
        factors.append(np.linalg.cholesky(a @ a.T + 0.5 * np.eye(d)))
    noise = random.standard_normal((n, d))
    rows = means[labels] + np.einsum("nij,nj->ni", np.array(factors)[labels], noise)
    return rows, dict(n=n, d=d, K=count, structure=structure)


def run(gmm, path, shape, acceleration, tolerance, iterations, folder):
    """The record of a fit, and the median time of its iterations."""
    trace = folder / "trace.csv"
    command = [
        gmm, "fit", str(path), "-k", str(shape["K"]), "--covariance", shape["structure"],
        "--acceleration", acceleration, "--tolerance", str(tolerance),
        "--iterations", str(iterations), "--format", "json", "--quiet", "--trace", str(trace),
    ]
    record = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["fit"]
    ends = [float(line.split(",")[2]) for line in trace.read_text().splitlines()[1:]]
    return record, float(np.median(np.diff(ends))) if len(ends) > 1 else math.nan


def fit(gmm, path, shape, acceleration, tolerance, folder, repeats):
    record, _ = run(gmm, path, shape, acceleration, tolerance, 20_000, folder)
    # As many iterations for both, so that what a process does once weighs the same.
    seconds = min(
        run(gmm, path, shape, acceleration, 0, 60, folder)[1] for _ in range(repeats))
    return record["iterations"], record["logLikelihood"], record["converged"], seconds


def processor():
    try:
        for line in open("/proc/cpuinfo"):
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    except OSError:
        pass
    return platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = pathlib.Path(__file__).parent.parent / ".build/release/gmm"
    parser.add_argument("--gmm", default=str(default))
    parser.add_argument("--mixtures", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--tolerance", type=float, default=1e-6)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()

    version = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True,
        cwd=pathlib.Path(__file__).parent).stdout.strip()
    print(f"{datetime.date.today()}, {processor()}, commit {version}, numpy {np.__version__}, "
          f"tolerance {options.tolerance:g} nats per observation")
    print("Iterations marked + ended at the limit of 20,000. An iteration's time is the median of 60.")
    print()
    print("| seed | n | d | K | structure | EM | accelerated | ratio "
          "| end of EM | end accelerated | difference per row | µs, EM | µs, accelerated |")
    print("|--:|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    ratios, costs, lower, higher = [], [], 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for seed in range(options.first_seed, options.first_seed + options.mixtures):
            rows, shape = mixture(seed)
            path = folder / "rows.npy"
            np.save(path, rows)
            plain, fast = (
                fit(options.gmm, path, shape, acceleration, options.tolerance, folder, options.repeats)
                for acceleration in ("none", "quasi-newton"))
            ratios.append(plain[0] / fast[0])
            costs.append(fast[3] / plain[3])
            difference = (fast[1] - plain[1]) / shape["n"]
            lower += difference < -options.tolerance
            higher += difference > 2 * options.tolerance
            print(f"| {seed} | {shape['n']} | {shape['d']} | {shape['K']} | {shape['structure']} "
                  f"| {plain[0]}{'' if plain[2] else '+'} | {fast[0]}{'' if fast[2] else '+'} "
                  f"| {ratios[-1]:.2f} | {plain[1]:.4f} | {fast[1]:.4f} | {difference:+.1e} "
                  f"| {plain[3] * 1e6:.0f} | {fast[3] * 1e6:.0f} |", flush=True)

    def mean(values):
        return math.exp(sum(map(math.log, values)) / len(values))

    print()
    print(f"Geometric means over {len(ratios)} mixtures: {mean(ratios):.2f} times fewer iterations "
          f"(least {min(ratios):.2f}), each {mean(costs):.3f} times as long, "
          f"so {mean(ratios) / mean(costs):.2f} times faster.")
    print(f"Ends lower than EM's by more than the tolerance: {lower}; "
          f"higher by more than twice the tolerance: {higher}.")


if __name__ == "__main__":
    main()
