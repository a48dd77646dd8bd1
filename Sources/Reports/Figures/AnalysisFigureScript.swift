import Experiments
import Foundation

/// The program that makes gnuplot draw a picture of an analysis, data included.
struct AnalysisFigureScript {
  let figure: AnalysisFigure

  var text: String {
    if let plot = figure.plot { return Self.script(plot) }
    if let map = figure.heatMap { return Self.script(map) }
    return ""
  }

  // MARK: Points

  private static func script(_ plot: AnalysisFigure.Plot) -> String {
    let blocks = plot.series.enumerated().map { index, series in
      let lines = series.points.map { point in
        "\(point.x) \(point.y) \(point.low ?? point.y) \(point.high ?? point.y)"
      }
      return "$series\(index) << END\n\(lines.joined(separator: "\n"))\nEND"
    }
    let bars = plot.series.enumerated()
      .filter { $0.element.points.contains { $0.low != nil } }
      .map { "$series\($0.offset) with yerrorbars \(style($0.offset)) notitle" }
    let curves = plot.series.enumerated().map { index, series in
      "$series\(index) using 1:2 with \(plot.joinsPoints ? "linespoints" : "points") "
        + "\(style(index)) title \(quoted(series.name))"
    }
    return """
      set encoding utf8
      set terminal svg size 720,440 fixed noenhanced font 'Helvetica,13' background 'white'
      set border 3 linewidth 0.8
      set tics nomirror
      set grid ytics linewidth 0.5 linecolor rgb '#DDDDDD'
      set key outside right top vertical Left reverse samplen 2.5 spacing 1.2
      set errorbars 1.0
      set xlabel \(quoted(plot.x))
      set ylabel \(quoted(plot.y))
      \(axes(plot))
      \(blocks.joined(separator: "\n"))
      plot \((bars + curves).joined(separator: ", \\\n  "))

      """
  }

  /// From 0 where nothing lies below it.
  private static func axes(_ plot: AnalysisFigure.Plot) -> String {
    guard !plot.isLogarithmic else { return "set logscale xy\nset format xy '%.0e'" }
    let lowest = plot.series.flatMap(\.points).map { $0.low ?? $0.y }.min() ?? 0
    return "set offsets graph 0.04, graph 0.04, graph 0.06, 0"
      + (lowest >= 0 ? "\nset yrange [0:*]" : "")
  }

  /// The palette of Okabe and Ito (https://jfly.uni-koeln.de/color/) and shapes that tell series
  /// apart without colour.
  private static func style(_ index: Int) -> String {
    let colors = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
    let shapes = [7, 5, 9, 11, 13, 15, 6, 4, 8, 10, 12, 14]
    return "linewidth 1.6 linecolor rgb '\(colors[index % colors.count])' "
      + "pointtype \(shapes[index % shapes.count]) pointsize 0.8"
  }

  // MARK: Heat maps

  private static func script(_ map: AnalysisFigure.HeatMap) -> String {
    let values = map.cells.joined().compactMap(\.self)
    let (low, high) = range(of: values, isDiverging: map.isDiverging)
    let left = 8 * (map.rows.map(\.count).max() ?? 0) + 90
    let width = max(
      480, min(1200, left + 150 + max(24, map.showsNumbers ? 62 : 24) * map.columns.count))
    let height = max(260, min(1200, 130 + max(18, map.showsNumbers ? 30 : 18) * map.rows.count))
    let cells = map.cells.map { row in
      row.map { $0.map { "\($0)" } ?? "NaN" }.joined(separator: " ")
    }
    let labels =
      map.showsNumbers
      ? map.cells.enumerated().flatMap { row, cells in
        cells.enumerated().compactMap { column, value in
          value.map { label($0, column, row, low: low, high: high, isDiverging: map.isDiverging) }
        }
      } : []
    let palette =
      map.isDiverging
      ? "(-1 '#0072B2', 0 '#FFFFFF', 1 '#D55E00')" : "(0 '#F7FBFF', 0.5 '#6BAED6', 1 '#08306B')"
    let rotates = map.columns.map(\.count).max() ?? 0 > 7
    return """
      set encoding utf8
      set terminal svg size \(width),\(height + (rotates ? 70 : 0)) fixed noenhanced font 'Helvetica,13' background 'white'
      $cells << END
      \(cells.joined(separator: "\n"))
      END
      unset key
      set tics scale 0 nomirror
      set xlabel \(quoted(map.x))
      set ylabel \(quoted(map.y))
      set cblabel \(quoted(map.unit))
      set yrange [\(map.rows.count).5 - 1:-0.5]
      set xrange [-0.5:\(map.columns.count).5 - 1]
      set xtics \(rotates ? "rotate by -35 " : "")(\(tics(map.columns)))
      set ytics (\(tics(map.rows)))
      set palette defined \(palette)
      set cbrange [\(low):\(high)]
      \(labels.joined(separator: "\n"))
      plot $cells matrix with image pixels

      """
  }

  private static func range(
    of values: [Double], isDiverging: Bool
  ) -> (low: Double, high: Double) {
    if isDiverging {
      let most = max(values.map(abs).max() ?? 0, 1e-12)
      return (-most, most)
    }
    let (low, high) = (min(values.min() ?? 0, 0), values.max() ?? 1)
    return (low, high > low ? high : low + 1)
  }

  /// White where the cell is dark.
  private static func label(
    _ value: Double, _ column: Int, _ row: Int, low: Double, high: Double, isDiverging: Bool
  ) -> String {
    let shade = (value - low) / (high - low)
    let isDark = isDiverging ? abs(value) > 0.75 * high : shade > 0.6
    return
      "set label \(quoted(DecimalText.significant(value, digits: 3))) at \(column),\(row) center "
      + "front textcolor rgb '\(isDark ? "#FFFFFF" : "#222222")' font 'Helvetica,11'"
  }

  /// Every name where there is room, else some.
  private static func tics(_ names: [String]) -> String {
    let step = max((names.count + 31) / 32, 1)
    return stride(from: 0, to: names.count, by: step).map { "\(quoted(names[$0])) \($0)" }
      .joined(separator: ", ")
  }

  /// Single quotes keep gnuplot from reading escapes; a quote is doubled.
  private static func quoted(_ text: String) -> String {
    let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
    return "'"
      + line.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
  }
}
