"""VaDE's training while it is held to groups, which are recomputed as the code gets better."""

import itertools

import numpy as np
import tensorflow as tf

from vade_tf.training import aside, loop, selftraining
from vade_tf.training import callbacks as keras_callbacks
from vade_tf.training import groups as finding
from vade_tf.training.fitting import Fitting
from vade_tf.training.keep import Held
from vade_tf.training.store import kept_groups
from vade_tf.training.watch import Watch


def guide(fitting: Fitting, start_groups: np.ndarray) -> np.ndarray:
    """Train VaDE on its bound, at first held to groups: those of the start, recomputed as the code gets better.

    Those of a table and of counts are not recomputed: they do not come from the code. Nor are those of few wide rows,
    whose code is that of rows known by heart by then.

    The last that are recomputed may be sharpened by self-augmented training (`selftraining`).

    For `settings.guide_epochs` epochs the loss has guide_weight * -log gamma_group added (`elbo.guidance`), then the
    bound is trained alone. Rows with a hint are held to it throughout.

    Args:
        fitting: its model is changed in place.
        start_groups: as `start` returned them, int [n].

    Returns:
        The groups that it was held to last, int [n].

    Raises:
        DivergedError: loss or weights became NaN or infinite, time and again.
    """
    settings, model, x = fitting.settings, fitting.model, fitting.data.x
    done, epochs = loop.prepare(fitting, "fit", model), settings.epochs
    held = settings.guide_epochs if fitting.hints is None else epochs
    guided = min(settings.guide_epochs, epochs)
    turns = regroup_epochs(guided, settings.regroups) if finding.kind(fitting) in ("code", "broad") else []
    watch = Watch(x, settings.clusters, settings.seed)
    hold = keras_callbacks.Guide(settings.guide_weight, held)
    own = [
        *([aside.Noise(*fitting.measured, settings.seed)] if len(fitting.aside) else []),
        hold,
        Held(fitting.store, held if epochs <= 2 * held < 2 * epochs else 0),
        *loop.phase_callbacks(fitting, "fit", range(done, epochs), epochs, watch=watch),
    ]
    cuts = {0, *turns, epochs} if fitting.hints is None else {0, *turns, guided, epochs}
    groups = last = start_groups
    if turns and done > turns[-1]:  # by an earlier process, which may have trained all epochs
        last, hold.sharp = _held_groups(fitting, turns[-1], True, last)
        groups = last
    for first, end in itertools.pairwise(sorted(cuts)):
        if end <= done:
            continue
        if first in turns:
            groups, hold.sharp = _held_groups(fitting, first, first == turns[-1], last)
            last = groups
        elif first == guided and fitting.hints is not None:
            groups = np.full_like(groups, -1)  # those of the start are let go, the hints are not
            hold.sharp = False
        target = groups if fitting.hints is None else np.where(fitting.hints >= 0, fitting.hints, groups)
        span = range(max(first, done), end)
        batches = guided_batches(fitting, span, target)
        if not loop.train_epochs(fitting, "fit", model, span, batches, own, range(done, epochs)):
            break
    model.guide_weight.assign(settings.guide_weight)  # for hints in a later training of the model
    model.train_function = None  # for that, too: its steps are made one at a time
    return last


def guided_batches(fitting: Fitting, span: range, groups: np.ndarray) -> tf.data.Dataset:
    """The batches of VaDE in the epochs of a span: rows as the encoder reads them, and the group each is held to."""
    return fitting.batches("fit", span, fitting.settings.start_seed, hints=groups, augmentation=fitting.seen("fit"))


def regroup_epochs(guide_epochs: int, regroups: int) -> list[int]:
    """Epochs done when the held groups are recomputed: at even distances while VaDE is guided, at most one an epoch."""
    turns = {guide_epochs * i // (regroups + 1) for i in range(1, regroups + 1)}
    return sorted(turns - {0, guide_epochs})


def _held_groups(fitting: Fitting, epoch: int, last: bool, before: np.ndarray) -> tuple[np.ndarray, bool]:
    """The recomputed groups after so many epochs, the last time or not, and whether a classifier sharpened them.

    They are kept by the store, or found now; they may be those held before.
    """
    more: dict = {"epoch": ("i", ()), "sharp": ("i", ())}
    begun = fitting.state is not None  # by an earlier process; what is kept is else that of the turn before
    kept = kept_groups(fitting.store, "groups", len(fitting.data.x), fitting.settings.clusters, more) if begun else None
    if kept is not None and int(kept["epoch"]) == epoch:
        return kept["groups"], bool(kept["sharp"])
    if kept is not None and int(kept["epoch"]) < epoch:  # of the turn before, which this process has not seen
        before = kept["groups"]
    with fitting.timed():
        groups, sharper = finding.accepted(fitting, finding.regrouped(fitting), before), None
        if last and fitting.settings.self_train_epochs:
            sharper = selftraining.sharpened(fitting, groups)
    sharp = sharper is not None
    groups = groups if sharper is None else sharper
    fitting.store.save("groups", {"epoch": np.array(epoch), "sharp": np.array(int(sharp)), "groups": groups})
    return groups, sharp
