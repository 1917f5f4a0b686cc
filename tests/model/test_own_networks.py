"""Networks of one's own and models in files: which are taken, and that no file runs code or leads elsewhere."""

import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from vade_tf import Settings, VaDEClusterer, fit, load
from vade_tf.errors import InputError
from vade_tf.model import networks, own_networks
from vade_tf.model.vade import VaDE

SETTINGS = {"clusters": 2, "pretrain_epochs": 1, "epochs": 1, "batch_size": 32, "seed": 0}


def pair(first=(), last=(), width=6, outputs=None, dtype=None):
    """An encoder with these layers first, and a decoder with these layers last."""
    x, z = keras.Input((width,), dtype=dtype), keras.Input((2,))
    h = x
    for layer in first:
        h = layer(h)
    heads = [layers.Dense(2)(h), layers.Dense(2)(h)]
    out = layers.Dense(width)(z)
    for layer in last:
        out = layer(out)
    return keras.Model(x, heads if outputs is None else outputs(heads)), keras.Model(z, out)


def adapted(rows):
    layer = layers.Normalization()
    layer.adapt(rows)
    return layer


@pytest.mark.parametrize("outputs", [tuple, list])
def test_two_outputs_in_a_list_or_a_tuple_are_taken(outputs):
    own_networks.check(*pair(outputs=outputs))


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (lambda heads: heads[0], "^encoder: expected one input and a list"),
        (lambda heads: {"m": heads[0], "s": heads[1]}, "^encoder: expected one input and a list"),
        (lambda heads: [heads[0], layers.Dense(3)(heads[1])], "^encoder: expected one input and a list"),
    ],
)
def test_outputs_of_an_encoder_in_another_form_are_refused(outputs, message):
    with pytest.raises(InputError, match=message):
        own_networks.check(*pair(outputs=outputs))


def test_decoders_that_do_not_fit_are_refused():
    encoder, decoder = pair()
    listed = keras.Model(decoder.inputs, decoder.outputs)
    for wrong, message in (
        (listed, "one output of 6 values a row, by itself"),
        (networks.build_decoder(5, 2, ()), "one output of 6 values"),
        (networks.build_decoder(6, 3, ()), "one input of"),
        ("decoder", "a functional keras.Model"),
    ):
        with pytest.raises(InputError, match=f"^decoder: expected {message}"):
            own_networks.check(encoder, wrong)


@pytest.mark.parametrize("squash", [layers.Activation("sigmoid"), layers.Softmax(), layers.Dense(6, "hard_sigmoid")])
@pytest.mark.parametrize("kind", ["bernoulli", "gaussian", "counts"])
def test_probabilities_of_a_decoder_are_refused(squash, kind):
    """Also before a layer that only moves them."""
    x, (encoder, decoder) = np.ones((4, 6), "f4"), pair(last=[squash, layers.Reshape((6,))])
    with pytest.raises(InputError, match="^decoder: expected .*, got a (sigmoid|softmax|hard_sigmoid) at its end"):
        own_networks.check_numbers(VaDE(encoder, decoder, 2, kind), x)
    own_networks.check_numbers(VaDE(*pair(last=[layers.Activation("tanh")]), 2, kind), x)


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
def test_a_layer_made_for_raw_rows_is_refused_and_one_for_scaled_rows_is_not(kind, rng):
    """Clusters of rows that are scaled twice are wrong, and nothing else shows it."""
    grey = rng.integers(0, 256, (200, 6)).astype("u1")
    settings = Settings(likelihood=kind, **SETTINGS)
    nested = keras.Sequential([keras.Input((6,)), layers.Rescaling(1 / 255), layers.Dense(4)])
    for layer in (layers.Rescaling(1 / 255), adapted(grey.astype("f4")), nested):
        with pytest.raises(InputError, match="^encoder: expected to read rows that are scaled already"):
            fit(grey, settings, networks=pair(first=[layer]))
    for layer in (layers.Rescaling(2.0, -1.0), adapted(grey / 255)):
        fit(grey, settings, networks=pair(first=[layer]))


def test_a_layer_with_weights_in_both_networks_is_refused_and_one_without_is_not():
    own_networks.check(*pair(first=[shared := layers.ReLU()], last=[shared]))
    with pytest.raises(InputError, match="^decoder: expected no layer of the encoder"):
        own_networks.check(*pair(first=[shared := layers.Dense(6)], last=[shared]))


def test_missing_cells_go_with_the_networks_that_fill_them(rng):
    x = rng.normal(size=(60, 6)).astype("f4")
    x[::3, 1] = np.nan
    import pandas

    rows = pandas.DataFrame(x).add_prefix("c")
    with pytest.raises(InputError, match="missing cells"):
        fit(rows, Settings(**SETTINGS), networks=pair())
    found = fit(rows, Settings(**SETTINGS), networks=pair(first=[networks.Filled([0.0] * 6)]))
    assert np.isfinite(found.model.predict(x, verbose=0)).all()


def test_a_normalization_goes_on_in_the_fit_and_the_file(rng, tmp_path):
    """Such a layer computes with copies of its weights, which a loaded model has to take up."""
    x = rng.normal(size=(60, 6)).astype("f4")
    encoder, decoder = pair(first=[adapted(x)])
    more = {name: value for name, value in SETTINGS.items() if name not in ("clusters", "seed")}
    model = VaDEClusterer(2, encoder=encoder, decoder=decoder, random_state=0, **more).fit(x)
    model.save(tmp_path / "m.vade")
    np.testing.assert_array_equal(VaDEClusterer.load(tmp_path / "m.vade").predict_proba(x), model.predict_proba(x))


def test_a_layer_that_no_file_gives_back_is_named():
    class Gate(layers.Layer):
        def call(self, x):
            return 2 * x

    for layer in (Gate(name="gate"), layers.Lambda(lambda x: x, name="gate")):
        model = VaDE(*pair(first=[layer]), 2)
        with pytest.raises(InputError, match="^encoder: expected layers that Keras can make again"):
            own_networks.check_layers(model, "no file gives back")


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
