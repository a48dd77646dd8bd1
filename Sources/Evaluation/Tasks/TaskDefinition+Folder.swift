import Foundation
import JSON

extension TaskDefinition {
  /// Reads a definition by the name of its file, or by its path.
  ///
  /// - Parameters:
  ///   - reference: `hellaswag`, or `mine/puzzles.json`: what ends in `.json` is a path.
  ///   - folder: Has the definitions, one `NAME.json` each.
  /// - Returns: The definition.
  /// - Throws: ``TaskError/unknownTask(_:folder:nearest:known:)``, or what reading throws.
  public static func named(
    _ reference: String, in folder: URL
  ) throws(TaskError) -> TaskDefinition {
    if reference.hasSuffix(".json") { return try TaskDefinition(URL(filePath: reference)) }
    let known = names(in: folder)
    guard known.contains(reference) else {
      throw .unknownTask(
        reference, folder: folder.path, nearest: nearestName(to: reference, among: known),
        known: known)
    }
    return try TaskDefinition(folder.appending(path: "\(reference).json"))
  }

  /// The names of the definitions in a folder, sorted.
  ///
  /// - Parameter folder: Has files `NAME.json`.
  /// - Returns: The names, none if the folder cannot be read.
  public static func names(in folder: URL) -> [String] {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return files.filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()
  }

  /// The folder of rows that `make data` fills: `data` beside the folder of the definition.
  public var usualRows: URL {
    url.deletingLastPathComponent().appending(path: "../data").standardizedFileURL
  }

  /// The file of the rows.
  ///
  /// - Parameter folder: Of rows, or the file itself: what ends in `.jsonl` or `.gz`.
  /// - Returns: Its place, whether it is there or not.
  public func rowsURL(in folder: URL) -> URL {
    Self.isFile(folder) ? folder : place(of: source.rows, in: folder)
  }

  /// The file of the examples, nil if there are none before a question.
  ///
  /// - Parameter folder: Of rows, or their file; examples lie beside it.
  /// - Returns: Its place, whether it is there or not.
  public func examplesURL(in folder: URL) -> URL? {
    guard let fewShot, fewShot.count > 0 else { return nil }
    return place(
      of: fewShot.rows, in: Self.isFile(folder) ? folder.deletingLastPathComponent() : folder)
  }

  private static func isFile(_ rows: URL) -> Bool { ["jsonl", "gz"].contains(rows.pathExtension) }

  private func place(of rows: String, in folder: URL) -> URL {
    let isOwn = rows.hasPrefix("./") || rows.hasPrefix("../")
    let base = isOwn ? url.deletingLastPathComponent() : folder
    let place = base.appending(path: rows).standardizedFileURL
    // Compressed or not, the rows are the same.
    let plain = place.deletingPathExtension()
    let files = FileManager.default
    let isOnlyPlain = place.pathExtension == "gz" && !files.fileExists(atPath: place.path)
    return isOnlyPlain && files.fileExists(atPath: plain.path) ? plain : place
  }
}
