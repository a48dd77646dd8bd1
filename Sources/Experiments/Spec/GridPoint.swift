import JSON

/// One combination of axis values.
public struct GridPoint: Sendable {
  /// One label for each axis, in the order of the spec.
  public let axes: [AxisLabel]
  /// Other combinations with the same identity, which are this point too: full precision does not
  /// change with the bit budget.
  public internal(set) var aliases: [[AxisLabel]]
  public let parameters: PointParameters
}

extension ExperimentSpec {
  static let pointLimit = 100_000

  /// The grid: product of axes → `exclude` → duplicates dropped by identity. The last axis varies
  /// fastest.
  public func points() throws(SpecError) -> [GridPoint] {
    do { return try grid() } catch { throw file.map { error.inFile($0.relativePath) } ?? error }
  }

  private func grid() throws(SpecError) -> [GridPoint] {
    var points: [GridPoint] = []
    var places: [String: Int] = [:]
    for options in try combinations() {
      let labels = zip(axes, options).map { AxisLabel(axis: $0.name, label: $1.label) }
      if exclude.contains(where: { $0.allSatisfy(labels.contains) }) { continue }
      let parameters = try parameters(of: options)
      let identity = CanonicalJSON.text(parameters.json)
      if let place = places[identity] {
        points[place].aliases.append(labels)
      } else {
        places[identity] = points.count
        points.append(GridPoint(axes: labels, aliases: [], parameters: parameters))
      }
    }
    return points
  }

  private func combinations() throws(SpecError) -> [[Axis.Option]] {
    var combinations: [[Axis.Option]] = [[]]
    for axis in axes {
      let (count, overflow) = combinations.count.multipliedReportingOverflow(
        by: axis.options.count)
      guard !overflow, count <= Self.pointLimit else {
        throw SpecError(
          .invalid("The axes span more than \(Self.pointLimit) points; split the experiment."),
          at: JSONPointer(["axes"]))
      }
      combinations = combinations.flatMap { start in axis.options.map { start + [$0] } }
    }
    return combinations
  }

  private func parameters(of options: [Axis.Option]) throws(SpecError) -> PointParameters {
    var merged = base
    for option in options {
      for change in option.changes { merged.set(change.path, to: change.value) }
    }
    do { return try PointParameters(json: merged, folder: folder) } catch {
      throw SpecError(error.problem, at: origin(of: error.pointer, options), file: error.file)
    }
  }

  /// An error in the parameters of a point, at the place of the spec that wrote it.
  func error(_ error: SpecError, at point: GridPoint) -> SpecError {
    let options = zip(axes, point.axes).compactMap { axis, label in
      axis.options.first { $0.label == label.label }
    }
    return SpecError(
      error.problem, at: origin(of: error.pointer, options),
      file: error.file ?? file?.relativePath)
  }

  /// Where in the spec the value at `pointer` of the merged parameters was written.
  private func origin(of pointer: JSONPointer, _ options: [Axis.Option]) -> JSONPointer {
    for option in options.reversed() {
      for change in option.changes.reversed() {
        let path = change.path.split(separator: ".").map(String.init)
        let shared = zip(path, pointer.tokens).prefix { $0 == $1 }.count
        guard shared == min(path.count, pointer.tokens.count) else { continue }
        let rest = JSONPointer(Array(pointer.tokens.dropFirst(path.count)))
        // An object patch that does not hold the place did not write it.
        if change.value.value(at: rest) == nil { continue }
        return option.origin.appending(change.place).appending(rest)
      }
    }
    return JSONPointer(["base"]).appending(pointer)
  }
}
