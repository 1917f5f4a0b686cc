"""What X may be: an array, a sparse matrix, images, a DataFrame or an AnnData -> rows, as scikit-learn reads them."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas
import scipy.sparse
from sklearn.utils.validation import check_is_fitted, validate_data

from vade_tf.data.cells import Genes, is_annotated
from vade_tf.data.dataset import COUNTS, Dataset
from vade_tf.data.observations import build
from vade_tf.data.rows import Rows, SparseRows
from vade_tf.data.schema import Schema, as_frame, is_polars, named
from vade_tf.errors import InputError, check_form, warn_units, whole_number
from vade_tf.model import choice


class RowReader:
    """The part of `VaDEClusterer` that reads X; the attributes are what `fit` has found."""

    image_shape: Any
    layer: str | None
    genes: int | None
    batch: Any
    feature_names: Any
    n_features_in_: int
    schema_: Schema | None
    genes_: np.ndarray | None
    model_: Any
    limits_: np.ndarray | None
    _columns: list[str | int] | None  # names of all columns of the DataFrame that was fitted
    _polars: bool  # whether that was one of Polars
    _counted: bool | None  # whether the numbers of the AnnData that was fitted are counts
    _image_shape: tuple[int, ...] | None

    def _rows(self, X, fitting: bool = False) -> tuple[Any, tuple[int, ...] | None]:
        """X as rows [n, D], or images where they are fitted, checked by scikit-learn; and the shape of images given.

        A DataFrame that is fitted stays as it is, since its schema is made later; what comes after is coded by it.
        """
        image_shape: Any = None if self.image_shape is None else tuple(self.image_shape)
        X, form = self._frame(X, fitting), ()
        if isinstance(X, pandas.DataFrame) and not image_shape if fitting else self.schema_ is not None:
            return self._table(X, fitting), image_shape
        if not scipy.sparse.issparse(X) and not isinstance(X, pandas.DataFrame):
            X = np.ma.filled(X.astype(float), np.nan) if isinstance(X, np.ma.MaskedArray) else np.asarray(X)
            if X.ndim in (3, 4):
                form = X.shape[1:]
                X = X.reshape(len(X), math.prod(form))
        least = 2 if fitting else 1  # values that are not finite are reported by `observe` and `check_units`
        how: dict[str, Any] = {"accept_sparse": "csr", "ensure_min_samples": least, "ensure_all_finite": False}
        X = validate_data(self, X, reset=fitting, dtype="numeric", **how)
        if not fitting:
            check_form(form, self._image_shape, "X")
        elif form and image_shape != ():
            X = X.reshape(len(X), *form)
        return (SparseRows(X) if scipy.sparse.issparse(X) else X), image_shape

    def _frame(self, X, fitting: bool = False):
        """A table of another library as a DataFrame, and the numbers of an AnnData; all else as it is."""
        if fitting:
            self._polars = is_polars(X)
        X = as_frame(X)
        if fitting:
            self.genes_, self._counted, self._columns, self._genes = None, None, None, None
            if is_annotated(X):
                limit = None if self.genes is None else whole_number(self.genes, "genes", 1, X.shape[1])
                self._genes = Genes.infer(X, self.layer, limit, "X")
                self.genes_, self._counted = np.array(self._genes.names), self._genes.counted
                return self._genes.encode(X, "X")
            if (self.layer, self.genes, self.batch) != (None, None, None):
                raise InputError("X", "an AnnData with layer, genes and batch", type(X).__name__, "leave them out")
        elif self.genes_ is None:
            return X.to_df(self.layer) if is_annotated(X) else X
        elif is_annotated(X):
            return Genes(tuple(self.genes_.tolist()), self.layer or "", self._counted).encode(X, "X")
        elif isinstance(X, pandas.DataFrame) and (missing := set(self.genes_) - set(X.columns)):
            raise InputError("X", f"a column for each of {len(self.genes_):,} genes", f"none called {min(missing)!r}")
        elif isinstance(X, pandas.DataFrame):
            return X[self.genes_.tolist()].to_numpy()
        return X

    def _table(self, X, fitting: bool) -> np.ndarray | pandas.DataFrame:
        """A DataFrame to be fitted, or the features of new rows of one, which may be an array of all its columns."""
        if fitting:
            validate_data(self, X, skip_check_array=True)
            if len(X) < 2:
                raise InputError("X", "at least 2 rows", str(len(X)))
            self._columns = named(X, "X")
            return X
        assert self.schema_ is not None
        assert self._columns is not None
        if isinstance(X, pandas.DataFrame):
            used = [name for name in self._columns if name not in self.schema_.dropped]
            X = X.reindex(columns=self._columns) if list(X.columns) == used else X  # as samples are
            validate_data(self, X, reset=False, skip_check_array=True)
        else:
            X = X.toarray() if scipy.sparse.issparse(X) else np.asarray(X)
            if X.ndim != 2:
                raise InputError("X", "a DataFrame, or an array of all its columns", f"shape {X.shape}")
            validate_data(self, X, reset=False, skip_check_array=True)
            X = pandas.DataFrame(X, columns=self._columns)
        x, notes = self.schema_.encode(X, "X")
        warn_units(notes, 5)
        return x

    def _dataset(self, X, y=None) -> Dataset:
        """Rows as a report reads them: coded as those that were fitted; y: labels [n] for scoring."""
        name = self.model_.likelihood.name
        rows, likelihood = self._known(X), name if name in COUNTS else "auto"
        schema = self.schema_ if self.genes_ is None else Genes(tuple(self.genes_.tolist()), "", self._counted)
        dataset = build(rows, y, "rows", "memory", likelihood, self._image_shape, schema=schema)
        return replace(dataset, words=self._words)

    @property
    def _words(self) -> tuple[str, ...] | None:
        return None if self.feature_names is None else tuple(map(str, self.feature_names))

    def _known(self, X) -> Rows:
        """Rows that the model can take."""
        check_is_fitted(self)
        rows, _ = self._rows(X)
        choice.check_units(self.model_, rows, "X", None if self.schema_ is None else self.schema_.measured)
        return rows
