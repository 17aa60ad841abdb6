// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// Armadillo's EM behind one C function; peers.py builds and loads it. Rows in C order are columns to Armadillo, so the
// observations are used where they lie.

#include <algorithm>
#include <armadillo>

// The least variance that Armadillo lets through: far below those of the data.
static constexpr double kFloor = 1e-10;

template <typename Mixture>
static bool learn(Mixture &mixture, const arma::mat &x, arma::uword k, arma::uword iterations) {
  return mixture.learn(x, k, arma::maha_dist, arma::keep_existing, 0, iterations, kFloor, false);
}

// Replaces weights (K), means (K x d) and covariances (K x d x d, or K x d if diagonal) by those after `iterations`.
extern "C" int armadillo_fit(double *observations, long n, long d, long k, int diagonal, double *weights,
                             double *means, double *covariances, long iterations) {
  const arma::mat x(observations, d, n, false, true);
  const arma::mat m(means, d, k);
  const arma::rowvec w(weights, k);
  const auto keep = [&](const auto &mixture, const auto &c) {
    std::copy(mixture.hefts.begin(), mixture.hefts.end(), weights);
    std::copy(mixture.means.begin(), mixture.means.end(), means);
    std::copy(c.begin(), c.end(), covariances);
    return 1;
  };
  if (diagonal) {
    arma::gmm_diag mixture;
    mixture.set_params(m, arma::mat(covariances, d, k), w);
    return learn(mixture, x, k, iterations) && keep(mixture, mixture.dcovs);
  }
  arma::gmm_full mixture;
  mixture.set_params(m, arma::cube(covariances, d, d, k), w);
  return learn(mixture, x, k, iterations) && keep(mixture, mixture.fcovs);
}
