import ArgumentParser
import Quantization
import Reconstruction

/// How GPTQ solves.
struct SolvingOptions: ParsableArguments {
  @Option(help: "GPTQ: share of the Hessian's mean diagonal added to it.")
  var damping = 0.01

  @Flag(help: "GPTQ: round columns by falling diagonal of the Hessian.")
  var actOrder = false

  @Option(
    help: """
      GPTQ: scales of groups: fresh, stale or static; of groups by input channel (--axis) always fresh.
      """)
  var groupScales = GroupScales.fresh

  @Option(help: "GPTQ: columns after which all later ones are updated.")
  var blockSize = GPTQOptions().blockSize

  @Flag(
    help: "GPTQ: experts weigh tokens by routing weight; needs calibrate --routing-weighted.")
  var routingWeighted = false

  @Option(help: "GPTQ: modules with fewer calibration tokens are rounded to nearest.")
  var minimumTokens = QuantizationMethod.defaultMinimumTokens

  var options: GPTQOptions {
    GPTQOptions(
      relativeDamping: damping, columns: actOrder ? .activation : .natural, scales: groupScales,
      blockSize: blockSize)
  }

  func validate() throws {
    try SpecRange.check(damping, "--damping", as: "quantizer.damping")
    try SpecRange.check(minimumTokens, "--minimum-tokens", as: "quantizer.minimumTokens")
    try SpecRange.check(blockSize, "--block-size", as: "quantizer.blockSize")
  }
}

extension GroupScales: ExpressibleByArgument {}
