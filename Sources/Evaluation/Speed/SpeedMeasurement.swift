import Statistics

/// Times several models side by side.
///
/// All are loaded at once and take turns, so that each repeat meets all of them under the same
/// conditions; who goes first changes from repeat to repeat. A turn is one sequence: a prompt of random
/// tokens, and greedy steps after it.
public struct SpeedMeasurement: Codable, Sendable, Equatable {
  public var promptTokens = 128
  /// Tokens that are decoded one by one.
  public var steps = 32
  /// Turns that count, after one that does not; intervals need 6.
  public var repeats = 9
  /// Of the prompts.
  public var seed: UInt64 = 0

  public init() {}

  /// Measures.
  ///
  /// - Parameters:
  ///   - subjects: At least one.
  ///   - host: Where they run.
  ///   - progress: Is told which share is done.
  /// - Returns: One for each subject.
  /// - Throws: ``SpeedError``.
  public func measure(
    _ subjects: [SpeedSubject], on host: SpeedHost, progress: (Double) -> Void = { _ in }
  ) throws -> [ModelSpeed] {
    let models = try subjects.map {
      try SpeedProcess($0, room: promptTokens + steps, on: host)
    }
    var speeds = models.map { model in
      ModelSpeed(
        mode: model.greeting.mode, bytesPerToken: model.greeting.bytesPerToken,
        times: DecodingSpeed(promptTokens: promptTokens, steps: steps),
        loadingMemory: model.greeting.loadingMemory, runningMemory: 0)
    }
    let vocabulary = models.map(\.greeting.vocabulary).min() ?? 1
    for turn in 0...repeats {
      var random = SeededGenerator(seed: seed &+ UInt64(turn))
      let prompt = (0..<promptTokens).map { _ in Int32(random.below(vocabulary)) }
      for place in models.indices {
        let index = (place + turn) % models.count
        let answer = try models[index].run(SpeedWorker.Turn(prompt: prompt, steps: steps))
        speeds[index].runningMemory = max(speeds[index].runningMemory, answer.runningMemory)
        // The first turn wakes the threads and loads the code.
        guard turn > 0 else { continue }
        speeds[index].times.promptSeconds.append(answer.promptSeconds)
        speeds[index].times.stepSeconds.append(answer.stepSeconds)
      }
      progress(Double(turn) / Double(repeats))
    }
    return speeds
  }
}
