"""A small model for an export, and what its signatures have to answer."""

import keras
import numpy as np

from vade_tf.model import networks
from vade_tf.model.vade import VaDE


def build(n_features=12, latent_dim=3, n_clusters=4, hidden=(16, 8), precision="float32"):
    """A VaDE of bytes, with a mixture that is not the initial one."""
    shape = {"n_features": n_features, "latent_dim": latent_dim, "hidden": hidden, "precision": precision}
    scaling = keras.layers.Rescaling(1 / 255)
    model = VaDE(networks.build_encoder(**shape), networks.build_decoder(**shape), n_clusters, scaling=scaling)
    r, size = np.random.default_rng(0), (n_clusters, latent_dim)
    model.prior.assign(r.dirichlet(np.ones(n_clusters)), r.normal(size=size), r.uniform(0.2, 2, size))
    return model


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
