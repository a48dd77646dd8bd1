#if canImport(Glibc)
import Glibc
#endif

/// Owned memory on a cache-line boundary.
public final class AlignedBytes: @unchecked Sendable {
  // Written by its creator before it is shared, read-only afterwards.
  public let base: UnsafeMutableRawPointer
  public let count: Int

  public init(count: Int) {
    self.count = count
    let hugePage = 2 << 20
    guard count >= 2 * hugePage else {
      base = .allocate(byteCount: max(count, 64), alignment: 64)
      return
    }
    base = .allocate(byteCount: count, alignment: hugePage)
    // Only advice: products that stream weights gain a twentieth where the kernel follows it.
    madvise(base, count, MADV_HUGEPAGE)
  }

  deinit { base.deallocate() }
}

/// Working memory that grows and is reused: page faults are expensive on virtual machines.
///
/// Every worker of ``forEachPiece(of:_:)`` has its own.
public final class ScratchBuffer<Element: BitwiseCopyable> {
  private let memories: UnsafeMutablePointer<AlignedBytes?>

  public init() {
    memories = .allocate(capacity: Worker.limit + 1)
    memories.initialize(repeating: nil, count: Worker.limit + 1)
  }

  deinit {
    memories.deinitialize(count: Worker.limit + 1)
    memories.deallocate()
  }

  /// Room for `count` elements; earlier contents are lost when it has to grow.
  public func reserve(_ count: Int) -> UnsafeMutablePointer<Element> {
    let bytes = count * MemoryLayout<Element>.stride
    // SAFETY: a worker touches its own place only.
    let place = memories + Worker.current
    if let memory = place.pointee, memory.count >= bytes {
      return memory.base.assumingMemoryBound(to: Element.self)
    }
    let memory = AlignedBytes(count: bytes + bytes / 4)
    place.pointee = memory
    return memory.base.assumingMemoryBound(to: Element.self)
  }
}
