import Tensors

/// What a quantized weight takes in its file, counted from the headers of its tensors.
public struct StoredBits: Sendable, Equatable {
  /// What a stored tensor holds.
  public enum Kind: String, Sendable, CaseIterable {
    case codes, scales, zeros, codebooks
    case groupIndex = "group_index"
    case neuronOrder = "neuron_order"
    case sparseValues = "sparse_values"
    case sparseColumns = "sparse_columns"
    case sparseRows = "sparse_rows"
    /// Bits that fill the last byte of a row of codes, of zeros and of an order.
    case padding
  }

  public var bits: [Kind: Int] = [:]
  /// Neurons of one bit-width.
  public struct Slice: Sendable, Equatable {
    public let bits: Int
    public let neurons: Int
  }

  /// Outputs times inputs.
  public var weights = 0
  /// Input features.
  public var inputs = 0
  /// What the metadata call its codes, slices aside; nil: affine grids along the outputs.
  public var form: String?
  /// In the order in which they are stored; empty where the weight is in one piece.
  public var slices: [Slice] = []
  /// Elements of the sparse part.
  public var sparseElements = 0
  /// Weights that share a scale or a codebook, the most of any slice; nil: a whole row of inputs or
  /// of outputs.
  public var sharing: Int?
  /// Tensors that hold them.
  public var tensors: [String] = []
  /// Weights of a row that share a scale, the most of any slice; nil for codebooks and beside a
  /// sparse part.
  public var groupSize: Int?

  public var codeBits: Int { bits[.codes] ?? 0 }
  /// Of the sparse part: values, columns and row starts.
  public var sparseBits: Int {
    [.sparseValues, .sparseColumns, .sparseRows].reduce(0) { $0 + (bits[$1] ?? 0) }
  }
  /// All but codes and padding.
  public var metadataBits: Int {
    bits.reduce(0) { $0 + ([.codes, .padding].contains($1.key) ? 0 : $1.value) }
  }

  fileprivate mutating func add(_ kind: Kind, _ count: Int, of bytes: Int) {
    bits[kind, default: 0] += count
    if 8 * bytes > count { bits[.padding, default: 0] += 8 * bytes - count }
  }
}

extension QuantizedCheckpoint {
  /// Counts the bits of a weight without reading its elements.
  ///
  /// - Parameter name: Of a quantized weight.
  /// - Returns: Bits of every tensor that stands for it.
  /// - Throws: ``PackedWeightError`` if its layout is damaged or a tensor is missing.
  public func storedBits(of name: String) throws(PackedWeightError) -> StoredBits {
    guard let entry = file.metadata[name] else {
      throw .missing(path: file.path, weight: name, part: "metadata entry")
    }
    var result = StoredBits()
    let form = StoredForm(entry: entry)
    if form == .slices {
      let layout = try SlicedLayout(entry: entry, weight: name, path: file.path)
      var (inputs, neurons) = (0, 0)
      for index in 0..<layout.count {
        let slice = SlicedTensors.slice(index, of: name)
        guard let entry = file.metadata[slice] else {
          throw .missing(path: file.path, weight: name, part: slice)
        }
        let (rows, columns, bits) = try count(slice, entry: entry, into: &result)
        inputs = layout.axis == .columns ? inputs + columns : columns
        let found = layout.axis == .columns ? columns : rows
        result.slices.append(StoredBits.Slice(bits: bits, neurons: found))
        neurons += found
      }
      result.inputs = inputs
      result.sharing = result.sharing.flatMap { $0 < inputs ? $0 : nil }
      result.groupSize = result.groupSize.map { min($0, inputs) }
      if layout.orderWeight == name { try countOrder(of: name, neurons, into: &result) }
    } else {
      let (rows, columns, _) = try count(name, entry: entry, into: &result)
      result.inputs = form == .inputChannel ? rows : columns
      result.sharing = result.sharing.flatMap { $0 < columns ? $0 : nil }
      result.groupSize = result.groupSize.map { min($0, columns) }
    }
    try countSparsePart(of: name, into: &result)
    return result
  }

  /// - Returns: The shape and the width of the codes.
  private func count(
    _ name: String, entry: String, into result: inout StoredBits
  ) throws(PackedWeightError) -> (rows: Int, columns: Int, bits: Int) {
    let form = StoredForm(entry: entry)
    let layout = try PackedLayout(
      entry: form == nil ? Substring(entry) : entry.drop { $0 != "/" }.dropFirst(), weight: name,
      path: file.path)
    let stem = String(name.dropLast("weight".count))
    let (rows, _) = try codeShape("\(stem)codes", of: name, layout)
    let groups = (layout.columns + layout.groupSize - 1) / layout.groupSize
    result.weights += rows * layout.columns
    result.form = form?.rawValue
    result.sharing = max(result.sharing ?? 0, layout.groupSize)
    if form != .codebooks { result.groupSize = max(result.groupSize ?? 0, layout.groupSize) }
    for kind in [StoredBits.Kind.codes, .scales, .zeros, .codebooks, .groupIndex] {
      guard let info = file.tensors[stem + kind.rawValue] else { continue }
      result.tensors.append(info.name)
      let count =
        switch kind {
        case .codes: rows * layout.columns * layout.bits
        case .zeros: rows * groups * layout.bits
        default: 8 * info.byteCount
        }
      result.add(kind, count, of: info.byteCount)
    }
    return (rows, layout.columns, layout.bits)
  }

  private func countOrder(
    of name: String, _ neurons: Int, into result: inout StoredBits
  ) throws(PackedWeightError) {
    let part = SlicedTensors.order(beside: name)
    guard let info = file.tensors[part] else {
      throw .missing(path: file.path, weight: name, part: part)
    }
    result.tensors.append(part)
    result.add(
      .neuronOrder, neurons * SlicedTensors.bits(neurons: neurons), of: info.byteCount)
  }

  private func countSparsePart(
    of name: String, into result: inout StoredBits
  ) throws(PackedWeightError) {
    guard hasSparsePart(name) else { return }
    result.groupSize = nil
    for kind in [StoredBits.Kind.sparseRows, .sparseColumns, .sparseValues] {
      let part = name.dropLast("weight".count) + kind.rawValue
      guard let info = file.tensors[String(part)] else {
        throw .missing(path: file.path, weight: name, part: String(part))
      }
      result.tensors.append(info.name)
      result.add(kind, 8 * info.byteCount, of: info.byteCount)
      if kind == .sparseValues { result.sparseElements = info.elementCount }
    }
  }
}
