import ArgumentParser
import Experiments
import Reconstruction

/// Options that the method, or what else is asked for, does not read; given, they are refused.
extension QuantizeCommand {
  /// An option that differs from its default, and what reads it.
  private typealias Given = (flag: String, isGiven: Bool)

  /// - Throws: `ValidationError` that names the option and what it goes with.
  func checkRead() throws {
    let (learning, solving) = (try learningGiven, try solvingGiven)
    if method != .gptq { try refuse(solving, of: "gptq") }
    if method != .omniquant { try refuse(learning, of: "omniquant") }
    if method != .squeezellm { try refuse(try codebooksGiven, of: "squeezellm") }
    if method == .omniquant {
      // The learned clipping is the range.
      try refuse(
        [("--mse", grids.mse), ("--symmetric-range", grids.symmetricRange != .mirrored)],
        of: "rtn and gptq")
    }
    try checkForms()
  }

  private func refuse(_ options: [Given], of methods: String) throws {
    guard let option = options.first(where: \.isGiven) else { return }
    throw ValidationError(
      "\(option.flag) is of --method \(methods); \(method.rawValue) does not read it. Leave it out."
    )
  }

  private func checkForms() throws {
    if forms.rangeOutliers > 0, forms.quartiles != nil {
      throw ValidationError(
        "--quartiles stands in the place of --range-outliers; give one of them.")
    }
    if forms.clusteringSeed != 0, forms.clustering != .lloyd {
      throw ValidationError("--clustering-seed is of --clustering lloyd; add it.")
    }
    if learning.scalingRate != (try LearningOptions.parse([]).scalingRate), !learning.equivalent {
      throw ValidationError("--scaling-rate is of --equivalent; add it.")
    }
    if forms.importance != nil, !quantizationMethod.readsImportance {
      throw ValidationError(
        "--importance is of --method squeezellm and --sensitive; \(method.rawValue) without sensitive "
          + "values does not read it.")
    }
    if gradients != nil, !quantizationMethod.readsFisher {
      throw ValidationError(
        "--gradients is of --method squeezellm and --sensitive, with --importance fisher; nothing else "
          + "reads it.")
    }
  }

  /// Grids are of codebooks only where they rank neurons.
  ///
  /// - Throws: ``UnusableArgument``.
  func checkGridsUnread() throws {
    let defaults = try GridOptions.parse([])
    let options: [Given] = [
      ("--group-size", grids.groupSize != defaults.groupSize), ("--symmetric", grids.symmetric),
      ("--mse", grids.mse), ("--scale-rounding", grids.scaleRounding != defaults.scaleRounding),
    ]
    guard let option = options.first(where: \.isGiven) else { return }
    throw UnusableArgument(
      "\(option.flag) is of grids, which codebooks do not have; squeezellm reads it to rank neurons, and "
        + "this plan gives no expert several bit-widths. Leave it out; --codebook-group is theirs.")
  }

  private var solvingGiven: [Given] {
    get throws {
      let defaults = try SolvingOptions.parse([])
      return [
        ("--damping", solving.damping != defaults.damping), ("--act-order", solving.actOrder),
        ("--group-scales", solving.groupScales != defaults.groupScales),
        ("--block-size", solving.blockSize != defaults.blockSize),
        ("--routing-weighted", solving.routingWeighted),
        ("--minimum-tokens", solving.minimumTokens != defaults.minimumTokens),
      ]
    }
  }

  private var learningGiven: [Given] {
    get throws {
      let defaults = try LearningOptions.parse([])
      return [
        ("--epochs", learning.epochs != defaults.epochs),
        ("--clipping-rate", learning.clippingRate != defaults.clippingRate),
        ("--scaling-rate", learning.scalingRate != defaults.scalingRate),
        ("--batch", learning.batch != defaults.batch), ("--augmented", learning.augmented),
        ("--equivalent", learning.equivalent),
      ]
    }
  }

  private var codebooksGiven: [Given] {
    get throws {
      let defaults = try FormOptions.parse([])
      return [
        ("--clustering", forms.clustering != defaults.clustering),
        ("--codebook-group", forms.codebookGroup != defaults.codebookGroup),
        ("--clustering-seed", forms.clusteringSeed != defaults.clusteringSeed),
      ]
    }
  }
}
