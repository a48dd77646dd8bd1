import Foundation
import JSON

/// What is asked, of which rows, and how answers are scored: a small JSON file made by people.
///
/// Prompts and scoring equal those of lm-eval's definition of the same name (0.4.13).
public struct TaskDefinition: Sendable, Equatable {
  /// Of the file format.
  public static let schemaVersion = 1

  /// How the model is asked.
  public enum Kind: String, Sendable, CaseIterable {
    /// log p(choice | prompt) of every choice.
    case multipleChoice = "multiple-choice"
    /// log p(target | choice) with every choice as context: WinoGrande's partial scoring.
    case partialContext = "partial-context"
    /// log p(target | prompt).
    case continuation
    /// What the model writes after the prompt.
    case generation
  }

  /// Where rows come from.
  public struct Source: Sendable, Equatable {
    /// Name of the file in the folder of rows; beginning with "./" or "../", a path from the
    /// definition's own folder.
    public let rows: String
    /// What the file holds, for those who miss it.
    public let origin: String
  }

  /// Solved examples before the question.
  public struct FewShotRule: Sendable, Equatable {
    /// As ``Source/rows``.
    public let rows: String
    public internal(set) var count: Int
    /// Stands behind every example.
    public let separator: String
    /// Draws other examples for every question, as lm-eval's default sampler does with this seed of
    /// Python's generator; nil: the first of the file, its `first_n`.
    public let seed: UInt64?

    /// lm-eval's `fewshot_random_seed`.
    static let usualSeed: UInt64 = 1234
  }

  /// Where generation ends.
  public struct GenerationRule: Sendable, Equatable {
    public let stops: [String]
    public let maximumTokens: Int
  }

  /// The texts that a question is asked with.
  enum Choices: Sendable, Equatable {
    case templates([PromptTemplate])
    case field(FieldPath, [TextTransformation])
  }

  /// Which choice is right.
  struct RightChoice: Sendable, Equatable {
    let field: FieldPath
    let transformations: [TextTransformation]
    /// The field holds one of the texts of this list; else it is an index.
    let labels: FieldPath?
    /// The smallest index.
    let base: Int
  }

  public let name: String
  /// Of this task, counted up when its numbers change.
  public let version: Int
  public let kind: Kind
  public let source: Source
  public let metrics: [TaskMetric]
  public internal(set) var fewShot: FewShotRule?
  public let generation: GenerationRule?
  /// The definition's file.
  public let url: URL

  let item: PromptTemplate?
  /// What items are grouped by, and examples chosen by.
  let group: FieldPath?
  let description: PromptTemplate?
  let prompt: PromptTemplate?
  /// Between prompt and answer.
  let delimiter: String
  let choices: Choices?
  let answer: RightChoice?
  /// The text that follows, where it is no choice.
  let target: PromptTemplate?
  /// A right text, for trying the test; it decides no number.
  let solution: PromptTemplate?
  /// The file as it was read.
  let document: JSONValue
}

extension TaskDefinition {
  /// The number of solved examples before every question.
  public var shots: Int { fewShot?.count ?? 0 }

  /// Whether items are of groups, such as the subjects of MMLU.
  public var hasGroups: Bool { group != nil }

  /// This task with another number of solved examples.
  ///
  /// - Parameter shots: 0 or more.
  /// - Returns: A task of its own ``identity(rows:examples:)``.
  /// - Throws: ``TaskError/noExamples(task:)`` where examples are asked for and none are known.
  public func withShots(_ shots: Int) throws(TaskError) -> TaskDefinition {
    precondition(shots >= 0, "\(shots) examples")
    guard shots != self.shots else { return self }
    guard var rule = fewShot else { throw .noExamples(task: name) }
    rule.count = shots
    var task = self
    task.fewShot = rule
    return task
  }

  /// The name by which definitions and results call this way of scoring.
  public static let protocolName = "lm-eval-requests"

  /// All that decides the task's numbers, but for the model and its tokenizer: what is to be hashed.
  ///
  /// Names of files and words of explanation are left out, digests of the rows stand in.
  ///
  /// - Parameters:
  ///   - rows: Digest of the rows' file.
  ///   - examples: Digest of the examples' file; ignored if there are none.
  /// - Returns: JSON to write canonically.
  public func identity(rows: String, examples: String?) -> JSONValue {
    var object = document.objectValue ?? JSONObject()
    for key in ["equals", "note", "source", "fewShot", "solution"] { object[key] = nil }
    object["protocol"] = JSONValue(Self.protocolName)
    object["rows"] = JSONValue(rows)
    object["shots"] = JSONValue(shots)
    if let fewShot, fewShot.count > 0 {
      object["separator"] = JSONValue(fewShot.separator)
      object["examples"] = examples.map { JSONValue($0) } ?? .null
      object["exampleSeed"] = fewShot.seed.map { JSONValue(Int($0)) }
    }
    return .object(object)
  }
}
