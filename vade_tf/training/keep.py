"""Whether training still has the groups that it was held to, and the way back where it has lost them. No labels."""

import keras
import numpy as np
from sklearn.metrics import adjusted_rand_score

from vade_tf.data.sparse import part
from vade_tf.seeding import subset
from vade_tf.training import posterior
from vade_tf.training.callbacks import all_finite
from vade_tf.training.fitting import Fitting
from vade_tf.training.store import Store, kept_weights, numbered

ROWS = 5000  # that are asked, at most
LOST = 0.1  # of the agreement with the groups that the model may lose once it is let go
LEFT = 0.5  # agreement below which the groups found are others than those it was held to
UPDATES = 300  # of VaDE; fewer are too short to follow any groups


class Held(keras.callbacks.Callback):
    """Keeps the weights of a model as they are after the last epoch that holds it to groups.

    Args:
        store: gets them under the name "held".
        epochs: number of that epoch.
    """

    def __init__(self, store: Store, epochs: int):
        super().__init__()
        self.store = store
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.epochs and all_finite(self.model):
            self.store.save("held", numbered(self.model.get_weights()))


def agreement(fitting: Fitting, groups: np.ndarray) -> float:
    """Adjusted Rand index of the model's clusters and groups of the rows, int [n], on some of the rows.

    Of several workers the chief says it for all, since processors round differently and what is done next hangs on it.
    A model that has one cluster for all, where it should have several, agrees with nothing: groups that were recomputed
    on its code may have collapsed with it.
    """

    def by_chief() -> dict[str, np.ndarray]:
        rows = subset(len(groups), ROWS, fitting.settings.seed)
        absent = set(range(fitting.settings.clusters)).difference(groups[rows].tolist())
        found_there = [int(there.argmax()) for c in sorted(absent) if (there := groups == c).any()]
        rows = np.union1d(rows, np.array(found_there, int))  # a row at least of each group, however small
        found = posterior.model_groups(fitting.model, part(fitting.data.x, rows))
        collapsed = fitting.settings.clusters > 1 and len(rows) > 1 and len(np.unique(found)) == 1
        return {"agreement": np.array(0.0 if collapsed else adjusted_rand_score(found, groups[rows]))}

    return float(fitting.by_chief(by_chief)["agreement"])


def back_to_held(fitting: Fitting, groups: np.ndarray) -> tuple[list[str], list[str]]:
    """Go back to the weights that still had the groups, where the epochs after them lost these.

    Args:
        fitting: its model, trained, is changed in place.
        groups: those it was held to last, int [n].

    Returns:
        What was done about it, and what is wrong with the result, a sentence each or none.

    Raises:
        InputError: what the store has of them is damaged.
    """
    held, model = fitting.store.load("held"), fitting.model
    found, remedies = agreement(fitting, groups), []
    if held is not None:
        after = model.get_weights()
        model.set_weights(kept_weights(fitting.store, "held", held, after))
        model.guide_weight.assign(fitting.settings.guide_weight)  # which a classifier's groups had raised
        before = agreement(fitting, groups)
        if found < before - LOST:
            remedies.append(
                f"fit, epoch {fitting.settings.guide_epochs}: its weights are kept, for the epochs after it lost the "
                f"groups that the model was held to (agreement {before:.2f}, at the end {found:.2f})"
            )
            found = before
        else:
            model.set_weights(after)
    return remedies, left(found, fitting)


def updates(fitting: Fitting) -> int:
    """Updates of a training of VaDE."""
    return fitting.settings.epochs * fitting.steps("fit")


def left(found: float, fitting: Fitting) -> list[str]:
    """What is wrong with a model of so much agreement with the groups it was held to, a sentence or none."""
    if found >= LEFT:
        return []
    others = f"the clusters are not the groups that the start found (agreement {found:.2f} of 1)"
    if (made := updates(fitting)) < UPDATES:
        had = f"epochs={fitting.settings.epochs} and passes={fitting.settings.passes}"
        return [f"{others} after only {made} updates, by {had}; raise one of these"]
    return [f"{others}; raise guide_epochs, or lower learning_rate"]
