import Foundation
import Subprocess

/// The plotting program.
enum Gnuplot {
  /// The most an SVG may hold.
  private static let outputLimit = 16 << 20

  /// Draws `script` as SVG without anything that depends on the machine or the moment.
  ///
  /// - Parameters:
  ///   - script: What to draw.
  ///   - title: Becomes the picture's title for screen readers.
  ///   - figure: Name of the figure, for errors.
  /// - Returns: The text of the SVG file.
  /// - Throws: ``ReportError/gnuplotMissing`` or ``ReportError/gnuplotFailed(figure:message:)``.
  static func svg(_ script: String, title: String, figure: String) async throws -> Data {
    let result: (status: TerminationStatus, output: String, message: String)
    do {
      // Init files, which `--default-settings` skips, and the locale would change the picture.
      let run = try await Subprocess.run(
        .name("gnuplot"), arguments: ["--default-settings", "-"],
        environment: .inherit.updating(["LC_ALL": "C", "GNUTERM": "svg"]),
        input: .string(script), output: .string(limit: outputLimit),
        error: .string(limit: outputLimit))
      result = (run.terminationStatus, run.standardOutput, run.standardError)
    } catch let error as SubprocessError where error.code == .executableNotFound {
      throw ReportError.gnuplotMissing
    }
    guard result.status.isSuccess, result.output.contains("</svg>") else {
      throw ReportError.gnuplotFailed(
        figure: figure, message: result.message.isEmpty ? "no picture" : result.message)
    }
    return Data(named(result.output, title: title).utf8)
  }

  /// Replaces gnuplot's own title and drops its version, which would differ between machines.
  private static func named(_ svg: String, title: String) -> String {
    svg.split(separator: "\n", omittingEmptySubsequences: false).compactMap { line in
      if line.hasPrefix("<desc>Produced by GNUPLOT") { return nil }
      return line == "<title>Gnuplot</title>" ? "<title>\(escaped(title))</title>" : String(line)
    }.joined(separator: "\n")
  }

  private static func escaped(_ text: String) -> String {
    var escaped = ""
    for character in text {
      switch character {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      default: escaped.append(character)
      }
    }
    return escaped
  }
}
