import Tensors

extension StructureStage {
  /// The measurement that a point asks for; nil: none.
  ///
  /// - Parameters:
  ///   - parameters: Of the point.
  ///   - seeds: One for each stream that the point reads.
  init?(_ parameters: PointParameters, seeds: [SeedStream: Int]) {
    guard let structure = parameters.structure else { return nil }
    self.init(
      model: parameters.url(parameters.model.path), levels: structure.levels,
      kinds: Set(structure.parts),
      text: Text(
        corpora: structure.text.corpus.map(parameters.url), format: structure.text.format,
        sequences: structure.text.sequences, context: structure.text.context),
      precision: Precision.resolved(parameters.compute),
      seed: StageSeed.derive(from: seeds[.evaluation] ?? 0, stage: Self.name))
  }
}
