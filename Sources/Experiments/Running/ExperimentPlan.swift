/// What `assay run` would do, and why.
public struct ExperimentPlan: Codable, Sendable, Equatable {
  public var experiment: String
  public var runs: [PlannedPoint]

  /// Seconds that everything new would take, each shared stage once; nil if a stage that is new
  /// was never timed.
  public var estimatedSeconds: Double?
  /// Bytes that new artifacts would take, as far as their stages can tell.
  public var expectedBytes: Int

  public func count(_ state: PlannedPoint.State) -> Int { runs.count { $0.state == state } }
}

/// One run of the grid.
public struct PlannedPoint: Codable, Sendable, Equatable {
  public enum State: String, Codable, Sendable, CaseIterable {
    /// Complete and current.
    case done
    /// Failed with the inputs it has now: left alone unless failed runs are retried.
    case failed
    /// Another process works on it.
    case running
    /// Some stages have artifacts.
    case partial
    case new
  }

  public var run: String
  public var axes: [AxisLabel]
  public var aliases: [[AxisLabel]]
  public var seeds: [String: Int]
  public var state: State
  /// Why it failed, or why it cannot be planned.
  public var error: String?
  public var stages: [PlannedStage]
}

/// One stage of a run.
public struct PlannedStage: Codable, Sendable, Equatable {
  public enum State: String, Codable, Sendable {
    case cached
    case new
    /// This run used another artifact before, which no longer fits.
    case stale
    /// Its key is known only when an earlier stage is finished.
    case waits
  }

  public var name: String
  public var state: State
  /// Why it is not cached.
  public var reason: String?
  public var key: String?
  public var expectedBytes: Int?
  /// Median of earlier executions of this stage.
  public var estimatedSeconds: Double?
  /// An earlier run of the plan builds it too.
  public var isShared: Bool
}
