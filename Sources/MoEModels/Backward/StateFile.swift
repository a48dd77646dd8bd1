import Foundation
import Tensors

/// Residual streams before every layer, on disk, so that memory does not grow with the layers.
///
/// The file has no name once it is open: whatever ends the process takes it away.
final class StateFile {
  private let descriptor: Int32
  private let path: String
  private let tokens: Int
  private let width: Int

  /// - Parameters:
  ///   - folder: Exists.
  ///   - tokens: Rows of a stream.
  ///   - width: Columns.
  /// - Throws: ``BackwardError/states(_:_:)``.
  init(in folder: URL, tokens: Int, width: Int) throws(BackwardError) {
    var template = Array(
      folder.appending(path: "states-XXXXXX").path.utf8CString)
    descriptor = template.withUnsafeMutableBufferPointer {
      $0.baseAddress.map { mkstemp($0) } ?? -1
    }
    path = folder.path
    (self.tokens, self.width) = (tokens, width)
    guard descriptor >= 0 else { throw .states(path, String(cString: strerror(errno))) }
    _ = template.withUnsafeBufferPointer { $0.baseAddress.map { unlink($0) } }
  }

  deinit { close(descriptor) }

  /// Keeps a stream in place `index`.
  func write(_ states: Matrix, at index: Int) throws(BackwardError) {
    precondition(states.rows == tokens && states.columns == width, "\(states.rows) rows")
    let failure: String? = states.storage.withUnsafeBytes { bytes in
      transfer(bytes.count, from: index * bytes.count) { done, offset in
        pwrite(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, offset)
      }
    }
    if let failure { throw .states(path, failure) }
  }

  /// Rows of the stream in place `index`.
  func rows(_ range: Range<Int>, at index: Int) throws(BackwardError) -> Matrix {
    var result = Matrix(rows: range.count, columns: width)
    let start = 4 * (index * tokens + range.lowerBound) * width
    let failure: String? = result.storage.withUnsafeMutableBytes { bytes in
      transfer(bytes.count, from: start) { done, offset in
        pread(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, offset)
      }
    }
    if let failure { throw .states(path, failure) }
    return result
  }

  /// Repeats a call that may move fewer bytes than it is asked for.
  private func transfer(
    _ count: Int, from start: Int, _ call: (_ done: Int, _ offset: Int) -> Int
  ) -> String? {
    var done = 0
    while done < count {
      let moved = call(done, start + done)
      if moved < 0, errno == EINTR { continue }
      guard moved > 0 else {
        return moved < 0 ? String(cString: strerror(errno)) : "it is too short"
      }
      done += moved
    }
    return nil
  }
}
