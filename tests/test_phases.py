"""The phases of a fit on a few rows: what each reads, asks for, keeps and takes up again. Steps run without tracing."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.model.mixed import Mixed
from vade_tf.model.optimizer import FusedAdam
from vade_tf.model.vade import VaDE
from vade_tf.training import autoencoder, callbacks, given, guidance, loop, recipe
from vade_tf.training import groups as finding
from vade_tf.training import start as starts
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import Settings
from vade_tf.training.store import Memory, State
from vade_tf.training.views import feature_reader

pytestmark = pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eagerly`")
SMALL = {
    "clusters": 3, "hidden": (8, 8), "latent_dim": 2, "batch_size": 30, "pretrain_epochs": 0, "epochs": 4,
    "learning_rate": 1e-2, "precision": "float32", "init": "kmeans", "regroups": 1, "guide_epochs": 2,
}  # fmt: skip


@pytest.fixture(autouse=True)
def eager():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def x(rng):
    return (6 * np.repeat(np.eye(3), 3, axis=1)[np.arange(60) % 3] + rng.normal(size=(60, 9))).astype("f4")


def begin(x, hints=None, **more):
    settings = {name: more.pop(name) for name in list(more) if name in Settings.__dataclass_fields__}
    return loop.begin(x, Settings(**{**SMALL, **settings}), hints, **more)


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
        ([-2, 0, 2], "numbers from -2 to 2"),
        ([-1, 0, 3], "numbers from -1 to 3"),
        ([-2, 0, 3], "numbers from -2 to 3"),
        ([0, 1], r"int64 of shape \(2,\)"),
        ([[0, 1], [0, 1], [0, 1]], r"int64 of shape \(3, 2\)"),
        ([0.0, 1.0, 2.0], r"float64 of shape \(3,\)"),
    ],
)
def test_hints_that_name_no_group_of_no_row(hints, message):
    with pytest.raises(InputError, match=rf"^hints: expected 3 whole numbers from -1 \(unknown\) to 2, got {message}$"):
        given.checked_hints(hints, 3, 3)


def test_a_fit_under_way_has_what_it_was_given(x):
    store, reporter, extra = Memory(), Silent(), [keras.callbacks.Callback()]
    fitting = begin(x, np.zeros(60, int), store=store, reporter=reporter, callbacks=extra, system="dec", seed=5)
    assert fitting.store is store
    assert fitting.reporter is reporter
    assert fitting.extra is extra
    assert (fitting.system, fitting.state, fitting.rows, fitting.own_networks) == ("dec", None, [], False)
    assert (fitting.precision, fitting.jit, fitting.seconds) == ("float32", False, {"init": 0.0})
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
    np.testing.assert_allclose(loop.codes(model, raw), m, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(loop.model_groups(model, raw), model.predict(raw, verbose=0).argmax(axis=1))


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


class Steps(Silent):
    """Keeps the phases that are announced, with their numbers of steps."""

    def __init__(self):
        self.phases = []

    def phase(self, name, steps):
        self.phases.append((name, steps))
        return super().phase(name, steps)


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
    loop.fitted(fitting, fitting.model)
    assert capfd.readouterr().out == ""


def test_seconds_are_added_up_by_phase(x):
    fitting = begin(x)
    fitting.rows.extend(
        {"phase": phase, "epoch": 1, "seconds": s} for phase, s in (("pretrain", 1), ("fit", 2), ("fit", 4))
    )
    fitting.seconds["init"] = 8.0
    done = loop.fitted(fitting, keras.Sequential([keras.Input((9,))]))
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
    fitting.store.save("start", vars(starts.Start(np.zeros(60, "i4"), *mixture)))
    recipe.start(dataclasses.replace(fitting, own_networks=own, state=state))
    assert np.array_equal(head.kernel, before) != quiet


def test_a_start_is_kept_and_taken_again(x):
    store, r = Memory(), np.random.default_rng(1)
    fitting = begin(x, store=store)
    groups = recipe.start(fitting)
    np.testing.assert_array_equal(store.load("start")["groups"], groups)
    assert fitting.seconds["init"] > 0
    mixture = r.dirichlet(np.ones(3)), r.normal(size=(3, 2)), 5 + r.uniform(size=(3, 2))
    store.save("start", vars(starts.Start(groups[::-1].copy(), *mixture)))
    again = begin(x, store=store)
    np.testing.assert_array_equal(recipe.start(again), groups[::-1])
    for mine, theirs in zip(
        again.model.prior.parameters, (np.log(mixture[0]), mixture[1], np.log(mixture[2])), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
    assert again.seconds["init"] == 0


@pytest.mark.parametrize("log_s2", [-4.0, 3.0])
def test_components_start_at_least_as_wide_as_the_mean_noise_but_never_above_one_for_it(x, log_s2):
    fitting, head = wide_head(x)
    head.kernel.assign(np.zeros((8, 2)))
    head.bias.assign([log_s2, log_s2 - 1])
    store = fitting.store
    store.save("start", vars(starts.Start(np.zeros(60, "i4"), np.ones(3), np.zeros((3, 2)), np.full((3, 2), 1e-9))))
    recipe.start(fitting)
    want = np.minimum(np.exp([log_s2, log_s2 - 1]), 1)
    np.testing.assert_allclose(np.exp(fitting.model.prior.log_sigma2), np.tile(want, (3, 1)), rtol=1e-4)


def test_hints_name_the_groups_of_the_start(x):
    plain = recipe.start(begin(x))
    names = np.array([2, 0, 1])[plain]
    hints = np.where(np.arange(60) < 6, names, -1)
    fitting = begin(x, hints)
    np.testing.assert_array_equal(recipe.start(fitting), names)
    groups = fitting.model.prior(fitting.model.encode(x)[0]).numpy().argmax(axis=1)
    assert np.mean(groups == names) > 0.9  # the mixture has these names too


def test_another_restart_is_another_seed_and_the_first_is_the_fits_own(x):
    seeds = [finding.start_seed(begin(x, seed=4, restart=restart).settings) for restart in (0, 1, 2)]
    assert seeds[0] == 4
    assert len(set(seeds)) == 3
    assert finding.start_seed(begin(x, seed=5, restart=1).settings) not in seeds


def test_a_component_of_a_single_row_is_settled_and_an_empty_one_weighs_a_millionth(x, monkeypatch):
    """Blocks of 7: every row counts. Component 0 holds row 0 alone, component 2 none."""
    blocks = pipeline.blocks
    monkeypatch.setattr(pipeline, "blocks", lambda rows: blocks(rows, 7))
    fitting = begin(x)
    model = fitting.model
    m, log_s2 = np.zeros((60, 2), "f4"), np.full((60, 2), -2.0, "f4")
    m[0], m[1:, 1] = [50.0, 7.0], np.linspace(-1, 1, 59)
    place = {row.tobytes(): i for i, row in enumerate(x)}

    def encode(rows, training=False):
        at = [place[np.asarray(row).tobytes()] for row in rows]
        return tf.constant(m[at]), tf.constant(log_s2[at])

    monkeypatch.setattr(model, "encode", encode)
    model.prior.assign(np.ones(3), [[49.0, 7.0], [0.0, 0.0], [-900.0, 0.0]], np.full((3, 2), [[2.0], [1.0], [3.0]]))
    recipe.settle(model, x)
    log_pi, mu, log_sigma2 = (part.numpy() for part in model.prior.parameters)
    np.testing.assert_allclose(np.exp(log_pi), [1 / 60, 59 / 60, 1e-6], rtol=1e-3)
    np.testing.assert_allclose(mu, [[50, 7], [0, 0], [-900, 0]], atol=1e-4)
    noise = np.exp(-2)
    spread = [noise, noise + np.linspace(-1, 1, 59).var()]
    np.testing.assert_allclose(np.exp(log_sigma2), [[noise, noise], spread, [3, 3]], rtol=1e-4)


# ------------------------------------------------------------------------------------------------- guiding


@pytest.fixture
def asked(monkeypatch):
    """What each span of VaDE is trained on: (epochs, seed, target groups, image shape)."""
    seen, made = [], pipeline.training_batches

    def training_batches(x, batch_size, seed, epochs, *, hints=None, image_shape=None, **more):
        seen.append(((epochs.start, epochs.stop), seed, hints, image_shape))
        return made(x, batch_size, seed, epochs, hints=hints, image_shape=image_shape, **more)

    monkeypatch.setattr(recipe.pipeline, "training_batches", training_batches)
    monkeypatch.setattr(finding, "is_table", lambda fitting: False)
    return seen


@pytest.fixture
def regrouped(monkeypatch):
    """Groups found anew are told by their number: 2 for all rows."""
    monkeypatch.setattr(finding, "regrouped", lambda fitting: np.full(60, 2, np.int32))


def targets(asked):
    return [(span, np.unique(groups).tolist()) for span, _, groups, _ in asked]


def test_spans_without_hints_are_those_between_new_groups(x, asked, regrouped):
    """Groups 0 of the start for an epoch, then those found anew; the guide lets go after the second epoch."""
    fitting = begin(x)
    guidance.guide(fitting, np.zeros(60, "i4"))
    assert targets(asked) == [((0, 1), [0]), ((1, 4), [2])]
    assert (int(fitting.store.load("groups")["epoch"]), fitting.seconds["init"] > 0) == (1, True)
    np.testing.assert_array_equal(fitting.store.load("groups")["groups"], np.full(60, 2))
    assert [row["epoch"] for row in fitting.rows] == [1, 2, 3, 4]
    assert all(row["components_used"] >= 1 for row in fitting.rows)  # looked at
    assert float(fitting.model.guide_weight.numpy()) == fitting.settings.guide_weight


def test_hints_lie_over_the_groups_and_stay_when_these_are_let_go(x, asked, regrouped):
    hints = np.where(np.arange(60) < 10, np.arange(60) % 2, -1)
    guidance.guide(begin(x, hints), np.full(60, 1, "i4"))
    assert [span for span, *_ in asked] == [(0, 1), (1, 2), (2, 4)]
    for (_, _, groups, _), others in zip(asked, (1, 2, -1), strict=True):
        np.testing.assert_array_equal(groups, np.where(hints >= 0, hints, others))


def test_images_are_augmented_where_they_are_to_be(x, asked, regrouped):
    images = x.reshape(60, 3, 3)
    for augment, shape in (("digits", (3, 3)), ("none", None)):
        asked.clear()
        guidance.guide(begin(images, augment=augment, epochs=1), np.zeros(60, "i4"))
        assert [image_shape for *_, image_shape in asked] == [shape]
    asked.clear()
    guidance.guide(begin(x, augment="photos", epochs=1, seed=3, restart=2), np.zeros(60, "i4"))
    assert asked[0][1] == finding.start_seed(begin(x, seed=3, restart=2).settings)
    assert asked[0][3] is None


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_resumed_phase_trains_what_is_left_with_the_groups_it_had(x, asked, monkeypatch, done):
    """The groups kept for epoch 1 are taken; found anew they would be others."""
    monkeypatch.setattr(finding, "regrouped", lambda fitting: np.full(60, 1, np.int32))
    fitting = begin(x)
    loop.prepare(fitting, "fit", fitting.model)
    callbacks.build_optimizer(fitting.model)
    rows = [{"phase": "fit", "epoch": e + 1, "loss": 1.0, "seconds": 0.0} for e in range(done)]
    state = State("fit", done, callbacks.state_arrays(fitting.model), rows)
    fitting.store.save("groups", {"epoch": np.array(1), "groups": np.full(60, 2, np.int32)})
    guidance.guide(dataclasses.replace(fitting, state=state, rows=rows), np.zeros(60, "i4"))
    assert targets(asked) == [((done, 4), [2])]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]


def test_kept_groups_of_another_epoch_are_found_anew(x, asked, monkeypatch):
    monkeypatch.setattr(finding, "regrouped", lambda fitting: np.full(60, 1, np.int32))
    fitting = begin(x)
    fitting.store.save("groups", {"epoch": np.array(2), "groups": np.full(60, 2, np.int32)})
    guidance.guide(fitting, np.zeros(60, "i4"))
    assert targets(asked) == [((0, 1), [0]), ((1, 4), [1])]


def test_a_callback_that_stops_ends_the_phase(x, asked, regrouped):
    class Enough(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    fitting = begin(x, callbacks=[Enough()])
    guidance.guide(fitting, np.zeros(60, "i4"))
    assert [row["epoch"] for row in fitting.rows] == [1]


@pytest.mark.parametrize(
    ("guided", "regroups", "turns"),
    [(10, 1, [5]), (10, 3, [2, 5, 7]), (10, 0, []), (1, 3, []), (2, 3, [1]), (0, 2, [])],
)
def test_groups_are_found_anew_after_equal_parts(guided, regroups, turns):
    assert guidance.regroup_epochs(guided, regroups) == turns


def test_each_way_to_start_reads_the_code_and_landmark_the_layer_before_it(x, monkeypatch):
    seen = {}

    def start(z, n_clusters, method, seed, views, tell, kind):
        assert kind == "code"
        seen[method] = (z, n_clusters, seed, views)
        return starts.Start(np.zeros(60, "i4"), *(None,) * 3)

    monkeypatch.setattr(starts, "start", start)
    monkeypatch.setattr(finding, "is_table", lambda fitting: False)
    for method in starts.METHODS:
        reporter = Steps()
        fitting = begin(x, init=method, seed=6, restart=1, reporter=reporter)
        assert finding.found_groups(fitting, "init").groups.shape == (60,)
        z, n_clusters, seed, views = seen[method]
        np.testing.assert_allclose(z, fitting.model.encode(x)[0], rtol=1e-5, atol=1e-6)
        assert (n_clusters, seed) == (3, finding.start_seed(fitting.settings))
        assert len(views) == (2 if method == "landmark" else 1)
        assert views[0] is z
        assert reporter.phases == [("init", starts.DRAWS if method == "landmark" else 1)]


@pytest.mark.parametrize("network", ["conv", "dense"])
def test_networks_of_ones_own_and_a_kind_of_networks_are_too_many(x, network):
    own = networks.build_encoder(9, 2, (8,)), networks.build_decoder(9, 2, (8,))
    with pytest.raises(InputError, match="^network: expected 'auto' beside networks of your own"):
        begin(x, network=network, networks=own)


# ------------------------------------------------------------------------------------------------- tables


def test_a_table_starts_from_its_own_columns_and_keeps_these_groups(x, asked, monkeypatch):
    monkeypatch.undo()
    seen = []

    def start(z, n_clusters, method, seed, views, tell, kind):
        seen.append((views, kind))
        return starts.Start(np.zeros(60, "i4"), *(None,) * 3)

    monkeypatch.setattr(starts, "start", start)
    fitting = begin(x, likelihood="gaussian", init="landmark")
    assert finding.is_table(fitting)
    finding.found_groups(fitting, "init")
    ((own,), kind), *_ = seen
    assert kind == "table"
    np.testing.assert_allclose(own, (x - x.mean(axis=0)) / x.std(axis=0), atol=1e-4)
    monkeypatch.setattr(finding, "regrouped", lambda fitting: pytest.fail("a table's groups are not found anew"))
    guidance.guide(fitting, np.zeros(60, "i4"))


@pytest.mark.parametrize(
    "form",
    [
        lambda x: x.reshape(60, 3, 3),
        lambda x: np.tile(x, 23),  # 207 columns
        lambda x: x / np.linalg.norm(x, axis=1, keepdims=True),
    ],
    ids=["images", "wide", "directions"],
)
def test_what_is_no_table(x, form):
    assert not finding.is_table(begin(form(x)))


@pytest.mark.parametrize(
    ("form", "wide"),
    [
        (lambda x: np.tile(x, 23), True),  # 60 rows of 207 columns
        (lambda x: np.tile(x, (4, 23)), False),  # 240 rows
        (lambda x: np.tile(x, 8), False),  # 72 columns: more than rows, but as few as are read themselves
        (lambda x: np.tile(x, 25).reshape(60, 15, 15), False),
    ],
    ids=["wide", "rows", "narrow", "images"],
)
def test_groups_of_few_wide_rows_may_be_those_of_k_means_and_are_kept(x, monkeypatch, form, wide):
    seen = []

    def landmark(views, n_clusters, seed, tell, doubt):
        seen.append(doubt)
        return np.zeros(len(views[0]), "i4")

    def held(fitting, epoch):
        seen.append(epoch)
        return np.zeros(len(fitting.data.x), "i4")

    monkeypatch.setattr(starts, "landmark", landmark)
    monkeypatch.setattr(guidance, "_held_groups", held)
    monkeypatch.setattr(finding, "is_table", lambda fitting: False)
    fitting = begin(form(x), init="landmark", hidden=(4,))
    guidance.guide(fitting, recipe.start(fitting))
    assert seen == ([True] if wide else [False, 1])


def test_missing_cells_of_a_table_count_as_the_mean_of_their_column(x):
    """And a category's levels stay 0 and 1, less their share; an answer of two is as far apart as two levels are."""
    x = np.column_stack([x[:, 0], np.eye(3)[np.arange(60) % 3], np.arange(60) % 2]).astype("f4")
    x[::7, 0] = np.nan
    own = networks.build_encoder(5, 2, (8,)), networks.build_decoder(5, 2, (8,))
    model = VaDE(*own, 3, Mixed([("gaussian", 1), ("categorical", 3), ("bernoulli", 1)]))
    found = feature_reader(model, x)(x)
    assert not found[::7, 0].any()
    known = x[~np.isnan(x[:, 0]), 0]
    filled = np.where(np.isnan(x[:, 0]), known.mean(), x[:, 0])
    np.testing.assert_allclose(found[:, 0], (filled - known.mean()) / filled.std(), atol=1e-5)
    np.testing.assert_allclose(found[:, 1:4], x[:, 1:4] - 1 / 3, atol=1e-6)
    np.testing.assert_allclose(found[:, 4], np.sqrt(2) * (x[:, 4] - 0.5), atol=1e-6)
