"""`import vade_tf` is all that Keras needs to load a saved model, and it does not import TensorFlow."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import vade_tf
from vade_tf.model import networks
from vade_tf.model.prior import GaussianMixturePrior
from vade_tf.systems import SYSTEMS, registry
from vade_tf.systems.gmvae import GMVAE
from vade_tf.systems.models import Centres, Clustering, FullGaussians, StudentT


def test_every_class_that_a_file_may_name_has_a_stand_in():
    assert set(registry.FUNCTIONS) == set(SYSTEMS)  # its import brings every system's classes
    registered = {name: cls for name, cls in keras.saving.get_custom_objects().items() if name.startswith("vade_tf>")}
    assert set(registered) == {f"vade_tf>{name}" for name in vade_tf.KERAS_CLASSES}
    assert all(cls.__module__.startswith("vade_tf.") for cls in registered.values())  # each has taken its place


LOAD = """
import sys
{first}
import vade_tf
{none}
import keras
x = [[float(i % (j + 2)) for j in range(12)] for i in range(20)]
import numpy as np
for name in sys.argv[1:]:
    model = keras.saving.load_model(name + ".keras")
    np.testing.assert_array_equal(model.predict(np.array(x, "f4"), verbose=0), np.load(name + ".npy"))
    if name.endswith("vade"):
        assert type(model.optimizer) is vade_tf.FusedAdam and type(model) is vade_tf.VaDE
        model.fit(np.array(x, "f4"), verbose=0)
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory, as_a_fresh_process):
    """Files without an ending: a model of each class, x.keras, and what it predicts, x.npy."""
    folder, x = tmp_path_factory.mktemp("saved"), np.array([[i % (j + 2) for j in range(12)] for i in range(20)], "f4")
    shape = {"n_features": 12, "hidden": (8,)}
    decoder = networks.build_decoder(latent_dim=2, **shape)
    from vade_tf import FusedAdam, VaDE

    vade = VaDE(networks.build_encoder(latent_dim=2, **shape), decoder, 3, "gaussian")
    vade.compile(FusedAdam(1e-2))
    vade.fit(x, verbose=0)
    heads = (Centres, StudentT, FullGaussians, GaussianMixturePrior)
    models = {head.__name__: Clustering("kmeans", head(3, 12)) for head in heads}
    models["gmvae"] = GMVAE(networks.build_encoder(latent_dim=4, **shape), decoder, 3, "gaussian")
    models["vade"] = vade
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
        np.save(folder / f"{name}.npy", model.predict(x, verbose=0))
    return [str(folder / name) for name in models]


@pytest.mark.long
@pytest.mark.parametrize("first", ["", "import tensorflow"])
def test_a_fresh_process_loads_every_model_after_the_import_alone(saved, first):
    none = "" if first else "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    code = LOAD.format(first=first, none=none)
    done = subprocess.run([sys.executable, "-c", code, *saved], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-3000:]
