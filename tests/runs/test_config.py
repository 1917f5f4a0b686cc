"""Settings: recipes, checks, the way to JSON and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vade_tf.errors import InputError
from vade_tf.runs.config import TrainConfig, cluster_counts
from vade_tf.training.callbacks import learning_rate
from vade_tf.training.settings import Settings


def test_the_paper_recipe_is_the_paper_setting_and_can_be_overruled():
    paper = TrainConfig(recipe="paper", batch_size=50)
    assert (paper.init, paper.guide_epochs, paper.augment, paper.schedule) == ("gmm", 0, "none", "step")
    assert (paper.pretrain_epochs, paper.epochs, paper.learning_rate, paper.batch_size) == (50, 300, 0.002, 50)
    assert TrainConfig(recipe="paper", clusters=3).resolve(100).hidden == (500, 500, 2000)
    assert TrainConfig() == TrainConfig(recipe="robust", dataset="mnist")


def test_json_round_trip():
    config = TrainConfig(recipe="paper", data="x.npy", clusters=3, guide_weight=0.0)
    assert TrainConfig.of(json.loads(config.to_json())) == config


def test_the_paper_recipe_knows_its_settings_for_a_data_set():
    text = TrainConfig(dataset="reuters10k", recipe="paper")
    assert (text.epochs, text.init, text.batch_size) == (15, "kmeans", 100)
    assert TrainConfig(dataset="reuters10k", recipe="paper", epochs=3).epochs == 3  # what a user says counts
    assert TrainConfig(dataset="reuters10k").epochs is None  # of another recipe it says nothing
    assert TrainConfig(dataset="hhar", recipe="paper").epochs == 120
    assert TrainConfig(dataset="mnist", recipe="paper") == TrainConfig(recipe="paper")


@pytest.mark.parametrize(
    ("settings", "argument"),
    [
        ({"clusters": 0}, "clusters"),
        ({"batch_size": -5}, "batch_size"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"init": "umap"}, "init"),
        ({"recipe": "best"}, "recipe"),
        ({"data": "a.npy", "dataset": "mnist"}, "data"),
        ({"dataset": "data/my.csv"}, "dataset"),
        ({"data": "a.npy", "data_dir": "b"}, "data_dir"),
        ({"data": "a.npy", "require_full": True}, "require_full"),
        ({"labels": "y.npy"}, "labels"),
        ({"seed": -1}, "seed"),
        ({"epochs": 2.5}, "epochs"),
        ({"guide_weight": -1.0}, "guide_weight"),
        ({"model": "dec", "self_train_epochs": 4}, "self_train_epochs"),
        ({"data": 3}, "data"),
        ({"hidden": (64, 0)}, "hidden"),
        ({"hidden": "64,wide"}, "hidden"),
        ({"data": "x.npy", "image_shape": "all"}, "image_shape"),
    ],
)
def test_what_cannot_be_used_is_named(settings, argument):
    with pytest.raises(InputError) as refused:
        TrainConfig(**settings)
    assert refused.value.argument == argument


@pytest.mark.parametrize(
    ("given", "shape"),
    [(None, None), ("28,28", (28, 28)), ([32, 32, 3], (32, 32, 3))],
)
def test_the_shape_of_images_in_every_form(given, shape):
    config = TrainConfig(data="x.npy", image_shape=given)
    assert config.image_shape == shape
    assert TrainConfig.of(json.loads(config.to_json())) == config


@given(st.integers(1, 100_000), st.integers(0, 1000))
def test_few_rows_get_narrower_networks_unless_the_widths_are_given(n, more):
    less, wider = (TrainConfig(clusters=1).resolve(rows).hidden for rows in (n, n + more))
    assert (50, 50, 200) <= less <= wider <= (500, 500, 2000)
    assert less == (500, 500, 2000) or n < 5000
    assert TrainConfig(clusters=1, hidden=(7, 3)).resolve(n).hidden == (7, 3)
    assert less == TrainConfig(clusters=1, model="dec").resolve(n).hidden  # a comparison is one of equal networks


@given(st.integers(1, 20_000), st.integers(1, 512), st.sampled_from([8, 784]), st.booleans(), st.booleans())
def test_a_block_makes_its_updates_of_the_rows_that_it_is_trained_on(n, size, features, learns_variance, alone):
    config = TrainConfig(clusters=1, batch_size=size, model="vade" if alone else "dec")
    found = config.resolve(n, features, learns_variance=learns_variance)
    trained = n - found.validation_rows
    updates = {"pretrain": (50, trained), "fit": (250 if features == 784 else 100, trained if alone else n)}
    for phase, (least, rows) in updates.items():
        interval, steps = found.pretrain_interval if phase == "pretrain" else found.interval, -(-rows // size)
        assert (interval - 1) * steps < least
        assert interval * steps >= least


def test_convolutions_get_half_a_batch_and_the_same_updates_unless_a_batch_is_given():
    """A step of theirs takes as much longer as it has more rows."""
    dense, conv = (Settings(clusters=3).resolve(5000, 784, convolves=convolves) for convolves in (False, True))
    assert (dense.batch_size, conv.batch_size) == (256, 128)
    steps = [(each.interval * -(-4500 // each.batch_size), each.epochs // each.interval) for each in (dense, conv)]
    assert steps == [(252, 10), (252, 10)]
    assert Settings(clusters=3, batch_size=200).resolve(5000, 784, convolves=True).batch_size == 200
    assert Settings(clusters=3, recipe="paper").resolve(5000, 784, convolves=True).batch_size == 100
    assert TrainConfig(clusters=3, model="dec").resolve(5000, 784, convolves=True).batch_size == 256  # as published


def lengths(n=70_000, sharpens=True, **settings):
    found = TrainConfig(dataset="mnist", clusters=10, **settings).resolve(n, 784, sharpens=sharpens)
    return found.epochs, found.guide_epochs, found.regroups, found.self_train_epochs


def test_groups_of_many_images_are_sharpened_where_nothing_else_is_said():
    assert lengths() == (20, 20, 1, 20)
    assert lengths(sharpens=False) == lengths(self_train_epochs=0) == (10, 10, 3, 0)
    assert lengths(49_999)[2:] == (3, 0)
    assert lengths(50_000) == (40, 40, 1, 40)  # a pass has 196 updates, so two count as one
    assert lengths(100, self_train_epochs=5) == (20 * 250, 20 * 250, 1, 5)
    assert lengths(self_train_epochs=5, epochs=8, guide_epochs=7, regroups=2) == (8, 7, 2, 5)
    for said in ({"epochs": 20}, {"guide_epochs": 9}, {"regroups": 3}, {"augment": "none"}, {"recipe": "paper"}):
        assert lengths(**said)[3] == 0
    assert lengths(distribute="mirrored")[3] == 0
    assert lengths(model="dec")[3] == lengths(model="dec", self_train_epochs=0)[3] == 0


def test_cluster_counts_of_a_number_and_of_a_range():
    assert list(cluster_counts("12")) == [12]
    assert list(cluster_counts("5:8")) == [5, 6, 7, 8]
    assert list(cluster_counts("5:20:5")) == [5, 10, 15, 20]
    for text in ("5:8:10", "many", "5:", "8:5", "0:3", "5:20:0", "5:9:1:1", "5:5"):
        with pytest.raises(InputError, match="^clusters: "):
            cluster_counts(text)


def test_the_papers_learning_rate_falls_by_a_tenth_every_ten_epochs():
    """Jiang et al., section 4.1; in their code it falls no further than to 0.0002."""
    found = Settings(recipe="paper", clusters=10).resolve(70_000, 784)
    rate = learning_rate(found.schedule, found.learning_rate, found.epochs, found.decay, found.decay_epochs)
    assert [rate(e) for e in (0, 9, 10, 19, 20, 299)] == pytest.approx([2e-3, 2e-3, 1.8e-3, 1.8e-3, 1.62e-3, 2e-4])
