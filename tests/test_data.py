"""Rows from a person's own files and arrays: what is checked, the units they get, what a person reads when it fails."""

import warnings

import h5py
import numpy as np
import pandas
import pytest
import scipy.sparse
import scipy.stats

from vade_tf import VaDEClusterer
from vade_tf.data import checks, dataset
from vade_tf.data.dataset import Dataset, Observations
from vade_tf.data.files import load_file
from vade_tf.data.observing import build, observe
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import InputError, UnitsWarning
from vade_tf.model import choice
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.rows import load_rows as rows_of
from vade_tf.runs.rows import numbers_of
from vade_tf.training import arguments


def units(data):
    """(likelihood, scale, offset) that a model of these rows gets."""
    found = choice.choose(data)
    return found.name, *found.units(data)


def test_a_masked_cell_is_no_number(rng):
    x = np.ma.masked_array(rng.normal(size=(6, 3)), mask=np.eye(6, 3, dtype=bool))
    x.data[0, 0] = 1e6
    with pytest.raises(InputError, match="^x: expected finite numbers below 1e30, got nan at row 0, column 0"):
        observe(x)
    whole = np.ma.masked_array(rng.normal(size=(6, 3)), mask=False)
    np.testing.assert_array_equal(observe(whole).x, np.asarray(whole, "f4"))


def test_counts_of_a_table_are_counted_as_they_are(rng):
    counts = rng.poisson(4, (50, 6))
    counts[:, 0] = np.where(rng.random(50) < 0.5, 2, 7)  # else it would be an answer of yes and no
    for likelihood in ("counts", "zinb"):
        of_table = observe(pandas.DataFrame(counts).add_prefix("g"), likelihood)
        np.testing.assert_array_equal(of_table.x, counts)
        assert choice.choose(of_table).size == choice.choose(observe(counts, likelihood)).size


def test_own_files_in_every_kind(tmp_path, rng):
    x, y = rng.normal(size=(20, 3)).astype("f4"), np.array(["b", "a"] * 10)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    np.savez(tmp_path / "xy.npz", x=x, y=y)
    lines = ["one,kind,two,three", *(f"{a},{k},{b},{c}" for (a, b, c), k in zip(x, y, strict=True))]
    (tmp_path / "x.csv").write_text("\n".join(lines))
    for file, labels in (("x.npy", str(tmp_path / "y.npy")), ("xy.npz", None), ("x.csv", "kind")):
        data = load_file(str(tmp_path / file), labels)
        np.testing.assert_allclose(data.x, x, rtol=1e-6)
        np.testing.assert_array_equal(data.y, [1, 0] * 10)
        name, scale, offset = units(data)
        assert name == ("mixed" if file == "x.csv" else "gaussian")
        scaled = data.x * scale + offset
        np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-4)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[1.0, 2.0], [3.0, np.nan]]), "got nan at row 1, column 1"),
        (np.array([[1.0, np.inf]]), "got inf at row 0, column 1"),
        (np.array([[1e35, 1.0]]), "got 1e.35 at row 0"),
        (np.zeros(5), r"expected a matrix .* got shape \(5,\)"),
        (np.zeros((0, 5)), r"got shape \(0, 5\)"),
        (np.array([["a", "b"]]), "expected numbers, got <U1"),
    ],
)
def test_rows_that_cannot_be_used(array, message):
    with pytest.raises(InputError, match=message):
        build(array, None, "x", "x.npy")


def test_more_that_cannot_be_used(tmp_path):
    good = np.ones((4, 2), "f4")
    np.save(tmp_path / "x.npy", good)
    file = str(tmp_path / "x.npy")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-9])
    np.savez(tmp_path / "xy.npz", a=good, b=good)
    for path, labels, message in (
        ("x.mat", None, "expected a file ending in .npy, .npz, .h5, .* or a folder of images, got x.mat"),
        (str(tmp_path / "none.npy"), None, "expected an existing file"),
        (str(tmp_path / "cut.npy"), None, "cannot be read as .npy"),
        (file, "missing.npy", "labels: expected an existing .npy file"),
        (str(tmp_path / "xy.npz"), None, 'expected an array "x"'),
    ):
        with pytest.raises(InputError, match=message):
            load_file(path, labels)
    with pytest.raises(InputError, match=r"one label a row, got labels of shape \(3,\) for 4 rows"):
        build(good, [1, 2, 3], "x", "x.npy")
    with pytest.raises(InputError, match=r"likelihood: bernoulli expects values in \[0, 1\] .* from -3 to 1"):
        units(build(good * [1, -3], None, "x", "x.npy", likelihood="bernoulli"))


def test_a_sparse_file_is_the_data_set_of_its_dense_copy(tmp_path, rng):
    dense = np.where(rng.random((50, 6)) < 0.2, rng.normal(3, 1, (50, 6)), 0).astype("f4")
    dense[:, 2] = 0
    np.save(tmp_path / "rows.npy", dense)
    np.save(tmp_path / "y.npy", np.arange(50) % 4)
    for kind in (scipy.sparse.csr_matrix, scipy.sparse.coo_array):
        scipy.sparse.save_npz(tmp_path / "rows.npz", kind(dense))
        one, other = (load_file(str(tmp_path / f"rows.{end}"), str(tmp_path / "y.npy")) for end in ("npz", "npy"))
        assert isinstance(one.x, SparseRows)
        assert one.x.matrix.nnz == np.count_nonzero(dense)
        assert (one.x.dtype, one.low, one.high, one.image_shape) == (np.float32, other.low, other.high, None)
        for mine, theirs in zip(units(one)[1:], units(other)[1:], strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5)
        assert one.fingerprint | {"source": ""} == other.fingerprint | {"source": ""}
        some = np.array([3, 4, 11, 12, 30, 31, 49])
        part, dense_part = one.part(some), other.part(some)
        assert isinstance(part.x, SparseRows)
        np.testing.assert_array_equal(part.x[:], dense_part.x)
        np.testing.assert_array_equal(part.y, dense_part.y)


def test_sparse_rows_are_checked_like_dense_ones():
    rows = scipy.sparse.csr_array(np.array([[0.0, 0.5], [1.0, 0.0], [0.0, 0.0]]))
    assert units(build(rows, None, "x", "x.npz")) == ("bernoulli", 1.0, 0.0)
    assert units(build(-rows, None, "x", "x.npz"))[0] == "gaussian"
    assert units(build((255 * rows).astype("u1"), None, "x", "x.npz"))[0] == "counts"
    assert units(build(rows + rows, None, "x", "x.npz", "gaussian", standardise=False)) == ("gaussian", 1.0, 0.0)
    with pytest.raises(InputError, match=r"in \[0, 1\] .* from 0 to 3"):
        units(build(3 * rows, None, "x", "x.npz", likelihood="bernoulli"))
    with pytest.raises(InputError, match="got nan at row 1, column 0"):
        build(scipy.sparse.csr_array([[0.0, 1.0], [np.nan, 0.0]]), None, "x", "x.npz")


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_scales_and_constant_columns_are_evened_out(rng, factor):
    x = np.stack([factor * (5 + rng.normal(size=1000)), np.full(1000, 7.3 * factor)], axis=1)
    data = build(x, None, "x", "x.npy", likelihood="gaussian")
    _, scale, offset = units(data)
    scaled = data.x * scale + offset
    np.testing.assert_allclose(scaled.std(axis=0), [1, 0], atol=1e-3)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-3)


def test_labels_in_a_column_are_labels_and_a_table_of_them_is_not(rng):
    x, y = rng.normal(size=(6, 3)), np.array([2, 0, 2, 1, 0, 1])
    np.testing.assert_array_equal(build(x, y[:, None], "rows", "rows").y, y)
    for table in (np.eye(3)[y], np.array(4)):
        with pytest.raises(InputError, match="one label a row, got labels of shape"):
            build(x, table, "rows", "rows")


@pytest.mark.parametrize("kind", ["i8", "f4", "U2"])
def test_a_label_below_0_says_that_there_is_none(kind):
    """As in hints; where -1 and 1 are all that there is they are two classes, as in many sets of two."""
    for labels in ([0, 1, -1, 1], [-1, -1, -1, -1], [-1, -1, 0, 0]):
        with pytest.raises(InputError, match=r"^labels: expected no -1 as the only number below 0, got it in row . of"):
            build(np.eye(4), np.array(labels).astype(kind), "rows", "rows")
    np.testing.assert_array_equal(build(np.eye(4), np.array([1, -1, 1, -1]).astype(kind), "r", "r").y, [1, 0, 1, 0])
    np.testing.assert_array_equal(build(np.eye(4), np.array([-1.5, 0, 1, 0]), "rows", "rows").y, [0, 1, 2, 1])
    np.testing.assert_array_equal(build(np.eye(4), np.array([-2, -1, 0, -1]).astype(kind), "r", "r").y, [0, 1, 2, 1])


@pytest.mark.parametrize("kind", ["i8", "f8", "U9", "S9"])
def test_labels_that_are_numbers_are_in_their_order_whatever_holds_them(kind):
    labels = [10, 2, 1, 10, 11, 9]
    np.testing.assert_array_equal(build(np.eye(6), np.array(labels).astype(kind), "rows", "rows").y, [3, 1, 0, 3, 4, 2])


def test_spaces_around_a_label_make_no_class():
    np.testing.assert_array_equal(build(np.eye(4), np.array(["x ", "b", " x", "10"]), "rows", "rows").y, [2, 1, 2, 0])


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_matrix])
def test_bytes_of_zeros_and_ones_are_no_grey_values(form):
    data = build(form(np.eye(4, dtype="u1")), None, "rows", "rows")
    assert (units(data), data.x.dtype) == (("bernoulli", 1.0, 0.0), np.float32)
    np.testing.assert_array_equal(np.asarray(data.x), np.eye(4))
    assert units(build(2 * np.eye(4, dtype="u1"), None, "rows", "rows"))[1] == 1 / 2


def test_limit_is_a_seeded_subset_with_its_labels(rng):
    data = build(np.arange(40.0).reshape(20, 2), np.arange(20), "x", "x.npy")
    five = {"data": "x.npy", "clusters": 2, "limit": 5}
    cut = rows_of(TrainConfig.create(**five, seed=1), data)
    np.testing.assert_array_equal(cut.dataset.x[:, 0] / 2, cut.numbers)
    np.testing.assert_array_equal(cut.dataset.y, cut.numbers)
    assert len(set(cut.numbers)) == 5
    np.testing.assert_array_equal(cut.numbers, rows_of(TrainConfig.create(**five, seed=1), data).numbers)
    assert not np.array_equal(cut.numbers, rows_of(TrainConfig.create(**five, seed=2), data).numbers)
    assert rows_of(TrainConfig.create(**{**five, "limit": 20}), data).dataset is data


def test_a_part_is_standardised_by_its_own_moments_and_keeps_the_likelihood_of_the_whole(rng):
    """What training reads is what training is scaled by; a part without its extremes does not become another kind."""
    x = rng.normal(size=(400, 3)).astype("f4") * [1, 10, 100]
    data = build(x, None, "x", "x.npy")
    some, aside = numbers_of(TrainConfig.create(data="x.npy", clusters=2, held_out=0.25, seed=2), len(x))
    assert (len(some), len(aside), len({*some, *aside})) == (300, 100, 400)
    for part in (data.part(some[:50]), data.part(some), data.part(aside)):
        _, scale, offset = units(part)
        np.testing.assert_allclose((part.x * scale + offset).mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose((part.x * scale + offset).std(axis=0), 1, atol=1e-4)
    grey = np.concatenate([np.full((1, 4), -1), rng.uniform(size=(99, 4))])
    data = build(grey, None, "x", "x.npy")
    assert {units(data.part(np.arange(n, n + 50)))[0] for n in (0, 50)} == {"gaussian"}


def test_images_of_one_or_three_channels_are_images(rng):
    for shape, image_shape in (
        ((6, 4, 5), (4, 5)),
        ((6, 4, 5, 1), (4, 5)),
        ((6, 1, 4, 5), (4, 5)),
        ((6, 4, 5, 3), (4, 5, 3)),
    ):
        x = rng.integers(0, 256, shape).astype("u1")
        data = observe(x)
        np.testing.assert_array_equal(data.x, x.reshape(6, -1))
        assert data.image_shape == image_shape
    assert observe(rng.random((6, 60)), image_shape=[4, 5, 3]).image_shape == (4, 5, 3)
    assert observe(rng.random((6, 20)), image_shape=(4, 5, 1)).image_shape == (4, 5)
    for wrong in ((4, 4), (2, 5, 2), (20,), "4x5"):
        with pytest.raises(InputError, match=r"image_shape: expected \(height, width\), or .* got"):
            observe(rng.random((6, 20)), image_shape=wrong)


def test_colours_in_the_first_axis_are_told(rng):
    with pytest.raises(InputError, match=r"X: expected the colours .* got images of shape \(3, 32, 32\); give"):
        observe(rng.random((6, 3, 32, 32)), argument="X")


def test_observations_are_the_rows_without_labels_name_and_source(rng):
    data = build(rng.normal(size=(9, 2)), np.arange(9), "x", "x.npy", "gaussian", standardise=False)
    seen = data.observations()
    assert (type(data), type(seen)) == (Dataset, Observations)
    assert seen.x is data.x
    assert not {"y", "name", "source", "notice"} & set(vars(seen))
    assert (seen.low, seen.high, seen.standardise) == (data.x.min(), data.x.max(), False)
    np.testing.assert_array_equal(seen.part(np.array([1, 5])).x, data.x[[1, 5]])


def test_k_against_the_rows_and_unknown_names(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(4))
    file = str(tmp_path / "x.npy")
    with pytest.raises(InputError, match="at most the number of rows, 4, got 5"):
        rows_of(TrainConfig.create(data=file, clusters=5))
    with pytest.raises(
        InputError, match="clusters: expected the number of clusters, which data from a file need, got none"
    ):
        rows_of(TrainConfig.create(data=file))
    with pytest.raises(InputError, match="expected one of digits, .*, usps, got 'cifar'"):
        rows_of(TrainConfig.create(dataset="cifar"))
    assert rows_of(TrainConfig.create(dataset="digits", limit=100)).config.clusters == 10


def test_a_likelihood_that_is_asked_for_goes_before_that_of_checked_rows(rng):
    rows = observe(rng.random((60, 9)))
    names = [arguments.as_observations(rows, name).likelihood for name in ("gaussian", "auto")]
    assert names == ["gaussian", rows.likelihood]


@pytest.mark.parametrize("holes", [False, True])
def test_moments_of_many_rows_are_those_of_few(rng, monkeypatch, holes):
    x = rng.normal(3, [1e-2, 1, 50], (300, 3)).astype("f4")
    frame = pandas.DataFrame(x).mask(rng.random((300, 3)) < 0.2) if holes else x
    few = build(frame, None, "x", "here")
    expected, known = few.moments(), few.x.astype("f8")
    np.testing.assert_allclose(expected, [np.nanmean(known, 0), np.nanstd(known, 0)], rtol=1e-9)
    monkeypatch.setattr(dataset, "MANY", 100)
    monkeypatch.setattr(checks, "CHECK_ROWS", 64)
    many = build(frame, None, "x", "here")
    np.testing.assert_allclose(many.moments(), expected, rtol=1e-9)
    assert many.observations().moments() is many.moments()  # they are not counted again


def test_moments_of_wide_rows_are_made_a_few_rows_at_a_time(rng, monkeypatch):
    x = rng.normal(3, 2, (300, 3)).astype("f4")
    data, seen, blocks = observe(x), [], checks.blocks
    monkeypatch.setattr(dataset, "MANY_NUMBERS", 899)
    monkeypatch.setattr(checks, "CHECK_ROWS", 64)
    monkeypatch.setattr(checks, "blocks", lambda rows: (seen.append(len(block)) or block for block in blocks(rows)))
    np.testing.assert_allclose(data.moments(), [x.mean(0, "f8"), x.std(0, "f8")], rtol=1e-9)
    assert (sum(seen), max(seen)) == (2 * 300, 64)  # for the mean, and for the deviations from it


@pytest.mark.parametrize("labels", [np.full(3, -1), np.array([0, np.nan, 1]), np.arange(2)])
def test_labels_that_nobody_asks_for_are_not_looked_at(tmp_path, labels):
    np.savez(tmp_path / "new.npz", x=np.eye(3), y=labels)
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        file["X"], file["Y"], file["genes"] = np.eye(3), labels, ["a", "b", "c"]
    for name in ("new.npz", "cells.h5"):
        assert load_file(str(tmp_path / name), scored=False).y is None
        with pytest.raises(InputError, match="label"):
            load_file(str(tmp_path / name))


@pytest.mark.parametrize("in_file", [False, True])
def test_cells_of_an_array_that_a_table_has_not_seen_are_said(tmp_path, in_file):
    table = pandas.DataFrame({"answer": ["no", "yes"] * 30, "size": np.arange(60.0) % 7})
    schema = observe(table).schema
    np.save(tmp_path / "new.npy", np.array([[0, 1.5], [1, 2.5]]))
    found = load_file(str(tmp_path / "new.npy"), schema=schema, in_file=in_file)
    assert "answer" in found.notice
    assert np.isnan(found.x[:, 0]).all()


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array], ids=["dense", "sparse"])
def test_the_range_of_rows_is_that_of_all_blocks(rng, monkeypatch, form):
    """Neither end is in the last one."""
    monkeypatch.setattr(checks, "CHECK_ROWS", 4)
    x = rng.uniform(0.5, 1, (11, 3))
    x[1, 0], x[6, 1] = -2, 5
    data = observe(form(x))
    assert (data.low, data.high) == (-2, 5)


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array], ids=["dense", "sparse"])
def test_what_is_no_number_is_named_by_its_row_in_any_block(monkeypatch, form):
    monkeypatch.setattr(checks, "CHECK_ROWS", 4)
    x = np.ones((11, 3))
    x[6, 2] = np.nan
    with pytest.raises(InputError, match="^x: expected finite numbers below 1e30, got nan at row 6, column 2 "):
        observe(form(x))


@pytest.mark.parametrize("kind", ["f8", "i8", "i4"])
def test_a_column_that_float32_blurs_is_named(rng, kind, tmp_path, eager):
    """Seconds since 1970 within some minutes: float32 has steps of 128 seconds there."""
    x = np.c_[rng.normal(size=60) * 1e4, rng.normal(size=60) * 100 + 1.7e9].astype(kind)
    np.save(tmp_path / "x.npy", x)
    message = r"column 1 varies by .* beside numbers of 1.7e\+09, which float32"
    for read in (
        lambda: checks.check_apart(x, "x"),
        lambda: load_file(str(tmp_path / "x.npy")),
        lambda: VaDEClusterer(2, pretrain_epochs=1, epochs=1, hidden=(8,), init="kmeans", random_state=0).fit(x),
    ):
        with pytest.warns(UnitsWarning, match=message):
            read()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checks.check_apart(x - np.median(x, axis=0).astype(kind), "x")
        checks.check_apart(np.c_[x[:, 0], np.full(60, 1.7e9) + 1e-6], "x")  # a constant and its rounding
        checks.check_apart(np.where(x > 1e9, np.nan, x), "x")
        load_file(str(tmp_path / "x.npy"), plain=True)  # new rows are not judged by themselves


@pytest.mark.parametrize(("spread", "blurred"), [(3200, False), (1280, True)])
def test_a_column_is_blurred_where_a_step_of_float32_is_a_twentieth_of_its_spread(spread, blurred):
    """Seconds since 1970: its steps are of 128 there."""
    x = 1.7e9 + spread * scipy.stats.zscore(np.arange(60.0))[:, None]
    assert np.spacing(np.float32(x.max())) == 128
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        checks.check_apart(x, "x")
    assert len(told) == blurred


def test_categories_as_ones_among_zeros_are_no_texts(rng):
    """Their rows have one length, as those of words have."""
    one_hot = np.concatenate([np.eye(5)[rng.integers(0, 5, 60)] for _ in range(4)], axis=1)
    for form in (np.asarray, scipy.sparse.csr_array):
        rows = observe(form(one_hot.astype("f4")))
        assert (rows.texts, rows.standardise, choice.choose(rows).name) == (False, True, "bernoulli")
        halves = observe(form((one_hot / 2).astype("f4")))  # of one length, and no answers
        assert (halves.texts, halves.standardise) == (True, False)


def test_the_copy_that_is_made_of_an_array_has_to_fit(monkeypatch):
    monkeypatch.setattr("vade_tf.data.observing.memory", lambda: 12 * 600)
    assert observe(np.arange(600.0).reshape(60, 10)).x.shape == (60, 10)
    monkeypatch.setattr("vade_tf.data.observing.memory", lambda: 12 * 600 - 1)
    assert observe(np.arange(600, dtype="f4").reshape(60, 10)).x.shape == (60, 10)
    with pytest.raises(InputError, match="fit in memory with a copy in float32, got 4,800 bytes of float64"):
        observe(np.arange(600.0).reshape(60, 10))
