"""Whole numbers that are counts though less than half are 0, others that are none, and those that may be."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from vade_tf.data.observing import observe
from vade_tf.errors import UnitsWarning
from vade_tf.model import choice

FORMS = {
    "array": lambda x: x.astype("f4"),
    "sparse": scipy.sparse.csr_array,
    "frame": lambda x: pd.DataFrame(x, columns=[f"species {i}" for i in range(x.shape[1])]),
}


def abundances(rng, n=200, d=40, common=1.2):
    """Counts of d species, of which some are common and some are rare, at n sites in three groups of each size."""
    of_groups = rng.normal(common, 1.3, d) + rng.normal(0, 0.8, (3, d))
    rates = np.exp(of_groups[np.arange(n) % 3] + rng.normal(0, 0.4, (n, 1)))
    return rng.poisson(rates * rng.gamma(1, 1, (n, d)))


def table(rng, n=300):
    """Ages, years, levels, marks, answers, wages and how often something happened, three columns of each."""
    whole = [
        rng.integers(18, 90, (n, 3)), rng.integers(1950, 2024, (n, 3)), rng.integers(1, 6, (n, 3)),
        rng.integers(0, 101, (n, 3)), rng.integers(0, 2, (n, 6)), rng.lognormal(8, 1, (n, 3)), rng.poisson(2, (n, 3)),
    ]  # fmt: skip
    return np.concatenate(whole, axis=1).round().astype(int)


def spent(rng, n=300, d=24):
    """Money for each of 24 things: nothing, or rarely less than three."""
    return np.where(rng.random((n, d)) < 0.3, 0, rng.lognormal(4, 1, (n, d)).round()).astype(int)


def chosen(x) -> tuple[str, bool]:
    """The likelihood of rows, and whether it is said that they may be counts."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        name = choice.choose(observe(x)).name
    return name, any("look like counts" in str(each.message) for each in said if each.category is UnitsWarning)


@pytest.mark.parametrize("common", [1.2, 4.0], ids=["a third is 0", "few are 0"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_counts_of_one_kind_are_counts_though_most_are_not_0(rng, form, common):
    x = abundances(rng, common=common)
    assert 0.02 < (x == 0).mean() < 0.45
    assert chosen(form(x)) == ("counts", False)


@pytest.mark.parametrize("form", ["array", "frame"])
@pytest.mark.parametrize("made", [table, spent])
def test_a_table_with_zeros_and_a_long_tail_in_which_nothing_is_counted_stays_one(rng, made, form):
    x = made(rng)
    assert x.shape[1] >= 20
    assert 0.05 < (x == 0).mean() < 0.5
    assert x.max() > 10 * x[x > 0].mean()
    assert chosen(FORMS[form](x)) == ("mixed" if form == "frame" else "gaussian", False)


@pytest.mark.parametrize("form", ["array", "frame"])
@pytest.mark.parametrize(("d", "common"), [(16, 1.2), (40, 9.0)], ids=["few columns", "no zeros"])
def test_what_may_be_counts_is_told_unless_something_is_asked_for(rng, form, d, common):
    x = FORMS[form](abundances(rng, d=d, common=common))
    assert chosen(x) == ("mixed" if form == "frame" else "gaussian", True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnitsWarning)
        for likelihood in ("counts", "gaussian"):
            choice.choose(observe(x, likelihood))


@pytest.mark.parametrize("form", ["array", "frame"])
@pytest.mark.parametrize("d", [14, 24])
def test_ratings_with_a_code_for_no_answer_are_no_counts(rng, form, d):
    """The tail is that of the code; counts end at another number in each column."""
    x = rng.integers(1, 8, (900, d))
    x[rng.random(x.shape) < 0.03] = 99
    assert chosen(FORMS[form](x)) == ("mixed" if form == "frame" else "gaussian", False)


def test_fewer_columns_say_nothing_of_counts(rng):
    assert chosen(FORMS["frame"](abundances(rng, d=8))) == ("mixed", False)
