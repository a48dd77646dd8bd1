import Foundation
import Testing

@testable import Evaluation

/// Needs bubblewrap and python3, which `make` installs.
@Suite("Sandbox")
struct SandboxTests {
  /// Tight, so that the suite is quick; each hostile program meets one of them.
  private static let limits = SandboxLimits(
    wallSeconds: 5, processorSeconds: 1, memoryBytes: 256 << 20, diskBytes: 4 << 20, processes: 12)

  private func verdict(on program: String) throws -> ProgramVerdict {
    try Sandbox(limits: Self.limits).verdict(on: program)
  }

  @Test("a program that runs to its end has passed, whatever it prints")
  func passing() throws {
    #expect(
      try verdict(on: "import math, sys\nprint('x' * 10**6)\nassert math.gcd(12, 18) == 6")
        == .passed)
  }

  @Test("a failing program says why")
  func failing() throws {
    #expect(try verdict(on: "assert 1 == 2, 'no'") == .failed("AssertionError: no"))
    #expect(try verdict(on: "def f(:").reason?.hasPrefix("SyntaxError") == true)
    #expect(try verdict(on: "raise SystemExit(0)") == .failed("SystemExit: 0"))
    #expect(
      try verdict(on: "import os; os._exit(0)") == .failed("left before its end with status 0"))
  }

  @Test("a program has 4 MB of disk and fails beyond, also in parts", .timeLimit(.minutes(1)))
  func disk() throws {
    let filler = """
      for number in range(100):
          with open(f"/tmp/{number}", "wb") as file:
              file.write(b"x" * (1 << 20))
      """
    #expect(try verdict(on: filler).reason?.contains("No space left") == true)
    let large = "open('/tmp/x', 'wb').write(b'x' * (100 << 20))"
    #expect(try verdict(on: large).reason?.hasPrefix("OSError") == true)
    for place in ["/x", "/dev/shm/x", "/usr/x", "/proc/x"] {
      #expect(try !verdict(on: "open('\(place)', 'wb').write(b'x')").isPassed, "\(place)")
    }
  }

  @Test("fork bombs end with the sandbox", .timeLimit(.minutes(1)))
  func forkBomb() throws {
    let failing = try verdict(on: "import os\nwhile True: os.fork()")
    #expect(!failing.isPassed)
    let patient = """
      import os
      while True:
          try:
              os.fork()
          except OSError:
              pass
      """
    #expect(try !verdict(on: patient).isPassed)
    let count = """
      import os, time
      made = 0
      try:
          while True:
              if os.fork() == 0:
                  time.sleep(60)
              made += 1
      except OSError:
          assert made > 12, made
      """
    let reason = try #require(try verdict(on: count).reason)
    #expect(reason.hasPrefix("AssertionError"), "\(reason)")
  }

  @Test("there is no network")
  func network() throws {
    let program = "import socket\nsocket.create_connection(('1.1.1.1', 53), timeout=2)"
    #expect(try verdict(on: program).reason?.hasPrefix("OSError") == true)
    #expect(
      try verdict(on: "import os\nassert os.listdir('/sys/class/net')").reason?
        .hasPrefix("FileNotFoundError") == true)
  }

  @Test("homes, other processes and files of this one are not there")
  func reading() throws {
    let home = FileManager.default.homeDirectoryForCurrentUser.path
    #expect(
      try verdict(on: "import os\nos.listdir('\(home)')").reason?.hasPrefix("FileNotFoundError")
        == true)
    #expect(
      try verdict(on: "open('/etc/passwd')").reason?.hasPrefix("FileNotFoundError") == true)
    let processes = """
      import os
      seen = [name for name in os.listdir('/proc') if name.isdigit()]
      assert len(seen) <= 4, seen
      assert not os.environ.get('HOME'), os.environ
      """
    #expect(try verdict(on: processes) == .passed)
    let files = """
      import os
      assert len(os.listdir('/proc/self/fd')) <= 5, os.listdir('/proc/self/fd')
      """
    #expect(try verdict(on: files) == .passed)
  }

  @Test("endless loops and sleeps end", .timeLimit(.minutes(2)))
  func endless() throws {
    var limits = Self.limits
    limits.wallSeconds = 20
    let looping = try Sandbox(limits: limits, folders: Sandbox.systemFolders)
      .verdict(on: "while True: pass")
    // The kernel warns at the limit and kills behind it, whichever it comes to see first; on a busy
    // machine a second of the processor may take longer than the wall allows.
    let endings: [ProgramVerdict] = [
      .failed("killed by SIGXCPU"), .failed("killed by SIGKILL"), .timedOut(seconds: 20),
    ]
    #expect(endings.contains(looping), "\(looping)")
    limits.wallSeconds = 0.5
    let sleeping = try Sandbox(limits: limits, folders: Sandbox.systemFolders)
      .verdict(on: "import time\ntime.sleep(100)")
    #expect(sleeping == .timedOut(seconds: 0.5))
  }

  @Test("memory is bounded")
  func memory() throws {
    #expect(
      try verdict(on: "x = []\nwhile True: x.append(b'x' * (1 << 20))").reason?
        .hasPrefix("MemoryError") == true)
  }

  @Test("a program that kills its parent, or all it can, has failed; the next one runs")
  func killing() throws {
    let sandbox = try Sandbox(limits: Self.limits)
    let verdicts = try sandbox.verdicts(on: [
      "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nimport time\ntime.sleep(100)",
      "import os, signal\nos.kill(-1, signal.SIGKILL)\nimport time\ntime.sleep(100)",
      "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
      "pass",
    ])
    #expect(verdicts.map(\.isPassed) == [false, false, false, true], "\(verdicts)")
    #expect(verdicts[2] == .failed("killed by SIGKILL"))
  }

  @Test("without bubblewrap there is no sandbox, and the error names the package")
  func missing() {
    #expect {
      try Sandbox(limits: Self.limits, folders: ["/nowhere"])
    } throws: { error in
      "\(error)".contains("apt-get install")
    }
  }
}
