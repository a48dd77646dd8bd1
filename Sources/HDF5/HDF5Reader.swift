import CHDF5
import Foundation

/// Reads a complete HDF5 file; holds it open until it goes away.
public final class HDF5Reader: Sendable {
  public let path: String
  let file: hid_t

  /// - Throws: ``HDF5Error/cannotOpen(path:reason:)``.
  public init(_ url: URL) throws(HDF5Error) {
    let path = url.path
    self.path = path
    guard access(path, R_OK) == 0 else {
      throw .cannotOpen(path: path, reason: String(cString: strerror(errno)))
    }
    let (file, reason) = HDF5Library.withLock { () -> (hid_t, String) in
      let file = H5Fopen(path, assay_h5f_acc_rdonly(), hid_t(H5P_DEFAULT))
      return (file, file < 0 ? HDF5Library.lastError() : "")
    }
    guard file >= 0 else { throw .cannotOpen(path: path, reason: reason) }
    self.file = file
  }

  deinit {
    let file = file
    HDF5Library.withLock { _ = H5Fclose(file) }
  }

  public func contains(_ name: String) -> Bool {
    let file = file
    return HDF5Library.withLock {
      var prefix = ""
      for part in name.split(separator: "/") {
        prefix += prefix.isEmpty ? "\(part)" : "/\(part)"
        guard H5Lexists(file, prefix, hid_t(H5P_DEFAULT)) > 0 else { return false }
      }
      return true
    }
  }

  /// The dimensions of a dataset, slowest first; empty for a scalar.
  public func shape(of name: String) throws(HDF5Error) -> [Int] {
    try withDataset(name) { dataset throws(HDF5Error) in Self.shape(dataset) }
  }

  /// The stored number type in the words of ``HDF5Element/typeName``; `other` for foreign types.
  public func elementName(of name: String) throws(HDF5Error) -> String {
    try withDataset(name) { dataset throws(HDF5Error) in
      let type = H5Dget_type(dataset)
      defer { H5Tclose(type) }
      let known: [(hid_t, String)] = [
        (Float.fileType, Float.typeName), (Double.fileType, Double.typeName),
        (Int64.fileType, Int64.typeName), (UInt8.fileType, UInt8.typeName),
        (Int32.fileType, Int32.typeName),
      ]
      return known.first { H5Tequal($0.0, type) > 0 }?.1 ?? "other"
    }
  }

  /// A whole dataset, converted to `Element`.
  ///
  /// - Parameters:
  ///   - name: Path of the dataset.
  ///   - type: What its numbers become.
  ///   - count: Number of elements that it must have, if known.
  /// - Returns: The elements, row-major.
  /// - Throws: ``HDF5Error``.
  public func read<Element: HDF5Element>(
    _ name: String, as type: Element.Type = Element.self, count: Int? = nil
  ) throws(HDF5Error) -> [Element] {
    let path = path
    return try withDataset(name) { dataset throws(HDF5Error) in
      let found = Self.shape(dataset).reduce(1, *)
      if let count, found != count {
        throw .wrongCount(path: path, object: name, expected: count, found: found)
      }
      var values = [Element](repeating: .zero, count: found)
      let status = H5Dread(
        dataset, Element.fileType, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), &values)
      guard status >= 0 else {
        throw .failed(
          operation: "reading", path: path, object: name, reason: HDF5Library.lastError())
      }
      return values
    }
  }

  public func integerAttribute(
    _ attribute: String, of object: String = "/"
  ) throws(HDF5Error)
    -> Int64
  {
    try withAttribute(attribute, of: object) { id in
      var value: Int64 = 0
      return H5Aread(id, Int64.fileType, &value) >= 0 ? value : nil
    }
  }

  public func textAttribute(
    _ attribute: String, of object: String = "/"
  ) throws(HDF5Error)
    -> String
  {
    try withAttribute(attribute, of: object) { id in
      let type = H5Aget_type(id)
      defer { H5Tclose(type) }
      guard H5Tis_variable_str(type) <= 0 else { return nil }
      var bytes = [UInt8](repeating: 0, count: H5Tget_size(type))
      guard H5Aread(id, type, &bytes) >= 0 else { return nil }
      return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  /// Paths of all datasets, sorted.
  public func datasets() -> [String] {
    let file = file
    return HDF5Library.withLock {
      var names: [String] = []
      withUnsafeMutablePointer(to: &names) { pointer in
        _ = H5Ovisit2(
          file, H5_INDEX_NAME, H5_ITER_INC,
          { _, name, info, context in
            guard let name, let info, let context, info.pointee.type == H5O_TYPE_DATASET else {
              return 0
            }
            context.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name))
            return 0
          }, pointer, assay_h5o_info_basic())
      }
      return names.sorted()
    }
  }

  func withDataset<Result: Sendable>(
    _ name: String, _ body: (hid_t) throws(HDF5Error) -> Result
  ) throws(HDF5Error) -> Result {
    let (file, path) = (file, path)
    return try HDF5Library.withLock { () throws(HDF5Error) in
      let dataset = H5Dopen2(file, name, hid_t(H5P_DEFAULT))
      guard dataset >= 0 else {
        _ = HDF5Library.lastError()
        throw .missing(path: path, object: name)
      }
      defer { H5Dclose(dataset) }
      return try body(dataset)
    }
  }

  private func withAttribute<Result: Sendable>(
    _ attribute: String, of object: String, _ body: (hid_t) -> Result?
  ) throws(HDF5Error) -> Result {
    let (file, path) = (file, path)
    return try HDF5Library.withLock { () throws(HDF5Error) in
      let id = H5Aopen_by_name(
        file, object, attribute, hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT))
      guard id >= 0 else {
        _ = HDF5Library.lastError()
        throw .missing(path: path, object: "\(object)@\(attribute)")
      }
      defer { H5Aclose(id) }
      guard let value = body(id) else {
        throw .failed(
          operation: "reading attribute \(attribute)", path: path, object: object,
          reason: HDF5Library.lastError())
      }
      return value
    }
  }

  static func shape(_ dataset: hid_t) -> [Int] {
    let space = H5Dget_space(dataset)
    defer { H5Sclose(space) }
    let rank = Int(H5Sget_simple_extent_ndims(space))
    guard rank > 0 else { return [] }
    var dimensions = [hsize_t](repeating: 0, count: rank)
    H5Sget_simple_extent_dims(space, &dimensions, nil)
    return dimensions.map { Int($0) }
  }
}
