import Evaluation
import Foundation
import MoEModels
import Tensors
import Testing

@Suite("Speed of models that take turns")
struct SpeedTests {
  private func subject(_ compute: ComputeMode = .f32) -> SpeedSubject {
    SpeedSubject(folder: TinyMixtral.fixture, compute: compute)
  }

  private var measurement: SpeedMeasurement {
    var measurement = SpeedMeasurement()
    (measurement.promptTokens, measurement.steps, measurement.repeats) = (5, 3, 4)
    return measurement
  }

  @Test("every model has a time for each repeat, the bytes of its weights and a size")
  func turns() throws {
    var shares: [Double] = []
    let speeds = try measurement.measure([subject(.f32), subject(.bf16)], on: .threads) {
      shares.append($0)
    }
    #expect(speeds.map(\.mode) == ["f32", "bf16"])
    for (speed, precision) in zip(speeds, [Precision.f32, .bf16]) {
      #expect(speed.times.promptSeconds.count == 4 && speed.times.stepSeconds.count == 4)
      #expect((speed.times.promptSeconds + speed.times.stepSeconds).allSatisfy { $0 > 0 })
      let decoder = try Decoder(
        source: ModelFolder(TinyMixtral.fixture).weights, precision: precision, room: 8)
      #expect(speed.bytesPerToken == decoder.bytesPerToken)
      #expect(speed.loadingMemory > 1 << 20 && speed.runningMemory > 1 << 20)
      #expect(speed.peakMemory == max(speed.loadingMemory, speed.runningMemory))
    }
    #expect(shares.last == 1 && shares == shares.sorted())
    let ratios = speeds[0].times.stepSpeedup(over: speeds[1].times)
    for (index, ratio) in ratios.enumerated() {
      let (mine, other) = (speeds[0].times.stepSeconds[index], speeds[1].times.stepSeconds[index])
      #expect(ratio == other / mine)
    }
  }

  @Test("a model that cannot be read, and a sequence too long for one, are told with their reason")
  func refusals() throws {
    let nowhere = SpeedSubject(folder: URL(filePath: "/nowhere/model"), compute: .f32)
    let missing = #expect(throws: SpeedError.self) {
      try measurement.measure([subject(), nowhere], on: .threads)
    }
    #expect(missing?.description.contains("/nowhere/model") ?? false)
    var long = measurement
    long.promptTokens = 1 << 24
    let tooLong = #expect(throws: SpeedError.self) { try long.measure([subject()], on: .threads) }
    guard case .refused(_, let reason)? = tooLong else {
      Issue.record("\(String(describing: tooLong))")
      return
    }
    #expect(reason.contains("\((1 << 24) + 3)"))
  }

  @Test("a process that ends without a word is an error, not a wait")
  func silence() {
    let host = SpeedHost.processes(URL(filePath: "/bin/true"), arguments: [])
    #expect(throws: SpeedError.ended) { try measurement.measure([subject()], on: host) }
    let absent = SpeedHost.processes(URL(filePath: "/nowhere/assay"), arguments: [])
    let error = #expect(throws: SpeedError.self) {
      try measurement.measure([subject()], on: absent)
    }
    #expect(error?.description.contains("/nowhere/assay") ?? false)
  }
}
