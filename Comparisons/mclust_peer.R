# Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

# mclust behind standard input and output, for peers.py:  Rscript mclust_peer.R DATA N D PARAMETERS
# PARAMETERS is a file of weights, means and covariances, row after row, that is read by `begin` and written by `save`.

suppressPackageStartupMessages(library(mclust))
arguments <- commandArgs(trailingOnly = TRUE)
n <- as.integer(arguments[2])
d <- as.integer(arguments[3])
x <- matrix(readBin(arguments[1], "double", n * d), ncol = d, byrow = TRUE)
start <- NULL  # what `begin` and `fit` leave
model <- NULL

begin <- function(k, diagonal) {
  numbers <- readBin(arguments[4], "double", k * (1 + d + d * d))
  weights <- numbers[1:k]
  means <- matrix(numbers[k + seq_len(k * d)], nrow = d)
  covariances <- numbers[-seq_len(k + k * d)]
  if (diagonal) {
    variances <- matrix(covariances, nrow = d)
    scale <- exp(colMeans(log(variances)))
    sigma <- array(apply(variances, 2, diag), c(d, d, k))
    variance <- list(modelName = "VVI", d = d, G = k, sigma = sigma, scale = scale, shape = sweep(variances, 2, scale, "/"))
  } else {
    sigma <- array(covariances, c(d, d, k))
    variance <- list(modelName = "VVV", d = d, G = k, sigma = sigma, cholsigma = array(apply(sigma, 3, chol), c(d, d, k)))
  }
  start <<- list(pro = weights, mean = means, variance = variance)
}

fit <- function(iterations) {
  control <- emControl(eps = 0, tol = c(0, 0), itmax = c(iterations, iterations))
  model <<- em(start$variance$modelName, data = x, parameters = start, control = control, warn = FALSE)
}

save <- function() {
  with(model$parameters, {
    if (variance$modelName == "VVI") {
      covariances <- sweep(variance$shape, 2, variance$scale, "*")
    } else {
      covariances <- variance$sigma
    }
    writeBin(as.double(c(pro, mean, covariances)), arguments[4])
  })
}

answer <- function(request, values) {
  switch(request,
    begin = begin(values[1], values[2] == 1),
    fit = fit(values[1]),
    solve = model <<- Mclust(x, G = values[1], modelNames = "VVV", verbose = FALSE),
    save = save())
  "done"
}

cat("ready\n")
input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) > 0) {
  words <- strsplit(line, " ")[[1]]
  text <- tryCatch(answer(words[1], as.integer(words[-1])), error = function(e) paste("error:", conditionMessage(e)))
  cat(gsub("\n", " ", text), "\n", sep = "")
}
