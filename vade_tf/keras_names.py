"""Makes this package's classes known to Keras by name, so that a saved model loads after `import vade_tf` alone.

Keras finds the classes of a .keras file in a registry that their decorators fill in when their modules are imported.
Those modules import TensorFlow, which takes seconds, and `import vade_tf` does not wait for it. So a stand-in for each
class goes into the registry as soon as Keras is imported; it imports the class when a file names it, and the decorator
then puts the class itself in its place.
"""

import importlib

import wrapt

HOMES = {
    "VaDE": "vade_tf.model.vade",
    "GaussianMixturePrior": "vade_tf.model.prior",
    "Filled": "vade_tf.model.networks",
    "LogCounts": "vade_tf.model.counts",
    "Origins": "vade_tf.model.observation",
    "FusedAdam": "vade_tf.model.optimizer",
    "Reconstruction": "vade_tf.model.observation",
    "Clustering": "vade_tf.systems.models",
    "Directions": "vade_tf.model.networks",
    "Roots": "vade_tf.model.networks",
    "Centres": "vade_tf.systems.models",
    "StudentT": "vade_tf.systems.models",
    "FullGaussians": "vade_tf.systems.models",
    "GMVAE": "vade_tf.systems.gmvae",
}


def announce() -> None:
    """Register the stand-ins now, if Keras is there, or when it comes."""
    wrapt.register_post_import_hook(_register, "keras")


def _register(keras) -> None:
    registry = keras.saving.get_custom_objects()
    for name, home in HOMES.items():
        registry.setdefault(f"vade_tf>{name}", _stand_in(name, home))


def _stand_in(name: str, home: str) -> type:
    def from_config(cls, config, **more):
        # by name: the module loads TensorFlow, and only a file that has this class needs it; HOMES lists all
        return getattr(importlib.import_module(home), name).from_config(config, **more)

    return type(name, (), {"from_config": classmethod(from_config)})
