"""Where runs are: which folder is free for one, who trains in it, and which folders hold several runs.

Loads no TensorFlow, so that a folder that is taken is refused at once.
"""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import filelock

from vade_tf.errors import InputError
from vade_tf.storage import remove_unfinished

LOCK = ".lock"
FOLDERS = ("checkpoints", "export", "tensorboard", "figures")  # in that of a run
PREFIXES = {"seeds": "seed-", "restarts": "restart-", "clusters": "k-"}  # of the runs of a study, by its kind
TABLES = ("assignments.csv", "metrics.csv", *(f"{kind}.csv" for kind in PREFIXES))  # that a run or a study writes


def kind_of(path: str | Path) -> str | None:
    """The kind of study that a folder holds, or None."""
    return next((kind for kind in PREFIXES if (Path(path) / f"{kind}.json").exists()), None)


def check_single(path: str | Path, argument: str = "run") -> None:
    """Raises InputError, which says what to give instead, if a folder holds several runs and is none itself."""
    kind = kind_of(path)
    if kind is not None and not (Path(path) / "config.json").exists():
        raise InputError(argument, "one run", f"{path}, which holds several", f"give one, as {path}/{PREFIXES[kind]}N")


def finished_runs(path: str | Path) -> list[Path]:
    """The finished runs of a study of seeds, by seed; any other folder, itself."""
    path = Path(path)
    if kind_of(path) != "seeds":
        check_single(path)
        return [path]
    runs = sorted(path.glob("seed-*/metrics.json"), key=lambda file: (len(file.parent.name), file.parent.name))
    if not runs:
        raise InputError("run", "a study with finished runs", str(path), "resume it")
    return [file.parent for file in runs]


def check_unused(path: Path) -> None:
    """Raises InputError unless a folder for a new run is not there yet, empty, or left so by a kill."""
    if (path / "config.json").exists() or kind_of(path):
        raise InputError("out", "a new folder", f"{path}, which holds a run", "resume it, or choose another folder")
    if path.exists() and not (path.is_dir() and all(map(_left_by_a_kill, path.iterdir()))):
        raise InputError("out", "a new or empty folder", f"{path}, which is not", "choose another folder")


def check_unfinished(path: Path) -> None:
    """Raises InputError where a folder holds no run or study, or one in which nothing is left to do."""
    kind = kind_of(path)
    if kind is None and not (path / "config.json").exists():
        raise InputError("resume", "a run folder", f"{path}, which has no config.json")
    if is_finished(path):
        expected = f"an unfinished {'study' if kind else 'run'}"
        raise InputError("resume", expected, f"{path}, in which nothing is left to do")


def is_finished(path: Path) -> bool:
    return (path / ("summary.json" if kind_of(path) else "metrics.json")).exists()


def _left_by_a_kill(file: Path) -> bool:
    """Whether `Run.create` makes this before config.json; hidden files do not count either."""
    if file.name in ("data.json", "schema.json"):
        return any(word in file.read_bytes() for word in (b'"crc32"', b'"form"'))
    return file.name.startswith(".") or (file.name == "checkpoints" and not any(file.iterdir()))


@contextlib.contextmanager
def reserved(parent: Path, name: str) -> Iterator[Path]:
    """The first of parent/name, parent/name-2, ... that is not there: it is made, and removed if it stays empty."""
    for number in itertools.count(1):
        path = parent / (name if number == 1 else f"{name}-{number}")
        with contextlib.suppress(FileExistsError):
            path.mkdir(parents=True)
            break
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            path.rmdir()
            parent.rmdir()


@contextlib.contextmanager
def held(folder: Path, argument: str) -> Iterator[None]:
    """Keeps a folder for one process that trains; the operating system lets go of it when the process ends, however.

    Raises:
        InputError: another process holds it, or a folder of the run is a link: what it leads to is not the run's.
    """
    runs = [each for prefix in PREFIXES.values() for each in folder.glob(f"{prefix}*")]
    for place in (*(folder / name for name in FOLDERS), *folder.glob("tensorboard/*"), *runs):
        if place.is_symlink():
            raise InputError(argument, "a folder without links in it", str(place), "remove the link")
    try:
        with filelock.FileLock(folder / LOCK, timeout=0):
            for place in (folder, folder / "checkpoints", folder / "export", *folder.glob("tensorboard/*")):
                remove_unfinished(place)
            yield
    except filelock.Timeout as error:
        raise InputError(argument, "a folder that no other process trains in", str(folder), "wait for it") from error
