import Experiments
import Foundation

/// An analysis as a section of a report.
struct AnalysisSection {
  let experiment: String
  let analysis: ReportAnalysis

  var markdown: String {
    var sections = ["## \(analysis.name)\n"]
    if let caption = analysis.caption { sections.append("\(caption)\n") }
    for (index, part) in analysis.parts.enumerated() {
      if let title = part.title { sections.append("### \(title)\n") }
      sections += part.result.tables.map(\.markdown)
      sections += part.result.figures.map { figure in
        let alternative = figure.caption.filter { !"[]\n".contains($0) }
        return "![\(alternative)](\(path(of: figure, part: index)))\n\n"
          + "**Figure \(figure.name).** \(figure.caption)\n"
      }
    }
    return sections.joined(separator: "\n")
  }

  /// The pictures, relative to the reports folder.
  func files() async throws -> [ReportFile] {
    var files: [ReportFile] = []
    for (index, part) in analysis.parts.enumerated() {
      for figure in part.result.figures {
        let picture = try await Gnuplot.svg(
          AnalysisFigureScript(figure: figure).text, title: figure.caption, figure: figure.name)
        files.append(ReportFile(path: path(of: figure, part: index), contents: picture))
      }
    }
    return files
  }

  private func path(of figure: AnalysisFigure, part: Int) -> String {
    let number = analysis.parts.count > 1 ? "-\(part + 1)" : ""
    return "figures/\(experiment)-\(analysis.name)-\(figure.name)\(number).svg"
  }
}
