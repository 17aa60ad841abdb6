# Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

"""The works that all programs are timed on: observations and a start, both functions of a seed."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Work:
    name: str
    n: int
    d: int
    k: int
    covariance: str  # "full" or "diagonal"
    iterations: int
    repeats: int
    spread: float | None  # standard deviation of the means; None: far apart, but for a few pairs
    seed: int

    @property
    def title(self):
        covariance = "" if self.covariance == "full" else f", {self.covariance}"
        apart = ", 96 far apart" if self.spread is None else ""
        return f"n = {self.n:,}, d = {self.d}, K = {self.k}{covariance}{apart}"


WORKS = [
    Work("tiny", 1_000, 2, 2, "full", 100, 41, 1.0, 1),
    Work("d2", 1_000_000, 2, 8, "full", 20, 5, 3.0, 2),
    Work("d8", 1_000_000, 8, 16, "full", 10, 5, 1.0, 3),
    Work("d32", 200_000, 32, 32, "full", 5, 5, 0.5, 4),
    Work("d64", 100_000, 64, 64, "full", 3, 3, 0.4, 5),
    Work("d256", 20_000, 256, 16, "full", 4, 3, 0.25, 6),
    Work("diagonal", 200_000, 64, 128, "diagonal", 10, 5, 0.4, 7),
    Work("separated", 1_000_000, 4, 100, "full", 5, 5, None, 8),
]

# What is fitted from the observations to the model; the seed varies.
SOLUTION = WORKS[2]


@dataclass
class Mixture:
    weights: np.ndarray  # K
    means: np.ndarray  # K x d
    covariances: np.ndarray  # K x d x d, or K x d if diagonal

    def mean_log_likelihood(self, x, chunk=10_000):
        """Of the rows of x, in nats, by textbook formulas: the judge of all programs."""
        k, d = self.means.shape
        diagonal = self.covariances.ndim == 2
        if not diagonal:
            factors = np.linalg.inv(np.linalg.cholesky(self.covariances))
            log_scale = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
        else:
            factors = 1 / np.sqrt(self.covariances)
            log_scale = np.log(factors).sum(axis=1)
        constant = np.log(self.weights) + log_scale - d / 2 * np.log(2 * np.pi)

        def log_likelihood(first):
            rows = x[first : first + chunk]
            joint = np.empty((k, len(rows)))
            for j in range(k):
                centred = rows - self.means[j]
                standard = centred * factors[j] if diagonal else centred @ factors[j].T
                joint[j] = constant[j] - np.einsum("ij,ij->i", standard, standard) / 2
            top = joint.max(axis=0)
            joint -= top
            return (top + np.log(np.exp(joint, out=joint).sum(axis=0))).sum()

        with ThreadPoolExecutor(os.cpu_count()) as threads:
            return sum(threads.map(log_likelihood, range(0, len(x), chunk))) / len(x)


def make(work):
    """The observations, n x d, and the mixture that every program starts from."""
    random = np.random.default_rng(work.seed)
    n, d, k = work.n, work.d, work.k
    if work.spread is None:
        means = np.empty((0, d))
        while len(means) < k:
            candidate = random.uniform(-60, 60, d)
            if (np.linalg.norm(means - candidate, axis=1) > 20).all():
                means = np.vstack([means, candidate])
        # Four pairs overlap. Else EM would be done after two iterations, and programs that notice would stop.
        means[-4:] = means[:4] + 0.75
    else:
        means = random.normal(0, work.spread, (k, d))
    variances = np.exp(random.uniform(-1, 1, (k, d)))
    labels = random.choice(k, n, p=random.dirichlet(np.full(k, 8.0)))
    x = random.normal(size=(n, d))
    true_covariances = np.empty((k, d, d))
    for j in range(k):
        axes = np.eye(d)
        if work.covariance == "full":
            axes = np.linalg.qr(random.normal(size=(d, d)))[0]
        members = labels == j
        x[members] = x[members] * np.sqrt(variances[j]) @ axes.T + means[j]
        true_covariances[j] = (axes * variances[j]) @ axes.T
    # Near enough for most components to find their own, far enough to leave EM work to do.
    shift = 0.3 if work.spread is None else 0.5 * min(1, 4 / np.sqrt(d))
    start_means = means + shift * random.normal(size=(k, d))
    if work.spread is None:
        covariances = 1.5 * (true_covariances + true_covariances.transpose(0, 2, 1)) / 2
    elif work.covariance == "diagonal":
        covariances = np.tile(x.var(axis=0), (k, 1))
    else:
        covariances = np.tile(np.diag(x.var(axis=0)), (k, 1, 1))
    return x, Mixture(np.full(k, 1 / k), start_means, covariances)
