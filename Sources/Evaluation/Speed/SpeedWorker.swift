import Foundation
import MoEModels

/// The side that holds a model and times it when asked.
public enum SpeedWorker {
  /// What a worker is to load.
  struct Order: Codable {
    var subject: SpeedSubject
    /// Tokens of the longest sequence.
    var room: Int
  }

  /// What it says when that is done.
  struct Greeting: Codable {
    var mode = ""
    var bytesPerToken = 0.0
    var vocabulary = 0
    var loadingMemory = 0
    /// In the place of all others.
    var error: String?
  }

  /// A prompt to run, and steps after it.
  struct Turn: Codable {
    var prompt: [Int32]
    var steps: Int
  }

  /// What that took.
  struct Answer: Codable {
    var promptSeconds = 0.0
    var stepSeconds = 0.0
    /// Largest resident memory since the model was loaded.
    var runningMemory = 0
    /// In the place of all others.
    var error: String?
  }

  /// Loads a model and times it, as the other end of a socket asks, until that closes.
  ///
  /// - Parameter descriptor: Of a socket; closed.
  /// - Throws: ``SpeedError/ended`` where the other side does not listen. What goes wrong with the model
  ///   is told to it.
  public static func serve(_ descriptor: Int32) throws {
    let channel = LineChannel(descriptor)
    guard let order = try channel.receive(Order.self) else { return }
    let decoder: Decoder
    do {
      let (loaded, mode) = try order.subject.decoder(room: order.room)
      decoder = loaded
      // Counts what loading took, then starts anew.
      let memory = PeakMemory.read(.process).bytes
      _ = PeakMemory.reset()
      try channel.send(
        Greeting(
          mode: mode, bytesPerToken: decoder.bytesPerToken,
          vocabulary: decoder.configuration.vocabularySize, loadingMemory: memory))
    } catch {
      return try channel.send(Greeting(error: "\(error)"))
    }
    while let turn = try channel.receive(Turn.self) {
      do {
        var speed = DecodingSpeed(promptTokens: turn.prompt.count, steps: turn.steps)
        try speed.run(decoder, prompt: turn.prompt)
        try channel.send(
          Answer(
            promptSeconds: speed.promptSeconds[0], stepSeconds: speed.stepSeconds[0],
            runningMemory: PeakMemory.read(.process).bytes))
      } catch let error as ForwardPassError {
        try channel.send(Answer(error: "\(error)"))
      }
    }
  }
}
