"""Rows of arrays, checked: what is refused, what they are scaled by, which are images or of one length; labels."""

import numpy as np
import pandas
import pytest
import scipy.sparse
from small_files import chosen, taken

from vade_tf.data import dataset, observations
from vade_tf.data.dataset import Dataset, Observations
from vade_tf.data.observations import build, common_length, grey_units, observe
from vade_tf.data.rows import SparseRows
from vade_tf.errors import InputError

FORMS = pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array], ids=["dense", "sparse"])


def units(rows, likelihood="auto"):
    """(likelihood, scale, offset) that a model of these rows gets."""
    found = chosen(rows, likelihood)
    return found.name, *found.units(rows)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array([[1.0, 2.0], [3.0, np.nan]]), "got NaN at row 1, column 1"),
        (np.array([[1.0, np.inf]]), "got inf at row 0, column 1"),
        (np.array([[1e35, 1.0]]), "got 1e.35 at row 0"),
        (scipy.sparse.csr_array([[0.0, 1.0], [np.nan, 0.0]]), "got NaN at row 1, column 0"),
        (np.ma.masked_array(np.ones((2, 2)), [[0, 1], [0, 0]]), "expected rows without masked cells"),
        (np.zeros(5), r"expected a matrix .* got shape \(5,\)"),
        (np.zeros((0, 5)), r"got shape \(0, 5\)"),
        (np.array([["a", "b"]]), "expected numbers, got <U1"),
        (np.zeros((6, 3, 32, 32)), r"expected images .* of 1 or 3 channels.*give x.transpose\(0, 2, 3, 1\)"),
        (np.zeros((6, 2, 3, 4, 3)), r"got shape \(6, 2, 3, 4, 3\)"),
    ],
)
def test_rows_that_cannot_be_used(x, message):
    with pytest.raises(InputError, match=message):
        observe(x)


def test_rows_are_the_images_that_they_are_said_to_be(rng):
    assert observe(rng.random((6, 60)), image_shape=[4, 5, 3]).image_shape == (4, 5, 3)
    assert observe(pandas.DataFrame(rng.random((6, 20))), image_shape=(4, 5, 1)).image_shape == (4, 5)
    for wrong in ((4, 4), (2, 5, 2), (20,), "4x5"):
        with pytest.raises(InputError, match=r"image_shape: expected \(height, width\) or .* got"):
            observe(rng.random((6, 20)), image_shape=wrong)
    with pytest.raises(InputError, match=r"image_shape: .* of images of shape \(4, 5\), got \(5, 4\)"):
        observe(rng.random((6, 4, 5)), image_shape=(5, 4))


@FORMS
@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_scales_and_constant_columns_are_evened_out(rng, factor, form):
    x = np.stack([factor * (5 + rng.normal(size=1000)), np.full(1000, 7.3 * factor)], axis=1)
    rows = taken(form(x), "gaussian")
    _, scale, offset = units(rows, "gaussian")
    scaled = rows.x[:] * scale + offset
    np.testing.assert_allclose(scaled.std(axis=0), [1, 0], atol=1e-3)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-3)


@pytest.mark.parametrize("holes", [False, True])
def test_moments_of_many_rows_are_those_of_few(rng, monkeypatch, holes):
    x = rng.normal(3, [1e-2, 1, 50], (300, 3)).astype("f4")
    frame = pandas.DataFrame(x).mask(rng.random((300, 3)) < 0.2) if holes else x
    few = observe(frame)
    expected, known = few.moments(), few.x.astype("f8")
    np.testing.assert_allclose(expected, [np.nanmean(known, 0), np.nanstd(known, 0)], rtol=1e-9)
    monkeypatch.setattr(dataset, "MAX_ROWS_AT_ONCE", 100)
    monkeypatch.setattr(dataset, "MAX_ROWS_READ", 64)
    np.testing.assert_allclose(observe(frame).moments(), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("dtype", "high", "white"),
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
def test_white_is_the_next_power_of_two_or_one_before(dtype, high, white):
    assert grey_units(np.zeros((1, 1), dtype), 0, high) == (1 / white, 0)


@pytest.mark.parametrize(
    ("form", "black", "white"),
    [
        (lambda x: 2 * x - 1, -1, 1),
        (lambda x: (x - 0.1307) / 0.3081, -0.1307 / 0.3081, 0.8693 / 0.3081),
        (lambda x: -x, -1, 0),
        (lambda x: np.round(16 * x), 0, 16),
        (lambda x: np.round(255 * x).astype("u1"), 0, 255),
        (lambda x: np.round(65535 * x).astype("u2"), 0, 65535),
    ],
)
def test_images_of_any_range_are_grey_values(rng, form, black, white):
    """Standardised pixel by pixel, the border of a digit would be hundreds of deviations away."""
    grey = rng.random((40, 4, 5))
    grey[0, 0, :2] = 0, 1
    rows = observe(form(grey))
    scale, offset = rows.grey
    np.testing.assert_allclose(scale * np.array([black, white]) + offset, [0, 1], atol=1e-6)
    assert chosen(rows).name == "bernoulli"
    likelihood = chosen(rows, "gaussian")
    scale, offset = likelihood.units(rows)
    assert likelihood.shared
    assert (rows.x.astype("f8") * scale).var(axis=0).mean() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("paper", [[0], [255], [250, 20, 20]])
def test_outside_of_images_is_what_most_have_at_their_edges(monkeypatch, paper):
    x = np.tile(np.array(paper, "u1"), (200, 8, 9, 1))
    x[:, 2:6, 3:7] = 120
    x[:20] = 77  # the first are others
    for images in (x, x[::-1]):
        monkeypatch.setattr(dataset, "MAX_IMAGES_SAMPLED", 20)
        assert observe(images).background.tolist() == paper


@FORMS
@pytest.mark.parametrize(("shorter", "length"), [(0.8e-3, 1.0), (1.2e-3, 0.0)])
def test_rows_are_as_long_as_one_another_to_a_thousandth(shorter, length, form, monkeypatch):
    monkeypatch.setattr(observations, "MAX_ROWS_READ", 4)
    x = np.eye(8)
    x[6] *= 1 - shorter
    rows = form(x)
    assert common_length(SparseRows(rows) if scipy.sparse.issparse(rows) else rows) == length


@FORMS
@pytest.mark.parametrize(("zeros", "texts"), [(0.4, False), (0.6, True)])
def test_rows_of_one_length_are_texts_where_most_numbers_are_zero(rng, zeros, texts, form):
    """A text has few of all words; what a network computes with rectified units has no number below 0 either."""
    x = rng.uniform(0.2, 1, (200, 30)) * (rng.random((200, 30)) > zeros)
    x[:, 0] = 0.2
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    rows = observe(form(x.astype("f4")))
    assert (rows.length, rows.standardise) == (pytest.approx(1), False)
    assert (rows.kind == "texts") == (texts or rows.is_sparse)
    np.testing.assert_allclose(((rows.factor * rows.x[:]) ** 2).mean(), 1, rtol=1e-4)


@pytest.mark.parametrize("kind", ["i8", "f8", "U9", "S9"])
def test_labels_are_numbered_by_size_whatever_holds_them(kind):
    labels = np.array([10, 2, 1, 10, 11, 9]).astype(kind)
    for y in (labels, labels[:, None]):
        np.testing.assert_array_equal(build(np.eye(6), y, "rows", "rows").y, [3, 1, 0, 3, 4, 2])


def test_observations_are_the_rows_without_labels_name_and_source(rng):
    data = build(rng.normal(size=(9, 2)), np.arange(9), "x", "x.npy", "gaussian", standardise=False)
    seen = data.observations()
    assert (type(data), type(seen)) == (Dataset, Observations)
    assert seen.x is data.x
    assert not {"y", "name", "source", "notice"} & set(vars(seen))
    np.testing.assert_array_equal(seen.part(np.array([1, 5])).x, data.x[[1, 5]])


def test_a_part_is_scaled_by_its_own_moments_and_keeps_the_likelihood_of_the_whole(rng):
    """What training reads is what training is scaled by; a part without its extremes does not become another kind."""
    x = rng.normal(size=(400, 3)).astype("f4") * [1, 10, 100]
    part = observe(x).part(rng.permutation(400)[:50])
    _, scale, offset = units(part)
    np.testing.assert_allclose((part.x * scale + offset).mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose((part.x * scale + offset).std(axis=0), 1, atol=1e-4)
    grey = observe(np.concatenate([np.full((1, 4), -1), rng.uniform(size=(99, 4))]))
    assert {units(grey.part(np.arange(n, n + 50)))[0] for n in (0, 50)} == {"gaussian"}
