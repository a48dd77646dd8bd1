import BitAllocation

/// Whole and half levels that are known to be valid.
func levelSet(_ bits: [Double]) -> LevelSet {
  do { return try LevelSet(bits: bits) } catch { preconditionFailure("\(error)") }
}
