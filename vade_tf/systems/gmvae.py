"""GMVAE (Dilokthanakul et al. 2016, arXiv 1611.02648): a VAE whose mixture of K components is itself drawn from w.

In the symbols of this package (the paper writes x for our z, z for our c and y for our x):

    w ~ N(0, I);  c ~ Cat(1/K);  z | w, c ~ N(mu_c(w), diag sigma2_c(w));  x | z           the generative model
    q(z|x) q(w|x), two diagonal normals;  gamma_c = p(c|z,w) by Bayes' rule                the inference model

    distortion = -E_q log p(x|z)                                        reconstruction
    rate_z     = E sum_c gamma_c KL( q(z|x) || p(z|w,c) )               conditional prior
    rate_w     = KL( q(w|x) || N(0, I) )                                w prior
    rate_c     = E KL( gamma || 1/K )                                   c prior
    -ELBO      = distortion + rate_z + rate_w + rate_c

Expectations are over one draw of z and one of w. The c prior pulls gamma towards 1/K and can merge the clusters before
they are there: in the loss it is max(CUT, mean rate_c), which has no gradient below CUT.
"""

import keras
import tensorflow as tf

from vade_tf.model import elbo
from vade_tf.model.networks import dense
from vade_tf.model.observation import ObservationModel, bounded
from vade_tf.model.prior import check_clusters
from vade_tf.training import build, loop
from vade_tf.training.fitting import Fitting

CUT = 0.5  # nats a row, over a batch; the authors' code has the same default
PRIOR_HIDDEN = 500  # units of the network from w to the components, as in the authors' code
TERMS = ("distortion", "rate_z", "rate_w", "rate_c")


def fit(fitting: Fitting) -> "GMVAE":
    """Train a GMVAE from random weights: it starts without an autoencoder, as published."""
    settings, vade = fitting.settings, fitting.model
    width = 2 * settings.latent_dim  # z and w
    encoder = build.build_encoder(fitting.data, settings, vade.likelihood, fitting.precision, width)
    parts = encoder, vade.decoder, settings.clusters, vade.likelihood
    model = GMVAE(*parts, scaling=vade.scaling, seed=settings.seed)
    loop.fit_keras(fitting, model, lambda span: fitting.batches("fit", span))
    return model


def build_prior(w_dim: int, n_clusters: int, latent_dim: int, seed: int) -> keras.Model:
    """The K-headed network: w [n, w_dim] -> (mu, log sigma2) of p(z|w,c), both [n, K, latent] in float32."""
    w = keras.Input((w_dim,), name="w")
    h = dense(PRIOR_HIDDEN, "h", (seed, 2, 1), activation="tanh")(w)
    shape = keras.layers.Reshape((n_clusters, latent_dim), dtype="float32")
    heads = (dense(n_clusters * latent_dim, name, (seed, 2, i))(h) for i, name in ((2, "mu"), (3, "log_sigma2")))
    return keras.Model(w, [shape(head) for head in heads], name="prior")


def terms(x, out, z, z_posterior, w_posterior, components, distortion) -> dict:
    """The four terms of -ELBO for one draw (z, w) a row, each [batch] in nats.

    Args:
        x, out: data and the decoder's output for z, [batch, D]; `distortion` is that of a `likelihood.Likelihood`.
        z, z_posterior, w_posterior: the draw; mean and log variance of q(z|x) and q(w|x), [batch, latent] each.
        components: (mu, log sigma2) of p(z|w,c) for the draw of q(w|x), [batch, K, latent] each.
    """
    log_pi = uniform(components[0])
    log_gamma = elbo.log_responsibilities(z, log_pi, *components)  # [batch, K]
    w_m, w_log_s2 = w_posterior
    origin = tf.zeros_like(w_m)[:1]  # N(0, I) is a mixture of one component: mean 0, log variance 0
    return {
        "distortion": distortion(x, out),
        "rate_z": elbo.rate_z(log_gamma, *z_posterior, *components),
        "rate_w": elbo.rate_z(tf.zeros_like(z[:, :1]), w_m, w_log_s2, origin, origin),
        "rate_c": elbo.rate_c(log_gamma, log_pi),
    }


def uniform(mu):
    """log pi_c = -log K for components [batch, K, latent]: [K]."""
    return tf.math.log(tf.ones_like(mu[0, :, 0]) / mu.shape[1])


@keras.saving.register_keras_serializable("vade_tf")
class GMVAE(ObservationModel):
    """The model above, trained on batches of raw x; `predict` gives p(c | z, w) at the means of q, [n, K].

    Args:
        encoder: model from x to means and log variances of (z, w) side by side, [n, 2 latent] each.
        decoder, n_clusters, likelihood, scaling, seed: as for `VaDE`.
        prior: `build_prior`; made here unless a saved model brings it.
    """

    PARTS = (*ObservationModel.PARTS, "prior")

    def __init__(self, encoder, decoder, n_clusters, likelihood, *, scaling=None, seed=0, prior=None, **kwargs):
        super().__init__(encoder, decoder, likelihood, scaling, **kwargs)
        self.n_clusters = n_clusters
        self.seed = seed
        self.latent_dim = decoder.input_shape[-1]
        self.w_dim = encoder.output_shape[0][-1] - self.latent_dim
        self.prior = prior or build_prior(self.w_dim, n_clusters, self.latent_dim, seed)
        self._trackers = {name: keras.metrics.Mean(name=name) for name in ("loss", "elbo", *TERMS)}
        self(keras.Input((self.n_features,)))

    @property
    def metrics(self):
        return list(self._trackers.values())

    def encode(self, x):
        """Raw x [n, D] -> (mean, log variance) of q(z|x) and those of q(w|x)."""
        m, log_s2 = self.encoded(x)
        (z_m, w_m), (z_log_s2, w_log_s2) = (tf.split(part, [self.latent_dim, self.w_dim], -1) for part in (m, log_s2))
        return (z_m, bounded(z_log_s2)), (w_m, bounded(w_log_s2))

    def assignments(self, x):
        """Raw x [n, D] -> (means of q(z|x) [n, latent], log p(c|z,w) at the means [n, K])."""
        (z, _), (w, _) = self.encode(x)
        components = self.prior(w)
        return z, elbo.log_responsibilities(z, uniform(components[0]), *components)

    def sample(self, clusters, seed: int = 0):
        """Draw w ~ N(0, I) and z ~ p(z|w,c), and decode z: clusters int [n] -> [n, D]."""
        clusters = check_clusters(clusters, self.n_clusters)
        n = len(clusters)
        noise = tf.random.stateless_normal((n, self.w_dim + self.latent_dim), seed=[self.seed, seed])
        mu, log_sigma2 = (tf.gather(part, clusters, batch_dims=1) for part in self.prior(noise[:, : self.w_dim]))
        return self.decode(mu + tf.exp(0.5 * log_sigma2) * noise[:, self.w_dim :])

    def elbo_terms(self, x, noise) -> dict:
        """`terms` of raw x [batch, D] for z and w made from standard normal noise [batch, latent + w_dim]."""
        z_posterior, w_posterior = self.encode(x)
        z_noise, w_noise = tf.split(noise, [self.latent_dim, self.w_dim], -1)
        z = z_posterior[0] + tf.exp(0.5 * z_posterior[1]) * z_noise
        w = w_posterior[0] + tf.exp(0.5 * w_posterior[1]) * w_noise
        out = self.x_parameters(z)
        return terms(self.scale(x), out, z, z_posterior, w_posterior, self.prior(w), self.likelihood.distortion)

    def train_step(self, data):
        with tf.GradientTape() as tape:
            scaled = self.optimizer.scale_loss(self._loss(data, tf.cast(self.optimizer.iterations, tf.int32)))
        self.optimizer.apply(tape.gradient(scaled, self.trainable_variables), self.trainable_variables)
        return self.get_metrics_result()

    def test_step(self, data):
        """The bound with fixed noise: evaluating twice gives the same figures."""
        self._loss(data, tf.constant(-1))
        return self.get_metrics_result()

    def _loss(self, x, step):
        """Mean loss of one batch in nats, the c prior cut off below CUT; updates the metrics."""
        noise = tf.random.stateless_normal((tf.shape(x)[0], self.latent_dim + self.w_dim), tf.stack([self.seed, step]))
        found = self.elbo_terms(x, noise)
        others = tf.reduce_mean(found["distortion"] + found["rate_z"] + found["rate_w"])
        loss = others + tf.maximum(CUT, tf.reduce_mean(found["rate_c"]))
        bound = -sum(found.values())
        for name, value in {"elbo": bound, **found}.items():
            self._trackers[name].update_state(value)
        self._trackers["loss"].update_state(loss, sample_weight=tf.shape(x)[0])
        return loss

    def get_config(self):
        return {**super().get_config(), "n_clusters": self.n_clusters, "seed": self.seed}
