"""A user's own file -> rows: .npy, .npz and .csv."""

from pathlib import Path

import numpy as np
import scipy.sparse

from vade_tf.data.dataset import Dataset, build
from vade_tf.errors import InputError

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
    file = Path(path)
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
        raise InputError(f"data: {path} cannot be read as {file.suffix} ({error}); is it whole?") from error
    except Exception as error:  # zipfile.BadZipFile and zlib.error have no common base
        raise InputError(f"data: {path} is damaged ({error}); write or copy it again") from error
    return build(x, y, file.stem, str(path), likelihood)


def _read_npy(file: Path, labels: str | None):
    return np.load(file, mmap_mode="r", allow_pickle=False), _read_labels(file, labels)


def _read_labels(file: Path, labels: str | None):
    if labels is None:
        return None
    if not labels.endswith(".npy") or not Path(labels).is_file():
        raise InputError(f"labels: expected an existing .npy file beside data={file}, got {labels}")
    return np.load(labels, allow_pickle=False)


def _read_npz(file: Path, labels: str | None):
    with np.load(file, allow_pickle=False) as arrays:
        names = list(arrays)
        if set(names) >= SPARSE_ARRAYS:
            matrix = scipy.sparse.csr_array(scipy.sparse.load_npz(file))
            matrix.check_format(full_check=True)  # SciPy trusts its indices: one beyond the columns ends the process
            return matrix, _read_labels(file, labels)
        if "x" not in names and len(names) != 1:
            raise InputError(f'data: expected an array "x" in {file}, got {names}')
        if labels is not None and labels not in names:
            raise InputError(f"labels: expected one of the arrays {names} of {file}, got {labels!r}")
        key = labels or ("y" if "y" in names else None)
        return arrays["x" if "x" in names else names[0]], None if key is None else arrays[key]


def _read_csv(file: Path, labels: str | None):
    with file.open(encoding="utf-8") as lines:
        header = lines.readline().strip().split(",")
    if labels is not None and labels not in header:
        raise InputError(f"labels: expected one of the columns {header} of {file}, got {labels!r}")
    features = [i for i, column in enumerate(header) if column != labels]
    x = np.loadtxt(file, delimiter=",", skiprows=1, usecols=features, dtype=np.float32, ndmin=2)
    if labels is None:
        return x, None
    return x, np.loadtxt(file, delimiter=",", skiprows=1, usecols=header.index(labels), dtype=str, ndmin=1)
