import JSON
import Statistics
import Tensors

/// A change of a JSON document that leaves it well-formed, or nearly.
enum JSONMutation {
  private static let scalars = [
    "-1", "0", "1", "2", "3", "7", "8", "16", "255", "256", "65535", "65536", "1048576",
    "2147483647", "2147483648", "4294967296", "9007199254740991", "9007199254740992",
    "9007199254740993", "4611686018427387904", "9223372036854774784", "9223372036854775807",
    "9223372036854775808", "18446744073709551615", "-2147483649", "-9223372036854775808", "1e308",
    "-1e308", "5e-324", "1e-9", "0.5", "2.5", "-0", "1e400", "NaN", "Infinity", "null", "true",
    "false", "\"\"", "\"0\"", "\"\\u0000\"", "\"\\ud83d\\ude00e\\u0301\"", "\"../x\"", "[]", "{}",
    "\"experts.0.gate_up_proj\"", "\".\"", "\"..\"", "\"a.b\"", "\"/\"", "[0]", "[[]]", "{\"\":0}",
  ]

  static func apply(
    to root: inout JSONNode, donor: JSONNode, using random: inout SeededGenerator
  ) {
    let place = random.below(root.count)
    var generator = random
    root.change(place) { change(&$0, donor: donor, using: &generator) }
    random = generator
    _ = random.next()
  }

  private static func change(
    _ node: inout JSONNode, donor: JSONNode, using random: inout SeededGenerator
  ) {
    switch (node, random.below(4)) {
    case (.array(let elements), 1...): node = .array(changed(elements, using: &random))
    case (.object(let members), 1...): node = .object(changed(members, using: &random))
    default: node = replacement(of: node, donor: donor, using: &random)
    }
  }

  private static func replacement(
    of node: JSONNode, donor: JSONNode, using random: inout SeededGenerator
  ) -> JSONNode {
    switch random.below(12) {
    case 0: return .raw(longText(using: &random))
    case 1: return nested(node, using: &random)
    case 2, 3: return part(of: donor, using: &random)
    default: return .raw(scalars[random.below(scalars.count)])
    }
  }

  private static func longText(using random: inout SeededGenerator) -> String {
    let units = ["a", ".", "a.", "/", "é", "0", " ", "Ġ", "▁", "\\n", "\\u0000", "\\ud83d\\ude00"]
    let unit = units[random.below(units.count)]
    return "\"" + String(repeating: unit, count: 1 << random.below(random.below(8) == 0 ? 18 : 12))
      + "\""
  }

  private static func nested(_ node: JSONNode, using random: inout SeededGenerator) -> JSONNode {
    let levels = [1, 2, 100, 127, 128, 129, 5_000][random.below(7)]
    let (open, close) = random.below(2) == 0 ? ("[", "]") : ("{\"a\":", "}")
    // As a text, since walking so deep a tree again and again would take most of the time.
    return .raw(
      String(repeating: open, count: levels) + String(decoding: node.bytes, as: UTF8.self)
        + String(repeating: close, count: levels))
  }

  private static func part(of donor: JSONNode, using random: inout SeededGenerator) -> JSONNode {
    var (found, donor) = (donor, donor)
    donor.change(random.below(donor.count)) { found = $0 }
    return found
  }

  private static func changed(
    _ elements: [JSONNode], using random: inout SeededGenerator
  ) -> [JSONNode] {
    guard !elements.isEmpty else { return [.raw(scalars[random.below(scalars.count)])] }
    var elements = elements
    let (a, b) = (random.below(elements.count), random.below(elements.count))
    switch random.below(4) {
    case 0: elements.remove(at: a)
    case 1: elements.insert(elements[a], at: b)
    case 2: elements.swapAt(a, b)
    default: elements.removeSubrange(a...)
    }
    return elements
  }

  private static func changed(
    _ members: [(key: String, value: JSONNode)], using random: inout SeededGenerator
  ) -> [(key: String, value: JSONNode)] {
    guard !members.isEmpty else { return [("a", .raw(scalars[random.below(scalars.count)]))] }
    var members = members
    let (a, b) = (random.below(members.count), random.below(members.count))
    switch random.below(6) {
    case 0: members.remove(at: a)
    case 1: members.insert(members[a], at: b)
    case 2: members[a].value = members[b].value
    case 3: (members[a].value, members[b].value) = (members[b].value, members[a].value)
    case 4: members[a].key += ["s", ".", "x.y", "\u{0}", "é", "/", ".weight"][random.below(7)]
    default: members[a].key = ["", "a", ".", "0", "model", "weight_map"][random.below(6)]
    }
    return members
  }
}
