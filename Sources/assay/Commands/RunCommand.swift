import ArgumentParser
import Experiments

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run what is missing of an experiment.",
    discussion: """
      Points that are complete are left alone; stages that any point has computed before are \
      reused. After Ctrl-C, a crash or kill -9 the same command finishes the rest. Two of these \
      commands at once share the work.

      A point that failed is left alone until its inputs change or --retry-failed is given.

      Examples:
        assay run experiments/main-table.json
        assay run experiments/main-table.json --only method=random --only bits=3
        assay run experiments/main-table.json --dry-run
      """)

  @OptionGroup var arguments: SpecArguments
  @OptionGroup var workspace: WorkspaceOption

  @Flag(help: "Say what would run, and run nothing.")
  var dryRun = false

  @Flag(help: "Try failed points again.")
  var retryFailed = false

  @Flag(help: "Read every byte of an artifact before it is reused.")
  var verify = false

  @Flag(help: "Print failures only.")
  var quiet = false

  func run() throws {
    let (spec, filter) = try arguments.read()
    let engine = makeEngine(workspace.value)
    let options = RunOptions(only: filter, retryFailed: retryFailed, verify: verify)
    if dryRun {
      try engine.checkInputs(of: spec, options: options)
      try StandardOutput.write(PlanCommand.text(try engine.plan(spec, options: options)))
      return
    }
    Interruption.install()
    let display = ProgressDisplay(style: .automatic(quiet: quiet))
    let summary = try engine.run(spec, options: options, observer: display.observer)
    if summary.hasFailures { throw Failure.pointsFailed }
  }
}
