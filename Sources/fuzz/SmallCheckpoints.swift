import Checkpoints
import Foundation
import Tensors

/// Small safetensors files of the kinds that the fixtures do not hold.
enum SmallCheckpoints {
  static func all() throws -> [[UInt8]] { [try written(fused, [:]), try written(packed, layout)] }

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

  private static func written(
    _ tensors: [TensorPayload], _ metadata: [String: String]
  ) throws -> [UInt8] {
    let file = URL(filePath: "/dev/shm/assay-fuzz-\(getpid()).seed")
    defer { unlink(file.path) }
    try SafeTensorsWriter.write(tensors, metadata: metadata, to: file)
    return [UInt8](try Data(contentsOf: file))
  }
}
