"""A trained model from a run folder or a file. Only Keras files, in Keras' safe mode; a SavedModel never."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras
import numpy as np

from vade_tf.errors import InputError, cited
from vade_tf.model.vade import VaDE
from vade_tf.paths import usable
from vade_tf.reading import LARGEST_JSON
from vade_tf.systems import registry  # noqa: F401  every system's layers are known to Keras
from vade_tf.systems.gmvae import GMVAE
from vade_tf.systems.models import Clustering

SYSTEMS = (VaDE, Clustering, GMVAE)
WIDTHS = ("units", "filters", "n_clusters", "n_components", "latent_dim", "input_dim", "output_dim")


def load(path: str | Path) -> keras.Model:
    """The trained model of a finished run folder, or of a .keras file.

    Args:
        path: a run folder or a .keras file. What `export` wrote is loaded by `vade_tf.Served` instead: a SavedModel
            holds a program, so it should be one that you trust.

    Returns:
        A `VaDE`, or what another system fitted (`systems`).

    Raises:
        InputError: there is none, or it cannot be read, or it is no model of this package.
    """
    path = usable(path, "path")
    file = path if path.name.endswith(".keras") else path / "model.keras"
    if not file.is_file():
        served = "; an exported version is loaded by vade_tf.Served" if (path / "saved_model.pb").exists() else ""
        raise InputError(f"{path}: expected a finished run folder or a .keras file, found no {file.name} there{served}")
    try:
        _check_sizes(file)
        model = keras.models.load_model(file)
    except Exception as error:  # whatever Keras, h5py and TensorFlow raise for what is damaged
        raise InputError(f"{file} is damaged or of another version ({cited(error)})") from error
    if not isinstance(model, SYSTEMS):
        raise InputError(f"{file}: expected a model of vade_tf, got {type(model).__name__}")
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise InputError(f"{file} is damaged (weights that are not finite); copy the run folder again")
    return model


def _check_sizes(file: Path) -> None:
    """Raises ValueError where a .keras file would take far more memory than it is long.

    Keras makes all weights that the configuration asks for before it looks at those that are there. So no layer may be
    wider than all stored weights together, and none of these may be longer than what is stored of it.
    """
    with zipfile.ZipFile(file) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
            raise ValueError("its members are compressed, which Keras never does")
        if members["config.json"].file_size > LARGEST_JSON:
            raise ValueError("its configuration is too long")
        most = members["model.weights.h5"].file_size // 4  # float32
        widest = max(_widths(json.loads(archive.read("config.json"))), default=0)
        if widest > most:
            raise ValueError(f"a layer is to be {widest:,} wide, and {most:,} weights are stored")
        with archive.open("model.weights.h5") as stored, h5py.File(stored, "r") as weights:
            weights.visititems(_check_stored)


def _widths(config) -> Iterator[int]:
    """Every width of a layer that a configuration asks for."""
    if isinstance(config, dict):
        for name, value in config.items():
            if name in WIDTHS and isinstance(value, int):
                yield value
            yield from _widths(value)
    elif isinstance(config, list):
        for value in config:
            yield from _widths(value)


def _check_stored(name: str, item) -> None:
    if isinstance(item, h5py.Dataset) and item.nbytes > item.id.get_storage_size():
        raise ValueError(f"{name} claims {item.nbytes:,} bytes and has {item.id.get_storage_size():,}")
