import ArgumentParser
import Reconstruction

/// How OmniQuant learns.
struct LearningOptions: ParsableArguments {
  @Option(help: "Passes over the windows of --text, for every layer.")
  var epochs = 20

  @Option(help: "Learning rate of the clipping.")
  var clippingRate = 0.01

  @Option(help: "Learning rate of the scales of --equivalent.")
  var scalingRate = 0.005

  @Option(help: "Windows of a step.")
  var batch = 1

  @Flag(help: "Also learn towards what the full-precision layer makes of the quantized stream.")
  var augmented = false

  @Flag(help: "Also scale channels of experts against each other.")
  var equivalent = false

  func validate() throws {
    try SpecRange.check(epochs, "--epochs", as: "quantizer.omniquant.epochs")
    try SpecRange.check(
      clippingRate, "--clipping-rate", as: "quantizer.omniquant.clippingRate")
    try SpecRange.check(scalingRate, "--scaling-rate", as: "quantizer.omniquant.scalingRate")
    try SpecRange.check(batch, "--batch", as: "quantizer.omniquant.batch")
  }

  var options: OmniQuantOptions {
    OmniQuantOptions(
      epochs: epochs, clippingRate: clippingRate, scalingRate: scalingRate, batch: batch,
      augmented: augmented, equivalent: equivalent)
  }
}
