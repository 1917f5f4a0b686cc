"""Colour photographs as the features that a trained network sees in them."""

import hashlib
import tarfile
from pathlib import Path

import numpy as np

from vade_tf.data.dataset import Dataset
from vade_tf.data.download import Remote, cache_folder, provide
from vade_tf.data.observations import build
from vade_tf.errors import InputError, cited
from vade_tf.reading import plain_array
from vade_tf.storage import whole

STL10_FILES = (
    Remote(  # the checksum is that of TensorFlow Datasets
        "stl10_binary.tar.gz",
        "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
        "sha256:f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866",
    ),
)
STL10_FOLDER = "stl10_binary"
STL10_SHAPE = (3, 96, 96)  # of an image in the binary files; each colour is stored column by column
FEATURE_FILES = ("resnet50.npy", "y.npy")
STL10_MAX_BYTES = 1_000_000_000  # of a file in the archive that is read; they have 221 MB and less
STL10_PARTS = ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin")


def load_stl10(data_dir: str | None) -> Dataset:
    """STL-10: its 13,000 labelled photographs as 2,048 features of ResNet-50, the 5,000 of the training half first.

    As the paper has it: ResNet-50 trained on ImageNet, its last feature map (3 x 3 for images of 96 x 96) averaged. The
    weights are those of keras.applications, which downloads them. Features come as they are, under a Gaussian whose
    variance is learned. They are computed once (a minute or two) and kept in the cache.

    From data_dir: resnet50.npy and y.npy (features and labels made elsewhere), the folder stl10_binary or the archive.
    """
    folder = cache_folder() / "stl10" if data_dir is None else Path(data_dir)
    try:
        if not _has_features(folder):
            folder = _make_features(folder, data_dir)
        x, y = (plain_array(folder / name) for name in FEATURE_FILES)
    except (OSError, EOFError, ValueError, KeyError, tarfile.TarError) as error:
        if isinstance(error, InputError):
            raise
        hint = "delete it and try again, or name another cache in the environment variable VADE_TF_HOME"
        raise InputError("dataset", f"the photographs of stl10 in {folder}", cited(error), hint) from error
    return build(x, y, "stl10", data_dir or "stanford", "gaussian", standardise=False)


def _has_features(folder: Path) -> bool:
    return all((folder / name).is_file() for name in FEATURE_FILES)


def _make_features(folder: Path, data_dir: str | None) -> Path:
    """The folder of the cache with the features of the photographs in `folder`; computed where they are not there."""
    images, y = _read_stl10(folder, data_dir)
    if data_dir is not None:  # a user's archive may be another one
        folder = cache_folder() / "stl10" / hashlib.sha256(images.tobytes() + y.tobytes()).hexdigest()[:16]
    if not _has_features(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in zip(FEATURE_FILES, (extract(images), y), strict=True):
            with whole(folder / name) as file:
                np.save(file, array)
    return folder


def extract(images: np.ndarray, weights: str | None = "imagenet", batch_size: int = 64) -> np.ndarray:
    """ResNet-50's last feature map, averaged: RGB images, uint8 [n, height, width, 3] -> float32 [n, 2048].

    Raises:
        InputError: Keras could not download the weights.
    """
    import keras

    try:
        network = keras.applications.ResNet50(include_top=False, weights=weights, pooling="avg")
    except Exception as error:  # Keras raises a bare Exception for "URL fetch failure"
        hint = "put the file of that address into ~/.keras/models"
        raise InputError("dataset", "the weights of ResNet-50, which stl10 needs", cited(error), hint) from error
    scaled = keras.applications.resnet50.preprocess_input
    parts = [images[start : start + batch_size] for start in range(0, len(images), batch_size)]
    return np.concatenate([network.predict(scaled(part.astype(np.float32)), verbose=0) for part in parts])


def _read_stl10(folder: Path, data_dir: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, 96, 96, 3] and labels [n] of both halves."""
    unpacked = next((each for each in (folder, folder / STL10_FOLDER) if (each / STL10_PARTS[0]).is_file()), None)
    if unpacked is None:
        parts = _unpack(provide("stl10", STL10_FILES, data_dir) / STL10_FILES[0].name)
    else:
        parts = {name: (unpacked / name).read_bytes() for name in STL10_PARTS}
    x = [np.frombuffer(parts[f"{half}_X.bin"], np.uint8).reshape(-1, *STL10_SHAPE) for half in ("train", "test")]
    y = [np.frombuffer(parts[f"{half}_y.bin"], np.uint8) for half in ("train", "test")]
    return np.concatenate(x).transpose(0, 3, 2, 1), np.concatenate(y)


def _unpack(archive: Path) -> dict[str, bytes]:
    """The four files of the labelled halves; the archive is not read to its end where it has them sooner."""
    parts: dict[str, bytes] = {}
    with tarfile.open(archive, "r|gz") as members:
        for member in members:
            name = Path(member.name).name
            if name in STL10_PARTS and (content := members.extractfile(member)) is not None:
                parts[name] = content.read(STL10_MAX_BYTES)
            if len(parts) == len(STL10_PARTS):
                break
    return parts
