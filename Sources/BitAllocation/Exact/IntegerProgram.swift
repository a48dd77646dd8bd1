internal import CCbc
internal import Glibc
internal import Synchronization

/// A linear program in 0-1 variables with whole coefficients, in sparse rows.
///
///     minimize Σ_j objective[j]·x_j   subject to   lower_r ≤ Σ_j a_rj·x_j ≤ upper_r,
///     x_j in {0, 1}
///
/// A variable that is fixed is left out. The objective may be in any unit: it is handed to the
/// solver as multiples of a power of two that puts its largest coefficient near 10⁶, because the
/// solver's tolerances are absolute.
struct IntegerProgram: Sendable {
  struct Row: Sendable {
    private(set) var columns: [Int32] = []
    private(set) var coefficients: [Int64] = []
    /// nil: unbounded.
    var lower: Int64?
    var upper: Int64?

    /// Adds a term; nothing if the coefficient is 0.
    mutating func append(_ coefficient: Int64, column: Int) {
      guard coefficient != 0 else { return }
      columns.append(Int32(column))
      coefficients.append(coefficient)
    }

    /// The greatest common divisor of the coefficients; 1 if there are none.
    var divisor: Int64 {
      let divisor = coefficients.reduce(Int64(0)) { greatestCommonDivisor($0, $1) }
      return max(divisor, 1)
    }
  }

  enum Outcome: Sendable, Equatable {
    /// The values of the variables, optimal or the best found in the time given.
    case solved([Bool], isOptimal: Bool)
    case infeasible
    /// Time was up, or the solver gave up, before anything was found.
    case undecided
  }

  /// The program with 0 ≤ x ≤ 1 for x in {0, 1}.
  struct Relaxation: Sendable {
    let value: Double
    let variables: [Double]
    /// What the value would change by per unit of a row's bound.
    let rowDuals: [Double]
  }

  var objective: [Double]
  var rows: [Row]

  /// The optimum by CBC's branch and cut, without a gap, on one thread and from fixed seeds.
  ///
  /// - Parameter timeLimit: Of wall time; nil: none.
  /// - Returns: Values of the variables, with a proof unless time was up.
  func solve(timeLimit: Duration? = nil) -> Outcome {
    guard !objective.isEmpty else {
      return rows.allSatisfy { ($0.lower ?? 0) <= 0 && ($0.upper ?? 0) >= 0 }
        ? .solved([], isOptimal: true) : .infeasible
    }
    let matrix = ColumnMatrix(self)
    // CBC keeps state in globals and, while it runs, an interrupt handler of its own.
    return solver.withLock { _ in
      withInterruptHandlerKept {
        // SAFETY: the model is made, used and deleted here; the buffers outlive the calls, and
        // what CBC returns is copied before the model is deleted.
        let model = Cbc_newModel()
        defer { Cbc_deleteModel(model) }
        Cbc_loadProblem(
          model, Int32(objective.count), Int32(rows.count), matrix.starts, matrix.rows,
          matrix.values, matrix.zeros, matrix.ones, matrix.objective, matrix.lower, matrix.upper)
        for column in objective.indices { Cbc_setInteger(model, Int32(column)) }
        Cbc_setLogLevel(model, 0)
        let parameters = matrix.isCoarse ? Self.parameters + Self.plainSearch : Self.parameters
        for (name, value) in parameters { Cbc_setParameter(model, name, value) }
        if let timeLimit {
          Cbc_setParameter(model, "seconds", "\(max(timeLimit / .seconds(1), 0.001))")
        }
        _ = Cbc_solve(model)
        let proven = Cbc_isProvenOptimal(model) == 1
        if Cbc_isProvenInfeasible(model) == 1 { return .infeasible }
        guard let best = Cbc_bestSolution(model) else { return .undecided }
        let variables = objective.indices.map { best[$0] > 0.5 }
        return .solved(variables, isOptimal: proven)
      }
    }
  }

  /// The linear relaxation by CLP's dual simplex; nil if it is infeasible.
  func relaxation() -> Relaxation? {
    guard !objective.isEmpty else {
      guard solve() != .infeasible else { return nil }
      return Relaxation(value: 0, variables: [], rowDuals: rows.map { _ in 0 })
    }
    let matrix = ColumnMatrix(self)
    // SAFETY: as in `solve`.
    let model = Clp_newModel()
    defer { Clp_deleteModel(model) }
    Clp_setLogLevel(model, 0)
    Clp_loadProblem(
      model, Int32(objective.count), Int32(rows.count), matrix.starts, matrix.rows, matrix.values,
      matrix.zeros, matrix.ones, matrix.objective, matrix.lower, matrix.upper)
    _ = Clp_initialDualSolve(model)
    guard Clp_status(model) != 1, let solution = Clp_primalColumnSolution(model),
      let duals = Clp_dualRowSolution(model)
    else { return nil }
    let variables = objective.indices.map { solution[$0] }
    return Relaxation(
      value: zip(objective, variables).reduce(0) { $0 + $1.0 * $1.1 },
      variables: variables,
      rowDuals: rows.indices.map { row in
        duals[row] / (matrix.scale * Double(matrix.divisors[row]))
      })
  }

  /// The search must end with a proof: no gap is allowed, absolute or relative.
  private static let parameters = [
    ("ratioGap", "0"), ("allowableGap", "0"), ("increment", "1e-7"), ("threads", "0"),
    ("randomSeed", "1"), ("randomCbcSeed", "1"), ("timeMode", "elapsed"),
  ]

  /// With coefficients of billions, preprocessing and cuts were seen to cut off the optimum: their
  /// tolerance, relative to the row, is then more than a unit.
  private static let plainSearch = [("preprocess", "off"), ("cutsOnOff", "off")]
}

private let solver = Mutex(())

/// Runs the body and puts back the handler of SIGINT that was there before.
private func withInterruptHandlerKept<Result>(_ body: () -> Result) -> Result {
  var handler = sigaction()
  // SAFETY: `handler` is written before it is read, by the first call.
  sigaction(SIGINT, nil, &handler)
  defer { sigaction(SIGINT, &handler, nil) }
  return body()
}

/// A program as the solvers take it: compressed columns, rows divided by their common divisors with
/// bounds rounded inwards, a scaled objective.
private struct ColumnMatrix {
  private(set) var starts: [Int32] = [0]
  private(set) var rows: [Int32]
  private(set) var values: [Double]
  let divisors: [Int64]
  let lower: [Double]
  let upper: [Double]
  let scale: Double
  let objective: [Double]
  let zeros: [Double]
  let ones: [Double]

  /// Whether a unit of a row may be within the solver's relative tolerance.
  var isCoarse: Bool { values.contains { abs($0) > 0x1p20 } }

  init(_ program: IntegerProgram) {
    let divisors = program.rows.map(\.divisor)
    self.divisors = divisors
    lower = zip(program.rows, divisors).map { row, divisor in
      row.lower.map { -Double(quotientRoundedDown(-$0, divisor)) } ?? -.greatestFiniteMagnitude
    }
    upper = zip(program.rows, divisors).map { row, divisor in
      row.upper.map { Double(quotientRoundedDown($0, divisor)) } ?? .greatestFiniteMagnitude
    }
    let largest = program.objective.reduce(0) { max($0, abs($1)) }
    // A power of two, so that scaling rounds nothing.
    scale =
      largest.isNormal
      ? Double(sign: .plus, exponent: 20 - Int(largest.exponent), significand: 1) : 1
    objective = program.objective.map { [scale] in $0 * scale }
    zeros = program.objective.map { _ in 0 }
    ones = program.objective.map { _ in 1 }

    var counts = [Int32](repeating: 0, count: program.objective.count)
    for row in program.rows { for column in row.columns { counts[Int(column)] += 1 } }
    for count in counts { starts.append(starts[starts.count - 1] + count) }
    rows = [Int32](repeating: 0, count: Int(starts[starts.count - 1]))
    values = rows.map { _ in 0 }
    var next = starts
    for (index, row) in program.rows.enumerated() {
      for (column, coefficient) in zip(row.columns, row.coefficients) {
        let place = Int(next[Int(column)])
        next[Int(column)] += 1
        rows[place] = Int32(index)
        values[place] = Double(coefficient / divisors[index])
      }
    }
  }
}

private func greatestCommonDivisor(_ a: Int64, _ b: Int64) -> Int64 {
  var (a, b) = (abs(a), abs(b))
  while b != 0 { (a, b) = (b, a % b) }
  return a
}

private func quotientRoundedDown(_ value: Int64, _ divisor: Int64) -> Int64 {
  let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
  return remainder < 0 ? quotient - 1 : quotient
}
