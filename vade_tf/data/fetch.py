"""Files of public data sets: from a folder, from the cache, or downloaded; whole and checked or not at all."""

import hashlib
import os
import stat
import sys
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vade_tf.data import web
from vade_tf.data.web import DownloadError, PassingError, Patience
from vade_tf.errors import InputError, StorageError
from vade_tf.storage import whole

PAUSES = (1.0, 3.0, 9.0)  # seconds before the second, third and fourth attempt
PROGRESS_SECONDS = 2.0
LEFTOVERS = (".*.unfinished", "unfinished-*")  # files being written: vade_tf.storage's, and older versions'
LEFTOVER_SECONDS = 86_400.0  # age of the last write after which nobody is writing any more
_NO_HOME = "VADE_TF_HOME: this user has no home folder"
_NAME_ONE = "set VADE_TF_HOME to a folder for downloads"


@dataclass(frozen=True)
class Remote:
    """A file at a public address.

    Attributes:
        name: of the file in the cache.
        address: where it is downloaded from.
        checksum: "sha256:..." or "md5:..." as somebody who vouches for it has published it.
        limit: most bytes that a server may send for it.
    """

    name: str
    address: str
    checksum: str
    limit: int = 100_000_000


def cache_folder() -> Path:
    """$VADE_TF_HOME, or ~/.cache/vade_tf, or for a user without a home folder one of their own among temporary files.

    Raises:
        InputError: there is no home folder, and none can be had among temporary files.
    """
    if named := os.environ.get("VADE_TF_HOME"):
        return Path(named)
    try:
        return Path.home() / ".cache" / "vade_tf"
    except RuntimeError:  # HOME is not set, and the system knows no such user: a container with a number for a user
        return _private_folder()


def provide(dataset: str, files: tuple[Remote, ...], data_dir: str | None, patience: Patience | None = None) -> Path:
    """The folder that holds all files of a data set; those that the cache lacks or has damaged are downloaded.

    Every call reads the cached files through for their checksums, one or two seconds a gigabyte. A loader that keeps
    something made of them looks for that first.

    Args:
        dataset: its name; also the folder's in the cache.
        files: what it consists of.
        data_dir: folder that must hold them already; None: the cache, then the network. Files of the user's own are
            taken as they are, without a look at their checksum.
        patience: time-outs; None: the usual ones.

    Raises:
        InputError: a file is missing from data_dir, cannot be downloaded, or cannot be kept; says what to do by hand.
    """
    if data_dir is not None:
        return _users_own(dataset, files, Path(data_dir))
    folder = cache_folder() / dataset
    for file in files:
        try:
            _complete(file, folder, patience or Patience())
        except DownloadError as error:
            path = folder / file.name
            what = f"{path} is damaged and" if path.is_file() else file.name
            by_hand = ", ".join(f"{each.address} as {each.name}" for each in files)
            raise InputError(
                f"dataset={dataset}: {what} could not be downloaded ({error}); download {by_hand} by hand into "
                "one folder and name it with data_dir"
            ) from error
        except (OSError, StorageError) as error:
            raise StorageError(
                f"dataset={dataset}: {file.name} cannot be kept in the cache {folder} ({error}); make that folder "
                "usable, or name another one in the environment variable VADE_TF_HOME"
            ) from error
    return folder


def _users_own(dataset: str, files: tuple[Remote, ...], folder: Path) -> Path:
    try:
        missing = [file for file in files if not (folder / file.name).is_file()]
    except OSError as error:
        raise InputError(f"data_dir: the folder {folder} cannot be read ({error})") from error
    if missing:
        raise InputError(
            f"data_dir: expected {', '.join(file.name for file in files)} in {folder} for dataset={dataset}, found "
            f"no {missing[0].name}; download it from {missing[0].address}"
        )
    return folder


def _complete(remote: Remote, folder: Path, patience: Patience) -> None:
    """See that a folder of the cache holds a file whole.

    Raises:
        DownloadError: it does not, and cannot be had.
        OSError: the folder cannot be used.
    """
    file = folder / remote.name
    if _is_sound(file, remote):
        return
    if file.is_file():
        _say(f"{file} is damaged, its checksum is not {remote.checksum}: downloading it again")
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    for seconds in (*PAUSES, None):
        try:
            return _download(remote, file, patience)
        except PassingError as error:
            if seconds is None:
                raise PassingError(f"{error}, {len(PAUSES) + 1} times") from error
            _say(f"{remote.name}: {error}; again in {seconds:g} s")
            patience.pause(seconds)
        if _is_sound(file, remote):  # another process has brought it meanwhile
            return


def _is_sound(file: Path, remote: Remote) -> bool:
    """Whether a file is there and has the checksum that was published."""
    if not file.is_file():
        return False
    kind = remote.checksum.partition(":")[0]
    with file.open("rb") as stream:
        return remote.checksum == f"{kind}:{hashlib.file_digest(stream, partial(_digest, kind)).hexdigest()}"


def _download(remote: Remote, path: Path, patience: Patience) -> None:
    """One attempt; the file appears under its name only when it is whole and its checksum is right."""
    digest = _digest(remote.checksum.partition(":")[0])
    done, shown = 0, patience.clock()
    with whole(path) as file, closing(web.body(remote.address, remote.limit, patience)) as pieces:
        for piece, total in pieces:
            file.write(piece)
            digest.update(piece)
            done += len(piece)
            if patience.clock() - shown >= PROGRESS_SECONDS:
                share = f"{done / total:4.0%} of {total / 1e6:.0f} MB" if total else f"{done / 1e6:.0f} MB"
                _say(f"{remote.name}: {share}")
                shown = patience.clock()
        found = f"{digest.name}:{digest.hexdigest()}"
        if found != remote.checksum:
            raise DownloadError(
                f"checksum mismatch, the file at this address has changed: expected {remote.checksum}, got {found}"
            )


def _digest(kind: str):
    return hashlib.new(kind, usedforsecurity=False)  # MD5 also where a system forbids it for security


def sweep(folder: Path) -> None:
    """Remove what writers that were killed have left; a file in progress was written to a short while ago."""
    for pattern in LEFTOVERS:
        for file in folder.glob(pattern):
            with suppress(OSError):  # gone already, or another user's
                if time.time() - file.lstat().st_mtime > LEFTOVER_SECONDS:
                    file.unlink()


def _private_folder() -> Path:
    """A folder among temporary files that belongs to this user alone, so that nobody else can put files into it."""
    user = os.getuid() if hasattr(os, "getuid") else None  # None: Windows, where temporary files are per user
    try:
        folder = Path(tempfile.gettempdir()) / f"vade_tf-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise InputError(f"{_NO_HOME}, and no folder for temporary files ({error}); {_NAME_ONE}") from error
    private = found.st_mode & ~stat.S_ISGID == stat.S_IFDIR | 0o700  # the folder above may hand its group down
    if user is not None and not (private and found.st_uid == user):
        raise InputError(f"{_NO_HOME}, and {folder} is not a folder of this user alone; {_NAME_ONE}")
    return folder


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
