"""NumPy's files, which may be damaged or made to harm: read without pickles, no larger than the memory."""

import zipfile
from pathlib import Path

import numpy as np

from vade_tf.machine import memory

MAX_MEMBERS = 10_000  # of a zip


def plain_array(file: Path | str, mapped: bool = False):
    """The array of a .npy file, in memory; with `mapped` a `numpy.memmap` that reads its values as they are used.

    Raises:
        ValueError: it is no .npy file, shorter than its header says, or holds Python objects.
    """
    try:
        found = np.lib.format.open_memmap(file, mode="r")  # which holds the header against the size of the file
    except ValueError as error:  # "mmap length is greater than file size"
        raise ValueError(f"{file} is damaged ({error})") from error
    return found if mapped else np.array(found)


def archive_arrays(file: Path, names: list[str] | None = None) -> dict[str, np.ndarray]:
    """Arrays of an .npz file by name; default all of them.

    Raises:
        ValueError: its members are too many, unpack to more than the memory of this machine, or hold Python objects.
        KeyError: an array is not there.
    """
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        size = sum(member.file_size for member in members)
        if len(members) > MAX_MEMBERS or size > memory():
            raise ValueError(f"{file} has {len(members):,} members of {size:,} bytes, more than this machine can hold")
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in (stored.files if names is None else names)}
