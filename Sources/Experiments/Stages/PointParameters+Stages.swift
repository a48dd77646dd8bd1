extension PointParameters {
  /// Stages beside those that most points have.
  var furtherStages: [String] {
    let texts = allocation?.calibrationTexts ?? []
    return texts.indices.flatMap { [SummedTable.calibration($0), SummedTable.table($0)] }
      + (structure.map { structure in
        [StructureStage.tables, StructureStage.name] + structure.levels.map(StructureStage.level)
      } ?? [])
      + (gradientOptions == nil ? [] : [GradientStage.name]) + benchStageNames
  }
}
