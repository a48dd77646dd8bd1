import Checkpoints
import JSON
import MoEModels
import Tensors

/// How a model's answers to a task are drawn.
public struct AnswerSampling: Sendable, Equatable {
  /// Texts for each item.
  public var samples: Int
  /// 0: the likeliest token always.
  public var temperature: Double
  /// Only the fewest likeliest tokens that have this probability together; nil: all.
  public var topP: Double?
  /// In the place of the definition's, for models of few positions; nil: the definition's.
  public var maximumTokens: Int?
  /// Of the draws; another one for every sample comes of it.
  public var seed: UInt64

  public init(
    samples: Int = 1, temperature: Double = 0, topP: Double? = nil, maximumTokens: Int? = nil,
    seed: UInt64 = 0
  ) {
    self.samples = samples
    self.temperature = temperature
    self.topP = topP
    self.maximumTokens = maximumTokens
    self.seed = seed
  }

  /// What decides numbers, the seed aside, as it stands in definitions of metrics.
  public var json: JSONValue {
    [
      "samples": JSONValue(samples), "temperature": JSONValue(temperature),
      "topP": topP.map { JSONValue($0) } ?? .null,
      "maximumTokens": maximumTokens.map { JSONValue($0) } ?? .null,
    ]
  }

  fileprivate func options(
    _ rule: TaskDefinition.GenerationRule, sample: Int
  ) -> GenerationOptions {
    // An odd constant far from small numbers: seeds of samples and of runs do not meet.
    GenerationOptions(
      maximumTokens: maximumTokens ?? rule.maximumTokens, stops: rule.stops,
      temperature: temperature, topP: topP, seed: seed &+ UInt64(sample) &* 0x9E37_79B9_7F4A_7C15)
  }
}

extension GenerationScores {
  /// Lets a model write, then scores what it wrote.
  ///
  /// - Parameters:
  ///   - source: The model; it stays in memory.
  ///   - task: A task of the kind ``TaskDefinition/Kind/generation``.
  ///   - items: Of the task.
  ///   - tokenizer: Of the model.
  ///   - precision: Of the forward pass.
  ///   - sampling: How answers are drawn.
  ///   - sandbox: For programs.
  ///   - progress: Fraction done, 0…1.
  /// - Throws: ``TaskError``, ``GenerationError``, ``SandboxError``, and what the model throws.
  public init(
    of source: any WeightSource, task: TaskDefinition, items: [TaskItem], tokenizer: Tokenizer,
    precision: Precision, sampling: AnswerSampling, sandbox: Sandbox?,
    progress: (Double) -> Void = { _ in }
  ) throws {
    let generator = TextGenerator(
      try Decoder(source: source, precision: precision), tokenizer: tokenizer)
    let write: PromptWriter = { prompts, rule, sample in
      let (found, forwardTokens) = try generator.continuations(
        of: prompts.map { tokenizer.encode($0, addSpecialTokens: true) },
        options: sampling.options(rule, sample: sample)
      ) { progress(0.9 * (Double(sample) + $0) / Double(sampling.samples)) }
      return (found.map(\.text), forwardTokens)
    }
    try self.init(
      writing: sampling.samples, task: task, items: items, sandbox: sandbox, generate: write,
      progress: progress)
  }
}
