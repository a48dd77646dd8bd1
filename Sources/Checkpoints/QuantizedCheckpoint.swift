public import Foundation
public import Tensors

/// A model folder whose linear layers are stored as packed codes.
///
/// `quantized.safetensors` holds every tensor of the model. The file's metadata has an entry for each
/// quantized `….weight`, of one of these forms, which stand for these tensors:
///
///     bits/groupSize/columns                     weight = scale · (code − zero)
///       ….codes       U8  [rows, ⌈columns · bits / 8⌉]   codes of a row, dense little-endian bit stream
///       ….scales      F16 [rows, groups]
///       ….zeros       U8  [⌈rows · groups · bits / 8⌉]   dense bit stream; absent if symmetric: then the
///                                                        zero is 2^(bits−1), or ½ for one bit
///       ….group_index I32 [columns]                      group of each column; absent if column / groupSize
///     input-channel/bits/groupSize/outputs       the same of the transposed weight: a row of codes is an
///                                                input channel, groups are of outputs
///     codebooks/bits/groupSize/columns           weight = codebooks[row, column / groupSize, code]
///       ….codes       U8  [rows, ⌈columns · bits / 8⌉]
///       ….codebooks   F16 [rows, groups, 2^bits]         rising
///     slices/axis/count/weight                   neurons in slices, as ``SlicedTensors`` says; `axis` is
///                                                where the neurons are, `weight` where their order lies
///
/// To any of them a sparse part may be added, in compressed rows of the whole weight:
///
///     ….sparse_rows    U32 [rows + 1]       first entry of each row
///     ….sparse_columns U16 [entries]
///     ….sparse_values  F16 [entries]        what the weight is beyond the dense part
///
/// A dense little-endian bit stream has code i in bits i · bits ..< (i + 1) · bits, the lowest bit of a
/// byte first, as GPTQ's `qweight` has it within a column. Everything else keeps the dtype of the
/// original checkpoint. `experiments/benchmarks/read_packed.py` reads a folder in thirty lines.
public struct QuantizedCheckpoint: Sendable {
  public static let fileName = "quantized.safetensors"

  public let directory: URL
  public let configuration: ModelConfiguration
  let file: SafeTensorsFile

  /// Whether a folder holds packed weights.
  public static func isQuantized(_ directory: URL) -> Bool {
    FileManager.default.fileExists(atPath: directory.appending(path: fileName).path)
  }

  /// - Throws: ``CheckpointError``, ``ConfigurationError``.
  public init(_ directory: URL) throws {
    self.directory = directory
    configuration = try ModelConfiguration(directory.appending(path: "config.json"))
    file = try SafeTensorsFile(directory.appending(path: Self.fileName))
  }

  /// Names of the stored tensors, sorted.
  public var tensorNames: [String] { file.tensors.keys.sorted() }
  public var byteCount: Int { file.byteCount }
  public func info(_ name: String) -> TensorInfo? { file.tensors[name] }

  /// Names of the quantized weights, sorted.
  public var quantizedWeights: [String] {
    let slices = Set(
      file.metadata.filter { $0.value.hasPrefix("slices/") }.keys.flatMap { weight in
        (0..<8).map { SlicedTensors.slice($0, of: weight) }
      })
    return file.metadata.keys.filter { $0.hasSuffix(".weight") && !slices.contains($0) }.sorted()
  }

  /// The slices of a weight, or nil if it is stored in another form or has a sparse part.
  ///
  /// - Parameter name: Of the weight.
  /// - Returns: The slices with the order of their neurons.
  /// - Throws: ``PackedWeightError``.
  public func sliced(_ name: String) throws -> SlicedMatrix? {
    guard case .sliced(let sliced) = try stored(name) else { return nil }
    return sliced
  }

  func neuronOrder(
    beside orderWeight: String, of weight: String, neurons: Int
  ) throws -> [Int] {
    let (part, bits) = (
      SlicedTensors.order(beside: orderWeight), SlicedTensors.bits(neurons: neurons)
    )
    let stream = try bytes(
      part, of: weight, count: BitStream.byteCount(codes: neurons, bits: bits))
    let order = BitStream.unpackedIndices(stream, bits: bits, count: neurons)
    var seen = [Bool](repeating: false, count: neurons)
    for neuron in order {
      guard neuron < neurons, !seen[neuron] else {
        throw PackedWeightError.wrongOrder(path: file.path, part: part, neuron: neuron)
      }
      seen[neuron] = true
    }
    return order
  }

  /// A weight on affine grids with groups of inputs, or nil if it is stored in another form or has a
  /// sparse part.
  ///
  /// - Throws: ``PackedWeightError``.
  public func packed(_ name: String) throws -> PackedMatrix? {
    guard let entry = file.metadata[name], StoredForm(entry: entry) == nil, !hasSparsePart(name)
    else { return nil }
    return try packed(name, entry: Substring(entry))
  }

  func packed(_ name: String, entry: Substring) throws -> PackedMatrix {
    let layout = try PackedLayout(entry: entry, weight: name, path: file.path)
    let stem = String(name.dropLast("weight".count))
    let (rows, rowBytes) = try codeShape("\(stem)codes", of: name, layout)
    let groups = (layout.columns + layout.groupSize - 1) / layout.groupSize
    let symmetric = file.tensors["\(stem)zeros"] == nil
    let scales = try scales("\(stem)scales", of: name, count: rows * groups)
    return PackedMatrix(
      rows: rows, columns: layout.columns, bits: layout.bits, groupSize: layout.groupSize,
      symmetric: symmetric,
      codes: try bytes(
        "\(stem)codes", of: name,
        count: rows * rowBytes),
      scales: scales,
      zeros: symmetric
        ? [] : try zeros("\(stem)zeros", of: name, count: rows * groups, bits: layout.bits),
      groupIndex: try groupIndex("\(stem)group_index", of: name, layout: layout, groups: groups))
  }

  func scales(_ part: String, of weight: String, count: Int) throws -> [UInt16] {
    let patterns = try bytes(part, of: weight, count: 2 * count).withUnsafeBytes {
      WeightDecoder.copy($0, as: UInt16.self)
    }
    guard let index = patterns.firstIndex(where: { !Float16(bitPattern: $0).isFinite }) else {
      return patterns
    }
    throw PackedWeightError.notFinite(
      path: file.path, part: part, index: index,
      value: Float(Float16(bitPattern: patterns[index])))
  }

  private func groupIndex(
    _ part: String, of weight: String, layout: PackedLayout, groups: Int
  ) throws -> [Int32]? {
    guard file.tensors[part] != nil else { return nil }
    let bytes = try bytes(part, of: weight, count: 4 * layout.columns)
    let index = bytes.withUnsafeBytes { WeightDecoder.copy($0, as: Int32.self) }
    guard let wrong = index.first(where: { !(0..<Int32(groups)).contains($0) }) else {
      return index
    }
    throw PackedWeightError.wrongGroup(
      path: file.path, part: part, groups: groups, found: Int(wrong))
  }

  private func zeros(_ part: String, of weight: String, count: Int, bits: Int) throws -> [UInt8] {
    let stream = try bytes(
      part, of: weight, count: BitStream.byteCount(codes: count, bits: bits))
    return BitStream.unpacked(stream.span, bits: bits, count: count)
  }

  /// A weight as f32: dequantized, or widened.
  ///
  /// - Throws: ``PackedWeightError``, ``CheckpointError``.
  public func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix {
    guard let stored = try stored(name) else {
      return Matrix(
        rows: rows, columns: columns, storage: try file.floats(name, shape: [rows, columns]))
    }
    try check([stored.rows, stored.columns], of: name, against: [rows, columns])
    return stored.dequantized()
  }

  private func check(
    _ found: [Int], of name: String, against expected: [Int]
  ) throws(PackedWeightError) {
    guard found == expected else {
      throw .wrongShape(path: file.path, weight: name, expected: expected, found: found)
    }
  }

  public func vector(_ name: String, count: Int) throws -> [Float] {
    try file.floats(name, shape: [count])
  }

  public func releasePages(of name: String) {
    guard file.metadata[name] != nil else { return file.releasePages(of: name) }
    for index in 0..<8 where file.metadata[SlicedTensors.slice(index, of: name)] != nil {
      releasePages(of: SlicedTensors.slice(index, of: name))
    }
    let stem = name.dropLast("weight".count)
    for part in Self.parts { file.releasePages(of: stem + part) }
  }

  func bytes(_ part: String, of weight: String, count: Int) throws -> [UInt8] {
    guard let info = file.tensors[part] else {
      throw PackedWeightError.missing(path: file.path, weight: weight, part: part)
    }
    guard info.byteCount == count else {
      throw PackedWeightError.wrongSize(
        path: file.path, part: part, expected: count, found: info.byteCount)
    }
    return try file.withBytes(of: part) { Array($0) }
  }
}
