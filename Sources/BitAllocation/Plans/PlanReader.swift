/// Collects the entries of a plan in the order of a file, each unit once.
struct PlanReader {
  private(set) var entries: [Plan.Entry] = []
  private var seen: Set<String> = []

  /// Appends a unit that was found at a line or a pointer.
  mutating func add(
    _ unit: String, _ bits: Double, at place: String
  ) throws(PlanImportError) {
    guard bits.isFinite, bits > 0 else {
      throw .unexpected(
        place: place, found: "\(number(bits)) bits", expected: "a finite number above 0")
    }
    guard seen.insert(unit).inserted else { throw .duplicateUnit(unit, place: place) }
    entries.append(Plan.Entry(unit: unit, bits: bits))
  }
}
