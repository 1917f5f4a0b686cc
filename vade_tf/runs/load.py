"""A trained model from a run folder or a file. Only Keras files, in Keras' safe mode; a SavedModel never."""

import zipfile
from pathlib import Path

import keras

from vade_tf.errors import InputError
from vade_tf.systems import registry  # noqa: F401  every system's layers are known to Keras


def load(path: str | Path) -> keras.Model:
    """The trained model of a finished run folder, or of a .keras file.

    Args:
        path: a run folder or a .keras file. What `export` wrote is loaded by `vade_tf.Served` instead: a SavedModel
            holds a program, so it should be one that you trust.

    Returns:
        A `VaDE`, or what another system fitted (`systems`).

    Raises:
        InputError: there is none, or it cannot be read.
    """
    file = Path(path) if str(path).endswith(".keras") else Path(path) / "model.keras"
    if not file.is_file():
        served = "; an exported version is loaded by vade_tf.Served" if (Path(path) / "saved_model.pb").exists() else ""
        raise InputError(f"{path}: expected a finished run folder or a .keras file, found no {file.name} there{served}")
    try:
        return keras.models.load_model(file)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{file} is damaged or of another version ({error})") from error
