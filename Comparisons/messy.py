#!/usr/bin/env python3
# Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

"""Times EM iterations on rows with noise of their own and on rows with gaps.

Extreme deconvolution is timed beside the C program of Bovy, Hogg & Roweis, built with -O2, from the same start and for the
same number of iterations, in alternation; without it, beside a version in numpy. Gaps are timed beside the same rows
without gaps. README.md beside this file says how to run it.
"""

import argparse
import csv
import ctypes
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
REPOSITORY = "https://github.com/jobovy/extreme-deconvolution"
ITERATIONS = 5


def make(n, d, k, seed=1):
    """Rows of a known mixture, a start near it, and a standard deviation of noise for every cell."""
    random = np.random.default_rng(seed)
    means = 3 * random.standard_normal((k, d))
    roots = random.standard_normal((k, d, d)) / np.sqrt(d) + 0.5 * np.eye(d)
    labels = random.integers(0, k, n)
    rows = means[labels] + np.einsum("nij,nj->ni", roots[labels], random.standard_normal((n, d)))
    deviations = random.uniform(0.1, 1.0, (n, d))
    rows += deviations * random.standard_normal((n, d))
    start = (np.full(k, 1 / k), means + 0.3 * random.standard_normal((k, d)), np.stack([np.eye(d)] * k) * 1.5)
    return rows, deviations, start


class Bovy:
    """The C program, through its interface for other languages; an iteration is the difference of two fits."""

    title = "extreme-deconvolution, C, -O2"

    def __init__(self, folder):
        sources = [f"src/{name}.c" for name in (
            "bovy_randvec", "calc_splitnmerge", "logsum", "minmax", "normalize_row", "proj_EM", "proj_EM_step",
            "proj_gauss_mixtures", "splitnmergegauss", "bovy_det", "proj_gauss_mixtures_IDL")]
        library = folder / "libextremedeconvolution.so"
        if not library.exists():
            subprocess.run(
                ["gcc", "-O2", "-fopenmp", "-fcommon", "-fPIC", "-shared", "-w", "-Isrc", "-o", library, *sources,
                 "-lgsl", "-lgslcblas", "-lm"], cwd=folder, check=True)
        self.function = ctypes.CDLL(str(library)).proj_gauss_mixtures_IDL

    def fit(self, rows, deviations, start, iterations):
        n, d = rows.shape
        k = len(start[0])

        def pointer(array):
            return array.ctypes.data_as(ctypes.POINTER(ctypes.c_double))

        data, noise = np.ascontiguousarray(rows), np.ascontiguousarray(deviations**2)
        empty, log = np.zeros(1), np.zeros(1)
        weights, means, covariances = (np.array(part, order="C") for part in start)
        no = (ctypes.c_char * k)(*[0] * k)
        began = time.perf_counter()
        self.function(
            pointer(data), pointer(noise), pointer(empty), pointer(empty), n, d, pointer(weights), pointer(means),
            pointer(covariances), d, k, no, no, no, pointer(log), ctypes.c_double(1e-300), iterations, ctypes.c_char(0),
            ctypes.c_double(0), (ctypes.c_char * 1)(0), 0, 0, (ctypes.c_char * 1)(0), 0, ctypes.c_char(1),
            ctypes.c_char(1), ctypes.c_char(1))
        return time.perf_counter() - began, (weights, means, covariances)


class Numpy:
    """The same in numpy: all rows of a component at once, T inverted by numpy.linalg."""

    title = "numpy"

    def fit(self, rows, deviations, start, iterations):
        weights, means, covariances = start
        n, d = rows.shape
        began = time.perf_counter()
        for _ in range(iterations):
            joints, gains = [], []
            for w, m, v in zip(weights, means, covariances):
                t = v + deviations[:, :, None] ** 2 * np.eye(d)
                inverse = np.linalg.inv(t)
                difference = rows - m
                solved = np.einsum("nij,nj->ni", inverse, difference)
                joints.append(np.log(w) - 0.5 * (np.einsum("ni,ni->n", difference, solved) + np.linalg.slogdet(t)[1]))
                gains.append((solved, inverse))
            joints = np.array(joints)
            joints -= joints.max(0)
            shares = np.exp(joints)
            shares /= shares.sum(0)
            new = []
            for r, m, v, (solved, inverse) in zip(shares, means, covariances, gains):
                b = solved @ v
                mean = m + r @ b / r.sum()
                moved = b + m - mean
                rest = v - np.einsum("ij,njk,kl->nil", v, inverse, v)
                new.append((r.sum() / n, mean, (np.einsum("n,ni,nj->ij", r, moved, moved)
                                               + np.einsum("n,nij->ij", r, rest)) / r.sum()))
            weights, means, covariances = (np.array(part) for part in zip(*new))
        return time.perf_counter() - began, (weights, means, covariances)


def log_likelihood(rows, deviations, parameters):
    """The judge: the mean log-likelihood of the noisy rows."""
    d = rows.shape[1]
    joints = []
    for w, m, v in zip(*parameters):
        t = v + deviations[:, :, None] ** 2 * np.eye(d)
        difference = rows - m
        q = np.einsum("ni,ni->n", difference, np.linalg.solve(t, difference[:, :, None])[:, :, 0])
        joints.append(np.log(w) - 0.5 * (q + np.linalg.slogdet(t)[1] + d * np.log(2 * np.pi)))
    joints = np.array(joints)
    top = joints.max(0)
    return float(np.mean(top + np.log(np.exp(joints - top).sum(0))))


class Ours:
    """`gmm fit`; the time of an iteration is taken from its trace."""

    title = "swift-mixtures"

    def __init__(self, gmm, threads):
        self.gmm, self.threads = gmm, threads

    def fit(self, folder, start, flags, iterations):
        weights, means, covariances = start
        (folder / "start.json").write_text(json.dumps({
            "format": "swift-mixtures/model", "version": 1, "structure": "VVV",
            "features": [str(j + 1) for j in range(means.shape[1])], "weights": weights.tolist(),
            "means": means.tolist(), "covariances": covariances.tolist()}))
        subprocess.run(
            [self.gmm, "fit", "data.npy", "--start", "model=start.json", "--tolerance", "0", "--floor", "0",
             "--acceleration", "none", "--iterations", str(iterations), "--threads", str(self.threads),
             "--trace", "trace.csv", "-o", "fitted.json", "--quiet", *flags],
            cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with open(folder / "trace.csv") as file:
            seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
        model = json.loads((folder / "fitted.json").read_text())
        return (seconds[-1] - seconds[0]) / iterations, tuple(
            np.array(model[key]) for key in ("weights", "means", "covariances"))


def find_other(folder):
    """The C program, if it can be had."""
    if folder is None:
        folder = Path(tempfile.gettempdir()) / "extreme-deconvolution"
        if not folder.exists():
            if subprocess.run(["git", "clone", "--quiet", "--depth", "1", REPOSITORY, folder]).returncode != 0:
                return Numpy(), "the C program could not be fetched"
    try:
        return Bovy(Path(folder)), None
    except (OSError, subprocess.CalledProcessError) as error:
        return Numpy(), f"the C program could not be built ({error}); it needs gcc and the GNU Scientific Library"


def deconvolution(options, lines):
    rows, deviations, start = make(100_000, 6, 20)
    other, note = find_other(options.extreme_deconvolution)
    ours = Ours(options.gmm, options.threads)
    times = {ours.title: [], other.title: []}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        np.save(folder / "data.npy", rows)
        np.save(folder / "noise.npy", deviations)
        for _ in range(options.repetitions):
            seconds, mine = ours.fit(folder, start, ["--noise", "noise.npy"], ITERATIONS)
            times[ours.title].append(seconds)
            short, _ = other.fit(rows, deviations, start, 1)
            long, theirs = other.fit(rows, deviations, start, 1 + ITERATIONS)
            times[other.title].append((long - short) / ITERATIONS)
        _, theirs = other.fit(rows, deviations, start, ITERATIONS)
    judged = [log_likelihood(rows, deviations, parameters) for parameters in (mine, theirs)]
    lines += [
        "## Extreme deconvolution: n = 100,000, d = 6, K = 20, a standard deviation for every cell", "",
        "| program | ms per iteration, median | mean log-likelihood after as many iterations |", "|---|---:|---:|"]
    for (title, values), value in zip(times.items(), judged):
        lines.append(f"| {title} | {1e3 * statistics.median(values):.1f} | {value:.9f} |")
    ratio = statistics.median(times[other.title]) / statistics.median(times[ours.title])
    lines += ["", f"Ours is {ratio:.1f} times as fast." + (f" Note: {note}." if note else ""), ""]


def gaps(options, lines):
    rows, _, start = make(200_000, 8, 10, seed=2)
    random = np.random.default_rng(3)
    patterns = np.unique(random.random((200, 8)) < 0.25, axis=0)
    patterns = patterns[~patterns.all(1)][:19]
    chosen = random.integers(0, 20, len(rows))
    gappy = rows.copy()
    for number, pattern in enumerate(patterns):
        gappy[np.ix_(chosen == number, pattern)] = np.nan
    ours = Ours(options.gmm, options.threads)
    times = {"complete": [], "20 patterns": []}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for _ in range(options.repetitions):
            for name, data, flags in (("complete", rows, ["--skipping", "off"]), ("20 patterns", gappy, ["--missing"])):
                np.save(folder / "data.npy", data)
                times[name].append(ours.fit(folder, start, flags, 10)[0])
    lines += ["## Missing values: n = 200,000, d = 8, K = 10", "",
              "| rows | ms per iteration, median |", "|---|---:|"]
    lines += [f"| {name} | {1e3 * statistics.median(values):.1f} |" for name, values in times.items()]
    ratio = statistics.median(times["20 patterns"]) / statistics.median(times["complete"])
    lines += ["", f"Rows with 20 patterns of gaps take {ratio:.2f} times as long as complete ones.", ""]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gmm", default=str(HERE.parent / ".build/release/gmm"))
    parser.add_argument("--extreme-deconvolution", metavar="FOLDER", help="sources of the C program")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--output", metavar="FOLDER", help="default: runs/DATE-messy")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    if not shutil.which(options.gmm):
        raise SystemExit(f"{options.gmm} is not there; build it with: swift build -c release")
    processor = platform.processor() or platform.machine()
    for line in open("/proc/cpuinfo") if os.path.exists("/proc/cpuinfo") else []:
        if line.startswith("model name"):
            processor = line.split(":")[1].strip()
            break
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True).stdout.strip()
    lines = ["# Rows with noise, rows with gaps", "",
             f"{datetime.date.today()}, {processor}, {os.cpu_count()} processors, {options.threads} threads, commit {commit}; "
             f"`python3 Comparisons/messy.py --threads {options.threads} --repetitions {options.repetitions}`", ""]
    deconvolution(options, lines)
    gaps(options, lines)
    text = "\n".join(lines)
    print(text)
    folder = Path(options.output or HERE / "runs" / f"{datetime.date.today()}-messy")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(text)


if __name__ == "__main__":
    main()
