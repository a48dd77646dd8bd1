import Dispatch

/// Waits on the main thread for asynchronous work; the thread is not of the cooperative pool.
func blocking<Result: Sendable>(
  _ work: @escaping @Sendable () async throws -> Result
) throws -> Result {
  let done = DispatchSemaphore(value: 0)
  nonisolated(unsafe) var outcome: Swift.Result<Result, any Error>?
  Task.detached {
    // SAFETY: written before the signal, read after the wait.
    do { outcome = .success(try await work()) } catch { outcome = .failure(error) }
    done.signal()
  }
  done.wait()
  guard let outcome else { preconditionFailure("signalled without an outcome") }
  return try outcome.get()
}
