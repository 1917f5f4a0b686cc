"""Settings: recipes, checks, the way to JSON and back."""

import pytest

from vade_tf.config import TrainConfig, cluster_counts
from vade_tf.errors import InputError


def test_the_paper_recipe_is_the_paper_setting_and_can_be_overruled():
    paper = TrainConfig.create(recipe="paper", batch_size=50)
    assert (paper.init, paper.guide_epochs, paper.augment, paper.schedule) == ("gmm", 0, False, "step")
    assert (paper.learning_rate, paper.adam_epsilon, paper.batch_size) == (0.002, 1e-4, 50)


def test_json_round_trip():
    config = TrainConfig.create(recipe="paper", data="x.npy", clusters=3, guide_weight=0.0)
    assert TrainConfig.from_json(config.to_json()) == config


def test_the_paper_recipe_knows_its_settings_for_a_data_set():
    text = TrainConfig.create(dataset="reuters10k", recipe="paper")
    assert (text.epochs, text.decay, text.decay_epochs, text.init, text.batch_size) == (15, 0.5, 5, "kmeans", 100)
    assert TrainConfig.create(dataset="reuters10k", recipe="paper", epochs=3).epochs == 3  # what a user says counts
    assert TrainConfig.create(dataset="reuters10k").epochs is None  # of another recipe it says nothing
    assert TrainConfig.create(dataset="hhar", recipe="paper").epochs == 120
    assert TrainConfig.create(dataset="mnist", recipe="paper") == TrainConfig.create(recipe="paper")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clusters": 0}, "--clusters: expected a whole number of at least 1, got 0"),
        ({"batch_size": -5}, "--batch-size: .* got -5"),
        ({"learning_rate": float("nan")}, "--learning-rate: expected a positive number, got nan"),
        ({"init": "umap"}, "--init: expected one of landmark, gmm, kmeans, got 'umap'"),
        ({"recipe": "best"}, "--recipe: expected one of paper, robust, got 'best'"),
        ({"data": "a.npy", "dataset": "mnist"}, "--data and --dataset: expected one of them"),
        ({"labels": "y.npy"}, "--labels: goes with --data"),
        ({"epoch": 3}, "unknown setting epoch"),
        ({"seed": -1}, "--seed"),
        ({"held_out": 1.0}, "--held-out: expected a share from 0 to below 1, got 1.0"),
    ],
)
def test_what_cannot_be_used_is_named(settings, message):
    with pytest.raises(InputError, match=message):
        TrainConfig.create(**settings)


def test_cluster_counts_of_a_number_and_of_a_range():
    assert list(cluster_counts("12")) == [12]
    assert list(cluster_counts("5:8")) == [5, 6, 7, 8]
    assert list(cluster_counts("5:20:5")) == [5, 10, 15, 20]
    for text in ("many", "5:", "8:5", "0:3", "5:20:0", "5:9:1:1", "5:5"):
        with pytest.raises(InputError, match="--clusters: expected a number, or a range such as 5:20 or 5:20:5, got"):
            cluster_counts(text)
