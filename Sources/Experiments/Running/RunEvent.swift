/// What happens while an experiment runs, for whoever shows it.
public enum RunEvent: Sendable {
  case began(runs: Int)
  case pointStarted(position: PointPosition)
  /// `remainingSeconds` is for the whole experiment, nil until a stage of each kind has been timed.
  case stageStarted(name: String, remainingSeconds: Double?)
  case stageProgress(name: String, fraction: Double, note: String, remainingSeconds: Double?)
  case stageFinished(name: String, cached: Bool, seconds: Double, remainingSeconds: Double?)
  case pointEnded(position: PointPosition, ending: PointEnding)
  /// Every point left is claimed by other processes.
  case waiting(points: Int)
  case notice(String)
  case ended(RunSummary)
}

/// Which point of how many.
public struct PointPosition: Sendable, Equatable {
  /// Counted from 1.
  public var number: Int
  public var count: Int
  public var run: String
  /// Labels and seeds.
  public var title: String
}

/// How a point ended in this execution.
public enum PointEnding: Sendable, Equatable {
  /// Complete before; nothing was done.
  case unchanged
  case done
  case failed(String)
  /// Failed before with the same inputs; not tried again.
  case failedBefore(String)
}

/// Shows or records events; called from the thread that runs the stages.
public typealias RunObserver = @Sendable (RunEvent) -> Void

/// What an execution of an experiment came to.
public struct RunSummary: Codable, Sendable, Equatable {
  public var experiment: String
  public var done = 0
  public var unchanged = 0
  public var failed = 0
  /// Failed earlier and not tried again.
  public var failedBefore = 0
  public var stagesBuilt = 0
  public var seconds = 0.0

  init(experiment: String) { self.experiment = experiment }

  public var hasFailures: Bool { failed + failedBefore > 0 }

  mutating func count(_ ending: PointEnding) {
    switch ending {
    case .unchanged: unchanged += 1
    case .done: done += 1
    case .failed: failed += 1
    case .failedBefore: failedBefore += 1
    }
  }
}

/// How an experiment is to be run.
public struct RunOptions: Sendable {
  public var only: RunFilter
  public var retryFailed: Bool
  /// Reads every byte of an artifact before it is reused.
  public var verify: Bool

  public init(only: RunFilter = .all, retryFailed: Bool = false, verify: Bool = false) {
    self.only = only
    self.retryFailed = retryFailed
    self.verify = verify
  }
}
