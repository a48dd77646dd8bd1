public import Tensors

extension QuantizedCheckpoint {
  /// What may stand behind the stem of a quantized weight.
  static let parts = [
    "codes", "scales", "zeros", "group_index", "codebooks", "neuron_order", "sparse_rows",
    "sparse_columns", "sparse_values",
  ]

  /// A weight as it is stored, or nil if it keeps its precision.
  ///
  /// - Throws: ``PackedWeightError``.
  public func stored(_ name: String) throws -> StoredMatrix? {
    guard let entry = file.metadata[name] else { return nil }
    let dense = try dense(name, entry: entry)
    guard hasSparsePart(name) else { return dense }
    return .withSparse(
      dense, try sparsePart(of: name, rows: dense.rows, columns: dense.columns))
  }

  /// Whether a weight has a sparse part.
  func hasSparsePart(_ name: String) -> Bool {
    file.tensors["\(name.dropLast("weight".count))sparse_rows"] != nil
  }

  private func dense(_ name: String, entry: String) throws -> StoredMatrix {
    let layout = entry.drop { $0 != "/" }.dropFirst()
    switch StoredForm(entry: entry) {
    case nil: return .packed(try packed(name, entry: Substring(entry)))
    case .inputChannel:
      return .inputGrouped(
        TransposedPackedMatrix(transposed: try packed(name, entry: layout)))
    case .codebooks: return .codebooks(try codebooks(name, entry: layout))
    case .slices: return try slices(name, entry: entry)
    }
  }

  private func slices(_ name: String, entry: String) throws -> StoredMatrix {
    let layout = try SlicedLayout(entry: entry, weight: name, path: file.path)
    let slices = try (0..<layout.count).map { index in
      let slice = SlicedTensors.slice(index, of: name)
      guard let entry = file.metadata[slice], StoredForm(entry: entry) != .slices else {
        throw PackedWeightError.missing(path: file.path, weight: name, part: slice)
      }
      return try dense(slice, entry: entry)
    }
    let across = slices.map { layout.axis == .rows ? $0.columns : $0.rows }
    let neurons = slices.reduce(0) { $0 + (layout.axis == .rows ? $1.rows : $1.columns) }
    let (packed, codebooks) = (slices.compactMap(\.asPacked), slices.compactMap(\.asCodebooks))
    guard across.allSatisfy({ $0 == across[0] }),
      [packed.count, codebooks.count].contains(slices.count)
    else {
      throw PackedWeightError.badLayout(path: file.path, weight: name, found: entry)
    }
    let order = try neuronOrder(beside: layout.orderWeight, of: name, neurons: neurons)
    return packed.isEmpty
      ? .slicedCodebooks(Slices(codebooks, along: layout.axis, order: order))
      : .sliced(SlicedMatrix(packed, along: layout.axis, order: order))
  }

  private func codebooks(_ name: String, entry: Substring) throws -> CodebookMatrix {
    let layout = try PackedLayout(entry: entry, weight: name, path: file.path)
    let stem = String(name.dropLast("weight".count))
    let (rows, rowBytes) = try codeShape("\(stem)codes", of: name, layout)
    let groups = (layout.columns + layout.groupSize - 1) / layout.groupSize
    return CodebookMatrix(
      rows: rows, columns: layout.columns, bits: layout.bits, groupSize: layout.groupSize,
      codes: try bytes("\(stem)codes", of: name, count: rows * rowBytes),
      codebooks: try scales("\(stem)codebooks", of: name, count: rows * groups << layout.bits))
  }

  /// Rows and bytes of a row.
  func codeShape(
    _ part: String, of weight: String, _ layout: PackedLayout
  ) throws(PackedWeightError) -> (rows: Int, rowBytes: Int) {
    guard let codes = file.tensors[part], codes.shape.count == 2 else {
      throw .missing(path: file.path, weight: weight, part: "codes")
    }
    // Rows without bytes would cost nothing in the file, whatever their number.
    let rowBytes = BitStream.byteCount(codes: layout.columns, bits: layout.bits)
    guard codes.shape[1] > 0 else {
      throw .wrongSize(path: file.path, part: part, expected: rowBytes, found: 0)
    }
    return (codes.shape[0], rowBytes)
  }

  private func sparsePart(of name: String, rows: Int, columns: Int) throws -> SparseMatrix {
    let stem = String(name.dropLast("weight".count))
    func damaged(_ reason: String) -> PackedWeightError {
      .wrongSparse(path: file.path, weight: name, reason: reason)
    }
    let starts = try bytes("\(stem)sparse_rows", of: name, count: 4 * (rows + 1))
      .withUnsafeBytes { WeightDecoder.copy($0, as: UInt32.self) }
    guard starts[0] == 0, zip(starts, starts.dropFirst()).allSatisfy({ $0 <= $1 }) else {
      throw damaged("row starts do not rise from 0")
    }
    guard columns <= 1 << 16 else { throw damaged("\(columns) columns do not fit into 16 bits") }
    let count = Int(starts[rows])
    let indices = try bytes("\(stem)sparse_columns", of: name, count: 2 * count)
      .withUnsafeBytes { WeightDecoder.copy($0, as: UInt16.self) }
    if let wrong = indices.first(where: { Int($0) >= columns }) {
      throw damaged("it names column \(wrong) of \(columns)")
    }
    return SparseMatrix(
      rows: rows, columns: columns, rowStarts: starts, columnIndices: indices,
      values: try scales("\(stem)sparse_values", of: name, count: count))
  }
}

extension StoredMatrix {
  fileprivate var asPacked: PackedMatrix? {
    if case .packed(let matrix) = self { matrix } else { nil }
  }

  fileprivate var asCodebooks: CodebookMatrix? {
    if case .codebooks(let matrix) = self { matrix } else { nil }
  }
}

/// `bits/groupSize/columns` of a weight in one piece.
struct PackedLayout {
  let bits: Int
  let groupSize: Int
  let columns: Int

  init(entry: Substring, weight: String, path: String) throws(PackedWeightError) {
    let numbers = entry.split(separator: "/").compactMap { Int($0) }
    guard numbers.count == 3, (1...8).contains(numbers[0]), (1...1 << 24).contains(numbers[1]),
      (1...1 << 24).contains(numbers[2])
    else { throw .badLayout(path: path, weight: weight, found: String(entry)) }
    (bits, groupSize, columns) = (numbers[0], numbers[1], numbers[2])
  }
}
