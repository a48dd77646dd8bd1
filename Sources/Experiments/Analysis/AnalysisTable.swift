import JSON
import Statistics

/// A table that an analysis of runs gives: numbers in full, and how to print them.
public struct AnalysisTable: Codable, Sendable, Equatable {
  public struct Column: Codable, Sendable, Equatable {
    public var title: String
    /// Significant digits of numbers; nil: a column of words.
    public var digits: Int?
    /// Whole numbers, without grouping or decimals.
    public var isCount: Bool

    public static func words(_ title: String) -> Column {
      Column(title: title, digits: nil, isCount: false)
    }
    public static func number(_ title: String, digits: Int = 3) -> Column {
      Column(title: title, digits: digits, isCount: false)
    }
    public static func count(_ title: String) -> Column {
      Column(title: title, digits: 1, isCount: true)
    }
  }

  /// In JSON: a string, a number, `{"value", "low", "high"}`, or null.
  public enum Cell: Sendable, Equatable {
    case text(String)
    case number(Double)
    /// With a confidence interval.
    case interval(Double, ClosedRange<Double>)
    case absent
  }

  public var name: String
  public var caption: String
  public var columns: [Column]
  public var rows: [[Cell]]
  /// Sentences under the table: what intervals are, what was left out.
  public var notes: [String]

  public init(
    _ name: String, _ caption: String, columns: [Column], rows: [[Cell]] = [],
    notes: [String] = []
  ) {
    (self.name, self.caption, self.columns) = (name, caption, columns)
    (self.rows, self.notes) = (rows, notes)
  }

  mutating func append(_ row: [Cell]) {
    precondition(row.count == columns.count, "row: \(row.count), columns: \(columns.count)")
    rows.append(row)
  }
}

extension AnalysisTable.Cell {
  /// A number, or nothing where it is not finite.
  init(_ value: Double?) {
    self = value.flatMap { $0.isFinite ? .number($0) : nil } ?? .absent
  }

  init(_ value: Int) { self = .number(Double(value)) }

  init(_ value: Double, _ interval: ConfidenceInterval?, scale: Double = 1) {
    guard value.isFinite else {
      self = .absent
      return
    }
    guard let interval, interval.lower.isFinite, interval.upper.isFinite else {
      self = .number(value * scale)
      return
    }
    self = .interval(value * scale, interval.lower * scale...interval.upper * scale)
  }

  init(_ estimate: RankAgreement.Estimate?) {
    guard let estimate else {
      self = .absent
      return
    }
    self.init(estimate.value, estimate.interval)
  }
}

extension AnalysisTable.Cell: Codable {
  private struct Interval: Codable {
    let value: Double
    let low: Double
    let high: Double
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .absent
    } else if let text = try? container.decode(String.self) {
      self = .text(text)
    } else if let number = try? container.decode(Double.self) {
      self = .number(number)
    } else {
      let interval = try container.decode(Interval.self)
      guard interval.low <= interval.high else {
        throw DecodingError.dataCorruptedError(
          in: container, debugDescription: "low \(interval.low) is above high \(interval.high)")
      }
      self = .interval(interval.value, interval.low...interval.high)
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .text(let text): try container.encode(text)
    case .number(let number): try container.encode(number)
    case .interval(let value, let range):
      try container.encode(
        Interval(value: value, low: range.lowerBound, high: range.upperBound))
    case .absent: try container.encodeNil()
    }
  }
}

/// A picture that an analysis of runs gives.
public struct AnalysisFigure: Codable, Sendable, Equatable {
  public struct Point: Codable, Sendable, Equatable {
    public var x: Double
    public var y: Double
    /// Ends of the error bar.
    public var low: Double?
    public var high: Double?

    public init(x: Double, y: Double, low: Double? = nil, high: Double? = nil) {
      (self.x, self.y, self.low, self.high) = (x, y, low, high)
    }
  }

  public struct Series: Codable, Sendable, Equatable {
    public var name: String
    public var points: [Point]

    public init(name: String, points: [Point]) { (self.name, self.points) = (name, points) }
  }

  /// Points, joined or not.
  public struct Plot: Codable, Sendable, Equatable {
    public var x: String
    public var y: String
    public var series: [Series]
    public var joinsPoints: Bool
    /// Both axes.
    public var isLogarithmic: Bool

    public init(
      x: String, y: String, series: [Series], joinsPoints: Bool, isLogarithmic: Bool
    ) {
      (self.x, self.y, self.series) = (x, y, series)
      (self.joinsPoints, self.isLogarithmic) = (joinsPoints, isLogarithmic)
    }
  }

  /// Rows from the top.
  public struct HeatMap: Codable, Sendable, Equatable {
    public var x: String
    public var y: String
    public var columns: [String]
    public var rows: [String]
    /// Shape `[rows][columns]`; nil where there is none.
    public var cells: [[Double?]]
    public var unit: String
    /// Whether 0 is the middle of the colours.
    public var isDiverging: Bool
    /// Whether each cell is labelled with its number.
    public var showsNumbers: Bool

    public init(
      x: String, y: String, columns: [String], rows: [String], cells: [[Double?]], unit: String,
      isDiverging: Bool, showsNumbers: Bool
    ) {
      (self.x, self.y, self.columns, self.rows) = (x, y, columns, rows)
      (self.cells, self.unit) = (cells, unit)
      (self.isDiverging, self.showsNumbers) = (isDiverging, showsNumbers)
    }
  }

  public var name: String
  public var caption: String
  public var plot: Plot?
  public var heatMap: HeatMap?

  public init(name: String, caption: String, plot: Plot?, heatMap: HeatMap?) {
    (self.name, self.caption, self.plot, self.heatMap) = (name, caption, plot, heatMap)
  }

  static func plot(_ name: String, _ caption: String, _ plot: Plot) -> AnalysisFigure {
    AnalysisFigure(name: name, caption: caption, plot: plot, heatMap: nil)
  }

  static func heatMap(_ name: String, _ caption: String, _ map: HeatMap) -> AnalysisFigure {
    AnalysisFigure(name: name, caption: caption, plot: nil, heatMap: map)
  }
}
