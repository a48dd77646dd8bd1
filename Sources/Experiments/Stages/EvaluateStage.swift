public import Checkpoints
public import Evaluation
public import Foundation
import HDF5
public import JSON
public import MoEModels
public import Tensors

/// weights + texts and tasks → metrics and per-item values.
public struct EvaluateStage: Sendable {
  public static let name = "evaluate"
  static let epoch = 2

  /// A text for perplexity.
  public struct Corpus: Sendable {
    public var name: String
    public var url: URL
    public var format: TextFormat
    public var context: Int
    public var convention: PerplexityConvention
    /// Of the strided protocol; nil: half the context.
    public var stride: Int?

    public init(
      name: String, url: URL, format: TextFormat, context: Int,
      convention: PerplexityConvention = .gptq, stride: Int? = nil
    ) {
      self.name = name
      self.url = url
      self.format = format
      self.context = context
      self.convention = convention
      self.stride = stride
    }

    /// What decides the value, as it enters the stage's key.
    var parameters: JSONValue {
      var object = JSONObject([
        ("format", JSONValue(format.rawValue)), ("context", JSONValue(context)),
        ("protocol", JSONValue(convention.rawValue)),
      ])
      if let stride { object["stride"] = JSONValue(stride) }
      // Numbers of before began with the configuration's token, also where the tokenizer adds none.
      if convention == .llamaCpp { object["beginning"] = "tokenizer" }
      return .object(object)
    }
  }

  public var corpora: [Corpus]
  /// Name and items file of multiple-choice tasks.
  public var tasks: [(name: String, url: URL)]
  public var definedTasks: [DefinedTask]
  public var precision: Precision
  /// What products with packed weights take their inputs for.
  public var activations = Activations.exact

  var compute: ComputeMode { ComputeMode(precision, activations) }

  public init(
    corpora: [Corpus], tasks: [(name: String, url: URL)], definedTasks: [DefinedTask] = [],
    precision: Precision
  ) {
    self.corpora = corpora
    self.tasks = tasks
    self.definedTasks = definedTasks
    self.precision = precision
  }

  /// The stage of a pipeline; `weights` is the full-precision folder, or the `quantize` stage.
  func stage(weights: StageSource) throws -> Stage {
    var inputs = ["weights": weights]
    for corpus in corpora { inputs["corpus.\(corpus.name)"] = .file(corpus.url) }
    for task in tasks { inputs["task.\(task.name)"] = .file(task.url) }
    for task in definedTasks { inputs.merge(task.inputs) { first, _ in first } }
    var parameters = JSONObject([
      ("compute", JSONValue(compute.rawValue)),
      ("perplexity", .object(JSONObject(corpora.map { ($0.name, $0.parameters) }))),
      ("tasks", .array(tasks.map { JSONValue($0.name) })),
    ])
    if !definedTasks.isEmpty {
      parameters["definitions"] = .object(
        JSONObject(definedTasks.map { ($0.name, $0.parameters) }))
    }
    return Stage(
      name: Self.name, epoch: Self.epoch, parameters: .object(parameters), inputs: inputs
    ) { context in try write(weights: context.input("weights"), to: context) }
  }

  /// Writes `metrics.json` and `items.h5` into the context's folder.
  public func write(weights: URL, to context: StageContext) throws {
    let folder = try ModelFolder(weights).executed(as: compute)
    let tokenizer = try folder.tokenizer()
    let tokenizerDigest = try Digest.of(file: weights.appending(path: "tokenizer.json"))
    let items = try HDF5Writer(context.directory.appending(path: StageFile.items))
    let steps = Double(corpora.count + tasks.count + definedTasks.count)
    var (metrics, forwardTokens): ([Metric], Int) = ([], 0)
    var pooled = PooledResults()
    for (index, corpus) in corpora.enumerated() {
      let scoring = try corpus.convention.scoring(
        context: corpus.context, stride: corpus.stride, for: folder.configuration, tokenizer)
      let documents = try PerplexityText.documents(
        corpus.url, format: corpus.format, scoring: scoring, tokenizer: tokenizer)
      let result = try Perplexity(
        of: folder.weights, documents: (corpus.url.path, documents), scoring: scoring,
        tokenizer: tokenizer, precision: precision
      ) { context.progress((Double(index) + $0) / steps, "perplexity of \(corpus.name)") }
      let definition = try corpus.definition(
        scoring, tokenizer: tokenizerDigest, compute: compute)
      metrics += result.metrics(scope: corpus.name, definition)
      pooled.add(result, definition: definition)
      try result.write(to: items, corpus: corpus.name)
      forwardTokens += result.forwardTokens
    }
    for (index, task) in tasks.enumerated() {
      let questions = try ChoiceItem.load(task.url)
      let result = try MultipleChoice(
        of: folder.weights, items: questions, tokenizer: tokenizer, precision: precision
      ) { context.progress((Double(corpora.count + index) + $0) / steps, "task \(task.name)") }
      let definition = try taskDefinition(task.url)
      metrics.append(result.metric(scope: task.name, definition))
      pooled.add(result, definition: definition)
      try result.write(to: items, task: task.name, questions)
      forwardTokens += result.forwardTokens
    }
    for (index, task) in definedTasks.enumerated() {
      let done = Double(corpora.count + tasks.count + index)
      let result = try write(
        task, folder, tokenizer, digest: tokenizerDigest, items: items, to: context.directory
      ) { context.progress((done + $0) / steps, "task \(task.name)") }
      metrics += result.metrics
      forwardTokens += result.forwardTokens
    }
    try items.finish()
    try context.write(
      try JSONValue(encoding: metrics + pooled.metrics), to: StageFile.metrics)
    try context.recordForwardTokens(forwardTokens)
  }

  private func taskDefinition(_ url: URL) throws -> JSONValue {
    [
      "protocol": JSONValue(MultipleChoice.protocolName),
      "items": JSONValue(try Digest.of(file: url)), "compute": JSONValue(compute.rawValue),
    ]
  }
}

/// All corpora, and all tasks, taken together: the scope `all`.
private struct PooledResults {
  private var windows = 0
  private var tokens = 0
  private var nats = 0.0
  private var bytes = 0
  private var correct: [Bool] = []
  private var corpora: [JSONValue] = []
  private var tasks: [JSONValue] = []

  mutating func add(_ result: Perplexity, definition: JSONValue) {
    windows += result.windowLosses.count
    tokens += result.scoredTokens
    nats += result.totalLoss
    bytes += result.scoredBytes
    corpora.append(definition)
  }

  mutating func add(_ result: MultipleChoice, definition: JSONValue) {
    correct += result.correct
    tasks.append(definition)
  }

  /// Pooled over windows and over items, also of a single part: what is asked for the whole does not
  /// depend on how many parts it has.
  var metrics: [Metric] {
    var result: [Metric] = []
    if !corpora.isEmpty {
      let definition: JSONValue = ["protocol": "pooled-windows", "parts": .array(corpora)]
      result.append(
        Metric(
          definition: .perplexity(scope: "all", definition), value: exp(nats / Double(tokens)),
          items: windows))
      result.append(
        Metric(
          definition: .bitsPerByte(scope: "all", definition),
          value: nats / log(2) / Double(bytes), items: windows))
    }
    if !tasks.isEmpty {
      result.append(
        Metric(
          definition: .accuracy(
            scope: "all", ["protocol": "pooled-items", "parts": .array(tasks)]),
          value: Double(correct.count { $0 }) / Double(correct.count), items: correct.count))
    }
    return result
  }
}

extension Perplexity {
  fileprivate func metrics(scope: String, _ definition: JSONValue) -> [Metric] {
    let items = windowLosses.count
    let perWord = wordPerplexity.map {
      Metric(
        definition: .wordPerplexity(scope: scope, definition), value: $0, items: items)
    }
    return [
      Metric(
        definition: .perplexity(scope: scope, definition), value: perplexity, items: items),
      Metric(
        definition: .bitsPerByte(scope: scope, definition), value: bitsPerByte, items: items),
    ] + (perWord.map { [$0] } ?? [])
  }
}

extension MultipleChoice {
  fileprivate func metric(scope: String, _ definition: JSONValue) -> Metric {
    Metric(
      definition: .accuracy(scope: scope, definition), value: accuracy, items: correct.count)
  }
}

extension EvaluateStage.Corpus {
  /// Everything that fixes a perplexity on this text.
  ///
  /// - Parameters:
  ///   - scoring: The protocol with its parameters.
  ///   - tokenizer: SHA-256 of tokenizer.json.
  ///   - compute: Of the forward pass.
  /// - Returns: What ``MetricDefinition/protocolParameters`` hold.
  /// - Throws: What reading the text throws.
  public func definition(
    _ scoring: PerplexityProtocol, tokenizer: String, compute: ComputeMode
  ) throws -> JSONValue {
    var definition = JSONObject([
      ("protocol", JSONValue(scoring.name)), ("context", JSONValue(context)),
      ("format", JSONValue(format.rawValue)), ("compute", JSONValue(compute.rawValue)),
      ("text", JSONValue(try Digest.of(file: url))), ("tokenizer", JSONValue(tokenizer)),
    ])
    switch scoring {
    case .gptqWindows: break
    case .llamaCpp(_, let beginning):
      definition["beginningToken"] = beginning.map { JSONValue(Int($0)) } ?? .null
    case .strided(_, let stride): definition["stride"] = JSONValue(stride)
    case .rolling(_, let prefix): definition["prefixToken"] = JSONValue(Int(prefix))
    }
    return .object(definition)
  }
}

extension MetricDefinition {
  fileprivate static func perplexity(scope: String, _ parameters: JSONValue) -> Self {
    Self(
      name: "perplexity", scope: scope, unit: "exp(nats/token)", higherIsBetter: false,
      protocolParameters: parameters)
  }

  fileprivate static func wordPerplexity(scope: String, _ parameters: JSONValue) -> Self {
    Self(
      name: "word-perplexity", scope: scope, unit: "exp(nats/word)", higherIsBetter: false,
      protocolParameters: parameters)
  }

  fileprivate static func bitsPerByte(scope: String, _ parameters: JSONValue) -> Self {
    Self(
      name: "bits-per-byte", scope: scope, unit: "bits/byte", higherIsBetter: false,
      protocolParameters: parameters)
  }

  fileprivate static func accuracy(scope: String, _ parameters: JSONValue) -> Self {
    Self(
      name: "accuracy", scope: scope, unit: "fraction", higherIsBetter: true,
      protocolParameters: parameters)
  }
}
