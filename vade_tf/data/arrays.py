"""Files of arrays -> rows: .npy, .npz dense and sparse, and .h5. Sizes are looked at before memory is taken."""

import math
import reprlib
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas
import scipy.sparse

from vade_tf.data.shards import FileRows, as_read, stays_in_file
from vade_tf.errors import InputError
from vade_tf.reading import archive_arrays, plain_array

SPARSE_ARRAYS = {"format", "shape", "data"}  # what every .npz of scipy.sparse.save_npz holds
SPARSE_PARTS = {"data", "indices", "indptr"}  # what the group of a sparse matrix in HDF5 holds
GENES = "genes"  # names of the features in HDF5
ROWS, LABELS = ("x", "X"), ("y", "Y")  # names of the arrays in files of several


def read_npy(file: Path, labels: str | None, in_file: bool = False):
    """(x, labels or None); x is in memory, or stays in its file where it is large. Labels are another .npy file.

    Args:
        file, labels: the files.
        in_file: x stays there though it is not large.
    """
    x = plain_array(file, mapped=True)
    if x.ndim > 1 and (in_file or stays_in_file(len(x), math.prod(x.shape[1:]), as_read(x.dtype))):
        return FileRows(x), read_labels(labels)
    return plain_array(file), read_labels(labels)  # no map: who writes the file anew changes its rows


def read_labels(labels: str | None) -> np.ndarray | None:
    """The labels of a .npy file beside the rows, or None."""
    if labels is None:
        return None
    if not labels.endswith(".npy"):
        raise InputError("labels", "a .npy file beside rows of this kind", repr(labels))
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
        matrix = scipy.sparse.csr_array(scipy.sparse.load_npz(file))
        matrix.check_format(full_check=True)  # SciPy trusts its indices: one beyond the columns ends the process
        return matrix, read_labels(labels)
    rows, key = choose_arrays(file, names, labels, own)
    arrays = archive_arrays(file, [rows] if key is None else [rows, key])
    return arrays[rows], None if key is None else arrays[key]


def read_h5(file: Path, labels: str | None, own: bool = True):
    """(x, labels or None) of an HDF5 file with arrays X and, perhaps, Y; X may be a sparse matrix, and stays one.

    Args: as for `read_npz`.
    """
    with h5py.File(file, "r") as stored:
        names = [name for name, item in stored.items() if isinstance(item, h5py.Dataset) or set(item) >= SPARSE_PARTS]
        rows, key = choose_arrays(file, [name for name in names if name != GENES], labels, own)
        return _rows(stored[rows]), None if key is None else _values(stored[key])


def read_h5_names(file: Path) -> tuple[list[str], list[str] | None] | None:
    """What the features and, perhaps, the rows of an HDF5 file are called; None where it has no names of features.

    Those are its array `genes`, or what Cell Ranger wrote, whose rows are called by their barcodes. Of genes that are
    called alike all but the first get a number, as by anndata's `var_names_make_unique`.
    """
    with h5py.File(file, "r") as stored:
        if isinstance(stored.get(GENES), h5py.Dataset):
            return _texts(stored[GENES]), None
        cells = [item for item in stored.values() if isinstance(item, h5py.Group) and "barcodes" in item]
        places = ("features/name", "gene_names", "genes")  # the first since version 3
        found = [matrix[place] for matrix in cells[:1] for place in places if place in matrix]
        if not found:
            return None
        names = pandas.Series(_texts(found[0]))
        number = names.groupby(names).cumcount()
        return list(names.where(number == 0, names + "-" + number.astype(str))), _texts(cells[0]["barcodes"])


def _texts(item: h5py.Dataset) -> list[str]:
    return np.ravel(_values(item)).astype(str).tolist()


def _values(item: h5py.Dataset) -> np.ndarray:
    """An array of numbers or of texts."""
    return item.asstr()[()].astype(str) if h5py.check_string_dtype(item.dtype) else item[()]


def _rows(item):
    """An array of an HDF5 file, or the sparse matrix that a group with its three parts is.

    That of anndata says how it is packed; that of Cell Ranger has genes by cells, packed by cell.
    """
    if isinstance(item, h5py.Dataset):
        return item[()]
    shape = tuple(item.attrs["shape"] if "shape" in item.attrs else item["shape"][()])
    shape = shape[::-1] if "barcodes" in item else shape
    kind = scipy.sparse.csc_array if item.attrs.get("encoding-type") == "csc_matrix" else scipy.sparse.csr_array
    matrix = kind(tuple(item[part][()] for part in ("data", "indices", "indptr")), shape=shape)
    matrix.check_format(full_check=True)  # see read_npz
    return matrix.tocsr()


def choose_arrays(file: Path, names: list[str], labels: str | None, own: bool) -> tuple[str, str | None]:
    """The names of the rows and of the labels, or None, among the arrays of a file; see `read_npz`."""
    rows = next((name for name in ROWS if name in names), names[0] if len(names) == 1 else None)
    if rows is None:
        raise InputError("data", 'an array "x"', f"{reprlib.repr(names)} in {file}")
    if labels is not None and labels not in names:
        raise InputError("labels", f"one of the arrays {reprlib.repr(names)} of {file}", repr(labels))
    found = [name for name in LABELS if name in names and name != rows] if own else []
    return rows, labels or next(iter(found), None)
