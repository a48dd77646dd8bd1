/// Why an HDF5 file cannot be read or written.
public enum HDF5Error: Error, Equatable, CustomStringConvertible {
  case cannotOpen(path: String, reason: String)
  case cannotCreate(path: String, reason: String)
  case failed(operation: String, path: String, object: String, reason: String)
  case missing(path: String, object: String)
  case wrongCount(path: String, object: String, expected: Int, found: Int)
  case wrongFormat(path: String, expected: String, found: String)

  public var description: String {
    switch self {
    case .cannotOpen(let path, let reason):
      "\(path): cannot be opened as HDF5 (\(reason)). Check the name; if a crash left the file behind, "
        + "delete it and run again."
    case .cannotCreate(let path, let reason):
      "\(path): cannot be created (\(reason)). Check that the folder exists, is writable and has room."
    case .failed(let operation, let path, let object, let reason):
      "\(path): \(operation) of '\(object)' failed (\(reason)). Check the free space, and that the "
        + "file is whole."
    case .missing(let path, let object):
      "\(path): holds no '\(object)'. It is another file than was meant, or an old one: make it again."
    case .wrongCount(let path, let object, let expected, let found):
      "\(path): '\(object)' holds \(found) elements, expected \(expected). Make it again."
    case .wrongFormat(let path, let expected, let found):
      "\(path): has format '\(found)', expected '\(expected)'. Make it again."
    }
  }
}
