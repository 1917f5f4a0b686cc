"""A user's own file or folder -> a data set: arrays, cells, tables, texts, images. New rows are coded as the first."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vade_tf.data import arrays, cell_files, images, table_files, tables
from vade_tf.data.dataset import Coded, Dataset
from vade_tf.data.images import ImageForm
from vade_tf.data.observations import build, check_shape
from vade_tf.data.schema import Schema
from vade_tf.data.texts import LINES, Texts
from vade_tf.errors import InputError, check_form

ARRAYS: dict[str, Callable] = {
    ".npy": arrays.read_npy,
    ".npz": arrays.read_npz,
    ".h5": arrays.read_h5,
}
TABLES = (*tables.TEXTS, ".parquet")
KINDS = (*ARRAYS, cell_files.ENDING, *TABLES)
FOLDERS = "folders"  # --labels of images that lie in a folder of their label each
MAX_NAMES = 5  # of these that the notice gives


def load_file(
    path: str,
    labels: str | None = None,
    likelihood: str = "auto",
    *,
    columns: str | None = None,
    drop: str | None = None,
    id: str | None = None,
    text: str | None = None,
    transform: str | None = None,
    layer: str | None = None,
    genes: int | None = None,
    batch: str | None = None,
    schema: Coded | None = None,
    plain: bool = False,
    in_file: bool = False,
    image_shape: Sequence[int] | None = None,
    scored: bool = True,
    declared: tuple[int, ...] | None = None,
    dialect: tables.Dialect | None = None,
) -> Dataset:
    """Rows of a file.

    Args:
        path: a table: `.csv`, `.tsv`, `.txt`, `.data` or `.dat`, packed as `.gz` or not, or `.parquet`; an array:
            `.npy` with a matrix, `.npz` or `.h5` with the matrix under "x" or "X" (or as its only array), a sparse
            matrix as `scipy.sparse.save_npz` writes it, which stays sparse, as do those of `.h5` and `.h5ad`; or a
            folder of images.
        labels: labels for scoring: a column of a table or of an .h5ad's obs, an array of an .npz or .h5, or a .npy file
            beside others, or "folders": those images lie in. Default: "y" or "Y" of an .npz or .h5 if it is there.
        likelihood: see `observations.build`.
        columns, drop: names of the columns of a table to use or to leave out, with commas between them. Default: all.
        id: the column that names the rows.
        text: the column that holds texts, which are then all that is used; "lines": each line of a `.txt` is one.
        transform: of the numbers of a table, see `schema.Schema.infer`.
        layer: layer of an .h5ad that holds the numbers. Default: its X.
        genes: of an .h5ad, or an .h5 with the names of its genes, keep so many genes, those that vary most
            (`genes.variable`). Default: all.
        batch: column of an .h5ad's obs that says which experiment, donor or lane each cell comes from. Default: none.
        schema: how the rows of a run were coded, which these then are as well; default: found here.
        plain: without a schema, take every column of a table as a number as it is, as runs did that have none.
        in_file: rows that can be read from their file, or from a copy of it, are, though they would fit in memory.
        image_shape: of the images that a run was trained on, which those of an array or a folder then are as well.
        scored: False leaves out labels that are not asked for.
        declared: the shape of images that the rows of an array, or all columns of a table, are said to be, and to which
            those of a folder are brought; () says that rows are none. Default: it is seen by their values.
        dialect: how a table's text file is written.

    Raises:
        InputError: the file is of another kind, or does not hold what is asked for.
        Exception: as the library raises it that reads the file, which is missing or damaged.
    """
    file, kind = locate(path)
    names = arrays.read_h5_names(file) if kind == ".h5" else None
    of_cells = kind == cell_files.ENDING or names is not None
    if isinstance(schema, Texts) and kind in TABLES:
        text = schema.column or LINES
        if kind.startswith(".txt") and not table_files.has_column(file, text):
            text = LINES
    of_lines = text == LINES and kind.startswith(".txt")
    asked = {"columns": columns, "drop": drop, "id": id, "text": text, "transform": transform}
    unused: dict = {} if kind in TABLES else dict(asked)
    unused |= {"columns": columns, "drop": drop, "id": id} if of_lines else {}
    unused |= {"image_shape": declared or None} if of_cells else {"layer": layer, "genes": genes, "batch": batch}
    for argument, value in unused.items():
        if value is not None:
            raise InputError(argument, "a file that it goes with", path, "leave it out")
    if of_cells:
        how: dict = {"names": names, "layer": layer, "limit": genes, "batch": batch, "scored": scored}
        return cell_files.load(file, labels, likelihood, schema, plain, **how)
    if kind == "folder":
        known = schema is not None or image_shape is not None
        found = _pictures(file, labels, likelihood, schema, declared, known)
        check_form(found.image_shape or (), image_shape, "data")
        return as_images(found, image_shape)
    if kind in ARRAYS:
        return _array(file, kind, labels, likelihood, schema, plain, in_file, image_shape, scored, declared)
    if of_lines:
        return table_files.load_lines(file, labels, likelihood, schema)
    options = asked | {"dialect": dialect}
    return table_files.load(file, kind, labels, likelihood, options, declared, schema, plain, in_file)


def locate(path: str) -> tuple[Path, str]:
    """A file and which kind it is: the ending of its name, or "folder"; an InputError where it is of another kind."""
    file = Path(path)
    kind = "folder" if file.is_dir() else tables.ending(file)
    if kind not in (*KINDS, "folder"):
        raise InputError("data", f"a file ending in {', '.join(KINDS)}, or a folder of images", path)
    return file, kind


def as_images(dataset: Dataset, image_shape: Sequence[int] | None) -> Dataset:
    """New images of bytes for a run on images, as bytes: where all are nearly black they would count as from 0 to 1."""
    if image_shape is None or not isinstance(dataset.x, np.ndarray):
        return dataset
    return replace(dataset, x=dataset.x.astype(np.uint8))


def _array(file: Path, kind: str, labels, likelihood, schema, plain, in_file, image_shape, scored, declared) -> Dataset:
    """The rows of a file of an array. Args: as for `load_file`."""
    x, y = ARRAYS[kind](file, labels, **({"in_file": in_file} if kind == ".npy" else {"own": scored}))
    notes, table = list[str](), schema if isinstance(schema, Schema) else None
    check_form(getattr(x, "row_shape", x.shape[1:]), image_shape, "data")
    if table is not None:
        x, notes = table_files.coded_array(x, table, str(file))
    how: dict = {"schema": table, "notice": "\n".join(notes), "image_shape": declared}
    found = build(x, y, file.stem, str(file), likelihood, **how)
    return as_images(found, image_shape if x.dtype == np.uint8 else None)


def _pictures(folder: Path, labels, likelihood: str, schema, declared, known: bool) -> Dataset:
    """The images of a folder; of those for a run that is known the notice says only what was changed."""
    if schema is not None and not isinstance(schema, ImageForm):
        raise InputError("data", "a table as in training", f"the folder {folder}")
    size = schema
    if schema is None and declared:
        height, width, *channels = check_shape(declared, (0, math.prod(declared)))
        size = ImageForm(height, width, channels[0] if channels else 1)
    x, names, found = images.read_folder(folder, size)
    y = arrays.read_labels(None if labels == FOLDERS else labels)
    notes = list(found.changes) if known else found.describe()
    if labels == FOLDERS:
        y = images.outermost_folders(names)
        kinds = list(dict.fromkeys(y.tolist()))
        more = ", ..." if len(kinds) > MAX_NAMES else ""
        notes.append(f"labels: {len(kinds):,} folders, {', '.join(kinds[:MAX_NAMES])}{more}")
    return build(x, y, folder.name, str(folder), likelihood, schema=found, notice="\n".join(notes), ids=names)
