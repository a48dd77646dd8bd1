/// A plan over neurons that an allocator of units made, block by block.
public struct BlockAllocation: Sendable, Equatable {
  public let plan: NeuronPlan
  /// Σ of the predicted losses of the slices; nil if an expert was not measured.
  public let loss: Double?
  /// Mean code bits per weight of the slices.
  public let bits: Double
  /// What the allocator made of the blocks, before those of an expert were put in rank order.
  public let blocks: Allocation
  public let blockSize: Int
  /// Bits between which the drop of loss ranks neurons.
  public let rank: ClosedRange<Int>

  /// - Parameters:
  ///   - allocation: Of ``NeuronTable/blockTable(size:)``.
  ///   - table: The neurons.
  ///   - blockSize: Neurons of a block.
  public init(_ allocation: Allocation, of table: NeuronTable, blockSize: Int) {
    plan = table.plan(ofBlocks: allocation.plan, size: blockSize)
    loss = table.loss(of: plan)
    bits = table.meanBits(of: plan)
    blocks = allocation
    self.blockSize = blockSize
    rank = table.bits[0]...table.bits[table.bits.count - 1]
  }

  /// Of the slices against the bound that no plan of blocks can pass; nil where losses are not known.
  public var certificate: Certificate? {
    guard let loss, let found = blocks.certificate else { return nil }
    return Certificate(
      objective: loss, lowerBound: min(found.lowerBound, loss),
      isOptimal: found.isOptimal && loss <= found.objective, prices: found.prices,
      freeUnits: found.freeUnits)
  }
}
