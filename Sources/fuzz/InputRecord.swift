import Foundation

/// The input that is being read, in memory shared with the parent: it survives the child's death.
///
/// Layout: index, accepted inputs, length (64 bits each), then the bytes.
struct InputRecord {
  static let largestInput = 1 << 20
  private static let headerBytes = 24

  private let base: UnsafeMutableRawPointer

  /// Maps the file; the parent has made it.
  init(_ path: String) throws {
    let size = Self.headerBytes + Self.largestInput
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    defer { close(descriptor) }
    guard descriptor >= 0, ftruncate(descriptor, off_t(size)) == 0,
      let address = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0),
      address != MAP_FAILED
    else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    base = address
  }

  /// Which input it is; moved last, so that the bytes are whole when it changes.
  var index: Int { base.load(as: Int.self) }
  /// Inputs without an error.
  var accepted: Int { base.load(fromByteOffset: 8, as: Int.self) }

  var bytes: [UInt8] {
    let count = min(max(base.load(fromByteOffset: 16, as: Int.self), 0), Self.largestInput)
    return Array(UnsafeRawBufferPointer(start: base + Self.headerBytes, count: count))
  }

  func set(index: Int, bytes: [UInt8]) {
    base.storeBytes(of: bytes.count, toByteOffset: 16, as: Int.self)
    // SAFETY: the mutator makes no longer inputs, and the map is that long.
    precondition(bytes.count <= Self.largestInput, "an input of \(bytes.count) bytes")
    bytes.withUnsafeBytes { (base + Self.headerBytes).copyMemory(from: $0) }
    base.storeBytes(of: index, as: Int.self)
  }

  func set(accepted: Int) { base.storeBytes(of: accepted, toByteOffset: 8, as: Int.self) }
}

extension UnsafeMutableRawPointer {
  fileprivate func copyMemory(from source: UnsafeRawBufferPointer) {
    if let start = source.baseAddress { copyMemory(from: start, byteCount: source.count) }
  }
}
