"""Networks of the caller's own: what they are told of, what they keep, and what is refused before they are trained."""

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers

from vade_tf import Settings, VaDEClusterer, export, fit
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.serving.signatures import Served
from vade_tf.training.fitting import begin

pytestmark = pytest.mark.usefixtures("eager_file")
SMALL = {"pretrain_epochs": 1, "epochs": 1, "regroups": 0, "init": "kmeans", "batch_size": 32, "precision": "float32"}


def pair(width=6, first=(), dtype="float32"):
    """An encoder and a decoder of rows of a width, their last layers of a type."""
    x, z = keras.Input((width,)), keras.Input((2,))
    h = x
    for layer in first:
        h = layer(h)
    h = layers.Dense(8, activation="relu", dtype=dtype)(h)
    code = [layers.Dense(2, dtype=dtype)(h), layers.Dense(2, dtype=dtype)(h)]
    return keras.Model(x, code), keras.Model(z, layers.Dense(width, dtype=dtype)(z))


@pytest.fixture
def rows(rng):
    return (rng.normal(size=(60, 6)) + 6 * np.eye(6)[np.arange(60) % 3]).astype("f4")


@pytest.fixture
def adapted(rows):
    """A layer whose mean and variance are not 0 and 1, and not those of the raw rows either, which it never reads."""
    layer = layers.Normalization()
    layer.adapt(0.5 + 2 * (rows - rows.mean(axis=0)) / rows.std(axis=0))
    return layer


def test_a_normalization_goes_on_in_the_fit_the_file_and_the_export(rows, adapted, tmp_path):
    """Keras computes with constants of its weights, which `set_weights` leaves as they were."""
    own = pair(first=[adapted])
    expected = adapted(rows).numpy()
    fitted = VaDEClusterer(3, encoder=own[0], decoder=own[1], random_state=0, validation_rows=10, **SMALL).fit(rows)
    inside = next(layer for layer in fitted.model_.encoder.layers if isinstance(layer, layers.Normalization))
    np.testing.assert_allclose(inside(rows).numpy(), expected, rtol=1e-6)
    fitted.save(tmp_path / "c.keras")
    gamma = fitted.predict_proba(rows)
    np.testing.assert_allclose(VaDEClusterer.load(tmp_path / "c.keras").predict_proba(rows), gamma, atol=1e-6)
    served = Served(export(fitted.model_, tmp_path / "served"))
    np.testing.assert_allclose(served.predict(rows), gamma, atol=1e-5)


def test_whole_numbers_among_the_weights_are_kept_with_the_best(rows, adapted):
    """`Normalization` counts its batches."""
    settings = Settings(clusters=3, **{**SMALL, "validation_rows": 10, "patience": 1})
    assert fit(rows, settings, networks=pair(first=[adapted])).history[0]["val_loss"] > 0


def test_outputs_of_half_precision_are_compared_in_single(rows):
    """Rows set aside are reconstructed outside of Keras' loss, which casts."""
    with pytest.raises(InputError, match="^networks: expected float32 or mixed_bfloat16 with distribute"):
        fit(rows, Settings(clusters=3, **SMALL, distribute="mirrored"), networks=pair(dtype="mixed_float16"))
    fitted = fit(rows, Settings(clusters=3, **{**SMALL, "validation_rows": 10}), networks=pair(dtype="mixed_bfloat16"))
    assert all(np.isfinite(row["val_loss"]) for row in fitted.history)


def test_devices_train_what_the_model_itself_is_also_where_a_layer_computes_with_copies_of_its_weights(rows, adapted):
    """One device's training of mirrored networks is that of none, but for rounding."""
    found = []
    for distribute in ("none", "mirrored"):
        keras.utils.set_random_seed(0)
        settings = Settings(clusters=3, **{**SMALL, "validation_rows": 0}, distribute=distribute)
        copy = layers.Normalization()
        copy.adapt(adapted.variance.numpy() ** 0.5 * [[1.0], [-1.0]] + adapted.mean.numpy())
        found.append(fit(rows, settings, networks=pair(first=[copy])).history)
    for alone, shared in zip(*found, strict=True):
        assert shared["loss"] == pytest.approx(alone["loss"], rel=1e-4)


@pytest.mark.parametrize(
    "layer", [layers.Lambda(lambda x: 2 * x), type("Own", (layers.Layer,), {"call": lambda _, x: x})()]
)
def test_layers_that_no_config_gives_back_are_trained_on_one_device_alone(rows, layer):
    with pytest.raises(
        InputError, match="has a class or a function that devices cannot have copies of, .*register_keras"
    ):
        begin(rows, Settings(clusters=3, distribute="mirrored"), networks=pair(first=[layer]))
    begin(rows, Settings(clusters=3), networks=pair(first=[layer]))


def test_rows_of_another_width_are_refused_by_name(rows):
    with pytest.raises(InputError, match=r"^encoder: expected one of 6 values a row, as x has, got one of \(8,\)"):
        begin(rows, Settings(clusters=3), networks=pair(8))


def test_missing_cells_go_with_the_networks_that_are_told_of_them(rows):
    """NaN would be answered by NaN, whose most probable cluster is the first."""
    table = pd.DataFrame(rows, columns=list("abcdef")).assign(g=list("xy") * 30)
    own = pair(Schema.infer(table, "x").encode(table, "x")[0].shape[1])
    holes = table.copy()
    holes.loc[3, "b"] = np.nan
    clusterer = VaDEClusterer(3, encoder=own[0], decoder=own[1], random_state=0, **SMALL)
    with pytest.raises(InputError, match="^encoder: expected rows without missing cells"):
        clusterer.fit(holes)
    clusterer.fit(table)
    with pytest.raises(InputError, match="^X: expected finite numbers"):
        clusterer.predict(holes)


def test_missing_cells_are_filled_by_a_layer_inside_of_a_model_in_the_encoder(rows):
    holes = pd.DataFrame(rows, columns=list("abcdef"))
    holes.loc[3, "b"] = np.nan
    x = keras.Input((6,))
    filling = keras.Model(x, networks.Filled([0.0] * 6)(x))
    own = pair(first=[filling])
    clusterer = VaDEClusterer(3, encoder=own[0], decoder=own[1], random_state=0, **SMALL).fit(holes)
    assert np.isfinite(clusterer.predict_proba(holes)).all()


def test_labels_do_not_count_in_the_loss_of_a_validation(rows, small_model):
    model = small_model("gaussian")
    x, y = np.tile(rows, (1, 2)), np.arange(60) % 4
    with pytest.raises(InputError, match="^validation_data: expected rows alone"):
        model.fit(x, validation_data=(x, y), verbose=0)
    found = model.fit(x, validation_data=x, epochs=1, verbose=0).history
    assert np.isfinite(found["val_loss"]).all()
    assert "val_loss" in model.fit(x, hints=y, validation_data=(x, y), epochs=1, verbose=0).history
