"""`fit` on rows in memory: what goes in, what a store and callbacks may do, and that nothing but rows is needed."""

import dataclasses

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from vade_tf import Lines, Memory, Settings, VaDE, begin, fit, guide, pretrain, start
from vade_tf.data import pipeline
from vade_tf.data.observing import build
from vade_tf.errors import InputError
from vade_tf.training import callbacks, execution, recipe
from vade_tf.training.reporter import Silent

pytestmark = pytest.mark.usefixtures("eager_file")

SETTINGS = Settings(
    clusters=3, hidden=(16, 8), latent_dim=2, pretrain_epochs=3, epochs=6, batch_size=64, learning_rate=5e-3,
    precision="float32",
)  # fmt: skip
QUICK = dataclasses.replace(SETTINGS, pretrain_epochs=2, epochs=3, init="kmeans", regroups=0)


@pytest.fixture(scope="module")
def rows():
    """150 rows in three groups, a third of the values zero, and the group of each."""
    r = np.random.default_rng(0)
    y = np.arange(150) % 3
    x = 5 * np.repeat(np.eye(3), 3, axis=1)[y] + r.normal(size=(150, 9))
    return np.where(r.uniform(size=x.shape) < 0.3, 0, x).astype("f4"), y


@pytest.fixture(scope="module")
def whole(rows):
    return fit(rows[0], SETTINGS)


def assert_equal(one, other):
    for mine, theirs in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


FORMS = {
    "sparse": lambda x: scipy.sparse.csr_array(x),
    "rows of tf.data": lambda x: tf.data.Dataset.from_tensor_slices(x),
    "batches of tf.data": lambda x: tf.data.Dataset.from_tensor_slices(x).batch(40),
    "observations": lambda x: build(x, np.arange(150) % 3, "named", "somewhere").observations(),
    "with labels": lambda x: build(x, np.arange(150) % 2, "named", "somewhere"),
}


def test_the_same_rows_in_any_form_give_the_same_model(rows):
    short = dataclasses.replace(QUICK, pretrain_epochs=1, epochs=1)
    expected = fit(rows[0], short)
    for name, form in FORMS.items():
        found = fit(form(rows[0]), short)
        if name == "sparse":  # moments are added up in another order
            a, b = (np.asarray(each.model.predict(rows[0], verbose=0)) for each in (found, expected))
            np.testing.assert_allclose(a, b, atol=0.02)
        else:
            assert_equal(found, expected)


def of_shape(x, shape):
    """A data set that says so much of the shape of its elements, x[0], x[1], ..."""
    return tf.data.Dataset.from_generator(lambda: iter(x), output_signature=tf.TensorSpec(shape, x.dtype))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (lambda x: tf.data.Dataset.from_tensor_slices((x, x)), "x: expected a tf.data.Dataset of rows alone"),
        (lambda x: tf.data.Dataset.from_tensor_slices(x).repeat(), "x: expected a finite tf.data.Dataset"),
        (lambda x: tf.data.Dataset.from_tensor_slices(x).take(0), "x: expected at least one row"),
        (lambda x: of_shape(x, (None, None)), "x: expected a tf.data.Dataset of rows of one known shape"),
        (
            lambda x: of_shape(x.reshape(len(x), -1, 1, 1), (None, None, 1)),
            "x: expected a tf.data.Dataset of rows of one",
        ),
        (lambda x: of_shape(x, None), "x: expected a tf.data.Dataset of rows of one known shape"),
        (lambda x: np.where(x > 3, np.nan, x), "x: expected finite numbers"),
        (lambda x: x[0], "x: expected a matrix"),
        (lambda x: x.astype(str), "x: expected numbers"),
    ],
)
def test_rows_that_cannot_be_used_are_named(x, message, rows):
    with pytest.raises(InputError, match=message):
        fit(x(rows[0]), SETTINGS)


class Stop(keras.callbacks.Callback):
    """Ends the process, as far as a fit can tell, when an epoch of a phase begins."""

    def __init__(self, vade: bool, epoch: int):
        super().__init__()
        self.vade, self.epoch = vade, epoch

    def on_epoch_begin(self, epoch, logs=None):
        if isinstance(self.model, VaDE) == self.vade and epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("vade", "epoch"), [(False, 2), (True, 0), (True, 3)])
def test_with_the_same_store_an_interrupted_fit_ends_as_if_it_was_not(vade, epoch, rows, whole, monkeypatch):
    monkeypatch.setattr(callbacks, "SAVE_SECONDS", 0)
    store = Memory()
    with pytest.raises(KeyboardInterrupt):
        fit(rows[0], SETTINGS, store=store, callbacks=[Stop(vade, epoch)])
    begun = []
    again = fit(
        rows[0], SETTINGS, store=store, callbacks=[keras.callbacks.LambdaCallback(lambda e, logs: begun.append(e))]
    )
    assert_equal(again, whole)
    assert len(begun) < 9
    plain = [[{k: v for k, v in row.items() if k != "seconds"} for row in each.history] for each in (again, whole)]
    assert plain[0] == plain[1]


def test_what_a_callback_adds_under_the_name_of_a_column_stands_in_the_history(rows):
    class Score(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["acc"], logs["nothing"] = 0.5, 1.0

    history = fit(rows[0], QUICK, callbacks=[Score()]).history
    assert all(row["acc"] == 0.5 and "nothing" not in row for row in history)
    assert [(row["phase"], row["epoch"]) for row in history] == [
        *(("pretrain", e) for e in range(1, 3)),
        *(("fit", e) for e in range(1, 4)),
    ]


@pytest.mark.long
def test_a_store_hears_of_every_row_once_and_of_short_epochs_in_batches(rows):
    class Listener(Memory):
        heard, calls = [], 0

        def save_rows(self, rows, new):
            Listener.heard += rows[len(rows) - new :]
            Listener.calls += 1

    many = dataclasses.replace(SETTINGS, pretrain_epochs=0, epochs=120, init="kmeans", regroups=0)
    found = fit(rows[0], many, store=Listener())
    assert Listener.heard == found.history
    assert len(found.history) == 120
    assert Listener.calls <= 60


def test_small_steps_are_made_several_at_once_and_are_the_same_steps(rows, whole, monkeypatch):
    """With nobody who hears of every batch, in as few calls as divide an epoch; bit for bit the fit that makes one."""

    class Batches(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.heard = []

        def on_train_batch_end(self, batch, logs=None):
            self.heard.append(batch)

    batches, steps = Batches(), begin(rows[0], SETTINGS).steps("fit")
    fitted = fit(rows[0], SETTINGS, callbacks=[batches])
    assert_equal(fitted, whole)
    assert batches.heard[-steps:] == list(range(steps))
    calls = []
    monkeypatch.setattr(callbacks.Advance, "on_train_batch_end", lambda self, batch, logs=None: calls.append(batch))
    assert_equal(fit(rows[0], SETTINGS), whole)
    at_once = max(number for number in range(1, 33) if steps % number == 0)
    assert at_once > 1
    assert calls[-2 * (steps // at_once) :] == 2 * list(range(at_once - 1, steps, at_once))  # of two epochs


def test_the_model_of_a_fit_trains_on_one_step_at_a_time(rows):
    grey = (rows[0] - rows[0].min()) / np.ptp(rows[0])
    model, heard = fit(grey, dataclasses.replace(QUICK, likelihood="bernoulli")).model, []
    hear = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: heard.append(batch))
    before = int(model.optimizer.iterations)
    batches = pipeline.training_batches(grey, 30, 0, range(2), hints=rows[1].astype("i4"))  # as in the fit
    model.fit(batches, hints=True, steps_per_epoch=5, epochs=2, shuffle=False, verbose=0, callbacks=[hear])
    assert heard == [*range(5), *range(5)]
    assert int(model.optimizer.iterations) - before == 10


def test_a_callback_can_end_a_phase(rows):
    class Enough(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    settings = dataclasses.replace(QUICK, pretrain_epochs=3, epochs=6, regroups=2)  # three spans of VaDE
    phases = [row["phase"] for row in fit(rows[0], settings, callbacks=[Enough()]).history]
    assert phases == ["pretrain", "pretrain", "fit", "fit"]


@pytest.mark.long
def test_the_reporter_hears_of_every_phase_and_all_its_steps(rows):
    class Heard(Silent):
        def __init__(self):
            self.steps = {}

        def phase(self, name, steps):
            number = sum(each.startswith(name) for each in self.steps)
            self.steps[f"{name} {number}"] = [steps, 0]

            def advance(done, text):
                self.steps[f"{name} {number}"][1] += done

            return advance

    heard = Heard()
    fit(rows[0].reshape(-1, 3, 3), SETTINGS, reporter=heard)  # images: P of a table is not recomputed
    assert set(heard.steps) == {"pretrain 0", "init 0", "vade 0", "regroup 0", "regroup 1", "regroup 2"}
    assert all(steps == done for steps, done in heard.steps.values()), heard.steps


def test_lines_are_printed_as_a_phase_goes_on():
    said = []
    advance = Lines(said.append).phase("vade", 2)
    advance(1, "epoch 1/2, loss 3.0")
    advance(1, "epoch 2/2, loss 2.0")
    assert len(said) == 1
    assert said[0].startswith("VaDE")
    assert "epoch 2/2, loss 2.0" in said[0]


def test_the_phases_one_by_one_are_the_fit(rows, whole):
    fitting = begin(rows[0], SETTINGS)
    pretrain(fitting)
    guide(fitting, start(fitting))
    for mine, theirs in zip(fitting.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_fitted_model_takes_hints_again(rows, whole):
    assert float(whole.model.guide_weight.numpy()) == SETTINGS.guide_weight


@pytest.mark.long
def test_hints_name_the_groups_and_few_of_them_do_not_move_the_other_rows(rows):
    """Ten hints under other names: rows without a hint keep their partition, and the clusters are named as hinted."""
    x, y = rows
    longer = Settings(**{**vars(SETTINGS), "pretrain_epochs": 60, "epochs": 40, "guide_epochs": None})
    named = np.array([2, 0, 1])[y]
    hints = np.where(np.arange(150) < 10, named, -1)
    groups = fit(x, longer, hints).model.predict(x, verbose=0).argmax(axis=1)
    assert np.mean(groups == named) > 0.95


def test_a_head_that_is_wide_is_made_quiet_and_one_that_is_not_is_left_alone(small_model, rng):
    x = rng.uniform(size=(200, 12)).astype("f4")
    model = small_model()
    head = model.encoder.get_layer("z_log_var")
    before = [weight.numpy().copy() for weight in head.weights]
    model.encoder.get_layer("z_mean").kernel.assign_add(10 * np.ones((8, 3)))
    recipe.quieten(model, x)
    for mine, theirs in zip(before, head.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    head.bias.assign(np.zeros(3))
    model.encoder.get_layer("z_mean").kernel.assign(0.1 * model.encoder.get_layer("z_mean").kernel)
    recipe.quieten(model, x)
    m, log_s2 = (part.numpy() for part in model.encode(x))
    assert np.exp(log_s2).mean() < recipe.NOISY * m.var(axis=0).mean()


@pytest.mark.long
@pytest.mark.parametrize("pretrain_epochs", [0, 2])
def test_dropout_of_own_networks_goes_on_where_a_killed_fit_stopped(rows, pretrain_epochs):
    """The random numbers of layers are no weights to Keras; a resumed fit has them all the same."""

    class Killed(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if pretrain_epochs and isinstance(self.model, VaDE):  # before the first state of this phase
                raise KeyboardInterrupt

        def on_epoch_end(self, epoch, logs=None):
            if pretrain_epochs == 0 and epoch == 1:
                raise KeyboardInterrupt

    def networks():
        x, z = keras.Input((9,)), keras.Input((2,))
        h = keras.layers.Dropout(0.3, seed=1)(keras.layers.Dense(16, activation="relu")(x))
        code = keras.layers.Dense(2)(h), keras.layers.Dense(2)(h)
        return keras.Model(x, code), keras.Model(z, keras.layers.Dense(9)(keras.layers.Dense(16, activation="relu")(z)))

    keras.utils.set_random_seed(0)
    settings = dataclasses.replace(SETTINGS, pretrain_epochs=pretrain_epochs, epochs=3, init="kmeans", regroups=0)
    settings = dataclasses.replace(settings, hidden=None)
    first = networks()
    others = [networks(), networks()]
    for pair in others:
        for mine, theirs in zip(pair, first, strict=True):
            mine.set_weights(theirs.get_weights())
    whole, store = fit(rows[0], settings, networks=first), Memory()
    with pytest.raises(KeyboardInterrupt):
        fit(rows[0], settings, store=store, callbacks=[Killed()], networks=others[0])
    assert_equal(fit(rows[0], settings, store=store, networks=others[1]), whole)


def test_the_rows_are_copied_once_for_the_batches_of_all_phases(rows, monkeypatch):
    held, hold = [], pipeline.hold
    monkeypatch.setattr(pipeline, "hold", lambda x: held.append(hold(x)) or held[-1])
    fit(rows[0], dataclasses.replace(QUICK, pretrain_epochs=1, regroups=1))
    assert len(held) == 1
    np.testing.assert_array_equal(held[0], rows[0])


@pytest.mark.filterwarnings("error::UserWarning", "ignore:Even though the `tf.config.experimental_run_functions_eag")
def test_a_callback_that_evaluates_leaves_nothing_behind(rows):
    grey = (rows[0] - rows[0].min()) / np.ptp(rows[0])

    class Ask(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if isinstance(self.model, VaDE):
                self.model.evaluate(grey, batch_size=10, verbose=0)

    model = fit(grey, QUICK, callbacks=[Ask()]).model
    heard = []
    hear = keras.callbacks.LambdaCallback(on_test_batch_end=lambda batch, logs: heard.append(batch))
    model.evaluate(grey, batch_size=10, verbose=0, callbacks=[hear])
    assert heard == list(range(15))


@pytest.mark.parametrize("callbacks", [keras.callbacks.TerminateOnNaN(), "callback", [keras.callbacks.Callback]])
def test_callbacks_are_a_list_of_them(rows, callbacks):
    with pytest.raises(InputError, match="^callbacks: expected"):
        fit(rows[0], SETTINGS, callbacks=callbacks)


@pytest.mark.parametrize("given", [lambda each: None, lambda each: iter([each])])
def test_callbacks_may_be_none_and_may_be_any_series(rows, given):
    heard = keras.callbacks.LambdaCallback()
    fitting = begin(rows[0], SETTINGS, callbacks=given(heard))
    assert list(fitting.extra) == ([] if given(heard) is None else [heard])


def test_a_mixture_needs_two_rows_which_is_said_before_training(rows):
    with pytest.raises(InputError, match="^x: expected at least 2 rows, to which init='gmm'"):
        begin(rows[0][:1], dataclasses.replace(SETTINGS, clusters=1, init="gmm"))


def test_a_callback_that_predicts_hears_of_every_row(rows):
    """Also where one batch was predicted before, and steps are made several at once."""
    found = []

    class Ask(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if isinstance(self.model, VaDE):
                found.append(self.model.predict(rows[0], batch_size=10, verbose=0).shape)

    fitting = begin(rows[0], SETTINGS)
    model, steps = fitting.model, fitting.steps("fit")
    model.compile("adam")
    model.predict_on_batch(rows[0][:5])
    batches = pipeline.training_batches(rows[0], 30, 0, range(1))
    with execution.several_at_once(fitting.settings, model, steps, []):
        assert model.steps_per_execution > 1
        model.fit(batches, epochs=1, steps_per_epoch=steps, verbose=0, callbacks=[Ask()])
    assert found == [(len(rows[0]), SETTINGS.clusters)]
    assert model.predict(rows[0], verbose=0).shape == found[0]


def test_settings_of_another_fit_are_looked_at_again(rows):
    resolved = SETTINGS.resolve(len(rows[0]))
    with pytest.raises(InputError, match="^clusters: expected at most the number of rows, 2, got 3"):
        fit(rows[0][:2], resolved)
    with pytest.raises(InputError, match="^validation_rows: expected fewer than the rows, 20, got 20"):
        fit(rows[0][:20], dataclasses.replace(resolved, validation_rows=20))
