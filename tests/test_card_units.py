"""Cards by hand: the facts, the bars, what a cluster is called, and fold changes of many rows."""

import re
from types import SimpleNamespace

import numpy as np
import pandas
import scipy.sparse

from vade_tf.data.genes import Genes
from vade_tf.data.observing import build
from vade_tf.model import networks
from vade_tf.model.counts import Counts
from vade_tf.model.vade import VaDE
from vade_tf.report import card_page, cards
from vade_tf.report.contrast import FOLD, Contrast, contrast, feature_names, plain_value
from vade_tf.report.expression import expression
from vade_tf.training.posterior import Assignments

CARD = {
    "cluster": 0, "name": "", "rows": 4, "share": 0.5, "pi": 0.25, "confidence": 0.75, "label": 2, "purity": 0.625,
    "features": [], "typical": [], "doubtful": [],
}  # fmt: skip


def test_a_card_tells_size_confidence_weight_label_and_purity():
    text = card_page.section([CARD], None)
    assert "4 rows <span>(50.0 %)</span>" in text
    assert ">mean confidence 0.750, weight 0.250, label 2 (62.5 %)<" in text


def test_bars_are_as_long_as_the_effects():
    feature = {"name": "a", "kind": "number", "inside": 1.0, "outside": 0.0}
    effects = [{**feature, "effect": effect} for effect in (4.0, 1.0, -2.0)]
    bars = re.findall(r"left:([\d.]+)%;width:([\d.]+)%", card_page.section([{**CARD, "features": effects}], None))
    assert [(float(left), float(width)) for left, width in bars] == [(50, 50), (50, 12.5), (25, 25)]


def test_a_cluster_is_called_by_what_is_at_least_twice_as_often_in_it():
    effect = np.array([[0.5, 3.0, -8.0, 1.0, 2.0, 1.5], [0.9, 0.2, -5.0, 0.0, 1.0, -9.0]])
    places = np.arange(6)
    counted = Contrast(list("abcdef"), [FOLD] * 6, places, effect, effect, effect)
    assert [counted.name(c) for c in range(2)] == ["b, e, f", "e"]
    assert Contrast(list("abcdef"), ["number"] * 6, places, effect, effect, effect).name(0) == ""


def test_fold_changes_are_of_all_rows_however_many(rng):
    """The decoder is asked of a thousand of them at a time."""
    shape = {"n_features": 4, "latent_dim": 2, "hidden": (16,)}
    model = VaDE(networks.build_encoder(**shape), networks.build_decoder(**shape), 2, Counts(20.0))
    groups = np.arange(2200) % 2
    groups[2048:] = 1 - groups[2048:]  # the other way round than in the thousand before
    x = rng.poisson(np.array([[20, 1, 1, 1], [1, 20, 1, 1]])[groups]).astype("f4")
    data = build(x, None, "cells", "here", likelihood="counts", schema=Genes(tuple("abcd")))
    mean = model.decode(model.encode(x)[0]).numpy().astype("f8")
    mean = 1e4 * mean / mean.sum(axis=1, keepdims=True)
    ratio = (mean[groups == 0].mean(axis=0) + 1) / (mean[groups == 1].mean(axis=0) + 1)
    effect = expression(model, data, groups, 2).effect
    np.testing.assert_allclose(effect, [np.log2(ratio), -np.log2(ratio)], atol=1e-3)


def test_a_probability_is_called_next_to_one_only_where_three_digits_would_say_one():
    row = {"row": 7, "id": None, "values": {}}
    told = ((0.95, "0.950"), (0.9986, "0.999"), (0.9996, "&gt; 0.999"), (0.0004, "&lt; 0.001"), (0.0016, "0.002"))
    for value, text in told:
        card = {**CARD, "doubtful": [{**row, "confidence": value, "other": {"cluster": 1, "confidence": 0.25}}]}
        assert f" {text} here, 0.250 in " in card_page.section([card], None)


def test_a_stored_feature_of_zeros_ones_and_missing_cells_is_a_share(rng):
    x = rng.choice([0.0, 1.0, np.nan], size=(40, 3))
    x[:, 2] = 2 * x[:, 2]
    data = build(scipy.sparse.csr_array(np.ones((40, 3))), None, "x", "memory")
    data.x.matrix.data[:] = x.ravel()
    assert contrast(data, np.arange(40) % 2, 2).kinds == ["share", "share", "number"]


def test_mean_days_of_clusters_that_lie_days_apart_have_no_time_of_day():
    """The hour of a mean of days is nobody's."""
    passed = np.repeat([0, 10], 20) + np.tile([0, 1], 20)
    days = pandas.Timestamp("2024-03-01 09:30") + pandas.to_timedelta(passed, "D")
    data = build(pandas.DataFrame({"day": days, "size": np.arange(40.0)}), None, "x", "memory")
    apart = contrast(data, np.repeat([0, 1], 20), 2)
    j = apart.names.index("day")
    assert [apart.in_units(j, apart.inside[c, j]) for c in (0, 1)] == ["2024-03-01", "2024-03-11"]


def test_a_row_is_told_by_what_sets_its_cluster_apart_most():
    """Of ten features that do the six of the largest effects, the largest first."""
    groups = np.repeat([0, 1], 50)
    noise = np.random.default_rng(1).normal(size=(100, 10)) * np.arange(1, 11)
    x = 10.0 * groups[:, None] + noise  # the first feature varies least beside the step
    log_gamma = np.log(np.where(np.arange(2) == groups[:, None], 0.9, 0.1))
    data = build(x, None, "x", "memory", "gaussian")
    card = cards.cards(SimpleNamespace(), data, Assignments(x[:, :2], log_gamma))[1]
    effects = {each["name"]: abs(each["effect"]) for each in card["features"]}
    told = list(card["typical"][0]["values"])
    assert told == sorted(effects, key=effects.get, reverse=True)[: len(told)]
    assert len(told) > 3


def test_what_sets_clusters_apart_does_not_hang_on_the_unit(rng):
    """In metres or in light years."""
    groups = np.arange(60) % 2
    x = groups[:, None] * np.arange(1.0, 4) + rng.normal(size=(60, 3))
    large, small = (contrast(build(scale * x, None, "x", "memory", "gaussian"), groups, 2) for scale in (1, 1e-9))
    np.testing.assert_allclose(small.effect, large.effect, rtol=1e-4)
    assert (np.abs(large.effect) > 0.1).all()


def test_a_feature_far_from_zero_sets_clusters_apart_as_long_as_float32_tells_its_values(rng):
    """Seconds since 1970, which are 128 apart in float32, of clusters a quarter of an hour apart and of one moment."""
    groups = np.repeat([0, 1], 100)
    x = np.stack([1.7e9 + 900.0 * groups + rng.normal(0, 200, 200), 1.7e9 + 100.0 * groups], axis=1)
    found = contrast(build(x, None, "x", "memory", "gaussian"), groups, 2).effect
    means = x[:, 0].reshape(2, 100).mean(axis=1)
    np.testing.assert_allclose(found[1], [(means[1] - means[0]) / x[:, 0].std(), 0], rtol=0.05)


def test_an_answer_is_named_with_its_level_but_for_true_and_one():
    table = pandas.DataFrame({"smokes": ["no", "yes"] * 20, "ill": ["0", "1"] * 20, "old": [False, True] * 20})
    data = build(table, None, "x", "memory")
    assert [column.kind for column in data.schema.columns] == ["boolean"] * 3
    assert feature_names(data) == ["smokes = yes", "ill", "old"]


def test_of_numbers_beyond_a_million_three_digits_behind_the_point_stay():
    assert plain_value(12_345_678.12345) == 12_345_678.123
    assert plain_value(-12_345_678.12345) == -12_345_678.123


def test_a_cluster_of_all_rows_has_a_share_without_a_digit_behind_the_point():
    assert "(100 %)" in card_page.section([{**CARD, "share": 1.0}], None)
    assert "(0 %)" in card_page.section([{**CARD, "share": 0.0}], None)


def test_all_typical_rows_are_named():
    rows = [{"row": 10 * i, "id": None, "values": {}, "confidence": 0.9, "other": None} for i in range(5)]
    assert ">row 0, row 10, row 20, row 30, row 40<" in card_page.section([{**CARD, "typical": rows}], None)


def test_a_difference_below_one_has_no_bar_as_long_as_one():
    feature = {"name": "a", "kind": "number", "inside": 1.0, "outside": 0.0}
    effects = [{**feature, "effect": effect} for effect in (0.5, -0.2)]
    bars = re.findall(r"left:([\d.]+)%;width:([\d.]+)%", card_page.section([{**CARD, "features": effects}], None))
    assert [(float(left), float(width)) for left, width in bars] == [(50, 25), (40, 10)]
