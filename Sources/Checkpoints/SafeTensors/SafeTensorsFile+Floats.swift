public import Tensors

extension SafeTensorsFile {
  /// A floating-point matrix widened to 32 bits, exactly.
  ///
  /// - Throws: ``CheckpointError`` if the tensor is missing, is not of shape `[rows, columns]`, is
  ///   not of a floating-point type, or holds NaN or infinity.
  public func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix {
    Matrix(rows: rows, columns: columns, storage: try floats(name, shape: [rows, columns]))
  }

  /// A floating-point tensor widened to 32 bits, exactly, row-major.
  ///
  /// - Parameters:
  ///   - name: The tensor.
  ///   - shape: The shape it must have.
  /// - Returns: The elements.
  /// - Throws: ``CheckpointError`` if the tensor is missing, of another shape, not of a
  ///   floating-point type, or holds NaN or infinity.
  func floats(_ name: String, shape: [Int]) throws -> [Float] {
    guard let info = tensors[name] else {
      throw CheckpointError.missingTensor(directory: path, tensor: name)
    }
    guard info.shape == shape else {
      throw CheckpointError.wrongShape(
        file: path, tensor: name, expected: shape, found: info.shape)
    }
    guard info.dtype.isFloatingPoint else {
      throw CheckpointError.notFloatingPoint(file: path, tensor: name, found: info.dtype)
    }
    let values = try withBytes(of: name) { WeightDecoder.floats($0, stored: info.dtype) }
    if let index = FiniteCheck.firstNonFinite(in: values) {
      throw CheckpointError.notFinite(
        file: path, tensor: name, index: index, value: values[index])
    }
    return values
  }
}
