import Foundation
import HDF5
import Testing

/// A folder of one test, removed with it.
final class TemporaryFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "assay-\(UUID())")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func contents() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: url.path)
  }
}

/// A small file with every type, groups in groups, and attributes.
private func writeSample(_ url: URL) throws {
  let file = try HDF5Writer(url)
  try file.write([1.5, -0.0, .infinity, 0x1p-140, 5, 6] as [Float], to: "a/b/f32", shape: [2, 3])
  try file.write([Double.pi, .leastNonzeroMagnitude], to: "a/b/f64")
  try file.write([Int64.min, 0, .max], to: "a/i64", shape: [3, 1, 1])
  try file.write([0, 127, 255] as [UInt8], to: "u8")
  try file.write([42.0], to: "scalar", shape: [])
  try file.write([Float](), to: "a/empty")
  try file.writeAttribute("grün\n\"x\"", "text")
  try file.writeAttribute("", "nothing", of: "u8")
  try file.writeAttribute(Int64(-7), "tokens", of: "a/b/f32")
  try file.writeAttribute(Int64(8), "tokens", of: "a/b")
  try file.writeAttribute(0.25, "share", of: "a")
  try file.finish()
}

@Suite("HDF5 files give back what was written")
struct HDF5RoundTripTests {
  @Test("numbers, shapes and names of every type, bit for bit")
  func datasets() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "sample.h5")
    try writeSample(url)
    let file = try HDF5Reader(url)
    let floats: [Float] = try file.read("a/b/f32")
    #expect(
      floats.map(\.bitPattern)
        == ([1.5, -0.0, .infinity, 0x1p-140, 5, 6] as [Float]).map(\.bitPattern))
    #expect(try file.read("a/b/f64", as: Double.self) == [.pi, .leastNonzeroMagnitude])
    #expect(try file.read("a/i64", as: Int64.self, count: 3) == [.min, 0, .max])
    #expect(try file.read("u8", as: UInt8.self) == [0, 127, 255])
    #expect(try file.read("scalar", as: Double.self, count: 1) == [42])
    #expect(try file.read("a/empty", as: Float.self, count: 0) == [])
    #expect(try file.shape(of: "a/b/f32") == [2, 3])
    #expect(try file.shape(of: "a/i64") == [3, 1, 1])
    #expect(try file.shape(of: "scalar") == [])
    #expect(try file.shape(of: "a/empty") == [0])
    #expect(
      try ["a/b/f32", "a/b/f64", "a/i64", "u8"].map(file.elementName(of:))
        == ["f32", "f64", "i64", "u8"])
    #expect(
      file.datasets() == ["a/b/f32", "a/b/f64", "a/empty", "a/i64", "scalar", "u8"])
  }

  @Test("NaN comes back as NaN")
  func nan() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "nan.h5")
    let file = try HDF5Writer(url)
    try file.write([Double.nan], to: "x")
    try file.finish()
    #expect(try HDF5Reader(url).read("x", as: Double.self)[0].isNaN)
  }

  @Test("attributes of the file, of groups and of datasets")
  func attributes() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "sample.h5")
    try writeSample(url)
    let file = try HDF5Reader(url)
    #expect(try file.textAttribute("text") == "grün\n\"x\"")
    #expect(try file.textAttribute("nothing", of: "u8") == "")
    #expect(try file.integerAttribute("tokens", of: "a/b/f32") == -7)
    #expect(try file.integerAttribute("tokens", of: "a/b") == 8)
  }

  @Test("a number is converted to the type that is asked for")
  func conversion() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "sample.h5")
    try writeSample(url)
    #expect(try HDF5Reader(url).read("u8", as: Double.self) == [0, 127, 255])
  }

  @Test("contains knows groups and datasets and says no to the rest")
  func contains() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "sample.h5")
    try writeSample(url)
    let file = try HDF5Reader(url)
    #expect(["a", "a/b", "a/b/f32", "scalar"].allSatisfy(file.contains))
    #expect(!["b", "a/c", "a/b/f32x", "x/y/z"].contains(where: file.contains))
  }

  @Test("the same content gives the same bytes")
  func isDeterministic() throws {
    let folder = try TemporaryFolder()
    let urls = ["one.h5", "two.h5"].map { folder.url.appending(path: $0) }
    try writeSample(urls[0])
    // Modification times in the file would have seconds.
    Thread.sleep(forTimeInterval: 1.1)
    try writeSample(urls[1])
    #expect(try Data(contentsOf: urls[0]) == Data(contentsOf: urls[1]))
  }
}

@Suite("HDF5 files appear whole or not at all")
struct HDF5AtomicityTests {
  @Test("before finish there is no file of that name, after it no other")
  func appearsAtFinish() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "late.h5")
    let file = try HDF5Writer(url)
    try file.write([1.0], to: "x")
    #expect(!FileManager.default.fileExists(atPath: url.path))
    try file.finish()
    #expect(try folder.contents() == ["late.h5"])
  }

  @Test("an abandoned writer leaves nothing")
  func abandoned() throws {
    let folder = try TemporaryFolder()
    do {
      let file = try HDF5Writer(folder.url.appending(path: "never.h5"))
      try file.write([1.0], to: "x")
    }
    #expect(try folder.contents() == [])
  }

  @Test("an abandoned writer leaves an earlier file as it was")
  func earlierFileStays() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "sample.h5")
    try writeSample(url)
    let before = try Data(contentsOf: url)
    do {
      let file = try HDF5Writer(url)
      try file.write([1.0], to: "x")
    }
    #expect(try Data(contentsOf: url) == before)
  }

  @Test("finish replaces an earlier file")
  func replaces() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "sample.h5")
    try writeSample(url)
    let file = try HDF5Writer(url)
    try file.write([1.0], to: "x")
    try file.finish()
    #expect(try HDF5Reader(url).datasets() == ["x"])
  }
}

@Suite("HDF5 errors name file and object")
struct HDF5ErrorTests {
  @Test("a missing dataset or attribute")
  func missing() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "sample.h5")
    try writeSample(url)
    let file = try HDF5Reader(url)
    #expect(throws: HDF5Error.missing(path: url.path, object: "a/c")) {
      try file.read("a/c", as: Float.self)
    }
    #expect(throws: HDF5Error.missing(path: url.path, object: "a/c")) { try file.shape(of: "a/c") }
    #expect(throws: HDF5Error.missing(path: url.path, object: "a@tokens")) {
      try file.integerAttribute("tokens", of: "a")
    }
    #expect(throws: HDF5Error.missing(path: url.path, object: "c@tokens")) {
      try file.integerAttribute("tokens", of: "c")
    }
    // A group is no dataset.
    #expect(throws: HDF5Error.missing(path: url.path, object: "a/b")) {
      try file.read("a/b", as: Float.self)
    }
  }

  @Test("a wrong number of elements")
  func wrongCount() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "sample.h5")
    try writeSample(url)
    #expect(
      throws: HDF5Error.wrongCount(path: url.path, object: "a/b/f32", expected: 5, found: 6)
    ) { try HDF5Reader(url).read("a/b/f32", as: Float.self, count: 5) }
  }

  @Test("a file that is missing, empty, no HDF5, or cut off, at every eighth of its length")
  func notHDF5() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "sample.h5")
    try writeSample(url)
    let whole = try Data(contentsOf: url)
    let damaged = folder.url.appending(path: "damaged.h5")
    #expect(openError(damaged).hasPrefix("\(damaged.path): cannot be opened"))
    for content in [Data("{\"not\": \"HDF5\"}".utf8)]
      + (0..<8).map({
        whole.prefix(whole.count * $0 / 8)
      })
    {
      try content.write(to: damaged)
      #expect(
        openError(damaged).hasPrefix("\(damaged.path): cannot be opened"), "\(content.count) bytes")
    }
  }

  private func openError(_ url: URL) -> String {
    do {
      _ = try HDF5Reader(url)
      return ""
    } catch { return "\(error)" }
  }

  @Test("a folder that does not exist cannot be written to")
  func noFolder() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "missing/x.h5")
    let error = #expect(throws: HDF5Error.self) { try HDF5Writer(url) }
    #expect("\(try #require(error))".contains(url.path))
  }

  @Test("a dataset that was written before")
  func twice() throws {
    let folder = try TemporaryFolder()
    let file = try HDF5Writer(folder.url.appending(path: "twice.h5"))
    try file.write([1.0], to: "a/x")
    let error = #expect(throws: HDF5Error.self) { try file.write([1.0], to: "a/x") }
    #expect("\(try #require(error))".contains("creation of 'a/x' failed"))
  }
}
