import Foundation
import JSON

/// The checked header of a safetensors file: which bytes belong to which tensor.
///
/// Layout: 8 bytes little-endian header length N, N bytes of JSON, then the data; offsets in the
/// JSON count from the end of the header.
/// - SeeAlso: https://github.com/huggingface/safetensors, "Format".
struct SafeTensorsHeader: Sendable {
  /// The limit of the reference implementation, in bytes.
  static let largestByteCount = 100_000_000

  private(set) var tensors: [String: TensorInfo] = [:]
  /// Where each tensor's bytes lie in the file.
  private(set) var ranges: [String: Range<Int>] = [:]
  let metadata: [String: String]

  /// Reads and checks the header.
  ///
  /// - Throws: ``CheckpointError`` if the length, an element type, a shape or an offset is not valid,
  ///   if tensors overlap, or if bytes belong to no tensor.
  init(_ file: MappedFile) throws(CheckpointError) {
    let dataStart = try Self.dataStart(of: file)
    let json = file.withBytes(in: 8..<dataStart) { Data($0) }
    let records: HeaderRecords
    do {
      records = try HeaderRecords(json)
    } catch {
      throw .malformedHeader(file: file.path, reason: "\(error)")
    }
    metadata = records.metadata
    let dataBytes = file.count - dataStart
    for (name, record) in records.tensors {
      let (info, range) = try record.checked(name: name, file: file.path, dataBytes: dataBytes)
      tensors[name] = info
      ranges[name] = range.lowerBound + dataStart..<range.upperBound + dataStart
    }
    try checkCoverage(of: dataStart..<file.count, file: file.path)
  }

  /// Replaces fused tensors by their parts, and names by those of per-expert checkpoints.
  func splitting(_ fused: FusedExperts) -> SafeTensorsHeader {
    var result = self
    for (name, info) in tensors {
      guard let range = ranges[name] else { continue }
      let whole = FusedExperts.Slice(
        name: fused.perExpertName(name), shape: info.shape, offset: 0)
      result.tensors[name] = nil
      result.ranges[name] = nil
      for slice in fused.slices(of: info) ?? [whole] {
        guard let part = TensorInfo(name: slice.name, dtype: info.dtype, shape: slice.shape) else {
          continue
        }
        let start = range.lowerBound + slice.offset * info.dtype.byteCount
        result.tensors[slice.name] = part
        result.ranges[slice.name] = start..<start + part.byteCount
      }
    }
    return result
  }

  private static func dataStart(of file: MappedFile) throws(CheckpointError) -> Int {
    guard file.count >= 8 else { throw .truncatedFile(file: file.path, bytes: file.count) }
    let length = file.withBytes(in: 0..<8) {
      UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self))
    }
    guard length <= largestByteCount, length <= file.count - 8 else {
      throw .headerOutOfRange(file: file.path, headerBytes: length, fileBytes: file.count)
    }
    return 8 + Int(length)
  }

  /// Every byte of the data belongs to exactly one tensor.
  private func checkCoverage(of data: Range<Int>, file: String) throws(CheckpointError) {
    let ordered = ranges.sorted {
      ($0.value.lowerBound, $0.value.upperBound, $0.key)
        < ($1.value.lowerBound, $1.value.upperBound, $1.key)
    }
    var (end, previous) = (data.lowerBound, "")
    for (name, range) in ordered {
      guard range.lowerBound >= end else {
        throw .overlappingTensors(file: file, first: previous, second: name)
      }
      guard range.lowerBound == end else {
        throw .unindexedBytes(
          file: file, begin: end - data.lowerBound, end: range.lowerBound - data.lowerBound)
      }
      (end, previous) = (range.upperBound, name)
    }
    guard end == data.upperBound else {
      throw .unindexedBytes(
        file: file, begin: end - data.lowerBound, end: data.upperBound - data.lowerBound)
    }
  }
}

/// The header's JSON before any check but of its types.
private struct HeaderRecords {
  var metadata: [String: String] = [:]
  var tensors: [String: TensorRecord] = [:]

  /// - Throws: `JSONSyntaxError` or ``UnexpectedValue``.
  init(_ json: Data) throws {
    let members = try JSONParser.parse(json, admitting: .roundedIntegers)
      .expect("an object", at: JSONPointer(), \.objectValue).members
    for (name, value) in members {
      let place = JSONPointer([name])
      if name == SafeTensorsWriter.metadataKey {
        for (key, text) in try value.expect("an object", at: place, \.objectValue).members {
          metadata[key] = try text.expect("a string", at: place.appending(key), \.stringValue)
        }
      } else {
        tensors[name] = try TensorRecord(value, at: place)
      }
    }
  }
}

/// One tensor's entry in the header's JSON.
private struct TensorRecord {
  let dtype: String
  let shape: [Int]
  let offsets: [Int]

  init(_ value: JSONValue, at place: JSONPointer) throws(UnexpectedValue) {
    func integers(_ key: String) throws(UnexpectedValue) -> [Int] {
      try value.member(key).expect("an array of integers", at: place.appending(key)) { list in
        let integers = list.arrayValue?.map(\.intValue)
        return integers?.contains(nil) == false ? integers?.compactMap(\.self) : nil
      }
    }
    dtype = try value.member("dtype")
      .expect("a string", at: place.appending("dtype"), \.stringValue)
    shape = try integers("shape")
    offsets = try integers("data_offsets")
  }

  /// The entry, once type, shape and offsets agree with each other and with the data's size.
  func checked(
    name: String, file: String, dataBytes: Int
  ) throws(CheckpointError) -> (TensorInfo, Range<Int>) {
    guard let type = ElementType(rawValue: dtype) else {
      throw .unknownElementType(file: file, tensor: name, found: dtype)
    }
    guard let info = TensorInfo(name: name, dtype: type, shape: shape) else {
      throw .invalidShape(file: file, tensor: name, shape: shape)
    }
    guard offsets.count == 2 else {
      throw .malformedHeader(
        file: file, reason: "tensor \(name) has \(offsets.count) data_offsets, expected 2")
    }
    let (begin, end) = (offsets[0], offsets[1])
    guard 0 <= begin, begin <= end, end <= dataBytes else {
      throw .offsetsOutOfRange(
        file: file, tensor: name, begin: begin, end: end, dataBytes: dataBytes)
    }
    guard end - begin == info.byteCount else {
      throw .wrongByteCount(
        file: file, tensor: name, expected: info.byteCount, found: end - begin)
    }
    return (info, begin..<end)
  }
}
