import Foundation
import HDF5
import JSON

/// Structure tables as HDF5 arrays. Version 1.0:
///
///     rows                       u8: JSON, a list of {id, kind, layer, expert, projection, decile, weights}
///     levels/bits                f64 [levels]
///     windows/tokens             i64 [windows]
///     divergence                 f64 [rows, levels, windows], nats per token
///     stored_bits                f64 [rows, levels]
///     predictions/<name>         f64 [rows, levels]; NaN where not known
///     features/<name>            f64 [rows]; NaN where not known
extension StructureTable {
  static let format = "assay.structure-table"

  /// Writes the table.
  ///
  /// - Parameter url: The file, which appears when it is complete.
  /// - Throws: ``HDF5Error``.
  public func write(to url: URL) throws {
    let file = try HDF5Writer(url)
    try file.writeAttribute(Self.format, "format")
    try file.writeAttribute("1.0.0", "format_version")
    try file.write(Array(CanonicalJSON.data(JSONValue(encoding: rows))), to: "rows")
    try file.write(levels, to: "levels/bits")
    try file.write(windowTokens.map { Int64($0) }, to: "windows/tokens")
    try file.write(divergences, to: "divergence", shape: [rows.count, levels.count, windows])
    try file.write(storedBits, to: "stored_bits", shape: [rows.count, levels.count])
    for (name, values) in predictions.sorted(by: { $0.key < $1.key }) {
      try file.write(values, to: "predictions/\(name)", shape: [rows.count, levels.count])
    }
    for (name, values) in features.sorted(by: { $0.key < $1.key }) {
      try file.write(values, to: "features/\(name)")
    }
    try file.finish()
  }

  /// Reads what ``write(to:)`` wrote.
  ///
  /// - Parameter url: The file.
  /// - Throws: ``HDF5Error``, ``StructureError``.
  public init(hdf5 url: URL) throws {
    let file = try HDF5Reader(url)
    let format = try file.textAttribute("format")
    guard format == Self.format else {
      throw HDF5Error.wrongFormat(path: file.path, expected: Self.format, found: format)
    }
    let version = try file.textAttribute("format_version")
    guard version.hasPrefix("1.") else {
      throw HDF5Error.wrongFormat(
        path: file.path, expected: "\(Self.format) 1.x", found: "\(format) \(version)")
    }
    let text: [UInt8] = try file.read("rows")
    let rows: [Row]
    do { rows = try JSONParser.parse(Data(text)).decoded(as: [Row].self) } catch {
      throw HDF5Error.wrongFormat(path: file.path, expected: "rows as JSON", found: "\(error)")
    }
    func numbers(in group: String) throws -> [String: [Double]] {
      var result: [String: [Double]] = [:]
      for name in file.datasets() where name.hasPrefix("\(group)/") {
        result[String(name.dropFirst(group.count + 1))] = try file.read(name)
      }
      return result
    }
    try self.init(
      levels: file.read("levels/bits"), rows: rows,
      windowTokens: (file.read("windows/tokens") as [Int64]).map { Int($0) },
      divergences: file.read("divergence"), storedBits: file.read("stored_bits"),
      predictions: numbers(in: "predictions"), features: numbers(in: "features"))
  }
}
