"""Clusters that follow one column are told by its name, and no others are."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
import scipy.sparse

from vade_tf import VaDEClusterer
from vade_tf.data.observing import observe
from vade_tf.model.choice import choose
from vade_tf.training.following import followed, one_column
from vade_tf.training.settings import Settings

GROUPS = np.arange(300) % 3


def noise(columns=5):
    return np.random.default_rng(0).normal(size=(300, columns))


def planted(deviations, places=(2,), columns=5):
    """Noise of variance 1, and in some places the number of the group, so many deviations apart."""
    x = noise(columns)
    for i in places:
        x[:, i] += deviations * GROUPS
    return x


def test_a_column_that_alone_has_the_groups_is_told_with_the_share_of_its_variance():
    x = planted(4.0)
    (told,) = followed(x, list("abcde"), GROUPS)
    within = pandas.DataFrame(x).groupby(GROUPS).transform("var", ddof=0).mean()
    shares = 1 - within / x.var(axis=0)
    assert f"follow column 'c': {shares[2]:.0%}" in told
    assert f"of others at most {shares.drop(2).max():.0%}" in told
    assert "leave it out" in told


def test_groups_that_several_columns_show_are_not_told():
    assert followed(planted(4.0) + 1.2 * np.outer(GROUPS, [0, 1, 0, 0, 0]), list("abcde"), GROUPS) == []
    assert followed(planted(1.0), list("abcde"), GROUPS) == []  # nor those that it hardly shows
    assert followed(noise(), list("abcde"), GROUPS) == []
    assert followed(planted(4.0), list("abcde"), np.zeros(300, int)) == []  # of one cluster there is nothing to say


def column(share, seed):
    """Noise, and the number of the group, between which just such a share of the variance lies."""
    within = pandas.Series(np.random.default_rng(seed).normal(size=300))
    within -= within.groupby(GROUPS).transform("mean")
    between = (GROUPS - 1) / np.std(GROUPS)
    return np.sqrt(share) * between + np.sqrt(1 - share) * within.to_numpy() / within.std(ddof=0)


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ([0.75, 0.0, 0.0], True),
        ([0.65, 0.0, 0.0], False),
        ([0.9, 0.2, 0.0], True),
        ([0.9, 0.3, 0.0], False),
        ([0.9, 0.8, 0.0, 0.0], True),  # the second goes with the first: their squared correlation is 0.7
        ([0.9, 0.5, 0.0, 0.0], False),
        ([0.9, 0.9, 0.9, 0.0, 0.0], True),
        ([0.9, 0.9, 0.9, 0.9, 0.0, 0.0], False),
    ],
)
def test_shares_of_the_variance_decide(shares, told):
    x = np.stack([column(share, seed) for seed, share in enumerate(shares)], axis=1)
    assert len(followed(x, list(range(len(shares))), GROUPS)) == told


def test_an_unused_cluster_changes_nothing():
    assert followed(planted(4.0), list("abcde"), 2 * GROUPS) == followed(planted(4.0), list("abcde"), GROUPS)


def test_columns_that_go_with_it_are_named_and_of_many_nothing_is_said():
    (told,) = followed(planted(6.0, (1, 3)), list("abcde"), GROUPS)
    assert "column 'b' and, with it, 'd'" in told or "column 'd' and, with it, 'b'" in told
    assert "leave them out" in told
    turned = planted(6.0, (1, 3)) * [1, 1, 1, -1, 1]
    assert len(followed(turned, list("abcde"), GROUPS)) == 1
    assert followed(planted(6.0, (0, 1, 2, 3), 8), list("abcdefgh"), GROUPS) == []


@pytest.mark.parametrize(("columns", "told"), [(2, 0), (3, 1)])
def test_two_others_are_the_least_beside_which_a_column_is_one(columns, told):
    assert len(followed(planted(4.0, (0,), columns), list(range(columns)), GROUPS)) == told


def test_a_category_is_one_column_of_all_its_levels():
    levels = np.eye(3)[(GROUPS + (np.arange(300) % 10 == 0)) % 3]
    (told,) = followed(np.hstack([noise(3), levels]), ["a", "b", "c", "kind", "kind", "kind"], GROUPS)
    assert "follow column 'kind': 7" in told


def test_what_goes_with_one_level_of_a_category_goes_with_it():
    first = (GROUPS == 1)[:, None] + 1e-3 * noise(1)
    (told,) = followed(np.hstack([noise(3), np.eye(3)[GROUPS], first]), ["a", "b", "c", *["kind"] * 3, "one"], GROUPS)
    assert "'kind'" in told
    assert "'one'" in told


def test_a_missing_cell_says_nothing():
    x = planted(4.0)
    x[np.arange(300) % 7 == 0, 0] = np.nan
    x[:2, 2] = np.nan
    (told,) = followed(x, list("abcde"), GROUPS)
    assert "column 'c'" in told


class AlongTheFirst:
    """A model whose two clusters are cut along the first column."""

    def __init__(self, likelihood):
        self.likelihood = likelihood

    def predict_on_batch(self, x):
        return np.eye(2)[(x[:, 0] > x[:, 0].mean()).astype(int)]


def cut(n=200):
    return np.hstack([9.0 * (np.arange(n) % 2)[:, None], np.zeros((n, 3))]) + np.random.default_rng(0).random((n, 4))


def counts():
    r = np.random.default_rng(0)
    return r.negative_binomial(2, 0.3, (200, 20)) + np.pad(r.integers(90, 99, (100, 1)), ((100, 0), (0, 19)))


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (cut(), True),
        (counts(), False),  # whose columns are not compared as they are
        (np.round(10 * cut()).astype(np.uint8).reshape(-1, 2, 2), False),
        (scipy.sparse.csr_matrix(cut()), False),
    ],
    ids=["table", "counts", "images", "sparse"],
)
def test_pixels_counts_and_sparse_columns_have_no_names_to_tell(x, told):
    data = observe(x)
    fitting = SimpleNamespace(data=data, model=AlongTheFirst(choose(data)), settings=Settings(clusters=2))
    assert len(one_column(fitting)) == told


def rows(n=200):
    """Two faint groups, the number of a device that has nothing to do with them, and its maker."""
    r = np.random.default_rng(0)
    frame = pandas.DataFrame(r.normal(size=(n, 4)) + 0.5 * (np.arange(n) % 2)[:, None], columns=list("abcd"))
    new = r.random(n) < 0.45
    return frame.assign(device=9 * new + r.normal(size=n), maker=np.where(new, "new", "old"))


def test_a_fit_tells_of_the_column_but_not_where_hints_chose_the_groups(eager):
    short = VaDEClusterer(2, hidden=(8,), latent_dim=2, pretrain_epochs=2, epochs=2, random_state=0)
    with pytest.warns(UserWarning, match="the clusters follow column 'maker' and, with it, 'device'"):
        short.fit(rows())
    hints = np.where(rows()["maker"] == "new", 1, 0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        short.fit(rows(), hints=hints)
    assert not any("follow column" in str(each.message) for each in told)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        short.fit(rows()[["a", "b", "c", "d"]])
    assert not any("follow column" in str(each.message) for each in told)
