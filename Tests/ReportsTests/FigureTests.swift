import Experiments
import Foundation
import Reports
import Testing

@Suite("Figures")
struct FigureTests {
  private func picture(
    _ runs: [SyntheticRun] = Synthetic.runs, figure: String = Synthetic.figure
  ) async throws -> String {
    let files = try await ReportRenderer(try Synthetic.data(runs, figures: figure)).files()
    let file = try #require(files.first { $0.path == "figures/tiny-curve.svg" })
    return String(decoding: file.contents, as: UTF8.self)
  }

  @Test("are drawn alike every time and name every series")
  func deterministic() async throws {
    let first = try await picture()
    let second = try await picture()
    #expect(first == second)
    for name in ["full precision (6.123)", "RTN", "GPTQ", "random", "bars: ± sample sd"] {
      #expect(first.contains(name), "\(name)")
    }
    // In the key, where no curve crosses it: at the same x as the other names, and above them.
    func place(_ name: String) throws -> (x: Double, y: Double) {
      let end = try #require(first.range(of: name))
      let start = try #require(
        first[..<end.lowerBound].range(of: "translate(", options: .backwards))
      let numbers = first[start.upperBound...].prefix { $0 != ")" }.split(separator: ",")
      return (try #require(Double(numbers[0])), try #require(Double(numbers[1])))
    }
    let (line, curve) = (try place("full precision ("), try place("RTN"))
    #expect(line.x == curve.x)
    #expect(line.y < curve.y)
    #expect(first.contains("<title>Perplexity against bits.</title>"))
    #expect(!first.contains("GNUPLOT"))
  }

  @Test("are logarithmic where y spans more than tenfold")
  func logarithmic() async throws {
    var runs = Synthetic.runs
    let linear = try await picture(runs)
    runs.append(SyntheticRun(method: "RTN", bits: "2.5", perplexity: 400))
    let logarithmic = try await picture(runs)
    #expect(!linear.contains("<text> 200</text>"))
    #expect(logarithmic.contains("<text> 200</text>"))
  }

  @Test("take labels as they are: quotes, brackets, underscores")
  func labels() async throws {
    let figure = """
      [{"name": "curve", "x": {"ledger": "expert-code-bits", "title": "it's <bits>_{x}"},
        "y": {"metric": "perplexity"}, "series": "method"}]
      """
    #expect(try await picture(figure: figure).contains("it's &lt;bits>_{x}"))
  }

  @Test("without a point are refused")
  func empty() async throws {
    let renderer = try ReportRenderer(try Synthetic.data([], figures: Synthetic.figure))
    await #expect(throws: ReportError.nothingToDraw(figure: "curve")) {
      _ = try await renderer.files()
    }
  }
}
