"""Runs a command in this process and says what is wrong with how it ended; knows no case."""

import hashlib
import os
import re
import signal
import stat
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vade_tf.cli import evaluate, export, predict, train

COMMANDS = {"train": train.main, "evaluate": evaluate.main, "predict": predict.main, "export": export.main}
COMPUTED, PASSED = 40, 150  # seconds of the processor, and of the clock, after which a call counts as hanging
LONGEST = 400  # characters of a refusal
UNFINISHED = re.compile(r"\.tmp$|\.unfinished$|^unfinished-")


class Hangs(BaseException):
    """A call took too long; no `except Exception` catches it."""


@dataclass(frozen=True)
class Ended:
    """How a call ended: exit code, or None where it raised; stdout, stderr, and the traceback's last lines."""

    code: int | None
    out: str
    err: str
    raised: str = ""


@contextmanager
def limited() -> Iterator[None]:
    """Raises `Hangs` in what takes longer, also where `except Exception` waits; nothing where there is no alarm."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(number, frame):
        raise Hangs(f"after {COMPUTED} s of work or {PASSED} s")

    timers = ((signal.ITIMER_PROF, signal.SIGPROF, COMPUTED), (signal.ITIMER_REAL, signal.SIGALRM, PASSED))
    before = {number: signal.signal(number, stop) for _, number, _ in timers}
    try:
        for timer, _, seconds in timers:
            signal.setitimer(timer, seconds)
        yield
    finally:
        for timer, number, _ in timers:
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


def ended(command: str, argv: list[str], capture) -> Ended:
    """Call a command.

    Args:
        command: one of `COMMANDS`.
        argv: its arguments.
        capture: pytest's `capfd`, or anything with its `readouterr`.
    """
    code, raised = None, ""
    capture.readouterr()
    try:
        with limited():
            code = COMMANDS[command](argv)
    except SystemExit as left:  # of argparse
        code = left.code
    except (Exception, Hangs) as error:
        raised = last_lines(error)
    shown = capture.readouterr()
    return Ended(code, shown.out, shown.err, raised)


def last_lines(error: BaseException) -> str:
    """What a traceback ends with, and where."""
    place = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in place if "vade_tf" in frame.filename] or place
    where = f"{Path(own[-1].filename).name}:{own[-1].lineno}"
    return f"{type(error).__name__} at {where}: {' '.join(str(error).split())[:160]}"


def faults_of_refusal(end: Ended, command: str, names: tuple[str, ...], code: int = 2) -> list[str]:
    """What is wrong with a refusal: it should be one short line that has one of these names in it."""
    if end.raised:
        return [end.raised]
    if end.code != code:
        return [f"exit code {end.code} instead of {code}: {(end.err or end.out)[:200]!r}"]
    found, lines = [], end.err.splitlines()
    if len(lines) != 1 or not end.err.endswith("\n"):
        found.append(f"{len(lines)} lines on stderr: {end.err[:300]!r}")
    if not end.err.startswith(f"vade-tf {command}: "):
        found.append(f"does not begin with the command: {end.err[:80]!r}")
    if end.out:
        found.append(f"on stdout: {end.out[:80]!r}")
    return found + faults_of_line(end.err.rstrip("\n"), names)


def faults_of_line(line: str, names: tuple[str, ...]) -> list[str]:
    """What is wrong with the words of a refusal."""
    found = []
    if not any(name in line for name in names):
        found.append(f"names none of {', '.join(names)}: {line[:300]!r}")
    if len(line) > LONGEST:
        found.append(f"{len(line)} characters: {line[:200]!r}")
    if not line.replace("\n", " ").isprintable():
        found.append(f"has unprintable characters: {line[:200]!r}")
    return found


def faults_of_success(end: Ended, command: str) -> list[str]:
    """What is wrong with how a command succeeded, apart from its result."""
    if end.raised:
        return [end.raised]
    if end.code != 0:
        return [f"exit code {end.code} instead of 0: {end.err[:300]!r}"]
    if "Traceback" in end.err or any(not line.startswith(f"vade-tf {command}: ") for line in end.err.splitlines()):
        return [f"on stderr: {end.err[:300]!r}"]
    return []


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder, hidden ones too, with what it holds; folders and links as such, none is followed."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                found[str(path.relative_to(folder))] = f"link to {path.readlink()}"
            elif stat.S_ISREG(mode):
                found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                found[str(path.relative_to(folder))] = "folder" if stat.S_ISDIR(mode) else "other"
    return found


def faults_of_files(before: dict[str, str], after: dict[str, str], allowed: tuple[str, ...] = ()) -> list[str]:
    """What was made, changed or removed outside the allowed paths, and what was left unfinished anywhere."""
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    found = [
        f"{'left' if name not in before else 'removed' if name not in after else 'changed'} {name!a}"
        for name in changed
        if not any(name == path or name.startswith(path + "/") or path.startswith(name + "/") for path in allowed)
    ]
    found += [f"left {name!a}" for name in after.keys() - before.keys() if UNFINISHED.search(Path(name).name)]
    return found[:4]
