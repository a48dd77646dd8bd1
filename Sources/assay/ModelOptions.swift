import ArgumentParser
import Checkpoints
import Experiments
import Foundation
import MoEModels
import Tensors

/// The number format of a forward pass.
struct ComputeOption: ParsableArguments {
  enum Choice: String, ExpressibleByArgument, CaseIterable {
    case auto, f32, bf16
  }

  @Option(help: "Matrix products in f32 or bf16; auto takes bf16 where the CPU has it.")
  var compute = Choice.auto

  var precision: Precision {
    switch compute {
    case .auto: .fastest
    case .f32: .f32
    case .bf16: .bf16
    }
  }
}

/// The same, and arithmetic that needs packed weights.
struct ComputeModeOption: ParsableArguments {
  enum Choice: String, ExpressibleByArgument, CaseIterable {
    case auto, f32, bf16
    case int8Activations = "int8-activations"
  }

  @Option(
    help: ArgumentHelp(
      "Matrix products in f32 or bf16; auto takes bf16 where the CPU has it. int8-activations: packed "
        + "weights times inputs of 8 bits, for quantized folders."))
  var compute = Choice.auto

  var mode: ComputeMode {
    switch compute {
    case .auto: ComputeMode(.fastest)
    case .f32: .f32
    case .bf16: .bf16
    case .int8Activations: .int8Activations
    }
  }

  var precision: Precision { mode.precision }
}

extension TextFormat: ExpressibleByArgument {}

/// A text to run a model on.
struct TextOptions: ParsableArguments {
  @Option(help: "Text file, plain or .gz.", completion: .file())
  var text: String

  @OptionGroup var window: WindowOptions

  var url: URL { URL(filePath: text) }
}

/// How a text is read and cut.
struct WindowOptions: ParsableArguments {
  @Option(help: "text: as it is; wikitext: rows joined as GPTQ's evaluation does.")
  var textFormat = TextFormat.text

  @Option(help: "Tokens in a window.")
  var context = 512

  func validate() throws {
    try SpecRange.check(context, "--context", as: "evaluation.perplexity.context")
  }
}
