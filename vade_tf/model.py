"""VaDE as a `keras.Model`: ties networks, prior and bound together; knows no data set, file or training phase."""

import keras
import tensorflow as tf

import vade_tf.optimizer  # noqa: F401  known to Keras, so that a saved model finds the optimizer it was trained with
from vade_tf import elbo
from vade_tf.prior import GaussianMixturePrior

TERMS = ("distortion", "rate_z", "rate_c", "guidance")


@keras.saving.register_keras_serializable("vade_tf")
class VaDE(keras.Model):
    """Variational Deep Embedding (Jiang et al., IJCAI 2017): a VAE whose prior is a mixture of Gaussians.

    Trained on -ELBO (eq. 12) with one sample of z a row (SGVB). `fit` takes batches of

    * `x` [batch, D], or a pair `(view, x)`: the encoder reads `view` (x, augmented) and the decoder explains `x`. The
      bound holds for any q(z), so it stays a bound on log p(x);
    * optionally `y`, int [batch]: the group of a row where it is known, -1 where it is not. It adds
      `guide_weight * -log gamma_y` to the loss: a few labels make the model semi-supervised, the groups of a clustering
      guide it through its first epochs.

    `predict` gives gamma at z = m, the mean of q(z|x): p(c|z=m), [batch, K].

    Args:
        encoder: model from x [batch, D] to (m, log s2), both [batch, latent] in float32 (`networks.build_encoder`).
        decoder: model from z [batch, latent] to Bernoulli logits or Gaussian means [batch, D].
        n_clusters: number of mixture components K.
        likelihood: "bernoulli" (x in [0, 1]) or "gaussian" (unit variance).
        scaling: layer from raw features to the x that the likelihood is about, e.g. `keras.layers.Rescaling(1 / 255)`;
            applied wherever the model takes x. Default: none, x is taken as it is.
        guide_weight: weight of the hints, nats per nat; a weight of the model, so a callback can change it.
        seed: noise of step t is a pure function of (seed, t); two runs with one seed are equal.

    Raises:
        ValueError: unknown likelihood, or K below 1.
    """

    def __init__(
        self, encoder, decoder, n_clusters, likelihood="bernoulli", *, scaling=None, guide_weight=20.0, seed=0, **kwargs
    ):
        super().__init__(**kwargs)
        if likelihood not in elbo.DISTORTIONS:
            raise ValueError(f"likelihood must be one of {sorted(elbo.DISTORTIONS)}. Received: {likelihood!r}")
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood
        self.scaling = scaling
        self.seed = seed
        self.prior = GaussianMixturePrior(n_clusters, decoder.input_shape[-1], seed, name="prior")
        self.guide_weight = self.add_weight(
            name="guide_weight",
            shape=(),
            initializer=keras.initializers.Constant(guide_weight),
            trainable=False,
            dtype="float32",
            autocast=False,
        )
        self._trackers = {name: keras.metrics.Mean(name=name) for name in ("loss", "elbo", *TERMS)}
        self.built = True  # every layer is

    @property
    def metrics(self):
        return list(self._trackers.values())

    def scale(self, x):
        """Raw features [batch, D], any number type -> the x of the likelihood, float32 [batch, D]."""
        return tf.cast(x if self.scaling is None else self.scaling(x), tf.float32)

    def encode(self, x, training=False):
        """(m, log s2) of q(z|x): raw x [batch, D] -> two tensors [batch, latent]."""
        return self.encoder(self.scale(x), training=training)

    def decode(self, z):
        """Mean of p(x|z): z [batch, latent] -> [batch, D] (for Bernoulli, probabilities)."""
        out = self.decoder(z)
        return tf.sigmoid(out) if self.likelihood == "bernoulli" else out

    def call(self, x):
        """Responsibilities at the posterior mean, gamma(z = m): raw x [batch, D] -> [batch, K]."""
        return tf.exp(self.prior(self.encode(x)[0]))

    def sample(self, clusters, seed: int = 0):
        """Draw z ~ N(mu_c, sigma2_c) and decode it: new observations of chosen clusters.

        Args:
            clusters: component of each sample, int [n].
            seed: same clusters and seed, same samples.

        Returns:
            Means of p(x|z), [n, D].
        """
        noise = tf.random.stateless_normal((tf.size(clusters), self.prior.latent_dim), seed=[self.seed, seed])
        return self.decode(self.prior.draw(clusters, noise))

    def elbo_terms(self, x, noise, view=None, hints=None, training=False) -> dict:
        """Each term of the bound for a batch.

        Args:
            x: raw observations the decoder explains, [batch, D].
            noise: standard normal noise for z = m + s * noise, [batch, latent].
            view: what the encoder reads, raw, [batch, D]; default x.
            hints: known groups, int [batch], -1 for none; default no hints.
            training: what layers such as dropout are told.

        Returns:
            distortion, rate_z, rate_c, guidance (unweighted), each [batch] in nats and float32.
        """
        m, log_s2 = self.encode(x if view is None else view, training)
        z = m + tf.exp(0.5 * log_s2) * noise
        log_pi, mu, log_sigma2 = self.prior.parameters
        log_gamma = elbo.log_responsibilities(z, log_pi, mu, log_sigma2)
        return {
            "distortion": elbo.DISTORTIONS[self.likelihood](self.scale(x), self.decoder(z, training=training)),
            "rate_z": elbo.rate_z(log_gamma, m, log_s2, mu, log_sigma2),
            "rate_c": elbo.rate_c(log_gamma, log_pi),
            "guidance": tf.zeros_like(log_gamma[:, 0]) if hints is None else elbo.guidance(log_gamma, hints),
        }

    def train_step(self, data):
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        with tf.GradientTape() as tape:
            loss = self._loss(data, step=tf.cast(self.optimizer.iterations, tf.int32), training=True)
            scaled = self.optimizer.scale_loss(loss / replicas)  # gradients are summed over replicas
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(scaled, variables), variables)
        return self.get_metrics_result()

    def test_step(self, data):
        """The bound with fixed noise: evaluating twice gives the same figures."""
        self._loss(data, step=tf.constant(-1))
        return self.get_metrics_result()

    def _loss(self, data, step, training=False):
        """Mean loss of one batch in nats; updates the metrics. `step` numbers the noise, an int32 tensor."""
        x, hints, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if sample_weight is not None:
            raise ValueError("VaDE takes batches of x or (x, y) and no sample_weight. Received: three elements")
        view, x = x if isinstance(x, (tuple, list)) else (x, x)
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        shape = (tf.shape(x)[0], self.prior.latent_dim)
        noise = tf.random.stateless_normal(shape, seed=tf.stack([self.seed + 1_000_003 * replica, step]))
        if hints is not None:
            hints = self._checked(hints)
        terms = self.elbo_terms(x, noise, view, hints, training)
        bound = -(terms["distortion"] + terms["rate_z"] + terms["rate_c"])
        loss = -bound + self.guide_weight * terms["guidance"]
        for penalty in self.losses:  # of the networks' own layers, such as weight decay
            loss += tf.cast(penalty, tf.float32)
        for name, value in {"loss": loss, "elbo": bound, **terms}.items():
            self._trackers[name].update_state(value)
        return tf.reduce_mean(loss)

    def _checked(self, hints):
        """Hints as int32 [batch], whatever integers [batch] or [batch, 1] they come as."""
        hints = tf.convert_to_tensor(hints)
        if not (hints.dtype.is_integer and len(hints.shape) in (1, 2)):
            raise ValueError(f"y must be whole numbers of shape (batch,). Received: {hints.dtype}, shape {hints.shape}")
        hints = tf.reshape(tf.cast(hints, tf.int32), (-1,))
        k = self.prior.n_components
        message = f"y must hold groups from 0 to {k - 1}, or -1 for unknown; the model has {k} components"
        tf.debugging.assert_less(hints, k, message)
        return hints

    def get_config(self):
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "n_clusters": self.prior.n_components,
            "likelihood": self.likelihood,
            "scaling": None if self.scaling is None else keras.saving.serialize_keras_object(self.scaling),
            "guide_weight": float(keras.ops.convert_to_numpy(self.guide_weight)),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in ("encoder", "decoder", "scaling")
            if config[name] is not None
        }
        return cls(**{**config, **parts})
