import Checkpoints

/// A projection input that has a Hessian; projections that read the same input share it.
public enum InputSite: Sendable, Hashable {
  /// Input of q, k and v.
  case queryKeyValue
  /// Input of o.
  case attentionOutput
  /// Input of an expert's gate and up.
  case gateUp(expert: Int)
  /// Input of an expert's down.
  case down(expert: Int)

  /// Group in a layer's file, under `layers/NN/`.
  public var path: String {
    switch self {
    case .queryKeyValue: "attention/qkv_in"
    case .attentionOutput: "attention/o_in"
    case .gateUp(let expert): "experts/\(Self.padded(expert))/gate_up_in"
    case .down(let expert): "experts/\(Self.padded(expert))/down_in"
    }
  }

  /// Channels of the input.
  public func width(in c: ModelConfiguration) -> Int {
    switch self {
    case .queryKeyValue, .gateUp: c.hiddenSize
    case .attentionOutput: c.attentionHeadCount * c.headDimension
    case .down: c.intermediateSize
    }
  }

  /// All sites of a layer, in the order of the file.
  public static func all(experts: Int) -> [InputSite] {
    [.queryKeyValue, .attentionOutput]
      + (0..<experts).flatMap { [.gateUp(expert: $0), .down(expert: $0)] }
  }

  private static func padded(_ expert: Int) -> String {
    String(repeating: "0", count: max(0, 3 - "\(expert)".count)) + "\(expert)"
  }
}
