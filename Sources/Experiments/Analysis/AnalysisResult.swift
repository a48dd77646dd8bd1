/// Tables and pictures that answer one question about finished runs.
public struct AnalysisResult: Codable, Sendable, Equatable {
  public var tables: [AnalysisTable]
  public var figures: [AnalysisFigure]

  public init(tables: [AnalysisTable], figures: [AnalysisFigure]) {
    (self.tables, self.figures) = (tables, figures)
  }
}
