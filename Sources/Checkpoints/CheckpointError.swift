/// Why a checkpoint or one of its tensors cannot be read or written.
public enum CheckpointError: Error, Equatable {
  case cannotOpen(file: String, reason: String)
  case noWeights(directory: String)
  case truncatedFile(file: String, bytes: Int)
  case headerOutOfRange(file: String, headerBytes: UInt64, fileBytes: Int)
  case malformedHeader(file: String, reason: String)
  case unknownElementType(file: String, tensor: String, found: String)
  case invalidShape(file: String, tensor: String, shape: [Int])
  case offsetsOutOfRange(file: String, tensor: String, begin: Int, end: Int, dataBytes: Int)
  case wrongByteCount(file: String, tensor: String, expected: Int, found: Int)
  case overlappingTensors(file: String, first: String, second: String)
  case unindexedBytes(file: String, begin: Int, end: Int)
  case malformedIndex(file: String, reason: String)
  case missingShard(index: String, shard: String, tensor: String)
  case tensorNotInShard(index: String, shard: String, tensor: String)
  case missingTensor(directory: String, tensor: String)
  case wrongShape(file: String, tensor: String, expected: [Int], found: [Int])
  case notFloatingPoint(file: String, tensor: String, found: ElementType)
  case notFinite(file: String, tensor: String, index: Int, value: Float)
  case duplicateTensor(file: String, tensor: String)
  case reservedName(file: String, tensor: String)
  case cannotWrite(file: String, reason: String)
}

extension CheckpointError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .cannotOpen(let file, let reason):
      "Cannot open \(file): \(reason). Check the path and its permissions."
    case .noWeights(let directory):
      "\(directory) holds neither model.safetensors nor model.safetensors.index.json; "
        + "give the folder of a checkpoint in safetensors format."
    case .truncatedFile(let file, let bytes):
      "\(file) has \(bytes) bytes, a safetensors file has at least 8; download it again."
    case .headerOutOfRange(let file, let headerBytes, let fileBytes):
      "\(file) announces a header of \(headerBytes) bytes in a file of \(fileBytes) bytes "
        + "(largest header: \(SafeTensorsHeader.largestByteCount)); "
        + "the file is truncated or not in safetensors format, download it again."
    case .malformedHeader(let file, let reason):
      "The header of \(file) is not a valid safetensors header: \(reason.asClause). Write the file again."
    case .malformedIndex(let file, let reason):
      "\(file) is not a valid index of shards: \(reason.asClause). Download it again."
    case .missingShard(let index, let shard, let tensor):
      "\(index) places tensor \(tensor) in \(shard), which does not exist; download that shard."
    case .unindexedBytes(let file, let begin, let end):
      "Bytes \(begin)..<\(end) of the data in \(file) belong to no tensor; "
        + "the format forbids holes, write the file again."
    case .cannotWrite(let file, let reason):
      "Cannot write \(file): \(reason). Check the folder, its permissions and the free space."
    case .unknownElementType(let file, let tensor, let found):
      "Tensor \(tensor) in \(file) has element type \(found), supported are "
        + ElementType.allCases.map(\.rawValue).joined(separator: ", ") + "; convert the checkpoint."
    case .invalidShape(let file, let tensor, let shape):
      "Tensor \(tensor) in \(file) has the impossible shape \(shape); write the file again."
    case .offsetsOutOfRange(let file, let tensor, let begin, let end, let dataBytes):
      "Tensor \(tensor) in \(file) claims bytes \(begin)..<\(end) of \(dataBytes) bytes of data; "
        + "the file is truncated or damaged, download it again."
    case .wrongByteCount(let file, let tensor, let expected, let found):
      "Tensor \(tensor) in \(file) needs \(expected) bytes by its shape and element type, "
        + "found \(found); write the file again."
    case .overlappingTensors(let file, let first, let second):
      "Tensors \(first) and \(second) in \(file) share bytes; write the file again."
    case .tensorNotInShard(let index, let shard, let tensor):
      "\(index) places tensor \(tensor) in \(shard), which does not hold it; "
        + "index and shards are of different checkpoints, download them again."
    case .missingTensor(let directory, let tensor):
      "The checkpoint \(directory) has no tensor \(tensor); "
        + "check that config.json and the weights belong together."
    case .wrongShape(let file, let tensor, let expected, let found):
      "Tensor \(tensor) in \(file): expected shape \(expected), found \(found); "
        + "check that config.json and the weights belong together."
    case .notFloatingPoint(let file, let tensor, let found):
      "Tensor \(tensor) in \(file) has element type \(found.rawValue), expected F32, F16 or BF16; "
        + "a quantized checkpoint must be dequantized first."
    case .notFinite(let file, let tensor, let index, let value):
      "Tensor \(tensor) in \(file) holds \(value) at element \(index); "
        + "weights must be finite, use an undamaged checkpoint."
    case .duplicateTensor(let file, let tensor):
      "Tensor \(tensor) was given twice for \(file); give every tensor its own name."
    case .reservedName(let file, let tensor):
      "Tensor name \(tensor) is reserved by the format of \(file); choose another name."
    }
  }
}
