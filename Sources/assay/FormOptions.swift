import ArgumentParser
import Experiments
import Quantization
import Reconstruction

/// What a quantizer keeps beside codes on grids along rows.
struct FormOptions: ParsableArguments {
  @Option(
    help: "Share of each matrix kept in a sparse part for being sensitive; 0.0005 is published.")
  var sensitive = 0.0

  @Option(help: "Share of each matrix kept in a sparse part for its magnitude; 0.004 is published.")
  var rangeOutliers = 0.0

  @Option(help: "r, in the place of a share: |w| beyond max(|Q1 - r IQR|, |Q3 + r IQR|).")
  var quartiles: Double?

  @Option(
    help: """
      rtn, gptq: groups of each matrix: output-channel; adaptive, by what its own output loses; or \
      adadim, by what its block's output loses on windows of --text, as AdaDim has it.
      """)
  var axis = AxisChoice.outputChannel

  @Option(
    help: """
      What an error of a weight costs, for codebooks and sensitive values: fisher (with --gradients \
      the default), hessian or none.
      """)
  var importance: ImportanceSource?

  @Option(help: "squeezellm: optimal, or lloyd as published.")
  var clustering = QuantizerParameters.Codebooks.Clustering.optimal

  @Option(help: "squeezellm: columns that share a codebook; 0: a whole row.")
  var codebookGroup = 0

  @Option(help: "squeezellm: seed of lloyd's first centers.")
  var clusteringSeed: UInt32 = 0

  var outliers: OutlierRule? {
    guard sensitive > 0 || rangeOutliers > 0 || quartiles != nil else { return nil }
    return OutlierRule(
      sensitiveFraction: sensitive,
      range: quartiles.map { .quartiles($0) }
        ?? (rangeOutliers > 0 ? .fraction(rangeOutliers) : .none))
  }

  var codebooks: CodebookOptions {
    CodebookOptions(
      groupSize: codebookGroup == 0 ? nil : codebookGroup,
      clustering: clustering == .lloyd ? .lloyd(seed: UInt64(clusteringSeed)) : .optimal)
  }

  func validate() throws {
    try SpecRange.check(sensitive, "--sensitive", as: "quantizer.outliers.sensitive")
    try SpecRange.check(rangeOutliers, "--range-outliers", as: "quantizer.outliers.range")
    if let quartiles {
      try SpecRange.check(quartiles, "--quartiles", as: "quantizer.outliers.quartiles")
    }
    guard codebookGroup != 0 else { return }
    try SpecRange.check(codebookGroup, "--codebook-group", as: "quantizer.codebooks.groupSize")
  }
}

extension AxisChoice: ExpressibleByArgument {}
extension ImportanceSource: ExpressibleByArgument {}
extension QuantizerParameters.Codebooks.Clustering: ExpressibleByArgument {}
