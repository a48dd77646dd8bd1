import Foundation
import Statistics
import Testing

@testable import BitAllocation

/// Random knapsacks of the kinds that break solvers.
enum KnapsackKind: String, CaseIterable, Sendable {
  case falling, unordered, equalLosses, zeroLosses, negative, tiny, huge, mixedScales, halfBits
  case subsetSum, singleChoices

  func knapsack(items: Int, _ generator: inout SeededGenerator) -> Knapsack {
    var (first, loss, cost) = ([0], [Double](), [Int64]())
    for _ in 0..<items {
      let size = Int64(1 + generator.below(self == .halfBits ? 1000 : 9))
      let choices = self == .singleChoices ? 1 + generator.below(2) : 1 + generator.below(5)
      let scale = exp(3 * Double(generator.below(1000)) / 1000)
      for choice in 0..<choices {
        let half = Int64(choice + 2)
        var spent = half * size + (self == .unordered ? Int64(generator.below(20)) : 0)
        var lost = scale * pow(2, -Double(half)) * (0.5 + Double(generator.below(1000)) / 1000)
        switch self {
        case .falling: lost = scale * pow(2, -Double(half))
        case .equalLosses: lost = 1
        case .zeroLosses: lost = generator.below(3) == 0 ? lost : 0
        case .negative: lost -= 0.5 * scale
        case .tiny: lost *= 1e-7
        case .huge: lost *= 1e12
        case .mixedScales: lost *= choice == 0 ? 1e12 : 1e-3
        case .subsetSum:
          spent = Int64(1000 + generator.below(1000))
          lost = -Double(spent)
        default: break
        }
        loss.append(lost)
        cost.append(spent)
      }
      first.append(loss.count)
    }
    let ends = Knapsack.ends(first, cost)
    let capacity: Int64
    switch generator.below(6) {
    case 0: capacity = ends.least
    case 1: capacity = ends.most
    default: capacity = ends.least + Int64(generator.below(Int(ends.most - ends.least) + 1))
    }
    return Knapsack(first: first, loss: loss, cost: cost, capacity: capacity)
  }
}

extension Knapsack {
  /// The least and the most that choices can cost.
  static func ends(_ first: [Int], _ cost: [Int64]) -> (least: Int64, most: Int64) {
    var (least, most) = (Int64(0), Int64(0))
    for item in 0..<first.count - 1 {
      let costs = cost[first[item]..<first[item + 1]]
      least += costs.min() ?? 0
      most += costs.max() ?? 0
    }
    return (least, most)
  }

  /// The least loss within the capacity by trying every plan; nil if there is none.
  func enumerated() -> Double? {
    var best: Double?
    func visit(_ item: Int, _ loss: Double, _ cost: Int64) {
      guard item < items else {
        if cost <= capacity { best = min(best ?? loss, loss) }
        return
      }
      for choice in first[item]..<first[item + 1] {
        visit(item + 1, loss + self.loss[choice], cost + self.cost[choice])
      }
    }
    visit(0, 0, 0)
    return best
  }

  /// What 1e-9 relative is relative to: losses of both signs may cancel.
  var magnitude: Double {
    (0..<items).reduce(0) { sum, item in
      sum + (first[item]..<first[item + 1]).reduce(Double.infinity) { min($0, abs(loss[$1])) }
    }
  }
}

@Suite("Exact knapsack")
struct ExactKnapsackTests {
  @Test("its loss is that of enumeration, its bound below it", arguments: KnapsackKind.allCases)
  func optimum(kind: KnapsackKind) throws {
    var generator = SeededGenerator(seed: 11)
    for round in 0..<600 {
      let knapsack = kind.knapsack(items: 1 + generator.below(6), &generator)
      let best = try #require(knapsack.enumerated())
      let exact = try #require(ExactKnapsack(knapsack))
      let tolerance = 1e-9 * max(abs(best), kind == .negative ? knapsack.magnitude : 0)
      #expect(exact.proven)
      #expect(abs(exact.loss - best) <= tolerance, "\(kind) \(round): \(exact.loss) for \(best)")
      #expect(exact.dual.bound <= best + tolerance, "\(kind) \(round)")
      let total = knapsack.total(of: exact.choice)
      #expect(total.loss == exact.loss && total.cost == exact.cost)
      #expect(exact.cost <= knapsack.capacity)
    }
  }

  @Test("the dual's bound is the greatest value of L", arguments: KnapsackKind.allCases)
  func dual(kind: KnapsackKind) throws {
    var generator = SeededGenerator(seed: 12)
    for round in 0..<200 {
      let knapsack = kind.knapsack(items: 1 + generator.below(12), &generator)
      let dual = try #require(LagrangianDual(knapsack))
      func value(_ price: Double) -> Double {
        (0..<knapsack.items).reduce(-price * Double(knapsack.capacity)) { sum, item in
          let choices = knapsack.first[item]..<knapsack.first[item + 1]
          return sum
            + choices.reduce(.infinity) {
              min($0, knapsack.loss[$1] + price * Double(knapsack.cost[$1]))
            }
        }
      }
      // The maximum is at a kink: a slope between two choices of an item, or 0.
      var (greatest, at) = (value(0), 0.0)
      for item in 0..<knapsack.items {
        let choices = knapsack.first[item]..<knapsack.first[item + 1]
        for low in choices {
          for high in choices where knapsack.cost[high] > knapsack.cost[low] {
            let slope =
              (knapsack.loss[low] - knapsack.loss[high])
              / Double(knapsack.cost[high] - knapsack.cost[low])
            if slope > 0, value(slope) > greatest { (greatest, at) = (value(slope), slope) }
          }
        }
      }
      // Terms of the size of λ·cost cancel, at the dual's λ and at the one found here.
      let spent = knapsack.capacity + Knapsack.ends(knapsack.first, knapsack.cost).most
      let size = abs(greatest) + max(dual.price, at) * Double(spent) + knapsack.magnitude
      #expect(abs(dual.bound - greatest) <= 1e-12 * size, "\(kind) \(round)")
      #expect(dual.cost <= knapsack.capacity)
    }
  }

  @Test("below the least cost there is no plan; without items the plan is empty")
  func edges() throws {
    let knapsack = Knapsack(first: [0, 2], loss: [1, 0], cost: [3, 4], capacity: 2)
    #expect(ExactKnapsack(knapsack) == nil)
    #expect(LagrangianDual(knapsack) == nil)
    let empty = Knapsack(first: [0], loss: [], cost: [], capacity: 0)
    #expect(try #require(ExactKnapsack(empty)).choice.isEmpty)
  }

  @Test("equal knapsacks give equal plans, and large ones close their gap")
  func large() throws {
    for kind in [KnapsackKind.falling, .unordered, .halfBits, .mixedScales] {
      var generator = SeededGenerator(seed: 13)
      let knapsack = kind.knapsack(items: 3000, &generator)
      let exact = try #require(ExactKnapsack(knapsack))
      #expect(exact.proven)
      #expect(exact.choice == ExactKnapsack(knapsack)?.choice)
    }
  }

  @Test("a search that may hold no states says that nothing is proven")
  func stateLimit() throws {
    var generator = SeededGenerator(seed: 14)
    var unproven = 0
    for _ in 0..<50 {
      let knapsack = KnapsackKind.unordered.knapsack(items: 30, &generator)
      let limited = try #require(ExactKnapsack(knapsack, stateLimit: 1))
      let exact = try #require(ExactKnapsack(knapsack))
      #expect(limited.loss >= exact.loss && limited.cost <= knapsack.capacity)
      if !limited.proven { unproven += 1 }
    }
    #expect(unproven > 0)
  }
}
