"""Data files of text, .csv, and sparse matrices in .npz: ragged, of other encodings, with indices that lead nowhere."""

import numpy as np
import scipy.sparse

from .arrays import X, Y, file, saved, with_value, zipped
from .case import Case, predicts, reads

HEADER = ",".join("abcdefghi")
LINES = [",".join(f"{value:.2f}" for value in row) for row in X]


def table(lines=LINES, header: str = HEADER, ending: str = "\n", encoding: str = "utf-8") -> bytes:
    """The usual rows as a .csv."""
    return (ending.join([header, *lines]) + ending).encode(encoding)


def cell(text: str, row: int = 3, column: int = 2) -> bytes:
    """The usual rows with one cell replaced."""
    lines = [line.split(",") for line in LINES]
    lines[row][column] = text
    return table([",".join(line) for line in lines])


def without(row: int, cells: int) -> list[str]:
    """The usual lines, one of them with so many cells less, or more."""
    lines = list(LINES)
    parts = lines[row].split(",")
    lines[row] = ",".join(parts[:-cells] if cells > 0 else parts + ["1.0"] * -cells)
    return lines


REFUSED = {
    "empty": b"", "only an end of line": b"\n", "only a header": (HEADER + "\n").encode(),
    "only empty lines": b"\n" * 50, "a header and empty lines": (HEADER + "\n" * 50).encode(),
    "a cell less": table(without(5, 1)), "a cell more": table(without(5, -1)),
    "a cell more in every row": table([line + ",1" for line in LINES]),
    "a cell less in every row": table([line.rsplit(",", 1)[0] for line in LINES]), "a text": cell("red"),
    "an empty cell": cell(""), "a cell of spaces": cell("   "), "nan": cell("nan"), "inf": cell("-inf"),
    "1e400": cell("1e400"), "hexadecimal": cell("0x1p3x"), "complex": cell("1+2j"), "a decimal comma": cell('"1,5"'),
    "semicolons": table([line.replace(",", ";") for line in LINES], HEADER.replace(",", ";")),
    "tabs": table([line.replace(",", "\t") for line in LINES], HEADER.replace(",", "\t")),
    "null bytes": cell("1\0"), "UTF-16": table(encoding="utf-16"), "UTF-32": table(encoding="utf-32"),
    "a latin-1 header": table(header="gr\xf6\xdfe,b,c,d,e,f,g,h,i", encoding="latin-1"),
    "a latin-1 cell": cell("1.\xf6").decode().encode("latin-1"), "bytes of a picture": b"\x89PNG\r\n\x1a\n" + bytes(900),
    "a zip": zipped({"x.npy": saved(X)}), "a line of 2 MB": table([*LINES, "1" * 2_000_000]),
    "an escape": cell("\x1b[2J"), "a carriage return inside": cell("1\r2"), "an unclosed quote": cell('"1.0'),
    "two points": cell("1.2.3"), "a formula": cell("=1+1"), "a header of 20,000 columns": table([], "x," * 20_000),
}  # fmt: skip
SAME = {
    "CRLF": table(ending="\r\n"), "no end of line": table()[:-1], "spaces": table([line.replace(",", " , ") for line in LINES]),
    "exponents": table([",".join(f"{value:e}" for value in row) for row in X]),
}  # fmt: skip
EITHER = {
    "a mark of the byte order": b"\xef\xbb\xbf" + table(), "an empty line within": table([*LINES[:9], "", *LINES[9:]]),
    "empty lines at the end": table() + b"\n\n\n", "CR alone": table(ending="\r"), "a name twice": table(header="a," * 8 + "a"),
    "quoted numbers": table([",".join(f'"{value:.2f}"' for value in row) for row in X]),
    "quoted names": table(header=",".join(f'"{name}"' for name in "abcdefghi")),
    "a comma in a name": table(header='"a,a",b,c,d,e,f,g,h,i'), "an empty name": table(header="a,,c,d,e,f,g,h,i"),
    "a name with an escape": table(header="\x1b[2J,b,c,d,e,f,g,h,i"), "commas at the end": table(
        [line + "," for line in LINES], HEADER + ","), "a name of 100 kB": table(header="a" * 100_000 + HEADER[1:]),
}  # fmt: skip
NAMED = {"names": ("--data", "x.csv", "--labels", "--clusters")}
LABELLED = table([f"{line},{label}" for line, label in zip(LINES, Y, strict=True)], HEADER + ",y")
NO_LABELS = {
    "of no column": (LABELLED, "z"), "of nothing": (LABELLED, ""), "of a column of a long header": (
        table([], ",".join(f"measurement_{i:05d}" for i in range(2000))), "z"),
    "that are all there is": (b"y\n" + b"1\n" * 60, "y"),
}  # fmt: skip


def csv(content: bytes):
    return file(content, "x.csv")


CSV = [
    *(reads(f"csv: {name}", csv(content), "x.csv", **NAMED) for name, content in REFUSED.items()),
    *(predicts(f"csv: {name}", csv(content), "x.csv") for name, content in SAME.items()),
    *(predicts(f"csv: {name}", csv(content), "x.csv", ends="either") for name, content in EITHER.items()),
    *(
        reads(f"csv: labels {name}", csv(content), "x.csv", more=("--labels", labels), **NAMED)
        for name, (content, labels) in NO_LABELS.items()
    ),
    predicts("csv: labels beside the rows", csv(LABELLED), "x.csv", more=("--labels", "y")),
    predicts("csv: the last label gone", csv(LABELLED[:-2]), "x.csv", more=("--labels", "y"), ends="either"),
    predicts("csv: labels twice", csv(LABELLED.replace(b"i,y", b"y,y")), "x.csv", more=("--labels", "y"), ends="refused"),
    predicts("csv: labels taken for a feature", csv(LABELLED), "x.csv", ends="refused"),
]

CSR = scipy.sparse.csr_array(X)


def sparse(kind: str = "csr", **changes):
    """Writes x.npz as `scipy.sparse.save_npz` does, with arrays changed; None leaves one out."""
    matrix = CSR.asformat(kind)
    arrays = {"format": np.array(kind.encode()), "shape": np.array(matrix.shape), "data": matrix.data}
    for name in ("indices", "indptr", "row", "col", "offsets"):
        if hasattr(matrix, name):
            arrays[name] = getattr(matrix, name)
    arrays = {name: value for name, value in {**arrays, **changes}.items() if value is not None}
    return file(zipped({f"{name}.npy": saved(np.asarray(value)) for name, value in arrays.items()}), "x.npz")


def at(array, place: int, value) -> np.ndarray:
    """A copy with one entry changed."""
    found = array.copy()
    found[place] = value
    return found


INDICES, INDPTR, DATA = CSR.indices, CSR.indptr, CSR.data
COO, DIA = CSR.tocoo(), CSR.todia()
CHANGES = {
    "an index beyond the columns": {"indices": at(INDICES, 7, 9)}, "an index far beyond": {"indices": at(INDICES, 7, 2**31 - 1)},
    "a negative index": {"indices": at(INDICES, 7, -1)}, "an index far below": {"indices": at(INDICES, 7, -(2**31))},
    "indices of floats": {"indices": INDICES + 0.5}, "indices too short": {"indices": INDICES[:-5]},
    "indices of two dimensions": {"indices": INDICES[:, None]}, "indptr that falls": {"indptr": at(INDPTR, 9, 2)},
    "indptr beyond the data": {"indptr": at(INDPTR, 60, 10**6)}, "indptr far beyond": {"indptr": at(INDPTR, 30, 2**31 - 1)},
    "a negative indptr": {"indptr": at(INDPTR, 9, -9)}, "indptr that begins late": {"indptr": at(INDPTR, 0, 3)},
    "indptr too short": {"indptr": INDPTR[:-1]}, "indptr too long": {"indptr": np.append(INDPTR, INDPTR[-1])},
    "indptr of nothing": {"indptr": INDPTR[:0]}, "a shape of fewer columns": {"shape": (60, 8)},
    "a shape of fewer rows": {"shape": (59, 9)}, "a negative shape": {"shape": (-60, 9)}, "a shape of one": {"shape": (540,)},
    "a shape of three": {"shape": (60, 3, 3)}, "a shape of floats": {"shape": (60.5, 9.0)}, "a shape of text": {"shape": "60"},
    "2^40 columns": {"shape": (60, 2**40)}, "2^62 columns": {"shape": (60, 2**62)}, "2^40 rows": {"shape": (2**40, 9)},
    "no indices": {"indices": None}, "no indptr": {"indptr": None}, "data too short": {"data": DATA[:-5]},
    "NaN": {"data": at(DATA, 3, np.nan)}, "inf": {"data": at(DATA, 3, np.inf)}, "1e300": {"data": DATA.astype("f8") * 1e300},
    "complex": {"data": DATA * 1j}, "data of texts": {"data": DATA.astype("U8")}, "data of two dimensions": {"data": DATA[:, None]},
    "a format of no name": {"format": b"xyz"}, "a format that is a number": {"format": 3}, "formats": {"format": [b"csr"] * 2},
    "a format of another": {"format": b"coo"}, "a format of code": {"format": b"__class__"}, "a format of no UTF-8": {"format": b"\xff"},
    "no row": {"shape": (0, 9), "indptr": [0], "indices": INDICES[:0], "data": DATA[:0]},
    "no column": {"shape": (60, 0), "indptr": np.zeros(61, "i4"), "indices": INDICES[:0], "data": DATA[:0]},
}  # fmt: skip
OTHERS = {
    "coo: a row beyond": ("coo", {"row": at(COO.row, 3, 60)}), "coo: a column beyond": ("coo", {"col": at(COO.col, 3, 9)}),
    "coo: a negative row": ("coo", {"row": at(COO.row, 3, -1)}), "coo: rows too short": ("coo", {"row": COO.row[:-3]}),
    "csc: an index beyond": ("csc", {"indices": at(CSR.tocsc().indices, 3, 60)}),
    "csc: indptr that falls": ("csc", {"indptr": at(CSR.tocsc().indptr, 3, 10**6)}),
    "bsr: an index beyond": ("bsr", {"indices": at(CSR.tobsr().indices, 3, 10**6)}),
    "dia: an offset of text": ("dia", {"offsets": np.array(["a"] * len(DIA.offsets))}),
    "dia: offsets too short": ("dia", {"offsets": DIA.offsets[:-1]}), "dia: an offset twice": ("dia", {"offsets": DIA.offsets * 0}),
}  # fmt: skip
SPARSE_NAMED = {"names": ("--data", "x.npz"), "apart": True}  # SciPy trusts its indices
UNSORTED = np.concatenate([INDICES[a:b][::-1] for a, b in zip(INDPTR, INDPTR[1:], strict=False)])
BACKWARDS = np.concatenate([DATA[a:b][::-1] for a, b in zip(INDPTR, INDPTR[1:], strict=False)])

SPARSE = [
    *(reads(f"sparse: {name}", sparse(**changes), "x.npz", **SPARSE_NAMED) for name, changes in CHANGES.items()),
    *(
        reads(f"sparse {name}", sparse(kind, **changes), "x.npz", **SPARSE_NAMED)
        for name, (kind, changes) in OTHERS.items()
    ),
    *(predicts(f"sparse: whole {kind}", sparse(kind), "x.npz") for kind in ("csr", "csc", "coo", "bsr", "dia")),
    predicts("sparse: unsorted", sparse(indices=UNSORTED, data=BACKWARDS), "x.npz"),
    predicts("sparse: float64", sparse(data=DATA.astype("f8")), "x.npz"),
    predicts("sparse: indices of int64", sparse(indices=INDICES.astype("i8"), indptr=INDPTR.astype("i8")), "x.npz"),
    predicts("sparse: an index beyond, predicted", sparse(indices=at(INDICES, 7, 10**6)), "x.npz", ends="refused", apart=True),
    predicts("sparse: a column more", sparse(shape=(60, 10)), "x.npz", ends="refused"),
    predicts("sparse: an array more", sparse(more=np.array([{}], object).astype("U")), "x.npz", ends="either"),
    predicts("sparse: NaN, predicted", file(saved(with_value(np.nan, 1, 1))), ends="refused"),
]

TEXTS: list[Case] = [*CSV, *SPARSE]
