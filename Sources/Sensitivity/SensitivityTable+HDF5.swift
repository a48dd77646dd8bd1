import BitAllocation
import Foundation
import HDF5
import MoEModels

/// Expert tables as HDF5 arrays: unit × level, not one object a unit.
///
///     units/layer, units/block, units/weights     i64 [units]
///         block: index of the routed expert; -1 the shared expert; -2 the MLP of a dense layer
///     levels/bits                                 f64 [levels]
///     loss, code_bits, metadata_bits              f64 [units, levels]; NaN where not measured
///     scores/<name>                               f64 [units]
extension SensitivityTable {
  static let format = "assay.sensitivity-table"

  /// Writes an expert table whose units share their levels.
  ///
  /// - Throws: ``HDF5Error``.
  public func write(to url: URL) throws {
    let levels = units.first?.levels.map(\.bits) ?? []
    precondition(
      units.allSatisfy { $0.levels.map(\.bits) == levels }, "units differ in levels")
    let file = try HDF5Writer(url)
    try file.writeAttribute(Self.format, "format")
    try file.writeAttribute("1.1.0", "format_version")
    try file.write(units.map { Int64($0.layer) }, to: "units/layer")
    try file.write(units.map(BlockCode.init).map(\.value), to: "units/block")
    try file.write(units.map { Int64($0.weights) }, to: "units/weights")
    try file.write(levels, to: "levels/bits")
    let shape = [units.count, levels.count]
    try file.write(units.flatMap { $0.levels.map { $0.loss ?? .nan } }, to: "loss", shape: shape)
    try file.write(
      units.flatMap { $0.levels.map(\.codeBits) }, to: "code_bits", shape: shape)
    try file.write(
      units.flatMap { $0.levels.map { $0.metadataBits ?? .nan } }, to: "metadata_bits",
      shape: shape)
    for (name, values) in scores.sorted(by: { $0.key < $1.key }) {
      try file.write(values, to: "scores/\(name)")
    }
    try file.finish()
  }

  /// Reads what ``write(to:)`` wrote.
  ///
  /// - Throws: ``HDF5Error``, ``TableError``.
  public init(hdf5 url: URL) throws {
    let file = try HDF5Reader(url)
    let format = try file.textAttribute("format")
    guard format == Self.format else {
      throw HDF5Error.wrongFormat(path: file.path, expected: Self.format, found: format)
    }
    let layers: [Int64] = try file.read("units/layer")
    let blocks = try (file.read("units/block", count: layers.count) as [Int64])
      .map { try BlockCode(value: $0, path: file.path).block }
    let weights: [Int64] = try file.read("units/weights", count: layers.count)
    let bits: [Double] = try file.read("levels/bits")
    let cells = layers.count * bits.count
    let loss: [Double] = try file.read("loss", count: cells)
    let codeBits: [Double] = try file.read("code_bits", count: cells)
    let metadataBits: [Double] = try file.read("metadata_bits", count: cells)
    let units = layers.indices.map { unit in
      BitAllocation.Unit(
        id: LinearModule.unit(layer: Int(layers[unit]), blocks[unit]),
        layer: Int(layers[unit]), expert: blocks[unit].expert, weights: Int(weights[unit]),
        levels: bits.indices.map { level in
          let cell = unit * bits.count + level
          return Level(
            bits: bits[level], loss: loss[cell].isNaN ? nil : loss[cell],
            codeBits: codeBits[cell],
            metadataBits: metadataBits[cell].isNaN ? nil : metadataBits[cell])
        })
    }
    var scores: [String: [Double]] = [:]
    for name in file.datasets() where name.hasPrefix("scores/") {
      scores[String(name.dropFirst("scores/".count))] = try file.read(name, count: layers.count)
    }
    try self.init(units: units, scores: scores)
  }
}

/// A block as one number.
private struct BlockCode {
  let block: GatedBlock

  var value: Int64 {
    switch block {
    case .expert(let index): Int64(index)
    case .shared: -1
    case .dense: -2
    }
  }

  init(_ unit: BitAllocation.Unit) {
    block = unit.expert.map { .expert($0) } ?? (unit.id.hasSuffix(".shared") ? .shared : .dense)
  }

  init(value: Int64, path: String) throws(HDF5Error) {
    switch value {
    case -2: block = .dense
    case -1: block = .shared
    case 0...Int64(Int32.max): block = .expert(Int(value))
    default:
      throw .wrongFormat(
        path: path, expected: "units/block of -2 or more", found: "\(value)")
    }
  }
}
