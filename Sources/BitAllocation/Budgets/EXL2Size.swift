/// A run of input rows of a matrix that has one bit width in EXL2.
public struct EXL2Strip: Sendable, Equatable {
  /// Share of the input rows, in 0...1.
  public var share: Double
  /// Bits of a code.
  public var bits: Int
  /// Input rows that share a scale.
  public var groupSize: Int

  public init(share: Double, bits: Int, groupSize: Int) {
    self.share = share
    self.bits = bits
    self.groupSize = groupSize
  }
}

/// Why a list of strips has no size.
public enum EXL2SizeError: Error, Equatable {
  case badShape(inputs: Int, outputs: Int)
  case badStrip(EXL2Strip, index: Int)
  /// The shares leave rows without bits.
  case uncoveredRows(Int, of: Int)
}

extension EXL2SizeError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .badShape(let inputs, let outputs):
      "A matrix of \(inputs) inputs and \(outputs) outputs has no size; both must be 1 to 2^24."
    case .badStrip(let strip, let index):
      "Strip \(index) has share \(number(strip.share)), \(strip.bits) bits and groups of "
        + "\(strip.groupSize) rows; expected a share in 0...1, 1...8 bits, groups of 1 row or more."
    case .uncoveredRows(let rows, let inputs):
      "The shares leave \(rows) of \(inputs) input rows without bits; they must add up to 1."
    }
  }
}

/// The exact size of one linear layer as EXL2 stores it.
///
/// Strips take whole groups in order, r = ⌈min(inputs · share, rows left) / groupSize⌉ groups each;
/// the last group may be short. With G groups in all, in bits:
/// Σ rows · outputs · bits (codes) + 16 G (`q_scale_max`) + 32 G (`q_groups`) +
/// 4 · outputs · G (`q_scale`) + 32 · inputs (`q_invperm`) + 16 per bias.
/// - SeeAlso: exllamav2, `QParams.total_bits`; METHODS §2.10.
public struct EXL2Size: Sendable, Equatable {
  /// Bits of `q_weight`.
  public let codeBits: Int
  /// Bits of scales, groups, permutation and bias.
  public let metadataBits: Int
  /// Groups of all strips together.
  public let groups: Int
  /// inputs · outputs; a bias is not counted.
  public let weights: Int

  /// Adds up the parts.
  ///
  /// - Parameters:
  ///   - inputs: Input features: the rows of the stored matrix.
  ///   - outputs: Output features.
  ///   - strips: From the first row on, in the order of the permuted rows.
  ///   - hasBias: Whether a bias of 16 bits per output is stored.
  /// - Throws: ``EXL2SizeError``.
  public init(
    inputs: Int, outputs: Int, strips: [EXL2Strip], hasBias: Bool = false
  ) throws(EXL2SizeError) {
    // Keeps every product far below the largest integer.
    let possible = 1...(1 << 24)
    guard possible.contains(inputs), possible.contains(outputs) else {
      throw .badShape(inputs: inputs, outputs: outputs)
    }
    var (rowsLeft, groups, codeBits) = (inputs, 0, 0)
    for (index, strip) in strips.enumerated() {
      guard 0...1 ~= strip.share, 1...8 ~= strip.bits, possible.contains(strip.groupSize) else {
        throw .badStrip(strip, index: index)
      }
      let wanted = min(Double(inputs) * strip.share, Double(rowsLeft))
      let taken = Int((wanted / Double(strip.groupSize)).rounded(.up))
      let rows = min(taken * strip.groupSize, rowsLeft)
      codeBits += rows * strip.bits * outputs
      groups += taken
      rowsLeft -= rows
    }
    guard rowsLeft == 0 else { throw .uncoveredRows(rowsLeft, of: inputs) }
    self.codeBits = codeBits
    self.groups = groups
    metadataBits = groups * (16 + 32 + 4 * outputs) + 32 * inputs + (hasBias ? 16 * outputs : 0)
    weights = inputs * outputs
  }

  public var bits: Int { codeBits + metadataBits }

  public var bitsPerWeight: Double { Double(bits) / Double(weights) }
}
