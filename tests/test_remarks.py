"""What rows say against a fit: planted shares, copies and faulty rows are told, and nothing of rows in order."""

import numpy as np
import pandas
import pytest

import vade_tf
from vade_tf.data.observing import observe
from vade_tf.model.choice import choose
from vade_tf.training import remarks
from vade_tf.training.settings import Settings


def said(x):
    data = observe(x)
    return remarks.of_rows(data, choose(data))


def groups(n=400, d=6, seed=0):
    """Rows of three Gaussian groups."""
    r = np.random.default_rng(seed)
    return 4 * r.normal(size=(3, d))[np.arange(n) % 3] + r.normal(size=(n, d))


def shares(n=300, d=8, tail=0.5):
    rows = np.exp(tail * groups(n, d))
    return rows / rows.sum(axis=1, keepdims=True)


def levels():
    """Three categories, each written as one 1 among 0s: every row adds up to 3, and has no shares."""
    codes = np.random.default_rng(0).integers(0, 4, (300, 3))
    return pandas.DataFrame(np.hstack([np.eye(4)[column] for column in codes.T])).add_prefix("level ")


@pytest.mark.parametrize(
    "x",
    [shares(), np.round(100 * shares(), 2), pandas.DataFrame(shares(tail=1.0)).add_prefix("taxon ")],
    ids=["array", "percent", "table, in part by logarithms"],
)
def test_shares_of_a_whole_are_told_and_their_log_ratios_are_none(x):
    (told,) = said(x)
    assert "log-ratios" in told
    some = np.asarray(x)
    logs = np.log(some + some[some > 0].min() / 2)
    assert said(logs - logs.mean(axis=1, keepdims=True)) == []


def test_copies_are_named_in_any_unit():
    x = groups()
    frame = pandas.DataFrame(x, columns=list("abcdef"))
    frame["degrees"] = np.round(1.8 * frame["b"] + 32, 3)
    assert "'degrees' (as 'b')" in " ".join(said(frame))
    assert "5 columns repeat" in said(np.hstack([x, *[x[:, [2]]] * 5]))[0]
    assert "6 (as 2)" in said(np.hstack([x, x[:, [2]]]))[0]


def test_rows_far_out_are_counted_and_numbered():
    x, r = groups(), np.random.default_rng(5)
    faults = [7, 20, 77, 123, 222, 301]
    x[faults] = 1e4 * r.normal(size=(len(faults), x.shape[1]))
    (told,) = said(x)
    assert told.startswith("6 rows lie")
    assert "7, 20, 77, 123, 222 and 1 more" in told


@pytest.mark.parametrize(
    "x",
    [
        groups(),
        shares(d=4),
        shares() * np.random.default_rng(0).uniform(1, 1.1, (300, 1)),
        levels(),
        np.hstack([groups(), -groups(), groups() + 0.1 * groups(seed=1)]),
        groups() + 300.0 * (np.arange(400) % 3 == 0)[:, None],
        np.random.default_rng(0).standard_t(4, (500, 5)),
        np.random.default_rng(0).lognormal(0, 1.5, (500, 5)),
    ],
    ids=["groups", "four", "no whole", "levels", "alike", "a group far out", "tails", "long tails"],
)
def test_nothing_is_said_of_rows_in_order(x):
    assert said(x) == []


def test_the_health_of_a_fit_has_it():
    x = groups(60)
    x[3] = 1e5
    settings = Settings(clusters=2, hidden=(4,), latent_dim=2, pretrain_epochs=1, epochs=1)
    assert any(each.startswith("1 row lies") and "row 3 " in each for each in vade_tf.fit(x, settings).health)


@pytest.mark.parametrize(("kind", "told"), [("noise", True), ("groups", False), ("uneven", False)])
def test_a_given_number_of_groups_that_no_draw_finds_again_is_doubted(kind, told):
    r = np.random.default_rng(2)
    y = r.choice(4, 600, p=(0.7, 0.2, 0.07, 0.03) if kind == "uneven" else (0.25,) * 4)
    x = 9 * r.normal(size=(4, 6))[y] * (kind != "noise") + r.normal(size=(600, 6))
    settings = Settings(clusters=4, hidden=(4,), latent_dim=2, pretrain_epochs=1, epochs=1)
    assert any("from draw to draw" in each for each in vade_tf.fit(x, settings).health) == told
