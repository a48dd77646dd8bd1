import Experiments

/// The pipeline that turns points into stages.
///
/// - Throws: ``PipelineError/notBuilt`` until the stages with the model are there.
func makePipeline() throws -> any Pipeline { throw PipelineError.notBuilt }

/// The engine of a command: pipeline, content digests of file formats, versions of libraries.
func makeEngine(_ workspace: Workspace) throws -> Engine {
  Engine(workspace: workspace, pipeline: try makePipeline())
}

enum PipelineError: Error, CustomStringConvertible {
  case notBuilt

  var description: String { "This build has no pipeline: no stages are linked into it." }
}
