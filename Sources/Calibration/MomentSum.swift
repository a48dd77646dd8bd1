import Tensors

/// S = Σ x xᵀ as far as kept; no factor 2, no damping.
///
/// Products are summed in f32 over at most 4,096 rows, blocks in f64 (DECISIONS: Hessian).
struct MomentSum {
  let width: Int
  let storage: MomentStorage
  /// Packed lower triangles of the blocks, one after the other; the squares alone if diagonal.
  private var sums: [Double]

  private static let block = 4096
  private let panel: Int

  /// A zero sum.
  ///
  /// - Parameters:
  ///   - width: Channels.
  ///   - storage: What is kept.
  ///   - panel: Rows of the triangle computed together: half of their squares on the diagonal is
  ///     computed in vain, and f32 memory of `panel · width` is needed.
  init(width: Int, storage: MomentStorage, panel: Int = 512) {
    self.width = width
    self.storage = storage
    self.panel = panel
    sums = [Double](repeating: 0, count: storage.elementCount(order: width))
  }

  /// The elements rounded to f32, in the order of the file.
  var elements: [Float] { sums.map { Float($0) } }

  /// Whether every element is, rounded to f32.
  var isFinite: Bool { sums.allSatisfy { Float($0).isFinite } }

  /// The elements of `a · self + b · other`, rounded to f32.
  func elements(times a: Double, plus b: Double, _ other: MomentSum) -> [Float] {
    zip(sums, other.sums).map { Float(a * $0 + b * $1) }
  }

  /// Adds rows, `[rows, width]`; `product` and `gathered` are working memory.
  mutating func add(
    _ x: UnsafePointer<Float>, rows: Int, product: ScratchBuffer<Float>,
    gathered: ScratchBuffer<Float>
  ) {
    for start in stride(from: 0, to: rows, by: Self.block) {
      let count = min(Self.block, rows - start)
      let part = x + start * width
      switch storage {
      case .full: addTriangle(part, rows: count, order: width, at: 0, product)
      case .diagonal: addSquares(part, rows: count)
      case .blockDiagonal(let size):
        addBlocks(part, rows: count, size: size, product: product, gathered: gathered)
      }
    }
  }

  private mutating func addBlocks(
    _ x: UnsafePointer<Float>, rows: Int, size: Int, product: ScratchBuffer<Float>,
    gathered: ScratchBuffer<Float>
  ) {
    var offset = 0
    for first in stride(from: 0, to: width, by: size) {
      let order = min(size, width - first)
      let columns = gathered.reserve(rows * order)
      for row in 0..<rows {
        (columns + row * order).update(from: x + row * width + first, count: order)
      }
      addTriangle(columns, rows: rows, order: order, at: offset, product)
      offset += order * (order + 1) / 2
    }
  }

  private mutating func addTriangle(
    _ x: UnsafePointer<Float>, rows: Int, order: Int, at offset: Int,
    _ scratch: ScratchBuffer<Float>
  ) {
    let panel = panel
    // SAFETY: rows of the triangle are disjoint.
    nonisolated(unsafe) let product = scratch.reserve(min(panel, order) * order)
    sums.withUnsafeMutableBufferPointer { sums in
      nonisolated(unsafe) let sums = sums
      for first in stride(from: 0, to: order, by: panel) {
        let end = min(first + panel, order)
        BatchedProduct.gram(x, rows: rows, width: order, panel: first..<end, into: product)
        forEachChunk(of: end - first, size: 32) { range in
          for index in range {
            let row = first + index
            let target = offset + row * (row + 1) / 2
            let source = product + index * end
            for column in 0...row { sums[target + column] += Double(source[column]) }
          }
        }
      }
    }
  }

  private mutating func addSquares(_ x: UnsafePointer<Float>, rows: Int) {
    let width = width
    sums.withUnsafeMutableBufferPointer { sums in
      // SAFETY: every chunk writes its own channels.
      nonisolated(unsafe) let (sums, x) = (sums, x)
      forEachChunk(of: width, size: 256) { channels in
        for row in 0..<rows {
          for channel in channels {
            let value = Double(x[row * width + channel])
            sums[channel] += value * value
          }
        }
      }
    }
  }
}
