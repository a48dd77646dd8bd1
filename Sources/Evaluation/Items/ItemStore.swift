public import Foundation
public import HDF5

/// The per-item values behind the metrics of an artifact, `items.h5`.
///
/// A scope is a group: `perplexity/arithmetic`, `tasks/hellaswag`, `divergence/arithmetic`. In it:
///
///     item        u8  lines of UTF-8, one an item: its id. Windows: "document/window", from 0
///     group       u8  lines of UTF-8, one an item: its document, passage or subject; absent without
///     hash        i64 one an item: FNV-1a of what it asks, see ItemHash (bits of an unsigned number)
///     token_…     f32 or u8, one a scored token, item after item; `window_tokens` has the counts.
///                 f32 is rounded once from f64: relative error 6e-8
///     window_…, correct, acc, …   one value an item
///     layer_…     one value a layer
///
/// With h5py:
///
///     scope = h5py.File("items.h5")["perplexity/arithmetic"]
///     ids = bytes(scope["item"][:]).decode().split("\n")
///     nll = np.split(scope["token_nll"][:], np.cumsum(scope["window_tokens"][:])[:-1])
public struct ItemStore: Sendable {
  public static let fileName = "items.h5"
  /// Texts about items, not values of them.
  private static let texts: Set = ["item", "group", "hash"]

  private let file: HDF5Reader
  /// Scope → its datasets.
  private let datasets: [String: Set<String>]

  /// Opens a file of items.
  ///
  /// - Parameter url: An `items.h5`, or the artifact folder that holds one.
  /// - Throws: ``HDF5Error``.
  public init(_ url: URL) throws(HDF5Error) {
    file = try HDF5Reader(url.pathExtension == "h5" ? url : url.appending(path: Self.fileName))
    var datasets: [String: Set<String>] = [:]
    for path in file.datasets() {
      guard let slash = path.lastIndex(of: "/") else { continue }
      datasets[String(path[..<slash]), default: []].insert(
        String(path[path.index(after: slash)...]))
    }
    self.datasets = datasets
  }

  /// Such as `tasks/hellaswag`, sorted.
  public var scopes: [String] { datasets.keys.sorted() }

  /// Whether a scope has a dataset, such as `token_nll`.
  public func contains(_ name: String, in scope: String) -> Bool {
    datasets[scope]?.contains(name) ?? false
  }

  /// Reads one dataset of a scope, such as `token_nll`.
  ///
  /// - Parameters:
  ///   - name: Of the dataset.
  ///   - scope: Such as `perplexity/arithmetic`.
  /// - Returns: Its numbers.
  /// - Throws: ``HDF5Error``.
  public func values(_ name: String, of scope: String) throws(HDF5Error) -> [Double] {
    try file.read("\(scope)/\(name)", as: Double.self)
  }

  /// Reads who the items of a scope are, and their values.
  ///
  /// - Parameters:
  ///   - scope: Such as `tasks/hellaswag`.
  ///   - wanted: Names of values; all that have one number an item if left out.
  /// - Returns: nil if the scope has no items. Files of before know items by their place only.
  /// - Throws: ``HDF5Error``.
  public func items(
    of scope: String, values wanted: Set<String>? = nil
  ) throws(HDF5Error) -> ScopeItems? {
    guard let names = datasets[scope] else { return nil }
    var ids = try lines("item", of: scope)
    if ids == nil, let name = ["window_nll", "correct"].first(where: names.contains) {
      let count = try file.shape(of: "\(scope)/\(name)").reduce(1, *)
      ids = (0..<count).map { "\($0)" }
    }
    guard let ids else { return nil }
    var items = ScopeItems(ids: ids, clusters: try lines("group", of: scope))
    for name in names where wanted?.contains(name) ?? Self.isValue(name) {
      guard try file.shape(of: "\(scope)/\(name)") == [ids.count] else { continue }
      items.values[name] = try values(name, of: scope)
    }
    if names.contains("hash") {
      items.hashes = try file.read("\(scope)/hash", as: Int64.self, count: ids.count)
        .map { UInt64(bitPattern: $0) }
    }
    return items
  }

  private static func isValue(_ name: String) -> Bool {
    !texts.contains(name) && !name.hasPrefix("token_") && !name.hasPrefix("layer_")
  }

  private func lines(_ name: String, of scope: String) throws(HDF5Error) -> [String]? {
    guard contains(name, in: scope) else { return nil }
    return String(
      decoding: try file.read("\(scope)/\(name)", as: UInt8.self), as: UTF8.self
    ).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }
}

extension HDF5Writer {
  /// Writes who the items of a scope are, and values that have one number each.
  ///
  /// - Parameters:
  ///   - items: Line feeds in ids and clusters become spaces; values are written in f64.
  ///   - scope: Such as `tasks/hellaswag`; the group of ``ItemStore``.
  /// - Throws: ``HDF5Error``.
  public func write(_ items: ScopeItems, to scope: String) throws(HDF5Error) {
    try write(Self.lines(items.ids), to: "\(scope)/item")
    if let clusters = items.clusters { try write(Self.lines(clusters), to: "\(scope)/group") }
    if let hashes = items.hashes {
      try write(hashes.map { Int64(bitPattern: $0) }, to: "\(scope)/hash")
    }
    for (name, values) in items.values.sorted(by: { $0.key < $1.key }) {
      precondition(values.count == items.ids.count, "\(name): \(values.count)")
      try write(values, to: "\(scope)/\(name)")
    }
  }

  private static func lines(_ texts: [String]) -> [UInt8] {
    Array(texts.map { $0.replacing("\n", with: " ") }.joined(separator: "\n").utf8)
  }
}
