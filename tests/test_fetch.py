"""Downloads: whole and checked or not at all, tried again when that may help; from a server on this machine."""

import bz2
import gzip
import hashlib
import http.server
import io
import socket
import tarfile
import threading
import zipfile

import numpy as np
import pytest

from vade_tf.data import features, images, sensors, text
from vade_tf.data.fetch import Remote, provide
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import InputError
from vade_tf.model import likelihood

BODY = bytes(range(256)) * 40


class Server(http.server.ThreadingHTTPServer):
    """Answers `/name` with files[name] as its plan says, a word of `Handler` for each request and then "whole"."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.plans, self.asked = {}, {}, []
        self.closing = threading.Event()

    def address(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def remote(self, name, body, *plan, checksum="right"):
        """Serve a body under a name; checksum "right" is its own."""
        self.files[name], self.plans[name] = body, list(plan)
        right = f"sha256:{hashlib.sha256(body).hexdigest()}"
        return Remote(name, self.address(name), right if checksum == "right" else checksum)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path[1:]
        self.server.asked.append(name)
        plan = self.server.plans.get(name)
        how = plan.pop(0) if plan else "whole"
        body = self.server.files.get(name, b"")
        if how == "mute":
            self.server.closing.wait()
            return
        self.send_response(
            200 if name in self.server.files and not how.isdigit() else int(how) if plan is not None else 404
        )
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if how in ("cut", "stall") else body)
        self.wfile.flush()
        if how == "stall":
            self.server.closing.wait()

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / "cache"))
    with Server() as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        served.closing.set()
        served.shutdown()
        thread.join()


def fetched(remote, **more):
    """(folder, pauses) of a download of one file."""
    pauses = []
    return provide("some", (remote,), None, pause=pauses.append, **more), pauses


def test_a_file_is_downloaded_once_and_kept_in_the_cache(server, tmp_path):
    remote = server.remote("rows.bin", BODY)
    folder, pauses = fetched(remote)
    assert folder == tmp_path / "cache" / "some"
    assert (folder / "rows.bin").read_bytes() == BODY
    assert (folder / "rows.bin").stat().st_mode & 0o044 == 0o044  # for all who share the cache
    fetched(remote)
    assert (server.asked, pauses) == (["rows.bin"], [])


@pytest.mark.parametrize("trouble", ["cut", "429", "500", "503", "mute", "stall"])
def test_a_passing_trouble_is_tried_again_after_longer_and_longer_pauses(server, trouble, capsys):
    folder, pauses = fetched(server.remote("rows.bin", BODY, trouble, trouble), timeout=0.1)
    assert (folder / "rows.bin").read_bytes() == BODY
    assert pauses == [1.0, 3.0]
    assert "rows.bin: " in (said := capsys.readouterr().err)
    assert said.count("again in") == 2


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("cut", "only 5120 of 10240 bytes came, 4 times"),
        ("502", "the server answered 502 .*, 4 times"),
        ("mute", r"no answer within 0\.1 s, 4 times"),
    ],
)
def test_what_does_not_pass_ends_with_the_steps_by_hand(server, trouble, words, tmp_path):
    remote = server.remote("rows.bin", BODY, *[trouble] * 4)
    with pytest.raises(
        InputError, match=rf"^dataset=some: rows.bin .*{words}.*{remote.address} as rows.bin .*data_dir"
    ):
        fetched(remote, timeout=0.1)
    assert len(server.asked) == 4
    assert list((tmp_path / "cache" / "some").iterdir()) == []


@pytest.mark.parametrize(
    ("remote", "words"),
    [
        ({"checksum": "sha256:" + 64 * "0"}, f"expected sha256:0+, got sha256:{hashlib.sha256(BODY).hexdigest()}"),
        ({"checksum": "md5:" + 32 * "0"}, f"expected md5:0+, got md5:{hashlib.md5(BODY).hexdigest()}"),
        ({"plan": "404"}, "the server answered 404"),
        ({"plan": "403"}, "the server answered 403"),
    ],
)
def test_what_another_attempt_cannot_mend_is_not_tried_again(server, remote, words, tmp_path):
    plan = [remote["plan"]] if "plan" in remote else []
    with pytest.raises(InputError, match=words):
        fetched(server.remote("rows.bin", BODY, *plan, checksum=remote.get("checksum")))
    assert server.asked == ["rows.bin"]
    assert list((tmp_path / "cache" / "some").iterdir()) == []


def test_without_a_network_it_says_so_at_once(server, monkeypatch):
    def unresolved(*args, **kwargs):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    with pytest.raises(InputError, match=r"no network, or the server is out of reach: .* as rows.bin by hand"):
        fetched(Remote("rows.bin", "http://somewhere.example/rows.bin"))


def test_a_folder_of_the_users_own_is_never_downloaded_into(server, tmp_path):
    remote = server.remote("rows.bin", BODY)
    with pytest.raises(InputError, match=rf"^data_dir: expected rows.bin in .* found no rows.bin; .*{remote.address}"):
        provide("some", (remote,), str(tmp_path))
    (tmp_path / "rows.bin").write_bytes(b"own")
    assert provide("some", (remote,), str(tmp_path)) == tmp_path
    assert server.asked == []


# The data sets themselves, from small files in the true formats.


def served(server, monkeypatch, module, constant, bodies):
    """Point a module's list of remote files at bodies of the same names."""
    remotes = tuple(server.remote(file.name, bodies[file.name]) for file in getattr(module, constant))
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
    served(server, monkeypatch, sensors, "HHAR_FILES", {sensors.HHAR_FILES[0].name: uci_zip(x, y, nested)})
    data = sensors.load_hhar(None, False)
    np.testing.assert_allclose(data.x, x, atol=1e-6)
    np.testing.assert_array_equal(data.y, y - 1)
    scale, offset = likelihood.choose(data).units(data)
    assert (data.likelihood, offset, data.x.dtype) == ("gaussian", 0, np.float32)
    assert scale**2 / 2 == pytest.approx(5)  # the authors' loss: 5 (x - x^)^2


def test_hhar_from_the_unpacked_folder_and_from_a_damaged_zip(server, tmp_path, rng):
    archive = uci_zip(rng.uniform(-1, 1, (9, 561)), np.arange(9) % 6 + 1, nested=False)
    zipfile.ZipFile(io.BytesIO(archive)).extractall(tmp_path)
    assert sensors.load_hhar(str(tmp_path), False).x.shape == (9, 561)
    (tmp_path / "UCI HAR Dataset" / "test" / "X_test.txt").unlink()
    with pytest.raises(InputError, match="UCI HAR Dataset cannot be read .*X_test.txt"):
        sensors.load_hhar(str(tmp_path), False)
    other = tmp_path / "other"
    other.mkdir()
    (other / sensors.HHAR_FILES[0].name).write_bytes(archive[:-30])
    with pytest.raises(InputError, match=r"^dataset=hhar: .* is damaged"):
        sensors.load_hhar(str(other), False)


def test_usps(server, monkeypatch, rng):
    x, y = rng.uniform(-1, 1, (7, 256)).round(3), rng.integers(1, 11, 7)
    x[:, 3] = 0  # LIBSVM's format leaves zeros out
    lines = [
        f"{label} " + " ".join(f"{i}:{v}" for i, v in enumerate(row, 1) if v) for label, row in zip(y, x, strict=True)
    ]
    bodies = {"usps.bz2": lines[:5], "usps.t.bz2": lines[5:]}
    bodies = {name: bz2.compress(("\n".join(part) + "\n").encode()) for name, part in bodies.items()}
    served(server, monkeypatch, images, "USPS_FILES", bodies)
    data = images.load_usps(None, False)
    np.testing.assert_allclose(data.x, (x + 1) / 2, atol=1e-6)
    np.testing.assert_array_equal(data.y, np.unique(y, return_inverse=True)[1])
    assert (likelihood.choose(data).name, data.image_shape) == ("bernoulli", (16, 16))
    assert likelihood.choose(data).units(data) == (1.0, 0.0)


def idx(array):
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def test_mnist_and_fashion_mnist(server, monkeypatch, rng, tmp_path):
    x, y = rng.integers(0, 256, (9, 28, 28)).astype("u1"), rng.permutation(np.arange(9)).astype("u1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(images, "DEBIAN_FASHION_MNIST", tmp_path / "none")
    npz = io.BytesIO()
    np.savez(npz, x_train=x[:6], y_train=y[:6], x_test=x[6:], y_test=y[6:])
    served(server, monkeypatch, images, "MNIST_FILES", {"mnist.npz": npz.getvalue()})
    parts = [part for half in (slice(0, 6), slice(6, None)) for part in (x[half], y[half])]
    names = [f"{name}.gz" for pair in images.IDX_FILES for name in pair]
    bodies = {name: gzip.compress(idx(part)) for name, part in zip(names, parts, strict=True)}
    served(server, monkeypatch, images, "FASHION_MNIST_FILES", bodies)
    for load in (images.load_mnist, images.load_fashion_mnist):
        data = load(None, True)
        np.testing.assert_array_equal(data.x, x.reshape(9, 784))
        np.testing.assert_array_equal(data.y, y)
        assert (data.source, data.notice) == ("keras", "")
    assert sorted(server.asked) == sorted(["mnist.npz", *names])


@pytest.mark.parametrize("plan", ["404", "wrong"])
def test_where_mnist_cannot_be_had_the_bundled_digits_stand_in_unless_all_are_required(
    server, monkeypatch, tmp_path, plan
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    checksum = "right" if plan == "404" else "sha256:" + 64 * "0"
    remote = server.remote("mnist.npz", BODY, *(["404"] * 2 if plan == "404" else []), checksum=checksum)
    monkeypatch.setattr(images, "MNIST_FILES", (remote,))
    assert images.load_mnist(None, False).source == images.BUNDLED
    with pytest.raises(InputError, match=rf"mnist.npz could not be downloaded .*{remote.address} as mnist.npz by hand"):
        images.load_mnist(None, True)


def rcv1_files(documents):
    """RCV1-v2's files of documents (number, topics, {stem: weight}); the first two are the training part."""
    topics = [f"{topic} {number} 1\n" for number, names, _ in documents for topic in names]
    lines = [f"{n}  " + " ".join(f"{i}:{v}" for i, v in sorted(words.items())) + "\n" for n, _, words in documents]
    parts = [lines[:2], lines[2:5], lines[5:8], lines[8:11], lines[11:]]
    bodies = {file.name: "".join(part) for file, part in zip(text.RCV1_VECTORS, parts, strict=True)}
    bodies[text.RCV1_TOPICS.name] = "".join(topics)
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
    served(server, monkeypatch, text, "RCV1_VECTORS", bodies)
    monkeypatch.setattr(text, "RCV1_TOPICS", server.remote(text.RCV1_TOPICS.name, bodies[text.RCV1_TOPICS.name]))
    monkeypatch.setattr(text, "FEATURES", 4)
    monkeypatch.setattr(text, "REUTERS_10K", 6)

    counts = {int(stem): sum(stem in words for _, words in kept) for stem in stems}
    chosen = sorted(sorted(counts, key=lambda stem: -counts[stem])[:4])
    assert len({*counts.values()}) > 4  # no tie decides
    dense = np.array([[words.get(stem, 0) for stem in chosen] for _, words in kept])
    length = np.linalg.norm(dense, axis=1, keepdims=True)
    data = text.load_reuters(None, False)
    assert isinstance(data.x, SparseRows)
    np.testing.assert_allclose(data.x[:], 2 * dense / np.where(length == 0, 1, length), rtol=1e-5)
    np.testing.assert_array_equal(data.y, [sorted(text.ROOTS).index(root) for root, _ in kept])
    assert (likelihood.choose(data).units(data), data.x.dtype) == ((1.0, 0.0), np.float32)
    assert data.likelihood == "gaussian"
    small, again = text.load_reuters10k(None, False), text.load_reuters10k(None, False)
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
    data = features.load_stl10(None, False)
    np.testing.assert_array_equal(data.x, photographs[:, 7, 90])  # row 7, column 90
    np.testing.assert_array_equal(data.y, [2, 0, 1, 1, 0])
    assert (data.likelihood, data.image_shape) == ("gaussian", None)
    assert likelihood.choose(data).units(data) == (1.0, 0.0)
    monkeypatch.delattr(features, "extract")
    np.testing.assert_array_equal(features.load_stl10(None, False).x, data.x)  # now from the cache
    assert server.asked == ["stl10_binary.tar.gz"]
    (tmp_path / "stl10_binary.tar.gz").write_bytes(archive)
    monkeypatch.setattr(features, "extract", lambda seen: seen[:, 8, 90].astype("f4"), raising=False)
    own = features.load_stl10(str(tmp_path), False)
    np.testing.assert_array_equal(own.x, photographs[:, 8, 90])
    monkeypatch.delattr(features, "extract")  # a minute or two for all of them: not twice
    np.testing.assert_array_equal(features.load_stl10(str(tmp_path), False).x, own.x)
    np.testing.assert_array_equal(features.load_stl10(None, False).x, data.x)
    (tmp_path / "stl10_binary.tar.gz").write_bytes(archive[: len(archive) // 2])
    with pytest.raises(InputError, match="stl10_binary.tar.gz cannot be read"):
        features.load_stl10(str(tmp_path), False)


def test_resnet_gives_an_average_over_its_last_map(rng):
    photographs = rng.integers(0, 256, (2, 96, 96, 3)).astype("u1")
    found = features.extract(photographs, weights=None)
    assert found.shape == (2, 2048)
    assert found.dtype == np.float32
    assert np.all(found >= 0)  # of a ReLU
    assert np.any(found[0] != found[1])
