"""Data files of arrays, .npy and dense .npz: damaged, boastful, of strange types and shapes."""

import io
import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

from .case import Case, predicts, reads
from .made import usual_rows

X, Y = usual_rows()


def npy(descr: object = "<f4", shape: object = (60, 9), body: bytes = b"\0" * 2160, header: str | None = None) -> bytes:
    """The bytes of a .npy file whose header says whatever is asked for."""
    if header is None:
        header = repr({"descr": descr, "fortran_order": False, "shape": shape})
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def saved(array, **more) -> bytes:
    """What np.save writes."""
    file = io.BytesIO()
    np.save(file, array, **more)
    return file.getvalue()


def file(content: bytes, name: str = "x.npy"):
    """Writes a file of this content."""
    return lambda folder: (folder / name).write_bytes(content)


def array(value, **more):
    """Writes x.npy with this array."""
    return file(saved(np.asarray(value), **more))


class Touches:
    """Unpickled, it makes a file named `pwned`."""

    def __reduce__(self):
        return (Path.touch, (Path("pwned"),))


def with_value(value, row: int, column: int, dtype="f4") -> np.ndarray:
    x = X.astype(dtype)
    x[row, column] = value
    return x


WHOLE = saved(X)
PICKLED = saved(np.array([[Touches()]], object), allow_pickle=True)
CODE = "{'descr': '<f4', 'fortran_order': False, 'shape': (__import__('pathlib').Path('pwned').touch(), 9)}"

DAMAGED = {
    "empty": b"",
    "only the magic": WHOLE[:6],
    "ends in the header": WHOLE[:40],
    "ends in the rows": WHOLE[:900],
    "a byte short": WHOLE[:-1],
    "a text": b"1 2 3\n4 5 6\n",
    "a pickle": pickle.dumps([1, 2]),
    "version 9": WHOLE[:6] + b"\x09\x09" + WHOLE[8:],
    "zeros": bytes(4096),
    "0xff": b"\xff" * 4096,
    "a header of 4 GiB": WHOLE[:6] + b"\x02\x00" + struct.pack("<I", 2**32 - 1) + WHOLE[10:],
    "of 364 TiB": npy("<f8", (5 * 10**12, 10)),
    "of 2^70 rows": npy("<f4", (2**70, 9)),
    "of 2^62 rows": npy("<f4", (2**62, 9)),
    "of 2^31 columns": npy("<f4", (60, 2**31)),
    "a negative shape": npy("<f4", (-60, 9)),
    "a shape of text": npy("<f4", ("60", 9)),
    "a shape of None": npy("<f4", (None, 9)),
    "a shape of floats": npy("<f4", (60.0, 9.0)),
    "a shape that is a number": npy("<f4", 540),
    "64 dimensions": npy("<f4", (1,) * 64 + (60, 9)),
    "a header of code": npy(header=CODE),
    "a header that is a list": npy(header="[1, 2]"),
    "a header without keys": npy(header="{}"),
    "a header with a key more": npy(header="{'descr': '<f4', 'fortran_order': False, 'shape': (60, 9), 'more': 1}"),
    "a header of 9000 brackets": npy(header="[" * 9000),
    "a header of nested brackets": npy(header="(" * 90 + ")" * 90),
    "a header of no UTF-8": WHOLE[:12] + b"\xff\xfe" + WHOLE[14:],
    "a zip": b"PK\x05\x06" + bytes(18),
    "a descr of nothing": npy("", (60, 9)),
    "a descr of no type": npy("<q9", (60, 9)),
    "a descr of a list": npy([("a", "<f4"), ("b", "<f4")], (30, 9)),
    "a descr of 2 GB a cell": npy("<U500000000", (1, 1)),
    "objects": npy("|O", (60, 9)),
    "objects that run": PICKLED,
}
OTHER = {
    "structured": np.zeros((60, 9), [("a", "f4"), ("b", "i4")]),
    "complex": X.astype("c8"),
    "dates": np.zeros((60, 9), "M8[s]"),
    "spans of time": np.zeros((60, 9), "m8[s]"),
    "texts": X.astype("U8"),
    "bytes": X.astype("S8"),
    "void": np.zeros((60, 9), "V8"),
    "one dimension": X[:, 0],
    "a single number": X[0, 0],
    "no row": X[:0],
    "no column": X[:, :0],
    "an empty last axis": np.zeros((60, 9, 0), "f4"),
    "NaN first": with_value(np.nan, 0, 0),
    "NaN last": with_value(np.nan, 59, 8),
    "inf": with_value(np.inf, 30, 4),
    "-inf": with_value(-np.inf, 30, 4),
    "1e300": with_value(1e300, 3, 3, "f8"),
    "1e39": with_value(-1e39, 3, 3, "f8"),
    "1e31": with_value(1e31, 3, 3),
    "inf in float16": with_value(np.inf, 3, 3, "f2"),
    "all NaN": np.full((60, 9), np.nan, "f4"),
    "fewer rows than clusters": X[:2],
}
SAME = {
    "Fortran order": np.asfortranarray(X),
    "big-endian": X.astype(">f4"),
    "float64": X.astype("f8"),
    "long double": X.astype(np.longdouble),
    "float16": X.astype("f2"),
    "five dimensions": X.reshape(60, 1, 1, 1, 9),
    "three dimensions": X.reshape(60, 3, 3),
    "channels": X.reshape(60, 1, 3, 3),
}
FITTED = {
    "constant": np.full((60, 9), 7, "f4"),
    "one column": X[:, :1],
    "zeros of int64": np.zeros((60, 9), "i8"),
    "2^62": with_value(2**62, 5, 5, "i8"),
    "2^64 - 1": with_value(2**64 - 1, 5, 5, "u8"),
    "booleans": X > 0,
    "denormal": (X * 1e-40).astype("f4"),
    "1e29": with_value(1e29, 3, 3),
    "three rows": X[:3],
}


def _link(target: str):
    return lambda folder: (folder / "x.npy").symlink_to(target)


def _names(*names: str) -> dict:
    return {"names": names}


NPY = [
    *(reads(f"npy: {name}", file(content)) for name, content in DAMAGED.items()),
    *(
        reads(f"npy: {name}", array(value), **_names("--data", "x.npy", "--clusters", "rows"))
        for name, value in OTHER.items()
    ),
    *(predicts(f"npy: {name}", array(value)) for name, value in SAME.items()),
    *(
        reads(f"npy: {name}", array(value), ends="either", rows=len(value), **_names("--data", "--clusters", "rows"))
        for name, value in FITTED.items()
    ),
    predicts("npy: more bytes than it says", file(WHOLE + b"more"), ends="either"),
    predicts("npy: a descr with a shape", file(npy(("<f4", (9,)), (60,), X.tobytes())), ends="either"),
    reads("npy: a folder", lambda folder: (folder / "x.npy").mkdir()),
    reads("npy: a link to nowhere", _link("nowhere")),
    reads("npy: a link to itself", _link("x.npy")),
    reads("npy: a device", _link("/dev/zero")),
    reads("npy: a pipe that nobody writes", lambda folder: os.mkfifo(folder / "x.npy")),
    predicts("npy: a column more", array(np.ones((60, 10), "f4")), ends="refused"),
    predicts("npy: a column less", array(X[:, :8]), ends="refused"),
    predicts("npy: no row to predict", array(X[:0]), ends="refused"),
    predicts("npy: NaN to predict", array(with_value(np.nan, 9, 9 - 1)), ends="refused"),
    predicts("npy: one row to predict", array(X[:1]), rows=1, same=False),
]


def zipped(members: dict[str, bytes], method=zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    """A zip of members by name."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        archive.comment = comment
        for name, each in members.items():
            archive.writestr(name, each)
    return content.getvalue()


def patched(content: bytes, local: int, central: int, value: bytes) -> bytes:
    """A zip of one member with bytes of its local and its central header overwritten; -1 leaves one as it is."""
    found = bytearray(content)
    for start, offset in ((0, local), (content.rindex(b"PK\x01\x02"), central)):
        if offset >= 0:
            found[start + offset : start + offset + len(value)] = value
    return bytes(found)


def bomb(megabytes: int) -> bytes:
    """A deflated member x.npy of float32 zeros [n, 1] of so many megabytes, made without holding them."""
    header, zeros = npy("<f4", (megabytes * 2**18, 1), b""), bytes(2**20)
    packer = zlib.compressobj(9, wbits=-15)
    begin = packer.compress(header) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)  # stands by itself, so it can be repeated
    data = begin + block * megabytes + packer.flush()
    crc, size = zlib.crc32(header), len(header) + megabytes * len(zeros)
    for _ in range(megabytes):
        crc = zlib.crc32(zeros, crc)
    small = zipped({"x.npy": b""}, zipfile.ZIP_DEFLATED)
    facts = struct.pack("<III", crc, len(data), size)
    at = small.rindex(b"PK\x01\x02")
    local, central = bytearray(small[:35]), bytearray(small[at:-22])
    local[14:26], central[16:28] = facts, facts
    end = bytearray(small[-22:])
    end[16:20] = struct.pack("<I", len(local) + len(data))
    return bytes(local) + data + bytes(central) + bytes(end)


ONE = zipped({"x.npy": WHOLE})
MANY = {f"array_of_measurements_{i:04d}.npy": saved(X[:1]) for i in range(300)}
BROKEN = {
    "empty": b"",
    "a text": b"x,y\n1,2\n",
    "no member": zipped({}),
    "ends early": ONE[:1200],
    "a byte of the end gone": ONE[:-1],
    "no zip but a npy": WHOLE,
    "a wrong checksum": patched(ONE, 14, 16, b"abcd"),
    "a flipped bit": ONE[:500] + bytes([ONE[500] ^ 1]) + ONE[501:],
    "encrypted": patched(ONE, 6, 8, b"\1\0"),
    "an unknown method": patched(ONE, 8, 10, b"\x63\0"),
    "deflate that is none": patched(ONE, 8, 10, b"\x08\0"),
    "no array": zipped({"x.txt": b"hello"}),
    "a member that is no array": zipped({"x.npy": b"hello"}),
    "an empty member": zipped({"x.npy": b""}),
    "a zip in a zip": zipped({"x.npz": ONE}),
    "no x among several": zipped({"a.npy": WHOLE, "b.npy": WHOLE}),
    "300 names and no x": zipped(MANY),
    "a member of 364 TiB": zipped({"x.npy": npy("<f8", (5 * 10**12, 10))}),
    "objects that run": zipped({"x.npy": PICKLED}),
    "a member cut short": zipped({"x.npy": WHOLE[:700]}),
    "a header of code": zipped({"x.npy": npy(header=CODE)}),
    "only y": zipped({"y.npy": saved(Y), "z.npy": WHOLE}),
    "x one-dimensional": zipped({"x.npy": saved(Y)}),
    "x empty": zipped({"x.npy": saved(X[:0])}),
}
LABELS = {
    "y too short": saved(Y[:59]),
    "y too long": saved(np.append(Y, 0)),
    "y of two columns": saved(np.stack([Y, Y], 1)),
    "y a single number": saved(np.int64(3)),
    "y of objects that run": PICKLED,
    "y damaged": WHOLE[:30],
    "y of 364 TiB": npy("<i8", (5 * 10**13,)),
    "y without an entry": saved(Y[:0]),
}
ODD_LABELS = {
    "y of NaN": saved(np.where(Y == 1, np.nan, Y)),
    "y of texts": saved(np.array(["a\n", "b", "\x1b[2J"])[Y]),
    "y structured": saved(np.zeros(60, [("a", "i4")])),
    "y one class": saved(Y * 0),
    "y all different": saved(np.arange(60)),
    "y negative": saved(-Y),
    "y complex": saved(Y * 1j),
}


def npz(content: bytes):
    return file(content, "x.npz")


NPZ = [
    *(reads(f"npz: {name}", npz(content), "x.npz") for name, content in BROKEN.items()),
    *(
        reads(f"npz: {name}", npz(zipped({"x.npy": WHOLE, "y.npy": y})), "x.npz", **_names("x.npz", "y", "--labels"))
        for name, y in LABELS.items()
    ),
    *(
        predicts(f"npz: {name}", npz(zipped({"x.npy": WHOLE, "y.npy": y})), "x.npz", ends="either")
        for name, y in ODD_LABELS.items()
    ),
    *(
        predicts(f"npz: packed by {name}", npz(zipped({"x.npy": WHOLE}, method)), "x.npz")
        for name, method in (("deflate", 8), ("bzip2", 12), ("lzma", 14))
    ),
    predicts("npz: text before the zip", npz(b"#!/bin/sh\n" * 50 + ONE), "x.npz", ends="either"),
    predicts("npz: a comment of 65,535 bytes", npz(zipped({"x.npy": WHOLE}, comment=b"c" * 65535)), "x.npz"),
    predicts("npz: an absolute name", npz(zipped({"/x.npy": WHOLE})), "x.npz", ends="either"),
    predicts("npz: a name that climbs", npz(zipped({"../../x.npy": WHOLE})), "x.npz", ends="either"),
    predicts("npz: a name without .npy", npz(zipped({"x": WHOLE})), "x.npz", ends="either"),
    predicts("npz: a name with an escape", npz(zipped({"\x1b[2J.npy": WHOLE})), "x.npz", ends="either"),
    predicts("npz: a size of 4 GB", npz(patched(ONE, 22, 24, b"\xfe\xff\xff\xff")), "x.npz", ends="either"),
    reads("npz: names with escapes", npz(zipped({"\x1b[2J.npy": WHOLE, "\r.npy": WHOLE})), "x.npz"),
    predicts("npz: 600 MB of zeros", lambda folder: (folder / "x.npz").write_bytes(bomb(600)), "x.npz", ends="refused"),
    reads("npz: --labels of no array", npz(ONE), "x.npz", more=("--labels", "z"), **_names("--labels")),
    reads("npz: --labels that are the rows", npz(ONE), "x.npz", more=("--labels", "x"), **_names("--labels", "x.npz")),
    reads("npz: --labels of nothing", npz(ONE), "x.npz", more=("--labels", ""), **_names("--labels")),
]

ARRAYS: list[Case] = [*NPY, *NPZ]
