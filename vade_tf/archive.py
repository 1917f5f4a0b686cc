"""A fitted clusterer as one file: a zip of its parameters (JSON), its arrays and its model. No pickle is in it."""

import io
import json
import tempfile
import zipfile
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from vade_tf.data.schema import Schema
from vade_tf.errors import InputError, cited
from vade_tf.model import own_networks
from vade_tf.model.vade import VaDE
from vade_tf.storage import write_whole
from vade_tf.training.n_clusters import Choice

UNSAVED = ("encoder", "decoder", "hints", "callbacks")  # parameters: the networks are those of the model
ARRAYS = (
    "labels_",
    "probabilities_",
    "weights_",
    "means_",
    "covariances_",
    "genes_",
    "limits_",
    "outlier_score_",
    "typicality_",
    "feature_names_in_",
)
ATTRIBUTES = {  # key in the file -> attribute of the clusterer
    "history": "history_",
    "cluster_names": "cluster_names_",
    "health": "health_",
    "remedies": "remedies_",
    "kind": "kind_",
    "start": "start_",
    "n_features_in": "n_features_in_",
    "columns": "_columns",
    "polars": "_polars",
    "image_shape": "_image_shape",
    "counted": "_counted",
}


def save(clusterer, path) -> None:
    """Write a fitted `VaDEClusterer`, see its `save`: a file that is whole or not there.

    Raises:
        InputError: no file would give the networks back.
        OSError: the file cannot be written.
    """
    own_networks.check_layers(clusterer.model_, "no file gives back")
    parameters = {name: value for name, value in clusterer.get_params(deep=False).items() if name not in UNSAVED}
    if not isinstance(parameters.get("init"), str):  # a clusterer, a function or an array
        parameters.pop("init", None)
    if not isinstance(parameters.get("random_state"), Integral):  # a generator
        parameters.pop("random_state", None)
    about = {
        "parameters": parameters,
        "own_networks": clusterer.encoder is not None,
        "choice": None if clusterer.choice_ is None else vars(clusterer.choice_),
        "schema": None if clusterer.schema_ is None else clusterer.schema_.to_dict(),
        **{key: getattr(clusterer, attribute) for key, attribute in ATTRIBUTES.items()},
    }
    known: dict = {name: value for name in ARRAYS if (value := getattr(clusterer, name, None)) is not None}
    if "feature_names_in_" in known:  # Python objects
        known["feature_names_in_"] = known["feature_names_in_"].astype(str)
    arrays, content = io.BytesIO(), io.BytesIO()
    np.savez(arrays, **known)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(content, "w") as archive:
        clusterer.model_.save(file := Path(folder) / "model.keras")  # Keras writes its files by name
        archive.writestr("clusterer.json", json.dumps(about, default=_as_json))
        archive.writestr("arrays.npz", arrays.getbuffer())
        archive.writestr("model.keras", file.read_bytes())
    write_whole(Path(path), content.getbuffer())


def load(kind: Any, path):
    """The clusterer of this class that `save` wrote, see `VaDEClusterer.load`.

    Raises:
        InputError: the file holds none, or a damaged one.
        OSError: there is no such file, or it cannot be read.
    """
    with Path(path).open("rb") as file:
        try:
            return _made(kind, file)
        except Exception as error:  # whatever zipfile, NumPy and Keras raise for what is damaged
            expected = "a file that VaDEClusterer.save wrote"
            raise InputError("path", expected, f"{path}, which is damaged or none ({cited(error)})") from error


def _made(kind: Any, file):
    with zipfile.ZipFile(file) as archive, tempfile.TemporaryDirectory() as folder:
        about = json.loads(archive.read("clusterer.json"))
        with np.load(io.BytesIO(archive.read("arrays.npz")), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in ARRAYS if name in stored}
        (Path(folder) / "model.keras").write_bytes(archive.read("model.keras"))
        model = own_networks.load(Path(folder) / "model.keras")
    if not isinstance(model, VaDE):
        raise ValueError(f"expected a VaDE, got {type(model).__name__}")
    networks = {"encoder": model.encoder, "decoder": model.decoder} if about["own_networks"] else {}
    known = kind._get_param_names()  # a file of an older version may have others
    parameters = {name: _tuple(value) for name, value in about["parameters"].items() if name in known}
    clusterer = kind(**parameters, **networks)
    clusterer.model_ = model
    clusterer.schema_ = None if about["schema"] is None else Schema.from_dict(about["schema"])
    clusterer.choice_ = None if about["choice"] is None else Choice(**about["choice"])
    clusterer.genes_ = clusterer.limits_ = clusterer.outlier_score_ = clusterer.typicality_ = None
    for key, attribute in ATTRIBUTES.items():
        setattr(clusterer, attribute, _tuple(about[key]) if key == "image_shape" else about.get(key))
    for name, value in arrays.items():
        setattr(clusterer, name, value.astype(object) if name == "feature_names_in_" else value)
    clusterer.n_clusters_, clusterer._n_features_out = clusterer.means_.shape
    return clusterer


def _as_json(value):
    """An array as a list, and a likelihood of the caller's as what makes it again."""
    return value.tolist() if hasattr(value, "tolist") else value.config()


def _tuple(value):
    """A list that JSON made of a tuple as one again."""
    return tuple(value) if isinstance(value, list) else value
