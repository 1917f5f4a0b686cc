"""Files that may be damaged, or made to harm: their sizes are looked at before memory is taken.

Every error is an InputError that names the file; nothing in a file is ever run.
"""

import io
import json
import math
import stat
import tokenize
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from vade_tf.errors import InputError, cited
from vade_tf.machine import check_memory

LARGEST_JSON = 1 << 26  # bytes; the largest that a run folder holds are a few hundred kilobytes
LARGEST = 1e300  # of a number, also of a whole one, which Python lets grow and no array holds
LONGEST_HEADER = 65_535  # bytes of that of a .npy; as long as one of version 1.0 can be
COPY_AGAIN = "copy the run folder again"


def json_object(file: Path, kinds: dict[str, Any] | None = None, todo: str = COPY_AGAIN) -> dict:
    """The object that a JSON file holds.

    Args:
        file: the file.
        kinds: what its values must be, by key: a type, several in a tuple, or a function that says whether a value is
            right; a key that is missing counts as None.
        todo: what an error tells to do.

    Raises:
        InputError: it is missing, damaged, no object, or a value is of another kind.
    """
    try:
        values = parsed(text_of(file))
        if not isinstance(values, dict):
            raise ValueError(f"expected an object, got {type(values).__name__}")
        for name, kind in (kinds or {}).items():
            if not _is(values.get(name), kind):
                raise ValueError(f"{name}: got {str(values.get(name))[:40]!r}")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} is missing or damaged ({cited(error)}); {todo}") from error
    return values


def parsed(text: str) -> Any:
    """What a JSON text holds.

    Raises:
        ValueError: it is none, a key stands there twice, a whole number is huge, or a text is not to be written in
            UTF-8.
        RecursionError: it is nested too deep.
    """
    values = json.loads(text, object_pairs_hook=_once, parse_int=_whole)
    if "\\u" in text:  # half of a letter that takes two
        json.dumps(values, ensure_ascii=False).encode()
    return values


def text_of(file: Path) -> str:
    """A text in UTF-8 as it stands in its file, its line ends included.

    Raises:
        ValueError: it is no regular file, too long, or no UTF-8.
        OSError: it cannot be read.
    """
    size_of(file)
    with file.open("rb") as stream:
        content = stream.read(LARGEST_JSON + 1)  # what /proc holds has no size
    if len(content) > LARGEST_JSON:
        raise ValueError(f"more than {LARGEST_JSON:,} bytes")
    return content.decode()


def size_of(file: Path) -> int:
    """Bytes of a regular file.

    Raises:
        ValueError: it is something else: a pipe would be waited for, and a device may never end.
        OSError: it is not there.
    """
    about = file.stat()
    if not stat.S_ISREG(about.st_mode):
        raise ValueError("expected a regular file, got a folder, a pipe or a device")
    return about.st_size


def _once(pairs: list[tuple[str, Any]]) -> dict:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands there twice")
    return dict(pairs)


def _whole(digits: str) -> int:
    if abs(number := int(digits)) > LARGEST:
        raise ValueError(f"a number of {len(digits)} digits")
    return number


def _is(value, kind) -> bool:
    """Whether a value of a JSON file is of a kind; true and false are no numbers, nor are huge and infinite ones."""
    if not isinstance(kind, (type, tuple)):
        return kind(value)
    if isinstance(value, bool):
        return kind is bool or (isinstance(kind, tuple) and bool in kind)
    if isinstance(value, (int, float)) and not abs(value) <= LARGEST:  # NaN is not either
        return False
    return isinstance(value, kind)


def finite(value) -> bool:
    """The kind of a number."""
    return _is(value, (int, float))


def each(container: type, kind) -> Callable[[Any], bool]:
    """The kind of a list, or of an object, whose values are all of a kind."""

    def right(value) -> bool:
        inside = value.values() if isinstance(value, dict) else value
        return isinstance(value, container) and all(_is(one, kind) for one in inside)

    return right


def record(kinds: dict[str, Any]) -> Callable[[Any], bool]:
    """The kind of an object with values of these kinds."""
    return lambda value: isinstance(value, dict) and all(_is(value.get(name), kind) for name, kind in kinds.items())


def stored_arrays(file: Path, todo: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file that `numpy.savez` wrote, so uncompressed: it can take no more memory than it is long.

    Args:
        file: the file.
        todo: what an error tells to do.

    Raises:
        InputError: it cannot be read, or holds anything else.
    """
    try:
        size = size_of(file)
        with zipfile.ZipFile(file) as archive:
            check_members(archive, size)
        return archive_arrays(file)
    except InputError as error:
        raise InputError(f"{file} is damaged ({error}); {todo}") from error
    except Exception as error:  # what zipfile raises has no common base
        raise InputError(f"{file} is damaged ({cited(error)}); {todo}") from error


def check_members(archive: zipfile.ZipFile, size: int) -> None:
    """Raises ValueError unless the members of a zip of this size take no more memory than it is long."""
    for member in archive.infolist():
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise ValueError(f"{member.filename} is compressed or encrypted")
    if sum(member.file_size for member in archive.infolist()) > size:
        raise ValueError("its members claim more bytes than it has")


def plain_array(file: Path, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    """The array of a .npy file, without pickles.

    Args:
        file: the file.
        mmap_mode: "r" leaves the values in the file, to be read as they are used.

    Raises:
        ValueError: it is no .npy file, or claims another size than it has, or more memory than this machine has.
        OSError: it cannot be read.
    """
    size = size_of(file)
    with file.open("rb") as stream:
        _check_size(stream, size, file.name, mapped=mmap_mode is not None)
    return np.load(file, mmap_mode, allow_pickle=False)


def archive_arrays(file: Path | BinaryIO, names: list[str] | None = None) -> dict[str, np.ndarray]:
    """Arrays of an .npz file by name, without pickles; default all of them.

    Raises:
        ValueError: an array is not there or claims another size than it has, or they take more memory than this machine
            has.
        OSError, zipfile.BadZipFile, ...: as zipfile and NumPy raise them for what is damaged.
    """
    with zipfile.ZipFile(file) as archive:
        members = {each.filename[:-4]: each for each in archive.infolist() if each.filename.endswith(".npy")}
        if twins := members.keys() & set(archive.namelist()):
            raise ValueError(f"two members are called {min(twins)[:40]!r}")
        if absent := [name for name in names or () if name not in members]:
            raise ValueError(f"expected an array {absent[0][:40]!r}, got none")
        wanted = [members[name] for name in (members if names is None else names)]
        for member in wanted:
            with archive.open(member) as stream:
                _check_size(stream, member.file_size, member.filename)
        check_memory(sum(member.file_size for member in wanted), "all that it holds")
        found = {}
        for member in wanted:
            with archive.open(member) as stream:
                found[member.filename[:-4]] = np.lib.format.read_array(stream, allow_pickle=False)
    return found


def _check_size(stream, size: int, name: str, mapped: bool = False) -> None:
    """Raises ValueError unless an array's header fits the number of bytes that follow it, and these fit in memory."""
    shape, dtype = npy_header(stream)
    claimed = math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects, which could run a program; save plain numbers")
    if claimed != size - stream.tell():
        raise ValueError(f"{name} claims {claimed:,} bytes and has {size - stream.tell():,}")
    if not mapped:
        check_memory(claimed, name)


def npy_header(stream: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array as the beginning of a .npy stream claims them, which is read up to the values.

    Raises:
        ValueError: there is no such beginning.
    """
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"expected .npy of version 1.0 or 2.0, got {version}")
    if version == (2, 0):
        length = stream.read(4)  # NumPy reads the whole of it before it looks how long it is
        if int.from_bytes(length, "little") > LONGEST_HEADER:
            raise ValueError(f"its header is longer than {LONGEST_HEADER:,} bytes")
        stream.seek(-len(length), io.SEEK_CUR)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, _, dtype = read(stream)
    except (SyntaxError, tokenize.TokenError, RecursionError, MemoryError) as error:  # of Python's reader of literals
        raise ValueError("its header cannot be read") from error
    if not all(0 <= length < 2**63 for length in shape):
        raise ValueError(f"expected lengths from 0 below 2^63, got shape {str(shape)[:40]}")
    return shape, dtype


class Counted(io.RawIOBase):
    """A stream that tells how many bytes each read gives, to a function that raises where it ends."""

    def __init__(self, stream, count: Callable[[int], None]):
        self.stream, self.count = stream, count

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int | None:
        size = self.stream.readinto(buffer)
        self.count(size or 0)
        return size

    def close(self) -> None:
        self.stream.close()
        super().close()


def bounded(stream, most: int) -> io.BufferedReader:
    """A stream of bytes that raises ValueError where it gives more than so many, as what was packed to harm does."""
    left = most

    def count(size: int) -> None:
        nonlocal left
        left -= size
        if left < 0:
            raise ValueError("it unpacks to far more than the data set has")

    return io.BufferedReader(Counted(stream, count))
