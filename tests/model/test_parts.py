"""Laws of the parts of the model, each of which a fault of one line would break."""

import keras
import numpy as np
import pytest

from vade_tf.model import elbo, networks
from vade_tf.model import likelihood as likelihoods
from vade_tf.model.vade import VaDE


@pytest.fixture
def half_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize(
    ("mean", "std", "scale"),
    [
        (1e6, 0.01, 1.0),
        (1e6, 0.0, 1.0),
        (1.7e9, 60.0, 1 / 6000),
        (1e-3, 1e-5, 1e5),
        (0.0, 0.0, 1.0),
        (5.0, 2.0, 0.5),
        (0.0, 1e-35, 1.0),
    ],
)
def test_features_are_standardised_unless_they_are_constant_to_rounding(mean, std, scale):
    class Moments:
        standardise = True
        components = False

        @staticmethod
        def moments():
            return np.array([mean]), np.array([std])

    found, offset = likelihoods.get("gaussian").units(Moments())
    np.testing.assert_allclose(found, [scale], rtol=1e-6)
    np.testing.assert_allclose(offset, [-mean * scale], rtol=1e-6)


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


def test_a_code_is_that_of_a_network_at_rest(rng):
    x = h = keras.Input((6,))
    h = keras.layers.Dropout(0.5)(h)
    encoder = keras.Model(x, [keras.layers.Dense(2)(h), keras.layers.Dense(2)(h)])
    model = VaDE(encoder, networks.build_decoder(6, 2, (4,)), 3)
    rows = rng.uniform(size=(20, 6)).astype("f4")
    np.testing.assert_array_equal(model.encode(rows)[0], model.encode(rows)[0])
    kernel, bias = encoder.layers[2].get_weights()
    np.testing.assert_allclose(model.encode(rows)[0], rows @ kernel + bias, atol=1e-5)


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


def test_networks_as_the_paper_draws_them():
    encoder, decoder = networks.build_encoder(784), networks.build_decoder(784)
    widths = [[layer.units for layer in net.layers if hasattr(layer, "units")] for net in (encoder, decoder)]
    assert widths == [[500, 500, 2000, 10, 10], [2000, 500, 500, 784]]


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "float32"])
def test_wide_layers_have_the_precision_asked_for_and_what_leaves_is_float32(precision):
    asked = {"n_features": 6, "latent_dim": 2, "hidden": (4, 4), "precision": precision}
    encoder, decoder = networks.build_encoder(**asked), networks.build_decoder(**asked)
    wide = [layer for net in (encoder, decoder) for layer in net.layers if layer.name.startswith(("encoder_", "deco"))]
    assert {layer.dtype_policy.name for layer in [*wide, decoder.get_layer("x_parameters")]} == {precision}
    assert {encoder.get_layer(name).compute_dtype for name in ("z_mean", "z_log_var")} == {"float32"}
    assert decoder.output.dtype == "float32"
