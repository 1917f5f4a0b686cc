"""Where training ended with other groups than those it was held to: VaDE anew, held on to longer. No labels.

Each rung begins at the start again, with its autoencoder, mixture and variance, and trains as many epochs as the first
time, held to the groups of the start in all of them; the second at a tenth of the learning rate. The first rung that
ends with these groups is the result, else what agrees with them best. The epochs are numbered on, so a fit that is
interrupted on a rung goes on there.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from sklearn.metrics import adjusted_rand_score

from vade_tf.errors import DivergedError
from vade_tf.model.observation import NOISE_RATE
from vade_tf.training import aside, keep, loop
from vade_tf.training import callbacks as keras_callbacks
from vade_tf.training.fitting import Fitting
from vade_tf.training.guidance import guided_batches
from vade_tf.training.keep import LEFT, agreement, back_to_held, left
from vade_tf.training.settings import RATES
from vade_tf.training.store import damaged, kept_weights, numbered
from vade_tf.training.watch import Watch


def climb(
    fitting: Fitting, start_groups: np.ndarray, held: np.ndarray, anew: Callable[[], None]
) -> tuple[list[str], list[str]]:
    """Keep the groups that training was held to (`back_to_held`); where it has others, climb.

    A fit with hints, one that nothing holds, and one of fewer than `keep.UPDATES`, too short once more, have no rungs.

    Args:
        fitting: its model, trained, is changed in place.
        start_groups: those of the start, int [n]; a rung is held to these.
        held: those that the model was held to last, int [n].
        anew: gives the model the weights, mixture and variance of the start.

    Returns:
        What was done about it, and what is wrong with the result, a sentence each or none.
    """
    settings, store, model = fitting.settings, fitting.store, fitting.model
    before = store.load("rungs")
    if before is None:
        if len(np.unique(start_groups)) == 1:  # as of rows that are all alike: there are no groups to lose
            return [], []
        remedies, findings = back_to_held(fitting, held)
        short = keep.updates(fitting) < keep.UPDATES
        if fitting.hints is not None:  # which may ask for other groups than those of the start
            hinted = fitting.hints >= 0
            return remedies, findings if _agree(held[hinted], fitting.hints[hinted]) >= LEFT else []
        if not findings or settings.guide_epochs == 0 or short:
            return remedies, findings
        found, best = [agreement(fitting, held)], model.get_weights()
    else:
        found, best = _kept(fitting, before)
    for rung in range(len(found), len(RATES) + 1):
        store.save("rungs", {"agreement": np.array(found), **numbered(best)})
        fitting.reporter.say(
            f"the clusters are not the groups that the start found (agreement {found[-1]:.2f} of 1): VaDE begins anew, "
            f"held to these throughout, at {RATES[rung - 1]:g} of the learning rate"
        )
        try:
            _train(fitting, rung, start_groups, anew)
        except DivergedError as error:  # what was trained before is the result, or the next rung, whose rate is lower
            fitting.reporter.say(f"warning: {error}")
            anew()
            loop.prepare(replace(fitting, state=None), "fit", model)  # with an optimizer that knows nothing of it
            model.noise_rate = NOISE_RATE
            found.append(0.0)
            continue
        found.append(agreement(fitting, start_groups))
        if found[-1] > max(found[:-1]):
            best = model.get_weights()
        if found[-1] >= LEFT:
            break
    model.set_weights(best)
    told = ", ".join(f"{each:.2f}" for each in found)
    remedy = (
        f"fit, epochs {settings.epochs + 1} to {len(found) * settings.epochs}: VaDE began anew and was held to the "
        f"groups of the start throughout, for it had others (agreement, one training after the other: {told})"
    )
    return [remedy], left(max(found), fitting)


def _agree(held: np.ndarray, hints: np.ndarray) -> float:
    """Adjusted Rand index of groups and hints of the same rows; of hints of one group the share that is right."""
    if len(np.unique(hints)) == 1:
        return float(np.mean(held == hints))
    return adjusted_rand_score(held, hints)


def _train(fitting: Fitting, rung: int, groups: np.ndarray, anew: Callable[[], None]) -> None:
    """Train a rung, or what an earlier process left of it."""
    settings, model, state = fitting.settings, fitting.model, fitting.state
    span = range(rung * settings.epochs, (rung + 1) * settings.epochs)
    done = span.start
    if state is not None and state.phase == "fit" and span.start < state.epoch <= span.stop:
        done = state.epoch  # its weights are the model's
    else:
        anew()
        loop.prepare(replace(fitting, state=None), "fit", model)
    watch = Watch(fitting.data.x, settings.clusters, settings.seed)
    rest = range(done, span.stop)
    own = [
        *([aside.Noise(*fitting.measured, settings.seed)] if len(fitting.aside) else []),
        keras_callbacks.Guide(settings.guide_weight, span.stop),
        *loop.phase_callbacks(fitting, "fit", rest, span.stop, watch=watch, begun=span.start, share=RATES[rung - 1]),
    ]
    if len(rest):
        loop.train_epochs(fitting, "fit", model, rest, guided_batches(fitting, rest, groups), own)
    model.train_function = None  # as at the end of `guide`


def _kept(fitting: Fitting, arrays: dict[str, np.ndarray]) -> tuple[list[float], list[np.ndarray]]:
    """Agreement after each training so far, and the best weights, as a store has them."""
    found = arrays.get("agreement")
    if found is None or found.dtype.kind != "f" or found.ndim != 1 or not 1 <= len(found) <= len(RATES):
        raise damaged(fitting.store, "rungs", "expected the agreement after each training")
    best = kept_weights(fitting.store, "rungs", arrays, fitting.model.get_weights())
    return [float(each) for each in found], best
