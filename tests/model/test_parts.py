"""Laws of the parts of the model, each of which a fault of one line would break."""

import keras
import numpy as np
import pytest

from vade_tf.model import elbo, networks


@pytest.fixture
def half_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def test_the_bound_of_a_row_is_the_mean_over_its_draws(small_model, rng):
    model = small_model(n_clusters=3)
    model.prior.assign(np.array([0.6, 0.3, 0.1]), rng.normal(size=(3, 3)), np.full((3, 3), 0.5))
    x = rng.uniform(size=(5, 12)).astype("f4")
    bounds = []
    for draw in elbo.cubature(3):
        terms = model.elbo_terms(x, np.tile(draw, (5, 1)))
        bounds.append(-sum(terms[name].numpy() for name in ("distortion", "rate_z", "rate_c")))
    assert len(bounds) == 6
    np.testing.assert_allclose(model.elbo(x), np.mean(bounds, axis=0), rtol=1e-5)
    assert float(np.min(model.elbo_terms(x, np.zeros((5, 3), "f4"))["rate_c"])) > 1e-4  # a sign would be seen


def test_rows_of_one_length_are_read_by_their_roots_and_come_back(small_model, rng):
    """Of length 3, 0 in places; the roots have the square 1 on average, and their angles are Hellinger's."""
    x = np.maximum(rng.normal(size=(8, 12)), 0)
    x[:, 0] += 0.1
    x *= 3 / np.linalg.norm(x, axis=1, keepdims=True)
    model = small_model("gaussian", scaling=networks.Roots(3.0))
    scaled = model.scale(x).numpy()
    np.testing.assert_allclose((scaled**2).mean(axis=1), 1.0, rtol=1e-5)
    shares = x / x.sum(axis=1, keepdims=True)
    cosines = np.sqrt(shares) @ np.sqrt(shares).T  # Bhattacharyya's coefficients
    np.testing.assert_allclose(scaled @ scaled.T / 12, cosines, atol=1e-5)
    np.testing.assert_allclose(model.unscale(scaled), x, atol=1e-5)
    np.testing.assert_array_equal(model.unscale(np.full((1, 12), -0.3)), np.zeros((1, 12)))
    np.testing.assert_array_equal(model.scale(np.zeros((2, 12), "f4")), np.zeros((2, 12)))


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "float32"])
def test_wide_layers_have_the_precision_asked_for_and_what_leaves_is_float32(precision):
    asked = {"n_features": 6, "latent_dim": 2, "hidden": (4, 4), "precision": precision}
    encoder, decoder = networks.build_encoder(**asked), networks.build_decoder(**asked)
    wide = [layer for net in (encoder, decoder) for layer in net.layers if layer.name.startswith(("encoder_", "deco"))]
    assert {layer.dtype_policy.name for layer in [*wide, decoder.get_layer("x_parameters")]} == {precision}
    assert {encoder.get_layer(name).compute_dtype for name in ("z_mean", "z_log_var")} == {"float32"}
    assert decoder.output.dtype == "float32"
