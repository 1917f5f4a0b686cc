"""What rows say of their units: the scale of grey values, whether they have one length, and where that says nothing."""

import warnings

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from test_units import model_of

from vade_tf import VaDEClusterer
from vade_tf.data import checks, greys
from vade_tf.data.observing import observe
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import UnitsWarning
from vade_tf.model import choice
from vade_tf.model.likelihood import Gaussian
from vade_tf.model.networks import Directions, Roots
from vade_tf.serving.export import export
from vade_tf.training import build
from vade_tf.training.fitting import begin
from vade_tf.training.settings import Settings


@pytest.mark.parametrize(
    ("kind", "high", "white"),
    [
        ("f4", 0.09, 0.125),  # nearly black: a scale of its own
        ("f4", 0.11, 1),
        ("f4", 1.0, 1),
        ("f4", 1.5, 2),
        ("f4", 16, 16),
        ("f4", 200, 255),
        ("f4", 255, 255),
        ("u2", 4000, 4095),
        ("u1", 32, 32),
        ("u1", 33, 1),  # bytes, which are from 0 to 255
    ],
)
def test_white_is_the_next_power_of_two_or_one_before(kind, high, white):
    assert greys.grey_units(np.zeros((1, 1), kind), 0, high) == (1 / white, 0)


@pytest.mark.parametrize(("shorter", "length"), [(0.8e-3, 1.0), (1.2e-3, 0.0)])
def test_rows_are_as_long_as_one_another_to_a_thousandth(shorter, length):
    x = np.eye(8)
    x[3] *= 1 - shorter
    assert checks.common_length(x) == length


@pytest.mark.parametrize(("variance", "length"), [(0.012, 1.0), (0.008, 0.0)])
def test_rows_of_which_the_mean_is_all_but_a_hundredth_have_no_length(variance, length):
    x = np.sqrt(variance) * np.concatenate([np.eye(9)[1:], -np.eye(9)[1:]])
    x[:, 0] = np.sqrt(1 - variance)
    assert checks.common_length(x) == pytest.approx(length)


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_a_column_that_counts_as_constant_though_it_varies_is_named(rng, kind):
    """The likelihood divides it by 1, though it is a copy of another column, but for a factor."""
    x = rng.normal(size=(60, 1)) * np.array([1, 1e-29, 1e-31])
    x = np.c_[x, np.full(60, 1e-31)].astype(kind)  # a constant is not named
    scale = Gaussian().units(observe(x, "gaussian"))[0]
    assert scale[0] / scale[1] == pytest.approx(1e-29, rel=1e-3)
    assert scale[2] == 1
    with pytest.warns(UnitsWarning, match="^x: column 2 varies by .*e-3[12] .* counts as constant; multiply it"):
        checks.check_apart(x, "x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checks.check_apart(x[:, [0, 1, 3]], "x")
        checks.check_apart(x * np.array([1, 1, 1e9, 1], kind), "x")


@pytest.mark.parametrize("kind", ["u1", "f4"])
@pytest.mark.parametrize("high", [16, 255])
def test_sparse_rows_have_the_units_of_their_dense_copy(rng, kind, high):
    x = (high * rng.random((60, 80)) ** 4).astype(kind).round()
    x[0, 0], x[:, 1] = high, 0
    dense, sparse = observe(x, image_shape=()), observe(scipy.sparse.csr_array(x), image_shape=())
    assert sparse.grey == dense.grey
    assert choice.choose(sparse).name == "counts"


@pytest.mark.parametrize("asked", ["auto", "gaussian"])
def test_directions_share_one_variance_also_where_they_are_below_zero(rng, asked):
    x = rng.normal(size=(60, 40))
    rows = observe(x / np.linalg.norm(x, axis=1, keepdims=True), asked)
    found = choice.choose(rows)
    assert (found.name, found.shared) == ("gaussian", True)


@pytest.mark.parametrize("form", [lambda x: x, lambda x: np.round(255 * x).astype("u1"), lambda x: 200 * x - 100])
def test_images_that_are_asked_to_be_gaussian_are_grey_values_on_any_scale(rng, form):
    """Divided by a pixel's own spread, a drawing that is moved would lie far out at its border."""
    x = rng.random((40, 4, 5)) ** 4
    x[0], x[1] = 0, 1
    rows = observe(form(x), "gaussian")
    found = choice.choose(rows)
    scale, offset = found.units(rows)
    units = rows.x.astype("f8") * scale + offset
    np.testing.assert_allclose(units, x.reshape(40, -1) / np.sqrt(x.reshape(40, -1).var(axis=0).mean()), atol=0.02)
    assert units.var(axis=0).mean() == pytest.approx(1, rel=1e-5)
    assert found.shared


def test_a_likelihood_that_is_asked_for_afterwards_has_the_same_units(rng):
    for x in (rng.integers(0, 256, (40, 4, 5)).astype("u1"), rng.random((40, 4, 5)), rng.random((40, 6))):
        for name in ("gaussian", "bernoulli"):
            first, later = observe(x, name), greys.asked(observe(x), name)
            assert (later.standardise, later.factor, later.likelihood) == (first.standardise, first.factor, name)


@pytest.mark.parametrize("form", [np.asarray, lambda x: SparseRows(scipy.sparse.csr_array(x))], ids=["dense", "sparse"])
def test_rows_have_one_length_where_all_blocks_have_the_same(monkeypatch, form):
    monkeypatch.setattr(checks, "CHECK_ROWS", 4)
    x = np.eye(8)
    assert checks.common_length(form(x)) == 1
    x[4:] *= 2
    assert checks.common_length(form(x)) == 0


def test_a_model_of_embeddings_is_exported_kept_and_samples_rows_of_their_length(rng, tmp_path):
    """And takes its own samples for such rows."""
    x = rng.normal(size=(3, 20))[np.arange(120) % 3] + 0.3 * rng.normal(size=(120, 20))
    x = (2 * x / np.linalg.norm(x, axis=1, keepdims=True)).astype("f4")
    fitted = VaDEClusterer(
        3, hidden=(16,), epochs=1, pretrain_epochs=1, init="kmeans", random_state=0, precision="float32"
    ).fit(x)
    fitted.save(tmp_path / "x.vade")
    again = VaDEClusterer.load(tmp_path / "x.vade")
    np.testing.assert_array_equal(again.predict_proba(x), fitted.predict_proba(x))
    export(fitted.model_, tmp_path / "export")
    served = tf.saved_model.load(tmp_path / "export" / "1").signatures["serving_default"](tf.constant(x))
    assert any(
        np.allclose(answer, fitted.predict_proba(x), atol=1e-4) for answer in served.values() if answer.ndim == 2
    )
    drawn, _ = again.sample(20, random_state=0)
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 2, rtol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnitsWarning)
        again.predict(drawn)


@pytest.mark.parametrize(("zeros", "texts"), [(0.4, False), (0.6, True)])
@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array], ids=["dense", "sparse"])
def test_rows_of_one_length_are_texts_where_most_numbers_are_zero(rng, zeros, texts, form):
    """A text has few of all words; what a network computes with rectified units has no number below 0 either."""
    x = rng.uniform(0.2, 1, (200, 30)) * (rng.random((200, 30)) > zeros)
    x[:, 0] = 0.2
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    rows = observe(form(x.astype("f4")))
    texts = texts or rows.is_sparse
    assert (rows.length, rows.texts, rows.standardise) == (pytest.approx(1), texts, False)
    settings = Settings(clusters=2, hidden=(4,), latent_dim=2, precision="float32", augment="none")
    scaling = begin(rows, settings).model.scaling
    assert type(scaling) is (Roots if texts else Directions)
    np.testing.assert_allclose((np.asarray(scaling(x)) ** 2).mean(), 1, rtol=1e-4)


def test_images_far_brighter_than_white_was_are_warned_of_though_most_of_them_is_black(rng):
    images = np.where(rng.random((60, 4, 5)) < 0.3, rng.uniform(0.5, 1, (60, 4, 5)), 0).astype("f4")
    model, rows = model_of(images, "gaussian"), images.reshape(60, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choice.check_units(model, 2 * rows)
    with pytest.warns(UnitsWarning, match="^x: expected values in the units of the training"):
        choice.check_units(model, 40 * rows)


def test_units_are_compared_on_rows_from_all_of_the_file(rng, monkeypatch):
    x = rng.normal(5, 2, (1000, 4)).astype("f4")
    model = model_of(x)
    monkeypatch.setattr(choice, "MAX_ROWS_SAMPLED", 100)
    x[250:] *= 1000
    with pytest.warns(UnitsWarning, match="^x: expected values in the units of the training"):
        choice.check_units(model, x)


def test_answers_that_rounding_has_left_a_little_above_one_are_answers(rng):
    x = rng.integers(0, 2, (60, 20)).astype("f4")
    for scale, name in ((1 + 5e-6, "bernoulli"), (1.01, "gaussian")):
        assert choice.choose(observe(scale * x)).name == name


def test_images_that_are_mostly_black_are_grey_values(rng):
    """The contrast of pixels that are always black says nothing of the others: here a sixth of them varies."""
    x = np.zeros((60, 12, 12))
    x[:, 4:9, 4:9] = rng.integers(0, 17, (60, 5, 5))
    data = observe(x)
    assert (choice.choose(data).name, data.grey) == ("bernoulli", (1 / 16, 0.0))


def test_white_is_at_most_ten_where_hardly_a_pixel_varies(rng):
    """Of the spread of all pixels alone it would be about forty here, and its squared error all of the loss."""
    x = np.zeros((60, 20, 20), "u1")
    x[:, 7, 8] = 255 * (rng.random(60) < 0.5)
    data = observe(x, "gaussian")
    scale, offset = choice.choose(data).units(data)
    assert (scale * 255, offset) == (pytest.approx(10), 0)


@pytest.mark.parametrize(
    ("white", "kind", "brightest", "number"), [(3, "f4", 1, 40), (1023, "u2", 250, 40), (65535, "u2", 200, 1)]
)
def test_dark_images_of_the_same_camera_are_taken_as_they_are(rng, white, kind, brightest, number):
    """Fractions beside whites of hundreds, and many as dark as bytes beside 16 bits, are in other units."""
    x = rng.uniform(0, white, (40, 4, 5)).astype(kind)
    x[0, 0, :2] = 0, white
    data = observe(x)
    model = build.build_model(data, choice.choose(data), Settings(clusters=2).resolve(40, 20), "float32")
    dark = (x[:number] * (brightest / white)).astype(kind).reshape(number, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choice.check_units(model, dark)
