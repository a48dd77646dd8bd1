/// Along which side of a weight matrix the groups of its grids lie.
public enum GroupingAxis: String, Codable, Sendable, CaseIterable {
  /// Each output channel has groups of inputs, as GPTQ and most formats have them.
  case outputChannel = "output-channel"
  /// Each input channel has groups of outputs.
  case inputChannel = "input-channel"
}

/// A weight matrix on affine grids with groups along either side.
public enum AxisGroupedMatrix: QuantizedMatrix {
  case outputChannel(PackedMatrix)
  case inputChannel(TransposedPackedMatrix)

  public var axis: GroupingAxis {
    switch self {
    case .outputChannel: .outputChannel
    case .inputChannel: .inputChannel
    }
  }

  private var stored: any QuantizedMatrix {
    switch self {
    case .outputChannel(let matrix): matrix
    case .inputChannel(let matrix): matrix
    }
  }

  public var rows: Int { stored.rows }
  public var columns: Int { stored.columns }
  public var codeBits: Int { stored.codeBits }
  /// Scales, zero points and group indices; the axis itself is one bit of the format's header.
  public var metadataBits: Int { stored.metadataBits }
  public func dequantized() -> Matrix { stored.dequantized() }
}
