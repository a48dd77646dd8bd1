/// Neurons of an expert by rank, as many at a time as are stored together.
///
/// Allocators that decide about units decide about these blocks: a block's loss is the sum over its
/// neurons. What they decide for an expert becomes slices, blocks of more bits first, since neurons
/// are ranked by what bits spare them.
extension NeuronTable {
  /// A unit a block, named `layers.0.experts.3.neurons.7`.
  ///
  /// - Parameter size: Neurons of a block; the last of an expert may be short.
  /// - Returns: Units in the order of the experts and ranks; without loss where no token came.
  /// - Throws: ``TableError``.
  /// - Complexity: O(neurons · bits).
  public func blockTable(size: Int) throws(TableError) -> SensitivityTable {
    precondition(size > 0, "blocks of \(size) neurons")
    return try SensitivityTable(units: experts.flatMap { units(of: $0, size: size) })
  }

  private func units(of expert: Expert, size: Int) -> [Unit] {
    stride(from: 0, to: expert.neurons, by: size).enumerated().map { index, first in
      let ranks = first..<min(first + size, expert.neurons)
      let weights = ranks.count * expert.weightsPerNeuron
      return Unit(
        id: "\(expert.id).neurons.\(index)", layer: expert.layer, expert: expert.expert,
        weights: weights,
        levels: bits.enumerated().map { level, width in
          Level(
            bits: Double(width), loss: loss(of: ranks, at: level, expert),
            codeBits: Double(width * weights))
        })
    }
  }

  private func loss(of ranks: Range<Int>, at level: Int, _ expert: Expert) -> Double? {
    guard expert.isMeasured else { return nil }
    return expert.order[ranks].reduce(0) {
      $0 + Double(expert.loss[Int($1) * bits.count + level])
    }
  }

  /// Slices of the blocks that a plan gives to each level.
  ///
  /// A short last block counts by its neurons, and what is no whole block is rounded down: the plan
  /// never costs more than that of the blocks.
  /// - Parameters:
  ///   - plan: Of all blocks of ``blockTable(size:)``, in their order.
  ///   - size: Neurons of a block.
  /// - Returns: One entry for each expert.
  public func plan(ofBlocks plan: Plan, size: Int) -> NeuronPlan {
    var next = 0
    return NeuronPlan(
      entries: experts.map { expert in
        var counts = [Int](repeating: 0, count: bits.count)
        for first in stride(from: 0, to: expert.neurons, by: size) {
          guard let level = bits.firstIndex(of: Int(plan.entries[next].bits)) else {
            preconditionFailure("\(plan.entries[next].bits) bits are not in \(bits)")
          }
          counts[level] += min(size, expert.neurons - first)
          next += 1
        }
        return NeuronPlan.Entry(
          unit: expert.id,
          slices: slices(counts: counts, neurons: expert.neurons, blockSize: size))
      })
  }
}
