"""Stored models: no more memory than the file has, nothing outside it, and every network of one's own."""

import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import ClassVar

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from vade_tf import FusedAdam, VaDE, build_decoder, build_encoder, load
from vade_tf.errors import InputError
from vade_tf.model import stored, stored_config

WIDE = 3000


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
class Noise(layers.Layer):
    """A layer that draws from the generator that all layers share."""

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x))


@keras.saving.register_keras_serializable("tests")
class Either(layers.Layer):
    """A layer that is told by a text what to do."""

    def call(self, x, way="once"):
        return 2 * x if way == "twice" else x


@keras.saving.register_keras_serializable("tests")
class JaxLayer(layers.Layer):
    """A layer of one's own with the name of one of Keras."""

    def call(self, x):
        return -x


@keras.saving.register_keras_serializable("tests")
def doubled(x):
    return 2 * x


@keras.saving.register_keras_serializable("tests")
class Rotation(keras.initializers.Initializer):
    """An initializer that computes in NumPy, where a graph has no values."""

    made: ClassVar[list[tuple[int, ...]]] = []

    def __call__(self, shape, dtype=None):
        self.made.append(shape)
        values = keras.ops.convert_to_numpy(keras.random.normal(shape, seed=1))
        return keras.ops.convert_to_tensor(np.linalg.qr(values)[0], dtype)


def learned() -> layers.Layer:
    layer = layers.Normalization()
    layer.adapt(np.arange(18, dtype=np.float32).reshape(2, 9))
    return layer


def attended(x):
    rows = layers.Reshape((9, 1))(x)
    return layers.Flatten()(layers.MultiHeadAttention(2, 4)(rows, rows))


OWN = {
    "dense": lambda x: layers.Dense(4, kernel_initializer="orthogonal", kernel_regularizer="l2")(x),
    "normalised": lambda x: layers.BatchNormalization()(learned()(x)),
    "images": lambda x: layers.Flatten()(layers.SeparableConv2D(4, 3)(layers.Conv2D(4, 3, padding="same")(x))),
    "a subclass": lambda x: Twice(5)(x),
    "nested": lambda x: keras.Sequential([keras.Input((9,)), layers.Dense(4), layers.LayerNormalization()])(x),
    "large numbers": lambda x: layers.ReLU(max_value=10**8)(layers.Masking(99_999_999)(x)),
    "recurrent": lambda x: layers.LSTM(3)(layers.Reshape((9, 1))(x)),
    "attention": attended,
    "a generator of seeds": lambda x: layers.Dense(
        4, kernel_initializer=keras.initializers.GlorotUniform(seed=keras.random.SeedGenerator(1))
    )(x),
    "a constant tensor": lambda x: layers.Dense(4, bias_initializer=keras.initializers.Constant(np.full(4, 0.5)))(x),
    "operations": lambda x: keras.ops.mean(keras.ops.reshape(2.0 * x, (-1, 3, 3))[:, :2], axis=1, keepdims=False),
    "wrapped": lambda x: layers.Bidirectional(layers.LSTM(2))(
        layers.TimeDistributed(layers.Dense(2, activation=keras.ops.silu, kernel_constraint="unit_norm"))(
            layers.Reshape((9, 1))(x)
        )
    ),
    "functions of activations": lambda x: keras.activations.relu(layers.Dense(4)(x), max_value=6),
    "a text to a layer of one's own": lambda x: Either()(x, way="twice"),
    "one layer many times": lambda x: [step := layers.Dense(9), *(x := step(x) for _ in range(30))][-1],
    "random": lambda x: layers.Dropout(0.1)(layers.GaussianNoise(0.1)(layers.LeakyReLU()(x))),
    "concatenated": lambda x: layers.Concatenate()([layers.Dense(2, activation="gelu")(x), layers.Rescaling(0.5)(x)]),
    "a name of Keras": lambda x: JaxLayer()(x),
    "a function of one's own": lambda x: layers.Lambda(doubled)(x),
    "an initializer that computes in NumPy": lambda x: layers.Dense(9, kernel_initializer=Rotation())(x),
    "numbers that are no sizes": lambda x: layers.Rescaling(1, -1_600_000_000)(x) * 10**8,
    "a Normalization of known mean": lambda x: layers.Normalization(mean=[0.5], variance=[2.0])(x),
    "einsum": lambda x: layers.EinsumDense("ab,bc->ac", output_shape=7)(x),
}


def model_of(middle) -> VaDE:
    x, z = keras.Input((3, 3, 1) if middle is OWN["images"] else (9,)), keras.Input((2,))
    h = middle(x)
    encoder = keras.Model(x, [layers.Dense(2)(h), layers.Dense(2)(h)])
    return VaDE(encoder, keras.Model(z, layers.Dense(9)(z)), 3, "gaussian")


@pytest.mark.parametrize("middle", OWN.values(), ids=OWN.keys())
def test_networks_of_ones_own_are_loaded(middle, tmp_path, eager):
    model = model_of(middle)
    model.save(tmp_path / "m.keras")
    again = load(tmp_path / "m.keras")
    assert isinstance(again, VaDE)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_optimizer_that_has_not_begun_is_no_damage(tmp_path):
    """The file has none of its variables yet, which take twice what the weights do."""
    model = VaDE(build_encoder(300, hidden=(200,)), build_decoder(300, hidden=(200,)), 3)
    model.compile(FusedAdam(1e-3))
    model.save(tmp_path / "m.keras")
    again = load(tmp_path / "m.keras")
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_generator_that_layers_share_outlives_the_look(tmp_path):
    model_of(Noise()).save(tmp_path / "m.keras")
    keras.utils.set_random_seed(1)  # from here on there is none, until a layer draws
    model = load(tmp_path / "m.keras")
    assert model.predict(np.ones((2, 9), np.float32), verbose=0).shape == (2, 3)

    keras.utils.set_random_seed(1)
    first = keras.random.normal((3,)), keras.random.normal((3,))
    keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(keras.random.normal((3,)), first[0])
    load(tmp_path / "m.keras")
    np.testing.assert_array_equal(keras.random.normal((3,)), first[1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    file = tmp_path_factory.mktemp("stored") / "m.keras"
    model_of(lambda x: layers.Dense(6)(layers.Dense(5)(x))).save(file)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def asks_for(**wanted):
    """Both layers between rows and code are of another kind."""

    def change(members: dict[str, bytes]) -> None:
        about = json.loads(members["config.json"])
        found = about["config"]["encoder"]["config"]["layers"]
        for layer in found:
            layer.pop("build_config", None)
        for layer in found[1:3]:
            layer.update(class_name=wanted["kind"], config={"name": layer["config"]["name"], **wanted["config"]})
        members["config.json"] = json.dumps(about).encode()

    return change


def holds(put):
    """The first array of weights is another."""

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


def written(change, whole, tmp_path) -> Path:
    """The file of a model, changed."""
    members = dict(whole)
    change(members)
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return tmp_path / "m.keras"


HARMS = {
    "a link": (holds(link), "decoder/layers/dense/vars/0 is a link to another file"),
    "values elsewhere": (holds(outside), "the values of decoder/layers/dense/vars/0 are in another file"),
}


@pytest.mark.parametrize(("change", "reason"), HARMS.values(), ids=HARMS.keys())
def test_what_does_harm_is_refused_before_keras_makes_it(change, reason, whole, tmp_path, monkeypatch):
    def made(file):
        raise AssertionError("Keras was asked to make the model")

    file = written(change, whole, tmp_path)
    monkeypatch.setattr(stored.keras.saving, "load_model", made)
    with pytest.raises(InputError, match=f"m.keras is damaged or of another version .*{reason}"):
        load(file)


WIDER = {
    "two wide layers": asks_for(kind="Dense", config={"units": WIDE}),
    "a wide einsum": asks_for(kind="EinsumDense", config={"equation": "ab,bc->ac", "output_shape": WIDE}),
}


@pytest.mark.parametrize("change", WIDER.values(), ids=WIDER.keys())
def test_no_weights_are_made_beyond_those_that_are_stored(change, whole, tmp_path):
    made, most = [], stored.SPARE * len(whole["model.weights.h5"])

    def seen(make, **given):
        made.append(make(**given))
        return made[-1]

    with tf.variable_creator_scope(seen):
        load(written(lambda members: None, whole, tmp_path))
        assert made
        made.clear()
        with pytest.raises(InputError, match=r"m.keras is damaged .*weights are to take more than .* are stored"):
            load(written(change, whole, tmp_path))
    assert sum(weight.dtype.size * np.prod(weight.shape) for weight in made) <= most


def test_no_initializer_is_run_for_weights_that_are_not_stored(whole, tmp_path):
    wanted = {"class_name": "Rotation", "module": "tests", "registered_name": "tests>Rotation", "config": {}}
    change = asks_for(kind="Dense", config={"units": WIDE, "kernel_initializer": wanted})
    Rotation.made.clear()
    with pytest.raises(InputError, match=r"m.keras is damaged .*weights are to take more than .* are stored"):
        load(written(change, whole, tmp_path))
    assert all(np.prod(shape) < WIDE**2 for shape in Rotation.made)


TENSOR = {"class_name": "__keras_tensor__", "config": {"shape": [None, 9], "dtype": "float32"}}
NODE = {"args": [TENSOR], "kwargs": {}}


def layer(name: str = "Dense", module: str = "keras.layers", config=None, **more) -> dict:
    return {"module": module, "class_name": name, "config": config or {}, "registered_name": None} | more


def unnamed(name: str, **more) -> dict:
    """A layer of Keras without a module, by which alone it knows what was registered; the name that was is a decoy."""
    found = layer(name, registered_name="tests>JaxLayer", **{"config": {}, **more})
    return {key: value for key, value in found.items() if key != "module"}


def function(name: str, module: str) -> dict:
    return layer("function", module, name)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (layer(config={"activation": function("plot_image_gallery", "keras.visualization")}), "'keras.visualization'"),
        (layer(config={"activation": function("deserialize", "keras.activations")}), "a function of"),
        (layer(config={"activation": function("schedules.deserialize", "builtins")}), "a function of"),
        (layer("Lambda"), "a Lambda, which runs"),
        (layer("Lambda", config={"function": layer("__lambda__", config={"code": "4wEA"})}), "a Lambda, which runs"),
        (layer("Lambda", config={"function": function("tests>JaxLayer", "tests")}), "a Lambda, which runs"),
        (layer("Lambda", config={"function": function("load_model", "keras.models")}), "a Lambda, which runs"),
        (layer("TFSMLayer"), "a TFSMLayer, which runs"),
        ({"class_name": "JaxLayer", "registered_name": "tests>JaxLayer", "config": {}}, "a JaxLayer, which runs"),
        (unnamed("Activation", inbound_nodes=[{"args": [], "kwargs": {"inputs": [9, 9]}}]), "without a tensor"),
        (unnamed("Activation", inbound_nodes=[{"args": [TENSOR], "kwargs": {"x": "a/file"}}]), "with a text"),
        (unnamed("Dense", config={"units": 10**8}), "a whole number above 10,000,000 as a size"),
        (unnamed("LSTM", config={"stateful": True}), "keeps states from batch to batch"),
        (layer("load_model", "keras.models"), "'load_model' of 'keras.models'"),
        (layer("ImageDataGenerator", "keras.preprocessing.image"), "'keras.preprocessing.image'"),
        (layer("Anything", "keras_hub.src.x"), "'keras_hub.src.x'"),
        (layer(inbound_nodes=[{"args": [], "kwargs": {"x": "a/file"}}]), "with a text"),
        (layer(inbound_nodes=[{"args": [{"class_name": "__bytes__", "config": {"value": "a"}}]}]), "with a text"),
        (layer(inbound_nodes=[{"args": [[9], 1.0], "kwargs": {}}]), "without a tensor"),
        (layer(inbound_nodes=[NODE, {"args": [{"class_name": "__slice__", "config": [TENSOR]}]}]), "without a tensor"),
        (layer("InputLayer", config={"batch_shape": [None, 10**7 + 1]}), "a whole number above 10,000,000 as a size"),
        (layer("Sequential", config={"build_input_shape": [10**8], "class_name": "a"}), "a whole number above"),
        (layer("Normalization", config={"mean": 0.0, "variance": 1.0}), "without the shape of its input"),
        (layer("AugMix", config={"num_chains": 10**6}), "loops more than 100,000 times"),
        (layer("Pipeline", config={"layers": [layer("GRU", config={"unroll": True})]}), "layers that loop"),
        (layer("LSTM", config={"stateful": True}), "keeps states from batch to batch"),
        (layer("__numpy__", config={"value": ["a"], "dtype": "S9"}), "no plain numbers"),
        (layer("__tensor__", config={"value": [1], "dtype": "(9,9)f4"}), "no plain numbers"),
        (layer(["Dense"]), "no text"),
        (layer(shared_object_id="a"), "a shared_object_id that is no whole number"),
        (layer(shared_object_id=1.0), "a shared_object_id that is no whole number"),
        (layer(shared_object_id=None), "a shared_object_id that is no whole number"),
    ],
)
def test_what_is_in_no_network_is_refused_before_keras_reads_it(config, words):
    with pytest.raises(InputError, match=words):
        stored_config.check({"layers": [config]})


def test_what_layers_have_beside_weights_is_counted_together():
    """A Normalization that is given its mean makes as many numbers as a row has, at once."""
    wide = layer(
        "Normalization", config={"mean": 0.0, "variance": 1.0}, build_config={"input_shape": [None, 3000, 3000]}
    )
    stored_config.check({"layers": [wide]})
    with pytest.raises(InputError, match="layers of more than 10,000,000 constants"):
        stored_config.check({"layers": [wide, wide]})


@pytest.mark.parametrize("shared", ["", "later", "sooner"])
def test_models_within_models_are_counted_as_often_as_they_are_called(shared):
    inner, models = layer(inbound_nodes=[NODE, NODE]), []
    for i in range(40):
        inner = layer("Functional", "keras.models", {"layers": [inner]}, inbound_nodes=[NODE, NODE], shared_object_id=i)
        models.append(inner)
        if shared:  # the next names it, and holds no layer itself
            inner = {**inner, "config": {}}
    few, many = models[:9], models
    if shared == "sooner":  # in the file, which need not be so where Keras makes them
        few, many = few[::-1], many[::-1]
    stored_config.check({"layers": few})
    with pytest.raises(InputError, match="calls layers more than 100,000 times"):
        stored_config.check({"layers": many})


def test_a_model_within_itself_is_called_for_ever():
    one, other = ({**layer("Functional", "keras.models"), "shared_object_id": i} for i in range(2))
    nested = [{**one, "config": {"layers": [other]}}, {**other, "config": {"layers": [one]}}]
    with pytest.raises(InputError, match="calls layers more than 100,000 times"):
        stored_config.check({"layers": nested})


def test_more_members_than_a_model_has_are_not_unpacked(tmp_path, small_model):
    small_model().save(tmp_path / "model.keras")
    for name in ("/".join(["a"] * 30), None):
        shutil.copy(tmp_path / "model.keras", tmp_path / "more.keras")
        with zipfile.ZipFile(tmp_path / "more.keras", "a", zipfile.ZIP_STORED) as archive:
            for number in range(1) if name else range(1001):
                archive.writestr(name or f"assets/{number}", b"")
        with pytest.raises(ValueError, match="more files than a model has"):
            stored.load(tmp_path / "more.keras")
