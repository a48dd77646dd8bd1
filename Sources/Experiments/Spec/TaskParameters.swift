import JSON

/// A task of a point.
public enum TaskParameters: Codable, Sendable, Equatable {
  /// File of items (JSONL), relative to the spec.
  case items(String)
  case definition(DefinedTaskParameters)

  public init(from decoder: any Decoder) throws {
    if let path = try? decoder.singleValueContainer().decode(String.self) {
      self = .items(path)
    } else {
      self = .definition(try DefinedTaskParameters(from: decoder))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .items(let path): try path.encode(to: encoder)
    case .definition(let task): try task.encode(to: encoder)
    }
  }
}

/// A task whose definition is data.
public struct DefinedTaskParameters: Codable, Sendable, Equatable {
  /// Its file, relative to the spec.
  public let definition: String
  /// Folder of rows, or their file, relative to the spec; nil: where `make data` puts them.
  public let rows: String?
  /// Items from the start, of each group where there are groups; nil: all.
  public let limit: Int?
  /// Solved examples before each question; nil: as many as the definition says.
  public let fewShot: Int?
  /// Of generation: texts for each item; nil: 1.
  public let samples: Int?
  /// Of generation; nil: 0, always the likeliest token.
  public let temperature: Double?
  /// Of generation; nil: all tokens.
  public let topP: Double?
  /// Of generation; nil: as many as the definition says.
  public let maximumTokens: Int?
  /// Of programs: every k of pass@k besides 1.
  public let passAt: [Int]?
  /// Whether every group of items, such as a subject of MMLU, has metrics of its own; nil: not.
  public let groups: Bool?
}

extension ParameterGroup {
  static let definedTask = ParameterGroup([
    ParameterField("definition", .path, .required, "File such as tasks/hellaswag.json."),
    ParameterField(
      "rows", .path, .optional,
      "Folder of rows, or their file (JSON lines, plain or gzip); where make data puts them if left "
        + "out."),
    ParameterField(
      "limit", .integer(1...100_000_000), .optional,
      "Only so many items from the start, of each group (such as a subject of MMLU)."),
    ParameterField(
      "fewShot", .integer(0...64), .optional,
      "Solved examples before each question; those of the definition if left out."),
    ParameterField("samples", .integer(1...10_000), .optional, "Generation: texts for each item."),
    ParameterField(
      "temperature", .number(0...10), .optional,
      "Generation: 0, the likeliest token always, if left out."),
    ParameterField(
      "topP", .number(1e-6...1), .optional,
      "Generation: only the likeliest tokens that have this probability together."),
    ParameterField(
      "maximumTokens", .integer(1...1_000_000), .optional,
      "Generation: in the place of the definition's, for models of few positions."),
    ParameterField(
      "passAt", .integers(1...10_000), .optional, "Programs: k of pass@k, up to the samples."),
    ParameterField(
      "groups", .flag, .optional,
      "Also the metrics of every group, such as the subjects of MMLU: scope \"mmlu, anatomy\"."),
  ])
}

extension ParameterKind {
  /// Names with paths, or with complete objects.
  func namedTasks(
    _ value: JSONValue, _ group: ParameterGroup, at pointer: JSONPointer
  ) throws(SpecError) -> JSONValue {
    guard let object = value.objectValue else {
      throw SpecError(
        .wrongType(expected: "an object of names and tasks", found: value.kind), at: pointer)
    }
    var completed = JSONObject()
    for (name, task) in object.members {
      try checkName(name, at: pointer)
      let place = pointer.appending(name)
      completed[name] =
        task.objectValue == nil
        ? try ParameterKind.path.completed(task, at: place)
        : try group.completed(task, at: place)
    }
    return .object(completed)
  }
}

extension EvaluationParameters {
  /// Tasks that are files of items, by name.
  var itemFiles: [(name: String, path: String)] {
    tasks.sorted { $0.key < $1.key }.compactMap { name, task in
      if case .items(let path) = task { (name, path) } else { nil }
    }
  }

  /// Tasks that have definitions, by name.
  var definedTasks: [(name: String, task: DefinedTaskParameters)] {
    tasks.sorted { $0.key < $1.key }.compactMap { name, task in
      if case .definition(let task) = task { (name, task) } else { nil }
    }
  }
}
