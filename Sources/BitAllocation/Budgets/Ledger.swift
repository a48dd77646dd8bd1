/// A named convention for counting bits (DECISIONS: Budgets; METHODS §2.15).
///
/// Every ledger but `true-bytes` is a quotient: bits that modules cost over what they count for.
/// The same model can read 2.54 in one and 2.76 in another, so a number needs its ledger's name.
public enum Ledger: String, Sendable, CaseIterable {
  /// Code bits of experts per expert weight: the "average bits" of MC-MoE and GEMQ.
  case expertCodeBits = "expert-code-bits"
  /// Code bits of attention and experts per weight of both: Li et al. 2024, MC-MoE, GEMQ.
  case paperCodeBits = "paper-code-bits"
  /// Code and metadata bits of attention and experts per weight of both.
  case withMetadata = "with-metadata"
  /// Σ of mean code bits of the linears of experts per linear, whatever their sizes: AlphaQ,
  /// arXiv:2606.04980.
  ///
  /// The linears of one module are taken to be of one size, as those of an expert are.
  case alphaqBPP = "alphaq-bpp"
  /// Code bits of all quantizable linears per weight of the same: EvoPress, arXiv:2410.14649.
  ///
  /// `paper-code-bits` under the name of its source, where attention and experts are all linears.
  case evopress
  /// Code bits and 32 bits per group (a scale and a zero point of 16) of experts per expert weight:
  /// MxMoE, arXiv:2505.05799, `w2g128` = 2.25.
  ///
  /// Needs group sizes. MxMoE's schemes of one scale per row count no overhead; not told here.
  case mxmoe
  /// Code bits, a scale of 16 bits and a zero point of a code's bits per group, per weight of the
  /// quantized linears: AutoRound's AutoScheme, scales counted. Needs group sizes.
  case autoround
  /// Code bits of all quantizable linears per weight of the same: 16 × the compression constant of
  /// ModelOpt's recipe, which for a whole number of bits b is b / 16, without scales.
  ///
  /// Linears that are excluded from quantization count 16 bits there: list them as modules if the
  /// recipe excludes any. The optional weighting by active experts is not applied.
  case modeloptEffectiveBits = "modelopt-effective-bits"
  /// Code bits and a scale of 16 bits per group, per weight of the allocated linears: PrismaQuant,
  /// whose format constants hold scales and no zero points. Needs group sizes.
  case prismaquant
  /// Bits in EXL2's layout, everything included, per weight of the layers; the head is counted
  /// apart. Needs ``QuantizedModule/exl2Bits``.
  case exl2
  /// Bits of all tensors per weight of the model, embeddings and norms included: the BPW that
  /// llama.cpp prints, for the tensors as they are stored here. Needs the unquantized tensors.
  case ggufBPW = "gguf-bpw"
  /// Bytes of the written files, headers and padding included.
  case trueBytes = "true-bytes"

  /// Whether the bits are a sum over modules, so that a budget can be stated in this ledger.
  ///
  /// False for `true-bytes` only: headers and padding belong to no module.
  public var isAdditive: Bool { self != .trueBytes }

  /// Whether modules of this part are counted; a ledger over attention has no value where only
  /// experts are known.
  public func counts(_ part: ModelPart) -> Bool {
    switch self {
    case .expertCodeBits, .alphaqBPP, .mxmoe: part == .expert
    default: true
    }
  }

  /// What a module adds to the numerator.
  ///
  /// - Parameter module: One that the model has, whether this ledger counts it or not.
  /// - Returns: Bits, for `alphaq-bpp` bits per weight times linears; 0 for a part that is not
  ///   counted; nil where the module does not tell, and for `true-bytes`.
  public func cost(of module: QuantizedModule) -> Double? {
    guard counts(module.part) else { return 0 }
    let codes = module.codeBits
    switch self {
    case .expertCodeBits, .paperCodeBits, .evopress, .modeloptEffectiveBits: return codes
    case .withMetadata, .ggufBPW: return codes + module.metadataBits
    case .alphaqBPP:
      return module.weights > 0 ? codes / Double(module.weights) * Double(module.linears) : nil
    case .mxmoe: return Self.groups(of: module).map { codes + 32 * $0 }
    case .autoround:
      // A zero point has the mean bits of the codes, so that all of them take codes / groupSize.
      return Self.groups(of: module).map { codes + 16 * $0 + codes / Double(module.weights) * $0 }
    case .prismaquant: return Self.groups(of: module).map { codes + 16 * $0 }
    case .exl2: return module.exl2Bits
    case .trueBytes: return nil
    }
  }

  /// What the bits are divided by.
  ///
  /// - Parameters:
  ///   - modules: All quantized modules of the model.
  ///   - unquantized: The other tensors; only counted by `gguf-bpw`.
  /// - Returns: Weights, for `alphaq-bpp` linears; nil if nothing is counted, for `gguf-bpw`
  ///   without the other tensors, and for `true-bytes`.
  public func denominator(
    of modules: [QuantizedModule], unquantized: UnquantizedTensors? = nil
  ) -> Double? {
    let counted = modules.filter { counts($0.part) }
    let weights = counted.reduce(0) { $0 + Double($1.weights) }
    let denominator: Double? =
      switch self {
      case .trueBytes: nil
      case .alphaqBPP: counted.reduce(0) { $0 + Double($1.linears) }
      case .ggufBPW: unquantized.map { weights + Double($0.weights) }
      default: weights
      }
    return denominator.flatMap { $0 > 0 ? $0 : nil }
  }

  /// The value for these modules, or nil where they do not determine it.
  ///
  /// - Parameters:
  ///   - modules: All quantized modules of the model.
  ///   - unquantized: The other tensors, for `gguf-bpw`.
  /// - Returns: (Σ of the costs, and the bits of other tensors if counted) / denominator.
  public func value(
    of modules: [QuantizedModule], unquantized: UnquantizedTensors? = nil
  ) -> Double? {
    guard let denominator = denominator(of: modules, unquantized: unquantized) else { return nil }
    var bits = self == .ggufBPW ? unquantized?.bits ?? 0 : 0
    for module in modules {
      guard let cost = cost(of: module) else { return nil }
      bits += cost
    }
    return bits / denominator
  }

  /// Every ledger that can be told, by name.
  ///
  /// - Parameters:
  ///   - modules: All quantized modules of the model.
  ///   - fileBytes: Bytes of the written files, if there are any.
  ///   - unquantized: The other tensors, if known.
  /// - Returns: Bits per weight; bits per linear for `alphaq-bpp`; bytes for `true-bytes`.
  public static func values(
    of modules: [QuantizedModule], fileBytes: Int? = nil, unquantized: UnquantizedTensors? = nil
  ) -> [String: Double] {
    var values: [String: Double] = [:]
    for ledger in allCases {
      values[ledger.rawValue] = ledger.value(of: modules, unquantized: unquantized)
    }
    values[trueBytes.rawValue] = fileBytes.map(Double.init)
    return values
  }

  /// Groups of a module, as the ledgers count them: a short last group as the share it fills.
  private static func groups(of module: QuantizedModule) -> Double? {
    guard let groupSize = module.groupSize, groupSize > 0, module.weights > 0 else { return nil }
    return Double(module.weights) / Double(groupSize)
  }
}
