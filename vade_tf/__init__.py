"""vade_tf: Variational Deep Embedding for TensorFlow and Keras: clusters, samples of a cluster, and a density.

Names load on first use, so that `import vade_tf` and `python train.py --help` do not wait for TensorFlow.
"""

import importlib

import lazy_loader
import wrapt

__version__ = "0.3.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the names are in __init__.pyi

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
