import Checkpoints
public import Foundation
public import HDF5
public import MoEModels
public import Tensors

/// Predictions of the full-precision model on texts, in HDF5, computed once and compared with often.
///
///     /                     format = "assay.reference-predictions", version = 1, vocabulary, topK,
///                           compute, model (SHA-256 over the model's files)
///     /TEXT/item, hash, group, window_tokens      the windows, as of ItemStore
///     /TEXT/target                    i32 [n]     the true tokens, window after window
///     /TEXT/target_log_probability    f32 [n]     their ln p
///     /TEXT/likeliest                 i32 [n]
///     /TEXT/token                     i32 [n, k]  the k likeliest tokens, falling
///     /TEXT/log_probability           f32 [n, k]  their ln p
///     /TEXT/log_tail                  f32 [n]     ln of the mass of all other tokens
///     /TEXT/routes/03/experts         i32 [n, experts per token]  rising, of layer 3
///     /TEXT/routes/03/probability     f32 [n, experts]            of the router, before top-k
///
/// `token` and `log_tail` are absent if k is the whole vocabulary, which then stands in its own order.
/// Logarithms are natural, rounded once to f32.
public struct PredictionFile: Sendable {
  public static let format = "assay.reference-predictions"
  public static let version = 1

  /// What is kept of the predictions.
  public struct Options: Sendable {
    /// Likeliest tokens at every position; the whole vocabulary if it is smaller.
    public var topK: Int
    public var precision: Precision
    public var noise: NoiseSource
    /// Whether routes are kept too.
    public var routes: Bool

    public init(topK: Int, precision: Precision, noise: NoiseSource, routes: Bool = true) {
      (self.topK, self.precision, self.noise, self.routes) = (topK, precision, noise, routes)
    }
  }

  private let file: HDF5Reader
  let vocabulary: Int
  /// Likeliest tokens at every position.
  public let topK: Int
  /// SHA-256 over the files of the model that predicted.
  public let model: String
  /// Of the forward pass that predicted.
  let compute: String

  /// Opens a file.
  ///
  /// - Throws: ``HDF5Error``.
  public init(_ url: URL) throws(HDF5Error) {
    file = try HDF5Reader(url)
    let format = try file.textAttribute("format")
    let version = try file.integerAttribute("version")
    guard format == Self.format, version == Self.version else {
      throw .wrongFormat(
        path: url.path, expected: "\(Self.format) \(Self.version)", found: "\(format) \(version)")
    }
    vocabulary = Int(try file.integerAttribute("vocabulary"))
    topK = Int(try file.integerAttribute("topK"))
    model = try file.textAttribute("model")
    compute = try file.textAttribute("compute")
  }

  /// Writes what concerns all texts.
  ///
  /// - Parameters:
  ///   - options: As they go to ``write(_:of:as:options:to:progress:)``.
  ///   - vocabulary: Of the model.
  ///   - model: SHA-256 over its files.
  ///   - writer: An empty file.
  /// - Throws: ``HDF5Error``.
  public static func writeHeader(
    _ options: Options, vocabulary: Int, model: String, to writer: HDF5Writer
  ) throws(HDF5Error) {
    try writer.writeAttribute(format, "format")
    try writer.writeAttribute(Int64(version), "version")
    try writer.writeAttribute(Int64(vocabulary), "vocabulary")
    try writer.writeAttribute(Int64(min(options.topK, vocabulary)), "topK")
    try writer.writeAttribute(options.precision.rawValue, "compute")
    try writer.writeAttribute(model, "model")
  }

  /// Runs the model over a text and writes what it predicts.
  ///
  /// - Parameters:
  ///   - text: The windows.
  ///   - source: The full-precision model.
  ///   - name: Of the text.
  ///   - options: What is kept.
  ///   - writer: The file.
  ///   - progress: Fraction done, 0…1.
  /// - Returns: The model against itself under the perturbation that was asked for.
  /// - Throws: What the model throws, ``HDF5Error``.
  public static func write(
    _ text: ScoredWindows, of source: any WeightSource, as name: String, options: Options,
    to writer: HDF5Writer, progress: (Double) -> Void = { _ in }
  ) throws -> MeasuredDivergence? {
    try writer.write(text.items, to: name)
    try writer.write(text.scoredTokens.map { Int64($0) }, to: "\(name)/window_tokens")
    var noise: MeasuredDivergence? = nil
    var first = 0
    let groups = text.groups(for: source, topK: options.topK)
    for (index, group) in groups.enumerated() {
      func report(_ part: Double) { progress((Double(index) + part) / Double(groups.count)) }
      func pass(_ precision: Precision, batchTokens: Int, from done: Double) throws -> ScoredPass {
        try ScoredPass(
          text.windows[group], source: source, precision: precision, batchTokens: batchTokens,
          recordsRoutes: options.routes
        ) { report(done + $0 / 2) }
      }
      let block = try PredictionBlock(
        of: pass(options.precision, batchTokens: ScoredWindows.batchTokens, from: 0),
        topK: options.topK)
      try write(block, of: text, as: name, fromRow: first, to: writer)
      first += block.count
      if let (precision, batchTokens) = options.noise.perturbation(of: options.precision) {
        guard precision == .f32 || Precision.fastest == .bf16 else {
          throw DivergenceError.noOtherArithmetic
        }
        var measured = noise ?? MeasuredDivergence()
        try measured.add(block, pass(precision, batchTokens: batchTokens, from: 0.5))
        measured.windowTokens += text.windows[group].map(\.targets.count)
        noise = measured
      }
      report(1)
    }
    return noise
  }

  /// Runs another model over the same text and compares it, see ``PredictionBlock``.
  ///
  /// - Parameters:
  ///   - source: Of the same vocabulary.
  ///   - text: The windows.
  ///   - name: Of the text in this file.
  ///   - precision: Of the forward pass.
  ///   - progress: Fraction done, 0…1.
  /// - Returns: Divergences of every token, and the drift of routes if they are in the file.
  /// - Throws: ``DivergenceError`` if the windows are not those of the file; what the model throws.
  public func divergence(
    of source: any WeightSource, on text: ScoredWindows, as name: String, precision: Precision,
    progress: (Double) -> Void = { _ in }
  ) throws -> MeasuredDivergence {
    guard source.configuration.vocabularySize == vocabulary else {
      throw DivergenceError.otherVocabulary(
        path: file.path, expected: vocabulary, found: source.configuration.vocabularySize)
    }
    guard compute == precision.rawValue else {
      throw DivergenceError.otherCompute(
        path: file.path, expected: compute, found: precision.rawValue)
    }
    let hashes = try file.read("\(name)/hash", as: Int64.self).map { UInt64(bitPattern: $0) }
    guard hashes == text.items.hashes else {
      throw DivergenceError.otherText(path: file.path, text: name)
    }
    let layers = try routedLayers(of: name)
    var result = MeasuredDivergence()
    var first = 0
    let groups = text.groups(for: source, topK: topK)
    for (index, group) in groups.enumerated() {
      let count = text.windows[group].reduce(0) { $0 + $1.targets.count }
      let block = try block(first..<first + count, of: name, layers: layers)
      let pass = try ScoredPass(
        text.windows[group], source: source, precision: precision,
        batchTokens: ScoredWindows.batchTokens, recordsRoutes: !layers.isEmpty
      ) { progress((Double(index) + $0) / Double(groups.count)) }
      guard block.routes.map(\.layer) == pass.routes.map(\.layer) else {
        throw DivergenceError.otherLayers(path: file.path)
      }
      try result.add(block, pass)
      first += count
      progress(Double(index + 1) / Double(groups.count))
    }
    result.windowTokens = text.scoredTokens
    return result
  }

  private static func write(
    _ block: PredictionBlock, of text: ScoredWindows, as name: String, fromRow first: Int,
    to writer: HDF5Writer
  ) throws(HDF5Error) {
    let n = text.scoredTokens.reduce(0, +)
    func put<Element: HDF5Element>(
      _ values: [Element], _ dataset: String, width: Int? = nil
    ) throws(HDF5Error) {
      let path = "\(name)/\(dataset)"
      if first == 0 {
        try writer.create(path, shape: [n] + (width.map { [$0] } ?? []), as: Element.self)
      }
      try writer.write(values, to: path, fromRow: first)
    }
    try put(block.targets, "target")
    try put(block.targetLogProbabilities, "target_log_probability")
    try put(block.likeliest, "likeliest")
    try put(block.logProbabilities, "log_probability", width: block.topK)
    if !block.isWhole {
      try put(block.tokens, "token", width: block.topK)
      try put(block.logTails, "log_tail")
    }
    for routes in block.routes {
      let layer = routes.layer < 10 ? "0\(routes.layer)" : "\(routes.layer)"
      try put(routes.experts, "routes/\(layer)/experts", width: routes.topK)
      try put(routes.probabilities, "routes/\(layer)/probability", width: routes.expertCount)
    }
  }

  private func block(
    _ rows: Range<Int>, of name: String, layers: [(layer: Int, name: String)]
  ) throws -> PredictionBlock {
    let isWhole = topK == vocabulary
    return PredictionBlock(
      vocabulary: vocabulary, topK: topK,
      tokens: try isWhole ? [] : file.read("\(name)/token", rows: rows),
      logProbabilities: try file.read("\(name)/log_probability", rows: rows),
      logTails: try isWhole ? [] : file.read("\(name)/log_tail", rows: rows),
      likeliest: try file.read("\(name)/likeliest", rows: rows),
      targets: try file.read("\(name)/target", rows: rows),
      targetLogProbabilities: try file.read("\(name)/target_log_probability", rows: rows),
      routes: try layers.map { layer in
        let experts = try file.shape(of: "\(layer.name)/experts")
        let probabilities = try file.shape(of: "\(layer.name)/probability")
        return LayerRoutes(
          layer: layer.layer, topK: experts.last ?? 0, expertCount: probabilities.last ?? 0,
          experts: try file.read("\(layer.name)/experts", rows: rows),
          probabilities: try file.read("\(layer.name)/probability", rows: rows))
      })
  }

  private func routedLayers(of name: String) throws -> [(layer: Int, name: String)] {
    let (prefix, suffix) = ("\(name)/routes/", "/experts")
    return file.datasets().filter { $0.hasPrefix(prefix) && $0.hasSuffix(suffix) }
      .compactMap { path in
        Int(path.dropFirst(prefix.count).dropLast(suffix.count)).map {
          ($0, String(path.dropLast(suffix.count)))
        }
      }.sorted { $0.0 < $1.0 }
  }
}

/// A change that should not matter, whose effect is the floor below which differences say nothing.
public enum NoiseSource: String, Sendable, Codable, CaseIterable {
  /// The other arithmetic: bf16 beside f32, f32 beside bf16.
  case compute
  /// Every window through the layers alone.
  case batch
  case none

  func perturbation(of precision: Precision) -> (Precision, batchTokens: Int)? {
    switch self {
    case .compute: (precision == .f32 ? .bf16 : .f32, ScoredWindows.batchTokens)
    case .batch: (precision, 1)
    case .none: nil
    }
  }
}

extension ScoredWindows {
  /// As of ``ForwardPass``.
  static let batchTokens = 2048

  /// Windows whose activations, predictions and routes fit in memory: a quarter of a gigabyte each.
  func groups(for source: any WeightSource, topK: Int) -> [Range<Int>] {
    let c = source.configuration
    let kept = 2 * min(topK, c.vocabularySize) + c.layerCount * (c.expertCount + 2)
    let limit = max(1, (1 << 26) / max(c.hiddenSize, kept))
    var groups: [Range<Int>] = []
    var (start, tokens) = (0, 0)
    for (index, window) in windows.enumerated() {
      if tokens > 0, tokens + window.tokens.count > limit {
        groups.append(start..<index)
        (start, tokens) = (index, 0)
      }
      tokens += window.tokens.count
    }
    groups.append(start..<windows.count)
    return groups
  }
}

/// Why a model cannot be compared with stored predictions.
public enum DivergenceError: Error, Equatable, CustomStringConvertible {
  case otherVocabulary(path: String, expected: Int, found: Int)
  case otherCompute(path: String, expected: String, found: String)
  case otherText(path: String, text: String)
  case otherLayers(path: String)
  case noOtherArithmetic

  public var description: String {
    switch self {
    case .otherVocabulary(let path, let expected, let found):
      "\(path) holds predictions over \(expected) tokens, the model has \(found); compare a quantized "
        + "model with the one that it was made from."
    case .otherCompute(let path, let expected, let found):
      "\(path) was predicted in \(expected), and \(found) was asked for; use --compute \(expected)."
    case .otherText(let path, let text):
      "\(path): the windows of \(text) are not those that were predicted; use the same text, context, "
        + "protocol and tokenizer."
    case .noOtherArithmetic:
      "The noise floor \"compute\" compares f32 with bf16, which this processor does not have; use "
        + "the noise \"batch\", or none."
    case .otherLayers(let path):
      "\(path): other layers have routers than in the model; compare a quantized model with the one "
        + "that it was made from."
    }
  }
}
