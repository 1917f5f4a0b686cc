"""Files of arrays -> rows: .npy, .npz dense and sparse, .h5 and .h5ad. Sizes are looked at before memory is taken."""

import math
import reprlib
import zipfile
from pathlib import Path

import numpy as np
import scipy.sparse

from vade_tf.data.shards import FileRows, as_read, stays_in_file
from vade_tf.errors import InputError
from vade_tf.paths import usable
from vade_tf.reading import archive_arrays, check_memory, plain_array

SPARSE_ARRAYS = {"format", "shape", "data"}  # what every .npz of scipy.sparse.save_npz holds
ROWS, LABELS = ("x", "X"), ("y", "Y")  # names of the arrays in files of several


def read_npy(file: Path, labels: str | None):
    """(x, labels or None); x is memory-mapped, or stays in its file where it is large. Labels are another .npy file."""
    x = plain_array(file, mmap_mode="r")
    if isinstance(x, np.memmap) and x.ndim > 1 and stays_in_file(len(x), math.prod(x.shape[1:]), as_read(x.dtype)):
        return FileRows(x), read_labels(file, labels)
    return x.view(np.ndarray), read_labels(file, labels)


def read_labels(file: Path, labels: str | None):
    """The labels of a .npy file beside the rows, or None."""
    if labels is None:
        return None
    if not labels.endswith(".npy") or not Path(labels).is_file():
        raise InputError(f"labels: expected an existing .npy file beside data={file}, got {labels}")
    return plain_array(usable(labels, "labels"))


def read_npz(file: Path, labels: str | None):
    """(x, labels or None) of an archive of arrays, or of a sparse matrix, which stays sparse."""
    with zipfile.ZipFile(file) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    if set(names) >= SPARSE_ARRAYS:
        arrays = archive_arrays(file)  # in sizes that they have, and none that would run a program
        if arrays.get("indices", np.zeros(0, int)).dtype.kind not in "iu":
            raise ValueError("indices that are no whole numbers")
        matrix = scipy.sparse.load_npz(file)
        if hasattr(matrix, "check_format"):
            matrix.check_format(full_check=True)  # SciPy trusts its indices: one beyond the columns ends the process
        return scipy.sparse.csr_array(matrix), read_labels(file, labels)
    rows, key = _chosen(file, names, labels)
    arrays = archive_arrays(file, [rows] if key is None else [rows, key])
    return arrays[rows], None if key is None else arrays[key]


def read_h5(file: Path, labels: str | None):
    """(x, labels or None) of an HDF5 file with arrays X and, perhaps, Y."""
    import h5py

    with h5py.File(file, "r") as stored:
        names = [name for name, item in stored.items() if isinstance(item, h5py.Dataset)]
        rows, key = _chosen(file, names, labels)
        found = []
        for name in (rows, key):
            if name is not None:
                check_memory(stored[name].nbytes, name)
            found.append(None if name is None else stored[name][()])
    x, y = found
    return x, y.astype(str) if y is not None and y.dtype == object else y


def read_h5ad(file: Path, labels: str | None):
    """(x, labels or None, names of the rows) of an AnnData file: its X, which stays sparse, and a column of obs."""
    import h5py

    try:
        import anndata
    except ImportError as error:
        raise InputError("data: .h5ad needs anndata; pip install anndata brings it") from error

    def check(name, item) -> None:
        if isinstance(item, h5py.Dataset):
            check_memory(item.nbytes, name)

    with h5py.File(file, "r") as stored:
        stored.visititems(check)
    found = anndata.read_h5ad(file)
    if found.X is None:
        raise InputError(f"data: expected a matrix X in {file}, got none")
    if labels is not None and labels not in found.obs:
        raise InputError(
            f"labels: expected one of the columns {reprlib.repr(list(found.obs))} of {file}, got {labels!r}"
        )
    y = None if labels is None else found.obs[labels].to_numpy().astype(str)
    x = scipy.sparse.csr_array(found.X) if scipy.sparse.issparse(found.X) else np.asarray(found.X)
    return x, y, np.asarray(found.obs_names, dtype=str)


def _chosen(file: Path, names: list[str], labels: str | None) -> tuple[str, str | None]:
    """The names of the rows and of the labels, or None, among the arrays of a file."""
    rows = next((name for name in ROWS if name in names), names[0] if len(names) == 1 else None)
    if rows is None:
        raise InputError(f'data: expected an array "x" in {file}, got {reprlib.repr(names)}')
    if labels is not None and labels not in names:
        raise InputError(f"labels: expected one of the arrays {reprlib.repr(names)} of {file}, got {labels!r}")
    return rows, labels or next((name for name in LABELS if name in names and name != rows), None)
