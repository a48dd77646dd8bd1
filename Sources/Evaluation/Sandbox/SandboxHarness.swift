/// The Python program inside the sandbox that runs the untrusted one and says how it ended.
///
/// The untrusted program is a child that is executed as lm-eval does it, in a namespace of its own.
/// Its parent alone holds the way out; who kills the parent gives no verdict, and whoever leaves
/// early (`os._exit(0)`) has not passed. As with every test inside the tested process, a program that
/// knows this harness could claim success; it could do no more.
enum SandboxHarness {
  /// Begins the line with the verdict.
  static let mark = "assay-verdict:"

  static let source = """
    import os, signal, sys
    os.closerange(3, 4096)
    program = sys.stdin.buffer.read()
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        null = os.open("/dev/null", os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.dup2(send, 3)
        os.closerange(4, 4096)
        me = os.getpid()
        try:
            exec(compile(program, "program", "exec"), {})
            verdict = "passed"
        except BaseException as error:
            verdict = "failed " + type(error).__name__ + ": " + str(error)[:300]
        if os.getpid() == me:
            os.write(3, verdict.replace("\\n", " ").encode("utf-8", "replace") + b"\\n")
        os._exit(0)
    os.close(send)
    verdict = b""
    while not verdict.endswith(b"\\n"):
        piece = os.read(receive, 4096)
        if not piece:
            break
        verdict += piece
    if not verdict.endswith(b"\\n"):
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            verdict = ("failed killed by " + signal.Signals(os.WTERMSIG(status)).name).encode()
        else:
            verdict = b"failed left before its end with status %d" % os.WEXITSTATUS(status)
        verdict += b"\\n"
    os.write(1, b"\\n\(mark)" + verdict)
    os._exit(0)
    """
}
