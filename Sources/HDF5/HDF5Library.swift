import CHDF5
import Foundation
import Synchronization

/// Serializes every call: Debian's HDF5 has one global lock anyway, other builds have none.
///
/// Its own error printing is off; the innermost message of its error stack goes into ours.
enum HDF5Library {
  private static let lock = Mutex<Bool>(false)

  static func withLock<Result: Sendable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let outcome: Swift.Result<Result, Failure> = lock.withLock { prepared in
      if !prepared {
        // Its handler at exit crashes on a file whose closing failed, as on a full disk; every
        // reader and writer closes its file itself.
        H5dont_atexit()
        H5open()
        H5Eset_auto2(hid_t(H5E_DEFAULT), nil, nil)
        prepared = true
      }
      do { return .success(try body()) } catch { return .failure(error as! Failure) }
    }
    return try outcome.get()
  }

  /// What the system said, out of a line that also holds times, addresses and descriptors.
  private static func systemMessage(in message: String) -> String? {
    message.range(of: "error message = '").map { start in
      String(message[start.upperBound...].prefix { $0 != "'" })
    }
  }

  /// The innermost description on HDF5's error stack.
  static func lastError() -> String {
    var message = "no reason given"
    withUnsafeMutablePointer(to: &message) { pointer in
      _ = H5Ewalk2(
        hid_t(H5E_DEFAULT), H5E_WALK_UPWARD,
        { depth, error, context in
          guard depth == 0, let text = error?.pointee.desc, let context else { return 0 }
          context.assumingMemoryBound(to: String.self).pointee = String(cString: text)
          return 0
        }, pointer)
    }
    H5Eclear2(hid_t(H5E_DEFAULT))
    return systemMessage(in: message) ?? message
  }
}

/// The version of the linked library.
public var hdf5Version: String {
  // Under the lock too: asked first, the library would prepare itself, with its handler at exit.
  HDF5Library.withLock {
    var (major, minor, release): (UInt32, UInt32, UInt32) = (0, 0, 0)
    H5get_libversion(&major, &minor, &release)
    return "\(major).\(minor).\(release)"
  }
}
