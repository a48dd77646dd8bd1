/// A quantized weight in any of the forms that checkpoints hold.
public indirect enum StoredMatrix: QuantizedMatrix {
  /// Affine grids with groups of inputs.
  case packed(PackedMatrix)
  /// Affine grids with groups of outputs.
  case inputGrouped(TransposedPackedMatrix)
  case codebooks(CodebookMatrix)
  /// Neurons in slices of different bits.
  case sliced(SlicedMatrix)
  case slicedCodebooks(Slices<CodebookMatrix>)
  /// The sum of a dense part and a sparse one.
  case withSparse(StoredMatrix, SparseMatrix)

  public init(_ matrix: AxisGroupedMatrix) {
    switch matrix {
    case .outputChannel(let packed): self = .packed(packed)
    case .inputChannel(let transposed): self = .inputGrouped(transposed)
    }
  }

  /// Without an empty sparse part, which would take its row starts all the same.
  public init(_ dense: StoredMatrix, plus sparse: SparseMatrix?) {
    guard let sparse, sparse.count > 0 else {
      self = dense
      return
    }
    self = .withSparse(dense, sparse)
  }

  private var form: any QuantizedMatrix {
    switch self {
    case .packed(let matrix): matrix
    case .inputGrouped(let matrix): matrix
    case .codebooks(let matrix): matrix
    case .sliced(let matrix): matrix
    case .slicedCodebooks(let matrix): matrix
    case .withSparse(let dense, let sparse): DenseAndSparse(dense: dense, sparse: sparse)
    }
  }

  public var rows: Int { form.rows }
  public var columns: Int { form.columns }
  public var codeBits: Int { form.codeBits }
  /// All that is stored beside the codes; an order of neurons is that of the whole expert and not
  /// among it.
  public var metadataBits: Int { form.metadataBits }
  public func dequantized() -> Matrix { form.dequantized() }

  /// The sparse part, or nil.
  public var sparse: SparseMatrix? {
    if case .withSparse(_, let sparse) = self { sparse } else { nil }
  }

  /// Without the sparse part.
  public var dense: StoredMatrix {
    if case .withSparse(let dense, _) = self { dense } else { self }
  }

  /// The order of neurons, if they lie in slices.
  public var neuronOrder: [Int]? {
    switch dense {
    case .sliced(let matrix): matrix.order
    case .slicedCodebooks(let matrix): matrix.order
    default: nil
    }
  }
}
