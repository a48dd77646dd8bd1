import ArgumentParser
import BitAllocation
import Calibration
import Checkpoints
import Evaluation
import Experiments
import Foundation
import HDF5
import MoEModels
import Quantization
import Reconstruction
import Reports
import Sensitivity

/// An argument whose form is right and whose content is not, so that no usage need be explained.
struct UnusableArgument: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// How this program ends when something is wrong.
enum Failure {
  static let badInput = ExitCode(2)
  static let pointsFailed = ExitCode(3)
  static let drift = ExitCode(4)

  /// Prints the error and leaves with its code: 2 for what the user gave, 1 for the rest.
  static func exit(with error: any Error, of command: any ParsableCommand.Type) -> Never {
    let code = command.exitCode(for: error)
    if error is ExitCode { command.exit(withError: error) }
    if code == .success { help(command.fullMessage(for: error)) }
    if code == .validationFailure {
      FileHandle.standardError.write(Data((command.fullMessage(for: error) + "\n").utf8))
      Foundation.exit(badInput.rawValue)
    }
    let problems = (error as? UnusableInputs)?.problems.map(\.description)
    for line in problems ?? [ErrorText.line(error)] {
      FileHandle.standardError.write(Data("Error: \(line)\n".utf8))
    }
    Foundation.exit(isBadInput(error) ? badInput.rawValue : ExitCode.failure.rawValue)
  }

  /// Help, the version, or a script for completion, which travel as errors.
  private static func help(_ text: String) -> Never {
    do { try StandardOutput.writeLine(text) } catch {
      FileHandle.standardError.write(Data("Error: \(error)\n".utf8))
      Foundation.exit(ExitCode.failure.rawValue)
    }
    Foundation.exit(ExitCode.success.rawValue)
  }

  static func isBadInput(_ error: any Error) -> Bool {
    switch error {
    case let error as RenamedFolderError: isBadInput(error.cause)
    case is SpecError, is CheckpointError, is ConfigurationError, is TokenizerError,
      is TextCorpusError, is PackedWeightError, is ModelFolderError, is ForwardPassError,
      is LmEvalError, is TaskError, is PublishedError, is SearchError, is PlanComparisonError,
      is PerplexityProtocolError, is PerplexityError, is CalibrateStageError,
      is HDF5Error, is TableError, is AllocationError, is QuantizationError,
      is QuantizeStageError, is MeasurementError, is ReportError, is UnusableInputs,
      is UnusableArgument, is NeuronTableError, is NeuronPlanError, is NeuronMeasurementError,
      is LevelSetError, is QuantizationInputError, is PlanImportError, is ComparisonError,
      is MethodError, is ModuleError, is NotFiniteError, is GradientFolderError,
      is PackedExecutionError:
      true
    case let error as StoreError:
      switch error {
      case .noIndex, .noSuchRun, .missingInput, .foreignDatabase, .newerIndex, .damagedIndex: true
      default: false
      }
    default: false
    }
  }
}
