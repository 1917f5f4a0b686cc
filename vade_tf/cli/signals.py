"""Ctrl-C and SIGTERM: the end with a line while nothing is written, an exception during the work; and how to leave.

Imports nothing of the package: NumPy, SciPy and TensorFlow take seconds, and make other errors of Ctrl-C.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


class Terminated(KeyboardInterrupt):
    """A scheduler or an operator has sent SIGTERM."""


STOPS: dict[int, type[KeyboardInterrupt]] = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}
AGAIN = 1.0  # seconds after which a stop that was lost is raised again
ALARM: int | None = getattr(signal, "SIGALRM", None)  # there is none on Windows


@contextmanager
def stoppable() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the work by an exception, so that nothing half written is left.

    Where C++ code or a callback of a weak reference runs, what a handler raises is dropped or becomes another error. So
    it is raised again each second until the work has ended, and any error after a signal counts as the stop.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        Terminated: SIGTERM.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone hears of signals
        yield
        return
    came: list[int] = []
    over = False

    def stop(number, frame) -> None:
        came.append(number)
        if over:
            return
        if len(came) == 1 and ALARM is not None:
            before[ALARM] = signal.signal(ALARM, again)
            signal.setitimer(signal.ITIMER_REAL, AGAIN, AGAIN)
        raise STOPS[came[0]]

    def again(number, frame) -> None:
        under_way = isinstance(sys.exception(), KeyboardInterrupt)  # what clears up after it is not disturbed
        if not over and not under_way:
            raise STOPS[came[0]]

    def dropped(what) -> None:
        if not isinstance(what.exc_value, KeyboardInterrupt):  # which comes again
            hook(what)

    before: dict[int, Any] = {number: signal.signal(number, stop) for number in _heard()}
    hook, sys.unraisablehook = sys.unraisablehook, dropped
    try:
        yield
    except Exception:  # perhaps what a stop became, which is raised below
        if not came:
            raise
    finally:
        over = True
        sys.unraisablehook = hook
        if ALARM in before:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in reversed(before.items()):  # Ctrl-C last: once it is back, it may end this loop
            signal.signal(number, handler)
    if came:
        raise STOPS[came[0]]


def _heard() -> list[int]:
    """Those of the signals that the caller has not switched off, as a script does for what it starts by `&`."""
    return [number for number in STOPS if signal.getsignal(number) != signal.SIG_IGN]


@contextmanager
def at_once(screen: int = 2) -> Iterator[None]:
    """While nothing is written yet, Ctrl-C and SIGTERM end the process with a line.

    Args:
        screen: file descriptor of where the line goes; default stderr.
    """

    def leave(number, frame) -> None:
        word = "stopped" if number == signal.SIGINT else "terminated"
        name = Path(sys.argv[0]).name.replace("__main__.py", "python -m vade_tf")
        os.write(screen, f"{name}: {word} before anything was written\n".encode(errors="replace"))
        os._exit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # which alone hears of signals
        yield
        return
    before = {number: signal.signal(number, leave) for number in _heard()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def left(code: int) -> int:
    """The exit code of a command; one that was stopped half-way ends the process here.

    TensorFlow's threads are still at work then. Where the interpreter was taken down beneath them, a process was once
    seen to end with a SIGSEGV instead of the code that says how it was stopped; which thread it was is not known.
    """
    if code not in (0, 2):
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                with suppress(OSError, ValueError):  # closed, or a pipe that nobody reads
                    stream.flush()
        os._exit(code)
    return code
