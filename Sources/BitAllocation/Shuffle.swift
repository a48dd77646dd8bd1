/// Fisher–Yates from the end, with Lemire's bounded draw.
///
/// The standard library leaves its algorithm open; plans must not change with a toolchain.
func shuffle(_ elements: inout [Int], using generator: inout some RandomNumberGenerator) {
  guard elements.count > 1 else { return }
  for last in stride(from: elements.count - 1, to: 0, by: -1) {
    elements.swapAt(last, draw(below: last + 1, using: &generator))
  }
}

/// A uniform integer in `0..<bound`, `bound > 0`.
///
/// - SeeAlso: Lemire 2019, "Fast random integer generation in an interval", arXiv:1805.10941.
private func draw(below bound: Int, using generator: inout some RandomNumberGenerator) -> Int {
  let width = UInt64(bound)
  let threshold = (0 &- width) % width
  var product = (generator.next() as UInt64).multipliedFullWidth(by: width)
  while product.low < threshold {
    product = (generator.next() as UInt64).multipliedFullWidth(by: width)
  }
  return Int(product.high)
}
