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

template <typename Mixture, typename Parts>
static int keep(const Mixture &mixture, const Parts &parts, double *weights, double *means, double *covariances) {
  std::copy(mixture.hefts.begin(), mixture.hefts.end(), weights);
  std::copy(mixture.means.begin(), mixture.means.end(), means);
  std::copy(parts.begin(), parts.end(), covariances);
  return 1;
}

// Replaces weights (K), means (K x d) and covariances (K x d x d, or K x d if diagonal) by those after `iterations`.
extern "C" int armadillo_fit(double *observations, long n, long d, long k, double *weights, double *means,
                             double *covariances, int diagonal, long iterations) {
  const arma::mat x(observations, d, n, false, true);
  const arma::mat m(means, d, k);
  const arma::rowvec w(weights, k);
  if (diagonal) {
    arma::gmm_diag mixture;
    mixture.set_params(m, arma::mat(covariances, d, k), w);
    return learn(mixture, x, k, iterations) && keep(mixture, mixture.dcovs, weights, means, covariances);
  }
  arma::gmm_full mixture;
  mixture.set_params(m, arma::cube(covariances, d, d, k), w);
  return learn(mixture, x, k, iterations) && keep(mixture, mixture.fcovs, weights, means, covariances);
}

// Fits full covariances the way that Armadillo's documentation shows.
extern "C" int armadillo_solve(double *observations, long n, long d, long k, double *weights, double *means,
                               double *covariances) {
  const arma::mat x(observations, d, n, false, true);
  arma::arma_rng::set_seed(0);
  arma::gmm_full mixture;
  return mixture.learn(x, k, arma::maha_dist, arma::random_subset, 10, 5, kFloor, false) &&
         keep(mixture, mixture.fcovs, weights, means, covariances);
}
