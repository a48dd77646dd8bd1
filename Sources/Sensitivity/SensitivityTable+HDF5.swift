import BitAllocation
import Foundation
import HDF5
import JSON
import MoEModels

/// Tables as HDF5 arrays: unit × level, not one object a unit. Version 1.3:
///
///     units/id, units/projection, units/tie       u8: UTF-8, a line a unit; empty: has none
///     units/layer, units/expert, units/weights    i64 [units]; expert -1: not of a routed expert
///     units/few_tokens                            u8 [units]; 1: few calibration tokens
///     units/group_size                            i64 [units], since 1.3; -1: not known
///     levels/bits                                 f64 [levels], those of all units
///     code_bits                                   f64 [units, levels]; NaN: the unit lacks the level
///     loss, metadata_bits                         f64 [units, levels]; NaN where not measured
///     sensitivities/<name>, resources/<name>      f64 [units, levels]; NaN where not known
///     scores/<name>                               f64 [units]
///     neuron_blocks                               u8: JSON; absent if all levels are whole
///
/// Before 1.2 there were whole experts only, which shared their levels; in place of `id` and
/// `expert` they have `units/block`, i64: index of the routed expert; -1 the shared expert; -2 the
/// MLP of a dense layer.
extension SensitivityTable {
  static let format = "assay.sensitivity-table"
  static let formatVersion = "1.3.0"

  /// Writes the table.
  ///
  /// - Parameter url: The file, which appears when it is complete.
  /// - Throws: ``HDF5Error``; also where an id or a tie holds a line break.
  public func write(to url: URL) throws {
    let file = try HDF5Writer(url)
    try file.writeAttribute(Self.format, "format")
    try file.writeAttribute(Self.formatVersion, "format_version")
    try file.write(lines: units.map(\.id), to: "units/id", path: url.path)
    try file.write(
      lines: units.map { $0.projection ?? "" }, to: "units/projection", path: url.path)
    try file.write(lines: units.map { $0.tie ?? "" }, to: "units/tie", path: url.path)
    try file.write(units.map { Int64($0.layer) }, to: "units/layer")
    try file.write(units.map { Int64($0.expert ?? -1) }, to: "units/expert")
    try file.write(units.map { Int64($0.weights) }, to: "units/weights")
    try file.write(units.map { UInt8($0.hasFewTokens ? 1 : 0) }, to: "units/few_tokens")
    try file.write(units.map { Int64($0.groupSize ?? -1) }, to: "units/group_size")
    let grid = LevelGrid(bits: Set(units.flatMap { $0.levels.map(\.bits) }).sorted(), units: units)
    try file.write(grid.bits, to: "levels/bits")
    try grid.write(\.codeBits, to: "code_bits", of: file)
    try grid.write(\.loss, to: "loss", of: file)
    try grid.write(\.metadataBits, to: "metadata_bits", of: file)
    for name in grid.names(\.sensitivities) {
      try grid.write(\.sensitivities[name], to: "sensitivities/\(name)", of: file)
    }
    for name in grid.names(\.resources) {
      try grid.write(\.resources[name], to: "resources/\(name)", of: file)
    }
    for (name, values) in scores.sorted(by: { $0.key < $1.key }) {
      try file.write(values, to: "scores/\(name)")
    }
    if let neuronBlocks {
      try file.write(Array(CanonicalJSON.data(neuronBlocks.json)), to: "neuron_blocks")
    }
    try file.finish()
  }

  /// Reads what ``write(to:)`` wrote, in this version or an earlier one.
  ///
  /// - Parameter url: The file.
  /// - Throws: ``HDF5Error``, ``TableError``.
  public init(hdf5 url: URL) throws {
    let file = try HDF5Reader(url)
    try file.checkFormat()
    var units =
      file.contains("units/id") ? try file.unitsWithoutLevels() : try file.blocksWithoutLevels()
    let bits: [Double] = try file.read("levels/bits")
    let cells = units.count * bits.count
    let loss: [Double] = try file.read("loss", count: cells)
    let codeBits: [Double] = try file.read("code_bits", count: cells)
    let metadataBits: [Double] = try file.read("metadata_bits", count: cells)
    let sensitivities = try file.numbers(in: "sensitivities", count: cells)
    let resources = try file.numbers(in: "resources", count: cells)
    for unit in units.indices {
      for level in bits.indices {
        let cell = unit * bits.count + level
        guard !codeBits[cell].isNaN else { continue }
        units[unit].levels.append(
          Level(
            bits: bits[level], loss: known(loss[cell]), codeBits: codeBits[cell],
            metadataBits: known(metadataBits[cell]),
            resources: resources.compactMapValues { known($0[cell]) },
            sensitivities: sensitivities.compactMapValues { known($0[cell]) }))
      }
    }
    try self.init(
      units: units, scores: try file.numbers(in: "scores", count: units.count),
      neuronBlocks: try file.neuronBlocks())
  }
}

/// The levels of all units as a grid; a unit need not have all.
private struct LevelGrid {
  let bits: [Double]
  let units: [BitAllocation.Unit]

  func write(
    _ value: (Level) -> Double?, to name: String, of file: HDF5Writer
  ) throws(HDF5Error) {
    let values = units.flatMap { unit in
      bits.map { bits in unit.level(bits: bits).flatMap(value) ?? .nan }
    }
    try file.write(values, to: name, shape: [units.count, bits.count])
  }

  /// Sorted.
  func names(_ values: (Level) -> [String: Double]) -> [String] {
    Set(units.flatMap { $0.levels.flatMap { values($0).keys } }).sorted()
  }
}

/// nil for NaN.
private func known(_ value: Double) -> Double? { value.isNaN ? nil : value }

extension HDF5Writer {
  fileprivate func write(
    lines: [String], to name: String, path: String
  ) throws(HDF5Error) {
    if let broken = lines.first(where: { $0.utf8.contains(UInt8(ascii: "\n")) }) {
      throw .failed(
        operation: "writing", path: path, object: name,
        reason: "the name '\(broken)' holds a line break")
    }
    try write(lines.flatMap { Array($0.utf8) + [UInt8(ascii: "\n")] }, to: name)
  }
}

extension HDF5Reader {
  fileprivate func checkFormat() throws(HDF5Error) {
    let format = try textAttribute("format")
    guard format == SensitivityTable.format else {
      throw .wrongFormat(path: path, expected: SensitivityTable.format, found: format)
    }
    let version = try textAttribute("format_version")
    guard version.hasPrefix("1.") else {
      throw .wrongFormat(
        path: path, expected: "\(SensitivityTable.format) 1.x", found: "\(format) \(version)")
    }
  }

  fileprivate func neuronBlocks() throws -> NeuronBlocks? {
    guard contains("neuron_blocks") else { return nil }
    let text: [UInt8] = try read("neuron_blocks")
    do {
      return try NeuronBlocks(json: try JSONParser.parse(Data(text)))
    } catch {
      throw HDF5Error.wrongFormat(
        path: path, expected: "neuron_blocks as JSON", found: "\(error)")
    }
  }

  /// The datasets of a group by their names in it.
  fileprivate func numbers(
    in group: String, count: Int
  ) throws(HDF5Error) -> [String: [Double]] {
    var result: [String: [Double]] = [:]
    for name in datasets() where name.hasPrefix("\(group)/") {
      result[String(name.dropFirst(group.count + 1))] = try read(name, count: count)
    }
    return result
  }

  fileprivate func lines(_ name: String, count: Int) throws(HDF5Error) -> [String] {
    let lines = (try read(name) as [UInt8]).split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
    ).dropLast()
    guard lines.count == count else {
      throw .wrongCount(path: path, object: name, expected: count, found: lines.count)
    }
    return lines.map { String(decoding: $0, as: UTF8.self) }
  }

  fileprivate func unitsWithoutLevels() throws(HDF5Error) -> [BitAllocation.Unit] {
    let layers: [Int64] = try read("units/layer")
    let count = layers.count
    let ids = try lines("units/id", count: count)
    let projections = try lines("units/projection", count: count)
    let ties = try lines("units/tie", count: count)
    let experts: [Int64] = try read("units/expert", count: count)
    let weights: [Int64] = try read("units/weights", count: count)
    let few: [UInt8] = try read("units/few_tokens", count: count)
    let groups =
      try contains("units/group_size")
      ? read("units/group_size", as: Int64.self, count: count)
      : [Int64](repeating: -1, count: count)
    return layers.indices.map { unit in
      BitAllocation.Unit(
        id: ids[unit], layer: Int(layers[unit]),
        expert: experts[unit] < 0 ? nil : Int(experts[unit]),
        projection: projections[unit].isEmpty ? nil : projections[unit],
        weights: Int(weights[unit]), tie: ties[unit].isEmpty ? nil : ties[unit],
        hasFewTokens: few[unit] != 0, groupSize: groups[unit] < 0 ? nil : Int(groups[unit]),
        levels: [])
    }
  }

  /// Of files before 1.2.
  fileprivate func blocksWithoutLevels() throws(HDF5Error) -> [BitAllocation.Unit] {
    let layers: [Int64] = try read("units/layer")
    let codes: [Int64] = try read("units/block", count: layers.count)
    let weights: [Int64] = try read("units/weights", count: layers.count)
    var units: [BitAllocation.Unit] = []
    for (unit, layer) in layers.enumerated() {
      let block = try GatedBlock(code: codes[unit], path: path)
      units.append(
        BitAllocation.Unit(
          id: LinearModule.unit(layer: Int(layer), block), layer: Int(layer),
          expert: block.expert, weights: Int(weights[unit]), levels: []))
    }
    return units
  }
}

extension GatedBlock {
  fileprivate init(code: Int64, path: String) throws(HDF5Error) {
    switch code {
    case -2: self = .dense
    case -1: self = .shared
    case 0...Int64(Int32.max): self = .expert(Int(code))
    default:
      throw .wrongFormat(
        path: path, expected: "units/block of -2 or more", found: "\(code)")
    }
  }
}
