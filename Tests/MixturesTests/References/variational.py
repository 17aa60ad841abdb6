"""Posteriors of scikit-learn's BayesianGaussianMixture for iris, from the partition by species.

    pip install scikit-learn==1.9.1 numpy && python variational.py

Printed for some numbers of iterations: weights, means, the covariance of component 1, degrees of freedom.
"""

import pathlib
import warnings

import numpy as np
from sklearn.mixture import BayesianGaussianMixture

rows = np.loadtxt(
    pathlib.Path(__file__).with_name("iris.csv"), delimiter=",", skiprows=1, usecols=(0, 1, 2, 3)
)
species = np.arange(150) // 50


class FromPartition(BayesianGaussianMixture):
    def _initialize_parameters(self, X, *arguments, **keywords):
        self._initialize(X, np.eye(3)[species])


warnings.simplefilter("ignore")
for iterations in (1, 10, 500):
    fit = FromPartition(
        n_components=3,
        covariance_type="full",
        weight_concentration_prior_type="dirichlet_distribution",
        weight_concentration_prior=0.5,
        mean_precision_prior=0.75,
        mean_prior=[5, 3, 4, 1],
        degrees_of_freedom_prior=6,
        covariance_prior=np.diag([0.5, 0.25, 1, 0.3]),
        reg_covar=0,
        max_iter=iterations,
        tol=0,
    ).fit(rows)
    print(iterations)
    print(fit.weights_.tolist())
    print(fit.means_.tolist())
    print(fit.covariances_[1].tolist())
    print(fit.degrees_of_freedom_.tolist())
