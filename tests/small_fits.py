"""Fits of sixty rows that tests begin by hand, phase by phase."""

import numpy as np

from vade_tf.training import fitting
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import Settings

SMALL = {
    "clusters": 3, "hidden": (8, 8), "latent_dim": 2, "batch_size": 30, "pretrain_epochs": 0, "epochs": 4,
    "learning_rate": 1e-2, "precision": "float32", "init": "kmeans", "regroups": 1, "guide_epochs": 2,
}  # fmt: skip


def sixty(rng):
    """Three groups of twenty rows, float32 [60, 9]."""
    return (6 * np.repeat(np.eye(3), 3, axis=1)[np.arange(60) % 3] + rng.normal(size=(60, 9))).astype("f4")


def begin(x, hints=None, **more):
    settings = {name: more.pop(name) for name in list(more) if name in Settings.__dataclass_fields__}
    return fitting.begin(x, Settings(**{**SMALL, **settings}), hints, **more)


class Steps(Silent):
    """Keeps the phases that are announced, with their numbers of steps."""

    def __init__(self):
        self.phases = []

    def phase(self, name, steps):
        self.phases.append((name, steps))
        return super().phase(name, steps)
