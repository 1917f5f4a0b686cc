"""What the commands have in common: how they read flags, load TensorFlow, and end."""

import argparse
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from vade_tf.cli.signals import Stopped, stoppable
from vade_tf.errors import ClusterError, DivergedError, InputError, cited, visible

EXIT_DIVERGED = EXIT_PIPE_CLOSED = 1
EXIT_REFUSED = 2
EXIT_WORKER_LOST = 75  # EX_TEMPFAIL of sysexits.h: start it again
MAX_MESSAGE_CHARACTERS = 340
EXTRAS = {  # which optional dependency brings a module
    "matplotlib": "reports",
    "mlxtend": "digits",
    "pyarrow": "files",
    "PIL": "files",
    "anndata": "cells",
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line.

    Args:
        prog: the program as typed, "train.py", "vade-tf train" or "python -m vade_tf train".
        text: what it is for; the examples in it begin with "vade-tf" and are shown as this program is typed.
        more: as for `argparse.ArgumentParser`.
    """

    def __init__(self, prog: str, text: str | None, **more):
        text = (text or "").replace(f"vade-tf {prog.removesuffix('.py').rpartition(' ')[2]}", typed(prog))
        form = argparse.RawDescriptionHelpFormatter
        super().__init__(prog=prog, description=text, formatter_class=form, allow_abbrev=False, **more)

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_REFUSED, f"{self.prog}: {one_line(message)}; see --help\n")

    def worded(self, error: BaseException) -> str:
        """An error in the words of the command line: the argument that it begins with is shown as its flag."""
        if isinstance(error, InputError | ClusterError):
            name, colon, rest = str(error).partition(":")
            flags = {action.dest for action in self._actions if action.option_strings}
            return (f"--{name.replace('_', '-')}" if name in flags else name) + colon + rest
        if isinstance(error, ModuleNotFoundError):
            missing = (error.name or "").partition(".")[0]  # of matplotlib.figure it is matplotlib
            extra = f"; pip install 'vade-tf[{EXTRAS[missing]}]' brings it" if missing in EXTRAS else ""
            return f"{missing} is not installed{extra}"
        if isinstance(error, OSError) and error.strerror:
            return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
            return f"not enough memory ({cited(error)})"
        return cited(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {cited(error)}"


def typed(prog: str, command: str | None = None) -> str:
    """What a person types to start a program, or another command of the same kind: "python train.py"."""
    if prog.endswith(".py"):
        return f"python {command}.py" if command else f"python {prog}"
    return f"{prog.rpartition(' ')[0]} {command}" if command else prog


def execute(parser: Parser, work: Callable[[], None], resumable: Callable[[], str] = str) -> int:
    """Do the work of a command; what goes wrong, and each warning, is a line on stderr.

    Under `python -X dev` an error that is not meant for the user keeps its traceback.

    Args:
        parser: of the command.
        work: all that it does.
        resumable: how to go on after the work was cut short; "" where nothing was begun.

    Returns:
        The exit code: 0; 2 where something given cannot be used; 1 where training diverged; 75 where another worker
        stopped, and all can be started again; 130 after Ctrl-C, 143 after a termination signal.
    """
    if hasattr(sys.stdout, "reconfigure") and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # a letter that the terminal's encoding lacks is escaped
    try:
        with _warnings_as_lines(parser.prog), stoppable():
            work()
            if sys.stdout is not None:
                sys.stdout.flush()
        return 0
    except BrokenPipeError:  # the reader of stdout, such as head, has seen enough
        message, code = "", EXIT_PIPE_CLOSED
    except Stopped as stop:
        message, code = f"stopped by {stop.name}", 128 + stop.number
    except DivergedError as error:
        message, code = str(error), EXIT_DIVERGED
    except ClusterError as error:
        message, code = parser.worded(error), EXIT_WORKER_LOST
    except InputError as error:
        message, code = parser.worded(error), EXIT_REFUSED
        resumable = str
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        message, code = parser.worded(error), EXIT_REFUSED
    _discard_unwritten()
    if text := "; ".join(filter(None, (message, resumable()))):
        print(f"{parser.prog}: {one_line(text)}", file=sys.stderr)
    return code


def one_line(text: str) -> str:
    """A message as a terminal may show it: one line, no control characters, and no longer than one reads."""
    text = visible(" ".join(text.split("\n"))).encode(errors="backslashreplace").decode()
    half = MAX_MESSAGE_CHARACTERS // 2
    return text if len(text) <= MAX_MESSAGE_CHARACTERS else f"{text[:half]} ... {text[-half:]}"


def _discard_unwritten() -> None:
    """What stdout holds and cannot be written goes nowhere, or Python would fail over it once more at its exit."""
    try:
        if sys.stdout is not None:
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
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
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
