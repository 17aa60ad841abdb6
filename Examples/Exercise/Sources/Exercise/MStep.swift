import MixtureLesson

// This is the file to edit. The M-step below is the one from the lesson, and one thing in it is wrong.
// Run `swift run --package-path Examples/Exercise`, read the verdict, and mend it.

/// One M-step: the parameters that fit best, given how much of each observation belongs to each component.
///
/// - Parameters:
///   - X: n × d observations; `X[i][j]` is feature j of observation i.
///   - z: n × K responsibilities; `z[i][k]` is the share of observation i that belongs to component k.
///   - old: The parameters that gave z.
/// - Returns: The new parameters.
func maximizationStep(
  _ X: [[Double]], _ z: [[Double]], _ old: TextbookMixture
) -> TextbookMixture {
  let n = X.count
  let K = old.componentCount
  let d = old.featureCount
  var new = old

  for k in 0..<K {
    // N_k, the number of observations that component k owns.
    var owned = 0.0
    for i in 0..<n { owned += z[i][k] }

    // The weight.
    new.weights[k] = owned / Double(n)

    // The mean.
    for j in 0..<d {
      var sum = 0.0
      for i in 0..<n { sum += z[i][k] * X[i][j] }
      new.means[k][j] = sum / owned
    }

    // The covariance.
    let mean = old.means[k]
    for a in 0..<d {
      for b in 0..<d {
        var sum = 0.0
        for i in 0..<n { sum += z[i][k] * (X[i][a] - mean[a]) * (X[i][b] - mean[b]) }
        new.covariances[k][a][b] = sum / owned
      }
    }
  }
  return new
}
