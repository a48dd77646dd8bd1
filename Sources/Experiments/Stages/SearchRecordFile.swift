import BitAllocation
import Foundation

/// Where a search that takes long leaves its state, so that it goes on after a crash.
struct SearchRecordFile {
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
  func state() -> SearchState? {
    guard let url, let data = FileManager.default.contents(atPath: url.path),
      let state = try? JSONDecoder().decode(SearchState.self, from: data),
      state.search == search, state.seed == seed
    else { return nil }
    return state
  }

  func save(_ state: SearchState) throws {
    guard let url else { return }
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try JSONEncoder().encode(state).write(to: url, options: .atomic)
  }
}
