"""The data sets known by name, from small files in the true formats, downloaded from a server on this machine."""

import bz2
import gzip
import hashlib
import io
import tarfile
import zipfile

import keras
import numpy as np
import pytest
from loopback import serving

from vade_tf.data import features, public_sets
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import InputError
from vade_tf.model import choice

BODY = bytes(range(256)) * 40
REMOTES = (
    *public_sets.MNIST_FILES,
    *public_sets.FASHION_MNIST_FILES,
    *public_sets.USPS_FILES,
    *public_sets.HHAR_FILES,
    *features.STL10_FILES,
    public_sets.RCV1_TOPICS,
    *public_sets.RCV1_VECTORS,
)


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / "cache"))
    with serving() as served:
        yield served


@pytest.mark.parametrize("remote", REMOTES, ids=lambda remote: remote.name)
def test_every_file_has_a_checksum_of_its_kind(remote):
    kind, _, digest = remote.checksum.partition(":")
    assert len(bytes.fromhex(digest)) == hashlib.new(kind).digest_size


def served(server, monkeypatch, module, constant, bodies):
    """Point a module's list of remote files at bodies of the same names."""
    remotes = tuple(server.remote(file.name, bodies[file.name], limit=file.limit) for file in getattr(module, constant))
    monkeypatch.setattr(module, constant, remotes)


def uci_zip(x, y, nested):
    """UCI's archive of the HAR data: halves of 4 and the rest of the rows; `nested` as on UCI's present site."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        for half, rows in (("train", slice(0, 4)), ("test", slice(4, None))):
            lines = "\n".join("  " + " ".join(f"{v: .7e}" for v in row) for row in x[rows])
            archive.writestr(f"UCI HAR Dataset/{half}/X_{half}.txt", lines + "\n")
            archive.writestr(f"UCI HAR Dataset/{half}/y_{half}.txt", "".join(f"{v}\n" for v in y[rows]))
    if not nested:
        return inner.getvalue()
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("UCI HAR Dataset.zip", inner.getvalue())
        archive.writestr("UCI HAR Dataset.names", "about")
    return outer.getvalue()


@pytest.mark.parametrize("nested", [True, False])
def test_hhar(server, monkeypatch, rng, nested):
    x, y = rng.uniform(-1, 1, (9, 561)), np.array([5, 4, 6, 1, 3, 2, 2, 5, 1])
    served(server, monkeypatch, public_sets, "HHAR_FILES", {public_sets.HHAR_FILES[0].name: uci_zip(x, y, nested)})
    data = public_sets.load_hhar(None)
    np.testing.assert_allclose(data.x, x, atol=1e-6)
    np.testing.assert_array_equal(data.y, y - 1)
    scale, offset = choice.choose(data).units(data)
    assert (data.likelihood, offset, data.x.dtype) == ("gaussian", 0, np.float32)
    assert scale**2 / 2 == pytest.approx(5)  # the authors' loss: 5 (x - x^)^2


def test_hhar_from_the_unpacked_folder_and_from_a_damaged_zip(server, tmp_path, rng):
    archive = uci_zip(rng.uniform(-1, 1, (9, 561)), np.arange(9) % 6 + 1, nested=False)
    zipfile.ZipFile(io.BytesIO(archive)).extractall(tmp_path)
    assert public_sets.load_hhar(str(tmp_path)).x.shape == (9, 561)
    (tmp_path / "UCI HAR Dataset" / "test" / "X_test.txt").unlink()
    with pytest.raises(OSError, match="X_test.txt"):
        public_sets.load_hhar(str(tmp_path))
    other = tmp_path / "other"
    other.mkdir()
    (other / public_sets.HHAR_FILES[0].name).write_bytes(archive[:-30])
    with pytest.raises(zipfile.BadZipFile):
        public_sets.load_hhar(str(other))


def test_usps(server, monkeypatch, rng):
    x, y = rng.uniform(-1, 1, (7, 256)).round(3), rng.integers(1, 11, 7)
    x[:, 3] = 0  # LIBSVM's format leaves zeros out
    lines = [
        f"{label} " + " ".join(f"{i}:{v}" for i, v in enumerate(row, 1) if v) for label, row in zip(y, x, strict=True)
    ]
    bodies = {"usps.bz2": lines[:5], "usps.t.bz2": lines[5:]}
    bodies = {name: bz2.compress(("\n".join(part) + "\n").encode()) for name, part in bodies.items()}
    served(server, monkeypatch, public_sets, "USPS_FILES", bodies)
    data = public_sets.load_usps(None)
    np.testing.assert_allclose(data.x, (x + 1) / 2, atol=1e-6)
    np.testing.assert_array_equal(data.y, np.unique(y, return_inverse=True)[1])
    assert (choice.choose(data).name, data.image_shape) == ("bernoulli", (16, 16))
    assert choice.choose(data).units(data) == (1.0, 0.0)


def idx(array):
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def test_mnist_and_fashion_mnist(server, monkeypatch, rng, tmp_path):
    x, y = rng.integers(0, 256, (9, 28, 28)).astype("u1"), rng.permutation(np.arange(9)).astype("u1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    npz = io.BytesIO()
    np.savez(npz, x_train=x[:6], y_train=y[:6], x_test=x[6:], y_test=y[6:])
    served(server, monkeypatch, public_sets, "MNIST_FILES", {"mnist.npz": npz.getvalue()})
    parts = [part for half in (slice(0, 6), slice(6, None)) for part in (x[half], y[half])]
    names = [file.name for file in public_sets.FASHION_MNIST_FILES]
    bodies = {name: gzip.compress(idx(part)) for name, part in zip(names, parts, strict=True)}
    served(server, monkeypatch, public_sets, "FASHION_MNIST_FILES", bodies)
    for load in (public_sets.load_mnist, public_sets.load_fashion_mnist):
        data = load(None)
        np.testing.assert_array_equal(data.x, x.reshape(9, 784))
        np.testing.assert_array_equal(data.y, y)
        assert (data.source, data.notice) == ("keras", "")
    assert sorted(server.asked) == sorted(["mnist.npz", *names])


@pytest.mark.parametrize("plan", ["404", "wrong"])
def test_where_mnist_cannot_be_had_the_bundled_digits_stand_in_unless_all_are_required(
    server, monkeypatch, tmp_path, plan
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    checksum = None if plan == "404" else "sha256:" + 64 * "0"
    remote = server.remote("mnist.npz", BODY, *(["404"] * 2 if plan == "404" else []), checksum=checksum)
    monkeypatch.setattr(public_sets, "MNIST_FILES", (remote,))
    assert public_sets.load_mnist(None).source == public_sets.BUNDLED
    with pytest.raises(InputError, match=rf"mnist.npz could not be downloaded .*{remote.address} as mnist.npz by hand"):
        public_sets.load_mnist(None, True)


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
    monkeypatch.setattr(
        public_sets, "RCV1_TOPICS", server.remote(public_sets.RCV1_TOPICS.name, bodies[public_sets.RCV1_TOPICS.name])
    )
    monkeypatch.setattr(public_sets, "REUTERS_WORDS", 4)
    monkeypatch.setattr(public_sets, "REUTERS_10K", 6)

    counts = {int(stem): sum(stem in words for _, words in kept) for stem in stems}
    chosen = sorted(sorted(counts, key=lambda stem: -counts[stem])[:4])
    assert len({*counts.values()}) > 4  # no tie decides
    dense = np.array([[words.get(stem, 0) for stem in chosen] for _, words in kept])
    length = np.linalg.norm(dense, axis=1, keepdims=True)
    data = public_sets.load_reuters(None)
    assert isinstance(data.x, SparseRows)
    np.testing.assert_allclose(data.x[:], 2 * dense / np.where(length == 0, 1, length), rtol=1e-5)
    np.testing.assert_array_equal(data.y, [sorted(public_sets.RCV1_ROOTS).index(root) for root, _ in kept])
    assert (choice.choose(data).units(data), data.x.dtype) == ((1.0, 0.0), np.float32)
    assert data.likelihood == "gaussian"
    small, again = public_sets.load_reuters10k(None), public_sets.load_reuters10k(None)
    assert (small.name, len(small.x)) == ("reuters10k", 6)
    np.testing.assert_array_equal(small.x[:], again.x[:])
    rows = {tuple(row) for row in data.x[:]}
    assert all(tuple(row) in rows for row in small.x[:])
    assert len(server.asked) == 6  # each file once


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
    served(server, monkeypatch, features, "STL10_FILES", {"stl10_binary.tar.gz": archive})
    monkeypatch.setattr(features, "extract", lambda seen: seen[:, 7, 90].astype("f4"))
    data = features.load_stl10(None)
    np.testing.assert_array_equal(data.x, photographs[:, 7, 90])  # row 7, column 90
    np.testing.assert_array_equal(data.y, [2, 0, 1, 1, 0])
    assert (data.likelihood, data.image_shape) == ("gaussian", None)
    assert choice.choose(data).units(data) == (1.0, 0.0)
    monkeypatch.delattr(features, "extract")
    (tmp_path / "cache" / "stl10" / "stl10_binary.tar.gz").write_bytes(b"")  # not looked at again, nor its checksum
    np.testing.assert_array_equal(features.load_stl10(None).x, data.x)  # now from the cache
    assert server.asked == ["stl10_binary.tar.gz"]
    (tmp_path / "stl10_binary.tar.gz").write_bytes(archive)
    monkeypatch.setattr(features, "extract", lambda seen: seen[:, 8, 90].astype("f4"), raising=False)
    own = features.load_stl10(str(tmp_path))
    np.testing.assert_array_equal(own.x, photographs[:, 8, 90])
    monkeypatch.delattr(features, "extract")  # a minute or two for all of them: not twice
    np.testing.assert_array_equal(features.load_stl10(str(tmp_path)).x, own.x)
    np.testing.assert_array_equal(features.load_stl10(None).x, data.x)
    (tmp_path / "stl10_binary.tar.gz").write_bytes(archive[: len(archive) // 2])
    with pytest.raises(InputError, match="the photographs of stl10"):
        features.load_stl10(str(tmp_path))


def test_stl10_where_the_cache_cannot_be_used(server, monkeypatch, rng, tmp_path):
    archive = stl10_archive(rng.integers(0, 256, (5, 96, 96, 3)).astype("u1"), np.array([10, 1, 2, 2, 1], "u1"), 3)
    served(server, monkeypatch, features, "STL10_FILES", {"stl10_binary.tar.gz": archive})
    monkeypatch.setattr(features, "extract", lambda seen: seen[:, 7, 90].astype("f4"))
    features.load_stl10(None)
    (tmp_path / "cache" / "stl10" / "resnet50.npy").write_bytes(b"")
    with pytest.raises(InputError, match=r"^dataset: expected the photographs of stl10"):
        features.load_stl10(None)
    (tmp_path / "stl10_binary.tar.gz").write_bytes(archive)
    for home in (tmp_path / "stl10_binary.tar.gz", tmp_path / ("x" * 300)):
        monkeypatch.setenv("VADE_TF_HOME", str(home))
        for data_dir in (None, str(tmp_path)):
            with pytest.raises(InputError, match=r"^dataset.*VADE_TF_HOME"):
                features.load_stl10(data_dir)
    served(server, monkeypatch, features, "STL10_FILES", {"stl10_binary.tar.gz": archive})
    server.plans["stl10_binary.tar.gz"] = ["404"]
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / "new"))
    with pytest.raises(InputError, match=r"^dataset=stl10: stl10_binary.tar.gz could not be downloaded"):
        features.load_stl10(None)


def test_resnet_gives_an_average_over_its_last_map(rng):
    photographs = rng.integers(0, 256, (2, 96, 96, 3)).astype("u1")
    found = features.extract(photographs, weights=None)
    assert found.shape == (2, 2048)
    assert found.dtype == np.float32
    assert np.all(found >= 0)  # of a ReLU
    assert np.any(found[0] != found[1])


def test_photographs_are_given_as_the_network_was_trained(monkeypatch, rng):
    class Network:
        def predict(self, x, verbose=0):
            return x.mean(axis=(1, 2))

    monkeypatch.setattr(keras.applications, "ResNet50", lambda **how: Network())
    photographs = rng.integers(0, 256, (5, 4, 4, 3)).astype("u1")
    expected = photographs[..., ::-1].astype("f8") - [103.939, 116.779, 123.68]  # ImageNet's blue, green and red
    found = features.extract(photographs, batch_size=2)
    np.testing.assert_allclose(found, expected.mean(axis=(1, 2)), atol=1e-3)


def test_features_are_kept_for_their_photographs_and_labels(monkeypatch, tmp_path):
    """Labels that were corrected are not those of the cache."""
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(features, "extract", lambda images: np.zeros((len(images), 3), "f4"))
    images = np.zeros((4, 2, 2, 3), "u1")
    for y in (np.arange(4), np.arange(4)[::-1]):
        monkeypatch.setattr(features, "_read_stl10", lambda folder, data_dir, y=y: (images, y))
        assert features.load_stl10(str(tmp_path)).y.tolist() == y.tolist()


def test_features_are_averages_of_a_network_that_was_trained_on_imagenet(monkeypatch):
    """Other weights and another pooling would give as many features."""
    asked = []

    class Network:
        def predict(self, x, verbose=0):
            return np.zeros((len(x), 2048), "f4")

    def network(**how):
        asked.append(how)
        return Network()

    monkeypatch.setattr(keras.applications, "ResNet50", network)
    assert features.extract(np.zeros((3, 96, 96, 3), "u1")).shape == (3, 2048)
    assert asked == [{"include_top": False, "weights": "imagenet", "pooling": "avg"}]


def test_a_file_of_holes_in_an_archive_is_not_read(tmp_path):
    """It may claim any size, and takes no bytes."""
    with tarfile.open(tmp_path / "stl10_binary.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name in features.STL10_PARTS:
            member = tarfile.TarInfo(f"stl10_binary/{name}")
            member.size = 1
            if name == "test_X.bin":
                member.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "27648"}
            archive.addfile(member, io.BytesIO(b"1"))
    assert set(features._unpack(tmp_path / "stl10_binary.tar.gz")) == set(features.STL10_PARTS) - {"test_X.bin"}
