public import Foundation

/// A picture of layers by experts: bits of two plans and their difference, side by side.
public struct HeatMapFigure: Sendable {
  public let title: String
  /// Rows, from the top.
  public let layers: [Int]
  /// Columns.
  public let experts: [Int]
  /// Shape `[layers][experts]`; nil where a layer has no such expert.
  public let first: [[Double?]]
  public let second: [[Double?]]

  public init(
    title: String, layers: [Int], experts: [Int], first: [[Double?]], second: [[Double?]]
  ) {
    precondition(
      first.count == layers.count && second.count == layers.count,
      "\(first.count) and \(second.count) rows for \(layers.count) layers")
    (self.title, self.layers, self.experts) = (title, layers, experts)
    (self.first, self.second) = (first, second)
  }

  /// Draws the picture.
  ///
  /// - Returns: SVG.
  /// - Throws: ``ReportError``.
  public func svg() async throws -> Data {
    try await Gnuplot.svg(script, title: title, figure: title)
  }

  private var difference: [[Double?]] {
    zip(first, second).map { a, b in
      zip(a, b).map { a, b in a.flatMap { a in b.map { $0 - a } } }
    }
  }

  private var script: String {
    let bits = (first + second).flatMap { $0.compactMap(\.self) }
    let (low, high) = (bits.min() ?? 0, max(bits.max() ?? 1, (bits.min() ?? 0) + 1))
    let most = max(difference.flatMap { $0.compactMap { $0.map(abs) } }.max() ?? 0, 0.5)
    let height = max(260, min(1200, 110 + 18 * layers.count))
    return """
      set encoding utf8
      set terminal svg size 960,\(height) fixed noenhanced font 'Helvetica,13' background 'white'
      \(block("first", first))
      \(block("second", second))
      \(block("difference", difference))
      set multiplot layout 1,3
      unset key
      set tics scale 0 nomirror
      set xlabel 'expert'
      set ylabel 'layer'
      set yrange [\(layers.count).5 - 1:-0.5]
      set xrange [-0.5:\(experts.count).5 - 1]
      \(tics("x", experts))
      \(tics("y", layers))
      set palette defined (0 '#F7FBFF', 0.5 '#6BAED6', 1 '#08306B')
      set cbrange [\(low):\(high)]
      set title 'first, bits'
      plot $first matrix with image pixels
      set title 'second, bits'
      plot $second matrix with image pixels
      set palette defined (-1 '#D55E00', 0 '#FFFFFF', 1 '#0072B2')
      set cbrange [-\(most):\(most)]
      set title 'second - first'
      plot $difference matrix with image pixels
      unset multiplot

      """
  }

  private func block(_ name: String, _ cells: [[Double?]]) -> String {
    let lines = cells.map { row in row.map { $0.map { "\($0)" } ?? "NaN" }.joined(separator: " ") }
    return "$\(name) << END\n\(lines.joined(separator: "\n"))\nEND"
  }

  /// Every index where there is room, else some.
  private func tics(_ axis: String, _ indices: [Int]) -> String {
    let step = (indices.count + 15) / 16
    let marks = stride(from: 0, to: indices.count, by: max(step, 1)).map {
      "'\(indices[$0])' \($0)"
    }
    return "set \(axis)tics (\(marks.joined(separator: ", ")))"
  }
}
