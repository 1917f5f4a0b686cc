"""`VaDEClusterer`: the whole recipe behind scikit-learn's verbs. Knows no run folder, no data set and no flag."""

import warnings
from dataclasses import replace
from typing import Self

import numpy as np
import pandas
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from vade_tf import archive
from vade_tf.data import pipeline
from vade_tf.data.filling import filled, left_empty
from vade_tf.data.gene_counts import describe_numbers
from vade_tf.data.genes import origins_of
from vade_tf.data.observing import observe
from vade_tf.data.schema import Schema, as_frame
from vade_tf.data.sparse import Rows
from vade_tf.errors import InputError, tell, whole_number
from vade_tf.estimator_parameters import callbacks_of, networks_of, own_start, settings_of, translated
from vade_tf.estimator_rows import RowReader
from vade_tf.machine import memory, rows_together
from vade_tf.model.prior import check_clusters
from vade_tf.training import recipe
from vade_tf.training.health import CLUSTER_ALONE
from vade_tf.training.posterior import model_groups, over_rows
from vade_tf.training.reporter import Lines, Silent

HELD = 24  # bytes of each feature of a sample: as it is decoded, in the units of the rows, and as a table


class VaDEClusterer(ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin, RowReader, BaseEstimator):
    """Variational Deep Embedding (Jiang et al., IJCAI 2017) as a scikit-learn clusterer: the whole recipe.

    Pretrains an autoencoder, starts the mixture on its code, trains encoder, decoder and mixture on one bound, and
    reads no label. `vade_tf.fit` is the same without scikit-learn.

    Args:
        n_clusters: number of clusters K, default 8; "auto" chooses one by prediction strength (`choice_`).
        recipe: "robust" (default) or "paper", presets of what is None below; what is said there of None is that of
            "robust". "paper": batches of 100, 50 and 300 epochs, no augmentation, "gmm", no groups that are held on to,
            no rows set aside.
        latent_dim: width of the code, default 10.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them. None: the paper's, 500, 500 and 2000,
            or less for fewer than 5,000 rows or 64 features.
        network: of images: "dense" or "conv", convolutional layers; default "auto": "conv" for fewer than 50,000 images
            of 12 to 32 pixels a side, unless `hidden` is given.
        likelihood: of p(x|z): "auto" (default) takes "bernoulli" for uint8, for images, which are brought to [0, 1],
            and for other values in [0, 1] that vary as these do, "counts" for an AnnData or a sparse matrix of whole
            numbers, else "gaussian". A DataFrame gets one for each kind of its columns.
        encoder, decoder: networks of your own instead, functional Keras models, see `vade_tf.fit`; each fit trains a
            copy of them. The encoder reads rows that are scaled already, from 0 to 1 or to variance 1, so it needs no
            `Rescaling` or `Normalization`; the decoder gives logits, or means of standardised values. Default: None.
        image_shape: (height, width) where rows are grey images, (height, width, 3) where they are in colour, so that
            they are augmented. Default: None; X of three or four dimensions gives it itself. () says that rows are no
            images.
        column_transform: "power": the numbers of a DataFrame are brought nearer to a normal distribution, by
            scikit-learn's `PowerTransformer`; samples and filled cells come back in their own units. Default None.
        layer, genes: of an AnnData: the layer that holds the counts, default None, its X; and how many genes to keep,
            those that vary most (`data.gene_counts.variable`), default None, all.
        batch: of an AnnData that is fitted: column of its `obs` with the experiment, donor or lane of each cell, by
            which cells are then not grouped (`model.origins`). New cells need none. Default None: all alike.
        hints: known group of each row, int [n], -1 where it is not known; default None. `fit` takes them, too.
        batch_size: rows a step; None: 256, with convolutional networks 128; recipe "paper": 100.
        pretrain_epochs, epochs: of the autoencoder and of VaDE; None: 30 and 10 (of VaDE 20 with `self_train_epochs`),
            and an epoch of few rows is several passes over them.
        learning_rate: Adam's at the start of each phase, default 0.002.
        augment: how the encoder reads images in training: as "digits", rotated, zoomed and shifted a little, as
            "photos", mirrored, cropped and with other colours, or as they are, "none". None: "digits".
        init: the start: "auto", by the kind of the rows (see docs/training.md); "gmm", "kmeans" or "spectral", of the
            code; a clusterer or mixture of scikit-learn, a copy of which gets K clusters; a function of the rows; or an
            array. The last two give groups, int [n], -1 for none, or probabilities [n, K]. None: "auto". What is no
            name is not saved by `save`.
        guide_epochs: epochs in which a cross-entropy holds each row to the start's probabilities; None: all.
        guide_weight: weight of that cross-entropy, and of hints, in the loss, default 20.
        regroups: how often a start on the code is recomputed during these epochs; None: 3, with `self_train_epochs` 1.
        self_train_epochs: of images: epochs of a classifier of augmented images that sharpens the start
            (`training.selftraining`); 0: none. None: 20 for 50,000 grey images and more, of at most 32 pixels a side,
            where `epochs`, `guide_epochs` and `regroups` are None.
        validation_rows: rows set aside, without a gradient, to measure when the autoencoder stops and the variance of
            p(x|z). Default: a tenth of fewer than 50,000 rows, 20 to 2,000 (a fifth of fewer than 100), where p(x|z)
            learns a variance; 0: none.
        precision: of the hidden layers: "float32", "mixed_bfloat16" or "mixed_float16"; "auto" (default): Keras' global
            policy if one was set, else what is fastest on this processor.
        callbacks: Keras callbacks for every phase, each a training of its own (see `fit`), default None.
        random_state: an int gives the same result at every fit; default None.
        verbose: 1 prints the progress; default 0, nothing.

    Attributes:
        model_: the fitted `vade_tf.VaDE`, a `keras.Model`.
        n_clusters_: the number of clusters K, given or chosen.
        choice_: why there are so many, where they were chosen: `training.n_clusters.Choice`, with the prediction
            strength of each number tried; else None.
        kind_: what the rows were taken for: "images", "counts", "texts", "table" or "rows".
        start_: the start of the mixture, in words.
        labels_: cluster of each row of X, int [n].
        weights_: pi, share of each cluster, [K].
        means_: mu, mean of each component in the code, [K, latent].
        covariances_: sigma2, variances of each component in the code, [K, latent].
        history_: a dict an epoch of each phase: loss, terms of the bound, learning rate, seconds; `restored_epoch` in
            place of loss and terms where the loss was not finite.
        health_: what is wrong with the result, a sentence each; empty if nothing was found. What is wrong with the
            clusters is also given as a `ConvergenceWarning`.
        likelihood_: the name of p(x|z), given or chosen: "bernoulli", "gaussian", "counts", "zinb", or "mixed" of a
            table's columns.
        remedies_: what was done about it during training, a sentence each.
        schema_: of a DataFrame: what each column was taken for, `schema_.describe()` says it; else None.
        genes_: of an AnnData: the names of the D genes that are read, text [D]; else None.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> groups = VaDEClusterer(n_clusters=10, random_state=0).fit_predict(images)  # [n, height, width] in [0, 1]
    """

    def __init__(
        self,
        n_clusters=8,
        *,
        recipe="robust",
        latent_dim=10,
        hidden=None,
        network="auto",
        likelihood="auto",
        encoder=None,
        decoder=None,
        image_shape=None,
        column_transform=None,
        layer=None,
        genes=None,
        batch=None,
        hints=None,
        batch_size=None,
        pretrain_epochs=None,
        epochs=None,
        learning_rate=2e-3,
        augment=None,
        init=None,
        guide_epochs=None,
        guide_weight=20.0,
        regroups=None,
        self_train_epochs=None,
        validation_rows=None,
        precision="auto",
        callbacks=None,
        random_state=None,
        verbose=0,
    ):
        self.n_clusters = n_clusters
        self.recipe = recipe
        self.latent_dim = latent_dim
        self.hidden = hidden
        self.network = network
        self.likelihood = likelihood
        self.encoder = encoder
        self.decoder = decoder
        self.image_shape = image_shape
        self.column_transform = column_transform
        self.layer = layer
        self.genes = genes
        self.batch = batch
        self.hints = hints
        self.batch_size = batch_size
        self.pretrain_epochs = pretrain_epochs
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.augment = augment
        self.init = init
        self.guide_epochs = guide_epochs
        self.guide_weight = guide_weight
        self.regroups = regroups
        self.self_train_epochs = self_train_epochs
        self.validation_rows = validation_rows
        self.precision = precision
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None, hints=None):
        """Find the clusters of rows.

        Args:
            X: [n, D], an array or a sparse matrix; or images, [n, height, width] or with a last axis of channels, where
                uint8 counts as grey values from 0 to 255 (of at most 32, to what they seem to end at); or a DataFrame,
                whose columns may hold numbers, categories, truth values and dates, and empty cells: see
                `data.schema.Schema`; or an AnnData.
            y: ignored, as everywhere in scikit-learn's clusterers.
            hints: as the parameter of the same name, in its place; default: that parameter.

        Returns:
            self.

        Raises:
            ValueError: rows or parameters that cannot be used; it names the argument.
            vade_tf.errors.DivergedError: loss or weights became NaN or infinite, time and again.
        """
        before = dict(self.__dict__)
        try:
            return self._fit(X, hints)
        except BaseException:  # what was fitted before stays whole, and goes on predicting
            self.__dict__ = before
            raise

    def _fit(self, X, hints) -> Self:
        annotated = X
        X, image_shape = self._rows(X, fitting=True)
        reporter = Lines(lambda text: print(translated(text), flush=True)) if self.verbose else Silent()
        hints = self.hints if hints is None else hints
        try:
            settings = settings_of(self)
            if image_shape and self.image_shape is None:  # the form of X says so, and `observe` looks at what is in it
                X, image_shape = X.reshape(len(X), *image_shape), None
            data = observe(X, settings.likelihood, image_shape, argument="X", transform=self.column_transform)
            if self.batch is not None:
                data = replace(data, origins=origins_of(annotated, self.batch, "X"))
            if self.genes_ is not None:
                data = replace(data, schema=self._read())
                tell(describe_numbers(data, self.layer or "", annotated.layers), 3)
            self.schema_ = data.schema if isinstance(data.schema, Schema) else None
            for line in self.schema_.describe() if self.schema_ else ():
                reporter.say(line)
            fitted = recipe.fit(
                data,
                settings,
                hints,
                reporter=reporter,
                callbacks=callbacks_of(self),
                init=own_start(self),
                networks=networks_of(self, settings.seed),
            )
        except InputError as error:
            raise InputError(translated(str(error))) from error
        self.model_ = fitted.model
        self.n_clusters_ = fitted.settings.clusters
        self.choice_, self.kind_, self.start_ = fitted.choice, fitted.kind, fitted.start
        self.history_ = fitted.history
        self.health_ = [translated(each) for each in fitted.health]
        self.remedies_, self._image_shape = fitted.remedies, data.image_shape
        log_pi, mu, log_sigma2 = (part.numpy() for part in self.model_.prior.parameters)
        self.weights_, self.means_, self.covariances_ = np.exp(log_pi), mu, np.exp(log_sigma2)
        self._n_features_out = mu.shape[1]
        self.labels_ = self._groups(data.x)
        for each in self.health_:
            if not each.startswith(CLUSTER_ALONE):
                warnings.warn(each, ConvergenceWarning, stacklevel=3)
        return self

    @property
    def likelihood_(self) -> str:
        check_is_fitted(self)
        return self.model_.likelihood.name

    def predict(self, X):
        """Most probable cluster of each row: X [n, D] -> int [n].

        Raises:
            ValueError: X has other features, or other units, than the rows that were fitted.
        """
        return self._groups(self._known(X))

    def predict_proba(self, X):
        """p(c|x) = E_q(z|x)[ p(c|z) ] of each row (eq. 16): X [n, D] -> [n, K]. Raises as `predict` does."""
        return self._probabilities(self._known(X))

    def transform(self, X):
        """Mean code of each row: X [n, D] -> [n, latent]. Raises as `predict` does."""
        return self._each(self._known(X), lambda rows: self.model_.encode(rows)[0])

    def inverse_transform(self, X):
        """Mean of p(x|z) of codes, in the units of the rows that were fitted: X [n, latent] -> [n, D].

        A DataFrame like the one that was fitted, without the columns that were left out, if it was one: times of a zone
        come in UTC, without a zone, spans of time in days, and intervals as texts.

        Raises:
            ValueError: X holds no finite numbers, or has another width.
        """
        check_is_fitted(self)
        codes = np.asarray(X)
        if codes.dtype.kind not in "biuf" or codes.ndim != 2 or codes.shape[1] != self._n_features_out:
            expected = f"X: expected codes, numbers of shape (n, {self._n_features_out})"
            raise InputError(f"{expected}, got {codes.dtype} of shape {codes.shape}")
        if not np.isfinite(codes).all():
            raise InputError("X: expected finite codes, got some that are NaN or infinite")
        if not len(codes):
            raise InputError("X: expected at least one code, got none")
        codes = codes.astype(np.float32)
        return self._raw(self._decoded(codes))

    def impute(self, X):
        """Fill missing cells with the mean of p(x | z = mean code of the row), in the units and categories of X.

        Args:
            X: a DataFrame with the columns of the one that was fitted, [n, columns].

        Returns:
            The same rows and columns; cells that are not missing stay as they are (but numbers among objects become
            floats where one of their column is missing, measured decimals always), and those of columns that the fit
            left out (`schema_.dropped`) stay missing, which is said.

        Raises:
            ValueError: what was fitted was no DataFrame, so that none of its cells can be missing; or as for `predict`.
        """
        check_is_fitted(self)
        if not isinstance(self.schema_, Schema):
            raise InputError(
                "impute: expected a fit to a DataFrame, got one to an array, whose cells are never missing"
            )
        X = as_frame(X)
        if not isinstance(X, pandas.DataFrame):
            raise InputError("X: expected a DataFrame, as was fitted, got an array; give it the columns of that")
        means = self._each(self._known(X), lambda rows: self.model_.decode(self.model_.encode(rows)[0]))
        tell(left_empty([X], self.schema_), 2)
        return filled(X, self.schema_, self.model_.unscale(means))

    def sample(self, n_samples=1, cluster=None, random_state=None):
        """Draw new rows: a cluster from pi, a code from its Gaussian, decoded to the mean of p(x|z).

        Args:
            n_samples: how many, default 1.
            cluster: of which cluster, or one for each row, int [n_samples]; default: drawn from `weights_`.
            random_state: of the draw; default: that of the estimator.

        Returns:
            (X, cluster): rows [n_samples, D] in the units of the rows that were fitted, a DataFrame if these were one
            (see `inverse_transform`), and the cluster of each.

        Raises:
            ValueError: n_samples below 1, or no such cluster.
        """
        check_is_fitted(self)
        most = int(min(memory() / (HELD * self.model_.n_features), 2**31 - 1))
        n_samples = whole_number(n_samples, "n_samples", 1, most)
        random = check_random_state(self.random_state if random_state is None else random_state)
        k = len(self.weights_)
        if cluster is None:
            share = self.weights_.astype(np.float64)
            clusters = random.choice(k, int(n_samples), p=share / share.sum())
        else:
            try:
                clusters = np.asarray(check_clusters(cluster, k))
            except InputError as error:
                raise InputError(str(error).replace("clusters:", "cluster:", 1)) from error
            if len(clusters) not in (1, n_samples):
                raise InputError(f"cluster: expected one, or one for each of {n_samples} samples, got {len(clusters)}")
            clusters = np.repeat(clusters, n_samples // len(clusters))
        codes = self.model_.draw_codes(clusters, int(random.randint(2**31 - 1))).numpy()
        return self._raw(self._decoded(codes)), clusters

    def score_samples(self, X):
        """Evidence lower bound of each row, nats, in the units of the likelihood: X [n, D] -> [n].

        The lower, the rarer. The same draws of the noise for every row, so a row's score depends on it alone. Missing
        cells, and levels that were not seen, add nothing: compare rows that lack the same cells. Raises as `predict`
        does.
        """
        return self._each(self._known(X), self.model_.elbo)

    def score(self, X, y=None):
        """Mean of `score_samples` over X [n, D], nats a row, as a float; y is ignored."""
        return float(self.score_samples(X).mean(dtype=np.float64))

    def save(self, path) -> None:
        """Write the fitted clusterer into one file: its parameters, arrays and model. No pickle is in it.

        Networks of your own are kept as they were trained; hints and callbacks are left out.

        Args:
            path: of the file, which is replaced if it is there.

        Raises:
            sklearn.exceptions.NotFittedError: nothing was fitted yet.
            ValueError: networks of your own have a layer whose class is not registered with Keras.
            vade_tf.errors.StorageError: the file cannot be written.
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
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        return tags

    def _each(self, rows: Rows, function) -> np.ndarray:
        return over_rows(lambda batch: (function(batch),), rows)[0]

    def _decoded(self, codes: np.ndarray) -> np.ndarray:
        size = rows_together(self.model_.n_features, pipeline.BATCH)  # as wide as what is made of them
        return over_rows(lambda part: (self.model_.decode(part),), codes, size)[0]

    def _groups(self, rows: Rows) -> np.ndarray:
        return model_groups(self.model_, rows).astype(np.int64)

    def _probabilities(self, rows: Rows) -> np.ndarray:
        return self._each(rows, self.model_.predict_on_batch)  # `predict` of all rows would copy them into a tensor
