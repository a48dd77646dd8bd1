import Experiments
import Foundation
import JSON

/// The results behind a report and the only input of rendering: `reports/data/<experiment>.json`.
///
/// Holds neither times of day nor host names, so that collecting equal results again gives equal
/// bytes.
public struct ReportData: Codable, Sendable, Equatable {
  public static let format = "assay.report-data"
  public static let version = 1

  public var format = Self.format
  public var version = Self.version
  public var experiment: String
  /// Digest of the canonical spec.
  public var spec: String
  /// `tables` and `figures` as they stand in the spec.
  public var tables: JSONValue
  public var figures: JSONValue
  /// Every axis of the grid with its labels, both in the order of the spec.
  public var axes: [ReportAxis]
  /// Sorted by name, scope, id.
  public var definitions: [IdentifiedDefinition]
  /// What the stages read from outside the pipeline, sorted by role and digest.
  public var inputs: [ExternalInput]
  /// The distinct processors and libraries of the runs.
  public var machines: [Machine]
  /// Complete runs in the order of the grid.
  public var rows: [ReportRow]
  /// Points of the grid without a result.
  public var missing: [MissingPoint]
  /// Of the tables with a baseline; nil where there is none.
  public var comparisons: [ReportComparison]?
  /// Of the tables that split variance; nil where there is none.
  public var variances: [ReportVariance]?
  /// What the spec's `analyses` gave; nil if it has none.
  public var analyses: [ReportAnalysis]?

  /// Stable text: sorted keys, two spaces, a final newline.
  public func encoded() throws -> Data {
    PrettyJSON.data(try JSONValue(encoding: self))
  }

  /// Reads report data, refusing other formats and versions.
  public static func read(from url: URL) throws -> ReportData {
    let header: Header
    let data: Data
    do {
      data = try FileContents.read(url)
      header = try JSONParser.parse(data).decoded(as: Header.self)
    } catch let error as StoreError {
      throw ReportError.unreadable(path: url.path, cause: error.cause)
    } catch {
      throw ReportError.unreadable(path: url.path, cause: ErrorText.line(error))
    }
    guard header.format == Self.format, header.version == Self.version else {
      throw ReportError.unsupportedData(
        path: url.path, format: header.format, version: header.version)
    }
    do {
      return try JSONDecoder().decode(ReportData.self, from: data)
    } catch {
      throw ReportError.unreadable(path: url.path, cause: ErrorText.line(error))
    }
  }

  private struct Header: Decodable {
    var format: String
    var version: Int
  }
}

/// An axis of the grid.
public struct ReportAxis: Codable, Sendable, Equatable {
  public var name: String
  /// In the order of the spec, which is the order of table rows.
  public var labels: [String]

  public init(name: String, labels: [String]) {
    self.name = name
    self.labels = labels
  }
}

/// A metric definition and the id by which columns tell definitions apart.
public struct IdentifiedDefinition: Codable, Sendable, Equatable {
  /// The first ten hexadecimal digits of SHA-256 over the definition's canonical JSON.
  public var id: String
  public var definition: MetricDefinition
}

/// A file or folder that stages read from outside the pipeline.
public struct ExternalInput: Codable, Sendable, Equatable {
  /// `model`, `corpus`, …
  public var role: String
  public var digest: String
  /// The stages that read it, sorted.
  public var stages: [String]
}

/// What the seconds were measured on.
public struct Machine: Codable, Sendable, Equatable {
  public var cpu: String
  public var threads: Int
  public var libraries: [String: String]
}

/// A point of the grid without a complete result.
public struct MissingPoint: Codable, Sendable, Equatable {
  public var axes: [AxisLabel]
  public var seeds: [String: Int]
  /// Why, such as `not run` or the first line of the failure.
  public var reason: String

  public init(axes: [AxisLabel], seeds: [String: Int], reason: String) {
    self.axes = axes
    self.seeds = seeds
    self.reason = reason
  }
}
