import Experiments

/// Labels and seeds of a point in one line: `method=gptq bits=3 calibration=1`.
enum PointTitle {
  /// `besides`: other labels of the same point; axes on which they differ are left out.
  static func of(
    _ axes: [AxisLabel], besides aliases: [[AxisLabel]] = [], _ seeds: [String: Int]
  ) -> String {
    (axes.read(besides: aliases).map { "\($0.axis)=\($0.label)" }
      + seeds.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }).joined(separator: " ")
  }
}
