"""Cards of clusters: means and effects against pandas, fold changes against the decoder; typical and doubtful rows."""

import json
import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
import scipy.sparse
from scipy import stats
from small_reports import a_table, found_of

from vade_tf.contrast import FOLD, Contrast, compared
from vade_tf.data.cells import Genes
from vade_tf.data.observations import build
from vade_tf.model import networks
from vade_tf.model.counts import Counts
from vade_tf.model.vade import VaDE
from vade_tf.report import cards
from vade_tf.training.posterior import Assignments


def test_a_table_is_shown_in_its_own_units(rng):
    groups, frame = a_table(rng)
    frame.loc[::7, "age"] = np.nan
    frame.loc[::11, "colour"] = None
    data = replace(build(frame, groups, "people", "memory"), ids=np.array([f"p{i}" for i in range(len(frame))]))
    table = cards.cards(SimpleNamespace(), data, found_of(groups))
    json.dumps(table, allow_nan=False)
    for c, card in enumerate(table):
        features = {feature["name"]: feature for feature in card["features"]}
        mine, others = frame[groups == c], frame[groups != c]
        if c != 1:  # which lies in the middle
            mean, other = mine.age.mean(), others.age.mean()
            expected = [mean, other, (mean - other) / frame.age.std(ddof=0)]
            got = features["age"]
            assert [got["inside"], got["outside"], got["effect"]] == pytest.approx(expected, rel=1e-4)
        levels = [name for name in features if name.startswith("colour = ")]
        assert levels == [f"colour = {['red', 'green', 'blue'][c]}"]  # of the levels the one that differs most
        share = (mine.colour == levels[0][9:]).sum() / mine.colour.notna().sum()
        assert features[levels[0]]["inside"] == pytest.approx(share, rel=1e-4)
        for row in card["typical"] + card["doubtful"]:
            assert row["id"] == f"p{row['row']}"
            for name, value in row["values"].items():
                cell = frame.iloc[row["row"]][name]
                if pandas.isna(cell):
                    assert value is None
                elif isinstance(value, float):
                    assert value == pytest.approx(cell, rel=1e-4)
                else:
                    assert value == (str(cell.date()) if name == "joined" else str(cell))
    first = {feature["name"]: feature for feature in table[0]["features"]}
    assert first["joined"]["inside"] < "2020-01-10" < first["joined"]["outside"]
    assert [first["size"][name] for name in ("kind", "inside", "outside")] == ["rank", "small", "medium"]
    last = {feature["name"]: feature for feature in table[2]["features"]}
    assert last["member = yes"]["inside"] == pytest.approx((frame.member[groups == 2] == "yes").mean(), rel=1e-4)
    assert last["member = yes"]["kind"] == "share"


def test_words_are_counted_by_the_rows_that_have_them():
    x = np.array([[2.0, 0, 3, 0], [5, 1, 0, 0], [0, 4, 0, 0.5], [0, 2, 0, 0], [0, 0, 0, 0]])
    groups = np.array([0, 0, 1, 1, 1])
    for values in (x, scipy.sparse.csr_array(x)):
        data = replace(build(values, None, "x", "memory"), words=("wheat", "bank", "grain", "rate"))
        table = cards.cards(SimpleNamespace(), data, found_of(groups))
        wheat = table[0]["features"][0]
        assert [wheat[name] for name in ("name", "kind", "inside", "outside")] == ["wheat", "word", 1.0, 0.0]
        assert wheat["effect"] == pytest.approx(1 / np.sqrt(0.4 * 0.6), rel=1e-6)
        rows = {row["row"]: list(row["values"]) for card in table for row in card["typical"]}
        assert rows == {0: ["grain", "wheat"], 1: ["wheat", "bank"], 2: ["bank", "rate"], 3: ["bank"], 4: []}


def test_typical_rows_are_central_and_doubtful_ones_have_the_least_odds(small_model, rng):
    model = small_model()
    mu, sigma2 = rng.normal(size=(4, 3)), rng.uniform(0.2, 2, (4, 3))
    model.prior.assign(np.ones(4) / 4, mu, sigma2)
    m = rng.normal(size=(80, 3)).astype("f4")
    log_gamma = np.log(rng.dirichlet(np.ones(4), 80))
    found = Assignments(m, log_gamma)
    data = build(rng.uniform(size=(80, 12)).astype("f4"), np.arange(80) % 3, "x", "memory")
    for c, card in enumerate(cards.cards(model, data, found)):
        inside = np.flatnonzero(found.groups == c)
        density = stats.multivariate_normal(mu[c], np.diag(sigma2[c])).logpdf(m[inside])
        assert [row["row"] for row in card["typical"]] == inside[np.argsort(-density)][:5].tolist()
        gamma = np.exp(log_gamma[inside])
        assert [row["row"] for row in card["doubtful"]] == inside[np.argsort(gamma.max(axis=1))][:5].tolist()
        assert card["confidence"] == pytest.approx(gamma.max(axis=1).mean())
        for row in card["doubtful"]:
            second = np.argsort(log_gamma[row["row"]])[-2]
            assert row["other"]["cluster"] == second
            assert row["other"]["confidence"] == pytest.approx(np.exp(log_gamma[row["row"], second]), rel=1e-5)
    other = cards.distances(SimpleNamespace(), found)  # of another system: from the mean of the members' codes
    for c in range(4):
        own = m[found.groups == c].astype(float)
        np.testing.assert_allclose(other[found.groups == c], ((own - own.mean(axis=0)) ** 2).sum(axis=1), rtol=1e-6)


def test_one_cluster_has_no_features_and_k_means_no_doubtful_rows(small_model, rng):
    data = build(rng.uniform(size=(9, 12)).astype("f4"), None, "x", "memory")
    (card,) = cards.cards(small_model(n_clusters=1), data, Assignments(np.zeros((9, 3), "f4"), np.zeros((9, 1), "f4")))
    assert (card["features"], card["doubtful"], card["typical"][0]["other"]) == ([], [], None)
    with np.errstate(divide="ignore"):
        found = Assignments(np.zeros((4, 1)), np.log(np.eye(2)[[0, 0, 1, 1]]))
    table = cards.cards(SimpleNamespace(), build(np.eye(4), None, "x", "memory"), found)
    assert [card["doubtful"] for card in table] == [[], []]


def test_a_large_sparse_matrix_is_never_made_dense(rng):
    n, width, k = 30_000, 15_000, 20
    rows, columns = rng.integers(0, n, 400_000), rng.integers(0, width, 400_000)
    matrix = scipy.sparse.csr_array((np.ones(400_000, "f4"), (rows, columns)), shape=(n, width))
    data = replace(build(matrix, None, "x", "memory"), words=tuple(f"w{j}" for j in range(width)))
    tracemalloc.start()
    cards.cards(SimpleNamespace(), data, found_of(np.arange(n) % k))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # dense it has 1.8 GB


def oracle(frame, groups, c):
    """Standardised differences of the means of one cluster and of all other rows, by pandas."""
    inside, outside = frame[groups == c].mean(), frame[groups != c].mean()
    return inside, outside, (inside - outside) / frame.std(ddof=0)


@pytest.mark.parametrize("kind", ["dense", "sparse", "bytes"])
def test_effects_are_those_of_pandas(rng, kind):
    """Of 3,000 rows, which are read in several blocks."""
    groups = rng.integers(0, 3, 3000)
    x = rng.poisson(1.0, (3000, 5)) * rng.integers(1, 90, (3000, 5))
    x[:, 4] = 7  # constant
    values = {"dense": x + 1e4 + 0.5, "sparse": scipy.sparse.csr_array(x * 1.0), "bytes": x.astype("u1")}[kind]
    data = build(values, None, "x", "memory", "gaussian")
    apart = compared(None, data, groups, 4)  # nobody is in the last one
    frame = pandas.DataFrame(np.asarray(data.x), dtype=float)
    for c in range(3):
        inside, outside, effect = oracle(frame, groups, c)
        np.testing.assert_allclose(apart.inside[c], inside, rtol=1e-6)
        np.testing.assert_allclose(apart.outside[c], outside, rtol=1e-6)
        np.testing.assert_allclose(apart.effect[c, :4], effect[:4], rtol=1e-4, atol=1e-6)
    assert not apart.effect[:, 4].any()
    assert not apart.effect[3].any()
    assert apart.names == [f"x{j}" for j in range(5)]


def test_missing_cells_count_nowhere(rng):
    groups = np.repeat([0, 1], 50)
    x = rng.normal(3, 1, (100, 4)).astype("f4")
    x[rng.uniform(size=x.shape) < 0.3] = np.nan
    x[:50, 3] = np.nan  # a cluster without a value
    frame = pandas.DataFrame(x, columns=list("abcd"))
    apart = compared(None, build(frame, None, "x", "memory"), groups, 2)
    for c in range(2):
        inside, outside, effect = oracle(frame.astype(float), groups, c)
        np.testing.assert_allclose(apart.inside[c], inside, rtol=1e-6)
        np.testing.assert_allclose(apart.outside[c], outside, rtol=1e-6)
        np.testing.assert_allclose(apart.effect[c, :3], effect[:3], rtol=1e-5)
        assert apart.effect[c, 3] == 0


def test_leading_features_are_the_largest_differences_up_and_down():
    effect = np.array([[0.5, -3.0, 0.05, 2.0, -0.2, 0.7, 0.5, -0.09, 1.0]])
    apart = Contrast([""] * 9, ["number"] * 9, np.arange(9), effect, effect, effect)
    assert apart.leading(0, limit=3).tolist() == [3, 8, 5, 1, 4]
    levels = replace(apart, column=np.array([0, 1, 2, 1, 4, 5, 6, 7, 8]))  # 1 and 3 are levels of one category
    assert levels.leading(0, limit=3).tolist() == [8, 5, 0, 1, 4]


def test_a_cluster_is_called_by_what_is_at_least_twice_as_frequent_in_it():
    effect = np.array([[0.5, 3.0, -8.0, 1.0, 2.0, 1.5], [0.9, 0.2, -5.0, 0.0, 1.0, -9.0]])
    counted = Contrast(list("abcdef"), [FOLD] * 6, np.arange(6), effect, effect, effect)
    assert [counted.name(c) for c in range(2)] == ["b, e, f", "e"]
    assert replace(counted, kinds=["number"] * 6).name(0) == ""
    assert replace(counted, kinds=["word"] * 6).name(1).split(", ")[0] == "e"


def test_fold_changes_are_those_of_the_decoder(rng):
    shape = {"n_features": 4, "latent_dim": 2, "hidden": (16,)}
    model = VaDE(networks.build_encoder(**shape), networks.build_decoder(**shape), 2, Counts(20.0))
    groups = np.arange(2200) % 2
    groups[2048:] = 1 - groups[2048:]  # the other way round than in the blocks before
    x = rng.poisson(np.array([[20, 1, 1, 1], [1, 20, 1, 1]])[groups]).astype("f4")
    data = build(x, None, "cells", "here", likelihood="counts", schema=Genes(tuple("abcd")))
    mean = model.decode(model.encode(x)[0]).numpy().astype("f8")
    mean = 1e4 * mean / mean.sum(axis=1, keepdims=True)
    ratio = (mean[groups == 0].mean(axis=0) + 1) / (mean[groups == 1].mean(axis=0) + 1)
    effect = compared(model, data, groups, 2).effect
    np.testing.assert_allclose(effect, [np.log2(ratio), -np.log2(ratio)], atol=1e-3)
