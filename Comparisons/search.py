#!/usr/bin/env python3
"""A search over all fourteen structures and 1 to 9 components, beside R's mclust.

Tables: iris and Old Faithful, mclust's own data sets, and mixtures that are drawn from fixed seeds; the largest has 20,000
rows of 6 features. Both programs search by their defaults. For each table: the time of both, how many candidates end with a
BIC that is worse or better by more than 0.01 than the other's, for all and for three components at most, and what both
choose. mclust is ended after --limit seconds.

    swift build -c release --product gmm
    python3 Comparisons/search.py [--gmm PATH] [--tables iris,faithful,…] [--repeats 3] [--limit 600] > README.md

It needs numpy, and Rscript with mclust. Time is that of the search: for ours the whole command, which also reads the file,
for mclust the call of mclustBIC.
"""

import argparse
import csv
import datetime
import json
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

import numpy as np

DATA_SETS = {
    "iris": "iris[, 1:4]", "faithful": "faithful", "banknote": "banknote[, -1]",
    "diabetes": "diabetes[, -1]", "thyroid": "thyroid[, -1]", "wreath": "wreath",
    "cross": "cross[, -1]", "chevron": "chevron[, -1]", "EuroUnemployment": "EuroUnemployment",
    "acidity": "data.frame(x = acidity)", "ex4.1": "ex4.1", "ex4.2": "ex4.2", "ex4.3": "ex4.3",
    "ex4.4.1": "ex4.4.1",
    "wdbc, 3 columns": "wdbc[, c('Texture_mean', 'Area_extreme', 'Smoothness_extreme')]",
}
# Rows, features and components of tables that are drawn.
DRAWN = {
    "drawn 1": (300, 2, 3), "drawn 2": (400, 3, 4), "drawn 3": (250, 4, 3), "drawn 4": (600, 5, 5),
    "drawn 5": (500, 6, 4), "drawn 6": (500, 3, 6), "drawn, 20,000 × 6": (20_000, 6, 5),
}

SCRIPT = """
suppressPackageStartupMessages(library(mclust))
arguments <- commandArgs(trailingOnly = TRUE)
x <- as.matrix(read.csv(arguments[1]))
best <- Inf
for (i in seq_len(as.integer(arguments[2]))) {
  t <- system.time(b <- mclustBIC(x, G = 1:9, verbose = FALSE))
  best <- min(best, t[["elapsed"]])
}
cat("seconds", best, "\\n")
for (s in colnames(b)) for (k in 1:9) if (!is.na(b[k, s])) cat(k, s, format(-b[k, s], digits = 15), "\\n")
"""


def write_tables(folder):
    """All tables as CSV files; returns their paths."""
    paths = {name: folder / f"{index}.csv" for index, name in enumerate(DATA_SETS)}
    lines = ["suppressPackageStartupMessages(library(mclust))"]
    lines += [
        f"data({name})" for name in
        ["banknote", "diabetes", "thyroid", "wreath", "cross", "chevron", "EuroUnemployment", "acidity",
         "wdbc", "Baudry_etal_2010_JCGS_examples"]
    ]
    for name, expression in DATA_SETS.items():
        lines += [
            f"x <- as.matrix({expression}); colnames(x) <- paste0('v', seq_len(ncol(x)))",
            f"write.csv(format(as.data.frame(x), digits = 17), '{paths[name]}', row.names = FALSE, quote = FALSE)",
        ]
    subprocess.run(["Rscript", "-e", "\n".join(lines)], check=True, capture_output=True)
    for seed, (name, (n, d, count)) in enumerate(DRAWN.items()):
        random = np.random.default_rng(seed)
        weights = 0.2 + random.random(count)
        labels = random.choice(count, n, p=weights / weights.sum())
        rows = np.empty((n, d))
        for k in range(count):
            own = labels == k
            factor = random.standard_normal((d, d)) / np.sqrt(d) + 0.5 * np.eye(d)
            rows[own] = random.standard_normal((own.sum(), d)) @ factor + 2.2 * random.standard_normal(d)
        paths[name] = folder / f"drawn-{seed}.csv"
        header = ",".join(f"v{j + 1}" for j in range(d))
        np.savetxt(paths[name], rows, delimiter=",", header=header, comments="", fmt="%.17g")
    return paths


def ours(gmm, path, repeats):
    """Seconds of the fastest search; and by K and structure BIC and whether a likelihood says little."""
    command = [gmm, "fit", str(path), "-k", "1...9", "--covariance", "all", "--quiet", "--format", "json"]
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        output = subprocess.run(command, check=True, capture_output=True).stdout
        seconds.append(time.perf_counter() - began)
    candidates = json.loads(output)["candidates"]
    return min(seconds), {(c["components"], c["structure"]): c["bic"] for c in candidates if "bic" in c}


def mclust(path, repeats, limit, folder):
    """The same of mclust; None for what it does not finish."""
    script = folder / "search.R"
    script.write_text(SCRIPT)
    try:
        output = subprocess.run(
            ["Rscript", str(script), str(path), str(repeats)], check=True, capture_output=True, text=True,
            timeout=limit * repeats).stdout
    except subprocess.TimeoutExpired:
        return None, {}
    lines = [line.split() for line in output.splitlines()]
    names = {"E": "EII", "V": "VII"}
    table = {(int(w[0]), names.get(w[1], w[1])): float(w[2]) for w in lines[1:]}
    return float(lines[0][1]), table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("--gmm", default=str(root / ".build/release/gmm"))
    parser.add_argument("--tables", help="names, separated by semicolons")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=600)
    options = parser.parse_args()
    commit = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    processor = platform.processor() or platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if platform.system() == "Linux" else []:
        if line.startswith("model name"):
            processor = line.split(":")[1].strip()
            break
    version = subprocess.run(
        ["Rscript", "-e", "cat(format(packageVersion('mclust')))"], capture_output=True, text=True).stdout
    print(f"{datetime.date.today()}, {processor}, commit {commit}, mclust {version}; fastest of {options.repeats}\n")
    print("| table | rows | features | ours, s | mclust, s | candidates of both | worse, K ≤ 3 | worse | better | "
          "ours chooses | mclust chooses |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|---|---|")
    totals = np.zeros(4, dtype=int)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for table, path in write_tables(folder).items():
            if options.tables and table not in options.tables.split(";"):
                continue
            with open(path) as file:
                rows = list(csv.reader(file))
            repeats = options.repeats if len(rows) < 5000 else 1
            seconds, own = ours(options.gmm, path, options.repeats)
            other_seconds, other = mclust(path, repeats, options.limit, folder)
            both = [cell for cell in other if cell in own]
            worse = [cell for cell in both if own[cell] > other[cell] + 0.01]
            better = [cell for cell in both if own[cell] < other[cell] - 0.01]
            few = sum(cell[0] <= 3 for cell in worse)
            totals += [len(both), few, len(worse), len(better)]

            def choice(values):
                if not values:
                    return "–"
                (k, structure), bic = min(values.items(), key=lambda item: item[1])
                return f"{structure}, {k}: {bic:.2f}"

            shown = f"> {options.limit:.0f}" if other_seconds is None else f"{other_seconds:.2f}"
            print(f"| {table} | {len(rows) - 1} | {len(rows[0])} | {seconds:.2f} | {shown} | {len(both)} | {few} | "
                  f"{len(worse)} | {len(better)} | {choice(own)} | {choice(other)} |")
            sys.stdout.flush()
    print(f"| all | | | | | {totals[0]} | {totals[1]} | {totals[2]} | {totals[3]} | | |")


if __name__ == "__main__":
    main()
