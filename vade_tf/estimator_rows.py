"""What X may be: an array, a sparse matrix, images, a DataFrame or an AnnData -> rows, as scikit-learn reads them."""

import math
import os
from typing import Any

import numpy as np
import pandas
import scipy.sparse
from sklearn.utils.validation import check_is_fitted, validate_data

from vade_tf.data.checks import check_apart, shape_of_images, unmasked
from vade_tf.data.gene_counts import check_alike
from vade_tf.data.genes import Genes, check_different, is_annotated
from vade_tf.data.schema import Schema, as_frame, named
from vade_tf.data.sparse import Rows, SparseRows
from vade_tf.errors import LONGEST, InputError, KindError, cited, tell, whole_number
from vade_tf.model import choice
from vade_tf.model.counts import Counts


class RowReader:
    """The part of `VaDEClusterer` that reads X; the attributes are its parameters and what `fit` has found."""

    image_shape: Any
    likelihood: Any
    layer: Any
    genes: Any
    batch: Any
    n_features_in_: int
    schema_: Schema | None
    _columns: list[str | int] | None
    _image_shape: tuple[int, ...] | None
    genes_: np.ndarray | None
    _counted: bool | None
    model_: Any

    def _rows(self, X, fitting: bool = False) -> tuple[Rows | pandas.DataFrame, tuple[int, ...] | None]:
        """X as rows [n, D], checked by scikit-learn, and the shape of its images, if it has any.

        A DataFrame is left as it is where its schema is made; what comes after it is coded by that.
        """
        image_shape = declared = self._declared()
        X = as_frame(_dense(X, "X"))
        if fitting:
            self.genes_: np.ndarray | None = None
            self._counted = None
            self._columns: list[str | int] | None = None
        if is_annotated(X):
            X = self._counts(X, fitting)
        elif not fitting and self.genes_ is not None and isinstance(X, pandas.DataFrame):
            X = self._named(X).to_numpy()
        elif fitting and (self.layer, self.genes, self.batch) != (None, None, None):
            raise InputError(
                f"layer, genes and batch: expected an AnnData with them, got {type(X).__name__}; leave them out"
            )
        if (isinstance(X, pandas.DataFrame) and not image_shape) if fitting else self.schema_ is not None:
            return self._table(X, fitting), image_shape
        one = None if fitting else self._image_shape
        if one and one[0] > 1 and getattr(X, "shape", None) == tuple(one):
            raise InputError(f"X: expected several images, got one of shape {X.shape}; give X[None]")
        if not scipy.sparse.issparse(X) and len(getattr(X, "shape", ())) in (3, 4):
            images = np.asarray(X)
            plain = isinstance(declared, (tuple, list)) and not declared
            asked = declared if fitting else self._image_shape
            own = None if plain else _told(images.shape[1:], asked) or shape_of_images(images.shape, "X")
            self._check_shape(own, fitting)
            image_shape = own if image_shape is None else image_shape
            X = images.reshape(len(images), math.prod(images.shape[1:]))
        if len(getattr(X, "shape", ())) > 4:
            raise InputError(
                f"X: expected rows [n, D] or images [n, height, width] or [n, height, width, 3], got shape {X.shape}; "
                "give X.reshape(len(X), -1)"
            )
        try:
            least, finite = 2 if fitting else 1, False  # what is not finite is told by `observe` and `check_units`
            how = {"accept_sparse": "csr", "ensure_min_samples": least, "ensure_all_finite": finite}
            X = validate_data(self, X, reset=fitting, dtype=None, **how)
            if X.dtype.kind not in "biufO":
                raise ValueError(f"expected numbers, got {X.dtype}")
            if X.dtype == object or X.dtype.itemsize > 8:
                X = validate_data(self, X, reset=False, dtype=np.float64, **how)
        except TypeError as error:
            raise KindError(f"X: {cited(error)}; give numbers, or a DataFrame with its columns") from error
        except ValueError as error:  # which may hold the whole array
            words = [line for line in str(error).splitlines() if line[:1].isalpha() and not line.startswith("array=")]
            raise InputError(f"X: {_instead(X, fitting) or ' '.join(words)[:LONGEST]}") from error
        if fitting and not image_shape:
            check_apart(X, "X")
        return (SparseRows(X) if scipy.sparse.issparse(X) else X), image_shape

    def _declared(self):
        """The shape of images that somebody gave, an array or a list as a tuple."""
        shape = self.image_shape
        shape = shape.tolist() if isinstance(shape, np.ndarray) and shape.ndim == 1 else shape
        return tuple(shape) if isinstance(shape, list) else shape

    def _check_shape(self, shape: tuple[int, ...] | None, fitting: bool) -> None:
        """Raises InputError if images of this shape are no images of the one that is asked for, or that was fitted."""
        expected = self._declared() if fitting else self._image_shape
        if expected == ():  # plain rows in any shape
            return
        if isinstance(expected, (tuple, list)) and shape != (expected := tuple(expected)) != (*(shape or ()), 1):
            raise InputError(f"X: expected images of shape {expected}, got {shape or 'some of other channels'}")

    def _counts(self, X, fitting: bool) -> np.ndarray | scipy.sparse.csr_array | pandas.DataFrame:
        """The numbers of an AnnData: of the genes that are fitted, or of the features that were, by their names."""
        if fitting:
            most = None if self.genes is None else whole_number(self.genes, "genes", 1, 2**31 - 1)
            found = Genes.infer(X, self.layer, most, "X")
            self.genes_, self._counted = np.array(found.names), found.counted
        elif self.genes_ is not None:
            found = self._read()
        elif self._columns is not None and all(isinstance(name, str) for name in self._columns):
            used = self._columns if self.schema_ is None else [column.name for column in self.schema_.columns]
            found = Genes(tuple(map(str, used)), self.layer or "")
        else:
            found = Genes.infer(X, self.layer, argument="X")
        counts = found.encode(X, "X")
        if fitting or self.schema_ is None:
            return counts
        cells = counts if isinstance(counts, np.ndarray) else counts.toarray()
        return pandas.DataFrame(cells, columns=list(found.names))

    def _read(self) -> Genes:
        """The genes of the AnnData that was fitted."""
        assert self.genes_ is not None
        return Genes(tuple(self.genes_.tolist()), self.layer or "", self._counted)

    def _named(self, X: pandas.DataFrame) -> pandas.DataFrame:
        """The columns that are called as the genes of what was fitted; all, where columns have no names."""
        names = [] if self.genes_ is None else self.genes_.tolist()
        if not all(isinstance(name, str) for name in (*names, *X.columns)):
            return X
        known = set(names)
        check_different(np.array([name for name in X.columns if name in known], str), "X")
        if absent := [name for name in names if name not in X.columns]:
            raise InputError(
                f"X: expected the features that were fitted, got none of the name {absent[0]!r}, and {len(absent)} of "
                f"{len(names):,} are missing"
            )
        return X[names]

    def _table(self, X, fitting: bool) -> np.ndarray | pandas.DataFrame:
        """A DataFrame to be fitted, or the features of new rows of one, which may be an array of all its columns."""
        try:
            if isinstance(X, pandas.DataFrame):
                names = named(X, "X")
                if not fitting and self.schema_ is not None and X.columns.nlevels == 1:  # what `sample` leaves out
                    absent = set(self.schema_.dropped).difference(names)
                    if absent and names == [name for name in self._columns or () if name not in absent]:
                        X, names = X.set_axis(names, axis=1).reindex(columns=self._columns), self._columns or []
                mixed = 0 < sum(isinstance(name, str) for name in X.columns) < len(names)  # scikit-learn takes none
                as_texts = X.set_axis([str(name) for name in names], axis=1) if mixed else X
                validate_data(self, as_texts, reset=fitting, skip_check_array=True)
                if fitting:
                    self._columns = names
            else:
                given, X = X, X.toarray() if scipy.sparse.issparse(X) else np.asarray(X)
                if X.ndim != 2:
                    found = _no_array(given, X, fitting) or f"shape {X.shape}"
                    raise ValueError(f"expected a DataFrame, or an array of all its columns, got {found}")
                validate_data(self, X, reset=False, skip_check_array=True)
                X = pandas.DataFrame(X, columns=self._columns)
        except (TypeError, ValueError) as error:
            raise InputError(f"X: {cited(error).removeprefix('X: ')}") from error
        if fitting:
            if len(X) < 2:
                raise InputError(f"X: expected at least 2 rows, got {len(X)}")
            return X
        assert self.schema_ is not None
        x, notes = self.schema_.encode(X, "X")
        tell(notes, 5)
        return x

    def _known(self, X) -> Rows:
        """Rows that the model can take."""
        check_is_fitted(self)
        rows, _ = self._rows(X)
        choice.check_units(self.model_, rows, "X", None if self.schema_ is None else self.schema_.measured)
        if self.genes_ is not None and not isinstance(self.model_.likelihood, Counts):
            check_alike(rows, self._counted, "X")
        return rows

    def _raw(self, x: np.ndarray) -> np.ndarray | pandas.DataFrame:
        """Rows in the units of the likelihood [n, D] -> as the rows that were fitted."""
        raw = self.model_.unscale(x)
        return raw if self.schema_ is None else self.schema_.decode(raw)


def _instead(X, fitting: bool) -> str:
    """What to give in the place of what is no array, or one of texts, dates or spans of time; "" of all else."""
    try:
        cells = np.asarray(X)
    except ValueError:  # lists of different lengths
        return ""
    if found := _no_array(X, cells, fitting):
        return f"expected an array, a sparse matrix, a DataFrame or an AnnData, got {found}"
    texts = cells.dtype == object and cells.size > 0 and all(isinstance(cell, str) for cell in cells.flat)
    if (texts or cells.dtype.kind in "US") and cells.ndim == 1:
        new = "transform(texts) of the vectorizer whose rows were fitted"
        todo = "TfidfVectorizer().fit_transform(texts), of scikit-learn" if fitting else new
        return f"expected numbers, got texts; give {todo}"
    kinds = {"U": "texts", "S": "texts", "M": "dates", "m": "spans of time"}
    kind = kinds.get("U" if texts else cells.dtype.kind)
    return f"expected numbers, got {kind}; give a DataFrame, whose columns may hold them" if kind else ""


def _no_array(X, cells: np.ndarray, fitting: bool) -> str:
    """What X is, and what to give in its place, where NumPy makes one cell of it, or rows of named fields; else ""."""
    kind = type(X).__name__
    if cells.dtype.names or isinstance(X, dict):
        return f"{kind} of columns; give pandas.DataFrame(X)"
    if cells.ndim or cells.dtype.kind in "biufc" or scipy.sparse.issparse(X):
        return ""
    if isinstance(X, (str, bytes, os.PathLike)):
        command = ", or use the command: vade-tf train --data FILE" if fitting else ""
        return f"{kind}; read the file first, as by pandas.read_csv or numpy.load{command}"
    if hasattr(X, "as_numpy_iterator"):
        return f"{kind}; use {'vade_tf.fit' if fitting else 'model_.predict'}, which takes one"
    return f"{kind}; give numpy.stack(list(X)) of single rows" if hasattr(X, "__next__") else kind


def _told(form: tuple[int, ...], asked) -> tuple[int, ...] | None:
    """The shape of images that somebody gave, where rows of this form have it, but for axes of 1."""
    if not asked or not isinstance(asked, (tuple, list)):
        return None
    same = [side for side in form if side != 1] == [side for side in asked if side != 1]
    return tuple(asked) if same else None


def _dense(X, argument: str):
    """Images in a list or an array of objects as one array, what a masked array hides as NaN; all else as it is."""
    if isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1:
        X = list(X)
    if isinstance(X, (list, tuple)) and len(X) and np.ndim(X[0]) in (2, 3):
        try:
            return np.asarray(X)
        except ValueError as error:
            raise InputError(f"{argument}: expected images of one size ({cited(error)})") from error
    return unmasked(X) if isinstance(X, np.ma.MaskedArray) else X
