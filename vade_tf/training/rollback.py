"""Whether training still has the groups of the start, and the way back where the bound alone lost them. No labels."""

import numpy as np
from sklearn.metrics import adjusted_rand_score

from vade_tf.data.sparse import part
from vade_tf.seeding import subset
from vade_tf.training import posterior
from vade_tf.training.fitting import Fitting
from vade_tf.training.settings import SAMPLE_ROWS
from vade_tf.training.store import kept_weights

MIN_AGREEMENT = 0.9  # adjusted Rand index from which on two groupings count as the same (set in docs/recipe.md)


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
        model.set_weights(kept_weights(fitting.store, "guided", guided, after))
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
