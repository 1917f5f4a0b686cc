"""Ctrl-C and SIGTERM while nothing is written yet: one line and the end, whatever is being imported; and how to leave.

Imports nothing of the package: NumPy, SciPy and TensorFlow take seconds, and make other errors of Ctrl-C.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def at_once(screen: int = 2) -> Iterator[None]:
    """While nothing is written yet, Ctrl-C and SIGTERM end the process with a line.

    Args:
        screen: file descriptor of where the line goes; default stderr.
    """

    def leave(number, frame) -> None:
        word = "stopped" if number == signal.SIGINT else "terminated"
        os.write(screen, f"{Path(sys.argv[0]).name}: {word} before anything was written\n".encode(errors="replace"))
        os._exit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # which alone hears of signals
        yield
        return
    before = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
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
