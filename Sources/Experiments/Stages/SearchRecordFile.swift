import BitAllocation
import Foundation

/// Where a search that takes long leaves its state, so that it goes on after a crash.
struct SearchRecordFile {
  /// A search after a whole number of generations, and what it has cost so far.
  struct Saved: Codable, Equatable {
    var state: SearchState
    /// Tokens that went through models.
    var forwardTokens: Int
  }

  private let url: URL?
  private let search: String
  private let seed: UInt64

  /// - Parameters:
  ///   - folder: Survives a crash of the stage; nil: nothing is kept.
  ///   - search: Name of the search.
  ///   - seed: Of the search.
  init(_ folder: URL?, of search: String, seed: UInt64) {
    url = folder?.appending(path: "search.json")
    (self.search, self.seed) = (search, seed)
  }

  /// What was saved last; nil if there is nothing, or not of this search.
  ///
  /// A file that cannot be read is no reason to stop: the search begins anew.
  func saved() -> Saved? {
    guard let url, let data = FileManager.default.contents(atPath: url.path),
      let saved = try? JSONDecoder().decode(Saved.self, from: data),
      saved.state.search == search, saved.state.seed == seed
    else { return nil }
    return saved
  }

  func save(_ saved: Saved) throws {
    guard let url else { return }
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try JSONEncoder().encode(saved).write(to: url, options: .atomic)
  }
}
