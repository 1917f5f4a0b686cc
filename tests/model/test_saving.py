"""Stored models: every network of one's own comes back, and no file of an enemy runs code or leads elsewhere."""

import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from vade_tf import VaDE, load
from vade_tf.errors import InputError


@keras.saving.register_keras_serializable("tests")
class Twice(layers.Layer):
    """A layer of one's own, with weights of its own and a layer inside."""

    def __init__(self, units: int, **more):
        super().__init__(**more)
        self.units, self.inner = units, layers.Dense(units)

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units))
        self.inner.build((None, self.units))

    def call(self, x):
        return self.inner(keras.ops.matmul(x, self.kernel))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("tests")
def doubled(x):
    return 2 * x


OWN = {
    "dense": lambda x: layers.Dense(4, kernel_initializer="orthogonal", kernel_regularizer="l2")(x),
    "normalised": lambda x: layers.BatchNormalization()(layers.Normalization(mean=[0.5], variance=[2.0])(x)),
    "images": lambda x: layers.Flatten()(layers.Conv2D(4, 3, padding="same")(layers.Reshape((3, 3, 1))(x))),
    "a subclass": lambda x: Twice(5)(x),
    "nested": lambda x: keras.Sequential([keras.Input((9,)), layers.Dense(4), layers.LayerNormalization()])(x),
    "recurrent": lambda x: layers.Bidirectional(layers.LSTM(2))(layers.Reshape((9, 1))(x)),
    "operations": lambda x: keras.ops.mean(keras.ops.reshape(2.0 * x, (-1, 3, 3))[:, :2], axis=1),
    "random": lambda x: layers.Dropout(0.1)(layers.GaussianNoise(0.1)(x)),
    "a function of one's own": lambda x: layers.Lambda(doubled)(x),
}


def model_of(middle) -> VaDE:
    x, z = keras.Input((9,)), keras.Input((2,))
    h = middle(x)
    encoder = keras.Model(x, [layers.Dense(2)(h), layers.Dense(2)(h)])
    return VaDE(encoder, keras.Model(z, layers.Dense(9)(z)), 3, "gaussian")


@pytest.mark.parametrize("middle", OWN.values(), ids=OWN.keys())
def test_networks_of_ones_own_are_loaded(middle, tmp_path, eager):
    model = model_of(middle)
    model.save(tmp_path / "m.keras")
    again = load(tmp_path / "m.keras")
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The members of a file with a layer "middle" between rows and code."""
    file = tmp_path_factory.mktemp("stored") / "m.keras"
    model_of(lambda x: layers.Dense(9, name="middle")(x)).save(file)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def asks_for(name: str, **config):
    """The layer "middle" is of another class."""

    def change(members: dict[str, bytes]) -> None:
        about = json.loads(members["config.json"])
        (layer,) = [each for each in about["config"]["encoder"]["config"]["layers"] if each["name"] == "middle"]
        layer.pop("build_config", None)
        layer.update(class_name=name, config={"name": "middle", **config})
        members["config.json"] = json.dumps(about).encode()

    return change


def holds(put):
    """The first array of the decoder is another."""

    def change(members: dict[str, bytes]) -> None:
        content = io.BytesIO(members["model.weights.h5"])
        with h5py.File(content, "r+") as file:
            name = "decoder/layers/dense/vars/0"
            shape = file[name].shape
            del file[name]
            put(file, name, shape)
        members["model.weights.h5"] = content.getvalue()

    return change


def link(file, name, shape):
    file[name] = h5py.ExternalLink("other.h5", "x")


def outside(file, name, shape):
    file.create_dataset(name, shape, "f4", external=[("other", 0, 4 * int(np.prod(shape)))])


def endless(file, name, shape):
    file.create_dataset(name, data=np.full(shape, np.nan, "f4"))


PROGRAM = {"class_name": "__lambda__", "config": {"code": "4wEA", "defaults": None, "closure": None}}
SAVER = {"class_name": "function", "module": "keras.models", "config": "load_model", "registered_name": "load_model"}
HARMS = {
    "a pickled program": asks_for("Lambda", function=PROGRAM),
    "a function that loads a file": asks_for("Lambda", function=SAVER),
    "a SavedModel": asks_for("TFSMLayer", filepath="elsewhere", call_endpoint="serve"),
    "a vocabulary in a file": asks_for("StringLookup", vocabulary="/etc/passwd"),
    "a link to a file": holds(link),
    "values in another file": holds(outside),
    "weights of NaN": holds(endless),
    "assets": lambda members: members.update({"assets/../../x": b"x"}),
    "no weights": lambda members: members.pop("model.weights.h5"),
    "no JSON": lambda members: members.update({"config.json": b"{"}),
}


@pytest.mark.parametrize("change", HARMS.values(), ids=HARMS.keys())
def test_a_file_that_does_harm_or_is_damaged_is_one_error(change, whole, tmp_path):
    members = dict(whole)
    change(members)
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match=r"m\.keras"):
        load(tmp_path / "m.keras")
    assert [file.name for file in tmp_path.iterdir()] == ["m.keras"]
