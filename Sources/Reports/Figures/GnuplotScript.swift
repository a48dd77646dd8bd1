import Foundation

/// The program that makes gnuplot draw a figure, data included.
struct GnuplotScript {
  let figure: FigureData
  /// The palette of Okabe and Ito without its yellow, safe for colour-blind readers
  /// (https://jfly.uni-koeln.de/color/).
  private static let colors = [
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
  ]
  /// Filled circle, square, triangles, diamond, pentagon, then the same hollow.
  private static let shapes = [7, 5, 9, 11, 13, 15, 6, 4, 8, 10, 12, 14]

  var text: String {
    ([preamble] + axes + blocks + ["plot " + plots.joined(separator: ", \\\n  ")])
      .joined(separator: "\n") + "\n"
  }

  private var preamble: String {
    """
    set encoding utf8
    set terminal svg size 720,440 fixed noenhanced font 'Helvetica,13' background 'white'
    set border 3 linewidth 0.8
    set tics nomirror
    set grid ytics linewidth 0.5 linecolor rgb '#DDDDDD'
    set key outside right top vertical Left reverse samplen 2.5 spacing 1.2
    set errorbars 1.0
    """
  }

  private var axes: [String] {
    let (left, right) = xRange
    let (bottom, top) = yRange
    return [
      "set xlabel \(Self.quoted(figure.xTitle))",
      "set ylabel \(Self.quoted(figure.yTitle))",
      "set xrange [\(left):\(right)]",
      "set yrange [\(bottom):\(top)]",
    ] + (figure.isLogarithmic ? ["set logscale y", "set ytics (\(logarithmicTics))"] : [])
      + (figure.hasErrorBars ? ["set key title 'bars: ± sample sd' left"] : [])
  }

  private var blocks: [String] {
    figure.series.enumerated().map { index, series in
      let lines = series.points.map { point in
        let deviation = point.deviation ?? 0
        let low = max(point.y - deviation, yRange.bottom)
        return "\(point.x) \(point.y) \(low) \(point.y + deviation)"
      }
      return "$series\(index) << END\n\(lines.joined(separator: "\n"))\nEND"
    }
  }

  private var plots: [String] {
    // Named in the key: beside the line, curves would cross the name.
    let reference = figure.reference.map { name, y in
      let title = "\(name) (\(DecimalText.significant(y, digits: 4)))"
      return "\(y) with lines dashtype 2 linewidth 1.4 linecolor rgb '#444444' "
        + "title \(Self.quoted(title))"
    }
    let bars = figure.series.enumerated().filter {
      $0.element.points.contains { $0.deviation != nil }
    }
    .map { "$series\($0.offset) with yerrorbars \(Self.style($0.offset)) notitle" }
    let curves = figure.series.enumerated().map { index, series in
      "$series\(index) using 1:2 with \(figure.joinsPoints ? "linespoints" : "points") "
        + "\(Self.style(index)) title \(Self.quoted(series.name))"
    }
    return [reference].compactMap(\.self) + bars + curves
  }

  private static func style(_ index: Int) -> String {
    let color = colors[index % colors.count]
    let shape = shapes[index % shapes.count]
    return "linewidth 1.6 linecolor rgb '\(color)' pointtype \(shape) pointsize 0.8"
  }

  /// Single quotes keep gnuplot from reading escapes; a quote is doubled.
  private static func quoted(_ text: String) -> String {
    let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
    return "'"
      + line.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
  }
}

extension GnuplotScript {
  /// 1, 2 and 5 times the powers of ten on the axis; gnuplot alone would label the powers only.
  private var logarithmicTics: String {
    let (bottom, top) = yRange
    let decades = Int(log10(bottom).rounded(.down))...Int(log10(top).rounded(.up))
    let labels = decades.flatMap { decade in [1, 2, 5].map { "\($0)e\(decade)" } }
    let tics = labels.compactMap(Double.init).filter { bottom <= $0 && $0 <= top }
    return tics.map { "\($0)" }.joined(separator: ", ")
  }

  /// A twentieth of the span free on both sides.
  private var xRange: (left: Double, right: Double) {
    let values = figure.series.flatMap(\.points).map(\.x)
    let (low, high) = (values.min() ?? 0, values.max() ?? 1)
    let margin = high > low ? (high - low) * 0.05 : max(abs(low) * 0.05, 0.5)
    return (low - margin, high + margin)
  }

  /// A twelfth of the span free on both sides, on the axis as it is drawn.
  private var yRange: (bottom: Double, top: Double) {
    let values = figure.ordinates.filter { !figure.isLogarithmic || $0 > 0 }
    let (low, high) = (values.min() ?? 0, values.max() ?? 1)
    guard figure.isLogarithmic else {
      let margin = high > low ? (high - low) / 12 : max(abs(low) * 0.05, 0.5)
      return (low - margin, high + margin)
    }
    let factor = high > low ? pow(high / low, 1.0 / 12) : 1.5
    return (low / factor, high * factor)
  }
}
