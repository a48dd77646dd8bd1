import BitAllocation
import Experiments
import Foundation
import JSON
import Tensors

/// Reads a spec from its file, and spans its grid.
struct SpecReader: FuzzReader {
  private let file: InputFile

  init(_ folder: URL) { file = InputFile(folder, "spec.json") }

  func read(_ bytes: [UInt8]) throws {
    try file.write(bytes)
    let spec = try ExperimentSpec(contentsOf: file.url)
    _ = spec.digest
    _ = try spec.points()
  }
}

/// Reads a table and allocates with it; reads the same bytes as a plan.
struct TableReader: FuzzReader {
  func read(_ bytes: [UInt8]) throws {
    let json = Data(bytes)
    _ = try? Plan(json: json, units: ["layers.0.experts.0", "layers.0.experts.1"]).json()
    let table = try SensitivityTable(json: json)
    let again = try SensitivityTable(json: table.json())
    precondition(again == table, "a table is another one after writing and reading")
    _ = table.weights
    for name in Allocators.names {
      let problem = AllocationProblem(table: table, budget: Budget(experts: 2.5))
      _ = try? Allocators.named(name).allocate(problem, seed: 1)
    }
  }
}

/// Reads a plan in every form, and as slices of neurons of a table.
struct PlanFileReader: FuzzReader {
  private let table: NeuronTable

  init() throws {
    let expert = NeuronTable.Expert(
      id: "layers.0.experts.0", layer: 0, expert: 0, weightsPerNeuron: 4, loss: [],
      order: (0..<16).map { Int32($0) })
    var other = expert
    (other.id, other.expert) = ("layers.0.experts.1", 1)
    table = try NeuronTable(bits: [2, 3, 4], experts: [expert, other])
  }

  func read(_ bytes: [UInt8]) throws {
    let data = Data(bytes)
    _ = try? NeuronPlan(json: data, for: table, blockSize: 8).json()
    for form in PlanFormat.allCases {
      guard let plan = try? Plan(importing: data, as: form) else { continue }
      let again = try Plan(importing: plan.json(), as: .plan)
      precondition(
        again.entries.count == plan.entries.count, "a plan has other units when read back")
      _ = try? PlanComparison(plan, again)
    }
  }
}

/// Parses; what is accepted reads back the same from every form it is written in.
struct JSONReader: FuzzReader {
  func read(_ bytes: [UInt8]) throws {
    let data = Data(bytes)
    _ = try? JSONParser.parse(data, admitting: [.nonFiniteNumbers, .roundedIntegers])
    let value = try JSONParser.parse(data)
    for text in [CanonicalJSON.text(value), PrettyJSON.text(value), PrettyJSON.line(value)] {
      let again = try JSONParser.parse(text)
      precondition(again == value, "written and read, \(text) is another value")
    }
  }
}
