"""Networks of the caller's own that read or give other numbers than p(x|z) has: the clusters were wrong in silence."""

import keras
import numpy as np
import pytest
from keras import layers

from vade_tf import Settings, VaDEClusterer
from vade_tf.errors import InputError
from vade_tf.model import likelihood, own_networks
from vade_tf.model.vade import VaDE
from vade_tf.training.fitting import begin

SETTINGS = Settings(clusters=3)


def pair(shape, first=(), last=(), dtype=None):
    """Networks of rows of a shape, with layers before the encoder's first weights, and after the decoder's last."""
    x = h = keras.Input(shape, dtype=dtype)
    for layer in first:
        h = layer(h)
    h = layers.Flatten()(h)
    z = keras.Input((2,))
    out = layers.Dense(int(np.prod(shape)))(z)
    for layer in last:
        out = layer(out)
    return keras.Model(x, [layers.Dense(2)(h), layers.Dense(2)(h)]), keras.Model(z, out)


def adapted(rows, **settings):
    layer = layers.Normalization(**settings)
    layer.adapt(rows)
    return layer


def inside(*some):
    return keras.Sequential([keras.Input((4, 4, 1)), *some])


@pytest.fixture
def grey(rng):
    """Images of bytes, of which some pixels are hardly ever lit."""
    x = rng.integers(0, 256, (60, 4, 4, 1)).astype("u1")
    x[5:, 0] = 0
    return x


@pytest.fixture
def table(rng):
    return (100 + 3 * rng.normal(size=(60, 6)) + 24 * np.eye(6)[np.arange(60) % 3]).astype("f4")


class Unknown(keras.Model):
    """A model without a graph of layers."""

    def call(self, x):
        return x


TAKEN = {
    "of unknown layers": lambda x: [Unknown(), layers.Rescaling(1 / 255)],
    "none": lambda x: [],
    "to -1 and 1": lambda x: [layers.Rescaling(2.0, -1.0)],
    "adapted to scaled images": lambda x: [adapted(x / 255)],
    "adapted to scaled pixels": lambda x: [adapted(x / 255, axis=(1, 2, 3))],
    "of known moments": lambda x: [layers.Normalization(mean=0.13, variance=0.31**2)],
    "back to raw, and that adapted": lambda x: [
        layers.Rescaling(255.0),
        inside(layers.Rescaling(1 / 255), adapted(x / 255)),
    ],
    "deeper": lambda x: [layers.Conv2D(1, 1), layers.Normalization(mean=500.0, variance=1.0)],
    "beside others": lambda x: [lambda h: layers.Concatenate()([layers.Rescaling(1 / 255)(h), h])],
}


@pytest.mark.parametrize("kind", TAKEN)
def test_layers_that_fit_scaled_rows_are_taken(grey, kind):
    begin(grey, SETTINGS, networks=pair((4, 4, 1), TAKEN[kind](grey)))


REFUSED = {
    "bytes to 0 and 1": lambda x: [layers.Rescaling(1 / 255)],
    "bytes to -1 and 1": lambda x: [layers.Rescaling(1 / 127.5, -1.0)],
    "to bytes": lambda x: [layers.Rescaling(255.0)],
    "adapted to raw images": lambda x: [adapted(x)],
    "moved first": lambda x: [layers.Reshape((16,)), layers.Reshape((4, 4, 1)), adapted(x)],
    "in a model inside": lambda x: [inside(layers.Permute((2, 1, 3)), adapted(x))],
}


@pytest.mark.parametrize("kind", REFUSED)
def test_layers_made_for_raw_rows_are_refused_for_images(grey, kind):
    with pytest.raises(InputError, match="^encoder: expected to read rows that are scaled already, .*(resc|norm)"):
        begin(grey, SETTINGS, networks=pair((4, 4, 1), REFUSED[kind](grey)))


@pytest.mark.parametrize("unit", [1.0, 1e-4, 1e4])
def test_layers_made_for_raw_rows_are_refused_for_tables_of_any_unit(table, unit):
    scaled = (table - table.mean(axis=0)) / table.std(axis=0)
    begin(unit * table, SETTINGS, networks=pair((6,), [adapted(scaled)]))
    with pytest.raises(InputError, match="^encoder: expected to read rows that are scaled already"):
        VaDEClusterer(3, encoder=(own := pair((6,), [adapted(unit * table)]))[0], decoder=own[1]).fit(unit * table)


def test_a_layer_that_changes_nothing_is_taken_where_few_pixels_are_on():
    x = (np.random.default_rng(0).random((400, 4, 4, 1)) < 0.004).astype("f4")
    begin(x, SETTINGS, networks=pair((4, 4, 1), [layers.Normalization(mean=0.0, variance=1.0)]))


def test_counts_are_read_as_they_are(rng):
    """Nothing has scaled them, so that the first layer may."""
    x = rng.poisson(50, (60, 6)).astype("f4")
    settings = Settings(clusters=3, likelihood="counts")
    for layer in (adapted(x), layers.Rescaling(1e-3)):
        begin(x, settings, networks=pair((6,), [layer]))


def test_rows_far_from_0_may_be_scaled_as_they_are(small_model, rng):
    """Rows that are brought to one scale keep their mean."""
    x = (30 + rng.normal(size=(60, 6))).astype("f4")
    for first, fits in ((layers.Rescaling(2.0), True), (layers.Rescaling(2.0, 300.0), False)):
        model = VaDE(*pair((6,), [first]), 3, "gaussian")
        if fits:
            own_networks.check_reading(model, x)
        else:
            with pytest.raises(InputError, match="^encoder: expected to read rows"):
                own_networks.check_reading(model, x)


ENDS = {
    "activation": ([layers.Activation("sigmoid")], "sigmoid"),
    "hard": ([layers.Activation("hard_sigmoid")], "hard_sigmoid"),
    "dense": ([layers.Dense(16, activation="softmax")], "softmax"),
    "layer": ([layers.Softmax(), layers.Reshape((4, 4))], "softmax"),
    "operation": ([keras.ops.sigmoid, layers.Reshape((4, 4)), layers.Activation("linear")], "sigmoid"),
    "inside": ([keras.Sequential([keras.Input((16,)), layers.Activation("sigmoid")])], "sigmoid"),
    "before": (
        [layers.Activation("sigmoid"), keras.Sequential([keras.Input((16,)), layers.Reshape((4, 4))])],
        "sigmoid",
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_probabilities_of_a_decoder_are_refused(grey, end):
    last, name = ENDS[end]
    with pytest.raises(InputError, match=rf"^decoder: expected logits of p\(x\|z\), got a {name} at its end"):
        begin(grey, SETTINGS, networks=pair((4, 4, 1), last=last))


def test_numbers_that_may_be_any_are_taken_from_a_decoder(grey, table):
    for last in (
        [layers.Activation("sigmoid"), layers.Dense(16)],
        [layers.Activation("sigmoid"), layers.Rescaling(9.0)],
    ):
        begin(grey, SETTINGS, networks=pair((4, 4, 1), last=last))
    for last in ([layers.Activation("tanh")], [Unknown()]):
        begin(table, SETTINGS, networks=pair((6,), last=last))


@pytest.mark.parametrize("name", ["gaussian", "counts"])
def test_no_likelihood_of_the_package_is_one_of_numbers_from_0_to_1(rng, name):
    x = rng.poisson(5, (60, 6)).astype("f4")
    with pytest.raises(InputError, match="^decoder: expected .*, got a sigmoid at its end; leave it out"):
        begin(x, Settings(clusters=3, likelihood=name), networks=pair((6,), last=[layers.Activation("sigmoid")]))


def test_a_likelihood_of_the_callers_may_ask_for_what_has_bounds():
    class Own(likelihood.Likelihood):
        def distribution(self, parameters):
            raise NotImplementedError  # nothing asks for it

    own_networks.check(*pair((6,), last=[layers.Activation("sigmoid")]), Own())


def test_inputs_of_whole_numbers_are_refused(grey):
    """Rows from 0 to 1 would all be 0 but for white."""
    encoder, decoder = pair((4, 4, 1), [layers.Rescaling(1.0)], dtype="uint8")
    with pytest.raises(InputError, match="^encoder: expected an Input of real numbers, got uint8"):
        begin(grey, SETTINGS, networks=(encoder, decoder))
    z = keras.Input((2,), dtype="int32")
    decoder = keras.Model(z, layers.Dense(16)(layers.Rescaling(1.0)(z)))
    with pytest.raises(InputError, match="^decoder: expected an Input of real numbers, got int32"):
        begin(grey, SETTINGS, networks=(pair((4, 4, 1))[0], decoder))


def test_a_model_that_was_saved_with_a_sigmoid_is_still_loaded(tmp_path):
    VaDE(*pair((6,), last=[layers.Activation("sigmoid")]), 3).save(tmp_path / "old.keras")
    assert keras.saving.load_model(tmp_path / "old.keras").decoder.layers[-1].activation is keras.activations.sigmoid
