"""What a fitted `VaDEClusterer` says of rows: clusters, probabilities, codes, densities, samples, filled cells."""

from typing import Any, TypeAlias

import numpy as np
import pandas
from sklearn.base import TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from vade_tf.data import pipeline
from vade_tf.data.rows import Rows
from vade_tf.data.schema import filled, in_polars, is_polars
from vade_tf.errors import InputError, whole_number
from vade_tf.estimator_rows import RowReader
from vade_tf.machine import rows_together
from vade_tf.model.prior import check_clusters
from vade_tf.training.posterior import model_groups, over_rows

Table: TypeAlias = np.ndarray | pandas.DataFrame  # rows as those that were fitted


class Answers(TransformerMixin, RowReader):
    """The part of `VaDEClusterer` that answers; the attributes are what `fit` has found."""

    random_state: Any
    weights_: np.ndarray
    _n_features_out: int

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

    def _each(self, rows: Rows, function) -> np.ndarray:
        return over_rows(lambda batch: (function(batch),), rows)[0]

    def _decoded(self, codes: np.ndarray) -> Table:
        """Codes [n, latent] -> rows as those that were fitted."""
        size = rows_together(self.model_.n_features, pipeline.BATCH)  # as wide as what is made of them
        raw = self.model_.unscale(over_rows(lambda part: (self.model_.decode(part),), codes, size)[0])
        if self.schema_ is None:
            return raw
        return in_polars(self.schema_.decode(raw)) if self._polars else self.schema_.decode(raw)

    def _groups(self, rows: Rows) -> np.ndarray:
        groups = model_groups(self.model_, rows).astype(np.int64)
        rare = False if self.limits_ is None else self._each(rows, self.model_.elbo) < self.limits_[groups]
        return np.where(rare, -1, groups)
