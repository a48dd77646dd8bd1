import CHDF5

/// A number type that datasets hold, always little-endian on disk.
public protocol HDF5Element: BitwiseCopyable, Sendable {
  static var fileType: hid_t { get }
  /// Name in the payload digest.
  static var typeName: String { get }
  static var zero: Self { get }
}

extension Float: HDF5Element {
  public static var fileType: hid_t { assay_h5t_f32() }
  public static var typeName: String { "f32" }
}
extension Double: HDF5Element {
  public static var fileType: hid_t { assay_h5t_f64() }
  public static var typeName: String { "f64" }
}
extension Int64: HDF5Element {
  public static var fileType: hid_t { assay_h5t_i64() }
  public static var typeName: String { "i64" }
}
extension Int32: HDF5Element {
  public static var fileType: hid_t { assay_h5t_i32() }
  public static var typeName: String { "i32" }
}
extension UInt8: HDF5Element {
  public static var fileType: hid_t { assay_h5t_u8() }
  public static var typeName: String { "u8" }
}
