"""A user's own file or folder -> a data set: arrays, cells, tables, texts, images. New rows are coded as the first."""

import json
import math
import reprlib
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import scipy.sparse

from vade_tf.data import cells, images, tables
from vade_tf.data.dataset import Coded, Dataset
from vade_tf.data.images import ImageForm
from vade_tf.data.observations import About, build, check_shape
from vade_tf.data.options import FileOptions
from vade_tf.data.rows import FileRows, archive_arrays, as_read, plain_array, stays_in_file
from vade_tf.data.schema import Schema
from vade_tf.data.texts import LINES, Texts, load_texts, read_lines, texts_beside
from vade_tf.errors import InputError, check_form

FOLDERS = "folders"  # --labels of images that lie in a folder of their label each
SPARSE_ARRAYS = {"format", "shape", "data"}  # what every .npz of scipy.sparse.save_npz holds
SPARSE_PARTS = {"data", "indices", "indptr"}  # what the group of a sparse matrix in HDF5 holds
EVERYTHING = FileOptions()
ROWS, LABELS = ("x", "X"), ("y", "Y")  # names of the arrays in files of several


def load_file(
    path: str,
    options: FileOptions = EVERYTHING,
    *,
    schema: Coded | None = None,
    in_file: bool = False,
    trained_shape: Sequence[int] | None = None,
) -> Dataset:
    """Rows of a file.

    Args:
        path: a table (`.csv`, `.tsv`, `.txt`, `.data` or `.dat`, packed as `.gz` or not, or `.parquet`), an array
            (`.npy`, or "x", "X" or the only one of an `.npz` or `.h5`), a sparse matrix of SciPy or AnnData, which
            stays sparse, or a folder of images.
        options: what the caller says about the file; default: nothing.
        schema: how the rows of a run were coded, which these then are as well; default: found here.
        in_file: rows that can be read from their file, or from a copy of it, are, though they would fit in memory.
        trained_shape: of the images that a run was trained on, which these have to have.

    Raises:
        InputError: the file is of another kind, or does not hold what is asked for.
        Exception: as the library raises it that reads the file, which is missing or damaged.
    """
    file, ending = locate(path)
    of_tables = ending in (*tables.TEXTS, ".parquet")
    if isinstance(schema, Texts) and of_tables:
        options = replace(options, text=schema.column or LINES)
    _check_used(path, ending, options)
    about: About = {"name": file.name.removesuffix(tables.ending(file)), "source": str(file)}
    if ending == cells.ENDING:
        return cells.load(cells.read(file), schema, options, about)
    if options.text == LINES and ending.startswith(".txt"):
        return load_texts(read_lines(file), "", read_labels(options.labels), schema, about)
    if of_tables:
        return tables.load(file, options, schema, in_file, about)
    if ending == "folder":
        return _pictures(file, options, schema, trained_shape, about)
    labels = options.labels
    x, y = read_npy(file, labels, in_file=True) if in_file and ending == ".npy" else ARRAYS[ending](file, labels)
    form = getattr(x, "row_shape", x.shape[1:])
    check_form(form, trained_shape, "data")
    if trained_shape is not None and math.prod(form) != math.prod(trained_shape):
        raise InputError("data", f"{math.prod(trained_shape)} features, as in training", f"{math.prod(form)} in {path}")
    how: dict = {"kind": options.kind, "image_shape": options.image_shape, **about}
    if isinstance(schema, Schema):
        whole = plain_array(file) if isinstance(x, FileRows) else x  # in the type of the file
        x, notes = schema.encode(tables.named_columns(whole, schema, file), "data")
        return build(x, y, schema=schema, notice="\n".join(notes), **how)
    rows = build(x, y, **how)
    return rows if trained_shape is None else _as_bytes(rows, x.dtype)


def _check_used(path: str, ending: str, options: FileOptions) -> None:
    """Raises InputError where an option is not for a file of this ending."""
    of_tables = ending in (*tables.TEXTS, ".parquet")
    unused: list[str] = [] if of_tables else ["columns", "drop", "id", "text", "transform"]
    unused += [] if ending == ".parquet" else ["column"]
    if options.text == LINES and ending.startswith(".txt"):
        unused += ["columns", "drop", "id"]
    unused += ["image_shape"] if ending == cells.ENDING else ["layer", "genes", "batch"]
    for argument in unused:
        if getattr(options, argument) is not None:
            raise InputError(argument, "a file that it goes with", path, "leave it out")


def _as_bytes(rows: Dataset, dtype) -> Dataset:
    """New images in the units of the training: bytes stay bytes, also where nearly all are black or all are 0 and 1."""
    if dtype == np.uint8 and isinstance(rows.x, np.ndarray):
        return replace(rows, x=rows.x.astype(np.uint8))
    return rows


def locate(path: str) -> tuple[Path, str]:
    """A file and its kind: the ending of its name, or "folder"; an InputError where it is another."""
    file = Path(path)
    kind = "folder" if file.is_dir() else tables.ending(file)
    if kind not in (*KINDS, "folder"):
        raise InputError("data", f"a file ending in {', '.join(KINDS)}, or a folder of images", path)
    return file, kind


def _pictures(
    folder: Path, options: FileOptions, schema: Coded | None, trained_shape: Sequence[int] | None, about: About
) -> Dataset:
    """The images of a folder."""
    if not isinstance(schema, ImageForm | None):
        raise InputError("data", "a table as in training", f"the folder {folder}")
    is_new = schema is not None or trained_shape is not None  # for a model that was trained on others
    if schema is None and options.image_shape:
        height, width, *channels = check_shape(options.image_shape, (0, math.prod(options.image_shape)))
        schema = ImageForm(height, width, channels[0] if channels else 1)
    x, names, form = images.read_folder(folder, schema)
    y = images.outermost_folders(names) if options.labels == FOLDERS else read_labels(options.labels)
    rows = build(x, y, schema=form, notice="" if is_new else form.describe()[0], ids=names, **about)
    check_form(rows.image_shape or (), trained_shape, "data")
    return _as_bytes(rows, np.uint8) if is_new else rows


def read_npy(file: Path, labels: str | None, in_file: bool = False):
    """(x, labels or None), of two files; x stays in its own where it is large, or with `in_file`."""
    x = plain_array(file, mapped=True)
    if x.ndim > 1 and (in_file or stays_in_file(len(x), math.prod(x.shape[1:]), as_read(x.dtype))):
        return FileRows(x), read_labels(labels)
    return plain_array(file), read_labels(labels)  # no map: who writes the file anew changes its rows


def read_labels(labels: str | None) -> np.ndarray | None:
    """The labels of a .npy file beside the rows, or None."""
    if labels is not None and not labels.endswith(".npy"):
        raise InputError("labels", "a .npy file beside rows of this kind", repr(labels))
    return None if labels is None else plain_array(Path(labels))


def read_npz(file: Path, labels: str | None):
    """(x, labels or None) of an archive of arrays, or of a sparse matrix, which stays sparse."""
    with zipfile.ZipFile(file) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    if set(names) >= SPARSE_ARRAYS:
        matrix = scipy.sparse.csr_array(scipy.sparse.load_npz(file))
        matrix.check_format(full_check=True)  # SciPy trusts its indices: one beyond the columns ends the process
        return matrix, read_labels(labels)
    rows, key = _choose_arrays(file, names, labels)
    arrays = archive_arrays(file, [rows] if key is None else [rows, key])
    return arrays[rows], None if key is None else arrays[key]


def read_h5(file: Path, labels: str | None):
    """(x, labels or None) of an HDF5 file with arrays X and, perhaps, Y; X may be a sparse matrix, and stays one."""
    with h5py.File(file, "r") as stored:
        names = [name for name, item in stored.items() if isinstance(item, h5py.Dataset) or set(item) >= SPARSE_PARTS]
        rows, key = _choose_arrays(file, names, labels)
        x, y = stored[rows], None if key is None else stored[key]
        if y is not None:
            y = y.asstr()[()].astype(str) if h5py.check_string_dtype(y.dtype) else y[()]
        if isinstance(x, h5py.Dataset):
            return x[()], y
        kind = scipy.sparse.csc_array if x.attrs.get("encoding-type") == "csc_matrix" else scipy.sparse.csr_array
        matrix = kind(tuple(x[part][()] for part in ("data", "indices", "indptr")), shape=tuple(x.attrs["shape"]))
    matrix.check_format(full_check=True)  # see `read_npz`
    return matrix.tocsr(), y


def _choose_arrays(file: Path, names: list[str], labels: str | None) -> tuple[str, str | None]:
    """The names of the rows and of the labels among the arrays of a file."""
    rows = next((name for name in ROWS if name in names), names[0] if len(names) == 1 else None)
    if rows is None:
        raise InputError("data", 'an array "x"', f"{reprlib.repr(names)} in {file}")
    if labels is not None and labels not in names:
        raise InputError("labels", f"one of the arrays {reprlib.repr(names)} of {file}", repr(labels))
    return rows, labels or next((name for name in LABELS if name in names and name != rows), None)


def with_texts(rows: Dataset, texts: str) -> Dataset:
    """Rows of a file with the text of each: the lines of a .txt file, or a column of the .parquet that they are of."""
    file = Path(rows.source)
    if texts.lower().endswith((".txt", ".txt.gz")):
        found = read_lines(Path(texts))
    elif tables.ending(file) == ".parquet":
        columns = tables.parquet_table(file).columns
        if texts not in columns:
            raise InputError("texts", f"one of the columns {reprlib.repr(columns)} of {file}", repr(texts))
        found = tables.parquet_table(file, [texts])[:][texts]
    else:
        raise InputError("texts", "a .txt file with a line for each row, or a column of a .parquet", repr(texts))
    return replace(rows, texts=texts_beside(found, len(rows.x)))


def schema_in(file: Path) -> Coded:
    """The schema that a JSON file holds: how the rows of a run were coded; else a KeyError, TypeError or ValueError."""
    values = json.loads(file.read_text("utf-8"))
    return FORMS[values["form"]](values)


FORMS: dict[str, Callable[[dict], Coded]] = {
    "table": Schema.from_dict,
    "texts": Texts.from_dict,
    "pictures": ImageForm.from_dict,
    "genes": cells.Genes.from_dict,
}
ARRAYS: dict[str, Callable] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".h5": read_h5,
}
KINDS = (*ARRAYS, cells.ENDING, *tables.TEXTS, ".parquet")
