"""What `Served` takes, a table, texts, cells or an array -> features, checked as far as the graph does not."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import scipy.sparse
from pandas.api.types import is_list_like

from vade_tf.data.dataset import Coded
from vade_tf.data.genes import Genes, is_annotated
from vade_tf.data.schema import Schema, as_frame
from vade_tf.data.texts import Texts, texts_of
from vade_tf.errors import InputError, tell
from vade_tf.finite import MOST


def features(x, schema: Coded | None, width: int) -> np.ndarray | scipy.sparse.csr_array:
    """Rows -> features that an exported graph can be given, NaN where cells are missing.

    Args:
        x: an array, also of images, or a sparse matrix, [n, D]; or what the rows of the training came from: the table,
            the AnnData or the texts.
        schema: how these were coded.
        width: D.

    Returns:
        [n, D], sparse where x is or texts are.

    Raises:
        InputError: other rows, or values that are infinite or beyond 1e30.
    """
    x = as_frame(x)
    if isinstance(x, pandas.DataFrame):
        x = _of_table(x, schema)
    elif is_annotated(x):
        if not isinstance(schema, Genes):
            raise InputError(f"x: expected an array, got an AnnData and {_coding(schema)}; give its numbers, x.X")
        x = schema.encode(x, "x")
    elif isinstance(schema, Texts) and (texts := _texts(x)) is not None:
        x = _encoded(texts, schema)
    if not scipy.sparse.issparse(x):
        try:
            x = np.asarray(x)
        except ValueError as error:  # lists of different lengths
            raise InputError(f"x: expected numbers of shape (n, {width}), got rows of different lengths") from error
    form = x.shape
    if isinstance(x, np.ndarray) and x.ndim > 2 and x.size:  # images, as `VaDE.predict` takes them
        x = x.reshape(len(x), -1)
    if x.dtype.kind not in "biuf" or x.ndim != 2 or x.shape[1] != width:
        raise InputError(f"x: expected numbers of shape (n, {width}), got {x.dtype} of shape {form}")
    x = scipy.sparse.csr_array(x) if scipy.sparse.issparse(x) else x
    x = x.astype(np.float32) if x.dtype == np.float16 else x  # in which 1e30 is a number
    numbers = x if isinstance(x, np.ndarray) else x.data
    if not ((np.abs(numbers) <= MOST) | np.isnan(numbers)).all():
        raise InputError("x: expected finite numbers below 1e30, got others; drop or impute such rows")
    return x


def _of_table(table: pandas.DataFrame, schema: Coded | None) -> Any:
    if isinstance(schema, Schema):
        x, notes = schema.encode(table)
        tell(notes, 5)
        return x
    if isinstance(schema, Genes):
        return schema.of_table(table, "x")
    if isinstance(schema, Texts) and schema.column in table:
        return _encoded(texts_of(table[schema.column]), schema)
    if isinstance(schema, Texts):
        raise InputError("x: expected texts, a list or a Series of them, got a table; give its column of texts")
    raise InputError(
        f"x: expected an array, got a table and {_coding(schema)}; give x.to_numpy() where an array was trained on"
        + (", or export with schema=load_schema(run)" if schema is None else "")
    )


def _coding(schema: Coded | None) -> str:
    """How rows of the training were coded, in words."""
    return "no schema" if schema is None else f"a schema of the form {schema.to_dict()['form']!r}"


def _texts(x) -> pandas.Series | None:
    """A list, a Series or an array with texts as a column of a table is coded; None where x holds others alone."""
    if not isinstance(x, (list, tuple, pandas.Series, np.ndarray)) or getattr(x, "ndim", 1) != 1:
        return None
    cells = pandas.Series(list(x), dtype=object)
    known = cells[cells.notna()]
    others = known.size > 0 and not any(isinstance(cell, str) for cell in known)
    return None if others or known.map(is_list_like).any() else texts_of(cells)


def _encoded(texts: pandas.Series, schema: Texts) -> scipy.sparse.csr_array:
    if texts.empty:
        raise InputError("x: expected texts, got none")
    x = schema.encode(texts)
    tell(schema.unknown(x), 5)
    return x


def version_in(path: Path) -> str:
    """Words that name the highest exported version in a run's folder, or in a folder of versions; "" without one."""
    places = [place.parent for folder in (path, path / "export") for place in folder.glob("*/saved_model.pb")]
    versions = [place for place in places if place.name.isdecimal()]
    return f"; give {max(versions, key=lambda place: int(place.name))}" if versions else ""
