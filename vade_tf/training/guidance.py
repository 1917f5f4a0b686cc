"""VaDE's training while gamma is held to a soft partition P, recomputed as the code gets better; the way back from it.

No labels.
"""

import itertools

import keras
import numpy as np
from sklearn.metrics import adjusted_rand_score

from vade_tf.data.sparse import part
from vade_tf.seeding import subset
from vade_tf.training import health, loop, partitions, posterior, selftraining, validation
from vade_tf.training.callbacks import all_finite
from vade_tf.training.fitting import Fitting
from vade_tf.training.partitions import MIN_AGREEMENT
from vade_tf.training.settings import SAMPLE_ROWS
from vade_tf.training.store import Store, listed, numbered

SHARP_FACTOR = 5.0  # of the weight of a P that a classifier sharpened; by a script, on MNIST


class Guide(keras.callbacks.Callback):
    """Holds a VaDE to P for the first epochs, then lets go and keeps the weights as "guided" in the store.

    Args:
        weight: of P in the loss.
        epochs: that it is held.
        store: gets the weights, unless these are all epochs of the fit.

    Attributes:
        sharp: whether a classifier sharpened P, which then weighs more, so that VaDE loses less of it.
    """

    def __init__(self, weight: float, epochs: int, store: Store | None):
        super().__init__()
        self.weight, self.epochs, self.store, self.sharp = weight, epochs, store, False

    def on_epoch_begin(self, epoch, logs=None):
        weight = self.weight * (SHARP_FACTOR if self.sharp else 1)
        self.model.guide_weight.assign(weight if epoch < self.epochs else 0.0)

    def on_epoch_end(self, epoch, logs=None):
        if self.store is not None and epoch + 1 == self.epochs and all_finite(self.model):
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
    settings, model, hints = fitting.settings, fitting.model, fitting.hints
    done, epochs = loop.prepare(fitting, "fit", model), settings.epochs
    guided = min(settings.guide_epochs, epochs)
    turns = regroup_epochs(guided, settings.regroups) if partitions.found_on_code(fitting) else []
    weighted = settings.guide_epochs if hints is None else epochs
    weight = Guide(settings.guide_weight, weighted, fitting.store if weighted < epochs else None)
    seen = health.sample(fitting.data.x, settings.seed)
    own = [
        *([validation.Noise(*fitting.measured, settings.seed)] if len(fitting.validation) else []),
        weight,
        *loop.phase_callbacks(fitting, "fit", range(done, epochs), epochs, seen=seen),
    ]
    last = P
    if turns and done > turns[-1]:  # by an earlier process, which may have trained all epochs
        last, weight.sharp = _recomputed(fitting, turns[-1], True)
    P = last
    for first, end in itertools.pairwise(sorted({0, *turns, epochs} | (set() if hints is None else {guided}))):
        if end <= done:
            continue
        if first in turns:
            P, weight.sharp = _recomputed(fitting, first, first == turns[-1])
            last = P
        elif first == guided and hints is not None:
            P, weight.sharp = np.zeros_like(P), False  # the start is let go, the hints are not
        span, augmentation = range(max(first, done), end), fitting.augmentation("fit")
        batches = fitting.batches(
            "fit", span, settings.start_seed, hints=with_hints(P, hints), augmentation=augmentation
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
    resumed = fitting.state is not None  # else what is kept is that of the turn before
    kept = fitting.store.load("partition") if resumed else None
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


def agreement(fitting: Fitting, P: np.ndarray) -> float:
    """Adjusted Rand index of the model's clusters and the groups of P [n, K], on some of the rows.

    Of several workers the chief says it for all, since processors round differently.
    """

    def by_chief() -> dict[str, np.ndarray]:
        rows = subset(len(P), SAMPLE_ROWS, fitting.settings.seed)
        found = posterior.model_groups(fitting.model, part(fitting.data.x, rows))
        return {"agreement": np.array(adjusted_rand_score(found, P[rows].argmax(axis=1)))}

    return float(fitting.by_chief(by_chief)["agreement"])


def keep_groups(fitting: Fitting, P: np.ndarray) -> tuple[list[str], list[str]]:
    """Go back to the weights at the end of guidance where the epochs after it lost the groups of P [n, K].

    Returns:
        What was done about it, and what is wrong with the result, a sentence each or none.
    """
    settings, model = fitting.settings, fitting.model
    if settings.guide_epochs == 0 or settings.clusters == 1:
        return [], []
    found, guided, remedies = agreement(fitting, P), fitting.store.load("guided"), []
    if found < MIN_AGREEMENT and guided is not None:
        after = model.get_weights()
        model.set_weights(listed(guided))
        model.guide_weight.assign(settings.guide_weight)  # which a classifier's answers had raised
        before = agreement(fitting, P)
        if before - found <= 1 - MIN_AGREEMENT:
            model.set_weights(after)
        else:
            remedies = [
                f"fit, epoch {settings.guide_epochs}: its weights are kept, for the epochs after it lost the groups of "
                f"the start (adjusted Rand index {before:.2f}, at the end {found:.2f})"
            ]
            found = before
    if found >= MIN_AGREEMENT:
        return remedies, []
    return remedies, [
        f"the clusters are not the groups of the start (adjusted Rand index {found:.2f}): these overlap, are fewer, or "
        "the training was too short; try another number of clusters, or more epochs"
    ]
