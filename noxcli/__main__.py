"""The process: argv in, exit code out."""

import os
import sys

from noxcli import __version__


def main() -> None:
    """Run the process's command line."""
    if _answer_at_once(sys.argv[1:]):
        os._exit(0)
    import gc
    import signal

    # Start-up makes many objects and no garbage: a small run takes 4 % less.
    gc.set_threshold(200_000)

    # Until there is something to clean up, Ctrl-C just exits; Python would print a traceback.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
    import threading

    from noxcli.app import report_thread_crash, run_argv
    from noxcli.cli.context import Context
    from noxcli.errors import ExitCode
    from noxcli.render.terminal import Terminal
    from noxcli.signals import SIGNALS

    context = Context(Terminal.of_process())
    threading.excepthook = lambda ended: report_thread_crash(context, ended.exc_value)
    try:
        SIGNALS.install()
        code = run_argv(sys.argv[1:], context)
    except Exception as error:
        # Even reporting the error failed; Python's own exit code would mean that the run failed.
        report_thread_crash(context, error)
        code = ExitCode.BUG
    context.terminal.finish()
    # All is flushed, and no thread has work left: tearing down the interpreter would take 10 to 30
    # ms.
    os._exit(code)


def _answer_at_once(argv: list[str]) -> bool:
    """Answer Tab and --version with next to nothing loaded; return whether that is done."""
    if argv[:1] == ["__complete"]:
        from noxcli.cli.complete import complete  # it is run for each Tab

        complete(argv[1:])
        return True
    if argv not in (["--version"], ["-V"]):
        return False
    try:
        os.write(1, f"noxcli {__version__}\n".encode())
    except OSError:
        return False  # the whole program says why it can't be written
    return True


if __name__ == "__main__":
    main()
