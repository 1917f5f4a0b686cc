"""vade_tf: Variational Deep Embedding for TensorFlow and Keras: clusters, samples of a cluster, and a density.

Names load on first use, so that `import vade_tf` and `python train.py --help` do not wait for TensorFlow.
"""

import ast
import importlib
import inspect
import sys
from typing import TYPE_CHECKING

import wrapt

if TYPE_CHECKING:  # the public names: read by type checkers, and as text by `_HOMES`
    from vade_tf.errors import DivergedError as DivergedError
    from vade_tf.errors import InputError as InputError
    from vade_tf.estimator import VaDEClusterer as VaDEClusterer
    from vade_tf.model.likelihood import Likelihood as Likelihood
    from vade_tf.model.likelihood import register as register
    from vade_tf.model.networks import FusedAdam as FusedAdam
    from vade_tf.model.networks import build_decoder as build_decoder
    from vade_tf.model.networks import build_encoder as build_encoder
    from vade_tf.model.prior import GaussianMixturePrior as GaussianMixturePrior
    from vade_tf.model.vade import VaDE as VaDE
    from vade_tf.plot import write_report as write_report
    from vade_tf.runs.config import TrainConfig as TrainConfig
    from vade_tf.runs.folder import load as load
    from vade_tf.runs.folder import load_schema as load_schema
    from vade_tf.runs.train import resume as resume
    from vade_tf.runs.train import train as train
    from vade_tf.serving.client import Served as Served
    from vade_tf.serving.export import export as export
    from vade_tf.training.autoencoder import pretrain as pretrain
    from vade_tf.training.fitting import Fitted as Fitted
    from vade_tf.training.fitting import Fitting as Fitting
    from vade_tf.training.fitting import begin as begin
    from vade_tf.training.guidance import guide as guide
    from vade_tf.training.recipe import fit as fit
    from vade_tf.training.recipe import start as start
    from vade_tf.training.reporter import Lines as Lines
    from vade_tf.training.settings import Settings as Settings
    from vade_tf.training.store import Memory as Memory
    from vade_tf.training.store import Store as Store

__version__ = "0.3.0"

_HOMES = {
    alias.name: node.module
    for node in ast.walk(ast.parse(inspect.getsource(sys.modules[__name__])))
    if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("vade_tf.")
    for alias in node.names
}
__all__ = sorted(_HOMES)
_HOMES["plot"] = "vade_tf.plot"  # the module itself

KERAS_CLASSES = {  # that a .keras file may name, by their modules
    "model.counts": ("LogCounts",),
    "model.networks": ("Directions", "Filled", "FusedAdam", "Roots"),
    "model.observation": ("Origins", "Reconstruction"),
    "model.prior": ("GaussianMixturePrior",),
    "model.vade": ("VaDE",),
    "systems.gmvae": ("GMVAE",),
    "systems.models": ("Centres", "Clustering", "FullGaussians", "StudentT"),
}


@wrapt.when_imported("keras")
def _announce(keras) -> None:
    """Stand-ins for the package's classes, so that Keras loads a saved model after `import vade_tf` alone.

    Each imports its class, and with it TensorFlow, when a file names it; the class then takes its place.
    """
    for home, names in KERAS_CLASSES.items():
        for name in names:

            def from_config(cls, config, home=home, **more):
                module = importlib.import_module(f"vade_tf.{home}")
                return getattr(module, cls.__name__).from_config(config, **more)

            stand_in = type(name, (), {"from_config": classmethod(from_config)})
            keras.saving.get_custom_objects().setdefault(f"vade_tf>{name}", stand_in)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'vade_tf' has no attribute {name!r}")
    home = importlib.import_module(_HOMES[name])
    return getattr(home, name, home)
