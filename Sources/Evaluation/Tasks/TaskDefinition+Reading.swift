import Foundation
import JSON

extension TaskDefinition {
  private static let keys = [
    "schemaVersion", "name", "version", "equals", "note", "kind", "source", "item", "group",
    "description", "prompt", "delimiter", "choices", "answer", "target", "solution", "fewShot",
    "generation", "metrics",
  ]

  /// Reads a definition.
  ///
  /// - Parameter url: Of the JSON file.
  /// - Throws: ``TaskError/unusableDefinition(path:pointer:reason:)``.
  public init(_ url: URL) throws(TaskError) {
    let data: Data
    do {
      data = try Data(contentsOf: url)
    } catch {
      throw .unusableDefinition(
        path: url.path, pointer: "", reason: "the file cannot be read; give a task's JSON file")
    }
    try self.init(data, from: url)
  }

  /// Reads a definition from the bytes of its file.
  ///
  /// - Parameters:
  ///   - data: JSON.
  ///   - url: Where it came from: paths of rows may be relative to its folder.
  /// - Throws: ``TaskError/unusableDefinition(path:pointer:reason:)``.
  public init(_ data: Data, from url: URL) throws(TaskError) {
    let document: JSONValue
    do {
      document = try JSONParser.parse(data)
    } catch {
      throw .unusableDefinition(path: url.path, pointer: "", reason: "not JSON: \(error)")
    }
    let object = try DefinitionObject(
      document, at: JSONPointer(), of: url.path, allowed: Self.keys)
    guard try object.integer("schemaVersion") == Self.schemaVersion else {
      throw object.unusable(
        "this program reads version \(Self.schemaVersion)", at: "schemaVersion")
    }
    (self.url, self.document) = (url, document)
    name = try object.string("name")
    version = try object.integer("version")
    kind = try object.name("kind", as: Kind.self)
    metrics = try Self.metrics(object, kind: kind)
    source = try Self.source(object)
    fewShot = try Self.fewShot(object)
    item = try object.template("item")
    group = try object.fieldPath("group")
    description = try object.template("description")
    delimiter = try object.optionalString("delimiter") ?? " "
    // What a kind does not read would change the hash and not the numbers.
    try Self.refuse(kind.unread, in: object)
    prompt = kind == .partialContext ? nil : try object.requiredTemplate("prompt")
    choices = kind.hasChoices ? try Self.choices(object) : nil
    answer = kind.hasChoices ? try Self.answer(object) : nil
    target = kind == .multipleChoice ? nil : try Self.target(object, kind: kind)
    solution = kind == .generation ? try object.template("solution") : nil
    generation = kind == .generation ? try Self.generation(object) : nil
    if runsPrograms, fewShot != nil {
      throw object.unusable("examples before a program would be executed; remove it", at: "fewShot")
    }
  }

  private static func refuse(_ keys: [String], in object: DefinitionObject) throws(TaskError) {
    for key in keys where object.value(key) != nil {
      throw object.unusable("a task of this kind does not read it; remove it", at: key)
    }
  }

  private static func metrics(
    _ object: DefinitionObject, kind: Kind
  ) throws(TaskError) -> [TaskMetric] {
    let metrics = try object.names("metrics", as: TaskMetric.self)
    guard !metrics.isEmpty else { throw object.unusable("name at least one", at: "metrics") }
    for metric in metrics where !kind.metrics.contains(metric) {
      let allowed = kind.metrics.map(\.rawValue).joined(separator: ", ")
      throw object.unusable(
        "\"\(metric.rawValue)\" is no metric of \(kind.rawValue) tasks, which have \(allowed)",
        at: "metrics")
    }
    return metrics
  }

  private static func source(_ object: DefinitionObject) throws(TaskError) -> Source {
    let source = try object.requiredObject("source", allowed: ["rows", "origin"])
    return Source(rows: try source.string("rows"), origin: try source.string("origin"))
  }

  private static func fewShot(_ object: DefinitionObject) throws(TaskError) -> FewShotRule? {
    let allowed = ["rows", "count", "separator", "choice", "seed"]
    guard let rule = try object.object("fewShot", allowed: allowed) else { return nil }
    let choice = try rule.optionalString("choice") ?? "first"
    guard ["first", "random"].contains(choice) else {
      throw rule.unusable("\"\(choice)\" is none of first, random", at: "choice")
    }
    if choice == "first", rule.value("seed") != nil {
      throw rule.unusable("the first examples are not drawn; remove it", at: "seed")
    }
    let seed = rule.value("seed") == nil ? nil : UInt64(try rule.integer("seed"))
    return FewShotRule(
      rows: try rule.string("rows"), count: try rule.integer("count"),
      separator: try rule.optionalString("separator") ?? "\n\n",
      seed: choice == "random" ? seed ?? FewShotRule.usualSeed : nil)
  }

  private static func choices(_ object: DefinitionObject) throws(TaskError) -> Choices {
    guard try object.required("choices").arrayValue != nil else {
      let list = try object.requiredObject("choices", allowed: ["field", "then"])
      return .field(
        try list.requiredFieldPath("field"), try list.transformations("then"))
    }
    var templates: [PromptTemplate] = []
    for text in try object.strings("choices") {
      templates.append(try object.template(text, then: [], at: "choices"))
    }
    guard templates.count >= 2 else {
      throw object.unusable("a question has at least 2 choices", at: "choices")
    }
    return .templates(templates)
  }

  private static func answer(_ object: DefinitionObject) throws(TaskError) -> RightChoice {
    let answer = try object.requiredObject("answer", allowed: ["field", "then", "labels", "from"])
    let labels = try answer.fieldPath("labels")
    if labels != nil, answer.value("from") != nil {
      throw answer.unusable("labels are not counted; remove \"from\"", at: "from")
    }
    return RightChoice(
      field: try answer.requiredFieldPath("field"),
      transformations: try answer.transformations("then"), labels: labels,
      base: answer.value("from") == nil ? 0 : try answer.integer("from"))
  }

  /// Generated text need not have one: HumanEval's programs are tested.
  private static func target(
    _ object: DefinitionObject, kind: Kind
  ) throws(TaskError) -> PromptTemplate? {
    kind == .generation
      ? try object.template("target") : try object.requiredTemplate("target")
  }

  private static func generation(
    _ object: DefinitionObject
  ) throws(TaskError) -> GenerationRule {
    let rule = try object.requiredObject("generation", allowed: ["stops", "maximumTokens"])
    return GenerationRule(
      stops: try rule.strings("stops"), maximumTokens: try rule.integer("maximumTokens"))
  }
}

extension TaskDefinition.Kind {
  var hasChoices: Bool { self == .multipleChoice || self == .partialContext }

  /// Keys that have no meaning for this kind.
  fileprivate var unread: [String] {
    switch self {
    case .multipleChoice: ["target", "solution", "generation"]
    case .partialContext: ["prompt", "solution", "generation", "fewShot"]
    case .continuation: ["choices", "answer", "solution", "generation"]
    case .generation: ["choices", "answer"]
    }
  }

  public var metrics: [TaskMetric] {
    switch self {
    case .multipleChoice, .partialContext:
      [.accuracy, .accuracyByCharacters, .accuracyByBytes]
    case .continuation: [.accuracy, .perplexity]
    case .generation: [.strictMatch, .flexibleMatch, .passAt1]
    }
  }
}
