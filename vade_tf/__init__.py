"""vade_tf: Variational Deep Embedding for TensorFlow and Keras: clusters, samples of a cluster, and a density.

Names load on first use, so that `import vade_tf` and `python train.py --help` do not wait for TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING

import wrapt

if TYPE_CHECKING:
    from vade_tf.errors import DivergedError, InputError
    from vade_tf.estimator import VaDEClusterer
    from vade_tf.model.likelihood import Likelihood, register
    from vade_tf.model.networks import FusedAdam, build_decoder, build_encoder
    from vade_tf.model.prior import GaussianMixturePrior
    from vade_tf.model.vade import VaDE
    from vade_tf.plot import write_report
    from vade_tf.runs.config import TrainConfig
    from vade_tf.runs.folder import load, load_schema
    from vade_tf.runs.train import resume, train
    from vade_tf.serving.client import Served
    from vade_tf.serving.export import export
    from vade_tf.training.autoencoder import pretrain
    from vade_tf.training.fitting import Fitted, Fitting, begin
    from vade_tf.training.guidance import guide
    from vade_tf.training.recipe import fit, start
    from vade_tf.training.reporter import Lines
    from vade_tf.training.settings import Settings
    from vade_tf.training.store import Memory, Store

__version__ = "0.3.0"

_HOMES = {
    "DivergedError": "errors",
    "Fitted": "training.fitting",
    "Fitting": "training.fitting",
    "FusedAdam": "model.networks",
    "GaussianMixturePrior": "model.prior",
    "InputError": "errors",
    "Likelihood": "model.likelihood",
    "Lines": "training.reporter",
    "Memory": "training.store",
    "Served": "serving.client",
    "Settings": "training.settings",
    "Store": "training.store",
    "TrainConfig": "runs.config",
    "VaDE": "model.vade",
    "VaDEClusterer": "estimator",
    "begin": "training.fitting",
    "build_decoder": "model.networks",
    "build_encoder": "model.networks",
    "export": "serving.export",
    "fit": "training.recipe",
    "guide": "training.guidance",
    "load": "runs.folder",
    "load_schema": "runs.folder",
    "plot": "plot",  # the module itself
    "pretrain": "training.autoencoder",
    "register": "model.likelihood",
    "resume": "runs.train",
    "start": "training.recipe",
    "train": "runs.train",
    "write_report": "plot",
}
__all__ = [
    "DivergedError", "Fitted", "Fitting", "FusedAdam", "GaussianMixturePrior", "InputError", "Likelihood", "Lines",
    "Memory", "Served", "Settings", "Store", "TrainConfig", "VaDE", "VaDEClusterer", "begin", "build_decoder",
    "build_encoder", "export", "fit", "guide", "load", "load_schema", "pretrain", "register", "resume", "start",
    "train", "write_report",
]  # fmt: skip

KERAS_HOMES = {  # where the classes are that a .keras file may name
    "Centres": "systems.models",
    "Clustering": "systems.models",
    "Directions": "model.networks",
    "Filled": "model.networks",
    "FullGaussians": "systems.models",
    "FusedAdam": "model.networks",
    "GMVAE": "systems.gmvae",
    "GaussianMixturePrior": "model.prior",
    "LogCounts": "model.counts",
    "Origins": "model.observation",
    "Reconstruction": "model.observation",
    "Roots": "model.networks",
    "StudentT": "systems.models",
    "VaDE": "model.vade",
}


@wrapt.when_imported("keras")
def _announce(keras) -> None:
    """Stand-ins for the package's classes, so that Keras loads a saved model after `import vade_tf` alone.

    Each imports its class, and with it TensorFlow, when a file names it; the class then takes its place.
    """
    for name, home in KERAS_HOMES.items():

        def from_config(cls, config, name=name, home=home, **more):
            return getattr(importlib.import_module(f"vade_tf.{home}"), name).from_config(config, **more)

        stand_in = type(name, (), {"from_config": classmethod(from_config)})
        keras.saving.get_custom_objects().setdefault(f"vade_tf>{name}", stand_in)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'vade_tf' has no attribute {name!r}")
    # by name: these modules load TensorFlow, for which `import vade_tf` does not wait
    home = importlib.import_module(f"vade_tf.{_HOMES[name]}")
    return getattr(home, name, home)
