"""An autoencoder that another run has trained: what it must have been trained for, and which rows it has not seen."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from vade_tf.errors import InputError
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.filled import filled, pretrained_by
from vade_tf.runs.folder import Run
from vade_tf.runs.rows import load_rows
from vade_tf.runs.study import Study
from vade_tf.training.fitting import begin
from vade_tf.training.settings import Settings
from vade_tf.training.store import Memory, Pretrained, numbered

pytestmark = pytest.mark.usefixtures("eager_file", "loaded_once")
SMALL = {"clusters": 2, "hidden": (8,), "latent_dim": 2, "epochs": 1, "regroups": 0, "init": "kmeans", "batch_size": 64}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Sixty rows of numbers between 0 and 1, which count as Bernoulli's or as Gaussian ones."""
    place = tmp_path_factory.mktemp("rows") / "x.npy"
    np.save(place, np.random.default_rng(0).random((60, 6), "f4"))
    return TrainConfig.create(data=str(place), likelihood="gaussian", pretrain_epochs=1, **SMALL)


@pytest.fixture(scope="module")
def lender(config, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "lender"
    training.train(config, out, export=False)
    return out


def borrowed(config, lender, **more) -> np.ndarray:
    """Rows set aside by a fit that goes on from the lender's autoencoder."""
    config = dataclasses.replace(config, pretrained=str(lender), **more)
    rows = load_rows(config)
    whole = filled(rows.config, rows)
    store = Memory()
    store.save("pretrained", pretrained_by(whole, rows.dataset))
    return begin(rows.dataset.observations(), whole.plain(), rows.hints, store).validation


def test_rows_set_aside_stay_those_that_gave_the_autoencoder_no_gradient(config, lender):
    """Another seed draws other rows, nine tenths of which the lender has learnt."""
    first = begin(load_rows(config).dataset.observations(), config).validation
    assert len(first) == 12
    other = begin(load_rows(config).dataset.observations(), dataclasses.replace(config, seed=5)).validation
    assert set(other) != set(first)
    np.testing.assert_array_equal(borrowed(config, lender, seed=5), first)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_lent_to_nobody(config, lender, value, tmp_path):
    run = Run.open(shutil.copytree(lender, tmp_path / "lender"))
    arrays = run.load("pretrained")
    arrays["array_002"].flat[-1] = value
    run.save("pretrained", arrays)
    with pytest.raises(InputError, match=r"^pretrained: .*pretrained.npz is damaged; name another run$"):
        borrowed(config, run.path)


def test_none_of_them_has_a_hint(config, lender, tmp_path):
    first = begin(load_rows(config).dataset.observations(), config).validation
    hints = np.full(60, -1)
    hints[first[:4]] = 1
    np.save(tmp_path / "hints.npy", hints)
    np.testing.assert_array_equal(borrowed(config, lender, hints=str(tmp_path / "hints.npy")), first[4:])


def test_of_one_that_has_seen_all_none_are_set_aside(config, tmp_path):
    training.train(dataclasses.replace(config, validation_rows=0), tmp_path / "all", export=False)
    assert len(borrowed(config, tmp_path / "all")) == 0


def test_the_likelihood_is_that_of_the_lender(config, lender, tmp_path):
    """Networks of both have the same shapes, but what one calls a logit is a mean to the other."""
    other = dataclasses.replace(config, likelihood="bernoulli", pretrained=str(lender))
    with pytest.raises(InputError, match=r"^pretrained: .* another likelihood: expected .*bernoulli.*, got .*gaussian"):
        training.train(other, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("aside", [[3, 2], [0, 60], [-1, 5], [1.0, 2.0], [[1, 2]]])
def test_what_are_no_numbers_of_rows_is_damaged(aside):
    x = np.random.default_rng(0).normal(size=(60, 6)).astype("f4")
    store = Memory()
    Pretrained([], np.array(aside), "gaussian", 1).save(store)
    with pytest.raises(InputError, match="^store: pretrained is damaged .*aside: expected different numbers of rows"):
        begin(x, Settings(clusters=2), store=store)
    del store.kept["pretrained"]["aside"]
    with pytest.raises(InputError, match="^store: pretrained is damaged .*aside"):
        begin(x, Settings(clusters=2), store=store)


def test_what_an_older_folder_tells_is_weights_alone(config):
    store = Memory()
    store.save("pretrained", numbered([np.zeros(3)]))
    assert Pretrained.load(store, 60) is None
    expected = begin(load_rows(config).dataset.observations(), config).validation
    found = begin(load_rows(config).dataset.observations(), config, store=store).validation
    np.testing.assert_array_equal(found, expected)


def test_how_many_are_set_aside_is_for_the_lender_to_say(config, lender):
    assert len(borrowed(config, lender, validation_rows=0)) == 0
    with pytest.raises(InputError, match="^validation_rows: expected 0 or none, they are the rows that .* got 5"):
        borrowed(config, lender, validation_rows=5)


def test_the_epochs_are_those_of_the_lender(config, lender, tmp_path):
    kept = Pretrained.load(Run.open(lender), 60)
    assert (kept.epochs, kept.likelihood) == (1, "gaussian")
    borrower = dataclasses.replace(config, pretrained=str(lender))
    assert training.train(borrower, tmp_path / "run", export=False)["epochs"] == {"pretrain": 1, "fit": 1}
    assert Pretrained.load(Run.open(tmp_path / "run"), 60).epochs == 1


def test_a_convolutional_one_goes_with_the_paper_recipe_but_not_with_widths(tmp_path):
    """The recipe has widths of its own, which nobody asked for."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (60, 8, 8)).astype("u1"))
    more = {"data": str(tmp_path / "x.npy"), "clusters": 2, "epochs": 1, "batch_size": 64, "init": "kmeans"}
    config = TrainConfig.create(network="conv", pretrain_epochs=1, guide_epochs=0, **more)
    training.train(config, tmp_path / "conv", export=False)
    paper = load_rows(TrainConfig.create(recipe="paper", pretrained=str(tmp_path / "conv"), **more))
    assert filled(paper.config, paper).network == "conv"
    assert Run.open(tmp_path / "conv").config.batch_size == 64
    alone = load_rows(TrainConfig.create(network="conv", **{**more, "batch_size": None}))
    assert filled(alone.config, alone).batch_size == 128
    with pytest.raises(InputError, match=r"^pretrained: the networks of .* differ: expected \(8,\)"):
        filled(dataclasses.replace(paper.config, hidden=(8,)), paper)
    np.save(tmp_path / "flat.npy", np.load(tmp_path / "x.npy").reshape(60, 64))
    flat = load_rows(dataclasses.replace(paper.config, data=str(tmp_path / "flat.npy")))
    with pytest.raises(InputError, match="^pretrained: the autoencoder of .* reads images, got rows of 64 features"):
        filled(flat.config, flat)


@pytest.mark.parametrize("drawn", [{"limit": 50}, {"held_out": 0.1}])
def test_seeds_that_draw_other_rows_cannot_share_it(config, lender, drawn, tmp_path):
    with pytest.raises(InputError, match="^pretrained: cannot be combined with seeds where limit or held_out is set"):
        Study.begin("seeds", dataclasses.replace(config, pretrained=str(lender), **drawn), tmp_path / "s", [0, 1])
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": "dec_da"}, "^model: dec_da reads augmented images, got rows that are no images"),
        ({"self_train_epochs": 5}, "^self_train_epochs: expected 0, it needs images"),
        ({"hints": "hints.npy", "guide_weight": 0.0}, "^guide_weight: expected a weight above 0 for hints"),
    ],
)
def test_what_cannot_be_used_is_said_before_a_folder_is_made(config, wrong, message, tmp_path, monkeypatch):
    np.save(tmp_path / "hints.npy", np.arange(60) % 3 - 1)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        training.train(dataclasses.replace(config, **wrong), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_keeps_the_precision_it_began_with(config, lender):
    """Another machine would take another one, and go on with other arithmetic."""
    assert config.precision == "auto"
    assert Run.open(lender).config.precision in ("float32", "mixed_bfloat16", "mixed_float16")


def test_networks_of_another_kind_than_the_lender_s_are_refused(config, lender):
    """The lender's would be trained without a word instead of those that were asked for."""
    with pytest.raises(InputError, match="^pretrained: the networks of .* differ: expected conv; use network=dense$"):
        borrowed(config, lender, network="conv", hidden=None)


@pytest.mark.parametrize("more", [{"pretrain_passes": 3}, {"patience": 7}])
def test_another_length_of_a_training_that_is_over_is_refused(config, lender, more):
    rows = load_rows(dataclasses.replace(config, pretrained=str(lender), **more))
    ((name, value),) = more.items()
    with pytest.raises(InputError, match=f"^{name}: expected none, the autoencoder of .* with .*, got {value};"):
        filled(rows.config, rows)


def test_rows_that_another_seed_has_drawn_are_told_by_it(config, lender, tmp_path):
    run = Path(shutil.copytree(lender, tmp_path / "lender"))
    told = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**told, "held_out": 0.1}))
    mine = dataclasses.replace(config, pretrained=str(run), held_out=0.1, seed=1)
    with pytest.raises(InputError, match="a run that was trained with held_out=0.1, limit=None and seed=1, as here"):
        pretrained_by(mine, load_rows(mine).dataset)
