public import Evaluation
import Foundation

extension ItemStore {
  /// Reads the items of a finished run: those of its `evaluate` and `divergence` stages.
  ///
  /// - Parameters:
  ///   - result: The run's result, which names the artifacts.
  ///   - workspace: Where they lie.
  /// - Returns: Scope, such as `tasks/hellaswag` → its items.
  /// - Throws: ``StoreError/missingArtifact(stage:key:run:reason:)`` if an artifact is gone or damaged;
  ///   `HDF5Error`.
  public static func read(
    _ result: RunResult, in workspace: Workspace
  ) throws -> [String: ScopeItems] {
    let store = ArtifactStore(root: workspace.artifacts)
    var scopes: [String: ScopeItems] = [:]
    for stage in result.stages
    where [EvaluateStage.name, DivergenceStage.name].contains(stage.name) {
      let reason: String
      switch store.lookup(stage: stage.name, key: stage.key) {
      case .intact(let artifact):
        scopes.merge(try read(artifact.url)) { first, _ in first }
        continue
      case .missing: reason = "it is gone"
      case .damaged(let why): reason = why
      }
      throw StoreError.missingArtifact(
        stage: stage.name, key: stage.key, run: result.run, reason: reason)
    }
    return scopes
  }
}
