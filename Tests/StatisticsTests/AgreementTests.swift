import Foundation
import Statistics
import Testing

/// `Golden/agreement.json`, written by `Golden/agreement_reference.py` with SciPy and scikit-learn.
struct AgreementGolden: Decodable, Sendable, CustomTestStringConvertible {
  let name: String
  let a: [Double]
  let b: [Double]
  let agreement: Double
  let kappa: Double
  let spearman: Double?
  let kendall: Double?
  let jaccard: Double

  var testDescription: String { name }

  static func all() throws -> [AgreementGolden] {
    struct File: Decodable { let cases: [AgreementGolden] }
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Golden/agreement.json")
    return try JSONDecoder().decode(File.self, from: Data(contentsOf: url)).cases
  }
}

@Suite("Agreement measures")
struct AgreementTests {
  @Test("all measures are those of SciPy and scikit-learn")
  func golden() throws {
    let cases = try AgreementGolden.all()
    #expect(cases.count == 6)
    for golden in cases {
      let kappa = try #require(CohenKappa(golden.a, golden.b))
      let top = try #require((golden.a + golden.b).max())
      func topPlaces(_ values: [Double]) -> Set<Int> {
        Set(values.indices.filter { values[$0] == top })
      }
      let jaccard = jaccardIndex(topPlaces(golden.a), topPlaces(golden.b))
      expectNear(kappa.observed, golden.agreement, golden.name)
      expectNear(kappa.value, golden.kappa, golden.name)
      expectNear(spearmanCorrelation(golden.a, golden.b), golden.spearman, golden.name)
      expectNear(kendallTau(golden.a, golden.b), golden.kendall, golden.name)
      expectNear(jaccard, golden.jaccard, golden.name)
    }
  }

  /// Values are of order 1; both sides add some hundred terms in unlike orders.
  private func expectNear(_ got: Double?, _ wanted: Double?, _ name: String) {
    switch (got, wanted) {
    case (nil, nil): break
    case (let got?, let wanted?): #expect(abs(got - wanted) < 1e-13, "\(name)")
    default: Issue.record("\(name): got \(String(describing: got))")
    }
  }

  @Test("Kendall's tau counts pairs", arguments: [2, 3, 5, 16, 33, 100])
  func kendallBruteForce(count: Int) throws {
    var random = SeededGenerator(seed: UInt64(count))
    for distinct in [2, 4, 1000] {
      let a = (0..<count).map { _ in Double(random.below(distinct)) }
      let b = (0..<count).map { _ in Double(random.below(distinct)) }
      var (difference, untiedA, untiedB) = (0.0, 0.0, 0.0)
      for i in 0..<count {
        for j in 0..<i {
          let (signA, signB) = (sign(a[i] - a[j]), sign(b[i] - b[j]))
          difference += signA * signB
          untiedA += abs(signA)
          untiedB += abs(signB)
        }
      }
      guard untiedA > 0, untiedB > 0 else {
        #expect(kendallTau(a, b) == nil)
        continue
      }
      let tau = try #require(kendallTau(a, b))
      // Three roundings on each side.
      #expect(abs(tau - difference / (untiedA * untiedB).squareRoot()) < 1e-14)
    }
  }

  private func sign(_ value: Double) -> Double { value > 0 ? 1 : value < 0 ? -1 : 0 }

  @Test("equal values share the mean of their ranks")
  func ranks() {
    #expect(averageRanks([]) == [])
    #expect(averageRanks([5]) == [1])
    #expect(averageRanks([3, 1, 3, 2, 3]) == [4, 1, 4, 2, 4])
    #expect(averageRanks([2, 1, 2, 1]) == [3.5, 1.5, 3.5, 1.5])
  }

  @Test("ranks add up to n (n + 1) / 2 whatever the ties")
  func rankSum() {
    var random = SeededGenerator(seed: 3)
    for count in 0..<50 {
      let values = (0..<count).map { _ in Double(random.below(7)) }
      #expect(averageRanks(values).reduce(0, +) == Double(count * (count + 1)) / 2)
    }
  }

  @Test("a list agrees fully with itself, and in reverse order fully not")
  func extremes() {
    let values = [1.0, 2, 2, 3, 5, 8]
    let reversed = values.map(-)
    #expect(CohenKappa(values, values)?.value == 1)
    #expect(CohenKappa(values, reversed)?.agreements == 0)
    // A root, a product and a quotient.
    #expect(abs((spearmanCorrelation(values, values) ?? 0) - 1) < 1e-15)
    #expect(abs((spearmanCorrelation(values, reversed) ?? 0) + 1) < 1e-15)
    #expect(abs((kendallTau(values, values) ?? 0) - 1) < 1e-15)
    #expect(abs((kendallTau(values, reversed) ?? 0) + 1) < 1e-15)
  }

  @Test("Cohen's example of two psychologists")
  func cohen1960() throws {
    // Proportions of 200 cases in Cohen 1960, table 1: κ = 0.492.
    let table = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
    var (a, b): ([Int], [Int]) = ([], [])
    for row in 0..<3 {
      for column in 0..<3 {
        a += Array(repeating: row, count: table[row][column])
        b += Array(repeating: column, count: table[row][column])
      }
    }
    let kappa = try #require(CohenKappa(a, b))
    #expect(kappa.observed == 0.70)
    #expect(abs(kappa.expected - 0.41) < 1e-15)
    #expect(abs((kappa.value ?? 0) - 0.492) < 0.0005)
  }

  @Test("what is not defined is nil")
  func undefined() {
    #expect(CohenKappa([Int](), []) == nil)
    #expect(CohenKappa([1, 1], [1, 1])?.value == nil)
    #expect(CohenKappa([1, 1], [1, 1])?.observed == 1)
    for (a, b) in [([], []), ([1.0], [2.0]), ([1, 1], [1, 2]), ([1, .nan], [1, 2])] {
      #expect(spearmanCorrelation(a, b) == nil)
      #expect(kendallTau(a, b) == nil)
    }
    #expect(jaccardIndex(Set<Int>(), []) == nil)
    #expect(jaccardIndex([1], Set<Int>()) == 0)
    #expect(jaccardIndex([1, 2], [2, 3]) == 1.0 / 3)
  }
}
