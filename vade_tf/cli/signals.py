"""Ctrl-C and SIGTERM: an exception during the work, and how a stopped process leaves."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

REPEAT_SECONDS = 1.0  # after which a stop that Python lost is raised again


class Stopped(KeyboardInterrupt):
    """Ctrl-C was pressed, or a scheduler has sent SIGTERM.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number, self.name = number, signal.Signals(number).name


@contextmanager
def stoppable() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the work inside by an exception, so that nothing half written is left.

    Python drops an exception that is raised while C++ code or the callback of a weak reference runs. So the signal is
    sent again each second until the work has ended, and any other error after it counts as the stop.

    Raises:
        Stopped: a signal came.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone hears of signals
        yield
        return
    came: list[int] = []
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(REPEAT_SECONDS):
            os.kill(os.getpid(), came[0])

    def stop(number: int, frame) -> None:
        if not came:
            came.append(number)
            threading.Thread(target=repeat, daemon=True).start()
        if not ended.is_set() and not isinstance(sys.exception(), Stopped):  # nothing disturbs what clears up after it
            raise Stopped(came[0])

    def unraisable(what) -> None:
        if not isinstance(what.exc_value, Stopped):
            hook(what)

    heard = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    before: dict[int, Any] = {number: signal.signal(number, stop) for number in heard}
    hook, sys.unraisablehook = sys.unraisablehook, unraisable
    try:
        yield
    except Exception as error:
        if came:  # what the stop became in a library
            raise Stopped(came[0]) from error
        raise
    finally:
        ended.set()
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise Stopped(came[0])


def leave(code: int) -> int:
    """The exit code of a command; one that was stopped half-way ends the process here.

    TensorFlow's threads are still at work then: a process whose interpreter was taken down beneath them was once seen
    to end with a SIGSEGV.
    """
    if code not in (0, 2):
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, OSError, ValueError):  # closed, or a pipe that nobody reads
                stream.flush()
        os._exit(code)
    return code
