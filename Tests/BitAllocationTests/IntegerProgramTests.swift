import Foundation
import Statistics
import Testing

@testable import BitAllocation

@Suite("Integer programs")
struct IntegerProgramTests {
  /// The least objective over all assignments that meet the rows; nil if none does.
  private func enumerated(_ program: IntegerProgram) -> Double? {
    var best: Double?
    for bits in 0..<1 << program.objective.count {
      let isMet = program.rows.allSatisfy { row in
        let sum = zip(row.columns, row.coefficients).reduce(Int64(0)) { sum, term in
          sum + (bits >> Int(term.0) & 1 == 1 ? term.1 : 0)
        }
        return sum >= row.lower ?? .min && sum <= row.upper ?? .max
      }
      guard isMet else { continue }
      let value = objective(program, program.objective.indices.map { bits >> $0 & 1 == 1 })
      best = min(best ?? value, value)
    }
    return best
  }

  private func objective(_ program: IntegerProgram, _ variables: [Bool]) -> Double {
    zip(program.objective, variables).reduce(0) { $0 + ($1.1 ? $1.0 : 0) }
  }

  private func random(_ generator: inout SeededGenerator, scale: Double) -> IntegerProgram {
    let columns = 1 + generator.below(9)
    let rows = (0..<generator.below(4)).map { _ in
      var row = IntegerProgram.Row()
      let unit = Int64(1 + generator.below(3) * 5)
      for column in 0..<columns {
        row.append(unit * Int64(generator.below(21) - 8), column: column)
      }
      let bound = Int64(generator.below(40) - 10) * unit + Int64(generator.below(3))
      if generator.below(2) == 0 { row.upper = bound } else { row.lower = bound - 20 }
      if generator.below(3) == 0 { row.lower = (row.upper ?? 30) - 15 }
      return row
    }
    let objective = (0..<columns).map { _ in scale * Double(generator.below(2001) - 1000) / 7 }
    return IntegerProgram(objective: objective, rows: rows)
  }

  @Test(
    "the optimum is that of enumeration, in any unit of the objective",
    arguments: [1, 1e-7, 1e12, 1e-300])
  func optimum(scale: Double) throws {
    var generator = SeededGenerator(seed: 3)
    for round in 0..<150 {
      let program = random(&generator, scale: scale)
      let expected = enumerated(program)
      switch program.solve() {
      case .solved(let variables, let isOptimal):
        let best = try #require(expected, "round \(round)")
        #expect(isOptimal)
        // Sums of at most nine terms in the same order: equal but for ties.
        let size = program.objective.reduce(0) { $0 + abs($1) }
        #expect(abs(objective(program, variables) - best) <= 1e-13 * size, "round \(round)")
      case .infeasible: #expect(expected == nil, "round \(round)")
      case .undecided: Issue.record("round \(round) undecided")
      }
    }
  }

  @Test("the relaxation is below the optimum and its duals prove it")
  func relaxation() throws {
    var generator = SeededGenerator(seed: 4)
    for round in 0..<300 {
      let program = random(&generator, scale: 1)
      guard let relaxation = program.relaxation() else {
        #expect(enumerated(program) == nil, "round \(round)")
        continue
      }
      let size = program.objective.reduce(1) { $0 + abs($1) }
      if let best = enumerated(program) {
        #expect(relaxation.value <= best + 1e-7 * size, "round \(round)")
      }
      // Weak duality over the box, with each bound rounded inwards as the solver sees it:
      // Σ_r y_r·b_r + Σ_j min(0, c_j − Σ_r y_r·a_rj) = value.
      var reduced = program.objective
      var value = 0.0
      for (row, dual) in zip(program.rows, relaxation.rowDuals) {
        for (column, coefficient) in zip(row.columns, row.coefficients) {
          reduced[Int(column)] -= dual * Double(coefficient)
        }
        let unit = Double(row.divisor)
        if dual > 0, let lower = row.lower {
          value += dual * (Double(lower) / unit).rounded(.up) * unit
        }
        if dual < 0, let upper = row.upper {
          value += dual * (Double(upper) / unit).rounded(.down) * unit
        }
      }
      value += reduced.reduce(0) { $0 + min($1, 0) }
      #expect(abs(value - relaxation.value) <= 1e-6 * size, "round \(round)")
    }
  }

  @Test("a program without variables is feasible if 0 meets its rows")
  func noVariables() {
    let within = IntegerProgram.Row(lower: -1, upper: 0)
    let above = IntegerProgram.Row(lower: 1, upper: nil)
    #expect(
      IntegerProgram(objective: [], rows: [within]).solve() == .solved([], isOptimal: true))
    #expect(IntegerProgram(objective: [], rows: [above]).solve() == .infeasible)
    #expect(IntegerProgram(objective: [], rows: [above]).relaxation() == nil)
    #expect(IntegerProgram(objective: [1], rows: [above]).solve() == .infeasible)
  }

  @Test("a hard program stops when its time is up, and equal programs give equal answers")
  func timeLimit() throws {
    // Market split (Cornuéjols and Dawande 1998): far beyond branch and cut at this size.
    var generator = SeededGenerator(seed: 1)
    let columns = 50
    let rows = (0..<6).map { _ in
      var row = IntegerProgram.Row()
      for column in 0..<columns { row.append(Int64(generator.below(100)), column: column) }
      row.upper = row.coefficients.reduce(0, +) / 2
      row.lower = row.upper
      return row
    }
    let program = IntegerProgram(objective: (0..<columns).map(Double.init), rows: rows)
    let start = ContinuousClock.now
    #expect(program.solve(timeLimit: .milliseconds(300)) == .undecided)
    // Other programs may hold the solver meanwhile; without a limit this one takes hours.
    #expect(ContinuousClock.now - start < .seconds(60))
    for seed in 10..<20 {
      var generator = SeededGenerator(seed: UInt64(seed))
      let program = random(&generator, scale: 1)
      #expect(program.solve() == program.solve())
    }
  }

  @Test("the solvers print nothing")
  func silent() async {
    let result = await #expect(
      processExitsWith: .success, observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      var row = IntegerProgram.Row()
      for column in 0..<40 { row.append(Int64(1000 + 37 * column % 211), column: column) }
      row.upper = 20_011
      let losses = (0..<40).map { -Double(1000 + 53 * $0 % 197) }
      let program = IntegerProgram(objective: losses, rows: [row])
      guard program.relaxation() != nil, case .solved = program.solve(timeLimit: .seconds(5)) else {
        exit(EXIT_FAILURE)
      }
      fflush(nil)
    }
    #expect(result?.standardOutputContent.isEmpty == true)
    #expect(result?.standardErrorContent.isEmpty == true)
  }
}
