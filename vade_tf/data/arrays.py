"""Files of arrays -> rows: .npy, .npz dense and sparse, and .h5. Sizes are looked at before memory is taken."""

import math
import reprlib
import zipfile
from pathlib import Path

import numpy as np
import scipy.sparse

from vade_tf import hdf5
from vade_tf.data.shards import SHARE, FileRows, as_read, stays_in_file
from vade_tf.errors import InputError
from vade_tf.machine import memory, padded
from vade_tf.reading import archive_arrays, plain_array

SPARSE_ARRAYS = {"format", "shape", "data"}  # what every .npz of scipy.sparse.save_npz holds
SPARSE_PARTS = {"data", "indices", "indptr"}  # what the group of a sparse matrix in HDF5 holds
SPARSE_INDICES = {"indices", "indptr", "row", "col", "coords", "offsets", "_is_array"}  # and what it may hold
LITTLE = 1 << 26  # bytes that any matrix may take
EMPTY = 20  # times the stored bytes that the rows of a sparse matrix may take
GENES = "genes"  # names of the features in HDF5
CELL_RANGER = "matrix"  # the group of filtered_feature_bc_matrix.h5 of 10x Genomics, of version 3 and later
ROWS, LABELS = ("x", "X"), ("y", "Y")  # names of the arrays in files of several


def read_npy(file: Path, labels: str | None, in_file: bool = False):
    """(x, labels or None); x is in memory, or stays in its file where it is large. Labels are another .npy file.

    Args:
        file, labels: the files.
        in_file: x stays there though it is not large.
    """
    x = plain_array(file, mmap_mode="r")
    large = x.ndim > 1 and (in_file or stays_in_file(len(x), math.prod(x.shape[1:]), as_read(x.dtype)))
    if large and isinstance(x, np.memmap):
        return FileRows(x), read_labels(file, labels)
    wide = isinstance(x, np.memmap) and x.dtype.kind in "iuf" and x.nbytes > SHARE * memory()  # in its own type
    x = x.astype(as_read(x.dtype)) if wide else plain_array(file)  # no map: who writes the file anew changes its rows
    return x, read_labels(file, labels)


def read_labels(file: Path, labels: str | None):
    """The labels of a .npy file beside the rows, or None."""
    if labels is None:
        return None
    if not labels.endswith(".npy") or not Path(labels).is_file():
        raise InputError(f"labels: expected an existing .npy file beside data={file}, got {labels}")
    return plain_array(Path(labels))


def read_npz(file: Path, labels: str | None, own: bool = True):
    """(x, labels or None) of an archive of arrays, or of a sparse matrix, which stays sparse.

    Args:
        file, labels: the file, and the array of the labels.
        own: without `labels`, those that it has.
    """
    with zipfile.ZipFile(file) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    if set(names) >= SPARSE_ARRAYS:
        arrays = archive_arrays(file, [name for name in names if name in SPARSE_ARRAYS | SPARSE_INDICES])
        if arrays.get("indices", np.zeros(0, int)).dtype.kind not in "iu":
            raise ValueError("indices that are no whole numbers")
        _check_rows(tuple(np.ravel(arrays["shape"]).tolist()), sum(array.nbytes for array in arrays.values()))
        del arrays  # which SciPy reads once more
        matrix = scipy.sparse.load_npz(file)
        if hasattr(matrix, "check_format"):
            matrix.check_format(full_check=True)  # SciPy trusts its indices: one beyond the columns ends the process
        return scipy.sparse.csr_array(matrix), read_labels(file, labels)
    rows, key = _chosen(file, names, labels, own)
    arrays = archive_arrays(file, [rows] if key is None else [rows, key])
    return arrays[rows], None if key is None else arrays[key]


def read_h5(file: Path, labels: str | None, own: bool = True):
    """(x, labels or None) of an HDF5 file with arrays X and, perhaps, Y; X may be a sparse matrix, and stays one.

    Args: as for `read_npz`.
    """
    with hdf5.opened(file) as stored:
        names = [name for name, item in stored.items() if hdf5.is_array(item) or set(item) >= SPARSE_PARTS]
        rows, key = _chosen(file, [name for name in names if name != GENES], labels, own)
        x = _rows(stored[rows], rows)
        y = None if key is None else hdf5.values(stored[key], key)
    if y is not None and y.dtype == object:
        texts = [text.decode() if isinstance(text, bytes) else text for text in y.flat]
        y = padded(np.array(texts, object).reshape(y.shape), str(key))
    return x, y


def read_h5_names(file: Path) -> tuple[list[str], list[str] | None] | None:
    """What the features and, perhaps, the rows of an HDF5 file are called; None where it has no names of features.

    Those are its array `genes`, or what Cell Ranger wrote. Of genes that are called alike all but the first get a
    number, as anndata's `var_names_make_unique` does it. Cell Ranger's rows are called by their barcodes.
    """
    with hdf5.opened(file) as stored:
        group = _cell_ranger(stored)
        genes = _texts(stored, GENES)
        if genes is None:
            genes = _texts(stored, f"{group}/features/name", f"{group}/gene_names", f"{group}/genes")
            genes = None if genes is None else _made_different(genes)
        return None if genes is None else (genes, _texts(stored, f"{group}/barcodes"))


def _cell_ranger(stored) -> str:
    """The group of Cell Ranger's matrix; of a version before 3 it is called as the genome, and alone there."""
    parts = {*SPARSE_PARTS, "barcodes"}
    others = [name for name, item in stored.items() if not hdf5.is_array(item) and parts <= set(item)]
    return others[0] if CELL_RANGER not in stored and len(others) == 1 else CELL_RANGER


def _texts(stored, *names: str) -> list[str] | None:
    """Those of the first array of these names that an HDF5 file has; None where it has none."""
    name = next((name for name in names if hdf5.is_array(stored.get(name))), None)
    if name is None:
        return None
    found = np.ravel(hdf5.values(stored[name], name))
    return [value.decode() if isinstance(value, bytes) else str(value) for value in found]


def _made_different(names: list[str]) -> list[str]:
    """a, b, a, a -> a, b, a-1, a-2; numbers that another name has are passed over."""
    taken, numbers, found = set(names), dict.fromkeys(names, 0), []
    seen: set[str] = set()
    for name in names:
        own = name
        while own in seen:
            numbers[name] += 1
            own = f"{name}-{numbers[name]}"
            own = name if own in taken else own
        seen.add(own)
        found.append(own)
    return found


def _rows(item, name: str):
    """An array of an HDF5 file, or the sparse matrix that a group with its three parts is.

    That of anndata says how it is packed; that of Cell Ranger has genes by cells, packed by cell.
    """
    if hdf5.is_array(item):
        return hdf5.numbers(item, name)
    parts = tuple(hdf5.numbers(item[part], f"{name}/{part}") for part in ("data", "indices", "indptr"))
    if "shape" in item.attrs:
        hdf5.check_attribute(item, "shape", name)
    lengths = item.attrs["shape"] if "shape" in item.attrs else hdf5.numbers(item["shape"], f"{name}/shape")
    shape = tuple(int(length) for length in lengths)
    shape = shape[::-1] if "barcodes" in item else shape
    _check_rows(shape, sum(part.nbytes for part in parts))
    if "encoding-type" in item.attrs:
        hdf5.check_attribute(item, "encoding-type", name)
    kind = scipy.sparse.csc_array if item.attrs.get("encoding-type") == "csc_matrix" else scipy.sparse.csr_array
    matrix = kind(parts, shape=shape)
    matrix.check_format(full_check=True)  # see read_npz
    return matrix.tocsr()


def _check_rows(shape: tuple, stored: int) -> None:
    """Raises ValueError where a sparse matrix has far more rows than numbers: as CSR each takes 8 bytes, empty or not.

    Args:
        shape: as the file claims it.
        stored: bytes of its arrays.
    """
    if len(shape) == 2 and 8 * shape[0] > max(LITTLE, EMPTY * stored):
        raise ValueError(f"it claims {shape[0]:,} rows, and {stored:,} bytes are stored")


def _chosen(file: Path, names: list[str], labels: str | None, own: bool) -> tuple[str, str | None]:
    """The names of the rows and of the labels, or None, among the arrays of a file; see `read_npz`."""
    rows = next((name for name in ROWS if name in names), names[0] if len(names) == 1 else None)
    if rows is None:
        raise InputError(f'data: expected an array "x" in {file}, got {reprlib.repr(names)}')
    if labels is not None and labels not in names:
        raise InputError(f"labels: expected one of the arrays {reprlib.repr(names)} of {file}, got {labels!r}")
    found = [name for name in LABELS if name in names and name != rows] if own else []
    return rows, labels or next(iter(found), None)
