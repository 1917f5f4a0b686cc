"""A fitted clusterer as one file: a zip of its parameters (JSON), its arrays and its model. No pickle is in it."""

import errno
import io
import json
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np

from vade_tf.data.schema import Schema
from vade_tf.errors import InputError, cited
from vade_tf.model.vade import VaDE
from vade_tf.paths import usable
from vade_tf.writing import write_whole, writing


def write(path, about: dict, arrays: dict[str, np.ndarray], model: VaDE) -> None:
    """Write the file, which is whole or not there.

    Args:
        path: the file; its folder has to be there.
        about: what JSON can hold, NumPy's numbers and arrays included.
        arrays: by name.
        model: a fitted model.

    Raises:
        StorageError: it cannot be written.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("clusterer.json", json.dumps(about, default=lambda value: value.tolist()))
        with archive.open("arrays.npz", "w") as file:
            np.savez(file, allow_pickle=False, **arrays)
        with archive.open("model.keras", "w") as file:
            file.write(_model_bytes(model))
    place = usable(path, "path")
    with writing(place, "path"):
        if not place.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "its folder is not there")
    write_whole(place, content.getbuffer())


def read(path) -> tuple[dict, dict[str, np.ndarray], VaDE, Schema | None]:
    """What `write` wrote, and the schema in it.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    path = usable(path, "path")
    try:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(archive.read("clusterer.json"))
            arrays = dict(np.load(io.BytesIO(archive.read("arrays.npz")), allow_pickle=False))
            model = _model_of(archive.read("model.keras"))
        schema = None if about.get("schema") is None else Schema.from_dict(about["schema"])
    except Exception as error:  # whatever zipfile, NumPy and Keras raise for what is damaged
        raise InputError(f"path: {path} holds no clusterer, or a damaged one ({cited(error)})") from error
    return about, arrays, model, schema


def _model_bytes(model: VaDE) -> bytes:
    with tempfile.TemporaryDirectory() as folder:  # Keras writes its files by name
        file = Path(folder) / "model.keras"
        model.save(file)
        return file.read_bytes()


def _model_of(content: bytes) -> VaDE:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        file.write_bytes(content)
        return keras.saving.load_model(file)
