"""The phases of a fit on a few rows: what each reads, asks for, keeps and takes up again. Steps run without tracing."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_fits import Steps, begin, sixty

from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.model.optimizer import FusedAdam
from vade_tf.model.vade import VaDE
from vade_tf.training import autoencoder, callbacks, given, guidance, health, loop, posterior, recipe
from vade_tf.training.fitting import fitted
from vade_tf.training.initialization import Start
from vade_tf.training.reporter import Silent
from vade_tf.training.store import Memory, State
from vade_tf.training.watch import Watch

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture
def x(rng):
    return sixty(rng)


# ------------------------------------------------------------------------------------------------- rows and hints


@pytest.mark.parametrize(
    ("elements", "batched"),
    [((9,), False), ((9,), True), ((3, 3), False), ((3, 3), True), ((3, 3, 1), True)],
)
def test_a_data_set_of_rows_or_of_batches_is_the_rows(x, elements, batched):
    """A batch has an open first axis, and an image of fixed size is one row."""
    rows = x.reshape(60, *elements)
    data = tf.data.Dataset.from_tensor_slices(rows)
    found = given.read_data_set(data.batch(7) if batched else data)
    np.testing.assert_array_equal(found, rows)


def test_more_rows_than_a_read_holds_are_all_read():
    rows = np.arange(2500, dtype="f4")[:, None]
    np.testing.assert_array_equal(given.read_data_set(tf.data.Dataset.from_tensor_slices(rows)), rows)


@pytest.mark.parametrize("hints", [[-1, 0, 2], [[-1], [0], [2]], np.array([-1, 0, 2], "i1"), np.array([0, 1, 2], "u1")])
def test_hints_of_any_integers_in_a_row_or_a_column(hints):
    found = given.checked_hints(hints, 3, 3)
    np.testing.assert_array_equal(found, np.ravel(hints))
    assert found.dtype == np.int32


@pytest.mark.parametrize(
    ("hints", "message"),
    [
        ([-2, 0, 2], "groups from 0 to 2, or -1 .* got -2 to 2"),
        ([-1, 0, 3], "groups from 0 to 2, or -1 .* got -1 to 3"),
        ([0, 1], "3 whole numbers, .* got 2"),
        ([0, 1, 2, 0], "3 whole numbers, .* got 4"),
        ([[0, 1], [0, 1], [0, 1]], r"the number .* got shape \(3, 2\); .*"),
        ([0.0, 1.0, 2.0], "whole numbers from -1 .* got float64"),
    ],
)
def test_hints_that_name_no_group_of_no_row(hints, message):
    with pytest.raises(InputError, match=f"^hints: expected {message}$"):
        given.checked_hints(hints, 3, 3)


def test_a_fit_under_way_has_what_it_was_given(x):
    store, reporter, extra = Memory(), Silent(), [keras.callbacks.Callback()]
    fitting = begin(x, np.zeros(60, int), store=store, reporter=reporter, callbacks=extra, system="dec", seed=5)
    assert fitting.store is store
    assert fitting.reporter is reporter
    assert fitting.extra == extra
    assert (fitting.system, fitting.state, fitting.rows, fitting.own_networks) == ("dec", None, [], False)
    assert (fitting.settings.precision, fitting.jit, fitting.seconds) == ("float32", False, {"init": 0.0})
    assert fitting.model.seed == fitting.settings.seed == 5
    assert fitting.model.encoder.input_shape == (None, 9)
    assert fitting.model.prior.n_components == 3
    assert isinstance(begin(x).store, Memory)
    assert isinstance(begin(x).reporter, Silent)
    assert begin(x).hints is None


# ------------------------------------------------------------------------------------------------- the autoencoder


def test_pretraining_lowers_the_reconstruction_and_no_epoch_of_it_changes_nothing(x):
    for epochs in (0, 1, 3):
        store = Memory()
        fitting = begin(x, pretrain_epochs=epochs, store=store)
        before = [*fitting.model.encoder.get_weights(), *fitting.model.decoder.get_weights()]
        autoencoder.pretrain(fitting)
        after = [*fitting.model.encoder.get_weights(), *fitting.model.decoder.get_weights()]
        assert np.array_equal(before[0], after[0]) == (epochs == 0)
        assert [(row["phase"], row["epoch"]) for row in fitting.rows] == [("pretrain", e) for e in range(1, epochs + 1)]
        for kept, weight in zip(autoencoder.listed(store.load("pretrained")), after, strict=True):
            np.testing.assert_array_equal(kept, weight)
    assert fitting.rows[-1]["loss"] < fitting.rows[0]["loss"]


def test_a_kept_autoencoder_is_taken_and_one_of_other_networks_refused(x):
    first, store = Memory(), Memory()
    autoencoder.pretrain(begin(x, store=first))
    store.save("pretrained", first.load("pretrained"))
    fitting = begin(x, pretrain_epochs=2, store=store, seed=8)
    autoencoder.pretrain(fitting)
    assert fitting.rows == []
    np.testing.assert_array_equal(fitting.model.encoder.get_weights()[0], store.load("pretrained")["array_000"])
    with pytest.raises(InputError, match="^pretrained: the autoencoder kept there has layers of other shapes"):
        autoencoder.pretrain(begin(x, store=store, hidden=(8, 9)))
    state = State("fit", 1, [], [])
    untouched = dataclasses.replace(begin(x, store=store, seed=8), state=state)
    before = untouched.model.encoder.get_weights()
    autoencoder.pretrain(untouched)
    np.testing.assert_array_equal(untouched.model.encoder.get_weights()[0], before[0])


@pytest.mark.parametrize("form", [(12,), (3, 4), (3, 4, 1)])
def test_the_autoencoder_gives_rows_whatever_form_its_decoder_has(rng, form):
    inputs, z = keras.Input((12,)), keras.Input((3,))
    encoder = keras.Model(inputs, [keras.layers.Dense(3)(inputs), keras.layers.Dense(3)(inputs)])
    h = keras.layers.Dense(12)(z)
    decoder = keras.Model(z, h if len(form) == 1 else keras.layers.Reshape(form)(h))
    model = VaDE(encoder, decoder, 2, scaling=keras.layers.Rescaling(0.5, dtype="float32"))
    raw = 2 * rng.uniform(size=(5, 12)).astype("f4")
    out = autoencoder.build_autoencoder(model)(raw)
    m = encoder(raw / 2)[0]
    np.testing.assert_allclose(out, decoder(m).numpy().reshape(5, 12), rtol=1e-5, atol=1e-6)
    logits = out.numpy().astype("f8")
    want = np.sum(np.log1p(np.exp(logits)) - raw / 2 * logits, axis=1)
    np.testing.assert_allclose(autoencoder.reconstruction_loss(model)(raw, out), want, rtol=1e-5)
    np.testing.assert_allclose(posterior.codes(model, raw), m, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(posterior.model_groups(model, raw), model.predict(raw, verbose=0).argmax(axis=1))


# ------------------------------------------------------------------------------------------------- the loop


def test_the_optimizer_is_the_fits_or_the_systems_own(x):
    fitting = begin(x, learning_rate=0.3, adam_epsilon=1e-3)
    loop.prepare(fitting, "fit", fitting.model)
    optimizer = fitting.model.optimizer
    assert isinstance(optimizer, FusedAdam)
    assert (float(optimizer.learning_rate), optimizer.epsilon) == (pytest.approx(0.3), 1e-3)
    own = keras.optimizers.SGD(0.5)
    assert loop.prepare(fitting, "fit", fitting.model, optimizer=own) == 0
    assert fitting.model.optimizer is own


def test_a_phase_goes_on_where_its_own_state_stopped(x):
    trained = begin(x)
    trained.model.compile(FusedAdam(1e-2))
    trained.model.fit(x, epochs=2, verbose=0)
    state = State("fit", 3, callbacks.state_arrays(trained.model), [])
    fitting = dataclasses.replace(begin(x), state=state)
    before = fitting.model.get_weights()
    assert loop.prepare(dataclasses.replace(fitting, state=State("pretrain", 3, [], [])), "fit", fitting.model) == 0
    for mine, theirs in zip(fitting.model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert loop.prepare(fitting, "fit", fitting.model) == 3
    for mine, theirs in zip(callbacks.state_arrays(fitting.model), state.arrays, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def rates_of(fitting, epochs, **more):
    found = loop.phase_callbacks(fitting, "fit", range(epochs), epochs, **more)
    (scheduler,) = (each for each in found if isinstance(each, keras.callbacks.LearningRateScheduler))
    return [scheduler.schedule(epoch) for epoch in range(epochs)]


def test_the_rate_follows_the_schedule_or_stays_and_is_halved_by_each_step_back(x):
    fitting = begin(x, schedule="step", decay=0.5, decay_epochs=2, learning_rate=0.8)
    assert rates_of(fitting, 4) == pytest.approx([0.8, 0.8, 0.4, 0.4])
    assert rates_of(fitting, 2, steady=0.3) == pytest.approx([0.3, 0.3])
    fitting.rows.extend({"phase": "fit", "epoch": e, "restored_epoch": 0} for e in (1, 2))
    fitting.rows.append({"phase": "pretrain", "epoch": 1, "restored_epoch": 0})
    assert rates_of(fitting, 2) == pytest.approx([0.2, 0.2])
    assert rates_of(fitting, 2, steady=0.4) == pytest.approx([0.1, 0.1])


def test_progress_is_announced_in_batches_that_are_left(x):
    reporter = Steps()
    fitting = begin(x, reporter=reporter, system="gmvae", batch_size=25)
    loop.phase_callbacks(fitting, "fit", range(1, 4), 4)
    loop.phase_callbacks(fitting, "pretrain", range(2), 2)
    assert reporter.phases == [("gmvae", 9), ("pretrain", 4)]  # twelve of the 60 rows are set aside


def test_the_callers_callbacks_come_before_the_record(x):
    own = keras.callbacks.Callback()
    found = loop.phase_callbacks(begin(x, callbacks=[own]), "fit", range(2), 2)
    assert [type(each).__name__ for each in found] == ["LearningRateScheduler", "Callback", "Record", "Advance"]


def test_a_fit_prints_nothing_of_itself(x, capfd):
    fitting = begin(x, pretrain_epochs=1, epochs=1)
    capfd.readouterr()
    autoencoder.pretrain(fitting)
    guidance.guide(fitting, recipe.start(fitting))
    fitted(fitting, fitting.model)
    assert capfd.readouterr().out == ""


def test_seconds_are_added_up_by_phase(x):
    fitting = begin(x)
    fitting.rows.extend(
        {"phase": phase, "epoch": 1, "seconds": s} for phase, s in (("pretrain", 1), ("fit", 2), ("fit", 4))
    )
    fitting.seconds["init"] = 8.0
    done = fitted(fitting, keras.Sequential([keras.Input((9,))]))
    assert done.seconds == {"pretrain": 1, "init": 8, "fit": 6, "total": 15}
    assert (done.health, done.remedies) == ([], [])
    assert done.history is fitting.rows
    assert done.settings is fitting.settings


# ------------------------------------------------------------------------------------------------- start and settling


def wide_head(x, spread=1.0, **more):
    """A fit under way whose log-variance head is as wide as a usual initialisation makes it."""
    fitting = begin(x, **more)
    head = fitting.model.encoder.get_layer("z_log_var")
    head.kernel.assign(10 * head.kernel)
    head.bias.assign(np.zeros(2))
    mean = fitting.model.encoder.get_layer("z_mean")
    mean.kernel.assign(spread * mean.kernel)
    return fitting, head


def test_a_wide_head_is_shrunk_to_half_of_a_tenth_of_the_codes_variance(x):
    fitting, head = wide_head(x)
    kernel, m = head.kernel.numpy(), fitting.model.encode(x)[0].numpy()
    recipe.quieten(fitting.model, x)
    np.testing.assert_allclose(head.kernel, 0.1 * kernel, rtol=1e-6)
    np.testing.assert_allclose(head.bias, np.full(2, np.log(0.05 * m.var(axis=0).mean())), rtol=1e-5)
    np.testing.assert_allclose(fitting.model.encode(x)[0], m, rtol=1e-6)  # the mean code stays


@pytest.mark.parametrize("spread", [0.0, 100.0])
def test_a_head_is_left_alone_where_the_code_is_wide_or_has_no_variance(x, spread):
    fitting, head = wide_head(x, spread)
    before = head.get_weights()
    recipe.quieten(fitting.model, x)
    for mine, theirs in zip(head.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_heads_of_another_kind_are_left_alone(rng):
    """A dense layer without a bias, and a layer that is not dense."""
    x = rng.normal(size=(30, 4)).astype("f4")
    for head in (keras.layers.Dense(2, use_bias=False), keras.layers.Identity()):
        inputs = keras.Input((4,))
        h = keras.layers.Dense(2, bias_initializer="ones")(inputs)
        encoder = keras.Model(inputs, [keras.layers.Dense(2)(inputs), head(h)])
        model = VaDE(encoder, networks.build_decoder(4, 2, ()), 2, "gaussian")
        before = model.get_weights()
        recipe.quieten(model, x)
        for mine, theirs in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("own", "phase", "quiet"),
    [(True, None, True), (True, "pretrain", True), (True, "fit", False), (False, None, False)],
)
def test_the_callers_networks_alone_are_made_quiet_once(x, own, phase, quiet):
    fitting, head = wide_head(x)
    state = None if phase is None else State(phase, 1, [], [])
    before = head.kernel.numpy()
    mixture = np.ones(3, "f4"), np.zeros((3, 2), "f4"), np.ones((3, 2), "f4")
    fitting.store.save("start", vars(Start(np.full((60, 3), 1 / 3), *mixture)))
    recipe.start(dataclasses.replace(fitting, own_networks=own, state=state))
    assert np.array_equal(head.kernel, before) != quiet


@pytest.mark.parametrize(("pi", "sigma2"), [(0, 1), (-1, 1), (1, -1)])
def test_a_kept_start_that_is_no_mixture_is_damaged(x, pi, sigma2):
    store, shape = Memory(), np.ones((3, 2), "f4")
    store.save("start", vars(Start(np.full((60, 3), 1 / 3), pi * shape[:, 0], shape, sigma2 * shape)))
    with pytest.raises(InputError, match="^store: start is damaged .expected pi above 0, and sigma2 not"):
        recipe.start(begin(x, store=store))


def test_a_start_is_kept_and_taken_again(x):
    store, r = Memory(), np.random.default_rng(1)
    fitting = begin(x, store=store)
    P = recipe.start(fitting)
    np.testing.assert_array_equal(store.load("start")["P"], P)
    assert fitting.seconds["init"] > 0
    mixture = r.dirichlet(np.ones(3)), r.normal(size=(3, 2)), 5 + r.uniform(size=(3, 2))
    store.save("start", vars(Start(P[::-1].copy(), *mixture)))
    again = begin(x, store=store)
    np.testing.assert_array_equal(recipe.start(again), P[::-1])
    for mine, theirs in zip(
        again.model.prior.parameters, (np.log(mixture[0]), mixture[1], np.log(mixture[2])), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
    assert again.seconds["init"] == fitting.seconds["init"]  # what it took before goes on


@pytest.mark.parametrize("log_s2", [-4.0, 3.0])
def test_components_start_at_least_as_wide_as_the_mean_noise_but_never_above_one_for_it(x, log_s2):
    fitting, head = wide_head(x)
    head.kernel.assign(np.zeros((8, 2)))
    head.bias.assign([log_s2, log_s2 - 1])
    store = fitting.store
    store.save("start", vars(Start(np.full((60, 3), 1 / 3), np.ones(3), np.zeros((3, 2)), np.full((3, 2), 1e-9))))
    recipe.start(fitting)
    want = np.minimum(np.exp([log_s2, log_s2 - 1]), 1)
    np.testing.assert_allclose(np.exp(fitting.model.prior.log_sigma2), np.tile(want, (3, 1)), rtol=1e-4)


def test_the_noise_that_components_start_with_is_that_of_rows_from_all_of_the_file(monkeypatch):
    """Which may have all rows of little noise first. A row's own number is in it."""
    fitting = begin(np.arange(60, dtype="f4")[:, None] * np.ones(9, "f4"))

    def encode(rows, training=False):
        noise = np.where(np.asarray(rows)[:, :2] < 30, 0.2, 0.8).astype("f4")
        return tf.zeros_like(noise), tf.math.log(noise)

    monkeypatch.setattr(recipe, "SAMPLE_ROWS", 20)
    monkeypatch.setattr(fitting.model, "encode", encode)
    mixture = np.ones(3), np.zeros((3, 2)), np.full((3, 2), 1e-9)
    fitting.store.save("start", vars(Start(np.full((60, 3), 1 / 3), *mixture)))
    recipe.start(fitting)
    assert np.exp(fitting.model.prior.log_sigma2).min() > 0.3
    assert np.exp(fitting.model.prior.log_sigma2).max() < 0.7


def test_hints_name_the_groups_of_the_start(x):
    plain = recipe.start(begin(x))
    names = np.array([2, 0, 1])[plain.argmax(axis=1)]
    hints = np.where(np.arange(60) < 6, names, -1)
    fitting = begin(x, hints)
    np.testing.assert_array_equal(recipe.start(fitting), plain[:, [1, 2, 0]])
    groups = fitting.model.prior(fitting.model.encode(x)[0]).numpy().argmax(axis=1)
    assert np.mean(groups == names) > 0.9  # the mixture has these names too


def test_another_restart_is_another_seed_and_the_first_is_the_fits_own(x):
    seeds = [begin(x, seed=4, restart=restart).settings.start_seed for restart in (0, 1, 2)]
    assert seeds[0] == 4
    assert len(set(seeds)) == 3
    assert begin(x, seed=5, restart=1).settings.start_seed not in seeds


def test_what_is_said_of_the_code_is_of_the_model_that_is_returned(x):
    """Its last epoch may have been undone."""
    fitting = begin(x, epochs=2, pretrain_epochs=2)
    recipe.pretrain(fitting)
    recipe.guide(fitting, recipe.start(fitting))
    look = Watch(fitting.data.x, 3, 0)
    rate = look.rate_z(fitting.model)
    terms = fitting.model.elbo_terms(fitting.data.x, np.zeros((60, 2), "f4"))
    assert rate == pytest.approx(float(np.mean(terms["rate_z"])), rel=1e-5)
    assert rate > health.SILENT
    fitting.rows[-1]["rate_z"] = 0.01
    assert not any("next to nothing" in text for text in fitted(fitting, fitting.model).health)
    for head in fitting.model.encoder.layers[-2:]:
        head.set_weights([np.zeros_like(weight) for weight in head.get_weights()])
    fitting.model.prior.assign(np.ones(3), np.zeros((3, 2)), np.ones((3, 2)))
    fitting.rows[-1]["rate_z"] = 9.0
    assert any("next to nothing" in text for text in fitted(fitting, fitting.model).health)
