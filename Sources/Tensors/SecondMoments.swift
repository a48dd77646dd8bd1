/// How much of a matrix of second moments is kept.
public enum MomentStorage: Sendable, Hashable {
  /// Every pair of channels: n (n + 1) / 2 numbers.
  case full
  /// Pairs within blocks of neighbouring channels: n (blockSize + 1) / 2 numbers.
  case blockDiagonal(blockSize: Int)
  /// The squares alone: n numbers.
  case diagonal

  /// Numbers that a matrix of order n takes.
  public func elementCount(order: Int) -> Int {
    switch self {
    case .full: order * (order + 1) / 2
    case .blockDiagonal(let size):
      BlockDiagonalMatrix.ranges(order: order, blockSize: size).reduce(0) {
        $0 + $1.count * ($1.count + 1) / 2
      }
    case .diagonal: order
    }
  }
}

/// Symmetric blocks along the diagonal; every other element is zero.
public struct BlockDiagonalMatrix: Sendable, Equatable {
  public let order: Int
  /// Channels of a block; the last one may have fewer.
  public let blockSize: Int
  /// In the order of the channels.
  public var blocks: [SymmetricMatrix]

  public init(order: Int, blockSize: Int, blocks: [SymmetricMatrix]) {
    let sizes = Self.ranges(order: order, blockSize: blockSize).map(\.count)
    precondition(
      blocks.map(\.order) == sizes, "blocks of \(blocks.map(\.order)), expected \(sizes)")
    self.order = order
    self.blockSize = blockSize
    self.blocks = blocks
  }

  static func ranges(order: Int, blockSize: Int) -> [Range<Int>] {
    precondition(blockSize > 0, "block size \(blockSize)")
    return stride(from: 0, to: order, by: blockSize).map { $0..<min($0 + blockSize, order) }
  }
}

/// Second moments of a layer's input, S = Σ x xᵀ or the Hessian H = 2 S / n, as far as kept.
///
/// What is not kept counts as zero: everything computed from a value of this type equals what its
/// ``dense`` form gives, for less memory and time.
public enum SecondMoments: Sendable, Equatable {
  case full(SymmetricMatrix)
  case blockDiagonal(BlockDiagonalMatrix)
  case diagonal([Float])

  /// Keeps a part of a full matrix.
  public init(_ matrix: SymmetricMatrix, keeping storage: MomentStorage) {
    switch storage {
    case .full: self = .full(matrix)
    case .diagonal: self = .diagonal(matrix.diagonal)
    case .blockDiagonal(let size):
      self = .blockDiagonal(
        BlockDiagonalMatrix(
          order: matrix.order, blockSize: size,
          blocks: BlockDiagonalMatrix.ranges(order: matrix.order, blockSize: size).map {
            matrix.diagonalBlock($0)
          }))
    }
  }

  /// Symmetric blocks from their packed lower triangles, one after the other.
  public init(packedBlocks: [Float], order: Int, blockSize: Int) {
    var start = 0
    let blocks = BlockDiagonalMatrix.ranges(order: order, blockSize: blockSize).map { range in
      let count = range.count * (range.count + 1) / 2
      defer { start += count }
      return SymmetricMatrix(
        order: range.count, packed: Array(packedBlocks[start..<start + count]))
    }
    self = .blockDiagonal(
      BlockDiagonalMatrix(order: order, blockSize: blockSize, blocks: blocks))
  }

  public var storage: MomentStorage {
    switch self {
    case .full: .full
    case .blockDiagonal(let matrix): .blockDiagonal(blockSize: matrix.blockSize)
    case .diagonal: .diagonal
    }
  }

  public var order: Int {
    switch self {
    case .full(let matrix): matrix.order
    case .blockDiagonal(let matrix): matrix.order
    case .diagonal(let values): values.count
    }
  }

  /// Diagonal elements, shape `[order]`.
  public var diagonal: [Float] {
    get {
      switch self {
      case .full(let matrix): matrix.diagonal
      case .blockDiagonal(let matrix): matrix.blocks.flatMap(\.diagonal)
      case .diagonal(let values): values
      }
    }
    set {
      precondition(newValue.count == order, "\(newValue.count) elements for order \(order)")
      switch self {
      case .full(var matrix):
        matrix.diagonal = newValue
        self = .full(matrix)
      case .blockDiagonal(var matrix):
        var start = 0
        for index in matrix.blocks.indices {
          let end = start + matrix.blocks[index].order
          matrix.blocks[index].diagonal = Array(newValue[start..<end])
          start = end
        }
        self = .blockDiagonal(matrix)
      case .diagonal: self = .diagonal(newValue)
      }
    }
  }

  /// The blocks on the diagonal in order: one if full, `order` of 1 × 1 if diagonal.
  public var blocks: [SymmetricMatrix] {
    switch self {
    case .full(let matrix): [matrix]
    case .blockDiagonal(let matrix): matrix.blocks
    case .diagonal(let values): values.map { SymmetricMatrix(order: 1, packed: [$0]) }
    }
  }

  /// The same numbers in a full matrix, zeros elsewhere.
  public var dense: SymmetricMatrix {
    var result = SymmetricMatrix(order: order)
    var start = 0
    for block in blocks {
      var index = 0
      for row in 0..<block.order {
        for column in 0...row {
          result.packed[(start + row) * (start + row + 1) / 2 + start + column] =
            block.packed[index]
          index += 1
        }
      }
      start += block.order
    }
    return result
  }

  /// Every element times `factor`; 2 / n makes H of S.
  public func scaled(by factor: Float) -> SecondMoments {
    switch self {
    case .full(let matrix): .full(matrix.scaled(by: factor))
    case .diagonal(let values): .diagonal(values.map { $0 * factor })
    case .blockDiagonal(let matrix):
      .blockDiagonal(
        BlockDiagonalMatrix(
          order: matrix.order, blockSize: matrix.blockSize,
          blocks: matrix.blocks.map { $0.scaled(by: factor) }))
    }
  }
}

extension SecondMoments {
  /// Channels rearranged: element (i, j) of the result is (positions[i], positions[j]).
  ///
  /// Blocks do not stay blocks: of them comes a full matrix.
  public func permuted(by positions: [Int]) -> SecondMoments {
    switch self {
    case .full(let matrix): .full(matrix.permuted(by: positions))
    case .blockDiagonal: .full(dense.permuted(by: positions))
    case .diagonal(let values): .diagonal(positions.map { values[$0] })
    }
  }
}

extension SymmetricMatrix {
  /// Every element times `factor`.
  public func scaled(by factor: Float) -> SymmetricMatrix {
    SymmetricMatrix(order: order, packed: packed.map { $0 * factor })
  }

  /// The rows and columns of `range`.
  public func diagonalBlock(_ range: Range<Int>) -> SymmetricMatrix {
    var packed: [Float] = []
    packed.reserveCapacity(range.count * (range.count + 1) / 2)
    for row in range {
      let start = row * (row + 1) / 2
      packed += self.packed[start + range.lowerBound...start + row]
    }
    return SymmetricMatrix(order: range.count, packed: packed)
  }

  /// Rows and columns rearranged: element (i, j) of the result is (positions[i], positions[j]).
  public func permuted(by positions: [Int]) -> SymmetricMatrix {
    precondition(positions.count == order, "\(positions.count) positions for order \(order)")
    var packed: [Float] = []
    packed.reserveCapacity(self.packed.count)
    for row in 0..<order {
      for column in 0...row { packed.append(self[positions[row], positions[column]]) }
    }
    return SymmetricMatrix(order: order, packed: packed)
  }
}
