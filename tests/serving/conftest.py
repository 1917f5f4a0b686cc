"""A model and its export, what its signatures are asked and what they have to answer."""

import exported
import numpy as np
import pytest

from vade_tf.serving.client import Served
from vade_tf.serving.export import export


@pytest.fixture(scope="module")
def model():
    return exported.build()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    return export(model, tmp_path_factory.mktemp("models") / "vade", version=2)


@pytest.fixture(scope="module")
def served(folder):
    return Served(folder)


@pytest.fixture(scope="module")
def asked():
    """What each signature is asked: {signature: {input: array}}, seven rows."""
    x = np.random.default_rng(1).integers(0, 256, (7, 12)).astype("u1")
    rows = {name: {"x": x.astype("f4")} for name in ("serving_default", "encode", "reconstruct", "score")}
    return {**rows, "classify_bytes": {"x": x}, "generate": {"cluster": np.arange(7) % 4, "seed": 10 + np.arange(7)}}


@pytest.fixture(scope="module")
def answers(model, served, asked):
    """What each has to answer: the model's own, and for score and generate, which it has not, TensorFlow's reading."""
    return {
        **exported.expected(model, asked["classify_bytes"]["x"]),
        "score": {"elbo": served.score(asked["score"]["x"])},
        "generate": {"x": served.sample(asked["generate"]["cluster"], asked["generate"]["seed"])},
    }
