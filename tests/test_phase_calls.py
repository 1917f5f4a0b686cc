"""What callbacks of the caller hear of a fit: each phase is one training, with a model and a rate of its own."""

import csv

import keras
import numpy as np
import pytest
import small_fits

from vade_tf import Memory, Settings, VaDE, fit
from vade_tf.training import callbacks, recipe
from vade_tf.training.autoencoder import build_autoencoder, reconstruction_loss

pytestmark = pytest.mark.usefixtures("eager_file")
SPANS = {**small_fits.SMALL, "pretrain_epochs": 2, "epochs": 6, "regroups": 2, "guide_epochs": 5, "augment": "none"}
PHASES = {True: "fit", False: "pretrain"}


@pytest.fixture
def x(rng):
    return small_fits.sixty(rng)


class Heard(keras.callbacks.Callback):
    """Keeps begins, ends and epochs, and interrupts or stops VaDE's epoch of a number."""

    def __init__(self, stop=None, kill=None):
        super().__init__()
        self.stop, self.kill, self.heard = stop, kill, []

    def tell(self, what):
        self.heard.append((PHASES[isinstance(self.model, VaDE)], what))

    def on_train_begin(self, logs=None):
        self.tell("begin")

    def on_epoch_end(self, epoch, logs=None):
        self.tell(epoch)
        if self.heard[-1] == ("fit", self.stop):
            self.model.stop_training = True
        if self.heard[-1] == ("fit", self.kill):
            raise KeyboardInterrupt

    def on_train_end(self, logs=None):
        self.tell("end")


def spans_of(monkeypatch):
    """The spans that Keras is asked to train of VaDE."""
    found, fit_unseen = [], VaDE.fit_unseen

    def spy(self, *arguments, **settings):
        found.append(range(settings["initial_epoch"], settings["epochs"]))
        return fit_unseen(self, *arguments, **settings)

    monkeypatch.setattr(VaDE, "fit_unseen", spy)
    return found


def test_a_phase_is_one_training_though_it_is_made_in_spans(x, monkeypatch):
    spans, heard = spans_of(monkeypatch), Heard()
    fit(x, Settings(**SPANS), callbacks=[heard])
    assert len(spans) == 3
    pretraining = [("pretrain", each) for each in ("begin", 0, 1, "end")]
    assert heard.heard == [*pretraining, *(("fit", each) for each in ("begin", 0, 1, 2, 3, 4, 5, "end"))]


def test_a_stop_within_ends_the_training(x, monkeypatch):
    spans, heard = spans_of(monkeypatch), Heard(stop=2)
    fit(x, Settings(**SPANS), callbacks=[heard])
    assert len(spans) == 2
    assert heard.heard[4:] == [("fit", each) for each in ("begin", 0, 1, 2, "end")]


def test_a_fit_that_goes_on_is_a_training_that_begins(x, monkeypatch):
    monkeypatch.setattr(callbacks, "SAVE_SECONDS", 0)
    store, killed, heard = Memory(), Heard(kill=4), Heard()
    with pytest.raises(KeyboardInterrupt):
        fit(x, Settings(**SPANS), callbacks=[killed], store=store)
    assert killed.heard[-1] == ("fit", 4)
    fit(x, Settings(**SPANS), callbacks=[heard], store=store)
    assert heard.heard == [("fit", each) for each in ("begin", 4, 5, "end")]


def test_early_stopping_counts_over_all_spans(x):
    """It forgot at each span: with spans of two epochs a patience of two never ended."""
    early = keras.callbacks.EarlyStopping("loss", patience=2, min_delta=1e9)
    history = fit(x, Settings(**{**SPANS, "epochs": 8}), callbacks=[early]).history
    assert [(row["phase"], row["epoch"]) for row in history][2:] == [("fit", 1), ("fit", 2), ("fit", 3)]


@pytest.mark.parametrize(("append", "epochs"), [(False, "012345"), (True, "01012345")])
def test_a_logger_keeps_every_epoch_of_a_phase(x, tmp_path, append, epochs):
    """And of both phases where it is to append to what is there."""
    fit(x, Settings(**SPANS), callbacks=[keras.callbacks.CSVLogger(tmp_path / "log.csv", append=append)])
    with (tmp_path / "log.csv").open(newline="") as file:
        assert "".join(row[0] for row in csv.reader(file) if row[0].isdecimal()) == epochs


def test_the_package_s_own_callbacks_hear_of_every_span():
    """What sets a model up for a span needs both ends of it."""
    own, theirs = Heard(), Heard()
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    for first, last in ((True, False), (False, False), (False, True)):
        ends = {"first": first, "last": last, "model": model, "ends": 3, "steps": 1}
        calls = callbacks.Calls([own, theirs], [theirs], [], **ends)
        model.stop_training = False
        calls.on_train_begin()
        calls.on_train_end()
    assert [what for _, what in own.heard] == ["begin", "end"] * 3
    assert [what for _, what in theirs.heard] == ["begin", "end"]


def test_the_best_epoch_is_that_of_each_phase_by_itself(x, tmp_path):
    """The loss of the autoencoder is lower for ever: VaDE's was never kept."""
    best = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="loss", save_best_only=True)
    fitted = fit(x, Settings(**SPANS), callbacks=[best])
    losses = {phase: [r["loss"] for r in fitted.history if r["phase"] == phase] for phase in ("pretrain", "fit")}
    assert min(losses["pretrain"]) < min(losses["fit"])
    kept = keras.saving.load_model(tmp_path / "best.keras")
    assert isinstance(kept, VaDE)
    assert best.best == pytest.approx(min(losses["fit"]))
    known = keras.callbacks.ModelCheckpoint(
        tmp_path / "none.keras", monitor="loss", save_best_only=True, initial_value_threshold=-1e9
    )
    fit(x, Settings(**{**SPANS, "pretrain_epochs": 1, "epochs": 1, "regroups": 0}), callbacks=[known])
    assert known.best == -1e9
    assert not (tmp_path / "none.keras").exists()


@pytest.mark.parametrize("likelihood", ["gaussian", "counts", "bernoulli"])
def test_a_file_of_the_autoencoder_loads_and_goes_on(rng, tmp_path, likelihood):
    x = rng.integers(0, 2, (60, 9)).astype("f4") if likelihood == "bernoulli" else rng.poisson(2.0, (60, 9))
    save = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    fitting = recipe.begin(x, Settings(**{**SPANS, "likelihood": likelihood, "pretrain_epochs": 1}), callbacks=[save])
    recipe.pretrain(fitting)
    loaded = keras.saving.load_model(tmp_path / "1.keras")
    rows = np.asarray(fitting.data.x, "f4")
    expected = build_autoencoder(fitting.model)
    np.testing.assert_allclose(loaded.predict(rows, verbose=0), expected(rows), rtol=1e-5, atol=1e-6)
    loss = np.mean(reconstruction_loss(fitting.model)(rows, expected(rows)))
    assert loaded.evaluate(rows, rows, verbose=0) == pytest.approx(loss, rel=1e-5)
    loaded.fit(rows, rows, epochs=1, verbose=0)


def test_the_rate_of_an_epoch_is_the_one_it_was_trained_at(x):
    """What a callback sets after an epoch is undone before the next."""

    class Lower(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 1e-9

    settings = Settings(**{**SPANS, "schedule": "step", "decay": 0.5, "decay_epochs": 2, "learning_rate": 0.01})
    rates = [row["learning_rate"] for row in fit(x, settings, callbacks=[Lower()]).history]
    assert rates == pytest.approx([0.01, 0.01, 0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025])


def test_a_scheduler_of_the_caller_comes_after_the_schedule(x):
    mine = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 10)
    settings = Settings(**{**SPANS, "schedule": "step", "decay_epochs": 99, "learning_rate": 0.01})
    rates = [row["learning_rate"] for row in fit(x, settings, callbacks=[mine]).history]
    assert rates == pytest.approx([0.001] * 8)
