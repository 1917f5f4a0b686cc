"""Shared fixtures: small models and data that every test can afford."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from hypothesis import settings

from vade_tf.model import networks
from vade_tf.model.optimizer import FusedAdam
from vade_tf.model.vade import VaDE

settings.register_profile("any_machine", deadline=None)  # a busy or slow machine fails nothing
settings.load_profile("any_machine")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


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


LONGEST = (
    "test_training.py",
    "test_readme.py",
    "test_estimator.py",
    "test_docs.py",
    "test_baselines.py",
    "test_model.py",
    "test_labels.py",
)


def pytest_collection_modifyitems(items):
    """The longest files first: two processes that take whole files then end at about the same time."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
