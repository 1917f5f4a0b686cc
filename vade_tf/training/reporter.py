"""Who hears how a fit goes on: the form of a reporter, the one that shows nothing, and one that prints lines."""

import time
from collections.abc import Callable

PHASES = {
    "pretrain": "Autoencoder",
    "clusters": "Choosing K",
    "init": "Starting mixture",
    "regroup": "Regrouping",
    "self-training": "Self-training",
    "vade": "VaDE",
    "predict": "Predicting",
}


class Silent:
    """The reporter that shows nothing; also the form of every reporter."""

    def __enter__(self):
        return self

    def __exit__(self, *exception) -> None:
        pass

    def say(self, text: str) -> None:
        """One sentence a person should read."""

    def phase(self, name: str, steps: int) -> Callable[[int, str], None]:
        """A phase of so many steps begins: one of `PHASES`, or another system by its name.

        Returns:
            What hears of (steps done since the last call, a text).
        """
        return lambda done, text: None


class Lines(Silent):
    """A reporter that prints plain lines as things happen.

    Args:
        write: prints a line; default: `print`, flushed.
    """

    def __init__(self, write: Callable[[str], None] | None = None):
        self.write = write or (lambda text: print(text, flush=True))

    def say(self, text: str) -> None:
        self.write(text)

    def phase(self, name: str, steps: int) -> Callable[[int, str], None]:
        return PhaseLines(PHASES.get(name, name), steps, self.write).advance


class PhaseLines:
    """A phase of so many batches as plain lines, at most one every two seconds of the clock, and always the last."""

    def __init__(
        self, title: str, total: int, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ):
        self.title, self.total, self.write, self.clock = title, total, write, clock
        self.started = self.now = self.written = clock()
        self.done, self.text, self.last = 0, "", ""

    def advance(self, done: int, text: str) -> None:
        """So many more batches are done; the text says of what, and without one their share is shown."""
        self.done += done
        self.now = self.clock()
        self.text = text or f"{100 * self.done / max(self.total, 1):.0f} %"
        if self.done >= self.total or self.now - self.written >= 2:
            self.flush()

    def flush(self) -> None:
        """Print what was heard last, unless it was printed."""
        if self.text != self.last:
            self.written, self.last = self.now, self.text
            self.write(f"{self.title:<17} {self.text}  {self.written - self.started:.0f} s")
