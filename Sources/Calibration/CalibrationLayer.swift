import Foundation
import HDF5
import MoEModels
import Tensors

/// The statistics of one layer, read from its file piece by piece.
public struct CalibrationLayer: Sendable {
  static let format = "assay.calibration"
  static let formatVersion = "1.2.0"
  static let howTo = """
    hessian is the lower triangle of S = sum of x x^T, row by row: H = np.zeros((n, n)); \
    H[np.tril_indices(n)] = v; H = H + np.tril(H, -1).T. Means are S / tokens.
    """

  public let layer: Int
  private let file: HDF5Reader

  /// How often each expert was chosen.
  public let count: [Int64]
  /// Σ of its softmax probabilities when chosen, before renormalization.
  public let weightBefore: [Double]
  /// Σ of the weights applied to its output.
  public let weightAfter: [Double]
  /// Tokens that went through the layer, N.
  public let tokens: Int
  /// Σ ‖y‖² of the MoE block's output over these tokens.
  public let outputEnergy: Double
  /// Σ cos(x, x + y) over these tokens, x being the residual stream before the MoE block and y the
  /// block's output; nil in files of version 1.0.
  public let cosineSum: Double?
  /// Σ 1 / ‖x + y‖² over these tokens: the residual stream after the block; nil in files of versions
  /// before 1.2.
  public let inverseResidualEnergy: Double?

  /// Opens `layer-NN.h5` in a calibration folder.
  ///
  /// - Parameters:
  ///   - layer: Which.
  ///   - directory: The calibration folder.
  ///   - experts: Routed experts of the layer; 0 where it has one MLP for all tokens.
  /// - Throws: ``HDF5Error``.
  public init(_ layer: Int, in directory: URL, experts: Int) throws(HDF5Error) {
    self.layer = layer
    file = try HDF5Reader(Self.url(layer, in: directory))
    let format = try file.textAttribute("format")
    guard format == Self.format else {
      throw .wrongFormat(path: file.path, expected: Self.format, found: format)
    }
    let version = try file.textAttribute("format_version")
    guard version.hasPrefix("1.") else {
      throw .wrongFormat(
        path: file.path, expected: "\(Self.format) 1.x", found: "\(format) \(version)")
    }
    let root = Self.group(layer)
    let routed = experts > 0
    count = routed ? try file.read("\(root)/router/count", count: experts) : []
    weightBefore = routed ? try file.read("\(root)/router/weight_before", count: experts) : []
    weightAfter = routed ? try file.read("\(root)/router/weight_after", count: experts) : []
    tokens = Int(try file.integerAttribute("tokens", of: "\(root)/moe"))
    outputEnergy = try file.read("\(root)/moe/output_energy", as: Double.self, count: 1)[0]
    let (opened, moe) = (file, "\(root)/moe")
    func added(_ name: String) throws(HDF5Error) -> Double? {
      let name = "\(moe)/\(name)"
      return opened.contains(name) ? try opened.read(name, as: Double.self, count: 1)[0] : nil
    }
    cosineSum = try added("cosine_sum")
    inverseResidualEnergy = try added("inverse_residual_energy")
  }

  /// S = Σ x xᵀ of an input, as far as it was kept.
  ///
  /// - Parameters:
  ///   - site: The input.
  ///   - order: Channels that it must have.
  /// - Returns: S of order `order`, without damping.
  /// - Throws: ``HDF5Error``.
  public func sum(at site: InputSite, order: Int) throws(HDF5Error) -> SecondMoments {
    try moments("\(Self.group(layer))/\(site.path)/hessian", order: order)
  }

  /// S_w = Σ w² x xᵀ of an expert's input, w being the routing weight.
  ///
  /// - Parameters:
  ///   - site: The input, of a calibration that has ``routingWeightSquares(at:)``.
  ///   - order: Channels that it must have.
  /// - Returns: S_w of order `order`, without damping.
  /// - Throws: ``HDF5Error``.
  public func routingWeightedSum(
    at site: InputSite, order: Int
  ) throws(HDF5Error) -> SecondMoments {
    try moments("\(Self.group(layer))/\(site.path)/hessian_routing_weighted", order: order)
  }

  /// Σ w² over the tokens of an expert's input; nil if S_w was not asked for when calibrating.
  ///
  /// - Throws: ``HDF5Error``.
  public func routingWeightSquares(at site: InputSite) throws(HDF5Error) -> Double? {
    let name = "\(Self.group(layer))/\(site.path)/routing_weight_squares"
    guard file.datasets().contains(name) else { return nil }
    return try file.read(name, as: Double.self, count: 1)[0]
  }

  private func moments(_ name: String, order: Int) throws(HDF5Error) -> SecondMoments {
    let encoding = try file.textAttribute("encoding-type", of: name)
    switch encoding {
    case "packed-symmetric":
      return .full(
        SymmetricMatrix(
          order: order, packed: try file.read(name, count: order * (order + 1) / 2)))
    case "diagonal": return .diagonal(try file.read(name, count: order))
    case "packed-block-diagonal":
      let size = try file.integerAttribute("block_size", of: name)
      guard (1...Int64(Int32.max)).contains(size) else {
        throw .wrongFormat(
          path: file.path, expected: "a positive block_size of \(name)", found: "\(size)")
      }
      let storage = MomentStorage.blockDiagonal(blockSize: Int(size))
      return SecondMoments(
        packedBlocks: try file.read(name, count: storage.elementCount(order: order)),
        order: order, blockSize: Int(size))
    default:
      throw .wrongFormat(
        path: file.path,
        expected: "\(name) as packed-symmetric, packed-block-diagonal or diagonal",
        found: encoding)
    }
  }

  /// Rows that went into ``sum(at:order:)``.
  public func tokens(at site: InputSite) throws(HDF5Error) -> Int {
    Int(try file.integerAttribute("tokens", of: "\(Self.group(layer))/\(site.path)/hessian"))
  }

  /// Largest |x| of each channel.
  public func absmax(at site: InputSite) throws(HDF5Error) -> [Float] {
    try file.read("\(Self.group(layer))/\(site.path)/absmax")
  }

  static let modelAttribute = "model"

  /// Digest of the model that a folder was made from.
  ///
  /// - Parameter directory: The calibration folder.
  /// - Returns: nil where the writer did not know it.
  /// - Throws: ``HDF5Error`` if there is no file of the first layer.
  public static func model(in directory: URL) throws(HDF5Error) -> String? {
    let file = try HDF5Reader(url(0, in: directory))
    return try? file.textAttribute(modelAttribute)
  }

  static func group(_ layer: Int) -> String { "layers/\(padded(layer))" }

  /// Where the file of a layer lies in a calibration folder.
  public static func url(_ layer: Int, in directory: URL) -> URL {
    directory.appending(path: "layer-\(padded(layer)).h5")
  }

  private static func padded(_ layer: Int) -> String { layer < 10 ? "0\(layer)" : "\(layer)" }
}
