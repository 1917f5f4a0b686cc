"""Rows of many columns: some of each row are hidden, so that new rows get the groups of those trained on."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from vade_tf import Settings, VaDEClusterer, begin
from vade_tf.data import augmentation, pipeline
from vade_tf.data.augmentation import Hiding
from vade_tf.errors import InputError
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.filled import filled
from vade_tf.runs.rows import load_rows


def resolved(x, **more) -> str:
    return begin(x, Settings(clusters=2, **more)).settings.augment


def test_three_tenths_of_the_cells_are_hidden_behind_their_means_others_in_each_row(rng):
    x, mean = rng.normal(size=(300, 200)).astype("f4"), np.arange(200.0)
    seen = augmentation.augment(x, Hiding(mean), (1, 2)).numpy()
    hidden = seen != x
    np.testing.assert_array_equal(seen, np.where(hidden, mean, x))
    assert abs(hidden.mean() - 0.3) < 0.01
    assert np.abs(hidden.mean(axis=0) - 0.3).max() < 0.15  # 5 standard deviations of 300 draws
    assert np.abs(np.corrcoef(hidden)[~np.eye(300, dtype=bool)]).max() < 0.5
    assert (augmentation.augment(x, Hiding(mean), (1, 3)).numpy() != seen).mean() > 0.35


def test_missing_cells_stay_missing_and_bytes_bytes(rng):
    x = rng.normal(size=(50, 40)).astype("f4")
    x[:, ::3] = np.nan
    seen = augmentation.augment(x, Hiding(np.zeros(40)), (0, 0)).numpy()
    np.testing.assert_array_equal(np.isnan(seen), np.isnan(x))
    seen = augmentation.augment(np.zeros((50, 40), "u1"), Hiding(np.full(40, 1.6)), (0, 0)).numpy()
    assert seen.dtype == np.uint8
    assert set(seen.ravel()) == {0, 2}


def test_a_row_of_a_slice_hides_what_it_hides_in_the_batch(rng):
    x, how = rng.normal(size=(12, 30)).astype("f4"), Hiding(np.zeros(30))
    whole = augmentation.augment(x, how, (1, 2)).numpy()
    for number in range(3):
        part = slice(4 * number, 4 * number + 4)
        np.testing.assert_array_equal(augmentation.augment(x[part], how, (1, 2), number, 3).numpy(), whole[part])


def test_columns_are_hidden_where_few_rows_have_many_that_are_no_images_texts_or_counts(rng):
    x = rng.normal(size=(60, 201)).astype("f4")
    assert resolved(x) == "columns"
    assert resolved(x[:, :200]) == "digits"  # which changes nothing in rows that are no images
    assert resolved(x, augment="none") == resolved(x, recipe="paper") == "none"
    for columns, of_one_length in ((64, "columns"), (63, "digits")):  # of fewer ones half say too little
        some = x[:, :columns]
        assert resolved(some / np.linalg.norm(some, axis=1, keepdims=True)) == of_one_length
    assert resolved(rng.uniform(size=(60, 16, 16)).astype("f4")) == "digits"
    assert resolved(rng.negative_binomial(1, 0.02, (60, 300)), likelihood="counts") == "digits"
    words = sp.random(60, 300, 0.05, "csr", rng=rng)
    assert resolved(words.multiply(1 / sp.linalg.norm(words, axis=1)[:, None]).tocsr()) == "digits"
    assert resolved(np.broadcast_to(x[:1], (50_000, 201))) == "digits"


def test_columns_that_repeat_one_another_are_read_whole(rng):
    """As points of a curve do: what networks could know by heart is not in them."""
    of_few = rng.normal(size=(60, 8)) @ rng.normal(size=(8, 201))
    assert resolved(of_few + 0.1 * rng.normal(size=(60, 201))) == "digits"
    assert resolved(of_few + 3.0 * rng.normal(size=(60, 201))) == "columns"


def test_other_systems_and_networks_of_ones_own_read_whole_rows(rng):
    x, layers = rng.normal(size=(60, 201)).astype("f4"), keras.layers
    assert begin(x, Settings(clusters=2), system="dec").settings.augment == "digits"
    code, z = keras.Input((201,)), keras.Input((2,))
    own = keras.Model(code, [layers.Dense(2)(code), layers.Dense(2)(code)]), keras.Model(z, layers.Dense(201)(z))
    assert begin(x, Settings(clusters=2), networks=own).settings.augment == "digits"


def test_what_stands_for_a_column_is_its_mean(rng):
    x = rng.normal(rng.normal(0, 9, 201), 1, (60, 201))
    fitting = begin(x, Settings(clusters=2))
    for phase in ("pretrain", "fit"):
        np.testing.assert_allclose(fitting.seen(phase).mean, x.mean(axis=0), rtol=1e-4, atol=1e-4)


def test_counts_have_no_columns_to_hide(rng):
    """A row's size is the sum of all of them."""
    with pytest.raises(InputError, match="^augment: expected rows that are no counts for 'columns', got counts"):
        begin(rng.poisson(3, (60, 30)), Settings(clusters=2, augment="columns", likelihood="counts"))


def test_images_have_no_columns_to_hide(rng):
    with pytest.raises(InputError, match="^augment: expected rows that are no images for 'columns', got images"):
        begin(rng.uniform(size=(60, 16, 16)), Settings(clusters=2, augment="columns"))


@pytest.mark.long
def test_new_rows_get_the_groups_of_those_trained_on(rng):
    """Sixty of 600 columns tell; where all are read, 200 rows are known by heart, and new ones reach 0.7."""
    y = rng.choice(4, 400)
    x = rng.normal(size=(400, 600))
    x[:, :60] += rng.normal(size=(4, 60))[y]
    fitted = VaDEClusterer(n_clusters=4, random_state=0).fit(x[:200])
    assert adjusted_rand_score(y[:200], fitted.labels_) > 0.9
    assert adjusted_rand_score(y[200:], fitted.predict(x[200:])) > 0.9


def test_a_run_says_that_columns_are_hidden_and_an_older_one_goes_on_with_what_it_read(
    rng, tmp_path, monkeypatch, eager
):
    np.save(tmp_path / "rows.npy", rng.normal(size=(60, 201)))
    small = {"clusters": 2, "hidden": (8,), "latent_dim": 2, "pretrain_epochs": 1, "epochs": 1, "init": "kmeans"}
    config = TrainConfig.create(data=str(tmp_path / "rows.npy"), **small)
    asked, augment = [], pipeline.augment
    monkeypatch.setattr(pipeline, "augment", lambda x, how, *more: (asked.append(how), augment(x, how, *more))[1])
    training.train(config, tmp_path / "run")
    saved = tmp_path / "run" / "config.json"
    assert json.loads(saved.read_text())["augment"] == "columns"
    assert {type(how) for how in asked} == {Hiding}
    older = dataclasses.replace(config, augment="digits")  # what a run of the version before says
    assert begin(np.load(tmp_path / "rows.npy"), older).settings.augment == "digits"


@pytest.mark.parametrize(
    ("asked", "found"), [({}, "columns"), ({"augment": "none"}, "none"), ({"recipe": "paper"}, "none")]
)
def test_a_run_writes_down_that_it_hides_columns_unless_it_was_told_not_to(tmp_path, rng, asked, found):
    """What it writes down is what every later process of it does."""
    np.save(tmp_path / "x.npy", rng.normal(size=(60, 201)).astype("f4"))
    rows = load_rows(TrainConfig.create(data=str(tmp_path / "x.npy"), clusters=2, **asked))
    assert filled(rows.config, rows).augment == found
