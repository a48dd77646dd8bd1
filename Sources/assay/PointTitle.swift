import Experiments

/// Labels and seeds of a point in one line: `method=gptq bits=3 calibration=1`.
enum PointTitle {
  static func of(_ axes: [AxisLabel], _ seeds: [String: Int]) -> String {
    (axes.map { "\($0.axis)=\($0.label)" }
      + seeds.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }).joined(separator: " ")
  }
}
