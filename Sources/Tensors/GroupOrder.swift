extension PackedMatrix {
  /// The same weights with every group's columns side by side, and where the columns came from.
  ///
  /// - Returns: Without a group index if that makes group g the positions `g * groupSize ..<`; the
  ///   matrix itself and no order if it has none or if its groups have other sizes.
  func inGroupOrder() -> (matrix: PackedMatrix, order: [Int32]?) {
    guard let groupIndex else { return (self, nil) }
    // Equal groups keep their columns in order.
    let order = (0..<columns).sorted { (groupIndex[$0], $0) < (groupIndex[$1], $1) }
    let runs = order.indices.allSatisfy { Int(groupIndex[order[$0]]) == $0 / groupSize }
    guard runs else { return (self, nil) }
    var stream: [UInt8] = []
    stream.reserveCapacity(codes.count)
    for row in 0..<rows {
      let rowCodes = codes(ofRow: row)
      stream += BitStream.packed(order.map { rowCodes[$0] }, bits: bits)
    }
    let matrix = PackedMatrix(
      rows: rows, columns: columns, bits: bits, groupSize: groupSize, symmetric: symmetric,
      codes: stream, scales: scales, zeros: zeros)
    let isIdentity = order.indices.allSatisfy { order[$0] == $0 }
    return (matrix, isIdentity ? nil : order.map { Int32($0) })
  }
}
