"""The systems that VaDE is compared with, on the same networks, data and metrics.

Knows the loop of training and the model; knows no file, no data set name, no label. What each needs stands here,
without TensorFlow; `registry` has their functions. docs/architecture.md shows how to add one.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class System:
    """What a system needs, by the names that `Settings.resolve` and `fitting.begin` have for it.

    Attributes:
        pretrains: whether it starts from the autoencoder.
        epochs: of its own phase where the settings do not say, of few rows a multiple; 0 for a system that has none.
        updates: instead of `epochs`, where the published length is a number of updates; in whole epochs.
    """

    pretrains: bool = False
    epochs: int = 0
    updates: int = 0


SYSTEMS = {
    "kmeans": System(),
    "gmm": System(),
    "ae_kmeans": System(pretrains=True),
    "ae_gmm": System(pretrains=True),
    "vae_gmm": System(epochs=30),
    "dec": System(pretrains=True, updates=20_000),
    "dec_da": System(pretrains=True, updates=20_000),
    "idec": System(pretrains=True, updates=20_000),
    "gmvae": System(epochs=100),
}
