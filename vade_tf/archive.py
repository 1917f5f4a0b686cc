"""A fitted clusterer as one file: a zip of its parameters (JSON), its arrays and its model. No pickle is in it."""

import errno
import inspect
import io
import json
import tempfile
import zipfile
from numbers import Integral
from pathlib import Path

import numpy as np

from vade_tf.data.schema import Schema
from vade_tf.errors import InputError, cited
from vade_tf.model import own_networks, stored
from vade_tf.model.vade import VaDE
from vade_tf.paths import usable
from vade_tf.reading import LARGEST_JSON, archive_arrays, check_members, each, record, size_of
from vade_tf.training.n_clusters import Choice
from vade_tf.training.settings import Settings
from vade_tf.writing import check_clock, write_whole, writing

FITTED = ("labels_", "weights_", "means_", "covariances_")
UNSAVED = ("encoder", "decoder", "hints", "callbacks")  # parameters: the networks are those of the model
NAMES = ("genes_", "feature_names_in_")  # arrays of texts that are there for some rows
CHOICE = {"n_clusters": int, "why": str, "tried": each(list, int), "strength": each(list, (int, float))}
ABOUT = {
    "parameters": dict,
    "own_networks": bool,
    "history": each(list, dict),
    "health": each(list, str),
    "remedies": lambda remedies: remedies is None or each(list, str)(remedies),
    **dict.fromkeys(("kind", "start"), lambda text: text is None or isinstance(text, str)),
    "choice": lambda choice: choice is None or (record(CHOICE)(choice) and set(choice) == set(CHOICE)),
    "n_features_in": int,
    "columns": lambda columns: columns is None or each(list, (str, int))(columns),
    "image_shape": lambda shape: shape is None or each(list, int)(shape),
    "schema": lambda schema: schema is None or isinstance(schema, dict),
    "counted": lambda counted: counted in (None, False, True),
}
PARAMETERS = {  # those that new rows are read by
    "hidden": lambda hidden: hidden is None or each(list, int)(hidden),
    "layer": lambda layer: layer is None or isinstance(layer, str),
    "random_state": lambda seed: seed is None or (isinstance(seed, int) and 0 <= seed < 2**32),
}


def save(clusterer, path) -> None:
    """Write a fitted `VaDEClusterer`, see its `save`."""
    given = {name: value for name, value in clusterer.get_params(deep=False).items() if name not in UNSAVED}
    if given.get("hidden") is not None:
        given["hidden"] = list(Settings(hidden=given["hidden"]).hidden or ())
    if not isinstance(given.get("init"), str):  # a clusterer, a function or an array
        given.pop("init", None)
    if "random_state" in given:  # a subclass may fix it
        given["random_state"] = int(clusterer.random_state) if isinstance(clusterer.random_state, Integral) else None
    about = {
        "parameters": given,
        "own_networks": clusterer.encoder is not None,
        "history": clusterer.history_,
        "health": clusterer.health_,
        "kind": clusterer.kind_,
        "start": clusterer.start_,
        "choice": None if clusterer.choice_ is None else vars(clusterer.choice_),
        "remedies": clusterer.remedies_,
        "n_features_in": clusterer.n_features_in_,
        "columns": clusterer._columns,
        "image_shape": clusterer._image_shape,
        "schema": None if clusterer.schema_ is None else clusterer.schema_.to_dict(),
        "counted": clusterer._counted,
    }
    arrays = {name: getattr(clusterer, name) for name in FITTED}
    if clusterer.genes_ is not None:
        arrays["genes_"] = clusterer.genes_
    if hasattr(clusterer, "feature_names_in_"):
        arrays["feature_names_in_"] = clusterer.feature_names_in_.astype(str)
    write(path, about, arrays, clusterer.model_)


def load(kind: type, path):
    """The clusterer of this class that `save` wrote, see `VaDEClusterer.load`."""
    about, arrays, model, schema = read(path, set(inspect.signature(kind).parameters) - set(UNSAVED))
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in about["parameters"].items()}
    networks = {"encoder": model.encoder, "decoder": model.decoder} if about["own_networks"] else {}
    clusterer = kind(**given, **networks)
    clusterer.model_, clusterer.schema_ = model, schema
    clusterer.history_, clusterer.health_ = about["history"], about["health"]
    clusterer.remedies_ = about.get("remedies") or []
    clusterer.kind_, clusterer.start_ = about.get("kind") or "", about.get("start") or ""
    clusterer.choice_ = Choice(**about["choice"]) if about.get("choice") else None
    clusterer.n_features_in_, clusterer._columns = about["n_features_in"], about.get("columns")
    clusterer._image_shape = tuple(about["image_shape"]) if about.get("image_shape") else None
    clusterer.genes_, clusterer._counted = None, about.get("counted")
    for name, value in arrays.items():
        setattr(clusterer, name, value.astype(object) if name == "feature_names_in_" else value)
    clusterer.n_clusters_ = len(clusterer.weights_)
    clusterer._n_features_out = clusterer.means_.shape[1]
    return clusterer


def write(path, about: dict, arrays: dict[str, np.ndarray], model: VaDE) -> None:
    """Write the file, which is whole or not there.

    Args:
        path: the file; its folder has to be there.
        about: what JSON can hold, NumPy's numbers and arrays included: `ABOUT`.
        arrays: by name: `FITTED`, and of `NAMES` those there are.
        model: a fitted model.

    Raises:
        InputError: no file would give the model back.
        StorageError: it cannot be written.
    """
    own_networks.check_layers(model, "no file gives back")
    content = io.BytesIO()
    check_clock()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("clusterer.json", json.dumps(about, default=lambda value: value.tolist()))
        with archive.open("arrays.npz", "w", force_zip64=True) as file:
            np.savez(file, allow_pickle=False, **arrays)
        with archive.open("model.keras", "w", force_zip64=True) as file:
            file.write(_model_bytes(model))
    place = usable(path, "path")
    with writing(place, "path"):
        if not place.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "its folder is not there")
    write_whole(place, content.getbuffer())


def read(path, parameters: set[str]) -> tuple[dict, dict[str, np.ndarray], VaDE, Schema | None]:
    """What `write` wrote, and the schema in it; all of it fits together.

    Args:
        path: the file.
        parameters: names of those that may be in it.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    path = usable(path, "path")
    try:
        size = size_of(path)
        with zipfile.ZipFile(path) as archive:
            check_members(archive, size)
            if archive.getinfo("clusterer.json").file_size > LARGEST_JSON:
                raise ValueError("its parameters are too long")
            about = json.loads(archive.read("clusterer.json"))
            _check_about(about, parameters)
            schema = None if about.get("schema") is None else Schema.from_dict(about["schema"])
            arrays = _arrays_of(archive.read("arrays.npz"))
            model = _model_of(archive.read("model.keras"))
        _check_rows(about, arrays, model, schema)
        _check_mixture(arrays, model)
    except Exception as error:  # whatever zipfile, NumPy and Keras raise for what is damaged
        raise InputError(f"path: {path} holds no clusterer, or a damaged one ({cited(error)})") from error
    return about, arrays, model, schema


def _check_about(about, parameters: set[str]) -> None:
    """Raises ValueError unless the JSON is that of a clusterer with some of these parameters."""
    if not isinstance(about, dict):
        raise ValueError(f"expected an object, got {type(about).__name__}")
    for values, kinds in ((about, ABOUT), (about.get("parameters") or {}, PARAMETERS)):
        for name, kind in kinds.items():
            if not record({name: kind})(values):
                raise ValueError(f"{name}: got {str(values.get(name))[:40]!r}")
    if unknown := sorted(set(about["parameters"]) - parameters):
        raise ValueError(f"unknown parameters: {str(unknown)[:40]}")


def _check_rows(about: dict, arrays: dict[str, np.ndarray], model: VaDE, schema: Schema | None) -> None:
    """Raises ValueError unless model, schema and names are those of rows of one kind."""
    columns = features = about["n_features_in"]
    if schema is not None:
        columns, features = len(schema.columns) + len(schema.dropped), len(schema.features)
    if not isinstance(model, VaDE) or model.n_features != features or columns != about["n_features_in"]:
        raise ValueError(f"its model is not that of rows of {about['n_features_in']} values")
    named = [about["columns"]] if about.get("columns") is not None else []
    named += [arrays[name] for name in NAMES if name in arrays]
    if any(len(names) != columns for names in named):
        raise ValueError(f"expected {columns} names, got {[len(names) for names in named]}")


def _check_mixture(arrays: dict[str, np.ndarray], model: VaDE) -> None:
    """Raises ValueError unless the arrays are of a mixture like that of the model."""
    k, width = model.prior.n_components, model.prior.latent_dim
    for name, shape in {"weights_": (k,), "means_": (k, width), "covariances_": (k, width)}.items():
        found = arrays[name]
        if found.shape != shape or found.dtype.kind != "f" or not np.isfinite(found).all():
            raise ValueError(f"{name}: expected numbers of shape {shape}, got {found.dtype} of shape {found.shape}")
    if (arrays["weights_"] < 0).any() or not arrays["weights_"].sum() > 0:
        raise ValueError("weights_: expected shares")
    labels = arrays["labels_"]
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or (len(labels) and not 0 <= labels.min() <= labels.max() < k):
        raise ValueError(f"labels_: expected clusters from 0 to {k - 1}, got {labels.dtype} of shape {labels.shape}")


def _arrays_of(content: bytes) -> dict[str, np.ndarray]:
    """The arrays that a clusterer has, each of its kind."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        check_members(archive, len(content))
    arrays = archive_arrays(io.BytesIO(content))
    if not set(FITTED) <= set(arrays) <= {*FITTED, *NAMES}:
        raise ValueError(f"its arrays are {sorted(arrays)}")
    for name in NAMES:
        if name in arrays and (arrays[name].ndim != 1 or arrays[name].dtype.kind != "U"):
            raise ValueError(f"{name}: expected a list of texts")
    return arrays


def _model_bytes(model: VaDE) -> bytes:
    with tempfile.TemporaryDirectory() as folder:  # Keras writes its files by name
        file = Path(folder) / "model.keras"
        model.save(file)
        return file.read_bytes()


def _model_of(content: bytes):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        file.write_bytes(content)
        return stored.load(file)
