"""Deep Embedded Clustering (Xie et al., ICML 2016) and its kin: IDEC with a decoder (Guo et al., IJCAI 2017), and
DEC-DA with data augmentation (Guo et al., ACML 2018).

    q_ic = (1 + |z_i - mu_c|^2)^-1, normalised over c       soft assignment              eq. 1  (`models.StudentT`)
    p_ic = q_ic^2 / sum_j q_jc, normalised over c           its sharpened target         eq. 3
    loss = KL(p || q)                                       of encoder and centres       eq. 2

p is computed anew from all rows every UPDATES updates, and training stops there once fewer than TOLERANCE of the rows
changed their group since the target before. Optimizers, their rates (which stay, whatever the run's), the figures below
and the limit of 20,000 updates (`systems.SYSTEMS`) are those of Guo's code for MNIST, at batches of 256
(github.com/XifengGuo/IDEC, commit 186530a, and DEC-DA, commit f4bcbed); that of Xie et al. (github.com/piiswrong/dec)
has 160 updates between two targets and no limit. Guo's DEC-DA moves images for the autoencoder, too; here that is the
run's, as for all systems.
"""

import keras
import numpy as np
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.model.networks import FusedAdam
from vade_tf.systems.models import Clustering, StudentT, ae_kmeans
from vade_tf.training import autoencoder, loop
from vade_tf.training.fitting import Fitting

UPDATES = 140  # between two targets
TOLERANCE = 0.001  # share of rows that change their group
SGD_RATE, MOMENTUM = 0.01, 0.9  # of DEC
ADAM_RATE = 0.001  # of IDEC, and of DEC-DA with convolutional networks
GAMMA = 0.1  # IDEC's weight of the KL term against the reconstruction a feature


def target(q: np.ndarray) -> np.ndarray:
    """p of soft assignments q [n, K] (eq. 3): squared, divided by the size of the cluster, rows sum to 1."""
    weight = q.astype(np.float64) ** 2 / q.sum(axis=0, dtype=np.float64)
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)


def dec(fitting: Fitting) -> Clustering:
    """DEC: the KL term alone. DEC-DA: of each image as it is augmented, towards the target of the image as it is."""
    clustering, x = _start(fitting), keras.Input((fitting.model.n_features,))
    model = SelfTraining(x, clustering(x), n=len(fitting.data.x))
    optimizer: keras.optimizers.Optimizer = keras.optimizers.SGD(SGD_RATE, momentum=MOMENTUM)
    if fitting.system == "dec_da" and fitting.settings.network == "conv":
        optimizer = keras.optimizers.Adam(ADAM_RATE)
    _train(fitting, clustering, model, loss="kl_divergence", optimizer=optimizer)
    return clustering


def idec(fitting: Fitting) -> Clustering:
    """IDEC: GAMMA times the KL term, and the reconstruction: squared error, or for Bernoulli rows nats, a feature."""
    vade = fitting.model
    clustering, x = _start(fitting, vade.decoder), keras.Input((vade.n_features,))
    code = clustering.encoder(vade.shaped(x if vade.scaling is None else vade.scaling(x)))
    out = keras.layers.Flatten(dtype="float32")(vade.decoder(code))  # of images
    both = [keras.ops.exp(clustering.head(code)), out]
    model = SelfTraining(x, both, n=len(fitting.data.x))
    losses = [
        lambda p, q: GAMMA * keras.losses.kl_divergence(p, q),
        lambda x, out: vade.likelihood.reconstruction(vade.scale(x), out),
    ]
    _train(fitting, clustering, model, loss=losses, optimizer=FusedAdam(ADAM_RATE))
    return clustering


class SelfTraining(keras.Model):
    """A network trained towards a target made of its own q, on batches of (raw x [batch, D], numbers of its rows).

    The target and what the next one is compared with are weights: the state that a fit goes on from has them, too.

    Args:
        inputs, outputs: as of a functional model; q [batch, K], or that and a reconstruction of x.
        n: number of rows.
    """

    def __init__(self, inputs, outputs, *, n: int):
        super().__init__(inputs, outputs)
        k = self.outputs[0].shape[-1]
        fixed = {"initializer": "zeros", "trainable": False, "autocast": False}
        self.p = self.add_weight(name="p", shape=(n, k), dtype="float32", **fixed)
        self.groups = self.add_weight(name="groups", shape=(n,), dtype="int32", **fixed)
        self.still = self.add_weight(name="still", shape=(), dtype="int32", **fixed)  # 1: the groups are at rest

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        p = tf.gather(self.p, y)
        return super().compute_loss(x, p if len(self.outputs) == 1 else (p, x), y_pred, sample_weight, training)

    def aim(self, q: np.ndarray) -> float:
        """Make the target anew from assignments q [n, K]; returns the share of the rows that changed their group."""
        if not np.isfinite(q).all():
            return 1.0  # the training has diverged, which is no rest
        groups = q.argmax(axis=1)
        moved = float(np.mean(groups != self.groups.numpy()))
        self.p.assign(target(q))
        self.groups.assign(groups)
        return moved


class Targets(keras.callbacks.Callback):
    """A new target for a `SelfTraining` every UPDATES updates, until the groups stand still."""

    def __init__(self, fitting: Fitting, clustering: Clustering):
        super().__init__()
        self.rows = pipeline.ordered_batches(fitting.data.rows, held=fitting.held)
        self.steps = fitting.steps("fit")
        self.clustering = clustering
        self.say = fitting.reporter.say

    def assignments(self) -> np.ndarray:
        """q of every row as the networks are now, [n, K]."""
        return self.clustering.predict(self.rows, verbose=0)

    def on_epoch_begin(self, epoch, logs=None):
        self.before = epoch * self.steps

    def on_train_batch_end(self, batch, logs=None):
        updates = self.before + batch + 1
        if updates % UPDATES == 0 and self.model.aim(self.assignments()) < TOLERANCE:
            self.model.still.assign(1)
            self.model.stop_training = True
            still = f"fewer than {TOLERANCE:.1%} of the rows changed their group"
            self.say(f"{self.clustering.system}: {still}; stopped after {updates:,} updates")


def _begins(fitting: Fitting) -> bool:
    """Whether no earlier process has begun this phase: what a resume restores is not made again."""
    return fitting.state is None or fitting.state.phase != "fit"


def _start(fitting: Fitting, decoder: keras.Model | None = None) -> Clustering:
    """The pretrained encoder with centres by k-means on its codes."""
    model = fitting.model
    head = StudentT(fitting.settings.clusters, model.prior.latent_dim)
    if _begins(fitting):
        head.mu.assign(ae_kmeans(fitting).head.mu)
    parts = {"decoder": decoder, "likelihood": model.likelihood, "scaling": model.scaling}
    return Clustering(fitting.system, head, encoder=autoencoder.mean_encoder(model), **parts)


def _train(fitting: Fitting, clustering: Clustering, model: SelfTraining, **compiled) -> None:
    """Train `model`, of the weights of `clustering`, towards targets of the rows as they are."""
    x, targets = fitting.data.x, Targets(fitting, clustering)
    seen = fitting.augmentation("fit") if fitting.system == "dec_da" else None
    if _begins(fitting):
        with fitting.timed():
            model.aim(targets.assignments())

    def batches(span: range):
        numbers = np.arange(len(x), dtype=np.int32)
        if model.still.numpy():  # an earlier process stopped here
            return None
        rows = fitting.batches("fit", span, beside=[numbers], augmentation=seen)
        return rows.map(lambda pair, number: (pair[0], number)) if seen is not None else rows

    loop.fit_keras(fitting, model, batches, more=[targets], **compiled)
