"""The systems that `--model` trains: VaDE and what it is compared with, on the same networks, data and metrics.

A system is a function from a run's work (`phases.Work`) to a fitted Keras model, and one line here. This module is the
registry alone: it imports a system when it is used, so that `--help` does not wait for TensorFlow.
docs/adding-a-system.md shows how to add one.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class System:
    """Where a system is, and what it needs.

    Attributes:
        home: "module:function"; the function takes a `phases.Work` and returns the fitted model.
        pretrains: whether it starts from the autoencoder, and so whether `--pretrained` means something to it.
        epochs: of its own phase where `--epochs` does not say; a data set of few rows gets more, as many updates as
            250 an epoch make. 0 for a system that has no epochs.
    """

    home: str
    pretrains: bool = False
    epochs: int = 0


SYSTEMS = {
    "vade": System("vade_tf.guided:vade", pretrains=True, epochs=10),
    "kmeans": System("vade_tf.baselines.shallow:kmeans"),
    "gmm": System("vade_tf.baselines.shallow:gmm"),
    "ae_kmeans": System("vade_tf.baselines.shallow:ae_kmeans", pretrains=True),
    "ae_gmm": System("vade_tf.baselines.shallow:ae_gmm", pretrains=True),
    "vae_gmm": System("vade_tf.baselines.shallow:vae_gmm", epochs=30),
    "dec": System("vade_tf.baselines.dec:dec", pretrains=True, epochs=40),
    "idec": System("vade_tf.baselines.dec:idec", pretrains=True, epochs=10),
    "gmvae": System("vade_tf.baselines.gmvae:fit", epochs=30),
}


def fit_function(name: str) -> Callable:
    """The function of a system: `phases.Work` -> fitted model."""
    module, function = SYSTEMS[name].home.split(":")
    return getattr(importlib.import_module(module), function)


def import_all() -> None:
    """Import every system, so that Keras knows the layers of a saved model."""
    for name in SYSTEMS:
        fit_function(name)
