import Tensors

/// Sums over the inputs x of one projection: what its Hessian and its channel scales are made of.
struct InputStatistics {
  let width: Int
  /// Rows seen.
  private(set) var tokens = 0
  /// Lower triangle of S = Σ x xᵀ, packed; no factor 2, no damping.
  private var hessian: [Double]
  /// Largest |x| of each channel.
  private(set) var absmax: [Float]
  /// Σ x² of each channel.
  private(set) var sumSquares: [Double]

  /// Rows whose products are summed in f32 before they go into the f64 sum.
  private static let block = 4096

  init(width: Int) {
    self.width = width
    hessian = [Double](repeating: 0, count: width * (width + 1) / 2)
    absmax = [Float](repeating: 0, count: width)
    sumSquares = [Double](repeating: 0, count: width)
  }

  /// S rounded to f32.
  var symmetricSum: SymmetricMatrix {
    SymmetricMatrix(order: width, packed: hessian.map { Float($0) })
  }

  /// Adds rows.
  ///
  /// - Parameters:
  ///   - x: `[rows, width]`.
  ///   - rows: How many.
  ///   - scratch: Holds the product of one block.
  mutating func add(_ x: UnsafePointer<Float>, rows: Int, scratch: ScratchBuffer<Float>) {
    for start in stride(from: 0, to: rows, by: Self.block) {
      let count = min(Self.block, rows - start)
      addProduct(x + start * width, rows: count, scratch: scratch)
      addChannels(x + start * width, rows: count)
    }
    tokens += rows
  }

  private mutating func addProduct(
    _ x: UnsafePointer<Float>, rows: Int, scratch: ScratchBuffer<Float>
  ) {
    let width = width
    // SAFETY: rows of the triangle are disjoint.
    nonisolated(unsafe) let product = scratch.reserve(width * width)
    BatchedProduct.gram(x, rows: rows, width: width, into: product)
    hessian.withUnsafeMutableBufferPointer { hessian in
      nonisolated(unsafe) let hessian = hessian
      forEachChunk(of: width, size: 32) { range in
        for row in range {
          let target = row * (row + 1) / 2
          for column in 0...row {
            hessian[target + column] += Double(product[row * width + column])
          }
        }
      }
    }
  }

  private mutating func addChannels(_ x: UnsafePointer<Float>, rows: Int) {
    for row in 0..<rows {
      for channel in 0..<width {
        let value = x[row * width + channel]
        absmax[channel] = max(absmax[channel], abs(value))
        sumSquares[channel] += Double(value) * Double(value)
      }
    }
  }
}
