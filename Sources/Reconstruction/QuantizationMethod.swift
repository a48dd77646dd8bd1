public import Quantization

/// The base quantizer and its grid, without the bits that a plan decides.
public struct QuantizationMethod: Sendable, Equatable {
  public enum Solver: Sendable, Equatable {
    case roundToNearest
    /// - Parameters:
    ///   - minimumTokens: Modules with fewer calibration tokens are rounded to nearest, and counted:
    ///     compensation that is fitted to a few tokens is noise for all others.
    ///   - routingWeighted: Experts take H = 2 S_w / Σ w², which weighs each token's input by its
    ///     routing weight, instead of 2 S / n.
    case gptq(GPTQOptions, minimumTokens: Int, routingWeighted: Bool = false)
    /// Weighted k-means of each row: SqueezeLLM. Grids are not read but for ranks of neurons.
    case codebooks(CodebookOptions)
    /// Clipping learned layer by layer on a sample of tokens.
    case omniQuant(OmniQuantOptions)
  }

  public static let defaultMinimumTokens = 32

  public var solver: Solver
  public var grids: GridFamily
  /// Which weights are kept in a sparse part; nil: none.
  public var outliers: OutlierRule?
  /// Along which side of a matrix groups lie.
  public var axis: AxisChoice
  /// What an error of a weight costs, for codebooks and for the choice of sensitive values.
  public var importance: ImportanceSource

  public init(
    solver: Solver, grids: GridFamily, outliers: OutlierRule? = nil,
    axis: AxisChoice = .outputChannel, importance: ImportanceSource = .hessian
  ) {
    self.solver = solver
    self.grids = grids
    self.outliers = outliers
    self.axis = axis
    self.importance = importance
  }

  /// Whether modules are quantized with statistics of their inputs.
  public var readsCalibration: Bool {
    if case .gptq = solver { return true }
    return axis == .adaptive || (readsImportance && importance == .hessian)
  }

  /// Whether layers learn from a sample of tokens.
  public var learns: Bool { if case .omniQuant = solver { true } else { false } }

  /// Whether axes are chosen by what tokens of a sample lose.
  public var judgesBlocks: Bool { axis == .adaDim }

  /// Whether modules are quantized with the Fisher diagonal.
  public var readsFisher: Bool { readsImportance && importance == .fisher }

  /// Whether Hessians of experts weigh tokens by their routing weight.
  public var readsRoutingWeights: Bool {
    if case .gptq(_, _, let routingWeighted) = solver { routingWeighted } else { false }
  }

  /// Whether anything depends on what weights are worth.
  public var readsImportance: Bool {
    if case .codebooks = solver { return true }
    return (outliers?.sensitiveFraction ?? 0) > 0
  }

  /// Whether groups follow the order of rounding, so that every column's group must be stored.
  var storesGroupIndex: Bool {
    guard case .gptq(let options, _, _) = solver, grids.groupSize != nil else { return false }
    return options.columns != .natural && options.scales != .fixed
  }

  /// Refuses what does not go together.
  ///
  /// - Throws: ``MethodError``.
  public func check() throws(MethodError) {
    if learns, axis != .outputChannel || outliers != nil { throw .learningWithForms }
    if axis != .outputChannel {
      if case .codebooks = solver { throw .axisOfCodebooks }
      guard outliers == nil else { throw .axisWithOutliers }
    }
    if let outliers, outliers.sensitiveFraction > 0, importance == .none {
      throw .sensitiveWithoutImportance(fraction: outliers.sensitiveFraction)
    }
  }
}

/// How codebooks are made.
public struct CodebookOptions: Sendable, Equatable {
  /// Columns that share a codebook; nil: a whole row, as published.
  public var groupSize: Int?
  public var clustering: Clustering

  public init(groupSize: Int? = nil, clustering: Clustering = .optimal) {
    (self.groupSize, self.clustering) = (groupSize, clustering)
  }

  func quantizer(bits: Int) throws(QuantizationError) -> CodebookQuantizer {
    try CodebookQuantizer(bits: bits, groupSize: groupSize, clustering: clustering)
  }
}

/// Which side of each matrix has groups.
public enum AxisChoice: String, Codable, Sendable, CaseIterable {
  case outputChannel = "output-channel"
  /// Matrix by matrix, where rounding to nearest changes its own output less: tr(Δ S Δᵀ) / n, which
  /// calibration tells without a token. AdaDim judges o and down so, the others further on.
  case adaptive
  /// As published: q, k and v judged at the output of attention, gate and up at that of their MLP,
  /// which takes a pass through the block for each matrix and axis. Of experts all three are judged at
  /// the output as it is weighted by the router.
  case adaDim = "adadim"
}

/// Where the worth of a weight comes from.
public enum ImportanceSource: String, Codable, Sendable, CaseIterable {
  /// The diagonal of the Fisher matrix.
  case fisher
  /// The diagonal of H = 2 S / n: the same for all rows of a matrix.
  case hessian
  /// Every weight counts alike.
  case none
}

/// Why parts of a method do not go together.
public enum MethodError: Error, Equatable, CustomStringConvertible {
  case axisOfCodebooks
  case axisWithOutliers
  case axisOfSlices(unit: String)
  case sensitiveWithoutImportance(fraction: Double)
  case learningWithForms
  case axisWithoutSample

  public var description: String {
    switch self {
    case .axisOfCodebooks:
      "Codebooks lie along rows; an adaptive axis is of rtn and gptq."
    case .axisWithOutliers:
      "An adaptive axis and outliers do not go together; leave one of them out."
    case .axisOfSlices(let unit):
      "\(unit) gets neurons of several bit-widths, which the adaptive axis does not have; plan whole "
        + "bits, or leave the axis at output-channel."
    case .learningWithForms:
      "OmniQuant learns the clipping of plain grids; leave outliers and the adaptive axis out."
    case .axisWithoutSample:
      "The axis adadim is judged on tokens, and none are at hand; take the axis adaptive, which "
        + "calibration decides."
    case .sensitiveWithoutImportance(let fraction):
      "A share of \(fraction) sensitive values needs an importance; name fisher or hessian, or set the "
        + "share to 0."
    }
  }
}
