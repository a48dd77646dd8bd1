import BitAllocation
import Checkpoints
import Foundation
import JSON
import MoEModels
import Quantization
import Reconstruction
import Sensitivity
import Tensors

/// table + budget → plan.
public struct AllocateStage: Sendable {
  public static let name = "allocate"
  static let epoch = 4

  /// What decides a plan besides the table.
  public struct Options: Sendable {
    public var allocator: String
    public var law: RankLaw?
    public var search = SearchOptions()
    public var budget: Budget
    public var scope = AllocationProblem.Scope.model
    public var requirements: [AllocationProblem.Requirement] = []
    /// Floor and ceiling of all units.
    public var bits: ClosedRange<Double> = 0...(.infinity)
    public var sensitivity: String?
    /// Neurons of a block, where a table is one of neurons.
    public var blockSize = 32

    public init(allocator: String, budget: Budget) {
      (self.allocator, self.budget) = (allocator, budget)
    }

    /// Whether the allocator draws.
    public var readsSeed: Bool {
      allocator == "random" || SearchOptions.searches.contains(allocator)
    }

    /// Allocates a neuron table, block by block.
    ///
    /// - Parameters:
    ///   - table: All neurons.
    ///   - attention: Modules outside the table.
    ///   - seed: Of allocators that draw.
    /// - Returns: The plan.
    /// - Throws: ``AllocationError``.
    public func allocation(
      of table: NeuronTable, attention: [QuantizedModule] = [], seed: UInt64
    ) throws -> BlockAllocation {
      let blocks = try table.blockTable(size: blockSize)
      return BlockAllocation(
        try allocation(of: blocks, attention: attention, seed: seed), of: table,
        blockSize: blockSize)
    }

    /// Reads and allocates a table.
    ///
    /// - Parameters:
    ///   - table: Units and levels.
    ///   - attention: Modules outside the table.
    ///   - seed: Of allocators that draw.
    /// - Returns: The plan.
    /// - Throws: ``AllocationError``.
    public func allocation(
      of table: SensitivityTable, attention: [QuantizedModule] = [], seed: UInt64
    ) throws -> Allocation {
      try Allocators.named(allocator, law: law, search: search)
        .allocate(problem(table, attention), seed: seed)
    }

    func problem(_ table: SensitivityTable, _ attention: [QuantizedModule]) -> AllocationProblem {
      AllocationProblem(
        table: table, budget: budget, scope: scope, requirements: requirements, bits: bits,
        sensitivity: sensitivity, attention: attention)
    }
  }

  /// What a measured fitness is made of.
  struct Measured: Sendable {
    var model: URL
    var corpora: [URL]
    var format: TextFormat
    var sequences: Int
    var selectionSequences: Int
    var context: Int
    var precision: Precision
    /// Of the level store.
    var levels: [LevelMix]
  }

  public var options: Options
  /// Read by allocators that draw.
  public var seed: UInt64?
  /// Modules outside the table.
  var attention: [QuantizedModule] = []
  /// nil: searches minimize the additive loss.
  var measured: Measured?

  public init(options: Options, seed: UInt64?) {
    (self.options, self.seed) = (options, seed)
  }

  func stage() throws -> Stage {
    var inputs: [String: StageSource] = ["table": .stage(MeasureStage.name)]
    var parameters = options.json
    if let seed { parameters["seed"] = JSONValue(Int(seed)) }
    if options.budget.readsAttention {
      parameters["attention"] = .array(
        attention.map {
          [JSONValue($0.weights), JSONValue($0.codeBits), JSONValue($0.metadataBits)]
        })
    }
    if let measured {
      parameters["measured"] = measured.json
      // Before, no other search stood beside, and EvoPress's stages saw the same tokens.
      parameters["measuredEpoch"] = 2
      inputs["model"] = try .model(measured.model)
      for (index, corpus) in measured.corpora.enumerated() {
        inputs["searchCorpus.\(index)"] = .file(corpus)
      }
      for level in measured.levels {
        inputs[LevelStage.name(level)] = .stage(LevelStage.name(level))
      }
    }
    return Stage(
      name: Self.name, epoch: Self.epoch, parameters: .object(parameters), inputs: inputs
    ) { context in try write(to: context) }
  }

  private func write(to context: StageContext) throws {
    let file = context.input("table").appending(path: StageFile.table)
    let json =
      try NeuronTable.isNeuronTable(file)
      ? plan(of: NeuronTable(hdf5: file), context) : plan(of: SensitivityTable(hdf5: file), context)
    try context.write(json, to: StageFile.plan)
  }

  private func plan(of table: SensitivityTable, _ context: StageContext) throws -> JSONValue {
    guard let measured else {
      return try options.allocation(of: table, attention: attention, seed: seed ?? 0)
        .json(for: table)
    }
    return try search(
      measured, options.problem(table, attention), .modules(table.neuronBlocks), context
    ).json(for: table)
  }

  private func plan(of table: NeuronTable, _ context: StageContext) throws -> JSONValue {
    guard let measured else {
      return try options.allocation(of: table, attention: attention, seed: seed ?? 0).json()
    }
    let blocks = try table.blockTable(size: options.blockSize)
    let allocation = try search(
      measured, options.problem(blocks, attention),
      .neurons(table, blockSize: options.blockSize), context)
    return try BlockAllocation(allocation, of: table, blockSize: options.blockSize).json()
  }

  /// Searches with the divergence of assembled models, from where an interrupted search was.
  private func search(
    _ measured: Measured, _ problem: AllocationProblem, _ units: PlanDivergence.Units,
    _ context: StageContext
  ) throws -> Allocation {
    let record = SearchRecordFile(context.recovery, of: options.allocator, seed: seed ?? 0)
    let saved = record.saved()
    let folder = try ModelFolder(measured.model)
    let divergence = try PlanDivergence(
      store: LevelStore(
        Dictionary(
          uniqueKeysWithValues: measured.levels.map {
            ($0.bits, context.input(LevelStage.name($0)))
          })),
      units: units, full: folder.weights,
      tokens: try measured.tokens(folder.tokenizer(), seed: seed ?? 0),
      stageTokens: options.search.measuredTokens(options.allocator),
      precision: measured.precision, spent: saved?.forwardTokens ?? 0)
    let generations = Double(max(options.search.generations ?? 1, 1))
    let allocation = try SearchAllocator(options.allocator, options: options.search).allocate(
      problem, seed: seed ?? 0, measured: divergence.fitness, resume: saved?.state,
      checkpoint: SearchCheckpoint { state in
        try record.save(
          SearchRecordFile.Saved(state: state, forwardTokens: divergence.forwardTokens))
        context.progress(
          min(Double(state.generation) / generations, 1),
          "generation \(state.generation), best \(CanonicalJSON.number(state.bestFitness))")
      })
    try context.recordForwardTokens(divergence.forwardTokens)
    return allocation
  }
}

extension AllocateStage.Measured {
  func tokens(_ tokenizer: Tokenizer, seed: UInt64) throws -> SearchTokens {
    let texts = try corpora.map { corpus in
      (
        corpus.path,
        tokenizer.encode(try TextCorpus(corpus, format: format).text, addSpecialTokens: true)
      )
    }
    return try SearchTokens(
      texts, search: sequences, selection: selectionSequences, context: context, seed: seed)
  }

  var json: JSONValue {
    [
      "format": JSONValue(format.rawValue), "sequences": JSONValue(sequences),
      "selectionSequences": JSONValue(selectionSequences), "context": JSONValue(context),
      "compute": JSONValue(precision.rawValue),
    ]
  }
}

extension AllocateStage.Options {
  /// As it enters the key; what has no effect is left out.
  fileprivate var json: JSONObject {
    var object = JSONObject([
      ("allocator", JSONValue(allocator)),
      (
        "budget",
        .object(JSONObject(budget.bounds.map { ("\($0.quantity)", JSONValue($0.value)) }))
      ),
    ])
    if let law { object["law"] = JSONValue("\(law)") }
    if scope != .model { object["scope"] = JSONValue(scope.rawValue) }
    if !requirements.isEmpty {
      object["require"] = .array(
        requirements.map { ["bits": JSONValue($0.bits), "count": JSONValue($0.count)] })
    }
    if bits.lowerBound > 0 { object["floor"] = JSONValue(bits.lowerBound) }
    if bits.upperBound.isFinite { object["ceiling"] = JSONValue(bits.upperBound) }
    if let sensitivity { object["sensitivity"] = JSONValue(sensitivity) }
    if SearchOptions.searches.contains(allocator), let search = try? JSONValue(encoding: search) {
      object["search"] = search
    }
    return object
  }
}

extension Budget {
  /// Whether modules outside the table count.
  fileprivate var readsAttention: Bool {
    bounds.contains {
      switch $0.quantity {
      case .ledger, .attention: true
      case .experts, .bytes, .resource: false
      }
    }
  }
}

extension Certificate {
  /// Dual prices of the budgets that bind.
  var pricesJSON: JSONValue {
    .array(
      prices.map {
        ["budget": JSONValue($0.budget), "loss": JSONValue($0.loss), "per": JSONValue($0.unit)]
      })
  }
}

extension Allocation {
  /// The output of `assay allocate`; ledgers sorted, units in the order of the table.
  ///
  /// - Parameter table: What was allocated: tells what half levels and mixes mean.
  /// - Returns: An object.
  /// - Throws: ``EncodingError`` if the record of a search holds what JSON cannot say.
  public func json(for table: SensitivityTable) throws -> JSONValue {
    var object = JSONObject([
      ("allocator", JSONValue(allocator)),
      ("plan", .object(JSONObject(plan.entries.map { ($0.unit, JSONValue($0.bits)) }))),
      ("objective", objective.map { JSONValue($0) } ?? .null),
    ])
    if let certificate {
      object["lowerBound"] = JSONValue(certificate.lowerBound)
      object["gap"] = JSONValue(certificate.gap)
      object["isOptimal"] = JSONValue(certificate.isOptimal)
      object["pricePerByte"] = certificate.pricePerByte.map { JSONValue($0) } ?? .null
      object["prices"] = certificate.pricesJSON
      object["freeUnits"] = certificate.freeUnits.map { JSONValue($0) }
    }
    object["solver"] = solver.map { JSONValue($0) }
    object["sensitivity"] = sensitivity.map { JSONValue($0) }
    object["bits"] = .object(
      JSONObject(bits.sorted { $0.key < $1.key }.map { ($0.key, JSONValue($0.value)) }))
    object["limits"] = .array(
      limits.map {
        [
          "name": JSONValue($0.name), "bound": JSONValue($0.bound), "used": JSONValue($0.used),
          "slack": JSONValue($0.slack),
        ]
      })
    object["forced"] = JSONValue(forced)
    object["neuronBlocks"] = table.neuronBlocks?.json
    if let search { object["search"] = try JSONValue(encoding: search) }
    return .object(object)
  }
}
