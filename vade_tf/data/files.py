"""A user's own file -> rows: .npy, .npz and .csv."""

import reprlib
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas
import scipy.sparse

from vade_tf.data.dataset import Dataset, build
from vade_tf.errors import InputError, cited
from vade_tf.paths import usable
from vade_tf.reading import archive_arrays, plain_array

KINDS = (".npy", ".npz", ".csv")
SPARSE_ARRAYS = {"format", "shape", "data"}  # what every .npz of scipy.sparse.save_npz holds


def load_file(path: str, labels: str | None = None, likelihood: str = "auto") -> Dataset:
    """Rows of a file.

    Args:
        path: `.npy` with a matrix, memory-mapped; `.npz` with the matrix under "x" (or as its only array), or a sparse
            matrix as `scipy.sparse.save_npz` writes it, which stays sparse; `.csv` with a header line and numeric
            columns.
        labels: labels for scoring: a `.npy` file, or the array of the .npz or the column of the .csv that holds them.
            Default: "y" of an .npz if it is there, else none.
        likelihood: see `dataset.build`.

    Raises:
        InputError: the file is missing, truncated, of another kind, or does not hold what is asked for.
    """
    file = usable(path, "data")
    if file.suffix not in KINDS:
        raise InputError(f"data: expected a file ending in {', '.join(KINDS)}, got {path}")
    if not file.is_file():
        raise InputError(f"data: expected an existing file, got {path}, which is not there")
    readers = {".npy": _read_npy, ".npz": _read_npz, ".csv": _read_csv}
    try:
        x, y = readers[file.suffix](file, labels)
    except InputError:
        raise
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise InputError(f"data: {path} cannot be read as {file.suffix} ({cited(error)}); is it whole?") from error
    except Exception as error:  # zipfile.BadZipFile and zlib.error have no common base
        raise InputError(f"data: {path} is damaged ({cited(error)}); write or copy it again") from error
    return build(x, y, file.stem, str(path), likelihood)


def _read_npy(file: Path, labels: str | None):
    return plain_array(file, mmap_mode="r"), _read_labels(file, labels)


def _read_labels(file: Path, labels: str | None):
    if labels is None:
        return None
    if not labels.endswith(".npy") or not Path(labels).is_file():
        raise InputError(f"labels: expected an existing .npy file beside data={file}, got {labels}")
    return plain_array(usable(labels, "labels"))


def _read_npz(file: Path, labels: str | None):
    with zipfile.ZipFile(file) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    if set(names) >= SPARSE_ARRAYS:
        arrays = archive_arrays(file)  # in sizes that they have, and none that would run a program
        if arrays.get("indices", np.zeros(0, int)).dtype.kind not in "iu":
            raise ValueError("indices that are no whole numbers")
        matrix = scipy.sparse.load_npz(file)
        if hasattr(matrix, "check_format"):
            matrix.check_format(full_check=True)  # SciPy trusts its indices: one beyond the columns ends the process
        return scipy.sparse.csr_array(matrix), _read_labels(file, labels)
    if "x" not in names and len(names) != 1:
        raise InputError(f'data: expected an array "x" in {file}, got {reprlib.repr(names)}')
    if labels is not None and labels not in names:
        raise InputError(f"labels: expected one of the arrays {reprlib.repr(names)} of {file}, got {labels!r}")
    rows, key = "x" if "x" in names else names[0], labels or ("y" if "y" in names else None)
    arrays = archive_arrays(file, [rows] if key is None else [rows, key])
    return arrays[rows], None if key is None else arrays[key]


def _read_csv(file: Path, labels: str | None):
    with warnings.catch_warnings():
        warnings.simplefilter("error", pandas.errors.ParserWarning)  # rows longer than the header
        types = {} if labels is None else {labels: str}
        table = pandas.read_csv(file, dtype=types, encoding="utf-8-sig", index_col=False)
    if labels is not None and labels not in table:
        raise InputError(f"labels: expected one of the columns {reprlib.repr(list(table))} of {file}, got {labels!r}")
    y = None if labels is None else table.pop(labels)
    if y is not None and y.isna().any():
        raise InputError(f"labels: expected one a row, got none in row {int(y.isna().to_numpy().argmax())} of {file}")
    for name, column in table.items():
        if column.dtype.kind not in "biuf":
            raise InputError(
                f"data: expected numbers in every column of {file}, got {column.iloc[0]!r} in {name!r}; leave the "
                "column out, or name it as labels"
            )
    return table.to_numpy(np.float32), None if y is None else y.to_numpy(str)
