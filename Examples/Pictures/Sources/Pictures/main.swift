import Foundation

// swift run --package-path Examples/Pictures Pictures DIRECTORY
//
// Draws the pictures of the articles on messy data as SVG files into DIRECTORY, and prints the numbers that the articles
// state.

guard CommandLine.arguments.count == 2 else {
  print("usage: Pictures DIRECTORY")
  exit(64)
}
let directory = URL(fileURLWithPath: CommandLine.arguments[1])
try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
for draw in [
  weightedRows, missingValues, noisyMeasurements, knownLabels, background, magnitudeLimit,
  selectionFunction, detectionLimit,
] {
  let figure = try draw()
  try figure.svg.write(
    to: directory.appending(path: "\(figure.name).svg"), atomically: true, encoding: .utf8)
}
