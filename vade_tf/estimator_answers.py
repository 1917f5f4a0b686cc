"""What X may be, as scikit-learn reads it, and what a fitted `VaDEClusterer` says of its rows."""

import math
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pandas
import scipy.sparse
from sklearn.base import TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from vade_tf.data import pipeline
from vade_tf.data.cells import Genes, is_annotated
from vade_tf.data.dataset import Dataset
from vade_tf.data.observations import build
from vade_tf.data.rows import Rows, SparseRows
from vade_tf.data.schema import Schema, as_frame, filled, in_polars, is_polars, named
from vade_tf.data.texts import texts_beside
from vade_tf.data.vectors import unpacked
from vade_tf.errors import InputError, check_form, warn_units, whole_number
from vade_tf.machine import rows_together
from vade_tf.model import units
from vade_tf.model.prior import check_clusters
from vade_tf.training.posterior import model_groups, over_rows

Table: TypeAlias = np.ndarray | pandas.DataFrame  # rows as those that were fitted


class Answers(TransformerMixin):
    """The part of `VaDEClusterer` that reads X and answers; the attributes are its parameters and what `fit` found."""

    random_state: Any
    weights_: np.ndarray
    _n_features_out: int
    image_shape: Any
    kind: str
    kind_: str
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

    def predict(self, X) -> np.ndarray:
        """Most probable cluster of each row, -1 of an outlier (see `contamination`): X [n, D] -> int [n].

        Raises:
            ValueError: X has other features, or other units, than the rows that were fitted.
        """
        return self._groups(self._known(X))

    def predict_proba(self, X) -> np.ndarray:
        """p(c|x) = E_q(z|x)[ p(c|z) ] of each row (eq. 16): X [n, D] -> [n, K]. Raises as `predict` does."""
        return self._each(self._known(X), self.model_.predict_on_batch)  # `predict` would copy all rows into a tensor

    def transform(self, X) -> np.ndarray:
        """Mean code of each row: X [n, D] -> [n, latent]. Raises as `predict` does."""
        return self._each(self._known(X), lambda rows: self.model_.encode(rows)[0])

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Names of the columns of `transform`: vade0, vade1, ..."""
        check_is_fitted(self)
        return np.array([f"vade{i}" for i in range(self._n_features_out)], dtype=object)

    def inverse_transform(self, X) -> Table:
        """Mean of p(x|z) of codes, in the units of the rows that were fitted: X [n, latent] -> [n, D].

        A DataFrame like the one that was fitted (of pandas or Polars), if it was one, without the columns left out.
        """
        check_is_fitted(self)
        codes = check_array(X, dtype=np.float32)
        if codes.shape[1] != self._n_features_out:
            raise InputError("X", f"codes of shape (n, {self._n_features_out})", str(codes.shape))
        return self._decoded(codes)

    def impute(self, X) -> pandas.DataFrame:
        """Fill missing cells with the mean of p(x | z = mean code of the row), in the units and categories of X.

        Args:
            X: a DataFrame of pandas or Polars with the columns of the one that was fitted, [n, columns].

        Returns:
            The same rows and columns; cells that are not missing stay as they are, and those of columns that the fit
            left out (`schema_.dropped`) stay missing.

        Raises:
            ValueError: what was fitted was no DataFrame; or as for `predict`.
        """
        check_is_fitted(self)
        if self.schema_ is None:
            raise InputError("impute", "a fit to a DataFrame", "one to an array, whose cells are never missing")
        polars, X = is_polars(X), self._frame(X)
        X = X if isinstance(X, pandas.DataFrame) else pandas.DataFrame(np.asarray(X), columns=self._columns)
        means = self._each(self._known(X), lambda rows: self.model_.decode(self.model_.encode(rows)[0]))
        found = filled(X, self.schema_, self.model_.unscale(means))
        return in_polars(found) if polars else found

    def sample(self, n_samples=1, cluster=None, random_state=None) -> tuple[Table, np.ndarray]:
        """Draw new rows: a cluster from pi, a code from its Gaussian, decoded to the mean of p(x|z).

        Args:
            n_samples: how many, default 1.
            cluster: of which cluster, or one for each row, int [n_samples]; default: drawn from `weights_`.
            random_state: of the draw; default: that of the estimator.

        Returns:
            (X, cluster): rows [n_samples, D] as those that were fitted (see `inverse_transform`), and the cluster of
            each.

        Raises:
            ValueError: n_samples below 1, or no such cluster.
        """
        check_is_fitted(self)
        n_samples = whole_number(n_samples, "n_samples", 1, 2**31 - 1)
        random = check_random_state(self.random_state if random_state is None else random_state)
        k = len(self.weights_)
        if cluster is None:
            share = self.weights_.astype(np.float64)
            clusters = random.choice(k, n_samples, p=share / share.sum())
        else:
            clusters = np.array(np.broadcast_to(check_clusters(cluster, k), n_samples))
        codes = self.model_.draw_codes(clusters, int(random.randint(2**31 - 1))).numpy()
        return self._decoded(codes), clusters

    def score_samples(self, X) -> np.ndarray:
        """Evidence lower bound of each row, nats, in the units of the likelihood: X [n, D] -> [n].

        The lower, the rarer. The same draws of the noise for every row, so a row's score depends on it alone. Missing
        cells, and levels that were not seen, add nothing: compare rows that lack the same cells. Raises as `predict`
        does.
        """
        return self._each(self._known(X), self.model_.elbo)

    def score(self, X, y=None) -> float:
        """Mean of `score_samples` over X [n, D], nats a row; y is ignored."""
        return float(self.score_samples(X).mean(dtype=np.float64))

    def _each(self, rows: Rows, function, size: int = pipeline.BATCH) -> np.ndarray:
        return over_rows(lambda batch: (function(batch),), rows, size)[0]

    def _decoded(self, codes: np.ndarray) -> Table:
        """Codes [n, latent] -> rows as those that were fitted."""
        size = rows_together(self.model_.n_features, pipeline.BATCH)  # as wide as what is made of them
        raw = self.model_.unscale(self._each(codes, self.model_.decode, size))
        if self.schema_ is None:
            return raw
        return in_polars(self.schema_.decode(raw)) if self._polars else self.schema_.decode(raw)

    def _groups(self, rows: Rows) -> np.ndarray:
        groups = model_groups(self.model_, rows).astype(np.int64)
        rare = False if self.limits_ is None else self._each(rows, self.model_.elbo) < self.limits_[groups]
        return np.where(rare, -1, groups)

    def _rows(self, X, fitting: bool = False) -> tuple[Any, tuple[int, ...] | None]:
        """X as rows [n, D], or images where they are fitted, checked by scikit-learn; and the shape of images given.

        A DataFrame that is fitted stays as it is, since its schema is made later; what comes after is coded by it.
        """
        image_shape: Any = None if self.image_shape is None else tuple(self.image_shape)
        X, form = self._frame(X, fitting), ()
        if fitting:
            tabular = isinstance(X, pandas.DataFrame) and not image_shape and self.kind in ("auto", "table", "counts")
        else:
            tabular = self.schema_ is not None
        if tabular:
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
        elif form:
            X = X.reshape(len(X), *form)
        return (SparseRows(X) if scipy.sparse.issparse(X) else X), image_shape

    def _frame(self, X, fitting: bool = False):
        """A table of another library as a DataFrame, and the numbers of an AnnData; all else as it is."""
        if fitting:
            self._polars = is_polars(X)
        X = unpacked(as_frame(X), "X")
        if fitting:
            self.genes_, self._counted, self._columns = None, None, None
            if is_annotated(X):
                limit = None if self.genes is None else whole_number(self.genes, "genes", 1, X.shape[1])
                found = Genes.infer(X, self.layer, limit, "X")
                self.genes_, self._counted = np.array(found.names), found.counted
            elif (self.layer, self.genes, self.batch) != (None, None, None):
                raise InputError("X", "an AnnData with layer, genes and batch", type(X).__name__, "leave them out")
        genes = self._genes
        if is_annotated(X):
            return X.to_df(self.layer) if genes is None else genes.encode(X, "X")
        return genes.of_table(X, "X") if genes and isinstance(X, pandas.DataFrame) else X

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
        else:
            X = X.toarray() if scipy.sparse.issparse(X) else np.asarray(X)
            if X.ndim != 2:
                raise InputError("X", "a DataFrame, or an array of all its columns", f"shape {X.shape}")
        validate_data(self, X, reset=False, skip_check_array=True)
        table = X if isinstance(X, pandas.DataFrame) else pandas.DataFrame(X, columns=self._columns)
        x, notes = self.schema_.encode(table, "X")
        warn_units(notes, 5)
        return x

    def _dataset(self, X, y=None, texts=None) -> Dataset:
        """Rows as a report reads them: coded as those that were fitted; y: labels [n] for scoring."""
        how: dict = {"kind": self.kind_, "image_shape": self._image_shape, "schema": self._genes or self.schema_}
        dataset = build(self._known(X), y, "rows", "memory", **how)
        return replace(dataset, words=self._words, texts=None if texts is None else texts_beside(texts, len(dataset.x)))

    @property
    def _genes(self) -> Genes | None:
        return None if self.genes_ is None else Genes(tuple(self.genes_.tolist()), self.layer or "", self._counted)

    @property
    def _words(self) -> tuple[str, ...] | None:
        return None if self.feature_names is None else tuple(map(str, self.feature_names))

    def _known(self, X) -> Rows:
        """Rows that the model can take."""
        check_is_fitted(self)
        rows, _ = self._rows(X)
        units.check_units(self.model_, rows, "X", None if self.schema_ is None else self.schema_.measured)
        return rows
