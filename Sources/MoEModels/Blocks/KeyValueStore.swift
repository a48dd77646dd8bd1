import Tensors

/// Keys and values of one sequence in one layer, for every position that it may come to.
///
/// Memory: `room · keyValueHeads · (headDimension + valueDimension)` floats, and half as much again
/// in bfloat16 where products are in it.
final class KeyValueStore {
  /// Positions.
  let room: Int
  private var keyBytes: AlignedBytes?
  private var valueBytes: AlignedBytes?
  private var halfKeyBytes: AlignedBytes?
  private var halfValueBytes: AlignedBytes?

  init(room: Int) { self.room = room }

  /// Room for as many floats, the same memory at every call.
  func keys(_ count: Int) -> UnsafeMutablePointer<Float> { Self.memory(&keyBytes, count) }
  func values(_ count: Int) -> UnsafeMutablePointer<Float> { Self.memory(&valueBytes, count) }
  func halfKeys(_ count: Int) -> UnsafeMutablePointer<UInt16> { Self.memory(&halfKeyBytes, count) }
  func halfValues(_ count: Int) -> UnsafeMutablePointer<UInt16> {
    Self.memory(&halfValueBytes, count)
  }

  private static func memory<Element>(
    _ bytes: inout AlignedBytes?, _ count: Int
  ) -> UnsafeMutablePointer<Element> {
    let found = bytes ?? AlignedBytes(count: count * MemoryLayout<Element>.stride)
    precondition(found.count >= count * MemoryLayout<Element>.stride, "the store has grown")
    bytes = found
    return found.base.assumingMemoryBound(to: Element.self)
  }
}
