import Reports
import Testing

@Suite("Decimal text")
struct DecimalTextTests {
  @Test(
    "rounds the stored value, not the decimal that was meant",
    arguments: [
      (1.115, 2, "1.11"), (1.005, 2, "1.00"), (2.675, 2, "2.67"), (0.125, 2, "0.12"),
      (0.375, 2, "0.38"), (0.5, 0, "0"), (1.5, 0, "2"), (2.5, 0, "2"), (-0.04, 1, "0.0"),
      (-1.25, 1, "-1.2"), (1234.5678, 3, "1234.568"), (0, 3, "0.000"), (9.9996, 3, "10.000"),
    ])
  func fixed(value: Double, decimals: Int, text: String) {
    #expect(DecimalText.fixed(value, decimals: decimals) == text)
  }

  @Test(
    "keeps two significant digits but every digit before the point",
    arguments: [
      (0.0832, "0.083"), (1.26, "1.3"), (12.6, "13"), (126.4, "126"), (0.0996, "0.10"),
      (9.96, "10"), (0.995, "0.99"), (0, "0.0"),
    ])
  func significant(value: Double, text: String) {
    #expect(DecimalText.significant(value, digits: 2) == text)
  }

  @Test("names what is no number")
  func special() {
    #expect(DecimalText.fixed(.infinity, decimals: 2) == "∞")
    #expect(DecimalText.fixed(-.infinity, decimals: 2) == "-∞")
    #expect(DecimalText.fixed(.nan, decimals: 2) == "NaN")
  }

  @Test("groups thousands")
  func grouped() {
    #expect(DecimalText.grouped(1_234_567) == "1,234,567")
    #expect(DecimalText.grouped(-123) == "-123")
  }
}
