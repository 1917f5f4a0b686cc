"""Rows set aside: drawn by the seed, without gradient; they end the autoencoder's training and measure the noise."""

import numpy as np
import pytest

import vade_tf
from vade_tf.data import pipeline
from vade_tf.errors import InputError
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.training import aside, autoencoder, recipe
from vade_tf.training.fitting import begin
from vade_tf.training.settings import PATIENCE, Settings, set_aside
from vade_tf.training.store import Memory, State

SMALL = {"clusters": 2, "hidden": (64, 32), "latent_dim": 4, "batch_size": 32, "precision": "float32", "seed": 3}


@pytest.fixture(scope="module")
def rows():
    """Twenty columns, of which three directions are structure and the rest is noise of variance 0.5."""
    r = np.random.default_rng(0)
    x = r.normal(size=(1120, 3)) @ r.normal(size=(3, 20)) / 2 + np.sqrt(0.5) * r.normal(size=(1120, 20))
    return x.astype("f4")


def test_they_are_drawn_by_the_seed_and_have_no_hint():
    hints = np.full(100, -1)
    hints[:60] = 1
    found = aside.set_aside(100, 15, 7, hints)
    assert len(set(found)) == 15
    assert found.min() >= 60
    np.testing.assert_array_equal(found, np.sort(found))
    np.testing.assert_array_equal(found, aside.set_aside(100, 15, 7, hints))
    assert set(found) != set(aside.set_aside(100, 15, 8, hints))


@pytest.mark.parametrize(
    ("hinted", "found"), [(0, 30), (40, 30), (41, 29), (60, 20), (70, 15), (71, 0), (99, 0), (100, 0)]
)
def test_where_nearly_all_have_a_hint_half_of_the_others_are_enough_or_none_is(hinted, found):
    """One row would set a variance, and end the autoencoder's training."""
    hints = np.where(np.arange(100) < hinted, 1, -1)
    assert len(aside.set_aside(100, 30, 7, hints)) == found


@pytest.mark.parametrize(
    ("n", "size"), [(3, 0), (10, 2), (100, 20), (150, 20), (300, 30), (30_000, 2000), (49_999, 2000), (50_000, 0)]
)
def test_how_many(n, size):
    assert set_aside(n) == size


def test_settings_decide(rows):
    """Of a likelihood without a variance none; with epochs given the autoencoder stops at no other."""

    def begun(x=rows[:300], **settings):
        fitting = begin(x, Settings(**{**SMALL, **settings}))
        return len(fitting.validation), fitting.settings.validation_rows, fitting.settings.patience

    assert begun() == (30, 30, PATIENCE)
    assert begun(pretrain_epochs=5) == (30, 30, 0)
    assert begun(validation_rows=7, patience=2) == (7, 7, 2)
    assert begun(recipe="paper") == (0, 0, 0)
    assert begun((rows[:300] > 0).astype("f4")) == (0, 0, 0)
    with pytest.raises(InputError, match="^validation_rows: expected fewer than the rows, 300, got 300"):
        begun(validation_rows=300)


def test_the_variance_is_measured_on_the_rows_set_aside_and_on_others():
    """Each once, where there are few; the first number of a row is its own."""
    x = np.random.default_rng(0).normal(size=(300, 4)).astype("f4")
    x[:, 0] = np.arange(300)
    fitting = begin(x, Settings(**SMALL))
    apart, trained = (rows[:, 0].astype(int) for rows in fitting.measured)
    np.testing.assert_array_equal(apart, fitting.validation)
    np.testing.assert_array_equal(np.sort([*apart, *trained]), np.arange(300))


def test_an_epoch_of_few_rows_makes_as_many_updates_with_rows_set_aside():
    x = np.random.default_rng(0).normal(size=(270, 70)).astype("f4")
    for of in (x, (x > 0).astype("f4")):
        fitting = begin(of, Settings(clusters=2, hidden=(4,), latent_dim=2))
        assert fitting.steps("pretrain") == 50
        assert fitting.steps("fit") == 250


@pytest.mark.parametrize("passes", [1, 3])
def test_an_epoch_reads_the_others_alone(passes):
    x, numbers = np.arange(50, dtype="f4")[:, None], np.arange(0, 50, 3)
    read = list(pipeline.training_batches(x, 4, 0, range(2, 3), passes=passes, numbers=numbers, hints=np.arange(50)))
    values = np.concatenate([batch[0].numpy().ravel() for batch in read])
    np.testing.assert_array_equal(np.sort(values), np.sort(np.tile(numbers, passes)))
    np.testing.assert_array_equal(values, np.concatenate([batch[1].numpy() for batch in read]))


@pytest.mark.parametrize(
    ("losses", "patience", "end"),
    [
        ([], 2, False),
        ([3.0], 1, False),
        ([3.0, 2.0, 2.5], 2, False),
        ([3.0, 2.0, 2.5, 2.1], 2, True),
        ([3.0, 2.0, 2.0, 2.0], 2, True),  # as low is no lower
        ([3.0, 4.0, 5.0], 0, False),
    ],
)
def test_when_it_wears(losses, patience, end):
    assert aside.worn(losses, patience) is end


def pretrained(x, store=None, **settings):
    fitting = begin(x, Settings(**{**SMALL, **settings}), store=store)
    autoencoder.pretrain(fitting)
    return fitting, [weight for net in (fitting.model.encoder, fitting.model.decoder) for weight in net.get_weights()]


@pytest.fixture(scope="module")
def stopped(rows):
    store = Memory()
    return *pretrained(rows[:120], store, pretrain_epochs=40, pretrain_passes=12, patience=3), store


def test_the_autoencoder_stops_and_has_the_weights_of_its_best_epoch(stopped, rows):
    fitting, _, _ = stopped
    found = aside.losses(fitting.rows)
    best = int(np.argmin(found))
    assert len(found) == best + 1 + 3 < 40
    kept = fitting.data.x[fitting.validation]
    out = autoencoder.build_autoencoder(fitting.model)(kept)
    assert np.mean(autoencoder.reconstruction_loss(fitting.model)(kept, out)) == pytest.approx(found[best], rel=1e-5)


def test_a_stop_in_between_changes_nothing(stopped, rows, monkeypatch):
    """Interrupted after the best epoch and before the last: the history ends it at the same epoch."""
    fitting, weights, _ = stopped
    best = int(np.argmin(aside.losses(fitting.rows)))
    store, saved = Memory(), State.save

    class Killed(Exception):
        pass

    def save(state, to):
        saved(state, to)
        if state.epoch == best + 2:
            raise Killed

    settings = {"pretrain_epochs": 40, "pretrain_passes": 12, "patience": 3}
    with monkeypatch.context() as patched:
        patched.setattr(State, "save", save)
        patched.setattr("vade_tf.training.callbacks.SAVE_SECONDS", -1.0)
        with pytest.raises(Killed):
            pretrained(rows[:120], store, **settings)
    again, resumed = pretrained(rows[:120], store, **settings)
    assert [row["epoch"] for row in again.rows] == [row["epoch"] for row in fitting.rows]
    for one, other in zip(weights, resumed, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.long
def test_the_variance_is_that_of_new_rows(rows):
    """An autoencoder that knows 120 rows by heart has a residual of new rows far above that of its own."""

    def share(**settings):
        """Mean squared error of new rows over the variance that the model gives them."""
        wide = {
            **SMALL,
            "hidden": (128, 128),
            "latent_dim": 10,
            "pretrain_epochs": 40,
            "pretrain_passes": 12,
            **settings,
        }
        model = vade_tf.fit(rows[:120], Settings(**wide, epochs=2, passes=30)).model
        new = rows[120:]
        error = (model.scale(new) - model.decode(model.encode(new)[0])).numpy() ** 2
        return float(np.mean(error / np.exp(model.log_sigma2_x.numpy())))

    assert 0.4 < share() < 2.0
    assert share(validation_rows=0) > 10.0


def test_their_loss_is_in_the_history_and_a_later_training_learns_the_variance_again(rows, eager):
    fitted = vade_tf.fit(rows[:200], Settings(**SMALL, pretrain_epochs=2, epochs=2))
    assert all("val_loss" in row for row in fitted.history)
    model, kept = fitted.model, rows[:200][aside.set_aside(200, 20, 3, None)]
    terms = model.elbo_terms(kept, aside.noise(model, 20, 3))
    loss = np.mean(terms["distortion"] + terms["rate_z"] + terms["rate_c"])
    assert fitted.history[-1]["val_loss"] == pytest.approx(loss, rel=1e-5)
    before = model.log_sigma2_x.numpy()
    model.fit(rows[:200], epochs=1, verbose=0)
    assert not np.array_equal(before, model.log_sigma2_x.numpy())


@pytest.mark.parametrize(("given", "aside"), [(None, True), (0, False)])
def test_the_estimator_passes_them_on(rows, given, aside, eager):
    small = {"pretrain_epochs": 1, "epochs": 1, "hidden": (8,), "init": "kmeans", "validation_rows": given}
    history = vade_tf.VaDEClusterer(2, **small).fit(rows[:60]).history_
    assert {("val_loss" in row) for row in history} == {aside}


def test_where_none_are_set_aside_the_variance_is_that_of_some_of_all_rows(rng):
    """In the order of a file a feature may begin to vary late."""
    x = rng.normal(size=(12_000, 3)).astype("f4")
    x[:10_000, 2] = 0
    fitting = begin(x, Settings(**{**SMALL, "pretrain_epochs": 0, "validation_rows": 0}))
    found = recipe.reconstruction_variance(fitting)
    assert found[2] == pytest.approx(found[:2].mean(), rel=0.5)


def test_a_run_tells_how_many_epochs_were_trained(rows, tmp_path):
    """The autoencoder may stop before the last that its settings allow."""
    np.save(tmp_path / "x.npy", rows[:120])
    config = TrainConfig.create(
        data=str(tmp_path / "x.npy"), pretrain_epochs=40, pretrain_passes=12, patience=1, epochs=1, regroups=0, **SMALL
    )
    result = training.train(config, tmp_path / "run", export=False)
    trained = [row for row in Run.open(tmp_path / "run").load_rows() if row["phase"] == "pretrain"]
    assert result["epochs"] == {"pretrain": len(trained), "fit": 1}
    assert result["likelihood"] == "gaussian"
    assert len(trained) < 40


def test_hints_that_say_nothing_are_none():
    for size in (30, 90):
        np.testing.assert_array_equal(
            aside.set_aside(100, size, 0, np.full(100, -1)), aside.set_aside(100, size, 0, None)
        )
