"""Ctrl-C and SIGTERM end a command with one line and its code, also where what the handler raises gets lost."""

import os
import runpy
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest

from vade_tf.cli import entry, signals
from vade_tf.cli.command import answer, typed
from vade_tf.cli.main import main

ROOT = Path(__file__).resolve().parent.parent
BOTH = pytest.mark.parametrize(("number", "word"), [(signal.SIGINT, "stopped"), (signal.SIGTERM, "terminated")])


class Something:
    """What a weak reference can be to."""


def lost(number):
    """A signal during the callback of a weak reference, where Python drops what the handler raises."""
    some = Something()
    reference = weakref.ref(some, lambda _: os.kill(os.getpid(), number))
    del some
    return reference


@BOTH
def test_a_stop_that_was_lost_comes_again(number, word, capsys, monkeypatch):
    monkeypatch.setattr(signals, "AGAIN", 0.05)

    def work():
        lost(number)
        threading.Event().wait(20)

    assert answer("p", work, stopped=lambda: "go on here") == 128 + number
    assert capsys.readouterr().err == f"p: {word}; go on here\n"


@BOTH
def test_a_stop_that_became_another_error_is_a_stop(number, word, capsys):
    def work():
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt as error:
            raise SystemError("returned a result with an exception set") from error

    assert answer("p", work) == 128 + number
    assert capsys.readouterr().err == f"p: {word}\n"


def test_an_error_without_a_signal_stays_one():
    def work():
        raise SystemError("another")

    with pytest.raises(SystemError, match="another"):
        answer("p", work)


def test_what_clears_up_after_a_stop_is_not_disturbed(capsys, monkeypatch):
    """Else a second stop would leave half of it."""
    monkeypatch.setattr(signals, "AGAIN", 0.01)
    cleared = []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            threading.Event().wait(0.2)
            cleared.append(True)

    assert answer("p", work) == 130
    assert cleared == [True]
    assert capsys.readouterr().err == "p: stopped\n"


def test_handlers_and_the_clock_are_as_before(capsys):
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers], sys.unraisablehook
    for work in (lambda: None, lambda: os.kill(os.getpid(), signal.SIGTERM)):
        answer("p", work)
        assert ([signal.getsignal(number) for number in numbers], sys.unraisablehook) == before
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_clock_of_somebody_else_runs_on():
    """As that of a test runner, or of a program that calls the command."""
    rung = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    try:
        assert answer("p", lambda: signal.raise_signal(signal.SIGALRM) or 0) == 0
        signal.setitimer(signal.ITIMER_REAL, 30)
        assert answer("p", lambda: 0) == 0
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 20
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert rung == [signal.SIGALRM]


@BOTH
def test_where_there_is_no_such_clock_a_stop_is_raised_once(number, word, capsys, monkeypatch):
    monkeypatch.setattr(signals, "ALARM", None)
    monkeypatch.delattr(signal, "setitimer")
    assert answer("p", lambda: os.kill(os.getpid(), number)) == 128 + number
    assert capsys.readouterr().err == f"p: {word}\n"


def test_a_stop_at_the_very_end_leaves_no_handler_behind(monkeypatch):
    """It comes while the handlers are put back."""
    before = [signal.getsignal(number) for number in signals.STOPS]
    put_back = signal.signal

    def interrupted(number, handler):
        if handler in before:
            os.kill(os.getpid(), signal.SIGINT)
            monkeypatch.setattr(signals.signal, "signal", put_back)
        return put_back(number, handler)

    monkeypatch.setattr(signals.signal, "signal", interrupted)
    with pytest.raises(KeyboardInterrupt), signals.stoppable():
        pass
    assert [signal.getsignal(number) for number in signals.STOPS] == before


def test_a_signal_that_is_ignored_stays_so(capsys):
    """As Ctrl-C is in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert answer("p", lambda: os.kill(os.getpid(), signal.SIGINT)) == 0
        with signals.at_once():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_without_an_installation_the_program_is_named_as_typed(capsys, monkeypatch):
    given = []
    monkeypatch.setattr("vade_tf.cli.main.main", lambda **more: given.append(more) or 2)
    with pytest.raises(SystemExit):
        runpy.run_module("vade_tf", run_name="__main__")
    assert given == [{"prog": "python -m vade_tf"}]
    assert entry.main("python -m vade_tf") == 2
    assert typed("python -m vade_tf evaluate", "train") == "python -m vade_tf train"
    with pytest.raises(SystemExit):
        main(["train", "--help"], "python -m vade_tf")
    shown = capsys.readouterr().out
    assert "python -m vade_tf train --resume runs/mnist" in shown
    assert "vade-tf" not in shown
    assert main(["predict", "nowhere", "--data", "x.csv"], "python -m vade_tf") == 2
    assert capsys.readouterr().err.startswith("python -m vade_tf predict: ")


def test_a_stop_of_the_first_second_names_the_program_as_typed():
    lines = "from vade_tf.cli.signals import at_once\nimport os, sys\nsys.argv = ['vade_tf/__main__.py']\n"
    program = f"{lines}with at_once():\n os.kill(os.getpid(), 2)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stderr=-1, text=True)
    assert (done.returncode, done.stderr) == (130, "python -m vade_tf: stopped before anything was written\n")
