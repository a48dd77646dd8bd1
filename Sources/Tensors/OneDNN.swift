import COneDNN
import Synchronization

/// A oneDNN engine, its stream, and the primitives created so far.
///
/// oneDNN runs its own OpenMP threads, so products are serialized here and must not be called from
/// inside a parallel loop. Workers have their own, because a primitive is made for the number of
/// threads at hand.
final class OneDNN: @unchecked Sendable {
  // Every access to the mutable state below goes through `lock`.
  private static let ofWorker = (0...Worker.limit).map { _ in OneDNN() }
  static var shared: OneDNN { ofWorker[Worker.current] }

  private let lock = Mutex<Void>(())
  private let engine: dnnl_engine_t
  private let stream: dnnl_stream_t
  private var primitives: [ProductShape: Primitive] = [:]
  private var weightLayouts: [WeightShape: dnnl_memory_desc_t] = [:]

  private init() {
    var engine: dnnl_engine_t?
    var stream: dnnl_stream_t?
    dnnl_engine_create(&engine, dnnl_cpu, 0)
    guard let engine else { fatalError("oneDNN found no CPU engine; the library is damaged.") }
    dnnl_stream_create(&stream, engine, UInt32(dnnl_stream_default_flags.rawValue))
    guard let stream else { fatalError("oneDNN made no stream; the library is damaged.") }
    self.engine = engine
    self.stream = stream
    // The default of 1,024 would be exhausted by experts whose token counts all differ.
    dnnl_set_primitive_cache_capacity(8192)
  }

  /// Executes `destination = source · weights`, shapes and strides as in `shape`.
  func execute(
    _ shape: ProductShape, source: UnsafeRawPointer, weights: UnsafeRawPointer,
    destination: UnsafeMutablePointer<Float>
  ) {
    lock.withLock { _ in
      // Waking a thread costs more than half of such a product, and a token is many of them.
      withThreads(shape.terms < 1 << 18 ? 1 : nil) {
        let primitive = primitive(for: shape)
        primitive.execute(
          on: stream, engine: engine, source: source, weights: weights, destination: destination)
      }
    }
  }

  /// `c = x[:, panel]ᵀ · x[:, ..<panel.upperBound]` in f32, c packed row by row.
  ///
  /// oneDNN's matmul primitive falls back to its reference loops for a transposed first operand; its
  /// BLAS entry does not.
  func gram(
    _ x: UnsafePointer<Float>, rows: Int, width: Int, panel: Range<Int>,
    into c: UnsafeMutablePointer<Float>
  ) {
    lock.withLock { _ in
      let (m, n) = (dnnl_dim_t(panel.count), dnnl_dim_t(panel.upperBound))
      let (k, stride) = (dnnl_dim_t(rows), dnnl_dim_t(width))
      check(
        dnnl_sgemm(
          CChar(UInt8(ascii: "T")), CChar(UInt8(ascii: "N")), m, n, k, 1,
          x + panel.lowerBound, stride, x, stride, 0, c, n),
        "rows \(panel) of xᵀx of [\(rows), \(width)]")
    }
  }

  /// `c = scale · op(a) · op(b) + keep · c`; keeps no state, hence takes no lock.
  static func product(
    rows: Int, inner: Int, columns: Int, _ a: DenseProduct.Operand, _ b: DenseProduct.Operand,
    scale: Float, keeping keep: Float, into c: UnsafeMutablePointer<Float>, cStride: Int
  ) {
    check(
      dnnl_sgemm(
        a.orientation, b.orientation, dnnl_dim_t(rows), dnnl_dim_t(columns), dnnl_dim_t(inner),
        scale, a.base, dnnl_dim_t(a.stride), b.base, dnnl_dim_t(b.stride), keep, c,
        dnnl_dim_t(cStride)),
      "\(a.orientation)\(b.orientation) product [\(rows), \(inner)] · [\(inner), \(columns)]")
  }

  /// Row-major elements `[rows, columns]` of a weight matrix, brought into oneDNN's own layout.
  func reorder(_ matrix: UnsafeRawPointer, shape: WeightShape) -> AlignedBytes {
    lock.withLock { _ in
      var plain = Primitive.description(
        dimensions: [shape.columns, shape.rows], strides: [1, shape.columns],
        precision: shape.precision)
      var packed = layout(for: shape)
      let bytes = AlignedBytes(count: dnnl_memory_desc_get_size(&packed))
      var descriptor: dnnl_primitive_desc_t?
      check(
        dnnl_reorder_primitive_desc_create(&descriptor, &plain, engine, &packed, engine, nil),
        "reorder \(shape)")
      var primitive: dnnl_primitive_t?
      check(dnnl_primitive_create(&primitive, descriptor), "reorder \(shape)")
      var (from, to): (dnnl_memory_t?, dnnl_memory_t?)
      check(
        dnnl_memory_create(&from, &plain, engine, UnsafeMutableRawPointer(mutating: matrix)),
        "reorder \(shape)")
      check(dnnl_memory_create(&to, &packed, engine, bytes.base), "reorder \(shape)")
      var arguments = [
        dnnl_exec_arg_t(arg: DNNL_ARG_FROM, memory: from),
        dnnl_exec_arg_t(arg: DNNL_ARG_TO, memory: to),
      ]
      check(dnnl_primitive_execute(primitive, stream, 2, &arguments), "reorder \(shape)")
      dnnl_stream_wait(stream)
      dnnl_memory_destroy(from)
      dnnl_memory_destroy(to)
      dnnl_primitive_destroy(primitive)
      dnnl_primitive_desc_destroy(descriptor)
      return bytes
    }
  }

  /// Asks a product of 128 rows how it wants its weights; the layout serves every number of rows.
  private func layout(for shape: WeightShape) -> dnnl_memory_desc_t {
    if let known = weightLayouts[shape] { return known }
    let main = Self.ofWorker[0]
    guard self === main else {
      // Weights are laid out once, for all workers.
      let chosen = main.lock.withLock { _ in main.layout(for: shape) }
      weightLayouts[shape] = chosen
      return chosen
    }
    var source = Primitive.description(
      dimensions: [128, shape.columns], strides: [shape.columns, 1], precision: shape.precision)
    var any = dnnl_memory_desc_t()
    var dimensions = Primitive.fixedDimensions([shape.columns, shape.rows])
    withUnsafePointer(to: &dimensions) {
      $0.withMemoryRebound(to: dnnl_dim_t.self, capacity: 12) {
        check(
          dnnl_memory_desc_init_by_tag(
            &any, 2, $0, shape.precision.dataType, dnnl_format_tag_any), "layout \(shape)")
      }
    }
    var destination = Primitive.description(
      dimensions: [128, shape.rows], strides: [shape.rows, 1], precision: .f32)
    let descriptor = Primitive.descriptor(
      source: &source, weights: &any, destination: &destination, engine: engine)
    defer { dnnl_primitive_desc_destroy(descriptor) }
    guard let chosen = dnnl_primitive_desc_query_md(descriptor, dnnl_query_weights_md, 0) else {
      preconditionFailure("oneDNN names no weight layout for \(shape)")
    }
    weightLayouts[shape] = chosen.pointee
    return chosen.pointee
  }

  private func primitive(for shape: ProductShape) -> Primitive {
    if let known = primitives[shape] { return known }
    var weights: dnnl_memory_desc_t
    switch shape.weights {
    case .reordered: weights = layout(for: shape.weightShape)
    case .strided(let strides):
      weights = Primitive.description(
        dimensions: shape.batch + [shape.inner, shape.columns], strides: strides,
        precision: shape.precision)
    }
    let primitive = Primitive(shape: shape, weights: &weights, engine: engine)
    primitives[shape] = primitive
    return primitive
  }
}

/// Shape and precision of a weight matrix `[rows (out), columns (in)]`.
struct WeightShape: Hashable {
  let rows: Int
  let columns: Int
  let precision: Precision
}

/// Everything that decides which primitive computes `[batch…, rows, inner] · [batch…, inner,
/// columns]`.
struct ProductShape: Hashable {
  enum Weights: Hashable {
    case reordered
    case strided([Int])
  }
  var batch: [Int] = []
  let rows: Int
  let columns: Int
  let inner: Int
  let sourceStrides: [Int]
  let weights: Weights
  let destinationStrides: [Int]
  let precision: Precision

  /// Multiplications.
  var terms: Int { batch.reduce(rows * columns * inner, *) }

  var weightShape: WeightShape { WeightShape(rows: columns, columns: inner, precision: precision) }
}

/// A created product with its three memory objects, whose pointers are set at each execution.
private final class Primitive {
  private let primitive: dnnl_primitive_t?
  private let source: dnnl_memory_t?
  private let weights: dnnl_memory_t?
  private let destination: dnnl_memory_t?

  init(
    shape: ProductShape, weights weightDescription: inout dnnl_memory_desc_t, engine: dnnl_engine_t
  ) {
    var source = Self.description(
      dimensions: shape.batch + [shape.rows, shape.inner], strides: shape.sourceStrides,
      precision: shape.precision)
    var destination = Self.description(
      dimensions: shape.batch + [shape.rows, shape.columns], strides: shape.destinationStrides,
      precision: .f32)
    let descriptor = Self.descriptor(
      source: &source, weights: &weightDescription, destination: &destination, engine: engine)
    defer { dnnl_primitive_desc_destroy(descriptor) }
    var (primitive, a, b, c): (dnnl_primitive_t?, dnnl_memory_t?, dnnl_memory_t?, dnnl_memory_t?)
    check(dnnl_primitive_create(&primitive, descriptor), "\(shape)")
    check(dnnl_memory_create(&a, &source, engine, nil), "\(shape)")
    check(dnnl_memory_create(&b, &weightDescription, engine, nil), "\(shape)")
    check(dnnl_memory_create(&c, &destination, engine, nil), "\(shape)")
    (self.primitive, self.source, self.weights, self.destination) = (primitive, a, b, c)
  }

  deinit {
    for memory in [source, weights, destination] { dnnl_memory_destroy(memory) }
    dnnl_primitive_destroy(primitive)
  }

  func execute(
    on stream: dnnl_stream_t, engine: dnnl_engine_t, source from: UnsafeRawPointer,
    weights by: UnsafeRawPointer, destination to: UnsafeMutablePointer<Float>
  ) {
    // SAFETY: oneDNN only reads the first two; its interface has no const.
    dnnl_memory_set_data_handle(source, UnsafeMutableRawPointer(mutating: from))
    dnnl_memory_set_data_handle(weights, UnsafeMutableRawPointer(mutating: by))
    dnnl_memory_set_data_handle(destination, to)
    withUnsafeTemporaryAllocation(of: dnnl_exec_arg_t.self, capacity: 3) { arguments in
      arguments[0] = dnnl_exec_arg_t(arg: DNNL_ARG_SRC, memory: source)
      arguments[1] = dnnl_exec_arg_t(arg: DNNL_ARG_WEIGHTS, memory: weights)
      arguments[2] = dnnl_exec_arg_t(arg: DNNL_ARG_DST, memory: destination)
      check(dnnl_primitive_execute(primitive, stream, 3, arguments.baseAddress), "execution")
    }
    dnnl_stream_wait(stream)
  }

  typealias Dimensions = (
    dnnl_dim_t, dnnl_dim_t, dnnl_dim_t, dnnl_dim_t, dnnl_dim_t, dnnl_dim_t,
    dnnl_dim_t, dnnl_dim_t, dnnl_dim_t, dnnl_dim_t, dnnl_dim_t, dnnl_dim_t
  )

  /// oneDNN's dimension arrays always have twelve places.
  static func fixedDimensions(_ values: [Int]) -> Dimensions {
    var result: Dimensions = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    withUnsafeMutableBytes(of: &result) { bytes in
      for (i, value) in values.enumerated() {
        bytes.storeBytes(of: Int64(value), toByteOffset: 8 * i, as: Int64.self)
      }
    }
    return result
  }

  static func description(
    dimensions: [Int], strides: [Int], precision: Precision
  ) -> dnnl_memory_desc_t {
    precondition(dimensions.count == strides.count, "\(dimensions) with strides \(strides)")
    var result = dnnl_memory_desc_t()
    var fixed = fixedDimensions(dimensions)
    var fixedStrides = fixedDimensions(strides)
    withUnsafePointer(to: &fixed) { fixed in
      withUnsafePointer(to: &fixedStrides) { strides in
        fixed.withMemoryRebound(to: dnnl_dim_t.self, capacity: 12) { fixed in
          strides.withMemoryRebound(to: dnnl_dim_t.self, capacity: 12) { strides in
            check(
              dnnl_memory_desc_init_by_strides(
                &result, Int32(dimensions.count), fixed, precision.dataType, strides),
              "\(dimensions)")
          }
        }
      }
    }
    return result
  }

  static func descriptor(
    source: inout dnnl_memory_desc_t, weights: inout dnnl_memory_desc_t,
    destination: inout dnnl_memory_desc_t, engine: dnnl_engine_t
  ) -> dnnl_primitive_desc_t? {
    var product = dnnl_matmul_desc_t()
    check(dnnl_matmul_desc_init(&product, &source, &weights, nil, &destination), "matmul")
    var descriptor: dnnl_primitive_desc_t?
    check(dnnl_primitive_desc_create(&descriptor, &product, nil, engine, nil), "matmul")
    return descriptor
  }
}

extension Precision {
  fileprivate var dataType: dnnl_data_type_t { self == .f32 ? dnnl_f32 : dnnl_bf16 }
}

/// Shapes come from our own code, so a refusal is our mistake.
private func check(_ status: dnnl_status_t, _ what: @autoclosure () -> String) {
  precondition(status == dnnl_success, "oneDNN status \(status.rawValue) in \(what())")
}
