"""Files of public data sets: from a folder, from the cache, or downloaded, whole and checked or not at all."""

import hashlib
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from vade_tf.errors import InputError

PAUSES = (1.0, 3.0, 9.0)  # seconds before the second, third and fourth attempt
TIMEOUT = 20.0  # seconds without an answer
CHUNK = 1 << 20
PROGRESS_SECONDS = 2.0


@dataclass(frozen=True)
class Remote:
    """A file at a public address.

    Attributes:
        name: of the file in the cache.
        address: where it is downloaded from.
        checksum: "sha256:..." or "md5:..." as somebody who vouches for it has published it; None: nobody has.
    """

    name: str
    address: str
    checksum: str | None = None


class PassingError(OSError):
    """A download failed in a way that another attempt may mend."""


def cache_folder() -> Path:
    """$VADE_TF_HOME, or ~/.cache/vade_tf."""
    return Path(os.environ.get("VADE_TF_HOME") or Path.home() / ".cache" / "vade_tf")


def provide(
    dataset: str,
    files: tuple[Remote, ...],
    data_dir: str | None,
    *,
    timeout: float = TIMEOUT,
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """The folder that holds all files of a data set, downloaded first where they are not there yet.

    Args:
        dataset: its name; also the folder's in the cache.
        files: what it consists of.
        data_dir: folder that must hold them already; None: the cache, then the network. Files of the user's own are
            taken as they are, without a look at their checksum.
        timeout: seconds without an answer that end an attempt.
        pause: waits before another attempt, given the seconds.

    Raises:
        InputError: a file is missing from data_dir, or cannot be downloaded; says what to do by hand.
    """
    folder = cache_folder() / dataset if data_dir is None else Path(data_dir)
    missing = [file for file in files if not (folder / file.name).is_file()]
    if data_dir is not None and missing:
        raise InputError(
            f"data_dir: expected {', '.join(file.name for file in files)} in {folder} for dataset={dataset}, found "
            f"no {missing[0].name}; download it from {missing[0].address}"
        )
    for file in missing:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            download(file, folder, timeout=timeout, pause=pause)
        except OSError as error:
            by_hand = ", ".join(f"{each.address} as {each.name}" for each in files)
            raise InputError(
                f"dataset={dataset}: {file.name} could not be downloaded ({error}); download {by_hand} by hand into "
                "one folder and name it with data_dir"
            ) from error
    return folder


def download(remote: Remote, folder: Path, *, timeout: float, pause: Callable[[float], None]) -> None:
    """One file into a folder; under its own name only when it is whole and its checksum is right.

    Raises:
        OSError: refused, wrong checksum, or out of attempts (server errors, time-outs, bodies cut short).
    """
    for seconds in (*PAUSES, None):
        try:
            return _attempt(remote, folder, timeout)
        except PassingError as error:
            if seconds is None:
                raise PassingError(f"{error}, {len(PAUSES) + 1} times") from error
            _say(f"{remote.name}: {error}; again in {seconds:g} s")
            pause(seconds)


def _attempt(remote: Remote, folder: Path, timeout: float) -> None:
    handle, temporary = tempfile.mkstemp(prefix="unfinished-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            found = _receive(remote, file, timeout)
        if remote.checksum is not None and found != remote.checksum:
            raise OSError(f"expected {remote.checksum}, got {found}: the file there is another than was published")
        Path(temporary).chmod(0o644)  # others may share the cache
        Path(temporary).replace(folder / remote.name)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _receive(remote: Remote, file, timeout: float) -> str:
    """Write the body of an address to an open file; returns its checksum."""
    digest = hashlib.new("sha256" if remote.checksum is None else remote.checksum.partition(":")[0])
    request = urllib.request.Request(remote.address, headers={"User-Agent": "vade_tf"})
    done, shown = 0, time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                if time.monotonic() - shown >= PROGRESS_SECONDS:
                    share = f"{done / total:4.0%} of {total / 1e6:.0f} MB" if total else f"{done / 1e6:.0f} MB"
                    _say(f"{remote.name}: {share}")
                    shown = time.monotonic()
    except urllib.error.HTTPError as error:
        kind = PassingError if error.code >= 500 or error.code in (408, 429) else OSError  # 429: too many requests
        raise kind(f"the server answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise OSError(f"no network, or the server is out of reach: {error.reason}") from error
    except TimeoutError as error:
        raise PassingError(f"no answer within {timeout:g} s") from error
    except (HTTPException, ConnectionError) as error:
        raise PassingError(f"the connection broke ({error!r})") from error
    if done < total:
        raise PassingError(f"only {done} of {total} bytes came")
    return f"{digest.name}:{digest.hexdigest()}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
