import Foundation
import JSON

/// One experiment as its author wrote it: base parameters, axes, replicates, tables and figures.
public struct ExperimentSpec: Sendable {
  public static let schemaVersion = 1

  public let name: String
  public let base: JSONValue
  /// In the order of the file, which is the order of the grid.
  public let axes: [Axis]
  /// Label patterns (axis → label); points that match one entirely are left out.
  public let exclude: [[AxisLabel]]
  /// Seeds of each stream; a stream that is absent has the single seed 0.
  public let replicates: [SeedStream: [Int]]
  /// Raw; the reports room knows their grammar.
  public let tables: JSONValue
  public let figures: JSONValue
  public let analyses: JSONValue

  /// The whole document.
  public let document: JSONValue
  /// The file, if the spec came from one.
  public let file: URL?
  /// The folder that paths are relative to.
  public let folder: URL

  /// SHA-256 of the canonical document.
  public var digest: String { Digest.of(CanonicalJSON.data(document)) }

  /// Reads a spec file; every error names the file and the place in it.
  public init(contentsOf file: URL) throws(SpecError) {
    let data: Data
    do { data = try FileContents.read(file) } catch {
      throw SpecError(.unreadable(error.cause), file: file.relativePath)
    }
    do {
      let document = try Self.parse(data)
      try self.init(
        document: document, folder: file.absoluteURL.deletingLastPathComponent(), file: file)
    } catch {
      throw error.inFile(file.relativePath)
    }
  }

  public init(document: JSONValue, folder: URL, file: URL? = nil) throws(SpecError) {
    let root = try SpecKeys.members(of: document, allowed: SpecKeys.top, at: JSONPointer())
    try Self.checkVersion(root)
    try Self.refuseReserved(root)
    self.name = try Self.name(root)
    self.base = try Self.base(root)
    self.axes = try Self.axes(root)
    self.exclude = try Self.exclusions(root, axes: axes)
    self.replicates = try Self.replicates(root)
    self.tables = try Self.list("tables", root)
    self.figures = try Self.list("figures", root)
    self.analyses = try Self.list("analyses", root)
    self.document = document
    self.folder = folder
    self.file = file
    try checkOptionsAreRead()
  }

  private static func parse(_ data: Data) throws(SpecError) -> JSONValue {
    do { return try JSONParser.parse(data) } catch { throw SpecError(.syntax(error)) }
  }
}
