import Foundation
import HDF5
import Testing

@Suite("HDF5 on a full disk")
struct FullDiskTests {
  @Test("the error is one line with the system's words; the earlier file stays, no other does")
  func fullDisk() async {
    await #expect(processExitsWith: .success) {
      let folder = try TemporaryFolder()
      let url = folder.url.appending(path: "table.h5")
      try Data("earlier".utf8).write(to: url)
      // In this process, writing beyond so many bytes fails as on a full disk.
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 8_192, rlim_max: 8_192)
      precondition(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
      let text = failure(writing: [Double](repeating: 1, count: 1 << 16), to: url)
      precondition(text.contains(url.path) && text.contains("File too large"), text)
      precondition(text.contains("free space") && !text.contains("\n"), text)
      let names = try folder.contents()
      precondition(names == ["table.h5"], "\(names)")
      let left = try Data(contentsOf: url)
      precondition(left == Data("earlier".utf8))
    }
  }
}

private func failure(writing values: [Double], to url: URL) -> String {
  do {
    let file = try HDF5Writer(url)
    try file.write(values, to: "values")
    try file.finish()
    return ""
  } catch {
    return "\(error)"
  }
}
