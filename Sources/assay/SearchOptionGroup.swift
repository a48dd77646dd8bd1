import ArgumentParser
import BitAllocation
import Foundation

/// Options of searches, as specs have them under `allocation.search`.
struct SearchOptionGroup: ParsableArguments {
  @Option(help: "Generations after the first.")
  var generations: Int?

  @Option(help: "Generations without a better plan that end the search.")
  var patience: Int?

  @Option(help: "First plans: random, fill, exact or ceiling.")
  var start: SearchOptions.Start?

  @Option(help: "evolutionary: plans of a generation.")
  var population: Int?

  @Option(help: "evolutionary: plans that mate.")
  var parents: Int?

  @Option(help: "evolutionary: how two plans become one: uniform, one-point or none.")
  var crossover: Crossover?

  @Option(help: "evolutionary: mean changes of an offspring per unit; one change if left out.")
  var mutationRate: Double?

  @Option(
    parsing: .upToNextOption,
    help: "evolutionary: kinds of changes: switch, redraw, neighbour.")
  var mutations: [Mutation] = []

  @Option(help: "evolutionary: plans kept as they are.")
  var elitism: Int?

  @Option(help: "evopress: plans of a generation.")
  var offspring: Int?

  @Option(
    help: "evopress: bits move inside groups of equal size (size) or between all units (none).")
  var groupRule: GroupRule?

  @Option(help: "random-search: plans drawn.")
  var evaluations: Int?

  func validate() throws {
    let numbers: [(Int?, String, String)] = [
      (generations, "--generations", "generations"), (patience, "--patience", "patience"),
      (population, "--population", "population"), (parents, "--parents", "parents"),
      (elitism, "--elitism", "elitism"), (offspring, "--offspring", "offspring"),
      (evaluations, "--evaluations", "evaluations"),
    ]
    for case (let value?, let option, let name) in numbers {
      try SpecRange.check(value, option, as: "allocation.search.\(name)")
    }
    if let mutationRate {
      try SpecRange.check(
        mutationRate, "--mutation-rate", as: "allocation.search.mutationRate")
    }
  }

  var options: SearchOptions {
    var options = SearchOptions()
    options.generations = generations
    options.patience = patience
    options.start = start
    options.population = population
    options.parents = parents
    options.crossover = crossover
    options.mutationRate = mutationRate
    options.mutations = mutations.isEmpty ? nil : mutations
    options.elitism = elitism
    options.offspring = offspring
    options.groupRule = groupRule
    options.evaluations = evaluations
    return options
  }
}

extension SearchOptions.Start: ExpressibleByArgument {}
extension GroupRule: ExpressibleByArgument {}
extension Crossover: ExpressibleByArgument {}
extension Mutation: ExpressibleByArgument {}
