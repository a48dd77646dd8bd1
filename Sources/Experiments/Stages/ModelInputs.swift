import Checkpoints
import Evaluation
import Foundation
import JSON
import MoEModels

/// Looks at what points read before anything is computed: model, texts and items.
///
/// Each thing is looked at once, however many points read it; its first reader carries the problem.
struct ModelInputs {
  /// Larger files are not read here: such a text holds the longest window a spec may ask for.
  private static let readableBytes = 4 << 20

  private var seen: Set<String> = []
  private var problems: [InputProblem] = []

  /// The problems of each point.
  static func problems(in points: [PointParameters]) -> [[InputProblem]] {
    var inputs = ModelInputs()
    return points.map { inputs.check($0) }
  }

  private mutating func check(_ point: PointParameters) -> [InputProblem] {
    problems = []
    checkModel(point)
    if let calibration = point.calibration, point.drawsCalibration {
      checkTexts(
        calibration.corpus.map(\.path), calibration.format, context: calibration.context,
        of: point, at: JSONPointer(["calibration"]))
    }
    if let text = point.allocation?.fitnessText, point.allocation?.fitness == .measured {
      checkTexts(
        text.corpus, text.format, context: text.context, of: point,
        at: JSONPointer(["allocation", "fitnessText"]))
    }
    if let text = point.structure?.text {
      checkTexts(
        text.corpus, text.format, context: text.context, of: point,
        at: JSONPointer(["structure", "text"]))
    }
    for path in point.allocation?.calibrationTexts ?? [] {
      checkText(
        point.url(path), point.calibration?.format ?? .text,
        context: point.calibration?.context ?? 1,
        at: JSONPointer(["allocation", "calibrationTexts"]))
    }
    checkEvaluation(point)
    return problems
  }

  private mutating func checkEvaluation(_ point: PointParameters) {
    if let perplexity = point.evaluation.perplexity {
      checkTexts(
        perplexity.corpora, perplexity.format, perplexity.protocol, context: perplexity.context,
        of: point, at: JSONPointer(["evaluation", "perplexity"]))
    }
    if let divergence = point.evaluation.divergence {
      checkTexts(
        divergence.corpora, divergence.format, divergence.protocol, context: divergence.context,
        of: point, at: JSONPointer(["evaluation", "divergence"]))
    }
    if let speed = point.evaluation.speed {
      checkContext(
        speed.promptTokens + speed.steps, of: point, at: JSONPointer(["evaluation", "speed"]))
    }
    for (name, task) in point.evaluation.tasks.sorted(by: { $0.key < $1.key }) {
      let pointer = JSONPointer(["evaluation", "tasks", name])
      switch task {
      case .items(let path): checkItems(point.url(path), at: pointer)
      case .definition(let task): checkDefinition(task, of: point, at: pointer)
      }
    }
  }

  private mutating func checkModel(_ point: PointParameters) {
    let url = point.url(point.model.path)
    look(at: "model \(url.path)", JSONPointer(["model", "path"])) {
      try Self.requireFolder(url)
      for file in ["config.json", "tokenizer.json"] {
        try Self.requireFile(url.appending(path: file))
      }
      _ = try ModelFolder(url)
    }
  }

  /// Whether the model takes sequences of this length, if the model can be read.
  private mutating func checkContext(
    _ context: Int, of point: PointParameters, at pointer: JSONPointer
  ) {
    let url = point.url(point.model.path)
    look(at: "context \(context) \(url.path)", pointer) {
      guard let configuration = (try? ModelFolder(url))?.configuration else { return }
      try ForwardPass.check(length: context, in: configuration)
    }
  }

  /// Texts of which windows of one length are drawn.
  private mutating func checkTexts(
    _ paths: [String], _ format: TextFormat, context: Int, of point: PointParameters,
    at pointer: JSONPointer
  ) {
    checkContext(context, of: point, at: pointer.appending("context"))
    for path in paths {
      checkText(point.url(path), format, context: context, at: pointer.appending("corpus"))
    }
  }

  /// Named texts that a protocol cuts; lm-eval's takes any length.
  private mutating func checkTexts(
    _ corpora: [String: String], _ format: TextFormat, _ convention: PerplexityConvention,
    context: Int, of point: PointParameters, at pointer: JSONPointer
  ) {
    checkContext(context, of: point, at: pointer.appending("context"))
    for (name, path) in corpora.sorted(by: { $0.key < $1.key }) {
      checkText(
        point.url(path), format, context: convention == .lmEval ? 1 : context,
        at: pointer.appending("corpora").appending(name))
    }
  }

  /// A token stands for a byte or more, so a text of fewer bytes than tokens is too short.
  private mutating func checkText(
    _ url: URL, _ format: TextFormat, context: Int, at pointer: JSONPointer
  ) {
    look(at: "text \(url.path) \(format) \(context)", pointer) {
      guard try Self.requireFile(url) <= Self.readableBytes else { return }
      let bytes = try TextCorpus(url, format: format).text.utf8.count
      guard bytes >= context else {
        throw InputError.tooShort(path: url.path, bytes: bytes, context: context)
      }
    }
  }

  private mutating func checkItems(_ url: URL, at pointer: JSONPointer) {
    look(at: "items \(url.path)", pointer) {
      guard try Self.requireFile(url) <= Self.readableBytes else { return }
      _ = try ChoiceItem.load(url)
    }
  }

  private mutating func checkDefinition(
    _ task: DefinedTaskParameters, of point: PointParameters, at pointer: JSONPointer
  ) {
    look(at: "definition \(task) of \(point.folder.path)", pointer) {
      let task = try EvaluateStage.DefinedTask(name: "", task, of: point)
      let rows = task.definition.rowsURL(in: task.rows)
      guard FileManager.default.fileExists(atPath: rows.path) else {
        throw TaskError.missingRows(path: rows.path, origin: task.definition.source.origin)
      }
      guard try Self.requireFile(rows) <= Self.readableBytes else { return }
      _ = try task.items()
    }
  }

  private mutating func look(at thing: String, _ pointer: JSONPointer, _ body: () throws -> Void) {
    guard seen.insert(thing).inserted else { return }
    do { try body() } catch { problems.append(InputProblem(at: pointer, ErrorText.line(error))) }
  }

  private static func requireFolder(_ url: URL) throws(InputError) {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else {
      throw .missing(path: url.path)
    }
    guard isFolder.boolValue else { throw .notAFolder(path: url.path) }
  }

  /// Bytes of a file that can be opened.
  @discardableResult
  private static func requireFile(_ url: URL) throws -> Int {
    guard FileManager.default.fileExists(atPath: url.path) else {
      throw InputError.missing(path: url.path)
    }
    try FileContents.requireReadable(url)
    let attributes = try FileManager.default.attributesOfItem(atPath: url.path)
    return (attributes[.size] as? NSNumber)?.intValue ?? 0
  }
}

/// Why a file that a spec names cannot be read by a stage.
enum InputError: Error, CustomStringConvertible {
  case missing(path: String)
  case notAFolder(path: String)
  case tooShort(path: String, bytes: Int, context: Int)

  var description: String {
    switch self {
    case .missing(let path):
      "There is no \(path); paths in a spec are relative to its folder."
    case .notAFolder(let path):
      "\(path) is a file; name the folder that holds config.json."
    case .tooShort(let path, let bytes, let context):
      "\(path) has \(bytes) bytes of text, less than one window of \(context) tokens; use a longer "
        + "text or a shorter context."
    }
  }
}
