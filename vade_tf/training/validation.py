"""Validation rows, which get no gradient: they say when an autoencoder begins to learn the others by heart.

Networks that see few rows often enough reconstruct these ever better, and new rows ever worse. So the autoencoder stops
where the loss of the validation rows is flat or rises, and the variance of p(x|z) is their mean squared error. It is no
less than that of the other rows, as no validation row may have a rare value. No labels.
"""

from collections.abc import Iterator, Sequence

import keras
import numpy as np

from vade_tf.data import pipeline
from vade_tf.data.rows import Rows
from vade_tf.model import elbo
from vade_tf.model.observation import NOISE_RATE
from vade_tf.model.vade import VaDE
from vade_tf.seeding import Stream, generator
from vade_tf.training.settings import MIN_VALIDATION_ROWS
from vade_tf.training.store import Pretrained, Store, numbered

MIN_GAIN = 0.01  # of all that the loss has fallen: `patience` epochs must gain more; by benchmarks/flat.py, made tables


def choose_rows(store: Store, n: int, size: int, seed: int, hints: np.ndarray | None) -> np.ndarray:
    """Numbers of the validation rows, ascending, int [at most size]; none of them has a hint.

    They are those of the autoencoder in the store, where another run lends it: it has learnt the other rows. Else the
    seed draws them; where some rows have hints, at most half of the others; none where these are too few to measure
    anything.
    """
    if size == 0:
        return np.zeros(0, int)
    lent = Pretrained.load(store)
    if lent is not None:
        found, size = lent.validation, len(lent.validation)
        found = found if hints is None else found[hints[found] < 0]
    else:
        order = generator(seed, Stream.VALIDATION).permutation(np.arange(n, dtype=np.min_scalar_type(n)))
        if hints is not None and (hints >= 0).any():
            order = order[hints[order] < 0]
            order = order[: len(order) // 2]
        found = np.sort(order[:size].astype(int))
    return found if 2 * len(found) >= min(size, 2 * MIN_VALIDATION_ROWS) else found[:0]


def losses(rows: list[dict]) -> list[float]:
    """The loss of the validation rows after each epoch of the autoencoder that has one."""
    return [row["val_loss"] for row in rows if row["phase"] == "pretrain" and "val_loss" in row]


def worn(found: list[float], patience: int) -> bool:
    """Whether the last epochs, as many as `patience`, lowered the loss by next to nothing; never with patience 0."""
    if not 0 < patience < len(found):
        return False
    lowest, before = min(found), min(found[:-patience])
    return before - lowest <= MIN_GAIN * (found[0] - lowest)


class Stop(keras.callbacks.Callback):
    """Ends an autoencoder's training when the loss of validation rows x [m, D] is `worn`, and stores its best weights.

    The history (`rows`) decides, so a resumed fit stops at the same epoch. `loss` is a function from targets and
    outputs to nats, [m]; `networks` are all that is trained; `patience` is a number of epochs.
    """

    def __init__(
        self, x: Rows, loss, networks: Sequence[keras.layers.Layer], store: Store, rows: list[dict], patience: int
    ):
        super().__init__()
        self.x, self.loss, self.networks = x, loss, networks
        self.store, self.rows, self.patience = store, rows, patience

    def on_epoch_end(self, epoch, logs=None):
        found = [self.loss(rows, self.model(rows, training=False)) for rows in pipeline.blocks(self.x)]
        value = float(np.mean(np.concatenate(found)))
        if not np.isfinite(value):
            return
        logs["val_loss"] = value
        before = losses(self.rows)
        if self.patience and value < min(before, default=np.inf):
            self.store.save("best", numbered([weight for each in self.networks for weight in each.get_weights()]))
        if worn([*before, value], self.patience):
            self.model.stop_training = True


class Noise(keras.callbacks.Callback):
    """After each epoch of a VaDE: the variance of p(x|z) by validation rows x [m, D], and their loss.

    `trained` are some of the rows that are trained on, see `variance_of_both`; the seed is of one draw of z a row.
    """

    def __init__(self, x: Rows, trained: Rows, seed: int):
        super().__init__()
        self.x, self.trained, self.seed = x, trained, seed

    def on_train_begin(self, logs=None):
        self.model.noise_rate = 0.0

    def on_epoch_end(self, epoch, logs=None):
        if self.model.log_sigma2_x is not None:
            self.model.set_variance(variance_of_both(self.model, self.x, self.trained, self.seed))
        draw = noise(self.model, len(self.x), self.seed)
        found = [-elbo.bound(self.model.elbo_terms(rows, part)) for rows, part in _blocks(self.x, draw)]
        logs["val_loss"] = float(np.mean(np.concatenate(found)))

    def on_train_end(self, logs=None):
        self.model.noise_rate = NOISE_RATE  # of a later training, which learns the variance by its batches


def noise(model: VaDE, n: int, seed: int) -> np.ndarray:
    """Standard normal noise of one draw of z for each of n rows: [n, latent]."""
    return generator(seed, Stream.VALIDATION).standard_normal((n, model.prior.latent_dim)).astype(np.float32)


def variance_of_both(model: VaDE, x: Rows, trained: Rows, seed: int) -> np.ndarray:
    """The variance of p(x|z) by validation rows, but of no feature less than by rows that are trained on: [D].

    The dispersion of counts, which is no error, is by validation rows alone.
    """
    found = variance(model, x, noise(model, len(x), seed))
    if not model.likelihood.variance_is_error:
        return found
    return np.fmax(found, variance(model, trained, noise(model, len(trained), seed)))


def variance(model: VaDE, x: Rows, draw: np.ndarray | None = None) -> np.ndarray:
    """The variance of p(x|z) at which raw rows x [m, D] are most probable, [D]; NaN of a column that none knows.

    `draw` is the noise of z, [m, latent]; by default z is the mean code.
    """
    total, known = np.zeros(model.n_features), np.zeros(model.n_features)
    for rows, part in _blocks(x, draw):
        m, log_s2 = model.encode(rows)
        out = model.x_parameters(m if part is None else m + np.exp(0.5 * log_s2) * part, x=rows)
        scaled = model.scale(rows)
        n = np.sum(~np.isnan(scaled), axis=0)
        total += np.where(n > 0, model.likelihood.variance(scaled, out), 0) * n
        known += n
    with np.errstate(invalid="ignore"):
        return total / known


def _blocks(x: Rows, draw: np.ndarray | None) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Blocks of rows with their noise."""
    start = 0
    for rows in pipeline.blocks(x):
        yield rows, None if draw is None else draw[start : start + len(rows)]
        start += len(rows)
