public import Foundation
import HDF5
public import MoEModels
public import Tensors

/// What ``GradientWriter`` wrote. Version 1.0:
///
///     sample.h5    attribute `model`            digest of the model; not in older files
///                  tokens                       i64 [tokens], sequence after sequence
///                  lengths                      i64 [sequences]
///                  losses                       f64 [sequences], mean -ln p of predicted tokens
///     layer-NN.h5  layers/NN/fisher/<tensor>    f32 [out, in], attribute `tokens`
///                  layers/NN/output/slopes      f32 [tokens, hidden]
public struct GradientFolder: Sendable {
  static let format = "assay.gradients"
  static let formatVersion = "1.0.0"

  public let url: URL

  /// - Parameter url: The folder; its files are opened when they are read.
  public init(_ url: URL) { self.url = url }

  /// The token windows behind the gradient.
  ///
  /// - Returns: Token ids, window by window.
  /// - Throws: ``HDF5Error``.
  public func sequences() throws(HDF5Error) -> [[Int32]] {
    let file = try reader(Self.sampleURL(url))
    let tokens: [Int64] = try file.read("tokens")
    let lengths: [Int64] = try file.read("lengths")
    guard lengths.allSatisfy({ (0...Int64(tokens.count)).contains($0) }),
      lengths.reduce(0, +) == Int64(tokens.count),
      tokens.allSatisfy({ Int32(exactly: $0) != nil })
    else {
      throw .wrongFormat(
        path: file.path, expected: "as many tokens as lengths add up to",
        found: "\(tokens.count) tokens and \(lengths.count) lengths")
    }
    var first = 0
    return lengths.map { length in
      defer { first += Int(length) }
      return tokens[first..<first + Int(length)].map { Int32(truncatingIfNeeded: $0) }
    }
  }

  /// Digest of the model that the folder was made from; nil where the writer did not know it.
  ///
  /// - Throws: ``HDF5Error`` if there is no sample.
  public func model() throws(HDF5Error) -> String? {
    let file = try reader(Self.sampleURL(url))
    return try? file.textAttribute(CalibrationLayer.modelAttribute)
  }

  /// ∂loss/∂(output of a layer), loss being the sum of -ln p over all predicted tokens.
  ///
  /// A layer adds its MoE's output to the residual stream, so that these are also the slopes of that.
  ///
  /// - Parameters:
  ///   - layer: Which.
  ///   - hidden: Channels that they must have.
  /// - Returns: `[tokens, hidden]`, tokens in the order of ``sequences()``.
  /// - Throws: ``HDF5Error``; ``GradientFolderError/notKept(_:path:)``.
  public func outputSlopes(layer: Int, hidden: Int) throws -> Matrix {
    let file = try reader(CalibrationLayer.url(layer, in: url))
    let name = Self.slopes(layer)
    guard file.contains(name) else {
      throw GradientFolderError.notKept("slopes of outputs", path: file.path)
    }
    let rows = try file.shape(of: name).first ?? 0
    return Matrix(
      rows: rows, columns: hidden, storage: try file.read(name, count: rows * hidden))
  }

  /// Whether a layer's Fisher diagonals were kept.
  ///
  /// - Parameter layer: Which.
  /// - Returns: False if only slopes of outputs were.
  /// - Throws: ``HDF5Error``.
  public func keepsFisher(layer: Int) throws(HDF5Error) -> Bool {
    let file = try reader(CalibrationLayer.url(layer, in: url))
    return file.datasets().contains { $0.hasPrefix("\(CalibrationLayer.group(layer))/fisher/") }
  }

  fileprivate func fisher(of module: LinearModule) throws -> Matrix {
    let file = try reader(CalibrationLayer.url(module.layer, in: url))
    let name = Self.fisher(module)
    guard file.contains(name) else {
      throw GradientFolderError.notKept(
        "Fisher diagonal of \(module.tensor)", path: file.path)
    }
    return Matrix(
      rows: module.rows, columns: module.columns,
      storage: try file.read(name, count: module.weights))
  }

  private func reader(_ file: URL) throws(HDF5Error) -> HDF5Reader {
    let reader = try HDF5Reader(file)
    let format = try reader.textAttribute("format")
    let version = try reader.textAttribute("format_version")
    guard format == Self.format, version.hasPrefix("1.") else {
      throw .wrongFormat(
        path: reader.path, expected: "\(Self.format) 1.x", found: "\(format) \(version)")
    }
    return reader
  }

  /// Where the token windows lie in a folder of gradients.
  public static func sampleURL(_ folder: URL) -> URL { folder.appending(path: "sample.h5") }

  static func slopes(_ layer: Int) -> String {
    "\(CalibrationLayer.group(layer))/output/slopes"
  }

  static func fisher(_ module: LinearModule) -> String {
    "\(CalibrationLayer.group(module.layer))/fisher/\(module.tensor)"
  }
}

/// The diagonal of a model's empirical Fisher information, read module by module.
///
///     F_ij = Σ over sequences of (∂ mean over the sequence's predicted tokens of -ln p / ∂ W_ij)²
///
/// as SqueezeLLM has it; a sum, not a mean. Experts that no token reached have zeros.
///
/// - SeeAlso: Kim et al. 2023, "SqueezeLLM", arXiv:2306.07629; METHODS §2.4.
public struct FisherDiagonal: Sendable {
  private let folder: GradientFolder

  /// - Parameter folder: That `assay gradients`, or the stage of that name, wrote.
  public init(_ folder: URL) { self.folder = GradientFolder(folder) }

  /// - Parameter module: Of the model that the folder was made of.
  /// - Returns: F, shape `[out, in]`, every element 0 or more.
  /// - Throws: ``HDF5Error``; ``GradientFolderError/notKept(_:path:)``.
  public func diagonal(of module: LinearModule) throws -> Matrix {
    try folder.fisher(of: module)
  }
}

/// What a folder of gradients does not hold.
public enum GradientFolderError: Error, Equatable, CustomStringConvertible {
  case notKept(String, path: String)

  public var description: String {
    switch self {
    case .notKept(let what, let path):
      "\(path) has no \(what); write gradients of this model again, with all that is kept."
    }
  }
}
