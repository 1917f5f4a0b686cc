"""What rows say against a fit: planted shares, copies and faulty rows are told, and nothing of rows in order."""

import re

import numpy as np
import pandas
import pytest
import scipy.sparse

import vade_tf
from vade_tf.data import checks
from vade_tf.data.observing import observe
from vade_tf.model.choice import choose
from vade_tf.training import remarks
from vade_tf.training.settings import Settings

SHORT = Settings(clusters=4, hidden=(4,), latent_dim=2, pretrain_epochs=0, epochs=1)


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
    assert "6 (minus 2)" in said(np.hstack([x, 1 - x[:, [2]]]))[0]  # the rest of a share tells the same


def test_rows_far_out_are_counted_and_numbered():
    x, r = groups(), np.random.default_rng(5)
    faults = [222, 7, 123, 20, 301, 77]
    x[faults] = np.geomspace(1e6, 1e4, 6)[:, None] * r.uniform(0.9, 1, (6, x.shape[1]))
    (told,) = said(x)
    assert told.startswith("6 rows lie")
    assert "222, 7, 123, 20, 301 and 1 more" in told


def test_a_row_far_out_makes_no_copies_of_columns_that_are_none_and_hides_none_that_are():
    x = groups()
    x[33] = 999999
    (told,) = said(x)
    assert told.startswith("1 row lies")
    x = np.hstack([x, 3 * x[:, [1]] + 1])
    assert [each[:20] for each in said(x)] == ["a column repeats the", "1 row lies so far ou"]
    assert "6 (as 1)" in said(x)[0]


def test_a_row_far_out_of_a_large_table_has_its_own_number():
    """Of so many rows some are looked at."""
    x = groups(12_000)
    x[5000:5200] = 1e5 * np.random.default_rng(0).normal(size=(200, 6))
    (told,) = said(x)
    found = [int(word) for word in told.split("rows ")[2].split(" and")[0].split(", ")]
    assert len(found) == 5
    assert all(5000 <= number < 5200 for number in found)


def test_a_column_known_in_rows_far_out_alone_raises_no_warning(recwarn):
    x = groups()
    x[:15] = 1e5 * np.random.default_rng(0).normal(size=(15, 6))
    x[15:, 5] = np.nan
    data = observe(pandas.DataFrame(x, columns=list("abcdef")))
    assert remarks.of_rows(data, choose(data))[-1].startswith("15 rows lie")
    assert not recwarn.list


@pytest.mark.parametrize(
    "x",
    [
        groups(),
        shares(d=4),
        shares() * np.random.default_rng(0).uniform(1, 1.1, (300, 1)),
        levels(),
        np.hstack([groups(), groups() + 0.1 * groups(seed=1)]),
        groups() + 300.0 * (np.arange(400) % 3 == 0)[:, None],
        np.random.default_rng(0).standard_t(4, (500, 5)),
        np.random.default_rng(0).lognormal(0, 1.5, (500, 5)),
        np.hstack([groups(), 5.9e6 + 9e3 * np.random.default_rng(0).random((400, 1))]) + 30,
        np.random.default_rng(0).poisson(0.2, (300, 40)),
        np.tile(groups(300, 8)[:, :, None], (1, 1, 8)) / 40 + 0.5,
        scipy.sparse.csr_array(shares()),
    ],
    ids=[
        "groups",
        "four",
        "no whole",
        "levels",
        "alike",
        "a group far out",
        "tails",
        "long tails",
        "places on a map",
        "counts",
        "images",
        "sparse",
    ],
)
def test_nothing_is_said_of_rows_in_order(x):
    assert said(x) == []


def test_the_health_of_a_fit_has_it(eager):
    x = groups(60)
    x[3] = 1e5
    assert any(each.startswith("1 row lies") and "row 3 " in each for each in vade_tf.fit(x, SHORT).health)


@pytest.mark.parametrize(
    ("kind", "told"),
    [("noise", True), ("noise, hinted", False), ("noise, many", True), ("groups", False), ("uneven", False)],
)
def test_a_given_number_of_groups_that_no_draw_finds_again_is_doubted(kind, told, eager):
    """Unless some groups are known."""
    r = np.random.default_rng(2)
    y = r.choice(4, 600, p=(0.7, 0.2, 0.07, 0.03) if kind == "uneven" else (0.25,) * 4)
    columns = 201 if kind == "noise, many" else 6
    x = 9 * r.normal(size=(4, columns))[y] * ("noise" not in kind) + r.normal(size=(600, columns))
    hints = np.where(np.arange(600) < 8, y, -1) if kind == "noise, hinted" else None
    assert any("from draw to draw" in each for each in vade_tf.fit(x, SHORT, hints=hints).health) == told


def test_small_groups_that_one_draw_finds_are_not_doubted(eager):
    """Draws differ, and the groups do not lie so far apart that they have no borders."""
    r = np.random.default_rng(4)
    y = r.choice(4, 900, p=(0.9, 0.05, 0.03, 0.02))
    means = r.normal(size=(4, 8))
    x = 6 * (means / np.linalg.norm(means, axis=1, keepdims=True))[y] + r.normal(size=(900, 8))
    assert not any("from draw to draw" in each for each in vade_tf.fit(x, SHORT).health)


@pytest.mark.parametrize(("far", "told"), [(40, True), (41, False)])
def test_more_than_a_tenth_of_the_rows_are_a_group_however_far_they_lie(far, told):
    x = groups()
    x[:far] = 1e5 * np.random.default_rng(0).normal(size=(far, 6))
    assert [each[:12] for each in said(x)] == [f"{far} rows lie "[:12]] * told


@pytest.mark.parametrize(("deviations", "told"), [(19, False), (21, True)])
def test_a_number_is_far_out_from_twenty_robust_deviations_on(deviations, told):
    """Of ten rows, so that the others look alike beside one of them: quartiles -1 and 1 are 2 / 1.349 deviations."""
    column = np.array([-1.2, -1.1, -1.0, -0.9, 0.0, 0.0, 0.9, 1.0, 1.1, 0.0])
    quartiles = np.quantile(np.append(column[:9], 9e9), (0.25, 0.5, 0.75))
    column[9] = quartiles[1] + deviations * (quartiles[2] - quartiles[0]) / 1.349
    x = np.tile(column, (4, 1)).T * [1, 2, 30, 4] + np.random.default_rng(0).normal(0, 1e-3, (10, 4))
    deviated, known = remarks._deviations(x)
    assert bool(remarks.far_out(x, deviated, known, np.arange(10), 10)) == told


@pytest.mark.parametrize(("columns", "told"), [(2, False), (3, True)])
def test_a_row_far_out_is_told_from_half_of_the_columns_on(columns, told):
    """Where all others still differ in most columns, it takes no cluster from them."""
    x = groups()
    x[33, :columns] = 1e6
    assert bool(said(x)) == told


def test_rows_that_do_not_squash_the_others_are_not_told_however_far_they_lie():
    """Twenty-five deviations in one of 400 rows leave the standard deviation of the others what it is."""
    x = groups(4000)
    x[33] = np.median(x, axis=0) + 60 * np.subtract(*np.quantile(x, (0.75, 0.25), axis=0))
    assert said(x) == []


def test_of_columns_that_are_mostly_one_number_nothing_is_far_out():
    """As of a cost that few rows have: it has no deviation to be measured by."""
    x, r = groups(), np.random.default_rng(0)
    rare = np.zeros((400, 8))
    rare[:40] = r.uniform(1e3, 1e4, (40, 8)) * (r.random((40, 8)) < 0.5)
    assert said(np.hstack([x[:, :3], rare])) == []


def test_parts_below_0_are_no_shares(rng):
    """They add up to a whole and have no logarithm."""
    x = rng.normal(0.125, 0.3, (300, 8))
    assert said(x + (1 - x.sum(axis=1, keepdims=True)) / 8) == []


@pytest.mark.parametrize(("lost", "told"), [(0.0009, True), (0.002, False)])
def test_shares_may_lack_a_thousandth_of_their_sum(lost, told):
    x = shares()
    x[7] *= 1 - lost
    assert bool(said(x)) == told


@pytest.mark.parametrize(("digits", "percent"), [(2, 1), (3, 1), (4, 1), (1, 100)])
def test_shares_are_told_however_few_digits_they_have(digits, percent):
    """Each may lack half of the last one, and rows so add up to 0.99 or 1.01."""
    x = np.round(percent * shares(), digits)
    assert "log-ratios" in said(x)[0]
    x[7, :6] += 10.0**-digits  # more than half of the last digit of all eight
    assert digits == 4 or said(x) == []


def test_it_is_said_of_how_many_rows_some_are():
    x = groups(12_000)
    x[5000:5200] = 1e5 * np.random.default_rng(0).normal(size=(200, 6))
    assert " rows of 10,000 that were looked at lie so far out" in said(x)[0]
    x = groups()
    x[33] = 1e6
    assert "looked at" not in said(x)[0]


def test_a_hundred_rows_of_very_many_columns_are_looked_at(monkeypatch):
    monkeypatch.setattr(remarks, "NUMBERS", 6)
    x = groups()
    assert "6 (as 2)" in said(np.hstack([x, x[:, [2]]]))[0]
    x[:, 0] = x[:, 1] + 1e-3 * groups()[:, 0]  # equal in a row or two, by chance
    assert said(x) == []


@pytest.mark.parametrize("likelihood", ["counts", "bernoulli", "gaussian"])
def test_copies_are_told_where_columns_get_one_variance_alone(likelihood):
    """Of counts and probabilities a copy has the weight of its own numbers, as any column."""
    x = np.random.default_rng(0).poisson(30, (300, 8)).astype("f4")
    x = np.hstack([x, x[:, :1]]) if likelihood == "counts" else np.hstack([x, x[:, :1]]) / 64
    data = observe(x, likelihood)
    assert len(remarks.of_rows(data, choose(data))) == (likelihood == "gaussian")


def test_amounts_that_few_rows_have_are_no_copies_though_the_same_rows_have_them():
    """As the costs of an accident beside drivers without one."""
    x, r = groups(600), np.random.default_rng(0)
    has = r.random(600) < 0.15
    costs = np.where(has[:, None], r.uniform(1e3, 9e3, (600, 3)), 0.0)
    assert said(np.hstack([x, costs])) == []
    assert "9 (as 7)" in said(np.hstack([x, costs, 2 * costs[:, [1]]]))[0]


def test_a_number_for_no_value_is_named_with_its_column_as_it_came_in():
    """As of a data logger, and the first date of a database; of an array the column has a number."""
    x, r = groups(600), np.random.default_rng(0)
    table = pandas.DataFrame(50 + 8 * x, columns=[f"s{i}" for i in range(6)])
    table.insert(0, "site", np.array(["north", "south", "west"])[np.arange(600) % 3])  # a feature for each level
    table["built"] = pandas.Timestamp("2020-01-01") + pandas.to_timedelta(r.integers(0, 900, 600), unit="D")
    table["built"] += pandas.Timedelta(hours=8, minutes=26)
    table.loc[:19, "s1"], table.loc[10:39, "built"] = -9999, pandas.Timestamp("1753-01-01")
    fitting = vade_tf.begin(table, Settings(clusters=3))
    (told,) = remarks.of_rows(fitting.data, fitting.model.likelihood)
    assert "-9999 in 20 rows of column 's1', 1753-01-01 in 30 rows of column 'built';" in told
    x[:20, 2] = -9999
    assert "-9999 in 20 rows of column 2;" in said(x)[0]
    assert said(pandas.DataFrame(np.where(x == -9999, np.nan, x), columns=list("abcdef"))) == []  # as it says


@pytest.mark.parametrize(("others", "each"), [(1, 1), (2, 1), (20, 1), (4, 5)])
def test_numbers_far_out_that_differ_or_are_single_stand_for_none(others, each):
    x = groups(600)
    x[: others * each, 2] = np.repeat(-9999 - np.arange(others), each)
    assert said(x) == []


@pytest.mark.parametrize("number", [99.0, -99.0])
@pytest.mark.parametrize(("cells", "told"), [(3, True), (28, True), (38, True), (42, False)])
def test_a_number_for_no_value_is_named_where_two_fifths_of_a_column_hold_it(number, cells, told):
    """As magnitudes in the faintest band; more of them are a group, and so are numbers that are not far out."""
    x = groups(600)
    x[:, 2] = np.where(np.arange(600) % 100 < cells, number, x[:, 2] / 5)
    assert [f"{number:g} in {6 * cells} rows of column 2;" in line for line in said(x)] == [True] * told
    near = np.where(x[:, 2] == number, np.sign(number) * 15, x[:, 2])
    assert said(np.hstack([x[:, :2], near[:, None]])) == []


def ratings(r, *codes):
    """Answers from 1 to 7 to twelve questions, and a yes or no; a tenth of each answer is one of the codes."""
    x = r.integers(1, 8, (600, 12)).astype("f4")
    x[r.random(x.shape) < 0.1] = 0
    x[x == 0] = r.choice(codes, int((x == 0).sum()))
    return np.hstack([x, r.integers(0, 2, (600, 1))])


@pytest.mark.parametrize("codes", [(99,), (98, 99), (97, 98, 99)])
def test_the_codes_for_no_answer_are_named_among_ratings(rng, codes):
    frame = pandas.DataFrame(ratings(rng, *codes)).add_prefix("q")
    (told,) = said(frame)
    assert told.startswith("one number stands" if len(codes) == 1 else "a few numbers stand")
    listed = told.split("is none: ")[1].split(" in ")[0].split(" and ")
    assert tuple(map(int, listed)) == codes
    assert "rows of column 'q0'" in told
    assert "7 more" in told  # of twelve questions, and never of the yes or no
    assert said(frame.where(frame < 97)) == []


@pytest.mark.parametrize("codes", [(8,), (0, 9), (-1,), (96, 97, 98, 99)])
def test_codes_near_the_answers_and_many_ones_are_ratings_like_others(rng, codes):
    assert said(pandas.DataFrame(ratings(rng, *codes)).add_prefix("q")) == []


def test_levels_between_whole_numbers_are_no_ratings_with_a_code():
    """As of standardised columns: the rarest of three lies far from the others."""
    x = groups(600)
    x[:, 2] = np.repeat([0.0, 0.1, 5.5], [300, 280, 20])
    assert said(x) == []


def test_an_answer_and_its_reverse_are_no_copies_worth_a_word(rng):
    answer = rng.integers(0, 2, (400, 1))
    assert said(pandas.DataFrame(np.hstack([groups(), answer, 1 - answer])).add_prefix("q")) == []


def test_rounding_is_no_spread_that_makes_a_rare_level_stand_far_out():
    x = groups(600)
    x[:, 2] = 1 + np.arange(600) % 12 * np.spacing(np.float32(1))
    x[:30, 2] = 5
    assert said(x.astype("f4")) == []


def test_a_number_that_leaves_the_others_their_spread_is_no_sentinel():
    """Two cells of thirty deviations, of a thousand rows."""
    x = groups(1000)
    x[:2, 2] = np.median(x[:, 2]) + 30 * np.subtract(*np.quantile(x[:, 2], (0.75, 0.25))) / remarks.DEVIATION
    assert said(x) == []


@pytest.mark.parametrize("number", [99999999, -2147483648])
def test_a_number_for_no_value_may_be_as_large_as_it_likes(number):
    x = 15 + 5 * groups(600)
    x[:30, 2] = x[20:50, 3] = number
    (told,) = said(x)
    assert told.count("in 30 rows of column") == 2
    x = 1e9 * groups(600)
    x[:5] *= 1e6
    assert said(x)[0].startswith("5 rows lie so far out")


@pytest.mark.parametrize(("number", "exact"), [("-9999", True), ("999.5", True), ("2147483647", False)])
def test_a_number_for_no_value_is_written_as_in_the_file_whatever_the_column_is_called(number, exact):
    """As far as features of seven digits have it."""
    table = pandas.DataFrame(50 + 8 * groups(300))
    table.loc[:19, 5] = float(number)
    about, written = re.search("is none: (about )?([-0-9.e]+) in 20 rows of column 5;", said(table)[-1]).groups()
    assert (about is None, written == number) == (exact, exact)
    assert float(written) == pytest.approx(float(number), rel=1e-6)


def test_a_number_for_no_value_is_counted_among_the_rows_that_were_looked_at():
    x = groups(12_000)
    x[:, 3] = np.where(np.arange(12_000) % 10 == 0, -999, x[:, 3])
    (told,) = said(x)
    counted = int(told.split("-999 in ")[1].split(" ")[0].replace(",", ""))
    assert 900 < counted < 1100
    assert "column 3 (of 10,000 rows that were looked at);" in told


def test_rows_without_a_value_in_any_column_are_told_as_such_alone():
    """To bound their numbers would be no help."""
    x = groups()
    x[:20] = -9999
    assert [each[:18] for each in said(x)] == ["one number stands "]


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_matrix])
def test_of_rows_that_are_all_the_same_nothing_else_is_told(form, eager):
    rows = np.tile(np.array([0.1, 0.0, 2.3], "f4"), (9000, 1))
    found = vade_tf.fit(form(rows[:300]), SHORT).health
    assert len(found) == 1
    assert "all the same" in found[0]
    rows[-1, 1] = np.nan
    assert not checks.all_alike(rows)
    rows[:, 1] = np.nan
    assert checks.all_alike(rows)
