"""VaDE as a `keras.Model`: ties networks, prior and bound together; knows no data set, file or training phase."""

import keras
import tensorflow as tf

from vade_tf.errors import InputError, whole_number
from vade_tf.model import elbo, own_networks
from vade_tf.model import likelihood as likelihoods
from vade_tf.model.observation import ObservationModel, bounded, check_rows, in_half
from vade_tf.model.prior import GaussianMixturePrior, check_clusters, checked_hints, given_hints, hints_of_batch

TERMS = ("distortion", "rate_z", "rate_c", "guidance")


@keras.saving.register_keras_serializable("vade_tf")
class VaDE(ObservationModel):
    """Variational Deep Embedding (Jiang et al., IJCAI 2017): a VAE whose prior is a mixture of Gaussians.

    Trained on -ELBO (eq. 12) with one sample of z a row (SGVB). `fit` takes

    * rows x [n, D], or images of the shape that the encoder reads, or a pair `(view, x)`: the encoder reads `view` (x,
      augmented) and the decoder explains `x`, which leaves it a bound on log p(x);
    * optionally `hints`: the group of each row, int [n], -1 where it is not known, or a soft partition P [n, K]. It
      adds `guide_weight * -sum_c P_c log gamma_c` to the loss: a few labels make the model semi-supervised, the
      partition of a start guides it through its first epochs.

    Args:
        encoder: model from x to (m, log s2), both [batch, latent] (`networks.build_encoder`). x is [batch, D], or has
            D values a row in another shape, such as [batch, height, width, 1].
        decoder: model from z [batch, latent] to the parameters of p(x|z), D values a row in any shape: Bernoulli logits
            or Gaussian means.
        n_clusters: number of mixture components K.
        likelihood: "bernoulli" (x in [0, 1]), "gaussian" (variance learned), or a `likelihood.Likelihood`.
        scaling: layer from raw features [batch, D] to the x that the likelihood is about, e.g.
            `keras.layers.Rescaling(1 / 255, dtype="float32")`; applied wherever the model takes x. Default: none.
        guide_weight: weight of the hints, nats per nat; a weight of the model, so a callback can change it.
        n_batches: number of experiments or donors that the rows come from. Above 0, the default, an offset is learned
            for each of them, and rows may have one more column, the number of their batch.
        seed: noise of step t is a pure function of (seed, t), with XLA (jit_compile=True) another one; two runs with
            one seed are equal, on one device or many.

    Raises:
        InputError: unknown likelihood, networks that do not fit, or K below 1.
    """

    def __init__(
        self,
        encoder,
        decoder,
        n_clusters,
        likelihood="bernoulli",
        *,
        scaling=None,
        guide_weight=20.0,
        n_batches=0,
        seed=0,
        **kwargs,
    ):
        own_networks.check(encoder, decoder, likelihoods.get(likelihood).outputs)
        super().__init__(encoder, decoder, likelihood, scaling, n_batches, **kwargs)
        self.seed = whole_number(seed, "seed", 0, 2**31 - 1)
        self.prior = GaussianMixturePrior(n_clusters, decoder.input_shape[-1], self.seed, name="prior")
        more: dict = {"trainable": False, "dtype": "float32", "autocast": False}
        start = keras.initializers.Constant(guide_weight)
        self.guide_weight = self.add_weight(name="guide_weight", shape=(), initializer=start, **more)
        if self.likelihood.learns_variance:
            more |= {"initializer": "zeros", "aggregation": "mean"}
            self.log_sigma2_x = self.add_weight(name="log_sigma2_x", shape=(self.n_features,), **more)
        self._trackers = {name: keras.metrics.Mean(name=name) for name in ("loss", "elbo", *TERMS)}
        self._takes_hints: bool | None = None  # of the last `fit`; None before the first
        if type(self) is VaDE:  # built, a layer takes no further ones: those of a subclass have yet to come
            self(keras.Input((self.n_features,)))

    @property
    def metrics(self):
        return list(self._trackers.values())

    def compile(self, optimizer="rmsprop", **settings) -> None:
        """As `keras.Model.compile`, but the loss is -ELBO and the metrics are its terms: an InputError for others.

        Networks in float16 have their loss scaled, unless auto_scale_loss=False says otherwise; a train_step of one's
        own is to call `optimizer.scale_loss` then.
        """
        for name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
            if settings.get(name) is not None:
                raise InputError(name, "none: VaDE trains on -ELBO and reports its terms", repr(settings[name]))
        optimizer = optimizer and keras.optimizers.get(optimizer)
        scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        if optimizer and not scaled and settings.get("auto_scale_loss", True) and in_half(self):
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)  # small gradients are 0 there unless scaled
        super().compile(optimizer, **settings)

    def compile_from_config(self, config):
        """Compile a loaded model as it was, but without XLA, which compiles for every number of rows."""
        super().compile(**{**keras.saving.deserialize_keras_object(config), "jit_compile": False})
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def fit(self, x=None, y=None, *, hints=None, validation_data=None, **settings):
        """As `keras.Model.fit`, on x alone or with hints. Labels for scoring have no place here.

        Args:
            x: rows, as arrays or as what gives batches of them (see above). Arrays are checked, data sets are not.
            y: the same as hints, if it holds a -1 and not only 1 besides; other labels are refused.
            hints: group of each row, int [n], -1 where it is not known, or probabilities [n, K]. True: x gives
                batches of (x, hints), or y is meant as hints. Default: none.
            validation_data, settings: as for `keras.Model.fit`, without weights of rows.

        Raises:
            InputError: labels without a hint that they are to be trained on, or in validation_data; hints while
                guide_weight is 0, or that name no component; rows that are not finite or not in the units of the model.
        """
        check_rows(self, x)
        y = given_hints(self, y, hints)
        for name in ("sample_weight", "class_weight"):  # which Keras leaves out in silence where there is no y
            if settings.get(name) is not None:
                raise InputError(name, "none, every row counts alike", "some", "leave it out")
        if y is None and not hints:
            parts = getattr(validation_data, "element_spec", validation_data)
            if isinstance(parts, (tuple, list)) and len(parts) > 1 and parts[1] is not None:
                hint = "leave y out, or train on hints="  # they would be in val_loss
                raise InputError("validation_data", "rows alone", "pairs (x, y) with labels", hint)
        return self.fit_unseen(x, y, hints=hints is True or y is not None, validation_data=validation_data, **settings)

    def fit_unseen(self, x, y=None, *, hints: bool, **settings):
        """As `fit`, of rows and hints that were checked before; `hints`: whether there are any."""
        self._expect(hints)
        built = all(layer.built for layer in self._flatten_layers(include_self=False))  # of a subclass some may not be
        if self.compiled and built and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)  # a step that made them would be traced a second time
        return super().fit(x, y, **settings)

    def evaluate(self, x=None, y=None, **settings):
        """As `keras.Model.evaluate`: the mean bound and its terms, with fixed noise; y are hints."""
        check_rows(self, x)
        y = None if y is None else checked_hints(y, self.prior.n_components)
        return super().evaluate(x, y, **settings)

    def predict(self, x, *arguments, **settings):
        """As `keras.Model.predict`: p(c|x) = E_q(z|x)[ p(c|z) ] (eq. 16), raw x [n, D] -> [n, K].

        Raises:
            InputError: rows in an array that are not finite or not in the units of the model.
        """
        check_rows(self, x)
        return super().predict(x, *arguments, **settings)

    def encode(self, x, training=False):
        """(m, log s2) of q(z|x): raw x [batch, D] -> two tensors [batch, latent]."""
        m, log_s2 = self.encoded(x, training)
        return tf.cast(m, tf.float32), bounded(tf.cast(log_s2, tf.float32))

    def assignments(self, x):
        """Raw x [batch, D] -> (mean codes [batch, latent], log p(c|x) [batch, K])."""
        m, log_s2 = self.encode(x)
        return m, self.prior(m, log_s2)

    def sample(self, clusters, seed: int = 0):
        """New observations of chosen clusters, int [n]: means of p(x|z) for z ~ N(mu_c, sigma2_c), [n, D].

        Same clusters and seed, same samples.

        Raises:
            InputError: a cluster that is no whole number from 0 to K - 1.
        """
        clusters = check_clusters(clusters, self.prior.n_components)
        return self.decode(self.draw_codes(clusters, whole_number(seed, "seed", 0, 2**31 - 1)))

    def draw_codes(self, clusters, seed) -> tf.Tensor:
        """z ~ N(mu_c, sigma2_c) for clusters int [n], a pure function of these and the seed: [n, latent]."""
        noise = tf.random.stateless_normal((tf.size(clusters), self.prior.latent_dim), seed=[self.seed, seed])
        return self.prior.draw(clusters, noise)

    def elbo_terms(self, x, noise, view=None, hints=None, training=False) -> dict:
        """distortion, rate_z, rate_c and guidance (unweighted) of a batch, each [batch] in nats and float32.

        Args:
            x: raw observations the decoder explains, [batch, D].
            noise: standard normal noise for z = m + s * noise, [batch, latent].
            view: what the encoder reads, raw, [batch, D]; default x.
            hints: soft partition, float [batch, K], rows of zeros for none; default no hints.
            training: what layers such as dropout are told.
        """
        m, log_s2 = self.encode(x if view is None else view, training)
        return self._terms(x, self.scale(x), m, log_s2, noise, hints, training)

    def _terms(self, x, scaled, m, log_s2, noise, hints=None, training=False) -> dict:
        """`elbo_terms` of x, raw and scaled, for q(z|x) = N(m, diag s2), [batch, latent] each."""
        z = m + tf.exp(0.5 * log_s2) * noise
        out = self.x_parameters(z, training, x)
        if training and self.log_sigma2_x is not None:
            self._learn_variance(scaled, out)
        log_pi, mu, log_sigma2 = self.prior.parameters
        log_gamma = elbo.log_responsibilities(z, log_pi, mu, log_sigma2)
        return {
            "distortion": self.distortion(scaled, out),
            "rate_z": elbo.rate_z(log_gamma, m, log_s2, mu, log_sigma2),
            "rate_c": elbo.rate_c(log_gamma, log_pi),
            "guidance": tf.zeros_like(log_gamma[:, 0]) if hints is None else elbo.guidance(log_gamma, hints),
        }

    def elbo(self, x):
        """Evidence lower bound of raw rows [batch, D], each by itself: nats in the units of the likelihood, [batch].

        The draws are those of `elbo.cubature`, the same for every row.
        """
        scaled, (m, log_s2) = self.scale(x), self.encode(x)

        def bound(draw):
            return elbo.bound(self._terms(x, scaled, m, log_s2, draw[None, :]))

        return tf.reduce_mean(tf.map_fn(bound, elbo.cubature(self.prior.latent_dim)), axis=0)

    def train_step(self, data):
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        with tf.GradientTape() as tape:
            loss = self._loss(data, step=tf.cast(self.optimizer.iterations, tf.int32), training=True)
            scaled = self.optimizer.scale_loss(loss / replicas)  # gradients are summed over replicas
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(scaled, variables), variables)
        return self.get_metrics_result()

    def train_on_batch(self, x, y=None, *, hints=None, **settings):
        """As `keras.Model.train_on_batch`, on rows alone or with hints: those of this batch, as y or hints of `fit`."""
        y = given_hints(self, y, hints)
        self._expect(y is not None)
        return super().train_on_batch(x, y, **settings)

    def _expect(self, hints: bool) -> None:
        """Batches of (x, hints) come now, or batches of x alone; InputError where nothing can be trained on them."""
        if self.compiled and self.optimizer is None:
            raise InputError("optimizer", "one, as training needs it", "None", "call compile(optimizer='adam') first")
        if hints != self._takes_hints:
            self.train_function = None  # compiled for batches of another form
        self._takes_hints = hints

    def test_step(self, data):
        """The bound with fixed noise: evaluating twice gives the same figures."""
        self._loss(data, step=tf.constant(-1))
        return self.get_metrics_result()

    def _loss(self, data, step, training=False):
        """Mean loss of a batch of x, (x, hints) or (x, hints, weights), in nats; `step`, int32, numbers the noise."""
        x, hints, weight = keras.utils.unpack_x_y_sample_weight(data)
        if training and hints is not None and self._takes_hints is False:
            hint = "leave the labels y out, or pass hints=True to train on them"
            raise InputError("x", "batches of x alone, for labels make it supervised", "pairs (x, y)", hint)
        view, x = x if isinstance(x, (tuple, list)) else (x, x)
        context = tf.distribute.get_replica_context()
        rows, replicas = tf.shape(x)[0], context.num_replicas_in_sync
        noise = tf.random.stateless_normal((replicas * rows, self.prior.latent_dim), tf.stack([self.seed, step]))
        if replicas > 1:  # a row has the noise that it has in the whole batch
            noise = noise[context.replica_id_in_sync_group * rows :][:rows]
        if hints is not None:
            hints = hints_of_batch(hints, self.prior.n_components)
        terms = self.elbo_terms(x, noise, view, hints, training)
        bound = elbo.bound(terms)
        loss = -bound + self.guide_weight * terms["guidance"]
        for penalty in self.losses:  # of the networks' own layers, such as weight decay
            loss += tf.cast(penalty, tf.float32)
        for name, value in {"loss": loss, "elbo": bound, **terms}.items():
            self._trackers[name].update_state(value, weight)
        return tf.reduce_mean(loss if weight is None else weight * loss)  # weights have a mean of 1

    def get_config(self):
        return {
            **super().get_config(),
            "n_clusters": self.prior.n_components,
            "n_batches": 0 if self.batch_effects is None else self.batch_effects.number,
            "guide_weight": float(keras.ops.convert_to_numpy(self.guide_weight)),
            "seed": self.seed,
        }
