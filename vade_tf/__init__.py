"""vade_tf: Variational Deep Embedding for TensorFlow and Keras: clusters, samples of a cluster, and a density.

Names load on first use, so that `import vade_tf` and `python train.py --help` do not wait for TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vade_tf.config import TrainConfig
    from vade_tf.errors import InputError
    from vade_tf.model import VaDE
    from vade_tf.networks import build_decoder, build_encoder
    from vade_tf.optimizer import FusedAdam
    from vade_tf.run import load
    from vade_tf.training import train

__version__ = "0.1.0"

_HOMES = {
    "VaDE": "model",
    "TrainConfig": "config",
    "train": "training",
    "load": "run",
    "build_encoder": "networks",
    "build_decoder": "networks",
    "FusedAdam": "optimizer",
    "InputError": "errors",
}
__all__ = [
    "FusedAdam",
    "InputError",
    "TrainConfig",
    "VaDE",
    "build_decoder",
    "build_encoder",
    "load",
    "train",
]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'vade_tf' has no attribute {name!r}")
    return getattr(importlib.import_module(f"vade_tf.{_HOMES[name]}"), name)
