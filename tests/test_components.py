"""Principal components as features: told by their columns, weighed by their variance, and taken for nothing else."""

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_wine, make_blobs
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.metrics import adjusted_rand_score

from vade_tf.amounts import scale_of
from vade_tf.data import checks
from vade_tf.data.components import are_components
from vade_tf.data.observing import observe
from vade_tf.model import choice
from vade_tf.training import groups, recipe, views
from vade_tf.training.fitting import begin
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import Settings


def mixed(rng, n: int = 300, width: int = 20) -> np.ndarray:
    """Columns that know of one another, about means of their own."""
    return rng.normal(size=(n, width)) @ rng.normal(size=(width, width)) + rng.normal(size=width)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(30, 400), width=st.integers(4, 20))
@settings(max_examples=40, deadline=None)
def test_components_are_told_from_the_columns_that_they_are_made_of(seed, n, width):
    rng = np.random.default_rng(seed)
    x = mixed(rng, n, width)
    for made in (PCA(width - 1), TruncatedSVD(width - 1, random_state=0)):
        found = made.fit_transform(x).astype("f4")
        assert are_components(found)
        assert not are_components(found @ np.linalg.qr(rng.normal(size=(width - 1, width - 1)))[0].astype("f4"))
    assert not are_components(x.astype("f4"))


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(20, 2000), width=st.integers(3, 40))
@settings(max_examples=60, deadline=None)
def test_columns_that_know_nothing_of_one_another_are_none_though_the_widest_stands_first(seed, n, width):
    rng = np.random.default_rng(seed)
    x = rng.standard_t(3, (n, width)) * np.sort(rng.lognormal(size=width))[::-1]
    assert not are_components(x.astype("f4"))


def test_components_of_more_rows_than_are_given_are_told_as_well(rng, monkeypatch):
    """As where a third was kept for later; in blocks of any size."""
    found = PCA(15).fit_transform(mixed(rng, 900)).astype("f4")
    monkeypatch.setattr(checks, "CHECK_ROWS", 128)
    assert are_components(found[:600])
    assert not are_components(found[:90])  # of a tenth correlations are those of chance
    assert not are_components(found[:, ::-1])


def test_what_is_left_of_as_many_components_as_rows_says_nothing(rng):
    x = PCA(30).fit_transform(rng.normal(size=(30, 80))).astype("f4")  # the last one is rounding
    assert are_components(x)
    noise = np.pad(rng.normal(size=(30, 3)) * [3, 2, 1], ((0, 0), (0, 40))).astype("f4")  # columns of zeros agree
    assert not are_components(noise)
    assert are_components(np.pad(x, ((0, 0), (0, 4))))
    assert not are_components(np.zeros((30, 5), "f4"))
    assert not are_components(np.pad(x, ((0, 0), (0, 1971))))  # 2,001 columns, whose products take memory


def test_the_first_column_of_a_truncated_svd_gets_no_logarithm_in_a_table(rng):
    """All its numbers are above 0, with a long tail, as those of amounts."""
    found = TruncatedSVD(12, random_state=0).fit_transform(
        rng.lognormal(0, 1, (300, 30)) * rng.lognormal(0, 1, (300, 1))
    )
    found *= np.sign(found[0, 0])
    assert scale_of(found[:, 0]) is not None
    rows, amounts = (observe(pandas.DataFrame(x).add_prefix("c")) for x in (found, found[:, [0, 2, 1]][::-1] ** 2))
    assert rows.components
    np.testing.assert_allclose(rows.x, found, rtol=1e-5, atol=1e-5)
    assert not amounts.components
    assert any(column.log for column in amounts.schema.columns)


def test_rows_that_hold_one_number_each_are_no_components(rng):
    """One amount a row, in the column of its kind: no two columns have a row in common."""
    kind = np.sort(rng.integers(0, 6, 300) * rng.integers(0, 2, 300))
    x = np.eye(6)[kind] * rng.uniform(1, 2, (300, 1)) * np.arange(7, 1, -1)
    assert not are_components(x.astype("f4"))


@pytest.mark.parametrize("whiten", [False, True])
def test_more_columns_than_a_table_has_are_read_in_one_unit_as_well(rng, whiten):
    """By the start, in their leading directions; and few of them tell the most, so none is hidden. It is said."""
    found = PCA(210).fit_transform(rng.normal(size=(300, 250)) * np.geomspace(100, 1e-6, 250))
    said = []
    reporter = Silent()
    reporter.say = said.append
    x = found / found.std(axis=0) if whiten else found
    fitting = begin(x, Settings(clusters=2, hidden=(4,), latent_dim=2, precision="float32"), reporter=reporter)
    columns = groups.reader(fitting, "init", fitting.data.x)(fitting.data.x)[-1]
    expected = np.ones(50) if whiten else found[:, :50].std(axis=0) / np.sqrt(found.var(axis=0).mean())
    np.testing.assert_allclose(columns.std(axis=0), expected, rtol=0.02)
    assert fitting.settings.augment == ("columns" if whiten else "digits")  # which moves images alone
    assert ["columns are taken for principal components" in " ".join(said)] == [not whiten or fitting.data.components]


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test_tables_keep_a_unit_for_each_column(load):
    assert not observe(load().data).components
    assert not observe(load(as_frame=True).data).components


@pytest.mark.parametrize("form", [np.asarray, lambda x: pandas.DataFrame(x).add_prefix("PC")], ids=["array", "table"])
def test_components_share_one_unit_about_their_means(rng, form):
    found = TruncatedSVD(12, random_state=0).fit_transform(mixed(rng))
    rows = observe(form(found))
    assert rows.components
    likelihood = choice.choose(rows)
    assert (likelihood.name, likelihood.shared) == ("gaussian", True)
    scale, offset = likelihood.units(rows)
    scaled = rows.x * scale + offset
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(
        np.cov(scaled.T, bias=True), np.cov(found.T, bias=True) / found.var(axis=0).mean(), atol=1e-4
    )


def test_the_start_compares_components_as_they_are(rng):
    """Whitened they would weigh alike, the last as much as the first."""
    found = PCA(12).fit_transform(mixed(rng))
    settings = Settings(clusters=2, hidden=(4,), latent_dim=2, precision="float32")
    for x, spread in ((found, found.std(axis=0) / found.std()), (found / found.std(axis=0), np.ones(12))):
        data = begin(x, settings)
        rows = views.feature_reader(data.model, data.data.x, data.data.components)(data.data.x)
        np.testing.assert_allclose(rows.std(axis=0), spread, rtol=1e-3)
    wide = PCA(12).fit_transform(mixed(rng))
    data = begin(wide, settings)
    columns = views.direction_reader(data.model, data.data.x, True)(data.data.x)
    np.testing.assert_allclose(columns.std(axis=0), wide.std(axis=0) / wide.std(), rtol=1e-2)


def test_groups_of_the_leading_components_are_found_among_many_that_are_noise(rng):
    """Each of variance 1, fifty directions of noise would hide three of groups."""
    centres, labels = make_blobs(400, 3, centers=4, cluster_std=0.4, random_state=0)
    x = centres @ rng.normal(size=(3, 60)) + rng.normal(size=(400, 60))
    found = PCA(55).fit_transform(x)
    fit = recipe.fit(found, Settings(clusters=4, hidden=(32,), epochs=10, pretrain_epochs=10, precision="float32"))
    assert adjusted_rand_score(labels, fit.model.predict(found.astype("f4"), verbose=0).argmax(axis=1)) > 0.9


def test_components_in_another_order_are_told_where_the_widest_still_stand_first_by_and_large(rng):
    """Neighbours may have changed places; halves may not."""
    found = PCA(16).fit_transform(mixed(rng)).astype("f4")
    assert are_components(found[:, np.arange(16) ^ 1])
    assert not are_components(found[:, np.arange(16) ^ 4])
    assert not are_components(found[:, ::-1])
