"""Where runs are: which folders are free for one, who trains in one, and which files are its own."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vade_tf.data import coding
from vade_tf.errors import InputError
from vade_tf.locking import Busy, locked
from vade_tf.paths import usable
from vade_tf.reading import each, json_object, parsed, record, text_of
from vade_tf.writing import check_clock, sweep, writing

LOCK = ".lock"
FOLDERS = ("checkpoints", "export", "tensorboard", "figures")  # in that of a run
FILES = ("config.json", "data.json", "schema.json", "metrics.csv", "metrics.json", "model.keras", "assignments.csv")
OWN = (*FILES, *FOLDERS, "report.html")
CONFIG = {"recipe": str, "seed": int}  # which every config.json holds
PLAN = {"values": each(list, int), "config": record(CONFIG)}
MOST = 200_000  # characters of what is told of a run; some thousands are the most that were


@dataclass(frozen=True)
class Kind:
    """What varies in a study: a setting, from `least` up; the folders' prefix; whether runs share an autoencoder."""

    setting: str
    prefix: str
    shared: bool = True
    least: int = 0


KINDS = {  # of studies, which are several runs; KIND.json marks the folder of one
    "seeds": Kind("seed", "seed-", False),
    "restarts": Kind("restart", "restart-"),
    "clusters": Kind("clusters", "k-", least=1),
}
OF_STUDIES = ("summary.json", "clusters.png", *(f"{kind}{end}" for kind in KINDS for end in (".json", ".csv")))


def kind_of(path: str | Path) -> str | None:
    """The kind of study that a folder holds, or None."""
    return next((kind for kind in KINDS if (Path(path) / f"{kind}.json").exists()), None)


def told(value) -> bool:
    """The kind of a text that a person could read."""
    return isinstance(value, str) and len(value) <= MOST


def list_told(value) -> bool:
    """The kind of a list of texts that a person could read."""
    return isinstance(value, list) and all(map(told, value)) and sum(map(len, value)) <= MOST


def by_name(kind) -> Callable[[Any], bool]:
    """The kind of an object whose values are all of a kind, and whose keys a person could read."""
    return lambda value: each(dict, kind)(value) and list_told(list(value))


DATA = {
    "source": told,
    "rows": int,
    "features": int,
    "crc32": int,
    "hints": (int, type(None)),
    "in_file": (bool, type(None)),
    "image_shape": lambda value: value is None or each(list, int)(value),
    "kind": lambda value: value is None or told(value),
}


def owned(file: Path) -> bool:
    """Whether a file is one that a run or a study has of its own, or is in a folder that is."""
    place = Path(os.path.realpath(file))  # which takes links in a circle, too
    return any(place.relative_to(parent).parts[0] in _own(parent) for parent in place.parents)


def _own(folder: Path) -> tuple[str, ...]:
    """What a folder has of its own by these names, if it is that of a run or of a study."""
    of_run = OWN if _holds(folder / "config.json", CONFIG) else ()
    studied = any(_holds(folder / f"{kind}.json", PLAN) for kind in KINDS)
    return of_run + OF_STUDIES if studied else of_run


def _holds(file: Path, kinds: dict) -> bool:
    """Whether a JSON file holds such values, as another program's config.json does not; a damaged one may have."""
    try:
        return record(kinds)(parsed(text_of(file)))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError, RecursionError):
        return True


def check_outside(out: str | Path, data: str | None) -> None:
    """Raises InputError where the folder of a run would lie in the folder of images that the run is to read."""
    if data is None or not Path(data).is_dir():
        return
    if Path(os.path.realpath(usable(out, "out"))).is_relative_to(os.path.realpath(data)):  # also of links in a circle
        raise InputError(f"out: {out} lies in {data}, whose images the run's pictures would become; choose another")


def check_report(out: str | Path, runs: Iterable[str | Path]) -> None:
    """Raises InputError where a report would lie in what another run or study has of its own.

    Args:
        out: folder of the report.
        runs: folders of the runs that it is about; their own are free for it, and those of their studies.
    """
    place = Path(os.path.realpath(usable(out, "out")))
    about = [Path(os.path.realpath(run)) for run in runs]
    for folder in (place, *place.parents):
        names, inside = _own(folder), place.relative_to(folder).parts
        if names and (not inside or inside[0] in names) and not any(run.is_relative_to(folder) for run in about):
            raise InputError(f"out: {out} belongs to {folder}, another run than is evaluated; choose another folder")


def check_empty(path: Path) -> None:
    """Raises InputError, which says what it holds, unless a folder for a new run is not there yet or empty."""
    if (path / "metrics.json").exists():
        raise InputError(f"out: {path} holds a finished run; choose another folder or remove this one")
    if (path / "config.json").exists():
        raise InputError(
            f"out: {path} holds an unfinished run; continue it with resume={str(path)!r}, or choose another folder"
        )
    if path.exists() and not path.is_dir():
        raise InputError(f"out: {path} is a file; choose another folder")
    foreign = [file for file in path.iterdir() if not _left_by_a_kill(file)] if path.is_dir() else []
    if foreign:
        raise InputError(
            f"out: {path} is not empty; choose another folder, or, if it holds several runs already, continue with "
            f"resume={str(path)!r}"
        )


def _left_by_a_kill(file: Path) -> bool:
    """Whether `Run.create` makes this before config.json; hidden files, which it leaves alone, do not count either."""
    if file.name == "checkpoints":
        return file.is_dir() and not any(file.iterdir())
    if file.name not in ("data.json", "schema.json"):
        return file.name.startswith(".")
    try:
        if file.name == "data.json":
            return set(json_object(file, DATA)) <= set(DATA)
        coding.read(file)
    except ValueError:
        return False
    return True


def free_folder(parent: Path, name: str) -> Path:
    """parent/name, or the first of parent/name-2, -3, ... that is not there or an empty folder."""
    path, number = parent / name, 1
    while os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir())):
        number += 1
        path = parent / f"{name}-{number}"
    return path


@contextlib.contextmanager
def reserved(parent: Path, name: str) -> Iterator[Path]:
    """The folder that `free_folder` gives, which no other process gets from now on; gone again if it stays empty."""
    with writing(parent):
        path, made = _reserve(parent, name)
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):  # another process has something there
            if [file.name for file in path.iterdir()] in ([], [LOCK]):
                (path / LOCK).unlink(missing_ok=True)
                for folder in made:
                    folder.rmdir()


def _reserve(parent: Path, name: str) -> tuple[Path, list[Path]]:
    """The folder, and those that had to be made."""
    while True:
        path = free_folder(parent, name)
        made = [folder for folder in (path, parent) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        # one process of several makes it; another may remove the folder just then
        with contextlib.suppress(FileExistsError, FileNotFoundError), (path / LOCK).open("x"):
            return path, made


@contextlib.contextmanager
def held(path: str | Path, argument: str, new: bool = False) -> Iterator[Path]:
    """Keeps a folder for one process that trains; the operating system lets go of it when the process ends, however.

    Args:
        path: the folder.
        argument: what an error names.
        new: make the folder first, and refuse one that is in use.

    Raises:
        InputError: another process holds it, it cannot be written, or the clock allows no model to be saved.
    """
    check_clock()
    folder = usable(path, argument)
    if new:
        check_empty(folder)
        with writing(folder, argument):
            folder.mkdir(parents=True, exist_ok=True)
    refuse_links([*(folder / name for name in FOLDERS), *folder.glob("tensorboard/*")], argument)
    with contextlib.ExitStack() as stack:
        try:
            with writing(folder, argument):
                stack.enter_context(locked(folder / LOCK))
        except Busy as error:
            raise InputError(
                f"{argument}: {folder} is in use by another process; wait for it, or choose another folder"
            ) from error
        for place in (folder, folder / "checkpoints", folder / "export", *folder.glob("tensorboard/*")):
            sweep(place)
        yield folder


def refuse_links(folders: Iterable[Path], argument: str) -> None:
    """Raises InputError where a folder of a run is a link: what it leads to is not the run's to write or clear."""
    for place in folders:
        if place.is_symlink():
            raise InputError(f"{argument}: expected a folder of the run, got a link at {place}; remove it")
