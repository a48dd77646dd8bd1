import Foundation
import Statistics

/// Where a ``RelaxedGradient`` search stands.
public struct Relaxation: Sendable, Equatable, Codable {
  /// One value per choice.
  public var logits: [Double]
  /// Adam's running means of the gradient and of its square, one value per choice.
  public var momentum: [Double]
  public var squares: [Double]
  /// Lagrangian multipliers of limits, then of requirements; at least 0.
  public var prices: [Double]
  /// Gradient steps done.
  public var steps: Int
}

/// Gradient descent on a relaxation: each item holds a softmax over its levels.
///
///     minimize over θ, maximize over λ ≥ 0:   Σᵢ Σ_c p_ic loss_ic + Σ_b λ_b (Σ p cost_b − capacity_b),
///     p_i = softmax(θ_i / T)
///
/// Adam on θ, dual ascent on λ, T falling geometrically from step to step. After every generation of
/// steps, each item's likeliest level is taken, repaired and filled up greedily; the best plan so
/// obtained is the result. Losses are divided by the mean of their ranges over the items and costs
/// likewise, so that rates mean the same for every table.
///
/// - SeeAlso: Kingma and Ba 2015, "Adam", arXiv:1412.6980; Wu et al. 2018, "Mixed Precision
///   Quantization of ConvNets via Differentiable Neural Architecture Search", arXiv:1812.00090.
public struct RelaxedGradient: PlanSearch {
  public let name = "relaxed-gradient"
  /// Roundings after the start.
  public var generations = 50
  public var stepsPerGeneration = 10
  public var learningRate = 0.05
  /// λ grows by this times the excess per item, at every step.
  public var priceRate = 0.1
  public var initialTemperature = 1.0
  public var finalTemperature = 0.05
  /// Logits start uniformly in ±noise.
  public var noise = 0.01
  public var patience: Int?

  public init() {}

  func check() throws(SearchError) {
    try checkCommonOptions()
    try require(stepsPerGeneration > 0, "steps per generation", stepsPerGeneration, "at least 1")
    let positive = [
      ("learning rate", learningRate), ("price rate", priceRate),
      ("initial temperature", initialTemperature), ("final temperature", finalTemperature),
    ]
    for (name, value) in positive {
      try require(value > 0 && value.isFinite, name, value, "above 0")
    }
    try require(
      finalTemperature <= initialTemperature, "final temperature", finalTemperature,
      "at most the initial one")
    try require(noise >= 0 && noise.isFinite, "noise", noise, "at least 0")
  }

  public func start(
    _ problem: ChoiceProblem, _ fitness: Fitness, seed: UInt64
  ) throws -> SearchState {
    try check()
    let evaluation = Evaluation(problem: problem, fitness: fitness)
    guard !evaluation.isMeasured else { throw SearchError.surrogateOnly(search: name) }
    try evaluation.check()
    let bounds = Bounds(problem)
    var random = SeededGenerator(seed: seed, generation: 0)
    let plans = try AdmissibleStart(problem, bounds).plans(1, .fill, using: &random)
    var state = SearchState(
      search: name, seed: seed, population: plans, fitness: try evaluation.values(of: plans))
    let zeros = [Double](repeating: 0, count: problem.loss.count)
    state.relaxation = Relaxation(
      logits: zeros.map { _ in noise * (2 * random.unit() - 1) }, momentum: zeros, squares: zeros,
      prices: [Double](repeating: 0, count: bounds.capacities.count), steps: 0)
    return state
  }

  public func generation(
    of problem: ChoiceProblem, _ fitness: Fitness
  ) throws -> (inout SearchState) throws -> Void {
    try check()
    let evaluation = Evaluation(problem: problem, fitness: fitness)
    guard !evaluation.isMeasured else { throw SearchError.surrogateOnly(search: name) }
    let bounds = Bounds(problem)
    let descent = Descent(self, problem, bounds)
    return { state in
      guard var relaxation = state.relaxation, descent.fits(relaxation) else {
        throw SearchError.foreignState(reason: "its logits are missing or of another problem")
      }
      for _ in 0..<stepsPerGeneration { descent.step(&relaxation) }
      state.relaxation = relaxation
      var random = SeededGenerator(seed: state.seed, generation: state.generation + 1)
      let plan = try rounded(relaxation, problem, bounds, using: &random)
      state.population = [plan]
      state.fitness = try evaluation.values(of: [plan])
      state.evaluations += 1
      state.finishGeneration(mutations: [])
    }
  }

  private func rounded(
    _ relaxation: Relaxation, _ problem: ChoiceProblem, _ bounds: Bounds,
    using random: inout SeededGenerator
  ) throws(SearchError) -> [UInt8] {
    var draft = Draft(bounds)
    draft.load(
      (0..<bounds.items).map { item in
        let choices = problem.choices(of: item)
        var likeliest = choices.lowerBound
        for choice in choices where relaxation.logits[choice] > relaxation.logits[likeliest] {
          likeliest = choice
        }
        return UInt8(truncatingIfNeeded: likeliest - choices.lowerBound)
      })
    let greedy = GreedyRounding(problem: problem)
    let tries = 100 + 20 * problem.loss.count
    if !greedy.repair(&draft), !draft.repair(tries: tries, using: &random) {
      draft.load(try AdmissibleStart(problem, bounds).filled(using: &random))
    }
    greedy.fill(&draft)
    return draft.levels
  }
}

/// One step of the saddle-point iteration, with what it needs of the problem, scaled.
private struct Descent: Sendable {
  let search: RelaxedGradient
  let bounds: Bounds
  let first: [Int]
  /// One value per choice; ranges over an item's choices have mean 1.
  let loss: [Double]
  /// As `bounds.cost`, scaled likewise per bound.
  let cost: [Double]
  /// Per bound.
  let capacity: [Double]

  init(_ search: RelaxedGradient, _ problem: ChoiceProblem, _ bounds: Bounds) {
    (self.search, self.bounds, first) = (search, bounds, problem.first)
    let mean = Self.meanRange((0..<bounds.items).map { problem.loss[problem.choices(of: $0)] })
    loss = problem.loss.map { $0 / mean }
    var cost = bounds.cost.map(Double.init)
    var capacity = bounds.capacities.map(Double.init)
    for index in capacity.indices {
      var places: [[Int]] = []
      for item in bounds.members[index].lazy.map(Int.init) {
        let slots = bounds.slots[item]..<bounds.slots[item + 1]
        for slot in slots where bounds.bound[slot] == Int32(index) {
          places.append(
            (0..<bounds.levels[item]).map { level in
              bounds.rows[item] + level * slots.count + slot - slots.lowerBound
            })
        }
      }
      let range = Self.meanRange(places.map { ArraySlice($0.map { Double(bounds.cost[$0]) }) })
      for place in places.joined() { cost[place] /= range }
      capacity[index] /= range
    }
    (self.cost, self.capacity) = (cost, capacity)
  }

  private static func meanRange(_ rows: [ArraySlice<Double>]) -> Double {
    let sum = rows.reduce(0) { $0 + (($1.max() ?? 0) - ($1.min() ?? 0)) }
    return sum > 0 ? sum / Double(rows.count) : 1
  }

  func fits(_ relaxation: Relaxation) -> Bool {
    [relaxation.logits, relaxation.momentum, relaxation.squares].allSatisfy {
      $0.count == loss.count && $0.allSatisfy(\.isFinite)
    } && relaxation.prices.count == capacity.count && relaxation.prices.allSatisfy(\.isFinite)
      && relaxation.steps >= 0
  }

  func step(_ state: inout Relaxation) {
    let temperature = temperature(at: state.steps)
    state.steps += 1
    var gradient = [Double](repeating: 0, count: loss.count)
    var sums = [Double](repeating: 0, count: capacity.count)
    for item in 0..<bounds.items {
      differentiate(item, state, temperature, &gradient, &sums)
    }
    descend(gradient, &state)
    for index in sums.indices {
      let excess = (sums[index] - capacity[index]) / Double(max(bounds.members[index].count, 1))
      state.prices[index] = max(0, state.prices[index] + search.priceRate * excess)
    }
  }

  private func temperature(at step: Int) -> Double {
    let last = max(1, search.generations * search.stepsPerGeneration - 1)
    let share = min(1, Double(step) / Double(last))
    return search.initialTemperature
      * pow(search.finalTemperature / search.initialTemperature, share)
  }

  /// ∂/∂θ_c = p_c (v_c − Σ p v) / T, v being the loss plus the priced costs of a choice.
  private func differentiate(
    _ item: Int, _ state: Relaxation, _ temperature: Double, _ gradient: inout [Double],
    _ sums: inout [Double]
  ) {
    let choices = first[item]..<first[item + 1]
    let slots = bounds.slots[item]..<bounds.slots[item + 1]
    let largest = state.logits[choices].max() ?? 0
    var (total, mean) = (0.0, 0.0)
    for choice in choices { total += exp((state.logits[choice] - largest) / temperature) }
    for choice in choices {
      let probability = exp((state.logits[choice] - largest) / temperature) / total
      var value = loss[choice]
      var place = bounds.rows[item] + (choice - choices.lowerBound) * slots.count
      for slot in slots {
        let index = Int(bounds.bound[slot])
        value += state.prices[index] * cost[place]
        sums[index] += probability * cost[place]
        place += 1
      }
      gradient[choice] = value
      mean += probability * value
    }
    for choice in choices {
      let probability = exp((state.logits[choice] - largest) / temperature) / total
      gradient[choice] = probability * (gradient[choice] - mean) / temperature
    }
  }

  /// Adam with its usual constants.
  private func descend(_ gradient: [Double], _ state: inout Relaxation) {
    let (keep, keepSquares) = (0.9, 0.999)
    let bias = 1 - pow(keep, Double(state.steps))
    let squareBias = 1 - pow(keepSquares, Double(state.steps))
    for choice in gradient.indices {
      let slope = gradient[choice]
      state.momentum[choice] = keep * state.momentum[choice] + (1 - keep) * slope
      state.squares[choice] =
        keepSquares * state.squares[choice] + (1 - keepSquares) * slope * slope
      state.logits[choice] -=
        search.learningRate * (state.momentum[choice] / bias)
        / ((state.squares[choice] / squareBias).squareRoot() + 1e-8)
    }
  }
}
