"""Small laws of the parts of the model, each of which a fault of one line would break."""

import itertools
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from vade_tf.data.observing import observe
from vade_tf.errors import InputError
from vade_tf.model import choice, elbo, networks
from vade_tf.model import likelihood as likelihoods
from vade_tf.model.prior import GaussianMixturePrior, check_clusters
from vade_tf.model.vade import VaDE
from vade_tf.runs.load import load


@pytest.fixture
def half_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def test_the_means_of_a_new_prior_are_standard_normal():
    mu = GaussianMixturePrior(1000, 10, seed=3).mu.numpy()
    assert abs(mu.mean()) < 0.05
    assert mu.std() == pytest.approx(1.0, abs=0.03)


def test_a_prior_of_one_dimension_is_one():
    assert GaussianMixturePrior(3, 1)(np.zeros((2, 1))).shape == (2, 3)


@pytest.mark.parametrize("clusters", [[-1, 2], [0, 3], [2, -1], [3, 0]])
def test_a_single_cluster_that_is_not_there_is_refused(clusters):
    with pytest.raises(InputError, match="clusters: "):
        check_clusters(clusters, 3)


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


def test_a_likelihood_that_says_nothing_takes_rows_as_they_are():
    class Counts(likelihoods.Likelihood):
        name = "counts of a test"

        def distribution(self, parameters):
            raise AssertionError("nothing is asked of p(x|z)")

    assert Counts().units(observe(np.eye(3), "gaussian")) == (1.0, 0.0)


def test_rows_far_away_are_said_where_one_feature_has_mean_zero(small_model, rng):
    offset = np.zeros(12, np.float32)
    offset[3] = 1.0
    model = small_model("gaussian", scaling=networks.build_scaling(np.ones(12, np.float32), offset))
    with pytest.warns(UserWarning, match="standard deviations"):
        choice.check_units(model, 1e4 + rng.normal(size=(20, 12)).astype("f4"))


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


@pytest.mark.parametrize("shape", [(5, 12), (5, 3, 4), (5, 2, 3, 2)])
def test_rows_of_any_shape_are_flattened_for_the_likelihood(shape, small_model, rng):
    x = rng.uniform(size=shape).astype("f4")
    np.testing.assert_array_equal(small_model().scale(x), x.reshape(5, 12))


def test_a_code_is_that_of_a_network_at_rest(rng):
    x = h = keras.Input((6,))
    h = keras.layers.Dropout(0.5)(h)
    encoder = keras.Model(x, [keras.layers.Dense(2)(h), keras.layers.Dense(2)(h)])
    model = VaDE(encoder, networks.build_decoder(6, 2, (4,)), 3)
    rows = rng.uniform(size=(20, 6)).astype("f4")
    np.testing.assert_array_equal(model.encode(rows)[0], model.encode(rows)[0])
    kernel, bias = encoder.layers[2].get_weights()
    np.testing.assert_allclose(model.encode(rows)[0], rows @ kernel + bias, atol=1e-5)


def test_unscale_is_the_inverse_of_scale(small_model, rng):
    model = small_model("gaussian", scaling=networks.build_scaling(np.full(12, 0.25), np.arange(12.0)))
    x = rng.normal(size=(4, 12)).astype("f4")
    np.testing.assert_allclose(model.unscale(model.scale(x)), x, atol=1e-5)
    other = small_model("gaussian", scaling=keras.layers.Activation("tanh"))
    with pytest.raises(InputError, match=r"^scaling: expected keras\.layers\.Rescaling"):
        other.unscale(x)


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


@pytest.mark.parametrize("kind", [networks.Roots, networks.Directions])
def test_what_scales_rows_of_one_length_is_saved_with_the_model(small_model, tmp_path, rng, kind):
    model = small_model("gaussian", scaling=kind(2.0))
    model.save(tmp_path / "model.keras")
    again = load(tmp_path / "model.keras")
    x = rng.uniform(size=(5, 12)).astype("f4")
    np.testing.assert_array_equal(again.scale(x), model.scale(x))
    np.testing.assert_array_equal(again.unscale(x), model.unscale(x))
    x *= 2 / np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(again.unscale(again.scale(x)), x, atol=1e-5)
    np.testing.assert_allclose((np.asarray(again.scale(x)) ** 2).mean(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("scale", "offset", "layer"),
    [(1, 0, False), (2.0, 0, True), (1, 0.5, True), (np.array([1, 2]), 0, True), (1, np.array([0, 1]), True)],
)
def test_rows_that_are_raw_have_no_layer_of_scaling(scale, offset, layer, half_precision):
    found = networks.build_scaling(scale, offset)
    assert (found is not None) == layer
    if layer:
        x = np.array([[3.0, 1001.0]], np.float32)
        answer = found(x)
        assert answer.dtype == "float32"
        np.testing.assert_allclose(answer, x * scale + offset)


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


def test_what_leaves_a_network_is_float32_under_a_global_policy(half_precision):
    assert {t.dtype for t in networks.build_encoder(6, 2, (4,)).outputs} == {"float32"}
    assert networks.build_decoder(6, 2, (4,)).output.dtype == "float32"


def test_no_two_layers_start_with_the_same_weights():
    nets = networks.build_encoder(8, 8, (8, 8)), networks.build_decoder(8, 8, (8, 8))
    kernels = [layer.kernel.numpy() for net in nets for layer in net.layers if hasattr(layer, "kernel")]
    assert len(kernels) == 7
    for one, other in itertools.combinations(kernels, 2):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.6


def test_kernels_start_uniform_as_glorot_and_bengio_have_them():
    encoder = networks.build_encoder(300, 10, (100,))
    limit = np.sqrt(6 / (300 + 100))
    kernel = encoder.get_layer("encoder_0").kernel.numpy()
    assert 0.99 * limit < np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
    head = encoder.get_layer("z_log_var").kernel.numpy()
    assert 0.9 * 0.1 < np.abs(head).max() / np.sqrt(6 / (100 + 10)) <= 0.1


def test_shapes_are_those_of_the_weights():
    asked = {"n_features": 7, "latent_dim": 3, "hidden": (5, 4)}
    nets = networks.build_encoder(**asked), networks.build_decoder(**asked)
    assert networks.shapes(7, 3, (5, 4)) == [weight.shape for net in nets for weight in net.get_weights()]


def test_an_encoder_of_any_length_is_refused():
    x = keras.Input((None, 3))
    m = keras.layers.GlobalAveragePooling1D()(x)
    with pytest.raises(InputError, match="encoder: expected a fixed number of values"):
        networks.check(keras.Model(x, [m, m]), networks.build_decoder(6, 3, (4,)))


def test_networks_that_hold_nan_are_refused():
    encoder, decoder = networks.build_encoder(6, 2, (4,)), networks.build_decoder(6, 2, (4,))
    decoder.layers[1].bias.assign(np.full(4, np.nan))
    with pytest.raises(InputError, match="decoder: expected finite weights"):
        networks.check(encoder, decoder)


@pytest.mark.parametrize(("deviation", "white"), [(51.0, 5.0), (2.0, 10.0)])
def test_white_is_at_most_ten_in_gaussian_units(deviation, white):
    """Of bytes that are nearly all black: their deviation says how rare the ink is, and not how bright."""
    images = SimpleNamespace(
        standardise=False, image_shape=(1, 2), factor=1 / 255, offset=0.0,
        moments=lambda: (np.zeros(2), np.full(2, deviation)),
    )  # fmt: skip
    scale, offset = likelihoods.get("gaussian").units(images)
    assert (255 * scale, offset) == (pytest.approx(white), 0)
