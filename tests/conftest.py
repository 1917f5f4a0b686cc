"""Shared fixtures: small models and data that every test can afford."""

import gc
import hashlib
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import settings

from vade_tf.model import networks, own_networks
from vade_tf.model.networks import FusedAdam
from vade_tf.model.vade import VaDE
from vade_tf.report import drawing


def rewrite_graphs(on: bool) -> None:
    """TensorFlow's rewriting of graphs, which rounds otherwise; a fresh process that a test starts has it."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not on})


rewrite_graphs(False)  # a fifth of a tiny fit
gc.freeze()  # the million objects of the imports are not searched for garbage again and again
gc.set_threshold(5000, 20, 50)  # and the rest less often

drawing.STYLE["figure.dpi"] = 50.0  # a ninth of the pixels of every picture

settings.register_profile("any_machine", deadline=None)  # a busy or slow machine fails nothing
settings.load_profile("any_machine")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def blobs(tmp_path, rng):
    """Three groups of 500 rows in all, one after the other in their file: the map of it, the rows, their groups."""
    y = np.repeat(np.arange(3), (200, 200, 100))
    x = (8.0 * np.eye(5)[y] + rng.normal(size=(500, 5))).astype("f4")
    np.save(tmp_path / "x.npy", x)
    return np.load(tmp_path / "x.npy", mmap_mode="r"), x, y


@pytest.fixture(scope="module")
def as_a_fresh_process():
    """What is computed here is to the bit what a process that a test starts computes."""
    rewrite_graphs(True)
    yield
    rewrite_graphs(False)


def untraced():
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(before)


# Functions run without tracing, which would be most of the time of a few steps: for a test, or for all of a file with
# the fits of its fixtures
eager = pytest.fixture(untraced, name="eager")
eager_file = pytest.fixture(untraced, name="eager_file", scope="module")


@pytest.fixture(scope="module")
def loaded_once():
    """The same file of a model is loaded for its first reader alone: for tests of what comes after."""
    found, load = {}, own_networks.load

    def once(file):
        content = hashlib.sha256(file.read_bytes()).digest()
        if content not in found:
            model = load(file)
            found[content] = model, model.get_weights()
        model, weights = found[content]
        model.set_weights(weights)  # whatever the reader before has made of them
        return model

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_networks, "load", once)
        yield


@pytest.fixture(scope="session")
def small_model():
    """Makes a VaDE of 12 features, 3 latent dimensions and 4 clusters, compiled; settings can be changed."""

    def make(likelihood="bernoulli", n_clusters=4, precision="float32", compiled=True, **more) -> keras.Model:
        shape = {"n_features": 12, "latent_dim": 3, "hidden": (16, 8), "precision": precision}
        model = VaDE(networks.build_encoder(**shape), networks.build_decoder(**shape), n_clusters, likelihood, **more)
        if compiled:
            model.compile(FusedAdam(1e-2))
        return model

    return make


LONGEST = ("test_estimator.py", "test_labels.py")


def pytest_collection_modifyitems(items):
    """The longest files first: processes that take whole files then end at about the same time."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
