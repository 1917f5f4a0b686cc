"""Looks at a VaDE after each epoch, on the same few rows: signals, warnings, new starts of unused components."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from vade_tf.data.sparse import Rows, SparseRows, part
from vade_tf.model import elbo
from vade_tf.model.vade import VaDE
from vade_tf.seeding import subset
from vade_tf.training import health, posterior
from vade_tf.training.settings import SAMPLE_ROWS


class Watch:
    """What `callbacks.Record` asks after an epoch of VaDE.

    Args:
        x: raw rows, [n, D]; a random subset of `SAMPLE_ROWS` is looked at, of many components 50 for each.
        n_clusters: K.
        seed: of the subset.
    """

    def __init__(self, x: Rows, n_clusters: int, seed: int):
        rows = subset(len(x), max(SAMPLE_ROWS, 50 * n_clusters), seed)
        self.x = part(x, rows) if isinstance(x, SparseRows) else x[rows]
        self.said: set[str] = set()

    def look(self, model: VaDE) -> health.Signals:
        """The signals of the model as it is."""

        def of_batch(rows):  # block by block, for [n, K] is large for a K of thousands
            m, log_s2 = model.encode(rows)
            weight, entropy = health.summed(model.prior(m, log_s2))
            return m, log_s2, weight[None], entropy

        m, log_s2, weight, entropy = posterior.over_rows(of_batch, self.x)
        _, mu, log_sigma2 = model.prior.parameters
        return health.signals(weight.sum(axis=0), entropy, m, log_s2, mu.numpy(), log_sigma2.numpy())

    def rate_z(self, model: VaDE) -> float:
        """Mean rate_z of the rows under the model as it is, in nats, at their mean codes."""
        return float(np.mean(self._over_rows(model, lambda terms: terms["rate_z"])))

    def _over_rows(self, model: VaDE, function: Callable[[dict], tf.Tensor]) -> np.ndarray:
        """What a function of the terms of the bound at z = m says of the rows, [n]."""

        def of_batch(rows):
            return (function(model.elbo_terms(rows, np.zeros((len(rows), model.prior.latent_dim), np.float32))),)

        return posterior.over_rows(of_batch, self.x)[0]

    def after_epoch(self, model: VaDE, rows: list[dict], last_chance: bool, say: Callable[[str], None]) -> dict:
        """Columns of the epoch's row; warns once a kind, and gives unused components a new start where that is sound.

        A component gets one new start, only while nothing holds the model to groups and half of the run is left to use
        it: one that empties again is pruned by the bound, which is what it should do where K is above the number of
        groups. Which ones had theirs is read from `rows`, so a resumed run does the same.

        Args:
            model: after the epoch.
            rows: those of the epochs before.
            last_chance: whether half of the epochs or more are done.
            say: shows a sentence to a person.
        """
        found = self.look(model)
        columns: dict = {
            "gamma_entropy": found.entropy,
            "components_used": int(found.used.sum()),
            "active_units": found.active_units,
        }
        had = {int(c) for row in rows for c in row.get("reseeded", "").split()}
        again = [c for c in np.flatnonzero(~found.used).tolist() if c not in had]
        again = health.movable(again, len(self.x), model.prior.n_components)
        if again and not last_chance and float(model.guide_weight.numpy()) == 0.0:
            self._reseed(model, again)
            columns["reseeded"] = " ".join(map(str, again))
        for finding in health.findings(found):
            if finding.kind not in self.said and not (finding.kind == "empty" and "reseeded" in columns):
                self.said.add(finding.kind)
                say(f"warning: {finding.text}")
        return columns

    def _reseed(self, model: VaDE, components: list[int]) -> None:
        m, log_s2 = posterior.over_rows(model.encode, self.x)
        misfit = -self._over_rows(model, elbo.bound)
        log_pi, mu, log_sigma2 = (part.numpy().astype(np.float64) for part in model.prior.parameters)
        mixture = np.exp(log_pi), mu, np.exp(log_sigma2)
        model.prior.assign(*health.reseed(components, *mixture, m, np.exp(log_s2), misfit))
