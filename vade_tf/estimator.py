"""`VaDEClusterer`: the whole recipe behind scikit-learn's verbs. Knows no run folder, no data set and no flag."""

import warnings
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, fields, replace
from numbers import Integral
from typing import Any, Literal, Self

import keras
import numpy as np
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from vade_tf import archive
from vade_tf.contrast import compared
from vade_tf.data.cells import batch_index_of
from vade_tf.data.dataset import Dataset, Observations
from vade_tf.data.observations import observe
from vade_tf.data.pipeline import training_batches
from vade_tf.data.rows import Rows
from vade_tf.data.schema import Schema
from vade_tf.data.texts import texts_beside
from vade_tf.errors import InputError, outlier_share
from vade_tf.estimator_answers import Answers
from vade_tf.model.networks import FusedAdam
from vade_tf.model.own_networks import copied
from vade_tf.seeding import fold
from vade_tf.training import recipe
from vade_tf.training.build import validate_weights
from vade_tf.training.choice import kind_of_settings
from vade_tf.training.health import CLUSTER_ALONE
from vade_tf.training.posterior import model_groups, outlier_limits
from vade_tf.training.reporter import Lines, Silent
from vade_tf.training.settings import Settings

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # they came with scikit-learn 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        pass

    def with_callbacks(method):
        return method


LAST_RATE = 0.05  # of the rate at the start: where the cosine ends
BATCH_SIZE = 256  # rows a step of `partial_fit`, as of `fit`
PARAMETERS = {"clusters": "n_clusters", "seed": "random_state", "transform": "column_transform"}  # of settings


@dataclass(repr=False, eq=False)
class VaDEClusterer(CallbackSupportMixin, ClusterMixin, Answers, BaseEstimator):
    """Variational Deep Embedding (Jiang et al., IJCAI 2017) as a scikit-learn clusterer: the whole recipe.

    Pretrains an autoencoder, starts the mixture, trains encoder, decoder and mixture on one bound, and reads no label.
    `vade_tf.fit` is the same without scikit-learn. A parameter of None follows from the recipe and the rows, as the
    setting of its name in `vade_tf.Settings`.

    Args:
        n_clusters: number of clusters K, default 8; "auto" chooses one by prediction strength (`choice_`).
        recipe: "robust" (default) or "paper", presets of what is None below.
        latent_dim, hidden: width of the code, default 10; widths of the encoder's hidden layers, which the decoder
            mirrors.
        network: of images: "dense", "conv" or "auto" (default).
        likelihood: of p(x|z): "auto" (default), "bernoulli", "gaussian", "counts", "zinb", or a `vade_tf.Likelihood`
            of your own or its name. By default a DataFrame gets one for each kind of its columns.
        encoder, decoder: networks of your own, functional Keras models, see `vade_tf.fit`; each fit trains a copy.
        image_shape: (height, width) of grey images, (height, width, 3) of colour ones. Default: None; X of three or
            four dimensions gives it itself.
        kind: what rows are taken for: "images", "texts", "embeddings", "counts", "table" or "rows"; "auto" (default):
            what their values say.
        column_transform: "power": the numbers of a DataFrame are brought nearer to a normal distribution; default None.
        layer, genes: of an AnnData: the layer of the counts, default its X; how many genes to keep, those that vary
            most, default all.
        batch: of an AnnData that is fitted: column of its `obs` by which cells are not grouped (`model.batch_effects`).
        feature_names: of a matrix of texts: the word of each feature, [D], as vectorizers give them; default None.
        hints: known group of each row, int [n], -1 where it is not known; default None. `fit` takes them, too.
        batch_size, pretrain_epochs, epochs: rows a step; epochs of the autoencoder and of VaDE.
        learning_rate: Adam's at the start of each phase, default 0.002.
        augment: how the encoder reads images in training: "digits" or "none".
        init: the start: "auto", "gmm", "kmeans" or "spectral"; a clusterer or mixture of scikit-learn; a function of
            the rows, or an array, of groups [n] or probabilities [n, K]. What is no name is not saved by `save`.
        guide_epochs, regroups: epochs in which a cross-entropy holds each row to the start's probabilities, and how
            often a start on the code is recomputed during these.
        guide_weight: weight of that cross-entropy, and of hints, in the loss, default 20.
        self_train_epochs: of images: epochs of a classifier of augmented images that sharpens the start; 0: none.
        validation_rows: rows set aside, without a gradient, to stop the autoencoder and measure the variance of p(x|z).
        contamination: share of the rows that are outliers, at most 0.5: those of the lowest density, and clusters no
            larger than it, get the label -1, new rows like them, too; default None. Probabilities stay.
        precision: of the hidden layers: "float32", "mixed_bfloat16", "mixed_float16" or "auto" (default).
        callbacks: Keras callbacks for every phase, each a training of its own; default None.
        random_state: an int gives the same result at every fit; default None.
        verbose: 1 prints the progress; default 0, nothing.

    Attributes:
        model_: the fitted `vade_tf.VaDE`, a `keras.Model`.
        n_clusters_, choice_: the number of clusters K; where it was chosen, why (`training.n_clusters.Choice`).
        kind_, start_: what the rows were taken for (a value of `kind`), and the start.
        labels_, probabilities_: cluster of each row of X, int [n], and the probability of its likeliest cluster, [n].
        cluster_names_: the words of texts, or the counted features, that set each cluster apart, [K]; else "".
        outlier_score_, typicality_: with `contamination`: share of the rows that are denser, and 1 less it, [n];
            `limits_`: log density of each cluster below which a row is an outlier, nats [K].
        weights_, means_, covariances_: pi [K]; mean and variances of each component in the code, [K, latent].
        history_: a dict for each recorded epoch of each phase: loss, terms of the bound, learning rate, seconds.
        health_, remedies_: what is wrong with the result, of clusters also a `ConvergenceWarning`, and what was done
            about it in training; a sentence each.
        likelihood_: the name of p(x|z), "mixed" of the columns of a table.
        schema_, genes_: of a DataFrame what each column was taken for, `schema_.describe()` says it; of an AnnData the
            names of the D genes that are read; else None.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> groups = VaDEClusterer(n_clusters=10, random_state=0).fit_predict(images)  # [n, height, width] in [0, 1]
    """

    n_clusters: int | Literal["auto"] = 8
    _: KW_ONLY
    recipe: str = "robust"
    latent_dim: int = 10
    hidden: Sequence[int] | str | None = None
    network: str = "auto"
    likelihood: Any = "auto"
    encoder: keras.Model | None = None
    decoder: keras.Model | None = None
    image_shape: Sequence[int] | None = None
    kind: str = "auto"
    column_transform: str | None = None
    layer: str | None = None
    genes: int | None = None
    batch: str | None = None
    feature_names: Sequence[str] | None = None
    hints: Any = None
    batch_size: int | None = None
    pretrain_epochs: int | None = None
    epochs: int | None = None
    learning_rate: float = 2e-3
    augment: str | None = None
    init: Any = None
    guide_epochs: int | None = None
    guide_weight: float = 20.0
    regroups: int | None = None
    self_train_epochs: int | None = None
    validation_rows: int | None = None
    contamination: float | None = None
    precision: str = "auto"
    callbacks: Sequence[keras.callbacks.Callback] | None = None
    random_state: Any = None
    verbose: int = 0

    @with_callbacks
    def fit(self, X, y=None, hints=None, sample_weight=None, texts=None) -> Self:
        """Find the clusters of rows.

        Args:
            X: [n, D], an array or a sparse matrix; or images, [n, height, width] or with a last axis of channels; or a
                DataFrame, whose columns may hold numbers, categories, truth values and dates, and empty cells; or an
                AnnData.
            y: ignored, as everywhere in scikit-learn's clusterers.
            hints: as the parameter of the same name, in its place.
            sample_weight: how much each row counts in the bound and in the start, numbers from 0 up, [n]; default: all
                alike. What is spectral in a start takes all rows alike.
            texts: what each row is about, [n]: `cluster_names_` are their words. Not read in training; default none.

        Raises:
            ValueError: rows or parameters that cannot be used; it names the argument.
            vade_tf.errors.DivergedError: loss or weights became NaN or infinite, time and again.
        """
        if self.contamination is not None:
            outlier_share(self.contamination, "contamination")
        rows, image_shape = self._rows(X, fitting=True)
        tasks = [Tasks(self, X)] if getattr(self, "_skl_callbacks", None) else []
        reporter = Lines(lambda text: print(text, flush=True)) if self.verbose else Silent()
        try:
            settings = self._settings()
            kind = kind_of_settings(settings)
            data = observe(rows, kind, image_shape, argument="X", transform=self.column_transform)
            if self._words is not None and len(self._words) != data.x.shape[1]:
                raise InputError("feature_names", f"{data.x.shape[1]:,} words", f"{len(self._words):,}")
            if texts is not None:
                texts = texts_beside(texts, len(data.x))
            if self.batch is not None:
                data = replace(data, batch_index=batch_index_of(X, self.batch))
            if self._genes is not None:
                data = replace(data, schema=self._genes)
            self.schema_ = data.schema if isinstance(data.schema, Schema) else None
            for line in self.schema_.describe() if self.schema_ else ():
                reporter.say(line)
            fitted = recipe.fit(
                data,
                settings,
                self.hints if hints is None else hints,
                reporter=reporter,
                callbacks=[*(self.callbacks or ()), *tasks] if tasks else self.callbacks or (),
                init=None if isinstance(self.init, str) else self.init,
                networks=copied(self.encoder, self.decoder, settings.seed),
                sample_weight=sample_weight,
            )
        except InputError as error:
            name = PARAMETERS.get(error.argument, error.argument)
            raise InputError(name, error.expected, error.got, error.hint) from error
        self.model_, self.n_clusters_ = fitted.model, fitted.settings.clusters
        self.choice_, self.kind_, self.start_ = fitted.choice, fitted.kind, fitted.start
        self.history_, self.remedies_, self._image_shape = fitted.history, fitted.remedies, data.image_shape
        self.health_ = fitted.health
        self._read_mixture()
        self.labels_, self.probabilities_ = self._fitted_groups(data.x), self._confidence(data.x)
        self.cluster_names_ = self._names(data, texts)
        for task in tasks:
            task.finish()
        for each in self.health_:
            if not each.startswith(CLUSTER_ALONE):
                warnings.warn(each, ConvergenceWarning, stacklevel=3)  # of who calls the decorated fit
        return self

    def partial_fit(self, X, y=None, sample_weight=None) -> Self:
        """Go on with a batch of rows: the first is fitted whole, each later one is trained on the bound for an epoch.

        What the first batch decided stays: the number of clusters, the units, the density of an outlier. So it is to
        have rows of every cluster. Later batches have the last learning rate of the fit. `labels_` and
        `probabilities_` are of the last batch; `history_` and `health_` of the first.

        Args:
            X, sample_weight: as for `fit`; of later batches as for `predict`.
            y: ignored.

        Raises:
            ValueError: as `fit` and `predict`; or the fit knows batches of cells (`batch`).
        """
        if not hasattr(self, "model_"):
            return self.fit(X, sample_weight=sample_weight)
        if self.batch is not None:
            raise InputError("batch", "None for partial_fit", repr(self.batch))
        rows, model = self._known(X), self.model_
        if not model.compiled or model.optimizer is None:
            model.compile(FusedAdam(LAST_RATE * self.learning_rate))
        n = len(rows)
        weights = validate_weights(np.ones(n) if sample_weight is None else sample_weight, n)
        unguided = np.zeros((n, self.n_clusters_), np.float16)
        epoch = int(model.optimizer.iterations)  # another order at each call
        beside, size = [unguided, weights], self.batch_size or BATCH_SIZE
        batches = training_batches(rows, size, model.seed, range(epoch, epoch + 1), beside=beside)
        model.fit_unseen(batches, hints=True, shuffle=False, verbose=0)
        self._read_mixture()
        self.labels_, self.probabilities_ = self._groups(rows), self._confidence(rows)
        return self

    @property
    def likelihood_(self) -> str:
        return self.model_.likelihood.name

    def save(self, path) -> None:
        """Write the fitted clusterer into one file: its parameters, arrays and model. No pickle is in it.

        Networks of your own are kept as they were trained; hints and callbacks are left out.

        Args:
            path: of the file, which is replaced if it is there.
        """
        check_is_fitted(self)
        archive.save(self, path)

    @classmethod
    def load(cls, path) -> "VaDEClusterer":
        """The clusterer that `save` wrote.

        Raises:
            ValueError: there is none, or it is damaged.
        """
        return archive.load(cls, path)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.three_d_array = True
        return tags

    def _settings(self) -> Settings:
        named = {each.name: getattr(self, each.name) for each in fields(Settings) if hasattr(self, each.name)}
        random = self.random_state
        seed = int(random) if isinstance(random, Integral) else int(check_random_state(random).randint(2**31 - 1))
        seed = fold(seed) if 2**31 <= seed < 2**32 else seed  # which scikit-learn takes
        named["init"] = self.init if isinstance(self.init, str) else None
        return Settings(clusters=self.n_clusters, seed=seed, **named)

    def _read_mixture(self) -> None:
        log_pi, mu, log_sigma2 = (part.numpy() for part in self.model_.prior.parameters)
        self.weights_, self.means_, self.covariances_ = np.exp(log_pi), mu, np.exp(log_sigma2)
        self._n_features_out = mu.shape[1]

    def _names(self, data: Observations, texts: np.ndarray | None) -> list[str]:
        """What the clusters of texts, of counts, and of rows with a text are called."""
        if texts is None and self._words is None and self.kind_ != "counts":
            return [""] * self.n_clusters_
        known = {each.name: getattr(data, each.name) for each in fields(Observations)}
        rows = Dataset(**known, words=self._words, texts=texts)
        apart = compared(self.model_, rows, model_groups(self.model_, data.x), self.n_clusters_)
        return [apart.name(c) for c in range(self.n_clusters_)]

    def _confidence(self, rows: Rows) -> np.ndarray:
        return self._each(rows, lambda batch: self.model_.predict_on_batch(batch).max(axis=1))

    def _fitted_groups(self, rows: Rows) -> np.ndarray:
        self.limits_ = self.typicality_ = self.outlier_score_ = None
        groups = self._groups(rows)
        if self.contamination is None:
            return groups
        density = self._each(rows, self.model_.elbo)
        self.limits_ = outlier_limits(groups, density, self.contamination, self.n_clusters_)
        self.typicality_ = rankdata(np.where(np.isinf(self.limits_[groups]), -np.inf, density), "max") / len(groups)
        self.outlier_score_ = 1 - self.typicality_
        return np.where(density < self.limits_[groups], -1, groups)


class Tasks(keras.callbacks.Callback):
    """Tells scikit-learn's callbacks of a fit to X, and of each epoch of it; one that asks for it ends the phase."""

    def __init__(self, clusterer: Any, X):
        super().__init__()
        self.clusterer, self.X = clusterer, X
        self.whole = clusterer._init_callback_context(max_subtasks=None)
        self.whole.call_on_fit_task_begin(estimator=clusterer, X=X)

    def on_epoch_begin(self, epoch, logs=None):
        self.task = self.whole.subcontext(task_name="epoch")
        self.task.call_on_fit_task_begin(estimator=self.clusterer, X=self.X)

    def on_epoch_end(self, epoch, logs=None):
        if self.task.call_on_fit_task_end(estimator=self.clusterer, X=self.X, metadata=dict(logs or {})):
            self.model.stop_training = True

    def finish(self) -> None:
        self.whole.call_on_fit_task_end(estimator=self.clusterer, X=self.X)
