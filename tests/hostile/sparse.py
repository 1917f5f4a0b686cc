"""Data files of sparse matrices, .npz as `scipy.sparse.save_npz` writes them: with indices that lead nowhere."""

from itertools import pairwise

import numpy as np
import scipy.sparse

from .arrays import X, file, saved, with_value, zipped
from .case import Case, predicts, reads

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
    "an index beyond the columns": {"indices": at(INDICES, 7, 9)},
    "an index far beyond": {"indices": at(INDICES, 7, 2**31 - 1)},
    "a negative index": {"indices": at(INDICES, 7, -1)},
    "an index far below": {"indices": at(INDICES, 7, -(2**31))},
    "indices of floats": {"indices": INDICES + 0.5},
    "indices too short": {"indices": INDICES[:-5]},
    "indices of two dimensions": {"indices": INDICES[:, None]},
    "indptr that falls": {"indptr": at(INDPTR, 9, 2)},
    "indptr beyond the data": {"indptr": at(INDPTR, 60, 10**6)},
    "indptr far beyond": {"indptr": at(INDPTR, 30, 2**31 - 1)},
    "a negative indptr": {"indptr": at(INDPTR, 9, -9)},
    "indptr that begins late": {"indptr": at(INDPTR, 0, 3)},
    "indptr too short": {"indptr": INDPTR[:-1]},
    "indptr too long": {"indptr": np.append(INDPTR, INDPTR[-1])},
    "indptr of nothing": {"indptr": INDPTR[:0]},
    "a shape of fewer columns": {"shape": (60, 8)},
    "a shape of fewer rows": {"shape": (59, 9)},
    "a negative shape": {"shape": (-60, 9)},
    "a shape of one": {"shape": (540,)},
    "a shape of three": {"shape": (60, 3, 3)},
    "a shape of floats": {"shape": (60.5, 9.0)},
    "a shape of text": {"shape": "60"},
    "2^62 columns": {"shape": (60, 2**62)},
    "2^40 rows": {"shape": (2**40, 9)},
    "no indices": {"indices": None},
    "no indptr": {"indptr": None},
    "data too short": {"data": DATA[:-5]},
    "NaN": {"data": at(DATA, 3, np.nan)},
    "inf": {"data": at(DATA, 3, np.inf)},
    "1e300": {"data": DATA.astype("f8") * 1e300},
    "complex": {"data": DATA * 1j},
    "data of texts": {"data": DATA.astype("U8")},
    "data of two dimensions": {"data": DATA[:, None]},
    "a format of no name": {"format": b"xyz"},
    "a format that is a number": {"format": 3},
    "formats": {"format": [b"csr"] * 2},
    "a format of another": {"format": b"coo"},
    "a format of code": {"format": b"__class__"},
    "a format of no UTF-8": {"format": b"\xff"},
    "no row": {"shape": (0, 9), "indptr": [0], "indices": INDICES[:0], "data": DATA[:0]},
    "no column": {"shape": (60, 0), "indptr": np.zeros(61, "i4"), "indices": INDICES[:0], "data": DATA[:0]},
}
OTHERS = {
    "coo: a row beyond": ("coo", {"row": at(COO.row, 3, 60)}),
    "coo: a column beyond": ("coo", {"col": at(COO.col, 3, 9)}),
    "coo: a negative row": ("coo", {"row": at(COO.row, 3, -1)}),
    "coo: rows too short": ("coo", {"row": COO.row[:-3]}),
    "csc: an index beyond": ("csc", {"indices": at(CSR.tocsc().indices, 3, 60)}),
    "csc: indptr that falls": ("csc", {"indptr": at(CSR.tocsc().indptr, 3, 10**6)}),
    "bsr: an index beyond": ("bsr", {"indices": at(CSR.tobsr().indices, 3, 10**6)}),
    "dia: an offset of text": ("dia", {"offsets": np.array(["a"] * len(DIA.offsets))}),
    "dia: offsets too short": ("dia", {"offsets": DIA.offsets[:-1]}),
    "dia: an offset twice": ("dia", {"offsets": DIA.offsets * 0}),
}
SPARSE_NAMED = {"names": ("--data", "x.npz"), "apart": True}  # SciPy trusts its indices
UNSORTED = np.concatenate([INDICES[a:b][::-1] for a, b in pairwise(INDPTR)])
BACKWARDS = np.concatenate([DATA[a:b][::-1] for a, b in pairwise(INDPTR)])

SPARSE: list[Case] = [
    *(reads(f"sparse: {name}", sparse(**changes), "x.npz", **SPARSE_NAMED) for name, changes in CHANGES.items()),
    *(
        reads(f"sparse {name}", sparse(kind, **changes), "x.npz", **SPARSE_NAMED)
        for name, (kind, changes) in OTHERS.items()
    ),
    *(predicts(f"sparse: whole {kind}", sparse(kind), "x.npz") for kind in ("csr", "csc", "coo", "bsr", "dia")),
    predicts("sparse: unsorted", sparse(indices=UNSORTED, data=BACKWARDS), "x.npz"),
    predicts("sparse: float64", sparse(data=DATA.astype("f8")), "x.npz"),
    predicts("sparse: indices of int64", sparse(indices=INDICES.astype("i8"), indptr=INDPTR.astype("i8")), "x.npz"),
    predicts(
        "sparse: an index beyond, predicted", sparse(indices=at(INDICES, 7, 10**6)), "x.npz", ends="refused", apart=True
    ),
    predicts("sparse: a column more", sparse(shape=(60, 10)), "x.npz", ends="refused"),
    predicts("sparse: an array more", sparse(more=np.array([{}], object).astype("U")), "x.npz"),
    reads("sparse: rows that are empty", sparse("csc", shape=(10**8, 9)), "x.npz"),
    predicts("sparse: NaN, predicted", file(saved(with_value(np.nan, 1, 1))), ends="refused"),
]
