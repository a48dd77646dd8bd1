import Foundation
import JSON

/// JSON that need not be valid: numbers are any text, keys may stand twice.
indirect enum JSONNode {
  /// Written as it is.
  case raw(String)
  case array([JSONNode])
  case object([(key: String, value: JSONNode)])

  init(_ value: JSONValue) {
    switch value {
    case .array(let elements): self = .array(elements.map(JSONNode.init))
    case .object(let object): self = .object(object.members.map { ($0.key, JSONNode($0.value)) })
    default: self = .raw(CanonicalJSON.text(value))
    }
  }

  /// Places in it, itself included.
  var count: Int {
    switch self {
    case .raw: 1
    case .array(let elements): elements.reduce(1) { $0 + $1.count }
    case .object(let members): members.reduce(1) { $0 + $1.value.count }
    }
  }

  var bytes: [UInt8] {
    var out: [UInt8] = []
    write(to: &out)
    return out
  }

  private func write(to out: inout [UInt8]) {
    switch self {
    case .raw(let text): out += text.utf8
    case .array(let elements):
      out.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        element.write(to: &out)
      }
      out.append(UInt8(ascii: "]"))
    case .object(let members):
      out.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        out += CanonicalJSON.text(.string(member.key)).utf8
        out.append(UInt8(ascii: ":"))
        member.value.write(to: &out)
      }
      out.append(UInt8(ascii: "}"))
    }
  }

  /// Changes the place of this number, counted as ``count`` counts.
  mutating func change(_ place: Int, _ body: (inout JSONNode) -> Void) {
    guard place > 0 else { return body(&self) }
    var rest = place - 1
    switch self {
    case .raw: break
    case .array(var elements):
      guard let index = Self.child(&rest, elements.map(\.count)) else { return }
      self = .raw("")
      elements[index].change(rest, body)
      self = .array(elements)
    case .object(var members):
      guard let index = Self.child(&rest, members.map(\.value.count)) else { return }
      self = .raw("")
      members[index].value.change(rest, body)
      self = .object(members)
    }
  }

  private static func child(_ rest: inout Int, _ counts: [Int]) -> Int? {
    for (index, count) in counts.enumerated() {
      if rest < count { return index }
      rest -= count
    }
    return nil
  }
}
