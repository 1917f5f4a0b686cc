"""`VaDEClusterer`: its parameters reach the fit, its seed the samples; tables of other libraries; rows of a schema."""

import dataclasses

import anndata
import keras
import numpy as np
import pandas
import pyarrow
import pytest
import small_fits
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

import vade_tf
from vade_tf import VaDEClusterer, estimator
from vade_tf.errors import InputError, UnitsWarning

SHORT = {
    "pretrain_epochs": 0, "epochs": 1, "hidden": (8,), "latent_dim": 2, "precision": "float32", "init": "kmeans",
    "random_state": 0,
}  # fmt: skip
pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture
def frame(rng):
    """80 rows: a number, one with a heavy tail, a truth value, a category."""
    columns = {"a": rng.normal(50, 5, 80), "b": np.exp(rng.normal(8, 2, 80)), "c": [1, 2] * 40, "d": list("xyzx") * 20}
    return pandas.DataFrame(columns)


def test_every_parameter_is_the_setting_of_its_name():
    given = {
        "recipe": "paper", "latent_dim": 3, "hidden": (7, 5), "network": "dense", "likelihood": "gaussian",
        "batch_size": 33, "pretrain_epochs": 4, "epochs": 9, "learning_rate": 5e-4, "augment": "none",
        "init": "kmeans", "guide_epochs": 6, "guide_weight": 3.0, "regroups": 2, "self_train_epochs": 5,
        "validation_rows": 11, "precision": "float32",
    }  # fmt: skip
    found = VaDEClusterer(4, random_state=7, **given)._settings()
    assert found == vade_tf.Settings(clusters=4, seed=7, **given)


def test_what_is_not_given_is_as_in_the_settings():
    assert VaDEClusterer(3, random_state=0)._settings() == vade_tf.Settings(clusters=3, seed=0)


def test_what_a_subclass_fixes_is_a_setting_too():
    class Short(VaDEClusterer):
        def __init__(self, n_clusters=3, random_state=None):
            super().__init__(n_clusters, epochs=2, hidden=(4, 4), pretrain_epochs=1, random_state=random_state)

    settings = Short(random_state=5)._settings()
    assert (settings.clusters, settings.epochs, settings.hidden, settings.seed) == (3, 2, (4, 4), 5)


@pytest.mark.parametrize(
    ("init", "start"),
    [
        (GaussianMixture(reg_covar=0.1), "GaussianMixture on the standardised columns"),
        (lambda rows: (rows[:, 0] > 3).astype(int), "the function given"),
        (np.arange(60) % 3, "the array given"),
        ("spectral", "landmark spectral clustering on the code and the last hidden layer"),
    ],
)
def test_a_start_is_a_name_or_the_callers_own(rng, tmp_path, init, start):
    """What is no name is not in a saved clusterer."""
    x = small_fits.sixty(rng)
    fitted = clone(VaDEClusterer(3, **{**SHORT, "init": init})).fit(x)
    assert (fitted.start_, fitted.kind_, fitted.choice_) == (start, "table", None)
    fitted.save(tmp_path / "a.vade")
    found = VaDEClusterer.load(tmp_path / "a.vade")
    assert (found.start_, found.init) == (start, init if isinstance(init, str) else None)


def test_a_number_of_clusters_that_was_chosen_says_why(rng):
    fitted = VaDEClusterer("auto", **{**SHORT, "init": "auto"}).fit(small_fits.sixty(rng))
    assert fitted.n_clusters_ == fitted.choice_.n_clusters == 3
    assert len(fitted.choice_.strength) == len(fitted.choice_.tried) == 6
    with pytest.raises(InputError, match="^init: "):
        VaDEClusterer("auto", **{**SHORT, "init": np.arange(60) % 3}).fit(small_fits.sixty(rng))


def test_callbacks_hear_both_phases_and_samples_are_of_the_estimators_seed(frame):
    heard = []
    hear = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: heard.append(epoch))
    fitted = VaDEClusterer(3, callbacks=[hear], **{**SHORT, "pretrain_epochs": 1}).fit(frame)
    assert len(heard) == 2
    pandas.testing.assert_frame_equal(fitted.sample(20)[0], fitted.sample(20)[0])


def test_tables_of_other_libraries_are_read_by_their_names(frame):
    fitted = VaDEClusterer(3, **SHORT).fit(frame)
    other = pyarrow.Table.from_pandas(frame)
    np.testing.assert_array_equal(fitted.predict_proba(other), fitted.predict_proba(frame))
    with pytest.raises(ValueError, match="same order"):
        fitted.predict(other.select(["b", "a", "c", "d"]))
    np.testing.assert_array_equal(VaDEClusterer(3, **SHORT).fit(other).labels_, fitted.labels_)
    assert vade_tf.fit(other, vade_tf.Settings(clusters=3, **_without_seed())).schema == fitted.schema_
    pandas.testing.assert_frame_equal(fitted.impute(other), fitted.impute(frame))
    np.testing.assert_array_equal(fitted.schema_.encode(other)[0], fitted.schema_.encode(frame)[0])
    with pytest.raises(InputError, match="^x: "):
        fitted.model_.predict(other, verbose=0)


def _without_seed():
    return {name: value for name, value in SHORT.items() if name != "random_state"}


def test_a_fit_to_a_table_says_how_its_rows_are_coded(frame):
    """The model reads what the schema gives it: 0 and 1 for 1 and 2, logarithms for amounts."""
    fitted = vade_tf.fit(frame, vade_tf.Settings(clusters=3, **_without_seed()))
    estimator = VaDEClusterer(3, **SHORT).fit(frame)
    coded = fitted.schema.encode(frame)[0]
    np.testing.assert_array_equal(fitted.model.predict(coded, verbose=0).argmax(axis=1), estimator.labels_)
    with pytest.raises(InputError, match="^x: "):
        fitted.model.predict(frame, verbose=0)
    assert vade_tf.fit(coded, vade_tf.Settings(clusters=3, **_without_seed())).schema is None


def test_only_standardised_columns_are_asked_for_their_units(rng, recwarn):
    """A gene with many counts in all cells is no column in other units, nor are dates that go on."""
    counts = pandas.DataFrame(rng.poisson(0.3, (200, 40))).rename(columns=str).assign(common=rng.poisson(40, 200))
    VaDEClusterer(2, likelihood="counts", **SHORT).fit(counts).predict(counts)
    days = pandas.to_datetime("2024-01-01") + pandas.to_timedelta(rng.integers(0, 30, 60), "D")
    table = pandas.DataFrame({"ordered": days, "shipped": days[::-1], "amount": rng.normal(9, 1, 60)})
    later = table.assign(ordered=table["ordered"] + pandas.Timedelta(days=400))
    later["shipped"] = later["ordered"]
    VaDEClusterer(2, **SHORT).fit(table).predict(later)
    assert [each for each in recwarn if each.category is UnitsWarning] == []


def test_cells_are_not_unrolled_by_numpy(rng):
    cells = anndata.AnnData(rng.normal(size=(60, 5)).astype("f4"))
    with pytest.raises(InputError, match="^x: "):
        vade_tf.fit(cells, vade_tf.Settings(clusters=2))


class Enough(Exception):
    """A fit would begin."""


@pytest.mark.parametrize("given", [False, True])
def test_hints_reach_the_fit_and_those_of_the_call_stand_in_place_of_the_parameter(rng, monkeypatch, given):
    own, other, seen = np.arange(40) % 3, np.full(40, -1), []

    def fit(data, settings, hints, **more):
        seen.append(hints)
        raise Enough

    monkeypatch.setattr("vade_tf.training.recipe.fit", fit)
    clusterer = VaDEClusterer(3, hints=own, **SHORT)
    with pytest.raises(Enough):
        clusterer.fit(rng.normal(size=(40, 3)), hints=other if given else None)
    np.testing.assert_array_equal(seen[0], other if given else own)


def test_what_is_refused_has_the_name_of_the_parameter(monkeypatch, rng):
    def fit(*given, **more):
        raise InputError("clusters", "fewer", "3", "why")

    monkeypatch.setattr(estimator.recipe, "fit", fit)
    with pytest.raises(InputError) as found:
        VaDEClusterer(3).fit(rng.normal(size=(20, 3)))
    assert found.value.args == ("n_clusters", "fewer", "3", "why")


def test_what_is_wrong_with_a_fit_is_kept_and_warned_of(monkeypatch, rng):
    own = estimator.recipe.fit

    def fit(*given, **more):
        return dataclasses.replace(own(*given, **more), health=["component 1 is empty"])

    monkeypatch.setattr(estimator.recipe, "fit", fit)
    with pytest.warns(ConvergenceWarning, match="^component 1 is empty$"):
        fitted = VaDEClusterer(3, regroups=0, **SHORT).fit(rng.normal(size=(20, 3)))
    assert fitted.health_ == ["component 1 is empty"]


@pytest.mark.parametrize("verbose", [0, 1])
def test_what_was_made_of_the_columns_is_printed_where_it_is_asked_for(frame, monkeypatch, capsys, verbose):
    def fit(*given, **more):
        raise Enough

    monkeypatch.setattr(estimator.recipe, "fit", fit)
    with pytest.raises(Enough):
        VaDEClusterer(3, verbose=verbose, **SHORT).fit(frame.assign(same="always"))
    assert ("same" in capsys.readouterr().out) == bool(verbose)


@pytest.mark.parametrize("network", ["conv", "dense"])
def test_images_with_their_channels_first_in_keras_are_refused_before_a_network_is_built(network, rng):
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(InputError, match="channels_last"):
            VaDEClusterer(3, **{**SHORT, "hidden": None, "network": network}).fit(rng.random((40, 12, 12)))
    finally:
        keras.config.set_image_data_format("channels_last")
