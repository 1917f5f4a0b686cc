"""vade_tf: Variational Deep Embedding for TensorFlow and Keras: clusters, samples of a cluster, and a density.

Names load on first use, so that `import vade_tf` and `python train.py --help` do not wait for TensorFlow.
"""

import os

import lazy_loader
import wrapt

# Without it TensorFlow reports errors of CUDA on every machine that has no GPU. "0" shows everything.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.3.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the names are in __init__.pyi

KERAS_CLASSES = (  # that a .keras file may name
    "Centres", "Clustering", "Directions", "Filled", "FullGaussians", "FusedAdam", "GMVAE", "GaussianMixturePrior",
    "LogCounts", "BatchEffects", "Reconstruction", "Roots", "StudentT", "UnitLength", "VaDE",
)  # fmt: skip


def _from_config(cls, config, **more):
    import keras

    from vade_tf.systems import registry  # noqa: F401  what it imports are all classes, each of which registers itself

    return keras.saving.get_custom_objects()[f"vade_tf>{cls.__name__}"].from_config(config, **more)


@wrapt.when_imported("keras")
def _announce(keras) -> None:
    """Stand-ins for the package's classes, so that Keras loads a saved model after `import vade_tf` alone.

    The first one that a file names imports them all, and with them TensorFlow; they then take their places.
    """
    for name in KERAS_CLASSES:
        stand_in = type(name, (), {"from_config": classmethod(_from_config)})
        keras.saving.get_custom_objects().setdefault(f"vade_tf>{name}", stand_in)
