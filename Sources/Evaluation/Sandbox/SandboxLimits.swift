public import JSON

/// What a program may use of the machine.
public struct SandboxLimits: Sendable, Equatable {
  /// From start to verdict.
  public var wallSeconds: Double
  /// Of every process of the program.
  public var processorSeconds: Int
  /// Address space of every process of the program.
  public var memoryBytes: Int
  /// All files that the program writes, together.
  public var diskBytes: Int
  /// Processes and threads at a time.
  public var processes: Int

  /// Ample for HumanEval, whose solutions take milliseconds.
  ///
  /// - Parameters:
  ///   - wallSeconds: Above 0.
  ///   - processorSeconds: At least 1.
  ///   - memoryBytes: Of each process; Python itself takes about 20 MB.
  ///   - diskBytes: Of the file system that goes with the program.
  ///   - processes: At least 4: two are the sandbox's own.
  public init(
    wallSeconds: Double = 10, processorSeconds: Int = 5, memoryBytes: Int = 512 << 20,
    diskBytes: Int = 16 << 20, processes: Int = 16
  ) {
    self.wallSeconds = wallSeconds
    self.processorSeconds = processorSeconds
    self.memoryBytes = memoryBytes
    self.diskBytes = diskBytes
    self.processes = processes
  }

  /// As they stand in definitions of metrics: a program may fail for them.
  public var json: JSONValue {
    [
      "wallSeconds": JSONValue(wallSeconds), "processorSeconds": JSONValue(processorSeconds),
      "memoryBytes": JSONValue(memoryBytes), "diskBytes": JSONValue(diskBytes),
      "processes": JSONValue(processes),
    ]
  }
}
