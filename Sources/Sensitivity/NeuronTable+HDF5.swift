import BitAllocation
import Foundation
import HDF5
import MoEModels

/// Neuron tables as HDF5 arrays, the experts of a layer one after the other.
///
///     bits, layers                                 i64 [bits], [layers]
///     layer/<n>/block                              i64 [experts]
///         index of the routed expert; -1 the shared expert; -2 the MLP of a dense layer
///     layer/<n>/neurons, .../weights_per_neuron    i64 [experts]
///     layer/<n>/loss                               f32 [Σ neurons, bits]; NaN where not measured
///     layer/<n>/order                              i64 [Σ neurons], the neuron at each rank of its
///         expert
extension NeuronTable {
  static let format = "assay.neuron-table"

  /// Whether a file is a neuron table; others may be tables of units.
  ///
  /// - Parameter url: An HDF5 file.
  /// - Returns: Whether it says so.
  /// - Throws: ``HDF5Error``.
  public static func isNeuronTable(_ url: URL) throws(HDF5Error) -> Bool {
    try HDF5Reader(url).textAttribute("format") == format
  }

  /// Writes the table; experts of a layer must follow each other.
  ///
  /// - Parameter url: The file.
  /// - Throws: ``HDF5Error``.
  public func write(to url: URL) throws {
    let file = try HDF5Writer(url)
    try file.writeAttribute(Self.format, "format")
    try file.writeAttribute("1.0.0", "format_version")
    try file.write(bits.map { Int64($0) }, to: "bits")
    var layers: [ArraySlice<Expert>] = []
    for (place, expert) in experts.enumerated() {
      if let last = layers.last?.last, last.layer == expert.layer {
        layers[layers.count - 1] = experts[layers[layers.count - 1].startIndex...place]
      } else {
        layers.append(experts[place...place])
      }
    }
    try file.write(layers.map { Int64($0[$0.startIndex].layer) }, to: "layers")
    for group in layers {
      let root = "layer/\(group[group.startIndex].layer)"
      try file.write(group.map(\.block), to: "\(root)/block")
      try file.write(group.map { Int64($0.neurons) }, to: "\(root)/neurons")
      try file.write(group.map { Int64($0.weightsPerNeuron) }, to: "\(root)/weights_per_neuron")
      let neurons = group.reduce(0) { $0 + $1.neurons }
      let loss = group.flatMap { expert in
        expert.isMeasured
          ? expert.loss : [Float](repeating: .nan, count: expert.neurons * bits.count)
      }
      try file.write(loss, to: "\(root)/loss", shape: [neurons, bits.count])
      try file.write(group.flatMap { $0.order.map { Int64($0) } }, to: "\(root)/order")
    }
    try file.finish()
  }

  /// Reads what ``write(to:)`` wrote.
  ///
  /// - Parameter url: The file.
  /// - Throws: ``HDF5Error``, ``NeuronTableError``.
  public init(hdf5 url: URL) throws {
    let file = try HDF5Reader(url)
    let format = try file.textAttribute("format")
    guard format == Self.format else {
      throw HDF5Error.wrongFormat(path: file.path, expected: Self.format, found: format)
    }
    let bits = try (file.read("bits") as [Int64]).map { Int($0) }
    var experts: [Expert] = []
    for layer in try file.read("layers") as [Int64] {
      experts += try Self.experts(ofLayer: Int(layer), in: file, bits: bits.count)
    }
    try self.init(bits: bits, experts: experts)
  }

  private static func experts(
    ofLayer layer: Int, in file: HDF5Reader, bits: Int
  ) throws -> [Expert] {
    let root = "layer/\(layer)"
    let blocks: [Int64] = try file.read("\(root)/block")
    let neurons = try file.read("\(root)/neurons", as: Int64.self, count: blocks.count)
    let weights = try file.read("\(root)/weights_per_neuron", as: Int64.self, count: blocks.count)
    let order: [Int64] = try file.read("\(root)/order")
    let loss = try file.read("\(root)/loss", as: Float.self, count: order.count * bits)
    var (experts, start): ([Expert], Int) = ([], 0)
    for (index, code) in blocks.enumerated() {
      let block = try GatedBlock(code: code, in: file, at: "\(root)/block")
      guard neurons[index] > 0, neurons[index] <= order.count - start,
        weights[index] > 0, weights[index] <= Int64(Int32.max)
      else {
        throw HDF5Error.wrongFormat(
          path: file.path,
          expected: "\(root) with positive sizes that sum to \(order.count) neurons",
          found: "\(neurons[index]) neurons of \(weights[index]) weights")
      }
      let range = start..<start + Int(neurons[index])
      let losses = loss[range.lowerBound * bits..<range.upperBound * bits]
      experts.append(
        Expert(
          id: LinearModule.unit(layer: layer, block), layer: layer, expert: block.expert,
          weightsPerNeuron: Int(weights[index]),
          loss: losses.allSatisfy(\.isNaN) ? [] : Array(losses),
          // What is not an index becomes one that the table refuses.
          order: order[range].map { Int32(exactly: $0) ?? -1 }))
      start = range.upperBound
    }
    guard start == order.count else {
      throw HDF5Error.wrongCount(
        path: file.path, object: "\(root)/order", expected: start, found: order.count)
    }
    return experts
  }
}

extension NeuronTable.Expert {
  fileprivate var block: Int64 { expert.map { Int64($0) } ?? (id.hasSuffix(".shared") ? -1 : -2) }
}

extension GatedBlock {
  fileprivate init(code: Int64, in file: HDF5Reader, at name: String) throws(HDF5Error) {
    switch code {
    case -2: self = .dense
    case -1: self = .shared
    case 0...Int64(Int32.max): self = .expert(Int(code))
    default:
      throw .wrongFormat(path: file.path, expected: "\(name) of -2 or more", found: "\(code)")
    }
  }
}
