/// The share of common elements among all elements of two sets: |A ∩ B| / |A ∪ B|.
///
/// - Parameters:
///   - a: A set.
///   - b: Another.
/// - Returns: 0...1; nil for two empty sets.
/// - SeeAlso: Jaccard 1912, "The distribution of the flora in the alpine zone".
public func jaccardIndex<Element>(_ a: Set<Element>, _ b: Set<Element>) -> Double? {
  let common = a.count { b.contains($0) }
  let all = a.count + b.count - common
  return all > 0 ? Double(common) / Double(all) : nil
}
