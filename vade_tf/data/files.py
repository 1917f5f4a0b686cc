"""A user's own file or folder -> a data set: arrays, cells, tables, texts, images. New rows are coded as the first."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from vade_tf.data import arrays, cell_files, pictures, table_files, tables
from vade_tf.data.checks import check_apart, check_images, checked_shape
from vade_tf.data.dataset import Coded, Dataset
from vade_tf.data.observing import build
from vade_tf.data.pictures import Pictures
from vade_tf.data.schema import Schema
from vade_tf.data.texts import LINES, Texts
from vade_tf.errors import InputError, check_form, cited
from vade_tf.machine import TooLarge

ARRAYS: dict[str, Callable] = {
    ".npy": arrays.read_npy,
    ".npz": arrays.read_npz,
    ".h5": arrays.read_h5,
}
KINDS = (*ARRAYS, cell_files.ENDING, *tables.TEXTS, ".parquet")
FOLDERS = "folders"  # --labels of images that lie in a folder of their label each
NAMED = 5  # of these that the notice names


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
    most_genes: int | None = None,
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
        path: a table: `.csv`, `.tsv`, `.txt`, `.data` or `.dat`, packed as `.gz` or not, with any separator, or
            `.parquet`; an array: `.npy` with a matrix, `.npz` or `.h5` with the matrix under "x" or "X" (or as its only
            array), a sparse matrix as `scipy.sparse.save_npz` writes it, which stays sparse, as do those of `.h5` and
            `.h5ad`; or a folder of images.
        labels: labels for scoring: a column of a table or of an .h5ad's obs, an array of an .npz or .h5, or a .npy file
            beside others, or "folders": those images lie in. Default: "y" or "Y" of an .npz or .h5 if it is there.
        likelihood: see `observing.build`.
        columns, drop: names of the columns of a table to use or to leave out, with commas between them. Default: all.
        id: the column that names the rows.
        text: the column that holds texts, which are then all that is used; "lines": each line of a `.txt` is one.
        transform: of the numbers of a table, see `schema.Schema.infer`.
        layer: layer of an .h5ad that holds the numbers. Default: its X.
        most_genes: of an .h5ad, or an .h5 with the names of its genes, keep so many genes, those that vary most
            (`gene_counts.variable`). Default: all.
        batch: column of an .h5ad's obs that says which experiment, donor or lane each cell comes from. Default: none.
        schema: how the rows of a run were coded, which these then are as well; default: found here.
        plain: without a schema, take every column of a table as a number as it is, as runs did that have none.
        in_file: rows that can be read from their file, or from a copy of it, are, though they would fit in memory.
        image_shape: of the images that a run was trained on, which those of an array or a folder then are as well.
        scored: False leaves out labels that are not asked for.
        declared: the shape of images that the rows of an array, or all columns of a table, are said to be, and to which
            those of a folder are brought; () says that rows are none. Default: it is seen by their values.
        dialect: how a table's text file is written.

    Returns:
        The rows; they have no schema where the file is an array and none of a table was given. The notice says what was
        done with the columns.

    Raises:
        InputError: the file is missing, truncated, of another kind, or does not hold what is asked for.
    """
    asked = {"columns": columns, "drop": drop, "id": id, "text": text, "transform": transform}
    with readable(path) as (file, kind):
        for argument, value in asked.items():
            if value is not None and (kind in (*ARRAYS, cell_files.ENDING) or kind == "folder"):
                raise InputError(f"{argument}: goes with a table that has names of columns, got {path}; leave it out")
        names = arrays.read_h5_names(file) if kind == ".h5" else None
        named = kind == cell_files.ENDING or names is not None
        if declared is not None and not plain and (named or (kind == "folder" and not declared)):
            what = "the genes of cells" if named else "none and a folder of images"
            raise InputError(f"image_shape: goes with images, or a table or an array of numbers, got {what}, {path}")
        for argument, given in (("layer", layer), ("genes", most_genes), ("batch", batch)):
            if given is not None and not (named if argument == "genes" else kind == cell_files.ENDING):
                also = ", or an .h5 with the names of its genes" if argument == "genes" else ""
                raise InputError(f"{argument}: goes with an .h5ad file{also}, got {path}; leave it out")
        if named:
            how: dict = {"names": names, "layer": layer, "most": most_genes, "batch": batch, "scored": scored}
            return cell_files.load(file, labels, likelihood, schema, plain, **how)
        if kind == "folder":
            new = schema is not None or image_shape is not None
            found = _pictures(file, labels, likelihood, schema, declared, new)
            check_form(found.image_shape or (), image_shape, f"data: {path}")
            return as_images(found, image_shape)
        if kind in ARRAYS:
            own = {"in_file": in_file} if kind == ".npy" else {"own": scored}
            x, y = ARRAYS[kind](file, labels, **own)
            told: list[str] = []
            row_shape = getattr(x, "row_shape", x.shape[1:])
            check_images((*x.shape[:1], *row_shape), image_shape, f"data: {path}")
            if isinstance(schema, Schema):
                x, told = table_files.coded_array(x, schema, path)
            elif not plain and declared in (None, ()):
                check_apart(x, f"data: {path}")
            table = schema if isinstance(schema, Schema) else None
            about: dict = {"schema": table, "notice": "\n".join(told), "image_shape": declared}
            found = build(x, y, file.stem, str(path), likelihood, **about)
            return as_images(found, image_shape if x.dtype == np.uint8 else None)
        if isinstance(schema, Texts):
            text = schema.column or LINES
            if kind.startswith(".txt") and not table_files.has_column(file, text):
                text = LINES
        if text == LINES and kind.startswith(".txt"):
            for argument in ("columns", "drop", "id"):
                if asked[argument] is not None:
                    raise InputError(f"{argument}: goes with a table that has columns, got lines of text; leave it out")
            return table_files.load_lines(file, labels, likelihood, schema)
        how = asked | {"text": text, "dialect": dialect}
        return table_files.load(file, kind, labels, likelihood, how, declared, schema, plain, in_file)


def as_images(dataset: Dataset, image_shape: Sequence[int] | None) -> Dataset:
    """New images of bytes for a run on images, as bytes: where all are nearly black they would count as from 0 to 1."""
    if image_shape is None or not isinstance(dataset.x, np.ndarray):
        return dataset
    return replace(dataset, x=dataset.x.astype(np.uint8))


@contextmanager
def readable(path: str) -> Iterator[tuple[Path, str]]:
    """A file that is there, and of which kind it is: the ending of its name, or "folder".

    Raises:
        InputError: it is missing or of another kind; or what reads it inside finds it damaged.
    """
    file = Path(path)
    kind = "folder" if file.is_dir() else tables.ending(file)
    if kind not in (*KINDS, "folder"):
        raise InputError(f"data: expected a file ending in {', '.join(KINDS)}, or a folder of images, got {path}")
    if not (file.is_file() or file.is_dir()):  # a pipe would be waited for
        raise InputError(f"data: expected an existing file, got {path}, which is not there")
    try:
        yield file, kind
    except (InputError, MemoryError):
        raise
    except TooLarge as error:
        cells = kind == cell_files.ENDING
        todo = "keep fewer cells" if cells else "save it as .npy or .parquet, which stay in their file"
        raise InputError(f"data: {path} does not fit in memory ({cited(error)}); {todo}") from error
    except (OSError, ValueError, EOFError, KeyError) as error:
        if isinstance(error, UnicodeDecodeError) and kind in tables.TEXTS:
            what = f"data: expected a text in UTF-8, got {path}, which is in another encoding"
            raise InputError(f"{what} ({cited(error)}); save it as UTF-8") from error
        raise InputError(f"data: {path} cannot be read as {kind} ({cited(error)}); is it whole?") from error
    except Exception as error:  # zipfile.BadZipFile and zlib.error have no common base
        raise InputError(f"data: {path} is damaged ({cited(error)}); write or copy it again") from error


def _pictures(folder: Path, labels, likelihood: str, schema, declared, new: bool) -> Dataset:
    """The images of a folder; of new ones the notice says only what was changed."""
    if schema is not None and not isinstance(schema, Pictures):
        raise InputError(f"data: expected a table as in training, got the folder {folder}")
    known = schema
    if schema is None and declared:
        height, width, *channels = checked_shape(declared, (0, math.prod(declared)))
        known = Pictures(height, width, channels[0] if channels else 1)
    x, names, found = pictures.read_folder(folder, known)
    y = pictures.folders(names, folder) if labels == FOLDERS else arrays.read_labels(folder, labels)
    notes = list(found.changes) if new else found.describe()
    if labels == FOLDERS:
        kinds = list(dict.fromkeys(y.tolist()))
        more = ", ..." if len(kinds) > NAMED else ""
        notes.append(f"labels: {len(kinds):,} folders, {', '.join(kinds[:NAMED])}{more}")
    if known is None and found.height * found.width > pictures.LARGE:
        notes.append("images of so many pixels train slowly; image_shape brings them to a smaller size")
    return build(x, y, folder.name, str(folder), likelihood, schema=found, notice="\n".join(notes), ids=names)
