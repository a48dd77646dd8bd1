import BitAllocation
import Calibration
import Evaluation
import JSON
import Quantization
import Sensitivity

extension ParameterGroup {
  /// Every parameter of a point, as it may stand in `base` and in the patches of axes.
  public static let point = ParameterGroup([
    ParameterField("model", .group(model), .required, "The model that is quantized."),
    ParameterField(
      "compute", .choice(ComputeChoice.allCases.map(\.rawValue)), .defaulting("auto"),
      "Arithmetic of the forward pass; auto takes bf16 where the processor has it. int8-activations: "
        + "quantized models are evaluated from packed weights with inputs of 8 bits, all else is f32."
    ),
    ParameterField(
      "calibration", .group(calibration), .optional,
      "The text that statistics and Hessians come from; needed when there is a quantizer."),
    ParameterField(
      "quantizer", .group(quantizer), .defaulting(nil), nullable: true,
      "How weights are rounded; null is full precision."),
    ParameterField(
      "allocation", .group(allocation), .defaulting([:]), "How bits are shared among units."),
    ParameterField("budget", .group(budget), .defaulting([:]), "Mean code bits per weight."),
    ParameterField("evaluation", .group(evaluation), .required, "What is measured."),
    ParameterField(
      "structure", .group(structure), .optional,
      "Which parts of the model are quantized alone, to see what each of them loses."),
  ])

  static let model = ParameterGroup([
    ParameterField(
      "path", .path, .required, "Folder with config.json, tokenizer.json and safetensors.")
  ])

  static let calibration = ParameterGroup([
    ParameterField(
      "corpus", .corpora, .required,
      "Text file, or a list of {\"path\": file, \"weight\": share of the sequences}."),
    ParameterField("format", textFormat, .defaulting("text"), "How the files are read."),
    ParameterField(
      "sequences", .integer(1...1_000_000), .defaulting(64), "Sequences drawn from the corpus."),
    ParameterField(
      "context", .integer(2...1_048_576), .defaulting(256), "Tokens in each sequence."),
    ParameterField(
      "sampling", .choice(CalibrationSample.Sampling.allCases.map(\.rawValue)),
      .defaulting("windows"),
      "Where sequences start: windows: anywhere; gptq: as Python's generator has it in GPTQ's code; "
        + "documents: one in each document, empty lines being between documents."),
    ParameterField(
      "tokens", .choice(CalibrationTokens.allCases.map(\.rawValue)), .defaulting("routed-only"),
      "Which tokens an expert's statistics are made of."),
    ParameterField(
      "mixture", .number(0...1), .defaulting(0.5),
      "mixture: share of the mean over all tokens beside that over routed ones."),
    ParameterField(
      "routingWeighted", .flag, .defaulting(false),
      "Sums weighted by the squared routing weight too."),
    ParameterField(
      "hessian", .choice(HessianStorage.allCases.map(\.rawValue)), .defaulting("full"),
      "What is kept of the Hessians."),
    ParameterField(
      "hessianBlock", .integer(1...65536), .defaulting(128), "block-diagonal: channels of a block."
    ),
  ])

  static let quantizer = ParameterGroup(
    [
      ParameterField(
        "method", .choice(QuantizerParameters.Method.allCases.map(\.rawValue)), .required,
        "Base quantizer."),
      ParameterField(
        "groupSize", .integer(1...65536), .defaulting(64), nullable: true,
        "Weights that share one scale; null: a whole row."),
      ParameterField("symmetric", .flag, .defaulting(false), "A grid without zero point."),
      ParameterField(
        "range", .choice(["extremes", "mse"]), .defaulting("extremes"),
        "Of a group's grid: from its smallest to its largest weight, or the shrunk range with the "
          + "least error."),
      ParameterField(
        "symmetricRange", .choice(SymmetricRange.allCases.map(\.rawValue)), .defaulting("mirrored"),
        "symmetric: mirrored: always -hi ... hi; published: GPTQ's code, which clips groups without "
          + "negative weights."),
      ParameterField(
        "scaleRounding", .choice(ScaleRounding.allCases.map(\.rawValue)), .defaulting("float16"),
        "float16: scales are rounded as stored before codes are chosen; exact: only when stored, as "
          + "published codes do."),
      ParameterField(
        "damping", .number(0...1), .defaulting(0.01),
        "GPTQ: share of the Hessian's mean diagonal added to its diagonal."),
      ParameterField(
        "actOrder", .flag, .defaulting(false), "GPTQ: columns by falling diagonal of the Hessian."),
      ParameterField(
        "groupScales", .choice(["fresh", "stale", "static"]), .defaulting("fresh"),
        "GPTQ: from the weights at the group's turn, at its block's turn, or from the start."),
      ParameterField(
        "blockSize", .integer(1...65536), .defaulting(128),
        "GPTQ: columns after which all later ones are updated."),
      ParameterField(
        "minimumTokens", .integer(0...1_000_000_000), .defaulting(32),
        "GPTQ: modules with fewer calibration tokens are rounded to nearest, and counted."),
      ParameterField(
        "hessianStream", .choice(HessianStream.allCases.map(\.rawValue)),
        .defaulting("full-precision"),
        "GPTQ: Hessians of inputs from full-precision layers, or from layers quantized before."),
      ParameterField(
        "routingWeighted", .flag, .defaulting(false),
        "GPTQ: Hessians of experts weigh tokens by their routing weight."),
    ] + quantizerForms)

  static let allocation = ParameterGroup([
    ParameterField(
      "allocator", .choice(Allocators.names), .defaulting("uniform"), "Who decides the plan."),
    ParameterField(
      "granularity", .choice(ExpertMeasurement.Granularity.allCases.map(\.rawValue) + ["neuron"]),
      .defaulting("expert"), "What the allocator decides about."),
    ParameterField(
      "levels", .levels, .defaulting([2, 3, 4]),
      "Bits a unit may get: paper, wide, or a list such as [2, 2.5, 3, {\"4\": 0.25, \"2\": 0.75}]."
    ),
    ParameterField(
      "blockSize", .integer(1...65536), .defaulting(32),
      "Neurons of an expert that get the same bits together."),
    ParameterField(
      "law", .choice(["fill", "two-level"]), .optional,
      "How a score becomes a plan; by default two-level for two levels, fill for more."),
    ParameterField(
      "sensitivity", .choice(Sensitivity.allCases.map(\.rawValue)), .optional,
      "Losses that are minimized in the place of the base loss; hawq-ilp and pmq have their own. "
        + "expert-output, and fisher and fisher-condition from a gradient, are measured on the "
        + "calibration's windows."),
    ParameterField(
      "error", .choice(["rtn", "gptq"]), .defaulting("rtn"),
      "Whose rounding error the losses are made of."),
    ParameterField(
      "scale", .choice(ExpertMeasurement.Scale.allCases.map(\.rawValue)), .defaulting("relative"),
      "What makes losses of layers comparable: the energy of the MoE's output (relative) or of the "
        + "residual stream behind it (residual); gradient: what the model's loss loses by the error of "
        + "an expert's output, to second order."),
    ParameterField(
      "factors", .group(factors), .defaulting([:]),
      "Exponents of (n/N)^frequency · mean(w)^routingWeight on the base loss."),
    ParameterField(
      "scope", .choice(AllocationProblem.Scope.allCases.map(\.rawValue)), .defaulting("model"),
      "One budget for the model, or the same budget in each layer."),
    ParameterField(
      "require", .list(requirement), .defaulting([]),
      "At least so many units at a level in each scope."),
    ParameterField("floor", .number(1...8), .optional, "Least bits of a unit."),
    ParameterField("ceiling", .number(1...8), .optional, "Most bits of a unit."),
    ParameterField("search", .group(search), .defaulting([:]), "Options of searches."),
    ParameterField(
      "fitness", .choice(["surrogate", "measured"]), .defaulting("surrogate"),
      "What searches minimize: the sum of the losses, or the divergence of the quantized model."),
    ParameterField(
      "fitnessText", .group(fitnessText), .optional,
      "measured: the text of the search, disjoint from calibration and evaluation."),
    ParameterField(
      "calibrationTexts", .paths, .optional,
      "Texts in the place of calibration.corpus for the losses that are allocated, one calibration "
        + "each; losses of several are summed. The quantizer keeps its calibration."),
  ])

  static let factors = ParameterGroup([
    ParameterField("frequency", .number(0...16), .defaulting(0), "α of n/N."),
    ParameterField("routingWeight", .number(0...16), .defaulting(0), "β of mean(w)."),
  ])

  static let requirement = ParameterGroup([
    ParameterField("bits", .number(1...8), .required, "The level."),
    ParameterField("count", .integer(1...1_000_000), .required, "Units at least."),
  ])

  static let search = ParameterGroup([
    ParameterField(
      "generations", .integer(0...1_000_000), .optional, "Generations after the first."),
    ParameterField(
      "patience", .integer(1...1_000_000), .optional,
      "Generations without a better plan that end the search."),
    ParameterField(
      "start", .choice(SearchOptions.Start.allCases.map(\.rawValue)), .optional,
      "Where the first plans come from."),
    ParameterField(
      "population", .integer(2...100_000), .optional, "evolutionary: plans of a generation."),
    ParameterField("parents", .integer(1...100_000), .optional, "evolutionary: plans that mate."),
    ParameterField(
      "crossover", .choice(Crossover.allCases.map(\.rawValue)), .optional,
      "evolutionary: how two plans become one."),
    ParameterField(
      "mutationRate", .number(0...1), .optional,
      "evolutionary: mean changes of an offspring per unit; one change if left out."),
    ParameterField(
      "mutations", .choices(Mutation.allCases.map(\.rawValue)), .optional,
      "evolutionary: kinds of changes."),
    ParameterField(
      "elitism", .integer(0...100_000), .optional, "evolutionary: plans kept as they are."),
    ParameterField(
      "offspring", .integer(1...100_000), .optional, "evopress: plans of a generation."),
    ParameterField(
      "groupRule", .choice(GroupRule.allCases.map(\.rawValue)), .optional,
      "evopress: units between which bits are switched."),
    ParameterField(
      "survivors", .integers(1...100_000), .optional, "evopress: plans left by each selection."),
    ParameterField(
      "stageTokens", .integers(1...1_000_000_000), .optional, "evopress: tokens of each selection."),
    ParameterField(
      "evaluations", .integer(1...1_000_000_000), .optional, "random-search: plans drawn."),
    ParameterField(
      "learningRate", .number(1e-6...10), .optional, "relaxed-gradient: of Adam."),
    ParameterField(
      "rivals", .flag, .optional,
      "Measured searches: whether random search, and the search from the exact plan, stand beside."),
  ])

  static let fitnessText = ParameterGroup([
    ParameterField(
      "corpus", .paths, .required, "Text file or files; windows are drawn from all together."),
    ParameterField("format", textFormat, .defaulting("text"), "How the files are read."),
    ParameterField(
      "sequences", .integer(1...1_000_000), .defaulting(8), "Windows of the search."),
    ParameterField(
      "selectionSequences", .integer(1...1_000_000), .defaulting(8),
      "Windows that the search does not see: they tell its winner's curse."),
    ParameterField(
      "context", .integer(2...1_048_576), .defaulting(256), "Tokens of a window."),
  ])

  static let budget = ParameterGroup([
    ParameterField(
      "attention", .number(2...8), .defaulting(4),
      "Code bits of attention weights, a whole number: attention is quantized at one level."),
    ParameterField("experts", .number(1...16), .defaulting(3), "Mean code bits of expert weights."),
    ParameterField(
      "total", .group(total), .optional,
      "A bound in another ledger over attention and experts, in the place of experts."),
  ])

  static let total = ParameterGroup([
    ParameterField(
      "ledger", .choice(Ledger.allCases.filter(\.isBudget).map(\.rawValue)), .required,
      "What is counted."),
    ParameterField("value", .number(1...16), .required, "Bits per weight."),
  ])

  static let evaluation = ParameterGroup([
    ParameterField("perplexity", .group(perplexity), .optional, nullable: true, "Perplexity."),
    ParameterField(
      "tasks", .namedTasks(definedTask), .defaulting([:]),
      "Task name → file of items (JSONL), or a definition such as experiments/tasks has them."),
    ParameterField(
      "divergence", .group(divergence), .optional, nullable: true,
      "KL divergence from the full-precision model, and drift of routes, token by token."),
    ParameterField(
      "speed", .group(speed), .optional, nullable: true,
      "Tokens per second, time to the first token, memory and bytes per token, on this machine."),
  ])

  static let perplexity = ParameterGroup([
    ParameterField("corpora", .namedPaths, .required, "Corpus name → text file."),
    ParameterField("format", textFormat, .defaulting("text"), "How the files are read."),
    ParameterField("context", .integer(2...1_048_576), .defaulting(256), "Tokens in a window."),
    ParameterField(
      "protocol", .choice(PerplexityConvention.allCases.map(\.rawValue)), .defaulting("gptq"),
      "Which tokens are scored, and what they see."),
    ParameterField(
      "stride", .integer(1...1_048_576), .optional, nullable: true,
      "strided: tokens from window to window; half the context if left out."),
  ])

  private static let textFormat = ParameterKind.choice(["text", "wikitext"])
}

extension Ledger {
  /// Whether tables tell its costs: EXL2's layout and the rest of the model are in none.
  fileprivate var isBudget: Bool { isAdditive && self != .exl2 && self != .ggufBPW }
}
