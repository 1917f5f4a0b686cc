"""A model in a .keras file, loaded in Keras' safe mode, which makes known classes and runs no program of the file."""

import zipfile
from pathlib import Path

import keras
import numpy as np

from vade_tf.errors import InputError

MEMBERS = ["config.json", "metadata.json", "model.weights.h5"]  # of a .keras file; assets would be unpacked to the disk


def load(file: Path) -> keras.Model:
    """The model of a .keras file.

    Args:
        file: written by `keras.Model.save`.

    Raises:
        InputError: it has other members than a model, or weights that are not finite.
        Exception: whatever zipfile, Keras and h5py raise for what is damaged.
    """
    with zipfile.ZipFile(file) as archive:
        members = sorted(archive.namelist())
    if members != MEMBERS:
        raise InputError("path", f"a .keras file of {', '.join(MEMBERS)}", f"other members in {file}")
    model = keras.saving.load_model(file, safe_mode=True)
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise InputError("path", "finite weights", f"some that are NaN or infinite in {file}")
    return model
