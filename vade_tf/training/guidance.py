"""VaDE's training while gamma is held to a soft partition P, which is recomputed as the code gets better."""

import itertools

import keras
import numpy as np

from vade_tf.training import aside, loop, partitions, selftraining
from vade_tf.training import callbacks as keras_callbacks
from vade_tf.training.callbacks import all_finite
from vade_tf.training.fitting import Fitting
from vade_tf.training.store import Store, kept_partition, numbered
from vade_tf.training.watch import Watch


class KeepGuided(keras.callbacks.Callback):
    """Keeps the weights after the epoch numbered `epochs`, the last that is held to P, as "guided" in the store."""

    def __init__(self, store: Store, epochs: int):
        super().__init__()
        self.store = store
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.epochs and all_finite(self.model):
            self.store.save("guided", numbered(self.model.get_weights()))


def guide(fitting: Fitting, P: np.ndarray) -> np.ndarray:
    """Train VaDE on its bound, at first held to P: that of the start, recomputed as the code gets better.

    For `settings.guide_epochs` epochs the loss has guide_weight * -sum_c P_c log gamma_c added (`elbo.guidance`), then
    the bound is trained alone. Rows with a hint are held to it throughout. P is recomputed where it was found on the
    code; the last one may be sharpened by self-augmented training (`selftraining`).

    Args:
        fitting: its model is changed in place.
        P: as `start` returned it, [n, K].

    Returns:
        The P that it was held to last, [n, K].

    Raises:
        DivergedError: loss or weights became NaN or infinite, time and again.
    """
    settings, model, x = fitting.settings, fitting.model, fitting.data.x
    done, epochs = loop.prepare(fitting, "fit", model), settings.epochs
    held = settings.guide_epochs if fitting.hints is None else epochs
    guided = min(settings.guide_epochs, epochs)
    turns = regroup_epochs(guided, settings.regroups) if partitions.found_on_code(fitting) else []
    hold = keras_callbacks.Guide(settings.guide_weight, held)
    own = [
        *([aside.Noise(*fitting.measured, settings.seed)] if len(fitting.aside) else []),
        hold,
        KeepGuided(fitting.store, held if held < epochs else 0),
        *loop.phase_callbacks(
            fitting, "fit", range(done, epochs), epochs, watch=Watch(x, settings.clusters, settings.seed)
        ),
    ]
    cuts = {0, *turns, epochs} if fitting.hints is None else {0, *turns, guided, epochs}
    last = P
    if turns and done > turns[-1]:  # by an earlier process, which may have trained all epochs
        last, hold.sharp = _recomputed(fitting, turns[-1], True)
    P = last
    for first, end in itertools.pairwise(sorted(cuts)):
        if end <= done:
            continue
        if first in turns:
            P, hold.sharp = _recomputed(fitting, first, first == turns[-1])
            last = P
        elif first == guided and fitting.hints is not None:
            P, hold.sharp = np.zeros_like(P), False  # the start is let go, the hints are not
        span = range(max(first, done), end)
        batches = fitting.batches(
            "fit", span, settings.start_seed, hints=with_hints(P, fitting.hints), augmentation=fitting.seen("fit")
        )
        if not loop.train_epochs(fitting, "fit", model, span, batches, own, range(done, epochs)):
            break
    model.guide_weight.assign(settings.guide_weight)  # for hints in a later training of the model
    model.train_function = None  # for that, too: its steps are made one at a time
    return last


def with_hints(P: np.ndarray, hints: np.ndarray | None) -> np.ndarray:
    """P [n, K] with a one in the group of each row that has a hint, int [n], -1 for none."""
    if hints is None:
        return P
    P, known = P.copy(), np.flatnonzero(hints >= 0)
    P[known] = 0
    P[known, hints[known]] = 1
    return P


def regroup_epochs(guide_epochs: int, regroups: int) -> list[int]:
    """Epochs done when P is recomputed: at even distances while VaDE is guided, at most one an epoch."""
    turns = {guide_epochs * i // (regroups + 1) for i in range(1, regroups + 1)}
    return sorted(turns - {0, guide_epochs})


def _recomputed(fitting: Fitting, epoch: int, last: bool) -> tuple[np.ndarray, bool]:
    """P recomputed after so many epochs, the last time or not, and whether a classifier sharpened it.

    It is kept by the store, or found now.
    """
    more: dict = {"epoch": ("i", ()), "sharp": ("i", ())}
    n, k = len(fitting.data.x), fitting.settings.clusters
    begun = fitting.state is not None  # by an earlier process; what is kept is else that of the turn before
    kept = kept_partition(fitting.store, "partition", n, k, more) if begun else None
    if kept is not None and int(kept["epoch"]) == epoch:
        return kept["P"], bool(kept["sharp"])
    with fitting.timed():
        P, sharper = partitions.regrouped(fitting), None
        if last and fitting.settings.self_train_epochs:
            sharper = selftraining.sharpened(fitting, P)
    sharp = sharper is not None
    P = P if sharper is None else sharper
    fitting.store.save("partition", {"epoch": np.array(epoch), "sharp": np.array(int(sharp)), "P": P})
    return P, sharp
