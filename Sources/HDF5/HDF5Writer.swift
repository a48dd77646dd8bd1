import CHDF5
import Foundation

/// Writes one HDF5 file that appears under its name only when it is complete.
///
/// Temporary file → flush → close → fsync → rename → fsync of the folder. A crash leaves at most a
/// file named `….tmp.<pid>`, never a half-written result.
public final class HDF5Writer {
  let target: URL
  private let temporary: URL
  /// Negative once it is closed.
  private(set) var file: hid_t
  private var isInPlace = false

  /// - Throws: ``HDF5Error/cannotCreate(path:reason:)``.
  public init(_ url: URL) throws(HDF5Error) {
    target = url
    temporary = url.deletingLastPathComponent().appending(
      path: "\(url.lastPathComponent).tmp.\(ProcessInfo.processInfo.processIdentifier)")
    let path = temporary.path
    unlink(path)
    let (file, reason) = HDF5Library.withLock { () -> (hid_t, String) in
      let access = H5Pcreate(assay_h5p_file_access())
      defer { H5Pclose(access) }
      H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V110)
      let file = H5Fcreate(path, assay_h5f_acc_excl(), hid_t(H5P_DEFAULT), access)
      return (file, file < 0 ? HDF5Library.lastError() : "")
    }
    guard file >= 0 else { throw .cannotCreate(path: url.path, reason: reason) }
    self.file = file
  }

  deinit {
    let file = file
    if file >= 0 { HDF5Library.withLock { _ = H5Fclose(file) } }
    if !isInPlace { unlink(temporary.path) }
  }

  /// Writes a dataset; groups on the way are made.
  ///
  /// - Parameters:
  ///   - values: Elements, row-major.
  ///   - name: Path such as `layers/00/router/count`.
  ///   - shape: Dimensions, slowest first; an empty list makes a scalar.
  /// - Throws: ``HDF5Error/failed(operation:path:object:reason:)``.
  public func write<Element: HDF5Element>(
    _ values: [Element], to name: String, shape: [Int]? = nil
  ) throws(HDF5Error) {
    let shape = shape ?? [values.count]
    precondition(values.count == shape.reduce(1, *), "\(values.count) elements as \(shape)")
    let (file, path) = (file, target.path)
    try HDF5Library.withLock { () throws(HDF5Error) in
      try Self.makeGroups(above: name, in: file, path: path)
      let dimensions = shape.map { hsize_t($0) }
      let space =
        shape.isEmpty
        ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(shape.count), dimensions, nil)
      defer { H5Sclose(space) }
      let creation = H5Pcreate(assay_h5p_dataset_create())
      defer { H5Pclose(creation) }
      // Two identical runs must give identical files.
      H5Pset_obj_track_times(creation, false)
      let dataset = H5Dcreate2(
        file, name, Element.fileType, space, hid_t(H5P_DEFAULT), creation, hid_t(H5P_DEFAULT))
      guard dataset >= 0 else { throw Self.failure("creation", path, name) }
      let status = H5Dwrite(
        dataset, Element.fileType, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), values)
      let reason = status < 0 ? HDF5Library.lastError() : nil
      // Closing writes what is left in a buffer.
      let closed = H5Dclose(dataset)
      guard status >= 0, closed >= 0 else { throw Self.failure("writing", path, name, reason) }
    }
  }

  /// Writes a scalar attribute to the object of this name (`/` for the file).
  public func writeAttribute(
    _ value: Int64, _ attribute: String, of object: String = "/"
  )
    throws(HDF5Error)
  {
    var value = value
    try writeAttribute(type: Int64.fileType, attribute, object) { H5Awrite($0, $1, &value) }
  }

  public func writeAttribute(
    _ value: Double, _ attribute: String, of object: String = "/"
  )
    throws(HDF5Error)
  {
    var value = value
    try writeAttribute(type: Double.fileType, attribute, object) { H5Awrite($0, $1, &value) }
  }

  public func writeAttribute(
    _ value: String, _ attribute: String, of object: String = "/"
  )
    throws(HDF5Error)
  {
    let type = HDF5Library.withLock { () -> hid_t in
      let type = H5Tcopy(assay_h5t_c_s1())
      H5Tset_size(type, max(1, value.utf8.count))
      H5Tset_cset(type, H5T_CSET_UTF8)
      return type
    }
    defer { HDF5Library.withLock { _ = H5Tclose(type) } }
    let bytes = value.isEmpty ? [0] : Array(value.utf8)
    try writeAttribute(type: type, attribute, object) { H5Awrite($0, $1, bytes) }
  }

  /// Makes the file appear under its name.
  public func finish() throws(HDF5Error) {
    let (file, path) = (file, target.path)
    try HDF5Library.withLock { () throws(HDF5Error) in
      guard H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0 else { throw Self.failure("writing", path, "/") }
      let open = H5Fget_obj_count(file, assay_h5f_obj_all())
      precondition(open == 1, "\(open) HDF5 objects left open in \(path)")
    }
    // Also a failed attempt closes it: a second one would crash.
    self.file = -1
    try HDF5Library.withLock { () throws(HDF5Error) in
      guard H5Fclose(file) >= 0 else { throw Self.failure("closing", path, "/") }
    }
    try synchronize(temporary.path)
    guard rename(temporary.path, target.path) == 0 else {
      throw .cannotCreate(path: target.path, reason: String(cString: strerror(errno)))
    }
    isInPlace = true
    try synchronize(target.deletingLastPathComponent().path)
  }

  private func synchronize(_ path: String) throws(HDF5Error) {
    let descriptor = open(path, O_RDONLY)
    defer { if descriptor >= 0 { close(descriptor) } }
    guard descriptor >= 0, fsync(descriptor) == 0 else {
      throw .cannotCreate(path: path, reason: String(cString: strerror(errno)))
    }
  }

  private func writeAttribute(
    type: hid_t, _ attribute: String, _ object: String, _ write: (hid_t, hid_t) -> herr_t
  ) throws(HDF5Error) {
    let (file, path) = (file, target.path)
    try HDF5Library.withLock { () throws(HDF5Error) in
      if object != "/" { try Self.makeGroups(above: "\(object)/", in: file, path: path) }
      let space = H5Screate(H5S_SCALAR)
      defer { H5Sclose(space) }
      let id = H5Acreate_by_name(
        file, object, attribute, type, space, hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT),
        hid_t(H5P_DEFAULT))
      guard id >= 0 else { throw Self.failure("attribute \(attribute)", path, object) }
      defer { H5Aclose(id) }
      guard write(id, type) >= 0 else { throw Self.failure("attribute \(attribute)", path, object) }
    }
  }

  /// Makes the groups above the last slash of `name`, unless they or a dataset are there.
  static func makeGroups(
    above name: String, in file: hid_t, path: String
  )
    throws(HDF5Error)
  {
    var prefix = ""
    for part in name.split(separator: "/", omittingEmptySubsequences: false).dropLast() {
      prefix += prefix.isEmpty ? "\(part)" : "/\(part)"
      guard H5Lexists(file, prefix, hid_t(H5P_DEFAULT)) <= 0 else { continue }
      let creation = H5Pcreate(assay_h5p_group_create())
      defer { H5Pclose(creation) }
      H5Pset_obj_track_times(creation, false)
      let group = H5Gcreate2(file, prefix, hid_t(H5P_DEFAULT), creation, hid_t(H5P_DEFAULT))
      guard group >= 0 else { throw failure("group", path, prefix) }
      H5Gclose(group)
    }
  }

  static func failure(
    _ operation: String, _ path: String, _ object: String, _ reason: String? = nil
  ) -> HDF5Error {
    .failed(
      operation: operation, path: path, object: object, reason: reason ?? HDF5Library.lastError())
  }
}
