import Checkpoints
import Foundation
import Tensors

/// Small safetensors files of the kinds that the fixtures do not hold.
enum SmallCheckpoints {
  static func all() throws -> [[UInt8]] {
    [
      try written(fused, [:]), try written(packed, layout), try written(sliced, slicedLayout),
      try written(forms, formLayout),
    ]
  }

  private static func tensor(_ name: String, _ type: ElementType, _ shape: [Int]) -> TensorPayload {
    let bytes = shape.reduce(type.byteCount, *)
    return TensorPayload(
      name: name, dtype: type, shape: shape, bytes: [UInt8](repeating: 1, count: bytes))
  }

  private static let fused = [
    tensor("model.layers.0.mlp.experts.gate_up_proj", .bfloat16, [2, 4, 2]),
    tensor("model.layers.0.mlp.experts.down_proj", .float32, [2, 2, 2]),
    tensor("model.norm.weight", .float16, [2]),
  ]

  /// One weight with every part, one without zeros and group index.
  private static let packed = [
    tensor("a.codes", .uint8, [2, 2]), tensor("a.scales", .float16, [2, 2]),
    tensor("a.zeros", .uint8, [2]), tensor("a.group_index", .int32, [4]),
    tensor("b.codes", .uint8, [1, 3]), tensor("b.scales", .float16, [1, 1]),
    tensor("c.weight", .float32, [2, 2]),
  ]
  private static let layout = ["a.weight": "4/2/4", "b.weight": "3/128/8"]

  /// Neurons 1 and 0 at 4 and 2 bits: rows of gate, columns of down.
  private static let sliced = [
    tensor("g.slice0.codes", .uint8, [1, 2]), tensor("g.slice0.scales", .float16, [1, 1]),
    tensor("g.slice1.codes", .uint8, [1, 1]), tensor("g.slice1.scales", .float16, [1, 1]),
    tensor("g.neuron_order", .uint8, [1]),
    tensor("d.slice0.codes", .uint8, [2, 1]), tensor("d.slice0.scales", .float16, [2, 1]),
    tensor("d.slice1.codes", .uint8, [2, 1]), tensor("d.slice1.scales", .float16, [2, 1]),
  ]
  private static let slicedLayout = [
    "g.weight": "slices/rows/2/g.weight", "g.slice0.weight": "4/4/4", "g.slice1.weight": "2/4/4",
    "d.weight": "slices/columns/2/g.weight", "d.slice0.weight": "4/1/1", "d.slice1.weight": "2/1/1",
  ]

  /// Codebooks with a sparse part, and groups of outputs.
  private static let forms = [
    tensor("k.codes", .uint8, [1, 1]), tensor("k.codebooks", .float16, [1, 2, 4]),
    TensorPayload(
      name: "k.sparse_rows", dtype: .uint32, shape: [2], bytes: [0, 0, 0, 0, 1, 0, 0, 0]),
    tensor("k.sparse_columns", .uint16, [1]), tensor("k.sparse_values", .float16, [1]),
    tensor("t.codes", .uint8, [2, 1]), tensor("t.scales", .float16, [2, 1]),
  ]
  private static let formLayout = [
    "k.weight": "codebooks/2/2/4", "t.weight": "input-channel/3/2/2",
  ]

  private static func written(
    _ tensors: [TensorPayload], _ metadata: [String: String]
  ) throws -> [UInt8] {
    let file = URL(filePath: "/dev/shm/assay-fuzz-\(getpid()).seed")
    defer { unlink(file.path) }
    try SafeTensorsWriter.write(tensors, metadata: metadata, to: file)
    return [UInt8](try Data(contentsOf: file))
  }
}
