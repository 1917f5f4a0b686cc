"""Images as rows: what is black and white in them, whether flattened ones are known, and what lies outside."""

import dataclasses

import numpy as np
import pandas
import pytest
import scipy.ndimage
import scipy.sparse
from sklearn.preprocessing import normalize

from vade_tf.data import checks, dataset, joint
from vade_tf.data.files import load_file
from vade_tf.data.observing import observe
from vade_tf.errors import InputError
from vade_tf.model import choice
from vade_tf.training import given
from vade_tf.training.fitting import begin
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import Settings


@pytest.mark.parametrize(
    ("high", "unit"), [(16, 16), (15, 15), (255, 255), (200, 255), (100, 127), (3, 3), (2, 2), (1, 1)]
)
@pytest.mark.parametrize("kind", ["f4", "f8", "i8", "u2"])
def test_images_of_whole_numbers_are_grey_whatever_their_type(rng, high, unit, kind):
    """Standardised pixel by pixel, the border of a digit would be hundreds of deviations away."""
    x = rng.integers(0, high + 1, (40, 4, 5))
    x[0, 0, 0] = high
    data = observe(x.astype(kind))
    found = choice.choose(data)
    assert (found.name, found.units(data)) == ("bernoulli", (1 / unit, 0.0))
    np.testing.assert_array_equal(data.x, x.reshape(40, 20))
    gaussian = observe(x.astype(kind), "gaussian")
    scale, offset = choice.choose(gaussian).units(gaussian)  # a Gaussian has one as well, that of their spread
    assert offset == 0
    assert (scale * x.reshape(40, 20)).var(axis=0).mean() == pytest.approx(1)


@pytest.mark.parametrize(
    ("form", "black", "white"),
    [
        (lambda x: 2 * x - 1, -1, 1),
        (lambda x: 0.01 * x, 0, 2**-6),
        (lambda x: np.round(16 * x).astype("u1"), 0, 16),
        (lambda x: (x - 0.1307) / 0.3081, -0.1307 / 0.3081, 0.8693 / 0.3081),
        (lambda x: -x, -1, 0),
        (lambda x: 2.5 * x, 0, 3),
        (lambda x: 1.5 * x, 0, 2),
        (lambda x: 254.3 * x, 0, 255),
        (lambda x: np.round(3000 * x), 0, 4095),
        (lambda x: np.round(65535 * x).astype("u2"), 0, 65535),
    ],
)
def test_images_of_any_range_are_grey_values(rng, form, black, white):
    """Standardised pixel by pixel, the border of a digit would be hundreds of deviations away."""
    grey = rng.random((40, 4, 5))
    grey[0, 0, :2] = 0, 1
    data = observe(form(grey))
    found = choice.choose(data)
    model = given.build_model(data, choice.choose(data), Settings(clusters=2).resolve(40, 20), "float32")
    ends = np.outer([black, white], np.ones(20)).astype("f4")
    np.testing.assert_allclose(model.scale(ends), [[0] * 20, [1] * 20], atol=1e-6)
    np.testing.assert_allclose(model.unscale(model.scale(ends)), ends, rtol=1e-5, atol=1e-5 * (white - black))
    assert (found.name, data.ends) == ("bernoulli", pytest.approx((black, white), abs=1e-6))
    rows = observe(form(grey).reshape(40, 20))  # no images
    assert rows.grey == ((1 / 16, 0.0) if rows.x.dtype == "u1" else (1.0, 0.0))


def visits(rng) -> np.ndarray:
    """Twenty measures at twenty visits: what is measured tells more of a number than the visit."""
    person, measure, visit = (rng.normal(size=(80, *form)) for form in ((1, 1), (1, 20), (20, 1)))
    return (0.4 * person + 0.7 * measure + 0.3 * visit + 0.4 * rng.normal(size=(80, 20, 20))).reshape(80, -1)


def scenes(rng, n: int, height: int, width: int) -> np.ndarray:
    """Images in which pixels are like their neighbours, from 0 to 1: [n, height, width]."""
    noise = rng.normal(size=(n, height, width))
    smooth = scipy.ndimage.gaussian_filter(noise, (0, 1, 1), mode="constant")
    return np.clip(0.5 + smooth, 0, 1)


@pytest.mark.parametrize(
    "form",
    [
        lambda x: x,
        lambda x: np.round(255 * x),
        lambda x: np.round(255 * x).astype("u1"),
        lambda x: np.round(16 * x),
        lambda x: 2 * x - 1,
        lambda x: (2 * x - 1).astype("f4"),
        lambda x: (0.1307 - x) / 0.3081,
        lambda x: 99.9 * x,
        lambda x: np.round(65535 * x).astype("u2"),
        lambda x: 2 * (x > 0.5),
    ],
    ids=["fractions", "whole", "bytes", "few greys", "-1 to 1", "single", "inverted", "percent", "words", "two greys"],
)
@pytest.mark.parametrize("side", [8, 13, 20])
def test_square_images_are_known_by_their_pixels(rng, side, form):
    x = form(scenes(rng, 80, side, side).reshape(80, -1))
    assert observe(x).image_shape == (side, side)
    assert observe(x, image_shape=()).image_shape is None
    assert observe(x[:40]).image_shape is None  # too few to tell
    images, rows = observe(x.reshape(80, side, side)), observe(x)
    assert rows == dataclasses.replace(images, x=rows.x, recognised=True)
    np.testing.assert_array_equal(rows.x, images.x)
    table = observe(pandas.DataFrame(x))
    assert (table.image_shape, table.grey) == (images.image_shape, pytest.approx(images.grey))


@pytest.mark.parametrize(
    ("form", "said"),
    [((64,), ["rows are taken for images of 8 x 8 pixels, which they look like"]), ((8, 8), [])],
    ids=["rows", "images"],
)
def test_rows_that_are_taken_for_images_are_told(rng, form, said):
    told: list[str] = []

    class Told(Silent):
        def say(self, text):
            told.append(text)

    begin(scenes(rng, 80, 8, 8).reshape(80, *form), Settings(clusters=2), reporter=Told())
    assert told == said


def test_a_table_of_pixels_is_one_of_images_and_keeps_those_that_are_always_black(rng, tmp_path):
    """As sets of digits are offered: a label, then 784 columns."""
    grey = np.round(255 * scenes(rng, 80, 20, 20))
    grey[:, :2], grey[:, :, :3], grey[0, 0, 0] = 0, 0, 0
    table = pandas.DataFrame(grey.reshape(80, -1).astype(int)).add_prefix("pixel")
    table.insert(0, "label", np.arange(80) % 3)
    table.to_csv(tmp_path / "x.csv", index=False)
    for data in (observe(table.drop(columns="label")), load_file(str(tmp_path / "x.csv"), "label")):
        assert (data.image_shape, data.grey, choice.choose(data).name) == ((20, 20), (1 / 255, 0.0), "bernoulli")
        np.testing.assert_array_equal(data.x, grey.reshape(80, -1))
        np.testing.assert_array_equal(data.schema.decode(data.x), table.drop(columns="label"))
    rows = observe(table.drop(columns="label"), image_shape=())
    assert (rows.image_shape, rows.x.shape[1] < 400) == (None, True)


@pytest.mark.parametrize(
    "form",
    [
        lambda x, rng: x.reshape(80, -1)[:, rng.permutation(400)],  # pixels in another order
        lambda x, rng: x.reshape(80, 10, 40).swapaxes(1, 2).reshape(80, -1),  # images of another shape
        lambda x, rng: np.arctanh(1.96 * x.reshape(80, -1) - 0.98) ** 3,  # in one unit, with few that are far out
        lambda x, rng: scipy.ndimage.gaussian_filter(rng.normal(size=(80, 400)), (0, 12)) + 0.5,  # curves
        lambda x, rng: (rng.random((80, 400)) < 0.5).astype("f4"),
        lambda x, rng: pandas.DataFrame(x.reshape(80, -1)).assign(more=1.5 * np.arange(80)),
        lambda x, rng: pandas.DataFrame(x.reshape(80, -1)).mask(rng.random((80, 400)) < 0.01),
        lambda x, rng: scipy.sparse.csr_array(x.reshape(80, -1)),
        lambda x, rng: np.tile(rng.integers(0, 200, (80, 20)), 20),  # twenty measures, again and again
        lambda x, rng: pandas.DataFrame(np.round(255 * x).reshape(80, -1)).mask(lambda t: t.index.to_series() == 1),
        lambda x, rng: np.round(5 * x).reshape(80, -1),  # ratings
        lambda x, rng: np.round(5 * x).reshape(80, -1) - 3,
        lambda x, rng: np.clip(
            rng.normal(size=(80, 1, 20)).repeat(20, 1) + rng.normal(size=(80, 20, 20)), -1, 1
        ).reshape(80, -1),
        lambda x, rng: np.maximum(rng.normal(size=(80, 400)).cumsum(axis=1), 0) - 1,  # walks, and none below 0
        lambda x, rng: np.tanh(rng.normal(size=(80, 9)) @ rng.normal(size=(9, 400))),  # codes
        lambda x, rng: 0.5 + 0.3 * np.sin(np.arange(400) * 2 * np.pi / 20 + rng.uniform(0, 6, (80, 1))),  # seasons
        lambda x, rng: visits(rng) - visits(rng).min(),
        lambda x, rng: normalize(np.round(16 * x).reshape(80, -1)),  # rows of one length
        lambda x, rng: 0.45 + 0.1 * x.reshape(80, -1),  # of little contrast
        lambda x, rng: np.zeros((80, 400)),
    ],
)
def test_other_rows_are_no_images(rng, form):
    assert observe(form(scenes(rng, 80, 20, 20), rng)).image_shape is None


@pytest.mark.parametrize("form", [np.asarray, pandas.DataFrame], ids=["array", "table"])
@pytest.mark.parametrize("kind", ["i8", "f8", "u1"])
def test_flattened_images_are_grey_values_whatever_their_type(rng, kind, form):
    """As those who offer MNIST in one table have them."""
    x = 255 * (rng.random((80, 70)) < rng.uniform(0.1, 0.6, 70))
    x[:, ::2] = rng.integers(0, 256, (80, 35)) * (rng.random((80, 35)) < 0.4)
    data = observe(form(x.astype(kind)))
    found = choice.choose(data)
    assert (found.name, found.units(data)) == ("bernoulli", (1 / 255, 0.0))
    asked = observe(form(x.astype(kind)), "gaussian")
    scale, offset = choice.choose(asked).units(asked)
    np.testing.assert_allclose((asked.x * scale + offset).std(axis=0), 1, atol=1e-4)


@pytest.mark.parametrize(
    "form",
    [
        lambda x: x[:, :60],  # few
        lambda x: 100 + 0.05 * x // 1,  # of little contrast
        lambda x: np.where(x == 255, 254, x),
        lambda x: np.where(x == 255, 255, x + 0.5 * (x > 0)),
    ],
)
def test_other_whole_numbers_are_no_pixels(rng, form):
    data = observe(form(rng.integers(0, 256, (80, 70)) * (rng.random((80, 70)) < 0.5)).astype("f8"))
    assert choice.choose(data).name == "gaussian"


@pytest.mark.parametrize(
    ("form", "ends"),
    [
        (lambda x: x + 1000, (1000, np.inf)),
        (
            lambda x: np.where(np.arange(20).reshape(4, 5) + 100 * np.arange(40)[:, None, None] == 7, 0.08, x / 1000),
            (0, 1),
        ),
        (
            lambda x: np.where(np.arange(20).reshape(4, 5) + 100 * np.arange(40)[:, None, None] == 7, 1e4, x),
            (0, np.inf),
        ),
    ],
)
def test_images_of_little_contrast_are_standardised(rng, form, ends):
    """Where everything but a hot pixel has nearly one grey, a scale from black to white says nothing.

    The light of photos is counted from their least value then: from 0 thermal images would leave their range.
    """
    data = observe(form(rng.random((40, 4, 5))))
    assert (choice.choose(data).name, data.ends) == ("gaussian", pytest.approx(ends, abs=1))
    assert np.ndim(choice.choose(data).units(data)[0]) == 1


@pytest.mark.parametrize(("ink", "paper"), [(255, 0), (0, 255), (200, 30)])
@pytest.mark.parametrize("kind", ["u1", "f4"])
def test_outside_of_images_is_what_most_have_at_their_edges(rng, ink, paper, kind):
    x = np.full((41, 8, 9), paper, kind)
    x[:, 2:6, 3:7] = ink
    x[:12, 0] = ink  # some touch it
    data = observe(x)
    assert data.paper == paper
    fitting = begin(data, Settings(clusters=2, augment="digits"), reporter=Silent())
    views = np.concatenate([view for view, _ in fitting.batches("fit", range(1), augmentation=fitting.seen("fit"))])
    corners = views.reshape(-1, 8, 9)[:, -1, [0, -1]]
    np.testing.assert_allclose(corners.astype(float), paper, atol=1e-4)


def test_outside_of_images_in_colour_is_the_colour_at_their_edges(rng):
    """Red has a median of its own: that of all channels would be a grey that no image has."""
    x = np.tile(np.array([250, 20, 20], "u1"), (60, 8, 8, 1))
    x[:, 3:5, 3:5] = rng.integers(0, 256, (60, 2, 2, 3))
    fitting = begin(observe(x), Settings(clusters=2, augment="digits"), reporter=Silent())
    views = np.concatenate([view for view, _ in fitting.batches("fit", range(1), augmentation=fitting.seen("fit"))])
    corners = views.reshape(-1, 8, 8, 3)[:, [0, 0, -1, -1], [0, -1, 0, -1]].reshape(-1, 3)
    np.testing.assert_array_equal(np.unique(corners, axis=0), [[250, 20, 20]])


@pytest.mark.parametrize(
    ("trained", "new", "fits"),
    [
        ((-1, 1), (-1.3, 1.2), True),
        ((-1, 1), (0, 1), True),
        ((-1, 1), (0, 255), False),
        ((0, 3000), (0, 4500), True),
        ((0, 3000), (0, 65535), False),
        ((0, 1), (0, 1.6), False),
        ((0, 255), (0, 300), False),
        ((0, 255), (0, 1), False),
        ((0, 1000), (0, 1), False),
        ((0, 16), (0, 22), True),
        ((0, 16), (0, 48), False),
        ((0, 16), (0, 1), False),
    ],
)
def test_new_images_may_be_a_little_brighter_where_white_is_not_known(rng, trained, new, fits):
    low, high = trained
    grey = rng.random((40, 4, 5))
    grey[0, 0, :2] = 0, 1
    data = observe(low + (high - low) * grey)
    model = given.build_model(data, choice.choose(data), Settings(clusters=2).resolve(40, 20), "float32")
    rows = (new[0] + (new[1] - new[0]) * grey).reshape(40, 20).astype("f4")
    if fits:
        choice.check_units(model, rows)
    else:
        with pytest.raises(InputError, match="expected values from"):
            choice.check_units(model, rows)


def test_bytes_are_no_images_of_sixteen_bits(rng):
    """Their white is a sixteenth of what is white there."""
    images = rng.integers(0, 4096, (40, 4, 5), dtype="u2")
    images[0, 0, :2] = 0, 4095
    data = observe(images)
    model = given.build_model(data, choice.choose(data), Settings(clusters=2).resolve(40, 20), "float32")
    choice.check_units(model, images.reshape(40, 20))
    with pytest.raises(InputError, match="^x: expected values from 0 to 4095, as the model was trained on, got uint8"):
        choice.check_units(model, (images // 16).astype("u1").reshape(40, 20))


def test_series_of_several_units_are_no_images(rng):
    """Sensors: a pixel that is moved by one would read Pascal for degrees."""
    offsets = np.array([0.0, 20.0, 101_300.0, 5.0, -3.0])
    series = offsets + rng.normal(size=(60, 40, 5)) * [1, 1, 50, 1, 1]
    assert observe(series).image_shape is None
    assert observe(series).likelihood == "gaussian"
    assert observe(series, image_shape=(40, 5)).image_shape == (40, 5)  # whoever says so is believed
    steps = (np.array([0, 20, 31, 5, 3]) + rng.integers(0, 2, (100, 40, 5)) % 32).clip(0, 31).astype("u1")
    assert (observe(steps).image_shape, choice.choose(observe(steps)).name) == (None, "gaussian")
    hot = rng.uniform(size=(60, 12, 12))
    hot[:, 3, 4] = 1e5
    assert observe(hot).image_shape == (12, 12)


@pytest.mark.parametrize(("form", "shape"), [
    ((50, 3), None), ((3, 50), None), ((8, 2), None), ((3, 3), (3, 3)), ((8, 3), (8, 3)), ((12, 4), (12, 4)),
    ((50, 4), (50, 4)), ((50, 3, 3), (50, 3, 3)),
])  # fmt: skip
def test_a_few_numbers_at_each_of_many_times_are_no_image(rng, form, shape):
    assert observe(rng.uniform(size=(20, *form))).image_shape == shape


# What is seen of images is seen on some of all of them, whatever stands first.


def test_the_contrast_of_images_is_not_that_of_the_first(rng, monkeypatch):
    monkeypatch.setattr(checks, "SEEN_IMAGES", 60)
    x = rng.integers(0, 17, (300, 4, 5)).astype("f4")
    x[:60] = 8
    assert [choice.choose(observe(images)).name for images in (x, x[::-1])] == ["bernoulli"] * 2


def test_units_of_series_are_not_those_of_the_first(rng, monkeypatch):
    monkeypatch.setattr(checks, "SEEN_IMAGES", 30)
    series = rng.normal(size=(900, 40, 5))
    series[30:] += [0, 20, 101_300, 5, -3]
    assert [observe(rows).image_shape for rows in (series, series[::-1])] == [None] * 2


def test_a_table_of_images_is_known_where_the_first_are_blank(rng, monkeypatch):
    monkeypatch.setattr(joint, "SEEN_IMAGES", 60)
    x = scenes(rng, 300, 8, 8).reshape(300, 64)
    x[:, :3] = x[:60] = 0  # three pixels are always black
    assert [observe(pandas.DataFrame(rows)).image_shape for rows in (x, x[::-1])] == [(8, 8)] * 2


def test_outside_of_images_is_not_what_the_first_have_at_their_edges(monkeypatch):
    monkeypatch.setattr(dataset, "EDGES", 20)
    x = np.zeros((200, 6, 7), "u1")
    x[:, 2:4, 2:5] = 255
    x[:20] = 200
    assert [observe(images).paper for images in (x, x[::-1])] == [0, 0]


@pytest.mark.parametrize(("white", "shape"), [(15, (8, 8)), (14, None)])
def test_whole_numbers_of_sixteen_levels_may_be_images(rng, white, shape):
    """Of four bits; marks have fewer."""
    x = np.round(white * scenes(rng, 80, 8, 8)).reshape(80, -1)
    assert observe(x).image_shape == shape


def test_rows_whose_neighbours_are_hardly_alike_are_no_images_whatever_lies_half_a_side_away(rng):
    """A slow wave in noise: neighbours correlate by 0.17, numbers half a side away by less than 0."""
    turns = 0.7 * np.tile(np.arange(16) / 16, 16)
    wave = np.sqrt(2) * np.cos(2 * np.pi * (turns + rng.random((2000, 1))))
    rows = np.sqrt(0.17) * wave + np.sqrt(0.83) * rng.normal(size=(2000, 256))
    assert observe(np.clip(rows, -3, 3)).image_shape is None


def test_a_faint_border_that_flickers_is_one_of_images(rng):
    """As a scanner leaves it: the end of a line is like the begin of the next, but hardly varies."""
    x = scenes(rng, 80, 12, 12)
    x[:, :, [0, -1]] = 0.05 * rng.random((80, 1, 1))
    assert observe(x.reshape(80, -1)).image_shape == (12, 12)


def test_images_in_rows_are_known_whatever_the_first_are(rng, monkeypatch):
    monkeypatch.setattr(checks, "SEEN_IMAGES", 60)
    x = scenes(rng, 300, 8, 8).reshape(300, 64)
    x[:60] = 0
    assert [observe(rows).image_shape for rows in (x, x[::-1])] == [(8, 8)] * 2
