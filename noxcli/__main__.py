"""The process: argv in, exit code out."""

import os
import sys

from noxcli import __version__

GARBAGE_AFTER = 100_000  # objects allocated but not freed before a collection; a small run allocates about 60,000


def main() -> None:
    """Run the process's command line."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        # Nothing else is loaded, so this takes no longer than Python itself; if it can't be written, the code below
        # says why.
        try:
            os.write(1, f"noxcli {__version__}\n".encode())
        except OSError:
            pass
        else:
            os._exit(0)
    if sys.argv[1:2] == ["__complete"]:
        from noxcli.cli.complete import complete  # loads next to nothing: it is run for each Tab

        complete(sys.argv[2:])
        os._exit(0)
    # Until there is something to clean up, Ctrl-C just exits; Python would print a traceback, also while it loads the
    # module `signal`, which is made of this one.
    import _signal  # type: ignore[import-not-found]  # the type checker knows `signal` alone

    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, lambda *_: os._exit(128 + _signal.SIGINT))
    import gc

    # Nearly all objects from loading stay alive: searching them for garbage again and again takes 7 ms of a small run.
    gc.set_threshold(GARBAGE_AFTER)
    import threading

    from noxcli.app import run_argv, tell_stray
    from noxcli.cli.context import Context
    from noxcli.errors import ExitCode
    from noxcli.render.terminal import Terminal
    from noxcli.signals import SIGNALS

    context = Context(Terminal.of_process())
    threading.excepthook = lambda ended: tell_stray(context, ended.exc_value)
    try:
        SIGNALS.install()
        code = run_argv(sys.argv[1:], context)
    except Exception as error:
        # Even reporting the error failed; Python's own exit code for that would mean that the run failed.
        tell_stray(context, error)
        code = ExitCode.BUG
    context.terminal.let_go()
    # All is flushed, and no thread has work left: tearing down the interpreter would take 10 to 30 ms.
    os._exit(code)


if __name__ == "__main__":
    main()
