import Experiments

/// Says in words what the marks of a table mean.
struct TableLegend {
  let groups: [PointGroup]
  let quantities: [Quantity]
  /// Behind the quantities that are metrics.
  let metrics: [MetricDefinition]
  /// Whether a number has an interval behind it.
  let hasIntervals: Bool
  /// The axis within which the best values are bold.
  let marksBest: String?

  var sentences: [String] {
    [spread, itemError, intervals, forced, best, divergence, seconds, memory].compactMap(\.self)
  }

  private var spread: String? {
    guard quantities.contains(where: \.showsSpread) else { return nil }
    return ReplicateDesigns(groups).sentence.map {
      "\($0) A number without ± comes from one run or is the same in all of them, sizes to the digits "
        + "shown."
    }
  }

  private var itemError: String? {
    let shows = quantities.contains { quantity in
      if case .itemError = quantity.source { return true }
      return false
    }
    return shows
      ? "Item s.e.: standard error over the items (questions, windows) of one run, mean over runs; "
        + "it is no spread over seeds." : nil
  }

  private var intervals: String? {
    hasIntervals
      ? "Medians over the repeats of one run; in brackets their 95 % interval of order statistics."
      : nil
  }

  private var forced: String? {
    guard groups.contains(where: \.isForced) else { return nil }
    return "*forced*: the budget admits one plan only, so that no method had a choice."
  }

  private var best: String? {
    guard let marksBest else { return nil }
    let excluded = groups.contains(where: \.isForced) ? "; *forced* cells take no part" : ""
    return "Bold: best unrounded mean among quantized rows of equal \(marksBest)\(excluded)."
  }

  private var divergence: String? {
    let all = metrics.filter { $0.name.hasPrefix("kl-") }.flatMap { metric in
      let parameters = metric.protocolParameters
      return [parameters] + (parameters["parts"]?.arrayValue ?? [])
    }
    guard let kept = all.lazy.compactMap({ $0["topK"]?.intValue }).first else { return nil }
    return "KL: over the \(kept) tokens that full precision finds likeliest and all others pooled "
      + "as one, which is never above the KL over the whole vocabulary."
  }

  private var seconds: String? {
    for quantity in quantities {
      if case .cost(.seconds, let stages) = quantity.source { return Self.seconds(stages) }
    }
    return nil
  }

  private static func seconds(_ stages: [String]?) -> String {
    let named = stages.map { "the stages \($0.joined(separator: ", "))" } ?? "all stages"
    return "Time: first execution of \(named), mean over runs; cached stages count in full."
  }

  private var memory: String? {
    let hasMemory = quantities.contains { quantity in
      if case .cost(.peakMemory, _) = quantity.source { return true }
      return false
    }
    return hasMemory
      ? "Peak memory: largest resident memory of the process, libraries and mapped files included, "
        + "while any of the stages ran; mean over runs." : nil
  }
}
