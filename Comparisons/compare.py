#!/usr/bin/env python3
# Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

"""Times swift-mixtures and other programs: an EM iteration from the same start, in alternation, and whole fits.

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
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

# The judge uses threads of its own, so OpenBLAS, which reads this when numpy is imported, needs one. The programs are
# told otherwise.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

if sys.argv[1:2] == ["--install"]:
    import install

    sys.exit(install.main(sys.argv[2:]))

import numpy as np

from peers import PEERS
from works import SOLUTION, WORKS, Mixture, make

HERE = Path(__file__).resolve().parent
OURS = "swift-mixtures"
AGREEMENT = 1e-8  # relative difference of log-likelihoods that passes as equal


# ---------------------------------------------------------------------------------------- the programs


class Failure(Exception):
    """A program did not do what it was asked, which is reported and ends no run."""


class Ours:
    """`gmm fit`; the time of an iteration is taken from its trace, which begins after reading and the first E-step."""

    def __init__(self, options, folder, work, title, flags):
        self.title, self.folder, self.iterations, self.times = title, folder, work.iterations, []
        self.estimate, self.note = None, None
        self.command = [
            options.gmm, "fit", "data.npy", "--start", "model=start.json", "--tolerance", "0", "--floor", "0",
            "--acceleration", "none",
            "--iterations", str(work.iterations), "--threads", str(options.threads),
            "--trace", "trace.csv", "-o", "fitted.json", "--quiet", *flags,
        ]

    def measure(self):
        subprocess.run(self.command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        self.trace = read_trace(self.folder)
        if len(self.trace) != self.iterations + 1:
            raise SystemExit(f"{self.title} made {len(self.trace) - 1} iterations instead of {self.iterations}")
        self.parameters = read_model(self.folder)
        self.times.append((self.trace[0][0], self.trace[-1][0]))

    def seconds(self):
        return statistics.median(last - first for first, last in self.times) / self.iterations

    def result(self):
        return self.parameters

    def close(self):
        pass


class Other:
    """A worker process; an iteration is the difference of a long and a short fit, so what is done once cancels."""

    def __init__(self, options, folder, name):
        self.title, self.folder, self.patience = PEERS[name].title, folder, options.patience
        self.iterations, self.times, self.spent = 1, [], 0.0
        self.estimate, self.note = None, None
        variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        self.messages = open(folder.parent / f"{name}.txt", "w+")
        # In a session of its own, so that the processes that it starts end with it.
        self.process = subprocess.Popen(
            [sys.executable, HERE / "peers.py", name, folder, str(options.threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.messages, text=True, start_new_session=True,
            env=os.environ | {v: str(options.threads) for v in variables})

    def ask(self, request, limit):
        self.signal(signal.SIGCONT)
        try:
            self.process.stdin.write(f"{request}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the empty answer below says why
        if not select.select([self.process.stdout], [], [], limit)[0]:
            raise Failure(f"no answer in {limit:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            self.messages.seek(0)
            last = (self.messages.read().strip() or "no message").splitlines()[-1]
            raise Failure(f"it ended with status {self.process.wait()}: {last[:200]}")
        self.signal(signal.SIGSTOP)  # or what it does after its answer would take time from the next program
        answer = json.loads(line)
        if isinstance(answer, dict):
            raise Failure(answer["error"])
        return answer

    def prepare(self, work):
        """Estimates an iteration on a part of the rows, so that slow programs cost little time; then warms up."""
        rows = min(work.n, max(work.n // 40, 2 * work.k * work.d, 1_000))
        limit = 10 * self.patience
        estimate = self.ask(f"probe {rows}", limit) * work.n / rows
        if estimate > self.patience:
            self.estimate = estimate
            raise Failure(f"too slow; the time is an estimate from {rows:,} rows")
        self.iterations = min(work.iterations, max(2, int(self.patience / max(estimate, 1e-9))))
        self.ask("fit 1", limit)

    def measure(self):
        # One difference of two times says little if the machine was disturbed, so slow programs are measured thrice too.
        if self.note or self.spent > self.patience and len(self.times) >= 3:
            return
        try:
            limit = 10 * self.patience
            # The first fit after a pause pays for memory that the next ones find in place: of no time of its own.
            self.ask("fit 1", limit)
            short, long = self.ask("fit 1", limit), self.ask(f"fit {self.iterations}", limit)
        except Failure as failure:
            self.leave(failure)
        else:
            self.times.append((short, long))
            self.spent += short + long

    def seconds(self):
        short, long = (statistics.median(times) for times in zip(*self.times))
        return (long - short) / (self.iterations - 1)

    def result(self):
        path = self.folder / "result.npz"
        self.ask(f"save {path}", 60)
        return Mixture(**np.load(path))

    def leave(self, why):
        self.note = str(why)
        self.close()  # or it would slow down the others

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def close(self):
        self.signal(signal.SIGKILL)
        self.process.wait()
        self.messages.close()


def write_start(folder, work, start):
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
    np.savez(folder / "start.npz", **vars(start))


def read_model(folder):
    model = json.loads((folder / "fitted.json").read_text())
    covariances = np.array(model["covariances"])
    if model["structure"] == "VVI":
        covariances = np.diagonal(covariances, axis1=1, axis2=2)
    return Mixture(np.array(model["weights"]), np.array(model["means"]), covariances)


def read_trace(folder):
    """Seconds and log-likelihood at every E-step."""
    with open(folder / "trace.csv") as file:
        return [(float(row["seconds"]), float(row["log_likelihood"])) for row in csv.DictReader(file)]


# ---------------------------------------------------------------------------------------- measuring


def say(options, text):
    print(f"{time.monotonic() - options.began:4.0f} s  {text}", flush=True)


def compare(options, work, folder):
    """One row for each program: its time for an iteration, and how far its log-likelihood is from ours."""
    busy = taken_by_others()
    x, start = make(work)
    np.save(folder / "data.npy", x)
    write_start(folder, work, start)
    programs = [Ours(options, folder, work, title, flags) for title, flags in options.ours]
    rows, left_out = [], {}
    try:
        for name in options.peers:
            if why := PEERS[name].cannot(work):
                left_out[PEERS[name].title] = why
                continue
            other = Other(options, folder, name)
            programs.append(other)
            try:
                other.prepare(work)
            except Failure as failure:
                other.leave(failure)
        for _ in range(work.repeats):
            for program in programs:
                program.measure()
        trace = programs[0].trace
        for program in programs:
            row = dict(work=work.name, program=program.title, iterations=program.iterations, times=program.times,
                       estimate=program.estimate, note=program.note, log_likelihood=None, difference=None)
            if program.times and program.seconds() <= 0:
                row |= dict(note="disturbed: the long fit took no more time than the short one", times=[])
            if row["times"]:
                try:
                    # Ours is the log-likelihood that it reports, so that it is judged like the others.
                    value = program.result().mean_log_likelihood(x)
                    reported = trace[program.iterations][1] / work.n
                    row |= dict(log_likelihood=value, difference=abs(value / reported - 1))
                except (Failure, np.linalg.LinAlgError) as error:
                    row |= dict(note=f"no result: {error}", times=[])
            if row["times"] and seconds_of(row) <= 0:
                row |= dict(note="disturbed: longer fits took no longer", times=[])
            rows.append(row)
    finally:
        for program in programs:
            program.close()
    rows += [dict(work=work.name, program=title, iterations=0, times=[], estimate=None, note=why, log_likelihood=None,
                  difference=None) for title, why in left_out.items()]
    for row in rows:
        row |= dict(busy=busy, commit=options.commit)
        if row["times"]:
            say(options, f'  {row["program"]:<28} {duration(seconds_of(row)):>8}  {len(row["times"]):>2} times '
                f'{row["iterations"]:>3} iterations, mean log-likelihood {row["log_likelihood"]:.10f}'
                f'{"" if agrees(row) else "  DIFFERS"}')
        else:
            about = f'about {duration(row["estimate"])}' if row["estimate"] else "–"
            say(options, f'  {row["program"]:<28} {about:>8}  {row["note"]}')
    return rows


def solve(options, seed, folder):
    """One row for each program: a whole fit as it comes, judged by the log-likelihood that it reaches."""
    work = replace(SOLUTION, seed=seed)
    x, _ = make(work)
    np.save(folder / "data.npy", x)
    say(options, f"whole fits, {work.title}, seed {seed}")

    def fit(*flags):
        command = [options.gmm, "fit", "data.npy", "-k", str(work.k), "--threads", str(options.threads),
                   "--trace", "trace.csv", "-o", "fitted.json", "--quiet", *flags]
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began

    tolerance = ["--tolerance", "1e-3"]
    rows = [dict(program=f"{OURS} {' '.join(tolerance)}", seconds=fit(*tolerance), ours=None, note=None,
                 iterations=len(read_trace(folder)) - 1, log_likelihood=read_model(folder).mean_log_likelihood(x))]
    # Ours before and after every other, for a machine may become slower in the minutes that those take.
    all_ours = [fit()]
    log_likelihood = read_model(folder).mean_log_likelihood(x)
    for name in options.solvers:
        row = dict(program=PEERS[name].title, seconds=None, iterations=None, log_likelihood=None, ours=None, note=None)
        rows.append(row)
        other = Other(options, folder, name)
        try:
            seconds, iterations = other.ask(f"solve {work.k}", options.limit)
            row |= dict(seconds=seconds, iterations=iterations,
                        log_likelihood=other.result().mean_log_likelihood(x))
        except Failure as failure:
            row["note"] = str(failure)
        finally:
            other.close()
        all_ours.append(fit())
        row["ours"] = statistics.mean(all_ours[-2:])
    whole, trace = all_ours[-1], read_trace(folder)
    rows.insert(0, dict(program=OURS, seconds=statistics.median(all_ours), iterations=len(trace) - 1, ours=None, note=None,
                        log_likelihood=log_likelihood))
    scale = statistics.median(all_ours) / whole
    for row in rows:
        # How long ours took to get as far, everything that it did before included.
        reached = None
        if row["log_likelihood"] is not None:
            enough = work.n * (row["log_likelihood"] - 1e-9)
            there = [second for second, value in trace if value >= enough]
            reached = scale * (whole - trace[-1][0] + there[0]) if there else None
        row |= dict(seed=seed, reached=reached, commit=options.commit)
        if row["seconds"] is None:
            say(options, f'  {row["program"]:<28} {row["note"]}')
        else:
            say(options, f'  {row["program"]:<28} {duration(row["seconds"]):>8} {row["iterations"] or "?":>5} iterations, '
                f'mean log-likelihood {row["log_likelihood"]:.6f}')
    return rows


# ---------------------------------------------------------------------------------------- the record of a run


class Run:
    """A folder with results.csv, solutions.csv, and README.md, which is made from them."""

    columns = ("work n d K covariance program iterations repeat short_seconds long_seconds mean_log_likelihood "
               "relative_difference estimate_seconds busy_processors commit note").split()
    solution_columns = "seed program seconds ours_beside_it iterations mean_log_likelihood ours_reached_after commit note".split()

    def __init__(self, folder):
        self.folder, self.rows, self.solutions = folder, [], []

    def load(self):
        number = lambda text, kind=float: kind(text) if text else None
        for line in self.lines("results.csv"):
            key = line["work"], line["program"]
            if not self.rows or (self.rows[-1]["work"], self.rows[-1]["program"]) != key:
                self.rows.append(dict(
                    work=line["work"], program=line["program"], iterations=int(line["iterations"]), times=[],
                    estimate=number(line["estimate_seconds"]), note=line["note"] or None,
                    log_likelihood=number(line["mean_log_likelihood"]), busy=number(line["busy_processors"]),
                    difference=number(line["relative_difference"]), commit=line["commit"]))
            if line["repeat"]:
                self.rows[-1]["times"].append((float(line["short_seconds"]), float(line["long_seconds"])))
        for line in self.lines("solutions.csv"):
            self.solutions.append(dict(
                seed=int(line["seed"]), program=line["program"], seconds=number(line["seconds"]),
                ours=number(line["ours_beside_it"]),
                iterations=number(line["iterations"], int), log_likelihood=number(line["mean_log_likelihood"]),
                reached=number(line["ours_reached_after"]), commit=line["commit"], note=line["note"] or None))

    def lines(self, name):
        path = self.folder / name
        return list(csv.DictReader(open(path))) if path.exists() else []

    def write(self, options):
        self.folder.mkdir(parents=True, exist_ok=True)
        digits = lambda value, form: "" if value is None else format(value, form)
        exact = lambda value: "" if value is None else repr(float(value))
        with open(self.folder / "results.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.columns)
            for row in self.rows:
                work = next(w for w in WORKS if w.name == row["work"])
                for repeat, (short, long) in list(enumerate(row["times"])) or [("", (None, None))]:
                    writer.writerow([
                        work.name, work.n, work.d, work.k, work.covariance, row["program"], row["iterations"], repeat,
                        digits(short, ".6g"), digits(long, ".6g"), exact(row["log_likelihood"]),
                        digits(row["difference"], ".2g"), digits(row["estimate"], ".3g"), digits(row["busy"], ".2f"),
                        row["commit"], row["note"]])
        with open(self.folder / "solutions.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.solution_columns)
            for row in self.solutions:
                writer.writerow([
                    row["seed"], row["program"], digits(row["seconds"], ".6g"), digits(row["ours"], ".6g"), row["iterations"],
                    exact(row["log_likelihood"]), digits(row["reached"], ".6g"), row["commit"], row["note"]])
        (self.folder / "README.md").write_text(self.page(options))

    # What a person reads.

    def section(self, options):
        """The section "How fast" of the README."""
        parts = ["## How fast\n"]
        if self.rows:
            parts.append("One EM iteration, from the same start on the same observations, in float64 with "
                         f"{options.threads} threads; medians, the programs in alternation.\n")
            parts.append(self.iteration_table())
            parts.append(self.verdict())
        if self.solutions:
            parts.append(f"A whole fit, from the observations to the model, of {SOLUTION.title}, by the defaults of each "
                         "program. Ours is the whole command `gmm fit`, with reading and writing; the others have the "
                         "observations in memory. Ours runs before and after each of them, for the ratio. The log-likelihood is the mean for an observation, of the model that the "
                         "program ends with.\n")
            parts.append(self.solution_table())
            parts.append(self.summary())
        where = f"Comparisons/runs/{self.folder.name}"
        parts.append(f"Measured on {self.folder.name[:10]} on {processor()}; [{where}]({where}/README.md) has every "
                     "measurement, versions, and what was left out and why.\n")
        return "\n".join(part for part in parts if part)

    def iteration_table(self):
        titles = list(dict.fromkeys(row["program"] for row in self.rows))
        titles.sort(key=lambda title: (not title.startswith(OURS), order(title)))
        ours = [title for title in titles if title.startswith(OURS)]
        ratios = [f"fastest other / {title.removeprefix(OURS).strip(' ,') or 'ours'}" for title in ours]
        lines = ["| work | " + " | ".join(titles + ratios) + " |", "|---" + "|---:" * (len(titles) + len(ratios)) + "|"]
        for work in WORKS:
            rows = {row["program"]: row for row in self.rows if row["work"] == work.name}
            if rows:
                least = min((seconds_of(row) for title, row in rows.items()
                             if title not in ours and row["times"] and agrees(row)), default=None)
                cells = [cell(rows.get(title)) for title in titles]
                for title in ours:
                    row = rows.get(title)
                    cells.append(f"{least / seconds_of(row):.1f} ×" if least and row and row["times"] else "–")
                lines.append(f"| {work.title} | " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"

    def verdict(self):
        text = "≈ marks estimates from a part of the rows, for programs that take long; – what a program cannot do. "
        if any(row["times"] and not agrees(row) for row in self.rows):
            return text + ("≠ marks those whose log-likelihood after the same iterations differs from ours by more than "
                           "10⁻⁸ of it: they do other work, and do not count as the fastest other. All others agree.\n")
        return text + "All programs that were timed reached the same log-likelihood, to 10⁻⁸ of it.\n"

    def solution_table(self):
        lines = ["| data | program | seconds | iterations | log-likelihood | ours gets there after | times as long as ours |",
                 "|---:|---|---:|---:|---:|---:|---:|"]
        for row in self.solutions:
            if row["seconds"] is None:
                lines.append(f'| {row["seed"]} | {row["program"]} | – | – | – | – | – |')
                continue
            other = not row["program"].startswith(OURS)
            reached = ("never" if row["reached"] is None else f'{row["reached"]:.2f} s') if other else ""
            times = f'{row["seconds"] / row["ours"]:.1f} ×' if other else ""
            lines.append(f'| {row["seed"]} | {row["program"]} | {row["seconds"]:.2f} | '
                         f'{"–" if row["iterations"] is None else row["iterations"]} | {row["log_likelihood"]:.5f} | '
                         f'{reached} | {times} |')
        return "\n".join(lines) + "\n"

    def summary(self):
        """What the table says of each program, in a line."""
        lines = []
        for title in dict.fromkeys(r["program"] for r in self.solutions if not r["program"].startswith(OURS)):
            pairs = [(row, next(r for r in self.solutions if r["seed"] == row["seed"] and r["program"] == OURS))
                     for row in self.solutions if row["program"] == title and row["seconds"] is not None]
            if pairs:
                ratios = [row["seconds"] / row["ours"] for row, _ in pairs]
                gaps = [ours["log_likelihood"] - row["log_likelihood"] for row, ours in pairs]
                lines.append(f"- {title} takes {span(ratios, '.1f')} times as long as ours, which ends "
                             f"{span(gaps, '+.4f')} nats an observation from it.")
        return "\n".join(lines) + "\n"

    def page(self, options):
        left_out = [f'- {row["program"]}, {next(w.title for w in WORKS if w.name == row["work"])}: {row["note"]}.'
                    for row in self.rows if row["note"]]
        left_out += [f'- {row["program"]}, whole fit, data {row["seed"]}: {row["note"]}.'
                     for row in self.solutions if row["note"]]
        if self.solutions:
            done = {row["program"] for row in self.solutions}
            for name, peer in PEERS.items():
                if peer.title not in done:
                    row = next((r for r in self.rows if (r["work"], r["program"]) == ("d8", peer.title)), None)
                    takes = row and (row["estimate"] or row["times"] and seconds_of(row))
                    reason = f"an iteration takes about {duration(takes)}" if takes else "it was not asked for"
                    left_out.append(f"- {peer.title}, whole fits: not run; {reason}. Its defaults: {peer.defaults}.")
        busy = ", ".join(f"{work.name} {value:.1f}" for work in WORKS for value in
                         [next((r["busy"] for r in self.rows if r["work"] == work.name), None)] if value is not None)
        commits = ", ".join(dict.fromkeys(row["commit"] for row in self.rows + self.solutions))
        peers = "\n".join(f"| {peer.title} | {version_of(peer)}; threads: {peer.threads_used} |" for peer in PEERS.values())
        defaults = "\n".join(f"- {PEERS[name].title}: {PEERS[name].defaults}." for name in options.solvers)
        return f"""# Times of {self.folder.name[:10]}

{self.section(options).replace("## How fast", "## Results", 1)}
## Left out

{chr(10).join(left_out) or "Nothing."}

## Defaults

What the programs do in a whole fit. "Data" is the seed of the observations.

- swift-mixtures: `gmm fit -k {SOLUTION.k}` with nothing else; a second row with `--tolerance 1e-3`.
{defaults}

## Measured with

| | |
|---|---|
| begun | {options.date:%Y-%m-%d %H:%M} UTC |
| processor | {processor()}, {os.cpu_count()} processors |
| kernels | {(output(options.gmm, "kernels").splitlines() or ["unknown"])[0]} |
| processors that others kept busy before each work | {busy or "unknown"} |
| system | {platform.system()} {platform.release()}, {platform.libc_ver()[0]} {platform.libc_ver()[1]} |
| commit | {commits} |
| Swift | {output("swift", "--version").splitlines()[0]} |
| Python, NumPy | {platform.python_version()}, {np.__version__} |
{peers}
| command | `{" ".join(["compare.py", *sys.argv[1:]])}` |

`results.csv` and `solutions.csv` hold every measurement. How they are taken is said in
[Comparisons/README.md](../../README.md).
"""


def seconds_of(row):
    """Of an iteration: the long fit less the short one. Ours times the first E-step as the short one."""
    if row["program"].startswith(OURS):
        return statistics.median(last - first for first, last in row["times"]) / row["iterations"]
    short, long = (statistics.median(times) for times in zip(*row["times"]))
    return (long - short) / (row["iterations"] - 1)


def agrees(row):
    return row["difference"] is not None and row["difference"] <= AGREEMENT


def order(title):
    titles = [peer.title for peer in PEERS.values()]
    return titles.index(title) if title in titles else -1


def cell(row):
    if row is None or not (row["times"] or row["estimate"]):
        return "–"
    if not row["times"]:
        return f'≈ {duration(row["estimate"])}'
    return duration(seconds_of(row)) + ("" if agrees(row) else " ≠")


def span(values, form):
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def duration(seconds):
    for unit, scale in (("s", 1), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def output(*command):
    try:
        return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True).stdout.strip() or "unknown"
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def version_of(peer):
    try:
        return peer.version()
    except Exception:
        return "not installed"


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


def our_programs(gmm):
    """Ours without and with skipping of work that changes no bit, and always plain EM, where the command has the options."""
    known = output(gmm, "help", "fit")
    plain = ["--acceleration", "none"] if "--acceleration" in known else []
    if "--skipping" not in known:
        return [(OURS, plain)]
    return [(f"{OURS}, skipping {state}", ["--skipping", state, *plain]) for state in ("off", "on")]


def parse():
    names = lambda text: [name for name in text.split(",") if name]
    def known(values):
        def check(text):
            if unknown := [name for name in names(text) if name not in values]:
                raise argparse.ArgumentTypeError(f"{unknown[0]} is not one of {', '.join(values)}")
            return names(text)
        return check
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gmm", default=HERE.parent / ".build/release/gmm", type=lambda p: Path(p).resolve())
    parser.add_argument("--works", default=[w.name for w in WORKS], type=known([w.name for w in WORKS]),
                        help="names, separated by commas; '' for none")
    parser.add_argument("--peers", default=list(PEERS), type=known(PEERS), help=f"of {', '.join(PEERS)}")
    parser.add_argument("--solvers", default=["sklearn", "onedal", "armadillo"], type=known(PEERS),
                        help="programs that make whole fits, beside ours")
    parser.add_argument("--seeds", default=[3], type=lambda text: [int(s) for s in names(text)],
                        help="seeds of the observations for whole fits; '' for none")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--patience", type=float, default=4,
                        help="seconds to spend on each program and work, about; slower ones are only estimated")
    parser.add_argument("--limit", type=float, default=150, help="seconds that a whole fit may take")
    parser.add_argument("--output", type=Path, help="folder for the record (default: runs/DATE-PROCESSOR)")
    parser.add_argument("--install", metavar="FOLDER",
                        help="install the other programs, Python's in a new virtual environment in FOLDER; alone")
    parser.add_argument("--resume", action="store_true", help="keep what the folder already holds")
    return parser.parse_args()


def main():
    options = parse()
    if options.install:
        raise SystemExit("--install stands alone: compare.py --install FOLDER")
    options.began, options.date = time.monotonic(), datetime.datetime.now(datetime.timezone.utc)
    if not options.gmm.exists():
        raise SystemExit(f"There is no {options.gmm}: swift build -c release makes it.")
    options.ours = our_programs(options.gmm)
    engine = ("--", "../Sources", "../Package.swift")
    options.commit = output("git", "log", "-1", "--format=%h", *engine)
    if output("git", "status", "--porcelain", *engine) != "unknown":
        options.commit += " with changes"
    cpu = re.sub(r"[^A-Za-z0-9]+", "-", processor()).strip("-").lower()
    run = Run(options.output or HERE / "runs" / f"{options.date:%Y-%m-%d}-{cpu}")
    if options.resume:
        run.load()
    elif (run.folder / "results.csv").exists():
        raise SystemExit(f"{run.folder} holds a run: --resume goes on with it, --output FOLDER writes elsewhere.")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "work")
        for work in WORKS:
            if work.name in options.works and not any(row["work"] == work.name for row in run.rows):
                say(options, work.title)
                folder.mkdir()
                run.rows += compare(options, work, folder)
                run.write(options)
                for path in folder.iterdir():
                    path.unlink()
                folder.rmdir()
        for seed in options.seeds:
            if not any(row["seed"] == seed for row in run.solutions):
                folder.mkdir()
                run.solutions += solve(options, seed, folder)
                run.write(options)
                for path in folder.iterdir():
                    path.unlink()
                folder.rmdir()
    run.write(options)
    say(options, f"wrote {run.folder}. The README's section:\n")
    print(run.section(options))


if __name__ == "__main__":
    main()
