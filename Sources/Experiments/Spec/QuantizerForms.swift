import JSON
import Quantization
import Reconstruction

extension QuantizerParameters {
  /// Weights that are kept in a sparse part.
  public struct Outliers: Codable, Sendable, Equatable {
    /// Share of sensitive values.
    public let sensitive: Double
    /// Share of range outliers.
    public let range: Double
    /// r of |w| > T(r), in the place of a share.
    public let quartiles: Double?

    var rule: OutlierRule {
      OutlierRule(
        sensitiveFraction: sensitive,
        range: quartiles.map { .quartiles($0) } ?? (range > 0 ? .fraction(range) : .none))
    }
  }

  /// How codebooks are made.
  public struct Codebooks: Codable, Sendable, Equatable {
    public enum Clustering: String, Codable, Sendable, CaseIterable {
      case optimal, lloyd
    }

    public let clustering: Clustering
    /// Columns that share a codebook; nil: a whole row.
    public let groupSize: Int?
    /// Of Lloyd's first centers.
    public let seed: Int

    var options: CodebookOptions {
      CodebookOptions(
        groupSize: groupSize,
        clustering: clustering == .lloyd ? .lloyd(seed: UInt64(max(seed, 0))) : .optimal)
    }
  }
}

extension QuantizerParameters {
  /// How OmniQuant learns.
  public struct OmniQuant: Codable, Sendable, Equatable {
    public let epochs: Int
    public let clippingRate: Double
    public let scalingRate: Double
    /// Sequences of a step.
    public let batch: Int
    public let augmented: Bool
    public let equivalent: Bool

    var options: OmniQuantOptions {
      OmniQuantOptions(
        epochs: epochs, clippingRate: clippingRate, scalingRate: scalingRate, batch: batch,
        augmented: augmented, equivalent: equivalent)
    }
  }
}

extension ParameterGroup {
  static let omniQuant = ParameterGroup([
    ParameterField(
      "epochs", .integer(0...10_000), .defaulting(20), "Passes over the calibration's sequences."),
    ParameterField(
      "clippingRate", .number(0...1), .defaulting(0.01), "Learning rate of the clipping."),
    ParameterField(
      "scalingRate", .number(0...1), .defaulting(0.005),
      "Learning rate of the scales of the equivalent transformation."),
    ParameterField("batch", .integer(1...100_000), .defaulting(1), "Sequences of a step."),
    ParameterField(
      "augmented", .flag, .defaulting(false),
      "Also: what the full-precision layer makes of the quantized stream."),
    ParameterField(
      "equivalent", .flag, .defaulting(false),
      "Channels of experts are scaled against each other too."),
  ])

  static let outliers = ParameterGroup([
    ParameterField(
      "sensitive", .number(0...0.5), .defaulting(0.0005),
      "Share of each matrix: its most sensitive values."),
    ParameterField(
      "range", .number(0...0.5), .defaulting(0.004),
      "Share of each matrix: the largest magnitudes of the others."),
    ParameterField(
      "quartiles", .number(0...1000), .optional,
      "r, in the place of range: |w| beyond max(|Q1 - r IQR|, |Q3 + r IQR|)."),
  ])

  static let codebooks = ParameterGroup([
    ParameterField(
      "clustering", .choice(QuantizerParameters.Codebooks.Clustering.allCases.map(\.rawValue)),
      .defaulting("optimal"),
      "optimal: the least loss there is; lloyd: from seeded centers, as published."),
    ParameterField(
      "groupSize", .integer(1...65536), .optional, nullable: true,
      "Columns that share a codebook; null: a whole row."),
    ParameterField("seed", .integer(0...2_147_483_647), .defaulting(0), "lloyd: first centers."),
  ])

  /// What goes beside the grids of the quantizer; absent from identities where it is left out.
  static let quantizerForms = [
    ParameterField(
      "outliers", .group(outliers), .optional, nullable: true,
      "Weights kept in a sparse part; {} is 0.05 % sensitive values and 0.4 % range outliers."),
    ParameterField(
      "axis", .choice(AxisChoice.allCases.map(\.rawValue)), .optional,
      "adaptive: groups of inputs or of outputs, matrix by matrix, by its own output; adadim: by that of "
        + "its block, as published; else output-channel."),
    ParameterField(
      "importance", .choice(ImportanceSource.allCases.map(\.rawValue)), .optional,
      "What an error of a weight costs, for codebooks and sensitive values; fisher if left out."),
    ParameterField(
      "codebooks", .group(codebooks), .optional, "squeezellm: how codebooks are made."),
    ParameterField(
      "omniquant", .group(omniQuant), .optional,
      "omniquant: how clipping is learned, on the calibration's sequences."),
  ]
}

extension PointParameters {
  /// Parts of a quantizer that do not go together, or that tables cannot price.
  func checkQuantizer() throws(SpecError) {
    guard let quantizer, let allocation else { return }
    let (pointer, method) = (JSONPointer(["quantizer"]), quantizer.quantizationMethod)
    do throws(MethodError) { try method.check() } catch {
      let key =
        switch error {
        case .sensitiveWithoutImportance: "importance"
        case .learningWithForms: "method"
        default: "axis"
        }
      throw SpecError(.invalid("\(error)"), at: pointer.appending(key))
    }
    if method.learns, allocation.fitness == .measured {
      throw SpecError(
        .invalid(
          "A level store is of one level at a time, and what OmniQuant learns depends on the others; "
            + "search with rtn or gptq."),
        at: pointer.appending("method"))
    }
    if method.readsRoutingWeights, !(calibration?.routingWeighted ?? false) {
      throw SpecError(
        .invalid(
          "The calibration keeps no routing-weighted sums; set calibration.routingWeighted too, or "
            + "leave this out."),
        at: pointer.appending("routingWeighted"))
    }
    if method.axis != .outputChannel, allocation.ranksNeurons {
      throw SpecError(
        .invalid(
          "An adaptive axis is of matrices with the same bits throughout; leave half levels, mixes "
            + "and neurons out."),
        at: pointer.appending("axis"))
    }
    if quantizer.method == .squeezellm || method.outliers != nil
      || method.axis != .outputChannel,
      budget?.total?.ledger == "with-metadata"
    {
      throw SpecError(
        .invalid(
          "Tables know the bits of affine grids along output channels; bound code bits. The ledger "
            + "with-metadata is reported all the same."),
        at: JSONPointer(["budget", "total", "ledger"]))
    }
  }
}

extension JSONObject {
  /// The parts of a method beside solver and grids, as they enter a stage's key; what is as by default
  /// is left out.
  mutating func insert(forms method: QuantizationMethod) {
    if let rule = method.outliers {
      var outliers = JSONObject([("sensitive", JSONValue(rule.sensitiveFraction))])
      switch rule.range {
      case .none: break
      case .fraction(let fraction): outliers["range"] = JSONValue(fraction)
      case .quartiles(let range): outliers["quartiles"] = JSONValue(range)
      }
      self["outliers"] = .object(outliers)
    }
    if method.axis != .outputChannel { self["axis"] = JSONValue(method.axis.rawValue) }
    if method.readsImportance { self["importance"] = JSONValue(method.importance.rawValue) }
    guard case .codebooks(let options) = method.solver else { return }
    self["codebookGroupSize"] = options.groupSize.map { JSONValue($0) } ?? .null
    switch options.clustering {
    case .optimal: self["clustering"] = "optimal"
    case .lloyd(let seed, let iterations, let tolerance):
      self["clustering"] = [
        "lloyd": JSONValue(Double(seed)), "iterations": JSONValue(iterations),
        "tolerance": JSONValue(tolerance),
      ]
    }
  }
}
