public import Foundation
public import Tensors

/// A model folder whose linear layers are stored as packed codes.
///
/// `quantized.safetensors` holds every tensor of the model. A quantized `….weight` is replaced by
///
///     ….codes   U8  [rows, ⌈columns · bits / 8⌉]     codes of a row, dense little-endian bit stream
///     ….scales  F16 [rows, groups]
///     ….zeros   U8  [⌈rows · groups · bits / 8⌉]     dense bit stream; absent if symmetric
///     ….group_index I32 [columns]                    group of each column; absent if column / groupSize
///
/// and the file's metadata entry `….weight` = `bits/groupSize/columns` tells how to read them:
/// weight = scale · (code − zero). A weight of an expert with several bit-widths lies in slices, as
/// ``SlicedTensors`` says. Everything else keeps the dtype of the original checkpoint.
public struct QuantizedCheckpoint: Sendable {
  public static let fileName = "quantized.safetensors"

  public let directory: URL
  public let configuration: ModelConfiguration
  private let file: SafeTensorsFile

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

  /// The slices of a weight, or nil if it is stored in one piece or plainly.
  ///
  /// - Parameter name: Of the weight.
  /// - Returns: The slices with the order of their neurons.
  /// - Throws: ``PackedWeightError``.
  public func sliced(_ name: String) throws -> SlicedMatrix? {
    guard let entry = file.metadata[name],
      let layout = try SlicedLayout(entry: entry, weight: name, path: file.path)
    else { return nil }
    let slices = try (0..<layout.count).map { index in
      let slice = SlicedTensors.slice(index, of: name)
      guard let packed = try packed(slice) else {
        throw PackedWeightError.missing(path: file.path, weight: name, part: slice)
      }
      return packed
    }
    let across = slices.map { layout.axis == .rows ? $0.columns : $0.rows }
    guard across.allSatisfy({ $0 == across[0] }) else {
      throw PackedWeightError.badLayout(path: file.path, weight: name, found: entry)
    }
    let neurons = slices.reduce(0) { $0 + (layout.axis == .rows ? $1.rows : $1.columns) }
    return SlicedMatrix(
      slices, along: layout.axis,
      order: try neuronOrder(beside: layout.orderWeight, of: name, neurons: neurons))
  }

  private func neuronOrder(
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

  /// The packed form of a weight, or nil if it is stored plainly.
  ///
  /// - Throws: ``PackedWeightError``.
  public func packed(_ name: String) throws -> PackedMatrix? {
    guard let entry = file.metadata[name], !entry.hasPrefix("slices/") else { return nil }
    let layout = try PackedLayout(entry: entry, weight: name, path: file.path)
    let stem = String(name.dropLast("weight".count))
    guard let codes = file.tensors["\(stem)codes"], codes.shape.count == 2 else {
      throw PackedWeightError.missing(path: file.path, weight: name, part: "codes")
    }
    // Rows without bytes would cost nothing in the file, whatever their number.
    let rowBytes = BitStream.byteCount(codes: layout.columns, bits: layout.bits)
    guard codes.shape[1] > 0 else {
      throw PackedWeightError.wrongSize(
        path: file.path, part: "\(stem)codes", expected: rowBytes, found: 0)
    }
    let rows = codes.shape[0]
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

  private func scales(_ part: String, of weight: String, count: Int) throws -> [UInt16] {
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
    if let sliced = try sliced(name) {
      try check([sliced.rows, sliced.columns], of: name, against: [rows, columns])
      return sliced.dequantized()
    }
    guard let packed = try packed(name) else {
      return Matrix(
        rows: rows, columns: columns, storage: try file.floats(name, shape: [rows, columns]))
    }
    try check([packed.rows, packed.columns], of: name, against: [rows, columns])
    return packed.dequantized()
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
    if let entry = file.metadata[name], entry.hasPrefix("slices/") {
      for index in 0..<8 where file.metadata[SlicedTensors.slice(index, of: name)] != nil {
        releasePages(of: SlicedTensors.slice(index, of: name))
      }
      return
    }
    let stem = String(name.dropLast("weight".count))
    for part in file.metadata[name] == nil
      ? [name] : ["codes", "scales", "zeros", "group_index"].map({ stem + $0 })
    { file.releasePages(of: part) }
  }

  private func bytes(_ part: String, of weight: String, count: Int) throws -> [UInt8] {
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

/// `bits/groupSize/columns` of a packed weight.
private struct PackedLayout {
  let bits: Int
  let groupSize: Int
  let columns: Int

  init(entry: String, weight: String, path: String) throws(PackedWeightError) {
    let numbers = entry.split(separator: "/").compactMap { Int($0) }
    guard numbers.count == 3, (1...8).contains(numbers[0]), (1...1 << 24).contains(numbers[1]),
      (1...1 << 24).contains(numbers[2])
    else { throw .badLayout(path: path, weight: weight, found: entry) }
    (bits, groupSize, columns) = (numbers[0], numbers[1], numbers[2])
  }
}

/// Why a packed weight cannot be read.
public enum PackedWeightError: Error, Equatable, CustomStringConvertible {
  case badLayout(path: String, weight: String, found: String)
  case missing(path: String, weight: String, part: String)
  case wrongSize(path: String, part: String, expected: Int, found: Int)
  case wrongShape(path: String, weight: String, expected: [Int], found: [Int])
  case wrongGroup(path: String, part: String, groups: Int, found: Int)
  case notFinite(path: String, part: String, index: Int, value: Float)
  case wrongOrder(path: String, part: String, neuron: Int)

  public var description: String {
    switch self {
    case .badLayout(let path, let weight, let found):
      "\(path): metadata of '\(weight)' is '\(found)', expected 'bits/groupSize/columns'. Quantize "
        + "the model again."
    case .missing(let path, let weight, let part):
      "\(path): '\(weight)' lacks its '\(part)'. Quantize the model again."
    case .wrongSize(let path, let part, let expected, let found):
      "\(path): '\(part)' holds \(found) bytes, expected \(expected). Quantize the model again."
    case .wrongOrder(let path, let part, let neuron):
      "\(path): '\(part)' names neuron \(neuron), which there is not or which was named before. "
        + "Quantize the model again."
    case .wrongGroup(let path, let part, let groups, let found):
      "\(path): '\(part)' names group \(found) of \(groups). Quantize the model again."
    case .notFinite(let path, let part, let index, let value):
      "\(path): '\(part)' holds \(value) at element \(index), scales must be finite. Quantize the "
        + "model again."
    case .wrongShape(let path, let weight, let expected, let found):
      "\(path): '\(weight)' has shape \(found), config.json asks for \(expected). "
        + "Check that config.json and the weights belong together."
    }
  }
}
