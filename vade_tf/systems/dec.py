"""Deep Embedded Clustering (Xie et al., ICML 2016) and IDEC, its kin with a decoder (Guo et al., IJCAI 2017).

    q_ic = (1 + |z_i - mu_c|^2)^-1, normalised over c       soft assignment              eq. 1  (`models.StudentT`)
    p_ic = q_ic^2 / sum_j q_jc, normalised over c           its sharpened target         eq. 3
    loss = KL(p || q)                                       of encoder and centres       eq. 2

p is computed anew from all rows after about UPDATES updates, in whole epochs, and training stops when the groups hardly
change between two of these times. DEC is trained by SGD at a rate that stays, whatever the run's: with Adam at the rate
of the other systems the groups hardly moved from those of the start. IDEC is trained by
Adam, as published for MNIST, with the run's schedule.
"""

import keras
import numpy as np

from vade_tf.data import pipeline
from vade_tf.systems.models import Clustering, StudentT
from vade_tf.systems.shallow import ae_kmeans
from vade_tf.training import loop
from vade_tf.training.loop import Fitting

UPDATES = 140  # between two targets; so in Guo's re-implementation for MNIST, at batches of 256
RATE, MOMENTUM = 0.01, 0.9  # of DEC's SGD; the first is the paper's, both are the re-implementation's
TOLERANCE = 0.001  # share of rows that change their group
GAMMA = 0.1  # IDEC's weight of the KL term against the reconstruction a feature, as published


def target(q: np.ndarray) -> np.ndarray:
    """p of soft assignments q [n, K] (eq. 3): squared, divided by the size of the cluster, rows sum to 1."""
    weight = q.astype(np.float64) ** 2 / q.sum(axis=0, dtype=np.float64)
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)


def dec(fitting: Fitting) -> Clustering:
    """DEC: the KL term alone."""
    clustering = _start(fitting, "dec")
    descent = keras.optimizers.SGD(RATE, momentum=MOMENTUM)
    _train(fitting, clustering, clustering, "kl_divergence", lambda x, p: (x, p), optimizer=descent)
    return clustering


def idec(fitting: Fitting) -> Clustering:
    """IDEC: GAMMA times the KL term, and the reconstruction: squared error, or for Bernoulli rows nats, a feature."""
    clustering, model = _start(fitting, "idec", decoder=fitting.model.decoder), fitting.model
    x = keras.Input(model.encoder.input_shape[1:])
    code = clustering.encoder(x if model.scaling is None else model.scaling(x))
    both = keras.Model(x, [keras.ops.exp(clustering.head(code)), model.decoder(code)])
    losses = [
        lambda p, q: GAMMA * keras.losses.kl_divergence(p, q),
        lambda x, out: model.likelihood.reconstruction(model.scale(x), out),
    ]
    _train(fitting, clustering, both, losses, lambda x, p: (x, (p, x)))
    return clustering


def _start(fitting: Fitting, system: str, decoder=None) -> Clustering:
    """The pretrained encoder with centres by k-means on its codes; where a resume restores both, neither is made."""
    model = fitting.model
    head = StudentT(fitting.settings.clusters, model.prior.latent_dim)
    if fitting.state is None or fitting.state.phase != "fit":
        head.mu.assign(ae_kmeans(fitting).head.mu)
    networks = {"encoder": loop.mean_encoder(model), "decoder": decoder}
    return Clustering(system, head, **networks, likelihood=model.likelihood, scaling=model.scaling)


def _train(fitting: Fitting, clustering: Clustering, model: keras.Model, loss, form, optimizer=None) -> None:
    """Train `model` towards targets made from `clustering`'s own assignments; `form` makes its batches of (x, p)."""
    x, settings, store = fitting.data.x, fitting.settings, fitting.store
    window = max(1, round(UPDATES / pipeline.steps_per_epoch(len(x), settings.batch_size)))

    def batches(span: range):
        begun, before = span.start - span.start % window, store.load("assignments")
        if before is not None and int(before["epoch"]) == begun:  # a resumed fit goes on with the target it had
            q = before["q"]
        else:
            with fitting.timed():
                q = clustering.predict(pipeline.ordered_batches(x), verbose=0)  # [n, K]
            if before is not None and np.mean(q.argmax(axis=1) != before["q"].argmax(axis=1)) < TOLERANCE:
                still = f"fewer than {TOLERANCE:.1%} of the rows changed their group"
                fitting.reporter.say(f"{clustering.system}: {still}; stopped after {begun} epochs")
                return None
            store.save("assignments", {"epoch": np.array(begun), "q": q})
        rows = pipeline.training_batches(x, settings.batch_size, settings.seed, span, hints=target(q))
        return rows.map(form)

    loop.fit_keras(fitting, model, batches, loss=loss, window=window, optimizer=optimizer)
