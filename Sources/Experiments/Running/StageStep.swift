/// A stage as it stands on disk.
struct StageStep {
  var stage: Stage
  /// nil while an earlier stage is not finished.
  var keyed: KeyedStage?
  /// nil if there is none that can be used.
  var artifact: Artifact?
  var damage: String?
}

extension Engine {
  /// Follows the stages of a point through the store without building anything.
  func resolve(_ stages: [Stage], verifyingContent: Bool = false) throws -> [StageStep] {
    var artifacts: [String: Artifact] = [:]
    return try stages.map { stage in
      var step = StageStep(stage: stage)
      step.keyed = try resolver.keyed(stage, artifacts: artifacts)
      guard let key = step.keyed?.key else { return step }
      switch store.lookup(stage: stage.name, key: key, verifyingContent: verifyingContent) {
      case .intact(let artifact):
        step.artifact = artifact
        artifacts[stage.name] = artifact
      case .damaged(let reason): step.damage = reason
      case .missing: break
      }
      return step
    }
  }

  /// Whether a result is that of exactly these artifacts.
  func isCurrent(_ result: RunResult, for steps: [StageStep]) -> Bool {
    result.stages.map(\.key) == steps.map { $0.artifact?.manifest.key }
  }
}
