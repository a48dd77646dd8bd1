import Foundation
import JSON
import Tensors

/// What speeds depend on beside the program: unlike other results they are not taken over from
/// another machine.
public struct SpeedMachine: Codable, Sendable, Equatable {
  var host: String
  var cpu: String
  var threads: Int
  /// Instruction set of the packed kernels.
  var kernels: String
  /// What oneDNN generates code for.
  var instructions: String

  /// This machine, with the threads that products use.
  public static var current: SpeedMachine {
    SpeedMachine(
      host: Provenance.hostName(), cpu: Provenance.cpuModel(), threads: threadCount,
      kernels: "\(KernelLevel.best)", instructions: instructionSet)
  }

  /// For people, with the load of the moment.
  public var sentence: String {
    let load = Self.load.map { ", load " + String(format: "%.1f", $0) } ?? ""
    return "\(cpu), \(threads == 1 ? "1 thread" : "\(threads) threads"), kernels \(kernels)\(load)"
  }

  /// Everything but the name, for definitions of metrics.
  var json: JSONValue {
    [
      "cpu": JSONValue(cpu), "threads": JSONValue(threads), "kernels": JSONValue(kernels),
      "instructions": JSONValue(instructions),
    ]
  }

  /// Running processes on average over the last minute; nil where the system does not tell.
  static var load: Double? {
    var averages = [Double](repeating: 0, count: 1)
    return getloadavg(&averages, 1) == 1 ? averages[0] : nil
  }
}
