import ArgumentParser
import Experiments
import Foundation
import Quantization

/// The grids that weights are rounded to, bits aside.
struct GridOptions: ParsableArguments {
  @Option(help: "Weights that share a scale; 0: a whole row.")
  var groupSize = 64

  @Flag(help: "Grids without a zero point.")
  var symmetric = false

  @Flag(help: "Search each group's range for the least error instead of taking its extremes.")
  var mse = false

  @Option(
    help: """
      symmetric: mirrored: always -hi ... hi; published: GPTQ's code, which clips groups without \
      negative weights.
      """)
  var symmetricRange = SymmetricRange.mirrored

  @Option(
    help: """
      float16: scales are rounded as stored before codes are chosen; exact: only when stored, as \
      published codes do.
      """)
  var scaleRounding = ScaleRounding.float16

  var family: GridFamily {
    GridFamily(
      groupSize: groupSize == 0 ? nil : groupSize, symmetric: symmetric,
      rangeSearch: mse ? RangeSearch() : nil, scaleRounding: scaleRounding,
      symmetricRange: symmetricRange)
  }

  func validate() throws {
    if symmetricRange != .mirrored, !symmetric {
      throw ValidationError("--symmetric-range is of symmetric grids; add --symmetric.")
    }
    guard groupSize != 0 else { return }
    try SpecRange.check(groupSize, "--group-size", as: "quantizer.groupSize")
  }
}

extension SymmetricRange: ExpressibleByArgument {}
extension ScaleRounding: ExpressibleByArgument {}
