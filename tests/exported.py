"""A model and its export, what its signatures are asked and what they have to answer: fixtures of two files."""

import keras
import numpy as np

from vade_tf.model import networks
from vade_tf.model.vade import VaDE
from vade_tf.serving.client import Served
from vade_tf.serving.export import export


def build(n_features=12, latent_dim=3, n_clusters=4, hidden=(16, 8), precision="float32"):
    """A VaDE of bytes, with a mixture that is not the initial one."""
    shape = {"n_features": n_features, "latent_dim": latent_dim, "hidden": hidden, "precision": precision}
    scaling = keras.layers.Rescaling(1 / 255)
    model = VaDE(networks.build_encoder(**shape), networks.build_decoder(**shape), n_clusters, scaling=scaling)
    r, size = np.random.default_rng(0), (n_clusters, latent_dim)
    model.prior.assign(r.dirichlet(np.ones(n_clusters)), r.normal(size=size), r.uniform(0.2, 2, size))
    return model


def model():
    return build()


def folder(model, tmp_path_factory):
    return export(model, tmp_path_factory.mktemp("models") / "vade", version=2)


def served(folder):
    return Served(folder)


def asked():
    """What each signature is asked: {signature: {input: array}}, seven rows."""
    x = np.random.default_rng(1).integers(0, 256, (7, 12)).astype("u1")
    rows = {name: {"x": x.astype("f4")} for name in ("serving_default", "encode", "reconstruct", "score")}
    return {**rows, "classify_bytes": {"x": x}, "generate": {"cluster": np.arange(7) % 4, "seed": 10 + np.arange(7)}}


def answers(model, served, asked):
    """What each has to answer: the model's own, and for score and generate, which it has not, TensorFlow's reading."""
    return {
        **expected(model, asked["classify_bytes"]["x"]),
        "score": {"elbo": served.score(asked["score"]["x"])},
        "generate": {"x": served.sample(asked["generate"]["cluster"], asked["generate"]["seed"])},
    }


def expected(model, x):
    m, log_s2 = model.encode(x)
    gamma = model.predict(x, verbose=0)
    classes = {
        "cluster": gamma.argmax(axis=1),
        "probabilities": gamma,
        "confidence": gamma.max(axis=1),
        "density": model.prior.distribution.log_prob(m).numpy(),
    }
    return {
        "serving_default": classes,
        "classify_bytes": classes,
        "encode": {"mean": m.numpy(), "log_variance": log_s2.numpy()},
        "reconstruct": {"x": model.decode(m).numpy()},
    }


def assert_same(got, want):
    assert set(got) == set(want)
    for name, value in want.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-5, atol=1e-5, err_msg=name)
