"""What the commands have in common: one line and an exit code for all that goes wrong, help without TensorFlow."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref
import zipfile
from pathlib import Path

import pytest

from vade_tf.cli import command
from vade_tf.cli.command import Parser, execute, hushed
from vade_tf.cli.main import COMMANDS, main
from vade_tf.cli.train import build_parser
from vade_tf.errors import ClusterError, DivergedError, InputError

ROOT = Path(__file__).resolve().parents[2]


def ended(error, prog="vade-tf train", resumable=str) -> int:
    """The exit code of a command whose work raises an error."""

    def work():
        raise error

    return execute(build_parser(prog), work, resumable)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("batch_size", "a number", "'a\nb'"), 2, "--batch-size: expected a number, got 'a b'"),
        (InputError("run", "a run folder", "x\x1b[2J"), 2, "run: expected a run folder, got x\\x1b[2J"),
        (
            FileNotFoundError(2, "No such file or directory", "x.npy"),
            2,
            "[Errno 2] No such file or directory: 'x.npy'",
        ),
        (zipfile.BadZipFile("File is not a zip file"), 2, "BadZipFile: File is not a zip file; go on"),
        (ModuleNotFoundError("no", name="matplotlib.figure"), 2, "matplotlib is not installed; pip install"),
        (MemoryError("3 GB"), 2, "MemoryError: 3 GB; go on"),
        (DivergedError("the loss became nan"), 1, "the loss became nan; go on"),
        (ClusterError("distribute: another worker has stopped"), 75, "--distribute: another worker"),
    ],
)
def test_what_goes_wrong_is_one_line_in_flags(error, code, line, capsys):
    assert ended(error, resumable=lambda: "go on") == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"vade-tf train: {line}")
    assert shown.err.count("\n") == 1


def test_a_reader_of_stdout_who_has_seen_enough_is_no_error_to_read(capsys):
    assert ended(BrokenPipeError()) == 1
    assert capsys.readouterr().err == ""


def test_a_warning_is_one_line_and_shown_once(capsys):
    def work():
        for kind in (UserWarning, RuntimeWarning, DeprecationWarning):
            warnings.warn("far\naway" if kind is not DeprecationWarning else "old", kind, stacklevel=1)

    assert execute(Parser("vade-tf predict", ""), work) == 0
    assert capsys.readouterr().err == "vade-tf predict: warning: far away\n"


def test_a_letter_that_the_terminal_lacks_is_escaped(monkeypatch):
    screen = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", screen)
    assert execute(Parser("p", ""), lambda: print("\u0141")) == 0
    assert screen.buffer.getvalue() == b"\\u0141\n"


def test_what_libraries_print_while_they_load_is_shown_where_they_fail_alone(capfd):
    for error in (InputError("x", "y"), ImportError("theirs")):
        with pytest.raises(type(error)), hushed():  # noqa: PT012
            os.write(2, b"noise")
            raise error
    assert capfd.readouterr().err == "noise"


EVERY = """import sys; from vade_tf.cli.main import COMMANDS, main
for command in ([], *([each] for each in COMMANDS)):
    sys.argv = ["-c", *command, "--help"]
    try:
        sys.exit(main())
    except SystemExit as ended:
        assert not ended.code"""


@pytest.mark.parametrize("program", [["train.py", "--help"], ["-m", "vade_tf", "predict", "--help"], ["-c", EVERY]])
def test_help_needs_no_tensorflow_and_names_the_program_as_typed(program):
    done = subprocess.run([sys.executable, "-X", "importtime", *program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not {"tensorflow", "keras", "matplotlib", "pandas", "sklearn"} & loaded
    every = [f"usage: vade-tf {name} " for name in ("COMMAND", *COMMANDS)]
    for typed in every if program[0] == "-c" else [f"python {' '.join(program[:-1])} "]:
        assert typed in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["grow"], "vade-tf: argument COMMAND: invalid choice: 'grow'"),
        (["train", "--epochs", "few"], "vade-tf train: argument --epochs: invalid int value: 'few'; see --help"),
        (["train", "--epoch", "3"], "vade-tf train: unrecognized arguments: --epoch 3; see --help"),
        (["evaluate"], "vade-tf evaluate: the following arguments are required: RUN; see --help"),
        (["evaluate", "r", "--labels", "y"], "vade-tf evaluate: --labels goes with --data"),
        (["predict", "r", "--data", "x", "--seed", "1"], "vade-tf predict: --seed goes with --sample"),
        (["predict", "r", "--sample", "1", "--score"], "vade-tf predict: --score goes with --data"),
        (["export", "runs/a"], "vade-tf export: the following arguments are required: --to; see --help"),
    ],
)
def test_a_mistyped_flag_is_one_line_and_exit_code_2(words, message, capsys):
    with pytest.raises(SystemExit) as left:
        main(words)
    shown = capsys.readouterr()
    assert (left.value.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert shown.err.startswith(message)


BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@BOTH
def test_a_stop_says_how_to_go_on_and_leaves_the_handlers_as_before(number, capsys):
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    assert execute(Parser("p", ""), lambda: os.kill(os.getpid(), number), lambda: "go on") == 128 + number
    assert capsys.readouterr().err == f"p: stopped by {number.name}; go on\n"
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


@BOTH
def test_a_stop_that_python_lost_comes_again(number, monkeypatch):
    """During the callback of a weak reference what the handler raises is dropped."""
    monkeypatch.setattr(command, "REPEAT_SECONDS", 0.05)

    class Something:
        pass

    def work():
        some = Something()
        reference = weakref.ref(some, lambda _: os.kill(os.getpid(), number))
        del some
        threading.Event().wait(20)
        assert reference is None

    assert execute(Parser("p", ""), work) == 128 + number


def test_a_stop_that_became_another_error_is_a_stop():
    def work():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt as error:
            raise SystemError("returned a result with an exception set") from error

    assert execute(Parser("p", ""), work) == 130


def test_what_clears_up_after_a_stop_is_not_disturbed(monkeypatch):
    monkeypatch.setattr(command, "REPEAT_SECONDS", 0.01)
    cleared = []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            time.sleep(0.2)
            cleared.append(True)

    assert (execute(Parser("p", ""), work), cleared) == (130, [True])


def test_a_signal_that_is_ignored_stays_so():
    """As Ctrl-C is in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert execute(Parser("p", ""), lambda: os.kill(os.getpid(), signal.SIGINT)) == 0
    finally:
        signal.signal(signal.SIGINT, before)
