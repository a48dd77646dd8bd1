import Foundation
import JSON
import Testing

@Suite struct JSONTests {
  // Vectors of RFC 8785, appendix B: IEEE 754 bits and ECMAScript text.
  @Test(
    "numbers are written as ECMAScript writes them",
    arguments: [
      (0x0000_0000_0000_0000, "0"), (0x8000_0000_0000_0000, "0"),
      (0x0000_0000_0000_0001, "5e-324"), (0x8000_0000_0000_0001, "-5e-324"),
      (0x7FEF_FFFF_FFFF_FFFF, "1.7976931348623157e+308"),
      (0x4340_0000_0000_0000, "9007199254740992"), (0xC340_0000_0000_0000, "-9007199254740992"),
      (0x4430_0000_0000_0000, "295147905179352830000"),
      (0x44B5_2D02_C7E1_4AF5, "9.999999999999997e+22"), (0x44B5_2D02_C7E1_4AF6, "1e+23"),
      (0x44B5_2D02_C7E1_4AF7, "1.0000000000000001e+23"),
      (0x444B_1AE4_D6E2_EF4E, "999999999999999700000"),
      (0x444B_1AE4_D6E2_EF4F, "999999999999999900000"), (0x444B_1AE4_D6E2_EF50, "1e+21"),
      (0x3EB0_C6F7_A0B5_ED8C, "9.999999999999997e-7"), (0x3EB0_C6F7_A0B5_ED8D, "0.000001"),
      (0x41B3_DE43_5555_5553, "333333333.3333332"), (0x41B3_DE43_5555_5555, "333333333.3333333"),
      (0xBECB_F647_612F_3696, "-0.0000033333333333333333"),
      (0x4314_3FF3_C1CB_0959, "1424953923781206.2"),
    ] as [(UInt64, String)])
  func numbers(bits: UInt64, text: String) {
    #expect(CanonicalJSON.number(Double(bitPattern: bits)) == text)
  }

  @Test("small and large numbers change to exponents where ECMAScript does")
  func exponents() {
    #expect(CanonicalJSON.number(1e-7) == "1e-7")
    #expect(CanonicalJSON.number(1e20) == "100000000000000000000")
    #expect(CanonicalJSON.number(-2.5) == "-2.5")
    #expect(CanonicalJSON.number(120) == "120")
  }

  @Test("keys are sorted by UTF-16 code units, as in RFC 8785, section 3.2.3")
  func keyOrder() throws {
    let text = #"""
      {"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
       "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",
       "\u00f6": "Latin Small Letter O With Diaeresis"}
      """#
    let object = try #require(try JSONParser.parse(text).objectValue)
    #expect(
      object.sortedMembers.map { $0.value.stringValue?.prefix(5) } == [
        "Carri", "One", "Contr", "Latin", "Euro ", "Emoji", "Hebre",
      ])
  }

  @Test("strings and literals are written as in RFC 8785, section 3.2.2")
  func structure() throws {
    let text = #"""
      {"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
       "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}
      """#
    let expected =
      #"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"#
      + #""string":"€$\u000f\nA'B\"\\\\\"/"}"#
    #expect(CanonicalJSON.text(try JSONParser.parse(text)) == expected)
  }

  @Test(
    "errors say line and column",
    arguments: [
      ("{\"a\": 1,\n  \"a\": 2}", 2, 3), ("[1,\n 2,]", 2, 4), ("{\"é\": tru}", 1, 7),
      ("[NaN]", 1, 2), ("[01]", 1, 2), ("[1.]", 1, 2), ("[\"a\nb\"]", 1, 4), ("", 1, 1),
      ("[1] 2", 1, 5), ("{\"a\" 1}", 1, 6), ("[\"\\ud800\"]", 1, 3), ("[\"\\x\"]", 1, 3),
      ("[9007199254740993]", 1, 2), ("[1e999]", 1, 2), ("{a: 1}", 1, 2), ("[\"a", 1, 4),
      ("// no\n1", 1, 1),
    ])
  func places(text: String, line: Int, column: Int) throws {
    let error = #expect(throws: JSONSyntaxError.self) { try JSONParser.parse(text) }
    #expect(error?.line == line, "\(error.map { "\($0)" } ?? "")")
    #expect(error?.column == column, "\(error.map { "\($0)" } ?? "")")
  }

  @Test("a duplicate key is named")
  func duplicate() {
    let error = #expect(throws: JSONSyntaxError.self) { try JSONParser.parse(#"{"x":1,"x":2}"#) }
    #expect(
      error?.description
        == #"line 1, column 8: The key "x" stands twice in one object; remove one."#)
  }

  @Test("no bytes trap the parser")
  func noTrap() {
    var random = SystemRandomNumberGenerator()
    let alphabet = Array(#"{}[]",:\u0dD8eE+-.1tnf "#.utf8) + [0, 0xFF, 0xC3, 0xF0]
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0...12, using: &random)).map { _ in
        alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
      }
      _ = try? JSONParser.parse(Data(bytes))
    }
    let deep = String(repeating: "[", count: 100_000)
    #expect(throws: JSONSyntaxError.self) { try JSONParser.parse(deep) }
  }

  @Test("canonical and pretty text read back as the same value")
  func roundTrip() throws {
    let value: JSONValue = [
      "b": [1, 2.5, ["deep": nil]], "a": "tab\t\u{1}", "empty": [:], "none": [], "yes": true,
    ]
    #expect(try JSONParser.parse(CanonicalJSON.text(value)) == value)
    #expect(try JSONParser.parse(PrettyJSON.text(value)) == value)
    #expect(try value.decoded(as: JSONValue.self) == value)
    #expect(try JSONValue(encoding: value) == value)
  }

  @Test("objects are equal whatever their order, and keep it")
  func order() throws {
    let (one, two) = (
      try JSONParser.parse(#"{"a":1,"b":2}"#), try JSONParser.parse(#"{"b":2,"a":1}"#)
    )
    #expect(one == two)
    #expect(two.objectValue?.keys == ["b", "a"])
  }

  @Test("pointers escape as RFC 6901 says and find their values")
  func pointers() throws {
    #expect(JSONPointer(["a/b", "m~n", "0"]).description == "/a~1b/m~0n/0")
    let value: JSONValue = ["a": [["b": 7]]]
    #expect(value.value(at: JSONPointer(["a", "0", "b"])) == 7)
    #expect(value.value(at: JSONPointer(["a", "1"])) == nil)
  }

  @Test("a dotted path merges objects, replaces the rest and sets null")
  func mergePatch() throws {
    var value: JSONValue = ["quantizer": ["method": "rtn", "groupSize": 64], "budget": 3]
    value.set("quantizer", to: ["method": "gptq"])
    #expect(value["quantizer"] == ["method": "gptq", "groupSize": 64])
    value.set("budget.experts", to: 2.5)
    #expect(value["budget"] == ["experts": 2.5])
    value.set("quantizer", to: nil)
    #expect(value["quantizer"] == .null)
    value.set("new.deep.path", to: true)
    #expect(value.value(at: JSONPointer(["new", "deep", "path"])) == true)
  }

  @Test("keys that Unicode calls equal are different keys")
  func keysAreBytes() throws {
    let object = try #require(try JSONParser.parse("{\"\u{E9}\": 1, \"e\u{301}\": 2}").objectValue)
    #expect(object.count == 2)
    #expect(object["\u{E9}"] == 1 && object["e\u{301}"] == 2)
  }

  @Test("a member that is removed leaves the others in their order")
  func removal() {
    var object: JSONObject = JSONObject([("a", 1), ("b", 2), ("c", 3), ("d", 4)])
    object["b"] = nil
    object["x"] = nil
    object["c"] = 30
    object["b"] = 5
    #expect(object.keys == ["a", "c", "d", "b"])
    #expect(object.keys.map { object[$0] } == [1, 30, 4, 5])
  }

  @Test("what is written canonically is read again, whole numbers above 2⁵³ too")
  func largeNumbers() throws {
    for value in [9_007_199_254_740_994, 95_484_786_169_237_550_000, 1e20, 9.27e25, -1e21, 1e300] {
      let written = CanonicalJSON.data([JSONValue(value)])
      #expect(try JSONParser.parse(written) == [JSONValue(value)])
      #expect(try JSONParser.parse(PrettyJSON.data([JSONValue(value)])) == [JSONValue(value)])
    }
  }

  @Test("what foreign writers take the liberty to write is admitted only where asked for")
  func liberties() throws {
    let python = Data("[NaN, -Infinity, Infinity]".utf8)
    let numbers = try JSONParser.parse(python, admitting: .nonFiniteNumbers).arrayValue?
      .compactMap(\.doubleValue)
    #expect(numbers?.first?.isNaN == true && numbers?.dropFirst() == [-.infinity, .infinity])
    let large = Data("[9007199254740993]".utf8)
    #expect(try JSONParser.parse(large, admitting: .roundedIntegers) == [9_007_199_254_740_992])
    for refused in [(python, JSONParser.Liberties.roundedIntegers), (large, .nonFiniteNumbers)] {
      #expect(throws: JSONSyntaxError.self) {
        try JSONParser.parse(refused.0, admitting: refused.1)
      }
    }
    #expect(throws: JSONSyntaxError.self) {
      try JSONParser.parse(Data("[nan]".utf8), admitting: .nonFiniteNumbers)
    }
  }

  @Test("numbers of every length read as Swift reads them")
  func numberLengths() throws {
    for digits in 1...16 {
      let text = String("1234567890123456".prefix(digits))
      for number in [text, "-" + text, text + ".5", text + "e3"] {
        #expect(try JSONParser.parse(number).doubleValue == Double(number))
      }
    }
    #expect(try JSONParser.parse("-0").doubleValue?.sign == .minus)
    #expect(throws: JSONSyntaxError.self) { try JSONParser.parse("00") }
  }

  @Test("one line for sentences has sorted keys and a space behind commas and colons")
  func line() {
    let value: JSONValue = ["b": [1, ["c": nil]], "a": "x\"", "e": [], "o": [:]]
    #expect(PrettyJSON.line(value) == #"{"a": "x\"", "b": [1, {"c": null}], "e": [], "o": {}}"#)
  }

  @Test(
    "the nearest name is that of fewest edits, if it is near",
    arguments: [
      ("gtpq", ["rtn", "gptq"], "gptq"), ("GPTK", ["RTN", "GPTQ"], "GPTQ"),
      ("color", ["format", "version", "units", "scores"], nil), ("x", ["y"], nil),
      ("tabels", ["tables"], "tables"), ("bit", ["bits", "bat"], "bat"), ("a", [], nil),
    ] as [(String, [String], String?)])
  func nearest(name: String, known: [String], expected: String?) {
    #expect(nearestName(to: name, among: known) == expected)
  }
}
