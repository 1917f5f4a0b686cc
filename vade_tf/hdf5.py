"""HDF5 files that may be damaged, or made to harm: nothing outside a file is read, and no size is taken on trust."""

import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

import h5py
import numpy as np

from vade_tf.machine import check_memory, memory

EXPANDED = 2000  # times what is stored of it that an array may take; zeros that gzip has packed take 1,000 times
CHECKSUM = 4  # bytes that may follow each part
LITTLE = 1 << 26  # bytes that any array may take
HEAP, LEAST = b"GCOL\1", 4096  # how a heap of texts begins, and its least length in bytes
BLOCK = 1 << 24  # bytes of a file that are searched together
TEXTS = (8, 4096)  # texts that are read together: the longer the file, the fewer
TOGETHER = 1 << 28  # bytes of those texts, if each is as long as its file; or a quarter of the memory
SINGLE = {"encoding-type", "encoding-version", "_index", "form", "h5sparse_format"}  # attributes that AnnData reads
COLUMN_ORDER = "column-order"  # attribute of a table of AnnData: the names of its columns


@contextmanager
def opened(file: Path | IO[bytes]) -> Iterator[h5py.File]:
    """A file that holds all that is in it.

    Raises:
        ValueError: it leads to another file, by a link or by an array whose values are kept there; or its texts have
            no end.
        OSError: it cannot be read.
    """
    with h5py.File(file, "r") as stored:
        with Path(file).open("rb") if isinstance(file, (str, os.PathLike)) else nullcontext(file) as content:
            _check_heaps(content, stored.id.get_create_plist().get_sizes()[1])
        if (name := stored.id.links.visit(_leads_out, info=True)) is not None:
            raise ValueError(f"{_text(name)} is a link to another file")
        stored.visititems(_check_home)
        yield stored


def _check_heaps(content: IO[bytes], length: int) -> None:
    """Raises ValueError where the texts of a heap do not lie one behind the other: HDF5 may then never end.

    A heap is its length and its texts, each behind a number and a length of its own; 0 is the number of what is free.
    One that is too short, or longer than its file, HDF5 refuses itself.

    Args:
        content: the file.
        length: bytes of a length.
    """
    head, whole = 8 + -(-length // 8) * 8, content.seek(0, os.SEEK_END)  # of a heap, and of each text in it
    left = 2 * whole  # of which heaps are read: one may hold another file, with heaps of its own

    def long(of: bytes, place: int) -> int:
        return int.from_bytes(of[place + 8 : place + 8 + length], "little")

    for at in _heaps(content, whole):
        content.seek(at)
        size, place = long(content.read(head), 0), head
        if not LEAST <= size <= whole - at:
            continue
        left -= size
        if left < 0:
            raise ValueError("its heaps of texts lie in one another")
        content.seek(at)
        heap = content.read(size)
        while place + head <= size:
            text = long(heap, place)
            step = head + -(-text // 8) * 8 if heap[place : place + 2] != b"\0\0" else text
            place += step
            if step < head or place > size:
                raise ValueError("a heap of texts in it is damaged")


def _heaps(content: IO[bytes], size: int) -> Iterator[int]:
    """Where in a file of so many bytes something begins as heaps do."""
    for start in range(0, size, BLOCK):
        content.seek(start)
        block, at = content.read(BLOCK + len(HEAP) - 1), -1
        while (at := block.find(HEAP, at + 1)) >= 0:
            yield start + at


def _leads_out(name, link) -> str | bytes | None:
    """The name of a link that leads to another file, which ends the visit; it may raise nothing."""
    return None if link.type in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT) else name


def _check_home(name: str, item) -> None:
    if is_array(item) and (item.is_virtual or item.external):
        raise ValueError(f"the values of {_text(name)} are in another file")


def is_array(item) -> bool:
    """Whether what stands in a file is an array, and no group of them."""
    return isinstance(item, h5py.Dataset)


def check_size(item: h5py.Dataset, name: str) -> None:
    """Raises ValueError where an array takes more memory than this machine has, or far more than is stored of it."""
    check_memory(item.nbytes, name)
    stored = item.id.get_storage_size()
    if item.nbytes > max(LITTLE, EXPANDED * stored):
        raise ValueError(f"{name} claims {item.nbytes:,} bytes and has {stored:,}")
    _check_parts(item, name)


def _check_parts(item: h5py.Dataset, name: str) -> None:
    """Raises ValueError where a part of an array unpacks to another length than it has, or cannot be looked at.

    HDF5 goes on to the end of what is packed, and where that is shorter takes for the rest what lies in memory.
    """
    if item.chunks is None:  # HDF5 compares it itself
        return
    how = item.id.get_create_plist()
    filters = [how.get_filter(place)[0] for place in range(how.get_nfilters())]
    if tuple(each for each in filters if each != h5py.h5z.FILTER_FLETCHER32) not in PACKED:
        raise ValueError(f'{name} is packed in a way that cannot be checked; write it again with compression="gzip"')
    size = math.prod(item.chunks) * _in_file(item.id.get_type(), item.file.id.get_create_plist().get_sizes()[0])
    check_memory(size, f"a part of {name}")
    parts: list[h5py.h5d.StoreInfo] = []
    if hasattr(item.id, "chunk_iter"):
        item.id.chunk_iter(parts.append)
    else:  # HDF5 before 1.12.3, where each costs as much as all
        parts = [item.id.get_chunk_info(place) for place in range(item.id.get_num_chunks())]
    for part in parts:
        length = part.size
        for place in reversed(range(len(filters))):
            if part.filter_mask >> place & 1:  # left out for this part
                continue
            if filters[place] == h5py.h5z.FILTER_FLETCHER32:
                length = max(length - CHECKSUM, 0)
            elif filters[place] in UNPACKED:
                content = item.id.read_direct_chunk(part.chunk_offset)[1][:length]
                length = UNPACKED[filters[place]](content, size + CHECKSUM)
        if length != size:
            raise ValueError(f"a part of {name} unpacks to another length than the {size:,} bytes that it is to have")


def _in_file(kind: h5py.h5t.TypeID, address: int) -> int:
    """Bytes of a value in a file with addresses of this length: of a text of any length, those of its place."""
    if isinstance(kind, h5py.h5t.TypeCompoundID):
        members = [kind.get_member_type(i) for i in range(kind.get_nmembers())]
        return kind.get_size() + sum(_in_file(member, address) - member.get_size() for member in members)
    if isinstance(kind, h5py.h5t.TypeArrayID):
        return math.prod(kind.get_array_dims()) * _in_file(kind.get_super(), address)
    of_any_length = isinstance(kind, h5py.h5t.TypeVlenID) or (
        isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str()
    )
    return 8 + address if of_any_length else kind.get_size()


def _inflated(content: bytes, most: int) -> int:
    """Bytes that deflate unpacks to, up to one more than so many; 0 where it cannot."""
    try:
        return len(zlib.decompressobj().decompress(content, most + 1))
    except zlib.error:
        return 0


def _expanded(content: bytes, _: int) -> int:
    """Bytes that LZF unpacks to: 1 to 32 as they stand, or 3 to 264 that came before, in turn; 0 where it cannot."""
    place = length = 0
    while place < len(content) - 1:
        first = content[place]
        if first < 32:
            length, place = length + first + 1, place + first + 2
        elif first < 224:
            length, place = length + (first >> 5) + 2, place + 2
        else:
            length, place = length + content[place + 1] + 9, place + 3
    return length if place == len(content) else 0


UNPACKED = {h5py.h5z.FILTER_DEFLATE: _inflated, h5py.h5z.FILTER_LZF: _expanded}
SHUFFLED: tuple[tuple[int, ...], ...] = ((), (h5py.h5z.FILTER_SHUFFLE,))
PACKED = {(*first, *then) for first in SHUFFLED for then in ((), *((each,) for each in UNPACKED))}  # how a part may be


def check_attribute(item, attribute: str, name: str) -> None:
    """Raises ValueError where what stands beside an array is a list of texts: each may be the same long one."""
    found = item.attrs.get_id(attribute)
    if found.dtype.hasobject and found.shape:
        raise ValueError(f"{name}: its {attribute} is a list of texts")


def check_names(stored: h5py.File) -> None:
    """Raises ValueError where something in a file has several names: a reader by names would read it as often."""

    def named_again(name, link) -> str | bytes | None:
        return name if link.type == h5py.h5l.TYPE_SOFT else None

    def several(name: str, item) -> str | None:
        return name if h5py.h5o.get_info(item.id).rc > 1 else None

    found = several("/", stored) or stored.id.links.visit(named_again, info=True) or stored.visititems(several)
    if found is not None:
        raise ValueError(f"{_text(found)} is there under several names")


def numbers(item: h5py.Dataset, name: str) -> np.ndarray:
    """An array without objects.

    Raises:
        ValueError: it holds texts of any length, or other objects, or takes too much memory.
    """
    if item.dtype.hasobject:
        raise ValueError(f"{name} holds texts or objects; save plain numbers")
    check_size(item, name)
    return item[()]


def values(item: h5py.Dataset, name: str) -> np.ndarray:
    """An array, or a list of texts of any length, which take no more memory than the file is long.

    Raises:
        ValueError: it holds other objects, or takes too much memory.
    """
    if not item.dtype.hasobject:
        return numbers(item, name)
    if h5py.check_string_dtype(item.dtype) is None or item.ndim != 1:
        raise ValueError(f"{name}: expected numbers or a list of texts, got {item.dtype} of shape {item.shape}")
    check_size(item, name)
    found = list(_blocks_of_texts(item, name))
    return np.concatenate(found) if found else item[()]


def check_texts(item: h5py.Dataset, name: str, before: int) -> int:
    """Length of the texts of an array, if it holds some of any length, and of those before.

    Raises:
        ValueError: they are longer than the file, or lie in so wide a table that a row of it may be; or it holds other
            objects, such as lists, of which each cell may be as long as the file.
    """
    kind = item.dtype
    if not kind.hasobject or item.shape is None:
        return before
    fields = [kind[field] for field in kind.names] if kind.names else [kind]
    if any(each.hasobject and h5py.check_string_dtype(each) is None for each in fields):
        raise ValueError(f"{name} holds lists or objects; expected numbers and texts")
    if item.ndim == 0:
        before += sum(map(_length, _columns(np.asarray(item[()], kind))))
        if before > item.file.id.get_filesize():
            raise ValueError(f"the texts of {name} and others are longer than the file")
        return before
    for found in _blocks_of_texts(item, name, before):
        before += _length(found)
    return before


def check_attributes(item: h5py.Group | h5py.Dataset, name: str) -> None:
    """Raises ValueError where an attribute of one text is a list of any length: each may be as long as the file."""
    for each in SINGLE.intersection(item.attrs):
        kind = item.attrs.get_id(each)
        if math.prod(kind.shape) > 1 and kind.dtype.hasobject:
            raise ValueError(f"{each} of {name} is a list of texts")


def _blocks_of_texts(item: h5py.Dataset, name: str, length: int = 0) -> Iterator[np.ndarray]:
    """An array of texts, some of them at a time, as long as all so far are no longer than the file."""
    most, wide = item.file.id.get_filesize(), math.prod(item.shape[1:])
    block = int(np.clip(max(TOGETHER, memory() // 4) // most, *TEXTS))
    if wide > block:
        raise ValueError(f"{name} holds texts in rows of {wide:,}, expected a list of them")
    for start in range(0, len(item), block // max(wide, 1)):
        found = item[start : start + block // max(wide, 1)]
        length += _length(found)
        if length > most:
            raise ValueError(f"the texts of {name} are longer than the file")
        yield found


def _columns(cells: np.ndarray) -> list[np.ndarray]:
    """Cells as they are, or those of each field of records."""
    return [cells[field] for field in cells.dtype.names] if cells.dtype.names else [cells]


def _length(cells: np.ndarray) -> int:
    """Length of the texts of any length in an array, or in an array of records."""
    return sum(sum(map(len, column.flat)) for column in _columns(cells) if column.dtype.hasobject)


def _text(name: str | bytes) -> str:
    return os.fsdecode(name)[:40]
