import JSON

/// In what a stage differs from an earlier execution of the stage of that name.
struct StageDifference: CustomStringConvertible {
  /// `budget.experts (2 → 3)`, `input corpus`, …; sorted.
  let changes: [String]

  init(of keyed: KeyedStage, from manifest: Manifest) {
    var changes: [String] = []
    if keyed.stage.epoch != manifest.epoch {
      changes.append("epoch (\(manifest.epoch) → \(keyed.stage.epoch))")
    }
    let (before, after) = (Self.leaves(manifest.parameters), Self.leaves(keyed.stage.parameters))
    for path in Set(before.keys).union(after.keys).sorted() where before[path] != after[path] {
      let (old, new) = (Self.shortened(before[path]), Self.shortened(after[path]))
      changes.append("\(path) (\(old) → \(new))")
    }
    let roles = Set(manifest.inputs.keys).union(keyed.inputDigests.keys).sorted()
    for role in roles where manifest.inputs[role] != keyed.inputDigests[role] {
      changes.append("input \(role)")
    }
    self.changes = changes
  }

  /// The first three and the number of the others.
  var description: String {
    changes.prefix(3).joined(separator: ", ")
      + (changes.count > 3 ? " and \(changes.count - 3) more" : "")
  }

  private static func shortened(_ value: String?) -> String {
    guard let value else { return "absent" }
    return value.count > 40 ? "\(value.prefix(39))…" : value
  }

  /// The difference from the manifest that differs least.
  static func nearest(to keyed: KeyedStage, among manifests: [Manifest]) -> StageDifference? {
    manifests.map { StageDifference(of: keyed, from: $0) }
      .min { ($0.changes.count, $0.description) < ($1.changes.count, $1.description) }
  }

  /// Dotted path → canonical text of every value that is not an object.
  static func leaves(_ value: JSONValue, at path: String = "") -> [String: String] {
    guard let object = value.objectValue, !object.isEmpty else {
      return [path: CanonicalJSON.text(value)]
    }
    return object.members.reduce(into: [:]) { leaves, member in
      let place = path.isEmpty ? member.key : "\(path).\(member.key)"
      leaves.merge(Self.leaves(member.value, at: place)) { $1 }
    }
  }
}
