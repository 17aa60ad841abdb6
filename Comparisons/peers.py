# Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

"""The other programs. Each runs in a process of its own, so that no one's threads and libraries meet another's.

As a program, `peers.py NAME FOLDER THREADS` takes the observations and the start from FOLDER/data.npy and start.npz, and
answers each line of standard input with a line of JSON:

    probe ROWS   seconds that an iteration takes on the first ROWS rows: a fit of two less a fit of one
    fit T        seconds that a fit of T iterations takes
    solve K      seconds and number of iterations of a fit of K components as the program's defaults have it
    save PATH    null, once the parameters of the last fit are in PATH

A request that fails is answered with {"error": …}.
"""

import ctypes
import json
import os
import re
import subprocess
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np

from works import Mixture

HERE = Path(__file__).resolve().parent


class Peer:
    """A program with observations. `folder` is for files that it needs."""

    threads_used = "all"

    def __init__(self, x, threads, folder):
        self.x, self.threads, self.folder = x, threads, folder

    def begin(self, start):
        self.start, self.diagonal = start, start.covariances.ndim == 2

    @staticmethod
    def cannot(work):
        """Why it cannot do this work; None if it can."""

    def close(self):
        pass


class ScikitLearn(Peer):
    """GaussianMixture with all three parts of the start given, which skips k-means."""

    title = "scikit-learn"
    defaults = "`GaussianMixture(k)`: k-means, then at most 100 iterations, until one gains less than 10⁻³"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        from sklearn.mixture import GaussianMixture

        warnings.simplefilter("ignore")  # that it did not converge
        self.GaussianMixture = GaussianMixture

    def begin(self, start):
        super().begin(start)
        self.precisions = 1 / start.covariances if self.diagonal else np.linalg.inv(start.covariances)

    def fit(self, iterations):
        start = self.start
        self.model = self.GaussianMixture(
            len(start.weights), covariance_type="diag" if self.diagonal else "full", tol=0, reg_covar=0,
            max_iter=iterations, weights_init=start.weights, means_init=start.means,
            precisions_init=self.precisions).fit(self.x)

    def solve(self, k):
        self.model = self.GaussianMixture(k, random_state=0).fit(self.x)
        return self.model.n_iter_

    def result(self):
        return Mixture(self.model.weights_, self.model.means_, self.model.covariances_)

    @staticmethod
    def version():
        return version("scikit-learn")


class OneDAL(Peer):
    """em_gmm of Intel's oneDAL. A threshold of zero gives all iterations, as long as the log-likelihood changes."""

    title = "oneDAL"
    defaults = "`em_gmm_init`: the best of 20 random starts of 10 iterations; then `em_gmm`: at most 10 iterations"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        import daal4py

        daal4py.daalinit(self.threads)
        self.daal4py = daal4py

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
            raise RuntimeError(f"made {done} iterations instead of {iterations}")

    def solve(self, k):
        first = self.daal4py.em_gmm_init(nComponents=k).compute(self.x)
        self.model = self.daal4py.em_gmm(nComponents=k).compute(
            self.x, first.weights, first.means, first.covariances)
        return int(self.model.nIterations.ravel()[0])

    def result(self):
        means = self.model.means
        covariances = np.array(self.model.covariances)
        if covariances[0].size == means.shape[1]:
            covariances = covariances.reshape(means.shape)
        return Mixture(self.model.weights.ravel(), means, covariances)

    @staticmethod
    def version():
        return version("daal") + " (daal4py)"


class Armadillo(Peer):
    """gmm_full and gmm_diag, compiled here with -O3 -march=native and OpenMP."""

    title = "Armadillo"
    defaults = "none exist; as in its documentation: `random_subset`, 10 iterations of k-means, 5 of EM"
    flags = ["-O3", "-march=native", "-fopenmp", "-fPIC", "-shared"]

    def __init__(self, *arguments):
        super().__init__(*arguments)
        library = self.folder / "armadillo_peer.so"
        if not library.exists():
            source = HERE / "armadillo_peer.cpp"
            subprocess.run(["g++", *self.flags, source, "-o", library, "-larmadillo"], check=True)
        self.library = ctypes.CDLL(str(library))

    def learn(self, function, k, parts, *more):
        address = lambda a: ctypes.c_void_p(a.ctypes.data)
        sizes = map(ctypes.c_long, (*self.x.shape, k))
        if not function(address(self.x), *sizes, *map(address, parts), *more):
            raise RuntimeError("learn() failed")
        self.parts = parts

    def fit(self, iterations):
        start = self.start
        parts = [np.array(a) for a in (start.weights, start.means, start.covariances)]
        self.learn(self.library.armadillo_fit, len(start.weights), parts, ctypes.c_int(self.diagonal),
                   ctypes.c_long(iterations))

    def solve(self, k):
        d = self.x.shape[1]
        self.learn(self.library.armadillo_solve, k, [np.empty(k), np.empty((k, d)), np.empty((k, d, d))])
        return 5

    def result(self):
        return Mixture(*self.parts)

    @staticmethod
    def version():
        text = "#include <armadillo>\nARMA_VERSION_MAJOR ARMA_VERSION_MINOR ARMA_VERSION_PATCH"
        done = subprocess.run(
            ["g++", "-E", "-P", "-x", "c++", "-"], input=text, capture_output=True, text=True, check=True)
        return ".".join(done.stdout.split()[-3:])


def slow(work):
    """For programs whose iterations take tens of seconds in many features, so that not even a part of the rows is tried."""
    if work.d >= 64 and work.covariance == "full":
        return "too slow to try; in 64 features and more an iteration takes longer than 10 s"


class OpenCV(Peer):
    """ml.EM. It counts E-steps, and ends with one. Its Python binding takes the covariances as one array of three
    dimensions. It has one thread."""

    title = "OpenCV"
    threads_used = "1"
    defaults = "`trainEM` with general covariances: k-means, then at most 100 iterations"

    cannot = staticmethod(slow)

    def __init__(self, *arguments):
        super().__init__(*arguments)
        import cv2

        cv2.setNumThreads(self.threads)
        self.cv2 = cv2

    def begin(self, start):
        super().begin(start)
        full = np.array([np.diag(c) if self.diagonal else c for c in start.covariances])
        self.covariances = self.cv2.Mat(full, wrap_channels=False)

    def fit(self, iterations):
        self.em = self.cv2.ml.EM_create()
        self.em.setClustersNumber(len(self.start.weights))
        self.em.setCovarianceMatrixType(
            self.cv2.ml.EM_COV_MAT_DIAGONAL if self.diagonal else self.cv2.ml.EM_COV_MAT_GENERIC)
        self.em.setTermCriteria((self.cv2.TERM_CRITERIA_MAX_ITER, iterations + 1, 0))
        self.em.trainE(self.x, self.start.means, self.covariances, self.start.weights.reshape(1, -1))

    def solve(self, k):
        self.em, self.diagonal = self.cv2.ml.EM_create(), False
        self.em.setClustersNumber(k)
        self.em.setCovarianceMatrixType(self.cv2.ml.EM_COV_MAT_GENERIC)
        self.em.trainEM(self.x)

    def result(self):
        covariances = np.array(self.em.getCovs())
        if self.diagonal:
            covariances = np.diagonal(covariances, axis1=1, axis2=2)
        return Mixture(self.em.getWeights().ravel(), self.em.getMeans(), covariances)

    @staticmethod
    def version():
        return version("opencv-python-headless")


class Mclust(Peer):
    """em() of the R package, from parameters. It has one thread. R runs in a process of its own; mclust_peer.R."""

    title = "mclust"
    threads_used = "1"
    defaults = '`Mclust(x, k, "VVV")`: a hierarchical start on 2,000 rows, then until a relative gain of 10⁻⁵'

    cannot = staticmethod(slow)

    def __init__(self, *arguments):
        super().__init__(*arguments)
        n, d = self.x.shape
        data = self.folder / f"mclust-{os.getpid()}.bin"
        self.x.tofile(data)
        self.parameters = self.folder / f"mclust-{os.getpid()}-parameters.bin"
        self.process = subprocess.Popen(
            ["Rscript", "--vanilla", HERE / "mclust_peer.R", data, str(n), str(d), self.parameters],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.listen()
        data.unlink()

    def listen(self):
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"R ended with status {self.process.wait()}")
        if answer.startswith("error"):
            raise RuntimeError(answer.strip())

    def ask(self, *request):
        self.process.stdin.write(" ".join(map(str, request)) + "\n")
        self.process.stdin.flush()
        self.listen()

    def begin(self, start):
        super().begin(start)
        self.shapes = [a.shape for a in vars(start).values()]
        self.write(start)
        self.ask("begin", len(start.weights), int(self.diagonal))

    def write(self, mixture):
        np.concatenate([a.ravel() for a in vars(mixture).values()]).tofile(self.parameters)

    def fit(self, iterations):
        self.ask("fit", iterations)

    def solve(self, k):
        d = self.x.shape[1]
        self.shapes = [(k,), (k, d), (k, d, d)]
        self.ask("solve", k)

    def result(self):
        self.ask("save")
        ends = np.cumsum([np.prod(s) for s in self.shapes])
        parts = np.split(np.fromfile(self.parameters), ends[:-1])
        return Mixture(*(part.reshape(shape) for part, shape in zip(parts, self.shapes)))

    def close(self):
        self.process.kill()
        self.process.wait()

    @staticmethod
    def version():
        command = ["Rscript", "--vanilla", "-e", 'cat(as.character(packageVersion("mclust")), R.version.string)']
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return "{0} ({1} {3})".format(*done.stdout.split())


class Spark(Peer):
    """spark.mllib's GaussianMixture, which takes an initial model, as spark.ml's does not. The observations lie in the
    memory of its Java machine."""

    title = "Spark"
    defaults = "`spark.mllib` `GaussianMixture(k)`: a random start, then at most 100 iterations, until one gains less than 10⁻² in all"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        os.environ["PYSPARK_PYTHON"] = sys.executable
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        os.environ["PYSPARK_SUBMIT_ARGS"] = (
            f"--master local[{self.threads}] --driver-memory 8g --conf spark.ui.enabled=false "
            f"--conf spark.local.dir={self.folder} "
            "--driver-java-options '--add-modules=jdk.incubator.vector -Dlog4j2.level=ERROR' pyspark-shell")
        from pyspark import SparkContext
        from pyspark.mllib.common import _to_java_object_rdd
        from pyspark.mllib.linalg import DenseVector

        self.context = SparkContext.getOrCreate()
        path = self.folder / f"spark-{os.getpid()}-{len(self.x)}.npy"
        np.save(path, self.x)
        n, parts = len(self.x), 2 * self.threads

        def rows(part):
            x = np.load(path, mmap_mode="r")
            for row in np.array(x[part * n // parts : (part + 1) * n // parts]):
                yield DenseVector(row)

        vectors = self.context.parallelize(range(parts), parts).flatMap(rows)
        self.observations = _to_java_object_rdd(vectors).cache()
        if self.observations.count() != n:
            raise RuntimeError("the observations did not arrive")
        path.unlink()
        self.mllib = self.context._jvm.org.apache.spark.mllib

    def fit(self, iterations):
        from pyspark.mllib.common import _py2java
        from pyspark.mllib.linalg import DenseMatrix, DenseVector

        start, d = self.start, self.x.shape[1]
        k = len(start.weights)
        # Training writes into the arrays of the initial model: they are made anew.
        new_array = self.context._gateway.new_array
        gaussians = new_array(self.mllib.stat.distribution.MultivariateGaussian, k)
        weights = new_array(self.context._jvm.double, k)
        for j in range(k):
            weights[j] = float(start.weights[j])
            gaussians[j] = self.mllib.stat.distribution.MultivariateGaussian(
                _py2java(self.context, DenseVector(start.means[j])),
                _py2java(self.context, DenseMatrix(d, d, start.covariances[j].ravel(order="F"))))
        initial = self.mllib.clustering.GaussianMixtureModel(weights, gaussians)
        training = self.mllib.clustering.GaussianMixture().setK(k).setConvergenceTol(0.0)
        self.model = training.setMaxIterations(iterations).setInitialModel(initial).run(self.observations)

    def solve(self, k):
        self.model = self.mllib.clustering.GaussianMixture().setK(k).setSeed(0).run(self.observations)

    def result(self):
        from pyspark.mllib.common import _java2py

        array = lambda value: _java2py(self.context, value).toArray()
        gaussians = self.model.gaussians()
        return Mixture(
            np.array(list(self.model.weights())), np.array([array(g.mu()) for g in gaussians]),
            np.array([array(g.sigma()) for g in gaussians]))

    @staticmethod
    def cannot(work):
        if work.covariance == "diagonal":
            return "it has full covariances only"
        if work.d >= 16:
            return "it adds 2⁻⁵² to every density, which is more than the densities in so many features, so it does other work"

    def close(self):
        self.observations.unpersist(True)

    @staticmethod
    def version():
        java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
        return f'{version("pyspark")} (Java {re.search(chr(34) + "(.*?)" + chr(34), java)[1]})'


PEERS = {"sklearn": ScikitLearn, "onedal": OneDAL, "armadillo": Armadillo, "mclust": Mclust, "opencv": OpenCV,
         "spark": Spark}


def answer(name, folder, threads):
    # Whatever the libraries print goes to standard error.
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    folder, peer = Path(folder), None
    x = np.load(folder / "data.npy")
    start = folder / "start.npz"
    start = Mixture(**np.load(start)) if start.exists() else None

    def make(rows):
        made = PEERS[name](rows, int(threads), folder.parent)
        if start:
            made.begin(start)
        return made

    def timed(function, value):
        began = time.perf_counter()
        result = function(value)
        return time.perf_counter() - began, result

    for line in sys.stdin:
        request, value = line.strip().split(" ", 1)
        try:
            if request == "probe":
                small = make(x[: int(value)].copy())
                small.fit(1)
                short, _ = timed(small.fit, 1)
                if short < 1:  # the first may take longer than those that follow
                    short, _ = timed(small.fit, 1)
                result = max(timed(small.fit, 2)[0] - short, 0)
                small.close()
            else:
                peer = peer or make(x)
                if request == "save":
                    result = np.savez(value, **vars(peer.result()))
                elif request == "fit":
                    result, _ = timed(peer.fit, int(value))
                else:
                    result = timed(peer.solve, int(value))
        except Exception as error:
            result = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:200]}
        channel.write(json.dumps(result) + "\n")
        channel.flush()


if __name__ == "__main__":
    answer(*sys.argv[1:])
