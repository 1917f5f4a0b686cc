"""Deep Embedded Clustering (Xie et al., ICML 2016) and its kin: IDEC with a decoder (Guo et al., IJCAI 2017), and
DEC-DA with data augmentation (Guo et al., ACML 2018).

    q_ic = (1 + |z_i - mu_c|^2)^-1, normalised over c       soft assignment              eq. 1  (`models.StudentT`)
    p_ic = q_ic^2 / sum_j q_jc, normalised over c           its sharpened target         eq. 3
    loss = KL(p || q)                                       of encoder and centres       eq. 2

p is computed anew from all rows every UPDATES updates, and training stops there once fewer than TOLERANCE of the rows
changed their group since the target before. Optimizers, their rates (which stay, whatever the run's), the figures below
and the limit of 20,000 updates (`systems.SYSTEMS`) are those of Guo's code for MNIST, at batches of 256
(github.com/XifengGuo/IDEC, commit 186530a). The code of Xie et al. (github.com/piiswrong/dec) trains DEC by the same
SGD, with 160 updates between two targets and no limit. Guo's code of DEC-DA (github.com/XifengGuo/DEC-DA, commit
f4bcbed) trains dense networks by the same SGD, convolutional ones by Adam, and the autoencoder on moved images, too;
here that is the run's, as for all systems, and a dense one reads images as they are.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.data.dataset import Observations
from vade_tf.errors import InputError
from vade_tf.model.networks import FusedAdam
from vade_tf.systems.models import Clustering, StudentT, ae_kmeans, of_rows, to_rows
from vade_tf.training import autoencoder, loop
from vade_tf.training.fitting import Fitting
from vade_tf.training.settings import Settings

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
    """DEC: the KL term alone."""
    return _dec(fitting, _descent(), None)


def dec_da(fitting: Fitting) -> Clustering:
    """DEC-DA: DEC that reads each image moved at random, towards the target of the image as it is.

    Raises:
        InputError: the rows are no images, or are not to be augmented.
    """
    check_images(fitting.data, fitting.settings)
    seen = fitting.augmentation("fit")
    conv = fitting.settings.network == "conv"
    return _dec(fitting, keras.optimizers.Adam(ADAM_RATE) if conv else _descent(), seen)


def check_images(data: Observations, settings: Settings) -> None:
    """Raises InputError unless the rows are images, which are augmented."""
    if data.image_shape is None or settings.augment == "none":
        kind = "rows that are no images" if data.image_shape is None else "augment none"
        raise InputError("model", "augmented images for dec_da", kind, "set model to dec")


def _dec(fitting: Fitting, optimizer: keras.optimizers.Optimizer, seen: pipeline.Augmentation | None) -> Clustering:
    """DEC, whose network reads images as `Fitting.seen` says."""
    clustering, x = _start(fitting, fitting.system), _rows(fitting)
    model = SelfTraining(x, clustering(x), n=len(fitting.data.x), form=lambda x, p: p)
    _train(fitting, clustering, model, seen, loss="kl_divergence", optimizer=optimizer)
    return clustering


def _descent() -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(SGD_RATE, momentum=MOMENTUM)


def idec(fitting: Fitting) -> Clustering:
    """IDEC: GAMMA times the KL term, and the reconstruction: squared error, or for Bernoulli rows nats, a feature."""
    clustering, vade, x = _start(fitting, "idec", to_rows(fitting.model.decoder)), fitting.model, _rows(fitting)
    code = clustering.encoder(x if vade.scaling is None else vade.scaling(x))
    both = [keras.ops.exp(clustering.head(code)), clustering.decoder(code)]
    model = SelfTraining(x, both, n=len(fitting.data.x), form=lambda x, p: (p, x))
    losses = [
        lambda p, q: GAMMA * keras.losses.kl_divergence(p, q),
        lambda x, out: vade.likelihood.reconstruction(vade.scale(x), out),
    ]
    _train(fitting, clustering, model, None, loss=losses, optimizer=FusedAdam(ADAM_RATE))
    return clustering


class SelfTraining(keras.Model):
    """A network trained towards a target made of its own q, on batches of (raw x [batch, D], numbers of its rows).

    The target and what the next one is compared with are weights: the state that a fit goes on from has them, too.

    Args:
        inputs, outputs: as of a functional model; the first output is q [batch, K].
        n: number of rows.
        form: function from (x, p) of a batch to what the loss of `compile` takes as y.
    """

    def __init__(self, inputs, outputs, *, n: int, form: Callable):
        super().__init__(inputs, outputs)
        k = self.outputs[0].shape[-1]
        fixed = {"initializer": "zeros", "trainable": False, "autocast": False}
        self.p = self.add_weight(name="p", shape=(n, k), dtype="float32", **fixed)
        self.groups = self.add_weight(name="groups", shape=(n,), dtype="int32", **fixed)
        self.still = self.add_weight(name="still", shape=(), dtype="int32", **fixed)  # 1: the groups are at rest
        self.form = form

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(x, self.form(x, tf.gather(self.p, y)), y_pred, sample_weight, training)

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


def _rows(fitting: Fitting) -> keras.KerasTensor:
    return keras.Input((fitting.model.n_features,))


def _begins(fitting: Fitting) -> bool:
    """Whether no earlier process has begun this phase: what a resume restores is not made again."""
    return fitting.state is None or fitting.state.phase != "fit"


def _start(fitting: Fitting, system: str, decoder=None) -> Clustering:
    """The pretrained encoder with centres by k-means on its codes."""
    model = fitting.model
    head = StudentT(fitting.settings.clusters, model.prior.latent_dim)
    if _begins(fitting):
        head.mu.assign(ae_kmeans(fitting).head.mu)
    networks = {"encoder": of_rows(autoencoder.mean_encoder(model)), "decoder": decoder}
    return Clustering(system, head, **networks, likelihood=model.likelihood, scaling=model.scaling)


def _train(
    fitting: Fitting, clustering: Clustering, model: SelfTraining, seen: pipeline.Augmentation | None, **compiled
) -> None:
    """Train `model` towards targets made from `clustering`'s assignments, which has the same weights.

    The targets are of the rows as they are, whatever the model reads (`seen`, see `Fitting.seen`).
    """
    x, targets = fitting.data.x, Targets(fitting, clustering)
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
