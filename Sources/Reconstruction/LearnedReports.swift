extension ModuleReport {
  /// Whether fewer tokens than inputs lie behind the Hessian; learning has none.
  public var hasSingularHessian: Bool {
    training == nil && (calibrationTokens ?? .max) < inputFeatures
  }
}

/// What reports tell of learning, over all modules.
extension Collection<ModuleReport> {
  /// Whether there was anything to learn, and learning was tried.
  public var learned: Bool {
    contains { ($0.training?.steps ?? 0) > 0 || $0.training?.notFinite != nil }
  }

  /// Modules that no step of their layer's learning went through, because no token did.
  public var withoutSteps: Int {
    guard learned else { return 0 }
    return count { $0.training?.steps == 0 && $0.training?.notFinite == nil }
  }

  /// A sentence for each thing that was not finite, with the layers in which it was so.
  public var notFiniteNotices: [String] {
    var layers: [String: Set<Int>] = [:]
    for case let training? in map(\.training) {
      guard let what = training.notFinite else { continue }
      layers[what, default: []].insert(training.layer ?? -1)
    }
    return layers.map { (layers: $1.sorted(), what: $0) }
      .sorted { $0.layers.lexicographicallyPrecedes($1.layers) }
      .map { layers, what in
        let names = layers.map(String.init).joined(separator: ", ")
        return "OmniQuant: layer\(layers.count > 1 ? "s" : "") \(names) stopped learning and "
          + "\(layers.count > 1 ? "keep" : "keeps") the clipping of the start: not finite is \(what)."
      }
  }
}
