import Foundation
import Statistics

extension NeuronTable {
  /// A table for timing: sizes of neurons lognormal, losses about four times smaller with every bit.
  ///
  /// - Parameters:
  ///   - experts: Experts of one layer.
  ///   - neurons: Of each expert.
  ///   - bits: Rising, 1…8.
  ///   - seed: Of the draw.
  /// - Returns: The table, neurons in rank order.
  /// - Throws: ``NeuronTableError``.
  public static func synthetic(
    experts: Int, neurons: Int, bits: [Int], seed: UInt64
  ) throws(NeuronTableError) -> NeuronTable {
    var random = SeededGenerator(seed: seed)
    func uniform() -> Float { Float(random.below(1 << 24) + 1) / Float(1 << 24) }
    var list: [Expert] = []
    for expert in 0..<experts {
      var loss: [Float] = []
      loss.reserveCapacity(neurons * bits.count)
      for _ in 0..<neurons {
        // Box and Muller.
        let normal = (-2 * log(uniform())).squareRoot() * cos(2 * Float.pi * uniform())
        let size = exp(1.5 * normal)
        for width in bits {
          loss.append(size * Float(pow(4.0, -Double(width))) * (0.9 + 0.2 * uniform()))
        }
      }
      let drop = (0..<neurons).map { loss[$0 * bits.count] - loss[($0 + 1) * bits.count - 1] }
      let order = drop.indices.sorted { (drop[$1], $0) < (drop[$0], $1) }.map { Int32($0) }
      list.append(
        Expert(
          id: "layers.0.experts.\(expert)", layer: 0, expert: expert, weightsPerNeuron: 12288,
          loss: loss, order: order))
    }
    return try NeuronTable(bits: bits, experts: list)
  }
}
