# Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

"""The other programs. Each runs in a process of its own, so that no one's threads and libraries meet another's.

As a program: `peers.py NAME DATA.npy START.npz DIAGONAL THREADS` answers each number of iterations on standard input
with the seconds that a fit of so many iterations took, and writes the parameters to a path that it is given.
"""

import ctypes
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from works import Mixture


class ScikitLearn:
    """GaussianMixture with all three parts of the start given, which skips k-means."""

    title = "scikit-learn"

    def __init__(self, x, start, diagonal, threads):
        from sklearn.mixture import GaussianMixture

        warnings.simplefilter("ignore")  # that it did not converge
        self.x = x
        precisions = 1 / start.covariances if diagonal else np.linalg.inv(start.covariances)
        self.make = lambda iterations: GaussianMixture(
            len(start.weights), covariance_type="diag" if diagonal else "full", tol=0, reg_covar=0,
            max_iter=iterations, weights_init=start.weights, means_init=start.means,
            precisions_init=precisions)

    def fit(self, iterations):
        self.model = self.make(iterations).fit(self.x)

    def result(self):
        return Mixture(self.model.weights_, self.model.means_, self.model.covariances_)

    @staticmethod
    def version():
        import sklearn

        return sklearn.__version__


class OneDAL:
    """em_gmm of Intel's oneDAL. A threshold of zero gives exactly the iterations asked for."""

    title = "oneDAL"

    def __init__(self, x, start, diagonal, threads):
        import daal4py

        daal4py.daalinit(threads)
        self.daal4py, self.x, self.start, self.diagonal = daal4py, x, start, diagonal

    def fit(self, iterations):
        start = self.start
        covariances = [c.reshape(-1, c.shape[-1]).copy() for c in start.covariances]
        storage = {"covarianceStorage": "diagonal"} if self.diagonal else {}
        self.model = self.daal4py.em_gmm(
            nComponents=len(start.weights), maxIterations=iterations, accuracyThreshold=0.0,
            regularizationFactor=0.0, **storage,
        ).compute(self.x, start.weights.reshape(1, -1).copy(), start.means.copy(), covariances)
        done = int(self.model.nIterations.ravel()[0])
        if done != iterations:
            raise RuntimeError(f"oneDAL made {done} iterations instead of {iterations}")

    def result(self):
        covariances = np.array(self.model.covariances).reshape(self.start.covariances.shape)
        return Mixture(self.model.weights.ravel(), self.model.means, covariances)

    @staticmethod
    def version():
        from importlib.metadata import version

        return version("daal") + " (daal4py)"


class Armadillo:
    """gmm_full and gmm_diag, compiled here with -O3 -march=native and OpenMP."""

    title = "Armadillo"
    flags = ["-O3", "-march=native", "-fopenmp", "-fPIC", "-shared"]

    def __init__(self, x, start, diagonal, threads):
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder, "armadillo_peer.so")
            source = Path(__file__).with_name("armadillo_peer.cpp")
            subprocess.run(["g++", *self.flags, source, "-o", library, "-larmadillo"], check=True)
            self.function = ctypes.CDLL(str(library)).armadillo_fit
        self.x, self.start, self.diagonal = x, start, diagonal

    def fit(self, iterations):
        start = self.start
        parts = [np.array(a) for a in (start.weights, start.means, start.covariances)]
        address = lambda a: ctypes.c_void_p(a.ctypes.data)
        n, d, k = (ctypes.c_long(v) for v in (*self.x.shape, len(start.weights)))
        if not self.function(
            address(self.x), n, d, k, ctypes.c_int(self.diagonal), *map(address, parts),
            ctypes.c_long(iterations),
        ):
            raise RuntimeError("Armadillo's learn() failed")
        self.parts = parts

    def result(self):
        return Mixture(*self.parts)

    @staticmethod
    def version():
        text = "#include <armadillo>\nARMA_VERSION_MAJOR ARMA_VERSION_MINOR ARMA_VERSION_PATCH"
        done = subprocess.run(
            ["g++", "-E", "-P", "-x", "c++", "-"], input=text, capture_output=True, text=True, check=True)
        return ".".join(done.stdout.split()[-3:])


PEERS = {"sklearn": ScikitLearn, "onedal": OneDAL, "armadillo": Armadillo}


def answer(name, data, start, diagonal, threads):
    parts = np.load(start)
    start = Mixture(parts["weights"], parts["means"], parts["covariances"])
    peer = PEERS[name](np.load(data), start, diagonal == "1", int(threads))
    for line in sys.stdin:
        request = line.strip()
        if request.isdigit():
            began = time.perf_counter()
            peer.fit(int(request))
            print(json.dumps(time.perf_counter() - began), flush=True)
        else:
            mixture = peer.result()
            np.savez(request, **vars(mixture))
            print("null", flush=True)


if __name__ == "__main__":
    answer(*sys.argv[1:])
