import Foundation
import Testing

@testable import Experiments

@Suite struct FullDiskTests {
  @Test("a result that the disk refuses leaves the earlier one, no other file, and one line")
  func durableFile() async {
    await #expect(processExitsWith: .success) {
      let bench = try Bench()
      defer { bench.remove() }
      let folder = bench.root.appending(path: "run")
      try DurableFile.makeFolder(folder)
      let file = folder.appending(path: "result.json")
      try DurableFile.write(Data("earlier".utf8), to: file)
      // In this process, writing beyond so many bytes fails as on a full disk.
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 4_096, rlim_max: 4_096)
      precondition(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
      var text = ""
      do { try DurableFile.write(Data(count: 1 << 16), to: file) } catch {
        text = ErrorText.line(error)
      }
      precondition(text.contains(file.path) && text.contains("File too large"), text)
      precondition(!text.contains("Error Domain") && !text.contains("\n"), text)
      let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      precondition(names == ["result.json"], "\(names)")
      let left = try Data(contentsOf: file)
      precondition(left == Data("earlier".utf8))
    }
  }
}
