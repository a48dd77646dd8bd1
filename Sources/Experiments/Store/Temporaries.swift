import Foundation
import Synchronization

/// Temporary folders of this process, so that an interruption can remove them on its way out.
///
/// Nothing depends on it: what a killed process leaves is removed by the next one.
final class Temporaries: Sendable {
  static let shared = Temporaries()

  private let urls = Mutex<Set<URL>>([])

  func insert(_ url: URL) { urls.withLock { _ = $0.insert(url) } }
  func remove(_ url: URL) { urls.withLock { _ = $0.remove(url) } }

  func removeAll() {
    for url in urls.withLock({ $0 }) { try? FileManager.default.removeItem(at: url) }
  }
}
