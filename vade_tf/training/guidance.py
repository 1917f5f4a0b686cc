"""VaDE's training while it is held to groups, which are found anew as the code gets better."""

import itertools

import numpy as np
import tensorflow as tf

from vade_tf.training import aside, loop, selftraining
from vade_tf.training import callbacks as keras_callbacks
from vade_tf.training import groups as finding
from vade_tf.training.keep import Held
from vade_tf.training.loop import Fitting
from vade_tf.training.store import kept_groups
from vade_tf.training.watch import Watch


def guide(fitting: Fitting, start_groups: np.ndarray) -> np.ndarray:
    """Train VaDE on its bound, at first held to groups: those of the start, found anew as the code gets better.

    Those of a table and of counts are not found anew: they do not come from the code. Nor are those of few wide rows,
    whose code is that of rows known by heart by then.

    The last that are found anew may be sharpened by self-augmented training (`selftraining`).

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
    turns = regroup_epochs(guided, settings.regroups) if finding.kind(fitting) == "code" else []
    sharp = range(turns[-1], guided) if turns and settings.self_train_epochs else range(0)
    watch = Watch(x, settings.clusters, settings.seed)
    own = [
        *([aside.Noise(fitting.data.rows[fitting.aside], settings.seed)] if len(fitting.aside) else []),
        keras_callbacks.Guide(settings.guide_weight, held, sharp),
        Held(fitting.store, held if epochs <= 2 * held < 2 * epochs else 0),
        *loop.phase_callbacks(fitting, "fit", range(done, epochs), epochs, watch=watch),
    ]
    cuts = {0, *turns, epochs} if fitting.hints is None else {0, *turns, guided, epochs}
    groups = last = start_groups
    for first, end in itertools.pairwise(sorted(cuts)):
        if end <= done:
            continue
        if first in turns:
            groups = last = _held_groups(fitting, first, first == turns[-1])
        elif first == guided and fitting.hints is not None:
            groups = np.full(len(x), -1, np.int32)  # those of the start are let go, the hints are not
        target = groups if fitting.hints is None else np.where(fitting.hints >= 0, fitting.hints, groups)
        span = range(max(first, done), end)
        if not loop.train_epochs(fitting, "fit", model, span, guided_batches(fitting, span, target), own):
            break
    model.guide_weight.assign(settings.guide_weight)  # for hints in a later training of the model
    return last


def guided_batches(fitting: Fitting, span: range, groups: np.ndarray) -> tf.data.Dataset:
    """The batches of VaDE in the epochs of a span: rows as the encoder reads them, and the group each is held to."""
    return fitting.batches("fit", span, finding.start_seed(fitting.settings), hints=groups, **fitting.seen("fit"))


def regroup_epochs(guide_epochs: int, regroups: int) -> list[int]:
    """Epochs done when the held groups are found anew: at even distances while VaDE is guided, at most one an epoch."""
    turns = {guide_epochs * i // (regroups + 1) for i in range(1, regroups + 1)}
    return sorted(turns - {0, guide_epochs})


def _held_groups(fitting: Fitting, epoch: int, last: bool) -> np.ndarray:
    """The groups found anew after so many epochs, the last time or not: kept by the store, or found now."""
    kept = kept_groups(fitting.store, "groups", len(fitting.data.x), fitting.settings.clusters, {"epoch": ("i", ())})
    if kept is not None and int(kept["epoch"]) == epoch:
        return kept["groups"]
    with fitting.timed():
        groups = finding.regrouped(fitting)
        if last and fitting.settings.self_train_epochs:
            groups = selftraining.sharpened(fitting, groups)
    fitting.store.save("groups", {"epoch": np.array(epoch), "groups": groups})
    return groups
