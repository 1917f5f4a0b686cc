"""A fit is never worse than its start: weights that had its groups are kept where letting go of these loses them."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.model.vade import VaDE
from vade_tf.seeding import subset
from vade_tf.training import guidance, health, keep, posterior
from vade_tf.training.fitting import begin
from vade_tf.training.settings import Settings
from vade_tf.training.store import Memory, listed, numbered

GROUPS = np.arange(60) % 3


@pytest.fixture
def fitting(rng):
    """A fit of three far groups that is over, in its model a decoder and an encoder of a line each."""
    x = (9.0 * np.eye(3)[GROUPS] + rng.normal(size=(60, 3))).astype("f4")
    settings = Settings(clusters=3, latent_dim=3, hidden=(4,), pretrain_epochs=0, epochs=4, precision="float32")
    fitting = begin(x, settings, store=Memory())
    m, log_s2 = (tf.keras.layers.Dense(3, name=name) for name in ("m", "log_s2"))
    inputs = tf.keras.Input((3,))
    encoder = tf.keras.Model(inputs, [m(inputs), log_s2(inputs)])
    encoder.set_weights([np.eye(3), np.zeros(3), np.zeros((3, 3)), np.full(3, -3.0)])
    model = VaDE(encoder, networks.build_decoder(3, 3, (4,)), 3, "gaussian", scaling=fitting.model.scaling)
    return dataclasses.replace(fitting, model=model)


def give(fitting, groups):
    """A mixture under which the model's clusters are these groups."""
    z = posterior.codes(fitting.model, fitting.data.x)
    mu = np.stack([z[groups == c].mean(axis=0) for c in range(3)])
    fitting.model.prior.assign(np.ones(3) / 3, mu, np.ones((3, 3)))


def merged(fitting):
    """The same with all rows in one cluster."""
    fitting.model.prior.assign([1 - 2e-6, 1e-6, 1e-6], [[0, 0, 0], [99, 99, 99], [-99, 99, 99]], np.ones((3, 3)))


def test_where_the_groups_are_lost_the_weights_that_had_them_are_kept(fitting):
    give(fitting, GROUPS)
    had = fitting.model.get_weights()
    fitting.store.save("held", numbered(had))
    merged(fitting)
    remedies, findings = keep.back_to_held(fitting, GROUPS)
    for found, expected in zip(fitting.model.get_weights(), had, strict=True):
        np.testing.assert_array_equal(found, expected)
    (sentence,) = remedies
    assert sentence.startswith("fit, epoch 4: its weights are kept")
    assert "agreement 1.00, at the end 0.00" in sentence
    assert findings == []


def test_where_they_are_not_lost_the_last_weights_stay(fitting):
    merged(fitting)
    fitting.store.save("held", numbered(fitting.model.get_weights()))
    give(fitting, GROUPS)
    had = fitting.model.get_weights()
    assert keep.back_to_held(fitting, GROUPS) == ([], [])
    for found, expected in zip(fitting.model.get_weights(), had, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "edit",
    [
        lambda held: held[:-1],
        lambda held: [each[None] for each in held],
        lambda held: [np.full_like(each, np.nan) for each in held],
        lambda held: [np.full(each.shape, "a") for each in held],
        lambda held: [],
    ],
    ids=["one less", "another dimension", "NaN", "texts", "none"],
)
def test_weights_of_another_model_are_refused(fitting, edit):
    fitting.store.save("held", {"q": np.zeros(1), **numbered(edit(fitting.model.get_weights()))})
    with pytest.raises(InputError, match="^store: held is damaged .expected the weights of this model"):
        keep.back_to_held(fitting, GROUPS)


@pytest.mark.parametrize(("lost", "back"), [(0.09, False), (0.11, True)])
def test_a_tenth_of_the_agreement_may_be_lost(fitting, monkeypatch, lost, back):
    """At the end, and with the weights that were kept."""
    agreements = iter([0.9 - lost, 0.9])
    monkeypatch.setattr(keep, "agreement", lambda fitting, groups: next(agreements))
    fitting.store.save("held", numbered(fitting.model.get_weights()))
    remedies, _ = keep.back_to_held(fitting, GROUPS)
    assert bool(remedies) == back


@pytest.mark.parametrize(
    ("epochs", "advice"),
    [
        (4, " after only 4 updates, by epochs=4 and passes=1; raise one of these"),
        (300, "; raise guide_epochs, or lower learning_rate"),
    ],
)
def test_other_groups_than_those_of_the_start_are_said(fitting, epochs, advice):
    """60 rows are a batch, so an epoch is an update."""
    merged(fitting)
    longer = dataclasses.replace(fitting, settings=dataclasses.replace(fitting.settings, epochs=epochs))
    assert keep.back_to_held(longer, GROUPS) == (
        [],
        [f"the clusters are not the groups that the start found (agreement 0.00 of 1){advice}"],
    )


def test_one_cluster_for_all_agrees_with_nothing(fitting):
    """Not with one group either: those found anew on a code that has collapsed are one."""
    merged(fitting)
    assert keep.agreement(fitting, np.zeros(60, int)) == 0.0
    give(fitting, GROUPS)
    assert keep.agreement(fitting, GROUPS) == 1.0


@pytest.mark.parametrize(("guided", "kept"), [(2, True), (4, False), (1, False), (0, False)])
def test_the_weights_are_those_after_the_last_epoch_that_is_held(rng, guided, kept, eager):
    """Where something comes after it, and no more than was held."""
    x = (9.0 * np.eye(3)[GROUPS] + rng.normal(size=(60, 3))).astype("f4")
    short = {"pretrain_epochs": 0, "epochs": 4, "regroups": 0, "precision": "float32"}
    settings = Settings(clusters=3, latent_dim=2, hidden=(4,), guide_epochs=guided, **short)
    store, seen = Memory(), {}

    class See(tf.keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if hasattr(self.model, "prior"):
                seen[epoch + 1] = self.model.get_weights()

    fitting = begin(x, settings, store=store, callbacks=[See()])
    guidance.guide(fitting, GROUPS.astype("i4"))
    held = store.load("held")
    assert (held is not None) == kept
    for found, expected in zip([] if held is None else held.values(), seen.get(guided, []), strict=False):
        np.testing.assert_array_equal(found, expected)


def test_a_silent_code_is_said():
    assert health.silent(0.5) == []
    (sentence,) = health.silent(0.1)
    assert sentence.startswith("the code says next to nothing of a row beyond its cluster (rate_z 0.10 nats)")


def test_the_arrays_of_a_large_model_come_back_in_their_order():
    assert listed({"meta": "", **numbered(list(range(1100)))}) == list(range(1100))


def test_the_weight_of_a_classifiers_groups_does_not_come_back(fitting):
    """It is among the weights that are kept, five times as high."""
    give(fitting, GROUPS)
    fitting.model.guide_weight.assign(100.0)
    fitting.store.save("held", numbered(fitting.model.get_weights()))
    merged(fitting)
    keep.back_to_held(fitting, GROUPS)
    assert float(fitting.model.guide_weight) == fitting.settings.guide_weight


def test_some_of_many_rows_are_compared_with_their_own_groups(fitting, monkeypatch):
    monkeypatch.setattr(keep, "ROWS", 20)
    give(fitting, GROUPS)
    assert keep.agreement(fitting, GROUPS) == 1.0


def test_a_group_of_one_row_is_asked_for_whichever_rows_are_drawn(fitting, monkeypatch):
    """Else all rows asked have one group, and the model, which has the same, would count as collapsed."""
    monkeypatch.setattr(keep, "ROWS", 20)
    one = np.zeros(60, int)
    one[next(row for row in range(60) if row not in subset(60, 20, fitting.settings.seed))] = 1
    place = {row.tobytes(): group for row, group in zip(np.asarray(fitting.data.x), one, strict=True)}
    monkeypatch.setattr(posterior, "model_groups", lambda model, x: np.array([place[row.tobytes()] for row in x]))
    assert keep.agreement(fitting, one) == 1.0


def test_the_single_cluster_of_a_fit_of_one_agrees_with_its_group(fitting):
    one = dataclasses.replace(fitting, settings=dataclasses.replace(fitting.settings, clusters=1))
    merged(fitting)
    assert keep.agreement(one, np.zeros(60, int)) == 1.0


def test_weights_that_are_not_finite_are_not_kept(fitting):
    """Their epoch is undone and the fit goes on; with them in its store it would end with an error."""
    hold = keep.Held(fitting.store, 2)
    hold.set_model(fitting.model)
    fitting.model.prior.mu.assign(np.full((3, 3), np.nan))
    hold.on_epoch_end(1)
    assert fitting.store.load("held") is None
    fitting.model.prior.mu.assign(np.zeros((3, 3)))
    hold.on_epoch_end(1)
    assert fitting.store.load("held") is not None


@pytest.mark.parametrize(("epochs", "short"), [(299, True), (300, False)])
def test_fewer_than_three_hundred_updates_are_too_short(fitting, epochs, short):
    """60 rows are a batch, so an epoch is an update."""
    longer = dataclasses.replace(fitting, settings=dataclasses.replace(fitting.settings, epochs=epochs))
    (sentence,) = keep.left(0.0, longer)
    assert ("only 299 updates, by epochs=299" in sentence) == short


def test_a_code_is_silent_below_half_a_nat():
    assert [len(health.silent(rate)) for rate in (0.49, 0.5)] == [1, 0]


def test_a_code_without_any_variance_tells_no_rows_apart():
    """Neither between the rows nor in q(z|x), whose variance is too small for a float."""
    with np.errstate(all="raise", under="ignore"):
        found = health.signals(
            np.array([4.0]), np.zeros(4), np.ones((4, 2)), np.full((4, 2), -1e3), *np.zeros((2, 1, 2))
        )
    assert found.activity.tolist() == [0, 0]
    assert found.active_units == 0


def of_shares(share, entropy):
    """Kinds of findings about components of these shares, far apart, and an active code."""
    k = len(share)
    found = health.Signals(np.array(share), entropy, 10 - 10 * np.eye(k), np.ones(2))
    return [finding.kind for finding in health.findings(found)]


def test_responsibilities_are_compared_with_the_entropy_of_the_shares_of_used_components():
    """Shares of 0.9 and 0.1 have 0.325 nats; a component that holds nothing has none of them."""
    assert of_shares([0.9, 0.1], 0.3) == ["uniform"]
    assert of_shares([0.9, 0.1], 0.28) == []
    with np.errstate(all="raise"):
        assert of_shares([0.9, 0.1, 0.0], 0.28) == ["empty"]
