import JSON

extension PreTokenization {
  private static let supported =
    "null, ByteLevel, Split by a known pattern, Digits, Metaspace, or a Sequence of these"

  init(_ part: TokenizerPart) throws(TokenizerError) {
    if part.value.isNull { return }
    let components =
      part.type == "Sequence" ? try part.member("pretokenizers").elements() : [part]
    for component in components { try read(component) }
  }

  private mutating func read(_ part: TokenizerPart) throws(TokenizerError) {
    // The byte alphabet is written last: patterns behind it would see other characters.
    guard !isByteLevel else { throw part.unsupported("nothing behind ByteLevel") }
    switch part.type {
    case "ByteLevel": try readByteLevel(part)
    case "Split": try readSplit(part)
    case "Digits":
      try part.requireOnly(["type", "individual_digits"])
      stages.append(.digits(individual: try part.flag("individual_digits", otherwise: false)))
    case "Metaspace": try readMetaspace(part)
    default: throw part.unsupported(Self.supported)
    }
  }

  /// The defaults are those of the reference.
  private mutating func readByteLevel(_ part: TokenizerPart) throws(TokenizerError) {
    try part.requireOnly(["type", "add_prefix_space", "trim_offsets", "use_regex"])
    if try part.flag("add_prefix_space", otherwise: true) {
      guard stages.isEmpty, case .kept = spacing else {
        throw part.member("add_prefix_space").unsupported("false behind another component")
      }
      spacing = .prefixed
    }
    if try part.flag("use_regex", otherwise: true) { stages.append(.gpt2) }
    isByteLevel = true
  }

  private mutating func readSplit(_ part: TokenizerPart) throws(TokenizerError) {
    try part.requireOnly(["type", "pattern", "behavior", "invert"])
    guard part.member("behavior").value == .string("Isolated") else {
      throw part.member("behavior").unsupported("\"Isolated\"")
    }
    guard try !part.flag("invert", otherwise: false) else {
      throw part.member("invert").unsupported("false")
    }
    let pattern = part.member("pattern").member("Regex")
    guard let stage = pattern.value.stringValue.flatMap(Self.stage) else {
      throw pattern.unsupported(
        #"the pattern of GPT-2, of Qwen2 or of Llama 3, "\s+$", or the form "\s?[…]+""#)
    }
    stages.append(stage)
  }

  private static func stage(pattern: String) -> SplittingStage? {
    if pattern == GPT2Splitter.pattern { return .gpt2 }
    if pattern == #"\s+$"# { return .trailingSpace }
    return Qwen2Splitter(pattern: pattern).map { .qwen2($0) }
      ?? ClassRunSplitter(pattern: pattern).map { .classRun($0) }
  }

  private mutating func readMetaspace(_ part: TokenizerPart) throws(TokenizerError) {
    guard stages.isEmpty, case .kept = spacing else {
      throw part.unsupported("Metaspace in the first place")
    }
    let metaspace = try Metaspace(part)
    spacing = .marked(marker: metaspace.marker, scheme: metaspace.scheme)
    if metaspace.splits { stages.append(.markers(metaspace.marker)) }
  }
}

/// The settings of a `Metaspace` pre-tokenizer or decoder.
struct Metaspace {
  let marker: [UInt8]
  let scheme: PreTokenization.PrependScheme
  let splits: Bool

  init(_ part: TokenizerPart) throws(TokenizerError) {
    try part.requireOnly([
      "type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep",
    ])
    let text = try part.text("replacement")
    guard text.unicodeScalars.count == 1 else {
      throw part.member("replacement").unsupported("one character")
    }
    marker = Array(text.utf8)
    splits = try part.flag("split", otherwise: true)
    let prepends = try part.flag("add_prefix_space", otherwise: true)
    let name = part.member("prepend_scheme")
    let declared = name.value.isNull ? "always" : try part.text("prepend_scheme")
    guard let scheme = PreTokenization.PrependScheme(rawValue: declared) else {
      throw name.unsupported("\"always\", \"first\" or \"never\"")
    }
    // The reference refuses this contradiction, too.
    guard prepends || scheme == .never else {
      throw part.member("add_prefix_space").unsupported("true, or prepend_scheme \"never\"")
    }
    self.scheme = scheme
  }
}
