"""What a command that only computes is doing, on stderr: stdout stays clean for what it finds."""

import time
from types import TracebackType

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from vade_tf.printing import Plain


class Steps:
    """Call it with the name of each step as it begins; use it as a context manager.

    On a terminal a line shows the present step and is gone at the end. Elsewhere each step leaves a line when it is
    done, with its seconds, so an error in the first step is the only line.

    Args:
        quiet: show nothing.
    """

    def __init__(self, quiet: bool = False):
        self.quiet = quiet
        self.console = Plain(stderr=True)
        self.draws = not quiet and self.console.is_terminal and not self.console.is_dumb_terminal
        self.subject = self.name = ""
        self.begun = 0.0
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        self.progress = Progress(*columns, console=self.console, transient=True)

    def __enter__(self) -> "Steps":
        if self.draws:
            self.progress.start()
            self.task = self.progress.add_task("", total=None)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.draws:
            self.progress.stop()
        if kind is None:
            self._end()

    def about(self, subject: str) -> "Steps":
        """The steps from here on are about one of several things, which their lines begin with."""
        self._end()
        self.subject = subject
        return self

    def __call__(self, name: str) -> None:
        self._end()
        self.name, self.begun = name, time.monotonic()
        if self.draws:
            self.progress.update(self.task, description=f"{self.subject}{name}")

    def _end(self) -> None:
        if self.name and not (self.draws or self.quiet):
            line = f"{self.subject}{self.name}  {time.monotonic() - self.begun:.0f} s"
            self.console.print(line, highlight=False, soft_wrap=True)
        self.name = ""
