public import Tensors

/// Which axis a module got, and what each would have cost.
public struct AxisDecision: Codable, Sendable, Equatable {
  public let module: String
  public let axis: GroupingAxis
  /// Reconstruction error with groups of inputs for each output channel.
  public let outputChannelError: Double
  /// Reconstruction error with groups of outputs for each input channel.
  public let inputChannelError: Double

  /// Takes the axis of the smaller error; the output channel if they are equal.
  ///
  /// - Parameters:
  ///   - module: Its name in the checkpoint.
  ///   - outputChannelError: With groups of inputs.
  ///   - inputChannelError: With groups of outputs, in the same unit.
  public init(module: String, outputChannelError: Double, inputChannelError: Double) {
    self.module = module
    self.outputChannelError = outputChannelError
    self.inputChannelError = inputChannelError
    axis = inputChannelError < outputChannelError ? .inputChannel : .outputChannel
  }

  /// The error of the axis that was taken.
  public var error: Double { min(outputChannelError, inputChannelError) }
}
