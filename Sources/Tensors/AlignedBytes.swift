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
    base = .allocate(byteCount: max(count, 64), alignment: 64)
  }

  deinit { base.deallocate() }
}

/// Working memory that grows and is reused: page faults are expensive on virtual machines.
public final class ScratchBuffer<Element: BitwiseCopyable> {
  private var memory = AlignedBytes(count: 0)

  public init() {}

  /// Room for `count` elements; earlier contents are lost when it has to grow.
  public func reserve(_ count: Int) -> UnsafeMutablePointer<Element> {
    let bytes = count * MemoryLayout<Element>.stride
    if memory.count < bytes { memory = AlignedBytes(count: bytes + bytes / 4) }
    return memory.base.assumingMemoryBound(to: Element.self)
  }
}
