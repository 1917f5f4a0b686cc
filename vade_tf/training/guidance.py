"""VaDE's training while gamma is held to a soft partition P, which is recomputed as the code gets better. No labels."""

import itertools
from functools import partial

import keras
import numpy as np
from sklearn.metrics import adjusted_rand_score

from vade_tf.data.rows import part
from vade_tf.seeding import subset
from vade_tf.training import health, loop, partitions, posterior, selftraining, sharpening, validation
from vade_tf.training.fitting import Fitting
from vade_tf.training.settings import SAMPLE_ROWS


class Guide(keras.callbacks.Callback):
    """Holds a VaDE to P with a weight in the loss for the first epochs; a P that a classifier sharpened weighs more."""

    def __init__(self, weight: float, epochs: int):
        super().__init__()
        self.weight, self.epochs, self.sharp = weight, epochs, False

    def on_epoch_begin(self, epoch, logs=None):
        weight = self.weight * (sharpening.WEIGHT_FACTOR if self.sharp else 1)
        self.model.guide_weight.assign(weight if epoch < self.epochs else 0.0)


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
    turns = (
        regroup_epochs(guided, settings.regroups, settings.interval) if partitions.rule(fitting)[0] == "code" else []
    )
    weight = Guide(settings.guide_weight, guided if hints is None else epochs)
    seen = health.sample(fitting.data.x, settings.seed)
    own = [
        *([validation.Noise(*fitting.measured, settings.seed)] if len(fitting.validation) else []),
        weight,
        *loop.phase_callbacks(fitting, "fit", range(done, epochs), epochs, seen=seen),
    ]
    if turns and done > turns[-1]:  # by an earlier process, which may have trained all epochs
        P, weight.sharp = _recomputed(fitting, turns[-1], True)
    last = P
    for first, end in itertools.pairwise(sorted({0, *turns, guided, epochs})):
        if end <= done:
            continue
        if first in turns:
            P, weight.sharp = _recomputed(fitting, first, first == turns[-1])
            last = P
        elif first == guided and hints is not None:
            P, weight.sharp = np.zeros_like(P), False  # the start is let go, the hints are not
        targets, augmentation = with_hints(P, hints), fitting.augmentation("fit")
        batches = partial(fitting.batches, "fit", seed=settings.start_seed, beside=[targets], augmentation=augmentation)
        span = range(max(first, done), end)
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


def regroup_epochs(guide_epochs: int, regroups: int, interval: int = 1) -> list[int]:
    """Epochs done when P is recomputed: at even distances while VaDE is guided, at most once an epoch.

    They are multiples of `interval` where the distances are as long as that.
    """
    unit = interval if guide_epochs >= interval * (regroups + 1) else 1
    turns = {guide_epochs // unit * i // (regroups + 1) * unit for i in range(1, regroups + 1)}
    return sorted(turns - {0, guide_epochs})


def _recomputed(fitting: Fitting, epoch: int, last: bool) -> tuple[np.ndarray, bool]:
    """P recomputed after so many epochs, or as the store has it, and whether a classifier sharpened it (the last)."""
    found = None if fitting.state is None else fitting.store.load("partition")  # else that is of the turn before
    if found is None or int(found["epoch"]) != epoch:
        with fitting.timed():
            P = partitions.regrouped(fitting)
            sharper = selftraining.sharpened(fitting, P) if last and fitting.settings.self_train_epochs else None
        sharp = np.array(int(sharper is not None))
        found = {"epoch": np.array(epoch), "sharp": sharp, "P": P if sharper is None else sharper}
        fitting.store.save("partition", found)
    return found["P"], bool(found["sharp"])


def lost_groups(fitting: Fitting, P: np.ndarray) -> list[str]:
    """What is wrong where the clusters are not the groups of P [n, K], to which training was held: a sentence or none.

    Of several workers the chief says it for all, since processors round differently.
    """
    if fitting.settings.guide_epochs == 0 or fitting.settings.clusters == 1:
        return []

    def agreement() -> dict[str, np.ndarray]:
        rows = subset(len(P), SAMPLE_ROWS, fitting.settings.seed)
        found = posterior.model_groups(fitting.model, part(fitting.data.x, rows))
        return {"agreement": np.array(adjusted_rand_score(found, P[rows].argmax(axis=1)))}

    found = float(fitting.by_chief(agreement)["agreement"])
    if found >= partitions.MIN_AGREEMENT:
        return []
    return [
        f"the clusters are not the groups of the start (adjusted Rand index {found:.2f}): the groups overlap, or "
        "the training was too short; compare the fit with one of more epochs"
    ]
