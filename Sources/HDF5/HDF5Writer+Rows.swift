import CHDF5

extension HDF5Writer {
  /// Makes a dataset that is filled row by row.
  ///
  /// - Parameters:
  ///   - name: Path such as `arithmetic/token`.
  ///   - shape: Dimensions, slowest first.
  ///   - type: Of the numbers.
  /// - Throws: ``HDF5Error/failed(operation:path:object:reason:)``.
  public func create<Element: HDF5Element>(
    _ name: String, shape: [Int], as type: Element.Type
  ) throws(HDF5Error) {
    let (file, path) = (file, target.path)
    try HDF5Library.withLock { () throws(HDF5Error) in
      try Self.makeGroups(above: name, in: file, path: path)
      let space = H5Screate_simple(Int32(shape.count), shape.map { hsize_t($0) }, nil)
      defer { H5Sclose(space) }
      let creation = H5Pcreate(assay_h5p_dataset_create())
      defer { H5Pclose(creation) }
      // Two identical runs must give identical files.
      H5Pset_obj_track_times(creation, false)
      let dataset = H5Dcreate2(
        file, name, Element.fileType, space, hid_t(H5P_DEFAULT), creation, hid_t(H5P_DEFAULT))
      guard dataset >= 0, H5Dclose(dataset) >= 0 else {
        throw Self.failure("creation", path, name)
      }
    }
  }

  /// Fills rows of a dataset that ``create(_:shape:as:)`` made.
  ///
  /// - Parameters:
  ///   - values: Elements of these rows, row-major.
  ///   - name: The dataset.
  ///   - first: The first row; all of `values` are whole rows.
  /// - Throws: ``HDF5Error/failed(operation:path:object:reason:)``.
  public func write<Element: HDF5Element>(
    _ values: [Element], to name: String, fromRow first: Int
  ) throws(HDF5Error) {
    guard !values.isEmpty else { return }
    let (file, path) = (file, target.path)
    try HDF5Library.withLock { () throws(HDF5Error) in
      let dataset = H5Dopen2(file, name, hid_t(H5P_DEFAULT))
      guard dataset >= 0 else { throw Self.failure("opening", path, name) }
      let rows = RowSelection(of: dataset, first: first, elements: values.count)
      let status = H5Dwrite(
        dataset, Element.fileType, rows.memory, rows.space, hid_t(H5P_DEFAULT), values)
      let reason = status < 0 ? HDF5Library.lastError() : nil
      rows.close()
      let closed = H5Dclose(dataset)
      guard status >= 0, closed >= 0 else { throw Self.failure("writing", path, name, reason) }
    }
  }
}

extension HDF5Reader {
  /// Some rows of a dataset, converted to `Element`.
  ///
  /// - Parameters:
  ///   - name: Path of the dataset.
  ///   - rows: Along its first dimension.
  ///   - type: What its numbers become.
  /// - Returns: The elements of these rows, row-major.
  /// - Throws: ``HDF5Error``; ``HDF5Error/wrongCount(path:object:expected:found:)`` if it has fewer
  ///   rows.
  public func read<Element: HDF5Element>(
    _ name: String, rows: Range<Int>, as type: Element.Type = Element.self
  ) throws(HDF5Error) -> [Element] {
    let path = path
    return try withDataset(name) { dataset throws(HDF5Error) in
      let shape = Self.shape(dataset)
      guard let height = shape.first, height >= rows.upperBound else {
        throw .wrongCount(
          path: path, object: name, expected: rows.upperBound, found: shape.first ?? 0)
      }
      let count = rows.count * shape.dropFirst().reduce(1, *)
      var values = [Element](repeating: .zero, count: count)
      guard count > 0 else { return values }
      let selection = RowSelection(of: dataset, first: rows.lowerBound, elements: count)
      defer { selection.close() }
      let status = H5Dread(
        dataset, Element.fileType, selection.memory, selection.space, hid_t(H5P_DEFAULT), &values)
      guard status >= 0 else {
        throw .failed(
          operation: "reading", path: path, object: name, reason: HDF5Library.lastError())
      }
      return values
    }
  }
}

/// Whole rows of a dataset, and as many elements in memory.
private struct RowSelection {
  let space: hid_t
  let memory: hid_t

  init(of dataset: hid_t, first: Int, elements: Int) {
    let shape = HDF5Reader.shape(dataset)
    let width = shape.dropFirst().reduce(1, *)
    precondition(
      elements.isMultiple(of: max(width, 1)) && first + elements / max(width, 1) <= shape[0],
      "\(elements) elements from row \(first) of \(shape)")
    space = H5Dget_space(dataset)
    let start = [hsize_t(first)] + shape.dropFirst().map { _ in 0 }
    let count = [hsize_t(elements / max(width, 1))] + shape.dropFirst().map { hsize_t($0) }
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nil, count, nil)
    memory = H5Screate_simple(1, [hsize_t(elements)], nil)
  }

  func close() {
    H5Sclose(space)
    H5Sclose(memory)
  }
}
