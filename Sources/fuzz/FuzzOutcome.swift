import Foundation

/// What the inputs of a target came to.
struct FuzzOutcome {
  let target: FuzzTarget
  let inputs: Int
  /// Inputs that were read without an error.
  let accepted: Int
  let findings: Int
  let duration: Duration

  private static func row(
    _ name: String, _ inputs: Int, _ accepted: Int, _ findings: Int, _ duration: Duration
  ) -> String {
    let seconds = duration / .seconds(1)
    return name.padding(toLength: 12, withPad: " ", startingAt: 0)
      + String(
        format: "%10d %10d %9d %9.1f %9.0f", inputs, accepted, findings, seconds,
        Double(inputs) / seconds)
  }

  static func printTable(_ outcomes: [FuzzOutcome]) {
    print("target          inputs   accepted  findings   seconds  inputs/s")
    for o in outcomes {
      print(row(o.target.rawValue, o.inputs, o.accepted, o.findings, o.duration))
    }
    print(
      row(
        "all", outcomes.reduce(0) { $0 + $1.inputs }, outcomes.reduce(0) { $0 + $1.accepted },
        outcomes.reduce(0) { $0 + $1.findings }, outcomes.reduce(.zero) { $0 + $1.duration }))
  }
}
