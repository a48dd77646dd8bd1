public import Foundation
public import HDF5

/// The per-item values behind the metrics of an artifact, `items.h5`.
///
/// A scope is a group: `perplexity/arithmetic`, `tasks/hellaswag`, `divergence/arithmetic`. In it:
///
///     item        u8  lines of UTF-8, one an item: its id. Windows: "document/window", from 0
///     group       u8  lines of UTF-8, one an item: its document or passage; absent if independent
///     hash        i64 one an item: FNV-1a of what it asks, see ItemHash (bits of an unsigned number)
///     token_…     f32 or u8, one a scored token, item after item; `window_tokens` has the counts.
///                 f32 is rounded once from f64: relative error 6e-8
///     window_…, correct, accuracy, …   one value an item
///     layer_…     one value a layer
///
/// With h5py:
///
///     scope = h5py.File("items.h5")["perplexity/arithmetic"]
///     ids = bytes(scope["item"][:]).decode().split("\n")
///     nll = np.split(scope["token_nll"][:], np.cumsum(scope["window_tokens"][:])[:-1])
public enum ItemStore {
  public static let fileName = "items.h5"
  /// Texts about items, not values of them.
  private static let texts: Set = ["item", "group", "hash"]

  /// Reads the items of every scope.
  ///
  /// - Parameter url: An `items.h5`, or the artifact folder that holds one.
  /// - Returns: Scope, such as `tasks/hellaswag` → its items. Values of tokens and layers are left out:
  ///   ``values(_:of:in:)`` reads them one by one. Files of before know items by their place only.
  /// - Throws: ``HDF5Error``.
  public static func read(_ url: URL) throws(HDF5Error) -> [String: ScopeItems] {
    let file = try HDF5Reader(place(of: url))
    var scopes: [String: [String]] = [:]
    for path in file.datasets() {
      guard let slash = path.lastIndex(of: "/") else { continue }
      scopes[String(path[..<slash]), default: []].append(
        String(path[path.index(after: slash)...]))
    }
    var result: [String: ScopeItems] = [:]
    for (scope, names) in scopes {
      result[scope] = try items(of: scope, names: names, in: file)
    }
    return result
  }

  /// Reads one dataset of a scope, such as `token_nll`.
  ///
  /// - Parameters:
  ///   - name: Of the dataset.
  ///   - scope: Such as `perplexity/arithmetic`.
  ///   - url: As of ``read(_:)``.
  /// - Returns: Its numbers.
  /// - Throws: ``HDF5Error``.
  public static func values(
    _ name: String, of scope: String, in url: URL
  ) throws(HDF5Error) -> [Double] {
    try HDF5Reader(place(of: url)).read("\(scope)/\(name)", as: Double.self)
  }

  private static func place(of url: URL) -> URL {
    url.pathExtension == "h5" ? url : url.appending(path: fileName)
  }

  private static func items(
    of scope: String, names: [String], in file: HDF5Reader
  ) throws(HDF5Error) -> ScopeItems? {
    func lines(_ name: String) throws(HDF5Error) -> [String]? {
      guard names.contains(name) else { return nil }
      return String(decoding: try file.read("\(scope)/\(name)", as: UInt8.self), as: UTF8.self)
        .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }
    func isValue(_ name: String) -> Bool {
      !texts.contains(name) && !name.hasPrefix("token_") && !name.hasPrefix("layer_")
    }
    var ids = try lines("item")
    if ids == nil, let name = ["window_nll", "correct"].first(where: { names.contains($0) }) {
      let count = try file.shape(of: "\(scope)/\(name)").reduce(1, *)
      ids = (0..<count).map { "\($0)" }
    }
    guard let ids else { return nil }
    var items = ScopeItems(ids: ids, clusters: try lines("group"))
    for name in names where isValue(name) {
      guard try file.shape(of: "\(scope)/\(name)") == [ids.count] else { continue }
      items.values[name] = try file.read("\(scope)/\(name)", as: Double.self)
    }
    if names.contains("hash") {
      items.hashes = try file.read("\(scope)/hash", as: Int64.self, count: ids.count)
        .map { UInt64(bitPattern: $0) }
    }
    return items
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
